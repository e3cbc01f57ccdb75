//! A dump without what castoff does itself, and what only the server that it is of needs.

use crate::revision::{Script, Statement};

/// What is done to a dump besides.
pub(crate) struct Cleaning<'a> {
    /// The role that made everything; what is its is the one's who applies the baseline.
    pub(crate) role: &'a str,
    /// Materialized views that the dump leaves empty.
    pub(crate) refresh: &'a [String],
    /// Whether comments on extensions are the history's own.
    pub(crate) comments_on_extensions: bool,
}

/// What castoff sets itself for every file, or what is PostgreSQL's default.
const SET_ANYWAY: [&str; 10] = [
    "statement_timeout",
    "lock_timeout",
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
    "transaction_timeout",
    "client_encoding",
    "standard_conforming_strings",
    "client_min_messages",
    "row_security",
    "default_tablespace",
];

/// The statements of a dump that make a baseline.
pub(crate) fn clean(dump: &Script, cleaning: &Cleaning<'_>) -> String {
    let mut text = String::new();
    let mut settings = false;
    for statement in dump.statements() {
        if !is_needed(dump, statement, cleaning) {
            continue;
        }
        let is_setting = statement.sets_parameter().is_some();
        if !(text.is_empty() || settings && is_setting) {
            text.push('\n');
        }
        settings = is_setting;
        text.push_str(&without_role(&dump.text()[statement.range()], cleaning.role));
        text.push_str(";\n");
        if let Some(data) = statement.copy_data() {
            text.push_str(&dump.text()[data]);
            text.push_str("\\.\n");
        }
    }
    for view in cleaning.refresh {
        text.push_str(&format!("\nREFRESH MATERIALIZED VIEW {view};\n"));
    }
    text
}

fn is_needed(dump: &Script, statement: &Statement, cleaning: &Cleaning<'_>) -> bool {
    let text = &dump.text()[statement.range()];
    let all = || dump.statements().iter().map(|it| &dump.text()[it.range()]);
    match statement.sets_parameter() {
        Some(name) if SET_ANYWAY.contains(&name) => return false,
        // Where the dump goes back and forth between them, it says so again.
        Some("default_table_access_method") => {
            return all().filter(|it| it.starts_with("SET default_table_access_method")).count()
                > 1
                || !text.ends_with("= heap");
        }
        Some("check_function_bodies") => {
            let kinds = ["CREATE FUNCTION", "CREATE PROCEDURE"];
            return all().any(|it| kinds.iter().any(|kind| it.starts_with(kind)));
        }
        Some("xmloption") => {
            return all().any(|it| !it.starts_with("SET xmloption") && it.contains("xml"));
        }
        _ => {}
    }
    let is_untouched =
        text.starts_with("SELECT pg_catalog.setval(") && text.ends_with(", 1, false)");
    let is_empty = statement.copy_data().is_some_and(|data| data.is_empty());
    let of_extension = text.starts_with("COMMENT ON EXTENSION ");
    let owner = text.split_once(" OWNER TO ").map(|(_, owner)| owner);
    let is_mine = text.starts_with("ALTER ")
        && owner.is_some_and(|owner| quoted(cleaning.role).iter().any(|role| role == owner));
    !(is_untouched || is_empty || is_mine || of_extension && !cleaning.comments_on_extensions)
}

/// Default privileges are those of whoever applies the baseline, as they were of whoever walked.
fn without_role(text: &str, role: &str) -> String {
    const HEAD: &str = "ALTER DEFAULT PRIVILEGES ";
    for role in quoted(role) {
        let whose = format!("{HEAD}FOR ROLE {role} ");
        if let Some(rest) = text.strip_prefix(&whose) {
            return format!("{HEAD}{rest}");
        }
    }
    text.to_owned()
}

/// A name as `pg_dump` writes it: in quotes where it must be, or always if it was told to.
fn quoted(name: &str) -> [String; 2] {
    [name.to_owned(), format!("\"{}\"", name.replace('"', "\"\""))]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cleaned(dump: &str, refresh: &[String]) -> String {
        let dump = Script::parse("dump", dump.as_bytes()).unwrap();
        let cleaning = Cleaning { role: "me", refresh, comments_on_extensions: false };
        clean(&dump, &cleaning)
    }

    #[test]
    fn what_castoff_does_itself_is_left_out() {
        let dump = "--\n-- PostgreSQL database dump\n--\n\n\\restrict abc\n\n\
            SET statement_timeout = 0;\nSET client_encoding = 'UTF8';\nSET row_security = off;\n\
            SELECT pg_catalog.set_config('search_path', '', false);\n\
            SET check_function_bodies = false;\nSET xmloption = content;\n\
            SET default_tablespace = '';\nSET default_table_access_method = heap;\n\
            -- Name: t; Type: TABLE\n\nCREATE TABLE public.t (\n    id integer\n);\n\n\
            ALTER TABLE public.t OWNER TO me;\nALTER TABLE public.t OWNER TO other;\n\
            COMMENT ON EXTENSION hstore IS 'x';\n\
            COPY public.t (id) FROM stdin;\n\\.\n\
            COPY public.u (id) FROM stdin;\n1\n\\.\n\
            SELECT pg_catalog.setval('public.t_id_seq', 1, false);\n\
            SELECT pg_catalog.setval('public.u_id_seq', 1, true);\n\
            ALTER DEFAULT PRIVILEGES FOR ROLE me IN SCHEMA public GRANT SELECT ON TABLES TO app;\n\
            \\unrestrict abc\n";
        assert_eq!(
            cleaned(dump, &["public.v".to_owned()]),
            "SELECT pg_catalog.set_config('search_path', '', false);\n\n\
             CREATE TABLE public.t (\n    id integer\n);\n\n\
             ALTER TABLE public.t OWNER TO other;\n\n\
             COPY public.u (id) FROM stdin;\n1\n\\.\n\n\
             SELECT pg_catalog.setval('public.u_id_seq', 1, true);\n\n\
             ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO app;\n\n\
             REFRESH MATERIALIZED VIEW public.v;\n"
        );
    }

    #[test]
    fn a_setting_that_something_depends_on_is_kept() {
        let dump = "SET check_function_bodies = false;\nSET xmloption = content;\n\
            SET default_table_access_method = other;\nCREATE FUNCTION f(xml) RETURNS int;\n\
            SET default_table_access_method = heap;\n";
        assert_eq!(
            cleaned(dump, &[]),
            "SET check_function_bodies = false;\nSET xmloption = content;\n\
             SET default_table_access_method = other;\n\nCREATE FUNCTION f(xml) RETURNS int;\n\n\
             SET default_table_access_method = heap;\n"
        );
    }
}
