//! Records: structs as rows.

use super::*;
use crate::{
    ColumnOrder, Date, Decimal, Error, Json, OnDelete, Point, Record, Timestamp, index::Expression,
};

#[derive(Debug, Clone, PartialEq, Record)]
#[record(table = "countries")]
struct Country {
    #[record(key)]
    code: String,
}

#[derive(Debug, Clone, PartialEq, Record)]
#[record(
    table = "cities",
    index(on(country, population.desc().nulls_last()), include(name)),
    index(on(lower(name)), name = "by_lower_name"),
    unique(on(name, country), condition = population > 1_000 && !is_capital),
    check(name = "sane", condition = population.is_null() || population >= 0)
)]
struct City {
    #[record(key)]
    id: u32,
    #[record(index(hash), rename = "called")]
    name: String,
    #[record(
        index(bitmap),
        foreign_key(table = "countries", column = "code", on_delete = cascade)
    )]
    country: String,
    population: Option<i64>,
    #[record(default = false)]
    is_capital: bool,
    #[record(generated = population / 1_000)]
    thousands: Option<i64>,
    #[record(ttl)]
    until: Option<Timestamp>,
    #[record(default = "none")]
    note: Option<String>,
}

fn city(id: u32, name: &str) -> City {
    City {
        id,
        name: name.to_owned(),
        country: "CH".to_owned(),
        population: Some(i64::from(id) * 10_500),
        is_capital: false,
        thousands: Some(i64::from(id) * 10_500 / 1_000),
        until: None,
        note: None,
    }
}

#[test]
fn the_definition_says_what_the_attributes_say() {
    let definition = City::definition();
    let column = |name: &str| &definition.columns[definition.position(name).unwrap()];
    assert_eq!(definition.name, "cities");
    assert_eq!(definition.primary_key, [0]);
    assert_eq!(definition.expires_at, Some(6));
    assert_eq!(column("called").column_type, ColumnType::Text);
    assert_eq!(column("is_capital").default, Some(Value::Bool(false)));
    assert_eq!(column("note").default, Some("none".into()));
    assert!(column("population").nullable && !column("country").nullable);
    let names: Vec<&str> = definition.indexes.iter().map(|index| &*index.name).collect();
    assert_eq!(
        names,
        [
            "cities_called_hash",
            "cities_country_bitmap",
            "cities_country_population",
            "by_lower_name",
            "cities_called_country"
        ]
    );
    let ordered = IndexSpec::ordered("cities_country_population")
        .column(2)
        .part(Expression::column(3), ColumnOrder::DESCENDING.with_nulls_last())
        .include([1]);
    assert_eq!(definition.indexes[2], ordered);
    let condition = Expression::column(3).greater(1_000_i64).and(Expression::column(4).negated());
    assert_eq!(definition.indexes[4].condition, Some(condition));
    assert_eq!(definition.foreign_keys[0].on_delete, OnDelete::Cascade);
    assert_eq!(definition.checks[0].name, "sane");
}

#[test]
fn records_are_written_and_read_in_and_outside_of_transactions() {
    let world = World::new();
    let tables = world.open();
    let countries = tables.typed::<Country>().unwrap();
    countries.insert(&Country { code: "CH".to_owned() }).unwrap();
    let cities = tables.typed::<City>().unwrap();
    cities.insert_many(&[city(1, "Bern"), city(2, "Chur")]).unwrap();
    assert_eq!(cities.get(&1).unwrap(), Some(city(1, "Bern")));
    cities.upsert(&City { note: Some("x".to_owned()), ..city(2, "Chur") }).unwrap();
    assert!(!cities.update(&city(9, "Nowhere")).unwrap());
    let mut transaction = tables.transaction();
    let mut typed = cities.within(&mut transaction);
    typed.insert(&city(3, "Zug")).unwrap();
    assert_eq!(typed.get(&3).unwrap(), Some(city(3, "Zug")));
    assert!(typed.delete(&1).unwrap());
    assert_eq!(typed.reader().unwrap().scan().count(), 2);
    assert!(transaction.commit().unwrap().is_committed());
    let found = cities.find("by_lower_name", &crate::kinds::equal(vec!["zug".into()])).unwrap();
    assert_eq!(found, [city(3, "Zug")]);
    assert!(countries.delete("CH").unwrap());
    assert_eq!(cities.all().unwrap(), []);
    assert_sound(&tables);
    drop((cities, countries, tables));
    let tables = world.open();
    tables.typed::<City>().unwrap();
}

mod other {
    use super::*;

    #[derive(Debug, Record)]
    #[record(table = "cities")]
    pub(super) struct City {
        #[record(key)]
        id: u64,
        called: i64,
    }
}

#[test]
fn another_definition_is_refused_with_the_first_difference() {
    let tables = World::new().open();
    tables.typed::<Country>().unwrap();
    let cities = tables.typed::<City>().unwrap();
    let error = tables.typed::<other::City>().unwrap_err().to_string();
    assert!(error.contains("column called is of type i64, and stored as text"), "{error}");
    // More indexes are no difference; fewer are one.
    let id = cities.table().column_id("population").unwrap();
    build(&tables, "cities", IndexSpec::ordered("more").column(id));
    tables.typed::<City>().unwrap();
    tables.drop_index("cities", "by_lower_name").unwrap();
    let error = tables.typed::<City>().unwrap_err();
    assert!(matches!(&error, Error::SchemaMismatch { detail, .. } if detail.contains("by_lower")));
}

#[derive(Debug, Clone, PartialEq, Record)]
struct Everything {
    #[record(key)]
    uuid: [u8; 16],
    #[record(key)]
    small: i16,
    truth: bool,
    float: f64,
    decimal: Decimal,
    text: Option<String>,
    bytes: Vec<u8>,
    date: Date,
    moment: Timestamp,
    place: Point,
    json: Json,
}

#[test]
fn every_type_of_field_comes_back() {
    let tables = World::new().open();
    let table = tables.typed::<Everything>().unwrap();
    let one = Everything {
        uuid: [7; 16],
        small: -3,
        truth: true,
        float: f64::MIN_POSITIVE,
        decimal: "-1.50".parse().unwrap(),
        text: Some("\u{1F600}".to_owned()),
        bytes: vec![0, 255],
        date: Date(-1),
        moment: Timestamp(i64::MIN),
        place: Point { x: -180.0, y: 90.0 },
        json: Json("{\"a\": [1, 2]}".to_owned()),
    };
    table.insert(&one).unwrap();
    assert_eq!(table.get(&([7; 16], -3)).unwrap(), Some(one.clone()));
    let bad = Everything { small: 1, json: Json("{".to_owned()), ..one };
    let error = table.insert(&bad).unwrap_err().to_string();
    assert!(error.starts_with("table everything, column json, row "), "{error}");
    // A number that came by another way, and does not fit the field.
    tables
        .patch(
            "everything",
            &[Value::Uuid([7; 16]), (-3_i64).into()],
            [("small", 70_000_i64.into())],
        )
        .unwrap();
    assert!(matches!(table.all(), Err(Error::Value { .. })));
}
