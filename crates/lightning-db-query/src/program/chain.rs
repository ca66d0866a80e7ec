//! Rows that are found one after the other by keys, made ready as one step.
//!
//! A look-up by a key, and joins that look up a row for each row before, are most of what services
//! ask. Run node by node, each row is copied at each of them. A chain has one frame for all: each
//! link writes its columns behind those of the links before, where the keys of the next ones find
//! them, and what is given is read from the frame.

use std::ops::Range;

use lightning_db_optimizer::{ColumnId, JoinKind, JoinMethod, Operator, PlanId};

use super::{Access, Compiler, Computed, Key, KeyPart, Path, Step};
use crate::error::Result;

/// Columns of the longest frame.
pub(crate) const FRAME_MAX: usize = 16;

/// See the head of this file.
#[derive(Debug)]
pub(crate) struct Chain {
    pub(crate) links: Vec<Link>,
    /// Columns of the frame: those of the rows around, and then those of each link.
    pub(crate) frame: Vec<ColumnId>,
    /// Places of the columns that are given.
    pub(crate) given: Vec<usize>,
    /// The same if they stand one behind the other.
    pub(crate) span: Option<Range<usize>>,
}

/// Rows of a table for each row before.
#[derive(Debug)]
pub(crate) struct Link {
    /// Its conditions find the frame around them.
    pub(crate) access: Access,
    /// Where its columns begin in the frame.
    pub(crate) from: usize,
    /// Whether a row before that finds none goes on with nulls.
    pub(crate) is_optional: bool,
}

impl Compiler<'_> {
    /// Makes chains of nodes that were made ready, from those that read nothing on: each takes that
    /// of its input over, as long as it can.
    pub(super) fn chains(&mut self, id: PlanId, outer: &[ColumnId]) -> Result<()> {
        for (input, outer) in self.inputs(id, outer) {
            self.chains(input, &outer)?;
        }
        if let Some(mut chain) = self.chain(id, outer)? {
            let from = chain.given.first().copied().unwrap_or(0);
            let span = from..from + chain.given.len();
            chain.span = chain.given.iter().copied().eq(span.clone()).then_some(span);
            self.chains[id.index()] = Some(chain);
        }
        Ok(())
    }

    fn chain(&mut self, id: PlanId, outer: &[ColumnId]) -> Result<Option<Chain>> {
        let plan = self.plan;
        let node = plan.node(id);
        if self.batched[id.index()] {
            return Ok(None);
        }
        match &node.operator {
            Operator::Access { .. } => {
                let (links, frame) = (Vec::new(), outer.to_vec());
                let empty = Chain { links, frame, given: Vec::new(), span: None };
                self.linked(empty, id, false)
            }
            Operator::Project { input, .. } => {
                let Some(Step::Project { columns, .. }) = &self.steps[id.index()] else {
                    return Ok(None);
                };
                let columns: Option<Vec<usize>> = columns.iter().map(Computed::position).collect();
                let Some(columns) = columns else { return Ok(None) };
                let Some(mut chain) = self.chains[input.index()].take() else { return Ok(None) };
                chain.given = columns.iter().map(|place| chain.given[*place]).collect();
                Ok(Some(chain))
            }
            Operator::Join { kind, method: JoinMethod::ForEach, left, right, on, .. }
                if matches!(kind, JoinKind::Inner | JoinKind::Left) && on.is_empty() =>
            {
                let width = self.chains[left.index()].as_ref().map(|chain| chain.frame.len());
                if !width.is_some_and(|width| self.is_link(*right, width)) {
                    return Ok(None);
                }
                let Some(chain) = self.chains[left.index()].take() else { return Ok(None) };
                self.chains[right.index()] = None;
                let Some(mut chain) = self.linked(chain, *right, *kind == JoinKind::Left)? else {
                    return Ok(None);
                };
                let place = |column| chain.frame.iter().rposition(|known| known == column);
                let Some(given) = node.columns.iter().map(place).collect() else { return Ok(None) };
                chain.given = given;
                Ok(Some(chain))
            }
            _ => Ok(None),
        }
    }

    /// Whether an access is a plain one, whose columns fit behind so many.
    fn is_link(&self, id: PlanId, from: usize) -> bool {
        let is_plain = matches!(&self.steps[id.index()], Some(Step::Access(it)) if is_plain(it));
        let width = from + self.plan.node(id).columns.len();
        is_plain && !self.batched[id.index()] && width <= FRAME_MAX
    }

    /// The chain with the rows of an access behind it, if that is a plain one.
    fn linked(&mut self, mut chain: Chain, id: PlanId, is_optional: bool) -> Result<Option<Chain>> {
        let (plan, from) = (self.plan, chain.frame.len());
        if !self.is_link(id, from) {
            return Ok(None);
        }
        let columns = &plan.node(id).columns;
        let access = self.access(plan.node(id), &chain.frame)?;
        chain.given = (from..from + columns.len()).collect();
        chain.frame.extend(columns);
        chain.links.push(Link { access, from, is_optional });
        Ok(Some(chain))
    }
}

/// Whether rows are found by keys alone, and all conditions are expressions: those with parts have
/// plans of their own, which know other rows around them.
fn is_plain(access: &Access) -> bool {
    let are = |conditions: &[Computed]| conditions.iter().all(|it| it.parts.is_empty());
    let by_keys = match &access.path {
        Path::Keys { key, .. } => is_plain_key(key),
        Path::Entries(entries) => is_plain_key(&entries.scan.key) && are(&entries.filter),
        Path::All | Path::Set(_) | Path::Nearest(_) => false,
    };
    by_keys && access.checks.is_empty() && are(&access.filter)
}

fn is_plain_key(key: &Key) -> bool {
    let is_plain = |bound: &Option<(Computed, bool)>| {
        bound.as_ref().is_none_or(|(value, _)| value.parts.is_empty())
    };
    key.parts.iter().chain(key.later.iter().map(|(_, part)| part)).all(|part| match part {
        KeyPart::In(values) => values.iter().all(|value| value.parts.is_empty()),
        KeyPart::Range(low, high) => is_plain(low) && is_plain(high),
        KeyPart::Null | KeyPart::StartsWith(_) => true,
    })
}
