//! Where the database is and who castoff is to it.
//!
//! Reads libpq's URLs and `key=value` strings, and the `postgresql+driver://` of SQL toolkits. What
//! libpq knows and castoff doesn't support is refused by name: a parameter that is silently ignored
//! connects to the wrong server, or without the protection that was asked for.
//!
//! # Invariants
//!
//! No `Display`, `Debug` or error of this module shows a password, nor a piece of one when the
//! text is malformed.

mod auth;
mod dialect;
mod endpoint;
mod error;
mod grammar;
#[cfg(feature = "author")]
mod libpq;
mod parameter;
mod password_file;
mod target;
#[cfg(test)]
mod tests;
mod tls;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use auth::{AllowedAuth, AuthMethod};
use endpoint::{Endpoint, encode, endpoints};
pub use error::DatabaseUrlError;
pub(crate) use grammar::Parameters;
pub(crate) use parameter::Parameter;
pub(crate) use password_file::PasswordFile;
pub(crate) use target::TargetSession;
pub(crate) use tls::{ChannelBinding, ClientFiles, Negotiation, Roots, SslMode, TlsParameters};

/// A database, the servers that may hold it, and the credentials for it.
///
/// `Display` and `Debug` show it as a URL with `***` for the password.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl {
    endpoints: Vec<Endpoint>,
    user: String,
    password: Option<Password>,
    password_as_written: Option<Password>,
    /// For each endpoint what the password file has, where nothing else gives a password.
    filed_passwords: Vec<Option<Password>>,
    dbname: String,
    application_name: String,
    options: Option<String>,
    connect_timeout: Option<Duration>,
    tcp_user_timeout: Option<Duration>,
    keepalives: Keepalives,
    tls: TlsParameters,
    target: TargetSession,
    is_shuffled: bool,
    allowed_auth: AllowedAuth,
    required_peer: Option<String>,
    given: Given,
}

/// A password. It has no `Display`, and its `Debug` is `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

/// One server to try, ready to connect to. Its `Debug` is the label alone.
#[derive(Clone)]
pub struct Server {
    /// What to call it in a message: `host:port`, or the path of its socket.
    pub label: String,
    /// How to connect to it, and to it alone.
    pub config: tokio_postgres::Config,
    /// How to speak TLS with it; absent for a Unix socket, which needs none.
    pub(crate) tls: Option<Arc<ServerTls>>,
    /// How the server may let castoff in.
    pub(crate) allowed_auth: AllowedAuth,
    /// The operating system's user that the server of a Unix socket must run as.
    pub(crate) required_peer: Option<String>,
}

/// What to speak TLS with a server takes.
#[derive(Debug, Clone)]
pub(crate) struct ServerTls {
    pub(crate) parameters: TlsParameters,
    /// The name that its certificate must have, if one is known.
    pub(crate) host: Option<String>,
}

#[derive(Clone, PartialEq, Eq)]
struct Keepalives {
    on: bool,
    idle: Option<Duration>,
    interval: Option<Duration>,
    count: Option<u32>,
}

/// What libpq has variables for, as it was written; two ways to write it are the same database.
#[derive(Clone)]
struct Given(Vec<(&'static str, String)>);

impl PartialEq for Given {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Given {}

/// When a server that says nothing more is taken for lost, where the URL doesn't say: in 25 s. The
/// system's own limits are two hours idle and a quarter of an hour unacknowledged.
mod lost {
    use std::time::Duration;

    pub(super) const UNACKNOWLEDGED: Duration = Duration::from_secs(25);
    pub(super) const IDLE: Duration = Duration::from_secs(10);
    pub(super) const INTERVAL: Duration = Duration::from_secs(5);
    pub(super) const COUNT: u32 = 3;
}

impl DatabaseUrl {
    /// Makes sense of the parameters; `user` is asked for a name if they have none.
    pub(crate) fn new(
        parameters: &Parameters,
        user: impl FnOnce() -> Option<String>,
    ) -> Result<Self, DatabaseUrlError> {
        let endpoints = endpoints(parameters)?;
        let tls = TlsParameters::new(parameters)?;
        for endpoint in endpoints.iter().filter(|endpoint| !endpoint.is_socket()) {
            tls.check(endpoint.host.as_deref())?;
        }
        let text = |parameter| parameters.value(parameter).map(str::to_owned);
        let user = text(Parameter::User).or_else(user).ok_or(DatabaseUrlError::NoUser)?;
        let dbname = text(Parameter::Dbname).unwrap_or_else(|| user.clone());
        for (parameter, value) in [(Parameter::User, &user), (Parameter::Dbname, &dbname)] {
            if value.contains("://") {
                let name = parameters.name(parameter);
                return Err(DatabaseUrlError::InvalidValue { name, expected: "a name, but a URL" });
            }
        }
        let keepalives = Keepalives {
            on: number(parameters, Parameter::Keepalives)? != Some(0),
            idle: seconds(parameters, Parameter::KeepalivesIdle)?,
            interval: seconds(parameters, Parameter::KeepalivesInterval)?,
            count: positive(parameters, Parameter::KeepalivesCount)?,
        };
        let tcp_user_timeout = positive(parameters, Parameter::TcpUserTimeout)?
            .map(|milliseconds| Duration::from_millis(milliseconds.into()));
        Ok(Self {
            endpoints,
            user,
            password: parameters.value(Parameter::Password).map(Password::new),
            password_as_written: parameters.password_as_written().cloned(),
            dbname,
            application_name: text(Parameter::ApplicationName)
                .or_else(|| text(Parameter::FallbackApplicationName))
                .unwrap_or_else(|| "castoff".to_owned()),
            options: options(parameters),
            connect_timeout: seconds(parameters, Parameter::ConnectTimeout)?,
            tcp_user_timeout,
            keepalives,
            tls,
            filed_passwords: Vec::new(),
            target: TargetSession::new(parameters)?,
            is_shuffled: is_shuffled(parameters)?,
            allowed_auth: AllowedAuth::new(parameters)?,
            required_peer: text(Parameter::Requirepeer),
            given: given(parameters),
        })
    }

    /// The same for another database of the server.
    #[must_use]
    #[cfg(feature = "author")]
    pub(crate) fn with_dbname(&self, dbname: &str) -> Self {
        Self { dbname: dbname.to_owned(), ..self.clone() }
    }

    /// The same with this password, if it has none.
    #[must_use]
    pub(crate) fn or_password(self, password: Option<&Password>) -> Self {
        Self { password: self.password.or_else(|| password.cloned()), ..self }
    }

    /// The same with the passwords that the file has for its servers, if it has none.
    #[must_use]
    pub(crate) fn or_passwords(self, file: &PasswordFile) -> Self {
        if self.password.is_some() {
            return self;
        }
        let password = |endpoint: &Endpoint| {
            file.password(&endpoint.in_password_file(), endpoint.port, &self.dbname, &self.user)
        };
        let filed_passwords = self.endpoints.iter().map(password).collect();
        Self { filed_passwords, ..self }
    }

    /// Whether the other one means the same role on the same servers.
    pub(crate) fn has_role_of(&self, other: &Self) -> bool {
        (&self.endpoints, &self.user) == (&other.endpoints, &other.user)
    }

    /// The servers to try, in order.
    pub fn servers(&self) -> impl Iterator<Item = Server> + '_ {
        (0..self.endpoints.len()).map(|index| self.server(index))
    }

    /// Which of the servers a session that only reads is wanted on.
    pub(crate) fn target(&self) -> TargetSession {
        self.target
    }

    /// Whether the servers are tried in an order that chance decides.
    pub(crate) fn is_shuffled(&self) -> bool {
        self.is_shuffled
    }

    /// The role that castoff logs in as.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The name of the database.
    pub fn dbname(&self) -> &str {
        &self.dbname
    }

    /// The password, if one is given.
    pub fn password(&self) -> Option<&Password> {
        self.password.as_ref()
    }

    /// libpq's `connect_timeout`, if one above 0 is given.
    pub fn connect_timeout(&self) -> Option<Duration> {
        self.connect_timeout
    }

    /// The variables by which libpq connects as castoff does, each with its value; one without is not
    /// to be set. What libpq has no variable for, such as keepalives, is left out.
    pub(crate) fn variables(&self) -> Vec<(&'static str, Option<String>)> {
        let list = |values: Vec<String>| {
            let is_empty = values.iter().all(String::is_empty);
            (!is_empty).then(|| values.join(","))
        };
        let each = |value: &dyn Fn(&Endpoint) -> Option<String>| {
            list(self.endpoints.iter().map(|it| value(it).unwrap_or_default()).collect())
        };
        let resolved = [
            ("PGHOST", each(&|it| it.host.clone())),
            ("PGHOSTADDR", each(&|it| it.address.map(|address| address.to_string()))),
            ("PGPORT", each(&|it| Some(it.port.to_string()))),
            ("PGUSER", Some(self.user.clone())),
            ("PGDATABASE", Some(self.dbname.clone())),
            ("PGPASSWORD", self.password.as_ref().map(|password| password.expose().to_owned())),
            ("PGOPTIONS", self.options.clone()),
            // Its file has been read.
            ("PGSERVICE", None),
            ("PGSERVICEFILE", None),
        ];
        let is_resolved = |name: &str| resolved.iter().any(|(resolved, _)| *resolved == name);
        let others: Vec<_> = Parameter::all()
            .filter_map(Parameter::variable)
            .filter(|name| !is_resolved(name))
            .map(|name| {
                let given = self.given.0.iter().find(|(given, _)| *given == name);
                (name, given.map(|(_, value)| value.clone()))
            })
            .collect();
        resolved.into_iter().chain(others).collect()
    }

    /// Every form in which the password was seen: as it is, and as the text had it.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let key = self.tls.client.as_ref().and_then(|client| client.key_password.as_ref());
        let own = [self.password.as_ref(), self.password_as_written.as_ref(), key];
        let filed = self.filed_passwords.iter().map(Option::as_ref);
        // `user=shop:secret` is written by mistake, and means a role of that name.
        let mistaken = self.user.split_once(':').map(|(_, password)| password);
        own.into_iter()
            .chain(filed)
            .flatten()
            .map(Password::expose)
            .chain(mistaken)
            .filter(|secret| !secret.is_empty())
    }

    fn server(&self, index: usize) -> Server {
        let endpoint = &self.endpoints[index];
        let mut config = tokio_postgres::Config::new();
        config
            .user(&self.user)
            .dbname(&self.dbname)
            .application_name(&self.application_name)
            .ssl_mode(tokio_postgres::config::SslMode::Disable)
            .channel_binding(match self.tls.channel_binding {
                ChannelBinding::Disable => tokio_postgres::config::ChannelBinding::Disable,
                ChannelBinding::Prefer => tokio_postgres::config::ChannelBinding::Prefer,
                ChannelBinding::Require => tokio_postgres::config::ChannelBinding::Require,
            })
            .port(endpoint.port)
            .load_balance_hosts(if self.is_shuffled {
                tokio_postgres::config::LoadBalanceHosts::Random
            } else {
                tokio_postgres::config::LoadBalanceHosts::Disable
            })
            .keepalives(self.keepalives.on);
        match (&endpoint.host, endpoint.address) {
            (Some(host), _) => {
                config.host(host);
            }
            // tokio-postgres speaks no TLS with a server that has no name.
            (None, Some(address)) => {
                config.host(address.to_string());
            }
            (None, None) => {}
        }
        if let Some(address) = endpoint.address {
            config.hostaddr(address);
        }
        let filed = || self.filed_passwords.get(index).and_then(Option::as_ref);
        if let Some(password) = self.password.as_ref().or_else(filed) {
            config.password(password.expose());
        }
        if let Some(options) = &self.options {
            config.options(options);
        }
        config
            .tcp_user_timeout(self.tcp_user_timeout.unwrap_or(lost::UNACKNOWLEDGED))
            .keepalives_idle(self.keepalives.idle.unwrap_or(lost::IDLE))
            .keepalives_interval(self.keepalives.interval.unwrap_or(lost::INTERVAL))
            .keepalives_retries(self.keepalives.count.unwrap_or(lost::COUNT));
        let has_tls = !endpoint.is_socket() && self.tls.mode != SslMode::Disable;
        let tls = has_tls.then(|| {
            Arc::new(ServerTls { parameters: self.tls.clone(), host: endpoint.host.clone() })
        });
        Server {
            label: endpoint.label(),
            config,
            tls,
            allowed_auth: self.allowed_auth,
            required_peer: self.required_peer.clone().filter(|_| endpoint.is_socket()),
        }
    }
}

/// Reads a URL or a `key=value` string by itself, without environment: it has to name a user.
impl FromStr for DatabaseUrl {
    type Err = DatabaseUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(&Parameters::parse(text)?, || None)
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "postgresql://{}", encode(&self.user))?;
        if self.password.is_some() || self.filed_passwords.iter().any(Option::is_some) {
            f.write_str(":***")?;
        }
        for (index, endpoint) in self.endpoints.iter().enumerate() {
            f.write_str(if index == 0 { "@" } else { "," })?;
            write!(f, "{}:{}", endpoint.in_url(), endpoint.port)?;
        }
        write!(f, "/{}", encode(&self.dbname))
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}

impl Password {
    pub(crate) fn new(password: &str) -> Self {
        Self(password.to_owned())
    }

    /// The password itself, for the server and for the scrubber of the log.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Server({})", self.label)
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

fn given(parameters: &Parameters) -> Given {
    let given = Parameter::all().filter_map(|parameter| {
        Some((parameter.variable()?, parameters.value(parameter)?.to_owned()))
    });
    Given(given.filter(|(name, _)| *name != "PGPASSWORD").collect())
}

/// libpq's `options`, followed by what other clients have keys of their own for.
fn options(parameters: &Parameters) -> Option<String> {
    let given = parameters.value(Parameter::Options).map(str::to_owned);
    let options: Vec<String> = given.into_iter().chain(parameters.settings()).collect();
    Some(options.join(" ")).filter(|options| !options.is_empty())
}

fn is_shuffled(parameters: &Parameters) -> Result<bool, DatabaseUrlError> {
    match parameters.value(Parameter::LoadBalanceHosts) {
        None | Some("disable") => Ok(false),
        Some("random") => Ok(true),
        Some(_) => Err(DatabaseUrlError::InvalidValue {
            name: parameters.name(Parameter::LoadBalanceHosts),
            expected: "disable or random",
        }),
    }
}

fn number(parameters: &Parameters, parameter: Parameter) -> Result<Option<i32>, DatabaseUrlError> {
    let invalid = |_| DatabaseUrlError::InvalidValue {
        name: parameters.name(parameter),
        expected: "a whole number",
    };
    parameters.value(parameter).map(|text| text.trim().parse().map_err(invalid)).transpose()
}

/// A number above 0; libpq takes the others for "use the default".
fn positive(
    parameters: &Parameters,
    parameter: Parameter,
) -> Result<Option<u32>, DatabaseUrlError> {
    let number = number(parameters, parameter)?;
    Ok(number.and_then(|number| u32::try_from(number).ok()).filter(|number| *number > 0))
}

fn seconds(
    parameters: &Parameters,
    parameter: Parameter,
) -> Result<Option<Duration>, DatabaseUrlError> {
    let number = positive(parameters, parameter)?;
    Ok(number.map(|seconds| Duration::from_secs(seconds.into())))
}
