//! How far long work has come, for whoever waits for it and may want it to end early.
//!
//! Long work ([`Store::check`](crate::Store::check), backup, restore, repair, compaction) goes
//! through [`Stage`]s. Each knows at its begin how many bytes it will look at, so that a rate and
//! the time left follow from the two numbers of a [`Progress`].

use std::ops::ControlFlow;

use crate::error::{Error, Result};

/// Bytes of work between two reports: often enough for a bar, too seldom to be felt.
const REPORT_EVERY_BYTES: u64 = 1 << 20;

/// What long work is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stage {
    /// Comparing files with their checksums.
    Check,
    /// Bringing commits from memory into tables, so that they can be copied or merged.
    Flush,
    /// Copying files.
    Copy,
    /// Merging tables.
    Merge,
    /// Reading what a damaged store still holds, and writing it again.
    Salvage,
}

/// How far long work has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// What it is doing.
    pub stage: Stage,
    /// Bytes of this stage that are done, at most `total`.
    pub done: u64,
    /// Bytes of this stage. It grows only if files are added under the work.
    pub total: u64,
}

/// Called now and then while long work goes on, and always at the begin and the end of a stage.
/// It runs on the caller's thread, and may keep locks of the store waiting: it must be short, and
/// must not use the store.
///
/// After [`ControlFlow::Break`] the work ends with [`Error::Cancelled`] and leaves behind nothing
/// that it has not finished.
pub type Observer<'a> = dyn FnMut(Progress) -> ControlFlow<()> + 'a;

/// Counts the bytes of long work, and tells its observer.
pub(crate) struct Meter<'a> {
    /// `None` if nobody looks.
    observer: Option<&'a mut Observer<'a>>,
    progress: Progress,
    /// Bytes at which the observer is told next.
    report_at: u64,
}

impl<'a> Meter<'a> {
    /// A meter that nobody looks at.
    pub(crate) fn unobserved() -> Self {
        Self { observer: None, progress: Progress::START, report_at: u64::MAX }
    }

    /// A meter that tells `observer`.
    pub(crate) fn new(observer: &'a mut Observer<'a>) -> Self {
        Self { observer: Some(observer), progress: Progress::START, report_at: u64::MAX }
    }

    /// Begins a stage of so many bytes.
    ///
    /// # Errors
    /// [`Error::Cancelled`] if the observer says so; this holds for all calls.
    pub(crate) fn begin(&mut self, stage: Stage, total: u64) -> Result<()> {
        self.progress = Progress { stage, done: 0, total };
        self.report()
    }

    /// Counts bytes that are done.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    #[inline]
    pub(crate) fn advance(&mut self, bytes: u64) -> Result<()> {
        self.progress.done += bytes;
        if self.progress.done < self.report_at { Ok(()) } else { self.report() }
    }

    /// Ends the stage: all of its bytes are done, also those of which no part took notice.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    pub(crate) fn end(&mut self) -> Result<()> {
        self.progress.total = self.progress.total.max(self.progress.done);
        self.progress.done = self.progress.total;
        self.report()
    }

    fn report(&mut self) -> Result<()> {
        let Some(observer) = &mut self.observer else { return Ok(()) };
        self.report_at = self.progress.done + REPORT_EVERY_BYTES;
        // An estimate that was too low must not show more than all.
        self.progress.total = self.progress.total.max(self.progress.done);
        match observer(self.progress) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Error::Cancelled),
        }
    }
}

impl Progress {
    /// Before the first stage.
    const START: Self = Self { stage: Stage::Check, done: 0, total: 0 };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn observer_sees_begin_steps_and_end_of_a_stage() {
        let mut seen = Vec::new();
        let mut observer = |progress: Progress| {
            seen.push((progress.done, progress.total));
            ControlFlow::Continue(())
        };
        let mut meter = Meter::new(&mut observer);
        meter.begin(Stage::Copy, 3 << 20).unwrap();
        for _ in 0..24 {
            meter.advance(100 << 10).unwrap();
        }
        meter.end().unwrap();
        let whole = 3 << 20;
        let steps = [0, 11 * (100 << 10), 22 * (100 << 10), whole].map(|done| (done, whole));
        assert_eq!(seen, steps);
    }

    #[test]
    fn break_ends_the_work_with_a_typed_error() {
        let mut observer = |progress: Progress| match progress.done {
            0 => ControlFlow::Continue(()),
            _ => ControlFlow::Break(()),
        };
        let mut meter = Meter::new(&mut observer);
        meter.begin(Stage::Merge, 9 << 20).unwrap();
        assert!(meter.advance(1).is_ok());
        assert!(matches!(meter.advance(2 << 20), Err(Error::Cancelled)));
    }

    #[test]
    fn total_that_was_too_low_grows_with_what_is_done() {
        let mut last = None;
        let mut observer = |progress: Progress| {
            last = Some(progress);
            ControlFlow::Continue(())
        };
        let mut meter = Meter::new(&mut observer);
        meter.begin(Stage::Salvage, 1).unwrap();
        meter.advance(5 << 20).unwrap();
        assert!(last.is_some_and(|last| last.total == 5 << 20 && last.done == last.total));
    }
}
