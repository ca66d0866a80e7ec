//! What one reader sees: a generation, what has changed since, and its own writes.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLockReadGuard;
use tantivy::Term;
use tantivy::query::Bm25StatisticsProvider;
use tantivy::schema::Field;

use super::evaluate::Evaluation;
use super::generation::{Generation, Mask};
use super::memory::{MemoryDoc, MemoryIndex};
use super::overlay::{Batch, Overlay};
use super::plan::Plan;
use super::shape::DiskSchema;
use crate::planted;
use crate::row_set::RowSet;

/// What one reader sees.
pub(super) struct View<'a> {
    pub(super) schema: &'a DiskSchema,
    /// `None` if the rows were read themselves, into `own`.
    pub(super) generation: Option<Arc<Generation>>,
    pub(super) mask: Arc<Mask>,
    pub(super) overlay: Option<RwLockReadGuard<'a, Overlay>>,
    pub(super) lsn: u64,
    /// The transaction's own writes, or all rows.
    pub(super) own: Option<MemoryIndex>,
    /// Rows that the transaction wrote.
    pub(super) own_rows: RowSet,
}

impl View<'_> {
    /// Batches of the overlay of which the reader may see something; and what it sees.
    fn batches(&self) -> impl Iterator<Item = (&Batch, (u64, u64))> {
        let both = self.generation.as_ref().zip(self.overlay.as_ref());
        both.into_iter().flat_map(|(generation, overlay)| {
            let within = (generation.applied, self.lsn);
            let above =
                move |of: &&Batch| of.changes.last().is_some_and(|last| last.lsn > within.0);
            let batches = overlay.batches.iter().filter(|of| of.memory.len() > 0);
            batches.filter(above).map(move |of| (of, within))
        })
    }

    /// Calls `visit` with each index in memory, and which of its documents are seen.
    fn each_memory<E>(
        &self,
        mut visit: impl FnMut(&MemoryIndex, &dyn Fn(MemoryDoc) -> bool) -> Result<(), E>,
    ) -> Result<(), E> {
        for (batch, within) in self.batches() {
            let replaced = |doc| {
                self.own_rows.contains(batch.memory.row_id(doc))
                    && !planted::is("find-words-of-replaced-rows")
            };
            visit(&batch.memory, &|doc| batch.sees(doc, within) && !replaced(doc))?;
        }
        match &self.own {
            Some(own) => visit(own, &|_| true),
            None => Ok(()),
        }
    }

    /// Documents in memory that are seen, and their words in each field.
    fn sums(&self, add: &mut dyn FnMut((u64, Vec<u64>))) {
        if self.own_rows.is_empty() {
            self.batches().for_each(|(batch, within)| add(batch.sums(within)));
            self.own.iter().for_each(|own| add(own.sums(&|_| true)));
            return;
        }
        let done: Result<(), std::convert::Infallible> = self.each_memory(|memory, seen| {
            add(memory.sums(seen));
            Ok(())
        });
        let Ok(()) = done;
    }

    /// Rows in memory that match, with their scores.
    pub(super) fn in_memory(
        &self,
        plan: &Plan,
        statistics: Option<&Statistics<'_>>,
    ) -> tantivy::Result<Vec<(u64, f32)>> {
        let mut found = Vec::new();
        let scoring = statistics.map(|of| (of as &dyn Bm25StatisticsProvider, self.schema));
        self.each_memory(|memory, visible| {
            let evaluation = Evaluation { memory, visible, scoring };
            let scored = evaluation.run(plan)?;
            found.extend(scored.into_iter().map(|(doc, score)| (memory.row_id(doc), score)));
            Ok::<_, tantivy::TantivyError>(())
        })?;
        Ok(found)
    }

    /// Calls `visit` with each word of a field that is in memory.
    pub(super) fn terms_in_memory(&self, field: u8, visit: &mut dyn FnMut(&[u8])) {
        let done: Result<(), std::convert::Infallible> = self.each_memory(|memory, _| {
            memory.terms_of(field, visit);
            Ok(())
        });
        let Ok(()) = done;
    }

    /// Lets changes go on; what is in memory can no longer be asked for.
    pub(super) fn release(&mut self) {
        self.overlay = None;
    }
}

/// What scores are made from: a function of the rows that the reader sees, and of nothing else.
pub(super) struct Statistics<'a> {
    view: &'a View<'a>,
    rows: u64,
    /// Words of each field.
    tokens: Vec<u64>,
    /// Whether something is in memory: words are then asked for there and on the disk.
    in_memory: bool,
    frequencies: RefCell<HashMap<Term, u64>>,
}

impl<'a> Statistics<'a> {
    pub(super) fn new(view: &'a View<'a>) -> Self {
        let in_memory = view.own.is_some() || view.batches().next().is_some();
        let fields = view.schema.texts.len();
        let (mut rows, mut tokens) = (0, vec![0; fields]);
        if let Some(generation) = &view.generation {
            rows = generation.rows - view.mask.count;
            for (at, sum) in tokens.iter_mut().enumerate() {
                *sum = generation.tokens[at] - view.mask.tokens.get(at).unwrap_or(&0);
            }
        }
        view.sums(&mut |(docs, words)| {
            rows += docs;
            for (sum, words) in tokens.iter_mut().zip(words) {
                *sum += words;
            }
        });
        Self { view, rows, tokens, in_memory, frequencies: RefCell::default() }
    }

    /// Rows that are seen.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// For each field, its words and the rows.
    pub(super) fn averages(&self) -> Vec<(u64, u64)> {
        self.tokens.iter().map(|tokens| (*tokens, self.rows)).collect()
    }

    fn count(&self, term: &Term) -> tantivy::Result<u64> {
        let mut count = match &self.view.generation {
            Some(generation) => generation.frequency(term, &self.view.mask)?,
            None => 0,
        };
        let field = self.view.schema.texts.iter().position(|text| *text == term.field());
        let field = field.and_then(|at| u8::try_from(at).ok());
        if let (Some(field), Some(word)) = (field, term.value().as_str()) {
            let done: Result<(), std::convert::Infallible> =
                self.view.each_memory(|memory, visible| {
                    let postings = memory.postings(field, word);
                    count += postings.iter().filter(|of| visible(of.doc)).count() as u64;
                    Ok(())
                });
            let Ok(()) = done;
        }
        Ok(count)
    }
}

impl Bm25StatisticsProvider for Statistics<'_> {
    fn total_num_tokens(&self, field: Field) -> tantivy::Result<u64> {
        let at = self.view.schema.texts.iter().position(|text| *text == field);
        Ok(at.map_or(0, |at| self.tokens[at]))
    }

    fn total_num_docs(&self) -> tantivy::Result<u64> {
        Ok(self.rows)
    }

    fn doc_freq(&self, term: &Term) -> tantivy::Result<u64> {
        if self.in_memory
            && let Some(known) = self.frequencies.borrow().get(term)
        {
            return Ok(*known);
        }
        // More rows with a word than rows would be damage, and tantivy would panic.
        let count = self.count(term)?.min(self.rows);
        if self.in_memory {
            self.frequencies.borrow_mut().insert(term.clone(), count);
        }
        Ok(count)
    }
}
