//! Databases that speak PostgreSQL's protocol and are not PostgreSQL.
//!
//! An advisory lock of theirs is granted to everybody or to nobody, or their DDL commits by itself.
//! Either way a revision could be applied twice or by halves, so they are refused by name.

/// The names of those that say what they are, with what they say in `version()`.
const LOOK_ALIKES: [(&str, &str); 5] = [
    ("CockroachDB", "CockroachDB"),
    ("-YB-", "YugabyteDB"),
    ("Redshift", "Amazon Redshift"),
    ("DSQL", "Amazon Aurora DSQL"),
    ("RisingWave", "RisingWave"),
];

/// What it is, if it is not PostgreSQL.
pub(super) fn look_alike(version: &str) -> Option<&'static str> {
    let marked = LOOK_ALIKES.iter().find(|(mark, _)| version.contains(mark));
    // PostgreSQL says the minor version as well, and on what machine it runs.
    let bare = version
        .strip_prefix("PostgreSQL ")
        .filter(|major| !major.is_empty() && major.bytes().all(|byte| byte.is_ascii_digit()));
    marked.map(|(_, name)| *name).or(bare.map(|_| "Amazon Aurora DSQL"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_postgresql_says_so() {
        for (version, name) in [
            (
                "CockroachDB CCL v23.1.11 (x86_64-pc-linux-gnu, built 2023/09/27 01:53:43, go1.19.10)",
                Some("CockroachDB"),
            ),
            (
                "PostgreSQL 11.2-YB-2.18.0.0-b0 on x86_64-pc-linux-gnu, compiled by clang version \
                 15.0.3, 64-bit",
                Some("YugabyteDB"),
            ),
            (
                "PostgreSQL 8.0.2 on i686-pc-linux-gnu, compiled by GCC gcc (GCC) 3.4.2 20041017 \
                 (Red Hat 3.4.2-6.fc3), Redshift 1.0.12103",
                Some("Amazon Redshift"),
            ),
            ("PostgreSQL 16", Some("Amazon Aurora DSQL")),
            (
                "PostgreSQL 9.5-RisingWave-1.1.0 (f41ff20612323dc56f654939cfa3be9ca684b52f)",
                Some("RisingWave"),
            ),
            (
                "PostgreSQL 15.18 (Debian 15.18-0+deb12u1) on x86_64-pc-linux-gnu, compiled by gcc \
                 (Debian 12.2.0-14+deb12u1) 12.2.0, 64-bit",
                None,
            ),
            (
                "PostgreSQL 16.1 on x86_64-pc-linux-gnu, compiled by clang version 12.0.1, 64-bit",
                None,
            ),
            ("PostgreSQL 14.5 (EnterpriseDB Advanced Server 14.5.0) on x86_64-pc-linux-gnu", None),
        ] {
            assert_eq!(look_alike(version), name, "{version}");
        }
    }
}
