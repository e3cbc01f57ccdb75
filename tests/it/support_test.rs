//! The builders themselves: what they promise to every other test.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{
    Castoff, Cluster, Database, Folder, Proxy, SENTINEL, SOON, Signal, eventually,
};

/// castoff's place taken by a shell script, which finds castoff's command line in `"$@"`.
fn script(script: &str) -> Castoff {
    Castoff::without_database().under(["sh", "-c", script, "sh"])
}

#[test]
fn every_test_has_an_empty_database_of_its_own() {
    let (one, other) = (Database::empty(), Database::empty());
    assert_ne!(one.name(), other.name());
    one.psql("CREATE TABLE a (id int); INSERT INTO a VALUES (1), (2)");
    assert_eq!(one.psql("SELECT count(*), 'x' FROM a"), "2|x");
    assert!(other.try_psql("TABLE a").unwrap_err().contains("relation \"a\" does not exist"));
}

#[test]
fn a_database_is_dropped_with_its_sessions_and_roles() {
    let witness = Database::empty();
    let database = Database::empty();
    let mut session = database.session();
    session.psql("BEGIN");
    let role = database.role("owner").option("CREATEDB").owner().create();
    let (database_name, role_name) = (database.name().to_owned(), role.name().to_owned());
    drop(database);
    let count = |catalogue: &str, name: &str| {
        witness
            .psql(&format!("SELECT count(*) FROM {catalogue} WHERE '{name}' IN (datname, rolname)"))
    };
    assert_eq!(count("pg_database, (SELECT '' AS rolname) r", &database_name), "0");
    assert_eq!(count("pg_roles, (SELECT '' AS datname) d", &role_name), "0");
}

#[test]
fn tcp_asks_for_the_password_and_the_socket_does_not() {
    let database = Database::empty();
    assert!(database.url().contains(SENTINEL));
    assert!(!database.socket_url().contains(SENTINEL));
    assert!(database.cluster().socket_folder().is_absolute());
    let role = database.role("anyone").create();
    assert_eq!(role.psql("SELECT current_user"), role.name());
    let wrong = role.url().replace(SENTINEL, "wrong");
    let refused = database.try_psql_at(&wrong, "SELECT 1").unwrap_err();
    assert!(refused.contains("password authentication failed"), "{refused}");
}

#[test]
fn a_role_has_the_rights_it_was_given_and_no_others() {
    let database = Database::empty();
    database.psql("CREATE TABLE a (id int); CREATE TABLE b (id int)");
    let reader =
        database.role("reader").grant("SELECT ON a").set("statement_timeout", "7s").create();
    assert_eq!(reader.psql("SELECT count(*) FROM a"), "0");
    assert_eq!(reader.psql("SHOW statement_timeout"), "7s");
    assert!(reader.try_psql("TABLE b").unwrap_err().contains("permission denied"));
}

#[test]
fn the_server_log_is_read_by_database() {
    let (one, other) = (Database::empty(), Database::empty());
    one.try_psql("SELECT\n 1 / 0").unwrap_err();
    let errors = |database: &Database| -> Vec<String> {
        database.server_log().into_iter().filter(|line| line.contains("ERROR: ")).collect()
    };
    assert_eq!(errors(&one).len(), 1, "{:#?}", one.server_log());
    assert!(errors(&one)[0].contains("app=test ERROR:  division by zero"));
    assert!(one.server_log().iter().any(|line| line.ends_with("SELECT\n\t 1 / 0")));
    assert_eq!(errors(&other), Vec::<String>::new());
}

#[test]
fn a_dump_is_the_schema_without_castoffs_own() {
    let (one, other) = (Database::empty(), Database::empty());
    one.psql("CREATE SCHEMA castoff; CREATE TABLE castoff.revision (id int)");
    assert_eq!(one.dump(), other.dump());
    one.psql("CREATE TABLE a (id int)");
    assert!(one.dump().contains("CREATE TABLE public.a ("));
    assert!(!one.dump().contains("restrict "));
}

#[test]
fn castoffs_backends_and_advisory_locks_are_seen() {
    let database = Database::empty();
    assert_eq!(database.backends(), []);
    let mut session = database.session();
    session.psql("SET application_name = castoff; SELECT pg_advisory_lock(7, 9)");
    let pid = session.pid();
    session.start("SELECT pg_sleep(600)");
    let backend = eventually(SOON, || {
        database.backends().into_iter().find(|b| b.wait_event == "PgSleep").ok_or("no PgSleep")
    });
    assert_eq!((&backend.pid, backend.state.as_str()), (&pid, "active"));
    assert!(backend.query.contains("pg_sleep"));
    let locks = database.advisory_locks();
    assert_eq!(locks.len(), 1, "{locks:?}");
    assert_eq!((&locks[0].pid, locks[0].granted), (&pid, true));
    assert_eq!(locks[0].mode, "ExclusiveLock");
    assert_eq!(locks[0].key, ["7", "9", "2"]);
    drop(session);
}

#[test]
fn a_blocked_session_goes_on_when_the_lock_is_gone() {
    let database = Database::empty();
    database.psql("CREATE TABLE a (id int)");
    let (mut holder, mut waiter) = (database.session(), database.session());
    holder.psql("BEGIN; LOCK TABLE a");
    waiter.start("SELECT count(*) FROM a");
    let waits = "SELECT count(*) FROM pg_stat_activity \
                 WHERE datname = current_database() AND wait_event_type = 'Lock'";
    eventually(SOON, || database.psql(waits) == "1");
    holder.psql("COMMIT");
    assert_eq!(waiter.finish(), "0");
}

#[test]
fn a_run_has_output_code_and_a_hermetic_environment() {
    let run = script("env; echo to stderr >&2; exit 3")
        .env("ADDED", "yes")
        .env("REMOVED", "no")
        .env_remove("REMOVED")
        .run();
    run.assert_code(3).assert_stdout("ADDED=yes").assert_stderr("to stderr");
    let mut names: Vec<&str> =
        run.stdout.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
    names.retain(|name| !["PWD", "OLDPWD", "SHLVL", "_"].contains(name)); // the shell's own
    names.sort_unstable();
    assert_eq!(names, ["ADDED", "CASTOFF_ENV", "CASTOFF_MIGRATIONS_DIR", "PATH"]);
    let embedded = script("env").embedded().run();
    assert!(!embedded.stdout.contains("CASTOFF_MIGRATIONS_DIR"), "{embedded}");
    let folder = Folder::new();
    let path = folder.path().to_str().unwrap();
    script("echo $CASTOFF_MIGRATIONS_DIR").folder(path).run().assert_stdout(path);
}

#[test]
fn a_run_has_arguments_input_and_a_database() {
    let database = Database::empty();
    let castoff = Castoff::new(&database)
        .url(database.socket_url())
        .args(["run", "--", "true"])
        .under(["sh", "-c", "shift; echo \"$*\"; cat; echo $DATABASE_URL", "sh"])
        .stdin("typed\n");
    castoff.run().assert_stdout("run -- true\ntyped\npostgresql://postgres@%2F");
    let castoff = Castoff::new(&database).args(["--version"]);
    assert_eq!(castoff.command().get_program(), env!("CARGO_BIN_EXE_castoff"));
}

#[test]
#[should_panic(expected = "the password is in standard error")]
fn a_run_that_prints_the_password_fails() {
    let database = Database::empty();
    Castoff::new(&database).under(["sh", "-c", "echo $DATABASE_URL >&2"]).run();
}

#[test]
#[should_panic(expected = "it had not ended after 100ms:\nbegun")]
fn a_run_that_takes_too_long_fails_and_shows_its_output() {
    let running = script("echo begun; exec sleep 600").spawn();
    running.wait_for_line("begun");
    running.wait(Duration::from_millis(100));
}

#[test]
fn a_running_process_is_signalled_and_waited_for() {
    let running =
        script("trap 'echo got it; exit 5' TERM; echo ready; while :; do sleep 0.01; done");
    let mut running = running.spawn();
    assert_eq!(running.wait_for_line("ready"), "ready");
    assert!(running.is_running());
    running.signal(Signal::Stop);
    running.signal(Signal::Cont);
    running.signal(Signal::Term);
    running.wait(SOON).assert_code(5).assert_stdout("got it");

    let running = script("echo ready; exec sleep 600").spawn();
    running.wait_for_line("ready");
    running.signal(Signal::Kill);
    assert_eq!(running.wait(SOON).signal(), Some(9));
}

#[test]
fn the_child_of_a_wrapper_is_signalled() {
    let running =
        script("sh -c 'trap \"exit 7\" INT; echo $$; while :; do sleep 0.01; done'; exit $?");
    let running = running.spawn();
    let pid = running.wait_for_line("").parse();
    assert_eq!(Ok(running.child_pid()), pid);
    assert_ne!(Ok(running.pid()), pid);
    running.signal_child(Signal::Int);
    running.wait(SOON).assert_code(7);
}

#[test]
fn compact_notation_writes_up_and_down_files_that_postgresql_accepts() {
    let database = Database::empty();
    let castoff = Castoff::new(&database)
        .migrations(["a", "b: a", "c: a", "9: b, c"])
        .files([("notes/README.md", "prose"), ("gone.sql", "")])
        .line(2);
    let folder = castoff.own_folder();
    folder.remove("gone.sql");
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    assert!(read("a_create_a.up.sql").starts_with("-- create a\n-- Revises: none\n"));
    assert!(read("9_create_9.up.sql").contains("-- Revises: b, c\n"));
    assert_eq!(read("notes/README.md"), "prose");
    for up in ["a_create_a", "b_create_b", "9_create_9", "0001_create", "0002_create"] {
        database.psql(&read(&format!("{up}.up.sql")));
        database.psql(&read(&format!("{up}.down.sql")));
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 13);
    let path = folder.path().to_owned();
    drop(castoff);
    assert!(!path.exists());
}

#[test]
#[should_panic(expected = "the last state was: \"looked twice\"")]
fn eventually_fails_with_the_last_state() {
    let started = Instant::now();
    let mut state = "looked once";
    eventually(Duration::from_millis(50), || {
        let seen = state;
        if started.elapsed() > Duration::from_millis(1) {
            state = "looked twice";
        }
        Err::<(), _>(seen)
    });
}

#[test]
fn a_proxy_counts_round_trips_and_connections() {
    let database = Database::empty();
    let proxy = Proxy::new(&database);
    let psql = |sql: &str| {
        let before = (proxy.round_trips(), proxy.connections());
        database.try_psql_at(proxy.url(), sql).unwrap();
        eventually(SOON, || proxy.open_connections() == 0);
        (proxy.round_trips() - before.0, proxy.connections() - before.1)
    };
    let (round_trips, connections) = psql("SELECT 1;");
    assert_eq!(connections, 1);
    assert_eq!(psql("SELECT 1; SELECT 2;"), (round_trips + 1, 1));
    assert_eq!(psql("SELECT 1 \\; SELECT 2;"), (round_trips, 1), "one message is one round trip");
    assert_eq!(proxy.peak_connections(), 1);
    let castoff = Castoff::new(&database).through(&proxy).command();
    assert!(castoff.get_envs().any(|(_, value)| value.is_some_and(|v| v == proxy.url())));
}

#[test]
fn a_proxy_refuses_and_accepts_again() {
    let database = Database::empty();
    let proxy = Proxy::new(&database);
    proxy.refuse();
    let refused = database.try_psql_at(proxy.url(), "SELECT 1").unwrap_err();
    assert!(refused.contains("Connection refused"), "{refused}");
    proxy.accept();
    assert_eq!(database.try_psql_at(proxy.url(), "SELECT 1").unwrap(), "1");
}

#[test]
fn a_proxy_cuts_and_goes_silent() {
    let database = Database::empty();
    let proxy = Proxy::new(&database);
    let mut client = TcpStream::connect(("127.0.0.1", proxy.port())).unwrap();
    let ssl_request = [0, 0, 0, 8, 4, 210, 22, 47];
    client.write_all(&ssl_request).unwrap();
    assert_eq!(read_one(&mut client).unwrap(), Some(b'N'));

    proxy.black_hole();
    client.write_all(&ssl_request).unwrap();
    client.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    assert!(read_one(&mut client).is_err(), "a black hole answers nothing");
    let mut late = TcpStream::connect(("127.0.0.1", proxy.port())).unwrap();
    late.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    assert!(read_one(&mut late).is_err(), "a black hole accepts and answers nothing");

    client.set_read_timeout(Some(SOON)).unwrap();
    eventually(SOON, || proxy.open_connections() == 2);
    proxy.cut();
    assert!(matches!(read_one(&mut client), Ok(None) | Err(_)));
    eventually(SOON, || proxy.open_connections() == 0);
}

#[test]
fn a_cluster_of_ones_own_stops_starts_late_and_recovers() {
    let cluster = Cluster::stopped();
    assert!(TcpStream::connect(("127.0.0.1", cluster.port())).is_err());
    cluster.start();
    let database = Database::on(&cluster);
    database.psql("CREATE TABLE a (id int)");
    cluster.crash();
    assert!(database.try_psql("TABLE a").is_err());
    cluster.start();
    assert_eq!(database.psql("SELECT count(*) FROM a"), "0");
    cluster.stop();
    assert!(TcpStream::connect(("127.0.0.1", cluster.port())).is_err());
}

#[test]
fn a_hot_standby_follows_and_is_promoted() {
    let cluster = Cluster::own();
    let database = Database::on(&cluster);
    let standby = cluster.standby();
    let copy = database.at(&standby);
    database.psql("CREATE TABLE a (id int)");
    eventually(SOON, || copy.try_psql("SELECT count(*) FROM a"));
    assert_eq!(copy.psql("SELECT pg_is_in_recovery()"), "t");
    assert!(copy.try_psql("DROP TABLE a").unwrap_err().contains("read-only"));
    standby.promote();
    copy.psql("DROP TABLE a");
}

#[test]
fn a_server_is_made_read_only_and_writable_again() {
    let cluster = Cluster::own();
    let database = Database::on(&cluster);
    cluster.set("default_transaction_read_only", "on");
    assert!(database.try_psql("CREATE TABLE a (id int)").unwrap_err().contains("read-only"));
    cluster.set("default_transaction_read_only", "off");
    database.psql("CREATE TABLE a (id int)");
}

#[test]
fn a_killed_test_process_leaves_no_server_behind() {
    let mut process = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "support_test::a_server_to_be_orphaned", "--ignored", "--nocapture"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let folder = BufReader::new(process.stdout.take().unwrap())
        .lines()
        .find_map(|line| Some(line.unwrap().strip_prefix("folder: ")?.to_owned()))
        .expect("the process names its folder");
    assert!(Path::new(&folder).join("data/postmaster.pid").exists());
    process.kill().unwrap();
    process.wait().unwrap();
    eventually(SOON, || if Path::new(&folder).exists() { Err(&folder) } else { Ok(()) });
}

#[test]
#[ignore = "it is the process that a_killed_test_process_leaves_no_server_behind kills"]
fn a_server_to_be_orphaned() {
    println!("\nfolder: {}", Database::empty().cluster().socket_folder().display());
    drop(std::io::stdin().read_to_end(&mut Vec::new()));
}

fn read_one(stream: &mut TcpStream) -> std::io::Result<Option<u8>> {
    let mut byte = [0];
    Ok((stream.read(&mut byte)? == 1).then_some(byte[0]))
}
