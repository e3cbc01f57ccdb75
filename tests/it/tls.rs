//! TLS: castoff reaches what psql reaches, as protected as psql, and refuses what psql refuses.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::support::{
    Castoff, Certificates, Cluster, Database, Pooler, Proxy, Run, SENTINEL, SOON, Signal,
    eventually,
};

/// The name that the server's certificates are for; it is in no name server.
const HOST: &str = "db.castoff.test";

/// What a client says first that wants TLS.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

const MODES: [&str; 6] = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];

/// A server that speaks TLS, with certificates and somebody's home.
struct Server {
    cluster: Arc<Cluster>,
    certificates: Certificates,
}

/// What came of an attempt to connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Tls,
    Plain,
    Refused,
}

impl Server {
    /// With the CA `root`, its intermediate CA, and a certificate of the root's.
    fn new() -> Server {
        let cluster = Cluster::own();
        let certificates = Certificates::beside(&cluster);
        certificates.self_signed("root", "root", &[]);
        certificates.signed("server", HOST, &[&format!("subjectAltName=DNS:{HOST}")], "root", 30);
        let server = Server { cluster, certificates };
        server.presents("server");
        server.cluster.set("ssl", "on");
        server
    }

    /// Lets the server present another certificate, which is one of its folder.
    #[track_caller]
    fn presents(&self, name: &str) {
        let psql = |sql: &str| self.cluster.psql_at(&self.cluster.socket_url("postgres"), &[], sql);
        let (certificate, key) =
            (self.path(&format!("{name}.crt")), self.path(&format!("{name}.key")));
        psql(&format!("ALTER SYSTEM SET ssl_key_file = '{key}'")).unwrap();
        self.cluster.set("ssl_cert_file", &certificate);
    }

    fn major_version(&self) -> u32 {
        let url = self.cluster.socket_url("postgres");
        let sql = "SELECT current_setting('server_version_num')::int / 10000";
        self.cluster.psql_at(&url, &[], sql).unwrap().parse().unwrap()
    }

    /// Lets the server ask clients for certificates of this CA.
    fn trusts_clients_of(&self, name: &str) {
        self.cluster.set("ssl_ca_file", &self.path(&format!("{name}.crt")));
    }

    fn path(&self, file: &str) -> String {
        self.certificates.path(file)
    }

    /// A key=value string for the server by its name, with more parameters.
    fn named(&self, rest: &str) -> String {
        self.at(HOST, rest)
    }

    /// The same by another name.
    fn at(&self, host: &str, rest: &str) -> String {
        let port = self.cluster.port();
        format!(
            "host={host} hostaddr=127.0.0.1 port={port} user=postgres dbname=postgres \
             password={SENTINEL} {rest}"
        )
    }

    /// What castoff makes of it.
    fn castoff(&self, text: &str) -> Run {
        Castoff::without_database()
            .url(text)
            .env("HOME", self.path("home"))
            .env("CASTOFF_WAIT_TIMEOUT", "2s")
            .env("CASTOFF_SETTLE_TIMEOUT", "0s")
            .args(["wait"])
            .run()
    }

    /// How the session of this application name was protected, by the server's log.
    fn protection(&self, application: &str) -> Outcome {
        let log = self.cluster.log();
        let mark = format!(" application_name={application} ");
        let line = log
            .lines()
            .rev()
            .map(|line| format!("{line} "))
            .find(|line| line.contains("connection authorized") && line.contains(&mark))
            .unwrap_or_else(|| panic!("{application} is not in the server's log"));
        if line.contains("SSL enabled") { Outcome::Tls } else { Outcome::Plain }
    }

    /// What psql and castoff make of the same string.
    #[track_caller]
    fn both(&self, text: &str) -> (Outcome, Outcome, String) {
        let nonce = fs::read_to_string("/proc/sys/kernel/random/uuid").unwrap();
        let nonce = nonce.trim();
        let home = self.path("home");
        let psql = self.cluster.psql_at(
            &format!("{text} application_name=psql-{nonce}"),
            &[("HOME", &home), ("PGAPPNAME", "")],
            "SELECT 1",
        );
        let castoff = self.castoff(&format!("{text} application_name=castoff-{nonce}"));
        let told = format!("psql: {psql:?}\ncastoff: {castoff}");
        let of = |connected: bool, who: &str| {
            if connected { self.protection(&format!("{who}-{nonce}")) } else { Outcome::Refused }
        };
        (of(psql.is_ok(), "psql"), of(castoff.code() == Some(0), "castoff"), told)
    }
}

#[test]
fn each_sslmode_means_to_each_certificate_what_it_means_to_psql() {
    let server = Server::new();
    let certificates = &server.certificates;
    let name = &*format!("subjectAltName=DNS:{HOST}");
    certificates.self_signed("self", HOST, &[name]);
    certificates.self_signed("self-leaf", HOST, &[name, "basicConstraints=critical,CA:FALSE"]);
    certificates.signed("wrong-name", "other.test", &["subjectAltName=DNS:other.test"], "root", 30);
    certificates.signed("common-name", HOST, &["basicConstraints=CA:FALSE"], "root", 30);
    certificates.signed("version-1", HOST, &[], "root", 30);
    certificates.signed("namesake", "root", &[name], "root", 30);
    certificates.signed("child", HOST, &[name], "self-leaf", 30);
    certificates.signed("expired", HOST, &[name], "root", -1);
    certificates.signed("client-only", HOST, &[name, "extendedKeyUsage=clientAuth"], "root", 30);
    certificates.signed("between", "between", &["basicConstraints=critical,CA:TRUE"], "root", 30);
    certificates.signed("leaf", HOST, &[name], "between", 30);
    certificates.signed("chain", HOST, &[name], "between", 30);
    certificates.join("chain.crt", &["chain.crt", "between.crt"]);
    certificates.join("both.crt", &["root.crt", "between.crt"]);
    certificates.self_signed("another", "root", &[]);
    let servers = [
        "self",
        "self-leaf",
        "server",
        "wrong-name",
        "common-name",
        "version-1",
        "namesake",
        "child",
        "expired",
        "client-only",
        "leaf",
        "chain",
        "no TLS",
    ];
    let mut differences = Vec::new();
    let mut seen = Vec::new();
    for presented in servers {
        if presented == "no TLS" {
            server.cluster.set("ssl", "off");
        } else {
            server.presents(presented);
        }
        // What else a file of roots may hold matters to a certificate that is not the root's own.
        let more = presented == "leaf" || presented == "chain";
        let own = match presented {
            // Signed by a server, which is trusted for itself.
            "child" => "self-leaf.crt".to_owned(),
            _ => format!("{presented}.crt"),
        };
        let roots = ["", "root.crt", &own, "both.crt", "between.crt", "another.crt"];
        let roots =
            if presented == "no TLS" { &roots[..2] } else { &roots[..if more { 6 } else { 3 }] };
        for root in roots {
            for mode in MODES {
                let path = server.path(root);
                let sslrootcert =
                    if root.is_empty() { String::new() } else { format!("sslrootcert={path}") };
                let text = server.named(&format!("sslmode={mode} {sslrootcert}"));
                let (psql, castoff, told) = server.both(&text);
                seen.push(psql);
                if psql != castoff {
                    let case = format!("{presented}, {mode}, {root}");
                    differences.push(format!("{case}: {psql:?}, {castoff:?}\n{told}"));
                }
            }
        }
    }
    assert!(differences.is_empty(), "{}\n{} differ", differences.join("\n"), differences.len());
    let count = |outcome| seen.iter().filter(|seen| **seen == outcome).count();
    let counts = [Outcome::Tls, Outcome::Plain, Outcome::Refused].map(count);
    assert!(counts.iter().all(|count| *count > 30), "{counts:?} of {}", seen.len());
}

#[test]
fn allow_and_prefer_go_the_other_way_where_the_server_wants_it() {
    let server = Server::new();
    let scram = "all all 127.0.0.1/32 scram-sha-256";
    for (lines, expected) in [
        (format!("host {scram}"), [Outcome::Plain, Outcome::Plain, Outcome::Tls, Outcome::Tls]),
        (format!("hostssl {scram}"), [Outcome::Refused, Outcome::Tls, Outcome::Tls, Outcome::Tls]),
        (
            format!("hostnossl {scram}"),
            [Outcome::Plain, Outcome::Plain, Outcome::Plain, Outcome::Refused],
        ),
        (String::new(), [Outcome::Refused; 4]),
    ] {
        server.cluster.let_in(&lines);
        for (mode, expected) in MODES.into_iter().zip(expected) {
            let text = server.named(&format!("sslmode={mode}"));
            let (psql, castoff, told) = server.both(&text);
            assert_eq!((psql, castoff), (expected, expected), "{lines} {mode}\n{told}");
        }
    }
    // Of two attempts that failed, both are told.
    let run = server.castoff(&server.named("sslmode=prefer"));
    run.assert_code(77).assert_stderr("no encryption").assert_stderr("before, with TLS: 28000");
    // A root certificate that does not fit fails the handshake, and prefer goes on without TLS.
    server.cluster.let_in("hostssl all all 127.0.0.1/32 scram-sha-256");
    server.certificates.self_signed("another", "another", &[]);
    let prefer = format!("sslmode=prefer sslrootcert={}", server.path("another.crt"));
    let run = server.castoff(&server.named(&prefer));
    run.assert_code(77)
        .assert_stderr("before, with TLS: the server's certificate does not lead to");
    server.cluster.let_in(&format!("host {scram}"));
    let run = server.castoff(&server.named(&prefer));
    run.assert_code(0).assert_stderr("going on without TLS, as sslmode=prefer wants it");
}

#[test]
fn a_server_whose_key_castoff_knows_nothing_of_is_told_what_it_may_be() {
    let server = Server::new();
    server.certificates.key("rsa-pss", "rsa-pss");
    server.certificates.signed("rsa-pss", HOST, &[], "root", 30);
    server.presents("rsa-pss");
    let text = server.named("sslmode=require");
    let (psql, castoff, told) = server.both(&text);
    assert_eq!((psql, castoff), (Outcome::Tls, Outcome::Refused), "{told}");
    server.castoff(&text).assert_code(78).assert_stderr("look at the server's key");
}

/// A server that lets nobody in and says so by this SQLSTATE; its port, and how each of its clients
/// has come.
fn closed(config: &Arc<ServerConfig>, sqlstate: &str) -> (u16, Arc<Mutex<Vec<Outcome>>>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (config, clients) = (Arc::clone(config), Arc::clone(&seen));
    let fields = format!("SFATAL\0VFATAL\0C{sqlstate}\0Mclosed\0\0");
    let length = u32::try_from(fields.len() + 4).unwrap().to_be_bytes();
    let error = [b"E", &length[..], fields.as_bytes()].concat();
    drop(thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut first = [0; 8];
            stream.read_exact(&mut first).unwrap();
            if first == SSL_REQUEST {
                clients.lock().unwrap().push(Outcome::Tls);
                stream.write_all(b"S").unwrap();
                let tls = ServerConnection::new(Arc::clone(&config)).unwrap();
                let mut stream = StreamOwned::new(tls, stream);
                stream.read_exact(&mut first).unwrap();
                refuse(stream, first, &error);
            } else {
                clients.lock().unwrap().push(Outcome::Plain);
                refuse(stream, first, &error);
            }
        }
    }));
    (port, seen)
}

/// Hears out the client's first message, which begins so, and answers with an error.
fn refuse(mut stream: impl Read + Write, first: [u8; 8], error: &[u8]) {
    let length = u32::from_be_bytes(*first.first_chunk().unwrap()) as usize;
    stream.read_exact(&mut vec![0; length - first.len()]).unwrap();
    stream.write_all(error).unwrap();
    stream.flush().unwrap();
}

#[test]
fn allow_and_prefer_go_the_other_way_only_if_that_may_help() {
    let cluster = Cluster::stopped();
    let certificates = Certificates::beside(&cluster);
    certificates.self_signed("server", HOST, &[]);
    let config = as_server(&certificates, "server", "server");
    for (mode, ways) in
        [("allow", [Outcome::Plain, Outcome::Tls]), ("prefer", [Outcome::Tls, Outcome::Plain])]
    {
        // 08P01 is PgBouncer's for who has to speak TLS; only psql expects something of the others.
        for (sqlstate, psql_turns, castoff_turns) in [
            ("28000", true, true),
            ("28P01", true, true),
            ("08P01", true, true),
            ("53300", true, false),
            ("57P03", false, false),
        ] {
            let tried = |turns: bool| &ways[..if turns { 2 } else { 1 }];
            let (port, seen) = closed(&config, sqlstate);
            let text = format!(
                "host={HOST} hostaddr=127.0.0.1 port={port} user=u password={SENTINEL} sslmode={mode}"
            );
            let psql = cluster.psql_at(&text, &[("HOME", "/nonexistent")], "SELECT 1");
            assert!(psql.is_err());
            let by_psql = std::mem::take(&mut *seen.lock().unwrap());
            assert_eq!(by_psql, tried(psql_turns), "{mode} {sqlstate}");
            let castoff = Castoff::without_database().url(text).args(["wait"]);
            let castoff = castoff.env("CASTOFF_SETTLE_TIMEOUT", "0s");
            let run = castoff.env("CASTOFF_WAIT_TIMEOUT", "1s").run();
            run.assert_stderr(&format!("{sqlstate} closed"));
            let seen = seen.lock().unwrap();
            let expected = tried(castoff_turns);
            // What passes is tried again.
            assert!(!seen.is_empty(), "{run}");
            for attempt in seen.chunks(expected.len()) {
                assert_eq!(attempt, expected, "{mode} {sqlstate}\n{run}");
            }
        }
    }
}

#[test]
fn a_pooler_that_wants_tls_gets_it() {
    let db = Database::empty();
    let certificates = Certificates::beside(db.cluster());
    certificates.self_signed("pooler", HOST, &[]);
    let (certificate, key) = (certificates.path("pooler.crt"), certificates.path("pooler.key"));
    let settings = format!(
        "client_tls_sslmode = require\nclient_tls_cert_file = {certificate}\n\
         client_tls_key_file = {key}\n"
    );
    let pooler = Pooler::with(&db, "session", &settings);
    for mode in &MODES[..4] {
        let url = format!("{}?sslmode={mode}", pooler.url());
        let psql = db.cluster().plain_psql(Some(&url), &[], "SELECT 1");
        let castoff = Castoff::new(&db).url(url).migrations(["a"]).args(["upgrade"]);
        let castoff = castoff.env("CASTOFF_WAIT_TIMEOUT", "1h");
        let run = castoff.run();
        assert_eq!(psql.is_ok(), run.code() == Some(0), "{mode}: {psql:?}\n{run}");
        assert_eq!(psql.is_ok(), *mode != "disable", "{mode}: {psql:?}");
        if psql.is_err() {
            // Waiting would not help, so nothing waits.
            run.assert_code(78)
                .assert_stderr("08P01 SSL required")
                .assert_stderr("set sslmode=require");
        }
    }
}

#[test]
fn verify_full_looks_for_the_name_where_psql_does() {
    let server = Server::new();
    let certificate = |name: &str, subject: &str, names: &str| {
        let names = if names.is_empty() { "basicConstraints=CA:FALSE" } else { names };
        server.certificates.signed(name, subject, &[names], "root", 30);
        (name.to_owned(), format!("{subject} {names}"))
    };
    let certificates = [
        certificate("star", "x", "subjectAltName=DNS:*.castoff.test"),
        certificate("star-cn", "*.castoff.test", ""),
        certificate("case", "x", "subjectAltName=DNS:x.test,DNS:DB.CASTOFF.TEST"),
        certificate("cn-beside-dns", "db.castoff.test", "subjectAltName=DNS:x.test"),
        certificate("cn-beside-ip", "db.castoff.test", "subjectAltName=IP:10.0.0.1"),
        certificate("cn-beside-mail", "db.castoff.test", "subjectAltName=email:x@castoff.test"),
        certificate("ip", "x", "subjectAltName=IP:127.0.0.1,IP:::1"),
        certificate("ip-cn", "127.0.0.1", ""),
        certificate("ip-cn-beside-dns", "127.0.0.1", "subjectAltName=DNS:x.test"),
        certificate("ip-cn-beside-ip", "127.0.0.1", "subjectAltName=IP:10.0.0.1"),
        certificate("ip-dns", "x", "subjectAltName=DNS:127.0.0.1"),
    ];
    let hosts = ["db.castoff.test", "a.db.castoff.test", "castoff.test", "127.0.0.1", "Db_1.test"];
    let mut connected = 0;
    for (name, about) in &certificates {
        server.presents(name);
        for host in hosts {
            let text = server.at(host, "sslmode=verify-full");
            let text = format!("{text} sslrootcert={}", server.path("root.crt"));
            let (psql, castoff, told) = server.both(&text);
            assert_eq!(psql, castoff, "{about} as {host}\n{told}");
            connected += usize::from(psql == Outcome::Tls);
        }
    }
    // One host by its name or address each; the common name counts beside names of another kind.
    assert_eq!(connected, 9);
}

#[test]
fn each_kind_of_key_and_each_version_of_tls_binds_the_password_to_the_connection() {
    let server = Server::new();
    let name = format!("subjectAltName=DNS:{HOST}");
    for kind in ["rsa:2048", "rsa:4096", "ec:P-256", "ec:P-384"] {
        let file = kind.replace(':', "-");
        server.certificates.key(&file, kind);
        for extensions in [&[&*name][..], &[]] {
            server.certificates.signed(&file, HOST, extensions, "root", 30);
            // Two files in turn, so that the server notices.
            server.presents("server");
            server.presents(&file);
            for version in ["TLSv1.2", "TLSv1.3"] {
                let text = server.named(&format!(
                    "sslmode=verify-full channel_binding=require sslrootcert={} \
                     ssl_min_protocol_version={version} ssl_max_protocol_version={version}",
                    server.path("root.crt")
                ));
                let (psql, castoff, told) = server.both(&text);
                assert_eq!(
                    (psql, castoff),
                    (Outcome::Tls, Outcome::Tls),
                    "{kind} {version}\n{told}"
                );
            }
        }
    }
}

#[test]
fn a_certificate_whose_signature_names_no_hash_binds_nothing_and_hinders_nothing() {
    let server = Server::new();
    let certificates = &server.certificates;
    certificates.key("ed25519", "ed25519");
    let (key, file) = (certificates.path("ed25519.key"), certificates.path("ed25519.crt"));
    let (subject, name) = (format!("/CN={HOST}"), format!("subjectAltName=DNS:{HOST}"));
    let mut words = vec!["req", "-x509", "-days", "30", "-key", &key, "-out", &file];
    words.extend(["-subj", &subject, "-addext", &name]);
    certificates.openssl(&words);
    server.presents("ed25519");
    for (binding, psql_is, castoff_is) in [
        ("disable", Outcome::Tls, Outcome::Tls),
        ("prefer", Outcome::Refused, Outcome::Tls),
        ("require", Outcome::Refused, Outcome::Refused),
    ] {
        let rest = format!("sslmode=verify-full sslrootcert={file} channel_binding={binding}");
        let (psql, castoff, told) = server.both(&server.named(&rest));
        assert_eq!((psql, castoff), (psql_is, castoff_is), "{binding}\n{told}");
        // What psql fails for is the hash alone.
        assert_eq!(told.contains("could not find digest"), binding != "disable", "{told}");
    }
}

/// What a server of this certificate answers a handshake with.
fn as_server(certificates: &Certificates, name: &str, key: &str) -> Arc<ServerConfig> {
    let provider = Arc::new(ring::default_provider());
    let chain = CertificateDer::pem_file_iter(certificates.path(&format!("{name}.crt"))).unwrap();
    let key = PrivateKeyDer::from_pem_file(certificates.path(&format!("{key}.key"))).unwrap();
    let key = provider.key_provider.load_private_key(key).unwrap();
    let certified = CertifiedKey::new(chain.map(Result::unwrap).collect(), key);
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    Arc::new(config)
}

/// A server that shows `NAME.crt` and signs with another's key, for one connection; its port.
fn impostor(certificates: &Certificates, name: &str, key: &str) -> (u16, JoinHandle<bool>) {
    let config = as_server(certificates, name, key);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let served = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.read_exact(&mut [0; 8]).unwrap();
        stream.write_all(b"S").unwrap();
        let mut tls = ServerConnection::new(config).unwrap();
        while tls.is_handshaking() {
            if tls.complete_io(&mut stream).is_err() {
                return false;
            }
        }
        // What a client says first that trusts this server.
        let mut stream = StreamOwned::new(tls, stream);
        stream.read_exact(&mut [0; 8]).is_ok()
    });
    (port, served)
}

#[test]
fn a_server_without_the_key_of_its_certificate_is_refused() {
    let cluster = Cluster::stopped();
    let certificates = Certificates::beside(&cluster);
    certificates.self_signed("root", "root", &[]);
    certificates.self_signed("self", HOST, &[]);
    certificates.signed("signed", HOST, &["basicConstraints=CA:FALSE"], "root", 30);
    certificates.signed("version-1", HOST, &[], "root", 30);
    certificates.key("another", "ec:P-256");
    for name in ["self", "signed", "version-1"] {
        for version in ["TLSv1.2", "TLSv1.3"] {
            for mode in ["require", "verify-full"] {
                for key in [name, "another"] {
                    let (port, served) = impostor(&certificates, name, key);
                    let root = if name == "self" { "self.crt" } else { "root.crt" };
                    let roots = match mode {
                        "require" => String::new(),
                        _ => format!("sslrootcert={}", certificates.path(root)),
                    };
                    let text = format!(
                        "host={HOST} hostaddr=127.0.0.1 port={port} user=u password={SENTINEL} \
                         sslmode={mode} {roots} ssl_min_protocol_version={version} \
                         ssl_max_protocol_version={version}"
                    );
                    let castoff = Castoff::without_database().url(text).args(["wait"]);
                    let run = castoff.env("CASTOFF_WAIT_TIMEOUT", "100ms").run();
                    let is_trusted = served.join().unwrap();
                    assert_eq!(is_trusted, key == name, "{name} {version} {mode} {key}\n{run}");
                    if key != name {
                        run.assert_code(78).assert_stderr("BadSignature");
                    }
                }
            }
        }
    }
}

#[test]
fn channel_binding_means_what_it_means_to_psql() {
    let server = Server::new();
    let hba = "host all postgres 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust";
    server.cluster.let_in(hba);
    let superuser = server.cluster.socket_url("postgres");
    server.cluster.psql_at(&superuser, &[], "CREATE ROLE trusted LOGIN").unwrap();
    for binding in ["disable", "prefer", "require"] {
        for mode in ["disable", "require"] {
            for user in ["postgres", "trusted"] {
                let rest = format!("sslmode={mode} channel_binding={binding} user={user}");
                let (psql, castoff, told) = server.both(&server.named(&rest));
                assert_eq!(psql, castoff, "{rest}\n{told}");
                let bound = mode == "require" && user == "postgres";
                assert_eq!(psql == Outcome::Refused, binding == "require" && !bound, "{rest}");
            }
        }
    }
}

#[test]
fn files_in_the_home_are_used_as_libpq_uses_them() {
    let server = Server::new();
    server.certificates.self_signed("another", "another", &[]);
    let home = server.path("home/.postgresql");
    fs::create_dir_all(&home).unwrap();
    for (root, require, verify_ca) in [
        ("root.crt", Outcome::Tls, Outcome::Tls),
        ("another.crt", Outcome::Refused, Outcome::Refused),
    ] {
        fs::copy(server.path(root), format!("{home}/root.crt")).unwrap();
        for (mode, expected) in [("require", require), ("verify-ca", verify_ca)] {
            let (psql, castoff, told) = server.both(&server.named(&format!("sslmode={mode}")));
            assert_eq!((psql, castoff), (expected, expected), "{root} {mode}\n{told}");
        }
    }
    fs::remove_file(format!("{home}/root.crt")).unwrap();
    server.certificates.signed("postgres", "postgres", &[], "root", 30);
    server.trusts_clients_of("root");
    server.cluster.let_in("hostssl all all 127.0.0.1/32 cert");
    let require = server.named("sslmode=require");
    for (present, expected) in [(false, Outcome::Refused), (true, Outcome::Tls)] {
        if present {
            for kind in ["crt", "key"] {
                let file = format!("{home}/postgresql.{kind}");
                fs::copy(server.path(&format!("postgres.{kind}")), &file).unwrap();
                server.certificates.guard(&file);
            }
        }
        let (psql, castoff, told) = server.both(&require);
        assert_eq!((psql, castoff), (expected, expected), "{told}");
    }
}

#[test]
fn a_client_certificate_is_shown_to_a_server_that_asks_for_it() {
    let server = Server::new();
    let certificates = &server.certificates;
    certificates.signed("postgres", "postgres", &[], "root", 30);
    certificates.signed("somebody", "somebody", &[], "root", 30);
    certificates.signed("late", "postgres", &[], "root", -1);
    certificates.self_signed("stranger", "postgres", &[]);
    certificates.signed("between", "between", &["basicConstraints=critical,CA:TRUE"], "root", 30);
    certificates.signed("leaf", "postgres", &[], "between", 30);
    certificates.join("chain.crt", &["leaf.crt", "between.crt"]);
    let key = certificates.path("postgres.key");
    let password = format!("pass:{SENTINEL}");
    for (name, words) in [
        ("rsa.key", &["genpkey", "-algorithm", "RSA", "-out"][..]),
        ("sec1.key", &["ec", "-in", &key, "-out"]),
        ("der.key", &["pkey", "-in", &key, "-outform", "DER", "-out"]),
        ("open.key", &["pkey", "-in", &key, "-out"]),
        ("no.key", &["pkey", "-in", &key, "-pubout", "-out"]),
        ("encrypted.key", &["pkey", "-in", &key, "-aes256", "-passout", &password, "-out"]),
        ("scrypt.key", &["pkcs8", "-topk8", "-scrypt", "-passout", &password, "-in", &key, "-out"]),
        ("rsa-encrypted.key", &["genrsa", "-aes128", "-passout", &password, "-out"]),
        ("legacy.key", &["ec", "-in", &key, "-aes256", "-passout", &password, "-out"]),
    ] {
        certificates.openssl(&[words, &[name]].concat());
        certificates.guard(certificates.path(name));
    }
    fs::set_permissions(certificates.path("open.key"), PermissionsExt::from_mode(0o644)).unwrap();
    server.trusts_clients_of("root");
    server.cluster.let_in("hostssl all all 127.0.0.1/32 cert");
    for (certificate, key, expected, code, told) in [
        ("postgres.crt", "postgres.key", Outcome::Tls, 0, ""),
        ("postgres.crt", "sec1.key", Outcome::Tls, 0, ""),
        ("postgres.crt", "der.key", Outcome::Tls, 0, ""),
        ("chain.crt", "leaf.key", Outcome::Tls, 0, ""),
        ("leaf.crt", "leaf.key", Outcome::Refused, 78, "alert UnknownCA"),
        ("stranger.crt", "stranger.key", Outcome::Refused, 78, "alert UnknownCA"),
        ("late.crt", "late.key", Outcome::Refused, 78, "alert CertificateExpired"),
        ("somebody.crt", "somebody.key", Outcome::Refused, 77, "certificate authentication failed"),
        ("postgres.crt", "somebody.key", Outcome::Refused, 78, "do not make a pair"),
        ("postgres.crt", "rsa.key", Outcome::Refused, 78, "do not make a pair"),
        ("postgres.crt", "open.key", Outcome::Refused, 78, "can be read by others"),
        ("postgres.crt", "missing.key", Outcome::Refused, 78, "cannot be read: No such file"),
        ("postgres.crt", "no.key", Outcome::Refused, 78, "holds no private key"),
        ("postgres.key", "postgres.key", Outcome::Refused, 78, "holds no certificate"),
    ] {
        let rest = format!(
            "sslmode=require sslcert={} sslkey={}",
            server.path(certificate),
            server.path(key)
        );
        let text = server.named(&rest);
        let (psql, castoff, both) = server.both(&text);
        assert_eq!((psql, castoff), (expected, expected), "{certificate} {key}\n{both}");
        server.castoff(&text).assert_code(code).assert_stderr(told);
    }
    // psql reads a key in OpenSSL's own encryption too.
    for (key, password, psql_is, castoff_is, told) in [
        ("encrypted.key", SENTINEL, Outcome::Tls, Outcome::Tls, ""),
        ("scrypt.key", SENTINEL, Outcome::Tls, Outcome::Tls, ""),
        ("open.key", SENTINEL, Outcome::Refused, Outcome::Refused, "can be read by others"),
        ("rsa-encrypted.key", SENTINEL, Outcome::Refused, Outcome::Refused, "do not make a pair"),
        ("encrypted.key", "wrong-S3ntinel", Outcome::Refused, Outcome::Refused, "be decrypted"),
        ("encrypted.key", "''", Outcome::Refused, Outcome::Refused, "there is no sslpassword"),
        ("legacy.key", SENTINEL, Outcome::Tls, Outcome::Refused, "openssl pkcs8 -topk8"),
    ] {
        let (certificate, key) = (server.path("postgres.crt"), server.path(key));
        let rest = format!("sslcert={certificate} sslkey={key} sslpassword={password}");
        let text = server.named(&format!("sslmode=require {rest}"));
        let (psql, castoff, both) = server.both(&text);
        assert_eq!((psql, castoff), (psql_is, castoff_is), "{key} {password}\n{both}");
        let code = if castoff == Outcome::Tls { 0 } else { 78 };
        server.castoff(&text).assert_code(code).assert_stderr(told);
    }
    // Without one, and with one that must not be sent, the server says what it wants.
    let with = format!("sslcert={} sslkey={key}", server.path("postgres.crt"));
    for rest in ["", &format!("{with} sslcertmode=disable")] {
        let run = server.castoff(&server.named(&format!("sslmode=require {rest}")));
        run.assert_code(77).assert_stderr("requires a valid client certificate");
    }
}

#[test]
fn direct_tls_takes_a_server_that_knows_it() {
    let server = Server::new();
    let text = server.named("sslmode=require sslnegotiation=direct");
    if server.major_version() >= 17 {
        let (psql, castoff, told) = server.both(&text);
        assert_eq!((psql, castoff), (Outcome::Tls, Outcome::Tls), "{told}");
    } else {
        // An older server takes the handshake for a message that is too long, and hangs up.
        server.castoff(&text).assert_code(69).assert_stderr("the TLS handshake was cut off");
    }
}

#[test]
fn a_cancel_request_is_protected_as_its_session_is() {
    let server = Server::new();
    let db = Database::on(&server.cluster);
    let proxy = Proxy::new(&db);
    let image = Castoff::new(&db)
        .url(format!("{}?sslmode=require", proxy.url()))
        .files([("0001_wait.up.sql", "SELECT pg_sleep(100);")])
        .args(["upgrade"]);
    let castoff = image.spawn();
    eventually(SOON, || {
        let queries = db.backends();
        if queries.iter().any(|backend| backend.wait_event == "PgSleep") {
            Ok(())
        } else {
            Err(castoff.output())
        }
    });
    castoff.signal(Signal::Term);
    castoff.wait(SOON).assert_code(143);
    assert!(db.server_log().iter().any(|line| line.contains("canceling statement")));
    // Each connection began with the request for TLS, that of the cancel request as well.
    let firsts = proxy.first_messages();
    assert!(firsts.len() >= 2 && firsts.iter().all(|first| *first == SSL_REQUEST), "{firsts:?}");
}

#[test]
fn a_handshake_that_is_cut_off_is_tried_again() {
    let server = Server::new();
    let db = Database::on(&server.cluster);
    let proxy = Proxy::new(&db);
    proxy.black_hole();
    let image = Castoff::new(&db)
        .url(format!("{}?sslmode=require", proxy.url()))
        .env("CASTOFF_LOG_FORMAT", "text")
        .args(["wait"]);
    let castoff = image.spawn();
    eventually(SOON, || if proxy.connections() > 0 { Ok(()) } else { Err(castoff.output()) });
    proxy.cut();
    castoff.wait_for_line("the TLS handshake was cut off");
    proxy.accept();
    castoff.wait(SOON).assert_code(0);
}

#[test]
fn what_is_wrong_with_tls_is_said_at_once_with_what_to_do() {
    let server = Server::new();
    let certificates = &server.certificates;
    certificates.self_signed("self", HOST, &[]);
    certificates.signed("expired", HOST, &[], "root", -1);
    certificates.signed("other", "x", &["subjectAltName=DNS:a.test,IP:10.0.0.1"], "root", 30);
    let with = |rest: &str| format!("{rest} sslrootcert={}", server.path("root.crt"));
    for (presented, rest, told, hint) in [
        ("self", with("sslmode=require"), "is self-signed and not in /", "this very certificate"),
        ("server", "sslrootcert=system".into(), "does not lead to a root", "the root CA's"),
        ("expired", with("sslmode=verify-ca"), "has expired", "renew the certificate"),
        (
            "other",
            with("sslmode=verify-full"),
            "is for a.test, 10.0.0.1, not for db.castoff.test",
            "connect by a name of the certificate",
        ),
        (
            "server",
            format!("sslmode=require sslrootcert={}", server.path("missing.crt")),
            "missing.crt, cannot be read",
            "",
        ),
        (
            "server",
            format!("sslmode=prefer sslrootcert={}", server.path("server.key")),
            "server.key, holds no certificate in PEM",
            "",
        ),
    ] {
        server.presents(presented);
        for format in ["text", "json"] {
            let castoff = Castoff::without_database().url(server.named(&rest)).args(["wait"]);
            let castoff = castoff.env("CASTOFF_LOG_FORMAT", format).env("CASTOFF_LOG", "trace");
            // Waiting would not help, so nothing waits.
            let run = castoff.env("CASTOFF_WAIT_TIMEOUT", "1h").run();
            run.assert_code(78).assert_stderr(told).assert_stderr(hint);
        }
    }
    server.cluster.set("ssl", "off");
    let run = server.castoff(&server.named("sslmode=require"));
    run.assert_code(78).assert_stderr("does not speak TLS").assert_stderr("turn on ssl");
}

#[test]
fn without_sslrootcert_verify_full_trusts_whom_the_system_trusts() {
    let server = Server::new();
    // In a mount namespace of its own the system has this one root, or none as an empty image.
    let script = "for folder in /etc/ssl /etc/pki; do
            [ ! -d $folder ] || mount -t tmpfs none $folder || exit 99
        done
        if [ -n \"$0\" ]; then mkdir -p /etc/ssl/certs && cp \"$0\" /etc/ssl/certs/ca-certificates.crt; fi
        exec \"$@\"";
    for rest in ["sslrootcert=system", "sslmode=verify-full"] {
        for (root, code, told) in [
            (server.path("root.crt"), 0, ""),
            (String::new(), 78, "in Mozilla's list, which castoff was built with"),
        ] {
            let castoff = Castoff::without_database().url(server.named(rest)).args(["wait"]);
            let castoff = castoff.under(["unshare", "-m", "sh", "-c", script, &root]);
            castoff.run().assert_code(code).assert_stderr(told);
        }
    }
}
