//! A keyspace that is dropped and made again, or emptied and filled again, while threads read it.
//!
//! Every key of a generation has the generation's number in its value, so that a reader knows a
//! mixture, and a part, when it sees one. `THREADS_SEED=n` runs one seed again.

use std::sync::atomic::{AtomicBool, Ordering};

use lightning_db_storage::{
    Durability, Error, Keyspace, KeyspaceOptions, Result, Slice, Store, StoreOptions,
};
use lightning_db_types::{Rng, SeededRng};

const GENERATIONS: u64 = 80;
const KEYS: u64 = 40;
const READERS: u64 = 3;
const NAME: &str = "again";
/// Length of a value that stands in a file of its own.
const LARGE: usize = (1 << 20) + 1;

/// Makes one generation after the other.
fn write(store: &Store, seed: u64) -> Result<()> {
    let rng = SeededRng::new(seed);
    for generation in 1..=GENERATIONS {
        let keyspace = store.keyspace(NAME, KeyspaceOptions::new())?;
        let mut batch = store.batch();
        for key in 0..KEYS {
            let mut value = generation.to_be_bytes().to_vec();
            value.resize(8 + usize::try_from(rng.below(3_000)).unwrap(), 0);
            if key == 0 && rng.one_in(4) {
                value.resize(LARGE, 1);
            }
            batch.insert(&keyspace, key.to_be_bytes(), value);
        }
        batch.commit()?;
        if rng.one_in(3) {
            store.compact()?;
        }
        if rng.one_in(2) {
            store.drop_keyspace(NAME)?;
        } else {
            keyspace.clear()?;
        }
    }
    Ok(())
}

/// The generation that is seen, which is zero while there is none.
fn generation(items: impl Iterator<Item = Result<(Slice, Slice)>>) -> Result<u64> {
    let items = items.collect::<Result<Vec<_>>>()?;
    let numbers: Vec<_> = items.iter().map(|(_, value)| value[..8].to_vec()).collect();
    let Some(first) = numbers.first() else { return Ok(0) };
    assert!(numbers.iter().all(|number| number == first), "keys of two generations");
    assert_eq!(numbers.len() as u64, KEYS, "a part of a generation");
    Ok(u64::from_be_bytes(first[..].try_into().unwrap()))
}

/// Looks at a snapshot three times: at once, later, and with an iterator that was open meanwhile.
fn look(store: &Store, keyspace: &Keyspace, upwards: bool) -> Result<u64> {
    let snapshot = store.snapshot();
    let mut open = snapshot.iter(keyspace);
    let first = if upwards { open.next() } else { open.next_back() };
    let once = generation(snapshot.iter(keyspace))?;
    std::thread::yield_now();
    assert_eq!(generation(snapshot.iter(keyspace).rev())?, once, "a snapshot does not move");
    assert_eq!(generation(first.into_iter().chain(open))?, once, "an iterator does not move");
    Ok(once)
}

fn read(store: &Store, rng: &SeededRng, ended: &AtomicBool) {
    let mut newest = 0;
    while !ended.load(Ordering::Acquire) {
        let seen = store.open_keyspace(NAME).and_then(|keyspace| {
            // A reader of the present sees a part of nothing, too.
            generation(keyspace.iter())?;
            look(store, &keyspace, rng.one_in(2))
        });
        match seen {
            Ok(0) | Err(Error::KeyspaceNotFound { .. } | Error::KeyspaceDropped { .. }) => {}
            Ok(seen) => {
                assert!(seen >= newest, "generation {seen} after {newest}");
                newest = seen;
            }
            Err(error) => panic!("{error:?}"),
        }
    }
}

#[expect(clippy::print_stdout, reason = "a failure names its seed")]
fn run(seed: u64) {
    println!("THREADS_SEED={seed}");
    let dir = tempfile::tempdir().unwrap();
    let options = StoreOptions::new(dir.path().join("store")).durability(Durability::Buffered);
    let (store, _) = options.memory_limit(1 << 20).open().unwrap();
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for reader in 0..READERS {
            let (store, ended) = (&store, &ended);
            scope.spawn(move || read(store, &SeededRng::new(!seed ^ reader), ended));
        }
        let written = write(&store, seed);
        // Readers end even where the writer has failed, so that its failure is what is seen.
        ended.store(true, Ordering::Release);
        written.unwrap();
    });
}

#[test]
fn readers_see_whole_generations_of_a_keyspace_that_is_dropped_or_emptied() {
    let _guard = crate::without_defects();
    match std::env::var("THREADS_SEED").ok().and_then(|seed| seed.parse().ok()) {
        Some(seed) => run(seed),
        None => (1..=3).for_each(run),
    }
}
