//! A table in miniature, for the tests of the kinds: rows of plain values, and one index.

use std::sync::Arc;

use lightning_db_expression::{Columns, Expression};
use lightning_db_storage::{
    CommitOutcome, Keyspace, KeyspaceOptions, Maintenance, Snapshot, Store, StoreOptions,
    Transaction,
};
use lightning_db_types::{ColumnOrder, SeededRng, SimClock, SimVfs, Value};

use crate::definition::{IndexDefinition, IndexKind, KeyPart};
use crate::error::{Error, Result};
use crate::index::{Index, IndexQuery};
use crate::reader::Reader;
use crate::row::{RowChange, RowStore, row_key};
use crate::row_set::RowSet;

/// Rows as a list of values.
#[derive(Debug)]
pub(crate) struct PlainRows {
    keyspace: Keyspace,
}

impl RowStore for PlainRows {
    fn keyspace(&self) -> &Keyspace {
        &self.keyspace
    }

    fn decode(
        &self,
        stored: &[u8],
        visit: &mut dyn FnMut(&dyn Columns) -> Result<()>,
    ) -> Result<()> {
        let row: Vec<Value> = postcard::from_bytes(stored).map_err(|error| Error::Corrupt {
            index: "rows".to_owned(),
            detail: error.to_string(),
        })?;
        visit(&row)
    }
}

/// One table with one index.
#[derive(Debug)]
pub(crate) struct TestTable {
    pub(crate) store: Store,
    pub(crate) rows: Arc<PlainRows>,
    pub(crate) index: Index,
}

/// Options of a store on a simulated disk.
pub(crate) fn sim_options(vfs: &Arc<SimVfs>) -> StoreOptions {
    let vfs: Arc<SimVfs> = Arc::clone(vfs);
    StoreOptions::new("/store")
        .memory_limit(4 << 20)
        .maintenance(Maintenance::Stepped)
        .vfs(vfs)
        .clock(Arc::new(SimClock::default()))
        .rng(Arc::new(SeededRng::new(1)))
}

/// A definition over columns `0..parts`, all ascending.
pub(crate) fn definition(kind: IndexKind, parts: usize) -> IndexDefinition {
    let part = |position| KeyPart {
        expression: Expression::Column(position),
        order: ColumnOrder::ASCENDING,
    };
    let parts = (0..parts).map(part).collect();
    IndexDefinition { id: 7, name: "tested".to_owned(), parts, condition: None, kind }
}

impl TestTable {
    /// On a disk of its own, in memory.
    pub(crate) fn new(definition: IndexDefinition) -> Self {
        Self::open(&sim_options(&Arc::new(SimVfs::new())), definition)
    }

    pub(crate) fn open(options: &StoreOptions, definition: IndexDefinition) -> Self {
        Self::try_open(options, definition).unwrap()
    }

    pub(crate) fn try_open(options: &StoreOptions, definition: IndexDefinition) -> Result<Self> {
        let (store, _) = options.clone().open()?;
        let keyspace = store.keyspace("rows", KeyspaceOptions::new())?;
        let rows = Arc::new(PlainRows { keyspace });
        let source: Arc<dyn RowStore> = Arc::clone(&rows) as _;
        let index = Index::open(&store, Arc::new(definition), source)?;
        Ok(Self { store, rows, index })
    }

    /// Sets or removes a row in a transaction.
    pub(crate) fn change(
        &self,
        transaction: &mut Transaction,
        row_id: u64,
        new: Option<&Vec<Value>>,
    ) -> Result<()> {
        let key = row_key(row_id);
        let old = transaction.get(&self.rows.keyspace, key)?;
        let old: Option<Vec<Value>> = old.map(|bytes| postcard::from_bytes(&bytes).unwrap());
        let change = RowChange {
            row_id,
            old: old.as_ref().map(|row| row as &dyn Columns),
            new: new.map(|row| row as &dyn Columns),
        };
        self.index.maintain(transaction, &change)?;
        match new {
            Some(row) => {
                let bytes = postcard::to_stdvec(row).unwrap();
                transaction.insert(&self.rows.keyspace, key, bytes)?;
            }
            None => transaction.remove(&self.rows.keyspace, key)?,
        }
        Ok(())
    }

    /// Sets or removes a row in a commit of its own; says whether it was made.
    #[expect(clippy::needless_pass_by_value, reason = "tests make the row where they pass it")]
    pub(crate) fn commit(&self, row_id: u64, new: Option<Vec<Value>>) -> Result<CommitOutcome> {
        let mut transaction = self.store.transaction();
        self.change(&mut transaction, row_id, new.as_ref())?;
        Ok(transaction.commit()?)
    }

    /// Sets a row in a commit of its own.
    pub(crate) fn set(&self, row_id: u64, row: impl IntoIterator<Item = Value>) {
        let outcome = self.commit(row_id, Some(row.into_iter().collect())).unwrap();
        assert!(outcome.is_committed());
    }

    /// Removes a row in a commit of its own.
    pub(crate) fn remove(&self, row_id: u64) {
        assert!(self.commit(row_id, None).unwrap().is_committed());
    }

    /// Answer for the newest state.
    pub(crate) fn find(&self, query: &IndexQuery) -> RowSet {
        self.find_at(&self.store.snapshot(), query)
    }

    pub(crate) fn find_at(&self, snapshot: &Snapshot, query: &IndexQuery) -> RowSet {
        self.index.rows(Reader::Snapshot(snapshot), query).unwrap()
    }

    /// The rows of a snapshot for which `matches` says yes: what an index must answer.
    pub(crate) fn scan(
        &self,
        reader: Reader<'_>,
        mut matches: impl FnMut(u64, &dyn Columns) -> bool,
    ) -> RowSet {
        let mut found = RowSet::new();
        let rows: &dyn RowStore = &*self.rows;
        rows.for_each(reader, &mut |row_id, row| {
            if matches(row_id, row) {
                found.insert(row_id);
            }
            Ok(())
        })
        .unwrap();
        found
    }

    /// Asserts that the index agrees with the rows.
    pub(crate) fn assert_sound(&self) {
        assert_eq!(self.index.check(&self.store.snapshot()).unwrap(), []);
    }
}
