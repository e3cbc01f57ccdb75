//! What a file's name says.

use crate::revision::{InvalidRevisionId, RevisionId};

/// Which of a revision's files it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FileKind {
    /// `<id>_<name>.up.sql`, or plain `<id>_<name>.sql`.
    Up,
    /// `<id>_<name>.down.sql`.
    Down,
    /// `<id>_<name>.baseline.sql`.
    Baseline,
}

/// A migration's file name, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileName {
    /// What is before the first `_`.
    pub id: Result<RevisionId, InvalidRevisionId>,
    /// What is between the first `_` and the ending; empty for `<id>.up.sql`.
    pub name: String,
    /// What the ending says.
    pub kind: FileKind,
}

impl FileName {
    /// Takes a name apart; none if it doesn't end in `.sql`.
    pub fn parse(file: &str) -> Option<Self> {
        let stem = file.strip_suffix(".sql")?;
        let (stem, kind) =
            [(".up", FileKind::Up), (".down", FileKind::Down), (".baseline", FileKind::Baseline)]
                .into_iter()
                .find_map(|(suffix, kind)| Some((stem.strip_suffix(suffix)?, kind)))
                .unwrap_or((stem, FileKind::Up));
        let (id, name) = stem.split_once('_').unwrap_or((stem, ""));
        Some(Self { id: RevisionId::new(id), name: name.to_owned(), kind })
    }
}

/// True for files that are no migrations and that nobody minds: hidden and backup files, `README`,
/// `LICENSE`, `castoff.lock`.
pub(super) fn is_ignored(path: &str) -> bool {
    let base = path.rsplit('/').next().unwrap_or(path);
    path.split('/').any(|part| part.starts_with('.'))
        || base.ends_with('~')
        || (base.starts_with('#') && base.ends_with('#'))
        || base.starts_with("README")
        || base.starts_with("LICENSE")
        || base == "castoff.lock"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_what_is_before_the_first_underscore() {
        for (file, id, name, kind) in [
            ("0002_add_email.up.sql", "0002", "add_email", FileKind::Up),
            ("0002_add_email.down.sql", "0002", "add_email", FileKind::Down),
            ("0001_v106.baseline.sql", "0001", "v106", FileKind::Baseline),
            ("20220530084123_jobs.sql", "20220530084123", "jobs", FileKind::Up),
            ("4f1c2a9b7d30.up.sql", "4f1c2a9b7d30", "", FileKind::Up),
            ("1.2_x.y.up.sql", "1.2", "x.y", FileKind::Up),
            ("3_.sql", "3", "", FileKind::Up),
        ] {
            let id = RevisionId::new(id);
            let expected = FileName { id, name: name.to_owned(), kind };
            assert_eq!(FileName::parse(file), Some(expected), "{file}");
        }
        assert_eq!(FileName::parse("0002_add_email.up.SQL"), None);
        assert!(FileName::parse("_x.up.sql").unwrap().id.is_err());
        assert!(FileName::parse(".sql").unwrap().id.is_err());
    }

    #[test]
    fn editors_files_and_notes_are_ignored() {
        for path in [
            ".keep",
            ".0002_x.up.sql.swp",
            "0002_x.up.sql~",
            "README.md",
            "LICENSE",
            "castoff.lock",
        ] {
            assert!(is_ignored(path), "{path}");
        }
        assert!(is_ignored(".git/config"));
        assert!(!is_ignored("0002_x.up.sql.orig"));
        assert!(!is_ignored("sub/0002_x.up.sql"));
    }
}
