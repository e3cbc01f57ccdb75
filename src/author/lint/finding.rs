//! One thing that is found, and where.

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::examine::Draft;
use super::quoted;
use super::rule::Rule;
use super::sheet::Sheet;
use crate::revision::{Position, RevisionId, Script};

/// A rule that a revision breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) rule: &'static Rule,
    pub(crate) revision: Option<RevisionId>,
    /// The file as it is shown.
    pub(crate) file: String,
    /// Where it begins and ends, unless it is the file as a whole.
    pub(crate) place: Option<(Position, Position)>,
    /// The line on which it begins.
    pub(crate) line: String,
    /// The tables that it is about, as PostgreSQL would write them.
    pub(crate) tables: Vec<String>,
    /// Why it matters, or what is found.
    pub(crate) message: String,
    /// Why its author allows it.
    pub(crate) allowed: Option<String>,
}

impl Finding {
    /// About a file as a whole.
    pub(super) fn of_file(rule: &'static Rule, script: &Script) -> Self {
        Self::of_nothing(rule, script.file().to_owned())
    }

    /// About a file that may be gone.
    pub(super) fn of_nothing(rule: &'static Rule, file: String) -> Self {
        Self {
            rule,
            revision: None,
            file,
            place: None,
            line: String::new(),
            tables: Vec::new(),
            message: rule.why.to_owned(),
            allowed: None,
        }
    }

    /// About a place in a file.
    pub(super) fn of_draft(draft: Draft, sheet: &Sheet<'_>) -> Self {
        let (start, end) = sheet.positions(&draft.place);
        Self {
            place: Some((start, end)),
            line: sheet.script.line(start.line).trim_end().to_owned(),
            tables: draft.tables.iter().map(quoted).collect(),
            message: draft.message.unwrap_or_else(|| draft.rule.why.to_owned()),
            ..Self::of_file(draft.rule, sheet.script)
        }
    }

    /// The same with other words.
    #[must_use]
    pub(super) fn saying(self, message: String) -> Self {
        Self { message, ..self }
    }
}

impl Serialize for Finding {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("rule", self.rule.name)?;
        map.serialize_entry("level", &self.rule.level)?;
        map.serialize_entry("revision", &self.revision)?;
        map.serialize_entry("file", &self.file)?;
        if let Some((start, end)) = self.place {
            map.serialize_entry("line", &start.line)?;
            map.serialize_entry("column", &start.column)?;
            map.serialize_entry("end_line", &end.line)?;
            map.serialize_entry("end_column", &end.column)?;
            map.serialize_entry("text", &self.line)?;
        }
        map.serialize_entry("tables", &self.tables)?;
        map.serialize_entry("message", &self.message)?;
        map.serialize_entry("instead", self.rule.instead)?;
        if let Some(reason) = &self.allowed {
            map.serialize_entry("allowed", reason)?;
        }
        map.end()
    }
}
