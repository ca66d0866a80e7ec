//! What can be asked for: options, commands, and their help.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};
use lightning_db::Durability;

use crate::failure::{EXIT_CODES, Failure};
use crate::spelling::did_you_mean;

/// Look into a Lightning DB store, load and unload it, check, repair and copy it.
#[derive(Debug, Parser)]
#[command(name = "lightning", version, after_help = EXIT_CODES, arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(flatten)]
    pub(crate) sql: Sql,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// SQL, where no command is given: a prompt, or statements from somewhere.
#[derive(Debug, Args)]
pub(crate) struct Sql {
    /// Folder of the store, in the place of --db; without a command a prompt for SQL opens there,
    /// or the statements of standard input run
    #[arg(value_name = "DB", value_parser = store_path)]
    pub(crate) store: Option<PathBuf>,
    /// Run these statements and end; may be given more than once
    #[arg(short, long, value_name = "SQL")]
    pub(crate) command: Vec<String>,
    /// Run the statements of a file and end
    #[arg(short, long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// Write results as CSV
    #[arg(long, conflicts_with = "json")]
    pub(crate) csv: bool,
    /// Write results so [default: box for people, table else]
    #[arg(long, value_name = "MODE", value_parser = crate::shell::mode_names())]
    pub(crate) mode: Option<String>,
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

/// A folder that is there, or a name that can only be one: a command that is not spelled right
/// makes no store.
fn store_path(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    if text.contains(['.', '/', std::path::MAIN_SEPARATOR]) || path.is_dir() {
        return Ok(path);
    }
    let commands = <Arguments as clap::CommandFactory>::command();
    let commands = commands.get_subcommands().map(clap::Command::get_name);
    let meant = did_you_mean(text, commands);
    Err(format!("there is no such command, and no such folder{meant}; a new store is ./{text}"))
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
    /// Load a CSV, TSV or JSON Lines file into a keyspace, or with --table into a table
    ///
    /// In a keyspace a row becomes a JSON object under the key in one column.
    Import(Import),
    /// Write a keyspace, or with --table a table, to a CSV, TSV or JSON Lines file, which `import`
    /// can load again
    #[command(after_help = EXPORT_HELP)]
    Export(Export),
    /// Answer commands from standard input, one a line
    #[command(after_help = PIPE_HELP)]
    Pipe {
        /// Name of the keyspace, made if it is not there
        keyspace: String,
    },
    /// Print the tables
    Tables,
    /// Print the columns, keys and indexes of a table, or of all
    Schema {
        /// Name of the table
        table: Option<String>,
    },
    /// Print the indexes of a table, or of all, with what they hold
    Indexes {
        /// Name of the table
        table: Option<String>,
    },
    /// Make or drop an index, while nothing of the table is rewritten
    #[command(subcommand)]
    Index(Index),
    /// Print the rows of a table that fulfil a condition; indexes are used where they can be
    Rows(Rows),
    /// Print the names of all keyspaces
    Keyspaces,
    /// Print what the store holds, in numbers
    Stats,
    /// Compare the files of a store that is not in use with their checksums, and with --deep all
    /// indexes with their rows; exit code 4 if anything is damaged
    Check {
        /// Read every block, every large value, every row and every index, not only heads and the
        /// log
        #[arg(long)]
        deep: bool,
    },
    /// Save what can be read of a damaged store, make it open again, and make indexes anew that do
    /// not agree with their rows
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
    /// Open the store and serve its metrics, health and probes over HTTP until Ctrl-C or SIGTERM
    ServeMetrics(ServeMetrics),
    /// Show what the store can do, with the places of the world, in a folder that is removed again
    Tour {
        /// Work in this folder, which must not be there or be empty, and keep it
        #[arg(long, value_name = "PATH")]
        dir: Option<PathBuf>,
    },
}

/// Arguments of `serve-metrics`.
#[derive(Debug, Args)]
pub(crate) struct ServeMetrics {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9464")]
    pub(crate) listen: SocketAddr,
    /// What a request must bear for metrics and health; wanted where others can reach the address
    #[arg(long, value_name = "TOKEN", env = "LIGHTNING_METRICS_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,
    /// Serve HTTPS with this chain of certificates, a PEM file
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_certificate: Option<PathBuf>,
    /// The private key of the certificate, a PEM file
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    pub(crate) tls_key: Option<PathBuf>,
}

/// Changes of indexes.
#[derive(Debug, Subcommand)]
pub(crate) enum Index {
    /// Build an index over a table
    #[command(after_help = INDEX_HELP)]
    Create(CreateIndex),
    /// Drop an index
    Drop {
        /// Name of the table
        table: String,
        /// Name of the index
        name: String,
    },
}

/// Arguments of `index create`.
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
#[derive(Debug, Args)]
pub(crate) struct CreateIndex {
    /// Name of the table
    pub(crate) table: String,
    /// Name of the index; there is none of this name in the store
    pub(crate) name: String,
    /// Columns or expressions, such as 'country, population DESC NULLS LAST' or 'lower(email)'
    #[arg(long, value_name = "PARTS")]
    pub(crate) on: String,
    /// What the index is for
    #[arg(long, value_enum, default_value = "ordered")]
    pub(crate) kind: Kind,
    /// Columns that an ordered or unique index stores beside its key
    #[arg(long, value_name = "COLUMNS")]
    pub(crate) include: Option<String>,
    /// Only rows for which this is true are in the index
    #[arg(long = "where", value_name = "CONDITION")]
    pub(crate) r#where: Option<String>,
    /// No two rows of a hash index may have one key
    #[arg(long)]
    pub(crate) unique: bool,
    /// A unique index takes nulls for equal
    #[arg(long)]
    pub(crate) nulls_not_distinct: bool,
    /// A unique index is checked with the commit, and not with each change
    #[arg(long)]
    pub(crate) deferrable: bool,
    /// A bitmap index of a number keeps its bits, for ranges
    #[arg(long)]
    pub(crate) slices: bool,
    /// A spatial index is of a plane, and not of longitudes and latitudes
    #[arg(long)]
    pub(crate) plane: bool,
    /// How a text index finds words: simple (the default), whitespace, raw, facet, or a language
    #[arg(long, value_name = "NAME")]
    pub(crate) analyzer: Option<String>,
    /// Share of absent keys for which a Bloom index may say "perhaps" [default: 0.01]
    #[arg(long, value_name = "RATE")]
    pub(crate) rate: Option<f64>,
    /// Keys that a Bloom index has room for at first [default: 10000]
    #[arg(long, value_name = "N")]
    pub(crate) expected: Option<u64>,
}

/// Kind of an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Keys in order: equality, ranges, prefixes, order of rows
    Ordered,
    /// The same, and no two rows have one key
    Unique,
    /// Equality alone, of long keys
    Hash,
    /// A set of rows for each value: few values, counts, NOT
    Bitmap,
    /// Points (a point, or x and y) and boxes: near, inside
    Spatial,
    /// Words: matches
    Text,
    /// Membership: "certainly not" or "perhaps"
    Bloom,
}

/// Arguments of `rows`.
#[derive(Debug, Args)]
#[command(after_help = ROWS_HELP)]
pub(crate) struct Rows {
    /// Name of the table
    pub(crate) table: String,
    /// Only rows for which this is true
    #[arg(long = "where", value_name = "CONDITION")]
    pub(crate) r#where: Option<String>,
    /// Only these columns, in this order
    #[arg(long, value_name = "COLUMNS")]
    pub(crate) columns: Option<String>,
    /// Sorted so, such as 'country, population DESC' [default: by row number]
    #[arg(long, value_name = "PARTS")]
    pub(crate) order: Option<String>,
    /// Stop after so many
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<u64>,
    /// Print how many there are, and no rows
    #[arg(long, conflicts_with_all = ["columns", "order", "limit"])]
    pub(crate) count: bool,
    /// Print what is done to find the rows, and no rows
    #[arg(long, conflicts_with = "count")]
    pub(crate) explain: bool,
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
#[command(override_usage = "lightning import [OPTIONS] KEYSPACE FILE --key COLUMN\n       \
                            lightning import [OPTIONS] FILE --table NAME [--key COLUMNS]")]
pub(crate) struct Import {
    /// Name of the keyspace, made if it is not there, unless --table is given; and the file: .csv,
    /// .tsv, .jsonl or .ndjson, each also with .gz or .zst; or .parquet, for a table
    #[arg(required = true, num_args = 1..=2, value_names = ["KEYSPACE", "FILE"])]
    targets: Vec<String>,
    /// Column, or field of the objects, that holds the key; of a new table also several, with
    /// commas
    #[arg(long, value_name = "COLUMN")]
    pub(crate) key: Option<String>,
    /// Table for the rows, made if it is not there
    #[arg(long, value_name = "NAME")]
    pub(crate) table: Option<String>,
    /// Type of a column of a new table, such as price=decimal, in the place of the one that fits
    #[arg(long = "type", value_name = "COLUMN=TYPE", value_parser = pair, requires = "table")]
    pub(crate) types: Vec<(String, String)>,
    /// Text of CSV and TSV that stands for null; may be given more than once
    #[arg(long = "null", value_name = "TEXT", requires = "table")]
    pub(crate) nulls: Vec<String>,
    /// Look at so many rows for the types of a new table, and not at all of them
    #[arg(long, value_name = "N", requires = "table")]
    pub(crate) sample: Option<u64>,
    /// Rows take the place of those with their key, which are refused otherwise
    #[arg(long, requires = "table")]
    pub(crate) replace: bool,
    /// Where rows go that cannot be loaded [default: FILE.rejects]
    #[arg(long, value_name = "PATH")]
    pub(crate) rejects: Option<PathBuf>,
}

impl Import {
    /// A file into a table, with nothing said about how.
    pub(crate) fn into_table(file: &str, table: &str) -> Self {
        Self {
            targets: vec![file.to_owned()],
            key: None,
            table: Some(table.to_owned()),
            types: Vec::new(),
            nulls: Vec::new(),
            sample: None,
            replace: false,
            rejects: None,
        }
    }

    /// Whether there are as many names as there should be.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        match (&self.table, self.targets.len()) {
            (Some(_), 1) | (None, 2) => Ok(()),
            (Some(_), _) => Err(Failure::Usage(
                "import: with --table, give the file alone, and no keyspace".to_owned(),
            )),
            (None, _) => Err(Failure::Usage(
                "import: give a keyspace and a file, or a file and --table NAME".to_owned(),
            )),
        }
    }

    pub(crate) fn keyspace(&self) -> &str {
        self.targets.first().map_or("", String::as_str)
    }

    pub(crate) fn file(&self) -> &Path {
        Path::new(self.targets.last().map_or("", String::as_str))
    }
}

/// Arguments of `export`.
#[derive(Debug, Args)]
#[command(override_usage = "lightning export [OPTIONS] KEYSPACE FILE\n       \
                            lightning export [OPTIONS] FILE --table NAME")]
pub(crate) struct Export {
    /// Name of the keyspace, unless --table is given; and the file: .csv, .tsv, .jsonl or .ndjson,
    /// and .gz or .zst behind it to compress
    #[arg(required = true, num_args = 1..=2, value_names = ["KEYSPACE", "FILE"])]
    pub(crate) targets: Vec<String>,
    /// Table to write
    #[arg(long, value_name = "NAME")]
    pub(crate) table: Option<String>,
    /// Text that stands for null in CSV and TSV [default: none]
    #[arg(long, value_name = "TEXT", requires = "table")]
    pub(crate) null: Option<String>,
}

/// Reads `name=value`.
fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.rsplit_once('=').ok_or("it is no COLUMN=TYPE")?;
    Ok((name.to_owned(), value.to_owned()))
}

const ROWS_HELP: &str = "\
Conditions are those of SQL: = <> < <= > >=, AND OR NOT, IN (..), BETWEEN .. AND .., LIKE, IS NULL,
+ - * / %, CAST(.. AS type), and the functions lower, upper, length, trim, substring, concat,
coalesce, nullif, greatest, least, abs, round, floor, ceiling, sign, replace, position, left, right,
json_extract, starts_with, year, month, day and the like. Texts stand in 'single quotes', names of
columns that are no plain words in \"double quotes\". Three more ask an index, named by itself or by
its column:
  matches(INDEX, 'words')                 a text index; +must -not \"a phrase\"~2 begin* field:word
  near(INDEX, X, Y, DISTANCE)             a spatial index; X is the longitude, metres on the sphere
  inside(INDEX, X1, Y1, X2, Y2)           a spatial index; whole in the box

Example: rows cities --where \"country = 'CH' AND near(place, 7.45, 46.95, 20000)\" --explain";

const INDEX_HELP: &str = "\
A part of a key may end in ASC or DESC, and in NULLS FIRST or NULLS LAST. The build shows its
progress. Where rows have equal keys for a unique index, these are listed, and no index is made.";

const IMPORT_HELP: &str = "\
CSV and TSV need a header, and may quote fields with double quotes. In a keyspace their values
become strings, and lines of JSON Lines are stored as they are; of several rows with one key the
last one counts.

A new table gets for each column the first type that keeps every text of it as it is: bool, i64,
u64, f64, decimal, date, timestamp, uuid, else text (json for JSON of several kinds). So 007 stays
text and 1.10 a decimal. An empty field is null, but in columns of text, where it is an empty text;
with --null '' it is null there as well. Without --key rows have a hidden number.

A row that cannot be loaded (wrong number of columns, no key, not UTF-8, not a JSON object, a value
that its column does not take, a key that is there) is named with its line on standard error and
copied to the reject file, and the rest is loaded; the exit code is 0.
Rows are loaded in commits of 1000, so that an import that breaks off leaves the rows before.";

const EXPORT_HELP: &str = "\
A table is written with its columns as they are, nulls as nothing or as --null says. Of a keyspace,
a value that is a JSON object becomes a row of its fields. If no field holds the key in every row, a
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
