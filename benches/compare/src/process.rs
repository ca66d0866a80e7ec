//! What the operating system says about this process, its files and the machine.

use std::fs;
use std::io;
use std::path::Path;

/// Resident memory in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Memory {
    /// Resident now (`VmRSS`), pages of mapped files included.
    pub resident: u64,
    /// Of that, memory not backed by a file (`RssAnon`).
    pub anonymous: u64,
    /// The most that was ever resident (`VmHWM`).
    pub peak: u64,
}

impl Memory {
    /// Reads `/proc/self/status`; zeros where there is none.
    pub(crate) fn now() -> Self {
        Self::parse(&fs::read_to_string("/proc/self/status").unwrap_or_default())
    }

    fn parse(status: &str) -> Self {
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
            Some(kib * 1024)
        };
        Self {
            resident: field("VmRSS:").unwrap_or(0),
            anonymous: field("RssAnon:").unwrap_or(0),
            peak: field("VmHWM:").unwrap_or(0),
        }
    }
}

/// Bytes of the pages that this process made dirty so far, written by calls or through mapped
/// files: what it sends to the disk. `None` where the system does not count them.
pub(crate) fn bytes_written() -> Option<u64> {
    parse_bytes_written(&fs::read_to_string("/proc/self/io").ok()?)
}

fn parse_bytes_written(io: &str) -> Option<u64> {
    io.lines().find_map(|line| line.strip_prefix("write_bytes: "))?.trim().parse().ok()
}

/// Bytes that the files below `dir` take on disk. Holes do not count, reserved space does.
///
/// # Errors
///
/// When a folder cannot be read. A file that disappears meanwhile counts as nothing.
pub(crate) fn disk_usage(dir: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for_each_file(dir, &mut |path| {
        bytes += fs::metadata(path).map_or(0, |file| allocated(&file));
    })?;
    Ok(bytes)
}

#[cfg(unix)]
fn allocated(file: &fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::blocks(file) * 512
}

#[cfg(not(unix))]
fn allocated(file: &fs::Metadata) -> u64 {
    file.len()
}

/// Writes the files below `dir` out and drops them from the page cache, so that the next open is
/// a cold one. Needs no privilege.
///
/// # Errors
///
/// When a folder or a file cannot be read or written out.
pub(crate) fn evict(dir: &Path) -> io::Result<()> {
    let mut result = Ok(());
    for_each_file(dir, &mut |path| {
        result = std::mem::replace(&mut result, Ok(())).and_then(|()| evict_file(path));
    })?;
    result
}

fn evict_file(path: &Path) -> io::Result<()> {
    let file = fs::File::open(path)?;
    file.sync_all()?;
    #[cfg(target_os = "linux")]
    rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
    Ok(())
}

fn for_each_file(dir: &Path, visit: &mut dyn FnMut(&Path)) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            for_each_file(&entry.path(), visit)?;
        } else {
            visit(&entry.path());
        }
    }
    Ok(())
}

/// The machine in a few words, for runs that name none.
pub(crate) fn machine() -> String {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo.lines().find(|line| line.starts_with("model name"));
    let model = model.and_then(|line| line.split(':').nth(1)).unwrap_or("unknown processor");
    let cores = cores();
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib = meminfo.split_whitespace().nth(1).and_then(|word| word.parse::<u64>().ok());
    let gib = kib.unwrap_or(0) as f64 / 1_048_576.0;
    format!("{}, {cores} cores, {gib:.0} GiB, {}", model.trim(), std::env::consts::OS)
}

/// Cores that this process may use.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_from_the_status_page() {
        let status = "Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\nRssAnon:\t 512 kB\n";
        let expected = Memory { resident: 1 << 20, anonymous: 1 << 19, peak: 2 << 20 };
        assert_eq!(Memory::parse(status), expected);
        assert_eq!(Memory::parse(""), Memory::default());
    }

    #[test]
    fn bytes_written_are_read_from_the_io_page() {
        let io = "wchar: 9\nwrite_bytes: 4096\ncancelled_write_bytes: 8192\n";
        assert_eq!(parse_bytes_written(io), Some(4096));
        assert_eq!(parse_bytes_written(""), None);
    }

    #[test]
    fn disk_usage_counts_nested_files() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(disk_usage(dir.path()).unwrap(), 0);
        fs::create_dir(dir.path().join("inner")).unwrap();
        fs::write(dir.path().join("inner/file"), vec![1; 20_000]).unwrap();
        evict(dir.path()).unwrap();
        let usage = disk_usage(dir.path()).unwrap();
        assert!((20_000..100_000).contains(&usage), "{usage}");
    }

    #[test]
    fn missing_folder_is_an_error() {
        assert!(disk_usage(Path::new("/nonexistent/folder")).is_err());
    }
}
