//! Results that are longer than the screen go through a pager.

use std::io::{self, IsTerminal, Write};
use std::process::{Command, Stdio};

/// What shows a text if the environment names nothing: it ends by itself at the end of a text that
/// fits, leaves it on the screen, and cuts long lines.
const PAGER: &str = "less -FXS";

/// Shows a text through a pager; says whether it did. It does not where nobody sees a screen, or
/// the text fits on it.
pub(super) fn show(text: &str) -> io::Result<bool> {
    let Some(rows) = rows_of_screen() else { return Ok(false) };
    if text.lines().count() < rows {
        return Ok(false);
    }
    let pager = std::env::var("PAGER").ok().filter(|pager| !pager.trim().is_empty());
    let pager = pager.unwrap_or_else(|| PAGER.to_owned());
    let mut child = Command::new("sh").arg("-c").arg(&pager).stdin(Stdio::piped()).spawn()?;
    let written = match child.stdin.take() {
        Some(mut input) => input.write_all(text.as_bytes()),
        None => Ok(()),
    };
    let status = child.wait()?;
    match written {
        // Whoever has seen enough does not read the rest.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        // A pager that is not there has shown nothing.
        _ => Ok(status.code() != Some(127)),
    }
}

/// Lines of the terminal, if the output is one.
fn rows_of_screen() -> Option<usize> {
    let output = io::stdout();
    if !output.is_terminal() {
        return None;
    }
    let size = rustix::termios::tcgetwinsize(output).ok()?;
    Some(usize::from(size.ws_row)).filter(|rows| *rows > 0)
}
