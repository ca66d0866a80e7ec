//! Changing what tables and indexes there are, while readers and writers go on.

use std::collections::BTreeMap;
use std::sync::Arc;

use lightning_db_index::{Index, IndexDefinition};

use crate::alter::Alteration;
use crate::build::{BuildOutcome, BuildProgress};
use crate::catalog::{self, IndexRecord, IndexRole, IndexState, TableRecord};
use crate::definition;
use crate::error::{Error, Result};
use crate::schema::TableDefinition;
use crate::spec::IndexSpec;
use crate::statistics;
use crate::table::{Table, TableState, primary_index, rows_keyspace};
use crate::tables::{State, Tables};

impl Tables {
    /// Makes a table with its indexes.
    ///
    /// # Errors
    /// [`Error::Exists`], [`Error::Definition`], [`Error::NotFound`] for what a foreign key names;
    /// those of the store. Nothing is made then.
    pub fn create_table(&self, definition: TableDefinition) -> Result<Table> {
        let _changing = self.inner.changing.lock();
        let state = self.inner.state.load_full();
        definition::check(&definition, &state)?;
        let name = definition.name.clone();
        let mut ids = self.next_ids()?;
        let mut record = TableRecord {
            id: ids.take(),
            columns: definition::columns(definition.columns),
            name: definition.name,
            version: 0,
            primary_key: definition.primary_key,
            foreign_keys: definition.foreign_keys,
            checks: definition.checks,
            indexes: Vec::new(),
            expires_at: definition.expires_at,
            serial: definition.serial,
        };
        let mut indexes = Vec::new();
        if definition::needs_primary_index(&record) {
            indexes.push((primary_index(&record, ids.take()), IndexRole::Primary));
        }
        if let Some(column) = record.expires_at {
            let expiry = definition::expiry_index(&record, column, ids.take());
            indexes.push((expiry, IndexRole::Expiry));
        }
        let declared = definition.indexes.into_iter();
        indexes.extend(declared.map(|spec| (with_id(spec, ids.take()), IndexRole::Declared)));
        // An index of an empty table holds every row.
        let state = IndexState::Ready;
        let ready = |(definition, role)| IndexRecord { definition, state, role };
        record.indexes = indexes.into_iter().map(ready).collect();
        self.save_ids(&ids)?;
        let made = TableState::open(&self.inner.store, record.clone(), None)
            .and_then(|table| self.publish(&name, Some(Arc::new(table))));
        if let Err(error) = made {
            self.remove_keyspaces(&record);
            return Err(error);
        }
        self.table(&name)
    }

    /// Removes what a table that could not be made has left. The first failure says more than one
    /// of the clean-up, which the next open repeats.
    fn remove_keyspaces(&self, record: &TableRecord) {
        for index in &record.indexes {
            let _ = Index::drop(&self.inner.store, &index.definition);
        }
        let _ = self.inner.store.drop_keyspace(&rows_keyspace(record.id));
    }

    /// Drops a table with its indexes. Snapshots that are open still read it.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Definition`] if a foreign key of another table names it; those
    /// of the store.
    pub fn drop_table(&self, name: &str) -> Result<()> {
        let _changing = self.inner.changing.lock();
        let state = self.inner.state.load_full();
        let table = Arc::clone(state.table(name)?);
        definition::check_unreferenced(&state, name)?;
        self.publish(name, None)?;
        // A crash from here on leaves keyspaces that the next open removes.
        for open in &table.indexes {
            Index::drop(&self.inner.store, open.index.definition())
                .map_err(Error::of_index(name))?;
        }
        self.inner.store.drop_keyspace(&rows_keyspace(table.id()))?;
        Ok(())
    }

    /// Changes a table without rewriting its rows.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Exists`], [`Error::Definition`]; those of the store.
    pub fn alter_table(&self, name: &str, alteration: Alteration) -> Result<Table> {
        let _changing = self.inner.changing.lock();
        let state = self.inner.state.load_full();
        let before = state.table(name)?;
        let record = alteration.apply(before, &state)?;
        let new_name = record.name.clone();
        let after = TableState::open(&self.inner.store, record, Some(before))?;
        self.publish(name, Some(Arc::new(after)))?;
        self.table(&new_name)
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
            let mut ids = self.next_ids()?;
            let definition = with_id(spec, ids.take());
            self.save_ids(&ids)?;
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
        let name = before.name();
        let added = TableState::open(&self.inner.store, record, Some(before))
            .and_then(|after| self.publish(name, Some(Arc::new(after))));
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
            let mut ids = self.next_ids()?;
            let definition = IndexDefinition { id: ids.take(), ..damaged };
            self.save_ids(&ids)?;
            let before = state.table(table)?;
            let mut record = before.schema.record.clone();
            record.indexes.retain(|index| index.definition.name != name);
            self.add_index(before, record, definition, role)?;
            Index::drop(&self.inner.store, open.index.definition())
                .map_err(Error::of_index(table))?;
        }
        self.build_index(table, name, progress)
    }

    /// Drops an index at once; its space comes back in the background.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Definition`] if the table or a foreign key cannot be without
    /// it; those of the store.
    pub fn drop_index(&self, table: &str, name: &str) -> Result<()> {
        let _changing = self.inner.changing.lock();
        let state = self.inner.state.load_full();
        definition::check_index_is_free(&state, table, name)?;
        self.remove_index(table, name)
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
        self.publish(table, Some(Arc::new(after)))?;
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
        self.publish(table, Some(Arc::new(after)))
    }

    /// Ends the transactions that are open on a table with a conflict.
    pub(crate) fn end_transactions(&self, table: &str) -> Result<()> {
        let _changing = self.inner.changing.lock();
        let state = self.inner.state.load_full();
        let before = state.table(table)?;
        let record = before.schema.record.clone();
        let after = TableState::open(&self.inner.store, record, Some(before))?;
        let mut tables = state.tables.clone();
        tables.insert(table.to_owned(), Arc::new(after));
        let _gate = self.inner.gate.write();
        self.inner.state.store(Arc::new(State::new(tables)));
        Ok(())
    }

    /// Makes a table's new state real, in the catalog and for who asks from now on, while no other
    /// commit is being made. `name` is the name of the state before; `None` drops the table.
    fn publish(&self, name: &str, after: Option<Arc<TableState>>) -> Result<()> {
        let inner = &*self.inner;
        let mut tables = inner.state.load().tables.clone();
        let removed = tables.remove(name);
        if let (Some(made), None) = (&after, &removed) {
            self.renew_referenced(made, &mut tables)?;
        }
        let _gate = inner.gate.write();
        let mut batch = inner.store.batch();
        match (after, removed) {
            (Some(after), _) => {
                let record = &after.schema.record;
                let key = catalog::table_key(record.id);
                batch.insert(&inner.catalog, key, catalog::encode(record));
                tables.insert(after.name().to_owned(), after);
            }
            (None, Some(removed)) => {
                batch.remove(&inner.catalog, catalog::table_key(removed.id()));
                batch.remove(&inner.catalog, removed.row_ids.key());
                batch.remove(&inner.catalog, removed.serial.key());
                batch.remove(&inner.catalog, statistics::key(removed.id()));
            }
            (None, None) => {}
        }
        batch.commit()?;
        inner.state.store(Arc::new(State::new(tables)));
        Ok(())
    }

    /// Ends the transactions that are open on the tables that a new table names: they do not know
    /// of its rows, and might remove one that these name.
    fn renew_referenced(
        &self,
        made: &TableState,
        tables: &mut BTreeMap<String, Arc<TableState>>,
    ) -> Result<()> {
        for key in &made.schema.record.foreign_keys {
            if let Some(named) = tables.get_mut(&key.table) {
                let record = named.schema.record.clone();
                let renewed = TableState::open(&self.inner.store, record, Some(&**named))?;
                *named = Arc::new(renewed);
            }
        }
        Ok(())
    }

    fn next_ids(&self) -> Result<Ids> {
        let next = self.inner.catalog.get(catalog::NEXT_ID_KEY)?;
        let next = next.as_deref().and_then(<[u8]>::first_chunk);
        Ok(Ids { next: next.map_or(1, |next| u32::from_be_bytes(*next)) })
    }

    /// Numbers are saved before they are used, so that none is used twice.
    fn save_ids(&self, ids: &Ids) -> Result<()> {
        Ok(self.inner.catalog.insert(catalog::NEXT_ID_KEY, ids.next.to_be_bytes())?)
    }
}

/// Numbers of tables and indexes.
struct Ids {
    next: u32,
}

impl Ids {
    fn take(&mut self) -> u32 {
        self.next += 1;
        self.next - 1
    }
}

fn with_id(spec: IndexSpec, id: u32) -> IndexDefinition {
    let IndexSpec { name, parts, condition, kind } = spec;
    IndexDefinition { id, name, parts, condition, kind }
}
