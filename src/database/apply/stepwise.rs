//! Files that say `Transaction: none`: statement by statement, each recorded as it is done.
//!
//! A statement that can run in a transaction shares one with its record, so it is done once,
//! whenever the process is killed. One that cannot is recorded right after it; if the process is
//! killed between the two, the next start looks at what it left behind ([`super::repair`]).

use std::ops::Range;

use super::Applier;
use super::failure::{ApplyError, Kept};
use super::job::{AtStart, Job};
use super::session::milliseconds;
use super::wording::Wording;
use crate::database::ledger::ProgressColumn;
use crate::database::quote::literal;
use crate::plan::Recorded;
use crate::revision::{Control, RevisionId, Script, Source};

/// What the ledger says at each stage of a file.
pub(super) struct Course<'s> {
    pub(super) revision: &'s RevisionId,
    pub(super) message: &'s str,
    pub(super) script: &'s Script,
    pub(super) column: ProgressColumn,
    /// Which revisions are heads while it runs.
    pub(super) heads_during: Vec<RevisionId>,
    pub(super) finish: Vec<String>,
    pub(super) heads_after: Vec<RevisionId>,
}

/// Whose `lock_timeout` holds for a statement.
#[derive(Debug, Clone, Copy)]
pub(super) enum Limited {
    /// The file's, else the house's.
    Always,
    /// The file's, else none.
    ByTheFile,
}

/// What became of an earlier run of a statement outside a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Earlier {
    /// There was none.
    None,
    /// The server answered with an error, or it was never asked; half of it may be there.
    Answered,
    /// The server was asked and no answer came; all of it may be there.
    Unanswered,
}

/// Statements that are done together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unit {
    /// In one transaction with their record; of the file's own BEGIN and COMMIT only the inside.
    Together { inside: Range<usize>, end: usize },
    /// Outside a transaction.
    Alone(usize),
}

impl Unit {
    /// How many statements of the file are done before it.
    fn start(&self) -> usize {
        match self {
            Self::Together { inside, end } if *end > inside.end => inside.start.saturating_sub(1),
            Self::Together { inside, .. } => inside.start,
            Self::Alone(index) => *index,
        }
    }

    /// How many statements of the file are done after it.
    fn end(&self) -> usize {
        match self {
            Self::Together { end, .. } => *end,
            Self::Alone(index) => index + 1,
        }
    }
}

/// Whether a file has to run this way: it says so and has statements, or it once began so.
pub(super) fn is_needed(script: &Script, resume: Option<usize>) -> bool {
    !script.statements().is_empty()
        && (!script.header().transaction || resume.is_some_and(|done| done > 0))
}

/// The units of a file, from the statement number `done` on.
pub(super) fn units(script: &Script, done: usize) -> Vec<Unit> {
    let mut units = Vec::new();
    let mut block = None;
    for (index, statement) in script.statements().iter().enumerate().skip(done) {
        match (statement.transaction_control(), block) {
            (Some(Control::Begin), _) => block = Some(index + 1),
            (Some(Control::Commit | Control::Rollback | Control::Other), Some(start)) => {
                units.push(Unit::Together { inside: start..index, end: index + 1 });
                block = None;
            }
            (_, Some(_)) => {}
            (_, None) if statement.alone().is_some() => units.push(Unit::Alone(index)),
            (_, None) => units.push(Unit::Together { inside: index..index + 1, end: index + 1 }),
        }
    }
    units
}

impl<'s> Course<'s> {
    /// Records that the file has begun, with a clean session.
    pub(super) fn begin(&self, heads_before: &[RevisionId], record: Vec<String>) -> Job<'s> {
        Job {
            what: format!("begin {}", self.revision),
            script: None,
            statements: 0..0,
            session: AtStart::Clean,
            baseline: false,
            proof: None,
            heads_before: heads_before.to_vec(),
            record,
            heads_after: self.heads_during.clone(),
        }
    }
}

impl Wording<'_> {
    /// What castoff changes between the statements of a file, as the file has it after `done` of
    /// them: the role, and the limits of the house, the header and the file's own SET, in that order.
    pub(super) fn restored(
        &self,
        course: &Course<'_>,
        done: usize,
        limited: Limited,
    ) -> Vec<String> {
        let header = course.script.header();
        let house = match limited {
            Limited::Always => milliseconds(self.lock_timeout),
            Limited::ByTheFile => "0".to_owned(),
        };
        let lock_timeout = header.lock_timeout.map_or(house, milliseconds);
        let statement_timeout =
            header.statement_timeout.map_or_else(|| "0".to_owned(), milliseconds);
        let mut statements = vec![
            format!("SET lock_timeout = {lock_timeout}"),
            format!("SET statement_timeout = {statement_timeout}"),
        ];
        let ours = ["lock_timeout", "statement_timeout", "role", "session_authorization"];
        statements.extend(set_before(course.script, done, |name| ours.contains(&name)));
        statements
    }

    /// A unit's transaction: its statements, unless they ran already, and its record.
    pub(super) fn together<'s>(&self, course: &Course<'s>, unit: &Unit, last: bool) -> Job<'s> {
        let statements = match unit {
            Unit::Together { inside, .. } => inside.clone(),
            Unit::Alone(_) => 0..0,
        };
        let (record, heads_after) = if last {
            (course.finish.clone(), course.heads_after.clone())
        } else {
            let recorded = match course.column {
                ProgressColumn::Up => Some(prefix(course.script, unit.end())),
                ProgressColumn::Down => None,
            };
            let record =
                self.ledger.set_progress(course.revision, course.column, unit.end(), recorded);
            (vec![record], course.heads_during.clone())
        };
        Job {
            what: format!("run statement {} of {}", unit.end(), course.revision),
            script: Some(course.script),
            statements,
            session: AtStart::Kept(self.restored(course, unit.start(), Limited::Always)),
            baseline: false,
            proof: None,
            heads_before: course.heads_during.clone(),
            record,
            heads_after,
        }
    }
}

impl Applier<'_> {
    pub(super) async fn course(
        &self,
        course: &Course<'_>,
        resume: Option<usize>,
    ) -> Result<(), ApplyError> {
        let done = resume.unwrap_or(0);
        let mut earlier = match resume {
            Some(_) if self.is_unanswered(course.revision).await? => Earlier::Unanswered,
            Some(_) => Earlier::Answered,
            None => Earlier::None,
        };
        if let Some(done) = resume {
            tracing::info!("Going on with {} after {done} of its statements", course.revision);
            self.restore_session(course, done).await?;
        }
        let units = units(course.script, done);
        let last = units.len().saturating_sub(1);
        for (n, unit) in units.iter().enumerate() {
            if let Unit::Alone(index) = unit {
                self.alone(course, *index, earlier).await?;
            }
            self.together(course, unit, n == last).await?;
            earlier = Earlier::None;
        }
        if units.is_empty() {
            self.together(course, &Unit::Together { inside: done..done, end: done }, true).await?;
        }
        Ok(())
    }

    /// Whether the server was asked to run the next statement and the answer never came.
    async fn is_unanswered(&self, revision: &RevisionId) -> Result<bool, ApplyError> {
        let query = format!(
            "SELECT 1 FROM {} WHERE statement_begun AND revision OPERATOR(pg_catalog.=) {}",
            self.wording.ledger.revision(),
            literal(revision.as_str())
        );
        let rows = self.ask(&query).await?;
        Ok(!rows.is_empty())
    }

    /// A clean session, with what the file's finished statements had set in it.
    async fn restore_session(&self, course: &Course<'_>, done: usize) -> Result<(), ApplyError> {
        let mut statements = self.wording.clean_session();
        statements.extend(set_before(course.script, done, |name| name != "client_encoding"));
        let sql = statements.join("\n;\n");
        match self.lock.session().rows(&sql).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_connection_loss() => Err(ApplyError::Lost(error)),
            Err(error) => Err(self.failure(
                &format!("go on with {}", course.revision),
                (course.revision, course.message),
                error,
                None,
                Kept::Statements(done),
            )),
        }
    }

    async fn together(
        &self,
        course: &Course<'_>,
        unit: &Unit,
        last: bool,
    ) -> Result<(), ApplyError> {
        let job = self.wording.together(course, unit, last);
        match self.run(course.revision, course.message, &job).await {
            Err(ApplyError::Failed(mut failure)) => {
                failure.kept = Kept::Statements(unit.start());
                Err(ApplyError::Failed(failure))
            }
            other => other,
        }
    }
}

/// The statements among the first `done` that set a parameter in the session.
fn set_before(
    script: &Script,
    done: usize,
    parameter: impl Fn(&str) -> bool,
) -> impl Iterator<Item = String> {
    script.statements()[..done.min(script.statements().len())]
        .iter()
        .filter(move |statement| statement.sets_in_session().is_some_and(&parameter))
        .map(|statement| script.text()[statement.range()].to_owned())
}

/// What is recorded of a file whose first `done` statements have run.
pub(super) fn prefix(script: &Script, done: usize) -> Recorded {
    let checksum = script.prefix_checksum(done).unwrap_or_else(|| script.checksum());
    Recorded { source: Source::Up, checksum }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(text: &str) -> Script {
        Script::parse("1_x.up.sql", text.as_bytes()).unwrap()
    }

    #[test]
    fn each_statement_is_a_unit_and_a_block_is_one() {
        let script = script(
            "-- Transaction: none\nCREATE TABLE a (); CREATE INDEX CONCURRENTLY i ON a (b);\n\
             BEGIN; INSERT INTO a DEFAULT VALUES; SELECT 1; COMMIT; VACUUM a;",
        );
        assert_eq!(
            units(&script, 0),
            [
                Unit::Together { inside: 0..1, end: 1 },
                Unit::Alone(1),
                Unit::Together { inside: 3..5, end: 6 },
                Unit::Alone(6),
            ]
        );
        assert_eq!(units(&script, 6), [Unit::Alone(6)]);
        assert_eq!(units(&script, 7), []);
    }
}
