//! Plans against the reference, and goldens.

mod bounds;
mod cached;
mod catalog;
mod groups;
mod hints;
mod many;
mod plans;
mod random;
mod unions;
