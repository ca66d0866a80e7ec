//! Makes statements that write, which both engines understand alike.
//!
//! Values that are set have no subqueries: `SQLite` reads rows that the statement has changed.

use super::maker::{Kind, Maker};

const TABLES: [&str; 3] = ["a", "b", "c"];
const COLUMNS: [(&str, Kind); 4] =
    [("small", Kind::Whole), ("many", Kind::Whole), ("part", Kind::Part), ("word", Kind::Word)];

impl Maker {
    /// A statement that writes, and its table.
    pub(super) fn write(&mut self) -> (String, &'static str) {
        self.begin();
        let table = TABLES[self.index(TABLES.len())];
        let names = [table.to_owned()];
        let condition = self.condition(&names, 2);
        let sql = match self.index(5) {
            0 => format!("DELETE FROM {table} WHERE {condition} AND {table}.id % 3 = 0"),
            1 | 2 => {
                let mut set = self.set(table);
                if self.index(2) == 0 {
                    let at = 2 + self.index(2);
                    let (column, value) = self.one_set(table, at);
                    set = format!("{set}, {column} = {value}");
                }
                format!("UPDATE {table} SET {set} WHERE {condition}")
            }
            3 => {
                let first = self.index(40);
                let rows = (0..1 + self.index(3)).map(|number| self.row((first + number) as u64));
                let rows: Vec<String> = rows.collect();
                let set = self.set(table);
                let only = ["", " WHERE excluded.many > 5 OR excluded.word IS NULL"][self.index(2)];
                format!(
                    "INSERT INTO {table} VALUES {} ON CONFLICT (id) DO UPDATE SET {set}, part = \
                     excluded.part{only}",
                    rows.join(", ")
                )
            }
            _ => {
                let from = TABLES[self.index(TABLES.len())];
                let condition = self.condition(&[from.to_owned()], 1);
                format!(
                    "INSERT INTO {table} SELECT id + 7, small, many, part, word FROM {from} WHERE \
                     {condition} ON CONFLICT DO NOTHING"
                )
            }
        };
        (sql, table)
    }

    /// A column of whole numbers that is set.
    fn set(&mut self, table: &str) -> String {
        let at = self.index(2);
        let (column, value) = self.one_set(table, at);
        format!("{column} = {value}")
    }

    /// A column, and a value that does not grow from one statement to the next.
    fn one_set(&mut self, table: &str, at: usize) -> (&'static str, String) {
        let (column, kind) = COLUMNS[at];
        let value = match (kind, self.index(3)) {
            (Kind::Whole, 0) => format!("({table}.{column} + {table}.id) % 40"),
            (Kind::Whole, 1) => format!("coalesce({table}.many, {table}.small)"),
            (Kind::Word, 0) => format!("lower({table}.{column})"),
            (Kind::Word, 1) => format!("replace({table}.{column}, 'r', 'R')"),
            _ => self.term(&[table.to_owned()], kind, 0),
        };
        (column, value)
    }
}
