//! The screen of `castoff status`.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::{Brief, Status};
use crate::database::Run;
use crate::plan::Danger;
use crate::report::Paper;

/// The longest list that leaves room for the rest.
const LONGEST: usize = 10;

/// A status, as text or as it is.
#[derive(Serialize)]
#[serde(transparent)]
pub(super) struct Sheet<'a> {
    pub(super) status: &'a Status,
    #[serde(skip)]
    pub(super) paper: Paper,
}

impl fmt::Display for Sheet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self.status;
        let survey = &status.survey;
        let size = survey.size.map(|bytes| format!(", {}", human_size(bytes))).unwrap_or_default();
        let role = match (survey.standby, survey.read_only) {
            (true, _) => "standby",
            (false, true) => "primary, read-only",
            (false, false) => "primary",
        };
        self.fact(
            f,
            "Database",
            &format!("{} on {} as {}{size}", survey.database, survey.address, survey.user),
        )?;
        self.fact(f, "Server", &format!("PostgreSQL {}, {role}", survey.server_version))?;
        self.fact(f, "Standing", &status.stands())?;
        let current = status.current.as_deref().map(briefs);
        self.fact(f, "Current", current.as_deref().unwrap_or("not known"))?;
        self.fact(f, "Head", &briefs(&status.head))?;
        let holder = survey.lock_holder.as_ref().map(ToString::to_string);
        self.fact(f, "Lock", holder.as_deref().unwrap_or("free"))?;
        let pending: Vec<_> = status.pending.iter().map(pending_row).collect();
        self.table(f, "Pending", &pending)?;
        let runs: Vec<_> = survey.last_runs.iter().map(run_row).collect();
        self.table(f, "Last runs", &runs)
    }
}

impl Sheet<'_> {
    /// A line for each line of `value`, behind its name.
    fn fact(&self, f: &mut fmt::Formatter<'_>, name: &str, value: &str) -> fmt::Result {
        const NAMES: usize = 10;
        // The padding is counted without what makes it bold.
        let name = format!("{}{:<2$}", self.paper.bold(name), "", NAMES - name.len());
        for (number, line) in value.lines().take(LONGEST).enumerate() {
            let name = if number == 0 { name.clone() } else { " ".repeat(NAMES) };
            writeln!(f, "{name}{}", self.cut(line, NAMES))?;
        }
        Ok(())
    }

    /// Rows with their columns below each other.
    fn table<const N: usize>(
        &self,
        f: &mut fmt::Formatter<'_>,
        name: &str,
        rows: &[[String; N]],
    ) -> fmt::Result {
        if rows.is_empty() {
            return Ok(());
        }
        writeln!(f, "\n{}", self.paper.bold(name))?;
        let widths = std::array::from_fn::<usize, N, _>(|column| {
            rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0)
        });
        for row in rows.iter().take(LONGEST) {
            let cells = row.iter().zip(widths).filter(|(_, width)| *width > 0);
            let line: String = cells.map(|(cell, width)| format!("  {cell:<width$}")).collect();
            writeln!(f, "{}", self.cut(line.trim_end(), 0))?;
        }
        if rows.len() > LONGEST {
            writeln!(f, "  and {} more", rows.len() - LONGEST)?;
        }
        Ok(())
    }

    /// A text that ends where a terminal does, with so many characters before it.
    fn cut(&self, text: &str, before: usize) -> String {
        let room = self.paper.width.map_or(usize::MAX, |width| width.saturating_sub(before));
        if text.chars().count() <= room {
            return text.to_owned();
        }
        let dots = if self.paper.is_unicode { "…" } else { "..." };
        let kept = room.saturating_sub(dots.chars().count());
        text.chars().take(kept).chain(dots.chars()).collect()
    }
}

fn briefs(briefs: &[Brief]) -> String {
    if briefs.is_empty() {
        return "base".to_owned();
    }
    let line = |brief: &Brief| {
        let message = if brief.message.is_empty() { "" } else { ", " };
        format!("{}{message}{}", brief.revision, brief.message)
    };
    briefs.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn pending_row(brief: &Brief) -> [String; 3] {
    let breaking = brief.breaking.then(|| "breaking".to_owned());
    let hazards = brief.hazards.iter().map(Danger::what);
    let marks: Vec<_> = breaking.into_iter().chain(hazards).collect();
    [brief.revision.to_string(), brief.message.clone(), marks.join(", ")]
}

fn run_row(run: &Run) -> [String; 5] {
    let duration = run.duration_ms.map(|ms| human_duration(Duration::from_millis(ms)));
    let application = run.application.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
    [
        run.revision.clone(),
        run.origin.clone(),
        run.applied_at.clone(),
        duration.unwrap_or_default(),
        format!("{}{application}", run.applied_by),
    ]
}

fn human_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 => format!("{} ms", duration.as_millis()),
        1..60 => format!("{:.1} s", duration.as_secs_f64()),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// In a unit as large as leaves two digits and more, as PostgreSQL's `pg_size_pretty` does.
fn human_size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["bytes", "kB", "MB", "GB", "TB"];
    let mut size = bytes;
    let mut unit = 0;
    while size >= 10 * 1024 && unit + 1 < UNITS.len() {
        size = size.saturating_add(512) / 1024;
        unit += 1;
    }
    format!("{size} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_durations_are_told_in_a_unit_that_suits_them() {
        for (bytes, text) in [
            (0, "0 bytes"),
            (10_239, "10239 bytes"),
            (10_240, "10 kB"),
            (7_654_321, "7475 kB"),
            (123_456_789, "118 MB"),
            (u64::MAX, "16777216 TB"),
        ] {
            assert_eq!(human_size(bytes), text);
        }
        for (milliseconds, text) in
            [(999, "999 ms"), (1_500, "1.5 s"), (61_000, "1 min 1 s"), (7_260_000, "2 h 1 min")]
        {
            assert_eq!(human_duration(Duration::from_millis(milliseconds)), text);
        }
    }
}
