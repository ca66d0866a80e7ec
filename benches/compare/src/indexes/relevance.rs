//! Relevance: nDCG at ten over the 225 questions of the Cranfield collection.
//!
//! Each word of a question may match, English stems, and stop words left out where an engine has
//! that. The judgements have four grades, 1 the best: a document gains 5 less its grade. `lucene`
//! is the run that comes with the collection, of Lucene's English analyzer and BM25.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use lightning_db_table::index::{Analyzer, Reader, TextQuery};

use super::Bench;
use super::data::lines;
use super::lightning::{LEVEL, there};
use super::text::fts5::Fts5;
use super::text::indexed;
use super::text::library::{Library, english};
use crate::comparison::{Comparison, Entry, Metric, OURS};
use crate::report::format::quantity;
use crate::stats::Sample;

const NDCG: Metric = Metric::higher("ndcg_at_10", "");
/// Documents that count.
const DEPTH: usize = 10;

/// Gains of the documents that were judged, by question.
type Judgements = HashMap<u64, HashMap<u64, f64>>;

/// Runs the group.
pub(crate) fn run(bench: &mut Bench) -> Result<()> {
    let folder = bench.set("ir/cranfield")?;
    let documents = documents(&folder)?;
    let questions = questions(&folder)?;
    let judgements = judgements(&folder)?;
    let lucene = lucene(&folder)?;
    let tables = indexed(&bench.folder("lightning")?, &documents, Analyzer::ENGLISH)?;
    let library = Library::new(&bench.folder("tantivy")?, &documents, english()?)?;
    let fts5 = Fts5::new(&bench.folder("sqlite")?, &documents, "porter unicode61")?;
    let table = tables.table("texts")?;
    let text = there(table.index("by_body")?.as_text(), "a text index")?;
    let snapshot = tables.store().snapshot();
    let mut sums = [(OURS, 0.0), ("tantivy", 0.0), ("sqlite", 0.0), ("lucene", 0.0)];
    for (number, question) in (1..).zip(&questions) {
        let words: Vec<&str> = question
            .split(|c: char| !c.is_alphanumeric())
            .filter(|word| !word.is_empty())
            .collect();
        let query = TextQuery::any(words.iter().map(|word| TextQuery::term(*word)));
        let found = text.search(Reader::Snapshot(&snapshot), &query, DEPTH, None)?;
        let ours = found.iter().map(|hit| hit.row_id).collect();
        let rankings = [
            numbered(ours),
            numbered(library.any_word(question, DEPTH)?),
            numbered(fts5.any_word(&words, DEPTH)?),
            lucene.get(&number).cloned().unwrap_or_default(),
        ];
        let gains = there(judgements.get(&number), "a question's judgements")?;
        for ((_, sum), ranking) in sums.iter_mut().zip(&rankings) {
            *sum += ndcg(ranking, gains);
        }
    }
    let entry = |(engine, sum): (&'static str, f64)| {
        let value = sum / questions.len() as f64;
        crate::progress(&format!("ndcg_cranfield: {engine}: {}", quantity(value)));
        Entry { engine, weaker: false, sample: Sample { value, latency: None } }
    };
    let case = Bench::case("ndcg_cranfield", LEVEL, documents.len() as u64);
    let entries = sums.into_iter().map(entry).collect();
    drop(snapshot);
    tables.store().close()?;
    bench.add([Comparison { case, metric: NDCG, entries }])
}

/// Documents are numbered from one, rows from zero.
fn numbered(rows: Vec<u64>) -> Vec<u64> {
    rows.into_iter().map(|row| row + 1).collect()
}

/// Discounted gain of the first ten against that of the best possible ten.
fn ndcg(ranking: &[u64], gains: &HashMap<u64, f64>) -> f64 {
    let discounted = |gains: &mut dyn Iterator<Item = f64>| {
        let gains = gains.take(DEPTH).enumerate();
        gains.map(|(rank, gain)| gain / (rank as f64 + 2.0).log2()).sum::<f64>()
    };
    let mut best: Vec<f64> = gains.values().copied().collect();
    best.sort_by(|left, right| right.total_cmp(left));
    let ideal = discounted(&mut best.into_iter());
    let gained = ranking.iter().map(|document| gains.get(document).copied().unwrap_or(0.0));
    if ideal > 0.0 { discounted(&mut gained.into_iter()) / ideal } else { 0.0 }
}

/// Titles and texts, by number.
fn documents(folder: &Path) -> Result<Vec<String>> {
    let mut documents: Vec<String> = Vec::new();
    let mut wanted = false;
    for line in lines(&folder.join("cran.all.1400.gz"))? {
        let line = line?;
        match line.get(..2) {
            Some(".I") => documents.push(String::new()),
            Some(".T" | ".W") => wanted = true,
            Some(".A" | ".B") => wanted = false,
            _ if wanted => {
                let document = documents.last_mut().context("a text before the first number")?;
                document.push_str(&line);
                document.push('\n');
            }
            _ => {}
        }
    }
    ensure!(documents.len() == 1_400, "{} documents of 1400", documents.len());
    Ok(documents)
}

/// Questions in the order by which the judgements number them.
fn questions(folder: &Path) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(folder.join("cran.qry"))?;
    let mut questions: Vec<String> = Vec::new();
    for line in text.lines() {
        if line.starts_with(".I") {
            questions.push(String::new());
        } else if !line.starts_with(".W") {
            let question = questions.last_mut().context("a text before the first number")?;
            question.push_str(line);
            question.push(' ');
        }
    }
    ensure!(questions.len() == 225, "{} questions of 225", questions.len());
    Ok(questions)
}

fn judgements(folder: &Path) -> Result<Judgements> {
    let text = std::fs::read_to_string(folder.join("cranqrel"))?;
    let mut judgements = Judgements::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let mut next = || words.next().with_context(|| format!("no judgement: {line}"));
        let (question, document) = (next()?.parse()?, next()?.parse()?);
        let grade: i32 = next()?.parse()?;
        let gain = if grade > 0 { f64::from(5 - grade) } else { 0.0 };
        judgements.entry(question).or_default().insert(document, gain);
    }
    Ok(judgements)
}

fn lucene(folder: &Path) -> Result<HashMap<u64, Vec<u64>>> {
    let mut run: HashMap<u64, Vec<u64>> = HashMap::new();
    for line in lines(&folder.join("lucene_english_bm25.run.gz"))? {
        let line = line?;
        let mut words = line.split_whitespace();
        let mut number = |skip| words.nth(skip).and_then(|word| word.parse().ok());
        let (question, document) = (number(0), number(1));
        let ranked = question.zip(document).with_context(|| format!("no rank: {line}"))?;
        run.entry(ranked.0).or_default().push(ranked.1);
    }
    Ok(run)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_order_gains_one_and_a_worse_one_less() {
        let gains = HashMap::from([(1, 4.0), (2, 1.0), (3, 0.0)]);
        assert!((ndcg(&[1, 2], &gains) - 1.0).abs() < 1e-12);
        let swapped = ndcg(&[2, 1], &gains);
        let expected = (1.0 + 4.0 / 3_f64.log2()) / (4.0 + 1.0 / 3_f64.log2());
        assert!((swapped - expected).abs() < 1e-12, "{swapped}");
        assert_eq!(ndcg(&[9, 8], &gains).to_bits(), 0.0_f64.to_bits());
        assert_eq!(ndcg(&[1], &HashMap::new()).to_bits(), 0.0_f64.to_bits());
    }
}
