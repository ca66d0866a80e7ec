//! Plans as JSON, written by hand: the crate has no use for a serializer beside this.

use std::fmt::Write;

use super::Explain;
use crate::plan::PlanId;

/// Writes one JSON value after the other.
#[derive(Default)]
struct Writer {
    text: String,
}

impl Writer {
    fn string(&mut self, value: &str) {
        self.text.push('"');
        for char in value.chars() {
            match char {
                '"' => self.text.push_str("\\\""),
                '\\' => self.text.push_str("\\\\"),
                '\n' => self.text.push_str("\\n"),
                char if u32::from(char) < 0x20 => {
                    // Writing into a string does not fail.
                    let _ = write!(self.text, "\\u{:04x}", u32::from(char));
                }
                char => self.text.push(char),
            }
        }
        self.text.push('"');
    }

    /// A number; null for one that JSON does not have.
    fn number(&mut self, value: f64) {
        if value.is_finite() {
            let _ = write!(self.text, "{value}");
        } else {
            self.text.push_str("null");
        }
    }

    fn key(&mut self, key: &str) {
        if !self.text.ends_with('{') {
            self.text.push(',');
        }
        self.string(key);
        self.text.push(':');
    }

    fn text_of(&mut self, key: &str, value: &str) {
        self.key(key);
        self.string(value);
    }

    fn number_of(&mut self, key: &str, value: f64) {
        self.key(key);
        self.number(value);
    }

    /// A list of values.
    fn list<T>(&mut self, key: &str, items: &[T], mut write: impl FnMut(&mut Self, &T)) {
        self.key(key);
        self.text.push('[');
        for (position, item) in items.iter().enumerate() {
            if position > 0 {
                self.text.push(',');
            }
            write(self, item);
        }
        self.text.push(']');
    }
}

impl Explain<'_> {
    /// The plan as JSON: an object with `unit`, `rewrites`, `unmet_hints`, `root`, `subqueries` and
    /// `nodes`. Nodes are named by their positions in `nodes`, where each stands after its inputs.
    pub fn json(&self) -> String {
        let mut writer = Writer::default();
        writer.text.push('{');
        writer.text_of("unit", self.plan.unit());
        writer.number_of("elapsed", self.plan.elapsed());
        writer.list("rewrites", self.plan.applied(), |writer, applied| {
            writer.text.push('{');
            writer.text_of("rule", applied.rule);
            writer.text_of("detail", &applied.detail);
            writer.text.push('}');
        });
        writer.list("unmet_hints", self.plan.unmet(), |writer, unmet| {
            writer.text.push('{');
            writer.text_of("hint", &unmet.hint.to_string());
            writer.text_of("reason", &unmet.reason.to_string());
            writer.text.push('}');
        });
        writer.number_of("root", position(self.plan.root()));
        writer.list("subqueries", self.plan.subqueries(), |writer, (node, id)| {
            writer.text.push('{');
            writer.number_of("subquery", crate::access::as_f64(node.index() as u64));
            writer.number_of("root", position(*id));
            writer.text.push('}');
        });
        let ids: Vec<PlanId> = (0..self.plan.nodes().len()).map(PlanId::new).collect();
        writer.list("nodes", &ids, |writer, id| self.node(writer, *id));
        writer.text.push('}');
        writer.text
    }

    fn node(&self, writer: &mut Writer, id: PlanId) {
        let node = self.plan.node(id);
        let query = self.plan.query();
        writer.text.push('{');
        writer.text_of("operator", &node.operator.name());
        writer.text_of("detail", &node.operator.detail(query));
        writer.list("inputs", &node.operator.inputs(), |writer, id| writer.number(position(*id)));
        writer.list("columns", &node.columns, |writer, id| writer.string(&query.column_name(*id)));
        writer.text_of("order", &query.order_text(&node.order));
        writer.number_of("rows", node.rows.point);
        writer.number_of("rows_low", node.rows.low);
        writer.number_of("rows_high", node.rows.high);
        writer.text_of("source", &node.rows.source.to_string());
        writer.number_of("cost_start", node.cost.start);
        writer.number_of("cost", node.cost.total);
        writer.number_of("cost_high", node.cost.high);
        writer.number_of("workers", f64::from(node.degree));
        if let Some(actual) = self.actual.get(&id) {
            writer.number_of("actual_rows", crate::access::as_f64(actual.rows));
            writer.number_of("actual_loops", crate::access::as_f64(actual.loops));
            if let Some(time) = actual.time {
                writer.number_of("actual_seconds", time.as_secs_f64());
            }
            writer.number_of("q_error", self.q_error(id).unwrap_or(1.0));
        }
        writer.list("rejected", &node.rejected, |writer, other| {
            writer.text.push('{');
            writer.text_of("what", &other.what);
            if let Some(cost) = other.cost {
                writer.number_of("cost", cost);
            }
            writer.text_of("reason", &other.reason);
            writer.text.push('}');
        });
        writer.text.push('}');
    }
}

fn position(id: PlanId) -> f64 {
    crate::access::as_f64(id.index() as u64)
}
