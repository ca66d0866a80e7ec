//! Terms with the types of their values, and how they become those of other types.

use lightning_db_expression::number::is_number;
use lightning_db_expression::{Expression, Function};
use lightning_db_query::build::{Term, call, literal};
use lightning_db_types::{Value, ValueType};

use crate::error::{Error, Position, Result};

/// A term, and what is known of its values.
#[derive(Debug, Clone)]
pub(crate) struct Typed {
    pub(crate) term: Term,
    pub(crate) value_type: ValueType,
}

impl Typed {
    pub(crate) fn new(term: Term, value_type: ValueType) -> Self {
        Self { term, value_type }
    }

    pub(crate) fn truth(term: Term) -> Self {
        Self::new(term, ValueType::Bool)
    }

    pub(crate) fn value(value: Value) -> Self {
        let value_type = value.value_type();
        Self::new(Term::Literal(value), value_type)
    }

    /// A value that stands in the text, or is given as a parameter: it takes the type of what it is
    /// used with.
    fn is_given(&self) -> bool {
        matches!(self.term, Term::Literal(_) | Term::Parameter(..))
    }

    /// As a value that is used where one of a type is expected: texts that are given are read as
    /// that type, and decimals that are given become doubles. Others stay as they are.
    pub(crate) fn used_as(self, wanted: ValueType, at: Option<Position>) -> Result<Self> {
        let found = self.value_type;
        if found == wanted || wanted == ValueType::Null || !self.is_given() {
            return Ok(self);
        }
        match (found, wanted) {
            (ValueType::Text, _) => self.cast(wanted, at),
            (ValueType::Decimal, ValueType::F64) if matches!(self.term, Term::Literal(_)) => {
                self.cast(wanted, at)
            }
            _ => Ok(self),
        }
    }

    /// The value as another type, as CAST makes it: numbers are rounded half away from zero to
    /// whole ones, and moments lose what is behind the day.
    pub(crate) fn cast(self, to: ValueType, at: Option<Position>) -> Result<Self> {
        use ValueType::{Bool, Date, Decimal, F64, I64, Text, Timestamp, U64};
        let Self { term, value_type: found } = self;
        if found == to {
            return Ok(Self::new(term, to));
        }
        let is_literal = matches!(term, Term::Literal(_));
        let cast = match (found, to) {
            (F64 | Decimal, I64 | U64) => call(Function::Round, [term]).cast(to),
            (I64 | U64 | Decimal, F64) => term.times(1.0),
            (F64, Decimal) => term.cast(Text).cast(Decimal),
            (Timestamp, Date) => {
                let day = [term.cast(Text), literal(1_i64), literal(10_i64)];
                call(Function::Substring, day).cast(Date)
            }
            (Text, Bool) => call(Function::Lower, [call(Function::Trim, [term])]).cast(Bool),
            (found, to) if !castable(found, to) => {
                let detail = format!("a {found} does not become a {to}");
                return Err(Error::invalid(detail, at));
            }
            _ => term.cast(to),
        };
        if !is_literal {
            return Ok(Self::new(cast, to));
        }
        let expression = crate::write::expression(&cast, &|_| None)?;
        let value = expression.evaluate(&Vec::new());
        let value = value.map_err(|error| Error::invalid(error.to_string(), at))?;
        Ok(Self::new(Term::Literal(value), to))
    }

    /// The expression over no row, for what must be known at once.
    pub(crate) fn constant(&self, parameters: &[Value], at: Option<Position>) -> Result<Value> {
        let expression: Expression = crate::write::expression(&self.term, &|_| None)?;
        let frame = crate::write::Frame { row: None, excluded: &[], parameters };
        expression.evaluate(&frame).map_err(|error| Error::invalid(error.to_string(), at))
    }
}

/// Whether there is a cast.
fn castable(from: ValueType, to: ValueType) -> bool {
    use ValueType::{Bool, Bytes, Date, I64, Null, Point, Text, Timestamp, U64, Uuid};
    match (from, to) {
        (Point, _) | (_, Point | Null) => from == Null,
        (Null | Text, _)
        | (_, Text)
        | (Bool, I64 | U64)
        | (I64 | U64, Bool)
        | (Uuid, Bytes)
        | (Bytes, Uuid)
        | (Date, Timestamp)
        | (Timestamp, Date) => true,
        (from, to) => is_number(from) && is_number(to),
    }
}

/// Whether values of both types compare.
pub(crate) fn comparable(left: ValueType, right: ValueType) -> bool {
    left == right
        || left == ValueType::Null
        || right == ValueType::Null
        || (is_number(left) && is_number(right))
}

/// Two values that are compared, each read as the type of the other if it is given.
pub(crate) fn compared(left: Typed, right: Typed, at: Option<Position>) -> Result<(Typed, Typed)> {
    let (of_left, of_right) = (left.value_type, right.value_type);
    // Of two values that are given, texts are read as the other's type.
    let left = if left.is_given() && right.is_given() && of_left != ValueType::Text {
        left
    } else {
        left.used_as(of_right, at)?
    };
    let right = right.used_as(left.value_type, at)?;
    if !comparable(left.value_type, right.value_type) {
        return Err(Error::types(of_left, of_right, at));
    }
    Ok((left, right))
}

/// The one type that several values become: those of CASE, COALESCE, set operations.
pub(crate) fn common(
    types: impl IntoIterator<Item = ValueType>,
    at: Option<Position>,
) -> Result<ValueType> {
    use ValueType::{Decimal, F64, I64, Null, U64};
    let mut found = Null;
    for one in types {
        found = match (found, one) {
            (found, one) if found == one || one == Null => found,
            (Null, one) => one,
            (F64, one) | (one, F64) if is_number(one) => F64,
            (Decimal, one) | (one, Decimal) if is_number(one) => Decimal,
            (I64, U64) | (U64, I64) => Decimal,
            (found, one) => return Err(Error::types(found, one, at)),
        };
    }
    Ok(found)
}

/// The values, all of one type.
pub(crate) fn unified(values: Vec<Typed>, at: Option<Position>) -> Result<(Vec<Term>, ValueType)> {
    // Texts that are given take the type of the others.
    let decided =
        values.iter().filter(|value| !value.is_given() || value.value_type != ValueType::Text);
    let wanted = common(decided.map(|value| value.value_type), at)?;
    let values = values.into_iter().map(|value| value.used_as(wanted, at));
    let values = values.collect::<Result<Vec<_>>>()?;
    let wanted = common(values.iter().map(|value| value.value_type), at)?;
    let terms = values.into_iter().map(|value| match value.value_type {
        ValueType::Null => Ok(value.term),
        _ => value.cast(wanted, at).map(|value| value.term),
    });
    Ok((terms.collect::<Result<_>>()?, wanted))
}
