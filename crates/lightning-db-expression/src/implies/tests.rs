//! Tests of implication: chosen cases, and random ones against evaluation.

use lightning_db_types::{Rng, SeededRng, Value, ValueType};

use crate::{Comparison, Expression};

fn column(position: usize) -> Expression {
    Expression::column(position)
}

#[test]
fn the_forms_that_a_partial_index_needs_are_proved() {
    let a = || column(0);
    let yes = |known: Expression, wanted: Expression| {
        assert!(known.implies(&wanted), "{known} => {wanted}");
    };
    yes(a().equal(5_i64), a().greater(3_i64));
    yes(a().equal(5_i64), a().is_in([4_i64, 5]));
    yes(a().is_in([4_i64, 5]), a().is_in([5_u64, 4, 3]));
    yes(a().is_in([4_i64, 5]), a().between(4_i64, 9_i64));
    yes(a().between(5_i64, 6_i64), a().between(4_i64, 9_i64));
    yes(a().between(5_i64, 6_i64), a().not_equal(7_i64));
    yes(a().equal(5_i64).and(column(1).equal("x")), column(1).is_not_null());
    yes(a().lower().equal("x"), a().is_not_null());
    yes(a().plus(column(1)).less(3_i64), column(1).is_not_null());
    yes(a().like("abc%"), a().is_not_null());
    yes(a().like("abc%"), a().starts_with("ab"));
    yes(a().equal("abc"), a().like("ab%"));
    yes(a().greater(3_i64).negated(), a().at_most(3_i64));
    yes(a().is_in([1_i64, 2]).negated(), a().not_equal(1_i64));
    yes(a().equal(1_i64).or(a().equal(2_i64)), a().less(3_i64));
    yes(a().equal(1_i64), a().equal(1_i64).or(column(1).equal("x")));
    yes(a().greater(1_i64).and(a().less(0_i64)), column(3).equal(9_i64));
    yes(a().less(column(1)), column(1).greater(a()));
    yes(a().equal(column(1)), column(1).at_most(a()));
    yes(a().is_not_null(), a().is_not_null());
    yes(a().is_null().negated().and(a().at_least(3_i64)), a().greater(2.5));
    yes(a(), a().equal(true));
    yes(a().negated(), a().not_equal(true));
    yes(a().at_least(1_i64).and(a().at_most(1_i64)), a().equal(1_i64));
    yes(Expression::from(false), a().equal(1_i64));
    yes(a().greater(0_i64), Expression::from(true));
    yes(a().greater(0_i64), a().less(5_i64).or(a().at_least(5_i64)));
    let no = |known: Expression, wanted: Expression| {
        assert!(!known.implies(&wanted), "{known} => {wanted}");
    };
    no(a().greater(3_i64), a().equal(5_i64));
    no(a().greater(3_i64), a().less("x"));
    no(a().coalesce(1_i64).equal(1_i64), a().is_not_null());
    no(a().is_null(), a().equal(1_i64));
    no(a().equal(column(1)).or(a().is_null()), a().is_not_null());
    no(a().at_least(5_i64), a().greater(5_i64));
    no(a().less(column(1)), a().less(column(2)));
    no(Expression::from(true), a().is_not_null());
}

/// A random condition over two columns of numbers, one of text and one of truth.
fn condition(rng: &SeededRng, depth: u64) -> Expression {
    let whole = || Expression::from(i64::try_from(rng.below(5)).unwrap());
    let number = || match rng.below(4) {
        0 => Expression::from(2.5),
        1 => Expression::literal(Value::Null),
        _ => whole(),
    };
    let value = || match rng.below(5) {
        0 => column(0).plus(1_i64),
        1 => column(1),
        2 => column(1).coalesce(2_i64),
        _ => column(0),
    };
    let comparison = || match rng.below(6) {
        0 => Comparison::Equal,
        1 => Comparison::NotEqual,
        2 => Comparison::Less,
        3 => Comparison::AtMost,
        4 => Comparison::Greater,
        _ => Comparison::AtLeast,
    };
    let text = || ["a", "ab", "abc", "b"][usize::try_from(rng.below(4)).unwrap()];
    let below = depth + 1;
    match rng.below(if depth > 2 { 9 } else { 12 }) {
        0 | 1 => value().compare(comparison(), number()),
        2 => value().compare(comparison(), value()),
        3 => value().between(number(), number()),
        4 => value().is_in([number(), number()]),
        5 => [value(), column(2), column(3)][usize::try_from(rng.below(3)).unwrap()]
            .clone()
            .is_null(),
        6 => column(2).compare(comparison(), text()),
        7 => column(2).like(format!("{}%", text())),
        8 => column(3),
        9 => condition(rng, below).and(condition(rng, below)),
        10 => condition(rng, below).or(condition(rng, below)),
        _ => condition(rng, below).negated(),
    }
}

fn row(rng: &SeededRng) -> Vec<Value> {
    let number = || match rng.below(6) {
        0 => Value::Null,
        1 => Value::F64(2.5),
        whole => Value::I64(i64::try_from(whole).unwrap() - 1),
    };
    let text = match rng.below(6) {
        0 => Value::Null,
        pick => Value::from(["a", "ab", "abc", "abd", "b"][usize::try_from(pick).unwrap() - 1]),
    };
    let truth = match rng.below(3) {
        0 => Value::Null,
        pick => Value::Bool(pick == 1),
    };
    vec![number(), number(), text, truth]
}

#[test]
fn what_is_implied_is_true_for_random_conditions_and_rows() {
    let seed = std::env::var("LIGHTNING_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(7);
    println!("LIGHTNING_SEED={seed}");
    let rng = SeededRng::new(seed);
    let rows: Vec<_> = (0..400).map(|_| row(&rng)).collect();
    let mut proved = 0;
    for _ in 0..60_000 {
        let (known, wanted) = (condition(&rng, 1), condition(&rng, 1));
        if !known.implies(&wanted) {
            continue;
        }
        proved += 1;
        for row in &rows {
            let (Ok(true), Ok(found)) = (known.is_true(row), wanted.truth(row)) else { continue };
            assert_eq!(found, Some(true), "{known} => {wanted} on {row:?}, seed {seed}");
        }
    }
    assert!(proved > 1_000, "only {proved} were proved");
}

/// On one column and comparisons with whole values, nothing that holds is missed.
#[test]
fn ranges_of_one_column_are_proved_completely() {
    let rng = SeededRng::new(3);
    let single = |rng: &SeededRng| {
        let value = |rng: &SeededRng| i64::try_from(rng.below(6)).unwrap();
        match rng.below(6) {
            0 => column(0).less(value(rng)),
            1 => column(0).at_least(value(rng)),
            2 => column(0).between(value(rng), value(rng)),
            3 => column(0).is_in([value(rng), value(rng), value(rng)]),
            4 => column(0).not_equal(value(rng)),
            _ => column(0).at_most(value(rng)).negated(),
        }
    };
    // Values between the whole ones stand for all others, and no column is only whole here.
    let rows: Vec<Vec<Value>> = (-3..15)
        .map(|half| vec![Value::F64(f64::from(half) / 2.0)])
        .chain([vec![Value::Null]])
        .collect();
    for _ in 0..20_000 {
        let known = single(&rng).and(single(&rng));
        let wanted = if rng.one_in(2) { single(&rng) } else { single(&rng).or(single(&rng)) };
        let holds =
            rows.iter().all(|row| !known.is_true(row).unwrap() || wanted.is_true(row).unwrap());
        assert_eq!(known.implies(&wanted), holds, "{known} => {wanted}");
    }
    let text = column(0).cast(ValueType::Text).equal("1");
    assert!(text.implies(&column(0).is_not_null()));
}
