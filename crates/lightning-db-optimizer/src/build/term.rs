//! Expressions over names, as a query is written with.

use std::sync::Arc;

use lightning_db_expression::{Arithmetic, Comparison, Function};
use lightning_db_types::{Value, ValueType};

use super::QueryBuilder;
use crate::query::AggregateFunction;

/// An expression over names of columns. The meaning of each form is that of the same form of
/// [`Scalar`](crate::Scalar).
///
/// # Examples
/// ```
/// use lightning_db_optimizer::build::column;
/// let wanted = column("o.total").greater(100).and(column("c.city").is_null().not());
/// # let _ = wanted;
/// ```
#[derive(Debug, Clone)]
pub enum Term {
    /// A column, as `name` or `relation.name`.
    Column(String),
    /// A value.
    Literal(Value),
    /// A value that is given when the plan runs.
    Parameter(usize, ValueType),
    /// A comparison.
    Compare(Comparison, Box<Term>, Box<Term>),
    /// True if all are.
    And(Vec<Term>),
    /// True if one is.
    Or(Vec<Term>),
    /// True if false.
    Not(Box<Term>),
    /// Whether it is null.
    IsNull(Box<Term>),
    /// Whether it equals one of these.
    In(Box<Term>, Vec<Term>),
    /// Whether a text is like a pattern.
    Like {
        /// The text.
        value: Box<Term>,
        /// The pattern.
        pattern: Box<Term>,
        /// What makes the next character of the pattern stand for itself.
        escape: Option<char>,
    },
    /// A calculation.
    Arithmetic(Arithmetic, Box<Term>, Box<Term>),
    /// The number with its sign turned.
    Negate(Box<Term>),
    /// A function of values.
    Call(Function, Vec<Term>),
    /// The same value as another type.
    Cast(Box<Term>, ValueType),
    /// The value beside the first condition that is true.
    Case {
        /// Conditions, each with its value.
        branches: Vec<(Term, Term)>,
        /// The value if none is true.
        otherwise: Option<Box<Term>>,
    },
    /// A function that only the engine knows.
    External {
        /// Its name.
        function: Arc<str>,
        /// Its arguments.
        arguments: Vec<Term>,
        /// Type of its values.
        value_type: ValueType,
    },
    /// Whether a query has rows. It may use columns of the query around it, as the others below.
    Exists(Box<QueryBuilder>),
    /// The value of a query's one column in its only row; null without a row.
    Value(Box<QueryBuilder>),
    /// Whether the comparison is true for one row of a query of one column.
    Any(Comparison, Box<Term>, Box<QueryBuilder>),
    /// Whether the comparison is true for all rows.
    All(Comparison, Box<Term>, Box<QueryBuilder>),
}

/// A column, as `name` or `relation.name`.
pub fn column(name: impl Into<String>) -> Term {
    Term::Column(name.into())
}

/// A value.
pub fn literal(value: impl Into<Value>) -> Term {
    Term::Literal(value.into())
}

/// The value that is given for parameter `number`, counted from zero, when the plan runs.
pub fn parameter(number: usize, value_type: ValueType) -> Term {
    Term::Parameter(number, value_type)
}

/// Whether a query has rows.
pub fn exists(query: QueryBuilder) -> Term {
    Term::Exists(Box::new(query))
}

/// The value of a query's one column in its only row; null without a row.
pub fn value_of(query: QueryBuilder) -> Term {
    Term::Value(Box::new(query))
}

/// A function of values.
pub fn call(function: Function, arguments: impl IntoIterator<Item = Term>) -> Term {
    Term::Call(function, arguments.into_iter().collect())
}

/// A plain value where a term is expected.
macro_rules! from_value {
    ($($plain:ty),* $(,)?) => {$(
        impl From<$plain> for Term {
            fn from(value: $plain) -> Self {
                Self::Literal(value.into())
            }
        }
    )*};
}

from_value! { Value, bool, i64, u64, f64, lightning_db_types::Decimal, &str, String }

impl From<i32> for Term {
    fn from(value: i32) -> Self {
        Self::Literal(Value::I64(value.into()))
    }
}

/// The comparisons and calculations of two terms.
macro_rules! of_two {
    ($($name:ident => $form:ident, $operation:expr, $text:literal;)*) => {$(
        #[doc = concat!("`self ", $text, " other`")]
        #[must_use]
        pub fn $name(self, other: impl Into<Self>) -> Self {
            Self::$form($operation, Box::new(self), Box::new(other.into()))
        }
    )*};
}

impl Term {
    of_two! {
        equal => Compare, Comparison::Equal, "=";
        not_equal => Compare, Comparison::NotEqual, "<>";
        less => Compare, Comparison::Less, "<";
        at_most => Compare, Comparison::AtMost, "<=";
        greater => Compare, Comparison::Greater, ">";
        at_least => Compare, Comparison::AtLeast, ">=";
        plus => Arithmetic, Arithmetic::Add, "+";
        minus => Arithmetic, Arithmetic::Subtract, "-";
        times => Arithmetic, Arithmetic::Multiply, "*";
        divided_by => Arithmetic, Arithmetic::Divide, "/";
    }

    /// `self AND other`
    #[must_use]
    pub fn and(self, other: impl Into<Self>) -> Self {
        match self {
            Self::And(mut all) => {
                all.push(other.into());
                Self::And(all)
            }
            one => Self::And(vec![one, other.into()]),
        }
    }

    /// `self OR other`
    #[must_use]
    pub fn or(self, other: impl Into<Self>) -> Self {
        match self {
            Self::Or(mut all) => {
                all.push(other.into());
                Self::Or(all)
            }
            one => Self::Or(vec![one, other.into()]),
        }
    }

    /// `NOT self`
    #[must_use]
    #[expect(clippy::should_implement_trait, reason = "the name is that of the other builders")]
    pub fn not(self) -> Self {
        Self::Not(Box::new(self))
    }

    /// `self IS NULL`
    #[must_use]
    pub fn is_null(self) -> Self {
        Self::IsNull(Box::new(self))
    }

    /// `self BETWEEN low AND high`
    #[must_use]
    pub fn between(self, low: impl Into<Self>, high: impl Into<Self>) -> Self {
        Self::And(vec![self.clone().at_least(low), self.at_most(high)])
    }

    /// `self IN (list)`
    #[must_use]
    pub fn is_in<T: Into<Self>>(self, list: impl IntoIterator<Item = T>) -> Self {
        Self::In(Box::new(self), list.into_iter().map(Into::into).collect())
    }

    /// `self LIKE pattern`
    #[must_use]
    pub fn like(self, pattern: impl Into<Self>) -> Self {
        Self::Like { value: Box::new(self), pattern: Box::new(pattern.into()), escape: None }
    }

    /// `CAST(self AS value_type)`
    #[must_use]
    pub fn cast(self, value_type: ValueType) -> Self {
        Self::Cast(Box::new(self), value_type)
    }

    /// `self IN (query)`
    #[must_use]
    pub fn in_query(self, query: QueryBuilder) -> Self {
        self.any(Comparison::Equal, query)
    }

    /// Whether the comparison is true for one row of a query of one column.
    #[must_use]
    pub fn any(self, comparison: Comparison, query: QueryBuilder) -> Self {
        Self::Any(comparison, Box::new(self), Box::new(query))
    }

    /// Whether the comparison is true for all rows of a query of one column.
    #[must_use]
    pub fn all(self, comparison: Comparison, query: QueryBuilder) -> Self {
        Self::All(comparison, Box::new(self), Box::new(query))
    }

    /// The term as a column of this name.
    #[must_use]
    pub fn named(self, name: impl Into<String>) -> Item {
        Item { term: self, name: Some(name.into()) }
    }

    /// Smallest first, nulls last.
    #[must_use]
    pub fn ascending(self) -> Order {
        Order { term: self, descending: false, nulls_first: false }
    }

    /// Largest first, nulls first.
    #[must_use]
    pub fn descending(self) -> Order {
        Order { term: self, descending: true, nulls_first: true }
    }
}

/// A column of a result: what it holds, and its name, which a column has of its own.
#[derive(Debug, Clone)]
pub struct Item {
    /// What it holds.
    pub term: Term,
    /// Its name.
    pub name: Option<String>,
}

impl From<Term> for Item {
    fn from(term: Term) -> Self {
        Self { term, name: None }
    }
}

impl From<&str> for Item {
    /// The column of that name.
    fn from(name: &str) -> Self {
        column(name).into()
    }
}

/// What rows are sorted by.
#[derive(Debug, Clone)]
pub struct Order {
    /// The value.
    pub term: Term,
    /// Whether larger values come first.
    pub descending: bool,
    /// Whether nulls come first.
    pub nulls_first: bool,
}

/// An aggregate over the rows of a group.
#[derive(Debug, Clone)]
pub struct AggregateTerm {
    /// What is computed.
    pub function: AggregateFunction,
    /// Over which value; `None` only for a count of rows.
    pub argument: Option<Term>,
    /// Whether equal values count once.
    pub distinct: bool,
    /// Rows for which it is not true are left out.
    pub filter: Option<Term>,
}

impl AggregateTerm {
    /// An aggregate over the values of a term.
    pub fn new(function: AggregateFunction, argument: impl Into<Term>) -> Self {
        Self { function, argument: Some(argument.into()), distinct: false, filter: None }
    }

    /// Number of rows.
    pub fn count_rows() -> Self {
        let function = AggregateFunction::Count;
        Self { function, argument: None, distinct: false, filter: None }
    }

    /// The same, with equal values counted once.
    #[must_use]
    pub fn distinct(mut self) -> Self {
        self.distinct = true;
        self
    }

    /// The same, over the rows for which the condition is true.
    #[must_use]
    pub fn filter(mut self, condition: Term) -> Self {
        self.filter = Some(condition);
        self
    }
}

/// A window function, which only the engine knows.
#[derive(Debug, Clone)]
pub struct WindowTerm {
    /// Its name.
    pub name: String,
    /// Its arguments.
    pub arguments: Vec<Term>,
    /// Values that are equal in a partition.
    pub partition: Vec<Term>,
    /// Order in a partition.
    pub order: Vec<Order>,
    /// The frame, as the engine writes it.
    pub frame: String,
    /// Type of its values.
    pub value_type: ValueType,
}
