//! TLS: castoff reaches what psql reaches, as protected as psql, and refuses what psql refuses.

use std::fs;
use std::sync::Arc;

use crate::support::{Castoff, Certificates, Cluster, Run, SENTINEL};

/// The name that the server's certificates are for; it is in no name server.
const HOST: &str = "db.castoff.test";

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

    fn path(&self, file: &str) -> String {
        self.certificates.path(file)
    }

    /// A key=value string for the server by its name, with more parameters.
    fn named(&self, rest: &str) -> String {
        let port = self.cluster.port();
        format!(
            "host={HOST} hostaddr=127.0.0.1 port={port} user=postgres dbname=postgres \
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
fn sslmode_require_connects_over_tls() {
    let server = Server::new();
    let (psql, castoff, told) = server.both(&server.named("sslmode=require"));
    assert_eq!((psql, castoff), (Outcome::Tls, Outcome::Tls), "{told}");
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
        let own = format!("{presented}.crt");
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
}
