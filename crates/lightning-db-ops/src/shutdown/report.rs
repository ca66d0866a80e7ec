//! What a shutdown came to.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::phase::{Outcome, Phase, Priority, Stage, State};

/// What began a shutdown.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// A call.
    Requested,
    /// A [`ShutdownGuard`](super::ShutdownGuard) of this name was dropped.
    Guard(String),
    /// A signal of this name.
    Signal(String),
}

/// What a shutdown came to, as text by `Display` and as JSON by [`to_json`](Self::to_json). Times
/// are in seconds there, and `Duration`s here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Report {
    /// [`Phase::Complete`] or [`Phase::Failed`].
    pub phase: Phase,
    /// What began it.
    pub cause: Cause,
    /// Whether its graceful part was cut short, by a call, a second signal or the deadline.
    pub forced: bool,
    /// From its beginning to its end.
    #[serde(rename = "time_seconds", with = "seconds")]
    pub time: Duration,
    /// The phases that it went through.
    pub phases: Vec<PhaseReport>,
    /// The components, in the order of registration.
    pub components: Vec<ComponentReport>,
    /// Operations that were open when new ones were stopped.
    pub operations_at_stop: usize,
    /// Operations that were still open at the end, oldest first: their guards were never dropped.
    pub operations_left: Vec<OpenOperation>,
    /// Why the state file could not be written.
    pub state_error: Option<String>,
}

/// How long a phase took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PhaseReport {
    /// The phase.
    pub phase: Phase,
    /// Its time.
    #[serde(rename = "time_seconds", with = "seconds")]
    pub time: Duration,
}

/// What became of a component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ComponentReport {
    /// Its name.
    pub name: String,
    /// Its priority.
    pub priority: Priority,
    /// [`State::Completed`] or [`State::Failed`]; another one if it was unregistered in time.
    pub state: State,
    /// Whether it was unregistered during the shutdown.
    pub unregistered: bool,
    /// Its callbacks that were called or skipped, in order.
    pub stages: Vec<StageReport>,
}

/// How a callback went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StageReport {
    /// Which.
    pub stage: Stage,
    /// When it was called, counted from the beginning of the shutdown.
    #[serde(rename = "since_seconds", with = "seconds")]
    pub since: Duration,
    /// How long it took, or was waited for.
    #[serde(rename = "time_seconds", with = "seconds")]
    pub time: Duration,
    /// How it ended.
    pub outcome: Outcome,
}

/// An operation that has begun and not ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct OpenOperation {
    /// What it was begun as.
    pub name: String,
    /// How long ago that was.
    #[serde(rename = "age_seconds", with = "seconds")]
    pub age: Duration,
}

impl Report {
    /// Whether everything ended as it should.
    pub fn is_clean(&self) -> bool {
        self.phase == Phase::Complete
    }

    /// The report as one JSON object.
    pub fn to_json(&self) -> serde_json::Value {
        // A report has neither keys that are no strings nor numbers that are none.
        serde_json::to_value(self).unwrap_or_default()
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Requested => f.write_str("a call"),
            Self::Guard(name) => write!(f, "the end of {name}"),
            Self::Signal(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let forced = if self.forced { ", forced" } else { "" };
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        writeln!(
            f,
            "shutdown {} in {:.1} ms{forced}, begun by {}",
            self.phase,
            ms(self.time),
            self.cause
        )?;
        for PhaseReport { phase, time } in &self.phases {
            writeln!(f, "  {phase:<10} {:>10.1} ms", ms(*time))?;
        }
        for component in &self.components {
            let ComponentReport { name, priority, state, .. } = component;
            let gone = if component.unregistered { ", unregistered" } else { "" };
            writeln!(f, "  {name} ({priority}): {state}{gone}")?;
            for StageReport { stage, time, outcome, .. } in &component.stages {
                writeln!(f, "    {stage:<8} {:>10.1} ms  {outcome}", ms(*time))?;
            }
        }
        if self.operations_at_stop > 0 {
            writeln!(f, "  operations open at the stop: {}", self.operations_at_stop)?;
        }
        for OpenOperation { name, age } in &self.operations_left {
            writeln!(f, "  operation left open: {name}, for {:.1} ms", ms(*age))?;
        }
        if let Some(error) = &self.state_error {
            writeln!(f, "  state not saved: {error}")?;
        }
        Ok(())
    }
}

mod seconds {
    //! Durations as seconds in JSON.

    use std::time::Duration;

    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_f64(time.as_secs_f64())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        let seconds = f64::deserialize(from)?;
        Duration::try_from_secs_f64(seconds).map_err(D::Error::custom)
    }
}
