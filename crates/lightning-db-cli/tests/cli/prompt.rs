//! The prompt, driven through a pseudo-terminal as somebody who types drives it.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, OptionalActions, Winsize, tcgetattr, tcsetattr, tcsetwinsize};

use crate::shell::Shell;

/// How long an answer may take.
const PATIENCE: Timespec = Timespec { tv_sec: 60, tv_nsec: 0 };
/// How long nothing may be shown before a key is pressed again or a line typed again.
const SILENCE: Timespec = Timespec { tv_sec: 2, tv_nsec: 0 };
/// How often something is typed again before the test gives up.
const TRIES: usize = 30;

const CTRL_C: &str = "\u{3}";
const CTRL_D: &str = "\u{4}";

/// The program on a terminal of its own.
struct Terminal {
    keys: File,
    child: Child,
    /// What it has shown, and nobody has expected yet.
    shown: String,
}

impl Terminal {
    /// Starts the program; `None` where there is no `setsid` to give it the terminal: that takes
    /// unsafe code otherwise.
    fn open(shell: &Shell) -> Option<Self> {
        let keys = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&keys).unwrap();
        unlockpt(&keys).unwrap();
        let name = ptsname(&keys, Vec::new()).unwrap();
        let screen = rustix::fs::open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
        // Ctrl-C throws away what nobody has read yet, the answer to an earlier one with it.
        let mut modes = tcgetattr(&screen).unwrap();
        modes.local_modes |= LocalModes::NOFLSH;
        tcsetattr(&screen, OptionalActions::Now, &modes).unwrap();
        let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&screen, size).unwrap();
        let program = shell.command();
        let mut command = Command::new("setsid");
        command.arg("--ctty").arg(program.get_program()).args(program.get_args());
        command.env("HOME", shell.path("")).env("TERM", "xterm").env_remove("LIGHTNING_DB");
        command.env("PAGER", "sed 's/^/paged /'");
        command.stdin(Stdio::from(screen.try_clone().unwrap()));
        command.stdout(Stdio::from(screen.try_clone().unwrap())).stderr(Stdio::from(screen));
        let child = match command.spawn() {
            Ok(child) => child,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
            Err(error) => panic!("{error}"),
        };
        Some(Self { keys: File::from(keys), child, shown: String::new() })
    }

    fn types(&mut self, text: &str) {
        self.keys.write_all(text.as_bytes()).unwrap();
    }

    /// Reads what is shown next; says whether there was something in time.
    fn reads(&mut self, patience: Timespec) -> bool {
        let mut ready = [PollFd::new(&self.keys, PollFlags::IN)];
        if poll(&mut ready, Some(&patience)).unwrap() == 0 {
            return false;
        }
        let mut bytes = [0; 4_096];
        // The terminal of a program that has ended cannot be read.
        let len = self.keys.read(&mut bytes).unwrap_or(0);
        self.shown.push_str(&String::from_utf8_lossy(&bytes[..len]));
        len > 0
    }

    /// Ends the program from the prompt.
    fn ends(&mut self) {
        self.types(CTRL_D);
        while self.reads(PATIENCE) {}
        assert!(self.child.wait().unwrap().success());
    }

    /// Waits until something is shown, and forgets what was before it.
    fn shows(&mut self, text: &str) {
        assert!(self.shows_within(PATIENCE, text), "{text:?} is not shown, but {:?}", self.shown);
    }

    /// The same, after something that is typed again while nothing comes.
    fn shows_after(&mut self, typed: &str, text: &str) {
        let is_shown = (0..TRIES).any(|_| {
            self.types(typed);
            self.shows_within(SILENCE, text)
        });
        assert!(is_shown, "{text:?} is not shown after {typed:?}, but {:?}", self.shown);
    }

    /// Waits until something is shown; false if nothing comes for so long.
    fn shows_within(&mut self, patience: Timespec, text: &str) -> bool {
        while !self.shown.contains(text) {
            if !self.reads(patience) {
                return false;
            }
        }
        let end = self.shown.find(text).unwrap() + text.len();
        self.shown.drain(..end);
        true
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // One that has ended by itself cannot be killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A store with the numbers below one in table `n`.
fn numbers(end: u32) -> Shell {
    let shell = Shell::new();
    let rows: Vec<String> = (0..end).map(|row| format!("({row})")).collect();
    let create = "CREATE TABLE n (i BIGINT PRIMARY KEY)";
    shell.ok(["-c", &format!("{create}; INSERT INTO n VALUES {}", rows.join(", "))]);
    shell
}

#[test]
fn a_statement_that_runs_ends_at_ctrl_c_and_the_prompt_goes_on() {
    let shell = numbers(300);
    let Some(mut terminal) = Terminal::open(&shell) else {
        println!("skipped: there is no setsid");
        return;
    };
    terminal.shows("lightning> ");
    terminal.types("SELECT count(*) AS rows FROM n;\r");
    terminal.shows("300");
    terminal.shows("lightning> ");
    // Eight thousand million rows.
    let sum = "a.i + b.i + c.i + d.i = -1";
    terminal.types(&format!("SELECT count(*) FROM n a, n b, n c, n d WHERE {sum};\r"));
    // A Ctrl-C that comes before the statement runs does not end it; the bar says that it does.
    terminal.shows("rows read");
    terminal.types(CTRL_C);
    terminal.shows("cancelled");
    terminal.shows("lightning> ");
    // A Ctrl-C that was typed once too often takes a line away with it.
    terminal.shows_after("SELECT 6 * 7 AS answer;\r", "42");
    terminal.shows("lightning> ");
    terminal.ends();
    assert!(shell.read(".lightning_history").contains("6 * 7"));
}

#[test]
fn results_that_are_longer_than_the_screen_go_through_the_pager() {
    let shell = numbers(40);
    let Some(mut terminal) = Terminal::open(&shell) else {
        println!("skipped: there is no setsid");
        return;
    };
    terminal.shows("lightning> ");
    // What is typed before the next prompt is there may be thrown away.
    terminal.types(".mode csv\r");
    terminal.shows("\r\n");
    terminal.shows("lightning> ");
    terminal.types("SELECT i FROM n;\r");
    terminal.shows("paged i\r\npaged 0\r\n");
    terminal.shows("paged 39\r\n");
    terminal.shows("lightning> ");
    terminal.types("SELECT i + 100 FROM n WHERE i = 7;\r");
    terminal.shows("\n107\r\n");
    terminal.shows("lightning> ");
    terminal.types(".pager off\r");
    terminal.shows("\r\n");
    terminal.shows("lightning> ");
    terminal.types("SELECT i + 200 FROM n;\r");
    terminal.shows("\n200\r\n");
    terminal.shows("lightning> ");
    terminal.ends();
}
