//! What a rule is that a folder is held against: its names, and what is said of it.

use serde::Serialize;

use super::rules;

/// What it means that a rule is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    /// It cannot work.
    Error,
    /// It is dangerous beside a running application.
    Hazard,
    /// It could be better.
    Style,
}

impl Level {
    /// The word for it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Hazard => "hazard",
            Self::Style => "style",
        }
    }
}

/// A rule.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Rule {
    /// Its name, in `Allow:` too.
    pub(crate) name: &'static str,
    /// squawk's name for it, if squawk finds it and calls it otherwise; `Allow:` takes it as well.
    pub(crate) squawk: Option<&'static str>,
    pub(crate) level: Level,
    /// Whether what is found makes instances fail that know nothing of the revision.
    pub(crate) contracts: bool,
    /// Whether it is a matter of taste, told only to who asks.
    pub(crate) optional: bool,
    /// What is found, as half a line.
    pub(crate) summary: &'static str,
    /// Why it matters.
    pub(crate) why: &'static str,
    /// What to do instead.
    pub(crate) instead: &'static str,
}

impl Rule {
    pub(super) const fn new(
        level: Level,
        name: &'static str,
        summary: &'static str,
        why: &'static str,
        instead: &'static str,
    ) -> Self {
        Self { name, squawk: None, level, contracts: false, optional: false, summary, why, instead }
    }

    pub(super) const fn called(self, squawk: &'static str) -> Self {
        Self { squawk: Some(squawk), ..self }
    }

    pub(super) const fn contracting(self) -> Self {
        Self { contracts: true, ..self }
    }

    pub(super) const fn optional(self) -> Self {
        Self { optional: true, ..self }
    }

    /// The rule of this name, be it squawk's.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        rules::RULES.iter().copied().find(|rule| rule.is_called(name))
    }

    /// Whether a header may say that its author knows of it: not of what castoff would not run, nor
    /// of what was done to a release.
    pub(crate) fn may_be_allowed(&self) -> bool {
        let never = [
            rules::TRANSACTION_CONTROL,
            rules::NOT_IN_TRANSACTION,
            rules::PSQL_META_COMMAND,
            rules::UNSUPPORTED_STATEMENT,
            rules::EDITED_AFTER_RELEASE,
            rules::REMOVED_AFTER_RELEASE,
            rules::INSERTED_BEFORE_RELEASE,
        ];
        !never.contains(&self)
    }

    /// Whether this is its name, or squawk's for it.
    pub(crate) fn is_called(&self, name: &str) -> bool {
        self.name == name || self.squawk == Some(name)
    }
}
