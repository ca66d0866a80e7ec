//! The notification protocol of systemd: datagrams to the socket that it names.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use super::bulletin::Notice;

/// The socket that systemd, or whoever started the service, listens at.
#[derive(Debug)]
pub struct Systemd {
    socket: UnixDatagram,
    address: SocketAddr,
}

impl Systemd {
    /// The socket that the environment names in `NOTIFY_SOCKET`; `None` if it names none.
    ///
    /// # Errors
    /// Those of making a socket.
    pub fn from_environment() -> io::Result<Option<Self>> {
        let name = std::env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty());
        name.map(|name| Self::new(&name)).transpose()
    }

    /// The socket of this name: a path, or behind an `@` an abstract name.
    ///
    /// # Errors
    /// Those of making a socket; a name that cannot be one.
    pub fn new(name: impl AsRef<OsStr>) -> io::Result<Self> {
        let name = name.as_ref().as_bytes();
        let address = match name.strip_prefix(b"@") {
            Some(name) => SocketAddr::from_abstract_name(name)?,
            None => SocketAddr::from_pathname(OsStr::from_bytes(name))?,
        };
        let socket = UnixDatagram::unbound()?;
        // A service manager that does not read must not hold up the end of the service.
        socket.set_nonblocking(true)?;
        Ok(Self { socket, address })
    }

    /// Sends `NAME=VALUE` lines.
    ///
    /// # Errors
    /// Those of sending.
    pub fn send(&self, message: &str) -> io::Result<()> {
        self.socket.send_to_addr(message.as_bytes(), &self.address).map(drop)
    }

    pub(super) fn ready(&self) {
        self.tell("READY=1\nSTATUS=ready");
    }

    pub(super) fn notice(&self, notice: Notice, now: Duration) {
        let Notice { phase, deadline, .. } = notice;
        let left = deadline.saturating_sub(now).as_micros();
        if phase.is_over() {
            self.tell(&format!("STATUS=shutdown {phase}"));
        } else {
            self.tell(&format!("STOPPING=1\nSTATUS=shutdown: {phase}\nEXTEND_TIMEOUT_USEC={left}"));
        }
    }

    fn tell(&self, message: &str) {
        // Nobody may listen any more, and the shutdown goes on all the same.
        let _ = self.send(message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shutdown::ShutdownOptions;

    #[test]
    fn systemd_hears_of_readiness_and_of_each_phase() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let listener = UnixDatagram::bind(&path).unwrap();
        let systemd = Systemd::new(&path).unwrap();
        let coordinator = ShutdownOptions::new().systemd(systemd).build().unwrap();
        coordinator.set_ready(true);
        assert!(coordinator.shutdown_blocking().is_clean());
        let heard: Vec<String> = (0..5)
            .map(|_| {
                let mut bytes = [0; 256];
                let len = listener.recv(&mut bytes).unwrap();
                String::from_utf8_lossy(&bytes[..len]).into_owned()
            })
            .collect();
        assert_eq!(heard[0], "READY=1\nSTATUS=ready");
        for (text, phase) in heard[1..4].iter().zip(["prepare", "drain", "shutdown"]) {
            let start = format!("STOPPING=1\nSTATUS=shutdown: {phase}\nEXTEND_TIMEOUT_USEC=");
            let left: u64 = text.strip_prefix(&start).expect(text).parse().unwrap();
            assert!(left <= 30_000_000);
        }
        assert_eq!(heard[4], "STATUS=shutdown complete");
    }

    #[test]
    fn an_abstract_name_is_understood_and_a_dead_listener_stops_nothing() {
        let systemd = Systemd::new("@lightning-db-nobody-listens").unwrap();
        assert!(systemd.send("READY=1").is_err());
        let coordinator = ShutdownOptions::new().systemd(systemd).build().unwrap();
        assert!(coordinator.shutdown_blocking().is_clean());
    }
}
