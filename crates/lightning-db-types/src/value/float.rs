//! The total order of floats: one zero, one NaN, and that one largest.

const SIGN: u64 = 1 << 63;
const NAN: u64 = 0x7FF8_0000_0000_0000;

/// A number that orders as the float does, and is one for floats that are equal here.
///
/// The bits of positive floats order as the floats do; those of negative ones the other way round,
/// so they are inverted, and the sign is flipped to put them first.
#[inline]
pub(crate) fn to_ordered(float: f64) -> u64 {
    let bits = match float {
        _ if float.is_nan() => NAN,
        // Folds -0.0 into 0.0.
        _ => (float + 0.0).to_bits(),
    };
    bits ^ ((bits.cast_signed() >> 63).cast_unsigned() | SIGN)
}

/// The float of a number that [`to_ordered`] gives, or `None` if it never gives this one.
#[inline]
pub(crate) fn from_ordered(ordered: u64) -> Option<f64> {
    let bits = if ordered & SIGN == 0 { !ordered } else { ordered ^ SIGN };
    let float = f64::from_bits(bits);
    (to_ordered(float) == ordered).then_some(float)
}

#[cfg(test)]
mod tests {
    use super::{from_ordered, to_ordered};

    #[test]
    fn floats_sort_with_one_zero_and_nan_last() {
        let sorted = [
            f64::NEG_INFINITY,
            f64::MIN,
            -1.5,
            -f64::MIN_POSITIVE,
            -f64::from_bits(1),
            0.0,
            f64::from_bits(1),
            f64::MIN_POSITIVE,
            1.5,
            f64::MAX,
            f64::INFINITY,
            f64::NAN,
        ];
        assert!(sorted.map(to_ordered).is_sorted_by(|left, right| left < right));
        assert_eq!(to_ordered(-0.0), to_ordered(0.0));
        assert_eq!(to_ordered(-f64::NAN), to_ordered(f64::NAN));
        assert_eq!(to_ordered(f64::from_bits(0x7FF0_0000_0000_0001)), to_ordered(f64::NAN));
        for float in sorted {
            let back = from_ordered(to_ordered(float)).unwrap();
            assert_eq!(back.to_bits(), float.to_bits());
        }
    }

    #[test]
    fn forms_that_are_never_written_are_refused() {
        let negative_zero = !(1_u64 << 63);
        for ordered in [negative_zero, u64::MAX, 0, to_ordered(f64::NAN) + 1] {
            assert_eq!(from_ordered(ordered), None, "{ordered:#x}");
        }
    }
}
