//! Sets of rows of several indexes, combined.
//!
//! Any kind of index delivers the exact set of rows that match, so that AND, OR and NOT of any
//! kinds are operations on sets, without loss and without looking at a row again. What is expected
//! to be small is looked up first; an empty set ends an AND. Sets that are in memory are not
//! estimated: they are combined as they are.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::fmt;
use std::sync::Arc;

use crate::error::Result;
use crate::estimate::Estimate;
use crate::index::{Index, IndexQuery};
use crate::reader::Reader;
use crate::row_set::{RowSet, SharedRows};

/// Characters of a query that a plan shows.
const SHOWN_MAX: usize = 120;

/// Rows told by indexes and sets, combined.
///
/// # Examples
/// ```
/// use lightning_db_index::{Reader, RowExpression, RowSet};
/// # use lightning_db_storage::StoreOptions;
/// # let dir = tempfile::tempdir()?;
/// # let (store, _) = StoreOptions::new(dir.path()).open()?;
/// let (small, large): (RowSet, RowSet) = ((0..10).collect(), (5..1000).collect());
/// let both = RowExpression::all_of([RowExpression::Set(large), RowExpression::Set(small)]);
/// let snapshot = store.snapshot();
/// let all_rows = || Ok((0..1000).collect());
/// let (rows, plan) = both.explain(Reader::Snapshot(&snapshot), &all_rows)?;
/// assert!(rows.iter().eq(5..10));
/// assert_eq!(
///     plan.to_string(),
///     "and: found 5\n  set: expected 10, found 10\n  set: expected 995, found 995\n"
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub enum RowExpression<'a> {
    /// Rows that match a query of an index.
    Index(&'a Index, IndexQuery),
    /// These rows.
    Set(RowSet),
    /// Rows that are in all; all rows of the table if there is none.
    And(Vec<RowExpression<'a>>),
    /// Rows that are in one; no row if there is none.
    Or(Vec<RowExpression<'a>>),
    /// Rows of the table that are not in it.
    Not(Box<RowExpression<'a>>),
}

/// The way to a set of rows: what was looked at, in which order, and what it gave.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct RowPlan {
    /// What was looked at.
    pub label: String,
    /// How many rows were expected; `None` if nobody asked.
    pub expected: Option<Estimate>,
    /// How many there are; `None` if that was never looked at, since the result was known.
    pub found: Option<u64>,
    /// What it is made of, in the order in which it was looked at.
    pub parts: Vec<RowPlan>,
}

/// All rows of a table, made when they are wanted.
type AllRows<'f> = &'f dyn Fn() -> Result<RowSet>;

/// What an evaluation has at hand.
struct Context<'c> {
    reader: Reader<'c>,
    make_all: AllRows<'c>,
    all: OnceCell<RowSet>,
    /// Rows that are in no answer.
    hidden: &'c RowSet,
}

impl Context<'_> {
    /// All rows of the table; made once.
    fn all(&self) -> Result<&RowSet> {
        if self.all.get().is_none() {
            let _first = self.all.set((self.make_all)()?);
        }
        Ok(self.all.get_or_init(RowSet::new))
    }

    /// Rows without those that are hidden.
    fn seen(&self, mut rows: RowSet) -> RowSet {
        if !self.hidden.is_empty() {
            rows -= self.hidden;
        }
        rows
    }
}

/// A part of an AND, or what one of its complements takes out.
struct Operand<'e, 'a> {
    of: &'e RowExpression<'a>,
    expected: Estimate,
    /// A set of an index that is in memory: it takes no longer than an estimate. Others are looked
    /// up when it is their turn.
    shared: Option<Arc<SharedRows>>,
}

impl<'e, 'a> Operand<'e, 'a> {
    fn new(of: &'e RowExpression<'a>, reader: Reader<'_>) -> Result<Self> {
        let shared = of.shared(reader)?;
        let expected = match &shared {
            Some(rows) => Estimate::exact(rows.len()),
            None => of.estimate(reader)?,
        };
        Ok(Self { of, expected, shared })
    }

    /// Its rows, noted in the plan of the whole.
    fn look_up(self, context: &Context<'_>, plan: Option<&mut RowPlan>) -> Result<Cow<'e, RowSet>> {
        let Self { of, expected, shared } = self;
        let rows = match (of, shared) {
            (_, Some(shared)) => Cow::Owned(RowSet::shared(shared)),
            (RowExpression::Set(rows), None) => Cow::Borrowed(rows),
            _ => return of.evaluate_part(context, plan, Some(expected)).map(Cow::Owned),
        };
        if let Some(whole) = plan {
            let found = Some(rows.len());
            whole.parts.push(RowPlan { expected: Some(expected), found, ..of.plan() });
        }
        Ok(rows)
    }
}

impl std::ops::Not for RowExpression<'_> {
    type Output = Self;

    fn not(self) -> Self {
        Self::Not(Box::new(self))
    }
}

impl RowExpression<'_> {
    /// Rows that are in all of these.
    pub fn all_of(parts: impl IntoIterator<Item = Self>) -> Self {
        Self::And(parts.into_iter().collect())
    }

    /// Rows that are in one of these.
    pub fn any_of(parts: impl IntoIterator<Item = Self>) -> Self {
        Self::Or(parts.into_iter().collect())
    }

    /// The rows, exactly, for the reader's state. `all` makes the set of all rows of the table for
    /// the same state; it is called only if a complement is wanted by itself.
    ///
    /// # Errors
    /// Those of the indexes, and of `all`.
    pub fn rows(&self, reader: Reader<'_>, all: AllRows<'_>) -> Result<RowSet> {
        self.rows_without(reader, all, &RowSet::new())
    }

    /// The rows without those of a set, which count for no limit of a query.
    ///
    /// # Errors
    /// As [`rows`](Self::rows).
    pub fn rows_without(
        &self,
        reader: Reader<'_>,
        all: AllRows<'_>,
        hidden: &RowSet,
    ) -> Result<RowSet> {
        let context = Context { reader, make_all: all, all: OnceCell::new(), hidden };
        Ok(context.seen(self.evaluate(&context, None)?))
    }

    /// The rows, and how they were come by.
    ///
    /// # Errors
    /// As [`rows`](Self::rows).
    pub fn explain(&self, reader: Reader<'_>, all: AllRows<'_>) -> Result<(RowSet, RowPlan)> {
        self.explain_without(reader, all, &RowSet::new())
    }

    /// The rows without those of a set, and how they were come by.
    ///
    /// # Errors
    /// As [`rows`](Self::rows).
    pub fn explain_without(
        &self,
        reader: Reader<'_>,
        all: AllRows<'_>,
        hidden: &RowSet,
    ) -> Result<(RowSet, RowPlan)> {
        let context = Context { reader, make_all: all, all: OnceCell::new(), hidden };
        let mut plan = self.plan();
        let rows = self.evaluate(&context, Some(&mut plan))?;
        Ok((context.seen(rows), plan))
    }

    /// How many rows there are, without looking for them.
    ///
    /// # Errors
    /// Those of the indexes.
    pub fn estimate(&self, reader: Reader<'_>) -> Result<Estimate> {
        let of_parts = |parts: &[Self]| -> Result<Vec<Estimate>> {
            parts.iter().map(|part| part.estimate(reader)).collect()
        };
        match self {
            Self::Index(index, query) => index.estimate(reader, query),
            Self::Set(rows) => Ok(Estimate::exact(rows.len())),
            Self::Not(_) => Ok(Estimate::between(0.0, f64::MAX, f64::MAX)),
            Self::And(parts) => Ok(match &of_parts(parts)?[..] {
                [] => Estimate::between(0.0, f64::MAX, f64::MAX),
                [only] => *only,
                many => {
                    let least =
                        |of: fn(&Estimate) -> f64| many.iter().map(of).fold(f64::MAX, f64::min);
                    Estimate::between(0.0, least(|of| of.point), least(|of| of.high))
                }
            }),
            Self::Or(parts) => Ok(match &of_parts(parts)?[..] {
                [] => Estimate::exact(0),
                [only] => *only,
                many => {
                    let low = many.iter().map(|of| of.low).fold(0.0, f64::max);
                    let sum = |of: fn(&Estimate) -> f64| many.iter().map(of).sum::<f64>();
                    Estimate::between(low, sum(|of| of.point), sum(|of| of.high))
                }
            }),
        }
    }

    fn evaluate(&self, context: &Context<'_>, plan: Option<&mut RowPlan>) -> Result<RowSet> {
        let mut plan = plan;
        let rows = match self {
            Self::Index(index, query) => {
                index.rows_without(context.reader, query, context.hidden)?
            }
            Self::Set(rows) => rows.clone(),
            Self::And(parts) => Self::and(parts, context, plan.as_deref_mut())?,
            Self::Or(parts) => {
                let mut sets = Vec::with_capacity(parts.len());
                for part in parts {
                    sets.push(part.evaluate_part(context, plan.as_deref_mut(), None)?);
                }
                RowSet::union(&sets)
            }
            Self::Not(inner) => {
                let rows = inner.evaluate_part(context, plan.as_deref_mut(), None)?;
                context.all()?.and_not(&rows)
            }
        };
        if let Some(plan) = plan {
            plan.found = Some(rows.len());
        }
        Ok(rows)
    }

    /// Evaluates a part, and notes it in the plan of the whole.
    fn evaluate_part(
        &self,
        context: &Context<'_>,
        plan: Option<&mut RowPlan>,
        expected: Option<Estimate>,
    ) -> Result<RowSet> {
        let Some(whole) = plan else { return self.evaluate(context, None) };
        let mut part = RowPlan { expected, ..self.plan() };
        let rows = self.evaluate(context, Some(&mut part));
        whole.parts.push(part);
        rows
    }

    /// The set that an index keeps in memory for it, if there is one.
    #[inline]
    fn shared(&self, reader: Reader<'_>) -> Result<Option<Arc<SharedRows>>> {
        match self {
            Self::Index(index, query) => index.shared_rows(reader, query),
            _ => Ok(None),
        }
    }

    /// Rows that are in both of two kept sets, or in one and not in the other, if that is what the
    /// parts are: combining these takes less than ordering them.
    fn and_shared(parts: &[Self], reader: Reader<'_>) -> Result<Option<RowSet>> {
        let [left, right] = parts else { return Ok(None) };
        let (right, is_not) = match right {
            Self::Not(inner) => (&**inner, true),
            right => (right, false),
        };
        let Some(left) = left.shared(reader)? else { return Ok(None) };
        let Some(right) = right.shared(reader)? else { return Ok(None) };
        Ok(Some(if is_not { left.and_not(&right).into() } else { left.and_shared(&right) }))
    }

    /// Rows that are in all: the fewest first, complements taken out at the end.
    fn and(
        parts: &[Self],
        context: &Context<'_>,
        mut plan: Option<&mut RowPlan>,
    ) -> Result<RowSet> {
        if plan.is_none()
            && let Some(rows) = Self::and_shared(parts, context.reader)?
        {
            return Ok(rows);
        }
        let (mut wanted, mut unwanted) = (Vec::with_capacity(parts.len()), Vec::new());
        for part in parts {
            match part {
                Self::Not(inner) => unwanted.push((part, Operand::new(inner, context.reader)?)),
                _ => wanted.push(Operand::new(part, context.reader)?),
            }
        }
        wanted.sort_by(|left, right| left.expected.point.total_cmp(&right.expected.point));
        // What takes most away comes first.
        let point = |(_, operand): &(_, Operand<'_, '_>)| operand.expected.point;
        unwanted.sort_by(|left, right| point(right).total_cmp(&point(left)));
        let mut rows: Option<Cow<'_, RowSet>> = None;
        for operand in wanted {
            if rows.as_ref().is_some_and(|rows| rows.is_empty()) {
                operand.of.pass_over(plan.as_deref_mut(), operand.expected);
                continue;
            }
            let more = operand.look_up(context, plan.as_deref_mut())?;
            rows = Some(match rows {
                Some(rows) => Cow::Owned(rows.and(&more)),
                None => more,
            });
        }
        let mut rows = match rows {
            Some(rows) => rows,
            None => Cow::Borrowed(context.all()?),
        };
        for (part, operand) in unwanted {
            if rows.is_empty() {
                part.pass_over(plan.as_deref_mut(), operand.expected);
                continue;
            }
            let mut of_part = plan.is_some().then(|| part.plan());
            let less = operand.look_up(context, of_part.as_mut())?;
            rows = Cow::Owned(rows.and_not(&less));
            if let (Some(whole), Some(of_part)) = (plan.as_deref_mut(), of_part) {
                whole.parts.push(of_part);
            }
        }
        Ok(rows.into_owned())
    }

    /// Notes a part that need not be looked at.
    fn pass_over(&self, plan: Option<&mut RowPlan>, expected: Estimate) {
        if let Some(plan) = plan {
            plan.parts.push(RowPlan { expected: Some(expected), ..self.plan() });
        }
    }

    fn plan(&self) -> RowPlan {
        let label = match self {
            Self::Index(index, query) => {
                let mut query = format!("{query:?}");
                if query.len() > SHOWN_MAX {
                    query = query.chars().take(SHOWN_MAX).chain("..".chars()).collect();
                }
                format!("index {}, {query}", index.definition().name)
            }
            Self::Set(_) => "set".to_owned(),
            Self::And(_) => "and".to_owned(),
            Self::Or(_) => "or".to_owned(),
            Self::Not(_) => "not".to_owned(),
        };
        RowPlan { label, expected: None, found: None, parts: Vec::new() }
    }
}

impl RowPlan {
    fn write(&self, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
        write!(f, "{:indent$}{}:", "", self.label, indent = 2 * depth)?;
        let mut separator = " ";
        if let Some(Estimate { point, low, high, exact }) = self.expected {
            match (exact, high < f64::MAX) {
                (true, _) => write!(f, " expected {point:.0}")?,
                (false, true) => write!(f, " expected about {point:.0}, {low:.0} to {high:.0}")?,
                (false, false) => write!(f, " expected at least {low:.0}")?,
            }
            separator = ", ";
        }
        match self.found {
            Some(found) => writeln!(f, "{separator}found {found}")?,
            // The whole is known by what came before.
            None if self.label == "not" && !self.parts.is_empty() => writeln!(f, " taken out")?,
            None => writeln!(f, "{separator}not looked at")?,
        }
        self.parts.iter().try_for_each(|part| part.write(f, depth + 1))
    }
}

/// One line for each part, indented.
impl fmt::Display for RowPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, 0)
    }
}

#[cfg(test)]
mod tests;
