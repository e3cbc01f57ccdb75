//! What an operator has to say before a database is taken back, by what hangs on it.

use std::fmt;

use serde::Serialize;

/// What a database is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Environment {
    /// Nothing is lost with it.
    Development,
    /// People look at it.
    Staging,
    /// It is the one.
    Production,
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Development => "development",
            Self::Staging => "staging",
            Self::Production => "production",
        })
    }
}

/// What a command asks for that can lose data, or the record of what ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Asks {
    /// Nothing.
    Nothing,
    /// `--yes`.
    Yes,
    /// `--yes`, and the database's name.
    YesAndName,
}

impl Asks {
    /// What is asked in an environment; if nobody says which one it is, it may be production.
    pub fn of(environment: Option<Environment>) -> Self {
        match environment {
            Some(Environment::Development) => Self::Nothing,
            Some(Environment::Staging) => Self::Yes,
            Some(Environment::Production) | None => Self::YesAndName,
        }
    }
}

/// What the operator said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Consent {
    /// `--yes`.
    pub yes: bool,
    /// The database that the operator has in mind.
    pub database: Option<String>,
}

/// Why what the operator said is not enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Objection {
    /// Something is missing.
    Unsaid,
    /// The database is another one than the operator has in mind, whatever is asked.
    OtherDatabase,
}

impl Consent {
    /// Whether it is what is asked, for the database of this name.
    pub fn suffices(&self, asks: Asks, database: &str) -> Result<(), Objection> {
        if self.database.as_ref().is_some_and(|named| named != database) {
            return Err(Objection::OtherDatabase);
        }
        let is_enough = match asks {
            Asks::Nothing => true,
            Asks::Yes => self.yes,
            Asks::YesAndName => self.yes && self.database.is_some(),
        };
        if is_enough { Ok(()) } else { Err(Objection::Unsaid) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_suffices_in_each_environment() {
        use Objection::{OtherDatabase, Unsaid};
        let shop = Some("shop");
        for (environment, yes, named, expected) in [
            (Some(Environment::Development), false, None, Ok(())),
            (Some(Environment::Development), false, Some("other"), Err(OtherDatabase)),
            (Some(Environment::Staging), false, None, Err(Unsaid)),
            (Some(Environment::Staging), false, shop, Err(Unsaid)),
            (Some(Environment::Staging), true, None, Ok(())),
            (Some(Environment::Staging), true, shop, Ok(())),
            (Some(Environment::Staging), true, Some("other"), Err(OtherDatabase)),
            (Some(Environment::Production), false, None, Err(Unsaid)),
            (Some(Environment::Production), true, None, Err(Unsaid)),
            (Some(Environment::Production), false, shop, Err(Unsaid)),
            (Some(Environment::Production), true, shop, Ok(())),
            (Some(Environment::Production), true, Some("Shop"), Err(OtherDatabase)),
            (None, false, None, Err(Unsaid)),
            (None, true, None, Err(Unsaid)),
            (None, false, shop, Err(Unsaid)),
            (None, true, shop, Ok(())),
            (None, true, Some("other"), Err(OtherDatabase)),
        ] {
            let consent = Consent { yes, database: named.map(str::to_owned) };
            let found = consent.suffices(Asks::of(environment), "shop");
            assert_eq!(found, expected, "{environment:?} {consent:?}");
        }
    }
}
