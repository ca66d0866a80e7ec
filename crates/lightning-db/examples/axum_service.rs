//! A service over axum that embeds a database: each request is an operation that a shutdown waits
//! for, metrics and health are served beside it, and Ctrl-C or SIGTERM loses nothing.
//!
//! `cargo run -p lightning-db --example axum_service --features monitoring,signals -- FOLDER`, then
//! `curl -X PUT http://127.0.0.1:8080/stock/apples/7`, `curl http://127.0.0.1:8080/stock/apples`,
//! and `curl http://127.0.0.1:9464/metrics`.

use std::net::Ipv4Addr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, put};
use lightning_db::ops::{Component, EndpointOptions, Operation, Service, ServiceOptions};
use lightning_db::{Keyspace, KeyspaceOptions, Store};
use tokio::net::TcpListener;
use tokio::sync::watch;

struct Shop {
    service: Service,
    stock: Keyspace,
}

type Answer = Result<String, (StatusCode, String)>;

/// Does a request on a thread that may wait for the disk, as an operation of the service.
async fn answer(
    shop: Arc<Shop>,
    body: impl FnOnce(&Shop) -> lightning_db::Result<Option<String>> + Send + 'static,
) -> Answer {
    let ended =
        |error: &dyn std::error::Error| (StatusCode::SERVICE_UNAVAILABLE, error.to_string());
    let operation =
        shop.service.coordinator().begin_operation("request").map_err(|error| ended(&error))?;
    let done = tokio::task::spawn_blocking(move || {
        let result = body(&shop);
        drop(operation);
        result
    });
    match done.await.map_err(|error| ended(&error))? {
        Ok(Some(text)) => Ok(text),
        Ok(None) => Err((StatusCode::NOT_FOUND, "there is none".to_owned())),
        Err(error) => Err((StatusCode::INTERNAL_SERVER_ERROR, error.to_string())),
    }
}

async fn read(State(shop): State<Arc<Shop>>, Path(item): Path<String>) -> Answer {
    answer(shop, move |shop| {
        let value = shop.service.meters().get(&shop.stock, &item)?;
        Ok(value.map(|value| String::from_utf8_lossy(&value).into_owned()))
    })
    .await
}

async fn write(State(shop): State<Arc<Shop>>, Path((item, count)): Path<(String, u64)>) -> Answer {
    answer(shop, move |shop| {
        let body = || shop.stock.insert(&item, count.to_string());
        // On the disk before it is answered: the level is sync where nothing else is asked for.
        shop.service.meters().measure(Operation::Transaction, body)?;
        Ok(Some("stored".to_owned()))
    })
    .await
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).ok_or("name the folder of the store")?;
    let (store, _) = Store::open(folder)?;
    let service = ServiceOptions::new()
        .endpoint(EndpointOptions::new((Ipv4Addr::LOCALHOST, 9464).into()))
        .start(&store)?;
    let coordinator = service.coordinator().clone();
    let _signals = coordinator.listen_for_signals()?;

    // The server takes nothing new from the drain on; the requests that it has are operations.
    let (end, mut stopped) = watch::channel(false);
    service.register(Component::new("server").on_drain(move |_| Ok(end.send(true)?)))?;

    let stock = store.keyspace("stock", KeyspaceOptions::new())?;
    let shop = Arc::new(Shop { service, stock });
    let routes = Router::new()
        .route("/stock/{item}", get(read))
        .route("/stock/{item}/{count}", put(write))
        .with_state(Arc::clone(&shop));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 8080)).await?;
    coordinator.set_ready(true);
    let until = async move {
        // The sender is there for as long as the service.
        let _ = stopped.wait_for(|stopped| *stopped).await;
    };
    let server =
        tokio::spawn(async { axum::serve(listener, routes).with_graceful_shutdown(until).await });

    let report = coordinator.wait().await;
    // A client that keeps its connection open keeps nothing else: the store is closed.
    server.abort();
    let mut out = std::io::stdout();
    std::io::Write::write_all(&mut out, report.to_string().as_bytes())?;
    if report.is_clean() { Ok(()) } else { Err("the shutdown was not clean".into()) }
}
