//! Progress of long work, on standard error if that is a terminal.

use std::borrow::Cow;
use std::io::Read;
use std::ops::ControlFlow;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use lightning_db::storage::{self, Observer, Stage};

use crate::context::Context;
use crate::text;

/// How often a spinner turns.
const TICK: Duration = Duration::from_millis(120);

/// A bar or a spinner; nothing is drawn where nobody looks. It goes away when it is dropped.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// A bar over so many bytes of a file, or so many rows.
    pub(crate) fn of(context: &Context, len: u64) -> Self {
        let template = "{wide_bar} {percent:>3} %  {msg}  {eta} left";
        Self { bar: bar(context, Some(len), template) }
    }

    /// A bar over the rows of an index that is being built.
    pub(crate) fn of_build(context: &Context, message: String, len: u64) -> Self {
        let template = "{msg} {wide_bar} {percent:>3} %  {human_pos} of {human_len}, {per_sec}";
        Self { bar: bar(context, Some(len), template).with_message(message) }
    }

    /// Does long work of a store, with a bar over the bytes of each of its stages.
    pub(crate) fn over<T>(context: &Context, work: impl FnOnce(&mut Observer<'_>) -> T) -> T {
        let mut shown: Option<(Stage, Self)> = None;
        work(&mut |report| {
            let now = shown.take().filter(|(stage, progress)| {
                // Work that begins again, as a check beside a writer may, has done less.
                *stage == report.stage && progress.bar.position() <= report.done
            });
            if report.total > 0 {
                let (stage, progress) =
                    now.unwrap_or_else(|| (report.stage, Self::of_stage(context, report)));
                progress.bar.update(|state| {
                    state.set_len(report.total);
                    state.set_pos(report.done);
                });
                shown = Some((stage, progress));
            }
            ControlFlow::Continue(())
        })
    }

    fn of_stage(context: &Context, report: storage::Progress) -> Self {
        let template = "{msg} {wide_bar} {percent:>3} %  {binary_bytes} of {binary_total_bytes}, \
                        {binary_bytes_per_sec}  {eta} left";
        let bar = bar(context, Some(report.total), template);
        Self { bar: bar.with_message(name_of(report.stage)) }
    }

    /// A bar over the rows that a statement reads, at a terminal; a spinner while it is not known
    /// how many there may be.
    pub(crate) fn of_statement(expected: u64) -> Self {
        if expected == 0 {
            return Self { bar: visible(None, "{spinner} {msg}  {elapsed}") };
        }
        Self { bar: visible(Some(expected), "{wide_bar} {percent:>3} %  {msg}  {elapsed}") }
    }

    /// Says how many rows a statement has read of how many it expects to.
    pub(crate) fn set_read(&self, read: u64, expected: u64) {
        let rows = text::number(read);
        if expected == 0 {
            self.bar.tick();
            return self.bar.set_message(format!("{rows} rows read"));
        }
        // Expectations may be too low, and no bar is longer than full.
        let expected = expected.max(read);
        self.bar.set_length(expected);
        self.bar.set_position(read);
        self.bar.set_message(format!("{rows} of about {} rows read", text::number(expected)));
    }

    /// A spinner for work of unknown length.
    pub(crate) fn of_work(context: &Context, message: impl Into<Cow<'static, str>>) -> Self {
        let bar = bar(context, None, "{spinner} {msg}  {elapsed}");
        bar.set_message(message);
        if !bar.is_hidden() {
            bar.enable_steady_tick(TICK);
        }
        Self { bar }
    }

    /// Counts the bytes that are read through it.
    pub(crate) fn count<R: Read>(&self, source: R) -> impl Read + use<R> {
        self.bar.wrap_read(source)
    }

    /// Says how many rows were handled, and at what rate.
    pub(crate) fn set_rows(&self, rows: u64) {
        if !self.bar.is_hidden() {
            let rate = text::number(text::rate(rows, self.bar.elapsed()));
            self.bar.set_message(format!("{} rows  {rate} rows/s", text::number(rows)));
        }
    }

    /// Counts a row of a bar over rows.
    pub(crate) fn set_position(&self, row: u64) {
        self.bar.set_position(row);
    }

    /// Measures rates from now on.
    pub(crate) fn restart(&self) {
        self.bar.reset_elapsed();
        self.bar.reset_eta();
    }

    /// Prints something while the bar stands below it.
    pub(crate) fn above(&self, print: impl FnOnce()) {
        self.bar.suspend(print);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// What the work is doing, in front of the bar.
fn name_of(stage: Stage) -> &'static str {
    match stage {
        Stage::Check => "checking",
        Stage::Flush => "flushing",
        Stage::Copy => "copying",
        Stage::Merge => "merging",
        Stage::Salvage => "salvaging",
        _ => "working",
    }
}

fn bar(context: &Context, len: Option<u64>, template: &str) -> ProgressBar {
    if context.shows_progress() { visible(len, template) } else { ProgressBar::hidden() }
}

fn visible(len: Option<u64>, template: &str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(len, ProgressDrawTarget::stderr());
    // A template that cannot be read is replaced by the default one: progress is no result.
    bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| default_style()));
    bar
}

fn default_style() -> ProgressStyle {
    ProgressStyle::default_bar()
}
