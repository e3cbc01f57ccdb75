//! Running the backup command.
//!
//! # Invariants
//! - It gets the database as libpq's variables, the password among them, and none of castoff's own
//!   secrets; its arguments are the operator's alone.
//! - It is the leader of a process group, and what asks castoff to stop is passed on to all of it.

use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal as Kernel, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing::instrument::WithSubscriber;

use super::{COMMAND, Gate, age};
use crate::database_url::DatabaseUrl;
use crate::launch::Children;
use crate::settings::{BackupCommand, Settings};
use crate::stop::{Signal, Stop};

/// How often it is said that it is still running.
const SAY_AGAIN: Duration = Duration::from_secs(10);

/// How long it may take to end when it is asked to.
const GRACE: Duration = Duration::from_secs(5);

/// How long what it has started may keep its output open when it has ended itself.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The most lines of its output that are logged: who forgets to name a file dumps into the log.
const LINES: usize = 500;

/// The longest line that is logged whole.
const LINE: usize = 2000;

/// Runs it to its end; it opens the gate if it succeeds.
pub(super) async fn run(
    command: &BackupCommand,
    database: &DatabaseUrl,
    stop: &Stop,
) -> Result<Gate, Signal> {
    let gate = |open, found| Gate { setting: COMMAND, open: Some(open), found };
    let begun = Instant::now();
    let children = Children::watch();
    let mut child = match spawn(command, database) {
        Ok(child) => child,
        Err(error) => return Ok(gate(false, format!("`{command}` cannot be started: {error}"))),
    };
    let said = Said::default();
    let readers = [
        child.stdout.take().map(|stream| said.read(stream)),
        child.stderr.take().map(|stream| said.read(stream)),
    ];
    let ended = wait(&mut child, stop, begun).await;
    for mut reader in readers.into_iter().flatten() {
        if timeout(LAST_WORDS, &mut reader).await.is_err() {
            reader.abort();
        }
    }
    drop(children);
    Ok(match ended? {
        Ok(status) if status.success() => {
            gate(true, format!("`{command}` succeeded in {}", age(begun.elapsed())))
        }
        Ok(status) => {
            gate(false, format!("`{command}` ended with {}{}", told(status), said.last()))
        }
        Err(error) => gate(false, format!("how `{command}` ended cannot be told: {error}")),
    })
}

fn spawn(command: &BackupCommand, database: &DatabaseUrl) -> std::io::Result<Child> {
    let mut child = Command::new(&command.program);
    child.args(&command.arguments);
    for name in Settings::secret_variables() {
        child.env_remove(name);
    }
    for (name, value) in database.variables() {
        match value {
            Some(value) => child.env(name, value),
            None => child.env_remove(name),
        };
    }
    child.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    child.process_group(0).kill_on_drop(true).spawn()
}

/// Waits for its end, or ends it when castoff is to stop.
async fn wait(
    child: &mut Child,
    stop: &Stop,
    begun: Instant,
) -> Result<std::io::Result<ExitStatus>, Signal> {
    let group = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
    loop {
        let signal = match stop.unless(timeout(SAY_AGAIN, child.wait())).await {
            Ok(Ok(status)) => return Ok(status),
            Ok(Err(_)) => {
                tracing::info!("The backup command has been running for {}", age(begun.elapsed()));
                continue;
            }
            Err(signal) => signal,
        };
        tracing::info!("Passing {signal} on to the backup command");
        end(group, kernel(signal));
        if timeout(GRACE, child.wait()).await.is_err() {
            tracing::warn!("The backup command does not end, and is killed");
            end(group, Kernel::KILL);
            drop(timeout(GRACE, child.wait()).await);
        }
        return Err(signal);
    }
}

fn end(group: Option<Pid>, signal: Kernel) {
    if let Some(Err(error)) = group.map(|group| kill_process_group(group, signal)) {
        tracing::debug!("the backup command has ended by itself: {error}");
    }
}

fn kernel(signal: Signal) -> Kernel {
    match signal {
        Signal::Hangup => Kernel::HUP,
        Signal::Interrupt => Kernel::INT,
        Signal::Quit => Kernel::QUIT,
        Signal::Terminate => Kernel::TERM,
    }
}

fn told(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, signal) => format!("signal {}", signal.unwrap_or_default()),
    }
}

/// What it has said.
#[derive(Clone, Default)]
struct Said(Arc<Mutex<(usize, String)>>);

impl Said {
    /// Logs the lines of a stream, each when it is complete.
    fn read(&self, stream: impl AsyncRead + Unpin + Send + 'static) -> JoinHandle<()> {
        let said = self.clone();
        tokio::spawn(async move { said.log(stream).await }.with_current_subscriber())
    }

    async fn log(self, mut stream: impl AsyncRead + Unpin) {
        let mut chunk = [0; 4096];
        let mut line = Vec::new();
        while let Ok(read @ 1..) = stream.read(&mut chunk).await {
            for byte in &chunk[..read] {
                match byte {
                    b'\n' => self.line(&std::mem::take(&mut line)),
                    _ if line.len() < LINE => line.push(*byte),
                    _ => {}
                }
            }
        }
        self.line(&line);
    }

    fn line(&self, line: &[u8]) {
        let text = String::from_utf8_lossy(line);
        let text = text.trim_end();
        if text.is_empty() {
            return;
        }
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        said.0 += 1;
        text.clone_into(&mut said.1);
        if said.0 <= LINES {
            tracing::info!("backup: {text}");
        } else if said.0 == LINES + 1 {
            tracing::warn!(
                "The backup command says more than {LINES} lines; the rest is not shown"
            );
        }
    }

    /// The last line, behind what is said of the end.
    fn last(&self) -> String {
        let said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if said.1.is_empty() { String::new() } else { format!(" after saying: {}", said.1) }
    }
}
