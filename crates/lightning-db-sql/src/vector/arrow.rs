//! Values as Arrow arrays, and back.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Decimal128Array, FixedSizeBinaryArray,
    Float64Array, PrimitiveArray, RecordBatch, StringArray, StructArray,
};
use datafusion::arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use datafusion::arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Decimal128Type, Field, Fields, Float32Type,
    Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, TimeUnit, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use datafusion::common::ScalarValue;
use lightning_db_table::{ColumnType, ColumnVector, VectorValues};
use lightning_db_types::{Decimal, Value, ValueType};

use super::Failure;

/// Digits of decimals.
const PRECISION: u8 = 38;
/// Digits of decimals behind the point, where a column does not say how many.
pub(super) const SCALE: u8 = 9;

type Result<T, E = Failure> = std::result::Result<T, E>;

/// Type of a column in Arrow.
pub(crate) fn data_type(column_type: ColumnType) -> DataType {
    match column_type {
        ColumnType::Bool => DataType::Boolean,
        ColumnType::I64 => DataType::Int64,
        ColumnType::U64 => DataType::UInt64,
        ColumnType::F64 => DataType::Float64,
        ColumnType::Decimal => DataType::Decimal128(PRECISION, SCALE.cast_signed()),
        ColumnType::Text | ColumnType::Json => DataType::Utf8,
        ColumnType::Bytes => DataType::Binary,
        ColumnType::Date => DataType::Date32,
        ColumnType::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
        ColumnType::Uuid => DataType::FixedSizeBinary(16),
        ColumnType::Point => DataType::Struct(point_fields()),
    }
}

fn point_fields() -> Fields {
    let field = |name: &str| Field::new(name, DataType::Float64, false);
    Fields::from(vec![field("x"), field("y")])
}

/// A vector of a batch with so many rows as an array; numbers are not copied.
pub(crate) fn array(vector: ColumnVector, rows: usize) -> Result<ArrayRef> {
    let valid = Buffer::from_vec(vector.valid);
    let nulls = NullBuffer::new(BooleanBuffer::new(valid, 0, rows));
    let nulls = (nulls.null_count() > 0).then_some(nulls);
    Ok(match vector.values {
        VectorValues::Bool(values) => {
            Arc::new(BooleanArray::new(BooleanBuffer::from(values), nulls))
        }
        VectorValues::I64(values) => primitive::<Int64Type>(values, nulls),
        VectorValues::U64(values) => primitive::<UInt64Type>(values, nulls),
        VectorValues::F64(values) => primitive::<Float64Type>(values, nulls),
        VectorValues::Date(values) => primitive::<Date32Type>(values, nulls),
        VectorValues::Timestamp(values) => primitive::<TimestampMicrosecondType>(values, nulls),
        VectorValues::Decimal(values) => {
            let values = values.into_iter().map(scaled).collect::<Result<Vec<i128>>>()?;
            let array = Decimal128Array::new(ScalarBuffer::from(values), nulls);
            Arc::new(array.with_precision_and_scale(PRECISION, SCALE.cast_signed())?)
        }
        VectorValues::Text { ends, bytes } => {
            let (offsets, bytes) = (offsets(&ends)?, Buffer::from_vec(bytes));
            Arc::new(StringArray::try_new(offsets, bytes, nulls)?)
        }
        VectorValues::Bytes { ends, bytes } => {
            let (offsets, bytes) = (offsets(&ends)?, Buffer::from_vec(bytes));
            Arc::new(BinaryArray::try_new(offsets, bytes, nulls)?)
        }
        VectorValues::Uuid(values) => {
            let bytes = Buffer::from_vec(values.into_flattened());
            Arc::new(FixedSizeBinaryArray::try_new(16, bytes, nulls)?)
        }
        VectorValues::Point(values) => {
            let (x, y): (Vec<f64>, Vec<f64>) = values.into_iter().unzip();
            let parts: Vec<ArrayRef> =
                vec![Arc::new(Float64Array::from(x)), Arc::new(Float64Array::from(y))];
            Arc::new(StructArray::try_new(point_fields(), parts, nulls)?)
        }
        other => return Err(Failure::new(format!("no array is made of {other:?}"))),
    })
}

fn primitive<T: ArrowPrimitiveType>(values: Vec<T::Native>, nulls: Option<NullBuffer>) -> ArrayRef {
    Arc::new(PrimitiveArray::<T>::new(ScalarBuffer::from(values), nulls))
}

/// Where each value begins, and the last ends.
fn offsets(ends: &[u32]) -> Result<OffsetBuffer<i32>> {
    let mut offsets = Vec::with_capacity(ends.len() + 1);
    offsets.push(0);
    for end in ends {
        let end = i32::try_from(*end);
        offsets.push(end.map_err(|_| Failure::new("a batch has more than 2 GiB of text"))?);
    }
    Ok(OffsetBuffer::new(ScalarBuffer::from(offsets)))
}

/// The digits of a decimal with as many behind the point as all have.
fn scaled(value: Decimal) -> Result<i128> {
    let value = if value.scale() > SCALE { value.normalized() } else { value };
    let missing = SCALE.checked_sub(value.scale());
    let mantissa = missing
        .and_then(|missing| value.mantissa().checked_mul(10_i128.checked_pow(missing.into())?));
    let most = 10_i128.pow(PRECISION.into());
    mantissa.filter(|mantissa| mantissa.abs() < most).ok_or_else(|| {
        Failure::new(format!(
            "{value} does not fit: decimals have {SCALE} digits behind the point here, and \
             {PRECISION} in all"
        ))
    })
}

/// The type of values that come of one of Arrow; `Null` if none do.
pub(crate) fn value_type(data_type: &DataType) -> ValueType {
    match data_type {
        DataType::Boolean => ValueType::Bool,
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => ValueType::I64,
        DataType::UInt8 | DataType::UInt16 | DataType::UInt32 | DataType::UInt64 => ValueType::U64,
        DataType::Float32 | DataType::Float64 => ValueType::F64,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => ValueType::Text,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => ValueType::Bytes,
        DataType::Date32 => ValueType::Date,
        DataType::Timestamp(..) => ValueType::Timestamp,
        DataType::Decimal128(..) => ValueType::Decimal,
        DataType::FixedSizeBinary(16) => ValueType::Uuid,
        DataType::Struct(fields) if *fields == point_fields() => ValueType::Point,
        _ => ValueType::Null,
    }
}

/// A parameter.
pub(super) fn scalar(value: &Value) -> Result<ScalarValue> {
    Ok(match value {
        Value::Null => ScalarValue::Null,
        Value::Bool(truth) => ScalarValue::Boolean(Some(*truth)),
        Value::I64(number) => ScalarValue::Int64(Some(*number)),
        Value::U64(number) => ScalarValue::UInt64(Some(*number)),
        Value::F64(number) => ScalarValue::Float64(Some(*number)),
        Value::Decimal(number) => {
            let scale = number.scale().cast_signed();
            ScalarValue::Decimal128(Some(number.mantissa()), PRECISION, scale)
        }
        Value::Text(text) => ScalarValue::Utf8(Some(text.clone())),
        Value::Bytes(bytes) => ScalarValue::Binary(Some(bytes.clone())),
        Value::Date(day) => ScalarValue::Date32(Some(*day)),
        Value::Timestamp(micros) => ScalarValue::TimestampMicrosecond(Some(*micros), None),
        Value::Uuid(bytes) => ScalarValue::FixedSizeBinary(16, Some(bytes.to_vec())),
        Value::Point { .. } => return Err(Failure::new("a point is no parameter here")),
    })
}

/// The values of a batch, row by row.
pub(crate) fn rows(batch: &RecordBatch) -> Result<Vec<Vec<Value>>> {
    let mut rows: Vec<Vec<Value>> =
        (0..batch.num_rows()).map(|_| Vec::with_capacity(batch.num_columns())).collect();
    for column in batch.columns() {
        for (at, row) in rows.iter_mut().enumerate() {
            row.push(if column.is_null(at) { Value::Null } else { value(column, at)? });
        }
    }
    Ok(rows)
}

fn value(array: &ArrayRef, at: usize) -> Result<Value> {
    macro_rules! number {
        ($type:ty) => {
            array.as_primitive::<$type>().value(at).into()
        };
    }
    Ok(match array.data_type() {
        DataType::Null => Value::Null,
        DataType::Boolean => Value::Bool(array.as_boolean().value(at)),
        DataType::Int8 => Value::I64(number!(Int8Type)),
        DataType::Int16 => Value::I64(number!(Int16Type)),
        DataType::Int32 => Value::I64(number!(Int32Type)),
        DataType::Int64 => Value::I64(array.as_primitive::<Int64Type>().value(at)),
        DataType::UInt8 => Value::U64(number!(UInt8Type)),
        DataType::UInt16 => Value::U64(number!(UInt16Type)),
        DataType::UInt32 => Value::U64(number!(UInt32Type)),
        DataType::UInt64 => Value::U64(array.as_primitive::<UInt64Type>().value(at)),
        DataType::Float32 => Value::F64(number!(Float32Type)),
        DataType::Float64 => Value::F64(array.as_primitive::<Float64Type>().value(at)),
        DataType::Utf8 => Value::Text(array.as_string::<i32>().value(at).to_owned()),
        DataType::LargeUtf8 => Value::Text(array.as_string::<i64>().value(at).to_owned()),
        DataType::Utf8View => Value::Text(array.as_string_view().value(at).to_owned()),
        DataType::Binary => Value::Bytes(array.as_binary::<i32>().value(at).to_owned()),
        DataType::LargeBinary => Value::Bytes(array.as_binary::<i64>().value(at).to_owned()),
        DataType::BinaryView => Value::Bytes(array.as_binary_view().value(at).to_owned()),
        DataType::Date32 => Value::Date(array.as_primitive::<Date32Type>().value(at)),
        DataType::Timestamp(unit, _) => Value::Timestamp(micros(array, *unit, at)?),
        DataType::Decimal128(_, scale) => {
            let digits = array.as_primitive::<Decimal128Type>().value(at);
            let decimal = u8::try_from(*scale).ok().map(|scale| Decimal::new(digits, scale));
            match decimal {
                Some(Ok(decimal)) => Value::Decimal(decimal.normalized()),
                _ => return Err(Failure::new("a decimal does not fit")),
            }
        }
        DataType::FixedSizeBinary(16) => {
            let bytes = array.as_fixed_size_binary().value(at);
            let bytes = bytes.try_into().map_err(|_| Failure::new("an identifier is cut"))?;
            Value::Uuid(bytes)
        }
        DataType::Struct(fields) if *fields == point_fields() => {
            let parts = array.as_struct();
            let part = |part: usize| parts.column(part).as_primitive::<Float64Type>().value(at);
            Value::Point { x: part(0), y: part(1) }
        }
        other => return Err(Failure::new(format!("a result of type {other} is not given"))),
    })
}

fn micros(array: &ArrayRef, unit: TimeUnit, at: usize) -> Result<i64> {
    let micros = match unit {
        TimeUnit::Second => {
            array.as_primitive::<TimestampSecondType>().value(at).checked_mul(1_000_000)
        }
        TimeUnit::Millisecond => {
            array.as_primitive::<TimestampMillisecondType>().value(at).checked_mul(1_000)
        }
        TimeUnit::Microsecond => Some(array.as_primitive::<TimestampMicrosecondType>().value(at)),
        TimeUnit::Nanosecond => {
            Some(array.as_primitive::<TimestampNanosecondType>().value(at).div_euclid(1_000))
        }
    };
    micros.ok_or_else(|| Failure::new("a moment does not fit"))
}
