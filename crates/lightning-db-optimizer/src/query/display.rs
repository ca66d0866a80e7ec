//! Queries as text: one operator a line, inputs indented.

use std::fmt::{self, Display, Formatter};

use super::{
    Aggregate, AggregateFunction, ColumnId, JoinKind, Node, NodeId, Query, Scalar, ScalarId,
    SetOperation, SortKey, Spread, Subquery,
};

/// A scalar of a query, as text.
struct ScalarText<'a>(&'a Query, ScalarId);

/// Several of them with commas between.
struct List<'a, T>(&'a [T], &'a dyn Fn(&T, &mut Formatter<'_>) -> fmt::Result);

impl<T> Display for List<'_, T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (position, item) in self.0.iter().enumerate() {
            if position > 0 {
                f.write_str(", ")?;
            }
            (self.1)(item, f)?;
        }
        Ok(())
    }
}

impl Display for Query {
    /// The tree from the root, one operator a line.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.root() {
            Some(root) => self.write_node(root, 0, f),
            None => f.write_str("(no query)"),
        }
    }
}

impl Query {
    /// A scalar as text, close to SQL.
    pub fn scalar_text(&self, id: ScalarId) -> String {
        ScalarText(self, id).to_string()
    }

    /// A column's name with that of its relation.
    pub fn column_name(&self, id: ColumnId) -> String {
        let column = self.column(id);
        match &column.relation {
            Some(relation) => format!("{relation}.{}", column.name),
            None => column.name.to_string(),
        }
    }

    /// An aggregate as text, close to SQL.
    pub fn aggregate_text(&self, aggregate: &Aggregate) -> String {
        let argument = aggregate.argument.map_or("*".to_owned(), |id| self.scalar_text(id));
        let distinct = if aggregate.distinct { "DISTINCT " } else { "" };
        let filter = aggregate.filter.map_or(String::new(), |filter| {
            format!(" FILTER (WHERE {})", self.scalar_text(filter))
        });
        format!("{}({distinct}{argument}){filter}", aggregate.function)
    }

    /// An order as text.
    pub fn order_text(&self, keys: &[SortKey]) -> String {
        List(keys, &|key: &SortKey, f| {
            f.write_str(&self.column_name(key.column))?;
            f.write_str(if key.descending { " DESC" } else { "" })?;
            match (key.descending, key.nulls_first) {
                (false, true) => f.write_str(" NULLS FIRST"),
                (true, false) => f.write_str(" NULLS LAST"),
                _ => Ok(()),
            }
        })
        .to_string()
    }

    fn conditions_text(&self, conditions: &[ScalarId]) -> String {
        // Several are operands of the AND that they are together.
        let least = u8::from(conditions.len() > 1);
        let write =
            |id: &ScalarId, f: &mut Formatter<'_>| ScalarText(self, *id).operand(*id, least, f);
        let texts = conditions.iter().map(|id| List(&[*id], &write).to_string());
        texts.collect::<Vec<_>>().join(" AND ")
    }

    fn columns_text(&self, columns: &[ColumnId]) -> String {
        List(columns, &|id: &ColumnId, f| f.write_str(&self.column_name(*id))).to_string()
    }

    fn write_node(&self, id: NodeId, depth: usize, f: &mut Formatter<'_>) -> fmt::Result {
        if depth > 0 {
            writeln!(f)?;
        }
        write!(f, "{:width$}", "", width = 2 * depth)?;
        let node = self.node(id);
        match node {
            Node::Scan { alias, .. } => write!(f, "Scan {alias}")?,
            Node::Values { rows, .. } => write!(f, "Values, {rows}")?,
            Node::Filter { conditions, .. } => {
                write!(f, "Filter {}", self.conditions_text(conditions))?;
            }
            Node::Project { columns, .. } => {
                let write = |(column, scalar): &(ColumnId, ScalarId), f: &mut Formatter<'_>| {
                    if *self.scalar(*scalar) != Scalar::Column(*column) {
                        write!(f, "{} AS ", ScalarText(self, *scalar))?;
                    }
                    f.write_str(&self.column_name(*column))
                };
                write!(f, "Project {}", List(columns, &write))?;
            }
            Node::Join { kind, on, .. } => {
                write!(f, "{kind} join")?;
                if !on.is_empty() {
                    write!(f, " on {}", self.conditions_text(on))?;
                }
            }
            Node::Aggregate { groups, aggregates, .. } => {
                f.write_str("Aggregate")?;
                if !groups.is_empty() {
                    write!(f, " by {}", self.columns_text(groups))?;
                }
                for (column, aggregate) in aggregates {
                    let (text, name) = (self.aggregate_text(aggregate), self.column_name(*column));
                    write!(f, ", {text} AS {name}")?;
                }
            }
            Node::Set { operation, all, .. } => {
                write!(f, "{operation}{}", if *all { " all" } else { "" })?;
            }
            Node::Sort { keys, .. } => write!(f, "Sort by {}", self.order_text(keys))?,
            Node::Limit { limit, offset, .. } => {
                let limit = limit.map_or("all".to_owned(), |limit| limit.to_string());
                write!(f, "Limit {limit} offset {offset}")?;
            }
            Node::Window { functions, .. } => {
                let write = |(column, function): &(ColumnId, super::WindowFunction),
                             f: &mut Formatter<'_>| {
                    write!(f, "{} AS {}", function.name, self.column_name(*column))
                };
                write!(f, "Window {}", List(functions, &write))?;
            }
        }
        for input in node.inputs() {
            self.write_node(input, depth + 1, f)?;
        }
        Ok(())
    }
}

/// How tightly a scalar holds together.
fn strength(scalar: &Scalar) -> u8 {
    match scalar {
        Scalar::Or(_) => 0,
        Scalar::And(_) => 1,
        Scalar::Not(_) => 2,
        Scalar::Compare(..)
        | Scalar::IsNull(_)
        | Scalar::In(..)
        | Scalar::Like { .. }
        | Scalar::Subquery(Subquery::Any(..) | Subquery::All(..)) => 3,
        Scalar::Arithmetic(..) => 4,
        Scalar::Negate(_) => 6,
        _ => 7,
    }
}

impl ScalarText<'_> {
    /// An operand, in brackets if it holds less tightly than wanted.
    fn operand(&self, id: ScalarId, least: u8, f: &mut Formatter<'_>) -> fmt::Result {
        let operand = ScalarText(self.0, id);
        if strength(self.0.scalar(id)) < least {
            return write!(f, "({operand})");
        }
        operand.fmt(f)
    }

    fn joined(&self, all: &[ScalarId], by: &str, least: u8, f: &mut Formatter<'_>) -> fmt::Result {
        for (position, id) in all.iter().enumerate() {
            if position > 0 {
                f.write_str(by)?;
            }
            self.operand(*id, least, f)?;
        }
        Ok(())
    }

    fn call(&self, name: &str, arguments: &[ScalarId], f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{name}(")?;
        self.joined(arguments, ", ", 0, f)?;
        f.write_str(")")
    }

    fn case(
        &self,
        branches: &[(ScalarId, ScalarId)],
        otherwise: Option<ScalarId>,
        f: &mut Formatter<'_>,
    ) -> fmt::Result {
        f.write_str("CASE")?;
        for (condition, value) in branches {
            let (condition, value) = (Self(self.0, *condition), Self(self.0, *value));
            write!(f, " WHEN {condition} THEN {value}")?;
        }
        if let Some(value) = otherwise {
            write!(f, " ELSE {}", Self(self.0, value))?;
        }
        f.write_str(" END")
    }

    fn subquery(&self, subquery: &Subquery, f: &mut Formatter<'_>) -> fmt::Result {
        match subquery {
            Subquery::Exists(node) => write!(f, "EXISTS (#{})", node.index()),
            Subquery::Value(node) => write!(f, "(#{})", node.index()),
            Subquery::Any(comparison, value, node) => {
                self.operand(*value, 4, f)?;
                write!(f, " {comparison} ANY (#{})", node.index())
            }
            Subquery::All(comparison, value, node) => {
                self.operand(*value, 4, f)?;
                write!(f, " {comparison} ALL (#{})", node.index())
            }
        }
    }
}

impl Display for ScalarText<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0.scalar(self.1) {
            Scalar::Column(column) => f.write_str(&self.0.column_name(*column)),
            Scalar::Literal(value) => {
                lightning_db_expression::Expression::Literal(value.clone()).fmt(f)
            }
            Scalar::Parameter(number, _) => write!(f, "${}", number + 1),
            Scalar::Compare(comparison, left, right) => {
                self.operand(*left, 4, f)?;
                write!(f, " {comparison} ")?;
                self.operand(*right, 4, f)
            }
            Scalar::And(all) if all.is_empty() => f.write_str("TRUE"),
            Scalar::Or(all) if all.is_empty() => f.write_str("FALSE"),
            Scalar::And(all) => self.joined(all, " AND ", 2, f),
            Scalar::Or(all) => self.joined(all, " OR ", 1, f),
            Scalar::Not(one) => {
                f.write_str("NOT ")?;
                self.operand(*one, 2, f)
            }
            Scalar::IsNull(one) => {
                self.operand(*one, 4, f)?;
                f.write_str(" IS NULL")
            }
            Scalar::In(one, list) => {
                self.operand(*one, 4, f)?;
                self.call(" IN ", list, f)
            }
            Scalar::Like { value, pattern, escape } => {
                self.operand(*value, 4, f)?;
                f.write_str(" LIKE ")?;
                self.operand(*pattern, 4, f)?;
                escape.map_or(Ok(()), |escape| write!(f, " ESCAPE '{escape}'"))
            }
            Scalar::Arithmetic(operation, left, right) => {
                self.operand(*left, 4, f)?;
                write!(f, " {operation} ")?;
                self.operand(*right, 5, f)
            }
            Scalar::Negate(one) => {
                f.write_str("-")?;
                self.operand(*one, 7, f)
            }
            Scalar::Call(function, arguments) => self.call(function.name(), arguments, f),
            Scalar::External { function, arguments, .. } => self.call(function, arguments, f),
            Scalar::Cast(one, value_type) => {
                write!(f, "CAST({} AS {value_type})", Self(self.0, *one))
            }
            Scalar::Case { branches, otherwise } => self.case(branches, *otherwise, f),
            Scalar::Subquery(subquery) => self.subquery(subquery, f),
        }
    }
}

impl Display for JoinKind {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Inner => "Inner",
            Self::Left => "Left",
            Self::Full => "Full",
            Self::Semi => "Semi",
            Self::Anti => "Anti",
            Self::Mark(_) => "Mark",
            Self::Single => "Single",
        })
    }
}

impl Display for SetOperation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Union => "Union",
            Self::Intersect => "Intersect",
            Self::Except => "Except",
        })
    }
}

impl Display for AggregateFunction {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Count => "count",
            Self::Sum => "sum",
            Self::Min => "min",
            Self::Max => "max",
            Self::Average => "avg",
            Self::Any => "bool_or",
            Self::Every => "bool_and",
            Self::Spread(Spread::Variance) => "var_samp",
            Self::Spread(Spread::VarianceOfAll) => "var_pop",
            Self::Spread(Spread::Deviation) => "stddev_samp",
            Self::Spread(Spread::DeviationOfAll) => "stddev_pop",
        })
    }
}
