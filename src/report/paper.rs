//! What standard output can show.

use std::ffi::{OsStr, OsString};
use std::io::{self, IsTerminal};

/// What results are printed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Paper {
    /// Whether lines may be drawn with more than ASCII has.
    pub(crate) is_unicode: bool,
    /// Whether something may stand out.
    pub(crate) is_coloured: bool,
    /// How many characters a line has room for; nothing where it may be as long as it is.
    pub(crate) width: Option<usize>,
}

impl Paper {
    /// What has neither a width nor letters of its own: a file, a pipe.
    pub(crate) const PLAIN: Self = Self { is_unicode: false, is_coloured: false, width: None };

    /// As the environment says of a terminal; what is none is plain.
    pub(crate) fn of(environment: &[(OsString, OsString)]) -> Self {
        if !io::stdout().is_terminal() {
            return Self::PLAIN;
        }
        let size = rustix::termios::tcgetwinsize(io::stdout()).ok();
        let width = size.map(|size| usize::from(size.ws_col)).filter(|width| *width > 0);
        Self { width, ..Self::terminal(environment) }
    }

    fn terminal(environment: &[(OsString, OsString)]) -> Self {
        let value = |name: &str| {
            let given = environment.iter().find(|(known, _)| known == name);
            given.map(|(_, value)| value.as_os_str()).filter(|value| !value.is_empty())
        };
        // The first that is set counts (POSIX, "Environment Variables", 8.2).
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(value);
        let locale = locale.and_then(OsStr::to_str).unwrap_or_default().to_lowercase();
        let is_dumb = value("TERM").is_none_or(|term| term == "dumb");
        Self {
            is_unicode: locale.contains("utf-8") || locale.contains("utf8"),
            is_coloured: value("NO_COLOR").is_none() && !is_dumb,
            width: None,
        }
    }

    /// A text that stands out, if it may.
    pub(crate) fn bold(self, text: &str) -> String {
        if self.is_coloured { format!("\x1b[1m{text}\x1b[0m") } else { text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_shows_what_its_environment_says() {
        for (environment, unicode, coloured) in [
            (&[("LANG", "de_DE.UTF-8"), ("TERM", "xterm")][..], true, true),
            (&[("LANG", "de_DE.UTF-8"), ("LC_ALL", "C"), ("TERM", "xterm")], false, true),
            (&[("LC_CTYPE", "C.utf8"), ("LC_ALL", ""), ("TERM", "xterm")], true, true),
            (&[("TERM", "xterm"), ("NO_COLOR", "1")], false, false),
            (&[("TERM", "xterm"), ("NO_COLOR", "")], false, true),
            (&[("TERM", "dumb"), ("LANG", "C.UTF-8")], true, false),
            (&[], false, false),
        ] {
            let environment: Vec<_> =
                environment.iter().map(|(name, value)| (name.into(), value.into())).collect();
            let paper = Paper::terminal(&environment);
            assert_eq!((paper.is_unicode, paper.is_coloured), (unicode, coloured));
        }
    }
}
