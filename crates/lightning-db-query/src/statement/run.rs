//! Running a statement: by which plan, and over which tables.

use std::cell::{Cell, RefCell};
use std::ops::ControlFlow;
use std::sync::Arc;

use lightning_db_table::{Table, TableReader};
use lightning_db_types::{Value, ValueRef};

use super::{Prepared, Statement};
use crate::engine::Seen;
use crate::error::Result;
use crate::execute::{Counted, Run};
use crate::source::Source;
use crate::watch::Watch;

/// Who takes the rows.
type Visit<'v> = dyn FnMut(&[ValueRef<'_>]) -> Result<ControlFlow<()>> + 'v;

/// What a run is given besides the tables.
#[derive(Clone, Copy)]
pub(super) struct Input<'r> {
    pub(super) parameters: &'r [Value],
    /// Rows that the query reads as it does a table.
    pub(super) given: &'r [Vec<Value>],
    pub(super) watch: Option<&'r Watch>,
}

impl Statement {
    /// A run by the plan that is good for a source and for these parameters.
    pub(super) fn run_over(
        &self,
        source: Source<'_>,
        input: Input<'_>,
        visit: &mut Visit<'_>,
    ) -> Result<()> {
        let guard = self.prepared.load();
        let other = self.instead_of(&guard, source, input.parameters)?;
        self.run(other.as_deref().unwrap_or(&guard), source, input, None, visit)
    }

    /// The plan to run by instead of the one that is there: for the definitions that a source sees,
    /// or for the values of the parameters.
    pub(super) fn instead_of(
        &self,
        known: &Prepared,
        source: Source<'_>,
        values: &[Value],
    ) -> Result<Option<Arc<Prepared>>> {
        if known.version != source.version() {
            return self.prepare_again(source).map(Some);
        }
        let choice = known.choice.as_ref();
        Ok(choice.and_then(|choice| self.choose((known, choice), source, values)))
    }

    /// Makes the plan anew for what a source sees, and keeps it if that is what is seen now.
    #[cold]
    pub(super) fn prepare_again(&self, source: Source<'_>) -> Result<Arc<Prepared>> {
        let catalog = self.engine.catalog_of(source)?;
        let prepared = Arc::new(Prepared::new(&self.engine, (&self.query, &self.hints), &catalog)?);
        if self.engine.catalog()?.is_version(source) {
            self.prepared.store(Arc::clone(&prepared));
        }
        Ok(prepared)
    }

    /// Makes the plan anew if the tables have moved since that was made.
    #[cold]
    fn follow(&self, source: Source<'_>) -> Result<()> {
        let now = self.prepared.load();
        if now.version == source.version() && !now.is_near(source)? {
            self.prepare_again(source)?;
            if let Some(variants) = &self.engine.variants {
                variants.forget(self.number);
            }
        }
        Ok(())
    }

    pub(super) fn run<'r>(
        &self,
        prepared: &'r Prepared,
        source: Source<'r>,
        Input { parameters, given, watch }: Input<'r>,
        counted: Option<&Counted<'_>>,
        visit: &mut Visit<'_>,
    ) -> Result<()> {
        prepared.check_parameters(parameters)?;
        let read = |(table, _): &'r (Table, Seen)| source.read(table);
        let list: Vec<TableReader<'r>>;
        let readers: &[TableReader<'r>] = match &prepared.tables[..] {
            [] => &[],
            [only] => &[read(only)?],
            [first, second] => &[read(first)?, read(second)?],
            many => {
                list = many.iter().map(read).collect::<Result<Vec<_>>>()?;
                &list
            }
        };
        let moved = readers.iter().zip(&prepared.tables);
        let mut moved =
            moved.map(|(reader, (table, seen))| !seen.is_near(table, reader.approximate_count()));
        if moved.any(|moved| moved) {
            // Good for this run; the next one has a plan for the tables as they are.
            self.follow(source)?;
        }
        if let Some(watch) = watch {
            watch.expect(prepared.expected_reads);
        }
        let run = Run {
            program: &prepared.program,
            readers,
            parameters,
            given,
            memory_limit: self.engine.memory_limit,
            memory: Cell::new(0),
            columns: &self.engine.columns,
            members: RefCell::default(),
            watch,
            counted,
        };
        match &prepared.lessons {
            Some(lessons) if counted.is_none() && lessons.begin_run(parameters) => {
                self.teach((prepared, lessons), source, run, visit)
            }
            _ => run.each(visit),
        }
    }
}
