//! Only a primary that is PostgreSQL is migrated: failovers, nodes that vanish, and databases that
//! only speak PostgreSQL's protocol.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::support::{
    Castoff, Cluster, Database, Node, Pooler, Proxy, SENTINEL, SOON, Signal, eventually,
};

/// The longest that a leader that vanished without a word may keep the others waiting.
const TAKEN_OVER: Duration = Duration::from_secs(15);

#[test]
fn what_only_speaks_postgresqls_protocol_is_refused_by_name() {
    let db = Database::empty();
    let proxy = Proxy::new(&db);
    proxy.rewrite("PostgreSQL 1", "CockroachDB ");
    let castoff = Castoff::new(&db).through(&proxy).migrations(["a"]);
    for command in ["upgrade", "check", "plan"] {
        let run = castoff.clone().args([command]).run();
        run.assert_code(78).assert_stderr("it is CockroachDB, whose locks and transactions");
    }
    assert!(!db.has_ledger());
    assert_eq!(db.advisory_locks(), []);
}

#[test]
fn what_does_not_understand_the_first_query_is_asked_what_it_is() {
    let db = Database::empty();
    let proxy = Proxy::new(&db);
    proxy.rewrite("PostgreSQL 1", "CockroachDB ");
    // A role that is not there makes the first query fail.
    let castoff = Castoff::new(&db).through(&proxy).migrations(["a"]);
    let castoff = castoff.env("CASTOFF_ROLE", "nobody_at_all").args(["upgrade"]);
    castoff.run().assert_code(78).assert_stderr("it is CockroachDB");
}

/// A server that nodes can reach, and a leader on one of them: in the statement that the text
/// waits for, or about to run it.
struct Vanishing {
    node: Node,
    db: Database,
    castoff: Castoff,
}

impl Vanishing {
    fn new() -> Vanishing {
        let node = Node::new();
        let cluster = Cluster::stopped();
        cluster.configure(&format!("listen_addresses = '127.0.0.1, {}'\n", node.host()));
        cluster.admit(&node.network());
        cluster.start();
        let db = Database::on(&cluster);
        let wait = "CREATE TABLE b (); SELECT pg_advisory_xact_lock(50)";
        let castoff = Castoff::new(&db)
            .migrations(["a"])
            .files([("b_wait.up.sql", wait)])
            .env("CASTOFF_LOCK_TIMEOUT", "10m")
            .args(["run", "--", "echo", "the app"]);
        Vanishing { node, db, castoff }
    }

    /// The same program on the node.
    fn over_there(&self) -> Castoff {
        let (host, port) = (self.node.host(), self.db.cluster().port());
        let url = format!("postgresql://postgres:{SENTINEL}@{host}:{port}/{}", self.db.name());
        self.castoff.clone().url(url).under(self.node.enter())
    }

    /// Pulls the cable, and sees to it that a start on another machine takes over.
    fn vanish(&self, may_go_on: impl FnOnce()) {
        // Without a password's thousand hashes, which are slow without optimisation.
        let here = self.castoff.clone().url(self.db.socket_url());
        let follower = here.spawn();
        follower.wait_for_line("Another start is migrating (pid");
        self.node.vanish();
        let vanished = Instant::now();
        eventually(TAKEN_OVER, || {
            let takes_over = follower.output().contains("Running upgrade");
            if takes_over { Ok(()) } else { Err((self.db.backends(), self.db.advisory_locks())) }
        });
        assert!(vanished.elapsed() < TAKEN_OVER, "after {:?}", vanished.elapsed());
        may_go_on();
        follower.wait(SOON).assert_code(0).assert_stdout("the app");
        assert_eq!(self.db.heads(), "b");
    }
}

#[test]
fn a_leader_whose_node_vanishes_in_a_statement_is_followed_within_seconds() {
    let scene = Vanishing::new();
    let mut gate = scene.db.session();
    gate.psql("SELECT pg_advisory_lock(50)");
    let there = scene.over_there();
    let _leader = there.spawn();
    eventually(SOON, || scene.db.backends().iter().any(|it| it.wait_event == "advisory"));
    scene.vanish(|| drop(gate));
}

#[test]
fn a_leader_whose_node_vanishes_while_it_is_idle_is_followed_within_seconds() {
    let scene = Vanishing::new();
    let mut gate = scene.db.session();
    gate.psql("SELECT pg_advisory_lock(50)");
    let there = scene.over_there();
    let leader = there.spawn();
    eventually(SOON, || scene.db.backends().iter().any(|it| it.wait_event == "advisory"));
    // It does not hear that its statement has ended, and so asks for nothing more.
    leader.signal(Signal::Stop);
    let end = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity \
               WHERE datname = current_database() AND wait_event_type = 'Lock'";
    scene.db.psql(end);
    eventually(SOON, || {
        let states: Vec<_> = scene.db.backends().into_iter().map(|it| it.state).collect();
        if states.iter().any(|it| it.starts_with("idle")) { Ok(()) } else { Err(states) }
    });
    scene.vanish(|| drop(gate));
}

/// A primary with a standby, and a URL that names both.
fn pair() -> (Arc<Cluster>, Arc<Cluster>, Database, String) {
    let primary = Cluster::own();
    let db = Database::on(&primary);
    let standby = primary.standby();
    let both = db.url().replace(
        &format!("127.0.0.1:{}", primary.port()),
        &format!("127.0.0.1:{},127.0.0.1:{}", primary.port(), standby.port()),
    );
    (primary, standby, db, both)
}

#[test]
fn a_promotion_during_the_wait_for_another_start_is_followed() {
    let (primary, standby, db, both) = pair();
    let there = db.at(&standby);
    eventually(SOON, || there.try_psql("SELECT 1").is_ok());
    let _leader = db.migration_lock();
    let castoff = Castoff::new(&db).url(both).migrations(["a"]).args(["run", "--", "echo", "app"]);
    let follower = castoff.spawn();
    follower.wait_for_line("Another start is migrating (pid");
    primary.crash();
    follower.wait_for_line("it is a standby, which takes no writes");
    assert_eq!(there.advisory_locks(), []);
    standby.promote();
    follower.wait(2 * SOON).assert_code(0).assert_stdout("app");
    assert_eq!(there.heads(), "a");
}

#[test]
fn a_pool_that_turns_to_a_standby_under_a_leader_is_no_primary_any_more() {
    let (primary, standby, db, _) = pair();
    let there = db.at(&standby);
    eventually(SOON, || there.try_psql("SELECT 1").is_ok());
    let pooler = Pooler::new(&db, "transaction");
    let castoff = Castoff::new(&db)
        .url(pooler.url())
        .migrations(["a"])
        .files([
            ("b_wait.up.sql", "SELECT pg_advisory_xact_lock(50)"),
            ("c_last.up.sql", "CREATE TABLE c ()"),
        ])
        .env("CASTOFF_LOCK_TIMEOUT", "1m")
        .args(["run", "--", "echo", "the app"]);
    let mut gate = db.session();
    gate.psql("SELECT pg_advisory_lock(50)");
    let start = castoff.spawn();
    start.wait_for_line("Running upgrade a -> b");
    // The server's own connections stay, new ones go to the standby.
    let port = |cluster: &Cluster| format!("port={}", cluster.port());
    pooler.reload(&port(&primary), &port(&standby));
    eventually(SOON, || pooler.log().contains("RELOAD") || pooler.log().contains("SIGHUP"));
    drop(gate);
    start.wait_for_line("takes no writes");
    assert_eq!(there.advisory_locks(), []);
    primary.crash();
    standby.promote();
    start.wait(2 * SOON).assert_code(0).assert_stdout("the app");
    assert_eq!(there.heads(), "c");
}
