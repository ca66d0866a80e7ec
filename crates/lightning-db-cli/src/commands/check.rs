//! `check` and `repair`: damage, found and dealt with.

mod indexes;

use std::fmt::Write as _;

use lightning_db::Store;
use lightning_db::storage::{CheckReport, Depth, Lost, Observer, RepairReport};
use serde_json::{Value, json};

use crate::context::Context;
use crate::failure::Failure;
use crate::progress::Progress;
use crate::text;

/// Compares the files of the store with their checksums; fails if one is damaged.
pub(crate) fn check(context: &Context, depth: Depth) -> Result<(), Failure> {
    // The files as they are, without opening the store: that would replay the log, and a damaged
    // store cannot be opened at all.
    let check =
        |observer: &mut Observer<'_>| Store::check_files_with(context.options(), depth, observer);
    let report = Progress::over(context, check)?;
    let mut text = check_to_text(&report);
    let mut json = check_to_json(&report);
    let damaged = report.problems.len() as u64;
    if damaged > 0 {
        context.print(&text, &json)?;
        return Err(Failure::Damaged(format!("{} damaged", text::count(damaged, "file"))));
    }
    let tables = if depth == Depth::Deep { indexes::check(context)? } else { None };
    let Some(tables) = tables else { return context.print_summary(text.trim_end(), &json) };
    indexes::add_to_text(&tables, &mut text);
    json["ok"] = tables.is_clean().into();
    json["tables"] = indexes::to_json(&tables);
    if tables.is_clean() {
        return context.print_summary(text.trim_end(), &json);
    }
    context.print(&text, &json)?;
    let problems = text::count(tables.problems_total, "problem");
    Err(Failure::Damaged(format!("{problems} of tables and indexes")))
}

/// Salvages what can be read, and makes indexes anew that do not agree with their rows.
pub(crate) fn repair(context: &Context) -> Result<(), Failure> {
    let repair = |observer: &mut Observer<'_>| Store::repair_with(context.options(), observer);
    let report = Progress::over(context, repair)?;
    let (mut text, mut json) = (repair_to_text(&report), repair_to_json(&report));
    let mut left = 0;
    if let Some(repaired) = indexes::repair(context)? {
        indexes::add_repaired_to_text(&repaired, &mut text);
        json["indexes"] = indexes::repaired_to_json(&repaired);
        left = repaired.left.problems_total;
    }
    context.print(&text, &json)?;
    if left == 0 {
        return Ok(());
    }
    let left = text::count(left, "problem");
    Err(Failure::Damaged(format!("{left} of rows, which are listed above and are yours to decide")))
}

/// What a check found, as lines.
pub(crate) fn check_to_text(report: &CheckReport) -> String {
    let mut out = String::new();
    for problem in &report.problems {
        let (path, detail) = (problem.path.display().to_string(), &problem.detail);
        // Most details name the file themselves.
        let place = if detail.contains(&path) { String::new() } else { format!("{path}: ") };
        // Writing to a string cannot fail.
        let _ = writeln!(out, "damaged: {place}{detail}");
    }
    let verdict = if report.is_ok() { "no damage found" } else { "damage found" };
    let _ = writeln!(
        out,
        "{verdict}: checked {} ({}), {}, {} of the log",
        text::count(report.files, "file"),
        text::bytes(report.bytes),
        text::count(report.blocks, "block"),
        text::count(report.commits, "commit")
    );
    out
}

fn check_to_json(report: &CheckReport) -> Value {
    let problems = report.problems.iter().map(
        |problem| json!({ "path": problem.path.display().to_string(), "detail": problem.detail }),
    );
    json!({
        "ok": report.is_ok(),
        "files": report.files,
        "bytes": report.bytes,
        "blocks": report.blocks,
        "commits": report.commits,
        "problems": problems.collect::<Vec<_>>(),
    })
}

fn repair_to_text(report: &RepairReport) -> String {
    let mut out = String::new();
    if report.manifest_rebuilt {
        out.push_str("the manifest was damaged, and was made again from its copy and the tables\n");
    }
    if report.manifest_copy_lost {
        out.push_str(
            "its copy was damaged too: names of keyspaces are lost, removed keys may be back, and \
             rows of a bulk ingest may have their values from before\n",
        );
    }
    // Writing to a string cannot fail.
    let _ = writeln!(
        out,
        "{} whole, {} salvaged ({}), {} of the log salvaged",
        text::count(report.tables_kept, "table"),
        text::number(report.tables_salvaged),
        text::count(report.entries_salvaged, "key"),
        text::count(report.commits_salvaged, "commit")
    );
    for lost in &report.lost {
        let _ = writeln!(out, "lost: {}", lost_to_text(lost));
    }
    if report.lost.is_empty() {
        out.push_str("nothing was lost\n");
    }
    for path in &report.set_aside {
        let _ = writeln!(out, "kept aside: {}", path.display());
    }
    out
}

/// What was lost, and where to look for it.
pub(super) fn lost_to_text(lost: &Lost) -> String {
    let mut out = format!("{}: {}", lost.path.display(), lost.detail);
    if let Some(keyspace) = &lost.keyspace {
        let bound = |key: &Option<Vec<u8>>, unknown: &str| match key {
            Some(key) => format!("{:?}", text::column(key)),
            None => unknown.to_owned(),
        };
        let (after, before) = (&lost.key_after, &lost.key_before);
        let (after, before) = (bound(after, "the first key"), bound(before, "the last key"));
        // Writing to a string cannot fail.
        let _ = write!(out, " (keyspace {keyspace:?}, between {after} and {before})");
    }
    out
}

fn repair_to_json(report: &RepairReport) -> Value {
    let lost = report.lost.iter().map(|lost| {
        let mut json = json!({
            "path": lost.path.display().to_string(),
            "detail": lost.detail,
            "keyspace": lost.keyspace,
        });
        for (name, key) in [("key_after", &lost.key_after), ("key_before", &lost.key_before)] {
            match key.as_deref().map(|key| (std::str::from_utf8(key), key)) {
                Some((Ok(text), _)) => json[name] = text.into(),
                Some((Err(_), key)) => json[format!("{name}_hex")] = text::hex(key).into(),
                None => json[name] = Value::Null,
            }
        }
        json
    });
    json!({
        "manifest_rebuilt": report.manifest_rebuilt,
        "manifest_copy_lost": report.manifest_copy_lost,
        "tables_kept": report.tables_kept,
        "tables_salvaged": report.tables_salvaged,
        "entries_salvaged": report.entries_salvaged,
        "commits_salvaged": report.commits_salvaged,
        "lost": lost.collect::<Vec<_>>(),
        "set_aside": report.set_aside.iter().map(|path| path.display().to_string())
            .collect::<Vec<_>>(),
    })
}
