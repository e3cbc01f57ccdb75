//! From files to a graph, or to everything that is wrong with them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::revision::file_name::is_ignored;
use crate::revision::{
    FileError, FileKind, FileName, FolderErrors, Graph, Lineage, Position, Problem, Revision,
    RevisionId, Script, Source, nearest, rules,
};

/// The file of a folder that is no migration but says what each of them does to the schema.
pub const LOCK: &str = "castoff.lock";

/// True for files that castoff leaves out: hidden and backup files, `README*` and `LICENSE*`. Any
/// other file must be a migration, or the [`LOCK`].
pub fn ignores(path: &str) -> bool {
    is_ignored(path) && path != LOCK
}

/// Reads a folder: each file's path in it (with `/`) and its bytes, in any order. `label` is shown
/// before the paths.
///
/// An empty folder is an empty graph. The error holds every problem, not only the first.
pub fn read<B: AsRef<[u8]>>(
    files: impl IntoIterator<Item = (String, B)>,
    label: &str,
) -> Result<Graph, FolderErrors> {
    let (graph, errors) = survey(files, label)?;
    if errors.is_empty() { Ok(graph) } else { Err(FolderErrors { errors }) }
}

/// Reads a folder as [`read`] does, and makes a graph of it although castoff would not run some of its
/// statements: those are the errors beside it. Commands of psql are left out of their scripts.
pub fn survey<B: AsRef<[u8]>>(
    files: impl IntoIterator<Item = (String, B)>,
    label: &str,
) -> Result<(Graph, Vec<FileError>), FolderErrors> {
    let mut files: Vec<(String, B)> = files.into_iter().collect();
    files.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut reader = Reader { label, errors: Vec::new(), groups: BTreeMap::new(), complete: true };
    for (path, bytes) in &files {
        if !is_ignored(path) {
            reader.file(path, bytes.as_ref());
        }
    }
    let revisions = reader.revisions();
    let lineage = reader.lineage(&revisions);
    let mut errors = reader.errors;
    errors.sort_by(|a, b| (&a.file, a.position).cmp(&(&b.file, b.position)));
    if errors.iter().all(|error| error.problem.is_of_a_statement()) {
        return Ok((Graph::new(revisions, lineage), errors));
    }
    Err(FolderErrors { errors })
}

/// The ids and edges alone of a folder that may have several heads, which a [`Graph`] never has.
pub fn lineage<B: AsRef<[u8]>>(
    files: impl IntoIterator<Item = (String, B)>,
    label: &str,
) -> Result<Lineage, FolderErrors> {
    let mut reader = Reader { label, errors: Vec::new(), groups: BTreeMap::new(), complete: true };
    for (path, bytes) in files.into_iter().filter(|(path, _)| !is_ignored(path)) {
        reader.file(&path, bytes.as_ref());
    }
    let revisions = reader.revisions();
    let lineage = reader.lineage(&revisions);
    let mut errors = reader.errors;
    errors.retain(|error| !matches!(error.problem, Problem::MultipleHeads { .. }));
    errors.sort_by(|a, b| (&a.file, a.position).cmp(&(&b.file, b.position)));
    if errors.is_empty() { Ok(lineage) } else { Err(FolderErrors { errors }) }
}

/// The files whose names begin with the same id.
#[derive(Default)]
struct Group {
    up: Option<Box<Script>>,
    down: Option<Box<Script>>,
    baseline: Option<Box<Script>>,
}

impl Group {
    fn scripts(&self) -> impl Iterator<Item = &Script> {
        [&self.up, &self.baseline, &self.down].into_iter().filter_map(|script| script.as_deref())
    }
}

struct Reader<'a> {
    label: &'a str,
    errors: Vec<FileError>,
    groups: BTreeMap<RevisionId, Group>,
    /// False once a file could not be read: what others miss may be in it.
    complete: bool,
}

impl Reader<'_> {
    fn file(&mut self, path: &str, bytes: &[u8]) {
        let file = format!("{}/{path}", self.label.trim_end_matches('/'));
        let (id, kind) = match identify(path) {
            Ok(identity) => identity,
            Err(problem) => {
                self.complete = false;
                return self.errors.push(FileError { file, position: None, problem });
            }
        };
        let Some(script) = self.script(&file, bytes) else {
            self.complete = false;
            return;
        };
        self.errors.append(&mut rules::check(&script, kind));
        let group = self.groups.entry(id).or_default();
        if kind == FileKind::Baseline && !script.header().transaction {
            let problem = Problem::BaselineOutsideTransaction;
            self.errors.push(at_key(&script, "Transaction", problem));
        }
        let place = match kind {
            FileKind::Up => &mut group.up,
            FileKind::Down => &mut group.down,
            FileKind::Baseline => &mut group.baseline,
        };
        match place {
            None => *place = Some(Box::new(script)),
            Some(first) => {
                let problem = Problem::SecondFile { first: first.file().to_owned() };
                self.errors.push(FileError { file, position: None, problem });
            }
        }
    }

    /// Reads a file, without the commands of psql in it: each of them is an error by itself.
    fn script(&mut self, file: &str, bytes: &[u8]) -> Option<Script> {
        let mut bytes = Cow::Borrowed(bytes);
        loop {
            let error = match Script::parse(file, &bytes) {
                Ok(script) => return Some(script),
                Err(error) => error,
            };
            let line = match (&error.problem, error.position) {
                (Problem::MetaCommand { .. }, Some(position)) => Some(position),
                _ => None,
            };
            self.errors.push(error);
            blank(bytes.to_mut(), line?);
        }
    }

    /// Makes revisions of the groups, with the down revisions that they name or that order gives them.
    fn revisions(&mut self) -> BTreeMap<RevisionId, Revision> {
        let mut revisions: BTreeMap<RevisionId, Revision> = BTreeMap::new();
        for (name, group) in std::mem::take(&mut self.groups) {
            self.agree(&group);
            let id = group.scripts().find_map(|script| script.header().revision_id.clone());
            let id = id.unwrap_or(name);
            let Group { up, down, baseline } = group;
            let (main, source, baseline) = match (up, baseline) {
                (Some(up), baseline) => (up, Source::Up, baseline),
                (None, Some(baseline)) => {
                    self.without_up(down.as_deref());
                    (baseline, Source::Baseline, None)
                }
                (None, None) => {
                    self.without_up(down.as_deref());
                    continue;
                }
            };
            let down_revisions = Vec::new();
            let revision = Revision { id, down_revisions, main, source, down, baseline };
            match revisions.entry(revision.id.clone()) {
                Entry::Vacant(entry) => {
                    entry.insert(revision);
                }
                Entry::Occupied(entry) => {
                    let other = entry.get().main().file().to_owned();
                    let id = revision.id.clone();
                    let problem = Problem::DuplicateId { id, other };
                    self.errors.push(revision.main().error(0, problem));
                }
            }
        }
        let mut previous: Option<RevisionId> = None;
        for revision in revisions.values_mut() {
            let beside = revision.up().and(revision.baseline());
            let beside = beside.filter(|baseline| !revises_nothing(baseline));
            let named = [Some(revision.main()), beside]
                .into_iter()
                .flatten()
                .find_map(|script| script.header().revises.clone());
            revision.down_revisions = named.unwrap_or_else(|| Vec::from_iter(previous.clone()));
            previous = Some(revision.id.clone());
        }
        revisions
    }

    fn without_up(&mut self, down: Option<&Script>) {
        if let Some(down) = down.filter(|_| self.complete) {
            self.errors.push(down.error(0, Problem::DownWithoutUp));
        }
    }

    /// The files of a revision say the same where they say the same thing.
    fn agree(&mut self, group: &Group) {
        let Some(first) = group.scripts().next() else { return };
        for script in group.scripts().skip(1) {
            let (a, b) = (first.header(), script.header());
            let is_baseline = group.baseline.as_ref().is_some_and(|it| it.file() == script.file());
            let alone = is_baseline && revises_nothing(script);
            let keys = [
                ("Revision ID", differ(a.revision_id.as_ref(), b.revision_id.as_ref())),
                ("Revises", !alone && differ(a.revises.as_ref(), b.revises.as_ref())),
                ("Create Date", differ(a.create_date.as_ref(), b.create_date.as_ref())),
            ];
            for (key, _) in keys.into_iter().filter(|(_, differs)| *differs) {
                let other = first.file().to_owned();
                self.errors.push(at_key(script, key, Problem::Disagreement { key, other }));
            }
        }
    }

    /// The edges; what is wrong with them is told only if every file could be read.
    fn lineage(&mut self, revisions: &BTreeMap<RevisionId, Revision>) -> Lineage {
        let edges = revisions.values().map(|r| (r.id.clone(), r.down_revisions.clone()));
        let lineage = Lineage::new(edges);
        if !self.complete {
            return lineage;
        }
        let errors_before = self.errors.len();
        for revision in revisions.values() {
            let main = revision.main();
            for down_revision in &revision.down_revisions {
                if !revisions.contains_key(down_revision) {
                    let problem = unknown(down_revision, &lineage);
                    self.errors.push(at_key(main, "Revises", problem));
                }
            }
            if revision.up().is_none() && !revision.down_revisions.is_empty() {
                let down_revisions = revision.down_revisions.clone();
                let problem = Problem::BaselineNotRoot { down_revisions };
                self.errors.push(at_key(main, "Revises", problem));
            }
        }
        let cycles = lineage.cycles();
        let heads = lineage.heads();
        if heads.len() > 1 && self.errors.len() == errors_before {
            let heads = heads.into_iter().cloned().collect();
            let file = self.label.to_owned();
            let problem = Problem::MultipleHeads { heads };
            self.errors.push(FileError { file, position: None, problem });
        }
        for cycle in cycles {
            let main = cycle.first().and_then(|id| revisions.get(id)).map(Revision::main);
            let problem = Problem::CycleDetected { revisions: cycle };
            self.errors.extend(main.map(|main| at_key(main, "Revises", problem)));
        }
        lineage
    }
}

/// Writes spaces over a line from a position on.
fn blank(bytes: &mut [u8], Position { line, column }: Position) {
    let Some(line) = bytes.split_inclusive_mut(|byte| *byte == b'\n').nth(line - 1) else { return };
    let is_start = |byte: &u8| *byte & 0xc0 != 0x80;
    let mut starts = line.iter().enumerate().filter(|(_, byte)| is_start(byte)).map(|(at, _)| at);
    let start = starts.nth(column - 1).unwrap_or(line.len());
    line[start..]
        .iter_mut()
        .filter(|byte| !byte.is_ascii_whitespace())
        .for_each(|byte| *byte = b' ');
}

/// The id and kind that a path names.
fn identify(path: &str) -> Result<(RevisionId, FileKind), Problem> {
    if path.contains('/') {
        let rename = path.replace('/', ".");
        let rename =
            Some(rename).filter(|name| FileName::parse(name).is_some_and(|n| n.id.is_ok()));
        return Err(Problem::InDirectory { rename });
    }
    let FileName { id, kind, .. } = FileName::parse(path).ok_or(Problem::StrayFile)?;
    Ok((id.map_err(Problem::FileId)?, kind))
}

/// Whether it says that nothing is before it, as a baseline may: it needs nothing, also beside an up
/// file that does.
fn revises_nothing(script: &Script) -> bool {
    script.header().revises.as_ref().is_some_and(Vec::is_empty)
}

fn differ<T: PartialEq>(a: Option<&T>, b: Option<&T>) -> bool {
    a.is_some() && b.is_some() && a != b
}

fn unknown(down_revision: &RevisionId, lineage: &Lineage) -> Problem {
    let near = nearest(down_revision.as_str(), lineage.ids().map(RevisionId::as_str));
    let nearest = lineage.ids().filter(|id| near.contains(&id.as_str())).cloned().collect();
    Problem::UnknownDownRevision { down_revision: down_revision.clone(), nearest }
}

/// An error at the header line of a key, or at the file's beginning.
fn at_key(script: &Script, key: &str, problem: Problem) -> FileError {
    let position = Position { line: script.header().line_of(key).unwrap_or(1), column: 1 };
    FileError { file: script.file().to_owned(), position: Some(position), problem }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(files: &[(&str, &str)]) -> Graph {
        read(files.iter().map(|(name, text)| ((*name).to_owned(), text)), "m").unwrap()
    }

    fn errors(files: &[(&str, &str)]) -> Vec<String> {
        let errors = read(files.iter().map(|(name, text)| ((*name).to_owned(), text)), "m");
        errors.unwrap_err().to_string().lines().map(str::to_owned).collect()
    }

    fn id(id: &str) -> RevisionId {
        RevisionId::new(id).unwrap()
    }

    fn order(graph: &Graph) -> Vec<String> {
        let line = |revision: &Revision| {
            let mut words: Vec<&str> = vec!["->", revision.id().as_str()];
            words.splice(0..0, revision.down_revisions().iter().map(RevisionId::as_str));
            words.join(" ")
        };
        graph.revisions().iter().map(line).collect()
    }

    #[test]
    fn an_empty_folder_is_an_empty_graph() {
        let graph = graph(&[("README.md", "x"), (".keep", ""), ("castoff.lock", "")]);
        assert!(graph.revisions().is_empty());
        assert_eq!(graph.head(), None);
    }

    #[test]
    fn without_revises_each_follows_the_one_before_in_natural_order() {
        let graph = graph(&[("10_c.sql", "c"), ("9_b.up.sql", "b"), ("1_a.baseline.sql", "a")]);
        assert_eq!(order(&graph), ["-> 1", "1 -> 9", "9 -> 10"]);
        assert_eq!(graph.head(), Some(&id("10")));
    }

    #[test]
    fn the_files_of_a_revision_are_one_revision() {
        let accepts = "a".repeat(64);
        let up = format!("-- Revision ID: x\n-- Accepts: {accepts}\nup");
        let files = [
            ("1_add_x.up.sql", up.as_str()),
            ("1_add_x.down.sql", "-- no more x\n-- Revision ID: x\ndown"),
            ("1_v106.baseline.sql", "-- Breaking: yes\n-- Create Date: now\nbaseline"),
            ("2_y.baseline.sql", "-- Revises: none\n-- Accepts: "),
        ];
        let graph = graph(&files[..3]);
        let revision = graph.get(&id("x")).unwrap();
        assert_eq!((revision.message(), revision.source()), ("add x", Source::Up));
        assert_eq!(revision.up().map(Script::file), Some("m/1_add_x.up.sql"));
        assert_eq!(revision.down().map(Script::file), Some("m/1_add_x.down.sql"));
        assert_eq!(revision.baseline().map(Script::file), Some("m/1_v106.baseline.sql"));
        assert_eq!(revision.checksum(), revision.up().unwrap().checksum());
        assert_eq!(revision.accepts().collect::<Vec<_>>(), [accepts.parse().unwrap()]);
        assert!(revision.breaking());
        assert_eq!(revision.create_date(), Some("now"));
        assert_eq!(errors(&files).len(), 1);
    }

    #[test]
    fn a_baseline_may_say_that_it_needs_nothing() {
        let files = [
            ("a_x.up.sql", ""),
            ("b_x.up.sql", "-- Revises: c"),
            ("c_x.up.sql", "-- Revises: a"),
            ("c_x.baseline.sql", "-- Revises: none"),
        ];
        assert_eq!(order(&graph(&files)), ["-> a", "a -> c", "c -> b"]);
        assert_eq!(order(&graph(&[files[1], files[3]])), ["-> c", "c -> b"]);
        let files = [("a_x.sql", ""), ("b_x.sql", ""), ("b_x.baseline.sql", "-- Revises: none")];
        assert_eq!(order(&graph(&files)), ["-> a", "a -> b"]);
    }

    #[test]
    fn the_chain_follows_every_parent() {
        let files = |a: &'static str| {
            [
                ("1.sql", a),
                ("2.sql", "-- Revises: 1"),
                ("3.sql", "-- Revises: 1"),
                ("4.sql", "-- Revises: 2 3"),
            ]
        };
        let (one, other) = (graph(&files("a")), graph(&files("b")));
        let chain = |graph: &Graph, name| *graph.chain(&id(name)).unwrap();
        assert_ne!(chain(&one, "4"), chain(&other, "4"));
        assert_eq!(chain(&one, "2"), chain(&one, "3"));
        assert_eq!(one.get(&id("4")).unwrap().checksum(), other.get(&id("4")).unwrap().checksum());
        assert!(one.is_merge_point(&id("4")) && !one.is_merge_point(&id("3")));
        assert_eq!(one.branch_points(), [&id("1")]);
    }

    #[test]
    fn several_heads_have_a_lineage_and_no_graph() {
        let read = |files: &[(&str, &str)]| {
            lineage(files.iter().map(|(name, text)| ((*name).to_owned(), *text)), "m")
        };
        let files = [("1.sql", ""), ("2.sql", "-- Revises: 1"), ("3.sql", "-- Revises: 1")];
        assert_eq!(read(&files).unwrap().heads(), [&id("2"), &id("3")]);
        assert_eq!(errors(&files).len(), 1);
        let broken = [files[0], files[1], files[2], ("4.sql", "-- Revises: 9")];
        assert_eq!(read(&broken).unwrap_err().errors().len(), 1);
    }

    #[test]
    fn files_that_are_no_migrations_are_refused() {
        assert_eq!(
            errors(&[
                ("notes.txt", ""),
                ("1_a.up.sql.orig", ""),
                ("2024_x/up.sql", ""),
                ("_x.sql", ""),
                ("a b_c.sql", "")
            ]),
            [
                "m/1_a.up.sql.orig: not the name of a migration",
                "m/2024_x/up.sql: in a sub-directory; migrations are files of the folder itself",
                "m/_x.sql: the revision id is empty",
                "m/a b_c.sql: the revision id `a b` holds ' '; letters, digits, `.`, `_` and `-` are allowed",
                "m/notes.txt: not the name of a migration",
            ]
        );
        let errors = read([("2024_x/up.sql".to_owned(), "")], "m").unwrap_err();
        assert_eq!(errors.hint().as_deref(), Some("rename it to `2024_x.up.sql`"));
    }

    #[test]
    fn an_id_belongs_to_one_revision_and_a_revision_has_one_file_of_a_kind() {
        assert_eq!(
            errors(&[("1_a.up.sql", ""), ("1_b.sql", "")]),
            ["m/1_b.sql: a second file of its revision beside m/1_a.up.sql"]
        );
        assert_eq!(
            errors(&[("1_a.sql", ""), ("2_b.sql", "-- Revision ID: 1")]),
            ["m/2_b.sql:1:1: the revision id 1 is already that of m/1_a.sql"]
        );
    }

    #[test]
    fn a_down_file_needs_its_up_file() {
        let expected = ["m/2_a.down.sql:1:1: a down file without its up file"];
        assert_eq!(errors(&[("1_a.sql", ""), ("2_a.down.sql", "")]), expected);
        assert_eq!(errors(&[("2_a.baseline.sql", ""), ("2_a.down.sql", "")]), expected);
    }

    #[test]
    fn the_files_of_a_revision_must_agree() {
        assert_eq!(
            errors(&[("1.up.sql", "-- Revises: none"), ("1.baseline.sql", "\n-- Revises: 0")]),
            ["m/1.baseline.sql:2:1: `Revises:` says something else in m/1.up.sql"]
        );
        assert_eq!(
            errors(&[("1.up.sql", "-- Revision ID: 1"), ("1.down.sql", "-- Revision ID: 2")]).len(),
            1
        );
    }

    #[test]
    fn an_unknown_down_revision_is_refused_with_the_nearest() {
        assert_eq!(
            errors(&[("4f1c.sql", "-- Revises: none"), ("b.sql", "-- x\n-- Revises: 4f1d")]),
            ["m/b.sql:2:1: revises 4f1d, which is not in the folder; did you mean 4f1c?"]
        );
    }

    #[test]
    fn cycles_are_named() {
        assert_eq!(
            errors(&[("1.sql", "-- Revises: 3"), ("2.sql", ""), ("3.sql", ""), ("4.sql", "")]),
            ["m/1.sql:1:1: the revisions 1, 3, 2 revise each other in a circle"]
        );
        assert_eq!(
            errors(&[("1.sql", "-- Revises: 1"), ("2.sql", "-- Revises: none")]),
            ["m/1.sql:1:1: the revisions 1 revise each other in a circle"]
        );
    }

    #[test]
    fn several_heads_are_named() {
        let files = [("1.sql", ""), ("2.sql", ""), ("3.sql", "-- Revises: 1"), ("x.txt", "")];
        assert_eq!(errors(&files[..3]), ["m: several heads, where one is expected: 2, 3"]);
        assert_eq!(errors(&files), ["m/x.txt: not the name of a migration"]);
        let merged =
            graph(&[files[0], files[1], files[2], ("4.sql", "-- merge\n-- Revises: 2, 3")]);
        assert_eq!(order(&merged), ["-> 1", "1 -> 2", "1 -> 3", "2 3 -> 4"]);
    }

    #[test]
    fn a_baseline_alone_is_a_root() {
        assert_eq!(
            errors(&[("1.sql", ""), ("2.baseline.sql", "")]),
            [
                "m/2.baseline.sql:1:1: a baseline that follows 1 needs an up file, for databases that are already there"
            ]
        );
    }

    #[test]
    fn every_problem_is_told_in_the_order_of_files_and_lines() {
        let down = "begin;\n;commit";
        assert_eq!(
            errors(&[("2.sql", "x; vacuum"), ("1.up.sql", "'"), ("2.down.sql", down)]),
            [
                "m/1.up.sql:1:1: this string is never ended",
                "m/2.down.sql:1:1: `begin` controls the transaction, but castoff runs this file in one of its own",
                "m/2.down.sql:2:2: `commit` controls the transaction, but castoff runs this file in one of its own",
                "m/2.sql:1:4: `vacuum` cannot run in a transaction, and castoff runs this file in one",
            ]
        );
    }

    #[test]
    fn statements_that_castoff_would_not_run_are_no_obstacle_to_a_survey() {
        let up = "\u{feff}\\set é \\x\nselect 1; \\echo é\ncreate table t ()\\;\n\\i x\ncommit";
        let files = [("1_a.up.sql", up), ("2_b.sql", "select 2")];
        let files = files.map(|(name, text)| (name.to_owned(), text));
        let (graph, errors) = survey(files, "m").unwrap();
        let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(
            errors,
            [
                "m/1_a.up.sql:1:1: `\\set` is a command of psql, not SQL",
                "m/1_a.up.sql:2:11: `\\echo` is a command of psql, not SQL",
                "m/1_a.up.sql:3:18: `\\;` is a command of psql, not SQL",
                "m/1_a.up.sql:4:1: `\\i` is a command of psql, not SQL",
            ]
        );
        let up = graph.revisions()[0].up().unwrap();
        assert_eq!(up.statements().len(), 2);
        assert_eq!(graph.revisions().len(), 2);
        assert!(survey([("1_a.up.sql", "'")].map(|(n, t)| (n.to_owned(), t)), "m").is_err());
    }

    #[test]
    fn a_dump_of_pg_dump_is_a_baseline_unchanged() {
        let dump = "--\n-- PostgreSQL database dump\n--\n\n\\restrict kq3\n\nSET statement_timeout = 0;\n\
            SET transaction_timeout = 0;\nSELECT pg_catalog.set_config('search_path', '', false);\n\
            CREATE SCHEMA public;\nCOPY public.t (a) FROM stdin;\n1\n\\.\n\n\\unrestrict kq3\n";
        let graph = graph(&[("1_v106.baseline.sql", dump)]);
        assert_eq!(graph.revisions()[0].message(), "v106");
        assert_eq!(graph.revisions()[0].baseline().unwrap().statements().len(), 5);
    }
}
