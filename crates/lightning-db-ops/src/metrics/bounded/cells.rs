//! Where values are counted: each is added to cells that are there.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use metrics::{CounterFn, HistogramFn};

/// A summary looks back over so many windows.
pub(super) const WINDOWS: usize = 3;
/// Steps of a value, for each power of two from 2^-32 to 2^32.
const STEP_BITS: u32 = 4;
const STEPS: usize = 64 << STEP_BITS;
/// Places in the way to a bucket, for each of them.
const PLACE_BITS: u32 = 2;
const PLACES: usize = 64 << PLACE_BITS;

/// A count on a cache line of its own, so that threads with others do not wait for it.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(super) struct Count(AtomicU64);

/// Bounds of buckets, and the way to the bucket of a value.
#[derive(Debug)]
pub(super) struct Bounds {
    values: Box<[f64]>,
    /// The bounds as they are written.
    texts: Box<[String]>,
    /// By the first bits of a value.
    places: Box<[Place]>,
    /// Whether bounds lie so near to each other that a place has more than one.
    is_crowded: bool,
}

/// Where values begin their search that have the same first bits.
#[derive(Debug)]
struct Place {
    /// The first bound that is not below all of them.
    bound: f64,
    bucket: usize,
}

/// Counts by bucket, and the sum.
#[derive(Debug)]
pub(super) struct Buckets {
    bounds: Arc<Bounds>,
    counts: Box<[AtomicU64]>,
    sum: Sum,
}

/// Counts by step for each window, 24 KiB together; count and sum of all time.
#[derive(Debug)]
pub(super) struct Windows {
    counts: [Box<[AtomicU64]>; WINDOWS],
    current: AtomicUsize,
    count: AtomicU64,
    sum: Sum,
}

/// A sum of floats. Those of usual size are rounded to 2^-32 and take one addition.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Sum {
    /// In units of 2^-32.
    units: AtomicU64,
    /// What is too large or too small for that, and what no longer fits there; a float.
    rest: AtomicU64,
}

/// Units of one: 2^32.
const UNITS: f64 = 4_294_967_296.0;
/// Sizes that are added as units: 2^-24, which is 60 ns, to 2^19.
const USUAL: std::ops::Range<f64> = 1.0 / 16_777_216.0..524_288.0;
/// 2^52.
const FRACTION: f64 = 4_503_599_627_370_496.0;
/// Units from which on they are carried away, far from the end of their range.
const FULL: u64 = 1 << 62;

impl Sum {
    fn add(&self, value: f64) {
        if !USUAL.contains(&value) {
            return self.add_rest(value);
        }
        // Units are fewer than 2^52, so that above 2^52 they are the fraction, rounded.
        let units = (value * UNITS + FRACTION).to_bits() - FRACTION.to_bits();
        if self.units.fetch_add(units, Ordering::Relaxed) >= FULL {
            self.carry();
        }
    }

    #[cold]
    fn add_rest(&self, value: f64) {
        let add = |bits| Some((f64::from_bits(bits) + value).to_bits());
        // The closure always gives a value.
        let _ = self.rest.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }

    #[cold]
    fn carry(&self) {
        self.add_rest(of_units(self.units.swap(0, Ordering::Relaxed)));
    }

    fn get(&self) -> f64 {
        let rest = f64::from_bits(self.rest.load(Ordering::Relaxed));
        of_units(self.units.load(Ordering::Relaxed)) + rest
    }
}

#[expect(clippy::cast_precision_loss, reason = "a sum is a float")]
fn of_units(units: u64) -> f64 {
    units as f64 / UNITS
}

impl Count {
    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl CounterFn for Count {
    fn increment(&self, value: u64) {
        self.0.fetch_add(value, Ordering::Relaxed);
    }

    fn absolute(&self, value: u64) {
        self.0.fetch_max(value, Ordering::Relaxed);
    }
}

impl Bounds {
    pub(super) fn new(bounds: &[f64]) -> Self {
        // Values of a place are not below its beginning, but for those of the first one.
        let bucket = |place: usize| match place {
            0 => 0,
            place => bounds.partition_point(|bound| *bound < beginning::<PLACE_BITS>(place)),
        };
        let place = |number| {
            let bucket = bucket(number);
            Place { bound: bounds.get(bucket).copied().unwrap_or(f64::INFINITY), bucket }
        };
        let ends = (1..=PLACES).map(|next| if next < PLACES { bucket(next) } else { bounds.len() });
        let is_crowded = ends.enumerate().any(|(number, end)| end > bucket(number) + 1);
        Self {
            values: bounds.into(),
            texts: bounds.iter().map(f64::to_string).collect(),
            places: (0..PLACES).map(place).collect(),
            is_crowded,
        }
    }

    /// The first bucket whose bound is not below the value; behind the last bound if there is none.
    fn bucket(&self, value: f64) -> usize {
        if self.is_crowded {
            return self.values.partition_point(|bound| *bound < value);
        }
        // Times differ without a pattern: adding costs less than a branch that is guessed wrong.
        let place = &self.places[step::<PLACE_BITS>(value)];
        place.bucket + usize::from(place.bound < value)
    }
}

impl Buckets {
    pub(super) fn new(bounds: &Arc<Bounds>) -> Self {
        let counts = (0..=bounds.values.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds: Arc::clone(bounds), counts, sum: Sum::default() }
    }

    fn add(&self, value: f64, count: u64, sum: f64) {
        self.counts[self.bounds.bucket(value)].fetch_add(count, Ordering::Relaxed);
        self.sum.add(sum);
    }

    /// Bounds as they are written, each with the values that are not above it.
    pub(super) fn cumulative(&self) -> impl Iterator<Item = (&str, u64)> {
        let texts = self.bounds.texts.iter().map(String::as_str).chain(["+Inf"]);
        texts.zip(self.counts.iter()).scan(0, |all, (text, count)| {
            *all += count.load(Ordering::Relaxed);
            Some((text, *all))
        })
    }

    pub(super) fn sum(&self) -> f64 {
        self.sum.get()
    }
}

impl Windows {
    pub(super) fn new() -> Self {
        let window = || (0..STEPS).map(|_| AtomicU64::new(0)).collect();
        let counts = [window(), window(), window()];
        let (current, count) = (AtomicUsize::new(0), AtomicU64::new(0));
        Self { counts, current, count, sum: Sum::default() }
    }

    fn add(&self, value: f64, count: u64, sum: f64) {
        let window = &self.counts[self.current.load(Ordering::Relaxed)];
        window[step::<STEP_BITS>(value)].fetch_add(count, Ordering::Relaxed);
        self.count.fetch_add(count, Ordering::Relaxed);
        self.sum.add(sum);
    }

    pub(super) fn turn(&self) {
        let next = (self.current.load(Ordering::Relaxed) + 1) % WINDOWS;
        self.counts[next].iter().for_each(|count| count.store(0, Ordering::Relaxed));
        self.current.store(next, Ordering::Relaxed);
    }

    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    pub(super) fn sum(&self) -> f64 {
        self.sum.get()
    }

    /// The values below which these shares of those in the windows lie, within a sixteenth; zero if
    /// there is none. Shares ascend.
    #[expect(clippy::cast_precision_loss, reason = "a rank need not be exact beyond 2^52")]
    pub(super) fn quantiles<const N: usize>(&self, shares: [f64; N]) -> [f64; N] {
        let of_step = |step: usize| -> u64 {
            self.counts.iter().map(|window| window[step].load(Ordering::Relaxed)).sum()
        };
        let counts: Vec<u64> = (0..STEPS).map(of_step).collect();
        let all = counts.iter().sum::<u64>() as f64;
        let (mut at, mut seen) = (0, counts[0]);
        shares.map(|share| {
            // The last step that holds something, if rounding asks for more than there is.
            while at + 1 < STEPS && (counts[at] == 0 || (seen as f64) < share * all) {
                at += 1;
                seen += counts[at];
            }
            if all > 0.0 { middle(at) } else { 0.0 }
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "the sum is a float")]
fn times(value: f64, count: usize) -> f64 {
    value * count as f64
}

impl HistogramFn for Buckets {
    fn record(&self, value: f64) {
        self.add(value, 1, value);
    }

    fn record_many(&self, value: f64, count: usize) {
        self.add(value, count as u64, times(value, count));
    }
}

impl HistogramFn for Windows {
    fn record(&self, value: f64) {
        self.add(value, 1, value);
    }

    fn record_many(&self, value: f64, count: usize) {
        self.add(value, count as u64, times(value, count));
    }
}

/// The step of a value: its exponent and the first bits of its fraction.
fn step<const BITS: u32>(value: f64) -> usize {
    if value.is_nan() || value <= 0.0 {
        return 0;
    }
    let step = (value.to_bits() >> (52 - BITS)).saturating_sub(first_step::<BITS>());
    usize::try_from(step).unwrap_or(usize::MAX).min((64 << BITS) - 1)
}

/// The bits of 2^-32.
const fn first_step<const BITS: u32>() -> u64 {
    (1_023 - 32) << BITS
}

fn beginning<const BITS: u32>(step: usize) -> f64 {
    f64::from_bits((first_step::<BITS>() + step as u64) << (52 - BITS))
}

fn middle(step: usize) -> f64 {
    f64::from_bits(beginning::<STEP_BITS>(step).to_bits() + (1 << (51 - STEP_BITS)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ODD: [f64; 9] =
        [0.0, -0.0, -1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300, 1e-300, 5e-324];

    #[test]
    fn a_step_is_near_its_values() {
        let mut value = 1e-9;
        while value < 1e9 {
            let near = middle(step::<STEP_BITS>(value));
            assert!((near / value - 1.0).abs() < 0.04, "{value}: {near}");
            value *= 1.01;
        }
        for odd in ODD {
            assert!(step::<STEP_BITS>(odd) < STEPS, "{odd}");
        }
    }

    #[test]
    fn a_bucket_is_the_first_whose_bound_is_not_below() {
        let several: [&[f64]; 5] = [
            &crate::metrics::BUCKETS,
            &[-5.0, -0.1, 0.0, 1e-12, 1e-11, 0.5, 0.500_001, 0.500_002, 1e12, 1e13],
            &[f64::MIN_POSITIVE],
            &[1e20],
            &[-1.0],
        ];
        for bounds in several {
            let known = Bounds::new(bounds);
            let check = |value: f64| {
                let expected = bounds.partition_point(|bound| *bound < value);
                assert_eq!(known.bucket(value), expected, "{value} in {bounds:?}");
            };
            for bound in bounds {
                for it in [bound.next_down(), *bound, bound.next_up()] {
                    check(it);
                }
            }
            for odd in ODD {
                check(odd);
            }
            let mut value = 1e-14;
            while value < 1e14 {
                check(value);
                check(-value);
                value *= 1.013;
            }
        }
    }

    #[test]
    fn a_sum_is_near_that_of_the_floats_whatever_their_size() {
        let sum = Sum::default();
        let mut floats = 0.0;
        for value in [0.0, 1e-9, 250e-9, 1.5, 1e6, 1e9, 1e15, -3.0, 0.1, 1e6] {
            sum.add(value);
            floats += value;
        }
        assert!((sum.get() / floats - 1.0).abs() < 1e-12, "{} {floats}", sum.get());
        let sum = Sum::default();
        (0..1_000).for_each(|_| sum.add(300e-9));
        assert!((sum.get() / 300e-6 - 1.0).abs() < 1e-3, "{}", sum.get());
        // Far more than the units can hold.
        let sum = Sum::default();
        for _ in 0..20_000 {
            sum.add(524_287.5);
        }
        assert!((sum.get() - 10_485_750_000.0).abs() < 1.0, "{}", sum.get());
        assert!(f64::from_bits(sum.rest.load(Ordering::Relaxed)) > 1e9);
        sum.add(f64::NAN);
        assert!(sum.get().is_nan());
    }

    #[test]
    fn a_summary_forgets_windows_and_keeps_count_and_sum() {
        let windows = Windows::new();
        let quantile = |share| windows.quantiles([share])[0];
        windows.record_many(8.0, 100);
        assert!((quantile(0.5) - 8.0).abs() < 0.3);
        for _ in 0..WINDOWS {
            windows.turn();
        }
        assert_eq!(quantile(0.5).to_bits(), 0.0_f64.to_bits());
        windows.record(2.0);
        assert!((quantile(0.999) - 2.0).abs() < 0.1);
        assert_eq!(windows.count(), 101);
        assert!((windows.sum() - 802.0).abs() < 1e-9);
        windows.record(64.0);
        let [least, half, most] = windows.quantiles([0.0, 0.5, 1.0]);
        assert!((least - 2.0).abs() < 0.1 && (half - 2.0).abs() < 0.1, "{least} {half}");
        assert!((most - 64.0).abs() < 3.0, "{most}");
    }
}
