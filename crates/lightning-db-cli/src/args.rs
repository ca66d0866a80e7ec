//! What can be asked for: options, commands, and their help.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use lightning_db::Durability;

use crate::failure::EXIT_CODES;

/// Look into a Lightning DB store, load and unload it, check, repair and copy it.
#[derive(Debug, Parser)]
#[command(name = "lightning", version, after_help = EXIT_CODES, arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// Folder of the store
    #[arg(
        long,
        global = true,
        value_name = "PATH",
        env = "LIGHTNING_DB",
        default_value = "./lightning.db"
    )]
    pub(crate) db: PathBuf,
    /// Print results as JSON, one object a line
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// What has happened before a write is acknowledged
    #[arg(long, global = true, value_name = "LEVEL", value_enum, default_value = "sync")]
    pub(crate) durability: Level,
    /// Open without a lock and change nothing; works beside a process that has the store open
    #[arg(long, global = true)]
    pub(crate) read_only: bool,
    /// Print nothing but results and errors
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
}

/// A durability level by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Level {
    /// No promise until the store is closed
    Memory,
    /// Survives a killed process at once, and a power cut after 50 ms
    Buffered,
    /// On the disk
    Sync,
}

impl From<Level> for Durability {
    fn from(level: Level) -> Self {
        match level {
            Level::Memory => Self::Memory,
            Level::Buffered => Self::Buffered,
            Level::Sync => Self::Sync,
        }
    }
}

/// Everything that can be done. Keys and values are taken as the bytes that are given.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Set the value of a key, making the store and the keyspace if they are not there
    Put {
        /// Name of the keyspace
        keyspace: String,
        /// The key
        key: OsString,
        /// Its new value
        value: OsString,
    },
    /// Print the value of a key; exit code 3 if it has none
    Get {
        /// Name of the keyspace
        keyspace: String,
        /// The key
        key: OsString,
    },
    /// Remove a key; fine if it has no value
    Del {
        /// Name of the keyspace
        keyspace: String,
        /// The key
        key: OsString,
    },
    /// Print keys and values in key order, with a tab between them
    Scan(Scan),
    /// Load a CSV, TSV or JSON Lines file: a row becomes a JSON object under the key in one column
    Import(Import),
    /// Write a keyspace to a CSV, TSV or JSON Lines file, which `import` can load again
    #[command(after_help = EXPORT_HELP)]
    Export {
        /// Name of the keyspace
        keyspace: String,
        /// The file: .csv, .tsv, .jsonl or .ndjson, and .gz or .zst behind it to compress
        file: PathBuf,
    },
    /// Answer commands from standard input, one a line
    #[command(after_help = PIPE_HELP)]
    Pipe {
        /// Name of the keyspace, made if it is not there
        keyspace: String,
    },
    /// Print the names of all keyspaces
    Keyspaces,
    /// Print what the store holds, in numbers
    Stats,
    /// Compare the files of a store that is not in use with their checksums; exit code 4 if any is
    /// damaged
    Check {
        /// Read every block and every large value, not only heads, indexes and the log
        #[arg(long)]
        deep: bool,
    },
    /// Save what can be read of a damaged store, and make it open again
    ///
    /// Damaged files are kept in the folder `lost+found` of the store. What was lost is listed.
    Repair,
    /// Copy the store to a folder; again to the same folder, only what is new
    Backup {
        /// Folder of the backup: not there, empty, or an earlier backup of this store
        dir: PathBuf,
    },
    /// Make the store from a backup; it must not be there, or its folder be empty
    Restore {
        /// Folder of the backup
        dir: PathBuf,
    },
    /// Merge all tables of each keyspace, which gives back the space of what was replaced
    Compact,
    /// Show what the store can do, with the places of the world, in a folder that is removed again
    Tour {
        /// Work in this folder, which must not be there or be empty, and keep it
        #[arg(long, value_name = "PATH")]
        dir: Option<PathBuf>,
    },
}

/// Arguments of `scan`.
#[derive(Debug, Args)]
pub(crate) struct Scan {
    /// Name of the keyspace
    pub(crate) keyspace: String,
    /// Only keys that start so
    #[arg(long, value_name = "P")]
    pub(crate) prefix: Option<OsString>,
    /// First key
    #[arg(long, value_name = "S")]
    pub(crate) start: Option<OsString>,
    /// Key to stop before
    #[arg(long, value_name = "E")]
    pub(crate) end: Option<OsString>,
    /// Stop after so many
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<u64>,
    /// From the last key to the first
    #[arg(long)]
    pub(crate) reverse: bool,
}

/// Arguments of `import`.
#[derive(Debug, Args)]
#[command(after_help = IMPORT_HELP)]
pub(crate) struct Import {
    /// Name of the keyspace, made if it is not there
    pub(crate) keyspace: String,
    /// The file: .csv, .tsv, .jsonl or .ndjson, each also with .gz or .zst
    pub(crate) file: PathBuf,
    /// Column, or field of the objects, that holds the key
    #[arg(long, value_name = "COLUMN")]
    pub(crate) key: String,
    /// Where rows go that cannot be loaded [default: FILE.rejects]
    #[arg(long, value_name = "PATH")]
    pub(crate) rejects: Option<PathBuf>,
}

const IMPORT_HELP: &str = "\
CSV and TSV need a header, and may quote fields with double quotes. Their values become strings.
Lines of JSON Lines are stored as they are. Of several rows with one key the last one counts.

A row that cannot be loaded (wrong number of columns, no key, not UTF-8, not a JSON object) is named
on standard error and copied to the reject file, and the rest is loaded; the exit code is 0.
Rows are loaded in commits of 1000, so that an import that breaks off leaves the rows before.";

const EXPORT_HELP: &str = "\
A value that is a JSON object becomes a row of its fields. If no field holds the key in every row, a
field `key` is added. Other values become rows of `key` and `value`; bytes that are not UTF-8
stand in `key_hex` and `value_hex`. The file appears when it is complete.";

const PIPE_HELP: &str = "\
Input, one command a line:    Answer, one a line, in order; N counts input lines from 1:
  put KEY VALUE                 ok N            when it is acknowledged at the durability level
  del KEY                       ok N            likewise, whether the key had a value or not
  get KEY                       ok N VALUE      or, if the key has no value:  none N
  anything else                 error N: REASON and the run goes on

KEY has no spaces; VALUE is the rest of the line, and may be empty. In answers, bytes that are not
UTF-8 and control characters are escaped as \\xNN. Lines that come together are synced together, and
none is answered before. With --json an answer is an object: {\"line\":N,\"answer\":\"ok\"}, with
\"value\" after a get that finds one; the other answers are \"none\" and \"error\" with \"reason\".
The exit code is 0 at the end of the input, whatever the answers were.";
