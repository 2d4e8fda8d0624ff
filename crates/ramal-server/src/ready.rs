//! The ready file: tells a script where the server listens, once it does.

use std::{fs, path::Path};

use anyhow::Context as _;
use serde_json::Value;

use crate::private_file;

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
    private_file::write(partial, &content.to_string())?;
    fs::rename(partial, path).with_context(|| path.display().to_string())
}
