//! What takes a database that nobody can ask from one revision to another.

use super::decide::{Policy, decide};
use super::state::{Applied, DatabaseState, Ledger, Origin, Progress, Recorded};
use super::undo::downgrade;
use super::{Plan, Refusal, in_order};
use crate::revision::{Graph, Resolved, RevisionId, Target};

/// Decides what takes a database from `from` to `to`, up or down.
///
/// It is taken to have `from` and what that builds on, as this image has them, and nothing else; at
/// `base` it is empty, and starts from the newest baseline unless `history` says otherwise. A
/// relative `to` counts from `from`.
pub fn between(graph: &Graph, from: &Target, to: &Target, history: bool) -> Result<Plan, Refusal> {
    let all: Vec<_> = graph.heads().into_iter().cloned().collect();
    let heads = match from.resolve(graph.lineage(), &all).map_err(Refusal::Target)? {
        Resolved::Base => Vec::new(),
        Resolved::Revision(id) => vec![id],
        Resolved::Heads => all,
    };
    let state = standing_at(graph, &heads);
    let applied = graph.lineage().ancestors(&heads);
    let is_downwards = match to.resolve(graph.lineage(), &heads).map_err(Refusal::Target)? {
        Resolved::Base => !heads.is_empty(),
        Resolved::Revision(id) => applied.contains(&id),
        Resolved::Heads => false,
    };
    if is_downwards {
        downgrade(graph, &state, to)
    } else {
        decide(graph, &state, &Policy { target: to.clone(), history, ..Policy::head() })
    }
}

/// What a database says of itself that has these revisions and all before them.
fn standing_at(graph: &Graph, heads: &[RevisionId]) -> DatabaseState {
    let rows = in_order(graph, &graph.lineage().ancestors(heads));
    let rows = rows.into_iter().filter_map(|revision| {
        Some(Applied {
            revision: revision.id().clone(),
            down_revisions: revision.down_revisions().to_vec(),
            message: revision.message().to_owned(),
            recorded: Recorded::of(revision),
            chain: *graph.chain(revision.id())?,
            head: heads.contains(revision.id()),
            origin: Origin::Upgrade,
            breaking: revision.breaking(),
            has_down_sql: false,
            progress: Progress::Complete,
        })
    });
    DatabaseState { ledger: Ledger::new(rows), ..DatabaseState::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Action;
    use crate::revision::folder;

    const FOLDER: [(&str, &str); 8] = [
        ("a_x.up.sql", "-- Revises: none"),
        ("b_x.up.sql", "-- Revises: a\nSELECT 1"),
        ("b_x.down.sql", "SELECT 2"),
        ("c_x.up.sql", "-- Revises: a\nSELECT 3"),
        ("c_x.down.sql", "SELECT 4"),
        ("d_x.up.sql", "-- Revises: b, c\nSELECT 5"),
        ("d_x.down.sql", "SELECT 6"),
        ("d_x.baseline.sql", "SELECT 7"),
    ];

    fn steps(from: &str, to: &str, history: bool) -> Result<String, Refusal> {
        let files = FOLDER.map(|(name, text)| (name.to_owned(), text.as_bytes()));
        let graph = folder::read(files, "m").unwrap();
        let target = |text| Target::parse(text).unwrap();
        let plan = between(&graph, &target(from), &target(to), history)?;
        let ids =
            |ids: &[RevisionId]| ids.iter().map(RevisionId::as_str).collect::<Vec<_>>().join(",");
        let steps = plan.steps().iter().map(|step| {
            let sign = match step.action() {
                Action::Baseline { .. } => '=',
                Action::Upgrade { .. } => '+',
                Action::Downgrade { .. } => '-',
                Action::Record { .. } | Action::Stamp { .. } | Action::Rechain { .. } => '?',
            };
            format!("{}{sign}{}", ids(step.heads_before()), ids(step.heads_after()))
        });
        Ok(steps.collect::<Vec<_>>().join(" "))
    }

    /// ```text
    /// a ─┬─ b ─┬─ d
    ///    └─ c ─┘
    /// ```
    #[test]
    fn each_way_has_its_steps() {
        for (from, to, history, expected) in [
            ("base", "head", false, "=d"),
            ("base", "head", true, "+a a+b b+b,c b,c+d"),
            ("base", "b", false, "+a a+b"),
            ("b", "head", false, "b+b,c b,c+d"),
            ("b", "c", false, "b+b,c"),
            ("head", "head", false, ""),
            ("base", "base", false, ""),
            ("b", "b", false, ""),
            ("head", "a", false, "d-b,c b,c-b b-a"),
            ("head", "b", false, "d-b,c"),
            ("b", "base", false, "b-a a-"),
            ("b", "-1", false, "b-a"),
        ] {
            let steps = steps(from, to, history).unwrap();
            assert_eq!(steps, expected, "{from}:{to}");
        }
    }

    #[test]
    fn a_revision_that_is_not_there_is_refused() {
        assert!(matches!(steps("x", "head", false), Err(Refusal::Target(_))));
        assert!(matches!(steps("base", "x", false), Err(Refusal::Target(_))));
        assert!(matches!(steps("a", "+1", false), Err(Refusal::Target(_))), "two follow");
    }
}
