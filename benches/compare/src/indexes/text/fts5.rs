//! `SQLite`'s full-text index: FTS5 that holds no second copy of the texts, in one segment.

use std::path::Path;

use anyhow::Result;
use rusqlite::{Connection, Statement};

use super::{BEST, Form, Question};
use crate::indexes::sqlite::open;

/// An FTS5 index.
pub(crate) struct Fts5(Connection);

impl Fts5 {
    /// Indexes `texts`, numbered from zero, with a tokenizer of FTS5.
    ///
    /// # Errors
    ///
    /// Those of `SQLite`.
    pub(crate) fn new(dir: &Path, texts: &[String], tokenizer: &str) -> Result<Self> {
        let mut connection = open(dir)?;
        create(&connection, tokenizer)?;
        let transaction = connection.transaction()?;
        {
            let mut insert = transaction.prepare(INSERT)?;
            for (id, text) in (0_i64..).zip(texts) {
                insert.execute((id, text))?;
            }
        }
        transaction.commit()?;
        connection.execute_batch("INSERT INTO words (words) VALUES ('optimize')")?;
        connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")?;
        Ok(Self(connection))
    }

    /// The statement that gives the best rows.
    pub(super) fn search(&self) -> Result<Statement<'_>> {
        let search = "SELECT rowid FROM words WHERE words MATCH ?1 ORDER BY rank LIMIT";
        Ok(self.0.prepare(&format!("{search} {BEST}"))?)
    }

    /// All rows that match, by number.
    pub(super) fn matches(&self, question: &Question) -> Result<Vec<u64>> {
        let all = "SELECT rowid FROM words WHERE words MATCH ?1 ORDER BY rowid";
        let mut statement = self.0.prepare_cached(all)?;
        let ids = statement.query_map([expression(question)], |row| row.get::<_, i64>(0))?;
        Ok(ids.map(|id| id.map(i64::cast_unsigned)).collect::<Result<_, _>>()?)
    }

    /// The best rows for any of these words.
    ///
    /// # Errors
    ///
    /// Those of `SQLite`.
    pub(crate) fn any_word(&self, words: &[&str], limit: usize) -> Result<Vec<u64>> {
        let any = "SELECT rowid FROM words WHERE words MATCH ?1 ORDER BY rank LIMIT ?2";
        let mut statement = self.0.prepare_cached(any)?;
        let limit = i64::try_from(limit)?;
        let expression = joined(words, " OR ");
        let ids = statement.query_map((expression, limit), |row| row.get::<_, i64>(0))?;
        Ok(ids.map(|id| id.map(i64::cast_unsigned)).collect::<Result<_, _>>()?)
    }
}

/// Adds a text to the index.
pub(super) const INSERT: &str = "INSERT INTO words (rowid, body) VALUES (?1, ?2)";

/// Makes the index.
pub(super) fn create(connection: &Connection, tokenizer: &str) -> Result<()> {
    connection.execute_batch(&format!(
        "CREATE VIRTUAL TABLE words USING fts5(body, content = '', tokenize = \"{tokenizer}\")"
    ))?;
    Ok(())
}

/// A question in the language of FTS5.
pub(super) fn expression(question: &Question) -> String {
    let words: Vec<&str> = question.words.iter().map(String::as_str).collect();
    match question.form {
        Form::Term | Form::And => joined(&words, " AND "),
        Form::Or => joined(&words, " OR "),
        Form::Phrase => format!("\"{}\"", words.join(" ")),
        Form::Prefix => format!("\"{}\"*", words.concat()),
    }
}

fn joined(words: &[&str], operator: &str) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
    quoted.join(operator)
}
