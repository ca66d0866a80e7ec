//! Types of the fields of records.

use lightning_db_types::{Decimal, Value, ValueRef};

use crate::schema::{ColumnDefinition, ColumnType};

/// A type whose values a column holds.
///
/// `Option` of such a type is a column that may be null. Whole numbers that are smaller than 64
/// bits are columns of 64 bits, and a stored value that does not fit is an error when it is read.
pub trait Field: Sized {
    /// Type of the column.
    const COLUMN_TYPE: ColumnType;
    /// Whether the column may be null.
    const NULLABLE: bool = false;

    /// The value to be stored.
    fn to_value(&self) -> Value;

    /// The field of a stored value; `None` if it is no such value.
    fn from_value(value: ValueRef<'_>) -> Option<Self>;

    /// The column.
    fn column(name: &str) -> ColumnDefinition {
        let column = ColumnDefinition::new(name, Self::COLUMN_TYPE);
        if Self::NULLABLE { column.nullable() } else { column }
    }
}

/// A day, as days since 1970-01-01.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(pub i32);

/// A moment, as microseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

/// JSON text (RFC 8259), checked when it is written.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Json(pub String);

/// A point of the plane, or a place on the sphere.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Point {
    /// First coordinate, or longitude in degrees.
    pub x: f64,
    /// Second coordinate, or latitude in degrees.
    pub y: f64,
}

macro_rules! fields {
    ($($field:ty => $column:ident, $of:ident => $to:expr, $value:pat => $from:expr;)*) => {$(
        impl Field for $field {
            const COLUMN_TYPE: ColumnType = ColumnType::$column;

            fn to_value(&self) -> Value {
                let $of = self;
                $to
            }

            fn from_value(value: ValueRef<'_>) -> Option<Self> {
                match value {
                    $value => $from,
                    _ => None,
                }
            }
        }
    )*};
}

fields! {
    bool => Bool, it => Value::Bool(*it), ValueRef::Bool(value) => Some(value);
    i64 => I64, it => Value::I64(*it), ValueRef::I64(value) => Some(value);
    i32 => I64, it => Value::I64((*it).into()), ValueRef::I64(value) => value.try_into().ok();
    i16 => I64, it => Value::I64((*it).into()), ValueRef::I64(value) => value.try_into().ok();
    i8 => I64, it => Value::I64((*it).into()), ValueRef::I64(value) => value.try_into().ok();
    u64 => U64, it => Value::U64(*it), ValueRef::U64(value) => Some(value);
    u32 => U64, it => Value::U64((*it).into()), ValueRef::U64(value) => value.try_into().ok();
    u16 => U64, it => Value::U64((*it).into()), ValueRef::U64(value) => value.try_into().ok();
    u8 => U64, it => Value::U64((*it).into()), ValueRef::U64(value) => value.try_into().ok();
    f64 => F64, it => Value::F64(*it), ValueRef::F64(value) => Some(value);
    Decimal => Decimal, it => Value::Decimal(*it), ValueRef::Decimal(value) => Some(value);
    String => Text, it => Value::Text(it.clone()), ValueRef::Text(value) => Some(value.to_owned());
    Vec<u8> => Bytes, it => Value::Bytes(it.clone()),
        ValueRef::Bytes(value) => Some(value.to_vec());
    Date => Date, it => Value::Date(it.0), ValueRef::Date(value) => Some(Self(value));
    Timestamp => Timestamp, it => Value::Timestamp(it.0),
        ValueRef::Timestamp(value) => Some(Self(value));
    [u8; 16] => Uuid, it => Value::Uuid(*it), ValueRef::Uuid(value) => Some(value);
    Point => Point, it => Value::Point { x: it.x, y: it.y },
        ValueRef::Point { x, y } => Some(Self { x, y });
    Json => Json, it => Value::Text(it.0.clone()),
        ValueRef::Text(value) => Some(Self(value.to_owned()));
}

impl<T: Field> Field for Option<T> {
    const COLUMN_TYPE: ColumnType = T::COLUMN_TYPE;
    const NULLABLE: bool = true;

    fn to_value(&self) -> Value {
        self.as_ref().map_or(Value::Null, Field::to_value)
    }

    fn from_value(value: ValueRef<'_>) -> Option<Self> {
        match value {
            ValueRef::Null => Some(None),
            value => T::from_value(value).map(Some),
        }
    }
}

/// Primary key of a record: one field, or a tuple of them. Text and bytes are given borrowed.
pub trait RecordKey {
    /// What a look-up takes.
    type Borrowed: ?Sized;

    /// Values of the key columns, in order.
    fn values(key: &Self::Borrowed) -> Vec<Value>;
}

macro_rules! plain_keys {
    ($($field:ty),* $(,)?) => {$(
        impl RecordKey for $field {
            type Borrowed = $field;

            fn values(key: &$field) -> Vec<Value> {
                vec![key.to_value()]
            }
        }
    )*};
}

plain_keys! {
    bool, i64, i32, i16, i8, u64, u32, u16, u8, f64, Decimal, Date, Timestamp, [u8; 16], Point,
    Json,
}

impl RecordKey for String {
    type Borrowed = str;

    fn values(key: &str) -> Vec<Value> {
        vec![Value::from(key)]
    }
}

impl RecordKey for Vec<u8> {
    type Borrowed = [u8];

    fn values(key: &[u8]) -> Vec<Value> {
        vec![Value::from(key)]
    }
}

macro_rules! tuple_keys {
    ($(($($field:ident $at:tt),*);)*) => {$(
        impl<$($field: Field),*> RecordKey for ($($field,)*) {
            type Borrowed = Self;

            fn values(key: &Self) -> Vec<Value> {
                vec![$(key.$at.to_value()),*]
            }
        }
    )*};
}

tuple_keys! {
    (A 0, B 1);
    (A 0, B 1, C 2);
    (A 0, B 1, C 2, D 3);
    (A 0, B 1, C 2, D 3, E 4);
    (A 0, B 1, C 2, D 3, E 4, F 5);
}
