//! Statements that PostgreSQL refuses in a transaction block, run by themselves.

use std::time::{Duration, Instant};

use super::Applier;
use super::failure::{ApplyError, Kept, Place};
use super::job::{Interruption, gives_way};
use super::message::{Message, byte_offset};
use super::repair::Leftover;
use super::session::guard_of;
use super::stepwise::{Course, Earlier, Limited};
use crate::database::jitter::full_jitter;
use crate::database::server_error::ServerError;
use crate::revision::Alone;

impl Applier<'_> {
    /// Runs one, or what an interrupted run of it left to do. It is not recorded yet.
    pub(super) async fn alone(
        &self,
        course: &Course<'_>,
        index: usize,
        earlier: Earlier,
    ) -> Result<(), ApplyError> {
        let what = format!("run statement {} of {}", index + 1, course.revision);
        let start = Instant::now();
        let mut earlier = earlier;
        let mut pauses = full_jitter(Duration::from_millis(500), Duration::from_secs(10));
        loop {
            let first_look = Duration::from_secs(1);
            let attempt = self.attempt_alone(course, index, earlier);
            let (error, place) = match self.observer.beside(&what, first_look, attempt).await {
                Ok(()) => return Ok(()),
                Err(Interruption::Stopped(signal)) => return Err(ApplyError::Stopped(signal)),
                Err(Interruption::NotRecorded) => {
                    return Err(ApplyError::NotRecorded { revision: course.revision.clone() });
                }
                Err(Interruption::SchemaMoved) => return Err(ApplyError::SchemaMoved),
                Err(Interruption::Failed { guard: Some(guard), .. }) => return Err(guard.into()),
                Err(Interruption::Failed { error, place, .. }) => (error, place),
            };
            if error.is_connection_loss() {
                return Err(ApplyError::Lost(error));
            }
            // The server has refused it, so what it would have made is not its work.
            self.note_begun(course, index, false).await.map_err(ApplyError::Lost)?;
            if !gives_way(&error) {
                return Err(self.failure(
                    &what,
                    (course.revision, course.message),
                    error,
                    place,
                    Kept::Statements(index),
                ));
            }
            earlier = Earlier::Answered;
            let pause = pauses.next().unwrap_or_default();
            self.again(course.revision, &error, start, pause).await?;
        }
    }

    async fn attempt_alone(
        &self,
        course: &Course<'_>,
        index: usize,
        earlier: Earlier,
    ) -> Result<(), Interruption> {
        let statement = &course.script.statements()[index];
        let text = &course.script.text()[statement.range()];
        let alone = statement.alone();
        let limited = if is_concurrent(alone) { Limited::ByTheFile } else { Limited::Always };
        let mut opening = Message::new();
        opening.own(self.wording.as_ourselves());
        opening.guards(&self.guards(&course.heads_during));
        opening.own(self.wording.restored(course, index, limited));
        let failed = |error, offset| {
            let place = Some(Place::at(course.script, statement.range().start + offset));
            Interruption::Failed { error, place, guard: None }
        };
        let session = self.lock.session();
        self.interruptible(opening.send(session, "")).await?.map_err(|(error, completed)| {
            let guard = opening.is_guard(completed).then(|| guard_of(&error)).flatten();
            Interruption::Failed { error, place: None, guard }
        })?;
        let leftover = match alone {
            Some(alone) => {
                let look = earlier != Earlier::None || tells_its_effect(alone);
                let repair = self.interruptible(self.repair(alone, look)).await?;
                repair.map_err(|error| failed(error, 0))?
            }
            None => Leftover::Nothing,
        };
        let leftover = match (leftover, earlier) {
            (Leftover::Done, Earlier::Unanswered) => return Ok(()),
            (Leftover::Finish(_), Earlier::None) => Leftover::Nothing,
            (leftover, _) => leftover,
        };
        // What is there before the statement runs is not its work: then the server shall judge.
        if leftover != Leftover::Done {
            let note = self.interruptible(self.note_begun(course, index, true)).await?;
            note.map_err(|error| failed(error, 0))?;
        }
        match leftover {
            Leftover::Done | Leftover::Nothing => {
                match self.interruptible(session.rows(text)).await? {
                    Ok(_) => Ok(()),
                    Err(error) => {
                        let offset = byte_offset(text, error.position).unwrap_or(0);
                        Err(failed(error, offset))
                    }
                }
            }
            Leftover::Finish(sql) => match self.interruptible(session.rows(&sql)).await? {
                Ok(_) => Ok(()),
                Err(error) => Err(failed(error, 0)),
            },
        }
    }
    /// Notes, as ourselves, whether the server is asked to run the statement now; then the session
    /// is the file's again.
    async fn note_begun(
        &self,
        course: &Course<'_>,
        index: usize,
        begun: bool,
    ) -> Result<(), ServerError> {
        let alone = course.script.statements()[index].alone();
        let limited = if is_concurrent(alone) { Limited::ByTheFile } else { Limited::Always };
        let mut statements = self.wording.as_ourselves();
        statements.push(self.wording.ledger.set_begun(course.revision, begun));
        statements.extend(self.wording.restored(course, index, limited));
        self.lock.session().rows(&statements.join(";\n")).await.map(|_| ())
    }
}

/// Concurrent commands also wait for unrelated transactions, which `lock_timeout` would count, and
/// then leave an invalid index behind.
pub(super) fn is_concurrent(alone: Option<&Alone>) -> bool {
    !matches!(alone, Some(Alone::Other) | None)
}

/// Whether looking at the catalogue tells that the statement has had its effect.
fn tells_its_effect(alone: &Alone) -> bool {
    match alone {
        Alone::CreateIndexConcurrently { index, .. } => index.is_some(),
        Alone::DropIndexConcurrently { .. } | Alone::DetachPartitionConcurrently { .. } => true,
        Alone::ReindexConcurrently | Alone::Other => false,
    }
}
