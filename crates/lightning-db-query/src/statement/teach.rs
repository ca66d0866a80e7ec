//! What is learned of a run, and the plans that follow from it.

use std::ops::ControlFlow;
use std::sync::Arc;

use lightning_db_optimizer::Hints;
use lightning_db_types::{Value, ValueRef};

use super::{Prepared, Statement};
use crate::error::Result;
use crate::execute::{Counted, Run};
use crate::learn::Lessons;
use crate::source::Source;

impl Statement {
    /// Runs, and takes what there is to be learned of it.
    #[cold]
    pub(super) fn teach(
        &self,
        (prepared, lessons): (&Prepared, &Lessons),
        source: Source<'_>,
        run: Run<'_>,
        visit: &mut dyn FnMut(&[ValueRef<'_>]) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        let counted = Counted { clock: None, actual: prepared.uncounted() };
        let begun = self.engine.clock().monotonic();
        let mut is_whole = true;
        Run { counted: Some(&counted), ..run }.each(&mut |row| {
            let flow = visit(row)?;
            is_whole &= flow.is_continue();
            Ok(flow)
        })?;
        let time = self.engine.clock().monotonic().saturating_sub(begun);
        let Some(learned) = self.engine.learned.as_ref().filter(|_| is_whole) else {
            return Ok(());
        };
        let counted = prepared.counted(&counted.actual.into_inner());
        if learned.take(lessons, &prepared.plan, &counted, time) {
            self.plan_by_lessons((prepared, lessons), source, run.parameters);
        }
        Ok(())
    }

    /// Makes the plan anew for what was learned, and keeps it if it is another one.
    fn plan_by_lessons(
        &self,
        (prepared, lessons): (&Prepared, &Lessons),
        source: Source<'_>,
        values: &[Value],
    ) {
        let is_for_any = lessons.query().bound().next().is_none();
        let again = || -> Result<Prepared> {
            let catalog = self.engine.catalog_of(source)?;
            if is_for_any {
                return Prepared::new(&self.engine, (&self.query, &self.hints), &catalog);
            }
            Prepared::of_query(&self.engine, (lessons.query(), &self.hints), &catalog)
        };
        // The rows are there; a plan that fails to get better is no error of theirs.
        let Ok(again) = again() else { return };
        let now = self.prepared.load();
        if now.version != again.version {
            return;
        }
        if Hints::pin(&again.plan) == Hints::pin(&prepared.plan)
            && let Some(new) = &again.lessons
        {
            new.go_on_from(lessons);
        }
        match &now.choice {
            _ if std::ptr::eq(Arc::as_ptr(&now), prepared) => self.prepared.store(Arc::new(again)),
            Some(choice) if !is_for_any => self.keep(choice, values, &Arc::new(again)),
            _ => {}
        }
    }
}
