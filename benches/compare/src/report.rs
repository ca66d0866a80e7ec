//! Where results go: tables on standard output, JSON Lines, a Markdown page and an SVG plot.

pub(crate) mod format;

mod markdown;
mod svg;
mod table;

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::comparison::Comparison;

/// Files to write besides the tables.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Outputs {
    /// File for the rows as JSON Lines
    #[arg(long)]
    json: Option<PathBuf>,
    /// File for a page with all results
    #[arg(long)]
    markdown: Option<PathBuf>,
    /// File for a plot of the ratios to the best peer
    #[arg(long)]
    svg: Option<PathBuf>,
}

/// The results of one run, written as they come.
#[derive(Debug)]
pub(crate) struct Report {
    outputs: Outputs,
    json: Option<File>,
    head: Value,
    comparisons: Vec<Comparison>,
}

impl Report {
    /// Begins with the head row.
    ///
    /// # Errors
    ///
    /// When the file for the rows cannot be written.
    pub(crate) fn new(outputs: &Outputs, head: Value) -> Result<Self> {
        let mut json = outputs.json.as_deref().map(create).transpose()?;
        if let Some(file) = &mut json {
            writeln!(file, "{head}")?;
        }
        Ok(Self { outputs: outputs.clone(), json, head, comparisons: Vec::new() })
    }

    /// Prints one comparison and writes its rows, so that a run that is stopped keeps them.
    ///
    /// # Errors
    ///
    /// When the output cannot be written.
    pub(crate) fn add(&mut self, comparison: Comparison) -> Result<()> {
        if comparison.entries.is_empty() {
            return Ok(());
        }
        writeln!(std::io::stdout(), "{}", table::render(&comparison))?;
        if let Some(file) = &mut self.json {
            for row in comparison.rows() {
                writeln!(file, "{row}")?;
            }
        }
        self.comparisons.push(comparison);
        Ok(())
    }

    /// Writes the page and the plot.
    ///
    /// # Errors
    ///
    /// When a file cannot be written.
    pub(crate) fn finish(self) -> Result<()> {
        if let Some(path) = &self.outputs.markdown {
            let page = markdown::render(&self.head, &self.comparisons);
            create(path)?.write_all(page.as_bytes())?;
        }
        if let Some(path) = &self.outputs.svg {
            create(path)?.write_all(svg::render(&self.comparisons).as_bytes())?;
        }
        Ok(())
    }
}

fn create(path: &Path) -> Result<File> {
    File::create(path).with_context(|| format!("write {}", path.display()))
}

#[cfg(test)]
pub(crate) mod tests {
    //! A comparison that the renderers are tested with.

    use super::*;
    use crate::comparison::{Case, Entry, Metric, OURS};
    use crate::stats::{Percentiles, Sample};

    /// Ours is twice as fast as the best peer, `redb`.
    pub(crate) fn example(metric: Metric) -> Comparison {
        let entry = |engine, value| {
            let latency = Some(Percentiles::from([500.0, 900.0, 1_500.0, 20_000.0, 3_000_000.0]));
            Entry { engine, weaker: false, sample: Sample { value, latency } }
        };
        let (scenario, level) = ("rand_read", "buffered");
        let case = Case { subject: "storage", scenario, level, keys: 100_000, threads: 2 };
        let entries = vec![entry(OURS, 2e6), entry("sled", 250_000.0), entry("redb", 1e6)];
        Comparison { case, metric, entries }
    }

    #[test]
    fn rows_page_and_plot_are_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name| Some(dir.path().join(name));
        let outputs = Outputs { json: path("a.jsonl"), markdown: path("a.md"), svg: path("a.svg") };
        let head = serde_json::json!({"head": true, "machine": "m", "commit": "c", "date": "d"});
        let mut report = Report::new(&outputs, head).unwrap();
        report.add(example(Metric::OPS)).unwrap();
        report.finish().unwrap();
        let read = |name| std::fs::read_to_string(dir.path().join(name)).unwrap();
        let rows = read("a.jsonl");
        assert_eq!(rows.lines().count(), 1 + 1 + 5);
        for row in rows.lines() {
            serde_json::from_str::<Value>(row).unwrap();
        }
        assert!(read("a.md").contains("rand_read"));
        assert!(read("a.svg").starts_with("<svg"));
    }
}
