//! What cannot be indexed or asked is refused with an error of its kind, and nothing is written.

use std::sync::Arc;

use lightning_db_storage::{KEY_LEN_MAX, Slice};
use lightning_db_table::index::{
    Analyzer, BitmapOptions, BloomOptions, Bounds, Error as IndexError, Expression, Geometry,
    IndexKind, IndexQuery, KeyQuery, Location, Polygon, SpatialOptions, SpatialQuery, TextQuery,
};
use lightning_db_table::{
    ColumnDefinition, ColumnType, Error, IndexSpec, OpenReport, TableDefinition, Tables, Value,
};

use super::{Database, go_on};

const NOT_NUMBERS: [f64; 3] = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY];

fn database() -> Database {
    let sphere = SpatialOptions { geometry: Geometry::Sphere };
    let nullable = |name, column_type| ColumnDefinition::new(name, column_type).nullable();
    let database = Database::new(
        TableDefinition::new("t")
            .column(ColumnDefinition::new("id", ColumnType::I64))
            .column(nullable("flat", ColumnType::Point))
            .column(nullable("round", ColumnType::Point))
            .column(nullable("text", ColumnType::Text))
            .column(nullable("key", ColumnType::Text))
            .primary_key([0])
            .index(IndexSpec::spatial("flat").column(1))
            .index(IndexSpec::new("round", IndexKind::Spatial(sphere)).column(2))
            .index(IndexSpec::text("text", Analyzer::Simple).column(3))
            .index(IndexSpec::ordered("key").column(4))
            .index(IndexSpec::bitmap("bits").column(4)),
    );
    let point = Value::Point { x: 1.0, y: 2.0 };
    let row = [Value::I64(0), point.clone(), point, "a word".into(), "key".into()];
    // Types of values that an index has had are noted for ever: here all that come later.
    database.tables.insert("t", [("id", Value::I64(1))]).unwrap();
    database.tables.delete("t", &[Value::I64(1)]).unwrap();
    database.tables.insert("t", row).unwrap();
    database
}

/// Keys and values of a keyspace.
type Contents = Vec<(Slice, Slice)>;

/// Everything in the store but the catalog, which also counts the numbers that were given out.
fn contents(database: &Database) -> Vec<(String, Contents)> {
    let store = database.tables.store();
    let names = store.keyspaces().into_iter().filter(|name| name != "catalog");
    let of =
        |name: &String| store.open_keyspace(name).unwrap().iter().map(Result::unwrap).collect();
    names.map(|name| (name.clone(), of(&name))).collect()
}

/// Runs what must be refused; gives the error. The store is as it was.
fn refused<T>(database: &Database, run: impl FnOnce() -> Result<T, Error>) -> Error {
    let before = contents(database);
    let indexes = || {
        let table = database.tables.table("t").unwrap();
        table.indexes().map(|(index, _)| Arc::clone(index.definition())).collect::<Vec<_>>()
    };
    let indexes_before = indexes();
    let Err(error) = run() else { panic!("it was not refused") };
    assert!(contents(database) == before, "{error}: something was written");
    assert_eq!(indexes(), indexes_before, "{error}");
    let snapshot = database.tables.snapshot();
    let table = snapshot.table("t").unwrap();
    assert_eq!(snapshot.read(&table).unwrap().count().unwrap(), 1, "{error}");
    database.assert_sound();
    error
}

/// Inserts a row with one column set, alone and behind a good row: refused both times.
fn insert_refused(database: &Database, column: &str, value: &Value) -> Error {
    let row = |id: i64, value: &Value| vec![("id", Value::I64(id)), (column, value.clone())];
    let both = || database.tables.insert_many("t", [row(7, &Value::Null), row(8, value)]);
    drop(refused(database, both));
    // A transaction goes on without the statement that failed.
    let mut transaction = database.tables.transaction();
    let table = transaction.table("t").unwrap();
    transaction.insert(&table, row(9, &Value::Null)).unwrap();
    transaction.insert(&table, row(10, value)).unwrap_err();
    assert_eq!(transaction.read(&table).unwrap().count().unwrap(), 2);
    transaction.rollback();
    refused(database, || database.tables.insert("t", row(9, value)))
}

fn ask(database: &Database, index: &str, query: &IndexQuery) -> Error {
    refused(database, || {
        let snapshot = database.tables.snapshot();
        let table = snapshot.table("t")?;
        let reader = snapshot.read(&table)?;
        reader.estimate_find(index, query).ok();
        reader.find(index, query)
    })
}

fn is_value(error: &Error) -> bool {
    matches!(error, Error::Index { source: IndexError::Value { .. }, .. })
}

fn is_query(error: &Error) -> bool {
    matches!(error, Error::Index { source: IndexError::Query { .. }, .. })
}

#[test]
fn coordinates_that_are_no_numbers_are_refused() {
    let database = database();
    for bad in NOT_NUMBERS {
        for point in [Value::Point { x: bad, y: 1.0 }, Value::Point { x: 1.0, y: bad }] {
            for column in ["flat", "round"] {
                let error = insert_refused(&database, column, &point);
                assert!(is_value(&error), "{column} {point:?}: {error}");
            }
        }
        let at = Location::new(bad, 0.0);
        let good = Location::new(0.0, 0.0);
        let queries = [
            SpatialQuery::Near { centre: at, distance: 1.0 },
            SpatialQuery::Nearest { centre: at, count: 1 },
            SpatialQuery::Intersects(Bounds::new(at, good)),
            SpatialQuery::Inside(Bounds::new(good, Location::new(1.0, bad))),
            SpatialQuery::InPolygon(Polygon::new([good, at, Location::new(1.0, 1.0)])),
        ];
        for query in queries {
            for index in ["flat", "round"] {
                let error = ask(&database, index, &IndexQuery::Spatial(query.clone()));
                assert!(is_query(&error), "{index} {query:?}: {error}");
            }
        }
    }
    let beyond = insert_refused(&database, "round", &Value::Point { x: 0.0, y: 90.5 });
    assert!(is_value(&beyond), "{beyond}");
    let distance = SpatialQuery::Near { centre: Location::new(0.0, 0.0), distance: -1.0 };
    assert!(is_query(&ask(&database, "flat", &IndexQuery::Spatial(distance))));
}

#[test]
fn inverted_boxes_are_refused() {
    let database = database();
    let inverted = |x: f64, y: f64| Bounds::new(Location::new(x, y), Location::new(0.0, 0.0));
    for (index, bounds) in [
        ("flat", inverted(1.0, -1.0)),
        ("flat", inverted(-1.0, 1.0)),
        ("round", inverted(0.0, 1.0)),
    ] {
        for query in [
            SpatialQuery::Intersects(bounds),
            SpatialQuery::Inside(bounds),
            SpatialQuery::Covers(bounds),
        ] {
            let error = ask(&database, index, &IndexQuery::Spatial(query));
            assert!(is_query(&error) && error.to_string().contains("inverted"), "{error}");
        }
    }
}

#[test]
fn texts_of_queries_that_cannot_be_read_are_refused() {
    for text in ["\"heavy rain", "heavy rain\"", "a \"b\" \"c", "(storm", "storm)", "a^", "a~9"] {
        let parsed = TextQuery::parse(text);
        assert!(matches!(parsed, Err(IndexError::Query { .. })), "{text}: {parsed:?}");
    }
    let database = database();
    for query in [
        TextQuery::regex("["),
        TextQuery::fuzzy("word", 3),
        TextQuery::term("x").in_field("absent"),
    ] {
        let error = ask(&database, "text", &IndexQuery::Text(query));
        assert!(is_query(&error), "{error}");
    }
}

#[test]
fn a_term_of_a_mebibyte_is_refused() {
    let database = database();
    let long = "x".repeat(1 << 20);
    let error = insert_refused(&database, "text", &long.as_str().into());
    assert!(is_value(&error), "{error}");
    // No row has such a word: the answer is empty, or the query is refused.
    let snapshot = database.tables.snapshot();
    let table = snapshot.table("t").unwrap();
    let reader = snapshot.read(&table).unwrap();
    for query in [TextQuery::term(&*long), TextQuery::prefix(&*long), TextQuery::fuzzy(&*long, 1)] {
        match reader.find("text", &IndexQuery::Text(query)) {
            Ok(rows) => assert!(rows.is_empty()),
            Err(error) => assert!(is_query(&error), "{error}"),
        }
    }
}

#[test]
fn keys_over_the_limit_are_refused() {
    let database = database();
    let long = "k".repeat(KEY_LEN_MAX + 1);
    let error = insert_refused(&database, "key", &long.as_str().into());
    assert!(matches!(error, Error::Index { .. } | Error::Storage(_)), "{error}");
    let message = error.to_string();
    assert!(message.contains("key") && message.len() < 1_000, "{message}");
    // To look for it finds nothing.
    let query = IndexQuery::Key(KeyQuery::equal([long.as_str()]));
    assert_eq!(database.find("key", &query), []);
}

#[test]
fn indexes_that_cannot_be_are_refused() {
    let database = database();
    let sphere_of_text = SpatialOptions { geometry: Geometry::Sphere };
    let rate = BloomOptions { false_positive_rate: 0.9, ..BloomOptions::default() };
    let none = BloomOptions { expected_items: 0, ..BloomOptions::default() };
    let specs = [
        IndexSpec::ordered("new").column(99),
        IndexSpec::hash("new").column(99),
        IndexSpec::bitmap("new").column(99),
        IndexSpec::bloom("new").column(99),
        IndexSpec::spatial("new").column(99),
        IndexSpec::text("new", Analyzer::Simple).column(99),
        IndexSpec::ordered("new").column(4).include([99]),
        IndexSpec::ordered("new").column(4).condition(Expression::column(99).is_null()),
        IndexSpec::ordered("new"),
        IndexSpec::ordered("key").column(4),
        IndexSpec::bitmap("new").column(0).column(4),
        IndexSpec::new("new", IndexKind::Bloom(rate)).column(4),
        IndexSpec::new("new", IndexKind::Bloom(none)).column(4),
        IndexSpec::text("new", Analyzer::Ngram { min: 0, max: 2 }).column(3),
    ];
    for spec in specs {
        let error =
            refused(&database, || database.tables.create_index("t", spec.clone(), &mut go_on));
        let is_typed = matches!(
            error,
            Error::Definition { .. }
                | Error::NotFound { .. }
                | Error::Exists { .. }
                | Error::Index { source: IndexError::Definition { .. }, .. }
        );
        assert!(is_typed, "{spec:?}: {error}");
    }
    // What no row shows before the build leaves nothing either.
    let specs = [
        IndexSpec::new("new", IndexKind::Spatial(sphere_of_text)).column(3),
        IndexSpec::new("new", IndexKind::Bitmap(BitmapOptions::slices())).column(3),
        IndexSpec::text("new", Analyzer::Simple).column(0),
    ];
    for spec in specs {
        let error =
            refused(&database, || database.tables.create_index("t", spec.clone(), &mut go_on));
        assert!(matches!(error, Error::Index { .. } | Error::Definition { .. }), "{error}");
    }
    let (_, report) = Tables::open(database.tables.store()).unwrap();
    assert_eq!(report, OpenReport::default());
}
