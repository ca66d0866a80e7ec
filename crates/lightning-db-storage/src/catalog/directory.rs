//! What the catalog needs of an ordered index of its records.

use std::fmt::Debug;

/// A key and its value.
pub(super) type Record = (Vec<u8>, Vec<u8>);

/// An ordered index that may lose everything: each use is checked against the manifest, so that
/// its failures cost time and nothing else.
pub(super) trait Directory: Debug + Send {
    /// All records in key order, or why there are none to be had.
    fn load(&mut self) -> Result<Vec<Record>, String>;

    /// Empties it and starts it anew.
    fn reset(&mut self);

    /// Puts and removes records.
    fn apply(&mut self, edit: Vec<(Vec<u8>, Option<Vec<u8>>)>);

    /// Brings it to rest, so that a later `load` can trust its files.
    fn close(&mut self);
}
