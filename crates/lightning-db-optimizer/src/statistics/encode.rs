//! Statistics as bytes.
//!
//! | bytes | what |
//! |---|---|
//! | 4 | `LSTA` |
//! | 1 | version, 1 |
//! | 4 | CRC-32C of all that follows, little-endian |
//! | rest | postcard of the statistics; sketches of distinct values stand apart, zeros in runs |

use lightning_db_types::checksum::crc32c;
use lightning_db_types::sketch::HyperLogLog;
use serde::{Deserialize, Serialize};

use super::TableStatistics;
use crate::error::{Error, Result};

const MAGIC: &[u8; 4] = b"LSTA";
const VERSION: u8 = 1;
const HEAD: usize = 9;
/// Bytes of a sketch of distinct values; no run of zeros is longer.
const SKETCH_MAX: usize = 1 << 16;

#[derive(Serialize, Deserialize)]
struct Body {
    table: TableStatistics,
    /// Of each column, with zeros in runs; none where nothing was counted.
    sketches: Vec<Option<Vec<u8>>>,
}

impl TableStatistics {
    /// As bytes that [`decode`](Self::decode) reads: about the size of the sampled rows' values,
    /// and four kilobytes for each column with many distinct values.
    ///
    /// # Errors
    /// [`Error::Shape`] if the values cannot be written, which no statistics of rows are.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let wrong = |error: postcard::Error| Error::Shape {
            what: "statistics as bytes",
            detail: error.to_string(),
        };
        let mut table = self.clone();
        let mut sketches = Vec::with_capacity(table.columns.len());
        for column in &mut table.columns {
            sketches.push(match column.sketch.take() {
                Some(sketch) => Some(pack(&postcard::to_allocvec(&sketch).map_err(wrong)?)),
                None => None,
            });
        }
        let body = postcard::to_allocvec(&Body { table, sketches }).map_err(wrong)?;
        let mut bytes = Vec::with_capacity(HEAD + body.len());
        bytes.extend_from_slice(MAGIC);
        bytes.push(VERSION);
        bytes.extend_from_slice(&crc32c(&body).to_le_bytes());
        bytes.extend_from_slice(&body);
        Ok(bytes)
    }

    /// Statistics from bytes that [`encode`](Self::encode) made.
    ///
    /// # Errors
    /// [`Error::Decode`] with the place for bytes that are damaged, cut short, of another version
    /// or nothing of the kind. Collect the statistics again then.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let Some((head, body)) = bytes.split_at_checked(HEAD) else {
            return Err(wrong(bytes.len(), "the bytes end in the head"));
        };
        if !head.starts_with(MAGIC) {
            return Err(wrong(0, "these are no statistics"));
        }
        if head[4] != VERSION {
            return Err(wrong(4, format!("version {} is not {VERSION}", head[4])));
        }
        if head[5..] != crc32c(body).to_le_bytes() {
            return Err(wrong(5, "the checksum does not fit the bytes"));
        }
        let (body, rest) = postcard::take_from_bytes::<Body>(body)
            .map_err(|error| wrong(HEAD, error.to_string()))?;
        if !rest.is_empty() {
            let end = bytes.len() - rest.len();
            return Err(wrong(end, format!("{} bytes follow the end", rest.len())));
        }
        let Body { mut table, sketches } = body;
        if sketches.len() != table.columns.len() {
            return Err(wrong(HEAD, "there is not one sketch for each column"));
        }
        for (column, packed) in table.columns.iter_mut().zip(sketches) {
            column.sketch = packed.map(|it| sketch(&it)).transpose()?;
        }
        table.check().map_err(|detail| wrong(HEAD, detail))?;
        Ok(table)
    }

    /// Says what does not fit together, if anything does not.
    fn check(&self) -> Result<(), String> {
        let share = |share: f64| (0.0..=1.0 + 1e-9).contains(&share);
        for (position, column) in self.columns.iter().enumerate() {
            let of = |what| Err(format!("column {position} has {what}"));
            if !(column.distinct.is_finite() && column.distinct >= 0.0) {
                return of("no number of distinct values");
            }
            if !column.width.is_finite() || !(-1.0..=1.0).contains(&column.clustering) {
                return of("a width or clustering that is none");
            }
            if !column.common.iter().all(|(_, it)| share(*it)) {
                return of("common values whose shares are none");
            }
        }
        for group in &self.groups {
            let ascending = group.columns.windows(2).all(|pair| pair[0] < pair[1]);
            let complete =
                group.common.iter().all(|(it, at)| it.len() == group.columns.len() && share(*at));
            if !ascending || !complete || !group.distinct.is_finite() {
                return Err(format!("the group of columns {:?} does not fit", group.columns));
            }
        }
        for join in &self.joins {
            let ascending = join.degrees.windows(2).all(|pair| pair[0].0 < pair[1].0);
            let rows = join.rows.windows(2).all(|pair| pair[0].0 <= pair[1].0);
            if !ascending || !rows {
                return Err(format!("hashes of column {} are not ascending", join.column));
            }
        }
        Ok(())
    }
}

fn wrong(offset: usize, detail: impl Into<String>) -> Error {
    Error::Decode { what: "statistics", offset, detail: detail.into() }
}

fn sketch(packed: &[u8]) -> Result<HyperLogLog> {
    let bytes = unpack(packed).ok_or_else(|| wrong(HEAD, "a sketch is too long"))?;
    postcard::from_bytes(&bytes).map_err(|error| wrong(HEAD, error.to_string()))
}

/// Writes a run of zeros as a zero and its length, which is at most 255.
fn pack(bytes: &[u8]) -> Vec<u8> {
    let mut packed = Vec::new();
    for run in bytes.chunk_by(|left, right| *left == 0 && *right == 0) {
        if run[0] != 0 {
            packed.extend_from_slice(run);
            continue;
        }
        for part in run.chunks(255) {
            packed.extend([0, u8::try_from(part.len()).unwrap_or(u8::MAX)]);
        }
    }
    packed
}

fn unpack(packed: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut rest = packed.iter();
    while let Some(byte) = rest.next() {
        let times = if *byte == 0 { usize::from(*rest.next()?) } else { 1 };
        bytes.resize(bytes.len() + times, *byte);
        if bytes.len() > SKETCH_MAX {
            return None;
        }
    }
    Some(bytes)
}
