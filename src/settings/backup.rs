//! What has to be open before anything is taken away: the backup gates.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::value::Expected;

/// The gates that are configured; one that is open is enough.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    /// A command that has to succeed.
    pub command: Option<BackupCommand>,
    /// A file, or a folder whose newest file it is, that has to be young enough.
    pub path: Option<PathBuf>,
    /// Whether the server's archiver has to have archived lately enough.
    pub archiver: bool,
    /// How old a backup may be.
    pub max_age: Duration,
}

impl Backup {
    /// None.
    pub fn none() -> Self {
        Self { command: None, path: None, archiver: false, max_age: Duration::ZERO }
    }

    /// Whether there is any.
    pub fn is_configured(&self) -> bool {
        self.command.is_some() || self.path.is_some() || self.archiver
    }
}

/// A program with its arguments, which may hold secrets: `Display` and `Debug` show the program alone.
#[derive(Clone, PartialEq, Eq)]
pub struct BackupCommand {
    /// The program, as a path or a name to look up in `PATH`.
    pub program: String,
    /// Its arguments.
    pub arguments: Vec<String>,
}

impl BackupCommand {
    /// Cuts a line into words as a shell does, without doing anything else that a shell does.
    pub(super) fn parse(line: &str) -> Result<Self, Expected> {
        let mut words = words(line)?.into_iter();
        match words.next().filter(|program| !program.is_empty()) {
            Some(program) => Ok(Self { program, arguments: words.collect() }),
            None => Err("a program and its arguments"),
        }
    }
}

impl fmt::Display for BackupCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.program.contains("://") { "(a URL)" } else { &self.program })?;
        if self.arguments.is_empty() { Ok(()) } else { f.write_str(" …") }
    }
}

impl fmt::Debug for BackupCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BackupCommand({self})")
    }
}

/// The words of a line: white space parts them, but not in quotes or behind a backslash.
///
/// An image may have no shell, so there is none: what only a shell understands is refused.
fn words(line: &str) -> Result<Vec<String>, Expected> {
    const SHELL: Expected = "a program and its arguments, without what only a shell understands \
                             ($ ` | & ; < > ( )): for that, write sh -c '…'";
    const OPEN: Expected = "a program and its arguments, with every quote closed";
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut rest = line.chars();
    while let Some(c) = rest.next() {
        match c {
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match rest.next().ok_or(OPEN)? {
                        '\'' => break,
                        inside => word.push(inside),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match rest.next().ok_or(OPEN)? {
                        '"' => break,
                        '$' | '`' => return Err(SHELL),
                        '\\' => match rest.next().ok_or(OPEN)? {
                            escaped @ ('"' | '\\' | '$' | '`') => word.push(escaped),
                            other => word.extend(['\\', other]),
                        },
                        inside => word.push(inside),
                    }
                }
            }
            '\\' => word.get_or_insert_default().push(rest.next().ok_or(OPEN)?),
            '$' | '`' | '|' | '&' | ';' | '<' | '>' | '(' | ')' => return Err(SHELL),
            space if space.is_whitespace() => words.extend(word.take()),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_into_words_as_a_shell_does() {
        for (line, expected) in [
            ("pg_dump", vec!["pg_dump"]),
            ("  pg_dump  -Fc\t-f /b/x ", vec!["pg_dump", "-Fc", "-f", "/b/x"]),
            (r#"a 'b c' "d e" f\ g"#, vec!["a", "b c", "d e", "f g"]),
            (r#"a '' """#, vec!["a", "", ""]),
            (r#"a 'x'"y"z"#, vec!["a", "xyz"]),
            (r#"a "\"\\\$\x""#, vec!["a", r#""\$\x"#]),
            (r"sh -c 'pg_dump > $HOME/x'", vec!["sh", "-c", "pg_dump > $HOME/x"]),
            ("restic -r s3:https://h/b backup", vec!["restic", "-r", "s3:https://h/b", "backup"]),
        ] {
            assert_eq!(words(line).unwrap(), expected, "{line}");
        }
    }

    #[test]
    fn what_only_a_shell_understands_or_is_left_open_is_refused() {
        for line in ["a > b", "a | b", "a && b", "a; b", "$HOME/x", "a `b`", "a \"$b\"", "(a)"] {
            assert!(words(line).unwrap_err().contains("sh -c"), "{line}");
        }
        for line in ["a 'b", "a \"b", "a \\", "a \"b\\"] {
            assert!(words(line).unwrap_err().contains("closed"), "{line}");
        }
        for line in [" ", "''", "'' a"] {
            assert!(BackupCommand::parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn a_command_is_shown_without_its_arguments() {
        let command = BackupCommand::parse("/b/pg --key S3ntinel").unwrap();
        assert_eq!(command.to_string(), "/b/pg …");
        assert_eq!(format!("{command:?}"), "BackupCommand(/b/pg …)");
        assert_eq!(BackupCommand::parse("/b/pg").unwrap().to_string(), "/b/pg");
    }
}
