//! One SQL statement of a file, and what castoff must know about it before it runs.

use std::ops::Range;

use crate::revision::Name;

/// A statement: where it is, and what kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    pub(super) range: Range<usize>,
    pub(super) kind: StatementKind,
}

/// What a statement is, where that changes how it is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StatementKind {
    /// Nothing out of the ordinary.
    Plain,
    /// PostgreSQL refuses it in a transaction block.
    Alone(Alone),
    /// `CALL`, a `DO` whose body says COMMIT or ROLLBACK, and `REINDEX` and `CLUSTER` of one table,
    /// which may be partitioned: it may end transactions itself.
    MayCommit,
    /// It begins or ends a transaction.
    Control(Control),
    /// `SET name = …` or `RESET name`, with the name in lower case.
    SetParameter(String),
    /// The same until the end of the transaction: `SET LOCAL name = …`.
    SetLocal(String),
    /// `CREATE TABLE`, `VIEW`, `TYPE`, `FUNCTION` and the like with a name that says no schema.
    CreateInPath,
    /// Exactly `CREATE SCHEMA name`.
    CreateSchema(String),
    /// `COPY … FROM stdin`, with the bytes of its data.
    CopyIn(Range<usize>),
    /// `COPY … TO stdout`.
    CopyOut,
    /// `DISCARD ALL`.
    DiscardAll,
}

/// A statement that PostgreSQL refuses in a transaction block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Alone {
    /// `CREATE INDEX CONCURRENTLY`. Interrupted, it leaves an invalid index.
    CreateIndexConcurrently {
        /// The index, if the statement names it; it is in its table's schema.
        index: Option<Name>,
        /// The table.
        table: Name,
        /// Whether it says `IF NOT EXISTS`, which an invalid index satisfies.
        if_not_exists: bool,
    },
    /// `DROP INDEX CONCURRENTLY`. Interrupted, it leaves an invalid index.
    DropIndexConcurrently {
        /// The indexes.
        indexes: Vec<Name>,
        /// Whether it says `IF EXISTS`.
        if_exists: bool,
    },
    /// `REINDEX … CONCURRENTLY`. Interrupted, it leaves invalid indexes beside the old ones.
    ReindexConcurrently,
    /// `ALTER TABLE … DETACH PARTITION … CONCURRENTLY`. Interrupted, it asks for `FINALIZE`.
    DetachPartitionConcurrently {
        /// The partitioned table.
        table: Name,
        /// The partition.
        partition: Name,
    },
    /// Any other: `VACUUM`, `CREATE DATABASE`, `ALTER SYSTEM` …, and what may commit by itself.
    Other,
}

/// What a statement does to the transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// `BEGIN` or `START TRANSACTION`.
    Begin,
    /// `COMMIT` or `END`.
    Commit,
    /// `ROLLBACK` or `ABORT`, but not `ROLLBACK TO`.
    Rollback,
    /// `PREPARE TRANSACTION`, `COMMIT PREPARED`, `ROLLBACK PREPARED`, `… AND CHAIN`.
    Other,
}

static OTHER: Alone = Alone::Other;

impl Statement {
    /// The bytes of the text from the first token to the last, without the `;`.
    pub fn range(&self) -> Range<usize> {
        self.range.clone()
    }

    /// What it is.
    pub fn kind(&self) -> &StatementKind {
        &self.kind
    }

    /// The bytes of the data of a `COPY … FROM stdin`: whole lines, without the line `\.`.
    pub fn copy_data(&self) -> Option<Range<usize>> {
        if let StatementKind::CopyIn(data) = &self.kind { Some(data.clone()) } else { None }
    }

    /// What it is, if it must run outside a transaction block (or, for `CALL` and `DO`, may have to).
    pub fn alone(&self) -> Option<&Alone> {
        match &self.kind {
            StatementKind::Alone(alone) => Some(alone),
            StatementKind::MayCommit | StatementKind::DiscardAll => Some(&OTHER),
            StatementKind::Plain
            | StatementKind::CreateInPath
            | StatementKind::Control(_)
            | StatementKind::SetParameter(_)
            | StatementKind::SetLocal(_)
            | StatementKind::CreateSchema(_)
            | StatementKind::CopyIn(_)
            | StatementKind::CopyOut => None,
        }
    }

    /// What it does to the transaction. Savepoints do nothing to it.
    pub fn transaction_control(&self) -> Option<Control> {
        if let StatementKind::Control(control) = self.kind { Some(control) } else { None }
    }

    /// The parameter that it sets or resets, in lower case.
    pub fn sets_parameter(&self) -> Option<&str> {
        if let StatementKind::SetLocal(name) = &self.kind {
            Some(name)
        } else {
            self.sets_in_session()
        }
    }

    /// The parameter that it sets or resets beyond the end of its transaction, in lower case.
    pub fn sets_in_session(&self) -> Option<&str> {
        if let StatementKind::SetParameter(name) = &self.kind { Some(name) } else { None }
    }

    /// The schema that a plain `CREATE SCHEMA name` creates, as `pg_dump` writes it for `public`.
    pub fn creates_schema(&self) -> Option<&str> {
        if let StatementKind::CreateSchema(name) = &self.kind { Some(name) } else { None }
    }
}
