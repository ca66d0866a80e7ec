//! What the targets share: a query to plan with whatever was decoded, and the heads of formats.

use lightning_db_optimizer::build::column;
use lightning_db_optimizer::learning::Memory;
use lightning_db_optimizer::{
    Actual, Catalog, JoinType, MemoryCatalog, Optimizer, Query, QueryBuilder, StatisticsBuilder,
};
use lightning_db_types::Value;
use lightning_db_types::ValueType::{I64, Text};
use lightning_db_types::checksum::crc32c;

/// Bytes before the checksum, and with it.
const HEAD: [usize; 2] = [5, 9];

/// Two tables of 300 rows with statistics.
pub fn catalog() -> MemoryCatalog {
    let mut catalog = MemoryCatalog::new();
    let columns = [("id", I64), ("kind", I64), ("name", Text)];
    for name in ["one", "other"] {
        let table = catalog.add_table(name, &columns, &["id"]).expect("the name is new");
        let mut made = StatisticsBuilder::new(&catalog.definition(table), 7);
        for id in 0..300_i64 {
            let name = ["ant", "bee", "cat"][usize::from(id.unsigned_abs().to_le_bytes()[0]) % 3];
            made.add(&[id.into(), (id % 40).into(), Value::from(name)]);
        }
        catalog.set_statistics(table, made.finish(10));
    }
    catalog
}

/// A join of both, with conditions.
pub fn query(catalog: &MemoryCatalog) -> Query {
    let kinds = column("one.kind").less(20).and(column("one.name").equal("bee"));
    let on = column("one.kind").equal(column("other.kind"));
    QueryBuilder::scan("one", "one")
        .join(JoinType::Inner, QueryBuilder::scan("other", "other"), on)
        .filter(kinds)
        .select(["one.id", "other.name"])
        .build(catalog)
        .expect("the tables are there")
}

thread_local! {
    static KNOWN: (MemoryCatalog, Query) = {
        let catalog = catalog();
        let query = query(&catalog);
        (catalog, query)
    };
}

/// Calls with both, which each thread makes once.
pub fn with_query<T>(of: impl FnOnce(&MemoryCatalog, &Query) -> T) -> T {
    KNOWN.with(|(catalog, query)| of(catalog, query))
}

/// What a few runs of the query taught.
pub fn memory(catalog: &MemoryCatalog) -> Memory {
    let mut memory = Memory::new(100);
    let plan = Optimizer::default().optimize(&query(catalog), catalog).expect("it has a root");
    for _ in 0..4 {
        let counted = plan.below(plan.root()).into_iter().map(|id| (id, Actual::rows(5)));
        memory.observe_plan(&plan, counted);
    }
    memory
}

/// A body behind the head of a whole, with a checksum that fits: the fuzzer cannot guess that.
pub fn sealed(whole: &[u8], body: &[u8]) -> Vec<u8> {
    [&whole[..HEAD[0]], &crc32c(body).to_le_bytes(), body].concat()
}

/// What stands behind the checksum.
pub fn body(whole: &[u8]) -> &[u8] {
    &whole[HEAD[1]..]
}
