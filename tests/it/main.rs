//! The integration tests: what castoff does in front of a real PostgreSQL.
//!
//! `support` holds the builders; every other module is a table of facts about one subject.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, in its builders too"
)]

mod support;

// What is applied, and how.
mod baselines;
mod bundling; // files of pg_dump
mod clean_session; // what a file leaves behind, and the next one does not see
mod concurrently; // what an interrupted CONCURRENTLY leaves
mod down_files; // taking revisions back
mod error_report; // what is said of a revision that fails
mod evil_names; // names of the user that hide PostgreSQL's own
mod lock_timeouts; // locks that cannot be had
mod sql_text; // what a file may look like
mod stepwise; // files outside a transaction, and where they go on

// Several starts.
mod at_head; // what a start costs that finds nothing to do
mod followers; // waiting for another start, without a connection
mod lock; // who asks for it, how it can be lost, and what waits for what
mod lost_connection; // the server, or the way to it, goes away in mid-migration
mod pooled; // PgBouncer in its three modes
mod primary; // standbys, failovers, nodes that vanish, and what is not PostgreSQL
mod race; // many at once: one migrates, all become the application
mod sigkill; // fifty kills of a leader, and each statement once
mod sigterm; // to PID 1, in each phase

mod support_test;

// The schema as lines.
mod catalogue; // what each object's line is, on which everything is the same, and what has none
mod properties; // what changes is what changes in a dump

// What is decided.
mod adopting; // Alembic's databases, and those that nothing is known of
mod deciding; // fresh, behind, ahead, diverged, edited, interrupted
mod drift; // versioned databases whose schema is not the one of their revisions
mod hazards; // what pending revisions may do to those who use the database
mod ledger; // where it is, what is none, and what an empty database may hold
mod lock_file; // what castoff lock writes, proves and leaves behind
mod recognising; // unversioned databases whose schema is a revision's
mod sql_script; // what castoff sql prints, run by psql
mod squash_command; // what castoff squash writes, refuses and leaves behind
mod squashing; // baselines, and folders pruned to one
mod trace; // the locks that castoff trace names, and pg_locks shows

// The command line.
mod backup_gates; // what must be open before anything is taken away
mod commands; // what each prints, as text and as JSON, and what it takes
mod shells; // completions for bash, zsh and fish, and the manual page
mod status; // one screen for people

// What the author of revisions types.
mod creating; // create, merge, templates, init: the files that they write
mod lint;
mod templates; // each template beside an application at work // what is dangerous or wrong in a folder, and what was done to a release

mod connection_strings; // each compared with what psql does with it
mod environments; // what downgrade and stamp ask for, by CASTOFF_ENV
mod exit_codes; // each of them, the termination message, the log as JSON
mod reading; // a role that may SELECT, a standby, wait, the modes
mod roles; // CASTOFF_ROLE, what a role may not, and what is set for it
mod secrets; // the password is in no output
mod several_servers; // which of them is taken, and which address of one
mod tls; // each sslmode against each kind of certificate, as psql has it
mod waiting; // what names the database, and the wait until it is ready

// Other programs, and the build.
mod embedding; // what is embedded, what does not compile, what builds anew
mod library; // the example, and the methods of Migrator
mod purity; // the core imports only the core

// Becoming the application.
mod containers; // no user, no home, nothing that can be written, no name server
mod init; // staying as its parent instead
mod launching; // the same process, and nothing of ours in it
