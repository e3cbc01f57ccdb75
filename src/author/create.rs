//! New revisions after the heads of a folder: how they are called, and what their files say.
//!
//! # Invariants
//! - Pure but for [`write()`]: files in, files out.
//! - The folder with the new files is a whole one, in which every old revision is what it was.

mod error;
mod style;
mod write;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::report::utc;
use crate::revision::{FileKind, FileName, Lineage, RevisionId, Script, folder};

pub use error::CreateError;
use style::{Style, slug};
pub(crate) use write::write;

/// The files of a folder, with their paths in it.
pub(crate) type Files = Vec<(String, Vec<u8>)>;

/// How often a random id is drawn before it is given up that one fits.
const DRAWS: usize = 100;

/// What a new revision does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Draft {
    /// What is said behind the message where several revisions share one; may be empty.
    pub(crate) note: String,
    pub(crate) up: Text,
    pub(crate) down: Text,
}

/// What a file of it says: comment lines without their dashes, then SQL.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Text {
    /// Lines of the header, such as `Transaction: none`.
    pub(crate) keys: Vec<String>,
    /// What people should know.
    pub(crate) prose: Vec<String>,
    pub(crate) sql: String,
}

/// When something is created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Moment {
    rfc3339: String,
    milliseconds: u64,
}

impl Moment {
    pub(crate) fn now() -> Self {
        #[allow(clippy::disallowed_methods, reason = "it is the revision's date")]
        let now = SystemTime::now();
        let since = now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Self::new(&utc(now), u64::try_from(since.as_millis()).unwrap_or_default())
    }

    fn new(rfc3339: &str, milliseconds: u64) -> Self {
        Self { rfc3339: rfc3339.to_owned(), milliseconds }
    }

    /// Seventeen digits, from the year to the millisecond.
    fn digits(&self) -> String {
        self.rfc3339.chars().filter(char::is_ascii_digit).collect()
    }

    /// Thirteen digits: the milliseconds since 1970.
    fn since_1970(&self) -> String {
        self.milliseconds.to_string()
    }

    /// As a header has it.
    fn date(&self) -> String {
        let seconds = self.rfc3339.split('.').next().unwrap_or_default();
        format!("{} UTC", seconds.replace('T', " "))
    }
}

/// A revision that is to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct New {
    pub(crate) id: RevisionId,
    pub(crate) down_revisions: Vec<RevisionId>,
    pub(crate) message: String,
    /// Its files: names and text.
    pub(crate) files: Vec<(String, String)>,
}

/// What new revisions are made from.
pub(crate) struct Place<'a> {
    /// The files of the folder.
    pub(crate) files: &'a Files,
    /// The folder's name, for errors.
    pub(crate) label: &'a str,
    pub(crate) moment: Moment,
    pub(crate) random: &'a mut dyn FnMut() -> u64,
}

impl Place<'_> {
    /// Names and words the revisions that these drafts are, one after the other, the first after
    /// `parents`.
    pub(crate) fn create(
        &mut self,
        parents: &[RevisionId],
        message: &str,
        drafts: &[Draft],
    ) -> Result<Vec<New>, CreateError> {
        let before = folder::lineage(self.files.iter().cloned(), self.label)?;
        let mut draws = 0;
        loop {
            draws += 1;
            let (news, style) = self.drafted(parents, &before, message.trim(), drafts)?;
            match self.checked(&before, &news) {
                Err(_) if style == Style::Random && draws < DRAWS => {}
                other => return other.map(|()| news),
            }
        }
    }

    fn drafted(
        &mut self,
        parents: &[RevisionId],
        before: &Lineage,
        message: &str,
        drafts: &[Draft],
    ) -> Result<(Vec<New>, Style), CreateError> {
        let names: Vec<FileName> =
            self.files.iter().filter_map(|(path, _)| FileName::parse(path)).collect();
        let mut ids: Vec<String> = names
            .iter()
            .filter_map(|name| name.id.as_ref().ok())
            .map(ToString::to_string)
            .collect();
        ids.dedup();
        let last = parents.iter().max_by_key(|id| before.ordered().iter().position(|it| it == id));
        // The id may be another one than the file's name has.
        let last = last.and_then(|last| self.named(last)).or_else(|| ids.last().cloned());
        let known: Vec<&str> = ids.iter().map(String::as_str).collect();
        let style = Style::of(last.as_deref(), &known);
        let one_file = self.is_of_one_file_each();
        let mut parents = parents.to_vec();
        let mut news = Vec::new();
        for draft in drafts {
            let known: Vec<&str> = ids.iter().map(String::as_str).collect();
            let id = style.next(&known, &self.moment, self.random);
            let revision = RevisionId::new(&id).map_err(CreateError::Id)?;
            let message = match draft.note.as_str() {
                "" => message.to_owned(),
                note => format!("{message} ({note})"),
            };
            check_message(&message)?;
            let slug = slug(&message);
            let stem = if slug.is_empty() { id.clone() } else { format!("{id}_{slug}") };
            let up = self.file(&message, Some(&parents), &draft.up);
            let down = self.file(&message, None, &draft.down);
            let files = if one_file {
                vec![(format!("{stem}.sql"), up)]
            } else {
                vec![(format!("{stem}.up.sql"), up), (format!("{stem}.down.sql"), down)]
            };
            let down_revisions = std::mem::replace(&mut parents, vec![revision.clone()]);
            ids.push(id);
            news.push(New { id: revision, down_revisions, message, files });
        }
        Ok((news, style))
    }

    /// What the file of a revision has as its id.
    fn named(&self, revision: &RevisionId) -> Option<String> {
        let says_so = |(path, bytes): &&(String, Vec<u8>)| {
            let script = Script::parse(path, bytes).ok();
            script.and_then(|it| it.header().revision_id.clone()).as_ref() == Some(revision)
        };
        let by_name = |(path, _): &&(String, Vec<u8>)| {
            FileName::parse(path).is_some_and(|name| name.id.as_ref() == Ok(revision))
        };
        let file = self.files.iter().find(by_name).or_else(|| self.files.iter().find(says_so))?;
        FileName::parse(&file.0)?.id.ok().map(|id| id.to_string())
    }

    /// Whether the folder has neither down files nor names that end in `.up.sql`.
    fn is_of_one_file_each(&self) -> bool {
        let mut plain = false;
        for (path, _) in self.files {
            if path.ends_with(".up.sql") || path.ends_with(".down.sql") {
                return false;
            }
            plain |= FileName::parse(path).is_some_and(|name| name.kind == FileKind::Up);
        }
        plain
    }

    fn file(&self, message: &str, parents: Option<&[RevisionId]>, text: &Text) -> String {
        let mut lines = vec![message.to_owned()];
        if let Some(parents) = parents {
            let ids: Vec<&str> = parents.iter().map(RevisionId::as_str).collect();
            let revises = if ids.is_empty() { "none".to_owned() } else { ids.join(", ") };
            lines.push(String::new());
            lines.push(format!("Revises: {revises}"));
            lines.push(format!("Create Date: {}", self.moment.date()));
        } else if !text.keys.is_empty() {
            lines.push(String::new());
        }
        lines.extend(text.keys.iter().cloned());
        if !text.prose.is_empty() {
            lines.push(String::new());
            lines.extend(text.prose.iter().cloned());
        }
        let mut file: String =
            lines.iter().map(|line| format!("-- {line}").trim_end().to_owned() + "\n").collect();
        if !text.sql.is_empty() {
            file += "\n";
            file += text.sql.trim_end();
            file += "\n";
        }
        file
    }

    /// Sees to it that the new files fit, and that nothing which was there means anything else by
    /// them.
    fn checked(&self, before: &Lineage, news: &[New]) -> Result<(), CreateError> {
        let new_files = news.iter().flat_map(|new| &new.files);
        let new_files = new_files.map(|(name, text)| (name.clone(), text.clone().into_bytes()));
        let files: Files = self.files.iter().cloned().chain(new_files).collect();
        let after = if before.heads().len() > 1 {
            folder::lineage(files, self.label)?
        } else {
            folder::read(files, self.label)?.lineage().clone()
        };
        match before.ids().find(|id| after.parents(id) != before.parents(id)) {
            None => Ok(()),
            Some(moved) => Err(CreateError::Moves { revision: moved.clone() }),
        }
    }
}

/// A message that is read from the header as it was written.
fn check_message(message: &str) -> Result<(), CreateError> {
    let unfit = |reason| Err(CreateError::Message { message: message.to_owned(), reason });
    if message.is_empty() {
        return unfit("it is empty");
    }
    if message.contains(char::is_control) {
        return unfit("it is more than one line");
    }
    match Script::parse("x.up.sql", format!("-- {message}\n").as_bytes()) {
        Ok(script) if script.header().message == message => Ok(()),
        Ok(_) | Err(_) => unfit("the header of a file would be read otherwise"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(files: &[(&str, &str)]) -> Files {
        files.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect()
    }

    fn create(files: &Files, message: &str, drafts: &[Draft]) -> Result<Vec<New>, CreateError> {
        let lineage = folder::lineage(files.clone(), "m").unwrap();
        let heads: Vec<RevisionId> = lineage.heads().into_iter().cloned().collect();
        let mut state = 0x0f00_0000_0000_0000_u64;
        let mut random = || {
            state = state.wrapping_add(0x1111_1111_1111_1111);
            state
        };
        let moment = Moment::new("2026-11-21T18:31:05.250Z", 1_795_285_865_250);
        let mut place = Place { files, label: "m", moment, random: &mut random };
        place.create(&heads, message, drafts)
    }

    fn names(news: &[New]) -> Vec<&str> {
        news.iter().flat_map(|new| new.files.iter().map(|(name, _)| name.as_str())).collect()
    }

    #[test]
    fn a_revision_follows_the_head_and_says_so() {
        let folder = files(&[("0001_a.up.sql", "SELECT 1"), ("0001_a.down.sql", "SELECT 1")]);
        let news = create(&folder, "add the customer's email", &[Draft::default()]).unwrap();
        assert_eq!(
            news[0].files,
            [
                (
                    "0002_add_the_customer_s_email.up.sql".to_owned(),
                    "-- add the customer's email\n--\n-- Revises: 0001\n\
                     -- Create Date: 2026-11-21 18:31:05 UTC\n"
                        .to_owned()
                ),
                (
                    "0002_add_the_customer_s_email.down.sql".to_owned(),
                    "-- add the customer's email\n".to_owned()
                ),
            ]
        );
        let first = create(&Files::new(), "first", &[Draft::default()]).unwrap();
        assert!(first[0].files[0].1.contains("-- Revises: none\n"), "{first:?}");
        assert_eq!(first[0].id.as_str(), "0001");
    }

    #[test]
    fn several_revisions_follow_each_other() {
        let draft = |note: &str, key: &str| Draft {
            note: note.to_owned(),
            up: Text {
                keys: vec![key.to_owned()],
                prose: vec!["Mind this.".to_owned()],
                sql: "SELECT 1;".to_owned(),
            },
            down: Text::default(),
        };
        let drafts = [draft("one", "Breaking: yes"), draft("two", "Transaction: none")];
        let news = create(&files(&[("9.sql", "")]), "x", &drafts).unwrap();
        assert_eq!(names(&news), ["10_x_one.sql", "11_x_two.sql"]);
        assert_eq!(
            news[1].files[0].1,
            "-- x (two)\n--\n-- Revises: 10\n-- Create Date: 2026-11-21 18:31:05 UTC\n\
             -- Transaction: none\n--\n-- Mind this.\n\nSELECT 1;\n"
        );
    }

    #[test]
    fn the_files_are_named_as_those_of_the_folder() {
        let draft = &[Draft::default()];
        for (folder, expected) in [
            (&[("1_a.sql", "")][..], &["2_x.sql"][..]),
            (&[("1_a.sql", ""), ("1_a.down.sql", "")], &["2_x.up.sql", "2_x.down.sql"]),
            (&[("1_a.baseline.sql", "")], &["2_x.up.sql", "2_x.down.sql"]),
            (&[("7.up.sql", "-- Revision ID: 4f1c2a9b7d30")], &["8_x.up.sql", "8_x.down.sql"]),
        ] {
            assert_eq!(names(&create(&files(folder), "x", draft).unwrap()), expected);
        }
    }

    /// Without `Revises:` a revision follows the one before it: a random id before the last one
    /// would come between two that are there.
    #[test]
    fn a_random_id_comes_between_no_two_revisions() {
        let folder = files(&[("1a1c2a9b7d30.sql", ""), ("cf1c2a9b7d30.sql", "")]);
        let news = create(&folder, "x", &[Draft::default(), Draft::default()]).unwrap();
        assert!(news.iter().all(|new| new.id.as_str() > "cf1c2a9b7d30"), "{news:?}");
        let last = files(&[("ffffffffffff.sql", ""), ("1a1c2a9b7d30.sql", "")]);
        assert!(create(&last, "x", &[Draft::default()]).is_err());
    }

    #[test]
    fn a_message_that_reads_as_something_else_is_refused() {
        for message in ["", "  ", "a\nb", "Breaking: yes", "Revise: x", "Copyright x", "\u{1b}[1m"]
        {
            let error = create(&Files::new(), message, &[Draft::default()]).unwrap_err();
            assert!(matches!(error, CreateError::Message { .. }), "{message:?}: {error}");
        }
        assert!(create(&Files::new(), "fix: the order's total", &[Draft::default()]).is_ok());
    }

    #[test]
    fn what_makes_no_whole_folder_is_not_written() {
        let wrong = Draft {
            up: Text { sql: "CREATE INDEX CONCURRENTLY i ON t (a);".to_owned(), ..Text::default() },
            ..Draft::default()
        };
        let error = create(&Files::new(), "x", &[wrong]).unwrap_err();
        assert!(error.to_string().contains("m/0001_x.up.sql:6:1"), "{error}");
    }
}
