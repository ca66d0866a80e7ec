//! Queries that are planned once and run any number of times.

mod run;
mod teach;
mod variants;

use std::cell::RefCell;
use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

use arc_swap::ArcSwap;
use lightning_db_optimizer::{Actual, Explain, Hints, Operator, Plan, PlanId, Query, QueryBuilder};
use lightning_db_table::Table;
use lightning_db_types::{Value, ValueRef, ValueType};

use crate::catalog::TableCatalog;
use crate::engine::{Inner, Seen};
use crate::error::{Error, Result};
use crate::execute::Counted;
use crate::learn::Lessons;
use crate::program::Program;
use crate::source::Source;
use crate::watch::{Watch, expected_reads};

use run::Input;
use variants::Choice;
pub(crate) use variants::Variants;

/// A query with its plan.
///
/// The plan is made anew when the definitions of the tables that a run sees are others than those
/// it was made for, or the tables have grown or shrunk by half or were analyzed.
pub struct Statement {
    engine: Arc<Inner>,
    query: QueryBuilder,
    hints: Hints,
    /// The plan for any values of the parameters.
    prepared: ArcSwap<Prepared>,
    /// Number among the engine's statements.
    number: u64,
}

/// A column of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultColumn {
    /// Its name.
    pub name: String,
    /// Type of its values.
    pub value_type: ValueType,
}

/// How a plan is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum PlanFormat {
    /// An operator a line, with what it was chosen over.
    #[default]
    Text,
    /// One object, for programs.
    Json,
    /// A picture, in the dot language of Graphviz.
    Graphviz,
}

impl PlanFormat {
    fn write(self, plan: &Explain<'_>) -> String {
        match self {
            Self::Text => plan.to_string(),
            Self::Json => plan.json(),
            Self::Graphviz => plan.graphviz(),
        }
    }
}

/// A plan, ready to run.
#[derive(Debug)]
pub(crate) struct Prepared {
    version: u64,
    plan: Plan,
    program: Program,
    /// The tables that it reads, and what was known of them.
    tables: Vec<(Table, Seen)>,
    columns: Vec<ResultColumn>,
    /// Rows of tables that a run is expected to read.
    expected_reads: u64,
    /// What its runs teach, if they have anything to teach.
    lessons: Option<Lessons>,
    /// What there is to choose by the values of parameters: of the plan for any.
    choice: Option<Box<Choice>>,
}

/// A run that was watched.
#[derive(Debug)]
pub struct Analyzed {
    prepared: Arc<Prepared>,
    actual: Vec<(PlanId, Actual)>,
    /// Rows of the result.
    pub rows: u64,
}

impl fmt::Debug for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Statement").field("query", &self.query).finish_non_exhaustive()
    }
}

impl Prepared {
    fn new(
        engine: &Inner,
        (query, hints): (&QueryBuilder, &Hints),
        catalog: &TableCatalog,
    ) -> Result<Self> {
        let query = query.build(catalog)?;
        let mut prepared = Self::of_query(engine, (&query, hints), catalog)?;
        let variants = engine.variants.as_ref();
        if let Some(variants) = variants.filter(|_| hints.is_empty() && !prepared.finds_by_key()) {
            let plan = (&prepared.plan, &prepared.program.tables[..]);
            prepared.choice = Choice::new(&query, plan, catalog, variants).map(Box::new);
        }
        Ok(prepared)
    }

    pub(crate) fn of_query(
        engine: &Inner,
        (query, hints): (&Query, &Hints),
        catalog: &TableCatalog,
    ) -> Result<Self> {
        let plan = engine.plan((query, hints), catalog)?;
        let program = Program::new(&plan, catalog)?;
        let known = program.tables.iter().filter_map(|table| catalog.known(*table));
        let tables = known.map(|known| (known.table.clone(), known.seen())).collect();
        let columns = plan.node(plan.root()).columns.iter().map(|id| {
            let column = plan.query().column(*id);
            ResultColumn { name: column.name.to_string(), value_type: column.value_type }
        });
        let columns = columns.collect();
        let teaches = engine.learned.is_some() && hints.is_empty() && !finds_by_key(&plan);
        let lessons = teaches.then(|| Lessons::new(query));
        let (version, expected_reads) = (plan.version(), expected_reads(&plan, catalog));
        let choice = None;
        Ok(Self { version, plan, program, tables, columns, expected_reads, lessons, choice })
    }

    /// Whether it finds each row that it reads by the whole of a unique key.
    fn finds_by_key(&self) -> bool {
        finds_by_key(&self.plan)
    }

    /// Whether the tables that a source sees are others than it was made for, or of other sizes.
    fn is_near(&self, source: Source<'_>) -> Result<bool> {
        for (table, seen) in &self.tables {
            if !seen.is_near(table, source.read(table)?.approximate_count()) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// A place for what is counted of each node.
    fn uncounted(&self) -> RefCell<Vec<Actual>> {
        RefCell::new(vec![Actual::default(); self.plan.nodes().len()])
    }

    /// What was counted of the nodes that ran.
    fn counted(&self, actual: &[Actual]) -> Vec<(PlanId, Actual)> {
        let plan = &self.plan;
        let roots = std::iter::once(plan.root()).chain(plan.subqueries().iter().map(|(_, id)| *id));
        let nodes = roots.flat_map(|root| plan.below(root));
        let counted = nodes.filter_map(|id| Some((id, *actual.get(id.index())?)));
        counted.filter(|(_, actual)| actual.loops > 0).collect()
    }

    /// The rows as of a snapshot: for tests of plans, as the functions below.
    #[cfg(test)]
    pub(crate) fn rows(
        &self,
        engine: &crate::QueryEngine,
        snapshot: &lightning_db_table::TableSnapshot,
    ) -> Result<Vec<Vec<Value>>> {
        let mut rows = Vec::new();
        self.each(engine, snapshot, &mut |row| {
            rows.push(row.iter().map(|value| value.to_value()).collect());
        })?;
        Ok(rows)
    }

    /// Calls `visit` with each row, up to one that fails.
    #[cfg(test)]
    pub(crate) fn each(
        &self,
        engine: &crate::QueryEngine,
        snapshot: &lightning_db_table::TableSnapshot,
        visit: &mut dyn FnMut(&[ValueRef<'_>]),
    ) -> Result<()> {
        let readers = self.tables.iter().map(|(table, _)| Source::from(snapshot).read(table));
        let readers = readers.collect::<Result<Vec<_>>>()?;
        let run = crate::execute::Run {
            program: &self.program,
            readers: &readers,
            parameters: &[],
            given: &[],
            memory_limit: engine.inner.memory_limit,
            memory: std::cell::Cell::new(0),
            columns: &engine.inner.columns,
            members: RefCell::default(),
            watch: None,
            counted: None,
        };
        run.each(&mut |row| {
            visit(row);
            Ok(ControlFlow::Continue(()))
        })
    }

    /// Whether a part of the plan is run in batches.
    #[cfg(test)]
    pub(crate) fn is_batched(&self) -> bool {
        self.program.batched.contains(&true)
    }

    /// The same, run row by row.
    #[cfg(test)]
    pub(crate) fn by_rows(mut self) -> Self {
        self.program.batched.fill(false);
        self
    }

    /// Links of the longest chain of the plan.
    #[cfg(test)]
    pub(crate) fn longest_chain(&self) -> usize {
        let links = self.program.chains.iter().flatten().map(|chain| chain.links.len());
        links.max().unwrap_or(0)
    }

    /// The same, run node by node.
    #[cfg(test)]
    pub(crate) fn by_nodes(mut self) -> Self {
        self.program.chains.clear();
        self
    }

    #[cfg(test)]
    pub(crate) fn text(&self) -> String {
        self.plan.explain().without_costs().to_string()
    }

    fn check_parameters(&self, parameters: &[Value]) -> Result<()> {
        for (number, expected) in &self.program.parameters {
            let Some(value) = parameters.get(*number) else {
                return Err(Error::missing(*number, *expected));
            };
            let found = value.value_type();
            let numbers = [found, *expected].map(lightning_db_expression::number::is_number);
            if !value.is_null() && found != *expected && numbers != [true, true] {
                let detail = format!("a {expected} is expected, and a {found} was given");
                return Err(Error::Parameter { number: *number, detail });
            }
        }
        Ok(())
    }
}

impl Statement {
    pub(crate) fn new(
        engine: &Arc<Inner>,
        (query, hints): (QueryBuilder, Hints),
        catalog: &TableCatalog,
    ) -> Result<Self> {
        let prepared = Prepared::new(engine, (&query, &hints), catalog)?;
        let number = engine.variants.as_ref().map_or(0, Variants::number);
        let (engine, prepared) = (Arc::clone(engine), ArcSwap::from_pointee(prepared));
        Ok(Self { engine, query, hints, prepared, number })
    }

    /// Columns of the result.
    pub fn columns(&self) -> Vec<ResultColumn> {
        self.prepared.load().columns.clone()
    }

    /// Whether the plan finds each row that it reads by the whole of a unique key: no other values
    /// of the parameters have a better one.
    pub fn finds_by_key(&self) -> bool {
        self.prepared.load().finds_by_key()
    }

    /// How many rows the plan is expected to give.
    pub fn estimated_rows(&self) -> f64 {
        self.prepared.load().plan.rows().point
    }

    /// The plan as text: operators with estimates and costs.
    pub fn explain(&self) -> String {
        self.explain_as(PlanFormat::Text)
    }

    /// The plan in a format.
    pub fn explain_as(&self, format: PlanFormat) -> String {
        format.write(&self.prepared.load().plan.explain().with_rejected())
    }

    /// Calls `visit` with each row, until it breaks. Values are borrowed for the call.
    ///
    /// # Errors
    /// [`Error::Parameter`], [`Error::Expression`], [`Error::Memory`]; those of the tables and of
    /// `visit`.
    pub fn for_each<'s>(
        &self,
        source: impl Into<Source<'s>>,
        parameters: &[Value],
        visit: impl FnMut(&[ValueRef<'_>]) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        self.for_each_watched(source, (parameters, None), visit)
    }

    /// The same under a [`Watch`], through which another thread ends the run, within a batch of
    /// rows, or sees how far it is.
    ///
    /// # Errors
    /// [`Error::Cancelled`]; those of [`for_each`](Self::for_each).
    pub fn for_each_watched<'s>(
        &self,
        source: impl Into<Source<'s>>,
        (parameters, watch): (&[Value], Option<&Watch>),
        mut visit: impl FnMut(&[ValueRef<'_>]) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        let input = Input { parameters, given: &[], watch };
        self.run_over(source.into(), input, &mut visit)
    }

    /// The same over rows that are given: those of
    /// [`ValueRows::Given`](lightning_db_optimizer::ValueRows).
    ///
    /// # Errors
    /// Those of [`for_each_watched`](Self::for_each_watched).
    pub fn for_each_given<'s>(
        &self,
        source: impl Into<Source<'s>>,
        given: &[Vec<Value>],
        (parameters, watch): (&[Value], Option<&Watch>),
        mut visit: impl FnMut(&[ValueRef<'_>]) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        self.run_over(source.into(), Input { parameters, given, watch }, &mut visit)
    }

    /// All rows.
    ///
    /// # Errors
    /// As [`for_each`](Self::for_each).
    pub fn rows<'s>(
        &self,
        source: impl Into<Source<'s>>,
        parameters: &[Value],
    ) -> Result<Vec<Vec<Value>>> {
        let mut rows = Vec::new();
        self.for_each(source, parameters, |row| {
            rows.push(row.iter().map(|value| value.to_value()).collect());
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(rows)
    }

    /// The first row, if there is one.
    ///
    /// # Errors
    /// As [`for_each`](Self::for_each).
    pub fn first<'s>(
        &self,
        source: impl Into<Source<'s>>,
        parameters: &[Value],
    ) -> Result<Option<Vec<Value>>> {
        let mut first = None;
        self.for_each(source, parameters, |row| {
            first = Some(row.iter().map(|value| value.to_value()).collect());
            Ok(ControlFlow::Break(()))
        })?;
        Ok(first)
    }

    /// Runs the query and counts rows and time of each operator.
    ///
    /// # Errors
    /// As [`for_each`](Self::for_each).
    pub fn analyze<'s>(
        &self,
        source: impl Into<Source<'s>>,
        parameters: &[Value],
    ) -> Result<Analyzed> {
        let source = source.into();
        let known = self.prepared.load_full();
        let prepared = self.instead_of(&known, source, parameters)?.unwrap_or(known);
        let clock = &**self.engine.clock();
        let mut rows = 0;
        let counted = Counted { clock: Some(clock), actual: prepared.uncounted() };
        let input = Input { parameters, given: &[], watch: None };
        self.run(&prepared, source, input, Some(&counted), &mut |_| {
            rows += 1;
            Ok(ControlFlow::Continue(()))
        })?;
        let actual = prepared.counted(&counted.actual.into_inner());
        Ok(Analyzed { prepared, actual, rows })
    }
}

/// Whether a plan finds each row that it reads by the whole of a unique key.
fn finds_by_key(plan: &Plan) -> bool {
    plan.nodes().iter().all(|node| match node.operator {
        Operator::Access { .. } => node.rows.high <= 1.0,
        Operator::IndexAggregate { .. } => false,
        _ => true,
    })
}

impl Analyzed {
    /// The plan with what was expected and what there was, as text.
    pub fn explain(&self) -> String {
        self.explain_as(PlanFormat::Text)
    }

    /// The same in a format.
    pub fn explain_as(&self, format: PlanFormat) -> String {
        format.write(&self.prepared.plan.explain().with_actual(self.actual.iter().copied()))
    }

    /// The largest factor between expected and found rows of an operator.
    pub fn q_error_max(&self) -> Option<f64> {
        self.prepared.plan.explain().with_actual(self.actual.iter().copied()).q_error_max()
    }
}
