//! Graceful shutdown: components, operations, phases, and what is left behind for the next start.

mod phase;

mod component;
mod options;
mod report;

mod bulletin;
mod coordinator;
mod operations;
mod state_file;

mod driver;
mod machine;
mod workers;

#[cfg(all(feature = "signals", unix))]
mod signals;
#[cfg(all(feature = "systemd", target_os = "linux"))]
mod systemd;

pub use bulletin::{Notice, Subscription};
pub use component::{CallbackError, CallbackResult, Component, Context, SavedState, Timeouts};
pub use coordinator::{Coordinator, Registration, ShutdownGuard};
pub use operations::{Draining, OperationCounts, OperationGuard};
pub use options::ShutdownOptions;
pub use phase::{Outcome, Phase, Priority, Stage, State};
pub use report::{Cause, ComponentReport, OpenOperation, PhaseReport, Report, StageReport};
#[cfg(all(feature = "signals", unix))]
pub use signals::SignalListener;
pub use state_file::PreviousRun;
#[cfg(all(feature = "systemd", target_os = "linux"))]
pub use systemd::Systemd;
