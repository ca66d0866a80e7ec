//! A service over `tokio-postgres`: each request takes a connection, `/health` shows the pool, and
//! the end waits for those who use one.
//!
//! `DATABASE='host=localhost user=postgres' cargo run -p lightning-db-pool --example axum_postgres
//! --features tokio-postgres`

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Router, serve};
use lightning_db_pool::managers::PostgresManager;
use lightning_db_pool::{Backend, Pool};
use tokio::net::TcpListener;

type Connections = Pool<PostgresManager>;

async fn time(State(pool): State<Connections>) -> Result<String, (StatusCode, String)> {
    let unavailable =
        |error: &dyn std::error::Error| (StatusCode::SERVICE_UNAVAILABLE, error.to_string());
    let client = pool.get().await.map_err(|error| unavailable(&error))?;
    let row = client.query_one("SELECT now()::text", &[]).await;
    Ok(row.map_err(|error| unavailable(&error))?.get(0))
}

async fn health(State(pool): State<Connections>) -> (StatusCode, String) {
    let code = if pool.is_available() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, format!("{pool:?}"))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::var("DATABASE").unwrap_or_else(|_| "host=localhost".to_owned());
    let backend = Backend::new(address);
    let pool = Pool::builder(PostgresManager::new()).backend(backend).min_idle(1).build()?;
    pool.ready().await?;

    let routes = Router::new().route("/time", get(time)).route("/health", get(health));
    let listener = TcpListener::bind("127.0.0.1:8080").await?;
    let stop = async {
        // Without signals it runs until it is killed.
        let _ = tokio::signal::ctrl_c().await;
    };
    serve(listener, routes.with_state(pool.clone())).with_graceful_shutdown(stop).await?;
    pool.close(Duration::from_secs(10)).await;
    Ok(())
}
