//! Plans against the reference, and goldens.

mod bounds;
mod catalog;
mod plans;
mod random;
