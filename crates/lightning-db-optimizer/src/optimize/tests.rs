//! Plans against the reference, and goldens.

mod bounds;
mod cached;
mod catalog;
mod hints;
mod many;
mod plans;
mod random;
mod unions;
