//! Shares of groups whose counts, sums or averages fulfil a condition.

use lightning_db_expression::{Comparison, number};
use lightning_db_types::{Value, ValueRef, ValueType};

use super::Cardinality;
use super::range::mirrored;
use crate::estimate::Source;
use crate::query::{Aggregate, AggregateFunction, Node, NodeId, Scalar, ScalarId};
use crate::statistics::ColumnStatistics;

/// Parts that a histogram is looked at in.
const PARTS: u32 = 32;

/// Mean and variance.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Moments {
    mean: f64,
    variance: f64,
}

impl Cardinality<'_> {
    /// The share of an aggregate's groups for which a count, sum or average compares so with a
    /// constant, and where that is from; `None` for other conditions.
    ///
    /// A sum of many values is near a normal distribution, whatever theirs is. Groups are taken to
    /// differ in size as if rows fell into them by chance (as many rows more or less as a Poisson
    /// distribution has), and their values to be drawn alike from those of the column.
    pub(super) fn share_of_groups(
        &self,
        node: NodeId,
        condition: ScalarId,
    ) -> Option<(f64, Source)> {
        let Node::Aggregate { input, groups, aggregates } = self.query.node(node) else {
            return None;
        };
        let Scalar::Compare(comparison, left, right) = self.query.scalar(condition) else {
            return None;
        };
        let (comparison, column, value) =
            match (self.query.scalar(*left), self.query.scalar(*right)) {
                (Scalar::Column(column), Scalar::Literal(value)) => (*comparison, column, value),
                (Scalar::Literal(value), Scalar::Column(column)) => {
                    (mirrored(*comparison), column, value)
                }
                _ => return None,
            };
        let (_, aggregate) = aggregates.iter().find(|(made, _)| made == column)?;
        let value = as_float(value.as_value_ref())?;
        let made = self.distinct(groups, self.rows(*input)).point.max(1.0);
        let size = (self.rows(*input).point / made).max(1.0);
        let Moments { mean, variance } = self.moments_of(aggregate, size)?;
        let above = normal_above((value - mean) / variance.max(1e-12).sqrt());
        let share = match comparison {
            Comparison::Greater | Comparison::AtLeast => above,
            Comparison::Less | Comparison::AtMost => 1.0 - above,
            Comparison::Equal | Comparison::NotEqual => return None,
        };
        // Less than one group is none that one would plan for.
        Some((share.clamp((1.0 / made).min(1.0), 1.0), Source::Distinct))
    }

    /// Those of an aggregate over groups of this many rows in the middle.
    fn moments_of(&self, aggregate: &Aggregate, size: f64) -> Option<Moments> {
        if aggregate.distinct || aggregate.filter.is_some() {
            return None;
        }
        let of_values = || {
            let Scalar::Column(column) = self.query.scalar(aggregate.argument?) else {
                return None;
            };
            let (_, relation, position) = self.facts.column(*column)?;
            moments(relation.statistics_of(position)?)
        };
        match aggregate.function {
            AggregateFunction::Count => Some(Moments { mean: size, variance: size }),
            AggregateFunction::Sum => {
                let Moments { mean, variance } = of_values()?;
                Some(Moments { mean: size * mean, variance: size * (variance + mean * mean) })
            }
            AggregateFunction::Average => {
                let Moments { mean, variance } = of_values()?;
                Some(Moments { mean, variance: variance / size })
            }
            _ => None,
        }
    }
}

/// Those of a column of numbers: of its common values, and of what its histogram stands for.
fn moments(column: &ColumnStatistics) -> Option<Moments> {
    let mut parts = Vec::new();
    let mut rest = 1.0;
    for (value, share) in &column.common {
        parts.push((as_float(value.as_value_ref())?, *share));
        rest -= share;
    }
    if let Some((low, high)) = column.histogram.range()
        && rest > 0.0
    {
        let value_type = low.value_type();
        let (low, high) = (as_float(low.as_value_ref())?, as_float(high.as_value_ref())?);
        let step = (high - low) / f64::from(PARTS);
        let mut below = 0.0;
        for part in 1..=PARTS {
            let end = low + step * f64::from(part);
            let until = match part {
                PARTS => 1.0,
                _ => column.histogram.fraction_below(near(end, value_type)?.as_value_ref(), true),
            };
            parts.push((end - step / 2.0, rest * (until - below).max(0.0)));
            below = until;
        }
    }
    let whole: f64 = parts.iter().map(|(_, share)| share).sum();
    let average = |of: &dyn Fn(f64) -> f64| {
        parts.iter().map(|(value, share)| of(*value) * share).sum::<f64>() / whole
    };
    let mean = average(&|value| value);
    let variance = average(&|value| (value - mean).powi(2));
    (mean.is_finite() && variance.is_finite()).then_some(Moments { mean, variance })
}

fn as_float(value: ValueRef<'_>) -> Option<f64> {
    match number::fit(value, ValueType::F64)? {
        number::Fit::Exact(Value::F64(float))
        | number::Fit::Between(Some(Value::F64(float)), _) => Some(float),
        _ => None,
    }
}

/// A number of a type that is near.
fn near(float: f64, value_type: ValueType) -> Option<Value> {
    // Sixteenths are decimals of four digits, and exact.
    let digits = if value_type == ValueType::Decimal { 16.0 } else { 1.0 };
    let rounded = match value_type {
        ValueType::F64 => float,
        _ => (float * digits).round() / digits,
    };
    number::convert(ValueRef::F64(rounded), value_type)
}

/// Share of a normal distribution that is so many standard deviations above its mean, or more: off
/// by less than 1e-7.
///
/// Source: M. Abramowitz, I. Stegun, "Handbook of mathematical functions", 26.2.17.
fn normal_above(deviations: f64) -> f64 {
    let size = deviations.abs();
    let t = 1.0 / (1.0 + 0.231_641_9 * size);
    let series = [1.330_274_429, -1.821_255_978, 1.781_477_937, -0.356_563_782, 0.319_381_530];
    let sum = series.iter().fold(0.0, |sum, factor| (sum + factor) * t);
    let density = (-size * size / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
    if deviations >= 0.0 { density * sum } else { 1.0 - density * sum }
}

#[cfg(test)]
mod tests {
    use lightning_db_types::sketch::Histogram;

    use super::*;

    #[test]
    fn shares_of_a_normal_distribution_are_those_of_the_tables() {
        for (deviations, above) in
            [(0.0, 0.5), (1.0, 0.158_655), (-1.0, 0.841_345), (3.0, 0.001_35)]
        {
            assert!((normal_above(deviations) - above).abs() < 1e-6, "{deviations}");
        }
    }

    #[test]
    fn moments_are_those_of_common_values_and_histogram() {
        let values: Vec<Value> = (0..=100_i64).map(Value::from).collect();
        let even = ColumnStatistics {
            histogram: Histogram::of_sorted(&values, 50),
            ..ColumnStatistics::default()
        };
        let found = moments(&even).unwrap();
        assert!(
            (found.mean - 50.0).abs() < 1.0 && (found.variance - 833.0).abs() < 40.0,
            "{found:?}"
        );
        let common = vec![(Value::from(0_i64), 0.5), (Value::from(10_i64), 0.5)];
        let two = ColumnStatistics { common, ..ColumnStatistics::default() };
        assert_eq!(moments(&two), Some(Moments { mean: 5.0, variance: 25.0 }));
        let names = vec![(Value::from("a"), 1.0)];
        assert_eq!(moments(&ColumnStatistics { common: names, ..two }), None);
        assert_eq!(moments(&ColumnStatistics::default()), None);
    }
}
