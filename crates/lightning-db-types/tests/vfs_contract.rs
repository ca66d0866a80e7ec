//! What both disks promise, asked of both: a program that is right on one is right on the other.
#![expect(clippy::unwrap_used, reason = "a failed helper fails its test")]

use lightning_db_types::{OpenMode, RealVfs, Rng, SeededRng, SimVfs, Vfs, VfsFile};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn on_both(check: impl Fn(&dyn Vfs, &Path)) {
    let dir = tempfile::tempdir().unwrap();
    check(&RealVfs::new(), dir.path());
    let sim = SimVfs::new();
    sim.create_dir_all(Path::new("/root")).unwrap();
    check(&sim, Path::new("/root"));
}

fn bytes_of(file: &dyn VfsFile) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
    file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

#[test]
fn written_bytes_are_read_back_through_any_handle() {
    on_both(|vfs, root| {
        let path = root.join("f");
        let file = vfs.open(&path, OpenMode::CreateNew).unwrap();
        assert!(file.is_empty().unwrap());
        file.write_all_at(b"world", 6).unwrap();
        file.write_all_at(b"hello", 0).unwrap();
        let reader = vfs.open(&path, OpenMode::Read).unwrap();
        assert_eq!(bytes_of(&*reader), b"hello\0world");
        assert_eq!(
            reader.read_exact_at(&mut [0; 2], 10).unwrap_err().kind(),
            ErrorKind::UnexpectedEof
        );
        reader.read_exact_at(&mut [], 100).unwrap();
        assert!(reader.write_all_at(b"x", 0).is_err());
        assert!(reader.set_len(0).is_err());
        file.set_len(4).unwrap();
        file.set_len(6).unwrap();
        assert_eq!(bytes_of(&*reader), b"hell\0\0");
        file.write_all_at(b"", 100).unwrap();
        assert_eq!(file.len().unwrap(), 6);
        file.sync_data().unwrap();
        file.sync_all().unwrap();
        vfs.sync_dir(root).unwrap();
    });
}

#[test]
fn opening_follows_the_mode() {
    on_both(|vfs, root| {
        let path = root.join("f");
        for mode in [OpenMode::Read, OpenMode::Write] {
            assert_eq!(vfs.open(&path, mode).unwrap_err().kind(), ErrorKind::NotFound);
        }
        vfs.open(&path, OpenMode::CreateNew).unwrap().write_all_at(b"x", 0).unwrap();
        let again = vfs.open(&path, OpenMode::CreateNew).unwrap_err();
        assert_eq!(again.kind(), ErrorKind::AlreadyExists);
        let file = vfs.open(&path, OpenMode::Write).unwrap();
        assert_eq!(bytes_of(&*file), b"x");
        let deep = root.join("none").join("f");
        let error = vfs.open(&deep, OpenMode::CreateNew).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        let below_file = path.join("f");
        let error = vfs.open(&below_file, OpenMode::CreateNew).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotADirectory);
    });
}

#[test]
fn the_contents_of_a_file_outlive_its_name() {
    on_both(|vfs, root| {
        for bytes in [&b""[..], b"all of it"] {
            let path = root.join("f");
            vfs.open(&path, OpenMode::CreateNew).unwrap().write_all_at(bytes, 0).unwrap();
            let contents = vfs.open(&path, OpenMode::Read).unwrap().contents().unwrap();
            vfs.remove_file(&path).unwrap();
            assert_eq!(&*contents, bytes);
        }
    });
}

#[test]
fn a_mapped_file_keeps_its_length_and_its_bytes() {
    on_both(|vfs, root| {
        let path = root.join("m");
        let error = vfs.open(&path, OpenMode::Mapped { len: 0 }).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let file = vfs.open(&path, OpenMode::Mapped { len: 10_000 }).unwrap();
        assert_eq!(file.len().unwrap(), 10_000);
        assert!(bytes_of(&*file).iter().all(|&byte| byte == 0));
        file.write_all_at(b"end", 9_997).unwrap();
        assert_eq!(file.write_all_at(b"past", 9_997).unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(file.set_len(5).unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(
            file.read_exact_at(&mut [0; 4], 9_997).unwrap_err().kind(),
            ErrorKind::UnexpectedEof
        );
        let reader = vfs.open(&path, OpenMode::Read).unwrap();
        assert_eq!(&bytes_of(&*reader)[9_997..], b"end");
        file.sync_data().unwrap();
        let second = vfs.open(&path, OpenMode::Mapped { len: 10_000 }).unwrap_err();
        assert_eq!(second.kind(), ErrorKind::WouldBlock);
        drop(file);
        let longer = vfs.open(&path, OpenMode::Mapped { len: 10_003 }).unwrap();
        assert_eq!(&bytes_of(&*longer)[9_996..], b"\0end\0\0\0");
        drop(longer);
        let shorter = vfs.open(&path, OpenMode::Mapped { len: 9_998 }).unwrap();
        assert_eq!(&bytes_of(&*shorter)[9_996..], b"\0e");
    });
}

#[test]
fn names_come_and_go() {
    on_both(|vfs, root| {
        let (a, b, c) = (root.join("a"), root.join("b"), root.join("c"));
        let file = vfs.open(&a, OpenMode::CreateNew).unwrap();
        file.write_all_at(b"a", 0).unwrap();
        vfs.open(&b, OpenMode::CreateNew).unwrap().write_all_at(b"bb", 0).unwrap();
        vfs.hard_link(&a, &c).unwrap();
        assert_eq!(vfs.hard_link(&a, &b).unwrap_err().kind(), ErrorKind::AlreadyExists);
        vfs.rename(&a, &c).unwrap();
        assert!(vfs.exists(&a).unwrap(), "two names of one file stay as they are");
        vfs.rename(&a, &b).unwrap();
        assert!(!vfs.exists(&a).unwrap());
        for missing in [vfs.rename(&a, &c), vfs.remove_file(&a), vfs.hard_link(&a, &root.join("d"))]
        {
            assert_eq!(missing.unwrap_err().kind(), ErrorKind::NotFound);
        }
        file.write_all_at(b"A", 0).unwrap();
        let linked = vfs.open(&c, OpenMode::Read).unwrap();
        assert_eq!(bytes_of(&*linked), b"A");
        vfs.remove_file(&b).unwrap();
        vfs.remove_file(&c).unwrap();
        file.write_all_at(b"still open", 0).unwrap();
        assert_eq!(bytes_of(&*linked), b"still open");
        assert!(vfs.read_dir(root).unwrap().is_empty());
    });
}

#[test]
fn listings_are_sorted_and_of_one_folder() {
    on_both(|vfs, root| {
        vfs.create_dir_all(&root.join("d").join("deep")).unwrap();
        vfs.create_dir_all(&root.join("d")).unwrap();
        for (name, len) in [("z", 3), ("a", 0)] {
            let file = vfs.open(&root.join(name), OpenMode::CreateNew).unwrap();
            file.set_len(len).unwrap();
        }
        vfs.open(&root.join("d").join("f"), OpenMode::CreateNew).unwrap();
        let listed = |path: &Path| {
            let entries = vfs.read_dir(path).unwrap().into_iter();
            entries.map(|entry| (entry.name, entry.len, entry.is_dir)).collect::<Vec<_>>()
        };
        let expected = [("a", 0, false), ("d", 0, true), ("z", 3, false)];
        assert_eq!(listed(root), expected.map(|(name, len, dir)| (name.to_owned(), len, dir)));
        assert_eq!(listed(&root.join("d")).len(), 2);
        let error = vfs.read_dir(&root.join("none")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert_eq!(vfs.sync_dir(&root.join("none")).unwrap_err().kind(), ErrorKind::NotFound);
        assert!(vfs.create_dir_all(&root.join("a").join("b")).is_err(), "a file is in the way");
        assert!(vfs.exists(&root.join("d")).unwrap());
    });
}

#[test]
fn a_lock_has_one_holder() {
    on_both(|vfs, root| {
        let path = root.join("lock");
        let lock = vfs.lock(&path).unwrap();
        assert!(vfs.exists(&path).unwrap());
        assert_eq!(vfs.lock(&path).unwrap_err().kind(), ErrorKind::WouldBlock);
        let _other = vfs.lock(&root.join("other")).unwrap();
        drop(lock);
        vfs.lock(&path).unwrap();
    });
}

#[test]
fn threads_share_a_file() {
    on_both(|vfs, root| {
        let file = vfs.open(&root.join("m"), OpenMode::Mapped { len: 4_000 }).unwrap();
        let plain = vfs.open(&root.join("f"), OpenMode::CreateNew).unwrap();
        std::thread::scope(|scope| {
            for n in 0..4_u8 {
                let (file, plain) = (&file, &plain);
                scope.spawn(move || {
                    for at in 0..100 {
                        let offset = u64::from(n) * 1_000 + at * 10;
                        file.write_all_at(&[n; 10], offset).unwrap();
                        plain.write_all_at(&[n; 10], offset).unwrap();
                        file.read_exact_at(&mut [0; 10], offset).unwrap();
                    }
                    file.sync_data().unwrap();
                });
            }
        });
        for bytes in [bytes_of(&*file), bytes_of(&*plain)] {
            assert!(bytes.chunks(1_000).zip(0..).all(|(part, n)| part == [n; 1_000]));
        }
    });
}

/// One disk of a pair that is given the same calls.
struct Side<'v> {
    vfs: &'v dyn Vfs,
    root: PathBuf,
    files: Vec<Arc<dyn VfsFile>>,
}

impl Side<'_> {
    /// Makes one drawn call and shows its outcome.
    fn call(&mut self, rng: &dyn Rng) -> String {
        let (path, other) = (self.draw_path(rng), self.draw_path(rng));
        let (number, kind) = (rng.below(3_000), rng.below(16));
        let slot = usize::try_from(rng.below(self.files.len().max(1) as u64)).unwrap();
        let file = self.files.get(slot).map(Arc::clone);
        let done = |done: io::Result<()>| done.map(|()| String::new());
        let outcome = match (kind, file) {
            (0, _) => self.open(&path, OpenMode::CreateNew),
            (1, _) => self.open(&path, OpenMode::Write),
            (2, _) => self.open(&path, OpenMode::Read),
            (3, _) => done(self.vfs.rename(&path, &other)),
            (4, _) => done(self.vfs.remove_file(&path)),
            (5, _) => done(self.vfs.hard_link(&path, &other)),
            (6, _) => self.vfs.exists(&path).map(|found| found.to_string()),
            (7, _) => self.vfs.read_dir(&self.root).map(|entries| format!("{entries:?}")),
            (8, _) => done(self.vfs.sync_dir(&self.root)),
            (9, Some(_)) => {
                self.files.swap_remove(slot);
                Ok(String::new())
            }
            (10, Some(file)) => done(file.set_len(number)),
            (11, Some(file)) => done(file.sync_data()),
            (12 | 13, Some(file)) => {
                let bytes = vec![number.to_le_bytes()[0]; 700];
                done(file.write_all_at(&bytes, number))
            }
            (_, Some(file)) => Ok(format!("{:x?}", bytes_of(&*file))),
            _ => Ok(String::new()),
        };
        format!("{kind}: {:?}", outcome.map_err(|error| error.kind()))
    }

    fn draw_path(&self, rng: &dyn Rng) -> PathBuf {
        let names = ["a", "b", "c", "d/e", "d/f", "a/g", "none/h"];
        self.root.join(names[usize::try_from(rng.below(7)).unwrap()])
    }

    fn open(&mut self, path: &Path, mode: OpenMode) -> io::Result<String> {
        self.files.push(self.vfs.open(path, mode)?);
        Ok(String::new())
    }
}

#[test]
fn drawn_calls_have_the_same_outcome_on_both() {
    for seed in 0..10 {
        let dir = tempfile::tempdir().unwrap();
        let (real, sim) = (RealVfs::new(), SimVfs::new());
        let mut sides = [(&real as &dyn Vfs, dir.path()), (&sim, Path::new("/root"))]
            .map(|(vfs, root)| Side { vfs, root: root.to_path_buf(), files: Vec::new() });
        for side in &sides {
            side.vfs.create_dir_all(&side.root.join("d")).unwrap();
        }
        for n in 0..600 {
            let outcomes = sides.each_mut().map(|side| side.call(&SeededRng::new(seed << 32 | n)));
            assert_eq!(outcomes[0], outcomes[1], "seed {seed}, call {n}");
        }
    }
}
