//! COPY: rows of a file into a table, and rows of a table or query into a file.

mod load;
mod options;
mod unload;

use std::io::{Read, Write};

use sqlparser::ast::{self, CopyTarget};

use crate::connection::Session;
use crate::error::{Error, Result};
use crate::parse::Parsed;
use crate::planned::{Given, Host};
use crate::prepared::Outcome;
use options::{Format, Options};

/// A stream that a COPY reads or writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyStream {
    /// COPY .. FROM STDIN.
    In {
        /// What stands around fields that may have line ends in them: rows of JSON have none.
        quote: Option<u8>,
    },
    /// COPY .. TO STDOUT.
    Out,
}

/// Which stream a statement copies, if it does.
pub(crate) fn stream_of(statement: &ast::Statement) -> Option<CopyStream> {
    match statement {
        ast::Statement::Copy { target: CopyTarget::Stdout, .. } => Some(CopyStream::Out),
        ast::Statement::Copy { target: CopyTarget::Stdin, options, legacy_options, .. } => {
            // What is wrong with the options is said when it runs.
            let options = Options::read(options, legacy_options, None).ok();
            let quote = options.and_then(|options| match options.format {
                Format::Csv { separators, .. } => Some(separators.quote),
                #[cfg(feature = "vector")]
                Format::Parquet => None,
                Format::JsonLines => None,
            });
            Some(CopyStream::In { quote })
        }
        _ => None,
    }
}

/// What STDIN and STDOUT stand for.
pub(crate) enum Stream<'a> {
    None,
    Input(Box<dyn Read>),
    Output(&'a mut dyn Write),
}

/// Runs a COPY.
pub(crate) fn run(
    parsed: &Parsed,
    host: &Host<'_>,
    session: &mut Session,
    given: &Given<'_>,
    stream: Stream<'_>,
) -> Result<Outcome> {
    let ast::Statement::Copy { source, to, target, options, legacy_options, values } =
        &parsed.statement
    else {
        return Err(Error::invalid("it is no COPY", None));
    };
    if !values.is_empty() {
        let hint = "run COPY by itself, with its rows beside it";
        return Err(Error::unsupported_hint("rows or statements behind COPY", hint, None));
    }
    let path = match target {
        CopyTarget::File { filename } => Some(&**filename),
        CopyTarget::Stdin | CopyTarget::Stdout => None,
        CopyTarget::Program { .. } => return Err(Error::unsupported("COPY with PROGRAM", None)),
    };
    let options = Options::read(options, legacy_options, path)?;
    let count = match (to, path, stream) {
        (false, Some(path), _) => {
            load::run(source, &options, load::Input::File(path), (host, session, given))?
        }
        (false, None, Stream::Input(rows)) => {
            load::run(source, &options, load::Input::Given(Some(rows)), (host, session, given))?
        }
        (true, Some(path), _) => {
            unload::to_file(parsed, source, &options, path, (host, session, given))?
        }
        (true, None, Stream::Output(output)) => {
            let target = unload::Target { output, file: "STDOUT" };
            unload::run(parsed, source, &options, target, (host, session, given))?
        }
        (false, None, _) => return Err(no_stream("COPY FROM STDIN", "Connection::copy_in")),
        (true, None, _) => return Err(no_stream("COPY TO STDOUT", "Connection::copy_out")),
    };
    Ok(Outcome::Written { count, rows: None })
}

fn no_stream(what: &str, through: &str) -> Error {
    let hint = format!("run it through {through}, or name a file");
    Error::unsupported_hint(format!("{what} here"), hint, None)
}
