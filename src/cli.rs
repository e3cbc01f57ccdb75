//! The command line: arguments in, an [`Invocation`] or a [`UsageError`] out.
//!
//! Every setting that is no secret is also a flag of every command, from the table that the
//! environment is read with. Secrets are no flags: every process of a machine can read the command
//! lines of the others.

#[cfg(feature = "author")]
mod author;
mod command;
#[cfg(feature = "author")]
mod completions;
mod error;
mod help;
#[cfg(feature = "author")]
mod manual;
#[cfg(test)]
mod tests;

use std::ffi::{OsStr, OsString};

use lexopt::{Arg, Parser};

use crate::settings::{INIT, VARIABLES, Variable};

#[cfg(feature = "author")]
pub use author::AuthorCommand;
pub use command::{App, Command};
use command::{Given, Takes, Topic};
#[cfg(feature = "author")]
pub use completions::completions;
pub use error::UsageError;
pub use help::help;
#[cfg(feature = "author")]
pub use manual::manual;

/// What a command line asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// What to do.
    pub command: Command,
    /// The settings that flags made: a variable's name and its value; the last of a name counts.
    pub flags: Vec<(&'static str, String)>,
    /// Whether to answer in JSON.
    pub json: bool,
}

/// Parses the arguments, without the program's own name.
///
/// No error repeats an argument that may be a URL or the value of a secret.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Invocation, UsageError> {
    let mut parser = Parser::from_args(args);
    let mut line = Line::default();
    loop {
        if line.ends_with_app(&mut parser) {
            break;
        }
        if let Some(target) = negative_number(&mut parser) {
            line.positional(OsStr::new(&target))?;
            continue;
        }
        match parser.next().map_err(UsageError::from)? {
            None => break,
            Some(Arg::Long("help") | Arg::Short('h')) => line.help = true,
            Some(Arg::Long("version") | Arg::Short('V')) => line.version = true,
            Some(Arg::Long("json")) => line.json = true,
            Some(Arg::Long("revision")) if line.waits() => {
                let revision = parser.value()?;
                line.positional(&revision)?;
            }
            Some(Arg::Long(name)) => {
                if let Some(flag) = line.topic.and_then(|topic| topic.own_flag(name)) {
                    let value = match flag.value {
                        Some(_) => value(&mut parser, flag.name)?,
                        None => String::new(),
                    };
                    match flag.variable {
                        None => line.given.flags.push((flag.name, value)),
                        Some(variable) if is_open(&value) => line.flags.push((variable, value)),
                        Some(_) => {
                            let (place, variable) = ("--scratch-url", "PGPASSWORD");
                            return Err(UsageError::SecretUrl { place, variable });
                        }
                    }
                } else if let Some(has_value) = line.other_flag_has_value(name) {
                    let name = name.to_owned();
                    let value = if has_value { value(&mut parser, &name)? } else { String::new() };
                    line.given.others.push((name, value));
                } else {
                    let variable = variable(name)?;
                    let value = if variable.is_switch() {
                        "on".to_owned()
                    } else {
                        value(&mut parser, &variable.flag())?
                    };
                    line.flags.push((variable.name, value));
                }
            }
            Some(Arg::Short(letter)) => {
                return Err(UsageError::UnknownFlag { flag: format!("-{letter}"), nearest: None });
            }
            Some(Arg::Value(value)) => line.positional(&value)?,
        }
    }
    line.finish()
}

/// What has been read of the command line.
#[derive(Default)]
struct Line {
    topic: Option<&'static Topic>,
    app: Option<App>,
    flags: Vec<(&'static str, String)>,
    given: Given,
    json: bool,
    help: bool,
    version: bool,
}

impl Line {
    /// Takes what follows the `--` of `run`, which ends the line: the application, if any.
    fn ends_with_app(&mut self, parser: &mut Parser) -> bool {
        if !matches!(self.topic, Some(Topic { takes: Takes::App, .. })) {
            return false;
        }
        let Some(mut rest) = parser.try_raw_args() else { return false };
        if rest.next_if(|arg| arg == "--").is_none() {
            return false;
        }
        self.app = rest.next().map(|program| App { program, arguments: rest.collect() });
        true
    }

    /// Whether the revision may also be given as a flag.
    fn waits(&self) -> bool {
        self.topic.is_some_and(|topic| topic.name == "wait")
    }

    /// Whether a URL or a password may be in it; in a text for people, within one of its words.
    fn may_be_a_login(&self, text: &str) -> bool {
        let is_prose = self.topic.is_some_and(|topic| topic.name == "create");
        let is_login = |word: &str| {
            word.contains("://") && !(is_prose && is_open(word))
                || word.contains("password=")
                || word.split_once(':').is_some_and(|(_, rest)| rest.contains('@'))
        };
        if is_prose { text.split_whitespace().any(is_login) } else { names_a_database(text) }
    }

    /// Whether a flag that is none of castoff's has a value, if the command takes such flags.
    fn other_flag_has_value(&self, name: &str) -> Option<bool> {
        let is_ours = VARIABLES.iter().any(|variable| variable.flag() == name)
            || matches!(name, "password" | "pgpassword");
        self.topic.filter(|_| !is_ours).and_then(|topic| topic.other_flag_has_value(name))
    }

    fn positional(&mut self, value: &OsStr) -> Result<(), UsageError> {
        let text = value.to_str().ok_or(UsageError::NotUtf8)?;
        let takes_url = self.topic.is_some_and(|topic| topic.name == "diff");
        if takes_url && text.contains("://") {
            if !is_open(text) {
                let (place, variable) = ("REV|URL", "PGPASSWORD");
                return Err(UsageError::SecretUrl { place, variable });
            }
        } else if self.may_be_a_login(text) {
            return Err(UsageError::UrlArgument);
        }
        match self.topic {
            None => self.topic = Some(command::topic(text)?),
            // At once: what follows are the application's arguments, not ours.
            Some(Topic { takes: Takes::App, .. }) => return Err(UsageError::AppWithoutDashes),
            Some(_) => self.given.arguments.push(text.to_owned()),
        }
        Ok(())
    }

    fn finish(self) -> Result<Invocation, UsageError> {
        let command = if self.version {
            Command::Version
        } else if self.help {
            Command::Help(self.topic.map(|topic| topic.name))
        } else {
            let topic = self.topic.ok_or(UsageError::NoCommand)?;
            topic.command(&self.given, self.app)?
        };
        let starts_an_app = matches!(command, Command::Run { app: Some(_) });
        let is_help = matches!(command, Command::Help(_) | Command::Version);
        if !starts_an_app && !is_help && self.flags.iter().any(|(name, _)| *name == INIT) {
            return Err(UsageError::InitWithoutApp);
        }
        Ok(Invocation { command, flags: self.flags, json: self.json })
    }
}

/// The settings of a command line as they would be typed, a space before each.
pub(crate) fn written(flags: &[(&'static str, String)]) -> String {
    let flag = |(name, value): &(&'static str, String)| {
        let variable = VARIABLES.iter().find(|variable| variable.name == *name)?;
        let flag = variable.flag();
        let is_switch = variable.is_switch();
        Some(if is_switch { format!(" --{flag}") } else { format!(" --{flag} {}", quoted(value)) })
    };
    flags.iter().filter_map(flag).collect()
}

/// A word as a shell takes it.
pub(crate) fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-+./:=,@%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// Whether a word is what names a database, and so may hold a password.
pub(crate) fn names_a_database(word: &str) -> bool {
    word.contains("://") || word.contains("password=") || word.contains(':') && word.contains('@')
}

/// Whether a URL holds nothing that others must not read.
fn is_open(url: &str) -> bool {
    let authority = url.split_once("://").map_or("", |(_, rest)| rest);
    let user = authority.split_once('@').map_or("", |(user, _)| user);
    !user.contains(':') && !url.contains("password")
}

/// The value of a flag that has just been read.
fn value(parser: &mut Parser, flag: &str) -> Result<String, UsageError> {
    let value = parser.value()?.into_string().map_err(|_| UsageError::NotUtf8)?;
    if value.is_empty() {
        return Err(UsageError::MissingValue { flag: format!("--{flag}") });
    }
    Ok(value)
}

/// The variable that a flag sets.
fn variable(name: &str) -> Result<&'static Variable, UsageError> {
    let variable = VARIABLES.iter().find(|variable| variable.flag() == name);
    match variable {
        Some(variable) if variable.is_secret() => {
            Err(UsageError::SecretFlag { flag: format!("--{name}"), variable: variable.name })
        }
        Some(variable) => Ok(variable),
        None if matches!(name, "password" | "pgpassword") => {
            Err(UsageError::SecretFlag { flag: format!("--{name}"), variable: "PGPASSWORD" })
        }
        None => Err(UsageError::unknown_flag(name)),
    }
}

/// Takes an argument such as `-1`, which is a target and no flag.
fn negative_number(parser: &mut Parser) -> Option<String> {
    let mut rest = parser.try_raw_args()?;
    let number = rest.peek()?.to_str()?;
    let digits = number.strip_prefix('-')?;
    let is_number = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    let number = is_number.then(|| number.to_owned())?;
    rest.next();
    Some(number)
}
