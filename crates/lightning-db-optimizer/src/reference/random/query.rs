//! Random relations and steps.

use lightning_db_types::ValueType::{self, Bool, Decimal, I64, Text};
use lightning_db_types::{Rng, SeededRng, Value};

use super::{Profile, small, word};
use crate::build::{AggregateTerm, Item, JoinType, Order, QueryBuilder, Term, WindowTerm, column};
use crate::query::{AggregateFunction, SetOperation};

/// A column that can be named.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) name: String,
    pub(super) value_type: ValueType,
}

impl Known {
    pub(super) fn term(&self) -> Term {
        column(self.name.clone())
    }
}

/// What draws a query.
pub(super) struct Writer {
    pub(super) rng: SeededRng,
    pub(super) profile: Profile,
    names: u32,
    /// Columns of the queries around, innermost last.
    pub(super) around: Vec<Vec<Known>>,
}

/// A relation with its columns.
type Drawn = (QueryBuilder, Vec<Known>);

impl Writer {
    pub(super) fn new(seed: u64, profile: Profile) -> Self {
        Self { rng: SeededRng::new(seed), profile, names: 0, around: Vec::new() }
    }

    pub(super) fn query(&mut self) -> QueryBuilder {
        let (query, columns) = self.relation(self.profile.depth_max);
        if self.profile.limits && self.rng.one_in(4) {
            self.first_rows(query, &columns)
        } else {
            query
        }
    }

    /// A query and a condition over its columns.
    pub(super) fn partitions(&mut self) -> (QueryBuilder, Term) {
        let (query, columns) = self.relation(self.profile.depth_max);
        let condition = self.condition(&columns, self.profile.depth_max, 2);
        (query, condition)
    }

    pub(super) fn pick<'t, T>(&self, of: &'t [T]) -> &'t T {
        &of[usize::try_from(self.rng.below(of.len() as u64)).unwrap_or(0)]
    }

    fn name(&mut self, prefix: char) -> String {
        self.names += 1;
        format!("{prefix}{}", self.names)
    }

    fn source(&mut self) -> Drawn {
        let alias = self.name('r');
        let known = |name: &str, value_type| Known { name: format!("{alias}.{name}"), value_type };
        if self.rng.one_in(8) {
            let rows =
                (0..self.rng.below(4)).map(|_| vec![small(&self.rng, true), word(&self.rng, true)]);
            let columns = vec![known("x", I64), known("y", Text)];
            let rows = QueryBuilder::rows(alias.clone(), [("x", I64), ("y", Text)], rows.collect());
            return (rows, columns);
        }
        let table = format!("t{}", self.rng.below(4));
        let columns = [("id", I64), ("a", I64), ("b", I64), ("c", Text), ("ref", I64)];
        let columns = columns.iter().map(|(name, value_type)| known(name, *value_type)).collect();
        (QueryBuilder::scan(table, alias), columns)
    }

    pub(super) fn relation(&mut self, depth: u32) -> Drawn {
        let mut drawn = self.source();
        for _ in 0..=self.rng.below(self.profile.steps_max + 1) {
            drawn = self.step(drawn, depth);
        }
        drawn
    }

    fn step(&mut self, (query, columns): Drawn, depth: u32) -> Drawn {
        match self.rng.below(16) {
            0..5 => {
                let condition = self.condition(&columns, depth, 2);
                (query.filter(condition), columns)
            }
            5..9 if depth > 0 => self.join((query, columns), depth),
            9 => (query.distinct(), columns),
            10..12 => self.aggregate(query, &columns, depth),
            12 => self.set(query, &columns, depth),
            13 => self.select(query, &columns, depth),
            14 if self.profile.limits => {
                let limited = self.first_rows(query, &columns);
                (limited, columns)
            }
            15 => self.window(query, columns),
            _ => (query, columns),
        }
    }

    fn join(&mut self, (query, mut columns): Drawn, depth: u32) -> Drawn {
        let kinds = [
            JoinType::Inner,
            JoinType::Inner,
            JoinType::Left,
            JoinType::Right,
            JoinType::Full,
            JoinType::Semi,
            JoinType::Anti,
        ];
        let kind = *self.pick(&kinds);
        let lateral = self.profile.subqueries
            && self.rng.one_in(6)
            && !matches!(kind, JoinType::Right | JoinType::Full);
        if lateral {
            self.around.push(columns.clone());
        }
        let (right, added) = self.relation(depth - 1);
        if lateral {
            self.around.pop();
        }
        let both: Vec<Known> = columns.iter().chain(&added).cloned().collect();
        let on = match self.rng.below(6) {
            0 => self.condition(&both, 0, 1),
            1 => self.equality(&columns, &added).and(self.condition(&both, 0, 1)),
            _ => self.equality(&columns, &added),
        };
        let joined =
            if lateral { query.join_lateral(kind, right, on) } else { query.join(kind, right, on) };
        if !matches!(kind, JoinType::Semi | JoinType::Anti) {
            columns = both;
        }
        (joined, columns)
    }

    /// A column of each side that are equal.
    fn equality(&mut self, left: &[Known], right: &[Known]) -> Term {
        let one = self.pick(left).clone();
        let same: Vec<&Known> =
            right.iter().filter(|known| known.value_type == one.value_type).collect();
        if same.is_empty() {
            return Term::Literal(Value::Bool(true));
        }
        one.term().equal(self.pick(&same).term())
    }

    fn some_of(&self, columns: &[Known], most: u64) -> Vec<Known> {
        let mut some: Vec<Known> = Vec::new();
        for _ in 0..self.rng.below(most + 1) {
            let one = self.pick(columns);
            if some.iter().all(|known| known.name != one.name) {
                some.push(one.clone());
            }
        }
        some
    }

    fn aggregate(&mut self, query: QueryBuilder, columns: &[Known], depth: u32) -> Drawn {
        let mut known = self.some_of(columns, 2);
        let groups: Vec<Item> = known.iter().map(|known| known.term().into()).collect();
        let mut aggregates = Vec::new();
        for _ in 0..=self.rng.below(3) {
            let name = self.name('g');
            let (term, value_type) = self.one_aggregate(columns);
            aggregates.push((name.clone(), term));
            known.push(Known { name, value_type });
        }
        let mut query = query.aggregate(groups, aggregates);
        if self.rng.one_in(3) {
            let having = self.condition(&known, depth, 1);
            query = query.filter(having);
        }
        (query, known)
    }

    pub(super) fn one_aggregate(&mut self, columns: &[Known]) -> (AggregateTerm, ValueType) {
        let one = self.pick(columns).clone();
        let functions: &[AggregateFunction] = match one.value_type {
            I64 => &[
                AggregateFunction::Count,
                AggregateFunction::Sum,
                AggregateFunction::Min,
                AggregateFunction::Max,
                AggregateFunction::Average,
            ],
            Bool => &[AggregateFunction::Any, AggregateFunction::Every],
            _ => &[AggregateFunction::Count, AggregateFunction::Min, AggregateFunction::Max],
        };
        let function = *self.pick(functions);
        let mut term = AggregateTerm::new(function, one.term());
        let mut value_type = function.value_type(one.value_type);
        if self.rng.one_in(6) {
            term = AggregateTerm::count_rows();
            value_type = I64;
        } else if self.rng.one_in(5) {
            term = term.distinct();
        }
        if self.rng.one_in(5) {
            term = term.filter(self.condition(columns, 0, 1));
        }
        (term, value_type)
    }

    fn set(&mut self, query: QueryBuilder, columns: &[Known], depth: u32) -> Drawn {
        let mut left = self.some_of(columns, 2);
        if left.is_empty() {
            left.push(self.pick(columns).clone());
        }
        let (right, other) = if depth > 0 { self.relation(depth - 1) } else { self.source() };
        let mut items: Vec<Item> = Vec::new();
        for known in &left {
            let same: Vec<&Known> =
                other.iter().filter(|other| other.value_type == known.value_type).collect();
            let term = if same.is_empty() {
                Term::Cast(Box::new(Term::Literal(Value::Null)), known.value_type)
            } else {
                self.pick(&same).term()
            };
            items.push(term.named(self.name('u')));
        }
        let mut names = Vec::new();
        let selected = left.iter().map(|known| {
            let name = self.name('u');
            names.push(Known { name: name.clone(), value_type: known.value_type });
            known.term().named(name)
        });
        let query = query.select(selected.collect::<Vec<Item>>());
        let operations = [
            SetOperation::Union,
            SetOperation::Union,
            SetOperation::Intersect,
            SetOperation::Except,
        ];
        let operation = *self.pick(&operations);
        (query.set(operation, self.rng.one_in(2), right.select(items)), names)
    }

    fn select(&mut self, query: QueryBuilder, columns: &[Known], depth: u32) -> Drawn {
        let mut known = self.some_of(columns, 4);
        let mut items: Vec<Item> = known.iter().map(|known| known.term().into()).collect();
        for _ in 0..=self.rng.below(2) {
            let (term, value_type) = self.value(columns, depth);
            let name = self.name('e');
            items.push(term.named(name.clone()));
            known.push(Known { name, value_type });
        }
        (query.select(items), known)
    }

    /// The first rows by an order in which no two different rows are equal.
    fn first_rows(&mut self, query: QueryBuilder, columns: &[Known]) -> QueryBuilder {
        let start = self.rng.below(columns.len() as u64);
        let mut order: Vec<Order> = columns.iter().map(|known| known.term().ascending()).collect();
        order.rotate_left(usize::try_from(start).unwrap_or(0));
        for key in &mut order {
            key.descending = self.rng.one_in(3);
            key.nulls_first = self.rng.one_in(2);
        }
        let limit = if self.rng.one_in(5) { None } else { Some(self.rng.below(5)) };
        query.order_by(order).limit(limit, u64::from(self.rng.one_in(3)))
    }

    fn window(&mut self, query: QueryBuilder, mut columns: Vec<Known>) -> Drawn {
        let numbers: Vec<Known> =
            columns.iter().filter(|known| known.value_type == I64).cloned().collect();
        if numbers.is_empty() {
            return (query, columns);
        }
        let partition = self.some_of(&columns, 2).iter().map(Known::term).collect();
        let (function, arguments, order) = match self.rng.below(3) {
            0 => ("rank", Vec::new(), vec![self.pick(&columns).term().descending()]),
            1 => ("count", vec![self.pick(&columns).term()], Vec::new()),
            _ => ("sum", vec![self.pick(&numbers).term()], Vec::new()),
        };
        let name = self.name('w');
        let (function, frame) = (function.to_owned(), String::new());
        let term =
            WindowTerm { name: function, arguments, partition, order, frame, value_type: I64 };
        let query = query.window([(name.clone(), term)]);
        columns.push(Known { name, value_type: I64 });
        (query, columns)
    }

    /// A value of a type that no column need have.
    pub(super) fn literal(&self, value_type: ValueType) -> Term {
        match value_type {
            Text => word(&self.rng, false).into(),
            Bool => self.rng.one_in(2).into(),
            Decimal => Term::Literal(small(&self.rng, false)),
            _ => small(&self.rng, self.rng.one_in(8)).into(),
        }
    }
}
