//! `keyspaces`, `stats` and `compact`: the store as a whole.

use std::fmt::Write as _;

use lightning_db::Statistics;
use serde_json::{Value, json};

use crate::context::Context;
use crate::failure::Failure;
use crate::progress::Progress;
use crate::text;

/// Prints the names of all keyspaces.
pub(crate) fn keyspaces(context: &Context) -> Result<(), Failure> {
    let store = context.open()?;
    for name in store.keyspaces() {
        let line = format!("{}\n", text::line(name.as_bytes()));
        context.print(&line, &json!({ "keyspace": name }))?;
    }
    Ok(store.close()?)
}

/// Prints what the store holds.
pub(crate) fn stats(context: &Context) -> Result<(), Failure> {
    let store = context.open()?;
    let mut statistics = store.statistics();
    store.close()?;
    statistics.keyspaces.sort_by(|one, other| one.name.cmp(&other.name));
    context.print(&to_text(&statistics), &to_json(&statistics))
}

/// Merges everything.
pub(crate) fn compact(context: &Context) -> Result<(), Failure> {
    let store = context.open()?;
    let started = context.elapsed();
    let before = store.statistics().disk.total();
    Progress::over(context, |observer| store.compact_with(observer))?;
    let disk = store.statistics().disk;
    let after = disk.total();
    store.close()?;
    let time = context.elapsed().saturating_sub(started);
    let summary = format!(
        "compacted to {} of tables in {}; the disk holds {} where it held {}",
        text::bytes(disk.tables),
        text::time(time),
        text::bytes(after),
        text::bytes(before)
    );
    let json = json!({
        "bytes_before": before,
        "bytes_after": after,
        "table_bytes": disk.tables,
        "seconds": time.as_secs_f64(),
    });
    context.print_summary(&summary, &json)
}

fn to_text(statistics: &Statistics) -> String {
    let Statistics { disk, memory, .. } = statistics;
    let rows = [
        ("newest commit", text::number(statistics.last_lsn)),
        ("  on the disk", text::number(statistics.synced_lsn)),
        ("  in tables", text::number(statistics.flushed_lsn)),
        ("oldest change that can be read", text::number(statistics.oldest_change_lsn)),
        ("disk", text::bytes(disk.total())),
        ("  tables", text::bytes(disk.tables)),
        ("  replaced tables", text::bytes(disk.obsolete_tables)),
        ("  log", text::bytes(disk.log)),
        ("  large values", text::bytes(disk.blobs)),
        ("memory, active memtables", text::bytes(memory.active_memtables)),
        ("memory, frozen memtables", text::bytes(memory.frozen_memtables)),
        ("memory, blocks", text::bytes(memory.block_cache)),
        ("memory, table indexes", text::bytes(memory.table_indexes)),
    ];
    let mut out = String::new();
    for (name, value) in rows {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{name:<32}{value:>16}");
    }
    let mut table = vec![
        ["keyspace", "keys, roughly", "runs", "tables", "on disk", "raw", "tombstones"]
            .map(str::to_owned),
    ];
    table.extend(statistics.keyspaces.iter().map(|keyspace| {
        [
            text::column(keyspace.name.as_bytes()).into_owned(),
            text::number(keyspace.approximate_len),
            keyspace.runs.to_string(),
            keyspace.tables.to_string(),
            text::bytes(keyspace.table_bytes),
            text::bytes(keyspace.raw_bytes),
            text::number(keyspace.tombstones),
        ]
    }));
    out.push('\n');
    push_table(&mut out, &table);
    out
}

/// Aligns columns: the first to the left, the others to the right.
fn push_table<const N: usize>(out: &mut String, rows: &[[String; N]]) {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    for row in rows {
        let mut line = String::new();
        for (index, (width, cell)) in widths.iter().zip(row).enumerate() {
            // Writing to a string cannot fail.
            let _ = match index {
                0 => write!(line, "{cell:<width$}"),
                _ => write!(line, "  {cell:>width$}"),
            };
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
}

fn to_json(statistics: &Statistics) -> Value {
    let Statistics { disk, memory, .. } = statistics;
    let keyspaces = statistics.keyspaces.iter().map(|keyspace| {
        json!({
            "name": keyspace.name,
            "approximate_len": keyspace.approximate_len,
            "runs": keyspace.runs,
            "tables": keyspace.tables,
            "table_bytes": keyspace.table_bytes,
            "raw_bytes": keyspace.raw_bytes,
            "tombstones": keyspace.tombstones,
            "expiring": keyspace.expiring,
        })
    });
    json!({
        "last_lsn": statistics.last_lsn,
        "synced_lsn": statistics.synced_lsn,
        "flushed_lsn": statistics.flushed_lsn,
        "oldest_change_lsn": statistics.oldest_change_lsn,
        "disk": {
            "total": disk.total(),
            "tables": disk.tables,
            "obsolete_tables": disk.obsolete_tables,
            "log": disk.log,
            "blobs": disk.blobs,
        },
        "memory": {
            "active_memtables": memory.active_memtables,
            "frozen_memtables": memory.frozen_memtables,
            "block_cache": memory.block_cache,
            "table_indexes": memory.table_indexes,
        },
        "keyspaces": keyspaces.collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_by_characters() {
        let rows = [["a", "n"], ["\u{e9}\u{e9}\u{e9}", "100"]].map(|row| row.map(str::to_owned));
        let mut out = String::new();
        push_table(&mut out, &rows);
        assert_eq!(out, "a      n\n\u{e9}\u{e9}\u{e9}  100\n");
    }
}
