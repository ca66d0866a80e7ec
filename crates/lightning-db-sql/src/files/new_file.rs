//! Files that are written, and are there as a whole or not at all.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::failed;
use crate::error::Result;

const BUFFER: usize = 256 << 10;

/// A file that is being written, under its name with `.partial` behind it. It gets its name when it
/// is complete; one that is dropped before is removed.
#[derive(Debug)]
pub struct NewFile {
    path: PathBuf,
    /// `None` when it has its name.
    partial: Option<PathBuf>,
    file: BufWriter<File>,
}

impl NewFile {
    /// Starts a file; one of the same name stays until this one is complete.
    ///
    /// # Errors
    /// [`Error::File`](crate::Error::File), also where something other than a file has the name.
    pub fn create(path: &Path) -> Result<Self> {
        let shown = path.display().to_string();
        // A folder, a pipe or a device would be replaced, not written to.
        if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
            let error = io::Error::new(io::ErrorKind::InvalidInput, "it is there, and is no file");
            return Err(failed("make", &shown)(error));
        }
        if path.file_name().is_none() {
            let error = io::Error::new(io::ErrorKind::InvalidInput, "it is no name of a file");
            return Err(failed("make", &shown)(error));
        }
        let mut name = path.as_os_str().to_owned();
        name.push(".partial");
        let partial = PathBuf::from(name);
        let file = File::create(&partial).map_err(failed("make", &shown))?;
        let file = BufWriter::with_capacity(BUFFER, file);
        Ok(Self { path: path.to_owned(), partial: Some(partial), file })
    }

    /// Completes the file, brings it to the disk, and gives it its name.
    ///
    /// # Errors
    /// [`Error::File`](crate::Error::File).
    pub fn finish(mut self) -> Result<()> {
        let shown = self.path.display().to_string();
        let synced = self.file.flush().and_then(|()| self.file.get_ref().sync_all());
        synced.map_err(failed("write", &shown))?;
        if let Some(partial) = self.partial.take() {
            let renamed = fs::rename(&partial, &self.path);
            return renamed.map_err(|error| {
                self.partial = Some(partial);
                failed("name", &shown)(error)
            });
        }
        Ok(())
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if let Some(partial) = &self.partial {
            // Nobody is there any more who could be told.
            let _ = fs::remove_file(partial);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    #[test]
    fn file_is_there_as_a_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.csv");
        fs::write(&path, "old").unwrap();
        let mut dropped = NewFile::create(&path).unwrap();
        dropped.write_all(b"half").unwrap();
        drop(dropped);
        assert_eq!(fs::read(&path).unwrap(), b"old");
        let mut whole = NewFile::create(&path).unwrap();
        whole.write_all(b"new").unwrap();
        whole.finish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        assert!(matches!(NewFile::create(dir.path()), Err(Error::File { .. })));
    }
}
