//! The tables of a store as the optimizer sees them.

mod statistics;

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::FixedState;
use lightning_db_optimizer::{
    Catalog, ColumnDefinition, ColumnStatistics, Estimate, ForeignKey, IndexDefinition, IndexKind,
    IndexPart, Probe, ProbeCondition, ROW_NUMBER, Source as EstimateSource, TableDefinition,
    TableId, TableStatistics,
};
use lightning_db_table::index::{self, Expression, Index};
use lightning_db_table::{IndexState, Table, TableReader, TableSnapshot};
use lightning_db_types::ValueType;

use crate::engine::Seen;
use crate::error::Result;
use crate::program::{ROW_ID, Values};
use crate::search;
use crate::source::Source;

/// Definitions and statistics of all tables at one moment.
///
/// Making one reads what the tables keep in memory: some microseconds a column.
#[derive(Debug)]
pub struct TableCatalog {
    version: u64,
    names: HashMap<String, TableId, FixedState>,
    /// In the order of their names.
    tables: Vec<Known>,
    /// Where a table stands. Its identifier is the one that it has in the store, so that what was
    /// learned of it outlives changes of others.
    places: HashMap<TableId, usize, FixedState>,
    /// What indexes are asked for estimates with.
    snapshot: Option<TableSnapshot>,
}

/// A table, and how its parts are called here and there.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) id: TableId,
    pub(crate) table: Table,
    /// Number of each column, by its place.
    pub(crate) ids: Vec<usize>,
    /// What stands behind each index of the definition.
    pub(crate) indexes: Vec<KnownIndex>,
    pub(crate) definition: Arc<TableDefinition>,
    statistics: Arc<TableStatistics>,
    /// Analyses of it before its statistics were read.
    analyses: u64,
}

/// What stands behind an index of a definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum KnownIndex {
    /// The rows themselves, in the order of their key.
    Rows,
    /// An index of the table, and where in its entries the stored columns of the definition are.
    Named(String, Vec<usize>),
}

impl TableCatalog {
    /// The tables of a snapshot.
    ///
    /// # Errors
    /// Those of the tables.
    pub fn new(snapshot: &TableSnapshot) -> Result<Self> {
        Self::of(snapshot.into(), Some(snapshot.clone()))
    }

    pub(crate) fn of(source: Source<'_>, snapshot: Option<TableSnapshot>) -> Result<Self> {
        let known = |name: &String| {
            let table = source.table(name)?;
            Known::new(table.clone(), &source.read(&table)?)
        };
        let mut tables = source.names().iter().map(known).collect::<Result<Vec<_>>>()?;
        let names = tables.iter().map(|known| (known.definition.name.clone(), known.id)).collect();
        let places = tables.iter().zip(0..).map(|(known, place)| (known.id, place)).collect();
        let foreign_keys: Vec<_> = tables.iter().map(|known| known.references(&tables)).collect();
        for (known, foreign_keys) in tables.iter_mut().zip(foreign_keys) {
            let definition =
                TableDefinition { foreign_keys, ..TableDefinition::clone(&known.definition) };
            known.definition = Arc::new(definition);
        }
        Ok(Self { version: source.version(), names, tables, places, snapshot })
    }

    pub(crate) fn known(&self, table: TableId) -> Option<&Known> {
        self.tables.get(*self.places.get(&table)?)
    }

    /// Whether a source sees these definitions.
    pub(crate) fn is_version(&self, source: Source<'_>) -> bool {
        self.version == source.version()
    }

    /// Whether a source sees these definitions, and tables about as large.
    pub(crate) fn is_near(&self, source: Source<'_>) -> bool {
        let is_near = |known: &Known| {
            let reader = source.read(&known.table);
            reader
                .is_ok_and(|reader| known.seen().is_near(&known.table, reader.approximate_count()))
        };
        self.is_version(source) && self.tables.iter().all(is_near)
    }
}

impl Known {
    fn new(table: Table, reader: &TableReader<'_>) -> Result<Self> {
        let id = TableId(table.id());
        let names: Vec<String> = table.columns().map(|column| column.name.clone()).collect();
        let ids = names.iter().map(|name| table.column_id(name));
        let mut ids = ids.collect::<Result<Vec<_>, _>>()?;
        let place = |name: &str| names.iter().position(|known| known == name);
        let mut keys: Vec<Vec<usize>> = Vec::new();
        let key: Vec<usize> = table.primary_key().filter_map(place).collect();
        if !key.is_empty() {
            keys.push(key);
        }
        let (mut definitions, mut indexes) = (Vec::new(), Vec::new());
        if let Some(column) = table.key_column() {
            let mut rows = IndexDefinition::new("key", IndexKind::Clustered, &[column]);
            rows.unique = true;
            definitions.push(rows);
            indexes.push(KnownIndex::Rows);
        }
        for (index, state) in table.indexes() {
            if state != IndexState::Ready {
                continue;
            }
            if let Some((definition, stored)) = definition_of(index, &ids) {
                if definition.unique
                    && definition.condition.is_none()
                    && let Some(columns) = plain_columns(&definition)
                    && !keys.contains(&columns)
                {
                    keys.push(columns);
                }
                definitions.push(definition);
                indexes.push(KnownIndex::Named(index.definition().name.clone(), stored));
            }
        }
        let columns = table.columns().map(|column| ColumnDefinition {
            name: column.name.clone(),
            value_type: column.column_type.value_type(),
            nullable: column.nullable,
        });
        let mut columns: Vec<_> = columns.collect();
        let analyses = table.analyses();
        let mut statistics = statistics::of(&table, reader, &names)?;
        // Scores are found by the numbers of rows, and so are rows without a key of one number that
        // are to be changed.
        let has_text = definitions.iter().any(|index| index.kind == IndexKind::Text);
        if has_text || table.key_column().is_none() {
            let (name, value_type) = (ROW_NUMBER.to_owned(), ValueType::U64);
            columns.push(ColumnDefinition { name, value_type, nullable: false });
            ids.push(ROW_ID);
            statistics.columns.push(ColumnStatistics::default());
        }
        let definition = TableDefinition {
            name: table.name().to_owned(),
            columns,
            keys,
            foreign_keys: Vec::new(),
            indexes: definitions,
        };
        let statistics = Arc::new(statistics);
        let definition = Arc::new(definition);
        Ok(Self { id, table, ids, indexes, definition, statistics, analyses })
    }
}

impl Known {
    /// Rows for which a function is true, by an index that answers it.
    fn estimate(
        &self,
        reader: &TableReader<'_>,
        index: usize,
        (function, arguments): (&str, &[Expression]),
    ) -> Option<Estimate> {
        let KnownIndex::Named(name, _) = self.indexes.get(index)? else { return None };
        let index = reader.index(name).ok()?;
        let parts = &self.definition.indexes.iter().find(|it| it.name == *name)?.parts;
        let of_index =
            |argument: &Expression| parts.iter().position(|it| it.expression == *argument);
        let part = arguments.iter().find_map(of_index)?;
        let given = arguments.iter().filter(|argument| of_index(argument).is_none());
        let given = given.map(|argument| argument.evaluate(&Values(&[])).ok());
        let given = given.collect::<Option<Vec<_>>>()?;
        let kind = &index.definition().kind;
        let question = search::named(function).ok()?.question(kind, part, &given).ok()??;
        let estimate = index.estimate(reader.reader(), &question).ok()?;
        Some(estimate_of(&estimate, EstimateSource::Index))
    }

    /// Rows of the table, about.
    #[expect(clippy::cast_precision_loss, reason = "counts of rows need not be exact")]
    pub(crate) fn rows(&self) -> f64 {
        self.statistics.rows as f64
    }

    /// What its statistics were made of.
    pub(crate) fn seen(&self) -> Seen {
        Seen::new(self.statistics.rows, self.analyses)
    }

    /// Its foreign keys, whose columns are looked up in the tables that they name.
    fn references(&self, tables: &[Self]) -> Vec<ForeignKey> {
        let keys = self.table.foreign_keys().iter().filter_map(|key| {
            let other = tables.iter().find(|known| known.definition.name == key.table)?;
            let (table, other) = (other.id, &other.definition);
            let places = |names: &[String], of: &TableDefinition| {
                let place =
                    |name: &String| of.columns.iter().position(|column| column.name == *name);
                names.iter().map(place).collect::<Option<Vec<_>>>()
            };
            let columns = places(&key.columns, &self.definition)?;
            let referenced = places(&key.references, other)?;
            Some(ForeignKey { columns, references: table, referenced })
        });
        keys.collect()
    }
}

/// An index as the optimizer sees it, and where its entries have the stored columns; `None` for one
/// that has nothing for it.
fn definition_of(index: &Index, ids: &[usize]) -> Option<(IndexDefinition, Vec<usize>)> {
    let here = |expression: &Expression| places(expression, ids);
    let definition = index.definition();
    let parts = definition.parts.iter().map(|part| {
        Some(IndexPart {
            expression: here(&part.expression)?,
            descending: part.order.descending,
            nulls_first: part.order.nulls_first,
        })
    });
    let (kind, include) = match &definition.kind {
        index::IndexKind::Ordered(options) => {
            let column = |expression: &Expression| match here(expression) {
                Some(Expression::Column(place)) => Some(place),
                _ => None,
            };
            let stored = options.include.iter().enumerate();
            let stored = stored.filter_map(|(place, it)| Some((column(it)?, place)));
            (IndexKind::Ordered, stored.collect::<Vec<_>>())
        }
        index::IndexKind::Hash(_) => (IndexKind::Hash, Vec::new()),
        index::IndexKind::Bitmap(_) => (IndexKind::Bitmap, Vec::new()),
        index::IndexKind::Bloom(_) => (IndexKind::Bloom, Vec::new()),
        #[cfg(feature = "text")]
        index::IndexKind::Text(_) => (IndexKind::Text, Vec::new()),
        // Boxes, and points that are made of two columns, are asked for by no function.
        #[cfg(feature = "spatial")]
        index::IndexKind::Spatial(_) if definition.parts.len() == 1 => {
            (IndexKind::Spatial, Vec::new())
        }
        _ => return None,
    };
    let (answers, orders) = search::of_index(&definition.kind);
    let (include, stored) = include.into_iter().unzip();
    let definition = IndexDefinition {
        name: definition.name.clone(),
        kind,
        parts: parts.collect::<Option<Vec<_>>>()?,
        unique: definition.is_unique(),
        condition: match &definition.condition {
            Some(condition) => Some(here(condition)?),
            None => None,
        },
        include,
        answers,
        orders,
        entries: None,
    };
    Some((definition, stored))
}

fn estimate_of(estimate: &index::Estimate, source: EstimateSource) -> Estimate {
    Estimate::new(estimate.point, estimate.low, estimate.high, source)
}

/// An expression over the numbers of columns as one over their places; `None` if it names a column
/// that is gone.
fn places(expression: &Expression, ids: &[usize]) -> Option<Expression> {
    let place = |id: usize| ids.iter().position(|known| *known == id);
    let gone = expression.columns().into_iter().any(|id| place(id).is_none());
    (!gone).then(|| expression.map_columns(&|id| place(id).unwrap_or(usize::MAX)))
}

/// The columns that a key is made of, ascending, if it is made of columns alone.
fn plain_columns(index: &IndexDefinition) -> Option<Vec<usize>> {
    let column = |part: &IndexPart| match part.expression {
        Expression::Column(place) => Some(place),
        _ => None,
    };
    index.parts.iter().map(column).collect()
}

impl Catalog for TableCatalog {
    fn table(&self, name: &str) -> Option<TableId> {
        self.names.get(name).copied()
    }

    fn table_names(&self) -> Vec<String> {
        self.tables.iter().map(|known| known.definition.name.clone()).collect()
    }

    fn definition(&self, table: TableId) -> Arc<TableDefinition> {
        let place = self.places[&table];
        Arc::clone(&self.tables[place].definition)
    }

    fn statistics(&self, table: TableId) -> Option<Arc<TableStatistics>> {
        self.known(table).map(|known| Arc::clone(&known.statistics))
    }

    fn estimate(&self, probe: &Probe<'_>) -> Option<Estimate> {
        let known = self.known(probe.table)?;
        let snapshot = self.snapshot.as_ref()?;
        let reader = snapshot.read(&known.table).ok()?;
        // Only what an index knows better than the statistics of the table.
        match known.definition.indexes.get(probe.index)?.kind {
            IndexKind::Bitmap => {
                let [ProbeCondition::Expression(condition)] = probe.conditions else { return None };
                let condition = condition.map_columns(&|place| known.ids[place]);
                let estimate = reader.estimate(&condition);
                estimate.exact.then(|| estimate_of(&estimate, EstimateSource::Exact))
            }
            IndexKind::Text | IndexKind::Spatial => {
                let estimates = probe.conditions.iter().map(|condition| match condition {
                    ProbeCondition::External { function, arguments } => {
                        known.estimate(&reader, probe.index, (function, arguments))
                    }
                    ProbeCondition::Expression(_) => None,
                });
                let estimates = estimates.collect::<Option<Vec<_>>>()?;
                estimates.into_iter().min_by(|one, other| one.point.total_cmp(&other.point))
            }
            _ => None,
        }
    }

    fn version(&self) -> u64 {
        self.version
    }
}
