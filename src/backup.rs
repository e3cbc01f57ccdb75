//! The backup gates: before anything is taken away, one of those that are configured must be open.
//!
//! A file that is young enough and an archiver that has archived lately enough are looked at first; the
//! command runs only where neither is enough, so that it may be what makes the backup.

mod command;
mod error;
mod files;

use std::fmt;
use std::time::Duration;

use serde::Serialize;

pub use error::NoBackup;

use crate::boot::answered;
use crate::database::{Archiver, Session, archiver};
use crate::error::Error;
use crate::migrator::Migrator;
use crate::plan::Loss;
use crate::settings::Backup;

/// What a gate was found to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gate {
    /// The variable that configures it.
    pub setting: &'static str,
    /// Whether it is open; absent if only asking it would tell.
    pub open: Option<bool>,
    /// What was found, as in "the newest file of /backups, a.dump, is 3 h old".
    pub found: String,
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.found)
    }
}

const COMMAND: &str = "CASTOFF_BACKUP_COMMAND";
const PATH: &str = "CASTOFF_BACKUP_PATH";
const ARCHIVER: &str = "CASTOFF_BACKUP_ARCHIVER";

/// Looks at every gate, and runs nothing.
pub(crate) async fn look(migrator: &Migrator, session: &Session) -> Result<Vec<Gate>, Error> {
    let backup = &migrator.settings().backup;
    let mut gates = by_sight(backup, session).await?;
    gates.extend(backup.command.as_ref().map(|command| Gate {
        setting: COMMAND,
        open: None,
        found: format!("`{command}` has to succeed"),
    }));
    Ok(gates)
}

/// Asks the gates for the sake of these losses until one is open, or fails.
pub(crate) async fn ask(
    migrator: &Migrator,
    session: &Session,
    losses: Vec<Loss>,
) -> Result<(), Error> {
    let backup = &migrator.settings().backup;
    let mut gates = migrator.stop().unless(by_sight(backup, session)).await??;
    if let Some(gate) = gates.iter().find(|gate| gate.open == Some(true)) {
        tracing::info!("The backup gate is open: {gate}");
        return Ok(());
    }
    if let Some(command) = &backup.command {
        for gate in &gates {
            tracing::info!("{gate}");
        }
        tracing::info!("Running the backup command `{command}`");
        let database = migrator.settings().database()?;
        let gate = command::run(command, database, migrator.stop()).await?;
        if gate.open == Some(true) {
            tracing::info!("The backup gate is open: {gate}");
            return Ok(());
        }
        gates.push(gate);
    }
    Err(Error::NoBackup(Box::new(NoBackup { losses, gates })))
}

/// The gates that are looked at, in order.
async fn by_sight(backup: &Backup, session: &Session) -> Result<Vec<Gate>, Error> {
    let mut gates = Vec::new();
    if let Some(path) = &backup.path {
        let found = files::newest(path.clone()).await;
        let (open, found) = files::judge(path, found, backup.max_age);
        gates.push(Gate { setting: PATH, open: Some(open), found });
    }
    if backup.archiver {
        let said = answered(async { Ok(archiver(session).await?) }).await?;
        let (open, found) = judge(&said, backup.max_age);
        gates.push(Gate { setting: ARCHIVER, open, found });
    }
    Ok(gates)
}

/// What the server says of its archiver, and whether that is enough.
fn judge(said: &Archiver, max_age: Duration) -> (Option<bool>, String) {
    let Archiver { mode, is_standby, archived, failed } = said;
    match (archived, failed) {
        _ if *is_standby => (None, "this is a standby: the primary's archiver counts".to_owned()),
        _ if mode == "off" => {
            (Some(false), "the server archives nothing: archive_mode is off".into())
        }
        (Some(archived), Some(failed)) if failed < archived => (
            Some(false),
            format!(
                "the server's archiver has failed since it last archived, {} ago",
                age(*archived)
            ),
        ),
        (Some(archived), _) => {
            let found = format!("the server's archiver last archived {} ago", age(*archived));
            if *archived <= max_age {
                (Some(true), found)
            } else {
                (Some(false), too_old(&found, max_age))
            }
        }
        (None, Some(_)) => (Some(false), "the server's archiver has only failed".to_owned()),
        (None, None) => (Some(false), "the server's archiver has archived nothing yet".to_owned()),
    }
}

fn too_old(found: &str, max_age: Duration) -> String {
    format!("{found}, and CASTOFF_BACKUP_MAX_AGE is {}", age(max_age))
}

/// A length of time for people.
fn age(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archiver_is_enough_that_has_archived_lately_and_not_failed_since() {
        let hours = Duration::from_hours;
        for (mode, is_standby, archived, failed, expected, told) in [
            ("on", false, Some(1), None, Some(true), "last archived 60 min ago"),
            ("always", false, Some(24), Some(25), Some(true), "last archived 24 h ago"),
            (
                "on",
                false,
                Some(25),
                None,
                Some(false),
                "last archived 25 h ago, and CASTOFF_BACKUP_MAX_AGE is 24 h",
            ),
            ("on", false, Some(2), Some(1), Some(false), "has failed since it last archived, 2 h"),
            ("on", false, None, Some(1), Some(false), "has only failed"),
            ("on", false, None, None, Some(false), "has archived nothing yet"),
            ("off", false, Some(1), None, Some(false), "archive_mode is off"),
            ("on", true, Some(1), None, None, "this is a standby"),
        ] {
            let (archived, failed) = (archived.map(hours), failed.map(hours));
            let said = Archiver { mode: mode.to_owned(), is_standby, archived, failed };
            let (open, found) = judge(&said, hours(24));
            assert_eq!(open, expected, "{said:?}");
            assert!(found.contains(told), "{found}");
        }
    }

    #[test]
    fn an_age_is_told_in_what_fits() {
        for (seconds, told) in [
            (0, "0 s"),
            (119, "119 s"),
            (120, "2 min"),
            (7199, "119 min"),
            (7200, "2 h"),
            (172_799, "47 h"),
            (172_800, "2 days"),
        ] {
            assert_eq!(age(Duration::from_secs(seconds)), told);
        }
    }
}
