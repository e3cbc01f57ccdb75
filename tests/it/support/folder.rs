//! Migration folders that are written by the test that reads them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A folder under `target/tmp`, removed when it is dropped.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// An empty one.
    pub(crate) fn new() -> Folder {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("folder-{}-{number}", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file, with the folders above it.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Removes a file.
    pub(crate) fn remove(&self, name: &str) {
        fs::remove_file(self.0.join(name)).unwrap();
    }

    /// Writes a revision in compact notation: `b: a` makes `b_create_b.up.sql`, which revises `a`
    /// and creates the table `b`, and its down file; `a` is a base; `d: b, c` is a merge.
    pub(crate) fn revision(&self, notation: &str) {
        let (id, parents) = notation.split_once(':').unwrap_or((notation, "none"));
        let (id, parents) = (id.trim(), parents.trim());
        let table = table(id);
        self.file(
            &format!("{id}_create_{id}.up.sql"),
            format!("-- create {id}\n-- Revises: {parents}\n\nCREATE TABLE {table} (id int);\n"),
        );
        self.file(&format!("{id}_create_{id}.down.sql"), format!("DROP TABLE {table};\n"));
    }

    /// Writes the revisions `0001` to `count` as a line without headers, as sqlx or golang-migrate
    /// would have them. Each creates a table `t0001`.
    pub(crate) fn line(&self, count: usize) {
        for number in 1..=count {
            let id = format!("{number:04}");
            self.file(&format!("{id}_create.up.sql"), format!("CREATE TABLE t{id} (id int);\n"));
            self.file(&format!("{id}_create.down.sql"), format!("DROP TABLE t{id};\n"));
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// An id as the name of a table.
fn table(id: &str) -> String {
    let plain = id.starts_with(|c: char| c.is_ascii_lowercase())
        && id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if plain { id.to_owned() } else { format!("\"{id}\"") }
}
