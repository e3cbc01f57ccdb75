//! Files that say `Transaction: none`: statement by statement, each recorded as it is done.
//!
//! A statement that can run in a transaction shares one with its record, so it is done once,
//! whenever the process is killed. One that cannot is recorded right after it; if the process is
//! killed between the two, the next start looks at what it left behind ([`super::repair`]).

use std::ops::Range;
use std::time::{Duration, Instant};

use super::Applier;
use super::failure::{ApplyError, Kept, Place};
use super::job::{Interruption, Job, gives_way};
use super::message::{Message, byte_offset};
use super::repair::Leftover;
use super::session::{Guard, guard_of, milliseconds};
use crate::database::jitter::full_jitter;
use crate::database::ledger::{Entry, ProgressColumn};
use crate::plan::{Origin, Recorded, Step};
use crate::revision::{Alone, Control, Revision, RevisionId, Script, Source};

/// What the ledger says at each stage of a file.
struct Course<'s> {
    revision: &'s RevisionId,
    message: &'s str,
    script: &'s Script,
    column: ProgressColumn,
    /// Which revisions are heads while it runs.
    heads_during: Vec<RevisionId>,
    finish: Vec<String>,
    heads_after: Vec<RevisionId>,
}

/// Statements that are done together.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Unit {
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
fn units(script: &Script, done: usize) -> Vec<Unit> {
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

impl<'a> Applier<'a> {
    pub(super) async fn upgrade_stepwise(
        &self,
        step: &Step,
        revision: &'a Revision,
        script: &Script,
        resume: Option<usize>,
    ) -> Result<(), ApplyError> {
        let course = Course {
            revision: revision.id(),
            message: revision.message(),
            script,
            column: ProgressColumn::Up,
            heads_during: step.heads_before().to_vec(),
            finish: vec![self.ledger.complete(revision.id(), Recorded::of(revision))],
            heads_after: step.heads_after().to_vec(),
        };
        if resume.is_none() {
            let entry = Entry {
                recorded: prefix(script, 0),
                statements_done: Some(0),
                ..self.entry(revision, Origin::Upgrade, false, false)?
            };
            let record = self.ledger.insert([entry]).into_iter().collect();
            self.begin(&course, step.heads_before(), record).await?;
        }
        self.course(&course, resume).await
    }

    pub(super) async fn downgrade_stepwise(
        &self,
        step: &Step,
        revision: &RevisionId,
        message: &str,
        script: &Script,
        resume: Option<usize>,
    ) -> Result<(), ApplyError> {
        let heads_during =
            step.heads_before().iter().filter(|head| *head != revision).cloned().collect();
        let course = Course {
            revision,
            message,
            script,
            column: ProgressColumn::Down,
            heads_during,
            finish: vec![self.ledger.delete([revision])],
            heads_after: step.heads_after().to_vec(),
        };
        if resume.is_none() {
            let record = vec![self.ledger.set_progress(revision, ProgressColumn::Down, 0, None)];
            self.begin(&course, step.heads_before(), record).await?;
        }
        self.course(&course, resume).await
    }

    /// Records that the file has begun, with a clean session.
    async fn begin(
        &self,
        course: &Course<'_>,
        heads_before: &[RevisionId],
        record: Vec<String>,
    ) -> Result<(), ApplyError> {
        let job = Job {
            what: format!("begin {}", course.revision),
            script: None,
            statements: 0..0,
            clean: true,
            baseline: false,
            heads_before: heads_before.to_vec(),
            record,
            heads_after: course.heads_during.clone(),
        };
        self.run(course.revision, course.message, &job).await
    }

    async fn course(&self, course: &Course<'_>, resume: Option<usize>) -> Result<(), ApplyError> {
        let done = resume.unwrap_or(0);
        if let Some(done) = resume {
            tracing::info!("Going on with {} after {done} of its statements", course.revision);
            self.restore_session(course, done).await?;
        }
        let units = units(course.script, done);
        let mut may_have_begun = resume.is_some();
        let last = units.len().saturating_sub(1);
        for (n, unit) in units.iter().enumerate() {
            if let Unit::Alone(index) = unit {
                self.alone(course, *index, may_have_begun).await?;
            }
            self.together(course, unit, n == last).await?;
            may_have_begun = false;
        }
        if units.is_empty() {
            self.together(course, &Unit::Together { inside: done..done, end: done }, true).await?;
        }
        Ok(())
    }

    /// A clean session, with what the file's finished statements had set in it.
    async fn restore_session(&self, course: &Course<'_>, done: usize) -> Result<(), ApplyError> {
        let mut statements = self.clean_session();
        let finished = course.script.statements().iter().take(done);
        statements.extend(
            finished
                .filter(|statement| statement.sets_parameter().is_some())
                .map(|statement| course.script.text()[statement.range()].to_owned()),
        );
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

    /// A unit's transaction: its statements, unless they ran already, and its record.
    async fn together(
        &self,
        course: &Course<'_>,
        unit: &Unit,
        last: bool,
    ) -> Result<(), ApplyError> {
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
        let kept = Kept::Statements(unit.start());
        let job = Job {
            what: format!("run statement {} of {}", unit.end(), course.revision),
            script: Some(course.script),
            statements,
            clean: false,
            baseline: false,
            heads_before: course.heads_during.clone(),
            record,
            heads_after,
        };
        match self.run(course.revision, course.message, &job).await {
            Err(ApplyError::Failed(mut failure)) => {
                failure.kept = kept;
                Err(ApplyError::Failed(failure))
            }
            other => other,
        }
    }

    /// A statement that PostgreSQL refuses in a transaction block.
    async fn alone(
        &self,
        course: &Course<'_>,
        index: usize,
        may_have_begun: bool,
    ) -> Result<(), ApplyError> {
        let statement = &course.script.statements()[index];
        let text = &course.script.text()[statement.range()];
        let what = format!("run statement {} of {}", index + 1, course.revision);
        let start = Instant::now();
        let mut may_have_begun = may_have_begun;
        let mut pauses = full_jitter(Duration::from_millis(500), Duration::from_secs(10));
        loop {
            let first_look = Duration::from_secs(1);
            let attempt = self.attempt_alone(course, statement.alone(), text, may_have_begun);
            let error = match self.observer.beside(&what, first_look, attempt).await {
                Ok(()) => return Ok(()),
                Err(Interruption::Stopped(signal)) => return Err(ApplyError::Stopped(signal)),
                Err(Interruption::NotRecorded) => {
                    return Err(ApplyError::NotRecorded { revision: course.revision.clone() });
                }
                Err(Interruption::Failed { guard: Some(Guard::LockGone), .. }) => {
                    return Err(ApplyError::LockGone);
                }
                Err(Interruption::Failed { guard: Some(Guard::HeadsMoved), .. }) => {
                    return Err(ApplyError::HeadsMoved);
                }
                Err(Interruption::Failed { error, .. }) => error,
            };
            if error.is_connection_loss() {
                return Err(ApplyError::Lost(error));
            }
            if !gives_way(&error) {
                let offset = byte_offset(text, error.position).unwrap_or(0);
                let place = Place::at(course.script, statement.range().start + offset);
                return Err(self.failure(
                    &what,
                    (course.revision, course.message),
                    error,
                    Some(place),
                    Kept::Statements(index),
                ));
            }
            may_have_begun = true;
            let pause = pauses.next().unwrap_or_default();
            self.again(course.revision, &error, start, pause).await?;
        }
    }

    async fn attempt_alone(
        &self,
        course: &Course<'_>,
        alone: Option<&Alone>,
        text: &str,
        may_have_begun: bool,
    ) -> Result<(), Interruption> {
        // Concurrent commands also wait for unrelated transactions, which lock_timeout would
        // count, and then leave an invalid index behind.
        let concurrent = !matches!(alone, Some(Alone::Other) | None);
        let header = course.script.header();
        let lock_timeout = match (header.lock_timeout, concurrent) {
            (Some(limit), _) => milliseconds(limit),
            (None, true) => "0".to_owned(),
            (None, false) => milliseconds(self.limits.lock_timeout),
        };
        let statement_timeout =
            header.statement_timeout.map_or_else(|| "0".to_owned(), milliseconds);
        let mut opening = Message::new();
        opening.guard(&self.guard(&course.heads_during));
        opening.own([
            format!("SET lock_timeout = {lock_timeout}"),
            format!("SET statement_timeout = {statement_timeout}"),
        ]);
        let failed = |error| Interruption::Failed { error, place: None, guard: None };
        let session = self.lock.session();
        self.interruptible(opening.send(session, "")).await?.map_err(|(error, completed)| {
            let guard = opening.is_guard(completed).then(|| guard_of(&error)).flatten();
            Interruption::Failed { error, place: None, guard }
        })?;
        let leftover = match alone {
            Some(alone) => {
                self.interruptible(self.repair(alone, may_have_begun)).await?.map_err(failed)?
            }
            None => Leftover::Nothing,
        };
        match leftover {
            Leftover::Done => Ok(()),
            Leftover::Nothing => {
                self.interruptible(session.rows(text)).await?.map(|_| ()).map_err(failed)
            }
            Leftover::Finish(sql) => {
                self.interruptible(session.rows(&sql)).await?.map(|_| ()).map_err(failed)
            }
        }
    }
}

/// What is recorded of a file whose first `done` statements have run.
fn prefix(script: &Script, done: usize) -> Recorded {
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
