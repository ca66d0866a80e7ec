//! `tour`: what the store can do, shown on the places of the world.
//!
//! Every claim is checked while it is made: a tour that ends with exit code 0 has seen all of them
//! hold.

mod damage;
mod data;
mod report;
mod sharing;
mod sql;
mod tables;

use std::path::{Path, PathBuf};
use std::time::Duration;

use lightning_db::types::{Rng, SeededRng};
use lightning_db::{Keyspace, KeyspaceOptions, Slice, Store, StoreOptions};

use crate::context::Context;
use crate::failure::Failure;
use crate::text;
use report::Report;

/// Places of one commit.
const BATCH_PLACES: usize = 1_000;
/// Look-ups that are timed.
const LOOKUPS: u64 = 200_000;
/// Keys are drawn from this seed, so that every tour is the same.
const SEED: u64 = 1;

/// The store of the tour, and where it stands.
struct Tour<'a> {
    context: &'a Context,
    report: Report<'a>,
    /// Folder of the store, its backup and its damaged copy.
    dir: PathBuf,
    store: Store,
    /// Places by number.
    cities: Keyspace,
    /// Their numbers by country and name.
    by_country: Keyspace,
    /// How many places there are.
    places: u64,
}

/// Shows everything, in a folder that is removed at the end unless it was given.
pub(crate) fn run(context: &Context, dir: Option<&Path>) -> Result<(), Failure> {
    let Some(dir) = dir else {
        let temporary = std::env::temp_dir();
        let dir = tempfile::Builder::new().prefix("lightning-tour-").tempdir();
        let dir = dir.map_err(Failure::file("make a folder in", &temporary))?;
        show(context, dir.path(), "removed at the end")?;
        return dir.close().map_err(Failure::file("remove a folder in", &temporary));
    };
    std::fs::create_dir_all(dir).map_err(Failure::file("make folder", dir))?;
    let mut entries = std::fs::read_dir(dir).map_err(Failure::file("list", dir))?;
    if entries.next().is_some() {
        return Err(Failure::Refused(format!("start the tour: {} is not empty", dir.display())));
    }
    show(context, dir, "kept")
}

fn show(context: &Context, dir: &Path, fate: &str) -> Result<(), Failure> {
    let report = Report::new(context);
    report.line("Lightning DB, a tour of 171,075 places of the world")?;
    report.line("Data: GeoNames, geonames.org, CC BY 4.0")?;
    report.line(&format!("Folder: {}, {fate}", dir.display()))?;
    let (store, cities, by_country) = open(context, dir)?;
    let (dir, places) = (dir.to_owned(), 0);
    let mut tour = Tour { context, report, dir, store, cities, by_country, places };
    tour.load()?;
    tour.look_up()?;
    tour.scan()?;
    tour.conflict()?;
    tour.read_beside_a_writer()?;
    tour.reopen()?;
    tour.back_up()?;
    tour.damage()?;
    tour.ask_tables()?;
    tour.store.close()?;
    let time = text::time(context.elapsed());
    tour.report.line("")?;
    tour.report.line(&format!("Everything held. The tour took {time}."))
}

fn open(context: &Context, dir: &Path) -> Result<(Store, Keyspace, Keyspace), Failure> {
    let options = StoreOptions::new(dir.join("store")).durability(context.durability);
    let (store, _) = options.open()?;
    let cities = store.keyspace("cities", KeyspaceOptions::new())?;
    let by_country = store.keyspace("by_country", KeyspaceOptions::new())?;
    Ok((store, cities, by_country))
}

/// Fails unless something that the tour shows is so.
fn ensure(is_so: bool, claim: &str) -> Result<(), Failure> {
    if is_so { Ok(()) } else { Err(Failure::Refused(format!("show that {claim}: it is not so"))) }
}

/// The key of a place in `cities`.
fn city_key(id: u64) -> String {
    format!("{id:06}")
}

impl Tour<'_> {
    /// Runs something and says how long it took.
    fn timed<T>(
        &self,
        work: impl FnOnce() -> Result<T, Failure>,
    ) -> Result<(T, Duration), Failure> {
        let started = self.context.elapsed();
        let result = work()?;
        Ok((result, self.context.elapsed().saturating_sub(started)))
    }

    fn load(&mut self) -> Result<(), Failure> {
        self.report.start("Load")?;
        let ((places, commits), time) = self.timed(|| {
            let mut batch = self.store.batch();
            let (mut places, mut commits) = (0, 0);
            data::each_place(|place| {
                let (key, value) = (city_key(places), place.to_json());
                batch.insert(&self.cities, &key, value);
                batch.insert(&self.by_country, place.country_key(&key), &key);
                places += 1;
                if batch.len() >= 2 * BATCH_PLACES {
                    std::mem::replace(&mut batch, self.store.batch()).commit()?;
                    commits += 1;
                }
                Ok(())
            })?;
            batch.commit()?;
            Ok((places, commits + 1))
        })?;
        self.places = places;
        let entries = 2 * places;
        self.report.fact("places", &text::number(places))?;
        self.report.fact("entries, two keyspaces", &text::number(entries))?;
        let level = format!("{:?}", self.context.durability).to_lowercase();
        let commits = format!("{} at level {level}", text::number(commits));
        self.report.fact("commits", &commits)?;
        self.report.timing("time", time, Some((entries, "entries")))?;
        self.report.end("a place and its index entry stand in one commit: both are there, or none")
    }

    fn look_up(&mut self) -> Result<(), Failure> {
        self.report.start("Look up")?;
        let rng = SeededRng::new(SEED);
        let keys: Vec<String> = (0..LOOKUPS).map(|_| city_key(rng.below(self.places))).collect();
        let (found, time) = self.timed(|| {
            let mut found = 0;
            for key in &keys {
                found += u64::from(self.cities.get(key)?.is_some());
            }
            Ok(found)
        })?;
        ensure(found == LOOKUPS, "every place that was loaded is found")?;
        let key = &keys[0];
        let value = self.cities.get(key)?.unwrap_or_else(|| Slice::from(Vec::new()));
        self.report.fact(&format!("get cities {key}"), &text::line(&value))?;
        self.report.fact("get cities 999999", "none")?;
        ensure(!self.cities.contains("999999")?, "a key that is not there has no value")?;
        self.report.timing("random look-ups", time, Some((LOOKUPS, "look-ups")))?;
        self.report.end("every place is found by its number, in whatever order")
    }

    fn scan(&mut self) -> Result<(), Failure> {
        self.report.start("Scan")?;
        for (label, is_reversed) in [("first after CH/Zu", false), ("last before CH/Zv", true)] {
            let mut range = self.by_country.range("CH/Zu".."CH/Zv");
            let next = |range: &mut lightning_db::Range| {
                if is_reversed { range.next_back() } else { range.next() }
            };
            let mut names = Vec::new();
            while let Some(entry) = next(&mut range).filter(|_| names.len() < 3) {
                names.push(text::line(&entry?.0).into_owned());
            }
            self.report.fact(label, &names.join("  "))?;
        }
        let (places, time) = self.timed(|| {
            let mut places = 0;
            for entry in self.by_country.prefix("CH/") {
                entry?;
                places += 1;
            }
            Ok(places)
        })?;
        self.report.fact("places in Switzerland", &text::number(places))?;
        self.report.timing("  counted in", time, Some((places, "entries")))?;
        let (all, time) = self.timed(|| Ok(self.cities.len()?))?;
        ensure(all == self.places, "a scan meets every place once")?;
        self.report.timing("all places", time, Some((all, "entries")))?;
        self.report.end("keys are in order: a prefix is a range, from either end")
    }

    fn reopen(&mut self) -> Result<(), Failure> {
        self.report.start("Close and open again")?;
        self.store.close()?;
        let before = self.store.last_lsn();
        let options = StoreOptions::new(self.dir.join("store"));
        let options = options.durability(self.context.durability);
        let ((store, opened), time) = self.timed(|| Ok(options.open()?))?;
        self.cities = store.open_keyspace("cities")?;
        self.by_country = store.open_keyspace("by_country")?;
        self.store = store;
        ensure(opened.last_lsn == before, "the last commit is there after the store was closed")?;
        self.report.fact("last commit", &text::number(opened.last_lsn))?;
        self.report
            .fact("read back from the log", &text::count(opened.commits_replayed, "commit"))?;
        self.report.timing("time", time, None)?;
        let (entries, time) = self.timed(|| Ok(self.cities.len()? + self.by_country.len()?))?;
        ensure(entries == 2 * self.places, "all entries are there after the store was closed")?;
        self.report.timing("scanned again", time, Some((entries, "entries")))?;
        self.report.end("what was acknowledged is on the disk")
    }

    fn back_up(&mut self) -> Result<(), Failure> {
        self.report.start("Back up")?;
        let dir = self.dir.join("backup");
        let (report, time) = self.timed(|| Ok(self.store.backup(&dir)?))?;
        let copied = text::count(report.files_copied, "file");
        let copied = format!("{copied}, {}", text::bytes(report.bytes_copied));
        self.report.fact("copied", &copied)?;
        self.report.timing("time", time, None)?;
        let (backup, _) = StoreOptions::new(&dir).read_only(true).open()?;
        let places = backup.open_keyspace("cities")?.len()?;
        ensure(places == self.places, "the backup holds every place")?;
        self.report.fact("places in the copy", &text::number(places))?;
        let (again, time) = self.timed(|| Ok(self.store.backup(&dir)?))?;
        let kept = text::count(again.files_kept, "file");
        self.report.fact("again", &format!("{} copied, {kept} kept", again.files_copied))?;
        self.report.timing("time", time, None)?;
        self.report.end("a backup is a store of its own, and the next one copies only what is new")
    }
}
