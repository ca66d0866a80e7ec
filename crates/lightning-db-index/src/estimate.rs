//! How many rows a query is expected to give.

/// An expected number of rows, with bounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// Expected number of rows.
    pub point: f64,
    /// At least so many, as far as is known.
    pub low: f64,
    /// At most so many, as far as is known.
    pub high: f64,
    /// Whether the number was counted: the three are equal then.
    pub exact: bool,
}

impl Estimate {
    /// A number that was counted.
    #[expect(clippy::cast_precision_loss, reason = "row counts are far below 2^52")]
    pub fn exact(rows: u64) -> Self {
        let point = rows as f64;
        Self { point, low: point, high: point, exact: true }
    }

    /// An expected number with bounds; the point is moved between them.
    pub fn between(low: f64, point: f64, high: f64) -> Self {
        let (low, high) = (low.max(0.0), high.max(low).max(0.0));
        Self { point: point.clamp(low, high), low, high, exact: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_point_lies_between_the_bounds() {
        let between = |low, point, high| Estimate { point, low, high, exact: false };
        assert_eq!(Estimate::between(2.0, 9.0, 5.0), between(2.0, 5.0, 5.0));
        assert_eq!(Estimate::between(-1.0, -3.0, 5.0), between(0.0, 0.0, 5.0));
        assert!(Estimate::exact(3).exact);
    }
}
