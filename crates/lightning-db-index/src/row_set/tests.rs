//! Sets against models, the format against files of other implementations and against `CRoaring`.

pub(crate) mod real_sets;

use std::collections::BTreeSet;
use std::path::PathBuf;

use croaring::{Bitmap, Portable, Treemap};
use lightning_db_types::{Rng, SeededRng};
use proptest::prelude::*;

use super::*;

fn seed() -> u64 {
    let given = std::env::var("LIGHTNING_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or(0x0A11_5E75);
    println!("seed {seed}; LIGHTNING_SEED={seed} repeats this run");
    seed
}

fn data(name: &str) -> Vec<u8> {
    let path = [env!("CARGO_MANIFEST_DIR"), "tests/data/roaring", name].iter().collect::<PathBuf>();
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn sets_are_combined_exactly() {
    let even: RowSet = (0..100_000).step_by(2).collect();
    let third: RowSet = (0..100_000).step_by(3).collect();
    let mut both = even.clone();
    both &= &third;
    assert!(both.iter().eq((0..100_000).step_by(6)));
    let mut either = even.clone();
    either |= &third;
    assert_eq!(either.len(), even.len() + third.len() - both.len());
    either -= &even;
    assert_eq!(either.len(), third.len() - both.len());
    assert!(!either.contains(6) && either.contains(3));
}

#[test]
fn a_shared_set_is_copied_when_it_is_changed() {
    let shared = SharedRows::new((0..10).collect());
    let mut set = RowSet::shared(std::sync::Arc::clone(&shared));
    assert_eq!((shared.len(), set.len()), (10, 10));
    assert!(set.insert(100) && set.insert(101) && set.remove(5));
    assert_eq!((shared.len(), set.len()), (10, 11));
    assert!(shared.contains(5) && !set.contains(5));
}

fn below(rng: &SeededRng, bound: usize) -> usize {
    usize::try_from(rng.below(bound as u64)).unwrap()
}

/// Rows in containers of all kinds, below and above 2^32.
fn random_rows(rng: &SeededRng) -> BTreeSet<u64> {
    let mut rows = BTreeSet::new();
    for _ in 0..rng.below(6) {
        let bases = [0, 1 << 16, 5 << 16, 1 << 32, (1 << 32) + (1 << 16), 1 << 47];
        let base = bases[below(rng, bases.len())];
        match rng.below(5) {
            0 => rows.extend((0..rng.below(10)).map(|_| base + rng.below(1 << 16))),
            1 => rows.extend((0..rng.below(9_000)).map(|_| base + rng.below(1 << 16))),
            2 => {
                let from = rng.below(1 << 16);
                rows.extend((from..from + rng.below(30_000)).map(|row| base + row));
            }
            3 => rows.extend((0..40).flat_map(|run| (0..9).map(move |row| base + run * 90 + row))),
            _ => rows.extend((0..1 << 16).step_by(3).map(|row| base + row)),
        }
    }
    rows
}

/// In memory as runs or not, by chance.
fn set_of(rng: &SeededRng, rows: &BTreeSet<u64>) -> RowSet {
    let set: RowSet = rows.iter().copied().collect();
    if rng.one_in(2) { set.optimized() } else { set }
}

#[test]
fn random_sets_obey_the_laws_of_sets() {
    let rng = SeededRng::new(seed());
    for _ in 0..200 {
        let rows: Vec<BTreeSet<u64>> = (0..2 + rng.below(5)).map(|_| random_rows(&rng)).collect();
        let sets: Vec<RowSet> = rows.iter().map(|rows| set_of(&rng, rows)).collect();
        let (a, b) = (&rows[0], &rows[1]);
        assert!(sets[0].and(&sets[1]).iter().eq(a.intersection(b).copied()));
        assert!(sets[0].or(&sets[1]).iter().eq(a.union(b).copied()));
        assert!(sets[0].and_not(&sets[1]).iter().eq(a.difference(b).copied()));
        let mut changed = sets[0].clone();
        changed |= &sets[1];
        assert_eq!(changed, sets[0].or(&sets[1]));
        changed -= &sets[0];
        assert!(changed.iter().eq(b.difference(a).copied()));
        changed |= &sets[0];
        changed &= &sets[1];
        assert_eq!(changed, sets[1]);
        for row_id in b.iter().step_by(3) {
            assert!(changed.contains(*row_id) && changed.remove(*row_id));
            assert!(!changed.contains(*row_id) && !changed.remove(*row_id));
        }
        assert_eq!(changed.len(), b.len() as u64 - b.len().div_ceil(3) as u64);
        for row_id in b {
            changed.insert(*row_id);
        }
        assert_eq!(changed, sets[1]);
        assert_eq!((changed.first(), changed.last()), (b.first().copied(), b.last().copied()));
        assert_eq!(RowSet::from(changed.into_treemap()), sets[1]);
        assert_eq!(sets[0].and_len(&sets[1]), a.intersection(b).count() as u64);
        let few: RowSet = a.iter().step_by(a.len() / 3 + 1).copied().collect();
        let found: Vec<u64> = few.iter().filter(|row_id| b.contains(row_id)).collect();
        assert!(few.and(&sets[1]).iter().eq(found.iter().copied()));
        assert!(sets[1].and(&few).iter().eq(found));
        let all: BTreeSet<u64> = rows.iter().flatten().copied().collect();
        let union = RowSet::union(&sets);
        assert!(union.iter().eq(all.iter().copied()));
        assert_eq!(union, sets.iter().fold(RowSet::new(), |all, set| all.or(set)));
        for (_, bitmap) in union.held().parts() {
            bitmap.internal_validate().unwrap();
        }
        for (index, row) in all.iter().enumerate().step_by(997) {
            assert_eq!(union.select(index as u64), Some(*row));
            assert_eq!(union.rank(*row), index as u64 + 1);
        }
        let bytes = union.to_portable_64();
        assert_eq!(RowSet::from_portable_64(&bytes).unwrap().to_portable_64(), bytes);
        let oracle: Treemap = all.iter().copied().collect();
        assert_eq!(Treemap::try_deserialize::<Portable>(&bytes).unwrap(), oracle);
        let theirs = oracle.serialize::<Portable>();
        assert_eq!(RowSet::from_portable_64(&theirs).unwrap(), union);
    }
}

#[test]
fn files_of_the_format_specification_come_back_byte_for_byte() {
    for name in ["bitmapwithruns.bin", "bitmapwithoutruns.bin"] {
        let bytes = data(name);
        let set = RowSet::from_portable_32(&bytes).unwrap();
        let multiples = (0..100_000).step_by(1000).chain((100_000..200_000).map(|of| 3 * of));
        let wanted: RowSet = multiples.chain(700_000..800_000).collect();
        assert_eq!(set, wanted, "{name}");
        assert_eq!(set.to_portable_32().unwrap(), bytes, "{name}");
    }
    let bytes = data("bitmap64.bin");
    let set = RowSet::from_portable_64(&bytes).unwrap();
    let range = (1 << 32)..(1 << 32) + 1_000_000;
    assert_eq!(set, (0..65_536).step_by(2).chain(range).chain([1 << 48]).collect());
    assert_eq!(set.to_portable_64(), bytes);
    assert_eq!(set.to_portable_32(), None);
    let bytes = data("portable_bitmap64.bin");
    assert_eq!(RowSet::from_portable_64(&bytes).unwrap().to_portable_64(), bytes);
}

#[test]
fn malformed_files_are_refused() {
    for name in ["64map32bitvals.bin", "64mapempty.bin", "64maphighvals.bin", "64mapspreadvals.bin"]
    {
        let bytes = data(&format!("malformed/{name}"));
        let set = RowSet::from_portable_64(&bytes).unwrap();
        assert_eq!(set.to_portable_64(), bytes, "{name}");
    }
    for name in ["64mapemptyinput", "64mapinvalidsize", "64mapkeytoosmall", "64mapsizetoosmall"] {
        let read = RowSet::from_portable_64(&data(&format!("malformed/{name}.bin")));
        assert!(matches!(read, Err(crate::Error::BitmapFormat { .. })), "{name}");
    }
    for number in 1..=7 {
        let bytes = data(&format!("malformed/crashproneinput{number}.bin"));
        for read in [RowSet::from_portable_32(&bytes), RowSet::from_portable_64(&bytes)] {
            assert!(matches!(read, Err(crate::Error::BitmapFormat { .. })), "{number}");
        }
    }
}

#[test]
fn no_damage_of_a_file_is_taken_for_another_set() {
    let rng = SeededRng::new(seed() ^ 1);
    let (plain, wide) = (data("bitmapwithruns.bin"), data("portable_bitmap64.bin"));
    for round in 0..4_000 {
        let mut bytes = if round % 2 == 0 { plain.clone() } else { wide.clone() };
        match rng.below(3) {
            0 => bytes.truncate(below(&rng, bytes.len())),
            1 => bytes.push(0),
            _ => {
                let head = if rng.one_in(2) { 200 } else { bytes.len() };
                bytes[below(&rng, head)] ^= 1 << rng.below(8);
            }
        }
        let read = if round % 2 == 0 {
            RowSet::from_portable_32(&bytes).map(|set| set.to_portable_32().unwrap())
        } else {
            RowSet::from_portable_64(&bytes).map(|set| set.to_portable_64())
        };
        // What is read is what stands there, to the last bit.
        if let Ok(again) = read {
            assert!(again == bytes, "round {round}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _read = RowSet::from_portable_32(&bytes);
        let _read = RowSet::from_portable_64(&bytes);
        let mut headed = vec![0x3B, 0x30, 2, 0];
        headed.extend_from_slice(&bytes);
        let _read = RowSet::from_portable_32(&headed);
    }
}

/// A set and that of `CRoaring`, each read from the other's bytes.
fn exchanged(rows: &[u32]) -> (RowSet, Bitmap) {
    let set: RowSet = rows.iter().map(|row| u64::from(*row)).collect();
    let mut oracle = rows.iter().copied().collect::<Bitmap>();
    oracle.run_optimize();
    let set = set.optimized();
    let bytes = set.to_portable_32().unwrap();
    assert_eq!(Bitmap::try_deserialize::<Portable>(&bytes).unwrap(), oracle);
    assert_eq!(RowSet::from_portable_32(&oracle.serialize::<Portable>()).unwrap(), set);
    let wide = oracle.iter().map(u64::from).collect::<Treemap>();
    assert_eq!(Treemap::try_deserialize::<Portable>(&set.to_portable_64()).unwrap(), wide);
    (set, oracle)
}

/// Of the places of the world: those of each country, each degree, and with each beginning of a
/// name. Places of a country stand together.
#[test]
fn a_thousand_real_bitmaps_go_to_croaring_and_back() {
    use std::io::Read as _;
    let path = [env!("CARGO_MANIFEST_DIR"), "../../tests/data/cities.csv.gz"];
    let packed = std::fs::read(path.iter().collect::<PathBuf>()).unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(&packed[..]).read_to_string(&mut text).unwrap();
    let mut sets = std::collections::BTreeMap::<String, Vec<u32>>::new();
    for (row, line) in (0..).zip(text.lines().skip(1)) {
        let columns: Vec<&str> = line.splitn(5, ',').collect();
        let degree = |at: usize| columns[at].split('.').next().unwrap_or_default();
        let start: String = columns[4].chars().take(2).collect();
        let of = [columns[3].to_owned(), start];
        let of = of.into_iter().chain([1, 2].map(|at| format!("{at}: {}", degree(at))));
        for (kind, value) in of.enumerate() {
            let set = sets.entry(format!("{kind} {value}")).or_default();
            if set.last() != Some(&row) {
                set.push(row);
            }
        }
    }
    assert!(sets.len() >= 1_000, "{}", sets.len());
    let pairs: Vec<_> = sets.values().map(|rows| exchanged(rows)).collect();
    let all = RowSet::union(pairs.iter().map(|(set, _)| set));
    let wide = Bitmap::fast_or(&pairs.iter().map(|(_, oracle)| oracle).collect::<Vec<_>>());
    assert!(all.iter().eq(wide.iter().map(u64::from)));
}

#[test]
fn real_bitmaps_are_those_of_croaring() {
    for name in real_sets::NAMES {
        let Some(sets) = real_sets::read(name) else {
            println!("skipped: no data");
            continue;
        };
        let (ours, theirs): (Vec<_>, Vec<_>) = sets.iter().map(|rows| exchanged(rows)).unzip();
        for (pair, oracles) in ours.windows(2).zip(theirs.windows(2)) {
            let same = |set: RowSet, oracle: Bitmap| {
                assert!(set.iter().eq(oracle.iter().map(u64::from)), "{name}");
            };
            same(pair[0].and(&pair[1]), oracles[0].and(&oracles[1]));
            same(pair[0].or(&pair[1]), oracles[0].or(&oracles[1]));
            same(pair[0].and_not(&pair[1]), oracles[0].andnot(&oracles[1]));
        }
        let wide = Bitmap::fast_or(&theirs.iter().collect::<Vec<_>>());
        assert!(RowSet::union(&ours).iter().eq(wide.iter().map(u64::from)), "{name}");
    }
}
