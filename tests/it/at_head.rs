//! A start at head, which is nearly every start: what it costs.

use crate::support::{Castoff, Database, Proxy};

/// One to ask for TLS, as libpq does where nothing is said of it, three for the connection and its
/// password, one for the question.
const ROUND_TRIPS: usize = 5;

fn round_trips_at_head(revisions: usize) -> usize {
    let db = Database::empty();
    let castoff = Castoff::new(&db).line(revisions);
    castoff.clone().args(["stamp", "head"]).run().assert_code(0);
    assert_eq!(db.psql("SELECT count(*) FROM castoff.revision"), revisions.to_string());
    let proxy = Proxy::new(&db);
    let run = castoff.through(&proxy).args(["run", "--", "true"]).run();
    run.assert_code(0);
    assert_eq!(proxy.connections(), 1);
    proxy.round_trips()
}

#[test]
fn a_start_at_head_of_a_hundred_revisions_makes_five_round_trips() {
    assert_eq!(round_trips_at_head(100), ROUND_TRIPS);
}

#[test]
fn a_start_at_head_of_ten_thousand_revisions_makes_five_round_trips() {
    assert_eq!(round_trips_at_head(10_000), ROUND_TRIPS);
}
