//! A server process of a test: found, started, killed, started again.

use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Where a program is: on the search path, or in one of the folders.
pub(crate) fn find(program: &str, folders: &[PathBuf]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let all = std::env::split_paths(&path).chain(folders.iter().cloned());
    let found = all.map(|folder| folder.join(program)).find(|file| file.is_file());
    if found.is_none() {
        let mut out = std::io::stderr().lock();
        writeln!(out, "skipped: {program} is not installed").unwrap();
    }
    found
}

/// A command that does not run as root, which the server refuses to: as its own user then.
pub(crate) fn unprivileged(program: &Path) -> Command {
    if is_root() {
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--"]).arg(program);
        return command;
    }
    Command::new(program)
}

/// Gives a folder to whom [`unprivileged`] runs as.
pub(crate) fn give_away(folder: &Path) {
    if is_root() {
        let status = Command::new("chown").arg("postgres").arg(folder).status().unwrap();
        assert!(status.success(), "chown {}", folder.display());
    }
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    id.stdout.trim_ascii() == b"0"
}

/// A server that runs, until it is dropped.
pub(crate) struct Server {
    command: Command,
    /// Ends it at once and waits until nothing of it is left; without one the process is killed.
    stop: Option<Command>,
    child: Option<Child>,
}

impl Server {
    /// Starts it.
    pub(crate) fn start(command: Command, stop: Option<Command>) -> Self {
        let mut server = Self { command, stop, child: None };
        server.command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        server.child = Some(server.command.spawn().unwrap());
        server
    }

    /// Ends it at once, with everything that is under way.
    pub(crate) fn kill(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        if let Some(stop) = &mut self.stop {
            // It fails where the server has not come up yet.
            let _ = stop.output();
        }
        // It fails where the server has ended.
        let _ = child.kill();
        child.wait().unwrap();
    }

    /// Ends it at once, and starts it again.
    pub(crate) fn restart(&mut self) {
        self.kill();
        self.child = Some(self.command.spawn().unwrap());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
