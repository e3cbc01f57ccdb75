//! `castoff lock`: what each revision does to the schema, walked and written down.

use std::path::{Path, PathBuf};
use std::{fmt, fs};

use serde::Serialize;

use crate::author::AuthorError;
use crate::author::scratch::Scratch;
use crate::author::walk::Walk;
use crate::commands::{Bench, Outcome};
use crate::error::Error;
use crate::migrations::Migrations;
use crate::revision::{RevisionId, folder};
use crate::schema::{Lock, Optional, Stale};

/// How the command was given.
pub(super) struct Options {
    pub(super) check: bool,
    pub(super) reversible: bool,
    pub(super) optional: Option<Optional>,
}

/// What was found, for the one who asked.
#[derive(Serialize)]
struct Locked {
    path: PathBuf,
    revisions: usize,
    lines: usize,
    written: bool,
}

pub(super) async fn run(
    bench: &Bench<'_>,
    migrations: &'static Migrations,
    options: &Options,
) -> Result<Outcome, Error> {
    let migrator = &bench.migrator;
    let graph = migrator.graph()?;
    let path = migrator.settings().migrations_dir.as_deref().ok_or(AuthorError::NoFolder)?;
    let path = path.join(folder::LOCK);
    // What is a link stays one.
    let path = if path.is_symlink() { path.canonicalize().unwrap_or(path) } else { path };
    // What is broken is written anew; it matters only to who compares with it.
    let (written, kept) = match migrator.lock() {
        Err(Error::Lock(_)) if !options.check => {
            (None, Lock::asks_for(&fs::read_to_string(&path).unwrap_or_default()))
        }
        other => {
            let lock = other?;
            (lock, lock.map(|lock| lock.optional).unwrap_or_default())
        }
    };
    let optional = options.optional.unwrap_or(kept);
    let draft = if options.check { None } else { Some(Draft::new(&path)?) };
    let progress = bench.report.progress(graph.revisions().len());
    let mut scratch = Scratch::new(migrations, migrator.settings(), migrator.stop())?;
    let mut walk = Walk {
        scratch: &mut scratch,
        graph,
        optional,
        reversible: options.reversible,
        progress: &|done, revision| progress.show(done, revision.as_str()),
    };
    let walked = Box::pin(walk.lock()).await;
    progress.clear();
    scratch.drop_all().await;
    let lock = walked?;

    let lines = lock.entries().iter().map(|entry| entry.adds.len() + entry.removes.len()).sum();
    let revisions = graph.revisions().len();
    if options.check {
        let problems = problems(written, &lock, graph);
        if !problems.is_empty() {
            return Err(AuthorError::LockDiffers { problems }.into());
        }
    }
    if let Some(draft) = draft {
        draft.replace(&path, &lock.to_string())?;
    }
    bench.print(&Locked { path, revisions, lines, written: !options.check })
}

/// What a written lock says otherwise than the walk has seen.
fn problems(written: Option<&Lock>, walked: &Lock, graph: &crate::revision::Graph) -> Vec<String> {
    let Some(written) = written else { return vec!["there is none".to_owned()] };
    let stale = written.stale(graph);
    if !stale.is_empty() {
        return stale.iter().map(Stale::to_string).collect();
    }
    let differing = walked.contradictions(written);
    let hazards = |lock: &Lock, id: &RevisionId| {
        lock.entries().iter().find(|it| it.revision == *id).map(|it| it.hazards.clone())
    };
    let differing = differing.into_iter().map(|id| {
        let same = hazards(written, id) == hazards(walked, id);
        format!("{id} {}", if same { "does something else" } else { "has other hazards" })
    });
    let ids = |lock: &Lock| lock.entries().iter().map(|it| it.revision.clone()).collect::<Vec<_>>();
    let order = (ids(written) != ids(walked)).then(|| "its revisions are in another order".into());
    let other = (written.optional != walked.optional).then(|| {
        format!(
            "it is written with {:?}, not {:?}",
            written.optional.to_string(),
            walked.optional.to_string()
        )
    });
    differing.chain(order).chain(other).collect()
}

/// A file beside the lock that becomes it, all of it or nothing; made before the walk, so that a
/// folder that can't be written to is noticed then. Gone when it is dropped.
pub(super) struct Draft(PathBuf);

impl Draft {
    pub(super) fn new(path: &Path) -> Result<Self, Error> {
        let draft = path.with_file_name(format!(".{}.{}", folder::LOCK, std::process::id()));
        match fs::write(&draft, "") {
            Ok(()) => Ok(Self(draft)),
            Err(source) => Err(AuthorError::Unwritable { path: path.to_owned(), source }.into()),
        }
    }

    pub(super) fn replace(&self, path: &Path, text: &str) -> Result<(), Error> {
        let written = fs::write(&self.0, text).and_then(|()| fs::rename(&self.0, path));
        written.map_err(|source| AuthorError::Unwritable { path: path.to_owned(), source }.into())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        drop(fs::remove_file(&self.0));
    }
}

impl fmt::Display for Locked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, revisions, lines, written } = self;
        let how = if *written { "" } else { " and is up to date" };
        let many = |count: usize| if count == 1 { "" } else { "s" };
        writeln!(
            f,
            "{} has {revisions} revision{} in {lines} line{}{how}",
            path.display(),
            many(*revisions),
            many(*lines)
        )
    }
}
