//! Plans in the dot language of Graphviz.

use std::fmt::Write;

use super::text::number;
use super::{Explain, MARK};

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

impl Explain<'_> {
    /// The plan as a graph: `dot -Tsvg` draws it. Edges say how many rows pass; nodes whose
    /// estimates were bad are red.
    pub fn graphviz(&self) -> String {
        let mut text = String::from("digraph plan {\n  rankdir=BT;\n  node [shape=box];\n");
        for (subquery, id, _) in self.lines() {
            let node = self.plan.node(id);
            let detail = escaped(&node.operator.detail(self.plan.query()));
            let name = match subquery {
                Some(number) => format!("Subquery #{number}: {}", node.operator.name()),
                None => node.operator.name(),
            };
            let cost = number(node.cost.total);
            let bad = self.q_error(id).is_some_and(|error| error >= MARK);
            let color = if bad { ", color=red" } else { "" };
            let unit = self.plan.unit();
            let index = id.index();
            // Writing into a string does not fail.
            let _ =
                writeln!(text, "  n{index} [label=\"{name}\\n{detail}\\n{cost} {unit}\"{color}];");
            for input in node.operator.inputs() {
                let mut rows = number(self.plan.node(input).rows.point);
                if let Some(actual) = self.actual.get(&input) {
                    let _ = write!(rows, " ({})", number(actual.rows_each()));
                }
                let _ = writeln!(text, "  n{} -> n{index} [label=\"{rows}\"];", input.index());
            }
        }
        text.push_str("}\n");
        text
    }
}
