//! Statistics from rows, one after the other.

use lightning_db_types::sketch::{HyperLogLog, MostCommon, Sample, value_hash};
use lightning_db_types::{SeededRng, Value};

use super::degree::DegreeBuilder;
use super::{ColumnGroup, TableStatistics};
use super::{column, group};
use crate::catalog::{IndexKind, TableDefinition};

/// How much statistics keep. The default takes some megabytes for a table of twenty columns while
/// rows are added, and less when it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct StatisticsLimits {
    /// Common values of a column, and of columns together.
    pub common: usize,
    /// Buckets of a histogram.
    pub buckets: usize,
    /// Rows of the sample.
    pub sample_rows: usize,
    /// Values of a join sketch.
    pub join_values: usize,
    /// Rows of a join sketch.
    pub join_rows: usize,
    /// Groups of columns that are found to depend on each other.
    pub groups: usize,
}

impl Default for StatisticsLimits {
    fn default() -> Self {
        Self {
            common: 256,
            buckets: 128,
            sample_rows: 4_096,
            join_values: 2_048,
            join_rows: 4_096,
            groups: 16,
        }
    }
}

/// A row of the sample, with its number.
pub(super) type Numbered = (u64, Vec<Value>);

/// Takes the rows of a table, and makes statistics of them.
///
/// Two that took different rows of one table can be merged, so that a table can be read in parts.
///
/// # Examples
/// ```
/// use lightning_db_optimizer::{ColumnDefinition, StatisticsBuilder, TableDefinition};
/// use lightning_db_types::{Value, ValueType};
/// let column = |name: &str| ColumnDefinition {
///     name: name.to_owned(),
///     value_type: ValueType::I64,
///     nullable: false,
/// };
/// let table = TableDefinition {
///     name: "event".to_owned(),
///     columns: vec![column("id"), column("kind")],
///     keys: vec![vec![0]],
///     foreign_keys: Vec::new(),
///     indexes: Vec::new(),
/// };
/// let mut builder = StatisticsBuilder::new(&table, 42);
/// for id in 0..1_000_i64 {
///     builder.add(&[Value::from(id), Value::from(id % 4)]);
/// }
/// let statistics = builder.finish(10);
/// assert_eq!((statistics.rows, statistics.columns[1].distinct), (1_000, 4.0));
/// ```
#[derive(Debug)]
pub struct StatisticsBuilder {
    limits: StatisticsLimits,
    rng: SeededRng,
    rows: u64,
    columns: Vec<ColumnBuilder>,
    sample: Sample<Numbered>,
    joins: Vec<DegreeBuilder>,
    /// Columns whose combinations are counted over all rows.
    groups: Vec<(Vec<usize>, HyperLogLog)>,
}

/// What is counted of one column.
#[derive(Debug)]
pub(super) struct ColumnBuilder {
    pub nulls: u64,
    pub min: Option<Value>,
    pub max: Option<Value>,
    pub distinct: HyperLogLog,
    pub common: MostCommon,
    pub width: u64,
    /// Whether no value occurs twice, by the table's definition.
    pub unique: bool,
}

/// Values that are counted while rows are added; those that are kept are the most common of them.
pub(super) const COUNTED: usize = 2_048;

impl StatisticsBuilder {
    /// For a table of this definition, with the default limits. The seed decides which rows are
    /// sampled: the same rows and seed give the same statistics.
    pub fn new(definition: &TableDefinition, seed: u64) -> Self {
        Self::with_limits(definition, seed, StatisticsLimits::default())
    }

    /// The same with other limits.
    pub fn with_limits(definition: &TableDefinition, seed: u64, limits: StatisticsLimits) -> Self {
        let is_key = |position: usize| definition.keys.iter().any(|key| *key == [position]);
        let column = |position: usize| ColumnBuilder {
            nulls: 0,
            min: None,
            max: None,
            distinct: HyperLogLog::new(),
            common: MostCommon::new(COUNTED),
            width: 0,
            unique: is_key(position),
        };
        let keys =
            definition.keys.iter().chain(definition.foreign_keys.iter().map(|it| &it.columns));
        let mut joined: Vec<usize> = keys.flatten().copied().collect();
        joined.sort_unstable();
        joined.dedup();
        let joins = joined.into_iter();
        let joins =
            joins.map(|column| DegreeBuilder::new(column, limits.join_values, limits.join_rows));
        Self {
            limits,
            rng: SeededRng::new(seed),
            rows: 0,
            columns: (0..definition.columns.len()).map(column).collect(),
            sample: Sample::new(limits.sample_rows),
            joins: joins.collect(),
            groups: known_groups(definition),
        }
    }

    /// Takes a row; columns that it lacks are null, and those that the table lacks are left out.
    ///
    /// Time: a hash and two look-ups for each column.
    pub fn add(&mut self, row: &[Value]) {
        for (position, column) in self.columns.iter_mut().enumerate() {
            column.add(row.get(position).unwrap_or(&Value::Null));
        }
        for join in &mut self.joins {
            join.add(row);
        }
        for (columns, distinct) in &mut self.groups {
            if let Some(hash) = group::hash_of(row, columns) {
                distinct.add(hash);
            }
        }
        let number = self.rows;
        let width = self.columns.len();
        self.sample.offer(&self.rng, || {
            let mut row = row.to_vec();
            row.resize(width, Value::Null);
            (number, row)
        });
        self.rows += 1;
    }

    /// Adds what another has taken of the same table, as if its rows came after those here.
    pub fn merge(&mut self, other: &Self) {
        for (own, other) in self.columns.iter_mut().zip(&other.columns) {
            own.merge(other);
        }
        for (own, other) in self.joins.iter_mut().zip(&other.joins) {
            own.merge(other);
        }
        for ((_, own), (_, other)) in self.groups.iter_mut().zip(&other.groups) {
            own.merge(other);
        }
        let behind = other.sample.map(|(number, row)| (number + self.rows, row.clone()));
        self.sample.merge(&behind, &self.rng);
        self.rows += other.rows;
    }

    /// Rows that were taken.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The statistics of what was taken; `pages` is what a scan of the table reads.
    ///
    /// Time: sorts the sample once for each column.
    pub fn finish(&self, pages: u64) -> TableStatistics {
        let mut sample = self.sample.items().to_vec();
        sample.sort_by_key(|(number, _)| *number);
        let columns: Vec<_> = self
            .columns
            .iter()
            .enumerate()
            .map(|(position, counted)| {
                column::statistics(counted, position, &sample, self.rows, self.limits)
            })
            .collect();
        let sample: Vec<Vec<Value>> = sample.into_iter().map(|(_, row)| row).collect();
        let counted = self.groups.iter().map(|(columns, distinct)| ColumnGroup {
            columns: columns.clone(),
            distinct: distinct.estimate(),
            common: Vec::new(),
        });
        let groups = group::find(counted.collect(), &columns, &sample, self.rows, self.limits);
        let joins = self.joins.iter().map(|it| it.finish(&columns, self.rows)).collect();
        TableStatistics { rows: self.rows, rows_exact: true, pages, columns, sample, groups, joins }
    }
}

impl ColumnBuilder {
    fn add(&mut self, value: &Value) {
        if value.is_null() {
            self.nulls += 1;
            return;
        }
        self.distinct.add(value_hash(value.as_value_ref()));
        if !self.unique {
            self.common.add(value.as_value_ref());
        }
        self.width += width(value);
        if self.min.as_ref().is_none_or(|min| value < min) {
            self.min = Some(value.clone());
        }
        if self.max.as_ref().is_none_or(|max| value > max) {
            self.max = Some(value.clone());
        }
    }

    fn merge(&mut self, other: &Self) {
        self.nulls += other.nulls;
        self.distinct.merge(&other.distinct);
        self.common.merge(&other.common);
        self.width += other.width;
        let min = self.min.take().into_iter().chain(other.min.clone()).min();
        let max = self.max.take().into_iter().chain(other.max.clone()).max();
        (self.min, self.max) = (min, max);
    }
}

/// Bytes of a value.
fn width(value: &Value) -> u64 {
    match value {
        Value::Null => 0,
        Value::Bool(_) => 1,
        Value::Date(_) => 4,
        Value::I64(_) | Value::U64(_) | Value::F64(_) | Value::Timestamp(_) => 8,
        Value::Decimal(_) | Value::Uuid(_) | Value::Point { .. } => 16,
        Value::Text(text) => text.len() as u64,
        Value::Bytes(bytes) => bytes.len() as u64,
    }
}

/// Columns that stand together in a key, a foreign key or an index: asked for together, too.
fn known_groups(definition: &TableDefinition) -> Vec<(Vec<usize>, HyperLogLog)> {
    let ordered = definition.indexes.iter().filter(|it| it.kind == IndexKind::Ordered);
    let indexed = ordered.map(|index| {
        let columns = index.parts.iter().map(|part| match part.expression {
            lightning_db_expression::Expression::Column(position) => Some(position),
            _ => None,
        });
        columns.map_while(|it| it).collect::<Vec<usize>>()
    });
    let foreign = definition.foreign_keys.iter().map(|it| it.columns.clone());
    let mut groups: Vec<Vec<usize>> = foreign.chain(indexed).collect();
    for group in &mut groups {
        group.sort_unstable();
        group.dedup();
    }
    groups.retain(|group| group.len() > 1);
    groups.sort();
    groups.dedup();
    groups.into_iter().map(|columns| (columns, HyperLogLog::new())).collect()
}
