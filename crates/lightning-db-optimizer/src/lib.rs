//! A cost-based query optimizer that is free of any engine.
//!
//! A [`Query`] is a tree of relational operators over columns that are unique in it. What is known
//! of tables, indexes and values comes through one trait, [`Catalog`]. Every number that is not
//! certain is an [`Estimate`], with bounds and the source it came from.
//!
//! A [`QueryBuilder`] makes a query from names, [`rewrite`](rewrite::rewrite) brings it into a form
//! with fewer rows on the way and says what it did.
//!
//! It is not: a parser, an executor, a store. It does no input or output, reads no clock, and has
//! no threads of its own: the same query over the same catalog gives the same plan.
//!
//! [`Optimizer`] turns a query into a [`Plan`]: access paths over every kind of index, the order
//! and methods of joins, aggregates, sorts, and what is shared among workers. [`Explain`] shows it.
//!
//! # Examples
//! ```
//! use lightning_db_optimizer::build::column;
//! use lightning_db_optimizer::{
//!     IndexDefinition, IndexKind, MemoryCatalog, Optimizer, QueryBuilder, TableStatistics,
//! };
//! use lightning_db_types::ValueType::{I64, Text};
//! let mut catalog = MemoryCatalog::new();
//! let city = catalog.add_table("city", &[("id", I64), ("name", Text)], &["id"])?;
//! catalog.add_index(city, IndexDefinition::new("by_name", IndexKind::Ordered, &[1]));
//! let known = TableStatistics { rows: 100_000, pages: 1_000, ..TableStatistics::default() };
//! catalog.set_statistics(city, known);
//! let query = QueryBuilder::scan("city", "c").filter(column("name").equal("Oslo"));
//! let plan = Optimizer::default().optimize(&query.build(&catalog)?, &catalog)?;
//! let text = plan.explain().without_costs().to_string();
//! assert_eq!(text, "Access c by index by_name (= 'Oslo')");
//! # Ok::<(), lightning_db_optimizer::Error>(())
//! ```
//!
//! # Features
//! * `reference`: a small interpreter of queries, with random queries and rows, for tests.
//!
//! # Invariants
//! * A plan gives the rows of the query, whatever the statistics say.
//! * Handles are valid in the query that gave them, and nodes never change once they are made.

mod error;

mod estimate;
mod query;

mod catalog;
mod statistics;

mod cardinality;

mod cost;

mod fingerprint;

pub mod cache;
pub mod join;
pub mod learning;

pub mod build;
mod memory;
pub mod rewrite;

mod hint;
mod what_if;

mod access;
mod plan;

mod explain;
mod optimize;

#[cfg(any(test, feature = "reference"))]
pub mod reference;

#[cfg(test)]
mod tests;

pub use lightning_db_expression as expression;
pub use lightning_db_types as types;

pub use build::{JoinType, QueryBuilder, Term};
pub use cardinality::{Cardinality, Learned};
pub use catalog::{
    Catalog, ColumnDefinition, ForeignKey, IndexDefinition, IndexKind, IndexPart, Probe,
    ProbeCondition, ROW_NUMBER, TableDefinition, TableId,
};
pub use cost::{Constant, Constants, CostModel, Measurement, Nanoseconds, Pages, Work, fit};
pub use error::{Error, Result};
pub use estimate::{Estimate, Source, q_error};
pub use explain::{Actual, Explain};
pub use fingerprint::Signature;
pub use hint::{Hint, HintMethod, Hints, JoinOrder, Unmet, UnmetReason};
pub use memory::MemoryCatalog;
pub use optimize::{Context, Optimizer, Settings};
pub use plan::{
    Access, AggregateMethod, BloomCheck, Cost, Exchange, IndexAggregate, IndexScan, JoinMethod,
    KeyBound, KeyPart, Operator, Part, Phase, Plan, PlanId, PlanNode, Rejected, RowSet, SetMethod,
};
pub use query::{
    Aggregate, AggregateFunction, Column, ColumnId, ColumnSet, JoinKind, Node, NodeId, Origin,
    Properties, PropertyCache, Query, Scalar, ScalarId, Series, SetOperation, SortKey, Spread,
    Subquery, ValueRows, WindowFunction, arithmetic_type,
};
pub use statistics::{
    ColumnGroup, ColumnStatistics, JoinSketch, StatisticsBuilder, StatisticsDigest,
    StatisticsLimits, TableStatistics,
};
pub use what_if::{IndexProposal, ProposalLimits, WhatIf, propose_indexes};
