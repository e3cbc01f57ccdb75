//! The compose files as they are shipped.

use crate::support::Compose;

/// The revisions of the example folder, each of them once.
const REVISIONS: &str = "0001,0002,0003,0004,0005,0006,0007,0008";

fn revisions(compose: &Compose) -> String {
    compose.psql("SELECT string_agg(revision, ',' ORDER BY revision) FROM castoff.revision")
}

#[test]
fn three_replicas_become_healthy_and_then_twenty_of_one_migration() {
    let compose = Compose::new(&["compose.yaml"]);
    compose.up(&[]);
    compose.wait_for_healthy("app", 3);
    let (code, log) = compose.wait("migrate");
    assert_eq!(code, 0, "{log}");
    assert!(log.contains("The database is at head 0008"), "{log}");
    assert_eq!(revisions(&compose), REVISIONS);
    for answer in compose.get("app", "8080/tcp", "/") {
        assert!(answer.contains(" 200 ") && answer.contains("\"customers\""), "{answer}");
    }
    let ledger = "SELECT * FROM castoff.revision ORDER BY revision";
    let before = compose.psql(ledger);

    compose.up(&["--scale", "app=20"]);
    compose.wait_for_healthy("app", 20);
    assert_eq!(compose.psql(ledger), before);
    let restarts = compose.inspect("app", "{{.RestartCount}} {{.State.ExitCode}}");
    assert_eq!(restarts, vec!["0 0"; 20]);
    for environment in compose.inspect("app", "{{json .Config.Env}}") {
        assert!(!environment.contains("CASTOFF_DATABASE_URL"), "{environment}");
    }
}

#[test]
fn a_database_of_alembics_is_adopted_with_its_data_and_gets_the_schema_of_a_fresh_one() {
    let compose = Compose::new(&["compose.yaml", "compose.alembic.yaml"]);
    compose.up(&[]);
    compose.wait_for_healthy("app", 3);
    let (code, log) = compose.wait("migrate");
    assert_eq!(code, 0, "{log}");
    assert_eq!(revisions(&compose), REVISIONS);
    let origins = "SELECT string_agg(revision, ',' ORDER BY revision) FROM castoff.revision \
                   GROUP BY origin ORDER BY origin";
    assert_eq!(compose.psql(origins), "0001,0002,0003\n0004,0005,0006,0007,0008");
    assert_eq!(compose.psql("TABLE alembic_version"), "0003");
    assert_eq!(compose.psql("SELECT name FROM customer ORDER BY id"), "Ada\nGrace");

    let fresh = Compose::new(&["compose.yaml"]);
    fresh.up(&["migrate"]);
    assert_eq!(fresh.wait("migrate").0, 0);
    assert_eq!(compose.schema(), fresh.schema());
}
