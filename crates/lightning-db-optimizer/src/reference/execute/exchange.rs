//! Rows passed between workers.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use lightning_db_expression::number;
use lightning_db_types::Value;

use super::{Executor, Parts, wrong};
use crate::plan::{Exchange, PlanId};
use crate::reference::Failure;
use crate::reference::interpret::{Relation, sort};
use crate::reference::scalar::Outer;

impl Executor<'_> {
    pub(super) fn exchange(
        &self,
        input: PlanId,
        exchange: &Exchange,
        degree: usize,
        outer: &Outer,
    ) -> Result<Parts, Failure> {
        let parts = self.run(input, outer)?;
        let (columns, rows) = (self.plan.node(input).columns.clone(), Vec::new());
        let relation = Relation { columns, rows };
        let mut passed = vec![Vec::new(); degree.max(1)];
        match exchange {
            Exchange::Local => {
                if parts.len() != 1 {
                    return Err(wrong("rows of several workers shared"));
                }
                for (at, row) in parts.into_iter().flatten().enumerate() {
                    passed[at % degree].push(row);
                }
            }
            Exchange::Hash(by) => {
                let positions = relation.positions(by)?;
                for row in parts.into_iter().flatten() {
                    let key: Vec<Value> = positions
                        .iter()
                        .map(|at| number::canonical((&row[*at]).into()).unwrap_or(row[*at].clone()))
                        .collect();
                    let hash = FixedState::default().hash_one(&key);
                    let worker = usize::try_from(hash % degree as u64).unwrap_or(0);
                    passed[worker].push(row);
                }
            }
            Exchange::Broadcast => {
                let all: Vec<_> = parts.into_iter().flatten().collect();
                passed.fill(all);
            }
            Exchange::GatherMerge(keys) => {
                let order = relation.order(keys)?;
                let mut all: Vec<_> = parts.into_iter().flatten().collect();
                if !keys.is_empty() {
                    // The parts are sorted, which was checked: sorting all is merging them.
                    all.sort_by(|left, right| sort(&order, left, right));
                }
                passed = vec![all];
            }
        }
        Ok(passed)
    }
}
