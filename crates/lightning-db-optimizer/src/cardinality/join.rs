//! Conditions between tables, and the rows that joins on them give.

use lightning_db_expression::Comparison;

use super::Cardinality;
use super::distinct;
use super::facts::equality;
use super::matching::{Matching, Side, matching, share_below};
use super::pairs::Seen;
use crate::estimate::{Estimate, Source};
use crate::query::{ColumnId, JoinKind, Scalar, ScalarId};

/// A condition between two tables.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Edge {
    /// Share of all pairs of rows that fulfil it, after the conditions on each table alone.
    pub selectivity: f64,
    /// What the columns have in common, if it says that two columns are equal.
    pub equal: Option<Equal>,
    /// Where it came from.
    pub source: Source,
}

/// Two columns that are equal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Equal {
    pub columns: [ColumnId; 2],
    pub relations: [usize; 2],
    pub class: usize,
    pub matching: Matching,
}

/// A condition that says that two columns are equal.
#[derive(Debug, Clone, Copy)]
struct Equality {
    condition: ScalarId,
    edge: Edge,
    columns: Equal,
}

/// All conditions of a join together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Combined {
    /// Share of all pairs of rows that fulfil them.
    pub selectivity: f64,
    /// Share of pairs, among those with equal columns, that fulfil the other conditions.
    pub others: f64,
    /// What was seen of both tables, its sides in the order of `equal`.
    pub seen: Option<Seen>,
    /// The equality that fewest pairs fulfil, its sides in the order of the join where that is
    /// known.
    pub equal: Option<Matching>,
    /// Whether that order is known.
    pub oriented: bool,
    pub source: Source,
}

/// Share of pairs that fulfil a condition of which nothing is known.
const OTHER_SHARE: f64 = 0.25;
/// Values of a column that are looked up in the other's distribution.
const VALUES_COMPARED: usize = 128;

impl Cardinality<'_> {
    /// What a condition between tables leaves of their pairs.
    pub(super) fn edge(&self, condition: ScalarId) -> Edge {
        if let Some(edge) = self.edges.borrow().get(condition.index()).copied().flatten() {
            return edge;
        }
        let edge = self.make_edge(condition);
        if let Some(slot) = self.edges.borrow_mut().get_mut(condition.index()) {
            *slot = Some(edge);
        }
        edge
    }

    fn make_edge(&self, condition: ScalarId) -> Edge {
        let Some(columns) = equality(self.query, condition) else {
            let (selectivity, source) = self.share(condition);
            return Edge { selectivity, equal: None, source };
        };
        let columns = [columns.0, columns.1];
        let sides = columns.map(|column| self.facts.column(column));
        let [Some((one, left, left_at)), Some((other, right, right_at))] = sides else {
            let rows = columns.map(|column| self.distinct_of(column));
            let most = rows[0].max(rows[1]).max(1.0);
            return Edge { selectivity: 1.0 / most, equal: None, source: Source::Default };
        };
        let matching = matching(
            Side { relation: left, position: left_at },
            Side { relation: right, position: right_at },
        );
        let class = self.facts.class(columns[0]);
        let equal = Equal { columns, relations: [one, other], class, matching };
        let selectivity = matching.selectivity / self.narrowed(columns);
        Edge { selectivity: selectivity.min(1.0), equal: Some(equal), source: matching.source }
    }

    /// Where conditions leave a part of both columns' values, that part meets itself: the larger
    /// of the two shares.
    pub(super) fn narrowed(&self, columns: [ColumnId; 2]) -> f64 {
        let [one, other] = columns.map(|column| self.restricted(column));
        one.max(other).clamp(1e-9, 1.0)
    }

    /// Distinct values of a column that may be computed.
    fn distinct_of(&self, column: ColumnId) -> f64 {
        match self.facts.column(column) {
            Some((_, relation, position)) => distinct::of_column(relation, position).point,
            None => 200.0,
        }
    }

    /// Share of rows, or of pairs of rows, for which a condition is true, after the conditions that
    /// its tables have already.
    pub(super) fn share(&self, condition: ScalarId) -> (f64, Source) {
        match self.query.scalar(condition) {
            Scalar::And(all) => all.iter().fold((1.0, Source::Exact), |(share, source), one| {
                let (next, of) = self.share(*one);
                (share * next, source.max(of))
            }),
            Scalar::Or(all) => {
                let (none, source) =
                    all.iter().fold((1.0, Source::Exact), |(none, source), one| {
                        let (next, of) = self.share(*one);
                        (none * (1.0 - next), source.max(of))
                    });
                (1.0 - none, source)
            }
            Scalar::Literal(value) => {
                let share = f64::from(u8::from(*value == true.into()));
                (share, Source::Exact)
            }
            _ => self.share_of_one(condition),
        }
    }

    fn share_of_one(&self, condition: ScalarId) -> (f64, Source) {
        let columns = self.query.scalar_columns(condition);
        let relations: Option<Vec<usize>> =
            columns.iter().map(|column| Some(self.facts.column(*column)?.0)).collect();
        if let Some([first, rest @ ..]) = relations.as_deref()
            && rest.iter().all(|relation| relation == first)
        {
            return self.share_given_filters(*first, condition);
        }
        if let Scalar::Not(inner) = self.query.scalar(condition) {
            let (share, source) = self.share(*inner);
            return (1.0 - share, source);
        }
        if equality(self.query, condition).is_some() {
            let edge = self.edge(condition);
            return (edge.selectivity, edge.source);
        }
        let Scalar::Compare(comparison, left, right) = self.query.scalar(condition) else {
            return (OTHER_SHARE, Source::Default);
        };
        match (comparison, self.query.scalar(*left), self.query.scalar(*right)) {
            (Comparison::Equal, ..) => (0.005, Source::Default),
            (Comparison::NotEqual, Scalar::Column(one), Scalar::Column(other)) => {
                let most = self.distinct_of(*one).max(self.distinct_of(*other));
                (1.0 - 1.0 / most.max(1.0), Source::Distinct)
            }
            (Comparison::NotEqual, ..) => (0.95, Source::Default),
            (_, Scalar::Column(one), Scalar::Column(other)) => {
                let below = self.share_less(*one, *other);
                let less = matches!(comparison, Comparison::Less | Comparison::AtMost);
                below.map_or((1.0 / 3.0, Source::Default), |share| {
                    (if less { share } else { 1.0 - share }, Source::Histogram)
                })
            }
            _ => (1.0 / 3.0, Source::Default),
        }
    }

    /// Share of the rows that the conditions of a table leave for which one more is true.
    fn share_given_filters(&self, relation: usize, condition: ScalarId) -> (f64, Source) {
        let relation = &self.facts.relations[relation];
        let mut conditions = relation.filters.clone();
        if conditions.contains(&condition) {
            return (1.0, Source::Exact);
        }
        let scan = self.scan(relation);
        let before = scan.selectivity(&conditions);
        conditions.push(condition);
        let both = scan.selectivity(&conditions);
        ((both.point / before.point.max(1e-12)).clamp(0.0, 1.0), both.source)
    }

    /// Share of pairs in which a value of one column is less than one of another.
    fn share_less(&self, one: ColumnId, other: ColumnId) -> Option<f64> {
        let (_, relation, position) = self.facts.column(one)?;
        let (_, other_relation, other_position) = self.facts.column(other)?;
        let of = other_relation.statistics_of(other_position)?;
        let sample = &relation.statistics.as_ref()?.sample;
        let step = sample.len().div_ceil(VALUES_COMPARED).max(1);
        let values = sample.iter().step_by(step).filter_map(|row| row.get(position));
        let (mut count, mut sum) = (0.0, 0.0);
        for value in values.filter(|value| !value.is_null()) {
            count += 1.0;
            sum += 1.0 - share_below(of, value, true)?;
        }
        (count > 0.0).then(|| sum / count)
    }

    /// All conditions of a join, remembered by the list of them.
    pub(super) fn combined(&self, on: &[ScalarId]) -> Combined {
        if let Some(known) = self.combinations.borrow().get(on) {
            return *known;
        }
        let made = self.combine(on);
        self.combinations.borrow_mut().insert(on.into(), made);
        made
    }

    fn combine(&self, on: &[ScalarId]) -> Combined {
        let conditions = super::facts::conjuncts(self.query, on);
        let mut combined = Combined {
            selectivity: 1.0,
            others: 1.0,
            seen: None,
            equal: None,
            oriented: false,
            source: Source::Exact,
        };
        let (mut equal, mut others): (Vec<Equality>, Vec<ScalarId>) = Default::default();
        for condition in conditions {
            let edge = self.edge(condition);
            match edge.equal {
                Some(columns) => equal.push(Equality { condition, edge, columns }),
                None => others.push(condition),
            }
        }
        self.combine_equalities(&equal, &mut others, &mut combined);
        for edge in others.iter().map(|condition| self.edge(*condition)) {
            combined.others *= edge.selectivity;
            combined.source = combined.source.max(edge.source);
        }
        combined.selectivity *= combined.others;
        combined
    }

    /// Equalities of one class count once, and those between the same two tables together; takes
    /// those of the other conditions that were seen with them.
    fn combine_equalities(
        &self,
        equal: &[Equality],
        others: &mut Vec<ScalarId>,
        combined: &mut Combined,
    ) {
        let mut pairs: Vec<([usize; 2], Vec<&Equality>)> = Vec::new();
        for edge in equal {
            let mut relations = edge.columns.relations;
            relations.sort_unstable();
            match pairs.iter_mut().find(|(known, _)| *known == relations) {
                Some((_, edges))
                    if edges.iter().any(|it| it.columns.class == edge.columns.class) => {}
                Some((_, edges)) => edges.push(edge),
                None => pairs.push((relations, vec![edge])),
            }
        }
        let least =
            |edges: &[&Equality]| edges.iter().map(|it| it.edge.selectivity).product::<f64>();
        // Tables that are joined by most columns first, then by the condition that leaves least.
        pairs.sort_by(|left, right| {
            let by_count = right.1.len().cmp(&left.1.len());
            by_count.then_with(|| least(&left.1).total_cmp(&least(&right.1)))
        });
        let mut classes: Vec<usize> = Vec::new();
        let mut fewest = f64::INFINITY;
        for (_, edges) in &pairs {
            let new: Vec<_> =
                edges.iter().filter(|it| !classes.contains(&it.columns.class)).copied().collect();
            classes.extend(new.iter().map(|it| it.columns.class));
            let Some((mut selectivity, matching, source)) = self.together(&new) else { continue };
            let seen = self.seen_with(&new, others);
            selectivity *= seen.map_or(1.0, |seen| seen.factor);
            combined.selectivity *= selectivity;
            combined.source = combined.source.max(source);
            if selectivity < fewest {
                fewest = selectivity;
                let Equality { condition, columns, .. } = *new[0];
                let left = columns.columns.map(|it| self.facts.is_left(condition, it));
                combined.oriented = left[0] != left[1];
                let turned = left[1] && !left[0];
                combined.equal = Some(if turned { matching.turned() } else { matching });
                combined.seen = seen.map(|seen| if turned { seen.turned() } else { seen });
            }
        }
    }

    /// What was seen of the tables of equalities, with the other conditions between the two, which
    /// are then done.
    fn seen_with(&self, equal: &[&Equality], others: &mut Vec<ScalarId>) -> Option<Seen> {
        let first = equal.first()?.columns;
        let is_between = |condition: &ScalarId| {
            let columns = self.query.scalar_columns(*condition);
            columns.iter().all(|column| {
                let of = self.facts.column(*column);
                of.is_some_and(|(relation, ..)| first.relations.contains(&relation))
            })
        };
        let conditions: Vec<ScalarId> = equal.iter().map(|it| it.condition).collect();
        let between: Vec<ScalarId> = others.iter().copied().filter(is_between).collect();
        let seen = equal.iter().find_map(|edge| {
            let same = edge.columns.relations == first.relations;
            let seen = self.seen(edge.columns.columns, &conditions, &between)?;
            Some(if same { seen } else { seen.turned() })
        })?;
        others.retain(|condition| !between.contains(condition));
        Some(seen)
    }

    /// Equalities of several columns between the same two tables.
    fn together(&self, edges: &[&Equality]) -> Option<(f64, Matching, Source)> {
        let Equality { edge: first, columns: equal, .. } = **edges.first()?;
        if edges.len() == 1 {
            return Some((first.selectivity, equal.matching, first.source));
        }
        let mut positions = [Vec::new(), Vec::new()];
        for Equality { columns: edge, .. } in edges {
            let turned = edge.relations != equal.relations;
            for (place, column) in edge.columns.iter().enumerate() {
                let (_, _, position) = self.facts.column(*column)?;
                positions[if turned { 1 - place } else { place }].push(position);
            }
        }
        let relations = equal.relations.map(|it| &self.facts.relations[it]);
        let distinct = [0, 1]
            .map(|place| distinct::of_columns(relations[place], &positions[place]).point.max(1.0));
        let key = [0, 1].map(|place| relations[place].has_key(&positions[place]));
        let refers = [0, 1].map(|place| {
            relations[place].definition.foreign_keys.iter().any(|foreign| {
                let own = foreign.columns.iter().zip(&foreign.referenced).all(|(own, other)| {
                    let at = positions[place].iter().position(|it| it == own);
                    at.is_some_and(|at| positions[1 - place][at] == *other)
                });
                own && foreign.references == relations[1 - place].table
            })
        });
        let most = distinct[0].max(distinct[1]);
        let covered = |own: usize| {
            let all = refers[own] && key[1 - own];
            if all { 1.0 } else { (distinct[1 - own] / distinct[own]).min(1.0) }
        };
        let least = |place: usize| {
            let all = edges.iter().map(|Equality { columns: edge, .. }| {
                let turned = edge.relations != equal.relations;
                edge.matching.degree[if turned { 1 - place } else { place }]
            });
            if key[place] { 1.0 } else { all.fold(f64::INFINITY, f64::min) }
        };
        let matching = Matching {
            selectivity: 1.0 / most,
            matched: [covered(0), covered(1)],
            degree: [least(0), least(1)],
            rows: equal.matching.rows,
            source: Source::Group,
        };
        let narrowed: f64 = edges.iter().map(|it| self.narrowed(it.columns.columns)).product();
        let source = if key[0] || key[1] { Source::Join } else { Source::Group };
        Some(((matching.selectivity / narrowed).min(1.0), matching, source))
    }
}

/// Rows of a join of so many rows.
pub(super) fn join_rows(
    kind: JoinKind,
    left: Estimate,
    right: Estimate,
    combined: &Combined,
) -> Estimate {
    let source = left.source.max(right.source).max(combined.source);
    let inner = left.point * right.point * combined.selectivity;
    let inner_high = inner_high(left, right, combined);
    let matched = matched(combined, right.point);
    let of_left = |share: f64| Estimate::new(left.point * share, 0.0, left.high, source);
    match kind {
        JoinKind::Inner => Estimate::new(inner, 0.0, inner_high.max(inner), source),
        JoinKind::Left => {
            let point = (inner + left.point * (1.0 - matched)).max(left.point);
            Estimate::new(point, left.low, inner_high + left.high, source)
        }
        JoinKind::Full => {
            let back = combined.equal.map(Matching::turned);
            let seen = combined.seen.map(Seen::turned);
            let turned = Combined { equal: back, seen, ..*combined };
            let missed_right = right.point * (1.0 - self::matched(&turned, left.point));
            let missed = left.point * (1.0 - matched) + missed_right;
            let point = (inner + missed).max(left.point).max(right.point);
            let high = inner_high + left.high + right.high;
            Estimate::new(point, left.low.max(right.low), high, source)
        }
        // No more than the pairs, and than the left rows.
        JoinKind::Semi => of_left(matched).at_most(inner_high.max(left.point * matched)),
        JoinKind::Anti => of_left(1.0 - matched),
        JoinKind::Mark(_) | JoinKind::Single => left,
    }
}

impl Seen {
    fn turned(mut self) -> Self {
        self.matched.swap(0, 1);
        self.rows.swap(0, 1);
        self
    }
}

impl Matching {
    pub(super) fn turned(mut self) -> Self {
        self.matched.swap(0, 1);
        self.degree.swap(0, 1);
        self.rows.swap(0, 1);
        self
    }
}

/// Most rows that an inner join can have: each row of one side meets at most as many of the other
/// as have one value.
fn inner_high(left: Estimate, right: Estimate, combined: &Combined) -> f64 {
    let all = left.high * right.high;
    let Some(equal) = combined.equal else { return all };
    // The degrees hold for the tables; a side that has been joined may have more rows of a value.
    let more = |side: Estimate, rows: f64| (side.high / rows.max(1.0)).max(1.0);
    let bound = |[one, other]: [f64; 2], rows: [f64; 2]| {
        let by_left = left.high * other * more(right, rows[1]);
        by_left.min(right.high * one * more(left, rows[0]))
    };
    let straight = bound(equal.degree, equal.rows);
    if combined.oriented {
        return all.min(straight);
    }
    let turned = equal.turned();
    all.min(straight.max(bound(turned.degree, turned.rows)))
}

/// Share of left rows that have a match among `right` rows.
fn matched(combined: &Combined, right: f64) -> f64 {
    let Some(equal) = combined.equal else {
        return -(-right * combined.selectivity).exp_m1();
    };
    if let Some(seen) = combined.seen
        && let Some(matched) = seen.matched[0]
    {
        // Fewer right rows than were seen match as much less often.
        let kept = (right / seen.rows[1].max(1.0)).min(1.0) * combined.others;
        return (matched * kept).clamp(0.0, 1.0);
    }
    let rows = equal.rows[1].max(1.0);
    let matched = equal.matched[0].clamp(0.0, 1.0);
    // Right rows that a left row meets, if it meets one at all.
    let degree = (rows * equal.selectivity / matched.max(1e-9)).max(1.0);
    // Narrowed columns meet more often than whole ones.
    let pairs = combined.selectivity / combined.others.max(1e-12);
    let narrowed = (pairs / equal.selectivity.max(1e-300)).max(1.0);
    let kept = (right / rows * narrowed).min(1.0) * combined.others;
    let some = if kept >= 1.0 { 1.0 } else { 1.0 - (1.0 - kept).powf(degree) };
    (matched * some).clamp(0.0, 1.0)
}
