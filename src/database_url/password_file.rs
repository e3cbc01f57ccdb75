//! libpq's password file: `host:port:database:user:password` lines, of which the first that fits
//! counts.
//!
//! Follows `passwordFromFile` and `pwdfMatchesString` of libpq's `fe-connect.c`.

use std::fmt;

use super::Password;

/// The lines of a password file. Its `Debug` shows none of them.
#[derive(Clone, Default)]
pub(crate) struct PasswordFile {
    text: String,
}

impl PasswordFile {
    pub(crate) fn new(text: String) -> Self {
        Self { text }
    }

    /// The password for a role, if there is one; `host` is as libpq looks it up.
    pub(super) fn password(
        &self,
        host: &str,
        port: u16,
        dbname: &str,
        user: &str,
    ) -> Option<Password> {
        let port = port.to_string();
        let lines = self.text.lines().filter(|line| !line.starts_with('#'));
        let found = lines.filter_map(|line| {
            let fields = [host, &port, dbname, user];
            fields.into_iter().try_fold(line, |rest, field| after(rest, field))
        });
        found.map(|rest| Password::new(&unescape(rest))).next()
    }
}

/// What stands behind the first field and its colon, if the field is `*` or means `text`.
fn after<'a>(line: &'a str, text: &str) -> Option<&'a str> {
    if let Some(rest) = line.strip_prefix("*:") {
        return Some(rest);
    }
    let mut rest = line.chars();
    for expected in text.chars() {
        let found = match rest.next()? {
            ':' => return None,
            '\\' => rest.next()?,
            found => found,
        };
        if found != expected {
            return None;
        }
    }
    rest.as_str().strip_prefix(':')
}

/// The last field: up to a colon or the end, without its backslashes.
fn unescape(field: &str) -> String {
    let mut password = String::new();
    let mut characters = field.chars().peekable();
    while let Some(c) = characters.next().filter(|c| *c != ':') {
        let escaped = if c == '\\' { characters.next() } else { None };
        password.push(escaped.unwrap_or(c));
    }
    password
}

impl fmt::Debug for PasswordFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordFile(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_fits_has_the_password() {
        for (text, password) in [
            ("h:5432:d:u:p", Some("p")),
            ("h:5432:d:u:p\r\n", Some("p")),
            ("x:5432:d:u:a\n\nh:5432:d:u:b\nh:5432:d:u:c", Some("b")),
            ("*:*:*:*:p", Some("p")),
            ("h:*:d:*:p", Some("p")),
            ("#h:5432:d:u:p", None),
            (" h:5432:d:u:p", None),
            ("hh:5432:d:u:p", None),
            ("h:543:d:u:p", None),
            ("h:5432:d:U:p", None),
            ("h:5432:d:u", None),
            ("h:5432:d", None),
            ("", None),
            ("h:5432:d:u:", Some("")),
            (r"h:5432:d:u:a\:b\\c", Some(r"a:b\c")),
            (r"h:5432:d:u:a\b", Some("ab")),
            ("h:5432:d:u:a:b", Some("a")),
            (r"h:5432:d:u:a\", Some(r"a\")),
            (r"\h:5432:\d:u:p", Some("p")),
            ("h*:5432:d:u:p", None),
            ("**:5432:d:u:p", None),
            (r"\*:5432:d:u:p", None),
        ] {
            let found = PasswordFile::new(text.to_owned()).password("h", 5432, "d", "u");
            assert_eq!(found.as_ref().map(Password::expose), password, "{text:?}");
        }
    }

    #[test]
    fn colons_and_backslashes_in_names_are_escaped() {
        let file = PasswordFile::new(r"\:\:1:1:a\:b:c\\d:p".to_owned());
        let found = file.password("::1", 1, "a:b", r"c\d");
        assert_eq!(found.as_ref().map(Password::expose), Some("p"));
        assert_eq!(PasswordFile::new("::1:1:d:u:p".to_owned()).password("::1", 1, "d", "u"), None);
    }

    #[test]
    fn debug_shows_no_line() {
        assert_eq!(format!("{:?}", PasswordFile::new("*:*:*:*:p".into())), "PasswordFile(***)");
    }
}
