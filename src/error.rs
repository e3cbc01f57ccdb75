//! Everything that can end a command, by the phase it ends in.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

#[cfg(feature = "author")]
use crate::author::AuthorError;
use crate::backup::NoBackup;
use crate::bundle::BundleError;
use crate::cli::UsageError;
use crate::database::{ApplyError, Class, NotReady, ReadError, Reason};
use crate::launch::AppError;
use crate::plan::Refusal;
use crate::revision::{FolderErrors, InvalidTarget, RevisionId, TargetError};
use crate::schema::InvalidLock;
use crate::settings::SettingsError;
use crate::stop::Signal;

/// Why a command did not do what it was asked to.
#[derive(Debug)]
pub enum Error {
    /// The command line is wrong.
    Usage(UsageError),
    /// The settings are wrong.
    Settings(SettingsError),
    /// The migration folder cannot be read.
    UnreadableFolder {
        /// The folder or the file in it.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The migration folder is broken.
    Folder(FolderErrors),
    /// The folder's `castoff.lock` is broken.
    Lock(InvalidLock),
    /// The folder has no `castoff.lock`.
    NoLock,
    /// The database is at revisions whose schema only a later image knows.
    UnknownSchema {
        /// Those revisions.
        later: Vec<RevisionId>,
    },
    /// The database is in the middle of a revision, whose schema then is nobody's.
    HalfWay {
        /// That revision.
        revision: RevisionId,
    },
    /// The program's bundle cannot be read or made.
    Bundle(BundleError),
    /// Nobody has given this program any migrations.
    NoMigrations,
    /// The application cannot be started.
    App(AppError),
    /// The operating system does not let us handle signals.
    Signals(io::Error),
    /// The database was not ready in time.
    NotReady(NotReady),
    /// The database's state cannot be read.
    Read(ReadError),
    /// The decision is to do nothing.
    Refused(Box<Refusal>),
    /// Something would be taken away, and no backup gate is open.
    NoBackup(Box<NoBackup>),
    /// The plan was not applied to its end.
    Apply(ApplyError),
    /// Another start has been migrating for too long.
    LeaderTimeout {
        /// How long.
        waited: Duration,
        /// Who.
        holder: String,
    },
    /// The connection was lost, or something like it, again and again.
    GaveUp {
        /// How often.
        times: u32,
        /// The last reason.
        source: Box<Error>,
    },
    /// The database did not get to a revision in time.
    NotThere {
        /// The revision.
        revision: String,
        /// The database's heads.
        current: Vec<String>,
        /// How long.
        waited: Duration,
    },
    /// The target of a command is not written as one.
    InvalidTarget(InvalidTarget),
    /// The target of a command is not in this image.
    Target(TargetError),
    /// Standard output cannot be written to.
    Output(io::Error),
    /// What the author of revisions asked for cannot be had.
    #[cfg(feature = "author")]
    Author(Box<AuthorError>),
    /// A signal came.
    Stopped(Signal),
}

impl Error {
    /// The exit code: sysexits.h's, a shell's for the app's sake, or 128 and a signal's number.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::InvalidTarget(_) | Self::Target(_) => 64,
            Self::UnreadableFolder { .. } | Self::Folder(_) | Self::Lock(_) | Self::NoLock => 65,
            Self::UnknownSchema { .. } | Self::HalfWay { .. } => 76,
            Self::NotReady(not_ready) => not_ready_code(not_ready),
            Self::NotThere { .. } => 69,
            Self::Signals(_) | Self::Output(_) => 70,
            Self::LeaderTimeout { .. } | Self::GaveUp { .. } => 75,
            Self::Read(error) => match error {
                error if error.is_transient() => 75,
                ReadError::Server(error) if error.is("42501") => 77,
                ReadError::Server(_) | ReadError::NoAnswer(_) | ReadError::Changing => 70,
                ReadError::NoAccess { .. } => 77,
                ReadError::NewerLedger { .. } | ReadError::NotALedger { .. } => 76,
                ReadError::Corrupt { .. } => 65,
                ReadError::StatementPooling => 78,
            },
            Self::Refused(refusal) => refusal.exit_code(),
            Self::NoBackup(_) => 76,
            Self::Apply(error) => error.exit_code(),
            Self::Settings(_) | Self::NoMigrations => 78,
            Self::Bundle(error) => error.exit_code(),
            Self::App(error) => error.exit_code(),
            #[cfg(feature = "author")]
            Self::Author(error) => error.exit_code(),
            Self::Stopped(signal) => 128 + signal.number(),
        }
    }

    /// What to do about it; `None` where no advice is right every time.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Usage(error) => error.hint(),
            Self::Settings(error) => error.hint(),
            Self::Folder(errors) => errors.hint(),
            Self::NoLock => Some("`castoff lock` writes it".to_owned()),
            Self::Lock(_) => Some("write it anew with `castoff lock`".to_owned()),
            Self::UnknownSchema { .. } => {
                Some("ask the image that the database was upgraded by".to_owned())
            }
            Self::HalfWay { .. } => Some("let a start finish it".to_owned()),
            Self::Bundle(error) => error.hint(),
            Self::NoMigrations => Some(
                "put them in with `castoff bundle --migrations DIR --output FILE`, or name a \
                 folder with CASTOFF_MIGRATIONS_DIR"
                    .to_owned(),
            ),
            Self::App(error) => error.hint(),
            Self::NotReady(not_ready) => not_ready_hint(not_ready),
            Self::Read(error) => error.hint(),
            Self::Refused(refusal) => refusal.hint(),
            Self::NoBackup(_) => Some(NoBackup::hint()),
            Self::Apply(error) => error.hint(),
            Self::LeaderTimeout { .. } => Some(
                "look at what that session is doing; CASTOFF_LEADER_TIMEOUT is how long a start \
                 waits for another"
                    .to_owned(),
            ),
            Self::NotThere { .. } => Some(
                "the migration has not come that far; CASTOFF_WAIT_TIMEOUT is how long to wait \
                 for it"
                    .to_owned(),
            ),
            Self::GaveUp { source, .. } => source.hint(),
            #[cfg(feature = "author")]
            Self::Author(error) => error.hint(),
            Self::UnreadableFolder { .. }
            | Self::Signals(_)
            | Self::InvalidTarget(_)
            | Self::Target(_)
            | Self::Output(_)
            | Self::Stopped(_) => None,
        }
    }
}

fn not_ready_code(not_ready: &NotReady) -> u8 {
    match not_ready.class() {
        Class::Transient => 69,
        Class::Settling | Class::Permanent => {
            if not_ready.reasons.iter().any(|(_, reason)| reason.is_about_access()) {
                77
            } else {
                78
            }
        }
    }
}

fn role_to_take(not_ready: &NotReady) -> Option<&str> {
    not_ready.reasons.iter().find_map(|(_, reason)| match reason {
        Reason::Role { role, .. } => Some(role.as_str()),
        Reason::Error(_)
        | Reason::NoAnswer(_)
        | Reason::NoAddress(_)
        | Reason::Standby
        | Reason::ReadOnly
        | Reason::LookAlike(_)
        | Reason::Unwanted(_)
        | Reason::ExcludesWriting(_) => None,
    })
}

fn not_ready_hint(not_ready: &NotReady) -> Option<String> {
    match not_ready_code(not_ready) {
        69 => Some(
            "start the database, or wait longer with CASTOFF_WAIT_TIMEOUT if it needs the time"
                .to_owned(),
        ),
        77 if let Some(role) = role_to_take(not_ready) => Some(format!(
            "as a superuser: CREATE ROLE {role:?} if it is not there, and GRANT {role:?} TO the role \
             that logs in"
        )),
        77 => Some(
            "check the role, its password and its privileges; CASTOFF_SETTLE_TIMEOUT is how long \
             castoff waits for them to be set up"
                .to_owned(),
        ),
        // Of a permanent reason the one who gave it may know what to do.
        _ => not_ready.reasons.iter().find_map(|(_, reason)| match reason {
            Reason::Error(error) | Reason::Role { error, .. } => error.hint.clone(),
            Reason::NoAnswer(_)
            | Reason::NoAddress(_)
            | Reason::Standby
            | Reason::ReadOnly
            | Reason::LookAlike(_)
            | Reason::Unwanted(_) => None,
            Reason::ExcludesWriting(_) => Some(
                "use target_session_attrs=read-write, primary or any; an application that only \
                 reads starts with CASTOFF_MODE=wait, when another start has migrated"
                    .to_owned(),
            ),
        }),
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(error) => error.fmt(f),
            Self::Settings(error) => error.fmt(f),
            Self::UnreadableFolder { path, .. } => {
                write!(f, "cannot read the migration folder: {}", path.display())
            }
            Self::Folder(errors) => write!(f, "the migration folder is broken\n{errors}"),
            Self::Lock(error) => error.fmt(f),
            Self::NoLock => f.write_str(
                "nothing is known of what the revisions do to the schema: there is no castoff.lock",
            ),
            Self::UnknownSchema { later } => write!(
                f,
                "what the schema of {} is cannot be said: this image does not contain it",
                later.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
            ),
            Self::HalfWay { revision } => write!(
                f,
                "{revision} stopped half-way, so that the schema is not that of any revision"
            ),
            Self::Bundle(error) => error.fmt(f),
            Self::NoMigrations => f.write_str("this castoff has no migrations in it"),
            Self::App(error) => error.fmt(f),
            Self::Signals(_) => f.write_str("cannot handle signals"),
            Self::NotReady(error) => error.fmt(f),
            Self::Read(error) => error.fmt(f),
            Self::Refused(refusal) => refusal.fmt(f),
            Self::NoBackup(error) => error.fmt(f),
            Self::Apply(error) => error.fmt(f),
            Self::LeaderTimeout { waited, holder } => write!(
                f,
                "another start ({holder}) still holds the migration lock after {} s",
                waited.as_secs()
            ),
            Self::GaveUp { times, .. } => write!(f, "gave up after {times} tries"),
            Self::NotThere { revision, current, waited } => write!(
                f,
                "the database did not reach {revision} within {} s; it is at {}",
                waited.as_secs(),
                if current.is_empty() { "no revision".to_owned() } else { current.join(", ") }
            ),
            Self::InvalidTarget(error) => error.fmt(f),
            Self::Target(error) => error.fmt(f),
            Self::Output(_) => f.write_str("cannot write to standard output"),
            #[cfg(feature = "author")]
            Self::Author(error) => error.fmt(f),
            Self::Stopped(signal) => write!(f, "stopped by {signal}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Usage(error) => error.source(),
            Self::Settings(error) => error.source(),
            Self::Bundle(error) => error.source(),
            Self::App(error) => error.source(),
            Self::UnreadableFolder { source, .. }
            | Self::Signals(source)
            | Self::Output(source) => Some(source),
            Self::Read(error) => error.source(),
            Self::Refused(error) => error.source(),
            Self::Apply(error) => error.source(),
            Self::GaveUp { source, .. } => Some(source),
            #[cfg(feature = "author")]
            Self::Author(error) => error.source(),
            Self::Folder(_)
            | Self::Lock(_)
            | Self::NoLock
            | Self::UnknownSchema { .. }
            | Self::HalfWay { .. }
            | Self::NoMigrations
            | Self::NotReady(_)
            | Self::NoBackup(_)
            | Self::LeaderTimeout { .. }
            | Self::NotThere { .. }
            | Self::InvalidTarget(_)
            | Self::Target(_)
            | Self::Stopped(_) => None,
        }
    }
}

macro_rules! from {
    ($($source:ty => $variant:ident),+ $(,)?) => {
        $(impl From<$source> for Error {
            fn from(source: $source) -> Self {
                Self::$variant(source)
            }
        })+
    };
}

from! {
    UsageError => Usage,
    SettingsError => Settings,
    FolderErrors => Folder,
    InvalidLock => Lock,
    BundleError => Bundle,
    AppError => App,
    NotReady => NotReady,
    ReadError => Read,
    ApplyError => Apply,
    InvalidTarget => InvalidTarget,
    TargetError => Target,
    Signal => Stopped,
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}
