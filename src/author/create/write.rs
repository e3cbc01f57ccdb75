//! The files of new revisions, all of them or none.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::author::AuthorError;
use crate::author::create::{CreateError, New};
use crate::error::Error;
use crate::migrations;
use crate::revision::folder;

/// Writes the files into a folder, over no other file, and reads the folder again. After an error
/// none of them is there.
pub(crate) fn write(path: &Path, news: &[New]) -> Result<Vec<PathBuf>, Error> {
    let mut written = Written(Vec::new());
    for (name, text) in news.iter().flat_map(|new| &new.files) {
        written.file(path.join(name), text)?;
    }
    // Somebody else may have written at the same time.
    folder::lineage(migrations::read(path)?, &path.to_string_lossy())
        .map_err(|errors| AuthorError::Create(CreateError::Folder(errors)))?;
    Ok(std::mem::take(&mut written.0))
}

/// The files that are there by now; gone when it is dropped with them.
struct Written(Vec<PathBuf>);

impl Written {
    fn file(&mut self, path: PathBuf, text: &str) -> Result<(), AuthorError> {
        let created = File::create_new(&path).and_then(|mut file| {
            self.0.push(path.clone());
            file.write_all(text.as_bytes())
        });
        created.map_err(|source| AuthorError::Unwritable { path, source })
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        for path in &self.0 {
            drop(fs::remove_file(path));
        }
    }
}
