//! The parameters that a plan is good for.

/// For each predicate with parameters, the selectivities between two bounds.
#[derive(Debug, Clone, PartialEq)]
pub struct Region {
    bounds: Vec<(f64, f64)>,
}

/// A region reaches from a part of the selectivity to as many times of it. Costs of access paths
/// that are linear in the rows are then off by no more than this.
pub(crate) const REACH: f64 = 4.0;

/// Below this share of rows every selectivity is as good as none: one row of many.
const SELECTIVITY_MIN: f64 = 1e-6;

impl Region {
    /// The region around selectivities. What is not a number is taken for one.
    pub fn around(selectivities: &[f64]) -> Self {
        let bounds = selectivities.iter().map(|selectivity| {
            let selectivity = known(*selectivity);
            (selectivity / REACH, selectivity * REACH)
        });
        Self { bounds: bounds.collect() }
    }

    /// Whether selectivities are in it; those of another number of predicates are not.
    pub fn contains(&self, selectivities: &[f64]) -> bool {
        self.bounds.len() == selectivities.len()
            && self.bounds.iter().zip(selectivities).all(|((low, high), selectivity)| {
                let selectivity = known(*selectivity);
                *low <= selectivity && selectivity <= *high
            })
    }

    /// Grows until it holds another.
    pub(super) fn cover(&mut self, other: &Self) {
        if self.bounds.len() != other.bounds.len() {
            self.bounds.clone_from(&other.bounds);
            return;
        }
        for ((low, high), (other_low, other_high)) in self.bounds.iter_mut().zip(&other.bounds) {
            (*low, *high) = (low.min(*other_low), high.max(*other_high));
        }
    }
}

fn known(selectivity: f64) -> f64 {
    if selectivity.is_nan() { 1.0 } else { selectivity.clamp(SELECTIVITY_MIN, 1.0) }
}
