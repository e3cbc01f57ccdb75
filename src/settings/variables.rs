//! The environment variables that castoff reads: one table for reading, flags, help and advice.

use std::ffi::OsStr;

use crate::database_url::Parameter;
use crate::revision::nearest;

/// A variable of castoff's own.
#[derive(Debug)]
pub(crate) struct Variable {
    /// `CASTOFF_…`.
    pub(crate) name: &'static str,
    /// What its value is, for the help; empty for a secret, which is no flag, and for a switch,
    /// whose flag has no value.
    pub(crate) placeholder: &'static str,
    /// What holds without it.
    pub(crate) default: Option<&'static str>,
    /// What it does, in half a line.
    pub(crate) summary: &'static str,
}

const fn variable(
    name: &'static str,
    placeholder: &'static str,
    default: Option<&'static str>,
    summary: &'static str,
) -> Variable {
    Variable { name, placeholder, default, summary }
}

/// Every variable of castoff's own, in the order in which the help shows them.
///
/// None may begin with `CASTOFF_PORT`, `CASTOFF_HOST` or `CASTOFF_SERVICE`: Kubernetes sets those
/// for a service that is called castoff.
pub(crate) static VARIABLES: [Variable; 28] = [
    variable("CASTOFF_DATABASE_URL", "", None, "the database, as the role that owns the schema"),
    variable("CASTOFF_DATABASE_URL_FILE", "", None, "a file that holds it"),
    variable("CASTOFF_SCRATCH_URL", "", None, "the server on which castoff lock makes databases"),
    variable("CASTOFF_SCRATCH_URL_FILE", "", None, "a file that holds it"),
    variable("CASTOFF_MIGRATIONS_DIR", "DIR", None, "migrations, instead of the built-in ones"),
    variable("CASTOFF_ROLE", "ROLE", None, "act as this role, which owns the schema"),
    variable("CASTOFF_SCHEMA", "NAME", Some("castoff"), "the schema of the ledger"),
    variable("CASTOFF_ENV", "ENV", None, "development, staging or production"),
    variable("CASTOFF_MODE", "MODE", Some("run"), "run, upgrade, check, wait or skip"),
    variable(INIT, "", Some("off"), "stay as the parent of APP: an init, as tini is"),
    variable("CASTOFF_AHEAD", "start|refuse", Some("start"), "when the database is newer"),
    variable("CASTOFF_BASELINE", "REV", None, "stamp an unversioned database with this"),
    variable("CASTOFF_DRIFT", "WHAT", Some("ignore"), "or warn, refuse: compare the schema"),
    variable("CASTOFF_HAZARDS", "WHAT", Some("warn"), "or ignore, refuse (as in production)"),
    variable("CASTOFF_BACKUP_COMMAND", "COMMAND", None, "must succeed before anything is lost"),
    variable("CASTOFF_BACKUP_PATH", "PATH", None, "or a file here must be young enough"),
    variable("CASTOFF_BACKUP_ARCHIVER", "", Some("off"), "or the server must archive its WAL"),
    variable("CASTOFF_BACKUP_MAX_AGE", "TIME", Some("24h"), "how old a backup may be"),
    variable("CASTOFF_WAIT_TIMEOUT", "TIME", Some("60s"), "wait so long for the database"),
    variable("CASTOFF_SETTLE_TIMEOUT", "TIME", Some("10s"), "and so long for its role to exist"),
    variable("CASTOFF_CONNECT_TIMEOUT", "TIME", Some("5s"), "one attempt to connect"),
    variable("CASTOFF_LEADER_TIMEOUT", "TIME", Some("1h"), "wait for another's migration"),
    variable("CASTOFF_LOCK_TIMEOUT", "TIME", Some("5s"), "lock_timeout of each revision"),
    variable("CASTOFF_LOCK_DEADLINE", "TIME", Some("5m"), "try a revision again for so long"),
    variable("CASTOFF_LOG", "LEVEL", Some("info"), "error, warn, info, debug or trace"),
    variable("CASTOFF_LOG_FORMAT", "FORMAT", Some("auto"), "auto, text or json"),
    variable("CASTOFF_APPLICATION", "NAME", None, "who migrates, for the ledger"),
    variable(
        "CASTOFF_TERMINATION_LOG",
        "FILE",
        Some("/dev/termination-log"),
        "gets the reason of a failure",
    ),
];

/// The variable whose flag asks for an init.
pub(crate) const INIT: &str = "CASTOFF_INIT";

/// Variables of castoff's that other programs of the image must not see.
pub(super) static SECRET_VARIABLES: [&str; 4] = [
    "CASTOFF_DATABASE_URL",
    "CASTOFF_DATABASE_URL_FILE",
    "CASTOFF_SCRATCH_URL",
    "CASTOFF_SCRATCH_URL_FILE",
];

/// The build script's variable.
const BUILD_VARIABLE: &str = "CASTOFF_MIGRATIONS";

/// Variables that change how libpq connects, and that castoff does not read.
const UNREAD: [&str; 4] = ["PGGSSENCMODE", "PGREQUIRESSL", "PGSSLCRL", "PGSSLCRLDIR"];

impl Variable {
    /// Whether its value may be shown to nobody, and so can't be a flag.
    pub(crate) fn is_secret(&self) -> bool {
        SECRET_VARIABLES.contains(&self.name)
    }

    /// Whether its flag has no value and turns it on.
    pub(crate) fn is_switch(&self) -> bool {
        self.placeholder.is_empty() && !self.is_secret()
    }

    /// The words that its value is one of; empty if it may be another.
    #[cfg(feature = "author")]
    pub(crate) fn words(&self) -> &'static [&'static str] {
        match self.name {
            "CASTOFF_ENV" => &["development", "staging", "production"],
            "CASTOFF_MODE" => &["run", "upgrade", "check", "wait", "skip"],
            "CASTOFF_AHEAD" => &["start", "refuse"],
            "CASTOFF_DRIFT" | "CASTOFF_HAZARDS" => &["ignore", "warn", "refuse"],
            "CASTOFF_LOG" => &["error", "warn", "info", "debug", "trace"],
            "CASTOFF_LOG_FORMAT" => &["auto", "text", "json"],
            _ => &[],
        }
    }

    /// The flag that sets it, without the dashes: `wait-timeout` for `CASTOFF_WAIT_TIMEOUT`.
    pub(crate) fn flag(&self) -> String {
        flag(self.name)
    }
}

/// The flag of a variable, without the dashes.
pub(super) fn flag(name: &str) -> String {
    name.trim_start_matches("CASTOFF_").to_lowercase().replace('_', "-")
}

/// Finds castoff's name for a variable it reads, whoever's variable it is.
pub(super) fn known(name: &str) -> Option<&'static str> {
    let own = VARIABLES.iter().map(|variable| variable.name);
    let others = ["DATABASE_URL", "DATABASE_URL_FILE", "PGPASSWORD_FILE", "PGSYSCONFDIR"];
    own.chain(others)
        .chain(Parameter::all().filter_map(Parameter::variable))
        .find(|known| *known == name)
}

/// Finds a variable of libpq's that castoff doesn't read, and whose value asks for something.
pub(super) fn unread(name: &str, value: &OsStr) -> Option<&'static str> {
    let asks = name != "PGGSSENCMODE" || value == "require";
    UNREAD.into_iter().find(|unread| *unread == name && asks)
}

/// Whether an unread variable forbids what castoff would do without it: go to another server than
/// the service's, or trust one that libpq would not.
pub(super) fn is_binding(variable: &str, value: &str) -> bool {
    match variable {
        "PGREQUIRESSL" => value == "1",
        "PGGSSENCMODE" | "PGSSLCRL" | "PGSSLCRLDIR" => true,
        _ => false,
    }
}

/// The warning that a variable deserves that castoff doesn't know, if it looks like castoff's.
pub(super) fn advice(name: &str) -> Option<String> {
    let rest = name.strip_prefix("CASTOFF_")?;
    if name == BUILD_VARIABLE {
        return Some(format!(
            "{BUILD_VARIABLE} is read when castoff is built and does nothing now; \
             CASTOFF_MIGRATIONS_DIR names a folder to use instead of the built-in one"
        ));
    }
    if is_service_link(rest) {
        return None;
    }
    let known = VARIABLES.iter().map(|variable| variable.name.trim_start_matches("CASTOFF_"));
    Some(match nearest(rest, known).first() {
        Some(near) => format!("{name} is not a setting of castoff; did you mean CASTOFF_{near}?"),
        None => format!("{name} is not a setting of castoff"),
    })
}

/// Whether Kubernetes sets `CASTOFF_` and this for a service `castoff` or `castoff-…`.
fn is_service_link(rest: &str) -> bool {
    let words: Vec<&str> = rest.split('_').collect();
    words.contains(&"PORT") || words[..words.len() - 1].contains(&"SERVICE")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variables_of_kubernetes_services_are_passed_over() {
        for name in [
            "CASTOFF_PORT",
            "CASTOFF_PORT_5432_TCP",
            "CASTOFF_PORT_5432_TCP_ADDR",
            "CASTOFF_SERVICE_HOST",
            "CASTOFF_SERVICE_PORT",
            "CASTOFF_SERVICE_PORT_HTTP",
            "CASTOFF_DB_PORT",
            "CASTOFF_DB_PORT_5432_TCP_PROTO",
            "CASTOFF_DB_SERVICE_HOST",
            "CASTOFF_DB_SERVICE_PORT_POSTGRES",
            "CASTOFF_SCHEMA_SERVICE_HOST",
        ] {
            assert_eq!(advice(name), None, "{name}");
        }
    }

    #[test]
    fn another_unknown_name_is_advised_on() {
        for (name, near) in [
            ("CASTOFF_WAIT_TIMOUT", Some("CASTOFF_WAIT_TIMEOUT")),
            ("CASTOFF_DATABSE_URL", Some("CASTOFF_DATABASE_URL")),
            ("CASTOFF_LOGFORMAT", Some("CASTOFF_LOG_FORMAT")),
            ("CASTOFF_MIGRATION_DIR", Some("CASTOFF_MIGRATIONS_DIR")),
            ("CASTOFF_PORTAL", None),
            ("CASTOFF_COLOUR", None),
            ("CASTOFF_", None),
        ] {
            let advice = advice(name).unwrap();
            assert!(advice.starts_with(name), "{advice}");
            match near {
                Some(near) => {
                    assert!(advice.ends_with(&format!("did you mean {near}?")), "{advice}");
                }
                None => assert!(!advice.contains("did you mean"), "{advice}"),
            }
        }
        assert_eq!(advice("PATH"), None);
        assert!(advice("CASTOFF_MIGRATIONS").unwrap().contains("CASTOFF_MIGRATIONS_DIR"));
    }

    #[test]
    fn no_variable_is_one_that_kubernetes_sets() {
        for variable in &VARIABLES {
            let rest = variable.name.strip_prefix("CASTOFF_").unwrap();
            assert!(!is_service_link(rest) && !rest.starts_with("HOST"), "{rest}");
        }
    }
}
