//! castoff as a library: what the commands do, for a program that does it itself.

use std::error::Error as _;
use std::time::{Duration, Instant};

use crate::backup::{self, Gate};
use crate::boot::{Intent, answered, boot};
use crate::bundle::Bundle;
use crate::database::{
    Database, LedgerName, Need, Probe, Reading, Session, WaitEnd, Waiting, full_jitter, occupied,
    read_schema, read_state,
};
use crate::error::Error;
use crate::migrations::{Migrations, Source};
use crate::plan::{
    self, Baseline, DatabaseState, Drift, Hazards, Image, Loss, Plan, Policy, Refusal, Standing,
};
#[cfg(feature = "author")]
use crate::revision::FileError;
use crate::revision::{Chain, Graph, Revision, RevisionId, Target};
use crate::schema::{Lock, Optional, Schema};
use crate::settings::{Settings, SettingsError};
use crate::stop::Stop;

/// What to look ahead to.
#[derive(Debug)]
pub(crate) enum Aim {
    /// A start.
    Upgrade,
    /// Back to a target.
    Downgrade(Target),
    /// The ledger says so.
    Stamp(Target),
}

/// What would be done, and what would be asked before.
#[derive(Debug)]
pub(crate) struct Outlook {
    pub(crate) plan: Plan,
    /// Why it would not be done, if its hazards would be refused.
    pub(crate) refusal: Option<Refusal>,
    /// What it takes away.
    pub(crate) losses: Vec<Loss>,
    /// The backup gates that would be asked because of that.
    pub(crate) gates: Option<Vec<Gate>>,
}

/// A migration folder, a database, and how to treat it.
///
/// Every method opens what it needs and leaves nothing open. Those that only read take no lock,
/// write nothing, and are content with a standby and with a role that may SELECT from the ledger.
///
/// ```no_run
/// # async fn example() -> Result<(), castoff::Error> {
/// use castoff::{Migrations, Migrator, Settings, Target, include_dir};
///
/// static MIGRATIONS: Migrations =
///     Migrations::new(&include_dir::include_dir!("$CARGO_MANIFEST_DIR/migrations"));
///
/// let settings = Settings::read(std::env::vars_os(), &[])?;
/// let migrator = Migrator::new(&MIGRATIONS, settings)?;
/// let plan = migrator.upgrade(&Target::head()).await?;
/// println!("{} steps", plan.steps().len());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Migrator {
    source: Source,
    settings: Settings,
    database: Option<Database>,
    ledger: LedgerName,
    stop: Stop,
}

impl Migrator {
    /// Checks the settings, and the folder if it is not compiled in. Connects to nothing.
    pub fn new(migrations: &'static Migrations, settings: Settings) -> Result<Self, Error> {
        let migrator = Self::with_bundle(migrations, None, settings);
        migrator.check_folder()?;
        Ok(migrator)
    }

    /// The same for a program that may have a bundle, which goes before what is compiled in; checks
    /// nothing.
    pub(crate) fn with_bundle(
        migrations: &'static Migrations,
        bundle: Option<Bundle>,
        settings: Settings,
    ) -> Self {
        let source = Source::new(migrations, bundle, settings.migrations_dir.as_deref());
        let database = settings.database.as_ref().map(|url| {
            Database::new(url, settings.connect_timeout).with_role(settings.role.clone())
        });
        let ledger = LedgerName::new(&settings.schema);
        Self { source, settings, database, ledger, stop: Stop::never() }
    }

    /// Checks the folder, if no build has.
    pub(crate) fn check_folder(&self) -> Result<(), Error> {
        self.source.check()
    }

    /// Ends every wait, and cancels what runs in the server, when `stop` says so.
    #[must_use]
    pub fn until(self, stop: Stop) -> Self {
        Self { stop, ..self }
    }

    /// The same for one who knows nothing of what the revisions do: who finds it out.
    #[must_use]
    #[cfg(feature = "author")]
    pub(crate) fn without_lock(self) -> Self {
        Self { source: self.source.without_lock(), ..self }
    }

    /// The revisions of the folder.
    pub fn graph(&self) -> Result<&Graph, Error> {
        self.source.graph()
    }

    /// The revisions of the folder, and beside them the statements in it that castoff would not run.
    #[cfg(feature = "author")]
    pub(crate) fn survey(&self) -> Result<(Graph, Vec<FileError>), Error> {
        self.source.survey()
    }

    /// The heads of the folder: one, or none if it is empty.
    pub fn heads(&self) -> Result<Vec<&Revision>, Error> {
        let graph = self.graph()?;
        Ok(graph.heads().into_iter().filter_map(|id| graph.get(id)).collect())
    }

    /// The revisions of the folder, parents first.
    pub fn history(&self) -> Result<&[Revision], Error> {
        Ok(self.graph()?.revisions())
    }

    /// Fails if nobody has put any migrations into this program.
    pub(crate) fn has_migrations(&self) -> Result<(), Error> {
        self.source.is_given()
    }

    /// What the database says of itself.
    pub async fn state(&self) -> Result<DatabaseState, Error> {
        self.reading(async |session| Ok(self.read(session).await?.state)).await
    }

    /// The schema of the database as lines, with the optional ones that the image's lock has.
    pub async fn schema(&self) -> Result<Schema, Error> {
        self.schema_with(self.source.lock()?.map(|lock| lock.optional).unwrap_or_default()).await
    }

    /// The same, with the optional lines that are asked for.
    pub async fn schema_with(&self, optional: Optional) -> Result<Schema, Error> {
        self.reading(async |session| Ok(read_schema(session, &self.ledger, optional).await?)).await
    }

    /// Reads what a decision needs: of the schema only where something depends on it, and where it is
    /// known what the revisions make of one.
    pub(crate) async fn read(&self, session: &Session) -> Result<Reading, Error> {
        let mut reading = read_state(session, &self.ledger).await?;
        let state = &mut reading.state;
        let wanted = match state.ledger {
            Some(_) => self.settings.drift != Drift::Ignore,
            None => state.user_objects.count > 0,
        };
        if wanted && let Some(lock) = self.source.lock()? {
            let schema = read_schema(session, &self.ledger, lock.optional).await;
            let is_only_to_tell = state.ledger.is_some() && self.settings.drift == Drift::Warn;
            state.schema = match schema {
                Err(error) if is_only_to_tell && !error.is_connection_loss() => {
                    let cause = error.source().map(ToString::to_string).unwrap_or_default();
                    tracing::warn!("Whether the schema has drifted can't be told: {cause}");
                    None
                }
                other => Some(other?),
            };
        }
        Ok(reading)
    }

    /// The same with what the hazards of an upgrade depend on, where some may be pending.
    pub(crate) async fn read_for_upgrade(&self, session: &Session) -> Result<Reading, Error> {
        let mut reading = self.read(session).await?;
        if self.settings.hazards != Hazards::Ignore {
            let tables = plan::tables_in_question(self.image()?, &reading.state);
            let occupied = occupied(session, &self.ledger, &tables).await?;
            reading.state.occupied = Some(occupied);
        }
        Ok(reading)
    }

    /// What is known of what the revisions do.
    pub(crate) fn lock(&self) -> Result<Option<&Lock>, Error> {
        self.source.lock()
    }

    /// The same, if it is there and about these revisions.
    pub(crate) fn fitting_lock(&self) -> Result<&Lock, Error> {
        let lock = self.lock()?.ok_or(Error::NoLock)?;
        let stale = lock.stale(self.graph()?);
        if stale.is_empty() { Ok(lock) } else { Err(Refusal::StaleLock { stale }.into()) }
    }

    /// The revisions, and what is known of what they do.
    pub(crate) fn image(&self) -> Result<Image<'_>, Error> {
        Ok(Image { graph: self.source.graph()?, lock: self.source.lock()? })
    }

    /// The revisions that the database is at.
    pub async fn current(&self) -> Result<Vec<RevisionId>, Error> {
        Ok(self.state().await?.ledger.map(|ledger| ledger.heads()).unwrap_or_default())
    }

    /// What a start would do, without doing it.
    pub async fn plan(&self) -> Result<Plan, Error> {
        let state = self.state_for_upgrade().await?;
        Ok(plan::decide(self.image()?, &state, &self.policy(Target::head()))?)
    }

    /// The same for who only wants to know: also where its hazards would be refused, with the refusal.
    pub(crate) async fn prospect(&self) -> Result<(Plan, Option<Refusal>), Error> {
        self.prospect_of(&self.state_for_upgrade().await?)
    }

    /// What it would do with a database in this state.
    pub(crate) fn prospect_of(
        &self,
        state: &DatabaseState,
    ) -> Result<(Plan, Option<Refusal>), Error> {
        let policy = self.policy(Target::head());
        let refusal = match (policy.hazards, plan::decide(self.image()?, state, &policy)) {
            (_, Ok(plan)) => return Ok((plan, None)),
            (Hazards::Refuse, Err(refusal)) => refusal,
            (Hazards::Ignore | Hazards::Warn, Err(refusal)) => return Err(refusal.into()),
        };
        let policy = Policy { hazards: Hazards::Warn, ..policy };
        Ok((plan::decide(self.image()?, state, &policy)?, Some(refusal)))
    }

    /// What a command would do, and everything that would be asked before it; asks for no lock, and runs
    /// no backup command.
    pub(crate) async fn outlook(&self, aim: &Aim) -> Result<Outlook, Error> {
        if let Aim::Upgrade = aim {
            self.has_migrations()?;
        }
        self.reading(async |session| {
            let (plan, refusal) = match aim {
                Aim::Upgrade => self.prospect_of(&self.read_for_upgrade(session).await?.state)?,
                Aim::Downgrade(target) => {
                    let state = self.read(session).await?.state;
                    (plan::downgrade(self.graph()?, &state, target)?, None)
                }
                Aim::Stamp(target) => {
                    let state = self.read(session).await?.state;
                    (plan::stamp(self.graph()?, &state, target)?, None)
                }
            };
            let mut outlook =
                Outlook { losses: plan.losses(self.image()?), gates: None, plan, refusal };
            if self.settings.backup.is_configured() && !outlook.losses.is_empty() {
                outlook.gates = Some(backup::look(self, session).await?);
            }
            Ok(outlook)
        })
        .await
    }

    async fn state_for_upgrade(&self) -> Result<DatabaseState, Error> {
        self.has_migrations()?;
        self.reading(async |session| Ok(self.read_for_upgrade(session).await?.state)).await
    }

    /// The revisions that a start would run, parents first.
    pub async fn pending(&self) -> Result<Vec<&Revision>, Error> {
        let (plan, _) = self.prospect().await?;
        let graph = self.graph()?;
        Ok(plan.runs().filter_map(|id| graph.get(id)).collect())
    }

    /// Where the database stands. At head it costs one query.
    pub async fn check(&self) -> Result<Plan, Error> {
        self.has_migrations()?;
        let (session, probe) = self.session(Need::Reading).await?;
        session.close().await;
        let is_at_head = self.head()?.is_some_and(|(head, chain)| probe.is_at(&head, &chain));
        if is_at_head && self.settings.drift == Drift::Ignore {
            return Ok(Plan::nothing(Standing::AtHead));
        }
        Ok(self.prospect().await?.0)
    }

    /// Brings the database to `target`, as a start does; gives the plan that was applied. Hazards are
    /// warned of or refused, and backup gates asked, as the settings say.
    pub async fn upgrade(&self, target: &Target) -> Result<Plan, Error> {
        self.has_migrations()?;
        boot(self, &Intent::Upgrade(self.policy(target.clone()))).await
    }

    /// Brings an empty database, or one that this has brought to an ancestor, to `target` by the
    /// history alone, whatever baselines there are.
    #[cfg(feature = "author")]
    pub(crate) async fn walk_to(&self, target: &Target) -> Result<Plan, Error> {
        let policy = Policy { history: true, ..self.policy(target.clone()) };
        boot(self, &Intent::Upgrade(policy)).await
    }

    /// Takes back everything that descends from `target`, newest first; gives the plan that was
    /// applied. It asks nobody, whatever the environment: that is the command line's to do.
    pub async fn downgrade(&self, target: &Target) -> Result<Plan, Error> {
        boot(self, &Intent::Downgrade(target.clone())).await
    }

    /// Makes the ledger say `target` without running anything; gives the plan that was applied. It
    /// asks nobody either.
    pub async fn stamp(&self, target: &Target) -> Result<Plan, Error> {
        boot(self, &Intent::Stamp(target.clone())).await
    }

    /// Opens a session, and does with it what never takes long.
    async fn reading<T>(
        &self,
        work: impl AsyncFnOnce(&Session) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let (session, _) = self.session(Need::Reading).await?;
        let result = self.stop.unless(answered(work(&session))).await??;
        session.close().await;
        Ok(result)
    }

    /// Waits until the database answers a query.
    pub async fn wait(&self) -> Result<(), Error> {
        let (session, _) = self.session(Need::Reading).await?;
        session.close().await;
        Ok(())
    }

    /// Waits until the database has `revision` applied, with or without later ones, for at most
    /// the wait timeout. It need not be in this image.
    pub async fn wait_for(&self, revision: &RevisionId) -> Result<(), Error> {
        let start = Instant::now();
        let mut pauses = full_jitter(Duration::from_millis(200), Duration::from_secs(3));
        let mut said = None;
        loop {
            let state = self.state().await?;
            let heads = state.ledger.as_ref().map(plan::Ledger::heads).unwrap_or_default();
            if state.ledger.is_some_and(|ledger| ledger.lineage().contains(revision)) {
                return Ok(());
            }
            let waited = start.elapsed();
            let left = self.settings.wait_timeout.saturating_sub(waited);
            let current: Vec<_> = heads.iter().map(ToString::to_string).collect();
            if left.is_zero() {
                return Err(Error::NotThere { revision: revision.to_string(), current, waited });
            }
            if said.as_ref() != Some(&heads) {
                let at =
                    if heads.is_empty() { "no revision".to_owned() } else { current.join(", ") };
                tracing::info!("Waiting for {revision}; the database is at {at}");
                said = Some(heads);
            }
            self.stop.sleep(pauses.next().unwrap_or_default().min(left)).await?;
        }
    }

    /// The settings in effect.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) fn stop(&self) -> &Stop {
        &self.stop
    }

    pub(crate) fn ledger(&self) -> &LedgerName {
        &self.ledger
    }

    pub(crate) fn head(&self) -> Result<Option<(RevisionId, Chain)>, Error> {
        self.source.head()
    }

    pub(crate) fn database(&self) -> Result<&Database, Error> {
        self.database.as_ref().ok_or_else(|| SettingsError::NoDatabase.into())
    }

    /// A session that is good for `need`, and what its first query said.
    pub(crate) async fn session(&self, need: Need) -> Result<(Session, Probe), Error> {
        let waiting = Waiting {
            database: self.database()?,
            ledger: &self.ledger,
            need,
            wait_timeout: self.settings.wait_timeout,
            settle_timeout: self.settings.settle_timeout,
            stop: &self.stop,
        };
        waiting.session().await.map_err(|end| match end {
            WaitEnd::NotReady(not_ready) => not_ready.into(),
            WaitEnd::Stopped(signal) => signal.into(),
        })
    }

    fn policy(&self, target: Target) -> Policy {
        Policy {
            target,
            ahead: self.settings.ahead,
            baseline: self.settings.baseline.clone().map(Baseline),
            drift: self.settings.drift,
            hazards: self.settings.hazards,
            history: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A program with a runtime of several threads may spawn them.
    #[test]
    fn the_futures_may_move_between_threads() {
        fn assert_send<T: Send>(_: impl FnOnce(&'static Migrator) -> T) {}
        assert_send(Migrator::current);
        assert_send(Migrator::plan);
        assert_send(Migrator::pending);
        assert_send(Migrator::check);
        assert_send(Migrator::wait);
        assert_send(|migrator| async { migrator.upgrade(&Target::head()).await.is_ok() });
        assert_send(|migrator| async { migrator.downgrade(&Target::head()).await.is_ok() });
        assert_send(|migrator| async { migrator.stamp(&Target::head()).await.is_ok() });
    }
}
