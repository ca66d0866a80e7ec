//! Distinct and group keys by functional dependencies: groups of one row need no grouping, and
//! columns that others determine need not be grouped by.

use super::tree::Rewriter;
use crate::query::{
    Aggregate, AggregateFunction, ColumnId, ColumnSet, Node, NodeId, Scalar, ScalarId,
};

pub(super) const RULE: &str = "reduce groups";

impl Rewriter<'_> {
    pub(super) fn reduce_groups(&mut self, root: NodeId) -> NodeId {
        self.bottom_up(root, &mut |this, id| {
            let Node::Aggregate { input, groups, aggregates } = this.query.node(id) else {
                return id;
            };
            if groups.is_empty() && !aggregates.iter().any(|(_, aggregate)| aggregate.distinct) {
                return id;
            }
            let (input, groups, aggregates) = (*input, groups.clone(), aggregates.clone());
            this.reduced_groups(id, input, groups, aggregates)
        })
    }

    fn reduced_groups(
        &mut self,
        id: NodeId,
        input: NodeId,
        groups: Vec<ColumnId>,
        mut aggregates: Vec<(ColumnId, Aggregate)>,
    ) -> NodeId {
        let found = self.properties(input);
        let all: ColumnSet = groups.iter().copied().collect();
        if aggregates.is_empty() && !groups.is_empty() && found.is_key(&all) {
            self.record(RULE, id, "no two rows are equal");
            return self.exactly(input, &groups);
        }
        let mut changed = false;
        for (_, aggregate) in &mut aggregates {
            changed |= self.without_distinct(aggregate, &all, &found);
        }
        let mut kept = all.clone();
        for group in groups.iter().rev() {
            let mut rest = kept.clone();
            rest.remove(group);
            // With no group columns there is a row even where there are none below.
            if !rest.is_empty() && found.closure(&rest).contains(group) {
                kept = rest;
            }
        }
        let (kept, determined): (Vec<ColumnId>, Vec<ColumnId>) =
            groups.iter().copied().partition(|column| kept.contains(column));
        if !changed && determined.is_empty() {
            return id;
        }
        if determined.is_empty() {
            return self.query.add_node(Node::Aggregate { input, groups, aggregates });
        }
        let output = self.query.output(id);
        let mut above: Vec<(ColumnId, ScalarId)> = Vec::new();
        for column in &output {
            above.push((*column, self.query.column_scalar(*column)));
        }
        for column in determined {
            let value = self.query.column_scalar(column);
            let of_group = if let Some(constant) = found.constants.get(&column) {
                *constant
            } else {
                // All rows of the group have the same.
                let function = AggregateFunction::Min;
                let argument = Some(value);
                let one = Aggregate { function, argument, distinct: false, filter: None };
                let made = self.column_like(column);
                aggregates.push((made, one));
                self.query.column_scalar(made)
            };
            let name = self.query.column_name(column);
            self.record(RULE, id, format!("{name} is determined by the other groups"));
            for (known, scalar) in &mut above {
                if *known == column {
                    *scalar = of_group;
                }
            }
        }
        let node = self.query.add_node(Node::Aggregate { input, groups: kept, aggregates });
        self.query.add_node(Node::Project { input: node, columns: above })
    }

    /// Takes DISTINCT from an aggregate that it does not change.
    fn without_distinct(
        &mut self,
        aggregate: &mut Aggregate,
        groups: &ColumnSet,
        found: &crate::query::Properties,
    ) -> bool {
        let Some(argument) = aggregate.argument else { return false };
        let same_anyway = matches!(
            aggregate.function,
            AggregateFunction::Min
                | AggregateFunction::Max
                | AggregateFunction::Any
                | AggregateFunction::Every
        );
        let unique = match self.query.scalar(argument) {
            Scalar::Column(column) => {
                let mut key = groups.clone();
                key.insert(*column);
                found.is_key(&key)
            }
            _ => false,
        };
        if !aggregate.distinct || !(same_anyway || unique) {
            return false;
        }
        aggregate.distinct = false;
        true
    }
}
