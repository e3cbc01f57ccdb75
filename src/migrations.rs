//! The migration folder of an image: compiled or bundled into the program, or read from a disk when
//! it starts.

use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::OnceLock;

use include_dir::Dir;

use crate::bundle::Bundle;
use crate::error::Error;
#[cfg(feature = "author")]
use crate::revision::FileError;
use crate::revision::{Chain, Graph, RevisionId, folder};
use crate::schema::Lock;

/// A migration folder that is compiled into a program.
///
/// ```no_run
/// use castoff::{Migrations, include_dir};
///
/// static MIGRATIONS: Migrations =
///     Migrations::new(&include_dir::include_dir!("$CARGO_MANIFEST_DIR/migrations"));
/// # fn main() {}
/// ```
///
/// On stable Rust the macro does not notice a new file: print
/// `cargo::rerun-if-changed=migrations` from the crate's `build.rs`.
#[derive(Debug)]
pub struct Migrations {
    folder: &'static Dir<'static>,
    head: Option<(&'static str, &'static str)>,
}

impl Migrations {
    /// The folder as `include_dir!` gives it; it is checked when it is first needed.
    pub const fn new(folder: &'static Dir<'static>) -> Self {
        Self { folder, head: None }
    }

    /// The folder that the build has checked, with the id and the chain digest of its head, so
    /// that a start at head parses no file.
    pub(crate) const fn checked(
        folder: &'static Dir<'static>,
        head: Option<(&'static str, &'static str)>,
    ) -> Self {
        Self { folder, head }
    }

    fn files(&self) -> Vec<(String, &'static [u8])> {
        let mut files = Vec::new();
        let mut folders = vec![self.folder];
        while let Some(folder) = folders.pop() {
            folders.extend(folder.dirs());
            files.extend(folder.files().map(|file| (name(file.path()), contents(file))));
        }
        files
    }
}

fn contents(file: &'static include_dir::File<'static>) -> &'static [u8] {
    file.contents()
}

fn name(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// The folder that counts for one run, read at most once.
#[derive(Debug)]
pub(crate) struct Source {
    place: Place,
    graph: OnceLock<Graph>,
    lock: OnceLock<Option<Lock>>,
}

#[derive(Debug)]
enum Place {
    Embedded(&'static Migrations),
    Bundled(Bundle),
    Disk(PathBuf),
}

impl Source {
    /// A folder on a disk goes before a bundle, and that before what is compiled in.
    pub(crate) fn new(
        embedded: &'static Migrations,
        bundle: Option<Bundle>,
        disk: Option<&Path>,
    ) -> Self {
        let place = match (disk, bundle) {
            (Some(path), _) => Place::Disk(path.to_owned()),
            (None, Some(bundle)) => Place::Bundled(bundle),
            (None, None) => Place::Embedded(embedded),
        };
        Self { place, graph: OnceLock::new(), lock: OnceLock::new() }
    }

    /// The head and its chain digest; parses the folder only if the build did not.
    pub(crate) fn head(&self) -> Result<Option<(RevisionId, Chain)>, Error> {
        match &self.place {
            Place::Embedded(Migrations { head: Some((id, chain)), .. }) => {
                if let (Ok(id), Ok(chain)) = (RevisionId::new(id), Chain::from_str(chain)) {
                    return Ok(Some((id, chain)));
                }
            }
            Place::Bundled(bundle) => return Ok(Some(bundle.head()?)),
            Place::Embedded(Migrations { head: None, .. }) | Place::Disk(_) => {}
        }
        let graph = self.graph()?;
        Ok(graph.head().and_then(|id| Some((id.clone(), *graph.chain(id)?))))
    }

    /// The revisions.
    pub(crate) fn graph(&self) -> Result<&Graph, Error> {
        if let Some(graph) = self.graph.get() {
            return Ok(graph);
        }
        let graph = match &self.place {
            Place::Embedded(migrations) => folder::read(migrations.files(), "migrations")?,
            Place::Bundled(bundle) => folder::read(bundle.files()?, "migrations")?,
            Place::Disk(path) => folder::read(read(path)?, &path.to_string_lossy())?,
        };
        Ok(self.graph.get_or_init(|| graph))
    }

    /// The same, and beside it the statements that castoff would not run.
    #[cfg(feature = "author")]
    pub(crate) fn survey(&self) -> Result<(Graph, Vec<FileError>), Error> {
        Ok(match &self.place {
            Place::Embedded(migrations) => folder::survey(migrations.files(), "migrations")?,
            Place::Bundled(bundle) => folder::survey(bundle.files()?, "migrations")?,
            Place::Disk(path) => folder::survey(read(path)?, &path.to_string_lossy())?,
        })
    }

    /// The same without its `castoff.lock`.
    #[must_use]
    #[cfg(feature = "author")]
    pub(crate) fn without_lock(self) -> Self {
        Self { lock: OnceLock::from(None), ..self }
    }

    /// The folder's `castoff.lock`, if there is one.
    pub(crate) fn lock(&self) -> Result<Option<&Lock>, Error> {
        if let Some(lock) = self.lock.get() {
            return Ok(lock.as_ref());
        }
        let text = match &self.place {
            Place::Embedded(migrations) => {
                migrations.folder.get_file(folder::LOCK).map(|file| file.contents().to_vec())
            }
            Place::Bundled(bundle) => {
                bundle.files()?.into_iter().find(|(name, _)| name == folder::LOCK).map(|it| it.1)
            }
            Place::Disk(path) => match std::fs::read(path.join(folder::LOCK)) {
                Ok(text) => Some(text),
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(source) => {
                    let path = path.join(folder::LOCK);
                    return Err(Error::UnreadableFolder { path, source });
                }
            },
        };
        let lock = text.map(|text| Lock::parse(&String::from_utf8_lossy(&text))).transpose()?;
        Ok(self.lock.get_or_init(|| lock).as_ref())
    }

    /// Checks, before anything is done with the database, what no build has checked.
    pub(crate) fn check(&self) -> Result<(), Error> {
        match &self.place {
            Place::Embedded(_) => Ok(()),
            Place::Bundled(bundle) => Ok(bundle.head().map(|_| ())?),
            Place::Disk(_) => self.graph().map(|_| ()),
        }
    }

    /// Fails if this is a plain castoff, which nobody has given any migrations.
    pub(crate) fn is_given(&self) -> Result<(), Error> {
        match &self.place {
            Place::Embedded(migrations) if migrations.folder.entries().is_empty() => {
                Err(Error::NoMigrations)
            }
            Place::Embedded(_) | Place::Bundled(_) | Place::Disk(_) => Ok(()),
        }
    }
}

/// The files of a folder that count, with their paths in it.
pub(crate) fn read(folder: &Path) -> Result<Vec<(String, Vec<u8>)>, Error> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(current) = folders.pop() {
        let unreadable = |source| Error::UnreadableFolder { path: current.clone(), source };
        for entry in std::fs::read_dir(&current).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            let relative = name(path.strip_prefix(folder).unwrap_or(&path));
            if folder::ignores(&relative) {
                continue;
            }
            let unreadable = |source| Error::UnreadableFolder { path: path.clone(), source };
            let kind = std::fs::metadata(&path).map_err(unreadable)?;
            if kind.is_dir() {
                folders.push(path);
            } else if !kind.is_file() {
                // Opening a pipe would wait for somebody to write into it.
                return Err(unreadable(io::Error::other("not a regular file")));
            } else {
                let bytes = std::fs::read(&path).map_err(unreadable)?;
                files.push((relative, bytes));
            }
        }
    }
    Ok(files)
}
