//! Corrections of estimates by signature.

use std::collections::BTreeMap;

use lightning_db_types::checksum::crc32c;
use serde::{Deserialize, Serialize};

use crate::cardinality::Learned;
use crate::catalog::TableId;
use crate::error::{Error, Result};
use crate::estimate::{Estimate, Source};
use crate::fingerprint::Signature;
use crate::plan::Part;

/// Times that a part of a query must have been seen before it counts.
const SEEN_MIN: u32 = 3;
/// Weight of what was seen last, once much was seen.
const WEIGHT_MIN: f64 = 0.25;
/// What was learned is expected to be right to such a factor.
const SPREAD: f64 = 2.0;
/// A correction is at most a factor of a million, either way.
const LOGARITHM_MAX: f64 = 13.8;

/// How far estimates were off, by signature of the part of the query.
///
/// Give it to the [`Context`](crate::Context) that queries are planned in, and tell it what was
/// counted when the plans ran with [`observe_plan`](Self::observe_plan). A part that was seen three
/// times is corrected by the average of the logarithms, the last ones counting most, and by a
/// factor of a million at most. Its bounds are then a half and twice of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Memory {
    records: BTreeMap<Signature, Record>,
    records_max: usize,
    now: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Record {
    seen: u32,
    /// Average logarithm of what was counted over what was estimated.
    logarithm: f64,
    used: u64,
    /// The table, and its columns by position, if the part is a filter over several columns of one.
    columns: Option<(u32, Vec<usize>)>,
}

/// Columns of a table that estimates should know together: a
/// [`ColumnGroup`](crate::ColumnGroup) that statistics lack.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupProposal {
    /// The table.
    pub table: TableId,
    /// Positions, ascending.
    pub columns: Vec<usize>,
    /// By what factor estimates with these columns were off, at most; above one.
    pub factor: f64,
}

/// Estimates that are off by less are good enough.
const FACTOR_MIN: f64 = 2.0;

/// As bytes: `LMEM`, a version, CRC-32C of the rest, then postcard of this.
#[derive(Serialize, Deserialize)]
struct Body {
    records_max: usize,
    now: u64,
    records: Vec<(Signature, Record)>,
}

const MAGIC: &[u8; 4] = b"LMEM";
const VERSION: u8 = 1;
const HEAD: usize = 9;

impl Memory {
    /// A memory of at most so many parts, at least one, of 40 bytes or so each. Parts that were not
    /// seen for longest are forgotten.
    pub fn new(records_max: usize) -> Self {
        Self { records_max: records_max.max(1), ..Self::default() }
    }

    /// Notes that a part of a query gave so many rows where statistics alone expect those of
    /// `by_statistics`. `columns` are those of a table that it filters by, by position.
    pub fn observe(&mut self, part: &Part, table: Option<TableId>, rows: f64) {
        self.note(part.signature, part.by_statistics, rows);
        if let Some(record) = self.records.get_mut(&part.signature) {
            let several = table.filter(|_| part.columns.len() > 1);
            record.columns = several.map(|table| (table.0, part.columns.clone()));
        }
    }

    /// Columns of which estimates were off by a factor of two or more, each time that they were
    /// filtered together: those that are off most come first. Filters of the same columns count as
    /// one.
    pub fn column_groups(&self) -> Vec<GroupProposal> {
        let mut groups: BTreeMap<(u32, Vec<usize>), f64> = BTreeMap::new();
        for record in self.records.values().filter(|record| record.seen >= SEEN_MIN) {
            let factor = record.logarithm.abs().exp();
            if let Some(columns) = record.columns.clone().filter(|_| factor >= FACTOR_MIN) {
                let most = groups.entry(columns).or_insert(factor);
                *most = most.max(factor);
            }
        }
        let groups = groups.into_iter().map(|((table, columns), factor)| GroupProposal {
            table: TableId(table),
            columns,
            factor,
        });
        let mut groups: Vec<GroupProposal> = groups.collect();
        groups.sort_by(|one, other| other.factor.total_cmp(&one.factor));
        groups
    }

    fn note(&mut self, signature: Signature, by_statistics: Estimate, rows: f64) {
        self.now += 1;
        let expected = by_statistics.point;
        // Less than a row and none are the same, but what is far below one may be far off.
        let logarithm = match expected.max(rows) {
            most if most <= 1.0 => 0.0,
            _ => (rows.max(1.0) / expected.max(f64::MIN_POSITIVE)).ln(),
        };
        let logarithm = logarithm.clamp(-LOGARITHM_MAX, LOGARITHM_MAX);
        if logarithm.is_nan() {
            return;
        }
        let record = self.records.entry(signature).or_insert(Record {
            seen: 0,
            logarithm,
            used: self.now,
            columns: None,
        });
        record.seen = record.seen.saturating_add(1);
        let weight = (1.0 / f64::from(record.seen)).max(WEIGHT_MIN);
        record.logarithm += weight * (logarithm - record.logarithm);
        record.used = self.now;
        if self.records.len() > self.records_max {
            let oldest = self.records.iter().min_by_key(|(_, record)| record.used);
            if let Some(oldest) = oldest.map(|(signature, _)| *signature) {
                self.records.remove(&oldest);
            }
        }
    }

    /// By how much estimates of a part are multiplied, once it was seen often enough.
    pub fn factor(&self, signature: Signature) -> Option<f64> {
        let record = self.records.get(&signature).filter(|record| record.seen >= SEEN_MIN)?;
        Some(record.logarithm.exp())
    }

    /// Number of parts that are remembered.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// As bytes that [`decode`](Self::decode) reads.
    ///
    /// # Errors
    /// [`Error::Shape`] if it cannot be written, which does not happen.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let body = Body {
            records_max: self.records_max,
            now: self.now,
            records: self
                .records
                .iter()
                .map(|(signature, record)| (*signature, record.clone()))
                .collect(),
        };
        let body = postcard::to_allocvec(&body).map_err(|error| Error::Shape {
            what: "a memory as bytes",
            detail: error.to_string(),
        })?;
        let mut bytes = MAGIC.to_vec();
        bytes.push(VERSION);
        bytes.extend_from_slice(&crc32c(&body).to_le_bytes());
        bytes.extend_from_slice(&body);
        Ok(bytes)
    }

    /// A memory from bytes that [`encode`](Self::encode) made.
    ///
    /// # Errors
    /// [`Error::Decode`] with the place for bytes that are damaged, cut short, of another version
    /// or nothing of the kind. Begin with an empty memory then.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let wrong = |offset: usize, detail: &str| Error::Decode {
            what: "a memory",
            offset,
            detail: detail.to_owned(),
        };
        let Some((head, body)) = bytes.split_at_checked(HEAD) else {
            return Err(wrong(bytes.len(), "the bytes end in the head"));
        };
        if !head.starts_with(MAGIC) {
            return Err(wrong(0, "this is no memory"));
        }
        if head[4] != VERSION {
            return Err(wrong(4, &format!("version {} is not {VERSION}", head[4])));
        }
        if head[5..] != crc32c(body).to_le_bytes() {
            return Err(wrong(HEAD, "the checksum does not match"));
        }
        let body: Body =
            postcard::from_bytes(body).map_err(|error| wrong(HEAD, &error.to_string()))?;
        let mut records: BTreeMap<Signature, Record> = body.records.into_iter().collect();
        let bounded = |it: &Record| it.logarithm.abs() <= LOGARITHM_MAX;
        if !records.values().all(bounded) {
            return Err(wrong(HEAD, "a correction is out of bounds"));
        }
        while records.len() > body.records_max.max(1) {
            records.pop_last();
        }
        Ok(Self { records, records_max: body.records_max.max(1), now: body.now })
    }
}

impl Learned for Memory {
    fn corrected(&self, part: Signature, estimated: Estimate) -> Option<Estimate> {
        if estimated.is_exact() {
            return None;
        }
        let point = estimated.point * self.factor(part)?;
        Some(Estimate::new(point, point / SPREAD, point * SPREAD, Source::Learned))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::{QueryBuilder, column};
    use crate::catalog::Catalog;
    use crate::{Actual, Cardinality, Context, MemoryCatalog, Optimizer};
    use lightning_db_types::ValueType::I64;

    fn signature(number: i64) -> Signature {
        let mut catalog = MemoryCatalog::new();
        catalog.add_table("a", &[("id", I64)], &["id"]).unwrap();
        let filter = QueryBuilder::scan("a", "a").filter(column("id").equal(number));
        let query = filter.build(&catalog).unwrap();
        query.signature(query.root().unwrap())
    }

    #[test]
    fn corrections_count_from_the_third_time() {
        let mut memory = Memory::new(10);
        let estimated = Estimate::guess(10.0, 1e6);
        for _ in 0..2 {
            memory.note(signature(1), estimated, 1_000.0);
            assert_eq!(memory.factor(signature(1)), None);
        }
        memory.note(signature(1), estimated, 1_000.0);
        assert!((memory.factor(signature(1)).unwrap() - 100.0).abs() < 1e-6);
        let learned = memory.corrected(signature(1), estimated).unwrap();
        assert!((learned.point - 1_000.0).abs() < 1e-6 && learned.source == Source::Learned);
        assert!(memory.column_groups().is_empty(), "one column is no group");
        assert!((learned.low - 500.0).abs() < 1e-6 && (learned.high - 2_000.0).abs() < 1e-6);
        assert_eq!(memory.corrected(signature(1), Estimate::exact(10.0)), None);
        assert_eq!(memory.corrected(signature(2), estimated), None);
    }

    #[test]
    fn estimates_of_correlated_columns_become_right() {
        let mut catalog = MemoryCatalog::new();
        let table = catalog.add_table("a", &[("x", I64), ("y", I64)], &[]).unwrap();
        catalog.set_rows(
            table,
            (0..1_000_i64).map(|it| vec![(it % 10).into(), (it % 10).into()]).collect(),
        );
        let mut known = (*catalog.statistics(table).unwrap()).clone();
        (known.sample, known.groups) = (Vec::new(), Vec::new());
        catalog.set_statistics(table, known);
        let condition = column("x").equal(3).and(column("y").equal(3));
        let query = QueryBuilder::scan("a", "a").filter(condition).build(&catalog).unwrap();
        let root = query.root().unwrap();
        let before = Cardinality::new(&query, &catalog, None).rows(root);
        assert!(before.point < 60.0, "{before:?}");
        let mut memory = Memory::new(100);
        for _ in 0..3 {
            let context = Context::new(&catalog).with_learned(&memory);
            let plan = Optimizer::default().optimize_with(&query, &context).unwrap();
            memory.observe_plan(&plan, [(plan.root(), Actual::rows(100))]);
        }
        let after = Cardinality::new(&query, &catalog, Some(&memory)).rows(root);
        assert!((after.point - 100.0).abs() < 1.0, "{after:?}");
        let groups = memory.column_groups();
        assert_eq!(
            (groups.len(), groups[0].table, &groups[0].columns[..]),
            (1, table, &[0, 1][..])
        );
        assert!(groups[0].factor > 10.0, "{groups:?}");
    }

    #[test]
    fn the_part_that_was_not_seen_for_longest_is_forgotten() {
        let mut memory = Memory::new(2);
        for number in [1, 2, 1, 3] {
            memory.note(signature(number), Estimate::guess(1.0, 10.0), 5.0);
        }
        assert_eq!(memory.len(), 2);
        assert!(memory.records.contains_key(&signature(1)));
        assert!(!memory.records.contains_key(&signature(2)));
    }

    #[test]
    fn bytes_come_back_and_damage_is_found() {
        let mut memory = Memory::new(10);
        for number in 0..5 {
            memory.note(signature(number), Estimate::guess(1.0, 10.0), 5.0);
        }
        let bytes = memory.encode().unwrap();
        assert_eq!(Memory::decode(&bytes).unwrap(), memory);
        for position in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[position] ^= 0x10;
            assert!(matches!(Memory::decode(&damaged), Err(Error::Decode { .. })), "{position}");
            assert!(matches!(Memory::decode(&bytes[..position]), Err(Error::Decode { .. })));
        }
    }
}
