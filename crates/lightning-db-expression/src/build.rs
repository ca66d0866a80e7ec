//! Building expressions: `Expression::column(2).lower().equal("x")`.

use lightning_db_types::{Value, ValueType};

use super::{Arithmetic, Comparison, DatePart, Expression, Function};

/// A plain value where an expression is expected.
macro_rules! from_value {
    ($($plain:ty),* $(,)?) => {$(
        impl From<$plain> for Expression {
            fn from(value: $plain) -> Self {
                Self::Literal(value.into())
            }
        }
    )*};
}

from_value! { Value, bool, i64, u64, f64, lightning_db_types::Decimal, &str, String, Vec<u8> }

impl Expression {
    /// A column, by position.
    pub fn column(position: usize) -> Self {
        Self::Column(position)
    }

    /// A value.
    pub fn literal(value: impl Into<Value>) -> Self {
        Self::Literal(value.into())
    }

    /// `self` compared with `other`.
    #[must_use]
    pub fn compare(self, comparison: Comparison, other: impl Into<Self>) -> Self {
        Self::Compare(comparison, Box::new(self), Box::new(other.into()))
    }

    /// `self = other`
    #[must_use]
    pub fn equal(self, other: impl Into<Self>) -> Self {
        self.compare(Comparison::Equal, other)
    }

    /// `self <> other`
    #[must_use]
    pub fn not_equal(self, other: impl Into<Self>) -> Self {
        self.compare(Comparison::NotEqual, other)
    }

    /// `self < other`
    #[must_use]
    pub fn less(self, other: impl Into<Self>) -> Self {
        self.compare(Comparison::Less, other)
    }

    /// `self <= other`
    #[must_use]
    pub fn at_most(self, other: impl Into<Self>) -> Self {
        self.compare(Comparison::AtMost, other)
    }

    /// `self > other`
    #[must_use]
    pub fn greater(self, other: impl Into<Self>) -> Self {
        self.compare(Comparison::Greater, other)
    }

    /// `self >= other`
    #[must_use]
    pub fn at_least(self, other: impl Into<Self>) -> Self {
        self.compare(Comparison::AtLeast, other)
    }

    /// `self BETWEEN low AND high`
    #[must_use]
    pub fn between(self, low: impl Into<Self>, high: impl Into<Self>) -> Self {
        let (low, high) = (Box::new(low.into()), Box::new(high.into()));
        Self::Between { value: Box::new(self), low, high }
    }

    /// `self IN (list)`
    #[must_use]
    pub fn is_in<E: Into<Self>>(self, list: impl IntoIterator<Item = E>) -> Self {
        Self::In(Box::new(self), list.into_iter().map(Into::into).collect())
    }

    /// `self IS NULL`
    #[must_use]
    pub fn is_null(self) -> Self {
        Self::IsNull(Box::new(self))
    }

    /// `self IS NOT NULL`
    #[must_use]
    pub fn is_not_null(self) -> Self {
        self.is_null().negated()
    }

    /// `self LIKE pattern`
    #[must_use]
    pub fn like(self, pattern: impl Into<Self>) -> Self {
        let (value, pattern) = (Box::new(self), Box::new(pattern.into()));
        Self::Like { value, pattern, escape: None }
    }

    /// `self LIKE pattern ESCAPE escape`
    #[must_use]
    pub fn like_escaped(self, pattern: impl Into<Self>, escape: char) -> Self {
        let (value, pattern) = (Box::new(self), Box::new(pattern.into()));
        Self::Like { value, pattern, escape: Some(escape) }
    }

    /// `starts_with(self, prefix)`
    #[must_use]
    pub fn starts_with(self, prefix: impl Into<Self>) -> Self {
        Self::Call(Function::StartsWith, vec![self, prefix.into()])
    }

    /// `self AND other`
    #[must_use]
    pub fn and(self, other: impl Into<Self>) -> Self {
        match self {
            Self::And(mut all) => {
                all.push(other.into());
                Self::And(all)
            }
            one => Self::And(vec![one, other.into()]),
        }
    }

    /// `self OR other`
    #[must_use]
    pub fn or(self, other: impl Into<Self>) -> Self {
        match self {
            Self::Or(mut all) => {
                all.push(other.into());
                Self::Or(all)
            }
            one => Self::Or(vec![one, other.into()]),
        }
    }

    /// `NOT self`
    #[must_use]
    pub fn negated(self) -> Self {
        Self::Not(Box::new(self))
    }

    /// `self` and `other` put together.
    #[must_use]
    pub fn arithmetic(self, arithmetic: Arithmetic, other: impl Into<Self>) -> Self {
        Self::Arithmetic(arithmetic, Box::new(self), Box::new(other.into()))
    }

    /// `self + other`
    #[must_use]
    pub fn plus(self, other: impl Into<Self>) -> Self {
        self.arithmetic(Arithmetic::Add, other)
    }

    /// `self - other`
    #[must_use]
    pub fn minus(self, other: impl Into<Self>) -> Self {
        self.arithmetic(Arithmetic::Subtract, other)
    }

    /// `self * other`
    #[must_use]
    pub fn times(self, other: impl Into<Self>) -> Self {
        self.arithmetic(Arithmetic::Multiply, other)
    }

    /// `self / other`
    #[must_use]
    pub fn divided_by(self, other: impl Into<Self>) -> Self {
        self.arithmetic(Arithmetic::Divide, other)
    }

    /// `self % other`
    #[must_use]
    pub fn remainder(self, other: impl Into<Self>) -> Self {
        self.arithmetic(Arithmetic::Remainder, other)
    }

    /// A function of this expression alone.
    #[must_use]
    pub fn call(self, function: Function) -> Self {
        Self::Call(function, vec![self])
    }

    /// `lower(self)`
    #[must_use]
    pub fn lower(self) -> Self {
        self.call(Function::Lower)
    }

    /// `upper(self)`
    #[must_use]
    pub fn upper(self) -> Self {
        self.call(Function::Upper)
    }

    /// `length(self)`
    #[must_use]
    pub fn length(self) -> Self {
        self.call(Function::Length)
    }

    /// `trim(self)`
    #[must_use]
    pub fn trim(self) -> Self {
        self.call(Function::Trim)
    }

    /// `substring(self, start, length)`: `start` counts characters from one.
    #[must_use]
    pub fn substring(self, start: impl Into<Self>, length: impl Into<Self>) -> Self {
        Self::Call(Function::Substring, vec![self, start.into(), length.into()])
    }

    /// `concat(self, other)`
    #[must_use]
    pub fn concat(self, other: impl Into<Self>) -> Self {
        Self::Call(Function::Concat, vec![self, other.into()])
    }

    /// `coalesce(self, other)`
    #[must_use]
    pub fn coalesce(self, other: impl Into<Self>) -> Self {
        Self::Call(Function::Coalesce, vec![self, other.into()])
    }

    /// `abs(self)`
    #[must_use]
    pub fn abs(self) -> Self {
        self.call(Function::Abs)
    }

    /// `round(self, digits)`
    #[must_use]
    pub fn round(self, digits: i64) -> Self {
        Self::Call(Function::Round, vec![self, digits.into()])
    }

    /// `json_extract(self, path)`
    #[must_use]
    pub fn json_extract(self, path: &str) -> Self {
        Self::Call(Function::JsonExtract, vec![self, path.into()])
    }

    /// `extract(part, self)`
    #[must_use]
    pub fn date_part(self, part: DatePart) -> Self {
        self.call(Function::DatePart(part))
    }

    /// `CAST(self AS value_type)`
    #[must_use]
    pub fn cast(self, value_type: ValueType) -> Self {
        Self::Cast(Box::new(self), value_type)
    }

    /// `CASE WHEN self THEN value ELSE otherwise END`
    #[must_use]
    pub fn then(self, value: impl Into<Self>, otherwise: impl Into<Self>) -> Self {
        let otherwise = Some(Box::new(otherwise.into()));
        Self::Case { branches: vec![(self, value.into())], otherwise }
    }
}
