//! Which server is taken of several, and which address of one.

use std::net::{Ipv6Addr, SocketAddrV6};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketFlags, SocketType};

use crate::support::{Castoff, Cluster, Database, Folder, SENTINEL, SOON, eventually};

/// A socket that takes no connection, and those that wait in its queue for ever.
struct Deaf {
    _queue: Vec<OwnedFd>,
}

impl Deaf {
    fn at(address: SocketAddrV6) -> Deaf {
        let socket = |flags| {
            rustix::net::socket_with(AddressFamily::INET6, SocketType::STREAM, flags, None).unwrap()
        };
        let listener = socket(SocketFlags::CLOEXEC);
        rustix::net::bind(&listener, &address).unwrap();
        rustix::net::listen(&listener, 0).unwrap();
        let mut queue = vec![listener];
        for _ in 0..4 {
            let waiting = socket(SocketFlags::CLOEXEC | SocketFlags::NONBLOCK);
            let under_way = rustix::net::connect(&waiting, &address);
            assert_eq!(under_way, Err(rustix::io::Errno::INPROGRESS));
            queue.push(waiting);
        }
        Deaf { _queue: queue }
    }
}

/// A mount namespace in which the name `twin` has two addresses.
fn with_twin() -> [String; 6] {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("twin-hosts");
    let script = "printf '::1 twin\\n127.0.0.1 twin\\n' >\"$0\"
        mount --bind \"$0\" /etc/hosts; exec \"$@\"";
    ["unshare", "-m", "sh", "-c", script, file.to_str().unwrap()].map(str::to_owned)
}

fn asking(url: String) -> Castoff {
    Castoff::without_database()
        .url(url)
        .env("CASTOFF_LOG_FORMAT", "text")
        .env("CASTOFF_WAIT_TIMEOUT", "300ms")
        .args(["wait"])
}

fn servers(db: &Database, servers: &[&Cluster], rest: &str) -> String {
    let ports: Vec<_> = servers.iter().map(|server| server.port().to_string()).collect();
    let hosts = vec!["127.0.0.1"; servers.len()].join(",");
    format!(
        "host={hosts} port={} user=postgres password={SENTINEL} dbname={} {rest}",
        ports.join(","),
        db.name()
    )
}

#[test]
fn an_address_that_says_nothing_does_not_keep_the_next_one_waiting() {
    let db = Database::empty();
    let port = db.cluster().port();
    let _deaf = Deaf::at(SocketAddrV6::new(Ipv6Addr::LOCALHOST, port, 0, 0));
    let url = db.url().replace("127.0.0.1", "twin");
    let castoff = asking(url).under(with_twin()).env("CASTOFF_WAIT_TIMEOUT", "8s");
    let castoff = castoff.env("CASTOFF_CONNECT_TIMEOUT", "8s");
    let started = Instant::now();
    castoff.run().assert_code(0);
    let taken = started.elapsed();
    assert!(taken >= Duration::from_millis(250), "the deaf address was not tried: {taken:?}");
    assert!(taken < Duration::from_secs(5), "{taken:?}");
    let by_itself = asking(db.url().replace("127.0.0.1", "[::1]"));
    by_itself.run().assert_code(69).assert_stderr("no answer within");
}

#[test]
fn each_address_of_a_name_is_told_with_its_error() {
    let url = format!("postgresql://shop:{SENTINEL}@twin:1/shop");
    let run = asking(url).under(with_twin()).run();
    run.assert_code(69).assert_stderr("twin:1: ");
    run.assert_stderr("::1: Connection refused").assert_stderr("127.0.0.1: Connection refused");
}

#[test]
fn a_session_that_only_reads_is_had_where_target_session_attrs_says() {
    let primary = Cluster::own();
    let db = Database::on(&primary);
    let standby = primary.standby();
    for (wanted, on_primary, on_standby) in [
        ("any", 0, 0),
        ("primary", 0, 69),
        ("read-write", 0, 69),
        ("standby", 69, 0),
        ("read-only", 69, 0),
        ("prefer-standby", 0, 0),
    ] {
        let target = format!("target_session_attrs={wanted}");
        for (server, code) in [(&primary, on_primary), (&standby, on_standby)] {
            let run = asking(servers(&db, &[server], &target)).run();
            run.assert_code(code);
            if code == 69 {
                run.assert_stderr(&format!(
                    "it is not what target_session_attrs={wanted} asks for"
                ));
            }
        }
        asking(servers(&db, &[&primary, &standby], &target)).run().assert_code(0);
    }
    let attributes = "target_session_attrs=prefer-standby application_name=prefers";
    asking(servers(&db, &[&primary, &standby], attributes)).run().assert_code(0);
    eventually(SOON, || standby.log().contains("application_name=prefers"));
}

#[test]
fn chance_spreads_sessions_over_the_servers_if_it_is_asked_to() {
    let primary = Cluster::own();
    let db = Database::on(&primary);
    let standby = primary.standby();
    let both = [&*primary, &*standby];
    let spread = servers(&db, &both, "load_balance_hosts=random application_name=spread");
    let in_order = servers(&db, &both, "application_name=ordered");
    let went = |name: &str| standby.log().contains(&format!("application_name={name}"));
    for _ in 0..20 {
        asking(spread.clone()).run().assert_code(0);
        asking(in_order.clone()).run().assert_code(0);
        if went("spread") {
            break;
        }
    }
    assert!(went("spread") && !went("ordered"));
}

#[test]
fn a_password_file_that_others_can_read_is_not_read_and_told() {
    let db = Database::empty();
    let castoff = asking(db.url().replace(&format!(":{SENTINEL}"), ""));
    let folder = Folder::new();
    folder.file("passwords", format!("*:*:*:*:{SENTINEL}"));
    let path = folder.path().join("passwords");
    let castoff = castoff.env("PGPASSFILE", &path).env("CASTOFF_SETTLE_TIMEOUT", "1ms");
    let run = castoff.run();
    run.assert_code(77).assert_stderr(path.to_str().unwrap());
    run.assert_stderr("is not read: its group or others have rights to it");
}
