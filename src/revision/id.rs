//! The name of a revision, and the natural order of names.

use std::cmp::Ordering;
use std::error::Error;
use std::fmt;

/// A revision's id: `0002`, `20240131120000`, `4f1c2a9b7d30`.
///
/// Ids are ordered naturally: runs of digits compare as numbers of any length, so `9` is before `10`.
/// Ids that are equal as such (`01` and `1`) fall back to their bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RevisionId(String);

impl RevisionId {
    /// The longest id, in bytes.
    pub const MAX_LENGTH: usize = 255;

    /// Checks that `id` can name a revision: letters, digits, `.`, `_` and `-`, not a target's word.
    pub fn new(id: &str) -> Result<Self, InvalidRevisionId> {
        if id.is_empty() {
            return Err(InvalidRevisionId::Empty);
        }
        if id.len() > Self::MAX_LENGTH {
            return Err(InvalidRevisionId::TooLong { length: id.len() });
        }
        if let Some(character) = id.chars().find(|c| !is_allowed(*c)) {
            return Err(InvalidRevisionId::Character { id: id.to_owned(), character });
        }
        if id.starts_with('-') {
            return Err(InvalidRevisionId::Sign { id: id.to_owned() });
        }
        if matches!(id, "head" | "heads" | "base") {
            return Err(InvalidRevisionId::Reserved { id: id.to_owned() });
        }
        Ok(Self(id.to_owned()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_allowed(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '.' | '_' | '-')
}

impl fmt::Display for RevisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Ord for RevisionId {
    fn cmp(&self, other: &Self) -> Ordering {
        natural_order(self.0.as_bytes(), other.0.as_bytes()).then_with(|| self.0.cmp(&other.0))
    }
}

impl PartialOrd for RevisionId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

fn natural_order(mut left: &[u8], mut right: &[u8]) -> Ordering {
    loop {
        match (left.first(), right.first()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(a), Some(b)) if a.is_ascii_digit() && b.is_ascii_digit() => {
                let (left_number, left_rest) = split_number(left);
                let (right_number, right_rest) = split_number(right);
                let order = left_number.len().cmp(&right_number.len());
                let order = order.then_with(|| left_number.cmp(right_number));
                if order.is_ne() {
                    return order;
                }
                (left, right) = (left_rest, right_rest);
            }
            (Some(a), Some(b)) if a == b => (left, right) = (&left[1..], &right[1..]),
            (Some(a), Some(b)) => return a.cmp(b),
        }
    }
}

/// The digits that `text` begins with, without leading zeros, and what follows them.
fn split_number(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    let zeros = digits.iter().take_while(|byte| **byte == b'0').count();
    (&digits[zeros..], rest)
}

/// Why a text cannot be a revision's id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InvalidRevisionId {
    /// There is nothing.
    Empty,
    /// It would not fit into the ledger's index, nor into a file name.
    TooLong {
        /// The length found, in bytes.
        length: usize,
    },
    /// A character outside letters, digits, `.`, `_` and `-`.
    Character {
        /// The id found.
        id: String,
        /// Its first such character.
        character: char,
    },
    /// It begins with `-`, which would read as a relative target or a flag.
    Sign {
        /// The id found.
        id: String,
    },
    /// It is one of the words that name a target.
    Reserved {
        /// The id found.
        id: String,
    },
}

impl fmt::Display for InvalidRevisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "the revision id is empty"),
            Self::TooLong { length } => write!(
                f,
                "the revision id has {length} bytes, more than {}",
                RevisionId::MAX_LENGTH
            ),
            Self::Character { id, character } => write!(
                f,
                "the revision id `{}` holds {character:?}; letters, digits, `.`, `_` and `-` are allowed",
                id.escape_debug()
            ),
            Self::Sign { id } => write!(f, "the revision id `{id}` begins with `-`"),
            Self::Reserved { id } => {
                write!(f, "`{id}` names a target and cannot be a revision's id")
            }
        }
    }
}

impl Error for InvalidRevisionId {}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> RevisionId {
        RevisionId::new(text).unwrap()
    }

    #[test]
    fn nine_is_before_ten() {
        let mut ids = ["10", "9", "r10", "r9", "2", "1.10", "1.9", "99999999999999999999999", "a"]
            .map(id)
            .to_vec();
        ids.sort();
        let sorted: Vec<_> = ids.iter().map(RevisionId::as_str).collect();
        assert_eq!(
            sorted,
            ["1.9", "1.10", "2", "9", "10", "99999999999999999999999", "a", "r9", "r10"]
        );
    }

    #[test]
    fn equal_numbers_fall_back_to_bytes_so_that_order_agrees_with_equality() {
        assert!(id("01") < id("1"));
        assert_ne!(id("01"), id("1"));
        assert!(id("01a") < id("1a") && id("1a") < id("01b"));
    }

    #[test]
    fn the_natural_order_is_total() {
        let alphabet = ['0', '1', '9', 'a', '.', '_'];
        let mut ids = Vec::new();
        for a in alphabet {
            ids.push(id(&a.to_string()));
            for b in alphabet {
                ids.push(id(&format!("{a}{b}")));
                ids.push(id(&format!("{a}{b}0")));
            }
        }
        for a in &ids {
            for b in &ids {
                assert_eq!(a.cmp(b), b.cmp(a).reverse());
                assert_eq!(a == b, a.cmp(b).is_eq());
                assert!(ids.iter().all(|c| !(a < b && b < c) || a < c));
            }
        }
    }

    #[test]
    fn ids_that_would_read_as_something_else_are_refused() {
        for text in ["", "head", "heads", "base", "-1", "+1", "a b", "a/b", "é", "a\0"] {
            assert!(RevisionId::new(text).is_err(), "{text:?}");
        }
        assert!(RevisionId::new(&"x".repeat(255)).is_ok());
        assert!(RevisionId::new(&"x".repeat(256)).is_err());
        assert!(RevisionId::new("2024-01-31.a_b").is_ok());
    }
}
