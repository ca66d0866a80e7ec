//! Whether rows, constraints, foreign keys and indexes agree.

use lightning_db_index::{Columns, Problem, row_id_of};
use lightning_db_types::Value;

use crate::catalog::IndexState;
use crate::error::{Error, Result, RowName};
use crate::foreign_keys;
use crate::row::{Row, RowView};
use crate::snapshot::{TableReader, TableSnapshot, ended};
use crate::table::TableState;
use crate::tables::Tables;

/// Problems that are listed; the others are counted.
const LISTED_MAX: usize = 1_000;

/// What [`Tables::check`] found, as of one commit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TableCheckReport {
    /// Tables that were looked at.
    pub tables: u64,
    /// Rows that were read.
    pub rows: u64,
    /// Indexes that were compared with the rows.
    pub indexes: u64,
    /// What was found, up to 1,000 problems.
    pub problems: Vec<TableProblem>,
    /// Problems in all.
    pub problems_total: u64,
}

/// Something that does not agree.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TableProblem {
    /// A row that cannot be read, or that breaks a constraint.
    Row {
        /// Name of the table.
        table: String,
        /// The row.
        row: RowName,
        /// What is wrong with it.
        detail: String,
    },
    /// An index that does not agree with the rows: see
    /// [`Tables::repair_index`](Tables::repair_index).
    Index {
        /// Name of the table.
        table: String,
        /// Name of the index.
        index: String,
        /// What was found.
        problem: Problem,
    },
}

impl TableCheckReport {
    /// Whether nothing was found.
    pub fn is_clean(&self) -> bool {
        self.problems_total == 0
    }

    fn add(&mut self, problem: TableProblem) {
        self.problems_total += 1;
        if self.problems.len() < LISTED_MAX {
            self.problems.push(problem);
        }
    }
}

impl Tables {
    /// Reads every row and every index of all tables, as of one commit, and compares them: rows
    /// decode and keep their constraints, foreign keys name rows, indexes hold what the rows say.
    ///
    /// # Errors
    /// Only what keeps the check itself from going on; what is wrong is in the report.
    pub fn check(&self) -> Result<TableCheckReport> {
        let snapshot = self.snapshot();
        let mut report = TableCheckReport::default();
        let state = snapshot.state();
        for table in state.tables.values() {
            report.tables += 1;
            check_rows(&snapshot, &snapshot.read_state(table), &mut report)?;
            for open in table.indexes.iter().filter(|open| open.state == IndexState::Ready) {
                report.indexes += 1;
                let problems = match open.index.check(snapshot.snapshot()) {
                    Ok(problems) => problems,
                    Err(lightning_db_index::Error::Storage(error)) if !error.is_corruption() => {
                        return Err(error.into());
                    }
                    Err(error) => vec![Problem::Structure { detail: error.to_string() }],
                };
                for problem in problems {
                    let index = open.index.definition().name.clone();
                    report.add(TableProblem::Index {
                        table: table.name().to_owned(),
                        index,
                        problem,
                    });
                }
            }
        }
        Ok(report)
    }
}

fn check_rows(
    snapshot: &TableSnapshot,
    reader: &TableReader<'_>,
    report: &mut TableCheckReport,
) -> Result<()> {
    let table = reader.table;
    for item in reader.reader.range::<&[u8]>(&table.rows.keyspace, ..) {
        let (key, stored) = item.map_err(Error::of_index(table.name()))?;
        report.rows += 1;
        let mut problem = |row, detail| {
            report.add(TableProblem::Row { table: table.name().to_owned(), row, detail });
        };
        let Some(row_id) = row_id_of(&key) else {
            problem(RowName::New, format!("its key {:?} is no number", &*key));
            continue;
        };
        let row = match Row::new(&table.schema, row_id, stored) {
            Ok(row) => row,
            Err(error) => {
                problem(RowName::Id(row_id), error.to_string());
                continue;
            }
        };
        let Some(view) = row.view() else { continue };
        for detail in constraints(table, &view, row_id) {
            problem(table.row_name(&row, Some(row_id)), detail);
        }
        let is_ended = table.schema.record.expires_at;
        // The rows that a row that has ended names may be gone before it.
        if is_ended.is_some_and(|column| ended(&view, column, reader.now_ms)) {
            continue;
        }
        for detail in foreign_keys::dangling(snapshot, table, &row)? {
            problem(table.row_name(&row, Some(row_id)), detail);
        }
    }
    Ok(())
}

/// Constraints of the row itself that it breaks.
fn constraints(table: &TableState, row: &RowView<'_>, row_id: u64) -> Vec<String> {
    let schema = &table.schema;
    let mut found = Vec::new();
    for id in &schema.live {
        let column = schema.column(*id);
        let value = row.value(*id);
        if value.is_null() && !column.nullable {
            found.push(format!("column {} is null", column.name));
        }
        if let Some(expression) = &column.generated {
            match expression.evaluate(row) {
                Ok(computed) => match crate::values::coerce(computed, column.column_type) {
                    Ok(computed) if computed.as_value_ref() == value => {}
                    _ => found
                        .push(format!("column {} is not what it is computed from", column.name)),
                },
                Err(error) => found.push(error.to_string()),
            }
        }
    }
    for check in &schema.record.checks {
        match check.condition.evaluate(row) {
            Ok(Value::Bool(false)) => found.push(format!("check {} does not hold", check.name)),
            Ok(_) => {}
            Err(error) => found.push(error.to_string()),
        }
    }
    if let [key] = schema.record.primary_key[..]
        && let Some(number) = table.number_of(row.column(key))
        && number != row_id
    {
        found.push("its number is not its key".to_owned());
    }
    found
}
