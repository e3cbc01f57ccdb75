//! What a database says of its revisions.

use super::database::Database;

impl Database {
    /// The heads in castoff's ledger, with commas between them.
    #[track_caller]
    pub(crate) fn heads(&self) -> String {
        self.psql(
            "SELECT string_agg(revision, ',' ORDER BY revision) FROM castoff.revision WHERE head",
        )
    }

    /// Every revision in castoff's ledger with its origin: `a upgrade,b stamp`.
    #[track_caller]
    pub(crate) fn revisions(&self) -> String {
        self.psql(
            "SELECT string_agg(revision || ' ' || origin, ',' ORDER BY revision) FROM castoff.revision",
        )
    }

    /// The tables of the schema `public`, with commas between them.
    #[track_caller]
    pub(crate) fn tables(&self) -> String {
        self.psql(
            "SELECT string_agg(relname, ',' ORDER BY relname) FROM pg_class \
             WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'",
        )
    }

    /// Whether anything of castoff's is there.
    #[track_caller]
    pub(crate) fn has_ledger(&self) -> bool {
        self.psql("SELECT count(*) FROM pg_namespace WHERE nspname = 'castoff'") != "0"
    }
}
