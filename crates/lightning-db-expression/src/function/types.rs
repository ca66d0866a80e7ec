//! Types that functions take and give.

use lightning_db_types::ValueType;

use super::Function;
use crate::number;

/// What a function takes as an argument, beside null.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Argument {
    /// A text.
    Text,
    /// A text or bytes.
    TextOrBytes,
    /// A whole number.
    Whole,
    /// A number of any type.
    Number,
    /// A date or timestamp.
    Moment,
    /// A point.
    Point,
}

impl Argument {
    /// Whether a value of this type may be given.
    pub fn takes(self, found: ValueType) -> bool {
        match self {
            Self::Text => found == ValueType::Text,
            Self::TextOrBytes => matches!(found, ValueType::Text | ValueType::Bytes),
            Self::Whole => matches!(found, ValueType::I64 | ValueType::U64),
            Self::Number => number::is_number(found),
            Self::Moment => matches!(found, ValueType::Date | ValueType::Timestamp),
            Self::Point => found == ValueType::Point,
        }
    }
}

impl Function {
    /// What it takes at a position, counted from zero. Those that choose one of their arguments
    /// take all types.
    pub fn argument(self, position: usize) -> Argument {
        match (self, position) {
            (Self::Length | Self::ByteLength, _) => Argument::TextOrBytes,
            (
                Self::Substring
                | Self::Round
                | Self::Truncate
                | Self::Left
                | Self::Right
                | Self::Repeat,
                1..,
            )
            | (Self::PadStart | Self::PadEnd, 1)
            | (Self::SplitPart | Self::Overlay, 2..)
            | (Self::Character | Self::Hexadecimal, _) => Argument::Whole,
            (
                Self::Abs
                | Self::Round
                | Self::Floor
                | Self::Ceiling
                | Self::Truncate
                | Self::Sign
                | Self::Quotient
                | Self::Point
                | Self::Math(_),
                _,
            ) => Argument::Number,
            (Self::DatePart(_) | Self::DateTruncate(_), _) => Argument::Moment,
            (Self::PointX | Self::PointY, _) => Argument::Point,
            _ => Argument::Text,
        }
    }

    /// Type of its values; `None` where that follows from the arguments, or from what stands in
    /// them.
    pub fn value_type(self) -> Option<ValueType> {
        Some(match self {
            Self::Lower
            | Self::Upper
            | Self::Trim
            | Self::Substring
            | Self::Replace
            | Self::Left
            | Self::Right
            | Self::TrimStart
            | Self::TrimEnd
            | Self::Concat
            | Self::ConcatSeparated
            | Self::PadStart
            | Self::PadEnd
            | Self::Repeat
            | Self::Reverse
            | Self::SplitPart
            | Self::Capitalize
            | Self::Character
            | Self::Translate
            | Self::Overlay
            | Self::Hexadecimal => ValueType::Text,
            Self::Length
            | Self::ByteLength
            | Self::CodePoint
            | Self::Position
            | Self::DatePart(_) => ValueType::I64,
            Self::Math(_) | Self::PointX | Self::PointY => ValueType::F64,
            Self::Point => ValueType::Point,
            Self::StartsWith => ValueType::Bool,
            Self::DateTruncate(_) => ValueType::Timestamp,
            Self::Abs
            | Self::Round
            | Self::Floor
            | Self::Ceiling
            | Self::Truncate
            | Self::Sign
            | Self::Quotient
            | Self::NullIf
            | Self::Coalesce
            | Self::Greatest
            | Self::Least
            | Self::JsonExtract => return None,
        })
    }
}
