//! Where each value came from: environment, a file that a variable names, or a flag.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};

use super::error::SettingsError;
use super::file;
use super::variables::{advice, is_binding, known, unread};

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody said anything.
    Default,
    /// An environment variable.
    Environment,
    /// A file that a `_FILE` variable names.
    File(PathBuf),
    /// A flag.
    Flag,
}

/// The values that are set, by the name of their variable. A flag goes before the environment.
pub(super) struct Sources {
    values: BTreeMap<&'static str, (String, Origin)>,
    /// What looks like a mistake in the environment.
    pub(super) warnings: Vec<String>,
    /// Variables of libpq's that castoff doesn't read.
    pub(super) unread: Vec<&'static str>,
    /// `HOME`, where libpq looks for files that nothing names.
    pub(super) home: Option<PathBuf>,
    /// One of them that says where not to connect, or how not to.
    pub(super) binding: Option<&'static str>,
}

impl Sources {
    /// Takes what castoff knows from the environment and the flags; reads no file.
    pub(super) fn collect(
        environment: impl Iterator<Item = (OsString, OsString)>,
        flags: &[(&'static str, String)],
    ) -> Result<Self, SettingsError> {
        let mut sources = Self {
            values: BTreeMap::new(),
            warnings: Vec::new(),
            unread: Vec::new(),
            home: None,
            binding: None,
        };
        for (name, value) in environment {
            let Some(name) = name.to_str().filter(|_| !value.is_empty()) else { continue };
            if name == "HOME" {
                sources.home = Some(value.into());
            } else if let Some(variable) = known(name) {
                let value = value.into_string().map_err(|_| SettingsError::NotUtf8 { variable })?;
                sources.values.insert(variable, (value, Origin::Environment));
            } else if let Some(variable) = unread(name, &value) {
                if is_binding(variable, &value.to_string_lossy()) {
                    sources.binding = Some(variable);
                }
                sources.unread.push(variable);
            } else {
                sources.warnings.extend(advice(name));
            }
        }
        sources.warnings.sort();
        sources.unread.sort_unstable();
        for (variable, value) in flags.iter().filter(|(_, value)| !value.is_empty()) {
            sources.values.insert(variable, (value.clone(), Origin::Flag));
        }
        Ok(sources)
    }

    /// The value of a variable.
    pub(super) fn value(&self, variable: &str) -> Option<&str> {
        self.values.get(variable).map(|(value, _)| value.as_str())
    }

    /// Where the value of a variable came from.
    pub(super) fn origin(&self, variable: &str) -> Origin {
        self.values.get(variable).map_or(Origin::Default, |(_, origin)| origin.clone())
    }

    /// Every name and value, for envy.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (String, String)> {
        self.values.iter().map(|(name, (value, _))| ((*name).to_owned(), value.clone()))
    }

    /// The value of a secret, which `file_variable` may say is in a file.
    pub(super) fn secret(
        &mut self,
        variable: &'static str,
        file_variable: &'static str,
    ) -> Result<Option<&str>, SettingsError> {
        if let Some(path) = self.value(file_variable).map(PathBuf::from) {
            if self.values.contains_key(variable) {
                return Err(SettingsError::BothSet { variable, file_variable });
            }
            let value = read_secret(file_variable, &path)?;
            self.values.insert(variable, (value, Origin::File(path)));
        }
        Ok(self.value(variable))
    }
}

/// Reads a file without the newline at its end, which every editor and `echo` leaves there.
fn read_secret(variable: &'static str, path: &Path) -> Result<String, SettingsError> {
    let unusable =
        |expected| SettingsError::UnusableFile { variable, path: path.to_owned(), expected };
    let bytes = file::read(path, file::LONGEST_SECRET).map_err(|source| {
        SettingsError::UnreadableFile { variable, path: path.to_owned(), source }
    })?;
    if bytes.len() as u64 > file::LONGEST_SECRET {
        return Err(unusable("a secret: it is longer than 64 KiB"));
    }
    let mut text = String::from_utf8(bytes).map_err(|_| unusable("UTF-8"))?;
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    if text.contains('\0') {
        return Err(unusable("a secret: it has a NUL byte"));
    }
    if text.is_empty() { Err(unusable("a secret: it is empty")) } else { Ok(text) }
}

impl Serialize for Origin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Environment => f.write_str("environment"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Flag => f.write_str("flag"),
        }
    }
}
