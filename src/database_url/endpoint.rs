//! The servers that a text names, each with its host, address and port.

use std::net::{IpAddr, Ipv6Addr};

use super::error::DatabaseUrlError;
use super::grammar::Parameters;
use super::parameter::Parameter;

/// Where a server's socket is if no host is named: the place of Debian's and Docker's images.
const SOCKET_DIRECTORY: &str = "/var/run/postgresql";

/// One server to try.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    /// A host name, an address or a socket's directory; absent if only `hostaddr` is given.
    pub(super) host: Option<String>,
    /// libpq's `hostaddr`: connect here instead of looking `host` up.
    pub(super) address: Option<IpAddr>,
    pub(super) port: u16,
}

impl Endpoint {
    /// Whether it is reached over a Unix socket.
    pub(super) fn is_socket(&self) -> bool {
        self.address.is_none() && self.host.as_ref().is_some_and(|host| host.starts_with('/'))
    }

    /// The host's name, or what stands for it.
    pub(super) fn name(&self) -> String {
        match (&self.host, self.address) {
            (Some(host), _) => host.clone(),
            (None, Some(address)) => address.to_string(),
            (None, None) => SOCKET_DIRECTORY.to_owned(),
        }
    }

    /// What to call it in a message.
    pub(super) fn label(&self) -> String {
        if self.is_socket() {
            format!("{}/.s.PGSQL.{}", self.name(), self.port)
        } else {
            format!("{}:{}", self.in_url(), self.port)
        }
    }

    /// How a password file names it: the usual socket is `localhost`.
    pub(super) fn in_password_file(&self) -> String {
        let name = self.name();
        if name == SOCKET_DIRECTORY { "localhost".to_owned() } else { name }
    }

    /// How it stands in a URL, without the port.
    pub(super) fn in_url(&self) -> String {
        let name = self.name();
        if name.contains(':') { format!("[{name}]") } else { encode(&name) }
    }
}

/// Works out the servers, as libpq's `pqConnectOptions2` does.
pub(super) fn endpoints(parameters: &Parameters) -> Result<Vec<Endpoint>, DatabaseUrlError> {
    let list = |parameter| match parameters.value(parameter) {
        Some(value) => value.split(',').map(str::trim).collect(),
        None => Vec::new(),
    };
    let hosts: Vec<&str> = list(Parameter::Host);
    let addresses: Vec<&str> = list(Parameter::Hostaddr);
    let ports: Vec<&str> = list(Parameter::Port);
    let servers = if addresses.is_empty() { hosts.len().max(1) } else { addresses.len() };
    let unequal = |parameter, found| DatabaseUrlError::UnequalLists {
        name: parameters.name(parameter),
        found,
        servers,
    };
    if !hosts.is_empty() && hosts.len() != servers {
        return Err(unequal(Parameter::Host, hosts.len()));
    }
    if ports.len() > 1 && ports.len() != servers {
        return Err(unequal(Parameter::Port, ports.len()));
    }
    let invalid = |parameter, expected| DatabaseUrlError::InvalidValue {
        name: parameters.name(parameter),
        expected,
    };
    (0..servers)
        .map(|index| {
            let host = hosts.get(index).copied().unwrap_or_default();
            if !is_host(host) {
                return Err(invalid(Parameter::Host, "a host name, an address or a /directory"));
            }
            let address = match addresses.get(index).copied().unwrap_or_default() {
                "" => None,
                text => Some(
                    text.parse()
                        .map_err(|_| invalid(Parameter::Hostaddr, "an IPv4 or IPv6 address"))?,
                ),
            };
            let port = match ports.get(index).or(ports.first()).copied().unwrap_or_default() {
                "" => 5432,
                text => text
                    .parse()
                    .ok()
                    .filter(|port| *port != 0)
                    .ok_or_else(|| invalid(Parameter::Port, "a number from 1 to 65535"))?,
            };
            let host = match (host, address) {
                ("", None) => Some(SOCKET_DIRECTORY.to_owned()),
                // With an address the host is only a name; a directory can't be one.
                ("", Some(_)) => None,
                (directory, Some(_)) if directory.starts_with('/') => None,
                (host, _) => Some(host.to_owned()),
            };
            Ok(Endpoint { host, address, port })
        })
        .collect()
}

/// Whether this can be a host; it is strict, so that no piece of a password passes for one.
fn is_host(text: &str) -> bool {
    if text.starts_with('/') {
        return !text.chars().any(char::is_control);
    }
    let (address, zone) = text.split_once('%').unwrap_or((text, "zone"));
    let is_name = |name: &str| {
        name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
    };
    is_name(text) || (address.parse::<Ipv6Addr>().is_ok() && is_name(zone))
}

/// Percent-encodes everything but letters, digits and `-._~`.
pub(super) fn encode(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            encoded.extend(['%', hex(byte >> 4), hex(byte & 15)]);
        }
        encoded
    })
}

fn hex(digit: u8) -> char {
    char::from_digit(digit.into(), 16).unwrap_or_default().to_ascii_uppercase()
}
