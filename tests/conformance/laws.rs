//! What must hold of every kind of index.

mod age;
mod build;
mod crash;
mod damage;
mod life;
mod transactions;

use crate::kinds::Kind;

/// Tries one kind, with a seed; panics if the law does not hold.
pub(crate) type Law = fn(&Kind, u64);

/// All laws, by name.
pub(crate) const LAWS: [(&str, Law); 16] = [
    ("answers", transactions::answers),
    ("rollback", transactions::rollback),
    ("savepoint", transactions::savepoint),
    ("conflict", transactions::conflict),
    ("phantom", transactions::phantom),
    ("independent", transactions::independent),
    ("no_trace", transactions::no_trace),
    ("age", age::age),
    ("crash", crash::crash),
    ("build_under_writers", build::build_under_writers),
    ("cancelled_build", build::cancelled_build),
    ("resumed_build", build::resumed_build),
    ("damage", damage::damage),
    ("drift", damage::drift),
    ("drop_while_reading", life::drop_while_reading),
    ("statistics", life::statistics),
];

/// Seed of a run: the first, unless another one is asked for.
fn seed() -> u64 {
    let given = std::env::var("LIGHTNING_INDEX_SEED").ok();
    given.and_then(|seed| seed.parse().ok()).unwrap_or(1)
}

/// Tries a law on one kind.
#[expect(clippy::print_stdout, reason = "a run that fails or hangs has named its seed")]
pub(crate) fn try_on(law: &str, kind: &Kind) {
    let (_, run) = LAWS.iter().find(|(name, _)| *name == law).unwrap();
    let (name, seed) = (kind.name, seed());
    println!(
        "{law} of {name}; replay: LIGHTNING_INDEX_SEED={seed} LIGHTNING_INDEX_KIND={name} cargo \
         test -p lightning-db-tests --test conformance {law}"
    );
    run(kind, seed);
}
