//! The password is in no output, however the text around it is broken.

use super::*;

/// Stands where the password, or what could be one, is.
const SENTINEL: &str = "S3ntinel";

/// Texts in which `$` stands for the sentinel; none is shown whole by anything.
const TEXTS: &[&str] = &[
    // Good.
    "postgresql://u:$@h/d",
    "postgresql://u:$@h1,h2/d",
    "postgresql://:$@h/d",
    "postgresql+asyncpg://u:$@h/d",
    "postgresql://u:%40$%23@h/d",
    "postgresql://u:a:$@h/d",
    "postgresql://u:a?$@h/d",
    "postgresql://u:#$@h/d",
    "postgresql://u@h/d?password=$",
    "postgresql://u@h/d?password=%26$",
    "postgresql://u@h/d?options=-c%20app.key%3D$",
    "postgresql://u@h/d?application_name=$",
    "user=u password=$ host=h",
    "user=u password='$ two' host=h",
    r"user=u password=\'$ host=h",
    "user=u host=h options='-c app.key=$'",
    // A raw character in the password.
    "postgresql://u:a@$@h/d",
    "postgresql://u:$@a@h/d",
    "postgresql://u:a@$:1@h:5432/d",
    "postgresql://u:a/$@h/d",
    "postgresql://u:$/a@h/d",
    "postgresql://u:1/$@h/d",
    "postgresql://u:1/$?a=b@h/d",
    "postgresql://u:1/a?$=b@h/d",
    "postgresql://u:1/a?b=$@h/d",
    "postgresql://u:1?/$@h/d",
    "postgresql://u:a@b/$@h/d",
    "postgresql://u:a@b?$@h/d",
    "postgresql://u:a@b?$=1@h/d",
    "postgresql://u:a@b?c=1&$=2@h/d",
    "postgresql://u:a@b?c=1&$@h/d",
    "postgresql://u:a@b#$@h/d",
    "postgresql://u:a@b,$@h/d",
    "postgresql://u:a@[$@h/d",
    "postgresql://u:a@[$]@h/d",
    "postgresql://u:%$@h/d",
    "postgresql://u:$%@h/d",
    "postgresql://u:$%00@h/d",
    "postgresql://u:$%ff@h/d",
    "postgresql://u:a%@$@h/d",
    // Something else is wrong.
    "postgresql://u%3A$@h/d",
    "postgresql://u:$",
    "postgresql://u:$/d",
    "postgresql://u:$:5432/d",
    "postgresql://u:$@h:port/d",
    "postgresql://u:$@h:99999/d",
    "postgresql://u:$@[::1/d",
    "postgresql://u:$@h/d?sslmode=require",
    "postgresql://u:$@h/d?sslmode=$",
    "postgresql://u:$@h/d?foo=$",
    "postgresql://u:$@h/d?schema=$",
    "postgresql://u:$@h/d?passfile=$",
    "postgresql://u:$@h/d?sslpassword=$",
    "postgresql://u:$@h/d?service=$",
    "postgresql://u:$@h/d?require_auth=$",
    "postgresql://u:$@h/d?sslaccept=$",
    "postgresql://u:$@h/d?options[app.key]=$",
    "postgresql://u:$@h/d?targetServerType=$",
    "jdbc:postgresql://h/d?user=u&password=$&sslfactory=$",
    "jdbc:$",
    "jdbc:postgresql:u:$@h/d",
    "Host=h;Username=u;Password=$",
    "/tmp/x@$",
    "postgresql://u:$@h/d?connect_timeout=$",
    "postgresql://u:$@h/d?target_session_attrs=$",
    "postgresql://u:$@h/d?port=$",
    "postgresql://u:$@h/d?hostaddr=$",
    "postgresql://u:$@h/d?host=a:$",
    "postgresql://u:$@h/d?host=@$",
    "postgresql://u:$@h/d?ssl=$",
    "postgresql://u:$@h/d?password=a=$",
    "postgresql://u@h/d?password=a&$=1",
    "postgresql://u@h/d?password=a&$",
    "postgresql://u@h/d?dbname=postgresql://u:$@h",
    // Another product's.
    "mysql://u:$@h/d",
    "jdbc:postgresql://h/d?user=u&password=$",
    "foo://u:$@h/d",
    "$://u:p@h/d",
    "postgresql:/u:$@h/d",
    "postgresql:u:$@h/d",
    "//u:$@h/d",
    "u:$@h/d",
    "u:$=@h/d",
    "u:a$=b@h/d",
    "$",
    "$=",
    "$==",
    "$=$",
    "a $",
    "a $=b",
    // Pairs.
    "user=u password=a $ host=h",
    "user=u password=a $=b host=h",
    "user=u password='a'$ host=h",
    "user=u password='a'$=b host=h",
    "user=u password='$",
    "user=u password=$ host",
    "user=u password=$ foo=$",
    "user=u password=$ port=$",
    "user=u password=$ host='$ $'",
    "user=u passwort=$",
    "user=u pass=$",
    "user='postgresql://u:$@h/d'",
    "host=postgresql://u:$@h/d",
    "dbname=postgresql://u:$@h/d",
    "hostaddr=$ user=u",
    "user=u password=$ host=h\0",
];

/// Every text that comes of reading `text`.
fn outputs(text: &str) -> String {
    let error = |error: DatabaseUrlError| format!("{error} {error:?} {:?}", error.hint());
    match Parameters::parse(text) {
        Err(refused) => error(refused),
        Ok(parameters) => match DatabaseUrl::new(&parameters, || Some("me".into())) {
            Err(refused) => error(refused),
            Ok(database) => {
                let servers: Vec<Server> = database.servers().collect();
                format!("{database} {database:?} {:?} {servers:?}", database.password())
            }
        },
    }
}

#[test]
fn no_text_shows_its_password_or_a_piece_of_it() {
    assert!(TEXTS.len() >= 60);
    for template in TEXTS {
        let text = template.replace('$', SENTINEL);
        let shown = outputs(&text);
        for length in 4..=SENTINEL.len() {
            for piece in SENTINEL.as_bytes().windows(length) {
                let piece = std::str::from_utf8(piece).unwrap();
                assert!(!shown.contains(piece), "{text}: {shown}");
            }
        }
    }
}

#[test]
fn a_raw_at_sign_in_a_password_gets_its_own_message() {
    for template in TEXTS.iter().filter(|text| text.starts_with("postgresql://u:a@")) {
        assert_eq!(refusal(template), DatabaseUrlError::UnencodedPassword, "{template}");
    }
}

#[test]
fn the_scrubber_learns_the_password_as_it_is_and_as_it_was_written() {
    for (text, secrets) in [
        ("postgresql://u:a%40b@h", vec!["a@b", "a%40b"]),
        ("postgresql://u:ab@h", vec!["ab", "ab"]),
        ("postgresql://u:a@h?password=%62", vec!["b", "%62"]),
        (r"user=u password='it\'s'", vec!["it's", r"it\'s"]),
        ("user=u password=''", vec![]),
        ("user=u:secret", vec!["secret"]),
        ("user=u", vec![]),
    ] {
        assert_eq!(url(text).secrets().collect::<Vec<_>>(), secrets, "{text}");
    }
}
