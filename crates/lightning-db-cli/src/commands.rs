//! The commands, one module for each kind of work.

pub(crate) mod kv;
pub(crate) mod scan;

pub(crate) mod indexes;
pub(crate) mod rows;
pub(crate) mod tables;

pub(crate) mod export;
pub(crate) mod import;
pub(crate) mod pipe;

pub(crate) mod admin;
pub(crate) mod backup;
pub(crate) mod check;
pub(crate) mod serve;

pub(crate) mod tour;
