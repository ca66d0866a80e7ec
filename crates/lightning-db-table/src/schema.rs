//! What a table is: its columns, keys and constraints.

use lightning_db_index::Expression;
use lightning_db_types::{Value, ValueType};
use serde::{Deserialize, Serialize};

use crate::spec::IndexSpec;

/// Type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ColumnType {
    /// False or true.
    Bool,
    /// Signed whole number.
    I64,
    /// Unsigned whole number.
    U64,
    /// IEEE 754 double.
    F64,
    /// Exact decimal number of up to 38 digits.
    Decimal,
    /// UTF-8 text.
    Text,
    /// Any bytes.
    Bytes,
    /// Day.
    Date,
    /// Moment, in microseconds.
    Timestamp,
    /// 128-bit identifier.
    Uuid,
    /// Point of the plane, or longitude and latitude.
    Point,
    /// JSON text (RFC 8259), checked when it is written, kept as it was written.
    Json,
}

impl ColumnType {
    /// All types.
    pub const ALL: [Self; 12] = [
        Self::Bool,
        Self::I64,
        Self::U64,
        Self::F64,
        Self::Decimal,
        Self::Text,
        Self::Bytes,
        Self::Date,
        Self::Timestamp,
        Self::Uuid,
        Self::Point,
        Self::Json,
    ];

    /// Type of its values.
    pub fn value_type(self) -> ValueType {
        match self {
            Self::Bool => ValueType::Bool,
            Self::I64 => ValueType::I64,
            Self::U64 => ValueType::U64,
            Self::F64 => ValueType::F64,
            Self::Decimal => ValueType::Decimal,
            Self::Text | Self::Json => ValueType::Text,
            Self::Bytes => ValueType::Bytes,
            Self::Date => ValueType::Date,
            Self::Timestamp => ValueType::Timestamp,
            Self::Uuid => ValueType::Uuid,
            Self::Point => ValueType::Point,
        }
    }

    /// Name as it is written in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            other => other.value_type().name(),
        }
    }
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ColumnDefinition {
    /// Its name.
    pub name: String,
    /// Type of its values.
    pub column_type: ColumnType,
    /// Whether it may be null.
    pub nullable: bool,
    /// Value where an insert gives none.
    pub default: Option<Value>,
    /// The column is computed from others when the row is written, and cannot be set.
    pub generated: Option<Expression>,
}

impl ColumnDefinition {
    /// A column that may not be null.
    pub fn new(name: impl Into<String>, column_type: ColumnType) -> Self {
        Self { name: name.into(), column_type, nullable: false, default: None, generated: None }
    }

    /// The same column, which may be null.
    #[must_use]
    pub fn nullable(self) -> Self {
        Self { nullable: true, ..self }
    }

    /// The same column with a default.
    #[must_use]
    pub fn with_default(self, value: impl Into<Value>) -> Self {
        Self { default: Some(value.into()), ..self }
    }

    /// The same column, computed from others.
    #[must_use]
    pub fn generated(self, expression: Expression) -> Self {
        Self { generated: Some(expression), ..self }
    }
}

/// A column of whole numbers of which the table gives one to each row that has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SerialColumn {
    /// The column, by position.
    pub column: usize,
    /// Whether SQL takes no number for it but those that are given: GENERATED ALWAYS.
    pub always: bool,
}

/// What happens to rows whose foreign key names a row that is removed or whose key changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum OnDelete {
    /// The removal is refused.
    #[default]
    Restrict,
    /// They are removed too.
    Cascade,
    /// Their foreign key becomes null.
    SetNull,
}

/// Columns that name a row of another table, by its primary key or by a unique index.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ForeignKey {
    /// Its name.
    pub name: String,
    /// Columns of this table, by name.
    pub columns: Vec<String>,
    /// The other table.
    pub table: String,
    /// Columns of the other table, in the same order.
    pub references: Vec<String>,
    /// What a removal there does here.
    pub on_delete: OnDelete,
}

/// A condition that every row fulfils; null counts as fulfilled, as in SQL.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// Its name.
    pub name: String,
    /// The condition. Columns are named by their position in the definition.
    pub condition: Expression,
}

/// What a table is made from. Expressions name columns by position, counted from zero.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TableDefinition {
    /// Its name.
    pub name: String,
    /// Its columns, in order.
    pub columns: Vec<ColumnDefinition>,
    /// Columns of the primary key, by position. Empty: rows have a hidden number only. One column
    /// of whole numbers: the number is the row's, and look-ups need no index.
    pub primary_key: Vec<usize>,
    /// Foreign keys.
    pub foreign_keys: Vec<ForeignKey>,
    /// Check constraints.
    pub checks: Vec<Check>,
    /// Indexes.
    pub indexes: Vec<IndexSpec>,
    /// A timestamp column: rows are gone from the moment that it names; null keeps them.
    pub expires_at: Option<usize>,
    /// A column whose numbers the table gives: each greater than all before it, with gaps.
    pub serial: Option<SerialColumn>,
}

impl TableDefinition {
    /// A table without columns.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            columns: Vec::new(),
            primary_key: Vec::new(),
            foreign_keys: Vec::new(),
            checks: Vec::new(),
            indexes: Vec::new(),
            expires_at: None,
            serial: None,
        }
    }

    /// The same table with one more column.
    #[must_use]
    pub fn column(mut self, column: ColumnDefinition) -> Self {
        self.columns.push(column);
        self
    }

    /// The same table with these columns as its primary key.
    #[must_use]
    pub fn primary_key(mut self, columns: impl IntoIterator<Item = usize>) -> Self {
        self.primary_key = columns.into_iter().collect();
        self
    }

    /// The same table with one more foreign key.
    #[must_use]
    pub fn foreign_key(mut self, key: ForeignKey) -> Self {
        self.foreign_keys.push(key);
        self
    }

    /// The same table with one more check constraint.
    #[must_use]
    pub fn check(mut self, name: impl Into<String>, condition: Expression) -> Self {
        self.checks.push(Check { name: name.into(), condition });
        self
    }

    /// The same table with one more index.
    #[must_use]
    pub fn index(mut self, index: IndexSpec) -> Self {
        self.indexes.push(index);
        self
    }

    /// The same table, whose rows end at the moment in this timestamp column.
    #[must_use]
    pub fn expires_at(mut self, column: usize) -> Self {
        self.expires_at = Some(column);
        self
    }

    /// The same table, which gives a number for this column to each row that has none.
    #[must_use]
    pub fn serial(mut self, column: usize) -> Self {
        self.serial = Some(SerialColumn { column, always: false });
        self
    }

    /// Position of a column.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }
}
