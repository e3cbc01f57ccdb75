//! Whether a certificate is the one of a server of this name, by libpq's rules.

use std::net::IpAddr;

use super::certificate::{AlternativeName, Certificate};

/// Whether the certificate names the host.
///
/// As in libpq, the common name counts only where there is no alternative name of the host's kind,
/// and a `*.` stands for one label.
pub(super) fn names(certificate: &Certificate<'_>, host: &str) -> bool {
    let address = host.parse::<IpAddr>().ok();
    let alternatives = certificate.alternative_names();
    let is_alternative = alternatives.iter().any(|name| match name {
        AlternativeName::Dns(name) => matches(name, host),
        AlternativeName::Ip(bytes) => match address {
            Some(IpAddr::V4(address)) => address.octets() == **bytes,
            Some(IpAddr::V6(address)) => address.octets() == **bytes,
            None => false,
        },
    });
    let has_kind = alternatives.iter().any(|name| match name {
        AlternativeName::Dns(_) => address.is_none(),
        AlternativeName::Ip(_) => address.is_some(),
    });
    is_alternative
        || (!has_kind && certificate.common_name().is_some_and(|name| matches(name, host)))
}

/// What the certificate says whose it is, for a message.
pub(super) fn named(certificate: &Certificate<'_>) -> String {
    let alternatives = certificate.alternative_names();
    let mut shown: Vec<String> = alternatives
        .iter()
        .map(|name| match name {
            AlternativeName::Dns(name) => readable(name),
            AlternativeName::Ip(bytes) => {
                match (<[u8; 4]>::try_from(*bytes), <[u8; 16]>::try_from(*bytes)) {
                    (Ok(bytes), _) => IpAddr::from(bytes).to_string(),
                    (_, Ok(bytes)) => IpAddr::from(bytes).to_string(),
                    _ => "an address that is none".to_owned(),
                }
            }
        })
        .collect();
    if shown.is_empty() {
        shown.extend(certificate.common_name().map(readable));
    }
    if shown.is_empty() { "nobody".to_owned() } else { shown.join(", ") }
}

/// A name of somebody else's, without what would disturb a line of text.
fn readable(name: &[u8]) -> String {
    const LONGEST: usize = 100;
    String::from_utf8_lossy(name).chars().filter(|c| !c.is_control()).take(LONGEST).collect()
}

/// What libpq's `wildcard_certificate_match` and its caller accept.
fn matches(pattern: &[u8], host: &str) -> bool {
    let host = host.as_bytes();
    if pattern.contains(&0) {
        return false;
    }
    if pattern.eq_ignore_ascii_case(host) {
        return true;
    }
    let Some(suffix) = pattern.strip_prefix(b"*").filter(|rest| rest.len() > 1) else {
        return false;
    };
    let Some(at) = host.len().checked_sub(suffix.len()).filter(|at| *at > 0) else { return false };
    suffix.starts_with(b".")
        && host[at..].eq_ignore_ascii_case(suffix)
        && !host[..at].contains(&b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_one_label() {
        for (pattern, host, expected) in [
            ("db.example", "db.example", true),
            ("DB.Example", "db.exAMPLE", true),
            ("*.example", "db.example", true),
            ("*.example", "a.db.example", false),
            ("*.example", ".example", false),
            ("*.example", "example", false),
            ("*.", "db.", false),
            ("*", "db", false),
            ("*b.example", "db.example", false),
            ("d*.example", "db.example", false),
            ("db.example\0.evil", "db.example", false),
            ("*.example\0", "db.example", false),
            ("127.0.0.1", "127.0.0.1", true),
            ("", "db", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), host), expected, "{pattern:?} {host}");
        }
    }
}
