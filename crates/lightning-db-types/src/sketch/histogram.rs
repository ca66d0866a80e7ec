//! How values spread: buckets that hold the same number of values each.

use crate::value::{Value, ValueRef};

/// An equi-depth histogram: between two bounds that follow each other lie equally many values.
///
/// # Examples
/// ```
/// use lightning_db_types::Value;
/// use lightning_db_types::sketch::Histogram;
/// let sorted: Vec<Value> = (0..1_000_i64).map(Value::from).collect();
/// let histogram = Histogram::of_sorted(&sorted, 16);
/// let below = histogram.fraction_below(Value::from(250_i64).as_value_ref(), false);
/// assert!((0.24..0.26).contains(&below));
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Histogram {
    /// Ends of the buckets, ascending, the lowest value first.
    bounds: Vec<Value>,
    /// Values that it stands for.
    count: u64,
}

impl Histogram {
    /// Of values in ascending order, which may be a sample of more; up to `buckets` buckets.
    pub fn of_sorted(sorted: &[Value], buckets: usize) -> Self {
        let (Some(last), buckets) = (sorted.len().checked_sub(1), buckets.max(1)) else {
            return Self::default();
        };
        let buckets = buckets.min(last.max(1));
        let bounds = (0..=buckets).map(|bucket| sorted[bucket * last / buckets].clone());
        Self { bounds: bounds.collect(), count: sorted.len() as u64 }
    }

    /// Number of values that it was made of.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Number of buckets.
    pub fn buckets(&self) -> usize {
        self.bounds.len().saturating_sub(1)
    }

    /// Lowest and highest value.
    pub fn range(&self) -> Option<(&Value, &Value)> {
        Some((self.bounds.first()?, self.bounds.last()?))
    }

    /// Share of values below a value, or at most it with `or_equal`; 0 to 1. A binary search;
    /// within a bucket of numbers, dates or timestamps they are taken to spread evenly, within one
    /// of text by the first bytes that differ.
    #[expect(clippy::cast_precision_loss, reason = "numbers of buckets")]
    pub fn fraction_below(&self, value: ValueRef<'_>, or_equal: bool) -> f64 {
        if self.bounds.is_empty() {
            return 0.0;
        }
        let is_below = |bound: &Value| {
            let bound = bound.as_value_ref();
            bound < value || or_equal && bound == value
        };
        let above = self.bounds.partition_point(is_below);
        if above == 0 {
            return 0.0;
        }
        if above == self.bounds.len() {
            return 1.0;
        }
        let (low, high) = (&self.bounds[above - 1], &self.bounds[above]);
        let within = position(value, low.as_value_ref(), high.as_value_ref());
        (above as f64 - 1.0 + within) / self.buckets().max(1) as f64
    }

    /// Adds what another stands for: each bound counts for the values of its bucket.
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    pub fn merge(&mut self, other: &Self) {
        let buckets = self.buckets().max(other.buckets());
        let mut weighted: Vec<(&Value, f64)> = Vec::new();
        for histogram in [&*self, other] {
            let each = histogram.count as f64 / histogram.bounds.len().max(1) as f64;
            weighted.extend(histogram.bounds.iter().map(|bound| (bound, each)));
        }
        weighted.sort_by(|left, right| left.0.cmp(right.0));
        let total: f64 = weighted.iter().map(|(_, weight)| weight).sum();
        let Some((first, _)) = weighted.first() else { return };
        let mut bounds = vec![Value::clone(first)];
        let mut sum = 0.0;
        for (value, weight) in &weighted {
            sum += weight;
            while bounds.len() <= buckets
                && sum + 1e-9 >= total * bounds.len() as f64 / buckets as f64
            {
                bounds.push(Value::clone(value));
            }
        }
        let count = self.count + other.count;
        *self = Self { bounds, count };
    }
}

/// Where a value lies between two others, 0 to 1.
fn position(value: ValueRef<'_>, low: ValueRef<'_>, high: ValueRef<'_>) -> f64 {
    let [value, low, high] = match (value, low, high) {
        (ValueRef::Text(value), ValueRef::Text(low), ValueRef::Text(high)) => {
            bytes_as_numbers(value.as_bytes(), low.as_bytes(), high.as_bytes())
        }
        (ValueRef::Bytes(value), ValueRef::Bytes(low), ValueRef::Bytes(high)) => {
            bytes_as_numbers(value, low, high)
        }
        _ => [value, low, high].map(number),
    };
    let share = (value - low) / (high - low);
    if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.5 }
}

#[expect(clippy::cast_precision_loss, reason = "a place within a bucket need not be exact")]
fn number(value: ValueRef<'_>) -> f64 {
    match value {
        ValueRef::Bool(value) => f64::from(u8::from(value)),
        ValueRef::I64(value) | ValueRef::Timestamp(value) => value as f64,
        ValueRef::U64(value) => value as f64,
        ValueRef::F64(value) => value,
        ValueRef::Decimal(value) => value.mantissa() as f64 / 10_f64.powi(value.scale().into()),
        ValueRef::Date(value) => f64::from(value),
        ValueRef::Uuid(value) => u128::from_be_bytes(value) as f64,
        ValueRef::Point { x, .. } => x,
        ValueRef::Null | ValueRef::Text(_) | ValueRef::Bytes(_) => f64::NAN,
    }
}

/// The bytes behind what the bounds have in common, as fractions.
fn bytes_as_numbers(value: &[u8], low: &[u8], high: &[u8]) -> [f64; 3] {
    let common = low.iter().zip(high).take_while(|(low, high)| low == high).count();
    [value, low, high].map(|bytes| {
        let rest = bytes.get(common..).unwrap_or_default();
        let mut scale = 1.0;
        rest.iter().take(6).fold(0.0, |sum, byte| {
            scale /= 256.0;
            sum + f64::from(*byte) * scale
        })
    })
}
