//! The endpoint: metrics, health and probes over HTTP, for as long as the service lives.

mod answer;
#[cfg(feature = "tls")]
mod tls;

use std::convert::Infallible;
use std::fmt;
use std::future::{Future, poll_fn};
use std::net::{SocketAddr, TcpListener};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::thread::JoinHandle;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::sync::{Semaphore, watch};

use self::answer::Answers;
#[cfg(feature = "tls")]
pub use self::tls::TlsIdentity;
use crate::error::{Error, Result};
use crate::health::Health;
use crate::metrics::Metrics;
use crate::shutdown::{Component, Coordinator, Priority};

/// Bytes of the head of a request.
const HEAD_MAX: usize = 8 << 10;
/// Headers of a request.
const HEADERS_MAX: usize = 64;
/// Threads that render metrics and ask checks.
const BLOCKING_THREADS: usize = 4;

/// Where the endpoint listens, and what it bears.
#[derive(Debug, Clone)]
#[must_use]
pub struct EndpointOptions {
    address: SocketAddr,
    token: Option<String>,
    #[cfg(feature = "tls")]
    tls: Option<TlsIdentity>,
    connections_max: usize,
    request_timeout: Duration,
}

/// A running endpoint, on a thread of its own. It ends when this is dropped, or with the service.
///
/// | path | answer |
/// |---|---|
/// | `/metrics` | metrics, as Prometheus text or `OpenMetrics` after `Accept`; gzip where accepted |
/// | `/health` | all checks as JSON; 503 if one fails |
/// | `/livez` | 200: the process answers |
/// | `/readyz` | 200 if the service takes requests; 503 from the moment a shutdown begins |
/// | `/startupz` | 200 once the service has been ready |
///
/// It serves HTTP, or HTTPS alone with the feature `tls`. Other paths are 404, other methods than
/// GET and HEAD 405. With a token, `/metrics` and `/health` want it as `Authorization: Bearer
/// TOKEN`. A connection serves one request, and is closed when that takes too long, whoever is
/// slow.
pub struct Endpoint {
    address: SocketAddr,
    running: Arc<Running>,
}

struct Running {
    stop: watch::Sender<bool>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl EndpointOptions {
    /// An endpoint at this address; port 0 takes a free one.
    pub fn new(address: SocketAddr) -> Self {
        let request_timeout = Duration::from_secs(10);
        Self {
            address,
            token: None,
            #[cfg(feature = "tls")]
            tls: None,
            connections_max: 64,
            request_timeout,
        }
    }

    /// What a request has to bear to see metrics and health.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// Serves HTTPS alone, with this certificate.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, identity: TlsIdentity) -> Self {
        self.tls = Some(identity);
        self
    }

    /// Most connections at once: 64 otherwise. Others wait in the listener's queue.
    pub fn connections_max(mut self, count: usize) -> Self {
        self.connections_max = count;
        self
    }

    /// How long a connection may take from its beginning to its end: 10 s otherwise.
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.request_timeout = timeout;
        self
    }

    /// Starts the endpoint.
    ///
    /// # Errors
    /// [`Error::Option`] for an address that others can reach without a token and without TLS, for
    /// an empty token, and for no connections; [`Error::Start`] if the address cannot be listened
    /// at.
    pub fn start(
        self,
        metrics: &Metrics,
        health: &Health,
        coordinator: &Coordinator,
    ) -> Result<Endpoint> {
        let refuse = |option, value, reason| Err(Error::Option { option, value, reason });
        #[cfg(feature = "tls")]
        let has_tls = self.tls.is_some();
        #[cfg(not(feature = "tls"))]
        let has_tls = false;
        if !self.address.ip().is_loopback() && self.token.is_none() && !has_tls {
            let reason = "others can reach it: give the endpoint a token, or TLS";
            return refuse("address", self.address.to_string(), reason);
        }
        if self.token.as_ref().is_some_and(String::is_empty) {
            return refuse("token", String::new(), "everybody knows it");
        }
        if self.connections_max == 0 {
            return refuse("connections_max", "0".to_owned(), "nobody could ask");
        }
        let start = |source| Error::Start { what: "the HTTP endpoint", source };
        let listener = TcpListener::bind(self.address).map_err(start)?;
        listener.set_nonblocking(true).map_err(start)?;
        let address = listener.local_addr().map_err(start)?;
        let runtime = Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .max_blocking_threads(BLOCKING_THREADS)
            .build()
            .map_err(start)?;
        let listener = {
            let _entered = runtime.enter();
            tokio::net::TcpListener::from_std(listener).map_err(start)?
        };
        let (metrics, health) = (metrics.clone(), health.clone());
        let answers =
            Answers { metrics, health, coordinator: coordinator.clone(), token: self.token };
        let (stop, stopped) = watch::channel(false);
        let serving = Serving {
            answers: Arc::new(answers),
            #[cfg(feature = "tls")]
            tls: self.tls.as_ref().map(TlsIdentity::acceptor),
            free: Arc::new(Semaphore::new(self.connections_max)),
            connections_max: self.connections_max,
            timeout: self.request_timeout,
        };
        let thread = std::thread::Builder::new().name("ops-http".to_owned());
        let serve = move || {
            runtime.block_on(serving.serve(listener, stopped));
            // A check that hangs must not keep the service from ending.
            runtime.shutdown_background();
        };
        let thread = Mutex::new(Some(thread.spawn(serve).map_err(start)?));
        Ok(Endpoint { address, running: Arc::new(Running { stop, thread }) })
    }
}

impl Endpoint {
    /// The address that it listens at.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The endpoint as a component that is shut down among the last, so that probes and metrics
    /// show the shutdown itself.
    pub fn component(&self) -> Component {
        let running = Arc::clone(&self.running);
        Component::new("http-endpoint").priority(Priority::Background).on_shutdown(move |_| {
            running.stop();
            Ok(())
        })
    }
}

impl Running {
    /// Takes no more connections, and waits for those that are open, each within its limit.
    fn stop(&self) {
        // The receiver is gone if it has ended by itself.
        let _ = self.stop.send(true);
        if let Some(thread) = self.thread.lock().take() {
            // It ends without a panic, or there is nothing to be done about it.
            let _ = thread.join();
        }
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.running.stop();
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("address", &self.address).finish_non_exhaustive()
    }
}

struct Serving {
    answers: Arc<Answers>,
    #[cfg(feature = "tls")]
    tls: Option<tokio_rustls::TlsAcceptor>,
    free: Arc<Semaphore>,
    connections_max: usize,
    timeout: Duration,
}

impl Serving {
    async fn serve(self, listener: tokio::net::TcpListener, mut stopped: watch::Receiver<bool>) {
        let mut stop = pin!(stopped.wait_for(|stopped| *stopped));
        loop {
            let Ok(permit) = Arc::clone(&self.free).acquire_owned().await else { return };
            let accepted = poll_fn(|context| {
                if stop.as_mut().poll(context).is_ready() {
                    return Poll::Ready(None);
                }
                listener.poll_accept(context).map(Some)
            });
            let Some(accepted) = accepted.await else { break };
            // Too many open files, or a client that is gone: the next may do better, and a pause
            // keeps this from turning in place.
            let Ok((socket, _)) = accepted else {
                tokio::time::sleep(Duration::from_millis(10)).await;
                continue;
            };
            let serving = self.serve_client(socket);
            let timeout = self.timeout;
            tokio::spawn(async move {
                // Whatever became of it, the connection is over.
                let _ = tokio::time::timeout(timeout, serving).await;
                drop(permit);
            });
        }
        drop(listener);
        let all = u32::try_from(self.connections_max).unwrap_or(u32::MAX);
        // Each has its limit, and so has this; closed semaphores there are none.
        let _ = self.free.acquire_many(all).await;
    }

    fn serve_client(&self, socket: TcpStream) -> impl Future<Output = ()> + Send + 'static {
        let answers = Arc::clone(&self.answers);
        #[cfg(feature = "tls")]
        let tls = self.tls.clone();
        async move {
            #[cfg(feature = "tls")]
            if let Some(tls) = tls {
                // One that speaks no TLS, or does not like the certificate, is gone.
                if let Ok(socket) = tls.accept(socket).await {
                    serve_one(socket, answers).await;
                }
                return;
            }
            serve_one(socket, answers).await;
        }
    }
}

async fn serve_one(socket: impl AsyncRead + AsyncWrite + Unpin + 'static, answers: Arc<Answers>) {
    let service = service_fn(|request| {
        let answers = Arc::clone(&answers);
        async move { Ok::<_, Infallible>(answers.answer(&request).await) }
    });
    let mut connection = http1::Builder::new();
    connection
        .timer(TokioTimer::new())
        .keep_alive(false)
        // A client may say that it has no more to send, and still wants its answer.
        .half_close(true)
        .max_buf_size(HEAD_MAX)
        .max_headers(HEADERS_MAX);
    // A client that breaks off, or speaks something else, is answered by the end.
    let _ = connection.serve_connection(TokioIo::new(socket), service).await;
}

#[cfg(test)]
mod tests;
