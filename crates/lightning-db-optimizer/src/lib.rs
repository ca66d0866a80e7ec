//! A cost-based query optimizer that is free of any engine.
//!
//! A [`Query`] is a tree of relational operators over columns that are unique in it. What is known
//! of tables, indexes and values comes through one trait, [`Catalog`]. Every number that is not
//! certain is an [`Estimate`], with bounds and the source it came from.
//!
//! It is not: a parser, an executor, a store. It does no input or output, reads no clock, and has
//! no threads of its own: the same query over the same catalog gives the same plan.
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

pub mod join;

pub mod build;
mod memory;

#[cfg(any(test, feature = "reference"))]
pub mod reference;

pub use build::{JoinType, QueryBuilder, Term};
pub use cardinality::{Cardinality, Learned};
pub use catalog::{
    Catalog, ColumnDefinition, ForeignKey, IndexDefinition, IndexKind, IndexPart, Probe,
    ProbeCondition, TableDefinition, TableId,
};
pub use cost::{Constant, Constants, CostModel, Measurement, Nanoseconds, Pages, Work, fit};
pub use error::{Error, Result};
pub use estimate::{Estimate, Source, q_error};
pub use memory::MemoryCatalog;
pub use query::{
    Aggregate, AggregateFunction, Column, ColumnId, JoinKind, Node, NodeId, Origin, Query, Scalar,
    ScalarId, SetOperation, SortKey, Subquery, WindowFunction,
};
pub use statistics::{
    ColumnGroup, ColumnStatistics, JoinSketch, StatisticsBuilder, StatisticsDigest,
    StatisticsLimits, TableStatistics,
};
