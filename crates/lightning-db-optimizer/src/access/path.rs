//! All ways to a relation's rows, and the best of them.

use super::cost::Load;
use super::found::Found;
use super::{Search, pessimistic};
use crate::catalog::IndexKind;
use crate::estimate::{Estimate, Source};
use crate::plan::{Access, BloomCheck, Cost, KeyPart, Order, OrderPart, Rejected};
use crate::query::{ColumnId, Scalar, ScalarId, Subquery};

/// A way to a relation's rows.
#[derive(Debug, Clone)]
pub(crate) struct Path {
    pub(crate) access: Access,
    pub(crate) checks: Vec<BloomCheck>,
    /// What is evaluated on rows.
    pub(crate) filter: Vec<ScalarId>,
    pub(crate) rows: Estimate,
    pub(crate) cost: Cost,
    pub(crate) order: Order,
    /// Columns that it gives.
    pub(crate) columns: Vec<ColumnId>,
}

/// The ways that are worth keeping, the best first, and those that are not.
pub(crate) fn paths(search: &Search<'_>) -> (Vec<Path>, Vec<Rejected>) {
    let mut rejected = Vec::new();
    let mut found = Vec::new();
    for position in 0..search.relation.definition.indexes.len() {
        match search.find(position, search.conditions) {
            Ok(one) => found.push(one),
            Err(reason) if search.relation.index(position).kind == IndexKind::Bloom => drop(reason),
            Err(reason) => {
                let what = format!("index {}", search.relation.index(position).name);
                rejected.push(Rejected { what, cost: None, reason });
            }
        }
    }
    let maker = Maker { search, rows: search.known_rows(&found), constants: search.constants() };
    let mut paths = vec![maker.scan()];
    for one in &found {
        let made = maker.of_index(one);
        if made.is_empty() {
            let what = format!("index {}", one.scan.name);
            let reason = "no condition on its key, no order of use, and rows would be fetched";
            rejected.push(Rejected { what, cost: None, reason: reason.to_owned() });
        }
        paths.extend(made);
    }
    paths.extend(maker.of_sets(&found));
    for path in &mut paths {
        maker.check_first(path);
        if (search.refused)(&path.access) {
            crate::optimize::penalize(&mut path.cost);
        }
    }
    (choose(search, paths, &mut rejected), rejected)
}

/// What a path costs with the rows that are wanted, and the risk.
fn rank(search: &Search<'_>, path: &Path) -> f64 {
    let weighted = path.cost.weighted(search.risk);
    let share = search.goal.map_or(1.0, |goal| (goal / path.rows.point.max(1e-9)).min(1.0));
    path.cost.start + (weighted - path.cost.start) * share
}

/// The best, and those that are better than it in some order or in all rows.
fn choose(search: &Search<'_>, paths: Vec<Path>, rejected: &mut Vec<Rejected>) -> Vec<Path> {
    let mut ranked: Vec<(f64, Path)> =
        paths.into_iter().map(|path| (rank(search, &path), path)).collect();
    ranked.sort_by(|left, right| left.0.total_cmp(&right.0));
    let best = ranked.first().map_or(0.0, |(rank, _)| *rank);
    let mut kept: Vec<Path> = Vec::new();
    for (rank, path) in ranked {
        let sorted = |path: &Path, wanted| path.order.satisfied(wanted);
        let better_order = search.orders.iter().any(|wanted| {
            let most = kept.iter().map(|it| sorted(it, wanted)).max();
            most.is_some_and(|most| sorted(&path, wanted) > most)
        });
        let cheaper = search.goal.is_some()
            && kept.iter().all(|it| path.cost.total < it.cost.total * (1.0 - 1e-9));
        if kept.is_empty() || better_order || cheaper {
            kept.push(path);
            continue;
        }
        let what = path.access.text(search.query);
        let reason = crate::optimize::dearer(rank, best);
        rejected.push(Rejected { what, cost: Some(path.cost.total), reason });
    }
    kept
}

pub(super) struct Maker<'a, 'b> {
    pub(super) search: &'b Search<'a>,
    /// Rows that every path gives.
    rows: Estimate,
    constants: Vec<ScalarId>,
}

impl Search<'_> {
    /// Conditions that are left once some are known to be true.
    pub(super) fn residual(&self, exact: &[ScalarId]) -> Vec<ScalarId> {
        self.conditions.iter().copied().filter(|id| !exact.contains(id)).collect()
    }

    /// What is known best of the rows: an index may know more than the statistics.
    fn known_rows(&self, found: &[Found]) -> Estimate {
        let mut rows = self.rows;
        for one in found {
            if one.entries.source <= Source::Index && !one.narrowing.is_empty() {
                if self.residual(&one.exact).is_empty() && one.entries.source < rows.source {
                    rows = one.entries;
                }
                rows = rows.at_most(one.entries.high);
            }
        }
        rows
    }

    /// Scalars that the conditions give one value for all rows, as far as orders want them.
    fn constants(&self) -> Vec<ScalarId> {
        let wanted =
            |scalar: &ScalarId| self.orders.iter().flatten().any(|key| key.scalar == *scalar);
        let sides = self.conditions.iter().filter_map(|id| match self.query.scalar(*id) {
            Scalar::Compare(lightning_db_expression::Comparison::Equal, left, right) => {
                let fixed = |side: ScalarId| self.relation.is_fixed(self.query, side);
                match (fixed(*left), fixed(*right)) {
                    (false, true) => Some(*left),
                    (true, false) => Some(*right),
                    _ => None,
                }
            }
            Scalar::IsNull(one) => Some(*one),
            _ => None,
        });
        sides.filter(wanted).collect()
    }

    /// By position, whether a column is needed once these conditions are evaluated on it.
    fn needed_with(&self, conditions: &[ScalarId]) -> Vec<bool> {
        let mut needed = self.needed.to_vec();
        for condition in conditions {
            self.mark(*condition, &mut needed);
        }
        needed
    }

    fn mark(&self, id: ScalarId, needed: &mut [bool]) {
        match self.query.scalar(id) {
            Scalar::Column(column) => {
                if let Some(at) = self.relation.columns.iter().position(|it| it == column) {
                    needed[at] = true;
                }
            }
            // What a subquery takes from the row is not looked for: all of it.
            Scalar::Subquery(subquery) => {
                needed.fill(true);
                if let Subquery::Any(_, value, _) | Subquery::All(_, value, _) = subquery {
                    self.mark(*value, needed);
                }
            }
            other => other.each_operand(&mut |it| self.mark(it, needed)),
        }
    }

    /// By position, whether a column's values stand in an index's entries.
    fn in_entries(&self, found: &Found) -> Vec<bool> {
        let index = self.relation.index(found.scan.index);
        let mut there = vec![found.kind == IndexKind::Clustered; self.needed.len()];
        let keyed = matches!(found.kind, IndexKind::Ordered | IndexKind::Hash);
        let parts = self.relation.parts[found.scan.index].iter().flatten();
        let parts = parts.filter_map(|part| self.relation.position(self.query, *part));
        let parts: Vec<usize> = if keyed { parts.collect() } else { Vec::new() };
        for position in parts.into_iter().chain(index.include.iter().copied()) {
            if let Some(place) = there.get_mut(position) {
                *place = true;
            }
        }
        there
    }
}

fn within(needed: &[bool], there: &[bool]) -> bool {
    needed.iter().zip(there).all(|(needed, there)| *there || !needed)
}

fn marked(needed: &[bool]) -> usize {
    needed.iter().filter(|needed| **needed).count()
}

impl Maker<'_, '_> {
    fn columns(&self) -> Vec<ColumnId> {
        let columns = self.search.relation.columns.iter().zip(self.search.needed);
        columns.filter(|(_, needed)| **needed).map(|(column, _)| *column).collect()
    }

    fn path(&self, access: Access, filter: Vec<ScalarId>, cost: Cost, order: Order) -> Path {
        let (rows, columns) = (self.rows, self.columns());
        Path { access, checks: Vec::new(), filter, rows, cost, order, columns }
    }

    /// All rows, in the order of the clustered key if there is one.
    fn scan(&self) -> Path {
        let filter = self.search.conditions.to_vec();
        let read = Estimate::exact(self.search.relation.rows);
        let columns = marked(&self.search.needed_with(&filter));
        let filters = (0, self.search.evaluations(&filter));
        let load = Load { read, fetched: read, rows: self.rows, filters, columns };
        let clustered = |index: &crate::catalog::IndexDefinition| {
            index.kind == IndexKind::Clustered && index.condition.is_none()
        };
        let indexes = &self.search.relation.definition.indexes;
        let order = match indexes.iter().position(clustered) {
            Some(position) => self.order(position, &[], false),
            None => Order { parts: Vec::new(), constants: self.constants.clone() },
        };
        self.path(Access::Scan, filter, self.search.scan_cost(&load), order)
    }

    /// The order of an index's entries.
    fn order(&self, index: usize, key: &[KeyPart], reverse: bool) -> Order {
        let definition = self.search.relation.index(index);
        let mut parts = Vec::new();
        for (position, part) in definition.parts.iter().enumerate() {
            let Some(scalar) = self.search.relation.parts[index][position] else { break };
            let wanted = key.get(position);
            if matches!(wanted, Some(KeyPart::Equal(_) | KeyPart::Null)) {
                continue;
            }
            let excluded = !matches!(wanted, None | Some(KeyPart::Any));
            let nullable = match self.search.query.scalar(scalar) {
                Scalar::Column(column) => self.search.query.column(*column).nullable,
                _ => true,
            };
            let nulls_first = (nullable && !excluded).then_some(part.nulls_first != reverse);
            let descending = part.descending != reverse;
            parts.push(OrderPart { scalars: vec![scalar], descending, nulls_first });
        }
        Order { parts, constants: self.constants.clone() }
    }

    /// The ways by one index: forward, backward if that order is of use, and by distance.
    fn of_index(&self, found: &Found) -> Vec<Path> {
        if found.kind == IndexKind::Bitmap {
            return Vec::new();
        }
        let mut paths = Vec::new();
        if matches!(found.kind, IndexKind::Ordered | IndexKind::Clustered) {
            for reverse in [false, true] {
                let order = self.order(found.scan.index, &found.scan.key, reverse);
                let first = |wanted: &&Vec<_>| order.satisfied(wanted) > self.free(wanted);
                let useful = self.search.orders.iter().any(|wanted| first(&wanted));
                paths.extend(self.by_index(found, reverse, order, useful));
            }
        } else if found.narrows() {
            paths.extend(self.by_index(found, false, Order::default(), false));
        }
        paths.extend(self.nearest(found));
        paths
    }

    /// How many of the first wanted keys need no order.
    fn free(&self, wanted: &[crate::plan::OrderKey]) -> usize {
        let none = Order { parts: Vec::new(), constants: self.constants.clone() };
        none.satisfied(wanted)
    }

    fn by_index(&self, found: &Found, reverse: bool, order: Order, useful: bool) -> Option<Path> {
        if reverse && !useful {
            return None;
        }
        let mut filter = self.search.residual(&found.exact);
        let there = self.search.in_entries(found);
        let needed = self.search.needed_with(&filter);
        let covering = within(&needed, &there) && found.kind != IndexKind::Clustered;
        let partial = self.search.relation.index(found.scan.index).condition.is_some();
        let without_key = !found.narrows() && !covering && !partial;
        if !useful && without_key {
            return None;
        }
        let mut found = found.clone();
        (found.scan.covering, found.scan.reverse) = (covering, reverse);
        let mut fetched = found.entries;
        if found.kind == IndexKind::Ordered && !found.scan.covering {
            let none = vec![false; there.len()];
            let early = |id: &ScalarId| {
                let mut used = none.clone();
                self.search.mark(*id, &mut used);
                marked(&used) > 0 && within(&used, &there)
            };
            let (on_entries, on_rows) = filter.into_iter().partition(early);
            (found.scan.filter, filter) = (on_entries, on_rows);
            if !found.scan.filter.is_empty() {
                let known = [&found.narrowing[..], &found.scan.filter].concat();
                let share = (self.search.selectivity)(&known);
                fetched = share.scaled(self.search.relation.rows).at_most(fetched.high);
            }
        }
        let columns = marked(&self.search.needed_with(&filter));
        let filters = (found.scan.filter.len(), self.search.evaluations(&filter));
        let load = Load { read: found.entries, fetched, rows: self.rows, filters, columns };
        let cost = self.search.index_cost(&found, &load);
        Some(self.path(Access::Index(found.scan), filter, cost, order))
    }

    /// Rows by the value of a function that the index gives them by: the nearest, or the best.
    fn nearest(&self, found: &Found) -> Option<Path> {
        let index = self.search.relation.index(found.scan.index);
        let by_score = found.kind == IndexKind::Text;
        let mut firsts = self.search.orders.iter().filter_map(|wanted| wanted.first());
        let key = firsts.find(|key| {
            let Scalar::External { function, arguments, .. } = self.search.query.scalar(key.scalar)
            else {
                return false;
            };
            let fits = if by_score {
                self.is_searched(found, arguments)
            } else {
                self.search.fits(found.scan.index, arguments)
            };
            key.descending != Some(!by_score) && index.orders.contains(function) && fits
        })?;
        // Rows without a place have no distance, and are not in the index.
        let nullable = self.search.relation.parts[found.scan.index].iter().flatten().any(|part| {
            match self.search.query.scalar(*part) {
                Scalar::Column(column) => self.search.query.column(*column).nullable,
                _ => true,
            }
        });
        if nullable && !by_score {
            return None;
        }
        let mut found = found.clone();
        found.scan.nearest = Some(key.scalar);
        let part = OrderPart { scalars: vec![key.scalar], descending: by_score, nulls_first: None };
        let order = Order { parts: vec![part], constants: self.constants.clone() };
        self.by_index(&found, by_score, order, true)
    }

    /// Whether the index finds the rows that have a score: those for which a condition is true that
    /// is about the same text and the same query.
    fn is_searched(&self, found: &Found, arguments: &[ScalarId]) -> bool {
        found.scan.functions.iter().any(|id| match self.search.query.scalar(*id) {
            Scalar::External { arguments: asked, .. } => arguments.starts_with(asked),
            _ => false,
        })
    }

    /// The way by a set of rows that costs this much, of which so many conditions are true.
    pub(super) fn by_set(
        &self,
        set: crate::plan::RowSet,
        cost: f64,
        read: Estimate,
        exact: &[ScalarId],
    ) -> Path {
        let filter = self.search.residual(exact);
        let columns = marked(&self.search.needed_with(&filter));
        let filters = (0, self.search.evaluations(&filter));
        let load = Load { read, fetched: read, rows: self.rows, filters, columns };
        let cost = self.search.sets_cost(cost, &load);
        let order = Order { parts: Vec::new(), constants: self.constants.clone() };
        self.path(Access::Sets(set), filter, cost, order)
    }

    /// Adds a question to a Bloom filter if the rows it is about are probably absent.
    fn check_first(&self, path: &mut Path) {
        let search = self.search;
        for (position, index) in search.relation.definition.indexes.iter().enumerate() {
            if index.kind != IndexKind::Bloom || index.condition.is_some() {
                continue;
            }
            let Some((values, conditions)) = search.bloom_values(position) else { continue };
            let own = search.own_estimate(position, &conditions);
            let rows = own
                .unwrap_or_else(|| (search.selectivity)(&conditions).scaled(search.relation.rows));
            let present = rows.point.min(1.0);
            if let Some(cost) = search.bloom_cost(present, path.cost) {
                path.cost = cost;
                let name = index.name.as_str().into();
                path.checks.push(BloomCheck { index: position, name, values });
                return;
            }
        }
    }
}

impl Search<'_> {
    /// Values that conditions give all parts of a Bloom filter's key.
    fn bloom_values(&self, position: usize) -> Option<(Vec<ScalarId>, Vec<ScalarId>)> {
        let (mut values, mut conditions) = (Vec::new(), Vec::new());
        for part in &self.relation.parts[position] {
            let wanted =
                super::condition::Wanted::new(self.query, self.relation, (*part)?, self.conditions);
            let Some(KeyPart::Equal(value)) = wanted.part else { return None };
            values.push(value);
            conditions.extend(wanted.used);
        }
        (!values.is_empty()).then_some((values, conditions))
    }

    /// Rows that a set has if these conditions are true of them.
    pub(super) fn set_rows(&self, conditions: &[ScalarId], most: f64) -> Estimate {
        let share = (self.selectivity)(conditions);
        share.scaled(self.relation.rows).at_most(most)
    }

    /// Rank of a set: what it costs to make, and what to fetch its rows.
    pub(super) fn set_rank(&self, cost: f64, rows: &Estimate) -> f64 {
        let of = |rows: f64| {
            let load = Load {
                read: Estimate::exact(rows),
                fetched: Estimate::exact(rows),
                rows: Estimate::exact(rows),
                filters: (0, 1),
                columns: 1,
            };
            self.sets_cost(cost, &load).total
        };
        let (expected, more) = (of(rows.point), of(pessimistic(rows)));
        expected + self.risk * (more - expected)
    }
}
