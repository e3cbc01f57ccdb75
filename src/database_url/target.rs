//! Which of several servers is wanted: libpq's `target_session_attrs`.

use super::error::DatabaseUrlError;
use super::grammar::Parameters;
use super::parameter::Parameter;

/// What a server must be for a session that only reads. One that writes needs a primary anyway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum TargetSession {
    #[default]
    Any,
    ReadWrite,
    ReadOnly,
    Primary,
    Standby,
    PreferStandby,
}

const TARGETS: [(&str, TargetSession); 6] = [
    ("any", TargetSession::Any),
    ("read-write", TargetSession::ReadWrite),
    ("read-only", TargetSession::ReadOnly),
    ("primary", TargetSession::Primary),
    ("standby", TargetSession::Standby),
    ("prefer-standby", TargetSession::PreferStandby),
];

impl TargetSession {
    pub(super) fn new(parameters: &Parameters) -> Result<Self, DatabaseUrlError> {
        let parameter = Parameter::TargetSessionAttrs;
        let Some(value) = parameters.value(parameter) else { return Ok(Self::Any) };
        let known = TARGETS.iter().find(|(name, _)| *name == value).map(|(_, target)| *target);
        known.ok_or(DatabaseUrlError::InvalidValue {
            name: parameters.name(parameter),
            expected: "any, read-write, read-only, primary, standby or prefer-standby",
        })
    }

    pub(crate) fn name(self) -> &'static str {
        TARGETS[self as usize].0
    }

    /// Whether a server that is like this is wanted; `prefer-standby` wants a standby.
    pub(crate) fn wants(self, in_recovery: bool, read_only: bool) -> bool {
        match self {
            Self::Any => true,
            Self::ReadWrite => !in_recovery && !read_only,
            Self::ReadOnly => in_recovery || read_only,
            Self::Primary => !in_recovery,
            Self::Standby | Self::PreferStandby => in_recovery,
        }
    }

    /// Whether no server that could be written to will do.
    pub(crate) fn excludes_writing(self) -> bool {
        matches!(self, Self::ReadOnly | Self::Standby)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_enum() {
        for (name, target) in TARGETS {
            assert_eq!(target.name(), name);
        }
    }

    #[test]
    fn each_value_wants_what_it_wants_of_libpq() {
        let (primary, locked, standby) = ((false, false), (false, true), (true, true));
        for (name, wanted) in [
            ("any", vec![primary, locked, standby]),
            ("read-write", vec![primary]),
            ("read-only", vec![locked, standby]),
            ("primary", vec![primary, locked]),
            ("standby", vec![standby]),
            ("prefer-standby", vec![standby]),
        ] {
            let text = format!("target_session_attrs={name}");
            let target = TargetSession::new(&Parameters::parse(&text).unwrap()).unwrap();
            for server in [primary, locked, standby] {
                assert_eq!(target.wants(server.0, server.1), wanted.contains(&server), "{name}");
            }
        }
    }
}
