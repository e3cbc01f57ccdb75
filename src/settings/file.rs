//! Reading the files that say how to connect.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::error::shown;
use crate::database_url::PasswordFile;

/// Nobody's secret is longer; /dev/zero and a log file in the wrong place are.
pub(super) const LONGEST_SECRET: u64 = 64 * 1024;

/// Nor is a file with a line for each of somebody's databases.
const LONGEST: u64 = 1024 * 1024;

/// Reads a file that has at most so many bytes, or one more to tell that it has too many.
pub(super) fn read(path: &Path, longest: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(longest + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads a text of some lines.
pub(super) fn text(path: &Path) -> io::Result<String> {
    let bytes = read(path, LONGEST)?;
    if bytes.len() as u64 > LONGEST {
        return Err(io::Error::new(ErrorKind::FileTooLarge, "it is longer than 1 MiB"));
    }
    String::from_utf8(bytes).map_err(|_| io::Error::new(ErrorKind::InvalidData, "it is not UTF-8"))
}

/// Reads a password file if it is there; as to libpq, one that others may read is none, with a warning.
pub(super) fn password_file(path: &Path) -> Result<PasswordFile, String> {
    let unread = |why: &str| Err(format!("the password file{} is not read: {why}", shown(path)));
    let about = match path.metadata() {
        Ok(about) => about,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(PasswordFile::default());
        }
        Err(error) => return unread(&error.to_string()),
    };
    if !about.is_file() {
        return unread("it is no plain file");
    }
    if about.permissions().mode() & 0o077 != 0 {
        return unread("its group or others have rights to it; chmod 0600 is what libpq demands");
    }
    text(path).map(PasswordFile::new).or_else(|error| unread(&error.to_string()))
}
