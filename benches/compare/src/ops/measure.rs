//! The time of what is done again and again, and the memory that it leaves behind.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::json;

use super::contenders::{CONTENDERS, Contender, Scraped, Work};
use crate::child;
use crate::clock::{now, process_cpu, thread_cpu};
use crate::comparison::Metric;
use crate::process::Memory;
use crate::stats::median;

pub(super) const GROWTH: Metric = Metric::lower("growth_bytes", "bytes");

/// Values recorded before the memory is looked at, so that what is taken once does not count.
const WARM_UP: u64 = 200_000;

/// Processor time of the process for one operation, in nanoseconds: an upkeep counts too.
pub(super) fn cpu_ns(contender: &Contender, work: Work, time: Duration) -> Result<f64> {
    let mut run = (contender.work)(work)?;
    let mut count = 10_000;
    loop {
        let (start, before) = (now(), process_cpu());
        run(count);
        let spent = process_cpu().saturating_sub(before);
        if start.elapsed() >= time {
            return Ok(spent.as_nanos() as f64 / count as f64);
        }
        count *= 2;
    }
}

/// Milliseconds of the thread until all series are written; the median of many times.
pub(super) fn scrape_ms(contender: &Contender, scraped: Scraped, time: Duration) -> Result<f64> {
    let mut scrape = (contender.scrape)(scraped)?;
    // The first one takes what was recorded into histograms, where that is to be done.
    let len = scrape();
    anyhow::ensure!(len > 10_000, "{} wrote {len} bytes", contender.name);
    let (start, mut times) = (now(), Vec::new());
    while times.len() < 5 || start.elapsed() < time {
        let before = thread_cpu();
        scrape();
        times.push(child::millis(thread_cpu().saturating_sub(before)));
    }
    median(&times).context("nothing was timed")
}

/// The arguments of the process that records and is not read. The program starts itself with them.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct ChildArgs {
    #[arg(long)]
    contender: String,
    /// Values to record.
    #[arg(long)]
    count: u64,
}

/// Records values that nobody reads, and reports what memory that took in the end.
pub(super) fn child(args: &ChildArgs) -> Result<()> {
    let contender = CONTENDERS.iter().find(|contender| contender.name == args.contender);
    let contender = contender.context("no such contender")?;
    let mut run = (contender.work)(Work::Histogram)?;
    run(WARM_UP);
    let before = Memory::now().anonymous;
    run(args.count);
    let grown = Memory::now().anonymous.saturating_sub(before);
    let report = json!({ GROWTH.name: grown });
    std::io::Write::write_all(&mut std::io::stdout(), format!("{report}\n").as_bytes())?;
    Ok(())
}

/// Bytes by which a process grows that records so many values.
pub(super) fn growth(contender: &Contender, count: u64) -> Result<f64> {
    let mut command = Command::new(std::env::current_exe()?);
    let arguments = ["ops-child", "record", "--contender", contender.name, "--count"];
    let report = child::answer(command.args(arguments).arg(count.to_string()))?;
    report[GROWTH.name].as_f64().context("its process reported no growth")
}
