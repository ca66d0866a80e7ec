//! Compares the index with the rows, and expects how many rows match.

use std::collections::BTreeMap;

use lightning_db_expression::Columns;
use lightning_db_storage::Snapshot;
use tantivy::postings::Postings;
use tantivy::query::Bm25StatisticsProvider;
use tantivy::schema::IndexRecordOption;
use tantivy::{DocSet, Term};

use super::TextIndex;
use super::generation::Mask;
use super::options::Analyzer;
use super::plan::Plan;
use super::query::TextQuery;
use super::search::matching;
use super::view::{Statistics, View};
use crate::error::Result;
use crate::estimate::Estimate;
use crate::index::{IndexedRows, Problem};
use crate::reader::Reader;
use crate::row_set::RowSet;

/// Rows whose words are compared one by one: all, if there are fewer.
const SAMPLE: u64 = 512;

impl TextIndex {
    pub(super) fn check_rows(
        &self,
        snapshot: &Snapshot,
        rows: &mut IndexedRows<'_>,
    ) -> Result<Vec<Problem>> {
        let mut problems = Vec::new();
        let damaged = self.disk.lock().damaged().map_err(|error| self.failed(&error))?;
        for file in damaged {
            let detail = format!("file {} has a wrong checksum", file.display());
            problems.push(Problem::Structure { detail });
        }
        let mut view = self.view(Reader::Snapshot(snapshot))?;
        let of_index = matching(&mut view, &Plan::Everything);
        let of_index = of_index.map_err(|error| self.failed(&error))?;
        let step = (of_index.len() / SAMPLE).max(1);
        let (mut of_table, mut count) = (RowSet::new(), 0);
        rows.for_each(&mut |row_id, row| {
            of_table.insert(row_id);
            count += 1;
            if !of_index.contains(row_id) {
                problems.push(Problem::Missing { row_id, detail: "the row".to_owned() });
            } else if count % step == 0 {
                problems.extend(self.check_words(&view, row_id, row)?);
            }
            Ok(())
        })?;
        let mut extra = of_index;
        extra -= &of_table;
        let detail = || "there is no such row".to_owned();
        problems.extend(extra.iter().map(|row_id| Problem::Extra { row_id, detail: detail() }));
        Ok(problems)
    }

    /// Compares the words of a row on the disk with those of the row; a row that is in memory has
    /// been made from it.
    fn check_words(
        &self,
        view: &View<'_>,
        row_id: u64,
        row: &dyn Columns,
    ) -> Result<Option<Problem>> {
        let Some(generation) =
            view.generation.as_ref().filter(|_| !view.mask.rows.contains(row_id))
        else {
            return Ok(None);
        };
        let place = generation.find(&self.schema, row_id).map_err(|error| self.failed(&error))?;
        let (Some(place), Some(searcher)) = (place, &generation.searcher) else { return Ok(None) };
        let reader = searcher.segment_reader(place.segment_ord);
        let mut wrong = None;
        self.shape.texts(row, |field, text| {
            let mut words: BTreeMap<String, u32> = BTreeMap::new();
            self.shape.words(field, text, &mut |token| {
                *words.entry(token.text.clone()).or_default() += 1;
                Ok(())
            })?;
            let disk_field = self.schema.texts[usize::from(field)];
            let counted = self.shape.fields[usize::from(field)].kind != Analyzer::Facet;
            let times_on_disk = |word: &str| -> tantivy::Result<u32> {
                let term = Term::from_field_text(disk_field, word);
                let inverted = reader.inverted_index(disk_field)?;
                let record = IndexRecordOption::WithFreqs;
                let Some(mut postings) = inverted.read_postings(&term, record)? else {
                    return Ok(0);
                };
                let doc = place.doc_id;
                let at = if postings.doc() < doc { postings.seek(doc) } else { postings.doc() };
                Ok(if at == doc { postings.term_freq() } else { 0 })
            };
            for (word, count) in &words {
                let found = times_on_disk(word).map_err(|error| self.failed(&error))?;
                if found == 0 || (counted && found != *count) {
                    let detail = format!("the word {word:?}, {count} times");
                    wrong = Some(Problem::Missing { row_id, detail });
                }
            }
            Ok(())
        })?;
        Ok(wrong)
    }

    /// How many rows match, from the frequencies of the words in the newest generation; changes
    /// between it and the reader make the bounds wider. No row is looked at.
    pub(super) fn estimate_of(&self, reader: Reader<'_>, query: &TextQuery) -> Result<Estimate> {
        let newest = self.overlay.read().newest_beside(&self.queue.lock(), reader.lsn());
        let failed = |error| self.failed(&error);
        let Some((generation, mut changes)) = newest else {
            let plan = self.shape.plan(query)?;
            let view = self.view(reader)?;
            let statistics = Statistics::new(&view);
            let frequency = |term: &Term| statistics.doc_freq(term);
            return self.estimate_plan(&plan, statistics.rows(), &frequency).map_err(failed);
        };
        if let Some(transaction) = reader.transaction() {
            changes += transaction.writes(self.rows.keyspace()).count();
        }
        let key = (generation.applied, format!("{query:?}"));
        let base = if let Some(known) = self.estimates.get(&key) {
            known
        } else {
            let plan = self.shape.plan(query)?;
            let mask = Mask::default();
            let frequency = |term: &Term| generation.frequency(term, &mask);
            let base = self.estimate_plan(&plan, generation.rows, &frequency);
            let base = base.map_err(failed)?;
            self.estimates.insert(key, base);
            base
        };
        if changes == 0 {
            return Ok(base);
        }
        #[expect(clippy::cast_precision_loss, reason = "row counts are far below 2^52")]
        let changes = changes as f64;
        Ok(Estimate::between(base.low - changes, base.point, base.high + changes))
    }

    #[expect(clippy::cast_precision_loss, reason = "row counts are far below 2^52")]
    fn estimate_plan(
        &self,
        plan: &Plan,
        all: u64,
        frequency: &dyn Fn(&Term) -> tantivy::Result<u64>,
    ) -> tantivy::Result<Estimate> {
        let rows = all as f64;
        let of_word = |field: u8, term: &str| {
            frequency(&Term::from_field_text(self.schema.texts[usize::from(field)], term))
        };
        Ok(match plan {
            Plan::Nothing => Estimate::exact(0),
            Plan::Everything => Estimate::exact(all),
            Plan::Term { field, term, .. } => Estimate::exact(of_word(*field, term)?),
            Plan::Phrase { field, terms, .. } => {
                let mut rarest = rows;
                for (_, term) in terms {
                    rarest = rarest.min(of_word(*field, term)? as f64);
                }
                Estimate::between(0.0, rarest * 0.2, rarest)
            }
            Plan::Many { .. } => Estimate::between(0.0, rows * 0.02, rows),
            Plan::Bool { must, should, must_not, minimum } => {
                let each = |plans: &[Plan]| -> tantivy::Result<Vec<Estimate>> {
                    plans.iter().map(|plan| self.estimate_plan(plan, all, frequency)).collect()
                };
                let (must, should, not) = (each(must)?, each(should)?, each(must_not)?);
                join(rows, &must, &should, &not, *minimum)
            }
        })
    }
}

/// The estimate of plans together, as if they were independent.
fn join(
    rows: f64,
    must: &[Estimate],
    should: &[Estimate],
    must_not: &[Estimate],
    minimum: usize,
) -> Estimate {
    if rows <= 0.0 {
        return Estimate::exact(0);
    }
    let (mut share, mut high, mut missing) = (1.0, rows, 0.0);
    for of in must {
        share *= of.point / rows;
        high = f64::min(high, of.high);
        missing += rows - of.low;
    }
    let mut low = rows - missing;
    if minimum > 0 {
        let none: f64 = should.iter().map(|of| 1.0 - of.point / rows).product();
        share *= 1.0 - none;
        high = high.min(should.iter().map(|of| of.high).sum());
        let best = should.iter().map(|of| of.low).fold(0.0, f64::max);
        low = if minimum == 1 { low + best - rows } else { 0.0 };
    }
    for of in must_not {
        share *= 1.0 - of.point / rows;
        low -= of.high;
        high = high.min(rows - of.low);
    }
    Estimate::between(low.max(0.0), share * rows, high.max(0.0))
}
