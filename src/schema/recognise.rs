//! Which revision an unversioned schema is, by proof.

use std::collections::{BTreeMap, BTreeSet};

use super::{Difference, Identity, Kind, Line, Lock, Schema};
use crate::revision::{Graph, Revision, RevisionId};

/// What a schema turns out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recognition {
    /// The schema of this revision and of no other; or of a baseline and of revisions that, like it,
    /// changed only data.
    Exactly {
        /// The revision.
        revision: RevisionId,
        /// What is there besides, of which no revision ever speaks.
        unmanaged: Vec<Line>,
        /// How many bodies were not compared; see [`Comparison`].
        unchecked: usize,
        /// All heads that it may have, this revision among them.
        candidates: Vec<Vec<RevisionId>>,
    },
    /// The schema of several revisions, which only data tells apart.
    Ambiguous {
        /// The heads that it may have, parents first; several at once before a merge.
        candidates: Vec<Vec<RevisionId>>,
    },
    /// The schema of no revision.
    Unknown {
        /// The revision that it differs from least.
        nearest: RevisionId,
        /// How it differs from that.
        difference: Difference,
    },
    /// Nothing that any revision speaks of is there.
    Foreign,
}

impl Recognition {
    /// The revision that it is, or differs from least; the latest of several.
    pub fn nearest(&self) -> Option<&RevisionId> {
        match self {
            Self::Exactly { revision, .. } => Some(revision),
            Self::Ambiguous { candidates } => candidates.last()?.last(),
            Self::Unknown { nearest, .. } => Some(nearest),
            Self::Foreign => None,
        }
    }
}

/// Compares a schema with that of every revision; see [`compare`] for what counts.
pub fn recognise(lock: &Lock, graph: &Graph, found: &Schema) -> Recognition {
    let managed = lock.managed();
    let ours: BTreeMap<_, _> = found
        .lines()
        .filter(|line| managed.contains(&line.identity))
        .map(|line| (&line.identity, line))
        .collect();
    // What somebody who looks after the server has put there for everybody proves nothing.
    let is_scenery = |id: &&Identity| matches!(id.kind, Kind::Extension | Kind::Schema);
    if ours.keys().all(is_scenery) {
        return Recognition::Foreign;
    }
    let parts: Vec<_> = found
        .lines()
        .filter(|line| !managed.contains(&line.identity) && changes_its_table(line))
        .collect();

    let mut walk = Walk::default();
    let mut best: Option<(usize, &RevisionId)> = None;
    let mut equal: Vec<&Revision> = Vec::new();
    for revision in graph.revisions() {
        walk.to(lock, graph, revision.id());
        let distance = walk.distance(&ours, &parts);
        if distance == 0 {
            equal.push(revision);
        }
        // The latest of equals: who walked further is nearer to the head.
        if best.is_none_or(|(least, _)| distance <= least) {
            best = Some((distance, revision.id()));
        }
    }

    let candidates = candidates(lock, &equal);
    let mut baselines = equal.iter().filter(|revision| revision.baseline().is_some());
    // What a body that can't be compared may tell apart is not told apart by data alone.
    let are_alike = || {
        let mut schemas = candidates.iter().map(|heads| lock.schema(graph, heads));
        schemas.next().is_some_and(|first| schemas.all(|schema| schema == first))
    };
    let chosen = match (candidates.as_slice(), baselines.next(), baselines.next()) {
        ([only], _, _) => only.first(),
        (_, Some(baseline), None) if are_alike() => Some(baseline.id()),
        (_, _, _) => None,
    };
    let at = |revision: &RevisionId| {
        compare(lock, &lock.schema(graph, std::slice::from_ref(revision)), found)
    };
    match (chosen, best) {
        (Some(revision), _) => {
            let Comparison { unmanaged, unchecked, .. } = at(revision);
            let revision = revision.clone();
            Recognition::Exactly { revision, unmanaged, unchecked, candidates }
        }
        (None, Some((0, _))) => Recognition::Ambiguous { candidates },
        (None, Some((_, nearest))) => {
            let Comparison { difference, .. } = at(nearest);
            Recognition::Unknown { nearest: nearest.clone(), difference }
        }
        (None, None) => Recognition::Foreign,
    }
}

/// What the heads may be if the schema is that of each of these revisions.
///
/// One that runs nothing need not be told from its parents. A merge that runs something, but nothing
/// that the schema shows, may not have run yet.
fn candidates(lock: &Lock, equal: &[&Revision]) -> Vec<Vec<RevisionId>> {
    let mut candidates: Vec<Vec<RevisionId>> = Vec::new();
    for revision in equal {
        let parents = revision.down_revisions();
        let runs_something = revision.up().is_some_and(|up| !up.statements().is_empty());
        let shows_nothing = lock.get(revision).is_some_and(|entry| entry.lines().is_empty());
        if !runs_something {
            candidates.retain(|heads| heads != parents);
        } else if parents.len() > 1 && shows_nothing {
            candidates.push(parents.to_vec());
        }
        candidates.push(vec![revision.id().clone()]);
    }
    candidates
}

/// A schema beside the one that it should be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Comparison {
    /// What counts.
    pub difference: Difference,
    /// What is there besides, of which no revision ever speaks.
    pub unmanaged: Vec<Line>,
    /// How many bodies were not compared, since the lock has them of another major version.
    pub unchecked: usize,
}

impl Comparison {
    /// How many bodies of two schemas say nothing of each other.
    pub fn unchecked(expected: &Schema, found: &Schema) -> usize {
        let differ =
            |line: &&Line| found.get(&line.identity).is_some_and(|other| line.major != other.major);
        expected.lines().filter(differ).count()
    }
}

/// Compares a schema with the one that it should be.
///
/// What no revision ever speaks of does not count, unless it is a part of a table that is expected:
/// with a column, constraint, trigger, rule, policy or unique index more it is another table. An index
/// that forbids nothing is somebody's tuning.
pub fn compare(lock: &Lock, expected: &Schema, found: &Schema) -> Comparison {
    let managed = lock.managed();
    let (counted, unmanaged): (Vec<&Line>, Vec<&Line>) = found.lines().partition(|line| {
        managed.contains(&line.identity)
            || changes_its_table(line) && is_part_of(line, |whole| expected.get(whole).is_some())
    });
    let counted = counted.into_iter().cloned().collect();
    // Of an object that nobody manages its name is enough.
    let of_ours =
        |line: &&&Line| line.table().is_none() || is_part_of(line, |whole| managed.contains(whole));
    let unmanaged =
        unmanaged.iter().filter(|line| line.identity.kind != Kind::Body).filter(of_ours);
    Comparison {
        unchecked: Comparison::unchecked(expected, found),
        difference: Difference::between(expected, &counted),
        unmanaged: unmanaged.map(|line| (*line).clone()).collect(),
    }
}

/// Whether a line, if nobody manages it, makes the table that it belongs to another one.
fn changes_its_table(line: &Line) -> bool {
    line.identity.kind.is_part()
        || line.identity.kind == Kind::Index && line.definition.starts_with("CREATE UNIQUE ")
}

/// The kinds that have parts.
const WHOLES: [Kind; 5] =
    [Kind::Table, Kind::View, Kind::MaterializedView, Kind::Type, Kind::Domain];

/// Whether a line is a part of something that is there.
fn is_part_of(line: &Line, is_there: impl Fn(&Identity) -> bool) -> bool {
    line.table().is_some_and(|table| {
        WHOLES.into_iter().any(|kind| is_there(&Identity { kind, name: table.to_owned() }))
    })
}

/// The schema of one revision after the other; on a line, each costs what it changes.
#[derive(Default)]
struct Walk<'a> {
    applied: BTreeSet<RevisionId>,
    schema: BTreeMap<&'a Identity, &'a Line>,
}

impl<'a> Walk<'a> {
    fn to(&mut self, lock: &'a Lock, graph: &Graph, revision: &RevisionId) {
        let wanted = graph.lineage().ancestors([revision]);
        if !self.applied.is_subset(&wanted) {
            *self = Self::default();
        }
        for entry in lock.entries() {
            if wanted.contains(&entry.revision) && !self.applied.contains(&entry.revision) {
                for line in &entry.removes {
                    self.schema.remove(&line.identity);
                }
                self.schema.extend(entry.adds.iter().map(|line| (&line.identity, line)));
            }
        }
        self.applied = wanted;
    }

    /// How many managed lines, and unmanaged parts of managed tables, are otherwise.
    fn distance(&self, ours: &BTreeMap<&Identity, &Line>, parts: &[&Line]) -> usize {
        let counts = |identity: &&Identity| identity.kind != Kind::Body;
        let missing =
            self.schema.keys().filter(|id| !ours.contains_key(*id)).filter(|id| counts(id));
        let extra = ours.keys().filter(|id| !self.schema.contains_key(*id)).filter(|id| counts(id));
        let different = self.schema.iter().filter(|(identity, line)| {
            ours.get(*identity).is_some_and(|found| !line.agrees(found))
        });
        let is_there = |whole: &Identity| self.schema.contains_key(whole);
        let parts = parts.iter().filter(|line| is_part_of(line, is_there));
        missing.count() + extra.count() + different.count() + parts.count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::revision::folder;

    fn graph(files: &[(&str, &str)]) -> Graph {
        folder::read(files.iter().map(|(name, text)| ((*name).to_owned(), text)), "m").unwrap()
    }

    fn lines(text: &str) -> Vec<Line> {
        text.lines().map(|line| line.trim().parse().unwrap()).collect()
    }

    fn schema(text: &str) -> Schema {
        lines(text).into_iter().collect()
    }

    /// A lock whose revisions do these things: `+` and `-` lines by id.
    fn lock(graph: &Graph, effects: &[(&str, &str)]) -> Lock {
        let entries = graph.revisions().iter().map(|revision| {
            let effect = effects.iter().find(|(id, _)| *id == revision.id().as_str());
            let effect = effect.map_or("", |(_, effect)| effect);
            let of = |sign: &str| {
                effect
                    .lines()
                    .filter_map(|line| line.trim().strip_prefix(sign))
                    .map(|line| line.trim().parse().unwrap())
                    .collect()
            };
            crate::schema::Entry {
                revision: revision.id().clone(),
                checksum: revision.checksum(),
                baseline: None,
                removes: of("-"),
                adds: of("+"),
                hazards: Vec::new(),
            }
        });
        Lock::new(crate::schema::Optional::default(), entries.collect())
    }

    fn id(id: &str) -> RevisionId {
        RevisionId::new(id).unwrap()
    }

    /// That revision and no other.
    fn exactly(revision: &str) -> Recognition {
        let candidates = vec![vec![id(revision)]];
        Recognition::Exactly {
            revision: id(revision),
            unmanaged: Vec::new(),
            unchecked: 0,
            candidates,
        }
    }

    const A: (&str, &str) = ("1", "+ table public.a\n+ column public.a.x integer");
    const B: (&str, &str) =
        ("2", "- column public.a.x integer\n+ column public.a.x text\n+ table public.b");

    #[test]
    fn each_revision_is_recognised_by_its_schema() {
        let graph = graph(&[("1.sql", "1"), ("2.sql", "2")]);
        let lock = lock(&graph, &[A, B]);
        for (text, revision) in [
            ("table public.a\ncolumn public.a.x integer", "1"),
            ("table public.a\ncolumn public.a.x text\ntable public.b", "2"),
        ] {
            let expected = exactly(revision);
            assert_eq!(recognise(&lock, &graph, &schema(text)), expected);
        }
    }

    #[test]
    fn what_no_revision_speaks_of_is_reported_unless_it_changes_a_table_of_ours() {
        let graph = graph(&[("1.sql", "1"), ("2.sql", "2")]);
        let lock = lock(&graph, &[A, B]);
        let at_1 = "table public.a\ncolumn public.a.x integer\n";
        let with = |more: &str| recognise(&lock, &graph, &schema(&format!("{at_1}{more}")));
        for (beside, names) in [
            ("table other.t\ncolumn other.t.y integer", vec!["table other.t"]),
            (
                "index public.tuning CREATE INDEX tuning ON public.a USING btree (x)",
                vec!["index public.tuning"],
            ),
            ("function public.f() x\nbody@15 public.f() x", vec!["function public.f()"]),
            ("index other.i CREATE UNIQUE INDEX i ON other.t USING btree (y)", vec![]),
        ] {
            let Recognition::Exactly { revision, unmanaged, .. } = with(beside) else {
                panic!("{beside}: {:?}", with(beside))
            };
            let told: Vec<_> = unmanaged.iter().map(|line| line.identity.to_string()).collect();
            assert_eq!(revision, id("1"));
            assert_eq!(told, names);
        }
        for part in [
            "column public.a.y integer not null",
            "constraint public.a.a_check CHECK ((x > 0))",
            "trigger public.a.t CREATE TRIGGER t",
            "policy public.a.p for select",
            "index public.u CREATE UNIQUE INDEX u ON public.a USING btree (x)",
        ] {
            let Recognition::Unknown { nearest, difference } = with(part) else {
                panic!("{part}: {:?}", with(part))
            };
            assert_eq!(nearest, id("1"));
            assert_eq!(difference.to_string(), format!("+ {part}\n"));
        }
    }

    #[test]
    fn no_match_tells_the_difference_to_the_nearest() {
        let graph = graph(&[("1.sql", "1"), ("2.sql", "2")]);
        let lock = lock(&graph, &[A, B]);
        let found = schema("table public.a\ncolumn public.a.x bytea\ntable public.b");
        let Recognition::Unknown { nearest, difference } = recognise(&lock, &graph, &found) else {
            panic!("{:?}", recognise(&lock, &graph, &found))
        };
        assert_eq!(nearest, id("2"));
        assert_eq!(difference.to_string(), "- column public.a.x text\n+ column public.a.x bytea\n");
        let foreign = schema("table other.t");
        assert_eq!(recognise(&lock, &graph, &foreign), Recognition::Foreign);
    }

    #[test]
    fn revisions_that_change_only_data_are_ambiguous_unless_one_is_a_baseline() {
        let files = [("1.sql", "1"), ("2.sql", "2"), ("3.sql", "3"), ("3.baseline.sql", "b")];
        let found = schema("table public.a\ncolumn public.a.x integer");
        let plain = graph(&files[..3]);
        let candidates = vec![vec![id("1")], vec![id("2")], vec![id("3")]];
        assert_eq!(
            recognise(&lock(&plain, &[A]), &plain, &found),
            Recognition::Ambiguous { candidates }
        );
        let based = graph(&files);
        let Recognition::Exactly { revision, candidates, .. } =
            recognise(&lock(&based, &[A]), &based, &found)
        else {
            panic!()
        };
        assert_eq!((revision, candidates.len()), (id("3"), 3));
    }

    #[test]
    fn bodies_of_another_major_tell_nothing_apart_and_are_no_data() {
        let files = [("1.sql", "1"), ("2.sql", "2"), ("2.baseline.sql", "b")];
        let graph = graph(&files);
        let effects = [
            ("1", "+ view public.v\n+ body@17 public.v SELECT 1"),
            ("2", "- body@17 public.v SELECT 1\n+ body@17 public.v SELECT 2"),
        ];
        let lock = lock(&graph, &effects);
        let on = |major: u16| {
            let found = schema(&format!("view public.v\nbody@{major} public.v SELECT 1"));
            recognise(&lock, &graph, &found)
        };
        assert_eq!(on(17), exactly("1"));
        let candidates = vec![vec![id("1")], vec![id("2")]];
        assert_eq!(on(15), Recognition::Ambiguous { candidates });
    }

    #[test]
    fn an_extension_alone_proves_nothing() {
        let graph = graph(&[("1.sql", "1"), ("2.sql", "2")]);
        let lock = lock(&graph, &[("1", "+ extension citext"), ("2", A.1)]);
        let found = schema("extension citext\ntable other.t");
        assert_eq!(recognise(&lock, &graph, &found), Recognition::Foreign);
    }

    #[test]
    fn what_runs_nothing_needs_no_data_to_be_told_from_its_parent() {
        let graph = graph(&[("1.sql", "1"), ("2.sql", "-- only a note"), ("3.sql", "3")]);
        let found = schema("table public.a\ncolumn public.a.x integer");
        let lock = lock(&graph, &[A, ("3", "+ table public.b")]);
        let expected = exactly("2");
        assert_eq!(recognise(&lock, &graph, &found), expected);
    }

    #[test]
    fn a_merge_that_runs_something_may_not_have_run() {
        let files = |merge| {
            [("1.sql", "1"), ("2.sql", "-- Revises: 1\n2"), ("3.sql", "-- Revises: 1\n3"), merge]
        };
        let found = "table public.a\ncolumn public.a.x integer\ntable public.b\ntable public.c";
        let effects = [A, ("2", "+ table public.b"), ("3", "+ table public.c")];
        let recognised = |merge| {
            let graph = graph(&files(merge));
            recognise(&lock(&graph, &effects), &graph, &schema(found))
        };
        let expected = exactly("4");
        assert_eq!(recognised(("4.sql", "-- Revises: 2, 3\n")), expected);
        let candidates = vec![vec![id("2"), id("3")], vec![id("4")]];
        let expected = Recognition::Ambiguous { candidates };
        assert_eq!(recognised(("4.sql", "-- Revises: 2, 3\nUPDATE a SET x = 1")), expected);
    }

    #[test]
    fn on_branches_each_revision_has_its_own_ancestors_alone() {
        let graph = graph(&[
            ("1.sql", "1"),
            ("2.sql", "-- Revises: 1\n2"),
            ("3.sql", "-- Revises: 1\n3"),
            ("4.sql", "-- Revises: 2, 3\n"),
        ]);
        let effects = [A, ("2", "+ table public.b"), ("3", "+ table public.c")];
        let lock = lock(&graph, &effects);
        let a = "table public.a\ncolumn public.a.x integer";
        for (more, revision) in [
            ("", "1"),
            ("\ntable public.b", "2"),
            ("\ntable public.c", "3"),
            ("\ntable public.b\ntable public.c", "4"),
        ] {
            let expected = exactly(revision);
            assert_eq!(recognise(&lock, &graph, &schema(&format!("{a}{more}"))), expected);
        }
    }
}
