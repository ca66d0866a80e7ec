//! Lightning DB and its peers, side by side in one run.
//!
//! Every subject prints a table for each scenario to standard output and its progress to standard
//! error, and writes rows of one schema as JSON Lines, a page as Markdown and a plot as SVG where
//! it is told to. See `README.md` for what is compared and how.

mod child;
mod clock;
mod comparison;
#[cfg(feature = "lightning")]
mod contest;
#[cfg(feature = "lightning")]
mod indexes;
mod measure;
#[cfg(feature = "lightning")]
mod ops;
mod optimizer;
mod pool;
mod process;
mod report;
mod shapes;
#[cfg(feature = "lightning")]
mod sql;
mod stats;
mod storage;
mod workload;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(about = "Compares Lightning DB with its peers", version)]
struct Cli {
    #[command(subcommand)]
    subject: Subject,
}

#[derive(Debug, Subcommand)]
enum Subject {
    #[command(about = "The storage core against sled, redb, fjall, LMDB, RocksDB and SQLite")]
    Storage(storage::Args),
    /// One engine of the scenario `large`; the program starts itself so
    #[command(hide = true)]
    StorageChild(storage::ChildArgs),
    #[command(about = "The estimates of the optimizer against the truth")]
    Optimizer(optimizer::Args),
    #[cfg(feature = "lightning")]
    #[command(about = "The operations kit against other recorders of metrics")]
    Ops(ops::Args),
    /// A process of `ops`; the program starts itself so
    #[cfg(feature = "lightning")]
    #[command(hide = true)]
    OpsChild(ops::ChildArgs),
    #[command(about = "The connection pool against bb8, deadpool and r2d2")]
    Pool(pool::Args),
    #[command(about = "The shape of our storage core against the shapes that it could have")]
    Shapes(shapes::Args),
    /// One store of `shapes`; the program starts itself so
    #[command(hide = true)]
    ShapesChild(shapes::ChildArgs),
    #[cfg(feature = "lightning")]
    #[command(about = "Indexes of every kind against the raw libraries and SQLite")]
    Indexes(indexes::Args),
    /// The process of `indexes` that is aborted; the program starts itself so
    #[cfg(feature = "lightning")]
    #[command(hide = true)]
    IndexesChild(indexes::ChildArgs),
    #[cfg(feature = "lightning")]
    #[command(about = "SQL statements against SQLite and DuckDB")]
    Sql(sql::Args),
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().subject {
        Subject::Storage(args) => storage::run(&args),
        Subject::StorageChild(args) => storage::child(&args),
        Subject::Optimizer(args) => optimizer::run(&args),
        #[cfg(feature = "lightning")]
        Subject::Ops(args) => ops::run(&args),
        #[cfg(feature = "lightning")]
        Subject::OpsChild(args) => ops::child(&args),
        Subject::Pool(args) => pool::run(&args),
        Subject::Shapes(args) => shapes::run(&args),
        Subject::ShapesChild(args) => shapes::child(&args),
        #[cfg(feature = "lightning")]
        Subject::Indexes(args) => indexes::run(&args),
        #[cfg(feature = "lightning")]
        Subject::IndexesChild(args) => indexes::child(&args),
        #[cfg(feature = "lightning")]
        Subject::Sql(args) => sql::run(&args),
    }
}

/// Tells the person who waits what happens.
#[expect(clippy::print_stderr, reason = "a program reports its progress there")]
fn progress(line: &str) {
    eprintln!("{line}");
}

/// The version of `package` in the lock file of this build.
fn locked_version(package: &str) -> Option<&'static str> {
    let mut lines = include_str!("../Cargo.lock").lines();
    lines.find(|line| line.strip_prefix("name = ").is_some_and(|name| quoted(name) == package))?;
    lines.next()?.strip_prefix("version = ").map(quoted)
}

fn quoted(text: &str) -> &str {
    text.trim_matches('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_come_from_the_lock_file() {
        assert_eq!(locked_version("sled"), Some("0.34.7"));
        assert_eq!(locked_version("no-such-package"), None);
    }

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }
}
