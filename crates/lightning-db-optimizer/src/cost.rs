//! What work costs: the one interface between plans and cost models, and two models.

mod constants;
mod fit;
mod nanoseconds;
mod pages;

pub use constants::{Constant, Constants};
pub use fit::{Measurement, fit};
pub use nanoseconds::Nanoseconds;
pub use pages::Pages;

/// A piece of work of an operator, in the numbers that its cost depends on. Numbers of rows are
/// expected ones, of all loops together; widths are bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Work {
    /// Reads a table from its first row to its last.
    Scan {
        /// Rows.
        rows: f64,
        /// Pages.
        pages: f64,
        /// Columns that are decoded of each row.
        columns: f64,
    },
    /// Finds places in an ordered index or in the rows themselves.
    Seek {
        /// Places.
        count: f64,
        /// Entries of the index.
        entries: f64,
    },
    /// Looks up whole keys in a hash index.
    HashSeek {
        /// Look-ups.
        count: f64,
    },
    /// Reads entries of an ordered index one after the other.
    Entries {
        /// Entries.
        rows: f64,
        /// Columns that are decoded of each entry.
        columns: f64,
    },
    /// Fetches rows by number.
    Fetch {
        /// Rows.
        rows: f64,
        /// Rows of the table.
        table_rows: f64,
        /// Pages of the table.
        pages: f64,
        /// Correlation of the numbers' order with that of the rows, 0 to 1.
        clustering: f64,
        /// Whether the numbers ascend, so that no page is left and come back to.
        sorted: bool,
        /// Columns that are decoded of each row.
        columns: f64,
    },
    /// Reads sets of rows from a bitmap index.
    BitmapRead {
        /// Sets, or slices.
        sets: f64,
        /// Rows of the table.
        table_rows: f64,
    },
    /// Puts rows of an index into a set, or combines sets of rows.
    SetCombine {
        /// Rows of the sets together.
        rows: f64,
        /// Rows of the table, if its rows are put into a new set one by one: that has a block for
        /// each part of the table in which there are some. Zero for sets that are combined.
        table_rows: f64,
    },
    /// Searches a spatial index.
    Spatial {
        /// Entries that are found.
        rows: f64,
        /// Entries of the index.
        entries: f64,
    },
    /// Searches a full-text index.
    Text {
        /// Entries that are found.
        rows: f64,
        /// Entries of the index.
        entries: f64,
    },
    /// Asks a Bloom filter.
    Bloom {
        /// Questions.
        count: f64,
    },
    /// Evaluates scalars.
    Evaluate {
        /// Rows.
        rows: f64,
        /// Scalars for each row.
        scalars: f64,
    },
    /// Puts rows into a hash table.
    HashBuild {
        /// Rows.
        rows: f64,
        /// Width of a row.
        width: f64,
    },
    /// Looks rows up in a hash table.
    HashProbe {
        /// Rows.
        rows: f64,
        /// Rows of the table.
        build_rows: f64,
        /// Width of a row of the table.
        build_width: f64,
    },
    /// Merges two sorted inputs.
    Merge {
        /// Rows of both.
        rows: f64,
    },
    /// Compares each row of one input with each of another that is kept in memory.
    NestedLoop {
        /// Pairs.
        pairs: f64,
    },
    /// Sorts rows; with a limit, keeps the first ones only.
    Sort {
        /// Rows.
        rows: f64,
        /// Width of a row.
        width: f64,
        /// Rows that are kept; all if it is not less than `rows`.
        kept: f64,
    },
    /// Gathers rows in a hash table by group.
    HashAggregate {
        /// Rows.
        rows: f64,
        /// Groups.
        groups: f64,
        /// Aggregates for each row.
        aggregates: f64,
    },
    /// Gathers rows that come sorted by group, or all rows.
    StreamAggregate {
        /// Rows.
        rows: f64,
        /// Columns that a row is compared with the one before by; none if all rows are one group.
        keys: f64,
        /// Aggregates for each row.
        aggregates: f64,
    },
    /// Passes rows between workers.
    Exchange {
        /// Rows.
        rows: f64,
        /// Width of a row.
        width: f64,
    },
    /// Starts workers.
    Workers {
        /// How many.
        count: f64,
    },
    /// Hands rows to the next operator.
    Emit {
        /// Rows.
        rows: f64,
    },
}

/// What work costs, in a unit of the model: costs of one model are compared with each other only.
pub trait CostModel: std::fmt::Debug + Send + Sync {
    /// Cost of a piece of work; never negative, never NaN.
    fn cost(&self, work: &Work) -> f64;

    /// Name of the unit, such as `ns`.
    fn unit(&self) -> &'static str;

    /// How many units a worker should have to do at least for it to be worth starting, if the model
    /// knows: 5 ms where the unit is time.
    fn worker_cost_min(&self) -> f64;
}
