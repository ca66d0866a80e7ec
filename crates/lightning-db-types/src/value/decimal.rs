//! Exact decimal numbers of up to 38 digits.

use crate::error::{Error, Result};
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

/// Largest number of digits.
pub(crate) const DIGITS_MAX: u32 = 38;

/// Whole numbers up to this one are doubles.
const EXACT_MAX: u128 = 1 << 53;

/// The powers of ten that are doubles.
const EXACT_POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];

/// `mantissa / 10^scale`, exactly.
///
/// The mantissa has at most 38 digits, the scale is 0 to 38. Equality and order are those of the
/// numbers: `1.5` and `1.50` are equal, and differ only in how they print.
///
/// # Examples
/// ```
/// use lightning_db_types::Decimal;
/// let price: Decimal = "12.50".parse()?;
/// assert_eq!((price.mantissa(), price.scale()), (1250, 2));
/// assert_eq!(price, Decimal::new(125, 1)?);
/// assert!(price < Decimal::new(13, 0)?);
/// assert_eq!(price.to_string(), "12.50");
/// # Ok::<(), lightning_db_types::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct Decimal {
    // The two halves of the mantissa: an i128 is aligned to 16 bytes and would make every value
    // half as large again.
    high: u64,
    low: u64,
    scale: u8,
}

impl Decimal {
    /// Largest scale, and largest number of digits of the mantissa.
    pub const SCALE_MAX: u8 = 38;

    /// Zero.
    pub const ZERO: Self = Self { high: 0, low: 0, scale: 0 };

    /// The number `mantissa / 10^scale`.
    ///
    /// # Errors
    /// [`Error::DecimalMantissa`] beyond 38 digits, [`Error::DecimalScale`] beyond a scale of 38.
    pub fn new(mantissa: i128, scale: u8) -> Result<Self> {
        if scale > Self::SCALE_MAX {
            return Err(Error::DecimalScale { scale: scale.into() });
        }
        if mantissa.unsigned_abs() >= power_of_ten(DIGITS_MAX) {
            return Err(Error::DecimalMantissa { mantissa });
        }
        Ok(Self::from_parts(mantissa, scale))
    }

    /// A number within the bounds.
    #[expect(clippy::cast_possible_truncation, reason = "each half keeps its 64 bits")]
    fn from_parts(mantissa: i128, scale: u8) -> Self {
        let bits = mantissa.cast_unsigned();
        Self { high: (bits >> 64) as u64, low: bits as u64, scale }
    }

    /// The digits as a whole number.
    pub fn mantissa(self) -> i128 {
        ((u128::from(self.high) << 64) | u128::from(self.low)).cast_signed()
    }

    /// Number of digits after the point, 0 to 38.
    pub fn scale(self) -> u8 {
        self.scale
    }

    /// The nearest double.
    #[expect(clippy::cast_precision_loss, reason = "nothing is lost below the bound")]
    pub fn to_f64(self) -> f64 {
        let mantissa = self.mantissa();
        match EXACT_POWERS.get(usize::from(self.scale)) {
            // Both numbers are exact, so that the quotient is rounded once (Clinger, 1990).
            Some(power) if mantissa.unsigned_abs() <= EXACT_MAX => mantissa as f64 / power,
            // Reading text rounds correctly as well, and no decimal is too large for a double.
            _ => self.to_string().parse().unwrap_or(f64::NAN),
        }
    }

    /// The same number with the fewest digits after the point.
    #[must_use]
    pub fn normalized(self) -> Self {
        let mantissa = self.mantissa();
        let (magnitude, scale) = without_end_zeros(mantissa.unsigned_abs(), self.scale.into());
        // Both have only become smaller, so neither conversion fails.
        let magnitude = i128::try_from(magnitude).unwrap_or(i128::MAX);
        let scale = u8::try_from(scale).unwrap_or(Self::SCALE_MAX);
        Self::from_parts(magnitude * mantissa.signum(), scale)
    }

    /// Sign, exponent and digits, which order magnitudes and are one for equal numbers.
    pub(crate) fn scientific(self) -> Scientific {
        let mantissa = self.mantissa();
        let magnitude = mantissa.unsigned_abs();
        let Some(log) = magnitude.checked_ilog10() else {
            return Scientific { sign: Ordering::Equal, exponent: 0, digits: 0 };
        };
        let sign = mantissa.cmp(&0);
        let digits = magnitude * power_of_ten(DIGITS_MAX - 1 - log);
        // The magnitude is 0.ddd times ten to the power of `log + 1 - scale`, which is -37 to 38;
        // the bias makes it 1 to 76, and 0 is left for zero.
        let exponent = u8::try_from(log + 1 + DIGITS_MAX - u32::from(self.scale)).unwrap_or(0);
        Scientific { sign, exponent, digits }
    }
}

/// Ten to the power of `exponent`, which is at most 38.
#[inline]
fn power_of_ten(exponent: u32) -> u128 {
    const POWERS: [u128; DIGITS_MAX as usize + 1] = {
        let mut powers = [1; DIGITS_MAX as usize + 1];
        let mut i = 1;
        while i < powers.len() {
            powers[i] = powers[i - 1] * 10;
            i += 1;
        }
        powers
    };
    POWERS[exponent as usize]
}

/// Takes zeros off the end of the digits, as many as the scale has room for.
///
/// Divisions of 128 bits are slow, so the count of zeros is found bit by bit and not one by one.
fn without_end_zeros(mut magnitude: u128, mut scale: u32) -> (u128, u32) {
    for count in [32, 16, 8, 4, 2, 1] {
        if scale >= count && magnitude.is_multiple_of(power_of_ten(count)) {
            magnitude /= power_of_ten(count);
            scale -= count;
        }
    }
    (magnitude, scale)
}

/// A decimal as its sign, biased exponent, and digits moved left so that there are 38.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Scientific {
    /// As compared with zero.
    pub(crate) sign: Ordering,
    pub(crate) exponent: u8,
    pub(crate) digits: u128,
}

impl Scientific {
    /// The number, if it is one that [`Decimal::scientific`] gives.
    pub(crate) fn to_decimal(self) -> Option<Decimal> {
        if self.sign == Ordering::Equal {
            return (self.exponent == 0 && self.digits == 0).then_some(Decimal::ZERO);
        }
        let digits_range = power_of_ten(DIGITS_MAX - 1)..power_of_ten(DIGITS_MAX);
        let exponent = u32::from(self.exponent);
        if !digits_range.contains(&self.digits) || !(1..=2 * DIGITS_MAX).contains(&exponent) {
            return None;
        }
        // The value is `digits / 10^scale`; zeros at the end go until the scale is least.
        let (magnitude, scale) = without_end_zeros(self.digits, 2 * DIGITS_MAX - exponent);
        let mantissa = i128::try_from(magnitude).ok()?;
        let mantissa = if self.sign == Ordering::Less { -mantissa } else { mantissa };
        Decimal::new(mantissa, u8::try_from(scale).ok()?).ok()
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        if self.scale == other.scale {
            return self.mantissa().cmp(&other.mantissa());
        }
        let (left, right) = (self.scientific(), other.scientific());
        let magnitudes = || (left.exponent, left.digits).cmp(&(right.exponent, right.digits));
        left.sign.cmp(&right.sign).then_with(|| match left.sign {
            Ordering::Less => magnitudes().reverse(),
            _ => magnitudes(),
        })
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Decimal {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Decimal {}

impl Hash for Decimal {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.scientific().hash(state);
    }
}

/// As its mantissa and scale.
#[cfg(feature = "serde")]
impl serde::Serialize for Decimal {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.mantissa(), self.scale()).serialize(serializer)
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Decimal {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (mantissa, scale) = <(i128, u8)>::deserialize(deserializer)?;
        Self::new(mantissa, scale).map_err(serde::de::Error::custom)
    }
}

impl From<i64> for Decimal {
    fn from(number: i64) -> Self {
        Self::from_parts(number.into(), 0)
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mantissa = self.mantissa();
        let unit = power_of_ten(self.scale.into());
        let (whole, part) = (mantissa.unsigned_abs() / unit, mantissa.unsigned_abs() % unit);
        let text = match self.scale {
            0 => whole.to_string(),
            scale => format!("{whole}.{part:0width$}", width = usize::from(scale)),
        };
        f.pad_integral(mantissa >= 0, "", &text)
    }
}

impl fmt::Debug for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Decimal({self})")
    }
}

impl FromStr for Decimal {
    type Err = Error;

    /// Reads an optional sign, digits, and optionally a point and digits, as in `-12.50`.
    fn from_str(text: &str) -> Result<Self> {
        let refused = || Error::DecimalText { text: text.chars().take(64).collect() };
        let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
        let (whole, part) = match unsigned.split_once('.') {
            Some((_, "")) => return Err(refused()),
            Some(parts) => parts,
            None => (unsigned, ""),
        };
        if whole.is_empty() {
            return Err(refused());
        }
        let scale = u8::try_from(part.len()).map_err(|_| refused())?;
        let mut magnitude = 0_i128;
        for byte in whole.bytes().chain(part.bytes()) {
            let digit = byte.wrapping_sub(b'0');
            let longer = magnitude.checked_mul(10).and_then(|m| m.checked_add(digit.into()));
            magnitude = longer.filter(|_| digit <= 9).ok_or_else(refused)?;
        }
        let mantissa = if text.starts_with('-') { -magnitude } else { magnitude };
        Self::new(mantissa, scale).map_err(|_| refused())
    }
}

#[cfg(test)]
mod tests;
