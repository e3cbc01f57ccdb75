//! Statements that PostgreSQL refuses in a transaction block, run by themselves.

use std::time::{Duration, Instant};

use super::Applier;
use super::failure::{ApplyError, Kept, Place};
use super::job::{AS_OURSELVES, Interruption, gives_way};
use super::message::{Message, byte_offset};
use super::repair::Leftover;
use super::session::{Guard, guard_of};
use super::stepwise::{Course, Limited};
use crate::database::jitter::full_jitter;
use crate::revision::Alone;

impl Applier<'_> {
    /// Runs one, or what an interrupted run of it left to do. It is not recorded yet.
    pub(super) async fn alone(
        &self,
        course: &Course<'_>,
        index: usize,
        may_have_begun: bool,
    ) -> Result<(), ApplyError> {
        let what = format!("run statement {} of {}", index + 1, course.revision);
        let start = Instant::now();
        let mut may_have_begun = may_have_begun;
        let mut pauses = full_jitter(Duration::from_millis(500), Duration::from_secs(10));
        loop {
            let first_look = Duration::from_secs(1);
            let attempt = self.attempt_alone(course, index, may_have_begun);
            let (error, place) = match self.observer.beside(&what, first_look, attempt).await {
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
                Err(Interruption::Failed { error, place, .. }) => (error, place),
            };
            if error.is_connection_loss() {
                return Err(ApplyError::Lost(error));
            }
            if !gives_way(&error) {
                return Err(self.failure(
                    &what,
                    (course.revision, course.message),
                    error,
                    place,
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
        index: usize,
        may_have_begun: bool,
    ) -> Result<(), Interruption> {
        let statement = &course.script.statements()[index];
        let text = &course.script.text()[statement.range()];
        let alone = statement.alone();
        // Concurrent commands also wait for unrelated transactions, which lock_timeout would
        // count, and then leave an invalid index behind.
        let concurrent = !matches!(alone, Some(Alone::Other) | None);
        let limited = if concurrent { Limited::ByTheFile } else { Limited::Always };
        let mut opening = Message::new();
        opening.own(AS_OURSELVES);
        opening.guard(&self.guard(&course.heads_during));
        opening.own(self.restored(course, index, limited));
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
                let repair = self.interruptible(self.repair(alone, may_have_begun)).await?;
                repair.map_err(|error| failed(error, 0))?
            }
            None => Leftover::Nothing,
        };
        match leftover {
            Leftover::Done => Ok(()),
            Leftover::Nothing => match self.interruptible(session.rows(text)).await? {
                Ok(_) => Ok(()),
                Err(error) => {
                    let offset = byte_offset(text, error.position).unwrap_or(0);
                    Err(failed(error, offset))
                }
            },
            Leftover::Finish(sql) => match self.interruptible(session.rows(&sql)).await? {
                Ok(_) => Ok(()),
                Err(error) => Err(failed(error, 0)),
            },
        }
    }
}
