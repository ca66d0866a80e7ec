//! Which backend is next.

use std::time::Duration;

use super::seat::Seat;
use crate::options::Strategy;
use crate::runtime::next_random;

/// Seconds after which a peak has faded to a third.
const DECAY_SECONDS: f64 = 10.0;

/// Chooses among backends, and remembers what its strategy needs.
#[derive(Debug)]
pub(super) struct Balancer {
    strategy: Strategy,
    /// Position after the last choice.
    cursor: usize,
    random: u64,
    /// Choices up to now.
    turn: u64,
}

impl Balancer {
    pub(super) fn new(strategy: Strategy, seed: u64) -> Self {
        Self { strategy, cursor: 0, random: seed, turn: 0 }
    }

    /// A number in `0..below`, which is not zero.
    pub(super) fn draw(&mut self, below: usize) -> usize {
        usize::try_from(next_random(&mut self.random) % below.max(1) as u64).unwrap_or(0)
    }

    /// A number in -1 to 1.
    #[expect(clippy::cast_precision_loss, reason = "a random number has bits enough")]
    pub(super) fn draw_signed(&mut self) -> f64 {
        (next_random(&mut self.random) >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    }

    /// One of the `eligible` positions, which are not empty.
    pub(super) fn pick<C>(
        &mut self,
        seats: &mut [Seat<C>],
        eligible: &[usize],
        now: Duration,
    ) -> usize {
        self.turn += 1;
        let chosen = match self.strategy {
            _ if eligible.len() == 1 => eligible[0],
            Strategy::RoundRobin => {
                let next = eligible.iter().find(|position| **position >= self.cursor);
                *next.unwrap_or(&eligible[0])
            }
            Strategy::LeastRecentlyUsed => {
                let oldest = eligible.iter().min_by_key(|position| seats[**position].last_turn);
                *oldest.unwrap_or(&eligible[0])
            }
            Strategy::Random => eligible[self.draw(eligible.len())],
            Strategy::Weighted => weighted(seats, eligible),
            Strategy::LeastLoaded => {
                self.better_of_two(eligible, |position| load(seats[position].busy))
            }
            Strategy::PeakEwma => self.better_of_two(eligible, |position| {
                let seat = &seats[position];
                seat.peak.at(now) * load(seat.busy + 1)
            }),
        };
        self.cursor = chosen + 1;
        seats[chosen].last_turn = self.turn;
        chosen
    }

    fn better_of_two(&mut self, eligible: &[usize], load_of: impl Fn(usize) -> f64) -> usize {
        let first = self.draw(eligible.len());
        let other = (first + 1 + self.draw(eligible.len() - 1)) % eligible.len();
        let (first, other) = (eligible[first], eligible[other]);
        if load_of(other) < load_of(first) { other } else { first }
    }
}

#[expect(clippy::cast_precision_loss, reason = "connections are few")]
fn load(busy: usize) -> f64 {
    busy as f64
}

/// Smooth weighted round-robin, as nginx does it: each gains its weight, the richest pays for all.
fn weighted<C>(seats: &mut [Seat<C>], eligible: &[usize]) -> usize {
    let mut total = 0;
    let mut richest = eligible[0];
    for &position in eligible {
        let weight = i64::from(seats[position].backend.weight);
        seats[position].credit += weight;
        total += weight;
        if seats[position].credit > seats[richest].credit {
            richest = position;
        }
    }
    seats[richest].credit -= total;
    richest
}

/// A time that follows peaks at once and forgets them slowly.
#[derive(Debug, Default)]
pub(super) struct Peak {
    seconds: f64,
    at: Duration,
}

impl Peak {
    pub(super) fn record(&mut self, now: Duration, took: Duration) {
        let (took, faded) = (took.as_secs_f64(), self.at(now));
        // Below the average it moves by what has faded; a peak counts in full.
        let share = 1.0 - (-self.age(now) / DECAY_SECONDS).exp();
        self.seconds = if took > faded { took } else { faded + (took - faded) * share };
        self.at = now;
    }

    fn age(&self, now: Duration) -> f64 {
        now.saturating_sub(self.at).as_secs_f64()
    }

    fn at(&self, now: Duration) -> f64 {
        self.seconds * (-self.age(now) / DECAY_SECONDS).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manager::Backend;

    fn seats(weights: &[u32]) -> Vec<Seat<()>> {
        let backend = |(n, weight): (usize, &u32)| Backend::new(n.to_string()).weight(*weight);
        weights.iter().enumerate().map(backend).map(Seat::new).collect()
    }

    fn choices(strategy: Strategy, seats: &mut [Seat<()>], count: usize) -> Vec<usize> {
        let mut balancer = Balancer::new(strategy, 7);
        let all: Vec<usize> = (0..seats.len()).collect();
        (0..count).map(|_| balancer.pick(seats, &all, Duration::ZERO)).collect()
    }

    #[test]
    fn turns_go_round() {
        assert_eq!(choices(Strategy::RoundRobin, &mut seats(&[1, 1, 1]), 5), [0, 1, 2, 0, 1]);
        assert_eq!(choices(Strategy::LeastRecentlyUsed, &mut seats(&[1, 1]), 4), [0, 1, 0, 1]);
    }

    #[test]
    fn weights_are_spread_evenly() {
        let chosen = choices(Strategy::Weighted, &mut seats(&[5, 1, 1]), 7);
        assert_eq!(chosen, [0, 0, 1, 0, 2, 0, 0]);
    }

    #[test]
    fn of_two_the_less_loaded_is_taken() {
        let mut two = seats(&[1, 1]);
        two[0].busy = 3;
        assert!(choices(Strategy::LeastLoaded, &mut two, 20).iter().all(|chosen| *chosen == 1));
        let mut two = seats(&[1, 1]);
        two[1].peak.record(Duration::ZERO, Duration::from_secs(1));
        assert!(choices(Strategy::PeakEwma, &mut two, 20).iter().all(|chosen| *chosen == 0));
    }

    #[test]
    fn a_peak_counts_at_once_and_fades() {
        let mut peak = Peak::default();
        peak.record(Duration::ZERO, Duration::from_secs(4));
        peak.record(Duration::ZERO, Duration::from_secs(1));
        assert!((peak.at(Duration::ZERO) - 4.0).abs() < 1e-9);
        assert!(peak.at(Duration::from_secs(10)) < 1.5);
    }
}
