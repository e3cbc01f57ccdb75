//! Clearing up after a test process, however it ends.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::programs::Programs;

/// Waits for the end of its standard input, which comes with the end of the test process, even by
/// SIGKILL. It ignores the signals of a terminal, since those go to it as well.
const SCRIPT: &str = r#"
trap '' HUP INT QUIT TERM
cat >/dev/null
root=$1
shift
"$@" -D "$root/data" -m immediate -w stop
rm -rf "$root"
"#;

/// A child that stops the server in a folder and removes the folder when it is dropped, or when
/// this process is no more.
#[derive(Debug)]
pub(super) struct Watchdog(Child);

impl Watchdog {
    /// Watches over `root`, whose `data` folder may hold a running server.
    pub(super) fn over(root: &Path, programs: &Programs) -> Watchdog {
        let pg_ctl = programs.as_owner("pg_ctl");
        let child = Command::new("sh")
            .args(["-c", SCRIPT, "watchdog"])
            .arg(root)
            .arg(pg_ctl.get_program())
            .args(pg_ctl.get_args())
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("cannot start sh");
        Watchdog(child)
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        drop(self.0.wait());
    }
}
