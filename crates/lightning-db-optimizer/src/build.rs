//! Queries from names: relations, joins, conditions, aggregates, subqueries.
//!
//! A [`QueryBuilder`] is what was asked for, by name. [`build`](QueryBuilder::build) looks the
//! names up in a catalog, checks the types, and makes the [`Query`].

mod bind;
mod check;
mod scalar;
mod scope;
mod term;

#[cfg(test)]
mod tests;

use lightning_db_types::{Value, ValueType};

pub use scope::nearest;
pub use term::{
    AggregateTerm, Item, Order, Term, WindowTerm, call, column, exists, literal, parameter,
    value_of,
};

use crate::catalog::Catalog;
use crate::error::Result;
use crate::query::{Query, SetOperation, ValueRows};

/// A query over names.
///
/// Each step works on the rows of the steps before it. Columns are named `name`, or
/// `relation.name` where several relations have the name. A subquery sees the columns of the
/// queries around it.
///
/// # Examples
/// ```
/// use lightning_db_optimizer::build::{AggregateTerm, column};
/// use lightning_db_optimizer::{AggregateFunction, JoinType, MemoryCatalog, QueryBuilder};
/// use lightning_db_types::ValueType::{I64, Text};
///
/// let mut catalog = MemoryCatalog::new();
/// catalog.add_table("customer", &[("id", I64), ("city", Text)], &["id"])?;
/// catalog.add_table("orders", &[("id", I64), ("customer", I64), ("total", I64)], &["id"])?;
///
/// let same = column("o.customer").equal(column("c.id"));
/// let sum = AggregateTerm::new(AggregateFunction::Sum, column("total"));
/// let query = QueryBuilder::scan("orders", "o")
///     .join(JoinType::Inner, QueryBuilder::scan("customer", "c"), same)
///     .aggregate(["city"], [("total", sum)])
///     .filter(column("total").greater(100))
///     .build(&catalog)?;
/// assert_eq!(query.output(query.root().unwrap()).len(), 2);
///
/// let wrong = QueryBuilder::scan("orders", "o").filter(column("totl").greater(100));
/// let message = wrong.build(&catalog).unwrap_err().to_string();
/// assert_eq!(message, "find column totl; did you mean total?");
/// # Ok::<(), lightning_db_optimizer::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct QueryBuilder {
    source: Source,
    /// Steps after the source, so that a chain of ten thousand joins is no deep tree.
    steps: Vec<Step>,
}

/// Where rows come from.
#[derive(Debug, Clone)]
enum Source {
    Table { name: String, alias: String, numbered: bool },
    Rows { alias: String, columns: Vec<(String, ValueType)>, rows: ValueRows },
}

/// What is done with rows.
#[derive(Debug, Clone)]
enum Step {
    Filter(Term),
    Select(Vec<Item>),
    Join { join: JoinType, lateral: bool, right: QueryBuilder, on: Term },
    Aggregate { groups: Vec<Item>, aggregates: Vec<(String, AggregateTerm)> },
    Distinct,
    Set { operation: SetOperation, all: bool, right: QueryBuilder },
    Sort(Vec<Order>),
    Limit { limit: Option<u64>, offset: u64 },
    Window(Vec<(String, WindowTerm)>),
    Alias(String),
}

/// Which rows a join gives, as it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinType {
    /// Each pair that matches.
    Inner,
    /// The same, and each left row without a match, with nulls.
    Left,
    /// The same, and each right row without a match, with nulls.
    Right,
    /// The same, and each row of either side without a match, with nulls.
    Full,
    /// Each left row that has a match, once.
    Semi,
    /// Each left row that has no match, once.
    Anti,
}

impl QueryBuilder {
    fn new(source: Source) -> Self {
        Self { source, steps: Vec::new() }
    }

    fn then(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    /// All rows of a table, which is called `alias` in the query.
    pub fn scan(table: impl Into<String>, alias: impl Into<String>) -> Self {
        let (name, alias) = (table.into(), alias.into());
        Self::new(Source::Table { name, alias, numbered: false })
    }

    /// As [`scan`](Self::scan), with the numbers of the rows as the last column,
    /// [`ROW_NUMBER`](crate::ROW_NUMBER), if the catalog knows them.
    pub fn numbered(table: impl Into<String>, alias: impl Into<String>) -> Self {
        let (name, alias) = (table.into(), alias.into());
        Self::new(Source::Table { name, alias, numbered: true })
    }

    /// Rows that stand in the query.
    pub fn rows<N: Into<String>>(
        alias: impl Into<String>,
        columns: impl IntoIterator<Item = (N, ValueType)>,
        rows: Vec<Vec<Value>>,
    ) -> Self {
        Self::values(alias, columns, ValueRows::Known(rows.into()))
    }

    /// Rows that no table has.
    pub fn values<N: Into<String>>(
        alias: impl Into<String>,
        columns: impl IntoIterator<Item = (N, ValueType)>,
        rows: ValueRows,
    ) -> Self {
        let columns = columns.into_iter().map(|(name, value_type)| (name.into(), value_type));
        Self::new(Source::Rows { alias: alias.into(), columns: columns.collect(), rows })
    }

    /// The rows for which the condition is true; after an aggregate this is HAVING.
    #[must_use]
    pub fn filter(self, condition: Term) -> Self {
        self.then(Step::Filter(condition))
    }

    /// Each row turned into these columns.
    #[must_use]
    pub fn select<I: Into<Item>>(self, items: impl IntoIterator<Item = I>) -> Self {
        self.then(Step::Select(items.into_iter().map(Into::into).collect()))
    }

    /// Pairs with rows of another query for which the condition is true.
    #[must_use]
    pub fn join(self, join: JoinType, right: Self, on: Term) -> Self {
        self.then(Step::Join { join, lateral: false, right, on })
    }

    /// All pairs with rows of another query.
    #[must_use]
    pub fn cross(self, right: Self) -> Self {
        self.join(JoinType::Inner, right, Term::And(Vec::new()))
    }

    /// As [`join`](Self::join); the other query may use columns of this one, and gives the rows
    /// that it has for each row. Not for right and full joins.
    #[must_use]
    pub fn join_lateral(self, join: JoinType, right: Self, on: Term) -> Self {
        self.then(Step::Join { join, lateral: true, right, on })
    }

    /// One row for each combination of the groups' values, or one row if there are no groups.
    #[must_use]
    pub fn aggregate<I: Into<Item>, N: Into<String>>(
        self,
        groups: impl IntoIterator<Item = I>,
        aggregates: impl IntoIterator<Item = (N, AggregateTerm)>,
    ) -> Self {
        let groups = groups.into_iter().map(Into::into).collect();
        let aggregates = aggregates.into_iter().map(|(name, term)| (name.into(), term)).collect();
        self.then(Step::Aggregate { groups, aggregates })
    }

    /// Each row once.
    #[must_use]
    pub fn distinct(self) -> Self {
        self.then(Step::Distinct)
    }

    /// Rows put together with those of another query, column by column; `all` keeps rows as often
    /// as they occur.
    #[must_use]
    pub fn set(self, operation: SetOperation, all: bool, right: Self) -> Self {
        self.then(Step::Set { operation, all, right })
    }

    /// The rows in an order.
    #[must_use]
    pub fn order_by(self, order: impl IntoIterator<Item = Order>) -> Self {
        self.then(Step::Sort(order.into_iter().collect()))
    }

    /// At most `limit` rows after the first `offset`.
    #[must_use]
    pub fn limit(self, limit: impl Into<Option<u64>>, offset: u64) -> Self {
        self.then(Step::Limit { limit: limit.into(), offset })
    }

    /// Each row with values of window functions.
    #[must_use]
    pub fn window<N: Into<String>>(
        self,
        functions: impl IntoIterator<Item = (N, WindowTerm)>,
    ) -> Self {
        let functions = functions.into_iter().map(|(name, term)| (name.into(), term)).collect();
        self.then(Step::Window(functions))
    }

    /// The same rows as a relation of this name.
    #[must_use]
    pub fn alias(self, name: impl Into<String>) -> Self {
        self.then(Step::Alias(name.into()))
    }

    /// The query, with all names looked up and all types checked.
    ///
    /// # Errors
    /// [`UnknownTable`](crate::Error::UnknownTable),
    /// [`UnknownColumn`](crate::Error::UnknownColumn),
    /// [`AmbiguousColumn`](crate::Error::AmbiguousColumn),
    /// [`DuplicateRelation`](crate::Error::DuplicateRelation), [`Type`](crate::Error::Type),
    /// [`Shape`](crate::Error::Shape).
    pub fn build(&self, catalog: &dyn Catalog) -> Result<Query> {
        bind::bind(self, catalog)
    }
}
