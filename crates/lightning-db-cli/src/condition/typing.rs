//! Types of expressions, and literals as the type that they are compared with.

use lightning_db::tables::index::{Expression, Function};
use lightning_db::tables::{ColumnType, Decimal, Table, Value};
use lightning_db::types::ValueType;

/// Columns of a table by the numbers that expressions have for them.
pub(super) struct Columns {
    columns: Vec<(usize, String, ColumnType)>,
}

impl Columns {
    pub(super) fn new(table: &Table) -> Self {
        let columns = table.columns().filter_map(|column| {
            let id = table.column_id(&column.name).ok()?;
            Some((id, column.name.clone(), column.column_type))
        });
        Self { columns: columns.collect() }
    }

    pub(super) fn id(&self, name: &str) -> Option<usize> {
        let exact = self.columns.iter().find(|(_, known, _)| known == name);
        let found = exact
            .or_else(|| self.columns.iter().find(|(_, known, _)| known.eq_ignore_ascii_case(name)));
        found.map(|(id, ..)| *id)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|(_, name, _)| &**name)
    }

    fn name(&self, id: usize) -> String {
        let found = self.columns.iter().find(|(known, ..)| *known == id);
        found.map_or_else(|| format!("${id}"), |(_, name, _)| name.clone())
    }

    /// The type of an expression's values; `None` if that depends on the row.
    pub(super) fn type_of(&self, expression: &Expression) -> Option<ValueType> {
        match expression {
            Expression::Column(id) => {
                let found = self.columns.iter().find(|(known, ..)| known == id);
                found.map(|(_, _, column_type)| column_type.value_type())
            }
            Expression::Literal(value) => Some(value.value_type()),
            Expression::Compare(..)
            | Expression::And(_)
            | Expression::Or(_)
            | Expression::Not(_)
            | Expression::IsNull(_)
            | Expression::In(..)
            | Expression::Between { .. }
            | Expression::Like { .. } => Some(ValueType::Bool),
            Expression::Cast(_, to) => Some(*to),
            Expression::Negate(operand) => self.type_of(operand),
            Expression::Call(function, arguments) => self.type_of_call(*function, arguments),
            Expression::Arithmetic(_, left, right) => {
                let types = (self.type_of(left)?, self.type_of(right)?);
                (types.0 == types.1).then_some(types.0)
            }
            Expression::Case { .. } => None,
        }
    }

    fn type_of_call(&self, function: Function, arguments: &[Expression]) -> Option<ValueType> {
        if let Some(known) = function.value_type() {
            return Some(known);
        }
        match function {
            Function::Abs
            | Function::Round
            | Function::Floor
            | Function::Ceiling
            | Function::Truncate
            | Function::Sign
            | Function::NullIf
            | Function::Greatest
            | Function::Least
            | Function::Coalesce => self.type_of(arguments.first()?),
            _ => None,
        }
    }

    /// Brings two sides of a comparison to types that compare: a literal takes the type of the
    /// other side.
    pub(super) fn unify(
        &self,
        left: &mut Expression,
        right: &mut Expression,
    ) -> Result<(), String> {
        let (of_left, of_right) = (self.type_of(left), self.type_of(right));
        let (Some(of_left), Some(of_right)) = (of_left, of_right) else { return Ok(()) };
        match (&mut *left, &mut *right) {
            (Expression::Literal(_), Expression::Literal(_)) => {}
            (_, Expression::Literal(value)) => *value = converted(value, of_left),
            (Expression::Literal(value), _) => *value = converted(value, of_right),
            _ => {}
        }
        let (of_left, of_right) = (self.type_of(left), self.type_of(right));
        let comparable = of_left == of_right
            || [of_left, of_right].iter().all(|it| it.is_some_and(is_number))
            || [of_left, of_right].contains(&Some(ValueType::Null));
        if comparable {
            return Ok(());
        }
        let name = |id| self.name(id);
        let shown = |side: &Expression, of: Option<ValueType>| {
            let of = of.map_or("of no type", ValueType::name);
            format!("{} is {of}", side.display(&name))
        };
        let (left, right) = (shown(left, of_left), shown(right, of_right));
        Err(format!("{left}, and {right}: they do not compare"))
    }
}

fn is_number(of: ValueType) -> bool {
    matches!(of, ValueType::I64 | ValueType::U64 | ValueType::F64 | ValueType::Decimal)
}

/// A literal as another type, where it is one; else as it was.
fn converted(value: &Value, to: ValueType) -> Value {
    let wanted = match value {
        Value::Text(_) => to != ValueType::Text && !is_number(to) && to != ValueType::Bytes,
        // 0.1 stands for the float nearest to it where floats are compared.
        Value::Decimal(_) => to == ValueType::F64,
        _ => false,
    };
    if !wanted {
        return value.clone();
    }
    if let (Value::Decimal(number), ValueType::F64) = (value, to) {
        return Value::F64(number.to_f64());
    }
    cast(value, to).unwrap_or_else(|_| value.clone())
}

/// A value as another type, exactly.
fn cast(value: &Value, to: ValueType) -> Result<Value, String> {
    let cast = Expression::literal(value.clone()).cast(to);
    cast.evaluate(&Vec::<Value>::new()).map_err(|error| error.to_string())
}

/// A number as it is written: whole if it can be, else exact, else a float.
pub(super) fn number(text: &str) -> Result<Value, String> {
    if let Ok(number) = text.parse::<i64>() {
        return Ok(Value::I64(number));
    }
    if let Ok(number) = text.parse::<u64>() {
        return Ok(Value::U64(number));
    }
    if let Ok(number) = text.parse::<Decimal>() {
        return Ok(Value::Decimal(number));
    }
    let float = text.parse::<f64>().ok().filter(|float| float.is_finite());
    float.map(Value::F64).ok_or_else(|| format!("{text} is no number"))
}
