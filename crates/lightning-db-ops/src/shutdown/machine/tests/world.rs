//! One simulated shutdown: a schedule of events, and checks of everything that the machine does.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::super::*;
use super::ms;
use crate::clock::SimClock;
use crate::shutdown::OperationGuard;

const PRIORITIES: [Priority; 5] =
    [Priority::Critical, Priority::High, Priority::Normal, Priority::Low, Priority::Background];

/// How a run ended.
#[derive(Clone, Copy)]
pub(super) enum Ending {
    Complete,
    Failed,
    Forced,
}

/// What a callback will do.
#[derive(Clone)]
enum Script {
    Ends(Duration, Outcome),
    Hangs,
}

enum Event {
    Ended(Id, Stage, Outcome),
    OperationEnds(usize),
    OperationBegins,
    Force,
    Unregister,
    Register,
}

/// The world's own view of a component.
struct Known {
    spec: Spec,
    scripts: BTreeMap<Stage, Script>,
    calls: Vec<Stage>,
    running: Option<Stage>,
    /// Phases that it has ended.
    ended: BTreeMap<Phase, bool>,
    has_failed: bool,
    joined: Phase,
}

pub(super) struct World {
    random: u64,
    limits: Limits,
    machine: Machine,
    operations: Arc<Operations>,
    guards: Vec<Option<OperationGuard>>,
    clock: SimClock,
    now: Duration,
    events: BTreeMap<(Duration, u64), Event>,
    serial: u64,
    known: BTreeMap<Id, Known>,
    any_failure: bool,
    phases: Vec<Phase>,
    is_forced: bool,
    drain_at: Option<Duration>,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let mut random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x0095;
        let graceful = ms(1_000 + draw(&mut random, 30_000));
        let limits = Limits {
            graceful,
            drain: ms(draw(&mut random, 20_000)),
            force_after: graceful + ms(draw(&mut random, 5_000)),
            readiness_delay: ms(draw(&mut random, 3) * draw(&mut random, 400)),
            concurrent: 1 + at(draw(&mut random, 6)),
        };
        Self {
            random,
            limits,
            machine: Machine::new(limits),
            operations: Arc::new(Operations::new(|| {})),
            guards: Vec::new(),
            clock: SimClock::new(),
            now: Duration::ZERO,
            events: BTreeMap::new(),
            serial: 0,
            known: BTreeMap::new(),
            any_failure: false,
            phases: vec![Phase::Running],
            is_forced: false,
            drain_at: None,
        }
    }

    pub(super) fn run(mut self) -> Ending {
        // Most worlds have no trouble of one kind, so that all ways are taken.
        let trouble = self.draw(4);
        for _ in 0..self.draw(12) {
            self.register(trouble);
        }
        for _ in 0..self.draw(6) {
            self.begin_operation(trouble);
        }
        self.schedule_events(trouble);
        assert!(self.machine.begin(Cause::Requested, self.now));
        assert!(!self.machine.begin(Cause::Requested, self.now));
        loop {
            self.machine.step(self.now, &self.operations);
            if self.follow() {
                return self.conclude();
            }
            self.check_nobody_waits_in_vain();
            let timer = self.machine.next_time(self.now);
            let event = self.events.first_key_value().map(|((time, _), _)| *time);
            let next = timer.into_iter().chain(event).min().expect("it would wait for ever");
            assert!(timer.is_none_or(|timer| timer > self.now), "it would not wait");
            self.clock.advance(next.saturating_sub(self.now));
            self.now = next;
            while let Some(((time, _), _)) = self.events.first_key_value()
                && *time <= self.now
                && let Some((_, event)) = self.events.pop_first()
            {
                self.apply(event, trouble);
            }
        }
    }

    fn schedule_events(&mut self, trouble: u64) {
        let horizon = 2_000;
        for _ in 0..self.draw(4) {
            let time = ms(self.draw(horizon));
            self.schedule(time, Event::OperationBegins);
        }
        if trouble == 3 {
            let time = ms(self.draw(horizon));
            self.schedule(time, Event::Force);
        }
        if self.draw(3) == 0 {
            let time = ms(self.draw(horizon));
            self.schedule(time, Event::Unregister);
            let time = ms(self.draw(horizon));
            self.schedule(time, Event::Register);
        }
    }

    fn schedule(&mut self, at: Duration, event: Event) {
        self.serial += 1;
        self.events.insert((at, self.serial), event);
    }

    fn apply(&mut self, event: Event, trouble: u64) {
        match event {
            Event::Ended(id, stage, outcome) => {
                self.machine.ended(id, stage, outcome.clone(), self.now);
                if let Some(known) = self.known.get_mut(&id)
                    && known.running == Some(stage)
                {
                    known.running = None;
                    known.has_failed |= outcome != Outcome::Ok;
                    self.any_failure |= outcome != Outcome::Ok;
                    known.ended.insert(phase_of(stage), true);
                }
            }
            Event::OperationBegins => self.begin_operation(trouble),
            Event::OperationEnds(index) => self.guards[index] = None,
            Event::Force => self.machine.force(self.now),
            Event::Unregister => {
                if let Some((id, known)) = self.known.pop_first() {
                    self.any_failure |= known.has_failed;
                    self.machine.unregister(id);
                }
            }
            Event::Register => self.register(trouble),
        }
    }

    fn register(&mut self, trouble: u64) {
        let name = format!("c{}", self.serial);
        let mut spec = Spec::new(name);
        spec.priority = PRIORITIES[at(self.draw(5))];
        let names: Vec<String> = self.known.values().map(|it| it.spec.name.clone()).collect();
        for name in names {
            if self.draw(5) == 0 {
                spec.depends_on.push(name);
            }
        }
        let mut scripts = BTreeMap::new();
        for stage in [Stage::Prepare, Stage::Drain, Stage::Shutdown, Stage::Force] {
            if self.draw(4) > 0 {
                spec.has[stage as usize] = true;
                scripts.insert(stage, self.script(trouble));
            }
        }
        if self.draw(3) == 0 {
            let limit = Some(ms(self.draw(5_000)));
            spec.timeouts = Timeouts { prepare: limit, drain: limit, shutdown: limit };
        }
        self.serial += 1;
        let phase = self.machine.phase();
        if let Ok(id) = self.machine.register(spec.clone()) {
            let known = Known {
                spec,
                scripts,
                calls: Vec::new(),
                running: None,
                ended: BTreeMap::new(),
                has_failed: false,
                joined: phase,
            };
            self.known.insert(id, known);
        }
    }

    fn script(&mut self, trouble: u64) -> Script {
        let time = ms(self.draw(300));
        match if trouble == 0 { 9 } else { self.draw(20) } {
            0 => Script::Ends(time, Outcome::Error("no".to_owned())),
            1 => Script::Ends(time, Outcome::Panicked("oh".to_owned())),
            2 => Script::Hangs,
            _ => Script::Ends(time, Outcome::Ok),
        }
    }

    fn begin_operation(&mut self, trouble: u64) {
        let begun = self.operations.begin("work", &self.clock);
        assert_eq!(begun.is_err(), self.drain_at.is_some(), "refused exactly from the drain on");
        let Ok(guard) = begun else { return };
        self.guards.push(Some(guard));
        // With trouble, some are never given back.
        if trouble == 0 || self.draw(8) > 0 {
            let at = self.now + ms(self.draw(1_500));
            self.schedule(at, Event::OperationEnds(self.guards.len() - 1));
        }
    }

    /// Does what the machine asks for; says whether it is over.
    fn follow(&mut self) -> bool {
        for action in self.machine.take_actions() {
            match action {
                Action::Notify { phase, is_forced, .. } => self.enter(phase, is_forced),
                Action::Call { id, stage, until } => self.call(id, stage, until),
                Action::Conclude => return true,
            }
        }
        // What ran out of time just now.
        for component in self.machine.components() {
            for known in self.known.values_mut().filter(|it| it.spec.name == component.name) {
                for done in &component.stages {
                    if done.outcome != Outcome::Ok {
                        self.any_failure = true;
                        known.has_failed |= done.outcome != Outcome::Skipped;
                    }
                }
            }
        }
        false
    }

    fn enter(&mut self, phase: Phase, is_forced: bool) {
        let last = *self.phases.last().expect("it begins with one");
        assert!(phase > last || is_forced && phase == last, "{phase} after {last}");
        if !is_forced {
            let all_over = self
                .known
                .values()
                .all(|known| known.running.is_none() || self.has_expired(known, last));
            assert!(all_over, "a phase begins over the end of the one before");
        }
        if phase == Phase::Shutdown && !is_forced {
            let drain_at = self.drain_at.expect("the drain comes before");
            let is_late = self.now >= drain_at + self.limits.drain;
            assert!(self.operations.is_drained() || is_late, "an operation is lost");
        }
        if phase >= Phase::Drain && self.drain_at.is_none() {
            let is_early = self.now < self.limits.readiness_delay;
            assert!(is_forced || !is_early, "the drain comes before the delay is over");
            self.drain_at = Some(self.now);
        }
        self.is_forced |= is_forced;
        for known in self.known.values_mut() {
            known.running = None;
        }
        self.phases.push(phase);
    }

    /// Whether the machine has given up on what it runs; the world learns of it behind the step.
    fn has_expired(&self, known: &Known, phase: Phase) -> bool {
        let components = self.machine.components();
        let component = components.iter().find(|it| it.name == known.spec.name);
        component.is_some_and(|it| {
            it.stages
                .iter()
                .any(|done| phase_of(done.stage) == phase && Some(done.stage) == known.running)
        })
    }

    fn call(&mut self, id: Id, stage: Stage, until: Duration) {
        let phase = *self.phases.last().expect("it begins with one");
        assert_eq!(phase_of(stage), phase);
        let bound = if self.is_forced {
            self.limits.force_after.max(self.now)
        } else {
            self.limits.graceful
        };
        assert!(until <= bound, "it would be waited for behind the deadline");
        if !self.is_forced {
            self.check_turn(id, phase);
            let running = self
                .known
                .iter()
                .filter(|(_, it)| it.running.is_some() && !self.has_expired(it, phase));
            assert!(running.count() < self.limits.concurrent, "too many at once");
        }
        let known = self.known.get_mut(&id).expect("only what is registered is called");
        assert!(!known.calls.contains(&stage), "called twice");
        assert!(known.calls.iter().all(|before| *before <= stage), "called out of order");
        assert!(known.joined <= phase);
        known.calls.push(stage);
        known.running = Some(stage);
        if let Some(Script::Ends(time, outcome)) = known.scripts.get(&stage).cloned() {
            self.schedule(self.now + time, Event::Ended(id, stage, outcome));
        }
    }

    /// The simplest model of the order: all of earlier tiers, and all users, have ended theirs.
    fn check_turn(&self, id: Id, phase: Phase) {
        let tier = self.tier(id);
        let own = &self.known[&id].spec.name;
        for (other, known) in &self.known {
            let is_user = known.spec.depends_on.contains(own);
            if *other != id && (is_user || self.tier(*other) < tier) {
                let is_over = known.running.is_none() || self.has_expired(known, phase);
                assert!(is_over, "{own} goes beside {}", known.spec.name);
            }
        }
    }

    /// The priority of a component, or that of the last of its users, however indirect.
    fn tier(&self, id: Id) -> Priority {
        let known = &self.known[&id];
        let users =
            self.known.iter().filter(|(_, it)| it.spec.depends_on.contains(&known.spec.name));
        users
            .map(|(user, _)| self.tier(*user))
            .chain([known.spec.priority])
            .max()
            .unwrap_or_default()
    }

    /// Somebody runs, or the phase waits for the time or for operations.
    fn check_nobody_waits_in_vain(&self) {
        let is_running = self.known.values().any(|it| it.running.is_some());
        let waits_outside = match self.machine.phase() {
            Phase::Prepare => self.now < self.limits.readiness_delay,
            Phase::Drain => !self.operations.is_drained(),
            _ => false,
        };
        assert!(is_running || waits_outside, "in {} for nothing", self.machine.phase());
    }

    fn conclude(mut self) -> Ending {
        let has_left = self.operations.counts().open > 0;
        let outcome = self.machine.outcome(!has_left);
        self.machine.conclude(outcome);
        assert!(self.machine.phase().is_over());
        self.follow();
        assert!(self.now <= self.limits.force_after.max(self.limits.graceful), "too late");
        assert!(self.now <= self.limits.graceful || self.is_forced, "too late without force");
        let is_clean = !self.any_failure
            && !self.known.values().any(|it| it.has_failed)
            && !self.machine.is_forced()
            && !has_left;
        if is_clean != (outcome == Phase::Complete) {
            // Operations that ended after the drain had given them up are left too.
            let was_late = self.phases.contains(&Phase::Shutdown)
                && self.drain_at.is_some_and(|at| self.now >= at + self.limits.drain);
            assert!(is_clean && was_late, "{outcome}, and clean: {is_clean}");
        }
        for known in self.known.values().filter(|_| outcome == Phase::Complete) {
            for stage in known.scripts.keys() {
                let is_due = *stage != Stage::Force && phase_of(*stage) >= known.joined;
                assert_eq!(known.calls.contains(stage), is_due, "{stage} of {}", known.spec.name);
            }
        }
        match outcome {
            _ if self.machine.is_forced() => Ending::Forced,
            Phase::Complete => Ending::Complete,
            _ => Ending::Failed,
        }
    }

    fn draw(&mut self, below: u64) -> u64 {
        draw(&mut self.random, below)
    }
}

fn phase_of(stage: Stage) -> Phase {
    match stage {
        Stage::Prepare => Phase::Prepare,
        Stage::Drain => Phase::Drain,
        Stage::Shutdown | Stage::Force => Phase::Shutdown,
    }
}

fn at(number: u64) -> usize {
    usize::try_from(number).unwrap()
}

/// A number below another one, by the method `SplitMix64`.
fn draw(state: &mut u64, below: u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (mixed ^ (mixed >> 31)) % below.max(1)
}
