//! The shell around PostgreSQL: connect, wait, read, lock, apply, observe.
//!
//! Every statement here is sent by the simple protocol, so that a whole step is one message and
//! one round trip, and every name in it is qualified: the search path is the user's.

mod apply;
mod archiver;
mod cancel;
mod catalogue;
mod connection;
mod jitter;
mod ledger;
mod lock;
mod login;
mod observe;
mod occupied;
mod pooler;
mod probe;
mod product;
mod quote;
mod reach;
mod read;
mod server_error;
mod survey;
mod tls;
mod wait;

pub(crate) use apply::Applier;
pub use apply::{ApplyError, Failure, Kept, Lack, Place};
#[cfg(feature = "author")]
pub(crate) use apply::{Part, Rehearsal, Unavailable, parts, script};
pub(crate) use archiver::{Archiver, archiver};
pub(crate) use catalogue::read_schema;
pub(crate) use connection::{Database, Session};
pub(crate) use jitter::full_jitter;
pub(crate) use ledger::LedgerName;
pub(crate) use lock::{Attempt, MigrationLock};
pub use observe::Blocker;
pub(crate) use occupied::occupied;
pub(crate) use probe::Probe;
#[cfg(feature = "author")]
pub(crate) use quote::{identifier, literal};
pub use read::ReadError;
pub(crate) use read::{Reading, read_state};
pub use server_error::ServerError;
pub(crate) use survey::{Run, Survey, survey};
pub use wait::{Class, NotReady, Reason};
pub(crate) use wait::{Need, WaitEnd, Waiting};
