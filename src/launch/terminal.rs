//! Who of a session gets what the terminal's keys send, and may read from it: tcsetpgrp(3).

use std::fs::{self, File};
use std::io;

use rustix::process::Pid;

/// What this process is to its terminal; proc(5), `stat`.
///
/// A group that is not in this namespace of process ids is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Job {
    /// Its process group.
    group: i32,
    /// The group in the foreground; -1 without a terminal.
    foreground: i32,
}

impl Job {
    /// As it is now.
    pub(super) fn of_this_process() -> Option<Self> {
        Self::parse(&fs::read_to_string("/proc/self/stat").ok()?)
    }

    fn parse(stat: &str) -> Option<Self> {
        // The name before it may have spaces and parentheses.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let number = |index: usize| fields.get(index)?.parse().ok();
        Some(Self { group: number(2)?, foreground: number(5)? })
    }

    /// Whether there is a terminal and this process has it: a job in the background has not, and
    /// must not take it from its shell.
    pub(super) fn is_in_the_foreground(self) -> bool {
        self.group == self.foreground
    }

    /// Takes the terminal back for this process's group, if the application's still has it.
    pub(super) fn take_back(self, app: Pid) {
        let now = Self::of_this_process().map(|job| job.foreground);
        if let (Some(group), true) = (Pid::from_raw(self.group), now == Some(app.as_raw_pid())) {
            give_to(group);
        }
    }
}

/// Puts a group into the foreground. The caller has SIGTTOU blocked.
///
/// Where the terminal refuses, its keys go on to reach this process, which passes signals on.
pub(super) fn give_to(group: Pid) {
    // The terminal of the session, whatever the standard streams are.
    match File::options().read(true).write(true).open("/dev/tty") {
        Ok(terminal) => drop(rustix::termios::tcsetpgrp(terminal, group)),
        Err(_) => drop(rustix::termios::tcsetpgrp(io::stdin(), group)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_groups_are_read_behind_a_name_with_anything_in_it() {
        let stat = "7 (a) S (1 2) S 1 70 71 34816 70 4194304 0";
        assert_eq!(Job::parse(stat), Some(Job { group: 70, foreground: 70 }));
        assert_eq!(Job::parse("7 (a) S 1 70"), None);
        assert_eq!(Job::parse(""), None);
    }

    #[test]
    fn without_a_terminal_nothing_is_in_the_foreground() {
        let job = |group, foreground| Job { group, foreground };
        assert!(job(7, 7).is_in_the_foreground());
        assert!(!job(7, -1).is_in_the_foreground());
        assert!(!job(7, 8).is_in_the_foreground());
    }
}
