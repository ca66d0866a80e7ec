//! `backup` and `restore`: copies of the store.

use std::path::Path;
use std::time::Duration;

use lightning_db::Store;
use lightning_db::storage::BackupReport;
use serde_json::{Value, json};

use crate::context::Context;
use crate::failure::Failure;
use crate::progress::Progress;
use crate::text;

/// Copies the store to a folder.
pub(crate) fn backup(context: &Context, dir: &Path) -> Result<(), Failure> {
    let store = context.open()?;
    let started = context.elapsed();
    let report = Progress::over(context, |observer| store.backup_with(dir, observer))?;
    let newest = store.last_lsn();
    store.close()?;
    if report.lsn < newest {
        let (lsn, newest) = (text::number(report.lsn), text::number(newest));
        context.note(&format!(
            "the backup ends at commit {lsn} and the store at {newest}: read-only, what is in the \
             log alone is not copied"
        ));
    }
    let time = context.elapsed().saturating_sub(started);
    let summary = format!(
        "backed up to {} as of commit {}: {} copied ({}), {} kept, in {}",
        dir.display(),
        text::number(report.lsn),
        text::count(report.files_copied, "file"),
        text::bytes(report.bytes_copied),
        text::number(report.files_kept),
        text::time(time)
    );
    context.print_summary(&summary, &to_json(&report, time))
}

/// Makes the store from a backup.
pub(crate) fn restore(context: &Context, dir: &Path) -> Result<(), Failure> {
    let started = context.elapsed();
    let options = context.options();
    let report = Progress::over(context, |observer| Store::restore_with(dir, &options, observer))?;
    let time = context.elapsed().saturating_sub(started);
    let summary = format!(
        "restored {} as of commit {}: {} ({}) in {}",
        context.db.display(),
        text::number(report.lsn),
        text::count(report.files_copied, "file"),
        text::bytes(report.bytes_copied),
        text::time(time)
    );
    context.print_summary(&summary, &to_json(&report, time))
}

fn to_json(report: &BackupReport, time: Duration) -> Value {
    json!({
        "lsn": report.lsn,
        "files_copied": report.files_copied,
        "bytes_copied": report.bytes_copied,
        "files_kept": report.files_kept,
        "seconds": time.as_secs_f64(),
    })
}
