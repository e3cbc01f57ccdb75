//! The reasons not to touch a database.

use std::collections::BTreeSet;
use std::fmt;

use super::environment::{Asks, Environment};
use super::hazards::Danger;
use super::state::Recorded;
use crate::revision::{InvalidTarget, RevisionId, TargetError};
use crate::schema::{Difference, Stale};

/// Why nothing is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The database has later revisions, and the policy is to refuse.
    Ahead {
        /// The later revisions.
        later: Vec<RevisionId>,
    },
    /// The database has a later revision that says an older image must not run.
    AheadAndBreaking {
        /// The breaking revisions with their messages.
        breaking: Vec<(RevisionId, String)>,
    },
    /// The database has revisions that this image lacks, and lacks some that this image has.
    Diverged {
        /// The database's own.
        unknown: Vec<RevisionId>,
        /// The image's own.
        missing: Vec<RevisionId>,
    },
    /// The image contains no revision at all, and the database has some.
    NoRevisions {
        /// The database's heads.
        current: Vec<RevisionId>,
    },
    /// The history before this image's baseline is not in this image.
    BeforeBaseline {
        /// The database's heads.
        current: Vec<RevisionId>,
        /// The baseline.
        baseline: RevisionId,
    },
    /// Files of applied revisions were changed.
    Edited {
        /// Each with the recorded and the found checksum.
        revisions: Vec<(RevisionId, Box<(Recorded, Recorded)>)>,
    },
    /// A half-way revision's finished statements are not the ones in this image's file.
    EditedHalfWay {
        /// The revision.
        revision: RevisionId,
        /// How many statements have run.
        statements_done: usize,
    },
    /// A downgrade stopped half-way and only the same command may go on with it.
    DowngradeHalfWay {
        /// The revision.
        revision: RevisionId,
        /// How many statements of its down file have run.
        statements_done: usize,
    },
    /// An upgrade stopped half-way, so there is no whole revision to take back.
    UpgradeHalfWay {
        /// The revision.
        revision: RevisionId,
        /// How many statements of its up file have run.
        statements_done: usize,
    },
    /// Alembic's table names revisions that this image does not contain.
    AlembicUnknown {
        /// The schema of the table.
        schema: String,
        /// The unknown revisions.
        unknown: Vec<String>,
        /// The revisions in the table that this image contains.
        known: Vec<RevisionId>,
    },
    /// Alembic's table is empty but there are user objects.
    AlembicEmpty {
        /// The schema of the table.
        schema: String,
        /// How many user objects, and examples.
        objects: super::UserObjects,
    },
    /// The role may not read Alembic's table.
    AlembicUnreadable {
        /// The schema of the table.
        schema: String,
    },
    /// Several schemas hold an `alembic_version` with rows.
    AlembicAmbiguous {
        /// Those schemas.
        schemas: Vec<String>,
    },
    /// User objects, but nothing that says which revision they are.
    Unrecognised {
        /// How many, and examples.
        objects: super::UserObjects,
        /// Whether the schema was compared with what a lock says.
        compared: bool,
    },
    /// User objects whose schema is that of several revisions.
    Ambiguous {
        /// The heads that it may have, parents first; several at once before a merge.
        candidates: Vec<Vec<RevisionId>>,
    },
    /// The operator names what the schema is not.
    Contradicted {
        /// The value of `CASTOFF_BASELINE`.
        value: String,
        /// The heads that it may have.
        candidates: Vec<Vec<RevisionId>>,
    },
    /// User objects whose schema is that of no revision.
    NotQuite {
        /// The revision that it differs from least.
        nearest: RevisionId,
        /// How.
        difference: Difference,
    },
    /// The schema is not the one that the database's revisions make.
    Drifted {
        /// The database's heads.
        heads: Vec<RevisionId>,
        /// How it differs.
        difference: Difference,
    },
    /// Revisions that are to run have hazards that nobody has acknowledged.
    Hazards {
        /// Which.
        hazards: Vec<Danger>,
    },
    /// What is known of the revisions' effects is about other files.
    StaleLock {
        /// What does not fit.
        stale: Vec<Stale>,
    },
    /// `CASTOFF_BASELINE` names nothing in this image.
    Baseline {
        /// Its value.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A target is not written as one.
    InvalidTarget(InvalidTarget),
    /// A target names nothing.
    Target(TargetError),
    /// A revision must be applied to be a downgrade's target.
    NotApplied {
        /// The target.
        revision: RevisionId,
        /// The database's heads.
        current: Vec<RevisionId>,
    },
    /// Neither this image nor the ledger has the SQL that takes a revision back.
    NoDownFile {
        /// The revision.
        revision: RevisionId,
    },
    /// Nothing was ever applied.
    NotVersioned,
    /// The operator has to say more for a command that can lose something.
    Unconfirmed {
        /// The command.
        command: &'static str,
        /// What the database is for.
        environment: Option<Environment>,
        /// What to type.
        line: String,
    },
    /// The operator has another database in mind.
    OtherDatabase {
        /// That one.
        named: String,
        /// The one that it would be done to.
        database: String,
    },
}

/// The ids, for a message; at most ten of them.
fn list<T: fmt::Display>(items: &[T]) -> String {
    const SHOWN: usize = 10;
    let shown = items.iter().take(SHOWN).map(ToString::to_string).collect::<Vec<_>>().join(", ");
    match items.len() {
        0 => "nothing".to_owned(),
        1..=SHOWN => shown,
        all => format!("{shown} and {} more", all - SHOWN),
    }
}

/// Sets of heads, one of which a database may have.
fn alternatives(candidates: &[Vec<RevisionId>]) -> String {
    let together = |heads: &Vec<RevisionId>| {
        heads.iter().map(RevisionId::as_str).collect::<Vec<_>>().join(" with ")
    };
    list(&candidates.iter().map(together).collect::<Vec<_>>())
}

fn objects(objects: &super::UserObjects) -> String {
    let examples = objects.examples.join(", ");
    let shown = u64::try_from(objects.examples.len()).unwrap_or(u64::MAX);
    match objects.count.saturating_sub(shown) {
        0 => examples,
        more => format!("{examples} and {more} more"),
    }
}

impl Refusal {
    /// 64 for a wrong argument, 65 for a wrong history, 78 for a wrong setting, else 76.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::InvalidTarget(_) | Self::Target(_) => 64,
            Self::NoRevisions { .. }
            | Self::Edited { .. }
            | Self::EditedHalfWay { .. }
            | Self::DowngradeHalfWay { .. }
            | Self::UpgradeHalfWay { .. }
            | Self::NotApplied { .. }
            | Self::NoDownFile { .. }
            | Self::StaleLock { .. }
            | Self::NotVersioned => 65,
            Self::Ahead { .. }
            | Self::AheadAndBreaking { .. }
            | Self::Diverged { .. }
            | Self::BeforeBaseline { .. }
            | Self::AlembicUnknown { .. }
            | Self::AlembicEmpty { .. }
            | Self::AlembicAmbiguous { .. }
            | Self::Ambiguous { .. }
            | Self::Contradicted { .. }
            | Self::NotQuite { .. }
            | Self::Drifted { .. }
            | Self::Hazards { .. }
            | Self::Unrecognised { .. }
            | Self::Unconfirmed { .. }
            | Self::OtherDatabase { .. } => 76,
            Self::AlembicUnreadable { .. } => 77,
            Self::Baseline { .. } => 78,
        }
    }

    /// What to do about it.
    #[allow(clippy::too_many_lines, reason = "a hint for each refusal")]
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Ahead { .. } => "deploy an image that contains these revisions, or set \
                                   CASTOFF_AHEAD=start if this one works with them"
                .to_owned(),
            Self::AheadAndBreaking { breaking } => format!(
                "deploy an image that contains {}, or take it back with `castoff downgrade`",
                list(&breaking.iter().map(|(id, _)| id).collect::<Vec<_>>())
            ),
            Self::Diverged { .. } => "build an image that contains both histories, joined by a \
                                      revision with both heads in `Revises:`"
                .to_owned(),
            Self::NoRevisions { .. } => {
                "look at CASTOFF_MIGRATIONS_DIR and what is mounted there".to_owned()
            }
            Self::BeforeBaseline { baseline, .. } => {
                format!("first run an image that still contains the revisions up to {baseline}")
            }
            Self::Edited { revisions } => {
                let accepts: Vec<_> = revisions
                    .iter()
                    .map(|(id, both)| format!("`-- Accepts: {}` in {id}", both.0.checksum))
                    .collect();
                format!(
                    "put the files back and write the change as a new revision; if the change \
                     makes no difference, add {}",
                    accepts.join(", ")
                )
            }
            Self::EditedHalfWay { statements_done, .. } => format!(
                "put the first {statements_done} statements back as they were and change only the \
                 ones after them"
            ),
            Self::DowngradeHalfWay { .. } => {
                "give the same `castoff downgrade` again to finish it".to_owned()
            }
            Self::UpgradeHalfWay { .. } => {
                "finish it with `castoff upgrade`, then downgrade".to_owned()
            }
            Self::AlembicUnknown { .. } => "deploy an image whose history contains them, or give \
                                            the revision that the schema really has as \
                                            CASTOFF_BASELINE"
                .to_owned(),
            Self::Unrecognised { compared: false, .. } => {
                "an image with a castoff.lock, which `castoff lock` writes, recognises a schema of \
                 its own; without one give the revision that this schema is as CASTOFF_BASELINE \
                 (`base` if none of them has run)"
                    .to_owned()
            }
            Self::AlembicEmpty { .. } | Self::Unrecognised { .. } => {
                "if you know which revision this schema is, give it as CASTOFF_BASELINE (`base` \
                 if none of the revisions has run); otherwise point castoff at an empty database"
                    .to_owned()
            }
            Self::Ambiguous { .. } => {
                "only their data tells them apart: give the one that has run as CASTOFF_BASELINE \
                 (with commas between several)"
                    .to_owned()
            }
            Self::Contradicted { .. } => {
                "take CASTOFF_BASELINE away, or give a revision that the schema may be".to_owned()
            }
            Self::NotQuite { nearest, .. } => format!(
                "`castoff diff {nearest}` shows this too; bring the schema to that of a revision, or \
                 give the revision that it stands for as CASTOFF_BASELINE (`base` if none of them \
                 has run)"
            ),
            Self::Drifted { .. } => "put the schema back, or write the change as a revision; \
                                     CASTOFF_DRIFT=warn starts all the same"
                .to_owned(),
            Self::Hazards { hazards } => {
                let allows: BTreeSet<_> = hazards
                    .iter()
                    .map(|it| format!("`-- Allow: {} REASON` in {}", it.hazard, it.revision))
                    .collect();
                format!(
                    "if the application bears it, add {}; CASTOFF_HAZARDS=warn starts all the same",
                    list(&allows.into_iter().collect::<Vec<_>>())
                )
            }
            Self::StaleLock { .. } => {
                "run `castoff lock` in the migration folder and build the image again".to_owned()
            }
            Self::AlembicUnreadable { schema } => format!(
                "as its owner: GRANT USAGE ON SCHEMA {schema} TO the role; GRANT SELECT ON \
                 {schema}.alembic_version TO the role; if the table is another product's, give \
                 CASTOFF_BASELINE"
            ),
            Self::AlembicAmbiguous { .. } => {
                "set the role's search_path so that one of these schemas comes first".to_owned()
            }
            Self::Baseline { .. } => {
                "set CASTOFF_BASELINE to a revision of this image: `castoff history`".to_owned()
            }
            Self::NoDownFile { .. } => "write what takes it back as a new revision".to_owned(),
            Self::Unconfirmed { environment: None, line, .. } => format!(
                "if it is meant: {line}; where nothing can be lost, set CASTOFF_ENV=development"
            ),
            Self::Unconfirmed { environment: Some(_), line, .. } => {
                format!("if it is meant: {line}")
            }
            Self::OtherDatabase { .. } => {
                "look at what DATABASE_URL names: `castoff settings` shows it".to_owned()
            }
            Self::InvalidTarget(_)
            | Self::Target(_)
            | Self::NotApplied { .. }
            | Self::NotVersioned => return None,
        };
        Some(hint)
    }
}

impl fmt::Display for Refusal {
    #[allow(clippy::too_many_lines, reason = "a sentence for each refusal")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ahead { later } => write!(
                f,
                "the database is ahead of this image by {}, and CASTOFF_AHEAD=refuse",
                list(later)
            ),
            Self::AheadAndBreaking { breaking } => {
                let named: Vec<_> =
                    breaking.iter().map(|(id, message)| format!("{id} ({message})")).collect();
                write!(
                    f,
                    "the database is ahead of this image by {}, which says `Breaking: yes`: an \
                     older image must not run on it",
                    list(&named)
                )
            }
            Self::Diverged { unknown, missing } => write!(
                f,
                "the database has {}, which this image does not contain, and lacks {}, which it \
                 does: neither history follows the other",
                list(unknown),
                list(missing)
            ),
            Self::NoRevisions { current } => write!(
                f,
                "this image contains no revision at all, and the database is at {}",
                list(current)
            ),
            Self::BeforeBaseline { current, baseline } => write!(
                f,
                "the database is at {}, before the baseline {baseline}, and this image does not \
                 contain the revisions between them",
                list(current)
            ),
            Self::Edited { revisions } => {
                let each: Vec<_> = revisions
                    .iter()
                    .map(|(id, both)| {
                        format!("{id} (applied as {}, now {})", both.0.checksum, both.1.checksum)
                    })
                    .collect();
                write!(f, "files of applied revisions have changed since: {}", list(&each))
            }
            Self::EditedHalfWay { revision, statements_done } => write!(
                f,
                "revision {revision} stopped after {statements_done} of its statements, and those \
                 are not the ones in this image's file"
            ),
            Self::DowngradeHalfWay { revision, statements_done } => write!(
                f,
                "a downgrade of {revision} stopped after {statements_done} of its statements"
            ),
            Self::UpgradeHalfWay { revision, statements_done } => write!(
                f,
                "the upgrade to {revision} stopped after {statements_done} of its statements, so \
                 there is no whole revision to take back"
            ),
            Self::Ambiguous { candidates } => write!(
                f,
                "the database is unversioned, and its schema is that of {}",
                alternatives(candidates)
            ),
            Self::Contradicted { value, candidates } => write!(
                f,
                "CASTOFF_BASELINE is {value:?}, but the schema is that of {}",
                alternatives(candidates)
            ),
            Self::NotQuite { nearest, difference } => write!(
                f,
                "the database is unversioned, and its schema is that of no revision; the nearest is \
                 {nearest}, from which it differs so (- expected, + found):\n{}",
                difference.excerpt()
            ),
            Self::Drifted { heads, difference } => write!(
                f,
                "the database is at {}, but its schema is not (- expected, + found):\n{}",
                list(heads),
                difference.excerpt()
            ),
            Self::Hazards { hazards } => write!(
                f,
                "revisions that are to run have hazards that nobody has acknowledged: {}",
                list(hazards)
            ),
            Self::StaleLock { stale } => {
                write!(f, "castoff.lock does not fit the migrations: {}", list(stale))
            }
            Self::AlembicUnknown { schema, unknown, known } => {
                write!(
                    f,
                    "{schema}.alembic_version holds {}, which this image does not contain",
                    list(unknown)
                )?;
                if known.is_empty() { Ok(()) } else { write!(f, " (beside {})", list(known)) }
            }
            Self::AlembicEmpty { schema, objects: found } => write!(
                f,
                "{schema}.alembic_version is empty, which is no version, but the database holds {}",
                objects(found)
            ),
            Self::AlembicUnreadable { schema } => write!(
                f,
                "the role may not read {schema}.alembic_version, so nothing can be said of the \
                 version"
            ),
            Self::AlembicAmbiguous { schemas } => write!(
                f,
                "several schemas hold an alembic_version ({}) and none of them is first in the \
                 search_path",
                list(schemas)
            ),
            Self::Unrecognised { objects: found, compared } => write!(
                f,
                "the database holds {} but nothing that {}says which revision it is at",
                objects(found),
                if *compared { "castoff.lock speaks of or that " } else { "" }
            ),
            Self::Baseline { value, reason } => {
                write!(f, "CASTOFF_BASELINE={value} names no revision of this image: {reason}")
            }
            Self::InvalidTarget(error) => error.fmt(f),
            Self::Target(error) => error.fmt(f),
            Self::NotApplied { revision, current } => write!(
                f,
                "{revision} is not applied (the database is at {}), so nothing can be downgraded \
                 to it",
                list(current)
            ),
            Self::NoDownFile { revision } => write!(
                f,
                "revision {revision} cannot be taken back: neither this image nor the ledger has \
                 a down file for it"
            ),
            Self::NotVersioned => f.write_str("the database has no revision: nothing was applied"),
            Self::Unconfirmed { command, environment, .. } => {
                let asks = match Asks::of(*environment) {
                    Asks::Nothing => "nothing",
                    Asks::Yes => "--yes",
                    Asks::YesAndName => "--yes and the name of the database",
                };
                write!(f, "`castoff {command}` asks for {asks} where CASTOFF_ENV")?;
                match environment {
                    Some(environment) => write!(f, "={environment}"),
                    None => f.write_str(" is not set"),
                }
            }
            Self::OtherDatabase { named, database } => {
                write!(f, "--database says {named:?}, but the database is {database:?}")
            }
        }
    }
}

impl std::error::Error for Refusal {}
