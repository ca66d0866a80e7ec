//! The prompt: lines are edited, completed and coloured, and remembered for the next time.

use std::borrow::Cow;
use std::path::PathBuf;

use lightning_db::tables::Tables;
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::Hinter;
use rustyline::history::DefaultHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Config, Editor, Helper};

use super::interrupt::Listener;
use super::split::split;
use super::words::{KEYWORDS, is_keyword, is_word};
use super::{Shell, dot};
use crate::context::complain;
use crate::failure::Failure;

const PROMPT: &str = "lightning> ";
/// Read before the first line, if it is there.
const RC_FILE: &str = ".lightningrc";
const HISTORY_FILE: &str = ".lightning_history";
const HISTORY_LEN: usize = 10_000;

const KEYWORD_COLOUR: &str = "\u{1b}[1;34m";
const TEXT_COLOUR: &str = "\u{1b}[32m";
const NUMBER_COLOUR: &str = "\u{1b}[36m";
const COMMENT_COLOUR: &str = "\u{1b}[2m";
const PLAIN: &str = "\u{1b}[0m";

/// Reads statements until the end of the input; what fails is told, and the next one asked for.
pub(super) fn run(shell: &mut Shell<'_>) -> Result<(), Failure> {
    let _interrupts = Listener::new(shell.connection.interrupt_handle())?;
    let in_home = |name: &str| std::env::home_dir().map(|home| home.join(name));
    if let Some(path) = in_home(RC_FILE).filter(|path| path.exists())
        && let Err(failure) = shell.read_file(&path)
    {
        complain(&failure.to_line());
    }
    let mut editor = editor(shell.tables.clone()).map_err(failed)?;
    let history = in_home(HISTORY_FILE);
    // Without a history there is nothing to go back to, which is no reason to stop.
    let _ = history.as_ref().map(|path| editor.load_history(path));
    shell.context.note(".help says what there is; statements end with a semicolon");
    while !shell.is_over {
        match editor.readline(PROMPT) {
            Ok(text) => {
                let mut pending = String::new();
                let done = text.lines().try_for_each(|line| shell.line(line, &mut pending));
                if let Err(failure) = done.and_then(|()| shell.script(&pending)) {
                    complain(&failure.to_line());
                }
            }
            // Ctrl-C gives up what was typed.
            Err(ReadlineError::Interrupted) => {}
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(failed(error)),
        }
    }
    save(&mut editor, history);
    Ok(())
}

fn save(editor: &mut Editor<Words, DefaultHistory>, history: Option<PathBuf>) {
    if let Some(path) = history
        && let Err(error) = editor.save_history(&path)
    {
        complain(&format!("note: the history was not saved in {}: {error}", path.display()));
    }
}

fn failed(error: ReadlineError) -> Failure {
    match error {
        ReadlineError::Io(error) => Failure::Input(error),
        other => Failure::Input(std::io::Error::other(other)),
    }
}

fn editor(tables: Tables) -> rustyline::Result<Editor<Words, DefaultHistory>> {
    let config = Config::builder().auto_add_history(true).max_history_size(HISTORY_LEN)?;
    let config = config.completion_type(rustyline::CompletionType::List).build();
    let mut editor = Editor::with_config(config)?;
    editor.set_helper(Some(Words { tables }));
    Ok(editor)
}

/// Completion and colour, by what is in the store.
pub(super) struct Words {
    tables: Tables,
}

impl Words {
    /// Names of tables, columns and indexes.
    fn names(&self) -> Vec<String> {
        let mut names = self.tables.names();
        for name in names.clone() {
            if let Ok(table) = self.tables.table(&name) {
                names.extend(table.columns().map(|column| column.name.clone()));
                names.extend(table.indexes().map(|(index, _)| index.definition().name.clone()));
            }
        }
        names.sort();
        names.dedup();
        names
    }

    /// Where the last word of a text starts, and what may stand in its place.
    pub(super) fn candidates(&self, text: &str) -> (usize, Vec<String>) {
        if text.starts_with('.') && !text.contains(char::is_whitespace) {
            let names = dot::COMMANDS.iter().map(|(name, ..)| (*name).to_owned());
            return (0, names.filter(|name| name.starts_with(text)).collect());
        }
        let start = text.rfind(|c| !is_word(c));
        let start = start.map_or(0, |at| at + text[at..].chars().next().map_or(1, char::len_utf8));
        let word = &text[start..];
        if word.is_empty() {
            return (start, Vec::new());
        }
        let lower = word.to_lowercase();
        let mut found: Vec<String> =
            self.names().into_iter().filter(|name| name.starts_with(&lower)).collect();
        let is_upper = word.chars().any(char::is_uppercase);
        let keywords = KEYWORDS.iter().filter(|known| known.to_lowercase().starts_with(&lower));
        found.extend(keywords.map(
            |word| {
                if is_upper { (*word).to_owned() } else { word.to_lowercase() }
            },
        ));
        (start, found)
    }
}

impl Helper for Words {}

impl Hinter for Words {
    type Hint = String;
}

impl Completer for Words {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        position: usize,
        _context: &rustyline::Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        Ok(self.candidates(&line[..position]))
    }
}

impl Validator for Words {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let input = context.input();
        let open = split(input).pop().is_some_and(|last| !last.is_empty());
        let is_whole = input.trim_start().starts_with('.') || !open;
        Ok(if is_whole { ValidationResult::Valid(None) } else { ValidationResult::Incomplete })
    }
}

impl Highlighter for Words {
    fn highlight<'l>(&self, line: &'l str, _position: usize) -> Cow<'l, str> {
        Cow::Owned(coloured(line))
    }

    fn highlight_char(&self, _line: &str, _position: usize, kind: CmdKind) -> bool {
        kind != CmdKind::MoveCursor
    }
}

/// The text with the colours of its words.
pub(super) fn coloured(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (len, colour) = if first == '\'' {
            (rest[1..].find('\'').map_or(rest.len(), |end| end + 2), TEXT_COLOUR)
        } else if rest.starts_with("--") {
            (rest.find('\n').unwrap_or(rest.len()), COMMENT_COLOUR)
        } else if is_word(first) {
            let len = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            let colour = if first.is_ascii_digit() {
                NUMBER_COLOUR
            } else if is_keyword(&rest[..len]) {
                KEYWORD_COLOUR
            } else {
                ""
            };
            (len, colour)
        } else {
            (first.len_utf8(), "")
        };
        let (word, behind) = rest.split_at(len);
        if colour.is_empty() {
            out.push_str(word);
        } else {
            out.extend([colour, word, PLAIN]);
        }
        rest = behind;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_change_no_text() {
        let text = "select 'it''s' , 12 -- two\nfrom city";
        let mut plain = coloured(text);
        for colour in [KEYWORD_COLOUR, TEXT_COLOUR, NUMBER_COLOUR, COMMENT_COLOUR, PLAIN] {
            plain = plain.replace(colour, "");
        }
        assert_eq!(plain, text);
        assert!(coloured("Select").starts_with(KEYWORD_COLOUR));
        assert_eq!(coloured("city"), "city");
    }
}
