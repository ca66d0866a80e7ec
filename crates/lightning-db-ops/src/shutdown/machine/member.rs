//! One component within a shutdown.

use std::time::Duration;

use super::Spec;
use crate::shutdown::phase::{Outcome, Phase, Stage, State};
use crate::shutdown::report::{ComponentReport, StageReport};

/// A registered component and what it is doing.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) spec: Spec,
    pub(super) state: State,
    pub(super) run: Run,
    pub(super) stages: Vec<StageReport>,
}

/// Where a member is within the phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Run {
    Waiting,
    Running { stage: Stage, since: Duration, until: Duration },
    Ended,
}

impl Member {
    /// What it is to do in a phase.
    pub(super) fn stage_in(&self, phase: Phase) -> Option<Stage> {
        let has_failed = self.state == State::Failed;
        let stage = match phase {
            Phase::Prepare if !has_failed => Stage::Prepare,
            Phase::Drain if !has_failed => Stage::Drain,
            Phase::Shutdown if !has_failed => Stage::Shutdown,
            Phase::Shutdown => Stage::Force,
            _ => return None,
        };
        self.spec.has[stage as usize].then_some(stage)
    }

    pub(super) fn end(&mut self, outcome: Outcome, now: Duration) {
        let Run::Running { stage, since, .. } = self.run else { return };
        if outcome != Outcome::Ok {
            self.state = State::Failed;
        }
        let time = now.saturating_sub(since);
        self.stages.push(StageReport { stage, since, time, outcome });
        self.end_phase(if stage >= Stage::Shutdown { Phase::Shutdown } else { Phase::Drain });
    }

    pub(super) fn end_phase(&mut self, phase: Phase) {
        self.run = Run::Ended;
        if phase == Phase::Shutdown && self.state != State::Failed {
            self.state = State::Completed;
        }
    }

    pub(super) fn expire(&mut self, now: Duration) {
        self.end(Outcome::TimedOut, now);
    }

    pub(super) fn skip(&mut self) {
        if let Some(stage) = self.stage_in(Phase::Drain) {
            let (since, time) = (Duration::ZERO, Duration::ZERO);
            self.stages.push(StageReport { stage, since, time, outcome: Outcome::Skipped });
        }
        self.run = Run::Ended;
    }

    /// Its report, in a shutdown that began at `at`.
    pub(super) fn report(&self, at: Duration) -> ComponentReport {
        let relative = |stage: &StageReport| {
            let since = stage.since.saturating_sub(at);
            StageReport { since, ..stage.clone() }
        };
        ComponentReport {
            name: self.spec.name.clone(),
            priority: self.spec.priority,
            state: self.state,
            unregistered: false,
            stages: self.stages.iter().map(relative).collect(),
        }
    }
}
