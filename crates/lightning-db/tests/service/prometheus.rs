//! What Prometheus itself says of the metrics, the rules and the endpoint, where it is installed.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

use lightning_db::ops::metrics::{Format, Keeping, MetricsOptions};
use lightning_db::ops::{EndpointOptions, METRICS, ServiceOptions};

use crate::{drive, open};

const MONITORING: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/monitoring");

#[test]
fn the_dashboard_and_the_alerts_name_metrics_that_are_there() {
    let of_kit = ["lightningdb_metrics_dropped_series_total"];
    let known: Vec<&str> = METRICS.iter().map(|metric| metric.name).chain(of_kit).collect();
    for file in ["dashboard.json", "alerts.yml", "alerts_test.yml"] {
        let text = std::fs::read_to_string(format!("{MONITORING}/{file}")).unwrap();
        let mut found = 0;
        for (start, _) in text.match_indices("lightningdb_") {
            let is_part = |c: char| c.is_ascii_lowercase() || c == '_';
            let name = text[start..].split(|c| !is_part(c)).next().unwrap();
            let name = name.strip_suffix("_bucket").unwrap_or(name);
            assert!(known.contains(&name), "{file}: {name}");
            found += 1;
        }
        assert!(found > 5, "{file}");
    }
}

/// What promtool says; `None` where it is not installed.
fn promtool(arguments: &[&str], input: &str) -> Option<std::process::Output> {
    use std::process::{Command, Stdio};
    let mut command = Command::new("promtool");
    command.args(arguments).current_dir(MONITORING);
    let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = pipes.spawn().ok()?;
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    Some(child.wait_with_output().unwrap())
}

#[test]
fn promtool_has_nothing_to_say() {
    let [exporter, bounded] = [Keeping::Exporter, Keeping::Bounded].map(|keeping| {
        let dir = tempfile::tempdir().unwrap();
        let store = open(&dir);
        let options = MetricsOptions::new().keeping(keeping);
        let service = ServiceOptions::new().metrics(options).start(&store).unwrap();
        let kept = drive(&service, &store);
        let text = service.metrics().render(Format::Text);
        drop(kept);
        text
    });
    for (arguments, input) in [
        (&["check", "metrics"][..], exporter.as_str()),
        (&["check", "metrics"][..], bounded.as_str()),
        (&["check", "rules", "alerts.yml"][..], ""),
        (&["test", "rules", "alerts_test.yml"][..], ""),
    ] {
        let Some(output) = promtool(arguments, input) else {
            println!("skipped: promtool, of the package prometheus, is not installed");
            return;
        };
        assert!(output.status.success(), "{output:?}");
    }
    let bad = promtool(&["check", "metrics"], "a_total 1\n").unwrap();
    assert!(!bad.status.success(), "it has to find what is wrong: {bad:?}");
}

/// Ends what it started.
struct Running(std::process::Child);

impl Drop for Running {
    fn drop(&mut self) {
        // One that has ended cannot be killed, and need not be.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn prometheus_scrapes_the_endpoint() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let options = EndpointOptions::new((Ipv4Addr::LOCALHOST, 0).into()).token("secret");
    let metrics = MetricsOptions::new().keeping(Keeping::Bounded);
    let options = ServiceOptions::new().endpoint(options).metrics(metrics);
    let service = options.start(&store).unwrap();
    let kept = drive(&service, &store);
    let (sender, scraped) = channel();
    let _source = service.metrics().register(move || sender.send(()).unwrap_or_default());
    let target = service.address().unwrap();
    let config = format!(
        "global: {{scrape_interval: 100ms}}\nscrape_configs:\n- job_name: store\n  authorization: \
         {{credentials: secret}}\n  static_configs: [{{targets: ['{target}']}}]\n"
    );
    std::fs::write(dir.path().join("prometheus.yml"), config).unwrap();
    // A port that is free now; whoever takes it first makes the test fail, not pass.
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let mut command = Command::new("prometheus");
    let flags = ["--config.file=prometheus.yml", "--storage.tsdb.path=tsdb"];
    command.args(flags).arg(format!("--web.listen-address={address}")).current_dir(dir.path());
    let Ok(child) = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn() else {
        println!("skipped: prometheus is not installed");
        return;
    };
    let _running = Running(child);
    let ask = |query: &str| {
        let mut socket = TcpStream::connect(address).ok()?;
        let request = format!("GET /api/v1/query?query={query} HTTP/1.0\r\nhost: a\r\n\r\n");
        socket.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer).ok()?;
        Some(answer)
    };
    // What one scrape has brought can be asked for at one of the next, if not at the next.
    let has_seen = |query: &str, value: &str| {
        (0..100).any(|_| {
            scraped.recv_timeout(Duration::from_secs(30)).expect("nobody scrapes");
            ask(query).is_some_and(|answer| answer.contains(&format!("\"{value}\"]")))
        })
    };
    assert!(has_seen("up", "1"));
    assert!(has_seen("lightningdb_commits_total{durability=\"buffered\"}", "200"));
    assert!(has_seen("count(lightningdb_operation_duration_seconds_bucket{le=\"%2BInf\"})", "5"));
    drop(kept);
}
