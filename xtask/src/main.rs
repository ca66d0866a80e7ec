//! Build automation for Lightning DB: `cargo xtask --help` lists the commands.
//!
//! Continuous integration runs `cargo xtask ci` and nothing else, so what passes here passes there.
//! Each step of it is a command of its own, to be repeated alone after a failure.
//!
//! It is not: a build script, a release tool, or a place for code that the product needs.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line tool reports on the terminal"
)]

mod flags;

mod commands;
mod features;
mod machine;
mod rocksdb;
mod steps;
mod workspace;

mod tidy;

use std::process::ExitCode;

use anyhow::Result;
use flags::{Xtask, XtaskCmd};
use workspace::Context;

fn main() -> ExitCode {
    let xtask = match Xtask::from_env() {
        Ok(xtask) => xtask,
        Err(error) if error.is_help() => error.exit(),
        Err(error) => {
            eprintln!("error: {error}\n`cargo xtask --help` lists the commands");
            return ExitCode::from(2);
        }
    };
    match run(xtask) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The chain of causes, and no backtrace: the reader wants the command that failed.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(xtask: Xtask) -> Result<()> {
    let context = Context::new()?;
    match xtask.subcommand {
        XtaskCmd::Ci(_) => commands::ci(&context),
        XtaskCmd::Fmt(_) => commands::fmt(&context).map(report),
        XtaskCmd::Tidy(_) => commands::tidy(&context).map(report),
        XtaskCmd::Lint(_) => commands::lint(&context).map(report),
        XtaskCmd::Test(test) => commands::test(&context, &test).map(report),
        XtaskCmd::Models(_) => commands::models(&context).map(report),
        XtaskCmd::Sanitize(_) => commands::sanitize(&context).map(report),
        XtaskCmd::Docs(_) => commands::docs(&context).map(report),
        XtaskCmd::Deny(_) => commands::deny(&context).map(report),
        XtaskCmd::Features(_) => commands::features(&context).map(report),
        XtaskCmd::Bench(bench) => commands::bench(&context, &bench),
        XtaskCmd::Calibrate(calibrate) => commands::calibrate(&context, &calibrate),
        XtaskCmd::Compare(compare) => commands::compare(&context, &compare),
        XtaskCmd::Crash(crash) => commands::crash(&context, &crash),
    }
}

/// A command that was skipped says so; the others have printed what they did.
fn report(outcome: steps::Outcome) {
    if let steps::Outcome::Skipped(reason) = outcome {
        println!("skipped: {reason}");
    }
}
