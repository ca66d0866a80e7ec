//! Every order of a tree gives the rows of the tree: evaluated on small relations.

use std::collections::BTreeMap;

use super::model::{Random, SumOfRows, all_parts, exhaustive, joined};
use crate::join::compiled::{Compiled, Fit};
use crate::join::{Budget, Condition, JoinGraph, JoinModel, JoinTree, TreeId, order};
use crate::query::{Column, JoinKind, Origin, Query};
use lightning_db_types::ValueType;

/// Columns of each relation.
const WIDTH: usize = 2;
/// Most relations of a tree, each with one mark column at the end of the row.
const RELATIONS_MAX: usize = 6;
const COLUMNS: usize = RELATIONS_MAX * (WIDTH + 1);

type Value = Option<i8>;
type Row = [Value; COLUMNS];
/// Rows in order; `None` where a single join failed.
type Rows = Option<Vec<Row>>;

/// Predicates with different ways to meet nulls.
#[derive(Debug, Clone, Copy)]
enum Predicate {
    Equal(usize, usize),
    Less(usize, usize),
    Same(usize, usize),
    EqualOrNull(usize, usize),
    Sum(usize, usize, usize),
    Present(usize),
    NotTrue(usize),
}

impl Predicate {
    fn value(self, row: &Row) -> Option<bool> {
        let both = |one: usize, other: usize| Some((row[one]?, row[other]?));
        match self {
            Self::Equal(one, other) => both(one, other).map(|(one, other)| one == other),
            Self::Less(one, other) => both(one, other).map(|(one, other)| one < other),
            Self::Same(one, other) => Some(row[one] == row[other]),
            Self::EqualOrNull(one, other) => match row[one] {
                None => Some(true),
                Some(one) => row[other].map(|other| one == other),
            },
            Self::Sum(one, two, three) => {
                both(one, two).and_then(|(one, two)| Some(one + two == row[three]?))
            }
            Self::Present(one) => Some(row[one].is_some()),
            Self::NotTrue(one) => Some(row[one] != Some(1)),
        }
    }

    fn columns(self) -> Vec<usize> {
        match self {
            Self::Equal(one, other)
            | Self::Less(one, other)
            | Self::Same(one, other)
            | Self::EqualOrNull(one, other) => vec![one, other],
            Self::Sum(one, two, three) => vec![one, two, three],
            Self::Present(one) | Self::NotTrue(one) => vec![one],
        }
    }

    /// Columns at whose nulls it is not true.
    fn rejects(self) -> Vec<usize> {
        match self {
            Self::Equal(..) | Self::Less(..) | Self::Sum(..) | Self::Present(_) => self.columns(),
            Self::Same(..) | Self::EqualOrNull(..) | Self::NotTrue(_) => Vec::new(),
        }
    }
}

/// A random tree with its rows.
struct Case {
    tree: JoinTree,
    predicates: Vec<Predicate>,
    relations: Vec<Vec<Row>>,
    /// Mark column of each mark.
    marks: Vec<crate::query::ColumnId>,
    /// A relation of the right side of each mark join that was made.
    mark_relations: BTreeMap<usize, usize>,
}

/// A node under construction: what it is called, its rows, the columns that can be seen.
struct Built {
    id: TreeId,
    rows: Rows,
    columns: Vec<usize>,
    text: String,
}

impl Case {
    fn new(relations: usize, inner_only: bool, random: &mut Random) -> (Self, Built) {
        let mut query = Query::new();
        let marks = (0..RELATIONS_MAX).map(|_| {
            query.add_column(Column {
                name: "mark".into(),
                relation: None,
                value_type: ValueType::Bool,
                nullable: true,
                origin: Origin::Computed,
            })
        });
        let mut case = Self {
            tree: JoinTree::new(),
            predicates: Vec::new(),
            relations: Vec::new(),
            marks: marks.collect(),
            mark_relations: BTreeMap::new(),
        };
        let mut nodes = Vec::new();
        for relation in 0..relations {
            let rows = (0..=random.below(3)).map(|_| {
                let mut row = [None; COLUMNS];
                for value in &mut row[relation * WIDTH..][..WIDTH] {
                    *value = [None, Some(0), Some(1), Some(2)][random.below(4)];
                }
                row
            });
            let rows: Vec<Row> = rows.collect();
            case.relations.push(rows.clone());
            nodes.push(Built {
                id: case.tree.leaf(),
                rows: Some(rows),
                columns: (0..WIDTH).map(|column| relation * WIDTH + column).collect(),
                text: format!("r{relation}"),
            });
        }
        while nodes.len() > 1 {
            let right = nodes.remove(random.below(nodes.len()));
            let position = random.below(nodes.len());
            let left = nodes.remove(position);
            let made = case.join(left, right, inner_only, random);
            nodes.push(made);
        }
        (case, nodes.remove(0))
    }

    fn join(&mut self, left: Built, right: Built, inner_only: bool, random: &mut Random) -> Built {
        let mark = random.below(self.marks.len());
        let mark_column = RELATIONS_MAX * WIDTH + mark;
        let kind = match random.below(if inner_only { 1 } else { 10 }) {
            0..=2 => JoinKind::Inner,
            3 | 4 => JoinKind::Left,
            5 => JoinKind::Full,
            6 => JoinKind::Semi,
            7 => JoinKind::Anti,
            8 if !self.mark_relations.contains_key(&mark) => JoinKind::Mark(self.marks[mark]),
            _ => JoinKind::Single,
        };
        let count = if random.below(12) == 0 { 0 } else { 1 + random.below(2) };
        let mut conditions = Vec::new();
        let mut text = String::new();
        for _ in 0..count {
            let predicate = predicate(&left.columns, &right.columns, random);
            text = format!("{text} {predicate:?}");
            conditions.push(self.condition(predicate));
            self.predicates.push(predicate);
        }
        let handles: Vec<usize> = conditions.iter().map(|it| it.handle).collect();
        let rows = self.evaluate(kind, &left.rows, &right.rows, &handles);
        let mut columns = left.columns;
        match kind {
            JoinKind::Semi | JoinKind::Anti => {}
            JoinKind::Mark(_) => {
                columns.push(mark_column);
                let relation = self.relation_of(right.columns[0]);
                self.mark_relations.insert(mark, relation);
            }
            _ => columns.extend(right.columns),
        }
        let name = match kind {
            JoinKind::Mark(_) => format!("m{mark}"),
            kind => format!("{kind:?}"),
        };
        Built {
            id: self.tree.join(kind, left.id, right.id, conditions),
            rows,
            columns,
            text: format!("({} {name}[{text} ] {})", left.text, right.text),
        }
    }

    fn condition(&self, predicate: Predicate) -> Condition {
        let relations = |columns: Vec<usize>| {
            columns.into_iter().map(|column| self.relation_of(column)).collect()
        };
        // The nulls of a mark are not those of a relation.
        let rejects = predicate.rejects().into_iter().filter(|it| *it < RELATIONS_MAX * WIDTH);
        Condition {
            handle: self.predicates.len(),
            relations: relations(predicate.columns()),
            rejects: relations(rejects.collect()),
        }
    }

    fn relation_of(&self, column: usize) -> usize {
        if column < RELATIONS_MAX * WIDTH {
            return column / WIDTH;
        }
        self.mark_relations[&(column - RELATIONS_MAX * WIDTH)]
    }

    /// Rows of a join, in order.
    fn evaluate(&self, kind: JoinKind, left: &Rows, right: &Rows, conditions: &[usize]) -> Rows {
        let (left, right) = (left.as_ref()?, right.as_ref()?);
        let mut rows = Vec::new();
        let mut matched = vec![false; right.len()];
        for one in left {
            let mut hits = 0;
            let mut unknown = false;
            for (other, matched) in right.iter().zip(&mut matched) {
                let mut row = *one;
                for (value, other) in row.iter_mut().zip(other) {
                    *value = value.or(*other);
                }
                let values = conditions.iter().map(|it| self.predicates[*it].value(&row));
                let values: Vec<Option<bool>> = values.collect();
                if values.contains(&Some(false)) {
                    continue;
                }
                if values.contains(&None) {
                    unknown = true;
                    continue;
                }
                hits += 1;
                *matched = true;
                if matches!(
                    kind,
                    JoinKind::Inner | JoinKind::Left | JoinKind::Full | JoinKind::Single
                ) {
                    rows.push(row);
                }
            }
            match kind {
                JoinKind::Single if hits > 1 => return None,
                JoinKind::Left | JoinKind::Full | JoinKind::Single | JoinKind::Anti
                    if hits == 0 =>
                {
                    rows.push(*one);
                }
                JoinKind::Semi if hits > 0 => rows.push(*one),
                JoinKind::Mark(mark) => {
                    let mut row = *one;
                    let position = self.marks.iter().position(|it| *it == mark).unwrap();
                    row[RELATIONS_MAX * WIDTH + position] = match (hits, unknown) {
                        (0, true) => None,
                        (hits, _) => Some(i8::from(hits > 0)),
                    };
                    rows.push(row);
                }
                _ => {}
            }
        }
        if kind == JoinKind::Full {
            let unmatched = right.iter().zip(&matched).filter(|(_, matched)| !**matched);
            rows.extend(unmatched.map(|(row, _)| *row));
        }
        rows.sort_unstable();
        Some(rows)
    }
}

fn predicate(left: &[usize], right: &[usize], random: &mut Random) -> Predicate {
    let one = left[random.below(left.len())];
    let other = right[random.below(right.len())];
    let third = left[random.below(left.len())];
    match random.below(14) {
        0..=5 => Predicate::Equal(one, other),
        6 => Predicate::Less(one, other),
        7 => Predicate::Same(one, other),
        8 => Predicate::EqualOrNull(one, other),
        9 => Predicate::EqualOrNull(other, one),
        10 | 11 => Predicate::Sum(one, third, other),
        12 => Predicate::Present(one),
        _ => Predicate::NotTrue(other),
    }
}

/// Evaluates every way to make every set, and compares it with another way, and at last with the
/// tree. Gives the number of ways to make the whole from two inputs.
fn check(seed: u64, inner_only: bool) -> usize {
    let mut random = Random::new(seed);
    let relations = 2 + random.below(RELATIONS_MAX - 1);
    let (case, root) = Case::new(relations, inner_only, &mut random);
    let graph = JoinGraph::of_tree(&case.tree, root.id).unwrap();
    let compiled = Compiled::<u64>::whole(&graph, true);
    let mut made: BTreeMap<u64, Rows> = BTreeMap::new();
    for (relation, rows) in case.relations.iter().enumerate() {
        let mut rows = rows.clone();
        rows.sort_unstable();
        made.insert(1 << relation, Some(rows));
    }
    let all = (1_u64 << relations) - 1;
    let mut ways = 0;
    for set in 1..=all {
        for one in (1..set).filter(|one| one & set == *one && *one < set ^ one) {
            let (Some(left), Some(right)) = (made.get(&one), made.get(&(set ^ one))) else {
                continue;
            };
            let Some((kind, fit, edges)) = joined(&compiled, one, set ^ one) else { continue };
            let (left, right) = if fit == Fit::AsGiven { (left, right) } else { (right, left) };
            let edges = edges.iter().flat_map(|edge| graph.edges()[*edge].conditions());
            let conditions: Vec<usize> = edges.copied().collect();
            let rows = case.evaluate(kind, left, right, &conditions);
            ways += usize::from(set == all);
            let known = made.entry(set).or_insert_with(|| rows.clone());
            assert_eq!(*known, rows, "seed {seed}, sets {one:b} {:b}: {}", set ^ one, root.text);
        }
    }
    assert_eq!(made.get(&all), Some(&root.rows), "seed {seed}: {}", root.text);
    ways
}

/// How many seeds: `LIGHTNING_JOIN_SEEDS`, from `LIGHTNING_JOIN_START`.
pub(super) fn seeds() -> std::ops::Range<u64> {
    let number = |name: &str, otherwise| {
        std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
    };
    let start: u64 = number("LIGHTNING_JOIN_START", 0);
    start..start + number("LIGHTNING_JOIN_SEEDS", 1000)
}

#[test]
fn every_order_gives_the_rows_of_the_tree() {
    let mut ways = 0;
    for seed in seeds() {
        ways += check(seed, false);
        ways += check(seed, true);
    }
    assert!(ways > 0);
}

/// Orders random trees with little budget; gives how many were found by each method.
#[test]
fn every_budget_applies_every_operator_once() {
    let mut written = 0;
    for seed in seeds() {
        let mut random = Random::new(seed);
        let relations = 2 + random.below(RELATIONS_MAX - 1);
        let (case, root) = Case::new(relations, false, &mut random);
        let graph = JoinGraph::of_tree(&case.tree, root.id).unwrap();
        let rows = (0..relations).map(|_| random.spread(1.0, 1e4)).collect();
        let selectivity = graph.edges().iter().map(|_| random.spread(1e-4, 1.0)).collect();
        let mut model = SumOfRows::new(rows, selectivity);
        let as_written = graph.written.as_ref().unwrap().clone();
        let best = exhaustive(&graph, &mut model).unwrap().entry.cost;
        let mut all = Vec::new();
        for (exact, pairs) in [(usize::MAX / 64, usize::MAX / 64), (0, 200_000), (0, 0)] {
            let found = order(&graph, &mut model, &Budget { exact, pairs }).unwrap();
            assert_eq!(found.entry.parts, all_parts(&graph), "seed {seed}, {:?}", found.method);
            assert!(found.entry.cost >= best * (1.0 - 1e-9), "seed {seed}");
            all.push(found);
        }
        assert!(all[0].entry.cost <= best * (1.0 + 1e-9), "seed {seed}");
        let mut entries: Vec<_> = (0..relations).map(|it| model.leaf(it)).collect();
        for join in &as_written.joins {
            let (left, right) = (&entries[join.left], &entries[join.right]);
            let made = model.join(join.kind, left, right, &join.edges).unwrap();
            entries.push(made);
        }
        let cost = entries.pop().unwrap().cost * (1.0 + 1e-9);
        assert!(all.iter().all(|found| found.entry.cost <= cost), "seed {seed}: {}", root.text);
        written += usize::from(all[0].entry.cost * 1.01 < cost);
    }
    assert!(written > 0, "no tree got better");
}
