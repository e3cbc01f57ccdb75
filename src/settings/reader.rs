//! Reading the values of settings, and keeping account of which are in effect.

use super::source::Sources;
use super::variables::{self, VARIABLES};
use super::{Backup, BackupCommand, Origin, Setting, SettingsError, shown, value};

/// Parses values and keeps account of them.
pub(super) struct Reader<'a> {
    sources: &'a Sources,
    pub(super) effective: Vec<Setting>,
}

/// How the backup gates are given.
pub(super) struct BackupTexts {
    pub(super) command: Option<String>,
    pub(super) path: Option<String>,
    pub(super) archiver: Option<String>,
    pub(super) max_age: Option<String>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(sources: &'a Sources, effective: Vec<Setting>) -> Self {
        Self { sources, effective }
    }

    /// Parses a setting that has a default.
    pub(super) fn required<T>(
        &mut self,
        name: &'static str,
        value: Option<String>,
        parse: fn(&str) -> Result<T, value::Expected>,
    ) -> Result<T, SettingsError> {
        let default = VARIABLES.iter().find(|v| v.name == name).and_then(|v| v.default);
        let value = value.unwrap_or_else(|| default.unwrap_or_default().to_owned());
        self.parse(name, value, parse)
    }

    /// Parses a setting that may be absent.
    pub(super) fn optional<T>(
        &mut self,
        name: &'static str,
        value: Option<String>,
        parse: fn(&str) -> Result<T, value::Expected>,
    ) -> Result<Option<T>, SettingsError> {
        if let Some(value) = value {
            return self.parse(name, value, parse).map(Some);
        }
        self.effective.push(Setting { name, value: String::new(), origin: Origin::Default });
        Ok(None)
    }

    pub(super) fn backup(&mut self, texts: BackupTexts) -> Result<Backup, SettingsError> {
        let BackupTexts { command, path, archiver, max_age } = texts;
        Ok(Backup {
            command: self.command("CASTOFF_BACKUP_COMMAND", command)?,
            path: self.optional("CASTOFF_BACKUP_PATH", path, |path| Ok(path.into()))?,
            archiver: self.required("CASTOFF_BACKUP_ARCHIVER", archiver, value::switch)?,
            max_age: self.required("CASTOFF_BACKUP_MAX_AGE", max_age, value::positive_duration)?,
        })
    }

    /// Parses a command, whose arguments may be URLs, and may be secrets.
    fn command(
        &mut self,
        name: &'static str,
        line: Option<String>,
    ) -> Result<Option<BackupCommand>, SettingsError> {
        let Some(line) = line else {
            self.effective.push(Setting { name, value: String::new(), origin: Origin::Default });
            return Ok(None);
        };
        let command = BackupCommand::parse(&line).map_err(|expected| {
            let program = line.split_whitespace().next().unwrap_or_default();
            let found = format!("{} …", shown(program));
            SettingsError::InvalidValue { name: self.called(name), found, expected }
        })?;
        let origin = self.sources.origin(name);
        self.effective.push(Setting { name, value: command.to_string(), origin });
        Ok(Some(command))
    }

    /// What to call a setting in a message: its flag if that set it.
    fn called(&self, name: &'static str) -> String {
        match self.sources.origin(name) {
            Origin::Flag => format!("--{}", variables::flag(name)),
            Origin::Default | Origin::Environment | Origin::File(_) => name.to_owned(),
        }
    }

    fn parse<T>(
        &mut self,
        name: &'static str,
        value: String,
        parse: fn(&str) -> Result<T, value::Expected>,
    ) -> Result<T, SettingsError> {
        let origin = self.sources.origin(name);
        let parsed = if value.contains("://") {
            Err("a plain value: the URL of the database belongs in CASTOFF_DATABASE_URL")
        } else {
            parse(&value)
        };
        let parsed = parsed.map_err(|expected| SettingsError::InvalidValue {
            name: self.called(name),
            found: shown(&value),
            expected,
        })?;
        self.effective.push(Setting { name, value, origin });
        Ok(parsed)
    }
}
