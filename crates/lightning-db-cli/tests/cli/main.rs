//! The program as its users run it: arguments in, output and an exit code out.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod shell;
mod table_files;
mod tables;

mod admin;
mod keys;
mod kill;
mod pipe;
mod prompt;
mod rows;
mod serve;
mod sql;
mod tour;
