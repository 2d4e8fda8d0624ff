//! The ready file: tells a script where the server listens, once it does.

use std::{fs, io::Write as _, os::unix::fs::OpenOptionsExt as _, path::Path};

use anyhow::Context as _;
use serde_json::Value;

/// Writes `content` to `path` whole: a reader sees all of it or no file. Readable by its owner only,
/// since it may hold a key.
///
/// # Errors
///
/// The file cannot be written.
pub fn write(path: &Path, content: &Value) -> anyhow::Result<()> {
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    let partial = Path::new(&partial);
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(partial)
        .with_context(|| partial.display().to_string())?;
    writeln!(file, "{content}").with_context(|| partial.display().to_string())?;
    file.sync_all().with_context(|| partial.display().to_string())?;
    fs::rename(partial, path).with_context(|| path.display().to_string())
}
