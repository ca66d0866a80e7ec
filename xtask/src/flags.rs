//! The command line, and the help text that is made from it.

use std::ffi::OsString;
use std::path::PathBuf;

xflags::xflags! {
    /// Build automation for Lightning DB.
    ///
    /// Run it as `cargo xtask COMMAND` from anywhere inside the repository. `ci` is what continuous
    /// integration runs; each of its steps is also a command of its own.
    cmd xtask {
        /// Run every check, in this order: fmt, tidy, lint, test, models, sanitize, docs, deny,
        /// features.
        ///
        /// Prints each step with its time, stops at the first failure and names the command that
        /// failed, and ends with a table of steps and times.
        cmd ci {}

        /// Run the concurrency models under loom.
        cmd models {}

        /// Run the tests of the unsafe module under the address sanitizer, where there is a nightly
        /// toolchain.
        cmd sanitize {}

        /// Check the formatting, also in the workspaces beside this one. `cargo fmt` repairs it.
        cmd fmt {}

        /// Check the rules of the house that no compiler knows.
        ///
        /// Layers between crates, manifests, lengths of files and lines, file heads, where sled and
        /// unsafe code may appear, files that no target compiles, task markers, links in Markdown.
        cmd tidy {}

        /// Run clippy on every target of every package with all features; warnings are errors.
        cmd lint {}

        /// Run the tests, then the examples in the documentation.
        ///
        /// Uses cargo-nextest where it is installed and `cargo test` where it is not. Tests are
        /// compiled with the `ci-test` profile where the root manifest defines one.
        cmd test {
            /// Only this package; may be repeated. Default: the whole workspace.
            repeated -p,--package name: String
            /// With DataFusion, as `ci` does: queries run on both executors. It takes minutes to
            /// build.
            optional --vector
            /// Only tests whose name contains one of these; leaves the documentation out.
            repeated filter: String
        }

        /// Build the documentation with all features; warnings are errors.
        cmd docs {}

        /// Check licences, advisories, bans and sources against deny.toml, with cargo-deny.
        cmd deny {}

        /// Check each library crate alone: without features, with each one, with all.
        ///
        /// Builds of the whole workspace unify features and so hide what one crate lacks.
        cmd features {}

        /// Run the benchmarks and save them as a criterion baseline named after the commit.
        cmd bench {
            /// The benchmark to run, a `[[bench]]` of benches/Cargo.toml. Default: all of them.
            optional name: String
        }

        /// Fit the constants of the optimizer's cost model to this machine, and print them.
        ///
        /// Measures tables, indexes and loops over rows, for about a minute on a quiet machine.
        cmd calibrate {
            /// Write the constants to this file, which the optimizer reads.
            optional --out file: PathBuf
            /// A short run that shows that everything works; its numbers mean little.
            optional --quick
        }

        /// Run a comparison with other engines: benches/compare, a workspace of its own.
        ///
        /// The program learns the commit from LIGHTNING_COMMIT and the machine from
        /// LIGHTNING_MACHINE, so that every result says where it comes from.
        cmd compare {
            /// What to compare: `storage`, `indexes`, `shapes` of a storage core, `optimizer`,
            /// `pool`, `ops`, or `sql`.
            required subject: String
            /// Further arguments for the program, after `--`.
            repeated args: OsString
            /// Features of benches/compare to build with, such as `rocksdb`, separated by commas.
            optional --features list: String
            /// Number of keys.
            optional --keys n: u64
            /// A short run that shows that everything works; its numbers mean little.
            optional --quick
            /// Write the results to this file as JSON.
            optional --json file: PathBuf
        }

        /// Run the crash suite over a range of seeds.
        ///
        /// A failure prints its seed S; `cargo xtask crash --seeds 1 --start S` replays it.
        cmd crash {
            /// How many seeds to run.
            required --seeds n: u64
            /// The first seed. Default: 0.
            optional --start s: u64
        }
    }
}
