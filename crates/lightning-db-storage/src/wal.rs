//! The write-ahead log: the truth for what is recent.
//!
//! One record per commit, across all keyspaces, in preallocated segments that are written through a
//! shared mapping: appending is a copy into the page cache, without a system call. A commit is in
//! the operating system's hands when the copy is done, and on the disk after a sync, which
//! concurrent commits share.
//!
//! | module | holds |
//! |---|---|
//! | [`format`] | bytes of segments and records |
//! | [`segment`] | one segment file: making, reading |
//! | [`log`] | appending, release of old segments |
//! | [`turn`] | group commit: who syncs, and who waits |
//! | [`replay`] | what open reads, and the rule of the torn tail |
//! | [`salvage`] | what can be read of a damaged log |

mod format;
mod log;
mod replay;
mod salvage;
mod segment;
mod turn;

pub(crate) use format::{Frame, Op, Ops};
pub(crate) use log::{Log, LogWriter, acknowledges_early};
pub(crate) use replay::{Known, Replayed, replay};
pub(crate) use salvage::salvage;
pub(crate) use segment::{Segment, SegmentReader, Step, list_segments};

#[cfg(test)]
mod tests;
