//! The example of the README is the one that is compiled.

#[test]
fn the_readme_shows_the_example() {
    let (readme, example) =
        (include_str!("../README.md"), include_str!("../examples/csv_catalog.rs"));
    assert!(readme.contains(example), "put examples/csv_catalog.rs into README.md");
    assert!(example.lines().count() <= 80);
}

#[path = "../examples/csv_catalog.rs"]
mod csv_catalog;

#[test]
fn the_example_plans_its_query() {
    csv_catalog::main().unwrap();
    let plan = csv_catalog::plan().unwrap();
    let text = plan.explain().without_costs().to_string();
    assert!(text.contains("Access c by index name (= 'Oslo')"), "{text}");
    assert!(text.contains("Access p by index city (= c.id)"), "{text}");
}
