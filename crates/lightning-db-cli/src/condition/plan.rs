//! Which part of a condition indexes answer, and which is decided row by row.
//!
//! Indexes give exact sets, so that what they answer is not looked at again. Parts that stand
//! beside each other are put together for the index that takes most of them: equal values for the
//! first parts of its key, and one list, range or beginning for the next.

use std::cmp::Ordering;
use std::fmt::Write as _;
use std::ops::Bound;

use lightning_db::tables::index::{
    BitmapQuery, Columns, Comparison, Expression, Function, Index, IndexDefinition, IndexKind,
    IndexQuery, KeyPart, KeyQuery, RowExpression, RowPlan, RowSet,
};
use lightning_db::tables::{Row, Table, TableReader, Value};
use lightning_db::types::ColumnOrder;

use super::Condition;
use crate::failure::Failure;

/// How rows are found, and in which order they come.
pub(crate) struct Plan<'a> {
    table: &'a Table,
    reader: TableReader<'a>,
    /// What indexes answer; all rows if there is nothing.
    asked: Option<RowExpression<'a>>,
    /// What is decided for each row.
    rest: Vec<Condition>,
    order: Vec<KeyPart>,
}

/// What an expression is to be.
#[derive(Debug, Clone, PartialEq)]
enum Want {
    Equal(Value),
    In(Vec<Value>),
    Range(Bound<Value>, Bound<Value>),
    StartsWith(String),
    Null,
}

/// A condition on one expression that an index may answer.
#[derive(Debug, Clone, PartialEq)]
struct Term {
    on: Expression,
    want: Want,
}

/// An index and what it answers of some terms.
struct Choice<'a> {
    index: &'a Index,
    query: IndexQuery,
    /// Positions of the terms.
    terms: Vec<usize>,
}

impl<'a> Plan<'a> {
    pub(crate) fn new(
        table: &'a Table,
        reader: TableReader<'a>,
        condition: Option<Condition>,
        order: Vec<KeyPart>,
    ) -> Result<Self, Failure> {
        let mut plan = Self { table, reader, asked: None, rest: Vec::new(), order };
        let mut answered = Vec::new();
        let mut terms = Vec::new();
        for part in condition.map(parts).unwrap_or_default() {
            match (term(&part), plan.exact(&part)?) {
                (Some(term), _) => terms.push((term, part)),
                (None, Some(exact)) => answered.push(exact),
                (None, None) => {
                    let resolved = plan.resolve(part)?;
                    plan.rest.push(resolved);
                }
            }
        }
        let known: Vec<Expression> = terms.iter().filter_map(|(_, part)| plain(part)).collect();
        let known = Expression::And(known);
        join_ranges(&mut terms);
        while let Some(choice) = plan.best(&terms, &known) {
            for at in choice.terms.iter().rev() {
                terms.remove(*at);
            }
            answered.push(RowExpression::Index(choice.index, choice.query));
        }
        plan.rest.extend(terms.into_iter().map(|(_, part)| part));
        if !answered.is_empty() {
            plan.asked = Some(RowExpression::And(answered));
        }
        Ok(plan)
    }

    /// A condition as sets of indexes, if they answer it wholly.
    fn exact(&self, condition: &Condition) -> Result<Option<RowExpression<'a>>, Failure> {
        let all = |parts: &[Condition]| {
            let parts = parts.iter().map(|part| self.exact(part));
            parts.collect::<Result<Option<Vec<_>>, Failure>>()
        };
        Ok(match condition {
            Condition::Asked { index, query } => {
                Some(RowExpression::Index(self.reader.index(index)?, query.clone()))
            }
            Condition::Found(rows) => Some(RowExpression::Set(rows.clone())),
            Condition::And(parts) => all(parts)?.map(RowExpression::And),
            Condition::Or(parts) => all(parts)?.map(RowExpression::Or),
            // The complement of a set holds the rows too for which a comparison is unknown.
            Condition::Not(inner) if is_asked(inner) => self.exact(inner)?.map(|inner| !inner),
            Condition::Not(_) => None,
            Condition::Plain(Expression::Or(parts)) => {
                let parts: Vec<_> = parts.iter().cloned().map(Condition::Plain).collect();
                all(&parts)?.map(RowExpression::Or)
            }
            Condition::Plain(expression) => term(condition).and_then(|term| {
                let best = self.best(&[(term, condition.clone())], expression);
                best.map(|choice| RowExpression::Index(choice.index, choice.query))
            }),
        })
    }

    /// Answers the questions to indexes in a condition.
    fn resolve(&self, condition: Condition) -> Result<Condition, Failure> {
        let all = |parts: Vec<Condition>| {
            parts.into_iter().map(|part| self.resolve(part)).collect::<Result<Vec<_>, _>>()
        };
        Ok(match condition {
            Condition::Asked { index, query } => {
                Condition::Found(self.reader.find(&index, &query)?)
            }
            Condition::And(parts) => Condition::And(all(parts)?),
            Condition::Or(parts) => Condition::Or(all(parts)?),
            Condition::Not(inner) => Condition::Not(Box::new(self.resolve(*inner)?)),
            decided => decided,
        })
    }

    /// The index that answers most of the terms. `known` is what holds for all rows wanted.
    fn best(&self, terms: &[(Term, Condition)], known: &Expression) -> Option<Choice<'a>> {
        let names = self.table.indexes().map(|(index, _)| index.definition().name.clone());
        // An index that is being built is not found.
        let ready = names.filter_map(|name| self.reader.index(&name).ok());
        let able = ready.filter(|index| {
            let condition = index.definition().condition.as_ref();
            condition.is_none_or(|condition| known.implies(condition))
        });
        let choices = able.filter_map(|index| choice(index, terms));
        // Of equal ones the first, so that a plan is the same every time.
        choices.fold(None, |best: Option<Choice<'a>>, next| match best {
            Some(best) if best.terms.len() >= next.terms.len() => Some(best),
            _ => Some(next),
        })
    }

    /// Whether an ordered index has the rows in the order that is wanted; and whether from its end.
    fn ordered(&self) -> Option<(&'a Index, bool)> {
        if self.asked.is_some() || self.order.is_empty() {
            return None;
        }
        let names = self.table.indexes().map(|(index, _)| index.definition().name.clone());
        let mut ready = names.filter_map(|name| self.reader.index(&name).ok());
        ready.find_map(|index| {
            let definition = index.definition();
            let parts = definition.parts.get(..self.order.len())?;
            index.as_ordered().filter(|_| definition.condition.is_none())?;
            let same = |is_reversed: bool| {
                parts.iter().zip(&self.order).all(|(part, wanted)| {
                    let order = if is_reversed { reversed(wanted.order) } else { wanted.order };
                    part.expression == wanted.expression && part.order == order
                })
            };
            [false, true].into_iter().find(|it| same(*it)).map(|is_reversed| (index, is_reversed))
        })
    }

    /// What is done to find the rows, as text.
    pub(crate) fn explain(&self) -> Result<String, Failure> {
        let mut text = match &self.asked {
            Some(asked) => plan_text(&self.reader.explain(asked)?.1),
            None => match self.ordered() {
                Some((index, _)) => format!("index {}, in order\n", index.definition().name),
                None => "all rows\n".to_owned(),
            },
        };
        let name = |id: usize| self.column_name(id);
        for condition in &self.rest {
            let shown = match condition {
                Condition::Plain(expression) => expression.display(&name).to_string(),
                _ => "a condition over several indexes and columns".to_owned(),
            };
            // Writing to a string cannot fail.
            let _ = writeln!(text, "then row by row: {shown}");
        }
        if !self.order.is_empty() && self.ordered().is_none() {
            text.push_str("then sorted\n");
        }
        Ok(text)
    }

    fn column_name(&self, id: usize) -> String {
        let columns = self.table.columns().map(|column| &column.name);
        let mut found = columns.filter(|name| self.table.column_id(name).ok() == Some(id));
        found.next().cloned().unwrap_or_default()
    }

    /// Calls `each` with every row, in order, until it says that it has enough.
    pub(crate) fn for_each(
        &self,
        mut each: impl FnMut(&Row) -> Result<bool, Failure>,
    ) -> Result<(), Failure> {
        let ordered = self.ordered();
        let found: Option<RowSet> =
            self.asked.as_ref().map(|asked| self.reader.find_all(asked)).transpose()?;
        let rows: Box<dyn Iterator<Item = Result<Row, Failure>> + '_> = match (&found, ordered) {
            (Some(found), _) => Box::new(self.reader.fetch(found).map(|row| Ok(row?))),
            (None, Some((index, is_reversed))) => self.in_order(index, is_reversed)?,
            (None, None) => Box::new(self.reader.scan().map(|row| Ok(row?))),
        };
        let mut sorted = Vec::new();
        let is_sorted = ordered.is_some() || self.order.is_empty();
        for row in rows {
            let row = row?;
            if !self.admits(&row)? {
                continue;
            }
            if !is_sorted {
                sorted.push((self.sort_key(&row)?, row));
            } else if !each(&row)? {
                return Ok(());
            }
        }
        sorted.sort_by(|(left, _), (right, _)| self.compare(left, right));
        for (_, row) in &sorted {
            if !each(row)? {
                break;
            }
        }
        Ok(())
    }

    fn in_order(
        &self,
        index: &'a Index,
        is_reversed: bool,
    ) -> Result<Box<dyn Iterator<Item = Result<Row, Failure>> + '_>, Failure> {
        let Some(ordered) = index.as_ordered() else { return Ok(Box::new(std::iter::empty())) };
        let mut query = KeyQuery::all();
        if is_reversed {
            query = query.reverse();
        }
        let scan = ordered.scan(self.reader.reader(), &query).map_err(Failure::index)?;
        Ok(Box::new(scan.filter_map(|hit| {
            let row = hit
                .map_err(Failure::index)
                .and_then(|hit| Ok(self.reader.get_by_id(hit.row_id())?));
            row.transpose()
        })))
    }

    fn admits(&self, row: &Row) -> Result<bool, Failure> {
        for condition in &self.rest {
            if condition.truth(row)? != Some(true) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn sort_key(&self, row: &Row) -> Result<Vec<Value>, Failure> {
        let values = self.order.iter().map(|part| part.expression.evaluate(row as &dyn Columns));
        let values = values.collect::<Result<Vec<_>, _>>();
        values.map_err(|error| Failure::Refused(format!("sort the rows: {error}")))
    }

    fn compare(&self, left: &[Value], right: &[Value]) -> Ordering {
        let pairs = left.iter().zip(right).zip(&self.order);
        let mut orders = pairs.map(|((left, right), part)| {
            let ColumnOrder { descending, nulls_first } = part.order;
            match (left.is_null(), right.is_null()) {
                (true, true) => Ordering::Equal,
                (true, false) if nulls_first => Ordering::Less,
                (true, false) => Ordering::Greater,
                (false, true) if nulls_first => Ordering::Greater,
                (false, true) => Ordering::Less,
                (false, false) if descending => right.cmp(left),
                (false, false) => left.cmp(right),
            }
        });
        orders.find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
    }
}

fn reversed(order: ColumnOrder) -> ColumnOrder {
    let turned = if order.descending { ColumnOrder::ASCENDING } else { ColumnOrder::DESCENDING };
    if order.nulls_first { turned.with_nulls_last() } else { turned.with_nulls_first() }
}

fn plan_text(plan: &RowPlan) -> String {
    // One part alone needs no `and` above it.
    match &plan.parts[..] {
        [only] if plan.label == "and" => only.to_string(),
        _ => plan.to_string(),
    }
}

/// The parts that must all be true.
fn parts(condition: Condition) -> Vec<Condition> {
    match condition {
        Condition::And(all) => all.into_iter().flat_map(parts).collect(),
        Condition::Plain(Expression::And(all)) => {
            all.into_iter().map(Condition::Plain).flat_map(parts).collect()
        }
        other => vec![other],
    }
}

fn plain(condition: &Condition) -> Option<Expression> {
    match condition {
        Condition::Plain(expression) => Some(expression.clone()),
        _ => None,
    }
}

/// Whether no value of a row plays a part.
fn is_asked(condition: &Condition) -> bool {
    match condition {
        Condition::Asked { .. } | Condition::Found(_) => true,
        Condition::Plain(_) => false,
        Condition::And(parts) | Condition::Or(parts) => parts.iter().all(is_asked),
        Condition::Not(inner) => is_asked(inner),
    }
}

/// The condition on one expression that a part is, if it is one that an index may answer.
fn term(condition: &Condition) -> Option<Term> {
    let Condition::Plain(expression) = condition else { return None };
    let (on, want) = match expression {
        Expression::Compare(comparison, left, right) => match (&**left, &**right) {
            (on, Expression::Literal(value)) => (on, compared(*comparison, value)?),
            (Expression::Literal(value), on) => (on, compared(turned(*comparison), value)?),
            _ => return None,
        },
        Expression::In(on, list) => {
            let values = list.iter().map(|item| match item {
                Expression::Literal(value) => Some(value.clone()),
                _ => None,
            });
            let mut values = values.collect::<Option<Vec<_>>>()?;
            // Nothing equals null.
            values.retain(|value| !value.is_null());
            (&**on, Want::In(values))
        }
        Expression::Between { value, low, high } => match (&**low, &**high) {
            (Expression::Literal(low), Expression::Literal(high))
                if !low.is_null() && !high.is_null() =>
            {
                let bounds = (Bound::Included(low.clone()), Bound::Included(high.clone()));
                (&**value, Want::Range(bounds.0, bounds.1))
            }
            _ => return None,
        },
        Expression::Like { value, pattern, escape: None } => match &**pattern {
            Expression::Literal(Value::Text(pattern)) => {
                let start = pattern.strip_suffix('%')?;
                let is_plain = !start.is_empty() && !start.contains(['%', '_']);
                (&**value, Want::StartsWith(start.to_owned()).filtered(is_plain)?)
            }
            _ => return None,
        },
        Expression::Call(Function::StartsWith, arguments) => match &arguments[..] {
            [on, Expression::Literal(Value::Text(start))] => {
                (on, Want::StartsWith(start.clone()).filtered(!start.is_empty())?)
            }
            _ => return None,
        },
        Expression::IsNull(on) => (&**on, Want::Null),
        _ => return None,
    };
    (!matches!(on, Expression::Literal(_))).then(|| Term { on: on.clone(), want })
}

impl Want {
    fn filtered(self, is_wanted: bool) -> Option<Self> {
        is_wanted.then_some(self)
    }
}

fn compared(comparison: Comparison, value: &Value) -> Option<Want> {
    if value.is_null() {
        return None;
    }
    let value = value.clone();
    Some(match comparison {
        Comparison::Equal => Want::Equal(value),
        Comparison::NotEqual => return None,
        Comparison::Less => Want::Range(Bound::Unbounded, Bound::Excluded(value)),
        Comparison::AtMost => Want::Range(Bound::Unbounded, Bound::Included(value)),
        Comparison::Greater => Want::Range(Bound::Excluded(value), Bound::Unbounded),
        Comparison::AtLeast => Want::Range(Bound::Included(value), Bound::Unbounded),
    })
}

/// The comparison with its sides exchanged.
fn turned(comparison: Comparison) -> Comparison {
    match comparison {
        Comparison::Less => Comparison::Greater,
        Comparison::AtMost => Comparison::AtLeast,
        Comparison::Greater => Comparison::Less,
        Comparison::AtLeast => Comparison::AtMost,
        same => same,
    }
}

/// Makes one range of a lower and an upper bound of one expression.
fn join_ranges(terms: &mut Vec<(Term, Condition)>) {
    let mut at = 0;
    while at < terms.len() {
        let (term, part) = &terms[at];
        let other = (at + 1..terms.len()).find_map(|other| {
            let joined = joined(term, &terms[other].0)?;
            Some((other, joined, plain(part)?.and(plain(&terms[other].1)?)))
        });
        match other {
            Some((other, joined, both)) => {
                terms.remove(other);
                terms[at] = (joined, Condition::Plain(both));
            }
            None => at += 1,
        }
    }
}

fn joined(left: &Term, right: &Term) -> Option<Term> {
    if left.on != right.on {
        return None;
    }
    let want = match (&left.want, &right.want) {
        (Want::Range(low, Bound::Unbounded), Want::Range(Bound::Unbounded, high))
        | (Want::Range(Bound::Unbounded, high), Want::Range(low, Bound::Unbounded)) => {
            Want::Range(low.clone(), high.clone())
        }
        _ => return None,
    };
    Some(Term { on: left.on.clone(), want })
}

/// What an index answers of the terms.
fn choice<'a>(index: &'a Index, terms: &[(Term, Condition)]) -> Option<Choice<'a>> {
    let definition: &IndexDefinition = index.definition();
    let on = |part: usize, fits: &dyn Fn(&Want) -> bool| {
        let part = definition.parts.get(part)?;
        terms.iter().position(|(term, _)| term.on == part.expression && fits(&term.want))
    };
    if let IndexKind::Bitmap(_) = &definition.kind {
        let at = on(0, &|want| !matches!(want, Want::StartsWith(_)))?;
        let query = match terms[at].0.want.clone() {
            Want::Equal(value) => BitmapQuery::Equal(value),
            Want::In(values) => BitmapQuery::In(values),
            Want::Range(low, high) => BitmapQuery::Range { low, high },
            Want::Null => BitmapQuery::IsNull,
            Want::StartsWith(_) => return None,
        };
        return Some(Choice { index, query: IndexQuery::Bitmap(query), terms: vec![at] });
    }
    let is_ordered = matches!(definition.kind, IndexKind::Ordered(_));
    if !is_ordered && !matches!(definition.kind, IndexKind::Hash(_)) {
        return None;
    }
    let mut used = Vec::new();
    let mut prefix = Vec::new();
    while let Some(at) = on(prefix.len(), &|want| matches!(want, Want::Equal(_) | Want::Null)) {
        prefix.push(match &terms[at].0.want {
            Want::Equal(value) => value.clone(),
            _ => Value::Null,
        });
        used.push(at);
    }
    let mut query = KeyQuery::equal(prefix.iter().cloned());
    if let Some(at) = on(prefix.len(), &|want| !matches!(want, Want::Equal(_) | Want::Null)) {
        let next = match terms[at].0.want.clone() {
            Want::In(values) => Some(KeyQuery::any_of(
                values.into_iter().map(|value| [&prefix[..], &[value]].concat()),
            )),
            Want::Range(low, high) if is_ordered => Some(query.clone().range((low, high))),
            Want::StartsWith(start) if is_ordered => Some(query.clone().starts_with(start)),
            _ => None,
        };
        if let Some(next) = next {
            query = next;
            used.push(at);
        }
    }
    // A hash has whole keys alone, and keys with nulls may not be among them.
    let is_whole = used.len() == definition.parts.len();
    let has_null = prefix.iter().any(Value::is_null);
    if used.is_empty() || !is_ordered && (!is_whole || has_null) {
        return None;
    }
    used.sort_unstable();
    Some(Choice { index, query: IndexQuery::Key(query), terms: used })
}
