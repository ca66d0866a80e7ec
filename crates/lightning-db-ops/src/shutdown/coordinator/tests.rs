//! The whole of it, with threads; where time matters, on a clock that the test moves.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use super::*;
use crate::clock::SimClock;
use crate::shutdown::{Outcome, Priority, Stage, State, Timeouts};
use crate::{CallbackResult, Context};

fn coordinator() -> (Coordinator, SimClock) {
    let clock = SimClock::new();
    let options = ShutdownOptions::new().clock(Arc::new(clock.clone()));
    (options.build().unwrap(), clock)
}

type Calls = Sender<(&'static str, Stage)>;

/// A component that says when it is called.
fn telling(name: &'static str, calls: &Calls) -> Component {
    let tell = |calls: &Calls| {
        let calls = calls.clone();
        move |context: Context| -> CallbackResult { Ok(calls.send((name, context.stage()))?) }
    };
    Component::new(name)
        .on_prepare(tell(calls))
        .on_drain(tell(calls))
        .on_shutdown(tell(calls))
        .on_force(tell(calls))
}

fn calls_of(calls: &Receiver<(&'static str, Stage)>) -> Vec<String> {
    calls.try_iter().map(|(name, stage)| format!("{stage} {name}")).collect()
}

#[test]
fn components_go_phase_by_phase_and_by_priority() {
    let (coordinator, _) = coordinator();
    let (sender, calls) = channel();
    let low = telling("low", &sender).priority(Priority::Low);
    let critical = telling("critical", &sender).priority(Priority::Critical);
    let used = telling("used", &sender).priority(Priority::Critical);
    let low = low.depends_on(["used", "not there"]);
    let _kept = [low, critical, used].map(|it| coordinator.register(it).unwrap());
    let report = coordinator.shutdown_blocking();
    assert!(report.is_clean(), "{report}");
    let expected = [
        "prepare critical",
        "prepare low",
        "prepare used",
        "drain critical",
        "drain low",
        "drain used",
        "shutdown critical",
        "shutdown low",
        "shutdown used",
    ];
    assert_eq!(calls_of(&calls), expected);
    assert!(report.components.iter().all(|it| it.state == State::Completed));
    assert!(coordinator.register(Component::new("late")).is_err());
    assert!(!coordinator.initiate());
    let phases: Vec<_> = report.phases.iter().map(|it| it.phase).collect();
    assert_eq!(phases, [Phase::Prepare, Phase::Drain, Phase::Shutdown]);
}

#[test]
fn the_drain_ends_with_the_last_operation() {
    let (coordinator, clock) = coordinator();
    let (sender, calls) = channel();
    let _kept = coordinator.register(telling("store", &sender)).unwrap();
    let first = coordinator.begin_operation("first").unwrap();
    clock.advance(Duration::from_secs(2));
    let second = coordinator.begin_operation("second").unwrap();
    let open = coordinator.open_operations(Duration::from_secs(1));
    assert_eq!((open.len(), open[0].name.as_str()), (1, "first"));
    coordinator.initiate();
    assert_eq!(calls.recv().unwrap().1, Stage::Prepare);
    assert_eq!(calls.recv().unwrap().1, Stage::Drain);
    assert!(coordinator.begin_operation("third").is_err());
    drop(first);
    assert_eq!(coordinator.phase(), Phase::Drain);
    drop(second);
    let report = coordinator.wait_blocking();
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.operations_at_stop, 2);
    assert_eq!(report.time, Duration::ZERO);
    let counts = coordinator.operations();
    assert_eq!((counts.open, counts.begun, counts.refused), (0, 2, 1));
}

#[test]
fn operations_that_never_end_are_reported() {
    let (coordinator, clock) = coordinator();
    let store = Component::new("store").on_shutdown(|_| Ok(()));
    let _kept = coordinator.register(store).unwrap();
    let leaked = coordinator.begin_operation("leaked").unwrap();
    let mut phases = coordinator.subscribe();
    coordinator.initiate();
    while phases.next_blocking().unwrap().phase != Phase::Drain {}
    clock.advance(Duration::from_secs(10));
    let report = coordinator.wait_blocking();
    assert_eq!(report.phase, Phase::Failed);
    assert_eq!(report.components[0].state, State::Completed);
    assert_eq!(report.operations_left[0].name, "leaked");
    assert_eq!(report.operations_left[0].age, Duration::from_secs(10));
    assert!(report.to_string().contains("operation left open: leaked, for 10000.0 ms"));
    drop(leaked);
}

#[test]
fn a_hung_component_is_given_up_and_the_others_go_on() {
    let (coordinator, clock) = coordinator();
    let (sender, calls) = channel();
    let release = Arc::new(Barrier::new(2));
    let hung = {
        let (release, calls) = (Arc::clone(&release), sender.clone());
        let timeouts = Timeouts { drain: Some(Duration::from_secs(3)), ..Timeouts::default() };
        telling("hung", &sender).timeouts(timeouts).priority(Priority::Critical).on_drain(
            move |context| {
                calls.send(("hung", context.stage()))?;
                release.wait();
                Ok(())
            },
        )
    };
    let _kept = [hung, telling("other", &sender)].map(|it| coordinator.register(it).unwrap());
    coordinator.initiate();
    while calls.recv().unwrap() != ("hung", Stage::Drain) {}
    clock.advance(Duration::from_secs(3));
    let report = coordinator.wait_blocking();
    release.wait();
    assert_eq!(report.phase, Phase::Failed);
    assert!(!report.forced);
    assert_eq!(calls_of(&calls), ["drain other", "force hung", "shutdown other"]);
    assert_eq!(report.components[0].state, State::Failed);
    assert_eq!(report.components[0].stages[1].outcome, Outcome::TimedOut);
    assert_eq!(report.components[1].state, State::Completed);
}

#[test]
fn panics_and_errors_fail_their_component_alone() {
    let (coordinator, _) = coordinator();
    let (sender, calls) = channel();
    let panics = telling("panics", &sender).on_prepare(|_| panic!("no more {}", "disk"));
    let fails =
        telling("fails", &sender).on_drain_async(|_| async { Err("a socket is stuck".into()) });
    let panics_later = Component::new("later").on_shutdown_async(|_| async { panic!("too late") });
    let fine = telling("fine", &sender);
    let _kept = [panics, fails, panics_later, fine].map(|it| coordinator.register(it).unwrap());
    let report = coordinator.shutdown_blocking();
    let outcome = |at: usize, stage: usize| report.components[at].stages[stage].outcome.clone();
    assert_eq!(outcome(0, 0), Outcome::Panicked("no more disk".to_owned()));
    assert_eq!(outcome(1, 1), Outcome::Error("a socket is stuck".to_owned()));
    assert_eq!(outcome(2, 0), Outcome::Panicked("too late".to_owned()));
    let states: Vec<_> = report.components.iter().map(|it| it.state).collect();
    assert_eq!(states, [State::Failed, State::Failed, State::Failed, State::Completed]);
    let calls = calls_of(&calls);
    assert!(
        calls.contains(&"force panics".to_owned()) && calls.contains(&"force fails".to_owned())
    );
    assert!(!calls.contains(&"shutdown fails".to_owned()));
    assert!(
        report.to_string().contains("drain           0.0 ms  error: a socket is stuck"),
        "{report}"
    );
}

#[test]
fn force_ends_the_waiting_and_calls_everybody() {
    let (coordinator, _) = coordinator();
    let (sender, calls) = channel();
    let release = Arc::new(Barrier::new(2));
    let stuck = {
        let (release, calls) = (Arc::clone(&release), sender.clone());
        telling("stuck", &sender).on_prepare(move |context| {
            calls.send(("stuck", context.stage()))?;
            release.wait();
            Ok(())
        })
    };
    let _kept = [stuck, telling("other", &sender)].map(|it| coordinator.register(it).unwrap());
    let operation = coordinator.begin_operation("long").unwrap();
    coordinator.initiate();
    while calls.recv().unwrap() != ("stuck", Stage::Prepare) {}
    coordinator.force();
    let report = coordinator.wait_blocking();
    release.wait();
    drop(operation);
    assert!(report.forced && report.phase == Phase::Failed, "{report}");
    let mut forced = calls_of(&calls);
    forced.retain(|call| call.starts_with("force"));
    forced.sort_unstable();
    assert_eq!(forced, ["force other", "force stuck"]);
    assert_eq!(report.operations_left.len(), 1);
}

#[test]
fn a_dropped_guard_begins_the_shutdown_and_a_disarmed_one_does_not() {
    let (coordinator, _) = coordinator();
    coordinator.set_ready(true);
    coordinator.guard("spare").disarm();
    assert!(coordinator.is_ready());
    let guard = coordinator.guard("worker");
    let thread = std::thread::spawn(move || {
        let _guard = guard;
    });
    thread.join().unwrap();
    let report = coordinator.wait_blocking();
    assert_eq!(report.cause, Cause::Guard("worker".to_owned()));
    assert!(!coordinator.is_ready());
}

#[test]
fn readiness_ends_at_once_and_service_goes_on_for_the_delay() {
    let clock = SimClock::new();
    let delay = Duration::from_secs(5);
    let options = ShutdownOptions::new().readiness_delay(delay).clock(Arc::new(clock.clone()));
    let coordinator = options.build().unwrap();
    coordinator.set_ready(true);
    let mut phases = coordinator.subscribe();
    assert_eq!(phases.try_next(), None);
    coordinator.initiate();
    assert!(!coordinator.is_ready());
    let notice = phases.next_blocking().unwrap();
    assert_eq!((notice.phase, notice.deadline), (Phase::Prepare, Duration::from_secs(30)));
    drop(coordinator.begin_operation("request").unwrap());
    clock.advance(delay);
    let told: Vec<_> = std::iter::from_fn(|| phases.next_blocking()).map(|it| it.phase).collect();
    assert_eq!(told, [Phase::Drain, Phase::Shutdown, Phase::Complete]);
    assert_eq!(coordinator.report().unwrap().time, delay);
}

#[test]
fn clients_are_told_of_the_end_alone_when_they_are_not_to_be_notified() {
    let coordinator = ShutdownOptions::new().notify_clients(false).build().unwrap();
    let mut phases = coordinator.subscribe();
    coordinator.shutdown_blocking();
    assert_eq!(phases.next_blocking().map(|it| it.phase), Some(Phase::Complete));
    assert_eq!(phases.next_blocking(), None);
}

#[test]
fn components_come_and_go_during_the_shutdown() {
    let (coordinator, _) = coordinator();
    let (sender, calls) = channel();
    let operation = coordinator.begin_operation("work").unwrap();
    let hangs = Component::new("hangs").on_prepare_async(|_| std::future::pending());
    let hangs = coordinator.register(hangs).unwrap();
    coordinator.initiate();
    assert_eq!(coordinator.phase(), Phase::Prepare);
    drop(hangs);
    let mut phases = coordinator.subscribe();
    while phases.next_blocking().unwrap().phase != Phase::Drain {}
    coordinator.register(telling("late", &sender)).unwrap().detach();
    assert_eq!(calls.recv().unwrap(), ("late", Stage::Drain));
    drop(operation);
    let report = coordinator.wait_blocking();
    assert!(report.is_clean(), "{report}");
    assert!(report.components.iter().any(|it| it.name == "hangs" && it.unregistered));
    assert_eq!(calls.recv().unwrap(), ("late", Stage::Shutdown));
}

#[test]
fn no_more_callbacks_run_at_once_than_allowed() {
    let options = ShutdownOptions::new().max_concurrent_shutdowns(2);
    let coordinator = options.build().unwrap();
    let running = Arc::new(Mutex::new((0_usize, 0_usize)));
    let component = |number: usize| {
        let running = Arc::clone(&running);
        Component::new(format!("c{number}")).on_shutdown(move |_| {
            {
                let mut running = running.lock();
                running.0 += 1;
                running.1 = running.1.max(running.0);
            }
            std::thread::yield_now();
            running.lock().0 -= 1;
            Ok(())
        })
    };
    let _kept: Vec<_> =
        (0..100).map(|number| coordinator.register(component(number)).unwrap()).collect();
    let report = coordinator.shutdown_blocking();
    assert!(report.is_clean());
    assert_eq!(report.components.len(), 100);
    assert!(running.lock().1 <= 2);
}

#[test]
fn bad_options_are_refused() {
    let check = |options: ShutdownOptions, expected: &str| {
        let error = options.build().unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    };
    check(ShutdownOptions::new().max_concurrent_shutdowns(0), "use 0 as max_concurrent_shutdowns");
    check(ShutdownOptions::new().force_after(Duration::from_secs(1)), "use 1s as force_after");
    let minute = Duration::from_mins(1);
    check(ShutdownOptions::new().readiness_delay(minute), "use 60s as readiness_delay");
    check(ShutdownOptions::new().save_state("/nowhere/at/all"), "write /nowhere/at/all");
}

#[cfg(feature = "tokio")]
#[tokio::test]
async fn async_callbacks_are_tasks_of_the_runtime() {
    let coordinator = Coordinator::new().unwrap();
    let server = Component::new("server").on_drain_async(|context| async move {
        // A task of tokio needs its runtime.
        tokio::spawn(async {}).await.unwrap();
        assert!(!context.remaining().is_zero());
        Ok(())
    });
    let _kept = coordinator.register(server).unwrap();
    let report = coordinator.shutdown().await;
    assert!(report.is_clean(), "{report}");
}
