//! Opening after a crash: a process inserts points into a table with a spatial index and is
//! aborted; then the table is opened, and asked for the nearest of a place.
//!
//! `SQLite` has its tree on the disk, and opens it as it is.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail, ensure};
use lightning_db_table::index::Location;
use lightning_db_table::{ColumnDefinition, ColumnType, IndexSpec, TableDefinition, Value};

use super::Bench;
use super::contest::repeated;
use super::data::points;
use super::lightning::{LEVEL, tables, there};
use super::{spatial, sqlite};
use crate::child::millis;
use crate::clock::now;
use crate::comparison::{Metric, OURS};

const OPEN: Metric = Metric::lower("crash_open_ms", "ms");
const ENGINES: [&str; 2] = [OURS, "sqlite"];
/// Rows of one commit.
const CHUNK: usize = 10_000;
/// Rows at the end that are committed one by one.
const SINGLE: usize = 1_000;
/// Where the nearest is looked for.
const PLACE: [f64; 2] = [7.4, 46.9];

/// The arguments of the process that is aborted. The program starts itself with them.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ChildArgs {
    /// Engine.
    #[arg(long)]
    engine: String,
    /// Folder of the store.
    #[arg(long)]
    dir: PathBuf,
    /// Points.
    #[arg(long)]
    points: usize,
}

/// Runs the group.
pub(crate) fn run(bench: &mut Bench) -> Result<()> {
    let count = bench.pick(200_000, 1_000_000);
    let places = points(count)?;
    let squared = |at: &[f64; 2]| (at[0] - PLACE[0]).powi(2) + (at[1] - PLACE[1]).powi(2);
    let nearest = (0_u64..).zip(&places).min_by(|a, b| squared(a.1).total_cmp(&squared(b.1)));
    let (expected, _) = there(nearest, "a place")?;
    let crashed = bench.folder("crashed")?;
    for engine in ENGINES {
        let dir = crashed.join(engine);
        std::fs::create_dir(&dir)?;
        crash(engine, &dir, count)?;
    }
    let opened = bench.folder("opened")?;
    let work = |at: usize| {
        // Each round opens what the crash left, not what the last round closed.
        let dir = opened.join(ENGINES[at]);
        copy(&crashed.join(ENGINES[at]), &dir)?;
        let start = now();
        let found = if at == 0 { ours(&dir) } else { theirs(&dir) }?;
        let open = start.elapsed();
        ensure!(found == expected, "{} says {found}, and it is {expected}", ENGINES[at]);
        std::fs::remove_dir_all(&dir)?;
        Ok([millis(open)])
    };
    let case = Bench::case("open_after_crash", LEVEL, count as u64);
    let results = repeated(bench, &case, (&ENGINES, [OPEN]), work)?;
    bench.add(results)
}

/// Runs the process that is aborted, and makes sure that it was.
fn crash(engine: &str, dir: &Path, count: usize) -> Result<()> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["indexes-child", "--engine", engine, "--points", &count.to_string()]);
    let status = command.arg("--dir").arg(dir).status()?;
    ensure!(status.code().is_none(), "the process that was to be aborted ended with {status}");
    Ok(())
}

/// Inserts the points and aborts the process.
///
/// # Errors
///
/// When the engine fails; otherwise it does not return.
pub(crate) fn child(args: &ChildArgs) -> Result<()> {
    let places = points(args.points)?;
    match args.engine.as_str() {
        OURS => {
            let tables = tables(&args.dir)?;
            let column = |name, of| ColumnDefinition::new(name, of);
            let definition = TableDefinition::new("places")
                .column(column("id", ColumnType::U64))
                .column(column("x", ColumnType::F64))
                .column(column("y", ColumnType::F64))
                .primary_key([0])
                .index(IndexSpec::spatial("by_place").column(1).column(2));
            tables.create_table(definition)?;
            let rows: Vec<Vec<Value>> = (0..)
                .zip(&places)
                .map(|(id, [x, y])| vec![Value::U64(id), Value::F64(*x), Value::F64(*y)])
                .collect();
            let (many, single) = rows.split_at(rows.len().saturating_sub(SINGLE));
            for chunk in many.chunks(CHUNK).chain(single.chunks(1)) {
                tables.insert_many("places", chunk.iter().cloned())?;
            }
            std::process::abort()
        }
        "sqlite" => {
            let mut connection = sqlite::open(&args.dir)?;
            let (many, single) = places.split_at(places.len().saturating_sub(SINGLE));
            spatial::fill(&mut connection, many)?;
            for (number, [x, y]) in (many.len()..).zip(single) {
                let id = i64::try_from(number)?;
                connection.prepare_cached(spatial::INSERT)?.execute((id, x, y))?;
            }
            std::process::abort()
        }
        other => bail!("unknown engine {other}"),
    }
}

fn ours(dir: &Path) -> Result<u64> {
    let tables = tables(dir)?;
    let snapshot = tables.snapshot();
    let table = tables.table("places")?;
    let reader = snapshot.read(&table)?;
    let index = there(reader.index("by_place")?.as_spatial(), "a spatial index")?;
    let found = index.nearest(reader.reader(), Location::new(PLACE[0], PLACE[1]), 1)?;
    Ok(there(found.first(), "a place")?.row_id)
}

fn theirs(dir: &Path) -> Result<u64> {
    let connection = sqlite::open(dir)?;
    let mut near = connection.prepare(spatial::NEAR)?;
    there(spatial::doubling(&mut near, PLACE, 0.1, 1)?.first().copied(), "a place")
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
