//! The constants of the model in nanoseconds, by name.

use crate::error::{Error, Result};

/// What one constant is the cost of, in nanoseconds each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Constant {
    /// A row that a scan of a table steps to.
    ScanRow,
    /// A page that a scan reads.
    ScanPage,
    /// A column that is decoded of a row or an entry.
    Decode,
    /// A place that is looked for in an ordered index, without its levels.
    Seek,
    /// A doubling of the entries among which a place is looked for.
    SeekLevel,
    /// A whole key that is looked up in a hash index.
    HashSeek,
    /// An entry of an ordered index that is read after the one before.
    Entry,
    /// A row that is fetched by its number.
    FetchRow,
    /// A row that is fetched and is in no cache.
    FetchMiss,
    /// A set of rows that a bitmap index reads.
    BitmapSet,
    /// A block of 65,536 rows in a set that is read.
    BitmapBlock,
    /// A row that is put into a set, or found in two.
    SetRow,
    /// A doubling of the entries that a search of a spatial index goes down.
    SpatialLevel,
    /// An entry that a search of a spatial index finds.
    SpatialRow,
    /// A doubling of the entries that a search of a text index goes through.
    TextLevel,
    /// An entry that a search of a text index finds.
    TextRow,
    /// A question to a Bloom filter.
    Bloom,
    /// A scalar that is evaluated for a row.
    Evaluate,
    /// A row that is put into a hash table.
    BuildRow,
    /// A byte of a row that is kept or passed on.
    CopyByte,
    /// A row that is looked up in a hash table that fits into the cache.
    ProbeCache,
    /// A row that is looked up in a hash table far larger than the cache.
    ProbeMemory,
    /// A row of one of two sorted inputs.
    MergeRow,
    /// A pair of rows that is compared.
    NestedPair,
    /// A row that is sorted, for each doubling of the rows that are kept.
    SortCompare,
    /// A row whose group is found in a hash table.
    AggregateRow,
    /// A group that is made.
    AggregateGroup,
    /// A value that is added to an aggregate.
    AggregateValue,
    /// A column of a row that is compared with the group before.
    StreamRow,
    /// A row that is passed to another worker.
    ExchangeRow,
    /// A worker that is started.
    WorkerStart,
    /// A row that is handed to the next operator.
    EmitRow,
}

/// Names, and the values that are used where nothing was measured.
const SHIPPED: [(Constant, &str, f64); 32] = [
    (Constant::ScanRow, "scan_row", 0.17),
    (Constant::ScanPage, "scan_page", 447.0),
    (Constant::Decode, "decode", 2.9),
    (Constant::Seek, "seek", 22.0),
    (Constant::SeekLevel, "seek_level", 42.0),
    (Constant::HashSeek, "hash_seek", 685.0),
    (Constant::Entry, "entry", 60.0),
    (Constant::FetchRow, "fetch_row", 267.0),
    (Constant::FetchMiss, "fetch_miss", 715.0),
    (Constant::BitmapSet, "bitmap_set", 51.0),
    (Constant::BitmapBlock, "bitmap_block", 368.0),
    (Constant::SetRow, "set_row", 13.0),
    (Constant::SpatialLevel, "spatial_level", 96.0),
    (Constant::SpatialRow, "spatial_row", 0.0),
    (Constant::TextLevel, "text_level", 500.0),
    (Constant::TextRow, "text_row", 30.0),
    (Constant::Bloom, "bloom", 80.0),
    (Constant::Evaluate, "evaluate", 8.8),
    (Constant::BuildRow, "build_row", 26.0),
    (Constant::CopyByte, "copy_byte", 0.01),
    (Constant::ProbeCache, "probe_cache", 11.0),
    (Constant::ProbeMemory, "probe_memory", 594.0),
    (Constant::MergeRow, "merge_row", 9.3),
    (Constant::NestedPair, "nested_pair", 21.0),
    (Constant::SortCompare, "sort_compare", 31.0),
    (Constant::AggregateRow, "aggregate_row", 2.1),
    (Constant::AggregateGroup, "aggregate_group", 80.0),
    (Constant::AggregateValue, "aggregate_value", 5.0),
    (Constant::StreamRow, "stream_row", 104.0),
    (Constant::ExchangeRow, "exchange_row", 7.3),
    (Constant::WorkerStart, "worker_start", 42_000.0),
    (Constant::EmitRow, "emit_row", 30.0),
];

impl Constant {
    /// How many there are.
    pub const COUNT: usize = SHIPPED.len();

    /// All of them, in their order.
    pub fn all() -> impl Iterator<Item = Self> {
        SHIPPED.into_iter().map(|(constant, _, _)| constant)
    }

    /// Its name, as it is written in files.
    pub fn name(self) -> &'static str {
        SHIPPED[self.index()].1
    }

    /// Its place among all.
    pub(crate) fn index(self) -> usize {
        self as usize
    }
}

/// A value for each [`Constant`]: finite and never negative.
///
/// # Examples
/// ```
/// use lightning_db_optimizer::{Constant, Constants};
/// let measured = Constants::parse("# this machine\nscan_row 21.5\n")?;
/// assert_eq!(measured.get(Constant::ScanRow), 21.5);
/// assert_eq!(measured.get(Constant::Seek), Constants::default().get(Constant::Seek));
/// # Ok::<(), lightning_db_optimizer::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Constants {
    values: [f64; Constant::COUNT],
}

impl Constants {
    /// A constant's value in nanoseconds.
    pub fn get(&self, constant: Constant) -> f64 {
        self.values[constant.index()]
    }

    /// The same with another value for one constant; one that is negative or not finite counts as
    /// zero.
    #[must_use]
    pub fn with(mut self, constant: Constant, value: f64) -> Self {
        self.values[constant.index()] = if value.is_finite() { value.max(0.0) } else { 0.0 };
        self
    }

    /// Lines of a name and a value; empty lines and those that begin with `#` are skipped.
    /// Constants that are not named have the shipped value.
    ///
    /// # Errors
    /// [`Error::Decode`] with the place of the line if a name is unknown or a value is no finite
    /// number of at least zero.
    pub fn parse(text: &str) -> Result<Self> {
        let mut constants = Self::default();
        let mut offset = 0;
        for line in text.split_inclusive('\n') {
            let start = offset;
            let wrong = |detail| Error::Decode { what: "cost constants", offset: start, detail };
            let trimmed = line.trim();
            offset += line.len();
            if trimmed.is_empty() || trimmed.starts_with('#') {
                continue;
            }
            let (name, value) = trimmed
                .split_once(char::is_whitespace)
                .ok_or_else(|| wrong(format!("{trimmed:?} is no name and value")))?;
            let constant = Constant::all()
                .find(|constant| constant.name() == name)
                .ok_or_else(|| wrong(format!("there is no constant {name:?}")))?;
            let value: f64 =
                value.trim().parse().map_err(|_| wrong(format!("{value:?} is no number")))?;
            if !value.is_finite() || value < 0.0 {
                return Err(wrong(format!(
                    "{name} is {value}: it must be finite and not negative"
                )));
            }
            constants = constants.with(constant, value);
        }
        Ok(constants)
    }

    /// Lines of a name and a value, which [`parse`](Self::parse) reads.
    pub fn to_text(&self) -> String {
        let lines = Constant::all().map(|it| format!("{} {}\n", it.name(), self.get(it)));
        lines.collect()
    }
}

impl Default for Constants {
    /// The shipped values.
    fn default() -> Self {
        Self { values: SHIPPED.map(|(_, _, value)| value) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_constant_stands_at_its_place() {
        for (place, constant) in Constant::all().enumerate() {
            assert_eq!(constant.index(), place, "{}", constant.name());
        }
    }

    #[test]
    fn text_is_read_back() {
        let made = Constants::default().with(Constant::Bloom, 0.125).with(Constant::Seek, -1.0);
        assert_eq!(Constants::parse(&made.to_text()), Ok(made));
    }

    #[test]
    fn wrong_lines_are_named_with_their_place() {
        let check = |text: &str, expected: &str| {
            assert_eq!(Constants::parse(text).unwrap_err().to_string(), expected);
        };
        let at = "decode cost constants at byte";
        check("bloom 1\nblom 2", &format!("{at} 8: there is no constant \"blom\""));
        check("bloom", &format!("{at} 0: \"bloom\" is no name and value"));
        check("bloom x", &format!("{at} 0: \"x\" is no number"));
        let must = "it must be finite and not negative";
        check("bloom NaN", &format!("{at} 0: bloom is NaN: {must}"));
        check("bloom -1", &format!("{at} 0: bloom is -1: {must}"));
    }
}
