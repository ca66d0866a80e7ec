//! Operations as data: what a sequence is made of, and how sequences are drawn.

use std::ops::Bound;
use std::rc::Rc;
use std::time::Duration;

use lightning_db_storage::{Durability, Isolation};
use lightning_db_types::{Persistence, Rng, SeededRng};
use proptest::prelude::*;
use proptest::sample::select;

use crate::model::{Bounds, Bytes};

/// Few keys, so that operations meet: the empty one, prefixes of each other, zeros and 0xff.
pub(crate) const KEYS: [&[u8]; 14] = [
    b"",
    b"\0",
    b"\0\0",
    b"a",
    b"a\0",
    b"aa",
    b"ab",
    b"b",
    b"ba",
    b"key/1",
    b"key/10",
    b"key/2",
    b"\xff",
    b"\xff\xff",
];
pub(crate) const PREFIXES: [&[u8]; 7] = [b"", b"\0", b"a", b"key/", b"key/1", b"\xff", b"zz"];
pub(crate) const NAMES: [&str; 3] = ["cities", "roads", "\u{e9}t\u{e9}"];

/// A value by its recipe, so that a failing sequence prints short.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ValueRecipe {
    pub(crate) tag: u8,
    pub(crate) len: u32,
}

impl ValueRecipe {
    pub(crate) fn bytes(self) -> Bytes {
        let rng = SeededRng::new(u64::from(self.tag));
        let mut bytes = Vec::with_capacity(self.len as usize + 8);
        // Odd tags do not compress, so that blocks of both kinds are written.
        while bytes.len() < self.len as usize {
            let word = if self.tag % 2 == 1 { rng.next_u64() } else { u64::from(self.tag) };
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        bytes.truncate(self.len as usize);
        Rc::from(bytes)
    }
}

/// How a range is read: bit `i % 8` says whether step `i` is from the front.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Walk {
    pub(crate) fronts: u8,
    pub(crate) steps: usize,
}

#[derive(Debug, Clone)]
pub(crate) struct Write {
    pub(crate) keyspace: usize,
    pub(crate) key: usize,
    pub(crate) value: Option<ValueRecipe>,
    pub(crate) time_to_live: Option<Duration>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Expected {
    Current,
    Absent,
    Other,
}

/// A step of one of the two transactions.
#[derive(Debug, Clone)]
pub(crate) enum TransactionStep {
    Get { keyspace: usize, key: usize },
    Range { keyspace: usize, bounds: Bounds, walk: Walk },
    Write(Write),
    Savepoint,
    RollbackTo(usize),
    Commit,
    Drop,
}

/// One call, or a few that belong together.
#[derive(Debug, Clone)]
pub(crate) enum Operation {
    Write(Write, Durability),
    CompareAndSwap { write: Write, expected: Expected },
    FetchUpdate { write: Write, disturbed: bool },
    Batch(Vec<Write>, Durability),
    Transaction { slot: usize, isolation: Isolation, step: TransactionStep },
    OpenSnapshot,
    ReadSnapshot { which: usize, keyspace: usize, key: usize, bounds: Bounds, walk: Walk },
    DropSnapshot(usize),
    OpenIterator { keyspace: usize, bounds: Bounds, of_snapshot: bool },
    StepIterator { which: usize, walk: Walk },
    Get { keyspace: usize, key: usize },
    Range { keyspace: usize, bounds: Bounds, walk: Walk },
    Prefix { keyspace: usize, prefix: usize, walk: Walk },
    Sizes { keyspace: usize },
    CreateKeyspace { keyspace: usize, time_to_live: Option<Duration> },
    DropKeyspace { keyspace: usize },
    Clear { keyspace: usize },
    Ingest { keyspace: usize, entries: Vec<(usize, ValueRecipe)> },
    Advance(Duration),
    Sync,
    Checkpoint,
    Compact,
    Maintain,
    Changes { from: u64 },
    Check,
    OpenBeside,
    Backup,
    Reopen { close: bool },
    Crash(Persistence, u64),
}

fn keyspaces() -> impl Strategy<Value = usize> {
    prop_oneof![4 => Just(0), 2 => Just(1), 1 => Just(2)]
}

fn keys() -> impl Strategy<Value = usize> {
    0..KEYS.len()
}

fn values() -> impl Strategy<Value = ValueRecipe> {
    let lens = prop_oneof![
        2 => Just(0_u32),
        60 => 1_u32..40,
        12 => 1_000_u32..6_000,
        6 => 30_000_u32..70_000,
    ];
    (any::<u8>(), lens).prop_map(|(tag, len)| ValueRecipe { tag, len })
}

/// Values around 1 MiB, from which on they stand in files of their own; drawn seldom.
fn large_values() -> impl Strategy<Value = ValueRecipe> {
    (any::<u8>(), (1_u32 << 20) - 2..(1 << 20) + 2).prop_map(|(tag, len)| ValueRecipe { tag, len })
}

fn lifetimes() -> impl Strategy<Value = Option<Duration>> {
    prop_oneof![5 => Just(None), 1 => (0_u64..4_000).prop_map(|ms| Some(Duration::from_millis(ms)))]
}

fn writes() -> impl Strategy<Value = Write> {
    let value = prop_oneof![4 => values().prop_map(Some), 1 => Just(None)];
    (keyspaces(), keys(), value, lifetimes()).prop_map(|(keyspace, key, value, time_to_live)| {
        Write { keyspace, key, value, time_to_live }
    })
}

fn large_writes() -> impl Strategy<Value = Write> {
    (keyspaces(), keys(), large_values(), lifetimes()).prop_map(|(keyspace, key, value, ttl)| {
        Write { keyspace, key, value: Some(value), time_to_live: ttl }
    })
}

fn durabilities() -> impl Strategy<Value = Durability> {
    select(vec![Durability::Sync, Durability::Sync, Durability::Buffered, Durability::Memory])
}

fn bounds() -> impl Strategy<Value = Bounds> {
    let bound = || {
        (0..3_u8, keys()).prop_map(|(kind, key)| match kind {
            0 => Bound::Unbounded,
            1 => Bound::Included(KEYS[key].to_vec()),
            _ => Bound::Excluded(KEYS[key].to_vec()),
        })
    };
    (bound(), bound())
}

fn walks() -> impl Strategy<Value = Walk> {
    let fronts = prop_oneof![Just(0xff_u8), Just(0x00), Just(0xaa), any::<u8>()];
    let steps = prop_oneof![2 => Just(usize::MAX), 1 => 0..6_usize];
    (fronts, steps).prop_map(|(fronts, steps)| Walk { fronts, steps })
}

fn transaction_steps() -> impl Strategy<Value = TransactionStep> {
    use TransactionStep as Step;
    prop_oneof![
        4 => (keyspaces(), keys()).prop_map(|(keyspace, key)| Step::Get { keyspace, key }),
        3 => (keyspaces(), bounds(), walks())
            .prop_map(|(keyspace, bounds, walk)| Step::Range { keyspace, bounds, walk }),
        8 => writes().prop_map(Step::Write),
        1 => Just(Step::Savepoint),
        1 => any::<usize>().prop_map(Step::RollbackTo),
        4 => Just(Step::Commit),
        1 => Just(Step::Drop),
    ]
}

fn reads() -> impl Strategy<Value = Operation> {
    use Operation as Op;
    prop_oneof![
        3 => (keyspaces(), keys()).prop_map(|(keyspace, key)| Op::Get { keyspace, key }),
        3 => (keyspaces(), bounds(), walks())
            .prop_map(|(keyspace, bounds, walk)| Op::Range { keyspace, bounds, walk }),
        2 => (keyspaces(), 0..PREFIXES.len(), walks())
            .prop_map(|(keyspace, prefix, walk)| Op::Prefix { keyspace, prefix, walk }),
        1 => keyspaces().prop_map(|keyspace| Op::Sizes { keyspace }),
        2 => Just(Op::OpenSnapshot),
        4 => (any::<usize>(), keyspaces(), keys(), bounds(), walks()).prop_map(
            |(which, keyspace, key, bounds, walk)| {
                Op::ReadSnapshot { which, keyspace, key, bounds, walk }
            }
        ),
        1 => any::<usize>().prop_map(Op::DropSnapshot),
        2 => (keyspaces(), bounds(), any::<bool>()).prop_map(|(keyspace, bounds, of_snapshot)| {
            Op::OpenIterator { keyspace, bounds, of_snapshot }
        }),
        4 => (any::<usize>(), walks()).prop_map(|(which, walk)| Op::StepIterator { which, walk }),
        1 => (0_u64..60).prop_map(|from| Op::Changes { from }),
    ]
}

fn upkeep() -> impl Strategy<Value = Operation> {
    use Operation as Op;
    let persistence =
        select(vec![Persistence::All, Persistence::None, Persistence::Prefix, Persistence::Random]);
    prop_oneof![
        2 => (keyspaces(), lifetimes()).prop_map(|(keyspace, time_to_live)| {
            Op::CreateKeyspace { keyspace, time_to_live }
        }),
        2 => keyspaces().prop_map(|keyspace| Op::DropKeyspace { keyspace }),
        3 => keyspaces().prop_map(|keyspace| Op::Clear { keyspace }),
        3 => (keyspaces(), prop::collection::btree_map(keys(), values(), 0..6)).prop_map(
            |(keyspace, entries)| Op::Ingest { keyspace, entries: entries.into_iter().collect() }
        ),
        3 => (0_u64..3_000).prop_map(|ms| Op::Advance(Duration::from_millis(ms))),
        1 => Just(Op::Sync),
        5 => Just(Op::Checkpoint),
        4 => Just(Op::Compact),
        3 => Just(Op::Maintain),
        1 => Just(Op::Check),
        1 => Just(Op::OpenBeside),
        1 => Just(Op::Backup),
        3 => any::<bool>().prop_map(|close| Op::Reopen { close }),
        3 => (persistence, any::<u64>()).prop_map(|(kept, seed)| Op::Crash(kept, seed)),
    ]
}

/// One operation of any kind.
pub(crate) fn operations() -> impl Strategy<Value = Operation> {
    use Operation as Op;
    let expected = select(vec![Expected::Current, Expected::Absent, Expected::Other]);
    let isolation = select(vec![Isolation::Serializable, Isolation::Snapshot]);
    prop_oneof![
        120 => (writes(), durabilities()).prop_map(|(write, level)| Op::Write(write, level)),
        1 => large_writes().prop_map(|write| Op::Write(write, Durability::Sync)),
        20 => (writes(), expected)
            .prop_map(|(write, expected)| Op::CompareAndSwap { write, expected }),
        15 => (writes(), any::<bool>())
            .prop_map(|(write, disturbed)| Op::FetchUpdate { write, disturbed }),
        40 => (prop::collection::vec(writes(), 0..8), durabilities())
            .prop_map(|(writes, level)| Op::Batch(writes, level)),
        200 => (0..2_usize, isolation, transaction_steps())
            .prop_map(|(slot, isolation, step)| Op::Transaction { slot, isolation, step }),
        150 => reads(),
        110 => upkeep(),
    ]
}
