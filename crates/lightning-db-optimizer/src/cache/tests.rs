//! What is found, and what is not.

use super::*;
use crate::statistics::TableStatistics;

const KEY: CacheKey<'static> =
    CacheKey { query: b"select 1", types: &[ValueType::I64], settings: 3, version: 9 };

fn question(selectivities: &[f64]) -> Question<'_> {
    Question { key: KEY, selectivities, epoch: 1 }
}

fn digest(rows: u64) -> StatisticsDigest {
    TableStatistics { rows, ..TableStatistics::default() }.digest()
}

#[test]
fn each_part_of_the_key_counts() {
    let mut cache = PlanCache::new(10);
    cache.insert(&question(&[]), Vec::new(), 1);
    let others = [
        CacheKey { query: b"select 2", ..KEY },
        CacheKey { types: &[ValueType::F64], ..KEY },
        CacheKey { settings: 4, ..KEY },
        CacheKey { version: 10, ..KEY },
    ];
    for key in others {
        let other = Question { key, ..question(&[]) };
        assert_eq!(cache.find(&other, |_| None), Lookup::Unknown);
    }
    assert_eq!(cache.find(&question(&[]), |_| None), Lookup::Hit(&1));
    let counters = cache.counters();
    assert_eq!((counters.hits, counters.misses, cache.len()), (1, 4, 1));
}

#[test]
fn a_new_schema_replaces_the_plans_of_the_old_one() {
    let mut cache = PlanCache::new(10);
    cache.insert(&question(&[0.001]), Vec::new(), 1);
    cache.insert(&question(&[0.5]), Vec::new(), 2);
    let key = CacheKey { version: 10, ..KEY };
    let new = Question { key, ..question(&[0.5]) };
    cache.insert(&new, Vec::new(), 3);
    assert_eq!(cache.find(&question(&[0.5]), |_| None), Lookup::Unknown);
    assert_eq!(cache.find(&new, |_| None), Lookup::Hit(&3));
    assert_eq!(cache.len(), 1);
}

#[test]
fn regions_have_their_own_plans_and_grow_together() {
    let mut cache = PlanCache::new(100);
    cache.insert(&question(&[0.001, 0.5]), Vec::new(), "index");
    cache.insert(&question(&[0.3, 0.5]), Vec::new(), "scan");
    let found = |cache: &mut PlanCache<&'static str>, selectivities: &[f64]| match cache
        .find(&question(selectivities), |_| None)
    {
        Lookup::Hit(plan) => Some(*plan),
        _ => None,
    };
    assert_eq!(found(&mut cache, &[0.002, 0.4]), Some("index"));
    assert_eq!(found(&mut cache, &[0.9, 0.9]), Some("scan"));
    assert_eq!(found(&mut cache, &[0.01, 0.5]), None);
    assert_eq!(found(&mut cache, &[0.001]), None);
    cache.insert(&question(&[0.016, 0.5]), Vec::new(), "index");
    assert_eq!((found(&mut cache, &[0.01, 0.5]), cache.len()), (Some("index"), 2));
    assert_eq!(cache.counters().outside, 2);
    assert_eq!(found(&mut cache, &[f64::NAN, 1.0]), Some("scan"));
}

#[test]
fn a_query_has_four_plans_at_most() {
    let mut cache = PlanCache::new(100);
    for (plan, selectivity) in [1e-6, 1e-4, 1e-2, 1.0].into_iter().enumerate() {
        cache.insert(&question(&[selectivity]), Vec::new(), plan);
    }
    assert_eq!(cache.find(&question(&[1e-6]), |_| None), Lookup::Hit(&0));
    cache.insert(&question(&[1e-3]), Vec::new(), 4);
    assert_eq!((cache.len(), cache.counters().evicted), (VARIANTS_MAX, 1));
    assert_eq!(cache.find(&question(&[1e-6]), |_| None), Lookup::Hit(&0));
    assert_eq!(cache.find(&question(&[2e-5]), |_| None), Lookup::Outside);
}

#[test]
fn only_statistics_that_moved_far_count() {
    let mut cache = PlanCache::new(10);
    let table = TableId(5);
    cache.insert(&question(&[]), vec![(table, digest(1_000))], 1);
    let mut asked = 0;
    for (epoch, rows) in [(1, 9_999), (2, 1_500), (2, 9_999), (3, 600)] {
        let later = Question { epoch, ..question(&[]) };
        let found = cache.find(&later, |it| {
            asked += 1;
            assert_eq!(it, table);
            Some(digest(rows))
        });
        assert_eq!(found, Lookup::Hit(&1), "epoch {epoch}");
    }
    assert_eq!(asked, 2, "once in each new epoch");
    let later = Question { epoch: 4, ..question(&[]) };
    assert_eq!(cache.find(&later, |_| Some(digest(2_500))), Lookup::Stale);
    assert_eq!(cache.find(&later, |_| Some(digest(2_500))), Lookup::Unknown);
    assert!(cache.is_empty());
    assert_eq!(cache.counters().stale, 1);
}

#[test]
fn the_plan_that_was_not_used_for_longest_goes() {
    let mut cache = PlanCache::new(3);
    let texts: Vec<String> = (0..5).map(|number| format!("select {number}")).collect();
    let of = |number: usize| {
        let key = CacheKey { query: texts[number].as_bytes(), ..KEY };
        Question { key, ..question(&[]) }
    };
    for number in 0..3 {
        cache.insert(&of(number), Vec::new(), number);
    }
    assert_eq!(cache.find(&of(0), |_| None), Lookup::Hit(&0));
    cache.insert(&of(3), Vec::new(), 3);
    assert_eq!(cache.find(&of(1), |_| None), Lookup::Unknown);
    for number in [0, 2, 3] {
        assert_eq!(cache.find(&of(number), |_| None), Lookup::Hit(&number));
    }
    cache.clear();
    assert_eq!(cache.find(&of(0), |_| None), Lookup::Unknown);
    assert_eq!(cache.counters().evicted, 1);
}

#[test]
fn what_is_kept_for_a_question_takes_the_place_of_what_was() {
    let mut cache = PlanCache::new(10);
    cache.insert(&question(&[0.01]), Vec::new(), "index");
    cache.insert(&question(&[0.03]), Vec::new(), "sets");
    assert_eq!(cache.find(&question(&[0.03]), |_| None), Lookup::Hit(&"sets"));
    assert_eq!(cache.len(), 1, "the index was good up to 0.04");
    cache.insert(&question(&[0.5]), Vec::new(), "scan");
    cache.forget(&CacheKey { settings: 4, ..KEY });
    assert_eq!(cache.len(), 2);
    cache.forget(&CacheKey { version: 10, ..KEY });
    assert_eq!(cache.find(&question(&[0.5]), |_| None), Lookup::Unknown);
    assert!(cache.is_empty());
}
