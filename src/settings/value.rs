//! What a setting's value can be, and how it is written.

use std::time::Duration;

use serde::Serialize;

pub use crate::plan::{Ahead, Drift, Environment, Hazards};
use crate::revision::duration;

/// How much of a start happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Waits, upgrades, becomes the application.
    Run,
    /// Waits and upgrades, and ends.
    Upgrade,
    /// Waits and checks that the database is at head, and ends.
    Check,
    /// Waits until somebody has brought the database to head, and becomes the application.
    Wait,
    /// Becomes the application at once.
    Skip,
}

/// What a line of the log looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text on a terminal, JSON otherwise.
    Auto,
    /// Text for people.
    Text,
    /// One JSON object.
    Json,
}

/// The least important line that is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// What ended the start.
    Error,
    /// What someone should look at.
    Warn,
    /// What castoff does.
    Info,
    /// Why it does it.
    Debug,
    /// Everything.
    Trace,
}

/// What was expected instead of a value.
pub(super) type Expected = &'static str;

pub(super) fn drift(text: &str) -> Result<Drift, Expected> {
    match text {
        "ignore" => Ok(Drift::Ignore),
        "warn" => Ok(Drift::Warn),
        "refuse" => Ok(Drift::Refuse),
        _ => Err("ignore, warn or refuse"),
    }
}

pub(super) fn hazards(text: &str) -> Result<Hazards, Expected> {
    match text {
        "ignore" => Ok(Hazards::Ignore),
        "warn" => Ok(Hazards::Warn),
        "refuse" => Ok(Hazards::Refuse),
        _ => Err("ignore, warn or refuse"),
    }
}

pub(super) fn environment(text: &str) -> Result<Environment, Expected> {
    match text {
        "development" => Ok(Environment::Development),
        "staging" => Ok(Environment::Staging),
        "production" => Ok(Environment::Production),
        _ => Err("development, staging or production"),
    }
}

pub(super) fn ahead(text: &str) -> Result<Ahead, Expected> {
    match text {
        "start" => Ok(Ahead::Start),
        "refuse" => Ok(Ahead::Refuse),
        _ => Err("start or refuse"),
    }
}

pub(super) fn mode(text: &str) -> Result<Mode, Expected> {
    match text {
        "run" => Ok(Mode::Run),
        "upgrade" => Ok(Mode::Upgrade),
        "check" => Ok(Mode::Check),
        "wait" => Ok(Mode::Wait),
        "skip" => Ok(Mode::Skip),
        _ => Err("run, upgrade, check, wait or skip"),
    }
}

pub(super) fn switch(text: &str) -> Result<bool, Expected> {
    match text {
        "1" | "true" | "yes" | "on" => Ok(true),
        "0" | "false" | "no" | "off" => Ok(false),
        _ => Err("1 or 0, true or false, yes or no, on or off"),
    }
}

pub(super) fn log_format(text: &str) -> Result<LogFormat, Expected> {
    match text {
        "auto" => Ok(LogFormat::Auto),
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err("auto, text or json"),
    }
}

pub(super) fn level(text: &str) -> Result<Level, Expected> {
    match text {
        "error" => Ok(Level::Error),
        "warn" => Ok(Level::Warn),
        "info" => Ok(Level::Info),
        "debug" => Ok(Level::Debug),
        "trace" => Ok(Level::Trace),
        _ => Err("error, warn, info, debug or trace"),
    }
}

/// A length of time: `500ms`, `30s`, `5m`, `1h`; a bare number is seconds.
///
/// At most 24 days, which is what the server's own timeouts can hold.
pub(super) fn duration(text: &str) -> Result<Duration, Expected> {
    const EXPECTED: Expected = "a time such as 500ms, 30s, 5m or 1h, of at most 24 days";
    const LONGEST: Duration = Duration::from_hours(576);
    duration::parse(text).filter(|duration| *duration <= LONGEST).ok_or(EXPECTED)
}

/// A length of time above zero.
pub(super) fn positive_duration(text: &str) -> Result<Duration, Expected> {
    match duration(text)? {
        Duration::ZERO => Err("a time above 0, such as 5s"),
        time => Ok(time),
    }
}

/// The server's `lock_timeout`.
pub(super) fn lock_timeout(text: &str) -> Result<Duration, Expected> {
    match duration(text)? {
        Duration::ZERO => Err("above 0: a migration that waits for a lock without limit blocks \
                               every reader behind it"),
        time => Ok(time),
    }
}

/// A schema that castoff may own.
pub(super) fn schema(text: &str) -> Result<String, Expected> {
    if text.len() > 63 {
        Err("at most 63 bytes long, as every name in PostgreSQL")
    } else if text.starts_with("pg_") || text == "information_schema" {
        Err("a schema of yours: PostgreSQL keeps pg_* and information_schema for itself")
    } else if text.contains('\0') {
        Err("a name without a NUL byte")
    } else {
        Ok(text.to_owned())
    }
}

/// A role that SET ROLE takes.
pub(super) fn role(text: &str) -> Result<String, Expected> {
    if text.len() > 63 {
        Err("at most 63 bytes long, as every name in PostgreSQL")
    } else if text == "none" || text.contains('\0') {
        Err("the name of a role")
    } else {
        Ok(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_four_units_and_seconds_are_the_default() {
        for (text, milliseconds) in [
            ("0", Some(0)),
            ("30", Some(30_000)),
            ("500ms", Some(500)),
            ("30s", Some(30_000)),
            ("5m", Some(300_000)),
            ("1h", Some(3_600_000)),
            ("576h", Some(576 * 3_600_000)),
            ("577h", None),
            ("18446744073709551615h", None),
            ("18446744073709551616", None),
            ("", None),
            ("s", None),
            ("-1", None),
            ("+1", None),
            ("1.5s", None),
            ("1 s", Some(1000)),
            ("1d", None),
            ("5M", None),
            ("1m30s", None),
            ("٣s", None),
            ("infinity", None),
        ] {
            assert_eq!(duration(text).ok(), milliseconds.map(Duration::from_millis), "{text}");
        }
    }

    #[test]
    fn a_role_is_a_name_that_set_role_does_not_take_for_a_word() {
        assert_eq!(role("owner of shop"), Ok("owner of shop".to_owned()));
        assert!(role("none").is_err());
        assert!(role(&"r".repeat(64)).is_err());
    }

    #[test]
    fn a_switch_is_on_or_off_in_four_ways() {
        for (text, value) in [
            ("1", Ok(true)),
            ("true", Ok(true)),
            ("yes", Ok(true)),
            ("on", Ok(true)),
            ("0", Ok(false)),
            ("false", Ok(false)),
            ("no", Ok(false)),
            ("off", Ok(false)),
        ] {
            assert_eq!(switch(text), value, "{text}");
        }
        for text in ["", "2", "ON", "True", "y", "enabled", " 1"] {
            assert!(switch(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_schema_is_any_name_that_postgresql_leaves_to_us() {
        let longest = "s".repeat(63);
        let too_long = "s".repeat(64);
        for (name, allowed) in [
            ("castoff", true),
            ("public", true),
            ("Mixed Case", true),
            ("quo\"ted", true),
            ("page", true),
            (longest.as_str(), true),
            (too_long.as_str(), false),
            ("pg_castoff", false),
            ("information_schema", false),
        ] {
            assert_eq!(schema(name).is_ok(), allowed, "{name}");
        }
    }

    #[test]
    fn a_zero_lock_timeout_is_refused() {
        assert!(lock_timeout("0").unwrap_err().contains("blocks every reader"));
        assert!(lock_timeout("0ms").is_err() && positive_duration("0h").is_err());
        assert_eq!(lock_timeout("1ms"), Ok(Duration::from_millis(1)));
    }
}
