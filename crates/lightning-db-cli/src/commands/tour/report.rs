//! What a tour prints: numbered steps, aligned facts, and what each step shows.

use std::io::Write;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::context::{self, Context};
use crate::failure::Failure;
use crate::text;

/// Width of the names of facts.
const LABEL_WIDTH: usize = 24;

/// Prints a tour as it goes: lines of text, or one object for each step.
pub(super) struct Report<'a> {
    context: &'a Context,
    steps: u32,
    title: String,
    facts: Map<String, Value>,
    started: Duration,
}

impl<'a> Report<'a> {
    pub(super) fn new(context: &'a Context) -> Self {
        let (title, facts) = (String::new(), Map::new());
        Self { context, steps: 0, title, facts, started: Duration::ZERO }
    }

    /// Prints a line for people.
    pub(super) fn line(&self, line: &str) -> Result<(), Failure> {
        if self.context.json {
            return Ok(());
        }
        let mut output = context::output();
        writeln!(output, "{line}").and_then(|()| output.flush()).map_err(Failure::Output)
    }

    /// Starts a step.
    pub(super) fn start(&mut self, title: &str) -> Result<(), Failure> {
        self.steps += 1;
        self.started = self.context.elapsed();
        title.clone_into(&mut self.title);
        self.line("")?;
        self.line(&format!("{}  {title}", self.steps))
    }

    /// Something that was found.
    pub(super) fn fact(&mut self, label: &str, value: &str) -> Result<(), Failure> {
        self.add(label, value, value.into())
    }

    fn add(&mut self, label: &str, value: &str, json: Value) -> Result<(), Failure> {
        self.facts.insert(label.trim().to_owned(), json);
        self.line(&format!("   {label:<LABEL_WIDTH$}  {value}"))
    }

    /// A time, and how many things a second that are.
    pub(super) fn timing(
        &mut self,
        label: &str,
        time: Duration,
        work: Option<(u64, &str)>,
    ) -> Result<(), Failure> {
        let mut line = text::time(time);
        let mut json = json!({ "seconds": time.as_secs_f64() });
        if let Some((count, unit)) = work {
            let rate = text::rate(count, time);
            line = format!("{line:<10}{:>12} {unit}/s", text::number(rate));
            json["per_second"] = rate.into();
        }
        self.add(label, &line, json)
    }

    /// Ends a step with what it has shown.
    pub(super) fn end(&mut self, shown: &str) -> Result<(), Failure> {
        self.line(&format!("   => {shown}"))?;
        let facts = std::mem::take(&mut self.facts);
        if self.context.json {
            let time = self.context.elapsed().saturating_sub(self.started);
            let json = json!({
                "step": self.title,
                "facts": facts,
                "shows": shown,
                "seconds": time.as_secs_f64(),
            });
            self.context.print("", &json)?;
        }
        Ok(())
    }
}
