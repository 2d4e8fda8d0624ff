//! JSON files that are replaced atomically: a reader sees the old text or the new, never half.

use std::{fs, io, path::Path};

use serde::{Serialize, de::DeserializeOwned};

/// Why a file could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The file system refused.
    #[error("file access failed")]
    Io(#[from] io::Error),
    /// The file holds something else than expected.
    #[error("the file does not hold the expected JSON")]
    Json(#[from] serde_json::Error),
}

/// Reads a JSON file; `None` when it does not exist.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, FileError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Writes a JSON file beside its place and moves it there.
///
/// # Errors
/// [`FileError`] when the value does not serialise or the file system refuses.
pub fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), FileError> {
    replace(path, &serde_json::to_vec(value)?)
}

/// Writes bytes beside their place and moves them there.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    let beside = path.with_extension("tmp");
    fs::write(&beside, bytes)?;
    fs::rename(&beside, path)?;
    Ok(())
}
