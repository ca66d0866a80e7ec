//! Running a program: rows are pushed from the tables to whoever asked.
//!
//! A node calls what is above it for each of its rows, and stops when that says so. A row is a
//! slice of borrowed values, which lives as long as the call: what must stay (sorted rows, the
//! sides of hash tables, groups) is copied, and counted against the memory of the query. A look-up
//! by key copies nothing and allocates nothing but what the store's read does.

mod access;
mod aggregate;
mod batch;
mod chain;
mod function;
mod join;
mod kept;
mod keys;
#[cfg(feature = "spatial")]
mod nearest;
mod sort;
mod text;
mod values;
mod wanted;
mod window;

use std::cell::{Cell, RefCell};
use std::ops::ControlFlow;
use std::time::Duration;

use lightning_db_expression::{Columns, Expression};
use lightning_db_optimizer::{Actual, PlanId, SetOperation, ValueRows};
use lightning_db_table::TableReader;
use lightning_db_types::{Clock, Value, ValueRef};

use crate::error::{Error, Result};
use crate::program::{Computed, Frame, Part, Path, Program, Question, ROW_ID, Side, Step, Values};
use crate::watch::Watch;
pub(crate) use batch::ColumnCache;
pub use batch::ColumnCacheStatistics;
use function::Member;
use kept::RowSet;
use values::{with_around, with_values};

/// Who takes rows; it may have enough.
pub(crate) type Sink<'s> = dyn FnMut(&[ValueRef<'_>]) -> Result<ControlFlow<()>> + 's;

const MORE: Result<ControlFlow<()>> = Ok(ControlFlow::Continue(()));

/// One run of a program.
pub(crate) struct Run<'a> {
    pub(crate) program: &'a Program,
    /// Of the program's tables.
    pub(crate) readers: &'a [TableReader<'a>],
    pub(crate) parameters: &'a [Value],
    /// Rows that are read as those of a table are.
    pub(crate) given: &'a [Vec<Value>],
    /// Bytes that may be kept in all.
    pub(crate) memory_limit: usize,
    pub(crate) memory: Cell<usize>,
    /// Decoded columns of earlier runs.
    pub(crate) columns: &'a ColumnCache,
    /// What indexes found for conditions and scores, by position: as it is asked for.
    pub(crate) members: RefCell<Vec<Option<Member>>>,
    /// Who looks at it from elsewhere, or ends it.
    pub(crate) watch: Option<&'a Watch>,
    /// What is counted of each node, if it is.
    pub(crate) counted: Option<&'a Counted<'a>>,
}

/// Counters of a run that is watched.
pub(crate) struct Counted<'a> {
    /// What times are taken by, if they are.
    pub(crate) clock: Option<&'a dyn Clock>,
    pub(crate) actual: RefCell<Vec<Actual>>,
}

impl Counted<'_> {
    fn now(&self) -> Option<Duration> {
        self.clock.map(Clock::monotonic)
    }

    /// Adds a run of a node.
    fn add(&self, id: PlanId, rows: u64, begun: Option<Duration>) {
        let time = self.now().zip(begun).map(|(now, begun)| now.saturating_sub(begun));
        let actual = &mut self.actual.borrow_mut()[id.index()];
        actual.rows += rows;
        actual.loops += 1;
        actual.time = time.map(|time| actual.time.unwrap_or_default() + time);
    }
}

impl Run<'_> {
    /// Gives the rows of the program.
    pub(crate) fn each(&self, sink: &mut Sink<'_>) -> Result<()> {
        self.node(self.program.root, &[], sink).map(drop)
    }

    /// Reads a node as far as the sink wants.
    fn read(&self, id: PlanId, outer: &[ValueRef<'_>], sink: &mut Sink<'_>) -> Result<()> {
        self.node(id, outer, sink).map(drop)
    }

    /// Gives the rows of a node; says whether the sink had enough.
    fn node(
        &self,
        id: PlanId,
        outer: &[ValueRef<'_>],
        sink: &mut Sink<'_>,
    ) -> Result<ControlFlow<()>> {
        let Some(counted) = &self.counted else { return self.step(id, outer, sink) };
        let begun = counted.now();
        let mut rows = 0;
        let outcome = self.step(id, outer, &mut |row| {
            rows += 1;
            sink(row)
        });
        counted.add(id, rows, begun);
        outcome
    }

    fn step(
        &self,
        id: PlanId,
        outer: &[ValueRef<'_>],
        sink: &mut Sink<'_>,
    ) -> Result<ControlFlow<()>> {
        if self.counted.is_none()
            && let Some(chain) = self.program.chain(id)
        {
            return self.chain(chain, outer, sink);
        }
        match self.program.step(id)? {
            // Rows that are only read, or of which few may be wanted, are lent as they stand.
            Step::Access(access)
                if access.filter.is_empty() || !matches!(access.path, Path::All) =>
            {
                self.access(access, outer, sink)
            }
            _ if self.program.is_batched(id) => self.rows_of_batches(id, outer, sink),
            Step::Access(access) => self.access(access, outer, sink),
            Step::First(first) => self.first(first, outer, sink),
            Step::Values(ValueRows::Series(series)) => {
                for number in series.numbers() {
                    self.go_on()?;
                    if sink(&[ValueRef::I64(number)])?.is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                }
                MORE
            }
            Step::Values(rows) => {
                let rows = if let ValueRows::Known(known) = rows { known } else { self.given };
                for row in rows {
                    let value = |position: usize| row[position].as_value_ref();
                    if with_values(row.len(), value, &mut *sink)?.is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                }
                MORE
            }
            Step::Filter { input, conditions } => self.node(*input, outer, &mut |row| {
                if self.holds(conditions, &Values(row), outer)? { sink(row) } else { MORE }
            }),
            Step::Project { input, columns } => {
                self.node(*input, outer, &mut |row| self.project(columns, row, outer, sink))
            }
            Step::Join(join) => self.join(join, outer, sink),
            Step::Aggregate(grouping) => self.aggregate(grouping, outer, sink),
            Step::Set { operation, all, left, right } => {
                self.set(*operation, *all, (left, right), outer, sink)
            }
            Step::Windows(windows) => self.windows(windows, outer, sink),
            Step::Sort { input, keys, sorted, limit } => {
                self.sort(*input, keys, (*sorted, *limit), outer, sink)
            }
            Step::Limit { input, limit, offset } => {
                let (mut skipped, mut given) = (0, 0);
                if *limit == 0 {
                    return MORE;
                }
                let mut above = ControlFlow::Continue(());
                self.read(*input, outer, &mut |row| {
                    if skipped < *offset {
                        skipped += 1;
                        return MORE;
                    }
                    given += 1;
                    above = sink(row)?;
                    let enough = above.is_break() || given == *limit;
                    Ok(if enough { ControlFlow::Break(()) } else { above })
                })?;
                Ok(above)
            }
        }
    }

    fn project(
        &self,
        columns: &[Computed],
        row: &[ValueRef<'_>],
        outer: &[ValueRef<'_>],
        sink: &mut Sink<'_>,
    ) -> Result<ControlFlow<()>> {
        if columns.iter().all(|column| column.position().is_some()) {
            let value = |column: usize| {
                columns[column].position().map_or(ValueRef::Null, |position| row[position])
            };
            return with_values(columns.len(), value, sink);
        }
        let mut made = Vec::with_capacity(columns.len());
        for column in columns {
            made.push(match column.position() {
                Some(_) => Value::Null,
                None => self.value(column, &Values(row), outer)?,
            });
        }
        let value = |column: usize| match columns[column].position() {
            Some(position) => row[position],
            None => made[column].as_value_ref(),
        };
        with_values(columns.len(), value, sink)
    }

    /// Value of a scalar for a row.
    fn value(
        &self,
        computed: &Computed,
        row: &dyn Columns,
        outer: &[ValueRef<'_>],
    ) -> Result<Value> {
        self.with_parts(computed, row, outer, |parts| {
            let frame = Frame { row, outer, parameters: self.parameters, parts };
            Ok(computed.expression.evaluate(&frame)?)
        })
    }

    /// Calls `then` with the value of a scalar that is the same for all rows: where it stands, if
    /// it is a column of the rows around, or a parameter.
    fn with_value<T>(
        &self,
        computed: &Computed,
        outer: &[ValueRef<'_>],
        then: impl FnOnce(ValueRef<'_>) -> Result<T>,
    ) -> Result<T> {
        if let Some(value) = computed.given(outer, self.parameters) {
            return then(value);
        }
        let row = &Values(&[]);
        self.with_parts(computed, row, outer, |parts| {
            let frame = Frame { row, outer, parameters: self.parameters, parts };
            then(computed.expression.evaluated(&frame)?.as_value_ref())
        })
    }

    /// Truth of conditions together for a row. As everywhere in this project, a condition that
    /// fails does so only if none before it is false.
    fn truth(
        &self,
        conditions: &[Computed],
        row: &dyn Columns,
        outer: &[ValueRef<'_>],
    ) -> Result<Option<bool>> {
        let mut truth = Some(true);
        for condition in conditions {
            let holds = self.with_parts(condition, row, outer, |parts| {
                let frame = Frame { row, outer, parameters: self.parameters, parts };
                Ok(condition.expression.truth(&frame)?)
            });
            match holds? {
                Some(true) => {}
                Some(false) => return Ok(Some(false)),
                None => truth = None,
            }
        }
        Ok(truth)
    }

    fn holds(
        &self,
        conditions: &[Computed],
        row: &dyn Columns,
        outer: &[ValueRef<'_>],
    ) -> Result<bool> {
        Ok(conditions.is_empty() || self.truth(conditions, row, outer)? == Some(true))
    }

    /// Calls `then` with the values of the parts of a scalar that are no expression.
    fn with_parts<T>(
        &self,
        computed: &Computed,
        row: &dyn Columns,
        outer: &[ValueRef<'_>],
        then: impl FnOnce(&[Value]) -> Result<T>,
    ) -> Result<T> {
        match &computed.parts[..] {
            [] => then(&[]),
            [only] => then(&[self.part(only, row, outer)?]),
            many => {
                let parts = many.iter().map(|part| self.part(part, row, outer));
                then(&parts.collect::<Result<Vec<_>>>()?)
            }
        }
    }

    fn part(&self, part: &Part, row: &dyn Columns, outer: &[ValueRef<'_>]) -> Result<Value> {
        match part {
            Part::Subquery { question, plan, captured } => {
                let own = captured.iter().map(|position| row.column(*position));
                let inner: Vec<ValueRef<'_>> = outer.iter().copied().chain(own).collect();
                self.subquery((question, *plan), &inner, row, outer)
            }
            Part::Function { function, arguments } => self.called(*function, arguments, row, outer),
            Part::Member { value, set } => {
                if self.value(value, row, outer)?.is_null() {
                    return Ok(Value::Null);
                }
                self.is_member(*set, row.column(ROW_ID))
            }
            Part::Score { row: number, set } => self.score(*set, &self.value(number, row, outer)?),
            Part::Snippet { arguments, set } => {
                let arguments = arguments.iter().map(|it| self.value(it, row, outer));
                self.snippet(*set, &arguments.collect::<Result<Vec<_>>>()?)
            }
        }
    }

    fn subquery(
        &self,
        (question, plan): (&Question, PlanId),
        inner: &[ValueRef<'_>],
        row: &dyn Columns,
        outer: &[ValueRef<'_>],
    ) -> Result<Value> {
        match question {
            Question::Exists => {
                let mut exists = false;
                self.read(plan, inner, &mut |_| {
                    exists = true;
                    Ok(ControlFlow::Break(()))
                })?;
                Ok(Value::Bool(exists))
            }
            Question::Value => {
                let (mut rows, mut found) = (0, Value::Null);
                self.read(plan, inner, &mut |row| {
                    rows += 1;
                    found = row.first().copied().map_or(Value::Null, ValueRef::to_value);
                    Ok(if rows > 1 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
                })?;
                if rows > 1 { Err(Error::ManyRows { rows }) } else { Ok(found) }
            }
            Question::Quantified { any, comparison, value, .. } => {
                let value = self.value(value, row, outer)?;
                let mut truth = Some(!any);
                self.read(plan, inner, &mut |row| {
                    let found = row.first().copied().map_or(Value::Null, ValueRef::to_value);
                    let compared = Expression::Literal(value.clone())
                        .compare(*comparison, Expression::Literal(found));
                    match compared.truth(&Values(&[]))? {
                        Some(one) if one == *any => {
                            truth = Some(one);
                            return Ok(ControlFlow::Break(()));
                        }
                        Some(_) => {}
                        None => truth = None,
                    }
                    MORE
                })?;
                Ok(Value::from(truth))
            }
        }
    }

    fn set(
        &self,
        operation: SetOperation,
        all: bool,
        (left, right): (&Side, &Side),
        outer: &[ValueRef<'_>],
        sink: &mut Sink<'_>,
    ) -> Result<ControlFlow<()>> {
        let mut counts = RowSet::new(self);
        if operation != SetOperation::Union {
            let count = &mut |row: &[ValueRef<'_>]| counts.count(row).map(ControlFlow::Continue);
            self.side(right, outer, count).map(drop)?;
        }
        let mut seen = RowSet::new(self);
        let mut give = |row: &[ValueRef<'_>], seen: &mut RowSet<'_>| {
            if all || seen.insert(row)? { sink(row) } else { MORE }
        };
        let flow = self.side(left, outer, &mut |row| {
            let is_wanted = match operation {
                SetOperation::Union => true,
                SetOperation::Intersect => counts.take(row, all),
                SetOperation::Except => !counts.take(row, all),
            };
            if is_wanted { give(row, &mut seen) } else { MORE }
        })?;
        if flow.is_break() || operation != SetOperation::Union {
            return Ok(flow);
        }
        self.side(right, outer, &mut |row| give(row, &mut seen))
    }

    fn side(
        &self,
        side: &Side,
        outer: &[ValueRef<'_>],
        sink: &mut Sink<'_>,
    ) -> Result<ControlFlow<()>> {
        self.node(side.input, outer, &mut |row| {
            with_values(side.columns.len(), |column| row[side.columns[column]], &mut *sink)
        })
    }

    /// Ends a run that was cancelled. Called for each batch, each pair of a join or some of them,
    /// and each row or batch of a table.
    #[inline]
    fn go_on(&self) -> Result<()> {
        match self.watch {
            Some(watch) if watch.is_cancelled() => Err(Error::Cancelled),
            _ => Ok(()),
        }
    }

    /// The same where so many rows of a table were read.
    #[inline]
    fn go_on_behind(&self, rows: usize) -> Result<()> {
        if let Some(watch) = self.watch {
            watch.read(rows as u64);
        }
        self.go_on()
    }

    /// Counts bytes that are kept from now on.
    fn keep(&self, bytes: usize) -> Result<()> {
        let sum = self.memory.get().saturating_add(bytes);
        if sum > self.memory_limit {
            return Err(Error::Memory { limit: self.memory_limit });
        }
        self.memory.set(sum);
        Ok(())
    }

    fn release(&self, bytes: usize) {
        self.memory.set(self.memory.get().saturating_sub(bytes));
    }
}
