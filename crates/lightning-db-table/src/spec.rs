//! Describing an index that is to be made.

#[cfg(feature = "text")]
use lightning_db_index::{Analyzer, TextOptions};
use lightning_db_index::{
    BitmapOptions, BloomOptions, Expression, HashOptions, IndexDefinition, IndexKind, KeyPart,
    OrderedOptions,
};
use lightning_db_types::ColumnOrder;
use serde::{Deserialize, Serialize};

/// An index to be made, before it has a number.
///
/// Columns are named by position in the definition of a new table, and by
/// [`column_id`](crate::Table::column_id) for a table that is there.
///
/// # Examples
/// ```
/// use lightning_db_table::{ColumnOrder, IndexSpec, index::Expression};
/// let newest = IndexSpec::ordered("newest_by_author")
///     .column(1)
///     .part(Expression::column(3), ColumnOrder::DESCENDING)
///     .include([2])
///     .condition(Expression::column(4).equal(true));
/// assert_eq!(newest.parts.len(), 2);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IndexSpec {
    /// Its name; unique in the store.
    pub name: String,
    /// What its keys are made of.
    pub parts: Vec<KeyPart>,
    /// Condition of a partial index.
    pub condition: Option<Expression>,
    /// Kind, with its options.
    pub kind: IndexKind,
}

impl IndexSpec {
    /// The index with a number.
    pub(crate) fn with_id(self, id: u32) -> IndexDefinition {
        let Self { name, parts, condition, kind } = self;
        IndexDefinition { id, name, parts, condition, kind }
    }

    /// An index of any kind, without parts.
    pub fn new(name: impl Into<String>, kind: IndexKind) -> Self {
        Self { name: name.into(), parts: Vec::new(), condition: None, kind }
    }

    /// Keys in order: equality, ranges, prefixes.
    pub fn ordered(name: impl Into<String>) -> Self {
        Self::new(name, IndexKind::Ordered(OrderedOptions::new()))
    }

    /// Keys in order, of which no two rows have the same.
    pub fn unique(name: impl Into<String>) -> Self {
        Self::new(name, IndexKind::Ordered(OrderedOptions::new().unique()))
    }

    /// Equality alone, of long keys.
    pub fn hash(name: impl Into<String>) -> Self {
        Self::new(name, IndexKind::Hash(HashOptions::default()))
    }

    /// A set of rows for each value.
    pub fn bitmap(name: impl Into<String>) -> Self {
        Self::new(name, IndexKind::Bitmap(BitmapOptions::default()))
    }

    /// Membership: "certainly not" or "perhaps".
    pub fn bloom(name: impl Into<String>) -> Self {
        Self::new(name, IndexKind::Bloom(BloomOptions::default()))
    }

    /// Points and boxes of the plane; see [`sphere`](Self::sphere).
    #[cfg(feature = "spatial")]
    pub fn spatial(name: impl Into<String>) -> Self {
        Self::new(name, IndexKind::Spatial(lightning_db_index::SpatialOptions::default()))
    }

    /// Full text.
    #[cfg(feature = "text")]
    pub fn text(name: impl Into<String>, analyzer: Analyzer) -> Self {
        Self::new(name, IndexKind::Text(TextOptions::new(analyzer)))
    }

    /// The same index with one more part of its key.
    #[must_use]
    pub fn part(mut self, expression: Expression, order: ColumnOrder) -> Self {
        self.parts.push(KeyPart { expression, order });
        self
    }

    /// The same index with a column as one more part of its key, ascending.
    #[must_use]
    pub fn column(self, column: usize) -> Self {
        self.part(Expression::Column(column), ColumnOrder::ASCENDING)
    }

    /// The same index with columns that are stored with the key, so that the row need not be read.
    /// Nothing changes for a kind that stores none.
    #[must_use]
    pub fn include(self, columns: impl IntoIterator<Item = usize>) -> Self {
        self.ordered_with(|options| options.include(columns.into_iter().map(Expression::Column)))
    }

    /// The same unique index, which takes nulls for equal.
    #[must_use]
    pub fn nulls_not_distinct(self) -> Self {
        self.ordered_with(OrderedOptions::nulls_not_distinct)
    }

    /// The same unique index, checked before the commit and not with each change.
    #[must_use]
    pub fn deferrable(self) -> Self {
        self.ordered_with(OrderedOptions::deferrable)
    }

    /// The same spatial index, of longitudes and latitudes in degrees; distances are in metres.
    #[cfg(feature = "spatial")]
    #[must_use]
    pub fn sphere(self) -> Self {
        match self.kind {
            IndexKind::Spatial(mut options) => {
                options.geometry = lightning_db_index::Geometry::Sphere;
                Self { kind: IndexKind::Spatial(options), ..self }
            }
            kind => Self { kind, ..self },
        }
    }

    /// The same index over the rows alone for which a condition is true.
    #[must_use]
    pub fn condition(self, condition: Expression) -> Self {
        Self { condition: Some(condition), ..self }
    }

    fn ordered_with(self, change: impl FnOnce(OrderedOptions) -> OrderedOptions) -> Self {
        match self.kind {
            IndexKind::Ordered(options) => {
                Self { kind: IndexKind::Ordered(change(options)), ..self }
            }
            kind => Self { kind, ..self },
        }
    }

    /// All expressions of the index.
    pub(crate) fn expressions(&self) -> impl Iterator<Item = &Expression> {
        let stored: &[Expression] = match &self.kind {
            IndexKind::Ordered(options) => &options.include,
            _ => &[],
        };
        self.parts.iter().map(|part| &part.expression).chain(&self.condition).chain(stored)
    }

    /// The same index with its columns at other positions.
    pub(crate) fn map_columns(mut self, position: &dyn Fn(usize) -> usize) -> Self {
        for part in &mut self.parts {
            part.expression = part.expression.map_columns(position);
        }
        self.condition = self.condition.map(|condition| condition.map_columns(position));
        self.ordered_with(|mut options| {
            for stored in &mut options.include {
                *stored = stored.map_columns(position);
            }
            options
        })
    }
}
