//! Plans as text.

use std::fmt::{self, Display, Formatter};

use super::{Explain, MARK};
use crate::estimate::{Estimate, Source};
use crate::plan::PlanId;

/// Deeper nodes stand as those of this depth: a chain of ten thousand joins is no wide text.
const DEPTH_SHOWN: usize = 64;

/// A number of things, short.
pub(super) fn number(number: f64) -> String {
    match number {
        _ if !number.is_finite() => "any".to_owned(),
        _ if number >= 1e9 => {
            format!("{:.1}e{}", number / 10f64.powf(number.log10().floor()), number.log10().floor())
        }
        _ if number >= 100.0 || (number - number.round()).abs() < 0.005 => format!("{number:.0}"),
        _ => format!("{number:.2}"),
    }
}

fn estimate(rows: &Estimate) -> String {
    if rows.source == Source::Exact && rows.low >= rows.high {
        return format!("rows {} exact", number(rows.point));
    }
    let (low, high) = (number(rows.low), number(rows.high));
    format!("rows {} [{low}..{high}] {}", number(rows.point), rows.source)
}

impl Explain<'_> {
    fn write_costs(&self, id: PlanId, f: &mut Formatter<'_>) -> fmt::Result {
        let node = self.plan.node(id);
        let (start, total) = (number(node.cost.start), number(node.cost.total));
        write!(f, "  ({}, cost {start}..{total} {}", estimate(&node.rows), self.plan.unit())?;
        if node.degree > 1 {
            write!(f, ", workers {}", node.degree)?;
        }
        f.write_str(")")
    }

    fn write_actual(&self, id: PlanId, f: &mut Formatter<'_>) -> fmt::Result {
        let Some(actual) = self.actual.get(&id) else { return f.write_str("  (never ran)") };
        write!(f, "  (actual {}", number(actual.rows_each()))?;
        if actual.loops > 1 {
            write!(f, " times {}", actual.loops)?;
        }
        if let Some(time) = actual.time {
            let (nanoseconds, units) = (time.as_nanos(), ["ns", "us", "ms", "s"]);
            let thousands = nanoseconds.max(1).ilog10() as usize / 3;
            let unit = thousands.min(units.len() - 1);
            let places = usize::from(unit > 0) * 2;
            let seconds = time.as_secs_f64() * 1e3_f64.powi(3 - i32::try_from(unit).unwrap_or(0));
            write!(f, " in {seconds:.places$} {}", units[unit])?;
        }
        let error = self.q_error(id).unwrap_or(1.0);
        let mark = if error >= MARK { " !" } else { "" };
        write!(f, ", q-error {error:.2}{mark})")
    }
}

impl Display for Explain<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (position, (subquery, id, depth)) in self.lines().into_iter().enumerate() {
            let depth = depth.min(DEPTH_SHOWN);
            if position > 0 {
                writeln!(f)?;
            }
            if let Some(number) = subquery {
                writeln!(f, "Subquery #{number}")?;
            }
            let node = self.plan.node(id);
            let detail = node.operator.detail(self.plan.query());
            let space = if detail.is_empty() { "" } else { " " };
            write!(f, "{:1$}", "", 2 * depth)?;
            write!(f, "{}{space}{detail}", node.operator.name())?;
            if self.costs {
                self.write_costs(id, f)?;
            }
            if !self.actual.is_empty() {
                self.write_actual(id, f)?;
            }
            if !self.rejected {
                continue;
            }
            for other in &node.rejected {
                let cost = other.cost.map_or(String::new(), |cost| {
                    if self.costs { format!(", cost {}", number(cost)) } else { String::new() }
                });
                let reason = if self.costs || other.cost.is_none() {
                    other.reason.as_str()
                } else {
                    "costs more"
                };
                write!(f, "\n{:1$}not {2}{cost}: {reason}", "", 2 * depth + 4, other.what)?;
            }
        }
        for unmet in self.plan.unmet() {
            write!(f, "\nHint not followed: {unmet}")?;
        }
        for applied in self.plan.applied() {
            write!(f, "\nRewritten by {}: {}", applied.rule, applied.detail)?;
        }
        Ok(())
    }
}
