//! `castoff.lock`: what each revision does to the schema.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fmt;

use super::line::patch;
use super::{Hazard, Identity, Line, Schema};
use crate::revision::folder::LOCK;
use crate::revision::{Checksum, Graph, Revision, RevisionId};

/// The first line of the file.
const FORMAT: &str =
    "# castoff.lock 1: what each revision does to the schema; written by `castoff lock`";

/// What a lock says only if it was asked to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Optional {
    /// Comments on objects.
    pub comments: bool,
    /// Who owns them.
    pub owners: bool,
    /// Who may do what with them.
    pub grants: bool,
}

impl Optional {
    /// Their words, those that are wanted.
    fn words(self) -> Vec<&'static str> {
        [(self.comments, "comments"), (self.owners, "owners"), (self.grants, "grants")]
            .into_iter()
            .filter_map(|(wanted, word)| wanted.then_some(word))
            .collect()
    }
}

impl fmt::Display for Optional {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words().join(", "))
    }
}

impl std::str::FromStr for Optional {
    type Err = String;

    /// Takes the words, with commas between them; the error is the one that is not known.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut optional = Self::default();
        for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            match word {
                "comments" => optional.comments = true,
                "owners" => optional.owners = true,
                "grants" => optional.grants = true,
                other => return Err(other.to_owned()),
            }
        }
        Ok(optional)
    }
}

/// What one revision does to the schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The revision.
    pub revision: RevisionId,
    /// Its file's checksum, when its effect was seen.
    pub checksum: Checksum,
    /// The checksum of its baseline, if it has one beside its up file: proven to do what the history
    /// up to here does.
    pub baseline: Option<Checksum>,
    /// What is gone or otherwise after it, as it was before.
    pub removes: Vec<Line>,
    /// What is new or otherwise after it.
    pub adds: Vec<Line>,
    /// What is dangerous in it, in their order.
    pub hazards: Vec<Hazard>,
}

impl Entry {
    /// The lines, with `-` before what it removes and `+` before what it adds.
    pub fn lines(&self) -> Vec<(char, &Line)> {
        patch(self.removes.iter(), self.adds.iter())
    }

    fn agrees(&self, other: &Self) -> bool {
        let alike = |these: &[Line], others: &[Line]| {
            these.len() == others.len()
                && these
                    .iter()
                    .zip(others)
                    .all(|(line, other)| line.identity == other.identity && line.agrees(other))
        };
        (self.checksum, self.baseline) == (other.checksum, other.baseline)
            && self.hazards == other.hazards
            && alike(&self.removes, &other.removes)
            && alike(&self.adds, &other.adds)
    }
}

/// What each revision of a folder does to the schema, parents first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lock {
    /// What its lines are about besides what they are always about.
    pub optional: Optional,
    entries: Vec<Entry>,
}

impl Lock {
    /// A lock of these entries, parents first.
    pub fn new(optional: Optional, entries: Vec<Entry>) -> Self {
        Self { optional, entries }
    }

    /// Adds what one more revision does.
    pub fn push(&mut self, entry: Entry) {
        self.entries.push(entry);
    }

    /// The revisions of which another lock says something else, or nothing; bodies that different
    /// majors have written do not contradict each other.
    pub fn contradictions(&self, other: &Self) -> Vec<&RevisionId> {
        let said: BTreeMap<_, _> =
            other.entries.iter().map(|entry| (&entry.revision, entry)).collect();
        let contradicts =
            |entry: &&Entry| said.get(&entry.revision).is_none_or(|other| !entry.agrees(other));
        self.entries.iter().filter(contradicts).map(|entry| &entry.revision).collect()
    }

    /// The entries, parents first.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// What a revision does, if this is about its file as it is.
    pub fn get(&self, revision: &Revision) -> Option<&Entry> {
        let mut entries = self.entries.iter();
        entries
            .find(|entry| entry.revision == *revision.id() && entry.checksum == revision.checksum())
    }

    /// What is dangerous in a revision, but for what its author says to know of.
    pub fn hazards<'a>(&'a self, revision: &'a Revision) -> impl Iterator<Item = &'a Hazard> {
        let hazards = self.get(revision).into_iter().flat_map(|entry| &entry.hazards);
        hazards.filter(|hazard| revision.allows().all(|allowed| allowed.hazard != hazard.name))
    }

    /// The schema after these revisions and all before them.
    pub fn schema(&self, graph: &Graph, heads: &[RevisionId]) -> Schema {
        let applied = graph.lineage().ancestors(heads);
        let mut schema = Schema::default();
        for entry in self.entries.iter().filter(|entry| applied.contains(&entry.revision)) {
            entry.removes.iter().for_each(|line| drop(schema.remove(&line.identity)));
            entry.adds.iter().for_each(|line| schema.insert(line.clone()));
        }
        schema
    }

    /// Everything that any revision ever makes, changes or drops.
    pub fn managed(&self) -> BTreeSet<&Identity> {
        let lines = self.entries.iter().flat_map(|entry| entry.adds.iter().chain(&entry.removes));
        lines.map(|line| &line.identity).collect()
    }

    /// What it says otherwise than the folder; nothing if it fits.
    pub fn stale(&self, graph: &Graph) -> Vec<Stale> {
        let entries: BTreeMap<_, _> =
            self.entries.iter().map(|entry| (&entry.revision, entry)).collect();
        let mut stale = Vec::new();
        for revision in graph.revisions() {
            let id = revision.id();
            let baseline = revision.baseline().filter(|_| revision.up().is_some());
            match entries.get(id) {
                None => stale.push(Stale::Missing(id.clone())),
                Some(entry)
                    if entry.checksum != revision.checksum()
                        || entry.baseline != baseline.map(crate::revision::Script::checksum) =>
                {
                    stale.push(Stale::Changed(id.clone()));
                }
                Some(_) => {}
            }
        }
        let mut before = BTreeSet::new();
        for entry in &self.entries {
            let revision = graph.get(&entry.revision);
            let mut parents = revision.iter().flat_map(|revision| revision.down_revisions());
            if parents.any(|parent| entries.contains_key(parent) && !before.contains(parent)) {
                stale.push(Stale::Early(entry.revision.clone()));
            }
            before.insert(&entry.revision);
        }
        let unknown = self.entries.iter().map(|entry| &entry.revision);
        let unknown = unknown.filter(|id| graph.get(id).is_none()).cloned();
        stale.extend(unknown.map(Stale::Unknown));
        stale
    }

    /// Reads the file among a folder's files, if it is there.
    pub fn among<B: AsRef<[u8]>>(files: &[(String, B)]) -> Result<Option<Self>, InvalidLock> {
        let file = files.iter().find(|(name, _)| name == LOCK);
        file.map(|(_, text)| Self::parse(&String::from_utf8_lossy(text.as_ref()))).transpose()
    }

    /// What a file asks for besides, even if the rest of it is broken.
    pub fn asks_for(text: &str) -> Optional {
        let words = text.lines().find_map(|line| line.strip_prefix("with "));
        words.and_then(|words| words.parse().ok()).unwrap_or_default()
    }

    /// Reads the file's text.
    pub fn parse(text: &str) -> Result<Self, InvalidLock> {
        let mut lines = text.lines().zip(1..);
        let invalid = |number, expected| InvalidLock { line: number, expected };
        if lines.next().is_none_or(|(line, _)| line != FORMAT) {
            return Err(invalid(1, "the first line of a castoff.lock of format 1"));
        }
        let mut lock = Self::default();
        for (line, number) in lines {
            let entry = lock.entries.last_mut();
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            match (word, entry) {
                ("" | "#", _) => {}
                ("with", None) => {
                    let expected = "comments, owners or grants";
                    lock.optional = rest.parse().map_err(|_| invalid(number, expected))?;
                }
                ("revision", _) => {
                    let expected = "`revision`, its id and its checksum";
                    let entry = rest.split_once(' ').and_then(|(id, checksum)| {
                        Some((RevisionId::new(id).ok()?, checksum.parse().ok()?))
                    });
                    let (revision, checksum) = entry.ok_or_else(|| invalid(number, expected))?;
                    if lock.entries.iter().any(|entry| entry.revision == revision) {
                        return Err(invalid(number, "each revision once"));
                    }
                    lock.entries.push(Entry {
                        revision,
                        checksum,
                        baseline: None,
                        removes: Vec::new(),
                        adds: Vec::new(),
                        hazards: Vec::new(),
                    });
                }
                ("baseline", Some(entry)) => {
                    let checksum = rest.parse();
                    let expected = "`baseline` and its checksum";
                    entry.baseline = Some(checksum.map_err(|_| invalid(number, expected))?);
                }
                (sign @ ("+" | "-"), Some(entry)) => {
                    let expected = "a line of a schema behind `+` or `-`";
                    let line = rest.parse().map_err(|_| invalid(number, expected))?;
                    if sign == "+" { &mut entry.adds } else { &mut entry.removes }.push(line);
                }
                ("!", Some(entry)) => {
                    let expected = "a hazard and its tables behind `!`";
                    entry.hazards.push(rest.parse().map_err(|()| invalid(number, expected))?);
                }
                (_, _) => return Err(invalid(number, "`revision`, `baseline`, `+`, `-` or `!`")),
            }
        }
        Ok(lock)
    }
}

impl fmt::Display for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{FORMAT}")?;
        if self.optional != Optional::default() {
            writeln!(f, "with {}", self.optional)?;
        }
        self.entries.iter().try_for_each(|entry| write!(f, "\n{entry}"))
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "revision {} {}", self.revision, self.checksum)?;
        if let Some(baseline) = self.baseline {
            writeln!(f, "baseline {baseline}")?;
        }
        self.hazards.iter().try_for_each(|hazard| writeln!(f, "! {hazard}"))?;
        self.lines().iter().try_for_each(|(sign, line)| writeln!(f, "{sign} {line}"))
    }
}

/// How a lock does not fit its folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stale {
    /// It does not have this revision.
    Missing(RevisionId),
    /// This revision's file, or its baseline, has changed since.
    Changed(RevisionId),
    /// This revision is not in the folder.
    Unknown(RevisionId),
    /// This revision stands before one that it revises.
    Early(RevisionId),
}

impl fmt::Display for Stale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(id) => write!(f, "{id} is not in castoff.lock"),
            Self::Changed(id) => write!(f, "{id} has changed since castoff.lock was written"),
            Self::Unknown(id) => write!(f, "castoff.lock has {id}, which is not in the folder"),
            Self::Early(id) => write!(f, "castoff.lock has {id} before what it revises"),
        }
    }
}

/// Why a text is no lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidLock {
    /// The line, from 1.
    pub line: usize,
    /// What should be there.
    pub expected: &'static str,
}

impl fmt::Display for InvalidLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "castoff.lock:{}: expected {}", self.line, self.expected)
    }
}

impl Error for InvalidLock {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::revision::folder;

    fn graph(files: &[(&str, &str)]) -> Graph {
        folder::read(files.iter().map(|(name, text)| ((*name).to_owned(), text)), "m").unwrap()
    }

    const FILES: [(&str, &str); 4] = [
        ("1_a.sql", "CREATE TABLE a (x integer)"),
        ("2_b.sql", "ALTER TABLE a ALTER x TYPE text"),
        ("3_c.sql", "UPDATE a SET x = ''"),
        ("3_c.baseline.sql", "CREATE TABLE a (x text)"),
    ];

    fn text(graph: &Graph) -> String {
        let of = |id: &str| graph.get(&RevisionId::new(id).unwrap()).unwrap();
        format!(
            "{FORMAT}\nwith comments\n\nrevision 1 {}\n+ table public.a\n+ column public.a.x integer\n\n\
             revision 2 {}\n! changing-column-type public.a\n- column public.a.x integer\n+ column public.a.x text\n\n\
             revision 3 {}\nbaseline {}\n",
            of("1").checksum(),
            of("2").checksum(),
            of("3").checksum(),
            of("3").baseline().unwrap().checksum()
        )
    }

    #[test]
    fn a_lock_is_read_as_it_was_written_and_folds_to_the_schemas() {
        let graph = graph(&FILES);
        let text = text(&graph);
        let lock = Lock::parse(&text).unwrap();
        assert_eq!(lock.to_string(), text);
        assert_eq!(lock.stale(&graph), []);
        let at = |id: &str| lock.schema(&graph, &[RevisionId::new(id).unwrap()]).to_string();
        assert_eq!(at("1"), "table public.a\ncolumn public.a.x integer\n");
        assert_eq!(at("3"), "table public.a\ncolumn public.a.x text\n");
        assert_eq!(lock.managed().len(), 2);
        assert_eq!(Lock::parse(&text.replace('\n', "\r\n")).unwrap(), lock);
    }

    #[test]
    fn a_lock_of_another_folder_is_stale() {
        let lock = Lock::parse(&text(&graph(&FILES))).unwrap();
        let mut files = FILES;
        files[1].1 = "ALTER TABLE a ALTER x TYPE bytea";
        files[2] = ("4_d.sql", "SELECT 1");
        let stale: Vec<_> =
            lock.stale(&graph(&files[..3])).iter().map(ToString::to_string).collect();
        assert_eq!(
            stale,
            [
                "2 has changed since castoff.lock was written",
                "4 is not in castoff.lock",
                "castoff.lock has 3, which is not in the folder",
            ]
        );
        files[3].1 = "CREATE TABLE a (x text, y text)";
        files[1] = FILES[1];
        files[2] = FILES[2];
        assert_eq!(lock.stale(&graph(&files)).len(), 1);
    }

    #[test]
    fn a_revision_before_what_it_revises_makes_a_lock_stale() {
        let graph = graph(&FILES);
        let mut lock = Lock::parse(&text(&graph)).unwrap();
        lock.entries.swap(1, 2);
        let stale: Vec<_> = lock.stale(&graph).iter().map(ToString::to_string).collect();
        assert_eq!(stale, ["castoff.lock has 3 before what it revises"]);
    }

    #[test]
    fn a_broken_lock_is_refused_with_its_line() {
        let text = text(&graph(&FILES));
        for (from, to, line) in [
            ("castoff.lock 1", "castoff.lock 2", 1),
            ("with comments", "with everything", 2),
            ("revision 1 sha256:", "revision 1 md5:", 4),
            ("+ table public.a", "<<<<<<< HEAD", 5),
            ("+ table public.a", "+ tabel public.a", 5),
            ("! changing-column-type", "! Changing", 9),
            ("baseline sha256", "baseline x", 14),
            ("revision 2 sha256:", "revision 1 sha256:", 8),
        ] {
            let error = Lock::parse(&text.replacen(from, to, 1)).unwrap_err();
            assert_eq!(error.line, line, "{to}: {error}");
        }
        assert!(Lock::parse("").is_err());
    }
}
