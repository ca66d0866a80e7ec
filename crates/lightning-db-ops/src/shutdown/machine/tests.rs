//! The machine in a simulated world: components that work, fail, panic and hang, operations, late
//! registrations and forcing, all drawn from a seed and compared with the simplest model of the
//! order.

mod world;

use std::time::Duration;

use super::*;
use world::World;

const SEEDS: u64 = 10_000;

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn limits() -> Limits {
    Limits {
        graceful: ms(30_000),
        drain: ms(10_000),
        force_after: ms(60_000),
        readiness_delay: Duration::ZERO,
        concurrent: 10,
    }
}

fn spec(name: &str, priority: Priority, depends_on: &[&str]) -> Spec {
    let depends_on = depends_on.iter().map(|it| (*it).to_owned()).collect();
    Spec { priority, depends_on, has: [true; 4], ..Spec::new(name.to_owned()) }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[test]
fn every_seed_keeps_order_deadline_and_guards() {
    let start = number("LIGHTNING_SHUTDOWN_START").unwrap_or(0);
    let seeds = number("LIGHTNING_SHUTDOWN_SEEDS").unwrap_or(SEEDS);
    let mut endings = [0_u64; 3];
    for seed in start..start.saturating_add(seeds) {
        let run = std::panic::catch_unwind(|| World::new(seed).run());
        match run {
            Ok(ending) => endings[ending as usize] += 1,
            Err(panic) => {
                eprintln!(
                    "replay: LIGHTNING_SHUTDOWN_START={seed} LIGHTNING_SHUTDOWN_SEEDS=1 \
                     cargo test -p lightning-db-ops every_seed"
                );
                std::panic::resume_unwind(panic);
            }
        }
    }
    // The seeds are no proof if all of them take the same way.
    assert!(seeds < SEEDS || endings.iter().all(|count| *count > seeds / 50), "{endings:?}");
}

#[test]
fn a_component_goes_no_earlier_than_those_that_use_it() {
    let specs = [
        spec("store", Priority::Critical, &[]),
        spec("index", Priority::Background, &["store"]),
        spec("server", Priority::Low, &["index"]),
        spec("audit", Priority::High, &[]),
    ];
    let order = Order::new((0..).zip(&specs));
    let tiers: Vec<_> = (0..4).map(|id| order.tier(id)).collect();
    assert_eq!(tiers, [Priority::Background, Priority::Background, Priority::Low, Priority::High]);
    let users = |id| order.users(id).collect::<Vec<_>>();
    assert_eq!([users(0), users(1), users(2), users(3)], [vec![1], vec![2], vec![], vec![]]);
}

#[test]
fn cycles_and_taken_names_are_refused() {
    let mut machine = Machine::new(limits());
    // What is used may come later.
    machine.register(spec("a", Priority::Normal, &["b"])).unwrap();
    machine.register(spec("b", Priority::Normal, &["c"])).unwrap();
    let error = machine.register(spec("c", Priority::Normal, &["x", "a"])).unwrap_err();
    assert_eq!(error.to_string(), "register c: it would wait for itself, through c, a, b");
    let error = machine.register(spec("d", Priority::Normal, &["d"])).unwrap_err();
    assert!(matches!(error, crate::Error::Cycle { .. }), "{error}");
    let error = machine.register(spec("a", Priority::Normal, &[])).unwrap_err();
    assert!(matches!(error, crate::Error::NameTaken { .. }), "{error}");
    machine.register(spec("c", Priority::Normal, &["x"])).unwrap();
}

#[test]
fn a_hung_component_leaves_half_of_the_time_to_the_others() {
    let mut machine = Machine::new(limits());
    let operations = Operations::new(|| {});
    let hung = machine.register(spec("hung", Priority::Critical, &[])).unwrap();
    machine.register(spec("other", Priority::Normal, &[])).unwrap();
    machine.begin(Cause::Requested, ms(1_000));
    machine.step(ms(1_000), &operations);
    let called = Action::Call { id: hung, stage: Stage::Prepare, until: ms(16_000) };
    assert_eq!(machine.take_actions()[1], called);
    assert_eq!(machine.next_time(ms(1_000)), Some(ms(16_000)));
    machine.step(ms(16_000), &operations);
    let actions = machine.take_actions();
    assert!(
        matches!(actions[..], [Action::Call { stage: Stage::Prepare, until, .. }]
            if until == ms(23_500)),
        "{actions:?}"
    );
    assert_eq!(machine.components()[0].state, State::Failed);
    assert_eq!(machine.components()[0].stages[0].outcome, Outcome::TimedOut);
    assert_eq!(machine.components()[0].stages[0].since, Duration::ZERO);
}

#[test]
fn the_service_goes_on_until_the_delay_is_over() {
    let delayed = Limits { readiness_delay: ms(5_000), ..limits() };
    let mut machine = Machine::new(delayed);
    let operations = Operations::new(|| {});
    machine.begin(Cause::Requested, Duration::ZERO);
    machine.step(Duration::ZERO, &operations);
    assert_eq!(machine.phase(), Phase::Prepare);
    assert_eq!(machine.next_time(Duration::ZERO), Some(ms(5_000)));
    machine.step(ms(4_999), &operations);
    assert_eq!(machine.phase(), Phase::Prepare);
    assert!(!operations.is_drained());
    machine.step(ms(5_000), &operations);
    assert!(operations.is_drained());
    assert_eq!(machine.take_actions().last(), Some(&Action::Conclude));
}
