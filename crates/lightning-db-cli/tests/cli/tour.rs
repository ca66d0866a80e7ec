//! `tour`: everything that it shows holds.

use crate::shell::{Shell, exists};

#[test]
fn tour_ends_well_and_names_its_source() {
    let shell = Shell::new();
    let dir = shell.arg("here");
    let text = shell.ok(["tour", "--dir", &dir]);
    assert!(text.contains("GeoNames") && text.contains("CC BY 4.0"), "{text}");
    assert!(text.contains("conflict, nothing was changed"), "{text}");
    assert!(text.contains("ORDER BY st_distance(at"), "{text}");
    assert!(text.contains("nearest by st_distance"), "{text}");
    assert!(text.contains("Everything held."), "{text}");
    assert!(exists(&shell.path("here/store")) && exists(&shell.path("here/damaged/lost+found")));
    assert!(!exists(&shell.path("db")));
    assert!(shell.fails(1, ["tour", "--dir", &dir]).contains("is not empty"));
}

#[test]
fn tour_in_json_has_an_object_for_each_step() {
    let shell = Shell::new();
    let steps = shell.json(&["tour"]);
    assert_eq!(steps.len(), 10);
    assert_eq!(steps[8]["facts"]["rows of a table"], "171,075");
    assert_eq!(steps[0]["facts"]["places"], "171,075");
    assert!(steps.iter().all(|step| step["seconds"].is_number() && step["shows"].is_string()));
}
