//! Joins, each by its method.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

use foldhash::fast::FixedState;
use lightning_db_expression::number;
use lightning_db_types::Value;

use super::{Executor, Parts, wrong};
use crate::plan::{JoinMethod, Operator, PlanId, PlanNode};
use crate::query::{ColumnId, JoinKind, ScalarId};
use crate::reference::Failure;
use crate::reference::scalar::Outer;

type Row = Vec<Value>;

/// A join's own part.
struct Join<'a> {
    kind: JoinKind,
    method: JoinMethod,
    left: &'a [ColumnId],
    right: &'a [ColumnId],
    keys: &'a [(ScalarId, ScalarId)],
    on: &'a [ScalarId],
    outer: &'a Outer,
}

impl Join<'_> {
    /// Where columns stand in its rows, before some of them are left out.
    fn positions(&self, columns: &[ColumnId]) -> Result<Vec<usize>, Failure> {
        let mut all = self.left.to_vec();
        match self.kind {
            JoinKind::Semi | JoinKind::Anti => {}
            JoinKind::Mark(mark) => all.push(mark),
            _ => all.extend(self.right),
        }
        let position = |column| all.iter().position(|known| known == column);
        let positions = columns.iter().map(position);
        positions.collect::<Option<_>>().ok_or_else(|| wrong("a join of columns it does not have"))
    }
}

/// Keys that are equal if they compare so; `None` with a null.
fn canonical(key: Row) -> Option<Row> {
    let one = |value: Value| match value {
        Value::Null => None,
        value => Some(number::canonical(value.as_value_ref()).unwrap_or(value)),
    };
    key.into_iter().map(one).collect()
}

impl Executor<'_> {
    pub(super) fn join(&self, node: &PlanNode, outer: &Outer) -> Result<Parts, Failure> {
        let Operator::Join { kind, method, left, right, keys, on } = &node.operator else {
            return Err(wrong("a join that is none"));
        };
        let columns = |id: &PlanId| &self.plan.node(*id).columns[..];
        let join = Join {
            kind: *kind,
            method: *method,
            left: columns(left),
            right: columns(right),
            keys,
            on,
            outer,
        };
        let given = join.positions(&node.columns)?;
        let narrowed = |rows: Vec<Row>| {
            let narrow = |row: Row| given.iter().map(|place| row[*place].clone()).collect();
            rows.into_iter().map(narrow).collect()
        };
        let lefts = self.run(*left, outer)?;
        if *method == JoinMethod::ForEach {
            let all = lefts.into_iter().map(|rows| self.for_each(&join, rows, *right));
            return all.map(|rows| rows.map(narrowed)).collect();
        }
        let rights = self.run(*right, outer)?;
        if lefts.len() != rights.len() {
            return Err(wrong("a join of sides with different workers"));
        }
        let all = lefts.iter().zip(&rights).map(|(left, right)| self.matched(&join, left, right));
        all.map(|rows| rows.map(narrowed)).collect()
    }

    fn for_each(
        &self,
        join: &Join<'_>,
        left: Vec<Row>,
        right: PlanId,
    ) -> Result<Vec<Row>, Failure> {
        let mut all = Vec::new();
        for row in left {
            let mut inner = join.outer.clone();
            inner.extend(join.left.iter().copied().zip(row.iter().cloned()));
            let mut parts = self.run(right, &inner)?;
            let rows = parts.pop().unwrap_or_default();
            let candidates = vec![(0..rows.len()).collect()];
            all.extend(self.pairs(join, &[row], &rows, &candidates)?);
        }
        Ok(all)
    }

    fn matched(&self, join: &Join<'_>, left: &[Row], right: &[Row]) -> Result<Vec<Row>, Failure> {
        let of_keys = |side: fn(&(ScalarId, ScalarId)) -> ScalarId| -> Vec<ScalarId> {
            join.keys.iter().map(side).collect()
        };
        let key = |scalars: &[ScalarId], columns: &[ColumnId], row: &Row| {
            let value = |id: &ScalarId| {
                let compiled = self.interpreter().compile(*id, columns, join.outer)?;
                self.interpreter().value(&compiled, columns, row, join.outer)
            };
            scalars.iter().map(value).collect::<Result<Row, Failure>>()
        };
        let (of_left, of_right) = (of_keys(|key| key.0), of_keys(|key| key.1));
        let left_keys = left.iter().map(|row| key(&of_left, join.left, row));
        let left_keys = left_keys.collect::<Result<Vec<_>, _>>()?;
        let right_keys = right.iter().map(|row| key(&of_right, join.right, row));
        let right_keys = right_keys.collect::<Result<Vec<_>, _>>()?;
        let candidates = match join.method {
            JoinMethod::NestedLoop | JoinMethod::ForEach => {
                vec![(0..right.len()).collect(); left.len()]
            }
            JoinMethod::Merge => merge(left_keys, right_keys)?,
            JoinMethod::HashRight | JoinMethod::HashLeft => {
                if let JoinKind::Mark(_) = join.kind {
                    return Ok(mark(left, &left_keys, right_keys));
                }
                let mut table: HashMap<Row, Vec<usize>, FixedState> = HashMap::default();
                for (at, key) in right_keys.into_iter().enumerate() {
                    if let Some(key) = canonical(key) {
                        table.entry(key).or_default().push(at);
                    }
                }
                let find = |key: Row| canonical(key).and_then(|key| table.get(&key).cloned());
                left_keys.into_iter().map(|key| find(key).unwrap_or_default()).collect()
            }
        };
        if join.method == JoinMethod::HashLeft && join.kind == JoinKind::Inner {
            return self.in_right_order(join, left, right, &candidates);
        }
        self.pairs(join, left, right, &candidates)
    }

    fn in_right_order(
        &self,
        join: &Join<'_>,
        left: &[Row],
        right: &[Row],
        candidates: &[Vec<usize>],
    ) -> Result<Vec<Row>, Failure> {
        let mut turned = vec![Vec::new(); right.len()];
        for (at, matches) in candidates.iter().enumerate() {
            for other in matches {
                turned[*other].push(at);
            }
        }
        let pairs = turned.iter().enumerate().flat_map(|(at, matches)| {
            matches
                .iter()
                .map(move |other| left[*other].iter().chain(&right[at]).cloned().collect())
        });
        let columns = [join.left, join.right].concat();
        self.filter(pairs.collect(), &columns, join.on, join.outer)
    }

    /// The rows of a join, where each left row may match these right ones alone.
    fn pairs(
        &self,
        join: &Join<'_>,
        left: &[Row],
        right: &[Row],
        candidates: &[Vec<usize>],
    ) -> Result<Vec<Row>, Failure> {
        let columns = [join.left, join.right].concat();
        let compile = |id: &ScalarId| self.interpreter().compile(*id, &columns, join.outer);
        let on = join.on.iter().map(compile).collect::<Result<Vec<_>, _>>()?;
        let nulls = vec![Value::Null; join.right.len()];
        let mut matched = vec![false; right.len()];
        let mut rows = Vec::new();
        for (row, candidates) in left.iter().zip(candidates) {
            let (mut found, mut unknown) = (0, false);
            for at in candidates {
                let pair: Row = row.iter().chain(&right[*at]).cloned().collect();
                match self.interpreter().truth(&on, &columns, &pair, join.outer)? {
                    Some(true) => {
                        found += 1;
                        matched[*at] = true;
                        if !matches!(join.kind, JoinKind::Semi | JoinKind::Anti | JoinKind::Mark(_))
                        {
                            rows.push(pair);
                        }
                    }
                    Some(false) => {}
                    None => unknown = true,
                }
            }
            match join.kind {
                JoinKind::Semi if found > 0 => rows.push(row.clone()),
                JoinKind::Anti if found == 0 => rows.push(row.clone()),
                JoinKind::Mark(_) => {
                    let mark = if found == 0 && unknown { None } else { Some(found > 0) };
                    rows.push(row.iter().cloned().chain([Value::from(mark)]).collect());
                }
                JoinKind::Single if found > 1 => return Err(Failure::ManyRows(found)),
                JoinKind::Left | JoinKind::Full | JoinKind::Single if found == 0 => {
                    rows.push(row.iter().chain(&nulls).cloned().collect());
                }
                _ => {}
            }
        }
        if join.kind == JoinKind::Full {
            let nulls = vec![Value::Null; join.left.len()];
            let alone = right.iter().zip(&matched).filter(|(_, matched)| !**matched);
            rows.extend(alone.map(|(row, _)| nulls.iter().chain(row).cloned().collect()));
        }
        Ok(rows)
    }
}

/// Whether the one key of each left row is among those of the right.
fn mark(left: &[Row], left_keys: &[Row], right_keys: Vec<Row>) -> Vec<Row> {
    let any = !right_keys.is_empty();
    let nulls = right_keys.iter().any(|key| key.contains(&Value::Null));
    let table: HashSet<Row, FixedState> = right_keys.into_iter().filter_map(canonical).collect();
    let rows = left.iter().zip(left_keys);
    let marked = rows.map(|(row, key)| {
        let mark = match canonical(key.clone()) {
            None => (!any).then_some(false),
            Some(key) if table.contains(&key) => Some(true),
            Some(_) if nulls => None,
            Some(_) => Some(false),
        };
        row.iter().cloned().chain([Value::from(mark)]).collect()
    });
    marked.collect()
}

/// Matches of two sides that are sorted by their keys, both ascending or both descending.
fn merge(left: Vec<Row>, right: Vec<Row>) -> Result<Vec<Vec<usize>>, Failure> {
    let count = left.len();
    let sides = [left, right].map(|side| {
        let keys = side.into_iter().enumerate();
        keys.filter_map(|(at, key)| Some((at, canonical(key)?))).collect::<Vec<_>>()
    });
    let compare = |one: &Row, other: &Row| {
        let orders = one.iter().zip(other);
        let mut orders = orders.map(|(one, other)| number::compare(one.into(), other.into()));
        orders.find(|it| *it != Some(Ordering::Equal)).flatten().unwrap_or(Ordering::Equal)
    };
    let turns = |side: &[(usize, Row)], order: Ordering| {
        side.windows(2).any(|pair| compare(&pair[0].1, &pair[1].1) == order)
    };
    let down = sides.iter().any(|side| turns(side, Ordering::Greater));
    if down && sides.iter().any(|side| turns(side, Ordering::Less)) {
        return Err(wrong("a merge of sides that are not sorted"));
    }
    let mut matches = vec![Vec::new(); count];
    let mut start = 0;
    let [left, right] = &sides;
    for (at, key) in left {
        let before = |other: &Row| {
            let order = compare(other, key);
            if down { order.is_gt() } else { order.is_lt() }
        };
        while start < right.len() && before(&right[start].1) {
            start += 1;
        }
        let same = right[start..].iter().take_while(|(_, other)| compare(other, key).is_eq());
        matches[*at] = same.map(|(other, _)| *other).collect();
    }
    Ok(matches)
}
