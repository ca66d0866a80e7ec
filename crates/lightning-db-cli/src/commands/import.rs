//! `import`: rows of a file into a keyspace or a table.

mod infer;
mod json_lines;
mod rejects;
mod rows;
pub(crate) mod table;

use lightning_db::{Durability, Keyspace, Store, WriteBatch};
use serde_json::json;

use crate::args::Import;
use crate::context::Context;
use crate::failure::Failure;
use crate::format::Format;
use crate::progress::Progress;
use crate::stream;
use crate::text;
use rejects::Rejects;
use rows::{Row, Rows};

/// Rows of one commit.
const BATCH_ROWS: usize = 1_000;
/// Bytes of values at which a commit is made before it has all its rows.
const BATCH_BYTES: usize = 8 << 20;

/// Loads a file and says how much that was and how long it took.
pub(crate) fn run(context: &Context, import: &Import) -> Result<(), Failure> {
    import.check()?;
    match (&import.table, &import.key) {
        (Some(table), _) => table::run(context, import, table),
        (None, Some(key)) => into_keyspace(context, import, import.keyspace(), key),
        (None, None) => Err(Failure::Usage(
            "import: a keyspace needs --key COLUMN, and a table --table NAME".to_owned(),
        )),
    }
}

fn into_keyspace(context: &Context, import: &Import, name: &str, key: &str) -> Result<(), Failure> {
    let format = Format::of(import.file())?;
    let (source, progress) = stream::open(context, import.file(), format.compression)?;
    let mut rows = Rows::new(source, format.rows, key, import.file())?;
    let (store, keyspace) = context.make_keyspace(name)?;
    let mut rejects = Rejects::new(import);
    let started = context.elapsed();
    let loaded =
        Loader::new(context, &store, &keyspace, &progress).load(&mut rows, &mut rejects)?;
    store.close()?;
    let rejected = rejects.finish()?;
    drop(progress);

    let time = context.elapsed().saturating_sub(started);
    let rate = text::rate(loaded, time);
    let rejects = rejected.path.as_ref().map_or_else(String::new, |path| {
        format!("; {} rejected, copied to {}", text::number(rejected.rows), path.display())
    });
    let summary = format!(
        "imported {} into {:?} in {}, {} rows/s{rejects}",
        text::count(loaded, "row"),
        name,
        text::time(time),
        text::number(rate)
    );
    let json = json!({
        "keyspace": name,
        "rows": loaded,
        "rejected": rejected.rows,
        "rejects": rejected.path.map(|path| path.display().to_string()),
        "seconds": time.as_secs_f64(),
        "rows_per_second": rate,
    });
    context.print_summary(&summary, &json)
}

/// Commits rows in batches.
struct Loader<'a> {
    store: &'a Store,
    keyspace: &'a Keyspace,
    progress: &'a Progress,
    /// Level of the batches.
    level: Durability,
    syncs: bool,
}

impl<'a> Loader<'a> {
    fn new(
        context: &Context,
        store: &'a Store,
        keyspace: &'a Keyspace,
        progress: &'a Progress,
    ) -> Self {
        // Nothing is acknowledged before the end, so that one sync there is enough.
        let level = context.durability.min(Durability::Buffered);
        let syncs = context.durability == Durability::Sync;
        Self { store, keyspace, progress, level, syncs }
    }

    fn batch(&self) -> WriteBatch {
        self.store.batch().durability(self.level)
    }

    /// Loads all rows but those that go to the rejects; gives their number.
    fn load(&self, rows: &mut Rows, rejects: &mut Rejects) -> Result<u64, Failure> {
        let mut loaded = 0;
        let mut batch = self.batch();
        let mut bytes = 0;
        loop {
            let row = rows.next_row()?;
            let is_end = row.is_none();
            match row {
                Some(Row::Good { key, value }) => {
                    bytes += key.len() + value.len();
                    batch.insert(self.keyspace, key, value);
                }
                Some(Row::Bad(bad)) => rejects.add(&bad, self.progress)?,
                None => {}
            }
            if is_end || batch.len() >= BATCH_ROWS || bytes >= BATCH_BYTES {
                let full = std::mem::replace(&mut batch, self.batch());
                loaded += full.len() as u64;
                bytes = 0;
                full.commit()?;
                self.progress.set_rows(loaded);
            }
            if is_end {
                break;
            }
        }
        if self.syncs {
            self.store.sync()?;
        }
        Ok(loaded)
    }
}
