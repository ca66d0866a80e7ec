//! Results as text, in the mode that was asked for.

use std::fmt::Write as _;

use lightning_db::sql::{ResultColumn, Rows, files};
use lightning_db::tables::{ColumnType, Value, ValueRef};
use lightning_db::types::ValueType;
use serde_json::Value as Json;
use unicode_width::UnicodeWidthStr;

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Lines around all cells.
    Box,
    /// Columns with two blanks between them.
    Table,
    /// A line for each cell.
    Line,
    Csv,
    /// One array of objects.
    Json,
    /// An object a line.
    JsonLines,
    Markdown,
    /// Statements that insert the rows.
    Insert,
}

/// Cells of the box mode that are longer are cut: results of programs are not.
const CELL_WIDTH_MAX: usize = 60;
/// What stands for null where there is a place for it.
const NULL: &str = "NULL";

impl Mode {
    pub(crate) const ALL: [(&'static str, Self); 8] = [
        ("box", Self::Box),
        ("table", Self::Table),
        ("line", Self::Line),
        ("csv", Self::Csv),
        ("json", Self::Json),
        ("jsonl", Self::JsonLines),
        ("markdown", Self::Markdown),
        ("insert", Self::Insert),
    ];

    pub(crate) fn named(name: &str) -> Option<Self> {
        let found = Self::ALL.iter().find(|(known, _)| *known == name);
        found.map(|(_, mode)| *mode)
    }

    pub(crate) fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, mode)| *mode == self).map_or("", |(name, _)| name)
    }
}

/// Writes rows.
pub(crate) fn render(rows: &Rows, mode: Mode) -> String {
    let mut out = String::new();
    match mode {
        Mode::Box => push_box(rows, &mut out),
        Mode::Table => push_aligned(rows, &mut out, ["", "  ", ""]),
        Mode::Markdown => push_markdown(rows, &mut out),
        Mode::Line => push_lines(rows, &mut out),
        Mode::Csv => push_csv(rows, &mut out),
        Mode::Json => push_json(rows, &mut out),
        Mode::JsonLines => {
            for row in rows.values() {
                push_object(rows.columns(), row, &mut out);
                out.push('\n');
            }
        }
        Mode::Insert => push_inserts(rows, &mut out),
    }
    out
}

fn is_number(column: &ResultColumn) -> bool {
    matches!(
        column.value_type,
        ValueType::I64 | ValueType::U64 | ValueType::F64 | ValueType::Decimal
    )
}

fn cell(value: &Value) -> String {
    files::to_text(value.as_value_ref()).unwrap_or_else(|| NULL.to_owned())
}

/// The text of a cell on one line.
fn on_one_line(text: &str) -> String {
    text.chars()
        .flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] })
        .collect()
}

fn shortened(text: String) -> String {
    if text.width() <= CELL_WIDTH_MAX {
        return text;
    }
    let mut short = String::new();
    for c in text.chars() {
        short.push(c);
        if short.width() >= CELL_WIDTH_MAX {
            short.pop();
            break;
        }
    }
    short + "\u{2026}"
}

/// Cells as they are shown, the head first, and the width of each column.
fn grid(rows: &Rows, show: impl Fn(String) -> String) -> (Vec<Vec<String>>, Vec<usize>) {
    let head = rows.columns().iter().map(|column| show(on_one_line(&column.name))).collect();
    let body = rows.values().iter();
    let body = body.map(|row| row.iter().map(|it| show(on_one_line(&cell(it)))).collect());
    let grid: Vec<Vec<String>> = std::iter::once(head).chain(body).collect();
    let width = |column: usize| grid.iter().map(|row| row[column].width()).max().unwrap_or(0);
    let widths = (0..rows.columns().len()).map(width).collect();
    (grid, widths)
}

/// A cell with blanks up to its width.
fn padded(text: &str, width: usize, right: bool) -> String {
    let blanks = " ".repeat(width.saturating_sub(text.width()));
    if right { blanks + text } else { text.to_owned() + &blanks }
}

fn push_row(
    row: &[String],
    columns: &[ResultColumn],
    widths: &[usize],
    [left, between, right]: [&str; 3],
    out: &mut String,
) {
    let cells = row.iter().zip(columns).zip(widths);
    let cells: Vec<String> =
        cells.map(|((text, column), width)| padded(text, *width, is_number(column))).collect();
    let line = format!("{left}{}{right}", cells.join(between));
    out.push_str(line.trim_end());
    out.push('\n');
}

fn push_aligned(rows: &Rows, out: &mut String, edges: [&str; 3]) {
    let (grid, widths) = grid(rows, |text| text);
    for row in &grid {
        push_row(row, rows.columns(), &widths, edges, out);
    }
}

fn push_box(rows: &Rows, out: &mut String) {
    let (grid, widths) = grid(rows, shortened);
    let rule = |[left, between, right]: [&str; 3]| {
        let parts: Vec<String> = widths.iter().map(|width| "\u{2500}".repeat(width + 2)).collect();
        format!("{left}{}{right}\n", parts.join(between))
    };
    out.push_str(&rule(["\u{250c}", "\u{252c}", "\u{2510}"]));
    let edges = ["\u{2502} ", " \u{2502} ", " \u{2502}"];
    for (number, row) in grid.iter().enumerate() {
        push_row(row, rows.columns(), &widths, edges, out);
        if number == 0 {
            out.push_str(&rule(["\u{251c}", "\u{253c}", "\u{2524}"]));
        }
    }
    out.push_str(&rule(["\u{2514}", "\u{2534}", "\u{2518}"]));
}

fn push_markdown(rows: &Rows, out: &mut String) {
    let (grid, widths) = grid(rows, |text| text.replace('|', "\\|"));
    for (number, row) in grid.iter().enumerate() {
        push_row(row, rows.columns(), &widths, ["| ", " | ", " |"], out);
        if number == 0 {
            let rules = rows.columns().iter().zip(&widths).map(|(column, width)| {
                let end = if is_number(column) { ":" } else { "-" };
                "-".repeat(width.saturating_sub(1).max(2)) + end
            });
            // Writing to a string cannot fail.
            let _ = writeln!(out, "| {} |", rules.collect::<Vec<_>>().join(" | "));
        }
    }
}

fn push_lines(rows: &Rows, out: &mut String) {
    let widths = rows.columns().iter().map(|column| column.name.width());
    let width = widths.max().unwrap_or(0);
    for (number, row) in rows.values().iter().enumerate() {
        if number > 0 {
            out.push('\n');
        }
        for (column, value) in rows.columns().iter().zip(row) {
            let name = padded(&column.name, width, true);
            let _ = writeln!(out, "{name} = {}", cell(value));
        }
    }
}

fn push_csv(rows: &Rows, out: &mut String) {
    let mut writer = csv::Writer::from_writer(Vec::new());
    // Writing to memory cannot fail, and all rows have the columns of the head.
    let _ = writer.write_record(rows.columns().iter().map(|column| &column.name));
    for row in rows.values() {
        let cells = row.iter().map(|it| files::to_text(it.as_value_ref()).unwrap_or_default());
        let _ = writer.write_record(cells);
    }
    let bytes = writer.into_inner().unwrap_or_default();
    out.push_str(&String::from_utf8_lossy(&bytes));
}

fn push_object(columns: &[ResultColumn], row: &[Value], out: &mut String) {
    out.push('{');
    for (number, (column, value)) in columns.iter().zip(row).enumerate() {
        let comma = if number == 0 { "" } else { "," };
        let _ = write!(out, "{comma}{}:", Json::from(&*column.name));
        files::write_json(value.as_value_ref(), ColumnType::Text, out);
    }
    out.push('}');
}

fn push_json(rows: &Rows, out: &mut String) {
    out.push('[');
    for (number, row) in rows.values().iter().enumerate() {
        out.push_str(if number == 0 { "" } else { ",\n" });
        push_object(rows.columns(), row, out);
    }
    out.push_str("]\n");
}

fn push_inserts(rows: &Rows, out: &mut String) {
    let names: Vec<String> = rows.columns().iter().map(|it| quoted(&it.name, '"')).collect();
    for row in rows.values() {
        let values: Vec<String> = row.iter().map(literal).collect();
        let (names, values) = (names.join(", "), values.join(", "));
        let _ = writeln!(out, "INSERT INTO result ({names}) VALUES ({values});");
    }
}

fn quoted(text: &str, quote: char) -> String {
    let doubled = text.replace(quote, &format!("{quote}{quote}"));
    format!("{quote}{doubled}{quote}")
}

/// A value as it is written in SQL.
fn literal(value: &Value) -> String {
    let text = || files::to_text(value.as_value_ref()).unwrap_or_default();
    match value.as_value_ref() {
        ValueRef::Null => NULL.to_owned(),
        ValueRef::Bool(_) | ValueRef::I64(_) | ValueRef::U64(_) | ValueRef::Decimal(_) => text(),
        ValueRef::F64(number) if number.is_finite() => text(),
        ValueRef::Bytes(_) => format!("X'{}'", text()),
        _ => quoted(&text(), '\''),
    }
}
