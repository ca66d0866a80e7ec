//! The index against scans of the rows: random changes, snapshots, folds, own writes, crashes.

mod model;
mod real;
mod scenarios;

use lightning_db_types::Value;

use super::{BitmapEncoding, BitmapOptions, BitmapQuery};
use crate::definition::{IndexDefinition, IndexKind};
use crate::index::IndexQuery;
use crate::testkit::{TestTable, definition};

fn values() -> IndexDefinition {
    definition(IndexKind::Bitmap(BitmapOptions::default()), 1)
}

fn slices(decimal_scale: u8) -> IndexDefinition {
    let encoding = BitmapEncoding::Slices { decimal_scale };
    definition(IndexKind::Bitmap(BitmapOptions { encoding, ..BitmapOptions::default() }), 1)
}

fn find(table: &TestTable, query: BitmapQuery) -> Vec<u64> {
    table.find(&IndexQuery::Bitmap(query)).iter().collect()
}

fn number(value: i64) -> Value {
    Value::I64(value)
}
