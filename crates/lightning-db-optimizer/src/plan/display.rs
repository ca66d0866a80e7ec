//! Operators as text, close to SQL.

use super::{
    Access, AggregateMethod, BloomCheck, Exchange, IndexScan, JoinMethod, KeyBound, KeyPart,
    Operator, Phase, RowSet, SetMethod,
};
use crate::query::{ColumnId, JoinKind, Query, ScalarId};

fn list<T>(items: &[T], text: impl Fn(&T) -> String) -> String {
    items.iter().map(text).collect::<Vec<_>>().join(", ")
}

pub(crate) fn conditions(query: &Query, conditions: &[ScalarId]) -> String {
    conditions.iter().map(|id| query.scalar_text(*id)).collect::<Vec<_>>().join(" AND ")
}

fn key(query: &Query, part: &KeyPart) -> String {
    let bound = |bound: &KeyBound, sign: &str| {
        let equal = if bound.included { "=" } else { "" };
        format!("{sign}{equal} {}", query.scalar_text(bound.value))
    };
    match part {
        KeyPart::Equal(value) => format!("= {}", query.scalar_text(*value)),
        KeyPart::In(values) => format!("in ({})", list(values, |id| query.scalar_text(*id))),
        KeyPart::Null => "null".to_owned(),
        KeyPart::Range { low, high } => match (low, high) {
            (None, None) => "not null".to_owned(),
            (Some(low), None) => bound(low, ">"),
            (None, Some(high)) => bound(high, "<"),
            (Some(low), Some(high)) => format!("{} {}", bound(low, ">"), bound(high, "<")),
        },
        KeyPart::StartsWith(prefix) => format!("starts with '{prefix}'"),
        KeyPart::Any => "each".to_owned(),
    }
}

fn join(
    query: &Query,
    keys: &[(ScalarId, ScalarId)],
    on: &[ScalarId],
    method: JoinMethod,
) -> String {
    let equal = |(left, right): &(ScalarId, ScalarId)| {
        format!("{} = {}", query.scalar_text(*left), query.scalar_text(*right))
    };
    let mut parts: Vec<String> = keys.iter().map(equal).collect();
    parts.extend(on.iter().map(|id| query.scalar_text(*id)));
    if method == JoinMethod::HashLeft {
        parts.push("left side in the table".to_owned());
    }
    parts.join(", ")
}

impl IndexScan {
    /// The search as text.
    pub fn text(&self, query: &Query) -> String {
        let mut text = format!("index {}", self.name);
        let mut wanted: Vec<String> = self.key.iter().map(|part| key(query, part)).collect();
        wanted.extend(self.functions.iter().map(|id| query.scalar_text(*id)));
        if !wanted.is_empty() {
            text = format!("{text} ({})", wanted.join(", "));
        }
        if let Some(nearest) = self.nearest {
            let first = if self.reverse { "best" } else { "nearest" };
            text = format!("{text} {first} by {}", query.scalar_text(nearest));
        }
        if !self.filter.is_empty() {
            text = format!("{text} where {}", conditions(query, &self.filter));
        }
        let is_backward = self.reverse && self.nearest.is_none();
        for (is, word) in [(is_backward, " backward"), (self.covering, " covering")] {
            text.push_str(if is { word } else { "" });
        }
        text
    }
}

impl RowSet {
    /// The sets as text.
    pub fn text(&self, query: &Query) -> String {
        match self {
            Self::Index(scan) => scan.text(query),
            Self::All(sets) => format!("all of [{}]", list(sets, |set| set.text(query))),
            Self::Any(sets) => format!("any of [{}]", list(sets, |set| set.text(query))),
        }
    }
}

impl Access {
    /// The access as text.
    pub fn text(&self, query: &Query) -> String {
        match self {
            Self::Scan => "scan".to_owned(),
            Self::Index(scan) => scan.text(query),
            Self::Sets(set) => format!("rows of {}", set.text(query)),
        }
    }
}

impl BloomCheck {
    fn text(&self, query: &Query) -> String {
        format!("{} ({})", self.name, list(&self.values, |id| query.scalar_text(*id)))
    }
}

impl Operator {
    /// What is done, in one word or a few.
    pub fn name(&self) -> String {
        match self {
            Self::Access { .. } => "Access".to_owned(),
            Self::IndexAggregate { .. } => "Index aggregate".to_owned(),
            Self::Values { .. } => "Values".to_owned(),
            Self::Filter { .. } => "Filter".to_owned(),
            Self::Project { .. } => "Project".to_owned(),
            Self::Join { kind, method, .. } => {
                let method = match method {
                    JoinMethod::HashRight | JoinMethod::HashLeft => "Hash",
                    JoinMethod::Merge => "Merge",
                    JoinMethod::NestedLoop => "Nested loop",
                    JoinMethod::ForEach => "For each",
                };
                match kind {
                    JoinKind::Inner => format!("{method} join"),
                    kind => format!("{method} {} join", kind.to_string().to_lowercase()),
                }
            }
            Self::Aggregate { method, phase, .. } => {
                let phase = match phase {
                    Phase::Complete => "",
                    Phase::Partial => " partial",
                    Phase::Final => " final",
                };
                match method {
                    AggregateMethod::Hash => format!("Hash{phase} aggregate"),
                    AggregateMethod::Stream => format!("Stream{phase} aggregate"),
                }
            }
            Self::Set { operation, all, method, .. } => match (method, all) {
                (SetMethod::Append, _) => "Append".to_owned(),
                (SetMethod::Hash, true) => format!("Hash {operation} all").to_lowercase(),
                (SetMethod::Hash, false) => format!("Hash {operation}").to_lowercase(),
            },
            Self::Sort { limit: Some(_), .. } => "Top".to_owned(),
            Self::Sort { .. } => "Sort".to_owned(),
            Self::Limit { .. } => "Limit".to_owned(),
            Self::Window { .. } => "Window".to_owned(),
            Self::Exchange { exchange, .. } => match exchange {
                Exchange::Local => "Share".to_owned(),
                Exchange::Hash(_) => "Partition".to_owned(),
                Exchange::Broadcast => "Broadcast".to_owned(),
                Exchange::GatherMerge(keys) if keys.is_empty() => "Gather".to_owned(),
                Exchange::GatherMerge(_) => "Gather merge".to_owned(),
            },
        }
    }

    /// What it is done with; empty if the name says it all.
    pub fn detail(&self, query: &Query) -> String {
        let columns = |columns: &[ColumnId]| list(columns, |id| query.column_name(*id));
        match self {
            Self::Access { alias, access, checks, filter, .. } => {
                let mut text = format!("{alias} by {}", access.text(query));
                if !checks.is_empty() {
                    text = format!("{text} if {}", list(checks, |check| check.text(query)));
                }
                if !filter.is_empty() {
                    text = format!("{text}, filter {}", conditions(query, filter));
                }
                text
            }
            Self::IndexAggregate { alias, aggregates, .. } => {
                let answers = list(aggregates, |it| {
                    let aggregate = query.aggregate_text(&it.aggregate);
                    format!("{aggregate} by {}", it.scan.text(query))
                });
                format!("{alias} {answers}")
            }
            Self::Values { rows } => rows.to_string(),
            Self::Filter { conditions: all, .. } => conditions(query, all),
            Self::Project { columns: made, .. } => list(made, |(column, scalar)| {
                let (text, name) = (query.scalar_text(*scalar), query.column_name(*column));
                if text == name { name } else { format!("{text} AS {name}") }
            }),
            Self::Join { keys, on, method, .. } => join(query, keys, on, *method),
            Self::Aggregate { groups, aggregates, .. } => {
                let made = list(aggregates, |(_, it)| query.aggregate_text(it));
                match (groups.is_empty(), made.is_empty()) {
                    (true, _) => made,
                    (false, true) => format!("by {}", columns(groups)),
                    (false, false) => format!("by {}: {made}", columns(groups)),
                }
            }
            Self::Set { .. } => String::new(),
            Self::Sort { keys, sorted, limit, .. } => {
                let mut text = format!("by {}", query.order_text(keys));
                if let Some(limit) = limit {
                    text = format!("{limit} {text}");
                }
                if *sorted > 0 {
                    text = format!("{text}, the first {sorted} of which are sorted");
                }
                text
            }
            Self::Limit { limit, offset, .. } => {
                let limit = limit.map_or("all".to_owned(), |limit| limit.to_string());
                if *offset > 0 { format!("{limit} after {offset}") } else { limit }
            }
            Self::Window { functions, .. } => list(functions, |(column, function)| {
                format!("{} AS {}", function.name, query.column_name(*column))
            }),
            Self::Exchange { exchange, .. } => match exchange {
                Exchange::Local | Exchange::Broadcast => String::new(),
                Exchange::Hash(by) => format!("by {}", columns(by)),
                Exchange::GatherMerge(keys) if keys.is_empty() => String::new(),
                Exchange::GatherMerge(keys) => format!("by {}", query.order_text(keys)),
            },
        }
    }
}
