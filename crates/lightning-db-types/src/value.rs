//! The values that rows and keys are made of, and their order.

pub(crate) mod decimal;
pub(crate) mod float;

pub use decimal::Decimal;

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

/// Type of a [`Value`], in the order in which values of different types sort.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum ValueType {
    /// No value.
    Null,
    /// False or true.
    Bool,
    /// Signed whole number.
    I64,
    /// Unsigned whole number.
    U64,
    /// IEEE 754 double.
    F64,
    /// Exact decimal number.
    Decimal,
    /// UTF-8 text.
    Text,
    /// Bytes.
    Bytes,
    /// Day.
    Date,
    /// Moment.
    Timestamp,
    /// 128-bit identifier.
    Uuid,
    /// Point of the plane.
    Point,
}

impl ValueType {
    /// All types, in their order.
    pub const ALL: [Self; 12] = [
        Self::Null,
        Self::Bool,
        Self::I64,
        Self::U64,
        Self::F64,
        Self::Decimal,
        Self::Text,
        Self::Bytes,
        Self::Date,
        Self::Timestamp,
        Self::Uuid,
        Self::Point,
    ];

    /// Name as it is written in messages and plans, such as `timestamp`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool => "bool",
            Self::I64 => "i64",
            Self::U64 => "u64",
            Self::F64 => "f64",
            Self::Decimal => "decimal",
            Self::Text => "text",
            Self::Bytes => "bytes",
            Self::Date => "date",
            Self::Timestamp => "timestamp",
            Self::Uuid => "uuid",
            Self::Point => "point",
        }
    }
}

impl fmt::Display for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A value that owns its bytes. 32 bytes in memory, plus the text or bytes.
///
/// Values have a total order. Those of one type sort naturally; text and bytes sort byte by byte.
/// Types do not mix: values of different types sort by [`ValueType`], so that `I64(2)` comes before
/// `U64(1)`, and `U64(1)` is not equal to `I64(1)`. A column holds one type, so this is seen only
/// where types were mixed on purpose; to compare across types, convert first.
///
/// Floats: `-0.0` equals `0.0`, every NaN equals every other, and NaN is larger than infinity.
///
/// # Examples
/// ```
/// use lightning_db_types::Value;
/// assert!(Value::from(2_i64) < Value::from(10_i64));
/// assert!(Value::from("10") < Value::from("2"));
/// assert!(Value::Null < Value::from(false));
/// assert_eq!(Value::F64(-0.0), Value::F64(0.0));
/// assert!(Value::F64(f64::INFINITY) < Value::F64(f64::NAN));
/// ```
#[derive(Debug, Clone, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Value {
    /// No value. Equal to itself here; what a query makes of it is up to the query.
    #[default]
    Null,
    /// False sorts before true.
    Bool(bool),
    /// Signed whole number.
    I64(i64),
    /// Unsigned whole number.
    U64(u64),
    /// IEEE 754 double, with the order above.
    F64(f64),
    /// Exact decimal number of up to 38 digits.
    Decimal(Decimal),
    /// UTF-8 text, sorted by its bytes, which is the order of code points.
    Text(String),
    /// Any bytes.
    Bytes(Vec<u8>),
    /// Days since 1970-01-01, negative before.
    Date(i32),
    /// Microseconds since 1970-01-01T00:00:00Z, negative before.
    Timestamp(i64),
    /// Identifier in network byte order.
    Uuid([u8; 16]),
    /// Point of the plane; sorts by `x`, then by `y`.
    Point {
        /// First coordinate, or longitude in degrees.
        x: f64,
        /// Second coordinate, or latitude in degrees.
        y: f64,
    },
}

/// A value that borrows its text or bytes. Same types and order as [`Value`].
#[derive(Debug, Clone, Copy, Default)]
#[expect(missing_docs, reason = "the variants are those of `Value`, which documents them")]
pub enum ValueRef<'a> {
    #[default]
    Null,
    Bool(bool),
    I64(i64),
    U64(u64),
    F64(f64),
    Decimal(Decimal),
    Text(&'a str),
    Bytes(&'a [u8]),
    Date(i32),
    Timestamp(i64),
    Uuid([u8; 16]),
    Point {
        x: f64,
        y: f64,
    },
}

impl Value {
    /// Type of the value.
    pub fn value_type(&self) -> ValueType {
        self.as_value_ref().value_type()
    }

    /// Whether this is [`Value::Null`].
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The value with its text or bytes borrowed.
    #[inline]
    pub fn as_value_ref(&self) -> ValueRef<'_> {
        match self {
            Self::Null => ValueRef::Null,
            Self::Bool(value) => ValueRef::Bool(*value),
            Self::I64(value) => ValueRef::I64(*value),
            Self::U64(value) => ValueRef::U64(*value),
            Self::F64(value) => ValueRef::F64(*value),
            Self::Decimal(value) => ValueRef::Decimal(*value),
            Self::Text(value) => ValueRef::Text(value),
            Self::Bytes(value) => ValueRef::Bytes(value),
            Self::Date(value) => ValueRef::Date(*value),
            Self::Timestamp(value) => ValueRef::Timestamp(*value),
            Self::Uuid(value) => ValueRef::Uuid(*value),
            Self::Point { x, y } => ValueRef::Point { x: *x, y: *y },
        }
    }
}

impl ValueRef<'_> {
    /// Type of the value.
    #[inline]
    pub fn value_type(self) -> ValueType {
        match self {
            Self::Null => ValueType::Null,
            Self::Bool(_) => ValueType::Bool,
            Self::I64(_) => ValueType::I64,
            Self::U64(_) => ValueType::U64,
            Self::F64(_) => ValueType::F64,
            Self::Decimal(_) => ValueType::Decimal,
            Self::Text(_) => ValueType::Text,
            Self::Bytes(_) => ValueType::Bytes,
            Self::Date(_) => ValueType::Date,
            Self::Timestamp(_) => ValueType::Timestamp,
            Self::Uuid(_) => ValueType::Uuid,
            Self::Point { .. } => ValueType::Point,
        }
    }

    /// Whether this is [`ValueRef::Null`].
    pub fn is_null(self) -> bool {
        matches!(self, Self::Null)
    }

    /// The value with text or bytes of its own.
    pub fn to_value(self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(value),
            Self::I64(value) => Value::I64(value),
            Self::U64(value) => Value::U64(value),
            Self::F64(value) => Value::F64(value),
            Self::Decimal(value) => Value::Decimal(value),
            Self::Text(value) => Value::Text(value.to_owned()),
            Self::Bytes(value) => Value::Bytes(value.to_owned()),
            Self::Date(value) => Value::Date(value),
            Self::Timestamp(value) => Value::Timestamp(value),
            Self::Uuid(value) => Value::Uuid(value),
            Self::Point { x, y } => Value::Point { x, y },
        }
    }
}

impl Ord for ValueRef<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Bool(left), Self::Bool(right)) => left.cmp(right),
            (Self::I64(left), Self::I64(right))
            | (Self::Timestamp(left), Self::Timestamp(right)) => left.cmp(right),
            (Self::U64(left), Self::U64(right)) => left.cmp(right),
            (Self::F64(left), Self::F64(right)) => {
                float::to_ordered(*left).cmp(&float::to_ordered(*right))
            }
            (Self::Decimal(left), Self::Decimal(right)) => left.cmp(right),
            (Self::Text(left), Self::Text(right)) => left.cmp(right),
            (Self::Bytes(left), Self::Bytes(right)) => left.cmp(right),
            (Self::Date(left), Self::Date(right)) => left.cmp(right),
            (Self::Uuid(left), Self::Uuid(right)) => left.cmp(right),
            (Self::Point { x: left_x, y: left_y }, Self::Point { x: right_x, y: right_y }) => {
                let left = (float::to_ordered(*left_x), float::to_ordered(*left_y));
                left.cmp(&(float::to_ordered(*right_x), float::to_ordered(*right_y)))
            }
            _ => self.value_type().cmp(&other.value_type()),
        }
    }
}

impl PartialOrd for ValueRef<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for ValueRef<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for ValueRef<'_> {}

impl Hash for ValueRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.value_type().hash(state);
        match self {
            Self::Null => {}
            Self::Bool(value) => value.hash(state),
            Self::I64(value) | Self::Timestamp(value) => value.hash(state),
            Self::U64(value) => value.hash(state),
            Self::F64(value) => float::to_ordered(*value).hash(state),
            Self::Decimal(value) => value.hash(state),
            Self::Text(value) => value.hash(state),
            Self::Bytes(value) => value.hash(state),
            Self::Date(value) => value.hash(state),
            Self::Uuid(value) => value.hash(state),
            Self::Point { x, y } => {
                (float::to_ordered(*x), float::to_ordered(*y)).hash(state);
            }
        }
    }
}

impl Ord for Value {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_value_ref().cmp(&other.as_value_ref())
    }
}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Value {}

impl Hash for Value {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_value_ref().hash(state);
    }
}

impl<'a> From<&'a Value> for ValueRef<'a> {
    #[inline]
    fn from(value: &'a Value) -> Self {
        value.as_value_ref()
    }
}

impl<'a> From<&ValueRef<'a>> for ValueRef<'a> {
    #[inline]
    fn from(value: &ValueRef<'a>) -> Self {
        *value
    }
}

impl From<ValueRef<'_>> for Value {
    fn from(value: ValueRef<'_>) -> Self {
        value.to_value()
    }
}

/// Conversions of plain types that both forms have.
macro_rules! from_plain {
    ($($plain:ty => $variant:ident),* $(,)?) => {$(
        impl From<$plain> for Value {
            fn from(value: $plain) -> Self {
                Self::$variant(value)
            }
        }

        impl From<$plain> for ValueRef<'_> {
            fn from(value: $plain) -> Self {
                Self::$variant(value)
            }
        }
    )*};
}

from_plain! {
    bool => Bool,
    i64 => I64,
    u64 => U64,
    f64 => F64,
    Decimal => Decimal,
    [u8; 16] => Uuid,
}

/// Conversions of narrower numbers, none of which loses anything.
macro_rules! from_narrower {
    ($($narrow:ty => $variant:ident),* $(,)?) => {$(
        impl From<$narrow> for Value {
            fn from(value: $narrow) -> Self {
                Self::$variant(value.into())
            }
        }

        impl From<$narrow> for ValueRef<'_> {
            fn from(value: $narrow) -> Self {
                Self::$variant(value.into())
            }
        }
    )*};
}

from_narrower! {
    i8 => I64,
    i16 => I64,
    i32 => I64,
    u8 => U64,
    u16 => U64,
    u32 => U64,
    f32 => F64,
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<Vec<u8>> for Value {
    fn from(value: Vec<u8>) -> Self {
        Self::Bytes(value)
    }
}

impl From<&[u8]> for Value {
    fn from(value: &[u8]) -> Self {
        Self::Bytes(value.to_owned())
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    /// `None` is null.
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl<'a> From<&'a str> for ValueRef<'a> {
    fn from(value: &'a str) -> Self {
        Self::Text(value)
    }
}

impl<'a> From<&'a [u8]> for ValueRef<'a> {
    fn from(value: &'a [u8]) -> Self {
        Self::Bytes(value)
    }
}

#[cfg(test)]
mod tests;
