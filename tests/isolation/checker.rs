//! Whether the checker finds what was put into a history by hand: a verdict of "no anomaly" is
//! worth as much as this.

use adya::{History, Opts, Valid, Workload, check};

/// A list-append history: process, whether it committed, and the transaction as JSON. All run at
/// the same time.
fn check_lists(transactions: &[(&str, &str)], model: &str, expected: &str) {
    let mut lines = String::new();
    for (process, (_, value)) in transactions.iter().enumerate() {
        let line = format!(r#"{{"type":"invoke","process":{process},"value":{value}}}"#);
        lines.push_str(&line);
        lines.push('\n');
    }
    for (process, (kind, value)) in transactions.iter().enumerate() {
        let line = format!(r#"{{"type":"{kind}","process":{process},"value":{value}}}"#);
        lines.push_str(&line);
        lines.push('\n');
    }
    let history = History::from_json(&lines).unwrap();
    let options = Opts { models: vec![model.into()], ..Opts::default() };
    let report = check(&history, Workload::ListAppend, &options);
    let found = &report.anomaly_types;
    if expected.is_empty() {
        assert_eq!(report.valid, Valid::True, "{found:?}");
    } else {
        assert_eq!(report.valid, Valid::False, "{expected} was not found");
        assert!(found.iter().any(|anomaly| anomaly == expected), "{found:?}, not {expected}");
    }
}

const WRITE_SKEW: [(&str, &str); 2] = [
    ("ok", r#"[["r","x",[]],["r","y",[]],["append","x",1]]"#),
    ("ok", r#"[["r","x",[]],["r","y",[]],["append","y",1]]"#),
];

#[test]
fn checker_accepts_a_serial_history() {
    let serial = [
        ("ok", r#"[["r","x",[]],["append","x",1]]"#),
        ("ok", r#"[["r","x",[1]],["append","x",2]]"#),
        ("ok", r#"[["r","x",[1,2]]]"#),
    ];
    check_lists(&serial, "strict-serializable", "");
}

#[test]
fn checker_finds_a_dirty_write() {
    let history = [
        ("ok", r#"[["append","x",1],["append","y",1]]"#),
        ("ok", r#"[["append","x",2],["append","y",2]]"#),
        ("ok", r#"[["r","x",[1,2]],["r","y",[2,1]]]"#),
    ];
    check_lists(&history, "snapshot-isolation", "G0");
}

#[test]
fn checker_finds_a_dirty_read() {
    let history = [("fail", r#"[["append","x",1]]"#), ("ok", r#"[["r","x",[1]]]"#)];
    check_lists(&history, "snapshot-isolation", "G1a");
}

#[test]
fn checker_finds_an_intermediate_read() {
    let history = [("ok", r#"[["append","x",1],["append","x",2]]"#), ("ok", r#"[["r","x",[1]]]"#)];
    check_lists(&history, "snapshot-isolation", "G1b");
}

#[test]
fn checker_finds_a_circle_of_reads() {
    let history = [
        ("ok", r#"[["append","x",1],["r","y",[1]]]"#),
        ("ok", r#"[["append","y",1],["r","x",[1]]]"#),
    ];
    check_lists(&history, "snapshot-isolation", "G1c");
}

#[test]
fn checker_finds_a_read_skew() {
    let history = [
        ("ok", r#"[["append","x",1],["append","y",1]]"#),
        ("ok", r#"[["r","x",[]],["r","y",[1]]]"#),
    ];
    check_lists(&history, "snapshot-isolation", "G-single-item");
}

#[test]
fn checker_finds_a_lost_update() {
    let history = [
        ("ok", r#"[["r","x",[]],["append","x",1]]"#),
        ("ok", r#"[["r","x",[]],["append","x",2]]"#),
        ("ok", r#"[["r","x",[1,2]]]"#),
    ];
    check_lists(&history, "snapshot-isolation", "G-single-item");
    check_lists(&history, "serializable", "lost-update");
}

#[test]
fn checker_finds_write_skew_below_serializable_only() {
    check_lists(&WRITE_SKEW, "serializable", "G2-item");
    check_lists(&WRITE_SKEW, "snapshot-isolation", "");
}
