//! The table on which every kind is tried: its columns, its rows drawn at random, its disk.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use lightning_db_storage::{Maintenance, Store, StoreOptions};
use lightning_db_table::{
    BuildOutcome, BuildStatus, ColumnDefinition, ColumnType, Error, TableDefinition, TableReader,
    TableTransaction, Tables, Value,
};
use lightning_db_types::{Clock, Rng, SeededRng, SimClock, SimVfs};

use crate::kinds::{Ask, Kind, pick};

/// Name of the table.
pub(crate) const TABLE: &str = "things";
/// Name of the index.
pub(crate) const INDEX: &str = "tested";

/// Positions of the columns.
pub(crate) mod column {
    pub(crate) const NUMBER: usize = 1;
    pub(crate) const CODE: usize = 2;
    pub(crate) const NAME: usize = 3;
    pub(crate) const SCORE: usize = 4;
    pub(crate) const ACTIVE: usize = 5;
    pub(crate) const PLACE: usize = 6;
    pub(crate) const BODY: usize = 7;
    pub(crate) const ENDS: usize = 8;
}

const NAMES: [(&str, ColumnType); 8] = [
    ("number", ColumnType::I64),
    ("code", ColumnType::I64),
    ("name", ColumnType::Text),
    ("score", ColumnType::F64),
    ("active", ColumnType::Bool),
    ("place", ColumnType::Point),
    ("body", ColumnType::Text),
    ("ends", ColumnType::Timestamp),
];

pub(crate) const WORDS: [&str; 10] =
    ["storm", "stormy", "sea", "Sea", "ship", "light", "lightning", "rain", "the", "q"];

/// Numbers of rows and their values, by ascending number.
pub(crate) type Rows = Vec<(u64, Vec<Value>)>;

/// A disk and a clock, on which stores are opened one after the other.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) vfs: Arc<SimVfs>,
    pub(crate) clock: SimClock,
}

impl World {
    pub(crate) fn new() -> Self {
        Self { vfs: Arc::new(SimVfs::new()), clock: SimClock::default() }
    }

    /// The same time on another disk.
    pub(crate) fn on(&self, vfs: SimVfs) -> Self {
        Self { vfs: Arc::new(vfs), clock: SimClock::new(self.clock.now_unix_ms()) }
    }

    pub(crate) fn options(&self) -> StoreOptions {
        let vfs: Arc<SimVfs> = Arc::clone(&self.vfs);
        StoreOptions::new("/store")
            .memory_limit(4 << 20)
            .maintenance(Maintenance::Stepped)
            .vfs(vfs)
            .clock(Arc::new(self.clock.clone()))
            .rng(Arc::new(SeededRng::new(1)))
    }

    pub(crate) fn store(&self) -> Store {
        self.options().open().unwrap().0
    }

    fn now_us(&self) -> i64 {
        i64::try_from(self.clock.now_unix_ms()).unwrap() * 1_000
    }
}

/// A statement on one row.
#[derive(Debug, Clone)]
pub(crate) enum Statement {
    Upsert(Vec<Value>),
    Delete(i64),
    Patch(i64, usize, Value),
}

impl Statement {
    /// Runs it; false if a key that is unique is taken.
    pub(crate) fn run(
        &self,
        transaction: &mut TableTransaction,
    ) -> lightning_db_table::Result<bool> {
        let table = transaction.table(TABLE)?;
        let outcome = match self {
            Self::Upsert(row) => transaction.upsert(&table, row.clone()).map(drop),
            Self::Delete(id) => transaction.delete(&table, &[(*id).into()]).map(drop),
            Self::Patch(id, at, value) => {
                let change = [(NAMES[at - 1].0, value.clone())];
                transaction.patch(&table, &[(*id).into()], change).map(drop)
            }
        };
        match outcome {
            Err(Error::Unique { .. }) => Ok(false),
            outcome => outcome.map(|()| true),
        }
    }

    /// The same with a key and a code that no other writer has.
    pub(crate) fn of_writer(self, writer: i64) -> Self {
        let id = |id: i64| 1_000 * writer + id;
        match self {
            Self::Upsert(mut row) => {
                let Value::I64(key) = row[0] else { return Self::Upsert(row) };
                (row[0], row[column::CODE]) = (id(key).into(), id(key).into());
                Self::Upsert(row)
            }
            Self::Delete(key) => Self::Delete(id(key)),
            Self::Patch(key, column::CODE, _) => Self::Patch(id(key), column::CODE, Value::Null),
            Self::Patch(key, at, value) => Self::Patch(id(key), at, value),
        }
    }

    /// What it makes of rows, if it is not refused.
    pub(crate) fn apply(&self, rows: &mut BTreeMap<i64, Vec<Value>>) {
        match self {
            Self::Upsert(row) => {
                let Value::I64(id) = row[0] else { return };
                rows.insert(id, row.clone());
            }
            Self::Delete(id) => drop(rows.remove(id)),
            Self::Patch(id, at, value) => {
                if let Some(row) = rows.get_mut(id) {
                    row[*at] = value.clone();
                }
            }
        }
    }
}

/// Draws rows and statements.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) rng: SeededRng,
    /// Keys are below this.
    pub(crate) ids: u64,
}

impl Source {
    pub(crate) fn new(seed: u64) -> Self {
        Self { rng: SeededRng::new(seed), ids: 60 }
    }

    /// A value of few, so that equal ones meet; null now and then.
    pub(crate) fn value(&self, at: usize, now_us: i64) -> Value {
        let rng = &self.rng;
        if rng.one_in(6) && at != column::ACTIVE {
            return Value::Null;
        }
        match at {
            column::NUMBER => Value::I64(rng.below(12).cast_signed() - 4),
            column::CODE => Value::I64(rng.below(3 * self.ids).cast_signed()),
            column::NAME => Value::from(["a", "Ab", "ab", "aB", "b", "\u{e4}", ""][pick(rng, 7)]),
            column::SCORE => Value::F64([-0.0, 0.0, 1.5, -2.5, 9.0, 1e300, 3.0][pick(rng, 7)]),
            column::ACTIVE => Value::Bool(rng.one_in(2)),
            column::PLACE => crate::kinds::place(rng),
            column::BODY => {
                let words = (0..rng.below(6)).map(|_| WORDS[pick(rng, WORDS.len())]);
                Value::Text(words.collect::<Vec<_>>().join(" "))
            }
            _ => Value::Timestamp(now_us + rng.below(40_000_000).cast_signed()),
        }
    }

    pub(crate) fn row(&self, id: i64, now_us: i64) -> Vec<Value> {
        let values = (1..=NAMES.len()).map(|at| self.value(at, now_us));
        std::iter::once(id.into()).chain(values).collect()
    }

    pub(crate) fn id(&self) -> i64 {
        self.rng.below(self.ids).cast_signed()
    }

    pub(crate) fn statement(&self, now_us: i64) -> Statement {
        let id = self.id();
        match self.rng.below(6) {
            0 => Statement::Delete(id),
            1 | 2 => {
                let at = 1 + pick(&self.rng, NAMES.len());
                Statement::Patch(id, at, self.value(at, now_us))
            }
            _ => Statement::Upsert(self.row(id, now_us)),
        }
    }
}

/// One kind on trial.
#[derive(Debug)]
pub(crate) struct Case<'k> {
    pub(crate) kind: &'k Kind,
    pub(crate) world: World,
    pub(crate) tables: Tables,
    pub(crate) source: Source,
}

/// The table without an index.
pub(crate) fn definition(kind: &Kind) -> TableDefinition {
    let table = TableDefinition::new(TABLE)
        .column(ColumnDefinition::new("id", ColumnType::I64))
        .primary_key([0]);
    let table = NAMES.into_iter().fold(table, |table, (name, column_type)| {
        table.column(ColumnDefinition::new(name, column_type).nullable())
    });
    if kind.is_expiring { table.expires_at(column::ENDS) } else { table }
}

impl<'k> Case<'k> {
    /// An empty table with the index.
    pub(crate) fn new(kind: &'k Kind, seed: u64) -> Self {
        let case = Self::without_index(kind, seed);
        assert!(matches!(case.build(), BuildOutcome::Ready { .. }));
        case
    }

    pub(crate) fn without_index(kind: &'k Kind, seed: u64) -> Self {
        let world = World::new();
        let (tables, _) = Tables::open(&world.store()).unwrap();
        tables.create_table(definition(kind)).unwrap();
        Self { kind, world, tables, source: Source::new(seed) }
    }

    /// The same on another disk, or after a restart on the same one.
    pub(crate) fn reopened(kind: &'k Kind, world: World, seed: u64) -> Self {
        let (tables, _) = Tables::open(&world.store()).unwrap();
        Self { kind, world, tables, source: Source::new(seed) }
    }

    pub(crate) fn build(&self) -> BuildOutcome {
        self.tables.create_index(TABLE, (self.kind.make)(INDEX), &mut go_on).unwrap()
    }

    pub(crate) fn statement(&self) -> Statement {
        self.source.statement(self.world.now_us())
    }

    pub(crate) fn row(&self, id: i64) -> Vec<Value> {
        self.source.row(id, self.world.now_us())
    }

    /// Runs a statement in a transaction; only a unique kind may refuse it.
    pub(crate) fn run(&self, statement: &Statement, transaction: &mut TableTransaction) -> bool {
        let done = statement.run(transaction).unwrap();
        assert!(done || self.kind.is_unique, "{statement:?}");
        done
    }

    /// Changes rows in commits of one to four statements; time goes on.
    pub(crate) fn change(&self, commits: usize) {
        for _ in 0..commits {
            let mut transaction = self.tables.transaction();
            for _ in 0..=self.source.rng.below(4) {
                self.run(&self.statement(), &mut transaction);
            }
            assert!(transaction.commit().unwrap().is_committed());
            if self.kind.is_expiring {
                self.world.clock.advance(Duration::from_secs(1));
            }
        }
    }

    /// What is worth doing now and then, in the index and below.
    pub(crate) fn upkeep(&self) {
        self.tables.upkeep().unwrap();
        for (index, _) in self.tables.table(TABLE).unwrap().indexes() {
            // Its upkeep leaves what is younger than a second in memory.
            if let Some(text) = index.as_text() {
                text.flush().unwrap();
            }
        }
        self.tables.store().maintain().unwrap();
    }

    pub(crate) fn ask(&self) -> Ask {
        (self.kind.ask)(&self.source.rng)
    }

    /// Compares answers and expectations with a scan of the table in the same state.
    pub(crate) fn compare(&self, reader: &TableReader<'_>, asks: usize) {
        let rows = scan(reader);
        let is_newest = reader.reader().lsn() == self.tables.store().last_lsn();
        for _ in 0..asks {
            compare_one(self.kind, reader, (&rows, is_newest), &self.ask());
        }
        if let Some(probe) = self.kind.probe {
            probe(reader, INDEX, &rows);
        }
    }

    /// [`compare`](Self::compare) for the newest commit.
    pub(crate) fn compare_now(&self, asks: usize) {
        let snapshot = self.tables.snapshot();
        let table = snapshot.table(TABLE).unwrap();
        self.compare(&snapshot.read(&table).unwrap(), asks);
    }

    /// Asserts that rows and entries agree.
    pub(crate) fn assert_sound(&self) {
        self.assert_sound_after("at the end");
    }

    pub(crate) fn assert_sound_after(&self, context: &str) {
        let report = self.tables.check().unwrap();
        assert!(report.is_clean(), "{}, {context}: {:#?}", self.kind.name, report.problems);
    }
}

/// A row without a key that another one may have.
pub(crate) fn free_row(case: &Case<'_>, id: i64) -> Statement {
    let mut row = case.row(id);
    row[column::CODE] = (1_000_000 + id).into();
    Statement::Upsert(row)
}

/// All rows of a reader's state.
pub(crate) fn scan(reader: &TableReader<'_>) -> Rows {
    let rows = reader.scan().map(Result::unwrap);
    rows.map(|row| (row.row_id(), row.values())).collect()
}

/// Compares an answer with the rows, and, for a reader of the newest state, the expectation.
#[expect(clippy::cast_precision_loss, reason = "small numbers")]
pub(crate) fn compare_one(
    kind: &Kind,
    reader: &TableReader<'_>,
    (rows, is_newest): (&Rows, bool),
    ask: &Ask,
) {
    let (name, query) = (kind.name, &ask.query);
    let wanted = (ask.answer)(rows);
    let found = reader.find(INDEX, query).unwrap();
    assert!(
        found.iter().eq(wanted.iter().copied()),
        "{name}, {query:?}: {found:?}, not {wanted:?}"
    );
    if !is_newest {
        return;
    }
    let expected = reader.estimate_find(INDEX, query).unwrap();
    let count = wanted.len() as f64;
    assert!(
        expected.low <= expected.point && expected.point <= expected.high,
        "{name}, {query:?}: {expected:?}"
    );
    assert!(
        expected.low <= count && count <= expected.high,
        "{name}, {query:?}: {expected:?} for {count} rows"
    );
    if expected.exact {
        assert!((expected.point - count).abs() < 0.5, "{name}, {query:?}: {expected:?}, {count}");
    }
}

pub(crate) fn go_on(_: BuildStatus<'_>) -> ControlFlow<()> {
    ControlFlow::Continue(())
}
