//! Baselines: what the history up to a revision makes, as one file.
//!
//! # Invariants
//! - A baseline is written only if a database that is made from it alone has the schema of one that has
//!   walked the history, line by line, and the same rows if it is to bring rows.
//! - No other file of the folder is touched but `castoff.lock`.

mod clean;
mod error;
mod pg_dump;

use std::path::{Path, PathBuf};

pub(crate) use clean::{Cleaning, clean};
pub use error::SquashError;
pub(crate) use pg_dump::{PgDump, Wanted};

use super::error::AuthorError;
use super::scratch::Scratch;
use super::walk::quietly;
use crate::database::{Need, Session, identifier};
use crate::error::Error;
use crate::migrations::{Migrations, read};
use crate::migrator::Migrator;
use crate::revision::{Graph, Revision, RevisionId, Script, Target, folder};
use crate::schema::{Difference, Optional};
use crate::settings::Settings;
use crate::stop::Stop;

/// What becomes of rows that the history has put into tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rows {
    /// They are in the baseline.
    Keep,
    /// They are not.
    Leave,
    /// Nobody has said it: there must be none.
    Refuse,
}

/// How a baseline is made.
pub(crate) struct Squash<'a> {
    pub(crate) migrations: &'static Migrations,
    pub(crate) settings: &'a Settings,
    pub(crate) stop: &'a Stop,
    pub(crate) graph: &'a Graph,
    pub(crate) pg_dump: &'a PgDump,
    pub(crate) rows: Rows,
    /// Told before each revision: how many are done, and the next.
    pub(crate) progress: &'a dyn Fn(usize, &RevisionId),
}

impl Squash<'_> {
    /// The text of the baseline of `revision`, which is to be the file `name`; it is tried in `draft`, a
    /// folder that holds nothing else.
    pub(crate) async fn baseline(
        &self,
        revision: &Revision,
        draft: &Path,
        name: &str,
    ) -> Result<String, Error> {
        let mut scratch = Scratch::new(self.migrations, self.settings, self.stop)?;
        let alone = Settings { migrations_dir: Some(draft.to_owned()), ..self.settings.clone() };
        let mut second = Scratch::new(self.migrations, &alone, self.stop)?;
        let text = Box::pin(self.proven(revision, draft, name, (&mut scratch, &mut second))).await;
        scratch.drop_all().await;
        second.drop_all().await;
        text
    }

    async fn proven(
        &self,
        revision: &Revision,
        draft: &Path,
        name: &str,
        (scratch, second): (&mut Scratch<'_>, &mut Scratch<'_>),
    ) -> Result<String, Error> {
        let walked = scratch.create().await?;
        let (session, _) = walked.session(Need::Reading).await?;
        self.pg_dump.is_new_enough(session.major_version())?;
        session.close().await;
        let before = self.graph.lineage().ancestors([revision.id()]);
        let walk =
            self.graph.revisions().iter().map(Revision::id).filter(|id| before.contains(*id));
        for (done, id) in walk.enumerate() {
            (self.progress)(done, id);
            quietly(walked.walk_to(&Target::parse(id.as_str())?)).await?;
        }
        let (session, _) = walked.session(Need::Reading).await?;
        let facts = Facts::read(&session, self.settings).await;
        let server = session.server();
        session.close().await;
        let facts = facts?;
        if self.rows == Rows::Refuse && !facts.filled.is_empty() {
            return Err(SquashError::Rows { filled: facts.filled }.into());
        }
        let wanted = Wanted {
            data: self.rows == Rows::Keep,
            schema: true,
            without: identifier(&self.settings.schema),
        };
        let dump = self.dump(&walked, server, &wanted).await?;
        let cleaning = Cleaning {
            role: &facts.role,
            refresh: if wanted.data { &[] } else { &facts.views },
            comments_on_extensions: self.comments_on_extensions(),
        };
        let dump = Script::parse("the dump", dump.as_bytes()).map_err(SquashError::Unreadable)?;
        let text = header(revision, &self.pg_dump.version) + &clean(&dump, &cleaning);
        std::fs::write(draft.join(name), &text)
            .map_err(|source| AuthorError::Unwritable { path: draft.join(name), source })?;

        let made = second.create().await?;
        let target = Target::parse(revision.id().as_str())?;
        quietly(made.upgrade(&target)).await?;
        self.compare(&walked, &made).await?;
        if wanted.data {
            let wanted = Wanted { schema: false, ..wanted };
            let rows = self.dump(&walked, server, &wanted).await?;
            if rows != self.dump(&made, server, &wanted).await? {
                return Err(SquashError::OtherRows.into());
            }
        }
        Ok(text)
    }

    async fn compare(&self, walked: &Migrator, made: &Migrator) -> Result<(), Error> {
        let optional = Optional { comments: true, owners: true, grants: true };
        let (history, baseline) = (
            quietly(walked.schema_with(optional)).await?,
            quietly(made.schema_with(optional)).await?,
        );
        let difference = Difference::between(&history, &baseline);
        if difference.is_empty() {
            Ok(())
        } else {
            Err(SquashError::OtherSchema { difference }.into())
        }
    }

    async fn dump(&self, of: &Migrator, server: usize, wanted: &Wanted) -> Result<String, Error> {
        let url = of.settings().database()?;
        let dump = self.pg_dump.run(&url.libpq_variables(server), wanted, self.stop).await?;
        // Their key is another each time.
        let lines = dump.split_inclusive('\n');
        Ok(lines
            .filter(|line| !line.starts_with("\\restrict ") && !line.starts_with("\\unrestrict "))
            .collect())
    }

    /// Whether some revision comments on an extension, beside what the extension itself says.
    fn comments_on_extensions(&self) -> bool {
        let scripts = self.graph.revisions().iter().flat_map(|it| [it.up(), it.baseline()]);
        scripts.flatten().any(|it| it.text().to_ascii_lowercase().contains("comment on extension"))
    }
}

/// What a walked database says of itself.
struct Facts {
    /// The role that owns what the history made.
    role: String,
    /// Tables that hold rows, and sequences of no such table that have given numbers.
    filled: Vec<String>,
    /// Materialized views that are populated, in the order in which they were made.
    views: Vec<String>,
}

impl Facts {
    async fn read(session: &Session, settings: &Settings) -> Result<Self, Error> {
        let ledger = crate::database::literal(&settings.schema);
        let objects = session
            .rows(&format!(
                "SELECT current_user, c.relkind, format('%I.%I', n.nspname, c.relname), \
                   c.relispopulated \
                 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                 WHERE c.relkind IN ('r', 'm', 'S') AND n.nspname <> {ledger} \
                   AND n.nspname <> 'information_schema' AND NOT starts_with(n.nspname, 'pg_') \
                   AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d \
                     WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid \
                       AND (d.deptype = 'e' OR c.relkind = 'S' AND d.deptype IN ('a', 'i'))) \
                 ORDER BY c.oid"
            ))
            .await
            .map_err(AuthorError::Scratch)?;
        let name = |row: &tokio_postgres::SimpleQueryRow| row.get(2).unwrap_or_default().to_owned();
        let of_kind = |kind| objects.iter().filter(move |row| row.get(1) == Some(kind));
        let looks = of_kind("r").map(name).map(|table| {
            let called = crate::database::literal(&format!("table {table}"));
            format!("SELECT {called} WHERE EXISTS (SELECT FROM ONLY {table})")
        });
        let calls = of_kind("S").map(name).map(|sequence| {
            let called = crate::database::literal(&format!("sequence {sequence}"));
            format!("SELECT {called} FROM {sequence} WHERE is_called")
        });
        let looks: Vec<_> = looks.chain(calls).collect();
        let looks = looks.join("; ");
        let filled = session.rows(&looks).await.map_err(AuthorError::Scratch)?;
        let role = session.rows("SELECT current_user").await.map_err(AuthorError::Scratch)?;
        Ok(Self {
            role: role.first().and_then(|row| row.get(0)).unwrap_or_default().to_owned(),
            filled: filled.iter().filter_map(|row| row.get(0)).map(str::to_owned).collect(),
            views: of_kind("m").filter(|row| row.get(3) == Some("t")).map(name).collect(),
        })
    }
}

/// What the file says of itself. That it revises nothing holds beside the up file, and when the files
/// before it are gone.
fn header(revision: &Revision, pg_dump: &str) -> String {
    let own = |script: &Script| script.header().revision_id.is_some();
    let id = [revision.up(), revision.down()].into_iter().flatten().any(own);
    let id = if id { format!("-- Revision ID: {}\n", revision.id()) } else { String::new() };
    let breaking = if revision.breaking() { "-- Breaking: yes\n" } else { "" };
    format!(
        "-- {}\n-- Revises: none\n{id}{breaking}\
         -- The whole schema as of this revision, by castoff squash and pg_dump {pg_dump}\n\n",
        revision.message()
    )
}

/// The name of the baseline beside a revision's up file.
pub(crate) fn name_of(revision: &Revision) -> Option<String> {
    let name = file_name(revision.up()?);
    let stem = name.strip_suffix(".up.sql").or_else(|| name.strip_suffix(".sql"))?;
    Some(format!("{stem}.baseline.sql"))
}

/// The files that a folder with the baseline could do without, once no database is before it; none
/// if what is left would be no history.
pub(crate) fn removable(
    path: &Path,
    graph: &Graph,
    revision: &Revision,
    baseline: &str,
) -> Result<Vec<PathBuf>, Error> {
    let before = graph.lineage().ancestors([revision.id()]);
    let gone: Vec<String> = before
        .iter()
        .filter_map(|id| graph.get(id))
        .flat_map(|it| [it.up(), it.down(), it.baseline()])
        .flatten()
        .map(file_name)
        .filter(|name| name != baseline)
        .collect();
    let mut files = read(path)?;
    files.retain(|(name, _)| !gone.contains(name));
    let is_history = folder::read(files, "m").is_ok();
    Ok(if is_history { gone.iter().map(|name| path.join(name)).collect() } else { Vec::new() })
}

fn file_name(script: &Script) -> String {
    script.file().rsplit('/').next().unwrap_or_default().to_owned()
}
