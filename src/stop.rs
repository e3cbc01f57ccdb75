//! Signals as a value: what asked this process to stop, and a sleep that it ends.
//!
//! The kernel gives PID 1 no default actions, so a container's first process ignores SIGTERM
//! until it installs a handler; [`Stop::install`] therefore runs before the first await.
//!
//! # Invariants
//! - A signal that was ignored when the process started stays ignored, here and in the app.
//! - Nothing else in castoff sleeps, so that a signal ends every wait.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// A signal that asks castoff to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// The terminal went away.
    Hangup,
    /// Ctrl-C.
    Interrupt,
    /// Ctrl-\\.
    Quit,
    /// What `docker stop` and Kubernetes send.
    Terminate,
}

impl Signal {
    const ALL: [Self; 4] = [Self::Hangup, Self::Interrupt, Self::Quit, Self::Terminate];

    /// The signal's number on Linux and every other Unix.
    pub fn number(self) -> u8 {
        match self {
            Self::Hangup => 1,
            Self::Interrupt => 2,
            Self::Quit => 3,
            Self::Terminate => 15,
        }
    }

    fn from_number(number: usize) -> Option<Self> {
        Self::ALL.into_iter().find(|signal| usize::from(signal.number()) == number)
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hangup => "SIGHUP",
            Self::Interrupt => "SIGINT",
            Self::Quit => "SIGQUIT",
            Self::Terminate => "SIGTERM",
        })
    }
}

/// Whether a signal has asked this process to stop; cheap to clone.
#[derive(Debug, Clone)]
pub struct Stop {
    raised: Arc<AtomicUsize>,
    wake: watch::Receiver<()>,
}

impl Stop {
    /// Installs the handlers. Needs to run inside a tokio runtime.
    pub fn install() -> std::io::Result<Self> {
        let raised = Arc::new(AtomicUsize::new(0));
        let (waker, wake) = watch::channel(());
        let ignored = ignored_signals();
        for cause in Signal::ALL {
            let number = cause.number();
            if ignored & (1 << (number - 1)) != 0 {
                continue;
            }
            // Stored inside the handler itself, so that the last check before exec sees it.
            signal_hook::flag::register_usize(
                i32::from(number),
                Arc::clone(&raised),
                usize::from(number),
            )?;
            let mut arrivals = signal(SignalKind::from_raw(i32::from(number)))?;
            let waker = waker.clone();
            tokio::spawn(async move {
                while arrivals.recv().await.is_some() {
                    if waker.send(()).is_err() {
                        return;
                    }
                }
            });
        }
        Ok(Self { raised, wake })
    }

    /// A stop that never comes, for a library's caller that keeps its own signals.
    pub fn never() -> Self {
        let (_, wake) = watch::channel(());
        Self { raised: Arc::new(AtomicUsize::new(0)), wake }
    }

    /// The signal that came, if one has.
    pub fn signal(&self) -> Option<Signal> {
        Signal::from_number(self.raised.load(Ordering::SeqCst))
    }

    /// Waits for a signal.
    pub async fn requested(&self) -> Signal {
        let mut wake = self.wake.clone();
        loop {
            if let Some(signal) = self.signal() {
                return signal;
            }
            if wake.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Sleeps for `duration`, or until a signal comes.
    pub async fn sleep(&self, duration: Duration) -> Result<(), Signal> {
        self.unless(pause(duration)).await
    }

    /// Runs `work` until it ends or a signal comes; then `work` is dropped where it stands.
    pub async fn unless<T>(&self, work: impl Future<Output = T>) -> Result<T, Signal> {
        tokio::select! {
            biased;
            signal = self.requested() => Err(signal),
            value = work => Ok(value),
        }
    }
}

/// Sleeps for `duration` inside work that a signal already ends as a whole.
pub(crate) async fn pause(duration: Duration) {
    #[allow(clippy::disallowed_methods, reason = "the one place that sleeps")]
    tokio::time::sleep(duration).await;
}

/// The mask of signals this process was started with ignored; proc(5), `SigIgn`.
fn ignored_signals() -> u64 {
    std::fs::read_to_string("/proc/self/status")
        .ok()
        .and_then(|status| {
            let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
            u64::from_str_radix(mask.trim(), 16).ok()
        })
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_has_its_number_and_its_name() {
        let named: Vec<_> =
            Signal::ALL.iter().map(|signal| (signal.number(), signal.to_string())).collect();
        let expected = [(1, "SIGHUP"), (2, "SIGINT"), (3, "SIGQUIT"), (15, "SIGTERM")]
            .map(|(n, s)| (n, s.to_owned()));
        assert_eq!(named, expected);
    }

    #[tokio::test]
    async fn work_that_ends_first_gives_its_value() {
        assert_eq!(Stop::never().unless(async { 7 }).await, Ok(7));
    }
}
