//! The program as its users run it: arguments in, output and an exit code out.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod shell;
mod table_files;
mod tables;

mod admin;
mod keys;
mod kill;
#[cfg(target_os = "linux")]
mod kill_sql;
mod pipe;
mod prompt;
mod rows;
mod serve;
mod sql;
mod tour;
