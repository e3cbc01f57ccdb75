//! A revision in which the branches of a folder meet.

use crate::author::create::{CreateError, Draft, New, Place};
use crate::revision::{RevisionId, folder};

impl Place<'_> {
    /// A revision after the heads that are named, by their ids or the beginnings of them, or after
    /// all heads if none is. It does nothing.
    pub(crate) fn merge(
        &mut self,
        named: &[String],
        message: Option<&str>,
    ) -> Result<Vec<New>, CreateError> {
        let lineage = folder::lineage(self.files.iter().cloned(), self.label)?;
        let heads: Vec<RevisionId> = lineage.heads().into_iter().cloned().collect();
        let mut parents = if named.is_empty() {
            heads.clone()
        } else {
            named.iter().map(|word| head(word, &heads)).collect::<Result<_, _>>()?
        };
        parents.sort();
        parents.dedup();
        if parents.len() < 2 {
            return Err(CreateError::NothingToMerge { heads });
        }
        let message = message.map_or_else(|| format!("merge {}", list(&parents)), str::to_owned);
        self.create(&parents, &message, &[Draft::default()])
    }
}

/// The one head that a word means.
fn head(word: &str, heads: &[RevisionId]) -> Result<RevisionId, CreateError> {
    let exact = heads.iter().find(|head| head.as_str() == word);
    let mut begin = heads.iter().filter(|head| head.as_str().starts_with(word));
    match (exact, begin.next(), begin.next()) {
        (Some(head), _, _) | (None, Some(head), None) => Ok(head.clone()),
        (None, _, _) => {
            Err(CreateError::NoHead { revision: word.to_owned(), heads: heads.to_vec() })
        }
    }
}

/// As Alembic's users write it.
fn list(ids: &[RevisionId]) -> String {
    match ids {
        [] => String::new(),
        [one] => one.to_string(),
        [most @ .., last] => {
            let most: Vec<&str> = most.iter().map(RevisionId::as_str).collect();
            format!("{} and {last}", most.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::author::create::{Files, Moment};

    /// `1 -> 2, 1 -> 3, 1 -> 31`
    fn branches() -> Files {
        let files = [("1", "none"), ("2", "1"), ("3", "1"), ("31", "1")];
        files
            .map(|(id, revises)| {
                (format!("{id}_x.up.sql"), format!("-- Revises: {revises}").into_bytes())
            })
            .to_vec()
    }

    fn merge(files: &Files, named: &[&str], message: Option<&str>) -> Result<New, CreateError> {
        let named: Vec<String> = named.iter().map(|word| (*word).to_owned()).collect();
        let mut random = || 0;
        let mut place = Place { files, label: "m", moment: Moment::now(), random: &mut random };
        place.merge(&named, message).map(|news| news[0].clone())
    }

    #[test]
    fn all_heads_are_merged_unless_some_are_named() {
        for (named, message, parents) in [
            (&[][..], "merge 2, 3 and 31", &["2", "3", "31"][..]),
            (&["3", "2"], "merge 2 and 3", &["2", "3"]),
            (&["31", "2", "31"], "merge 2 and 31", &["2", "31"]),
        ] {
            let new = merge(&branches(), named, None).unwrap();
            assert_eq!(new.message, message);
            let found: Vec<&str> = new.down_revisions.iter().map(RevisionId::as_str).collect();
            assert_eq!(found, parents);
            assert_eq!(new.id.as_str(), "32");
        }
        assert_eq!(merge(&branches(), &[], Some("meet")).unwrap().message, "meet");
    }

    #[test]
    fn what_is_no_head_is_not_merged() {
        for (named, expected) in [
            (&["1", "2"][..], "\"1\" is no head; the heads are: 2, 3, 31"),
            (&["2", "x"], "\"x\" is no head"),
            (&["2"], "there are not two heads to merge; the heads are: 2, 3, 31"),
            (&["2", "2"], "not two heads"),
        ] {
            let error = merge(&branches(), named, None).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
            assert_eq!(error.exit_code(), 64);
        }
        let line: Files = branches().into_iter().take(2).collect();
        assert!(matches!(merge(&line, &[], None), Err(CreateError::NothingToMerge { .. })));
    }
}
