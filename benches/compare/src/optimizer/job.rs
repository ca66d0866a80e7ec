//! Planning the queries of the Join Order Benchmark over statistics that are made up.
//!
//! Source: V. Leis, A. Gubichev, A. Mirchev, P. Boncz, A. Kemper, T. Neumann, "How good are query
//! optimizers, really?", PVLDB 2015. The texts and the schema are read from a folder; tables have
//! the rows of the data of 2013, columns distinct values by what they are.

mod parse;

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use lightning_db_optimizer::{
    Catalog, ColumnDefinition, ColumnStatistics, IndexDefinition, IndexKind, MemoryCatalog,
    Optimizer, Query, TableDefinition, TableStatistics,
};
use lightning_db_types::ValueType;

/// Rows of each table.
const ROWS: [(&str, u64); 21] = [
    ("aka_name", 901_343),
    ("aka_title", 361_472),
    ("cast_info", 36_244_344),
    ("char_name", 3_140_339),
    ("comp_cast_type", 4),
    ("company_name", 234_997),
    ("company_type", 4),
    ("complete_cast", 135_086),
    ("info_type", 113),
    ("keyword", 134_170),
    ("kind_type", 7),
    ("link_type", 18),
    ("movie_companies", 2_609_129),
    ("movie_info", 14_835_720),
    ("movie_info_idx", 1_380_035),
    ("movie_keyword", 4_523_930),
    ("movie_link", 29_997),
    ("name", 4_167_491),
    ("person_info", 2_963_664),
    ("role_type", 12),
    ("title", 2_528_312),
];

/// What columns that refer to other tables refer to.
const REFERS: [(&str, &str); 14] = [
    ("company_id", "company_name"),
    ("company_type_id", "company_type"),
    ("info_type_id", "info_type"),
    ("keyword_id", "keyword"),
    ("kind_id", "kind_type"),
    ("link_type_id", "link_type"),
    ("linked_movie_id", "title"),
    ("movie_id", "title"),
    ("person_id", "name"),
    ("person_role_id", "char_name"),
    ("role_id", "role_type"),
    ("status_id", "comp_cast_type"),
    ("subject_id", "comp_cast_type"),
    ("episode_of_id", "title"),
];

/// Distinct values of columns of which there are few, whatever the table.
const FEW: [(&str, f64); 6] = [
    ("gender", 2.0),
    ("country_code", 130.0),
    ("production_year", 130.0),
    ("kind", 10.0),
    ("role", 12.0),
    ("nr_order", 1_000.0),
];

/// A query of the benchmark.
pub(crate) struct Text {
    /// Its name, such as `29a`.
    pub name: String,
    /// The query.
    pub query: Query,
}

fn rows(table: &str) -> u64 {
    ROWS.iter().find(|(name, _)| *name == table).map_or(1_000, |(_, rows)| *rows)
}

fn distinct(table: &str, column: &str) -> f64 {
    let all = rows(table) as f64;
    let few = FEW.iter().find(|(name, _)| *name == column).map(|(_, distinct)| *distinct);
    let refers = REFERS.iter().find(|(name, _)| *name == column);
    let refers = refers.map(|(_, other)| rows(other) as f64);
    let known = few.or(refers).unwrap_or(if column == "id" { all } else { all / 3.0 });
    known.clamp(1.0, all)
}

/// The tables of `schema.sql` with the indexes of `fkindexes.sql`.
fn catalog(folder: &Path) -> Result<MemoryCatalog> {
    let read = |name: &str| {
        let path = folder.join(name);
        std::fs::read_to_string(&path).with_context(|| path.display().to_string())
    };
    let mut catalog = MemoryCatalog::new();
    for (name, columns) in parse::tables(&read("schema.sql")?)? {
        let known = columns.iter().map(|(column, value_type, _)| ColumnStatistics {
            distinct: distinct(&name, column),
            width: if *value_type == ValueType::I64 { 4.0 } else { 20.0 },
            ..ColumnStatistics::default()
        });
        let (columns_known, rows) = (known.collect(), rows(&name));
        let columns = columns.into_iter().map(|(name, value_type, nullable)| ColumnDefinition {
            name,
            value_type,
            nullable,
        });
        let key = IndexDefinition {
            unique: true,
            ..IndexDefinition::new("key", IndexKind::Clustered, &[0])
        };
        let table = catalog.add(TableDefinition {
            name,
            columns: columns.collect(),
            keys: vec![vec![0]],
            foreign_keys: Vec::new(),
            indexes: vec![key],
        });
        let (pages, columns) = (rows / 80 + 1, columns_known);
        catalog
            .set_statistics(table, TableStatistics { rows, pages, columns, ..Default::default() });
    }
    for (name, table, column) in parse::indexes(&read("fkindexes.sql")?)? {
        let id = catalog.table(&table).with_context(|| format!("no table {table}"))?;
        let columns = catalog.definition(id).columns.clone();
        let position = columns.iter().position(|it| it.name == column);
        let position = position.with_context(|| format!("no column {table}.{column}"))?;
        catalog.add_index(id, IndexDefinition::new(name, IndexKind::Ordered, &[position]));
    }
    Ok(catalog)
}

/// The catalog and the queries of a folder, by name.
///
/// # Errors
///
/// When a file is not there, or is not what the benchmark has.
pub(crate) fn load(folder: &Path) -> Result<(MemoryCatalog, Vec<Text>)> {
    let catalog = catalog(folder)?;
    let mut queries = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_stem().map(|it| it.to_string_lossy().into_owned()).unwrap_or_default();
        let is_query = name.starts_with(|first: char| first.is_ascii_digit());
        if !is_query || path.extension().is_none_or(|extension| extension != "sql") {
            continue;
        }
        let text = std::fs::read_to_string(&path)?;
        let query = parse::query(&text).with_context(|| name.clone())?;
        queries.push(Text { query: query.build(&catalog).with_context(|| name.clone())?, name });
    }
    queries.sort_by(|left, right| left.name.cmp(&right.name));
    ensure!(!queries.is_empty(), "no queries in {}", folder.display());
    Ok((catalog, queries))
}

/// Microseconds of the processor that planning each query takes: the middle of so many times.
///
/// # Errors
///
/// When one has no plan.
pub(crate) fn times(
    catalog: &MemoryCatalog,
    queries: &[Text],
    repeats: usize,
) -> Result<Vec<(String, f64)>> {
    let optimizer = Optimizer::default();
    let mut times = Vec::new();
    for Text { name, query } in queries {
        let mut taken = Vec::new();
        for _ in 0..repeats.max(1) {
            let begun = crate::clock::thread_cpu();
            let plan = optimizer.optimize(query, catalog).with_context(|| name.clone())?;
            let spent = crate::clock::thread_cpu().saturating_sub(begun);
            taken.push(spent.as_secs_f64() * 1e6);
            ensure!(plan.cost().total > 0.0, "{name} costs nothing");
        }
        times.push((name.clone(), crate::stats::median(&taken).unwrap_or(0.0)));
    }
    Ok(times)
}
