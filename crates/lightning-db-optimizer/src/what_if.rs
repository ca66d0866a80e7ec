//! What plans would be if indexes were there that are not, and indexes that queries lack.

mod candidates;
mod propose;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use propose::{IndexProposal, ProposalLimits, propose_indexes};

use crate::catalog::{Catalog, IndexDefinition, Probe, TableDefinition, TableId};
use crate::estimate::Estimate;
use crate::statistics::TableStatistics;

/// A catalog with other indexes than there are: plans over it cost what they would with them, and
/// cannot be run.
///
/// # Examples
/// ```
/// use lightning_db_optimizer::build::column;
/// use lightning_db_optimizer::{
///     ColumnStatistics, IndexDefinition, IndexKind, MemoryCatalog, Optimizer, QueryBuilder,
///     TableStatistics, WhatIf,
/// };
/// use lightning_db_types::ValueType::{I64, Text};
/// let mut catalog = MemoryCatalog::new();
/// let city = catalog.add_table("city", &[("id", I64), ("name", Text)], &["id"])?;
/// let name = ColumnStatistics { distinct: 50_000.0, ..ColumnStatistics::default() };
/// let columns = vec![ColumnStatistics::default(), name];
/// let known = TableStatistics { rows: 100_000, pages: 1_000, columns, ..Default::default() };
/// catalog.set_statistics(city, known);
/// let query = QueryBuilder::scan("city", "c").filter(column("name").equal("Oslo"));
/// let query = query.build(&catalog)?;
/// let index = IndexDefinition::new("by_name", IndexKind::Ordered, &[1]);
/// let with = WhatIf::new(&catalog).with_index(city, index);
/// let cost = |plan: lightning_db_optimizer::Plan| plan.cost().total;
/// let there = cost(Optimizer::default().optimize(&query, &catalog)?);
/// assert!(cost(Optimizer::default().optimize(&query, &with)?) < there / 5.0);
/// # Ok::<(), lightning_db_optimizer::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct WhatIf<'a> {
    base: &'a dyn Catalog,
    changed: BTreeMap<TableId, Changed>,
}

#[derive(Debug, Clone)]
struct Changed {
    definition: Arc<TableDefinition>,
    /// Of each index, its position in the catalog below, if it is there.
    positions: Vec<Option<usize>>,
}

impl<'a> WhatIf<'a> {
    /// A catalog as it is.
    pub fn new(base: &'a dyn Catalog) -> Self {
        Self { base, changed: BTreeMap::new() }
    }

    fn changed(&mut self, table: TableId) -> &mut Changed {
        self.changed.entry(table).or_insert_with(|| {
            let definition = self.base.definition(table);
            let positions = (0..definition.indexes.len()).map(Some).collect();
            Changed { definition, positions }
        })
    }

    /// With an index more. Nothing is known of it but its definition: how many rows it finds, the
    /// statistics of the table say.
    #[must_use]
    pub fn with_index(mut self, table: TableId, index: IndexDefinition) -> Self {
        let changed = self.changed(table);
        Arc::make_mut(&mut changed.definition).indexes.push(index);
        changed.positions.push(None);
        self
    }

    /// Without the indexes of a table that have this name.
    #[must_use]
    pub fn without_index(mut self, table: TableId, name: &str) -> Self {
        let Changed { definition, positions } = self.changed(table);
        let kept: Vec<bool> = definition.indexes.iter().map(|index| index.name != name).collect();
        let (mut one, mut other) = (kept.iter(), kept.iter());
        Arc::make_mut(definition).indexes.retain(|_| one.next().is_none_or(|kept| *kept));
        positions.retain(|_| other.next().is_none_or(|kept| *kept));
        self
    }
}

impl Catalog for WhatIf<'_> {
    fn table(&self, name: &str) -> Option<TableId> {
        self.base.table(name)
    }

    fn table_names(&self) -> Vec<String> {
        self.base.table_names()
    }

    fn definition(&self, table: TableId) -> Arc<TableDefinition> {
        match self.changed.get(&table) {
            Some(changed) => Arc::clone(&changed.definition),
            None => self.base.definition(table),
        }
    }

    fn statistics(&self, table: TableId) -> Option<Arc<TableStatistics>> {
        self.base.statistics(table)
    }

    fn estimate(&self, probe: &Probe<'_>) -> Option<Estimate> {
        let Some(changed) = self.changed.get(&probe.table) else {
            return self.base.estimate(probe);
        };
        let index = changed.positions.get(probe.index).copied().flatten()?;
        self.base.estimate(&Probe { index, ..probe.clone() })
    }

    fn version(&self) -> u64 {
        self.base.version()
    }
}
