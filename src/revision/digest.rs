//! SHA-256 digests with a meaning: of one file, and of a history.

use std::error::Error;
use std::fmt::{self, Write};
use std::str::FromStr;

use sha2::{Digest, Sha256};

/// The digest of one SQL file's token stream: comments, white space, line ends and a BOM don't count.
///
/// Frozen: the same tokens have the same checksum in every version of castoff. It is the SHA-256 of
/// each token's bytes followed by a zero byte, where
/// - tokens are PostgreSQL's own, with `standard_conforming_strings` on;
/// - a line end inside a token is a line feed, whichever way the file writes it;
/// - one `;` stands between two statements, so that empty statements and the last `;` don't count;
/// - the data of a `COPY … FROM stdin` is one token behind its statement;
/// - the lines `\restrict` and `\unrestrict` of `pg_dump` don't count.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Checksum([u8; 32]);

/// The digest of a revision with its whole history: equal chains mean equal histories.
///
/// SHA-256 of `castoff chain 1`, a zero byte, the revision's checksum and its parents' chains in the
/// order of their ids.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Chain([u8; 32]);

impl Chain {
    /// The chain of a revision, given its parents' chains in the order of their ids.
    pub(super) fn of(checksum: Checksum, parents: impl IntoIterator<Item = Self>) -> Self {
        let mut hasher = Sha256::new_with_prefix(b"castoff chain 1\0");
        hasher.update(checksum.0);
        for parent in parents {
            hasher.update(parent.0);
        }
        Self(hasher.finalize().into())
    }
}

macro_rules! digest {
    ($name:ident) => {
        impl $name {
            /// The digest as 64 lower-case hexadecimal digits.
            pub fn to_hex(self) -> String {
                let mut hex = String::with_capacity(64);
                for byte in self.0 {
                    // Writing to a String cannot fail.
                    write!(hex, "{byte:02x}").ok();
                }
                hex
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "sha256:{}", self.to_hex())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.to_hex())
            }
        }

        impl FromStr for $name {
            type Err = InvalidDigest;

            /// Takes 64 hexadecimal digits, with or without `sha256:` before them.
            fn from_str(text: &str) -> Result<Self, InvalidDigest> {
                parse_hex(text).map(Self).ok_or_else(|| InvalidDigest { text: text.to_owned() })
            }
        }
    };
}

digest!(Checksum);
digest!(Chain);

fn parse_hex(text: &str) -> Option<[u8; 32]> {
    let hex = text.strip_prefix("sha256:").unwrap_or(text).as_bytes();
    if hex.len() != 64 {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(hex.chunks_exact(2)) {
        let high = char::from(pair[0]).to_digit(16)?;
        let low = char::from(pair[1]).to_digit(16)?;
        *byte = u8::try_from(high * 16 + low).ok()?;
    }
    Some(bytes)
}

/// A text that is no SHA-256 digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidDigest {
    text: String,
}

impl fmt::Display for InvalidDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is no digest; expected `sha256:` and 64 hexadecimal digits", self.text)
    }
}

impl Error for InvalidDigest {}

/// Gathers the checksum of a token stream.
pub(super) struct TokenDigest {
    hasher: Sha256,
    buffer: Vec<u8>,
}

impl TokenDigest {
    const BUFFER: usize = 8 * 1024;

    pub(super) fn new() -> Self {
        Self { hasher: Sha256::new(), buffer: Vec::with_capacity(Self::BUFFER) }
    }

    /// The digest as if no token followed.
    pub(super) fn so_far(&self) -> Checksum {
        let mut hasher = self.hasher.clone();
        hasher.update(&self.buffer);
        Checksum(hasher.finalize().into())
    }

    /// Adds a token; CRLF in it counts as LF.
    pub(super) fn token(&mut self, token: &[u8]) {
        let mut rest = token;
        while rest.contains(&b'\r') {
            let line_end = rest.windows(2).position(|pair| pair == b"\r\n");
            let Some(at) = line_end else { break };
            self.bytes(&rest[..at]);
            rest = &rest[at + 1..];
        }
        self.bytes(rest);
        self.bytes(&[0]);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        if self.buffer.len() + bytes.len() > Self::BUFFER {
            self.hasher.update(&self.buffer);
            self.buffer.clear();
        }
        if bytes.len() > Self::BUFFER {
            self.hasher.update(bytes);
        } else {
            self.buffer.extend_from_slice(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_read_with_or_without_its_prefix() {
        let digest = TokenDigest::new().so_far();
        let text = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(digest.to_string(), text);
        assert_eq!(text.parse(), Ok(digest));
        assert_eq!(digest.to_hex().parse(), Ok(digest));
        assert_eq!(digest.to_hex().to_uppercase().parse(), Ok(digest));
        for wrong in
            ["", "sha256:", "sha256:12", &text.replace('e', "g"), &text.replace("e3", "+3")]
        {
            assert!(wrong.parse::<Checksum>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_buffer_does_not_show_in_the_digest() {
        for length in [0, 1, 8190, 8191, 8192, 8193, 20_000] {
            let long = vec![b'x'; length];
            let mut digest = TokenDigest::new();
            digest.token(b"a");
            digest.token(&long);
            digest.token(b"b\r\nc\r");
            let whole = [b"a\0", long.as_slice(), b"\0b\nc\r\0"].concat();
            assert_eq!(digest.so_far(), Checksum(Sha256::digest(whole).into()));
        }
    }

    #[test]
    fn pinned_chains_never_change() {
        let checksum = TokenDigest::new().so_far();
        let root = Chain::of(checksum, []);
        let merge = Chain::of(checksum, [root, Chain::of(checksum, [root])]);
        assert_eq!(
            root.to_hex(),
            "33860dc69b7bc10bde91aca9dfac8c1e8382fa27118fb960f00746e1920c4a62"
        );
        assert_eq!(
            merge.to_hex(),
            "8154d6dc9a76ad4e0a52f475389d367a6d8fc6dee12b6ea1d7cd94a91ba15dcf"
        );
    }
}
