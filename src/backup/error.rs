//! Why nothing is taken away.

use std::fmt;

use super::Gate;
use crate::plan::Loss;

/// No backup gate is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoBackup {
    /// What would have been taken away.
    pub losses: Vec<Loss>,
    /// The gates, all of them closed.
    pub gates: Vec<Gate>,
}

impl NoBackup {
    /// What to do about it.
    pub fn hint() -> String {
        "make a backup, and give the same command again".to_owned()
    }
}

impl fmt::Display for NoBackup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 5;
        let losses: Vec<_> = self.losses.iter().take(SHOWN).map(ToString::to_string).collect();
        write!(f, "no backup gate is open, and {}", losses.join("; "))?;
        if self.losses.len() > SHOWN {
            write!(f, " and {} more", self.losses.len() - SHOWN)?;
        }
        self.gates.iter().try_for_each(|gate| write!(f, "\n  {}: {gate}", gate.setting))
    }
}
