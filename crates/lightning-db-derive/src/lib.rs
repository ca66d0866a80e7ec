//! `#[derive(Record)]`: a struct as a row of a table of Lightning DB.
//!
//! The table crate re-exports the macro and documents the trait that it implements; this page is
//! the reference of its attributes.
//!
//! On a field, `#[record(..)]` takes:
//!
//! | attribute | meaning |
//! |---|---|
//! | `key` | the field is the primary key, or part of it, in the order of the fields |
//! | `rename = "name"` | name of the column, where it is not that of the field |
//! | `default = value` | value of rows that were written before the column was there |
//! | `generated = expression` | computed from other columns; what the field holds is not written |
//! | `check = expression` | a condition for every row; null counts as fulfilled |
//! | `ttl` | a timestamp at which the row is gone |
//! | `unique`, `index`, `fts`, `geo` | an index over this field alone, with arguments as below |
//! | `foreign_key(table = "t", column = "c", on_delete = cascade)` | names a row of another table |
//!
//! On the struct:
//!
//! | attribute | meaning |
//! |---|---|
//! | `table = "name"` | name of the table; the struct's in lower case if not given |
//! | `crate = path` | where the table crate is; if not given, `::lightning_db::tables` for the macro that the facade re-exports, and `::lightning_db_table` for the one of the table crate |
//! | `key(a, b)` | columns of the primary key, in this order |
//! | `index(on(..), ..)`, `unique(on(..), ..)` | an index over several columns or expressions |
//! | `fts(on(..), english)`, `geo(on(..))` | a full-text or spatial index |
//! | `check(name = "n", condition = expression)` | a condition for every row |
//! | `foreign_key(columns(a, b), table = "t", references(c, d))` | names a row of another table |
//!
//! Arguments of `index` and `unique`: a kind (`ordered`, which is the default, `hash`, `bitmap`,
//! `bloom`), `name = "n"`, `on(..)`, `include(a, b)` for a covering index, `condition = expression`
//! for a partial one, and for `unique` also `nulls_not_distinct` and `deferrable`. A part of `on`
//! may end in `.desc()`, `.asc()`, `.nulls_first()` and `.nulls_last()`; on a field these stand as
//! words.
//!
//! Expressions are written as in Rust, over the names of fields: `population > 1_000 &&
//! country.is_not_null()`, `email.lower()` or `lower(email)`.
//!
//! It is not: a place of behaviour; what it writes is one implementation of a trait.
//!
//! # Features
//! * `text`: `fts(..)`.
//! * `spatial`: `geo(..)`.
//!
//! # Invariants
//! * Misuse is an error at the place of the misuse, and never a panic.
//! * The crate knows no other of ours: it writes paths into the one that re-exports it.

mod record;

mod index;

mod constraint;

mod expression;

mod expand;

use proc_macro::TokenStream;

/// Implements `Record` for a struct with named fields; see the [crate](self) for its attributes.
#[proc_macro_derive(Record, attributes(record))]
pub fn derive_record(input: TokenStream) -> TokenStream {
    derive(input.into(), syn::parse_quote!(::lightning_db_table)).into()
}

/// The same for crates that depend on the facade alone, which re-exports it as `tables::Record`.
#[proc_macro_derive(FacadeRecord, attributes(record))]
pub fn derive_facade_record(input: TokenStream) -> TokenStream {
    derive(input.into(), syn::parse_quote!(::lightning_db::tables)).into()
}

/// Writes the implementation; `root` is where the table crate is.
fn derive(input: proc_macro2::TokenStream, root: syn::Path) -> proc_macro2::TokenStream {
    let parsed = syn::parse2(input).and_then(|input| record::RecordInput::new(&input, root));
    match parsed.and_then(|record| expand::expand(&record)) {
        Ok(tokens) => tokens,
        Err(error) => error.to_compile_error(),
    }
}

#[cfg(test)]
mod tests;
