//! The manual page, in the macros of man(7), from the tables that command lines are parsed with.

use std::fmt::{self, Write};

use super::command::topics;
use crate::settings::VARIABLES;

/// What each exit code means; the README has the same list.
const EXIT_CODES: [(&str, &str); 13] = [
    ("0", "done"),
    ("1", "of check: a revision is pending, or the schema differs; of diff: it differs"),
    ("64", "the command line, or a target in it, is wrong"),
    ("65", "a migration, the folder, its lock or the history is wrong"),
    ("69", "the database was not ready in time"),
    ("70", "castoff's own fault, or the system's"),
    ("75", "try again: no lock in time, or the connection was lost again and again"),
    ("76", "refused: what is there, or what is asked for, is too dangerous to go on"),
    ("77", "credentials or privileges"),
    ("78", "a setting is wrong, or where it leads nothing can be migrated"),
    ("126", "the application can't be executed"),
    ("127", "the application isn't there"),
    ("128 + n", "ended by signal n"),
];

/// The page, as `man` reads it.
pub fn manual() -> String {
    let mut page = String::new();
    let written = write(&mut page);
    // Writing into a string can't fail.
    debug_assert!(written.is_ok());
    page
}

fn write(page: &mut String) -> fmt::Result {
    writeln!(page, ".TH CASTOFF 1 \"\" \"castoff {}\"", env!("CARGO_PKG_VERSION"))?;
    page.write_str(
        ".SH NAME\n\
         castoff \\- bring a PostgreSQL schema to an image's revision, then become the application\n\
         .SH SYNOPSIS\n\
         .B castoff\n\
         .RI [ flags ]\n\
         .I command\n\
         .br\n\
         .B castoff run \\-\\-\n\
         .IR app\\~args .\\|.\\|.\n\
         .SH DESCRIPTION\n\
         castoff stands in front of a PostgreSQL application in its container. It waits until the\n\
         database is ready, takes a lock, brings the schema to the revision that the image was\n\
         built with, and then becomes the application.\n\
         .SH COMMANDS\n",
    )?;
    for topic in topics() {
        let usage = topic.usage();
        writeln!(page, ".TP\n.BI {} \"{}\"", escaped(topic.name), escaped(&usage))?;
        writeln!(page, "{}.", escaped(&capital(topic.summary)))?;
        if !topic.details.is_empty() {
            writeln!(page, ".br\n{}", escaped(topic.details))?;
        }
    }
    page.write_str(
        ".SH SETTINGS\n\
         Each is an environment variable and a flag of every command. The database and whatever\n\
         else is a secret is no flag, but has a variable\n\
         .IR NAME _FILE\n\
         for a file that holds it.\n",
    )?;
    for variable in &VARIABLES {
        writeln!(page, ".TP\n.B {}", variable.name)?;
        if !variable.is_secret() {
            let flag = format!("--{} {}", variable.flag(), variable.placeholder);
            writeln!(page, "({})", escaped(flag.trim_end()))?;
        }
        let default = variable.default.map(|it| format!(" The default is {it}."));
        let summary = capital(variable.summary);
        writeln!(page, "{}.{}", escaped(&summary), escaped(&default.unwrap_or_default()))?;
    }
    page.write_str(
        ".TP\n.BR DATABASE_URL \", PGHOST, PGUSER, PGPASSWORD, PGDATABASE\" .\\|.\\|.\n\
         The database, if\n.B CASTOFF_DATABASE_URL\nis not set, as libpq reads them.\n\
         .TP\n.B \\-\\-json\nAnswer in JSON.\n\
         .SH EXIT STATUS\n",
    )?;
    for (code, meaning) in EXIT_CODES {
        writeln!(page, ".TP\n.B {code}\n{}.", escaped(&capital(meaning)))?;
    }
    page.write_str(
        ".SH FILES\n\
         .TP\n.I migrations/\nThe folder of revisions, if nothing else is named.\n\
         .TP\n.I migrations/castoff.lock\nWhat each revision does to the schema.\n\
         .TP\n.I /dev/termination\\-log\nGets the reason of a failure, if it is there.\n\
         .SH SEE ALSO\n.BR psql (1),\n.BR pg_dump (1)\n",
    )
}

/// A text as roff prints it: what begins a line is no request, and a dash is one.
fn escaped(text: &str) -> String {
    let lines = text.lines().map(|line| {
        let line: String = line
            .chars()
            .map(|letter| match letter {
                '\\' => "\\e".to_owned(),
                '-' => "\\-".to_owned(),
                '"' => "\\(dq".to_owned(),
                letter if letter.is_ascii() => letter.to_string(),
                letter => format!("\\[u{:04X}]", u32::from(letter)),
            })
            .collect();
        if line.starts_with(['.', '\'']) { format!("\\&{line}") } else { line }
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string());
    first.unwrap_or_default() + letters.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_codes_are_those_of_the_readme() {
        let readme = include_str!("../../README.md");
        let (_, section) = readme.split_once("## Exit codes").unwrap();
        let (section, _) = section.split_once("\n## ").unwrap();
        let codes = section.lines().filter_map(|line| line.strip_prefix("| ")?.split_once(" | "));
        let codes: Vec<_> = codes.map(|(code, _)| code).skip(1).collect();
        let ours: Vec<_> = EXIT_CODES.iter().map(|(code, _)| *code).collect();
        assert_eq!(codes.join(", "), ours.join(", ").replace("0, 1, ", "0, "));
    }
}
