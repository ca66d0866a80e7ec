//! What the optimizer knows of an engine: one trait.

use std::fmt;
use std::sync::Arc;

use lightning_db_expression::Expression;
use lightning_db_types::{Value, ValueType};

use crate::estimate::Estimate;
use crate::statistics::TableStatistics;

/// A table of a catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableId(pub u32);

/// Tables, indexes and statistics of an engine, at one version.
///
/// Planning calls it often: answers should be in memory. It need not be consistent with the rows to
/// the last commit; plans are right whatever it says, and good if it is near.
pub trait Catalog: fmt::Debug {
    /// Number of the table with this name.
    fn table(&self, name: &str) -> Option<TableId>;

    /// Names of all tables, for suggestions.
    fn table_names(&self) -> Vec<String>;

    /// Columns, keys and indexes of a table.
    fn definition(&self, table: TableId) -> Arc<TableDefinition>;

    /// What is known of a table's values; `None` if nothing is.
    fn statistics(&self, table: TableId) -> Option<Arc<TableStatistics>>;

    /// The index's own estimate of the entries that a probe gives; `None` if it has none, and the
    /// statistics of the table are used.
    fn estimate(&self, probe: &Probe<'_>) -> Option<Estimate> {
        let _ = probe;
        None
    }

    /// A number that changes with every change of a definition. Cached plans of other versions are
    /// not used.
    fn version(&self) -> u64;
}

/// A question to an index: the rows of a table for which all conditions are true.
#[derive(Debug, Clone)]
pub struct Probe<'a> {
    /// The table.
    pub table: TableId,
    /// Position of the index in [`TableDefinition::indexes`].
    pub index: usize,
    /// What must be true, over the table's columns by position.
    pub conditions: &'a [ProbeCondition],
}

/// One condition of a probe.
#[derive(Debug, Clone, PartialEq)]
pub enum ProbeCondition {
    /// An expression over the columns of the table.
    Expression(Expression),
    /// A function that only the engine knows, such as a text search.
    External {
        /// Its name, as in [`IndexDefinition::answers`].
        function: Arc<str>,
        /// Its arguments; columns of the table by position, or constants.
        arguments: Vec<Expression>,
    },
}

/// Columns, keys and indexes of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct TableDefinition {
    /// Its name.
    pub name: String,
    /// Its columns, by position.
    pub columns: Vec<ColumnDefinition>,
    /// Sets of columns of which no two rows have the same values, nulls excepted; the first is the
    /// primary key.
    pub keys: Vec<Vec<usize>>,
    /// References to other tables.
    pub foreign_keys: Vec<ForeignKey>,
    /// Its indexes.
    pub indexes: Vec<IndexDefinition>,
}

/// Name of the column that holds the number of a row. A catalog may put it behind the columns of a
/// table, which has no other of this name;
/// [`QueryBuilder::numbered`](crate::QueryBuilder::numbered) alone reads it.
pub const ROW_NUMBER: &str = "#row";

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnDefinition {
    /// Its name.
    pub name: String,
    /// Type of its values.
    pub value_type: ValueType,
    /// Whether it may be null.
    pub nullable: bool,
}

/// Columns whose values, if none is null, are those of a key of another table: the engine checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignKey {
    /// The columns here.
    pub columns: Vec<usize>,
    /// The other table.
    pub references: TableId,
    /// Its columns, in the same order; they are a key.
    pub referenced: Vec<usize>,
}

/// How an index finds rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum IndexKind {
    /// The rows themselves stand in the order of the key: a look-up gives the row.
    Clustered,
    /// Entries in the order of the key: look-ups by prefix, ranges, an order.
    Ordered,
    /// Look-ups of whole keys.
    Hash,
    /// A set of rows for each value, or slices of numbers: equality, ranges, sets.
    Bitmap,
    /// Boxes in a tree; answers external functions, and may give rows by distance.
    Spatial,
    /// Terms; answers external functions, and may give rows by score.
    Text,
    /// Says that a key is certainly absent, or perhaps there.
    Bloom,
}

/// An index of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct IndexDefinition {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: IndexKind,
    /// Its key.
    pub parts: Vec<IndexPart>,
    /// Whether no two rows have one key; keys with a null excepted.
    pub unique: bool,
    /// Rows for which this is not true are not in it.
    pub condition: Option<Expression>,
    /// Columns whose values stand in the entries beside the key.
    pub include: Vec<usize>,
    /// External functions that it answers exactly, as conditions.
    pub answers: Vec<Arc<str>>,
    /// External functions by whose value it can give rows in ascending order, such as a distance.
    pub orders: Vec<Arc<str>>,
    /// Number of its entries, if known.
    pub entries: Option<u64>,
}

/// A part of an index's key.
#[derive(Debug, Clone, PartialEq)]
pub struct IndexPart {
    /// What the part holds, over the table's columns by position.
    pub expression: Expression,
    /// Whether larger values come first.
    pub descending: bool,
    /// Whether nulls come first.
    pub nulls_first: bool,
}

impl IndexPart {
    /// A column, ascending, nulls first.
    pub fn column(position: usize) -> Self {
        Self { expression: Expression::column(position), descending: false, nulls_first: true }
    }
}

impl IndexDefinition {
    /// An index on columns, ascending, of all rows.
    pub fn new(name: impl Into<String>, kind: IndexKind, columns: &[usize]) -> Self {
        Self {
            name: name.into(),
            kind,
            parts: columns.iter().map(|position| IndexPart::column(*position)).collect(),
            unique: false,
            condition: None,
            include: Vec::new(),
            answers: Vec::new(),
            orders: Vec::new(),
            entries: None,
        }
    }
}

impl ColumnDefinition {
    /// Whether a value may stand in it.
    pub fn takes(&self, value: &Value) -> bool {
        if value.is_null() { self.nullable } else { value.value_type() == self.value_type }
    }
}
