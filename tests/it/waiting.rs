//! What names the database, and the wait until it is ready.

use std::io::Write;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use crate::support::{Castoff, Cluster, Database, Folder, Proxy, SENTINEL, SOON, eventually};

fn image(db: &Database) -> Castoff {
    plain(Castoff::new(db))
}

fn plain(castoff: Castoff) -> Castoff {
    castoff.env("CASTOFF_LOG_FORMAT", "text").args(["run", "--", "echo", "the app"])
}

#[test]
fn the_url_of_castoffs_own_goes_before_the_applications() {
    let db = Database::empty();
    let castoff = image(&db).migrations(["a"]);
    let own = castoff.url("postgresql://127.0.0.1:1/nowhere").env("CASTOFF_DATABASE_URL", db.url());
    own.run().assert_code(0);
    assert_eq!(db.heads(), "a");
}

#[test]
fn a_url_may_be_in_a_file_that_ends_with_a_line() {
    let db = Database::empty();
    let folder = Folder::new();
    folder.file("url", format!("{}\n", db.url()));
    let file = folder.path().join("url");
    for variable in ["DATABASE_URL_FILE", "CASTOFF_DATABASE_URL_FILE"] {
        let castoff = plain(Castoff::without_database()).migrations(["a"]);
        castoff.env(variable, &file).run().assert_code(0);
    }
    assert_eq!(db.heads(), "a");
    let both = image(&db).env("DATABASE_URL_FILE", &file).run();
    both.assert_code(78).assert_stderr("DATABASE_URL and DATABASE_URL_FILE are both set");
    let missing = plain(Castoff::without_database()).env("DATABASE_URL_FILE", "/no/such/file");
    missing.run().assert_code(78).assert_stderr("/no/such/file");
}

#[test]
fn the_variables_of_libpq_are_enough() {
    let db = Database::empty();
    let folder = Folder::new();
    folder.file("password", format!("{SENTINEL}\n"));
    let port = db.cluster().port().to_string();
    let castoff = plain(Castoff::without_database())
        .migrations(["a"])
        .env("PGHOST", "127.0.0.1")
        .env("PGPORT", port)
        .env("PGUSER", "postgres")
        .env("PGDATABASE", db.name());
    castoff.clone().env("PGPASSWORD", SENTINEL).run().assert_code(0);
    castoff.env("PGPASSWORD_FILE", folder.path().join("password")).run().assert_code(0);
    let socket = plain(Castoff::without_database())
        .env("PGHOST", db.cluster().socket_folder())
        .env("PGPORT", db.cluster().port().to_string())
        .env("PGUSER", "postgres")
        .env("PGDATABASE", db.name());
    socket.args(["current"]).run().assert_code(0).assert_stdout("a (not in this image)");
}

#[test]
fn a_password_with_every_special_character_works_from_its_own_variable_and_in_the_url() {
    let db = Database::empty();
    let role = db.role("odd").owner().create();
    let password = "#@:/% ?&=+\\'\"";
    let quoted = password.replace('\'', "''");
    db.psql(&format!("ALTER ROLE {} PASSWORD '{quoted}'", role.name()));
    let url =
        format!("postgresql://{}@127.0.0.1:{}/{}", role.name(), db.cluster().port(), db.name());
    let own = image(&db).url(&url).env("PGPASSWORD", password).run();
    own.assert_code(0);
    let escaped: Vec<_> = password.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let escaped = escaped.concat();
    let url = url.replacen('@', &format!(":{escaped}@"), 1);
    let run = image(&db).url(url).args(["settings"]).run();
    assert!(!run.stdout.contains(&escaped), "{run}");
    assert_eq!(image(&db).url(role.url().replace(SENTINEL, &escaped)).run().code(), Some(0));
}

#[test]
fn sqlalchemys_and_libpqs_spellings_of_the_url_work() {
    let db = Database::empty();
    let rest = db.url().trim_start_matches("postgresql").to_owned();
    for scheme in ["postgres", "postgresql+asyncpg", "postgresql+psycopg2"] {
        image(&db).url(format!("{scheme}{rest}")).run().assert_code(0);
    }
    let words = format!(
        "host=127.0.0.1 port={} user=postgres dbname='{}' password={SENTINEL}",
        db.cluster().port(),
        db.name()
    );
    image(&db).url(words).run().assert_code(0);
}

#[test]
fn a_server_that_starts_late_is_waited_for_with_a_line_for_each_reason() {
    let cluster = Cluster::stopped();
    let castoff = plain(Castoff::without_database())
        .migrations(["a"])
        .url(cluster.url("postgres", "postgres"));
    let waiting = castoff.spawn();
    waiting.wait_for_line("Waiting for the database");
    let hold = Instant::now();
    // Long enough for several attempts.
    eventually(SOON, || hold.elapsed() > Duration::from_secs(2));
    cluster.start();
    let run = waiting.wait(SOON);
    run.assert_code(0).assert_stdout("the app\n").assert_stderr("The database is ready after");
    let refused = run.stderr.lines().filter(|line| line.contains("refused")).count();
    assert_eq!(refused, 1, "{run}");
}

#[test]
fn the_database_is_waited_for_while_the_server_says_that_it_starts() {
    let primary = Cluster::own();
    let db = Database::on(&primary);
    // A standby that does not answer before a consistency that never comes: 57P03.
    let standby = primary.standby();
    standby.stop();
    standby_refuses(&standby);
    let castoff = plain(Castoff::new(&db)).url(standby.url("postgres", db.name()));
    let run = castoff.env("CASTOFF_WAIT_TIMEOUT", "500ms").run();
    run.assert_code(69).assert_stderr("57P03 the database system is not accepting connections");
}

/// Starts a standby that takes no sessions at all.
fn standby_refuses(standby: &Cluster) {
    standby.configure("hot_standby = off\n");
    standby.start_without_waiting();
    eventually(SOON, || standby.log().contains("entering standby mode"));
}

#[test]
fn a_wrong_password_is_given_some_time_and_then_is_77() {
    let db = Database::empty();
    let castoff = image(&db).url(db.url().replace(SENTINEL, "wrong-password"));
    let started = Instant::now();
    let run = castoff.env("CASTOFF_SETTLE_TIMEOUT", "700ms").run();
    run.assert_code(77).assert_stderr("28P01 password authentication failed");
    assert!(started.elapsed() >= Duration::from_millis(700), "{run}");
    assert!(!run.stderr.contains("wrong-password"), "{run}");
    assert!(run.stderr.matches("Waiting for the database").count() == 1, "{run}");
}

#[test]
fn a_role_and_a_database_that_are_created_late_are_waited_for() {
    let db = Database::empty();
    let role = format!("late_{}", db.name());
    let castoff = image(&db).url(db.cluster().url(&role, &role));
    let waiting = castoff.spawn();
    waiting.wait_for_line("28P01");
    db.psql(&format!("CREATE ROLE {role} LOGIN PASSWORD '{SENTINEL}'"));
    waiting.wait_for_line("3D000");
    db.psql(&format!("CREATE DATABASE {role} OWNER {role}"));
    waiting.wait(SOON).assert_code(0).assert_stdout("the app\n");
    db.psql(&format!("DROP DATABASE {role}"));
    db.psql(&format!("DROP ROLE {role}"));
}

#[test]
fn a_missing_database_is_78_after_some_time() {
    let db = Database::empty();
    let castoff = image(&db).url(db.cluster().url("postgres", "no_such_database"));
    let run = castoff.env("CASTOFF_SETTLE_TIMEOUT", "300ms").run();
    run.assert_code(78).assert_stderr("3D000 database \"no_such_database\" does not exist");
}

#[test]
fn too_many_connections_are_waited_out() {
    let db = Database::empty();
    let role = db.role("busy").owner().option("CONNECTION LIMIT 0").create();
    let castoff = image(&db).migrations(["a"]).url(role.url());
    let short = castoff.clone().env("CASTOFF_WAIT_TIMEOUT", "300ms").run();
    short.assert_code(69).assert_stderr("53300 too many connections for role");
    let waiting = castoff.spawn();
    waiting.wait_for_line("53300");
    db.psql(&format!("ALTER ROLE {} CONNECTION LIMIT -1", role.name()));
    waiting.wait(SOON).assert_code(0);
    assert_eq!(db.heads(), "a");
}

#[test]
fn a_read_only_database_is_waited_for_and_then_is_69() {
    let db = Database::empty();
    let read_only = |on: &str| {
        db.psql(&format!("ALTER DATABASE {} SET default_transaction_read_only = {on}", db.name()))
    };
    read_only("on");
    let castoff = image(&db).migrations(["a"]);
    let run = castoff.clone().env("CASTOFF_WAIT_TIMEOUT", "300ms").run();
    run.assert_code(69).assert_stderr("it is read-only (default_transaction_read_only is on)");
    let waiting = castoff.spawn();
    waiting.wait_for_line("it is read-only");
    let mut session = db.session();
    session.psql("SET default_transaction_read_only = off");
    session.psql(&format!("ALTER DATABASE {} RESET default_transaction_read_only", db.name()));
    waiting.wait(SOON).assert_code(0);
}

#[test]
fn of_several_hosts_the_first_that_is_good_is_used_and_each_bad_one_is_told() {
    let db = Database::empty();
    let port = db.cluster().port();
    let dead = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let hosts = |hosts: &str| db.url().replace(&format!("127.0.0.1:{port}"), hosts);
    let castoff = image(&db).migrations(["a"]);
    let both = castoff.clone().url(hosts(&format!("127.0.0.1:{dead},127.0.0.1:{port}")));
    both.run().assert_code(0).assert_stdout("the app\n");
    assert_eq!(db.heads(), "a");
    let none = castoff.url(hosts(&format!("127.0.0.1:{dead},localhost:{dead}")));
    let run = none.env("CASTOFF_WAIT_TIMEOUT", "200ms").run();
    run.assert_code(69).assert_stderr(&format!("127.0.0.1:{dead}: "));
    run.assert_stderr(&format!("localhost:{dead}: "));
}

#[test]
fn a_server_that_says_nothing_costs_no_more_than_the_connect_timeout() {
    let db = Database::empty();
    let proxy = Proxy::new(&db);
    proxy.black_hole();
    let castoff = image(&db).through(&proxy).env("CASTOFF_CONNECT_TIMEOUT", "300ms");
    let started = Instant::now();
    let run = castoff.clone().env("CASTOFF_WAIT_TIMEOUT", "1s").run();
    run.assert_code(69).assert_stderr("no answer within 300ms");
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    // It is tried again, and the next attempt may be answered.
    let waiting = castoff.spawn();
    waiting.wait_for_line("no answer within 300ms");
    proxy.accept();
    waiting.wait(SOON).assert_code(0).assert_stdout("the app\n");
}

#[test]
fn a_server_that_is_no_postgresql_is_told_apart_from_one_that_is_not_there() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            drop(stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n"));
        }
    });
    let castoff = plain(Castoff::without_database());
    let castoff = castoff.url(format!("postgresql://shop:x@127.0.0.1:{port}/shop"));
    let run = castoff.env("CASTOFF_WAIT_TIMEOUT", "500ms").run();
    assert!(matches!(run.code(), Some(69 | 78)), "{run}");
}
