//! Rows, constraints and indexes of tables: compared, and indexes made anew from the rows.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use lightning_db::tables::index::Problem;
use lightning_db::tables::{BuildOutcome, TableCheckReport, TableProblem, Tables};
use serde_json::{Value as Json, json};

use crate::commands::indexes::build;
use crate::context::Context;
use crate::failure::Failure;
use crate::progress::Progress;
use crate::text;

/// What was made anew, and what that left.
pub(super) struct Repaired {
    /// Table and index, with the entries it has now.
    indexes: Vec<(String, String, u64)>,
    /// What was found after it.
    pub(super) left: TableCheckReport,
}

/// Compares the tables of a store with their indexes; `None` if it has none. Changes nothing.
pub(super) fn check(context: &Context) -> Result<Option<TableCheckReport>, Failure> {
    let (store, _) = context.options().read_only(true).open()?;
    if !Tables::are_in(&store) {
        return Ok(None);
    }
    let progress = Progress::of_work(context, "comparing indexes with rows");
    let (tables, _) = Tables::open(&store)?;
    let report = tables.check()?;
    drop(progress);
    Ok(Some(report))
}

/// Makes every index anew that does not agree with the rows; `None` if the store has no tables.
pub(super) fn repair(context: &Context) -> Result<Option<Repaired>, Failure> {
    let store = context.open()?;
    let Some(tables) = context.tables_of(&store)? else {
        store.close()?;
        return Ok(None);
    };
    let found = tables.check()?;
    let damaged = found.problems.iter().filter_map(|problem| match problem {
        TableProblem::Index { table, index, .. } => Some((table.clone(), index.clone())),
        _ => None,
    });
    let damaged: BTreeSet<(String, String)> = damaged.collect();
    let mut indexes = Vec::new();
    for (table, index) in damaged {
        let outcome = build(context, &tables, &table, |tables, progress| {
            tables.repair_index(&table, &index, progress)
        })?;
        if let BuildOutcome::Ready { entries } = outcome {
            indexes.push((table, index, entries));
        }
    }
    let left = if found.is_clean() { found } else { tables.check()? };
    drop(tables);
    store.close()?;
    Ok(Some(Repaired { indexes, left }))
}

pub(super) fn add_to_text(report: &TableCheckReport, out: &mut String) {
    let mut problems = String::new();
    for problem in &report.problems {
        // Writing to a string cannot fail.
        let _ = writeln!(problems, "problem: {}", text::line(described(problem).as_bytes()));
    }
    let unlisted = report.problems_total - report.problems.len() as u64;
    if unlisted > 0 {
        let _ = writeln!(problems, "and {}", text::count(unlisted, "more problem"));
    }
    let verdict = if report.is_clean() { "tables agree" } else { "tables do not agree" };
    out.insert_str(0, &problems);
    let _ = writeln!(
        out,
        "{verdict}: compared {} of {} with {}",
        text::count(report.rows, "row"),
        text::count(report.tables, "table"),
        if report.indexes == 1 {
            "1 index".to_owned()
        } else {
            format!("{} indexes", report.indexes)
        }
    );
}

pub(super) fn to_json(report: &TableCheckReport) -> Json {
    json!({
        "tables": report.tables,
        "rows": report.rows,
        "indexes": report.indexes,
        "problems": report.problems.iter().map(described).collect::<Vec<_>>(),
        "problems_total": report.problems_total,
    })
}

pub(super) fn add_repaired_to_text(repaired: &Repaired, out: &mut String) {
    for (table, index, entries) in &repaired.indexes {
        let entries = text::number(*entries);
        // Writing to a string cannot fail.
        let _ = writeln!(out, "made index {index} of table {table} anew: entries {entries}");
    }
    add_to_text(&repaired.left, out);
}

pub(super) fn repaired_to_json(repaired: &Repaired) -> Json {
    let indexes = repaired.indexes.iter().map(
        |(table, index, entries)| json!({ "table": table, "index": index, "entries": entries }),
    );
    json!({ "made_anew": indexes.collect::<Vec<_>>(), "left": to_json(&repaired.left) })
}

fn described(problem: &TableProblem) -> String {
    match problem {
        TableProblem::Row { table, row, detail } => format!("table {table}, row {row}: {detail}"),
        TableProblem::Index { table, index, problem } => {
            let detail = match problem {
                Problem::Missing { row_id, detail } => {
                    format!("row #{row_id} is missing: {detail}")
                }
                Problem::Extra { row_id, detail } => {
                    format!("row #{row_id} is too much: {detail}")
                }
                Problem::Structure { detail } => detail.clone(),
                other => format!("{other:?}"),
            };
            format!("table {table}, index {index}: {detail}")
        }
        other => format!("{other:?}"),
    }
}
