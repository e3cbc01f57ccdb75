//! Whether a session is a session of the server's, or a pooler deals its transactions out.
//!
//! A lock of a session that is not ours alone stays behind on a connection of the pool, for ever.
//! So it is never taken before two things are known, and neither needs a lock:
//!
//! 1. The key that a client cancels with. PostgreSQL puts the backend's process id into it, and
//!    what merely carries bytes (NAT, a TCP proxy, a mesh) passes it on. A pooler has keys of its own,
//!    since its clients have no backend of theirs.
//! 2. Behind a pooler, whether a session ends with its client: one more client asks something
//!    harmless and leaves. In session mode its backend is reset or ended then, which is also what
//!    gives our lock back if we are killed. In transaction mode nothing happens to the backend.
//!
//! That two statements of an idle pool's client meet the same backend says nothing, nor that two
//! clients meet different ones: there may be several poolers behind one address.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};

use super::connection::{Database, Session};
use super::server_error::ServerError;
use crate::stop::pause;

/// How long a reset after each transaction, which proves nothing, may take.
const AFTER_ITS_ANSWER: Duration = Duration::from_millis(200);

/// How long a reset after the client's end may take.
const AFTER_ITS_END: Duration = Duration::from_secs(1);

const BETWEEN_LOOKS: Duration = Duration::from_millis(25);

/// How often it is tried on a pool so busy that somebody else has the backend at once.
const TRIES: u32 = 3;

/// Who serves a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Service {
    /// A backend of its own, from the first to the last byte.
    Direct,
    /// A pooler, which lends it one backend until it leaves.
    Session,
    /// A pooler, which may give each transaction to another backend.
    Transaction,
    /// A pooler that had no second connection to tell by.
    Unknown,
}

/// What became of a client's backend after its end.
enum Fate {
    Reset,
    Kept,
    Unclear,
    /// It had none in time.
    Never,
}

/// Whether a pooler is in between, when this backend has answered.
pub(super) async fn is_pooled(session: &Session, backend: Option<i32>) -> bool {
    backend != cancel_key(session).await
}

/// Which service a pooler gives; without a proof it is one that needs the most care.
pub(super) async fn service(
    session: &Session,
    database: &Database,
) -> Result<Service, ServerError> {
    for _ in 0..TRIES {
        let opened = database.connect(session.server());
        let Ok(Ok(client)) = tokio::time::timeout(database.connect_timeout(), opened).await else {
            return Ok(Service::Unknown);
        };
        match fate(session, client, database.connect_timeout()).await? {
            Fate::Reset => return Ok(Service::Session),
            Fate::Kept => break,
            Fate::Never => return Ok(Service::Unknown),
            Fate::Unclear => {}
        }
    }
    Ok(Service::Transaction)
}

/// Looks from `session` at what becomes of the backend of another client that leaves.
async fn fate(session: &Session, client: Session, patience: Duration) -> Result<Fate, ServerError> {
    let mark = format!("castoff {:016x}", RandomState::new().build_hasher().finish());
    // A pool that has no backend to spare lets its client wait.
    let asked = tokio::time::timeout(patience, backend(&client, &mark)).await;
    let Ok(Ok(Some(pid))) = asked else { return Ok(Fate::Never) };
    pause(AFTER_ITS_ANSWER).await;
    // Already another statement: the backend was not the client's, if not even ours.
    if last_statement(session, pid).await?.is_none_or(|statement| !statement.contains(&mark)) {
        return Ok(Fate::Kept);
    }
    client.close().await;
    let left = Instant::now();
    while left.elapsed() < AFTER_ITS_END {
        match last_statement(session, pid).await? {
            Some(statement) if statement.contains(&mark) => pause(BETWEEN_LOOKS).await,
            Some(statement) if statement.to_lowercase().contains("discard all") => {
                return Ok(Fate::Reset);
            }
            None => return Ok(Fate::Reset),
            Some(_) => return Ok(Fate::Unclear),
        }
    }
    Ok(Fate::Kept)
}

/// The backend that answers, asked with a remark that others can see.
async fn backend(session: &Session, remark: &str) -> Result<Option<i32>, ServerError> {
    let rows = session.rows(&format!("SELECT pg_catalog.pg_backend_pid() /* {remark} */")).await?;
    Ok(rows.first().and_then(|row| row.get(0)?.parse().ok()))
}

/// What a backend was last asked; nothing if it is gone.
async fn last_statement(session: &Session, pid: i32) -> Result<Option<String>, ServerError> {
    let rows = session
        .rows(&format!(
            "SELECT a.query FROM pg_catalog.pg_stat_activity a \
             WHERE a.pid OPERATOR(pg_catalog.=) {pid}"
        ))
        .await?;
    Ok(rows.first().map(|row| row.get(0).unwrap_or_default().to_owned()))
}

/// The process id in the key with which this client would cancel a statement: the library shows it
/// to the server alone, in the last sixteen bytes of a request.
async fn cancel_key(session: &Session) -> Option<i32> {
    let mut written = Vec::new();
    let request = session.client().cancel_token();
    request.cancel_query_raw(Tape(&mut written), Unchanged).await.ok()?;
    let request = written.last_chunk::<16>()?;
    let (_, key) = request.split_first_chunk::<8>()?;
    key.first_chunk().map(|pid| i32::from_be_bytes(*pid))
}

/// Keeps what is written; to the question whether it speaks TLS, it says yes.
struct Tape<'a>(&'a mut Vec<u8>);

impl AsyncRead for Tape<'_> {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        buffer.put_slice(b"S");
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Tape<'_> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.0.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl TlsStream for Tape<'_> {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

/// No encryption where nothing leaves this process.
struct Unchanged;

impl<'a> TlsConnect<Tape<'a>> for Unchanged {
    type Stream = Tape<'a>;
    type Error = io::Error;
    type Future = std::future::Ready<io::Result<Tape<'a>>>;

    fn connect(self, tape: Tape<'a>) -> Self::Future {
        std::future::ready(Ok(tape))
    }
}
