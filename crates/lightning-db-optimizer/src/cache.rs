//! Plans that were made before: found by query, types, settings and schema, and by the region of
//! selectivities that they are good for.
//!
//! A query is planned once for each region of its parameters, at most four times: an index that is
//! best for a rare value is not for a common one. Statistics that drift a little change nothing;
//! when a table's rows or values have doubled or halved, its plans are made anew.

mod region;

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash};

use foldhash::fast::FixedState;
use lightning_db_types::ValueType;

use crate::catalog::TableId;
use crate::statistics::StatisticsDigest;

pub use region::Region;

pub(crate) use region::REACH;

pub use crate::cardinality::ParameterShares;

/// What a plan depends on. Two queries have one plan if all of it is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CacheKey<'a> {
    /// The query, normalised: literals lifted out, so that queries that differ in them are one.
    pub query: &'a [u8],
    /// Types of its parameters.
    pub types: &'a [ValueType],
    /// A number for the settings of the optimizer.
    pub settings: u64,
    /// [`Catalog::version`](crate::Catalog::version).
    pub version: u64,
}

/// A question to a cache.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// What is to be planned.
    pub key: CacheKey<'a>,
    /// Selectivities of the predicates that have parameters, for the values at hand: as many, and
    /// in the same order, as when the plan was made. Shares of rows, 0 to 1.
    pub selectivities: &'a [f64],
    /// A number that changes when statistics are collected. While it does not, they are not
    /// compared.
    pub epoch: u64,
}

/// What a cache has for a question.
#[derive(Debug, PartialEq, Eq)]
pub enum Lookup<'a, P> {
    /// A plan that is good for it.
    Hit(&'a P),
    /// Nothing of this query, of this version of the schema.
    Unknown,
    /// Plans for other regions of the parameters.
    Outside,
    /// Plans that were made with statistics that have moved since.
    Stale,
}

/// What happened in a cache since it was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheCounters {
    /// Questions that were answered with a plan.
    pub hits: u64,
    /// Questions that were not.
    pub misses: u64,
    /// Those of them where the parameters were in no region.
    pub outside: u64,
    /// Those of them where statistics had moved.
    pub stale: u64,
    /// Plans that made room for others.
    pub evicted: u64,
}

/// Most plans of one query.
pub const VARIANTS_MAX: usize = 4;
/// Most selectivities that [`ParameterShares`] gives.
pub const SELECTIVITIES_MAX: usize = 8;

/// Plans by query and by region of the parameters.
///
/// A hit takes less than 0.1 us for a query of 512 bytes: the bench `optimizer_plan_cache`. It
/// knows nothing of threads: share it behind a lock.
///
/// # Examples
/// ```
/// use lightning_db_optimizer::cache::{CacheKey, Lookup, PlanCache, Question};
///
/// let mut cache = PlanCache::new(1_000);
/// let key = CacheKey { query: b"select ?", types: &[], settings: 0, version: 1 };
/// let rare = Question { key, selectivities: &[0.001], epoch: 1 };
/// assert_eq!(cache.find(&rare, |_| None), Lookup::Unknown);
/// cache.insert(&rare, Vec::new(), "by index");
/// assert_eq!(cache.find(&rare, |_| None), Lookup::Hit(&"by index"));
/// let common = Question { selectivities: &[0.5], ..rare };
/// assert_eq!(cache.find(&common, |_| None), Lookup::Outside);
/// ```
#[derive(Debug)]
pub struct PlanCache<P> {
    /// Queries by hash; those of one hash together.
    queries: HashMap<u64, Vec<Cached<P>>, FixedState>,
    hasher: FixedState,
    plans: usize,
    plans_max: usize,
    /// Grows with each question, so that the plans that were not used for longest are known.
    now: u64,
    counters: CacheCounters,
}

/// A query with its plans.
#[derive(Debug)]
struct Cached<P> {
    query: Box<[u8]>,
    types: Box<[ValueType]>,
    settings: u64,
    version: u64,
    variants: Vec<Variant<P>>,
}

#[derive(Debug)]
struct Variant<P> {
    plan: P,
    region: Region,
    statistics: Vec<(TableId, StatisticsDigest)>,
    /// The last epoch at which the statistics were found to be near.
    epoch: u64,
    used: u64,
}

impl<P> Cached<P> {
    fn is_of(&self, key: &CacheKey<'_>) -> bool {
        *self.query == *key.query && *self.types == *key.types && self.settings == key.settings
    }
}

impl<P> Variant<P> {
    /// Whether the statistics are near those that it was made with; if so, they are not looked at
    /// again in this epoch.
    fn is_fresh(
        &mut self,
        epoch: u64,
        mut digest: impl FnMut(TableId) -> Option<StatisticsDigest>,
    ) -> bool {
        if self.epoch != epoch {
            let near = |(table, made): &(TableId, StatisticsDigest)| {
                digest(*table).is_some_and(|now| made.is_near(&now))
            };
            if !self.statistics.iter().all(near) {
                return false;
            }
            self.epoch = epoch;
        }
        true
    }
}

impl<P> PlanCache<P> {
    /// A cache of at most so many plans, at least one.
    pub fn new(plans_max: usize) -> Self {
        Self {
            queries: HashMap::default(),
            hasher: FixedState::default(),
            plans: 0,
            plans_max: plans_max.max(1),
            now: 0,
            counters: CacheCounters::default(),
        }
    }

    /// The plan for a question, if there is one. `digest` gives the statistics of a table as they
    /// are now; it is asked once for each table of a plan in an epoch.
    pub fn find(
        &mut self,
        question: &Question<'_>,
        digest: impl FnMut(TableId) -> Option<StatisticsDigest>,
    ) -> Lookup<'_, P> {
        self.now += 1;
        self.counters.misses += 1;
        let hash = self.hash(&question.key);
        let Some(cached) = self.queries.get_mut(&hash) else { return Lookup::Unknown };
        let Some(cached) = cached.iter_mut().find(|it| it.is_of(&question.key)) else {
            return Lookup::Unknown;
        };
        if cached.version != question.key.version || cached.variants.is_empty() {
            return Lookup::Unknown;
        }
        let fits = |it: &Variant<P>| it.region.contains(question.selectivities);
        let Some(position) = cached.variants.iter().position(fits) else {
            self.counters.outside += 1;
            return Lookup::Outside;
        };
        if !cached.variants[position].is_fresh(question.epoch, digest) {
            cached.variants.remove(position);
            self.plans -= 1;
            self.counters.stale += 1;
            return Lookup::Stale;
        }
        self.counters.misses -= 1;
        self.counters.hits += 1;
        let variant = &mut cached.variants[position];
        variant.used = self.now;
        Lookup::Hit(&variant.plan)
    }

    /// Keeps a plan for a question, and the region around it. `statistics` are those of the tables
    /// that it reads. The same plan as one that is there takes its place, with a region that covers
    /// both. Other plans that were good for the question are dropped, and so are those of another
    /// version of the schema; where there is no room, the plan that was not used for longest is.
    pub fn insert(
        &mut self,
        question: &Question<'_>,
        statistics: Vec<(TableId, StatisticsDigest)>,
        plan: P,
    ) where
        P: PartialEq,
    {
        self.now += 1;
        let (key, used, epoch) = (question.key, self.now, question.epoch);
        let hash = self.hash(&key);
        let queries = self.queries.entry(hash).or_default();
        let position = queries.iter().position(|it| it.is_of(&key)).unwrap_or_else(|| {
            queries.push(Cached {
                query: key.query.into(),
                types: key.types.into(),
                settings: key.settings,
                version: key.version,
                variants: Vec::new(),
            });
            queries.len() - 1
        });
        let cached = &mut queries[position];
        if cached.version != key.version {
            self.plans -= cached.variants.len();
            cached.variants.clear();
            cached.version = key.version;
        }
        let region = Region::around(question.selectivities);
        let before = cached.variants.len();
        let is_other =
            |it: &Variant<P>| it.plan == plan || !it.region.contains(question.selectivities);
        cached.variants.retain(is_other);
        self.plans -= before - cached.variants.len();
        if let Some(same) = cached.variants.iter_mut().find(|it| it.plan == plan) {
            same.region.cover(&region);
            *same = Variant { plan, region: same.region.clone(), statistics, epoch, used };
            return;
        }
        if cached.variants.len() == VARIANTS_MAX {
            let oldest = (0..VARIANTS_MAX).min_by_key(|it| cached.variants[*it].used);
            cached.variants.remove(oldest.unwrap_or(0));
            self.plans -= 1;
            self.counters.evicted += 1;
        }
        cached.variants.push(Variant { plan, region, statistics, epoch, used });
        self.plans += 1;
        if self.plans > self.plans_max {
            self.evict();
        }
    }

    /// Forgets the plans of a query, of whatever version.
    pub fn forget(&mut self, key: &CacheKey<'_>) {
        let hash = self.hash(key);
        let Some(queries) = self.queries.get_mut(&hash) else { return };
        if let Some(position) = queries.iter().position(|it| it.is_of(key)) {
            self.plans -= queries.remove(position).variants.len();
        }
        if queries.is_empty() {
            self.queries.remove(&hash);
        }
    }

    /// Number of plans.
    pub fn len(&self) -> usize {
        self.plans
    }

    /// Whether there are no plans.
    pub fn is_empty(&self) -> bool {
        self.plans == 0
    }

    /// What happened since it was made.
    pub fn counters(&self) -> CacheCounters {
        self.counters
    }

    /// Forgets all plans; the counters stay.
    pub fn clear(&mut self) {
        self.queries.clear();
        self.plans = 0;
    }

    /// The schema's version is no part of it, so that plans of an old one are found and replaced.
    fn hash(&self, key: &CacheKey<'_>) -> u64 {
        self.hasher.hash_one((key.query, key.types, key.settings))
    }

    /// Drops the plan that was not used for longest: a look at all of them, which planning dwarfs.
    fn evict(&mut self) {
        let plans = self.queries.iter().flat_map(|(hash, cached)| {
            let used = |it: &Cached<P>| it.variants.iter().map(|it| it.used).min();
            cached.iter().filter_map(used).map(|used| (used, *hash))
        });
        let Some((oldest, hash)) = plans.min() else { return };
        let of_hash = self.queries.get_mut(&hash).into_iter().flatten();
        of_hash.for_each(|it| it.variants.retain(|variant| variant.used != oldest));
        // Queries whose plans were stale have none, and go too.
        self.queries.retain(|_, cached| {
            cached.retain(|it| !it.variants.is_empty());
            !cached.is_empty()
        });
        self.plans -= 1;
        self.counters.evicted += 1;
    }
}

#[cfg(test)]
mod tests;
