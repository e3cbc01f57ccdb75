//! What other clients put into a URL, in PostgreSQL's words.
//!
//! A key that concerns only the client it was written for is passed over: how many connections its
//! pool has, how long it lets a query run. One that would change where castoff connects, or how the
//! way there is protected, is translated, or refused with what to write instead.

use std::borrow::Cow;

use super::error::DatabaseUrlError;
use super::parameter::{Meaning, Parameter};
use super::tls::SslMode;

/// How a URL is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// libpq's, and those of the many that follow it.
    Libpq,
    /// `jdbc:postgresql:`: a `+` is a space, and the default host is `localhost`.
    Jdbc,
    /// SQLAlchemy's `postgresql+driver:`: `host=a:1&host=b:2` names two servers.
    Driver,
}

/// What a key of another client becomes.
enum Becomes {
    /// A parameter, with the same value.
    Parameter(Parameter),
    /// A parameter, with the value that stands for the client's.
    Chosen(Parameter, &'static [(&'static str, &'static str)]),
    /// A setting of the server, with the same value.
    Setting(&'static str),
    /// A setting of the server that is a name.
    Name(&'static str),
    /// Nothing, as it concerns that client alone.
    Nothing,
    /// An error that says what to write instead.
    Refused(&'static str),
}

use Becomes::{Chosen, Name, Nothing, Refused, Setting};

const ON_OFF: &[(&str, &str)] = &[("true", "1"), ("false", "0")];
const CERTIFICATES: &str =
    "sslcert=FILE and sslkey=FILE in PEM, and sslrootcert=FILE for the server's";

/// Keys that other clients put into a URL, whose they are, and what they become.
const FOREIGN: &[(&str, &str, Becomes)] = &[
    // Prisma.
    ("schema", "Prisma", Name("search_path")),
    ("pgbouncer", "Prisma", Nothing),
    ("connection_limit", "Prisma", Nothing),
    ("pool_timeout", "Prisma", Nothing),
    ("socket_timeout", "Prisma", Nothing),
    ("statement_cache_size", "Prisma", Nothing),
    ("single_use_connections", "Prisma", Nothing),
    ("max_connection_lifetime", "Prisma", Nothing),
    ("max_idle_connection_lifetime", "Prisma", Nothing),
    ("sslidentity", "Prisma", Refused(CERTIFICATES)),
    (
        "sslaccept",
        "Prisma",
        Chosen(Parameter::Sslmode, &[("strict", "verify-full"), ("accept_invalid_certs", "")]),
    ),
    ("supa", "Supabase", Nothing),
    // JDBC.
    ("currentSchema", "JDBC", Setting("search_path")),
    ("ApplicationName", "JDBC", Becomes::Parameter(Parameter::ApplicationName)),
    ("loginTimeout", "JDBC", Becomes::Parameter(Parameter::ConnectTimeout)),
    ("connectTimeout", "JDBC", Becomes::Parameter(Parameter::ConnectTimeout)),
    ("requireAuth", "JDBC", Becomes::Parameter(Parameter::RequireAuth)),
    ("channelBinding", "JDBC", Becomes::Parameter(Parameter::ChannelBinding)),
    ("sslNegotiation", "JDBC", Becomes::Parameter(Parameter::Sslnegotiation)),
    ("tcpKeepAlive", "JDBC", Chosen(Parameter::Keepalives, ON_OFF)),
    (
        "loadBalanceHosts",
        "JDBC",
        Chosen(Parameter::LoadBalanceHosts, &[("true", "random"), ("false", "disable")]),
    ),
    (
        "targetServerType",
        "JDBC",
        Chosen(
            Parameter::TargetSessionAttrs,
            &[
                ("any", "any"),
                ("primary", "primary"),
                ("master", "primary"),
                ("preferPrimary", "any"),
                ("secondary", "standby"),
                ("slave", "standby"),
                ("preferSecondary", "prefer-standby"),
                ("preferSlave", "prefer-standby"),
            ],
        ),
    ),
    ("socketTimeout", "JDBC", Nothing),
    ("cancelSignalTimeout", "JDBC", Nothing),
    ("hostRecheckSeconds", "JDBC", Nothing),
    ("prepareThreshold", "JDBC", Nothing),
    ("preparedStatementCacheQueries", "JDBC", Nothing),
    ("preparedStatementCacheSizeMiB", "JDBC", Nothing),
    ("preferQueryMode", "JDBC", Nothing),
    ("defaultRowFetchSize", "JDBC", Nothing),
    ("reWriteBatchedInserts", "JDBC", Nothing),
    ("binaryTransfer", "JDBC", Nothing),
    ("stringtype", "JDBC", Nothing),
    ("autosave", "JDBC", Nothing),
    ("assumeMinServerVersion", "JDBC", Nothing),
    ("disableColumnSanitiser", "JDBC", Nothing),
    ("logUnclosedConnections", "JDBC", Nothing),
    ("readOnly", "JDBC", Refused("a URL without it: castoff has to write")),
    ("sslfactory", "JDBC", Refused("sslmode=verify-full and sslrootcert=FILE")),
    ("sslhostnameverifier", "JDBC", Refused("sslmode=verify-full and sslrootcert=FILE")),
    ("socketFactory", "JDBC", Refused("host=/directory for a Unix socket, or a host and a port")),
    (
        "socketFactoryArg",
        "JDBC",
        Refused("host=/directory for a Unix socket, or a host and a port"),
    ),
    ("authenticationPluginClassName", "JDBC", Refused("PGPASSWORD or PGPASSWORD_FILE")),
    // SQLAlchemy's drivers.
    ("async_fallback", "SQLAlchemy", Nothing),
    ("charset", "SQLAlchemy", Nothing),
    ("command_timeout", "asyncpg", Nothing),
    ("timeout", "asyncpg", Nothing),
    ("prepared_statement_cache_size", "asyncpg", Nothing),
    ("prepared_statement_name_func", "asyncpg", Nothing),
    ("server_settings", "asyncpg", Refused("options=-c%20NAME%3DVALUE")),
    // Rails, Django and Ecto.
    ("pool", "Rails", Nothing),
    ("encoding", "Rails", Nothing),
    ("prepared_statements", "Rails", Nothing),
    ("advisory_locks", "Rails", Nothing),
    ("checkout_timeout", "Rails", Nothing),
    ("reaping_frequency", "Rails", Nothing),
    ("schema_search_path", "Rails", Setting("search_path")),
    ("conn_max_age", "Django", Nothing),
    ("conn_health_checks", "Django", Nothing),
    ("disable_server_side_cursors", "Django", Nothing),
    ("pool_size", "Ecto", Nothing),
    // Node.
    ("uselibpqcompat", "node-postgres", Nothing),
    ("keepAlive", "node-postgres", Chosen(Parameter::Keepalives, ON_OFF)),
    ("max", "node-postgres", Nothing),
    ("query_timeout", "node-postgres", Nothing),
    ("connectionTimeoutMillis", "node-postgres", Nothing),
    ("idleTimeoutMillis", "node-postgres", Nothing),
    // Limits for the application's own statements; castoff has its own.
    ("statement_timeout", "node-postgres", Nothing),
    ("lock_timeout", "node-postgres", Nothing),
    ("idle_in_transaction_session_timeout", "node-postgres", Nothing),
    // Go.
    ("search_path", "pgx and lib/pq", Setting("search_path")),
    ("binary_parameters", "lib/pq", Nothing),
    ("krbspn", "lib/pq", Nothing),
    ("pool_max_conns", "pgx", Nothing),
    ("pool_min_conns", "pgx", Nothing),
    ("pool_max_conn_lifetime", "pgx", Nothing),
    ("pool_max_conn_lifetime_jitter", "pgx", Nothing),
    ("pool_max_conn_idle_time", "pgx", Nothing),
    ("pool_health_check_period", "pgx", Nothing),
    ("default_query_exec_mode", "pgx", Nothing),
    ("statement_cache_capacity", "pgx", Nothing),
    ("description_cache_capacity", "pgx", Nothing),
    // sqlx.
    ("statement-cache-capacity", "sqlx", Nothing),
    ("ssl-mode", "sqlx", Becomes::Parameter(Parameter::Sslmode)),
    ("ssl-root-cert", "sqlx", Becomes::Parameter(Parameter::Sslrootcert)),
    ("ssl-ca", "sqlx", Becomes::Parameter(Parameter::Sslrootcert)),
    ("ssl-cert", "sqlx", Becomes::Parameter(Parameter::Sslcert)),
    ("ssl-key", "sqlx", Becomes::Parameter(Parameter::Sslkey)),
];

/// Finds out what a key of another client means, if it is one.
pub(super) fn foreign(key: &str, value: &str) -> Result<Option<Meaning>, DatabaseUrlError> {
    // golang-migrate's own, for its table and its lock.
    if key.starts_with("x-") {
        return Ok(Some(Meaning::Harmless));
    }
    if let Some(name) = key.strip_prefix("options[").and_then(|name| name.strip_suffix(']')) {
        return Ok(Some(Meaning::Setting(name.to_owned(), value.to_owned())));
    }
    let Some((key, owner, becomes)) = FOREIGN.iter().find(|(name, ..)| *name == key) else {
        return Ok(None);
    };
    Ok(Some(match becomes {
        Becomes::Parameter(parameter) => Meaning::Taken(*parameter),
        Chosen(parameter, choices) => {
            match choices.iter().find(|(theirs, _)| theirs.eq_ignore_ascii_case(value)) {
                Some((_, "")) => Meaning::Harmless,
                Some((_, ours)) => Meaning::Translated(*parameter, Cow::Borrowed(ours)),
                None => {
                    let expected = "one that the client knows whose parameter this is";
                    return Err(DatabaseUrlError::InvalidValue { name: key, expected });
                }
            }
        }
        Setting(name) => Meaning::Setting((*name).to_owned(), value.to_owned()),
        Name(name) => {
            let quoted = format!("\"{}\"", value.replace('"', "\"\""));
            Meaning::Setting((*name).to_owned(), quoted)
        }
        Nothing => Meaning::Harmless,
        Refused(instead) => return Err(DatabaseUrlError::ForeignParameter { key, owner, instead }),
    }))
}

/// The `sslmode` that `ssl=…` stands for: `true` is `require` to libpq and `verify-full` to JDBC, whose
/// `false` leaves it at `prefer`; asyncpg writes the mode itself.
pub(super) fn sslmode_of_ssl(value: &str, dialect: Dialect) -> Option<&'static str> {
    match (value, dialect) {
        ("true" | "1" | "", Dialect::Jdbc) => Some("verify-full"),
        ("false" | "0", Dialect::Jdbc) => Some("prefer"),
        ("true" | "1" | "no-verify", _) => Some("require"),
        ("false" | "0", _) => Some("disable"),
        (mode, _) => SslMode::named(mode),
    }
}

#[cfg(test)]
pub(super) fn keys() -> impl Iterator<Item = &'static str> {
    FOREIGN.iter().map(|(key, ..)| *key)
}
