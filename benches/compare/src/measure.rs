//! Timed loops: how often, on how many threads, with or without a clock per operation.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use hdrhistogram::Histogram;

use crate::clock::{nanos_u32, nanos_u64, now};
use crate::stats::histogram;

/// When a loop ends and what it records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// So many operations on each thread, with no clock between them: for throughput.
    Count(u64),
    /// So many operations on each thread, with one clock reading after each: for latencies.
    Clocked(u64),
    /// Operations until the time is over, with one clock reading after each.
    For(Duration),
}

/// A finished loop over all its threads.
#[derive(Debug)]
pub(crate) struct Run {
    /// Operations of all threads.
    pub ops: u64,
    /// From the first start to the last end.
    pub elapsed: Duration,
    /// Latencies; empty for [`Pace::Count`].
    pub latency: Histogram<u64>,
}

impl Run {
    /// Operations per second.
    pub(crate) fn rate(&self) -> f64 {
        self.ops as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }
}

struct Worker {
    start: Instant,
    end: Instant,
    ops: u64,
    latency: Histogram<u64>,
}

/// Runs the operation that `prepare` makes for each thread (it gets the number of the thread) on
/// `threads` threads at once. An operation gets its index on its thread.
///
/// # Errors
///
/// The first error of `prepare` or of an operation; it ends the loop of its thread.
pub(crate) fn run<P, O>(threads: usize, pace: Pace, prepare: P) -> Result<Run>
where
    P: Fn(usize) -> Result<O> + Sync,
    O: FnMut(u64) -> Result<()>,
{
    let workers = if threads == 1 {
        vec![prepare(0).and_then(|mut operation| work(pace, &mut operation))?]
    } else {
        run_together(threads, pace, &prepare)?
    };
    let start = workers.iter().map(|worker| worker.start).min();
    let end = workers.iter().map(|worker| worker.end).max();
    let mut latency = histogram()?;
    for worker in &workers {
        latency.add(&worker.latency)?;
    }
    let elapsed = match (start, end) {
        (Some(start), Some(end)) => end - start,
        _ => Duration::ZERO,
    };
    Ok(Run { ops: workers.iter().map(|worker| worker.ops).sum(), elapsed, latency })
}

/// Runs one operation on this thread, which may be one that only this thread can do.
///
/// # Errors
///
/// The first error of the operation; it ends the loop.
pub(crate) fn run_alone(pace: Pace, operation: &mut impl FnMut(u64) -> Result<()>) -> Result<Run> {
    let Worker { start, end, ops, latency } = work(pace, operation)?;
    Ok(Run { ops, elapsed: end - start, latency })
}

fn run_together<P, O>(threads: usize, pace: Pace, prepare: &P) -> Result<Vec<Worker>>
where
    P: Fn(usize) -> Result<O> + Sync,
    O: FnMut(u64) -> Result<()>,
{
    let barrier = Barrier::new(threads);
    let worker = |thread| {
        let prepared = prepare(thread);
        // A thread that failed to prepare still arrives, or the others would wait forever.
        barrier.wait();
        work(pace, &mut prepared?)
    };
    let worker = &worker;
    std::thread::scope(|scope| {
        let start = |thread| scope.spawn(move || worker(thread));
        let handles: Vec<_> = (0..threads).map(start).collect();
        let join = |handle: std::thread::ScopedJoinHandle<'_, Result<Worker>>| {
            handle.join().map_err(|_| anyhow!("a worker thread panicked"))?
        };
        let results: Vec<Result<Worker>> = handles.into_iter().map(join).collect();
        results.into_iter().collect()
    })
}

fn work(pace: Pace, operation: &mut impl FnMut(u64) -> Result<()>) -> Result<Worker> {
    match pace {
        Pace::Count(ops) => count(ops, operation),
        Pace::Clocked(ops) => clocked(ops, operation),
        Pace::For(duration) => timed(duration, operation),
    }
}

fn count(ops: u64, operation: &mut impl FnMut(u64) -> Result<()>) -> Result<Worker> {
    let start = now();
    for index in 0..ops {
        operation(index)?;
    }
    Ok(Worker { start, end: now(), ops, latency: histogram()? })
}

/// Latencies go to a plain list first, which costs a nanosecond where a histogram costs ten.
fn clocked(ops: u64, operation: &mut impl FnMut(u64) -> Result<()>) -> Result<Worker> {
    // Touched beforehand, so that page faults of the list are not measured.
    let mut nanos = vec![1_u32; usize::try_from(ops)?];
    let start = now();
    let mut last = start;
    for (index, slot) in nanos.iter_mut().enumerate() {
        operation(index as u64)?;
        let time = now();
        *slot = nanos_u32(time - last);
        last = time;
    }
    let mut latency = histogram()?;
    for nanos in nanos {
        latency.saturating_record(u64::from(nanos).max(1));
    }
    Ok(Worker { start, end: last, ops, latency })
}

/// Latencies go to the histogram at once: how many there will be, and how much memory a list of
/// them would take beside the store, is not known.
fn timed(duration: Duration, operation: &mut impl FnMut(u64) -> Result<()>) -> Result<Worker> {
    let mut latency = histogram()?;
    let start = now();
    let (mut last, mut ops) = (start, 0);
    loop {
        operation(ops)?;
        ops += 1;
        let time = now();
        latency.saturating_record(nanos_u64(time - last).max(1));
        last = time;
        if last - start >= duration {
            return Ok(Worker { start, end: last, ops, latency });
        }
    }
}

/// Repeats `run`, which does as many operations as it is told, with more of them until one run
/// takes at least `time_min`: a fast engine would otherwise be timed over a few milliseconds.
/// Earlier runs serve as warm-up.
///
/// # Errors
///
/// The first error of `run`.
pub(crate) fn run_at_least(
    time_min: Duration,
    ops_first: u64,
    mut run: impl FnMut(u64) -> Result<Run>,
) -> Result<Run> {
    run((ops_first / 4).clamp(1, 50_000))?;
    let mut ops = ops_first;
    loop {
        let last = run(ops)?;
        if last.elapsed >= time_min {
            return Ok(last);
        }
        let elapsed = nanos_u64(last.elapsed).max(1);
        let factor = (nanos_u64(time_min) * 5 / 4).div_ceil(elapsed).clamp(2, 1_000);
        ops = ops.saturating_mul(factor);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    fn counted(threads: usize, pace: Pace) -> (Run, u64) {
        let total = AtomicU64::new(0);
        let run = run(threads, pace, |_| {
            Ok(|_| {
                total.fetch_add(1, Ordering::Relaxed);
                Ok(())
            })
        });
        (run.unwrap(), total.into_inner())
    }

    #[test]
    fn every_thread_does_its_operations() {
        for threads in [1, 3] {
            let (run, total) = counted(threads, Pace::Count(100));
            assert_eq!((run.ops, total), (100 * threads as u64, 100 * threads as u64));
            assert!(run.latency.is_empty());
            assert!(run.rate() > 0.0);
        }
    }

    #[test]
    fn clocked_runs_record_each_operation() {
        let (run, total) = counted(2, Pace::Clocked(50));
        assert_eq!((run.latency.len(), total), (100, 100));
    }

    #[test]
    fn timed_runs_end_after_their_time() {
        let (run, total) = counted(2, Pace::For(Duration::from_millis(5)));
        assert_eq!(run.ops, total);
        assert!(run.elapsed >= Duration::from_millis(5));
    }

    #[test]
    fn an_error_on_one_thread_is_returned_and_nobody_hangs() {
        let failing = |thread| {
            if thread == 1 {
                return Err(anyhow!("cannot prepare"));
            }
            Ok(|_| Ok(()))
        };
        let error = run(3, Pace::Count(10), failing).unwrap_err();
        assert_eq!(error.to_string(), "cannot prepare");
    }

    #[test]
    fn short_runs_grow_until_they_are_long_enough() {
        let mut sizes = Vec::new();
        let last = run_at_least(Duration::from_millis(10), 8, |ops| {
            sizes.push(ops);
            let elapsed = Duration::from_micros(ops * 100);
            Ok(Run { ops, elapsed, latency: histogram()? })
        });
        assert!(last.unwrap().elapsed >= Duration::from_millis(10));
        assert_eq!(sizes[..2], [2, 8]);
        assert!(sizes.len() > 2);
    }
}
