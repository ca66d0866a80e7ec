//! How long a shutdown takes that has nothing to wait for, and one that waits in vain.

use std::time::Duration;

use anyhow::{Result, ensure};
use lightning_db_ops::{Component, Coordinator, ShutdownOptions};

use crate::child::millis;
use crate::clock::now;

const COMPONENTS: usize = 100;

/// Milliseconds until a hundred components have ended that have nothing to do.
pub(super) fn idle() -> Result<f64> {
    let coordinator = Coordinator::new()?;
    let mut registrations = Vec::new();
    for number in 0..COMPONENTS {
        let component = Component::new(format!("idle-{number}"))
            .on_prepare(|_| Ok(()))
            .on_drain(|_| Ok(()))
            .on_shutdown(|_| Ok(()));
        registrations.push(coordinator.register(component)?);
    }
    let start = now();
    let report = coordinator.shutdown_blocking();
    let taken = millis(start.elapsed());
    ensure!(report.is_clean(), "an idle shutdown failed: {report}");
    Ok(taken)
}

/// Milliseconds behind the deadline until a shutdown has ended one of whose components hangs for
/// good, in all it does.
pub(super) fn hung(deadline: Duration) -> Result<f64> {
    let coordinator = ShutdownOptions::new()
        .graceful_timeout(deadline)
        .drain_timeout(deadline / 4)
        .force_after(deadline)
        .build()?;
    let hang = || {
        loop {
            std::thread::park();
        }
    };
    let component = Component::new("hung").on_drain(move |_| hang()).on_shutdown(move |_| hang());
    let component = component.on_force(move |_| hang());
    let _registration = coordinator.register(component)?;
    let start = now();
    let report = coordinator.shutdown_blocking();
    let taken = start.elapsed();
    ensure!(!report.is_clean(), "a component that hangs was taken for ended");
    Ok(millis(taken) - millis(deadline))
}
