//! Plans of DataFusion as text, as JSON and as pictures, with what there was where they ran.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use datafusion::common::stats::Precision;
use datafusion::physical_plan::metrics::MetricsSet;
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};
use datafusion::physical_plan::{ExecutionPlan, displayable};
use lightning_db_query::PlanFormat;
use serde_json::{Value as Json, json};

/// A node of a plan, as it is shown.
struct Node {
    name: String,
    detail: String,
    depth: usize,
    /// Positions of its inputs.
    inputs: Vec<usize>,
    /// Rows that it is expected to give, if something is known.
    expected: Option<usize>,
    /// Rows that it gave, if they were counted.
    rows: Option<usize>,
    /// Time of its own.
    time: Option<Duration>,
}

/// Writes a plan and why it runs there; after a run with what there was.
pub(super) fn write(
    plan: &Arc<dyn ExecutionPlan>,
    reason: &str,
    (format, ran): (PlanFormat, bool),
) -> String {
    let mut nodes = Vec::new();
    add(&**plan, 0, (&StatisticsContext::new(), ran), &mut nodes);
    match format {
        PlanFormat::Json => json(&nodes, reason, ran),
        PlanFormat::Graphviz => graphviz(&nodes),
        _ => text(&nodes, reason, ran),
    }
}

/// Adds a node in front of its inputs; gives its position.
fn add(
    plan: &dyn ExecutionPlan,
    depth: usize,
    (statistics, ran): (&StatisticsContext, bool),
    nodes: &mut Vec<Node>,
) -> usize {
    let line = displayable(plan).one_line().to_string();
    let name = plan.name().to_owned();
    let detail = line.trim_end().strip_prefix(&*name).unwrap_or(&line);
    let detail = detail.trim_start_matches(':').trim().to_owned();
    let known = statistics.compute(plan, &StatisticsArgs::new()).ok();
    let expected = known.and_then(|known| match known.num_rows {
        Precision::Exact(rows) | Precision::Inexact(rows) => Some(rows),
        Precision::Absent => None,
    });
    let metrics = plan.metrics().filter(|_| ran);
    let rows = metrics.as_ref().and_then(MetricsSet::output_rows);
    let time = metrics.as_ref().and_then(MetricsSet::elapsed_compute);
    let time = time.map(|time| Duration::from_nanos(time as u64));
    let position = nodes.len();
    nodes.push(Node { name, detail, depth, inputs: Vec::new(), expected, rows, time });
    for child in plan.children() {
        let child = add(&**child, depth + 1, (statistics, ran), nodes);
        nodes[position].inputs.push(child);
    }
    position
}

fn text(nodes: &[Node], reason: &str, ran: bool) -> String {
    let mut text = format!("DataFusion, since {reason}\n");
    for node in nodes {
        let (detail, space) = (&node.detail, if node.detail.is_empty() { "" } else { " " });
        // Writing to a string cannot fail.
        let _ = write!(text, "{:1$}{2}{space}{detail}", "", 2 * node.depth, node.name);
        if let Some(expected) = node.expected {
            let _ = write!(text, "  (rows {expected})");
        }
        if ran {
            let _ = match (node.rows, node.time) {
                (Some(rows), Some(time)) => write!(text, "  (actual {rows} in {time:.2?})"),
                (Some(rows), None) => write!(text, "  (actual {rows})"),
                (None, _) => write!(text, "  (not counted)"),
            };
        }
        text.push('\n');
    }
    text
}

fn json(nodes: &[Node], reason: &str, ran: bool) -> String {
    let node = |node: &Node| {
        let mut shown = json!({
            "operator": node.name,
            "detail": node.detail,
            "inputs": node.inputs,
            "rows": node.expected,
        });
        if let (true, Some(object)) = (ran, shown.as_object_mut()) {
            object.insert("actual_rows".to_owned(), json!(node.rows));
            let seconds = node.time.map(|time| time.as_secs_f64());
            object.insert("actual_seconds".to_owned(), json!(seconds));
        }
        shown
    };
    let nodes: Vec<Json> = nodes.iter().map(node).collect();
    json!({ "executor": "DataFusion", "reason": reason, "root": 0, "nodes": nodes }).to_string()
}

fn graphviz(nodes: &[Node]) -> String {
    let escaped = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
    let mut text = String::from("digraph plan {\n  rankdir=BT;\n  node [shape=box];\n");
    for (position, node) in nodes.iter().enumerate() {
        let (name, detail) = (escaped(&node.name), escaped(&node.detail));
        let _ = writeln!(text, "  n{position} [label=\"{name}\\n{detail}\"];");
        for input in &node.inputs {
            let expected = nodes[*input].expected.map_or_else(String::new, |it| it.to_string());
            let actual = nodes[*input].rows.map_or_else(String::new, |it| format!(" ({it})"));
            let _ = writeln!(text, "  n{input} -> n{position} [label=\"{expected}{actual}\"];");
        }
    }
    text.push_str("}\n");
    text
}
