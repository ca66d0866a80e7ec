//! Tables and their indexes: made from files, asked, shown, and taken away.

use serde_json::json;

use crate::shell::{Shell, exists};

/// Eight places: id, name, country, population, opened, longitude, latitude, about.
const PLACES: &str = "\
id,name,country,population,opened,lon,lat,about
1,Bern,CH,134591,1191-06-01,7.45,46.95,Old town above the river
2,Thun,CH,43568,,7.63,46.76,A lake and a river
3,Chur,CH,38293,1100-01-01,9.53,46.85,The oldest town
4,Como,IT,83320,,9.09,45.81,A town at a lake
5,Rome,IT,2873000,-0753-04-21,12.5,41.9,Seven hills and a river
6,Reykjavik,IS,,1786-08-18,-21.94,64.15,Hot springs
7,Suva,FJ,88271,,178.44,-18.14,Rain at the harbour
8,Apia,WS,,,-171.76,-13.83,\"Reef, and a harbour\"
";

fn filled() -> Shell {
    let shell = Shell::new();
    let file = shell.file("places.csv", PLACES);
    let text = shell.ok(["import", &file, "--table", "places", "--key", "id"]);
    assert!(text.starts_with("imported 8 rows into new table places"), "{text}");
    shell
}

/// Makes an index.
fn create(shell: &Shell, name: &str, on: &str, more: &[&str]) {
    let args = ["index", "create", "places", name, "--on", on, "-q"];
    shell.ok(args.iter().chain(more));
}

/// Names of the rows that fulfil a condition, and the first line of the plan for it.
fn ask(shell: &Shell, condition: &str) -> (String, String) {
    let rows = shell.ok(["rows", "places", "--where", condition, "--columns", "name"]);
    let names: Vec<&str> = rows.lines().skip(1).collect();
    let plan = shell.ok(["rows", "places", "--where", condition, "--explain"]);
    (names.join(" "), plan.lines().next().unwrap_or_default().to_owned())
}

/// A condition is answered by an index, and gives the same rows as without it.
fn check(shell: &Shell, index: &str, condition: &str, expected: &str) {
    let (names, plan) = ask(shell, condition);
    assert_eq!(names, expected, "{condition}");
    assert!(plan.starts_with(&format!("index {index},")), "{condition}: {plan}");
}

#[test]
fn every_kind_of_index_is_made_and_asked() {
    let shell = filled();
    let by_hand = ["country = 'CH' AND population < 100000", "name LIKE 'T%'", "opened IS NULL"];
    let before = by_hand.map(|condition| ask(&shell, condition));
    assert!(before.iter().all(|(_, plan)| plan == "all rows"), "{before:?}");

    create(&shell, "largest", "country, population DESC NULLS LAST", &["--include", "name"]);
    create(&shell, "names", "name", &["--kind", "unique"]);
    create(&shell, "lower_names", "lower(name)", &["--kind", "hash"]);
    create(&shell, "towns", "population", &["--where", "population IS NOT NULL"]);
    create(&shell, "countries", "country", &["--kind", "bitmap"]);
    create(&shell, "days", "opened", &["--kind", "bitmap", "--slices"]);
    create(&shell, "where", "lon, lat", &["--kind", "spatial"]);
    create(&shell, "words", "about", &["--kind", "text", "--analyzer", "english"]);
    create(&shell, "seen", "name", &["--kind", "bloom", "--rate", "0.001", "--expected", "100"]);

    check(&shell, "largest", "country = 'CH' AND population < 100000", "Thun Chur");
    check(&shell, "names", "name LIKE 'T%'", "Thun");
    check(&shell, "names", "name IN ('Suva', 'Nadi')", "Suva");
    check(&shell, "lower_names", "lower(name) = 'rome'", "Rome");
    check(&shell, "towns", "population BETWEEN 80000 AND 90000", "Como Suva");
    check(&shell, "days", "opened IS NULL", "Thun Como Suva Apia");
    check(&shell, "days", "opened < '1150-01-01'", "Chur Rome");
    check(&shell, "where", "near(where, 7.45, 46.95, 30000)", "Bern Thun");
    check(&shell, "where", "near(lon, 179.9, -16, 1100000)", "Suva Apia");
    check(&shell, "where", "inside(where, 9, 45, 10, 47)", "Chur Como");
    check(&shell, "words", "matches(about, 'rivers')", "Bern Thun Rome");
    check(&shell, "words", "matches(words, '\"old town\"~1')", "Bern");
    for (condition, (names, _)) in by_hand.iter().zip(&before) {
        assert_eq!(ask(&shell, condition).0, *names, "{condition}");
    }
}

#[test]
fn conditions_over_several_indexes_combine() {
    let shell = filled();
    create(&shell, "countries", "country", &["--kind", "bitmap"]);
    create(&shell, "where", "lon, lat", &["--kind", "spatial"]);
    create(&shell, "words", "about", &["--kind", "text"]);
    let near = "near(where, 8.5, 46.5, 200000)";
    let (names, plan) =
        ask(&shell, &format!("matches(words, 'river') AND {near} AND country = 'CH'"));
    assert_eq!((&*names, &*plan), ("Bern Thun", "and: found 2"));
    let (names, _) = ask(&shell, &format!("country = 'IT' OR NOT {near}"));
    assert_eq!(names, "Como Rome Reykjavik Suva Apia");
    // Part by index, part by row; a null population is neither.
    let (names, _) = ask(&shell, &format!("{near} AND NOT population > 80000"));
    assert_eq!(names, "Thun Chur");
    let (names, _) = ask(&shell, "matches(words, 'harbour') OR population > 1000000");
    assert_eq!(names, "Rome Suva Apia");
    let count = shell.ok(["rows", "places", "--where", near, "--count"]);
    assert_eq!(count, "4\n");
}

#[test]
fn rows_are_sorted_cut_and_printed() {
    let shell = filled();
    let text = shell.ok([
        "rows",
        "places",
        "--columns",
        "name,population",
        "--order",
        "population DESC",
        "--limit",
        "2",
    ]);
    assert_eq!(text, "name\tpopulation\nRome\t2873000\nBern\t134591\n");
    create(&shell, "sizes", "population", &[]);
    let order = ["--order", "population DESC NULLS LAST, name", "--columns", "name"];
    let sorted = shell.ok(["rows", "places"].iter().chain(&order));
    assert!(sorted.ends_with("Chur\nApia\nReykjavik\n"), "{sorted}");
    let plan = shell.ok(["rows", "places", "--order", "population DESC", "--explain"]);
    assert_eq!(plan, "index sizes, in order\n");
    let same = shell.ok(["rows", "places", "--order", "population DESC", "--columns", "name"]);
    assert!(same.starts_with("name\nRome\nBern\nSuva\n"), "{same}");
    let rows =
        shell.json(&["rows", "places", "--where", "id = 6", "--columns", "id,population,lon"]);
    assert_eq!(rows, [json!({ "id": 6, "population": null, "lon": -21.94 })]);
}

#[test]
fn tables_and_schemas_are_shown() {
    let shell = filled();
    create(&shell, "names", "name", &["--kind", "unique"]);
    let tables = &shell.json(&["tables"])[0];
    assert_eq!((&tables["table"], &tables["columns"]), (&json!("places"), &json!(8)));
    let schema = &shell.json(&["schema", "places"])[0];
    assert_eq!(schema["primary_key"], json!(["id"]));
    let types: Vec<_> =
        schema["columns"].as_array().unwrap().iter().map(|it| it["type"].clone()).collect();
    let expected = ["i64", "text", "text", "i64", "date", "f64", "f64", "text"];
    assert_eq!(types, expected.map(|of| json!(of)));
    let text = shell.ok(["schema"]);
    assert!(text.contains("primary key, not null"), "{text}");
    assert!(text.contains("index names: unique on (name)"), "{text}");

    let indexes = &shell.json(&["indexes", "places"])[0];
    assert_eq!(indexes["index"], "names");
    // The store counts the record of the index's own as well.
    assert!((8..=9).contains(&indexes["entries"].as_u64().unwrap()), "{indexes}");
    create(&shell, "seen", "name", &["--kind", "bloom"]);
    let stats = &shell.json(&["stats"])[0];
    let rate = stats["indexes"][1]["false_positive_rate"].as_f64().unwrap();
    assert!((0.0..0.01).contains(&rate), "{rate}");
    let text = shell.ok(["stats"]);
    assert!(text.contains("newest commit") && text.contains("bloom"), "{text}");

    shell.ok(["index", "drop", "places", "seen"]);
    assert_eq!(shell.json(&["indexes"]).len(), 1);
}

#[test]
fn duplicates_of_a_unique_index_are_listed() {
    let shell = filled();
    let outcome =
        shell.run(["index", "create", "places", "one", "--on", "country", "--kind", "unique"]);
    assert_eq!(outcome.code, 1, "{outcome:?}");
    assert!(outcome.out.contains("duplicate: 'CH' in rows #"), "{outcome:?}");
    assert!(outcome.err.contains("make index one unique: 2 keys"), "{outcome:?}");
    assert_eq!(shell.ok(["indexes"]), "");
}

#[test]
fn what_is_not_there_is_named_with_what_is() {
    let shell = filled();
    create(&shell, "names", "name", &[]);
    let cases: [(&[&str], &str); 7] = [
        (&["schema", "place"], "did you mean places?"),
        (&["rows", "placse"], "did you mean places?"),
        (&["rows", "places", "--columns", "nam"], "did you mean name?"),
        (&["rows", "places", "--where", "populatoin > 1"], "did you mean population?"),
        (&["rows", "places", "--where", "lowr(name) = 'x'"], "did you mean lower?"),
        (&["rows", "places", "--where", "near(lon, 1, 2, 3)"], "no spatial index lon"),
        (&["index", "drop", "places", "name"], "did you mean names?"),
    ];
    for (args, expected) in cases {
        let error = shell.fails(3, args);
        assert!(error.contains(expected), "{args:?}: {error}");
    }
    let cases: [(&str, &str); 6] = [
        ("population > 'many'", "they do not compare"),
        ("name =", "character 7: expected a column, a value or a condition, found the end"),
        ("name", "of type text, and no condition"),
        ("opened = '2024-02-30'", "they do not compare"),
        ("(((name = 'x'", "expected \")\""),
        ("name = 'x", "the quote ' is not closed"),
    ];
    for (condition, expected) in cases {
        let error = shell.fails(2, ["rows", "places", "--where", condition]);
        assert!(error.contains(expected), "{condition}: {error}");
    }
    let deep = format!("{}id = 1{}", "(".repeat(5_000), ")".repeat(5_000));
    assert!(shell.fails(2, ["rows", "places", "--where", &deep]).contains("nested"));
    let args = ["index", "create", "places", "i", "--on", "name", "--kind", "hash", "--slices"];
    assert!(shell.fails(2, args).contains("--slices is for a bitmap index"));
    let args = ["index", "create", "places", "i", "--on", "name", "--kind", "spatial"];
    shell.fails(1, args);
    assert_eq!(shell.json(&["indexes"]).len(), 1);
}

#[test]
fn store_without_tables_says_so() {
    let shell = Shell::new();
    shell.fails(3, ["tables"]);
    shell.ok(["put", "k", "a", "1"]);
    assert_eq!(shell.ok(["tables"]), "");
    assert!(shell.fails(3, ["rows", "places"]).contains("the store has none"));
    assert_eq!(shell.ok(["keyspaces"]), "k\n");
    assert!(!exists(&shell.path("places")));
}

#[test]
fn damaged_index_is_found_and_made_anew() {
    let shell = filled();
    create(&shell, "names", "name", &[]);
    create(&shell, "words", "about", &["--kind", "text"]);
    assert!(shell.ok(["check", "--deep"]).contains("tables agree: compared 8 rows of 1 table"));
    {
        let (store, _) = lightning_db::Store::open(shell.path("db")).unwrap();
        let name = store.keyspaces().into_iter().find(|name| name.starts_with("index/")).unwrap();
        let entries = store.open_keyspace(&name).unwrap();
        let (key, _) = entries.iter().next_back().unwrap().unwrap();
        entries.remove(&key).unwrap();
        store.close().unwrap();
    }
    let outcome = shell.run(["check", "--deep"]);
    assert_eq!(outcome.code, 4, "{outcome:?}");
    assert!(outcome.out.contains("problem: table places, index names: row #"), "{outcome:?}");
    assert_eq!(shell.json(&["repair"])[0]["indexes"]["made_anew"][0]["index"], "names");
    assert!(shell.ok(["check", "--deep"]).contains("tables agree"));
    assert!(shell.ok(["repair"]).contains("tables agree"));
    check(&shell, "names", "name = 'Apia'", "Apia");
}
