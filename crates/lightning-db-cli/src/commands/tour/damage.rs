//! The last step: a bit is flipped in a copy of the backup, found, and the rest is saved.

use std::fs;
use std::path::{Path, PathBuf};

use lightning_db::storage::Depth;
use lightning_db::{Keyspace, Store, StoreOptions};

use super::{Tour, ensure};
use crate::failure::Failure;
use crate::text;

impl Tour<'_> {
    pub(super) fn damage(&mut self) -> Result<(), Failure> {
        self.report.start("Flip one bit")?;
        let (whole, damaged) = (self.dir.join("backup"), self.dir.join("damaged"));
        copy_folder(&whole, &damaged)?;
        let (file, offset) = flip_a_bit(&damaged.join("tables"))?;
        let name = file.strip_prefix(&self.dir).unwrap_or(&file).display().to_string();
        self.report.fact("flipped in a copy", &format!("{name}, byte {}", text::number(offset)))?;

        let options = || StoreOptions::new(&damaged).create(false);
        let (check, time) = self.timed(|| Ok(Store::check_files(options(), Depth::Deep)?))?;
        let found = check.problems.first().map(|problem| (&problem.path, &problem.detail));
        ensure(check.problems.len() == 1 && found.is_some_and(|it| *it.0 == file), "it is found")?;
        let blocks = text::count(check.blocks, "block");
        self.report.fact("check", &format!("damage in 1 of {} files", check.files))?;
        self.report.fact("  whole", &blocks)?;
        self.report.timing("  time", time, None)?;
        let refused = read_all(options());
        ensure(refused?.is_some(), "damaged bytes are never returned as data")?;
        self.report.fact("scan", "refused at the damaged block")?;

        let (repair, time) = self.timed(|| Ok(Store::repair(options())?))?;
        let salvaged = text::number(repair.entries_salvaged);
        self.report.fact("repair", &format!("{salvaged} entries saved from the damaged file"))?;
        self.report.timing("  time", time, None)?;
        let check = Store::check_files(options(), Depth::Deep)?;
        ensure(check.is_ok(), "the store is whole after the repair")?;

        let (repaired, _) = options().open()?;
        let (original, _) = StoreOptions::new(&whole).read_only(true).open()?;
        let mut missing = 0;
        for name in original.keyspaces() {
            let (original, repaired) =
                (original.open_keyspace(&name), repaired.open_keyspace(&name));
            missing += compare(&original?, &repaired?)?;
        }
        ensure(missing > 0 || repair.lost.is_empty(), "the report says what was lost")?;
        ensure(missing == 0 || !repair.lost.is_empty(), "the report says what was lost")?;
        let total = 2 * self.places;
        let kept = format!("{} of {} entries", text::number(missing), text::number(total));
        self.report.fact("lost, and reported so", &kept)?;
        self.report.fact("all others", "as they were")?;
        self.report.end("damage is found, never returned as data, and costs one block")
    }
}

fn copy_folder(from: &Path, to: &Path) -> Result<(), Failure> {
    fs::create_dir_all(to).map_err(Failure::file("make folder", to))?;
    for entry in fs::read_dir(from).map_err(Failure::file("list", from))? {
        let entry = entry.map_err(Failure::file("list", from))?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type().map_err(Failure::file("look at", &from))?.is_dir() {
            copy_folder(&from, &to)?;
        } else {
            fs::copy(&from, &to).map_err(Failure::file("copy", &from))?;
        }
    }
    Ok(())
}

/// Flips the lowest bit of the byte in the middle of the largest file.
fn flip_a_bit(dir: &Path) -> Result<(PathBuf, u64), Failure> {
    let mut largest: Option<(u64, PathBuf)> = None;
    for entry in fs::read_dir(dir).map_err(Failure::file("list", dir))? {
        let path = entry.map_err(Failure::file("list", dir))?.path();
        let len = path.metadata().map_err(Failure::file("measure", &path))?.len();
        if largest.as_ref().is_none_or(|(most, _)| len > *most) {
            largest = Some((len, path));
        }
    }
    let none = || Failure::Refused(format!("flip a bit: {} has no file", dir.display()));
    let (_, path) = largest.ok_or_else(none)?;
    let mut bytes = fs::read(&path).map_err(Failure::file("read", &path))?;
    let middle = bytes.len() / 2;
    if let Some(byte) = bytes.get_mut(middle) {
        *byte ^= 1;
    }
    fs::write(&path, &bytes).map_err(Failure::file("write", &path))?;
    Ok((path, middle as u64))
}

/// Reads every entry; gives the damage that ends it, if any does.
fn read_all(options: StoreOptions) -> Result<Option<lightning_db::Error>, Failure> {
    let read = || {
        let (store, _) = options.read_only(true).open()?;
        for name in store.keyspaces() {
            for entry in &store.open_keyspace(&name)? {
                entry?;
            }
        }
        Ok(())
    };
    match read() {
        Ok(()) => Ok(None),
        Err(error) if lightning_db::Error::is_corruption(&error) => Ok(Some(error)),
        Err(error) => Err(error.into()),
    }
}

/// How many entries of a keyspace are missing in another; all others must be the same.
fn compare(original: &Keyspace, repaired: &Keyspace) -> Result<u64, Failure> {
    let mut missing = 0;
    let mut left = repaired.iter();
    let mut next = left.next().transpose()?;
    for entry in original {
        let (key, value) = entry?;
        match &next {
            Some((found, same)) if *found == key => {
                ensure(*same == value, "what was saved is as it was")?;
                next = left.next().transpose()?;
            }
            _ => missing += 1,
        }
    }
    ensure(next.is_none(), "a repair invents nothing")?;
    Ok(missing)
}
