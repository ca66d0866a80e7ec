//! Window functions: the rows are kept, sorted by partition and order for each function, and given
//! in the order in which they came.

use std::ops::{ControlFlow, Range};

use lightning_db_types::{Value, ValueRef};

use super::aggregate::State;
use super::kept::{Charge, Kept, Row};
use super::sort::compare_rows;
use super::{MORE, Run, Sink, with_values};
use crate::error::{Error, Result};
use crate::program::{Computed, Sorted, Values, Window, Windows};
use crate::window::{Bound, WindowFunction};

/// The rows of a partition, in its order.
struct Partition<'p> {
    rows: &'p [Row],
    /// Their places among all rows.
    places: &'p [usize],
    window: &'p Window,
    outer: &'p [ValueRef<'p>],
}

impl Run<'_> {
    pub(super) fn windows(
        &self,
        windows: &Windows,
        outer: &[ValueRef<'_>],
        sink: &mut Sink<'_>,
    ) -> Result<ControlFlow<()>> {
        let mut kept = Kept::new(self);
        self.read(windows.input, outer, &mut |row| kept.push(row).map(ControlFlow::Continue))?;
        let rows = kept.rows();
        let mut charge = Charge::new(self);
        let each = size_of::<Value>() * windows.functions.len() + size_of::<usize>();
        charge.add(rows.len() * each)?;
        let mut values = Vec::with_capacity(windows.functions.len());
        for window in &windows.functions {
            values.push(self.window(window, rows, outer)?);
        }
        for (place, row) in rows.iter().enumerate() {
            let value = |position: usize| match position.checked_sub(row.len()) {
                None => row[position].as_value_ref(),
                Some(function) => values[function][place].as_value_ref(),
            };
            if with_values(row.len() + values.len(), value, &mut *sink)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        MORE
    }

    /// The values of a function for all rows.
    fn window(&self, window: &Window, rows: &[Row], outer: &[ValueRef<'_>]) -> Result<Vec<Value>> {
        let mut places: Vec<usize> = (0..rows.len()).collect();
        places.sort_by(|one, other| compare_rows(&window.sorted, &rows[*one], &rows[*other]));
        let mut values = vec![Value::Null; rows.len()];
        let of_partition = &window.sorted[..window.partition];
        let same = |one: &usize, other: &usize| {
            compare_rows(of_partition, &rows[*one], &rows[*other]).is_eq()
        };
        for places in places.chunk_by(same) {
            self.partition(&Partition { rows, places, window, outer }, &mut values)?;
        }
        Ok(values)
    }

    fn partition(&self, partition: &Partition<'_>, values: &mut [Value]) -> Result<()> {
        let len = partition.places.len();
        let mut running = Running::default();
        let (mut peers, mut groups) = (0..0, 0);
        for at in 0..len {
            self.go_on()?;
            if at == peers.end {
                peers = partition.peers(at);
                groups += 1;
            }
            values[partition.places[at]] = match partition.window.function {
                WindowFunction::RowNumber => number(at + 1),
                WindowFunction::Rank => number(peers.start + 1),
                WindowFunction::DenseRank => number(groups),
                WindowFunction::PercentRank if len == 1 => Value::F64(0.0),
                WindowFunction::PercentRank => Value::F64(share(peers.start, len - 1)),
                WindowFunction::CumulativeShare => Value::F64(share(peers.end, len)),
                WindowFunction::Tile => self.tile(partition, at)?,
                WindowFunction::Lag | WindowFunction::Lead => self.neighbour(partition, at)?,
                WindowFunction::First | WindowFunction::Last | WindowFunction::Nth => {
                    let frame = partition.frame(at, &peers);
                    self.of_frame(partition, at, frame)?
                }
                WindowFunction::Aggregate(_) => {
                    let frame = partition.frame(at, &peers);
                    self.of_aggregate(partition, frame, &mut running)?
                }
            };
        }
        Ok(())
    }

    fn argument(&self, partition: &Partition<'_>, number: usize, at: usize) -> Result<Value> {
        let Some(argument) = partition.window.arguments.get(number) else {
            return Ok(Value::Null);
        };
        self.computed(partition, argument, at)
    }

    fn computed(&self, partition: &Partition<'_>, it: &Computed, at: usize) -> Result<Value> {
        let row: Vec<ValueRef<'_>> = partition.row(at).iter().map(Value::as_value_ref).collect();
        self.value(it, &Values(&row), partition.outer)
    }

    /// Which of the parts of a partition a row is in: the first ones are one row larger.
    fn tile(&self, partition: &Partition<'_>, at: usize) -> Result<Value> {
        let tiles = match self.argument(partition, 0, at)? {
            Value::Null => return Ok(Value::Null),
            value => whole(&value).filter(|tiles| *tiles > 0),
        };
        let tiles = tiles.ok_or_else(|| refused("ntile", "it takes a number above zero"))?;
        let tiles = usize::try_from(tiles).unwrap_or(usize::MAX);
        let len = partition.places.len();
        let (size, larger) = (len / tiles, len % tiles);
        let beyond = larger * (size + 1);
        let tile = if at < beyond { at / (size + 1) } else { larger + (at - beyond) / size.max(1) };
        Ok(number(tile + 1))
    }

    /// A value of a row so many before this one or behind it.
    fn neighbour(&self, partition: &Partition<'_>, at: usize) -> Result<Value> {
        let window = partition.window;
        let offset = match window.arguments.len() {
            1 => 1,
            _ => match self.argument(partition, 1, at)? {
                Value::Null => return Ok(Value::Null),
                value => whole(&value).ok_or_else(|| {
                    refused(window.function.name(), "its second argument is a whole number")
                })?,
            },
        };
        let offset = match window.function {
            WindowFunction::Lag => offset.checked_neg(),
            _ => Some(offset),
        };
        let there = i64::try_from(at).ok().zip(offset).and_then(|(at, by)| at.checked_add(by));
        let there = there.and_then(|there| usize::try_from(there).ok());
        match there.filter(|there| *there < partition.places.len()) {
            Some(there) => self.argument(partition, 0, there),
            None => self.argument(partition, 2, at),
        }
    }

    /// A value of the first row of a frame, of the last, or of one by its number.
    fn of_frame(&self, partition: &Partition<'_>, at: usize, frame: Range<usize>) -> Result<Value> {
        let there = match partition.window.function {
            WindowFunction::First => Some(frame.start),
            WindowFunction::Last => frame.end.checked_sub(1),
            _ => match self.argument(partition, 1, at)? {
                Value::Null => return Ok(Value::Null),
                value => {
                    let wanted = whole(&value).filter(|wanted| *wanted > 0);
                    let wanted = wanted
                        .ok_or_else(|| refused("nth_value", "it takes a number above zero"))?;
                    usize::try_from(wanted - 1).ok().and_then(|it| frame.start.checked_add(it))
                }
            },
        };
        match there.filter(|there| frame.contains(there)) {
            Some(there) => self.argument(partition, 0, there),
            None => Ok(Value::Null),
        }
    }

    /// An aggregate of a frame: where all frames begin with the partition, each row is added once.
    fn of_aggregate<'r>(
        &'r self,
        partition: &Partition<'_>,
        frame: Range<usize>,
        running: &mut Running<'r>,
    ) -> Result<Value> {
        let Some(aggregated) = &partition.window.aggregated else { return Ok(Value::Null) };
        let goes_on = partition.window.frame.start == Bound::Unbounded;
        let (mut state, mut charge, from) = match running.0.take().filter(|_| goes_on) {
            Some(known) => known,
            None => (State::new(aggregated), Charge::new(self), frame.start),
        };
        for at in from..frame.end {
            let value = match &aggregated.argument {
                None => Value::Bool(true),
                Some(argument) => self.computed(partition, argument, at)?,
            };
            if !value.is_null() {
                state.add(&mut charge, aggregated.function, value)?;
            }
        }
        let result = state.clone().result(aggregated.function)?;
        running.0 = Some((state, charge, frame.end.max(from)));
        Ok(result)
    }
}

/// An aggregate of the rows of a partition up to a place.
#[derive(Default)]
struct Running<'r>(Option<(State, Charge<'r>, usize)>);

impl Partition<'_> {
    fn row(&self, at: usize) -> &Row {
        &self.rows[self.places[at]]
    }

    /// The rows of the frame of a row, of which others are equal to it in the order.
    fn frame(&self, at: usize, peers: &Range<usize>) -> Range<usize> {
        let (frame, len) = (self.window.frame, self.places.len());
        let key = self.window.sorted.get(self.window.partition);
        let Some(key) = key.filter(|_| frame.is_by_distance()) else {
            return frame.of(at, peers, len);
        };
        // Rows without a value are near each other, and no others.
        let own = along(key, &self.row(at)[key.position]);
        let before = |place: &usize, least: i128| {
            along(key, &self.rows[*place][key.position]).map_or(key.nulls_first, |it| it < least)
        };
        let least = |least: Option<i128>| match least {
            Some(least) => self.places.partition_point(|place| before(place, least)),
            None => peers.start,
        };
        let start = match frame.start {
            Bound::Unbounded => 0,
            Bound::Current => peers.start,
            Bound::Before(by) => least(own.map(|own| own - distance(by))),
            Bound::Behind(by) => least(own.map(|own| own + distance(by))),
        };
        let end = match (frame.end, own) {
            (Bound::Unbounded, _) => len,
            (Bound::Current, _) | (_, None) => peers.end,
            (Bound::Before(by), Some(own)) => least(Some(own - distance(by) + 1)),
            (Bound::Behind(by), Some(own)) => least(Some(own + distance(by) + 1)),
        };
        start..end.max(start)
    }

    /// The rows from one on that are equal to it in the order.
    fn peers(&self, at: usize) -> Range<usize> {
        let behind = &self.places[at..];
        let same =
            |place: &&usize| compare_rows(&self.window.sorted, self.row(at), &self.rows[**place]);
        let count = behind.iter().take_while(|place| same(place).is_eq()).count();
        at..at + count
    }
}

/// Where a value stands in an order by distances; `None` for none.
fn along(key: &Sorted, value: &Value) -> Option<i128> {
    let value = match value {
        Value::I64(value) | Value::Timestamp(value) => i128::from(*value),
        Value::U64(value) => i128::from(*value),
        Value::Date(value) => i128::from(*value),
        _ => return None,
    };
    Some(if key.descending { -value } else { value })
}

fn distance(by: usize) -> i128 {
    i128::try_from(by).unwrap_or(i128::MAX / 4)
}

fn number(number: usize) -> Value {
    Value::I64(i64::try_from(number).unwrap_or(i64::MAX))
}

#[expect(clippy::cast_precision_loss, reason = "rows in memory are fewer than 2^53")]
fn share(part: usize, whole: usize) -> f64 {
    part as f64 / whole as f64
}

fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::I64(number) => Some(*number),
        Value::U64(number) => i64::try_from(*number).ok(),
        _ => None,
    }
}

fn refused(function: &str, detail: &str) -> Error {
    Error::Argument { function: function.to_owned(), detail: detail.to_owned() }
}
