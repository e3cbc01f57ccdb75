//! The story of one start: wait, look, lock, look again, decide, apply, unlock.
//!
//! # Invariants
//! - At head it is one query: no lock, no write, whatever the number of revisions.
//! - A database is changed only by a plan that was made under the lock, from a state that was
//!   read under the lock.
//! - A refusal is final only under the lock: without it, the state may be another start's work
//!   between two of our queries.

use std::time::{Duration, Instant};

use crate::backup;
use crate::database::{
    Applier, Attempt, MigrationLock, Need, Probe, ReadError, Reading, Session, full_jitter,
};
use crate::error::Error;
use crate::migrator::Migrator;
use crate::plan::{self, DatabaseState, Drift, Hazards, Plan, Policy, Standing};
use crate::revision::Target;

/// How often the state of a wait for another start is said again.
const SAY_AGAIN: Duration = Duration::from_secs(10);

/// Who waits for another start pauses, on average, so many times as long as it was connected.
const LOOK_REST: u32 = 20;

/// How long the server may take to say how it stands.
const ANSWER: Duration = Duration::from_secs(30);

/// The longest that a slow answer lengthens a pause.
const LONGEST_REST: Duration = Duration::from_secs(10);

/// How many times the way to the database may be lost after it was there, without any progress
/// in between.
const TRIES: u32 = 3;

/// What a command wants of the database.
#[derive(Debug, Clone)]
pub(crate) enum Intent {
    /// Forward, by the policy.
    Upgrade(Policy),
    /// Back to a target.
    Downgrade(Target),
    /// The ledger says so.
    Stamp(Target),
}

impl Intent {
    fn decide(&self, migrator: &Migrator, state: &DatabaseState) -> Result<Plan, Error> {
        let graph = migrator.graph()?;
        Ok(match self {
            Self::Upgrade(policy) => plan::decide(migrator.image()?, state, policy)?,
            Self::Downgrade(target) => plan::downgrade(graph, state, target)?,
            Self::Stamp(target) => plan::stamp(graph, state, target)?,
        })
    }

    /// Who wants to know of drift must be told if nobody can.
    fn check_lock(&self, migrator: &Migrator) -> Result<(), Error> {
        let Self::Upgrade(Policy { drift, .. }) = self else { return Ok(()) };
        match drift {
            Drift::Warn if migrator.lock()?.is_none() => tracing::warn!("{}", Error::NoLock),
            Drift::Refuse if migrator.lock()?.is_none() => return Err(Error::NoLock),
            Drift::Ignore | Drift::Warn | Drift::Refuse => {}
        }
        Ok(())
    }

    /// Whether a database at head is nothing to look at any further.
    fn is_done_at_head(&self) -> bool {
        let Self::Upgrade(Policy { target, drift, .. }) = self else { return false };
        target.is_head() && *drift == Drift::Ignore
    }
}

/// Does what `intent` wants, and says what was done.
pub(crate) async fn boot(migrator: &Migrator, intent: &Intent) -> Result<Plan, Error> {
    intent.check_lock(migrator)?;
    let mut queue = Queue::new(migrator);
    let mut losses = 0;
    let mut gate = Gate::Unasked;
    let mut seen = None;
    loop {
        let (session, mut probe) = migrator.session(Need::Writing).await?;
        let begun = session.begun();
        if intent.is_done_at_head() && is_at_head(migrator, &probe)? {
            session.close().await;
            return Ok(Plan::nothing(Standing::AtHead));
        }
        // Another backend is no news.
        let session = (session, probe.backend.take());
        let news = seen.as_ref() != Some(&probe);
        if news {
            losses = 0;
        }
        // Who has found something to do and waits for the lock need not read all of it again.
        let ask = if news || !queue.is_waiting() { Ask::StateFirst } else { Ask::LockOnly };
        seen = Some(probe);
        let turn = migrator.stop().unless(answered(turn(migrator, intent, session, ask))).await?;
        let outcome = match turn {
            Ok(Turn::Done(plan)) => return Ok(plan),
            // Not progress: the one who is busy may be our own lost session.
            Ok(Turn::Busy(holder)) => {
                queue.wait(&holder, begun.elapsed()).await?;
                continue;
            }
            Ok(Turn::Leader(lock)) => lead(migrator, intent, lock, &mut gate).await,
            Err(error) => Err(error),
        };
        match outcome {
            Err(error) if is_transient(&error) => {
                losses += 1;
                if losses == TRIES {
                    return Err(Error::GaveUp { times: losses, source: Box::new(error) });
                }
                tracing::warn!("{}; waiting for the database again", chain(&error));
                migrator.stop().sleep(Duration::from_millis(200)).await?;
            }
            outcome => return outcome,
        }
    }
}

/// Bounds what asks and reads, which never takes long, by what a frozen server would cost.
pub(crate) async fn answered<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    match tokio::time::timeout(ANSWER, Box::pin(work)).await {
        Ok(result) => result,
        Err(_) => Err(ReadError::NoAnswer(ANSWER).into()),
    }
}

/// What is asked without the lock.
#[derive(Clone, Copy)]
enum Ask {
    /// The whole state, then for the lock.
    StateFirst,
    /// Only for the lock.
    LockOnly,
}

/// What one look without the lock leads to.
enum Turn {
    /// There is nothing to do.
    Done(Plan),
    /// Another start has the lock.
    Busy(String),
    /// It is ours.
    Leader(MigrationLock),
}

async fn turn(
    migrator: &Migrator,
    intent: &Intent,
    (session, backend): (Session, Option<i32>),
    ask: Ask,
) -> Result<Turn, Error> {
    if let Ask::StateFirst = ask {
        let reading = migrator.read(&session).await?;
        match intent.decide(migrator, &reading.state) {
            Ok(plan) if plan.is_empty() => {
                tell(&plan);
                session.close().await;
                return Ok(Turn::Done(plan));
            }
            Ok(_) | Err(_) => {}
        }
    }
    let asked =
        MigrationLock::ask((session, backend), migrator.database()?, migrator.ledger()).await;
    match asked.map_err(ReadError::from)? {
        Attempt::Held(lock) => Ok(Turn::Leader(lock)),
        Attempt::Busy(holder) => Ok(Turn::Busy(holder.to_string())),
    }
}

/// Under the lock: read again, decide, apply; then give it back.
async fn lead(
    migrator: &Migrator,
    intent: &Intent,
    lock: MigrationLock,
    gate: &mut Gate,
) -> Result<Plan, Error> {
    let planned = migrator.stop().unless(answered(plan_under_lock(migrator, intent, &lock))).await;
    let (plan, reading) = match planned {
        Ok(Ok(planned)) => planned,
        Ok(Err(error)) => {
            lock.release().await;
            return Err(error);
        }
        Err(signal) => {
            lock.abandon().await;
            return Err(signal.into());
        }
    };
    tell(&plan);
    tell_of_no_lock(migrator, &plan);
    let applier = Applier::new(&lock, migrator, reading)?;
    let work = async {
        applier.check(&plan).await?;
        pass(migrator, &plan, &lock, gate).await?;
        Ok(applier.apply(&plan).await?)
    };
    match work.await {
        Ok(()) => {
            lock.release().await;
            Ok(plan)
        }
        Err(error) => {
            if lost_the_lock(&error) {
                lock.abandon().await;
            } else {
                lock.release().await;
            }
            Err(error)
        }
    }
}

/// Whether a backup gate has been open in this run: it is asked once, however often the way to the
/// database is lost.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gate {
    Unasked,
    Open,
}

/// Asks the backup gates, where there are any, before the first step of a plan that takes anything
/// away: a plan is refused as a whole.
async fn pass(
    migrator: &Migrator,
    plan: &Plan,
    lock: &MigrationLock,
    gate: &mut Gate,
) -> Result<(), Error> {
    if *gate == Gate::Open || !migrator.settings().backup.is_configured() {
        return Ok(());
    }
    let losses = plan.losses(migrator.image()?);
    if !losses.is_empty() {
        backup::ask(migrator, lock.session(), losses).await?;
        *gate = Gate::Open;
    }
    Ok(())
}

/// Whether there is no lock to give back any more, or no time to.
fn lost_the_lock(error: &Error) -> bool {
    if let Error::Apply(error) = error {
        error.lost_the_lock()
    } else {
        let lost = matches!(error, Error::Read(error) if error.is_connection_loss());
        lost || matches!(error, Error::Stopped(_))
    }
}

/// Says what was found out about the schema.
fn tell(plan: &Plan) {
    const SHOWN: usize = 20;
    if let Some(drift) = plan.drift() {
        tracing::warn!(
            "The schema is not the one that the database's revisions make (- expected, + found):\n{}",
            drift.excerpt()
        );
    }
    for danger in plan.hazards() {
        tracing::warn!(revision = danger.revision.as_str(), "Hazard: {danger}");
    }
    if let Standing::Recognised { revision, unchecked, unmanaged } = plan.standing() {
        tracing::info!("The schema is that of {revision}, line by line");
        if *unchecked > 0 {
            tracing::warn!(
                "{unchecked} bodies were not compared: another major version wrote them"
            );
        }
        for line in unmanaged.iter().take(SHOWN) {
            tracing::info!("No revision speaks of {}", line.identity);
        }
        if unmanaged.len() > SHOWN {
            tracing::info!("Nor of {} more", unmanaged.len() - SHOWN);
        }
    }
}

/// Who wants hazards refused must know if nobody can tell of any.
pub(crate) fn tell_of_no_lock(migrator: &Migrator, plan: &Plan) {
    let runs = plan.runs().next().is_some() && *plan.standing() != Standing::Fresh;
    let refuses = migrator.settings().hazards == Hazards::Refuse;
    if runs && refuses && matches!(migrator.lock(), Ok(None)) {
        tracing::warn!("There is no castoff.lock, so nothing is known of the revisions' hazards");
    }
}

async fn plan_under_lock(
    migrator: &Migrator,
    intent: &Intent,
    lock: &MigrationLock,
) -> Result<(Plan, Reading), Error> {
    let read = async || match intent {
        Intent::Upgrade(_) => migrator.read_for_upgrade(lock.session()).await,
        Intent::Downgrade(_) | Intent::Stamp(_) => migrator.read(lock.session()).await,
    };
    let mut reading = read().await?;
    loop {
        let refused = match intent.decide(migrator, &reading.state) {
            Ok(plan) => return Ok((plan, reading)),
            Err(refused) => refused,
        };
        if lock.is_held_throughout() {
            return Err(refused);
        }
        // What was read while nobody did anything is no other start's work between two queries.
        let again = read().await?;
        if again.state == reading.state {
            return Err(refused);
        }
        reading = again;
    }
}

fn is_at_head(migrator: &Migrator, probe: &Probe) -> Result<bool, Error> {
    Ok(migrator.head()?.is_some_and(|(head, chain)| probe.is_at(&head, &chain)))
}

/// Whether to go back to waiting: the server restarted, failed over, or took the session away, or
/// somebody has locked what has to be read.
fn is_transient(error: &Error) -> bool {
    if let Error::Read(error) = error {
        error.is_transient()
    } else {
        matches!(error, Error::Apply(error) if error.is_transient())
    }
}

/// An error with its sources, on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// Waiting for another start that migrates, without a connection between two looks.
struct Queue<'a> {
    migrator: &'a Migrator,
    since: Option<Instant>,
    said: Option<(Instant, String)>,
    pauses: Box<dyn Iterator<Item = Duration> + Send>,
}

impl<'a> Queue<'a> {
    fn new(migrator: &'a Migrator) -> Self {
        let pauses = full_jitter(Duration::from_millis(500), Duration::from_secs(3));
        Self { migrator, since: None, said: None, pauses: Box::new(pauses) }
    }

    fn is_waiting(&self) -> bool {
        self.since.is_some()
    }

    /// Pauses for a random time, the longer the longer the look took: however slowly the server
    /// answers, few of its connections are taken by those who wait.
    async fn wait(&mut self, holder: &str, look: Duration) -> Result<(), Error> {
        let waited = self.since.get_or_insert_with(Instant::now).elapsed();
        let left = self.migrator.settings().leader_timeout.saturating_sub(waited);
        if left.is_zero() {
            return Err(Error::LeaderTimeout { waited, holder: holder.to_owned() });
        }
        let news = self
            .said
            .as_ref()
            .is_none_or(|(when, what)| what != holder || when.elapsed() >= SAY_AGAIN);
        if news {
            tracing::info!("Another start is migrating ({holder}); waiting for it");
            self.said = Some((Instant::now(), holder.to_owned()));
        }
        // Random as well, so that starts that came together do not come again together.
        let rest = 2 * (look * LOOK_REST).min(LONGEST_REST);
        let rest = full_jitter(rest, rest).next().unwrap_or_default();
        let pause = self.pauses.next().unwrap_or_default().max(rest).min(left);
        Ok(self.migrator.stop().sleep(pause).await?)
    }
}
