//! A service that is ended by signals; the suite starts it, with what it is to do as argument.
//!
//! It prints one line for each thing that happens, the last of which is its report as JSON.
#![expect(clippy::unwrap_used, reason = "a child that cannot go on ends, and its parent says so")]
#![expect(clippy::print_stdout, reason = "the parent reads it")]

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lightning_db_ops::{Component, Coordinator, ShutdownOptions};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let options = ShutdownOptions::new().force_after(Duration::from_hours(1));
    let coordinator = options.save_state(&arguments[1]).build().unwrap();
    let _signals = coordinator.listen_for_signals().unwrap();
    let mut registrations = Vec::new();
    let mut keep = |component| registrations.push(coordinator.register(component).unwrap());
    match arguments[0].as_str() {
        "serve" => keep(serve(&coordinator, arguments[2].clone())),
        "hang-in-drain" => keep(hanging().on_force(|_| {
            say("force");
            Ok(())
        })),
        "hang-in-force" => keep(hanging().on_force(|_| {
            say("force");
            hang()
        })),
        other => panic!("nothing is called {other}"),
    }
    // Behind the registration: the parent sends signals as soon as it has read this.
    if arguments[0] != "serve" {
        say("running");
    }
    if let Some(previous) = coordinator.previous() {
        say(&format!("previous clean: {}", previous.was_clean));
    }
    coordinator.set_ready(true);
    let report = coordinator.wait_blocking();
    say(&report.to_json().to_string());
    if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::from(3) }
}

fn say(line: &str) {
    println!("{line}");
}

fn hang() -> ! {
    loop {
        std::thread::park();
    }
}

fn hanging() -> Component {
    Component::new("hanging").on_drain(|_| {
        say("drain");
        hang()
    })
}

/// A server that answers each line with the same line. What it has answered is in memory alone
/// until it is shut down: only an end in order loses nothing.
fn serve(coordinator: &Coordinator, journal: String) -> Component {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    say(&listener.local_addr().unwrap().to_string());
    let taken = Arc::new(Mutex::new(String::new()));
    let server = (coordinator.clone(), Arc::clone(&taken));
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let (coordinator, taken) = server.clone();
            std::thread::spawn(move || answer(&socket.unwrap(), &coordinator, &taken));
        }
    });
    Component::new("journal").on_shutdown(move |_| {
        std::fs::write(journal, &*taken.lock().unwrap())?;
        Ok(())
    })
}

fn answer(socket: &TcpStream, coordinator: &Coordinator, taken: &Mutex<String>) {
    let mut lines = BufReader::new(socket);
    let mut line = String::new();
    while lines.read_line(&mut line).is_ok_and(|len| len > 0) {
        // One that comes too late is not answered: its client knows that it may be lost.
        let Ok(_operation) = coordinator.begin_operation("request") else { return };
        taken.lock().unwrap().push_str(&line);
        let mut socket = socket;
        if socket.write_all(line.as_bytes()).is_err() {
            return;
        }
        line.clear();
    }
}
