//! Values of one column of many rows, by type, so that loops over them have no branch on it.

use lightning_db_types::{Decimal, Value, ValueRef};

/// Where a row has no partner: a place that stands for a null.
pub(super) const NOWHERE: u32 = u32::MAX;

/// Values of one column. It takes the type of what is put into it first; values that do not fit
/// the type make it one of any values.
#[derive(Debug, Clone, Default)]
pub(in crate::execute) struct Vector {
    pub(super) values: Values,
    /// Whether each is null; empty if none is.
    pub(super) nulls: Vec<bool>,
    /// Bytes that any values have on the heap.
    heap: usize,
}

/// What stands in a [`Vector`]; a null stands as any value.
#[derive(Debug, Clone)]
pub(super) enum Values {
    /// So many nulls.
    Null(usize),
    Bool(Vec<bool>),
    I64(Vec<i64>),
    U64(Vec<u64>),
    F64(Vec<f64>),
    /// Decimals of one scale whose mantissas are short.
    Decimal(u8, Vec<i64>),
    Date(Vec<i32>),
    Timestamp(Vec<i64>),
    Text(Texts),
    /// Values of other types, or of several.
    Any(Vec<Value>),
}

impl Default for Values {
    fn default() -> Self {
        Self::Null(0)
    }
}

/// Texts one behind the other.
#[derive(Debug, Clone, Default)]
pub(super) struct Texts {
    ends: Vec<usize>,
    text: String,
}

impl Texts {
    /// Texts that end at these places; `None` if one is not UTF-8.
    pub(super) fn new(ends: Vec<usize>, bytes: Vec<u8>) -> Option<Self> {
        let text = String::from_utf8(bytes).ok()?;
        let are_texts = ends.iter().all(|end| text.is_char_boundary(*end));
        are_texts.then_some(Self { ends, text })
    }

    #[inline]
    pub(super) fn at(&self, row: usize) -> &str {
        let start = row.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[start..self.ends[row]]
    }

    #[inline]
    fn push(&mut self, text: &str) {
        self.text.push_str(text);
        self.ends.push(self.text.len());
    }
}

/// A decimal of a scale that a vector has, and a mantissa that fits into 64 bits.
pub(super) fn decimal(mantissa: i64, scale: u8) -> Decimal {
    Decimal::new(mantissa.into(), scale).unwrap_or(Decimal::ZERO)
}

/// The mantissa of a decimal, if it is short.
#[inline]
fn short(value: Decimal) -> Option<i64> {
    i64::try_from(value.mantissa()).ok()
}

impl Vector {
    /// Of values that are all there.
    pub(super) fn new(values: Values) -> Self {
        Self { values, ..Self::default() }
    }

    /// The same values, of which these are nulls.
    pub(super) fn with_nulls(self, nulls: Vec<bool>) -> Self {
        Self { nulls, ..self }
    }

    pub(super) fn len(&self) -> usize {
        match &self.values {
            Values::Null(len) => *len,
            Values::Bool(values) => values.len(),
            Values::I64(values) | Values::Decimal(_, values) | Values::Timestamp(values) => {
                values.len()
            }
            Values::U64(values) => values.len(),
            Values::F64(values) => values.len(),
            Values::Date(values) => values.len(),
            Values::Text(texts) => texts.ends.len(),
            Values::Any(values) => values.len(),
        }
    }

    /// Bytes that it takes, about.
    pub(super) fn bytes(&self) -> usize {
        let each = match &self.values {
            Values::Null(_) => 0,
            Values::Bool(_) => 1,
            Values::Date(_) => 4,
            Values::Any(_) => size_of::<Value>(),
            _ => 8,
        };
        let texts = if let Values::Text(texts) = &self.values { texts.text.len() } else { 0 };
        self.len() * each + self.nulls.len() + texts + self.heap
    }

    /// Gives back room that texts do not fill.
    pub(super) fn shrink(&mut self) {
        if let Values::Text(texts) = &mut self.values {
            texts.text.shrink_to_fit();
        }
    }

    /// Takes all values out, and keeps the room.
    pub(super) fn clear(&mut self) {
        self.nulls.clear();
        self.heap = 0;
        match &mut self.values {
            Values::Bool(values) => values.clear(),
            Values::I64(values) | Values::Decimal(_, values) | Values::Timestamp(values) => {
                values.clear();
            }
            Values::U64(values) => values.clear(),
            Values::F64(values) => values.clear(),
            Values::Date(values) => values.clear(),
            Values::Text(texts) => {
                texts.ends.clear();
                texts.text.clear();
            }
            values @ (Values::Null(_) | Values::Any(_)) => *values = Values::Null(0),
        }
    }

    #[inline]
    pub(super) fn is_null(&self, row: usize) -> bool {
        match &self.values {
            Values::Null(_) => true,
            _ => self.nulls.get(row).copied().unwrap_or(false),
        }
    }

    /// Whether a null may be in it.
    pub(super) fn has_nulls(&self) -> bool {
        matches!(self.values, Values::Null(_)) || !self.nulls.is_empty()
    }

    #[inline]
    pub(in crate::execute) fn value(&self, row: usize) -> ValueRef<'_> {
        if self.is_null(row) {
            return ValueRef::Null;
        }
        match &self.values {
            Values::Null(_) => ValueRef::Null,
            Values::Bool(values) => ValueRef::Bool(values[row]),
            Values::I64(values) => ValueRef::I64(values[row]),
            Values::U64(values) => ValueRef::U64(values[row]),
            Values::F64(values) => ValueRef::F64(values[row]),
            Values::Decimal(scale, values) => ValueRef::Decimal(decimal(values[row], *scale)),
            Values::Date(values) => ValueRef::Date(values[row]),
            Values::Timestamp(values) => ValueRef::Timestamp(values[row]),
            Values::Text(texts) => ValueRef::Text(texts.at(row)),
            Values::Any(values) => values[row].as_value_ref(),
        }
    }

    #[inline]
    pub(super) fn push(&mut self, value: ValueRef<'_>) {
        match (&mut self.values, value) {
            (Values::I64(to), ValueRef::I64(value))
            | (Values::Timestamp(to), ValueRef::Timestamp(value)) => to.push(value),
            (Values::Decimal(scale, to), ValueRef::Decimal(value))
                if value.scale() == *scale && short(value).is_some() =>
            {
                to.extend(short(value));
            }
            (Values::Text(to), ValueRef::Text(value)) => to.push(value),
            (Values::Date(to), ValueRef::Date(value)) => to.push(value),
            (Values::Bool(to), ValueRef::Bool(value)) => to.push(value),
            (Values::U64(to), ValueRef::U64(value)) => to.push(value),
            (Values::F64(to), ValueRef::F64(value)) => to.push(value),
            (_, ValueRef::Null) => return self.push_null(),
            (Values::Any(to), value) => {
                self.heap += heap(value);
                to.push(value.to_value());
            }
            (_, value) => return self.push_other(value),
        }
        if !self.nulls.is_empty() {
            self.nulls.push(false);
        }
    }

    fn push_null(&mut self) {
        let len = self.len();
        self.push_nothing();
        if !matches!(self.values, Values::Null(_)) {
            self.nulls.resize(len, false);
            self.nulls.push(true);
        }
    }

    /// What stands where there is no value.
    fn push_nothing(&mut self) {
        match &mut self.values {
            Values::Null(len) => *len += 1,
            Values::Bool(to) => to.push(false),
            Values::I64(to) | Values::Decimal(_, to) | Values::Timestamp(to) => to.push(0),
            Values::U64(to) => to.push(0),
            Values::F64(to) => to.push(0.0),
            Values::Date(to) => to.push(0),
            Values::Text(to) => to.push(""),
            Values::Any(to) => to.push(Value::Null),
        }
    }

    /// A value that the values before it are not like.
    #[cold]
    fn push_other(&mut self, value: ValueRef<'_>) {
        let len = self.len();
        let typed = match value {
            ValueRef::Bool(_) => Values::Bool(vec![false; len]),
            ValueRef::I64(_) => Values::I64(vec![0; len]),
            ValueRef::U64(_) => Values::U64(vec![0; len]),
            ValueRef::F64(_) => Values::F64(vec![0.0; len]),
            ValueRef::Decimal(value) if short(value).is_some() => {
                Values::Decimal(value.scale(), vec![0; len])
            }
            ValueRef::Date(_) => Values::Date(vec![0; len]),
            ValueRef::Timestamp(_) => Values::Timestamp(vec![0; len]),
            ValueRef::Text(_) => Values::Text(Texts { ends: vec![0; len], text: String::new() }),
            _ => Values::Any(vec![Value::Null; len]),
        };
        let nothing_before = len == 0 || matches!(self.values, Values::Null(_));
        if nothing_before {
            self.nulls = vec![true; len];
            self.values = typed;
        } else {
            self.heap = (0..len).map(|row| heap(self.value(row))).sum();
            self.values = Values::Any((0..len).map(|row| self.value(row).to_value()).collect());
        }
        self.push(value);
    }

    /// Puts the value of a row, which is behind all that are there; what is between does not count.
    #[inline]
    pub(super) fn put(&mut self, row: usize, value: ValueRef<'_>) {
        while self.len() < row {
            self.push_nothing();
            if !self.nulls.is_empty() {
                self.nulls.push(false);
            }
        }
        self.push(value);
    }

    /// Puts the values of rows of another behind its own; [`NOWHERE`] is a null.
    pub(super) fn append(&mut self, other: &Self, rows: &[u32]) {
        if self.len() == 0 {
            self.become_like(other);
        }
        let plain = !other.has_nulls() && !rows.contains(&NOWHERE);
        let start = self.len();
        let at = |row: &u32| *row as usize;
        match (&mut self.values, &other.values) {
            (Values::I64(to), Values::I64(from))
            | (Values::Timestamp(to), Values::Timestamp(from))
                if plain =>
            {
                to.extend(rows.iter().map(|row| from[at(row)]));
            }
            (Values::Decimal(scale, to), Values::Decimal(same, from)) if plain && scale == same => {
                to.extend(rows.iter().map(|row| from[at(row)]));
            }
            (Values::U64(to), Values::U64(from)) if plain => {
                to.extend(rows.iter().map(|row| from[at(row)]));
            }
            (Values::F64(to), Values::F64(from)) if plain => {
                to.extend(rows.iter().map(|row| from[at(row)]));
            }
            (Values::Date(to), Values::Date(from)) if plain => {
                to.extend(rows.iter().map(|row| from[at(row)]));
            }
            (Values::Bool(to), Values::Bool(from)) if plain => {
                to.extend(rows.iter().map(|row| from[at(row)]));
            }
            (Values::Text(to), Values::Text(from)) if plain => {
                for row in rows {
                    to.push(from.at(at(row)));
                }
            }
            _ => {
                for row in rows {
                    let value = if *row == NOWHERE { ValueRef::Null } else { other.value(at(row)) };
                    self.push(value);
                }
                return;
            }
        }
        if !self.nulls.is_empty() {
            self.nulls.resize(start + rows.len(), false);
        }
    }

    /// The values of some rows.
    pub(super) fn gathered(&self, rows: &[u32]) -> Self {
        let mut gathered = Self::default();
        gathered.append(self, rows);
        gathered
    }

    /// Takes the type of another, while it is empty.
    fn become_like(&mut self, other: &Self) {
        let same = match (&self.values, &other.values) {
            (Values::Decimal(scale, _), Values::Decimal(other, _)) => scale == other,
            (one, other) => std::mem::discriminant(one) == std::mem::discriminant(other),
        };
        if same {
            return;
        }
        self.nulls.clear();
        self.values = match &other.values {
            Values::Null(_) => Values::Null(0),
            Values::Bool(_) => Values::Bool(Vec::new()),
            Values::I64(_) => Values::I64(Vec::new()),
            Values::U64(_) => Values::U64(Vec::new()),
            Values::F64(_) => Values::F64(Vec::new()),
            Values::Decimal(scale, _) => Values::Decimal(*scale, Vec::new()),
            Values::Date(_) => Values::Date(Vec::new()),
            Values::Timestamp(_) => Values::Timestamp(Vec::new()),
            Values::Text(_) => Values::Text(Texts::default()),
            Values::Any(_) => Values::Any(Vec::new()),
        };
    }
}

/// Bytes of a value on the heap.
fn heap(value: ValueRef<'_>) -> usize {
    match value {
        ValueRef::Text(text) => text.len(),
        ValueRef::Bytes(bytes) => bytes.len(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Value {
        Value::Decimal(text.parse().unwrap())
    }

    fn of(values: &[Value]) -> Vector {
        let mut vector = Vector::default();
        for value in values {
            vector.push(value.as_value_ref());
        }
        vector
    }

    fn values_of(vector: &Vector) -> Vec<Value> {
        (0..vector.len()).map(|row| vector.value(row).to_value()).collect()
    }

    #[test]
    fn values_of_all_types_come_back_as_they_were() {
        let lists = [
            vec![Value::Null, Value::I64(1), Value::Null, Value::I64(-1)],
            vec![decimal("1.50"), decimal("2.25"), Value::Null, decimal("3.5"), decimal("1")],
            vec![decimal("99999999999999999999999999.1")],
            vec!["a".into(), Value::Null, "".into(), "\u{e9}".into(), Value::Bool(true)],
            vec![Value::Null, Value::Null],
            vec![Value::F64(-0.0), Value::F64(f64::NAN), Value::U64(7)],
            vec![Value::Date(3), Value::Date(-3), Value::Timestamp(3)],
            vec![Value::Bytes(vec![1]), Value::Uuid([3; 16]), Value::Point { x: 1.0, y: 2.0 }],
            vec![Value::Bool(true), Value::Null, Value::Bool(false)],
        ];
        let shown = |values: Vec<Value>| format!("{values:?}");
        for list in &lists {
            let mut vector = of(list);
            assert_eq!(shown(values_of(&vector)), shown(list.clone()));
            let last = u32::try_from(list.len() - 1).unwrap();
            let picked = values_of(&vector.gathered(&[last, NOWHERE, 0, 0]));
            let expected = [list.last().unwrap(), &Value::Null, &list[0], &list[0]];
            assert_eq!(shown(picked), shown(expected.map(Clone::clone).to_vec()));
            for other in &lists {
                let mut both = vector.clone();
                both.append(
                    &of(other),
                    &(0..u32::try_from(other.len()).unwrap()).collect::<Vec<_>>(),
                );
                assert_eq!(shown(values_of(&both)), shown([&list[..], other].concat()));
            }
            vector.clear();
            assert_eq!(vector.len(), 0);
            for value in list {
                vector.push(value.as_value_ref());
            }
            assert_eq!(shown(values_of(&vector)), shown(list.clone()), "after it was cleared");
        }
    }
}
