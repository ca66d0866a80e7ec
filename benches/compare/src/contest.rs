//! Contenders that answer the same questions: compared first, then timed in turns.

use std::hint::black_box;
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::clock::{settle, thread_cpu};
use crate::comparison::{Case, Comparison, Entry, Metric, OURS};
use crate::measure::{Pace, run_alone};
use crate::report::format;
use crate::stats::{Percentiles, Sample};

/// Processor time of one operation, in nanoseconds.
pub(crate) const CPU: Metric = Metric::lower("cpu_ns_per_op", "ns");

/// Operations of the pass that takes the latencies.
const CLOCKED_OPS: u64 = 5_000;

/// How often contenders take turns, and for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turns {
    pub rounds: usize,
    /// The shortest time over which a contender is measured in a round.
    pub time_min: Duration,
}

/// What says how contenders take turns.
pub(crate) trait Turning {
    fn turns(&self) -> Turns;
}

impl Turning for Turns {
    fn turns(&self) -> Turns {
        *self
    }
}

/// One contender: it gets the number of a question and gives a number that stands for the answer.
struct Lane<'a> {
    engine: &'static str,
    answer: Box<dyn FnMut(u64) -> Result<u64> + 'a>,
    /// Processor time that it used so far.
    used: Box<dyn Fn() -> Duration + 'a>,
    /// Operations that take at least the shortest time, as found in the first round.
    ops: u64,
    wall: Vec<Sample>,
    cpu: Vec<Sample>,
}

/// A scenario whose operations are questions, asked over and over.
pub(crate) struct Contest<'a> {
    case: Case,
    questions: u64,
    /// Questions whose answers are compared.
    compared: u64,
    /// Operations that are done in one question.
    parts: u64,
    lanes: Vec<Lane<'a>>,
}

impl<'a> Contest<'a> {
    /// A contest of as many different `questions`, numbered from zero.
    pub(crate) fn new(case: Case, questions: usize) -> Self {
        let questions = questions as u64;
        Self { case, questions, compared: questions, parts: 1, lanes: Vec::new() }
    }

    /// Compares the answers to the first so many questions alone.
    pub(crate) fn compared(mut self, questions: usize) -> Self {
        self.compared = questions as u64;
        self
    }

    /// Counts each question as so many operations.
    pub(crate) fn parts(mut self, parts: usize) -> Self {
        self.parts = parts as u64;
        self
    }

    /// Adds a contender that works on the thread that asks it.
    pub(crate) fn lane(
        self,
        engine: &'static str,
        answer: impl FnMut(u64) -> Result<u64> + 'a,
    ) -> Self {
        self.lane_elsewhere(engine, answer, thread_cpu)
    }

    /// Adds a contender that works elsewhere, such as in a process of its own: `used` gives the
    /// processor time that it used so far.
    pub(crate) fn lane_elsewhere(
        mut self,
        engine: &'static str,
        answer: impl FnMut(u64) -> Result<u64> + 'a,
        used: impl Fn() -> Duration + 'a,
    ) -> Self {
        let (answer, used) = (Box::new(answer), Box::new(used));
        let (wall, cpu) = (Vec::new(), Vec::new());
        self.lanes.push(Lane { engine, answer, used, ops: 0, wall, cpu });
        self
    }

    /// Asks every contender the questions whose answers are compared.
    fn agree(&mut self) -> Result<()> {
        let (scenario, questions) = (self.case.scenario, self.compared);
        let Some((first, others)) = self.lanes.split_first_mut() else { return Ok(()) };
        for question in 0..questions {
            let expected = (first.answer)(question)?;
            for lane in &mut *others {
                let answer = (lane.answer)(question)?;
                ensure!(
                    answer == expected,
                    "{scenario}, question {question}: {} says {expected}, {} says {answer}",
                    first.engine,
                    lane.engine
                );
            }
        }
        Ok(())
    }

    /// Compares the answers, then times the contenders: operations per second with the latencies
    /// of questions, and processor time of an operation.
    ///
    /// # Errors
    ///
    /// When two contenders give different answers, or one fails.
    pub(crate) fn run(mut self, turning: &impl Turning) -> Result<[Comparison; 2]> {
        let Turns { rounds, time_min } = turning.turns();
        self.agree()?;
        for round in 0..rounds {
            let lanes = self.lanes.len();
            for turn in 0..lanes {
                let lane = &mut self.lanes[(turn + round) % lanes];
                settle(time_min * 10);
                lane.turn(time_min, self.questions, self.parts)?;
            }
        }
        for lane in &self.lanes {
            let middle = Sample::median(&lane.cpu).map_or(0.0, |sample| sample.value);
            let (scenario, engine) = (self.case.scenario, lane.engine);
            crate::progress(&format!("{scenario}: {engine}: {} us", format::micros(middle)));
        }
        Ok([
            self.comparison(Metric::OPS, |lane| Sample::median(&lane.wall)),
            self.comparison(CPU, |lane| Sample::median(&lane.cpu)),
        ])
    }

    fn comparison(&self, metric: Metric, of: fn(&Lane<'a>) -> Option<Sample>) -> Comparison {
        let entry =
            |lane: &Lane<'a>| Some(Entry { engine: lane.engine, weaker: false, sample: of(lane)? });
        let entries = self.lanes.iter().filter_map(entry).collect();
        Comparison { case: self.case.clone(), metric, entries }
    }
}

impl Lane<'_> {
    /// One turn of one round.
    fn turn(&mut self, time_min: Duration, questions: u64, parts: u64) -> Result<()> {
        let answer = &mut self.answer;
        let mut ask = |number: u64| {
            black_box(answer(number % questions)?);
            Ok(())
        };
        // From round to round the number of operations stays, so that rounds can be compared.
        let mut ops = self.ops.max(1);
        if ops >= 4 {
            run_alone(Pace::Count(ops / 4), &mut ask)?;
        }
        let (run, cpu) = loop {
            // One long operation is its own latency, which may be more than four seconds.
            let pace = if ops == 1 { Pace::For(Duration::ZERO) } else { Pace::Count(ops) };
            let before = (self.used)();
            let run = run_alone(pace, &mut ask)?;
            let cpu = (self.used)().saturating_sub(before);
            if self.ops > 0 || run.elapsed >= time_min {
                break (run, cpu);
            }
            let wanted = time_min.as_secs_f64() * 1.25;
            let factor = wanted / run.elapsed.as_secs_f64().max(1e-9);
            ops = scaled(ops, factor.clamp(2.0, 1_000.0));
        };
        self.ops = ops;
        let rate = run.rate() * parts as f64;
        let latency = match (parts, ops) {
            (1, 1) => Percentiles::of(&run.latency),
            (1, _) => {
                let clocked = run_alone(Pace::Clocked(ops.min(CLOCKED_OPS)), &mut ask)?;
                Percentiles::of(&clocked.latency)
            }
            _ => None,
        };
        self.wall.push(Sample { value: rate, latency });
        let operations = (ops * parts) as f64;
        let value = cpu.as_secs_f64() * 1e9 / operations;
        self.cpu.push(Sample { value, latency: None });
        Ok(())
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small and positive")]
fn scaled(ops: u64, factor: f64) -> u64 {
    (ops as f64 * factor) as u64
}

/// Times something that is done once a round by each contender, such as a build: `work` gets the
/// number of the contender and gives its values, one for each metric.
///
/// # Errors
///
/// The first error of `work`.
pub(crate) fn repeated<const N: usize>(
    turning: &impl Turning,
    case: &Case,
    (engines, metrics): (&[&'static str], [Metric; N]),
    mut work: impl FnMut(usize) -> Result<[f64; N]>,
) -> Result<[Comparison; N]> {
    let Turns { rounds, time_min } = turning.turns();
    let mut values = vec![std::array::from_fn::<Vec<Sample>, N, _>(|_| Vec::new()); engines.len()];
    for round in 0..rounds {
        for turn in 0..engines.len() {
            let at = (turn + round) % engines.len();
            settle(time_min * 10);
            for (samples, value) in values[at].iter_mut().zip(work(at)?) {
                samples.push(Sample { value, latency: None });
            }
        }
    }
    Ok(std::array::from_fn(|number| {
        let entry = |(engine, samples): (&&'static str, &[Vec<Sample>; N])| {
            let sample = Sample::median(&samples[number])?;
            let (scenario, value) = (case.scenario, format::quantity(sample.value));
            crate::progress(&format!("{scenario}: {engine}: {value} {}", metrics[number].unit));
            Some(Entry { engine, weaker: false, sample })
        };
        let entries = engines.iter().zip(&values).filter_map(entry).collect();
        Comparison { case: case.clone(), metric: metrics[number], entries }
    }))
}

/// A figure of ours that no contender has.
pub(crate) fn alone(case: Case, metric: Metric, value: f64) -> Comparison {
    let (scenario, shown) = (case.scenario, format::quantity(value));
    crate::progress(&format!("{scenario}: {} {shown} {}", metric.name, metric.unit));
    let sample = Sample { value, latency: None };
    Comparison { case, metric, entries: vec![Entry { engine: OURS, weaker: false, sample }] }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    const TURNS: Turns = Turns { rounds: 1, time_min: Duration::from_millis(1) };

    fn case(keys: u64) -> Case {
        Case { subject: "test", scenario: "test", level: "none", keys, threads: 1 }
    }

    #[test]
    fn contenders_that_agree_are_timed() {
        let contest = Contest::new(case(3), 3)
            .parts(2)
            .lane(OURS, |question| Ok(question * 7))
            .lane("peer", |question| Ok(question * 7));
        let [ops, cpu] = contest.run(&TURNS).unwrap();
        assert_eq!((ops.metric, cpu.metric), (Metric::OPS, CPU));
        for comparison in [ops, cpu] {
            let engines: Vec<&str> = comparison.entries.iter().map(|entry| entry.engine).collect();
            assert_eq!(engines, [OURS, "peer"]);
            assert!(comparison.entries.iter().all(|entry| entry.sample.value > 0.0));
            assert!(comparison.entries.iter().all(|entry| entry.sample.latency.is_none()));
        }
    }

    #[test]
    fn work_elsewhere_counts_with_its_own_processor_time() {
        let asked = Cell::new(0);
        let answer = |question| {
            asked.set(asked.get() + 1);
            Ok(question)
        };
        let used = || Duration::from_micros(asked.get());
        let contest = Contest::new(case(1), 1).lane_elsewhere("peer", answer, used);
        let [_, cpu] = contest.run(&TURNS).unwrap();
        assert_eq!(cpu.entries[0].sample.value.round().to_bits(), 1_000.0_f64.to_bits());
    }

    #[test]
    fn a_long_operation_is_done_once_and_has_its_latency() {
        let mut asked = 0;
        let contest = Contest::new(case(1), 1).compared(0).lane(OURS, |question| {
            asked += 1;
            let start = crate::clock::now();
            while start.elapsed() < TURNS.time_min {}
            Ok(question)
        });
        let [ops, _] = contest.run(&TURNS).unwrap();
        let latency = ops.entries[0].sample.latency.unwrap();
        assert!(latency.all()[0] >= 1e6);
        assert_eq!(asked, 1);
    }

    #[test]
    fn a_different_answer_is_no_result() {
        let contest =
            || Contest::new(case(3), 3).lane(OURS, Ok).lane("peer", |question| Ok(question.min(1)));
        let error = contest().run(&TURNS).unwrap_err().to_string();
        assert_eq!(error, "test, question 2: lightning says 2, peer says 1");
        assert!(contest().compared(2).run(&TURNS).is_ok());
    }

    #[test]
    fn builds_have_a_value_for_each_metric() {
        let metrics = [Metric::lower("a", "s"), Metric::lower("b", "s")];
        let work = |at: usize| Ok([at as f64, 10.0]);
        let [first, second] = repeated(&TURNS, &case(1), (&[OURS, "peer"], metrics), work).unwrap();
        assert_eq!(first.entries[1].sample.value.to_bits(), 1.0_f64.to_bits());
        assert_eq!(second.entries[0].sample.value.to_bits(), 10.0_f64.to_bits());
    }
}
