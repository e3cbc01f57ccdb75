//! What castoff itself says around the statements of a file, whoever carries it to the server.
//!
//! Pure text: the session that applies a plan sends it, and `castoff sql` writes it down.

use std::time::Duration;

use super::failure::ApplyError;
use super::job::{AtStart, Job};
use super::session::{HEADS_MOVED, LOCK_GONE, LOCK_TAKEN, NOT_PRIMARY, milliseconds, timeouts};
use super::unknown;
use crate::database::ledger::{Entry, LedgerName};
use crate::database::lock::{KEEPALIVES, LockKey};
use crate::database::quote::{identifier, literal, text_array};
use crate::plan::{Origin, Recorded};
use crate::revision::{Graph, Revision, RevisionId};

/// A condition of a guard, and what is complained of where it does not hold.
pub(super) type Condition = (String, &'static str);

/// What castoff's own statements depend on.
#[derive(Debug)]
pub(super) struct Wording<'a> {
    pub(super) graph: &'a Graph,
    pub(super) ledger: &'a LedgerName,
    pub(super) key: LockKey,
    /// The role that everything is done as, if it is not the one that logs in.
    pub(super) role: Option<&'a str>,
    pub(super) carrier: Carrier<'a>,
    /// PostgreSQL's `lock_timeout` for each statement.
    pub(super) lock_timeout: Duration,
    /// What the ledger says of the application.
    pub(super) application: Option<&'a str>,
}

/// Who says it, to which server.
#[derive(Debug, Clone, Copy)]
pub(super) enum Carrier<'a> {
    /// A session of castoff's.
    Session {
        version: u32,
        /// Whether the server watches for the loss of its client.
        watched: bool,
        /// Where each transaction takes the lock for itself: the session's application name.
        of_each_transaction: Option<&'a str>,
    },
    /// Anybody's session, to some server that is supported; it holds the lock throughout.
    #[cfg(feature = "author")]
    Script,
}

/// The role that logged in, or what the server gives it in its place.
const LOGGED_IN: [&str; 2] = ["SET SESSION AUTHORIZATION DEFAULT", "RESET ROLE"];

fn reset() -> Vec<String> {
    let rest = ["RESET ALL", "CLOSE ALL", "UNLISTEN *", "DISCARD TEMP", "DISCARD SEQUENCES"];
    LOGGED_IN.into_iter().chain(rest).map(str::to_owned).collect()
}

/// How long a setting holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    Session,
    Transaction,
}

impl<'a> Wording<'a> {
    /// The session's own role, or the one that it was told to take; it alone may be sure to read
    /// and write the ledger.
    pub(super) fn as_ourselves(&self) -> Vec<String> {
        let mut statements = LOGGED_IN.map(str::to_owned).to_vec();
        statements.extend(self.role.map(|role| format!("SET ROLE {}", identifier(role))));
        statements
    }

    /// What a job begins with, before it is looked whether it may go on.
    pub(super) fn opening(&self, job: &Job<'_>) -> Vec<String> {
        let mut statements = match job.session {
            AtStart::Clean => self.open_clean(),
            AtStart::Kept(_) => vec!["BEGIN ISOLATION LEVEL READ COMMITTED".to_owned()],
        };
        statements.extend(self.as_ourselves());
        statements
    }

    /// What then brings about the session that the file wants to find.
    pub(super) fn before_the_file(job: &Job<'_>) -> Vec<String> {
        match (&job.session, job.script) {
            (AtStart::Kept(restore), _) => restore.clone(),
            (AtStart::Clean, Some(script)) => timeouts(script),
            (AtStart::Clean, None) => Vec::new(),
        }
    }

    /// What follows the file's statements, so that the ledger can be written.
    pub(super) fn behind_the_file(&self) -> Vec<String> {
        // Deferred triggers run now, as in psql with the file's role and search path.
        let mut statements = vec!["SET CONSTRAINTS ALL IMMEDIATE".to_owned()];
        // The file may have changed who we are and what names mean.
        statements.extend(self.as_ourselves());
        statements.push("SET LOCAL search_path TO pg_catalog, pg_temp".to_owned());
        statements
    }

    /// What writes the ledger, and ends the transaction.
    pub(super) fn recording(&self, job: &Job<'_>) -> Vec<String> {
        let mut statements = job.record.clone();
        statements.extend(self.ledger.set_heads(&job.heads_after));
        statements.push("COMMIT".to_owned());
        statements
    }

    /// Opens a transaction; before it, or in it where the session is not ours alone, everything is
    /// undone that a file before it has set.
    fn open_clean(&self) -> Vec<String> {
        let begin = "BEGIN ISOLATION LEVEL READ COMMITTED".to_owned();
        if self.of_each_transaction().is_none() {
            let mut statements = vec!["BEGIN".to_owned()];
            statements.extend(self.clean_session());
            statements.extend(["COMMIT".to_owned(), begin]);
            statements
        } else {
            let mut statements = vec![begin];
            statements.extend(self.nothing_left_behind());
            statements.extend(self.settings(Scope::Transaction));
            statements
        }
    }

    /// Everything but `DISCARD ALL`, which would release the lock, then our own settings.
    pub(super) fn clean_session(&self) -> Vec<String> {
        let mut statements = reset();
        statements.extend(["DEALLOCATE ALL", "DISCARD PLANS"].map(str::to_owned));
        statements.extend(self.settings(Scope::Session));
        statements
    }

    /// What gives a backend back as the next one of the pool's clients wants to find it. Prepared
    /// statements stay: those of the protocol are the pooler's, which counts on them.
    pub(super) fn nothing_left_behind(&self) -> Vec<String> {
        let Some(application) = self.of_each_transaction() else { return Vec::new() };
        let mut statements = reset();
        // A pooler takes these for what its client wants, and sets them for each.
        statements.extend([
            "SET client_encoding = 'UTF8'".to_owned(),
            format!("SET application_name = {}", literal(application)),
            // Nobody can count on a session's lock here, and a file may have taken one.
            "SELECT pg_catalog.pg_advisory_unlock_all()".to_owned(),
        ]);
        statements
    }

    fn of_each_transaction(&self) -> Option<&'a str> {
        match self.carrier {
            Carrier::Session { of_each_transaction, .. } => of_each_transaction,
            #[cfg(feature = "author")]
            Carrier::Script => None,
        }
    }

    fn settings(&self, scope: Scope) -> Vec<String> {
        let lock_timeout = milliseconds(self.lock_timeout);
        let settings = [
            (0, "client_encoding", "'UTF8'"),
            (0, "lock_timeout", lock_timeout.as_str()),
            (0, "statement_timeout", "0"),
            (0, "idle_in_transaction_session_timeout", "0"),
            (14, "idle_session_timeout", "0"),
            (17, "transaction_timeout", "0"),
            (0, "default_transaction_isolation", "'read committed'"),
            (0, "default_transaction_read_only", "off"),
            (0, "default_transaction_deferrable", "off"),
            (0, "standard_conforming_strings", "on"),
            (0, "row_security", "on"),
            (0, "exit_on_error", "off"),
            (0, "client_min_messages", "notice"),
        ];
        let set = match scope {
            Scope::Session => "SET",
            Scope::Transaction => "SET LOCAL",
        };
        let known = |version: u32, (since, name, value): (u32, &str, &str)| {
            (version >= since).then(|| format!("{set} {name} = {value}"))
        };
        match self.carrier {
            Carrier::Session { version, watched, .. } => {
                let settings = settings.into_iter().chain(KEEPALIVES);
                let watch = format!("{set} client_connection_check_interval = '2s'");
                settings
                    .filter_map(|it| known(version, it))
                    .chain(watched.then_some(watch))
                    .collect()
            }
            // The client is not ours, and the server may be any.
            #[cfg(feature = "author")]
            Carrier::Script => settings
                .into_iter()
                .map(|it| {
                    let (_, name, value) = it;
                    known(OLDEST, it).unwrap_or_else(|| set_if_known(name, value))
                })
                .collect(),
        }
    }

    /// Conditions that must hold before a job's statements: this is a primary, the lock is held, here
    /// or by this transaction, and the heads are as expected. Two sets, since the second must see
    /// what was done before the first had the lock, and a standby may lack the ledger that it asks.
    /// Safe under any search path.
    pub(super) fn guards(&self, heads: String) -> [Vec<Condition>; 2] {
        let lock = match self.of_each_transaction() {
            None => (self.key.is_held(), LOCK_GONE),
            Some(_) => (self.key.try_in_transaction(), LOCK_TAKEN),
        };
        let primary = "NOT pg_catalog.pg_is_in_recovery() AND \
             pg_catalog.current_setting('transaction_read_only') OPERATOR(pg_catalog.=) 'off'";
        [vec![(primary.to_owned(), NOT_PRIMARY), lock], vec![(heads, HEADS_MOVED)]]
    }

    pub(super) fn heads_are(&self, heads: &[RevisionId]) -> String {
        let mut heads: Vec<_> = heads.iter().map(RevisionId::as_str).collect();
        heads.sort_unstable();
        format!("{} OPERATOR(pg_catalog.=) {}", self.ledger.heads(), text_array(heads))
    }

    pub(super) fn known(&self, revision: &RevisionId) -> Result<&'a Revision, ApplyError> {
        self.graph.get(revision).ok_or_else(|| unknown(revision))
    }

    pub(super) fn entries(
        &self,
        revisions: &[RevisionId],
        origin: Origin,
        heads: &[RevisionId],
    ) -> Result<Vec<Entry<'a>>, ApplyError> {
        revisions
            .iter()
            .map(|id| self.entry(self.known(id)?, origin, heads.contains(id), false))
            .collect()
    }

    pub(super) fn entry(
        &self,
        revision: &'a Revision,
        origin: Origin,
        head: bool,
        timed: bool,
    ) -> Result<Entry<'a>, ApplyError> {
        Ok(Entry {
            revision,
            chain: self.graph.chain(revision.id()).ok_or_else(|| unknown(revision.id()))?,
            recorded: Recorded::of(revision),
            origin,
            head,
            statements_done: None,
            timed,
            application: self.application,
        })
    }
}

/// The oldest server that is supported.
#[cfg(feature = "author")]
const OLDEST: u32 = 14;

/// Sets a parameter in the session if the server has it.
#[cfg(feature = "author")]
fn set_if_known(name: &str, value: &str) -> String {
    let body = format!(
        "BEGIN PERFORM pg_catalog.set_config(s.name, {}, false) FROM pg_catalog.pg_settings s \
         WHERE s.name OPERATOR(pg_catalog.=) {}; END",
        literal(value),
        literal(name)
    );
    format!("DO {}", literal(&body))
}
