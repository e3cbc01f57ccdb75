//! The newest file of a folder, and whether it is young enough.

use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::{age, too_old};

/// How much later than here it may be where a file was written.
const SKEW: Duration = Duration::from_mins(5);

/// A file and how long ago it was written; what is in the future by more than two clocks may differ is
/// an error.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Newest {
    path: PathBuf,
    age: Result<Duration, Duration>,
}

/// The newest file at a path, or anywhere below it; an empty file is none, since a dump that failed
/// leaves one behind.
pub(super) async fn newest(path: PathBuf) -> io::Result<Option<Newest>> {
    // A folder may be large, or on a server that does not answer.
    let looked = tokio::task::spawn_blocking(move || look(&path));
    looked.await.unwrap_or_else(|error| Err(io::Error::other(error)))
}

fn look(path: &Path) -> io::Result<Option<Newest>> {
    let mut newest: Option<(SystemTime, PathBuf)> = None;
    let about = fs::metadata(path)?;
    let mut folders = Vec::new();
    if about.is_dir() {
        folders.push(path.to_owned());
    } else {
        take(&mut newest, &about, path.to_owned())?;
    }
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            // A link to a folder could lead round in a circle.
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
                continue;
            }
            match fs::metadata(entry.path()) {
                Ok(about) => take(&mut newest, &about, entry.path())?,
                // It has gone meanwhile, or is a link to what has.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    #[allow(clippy::disallowed_methods, reason = "the times of files are this clock's")]
    let now = SystemTime::now();
    Ok(newest.map(|(written, path)| Newest {
        path,
        age: now.duration_since(written).or_else(|ahead| {
            let ahead = ahead.duration();
            if ahead <= SKEW { Ok(Duration::ZERO) } else { Err(ahead) }
        }),
    }))
}

fn take(
    newest: &mut Option<(SystemTime, PathBuf)>,
    about: &Metadata,
    path: PathBuf,
) -> io::Result<()> {
    if about.is_file() && about.len() > 0 {
        let written = about.modified()?;
        if newest.as_ref().is_none_or(|(other, _)| *other < written) {
            *newest = Some((written, path));
        }
    }
    Ok(())
}

/// Whether what was found at a path is enough, and what it is.
pub(super) fn judge(
    path: &Path,
    found: io::Result<Option<Newest>>,
    max_age: Duration,
) -> (bool, String) {
    let place = path.display();
    let newest = match found {
        Ok(Some(newest)) => newest,
        Ok(None) => return (false, format!("there is no file in {place} that is not empty")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return (false, format!("{place} does not exist"));
        }
        Err(error) => return (false, format!("{place} cannot be read: {error}")),
    };
    let name = match newest.path.strip_prefix(path) {
        Ok(name) if !name.as_os_str().is_empty() => {
            format!("the newest file of {place}, {},", name.display())
        }
        Ok(_) | Err(_) => place.to_string(),
    };
    match newest.age {
        Ok(old) if old <= max_age => (true, format!("{name} is {} old", age(old))),
        Ok(old) => (false, too_old(&format!("{name} is {} old", age(old)), max_age)),
        Err(ahead) => (false, format!("{name} is dated {} in the future", age(ahead))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_judged_by_its_age() {
        let hours = Duration::from_hours;
        let path = Path::new("/b");
        for (file, old, expected, told) in [
            ("/b/x.dump", Ok(1), true, "the newest file of /b, x.dump, is 60 min old"),
            ("/b", Ok(24), true, "/b is 24 h old"),
            (
                "/b/y/x",
                Ok(25),
                false,
                "the newest file of /b, y/x, is 25 h old, and CASTOFF_BACKUP_MAX_AGE is 24 h",
            ),
            ("/b/x", Err(3), false, "the newest file of /b, x, is dated 3 h in the future"),
        ] {
            let newest = Newest { path: file.into(), age: old.map(hours).map_err(hours) };
            let judged = judge(path, Ok(Some(newest)), hours(24));
            assert_eq!(judged, (expected, told.to_owned()));
        }
        for (found, told) in [
            (Ok(None), "there is no file in /b that is not empty"),
            (Err(io::ErrorKind::NotFound.into()), "/b does not exist"),
            (Err(io::ErrorKind::PermissionDenied.into()), "/b cannot be read: permission denied"),
        ] {
            assert_eq!(judge(path, found, hours(24)), (false, told.to_owned()));
        }
    }
}
