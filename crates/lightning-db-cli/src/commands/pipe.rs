//! `pipe`: commands from standard input, one answer a line, none before its acknowledgement.
//!
//! Lines that are there already share one sync: their changes are committed one by one at the
//! lowest level, one sync brings all of them to the disk, and only then are their answers written.
//! Input that comes line by line therefore gets its answers line by line.

use std::io::{self, BufRead, BufReader, Write};

use lightning_db::{Durability, Keyspace, Slice, Store};
use serde_json::{Value, json};

use crate::context::{self, Context, Output};
use crate::failure::Failure;
use crate::text;

/// Bytes of input that may wait; with short lines a few thousand share a sync.
const INPUT_BUFFER: usize = 64 << 10;

/// A line of input.
#[derive(Debug, PartialEq, Eq)]
enum Request<'a> {
    Put { key: &'a [u8], value: &'a [u8] },
    Del { key: &'a [u8] },
    Get { key: &'a [u8] },
}

/// What becomes of it.
#[derive(Debug)]
enum Answer {
    Done,
    Found(Slice),
    Missing,
    Failed(String),
}

/// Answers everything that comes in on standard input.
pub(crate) fn run(context: &Context, keyspace: &str) -> Result<(), Failure> {
    let (store, keyspace) = context.make_keyspace(keyspace)?;
    let mut pipe = Pipe::new(context, &store, &keyspace);
    pipe.answer_all(&mut BufReader::with_capacity(INPUT_BUFFER, io::stdin().lock()))?;
    Ok(store.close()?)
}

struct Pipe<'a> {
    store: &'a Store,
    /// Its commits are synced by the pipe if that is the level that was asked for.
    keyspace: Keyspace,
    syncs: bool,
    json: bool,
    output: Output,
    /// Answers that wait for the sync, with their line numbers.
    waiting: Vec<(u64, Answer)>,
    is_unsynced: bool,
}

impl<'a> Pipe<'a> {
    fn new(context: &Context, store: &'a Store, keyspace: &Keyspace) -> Self {
        let syncs = context.durability == Durability::Sync;
        let level = if syncs { Durability::Memory } else { context.durability };
        Self {
            store,
            keyspace: keyspace.with_durability(level),
            syncs,
            json: context.json,
            output: context::output(),
            waiting: Vec::new(),
            is_unsynced: false,
        }
    }

    fn answer_all(&mut self, input: &mut BufReader<impl io::Read>) -> Result<(), Failure> {
        let mut line = Vec::new();
        for number in 1.. {
            if !input.buffer().contains(&b'\n') {
                // The next line is still to come, and whoever sends it may wait for an answer.
                self.acknowledge()?;
            }
            line.clear();
            if input.read_until(b'\n', &mut line).map_err(Failure::Input)? == 0 {
                break;
            }
            let answer = match parse(line.strip_suffix(b"\n").unwrap_or(&line)) {
                Ok(request) => self.answer(&request),
                Err(reason) => Answer::Failed(reason),
            };
            self.waiting.push((number, answer));
        }
        self.acknowledge()
    }

    fn answer(&mut self, request: &Request<'_>) -> Answer {
        let answer = match request {
            Request::Get { key } => self.keyspace.get(key).map(|value| match value {
                Some(value) => Answer::Found(value),
                None => Answer::Missing,
            }),
            Request::Put { key, value } => self.changed(self.keyspace.insert(key, value)),
            Request::Del { key } => self.changed(self.keyspace.remove(key)),
        };
        answer.unwrap_or_else(|error| Answer::Failed(reason(error)))
    }

    fn changed(&mut self, outcome: lightning_db::Result<()>) -> lightning_db::Result<Answer> {
        outcome?;
        self.is_unsynced = self.syncs;
        Ok(Answer::Done)
    }

    /// Makes true what the waiting answers say, and gives them.
    fn acknowledge(&mut self) -> Result<(), Failure> {
        if self.is_unsynced {
            if let Err(error) = self.store.sync() {
                // What a get has seen is not on the disk either.
                let reason = reason(error);
                for (_, answer) in &mut self.waiting {
                    if !matches!(answer, Answer::Failed(_)) {
                        *answer = Answer::Failed(reason.clone());
                    }
                }
            }
            self.is_unsynced = false;
        }
        for (number, answer) in self.waiting.drain(..) {
            let written = if self.json {
                writeln!(self.output, "{}", to_json(number, &answer))
            } else {
                write_text(&mut self.output, number, &answer)
            };
            written.map_err(Failure::Output)?;
        }
        self.output.flush().map_err(Failure::Output)
    }
}

fn parse<'a>(line: &'a [u8]) -> Result<Request<'a>, String> {
    let (command, rest) = split(line);
    let one_key = |rest: Option<&'a [u8]>| match rest {
        Some(key) if !key.is_empty() && !key.contains(&b' ') => Ok(key),
        _ => Err(format!("{} takes one key without spaces", text::line(command))),
    };
    match command {
        b"put" => match rest.map(split) {
            Some((key, Some(value))) if !key.is_empty() => Ok(Request::Put { key, value }),
            _ => Err("put takes a key without spaces, a space, and a value".to_owned()),
        },
        b"del" => one_key(rest).map(|key| Request::Del { key }),
        b"get" => one_key(rest).map(|key| Request::Get { key }),
        b"" => Err("the line has no command; there are put, del and get".to_owned()),
        _ => {
            let known = "there are put, del and get";
            Err(format!("{:?} is no command; {known}", text::display(command)))
        }
    }
}

/// The first word, and what comes behind the space after it.
fn split(line: &[u8]) -> (&[u8], Option<&[u8]>) {
    match line.iter().position(|byte| *byte == b' ') {
        Some(at) => (&line[..at], Some(&line[at + 1..])),
        None => (line, None),
    }
}

fn write_text(out: &mut impl Write, number: u64, answer: &Answer) -> io::Result<()> {
    match answer {
        Answer::Done => writeln!(out, "ok {number}"),
        Answer::Found(value) => writeln!(out, "ok {number} {}", text::line(value)),
        Answer::Missing => writeln!(out, "none {number}"),
        Answer::Failed(reason) => {
            writeln!(out, "error {number}: {}", text::line(reason.as_bytes()))
        }
    }
}

fn to_json(number: u64, answer: &Answer) -> Value {
    match answer {
        Answer::Done => json!({ "line": number, "answer": "ok" }),
        Answer::Found(value) => match std::str::from_utf8(value) {
            Ok(value) => json!({ "line": number, "answer": "ok", "value": value }),
            Err(_) => json!({ "line": number, "answer": "ok", "value_hex": text::hex(value) }),
        },
        Answer::Missing => json!({ "line": number, "answer": "none" }),
        Answer::Failed(reason) => json!({ "line": number, "answer": "error", "reason": reason }),
    }
}

fn reason(error: lightning_db::Error) -> String {
    let line = Failure::from(error).to_line();
    line.strip_prefix("error: ").unwrap_or(&line).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_is_the_rest_of_the_line() {
        let put = |key, value| Ok(Request::Put { key, value });
        assert_eq!(parse(b"put k a b  c "), put(b"k", b"a b  c "));
        assert_eq!(parse(b"put k "), put(b"k", b""));
        assert_eq!(parse(b"put \xff \xfe"), put(b"\xff", b"\xfe"));
        assert_eq!(parse(b"del k"), Ok(Request::Del { key: b"k" }));
        assert_eq!(parse(b"get k"), Ok(Request::Get { key: b"k" }));
    }

    #[test]
    fn malformed_lines_are_named() {
        for line in [&b""[..], b"put", b"put k", b"put  v", b"del", b"del a b", b"get ", b"PUT a b"]
        {
            assert!(parse(line).is_err(), "{line:?}");
        }
        assert_eq!(
            parse(b"p\xff").unwrap_err(),
            r#""p\\xff" is no command; there are put, del and get"#
        );
    }

    #[test]
    fn answer_is_one_line_whatever_the_value() {
        let mut out = Vec::new();
        write_text(&mut out, 7, &Answer::Found(Slice::from(&b"a\nb\xff"[..]))).unwrap();
        write_text(&mut out, 8, &Answer::Missing).unwrap();
        assert_eq!(out, b"ok 7 a\\x0ab\\xff\nnone 8\n");
    }
}
