//! Work of the operators of the query engine, as it runs them.
//!
//! Each measurement is a query that is planned as hinted, with the work that the optimizer counts
//! for such a plan: the constants of operators stand for what these take in queries, not for what
//! their inner loops would.

use std::error::Error;
use std::ops::ControlFlow;

use lightning_db_optimizer::{AggregateFunction, Hints, JoinType, Work};
use lightning_db_query::build::{AggregateTerm, Term, column, parameter};
use lightning_db_query::{QueryBuilder, QueryEngine};
use lightning_db_table::TableSnapshot;
use lightning_db_types::{Value, ValueRef, ValueType};

use crate::tables::{FEW, OTHERS_SHARE};
use crate::{Timer, number};

type Outcome = Result<(), Box<dyn Error>>;

/// Width of a whole number.
const WIDTH: f64 = 8.0;

/// The tables, and how large they are.
pub(crate) struct Queries<'t> {
    pub(crate) engine: QueryEngine,
    pub(crate) snapshot: &'t TableSnapshot,
    /// Rows and pages of `t`.
    pub(crate) rows: u64,
    pub(crate) pages: f64,
    /// Pages of `s`.
    pub(crate) other_pages: f64,
}

/// Rows of `t` that are below a limit, whose numbers are between 0 and the rows.
fn below(limit: u64) -> Term {
    column("number").less(i64::try_from(limit).unwrap_or(i64::MAX))
}

fn sum(of: Term) -> AggregateTerm {
    AggregateTerm::new(AggregateFunction::Sum, of)
}

fn sum_of(name: &str) -> AggregateTerm {
    sum(column(name))
}

fn all(table: &str) -> QueryBuilder {
    QueryBuilder::scan(table, table)
}

fn aggregated(query: QueryBuilder, aggregates: Vec<AggregateTerm>) -> QueryBuilder {
    grouped(query, [], aggregates)
}

fn grouped<const N: usize>(
    query: QueryBuilder,
    groups: [&str; N],
    aggregates: Vec<AggregateTerm>,
) -> QueryBuilder {
    let named = aggregates.into_iter().enumerate();
    query.aggregate(groups, named.map(|(place, it)| (format!("a{place}"), it)))
}

fn sums(rows: f64, aggregates: f64) -> [Work; 2] {
    [Work::StreamAggregate { rows, keys: 0.0, aggregates }, Work::Emit { rows: 1.0 }]
}

impl Queries<'_> {
    /// Measures all of them.
    ///
    /// # Errors
    ///
    /// When a query cannot be planned or run.
    pub(crate) fn measure(&self, timer: &mut Timer) -> Outcome {
        self.scans(timer)?;
        self.groups(timer)?;
        self.sorts(timer)?;
        self.searches(timer)?;
        self.sets(timer)?;
        self.hash_joins(timer)?;
        self.pairs(timer)?;
        self.searches_for_each(timer)
    }

    fn time(
        &self,
        timer: &mut Timer,
        (query, hints): (&QueryBuilder, &str),
        work: Vec<Work>,
    ) -> Outcome {
        self.time_with(timer, (query, hints), &[&[]], work)
    }

    /// Each run takes the next parameters.
    fn time_with(
        &self,
        timer: &mut Timer,
        (query, hints): (&QueryBuilder, &str),
        parameters: &[&[Value]],
        work: Vec<Work>,
    ) -> Outcome {
        let hints: Hints = hints.parse()?;
        let statement = self.engine.prepare_with(query, hints)?;
        let all = &mut |_: &[ValueRef<'_>]| Ok(ControlFlow::Continue(()));
        // What fails once would fail each time.
        statement.for_each(self.snapshot, parameters[0], &mut *all)?;
        let mut next = parameters.iter().cycle();
        timer.time(work, || {
            next.next().map(|parameters| statement.for_each(self.snapshot, parameters, &mut *all))
        });
        Ok(())
    }

    fn count(&self, query: &QueryBuilder) -> Result<f64, Box<dyn Error>> {
        let mut count = 0;
        self.engine.prepare(query)?.for_each(self.snapshot, &[], |_| {
            count += 1;
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(number(count))
    }

    fn others(&self) -> f64 {
        number(self.rows / OTHERS_SHARE)
    }

    fn scan(&self, columns: f64) -> Work {
        Work::Scan { rows: number(self.rows), pages: self.pages, columns }
    }

    fn other_scan(&self, columns: f64) -> Work {
        Work::Scan { rows: self.others(), pages: self.other_pages, columns }
    }

    fn scans(&self, timer: &mut Timer) -> Outcome {
        let rows = number(self.rows);
        let whole = aggregated(all("t"), vec![AggregateTerm::count_rows()]);
        let mut work = vec![self.scan(0.0), Work::Emit { rows }];
        work.extend(sums(rows, 1.0));
        self.time(timer, (&whole, "scan(t)"), work)?;
        for share in [1_000, 100, 10, 5, 2] {
            let some = all("t").filter(below(self.rows / share));
            let found = self.count(&some)?;
            let query = aggregated(some, vec![sum_of("few")]);
            let filter = Work::Evaluate { rows, scalars: 1.0 };
            let mut work = vec![self.scan(2.0), filter, Work::Emit { rows: found }];
            work.extend(sums(found, 1.0));
            self.time(timer, (&query, "scan(t)"), work)?;
        }
        for share in [50, 2] {
            let both = below(self.rows / share).and(column("few").less(FEW / 2));
            let some = all("t").filter(both);
            let found = self.count(&some)?;
            let query = aggregated(some, vec![sum_of("number"), sum_of("few")]);
            let filter = Work::Evaluate { rows, scalars: 2.0 };
            let mut work = vec![self.scan(2.0), filter, Work::Emit { rows: found }];
            work.extend(sums(found, 2.0));
            self.time(timer, (&query, "scan(t)"), work)?;
        }
        let product = column("number").times(column("few")).plus(column("id"));
        let query = aggregated(all("t"), vec![sum(product)]);
        let computed = Work::Evaluate { rows, scalars: 1.0 };
        let mut work = vec![self.scan(3.0), Work::Emit { rows }, computed];
        work.extend(sums(rows, 1.0));
        self.time(timer, (&query, "scan(t)"), work)
    }

    fn groups(&self, timer: &mut Timer) -> Outcome {
        let rows = number(self.rows);
        let distinct = self.count(&all("t").select(["number"]).distinct())?;
        let few = f64::from(u32::try_from(FEW)?);
        for (group, groups) in [("few", few), ("number", distinct)] {
            for aggregates in [1_u32, 3] {
                let list = ["id", "few", "number"].into_iter().take(aggregates as usize);
                let query = grouped(all("t"), [group], list.map(sum_of).collect());
                let aggregates = f64::from(aggregates);
                let columns = 1.0 + aggregates;
                let work = vec![
                    self.scan(columns.min(3.0)),
                    Work::Emit { rows },
                    Work::HashAggregate { rows, groups, aggregates },
                    Work::Emit { rows: groups },
                ];
                self.time(timer, (&query, "scan(t) aggregate(hash)"), work)?;
            }
        }
        // In the order of an index, of which nothing else is read.
        let query = grouped(all("t"), ["number"], vec![AggregateTerm::count_rows()]);
        let work = vec![
            Work::Seek { count: 1.0, entries: rows },
            Work::Entries { rows, columns: 1.0 },
            Work::Emit { rows },
            Work::StreamAggregate { rows, keys: 1.0, aggregates: 1.0 },
            Work::Emit { rows: distinct },
        ];
        self.time(timer, (&query, "index(t ordered) aggregate(stream)"), work)
    }

    fn sorts(&self, timer: &mut Timer) -> Outcome {
        let rows = number(self.rows);
        for (columns, limit) in [(2_u32, None), (3, None), (2, Some(10)), (2, Some(1_000))] {
            let list = ["number", "few", "id"].into_iter().take(columns as usize);
            let query = all("t").select(list).order_by([column("number").ascending()]);
            let query = query.limit(limit, 0);
            let (columns, kept) = (f64::from(columns), limit.map_or(rows, number).min(rows));
            let sort = Work::Sort { rows, width: columns * WIDTH, kept };
            let work =
                vec![self.scan(columns), Work::Emit { rows }, sort, Work::Emit { rows: kept }];
            self.time(timer, (&query, "scan(t)"), work)?;
        }
        Ok(())
    }

    /// Each run is of another range, as the rows of one would stay in the caches.
    fn searches(&self, timer: &mut Timer) -> Outcome {
        let entries = number(self.rows);
        let bound = |place| parameter(place, ValueType::I64);
        let number_column = || column("number");
        let some =
            all("t").filter(number_column().at_least(bound(0)).and(number_column().less(bound(1))));
        for share in [50, 5] {
            let step = i64::try_from(self.rows / share)?;
            let ranges =
                (0..i64::try_from(share)?).map(|at| [at * step, (at + 1) * step].map(Value::I64));
            let ranges: Vec<[Value; 2]> = ranges.collect();
            let ranges: Vec<&[Value]> = ranges.iter().map(|range| &range[..]).collect();
            let found = number(self.rows / share);
            let read = |columns| {
                [Work::Seek { count: 1.0, entries }, Work::Entries { rows: found, columns }]
            };
            let query = aggregated(some.clone(), vec![sum_of("number")]);
            let mut work = Vec::from(read(1.0));
            work.push(Work::Emit { rows: found });
            work.extend(sums(found, 1.0));
            self.time_with(timer, (&query, "index(t ordered)"), &ranges, work)?;
            let query = aggregated(some.clone(), vec![sum_of("few")]);
            let mut work = Vec::from(read(0.0));
            work.extend([self.fetch(found, false), Work::Emit { rows: found }]);
            work.extend(sums(found, 1.0));
            self.time_with(timer, (&query, "index(t ordered)"), &ranges, work)?;
        }
        Ok(())
    }

    fn fetch(&self, rows: f64, sorted: bool) -> Work {
        let (table_rows, pages) = (number(self.rows), self.pages);
        Work::Fetch { rows, table_rows, pages, clustering: 0.0, sorted, columns: 1.0 }
    }

    fn sets(&self, timer: &mut Timer) -> Outcome {
        let some = all("t").filter(column("few").equal(1));
        let found = self.count(&some)?;
        let query = aggregated(some, vec![sum_of("number")]);
        let table_rows = number(self.rows);
        let mut work = vec![
            Work::BitmapRead { sets: 1.0, table_rows },
            self.fetch(found, true),
            Work::Emit { rows: found },
        ];
        work.extend(sums(found, 1.0));
        self.time(timer, (&query, "index(t bits)"), work)
    }

    fn joined(on: Term) -> QueryBuilder {
        all("t").join(JoinType::Inner, all("s"), on)
    }

    fn hash_joins(&self, timer: &mut Timer) -> Outcome {
        let (rows, others) = (number(self.rows), self.others());
        let join = Self::joined(column("t.number").equal(column("s.link")));
        let found = self.count(&join)?;
        for (kept, hints) in [(others, "hash(t s / s)"), (rows, "hash(t s / t)")] {
            let (query, hints) = (&join, format!("scan(t) scan(s) {hints}"));
            let query = aggregated(query.clone(), vec![sum_of("few"), sum_of("weight")]);
            let mut work = vec![
                self.scan(2.0),
                Work::Emit { rows },
                self.other_scan(2.0),
                Work::Emit { rows: others },
                Work::HashBuild { rows: kept, width: 2.0 * WIDTH },
                Work::HashProbe {
                    rows: rows + others - kept,
                    build_rows: kept,
                    build_width: 2.0 * WIDTH,
                },
                Work::Emit { rows: found },
            ];
            work.extend(sums(found, 2.0));
            self.time(timer, (&query, &hints), work)?;
        }
        // Both come in the order of their keys.
        let query = Self::joined(column("t.id").equal(column("s.id")));
        let query = aggregated(query, vec![sum_of("few"), sum_of("weight")]);
        let mut work = vec![
            self.scan(2.0),
            Work::Emit { rows },
            self.other_scan(2.0),
            Work::Emit { rows: others },
            Work::Merge { rows: rows + others },
            Work::Emit { rows: others },
        ];
        work.extend(sums(others, 2.0));
        self.time(timer, (&query, "merge(t s)"), work)
    }

    fn pairs(&self, timer: &mut Timer) -> Outcome {
        let (rows, kept) = (number(self.rows), 30_u32);
        let few = all("s").filter(column("s.id").less(i64::from(kept)));
        let query = all("t").join(JoinType::Inner, few, column("number").less(column("weight")));
        let found = self.count(&query)?;
        let query = aggregated(query, vec![sum_of("few")]);
        let (kept, one) = (f64::from(kept), 1.0);
        let mut work = vec![
            self.scan(2.0),
            Work::Emit { rows },
            Work::Seek { count: one, entries: self.others() },
            Work::Entries { rows: kept, columns: 1.0 },
            Work::Emit { rows: kept },
            Work::NestedLoop { pairs: rows * kept },
            Work::Evaluate { rows: rows * kept, scalars: 1.0 },
            Work::Emit { rows: found },
        ];
        work.extend(sums(found, 1.0));
        self.time(timer, (&query, "scan(t) loop(t s / s)"), work)
    }

    fn searches_for_each(&self, timer: &mut Timer) -> Outcome {
        let (entries, others) = (number(self.rows), self.others());
        let by_index = Self::joined(column("t.number").equal(column("s.link")));
        let by_key = Self::joined(column("t.id").equal(column("s.link")));
        let before = [self.other_scan(1.0), Work::Emit { rows: others }];
        let found = self.count(&by_index)?;
        let query = aggregated(by_index, vec![sum_of("few")]);
        let mut work = Vec::from(before);
        work.extend([
            Work::Seek { count: others, entries },
            Work::Entries { rows: found, columns: 0.0 },
            self.fetch(found, false),
            // As rows of the search, and as pairs.
            Work::Emit { rows: 2.0 * found },
        ]);
        work.extend(sums(found, 1.0));
        self.time(timer, (&query, "scan(s) each(t s / t) index(t ordered)"), work)?;
        let query = aggregated(by_key, vec![sum_of("few")]);
        let mut work = Vec::from(before);
        work.extend([self.fetch(others, false), Work::Emit { rows: 2.0 * others }]);
        work.extend(sums(others, 1.0));
        self.time(timer, (&query, "scan(s) each(t s / t)"), work)
    }
}
