//! The tree of an expression.
//!
//! Truth has three values, as in SQL: a comparison with null is unknown, which is null here, and
//! `And`, `Or` and `Not` follow Kleene's tables. Operands are evaluated from left to right, and no
//! further than until the result is certain.

use lightning_db_types::{Value, ValueType};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

use crate::columns::Columns;
use crate::display::ExpressionDisplay;
use crate::error::Result;
use crate::function::Function;
use crate::{evaluate, implies};

/// An expression over the columns of a row. All functions are deterministic.
///
/// The variants are all there are: whoever turns expressions into something else handles each one.
///
/// # Examples
/// ```
/// use lightning_db_expression::Expression;
/// use lightning_db_types::Value;
/// let wanted = Expression::column(1).lower().equal("ada@example.org");
/// let row = vec![Value::I64(7), Value::from("Ada@Example.org")];
/// assert!(wanted.is_true(&row)?);
/// assert_eq!(wanted.to_string(), "lower($1) = 'ada@example.org'");
/// # Ok::<(), lightning_db_expression::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Expression {
    /// A column, by position.
    Column(usize),
    /// A value.
    Literal(Value),
    /// A comparison. Numbers of any two types compare by value, exactly; other values of different
    /// types do not compare, which is an error. Floats have their total order: NaN is largest.
    Compare(Comparison, Box<Expression>, Box<Expression>),
    /// True if all are; true if there is none.
    And(Vec<Expression>),
    /// True if one is; false if there is none.
    Or(Vec<Expression>),
    /// True if false, and the reverse.
    Not(Box<Expression>),
    /// Whether it is null; never null itself.
    IsNull(Box<Expression>),
    /// Whether it equals one of these.
    In(Box<Expression>, Vec<Expression>),
    /// Whether it is at least `low` and at most `high`.
    Between {
        /// What is looked at.
        value: Box<Expression>,
        /// Lower bound, included.
        low: Box<Expression>,
        /// Upper bound, included.
        high: Box<Expression>,
    },
    /// Whether a text is like a pattern, where `%` stands for any text and `_` for any character.
    /// Case counts.
    Like {
        /// The text.
        value: Box<Expression>,
        /// The pattern.
        pattern: Box<Expression>,
        /// What makes the next character of the pattern stand for itself.
        escape: Option<char>,
    },
    /// A calculation.
    Arithmetic(Arithmetic, Box<Expression>, Box<Expression>),
    /// The number with its sign turned.
    Negate(Box<Expression>),
    /// A function of values.
    Call(Function, Vec<Expression>),
    /// The same value as another type, exactly, or an error.
    Cast(Box<Expression>, ValueType),
    /// The value beside the first condition that is true; no later one is evaluated.
    Case {
        /// Conditions, each with its value.
        branches: Vec<(Expression, Expression)>,
        /// The value if no condition is true; null if there is none.
        otherwise: Option<Box<Expression>>,
    },
}

/// How two values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Comparison {
    /// `=`
    Equal,
    /// `<>`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    Greater,
    /// `>=`
    AtLeast,
}

/// How two numbers are put together.
///
/// Whole numbers give whole numbers: division drops what is behind the point, as in SQL. A decimal
/// with a whole number gives a decimal, a float with anything a float, and an `i64` with a `u64` an
/// `i64`. Days may be added to a date, and microseconds to a timestamp; the difference of two dates
/// or timestamps is a whole number of these. What does not fit, and division by zero, is an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Arithmetic {
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`
    Divide,
    /// `%`, with the sign of the left side.
    Remainder,
}

impl Expression {
    /// Its value for a row.
    ///
    /// # Errors
    /// [`Error::Evaluation`](crate::Error::Evaluation), [`Error::Type`](crate::Error::Type).
    pub fn evaluate(&self, row: &dyn Columns) -> Result<Value> {
        Ok(self.evaluated(row)?.into_value())
    }

    /// Whether it is true for a row; null is not.
    ///
    /// # Errors
    /// As [`evaluate`](Self::evaluate), and if it is no truth value.
    pub fn is_true(&self, row: &dyn Columns) -> Result<bool> {
        Ok(self.truth(row)? == Some(true))
    }

    /// Whether it is true for a row, false, or unknown, which is `None`.
    ///
    /// # Errors
    /// As [`is_true`](Self::is_true).
    pub fn truth(&self, row: &dyn Columns) -> Result<Option<bool>> {
        evaluate::truth(self, row)
    }

    /// Whether `wanted` is true for every row for which `self` is. False if that cannot be shown.
    ///
    /// Complete for conjunctions of comparisons with values, ranges, IN, and IS NOT NULL, on one
    /// expression each; a disjunction is followed as well. A row for which the evaluation of
    /// `wanted` fails counts as none: it cannot be in a table whose index has such a condition.
    pub fn implies(&self, wanted: &Self) -> bool {
        implies::implies(self, wanted)
    }

    /// Positions of the columns that it uses, ascending, each once.
    pub fn columns(&self) -> Vec<usize> {
        let mut columns = Vec::new();
        self.visit(&mut |expression| {
            if let Self::Column(position) = expression {
                columns.push(*position);
            }
        });
        columns.sort_unstable();
        columns.dedup();
        columns
    }

    /// The same expression with its columns at other positions.
    #[must_use]
    pub fn map_columns(&self, position: &dyn Fn(usize) -> usize) -> Self {
        let mut mapped = self.clone();
        mapped.visit_mut(&mut |expression| {
            if let Self::Column(at) = expression {
                *at = position(*at);
            }
        });
        mapped
    }

    /// A number for what the expression computes: its form, and the version of the functions in it.
    /// An index that was built with another one holds other keys, and must be built again.
    pub fn fingerprint(&self) -> u64 {
        let mut hash = Xxh3::new();
        // Serialization into memory of a tree that is in memory does not fail.
        hash.update(&postcard::to_stdvec(self).unwrap_or_default());
        hash.update(&FUNCTIONS_VERSION.to_le_bytes());
        let mut unicode = false;
        self.visit(&mut |expression| {
            unicode |= matches!(expression, Self::Call(function, _) if function.uses_unicode());
        });
        if unicode {
            let (major, minor, update) = char::UNICODE_VERSION;
            hash.update(&[major, minor, update]);
        }
        hash.digest()
    }

    /// Text with the columns' names; see [`Display`](std::fmt::Display) for one without.
    pub fn display<'a>(&'a self, name: &'a dyn Fn(usize) -> String) -> ExpressionDisplay<'a> {
        ExpressionDisplay { expression: self, name: Some(name) }
    }

    /// What it is made of, one level down.
    pub fn operands(&self) -> Vec<&Self> {
        match self {
            Self::Column(_) | Self::Literal(_) => Vec::new(),
            Self::Compare(_, left, right) | Self::Arithmetic(_, left, right) => vec![left, right],
            Self::And(all) | Self::Or(all) | Self::Call(_, all) => all.iter().collect(),
            Self::Not(one) | Self::IsNull(one) | Self::Negate(one) | Self::Cast(one, _) => {
                vec![one]
            }
            Self::In(one, list) => std::iter::once(&**one).chain(list).collect(),
            Self::Between { value, low, high } => vec![value, low, high],
            Self::Like { value, pattern, .. } => vec![value, pattern],
            Self::Case { branches, otherwise } => {
                let branches = branches.iter().flat_map(|(condition, value)| [condition, value]);
                branches.chain(otherwise.as_deref()).collect()
            }
        }
    }

    /// Calls `visit` with the expression, then with all that it is made of, from left to right.
    pub fn visit<'a>(&'a self, visit: &mut dyn FnMut(&'a Self)) {
        visit(self);
        for operand in self.operands() {
            operand.visit(visit);
        }
    }

    fn operands_mut(&mut self) -> Vec<&mut Self> {
        match self {
            Self::Column(_) | Self::Literal(_) => Vec::new(),
            Self::Compare(_, left, right) | Self::Arithmetic(_, left, right) => vec![left, right],
            Self::And(all) | Self::Or(all) | Self::Call(_, all) => all.iter_mut().collect(),
            Self::Not(one) | Self::IsNull(one) | Self::Negate(one) | Self::Cast(one, _) => {
                vec![one]
            }
            Self::In(one, list) => std::iter::once(&mut **one).chain(list).collect(),
            Self::Between { value, low, high } => vec![value, low, high],
            Self::Like { value, pattern, .. } => vec![value, pattern],
            Self::Case { branches, otherwise } => {
                let branches =
                    branches.iter_mut().flat_map(|(condition, value)| [condition, value]);
                branches.chain(otherwise.as_deref_mut()).collect()
            }
        }
    }

    pub(crate) fn visit_mut(&mut self, visit: &mut dyn FnMut(&mut Self)) {
        visit(self);
        for operand in self.operands_mut() {
            operand.visit_mut(visit);
        }
    }
}

/// Raised whenever a function gives another result than before.
const FUNCTIONS_VERSION: u32 = 2;
