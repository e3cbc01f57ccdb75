//! The ways to log in that are allowed: libpq's `require_auth`.

use super::error::DatabaseUrlError;
use super::grammar::Parameters;
use super::parameter::Parameter;

/// A way in which a server lets somebody in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AuthMethod {
    /// It asks for nothing more than is known from the connection.
    None,
    /// It asks for the password itself.
    Password,
    /// It asks for an MD5 hash of the password.
    Md5,
    /// It asks for a proof that the password is known, and gives one itself.
    Scram,
    Gss,
    Sspi,
    Oauth,
}

const METHODS: [(&str, AuthMethod); 7] = [
    ("none", AuthMethod::None),
    ("password", AuthMethod::Password),
    ("md5", AuthMethod::Md5),
    ("scram-sha-256", AuthMethod::Scram),
    ("gss", AuthMethod::Gss),
    ("sspi", AuthMethod::Sspi),
    ("oauth", AuthMethod::Oauth),
];

/// A set of methods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AllowedAuth {
    methods: u8,
}

impl AllowedAuth {
    const ALL: Self = Self { methods: u8::MAX };

    pub(super) fn new(parameters: &Parameters) -> Result<Self, DatabaseUrlError> {
        let parameter = Parameter::RequireAuth;
        let Some(list) = parameters.value(parameter) else { return Ok(Self::ALL) };
        let name = parameters.name(parameter);
        let forbids = list.starts_with('!');
        let mut listed = 0;
        for word in list.split(',') {
            if word.starts_with('!') != forbids {
                return Err(DatabaseUrlError::MixedList { name });
            }
            let word = word.strip_prefix('!').unwrap_or(word);
            let method = METHODS.iter().find(|(method, _)| *method == word);
            let bit = method.map(|(_, method)| bit(*method)).filter(|bit| listed & bit == 0);
            listed |= bit.ok_or(DatabaseUrlError::InvalidValue {
                name,
                expected: "a list, each once, of none, password, md5, scram-sha-256, gss, sspi and \
                           oauth, or of what may not be, as !md5",
            })?;
        }
        Ok(Self { methods: if forbids { !listed } else { listed } })
    }

    pub(crate) fn allows(self, method: AuthMethod) -> bool {
        self.methods & bit(method) != 0
    }
}

fn bit(method: AuthMethod) -> u8 {
    1 << method as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(list: &str) -> Result<Vec<&'static str>, DatabaseUrlError> {
        let parameters = Parameters::parse(&format!("require_auth='{list}'")).unwrap();
        let allowed = AllowedAuth::new(&parameters)?;
        let names = METHODS.iter().filter(|(_, method)| allowed.allows(*method));
        Ok(names.map(|(name, _)| *name).collect())
    }

    #[test]
    fn a_list_says_what_may_be_or_what_may_not() {
        for (list, names) in [
            ("", vec!["none", "password", "md5", "scram-sha-256", "gss", "sspi", "oauth"]),
            ("scram-sha-256", vec!["scram-sha-256"]),
            ("none,md5", vec!["none", "md5"]),
            ("!password,!md5", vec!["none", "scram-sha-256", "gss", "sspi", "oauth"]),
            ("!none", vec!["password", "md5", "scram-sha-256", "gss", "sspi", "oauth"]),
        ] {
            assert_eq!(allowed(list), Ok(names), "{list}");
        }
    }

    #[test]
    fn a_list_is_refused_that_is_mixed_repeats_itself_or_names_what_is_not() {
        for list in ["md5,!none", "!md5,none"] {
            assert!(matches!(allowed(list), Err(DatabaseUrlError::MixedList { .. })), "{list}");
        }
        for list in ["md5,md5", "!md5,!md5", "!!md5", "scram", "md5,", ",", "!", "MD5"] {
            assert!(allowed(list).is_err(), "{list}");
        }
    }
}
