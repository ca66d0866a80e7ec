//! Keys of drawn rows: they sort as the rows, come back, and cost no allocation.
//!
//! Each test prints its seed when it fails; run with another one as
//! `KEY_ORDER_SEED=7 cargo test -p lightning-db-types --test key_order`.
#![expect(clippy::unwrap_used, reason = "a failed helper fails its test")]

use lightning_db_types::{
    ColumnOrder, Decimal, KeyDecoder, Rng, SeededRng, Value, decode_row, encode_row,
};
use std::cmp::Ordering;

const ROWS: u32 = 1_000_000;

fn seed() -> u64 {
    std::env::var("KEY_ORDER_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(0x5EED)
}

/// Small alphabets, so that drawn strings are often equal or beginnings of each other.
fn draw_bytes(rng: &dyn Rng) -> Vec<u8> {
    const ALPHABET: [u8; 6] = [0x00, 0x01, b'a', 0x7F, 0xFE, 0xFF];
    let len = if rng.one_in(20) { rng.below(40) } else { rng.below(5) };
    (0..len).map(|_| ALPHABET[pick(rng, ALPHABET.len())]).collect()
}

fn draw_text(rng: &dyn Rng) -> String {
    const ALPHABET: [char; 6] = ['\0', '\u{1}', 'a', '\u{7f}', '\u{e9}', '\u{10ffff}'];
    let len = if rng.one_in(20) { rng.below(20) } else { rng.below(5) };
    (0..len).map(|_| ALPHABET[pick(rng, ALPHABET.len())]).collect()
}

fn pick(rng: &dyn Rng, count: usize) -> usize {
    usize::try_from(rng.below(count as u64)).unwrap()
}

/// Small, extreme or any bits, in equal parts.
fn draw_bits(rng: &dyn Rng) -> u64 {
    match rng.below(3) {
        0 => rng.below(5).wrapping_sub(2),
        1 => (1_u64 << rng.below(64)).wrapping_sub(rng.below(3)),
        _ => rng.next_u64(),
    }
}

fn draw_float(rng: &dyn Rng) -> f64 {
    const SPECIAL: [f64; 8] =
        [0.0, -0.0, 1.0, -1.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, -f64::NAN];
    if rng.one_in(2) { SPECIAL[pick(rng, SPECIAL.len())] } else { f64::from_bits(draw_bits(rng)) }
}

fn draw_decimal(rng: &dyn Rng) -> Decimal {
    let wide = (i128::from(rng.next_u64().cast_signed()) << 64) | i128::from(rng.next_u64());
    let mantissa = match rng.below(3) {
        0 => i128::from(rng.below(21)) - 10,
        1 => (wide >> rng.below(127)) % 10_i128.pow(38),
        _ => {
            let power = (0..rng.below(38)).fold(1_i128, |power, _| power * 10);
            [-1, 1][pick(rng, 2)] * (power - i128::from(rng.below(2)))
        }
    };
    let scale = if rng.one_in(2) { rng.below(3) } else { rng.below(39) };
    Decimal::new(mantissa, u8::try_from(scale).unwrap()).unwrap()
}

fn draw_value(rng: &dyn Rng) -> Value {
    match rng.below(13) {
        0 | 1 => Value::Null,
        2 => Value::Bool(rng.one_in(2)),
        3 => Value::I64(draw_bits(rng).cast_signed()),
        4 => Value::U64(draw_bits(rng)),
        5 => Value::F64(draw_float(rng)),
        6 => Value::Decimal(draw_decimal(rng)),
        7 => Value::Text(draw_text(rng)),
        8 => Value::Bytes(draw_bytes(rng)),
        9 => Value::Date(i32::from_le_bytes(draw_bits(rng).to_le_bytes()[..4].try_into().unwrap())),
        10 => Value::Timestamp(draw_bits(rng).cast_signed()),
        11 => Value::Uuid([draw_bits(rng).to_le_bytes(); 2].concat().try_into().unwrap()),
        _ => Value::Point { x: draw_float(rng), y: draw_float(rng) },
    }
}

/// A value of the same type, often equal.
fn draw_like(rng: &dyn Rng, value: &Value) -> Value {
    let decimal = |number: &Decimal| {
        // The same number with another scale, if it has room for one.
        let longer = number.mantissa().checked_mul(10).zip(number.scale().checked_add(1));
        longer.and_then(|(mantissa, scale)| Decimal::new(mantissa, scale).ok()).unwrap_or(*number)
    };
    match value {
        Value::Text(_) => Value::Text(draw_text(rng)),
        Value::Bytes(_) => Value::Bytes(draw_bytes(rng)),
        Value::F64(_) => Value::F64(draw_float(rng)),
        Value::Decimal(number) if rng.one_in(3) => Value::Decimal(decimal(number)),
        Value::Decimal(_) => Value::Decimal(draw_decimal(rng)),
        Value::I64(_) => Value::I64(draw_bits(rng).cast_signed()),
        Value::Point { x, .. } => Value::Point { x: *x, y: draw_float(rng) },
        _ => draw_value(rng),
    }
}

fn draw_order(rng: &dyn Rng) -> ColumnOrder {
    ColumnOrder { descending: rng.one_in(2), nulls_first: rng.one_in(2) }
}

fn compare(left: &[Value], right: &[Value], columns: &[ColumnOrder]) -> Ordering {
    let mut each = columns.iter().zip(left.iter().zip(right));
    each.find_map(|(order, (left, right))| {
        let order = order.compare(left.into(), right.into());
        (order != Ordering::Equal).then_some(order)
    })
    .unwrap_or(Ordering::Equal)
}

#[test]
fn keys_of_drawn_rows_sort_as_the_rows_and_come_back() {
    let seed = seed();
    let rng = SeededRng::new(seed);
    let (mut left_key, mut right_key, mut back) = (Vec::new(), Vec::new(), Vec::new());
    let mut outcomes = [0_u32; 3];
    for n in 0..ROWS / 2 {
        let columns: Vec<ColumnOrder> = (0..=rng.below(3)).map(|_| draw_order(&rng)).collect();
        let left: Vec<Value> = columns.iter().map(|_| draw_value(&rng)).collect();
        // Most rows begin alike, so that later columns and near values are compared too.
        let mut right = left.clone();
        for value in &mut right {
            match rng.below(6) {
                0 => *value = draw_value(&rng),
                1 | 2 => *value = draw_like(&rng, value),
                _ => {}
            }
        }
        left_key.clear();
        right_key.clear();
        encode_row(&left, &columns, &mut left_key).unwrap();
        encode_row(&right, &columns, &mut right_key).unwrap();
        let expected = compare(&left, &right, &columns);
        let context = || format!("seed {seed}, pair {n}: {left:?}, {right:?}, {columns:?}");
        assert_eq!(left_key.cmp(&right_key), expected, "{}", context());
        for (row, key) in [(&left, &left_key), (&right, &right_key)] {
            back.clear();
            assert_eq!(decode_row(key, &columns, &mut back), Ok(key.len()), "{}", context());
            assert_eq!(&back, row, "{}", context());
        }
        outcomes[(expected as i8 + 1).unsigned_abs() as usize] += 1;
    }
    assert!(outcomes.iter().all(|&count| count > ROWS / 20), "a lopsided draw: {outcomes:?}");
}

#[test]
fn a_reused_buffer_is_never_allocated_again() {
    let seed = seed();
    let rng = SeededRng::new(seed);
    let columns: Vec<ColumnOrder> = (0..4).map(|_| draw_order(&rng)).collect();
    let mut key = Vec::with_capacity(1 << 10);
    let (capacity, address) = (key.capacity(), key.as_ptr());
    for n in 0..10_000 {
        let row: Vec<Value> = (0..4).map(|_| draw_value(&rng)).collect();
        key.clear();
        encode_row(&row, &columns, &mut key).unwrap();
        assert_eq!((key.capacity(), key.as_ptr()), (capacity, address), "seed {seed}, row {n}");
    }
}

/// Accepted bytes are those that encoding writes: no two keys stand for one row.
fn check_damaged(bytes: &[u8], columns: &[ColumnOrder], context: &str) -> bool {
    let mut skipper = KeyDecoder::new(bytes);
    let types: Result<Vec<_>, _> = columns.iter().map(|&order| skipper.skip(order)).collect();
    let mut values = Vec::new();
    let Ok(len) = decode_row(bytes, columns, &mut values) else {
        assert!(values.is_empty());
        return false;
    };
    assert_eq!((types.map(|types| types.len()), skipper.offset()), (Ok(columns.len()), len));
    let mut key = Vec::new();
    encode_row(&values, columns, &mut key).unwrap();
    assert_eq!(key, bytes[..len], "{context}: {values:?}, {columns:?}");
    true
}

#[test]
fn damaged_keys_give_errors_or_rows_but_never_a_panic() {
    let seed = seed();
    let rng = SeededRng::new(seed);
    let (mut accepted, mut refused) = (0_u32, 0_u32);
    for n in 0..300_000 {
        let columns: Vec<ColumnOrder> = (0..=rng.below(3)).map(|_| draw_order(&rng)).collect();
        let row: Vec<Value> = columns.iter().map(|_| draw_value(&rng)).collect();
        let mut key = Vec::new();
        encode_row(&row, &columns, &mut key).unwrap();
        match rng.below(4) {
            0 => key.truncate(pick(&rng, key.len())),
            1 => {
                let at = pick(&rng, key.len());
                key[at] ^= 1 << rng.below(8);
            }
            2 => {
                let at = pick(&rng, key.len());
                key[at] = rng.next_u64().to_le_bytes()[0];
            }
            _ => {
                key = (0..rng.below(40)).map(|_| rng.next_u64().to_le_bytes()[0]).collect();
            }
        }
        let was_accepted = check_damaged(&key, &columns, &format!("seed {seed}, row {n}"));
        if was_accepted {
            accepted += 1;
        } else {
            refused += 1;
        }
    }
    assert!(accepted > 10_000 && refused > 10_000, "{accepted} accepted, {refused} refused");
}
