//! Queries that begin at a table and are read at once.

use std::ops::ControlFlow;

use lightning_db_optimizer::build::{AggregateTerm, Item, Order, Term};
use lightning_db_optimizer::{JoinType, QueryBuilder};
use lightning_db_table::Field;
use lightning_db_types::{Value, ValueRef};

use crate::engine::QueryEngine;
use crate::error::{Error, Result};
use crate::source::Source;
use crate::statement::Statement;

/// A query over a table, step by step; see [`QueryEngine::table`].
///
/// Each step is one of [`QueryBuilder`], and takes the rows of the step before. What is run often
/// is [prepared](Self::prepare): the other calls plan each time.
#[derive(Debug, Clone)]
#[must_use = "a query does nothing before it is read"]
pub struct TableQuery<'s> {
    engine: QueryEngine,
    query: QueryBuilder,
    source: Option<Source<'s>>,
}

impl QueryEngine {
    /// A query over a table, whose columns may be called `column` or `table.column`.
    ///
    /// # Examples
    /// ```
    /// # use lightning_db_query::QueryEngine;
    /// # use lightning_db_query::build::column;
    /// # use lightning_db_storage::Store;
    /// # use lightning_db_table::{ColumnDefinition, ColumnType, TableDefinition, Tables};
    /// # use lightning_db_types::Value;
    /// # let dir = tempfile::tempdir()?;
    /// # let (store, _) = Store::open(dir.path())?;
    /// # let (tables, _) = Tables::open(&store)?;
    /// # let cities = TableDefinition::new("cities")
    /// #     .column(ColumnDefinition::new("name", ColumnType::Text))
    /// #     .column(ColumnDefinition::new("people", ColumnType::I64));
    /// # tables.create_table(cities)?;
    /// # tables.insert("cities", ["Bern".into(), Value::I64(134_000)])?;
    /// # tables.insert("cities", ["Chur".into(), Value::I64(38_000)])?;
    /// let engine = QueryEngine::new(&tables);
    /// let largest: Vec<(String, i64)> = engine
    ///     .table("cities")
    ///     .filter(column("people").greater(10_000))
    ///     .order_by([column("people").descending()])
    ///     .limit(1)
    ///     .select([column("name"), column("people")])
    ///     .fetch()?;
    /// assert_eq!(largest, [("Bern".to_owned(), 134_000)]);
    /// assert_eq!(engine.table("cities").count()?, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn table(&self, name: &str) -> TableQuery<'static> {
        let query = QueryBuilder::scan(name, name);
        TableQuery { engine: self.clone(), query, source: None }
    }
}

impl TableQuery<'_> {
    fn map(self, step: impl FnOnce(QueryBuilder) -> QueryBuilder) -> Self {
        Self { query: step(self.query), ..self }
    }

    /// Reads a snapshot, or within a transaction with what that has written, and not what is
    /// committed when it is read.
    pub fn within<'t>(self, source: impl Into<Source<'t>>) -> TableQuery<'t> {
        TableQuery { engine: self.engine, query: self.query, source: Some(source.into()) }
    }

    /// The rows for which a condition is true.
    pub fn filter(self, condition: Term) -> Self {
        self.map(|query| query.filter(condition))
    }

    /// Pairs with rows of another query for which the condition is true.
    pub fn join(self, join: JoinType, other: QueryBuilder, on: Term) -> Self {
        self.map(|query| query.join(join, other, on))
    }

    /// One row for each combination of the groups' values, or one row if there are no groups.
    pub fn aggregate<I: Into<Item>, N: Into<String>>(
        self,
        groups: impl IntoIterator<Item = I>,
        aggregates: impl IntoIterator<Item = (N, AggregateTerm)>,
    ) -> Self {
        self.map(|query| query.aggregate(groups, aggregates))
    }

    /// Each row once.
    pub fn distinct(self) -> Self {
        self.map(QueryBuilder::distinct)
    }

    /// The rows in an order.
    pub fn order_by(self, order: impl IntoIterator<Item = Order>) -> Self {
        self.map(|query| query.order_by(order))
    }

    /// The first so many rows.
    pub fn limit(self, limit: u64) -> Self {
        self.map(|query| query.limit(limit, 0))
    }

    /// The rows after the first so many.
    pub fn offset(self, offset: u64) -> Self {
        self.map(|query| query.limit(None, offset))
    }

    /// Each row turned into these columns.
    pub fn select<I: Into<Item>>(self, items: impl IntoIterator<Item = I>) -> Self {
        self.map(|query| query.select(items))
    }

    /// The query so far, for joins and subqueries of others.
    pub fn into_query(self) -> QueryBuilder {
        self.query
    }

    /// Plans it, to be run any number of times.
    ///
    /// # Errors
    /// As [`QueryEngine::prepare`].
    pub fn prepare(&self) -> Result<Statement> {
        self.engine.prepare(&self.query)
    }

    /// Its plan as text.
    ///
    /// # Errors
    /// As [`prepare`](Self::prepare).
    pub fn explain(&self) -> Result<String> {
        Ok(self.prepare()?.explain())
    }

    /// Calls `visit` with each row until it breaks. Values are borrowed for the call.
    ///
    /// # Errors
    /// Those of [`prepare`](Self::prepare), of [`Statement::for_each`], and of `visit`.
    pub fn for_each(
        &self,
        visit: impl FnMut(&[ValueRef<'_>]) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        let statement = self.prepare()?;
        match self.source {
            Some(source) => statement.for_each(source, &[], visit),
            None => statement.for_each(&self.engine.tables().snapshot(), &[], visit),
        }
    }

    /// All rows, as values.
    ///
    /// # Errors
    /// As [`for_each`](Self::for_each).
    pub fn rows(&self) -> Result<Vec<Vec<Value>>> {
        let mut rows = Vec::new();
        self.for_each(|row| {
            rows.push(row.iter().map(|value| value.to_value()).collect());
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(rows)
    }

    /// All rows, as tuples of Rust types: one for each column.
    ///
    /// # Errors
    /// As [`for_each`](Self::for_each); [`Error::Row`] if a row does not fit.
    pub fn fetch<T: FromRow>(&self) -> Result<Vec<T>> {
        let mut rows = Vec::new();
        self.for_each(|row| {
            rows.push(T::from_row(row)?);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(rows)
    }

    /// The first row, if there is one.
    ///
    /// # Errors
    /// As [`fetch`](Self::fetch).
    pub fn first<T: FromRow>(&self) -> Result<Option<T>> {
        let mut first = None;
        self.for_each(|row| {
            first = Some(T::from_row(row)?);
            Ok(ControlFlow::Break(()))
        })?;
        Ok(first)
    }

    /// How many rows there are.
    ///
    /// # Errors
    /// As [`for_each`](Self::for_each).
    pub fn count(self) -> Result<u64> {
        let none: [&str; 0] = [];
        let counted = self.aggregate(none, [("count", AggregateTerm::count_rows())]);
        let count = counted.first::<(i64,)>()?.map_or(0, |(count,)| count);
        Ok(u64::try_from(count).unwrap_or(0))
    }
}

/// A row as a Rust type: a tuple with a [`Field`] for each column.
pub trait FromRow: Sized {
    /// The row of these values.
    ///
    /// # Errors
    /// [`Error::Row`] if there are more or fewer columns, or one has another type.
    fn from_row(row: &[ValueRef<'_>]) -> Result<Self>;
}

fn field<F: Field>(row: &[ValueRef<'_>], column: usize) -> Result<F> {
    let value = row.get(column).copied().unwrap_or_default();
    F::from_value(value).ok_or_else(|| Error::Row {
        column,
        detail: format!("its {} does not fit the field", value.value_type()),
    })
}

macro_rules! tuples {
    ($($($name:ident $column:literal)+;)+) => {$(
        impl<$($name: Field),+> FromRow for ($($name,)+) {
            fn from_row(row: &[ValueRef<'_>]) -> Result<Self> {
                let width = [$($column),+].len();
                if row.len() != width {
                    let detail = format!("there are {} columns for {width} fields", row.len());
                    return Err(Error::Row { column: row.len().min(width), detail });
                }
                Ok(($(field::<$name>(row, $column)?,)+))
            }
        }
    )+};
}

tuples! {
    A 0;
    A 0 B 1;
    A 0 B 1 C 2;
    A 0 B 1 C 2 D 3;
    A 0 B 1 C 2 D 3 E 4;
    A 0 B 1 C 2 D 3 E 4 F 5;
    A 0 B 1 C 2 D 3 E 4 F 5 G 6;
    A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7;
}
