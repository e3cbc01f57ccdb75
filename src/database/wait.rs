//! Waiting until a real, authenticated query answers.
//!
//! An open port says little: the server may still be starting, be a standby, know no such role
//! yet, or be the temporary server that an image's first start runs its init scripts on.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::time::{Duration, Instant};

use super::connection::{Database, Session};
use super::jitter::full_jitter;
use super::ledger::LedgerName;
use super::probe::Probe;
use super::product::look_alike;
use super::server_error::ServerError;
use crate::database_url::TargetSession;
use crate::stop::{Signal, Stop};

/// How often an unchanged reason is said again.
const SAY_AGAIN: Duration = Duration::from_secs(10);

/// A server that is only starting answers within this time; until then it is asked more often.
const A_USUAL_START: Duration = Duration::from_secs(30);

/// What time may do about a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// It may pass at any moment: a server that starts, a name that is not there yet.
    Transient,
    /// It looks final, but init scripts and operators create roles and databases late.
    Settling,
    /// Waiting does not help.
    Permanent,
}

/// Why one attempt did not give a usable session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// The server, or the way to it, gave an error.
    Error(ServerError),
    /// Nothing came back in the time that one attempt has.
    NoAnswer(Duration),
    /// The addresses of its name were not known in that time.
    NoAddress(Duration),
    /// It is a standby.
    Standby,
    /// It takes no writes.
    ReadOnly,
    /// It is another database that speaks PostgreSQL's protocol.
    LookAlike(&'static str),
    /// The role that was to be taken cannot be.
    Role {
        /// That role.
        role: String,
        /// Why.
        error: ServerError,
    },
    /// It is not of the kind that `target_session_attrs` asks for, which is this.
    Unwanted(&'static str),
    /// `target_session_attrs` asks for a server that takes no writes, and there is something to write.
    ExcludesWriting(&'static str),
}

impl Reason {
    /// What time may do about it.
    pub fn class(&self) -> Class {
        match self {
            Self::Error(error) => classify(error),
            Self::NoAnswer(_)
            | Self::NoAddress(_)
            | Self::Standby
            | Self::ReadOnly
            | Self::Unwanted(_) => Class::Transient,
            Self::Role { .. } => Class::Settling,
            Self::LookAlike(_) | Self::ExcludesWriting(_) => Class::Permanent,
        }
    }

    /// Whether the answer was about who we are and what we may do.
    pub fn is_about_access(&self) -> bool {
        match self {
            Self::Error(error) => {
                let state = error.sqlstate.as_deref().unwrap_or_default();
                state.starts_with("28")
                    || state == "42501"
                    || (state.is_empty() && !error.tls && error.message.contains("password"))
                    || error.io == Some(io::ErrorKind::PermissionDenied)
            }
            Self::Role { .. } => true,
            Self::NoAnswer(_)
            | Self::NoAddress(_)
            | Self::Standby
            | Self::ReadOnly
            | Self::LookAlike(_)
            | Self::Unwanted(_)
            | Self::ExcludesWriting(_) => false,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error(error) => error.fmt(f),
            Self::NoAnswer(limit) => write!(f, "no answer within {}", brief(*limit)),
            Self::NoAddress(limit) => {
                write!(f, "no answer within {} from a name server", brief(*limit))
            }
            Self::LookAlike(name) => write!(
                f,
                "it is {name}, whose locks and transactions are not PostgreSQL's: two starts could \
                 both migrate"
            ),
            Self::Role { role, error } => write!(f, "CASTOFF_ROLE is {role:?}: {error}"),
            Self::Standby => f.write_str("it is a standby, which takes no writes"),
            Self::ReadOnly => f.write_str("it is read-only (default_transaction_read_only is on)"),
            Self::Unwanted(wanted) => {
                write!(f, "it is not what target_session_attrs={wanted} asks for")
            }
            Self::ExcludesWriting(wanted) => {
                write!(f, "target_session_attrs={wanted} asks for a server that can't be migrated")
            }
        }
    }
}

/// Sorts an error of an attempt; PostgreSQL, appendix "Error Codes".
fn classify(error: &ServerError) -> Class {
    let Some(state) = error.sqlstate.as_deref() else {
        return match error.io {
            _ if error.tls => Class::Permanent,
            // A socket file that this user may not open.
            Some(io::ErrorKind::PermissionDenied) => Class::Settling,
            // What is asked of the system is nothing that it has.
            Some(io::ErrorKind::InvalidInput) => Class::Permanent,
            Some(_) => Class::Transient,
            None if error.message.contains("closed") || error.message.contains("timeout") => {
                Class::Transient
            }
            None => Class::Permanent,
        };
    };
    match (state.get(..2).unwrap_or_default(), state) {
        (_, "28000" | "28P01" | "3D000" | "42501") => Class::Settling,
        // PgBouncer's words for what it would not pass on, and for who has to speak TLS.
        (_, "08P01") if error.message.contains("startup parameter") => Class::Permanent,
        (_, "08P01") if error.message.starts_with("SSL required") => Class::Permanent,
        // Connection, resources, not in the right state, operators, system, internal.
        ("08" | "53" | "55" | "57" | "58" | "XX", _) | (_, "25006" | "40001" | "40P01") => {
            Class::Transient
        }
        _ => Class::Permanent,
    }
}

/// What a session must be good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// Writing: a primary that is not read-only.
    Writing,
    /// Reading: a standby will do.
    Reading,
}

/// The database was not ready in time.
#[derive(Debug)]
pub struct NotReady {
    /// How long castoff has waited.
    pub waited: Duration,
    /// The last reason of each server, by its label.
    pub reasons: Vec<(String, Reason)>,
}

impl NotReady {
    /// The most hopeful class among the servers.
    pub fn class(&self) -> Class {
        class_of(&self.reasons)
    }
}

impl fmt::Display for NotReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.class() {
            Class::Permanent => f.write_str("the database cannot be used")?,
            Class::Settling | Class::Transient => {
                write!(f, "the database was not ready within {}", seconds(self.waited))?;
            }
        }
        for (label, reason) in &self.reasons {
            write!(f, "; {label}: {reason}")?;
        }
        Ok(())
    }
}

impl std::error::Error for NotReady {}

/// How the wait ended without a session.
#[derive(Debug)]
pub(crate) enum WaitEnd {
    NotReady(NotReady),
    Stopped(Signal),
}

/// Everything the wait needs to know.
pub(crate) struct Waiting<'a> {
    pub(crate) database: &'a Database,
    pub(crate) ledger: &'a LedgerName,
    pub(crate) need: Need,
    pub(crate) wait_timeout: Duration,
    pub(crate) settle_timeout: Duration,
    pub(crate) stop: &'a Stop,
}

impl Waiting<'_> {
    /// Tries until a session is usable, the time is over, or a signal comes.
    pub(crate) async fn session(&self) -> Result<(Session, Probe), WaitEnd> {
        let start = Instant::now();
        if let Some(reasons) = self.hopeless() {
            return Err(WaitEnd::NotReady(NotReady { waited: start.elapsed(), reasons }));
        }
        let mut settling_since = None;
        let mut diary = Diary::new(start);
        let mut soon = full_jitter(Duration::from_millis(100), Duration::from_secs(1));
        let mut later = full_jitter(Duration::from_secs(1), Duration::from_secs(5));
        loop {
            let attempt = self.stop.unless(self.attempt(start)).await.map_err(WaitEnd::Stopped)?;
            let reasons = match attempt {
                Ok(found) => {
                    diary.close();
                    return Ok(found);
                }
                Err(reasons) => reasons,
            };
            let now = Instant::now();
            let deadline = match class_of(&reasons) {
                Class::Permanent => now,
                Class::Settling => {
                    let since = *settling_since.get_or_insert(now);
                    (since + self.settle_timeout).min(start + self.wait_timeout)
                }
                Class::Transient => {
                    settling_since = None;
                    start + self.wait_timeout
                }
            };
            let left = deadline.saturating_duration_since(now);
            if left.is_zero() {
                return Err(WaitEnd::NotReady(NotReady { waited: now - start, reasons }));
            }
            diary.note(&reasons, left);
            let pauses: &mut (dyn Iterator<Item = Duration> + Send) =
                if now - start < A_USUAL_START { &mut soon } else { &mut later };
            let pause = pauses.next().unwrap_or_default().min(left);
            self.stop.sleep(pause).await.map_err(WaitEnd::Stopped)?;
        }
    }

    /// Why no server can be what is needed and what is asked for.
    fn hopeless(&self) -> Option<Vec<(String, Reason)>> {
        let target = self.database.target();
        let is_hopeless = self.need == Need::Writing && target.excludes_writing();
        is_hopeless.then(|| {
            let servers = self.database.servers().into_iter();
            let reason = Reason::ExcludesWriting(target.name());
            servers.map(|server| (self.database.label(server).to_owned(), reason.clone())).collect()
        })
    }

    /// One attempt at every server, in order; each is bounded as a whole.
    async fn attempt(&self, start: Instant) -> Result<(Session, Probe), Vec<(String, Reason)>> {
        let mut reasons = Vec::new();
        let target = self.database.target();
        let mut second_best = None;
        for server in self.database.servers() {
            let left = self.wait_timeout.saturating_sub(start.elapsed());
            let limit = self.database.connect_timeout().min(left.max(Duration::from_millis(100)));
            let reason = match tokio::time::timeout(limit, self.open(server)).await {
                Ok(Ok((session, probe))) => {
                    let wanted = target.wants(probe.in_recovery, probe.read_only);
                    if wanted || self.need == Need::Writing {
                        return Ok((session, probe));
                    }
                    if target == TargetSession::PreferStandby {
                        second_best.get_or_insert((session, probe));
                        continue;
                    }
                    Reason::Unwanted(target.name())
                }
                Ok(Err(reason)) => reason,
                Err(_) if self.database.is_looked_up(server) => Reason::NoAddress(limit),
                Err(_) => Reason::NoAnswer(limit),
            };
            reasons.push((self.database.label(server).to_owned(), reason));
        }
        second_best.ok_or(reasons)
    }

    async fn open(&self, server: usize) -> Result<(Session, Probe), Reason> {
        let session = self.database.connect(server).await.map_err(Reason::Error)?;
        let probe = match Probe::run(&session, self.ledger).await {
            Ok(Probe { look_alike: Some(name), .. }) => return Err(Reason::LookAlike(name)),
            Ok(probe) => probe,
            Err(error) => return Err(explain(&session, error).await),
        };
        match self.need {
            Need::Writing if probe.in_recovery => Err(Reason::Standby),
            Need::Writing if probe.read_only => Err(Reason::ReadOnly),
            Need::Writing | Need::Reading => Ok((session, probe)),
        }
    }
}

/// What the first query failed for. A role that is not there is a wrong value to PostgreSQL; one
/// that is not ours, a lacking privilege. What is not PostgreSQL need not understand the query.
async fn explain(session: &Session, error: ServerError) -> Reason {
    if !error.is_connection_loss()
        && session.rows("ROLLBACK").await.is_ok()
        && let Ok(rows) = session.rows("SELECT version()").await
        && let Some(name) = rows.first().and_then(|row| look_alike(row.get(0)?))
    {
        return Reason::LookAlike(name);
    }
    match session.role() {
        Some(role) if error.is("22023") || error.is("42501") => {
            Reason::Role { role: role.to_owned(), error }
        }
        Some(_) | None => Reason::Error(error),
    }
}

fn class_of(reasons: &[(String, Reason)]) -> Class {
    reasons.iter().map(|(_, reason)| reason.class()).min().unwrap_or(Class::Permanent)
}

/// A time as it was set; what is left of another one, without what nobody wants to know.
fn brief(duration: Duration) -> String {
    let milliseconds = duration.as_micros().div_ceil(1000);
    format!("{:?}", Duration::from_millis(u64::try_from(milliseconds).unwrap_or(u64::MAX)))
}

pub(crate) fn seconds(duration: Duration) -> String {
    if duration < Duration::from_secs(10) {
        format!("{:.1} s", duration.as_secs_f64())
    } else {
        format!("{} s", duration.as_secs())
    }
}

/// What the log says of the wait: each new reason once, and every 10 s the last one.
struct Diary {
    start: Instant,
    said: BTreeSet<String>,
    last: Instant,
}

impl Diary {
    fn new(start: Instant) -> Self {
        Self { start, said: BTreeSet::new(), last: start }
    }

    fn note(&mut self, reasons: &[(String, Reason)], left: Duration) {
        let text: Vec<_> =
            reasons.iter().map(|(label, reason)| format!("{label}: {reason}")).collect();
        let text = text.join("; ");
        if self.said.contains(&text) && self.last.elapsed() < SAY_AGAIN {
            return;
        }
        self.last = Instant::now();
        tracing::info!("Waiting for the database, {} left: {text}", seconds(left));
        self.said.insert(text);
    }

    fn close(&self) {
        if !self.said.is_empty() {
            tracing::info!("The database is ready after {}", seconds(self.start.elapsed()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(sqlstate: &str) -> ServerError {
        ServerError { sqlstate: Some(sqlstate.to_owned()), ..ServerError::local("") }
    }

    #[test]
    fn each_sqlstate_has_its_class() {
        let table = [
            ("57P03", Class::Transient),
            ("57P01", Class::Transient),
            ("57P02", Class::Transient),
            ("53300", Class::Transient),
            ("08006", Class::Transient),
            ("08P01", Class::Transient),
            ("25006", Class::Transient),
            ("XX000", Class::Transient),
            ("28P01", Class::Settling),
            ("28000", Class::Settling),
            ("3D000", Class::Settling),
            ("42501", Class::Settling),
            ("22023", Class::Permanent),
            ("42704", Class::Permanent),
            ("0A000", Class::Permanent),
        ];
        for (sqlstate, class) in table {
            assert_eq!(classify(&server(sqlstate)), class, "{sqlstate}");
        }
    }

    #[test]
    fn each_failure_of_the_network_has_its_class() {
        let table = [
            (Some(io::ErrorKind::ConnectionRefused), "", Class::Transient),
            (Some(io::ErrorKind::ConnectionReset), "", Class::Transient),
            (Some(io::ErrorKind::NotFound), "no socket file", Class::Transient),
            (Some(io::ErrorKind::Other), "failed to lookup address information", Class::Transient),
            (Some(io::ErrorKind::PermissionDenied), "", Class::Settling),
            (Some(io::ErrorKind::InvalidInput), "", Class::Permanent),
            (None, "connection closed", Class::Transient),
            (None, "invalid configuration: password missing", Class::Permanent),
        ];
        for (io, message, class) in table {
            let error = ServerError { io, ..ServerError::local(message) };
            assert_eq!(classify(&error), class, "{io:?} {message}");
        }
    }

    #[test]
    fn one_hopeful_server_is_enough_to_go_on() {
        let refused = Reason::Error(server("28P01"));
        let reasons = vec![("a".to_owned(), refused), ("b".to_owned(), Reason::Standby)];
        assert_eq!(class_of(&reasons), Class::Transient);
    }
}
