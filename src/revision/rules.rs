//! What a file may hold, given how castoff runs it.

use crate::revision::problem::Problem;
use crate::revision::{Control, FileError, FileKind, Script, Statement, StatementKind};

/// Everything in a file that castoff cannot run.
///
/// A baseline may hold `BEGIN; … COMMIT;`, as `pg_dump` writes them around large objects: it runs in
/// one transaction all the same.
pub(super) fn check(script: &Script, kind: FileKind) -> Vec<FileError> {
    let in_one = script.header().transaction && kind != FileKind::Baseline;
    let mut errors = Vec::new();
    let mut open_block: Option<&Statement> = None;
    for statement in script.statements() {
        let beginning = || beginning(script, statement);
        let problem = match statement.kind() {
            StatementKind::CopyOut => Problem::CopyToStdout,
            StatementKind::DiscardAll => Problem::DiscardAll,
            StatementKind::Control(_) if in_one => {
                Problem::TransactionControl { statement: beginning() }
            }
            StatementKind::Control(control) => {
                let pairs = match (control, open_block) {
                    (Control::Begin, None) => {
                        open_block = Some(statement);
                        true
                    }
                    (Control::Commit, Some(_)) => {
                        open_block = None;
                        true
                    }
                    (Control::Begin, Some(_))
                    | (Control::Commit, None)
                    | (Control::Rollback | Control::Other, _) => false,
                };
                if pairs {
                    continue;
                }
                Problem::UnpairedTransactionControl { statement: beginning() }
            }
            StatementKind::Alone(_) if script.header().transaction => {
                Problem::NotInTransaction { statement: beginning() }
            }
            StatementKind::Alone(_) if open_block.is_some() => {
                Problem::NotInTransactionBlock { statement: beginning() }
            }
            StatementKind::Alone(_)
            | StatementKind::Plain
            | StatementKind::CreateInPath
            | StatementKind::MayCommit
            | StatementKind::SetParameter(_)
            | StatementKind::SetLocal(_)
            | StatementKind::CreateSchema(_)
            | StatementKind::CopyIn(_) => continue,
        };
        errors.push(script.error(statement.range().start, problem));
    }
    if let Some(begin) = open_block {
        let problem = Problem::UnpairedTransactionControl { statement: beginning(script, begin) };
        errors.push(script.error(begin.range().start, problem));
    }
    errors
}

/// The first words of a statement, on one line.
fn beginning(script: &Script, statement: &Statement) -> String {
    const SHOWN: usize = 60;
    let text = script.text().get(statement.range()).unwrap_or_default();
    let words: Vec<&str> = text.split_whitespace().take(SHOWN).collect();
    let line = words.join(" ");
    match line.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{} …", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        let script = Script::parse("x.sql", text.as_bytes()).unwrap();
        check(&script, FileKind::Up).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_baseline_may_hold_whole_transactions() {
        let problems = |text: &str| {
            let script = Script::parse("x.sql", text.as_bytes()).unwrap();
            check(&script, FileKind::Baseline).len()
        };
        assert_eq!(problems("BEGIN; SELECT 1; COMMIT; SELECT 2; BEGIN; COMMIT;"), 0);
        assert_eq!(problems("BEGIN; SELECT 1;"), 1);
        assert_eq!(problems("BEGIN; ROLLBACK;"), 2);
    }

    fn non_transactional(statements: &str) -> Vec<String> {
        problems(&format!("-- Transaction: none\n{statements}"))
    }

    #[test]
    fn transaction_control_in_a_transactional_file_is_refused() {
        assert_eq!(
            problems("BEGIN;\nselect 1;\n  commit;"),
            [
                "x.sql:1:1: `BEGIN` controls the transaction, but castoff runs this file in one of its own",
                "x.sql:3:3: `commit` controls the transaction, but castoff runs this file in one of its own",
            ]
        );
        assert!(problems("savepoint a; rollback to a; release a; call p();").is_empty());
    }

    #[test]
    fn pairs_alone_are_allowed_in_a_non_transactional_file() {
        assert!(non_transactional("begin; a; commit; b; start transaction; c; end;").is_empty());
        for text in [
            "begin",
            "commit",
            "begin; begin; commit",
            "begin; rollback; commit",
            "rollback",
            "begin; commit; commit",
            "begin; commit and chain; commit",
            "commit prepared 'x'",
        ] {
            assert_eq!(non_transactional(text).len(), 1, "{text}");
        }
    }

    #[test]
    fn concurrently_in_a_transactional_file_is_refused() {
        let text =
            "create  index concurrently\n users_email_idx on users (lower(email), created_at)";
        assert_eq!(
            problems(text),
            [
                "x.sql:1:1: `create index concurrently users_email_idx on users (lower(em …` cannot run \
             in a transaction, and castoff runs this file in one"
            ]
        );
        assert!(non_transactional(text).is_empty());
        assert_eq!(non_transactional(&format!("begin; {text}; commit")).len(), 1);
    }

    #[test]
    fn copy_to_stdout_and_discard_all_are_refused_everywhere() {
        for text in ["copy t to stdout", "discard all"] {
            assert_eq!(problems(text).len(), 1, "{text}");
            assert_eq!(non_transactional(text).len(), 1, "{text}");
        }
        assert!(problems("copy t from stdin;\n\\.\n").is_empty());
    }
}
