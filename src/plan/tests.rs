//! The decision as a table, and what must hold for every small history.

use std::collections::BTreeSet;

use super::*;
use crate::revision::{Chain, Resolved, Source, Target, folder};
use crate::schema::{self, Lock, Schema};

/// A folder in which `"c: a, b"` is a revision `c` that revises `a` and `b`.
fn graph(revisions: &[&str]) -> Graph {
    graph_of(revisions.iter().map(|text| {
        let (id, parents) = text.split_once(": ").unwrap_or((text, "none"));
        (format!("{id}.up.sql"), format!("-- Revises: {parents}\nCREATE TABLE t_{id} ();"))
    }))
}

fn graph_of(files: impl IntoIterator<Item = (String, String)>) -> Graph {
    folder::read(files, "migrations").unwrap()
}

fn id(text: &str) -> RevisionId {
    RevisionId::new(text).unwrap()
}

fn ids(texts: &[&str]) -> Vec<RevisionId> {
    texts.iter().map(|text| id(text)).collect()
}

/// The rows that `graph`'s image leaves when these revisions are applied.
fn rows(graph: &Graph, applied: &BTreeSet<RevisionId>) -> Vec<Applied> {
    applied
        .iter()
        .map(|id| {
            let revision = graph.get(id).unwrap();
            let children = graph.children(id);
            Applied {
                revision: id.clone(),
                down_revisions: revision.down_revisions().to_vec(),
                message: revision.message().to_owned(),
                recorded: Recorded::of(revision),
                chain: *graph.chain(id).unwrap(),
                head: !children.iter().any(|child| applied.contains(child)),
                origin: Origin::Upgrade,
                breaking: revision.breaking(),
                has_down_sql: false,
                progress: Progress::Complete,
            }
        })
        .collect()
}

/// A database that stands where `graph` would have brought it.
fn database(graph: &Graph, heads: &[&str]) -> DatabaseState {
    let applied = graph.lineage().ancestors(&ids(heads));
    DatabaseState { ledger: Ledger::new(rows(graph, &applied)), ..DatabaseState::default() }
}

fn edit(state: &mut DatabaseState, revision: &str, change: impl Fn(&mut Applied)) {
    let ledger = state.ledger.take().unwrap();
    state.ledger = Ledger::new(ledger.rows().cloned().map(|mut row| {
        if row.revision.as_str() == revision {
            change(&mut row);
        }
        row
    }));
}

fn with_objects(state: DatabaseState) -> DatabaseState {
    let examples = vec!["table public.users".to_owned()];
    DatabaseState { user_objects: UserObjects { count: 1, examples }, ..state }
}

fn alembic(schema: &str, versions: &[&str], visible: bool) -> AlembicVersion {
    let versions = versions.iter().map(|&version| version.to_owned()).collect();
    AlembicVersion { schema: schema.to_owned(), versions: Some(versions), visible }
}

/// A plan in short: what each step does, and the heads at the end.
fn told(plan: &Plan) -> String {
    let each = plan.steps().iter().map(|step| {
        let list =
            |ids: &[RevisionId]| ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        let action = match step.action() {
            Action::Record { revisions, origin } => format!("{origin} {}", list(revisions)),
            Action::Baseline { revision, ancestors } => {
                format!("baseline {revision}({})", list(ancestors))
            }
            Action::Upgrade { revision, resume: None } => revision.to_string(),
            Action::Upgrade { revision, resume: Some(done) } => format!("{revision}@{done}"),
            Action::Downgrade { revision, down, resume } => {
                format!("-{revision} {down:?}{}", resume.map_or(String::new(), |n| format!("@{n}")))
            }
            Action::Stamp { record, forget } => format!("+{} -{}", list(record), list(forget)),
            Action::Rechain { revision } => format!("rechain {revision}"),
        };
        format!("{action} => {}", list(step.heads_after()))
    });
    each.collect::<Vec<_>>().join("; ")
}

fn decided(graph: &Graph, state: &DatabaseState, policy: &Policy) -> (Standing, String) {
    let plan = decide(graph, state, policy).unwrap();
    assert_steps_fit(&plan);
    (plan.standing().clone(), told(&plan))
}

/// Each step begins where the one before it ended.
fn assert_steps_fit(plan: &Plan) {
    for pair in plan.steps().windows(2) {
        assert_eq!(pair[0].heads_after(), pair[1].heads_before());
    }
}

#[test]
fn a_database_at_head_needs_nothing() {
    let graph = graph(&["a", "b: a"]);
    let (standing, steps) = decided(&graph, &database(&graph, &["b"]), &Policy::head());
    assert_eq!((standing, steps.as_str()), (Standing::AtHead, ""));
}

#[test]
fn a_database_behind_is_upgraded_along_branches_and_merges() {
    //     b
    //    / \
    // a ─   d ─ e
    //    \ /
    //     c
    let graph = graph(&["a", "b: a", "c: a", "d: b, c", "e: d"]);
    let (standing, steps) = decided(&graph, &database(&graph, &["a"]), &Policy::head());
    assert_eq!(standing, Standing::Behind);
    assert_eq!(steps, "b => b; c => b,c; d => d; e => e");
    let (_, steps) = decided(&graph, &database(&graph, &["b", "c"]), &Policy::head());
    assert_eq!(steps, "d => d; e => e");
    let policy = Policy { target: Target::parse("c").unwrap(), ..Policy::head() };
    let (_, steps) = decided(&graph, &database(&graph, &["b"]), &policy);
    assert_eq!(steps, "c => b,c");
}

#[test]
fn an_older_image_starts_unless_a_later_revision_breaks_it() {
    let new = graph(&["a", "b: a", "c: b"]);
    let old = graph(&["a", "b: a"]);
    let state = database(&new, &["c"]);
    let later = ids(&["c"]);
    let plan = decide(&old, &state, &Policy::head()).unwrap();
    assert_eq!(plan.standing(), &Standing::Ahead { later: later.clone() });
    assert!(plan.is_empty());

    let refuse = Policy { ahead: Ahead::Refuse, ..Policy::head() };
    assert_eq!(decide(&old, &state, &refuse), Err(Refusal::Ahead { later }));

    let mut state = state;
    edit(&mut state, "c", |row| row.breaking = true);
    let refusal = decide(&old, &state, &Policy::head()).unwrap_err();
    let message = state.ledger.as_ref().unwrap().get(&id("c")).unwrap().message.clone();
    assert_eq!(refusal, Refusal::AheadAndBreaking { breaking: vec![(id("c"), message)] });
    assert_eq!(refusal.exit_code(), 76);
}

#[test]
fn an_image_without_revisions_is_not_an_older_image() {
    let state = database(&graph(&["a"]), &["a"]);
    let refusal = decide(&graph(&[]), &state, &Policy::head()).unwrap_err();
    assert_eq!(refusal, Refusal::NoRevisions { current: ids(&["a"]) });
    assert_eq!(refusal.exit_code(), 65);
    assert!(decide(&graph(&[]), &DatabaseState::default(), &Policy::head()).unwrap().is_empty());
}

#[test]
fn two_histories_that_do_not_follow_each_other_are_refused() {
    let ours = graph(&["a", "b: a"]);
    let theirs = graph(&["a", "x: a"]);
    assert_eq!(
        decide(&ours, &database(&theirs, &["x"]), &Policy::head()),
        Err(Refusal::Diverged { unknown: ids(&["x"]), missing: ids(&["b"]) })
    );
}

#[test]
fn an_edited_file_is_refused_unless_it_accepts_the_old_one() {
    let file = |id: &str, text: &str| (format!("{id}.up.sql"), text.to_owned());
    let old = graph_of([file("1", "CREATE TABLE a ();"), file("2", "SELECT 2;")]);
    let state = database(&old, &["2"]);
    let edited = graph_of([file("1", "CREATE TABLE b ();"), file("2", "SELECT 2;")]);
    let refusal = decide(&edited, &state, &Policy::head()).unwrap_err();
    let Refusal::Edited { revisions } = &refusal else { panic!("{refusal:?}") };
    assert_eq!(revisions.len(), 1);
    assert_eq!((revisions[0].0.as_str(), refusal.exit_code()), ("1", 65));

    let was = old.get(&id("1")).unwrap().checksum();
    let accepting = format!("-- Accepts: {was}\nCREATE TABLE b ();");
    let accepting = graph_of([file("1", &accepting), file("2", "SELECT 2;")]);
    let (standing, steps) = decided(&accepting, &state, &Policy::head());
    assert_eq!((standing, steps.as_str()), (Standing::AtHead, "rechain 2 => 2"));

    let commented = graph_of([file("1", "CREATE TABLE a ( ); -- why"), file("2", "SELECT 2;")]);
    let (_, steps) = decided(&commented, &state, &Policy::head());
    assert_eq!(steps, "");
}

#[test]
fn an_interrupted_revision_goes_on_if_what_it_did_is_unchanged() {
    let up = |text: &str| {
        let text = format!("-- Transaction: none\n{text}");
        graph_of([("1.up.sql".to_owned(), "SELECT 1".to_owned()), ("2.up.sql".to_owned(), text)])
    };
    let graph = up("SELECT 1; SELECT 2; SELECT 3;");
    let mut state = database(&graph, &["2"]);
    let done = graph.get(&id("2")).unwrap().up().unwrap().prefix_checksum(2).unwrap();
    edit(&mut state, "2", |row| {
        row.progress = Progress::Upgrading(2);
        row.recorded = Recorded { source: Source::Up, checksum: done };
        row.head = false;
    });
    edit(&mut state, "1", |row| row.head = true);

    let (standing, steps) = decided(&graph, &state, &Policy::head());
    assert_eq!(standing, Standing::Interrupted { revision: id("2"), statements_done: 2 });
    assert_eq!(steps, "2@2 => 2");
    let (_, steps) =
        decided(&up("SELECT 1; SELECT 2; SELECT 'corrected'"), &state, &Policy::head());
    assert_eq!(steps, "2@2 => 2");
    let half_way = Refusal::EditedHalfWay { revision: id("2"), statements_done: 2 };
    for changed in ["SELECT 'x'; SELECT 2; SELECT 3;", "SELECT 1;"] {
        assert_eq!(decide(&up(changed), &state, &Policy::head()), Err(half_way.clone()));
    }
    let half_way = Refusal::UpgradeHalfWay { revision: id("2"), statements_done: 2 };
    let base = Target::parse("base").unwrap();
    assert_eq!(downgrade(&graph, &state, &base), Err(half_way));
}

fn squashed() -> Graph {
    let file = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    graph_of([
        file("1.up.sql", "SELECT 1"),
        file("2.up.sql", "SELECT 2"),
        file("2.baseline.sql", "SELECT 1, 2"),
        file("3.up.sql", "SELECT 3"),
    ])
}

#[test]
fn an_empty_database_takes_the_newest_baseline_and_an_old_one_walks() {
    let graph = squashed();
    let (standing, steps) = decided(&graph, &DatabaseState::default(), &Policy::head());
    assert_eq!((standing, steps.as_str()), (Standing::Fresh, "baseline 2(1) => 2; 3 => 3"));
    let (_, steps) = decided(&graph, &database(&graph, &["1"]), &Policy::head());
    assert_eq!(steps, "2 => 2; 3 => 3");
    let policy = Policy { target: Target::parse("1").unwrap(), ..Policy::head() };
    let (_, steps) = decided(&graph, &DatabaseState::default(), &policy);
    assert_eq!(steps, "1 => 1");
}

#[test]
fn a_folder_pruned_to_its_baseline_knows_old_databases_from_too_old_ones() {
    let full = squashed();
    let file = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    let pruned = graph_of([file("2.baseline.sql", "SELECT 1, 2"), file("3.up.sql", "SELECT 3")]);
    let (standing, steps) = decided(&pruned, &database(&full, &["3"]), &Policy::head());
    assert_eq!((standing, steps.as_str()), (Standing::AtHead, "rechain 3 => 3"));
    let (_, steps) = decided(&pruned, &database(&full, &["2"]), &Policy::head());
    assert_eq!(steps, "3 => 3");
    assert_eq!(
        decide(&pruned, &database(&full, &["1"]), &Policy::head()),
        Err(Refusal::BeforeBaseline { current: ids(&["1"]), baseline: id("2") })
    );
    // The other way round: an older image on a database that the pruned one has made.
    let (standing, steps) = decided(&full, &database(&pruned, &["3"]), &Policy::head());
    assert_eq!((standing, steps.as_str()), (Standing::AtHead, "rechain 3 => 3"));
}

#[test]
fn an_unversioned_database_is_never_guessed_at() {
    let graph = graph(&["a", "b: a"]);
    let state = with_objects(DatabaseState::default());
    let refusal = decide(&graph, &state, &Policy::head()).unwrap_err();
    assert!(matches!(refusal, Refusal::Unrecognised { .. }));
    assert_eq!(refusal.exit_code(), 76);

    let baselined = |value: &str| {
        let baseline = Some(Baseline(value.to_owned()));
        decide(&graph, &state, &Policy { baseline, ..Policy::head() }).map(|plan| told(&plan))
    };
    assert_eq!(baselined("a").unwrap(), "stamp a => a; b => b");
    assert_eq!(baselined("head").unwrap(), "stamp a,b => b");
    assert_eq!(baselined("base").unwrap(), "a => a; b => b");
    assert_eq!(baselined("zzz").unwrap_err().exit_code(), 78);
    assert_eq!(baselined("++").unwrap_err().exit_code(), 78);
}

#[test]
fn the_operators_word_counts_only_where_nothing_proves_the_version() {
    let graph = graph(&["a", "b: a"]);
    let policy = Policy { baseline: Some(Baseline("b".to_owned())), ..Policy::head() };
    let (standing, steps) = decided(&graph, &DatabaseState::default(), &policy);
    assert_eq!((standing, steps.as_str()), (Standing::Fresh, "a => a; b => b"));
    let (_, steps) = decided(&graph, &database(&graph, &["a"]), &policy);
    assert_eq!(steps, "b => b");
    let adopted = DatabaseState {
        alembic: vec![alembic("public", &["a"], true)],
        ..with_objects(DatabaseState::default())
    };
    let (_, steps) = decided(&graph, &adopted, &policy);
    assert_eq!(steps, "adopt a => a; b => b");
}

#[test]
fn alembic_is_adopted_in_each_case_that_proves_a_version() {
    let graph = graph(&["a", "b: a", "c: a", "d: b, c"]);
    let adopted = |tables: Vec<AlembicVersion>| {
        let state = DatabaseState { alembic: tables, ..with_objects(DatabaseState::default()) };
        decide(&graph, &state, &Policy::head()).map(|plan| told(&plan))
    };
    let one = |versions: &[&str]| adopted(vec![alembic("public", versions, true)]);
    assert_eq!(one(&["d"]).unwrap(), "adopt a,b,c,d => d");
    assert_eq!(one(&["b"]).unwrap(), "adopt a,b => b; c => b,c; d => d");
    assert_eq!(one(&["b", "c"]).unwrap(), "adopt a,b,c => b,c; d => d");
    assert_eq!(one(&["a", "b"]).unwrap(), "adopt a,b => b; c => b,c; d => d");

    assert!(matches!(one(&[]), Err(Refusal::AlembicEmpty { .. })));
    assert_eq!(
        one(&["b", "zz"]),
        Err(Refusal::AlembicUnknown {
            schema: "public".to_owned(),
            unknown: vec!["zz".to_owned()],
            known: ids(&["b"]),
        })
    );
    let two = |first, second| {
        adopted(vec![alembic("one", &["a"], first), alembic("two", &["d"], second)])
    };
    assert_eq!(two(false, true).unwrap(), "adopt a,b,c,d => d");
    assert!(matches!(two(false, false), Err(Refusal::AlembicAmbiguous { .. })));
}

#[test]
fn the_operators_word_counts_where_alembics_table_proves_nothing() {
    let graph = graph(&["a", "b: a"]);
    let closed = AlembicVersion { versions: None, ..alembic("other", &[], false) };
    let foreign = || alembic("other", &["zz"], false);
    let empty = || alembic("public", &[], true);
    for tables in [vec![closed.clone()], vec![closed, foreign()], vec![foreign()], vec![empty()]] {
        let state = DatabaseState { alembic: tables, ..with_objects(DatabaseState::default()) };
        decide(&graph, &state, &Policy::head()).unwrap_err();
        let policy = Policy { baseline: Some(Baseline("a".to_owned())), ..Policy::head() };
        assert_eq!(decided(&graph, &state, &policy).1, "stamp a => a; b => b");
    }
}

#[test]
fn an_empty_alembic_version_in_an_empty_database_is_a_fresh_start() {
    let graph = graph(&["a"]);
    let state =
        DatabaseState { alembic: vec![alembic("public", &[], true)], ..DatabaseState::default() };
    let (standing, steps) = decided(&graph, &state, &Policy::head());
    assert_eq!((standing, steps.as_str()), (Standing::Fresh, "a => a"));
}

#[test]
fn a_ledger_without_rows_is_no_version() {
    assert!(Ledger::new([]).is_none());
}

#[test]
fn a_downgrade_undoes_what_descends_from_its_target_newest_first() {
    let file = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    let graph = graph_of([
        file("1.up.sql", "SELECT 1"),
        file("1.down.sql", "SELECT 1"),
        file("2.up.sql", "SELECT 2"),
        file("2.down.sql", "SELECT 2"),
        file("3.up.sql", "-- Revises: 1\nSELECT 3"),
        file("3.down.sql", "-- Revises: 1\nSELECT 3"),
        file("4.up.sql", "-- Revises: 2, 3"),
        file("5.up.sql", "SELECT 5"),
    ]);
    let down = |heads: &[&str], target: &str| {
        let target = Target::parse(target).unwrap();
        downgrade(&graph, &database(&graph, heads), &target).map(|plan| {
            assert_steps_fit(&plan);
            told(&plan)
        })
    };
    assert_eq!(down(&["4"], "2").unwrap(), "-4 Nothing => 2,3");
    assert_eq!(down(&["4"], "1").unwrap(), "-4 Nothing => 2,3; -3 Image => 2; -2 Image => 1");
    assert_eq!(down(&["2", "3"], "base").unwrap(), "-3 Image => 2; -2 Image => 1; -1 Image => ");
    assert_eq!(down(&["2"], "-1").unwrap(), "-2 Image => 1");
    assert_eq!(down(&["2"], "2").unwrap(), "");
    assert_eq!(down(&["5"], "4"), Err(Refusal::NoDownFile { revision: id("5") }));
    assert!(matches!(down(&["2"], "3"), Err(Refusal::NotApplied { .. })));
    assert!(matches!(down(&["2"], "9"), Err(Refusal::Target(_))));
    assert_eq!(
        downgrade(&graph, &DatabaseState::default(), &Target::head()),
        Err(Refusal::NotVersioned)
    );
}

#[test]
fn an_older_image_downgrades_what_it_never_contained() {
    let new = graph(&["a", "b: a", "c: b"]);
    let old = graph(&["a"]);
    let mut state = database(&new, &["c"]);
    for revision in ["b", "c"] {
        edit(&mut state, revision, |row| row.has_down_sql = true);
    }
    let plan = downgrade(&old, &state, &Target::parse("a").unwrap()).unwrap();
    assert_eq!(told(&plan), "-c Ledger => b; -b Ledger => a");
}

#[test]
fn a_stamp_makes_the_ledger_say_the_target_and_nothing_else() {
    let graph = graph(&["a", "b: a", "c: a", "d: b, c"]);
    let stamped = |state: &DatabaseState, target: &str| {
        told(&stamp(&graph, state, &Target::parse(target).unwrap()).unwrap())
    };
    let at_d = database(&graph, &["d"]);
    assert_eq!(stamped(&at_d, "d"), "");
    assert_eq!(stamped(&at_d, "b"), "+ -c,d => b");
    assert_eq!(stamped(&at_d, "base"), "+ -a,b,c,d => ");
    assert_eq!(stamped(&database(&graph, &["b"]), "head"), "+c,d - => d");
    assert_eq!(stamped(&DatabaseState::default(), "b"), "+a,b - => b");
}

/// All histories of up to four revisions, as lists of each revision's parents by number.
fn histories() -> Vec<Vec<Vec<usize>>> {
    let mut all = vec![Vec::new()];
    let mut grown: Vec<Vec<Vec<usize>>> = vec![Vec::new()];
    for n in 0..4_usize {
        grown = grown
            .iter()
            .flat_map(|history| {
                (0..1_usize << n).map(move |bits| {
                    let parents = (0..n).filter(|parent| bits >> parent & 1 == 1).collect();
                    history.iter().cloned().chain([parents]).collect()
                })
            })
            .collect();
        all.extend(grown.iter().cloned());
    }
    all
}

fn graph_with_history(history: &[Vec<usize>]) -> Option<Graph> {
    let files = history.iter().enumerate().map(|(n, parents)| {
        let parents: Vec<_> = parents.iter().map(|parent| format!("r{parent}")).collect();
        let parents = if parents.is_empty() { "none".to_owned() } else { parents.join(", ") };
        (format!("r{n}.up.sql"), format!("-- Revises: {parents}\nSELECT {n};"))
    });
    // A folder with several heads is refused.
    folder::read(files, "migrations").ok()
}

#[test]
fn from_every_current_to_every_target_a_plan_runs_what_is_missing_parents_first() {
    let mut plans = 0;
    for history in histories() {
        let Some(graph) = graph_with_history(&history) else { continue };
        let all: Vec<_> = graph.revisions().iter().map(|r| r.id().clone()).collect();
        for bits in 0..1_usize << all.len() {
            let chosen = all.iter().enumerate().filter(|(n, _)| bits >> n & 1 == 1);
            let chosen: BTreeSet<_> = chosen.map(|(_, id)| id.clone()).collect();
            if graph.lineage().ancestors(&chosen) != chosen {
                continue;
            }
            let state = DatabaseState {
                ledger: Ledger::new(rows(&graph, &chosen)),
                ..DatabaseState::default()
            };
            for target in all.iter().map(RevisionId::as_str).chain(["head", "base"]) {
                let target = Target::parse(target).unwrap();
                let wanted = match target.resolve(graph.lineage(), &[]).unwrap() {
                    Resolved::Base => BTreeSet::new(),
                    Resolved::Revision(id) => graph.lineage().ancestors([&id]),
                    Resolved::Heads => all.iter().cloned().collect(),
                };
                let policy = Policy { target, ..Policy::head() };
                let plan = decide(&graph, &state, &policy).unwrap();
                assert_runs_what_is_missing(&graph, &chosen, &wanted, &plan);
                plans += 1;
            }
        }
    }
    assert!(plans > 800, "only {plans} plans");
}

fn assert_runs_what_is_missing(
    graph: &Graph,
    applied: &BTreeSet<RevisionId>,
    wanted: &BTreeSet<RevisionId>,
    plan: &Plan,
) {
    assert_steps_fit(plan);
    let mut done = applied.clone();
    for revision in plan.runs() {
        let parents = graph.get(revision).unwrap().down_revisions();
        assert!(parents.iter().all(|parent| done.contains(parent)), "{revision} before its parent");
        assert!(done.insert(revision.clone()), "{revision} twice");
    }
    assert_eq!(done, applied.union(wanted).cloned().collect());
    if let Some(last) = plan.steps().last() {
        let heads: Vec<_> = done
            .iter()
            .filter(|id| !graph.children(id).iter().any(|child| done.contains(child)))
            .cloned()
            .collect();
        assert_eq!(last.heads_after(), heads);
    }
}

#[test]
fn a_chain_of_another_history_is_no_verdict() {
    let graph = graph(&["a", "b: a"]);
    let mut state = database(&graph, &["b"]);
    let other: Chain = "00".repeat(32).parse().unwrap();
    edit(&mut state, "b", |row| row.chain = other);
    let (standing, steps) = decided(&graph, &state, &Policy::head());
    assert_eq!((standing, steps.as_str()), (Standing::AtHead, "rechain b => b"));
}

/// A lock in which each revision makes a table of its name, and a data revision `d…` nothing.
fn lock(graph: &Graph) -> Lock {
    let entries = graph.revisions().iter().map(|revision| schema::Entry {
        revision: revision.id().clone(),
        checksum: revision.checksum(),
        baseline: None,
        removes: Vec::new(),
        hazards: Vec::new(),
        adds: tables(&[revision.id().as_str()])
            .lines()
            .filter(|_| !revision.id().as_str().starts_with('d'))
            .cloned()
            .collect(),
    });
    Lock::new(schema::Optional::default(), entries.collect())
}

fn tables(names: &[&str]) -> Schema {
    names.iter().map(|name| format!("table public.{name}").parse::<Line>().unwrap()).collect()
}

/// A database without a ledger and with these tables.
fn unversioned(names: &[&str]) -> DatabaseState {
    DatabaseState { schema: Some(tables(names)), ..with_objects(DatabaseState::default()) }
}

#[test]
fn an_unversioned_schema_is_recorded_at_the_revision_that_it_is_and_the_rest_runs() {
    let graph = graph(&["a", "b: a", "c: b"]);
    let lock = lock(&graph);
    let image = Image { graph: &graph, lock: Some(&lock) };
    let plan = decide(image, &unversioned(&["a", "b", "other"]), &Policy::head()).unwrap();
    assert_steps_fit(&plan);
    assert_eq!(told(&plan), "recognise a,b => b; c => c");
    let Standing::Recognised { revision, unmanaged, .. } = plan.standing() else {
        panic!("{:?}", plan.standing())
    };
    assert_eq!(revision, &id("b"));
    assert_eq!(unmanaged, &["table public.other".parse().unwrap()]);
    // The operator's word counts where there is no proof, and does not go against one.
    let with = |word: &str| Policy { baseline: Some(Baseline(word.to_owned())), ..Policy::head() };
    let told_c = with("c");
    let plan = decide(image, &unversioned(&["a", "b"]), &with("b")).unwrap();
    assert_eq!(told(&plan), "stamp a,b => b; c => c");
    for word in ["c", "a", "base"] {
        let refusal = decide(image, &unversioned(&["a", "b"]), &with(word)).unwrap_err();
        assert_eq!(
            refusal.to_string(),
            format!("CASTOFF_BASELINE is {word:?}, but the schema is that of b")
        );
    }
    let plan = decide(image, &unversioned(&["b"]), &told_c).unwrap();
    assert_eq!(told(&plan), "stamp a,b,c => c");
}

#[test]
fn an_unversioned_schema_that_is_no_revisions_is_refused_with_the_difference() {
    let graph = graph(&["a", "b: a", "c: b"]);
    let lock = lock(&graph);
    let image = Image { graph: &graph, lock: Some(&lock) };
    let refusal = decide(image, &unversioned(&["a", "c"]), &Policy::head()).unwrap_err();
    assert_eq!(refusal.exit_code(), 76);
    assert!(
        refusal.to_string().ends_with(
            "the nearest is c, from which it differs so \
        (- expected, + found):\n  - table public.b"
        ),
        "{refusal}"
    );
    assert!(refusal.hint().unwrap().contains("castoff diff c"));
    // What is not about this image at all is not compared with it, and base is no proof.
    let refusal = decide(image, &unversioned(&["x"]), &Policy::head()).unwrap_err();
    assert!(matches!(refusal, Refusal::Unrecognised { .. }), "{refusal:?}");
}

#[test]
fn revisions_that_only_data_tells_apart_are_listed() {
    let graph = graph(&["a", "d1: a", "c: d1"]);
    let lock = lock(&graph);
    let image = Image { graph: &graph, lock: Some(&lock) };
    let refusal = decide(image, &unversioned(&["a"]), &Policy::head()).unwrap_err();
    assert_eq!(refusal, Refusal::Ambiguous { candidates: vec![ids(&["a"]), ids(&["d1"])] });
    assert_eq!(refusal.exit_code(), 76);
    let baseline = Some(Baseline("d1".to_owned()));
    let plan = decide(image, &unversioned(&["a"]), &Policy { baseline, ..Policy::head() }).unwrap();
    assert_eq!(told(&plan), "stamp a,d1 => d1; c => c");
}

#[test]
fn a_lock_of_other_files_proves_nothing() {
    let (ours, other) = (graph(&["a", "b: a"]), graph(&["a", "c: a"]));
    let lock = lock(&other);
    let image = Image { graph: &ours, lock: Some(&lock) };
    let refusal = decide(image, &unversioned(&["a"]), &Policy::head()).unwrap_err();
    assert_eq!(refusal.exit_code(), 65);
    assert_eq!(
        refusal.to_string(),
        "castoff.lock does not fit the migrations: b is not in castoff.lock, castoff.lock has c, \
         which is not in the folder"
    );
    // A versioned database needs no proof.
    let state = database(&ours, &["b"]);
    assert!(decide(image, &state, &Policy::head()).unwrap().is_empty());
}

#[test]
fn drift_is_ignored_told_or_refused() {
    let graph = graph(&["a", "b: a"]);
    let lock = lock(&graph);
    let image = Image { graph: &graph, lock: Some(&lock) };
    let policy = |drift| Policy { drift, ..Policy::head() };
    let with =
        |names: &[&str]| DatabaseState { schema: Some(tables(names)), ..database(&graph, &["a"]) };
    let drifted = with(&["b"]);
    let steps = "b => b";
    let plan = decide(image, &drifted, &policy(Drift::Ignore)).unwrap();
    assert_eq!((told(&plan).as_str(), plan.drift()), (steps, None));
    let plan = decide(image, &drifted, &policy(Drift::Warn)).unwrap();
    assert_eq!(told(&plan), steps);
    assert_eq!(plan.drift().unwrap().to_string(), "- table public.a\n+ table public.b\n");
    let refusal = decide(image, &drifted, &policy(Drift::Refuse)).unwrap_err();
    assert_eq!(refusal.exit_code(), 76);
    assert!(refusal.to_string().contains("is at a, but its schema is not"), "{refusal}");
    for drift in [Drift::Warn, Drift::Refuse] {
        let plan = decide(image, &with(&["a", "other"]), &policy(drift)).unwrap();
        assert_eq!((told(&plan).as_str(), plan.drift()), (steps, None));
    }
    // Ahead: what the later revisions do is not known here.
    let newer = self::graph(&["a", "b: a", "c: b"]);
    let ahead = DatabaseState { schema: Some(tables(&["x"])), ..database(&newer, &["c"]) };
    let plan = decide(image, &ahead, &policy(Drift::Refuse)).unwrap();
    assert_eq!(plan.drift(), None);
}

#[test]
fn a_merge_that_shows_nothing_is_one_of_the_answers_and_its_parents_are_the_other() {
    let graph = graph(&["a", "b: a", "c: a", "d1: b, c", "e: d1"]);
    let lock = lock(&graph);
    let image = Image { graph: &graph, lock: Some(&lock) };
    let state = unversioned(&["a", "b", "c"]);
    let refusal = decide(image, &state, &Policy::head()).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "the database is unversioned, and its schema is that of b with c, d1"
    );
    for (word, steps) in
        [("b,c", "stamp a,b,c => b,c; d1 => d1; e => e"), ("d1", "stamp a,b,c,d1 => d1; e => e")]
    {
        let baseline = Some(Baseline(word.to_owned()));
        let plan = decide(image, &state, &Policy { baseline, ..Policy::head() }).unwrap();
        assert_eq!(told(&plan), steps);
    }
}
