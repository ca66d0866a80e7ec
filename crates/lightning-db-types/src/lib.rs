//! Values and their order, keys that sort as they do, checksums, and time, randomness and the disk
//! as things that are passed in.
//!
//! [`Value`] is what rows are made of; its order is total. [`encode_row`] turns a row into a key
//! whose bytes compare as the row does, column by column, ascending or descending, nulls first or
//! last. [`Clock`], [`Rng`] and [`Vfs`] are the seams to the world: with [`SimClock`],
//! [`SeededRng`] and [`SimVfs`] a run of any part of Lightning DB can be repeated from its seed,
//! with power cuts, torn writes and failing disks.
//!
//! It is not:
//! * a schema or a row format: a key holds the sorted columns only, each with its type;
//! * a collation: text sorts by code point;
//! * a numeric tower: an `I64` is never equal to a `U64` or a decimal;
//! * portable beyond Unix where files are concerned, and durable by our word on Linux only.
//!
//! Sizes: a [`Value`] takes 32 bytes; a key column takes a tag of one byte and 8 for whole numbers
//! and floats, 4 for dates, 18 for decimals, 16 for identifiers and points, and for text and bytes
//! their length, two, and one for each zero byte. Decimals have at most 38 digits.
//!
//! # Examples
//! A key that sorts newest first within a city, written to a disk that then loses its power:
//! ```
//! use lightning_db_types::checksum::crc32c;
//! use lightning_db_types::{
//!     ColumnOrder, OpenMode, Persistence, SimVfs, Value, Vfs, VfsFile, decode_row, encode_row,
//! };
//! use std::path::Path;
//!
//! let columns = [ColumnOrder::ASCENDING, ColumnOrder::DESCENDING];
//! let row = [Value::from("Zurich"), Value::Timestamp(1_700_000_000_000_000)];
//! let mut key = Vec::new();
//! encode_row(&row, &columns, &mut key)?;
//!
//! let disk = SimVfs::new();
//! let file = disk.open(Path::new("/keys"), OpenMode::CreateNew)?;
//! file.write_all_at(&key, 0)?;
//! file.sync_data()?;
//! disk.sync_dir(Path::new("/"))?;
//! disk.power_cut(Persistence::Random, 42);
//!
//! let survived = disk.file_bytes(Path::new("/keys"))?;
//! assert_eq!(crc32c(&survived), crc32c(&key));
//! let mut back = Vec::new();
//! decode_row(&survived, &columns, &mut back)?;
//! assert_eq!(back, row);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Invariants
//! * The bytes of two keys compare as their rows do; the tables in `src/key.rs` are a disk format
//!   and do not change.
//! * Damaged bytes are an [`Error`], never a panic, and no two keys decode to one row.
//! * The same seeds and calls give the same simulated run, on every machine.
//! * All unsafe code of Lightning DB is in `src/vfs/mapped.rs`.
//! * This crate knows no other of ours: no transactions, tables or plans.

mod value;

mod key;

pub mod checksum;

pub mod sketch;

mod clock;
mod rng;
mod vfs;

mod error;

pub use clock::{Clock, SimClock, SystemClock};
pub use error::{Error, Result};
pub use key::{ColumnOrder, KeyDecoder, KeyEncoder, decode_row, encode_row, prefix_end};
pub use rng::{Rng, SeededRng, SystemRng};
pub use value::{Decimal, Value, ValueRef, ValueType};
pub use vfs::{
    DirEntry, Fault, FileBytes, OpenMode, Persistence, PowerOff, RealVfs, SimVfs, Vfs, VfsFile,
    VfsLock,
};
