//! `scan`: keys and values in order.

use std::ffi::OsString;
use std::io::{self, Write};
use std::ops::Bound;

use lightning_db::types::prefix_end;

use crate::args::Scan;
use crate::context::{self, Context};
use crate::failure::Failure;
use crate::text;

/// Prints the keys and values of a range.
pub(crate) fn run(context: &Context, scan: &Scan) -> Result<(), Failure> {
    let (store, keyspace) = context.open_keyspace(&scan.keyspace)?;
    let mut range = keyspace.range(bounds(scan));
    let limit = scan.limit.unwrap_or(u64::MAX);
    let mut output = context::output();
    for _ in 0..limit {
        let item = if scan.reverse { range.next_back() } else { range.next() };
        let Some(item) = item else { break };
        let (key, value) = item?;
        let written = if context.json {
            write_object(&mut output, &key, &value)
        } else {
            writeln!(output, "{}\t{}", text::column(&key), text::line(&value))
        };
        written.map_err(Failure::Output)?;
    }
    output.flush().map_err(Failure::Output)?;
    Ok(store.close()?)
}

/// Where a range starts, and where it ends.
type Bounds = (Bound<Vec<u8>>, Bound<Vec<u8>>);

/// The range that prefix, start and end have in common.
fn bounds(scan: &Scan) -> Bounds {
    let bytes = |text: &OsString| text.as_encoded_bytes().to_vec();
    let prefix = scan.prefix.as_ref().map(bytes).unwrap_or_default();
    let mut after_prefix = prefix.clone();
    let after_prefix = prefix_end(&mut after_prefix).then_some(after_prefix);
    let start = scan.start.as_ref().map(bytes).unwrap_or_default().max(prefix);
    let end = match (scan.end.as_ref().map(bytes), after_prefix) {
        (Some(end), Some(after_prefix)) => Some(end.min(after_prefix)),
        (end, after_prefix) => end.or(after_prefix),
    };
    (Bound::Included(start), end.map_or(Bound::Unbounded, Bound::Excluded))
}

/// Writes a key and its value as one line of JSON.
pub(crate) fn write_object(out: &mut impl Write, key: &[u8], value: &[u8]) -> io::Result<()> {
    out.write_all(b"{")?;
    text::write_field(out, "key", key)?;
    out.write_all(b",")?;
    text::write_field(out, "value", value)?;
    out.write_all(b"}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(given: [Option<&str>; 3], start: &str, end: Option<&str>) {
        let [prefix, first, stop] = given.map(|text| text.map(OsString::from));
        let keyspace = "k".to_owned();
        let scan = Scan { keyspace, prefix, start: first, end: stop, limit: None, reverse: false };
        let end = end.map_or(Bound::Unbounded, |end| Bound::Excluded(end.into()));
        assert_eq!(bounds(&scan), (Bound::Included(start.into()), end), "{given:?}");
    }

    #[test]
    fn bounds_are_what_prefix_start_and_end_have_in_common() {
        check([None, None, None], "", None);
        check([Some("CH"), None, None], "CH", Some("CI"));
        check([Some("CH"), Some("CH/B"), None], "CH/B", Some("CI"));
        check([Some("CH"), Some("A"), Some("CH/C")], "CH", Some("CH/C"));
        check([Some("CH"), None, Some("Z")], "CH", Some("CI"));
        check([None, Some("a"), Some("b")], "a", Some("b"));
    }
}
