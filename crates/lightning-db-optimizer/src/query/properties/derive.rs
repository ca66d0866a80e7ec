//! Properties of each operator from those of its inputs.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::FixedState;
use lightning_db_expression::{Comparison, Expression};
use lightning_db_types::ValueType;

use super::{ColumnSet, Properties};
use crate::catalog::{Catalog, TableId};
use crate::query::{
    AggregateFunction, ColumnId, JoinKind, Node, NodeId, Query, Scalar, ScalarId, SetOperation,
    ValueRows,
};

pub(super) fn derive(
    query: &Query,
    catalog: &dyn Catalog,
    id: NodeId,
    inputs: &[Arc<Properties>],
) -> Properties {
    match (query.node(id), inputs) {
        (Node::Scan { table, columns, .. }, _) => scan(query, catalog, *table, columns),
        (Node::Values { columns, rows }, _) => {
            let mut made = Properties::default();
            if rows.known_len().is_some_and(|len| len <= 1) {
                made.add_key(ColumnSet::new());
            }
            if let (ValueRows::Series(_), [only]) = (rows, &columns[..]) {
                made.add_key(ColumnSet::from_iter([*only]));
            }
            let columns = columns.iter().enumerate();
            let columns = columns.filter(|(position, _)| rows.may_be_null(*position));
            made.nullable = columns.map(|(_, column)| *column).collect();
            made
        }
        (Node::Filter { conditions, .. }, [input]) => {
            let mut made = Properties::clone(input);
            learn(query, &mut made, conditions);
            made
        }
        (Node::Project { columns, .. }, [input]) => project(query, input, columns),
        (Node::Join { kind, left, right, on }, [one, other]) => {
            let (left, own) = (query.output(*left), query.output(*right));
            let own: ColumnSet = own.into_iter().collect();
            let free = query.free_columns(*right);
            let dependent = free.iter().any(|column| left.contains(column));
            // Of a side that uses the other one's columns, what holds for its rows holds for those
            // of one row of the other.
            let mut other = only(other, &own);
            if dependent {
                other.dependencies.clear();
            }
            let left = left.into_iter().collect();
            join(query, *kind, (left, own), (one, &other), on, dependent)
        }
        (Node::Aggregate { groups, aggregates, .. }, [input]) => {
            let kept: ColumnSet = groups.iter().copied().collect();
            let mut made = only(input, &kept);
            made.order.clear();
            made.add_key(kept.clone());
            let computed: ColumnSet = aggregates.iter().map(|(column, _)| *column).collect();
            made.dependencies.push((kept, computed));
            for (column, aggregate) in aggregates {
                if aggregate.function != AggregateFunction::Count {
                    made.nullable.insert(*column);
                }
            }
            made
        }
        (node @ Node::Set { .. }, [one, other]) => set(node, one, other),
        (Node::Sort { keys, .. }, [input]) => {
            Properties { order: keys.clone(), ..Properties::clone(input) }
        }
        (Node::Limit { limit, .. }, [input]) => {
            let mut made = Properties::clone(input);
            if limit.is_some_and(|limit| limit <= 1) {
                made.add_key(ColumnSet::new());
            }
            made
        }
        (Node::Window { functions, .. }, [input]) => {
            let mut made = Properties::clone(input);
            made.nullable.extend(functions.iter().map(|(column, _)| *column));
            made
        }
        _ => Properties::default(),
    }
}

fn set(node: &Node, one: &Properties, other: &Properties) -> Properties {
    let mut made = Properties::default();
    let Node::Set { operation, all, left, right, columns } = node else { return made };
    if !all {
        made.add_key(columns.iter().copied().collect());
    }
    for (at, column) in columns.iter().enumerate() {
        let nullable = (one.nullable.contains(&left.1[at]), other.nullable.contains(&right.1[at]));
        let nullable = match operation {
            SetOperation::Union => nullable.0 || nullable.1,
            SetOperation::Intersect => nullable.0 && nullable.1,
            SetOperation::Except => nullable.0,
        };
        if nullable {
            made.nullable.insert(*column);
        }
    }
    made
}

fn scan(query: &Query, catalog: &dyn Catalog, table: TableId, columns: &[ColumnId]) -> Properties {
    let definition = catalog.definition(table);
    let mut made = Properties {
        nullable: columns.iter().copied().filter(|it| query.column(*it).nullable).collect(),
        ..Properties::default()
    };
    let unique = definition.indexes.iter().filter(|it| it.unique && it.condition.is_none());
    let unique = unique.filter_map(|index| {
        let parts = index.parts.iter().map(|part| match part.expression {
            Expression::Column(position) => Some(position),
            _ => None,
        });
        parts.collect::<Option<Vec<usize>>>()
    });
    let all: ColumnSet = columns.iter().copied().collect();
    for key in definition.keys.iter().cloned().chain(unique) {
        let key: ColumnSet =
            key.iter().filter_map(|position| columns.get(*position)).copied().collect();
        // Keys with nulls may repeat.
        if !key.is_empty() && key.is_disjoint(&made.nullable) {
            made.dependencies.push((key.clone(), all.clone()));
            made.add_key(key);
        }
    }
    made
}

/// Whether equal values of the type are the same in all that a query can see.
fn equal_is_same(value_type: ValueType) -> bool {
    !matches!(value_type, ValueType::F64 | ValueType::Decimal | ValueType::Point | ValueType::Null)
}

/// What conditions that are true say.
fn learn(query: &Query, made: &mut Properties, conditions: &[ScalarId]) {
    for condition in conditions {
        for column in query.rejected_columns(*condition) {
            made.nullable.remove(&column);
        }
        let Scalar::Compare(Comparison::Equal, left, right) = query.scalar(*condition) else {
            continue;
        };
        let (left_type, right_type) = (query.value_type(*left), query.value_type(*right));
        if left_type != right_type || !equal_is_same(left_type) {
            continue;
        }
        match (query.scalar(*left), query.scalar(*right)) {
            (Scalar::Column(left), Scalar::Column(right)) => made.equal(*left, *right),
            (Scalar::Column(column), Scalar::Literal(_) | Scalar::Parameter(..)) => {
                made.constants.insert(*column, *right);
            }
            _ => {}
        }
    }
}

/// What is left when only these columns are given.
fn only(input: &Properties, kept: &ColumnSet) -> Properties {
    let mut made = Properties::default();
    for key in &input.keys {
        if let Some(key) = expressed(input, key, kept) {
            made.add_key(key);
        }
    }
    for (determinant, dependents) in &input.dependencies {
        if determinant.is_subset(kept) {
            made.dependencies.push((determinant.clone(), dependents & kept));
        }
    }
    let classes = input.classes.iter().map(|class| class & kept);
    made.classes = classes.filter(|class| class.len() > 1).collect();
    made.constants = input.constants.clone();
    made.constants.retain(|column, _| kept.contains(column));
    made.nullable = &input.nullable & kept;
    made.order = input.order.iter().copied().take_while(|it| kept.contains(&it.column)).collect();
    made
}

/// The columns as kept ones, each itself or one that equals it; constants need not be kept.
fn expressed(input: &Properties, columns: &ColumnSet, kept: &ColumnSet) -> Option<ColumnSet> {
    let mut made = ColumnSet::new();
    for column in columns {
        if kept.contains(column) {
            made.insert(*column);
        } else if !input.constants.contains_key(column) {
            let class = input.classes.iter().find(|class| class.contains(column))?;
            made.insert(*class.iter().find(|it| kept.contains(it))?);
        }
    }
    Some(made)
}

fn project(query: &Query, input: &Properties, columns: &[(ColumnId, ScalarId)]) -> Properties {
    // First as if all columns were still there beside the new ones, then without the others.
    let mut all = input.clone();
    for (column, scalar) in columns {
        if *query.scalar(*scalar) == Scalar::Column(*column) {
            continue;
        }
        if query.may_be_null(*scalar, &|used| input.nullable.contains(&used)) {
            all.nullable.insert(*column);
        }
        match query.scalar(*scalar) {
            Scalar::Column(same) => all.equal(*column, *same),
            Scalar::Literal(_) | Scalar::Parameter(..) => {
                all.constants.insert(*column, *scalar);
            }
            _ if query.subqueries(*scalar).is_empty() => {
                let used: ColumnSet = query.scalar_columns(*scalar).into_iter().collect();
                all.dependencies.push((used, ColumnSet::from([*column])));
            }
            _ => {}
        }
    }
    let kept: ColumnSet = columns.iter().map(|(column, _)| *column).collect();
    let mut made = only(&all, &kept);
    let mut named: HashMap<ColumnId, ColumnId, FixedState> = HashMap::default();
    for (column, scalar) in columns {
        if let Scalar::Column(same) = query.scalar(*scalar) {
            named.entry(*same).or_insert(*column);
        }
    }
    made.order.clear();
    for key in &input.order {
        let Some(column) = named.get(&key.column) else { break };
        made.order.push(crate::query::SortKey { column: *column, ..*key });
    }
    made
}

fn join(
    query: &Query,
    kind: JoinKind,
    (left_set, right_set): (ColumnSet, ColumnSet),
    (left, right): (&Properties, &Properties),
    on: &[ScalarId],
    dependent: bool,
) -> Properties {
    if let JoinKind::Semi | JoinKind::Anti | JoinKind::Mark(_) = kind {
        let mut made = Properties { order: Vec::new(), ..left.clone() };
        match kind {
            JoinKind::Mark(mark) => {
                made.nullable.insert(mark);
            }
            JoinKind::Semi => {
                let mut learned = made.clone();
                learn(query, &mut learned, on);
                made = only(&learned, &left_set);
            }
            _ => {}
        }
        return made;
    }
    // What holds for pairs that match.
    let mut pairs = left.clone();
    pairs.order.clear();
    pairs.keys.clear();
    pairs.dependencies.extend(right.dependencies.iter().cloned());
    pairs.classes.extend(right.classes.iter().cloned());
    pairs.constants.extend(right.constants.iter().map(|(column, scalar)| (*column, *scalar)));
    pairs.nullable.extend(&right.nullable);
    learn(query, &mut pairs, on);
    let determines = |from: &ColumnSet, side: &Properties| {
        let closure = pairs.closure(from);
        side.keys.iter().any(|key| key.is_subset(&closure))
    };
    let one_right = kind == JoinKind::Single || determines(&left_set, right);
    let one_left = !dependent && determines(&right_set, left);
    let mut keys: Vec<ColumnSet> = Vec::new();
    if one_right && kind != JoinKind::Full {
        keys.extend(left.keys.iter().cloned());
    }
    if one_left && kind == JoinKind::Inner {
        keys.extend(right.keys.iter().cloned());
    }
    if kind != JoinKind::Full && !one_right {
        // A row without a match has nulls on the right, which no other row of it has.
        let both = left.keys.iter().flat_map(|one| right.keys.iter().map(move |other| one | other));
        keys.extend(both);
    }
    let mut made = match kind {
        JoinKind::Inner => pairs,
        JoinKind::Full => {
            let nullable = &left_set | &right_set;
            return Properties { nullable, ..Properties::default() };
        }
        _ => {
            let mut made = Properties { order: Vec::new(), keys: Vec::new(), ..left.clone() };
            // A row of nulls depends on its key as the others do, if theirs is never null.
            let kept = right.dependencies.iter().filter(|(determinant, _)| {
                determinant.iter().any(|column| !right.nullable.contains(column))
            });
            made.dependencies.extend(kept.cloned());
            made.classes.extend(right.classes.iter().cloned());
            made.nullable.extend(&right_set);
            made
        }
    };
    for key in keys {
        made.add_key(key);
    }
    made
}
