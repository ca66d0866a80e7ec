//! Random conditions and values.

use lightning_db_expression::{Comparison, Function};
use lightning_db_types::ValueType::{self, Bool, I64, Text};
use lightning_db_types::{Rng, Value};

use super::query::{Known, Writer};
use crate::build::{QueryBuilder, Term, call, exists, literal, value_of};

const COMPARISONS: [Comparison; 6] = [
    Comparison::Equal,
    Comparison::NotEqual,
    Comparison::Less,
    Comparison::AtMost,
    Comparison::Greater,
    Comparison::AtLeast,
];

impl Writer {
    /// A column of these rows, or sometimes of those around.
    fn known(&self, columns: &[Known]) -> Known {
        match self.around.last() {
            Some(around) if self.rng.one_in(3) => self.pick(around).clone(),
            _ => self.pick(columns).clone(),
        }
    }

    fn known_of(&self, columns: &[Known], value_type: ValueType) -> Option<Known> {
        let around = self.around.last().filter(|_| self.rng.one_in(2));
        let all = around.into_iter().flatten().chain(columns);
        let of_type: Vec<&Known> = all.filter(|known| known.value_type == value_type).collect();
        (!of_type.is_empty()).then(|| (*self.pick(&of_type)).clone())
    }

    /// A condition over the columns; `nesting` says how deep AND and OR go.
    pub(super) fn condition(&mut self, columns: &[Known], depth: u32, nesting: u32) -> Term {
        match self.rng.below(14) {
            0 | 1 if nesting > 0 => {
                let one = self.condition(columns, depth, nesting - 1);
                one.and(self.condition(columns, depth, nesting - 1))
            }
            2 | 3 if nesting > 0 => {
                let one = self.condition(columns, depth, nesting - 1);
                one.or(self.condition(columns, depth, nesting - 1))
            }
            4 if nesting > 0 => self.condition(columns, depth, nesting - 1).not(),
            5 => self.known(columns).term().is_null(),
            6 => self.known(columns).term().is_null().not(),
            7 => {
                let known = self.known(columns);
                let list: Vec<Term> =
                    (0..self.rng.below(4)).map(|_| self.literal(known.value_type)).collect();
                known.term().is_in(list)
            }
            8 if self.profile.subqueries && depth > 0 => self.subquery(columns, depth),
            9 => match self.known_of(columns, Bool) {
                Some(known) => known.term(),
                None => literal(self.rng.one_in(2)),
            },
            10 => match self.known_of(columns, Text) {
                Some(known) => known.term().like(*self.pick(&["%", "b%", "_at", "ant"])),
                None => literal(Value::Null),
            },
            _ => self.comparison(columns, depth),
        }
    }

    fn comparison(&mut self, columns: &[Known], depth: u32) -> Term {
        let comparison = *self.pick(&COMPARISONS);
        let known = self.known(columns);
        let left = known.term();
        let right = match self.rng.below(4) {
            0 => self.known_of(columns, known.value_type).map(|known| known.term()),
            1 if known.value_type == I64 => Some(self.value_of_type(columns, I64, depth)),
            _ => None,
        };
        let right = right.unwrap_or_else(|| self.literal(known.value_type));
        Term::Compare(comparison, Box::new(left), Box::new(right))
    }

    /// A value with its type.
    pub(super) fn value(&mut self, columns: &[Known], depth: u32) -> (Term, ValueType) {
        match self.rng.below(6) {
            0 => (self.condition(columns, depth, 1), Bool),
            1 => (self.value_of_type(columns, Text, depth), Text),
            2 => {
                let known = self.known(columns);
                (known.term(), known.value_type)
            }
            _ => (self.value_of_type(columns, I64, depth), I64),
        }
    }

    fn value_of_type(&mut self, columns: &[Known], wanted: ValueType, depth: u32) -> Term {
        let known = self.known_of(columns, wanted);
        let one = known.map_or_else(|| self.literal(wanted), |known| known.term());
        match self.rng.below(8) {
            0 if wanted == I64 => one.plus(1),
            1 if wanted == I64 => one.times(2),
            2 => call(Function::Coalesce, [one, self.literal(wanted)]),
            3 => {
                let condition = self.condition(columns, 0, 1);
                let otherwise = self.rng.one_in(2).then(|| Box::new(self.literal(wanted)));
                Term::Case { branches: vec![(condition, one)], otherwise }
            }
            4 if wanted == I64 && self.profile.subqueries && depth > 0 => {
                self.value_subquery(columns, depth)
            }
            5 if wanted == Text => call(Function::Upper, [one]),
            _ => one,
        }
    }

    fn inside(&mut self, columns: &[Known], depth: u32) -> (QueryBuilder, Vec<Known>) {
        self.around.push(columns.to_vec());
        let drawn = self.relation(depth - 1);
        let (mut query, inner) = drawn;
        // Most subqueries are correlated by an equality.
        if self.rng.one_in(2) {
            let outer = self.pick(columns).clone();
            let same: Vec<&Known> =
                inner.iter().filter(|known| known.value_type == outer.value_type).collect();
            if !same.is_empty() {
                query = query.filter(self.pick(&same).term().equal(outer.term()));
            }
        }
        self.around.pop();
        (query, inner)
    }

    fn subquery(&mut self, columns: &[Known], depth: u32) -> Term {
        let (query, inner) = self.inside(columns, depth);
        if self.rng.one_in(3) {
            return exists(query);
        }
        let known = self.known(columns);
        let same: Vec<&Known> =
            inner.iter().filter(|inner| inner.value_type == known.value_type).collect();
        if same.is_empty() {
            return exists(query);
        }
        let query = query.select([self.pick(&same).term()]);
        match self.rng.below(5) {
            0 => known.term().any(*self.pick(&COMPARISONS), query),
            1 => known.term().all(*self.pick(&COMPARISONS), query),
            2 => known.term().in_query(query).not(),
            _ => known.term().in_query(query),
        }
    }

    /// A subquery for a number: most have one row for certain.
    fn value_subquery(&mut self, columns: &[Known], depth: u32) -> Term {
        let (query, inner) = self.inside(columns, depth);
        if self.rng.one_in(6) {
            let numbers: Vec<&Known> =
                inner.iter().filter(|known| known.value_type == I64).collect();
            if !numbers.is_empty() {
                return value_of(query.select([self.pick(&numbers).term()]));
            }
        }
        loop {
            let (term, value_type) = self.one_aggregate(&inner);
            if value_type == I64 {
                let none: [&str; 0] = [];
                return value_of(query.aggregate(none, [("only", term)]));
            }
        }
    }
}
