//! `rows`: rows of a table that fulfil a condition.

use std::io::Write;

use lightning_db::sql::files;
use lightning_db::tables::{ColumnType, Row, Table};
use serde_json::{Value as Json, json};

use crate::args::Rows;
use crate::condition::{self, Condition, Plan};
use crate::context::{self, Context};
use crate::failure::Failure;
use crate::spelling::did_you_mean;
use crate::text;

/// Prints rows.
pub(crate) fn run(context: &Context, rows: &Rows) -> Result<(), Failure> {
    let (store, tables) = context.open_tables()?;
    let table = context::table(&tables, &rows.table)?;
    let snapshot = tables.snapshot();
    let reader = snapshot.read(&table)?;
    let condition = rows.r#where.as_deref().map(|text| Condition::parse(&table, text));
    let order = rows.order.as_deref().map(|text| condition::parse_parts(&table, text));
    let (condition, order) = (condition.transpose()?, order.transpose()?.unwrap_or_default());
    let columns = columns(&table, rows.columns.as_deref())?;
    let plan = Plan::new(&table, reader, condition, order)?;
    if rows.explain {
        let shown = plan.explain()?;
        let lines: Vec<&str> = shown.lines().collect();
        context.print(&shown, &json!({ "plan": lines }))?;
    } else if rows.count {
        let mut count = 0_u64;
        plan.for_each(|_| {
            count += 1;
            Ok(true)
        })?;
        context.print(&format!("{count}\n"), &json!({ "rows": count }))?;
    } else {
        print(context, &plan, &columns, rows.limit.unwrap_or(u64::MAX))?;
    }
    drop(plan);
    drop((snapshot, tables));
    Ok(store.close()?)
}

/// The columns that are shown: their place in the row, name and type.
type Shown = Vec<(usize, String, ColumnType)>;

fn columns(table: &Table, wanted: Option<&str>) -> Result<Shown, Failure> {
    let all: Shown = (0..)
        .zip(table.columns())
        .map(|(at, column)| (at, column.name.clone(), column.column_type))
        .collect();
    let Some(wanted) = wanted else { return Ok(all) };
    let find = |name: &str| {
        let found = all.iter().find(|(_, known, _)| known == name);
        found.cloned().ok_or_else(|| {
            let meant = did_you_mean(name, all.iter().map(|(_, known, _)| known.as_str()));
            let table = table.name();
            Failure::NotFound(format!("find column {name}: table {table} has none{meant}"))
        })
    };
    wanted.split(',').map(|name| find(name.trim())).collect()
}

fn print(context: &Context, plan: &Plan<'_>, columns: &Shown, limit: u64) -> Result<(), Failure> {
    let mut output = context::output();
    if !context.json {
        let names = columns.iter().map(|(_, name, _)| text::column(name.as_bytes()));
        let head = names.collect::<Vec<_>>().join("\t");
        writeln!(output, "{head}").map_err(Failure::Output)?;
    }
    let mut left = limit;
    if left > 0 {
        plan.for_each(|row| {
            let line = if context.json { object(row, columns) } else { cells_of(row, columns) };
            writeln!(output, "{line}").map_err(Failure::Output)?;
            left -= 1;
            Ok(left > 0)
        })?;
    }
    output.flush().map_err(Failure::Output)
}

fn cells_of(row: &Row, columns: &Shown) -> String {
    let cells = columns.iter().map(|(at, ..)| match files::to_text(row.at(*at)) {
        Some(cell) => text::column(cell.as_bytes()).into_owned(),
        None => String::new(),
    });
    cells.collect::<Vec<_>>().join("\t")
}

/// A row as one JSON object.
pub(crate) fn object(row: &Row, columns: &[(usize, String, ColumnType)]) -> String {
    let mut out = String::from("{");
    for (at, name, column_type) in columns {
        if out.len() > 1 {
            out.push(',');
        }
        out.push_str(&Json::from(name.as_str()).to_string());
        out.push(':');
        files::write_json(row.at(*at), *column_type, &mut out);
    }
    out.push('}');
    out
}
