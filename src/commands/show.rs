//! `castoff show REV`: one revision of this image, without a database.

use std::fmt;

use serde::Serialize;

use super::{Bench, Outcome};
use crate::error::Error;
use crate::revision::{Resolved, Revision, RevisionId, Script, Target};
use crate::schema::Entry;

#[derive(Serialize)]
struct Shown<'a> {
    revision: &'a RevisionId,
    down_revisions: &'a [RevisionId],
    message: &'a str,
    create_date: Option<&'a str>,
    breaking: bool,
    checksum: String,
    chain: Option<String>,
    files: Vec<File<'a>>,
    /// What it does to the schema, if that is known of its file as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    schema: Option<&'a Entry>,
}

#[derive(Serialize)]
struct File<'a> {
    path: &'a str,
    transaction: bool,
    statements: usize,
}

impl<'a> File<'a> {
    fn of(script: &'a Script) -> Self {
        Self {
            path: script.file(),
            transaction: script.header().transaction,
            statements: script.statements().len(),
        }
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct AllShown<'a>(Vec<Shown<'a>>);

pub(super) fn run(bench: &Bench<'_>, text: &str) -> Result<Outcome, Error> {
    bench.migrator.has_migrations()?;
    let graph = bench.migrator.graph()?;
    let revisions: Vec<&Revision> = match Target::parse(text)?.resolve(graph.lineage(), &[])? {
        Resolved::Base => Vec::new(),
        Resolved::Revision(id) => graph.get(&id).into_iter().collect(),
        Resolved::Heads => bench.migrator.heads()?,
    };
    let lock = bench.migrator.lock()?;
    let shown = revisions.into_iter().map(|revision| Shown {
        revision: revision.id(),
        down_revisions: revision.down_revisions(),
        message: revision.message(),
        create_date: revision.create_date(),
        breaking: revision.breaking(),
        checksum: revision.checksum().to_string(),
        chain: graph.chain(revision.id()).map(ToString::to_string),
        files: [revision.up(), revision.down(), revision.baseline()]
            .into_iter()
            .flatten()
            .map(File::of)
            .collect(),
        schema: lock.and_then(|lock| lock.get(revision)),
    });
    bench.print(&AllShown(shown.collect()))
}

impl fmt::Display for AllShown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|shown| shown.fmt(f))
    }
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parents: Vec<_> = self.down_revisions.iter().map(ToString::to_string).collect();
        let parents = if parents.is_empty() { "<base>".to_owned() } else { parents.join(", ") };
        writeln!(f, "Revision:    {}", self.revision)?;
        writeln!(f, "Revises:     {parents}")?;
        writeln!(f, "Message:     {}", self.message)?;
        if let Some(date) = self.create_date {
            writeln!(f, "Create Date: {date}")?;
        }
        if self.breaking {
            writeln!(f, "Breaking:    yes")?;
        }
        writeln!(f, "Checksum:    {}", self.checksum)?;
        if let Some(chain) = &self.chain {
            writeln!(f, "Chain:       {chain}")?;
        }
        for file in &self.files {
            let how = if file.transaction { "in one transaction" } else { "without a transaction" };
            let many = if file.statements == 1 { "" } else { "s" };
            writeln!(f, "File:        {}, {} statement{many} {how}", file.path, file.statements)?;
        }
        match self.schema.map(Entry::lines).as_deref() {
            None => Ok(()),
            Some([]) => writeln!(f, "Schema:      stays as it is"),
            Some(lines) => {
                writeln!(f, "Schema:")?;
                lines.iter().try_for_each(|(sign, line)| writeln!(f, "  {sign} {line}"))
            }
        }
    }
}
