//! A store as a service: every metric moves with what it counts, and the end loses nothing.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod prometheus;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use lightning_db::ops::metrics::{Format, lint, reference, samples};
use lightning_db::ops::{
    Component, EndpointOptions, METRICS, Operation, Phase, Service, ServiceOptions, State,
};
use lightning_db::pool;
use lightning_db::query::build::column;
use lightning_db::query::{QueryBuilder, QueryEngine};
use lightning_db::sql::SqlEngine;
use lightning_db::storage::Maintenance;
use lightning_db::tables::index::{
    BitmapQuery, IndexQuery, KeyQuery, Location, SpatialQuery, TextQuery,
};
use lightning_db::tables::{
    ColumnDefinition, ColumnType, Point, Record, TableDefinition, Tables, Value,
};
use lightning_db::types::{Fault, SimVfs};
use lightning_db::{Durability, KeyspaceOptions, Store, StoreOptions, TransactionOptions};

#[derive(Record)]
#[record(table = "places", index(bloom, on(name), name = "names"))]
struct Place {
    #[record(key)]
    id: u64,
    #[record(unique(name = "unique_name"), fts(simple, name = "words"))]
    name: String,
    #[record(index(bitmap, name = "countries"), index(hash, name = "by_country"))]
    country: String,
    #[record(geo(sphere, name = "where"))]
    at: Point,
}

fn open(dir: &tempfile::TempDir) -> Store {
    StoreOptions::new(dir.path().join("db")).open().unwrap().0
}

/// Values by name and labels.
fn values(service: &Service) -> BTreeMap<String, f64> {
    let text = service.metrics().render(Format::Text);
    assert_eq!(lint(&text), Vec::<String>::new());
    let names = METRICS
        .iter()
        .flat_map(|metric| ["", "_count"].map(|suffix| format!("{}{suffix}", metric.name)));
    let all = names.flat_map(|name| samples(&text, &name));
    all.map(|sample| {
        let labels: Vec<_> = sample.labels.iter().map(|(_, value)| value.as_str()).collect();
        let name = sample.name.trim_start_matches("lightningdb_");
        (format!("{name} {}", labels.join(" ")).trim_end().to_owned(), sample.value)
    })
    .collect()
}

/// Does everything that there is a metric for.
fn drive(service: &Service, store: &Store) -> Vec<Box<dyn std::any::Any>> {
    let meters = service.meters();
    let keys = store.keyspace("keys", KeyspaceOptions::new()).unwrap();
    for level in [Durability::Memory, Durability::Buffered, Durability::Sync] {
        let keys = keys.with_durability(level);
        (0..200_u32).for_each(|n| keys.insert(n.to_be_bytes(), [7; 200]).unwrap());
    }
    keys.insert("large", vec![1; 2 << 20]).unwrap();
    keys.remove(0_u32.to_be_bytes()).unwrap();
    store.checkpoint().unwrap();
    keys.insert(1_u32.to_be_bytes(), "new").unwrap();
    store.compact().unwrap();
    let scanned = meters.measure(Operation::Scan, || {
        keys.iter().try_fold(0, |count, entry| entry.map(|_| count + 1))
    });
    assert_eq!(scanned.unwrap(), 200);
    assert_eq!(keys.iter().count(), 200);
    // Keys that are not there are in no cache, however they are looked for.
    for key in ["\0\0\0\u{5}a", "\0\0\0\u{50}a", "\0\0\0\u{9}a", "m"] {
        (0..3).for_each(|_| assert!(keys.get(key).unwrap().is_none()));
    }
    for _ in 0..3 {
        assert!(meters.get(&keys, 7_u32.to_be_bytes()).unwrap().is_some());
    }
    let changed = meters.measure(Operation::Transaction, || {
        store.run(|transaction| transaction.insert(&keys, "t", "1"))
    });
    changed.unwrap();
    let missing = meters.measure(Operation::Get, || store.open_keyspace("missing").map(drop));
    missing.unwrap_err();
    let others = store.keyspace("others", KeyspaceOptions::new()).unwrap();
    others.ingest([("a", "1"), ("b", "2")]).unwrap();
    others.clear().unwrap();
    vec![Box::new(store.snapshot())]
}

fn drive_tables(service: &Service, tables: &Tables) {
    let places = tables.typed::<Place>().unwrap();
    for (id, name, country) in [(1, "Bern", "CH"), (2, "Biel", "CH"), (3, "Como", "IT")] {
        let (name, country, at) = (name.to_owned(), country.to_owned(), Point { x: 7.4, y: 46.9 });
        places.insert(&Place { id, name, country, at }).unwrap();
    }
    tables
        .run(|transaction| {
            let table = transaction.table("places")?;
            transaction.delete(&table, &[2_u64.into()]).map(drop)
        })
        .unwrap();
    let snapshot = tables.snapshot();
    let reader = snapshot.read(&snapshot.table("places").unwrap()).unwrap();
    let (centre, distance) = (Location::new(7.45, 46.95), 30_000.0);
    for (index, query) in [
        ("unique_name", IndexQuery::Key(KeyQuery::equal(["Bern"]))),
        ("by_country", IndexQuery::Key(KeyQuery::equal(["CH"]))),
        ("names", IndexQuery::Key(KeyQuery::equal(["Bern"]))),
        ("countries", IndexQuery::Bitmap(BitmapQuery::equal("CH"))),
        ("words", IndexQuery::Text(TextQuery::term("bern"))),
        ("where", IndexQuery::Spatial(SpatialQuery::Near { centre, distance })),
    ] {
        service.meters().find(&reader, index, &query).unwrap();
    }
    let engine = QueryEngine::new(tables);
    let query = QueryBuilder::scan("places", "p").select([column("name")]);
    let statement = engine.prepare(&query).unwrap();
    let rows = service.meters().query(&statement, &snapshot, &[]).unwrap();
    assert_eq!(rows.len(), 2);
    let sql = SqlEngine::new(tables);
    service.add_sql(&sql);
    let connection = sql.connect();
    for _ in 0..3 {
        let outcome = service.meters().sql(&connection, "SELECT name FROM places", ()).unwrap();
        assert_eq!(outcome.into_rows().len(), 2);
    }
    service.meters().sql(&connection, "DELETE FROM places WHERE id = 1", ()).unwrap();
    service.meters().sql(&connection, "SELECT nothing FROM nowhere", ()).unwrap_err();
    // The second scan finds what the first one has decoded, but for the first rows.
    let numbers =
        TableDefinition::new("numbers").column(ColumnDefinition::new("n", ColumnType::I64));
    tables.create_table(numbers).unwrap();
    tables.insert_many("numbers", (0..9_000).map(|number| [Value::I64(number)])).unwrap();
    tables.store().compact().unwrap();
    let scan = QueryBuilder::scan("numbers", "n").filter(column("n").at_least(4_000_i64));
    let statement = sql.queries().prepare(&scan.select([column("n")])).unwrap();
    for _ in 0..2 {
        assert_eq!(statement.rows(&tables.snapshot(), &[]).unwrap().len(), 5_000);
    }
}

/// The values of a label that are known.
fn label_values(metric: &str, label: &str) -> &'static [&'static str] {
    let metric = METRICS.iter().find(|it| it.name == format!("lightningdb_{metric}")).unwrap();
    metric.labels.iter().find(|(name, _)| *name == label).unwrap().1
}

#[test]
fn every_metric_moves_with_what_it_counts() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let service = ServiceOptions::new().start(&store).unwrap();
    let (tables, _) = Tables::open(&store).unwrap();
    service.add_tables(&tables);
    let before = values(&service);

    let kept = drive(&service, &store);
    drive_tables(&service, &tables);
    let sessions = pool::sessions(&store).max_size(1).build().unwrap();
    service.add_pool("sessions", &sessions).unwrap();
    let session = sessions.get_blocking().unwrap();
    let waited = pool::Pool::get(&sessions).timeout(Duration::from_millis(1)).wait();
    assert!(waited.is_err());
    let replica = service.replica("follower");
    replica.applied(1);
    let operation = service.coordinator().begin_operation("request").unwrap();
    let keys = store.open_keyspace("keys").unwrap().with_durability(Durability::Memory);
    keys.insert("unsynced", "1").unwrap();
    let after = values(&service);

    let moved = |name: &str| after.get(name) > before.get(name).or(Some(&0.0));
    for metric in METRICS {
        let name = metric.name.trim_start_matches("lightningdb_");
        let of_it = after.keys().filter(|key| {
            key.split(' ').next().is_some_and(|it| it == name || it == format!("{name}_count"))
        });
        // A wait for a flush cannot be had for certain, and the shutdown comes below.
        let is_later = ["write_stalls_total", "write_stall_seconds_total", "shutdown_phase"];
        assert_eq!(of_it.clone().any(|key| moved(key)), !is_later.contains(&name), "{name}");
    }
    for operation in label_values("operations_total", "operation") {
        assert!(moved(&format!("operations_total {operation}")), "{operation}");
    }
    for kind in label_values("query_duration_seconds", "query_type") {
        assert!(moved(&format!("query_duration_seconds_count {kind}")), "{kind}");
    }
    for kind in label_values("index_operations_total", "index_type") {
        assert!(moved(&format!("index_operations_total {kind} find")), "{kind}");
    }
    for kind in ["ordered", "hash", "bitmap"] {
        assert!(moved(&format!("index_operations_total {kind} insert")), "{kind}");
        let is_removed = moved(&format!("index_operations_total {kind} remove"));
        assert_eq!(is_removed, kind != "bitmap", "{kind}");
    }
    let value = |name: &str| after.get(name).copied();
    assert_eq!(value("commits_total memory"), Some(201.0));
    assert_eq!(value("commits_total buffered"), Some(200.0));
    assert_eq!(value("operations_total get"), Some(4.0));
    // A keyspace, and a table.
    assert_eq!(value("errors_total not_found"), Some(2.0));
    assert_eq!(value("plan_cache_hits_total"), Some(2.0));
    assert_eq!(value("active_connections"), Some(1.0));
    assert_eq!(value("pool_timeouts_total"), Some(1.0));
    assert!(moved("disk_usage_bytes blobs"));
    for cache in label_values("cache_hits_total", "cache") {
        assert!(moved(&format!("cache_hits_total {cache}")), "{cache}");
        assert!(moved(&format!("cache_misses_total {cache}")), "{cache}");
    }

    drop((session, operation, kept));
    let report = service.shutdown_blocking();
    assert!(report.is_clean(), "{report}");
    assert_eq!(values(&service).get("shutdown_phase").copied(), Some(4.0));
}

#[test]
fn the_end_drains_requests_and_keeps_what_was_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let keys = store.keyspace("keys", KeyspaceOptions::new()).unwrap();
    let keys = keys.with_durability(Durability::Memory);
    let service = ServiceOptions::new().start(&store).unwrap();
    let sessions = pool::sessions(&store).max_size(2).build().unwrap();
    service.add_pool("sessions", &sessions).unwrap();
    let order = Arc::new(AtomicU64::new(0));
    let server = {
        let (order, store) = (Arc::clone(&order), store.clone());
        Component::new("server").on_shutdown(move |_| {
            // The store is open for as long as somebody uses it.
            store.health()?;
            order.fetch_add(1, Ordering::Relaxed);
            Ok(())
        })
    };
    service.register(server).unwrap();
    let acknowledged = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            let (service, keys, acknowledged) = (&service, &keys, &acknowledged);
            scope.spawn(move || {
                for number in 0.. {
                    let Ok(_request) = service.coordinator().begin_operation("put") else { return };
                    keys.insert((thread << 32 | number).to_be_bytes(), "value").unwrap();
                    if acknowledged.fetch_add(1, Ordering::Relaxed) == 500 {
                        service.coordinator().initiate();
                    }
                }
            });
        }
    });
    let report = service.coordinator().wait_blocking();
    assert!(report.is_clean(), "{report}");
    assert!(report.components.iter().all(|it| it.state == State::Completed));
    assert_eq!(order.load(Ordering::Relaxed), 1);
    assert!(sessions.get_blocking().is_err());
    drop((service, sessions, keys, store));
    let store = open(&dir);
    let keys = store.open_keyspace("keys").unwrap();
    assert_eq!(keys.len().unwrap(), acknowledged.into_inner());
}

#[test]
fn a_session_that_is_never_given_back_is_reported() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let shutdown =
        lightning_db::ops::ShutdownOptions::new().drain_timeout(Duration::from_millis(20));
    let service = ServiceOptions::new().shutdown(shutdown).start(&store).unwrap();
    let sessions = pool::sessions(&store).max_size(2).build().unwrap();
    service.add_pool("sessions", &sessions).unwrap();
    let mut session = sessions.get_blocking().unwrap();
    session.begin(TransactionOptions::default()).unwrap();
    let report = service.shutdown_blocking();
    assert_eq!(report.phase, Phase::Failed);
    let state = |name: &str| report.components.iter().find(|it| it.name == name).unwrap().state;
    assert_eq!(state("sessions"), State::Failed);
    assert_eq!(state("store"), State::Completed);
}

#[test]
fn health_follows_the_store_and_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let options = EndpointOptions::new(([127, 0, 0, 1], 0).into());
    let service = ServiceOptions::new().endpoint(options).start(&store).unwrap();
    let ask = |path: &str| {
        let mut socket = TcpStream::connect(service.address().unwrap()).unwrap();
        write!(socket, "GET {path} HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        answer
    };
    service.coordinator().set_ready(true);
    assert!(ask("/readyz").starts_with("HTTP/1.1 200"));
    let health = ask("/health");
    assert!(health.contains(r#""detail":"it takes commits""#), "{health}");
    assert!(ask("/metrics").contains("lightningdb_commits_total{durability=\"sync\"} 0"));
    drop(service);

    let full = ServiceOptions::new().disk_free_min(u64::MAX).start(&store).unwrap();
    let report = full.health().report();
    assert!(!report.checks["disk"].is_healthy && report.checks["store"].is_healthy);
    drop(full);
    let closed = ServiceOptions::new().start(&store).unwrap();
    store.close().unwrap();
    let report = closed.health().report();
    assert!(!report.is_ready && !report.checks["store"].is_healthy, "{report:?}");
}

#[test]
fn a_poisoned_store_is_not_healthy_and_a_late_sync_is_seen() {
    let disk = SimVfs::new();
    let options = StoreOptions::new("/db").vfs(Arc::new(disk.clone()));
    let (store, _) = options.maintenance(Maintenance::Stepped).open().unwrap();
    let options = ServiceOptions::new().wal_lag_max(Duration::ZERO);
    let service = options.start(&store).unwrap();
    let keys = store.keyspace("keys", KeyspaceOptions::new()).unwrap();
    keys.insert("a", "1").unwrap();
    let report = service.health().report();
    assert!(report.checks["store"].is_healthy && report.checks["wal"].is_healthy, "{report:?}");
    drop(service);

    // Nothing syncs a buffered commit in this mode but a later call.
    keys.with_durability(Durability::Buffered).insert("b", "1").unwrap();
    let options = ServiceOptions::new().wal_lag_max(Duration::ZERO);
    let service = options.start(&store).unwrap();
    let uncached = |name: &str| service.health().report().checks[name].clone();
    assert!(uncached("wal").detail.contains("waits for the disk"));

    for call in 0.. {
        disk.fail_at(disk.calls() + call, Fault::Eio);
        if keys.insert("c", "1").is_err() && store.health().is_err() {
            break;
        }
        disk.clear_faults();
        assert!(call < 100, "no call of an insert is a sync");
    }
    drop(service);
    let service = ServiceOptions::new().start(&store).unwrap();
    let report = service.health().report();
    assert!(!report.is_ready && !report.checks["store"].is_healthy, "{report:?}");
}

#[test]
fn slow_operations_are_logged() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let keys = store.keyspace("keys", KeyspaceOptions::new()).unwrap();
    let never = ServiceOptions::new().start(&store).unwrap();
    let always = ServiceOptions::new().slow_after(Duration::ZERO).start(&store).unwrap();
    let logged = Arc::new(AtomicU64::new(0));
    tracing::subscriber::with_default(Counting(Arc::clone(&logged)), || {
        for service in [&never, &always] {
            service.meters().measure(Operation::Scan, || keys.len()).unwrap();
        }
    });
    assert_eq!(logged.load(Ordering::Relaxed), 1);
}

/// Counts events.
struct Counting(Arc<AtomicU64>);

impl tracing::Subscriber for Counting {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let is_ours = event.metadata().target().starts_with("lightning_db");
        self.0.fetch_add(u64::from(is_ours), Ordering::Relaxed);
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

#[test]
fn the_page_lists_all_metrics() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/monitoring/metrics.md");
    let page = std::fs::read_to_string(path).unwrap();
    let (head, _) = page.split_once("| metric |").unwrap();
    let wanted = format!("{head}{}", reference(METRICS));
    if std::env::var_os("LIGHTNING_WRITE_PAGES").is_some() {
        std::fs::write(path, wanted).unwrap();
        return;
    }
    assert_eq!(page, wanted, "write it anew: LIGHTNING_WRITE_PAGES=1 cargo test the_page_lists");
}
