//! Waiting for something to become true, with a deadline that fails showing the last state.

use std::fmt::Debug;
use std::thread;
use std::time::{Duration, Instant};

/// Long enough for anything that happens at once, on a busy machine too.
pub(crate) const SOON: Duration = Duration::from_secs(15);

const INTERVAL: Duration = Duration::from_millis(5);

/// What one look saw: the thing looked for, or a state to show when time is up.
pub(crate) trait Sight {
    /// What is returned when it is there.
    type Found;

    /// The thing looked for, or the state in its place.
    fn found(self) -> Result<Self::Found, String>;
}

impl<T, E: Debug> Sight for Result<T, E> {
    type Found = T;

    fn found(self) -> Result<T, String> {
        self.map_err(|state| format!("{state:?}"))
    }
}

impl<T> Sight for Option<T> {
    type Found = T;

    fn found(self) -> Result<T, String> {
        self.ok_or_else(|| "nothing".to_owned())
    }
}

impl Sight for bool {
    type Found = ();

    fn found(self) -> Result<(), String> {
        if self { Ok(()) } else { Err("false".to_owned()) }
    }
}

/// Looks until the thing is there, and fails with the last state when it isn't after `deadline`.
#[track_caller]
pub(crate) fn eventually<S: Sight>(deadline: Duration, mut look: impl FnMut() -> S) -> S::Found {
    within(deadline, &mut look)
        .unwrap_or_else(|state| panic!("not within {deadline:?}; the last state was: {state}"))
}

/// The same without failing: `Err` is the last state.
pub(crate) fn within<S: Sight>(
    deadline: Duration,
    mut look: impl FnMut() -> S,
) -> Result<S::Found, String> {
    let started = Instant::now();
    loop {
        match look().found() {
            Ok(found) => return Ok(found),
            Err(state) if started.elapsed() >= deadline => return Err(state),
            Err(_) => pause(INTERVAL),
        }
    }
}

/// The only sleep of the tests: between two looks.
#[expect(clippy::disallowed_methods, reason = "no signal has to end a test's pause")]
pub(super) fn pause(interval: Duration) {
    thread::sleep(interval);
}
