//! The endpoint as clients see it, good and bad ones.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};

use super::*;
use crate::health::CheckOptions;
use crate::metrics::{MetricsOptions, lint};

const REQUESTS: u64 = 2_000;

struct Service {
    endpoint: Endpoint,
    health: Health,
    coordinator: Coordinator,
}

fn service(change: impl FnOnce(EndpointOptions) -> EndpointOptions) -> Service {
    let metrics = MetricsOptions::new().build().unwrap();
    let (health, coordinator) = (Health::new(), Coordinator::new().unwrap());
    let options = change(EndpointOptions::new((Ipv4Addr::LOCALHOST, 0).into()));
    let endpoint = options.start(&metrics, &health, &coordinator).unwrap();
    Service { endpoint, health, coordinator }
}

impl Service {
    fn send(&self, bytes: &[u8]) -> Vec<u8> {
        let mut socket = TcpStream::connect(self.endpoint.address()).unwrap();
        // A server that has seen enough closes before all is sent.
        let _ = socket.write_all(bytes);
        let _ = socket.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _ = socket.read_to_end(&mut answer);
        answer
    }

    /// The head, in lower case, and the body.
    fn ask(&self, request: &str, headers: &str) -> (String, Vec<u8>) {
        let request = format!("{request} HTTP/1.1\r\nhost: a\r\n{headers}\r\n");
        let answer = self.send(request.as_bytes());
        let end = answer.windows(4).position(|it| it == b"\r\n\r\n").expect("no head") + 4;
        let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
        (head, answer[end..].to_vec())
    }

    fn status(&self, request: &str) -> u16 {
        self.ask(request, "").0.split(' ').nth(1).unwrap().parse().unwrap()
    }
}

#[test]
fn metrics_come_in_the_format_and_coding_that_is_asked_for() {
    let service = service(|options| options);
    let (head, body) = service.ask("GET /metrics", "");
    assert!(head.contains("content-type: text/plain; version=0.0.4; charset=utf-8"), "{head}");
    assert!(lint(&String::from_utf8(body).unwrap()).is_empty());
    let accept = "accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5\r\n";
    let (head, body) = service.ask("GET /metrics?x=1", accept);
    assert!(head.contains("content-type: application/openmetrics-text; version=1.0.0"), "{head}");
    assert!(body.ends_with(b"# EOF\n"));
    let (head, body) = service.ask("HEAD /metrics", "");
    assert!(head.starts_with("http/1.1 200") && body.is_empty(), "{head}");
    // Short answers stay as they are.
    assert!(!service.ask("GET /livez", "accept-encoding: gzip\r\n").0.contains("gzip"));
}

#[test]
fn long_answers_are_packed_where_that_is_accepted() {
    let metrics = MetricsOptions::new().build().unwrap();
    let series = (0..100).map(|number| number.to_string());
    metrics.with(|| series.for_each(|n| metrics::counter!("c_total", "n" => n).increment(1)));
    let coordinator = Coordinator::new().unwrap();
    let options = EndpointOptions::new((Ipv4Addr::LOCALHOST, 0).into());
    let endpoint = options.start(&metrics, &Health::new(), &coordinator).unwrap();
    let service = Service { endpoint, health: Health::new(), coordinator };
    let (head, packed) = service.ask("GET /metrics", "accept-encoding: br, gzip;q=0.8\r\n");
    assert!(head.contains("content-encoding: gzip"), "{head}");
    let mut text = String::new();
    flate2::read::GzDecoder::new(&packed[..]).read_to_string(&mut text).unwrap();
    assert!(text.contains("c_total{n=\"99\"} 1"));
    assert!(packed.len() < text.len() / 2);
    let (head, _) = service.ask("GET /metrics", "accept-encoding: gzip;q=0\r\n");
    assert!(!head.contains("content-encoding"), "{head}");
}

#[test]
fn other_paths_and_methods_are_refused() {
    let service = service(|options| options);
    for path in ["/", "/metrics/", "/Metrics", "/health2", "//metrics", "*"] {
        assert_eq!(service.status(&format!("GET {path}")), 404, "{path}");
    }
    for method in ["POST", "DELETE", "PUT", "OPTIONS", "TRACE", "NONSENSE"] {
        let (head, _) = service.ask(&format!("{method} /metrics"), "");
        assert!(head.starts_with("http/1.1 405") && head.contains("allow: get, head"), "{head}");
    }
}

#[test]
fn probes_follow_the_service() {
    let service = service(|options| options);
    assert_eq!(service.status("GET /livez"), 200);
    assert_eq!(service.status("GET /startupz"), 503);
    assert_eq!(service.status("GET /readyz"), 503);
    service.coordinator.set_ready(true);
    assert_eq!(service.status("GET /startupz"), 200);
    assert_eq!(service.status("GET /readyz"), 200);
    let check = service.health.register("disk", CheckOptions::default(), || Err("full".into()));
    assert_eq!(service.status("GET /readyz"), 503);
    let (head, body) = service.ask("GET /health", "");
    assert!(head.starts_with("http/1.1 503"), "{head}");
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["checks"]["disk"]["detail"], "full");
    assert_eq!((&body["status"], &body["ready"]), (&"unhealthy".into(), &false.into()));
    drop(check);
    assert_eq!(service.status("GET /health"), 200);
    // The endpoint shows the shutdown until its own turn comes.
    let registered = service.coordinator.register(service.endpoint.component()).unwrap();
    let operation = service.coordinator.begin_operation("work").unwrap();
    service.coordinator.initiate();
    assert_eq!(service.status("GET /readyz"), 503);
    assert_eq!(service.status("GET /startupz"), 200);
    assert_eq!(service.status("GET /livez"), 200);
    drop(operation);
    assert!(service.coordinator.wait_blocking().is_clean());
    assert!(TcpStream::connect(service.endpoint.address()).is_err());
    drop(registered);
}

#[test]
fn a_token_is_wanted_where_others_can_ask() {
    let service = service(|options| options.token("secret"));
    assert_eq!(service.status("GET /metrics"), 401);
    assert_eq!(service.status("GET /health"), 401);
    assert_eq!(service.status("GET /livez"), 200);
    let status = |header: &str| service.ask("GET /metrics", header).0[9..12].to_owned();
    assert_eq!(status("authorization: Bearer secret\r\n"), "200");
    for wrong in ["Bearer secre", "Bearer secrets", "Bearer Secret", "secret", "Basic secret"] {
        assert_eq!(status(&format!("authorization: {wrong}\r\n")), "401", "{wrong}");
    }
    let metrics = MetricsOptions::new().build().unwrap();
    let start = |options: EndpointOptions| {
        let coordinator = Coordinator::new().unwrap();
        options.start(&metrics, &Health::new(), &coordinator).map(drop).map_err(|it| it.to_string())
    };
    let open = EndpointOptions::new((Ipv4Addr::UNSPECIFIED, 0).into());
    assert!(start(open.clone()).unwrap_err().contains("others can reach it"));
    assert!(start(open.clone().token("")).unwrap_err().contains("everybody knows it"));
    assert!(start(open.clone().token("x").connections_max(0)).unwrap_err().contains("nobody"));
    start(open.token("x")).unwrap();
    let taken = EndpointOptions::new(service.endpoint.address());
    assert!(start(taken).unwrap_err().contains("HTTP endpoint"));
}

#[test]
fn stuck_clients_are_closed_and_others_are_served() {
    let service =
        service(|options| options.connections_max(4).request_timeout(Duration::from_millis(50)));
    // More of them than connections: each gets its time and no more.
    let stuck: Vec<_> = (0..12)
        .map(|number| {
            let mut socket = TcpStream::connect(service.endpoint.address()).unwrap();
            let text: &[u8] = if number % 2 == 0 { b"" } else { b"GET /metrics HTTP/1.1\r\nx: " };
            socket.write_all(text).unwrap();
            socket
        })
        .collect();
    assert_eq!(service.status("GET /livez"), 200);
    for mut socket in stuck {
        let mut answer = Vec::new();
        // It ends, by a close or a reset; or this would wait for ever.
        let _ = socket.read_to_end(&mut answer);
        assert!(!answer.starts_with(b"HTTP/1.1 200"));
    }
}

#[test]
fn malformed_requests_are_refused_and_serving_goes_on() {
    let start = variable("LIGHTNING_HTTP_START").unwrap_or(0);
    let count = variable("LIGHTNING_HTTP_REQUESTS").unwrap_or(REQUESTS);
    let service = service(|options| options.request_timeout(Duration::from_secs(2)));
    let mut before = None;
    let valid = b"GET /metrics HTTP/1.1\r\nhost: a\r\naccept: text/plain;q=0.5\r\n\r\n";
    for number in start..start + count {
        if number == start + count / 4 {
            before = anonymous_memory();
        }
        let mut random = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut draw = |below: usize| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            usize::try_from(random % below as u64).unwrap()
        };
        let mut bytes = valid.to_vec();
        match draw(4) {
            // A head without an end, larger than any that is read.
            0 => bytes = [b"GET / HTTP/1.1\r\nx: ".to_vec(), vec![b'y'; 20_000]].concat(),
            1 => bytes.truncate(draw(valid.len())),
            2 => bytes = (0..draw(200)).map(|_| u8::try_from(draw(256)).unwrap()).collect(),
            _ => {
                for _ in 0..=draw(4) {
                    let at = draw(bytes.len());
                    bytes[at] = u8::try_from(draw(256)).unwrap();
                }
            }
        }
        let answer = service.send(&bytes);
        let is_answer = answer.is_empty() || answer.starts_with(b"HTTP/1.");
        assert!(is_answer, "replay: LIGHTNING_HTTP_START={number} LIGHTNING_HTTP_REQUESTS=1");
    }
    assert_eq!(service.status("GET /metrics"), 200);
    // Counted where the system does, and behind the first quarter, which takes what is kept.
    if let (Some(before), Some(after)) = (before, anonymous_memory()) {
        assert!(after < before + (16 << 20), "from {before} bytes to {after}");
    }
}

/// Bytes of this process that no file is behind.
fn anonymous_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? << 10)
}

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}
