//! Finds an installed `RocksDB`, so that comparisons have it where it is and build without it.

use std::path::{Path, PathBuf};

/// Where the library and its headers are.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RocksDb {
    pub(crate) lib: PathBuf,
    pub(crate) include: PathBuf,
}

/// `RocksDB` of the usual places, if what building against it needs is there: the library, its C
/// header, and libclang, which reads the header.
pub(crate) fn find() -> Option<RocksDb> {
    let libs =
        ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib", "/usr/local/lib"];
    let includes = ["/usr/include", "/usr/local/include"];
    let clang = has_libclang(Path::new("/usr/lib"));
    find_in(&libs.map(Path::new), &includes.map(Path::new)).filter(|_| clang)
}

fn find_in(libs: &[&Path], includes: &[&Path]) -> Option<RocksDb> {
    let lib = libs.iter().find(|dir| dir.join("librocksdb.so").exists())?;
    let include = includes.iter().find(|dir| dir.join("rocksdb/c.h").exists())?;
    Some(RocksDb { lib: lib.to_path_buf(), include: include.to_path_buf() })
}

/// Whether some `llvm-*` folder holds libclang.
fn has_libclang(root: &Path) -> bool {
    let folders = std::fs::read_dir(root).into_iter().flatten().flatten();
    let llvm = folders.filter(|entry| entry.file_name().to_string_lossy().starts_with("llvm-"));
    llvm.flat_map(|entry| {
        std::fs::read_dir(entry.path().join("lib")).into_iter().flatten().flatten()
    })
    .any(|entry| entry.file_name().to_string_lossy().starts_with("libclang"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn library_without_its_header_is_not_found() {
        let dir = std::env::temp_dir().join(format!("xtask-rocksdb-{}", std::process::id()));
        let (lib, include) = (dir.join("lib"), dir.join("include"));
        std::fs::create_dir_all(&lib).unwrap();
        std::fs::create_dir_all(include.join("rocksdb")).unwrap();
        std::fs::write(lib.join("librocksdb.so"), "").unwrap();
        assert_eq!(find_in(&[&lib], &[&include]), None);
        std::fs::write(include.join("rocksdb/c.h"), "").unwrap();
        let found = find_in(&[&dir, &lib], &[&include]);
        assert_eq!(found, Some(RocksDb { lib: lib.clone(), include: include.clone() }));
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
