//! A migration folder inside a copy of this program: embedding without a compiler.
//!
//! A bundled program is the plain one, the contents of the folder's files one after the other, and
//! an index of them. Where these begin and what their digest is stands in a slot *inside* the plain
//! program's data, and not behind its end: a bundle that `strip`, a packer or a broken copy has cut
//! off is then a damaged program, and not one that never had a bundle.

use std::error::Error as StdError;
use std::fmt;
use std::fs::File;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::hint::black_box;
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::migrations;
use crate::revision::{Chain, RevisionId, folder};
use crate::schema::Lock;

/// This program's file, whatever its name is now; proc(5).
const THIS_PROGRAM: &str = "/proc/self/exe";

const MARK: usize = 16;

/// A power of two, so that the slot is as aligned in the file as it is in memory.
const SLOT: usize = 128;

/// A mark, by which the slot is found in the file, and room for a [`Place`]; zeros if there is none.
#[repr(C, align(128))]
struct Slot([u8; SLOT]);

#[used]
static SLOT_OF_THIS_PROGRAM: Slot = {
    let mut slot = [0; SLOT];
    let mark = *b"\0castoff bundle\n";
    let mut at = 0;
    while at < MARK {
        slot[at] = mark[at];
        at += 1;
    }
    Slot(slot)
};

/// Where a program's bundle is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    /// Where the plain program ends and the contents begin.
    start: u64,
    /// How long the contents are.
    contents: u64,
    /// How long the index behind them is.
    index: u64,
    /// The SHA-256 of the index, which has the contents'.
    digest: [u8; 32],
}

impl Place {
    /// The place that this program's slot names.
    fn here() -> Option<Self> {
        // What the file has there now is not what the compiler has seen.
        let Slot(slot) = black_box(&SLOT_OF_THIS_PROGRAM);
        Self::read(slot)
    }

    fn read(slot: &[u8; SLOT]) -> Option<Self> {
        let number = |at: usize| {
            let bytes = slot.get(at..at + 8).and_then(|bytes| bytes.try_into().ok());
            u64::from_le_bytes(bytes.unwrap_or_default())
        };
        let digest = slot.get(MARK + 24..MARK + 56).and_then(|digest| digest.try_into().ok());
        let (start, contents, index) = (number(MARK), number(MARK + 8), number(MARK + 16));
        (start != 0).then(|| Self { start, contents, index, digest: digest.unwrap_or_default() })
    }

    fn write(self, slot: &mut [u8]) {
        let numbers = [self.start, self.contents, self.index].map(u64::to_le_bytes);
        let bytes = numbers.into_iter().flatten().chain(self.digest);
        slot.iter_mut().skip(MARK).zip(bytes).for_each(|(to, from)| *to = from);
    }
}

/// What the contents are.
#[derive(Debug, Serialize, Deserialize)]
struct Index {
    /// The head's id and chain; so a start at head reads no file.
    head: (String, String),
    /// The SHA-256 of all the contents.
    digest: [u8; 32],
    /// The files' names and lengths, in the order of the contents.
    files: Vec<(String, usize)>,
}

/// This program's bundle; nothing of it is read before it is asked for.
#[derive(Debug)]
pub(crate) struct Bundle {
    place: Place,
    index: OnceLock<Index>,
}

impl Bundle {
    /// The bundle of this program, if it has one.
    pub(crate) fn of_this_program() -> Option<Self> {
        Place::here().map(|place| Self { place, index: OnceLock::new() })
    }

    /// The head and its chain digest.
    pub(crate) fn head(&self) -> Result<(RevisionId, Chain), BundleError> {
        let (id, chain) = &self.index()?.head;
        match (RevisionId::new(id), Chain::from_str(chain)) {
            (Ok(id), Ok(chain)) => Ok((id, chain)),
            (Err(_), _) | (_, Err(_)) => Err(BundleError::Damaged),
        }
    }

    /// The files' names and contents.
    pub(crate) fn files(&self) -> Result<Vec<(String, Vec<u8>)>, BundleError> {
        let index = self.index()?;
        let contents = part(self.place.start, self.place.contents)?;
        if Sha256::digest(&contents)[..] != index.digest {
            return Err(BundleError::Damaged);
        }
        let mut rest = contents.as_slice();
        let mut files = Vec::new();
        for (name, length) in &index.files {
            let (content, behind) = rest.split_at_checked(*length).ok_or(BundleError::Damaged)?;
            files.push((name.clone(), content.to_owned()));
            rest = behind;
        }
        Ok(files)
    }

    fn index(&self) -> Result<&Index, BundleError> {
        if let Some(index) = self.index.get() {
            return Ok(index);
        }
        let Place { start, contents, index, digest } = self.place;
        let bytes = part(start.saturating_add(contents), index)?;
        if Sha256::digest(&bytes)[..] != digest {
            return Err(BundleError::Damaged);
        }
        let index = serde_json::from_slice(&bytes).map_err(|_| BundleError::Damaged)?;
        Ok(self.index.get_or_init(|| index))
    }
}

/// Reads a part of this program's file.
fn part(start: u64, length: u64) -> Result<Vec<u8>, BundleError> {
    let file = File::open(THIS_PROGRAM).map_err(BundleError::Unreadable)?;
    let size = file.metadata().map_err(BundleError::Unreadable)?.len();
    // Before room is made for it: nothing says yet that the length is true.
    if start.checked_add(length).is_none_or(|end| end > size) {
        return Err(BundleError::Damaged);
    }
    let mut bytes = vec![0; usize::try_from(length).map_err(|_| BundleError::Damaged)?];
    file.read_exact_at(&mut bytes, start).map_err(BundleError::Unreadable)?;
    Ok(bytes)
}

/// What was written, for the one who asked for it.
#[derive(Debug, Serialize)]
pub(crate) struct Bundled {
    output: PathBuf,
    head: RevisionId,
    revisions: usize,
    bytes: u64,
}

/// Writes a copy of this program that has the folder inside, checked as the build would check it.
pub(crate) fn bundle(folder: &Path, output: &Path) -> Result<Bundled, Error> {
    if let Some(bundle) = Bundle::of_this_program() {
        let (head, _) = bundle.head()?;
        return Err(BundleError::AlreadyBundled { head }.into());
    }
    if output.is_dir() {
        return Err(BundleError::OutputIsAFolder { path: output.to_owned() }.into());
    }
    let parent = output.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new(".")).canonicalize();
    if let (Ok(parent), Ok(folder)) = (parent, folder.canonicalize())
        && parent.starts_with(&folder)
    {
        return Err(BundleError::OutputAmongMigrations { path: output.to_owned() }.into());
    }
    let files = migrations::read(folder)?;
    let graph = folder::read(
        files.iter().map(|(name, bytes)| (name.clone(), bytes)),
        &folder.to_string_lossy(),
    )?;
    for stale in Lock::among(&files)?.iter().flat_map(|lock| lock.stale(&graph)) {
        tracing::warn!("{stale}; run `castoff lock`");
    }
    let Some((head, chain)) = graph.head().and_then(|id| Some((id.clone(), *graph.chain(id)?)))
    else {
        return Err(BundleError::NoMigrations { folder: folder.to_owned() }.into());
    };

    let contents: Vec<u8> = files.iter().flat_map(|(_, bytes)| bytes).copied().collect();
    let index = Index {
        head: (head.to_string(), chain.to_hex()),
        digest: Sha256::digest(&contents).into(),
        files: files.into_iter().map(|(name, bytes)| (name, bytes.len())).collect(),
    };
    // Nothing in it can fail to be JSON.
    let index = serde_json::to_vec(&index).unwrap_or_default();
    let mut program = Vec::new();
    File::open(THIS_PROGRAM)
        .and_then(|mut file| file.read_to_end(&mut program))
        .map_err(BundleError::Unreadable)?;
    let place = Place {
        start: program.len() as u64,
        contents: contents.len() as u64,
        index: index.len() as u64,
        digest: Sha256::digest(&index).into(),
    };
    let slot = slot(&mut program).ok_or(BundleError::NoSlot)?;
    place.write(slot);
    let bytes = write(output, |file| {
        [program.as_slice(), &contents, &index].iter().try_for_each(|part| file.write_all(part))
    })?;
    Ok(Bundled { output: output.to_owned(), head, revisions: graph.revisions().len(), bytes })
}

/// The one slot of a program's file.
fn slot(program: &mut [u8]) -> Option<&mut [u8]> {
    let Slot(pattern) = black_box(&SLOT_OF_THIS_PROGRAM);
    let mut slots = program.chunks_exact_mut(SLOT).filter(|chunk| *chunk == pattern);
    let slot = slots.next()?;
    slots.next().is_none().then_some(slot)
}

/// A copy of this program that was made.
#[derive(Debug, Serialize)]
pub(crate) struct Installed {
    path: PathBuf,
    bytes: u64,
}

/// Copies this program, with its bundle if it has one, to `path` or into that folder.
pub(crate) fn install(path: &Path) -> Result<Installed, BundleError> {
    let path = if path.is_dir() { path.join("castoff") } else { path.to_owned() };
    let mut program = File::open(THIS_PROGRAM).map_err(BundleError::Unreadable)?;
    let bytes = write(&path, |file| io::copy(&mut program, file).map(|_| ()))?;
    Ok(Installed { path, bytes })
}

/// Makes an executable file, all of it or nothing: what is there may be running, this program even.
fn write(path: &Path, fill: impl FnOnce(&mut File) -> io::Result<()>) -> Result<u64, BundleError> {
    // What a link names is replaced, and not the link.
    let target = path.canonicalize();
    let path = target.as_deref().unwrap_or(path);
    if path.exists() && !path.is_file() {
        return Err(BundleError::OutputIsNoFile { path: path.to_owned() });
    }
    let unwritable = |source| BundleError::Unwritable { path: path.to_owned(), source };
    let random = RandomState::new().build_hasher().finish();
    let draft = path.with_file_name(format!(".castoff-{random:016x}"));
    let write = || {
        let mut to = File::options().write(true).create_new(true).mode(0o755).open(&draft)?;
        fill(&mut to)?;
        // Whatever the umask is: who executes it is seldom who made it.
        to.set_permissions(PermissionsExt::from_mode(0o755))?;
        let bytes = to.metadata()?.len();
        drop(to);
        std::fs::rename(&draft, path)?;
        Ok(bytes)
    };
    write().map_err(|error| {
        drop(std::fs::remove_file(&draft));
        unwritable(error)
    })
}

impl fmt::Display for Bundled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { output, head, revisions, bytes } = self;
        let many = if *revisions == 1 { "" } else { "s" };
        let output = output.display();
        writeln!(f, "{output}: castoff with {revisions} revision{many}, head {head}, {bytes} bytes")
    }
}

impl fmt::Display for Installed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: castoff, {} bytes", self.path.display(), self.bytes)
    }
}

/// Why a program's bundle cannot be read or made.
#[derive(Debug)]
pub enum BundleError {
    /// This program's own file cannot be read.
    Unreadable(io::Error),
    /// The bundle is not as it was written.
    Damaged,
    /// There is a bundle in this program already.
    AlreadyBundled {
        /// Its head.
        head: RevisionId,
    },
    /// The folder has no migration.
    NoMigrations {
        /// The folder.
        folder: PathBuf,
    },
    /// A folder stands where the file shall be.
    OutputIsAFolder {
        /// The folder.
        path: PathBuf,
    },
    /// The file to write would be one of the migrations' folder.
    OutputAmongMigrations {
        /// The file.
        path: PathBuf,
    },
    /// A device, or something else that is no file, stands where the file shall be.
    OutputIsNoFile {
        /// It.
        path: PathBuf,
    },
    /// The file cannot be written.
    Unwritable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// This program's file has not the one place where a bundle is noted.
    NoSlot,
}

impl BundleError {
    /// 64 for the wrong argument, 65 for wrong migrations, 70 for what the system refuses.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::AlreadyBundled { .. }
            | Self::OutputIsAFolder { .. }
            | Self::OutputAmongMigrations { .. }
            | Self::OutputIsNoFile { .. } => 64,
            Self::Damaged | Self::NoMigrations { .. } => 65,
            Self::Unreadable(_) | Self::Unwritable { .. } | Self::NoSlot => 70,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Damaged => {
                "was it stripped, packed or cut off after `castoff bundle`? Build the image again, \
                 with `castoff bundle` as the last step that changes the program"
            }
            Self::AlreadyBundled { .. } => "bundle with the plain castoff, which has no bundle yet",
            Self::NoMigrations { .. } => "look at what the image build copied there",
            Self::OutputIsAFolder { .. } | Self::OutputAmongMigrations { .. } => {
                "--output is the file to write, outside of the migrations' folder"
            }
            Self::Unwritable { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                "in a Dockerfile, bundle before `USER`, or as `USER 0`"
            }
            Self::NoSlot => "was it packed? Bundle with castoff as it was built",
            Self::Unreadable(_) => "castoff reads itself by /proc/self/exe: mount /proc",
            Self::OutputIsNoFile { .. } | Self::Unwritable { .. } => return None,
        };
        Some(hint.to_owned())
    }
}

impl fmt::Display for BundleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(_) => write!(f, "cannot read castoff's own program, {THIS_PROGRAM}"),
            Self::Damaged => f.write_str("the migrations in this castoff are damaged"),
            Self::AlreadyBundled { head } => {
                write!(f, "this castoff has migrations in it already, up to {head}")
            }
            Self::NoMigrations { folder } => {
                write!(f, "there is no migration in {}", folder.display())
            }
            Self::OutputAmongMigrations { path } => {
                write!(f, "{} is in the folder of the migrations", path.display())
            }
            Self::OutputIsNoFile { path } => write!(f, "{} is no regular file", path.display()),
            Self::OutputIsAFolder { path } => write!(f, "{} is a folder", path.display()),
            Self::Unwritable { path, .. } => write!(f, "cannot write {}", path.display()),
            Self::NoSlot => f.write_str("this castoff's program has no place for migrations"),
        }
    }
}

impl StdError for BundleError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Unreadable(source) | Self::Unwritable { source, .. } => Some(source),
            Self::Damaged
            | Self::AlreadyBundled { .. }
            | Self::NoMigrations { .. }
            | Self::OutputIsAFolder { .. }
            | Self::OutputAmongMigrations { .. }
            | Self::OutputIsNoFile { .. }
            | Self::NoSlot => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_was_written_and_the_mark_stays() {
        let Slot(mut slot) = Slot(SLOT_OF_THIS_PROGRAM.0);
        assert_eq!(Place::read(&slot), None);
        let place = Place { start: 7, contents: 1 << 40, index: 3, digest: [9; 32] };
        place.write(&mut slot);
        assert_eq!(Place::read(&slot), Some(place));
        assert_eq!(slot[..MARK], SLOT_OF_THIS_PROGRAM.0[..MARK]);
    }

    #[test]
    fn a_program_without_exactly_one_slot_is_not_bundled() {
        let pattern = SLOT_OF_THIS_PROGRAM.0;
        assert!(slot(&mut [0; 4 * SLOT]).is_none());
        assert!(slot(&mut [pattern, [1; SLOT], pattern].concat()).is_none());
        assert_eq!(slot(&mut [[1; SLOT], pattern].concat()).unwrap(), pattern);
    }
}
