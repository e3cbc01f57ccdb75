//! `castoff create` and `castoff merge`: the files of new revisions, and where they are.

use std::fmt;
use std::fs;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::Desk;
use crate::author::AuthorError;
use crate::author::create::{Files, Moment, New, Place, write};
use crate::author::template::{self, Known, own};
use crate::commands::Outcome;
use crate::error::Error;
use crate::migrations;
use crate::revision::{Graph, RevisionId, folder};
use crate::schema::Lock;

/// What was written, for the one who asked.
#[derive(Serialize)]
#[serde(transparent)]
struct Created(Vec<Line>);

#[derive(Serialize)]
struct Line {
    revision: RevisionId,
    down_revisions: Vec<RevisionId>,
    message: String,
    files: Vec<PathBuf>,
}

pub(super) fn create(
    desk: &Desk<'_>,
    message: &str,
    template: Option<&str>,
    parameters: &[(String, String)],
) -> Result<Outcome, Error> {
    let path = desk.folder()?;
    let files = migrations::read(path)?;
    let graph = folder::read(files.iter().cloned(), &path.to_string_lossy())?;
    let own = match template {
        Some(name) => own::read_one(path, name)?,
        None => None,
    };
    let own = Vec::from_iter(own);
    let drafts = template::make(template, parameters, &own, &known(path, &graph))
        .map_err(AuthorError::Template)?;
    let heads = Vec::from_iter(graph.head().cloned());
    new(desk, path, &files, |place| {
        Ok(place.create(&heads, message, &drafts).map_err(AuthorError::Create)?)
    })
}

pub(super) fn merge(
    desk: &Desk<'_>,
    revisions: &[String],
    message: Option<&str>,
) -> Result<Outcome, Error> {
    let path = desk.folder()?;
    let files = migrations::read(path)?;
    new(desk, path, &files, |place| {
        Ok(place.merge(revisions, message).map_err(AuthorError::Create)?)
    })
}

fn new(
    desk: &Desk<'_>,
    path: &Path,
    files: &Files,
    make: impl FnOnce(&mut Place<'_>) -> Result<Vec<New>, Error>,
) -> Result<Outcome, Error> {
    let label = path.to_string_lossy();
    let mut random = || RandomState::new().build_hasher().finish();
    let mut place = Place { files, label: &label, moment: Moment::now(), random: &mut random };
    let news = make(&mut place)?;
    write(path, &news)?;
    let line = |new: New| Line {
        revision: new.id,
        down_revisions: new.down_revisions,
        message: new.message,
        files: new.files.iter().map(|(name, _)| path.join(name)).collect(),
    };
    desk.print(&Created(news.into_iter().map(line).collect()))
}

/// What the folder's lock knows. One that is not there, or is broken, knows nothing.
fn known(path: &Path, graph: &Graph) -> Known {
    let text = fs::read_to_string(path.join(folder::LOCK)).unwrap_or_default();
    let heads = Vec::from_iter(graph.head().cloned());
    Lock::parse(&text).map(|lock| Known(lock.schema(graph, &heads))).unwrap_or_default()
}

impl fmt::Display for Created {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut files = self.0.iter().flat_map(|line| &line.files);
        files.try_for_each(|file| writeln!(f, "{}", file.display()))
    }
}
