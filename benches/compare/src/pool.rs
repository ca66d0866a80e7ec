//! Subject `pool`: the connection pool beside bb8, deadpool and r2d2.
//!
//! Connections are numbers, so that what is measured is the pool alone. Every pool has eight of
//! them, made before the clock starts.

mod contender;
mod measure;
mod pools;
mod storm;
mod threads;

use anyhow::{Result, bail};
use serde_json::{Value, json};

use crate::clock::settle;
use crate::comparison::{Case, Comparison, Entry, Metric, head};
use crate::report::{Outputs, Report};
use crate::stats::Sample;
use contender::{CONTENDERS, Contender};
use measure::Scale;

/// Connections of each pool.
const CONNECTIONS: u64 = 8;

/// Tasks that share them.
const TASKS: usize = 64;

/// Processor time of one acquire and release.
const CPU: Metric = Metric::lower("cpu_ns_per_op", "ns");

/// Options of the subject.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// One short round
    #[arg(long)]
    quick: bool,
    /// Scenarios, several with commas (default all)
    #[arg(long, value_delimiter = ',')]
    scenario: Vec<String>,
    /// Rounds (default 5; quick 1)
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100))]
    repeats: Option<u32>,
    /// Acquires that are given up in the scenario `cancelled` (default 1000000; quick 30000)
    #[arg(long)]
    cancelled: Option<u64>,
    #[command(flatten)]
    outputs: Outputs,
}

/// What a scenario measures of one contender: one value for each of its metrics, or nothing where
/// the contender has no part in it.
type Measured = Option<Vec<Sample>>;

struct Scenario {
    name: &'static str,
    tasks: usize,
    metrics: &'static [Metric],
    measure: fn(&Contender, &Scale) -> Result<Measured>,
}

const SCENARIOS: &[Scenario] = &[
    Scenario { name: "one_task", tasks: 1, metrics: &[CPU], measure: one_task },
    Scenario { name: "held_over_yield", tasks: TASKS, metrics: SHARED, measure: held_over_yield },
    Scenario { name: "threads", tasks: TASKS, metrics: SHARED, measure: on_threads },
    Scenario { name: "cancelled", tasks: TASKS, metrics: STORM, measure: cancelled },
];

/// Metrics of connections that are shared; the latencies of the first one are waits.
const SHARED: &[Metric] =
    &[CPU, Metric::lower("wait_p99_to_p50", "x"), Metric::higher("fairness_min_to_max", "share")];

const STORM: &[Metric] = &[
    Metric::lower("connections_made", "connections"),
    Metric::higher("connections_obtainable", "connections"),
];

fn one_task(contender: &Contender, scale: &Scale) -> Result<Measured> {
    Ok(Some(vec![plain((contender.one_task)(scale)?)]))
}

fn held_over_yield(contender: &Contender, scale: &Scale) -> Result<Measured> {
    Ok(Some((contender.held_over_yield)(scale)?.samples()?))
}

fn on_threads(contender: &Contender, scale: &Scale) -> Result<Measured> {
    contender.threads.map(|measure| measure(scale)?.samples()).transpose()
}

fn cancelled(contender: &Contender, scale: &Scale) -> Result<Measured> {
    let Some(measure) = contender.cancelled else { return Ok(None) };
    let storm = measure(scale)?;
    Ok(Some(vec![plain(storm.made as f64), plain(storm.obtainable as f64)]))
}

fn plain(value: f64) -> Sample {
    Sample { value, latency: None }
}

impl Args {
    fn scenarios(&self) -> Result<Vec<&'static Scenario>> {
        let is_wanted = |name: &str| {
            self.scenario.is_empty() || self.scenario.iter().any(|wanted| wanted == name)
        };
        if let Some(unknown) =
            self.scenario.iter().find(|name| !SCENARIOS.iter().any(|known| known.name == **name))
        {
            let names: Vec<&str> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
            bail!("unknown scenario {unknown}, there are {}", names.join(", "));
        }
        Ok(SCENARIOS.iter().filter(|scenario| is_wanted(scenario.name)).collect())
    }

    fn rounds(&self) -> usize {
        self.repeats.unwrap_or(if self.quick { 1 } else { 5 }) as usize
    }

    fn settings(&self, scale: &Scale) -> Value {
        let version = |contender: &Contender| {
            let version = crate::locked_version(contender.package).unwrap_or("unknown");
            (contender.name.to_owned(), json!(format!("{} {version}", contender.package)))
        };
        let engines: serde_json::Map<String, Value> = CONTENDERS.iter().map(version).collect();
        json!({
            "engines": engines,
            "quick": self.quick,
            "repeats": self.rounds(),
            "connections": CONNECTIONS,
            "cancelled": scale.cancelled,
        })
    }
}

/// Runs the subject.
///
/// # Errors
///
/// When a scenario is unknown, a pool fails, or an output cannot be written.
pub(crate) fn run(args: &Args) -> Result<()> {
    let scenarios = args.scenarios()?;
    let scale = Scale::new(args.quick, args.cancelled);
    let mut report = Report::new(&args.outputs, head("pool", &args.settings(&scale)))?;
    for scenario in scenarios {
        for comparison in contest(scenario, args.rounds(), &scale)? {
            report.add(comparison)?;
        }
    }
    report.finish()
}

/// All contenders in turns, which rotate from round to round; medians over the rounds.
fn contest(scenario: &Scenario, rounds: usize, scale: &Scale) -> Result<Vec<Comparison>> {
    let mut measured: Vec<Vec<Vec<Sample>>> = vec![Vec::new(); CONTENDERS.len()];
    for round in 0..rounds {
        for turn in 0..CONTENDERS.len() {
            let at = (turn + round) % CONTENDERS.len();
            let contender = &CONTENDERS[at];
            settle(scale.time * 4);
            if let Some(samples) = (scenario.measure)(contender, scale)? {
                let (name, value) = (scenario.name, samples.first().map_or(0.0, |it| it.value));
                crate::progress(&format!("{name}: {}: {value:.1}", contender.name));
                measured[at].push(samples);
            }
        }
    }
    let case = Case {
        subject: "pool",
        scenario: scenario.name,
        level: "none",
        keys: CONNECTIONS,
        threads: scenario.tasks,
    };
    let comparison = |(at, metric): (usize, &Metric)| {
        let entry = |(contender, rounds): (&Contender, &Vec<Vec<Sample>>)| {
            let of_metric: Vec<Sample> = rounds.iter().map(|samples| samples[at]).collect();
            let sample = Sample::median(&of_metric)?;
            Some(Entry { engine: contender.name, weaker: false, sample })
        };
        let entries = CONTENDERS.iter().zip(&measured).filter_map(entry).collect();
        Comparison { case: case.clone(), metric: *metric, entries }
    };
    Ok(scenario.metrics.iter().enumerate().map(comparison).collect())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::comparison::OURS;

    fn scale() -> Scale {
        Scale { time: Duration::from_millis(10), cancelled: 2_000 }
    }

    #[test]
    fn each_scenario_has_ours_and_a_peer() {
        for scenario in SCENARIOS {
            let comparisons = contest(scenario, 1, &scale()).unwrap();
            assert_eq!(comparisons.len(), scenario.metrics.len());
            for comparison in comparisons {
                assert!(comparison.ours().is_some(), "{}", scenario.name);
                assert!(comparison.best_peer().is_some(), "{}", scenario.name);
            }
        }
    }

    #[test]
    fn given_up_acquires_cost_no_connection_of_ours() {
        let ours = CONTENDERS.iter().find(|contender| contender.name == OURS).unwrap();
        let storm = (ours.cancelled.unwrap())(&scale()).unwrap();
        assert_eq!((storm.made, storm.obtainable), (CONNECTIONS, CONNECTIONS));
    }

    #[test]
    fn versions_are_locked_and_unknown_scenarios_are_named() {
        let args = |scenario: &[&str]| Args {
            quick: true,
            scenario: scenario.iter().map(|name| (*name).to_owned()).collect(),
            repeats: None,
            cancelled: None,
            outputs: Outputs::default(),
        };
        let settings = args(&[]).settings(&scale());
        let engines = settings["engines"].as_object().unwrap();
        assert!(engines.values().all(|engine| !engine.to_string().contains("unknown")));
        assert_eq!(args(&["threads"]).scenarios().unwrap().len(), 1);
        let error = args(&["thread"]).scenarios().err().unwrap().to_string();
        assert!(error.contains("one_task, held_over_yield"), "{error}");
    }
}
