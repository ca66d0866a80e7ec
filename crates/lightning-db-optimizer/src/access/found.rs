//! What each index makes of the conditions.

use std::sync::Arc;

use lightning_db_expression::Expression;

use super::condition::Wanted;
use super::{Relation, Search, as_f64};
use crate::catalog::{IndexDefinition, IndexKind, Probe, ProbeCondition};
use crate::estimate::Estimate;
use crate::plan::{IndexScan, KeyPart};
use crate::query::{Query, Scalar, ScalarId};

/// Places that one search may look at.
const SEEKS_MAX: f64 = 100_000.0;
/// Sets that a range in a bitmap index reads: one slice for each bit of a number.
const SLICES: f64 = 64.0;

/// What an index makes of the conditions.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) scan: IndexScan,
    pub(super) kind: IndexKind,
    /// Conditions that are true of all its rows.
    pub(super) exact: Vec<ScalarId>,
    /// Conditions that make the rows fewer.
    pub(super) narrowing: Vec<ScalarId>,
    /// Places that are looked for, or sets that are read.
    pub(super) seeks: f64,
    /// Entries that it gives.
    pub(super) entries: Estimate,
    /// Entries of the index.
    pub(super) size: f64,
}

impl Found {
    /// Whether it gives fewer rows than the index has.
    pub(super) fn narrows(&self) -> bool {
        !self.scan.key.is_empty() || !self.scan.functions.is_empty()
    }

    /// Whether all of a unique key is given: at most one row for each place.
    pub(super) fn is_unique(&self, index: &IndexDefinition) -> bool {
        let fixed = |part: &KeyPart| matches!(part, KeyPart::Equal(_) | KeyPart::In(_));
        index.unique && self.scan.key.len() == index.parts.len() && self.scan.key.iter().all(fixed)
    }
}

/// A condition as an expression over the table, which holds whatever the parameters are; `None` if
/// it has parts that are no expression, or columns of others.
fn fixed_expression(query: &Query, relation: &Relation, id: ScalarId) -> Option<Expression> {
    if has_parameter(query, id) {
        return None;
    }
    expression(query, relation, id)
}

fn expression(query: &Query, relation: &Relation, id: ScalarId) -> Option<Expression> {
    query.expression(id, &|column| relation.columns.iter().position(|known| *known == column))
}

fn has_parameter(query: &Query, id: ScalarId) -> bool {
    let scalar = query.scalar(id);
    let mut has = matches!(scalar, Scalar::Parameter(..));
    scalar.each_operand(&mut |it| has = has || has_parameter(query, it));
    has
}

impl Search<'_> {
    /// What an index makes of some conditions, or why it cannot be used.
    pub(super) fn find(&self, position: usize, all: &[ScalarId]) -> Result<Found, String> {
        let index = self.relation.index(position);
        let mut found = self.start(position);
        if let Some(condition) = &index.condition {
            let known: Vec<Expression> = all
                .iter()
                .filter_map(|id| fixed_expression(self.query, self.relation, *id))
                .collect();
            if !Expression::And(known).implies(condition) {
                let text = self.relation.conditions[position];
                let text = text.map_or(String::new(), |id| self.query.scalar_text(id));
                return Err(format!("its condition {text} is not implied"));
            }
            for id in all {
                let expression = fixed_expression(self.query, self.relation, *id);
                if expression.is_some_and(|it| condition.implies(&it)) {
                    found.exact.push(*id);
                    found.narrowing.push(*id);
                }
            }
        }
        match index.kind {
            IndexKind::Clustered | IndexKind::Ordered => {
                self.find_prefix(position, all, &mut found);
            }
            IndexKind::Hash => self.find_whole(position, all, &mut found)?,
            IndexKind::Bitmap => self.find_set(position, all, &mut found)?,
            IndexKind::Spatial | IndexKind::Text => self.find_functions(position, all, &mut found),
            IndexKind::Bloom => return Err("it only says what is absent".to_owned()),
        }
        found.exact.sort_unstable();
        found.exact.dedup();
        self.estimate_entries(position, &mut found);
        Ok(found)
    }

    fn start(&self, position: usize) -> Found {
        let index = self.relation.index(position);
        let name: Arc<str> = Arc::from(index.name.as_str());
        let size = index.entries.map_or(self.relation.rows, as_f64);
        Found {
            scan: IndexScan { index: position, name, ..IndexScan::default() },
            kind: index.kind,
            exact: Vec::new(),
            narrowing: Vec::new(),
            seeks: 1.0,
            entries: Estimate::exact(size),
            size,
        }
    }

    fn wanted(&self, position: usize, part: usize, all: &[ScalarId]) -> Wanted {
        match self.relation.parts[position].get(part).copied().flatten() {
            Some(scalar) => Wanted::new(self.query, self.relation, scalar, all),
            None => Wanted::default(),
        }
    }

    /// Parts of an ordered key, from the first on, up to the first range or the last condition.
    fn find_prefix(&self, position: usize, all: &[ScalarId], found: &mut Found) {
        let parts = self.relation.index(position).parts.len();
        let (mut exact, mut used, mut length) = (Vec::new(), Vec::new(), 0);
        let (mut key, mut seeks, mut seeks_at_last) = (Vec::new(), 1.0, 1.0);
        for part in 0..parts {
            let wanted = self.wanted(position, part, all);
            let Some(chosen) = wanted.part else {
                // One search for each value, if there are few: a skip scan.
                seeks *= self.distinct(position, part);
                if seeks > SEEKS_MAX || part + 1 == parts {
                    break;
                }
                key.push(KeyPart::Any);
                continue;
            };
            if let KeyPart::In(values) = &chosen {
                seeks *= as_f64(values.len() as u64);
            }
            if seeks > SEEKS_MAX {
                break;
            }
            exact.extend(wanted.exact);
            used.extend(wanted.used);
            let last = matches!(chosen, KeyPart::Range { .. } | KeyPart::StartsWith(_));
            key.push(chosen);
            (length, seeks_at_last) = (key.len(), seeks);
            if last {
                break;
            }
        }
        key.truncate(length);
        found.scan.key = key;
        found.seeks = seeks_at_last;
        found.exact.extend(exact);
        found.narrowing.extend(used);
    }

    /// Distinct values of a part, for a search for each of them.
    fn distinct(&self, position: usize, part: usize) -> f64 {
        let scalar = self.relation.parts[position].get(part).copied().flatten();
        let column = scalar.and_then(|id| self.relation.position(self.query, id));
        let statistics = self.relation.statistics.as_ref();
        let known = column.and_then(|at| statistics?.column(at)).map(|it| it.distinct);
        // One more for null; many where nothing is known.
        known.filter(|distinct| *distinct > 0.0).map_or(self.relation.rows, |it| it + 1.0).max(1.0)
    }

    fn find_whole(
        &self,
        position: usize,
        all: &[ScalarId],
        found: &mut Found,
    ) -> Result<(), String> {
        for part in 0..self.relation.index(position).parts.len() {
            let wanted = self.wanted(position, part, all);
            let chosen = wanted.part.filter(|it| matches!(it, KeyPart::Equal(_) | KeyPart::In(_)));
            let Some(chosen) = chosen else {
                return Err("not all parts of its key are given".to_owned());
            };
            if let KeyPart::In(values) = &chosen {
                found.seeks *= as_f64(values.len() as u64);
            }
            found.scan.key.push(chosen);
            found.exact.extend(wanted.exact);
            found.narrowing.extend(wanted.used);
        }
        if found.seeks > SEEKS_MAX {
            Err("it would be searched too often".to_owned())
        } else {
            Ok(())
        }
    }

    /// A bitmap index has a set for each value of each of its parts.
    fn find_set(&self, position: usize, all: &[ScalarId], found: &mut Found) -> Result<(), String> {
        found.seeks = 0.0;
        for part in 0..self.relation.index(position).parts.len() {
            let wanted = self.wanted(position, part, all);
            let usable = wanted.part.filter(|part| !matches!(part, KeyPart::StartsWith(_)));
            let Some(chosen) = usable else {
                found.scan.key.push(KeyPart::Any);
                continue;
            };
            found.seeks += match &chosen {
                KeyPart::In(values) => as_f64(values.len() as u64),
                KeyPart::Range { .. } => SLICES,
                _ => 1.0,
            };
            found.scan.key.push(chosen);
            found.exact.extend(wanted.exact);
            found.narrowing.extend(wanted.used);
        }
        while found.scan.key.last() == Some(&KeyPart::Any) {
            found.scan.key.pop();
        }
        if found.scan.key.is_empty() { Err("no condition on its key".to_owned()) } else { Ok(()) }
    }

    fn find_functions(&self, position: usize, all: &[ScalarId], found: &mut Found) {
        let index = self.relation.index(position);
        for condition in all {
            let Scalar::External { function, arguments, .. } = self.query.scalar(*condition) else {
                continue;
            };
            if index.answers.contains(function) && self.fits(position, arguments) {
                found.scan.functions.push(*condition);
                found.exact.push(*condition);
                found.narrowing.push(*condition);
            }
        }
    }

    /// Whether one of a function's arguments is a part of the index, and the others are fixed.
    pub(super) fn fits(&self, position: usize, arguments: &[ScalarId]) -> bool {
        let parts = &self.relation.parts[position];
        let is_part = |argument: &&ScalarId| parts.contains(&Some(**argument));
        let is_fixed = |argument: &ScalarId| self.relation.is_fixed(self.query, *argument);
        let of_index = arguments.iter().filter(is_part).count();
        of_index == 1 && arguments.iter().all(|it| is_part(&it) || is_fixed(it))
    }

    /// The index's own estimate if it has one, or what the statistics say.
    fn estimate_entries(&self, position: usize, found: &mut Found) {
        let index = self.relation.index(position);
        let own = self.own_estimate(position, &found.narrowing);
        let mut entries = match own {
            Some(own) => own,
            None if found.narrowing.is_empty() => Estimate::exact(found.size),
            None => {
                let share = (self.selectivity)(&found.narrowing);
                share.scaled(self.relation.rows).at_most(found.size)
            }
        };
        if found.is_unique(index) {
            entries = entries.at_most(found.seeks);
        }
        found.entries = entries;
    }

    /// What an index says of conditions, if it says something and they have values.
    pub(super) fn own_estimate(&self, index: usize, conditions: &[ScalarId]) -> Option<Estimate> {
        if conditions.is_empty() {
            return None;
        }
        let of = |id: &ScalarId| self.probe_condition(*id);
        let conditions = conditions.iter().map(of).collect::<Option<Vec<_>>>()?;
        let table = self.relation.table;
        self.catalog.estimate(&Probe { table, index, conditions: &conditions })
    }

    fn probe_condition(&self, id: ScalarId) -> Option<ProbeCondition> {
        let of = |id: ScalarId| expression(self.query, self.relation, id);
        if let Scalar::External { function, arguments, .. } = self.query.scalar(id) {
            let arguments = arguments.iter().map(|it| of(*it)).collect::<Option<_>>()?;
            return Some(ProbeCondition::External { function: Arc::clone(function), arguments });
        }
        of(id).map(ProbeCondition::Expression)
    }
}
