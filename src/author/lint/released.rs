//! What became of a release: the folder as it was then beside the folder as it is.

use std::collections::BTreeSet;

use super::rule::Rule;
use super::rules;
use crate::revision::{Checksum, Graph, Revision, RevisionId};

/// A revision that databases have applied, or will not get the way they should.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Broken {
    pub(super) rule: &'static Rule,
    pub(super) revision: RevisionId,
    /// The file, as the folder that has it shows it.
    pub(super) file: String,
    pub(super) message: String,
}

/// What must not be done to a release, and was.
pub(super) fn broken(released: &Graph, now: &Graph) -> Vec<Broken> {
    let mut broken: Vec<Broken> = Vec::new();
    for old in released.revisions() {
        match now.get(old.id()) {
            Some(new) => broken.extend(edited(old, new)),
            None if is_in_baseline(old, released, now) => {}
            None => broken.push(Broken {
                rule: rules::REMOVED_AFTER_RELEASE,
                revision: old.id().clone(),
                file: file(old),
                message: format!("{} was released and is gone", old.id()),
            }),
        }
    }
    let kept = released.revisions().iter().map(Revision::id).filter(|id| now.get(id).is_some());
    let kept: BTreeSet<RevisionId> = kept.cloned().collect();
    let before = now.lineage().ancestors(&kept);
    for new in now.revisions().iter().filter(|it| is_new(it, released) && before.contains(it.id()))
    {
        let after = kept.iter().filter(|id| now.lineage().ancestors([*id]).contains(new.id()));
        let first = after.min_by_key(|id| now.lineage().ancestors([*id]).len());
        let after = first.map(ToString::to_string).unwrap_or_default();
        broken.push(Broken {
            rule: rules::INSERTED_BEFORE_RELEASE,
            revision: new.id().clone(),
            file: file(new),
            message: format!("{} is new, and comes before {after}, which was released", new.id()),
        });
    }
    broken
}

/// Whether a revision was not in the release.
pub(super) fn is_new(revision: &Revision, released: &Graph) -> bool {
    released.get(revision.id()).is_none()
}

fn edited(old: &Revision, new: &Revision) -> Option<Broken> {
    // Its history may have become a baseline.
    let squashed = old.up().is_some() && new.up().is_none();
    let accepted = |checksum: Checksum| new.accepts().any(|it| it == checksum);
    if squashed || old.checksum() == new.checksum() || accepted(old.checksum()) {
        return None;
    }
    Some(Broken {
        rule: rules::EDITED_AFTER_RELEASE,
        revision: new.id().clone(),
        file: file(new),
        message: format!("{} was released as {}", new.id(), old.checksum()),
    })
}

/// Whether a baseline of the folder stands for a revision that is gone.
fn is_in_baseline(old: &Revision, released: &Graph, now: &Graph) -> bool {
    let baselines = now.revisions().iter().filter(|revision| revision.baseline().is_some());
    let then = baselines.filter(|revision| released.get(revision.id()).is_some());
    let mut covered = then.map(|revision| released.lineage().ancestors([revision.id()]));
    covered.any(|ancestors| ancestors.contains(old.id()))
}

fn file(revision: &Revision) -> String {
    let script = revision.up().or(revision.baseline());
    script.map(|script| script.file().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::revision::folder;

    fn graph(files: &[(&str, &str)]) -> Graph {
        folder::read(files.iter().map(|(name, text)| ((*name).to_owned(), text)), "m").unwrap()
    }

    fn found(then: &[(&str, &str)], now: &[(&str, &str)]) -> Vec<String> {
        let broken = broken(&graph(then), &graph(now));
        broken.iter().map(|it| format!("{} {} {}", it.rule.name, it.revision, it.file)).collect()
    }

    const THEN: [(&str, &str); 3] =
        [("1_a.up.sql", "select 1"), ("2_b.up.sql", "select 2"), ("3_c.up.sql", "select 3")];

    #[test]
    fn a_released_file_may_get_comments_but_no_other_statement() {
        let [one, _, three] = THEN;
        assert_eq!(found(&THEN, &[one, ("2_b.up.sql", "-- x\nselect  2;"), three]), [""; 0]);
        assert_eq!(
            found(&THEN, &[one, ("2_b.up.sql", "select 22"), three]),
            ["edited-after-release 2 m/2_b.up.sql"]
        );
        let accepts = format!("-- Accepts: {}\nselect 22", graph(&THEN).revisions()[1].checksum());
        assert_eq!(found(&THEN, &[one, ("2_b.up.sql", &accepts), three]), [""; 0]);
    }

    #[test]
    fn a_released_revision_may_go_only_into_a_baseline() {
        let [one, _, three] = THEN;
        assert_eq!(found(&THEN, &[one, three]), ["removed-after-release 2 m/2_b.up.sql"]);
        let baseline = ("2_b.baseline.sql", "select 1; select 2");
        assert_eq!(found(&THEN, &[baseline, three]), [""; 0]);
        let later = ("4_d.baseline.sql", "-- Revises: none\nselect 4");
        assert_eq!(found(&THEN, &[later]).len(), 3);
    }

    #[test]
    fn a_new_revision_comes_behind_those_that_were_released() {
        let [one, two, three] = THEN;
        assert_eq!(found(&THEN, &[one, two, three, ("4_d.up.sql", "select 4")]), [""; 0]);
        assert_eq!(
            found(
                &THEN,
                &[
                    one,
                    ("15_x.up.sql", "-- Revises: 1\nselect 15"),
                    ("2_b.up.sql", "-- Revises: 15\nselect 2"),
                    three
                ]
            ),
            ["inserted-before-release 15 m/15_x.up.sql"]
        );
        // A branch of its own beside it, and a merge behind both.
        let branch = ("2x_x.up.sql", "-- Revises: 1\nselect 0");
        let merge = ("4_m.up.sql", "-- Revises: 3, 2x\n");
        let three = ("3_c.up.sql", "-- Revises: 2\nselect 3");
        assert_eq!(found(&THEN, &[one, two, branch, three, merge]), [""; 0]);
    }
}
