//! Why a template made nothing.

use std::fmt;

use crate::settings::shown;

/// Why a template made nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TemplateError {
    /// Parameters without a template.
    NoTemplate {
        /// The first of them.
        parameter: String,
    },
    /// A template that doesn't exist.
    Unknown {
        /// The word.
        template: String,
        /// What may have been meant.
        nearest: Option<String>,
    },
    /// A parameter that the template doesn't have.
    Superfluous {
        /// The template.
        template: String,
        /// The parameter.
        parameter: String,
        /// The parameters that it has, or the one that may have been meant.
        nearest: Option<String>,
    },
    /// A parameter that the template needs.
    Missing {
        /// The template.
        template: String,
        /// The parameter, as the list of templates has it.
        parameter: String,
    },
    /// A parameter twice that is taken once.
    Repeated {
        /// The template.
        template: String,
        /// The parameter.
        parameter: String,
    },
    /// A value that is not what the parameter takes.
    Value {
        /// The template.
        template: String,
        /// The parameter.
        parameter: String,
        /// The value.
        value: String,
        /// What is wrong with it, or what was expected.
        problem: String,
    },
    /// Values that do not fit together.
    Together {
        /// The template.
        template: String,
        /// The parameter that does not fit.
        parameter: String,
        /// Why.
        problem: String,
    },
    /// A template of the team's that is broken.
    Broken {
        /// Its file, or its folder.
        file: String,
        /// The line, if it is in one.
        line: Option<usize>,
        /// What is wrong.
        problem: String,
    },
}

impl TemplateError {
    /// The exit code, of the one list.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::NoTemplate { .. }
            | Self::Unknown { .. }
            | Self::Superfluous { .. }
            | Self::Missing { .. }
            | Self::Repeated { .. }
            | Self::Value { .. }
            | Self::Together { .. } => 64,
            Self::Broken { .. } => 65,
        }
    }

    /// What to do about it; `None` where no advice is right every time.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::NoTemplate { .. } => {
                Some("name one with --template; `castoff templates` lists them".to_owned())
            }
            Self::Unknown { nearest: Some(nearest), .. } => {
                Some(format!("did you mean {nearest}?"))
            }
            Self::Superfluous { nearest: Some(nearest), .. } => {
                Some(format!("did you mean --{nearest}?"))
            }
            Self::Unknown { nearest: None, .. }
            | Self::Superfluous { nearest: None, .. }
            | Self::Missing { .. } => {
                Some("`castoff templates` lists templates and their parameters".to_owned())
            }
            Self::Repeated { .. }
            | Self::Value { .. }
            | Self::Together { .. }
            | Self::Broken { .. } => None,
        }
    }
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTemplate { parameter } => {
                write!(f, "--{parameter} is a parameter of a template, and none is named")
            }
            Self::Unknown { template, .. } => write!(f, "there is no template {template:?}"),
            Self::Superfluous { template, parameter, .. } => {
                write!(f, "the template {template} has no parameter --{parameter}")
            }
            Self::Missing { template, parameter } => {
                write!(f, "the template {template} needs {parameter}")
            }
            Self::Repeated { template, parameter } => {
                write!(f, "the template {template} takes --{parameter} once")
            }
            Self::Value { template, parameter, value, problem } => {
                write!(f, "--{parameter} {} of the template {template}: {problem}", shown(value))
            }
            Self::Together { template, parameter, problem } => {
                write!(f, "--{parameter} of the template {template}: {problem}")
            }
            Self::Broken { file, line, problem } => {
                f.write_str(file)?;
                if let Some(line) = line {
                    write!(f, ":{line}")?;
                }
                write!(f, ": {problem}")
            }
        }
    }
}

impl std::error::Error for TemplateError {}
