//! Functions that indexes answer: of text, and of places.
//!
//! The optimizer knows them by their names. A text function is true of a row if an index finds the
//! row; functions of places are computed where no index helps. All are null if an argument is.
//!
//! | function | value | answered by |
//! |---|---|---|
//! | `match(text, query)` | whether words match, see [`matches()`] | text indexes |
//! | `score(text, query, row)` | how well they match, see [`score()`] | text indexes, as an order |
//! | `snippet(text, query, ..)` | where they match, see [`snippet()`] | text indexes |
//! | `st_distance(point, point)` | metres on the sphere | spatial indexes, as an order |
//! | `st_dwithin(point, point, metres)` | whether it is at most so far | spatial indexes |
//! | `st_within(point, polygon)` | whether it lies in a polygon of WKT | spatial indexes |
//! | `plane_distance`, `plane_dwithin`, `plane_within` | the same on the plane | the same |
//!
//! A spatial index answers those of its geometry, if its key is one point.

#[cfg(feature = "spatial")]
mod spatial;
#[cfg(feature = "text")]
mod text;

use std::fmt;
use std::sync::Arc;

use lightning_db_table::index::{IndexKind, IndexQuery};
use lightning_db_types::{Value, ValueRef};

use crate::error::{Error, Result};

#[cfg(feature = "spatial")]
pub use spatial::{distance, within, within_distance};
#[cfg(feature = "text")]
pub use text::{matches, score, snippet};

/// A function that indexes answer.
pub(crate) trait Function: fmt::Debug + Sync {
    /// What queries call it.
    fn name(&self) -> &'static str;

    /// Whether an index finds the rows for which it is true.
    fn is_answered_by(&self, kind: &IndexKind) -> bool;

    /// Whether an index gives rows by its value.
    fn orders(&self, kind: &IndexKind) -> bool {
        let _ = kind;
        false
    }

    /// The question to an index whose key part at a position is the first argument; `None` if a
    /// value is null.
    fn question(
        &self,
        kind: &IndexKind,
        part: usize,
        given: &[Value],
    ) -> Result<Option<IndexQuery>>;

    /// Who knows its value.
    fn form(&self) -> Form;

    /// Its value, if it is computed.
    ///
    /// # Errors
    /// [`Error::Argument`].
    fn value(&self, arguments: &[ValueRef<'_>]) -> Result<Value>;
}

/// Who knows the value of a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// It follows from the arguments.
    #[cfg_attr(not(feature = "spatial"), expect(dead_code, reason = "places have such alone"))]
    Computed,
    /// An index, which finds the rows for which it is true.
    #[cfg_attr(not(feature = "text"), expect(dead_code, reason = "texts have such alone"))]
    Member,
    /// An index, which knows the scores of rows.
    Score,
    /// An index, which cuts the text into words.
    #[cfg_attr(not(feature = "text"), expect(dead_code, reason = "texts have such alone"))]
    Snippet,
}

const FUNCTIONS: &[&dyn Function] = &[
    #[cfg(feature = "text")]
    &text::MATCH,
    #[cfg(feature = "text")]
    &text::SCORE,
    #[cfg(feature = "text")]
    &text::SNIPPET,
    #[cfg(feature = "spatial")]
    &spatial::SPHERE_DISTANCE,
    #[cfg(feature = "spatial")]
    &spatial::SPHERE_DISTANCE_WITHIN,
    #[cfg(feature = "spatial")]
    &spatial::SPHERE_WITHIN,
    #[cfg(feature = "spatial")]
    &spatial::PLANE_DISTANCE,
    #[cfg(feature = "spatial")]
    &spatial::PLANE_DISTANCE_WITHIN,
    #[cfg(feature = "spatial")]
    &spatial::PLANE_WITHIN,
];

/// The function with a name.
pub(crate) fn named(name: &str) -> Result<&'static dyn Function> {
    let found = FUNCTIONS.iter().find(|function| function.name() == name);
    let unknown = || {
        let names: Vec<&str> = FUNCTIONS.iter().map(|function| function.name()).collect();
        Error::unsupported(format!("function {name}"), format!("known are: {}", names.join(", ")))
    };
    found.copied().ok_or_else(unknown)
}

/// Names of the functions that an index answers as conditions, and of those that it gives rows by.
pub(crate) fn of_index(kind: &IndexKind) -> (Vec<Arc<str>>, Vec<Arc<str>>) {
    let names = |wanted: &dyn Fn(&dyn Function) -> bool| {
        let wanted = FUNCTIONS.iter().filter(|function| wanted(**function));
        wanted.map(|function| Arc::from(function.name())).collect()
    };
    (names(&|function| function.is_answered_by(kind)), names(&|function| function.orders(kind)))
}

/// Says that a function was given what it does not take.
#[cfg(any(feature = "spatial", feature = "text"))]
fn refuse(function: &dyn Function, detail: &str) -> Error {
    Error::Argument { function: function.name().to_owned(), detail: detail.to_owned() }
}
