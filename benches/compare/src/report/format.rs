//! Numbers as people read them.

/// Three significant digits with a unit prefix: `1.23M`, `45.6K`, `789`, `0.12`.
pub(crate) fn quantity(value: f64) -> String {
    for (scale, suffix) in [(1e9, "G"), (1e6, "M"), (1e3, "K")] {
        // Just below a scale, rounding would give `1000K`.
        if value.abs() >= scale * 0.999_5 {
            return format!("{}{suffix}", digits(value / scale));
        }
    }
    digits(value)
}

/// Nanoseconds as microseconds: `0.25`, `12.3`, `1230`.
pub(crate) fn micros(nanos: f64) -> String {
    digits(nanos / 1e3)
}

/// A ratio: `2.50 x`.
pub(crate) fn ratio(ratio: Option<f64>) -> String {
    ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{} x", digits(ratio)))
}

fn digits(value: f64) -> String {
    match value.abs() {
        size if size < 9.995 => format!("{value:.2}"),
        size if size < 99.95 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_keep_three_digits() {
        let cases = [
            (0.123, "0.12"),
            (9.996, "10.0"),
            (789.4, "789"),
            (999.9, "1.00K"),
            (45_600.0, "45.6K"),
            (1_234_567.0, "1.23M"),
            (2.5e9, "2.50G"),
        ];
        for (value, expected) in cases {
            assert_eq!(quantity(value), expected);
        }
    }

    #[test]
    fn latencies_are_microseconds_and_ratios_have_a_sign() {
        assert_eq!(micros(250.0), "0.25");
        assert_eq!(micros(1_234_000.0), "1234");
        assert_eq!(ratio(Some(2.5)), "2.50 x");
        assert_eq!(ratio(None), "-");
    }
}
