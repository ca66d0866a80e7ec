//! Hash tables over keys that are vectors.

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::FixedState;
use lightning_db_expression::number;
use lightning_db_types::ValueRef;

use super::vector::{Values, Vector, decimal};

/// Which keys are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Equality {
    /// Values of one type, and nulls.
    OfValues,
    /// Numbers of any types by what number they are. Keys with nulls are not asked for.
    OfNumbers,
}

/// Different keys, numbered in the order in which they came.
#[derive(Debug)]
pub(super) struct Keys {
    /// The keys, column by column.
    pub(super) columns: Vec<Vector>,
    equality: Equality,
    hashes: Vec<u64>,
    /// The number of a key and one, at the place of its hash or behind; zero where there is none.
    /// At most half of them are taken.
    slots: Vec<u32>,
}

impl Keys {
    pub(super) fn new(columns: usize, equality: Equality) -> Self {
        let columns = vec![Vector::default(); columns];
        Self { columns, equality, hashes: Vec::new(), slots: vec![0; 16] }
    }

    pub(super) fn len(&self) -> usize {
        self.hashes.len()
    }

    /// Bytes that it takes, about.
    pub(super) fn bytes(&self) -> usize {
        let columns: usize = self.columns.iter().map(Vector::bytes).sum();
        columns + 8 * self.hashes.len() + 4 * self.slots.len()
    }

    /// The number of a key.
    #[inline]
    pub(super) fn find(&self, hash: u64, key: &[&Vector], row: usize) -> Option<u32> {
        let mut slot = self.first_slot(hash);
        loop {
            let number = self.slots[slot].checked_sub(1)?;
            if self.hashes[number as usize] == hash && self.is_key(number as usize, key, row) {
                return Some(number);
            }
            slot = (slot + 1) & (self.slots.len() - 1);
        }
    }

    /// The number of a key, which is a new one if it was not there.
    #[inline]
    pub(super) fn find_or_insert(&mut self, hash: u64, key: &[&Vector], row: usize) -> u32 {
        if let Some(found) = self.find(hash, key, row) {
            return found;
        }
        // Keys of 2^32 do not fit into the memory of a query.
        let number = u32::try_from(self.hashes.len()).unwrap_or(u32::MAX - 1);
        self.hashes.push(hash);
        for (column, vector) in self.columns.iter_mut().zip(key) {
            column.push(vector.value(row));
        }
        if 2 * self.hashes.len() > self.slots.len() {
            self.slots = vec![0; 4 * self.slots.len()];
            for number in 0..self.hashes.len() {
                self.place(number);
            }
        } else {
            self.place(number as usize);
        }
        number
    }

    fn place(&mut self, number: usize) {
        let mut slot = self.first_slot(self.hashes[number]);
        while self.slots[slot] != 0 {
            slot = (slot + 1) & (self.slots.len() - 1);
        }
        self.slots[slot] = u32::try_from(number).unwrap_or(u32::MAX - 1) + 1;
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "some bits of the hash are enough")]
    fn first_slot(&self, hash: u64) -> usize {
        hash as usize & (self.slots.len() - 1)
    }

    #[inline]
    fn is_key(&self, number: usize, key: &[&Vector], row: usize) -> bool {
        let mut columns = self.columns.iter().zip(key);
        columns.all(|(column, vector)| self.is_same((column, number), (vector, row)))
    }

    #[inline]
    fn is_same(&self, (one, at): (&Vector, usize), (other, row): (&Vector, usize)) -> bool {
        if one.has_nulls() || other.has_nulls() {
            return self.is_same_value(one.value(at), other.value(row));
        }
        match (&one.values, &other.values) {
            (Values::I64(one), Values::I64(other))
            | (Values::Timestamp(one), Values::Timestamp(other)) => one[at] == other[row],
            (Values::Date(one), Values::Date(other)) => one[at] == other[row],
            (Values::Text(one), Values::Text(other)) => one.at(at) == other.at(row),
            (Values::Decimal(scale, one), Values::Decimal(same, other)) if scale == same => {
                one[at] == other[row]
            }
            _ => self.is_same_value(one.value(at), other.value(row)),
        }
    }

    fn is_same_value(&self, one: ValueRef<'_>, other: ValueRef<'_>) -> bool {
        match self.equality {
            Equality::OfValues => one == other,
            Equality::OfNumbers => {
                number::compare(one, other).is_some_and(std::cmp::Ordering::is_eq)
            }
        }
    }
}

/// Hashes of keys, one for each of the rows: the same for equal numbers, whatever their types.
pub(super) fn hashes(key: &[&Vector], rows: &[u32]) -> Vec<u64> {
    let mut all = vec![0; rows.len()];
    for vector in key {
        let each = all.iter_mut().zip(rows);
        match &vector.values {
            _ if vector.has_nulls() => {
                each.for_each(|(hash, row)| step(hash, of_value(vector.value(*row as usize))));
            }
            Values::I64(values) => {
                each.for_each(|(hash, row)| step(hash, of_whole(values[*row as usize])));
            }
            Values::Date(values) => {
                each.for_each(|(hash, row)| step(hash, of_whole(values[*row as usize].into())));
            }
            Values::Text(texts) => {
                each.for_each(|(hash, row)| step(hash, of_text(texts.at(*row as usize))));
            }
            Values::Decimal(scale, values) => {
                let unit = 10_i64.checked_pow((*scale).into());
                each.for_each(|(hash, row)| {
                    let value = values[*row as usize];
                    let whole = unit.filter(|unit| value % unit == 0).map(|unit| value / unit);
                    let other = || of_value(ValueRef::Decimal(decimal(value, *scale)));
                    step(hash, whole.map_or_else(other, of_whole));
                });
            }
            _ => each.for_each(|(hash, row)| step(hash, of_value(vector.value(*row as usize)))),
        }
    }
    all
}

/// Goes on behind the hash of a column.
#[inline]
fn step(hash: &mut u64, value: u64) {
    *hash = mixed(hash.rotate_left(23) ^ value);
}

/// Spreads a number over all bits: a product whose halves are put together, as foldhash does.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "both halves are taken")]
fn mixed(number: u64) -> u64 {
    let product = u128::from(number ^ 0x243f_6a88_85a3_08d3) * 0x9e37_79b9_7f4a_7c15_u128;
    (product >> 64) as u64 ^ product as u64
}

#[inline]
fn of_whole(value: i64) -> u64 {
    mixed(value.cast_unsigned())
}

fn of_text(text: &str) -> u64 {
    let mut hasher = FixedState::default().build_hasher();
    hasher.write(text.as_bytes());
    hasher.finish()
}

fn of_value(value: ValueRef<'_>) -> u64 {
    let of_any = |value: ValueRef<'_>| match value {
        ValueRef::I64(value) => of_whole(value),
        other => FixedState::default().hash_one(other),
    };
    match value {
        ValueRef::Text(text) => of_text(text),
        ValueRef::Date(day) => of_whole(day.into()),
        ValueRef::I64(value) => of_whole(value),
        other => match number::canonical(other) {
            Some(same) => of_any(same.as_value_ref()),
            None => of_any(other),
        },
    }
}

#[cfg(test)]
mod tests {
    use lightning_db_types::Value;

    use super::*;

    fn of(values: &[Value]) -> Vector {
        let mut vector = Vector::default();
        for value in values {
            vector.push(value.as_value_ref());
        }
        vector
    }

    fn decimal(text: &str) -> Value {
        Value::Decimal(text.parse().unwrap())
    }

    #[test]
    fn equal_numbers_are_found_whatever_their_types() {
        let lists = [
            vec![Value::I64(7), Value::I64(-2), Value::I64(0)],
            vec![Value::U64(7), Value::F64(-2.0), Value::U64(0)],
            vec![decimal("7.00"), decimal("-2.00"), decimal("0.00")],
            vec![decimal("7"), decimal("-2.0"), decimal("0.000"), Value::Null],
        ];
        let rows = [0, 1, 2];
        for one in &lists {
            let vector = of(one);
            let mut keys = Keys::new(1, Equality::OfNumbers);
            for (row, hash) in hashes(&[&vector], &rows).into_iter().enumerate() {
                assert_eq!(keys.find_or_insert(hash, &[&vector], row) as usize, row);
            }
            for other in &lists {
                let vector = of(other);
                for (row, hash) in hashes(&[&vector], &rows).into_iter().enumerate() {
                    let found = keys.find(hash, &[&vector], row);
                    assert_eq!(found, u32::try_from(row).ok(), "{one:?} {other:?}");
                }
            }
        }
    }

    #[test]
    fn groups_tell_types_apart_and_have_one_for_null() {
        let values = [
            Value::Null,
            Value::I64(1),
            decimal("1.0"),
            "1".into(),
            decimal("1.00"),
            Value::Null,
            Value::F64(1.0),
            decimal("1.25"),
            decimal("1.250"),
        ];
        let vector = of(&values);
        let rows: Vec<u32> = (0..9).collect();
        let mut keys = Keys::new(1, Equality::OfValues);
        let found = hashes(&[&vector], &rows).into_iter().enumerate();
        let found: Vec<u32> =
            found.map(|(row, hash)| keys.find_or_insert(hash, &[&vector], row)).collect();
        assert_eq!(found, [0, 1, 2, 3, 2, 0, 4, 5, 5]);
        assert_eq!(keys.len(), 6);
    }

    #[test]
    fn many_keys_keep_their_numbers() {
        let numbers: Vec<Value> = (0..5_000).map(|number| Value::I64(number % 2_500)).collect();
        let texts: Vec<Value> = (0..5_000).map(|it| Value::from(format!("{}", it % 2))).collect();
        let (numbers, texts) = (of(&numbers), of(&texts));
        let key = [&numbers, &texts];
        let rows: Vec<u32> = (0..5_000).collect();
        let mut keys = Keys::new(2, Equality::OfValues);
        for (row, hash) in hashes(&key, &rows).into_iter().enumerate() {
            assert_eq!(keys.find_or_insert(hash, &key, row) as usize, row % 2_500);
        }
        assert_eq!(keys.len(), 2_500);
    }
}
