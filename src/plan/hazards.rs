//! The hazards of the revisions that are to run, and which of them matter to this database now.
//!
//! What `castoff.lock` has of a revision and its file does not allow is a hazard where one of its
//! tables holds rows, or where it is about no table. An empty database has none.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use super::decide::{Image, Policy};
use super::state::{DatabaseState, Progress};
use super::{Action, Plan, Refusal, Standing};
use crate::revision::{Revision, RevisionId};
use crate::schema::{Hazard, Stale};

/// What to do about hazards that nobody has acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Hazards {
    /// Nothing: nobody looks.
    Ignore,
    /// Say so.
    Warn,
    /// Refuse.
    Refuse,
}

impl fmt::Display for Hazards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ignore => "ignore",
            Self::Warn => "warn",
            Self::Refuse => "refuse",
        })
    }
}

/// A hazard of a revision that is to run, which matters to this database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Danger {
    /// The revision.
    pub revision: RevisionId,
    /// The name that `castoff lint` has for it.
    pub hazard: String,
    /// The tables that it is about and that hold rows, as the revision writes them.
    pub tables: Vec<String>,
}

impl Danger {
    /// What it is, without the revision.
    pub fn what(&self) -> String {
        self.told("")
    }

    fn told(&self, place: &str) -> String {
        let Self { hazard, tables, .. } = self;
        match &tables[..] {
            [] => format!("{hazard}{place}"),
            [table] => format!("{hazard}{place} ({table} holds rows)"),
            tables => format!("{hazard}{place} ({} hold rows)", tables.join(", ")),
        }
    }
}

impl fmt::Display for Danger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.told(&format!(" in {}", self.revision)))
    }
}

/// The tables of which it has to be known whether they hold rows, as the revisions write them.
pub fn tables_in_question<'a>(image: Image<'a>, state: &DatabaseState) -> BTreeSet<&'a str> {
    if state.ledger.is_none() && state.user_objects.count == 0 {
        return BTreeSet::new();
    }
    let is_applied = |revision: &Revision| {
        let row = state.ledger.as_ref().and_then(|ledger| ledger.get(revision.id()));
        row.is_some_and(|row| row.progress == Progress::Complete)
    };
    let pending = image.graph.revisions().iter().filter(|revision| !is_applied(revision));
    pending
        .flat_map(|revision| unallowed(image, revision))
        .flat_map(|hazard| hazard.tables.iter().map(String::as_str))
        .collect()
}

/// What of the plan's revisions matters; an error if the policy is to refuse it.
pub(super) fn weigh(
    image: Image<'_>,
    plan: &Plan,
    state: &DatabaseState,
    policy: &Policy,
) -> Result<Vec<Danger>, Refusal> {
    if policy.hazards == Hazards::Ignore || *plan.standing() == Standing::Fresh {
        return Ok(Vec::new());
    }
    // What stopped half-way was weighed when it began.
    let begun = plan.steps().iter().filter_map(|step| match step.action() {
        Action::Upgrade { revision, resume: None } => image.graph.get(revision),
        Action::Upgrade { resume: Some(_), .. }
        | Action::Record { .. }
        | Action::Baseline { .. }
        | Action::Downgrade { .. }
        | Action::Stamp { .. }
        | Action::Rechain { .. } => None,
    });
    let begun: Vec<_> = begun.collect();
    if policy.hazards == Hazards::Refuse {
        refuse_unknown(image, &begun)?;
    }
    let hazards: Vec<_> = begun
        .into_iter()
        .flat_map(|revision| unallowed(image, revision).map(move |hazard| (revision, hazard)))
        .filter_map(|(revision, hazard)| danger(revision, hazard, state))
        .collect();
    match policy.hazards {
        Hazards::Refuse if !hazards.is_empty() => Err(Refusal::Hazards { hazards }),
        Hazards::Ignore | Hazards::Warn | Hazards::Refuse => Ok(hazards),
    }
}

/// Where hazards are refused, those of a revision must be known, if those of any are.
fn refuse_unknown(image: Image<'_>, revisions: &[&Revision]) -> Result<(), Refusal> {
    let Some(lock) = image.lock else { return Ok(()) };
    let mut stale = lock.stale(image.graph);
    stale.retain(|stale| match stale {
        Stale::Missing(id) | Stale::Changed(id) => {
            revisions.iter().any(|revision| revision.id() == id && lock.get(revision).is_none())
        }
        Stale::Unknown(_) | Stale::Early(_) => false,
    });
    if stale.is_empty() { Ok(()) } else { Err(Refusal::StaleLock { stale }) }
}

/// What the lock has of a revision, and its file does not allow.
fn unallowed<'a>(image: Image<'a>, revision: &'a Revision) -> impl Iterator<Item = &'a Hazard> {
    image.lock.into_iter().flat_map(|lock| lock.hazards(revision))
}

fn danger(revision: &Revision, hazard: &Hazard, state: &DatabaseState) -> Option<Danger> {
    // A table that nobody has looked at may hold rows.
    let holds_rows =
        |table: &&String| state.occupied.as_ref().is_none_or(|occupied| occupied.contains(*table));
    let tables: Vec<_> = hazard.tables.iter().filter(holds_rows).cloned().collect();
    let matters = hazard.tables.is_empty() || !tables.is_empty();
    let danger = Danger { revision: revision.id().clone(), hazard: hazard.name.clone(), tables };
    matters.then_some(danger)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{UserObjects, decide};
    use crate::revision::{Graph, folder};
    use crate::schema::{Entry, Lock, Optional};

    const FILES: [(&str, &str); 3] = [
        ("1_a.up.sql", "CREATE TABLE a (x int, y int)"),
        ("2_b.up.sql", "ALTER TABLE a DROP x"),
        ("3_c.up.sql", "-- c\n-- Allow: drop-table it is empty\nDROP TABLE a; DROP TYPE t"),
    ];

    fn graph() -> Graph {
        folder::read(FILES.map(|(name, sql)| (name.to_owned(), sql)), "migrations").unwrap()
    }

    fn lock(graph: &Graph) -> Lock {
        let hazards = |revision: &str| match revision {
            "2" => vec!["drop-column a", "rename-table a b.c"],
            "3" => vec!["drop-table a", "drop-type"],
            _ => Vec::new(),
        };
        let entry = |revision: &Revision| Entry {
            revision: revision.id().clone(),
            checksum: revision.checksum(),
            baseline: None,
            removes: Vec::new(),
            adds: Vec::new(),
            hazards: hazards(revision.id().as_str()).iter().map(|it| it.parse().unwrap()).collect(),
        };
        Lock::new(Optional::default(), graph.revisions().iter().map(entry).collect())
    }

    /// A database with objects in it, where `CASTOFF_BASELINE` says what it is at.
    fn occupied(tables: Option<&[&str]>) -> DatabaseState {
        DatabaseState {
            user_objects: UserObjects { count: 1, examples: vec!["table public.a".to_owned()] },
            occupied: tables.map(|tables| tables.iter().map(|&table| table.to_owned()).collect()),
            ..DatabaseState::default()
        }
    }

    fn policy(hazards: Hazards, baseline: &str) -> Policy {
        let baseline = Some(super::super::Baseline(baseline.to_owned()));
        Policy { baseline, hazards, ..Policy::head() }
    }

    fn told(hazards: &[Danger]) -> String {
        hazards.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn a_hazard_matters_where_a_table_of_its_holds_rows_or_where_it_has_none() {
        let graph = graph();
        let lock = lock(&graph);
        let image = Image { graph: &graph, lock: Some(&lock) };
        for (tables, at, expected) in [
            (Some(&[][..]), "1", "drop-type in 3"),
            (
                Some(&["a"]),
                "1",
                "drop-column in 2 (a holds rows); rename-table in 2 (a holds rows); drop-type in 3",
            ),
            (Some(&["b.c"]), "1", "rename-table in 2 (b.c holds rows); drop-type in 3"),
            (Some(&["a", "b.c"]), "2", "drop-type in 3"),
            (Some(&["a", "b.c"]), "3", ""),
            (
                None,
                "1",
                "drop-column in 2 (a holds rows); rename-table in 2 (a, b.c hold rows); drop-type \
                 in 3",
            ),
        ] {
            let state = occupied(tables);
            let warned = decide(image, &state, &policy(Hazards::Warn, at)).unwrap();
            assert_eq!(told(warned.hazards()), expected, "{tables:?} at {at}");
            let ignored = decide(image, &state, &policy(Hazards::Ignore, at)).unwrap();
            assert_eq!(ignored.hazards(), []);
            match decide(image, &state, &policy(Hazards::Refuse, at)) {
                Err(Refusal::Hazards { hazards }) => assert_eq!(told(&hazards), expected),
                other => assert!(expected.is_empty() && other.is_ok(), "{other:?}"),
            }
        }
    }

    #[test]
    fn an_empty_database_has_no_hazards_and_no_questions() {
        let graph = graph();
        let lock = lock(&graph);
        let image = Image { graph: &graph, lock: Some(&lock) };
        let state = DatabaseState::default();
        assert!(tables_in_question(image, &state).is_empty());
        let policy = Policy { hazards: Hazards::Refuse, ..Policy::head() };
        assert_eq!(decide(image, &state, &policy).unwrap().hazards(), []);
    }

    #[test]
    fn only_tables_of_hazards_that_nobody_allows_are_in_question() {
        let graph = graph();
        let lock = lock(&graph);
        let image = Image { graph: &graph, lock: Some(&lock) };
        let questions = tables_in_question(image, &occupied(None));
        assert_eq!(questions, BTreeSet::from(["a", "b.c"]));
        assert!(tables_in_question(Image::from(&graph), &occupied(None)).is_empty());
    }

    #[test]
    fn a_lock_that_does_not_know_a_revision_is_refused_where_its_hazards_would_be() {
        let graph = graph();
        let full = lock(&graph);
        let lock = Lock::new(full.optional, full.entries()[..2].to_vec());
        let image = Image { graph: &graph, lock: Some(&lock) };
        let state = occupied(Some(&[]));
        assert_eq!(decide(image, &state, &policy(Hazards::Warn, "2")).unwrap().hazards(), []);
        let refused = decide(image, &state, &policy(Hazards::Refuse, "2")).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "castoff.lock does not fit the migrations: 3 is not in castoff.lock"
        );
        assert!(decide(image, &state, &policy(Hazards::Refuse, "3")).is_ok());
    }
}
