//! One transaction: open, guard, the statements, the ledger, commit, look; again if it gave way.

use std::ops::Range;
use std::time::{Duration, Instant};

use super::Applier;
use super::failure::{ApplyError, Failure, Kept, Place};
use super::message::{self, Message};
use super::session::{Guard, guard_of};
use super::wording::Wording;
use crate::database::catalogue::read_schema_within;
use crate::database::jitter::full_jitter;
use crate::database::quote::literal;
use crate::database::read::{LedgerTables, ReadError};
use crate::database::server_error::ServerError;
use crate::database::wait::seconds;
use crate::revision::{RevisionId, Script, Statement};
use crate::schema::Schema;
use crate::stop::Signal;

const RECORDED: &str = "castoff: recorded";

/// One transaction of ours: some statements of a script, and what the ledger says afterwards.
pub(super) struct Job<'s> {
    pub(super) what: String,
    pub(super) script: Option<&'s Script>,
    pub(super) statements: Range<usize>,
    pub(super) session: AtStart,
    /// Whether the script is a baseline, where a dump's settings for another server are left out.
    pub(super) baseline: bool,
    /// The schema that must be there, for what is recorded because of it.
    pub(super) proof: Option<&'s Schema>,
    pub(super) heads_before: Vec<RevisionId>,
    pub(super) record: Vec<String>,
    pub(super) heads_after: Vec<RevisionId>,
}

impl<'s> Job<'s> {
    /// The statements that run, each with its number in the file.
    pub(super) fn to_run(&self) -> impl Iterator<Item = (usize, &'s Statement)> {
        let statements =
            self.script.map_or(&[][..], |script| &script.statements()[self.statements.clone()]);
        let (first, baseline) = (self.statements.start, self.baseline);
        statements
            .iter()
            .enumerate()
            .map(move |(n, statement)| (n + first, statement))
            // The text is sent as UTF-8, whatever it says.
            .filter(|(_, statement)| statement.sets_parameter() != Some("client_encoding"))
            // A dump's own BEGIN and COMMIT, around its large objects.
            .filter(move |(_, statement)| !(baseline && statement.transaction_control().is_some()))
    }
}

/// What a job does to the session before its statements.
pub(super) enum AtStart {
    /// Everything that a file before it set is undone.
    Clean,
    /// It is kept, and these statements bring back what castoff undid for its own work.
    Kept(Vec<String>),
}

/// Why one attempt at a job ended.
#[allow(clippy::large_enum_variant, reason = "it lives for one match")]
pub(super) enum Interruption {
    Stopped(Signal),
    Failed { error: ServerError, place: Option<Place>, guard: Option<Guard> },
    NotRecorded,
    SchemaMoved,
}

impl Applier<'_> {
    /// Runs a job until it succeeds or is no use; a lock that cannot be had is tried again as a
    /// whole, since a transaction that waited in vain has released what it held.
    pub(super) async fn run(
        &self,
        revision: &RevisionId,
        message: &str,
        job: &Job<'_>,
    ) -> Result<(), ApplyError> {
        let start = Instant::now();
        let mut pauses = full_jitter(Duration::from_millis(500), Duration::from_secs(10));
        loop {
            let first_look = (self.wording.lock_timeout / 2).min(Duration::from_secs(1));
            let attempt = self.observer.beside(&job.what, first_look, self.attempt(job)).await;
            let (error, place, guard) = match attempt {
                Ok(()) => {
                    self.reached().tables = LedgerTables::Present;
                    return Ok(());
                }
                Err(Interruption::Stopped(signal)) => {
                    self.roll_back().await;
                    return Err(ApplyError::Stopped(signal));
                }
                Err(Interruption::NotRecorded) => {
                    return Err(ApplyError::NotRecorded { revision: revision.clone() });
                }
                Err(Interruption::SchemaMoved) => {
                    self.roll_back().await;
                    return Err(ApplyError::SchemaMoved);
                }
                Err(Interruption::Failed { error, place, guard }) => (error, place, guard),
            };
            if error.is_connection_loss() {
                return Err(ApplyError::Lost(error));
            }
            self.roll_back().await;
            if let Some(guard) = guard {
                return Err(guard.into());
            }
            if !gives_way(&error) {
                return Err(self.failure(
                    &job.what,
                    (revision, message),
                    error,
                    place,
                    Kept::Nothing,
                ));
            }
            let pause = pauses.next().unwrap_or_default();
            self.again(revision, &error, start, pause).await?;
        }
    }

    /// Waits before another try at what could not get its locks, unless the time for that is over.
    pub(super) async fn again(
        &self,
        revision: &RevisionId,
        error: &ServerError,
        start: Instant,
        pause: Duration,
    ) -> Result<(), ApplyError> {
        let blockers = self.observer.blockers();
        if start.elapsed() + pause >= self.lock_deadline {
            return Err(ApplyError::LockDeadline {
                revision: revision.clone(),
                waited: start.elapsed(),
                error: error.clone(),
                blockers,
            });
        }
        let blocked: Vec<_> = blockers.iter().map(|it| format!("; blocked by {it}")).collect();
        tracing::warn!(
            revision = revision.as_str(),
            "{revision} gave way ({error}); nothing of this try was kept; trying again in {}{}",
            seconds(pause),
            blocked.concat()
        );
        self.stop.sleep(pause).await.map_err(ApplyError::Stopped)
    }

    pub(super) fn failure(
        &self,
        what: &str,
        (revision, message): (&RevisionId, &str),
        error: ServerError,
        place: Option<Place>,
        kept: Kept,
    ) -> ApplyError {
        ApplyError::Failed(Box::new(Failure {
            what: what.to_owned(),
            revision: revision.clone(),
            message: message.to_owned(),
            place,
            error,
            applied_before: self.reached().applied.clone(),
            kept,
            from_ledger: false,
        }))
    }

    /// One transaction: open, guard, the statements, the ledger, commit, look.
    async fn attempt(&self, job: &Job<'_>) -> Result<(), Interruption> {
        let mut message = Message::new();
        message.own(self.wording.opening(job));
        message.guards(&self.guards(&job.heads_before));
        if let (AtStart::Clean, Some(_)) = (&job.session, job.script) {
            // How the strings of a message are read is settled before its first statement runs.
            self.send(&mut message, None).await?;
        }
        if let Some(schema) = job.proof {
            self.send(&mut message, None).await?;
            self.prove(schema).await?;
        }
        message.own(Wording::before_the_file(job));
        if let Some(script) = job.script {
            let skipped = if job.baseline { self.unneeded(script).await? } else { Vec::new() };
            for (index, statement) in job.to_run().filter(|(index, _)| !skipped.contains(index)) {
                if let Some(data) = statement.copy_data() {
                    self.send(&mut message, Some(script)).await?;
                    self.copy(script, index, data).await?;
                } else {
                    message.user(index, &script.text()[statement.range()]);
                }
            }
        }
        message.own(self.wording.behind_the_file());
        let tables = self.reached().tables;
        if let LedgerTables::Absent { schema_exists } = tables {
            message.own(self.wording.ledger.create(schema_exists));
        }
        message.own(self.wording.recording(job));
        // COMMIT of an aborted transaction answers ROLLBACK without an error, and the library
        // hides the tag; so look at what a new transaction sees.
        message.own([format!(
            "SELECT {} WHERE {}",
            literal(RECORDED),
            self.wording.heads_are(&job.heads_after)
        )]);
        message.own(self.wording.nothing_left_behind());
        if self.send(&mut message, job.script).await? {
            Ok(())
        } else {
            Err(Interruption::NotRecorded)
        }
    }

    /// Sees to it that the schema is still the one that the plan was made from.
    async fn prove(&self, schema: &Schema) -> Result<(), Interruption> {
        let session = self.lock.session();
        let reading = read_schema_within(session, self.wording.ledger, self.optional);
        match self.interruptible(reading).await? {
            Ok(found) if found == *schema => Ok(()),
            Err(ReadError::Server(error)) => {
                Err(Interruption::Failed { error, place: None, guard: None })
            }
            Ok(_) | Err(_) => Err(Interruption::SchemaMoved),
        }
    }

    /// Sends a message and empties it; says whether the server confirmed that it was recorded.
    async fn send(
        &self,
        message: &mut Message,
        script: Option<&Script>,
    ) -> Result<bool, Interruption> {
        let message = std::mem::replace(message, Message::new());
        let session = self.lock.session();
        match self.interruptible(message.send(session, RECORDED)).await? {
            Ok(recorded) => Ok(recorded),
            Err((error, completed)) => Err(Interruption::Failed {
                guard: message.is_guard(completed).then(|| guard_of(&error)).flatten(),
                place: script.and_then(|script| message.place(script, &error, completed)),
                error,
            }),
        }
    }

    async fn copy(
        &self,
        script: &Script,
        index: usize,
        data: Range<usize>,
    ) -> Result<(), Interruption> {
        let range = script.statements()[index].range();
        let statement = &script.text()[range.clone()];
        let rows = &script.text()[data.clone()];
        let session = self.lock.session();
        let copy = message::copy(session, statement, rows.as_bytes());
        self.interruptible(copy).await?.map_err(|error| {
            let offset = match message::copied_line(rows, &error) {
                Some(line) => data.start + line,
                None => range.start + message::byte_offset(statement, error.position).unwrap_or(0),
            };
            let place = Some(Place::at(script, offset));
            Interruption::Failed { error, place, guard: None }
        })
    }

    /// Runs `work`; after a signal it is cancelled in the server and given a moment to end.
    pub(super) async fn interruptible<T>(
        &self,
        work: impl Future<Output = T>,
    ) -> Result<T, Interruption> {
        const PATIENCE: Duration = Duration::from_millis(600);
        let mut work = std::pin::pin!(work);
        tokio::select! {
            biased;
            value = &mut work => Ok(value),
            signal = self.stop.requested() => {
                let cancelled = self.lock.session().cancel();
                if !matches!(tokio::time::timeout(PATIENCE, cancelled).await, Ok(Ok(()))) {
                    tracing::debug!("the cancel request was not taken");
                }
                if tokio::time::timeout(PATIENCE, work).await.is_err() {
                    tracing::warn!("the server did not end the statement in time");
                }
                Err(Interruption::Stopped(signal))
            }
        }
    }

    async fn roll_back(&self) {
        const PATIENCE: Duration = Duration::from_millis(300);
        // In one message: after ROLLBACK the backend may be another client's.
        let mut statements = vec!["ROLLBACK".to_owned()];
        statements.extend(self.wording.nothing_left_behind());
        let sql = statements.join(";\n");
        match tokio::time::timeout(PATIENCE, self.lock.session().rows(&sql)).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::debug!("ROLLBACK failed: {error}"),
            Err(_) => tracing::debug!("ROLLBACK was not answered in time"),
        }
    }
}

/// Whether the whole transaction may succeed if it is tried again: a lock timeout, a deadlock, a
/// serialization failure.
pub(super) fn gives_way(error: &ServerError) -> bool {
    error.is("55P03") || error.is("40P01") || error.is("40001")
}
