//! Types of the text as types of values and columns.

use lightning_db_expression::Function;
use lightning_db_query::build::{call, literal};
use lightning_db_table::ColumnType;
use lightning_db_types::{Decimal, ValueType};
use sqlparser::ast::{CharacterLength, DataType, ExactNumberInfo};

use super::typed::Typed;
use crate::error::{Error, Position, Result};
use crate::names;

/// A type as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Declared {
    pub(crate) column_type: ColumnType,
    /// Most characters of a text.
    pub(crate) length: Option<u64>,
    /// Most digits of a number, and how many of them behind the point.
    pub(crate) precision: Option<(u8, u8)>,
}

/// The type that a name means.
///
/// # Errors
/// [`Error::Unsupported`] for one that no column has.
pub(crate) fn declared(data_type: &DataType, at: Option<Position>) -> Result<Declared> {
    use DataType as T;
    let plain = |column_type| Declared { column_type, length: None, precision: None };
    let text = |length: &Option<CharacterLength>| Declared {
        length: match length {
            Some(CharacterLength::IntegerLength { length, .. }) => Some(*length),
            _ => None,
        },
        ..plain(ColumnType::Text)
    };
    Ok(match data_type {
        T::Bool | T::Boolean => plain(ColumnType::Bool),
        T::TinyInt(_)
        | T::Int2(_)
        | T::SmallInt(_)
        | T::MediumInt(_)
        | T::Int(_)
        | T::Int4(_)
        | T::Int8(_)
        | T::Int16
        | T::Int32
        | T::Int64
        | T::Integer(_)
        | T::BigInt(_) => plain(ColumnType::I64),
        T::TinyIntUnsigned(_)
        | T::Int2Unsigned(_)
        | T::SmallIntUnsigned(_)
        | T::MediumIntUnsigned(_)
        | T::IntUnsigned(_)
        | T::Int4Unsigned(_)
        | T::IntegerUnsigned(_)
        | T::BigIntUnsigned(_)
        | T::Int8Unsigned(_)
        | T::UBigInt
        | T::UInt8
        | T::UInt16
        | T::UInt32
        | T::UInt64 => plain(ColumnType::U64),
        T::Float(_)
        | T::Float4
        | T::Float8
        | T::Float32
        | T::Float64
        | T::Real
        | T::Double(_)
        | T::DoublePrecision => plain(ColumnType::F64),
        T::Numeric(size) | T::Decimal(size) | T::Dec(size) => {
            Declared { precision: precision(*size, at)?, ..plain(ColumnType::Decimal) }
        }
        T::Character(length)
        | T::CharacterVarying(length)
        | T::CharVarying(length)
        | T::Varchar(length)
        | T::Nvarchar(length)
        | T::Char(length) => text(length),
        T::Text | T::Clob(_) | T::String(_) | T::TinyText | T::MediumText | T::LongText => {
            plain(ColumnType::Text)
        }
        T::Bytea | T::Blob(_) | T::Bytes(_) | T::Binary(_) | T::Varbinary(_) => {
            plain(ColumnType::Bytes)
        }
        T::Date => plain(ColumnType::Date),
        T::Timestamp(..) | T::Datetime(_) => plain(ColumnType::Timestamp),
        T::Uuid => plain(ColumnType::Uuid),
        T::JSON | T::JSONB => plain(ColumnType::Json),
        T::GeometricType(_) | T::Custom(..) => plain(named(data_type, at)?),
        other => return Err(Error::unsupported(format!("the type {other}"), at)),
    })
}

/// A type that the parser does not know by name.
fn named(data_type: &DataType, at: Option<Position>) -> Result<ColumnType> {
    let unsupported = || Error::unsupported(format!("the type {data_type}"), at);
    match data_type {
        DataType::GeometricType(kind) if kind.to_string().eq_ignore_ascii_case("point") => {
            Ok(ColumnType::Point)
        }
        DataType::Custom(name, arguments) if arguments.is_empty() => {
            let (name, from) = names::plain(name)?;
            match name.as_str() {
                "point" => Ok(ColumnType::Point),
                "u64" => Ok(ColumnType::U64),
                "i64" => Ok(ColumnType::I64),
                "f64" => Ok(ColumnType::F64),
                _ => Err(names::unknown("type", &name, NAMES, from.or(at))),
            }
        }
        _ => Err(unsupported()),
    }
}

/// Names of types, for suggestions.
const NAMES: [&str; 14] = [
    "boolean",
    "bigint",
    "integer",
    "double",
    "numeric",
    "decimal",
    "text",
    "varchar",
    "bytea",
    "date",
    "timestamp",
    "uuid",
    "point",
    "json",
];

fn precision(size: ExactNumberInfo, at: Option<Position>) -> Result<Option<(u8, u8)>> {
    let (digits, scale) = match size {
        ExactNumberInfo::None => return Ok(None),
        ExactNumberInfo::Precision(digits) => (digits, 0),
        ExactNumberInfo::PrecisionAndScale(digits, scale) => (digits, scale),
    };
    let most = u64::from(Decimal::SCALE_MAX);
    let fits = u8::try_from(digits).ok().zip(u8::try_from(scale).ok());
    match fits {
        Some((digits, scale)) if digits >= 1 && u64::from(digits) <= most && scale <= digits => {
            Ok(Some((digits, scale)))
        }
        _ => {
            let detail = format!("numeric({digits}, {scale}): 1 to {most} digits are possible");
            Err(Error::invalid(detail, at))
        }
    }
}

/// A value as a type of the text.
pub(crate) fn cast(typed: Typed, data_type: &DataType, at: Option<Position>) -> Result<Typed> {
    let Declared { column_type, length, precision } = declared(data_type, at)?;
    let typed = typed.cast(column_type.value_type(), at)?;
    let value_type = typed.value_type;
    if let Some(length) = length {
        let length = i64::try_from(length).unwrap_or(i64::MAX);
        let cut = [typed.term, literal(1_i64), literal(length)];
        return Ok(Typed::new(call(Function::Substring, cut), value_type));
    }
    if let Some((_, scale)) = precision {
        let rounded = [typed.term, literal(i64::from(scale))];
        return Ok(Typed::new(call(Function::Round, rounded), value_type));
    }
    Ok(typed)
}

/// A value that is written to a column: one that is given is read as the column's type, and a
/// number becomes the one of that type.
pub(crate) fn assigned(
    typed: Typed,
    column_type: ColumnType,
    at: Option<Position>,
) -> Result<Typed> {
    let wanted = column_type.value_type();
    let found = typed.value_type;
    let typed = typed.used_as(wanted, at)?;
    let typed = match (typed.value_type, wanted) {
        (ValueType::Decimal, ValueType::F64 | ValueType::I64 | ValueType::U64)
        | (ValueType::F64, ValueType::I64 | ValueType::U64 | ValueType::Decimal)
        | (ValueType::Date, ValueType::Timestamp)
        | (ValueType::I64 | ValueType::U64, ValueType::F64) => typed.cast(wanted, at)?,
        _ => typed,
    };
    if super::typed::comparable(typed.value_type, wanted) {
        Ok(typed)
    } else {
        let detail = format!("the column is of type {}, and this is a {found}", column_type.name());
        Err(Error::invalid(detail, at))
    }
}
