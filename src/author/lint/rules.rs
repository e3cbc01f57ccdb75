//! The rules, in the order in which they are listed.

use super::rule::Level::{Error, Hazard, Style};
use super::rule::Rule;

/// What to do instead of a drop.
const LATER: &str =
    "drop it in the release after the one that no longer uses it, and say so with `-- Allow:`";

macro_rules! rules {
    ($($id:ident = $rule:expr;)+) => {
        $(pub(super) static $id: &Rule = &$rule;)+

        /// All of them.
        pub(crate) static RULES: &[&Rule] = &[$($id),+];
    };
}

rules! {
    TRANSACTION_CONTROL = Rule::new(
        Error,
        "transaction-control",
        "BEGIN, COMMIT or ROLLBACK in a file that castoff runs in one transaction",
        "it would end castoff's transaction, and the rest would be kept whatever happens",
        "leave it out, or begin the file with `-- Transaction: none`",
    );
    NOT_IN_TRANSACTION = Rule::new(
        Error,
        "not-in-transaction",
        "CONCURRENTLY, VACUUM and the like in a file that runs in one transaction",
        "PostgreSQL refuses it in a transaction",
        "put it into a file of its own that begins with `-- Transaction: none`",
    )
    .called("ban-concurrent-index-creation-in-transaction");
    PSQL_META_COMMAND = Rule::new(
        Error,
        "psql-meta-command",
        "a command of psql",
        "only psql understands it; castoff sends the file to the server",
        "write the SQL that it stands for",
    );
    UNSUPPORTED_STATEMENT = Rule::new(
        Error,
        "unsupported-statement",
        "COPY … TO stdout, DISCARD ALL",
        "castoff does not run it",
        "leave it out",
    );
    SYNTAX_ERROR = Rule::new(
        Error,
        "syntax-error",
        "text that is no SQL",
        "PostgreSQL would refuse it, and what else is in it can't be judged",
        "correct it",
    );
    DUPLICATE_COLUMN_ASSIGNMENTS = Rule::new(
        Error,
        "duplicate-column-assignments",
        "an UPDATE that sets a column twice",
        "PostgreSQL refuses to set a column twice",
        "keep one of the two",
    )
    .called("ban-duplicate-column-assignments");
    DOWN_DOES_NOT_REVERSE = Rule::new(
        Error,
        "down-does-not-reverse",
        "a down file that leaves behind what the up file makes",
        "after a downgrade the schema is not what it was, and the next upgrade may fail",
        "take it back in the down file; `castoff lock --reversible` tries it",
    );
    EDITED_AFTER_RELEASE = Rule::new(
        Error,
        "edited-after-release",
        "a file that was released and is another one now (--since)",
        "databases that have applied it refuse to start with this one",
        "put it back and write a new revision; list the old checksum in `Accepts:` if both are right",
    );
    REMOVED_AFTER_RELEASE = Rule::new(
        Error,
        "removed-after-release",
        "a revision that was released and is gone (--since)",
        "databases that have applied it are ahead of this folder, or have diverged from it",
        "put it back; only what a baseline stands for may go",
    );
    INSERTED_BEFORE_RELEASE = Rule::new(
        Error,
        "inserted-before-release",
        "a new revision before one that was released (--since)",
        "databases that are past it would have to go back to apply it",
        "let it revise the head of the release",
    );
    ADDING_FIELD_WITH_DEFAULT = Rule::new(
        Hazard,
        "adding-field-with-default",
        "a new column whose value PostgreSQL has to write into each row",
        "the whole table is rewritten, and nobody can read it meanwhile",
        "add the column without it, set the default, then fill the old rows in batches",
    );
    ADDING_REQUIRED_FIELD = Rule::new(
        Hazard,
        "adding-required-field",
        "a new column that is NOT NULL and has no default",
        "it fails on a table with rows, and running instances can't insert without it",
        "give it a constant default, or add it as nullable",
    )
    .contracting();
    ADDING_NOT_NULLABLE_FIELD = Rule::new(
        Hazard,
        "adding-not-nullable-field",
        "SET NOT NULL without a valid check that says so",
        "the whole table is read while nobody else can, and running instances may write NULL",
        "add CHECK (… IS NOT NULL) NOT VALID, validate it in the next revision, then SET NOT NULL",
    )
    .contracting();
    ADDING_FOREIGN_KEY_CONSTRAINT = Rule::new(
        Hazard,
        "adding-foreign-key-constraint",
        "a foreign key that is checked at once",
        "all rows are checked while nobody can write to either table",
        "add it as NOT VALID, and validate it in the next revision",
    );
    ADDING_UNIQUE_CONSTRAINT = Rule::new(
        Hazard,
        "adding-unique-constraint",
        "a unique constraint that builds its index",
        "nobody can read or write the table while the index is built",
        "build the index CONCURRENTLY in a revision before, then ADD … UNIQUE USING INDEX",
    )
    .called("disallowed-unique-constraint");
    ADDING_PRIMARY_KEY_CONSTRAINT = Rule::new(
        Hazard,
        "adding-primary-key-constraint",
        "a primary key that builds its index",
        "nobody can read or write the table while the index is built",
        "build a unique index CONCURRENTLY in a revision before, then ADD PRIMARY KEY USING INDEX",
    )
    .called("adding-serial-primary-key-field");
    ADDING_EXCLUSION_CONSTRAINT = Rule::new(
        Hazard,
        "adding-exclusion-constraint",
        "an exclusion constraint on a table that is there",
        "nobody can read or write the table while its index is built; there is no other way",
        "do it while nobody needs the table, or in a new table",
    );
    CONSTRAINT_MISSING_NOT_VALID = Rule::new(
        Hazard,
        "constraint-missing-not-valid",
        "a constraint that is checked at once, or validated where it is added",
        "all rows are checked while nobody can read or write the table",
        "add it as NOT VALID, and validate it in the next revision",
    );
    ALTER_DOMAIN_WITH_ADD_CONSTRAINT = Rule::new(
        Hazard,
        "alter-domain-with-add-constraint",
        "a constraint on a domain that is checked at once",
        "every table with a column of the domain is read while nobody can write to it",
        "add it as NOT VALID, and validate it in the next revision",
    )
    .called("ban-alter-domain-with-add-constraint");
    REQUIRE_CONCURRENT_INDEX_CREATION = Rule::new(
        Hazard,
        "require-concurrent-index-creation",
        "CREATE INDEX on a table that is there, without CONCURRENTLY",
        "nobody can write to the table while the index is built",
        "CREATE INDEX CONCURRENTLY, in a file that begins with `-- Transaction: none`",
    );
    REQUIRE_CONCURRENT_REINDEX = Rule::new(
        Hazard,
        "require-concurrent-reindex",
        "REINDEX without CONCURRENTLY",
        "nobody can write to the table, nor read by the index, while it is built anew",
        "REINDEX … CONCURRENTLY, in a file that begins with `-- Transaction: none`",
    );
    CHANGING_COLUMN_TYPE = Rule::new(
        Hazard,
        "changing-column-type",
        "another type for a column, other than a wider one of its kind",
        "the table and its indexes are rewritten while nobody can read it, and running instances \
         may not understand the new type",
        "add a column of the new type, keep both in step, and drop the old one in a later release",
    )
    .contracting();
    TABLE_REWRITE = Rule::new(
        Hazard,
        "table-rewrite",
        "VACUUM FULL, CLUSTER, SET LOGGED, REFRESH MATERIALIZED VIEW … without CONCURRENTLY",
        "it is written anew while nobody can read it",
        "use VACUUM, pg_repack or REFRESH … CONCURRENTLY, or do it while nobody needs it",
    )
    .called("prefer-repack");
    SEVERAL_LOCKS = Rule::new(
        Hazard,
        "several-locks",
        "statements of one transaction that lock different tables",
        "while it waits for the next table, everybody waits for the one it has; who takes them in \
         another order is in a deadlock with it",
        "give each table a revision of its own",
    );
    DATA_CHANGE_UNDER_LOCK = Rule::new(
        Hazard,
        "data-change-under-lock",
        "rows changed by a transaction that has locked a table",
        "the table stays locked until all of the rows are changed",
        "change the schema in one revision and the data in the next",
    );
    UNBATCHED_CHANGE = Rule::new(
        Hazard,
        "unbatched-change",
        "UPDATE or DELETE of every row of a table at once",
        "everybody who writes to one of the rows waits until it is done with all of them",
        "change them in batches, in a file that begins with `-- Transaction: none`",
    );
    TRUNCATE = Rule::new(
        Hazard,
        "truncate",
        "TRUNCATE of a table that is there",
        "running instances lose the rows, and nobody can read the table until the end of the file",
        "make sure that nobody needs the rows, and say so with `-- Allow:`",
    )
    .called("ban-truncate-cascade")
    .contracting();
    DROP_COLUMN = Rule::new(
        Hazard,
        "drop-column",
        "DROP COLUMN",
        "running instances that know the column fail, and its data is gone",
        LATER,
    )
    .called("ban-drop-column")
    .contracting();
    DROP_TABLE = Rule::new(
        Hazard,
        "drop-table",
        "DROP TABLE",
        "running instances that know the table fail, and its data is gone",
        LATER,
    )
    .called("ban-drop-table")
    .contracting();
    DROP_VIEW = Rule::new(
        Hazard,
        "drop-view",
        "DROP VIEW that the file does not make anew",
        "running instances that know the view fail",
        LATER,
    )
    .called("ban-drop-view")
    .contracting();
    DROP_FUNCTION = Rule::new(
        Hazard,
        "drop-function",
        "DROP FUNCTION or PROCEDURE that the file does not make anew; not a trigger's",
        "running instances that call it fail",
        LATER,
    )
    .called("ban-drop-function")
    .contracting();
    DROP_TYPE = Rule::new(
        Hazard,
        "drop-type",
        "DROP TYPE, OPERATOR or CAST that the file does not make anew",
        "running instances that name it fail",
        LATER,
    )
    .called("ban-drop-type")
    .contracting();
    DROP_DOMAIN = Rule::new(
        Hazard,
        "drop-domain",
        "DROP DOMAIN",
        "running instances that name it fail",
        LATER,
    )
    .called("ban-drop-domain")
    .contracting();
    DROP_SEQUENCE = Rule::new(
        Hazard,
        "drop-sequence",
        "DROP SEQUENCE",
        "running instances that draw from it fail",
        LATER,
    )
    .called("ban-drop-sequence")
    .contracting();
    DROP_SCHEMA = Rule::new(
        Hazard,
        "drop-schema",
        "DROP SCHEMA",
        "running instances that use what is in it fail",
        LATER,
    )
    .called("ban-drop-schema")
    .contracting();
    DROP_EXTENSION = Rule::new(
        Hazard,
        "drop-extension",
        "DROP EXTENSION",
        "running instances that use its functions or types fail",
        LATER,
    )
    .called("ban-drop-extension")
    .contracting();
    DROP_DATABASE = Rule::new(
        Hazard,
        "drop-database",
        "DROP DATABASE",
        "everything in it is gone",
        "leave it to the one who runs the server",
    )
    .called("ban-drop-database")
    .contracting();
    DROP_DEFAULT = Rule::new(
        Hazard,
        "drop-default",
        "DROP DEFAULT that the file does not replace",
        "what running instances insert without the column is NULL from now on, or refused",
        "drop it in the release after the one that always writes the column",
    )
    .called("ban-drop-default")
    .contracting();
    DROP_NOT_NULL = Rule::new(
        Hazard,
        "drop-not-null",
        "DROP NOT NULL",
        "running instances may not expect the NULLs that new ones write",
        "release what can read NULL first, then what writes it, and say so with `-- Allow:`",
    )
    .called("ban-drop-not-null");
    DROP_GENERATED_EXPRESSION = Rule::new(
        Hazard,
        "drop-generated-expression",
        "DROP EXPRESSION of a generated column",
        "running instances rely on PostgreSQL for its value, which stays NULL from now on",
        "drop it in the release after the one that writes the column",
    )
    .called("ban-drop-generated-expression")
    .contracting();
    ALTER_IDENTITY = Rule::new(
        Hazard,
        "alter-identity",
        "an identity that is dropped, or becomes GENERATED ALWAYS",
        "inserts of running instances are refused from now on",
        "use GENERATED BY DEFAULT, or change it when nobody relies on it",
    )
    .called("ban-alter-identity")
    .contracting();
    RENAMING_COLUMN = Rule::new(
        Hazard,
        "renaming-column",
        "RENAME COLUMN",
        "running instances know the old name alone, new ones the new one",
        "add a column, keep both in step by a trigger, and drop the old one in a later release",
    )
    .contracting();
    RENAMING_TABLE = Rule::new(
        Hazard,
        "renaming-table",
        "RENAME of a table",
        "running instances know the old name alone, new ones the new one",
        "leave a view with the old name behind, in the same file, until nobody uses it",
    )
    .contracting();
    RENAMING_OBJECT = Rule::new(
        Hazard,
        "renaming-object",
        "RENAME of a view, function, type, sequence or schema",
        "running instances know the old name alone, new ones the new one",
        "make a second one, and drop the old one in a later release",
    )
    .contracting();
    SET_SCHEMA = Rule::new(
        Hazard,
        "set-schema",
        "SET SCHEMA",
        "running instances look for it where it was",
        "make sure that all of them find it by search_path, and say so with `-- Allow:`",
    )
    .called("ban-set-schema")
    .contracting();
    REVOKE = Rule::new(
        Hazard,
        "revoke",
        "REVOKE, DROP ROLE, DROP OWNED",
        "running instances that need the privilege fail",
        "make sure that nobody needs it, and say so with `-- Allow:`",
    )
    .called("ban-revoke");
    ALTER_ROW_LEVEL_SECURITY = Rule::new(
        Hazard,
        "alter-row-level-security",
        "ENABLE or FORCE ROW LEVEL SECURITY on a table that is there",
        "running instances see no rows but those that a policy shows them",
        "make the policies first, in the same file, and say so with `-- Allow:`",
    )
    .called("ban-alter-row-level-security");
    MISSING_BREAKING = Rule::new(
        Hazard,
        "missing-breaking",
        "a revision that older images can't work with, without `Breaking: yes`",
        "an older image starts on it all the same, and fails later",
        "write `-- Breaking: yes`, or `-- Allow: missing-breaking` and since when nobody needs it",
    );
    NO_DOWN_FILE = Rule::new(
        Style,
        "no-down-file",
        "a revision without a down file",
        "it can't be taken back",
        "write the down file",
    );
    NON_LINEAR_HISTORY = Rule::new(
        Style,
        "non-linear-history",
        "several revisions that follow the same one",
        "in which order they are applied depends on the database",
        "let one of them revise the other, as long as they are not released",
    );
    UNUSED_ALLOW = Rule::new(
        Style,
        "unused-allow",
        "an `Allow:` for what is not in the file",
        "it would hide what somebody adds later",
        "leave it out",
    );
    UNKNOWN_ALLOW = Rule::new(
        Style,
        "unknown-allow",
        "an `Allow:` for what no rule is about",
        "it allows nothing",
        "correct the name; `castoff lint --rules` lists them",
    );
    IDENTIFIER_TOO_LONG = Rule::new(
        Style,
        "identifier-too-long",
        "a name of more than 63 bytes",
        "PostgreSQL cuts it, quietly",
        "shorten it",
    );
    REQUIRE_CONCURRENT_INDEX_DELETION = Rule::new(
        Style,
        "require-concurrent-index-deletion",
        "DROP INDEX without CONCURRENTLY",
        "it waits for all who use the table, and everybody who comes later waits for it",
        "DROP INDEX CONCURRENTLY, in a file that begins with `-- Transaction: none`",
    )
    .optional();
    REQUIRE_CONCURRENT_PARTITION_DETACH = Rule::new(
        Style,
        "require-concurrent-partition-detach",
        "DETACH PARTITION without CONCURRENTLY",
        "it waits for all who use the table, and everybody who comes later waits for it",
        "DETACH PARTITION … CONCURRENTLY, in a file that begins with `-- Transaction: none`",
    )
    .optional();
    REQUIRE_ENUM_VALUE_ORDERING = Rule::new(
        Style,
        "require-enum-value-ordering",
        "ADD VALUE without BEFORE or AFTER",
        "it sorts behind all others",
        "say where it belongs",
    )
    .optional();
    CREATE_DOMAIN_WITH_CONSTRAINT = Rule::new(
        Style,
        "create-domain-with-constraint",
        "a domain with a constraint",
        "it is hard to change while the application runs",
        "constrain the columns",
    )
    .called("ban-create-domain-with-constraint")
    .optional();
    CHAR_FIELD = Rule::new(
        Style,
        "char-field",
        "char(n)",
        "it is padded with spaces, and no faster",
        "use text",
    )
    .called("ban-char-field")
    .optional();
    PREFER_BIGINT_OVER_INT = Rule::new(
        Style,
        "prefer-bigint-over-int",
        "int",
        "it ends at 2147483647, and is hard to change then",
        "use bigint",
    )
    .optional();
    PREFER_BIGINT_OVER_SMALLINT = Rule::new(
        Style,
        "prefer-bigint-over-smallint",
        "smallint",
        "it ends at 32767, and is hard to change then",
        "use bigint",
    )
    .optional();
    PREFER_IDENTITY = Rule::new(
        Style,
        "prefer-identity",
        "serial",
        "its sequence has an owner and privileges of its own",
        "use GENERATED BY DEFAULT AS IDENTITY",
    )
    .optional();
    PREFER_TEXT_FIELD = Rule::new(
        Style,
        "prefer-text-field",
        "varchar(n)",
        "its length is hard to change",
        "use text, with a CHECK if need be",
    )
    .optional();
    PREFER_TIMESTAMPTZ = Rule::new(
        Style,
        "prefer-timestamptz",
        "timestamp without time zone",
        "which moment it means depends on who reads it",
        "use timestamptz",
    )
    .called("prefer-timestamp-tz")
    .optional();
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_rule_has_names_of_its_own() {
        let names: Vec<_> =
            RULES.iter().flat_map(|rule| [Some(rule.name), rule.squawk]).flatten().collect();
        let unique: BTreeSet<_> = names.iter().collect();
        assert_eq!(unique.len(), names.len());
        for rule in RULES {
            let is_name = |c: char| c.is_ascii_lowercase() || c == '-';
            assert!(rule.name.chars().all(is_name), "{}", rule.name);
            assert_eq!(Rule::named(rule.name), Some(*rule));
            assert!(rule.summary.chars().count() + rule.name.len() < 130, "{}", rule.name);
            for text in [rule.summary, rule.why, rule.instead] {
                assert!(!text.is_empty() && !text.ends_with('.'), "{}: {text}", rule.name);
            }
        }
    }

    #[test]
    fn what_squawk_calls_otherwise_is_a_rule_of_squawk() {
        for rule in RULES {
            if let Some(name) = rule.squawk {
                assert!(name.parse::<squawk_linter::Rule>().is_ok(), "{name}");
            }
        }
    }
}
