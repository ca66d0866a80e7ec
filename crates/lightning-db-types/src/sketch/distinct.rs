//! How many distinct values there are.
//!
//! Source: Flajolet, Fusy, Gandouet, Meunier, "`HyperLogLog`", `AofA` 2007; the estimator is that
//! of Ertl, "New cardinality estimation algorithms for `HyperLogLog` sketches", arXiv 1702.01284,
//! algorithm 6, which has no bias at small numbers and needs no table.

const PRECISION: u32 = 12;
const REGISTERS: usize = 1 << PRECISION;
/// Bits of a hash that do not choose the register.
const TAIL: usize = 64 - PRECISION as usize;

/// Counts distinct values in 4 KiB, with a standard error of 1.6 %.
///
/// # Examples
/// ```
/// use lightning_db_types::ValueRef;
/// use lightning_db_types::sketch::{HyperLogLog, value_hash};
/// let mut distinct = HyperLogLog::new();
/// for number in 0..10_000 {
///     distinct.add(value_hash(ValueRef::I64(number % 1_000)));
/// }
/// assert!((950.0..1_050.0).contains(&distinct.estimate()));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct HyperLogLog {
    /// Empty until the first value: most columns of small tables are never asked.
    registers: Vec<u8>,
}

impl HyperLogLog {
    /// One that has seen nothing.
    pub fn new() -> Self {
        Self { registers: Vec::new() }
    }

    /// Takes the hash of a value, such as [`value_hash`](super::value_hash).
    #[inline]
    pub fn add(&mut self, hash: u64) {
        if self.registers.len() != REGISTERS {
            self.registers.resize(REGISTERS, 0);
        }
        let register = usize::try_from(hash >> TAIL).unwrap_or(0);
        // The bit behind the tail ends the count at 53.
        let tail = hash << PRECISION | 1 << (PRECISION - 1);
        let rank = u8::try_from(tail.leading_zeros() + 1).unwrap_or(u8::MAX);
        if let Some(known) = self.registers.get_mut(register) {
            *known = rank.max(*known);
        }
    }

    /// Adds what another has seen.
    pub fn merge(&mut self, other: &Self) {
        if self.registers.len() < other.registers.len() {
            self.registers.resize(REGISTERS, 0);
        }
        for (own, other) in self.registers.iter_mut().zip(&other.registers) {
            *own = (*own).max(*other);
        }
    }

    /// How many distinct values it has seen.
    #[expect(clippy::cast_precision_loss, reason = "counts of at most 4,096 registers")]
    pub fn estimate(&self) -> f64 {
        let mut counts = [0_u32; TAIL + 2];
        for rank in &self.registers {
            counts[usize::from(*rank).min(TAIL + 1)] += 1;
        }
        if self.registers.is_empty() || counts[0] as usize == REGISTERS {
            return 0.0;
        }
        let registers = REGISTERS as f64;
        let share = |count: u32| f64::from(count) / registers;
        let mut sum = registers * tau(1.0 - share(counts[TAIL + 1]));
        for count in counts[1..=TAIL].iter().rev() {
            sum = 0.5 * (sum + f64::from(*count));
        }
        sum += registers * sigma(share(counts[0]));
        registers * registers / (2.0 * std::f64::consts::LN_2 * sum)
    }
}

impl Default for HyperLogLog {
    fn default() -> Self {
        Self::new()
    }
}

/// x + sum of x^(2^k) * 2^(k-1), for x below 1.
fn sigma(mut x: f64) -> f64 {
    let (mut factor, mut sum) = (1.0, x);
    loop {
        x *= x;
        let before = sum;
        sum += x * factor;
        factor += factor;
        if sum <= before {
            return sum;
        }
    }
}

/// (1 - x - sum of (1 - x^(2^-k))^2 * 2^-k) / 3.
fn tau(mut x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return 0.0;
    }
    let (mut factor, mut sum) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = sum;
        factor *= 0.5;
        sum -= (1.0 - x) * (1.0 - x) * factor;
        if sum >= before {
            return sum / 3.0;
        }
    }
}
