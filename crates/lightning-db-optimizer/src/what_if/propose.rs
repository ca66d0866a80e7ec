//! Indexes that would make queries cheaper.

use std::collections::BTreeSet;

use super::WhatIf;
use super::candidates::{Candidate, candidates};
use crate::catalog::{Catalog, IndexDefinition, IndexKind, TableId};
use crate::error::Result;
use crate::optimize::Optimizer;
use crate::query::{Node, Query};

/// How many indexes are looked for, and from what gain on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ProposalLimits {
    /// Indexes, at most.
    pub indexes_max: usize,
    /// Share of the cost of all queries that an index must save.
    pub gain_min: f64,
    /// Indexes that are tried, at most; each is planned with for each query of its table, once for
    /// each index that is proposed.
    pub candidates_max: usize,
}

impl Default for ProposalLimits {
    fn default() -> Self {
        Self { indexes_max: 5, gain_min: 0.05, candidates_max: 200 }
    }
}

/// An index that is not there.
#[derive(Debug, Clone, PartialEq)]
pub struct IndexProposal {
    /// The table.
    pub table: TableId,
    /// The index; its name is made of the table's and the columns'.
    pub index: IndexDefinition,
    /// What all queries cost with the proposals before this one, by weight, in the cost model's
    /// unit.
    pub before: f64,
    /// What they cost with this one too.
    pub after: f64,
    /// Positions of the queries that become cheaper.
    pub queries: Vec<usize>,
}

/// The indexes that would save most of what queries cost, the best first, each with those before it
/// in place. What keeping an index costs when rows change is not counted.
///
/// `workload` are queries with their weights, such as how often they run.
///
/// # Errors
/// Those of [`Optimizer::optimize`].
pub fn propose_indexes(
    optimizer: &Optimizer,
    catalog: &dyn Catalog,
    workload: &[(&Query, f64)],
    limits: ProposalLimits,
) -> Result<Vec<IndexProposal>> {
    let mut with = WhatIf::new(catalog);
    let (mut costs, mut tables, mut found) = (Vec::new(), Vec::new(), BTreeSet::new());
    for (query, weight) in workload {
        let plan = optimizer.optimize(query, catalog)?;
        costs.push(weight * plan.cost().total);
        tables.push(tables_of(plan.query()));
        found.extend(candidates(plan.query(), catalog));
    }
    let mut found: Vec<Candidate> = found.into_iter().take(limits.candidates_max).collect();
    let mut proposals = Vec::new();
    while proposals.len() < limits.indexes_max {
        let mut best: Option<(usize, Vec<f64>)> = None;
        for (position, candidate) in found.iter().enumerate() {
            let index = definition(catalog, candidate);
            let tried = with.clone().with_index(candidate.table, index);
            let mut after = costs.clone();
            for (query, ((query_of, weight), tables)) in workload.iter().zip(&tables).enumerate() {
                if tables.contains(&candidate.table) {
                    let plan = optimizer.optimize(query_of, &tried)?;
                    after[query] = (weight * plan.cost().total).min(costs[query]);
                }
            }
            let sum = |costs: &[f64]| costs.iter().sum::<f64>();
            if best.as_ref().is_none_or(|(_, best)| sum(&after) < sum(best)) {
                best = Some((position, after));
            }
        }
        let Some((position, after)) = best else { break };
        let (before, rest): (f64, f64) = (costs.iter().sum(), after.iter().sum());
        let saves = before > 0.0 && (before - rest) / before >= limits.gain_min;
        if !saves {
            break;
        }
        let candidate = found.remove(position);
        let index = definition(catalog, &candidate);
        with = with.with_index(candidate.table, index.clone());
        let cheaper = |query: &usize| after[*query] < costs[*query] * (1.0 - 1e-6);
        let queries = (0..costs.len()).filter(cheaper).collect();
        let table = candidate.table;
        proposals.push(IndexProposal { table, index, before, after: rest, queries });
        costs = after;
    }
    Ok(proposals)
}

fn tables_of(query: &Query) -> BTreeSet<TableId> {
    let nodes = query.root().map_or(Vec::new(), |root| crate::optimize::all_nodes(query, root));
    let table = |id| match query.node(id) {
        Node::Scan { table, .. } => Some(*table),
        _ => None,
    };
    nodes.into_iter().filter_map(table).collect()
}

fn definition(catalog: &dyn Catalog, candidate: &Candidate) -> IndexDefinition {
    let table = catalog.definition(candidate.table);
    let column = |position: &usize| table.columns.get(*position).map_or("", |it| &it.name);
    let mut name = table.name.clone();
    for position in &candidate.key {
        name = format!("{name}_{}", column(position));
    }
    let beside: Vec<&str> = candidate.include.iter().map(column).collect();
    if !beside.is_empty() {
        name = format!("{name}_with_{}", beside.join("_"));
    }
    let include = candidate.include.clone();
    IndexDefinition { include, ..IndexDefinition::new(name, IndexKind::Ordered, &candidate.key) }
}
