//! The container tests: what castoff does in images that have nothing else in them.
//!
//! `scripts/smoke` builds the images and runs them; every module is a table of facts about one
//! subject, and `support` holds the builders.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and its builders show what there is to see"
)]

mod support;

mod shipping; // the image castoff

// A start.
mod starting; // fresh, again, several at once, an old image
mod stopping; // docker stop in each phase
mod waiting; // names, servers, passwords

// Becoming the application.
mod becoming; // PID 1, and nothing of ours in it
mod init; // castoff stays PID 1

mod bundling; // bundle and install

mod compose; // the compose files as they are shipped
