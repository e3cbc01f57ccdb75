//! The grammar, checked against what libpq's `PQconninfoParse` makes of the same texts.

use std::net::IpAddr;
use std::time::Duration;

use tokio_postgres::config::Host;

use super::*;

mod secrets;

/// What a text says about a parameter; `None` as in libpq if it says nothing.
fn value(parameters: &Parameters, parameter: Parameter) -> Option<String> {
    parameters.has(parameter).then(|| parameters.value(parameter).unwrap_or_default().to_owned())
}

fn parsed(text: &str) -> [Option<String>; 5] {
    let parameters = Parameters::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    [Parameter::User, Parameter::Password, Parameter::Host, Parameter::Port, Parameter::Dbname]
        .map(|parameter| value(&parameters, parameter))
}

fn url(text: &str) -> DatabaseUrl {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn refusal(text: &str) -> DatabaseUrlError {
    let parameters = Parameters::parse(text);
    let database =
        parameters.and_then(|parameters| DatabaseUrl::new(&parameters, || Some("me".to_owned())));
    database.expect_err(text)
}

/// A text, and what it says: user, password, host, port, dbname.
type Case<'a> = (&'a str, [Option<&'a str>; 5]);

const CASES: &[Case<'_>] = &[
    ("postgresql://", [None, None, None, None, None]),
    ("postgres://", [None, None, None, None, None]),
    ("postgresql:///", [None, None, None, None, None]),
    ("postgresql://?", [None, None, None, None, None]),
    ("postgresql://@", [None, None, None, None, None]),
    ("postgresql://:@:/", [None, None, None, None, None]),
    ("postgresql://host", [None, None, Some("host"), None, None]),
    ("postgresql://host:", [None, None, Some("host"), None, None]),
    ("postgresql://host:5433", [None, None, Some("host"), Some("5433"), None]),
    ("postgresql://:5433", [None, None, None, Some("5433"), None]),
    ("postgresql:///db", [None, None, None, None, Some("db")]),
    ("postgresql://u@host", [Some("u"), None, Some("host"), None, None]),
    ("postgresql://u:@host", [Some("u"), None, Some("host"), None, None]),
    ("postgresql://:p@host", [None, Some("p"), Some("host"), None, None]),
    ("postgresql://u:p@h:1/d", [Some("u"), Some("p"), Some("h"), Some("1"), Some("d")]),
    ("postgresql://u:p:q@h/d", [Some("u"), Some("p:q"), Some("h"), None, Some("d")]),
    ("postgresql://u:p?q@h/d", [Some("u"), Some("p?q"), Some("h"), None, Some("d")]),
    ("postgresql://u:p#q@h/d", [Some("u"), Some("p#q"), Some("h"), None, Some("d")]),
    ("postgresql://u:p,[q]=&@h/d", [Some("u"), Some("p,[q]=&"), Some("h"), None, Some("d")]),
    ("postgresql://u:%40%23%2F%25%3a@h", [Some("u"), Some("@#/%:"), Some("h"), None, None]),
    ("postgresql://%C3%A9:%E2%82%AC@h", [Some("é"), Some("€"), Some("h"), None, None]),
    ("postgresql://é:€@h/ü", [Some("é"), Some("€"), Some("h"), None, Some("ü")]),
    ("postgresql://u:a+b@h", [Some("u"), Some("a+b"), Some("h"), None, None]),
    ("postgresql://h/a/b", [None, None, Some("h"), None, Some("a/b")]),
    ("postgresql://h/d#f", [None, None, Some("h"), None, Some("d#f")]),
    ("postgresql://h/a%3Fb%26c", [None, None, Some("h"), None, Some("a?b&c")]),
    ("postgresql://[::1]", [None, None, Some("::1"), None, None]),
    ("postgresql://[::1]:5433/d", [None, None, Some("::1"), Some("5433"), Some("d")]),
    ("postgresql://[::1]?user=u", [Some("u"), None, Some("::1"), None, None]),
    ("postgresql://[::1],h:1/d", [None, None, Some("::1,h"), Some(",1"), Some("d")]),
    ("postgresql://a,b,c", [None, None, Some("a,b,c"), Some(",,"), None]),
    ("postgresql://a:1,b,c:3/d", [None, None, Some("a,b,c"), Some("1,,3"), Some("d")]),
    ("postgresql://a%2Cb", [None, None, Some("a,b"), None, None]),
    ("postgresql://%2Fvar%2Frun/d", [None, None, Some("/var/run"), None, Some("d")]),
    ("postgresql://u@%2Ftmp:5433/d", [Some("u"), None, Some("/tmp"), Some("5433"), Some("d")]),
    ("postgresql:///d?host=/tmp&port=1", [None, None, Some("/tmp"), Some("1"), Some("d")]),
    ("postgresql://h?host=other", [None, None, Some("other"), None, None]),
    ("postgresql://h?host=", [None, None, Some(""), None, None]),
    ("postgresql://h/d?dbname=e&user=u&", [Some("u"), None, Some("h"), None, Some("e")]),
    ("postgresql://h?user=a@b", [Some("h?user=a"), None, Some("b"), None, None]),
    ("postgresql://h/d?user=a@b", [Some("a@b"), None, Some("h"), None, Some("d")]),
    ("postgresql://h?password=%3D%26", [None, Some("=&"), Some("h"), None, None]),
    ("postgresql://h?p%61ssword=x", [None, Some("x"), Some("h"), None, None]),
    ("postgresql://h?user=a&user=b", [Some("b"), None, Some("h"), None, None]),
    ("host=h", [None, None, Some("h"), None, None]),
    (" host = h  port\t=\n1 ", [None, None, Some("h"), Some("1"), None]),
    ("host=h port= dbname=d", [None, None, Some("h"), Some("dbname=d"), None]),
    ("host='' dbname=d", [None, None, Some(""), None, Some("d")]),
    ("user=u password='two words'", [Some("u"), Some("two words"), None, None, None]),
    (r"user=u password='it\'s \\'", [Some("u"), Some(r"it's \"), None, None, None]),
    (r"user=u password=it\'s\ so", [Some("u"), Some("it's so"), None, None, None]),
    (r"password=end\", [None, Some("end"), None, None, None]),
    ("password=a'b'c", [None, Some("a'b'c"), None, None, None]),
    ("password='a'dbname=d", [None, Some("a"), None, None, Some("d")]),
    ("password=p=q dbname=d", [None, Some("p=q"), None, None, Some("d")]),
    ("password=p@q#r/s%t:u", [None, Some("p@q#r/s%t:u"), None, None, None]),
    ("host=a host=b", [None, None, Some("b"), None, None]),
    ("host=a,b port=1,2", [None, None, Some("a,b"), Some("1,2"), None]),
    ("host=/var/run/postgresql", [None, None, Some("/var/run/postgresql"), None, None]),
    ("dbname=", [None, None, None, None, Some("")]),
];

#[test]
fn texts_mean_what_they_mean_to_libpq() {
    for (text, expected) in CASES {
        assert_eq!(parsed(text), expected.map(|value| value.map(str::to_owned)), "{text}");
    }
}

#[test]
fn sqlalchemys_drivers_and_white_space_around_a_url_are_passed_over() {
    let plain = url("postgresql://u:p@h:1/d");
    for text in [
        "postgresql+asyncpg://u:p@h:1/d",
        "postgresql+psycopg2://u:p@h:1/d",
        "postgresql+psycopg://u:p@h:1/d",
        "postgres+pg8000://u:p@h:1/d",
        " postgresql://u:p@h:1/d\r\n",
        "postgresql://u:p@h:1/d?ssl=disable",
        "postgresql://u:p@h:1/d?client_encoding=utf8&gssencmode=prefer&channel_binding=prefer",
        "user=u password=p host=h port=1 dbname=d",
    ] {
        assert_eq!(url(text).to_string(), plain.to_string(), "{text}");
        assert_eq!(url(text).password(), plain.password(), "{text}");
    }
}

#[test]
fn other_clients_urls_mean_what_they_mean_to_them() {
    for (text, same) in [
        ("jdbc:postgresql://h:1/d?user=u&password=p", "postgresql://u:p@h:1/d"),
        ("jdbc:postgresql://a:1,b:2/d?user=u", "postgresql://u@a:1,b:2/d"),
        ("jdbc:postgresql:d?user=u", "postgresql://u@localhost/d"),
        ("jdbc:postgresql:/?user=u", "postgresql://u@localhost/u"),
        ("JDBC:postgresql://h/d?user=u&password=a+b", "postgresql://u:a%20b@h/d"),
        ("jdbc:postgresql://h/d?user=u&ssl=true", "postgresql://u@h/d?sslmode=verify-full"),
        ("jdbc:postgresql://h/d?user=u&ssl=false", "postgresql://u@h/d"),
        (
            "jdbc:postgresql://h/d?user=u&ApplicationName=shop&loginTimeout=3&tcpKeepAlive=false\
             &targetServerType=preferSecondary&loadBalanceHosts=true&prepareThreshold=0",
            "user=u host=h dbname=d application_name=shop connect_timeout=3 keepalives=0 \
             target_session_attrs=prefer-standby load_balance_hosts=random",
        ),
        (
            "jdbc:postgresql://h/d?user=u&currentSchema=a,b",
            "postgresql://u@h/d?options=-c%20search_path%3Da,b",
        ),
        ("r2dbc:postgresql://u:p@h/d", "postgresql://u:p@h/d"),
        (
            "postgresql://u@h/d?schema=my+app&pgbouncer=true&connection_limit=1&pool_timeout=9",
            r#"user=u host=h dbname=d options='-c search_path="my+app"'"#,
        ),
        (
            "postgresql://u@h/d?schema=two%20words&options=-c%20a.b%3D1",
            r#"user=u host=h dbname=d options='-c a.b=1 -c search_path="two\\ words"'"#,
        ),
        ("postgresql://u@h?sslaccept=strict&sslmode=require", "host=h user=u sslmode=verify-full"),
        (
            "postgresql://u@h?sslmode=require&sslaccept=accept_invalid_certs",
            "host=h user=u sslmode=require",
        ),
        ("postgresql://u@h?sslmode=no-verify&max=3", "host=h user=u sslmode=require"),
        ("postgresql://u@h?ssl=0", "host=h user=u sslmode=disable"),
        ("postgresql://u@h?ssl=no-verify", "host=h user=u sslmode=require"),
        (
            "postgresql://u@h?ssl-mode=require&ssl-ca=/ca",
            "host=h user=u sslmode=require sslrootcert=/ca",
        ),
        ("postgresql://u@h?options[search_path]=a", "host=h user=u options='-c search_path=a'"),
        (
            "postgresql://u@h?x-migrations-table=t&search_path=a",
            "host=h user=u options='-c search_path=a'",
        ),
        ("postgresql+psycopg://u@/d?host=a:1&host=b:2", "postgresql://u@a:1,b:2/d"),
        ("postgresql+asyncpg://u@h/d?timeout=3&command_timeout=5", "postgresql://u@h/d"),
        ("postgis://u@h/d", "postgresql://u@h/d"),
        ("/var/run/postgresql", "host=/var/run/postgresql user=me"),
        ("/cloudsql/p:r:i shop", "host=/cloudsql/p:r:i user=me dbname=shop"),
        ("/tmp/.s.PGSQL.5433", "host=/tmp port=5433 user=me"),
    ] {
        let read = |text: &str| {
            let parameters =
                Parameters::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            let mut read = DatabaseUrl::new(&parameters, || Some("me".to_owned()))
                .unwrap_or_else(|error| panic!("{text}: {error}"));
            read.password_as_written = None;
            read
        };
        let (theirs, ours) = (read(text), read(same));
        assert!(theirs == ours, "{text}: {theirs} {:?} {:?}", theirs.options, ours.options);
    }
}

#[test]
fn the_password_file_has_a_password_for_each_server_or_for_none() {
    let file = || PasswordFile::new("a:1:d:u:p1\n*:2:d:u:p2\nlocalhost:5432:d:u:p3".to_owned());
    for (text, passwords) in [
        ("user=u dbname=d host=a,b port=1,2", vec![Some("p1"), Some("p2")]),
        ("user=u dbname=d host=a,b port=1", vec![Some("p1"), None]),
        ("user=u dbname=d", vec![Some("p3")]),
        ("user=u dbname=d host=localhost", vec![Some("p3")]),
        ("user=u dbname=d host=/tmp", vec![None]),
        ("user=u dbname=d hostaddr=::1 port=2", vec![Some("p2")]),
        ("user=u dbname=d host=a port=1 password=own", vec![Some("own")]),
        ("user=u dbname=e host=a port=1", vec![None]),
    ] {
        let url = url(text).or_passwords(&file());
        let found: Vec<_> = url
            .servers()
            .map(|s| s.config.get_password().map(|p| String::from_utf8_lossy(p).into_owned()))
            .collect();
        assert_eq!(
            found,
            passwords.iter().map(|p| p.map(str::to_owned)).collect::<Vec<_>>(),
            "{text}"
        );
        let shown = format!("{url} {url:?} {:?}", url.servers().collect::<Vec<_>>());
        assert!(passwords.iter().flatten().all(|p| !shown.contains(p)), "{shown}");
        assert_eq!(shown.contains("***"), passwords.iter().any(Option::is_some), "{shown}");
        assert_eq!(url.secrets().count() > 0, passwords.iter().any(Option::is_some));
    }
}

#[test]
fn each_host_is_a_server_of_its_own() {
    let labels = |text: &str| url(text).servers().map(|s| s.label).collect::<Vec<_>>();
    for (text, expected) in [
        ("postgresql://u@h", vec!["h:5432"]),
        ("postgresql://u@h:1", vec!["h:1"]),
        ("postgresql://u@[2001:db8::1]", vec!["[2001:db8::1]:5432"]),
        ("postgresql://u@[fe80::1%25eth0]", vec!["[fe80::1%eth0]:5432"]),
        ("postgresql://u@a,b:1,[::1]:2", vec!["a:5432", "b:1", "[::1]:2"]),
        ("user=u host=a,b port=1", vec!["a:1", "b:1"]),
        ("user=u host=a,,b port=1,2,", vec!["a:1", "/var/run/postgresql/.s.PGSQL.2", "b:5432"]),
        ("user=u", vec!["/var/run/postgresql/.s.PGSQL.5432"]),
        ("user=u host=/tmp port=5433", vec!["/tmp/.s.PGSQL.5433"]),
        ("user=u hostaddr=10.0.0.1", vec!["10.0.0.1:5432"]),
        ("user=u hostaddr=::1 port=1", vec!["[::1]:1"]),
        ("user=u host=a,b hostaddr=10.0.0.1,", vec!["a:5432", "b:5432"]),
        ("user=u host=/tmp hostaddr=10.0.0.1", vec!["10.0.0.1:5432"]),
    ] {
        assert_eq!(labels(text), expected, "{text}");
    }
}

#[test]
fn a_servers_configuration_holds_all_that_was_given() {
    let url = url(
        "postgresql://u:p%40@h:1/d?hostaddr=10.0.0.1&application_name=shop&options=-c%20a.b%3D1\
         &keepalives=0&keepalives_idle=10&keepalives_interval=5&keepalives_count=3\
         &tcp_user_timeout=1500&connect_timeout=7&sslmode=prefer&target_session_attrs=primary",
    );
    let servers: Vec<Server> = url.servers().collect();
    let config = &servers[0].config;
    assert_eq!(servers.len(), 1);
    assert_eq!(config.get_user(), Some("u"));
    assert_eq!(config.get_password(), Some(&b"p@"[..]));
    assert_eq!(config.get_dbname(), Some("d"));
    assert_eq!(config.get_application_name(), Some("shop"));
    assert_eq!(config.get_options(), Some("-c a.b=1"));
    assert_eq!(config.get_hosts(), [Host::Tcp("h".to_owned())]);
    assert_eq!(config.get_hostaddrs(), ["10.0.0.1".parse::<IpAddr>().unwrap()]);
    assert_eq!(config.get_ports(), [1]);
    assert_eq!(config.get_ssl_mode(), tokio_postgres::config::SslMode::Disable);
    assert!(!config.get_keepalives());
    assert_eq!(config.get_keepalives_idle(), Duration::from_secs(10));
    assert_eq!(config.get_keepalives_interval(), Some(Duration::from_secs(5)));
    assert_eq!(config.get_keepalives_retries(), Some(3));
    assert_eq!(config.get_tcp_user_timeout(), Some(&Duration::from_millis(1500)));
    assert_eq!(url.connect_timeout(), Some(Duration::from_secs(7)));
}

#[test]
fn what_is_not_given_has_a_default() {
    let url = url("postgresql://u@h?connect_timeout=0&keepalives_idle=-1&tcp_user_timeout=0");
    let config = url.servers().next().unwrap().config;
    assert_eq!(config.get_dbname(), Some("u"));
    assert_eq!(config.get_application_name(), Some("castoff"));
    assert_eq!(config.get_password(), None);
    assert!(config.get_keepalives());
    assert_eq!(config.get_tcp_user_timeout(), Some(&Duration::from_secs(25)));
    assert_eq!(url.connect_timeout(), None);
    let named = "user=u fallback_application_name=shop".parse::<DatabaseUrl>().unwrap();
    assert_eq!(named.servers().next().unwrap().config.get_application_name(), Some("shop"));
    assert_eq!("host=h".parse::<DatabaseUrl>(), Err(DatabaseUrlError::NoUser));
    assert_eq!(
        DatabaseUrl::new(&Parameters::default(), || Some("me".into())).unwrap().to_string(),
        "postgresql://me@%2Fvar%2Frun%2Fpostgresql:5432/me"
    );
}

#[test]
fn display_is_a_url_without_the_password() {
    for (text, shown) in [
        ("postgresql://u:p@h/d", "postgresql://u:***@h:5432/d"),
        ("postgresql://u@h/d", "postgresql://u@h:5432/d"),
        ("user=u password=p host=a,/tmp port=1", "postgresql://u:***@a:1,%2Ftmp:1/u"),
        ("postgresql://a%40b@[::1]/d%2Fe", "postgresql://a%40b@[::1]:5432/d%2Fe"),
        ("user='a\nb' host=h", "postgresql://a%0Ab@h:5432/a%0Ab"),
    ] {
        assert_eq!(url(text).to_string(), shown, "{text}");
        assert_eq!(format!("{:?}", url(text)), format!("DatabaseUrl({shown})"), "{text}");
    }
}

#[test]
fn what_is_refused_is_refused_by_name() {
    for (text, message) in [
        ("", "neither a postgresql:// URL nor"),
        (" \t\n", "neither a postgresql:// URL nor"),
        ("mysql://u:p@h/d", "a mysql URL"),
        ("mysql+pymysql://u:p@h/d", "a mysql URL"),
        ("MariaDB://u:p@h/d", "a mariadb URL"),
        ("sqlite:///d", "a sqlite URL"),
        ("prisma+postgres://accelerate", "a prisma URL"),
        ("cockroachdb://u:p@h/d", "a cockroachdb URL"),
        ("foo://h", "does not begin with postgresql://"),
        ("database", "neither a postgresql:// URL nor"),
        ("\"postgresql://u:p@h/d\"", "begins with a quote"),
        (" 'postgresql://u:p@h/d?sslmode=require'", "begins with a quote"),
        ("postgresql://h?sslmode=verify-ca", "sslmode=verify-ca has no root certificate"),
        ("host=/tmp,h sslmode=verify-ca", "sslmode=verify-ca has no root certificate"),
        ("hostaddr=::1 sslmode=verify-full", "has no name to look for"),
        (
            "postgresql://h?ssl=require&sslrootcert=system",
            "sslmode=require is too weak for sslroot",
        ),
        ("host=h sslnegotiation=direct", "sslmode=prefer is too weak for sslnegotiation=direct"),
        ("host=h sslnegotiation=tls", "sslnegotiation is not postgres or direct"),
        ("host=h sslmode=on", "sslmode is not disable, allow"),
        ("host=h sslcert=/c", "sslcert is given without the key"),
        ("host=h sslcertmode=require", "sslcertmode is not disable or allow"),
        ("host=h sslcrl=/crl", "the parameter sslcrl"),
        ("host=h ssl_min_protocol_version=SSLv3", "is not TLSv1, TLSv1.1, TLSv1.2 or TLSv1.3"),
        ("host=h ssl_max_protocol_version=TLSv1", "no version of TLS that castoff speaks"),
        ("postgresql://h?channel_binding=yes", "channel_binding is not disable, prefer or"),
        ("jdbc:mysql://h/d", "a mysql URL"),
        ("jdbc:oracle:thin:@h", "a jdbc URL"),
        ("socket:/var/run?db=d", "a socket URL"),
        ("Host=h;Username=u;Password=p", "a connection string of .NET's"),
        ("postgresql://h?sslidentity=x.p12", "sslidentity is one of Prisma"),
        ("jdbc:postgresql://h/d?sslfactory=x", "sslfactory is one of JDBC"),
        ("jdbc:postgresql://h/d?readOnly=true", "readOnly is one of JDBC"),
        ("postgresql://h?server_settings=x", "server_settings is one of asyncpg"),
        ("jdbc:postgresql://h?targetServerType=x", "the value of targetServerType is not one"),
        ("host=h target_session_attrs=x", "is not any, read-write, read-only, primary, standby"),
        ("host=h load_balance_hosts=yes", "load_balance_hosts is not disable or random"),
        ("host=h require_auth=x", "require_auth is not a list"),
        ("host=h require_auth=md5,!none", "with a ! and methods without one"),
        ("host=h gssencmode=require", "the parameter gssencmode"),
        ("host=h min_protocol_version=3.2", "the parameter min_protocol_version"),
        ("//host/db", "neither a postgresql:// URL nor"),
        ("host=h hots=x", "no connection parameter hots"),
        ("postgresql://h?hots=x", "no connection parameter hots"),
        ("postgresql://h?foo=x", "no connection parameter foo"),
        ("host=h foo", "parameter 2 has no ="),
        ("host=h password='x", "no closing quote"),
        (r"host=h password='x\'", "no closing quote"),
        ("postgresql://h?host", "parameter 1 has no ="),
        ("postgresql://h?host=a&&port=1", "parameter 2 has no ="),
        ("postgresql://h?host=a=b", "parameter 1 has more than one ="),
        ("postgresql://[::1", "a [ that does not"),
        ("postgresql://[]", "a [ that does not"),
        ("postgresql://[::1]x", "a [ that does not"),
        ("postgresql://u:%zz@h", "the password has a %"),
        ("postgresql://u:%0@h", "the password has a %"),
        ("postgresql://u:%@h", "the password has a %"),
        ("postgresql://u:%00@h", "the password has a %"),
        ("postgresql://u:%+1@h", "the password has a %"),
        ("postgresql://u:%ff@h", "the password is not UTF-8"),
        ("postgresql://%ff@h", "the user is not UTF-8"),
        ("postgresql://u%3Ap@h", "an encoded :"),
        ("postgresql://h/%", "the database name has a %"),
        ("postgresql://h:0", "port is not a number from 1 to 65535"),
        ("postgresql://h:65536", "port is not a number"),
        ("postgresql://h:x", "port is not a number"),
        ("host='a b'", "host is not a host name"),
        ("host=@abstract", "host is not a host name"),
        ("host=h:5432", "host is not a host name"),
        ("hostaddr=localhost", "hostaddr is not an IPv4"),
        ("host=h dbname=postgresql://h/d", "dbname is not a name, but a URL"),
        ("host=a,b hostaddr=::1", "host lists 2, and there are 1 servers"),
        ("host=a,b,c port=1,2", "port lists 2, and there are 3 servers"),
        ("host=h connect_timeout=5s", "connect_timeout is not a whole number"),
        ("host=h keepalives=yes", "keepalives is not a whole number"),
        ("host=h tcp_user_timeout=99999999999", "tcp_user_timeout is not a whole number"),
        ("host=h\0", "a NUL byte"),
    ] {
        let error = refusal(text).to_string();
        assert!(error.contains(message), "{text}: {error}");
    }
}

#[test]
fn tls_is_as_libpq_would_have_it() {
    let tls = |text: &str| url(text).servers().next().unwrap().tls.unwrap();
    for (text, mode, roots, negotiation, versions) in [
        ("user=u host=h", SslMode::Prefer, Roots::Unset, Negotiation::Asked, [true, true]),
        (
            "postgresql://u@h?ssl=true&ssl_min_protocol_version=tlsv1.3",
            SslMode::Require,
            Roots::Unset,
            Negotiation::Asked,
            [false, true],
        ),
        (
            "user=u host=h sslrootcert=system sslnegotiation=direct",
            SslMode::VerifyFull,
            Roots::System,
            Negotiation::Direct,
            [true, true],
        ),
        (
            "user=u host=h sslmode=verify-ca sslrootcert=/ca ssl_max_protocol_version=TLSv1.2",
            SslMode::VerifyCa,
            Roots::File("/ca".into()),
            Negotiation::Asked,
            [true, false],
        ),
    ] {
        let tls = tls(text);
        let found = &tls.parameters;
        assert_eq!((found.mode, &found.roots), (mode, &roots), "{text}");
        assert_eq!((found.negotiation, found.versions), (negotiation, versions), "{text}");
        assert_eq!(tls.host.as_deref(), Some("h"), "{text}");
    }
    let client = "user=u host=h sslcert=/c sslkey=/k sslpassword=S3ntinel";
    assert!(tls(client).parameters.client.is_some());
    assert_eq!(url(client).secrets().collect::<Vec<_>>(), ["S3ntinel"]);
    assert!(!format!("{:?}", tls(client)).contains("S3ntinel"));
    assert_eq!(tls(&format!("{client} sslcertmode=disable")).parameters.client, None);
    assert!(url("user=u host=h sslmode=disable").servers().all(|server| server.tls.is_none()));
}

#[test]
fn unix_sockets_ignore_sslmode() {
    for text in ["user=u sslmode=verify-full", "postgresql://u@%2Ftmp,%2Frun/d?sslmode=require"] {
        assert_eq!(text.parse::<DatabaseUrl>().map(|_| ()), Ok(()), "{text}");
    }
}

#[test]
fn a_hint_says_what_to_write_instead() {
    for (text, hint) in [
        ("mysql://h", "CASTOFF_DATABASE_URL"),
        ("host=h require_auth=md5,!none", "before each what may not be"),
        ("jdbc:postgresql://h/d?readOnly=true", "write a URL without it"),
        ("postgresql://u:p@q@h", "PGPASSWORD"),
        ("postgresql://h?hots=x", "did you mean host?"),
        ("host=h usr=x", "did you mean user?"),
        ("postgresql://h?sslmode=verify-ca", "name the file of the CA's certificate"),
        ("postgresql://h?sslmode=require&sslrootcert=system", "set sslmode to verify-full"),
        ("host=h pass word", "quote a value with spaces"),
    ] {
        let hints = refusal(text).hint().unwrap_or_default();
        assert!(hints.contains(hint), "{text}: {hints}");
    }
}

#[test]
fn a_program_of_libpqs_gets_the_same_database_by_variables() {
    let set = |text: &str| -> Vec<String> {
        let url: DatabaseUrl = text.parse().unwrap();
        let set = url.variables().into_iter().filter_map(|(name, value)| Some((name, value?)));
        set.map(|(name, value)| format!("{name}={value}")).collect()
    };
    assert_eq!(
        set("postgresql://u:p%40ss@h:6432/d?sslmode=require&options=-cx%3D1&connect_timeout=3"),
        [
            "PGHOST=h",
            "PGPORT=6432",
            "PGUSER=u",
            "PGDATABASE=d",
            "PGPASSWORD=p@ss",
            "PGOPTIONS=-cx=1",
            "PGCONNECT_TIMEOUT=3",
            "PGSSLMODE=require",
        ]
    );
    assert_eq!(
        set("host=a,b hostaddr=127.0.0.1,::1 port=1,2 user=u"),
        ["PGHOST=a,b", "PGHOSTADDR=127.0.0.1,::1", "PGPORT=1,2", "PGUSER=u", "PGDATABASE=u"]
    );
    assert_eq!(
        set("user=u dbname=d"),
        ["PGHOST=/var/run/postgresql", "PGPORT=5432", "PGUSER=u", "PGDATABASE=d"]
    );
    let url: DatabaseUrl = "user=u".parse().unwrap();
    for unset in ["PGSERVICE", "PGPASSWORD", "PGSSLMODE", "PGHOSTADDR"] {
        assert!(url.variables().contains(&(unset, None)), "{unset}");
    }
}
