//! Rows that are made for a call, on its frame.

use lightning_db_types::ValueRef;

/// Calls `then` with so many values, which `value` gives by position.
#[inline]
pub(super) fn with_values<'r, T>(
    count: usize,
    value: impl Fn(usize) -> ValueRef<'r>,
    then: impl FnOnce(&[ValueRef<'r>]) -> T,
) -> T {
    // Up to 16 fit into the frame of the call, which is no larger than it must be.
    match count {
        0..=4 => with_inline::<4, T>(count, value, then),
        5..=8 => with_inline::<8, T>(count, value, then),
        9..=16 => with_inline::<16, T>(count, value, then),
        _ => {
            let values: Vec<ValueRef<'r>> = (0..count).map(value).collect();
            then(&values)
        }
    }
}

#[inline]
fn with_inline<'r, const N: usize, T>(
    count: usize,
    value: impl Fn(usize) -> ValueRef<'r>,
    then: impl FnOnce(&[ValueRef<'r>]) -> T,
) -> T {
    let mut values = [ValueRef::Null; N];
    for (position, place) in values.iter_mut().take(count).enumerate() {
        *place = value(position);
    }
    then(&values[..count.min(N)])
}

/// Calls `then` with the rows around a row and itself, in one.
pub(super) fn with_around<'r, T>(
    outer: &[ValueRef<'r>],
    row: &[ValueRef<'r>],
    then: impl FnOnce(&[ValueRef<'r>]) -> T,
) -> T {
    let value = |place: usize| match place.checked_sub(outer.len()) {
        None => outer[place],
        Some(place) => row[place],
    };
    with_values(outer.len() + row.len(), value, then)
}
