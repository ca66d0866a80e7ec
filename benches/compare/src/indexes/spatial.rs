//! Spatial indexes: windows and the nearest ten among real places, as loaded and after changes.
//!
//! The raw library is asked by its fastest call, internal iteration, once with its own node sizes
//! and once with nodes of 32 (`rstar_32`). `SQLite` keeps the exact coordinates beside the boxes of
//! its R*Tree, which are 32-bit floats rounded outward, and compares them again. It has no search
//! for the nearest: that is a window round the point which is doubled until the circle in it holds
//! ten. The first half-width is the one of several that makes it fastest over all questions.

use std::hint::black_box;
use std::ops::ControlFlow;

use anyhow::{Result, ensure};
use lightning_db_storage::Store;
use lightning_db_table::Value;
use lightning_db_table::index::{
    Bounds, Index, IndexKind, Location, Reader, RowChange, SpatialOptions, SpatialQuery,
};
use rstar::primitives::GeomWithData;
use rstar::{AABB, RStarInsertionStrategy, RTree, RTreeParams};
use rusqlite::{Connection, Statement};

use super::Bench;
use super::contest::Contest;
use super::data::points;
use super::lightning::{LEVEL, load, single_index, store, there};
use super::sqlite::{open, signed};
use crate::clock::now;
use crate::comparison::OURS;
use crate::report::format::quantity;
use crate::workload::Rng;

/// Places that are asked for.
const NEAREST: usize = 10;
/// One row of so many is moved.
const CHANGED: usize = 25;
/// Rows of one commit of the changes.
const CHUNK: usize = 1_000;

const CREATE: &str = "CREATE VIRTUAL TABLE places USING rtree(id, x0, x1, y0, y1, +x, +y)";
/// Adds a place to the R*Tree.
pub(super) const INSERT: &str = "INSERT INTO places VALUES (?1, ?2, ?2, ?3, ?3, ?2, ?3)";
const MOVE: &str =
    "UPDATE places SET x0 = ?2, x1 = ?2, y0 = ?3, y1 = ?3, x = ?2, y = ?3 WHERE id = ?1";
const WINDOW: &str = "SELECT id FROM places WHERE x1 >= ?1 AND y1 >= ?2 AND x0 <= ?3 AND y0 <= ?4 \
     AND x >= ?1 AND y >= ?2 AND x <= ?3 AND y <= ?4";
/// Places in a window of the R*Tree.
pub(super) const NEAR: &str =
    "SELECT id, x, y FROM places WHERE x1 >= ?1 AND y1 >= ?2 AND x0 <= ?3 AND y0 <= ?4";

type Point = [f64; 2];
type Entry = GeomWithData<Point, u64>;

/// Nodes of 32.
struct Wide;

impl RTreeParams for Wide {
    const MIN_SIZE: usize = 12;
    const MAX_SIZE: usize = 32;
    const REINSERTION_COUNT: usize = 8;
    type DefaultInsertionStrategy = RStarInsertionStrategy;
}

/// All contenders, with the same points.
struct Players {
    store: Store,
    index: Index,
    rstar: RTree<Entry>,
    wide: RTree<Entry, Wide>,
    sqlite: Connection,
}

/// Names of the scenarios of one state.
struct Names {
    small: &'static str,
    large: &'static str,
    nearest: &'static str,
}

/// Runs the group.
pub(crate) fn run(bench: &mut Bench) -> Result<()> {
    let mut places = points(bench.pick(200_000, 1_000_000))?;
    let mut players = Players::new(bench, &places)?;
    let names = Names { small: "window_20", large: "window_1000", nearest: "nearest_10" };
    contests(bench, &players, &places, &names)?;
    players.change(&mut places)?;
    let names = Names {
        small: "changed_window_20",
        large: "changed_window_1000",
        nearest: "changed_nearest_10",
    };
    contests(bench, &players, &places, &names)?;
    let Players { store, index, .. } = players;
    drop(index);
    store.close()?;
    Ok(())
}

fn contests(bench: &mut Bench, players: &Players, places: &[Point], names: &Names) -> Result<()> {
    let mut rng = Rng::new(7);
    let asked: Vec<Point> = (0..5_000).map(|_| places[rng.index(places.len())]).collect();
    for (name, rows) in [(names.small, 20), (names.large, 1_000)] {
        let half = half_width(&players.rstar, &asked, rows);
        windows(bench, players, &asked, name, half)?;
    }
    nearest(bench, players, &asked, names.nearest)
}

/// Half the width of windows round `asked` that hold about so many rows at the median.
fn half_width(tree: &RTree<Entry>, asked: &[Point], rows: usize) -> f64 {
    let mut halves: Vec<f64> = asked
        .iter()
        .take(200)
        .map(|at| {
            let apart = |entry: &Entry| {
                let [x, y] = *entry.geom();
                (x - at[0]).abs().max((y - at[1]).abs())
            };
            tree.nearest_neighbor_iter(*at).nth(rows).map_or(0.0, apart)
        })
        .collect();
    halves.sort_by(f64::total_cmp);
    halves[halves.len() / 2]
}

impl Players {
    fn new(bench: &Bench, places: &[Point]) -> Result<Self> {
        let store = store(&bench.folder("lightning")?)?;
        let kind = IndexKind::Spatial(SpatialOptions::default());
        let index = single_index(&store, 1, 2, kind)?;
        load(&index, (0..).zip(places).map(|(id, at)| (id, row(at))))?;
        let entries = || (0..).zip(places).map(|(id, at)| Entry::new(*at, id)).collect();
        let mut sqlite = open(&bench.folder("sqlite")?)?;
        fill(&mut sqlite, places)?;
        Ok(Self {
            store,
            index,
            rstar: RTree::bulk_load(entries()),
            wide: RTree::bulk_load_with_params(entries()),
            sqlite,
        })
    }

    /// Moves some of the places, in all contenders.
    fn change(&mut self, places: &mut [Point]) -> Result<()> {
        let mut rng = Rng::new(9);
        let moved: Vec<(usize, Point)> = (0..places.len())
            .step_by(CHANGED)
            .map(|id| {
                let [x, y] = places[rng.index(places.len())];
                // A place of its own, also where two are moved to the same one.
                (id, [x + 0.003 + id as f64 * 1e-9, y - 0.002])
            })
            .collect();
        for chunk in moved.chunks(CHUNK) {
            let mut transaction = self.store.transaction();
            for (id, at) in chunk {
                let (old, new) = (row(&places[*id]), row(at));
                let change = RowChange { row_id: *id as u64, old: Some(&old), new: Some(&new) };
                self.index.maintain(&mut transaction, &change)?;
            }
            ensure!(transaction.commit()?.is_committed(), "a change conflicted with nobody");
        }
        let transaction = self.sqlite.transaction()?;
        for (id, at) in &moved {
            let (old, new) = (places[*id], Entry::new(*at, *id as u64));
            let old = Entry::new(old, *id as u64);
            there(self.rstar.remove(&old), "a place")?;
            self.rstar.insert(new);
            there(self.wide.remove(&old), "a place")?;
            self.wide.insert(new);
            transaction.prepare_cached(MOVE)?.execute((signed(*id as u64), at[0], at[1]))?;
            places[*id] = *at;
        }
        transaction.commit()?;
        Ok(())
    }
}

/// Makes the R*Tree of these places, numbered from zero.
pub(super) fn fill(sqlite: &mut Connection, places: &[Point]) -> Result<()> {
    sqlite.execute_batch(CREATE)?;
    let transaction = sqlite.transaction()?;
    {
        let mut insert = transaction.prepare(INSERT)?;
        for (id, [x, y]) in (0_i64..).zip(places) {
            insert.execute((id, x, y))?;
        }
    }
    Ok(transaction.commit()?)
}

fn row(at: &Point) -> Vec<Value> {
    vec![Value::F64(at[0]), Value::F64(at[1])]
}

fn of(question: u64) -> usize {
    usize::try_from(question).unwrap_or(0)
}

fn windows(
    bench: &mut Bench,
    players: &Players,
    asked: &[Point],
    name: &'static str,
    half: f64,
) -> Result<()> {
    let spatial = there(players.index.as_spatial(), "a spatial index")?;
    let corners = |question| {
        let [x, y] = asked[of(question)];
        ([x - half, y - half], [x + half, y + half])
    };
    let mut statement = players.sqlite.prepare(WINDOW)?;
    let case = Bench::case(name, LEVEL, players.rstar.size() as u64);
    let results = Contest::new(case, asked.len())
        .lane(OURS, |question| {
            let ([min_x, min_y], [max_x, max_y]) = corners(question);
            let query = SpatialQuery::Inside(Bounds { min_x, min_y, max_x, max_y });
            let snapshot = players.store.snapshot();
            let found = spatial.locate(Reader::Snapshot(&snapshot), &query)?;
            Ok(found.iter().fold(0, |sum, id| sum + id + 1))
        })
        .lane("rstar", |question| Ok(inside(&players.rstar, corners(question))))
        .lane("rstar_32", |question| Ok(inside(&players.wide, corners(question))))
        .lane("sqlite", |question| {
            let ([min_x, min_y], [max_x, max_y]) = corners(question);
            let mut found = statement.query((min_x, min_y, max_x, max_y))?;
            let mut sum = 0;
            while let Some(row) = found.next()? {
                sum += row.get::<_, i64>(0)?.cast_unsigned() + 1;
            }
            Ok(sum)
        })
        .run(bench)?;
    bench.add(results)
}

/// The library gives references; as a caller would, its rows are gathered.
fn inside<P: RTreeParams>(tree: &RTree<Entry, P>, (low, high): (Point, Point)) -> u64 {
    let mut found = Vec::new();
    let visit = |entry: &Entry| {
        found.push(entry.data);
        ControlFlow::<()>::Continue(())
    };
    let _all = tree.locate_in_envelope_int(AABB::from_corners(low, high), visit);
    black_box(&found).iter().fold(0, |sum, id| sum + id + 1)
}

fn nearest(
    bench: &mut Bench,
    players: &Players,
    asked: &[Point],
    name: &'static str,
) -> Result<()> {
    let spatial = there(players.index.as_spatial(), "a spatial index")?;
    let at = |question| asked[of(question)].map(|part| part + 0.001);
    let mut statement = players.sqlite.prepare(NEAR)?;
    let first = first_half(&players.rstar, &mut statement, asked)?;
    crate::progress(&format!("{name}: sqlite begins with windows of {}", quantity(first)));
    let library = |tree: &mut dyn Iterator<Item = &Entry>| {
        tree.take(NEAREST).enumerate().fold(0, |sum, (rank, found)| ranked(sum, rank, found.data))
    };
    let case = Bench::case(name, LEVEL, players.rstar.size() as u64);
    let results = Contest::new(case, asked.len())
        .lane(OURS, |question| {
            let [x, y] = at(question);
            let snapshot = players.store.snapshot();
            let reader = Reader::Snapshot(&snapshot);
            let found = spatial.nearest(reader, Location::new(x, y), NEAREST)?;
            let found = found.iter().enumerate();
            Ok(found.fold(0, |sum, (rank, near)| ranked(sum, rank, near.row_id)))
        })
        .lane("rstar", |question| {
            Ok(library(&mut players.rstar.nearest_neighbor_iter(at(question))))
        })
        .lane("rstar_32", |question| {
            Ok(library(&mut players.wide.nearest_neighbor_iter(at(question))))
        })
        .lane("sqlite", |question| {
            let found = doubling(&mut statement, at(question), first, NEAREST)?;
            Ok(found.into_iter().enumerate().fold(0, |sum, (rank, id)| ranked(sum, rank, id)))
        })
        .run(bench)?;
    bench.add(results)
}

/// A sum that tells orders apart.
fn ranked(sum: u64, rank: usize, id: u64) -> u64 {
    sum.wrapping_add((rank as u64 + 1).wrapping_mul(id + 1))
}

/// The first half-width of `SQLite`'s windows that makes it fastest.
fn first_half(tree: &RTree<Entry>, near: &mut Statement<'_>, asked: &[Point]) -> Result<f64> {
    let typical = half_width(tree, asked, NEAREST);
    let mut best = (f64::MAX, typical);
    for factor in [0.5, 1.0, 1.5, 2.0, 3.0, 5.0] {
        let half = typical * factor;
        let start = now();
        for at in asked.iter().take(1_000) {
            black_box(doubling(near, *at, half, NEAREST)?);
        }
        let seconds = start.elapsed().as_secs_f64();
        if seconds < best.0 {
            best = (seconds, half);
        }
    }
    Ok(best.1)
}

/// The nearest by windows that are doubled, nearest first.
pub(super) fn doubling(
    near: &mut Statement<'_>,
    [x, y]: Point,
    first: f64,
    count: usize,
) -> Result<Vec<u64>> {
    let mut half = first;
    loop {
        let mut found: Vec<(f64, u64)> = Vec::new();
        let mut rows = near.query((x - half, y - half, x + half, y + half))?;
        while let Some(row) = rows.next()? {
            let (dx, dy) = (row.get::<_, f64>(1)? - x, row.get::<_, f64>(2)? - y);
            let squared = dx * dx + dy * dy;
            // What lies in the corners may be farther than what lies outside.
            if squared <= half * half {
                found.push((squared, row.get::<_, i64>(0)?.cast_unsigned()));
            }
        }
        if found.len() >= count {
            found.select_nth_unstable_by(count - 1, |a, b| a.0.total_cmp(&b.0));
            found.truncate(count);
            found.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
            return Ok(found.into_iter().map(|(_, id)| id).collect());
        }
        half *= 2.0;
    }
}
