//! What the server, or the way to it, said: an error whose text is the whole truth.

use std::error::Error as _;
use std::fmt;
use std::io;

use tokio_postgres::error::{DbError, ErrorPosition, Severity};

use super::tls::{self, Before, Unconnected};

/// An error of the server (with an SQLSTATE) or of the connection to it (without).
///
/// tokio-postgres prints a server's error as "db error" alone; here the source is walked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerError {
    /// The five characters, if the server spoke.
    pub sqlstate: Option<String>,
    /// The primary message.
    pub message: String,
    /// The server's DETAIL.
    pub detail: Option<String>,
    /// The server's HINT.
    pub hint: Option<String>,
    /// The server's CONTEXT: the line of a COPY, the stack of a function.
    pub context: Option<String>,
    /// Where in the text that was sent, in characters from 1.
    pub position: Option<usize>,
    /// The operating system's kind of error, if it was one.
    pub io: Option<io::ErrorKind>,
    /// Whether the server has ended the session with it.
    pub fatal: bool,
    /// Whether castoff and the server cannot agree on TLS.
    pub tls: bool,
}

impl ServerError {
    /// Whether the error has this SQLSTATE.
    pub fn is(&self, sqlstate: &str) -> bool {
        self.sqlstate.as_deref() == Some(sqlstate)
    }

    /// Whether the connection is gone, so that what was under way may or may not have happened.
    pub fn is_connection_loss(&self) -> bool {
        // The SQLSTATE does not tell: a migration may raise 08001 itself, or a foreign server's.
        self.fatal || self.sqlstate.is_none()
    }

    /// What castoff itself found amiss in the database.
    pub(super) fn finding(message: &str) -> Self {
        Self { sqlstate: Some("55000".to_owned()), ..Self::local(message) }
    }

    pub(super) fn local(message: &str) -> Self {
        Self {
            sqlstate: None,
            message: message.to_owned(),
            detail: None,
            hint: None,
            context: None,
            position: None,
            io: None,
            fatal: false,
            tls: false,
        }
    }
}

impl From<tokio_postgres::Error> for ServerError {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(db) = error.as_db_error() else {
            // The outermost text, such as "error connecting to server", says the least.
            let mut causes = Vec::new();
            let mut kind = None;
            let mut source = error.source();
            while let Some(cause) = source {
                let io = cause.downcast_ref::<io::Error>();
                if let Some(cause) = io.and_then(tls::cause) {
                    let hint = tls::hint(cause);
                    return Self { hint, tls: true, ..Self::local(&tls::explain(cause)) };
                }
                kind = kind.or_else(|| io.map(io::Error::kind));
                let text = cause.to_string();
                if causes.last() != Some(&text) {
                    causes.push(text);
                }
                source = cause.source();
            }
            if let Some(failed) = tls::failed_handshake(&error) {
                let io = failed.io_kind();
                let hint = failed.hint();
                return Self { io, hint, tls: io.is_none(), ..Self::local(&failed.to_string()) };
            }
            let message = if causes.is_empty() { error.to_string() } else { causes.join(": ") };
            return Self { io: kind, ..Self::local(&message) };
        };
        Self {
            sqlstate: Some(db.code().code().to_owned()),
            message: db.message().to_owned(),
            detail: db.detail().map(str::to_owned),
            hint: db.hint().or_else(|| pooler_hint(db)).map(str::to_owned),
            context: db.where_().map(str::to_owned),
            position: match db.position() {
                Some(ErrorPosition::Original(position)) => usize::try_from(*position).ok(),
                Some(ErrorPosition::Internal { .. }) | None => None,
            },
            io: None,
            tls: false,
            fatal: matches!(db.parsed_severity(), Some(Severity::Fatal | Severity::Panic)),
        }
    }
}

/// What to do about a refusal in PgBouncer's words, which give no hint.
fn pooler_hint(error: &DbError) -> Option<&'static str> {
    let says = |words| error.code().code() == "08P01" && error.message().starts_with(words);
    if says("unsupported startup parameter: options") {
        Some(
            "leave out options, and what stands for it in a URL (schema, search_path); or give \
             CASTOFF_DATABASE_URL the address of the server itself",
        )
    } else {
        says("SSL required").then_some("set sslmode=require")
    }
}

impl From<Unconnected> for ServerError {
    fn from(failed: Unconnected) -> Self {
        let mut error = Self::from(failed.error);
        if let Some(Before { with_tls, error: before }) = failed.before {
            let way = if with_tls { "with" } else { "without" };
            let before = Self::from(before);
            error.message = format!("{} (before, {way} TLS: {before})", error.message);
            error.hint = error.hint.or(before.hint);
        }
        error
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(sqlstate) = &self.sqlstate {
            write!(f, "{sqlstate} ")?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for ServerError {}
