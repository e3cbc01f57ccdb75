//! What the statements of files did to tables, and whom they kept out meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::mode::{Blocks, Mode};

/// A table, an index or the like, as the catalogue has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Relation {
    /// Qualified and quoted.
    pub(crate) name: String,
    /// PostgreSQL's letter for its kind.
    pub(crate) kind: char,
    /// Its file; another one is written where it is rewritten.
    pub(crate) file: String,
    /// How many rows it has, as far as the server has counted.
    pub(crate) rows: Option<u64>,
    /// The table of an index.
    pub(crate) table: Option<String>,
}

/// How many rows were touched.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Counts {
    pub(crate) inserted: u64,
    pub(crate) updated: u64,
    pub(crate) deleted: u64,
    /// By reading the table from its beginning.
    pub(crate) scanned: u64,
}

/// What can be seen between two statements.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Look {
    pub(crate) relations: BTreeMap<String, Relation>,
    pub(crate) locks: BTreeSet<(String, Mode)>,
    pub(crate) counts: BTreeMap<String, Counts>,
}

/// What a file did.
#[derive(Debug, Serialize)]
pub(crate) struct Account {
    pub(crate) revision: String,
    pub(crate) message: String,
    pub(crate) file: String,
    pub(crate) transaction: bool,
    pub(crate) statements: Vec<Done>,
    pub(crate) blocked: Vec<Blocked>,
}

/// What one statement did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Done {
    pub(crate) line: usize,
    pub(crate) statement: String,
    pub(crate) duration_ms: f64,
    /// The locks that it took and that were not held before.
    pub(crate) locks: Vec<Held>,
    pub(crate) rewritten: Vec<Rewritten>,
    pub(crate) rows: Vec<Touched>,
    /// The number of the transaction in the file that it is part of.
    #[serde(skip)]
    pub(crate) transaction: usize,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Held {
    pub(crate) relation: String,
    pub(crate) mode: Mode,
    pub(crate) blocks: Blocks,
    /// Whether this file has made the relation, so that nobody else knows of it yet.
    pub(crate) new: bool,
    /// The table of an index, which nobody can read without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) table: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Rewritten {
    pub(crate) relation: String,
    /// About how many rows it had.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rows: Option<u64>,
    /// The table of an index.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) table: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Touched {
    pub(crate) relation: String,
    #[serde(flatten)]
    pub(crate) counts: Counts,
}

/// Whom a file kept out of a table, and for how long at most.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Blocked {
    pub(crate) table: String,
    pub(crate) blocks: Blocks,
    pub(crate) duration_ms: f64,
}

impl Done {
    /// What is otherwise after a statement than before it; what is new is so since the beginning.
    pub(crate) fn new(
        (line, statement): (usize, &str),
        duration: Duration,
        (beginning, before, after): (&Look, &Look, &Look),
    ) -> Self {
        let relation = |id: &String| {
            // By the name that others know.
            [beginning, before, after].into_iter().find_map(|look| look.relations.get(id))
        };
        let taken = after.locks.difference(&before.locks).filter_map(|(id, mode)| {
            let relation = relation(id)?;
            Some(Held {
                relation: relation.name.clone(),
                mode: *mode,
                blocks: mode.blocks(),
                new: !beginning.relations.contains_key(id),
                table: relation.table.clone(),
            })
        });
        let rewritten = after.relations.iter().filter_map(|(id, now)| {
            let was = before.relations.get(id)?;
            let is_other = was.file != now.file && now.file != "0";
            (is_other && beginning.relations.contains_key(id)).then(|| Rewritten {
                relation: now.name.clone(),
                rows: was.rows,
                table: now.table.clone(),
            })
        });
        let rows = after.counts.iter().filter_map(|(id, now)| {
            let was = before.counts.get(id).copied().unwrap_or_default();
            let counts = Counts {
                inserted: now.inserted.saturating_sub(was.inserted),
                updated: now.updated.saturating_sub(was.updated),
                deleted: now.deleted.saturating_sub(was.deleted),
                scanned: now.scanned.saturating_sub(was.scanned),
            };
            let relation = relation(id)?.name.clone();
            (counts != Counts::default()).then_some(Touched { relation, counts })
        });
        let mut locks: Vec<_> = taken.collect();
        locks.sort_by(|a, b| b.mode.cmp(&a.mode).then_with(|| a.relation.cmp(&b.relation)));
        Self {
            line,
            statement: statement.to_owned(),
            duration_ms: milliseconds(duration),
            locks,
            rewritten: rewritten.collect(),
            rows: rows.collect(),
            transaction: 0,
        }
    }
}

impl Done {
    /// Not beside a lock that is as strong on the same table or on that of an index, nor what a
    /// weak lock on an index is.
    fn is_worth_telling(&self, lock: &Held) -> bool {
        let is_stronger = |other: &Held| {
            other.relation == lock.relation && other.mode > lock.mode
                || lock.table.as_ref() == Some(&other.relation) && other.blocks >= lock.blocks
        };
        let is_index = lock.table.is_some() && lock.blocks == Blocks::SchemaChanges;
        !(lock.new || is_index || self.locks.iter().any(is_stronger))
    }
}

/// A lock is held from its statement to the end of the transaction.
pub(crate) fn blocked(statements: &[Done]) -> Vec<Blocked> {
    let mut tables: BTreeMap<&str, (Blocks, f64)> = BTreeMap::new();
    let mut taken: BTreeMap<(usize, &str, Blocks), f64> = BTreeMap::new();
    for (n, done) in statements.iter().enumerate() {
        let held: f64 = statements[n..]
            .iter()
            .take_while(|later| later.transaction == done.transaction)
            .map(|later| later.duration_ms)
            .sum();
        for lock in done.locks.iter().filter(|lock| !lock.new) {
            let table = lock.table.as_deref().unwrap_or(&lock.relation);
            // A weaker lock on an index keeps nobody from its table.
            if lock.blocks == Blocks::SchemaChanges
                || lock.table.is_some() && lock.blocks != Blocks::Reads
            {
                continue;
            }
            let first = taken.entry((done.transaction, table, lock.blocks)).or_insert(held);
            *first = first.max(held);
        }
    }
    for ((_, table, blocks), held) in taken {
        let known = tables.entry(table).or_insert((blocks, 0.0));
        match blocks.cmp(&known.0) {
            std::cmp::Ordering::Greater => *known = (blocks, held),
            std::cmp::Ordering::Equal => known.1 = known.1.max(held),
            std::cmp::Ordering::Less => {}
        }
    }
    let blocked = tables.into_iter().map(|(table, (blocks, duration_ms))| Blocked {
        table: table.to_owned(),
        blocks,
        duration_ms,
    });
    blocked.collect()
}

/// To a tenth of a microsecond, which is more than can be told.
fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e7).round() / 1e4
}

struct Time(f64);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 1000.0 {
            write!(f, "{:.1} ms", self.0)
        } else {
            write!(f, "{:.1} s", self.0 / 1000.0)
        }
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = if self.transaction { "in one transaction" } else { "without a transaction" };
        writeln!(f, "{} ({}), {how}", self.revision, self.message)?;
        self.statements.iter().try_for_each(|done| done.fmt(f))?;
        if self.blocked.is_empty() {
            return writeln!(f, "  this file blocks neither reads nor writes");
        }
        for Blocked { table, blocks, duration_ms } in &self.blocked {
            writeln!(f, "  this file {blocks} of {table} for {}", Time(*duration_ms))?;
        }
        Ok(())
    }
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const WIDTH: usize = 60;
        let words = self.statement.split_whitespace().collect::<Vec<_>>().join(" ");
        let short = if words.chars().count() > WIDTH {
            words.chars().take(WIDTH - 1).chain(['…']).collect()
        } else {
            words
        };
        writeln!(f, "  line {}: {short}  ({})", self.line, Time(self.duration_ms))?;
        for lock in self.locks.iter().filter(|lock| self.is_worth_telling(lock)) {
            let Held { relation, mode, blocks, table, .. } = lock;
            let of = table.as_ref().map(|table| format!(", an index of {table}"));
            writeln!(f, "    {mode} on {relation}{}: {blocks}", of.unwrap_or_default())?;
        }
        for Rewritten { relation, rows, table } in &self.rewritten {
            let mut all = self.rewritten.iter();
            if all.any(|it| Some(&it.relation) == table.as_ref()) {
                continue;
            }
            let rows = rows.filter(|rows| *rows > 0 && table.is_none());
            let rows = rows.map(|rows| format!(", about {rows} rows")).unwrap_or_default();
            writeln!(f, "    rewrites {relation}{rows}")?;
        }
        for Touched { relation, counts } in &self.rows {
            let Counts { inserted, updated, deleted, scanned } = *counts;
            let parts = [
                (inserted, "inserts"),
                (updated, "updates"),
                (deleted, "deletes"),
                (scanned, "scans"),
            ];
            let parts: Vec<_> = parts
                .into_iter()
                .filter(|(count, _)| *count > 0)
                .map(|(count, what)| {
                    format!("{what} {count} row{}", if count == 1 { "" } else { "s" })
                })
                .collect();
            writeln!(f, "    {} of {relation}", parts.join(", "))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(relations: &[(&str, &str)], locks: &[(&str, Mode)]) -> Look {
        let relation = |id: &str, file: &str| Relation {
            name: format!("public.{id}"),
            kind: if id.starts_with('i') { 'i' } else { 'r' },
            file: file.to_owned(),
            rows: Some(3),
            table: id.starts_with('i').then(|| "public.t".to_owned()),
        };
        Look {
            relations: relations
                .iter()
                .map(|(id, file)| ((*id).to_owned(), relation(id, file)))
                .collect(),
            locks: locks.iter().map(|(id, mode)| ((*id).to_owned(), *mode)).collect(),
            counts: BTreeMap::new(),
        }
    }

    fn done(transaction: usize, ms: u64, looks: [&Look; 3]) -> Done {
        let done = Done::new((1, "X"), Duration::from_millis(ms), (looks[0], looks[1], looks[2]));
        Done { transaction, ..done }
    }

    #[test]
    fn a_statement_has_the_locks_that_are_new_and_what_it_rewrote() {
        let before = look(&[("t", "1"), ("u", "2")], &[("t", Mode::AccessShare)]);
        let after = look(
            &[("t", "9"), ("n", "3")],
            &[
                ("t", Mode::AccessShare),
                ("t", Mode::Share),
                ("n", Mode::AccessExclusive),
                ("u", Mode::AccessExclusive),
            ],
        );
        let done = done(0, 1, [&before, &before, &after]);
        let locks: Vec<_> =
            done.locks.iter().map(|it| (it.relation.as_str(), it.mode, it.new)).collect();
        assert_eq!(
            locks,
            [
                ("public.n", Mode::AccessExclusive, true),
                ("public.u", Mode::AccessExclusive, false),
                ("public.t", Mode::Share, false),
            ]
        );
        assert_eq!(
            done.rewritten,
            [Rewritten { relation: "public.t".to_owned(), rows: Some(3), table: None }]
        );
    }

    #[test]
    fn what_goes_without_saying_is_not_said() {
        let relations = |file| [("t", file), ("i", file), ("i2", "5")];
        let before = look(&relations("1"), &[]);
        let locks = [
            ("t", Mode::AccessShare),
            ("t", Mode::ShareRowExclusive),
            ("i", Mode::ShareRowExclusive),
            ("i2", Mode::AccessExclusive),
        ];
        let after = look(&relations("2"), &locks);
        let done = done(0, 1, [&before, &before, &after]);
        assert_eq!(
            done.to_string(),
            "  line 1: X  (1.0 ms)\n    \
             AccessExclusiveLock on public.i2, an index of public.t: blocks reads and writes\n    \
             ShareRowExclusiveLock on public.t: blocks writes\n    \
             rewrites public.t, about 3 rows\n"
        );
    }

    #[test]
    fn a_lock_lasts_to_the_end_of_its_transaction() {
        let relations = [("t", "1"), ("u", "2"), ("i", "3")];
        let none = look(&relations, &[]);
        let on = |locks: &[(&str, Mode)]| look(&relations, locks);
        let (share, index) = (on(&[("u", Mode::Share)]), on(&[("i", Mode::AccessExclusive)]));
        let weak = on(&[("t", Mode::ShareUpdateExclusive), ("i", Mode::Share)]);
        let statements = [
            done(0, 1, [&none, &none, &weak]),
            done(0, 10, [&none, &none, &share]),
            done(0, 100, [&none, &none, &none]),
            done(1, 1000, [&none, &none, &index]),
        ];
        let blocked: Vec<_> = blocked(&statements)
            .into_iter()
            .map(|it| (it.table, it.blocks, it.duration_ms))
            .collect();
        assert_eq!(
            blocked,
            [
                ("public.t".to_owned(), Blocks::Reads, 1000.0),
                ("public.u".to_owned(), Blocks::Writes, 110.0),
            ]
        );
    }
}
