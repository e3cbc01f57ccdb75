//! How long to wait before the next try: exponential with full jitter.

use std::time::Duration;

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff;

/// Endless pauses, each random between nothing and a bound that doubles from `first` to `longest`.
///
/// Full jitter spreads starts that failed together; see "Exponential Backoff And Jitter" in the
/// AWS Architecture Blog.
pub(crate) fn full_jitter(
    first: Duration,
    longest: Duration,
) -> impl Iterator<Item = Duration> + Send {
    // The crate draws between (1 - factor) and (1 + factor) times the interval.
    let mut backoff = ExponentialBackoff {
        current_interval: first / 2,
        initial_interval: first / 2,
        randomization_factor: 1.0,
        multiplier: 2.0,
        max_interval: longest / 2,
        max_elapsed_time: None,
        ..ExponentialBackoff::default()
    };
    std::iter::from_fn(move || backoff.next_backoff())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_doubles_and_stays_below_the_longest() {
        let first = Duration::from_millis(100);
        let longest = Duration::from_secs(5);
        for _ in 0..200 {
            for (n, pause) in full_jitter(first, longest).take(12).enumerate() {
                let bound = longest.min(first * (1 << n));
                assert!(pause <= bound + Duration::from_millis(1), "{pause:?} at try {n}");
            }
        }
    }

    #[test]
    fn two_starts_do_not_wait_in_step() {
        let pauses = |_| -> Vec<Duration> {
            full_jitter(Duration::from_millis(100), Duration::from_secs(5)).take(8).collect()
        };
        let starts: Vec<_> = (0..4).map(pauses).collect();
        assert!(starts.windows(2).all(|pair| pair[0] != pair[1]));
    }
}
