//! Expressions as text, close to SQL.

use std::fmt::{self, Formatter};

use lightning_db_types::Value;

use super::{Arithmetic, Comparison, Expression, cast};

/// An expression as text, with the names of its columns; see
/// [`Expression::display`].
#[derive(Clone, Copy)]
pub struct ExpressionDisplay<'a> {
    pub(crate) expression: &'a Expression,
    pub(crate) name: Option<&'a dyn Fn(usize) -> String>,
}

impl fmt::Debug for ExpressionDisplay<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Expression {
    /// Columns are written as their positions, such as `$0`.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&ExpressionDisplay { expression: self, name: None }, f)
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Equal => "=",
            Self::NotEqual => "<>",
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::Greater => ">",
            Self::AtLeast => ">=",
        })
    }
}

impl fmt::Display for Arithmetic {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Remainder => "%",
        })
    }
}

/// How tightly an expression holds together.
fn strength(expression: &Expression) -> u8 {
    match expression {
        Expression::Or(all) | Expression::And(all) if all.is_empty() => 7,
        Expression::Or(_) => 0,
        Expression::And(_) => 1,
        Expression::Not(operand) if matches!(**operand, Expression::IsNull(_)) => 3,
        Expression::Not(_) => 2,
        Expression::Compare(..)
        | Expression::IsNull(_)
        | Expression::In(..)
        | Expression::Between { .. }
        | Expression::Like { .. } => 3,
        Expression::Arithmetic(Arithmetic::Add | Arithmetic::Subtract, ..) => 4,
        Expression::Arithmetic(..) => 5,
        Expression::Negate(_) => 6,
        Expression::Column(_)
        | Expression::Literal(_)
        | Expression::Call(..)
        | Expression::Case { .. }
        | Expression::Cast(..) => 7,
    }
}

impl fmt::Display for ExpressionDisplay<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let own = strength(self.expression);
        match self.expression {
            Expression::Column(position) => match self.name {
                Some(name) => f.write_str(&name(*position)),
                None => write!(f, "${position}"),
            },
            Expression::Literal(value) => literal(value, f),
            Expression::Compare(comparison, left, right) => {
                self.operand(left, 4, f)?;
                write!(f, " {comparison} ")?;
                self.operand(right, 4, f)
            }
            Expression::And(all) => self.joined(all, " AND ", "TRUE", own + 1, f),
            Expression::Or(all) => self.joined(all, " OR ", "FALSE", own + 1, f),
            Expression::Not(operand) => {
                if let Expression::IsNull(inner) = &**operand {
                    self.operand(inner, 4, f)?;
                    return f.write_str(" IS NOT NULL");
                }
                f.write_str("NOT ")?;
                self.operand(operand, own, f)
            }
            Expression::IsNull(operand) => {
                self.operand(operand, 4, f)?;
                f.write_str(" IS NULL")
            }
            Expression::In(operand, list) => {
                self.operand(operand, 4, f)?;
                f.write_str(" IN (")?;
                self.joined(list, ", ", "", 0, f)?;
                f.write_str(")")
            }
            Expression::Between { value, low, high } => {
                self.operand(value, 4, f)?;
                f.write_str(" BETWEEN ")?;
                self.operand(low, 4, f)?;
                f.write_str(" AND ")?;
                self.operand(high, 4, f)
            }
            Expression::Like { value, pattern, escape } => {
                self.operand(value, 4, f)?;
                f.write_str(" LIKE ")?;
                self.operand(pattern, 4, f)?;
                let Some(escape) = escape else { return Ok(()) };
                f.write_str(" ESCAPE ")?;
                literal(&Value::Text(escape.to_string()), f)
            }
            Expression::Arithmetic(operation, left, right) => {
                self.operand(left, own, f)?;
                write!(f, " {operation} ")?;
                self.operand(right, own + 1, f)
            }
            Expression::Negate(operand) => {
                f.write_str("-")?;
                self.operand(operand, own + 1, f)
            }
            Expression::Call(function, arguments) => {
                write!(f, "{}(", function.name())?;
                self.joined(arguments, ", ", "", 0, f)?;
                f.write_str(")")
            }
            Expression::Case { branches, otherwise } => {
                self.case(branches, otherwise.as_deref(), f)
            }
            Expression::Cast(operand, value_type) => {
                f.write_str("CAST(")?;
                self.operand(operand, 0, f)?;
                write!(f, " AS {value_type})")
            }
        }
    }
}

impl ExpressionDisplay<'_> {
    fn case(
        &self,
        branches: &[(Expression, Expression)],
        otherwise: Option<&Expression>,
        f: &mut Formatter<'_>,
    ) -> fmt::Result {
        f.write_str("CASE")?;
        for (condition, value) in branches {
            f.write_str(" WHEN ")?;
            self.operand(condition, 0, f)?;
            f.write_str(" THEN ")?;
            self.operand(value, 0, f)?;
        }
        if let Some(value) = otherwise {
            f.write_str(" ELSE ")?;
            self.operand(value, 0, f)?;
        }
        f.write_str(" END")
    }

    /// Writes an operand, in brackets if it is weaker than its place asks for.
    fn operand(&self, operand: &Expression, least: u8, f: &mut Formatter<'_>) -> fmt::Result {
        let shown = ExpressionDisplay { expression: operand, name: self.name };
        if strength(operand) < least { write!(f, "({shown})") } else { write!(f, "{shown}") }
    }

    fn joined(
        &self,
        all: &[Expression],
        between: &str,
        none: &str,
        least: u8,
        f: &mut Formatter<'_>,
    ) -> fmt::Result {
        if all.is_empty() {
            return f.write_str(none);
        }
        for (index, operand) in all.iter().enumerate() {
            if index > 0 {
                f.write_str(between)?;
            }
            self.operand(operand, least, f)?;
        }
        Ok(())
    }
}

/// A value as it is written in SQL.
pub(crate) fn literal(value: &Value, f: &mut Formatter<'_>) -> fmt::Result {
    match value {
        Value::Null => f.write_str("NULL"),
        Value::Text(text) => write!(f, "'{}'", text.replace('\'', "''")),
        Value::Bytes(bytes) => {
            f.write_str("x'")?;
            bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
            f.write_str("'")
        }
        Value::Point { x, y } => write!(f, "POINT({x:?}, {y:?})"),
        Value::Bool(_) | Value::I64(_) | Value::U64(_) | Value::F64(_) | Value::Decimal(_) => {
            plain(value, f)
        }
        Value::Date(_) | Value::Timestamp(_) | Value::Uuid(_) => {
            write!(f, "{} '", value.value_type().name().to_uppercase())?;
            plain(value, f)?;
            f.write_str("'")
        }
    }
}

fn plain(value: &Value, f: &mut Formatter<'_>) -> fmt::Result {
    match cast::to_text(value.as_value_ref()) {
        Some(Value::Text(text)) => f.write_str(&text),
        _ => Ok(()),
    }
}
