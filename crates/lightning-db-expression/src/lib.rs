//! Expressions over the columns of a row: keys, conditions, generated columns, predicates.
//!
//! An [`Expression`] is a tree over column positions, literals and deterministic functions. It is
//! evaluated over anything that is [`Columns`], borrowing from the row where the value stands
//! there. Truth has three values, as in SQL. [`Expression::implies`] proves that one condition
//! holds wherever another does, which is what a partial index needs, and
//! [`Expression::fingerprint`] names what an expression computes, so that an index that was built
//! with another version of a function is found out.
//!
//! It is not: a parser (see the SQL crate), a plan, a table: columns have positions and no names.
//!
//! # Examples
//! ```
//! use lightning_db_expression::Expression;
//! use lightning_db_types::Value;
//! let wanted = Expression::column(1).lower().equal("ada@example.org");
//! let row = vec![Value::I64(7), Value::from("Ada@Example.org")];
//! assert!(wanted.is_true(&row)?);
//! # Ok::<(), lightning_db_expression::Error>(())
//! ```
//!
//! # Invariants
//! * An expression gives the same value for the same row, on every machine and in every version
//!   that has the same fingerprint.
//! * A comparison with null is unknown, never true and never false.

mod error;

mod columns;
mod expression;

mod arithmetic;
mod build;
mod cast;
mod date;
mod display;
mod domain;
mod evaluate;
mod function;
mod implies;
mod json;
mod like;
pub mod number;

#[cfg(test)]
mod tests;

pub use columns::Columns;
pub use display::ExpressionDisplay;
pub use error::{Error, Result};
pub use evaluate::Evaluated;
pub use expression::{Arithmetic, Comparison, Expression};
pub use function::{Argument, DatePart, Function, MathFunction};
pub use like::Pattern;
