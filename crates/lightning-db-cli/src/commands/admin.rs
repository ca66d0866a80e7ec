//! `keyspaces`, `stats` and `compact`: the store as a whole.

use std::fmt::Write as _;

use lightning_db::{Statistics, Store};
use serde_json::{Value, json};

use super::indexes::sections;
use super::tables::chosen;
use crate::context::Context;
use crate::failure::Failure;
use crate::progress::Progress;
use crate::table_text::{Align, push_table};
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

/// Prints what the store holds, and what each index does.
pub(crate) fn stats(context: &Context) -> Result<(), Failure> {
    let store = context.open()?;
    let statistics = statistics(&store);
    let (mut indexes, mut objects) = (String::new(), Vec::new());
    if let Some(tables) = context.tables_of(&store)? {
        (indexes, objects) = sections(&chosen(&tables, None)?)?;
    }
    store.close()?;
    let mut text = to_text(&statistics);
    if !indexes.is_empty() {
        text.push('\n');
        text.push_str(&indexes);
    }
    let mut json = to_json(&statistics);
    json["indexes"] = objects.into();
    context.print(&text, &json)
}

/// Those of a store, keyspaces by name.
fn statistics(store: &Store) -> Statistics {
    let mut statistics = store.statistics();
    statistics.keyspaces.sort_by(|one, other| one.name.cmp(&other.name));
    statistics
}

/// What a store holds, as text.
pub(crate) fn statistics_text(store: &Store) -> String {
    to_text(&statistics(store))
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
            .map(str::to_owned)
            .to_vec(),
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
        .to_vec()
    }));
    out.push('\n');
    let mut aligns = [Align::Right; 7];
    aligns[0] = Align::Left;
    push_table(&mut out, &aligns, &table);
    out
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
