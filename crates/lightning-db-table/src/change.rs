//! Changing what tables and indexes there are, while readers and writers go on.

use std::sync::Arc;

use lightning_db_index::{Index, IndexDefinition};

use crate::alter::Alteration;
use crate::build::{BuildOutcome, BuildProgress};
use crate::catalog::{self, IndexRecord, IndexRole, IndexState, TableRecord};
use crate::definition;
use crate::error::{Error, Result};
use crate::schema::TableDefinition;
use crate::spec::IndexSpec;
use crate::table::{Table, TableState};
use crate::tables::{ATTEMPTS_MAX, State, Tables};
use crate::transaction::TableTransaction;

impl Tables {
    /// Makes a table with its indexes.
    ///
    /// # Errors
    /// As [`TableTransaction::create_table`]. Nothing is made then.
    #[expect(clippy::needless_pass_by_value, reason = "it is of no use to who has given it")]
    pub fn create_table(&self, definition: TableDefinition) -> Result<Table> {
        self.define(|transaction| transaction.create_table(definition.clone()))
    }

    /// Drops a table with its indexes. Snapshots that are open still read it.
    ///
    /// # Errors
    /// As [`TableTransaction::drop_table`].
    pub fn drop_table(&self, name: &str) -> Result<()> {
        self.define(|transaction| transaction.drop_table(name))
    }

    /// Changes a table without rewriting its rows.
    ///
    /// # Errors
    /// As [`TableTransaction::alter_table`].
    #[expect(clippy::needless_pass_by_value, reason = "it is of no use to who has given it")]
    pub fn alter_table(&self, name: &str, alteration: Alteration) -> Result<Table> {
        self.define(|transaction| transaction.alter_table(name, alteration.clone()))
    }

    /// Drops an index at once; its space comes back in the background.
    ///
    /// # Errors
    /// As [`TableTransaction::drop_index`].
    pub fn drop_index(&self, table: &str, name: &str) -> Result<()> {
        self.define(|transaction| transaction.drop_index(table, name))
    }

    /// Commits a change of the tables; waits a little for another one to end.
    fn define<T>(&self, mut body: impl FnMut(&mut TableTransaction) -> Result<T>) -> Result<T> {
        for attempt in 0..ATTEMPTS_MAX {
            match self.run(&mut body) {
                Err(Error::Changing { .. }) => self.store().back_off(attempt),
                outcome => return outcome,
            }
        }
        self.run(body)
    }

    /// Adds an index to a table while writers go on, and waits until it holds every row. `progress`
    /// is called with what is done, and may end the build; nothing of it is left then.
    ///
    /// # Errors
    /// [`Error::Exists`], [`Error::NotFound`], [`Error::Index`]; those of the store. Nothing of the
    /// index is left then.
    pub fn create_index(
        &self,
        table: &str,
        spec: IndexSpec,
        progress: &mut BuildProgress<'_>,
    ) -> Result<BuildOutcome> {
        let name = spec.name.clone();
        {
            let _changing = self.inner.changing.lock();
            let tables = self.inner.state.load_full();
            definition::check_index_name(&tables, &name)?;
            let before = tables.table(table)?;
            definition::check_index(&before.schema.record, &spec)?;
            let definition = self.inner.with_ids(|take| spec.with_id(take()))?;
            let record = before.schema.record.clone();
            self.add_index(before, record, definition, IndexRole::Declared)?;
        }
        self.build_index(table, &name, progress)
    }

    /// Puts an index that is to be built into the catalog. The caller holds `changing`.
    fn add_index(
        &self,
        before: &Arc<TableState>,
        mut record: TableRecord,
        definition: IndexDefinition,
        role: IndexRole,
    ) -> Result<()> {
        let made = definition.clone();
        record.indexes.push(IndexRecord { definition, state: IndexState::Building, role });
        let added = TableState::open(&self.inner.store, record, Some(before))
            .and_then(|after| self.publish(after));
        if added.is_err() {
            let _ = Index::drop(&self.inner.store, &made);
        }
        added
    }

    /// Builds the indexes whose build was cut short by the end of the process. They go on where
    /// they were, and their progress begins there.
    ///
    /// # Errors
    /// As [`create_index`](Self::create_index).
    pub fn finish_builds(&self, progress: &mut BuildProgress<'_>) -> Result<Vec<BuildOutcome>> {
        let state = self.inner.state.load_full();
        let mut outcomes = Vec::new();
        for (table, open) in state
            .tables
            .iter()
            .flat_map(|(name, table)| table.indexes.iter().map(move |open| (name, open)))
        {
            if open.state == IndexState::Building {
                let index = &open.index.definition().name;
                outcomes.push(self.build_index(table, index, progress)?);
            }
        }
        Ok(outcomes)
    }

    /// Makes an index anew from the rows, while writers go on: for one that a
    /// [check](Self::check) found to be damaged. Nobody uses it meanwhile: look-ups by a primary
    /// key whose index is being repaired read all rows.
    ///
    /// # Errors
    /// [`Error::NotFound`]; those of [`create_index`](Self::create_index).
    pub fn repair_index(
        &self,
        table: &str,
        name: &str,
        progress: &mut BuildProgress<'_>,
    ) -> Result<BuildOutcome> {
        {
            let _changing = self.inner.changing.lock();
            let state = self.inner.state.load_full();
            let open = state.table(table)?.open_index(name)?;
            let (role, damaged) = (open.role, IndexDefinition::clone(open.index.definition()));
            let definition =
                self.inner.with_ids(|take| IndexDefinition { id: take(), ..damaged })?;
            let before = state.table(table)?;
            let mut record = before.schema.record.clone();
            record.indexes.retain(|index| index.definition.name != name);
            self.add_index(before, record, definition, role)?;
            Index::drop(&self.inner.store, open.index.definition())
                .map_err(Error::of_index(table))?;
        }
        self.build_index(table, name, progress)
    }

    /// Takes an index out of the catalog and removes it. The caller holds `changing`.
    pub(crate) fn remove_index(&self, table: &str, name: &str) -> Result<()> {
        let state = self.inner.state.load_full();
        let before = state.table(table)?;
        let mut record = before.schema.record.clone();
        let at = record.indexes.iter().position(|index| index.definition.name == name);
        let at = at.ok_or_else(|| Error::NotFound { what: "index", name: name.to_owned() })?;
        let removed = record.indexes.remove(at);
        let after = TableState::open(&self.inner.store, record, Some(before))?;
        self.publish(after)?;
        Index::drop(&self.inner.store, &removed.definition).map_err(Error::of_index(table))
    }

    /// Marks an index as one that holds every row. The caller holds `changing`.
    pub(crate) fn set_ready(&self, table: &str, name: &str) -> Result<()> {
        let state = self.inner.state.load_full();
        let before = state.table(table)?;
        let mut record = before.schema.record.clone();
        for index in record.indexes.iter_mut().filter(|index| index.definition.name == name) {
            index.state = IndexState::Ready;
        }
        let after = TableState::open(&self.inner.store, record, Some(before))?;
        self.publish(after)
    }

    /// Ends the transactions that are open on a table with a conflict.
    pub(crate) fn end_transactions(&self, table: &str) -> Result<()> {
        let _changing = self.inner.changing.lock();
        let state = self.inner.state.load_full();
        let mut tables = state.tables.clone();
        tables.insert(table.to_owned(), Arc::new(TableState::clone(state.table(table)?)));
        let _gate = self.inner.gate.write();
        self.inner.state.store(Arc::new(State::new(tables)));
        Ok(())
    }

    /// Makes a table's new state real, in the catalog and for who asks from now on, while no other
    /// commit is being made. Its name is the one that it had.
    fn publish(&self, after: TableState) -> Result<()> {
        let inner = &*self.inner;
        let mut tables = inner.state.load().tables.clone();
        let record = &after.schema.record;
        let (key, encoded) = (catalog::table_key(record.id), catalog::encode(record));
        let _gate = inner.gate.write();
        let mut batch = inner.store.batch();
        batch.insert(&inner.catalog, key, encoded);
        batch.commit()?;
        tables.insert(after.name().to_owned(), Arc::new(after));
        inner.state.store(Arc::new(State::new(tables)));
        Ok(())
    }
}
