//! Rewrites: the same rows by other operators, with fewer rows on the way.
//!
//! Each rule is a file of its own, and is tested against the reference over random queries. A
//! rewrite never makes a query fail that does not, as long as its sums and products fit, and never
//! evaluates for more rows what may fail for some; but a subquery that stands in a branch of CASE
//! is evaluated for all rows, and one that uses no outer columns also if there are none.

mod alternatives;
mod balance;
mod decide_marks;
mod drop_empty;
mod drop_null_tests;
mod eliminate_join;
mod fold;
mod merge_projects;
mod min_max;
mod outer_to_inner;
mod prune;
mod push_aggregate;
mod push_down;
mod push_limit;
mod reduce_groups;
mod transitive;
mod tree;
mod unnest;

#[cfg(test)]
mod tests;

use std::collections::HashSet;

use crate::catalog::Catalog;
use crate::query::{ColumnId, Node, NodeId, Query};

/// A rewrite that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// Name of the rule.
    pub rule: &'static str,
    /// The node that it made.
    pub node: NodeId,
    /// What it did there, for people.
    pub detail: String,
}

/// Names of the rules, as [`Applied`] has them.
pub const RULES: [&str; 17] = [
    balance::RULE,
    fold::RULE,
    unnest::RULE,
    outer_to_inner::RULE,
    push_down::RULE,
    transitive::RULE,
    alternatives::RULE,
    drop_empty::RULE,
    drop_null_tests::RULE,
    merge_projects::RULE,
    prune::RULE,
    eliminate_join::RULE,
    decide_marks::RULE,
    reduce_groups::RULE,
    push_limit::RULE,
    push_aggregate::RULE,
    min_max::RULE,
];

/// Rewrites a query, and says what was done, in order.
///
/// Cost grows with nodes times columns. Trees that are deeper than [`DEPTH_MAX`] after long chains
/// of inner joins were balanced stay as they are, subqueries included.
pub fn rewrite(query: &mut Query, catalog: &dyn Catalog) -> Vec<Applied> {
    let Some(root) = query.root() else { return Vec::new() };
    let output = query.output(root);
    let mut rewriter = tree::Rewriter::new(query, catalog);
    let root = rewriter.balance(root);
    if depth(rewriter.query, root) > DEPTH_MAX {
        return Vec::new();
    }
    let node = rewriter.fold(root);
    let node = rewriter.unnest(node);
    let node = rewriter.settled(node);
    let node = rewriter.push_aggregates(node);
    let node = rewriter.first_of_index(node);
    let node = rewriter.with_output(node, &output);
    let mut applied = rewriter.applied;
    // What a later round did again is no news.
    let mut seen = HashSet::new();
    applied.retain(|applied| seen.insert((applied.rule, applied.detail.clone())));
    query.set_root(node);
    applied
}

/// Operators on the longest way from the root of a query that is still rewritten.
pub const DEPTH_MAX: usize = 200;

fn depth(query: &Query, root: NodeId) -> usize {
    let mut stack = vec![(root, 1)];
    let mut deepest = 0;
    while let Some((id, depth)) = stack.pop() {
        deepest = deepest.max(depth);
        stack.extend(query.node(id).each_input().map(|input| (input, depth + 1)));
    }
    deepest
}

/// Rounds of the rules that make work for each other, at most.
const ROUNDS_MAX: usize = 4;

type Rule = fn(&mut tree::Rewriter<'_>, NodeId) -> NodeId;

/// The rules that make work for each other, in their order.
const SETTLING: [Rule; 11] = [
    |rewriter, node| rewriter.fold(node),
    |rewriter, node| rewriter.outer_to_inner(node),
    |rewriter, node| rewriter.push_down(node),
    |rewriter, node| rewriter.infer(node),
    |rewriter, node| rewriter.restrict(node),
    |rewriter, node| rewriter.drop_null_tests(node),
    |rewriter, node| rewriter.drop_empty(node),
    |rewriter, node| rewriter.prune(node),
    |rewriter, node| rewriter.merge_projects(node),
    |rewriter, node| rewriter.reduce_groups(node),
    |rewriter, node| rewriter.push_limits(node),
];

impl tree::Rewriter<'_> {
    /// The tree with these columns alone: joins may give more than those that they stand for.
    fn with_output(&mut self, root: NodeId, output: &[ColumnId]) -> NodeId {
        if self.query.output(root) == output {
            return root;
        }
        let columns = output.iter().map(|column| (*column, self.query.column_scalar(*column)));
        let columns = columns.collect();
        self.query.add_node(Node::Project { input: root, columns })
    }

    /// The tree after the rules that make work for each other, until each has left it as it is.
    fn settled(&mut self, root: NodeId) -> NodeId {
        let (mut node, mut settled) = (root, 0);
        for rule in SETTLING.iter().cycle().take(ROUNDS_MAX * SETTLING.len()) {
            let made = rule(self, node);
            settled = if made == node { settled + 1 } else { 0 };
            node = made;
            if settled == SETTLING.len() {
                break;
            }
        }
        node
    }
}
