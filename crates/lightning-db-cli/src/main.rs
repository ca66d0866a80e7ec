//! `lightning`, the command line of Lightning DB.
//!
//! One command is one use of one store: it opens the store, does its work, closes the store, and
//! says by its exit code how that went ([`failure`] lists them). Results go to standard output, as
//! text or, with `--json`, as one JSON object a line; everything else goes to standard error.
//!
//! Without a command it takes SQL, from a prompt or elsewhere: see [`shell`].
//!
//! It is not a server of data, and keeps nothing between two commands but the store itself, and
//! what was typed at the prompt; `serve-metrics` alone stays, to show what an open store does.

mod args;
mod context;

mod commands;

mod condition;
mod shell;

mod format;
mod progress;
mod spelling;
mod stream;
mod table_text;
mod text;

mod failure;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use lightning_db::storage::Depth;

use crate::args::{Arguments, Command, Index};
use crate::commands::{
    admin, backup, check, export, import, indexes, kv, pipe, rows, scan, serve, tables, tour,
};
use crate::context::Context;
use crate::failure::Failure;

fn main() -> ExitCode {
    let Arguments { mut global, sql, command } = Arguments::parse();
    if let Some(store) = &sql.store {
        global.db.clone_from(store);
    }
    let context = Context::new(global);
    let done = match command {
        Some(command) => run(&context, command),
        None => shell::run(&context, &sql),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read the output has seen enough, as in `lightning scan cities | head`.
        Err(failure) if failure.is_closed_output() => ExitCode::SUCCESS,
        Err(failure) => {
            // If standard error is gone too, the exit code is all that is left to say.
            let _ = writeln!(std::io::stderr(), "{}", failure.to_line());
            ExitCode::from(failure.exit_code())
        }
    }
}

fn run(context: &Context, command: Command) -> Result<(), Failure> {
    match command {
        Command::Put { keyspace, key, value } => kv::put(context, &keyspace, &key, &value),
        Command::Get { keyspace, key } => kv::get(context, &keyspace, &key),
        Command::Del { keyspace, key } => kv::del(context, &keyspace, &key),
        Command::Scan(scan) => scan::run(context, &scan),
        Command::Import(import) => import::run(context, &import),
        Command::Export(export) => export::run(context, &export),
        Command::Pipe { keyspace } => pipe::run(context, &keyspace),
        Command::Tables => tables::tables(context),
        Command::Schema { table } => tables::schema(context, table.as_deref()),
        Command::Indexes { table } => indexes::list(context, table.as_deref()),
        Command::Index(Index::Create(create)) => indexes::create(context, &create),
        Command::Index(Index::Drop { table, name }) => indexes::drop_index(context, &table, &name),
        Command::Rows(rows) => rows::run(context, &rows),
        Command::Keyspaces => admin::keyspaces(context),
        Command::Stats => admin::stats(context),
        Command::Compact => admin::compact(context),
        Command::Check { deep } => {
            check::check(context, if deep { Depth::Deep } else { Depth::Quick })
        }
        Command::Repair => check::repair(context),
        Command::Backup { dir } => backup::backup(context, &dir),
        Command::Restore { dir } => backup::restore(context, &dir),
        Command::ServeMetrics(serve) => serve::metrics(context, &serve),
        Command::Tour { dir } => tour::run(context, dir.as_deref()),
    }
}
