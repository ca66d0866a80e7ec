//! A table with three kinds of index, and a question that takes all of them.

use std::ops::ControlFlow;

use lightning_db::StoreOptions;
use lightning_db::tables::index::{Analyzer, Location};
use lightning_db::tables::{
    ColumnDefinition, ColumnType, IndexSpec, Table, TableDefinition, TableReader, Tables, Value,
    ValueRef,
};

use super::{BATCH_PLACES, Tour, data, ensure};
use crate::condition::{Condition, Plan};
use crate::failure::Failure;
use crate::text;

/// Places around Paris that are called after a saint, within France.
const QUESTION: &str =
    "matches(words, 'saint*') AND near(place, 2.35, 48.86, 60000) AND country = 'FR'";
/// The same for the check row by row: centre, metres, country.
const PARIS: (f64, f64, f64, &str) = (2.35, 48.86, 60_000.0, "FR");
/// Metres of the Earth's radius, as the spatial index has it.
const EARTH_RADIUS: f64 = 6_371_008.8;
/// How often the question is asked.
const QUESTIONS: u64 = 100;

impl Tour<'_> {
    pub(super) fn ask_tables(&mut self) -> Result<(), Failure> {
        self.report.start("Ask three indexes at once")?;
        let options = StoreOptions::new(self.dir.join("tables"));
        let (store, _) = options.durability(self.context.durability).open()?;
        let (tables, _) = Tables::open(&store)?;
        let (rows, time) = self.timed(|| load(&tables))?;
        ensure(rows == self.places, "every place becomes a row")?;
        self.report.fact("rows of a table", &text::number(rows))?;
        self.report.timing("  loaded in", time, Some((rows, "rows")))?;
        let table = tables.table("cities")?;
        for (kind, spec) in indexes(&table)? {
            let build =
                || Ok(tables.create_index("cities", spec, &mut |_| ControlFlow::Continue(()))?);
            let (_, time) = self.timed(build)?;
            self.report.timing(&format!("{kind} index in"), time, Some((rows, "rows")))?;
        }

        let table = tables.table("cities")?;
        let snapshot = tables.snapshot();
        let reader = snapshot.read(&table)?;
        self.report.fact("where", QUESTION)?;
        let condition = Condition::parse(&table, QUESTION)?;
        let plan = Plan::new(&table, reader, Some(condition), Vec::new())?;
        let mut found = Vec::new();
        plan.for_each(|row| {
            found.push(row.row_id());
            Ok(true)
        })?;
        for line in plan.explain()?.lines().skip(1) {
            self.report.line(&format!("     {}", shortened(line)))?;
        }
        self.report.fact("found", &text::count(found.len() as u64, "place"))?;
        let ((), time) = self.timed(|| {
            for _ in 0..QUESTIONS {
                plan.for_each(|_| Ok(true))?;
            }
            Ok(())
        })?;
        self.report.timing("asked again, with rows", time, Some((QUESTIONS, "questions")))?;
        let (by_row, time) = self.timed(|| row_by_row(&reader))?;
        ensure(!found.is_empty() && found == by_row, "indexes and rows give the same answer")?;
        self.report.timing("the same row by row", time, None)?;
        drop(plan);
        drop(snapshot);
        self.report.end("text, distance and bitmap combine exactly, as of one commit")?;
        self.ask_in_sql(&tables, found.len())?;
        drop(tables);
        Ok(store.close()?)
    }
}

fn load(tables: &Tables) -> Result<u64, Failure> {
    let mut definition = TableDefinition::new("cities").primary_key([0]);
    for (name, column_type) in [
        ("id", ColumnType::U64),
        ("name", ColumnType::Text),
        ("country", ColumnType::Text),
        ("at", ColumnType::Point),
    ] {
        definition = definition.column(ColumnDefinition::new(name, column_type));
    }
    let table = tables.create_table(definition)?;
    let mut rows = 0;
    let mut batch: Vec<Vec<Value>> = Vec::with_capacity(BATCH_PLACES);
    data::each_place(|place| {
        batch.push(place.to_row(rows)?);
        rows += 1;
        if batch.len() == BATCH_PLACES {
            insert(tables, &table, &batch)?;
            batch.clear();
        }
        Ok(())
    })?;
    insert(tables, &table, &batch)?;
    Ok(rows)
}

fn insert(tables: &Tables, table: &Table, rows: &[Vec<Value>]) -> Result<(), Failure> {
    Ok(tables
        .run(|transaction| transaction.insert_many(table, rows.iter().cloned()).map(|_| ()))?)
}

fn indexes(table: &Table) -> Result<[(&'static str, IndexSpec); 3], Failure> {
    let (name, country, at) =
        (table.column_id("name")?, table.column_id("country")?, table.column_id("at")?);
    Ok([
        ("text", IndexSpec::text("words", Analyzer::Simple).column(name)),
        ("spatial", IndexSpec::spatial("place").sphere().column(at)),
        ("bitmap", IndexSpec::bitmap("countries").column(country)),
    ])
}

/// The answer without indexes.
fn row_by_row(reader: &TableReader<'_>) -> Result<Vec<u64>, Failure> {
    let (x, y, distance, country) = PARIS;
    let mut found = Vec::new();
    for row in reader.scan() {
        let row = row?;
        let (ValueRef::Text(name), ValueRef::Text(of), ValueRef::Point { x: lon, y: lat }) =
            (row.at(1), row.at(2), row.at(3))
        else {
            continue;
        };
        let mut words = name.split(|char: char| !char.is_alphanumeric());
        let is_saint = words.any(|word| word.to_lowercase().starts_with("saint"));
        let at = Location::new(lon, lat);
        if of == country && is_saint && metres(Location::new(x, y), at) <= distance {
            found.push(row.row_id());
        }
    }
    Ok(found)
}

/// Distance along a great circle.
fn metres(from: Location, to: Location) -> f64 {
    let (lat, other_lat) = (from.y.to_radians(), to.y.to_radians());
    let half = |from: f64, to: f64| ((to - from) / 2.0).sin().powi(2);
    let lon = half(from.x.to_radians(), to.x.to_radians());
    let chord = half(lat, other_lat) + lat.cos() * other_lat.cos() * lon;
    2.0 * EARTH_RADIUS * chord.sqrt().asin()
}

/// A line of a plan that fits a terminal: which index, and what was expected and found.
fn shortened(line: &str) -> String {
    match (line.split_once(','), line.rsplit_once(": expected")) {
        (Some((index, _)), Some((_, numbers))) => format!("{}: expected{numbers}", index.trim()),
        _ => line.trim().to_owned(),
    }
}
