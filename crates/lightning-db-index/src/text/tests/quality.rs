//! Relevance on Cranfield: 1,400 abstracts, 225 questions, graded judgements.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "the numbers of these tests are small"
)]

use std::collections::HashMap;
use std::io::Read;
use std::path::PathBuf;

use lightning_db_types::Value;

use super::{one_field, text_of};
use crate::definition::{IndexDefinition, IndexKind};
use crate::reader::Reader;
use crate::testkit::{TestTable, definition};
use crate::text::{Analyzer, TextField, TextOptions, TextQuery};

fn folder() -> PathBuf {
    let given = std::env::var_os("LIGHTNING_DATA").map(PathBuf::from);
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data");
    given.unwrap_or_else(|| PathBuf::from(beside)).join("ir/cranfield")
}

/// Records of an SMART file: number and, for each field, its text.
fn records(text: &str) -> Vec<(u64, HashMap<char, String>)> {
    let mut records: Vec<(u64, HashMap<char, String>)> = Vec::new();
    let mut field = ' ';
    for line in text.lines() {
        if let Some(number) = line.strip_prefix(".I ") {
            records.push((number.trim().parse().unwrap(), HashMap::new()));
        } else if let Some(name) = line.strip_prefix('.').filter(|name| name.len() == 1) {
            field = name.chars().next().unwrap();
        } else if let Some((_, fields)) = records.last_mut() {
            let text = fields.entry(field).or_default();
            text.push_str(line);
            text.push('\n');
        }
    }
    records
}

/// Normalised discounted cumulative gain of the first ten.
fn ndcg(ranked: &[u64], grades: &HashMap<u64, f64>) -> f64 {
    let gain = |(at, grade): (usize, f64)| grade / (at as f64 + 2.0).log2();
    let found = ranked.iter().map(|row| grades.get(row).copied().unwrap_or(0.0));
    let mut ideal: Vec<f64> = grades.values().copied().collect();
    ideal.sort_by(|a, b| b.total_cmp(a));
    let best: f64 = ideal.into_iter().take(10).enumerate().map(gain).sum();
    if best > 0.0 { found.take(10).enumerate().map(gain).sum::<f64>() / best } else { 0.0 }
}

/// The quality of an index over the documents, before and after they are written to the files.
fn quality(of: IndexDefinition, row: impl Fn(&str, &str) -> Vec<Value>) -> Option<[f64; 2]> {
    let folder = folder();
    let file = std::fs::File::open(folder.join("cran.all.1400.gz")).ok()?;
    let mut documents = String::new();
    flate2::read::GzDecoder::new(file).read_to_string(&mut documents).unwrap();
    let questions = std::fs::read_to_string(folder.join("cran.qry")).unwrap();
    let judged = std::fs::read_to_string(folder.join("cranqrel")).unwrap();
    let table = TestTable::new(of);
    for (number, fields) in records(&documents) {
        let text = |name: char| fields.get(&name).map_or("", String::as_str);
        table.set(number, row(text('T'), text('W')));
    }
    let mut grades: HashMap<usize, HashMap<u64, f64>> = HashMap::new();
    for line in judged.lines() {
        let of: Vec<i64> = line.split_whitespace().map(|word| word.parse().unwrap()).collect();
        // The scale of the file runs backwards: 1 is the best, and 0 or below is of no use.
        let grade = if of[2] > 0 { 5 - of[2] } else { 0 };
        grades.entry(of[0] as usize).or_default().insert(of[1] as u64, grade as f64);
    }
    Some([false, true].map(|flush| {
        if flush {
            text_of(&table).flush().unwrap();
        }
        let snapshot = table.store.snapshot();
        let (mut sum, mut count) = (0.0, 0);
        for (at, (_, fields)) in (1..).zip(records(&questions)) {
            let query = TextQuery::any(fields[&'W'].split_whitespace().map(TextQuery::term));
            let reader = Reader::Snapshot(&snapshot);
            let hits = text_of(&table).search(reader, &query, 10, None).unwrap();
            let ranked: Vec<u64> = hits.iter().map(|hit| hit.row_id).collect();
            let Some(grades) = grades.get(&at) else { continue };
            (sum, count) = (sum + ndcg(&ranked, grades), count + 1);
        }
        sum / f64::from(count)
    }))
}

#[test]
fn english_finds_what_people_judged_relevant_on_cranfield() {
    // The run of Lucene that comes with the data has 0.367 by the same measure.
    let one = one_field(Analyzer::ENGLISH);
    let Some(ndcg) =
        quality(one, |title, text| vec![Value::from(format!("{title}{text}").as_str())])
    else {
        println!("skipped: no data");
        return;
    };
    println!("nDCG@10 of one field: {ndcg:.4?}");
    assert!(ndcg.iter().all(|ndcg| *ndcg >= 0.365), "{ndcg:?}");
    let options = TextOptions::default()
        .field(TextField::new("title", Analyzer::ENGLISH))
        .field(TextField::new("text", Analyzer::ENGLISH));
    let two = definition(IndexKind::Text(options), 2);
    let ndcg = quality(two, |title, text| vec![Value::from(title), Value::from(text)]).unwrap();
    println!("nDCG@10 of title and text: {ndcg:.4?}");
    assert!(ndcg.iter().all(|ndcg| *ndcg >= 0.365), "{ndcg:?}");
}
