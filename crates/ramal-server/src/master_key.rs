//! The master key: from the configuration, or from a file that the first start creates.

use std::{fs, io::Write as _, os::unix::fs::OpenOptionsExt as _, path::Path};

use anyhow::Context as _;
use ramal_store::MasterKey;
use secrecy::ExposeSecret as _;

use crate::config::SecretOptions;

/// Reads the master key, creating its file when there is none.
///
/// # Errors
///
/// A key that is not 32 bytes in base64, or a file that can be neither read nor created.
pub(crate) fn load(options: &SecretOptions) -> anyhow::Result<MasterKey> {
    let inline = options.master_key.expose_secret();
    if !inline.is_empty() {
        return inline.parse().context("secrets.master_key");
    }
    let path = &options.master_key_file;
    match fs::read_to_string(path) {
        Ok(text) => text.parse().with_context(|| path.display().to_string()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => create(path),
        Err(error) => Err(error).with_context(|| path.display().to_string()),
    }
}

fn create(path: &Path) -> anyhow::Result<MasterKey> {
    let key = MasterKey::mint();
    // `create_new`: two first starts at once must not each seal with a key of their own.
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .with_context(|| path.display().to_string())?;
    writeln!(file, "{}", key.expose()).with_context(|| path.display().to_string())?;
    file.sync_all().with_context(|| path.display().to_string())?;
    Ok(key)
}
