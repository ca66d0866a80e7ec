//! `put`, `get` and `del`: one key.

use std::ffi::OsStr;
use std::io::Write;

use serde_json::json;

use crate::context::{self, Context};
use crate::failure::Failure;
use crate::text;

/// Sets the value of a key.
pub(crate) fn put(
    context: &Context,
    keyspace: &str,
    key: &OsStr,
    value: &OsStr,
) -> Result<(), Failure> {
    let (store, keyspace) = context.make_keyspace(keyspace)?;
    keyspace.insert(key.as_encoded_bytes(), value.as_encoded_bytes())?;
    store.close()?;
    acknowledge(context, store.last_lsn())
}

/// Prints the value of a key.
pub(crate) fn get(context: &Context, keyspace: &str, key: &OsStr) -> Result<(), Failure> {
    let (store, keyspace) = context.open_keyspace(keyspace)?;
    let key = key.as_encoded_bytes();
    let Some(value) = keyspace.get(key)? else {
        let (keyspace, key) = (keyspace.name().to_owned(), text::display(key).into_owned());
        return Err(Failure::KeyNotFound { keyspace, key });
    };
    let mut output = context::output();
    let written = if context.json {
        super::scan::write_object(&mut output, key, &value)
    } else {
        writeln!(output, "{}", text::display(&value))
    };
    written.and_then(|()| output.flush()).map_err(Failure::Output)?;
    Ok(store.close()?)
}

/// Removes a key.
pub(crate) fn del(context: &Context, keyspace: &str, key: &OsStr) -> Result<(), Failure> {
    let (store, keyspace) = context.open_keyspace(keyspace)?;
    keyspace.remove(key.as_encoded_bytes())?;
    store.close()?;
    acknowledge(context, store.last_lsn())
}

/// Success is silent, but for programs that read every answer.
fn acknowledge(context: &Context, lsn: u64) -> Result<(), Failure> {
    context.print("", &json!({ "ok": true, "lsn": lsn }))
}
