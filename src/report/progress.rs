//! How far work has come that goes on for a while.

use std::cell::Cell;
use std::io::{self, Write};
use std::time::{Duration, Instant};

/// How far some work has come: a bar on a terminal, elsewhere a line now and then.
pub(crate) struct Progress {
    steps: usize,
    is_bar: bool,
    told: Cell<Instant>,
}

impl Progress {
    pub(super) fn new(steps: usize, is_bar: bool) -> Self {
        Self { steps, is_bar, told: Cell::new(Instant::now()) }
    }

    /// So many steps are done, and this is the next.
    pub(crate) fn show(&self, done: usize, next: &str) {
        const WIDTH: usize = 30;
        const SILENCE: Duration = Duration::from_secs(10);
        let steps = self.steps;
        if self.is_bar {
            let bar = "#".repeat(WIDTH * done / steps.max(1));
            drop(write!(io::stderr().lock(), "\r\x1b[K[{bar:<WIDTH$}] {done}/{steps} {next}"));
        } else if self.told.get().elapsed() >= SILENCE {
            self.told.set(Instant::now());
            tracing::info!("{done} of {steps} revisions are done; the next is {next}");
        }
    }

    /// Leaves an empty line behind.
    pub(crate) fn clear(&self) {
        if self.is_bar {
            drop(write!(io::stderr().lock(), "\r\x1b[K"));
        }
    }
}
