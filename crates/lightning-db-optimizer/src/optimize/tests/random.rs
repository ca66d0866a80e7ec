//! Random queries: every plan gives the rows of the query, whatever the statistics say.

use std::collections::BTreeSet;
use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::FixedState;
use lightning_db_expression::Expression;
use lightning_db_types::{Rng, SeededRng, Value};

use crate::access::as_f64;
use crate::cardinality::Learned;
use crate::catalog::{Catalog, IndexDefinition, IndexKind, IndexPart, TableId};
use crate::cost::{CostModel, Nanoseconds, Pages, Work};
use crate::estimate::{Estimate, Source};
use crate::fingerprint::Signature;
use crate::join::Budget;
use crate::memory::MemoryCatalog;
use crate::optimize::{Context, Optimizer, Settings};
use crate::plan::{Access, KeyPart, Operator, RowSet};
use crate::query::Query;
use crate::reference::{Profile, evaluate, execute, random_catalog, random_query};
use crate::statistics::TableStatistics;

/// Queries that are tried; more with `OPTIMIZER_QUERIES`.
fn queries() -> u64 {
    std::env::var("OPTIMIZER_QUERIES").ok().and_then(|it| it.parse().ok()).unwrap_or(1_000)
}

/// A model that says whatever comes to its mind, so that every way is chosen by some seed.
#[derive(Debug)]
pub(super) struct Moody(pub(super) u64);

impl CostModel for Moody {
    fn cost(&self, work: &Work) -> f64 {
        // The same work costs the same; kinds of work are dear or cheap by the seed.
        let kind = format!("{work:?}");
        let kind = kind.split(' ').next().unwrap_or("");
        let hash = kind
            .bytes()
            .fold(self.0, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        let dear = SeededRng::new(hash).below(1_000);
        f64::from(u32::try_from(dear).unwrap()) + Nanoseconds::default().cost(work) / 1e3
    }

    fn unit(&self) -> &'static str {
        "moods"
    }

    fn worker_cost_min(&self) -> f64 {
        as_f64(SeededRng::new(self.0).below(2_000))
    }
}

/// A memory that says whatever comes to its mind of some parts.
#[derive(Debug)]
pub(super) struct Liar(pub(super) u64);

impl Learned for Liar {
    fn corrected(&self, part: Signature, estimated: Estimate) -> Option<Estimate> {
        let hash = FixedState::with_seed(self.0).hash_one(part);
        let point = match hash % 9 {
            0 => return None,
            1 => f64::NAN,
            2 => f64::INFINITY,
            3 => -1.0,
            4 => 0.0,
            5 => f64::MAX,
            _ => estimated.point * as_f64(hash >> 40) / 1e3,
        };
        let (low, high) = (point / as_f64(hash % 7), point * as_f64(hash % 5));
        Some(Estimate { point, low, high, source: Source::Learned })
    }
}

/// More indexes than the random catalogs have: of every kind that works on their columns.
pub(super) fn with_indexes(catalog: &mut MemoryCatalog, rng: &SeededRng) {
    for table in 0..4 {
        let table = TableId(table);
        let mut made = vec![
            IndexDefinition::new("key", IndexKind::Clustered, &[0]),
            IndexDefinition::new("hash_a", IndexKind::Hash, &[1]),
            IndexDefinition::new("bits_b", IndexKind::Bitmap, &[2]),
            IndexDefinition::new("bits_c", IndexKind::Bitmap, &[3]),
            IndexDefinition::new("bloom_a", IndexKind::Bloom, &[1]),
            IndexDefinition::new("wide", IndexKind::Ordered, &[3, 1, 2]),
            IndexDefinition {
                include: vec![0, 2, 3, 4],
                ..IndexDefinition::new("covers", IndexKind::Ordered, &[1])
            },
            IndexDefinition {
                condition: Some(Expression::column(2).greater(1_i64)),
                ..IndexDefinition::new("some", IndexKind::Ordered, &[4, 2])
            },
        ];
        let mut turned = IndexDefinition::new("turned", IndexKind::Ordered, &[2, 1]);
        turned.parts[0].descending = true;
        turned.parts[1] = IndexPart { nulls_first: false, ..turned.parts[1].clone() };
        made.push(turned);
        let mut lower = IndexDefinition::new("lower_c", IndexKind::Ordered, &[3]);
        lower.parts[0].expression = Expression::column(3).lower();
        made.push(lower);
        for index in made {
            if rng.one_in(2) {
                catalog.add_index(table, index);
            }
        }
    }
}

/// Statistics that have nothing to do with the rows.
pub(super) fn poison(catalog: &mut MemoryCatalog, rng: &SeededRng) {
    for table in 0..4 {
        let table = TableId(table);
        let known = catalog.statistics(table);
        let mut statistics = known.as_deref().cloned().unwrap_or_default();
        statistics.rows = rng.below(10_000_000);
        statistics.rows_exact = rng.one_in(2);
        statistics.pages = rng.below(100_000);
        statistics.columns = (0..rng.below(6))
            .map(|_| crate::statistics::ColumnStatistics {
                nulls: rng.below(1_000),
                min: rng.one_in(2).then_some(Value::I64(100)),
                max: rng.one_in(2).then_some(Value::I64(3)),
                distinct: as_f64(rng.below(1_000_000)),
                width: as_f64(rng.below(5_000)),
                clustering: as_f64(rng.below(200)) / 100.0 - 1.0,
                common: vec![(Value::I64(77), 0.9)],
                ..Default::default()
            })
            .collect();
        catalog.set_statistics(table, TableStatistics { ..statistics });
    }
}

pub(super) fn settings(seed: u64, rng: &SeededRng) -> Settings {
    let cost_model: Arc<dyn CostModel> = match rng.below(4) {
        0 => Arc::new(Nanoseconds::default()),
        1 => Arc::new(Pages::default()),
        _ => Arc::new(Moody(seed)),
    };
    Settings {
        cost_model,
        risk_weight: as_f64(rng.below(11)) / 10.0,
        workers: 1 + u32::try_from(rng.below(4)).unwrap(),
        rewrites: rng.one_in(2),
        join_budget: Budget {
            exact: usize::try_from(rng.below(60)).unwrap(),
            pairs: usize::try_from(rng.below(200)).unwrap(),
        },
        ..Settings::default()
    }
}

pub(super) fn sorted(mut rows: Vec<Vec<Value>>) -> Vec<Vec<Value>> {
    rows.sort();
    rows
}

/// Says what is wrong with the plan of a query, if something is; notes what it is made of.
fn check(
    query: &Query,
    catalog: &MemoryCatalog,
    settings: Settings,
    learned: Option<&dyn Learned>,
    used: &mut BTreeSet<String>,
) -> Result<bool, String> {
    let Ok(expected) = evaluate(query, catalog) else { return Ok(false) };
    let context = Context { learned, ..Context::new(catalog) };
    let plan = Optimizer::new(settings)
        .optimize_with(query, &context)
        .map_err(|error| format!("no plan: {error}\n{query}"))?;
    for node in plan.nodes() {
        used.insert(node.operator.name());
        if let Operator::Access { access, checks, .. } = &node.operator {
            used.extend(kinds(access, !checks.is_empty()));
        }
    }
    let text = || format!("query\n{query}\nplan\n{}", plan.explain());
    match execute(&plan, catalog, catalog) {
        // What is evaluated in another order may fail where the query does not.
        Err(crate::reference::Failure::Expression(_)) => Ok(false),
        Err(error) => Err(format!("{error}\n{}", text())),
        Ok(found) if sorted(found.rows.clone()) != sorted(expected.clone()) => {
            Err(format!("found {:?}\nexpected {expected:?}\n{}", found.rows, text()))
        }
        Ok(_) => Ok(true),
    }
}

/// What an access makes use of.
fn kinds(access: &Access, checked: bool) -> Vec<String> {
    let mut kinds = vec![match access {
        Access::Scan => "scan",
        Access::Index(_) => "index",
        Access::Sets(RowSet::Index(_)) => "set",
        Access::Sets(RowSet::All(_)) => "all sets",
        Access::Sets(RowSet::Any(_)) => "any set",
    }];
    for scan in access.index_scans() {
        let used = [
            (scan.covering, "covering"),
            (scan.reverse, "backward"),
            (!scan.filter.is_empty(), "filter on entries"),
            (scan.key.first() == Some(&KeyPart::Any), "skip"),
            (scan.key.len() > 1, "several parts"),
            (checked, "bloom"),
        ];
        kinds.extend(used.into_iter().filter(|(is, _)| *is).map(|(_, kind)| kind));
    }
    kinds.into_iter().map(str::to_owned).collect()
}

/// What plans may be made of, all of which random queries must have come by.
const ALL: [&str; 47] = [
    "scan",
    "index",
    "set",
    "all sets",
    "any set",
    "covering",
    "backward",
    "filter on entries",
    "skip",
    "several parts",
    "bloom",
    "Access",
    "Index aggregate",
    "Values",
    "Filter",
    "Project",
    "Hash join",
    "Hash left join",
    "Hash full join",
    "Hash semi join",
    "Hash anti join",
    "Merge join",
    "Merge left join",
    "Merge full join",
    "Merge semi join",
    "Merge anti join",
    "Nested loop join",
    "Nested loop left join",
    "Nested loop full join",
    "Nested loop semi join",
    "Nested loop anti join",
    "For each join",
    "For each left join",
    "For each semi join",
    "For each anti join",
    "Hash aggregate",
    "Hash partial aggregate",
    "Hash final aggregate",
    "Stream aggregate",
    "Stream partial aggregate",
    "Append",
    "Sort",
    "Top",
    "Window",
    "Partition",
    "Broadcast",
    "Gather merge",
];

fn try_seed(seed: u64, used: &mut BTreeSet<String>) -> Result<bool, String> {
    let rng = SeededRng::new(seed ^ 0x5eed);
    let mut catalog = random_catalog(seed / 4).map_err(|error| error.to_string())?;
    with_indexes(&mut catalog, &rng);
    if rng.one_in(2) {
        poison(&mut catalog, &rng);
    }
    // Every other query is a chain of joins.
    let joins = Profile { steps_max: 9, depth_max: 1, subqueries: false, limits: false };
    let profile = if seed.is_multiple_of(2) { Profile::default() } else { joins };
    let query = random_query(seed, profile, &catalog).map_err(|error| error.to_string())?;
    let liar = Liar(seed);
    let lies = seed % 5 == 4 && seed >= 400;
    let learned: Option<&dyn Learned> = if lies { Some(&liar) } else { None };
    check(&query, &catalog, settings(seed, &rng), learned, used)
}

#[test]
fn plans_of_random_queries_give_their_rows() {
    let seeds = match std::env::var("OPTIMIZER_SEED").ok().and_then(|it| it.parse().ok()) {
        Some(seed) => seed..seed + 1,
        None => 0..queries(),
    };
    let mut used = BTreeSet::new();
    let (mut compared, count) = (0, seeds.end - seeds.start);
    for seed in seeds {
        match try_seed(seed, &mut used) {
            Ok(done) => compared += u64::from(done),
            Err(text) => panic!(
                "seed {seed}; again with OPTIMIZER_SEED={seed} cargo test -p \
                 lightning-db-optimizer plans_of_random\n{text}"
            ),
        }
    }
    assert!(compared * 10 >= count * 7 || count == 1, "only {compared} of {count} were compared");
    let missing: Vec<_> = ALL.iter().filter(|kind| !used.contains(**kind)).collect();
    assert!(missing.is_empty() || count < 400, "no plan has {missing:?}; there were {used:?}");
}
