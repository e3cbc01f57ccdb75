//! `castoff squash`: a baseline of the history up to a revision, proven equal to it.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::lock::Draft;
use crate::author::AuthorError;
use crate::author::squash::{PgDump, Rows, Squash, SquashError, name_of, removable};
use crate::commands::{Bench, Outcome};
use crate::error::Error;
use crate::migrations::Migrations;
use crate::revision::{Graph, Resolved, Revision, RevisionId, Script, Target, folder};
use crate::schema::{Entry, Lock};

/// How the command was given.
pub(super) struct Options<'a> {
    pub(super) revision: &'a str,
    pub(super) rows: Rows,
    pub(super) pg_dump: &'a str,
}

/// What was done, for the one who asked.
#[derive(Serialize)]
struct Squashed<'a> {
    revision: &'a RevisionId,
    path: PathBuf,
    lock: LockIs,
    /// Files that are needed only for databases that are not there yet.
    removable: Vec<PathBuf>,
}

/// What became of `castoff.lock`.
#[derive(Serialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum LockIs {
    /// It says that the baseline was proven.
    Written,
    /// There is none.
    Absent,
    /// It was not of these revisions before.
    Stale,
}

pub(super) async fn run(
    bench: &Bench<'_>,
    migrations: &'static Migrations,
    options: &Options<'_>,
) -> Result<Outcome, Error> {
    let migrator = &bench.migrator;
    let graph = migrator.graph()?;
    let settings = migrator.settings();
    let path = settings.migrations_dir.as_deref().ok_or(AuthorError::NoFolder)?;
    let revision = find(graph, options.revision)?;
    let has_baseline =
        |file: String| SquashError::HasBaseline { revision: revision.id().clone(), file };
    if let Some(baseline) = revision.baseline() {
        return Err(has_baseline(baseline.file().to_owned()).into());
    }
    let name = name_of(revision).ok_or(SquashError::Base)?;
    let lock = migrator.lock().ok().flatten();
    let pg_dump = PgDump::find(options.pg_dump)?;
    let draft = Folder::new(path)?;
    let progress = bench.report.progress(graph.lineage().ancestors([revision.id()]).len());
    let squash = Squash {
        migrations,
        settings,
        stop: migrator.stop(),
        graph,
        pg_dump: &pg_dump,
        rows: options.rows,
        progress: &|done, revision| progress.show(done, revision.as_str()),
    };
    let text = Box::pin(squash.baseline(revision, &draft.0, &name)).await;
    progress.clear();
    let text = text?;

    let file = path.join(&name);
    place(&draft.0.join(&name), &file).map_err(|source| {
        if source.kind() == io::ErrorKind::AlreadyExists {
            Error::from(has_baseline(file.display().to_string()))
        } else {
            AuthorError::Unwritable { path: file.clone(), source }.into()
        }
    })?;
    let lock = match lock {
        Some(lock) if lock.stale(graph).is_empty() => {
            note(
                path,
                lock,
                revision,
                &Script::parse(&name, text.as_bytes()).map_err(SquashError::Unreadable)?,
            )?;
            LockIs::Written
        }
        _ if path.join(folder::LOCK).exists() => LockIs::Stale,
        _ => LockIs::Absent,
    };
    let removable = removable(path, graph, revision, &name)?;
    bench.print(&Squashed { revision: revision.id(), path: file, lock, removable })
}

fn find<'g>(graph: &'g Graph, text: &str) -> Result<&'g Revision, Error> {
    let id = match Target::parse(text)?.resolve(graph.lineage(), &[])? {
        Resolved::Base => None,
        Resolved::Revision(id) => Some(id),
        Resolved::Heads => graph.head().cloned(),
    };
    Ok(id.and_then(|id| graph.get(&id)).ok_or(SquashError::Base)?)
}

/// Gives a finished file its name, unless another has it.
fn place(draft: &Path, file: &Path) -> io::Result<()> {
    match fs::hard_link(draft, file) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists && !file.exists() => {
            // Not every file system has links.
            fs::rename(draft, file)
        }
        other => other,
    }
}

/// Notes in the lock that the baseline was proven.
fn note(path: &Path, lock: &Lock, revision: &Revision, baseline: &Script) -> Result<(), Error> {
    let path = path.join(folder::LOCK);
    let path = if path.is_symlink() { path.canonicalize().unwrap_or(path) } else { path };
    let entries = lock.entries().iter().cloned().map(|entry| {
        let baseline = (entry.revision == *revision.id()).then(|| baseline.checksum());
        Entry { baseline: baseline.or(entry.baseline), ..entry }
    });
    let lock = Lock::new(lock.optional, entries.collect());
    Draft::new(&path)?.replace(&path, &lock.to_string())
}

/// A hidden folder in the folder of migrations, gone when it is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(path: &Path) -> Result<Self, Error> {
        let path = path.join(format!(".castoff-squash-{}", std::process::id()));
        match fs::create_dir(&path) {
            Ok(()) => Ok(Self(path)),
            Err(source) => Err(AuthorError::Unwritable { path, source }.into()),
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

impl fmt::Display for Squashed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { revision, path, lock, removable } = self;
        writeln!(f, "{} makes what the history up to {revision} makes", path.display())?;
        match lock {
            LockIs::Written => writeln!(f, "castoff.lock says so")?,
            LockIs::Absent => {}
            LockIs::Stale => writeln!(f, "castoff.lock is out of date: run `castoff lock`")?,
        }
        if removable.is_empty() {
            return writeln!(
                f,
                "every other file is still needed: branches begin before {revision}"
            );
        }
        writeln!(f, "once every database is at {revision} or later these files can go:")?;
        removable.iter().try_for_each(|file| writeln!(f, "  {}", file.display()))
    }
}
