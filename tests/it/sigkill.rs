//! SIGKILL, which no process can handle: what was applied stays applied, and once.

use std::collections::hash_map::RandomState;
use std::fmt::Write;
use std::hash::BuildHasher;
use std::time::{Duration, Instant};

use crate::support::{Castoff, Database, SOON, Signal, eventually};

/// Up to how many microseconds after its first revision a leader is killed.
const LONGEST: u64 = 60_000;

/// 100 revisions, each of which inserts its number. One in four runs outside a transaction: it
/// inserts, builds an index and inserts again.
fn hundred_insertions(castoff: &Castoff) {
    let folder = castoff.own_folder();
    folder.file("0001_make.up.sql", "CREATE TABLE applied (number int)");
    for number in 2..=100 {
        let insert = format!("INSERT INTO applied VALUES ({number});\n");
        let mut file = String::new();
        if number % 4 == 0 {
            file.push_str("-- Transaction: none\n");
            file.push_str(&insert);
            writeln!(file, "CREATE INDEX CONCURRENTLY i{number} ON applied (number);").unwrap();
        }
        file.push_str(&insert);
        folder.file(&format!("{number:04}_insert.up.sql"), file);
    }
}

#[track_caller]
fn assert_each_once(db: &Database) {
    let wrong = "SELECT number, count(*) FROM applied FULL JOIN generate_series(2, 100) number \
                 USING (number) GROUP BY number \
                 HAVING count(*) <> CASE number % 4 WHEN 0 THEN 2 ELSE 1 END \
                 OR number NOT BETWEEN 2 AND 100 OR number NOT IN (TABLE applied)";
    assert_eq!(db.psql(wrong), "", "number|times");
    let indexes = "SELECT count(*), bool_and(indisvalid) FROM pg_index \
                   WHERE indrelid = 'applied'::regclass";
    assert_eq!(db.psql(indexes), "25|t");
    let ledger = "SELECT count(*), max(revision) FILTER (WHERE head), count(statements_done) \
                  FROM castoff.revision";
    assert_eq!(db.psql(ledger), "100|0100|0");
}

#[test]
fn a_leader_killed_at_fifty_random_moments_applies_each_statement_once() {
    let random = RandomState::new();
    let mut kills = 0_u64;
    while kills < 50 {
        let db = Database::empty();
        let castoff = Castoff::new(&db).args(["run", "--", "echo", "the app"]);
        hundred_insertions(&castoff);
        let mut reached_head = false;
        while kills < 50 && !reached_head {
            let leader = castoff.spawn();
            eventually(SOON, || {
                let output = leader.output();
                output.contains("Running upgrade") || output.contains("at head")
            });
            let moment = Duration::from_micros(random.hash_one(kills) % LONGEST);
            let begun = Instant::now();
            while begun.elapsed() < moment {
                std::hint::spin_loop();
            }
            leader.signal(Signal::Kill);
            let run = leader.wait(SOON);
            match run.signal() {
                Some(9) => kills += 1,
                _ => reached_head = run.assert_code(0).code() == Some(0),
            }
        }
        castoff.run().assert_code(0).assert_stdout("the app");
        assert_each_once(&db);
    }
}
