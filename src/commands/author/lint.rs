//! `castoff lint`: what is dangerous or wrong in the folder, for people and for machines.

mod github;
mod sarif;
mod text;

use std::collections::BTreeSet;
use std::path::Path;

use serde::Serialize;

use crate::author::lint::{self, Finding, Level, RULES, Rule, Subject};
use crate::author::{AuthorError, git};
use crate::cli::UsageError;
use crate::commands::{Bench, Outcome};
use crate::error::Error;
use crate::revision::{Graph, Resolved, RevisionId, Target, folder};

/// How the command was given.
pub(super) struct Options {
    pub(super) revisions: Vec<String>,
    /// The commit of the last release.
    pub(super) since: Option<String>,
    pub(super) format: Option<String>,
    /// Tells of matters of taste, too.
    pub(super) style: bool,
}

/// How the answer is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Text,
    Json,
    Sarif,
    Github,
}

/// The answer.
#[derive(Serialize)]
struct Linted {
    revisions: usize,
    errors: usize,
    hazards: usize,
    style: usize,
    allowed: usize,
    findings: Vec<Finding>,
}

pub(super) fn run(bench: &Bench<'_>, options: &Options) -> Result<Outcome, Error> {
    let format = format(bench.json, options.format.as_deref())?;
    let migrator = &bench.migrator;
    let (graph, refused) = migrator.survey()?;
    let released = match &options.since {
        Some(reference) => {
            let folder = migrator.settings().migrations_dir.as_deref();
            Some(released(folder.ok_or(AuthorError::NoFolder)?, reference)?)
        }
        None => None,
    };
    let wanted = match &options.revisions[..] {
        [] => None,
        words => Some(wanted(&graph, words)?),
    };
    let subject = Subject { graph: &graph, refused: &refused, released: released.as_ref() };
    let mut findings = lint::lint(&subject);
    findings.retain(|finding| {
        let is_wanted = wanted.as_ref().zip(finding.revision.as_ref());
        is_wanted.is_none_or(|(wanted, id)| wanted.contains(id))
            && (options.style || !finding.rule.optional)
    });
    let revisions = wanted.map_or(graph.revisions().len(), |wanted| wanted.len());
    let linted = Linted::new(revisions, findings);
    match format {
        Format::Text => bench.report.text(&linted.to_string())?,
        Format::Json => bench.report.result(&linted, true)?,
        Format::Sarif => bench.report.result(&sarif::Log::new(&linted.findings), true)?,
        Format::Github => bench.report.text(&github::annotations(&linted.findings))?,
    }
    Ok(Outcome::Exit(u8::from(linted.errors + linted.hazards > 0)))
}

/// `castoff lint --rules`.
pub(super) fn rules(bench: &Bench<'_>) -> Result<Outcome, Error> {
    bench.print(&Rules(RULES))
}

impl Linted {
    fn new(revisions: usize, findings: Vec<Finding>) -> Self {
        let count = |level| {
            let open = findings.iter().filter(|finding| finding.allowed.is_none());
            open.filter(|finding| finding.rule.level == level).count()
        };
        let (errors, hazards, style) =
            (count(Level::Error), count(Level::Hazard), count(Level::Style));
        let allowed = findings.iter().filter(|finding| finding.allowed.is_some()).count();
        Self { revisions, errors, hazards, style, allowed, findings }
    }
}

/// The list of rules.
#[derive(Serialize)]
#[serde(transparent)]
struct Rules(&'static [&'static Rule]);

fn format(json: bool, asked: Option<&str>) -> Result<Format, UsageError> {
    match asked {
        None if json => Ok(Format::Json),
        None | Some("text") => Ok(Format::Text),
        Some("json") => Ok(Format::Json),
        Some("sarif") => Ok(Format::Sarif),
        Some("github") => Ok(Format::Github),
        Some(word) => Err(UsageError::UnknownWord {
            flag: "--format",
            word: word.to_owned(),
            expected: "text, json, sarif and github",
        }),
    }
}

/// The folder as it was at a commit.
fn released(path: &Path, reference: &str) -> Result<Graph, Error> {
    let files = git::files_at(path, reference).map_err(AuthorError::Git)?;
    let now = path.to_string_lossy();
    if files.is_empty() {
        tracing::warn!("{reference} has nothing in {now}, so that all of it counts as new");
    }
    match folder::survey(files.iter().map(|(path, bytes)| (path.clone(), bytes)), &now) {
        Ok((graph, _)) => Ok(graph),
        // It was broken then.
        Err(_) => Ok(folder::survey(files, &format!("{reference}:{now}"))?.0),
    }
}

/// The revisions that were asked for.
fn wanted(graph: &Graph, words: &[String]) -> Result<BTreeSet<RevisionId>, Error> {
    let mut wanted = BTreeSet::new();
    for word in words {
        match Target::parse(word)?.resolve(graph.lineage(), &[])? {
            Resolved::Base => {}
            Resolved::Revision(id) => {
                wanted.insert(id);
            }
            Resolved::Heads => wanted.extend(graph.heads().into_iter().cloned()),
        }
    }
    Ok(wanted)
}
