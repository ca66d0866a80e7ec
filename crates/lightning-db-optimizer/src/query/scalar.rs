//! Scalars: what is computed for one row.

use std::sync::Arc;

use lightning_db_expression::{Arithmetic, Comparison, Expression, Function};
use lightning_db_types::{Value, ValueType};

use super::{ColumnId, NodeId, Query, ScalarId};

/// A value for one row, over handles. The meaning of each form is that of the same form of
/// [`Expression`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Scalar {
    /// A column.
    Column(ColumnId),
    /// A value.
    Literal(Value),
    /// A value that is given when the plan runs, with its type.
    Parameter(usize, ValueType),
    /// A comparison.
    Compare(Comparison, ScalarId, ScalarId),
    /// True if all are.
    And(Vec<ScalarId>),
    /// True if one is.
    Or(Vec<ScalarId>),
    /// True if false.
    Not(ScalarId),
    /// Whether it is null.
    IsNull(ScalarId),
    /// Whether it equals one of these.
    In(ScalarId, Vec<ScalarId>),
    /// Whether a text is like a pattern.
    Like {
        /// The text.
        value: ScalarId,
        /// The pattern.
        pattern: ScalarId,
        /// What makes the next character of the pattern stand for itself.
        escape: Option<char>,
    },
    /// A calculation.
    Arithmetic(Arithmetic, ScalarId, ScalarId),
    /// The number with its sign turned.
    Negate(ScalarId),
    /// A function of values.
    Call(Function, Vec<ScalarId>),
    /// The same value as another type.
    Cast(ScalarId, ValueType),
    /// The value beside the first condition that is true.
    Case {
        /// Conditions, each with its value.
        branches: Vec<(ScalarId, ScalarId)>,
        /// The value if none is true.
        otherwise: Option<ScalarId>,
    },
    /// A function that only the engine knows: deterministic, and null if an argument is.
    External {
        /// Its name, as indexes name it in what they answer.
        function: Arc<str>,
        /// Its arguments.
        arguments: Vec<ScalarId>,
        /// Type of its values.
        value_type: ValueType,
    },
    /// What a subquery says of one row. Rewrites turn all of them into joins.
    Subquery(Subquery),
}

/// Comparisons that take as long as a function that only the engine knows.
const EXTERNAL: usize = 16;

/// What a subquery says of one row; its node may use columns of the row.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Subquery {
    /// Whether it has rows.
    Exists(NodeId),
    /// The value of its one column in its only row; null if it has none, an error if it has more.
    Value(NodeId),
    /// Whether the comparison with a value of its one column is true for one row; `= ANY` is IN.
    Any(Comparison, ScalarId, NodeId),
    /// Whether the comparison is true for all rows.
    All(Comparison, ScalarId, NodeId),
}

impl Subquery {
    /// Its node.
    pub fn node(&self) -> NodeId {
        let (Self::Exists(node)
        | Self::Value(node)
        | Self::Any(_, _, node)
        | Self::All(_, _, node)) = self;
        *node
    }

    pub(crate) fn node_mut(&mut self) -> &mut NodeId {
        let (Self::Exists(node)
        | Self::Value(node)
        | Self::Any(_, _, node)
        | Self::All(_, _, node)) = self;
        node
    }
}

impl Scalar {
    /// The scalars it is made of, from left to right.
    pub fn operands(&self) -> Vec<ScalarId> {
        let mut operands = Vec::new();
        self.each_operand(&mut |operand| operands.push(operand));
        operands
    }

    /// Calls `visit` with each of them, without a list: planning looks into scalars very often.
    pub(crate) fn each_operand(&self, visit: &mut dyn FnMut(ScalarId)) {
        let mut all = |list: &[ScalarId]| list.iter().for_each(|id| visit(*id));
        match self {
            Self::Column(_)
            | Self::Literal(_)
            | Self::Parameter(..)
            | Self::Subquery(Subquery::Exists(_) | Subquery::Value(_)) => {}
            Self::Compare(_, left, right) | Self::Arithmetic(_, left, right) => {
                all(&[*left, *right]);
            }
            Self::And(list) | Self::Or(list) | Self::Call(_, list) => all(list),
            Self::External { arguments, .. } => all(arguments),
            Self::Not(one) | Self::IsNull(one) | Self::Negate(one) | Self::Cast(one, _) => {
                all(&[*one]);
            }
            Self::In(one, list) => {
                all(&[*one]);
                all(list);
            }
            Self::Like { value, pattern, .. } => all(&[*value, *pattern]),
            Self::Case { branches, otherwise } => {
                for (condition, value) in branches {
                    all(&[*condition, *value]);
                }
                all(otherwise.as_slice());
            }
            Self::Subquery(Subquery::Any(_, value, _) | Subquery::All(_, value, _)) => {
                all(&[*value]);
            }
        }
    }

    /// The same form over other operands, as many as [`operands`](Self::operands) gives.
    #[must_use]
    pub fn with_operands(&self, operands: &[ScalarId]) -> Self {
        let mut scalar = self.clone();
        let mut next = operands.iter().copied();
        let mut put = |place: &mut ScalarId| {
            if let Some(operand) = next.next() {
                *place = operand;
            }
        };
        match &mut scalar {
            Self::Column(_)
            | Self::Literal(_)
            | Self::Parameter(..)
            | Self::Subquery(Subquery::Exists(_) | Subquery::Value(_)) => {}
            Self::Compare(_, left, right) | Self::Arithmetic(_, left, right) => {
                put(left);
                put(right);
            }
            Self::And(all)
            | Self::Or(all)
            | Self::Call(_, all)
            | Self::External { arguments: all, .. } => all.iter_mut().for_each(put),
            Self::Not(one) | Self::IsNull(one) | Self::Negate(one) | Self::Cast(one, _) => put(one),
            Self::In(one, list) => {
                put(one);
                list.iter_mut().for_each(put);
            }
            Self::Like { value, pattern, .. } => {
                put(value);
                put(pattern);
            }
            Self::Case { branches, otherwise } => {
                for (condition, value) in branches {
                    put(condition);
                    put(value);
                }
                otherwise.iter_mut().for_each(put);
            }
            Self::Subquery(Subquery::Any(_, value, _) | Subquery::All(_, value, _)) => put(value),
        }
        scalar
    }
}

impl Query {
    /// Columns that a scalar uses, ascending, each once; those a subquery in it takes from outside
    /// are not among them.
    pub fn scalar_columns(&self, id: ScalarId) -> Vec<ColumnId> {
        let mut columns = Vec::new();
        self.gather_columns(id, &mut columns);
        columns.sort_unstable();
        columns.dedup();
        columns
    }

    fn gather_columns(&self, id: ScalarId, columns: &mut Vec<ColumnId>) {
        let scalar = self.scalar(id);
        if let Scalar::Column(column) = scalar {
            columns.push(*column);
        }
        scalar.each_operand(&mut |operand| self.gather_columns(operand, columns));
    }

    /// How many comparisons of two values it takes as long as to evaluate it, about: functions that
    /// only the engine knows measure distances or walk through texts.
    pub(crate) fn evaluations(&self, id: ScalarId) -> usize {
        let own = if matches!(self.scalar(id), Scalar::External { .. }) { EXTERNAL } else { 0 };
        let mut below = 0;
        self.scalar(id).each_operand(&mut |operand| below += self.evaluations(operand) - 1);
        1 + own + below
    }

    /// The scalar as an expression over positions, for evaluation; parameters take the values they
    /// have now. `None` if a column has no position, a parameter no value, or if it has a part that
    /// only the engine knows.
    pub fn expression(
        &self,
        id: ScalarId,
        position: &dyn Fn(ColumnId) -> Option<usize>,
    ) -> Option<Expression> {
        self.expression_with(id, &|id| match self.scalar(id) {
            Scalar::Column(column) => position(*column).map(Expression::Column),
            _ => None,
        })
    }

    /// The same, where `known` gives the expressions of columns, and of any other parts that it
    /// wants to.
    pub fn expression_with(
        &self,
        id: ScalarId,
        known: &dyn Fn(ScalarId) -> Option<Expression>,
    ) -> Option<Expression> {
        if let Some(expression) = known(id) {
            return Some(expression);
        }
        let of = |id: ScalarId| self.expression_with(id, known);
        let boxed = |id: ScalarId| of(id).map(Box::new);
        let all = |ids: &[ScalarId]| ids.iter().map(|id| of(*id)).collect::<Option<Vec<_>>>();
        Some(match self.scalar(id) {
            Scalar::Literal(value) => Expression::Literal(value.clone()),
            Scalar::Parameter(number, _) => Expression::Literal(self.parameter(*number)?.clone()),
            Scalar::Compare(comparison, left, right) => {
                Expression::Compare(*comparison, boxed(*left)?, boxed(*right)?)
            }
            Scalar::And(conditions) => Expression::And(all(conditions)?),
            Scalar::Or(conditions) => Expression::Or(all(conditions)?),
            Scalar::Not(one) => Expression::Not(boxed(*one)?),
            Scalar::IsNull(one) => Expression::IsNull(boxed(*one)?),
            Scalar::In(one, list) => Expression::In(boxed(*one)?, all(list)?),
            Scalar::Like { value, pattern, escape } => {
                let (value, pattern) = (boxed(*value)?, boxed(*pattern)?);
                Expression::Like { value, pattern, escape: *escape }
            }
            Scalar::Arithmetic(operation, left, right) => {
                Expression::Arithmetic(*operation, boxed(*left)?, boxed(*right)?)
            }
            Scalar::Negate(one) => Expression::Negate(boxed(*one)?),
            Scalar::Call(function, arguments) => Expression::Call(*function, all(arguments)?),
            Scalar::Cast(one, value_type) => Expression::Cast(boxed(*one)?, *value_type),
            Scalar::Case { branches, otherwise } => Expression::Case {
                branches: branches
                    .iter()
                    .map(|(condition, value)| Some((of(*condition)?, of(*value)?)))
                    .collect::<Option<Vec<_>>>()?,
                otherwise: match otherwise {
                    Some(value) => Some(boxed(*value)?),
                    None => None,
                },
            },
            Scalar::Column(_) | Scalar::External { .. } | Scalar::Subquery(_) => return None,
        })
    }

    /// Adds the scalar that an expression over positions is; `None` if a position has no column.
    pub fn add_expression(
        &mut self,
        expression: &Expression,
        column: &dyn Fn(usize) -> Option<ColumnId>,
    ) -> Option<ScalarId> {
        let mut of = |expression: &Expression| self.add_expression(expression, column);
        let scalar = match expression {
            Expression::Column(position) => Scalar::Column(column(*position)?),
            Expression::Literal(value) => Scalar::Literal(value.clone()),
            Expression::Compare(comparison, left, right) => {
                Scalar::Compare(*comparison, of(left)?, of(right)?)
            }
            Expression::And(all) => Scalar::And(all.iter().map(of).collect::<Option<_>>()?),
            Expression::Or(all) => Scalar::Or(all.iter().map(of).collect::<Option<_>>()?),
            Expression::Not(one) => Scalar::Not(of(one)?),
            Expression::IsNull(one) => Scalar::IsNull(of(one)?),
            Expression::In(one, list) => {
                Scalar::In(of(one)?, list.iter().map(of).collect::<Option<_>>()?)
            }
            Expression::Between { value, low, high } => {
                let (value, low, high) = (of(value)?, of(low)?, of(high)?);
                let low = self.add_scalar(Scalar::Compare(Comparison::AtLeast, value, low));
                let high = self.add_scalar(Scalar::Compare(Comparison::AtMost, value, high));
                Scalar::And(vec![low, high])
            }
            Expression::Like { value, pattern, escape } => {
                Scalar::Like { value: of(value)?, pattern: of(pattern)?, escape: *escape }
            }
            Expression::Arithmetic(operation, left, right) => {
                Scalar::Arithmetic(*operation, of(left)?, of(right)?)
            }
            Expression::Negate(one) => Scalar::Negate(of(one)?),
            Expression::Call(function, arguments) => {
                Scalar::Call(*function, arguments.iter().map(of).collect::<Option<_>>()?)
            }
            Expression::Cast(one, value_type) => Scalar::Cast(of(one)?, *value_type),
            Expression::Case { branches, otherwise } => Scalar::Case {
                branches: branches
                    .iter()
                    .map(|(condition, value)| Some((of(condition)?, of(value)?)))
                    .collect::<Option<_>>()?,
                otherwise: match otherwise {
                    Some(value) => Some(of(value)?),
                    None => None,
                },
            },
        };
        Some(self.add_scalar(scalar))
    }
}
