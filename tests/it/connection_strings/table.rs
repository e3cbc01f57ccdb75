//! The rows. `{port}` is the server's, nobody listens at `{dead}`, `{pw}` is everybody's password.

use super::Outcome::{Access, Connected, Refused, Server, Unreachable};
use super::{Outcome, Row, environment, row};

const ONWARDS: &str = "castoff goes on to the next server whatever the first one says";
const UTF8: &str = "castoff speaks UTF-8 with every server, whatever the application speaks";
const DIALECT: &str = "the URL of another client is translated";
const STRICT: &str = "what may be a piece of a password is refused before anything is looked up";

/// alice in her shop, over TCP or over the socket.
fn at(place: &str) -> Outcome {
    Connected(format!("alice|shop|{place}|{{port}}|psql|\"$user\", public"))
}

/// Every row of the table.
pub(super) fn rows() -> Vec<Row> {
    [urls(), pairs(), variables(), password_files(), services(), servers(), logins(), dialects()]
        .concat()
}

fn urls() -> Vec<Row> {
    vec![
        row("postgresql://alice:{pw}@127.0.0.1:{port}/shop"),
        row("postgres://alice:{pw}@127.0.0.1:{port}/shop"),
        row("postgresql://alice:{pw}@127.0.0.1:{port}"),
        row("postgresql://alice:{pw}@127.0.0.1:{port}/"),
        row("postgresql://alice:{pw}@localhost:{port}/shop"),
        row("postgresql://alice:wrong@127.0.0.1:{port}/shop"),
        row("postgresql://alice@127.0.0.1:{port}/shop"),
        row("postgresql://nobody:{pw}@127.0.0.1:{port}/shop"),
        row("postgresql://alice:{pw}@127.0.0.1:{port}/no_such_database"),
        row("postgresql://alice:{pw}@127.0.0.1:{dead}/shop"),
        row("postgresql://alice:{pw}@no-such-host.invalid:{port}/shop"),
        row("postgresql://%61lice:{pw}@127.0.0.1:{port}/%73hop"),
        row("postgresql://two%20words:{pw}@127.0.0.1:{port}/shop"),
        row("postgresql://alice:{pw}@127.0.0.1:{port}/a%20b%2Fc"),
        row("postgresql://alice:{pw}@127.0.0.1:{port}/shop?application_name=a%26b"),
        row("postgresql://alice:{pw}@127.0.0.1:{port}/shop?fallback_application_name=x")
            .castoff_connects(
                "alice|shop|127.0.0.1|{port}|x|\"$user\", public",
                "psql has a fallback of its own, which hides the given one",
            ),
        row("postgresql://alice:{pw}@127.0.0.1:{port}/shop?options=-csearch_path%3Da"),
        row("postgresql://alice:{pw}@127.0.0.1:{port}/shop?options=-c%20search_path%3Da%5C%20b"),
        row("postgresql://alice:{pw}@127.0.0.1:{port}/shop?options=-cno_such%3D1"),
        row("postgresql://127.0.0.1:{port}/shop?user=alice&password={pw}"),
        row("postgresql:///shop?host=127.0.0.1&port={port}&user=alice&password={pw}"),
        row("postgresql://nobody:x@127.0.0.1:{port}/no?user=alice&password={pw}&dbname=shop"),
        row("postgresql://alice@{encoded-socket}:{port}/shop"),
        row("postgresql:///shop?host={socket}&port={port}&user=alice"),
        row("postgresql://{encoded-socket}:{port}"),
        row("postgresql://%2Fno%2Fsuch%2Fdirectory/shop?user=alice"),
        row("postgresql://alice:{pw}@[::1]:{dead}/shop"),
        row("postgresql://alice:{pw}@[::1/shop"),
        row("postgresql://alice:{pw}@127.0.0.1:{port}/shop?no_such=1"),
        row("postgresql://alice:{pw}@127.0.0.1:{port}/shop?sslmode=maybe"),
        row("postgresql://alice:{pw}@127.0.0.1:{port}/shop?sslmode=disable"),
        row("postgresql://alice:{pw}@127.0.0.1:{port}/shop?sslmode=disable&sslcert=/no/file"),
        row("postgresql://alice:{pw}@127.0.0.1:{port}/shop").file(".postgresql/root.crl", ""),
        row("postgresql://alice:{pw}@127.0.0.1:{port}/shop?sslmode=disable")
            .file(".postgresql/root.crt", "")
            .file(".postgresql/root.crl", ""),
        row("postgresql://alice:{pw}@127.0.0.1:{port}/shop")
            .file(".postgresql/root.crt", "")
            .file(".postgresql/root.crl", "")
            .castoff_is(Refused, "castoff reads no lists of revoked certificates"),
        row("postgresql://alice:{pw}@127.0.0.1:port/shop"),
        row("postgresql://alice:{pw}@127.0.0.1:99999/shop"),
        row("postgresql://alice:{pw}@127.0.0.1:{port}/shop?connect_timeout=x"),
        row("postgresql://alice:{pw}@127.0.0.1:{port}/shop?connect_timeout=0"),
        row("postgresql://alice:{pw}%zz@127.0.0.1:{port}/shop"),
        row("postgresql://alice:{pw}@127.0.0.1:{port}/shop?keepalives=0&keepalives_idle=5"),
        row("postgresql://alice:{pw}@127.0.0.1:{port}/shop?tcp_user_timeout=3000"),
        row("postgresql://alice:{pw}@127.0.0.1:{port}/shop?keepalives_idle=99999")
            .castoff_is(Server, "what the system refuses is told when it has refused it"),
        row("postgresql://alice:{pw}@127.0.0.1:{port}/shop?ssl=nonsense"),
        row("postgresql://alice:a@{pw}@127.0.0.1:{port}/shop").castoff_is(Refused, STRICT),
        row("foo://alice:{pw}@127.0.0.1:{port}/shop")
            .castoff_is(Refused, "psql takes it for the name of a database on the default socket"),
    ]
}

fn pairs() -> Vec<Row> {
    vec![
        row("host=127.0.0.1 port={port} user=alice password={pw} dbname=shop"),
        row(" host = 127.0.0.1 port = {port} user = alice password = {pw} dbname = 'shop' "),
        row("host=127.0.0.1 port={port} user='two words' password='{pw}' dbname='a b/c'"),
        row(r"host=127.0.0.1 port={port} user=two\ words password={pw} dbname=shop"),
        row("host=127.0.0.1 port={port} user=bob user=alice password={pw} dbname=shop"),
        row("host={socket} port={port} user=alice"),
        row("host={socket} port={port}"),
        row("host={socket} port={port} user=''"),
        row("hostaddr=127.0.0.1 port={port} user=alice password={pw} dbname=shop"),
        row("host=anything hostaddr=127.0.0.1 port={port} user=alice password={pw} dbname=shop"),
        row("hostaddr=localhost port={port} user=alice password={pw}"),
        row("host=127.0.0.1:{port} user=alice password={pw} dbname=shop")
            .castoff_is(Refused, STRICT),
        row("host=127.0.0.1 port={port} user=alice password='{pw}"),
        row("host=127.0.0.1 port={port} user=alice password={pw} nonsense"),
        row("host=127.0.0.1 port={port} user=alice password={pw} hots=x"),
        row("host=127.0.0.1 port={port} user=alice password={pw} dbname=shop client_encoding=latin1"),
        row("host=127.0.0.1 port={port} user=alice password={pw} dbname=shop client_encoding=klingon")
            .castoff_connects("alice|shop|127.0.0.1|{port}|psql|\"$user\", public", UTF8),
        row("host=127.0.0.1 port={port} user=alice password={pw} dbname=shop krbsrvname=x gsslib=gssapi"),
        row("shop").castoff_is(Refused, "a name alone is more often a mistake than a database"),
    ]
}

fn variables() -> Vec<Row> {
    let alice = || {
        environment()
            .env("PGHOST", "127.0.0.1")
            .env("PGPORT", "{port}")
            .env("PGUSER", "alice")
            .env("PGPASSWORD", "{pw}")
    };
    vec![
        alice(),
        alice().env("PGDATABASE", "shop"),
        alice().env("PGDATABASE", "shop").env("PGAPPNAME", "shop-api"),
        alice().env("PGOPTIONS", "-c search_path=x"),
        alice().env("PGCONNECT_TIMEOUT", "3"),
        alice().env("PGHOSTADDR", "127.0.0.1").env("PGHOST", "elsewhere"),
        alice().env("PGTARGETSESSIONATTRS", "primary"),
        alice().env("PGTARGETSESSIONATTRS", "nonsense"),
        alice().env("PGCLIENTENCODING", "latin1"),
        alice().env("PGSSLMODE", "nonsense"),
        alice().env("PGDATABASE", ""),
        alice().env("PGUSER", ""),
        alice().env("PGHOST", "{socket}").env("PGPASSWORD", ""),
        environment().env("PGHOST", "{socket}").env("PGPORT", "{port}"),
        environment().env("PGHOST", "127.0.0.1").env("PGPORT", "{dead}").env("PGUSER", "alice"),
        environment()
            .env("PGHOST", "127.0.0.1,{socket}")
            .env("PGPORT", "{dead},{port}")
            .env("PGUSER", "alice"),
        alice().with_text("postgresql://bob@/shop"),
        alice().with_text("postgresql:///shop"),
        alice().with_text("dbname=shop application_name=x"),
        alice().with_text("dbname='' user=bob").env("PGDATABASE", "shop"),
        alice().with_text("postgresql://bob:wrong@127.0.0.1:{port}/shop"),
    ]
}

fn password_files() -> Vec<Row> {
    let there = "postgresql://alice@127.0.0.1:{port}/shop";
    let socket = "host={socket} port={port} user=alice dbname=shop";
    vec![
        row(there).pgpass("127.0.0.1:{port}:shop:alice:{pw}\n"),
        row(there).pgpass("*:*:*:*:{pw}"),
        row(there).pgpass("# comment\n\n127.0.0.1:1:shop:alice:no\n127.0.0.1:*:*:alice:{pw}\r\n"),
        row(there).pgpass("*:*:*:*:wrong\n127.0.0.1:{port}:shop:alice:{pw}\n"),
        row(there).pgpass("localhost:{port}:shop:alice:{pw}\n"),
        row(there).pgpass("127.0.0.1:{port}:shop:bob:{pw}\n"),
        row(there).pgpass(r"127.0.0.1:{port}:\shop:a\lice:{pw}"),
        row(there).pgpass("127.0.0.1:{port}:shop:alice:{pw}:more\n"),
        row(there).file_with_mode(".pgpass", "*:*:*:*:{pw}", 0o644),
        row(there).file_with_mode(".pgpass", "*:*:*:*:{pw}", 0o640),
        row(there).file_with_mode(".pgpass", "*:*:*:*:{pw}", 0o700 - 0o300),
        row(there).file("elsewhere", "*:*:*:*:{pw}").env("PGPASSFILE", "{home}/elsewhere"),
        row(there).pgpass("*:*:*:*:{pw}").env("PGPASSFILE", "{home}/no-file"),
        row("postgresql://alice@127.0.0.1:{port}/shop?passfile={home}/mine")
            .file("mine", "*:*:*:*:{pw}")
            .env("PGPASSFILE", "{home}/no-file"),
        row("postgresql://alice:wrong@127.0.0.1:{port}/shop").pgpass("*:*:*:*:{pw}"),
        row(there).pgpass("*:*:*:*:{pw}").env("PGPASSWORD", "wrong"),
        row(there).pgpass("*:*:*:*:{pw}").env("PGPASSWORD", ""),
        row("host=db hostaddr=127.0.0.1 port={port} user=alice dbname=shop")
            .pgpass("db:{port}:shop:alice:{pw}"),
        row("hostaddr=127.0.0.1 port={port} user=alice dbname=shop")
            .pgpass("127.0.0.1:{port}:shop:alice:{pw}"),
        row("host=127.0.0.1,localhost port={dead},{port} user=alice dbname=shop")
            .pgpass("127.0.0.1:*:*:*:wrong\nlocalhost:*:*:*:{pw}"),
        row(socket).pgpass("{socket}:{port}:shop:alice:wrong"),
        row(there).file(".pgpass/in-a-folder", "*:*:*:*:{pw}"),
    ]
}

fn services() -> Vec<Row> {
    let conf = "[other]\nhost=127.0.0.1\nport={dead}\n\n# mine\n[shop]\nhost=127.0.0.1\nport={port}\n\
                user=alice\npassword={pw}\ndbname=shop\n[last]\nuser=bob\n";
    let with = |text: &str| row(text).file(".pg_service.conf", conf);
    vec![
        with("service=shop"),
        with("postgresql://?service=shop"),
        with("postgresql:///alice?service=shop"),
        with("service=shop application_name=mine"),
        with("service=other user=alice"),
        with("service=no_such"),
        with("service=sho"),
        row("service=shop"),
        environment().env("PGSERVICE", "shop").file(".pg_service.conf", conf),
        environment()
            .env("PGSERVICE", "shop")
            .env("PGUSER", "nobody")
            .env("PGAPPNAME", "mine")
            .file(".pg_service.conf", conf),
        environment()
            .env("PGSERVICE", "shop")
            .env("PGSERVICEFILE", "{home}/services")
            .file("services", conf),
        environment().env("PGSERVICE", "shop").env("PGSERVICEFILE", "{home}/no-file"),
        environment()
            .env("PGSERVICE", "shop")
            .env("PGSYSCONFDIR", "{home}/etc")
            .file("etc/pg_service.conf", conf),
        environment()
            .env("PGSERVICE", "shop")
            .env("PGSYSCONFDIR", "{home}/etc")
            .file(".pg_service.conf", "[other]\nhost=x\n")
            .file("etc/pg_service.conf", conf),
        row("service=shop")
            .file(
                ".pg_service.conf",
                "[shop]\nhost=127.0.0.1\nport={port}\nuser=alice\ndbname=shop\n",
            )
            .pgpass("127.0.0.1:{port}:shop:alice:{pw}"),
        row("service=shop").file(".pg_service.conf", "[shop]\nhost = 127.0.0.1\n"),
        row("service=shop").file(".pg_service.conf", "[shop]\nnonsense\n"),
        row("service=shop").file(".pg_service.conf", "[shop]\nservice=other\n"),
        row("service=shop").file(".pg_service.conf", "[shop]\nno_such=1\n"),
        row("service=shop servicefile={home}/mine").file("mine", conf).since(19, at("127.0.0.1")),
    ]
}

fn servers() -> Vec<Row> {
    let both = |attributes: &str| {
        row(&format!(
            "host=127.0.0.1,127.0.0.1 port={{standby}},{{port}} user=alice password={{pw}} dbname=shop \
             target_session_attrs={attributes}"
        ))
    };
    let standby = "host=127.0.0.1 port={standby} user=alice password={pw} dbname=shop";
    let primary = "alice|shop|127.0.0.1|{port}|psql|\"$user\", public";
    vec![
        row("postgresql://alice:{pw}@127.0.0.1:{dead},127.0.0.1:{port}/shop"),
        row("postgresql://alice:{pw}@127.0.0.1:{port},127.0.0.1:{dead}/shop"),
        row("postgresql://alice:{pw}@127.0.0.1:{dead},no-such-host.invalid:{port}/shop"),
        row("postgresql://alice:{pw}@no-such-host.invalid:{dead},127.0.0.1:{port}/shop"),
        row("host=127.0.0.1,127.0.0.1 port={dead},{port} user=alice password={pw} dbname=shop"),
        row("host=127.0.0.1,localhost port={port} user=alice password={pw} dbname=shop"),
        row("host=127.0.0.1,localhost port={port},{port},{port} user=alice password={pw}"),
        row("host=/no/such,{socket} port={port} user=alice dbname=shop"),
        row("host=,127.0.0.1 port={dead},{port} user=alice password={pw} dbname=shop"),
        row("hostaddr=127.0.0.1,127.0.0.1 port={dead},{port} user=alice password={pw} dbname=shop"),
        row("host=a,b hostaddr=127.0.0.1 port={port} user=alice password={pw}"),
        row("postgresql://dave:{pw}@127.0.0.1:{port},{encoded-socket}:{port}/shop").castoff_connects(
            "dave|shop|socket|{port}|psql|\"$user\", public",
            ONWARDS,
        ),
        both("primary"),
        both("read-write"),
        both("any").castoff_connects(primary, "what is to be migrated has to be a primary"),
        both("standby").castoff_is(Server, "a standby can't be migrated"),
        both("read-only").castoff_is(Server, "what is read-only can't be migrated"),
        both("prefer-standby").castoff_connects(primary, "a preference gives way to what is needed"),
        both("nonsense"),
        row(&format!("{standby} target_session_attrs=primary")),
        row(&format!("{standby} target_session_attrs=read-write")),
        row(standby)
            .castoff_is(Unreachable, "castoff waits until the standby is promoted"),
        row("host=127.0.0.1,localhost port={port} user=alice password={pw} dbname=shop \
             load_balance_hosts=disable")
        .since(16, at("127.0.0.1")),
        row("host=127.0.0.1 port={port} user=alice password={pw} dbname=shop load_balance_hosts=random")
            .since(16, at("127.0.0.1")),
        row("host=127.0.0.1 port={port} user=alice password={pw} load_balance_hosts=nonsense").since(16, Refused),
    ]
}

fn logins() -> Vec<Row> {
    let by = |user: &str, methods: &str, outcome: Outcome| {
        row(&format!(
            "host=127.0.0.1 port={{port}} user={user} password={{pw}} dbname=shop require_auth={methods}"
        ))
        .since(16, outcome)
    };
    let in_as =
        |user: &str| Connected(format!("{user}|shop|127.0.0.1|{{port}}|psql|\"$user\", public"));
    vec![
        row("postgresql://bob@127.0.0.1:{port}/shop"),
        row("postgresql://carol:{pw}@127.0.0.1:{port}/shop"),
        row("postgresql://mallory:{pw}@127.0.0.1:{port}/shop"),
        row("postgresql://dave:{pw}@127.0.0.1:{port}/shop"),
        by("alice", "scram-sha-256", in_as("alice")),
        by("alice", "md5,password", Access),
        by("alice", "!scram-sha-256", Access),
        by("bob", "none", in_as("bob")),
        by("bob", "!none", Access),
        by("bob", "scram-sha-256", Access),
        by("carol", "password", in_as("carol")),
        by("carol", "!password", Access),
        by("carol", "scram-sha-256", Access),
        by("mallory", "md5", in_as("mallory")),
        by("mallory", "scram-sha-256", Access),
        by("alice", "scram-sha-256,!md5", Refused),
        by("alice", "nonsense", Refused),
        row("host={socket} port={port} user=alice dbname=shop require_auth=none")
            .since(16, at("socket")),
        row("host={socket} port={port} user=alice dbname=shop requirepeer=postgres"),
        row("host={socket} port={port} user=alice dbname=shop requirepeer=root"),
        row("host=127.0.0.1 port={port} user=alice password={pw} dbname=shop requirepeer=root"),
        row("host=127.0.0.1 port={port} user=alice password={pw} dbname=shop gssencmode=disable"),
    ]
}

fn dialects() -> Vec<Row> {
    let plain = "alice|shop|127.0.0.1|{port}|psql|\"$user\", public";
    let translated = |text: &str, what: &str| row(text).castoff_connects(what, DIALECT);
    vec![
        translated("postgresql+asyncpg://alice:{pw}@127.0.0.1:{port}/shop", plain),
        translated(
            "postgresql+psycopg://alice:{pw}@/shop?host=127.0.0.1:{dead}&host=127.0.0.1:{port}",
            plain,
        ),
        translated("jdbc:postgresql://127.0.0.1:{port}/shop?user=alice&password={pw}", plain),
        translated(
            "jdbc:postgresql://127.0.0.1:{port}/shop?user=alice&password={pw}&ApplicationName=a+b\
             &currentSchema=s&prepareThreshold=0",
            "alice|shop|127.0.0.1|{port}|a b|s",
        ),
        translated(
            "postgresql://alice:{pw}@127.0.0.1:{port}/shop?schema=my%20app&pgbouncer=true&connection_limit=1",
            "alice|shop|127.0.0.1|{port}|psql|\"my app\"",
        ),
        translated(
            "postgresql://alice:{pw}@127.0.0.1:{port}/shop?search_path=x",
            "alice|shop|127.0.0.1|{port}|psql|x",
        ),
        translated("postgis://alice:{pw}@127.0.0.1:{port}/shop?conn_max_age=60", plain),
        translated("postgresql://alice:{pw}@127.0.0.1:{port}/shop?ssl=0&max=5", plain),
        row("mysql://alice:{pw}@127.0.0.1:{port}/shop")
            .castoff_is(Refused, "psql takes it for the name of a database on the default socket"),
        row("Host=127.0.0.1;Username=alice;Password={pw};Database=shop"),
        row("jdbc:postgresql://127.0.0.1:{port}/shop?user=alice&password={pw}&sslfactory=x"),
        row("{socket}/.s.PGSQL.{port}")
            .env("PGUSER", "alice")
            .env("PGDATABASE", "shop")
            .castoff_connects(
                "alice|shop|socket|{port}|psql|\"$user\", public",
                "a path is where the socket is, as to node-postgres",
            ),
    ]
}
