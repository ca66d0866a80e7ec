//! What a request is answered with.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{
    ACCEPT, ACCEPT_ENCODING, ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE,
    HeaderMap, HeaderName, HeaderValue, VARY, WWW_AUTHENTICATE,
};
use hyper::{Method, Request, Response, StatusCode};

use crate::health::Health;
use crate::metrics::{Format, Metrics};
use crate::shutdown::Coordinator;

/// Shorter answers are sent as they are.
const GZIP_FROM: usize = 1 << 10;

pub(super) struct Answers {
    pub(super) metrics: Metrics,
    pub(super) health: Health,
    pub(super) coordinator: Coordinator,
    pub(super) token: Option<String>,
}

impl Answers {
    pub(super) async fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let headers = request.headers();
        let path = request.uri().path();
        if !matches!(path, "/metrics" | "/health" | "/livez" | "/readyz" | "/startupz") {
            return plain(StatusCode::NOT_FOUND, "there is nothing here");
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let answer = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD");
            return with(answer, ALLOW, "GET, HEAD");
        }
        if matches!(path, "/metrics" | "/health") && !self.is_allowed(headers) {
            let answer = plain(StatusCode::UNAUTHORIZED, "a token is wanted");
            return with(answer, WWW_AUTHENTICATE, "Bearer");
        }
        match path {
            "/metrics" => self.metrics(headers).await,
            "/health" => self.health().await,
            "/livez" => plain(StatusCode::OK, "ok"),
            "/startupz" => probe(self.coordinator.has_started(), "starting"),
            _ => self.readiness().await,
        }
    }

    /// Compares all of the token, so that the time tells nothing of where it differs.
    fn is_allowed(&self, headers: &HeaderMap) -> bool {
        let Some(token) = &self.token else { return true };
        let given = headers.get(AUTHORIZATION).map_or(&b""[..], HeaderValue::as_bytes);
        let Some(given) = given.strip_prefix(b"Bearer ") else { return false };
        let pairs = given.iter().zip(token.as_bytes());
        let difference = pairs.fold(0, |all, (a, b)| all | (a ^ b));
        given.len() == token.len() && difference == 0
    }

    async fn metrics(&self, headers: &HeaderMap) -> Response<Full<Bytes>> {
        let text = |name: HeaderName| headers.get(name).and_then(|it| it.to_str().ok());
        let format = Format::of_accept(text(ACCEPT).unwrap_or_default());
        let is_gzip = accepts_gzip(text(ACCEPT_ENCODING).unwrap_or_default());
        let metrics = self.metrics.clone();
        let rendered = tokio::task::spawn_blocking(move || {
            let text = metrics.render(format).into_bytes();
            if is_gzip && text.len() >= GZIP_FROM { gzip(text) } else { (text, false) }
        });
        let Ok((body, is_gzip)) = rendered.await else {
            return plain(StatusCode::INTERNAL_SERVER_ERROR, "a source of metrics panicked");
        };
        let answer = Response::new(Full::new(Bytes::from(body)));
        let answer = with(answer, CONTENT_TYPE, format.content_type());
        let answer = with(answer, VARY, "accept, accept-encoding");
        if is_gzip { with(answer, CONTENT_ENCODING, "gzip") } else { answer }
    }

    async fn health(&self) -> Response<Full<Bytes>> {
        let health = self.health.clone();
        let Ok(report) = tokio::task::spawn_blocking(move || health.report()).await else {
            return plain(StatusCode::INTERNAL_SERVER_ERROR, "the checks could not be asked");
        };
        let body = serde_json::json!({
            "status": if report.is_healthy { "healthy" } else { "unhealthy" },
            "ready": report.is_ready && self.coordinator.is_ready(),
            "phase": self.coordinator.phase(),
            "operations_open": self.coordinator.operations().open,
            "checks": report.checks,
        });
        let mut answer = Response::new(Full::new(Bytes::from(body.to_string())));
        if !report.is_healthy {
            *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        }
        with(answer, CONTENT_TYPE, "application/json")
    }

    async fn readiness(&self) -> Response<Full<Bytes>> {
        if !self.coordinator.is_ready() {
            return probe(false, "not ready");
        }
        let health = self.health.clone();
        let report = tokio::task::spawn_blocking(move || health.report()).await;
        probe(report.is_ok_and(|report| report.is_ready), "a check fails: see /health")
    }
}

fn gzip(text: Vec<u8>) -> (Vec<u8>, bool) {
    let mut encoder = GzEncoder::new(Vec::with_capacity(text.len() / 4), Compression::fast());
    match encoder.write_all(&text).and_then(|()| encoder.finish()) {
        Ok(packed) => (packed, true),
        Err(_) => (text, false),
    }
}

fn accepts_gzip(header: &str) -> bool {
    header.split(',').any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let is_named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
        let weight = parts.find_map(|it| it.strip_prefix("q="));
        is_named && weight.is_none_or(|weight| weight.parse::<f64>().is_ok_and(|it| it > 0.0))
    })
}

fn probe(is_well: bool, otherwise: &'static str) -> Response<Full<Bytes>> {
    if is_well {
        plain(StatusCode::OK, "ok")
    } else {
        plain(StatusCode::SERVICE_UNAVAILABLE, otherwise)
    }
}

fn plain(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
    *answer.status_mut() = status;
    let answer = with(answer, CONTENT_TYPE, "text/plain; charset=utf-8");
    with(answer, CACHE_CONTROL, "no-store")
}

fn with(
    mut answer: Response<Full<Bytes>>,
    name: HeaderName,
    value: &'static str,
) -> Response<Full<Bytes>> {
    answer.headers_mut().insert(name, HeaderValue::from_static(value));
    answer
}
