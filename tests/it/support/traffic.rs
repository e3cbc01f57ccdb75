//! An application at work beside a migration: clients that read and write, and one that is slow.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio_postgres::{Client, NoTls};

use super::database::Database;
use super::eventually::{SOON, eventually};

/// What the sessions of the clients are called.
const CLIENT: &str = "client";

/// The row that the slow session changes, and no client.
pub(crate) const SLOW_ROW: i64 = 500;

/// How the rows of `account` are read and written until it is stopped.
///
/// One statement after the other: a new row, an old row, and what was written last, which must be
/// there. Half of the old rows are among the first two thousand, where a migration begins.
#[derive(Debug)]
pub(crate) struct Traffic {
    thread: JoinHandle<Written>,
    running: Arc<AtomicBool>,
    statements: Arc<AtomicUsize>,
}

/// What a client wrote, and was told that it is written.
#[derive(Debug, Default)]
pub(crate) struct Written {
    rows: HashMap<i64, String>,
    /// What was refused, or read otherwise than it had been written.
    pub(crate) failures: Vec<String>,
}

/// The two kinds of clients that may be at work side by side: each has rows of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rows {
    Even,
    Odd,
}

impl Traffic {
    /// A client that writes its texts into `column`. The server logs each wait for a lock of its
    /// that is longer than `limit`.
    pub(crate) fn start(
        database: &Database,
        column: &'static str,
        rows: Rows,
        limit: Duration,
    ) -> Traffic {
        let url = database.socket_url();
        let running = Arc::new(AtomicBool::new(true));
        let statements = Arc::new(AtomicUsize::new(0));
        let (goes_on, counted) = (Arc::clone(&running), Arc::clone(&statements));
        let thread = thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let client = connect(&url, CLIENT).await;
                let limits = format!(
                    "SET log_lock_waits = on; SET deadlock_timeout = {}",
                    limit.as_millis()
                );
                client.simple_query(&limits).await.unwrap();
                let mut written = Written::default();
                let worked = work(&client, column, rows, &goes_on, &counted, &mut written).await;
                written.failures.extend(worked.err().map(|error| described(&error)));
                written
            })
        });
        let traffic = Traffic { thread, running, statements };
        traffic.goes_on();
        traffic
    }

    /// Waits until it has done some more.
    #[track_caller]
    pub(crate) fn goes_on(&self) {
        let before = self.statements.load(Ordering::Relaxed);
        eventually(SOON, || {
            let done = self.statements.load(Ordering::Relaxed) - before;
            if done > 50 || self.thread.is_finished() { Ok(()) } else { Err(done) }
        });
    }

    /// Ends it.
    pub(crate) fn stop(self) -> Written {
        self.running.store(false, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

impl Written {
    /// What is in `column` now otherwise than it was written.
    pub(crate) fn lost(&self, database: &Database, column: &str) -> Vec<String> {
        let rows = database.psql(&format!("SELECT id, {column} FROM account"));
        let rows: HashMap<i64, &str> = rows
            .lines()
            .filter_map(|row| row.split_once('|'))
            .map(|(id, text)| (id.parse().unwrap(), text))
            .collect();
        assert!(!self.rows.is_empty(), "nothing was written");
        let mut lost: Vec<String> = self
            .rows
            .iter()
            .filter(|(id, text)| rows.get(id) != Some(&text.as_str()))
            .map(|(id, text)| format!("{id}: {text:?} is {:?}", rows.get(id)))
            .collect();
        lost.sort();
        lost
    }
}

async fn work(
    client: &Client,
    column: &str,
    rows: Rows,
    goes_on: &AtomicBool,
    statements: &AtomicUsize,
    written: &mut Written,
) -> Result<(), tokio_postgres::Error> {
    let mine = i64::from(rows == Rows::Odd);
    let insert = client
        .prepare(&format!(
            "INSERT INTO account ({column}, email, amount, customer_id) VALUES ($1, $1, 7, 1) \
             RETURNING id"
        ))
        .await?;
    let update = client.prepare(&format!("UPDATE account SET {column} = $1 WHERE id = $2")).await?;
    let select = client.prepare(&format!("SELECT {column} FROM account WHERE id = $1")).await?;
    let mut chance: u64 = 0x2545_f491_4f6c_dd1d;
    let mut turn = 0_u64;
    while goes_on.load(Ordering::Relaxed) {
        turn += 1;
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let text = format!("{rows:?} {turn}");
        let id: i64 = client.query_one(&insert, &[&text]).await?.get(0);
        written.rows.insert(id, text);
        let most = if turn.is_multiple_of(2) { 1_000 } else { 100_000 };
        let old = i64::try_from((chance >> 33) % most).unwrap() * 2 + mine + 2;
        let text = format!("{rows:?} {turn} again");
        if old != SLOW_ROW && client.execute(&update, &[&text, &old]).await? == 1 {
            written.rows.insert(old, text.clone());
            let read: Option<String> = client.query_one(&select, &[&old]).await?.get(0);
            if read.as_ref() != Some(&text) {
                written.failures.push(format!("{old}: {text:?} was written, and {read:?} read"));
            }
        }
        statements.fetch_add(3, Ordering::Relaxed);
    }
    Ok(())
}

/// A session that changes a row, takes its time to commit, and soon does it again.
#[derive(Debug)]
pub(crate) struct Slow {
    thread: JoinHandle<Result<(), tokio_postgres::Error>>,
    running: Arc<AtomicBool>,
}

impl Slow {
    /// Each of its transactions takes so long, and as long it pauses between them.
    pub(crate) fn start(database: &Database, table: &str, time: Duration) -> Slow {
        let url = database.socket_url();
        let running = Arc::new(AtomicBool::new(true));
        let goes_on = Arc::clone(&running);
        let change = format!("UPDATE {table} SET id = id WHERE id = {SLOW_ROW}");
        let pause = format!("SELECT pg_sleep({})", time.as_secs_f64());
        let sql = format!("BEGIN; {change}; {pause}; COMMIT; {pause}");
        let thread = thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let client = connect(&url, "slow").await;
                while goes_on.load(Ordering::Relaxed) {
                    client.simple_query(&sql).await?;
                }
                Ok(())
            })
        });
        Slow { thread, running }
    }

    /// Ends it with its transaction; none of them may have failed.
    pub(crate) fn stop(self) {
        self.running.store(false, Ordering::Relaxed);
        self.thread.join().unwrap().unwrap();
    }
}

/// What the server logged of clients that waited longer for a lock than they may.
pub(crate) fn long_waits(database: &Database) -> Vec<String> {
    let mut log = database.server_log();
    let mark = format!(" app={CLIENT} ");
    log.retain(|line| line.contains(&mark) && line.contains("still waiting for"));
    log
}

/// What the server logged of tables that it wrote anew or read as a whole, with what it was asked to
/// do: `ATRewriteTable` says so at DEBUG1. Validating a constraint is left out, which keeps nobody out.
pub(crate) fn strong_scans(database: &Database) -> Vec<String> {
    let log = database.server_log();
    let is_scan = |line: &str| line.contains("rewriting table") || line.contains("verifying table");
    let session = |line: &str| line.split(['[', ']']).nth(1).map(str::to_owned);
    let scans = log.iter().enumerate().filter(|(_, line)| is_scan(line));
    let asked = scans.map(|(at, scan)| {
        let mut rest = log[at + 1..].iter();
        let statement = rest.find(|line| session(line) == session(scan));
        format!("{scan}\n{}", statement.map_or("", String::as_str))
    });
    asked.filter(|scan| !scan.contains("VALIDATE CONSTRAINT")).collect()
}

async fn connect(url: &str, name: &str) -> Client {
    let mut config: tokio_postgres::Config = url.parse().unwrap();
    let (client, connection) = config.application_name(name).connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

fn described(error: &tokio_postgres::Error) -> String {
    error.as_db_error().map_or_else(|| error.to_string(), ToString::to_string)
}
