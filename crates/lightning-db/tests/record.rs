//! `#[derive(Record)]` through the facade: a program that depends on nothing else of ours.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::ops::ControlFlow;

use lightning_db::tables::index::{
    IndexQuery, KeyQuery, Location, RowExpression, SpatialQuery, TextQuery,
};
use lightning_db::tables::{self, IndexSpec, Point, Tables, TypedTable};
use lightning_db::{Store, StoreOptions};

/// The derive by its path; the trait of the same name is not imported.
#[derive(Debug, Clone, PartialEq, lightning_db::tables::Record)]
#[record(table = "places", index(on(country), bitmap, name = "by_country"))]
struct Place {
    #[record(key)]
    id: u64,
    #[record(unique)]
    name: String,
    country: String,
    #[record(fts(english, name = "words"))]
    about: String,
    #[record(geo(sphere, name = "where"))]
    at: Point,
}

fn place(id: u64, name: &str, country: &str, about: &str, (x, y): (f64, f64)) -> Place {
    let (name, country, about) = (name.to_owned(), country.to_owned(), about.to_owned());
    Place { id, name, country, about, at: Point { x, y } }
}

fn filled(store: &Store) -> (Tables, TypedTable<Place>) {
    let (tables, _) = Tables::open(store).unwrap();
    let places = tables.typed::<Place>().unwrap();
    let all = [
        place(1, "Bern", "CH", "old town above the river Aare", (7.45, 46.95)),
        place(2, "Thun", "CH", "a lake, and a river that leaves it", (7.63, 46.76)),
        place(3, "Chur", "CH", "the oldest town, at a river", (9.53, 46.85)),
        place(4, "Como", "IT", "a town at a lake", (9.09, 45.81)),
    ];
    places.insert_many(&all).unwrap();
    (tables, places)
}

#[test]
fn text_distance_and_bitmap_combine() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = StoreOptions::new(dir.path()).open().unwrap();
    let (tables, _) = filled(&store);
    let snapshot = tables.snapshot();
    let reader = snapshot.read(&tables.table("places").unwrap()).unwrap();
    // Thun is 25 km from Bern, Chur 158 km, and Como beyond a border as well.
    let (centre, distance) = (Location::new(7.45, 46.95), 25_600.0);
    let near = IndexQuery::Spatial(SpatialQuery::Near { centre, distance });
    let swiss = tables::index::BitmapQuery::equal("CH");
    let wanted = RowExpression::all_of([
        RowExpression::Index(
            reader.index("words").unwrap(),
            IndexQuery::Text(TextQuery::term("rivers")),
        ),
        RowExpression::Index(reader.index("where").unwrap(), near),
        RowExpression::Index(reader.index("by_country").unwrap(), IndexQuery::Bitmap(swiss)),
    ]);
    let found = reader.find_all(&wanted).unwrap();
    let names: Vec<String> =
        reader.fetch(&found).map(|row| row.unwrap().to_record::<Place>().unwrap().name).collect();
    assert_eq!(names, ["Bern", "Thun"]);
}

#[test]
fn records_keep_their_constraints_and_come_back_after_a_reopen() {
    let dir = tempfile::tempdir().unwrap();
    {
        let (store, _) = StoreOptions::new(dir.path()).open().unwrap();
        let (tables, places) = filled(&store);
        let twice = places.insert(&place(5, "Bern", "US", "another", (0.0, 0.0)));
        let error = twice.unwrap_err().to_string();
        assert!(error.contains("places_name") && error.contains("'Bern'"), "{error}");
        let column = tables.table("places").unwrap().column_id("country").unwrap();
        let spec = IndexSpec::hash("country_hash").column(column);
        tables.create_index("places", spec, &mut |_| ControlFlow::Continue(())).unwrap();
        store.close().unwrap();
    }
    let (store, _) = StoreOptions::new(dir.path()).open().unwrap();
    let (tables, report) = Tables::open(&store).unwrap();
    assert_eq!(report, tables::OpenReport::default());
    let places = tables.typed::<Place>().unwrap();
    assert_eq!(places.get(&3).unwrap().unwrap().name, "Chur");
    let italian = IndexQuery::Key(KeyQuery::equal(["IT"]));
    assert_eq!(places.find("country_hash", &italian).unwrap()[0].name, "Como");
    assert!(tables.check().unwrap().is_clean());
}

/// Within a module of the same names, as in a program with a type `Record` of its own.
mod crowded {
    use lightning_db::tables::Record;

    #[derive(Debug, PartialEq, Record)]
    #[record(table = "notes")]
    pub(crate) struct Note {
        #[record(key)]
        pub(crate) id: i64,
        pub(crate) text: Option<String>,
    }

    pub(crate) fn table_name() -> String {
        Note::definition().name
    }
}

#[test]
fn trait_and_derive_have_one_name() {
    assert_eq!(crowded::table_name(), "notes");
    let note = crowded::Note { id: -1, text: None };
    assert_eq!(tables::Record::to_values(&note).len(), 2);
}
