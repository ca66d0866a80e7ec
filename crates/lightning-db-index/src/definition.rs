//! What an index is: its kind, its columns, its condition.

use lightning_db_expression::{Columns, Expression};
use lightning_db_types::{ColumnOrder, Value};
use serde::{Deserialize, Serialize};

use crate::bitmap::BitmapOptions;
use crate::bloom::BloomOptions;
use crate::error::{Error, Result};
use crate::native::{HashOptions, OrderedOptions};
#[cfg(feature = "spatial")]
use crate::spatial::SpatialOptions;
#[cfg(feature = "text")]
use crate::text::TextOptions;

/// What an index is made from. It is kept in the catalog, and never changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IndexDefinition {
    /// Number of the index in its store; never used again.
    pub id: u32,
    /// Its name, for people.
    pub name: String,
    /// What its keys are made of, in order.
    pub parts: Vec<KeyPart>,
    /// Condition of a partial index: only rows for which it is true are in the index.
    pub condition: Option<Expression>,
    /// Kind, with its options.
    pub kind: IndexKind,
}

/// One part of a key: a column, or an expression over columns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KeyPart {
    /// What is indexed.
    pub expression: Expression,
    /// How it sorts, where the kind sorts.
    pub order: ColumnOrder,
}

/// Kind of an index, with its options.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum IndexKind {
    /// Sorted keys: composite, unique, covering, prefix look-ups.
    Ordered(OrderedOptions),
    /// Equality alone: a 64-bit hash of the key in the place of a long key.
    Hash(HashOptions),
    /// A bitmap of rows for each value, or bit slices of a number.
    Bitmap(BitmapOptions),
    /// Points and boxes.
    #[cfg(feature = "spatial")]
    Spatial(SpatialOptions),
    /// Full text.
    #[cfg(feature = "text")]
    Text(TextOptions),
    /// Membership: "certainly not" or "perhaps".
    Bloom(BloomOptions),
}

impl IndexDefinition {
    /// Whether no two rows may have one key.
    pub fn is_unique(&self) -> bool {
        match &self.kind {
            IndexKind::Ordered(options) => options.unique,
            IndexKind::Hash(options) => options.unique,
            _ => false,
        }
    }

    /// Whether a row is in the index. An unknown condition (null) is not fulfilled.
    pub(crate) fn holds(&self, row: &dyn Columns) -> Result<bool> {
        match &self.condition {
            Some(condition) => Ok(condition.is_true(row)?),
            None => Ok(true),
        }
    }

    /// Values of the key parts, for a row.
    pub(crate) fn key_values(&self, row: &dyn Columns) -> Result<Vec<Value>> {
        self.parts.iter().map(|part| Ok(part.expression.evaluate(row)?)).collect()
    }

    /// Name of a keyspace of this index.
    pub(crate) fn keyspace_name(&self, part: &str) -> String {
        format!("{}{part}", self.keyspace_prefix())
    }

    /// What the names of this index's keyspaces begin with, and no others.
    pub fn keyspace_prefix(&self) -> String {
        format!("index/{}/", self.id)
    }

    pub(crate) fn refuse(&self, detail: impl Into<String>) -> Error {
        Error::Definition { index: self.name.clone(), detail: detail.into() }
    }

    /// Checks what no kind allows.
    pub(crate) fn validate(&self) -> Result<()> {
        if self.parts.is_empty() {
            return Err(self.refuse("it has no columns"));
        }
        Ok(())
    }
}
