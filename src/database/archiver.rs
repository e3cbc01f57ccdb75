//! What the server's archiver has done.

use std::time::Duration;

use super::connection::Session;
use super::read::{ReadError, opening};

/// What the server says of its archiver, by its own clock.
#[derive(Debug)]
pub(crate) struct Archiver {
    /// `archive_mode`.
    pub(crate) mode: String,
    /// Whether it is not the server that archives what is written.
    pub(crate) is_standby: bool,
    /// How long ago it last archived a file.
    pub(crate) archived: Option<Duration>,
    /// How long ago it last failed to.
    pub(crate) failed: Option<Duration>,
}

/// Asks, which takes no privilege.
pub(crate) async fn archiver(session: &Session) -> Result<Archiver, ReadError> {
    let ago =
        |column| format!("trunc(extract(epoch FROM clock_timestamp() - {column}) * 1000)::bigint");
    let query = format!(
        "BEGIN READ ONLY; {}; SET LOCAL search_path TO pg_catalog; \
         SELECT current_setting('archive_mode'), pg_is_in_recovery(), {}, {} \
         FROM pg_stat_archiver; COMMIT",
        opening(session),
        ago("last_archived_time"),
        ago("last_failed_time"),
    );
    let rows = session.rows(&query).await?;
    let column = |column| rows.first().and_then(|row| row.get(column));
    // Just now may be a moment later by the clock of the archiver.
    let ago = |at| {
        let milliseconds: i64 = column(at)?.parse().ok()?;
        Some(Duration::from_millis(u64::try_from(milliseconds).unwrap_or_default()))
    };
    Ok(Archiver {
        mode: column(0).unwrap_or_default().to_owned(),
        is_standby: column(1) == Some("t"),
        archived: ago(2),
        failed: ago(3),
    })
}
