//! What the process of `DuckDB` does, and what is said where there is none.

use super::*;

/// A database with one table; `None` where the wheel is absent, which is what is then looked at.
fn database(dir: &Path) -> Option<Database> {
    let Some(wheel) = Wheel::find() else {
        let python = std::env::var_os(PYTHON).unwrap_or_else(|| "python3".into());
        assert!(Wheel::of(python).is_err());
        return None;
    };
    assert!(wheel.version.starts_with(|first: char| first.is_ascii_digit()), "{wheel:?}");
    let database = Database::new(&wheel, dir, 256 << 20).unwrap();
    let create = "CREATE TABLE t (a BIGINT, b VARCHAR, c DECIMAL(15, 2), d DATE)";
    database.load(&[create]).unwrap();
    let mut loader = database.loader("t", dir).unwrap();
    loader.add("1|it's \"so\" \\|2.50|1995-03-15|").unwrap();
    loader.add("2|then|-0.01|1998-12-31").unwrap();
    loader.finish().unwrap();
    assert!(!dir.join("t.csv").exists());
    Some(database)
}

#[test]
fn rows_are_loaded_asked_for_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let Some(database) = database(dir.path()) else { return };
    let rows = database.ask("SELECT * FROM t ORDER BY a").unwrap();
    let expected =
        [json!([1, "it's \"so\" \\", 2.5, "1995-03-15"]), json!([2, "then", -0.01, "1998-12-31"])];
    assert_eq!(rows, expected);
    assert_eq!(database.ask("SELECT current_setting('threads')").unwrap(), [json!([1])]);
    assert_eq!(database.cpu(), Duration::ZERO);
    assert_eq!(database.run(&["SELECT a FROM t", "SELECT sum(c) FROM t;"]).unwrap(), 3);
    let once = database.cpu();
    assert!(once > Duration::ZERO);
    assert_eq!(database.run(&["SELECT sum(range) FROM range(100000)"]).unwrap(), 1);
    assert!(database.cpu() > once);
}

#[test]
fn a_failing_query_is_named_and_the_next_one_is_answered() {
    let dir = tempfile::tempdir().unwrap();
    let Some(database) = database(dir.path()) else { return };
    let error = database.run(&["SELECT 1", "SELECT x FROM t\n"]).unwrap_err().to_string();
    assert!(error.starts_with("duckdb cannot run SELECT x FROM t: Binder Error"), "{error}");
    assert_eq!(database.ask("SELECT NULL").unwrap(), [json!([null])]);
}

#[test]
fn an_interpreter_without_the_wheel_is_no_peer() {
    let error = Wheel::of("false".into()).unwrap_err().to_string();
    assert_eq!(error, "false has no such module (LIGHTNING_PYTHON names another)");
    let error = Wheel::of("/nonexistent/python".into()).unwrap_err().to_string();
    assert_eq!(error, "cannot start /nonexistent/python");
}

#[test]
fn a_process_that_ends_is_an_error() {
    for program in ["true", "false"] {
        let database = Database::start(&mut Command::new(program)).unwrap();
        for _ in 0..2 {
            let error = database.run(&["SELECT 1"]).unwrap_err().to_string();
            assert!(error.contains("duckdb has ended with"), "{error}");
        }
    }
    let mut torn = Command::new("printf");
    let database = Database::start(torn.arg("{\"rows\"")).unwrap();
    assert!(database.ask("SELECT 1").unwrap_err().to_string().contains("has ended"));
}

#[test]
fn an_answer_of_another_kind_is_an_error() {
    let database = Database::start(Command::new("echo").arg("50 %")).unwrap();
    assert_eq!(database.run(&["SELECT 1"]).unwrap_err().to_string(), "duckdb says 50 %");
    // It gives each request back.
    let database = Database::start(&mut Command::new("cat")).unwrap();
    let error = database.run(&["SELECT 1"]).unwrap_err().to_string();
    assert!(error.starts_with("no cpu_ns in {\"request\":\"run\""), "{error}");
    assert_eq!(database.ask("SELECT 1").unwrap_err().to_string(), "the answer has no rows");
}

#[test]
fn the_process_ends_with_the_database() {
    let mut database = Database::start(&mut Command::new("cat")).unwrap();
    let child = database.process.get_mut().child.id();
    database.load(&["SELECT 1"]).unwrap();
    drop(database);
    assert!(!Path::new("/proc").join(child.to_string()).exists());
}
