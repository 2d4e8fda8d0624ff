//! Files that hold secrets.

use std::{fs, io::Write as _, os::unix::fs::OpenOptionsExt as _, path::Path};

use anyhow::Context as _;

/// Makes a file that only its owner may read, unless it is there. SQLite gives the files beside its database
/// the rights of the database.
///
/// # Errors
///
/// The file cannot be made.
pub(crate) fn touch(path: &Path) -> anyhow::Result<()> {
    let made = fs::OpenOptions::new().append(true).create(true).mode(0o600).open(path);
    made.map(drop).with_context(|| path.display().to_string())
}

/// Writes a line to a file that only its owner may read, and sees it onto the disk.
///
/// # Errors
///
/// The file cannot be written.
pub(crate) fn write(path: &Path, line: &str) -> anyhow::Result<()> {
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .with_context(|| path.display().to_string())?;
    writeln!(file, "{line}").with_context(|| path.display().to_string())?;
    file.sync_all().with_context(|| path.display().to_string())
}
