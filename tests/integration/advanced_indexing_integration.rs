//! Ten scenarios, one for each kind of index and for two together.

use lightning_db_table::index::{
    Analyzer, BitmapQuery, BloomOptions, Bounds, Expression, IndexKind, IndexQuery, KeyQuery,
    Location, RowExpression, SpatialQuery, TextQuery,
};
use lightning_db_table::{
    ColumnDefinition, ColumnOrder, ColumnType, IndexSpec, TableDefinition, Value,
};

use super::Database;

/// A table `t` of a number and these columns.
fn table<const N: usize>(columns: [(&str, ColumnType); N]) -> TableDefinition {
    let table = TableDefinition::new("t")
        .column(ColumnDefinition::new("id", ColumnType::I64))
        .primary_key([0]);
    columns.into_iter().fold(table, |table, (name, column_type)| {
        table.column(ColumnDefinition::new(name, column_type))
    })
}

fn ids<const N: usize>(ids: [i64; N]) -> [Value; N] {
    ids.map(Value::I64)
}

#[test]
fn bitmap_index_finds_three_of_four_by_status() {
    let status = table([("status", ColumnType::Text)]).index(IndexSpec::bitmap("status").column(1));
    let database = Database::new(status);
    for (id, status) in [(1, "active"), (2, "inactive"), (3, "active"), (4, "active")] {
        database.tables.insert("t", [Value::I64(id), status.into()]).unwrap();
    }
    let active = IndexQuery::Bitmap(BitmapQuery::equal("active"));
    assert_eq!(database.find("status", &active), ids([1, 3, 4]));
    let others = IndexQuery::Bitmap(!BitmapQuery::equal("active"));
    assert_eq!(database.find("status", &others), ids([2]));
    database.assert_sound();
}

#[test]
fn hash_index_finds_each_of_a_thousand_keys() {
    let database = Database::new(
        table([("key", ColumnType::Text)]).index(IndexSpec::hash("by_key").column(1)),
    );
    let rows = (0..1_000_i64).map(|id| [Value::I64(id), format!("key_{id}").as_str().into()]);
    database.tables.insert_many("t", rows).unwrap();
    for id in 0..1_000_i64 {
        let query = IndexQuery::Key(KeyQuery::equal([format!("key_{id}")]));
        assert_eq!(database.find("by_key", &query), ids([id]));
    }
    let absent = IndexQuery::Key(KeyQuery::equal(["key_1000"]));
    assert_eq!(database.find("by_key", &absent), ids([]));
    database.assert_sound();
}

#[test]
fn spatial_index_finds_the_one_city_in_a_box() {
    let columns = [("name", ColumnType::Text), ("place", ColumnType::Point)];
    let database = Database::new(table(columns).index(IndexSpec::spatial("place").column(2)));
    let cities = [
        (1, "New York", -74.006, 40.7128),
        (2, "Los Angeles", -118.2437, 34.0522),
        (3, "Chicago", -87.6298, 41.8781),
        (4, "Houston", -95.3698, 29.7604),
        (5, "Phoenix", -112.074, 33.4484),
    ];
    for (id, name, x, y) in cities {
        database.tables.insert("t", [Value::I64(id), name.into(), Value::Point { x, y }]).unwrap();
    }
    let around = Bounds::new(Location::new(-75.0, 40.0), Location::new(-73.0, 41.0));
    let query = IndexQuery::Spatial(SpatialQuery::Inside(around));
    assert_eq!(database.find("place", &query), ids([1]));
    database.assert_sound();
}

#[test]
fn text_index_finds_words_and_phrases() {
    let spec = IndexSpec::text("words", Analyzer::Simple).column(1);
    let database = Database::new(table([("text", ColumnType::Text)]).index(spec));
    let texts = [
        (1, "The quick brown fox jumps over the lazy dog"),
        (2, "A fast brown fox leaps over a sleepy dog"),
        (3, "The lazy cat sleeps all day"),
    ];
    for (id, text) in texts {
        database.tables.insert("t", [Value::I64(id), text.into()]).unwrap();
    }
    let found = |query: &str| {
        let query = IndexQuery::Text(TextQuery::parse(query).unwrap());
        database.find("words", &query)
    };
    assert_eq!(found("+brown +fox"), ids([1, 2]));
    assert_eq!(found("\"lazy dog\""), ids([1]));
    assert_eq!(found("\"dog lazy\""), ids([]));
    database.assert_sound();
}

#[test]
fn bloom_index_has_a_thousand_keys_and_not_another_one() {
    let options = BloomOptions { expected_items: 10_000, false_positive_rate: 0.01 };
    let spec = IndexSpec::new("keys", IndexKind::Bloom(options)).column(1);
    let database = Database::new(table([("key", ColumnType::Text)]).index(spec));
    let rows = (0..1_000_i64).map(|id| [Value::I64(id), format!("key_{id}").as_str().into()]);
    database.tables.insert_many("t", rows).unwrap();
    let snapshot = database.tables.snapshot();
    let table = snapshot.table("t").unwrap();
    let reader = snapshot.read(&table).unwrap();
    let bloom = reader.index("keys").unwrap().as_bloom().unwrap();
    let may_contain = |key: String| bloom.may_contain(reader.reader(), &[key.into()]).unwrap();
    assert!((0..1_000).all(|id| may_contain(format!("key_{id}"))));
    // With a tenth of the keys that it has room for, it errs far less than once in a hundred.
    let wrong = (0..10_000).filter(|id| may_contain(format!("absent_{id}"))).count();
    assert!(wrong < 100, "{wrong} of 10,000");
    let absent = IndexQuery::Key(KeyQuery::equal(["absent_1"]));
    assert_eq!(database.find("keys", &absent), ids([]));
    database.assert_sound();
}

#[test]
fn covering_index_gives_stored_columns_without_the_row() {
    let columns =
        [("user", ColumnType::I64), ("name", ColumnType::Text), ("email", ColumnType::Text)];
    let spec = IndexSpec::ordered("by_user").column(1).include([2, 3]);
    let database = Database::new(table(columns).index(spec));
    for (id, user, name) in [(1, 123, "John"), (2, 124, "Jane")] {
        let email = format!("{}@example.com", name.to_lowercase());
        let row = [Value::I64(id), Value::I64(user), name.into(), email.as_str().into()];
        database.tables.insert("t", row).unwrap();
    }
    let snapshot = database.tables.snapshot();
    let table = snapshot.table("t").unwrap();
    let reader = snapshot.read(&table).unwrap();
    let index = reader.index("by_user").unwrap().as_ordered().unwrap();
    let mut scan = index.scan(reader.reader(), &KeyQuery::equal([123_i64])).unwrap();
    let hit = scan.next().unwrap().unwrap();
    assert_eq!(hit.included(0).unwrap().to_value(), Value::from("John"));
    assert_eq!(hit.included(1).unwrap().to_value(), Value::from("john@example.com"));
    assert!(scan.next().is_none());
    database.assert_sound();
}

#[test]
fn partial_index_holds_two_of_three() {
    let columns = [("email", ColumnType::Text), ("active", ColumnType::Bool)];
    let active = Expression::column(2).equal(true);
    let spec = IndexSpec::ordered("active_emails").column(1).condition(active);
    let database = Database::new(table(columns).index(spec));
    for (id, active) in [(1, true), (2, false), (3, true)] {
        let row = [Value::I64(id), format!("user{id}@example.com").as_str().into(), active.into()];
        database.tables.insert("t", row).unwrap();
    }
    let all = IndexQuery::Key(KeyQuery::all());
    assert_eq!(database.find("active_emails", &all), ids([1, 3]));
    let table = database.tables.table("t").unwrap();
    assert_eq!(table.index("active_emails").unwrap().statistics().unwrap().entries, 2);
    database.assert_sound();
}

#[test]
fn expression_index_finds_an_address_whatever_its_case() {
    let lower = Expression::column(1).lower();
    let spec = IndexSpec::ordered("by_email").part(lower, ColumnOrder::ASCENDING);
    let database = Database::new(table([("email", ColumnType::Text)]).index(spec));
    for (id, email) in [(1, "John@Example.COM"), (2, "JANE@example.com")] {
        database.tables.insert("t", [Value::I64(id), email.into()]).unwrap();
    }
    let query = IndexQuery::Key(KeyQuery::equal(["john@example.com"]));
    assert_eq!(database.find("by_email", &query), ids([1]));
    database.assert_sound();
}

#[test]
fn composite_index_answers_for_two_of_its_three_columns() {
    let columns =
        [("country", ColumnType::Text), ("city", ColumnType::Text), ("zip", ColumnType::I64)];
    let spec = IndexSpec::ordered("place").column(1).column(2).column(3);
    let database = Database::new(table(columns).index(spec));
    let rows = [
        (1, "US", "New York", 10_001),
        (2, "US", "New York", 9_999),
        (3, "US", "Los Angeles", 90_001),
        (4, "CA", "New York", 10_001),
    ];
    for (id, country, city, zip) in rows {
        let row = [Value::I64(id), country.into(), city.into(), Value::I64(zip)];
        database.tables.insert("t", row).unwrap();
    }
    let both = KeyQuery::equal(["US", "New York"]);
    assert_eq!(database.find("place", &IndexQuery::Key(both.clone())), ids([1, 2]));
    // 9,999 is below 10,000, however they are spelt.
    let low = IndexQuery::Key(both.range(..Value::I64(10_000)));
    assert_eq!(database.find("place", &low), ids([2]));
    database.assert_sound();
}

#[test]
fn hash_and_range_intersect_with_numbers_compared_as_numbers() {
    let columns = [("category", ColumnType::Text), ("price", ColumnType::I64)];
    let database = Database::new(
        table(columns)
            .index(IndexSpec::hash("by_category").column(1))
            .index(IndexSpec::ordered("by_price").column(2)),
    );
    let rows = [
        (1, "electronics", 200),
        (2, "electronics", 350),
        (3, "electronics", 500),
        (4, "electronics", 501),
        // As texts, 30, 4 and 2,000 would lie between 200 and 500.
        (5, "electronics", 30),
        (6, "electronics", 4),
        (7, "electronics", 2_000),
        (8, "books", 250),
        (9, "electronics", -300),
    ];
    for (id, category, price) in rows {
        let row = [Value::I64(id), category.into(), Value::I64(price)];
        database.tables.insert("t", row).unwrap();
    }
    let snapshot = database.tables.snapshot();
    let table = snapshot.table("t").unwrap();
    let reader = snapshot.read(&table).unwrap();
    let of = |index: &str, query| RowExpression::Index(reader.index(index).unwrap(), query);
    let range = KeyQuery::all().range(Value::I64(200)..=Value::I64(500));
    let category = KeyQuery::equal(["electronics"]);
    let both = RowExpression::all_of([
        of("by_category", IndexQuery::Key(category)),
        of("by_price", IndexQuery::Key(range)),
    ]);
    let rows = reader.find_all(&both).unwrap();
    let found: Vec<Value> = reader.fetch(&rows).map(|row| row.unwrap().at(0).to_value()).collect();
    assert_eq!(found, ids([1, 2, 3]));
    database.assert_sound();
}
