//! The shutdown as a state machine without threads or time: events and the time go in, calls to
//! make and notices to give come out. Runs are functions of what went in.
//!
//! Phase-major, priority-minor: a phase begins when the one before has ended for all. Within it a
//! component's turn comes when all of earlier tiers, and all that use it, have ended. A component
//! is in the tier of its priority, or in that of the last of those that use it if that is later.

mod member;
mod order;

use std::collections::BTreeMap;
use std::time::Duration;

use self::member::{Member, Run};
use self::order::Order;
use super::component::Timeouts;
use super::operations::Operations;
use super::phase::{Outcome, Phase, Priority, Stage, State};
use super::report::{Cause, ComponentReport, PhaseReport};

/// Number of a component, in the order of registration.
pub(crate) type Id = u64;

/// What the machine knows of a component.
#[derive(Debug, Clone)]
pub(crate) struct Spec {
    pub(crate) name: String,
    pub(crate) priority: Priority,
    pub(crate) depends_on: Vec<String>,
    pub(crate) timeouts: Timeouts,
    /// Whether there is a callback, by stage.
    pub(crate) has: [bool; 4],
}

impl Spec {
    pub(crate) fn new(name: String) -> Self {
        let (priority, timeouts) = (Priority::default(), Timeouts::default());
        Self { name, priority, depends_on: Vec::new(), timeouts, has: [false; 4] }
    }
}

/// The times of a shutdown, each counted from its start but for `drain`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) graceful: Duration,
    pub(crate) drain: Duration,
    pub(crate) force_after: Duration,
    pub(crate) readiness_delay: Duration,
    /// Callbacks that run at once, unless forced.
    pub(crate) concurrent: usize,
}

/// What is to be done outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// Call a callback; it is waited for until then.
    Call { id: Id, stage: Stage, until: Duration },
    /// Tell the subscribers.
    Notify { phase: Phase, deadline: Duration, is_forced: bool },
    /// All components have ended: save the state, and [`conclude`](Machine::conclude).
    Conclude,
}

/// Begun, and not before.
#[derive(Debug, Clone)]
struct Begun {
    at: Duration,
    cause: Cause,
    phase_at: Duration,
    /// Since when it is forced.
    forced_at: Option<Duration>,
    is_concluding: bool,
}

#[derive(Debug)]
pub(crate) struct Machine {
    limits: Limits,
    members: BTreeMap<Id, Member>,
    gone: Vec<ComponentReport>,
    order: Order,
    is_order_stale: bool,
    next_id: Id,
    phase: Phase,
    begun: Option<Begun>,
    phases: Vec<PhaseReport>,
    /// Whether operations were open when the time for them was over.
    has_left_operations: bool,
    actions: Vec<Action>,
}

impl Machine {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            members: BTreeMap::new(),
            gone: Vec::new(),
            order: Order::default(),
            is_order_stale: false,
            next_id: 0,
            phase: Phase::Running,
            begun: None,
            phases: Vec::new(),
            has_left_operations: false,
            actions: Vec::new(),
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    pub(crate) fn name(&self, id: Id) -> Option<&str> {
        self.members.get(&id).map(|member| member.spec.name.as_str())
    }

    pub(crate) fn is_forced(&self) -> bool {
        self.begun.as_ref().is_some_and(|begun| begun.forced_at.is_some())
    }

    pub(crate) fn begun_at(&self) -> Option<Duration> {
        self.begun.as_ref().map(|begun| begun.at)
    }

    pub(crate) fn cause(&self) -> Option<Cause> {
        self.begun.as_ref().map(|begun| begun.cause.clone())
    }

    /// Takes a component in; during a shutdown it begins with the phase that is going on.
    pub(crate) fn register(&mut self, spec: Spec) -> crate::Result<Id> {
        if self.phase.is_over() || self.is_concluding() {
            return Err(crate::Error::Over { name: spec.name });
        }
        let specs = self.members.values().map(|member| &member.spec);
        order::check(specs, &spec)?;
        self.next_id += 1;
        let state = self.state_of_phase();
        let member = Member { spec, state, run: Run::Waiting, stages: Vec::new() };
        self.members.insert(self.next_id, member);
        self.is_order_stale = true;
        Ok(self.next_id)
    }

    /// Lets a component go, whatever it is doing; nobody waits for it any more.
    pub(crate) fn unregister(&mut self, id: Id) {
        if let Some(member) = self.members.remove(&id) {
            if self.begun.is_some() {
                let at = self.begun_at().unwrap_or_default();
                self.gone.push(ComponentReport { unregistered: true, ..member.report(at) });
            }
            self.is_order_stale = true;
        }
    }

    /// Begins, if it has not.
    pub(crate) fn begin(&mut self, cause: Cause, now: Duration) -> bool {
        if self.begun.is_some() {
            return false;
        }
        let begun = Begun { at: now, cause, phase_at: now, forced_at: None, is_concluding: false };
        self.begun = Some(begun);
        self.enter(Phase::Prepare, now);
        true
    }

    /// Ends the graceful part: whatever runs is no longer waited for, and all are forced.
    pub(crate) fn force(&mut self, now: Duration) {
        let Some(begun) = &mut self.begun else { return };
        if self.phase.is_over() || begun.is_concluding || begun.forced_at.is_some() {
            return;
        }
        begun.forced_at = Some(now);
        if self.phase < Phase::Shutdown {
            self.enter(Phase::Shutdown, now);
        } else {
            self.notify();
        }
        for member in self.members.values_mut() {
            if member.state != State::Completed {
                member.expire(now);
                // One that has been forced in its turn is not forced twice.
                let was_forced = member.stages.iter().any(|done| done.stage == Stage::Force);
                member.run = if was_forced { Run::Ended } else { Run::Waiting };
                member.state = State::Failed;
            }
        }
    }

    /// A callback has ended. One that is no longer waited for changes nothing.
    pub(crate) fn ended(&mut self, id: Id, stage: Stage, outcome: Outcome, now: Duration) {
        if let Some(member) = self.members.get_mut(&id)
            && matches!(member.run, Run::Running { stage: running, .. } if running == stage)
        {
            member.end(outcome, now);
        }
    }

    /// Goes on as far as it can at this time.
    pub(crate) fn step(&mut self, now: Duration, operations: &Operations) {
        while let Some(begun) = &self.begun {
            if self.phase.is_over() || begun.is_concluding {
                return;
            }
            if begun.forced_at.is_none() && now >= self.after_start(self.limits.graceful) {
                self.force(now);
            }
            if self.is_forced() {
                operations.stop(now);
            }
            if self.is_order_stale {
                self.order = Order::new(self.members.iter().map(|(id, it)| (*id, &it.spec)));
                self.is_order_stale = false;
            }
            self.expire(now);
            self.start(now);
            if !self.has_phase_ended(now, operations) {
                return;
            }
            match self.phase {
                Phase::Prepare => {
                    operations.stop(now);
                    self.enter(Phase::Drain, now);
                }
                Phase::Drain => {
                    self.has_left_operations |= !operations.is_drained();
                    self.enter(Phase::Shutdown, now);
                }
                _ => self.end_all(now),
            }
        }
    }

    /// What is to be done, in order.
    pub(crate) fn take_actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    /// When [`step`](Self::step), which has been called at `now`, has something to do again, unless
    /// an event comes first.
    pub(crate) fn next_time(&self, now: Duration) -> Option<Duration> {
        let begun = self.begun.as_ref().filter(|it| !it.is_concluding)?;
        if self.phase.is_over() {
            return None;
        }
        let running = self.members.values().filter_map(|member| match member.run {
            Run::Running { until, .. } => Some(until),
            _ => None,
        });
        if begun.forced_at.is_some() {
            return running.min();
        }
        let own = match self.phase {
            Phase::Prepare => self.after_start(self.limits.readiness_delay),
            Phase::Drain => self.drain_end(),
            _ => Duration::MAX,
        };
        let times = running.chain([own, self.after_start(self.limits.graceful)]);
        // The delay of readiness may be over while components still prepare.
        times.filter(|time| *time > now).min()
    }

    /// The last phase, after whether operations have all ended too.
    pub(crate) fn outcome(&self, are_operations_over: bool) -> Phase {
        let all_completed = self.members.values().all(|it| it.state == State::Completed)
            && self.gone.iter().all(|it| it.state != State::Failed);
        let is_clean =
            all_completed && are_operations_over && !self.is_forced() && !self.has_left_operations;
        if is_clean { Phase::Complete } else { Phase::Failed }
    }

    /// Ends it; [`Action::Conclude`] asks for this.
    pub(crate) fn conclude(&mut self, phase: Phase) {
        self.phase = phase;
        self.notify();
    }

    /// Phases that have ended, and how long each took.
    pub(crate) fn phases(&self) -> Vec<PhaseReport> {
        self.phases.clone()
    }

    /// All components, in the order of registration; those that were unregistered meanwhile last.
    pub(crate) fn components(&self) -> Vec<ComponentReport> {
        let at = self.begun_at().unwrap_or_default();
        let members = self.members.values().map(|member| member.report(at));
        members.chain(self.gone.iter().cloned()).collect()
    }

    fn is_concluding(&self) -> bool {
        self.begun.as_ref().is_some_and(|begun| begun.is_concluding)
    }

    fn state_of_phase(&self) -> State {
        match self.phase {
            Phase::Running => State::Active,
            Phase::Prepare => State::Preparing,
            Phase::Drain => State::Draining,
            _ if self.is_forced() => State::Failed,
            _ => State::Shutting,
        }
    }

    /// The moment so long after the start.
    fn after_start(&self, time: Duration) -> Duration {
        self.begun_at().unwrap_or_default().saturating_add(time)
    }

    fn enter(&mut self, phase: Phase, now: Duration) {
        self.end_phase(now);
        self.phase = phase;
        let state = self.state_of_phase();
        for member in self.members.values_mut() {
            member.run = match member.run {
                // Only a forced phase begins over running callbacks, which `force` ends.
                running @ Run::Running { .. } => running,
                _ => Run::Waiting,
            };
            if member.state != State::Failed {
                member.state = state;
            }
        }
        self.notify();
    }

    fn end_phase(&mut self, now: Duration) {
        let Some(begun) = &mut self.begun else { return };
        if self.phase != Phase::Running {
            let time = now.saturating_sub(begun.phase_at);
            self.phases.push(PhaseReport { phase: self.phase, time });
        }
        begun.phase_at = now;
    }

    fn end_all(&mut self, now: Duration) {
        self.end_phase(now);
        if let Some(begun) = &mut self.begun {
            begun.is_concluding = true;
        }
        self.actions.push(Action::Conclude);
    }

    fn notify(&mut self) {
        let Some(begun) = &self.begun else { return };
        let is_forced = begun.forced_at.is_some();
        let limit = if is_forced { self.limits.force_after } else { self.limits.graceful };
        let deadline = self.after_start(limit);
        let notice = Action::Notify { phase: self.phase, deadline, is_forced };
        self.actions.push(notice);
    }

    /// Gives up what has run out of time.
    fn expire(&mut self, now: Duration) {
        let drain_is_over = self.phase == Phase::Drain && now >= self.drain_end();
        for member in self.members.values_mut() {
            match member.run {
                Run::Running { until, .. } if until <= now => member.expire(now),
                Run::Waiting if drain_is_over => member.skip(),
                _ => {}
            }
        }
    }

    fn drain_end(&self) -> Duration {
        let at = self.begun.as_ref().map_or(Duration::ZERO, |begun| begun.phase_at);
        at.saturating_add(self.limits.drain)
    }

    /// Starts those whose turn it is, until none is left.
    fn start(&mut self, now: Duration) {
        loop {
            let is_forced = self.is_forced();
            let is_running = |member: &&Member| matches!(member.run, Run::Running { .. });
            let running = self.members.values().filter(is_running).count();
            let free = self.limits.concurrent.saturating_sub(running);
            let due = self.due();
            let mut free = if is_forced { usize::MAX } else { free };
            let mut has_ended = false;
            for id in due {
                let until = self.until(id, now);
                let phase = self.phase;
                let Some(member) = self.members.get_mut(&id) else { continue };
                let Some(stage) = member.stage_in(phase) else {
                    member.end_phase(phase);
                    has_ended = true;
                    continue;
                };
                if free > 0 {
                    free -= 1;
                    member.run = Run::Running { stage, since: now, until };
                    self.actions.push(Action::Call { id, stage, until });
                }
            }
            if !has_ended {
                return;
            }
        }
    }

    /// Those whose turn it is: of those left, all in the first tier whose users have ended; once it
    /// is forced, all.
    fn due(&self) -> Vec<Id> {
        let has_ended = |id| self.members.get(&id).is_none_or(|it| it.run == Run::Ended);
        let left = self.members.iter().filter(|(_, it)| it.run != Run::Ended);
        let first = left.map(|(id, _)| self.order.tier(*id)).min();
        let is_due = |id: &Id| {
            self.is_forced()
                || Some(self.order.tier(*id)) == first && self.order.users(*id).all(has_ended)
        };
        let waiting = self.members.iter().filter(|(_, it)| it.run == Run::Waiting);
        waiting.map(|(id, _)| *id).filter(is_due).collect()
    }

    /// How long a callback that begins now is waited for.
    fn until(&self, id: Id, now: Duration) -> Duration {
        let (Some(begun), Some(member)) = (&self.begun, self.members.get(&id)) else { return now };
        if begun.forced_at.is_some() {
            return self.after_start(self.limits.force_after).max(now);
        }
        let timeouts = member.spec.timeouts;
        let own = match self.phase {
            Phase::Prepare => timeouts.prepare,
            Phase::Drain => timeouts.drain,
            _ => timeouts.shutdown,
        };
        let left = self.after_start(self.limits.graceful).saturating_sub(now);
        let until = now + own.unwrap_or(left / 2).min(left);
        if self.phase == Phase::Drain { until.min(self.drain_end()) } else { until }
    }

    fn has_phase_ended(&self, now: Duration, operations: &Operations) -> bool {
        let have_ended = self.members.values().all(|member| member.run == Run::Ended);
        let is_free = match self.phase {
            Phase::Prepare => now >= self.after_start(self.limits.readiness_delay),
            Phase::Drain => operations.is_drained() || now >= self.drain_end(),
            _ => true,
        };
        have_ended && is_free
    }
}

#[cfg(test)]
mod tests;
