//! One session with a server, and the servers that it can be had from.
//!
//! # Invariants
//! - Every attempt is bounded from outside: tokio-postgres' own timeout covers the socket alone.
//! - A session that takes the lock was never in the pool: deadpool's recycling would hand the
//!   lock, and whatever a migration left in the session, to the next user. The pool serves the
//!   observer, which holds nothing.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use deadpool_postgres::{Connect, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use tokio::task::JoinHandle;
use tokio_postgres::{
    AsyncMessage, Client, Config, Connection, SimpleQueryMessage, SimpleQueryRow,
};
use tracing::instrument::WithSubscriber;

use super::cancel::cancel;
use super::login::Watched;
use super::reach::{Destination, Socket, shuffle};
use super::server_error::ServerError;
use super::tls::{self, Connected, Way};
use crate::database_url::{DatabaseUrl, TargetSession};

/// How long a goodbye may take before the socket is simply dropped.
const GOODBYE: Duration = Duration::from_millis(300);

/// The servers of one database URL.
#[derive(Debug)]
pub(crate) struct Database {
    servers: Vec<Destination>,
    connect_timeout: Duration,
    /// The role that every transaction takes.
    role: Option<String>,
    /// The servers that turned out to be poolers which deal out transactions.
    dealers: Mutex<BTreeSet<usize>>,
    target: TargetSession,
    is_shuffled: bool,
}

impl Database {
    pub(crate) fn new(url: &DatabaseUrl, connect_timeout: Duration) -> Self {
        Self {
            servers: url.servers().map(Destination::new).collect(),
            connect_timeout,
            role: None,
            dealers: Mutex::default(),
            target: url.target(),
            is_shuffled: url.is_shuffled(),
        }
    }

    /// The same, whose sessions do everything as another role than the one that logs in.
    pub(crate) fn with_role(self, role: Option<String>) -> Self {
        Self { role, ..self }
    }

    /// The servers, in the order in which to try them now.
    pub(crate) fn servers(&self) -> Vec<usize> {
        let mut servers: Vec<usize> = (0..self.servers.len()).collect();
        if self.is_shuffled {
            shuffle(&mut servers);
        }
        servers
    }

    /// Which of them a session that only reads is wanted on.
    pub(crate) fn target(&self) -> TargetSession {
        self.target
    }

    /// How messages name a server.
    pub(crate) fn label(&self, server: usize) -> &str {
        &self.servers[server].server.label
    }

    /// Whether an attempt at a server that was given up waits for the addresses of its name.
    pub(super) fn is_looked_up(&self, server: usize) -> bool {
        self.servers[server].is_looked_up()
    }

    /// The longest that one attempt may take.
    pub(crate) fn connect_timeout(&self) -> Duration {
        self.connect_timeout
    }

    /// Whether a server is known to give each transaction to another backend.
    pub(super) fn deals_out_transactions(&self, server: usize) -> bool {
        self.dealers.lock().unwrap_or_else(PoisonError::into_inner).contains(&server)
    }

    pub(super) fn note_that_transactions_are_dealt_out(&self, server: usize) {
        self.dealers.lock().unwrap_or_else(PoisonError::into_inner).insert(server);
    }

    /// Opens a session; its notices go to the log.
    pub(crate) async fn connect(&self, server: usize) -> Result<Session, ServerError> {
        let begun = Instant::now();
        let (client, driver) = open(&self.servers[server], Notices::Log).await?;
        let session = Session { client, driver, server, role: self.role.clone(), begun };
        if !session.driver.reads_standard_strings {
            session.rows("SET standard_conforming_strings = on").await?;
        }
        Ok(session)
    }

    /// A pool of one connection to the same server, for looking at the others.
    pub(crate) fn observer(&self, server: usize) -> Option<Pool> {
        let manager = Manager::from_connect(
            self.servers[server].server.config.clone(),
            Observe(self.servers[server].clone()),
            ManagerConfig { recycling_method: RecyclingMethod::Fast },
        );
        Pool::builder(manager)
            .max_size(1)
            .runtime(Runtime::Tokio1)
            .create_timeout(Some(self.connect_timeout))
            .wait_timeout(Some(self.connect_timeout))
            .build()
            .ok()
    }
}

/// An open connection.
#[derive(Debug)]
pub(crate) struct Session {
    client: Client,
    driver: Box<Driver>,
    server: usize,
    role: Option<String>,
    begun: Instant,
}

impl Session {
    /// When the server was asked for it.
    pub(crate) fn begun(&self) -> Instant {
        self.begun
    }

    /// The server it is open to.
    pub(crate) fn server(&self) -> usize {
        self.server
    }

    /// The role that every transaction is to take, if it is not the one that logged in.
    pub(crate) fn role(&self) -> Option<&str> {
        self.role.as_deref()
    }

    /// The server's major version; 0 if it did not say.
    pub(crate) fn major_version(&self) -> u32 {
        self.driver.major_version
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// Sends `sql` as one message and gives the rows of all its statements.
    pub(crate) async fn rows(&self, sql: &str) -> Result<Vec<SimpleQueryRow>, ServerError> {
        let messages = self.client.simple_query(sql).await.map_err(|error| self.explain(error))?;
        Ok(messages
            .into_iter()
            .filter_map(|message| match message {
                SimpleQueryMessage::Row(row) => Some(row),
                SimpleQueryMessage::CommandComplete(_)
                | SimpleQueryMessage::RowDescription(_)
                | _ => None,
            })
            .collect())
    }

    /// The error, or what ended the connection if it only says that it is closed.
    pub(super) fn explain(&self, error: tokio_postgres::Error) -> ServerError {
        let reason = error.is_closed().then(|| self.driver.reason()).flatten();
        reason.unwrap_or_else(|| error.into())
    }

    /// Asks the server to end the statement that is under way, as well protected as the session is.
    pub(super) async fn cancel(&self) -> Result<(), ServerError> {
        cancel(&self.client.cancel_token(), &self.driver.way).await
    }

    /// Says goodbye and waits until the server has taken note.
    pub(crate) async fn close(self) {
        drop(self.client);
        if tokio::time::timeout(GOODBYE, self.driver.task).await.is_err() {
            tracing::debug!("the server did not take note of the goodbye in time");
        }
    }
}

/// The task that moves a connection's bytes.
#[derive(Debug)]
struct Driver {
    task: JoinHandle<()>,
    ended: Arc<Mutex<Option<ServerError>>>,
    major_version: u32,
    /// Whether a backslash in a plain string is one.
    reads_standard_strings: bool,
    way: Way,
}

impl Driver {
    fn reason(&self) -> Option<ServerError> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[derive(Debug, Clone, Copy)]
enum Notices {
    Log,
    Drop,
}

async fn open(
    destination: &Destination,
    notices: Notices,
) -> Result<(Client, Box<Driver>), ServerError> {
    let Connected { client, connection, way } = tls::connect(destination).await?;
    let ended = Arc::new(Mutex::new(None));
    let major_version = connection
        .parameter("server_version")
        .and_then(|version| version.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok())
        .unwrap_or(0);
    let reads_standard_strings = connection.parameter("standard_conforming_strings") != Some("off");
    let driver = drive(connection, notices, Arc::clone(&ended));
    // Who is not to be told what a connection does is not told the server's notices either.
    let task = tokio::spawn(driver.with_current_subscriber());
    let driver = Driver { task, ended, major_version, reads_standard_strings, way };
    Ok((client, Box::new(driver)))
}

async fn drive(
    mut connection: Connection<Socket, Watched<tls::Stream<Socket>>>,
    notices: Notices,
    ended: Arc<Mutex<Option<ServerError>>>,
) {
    loop {
        match poll_fn(|context| connection.poll_message(context)).await {
            Some(Ok(AsyncMessage::Notice(notice))) => {
                if let Notices::Log = notices {
                    log_notice(&notice);
                }
            }
            Some(Ok(_)) => {}
            Some(Err(error)) => {
                let reason = ServerError::from(error);
                *ended.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason);
                return;
            }
            None => return,
        }
    }
}

/// What ROLLBACK answers after a COMMIT that failed: the transaction is over already.
const NO_TRANSACTION: &str = "25P01";

fn log_notice(notice: &tokio_postgres::error::DbError) {
    if notice.code().code() == NO_TRANSACTION {
        return;
    }
    let detail = notice.detail().map(|detail| format!(" ({detail})")).unwrap_or_default();
    let severity = notice.severity();
    let message = notice.message();
    if severity == "WARNING" {
        tracing::warn!(sqlstate = notice.code().code(), "{severity}: {message}{detail}");
    } else {
        tracing::info!(sqlstate = notice.code().code(), "{severity}: {message}{detail}");
    }
}

/// How the pool connects: like a session, without its notices.
struct Observe(Destination);

type Connecting<'a> = Pin<
    Box<dyn Future<Output = Result<(Client, JoinHandle<()>), tokio_postgres::Error>> + Send + 'a>,
>;

impl Connect for Observe {
    fn connect(&self, _config: &Config) -> Connecting<'_> {
        Box::pin(async move {
            let connected = tls::connect(&self.0).await.map_err(|failed| failed.error)?;
            let Connected { client, connection, .. } = connected;
            let driver = tokio::spawn(drive(connection, Notices::Drop, Arc::default()));
            Ok((client, driver))
        })
    }
}
