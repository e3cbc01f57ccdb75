//! The help: one screen for all, a few lines for a command.

use std::fmt::{self, Write};

use super::command::{Topic, groups, topics};
use crate::settings::{VARIABLES, Variable};

/// How wide a terminal is.
const WIDTH: usize = 80;

/// How wide the list of commands has them.
const USAGE: usize = 21;

const INTRODUCTION: &str = "\
castoff brings a PostgreSQL schema to the revision that this image was built
with, and then becomes the application.

Usage: castoff [FLAGS] COMMAND
       castoff run -- APP ARGS…
";

const ENVIRONMENT: &str = "
The database, in the environment alone:
  CASTOFF_DATABASE_URL, DATABASE_URL, PGHOST, PGUSER, PGPASSWORD, PGDATABASE, …
  and _FILE variables that name a file: CASTOFF_DATABASE_URL_FILE,
  DATABASE_URL_FILE, PGPASSWORD_FILE
";

/// The help of a command, or the general help; it ends with a newline.
///
/// An unknown topic gets the general help.
pub fn help(topic: Option<&str>) -> String {
    let mut text = String::new();
    let topic = topics().find(|known| Some(known.name) == topic);
    // Writing into a string can't fail.
    let written = match topic {
        Some(topic) => write_topic(&mut text, topic),
        None => write_general(&mut text),
    };
    debug_assert!(written.is_ok());
    text
}

fn write_general(text: &mut String) -> fmt::Result {
    text.write_str(INTRODUCTION)?;
    for (title, topics) in groups() {
        writeln!(text, "\n{title}")?;
        for topic in topics {
            let usage = format!("{}{}", topic.name, topic.brief_usage());
            let is_wide = usage.len() > USAGE;
            let wide = if is_wide { format!("\n  {:<USAGE$}", "") } else { String::new() };
            writeln!(text, "  {usage:<USAGE$}{wide} {}", topic.summary)?;
        }
    }
    text.write_str("\nFlags; each is also a variable: --wait-timeout is CASTOFF_WAIT_TIMEOUT\n")?;
    for variable in VARIABLES.iter().filter(|variable| !variable.is_secret()) {
        write_flag(text, variable)?;
    }
    writeln!(text, "  {:<24} answer in JSON", "--json")?;
    writeln!(text, "  {:<24} show this; with a command, its help", "-h, --help")?;
    writeln!(text, "  {:<24} show the version", "-V, --version")?;
    text.write_str("TIME is 500ms, 30s, 5m or 1h; a bare number is seconds.\n")?;
    text.write_str(ENVIRONMENT)
}

fn write_flag(text: &mut String, variable: &Variable) -> fmt::Result {
    let flag = format!("--{} {}", variable.flag(), variable.placeholder);
    let flag = flag.trim_end();
    write!(text, "  {flag:<24} {}", variable.summary)?;
    match variable.default {
        Some(default) => writeln!(text, " [{default}]"),
        None => writeln!(text),
    }
}

fn write_topic(text: &mut String, topic: &Topic) -> fmt::Result {
    let usage = format!("castoff {}{}:", topic.name, topic.usage());
    let wide = usage.len() + topic.summary.len() >= WIDTH;
    writeln!(text, "{usage}{}{}", if wide { "\n" } else { " " }, topic.summary)?;
    if !topic.details.is_empty() {
        writeln!(text, "\n{}", topic.details)?;
    }
    writeln!(text, "\nFlags: see castoff --help")
}
