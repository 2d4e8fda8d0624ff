//! The master key: from the configuration, or from a file that the first start creates.

use std::{
    fs,
    io::{ErrorKind, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use anyhow::Context as _;
use ramal_store::MasterKey;
use secrecy::ExposeSecret as _;

use crate::config::SecretOptions;

/// The master key, and whether it was made just now.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) key: MasterKey,
    pub(crate) is_new: bool,
}

/// Reads the master key, creating its file when there is none.
///
/// # Errors
///
/// A key that is not 32 bytes in base64, or a file that can be neither read nor created.
pub(crate) fn load(options: &SecretOptions) -> anyhow::Result<Loaded> {
    let inline = options.master_key.expose_secret();
    if !inline.is_empty() {
        let key = inline.parse().context("secrets.master_key")?;
        return Ok(Loaded { key, is_new: false });
    }
    let path = &options.master_key_file;
    match fs::read_to_string(path) {
        Ok(text) => {
            let key = text.parse().with_context(|| path.display().to_string())?;
            Ok(Loaded { key, is_new: false })
        }
        Err(error) if error.kind() == ErrorKind::NotFound => create(path),
        Err(error) => Err(error).with_context(|| path.display().to_string()),
    }
}

/// Takes a file back that [`load`] has just created.
///
/// # Errors
///
/// It cannot be removed.
pub(crate) fn forget(options: &SecretOptions) -> anyhow::Result<()> {
    let path = &options.master_key_file;
    fs::remove_file(path).with_context(|| path.display().to_string())
}

/// Written whole under another name first, then linked: a start that dies half-way leaves no empty
/// key, and of two first starts at once only one gives the key.
fn create(path: &Path) -> anyhow::Result<Loaded> {
    let key = MasterKey::mint();
    let mut partial = path.as_os_str().to_owned();
    partial.push(format!(".{}", std::process::id()));
    let partial = Path::new(&partial);
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(partial)
        .with_context(|| partial.display().to_string())?;
    writeln!(file, "{}", key.expose()).with_context(|| partial.display().to_string())?;
    file.sync_all().with_context(|| partial.display().to_string())?;
    let linked = fs::hard_link(partial, path);
    fs::remove_file(partial).with_context(|| partial.display().to_string())?;
    match linked {
        Ok(()) => Ok(Loaded { key, is_new: true }),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
            let key = text.parse().with_context(|| path.display().to_string())?;
            Ok(Loaded { key, is_new: false })
        }
        Err(error) => Err(error).with_context(|| path.display().to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_start_makes_a_key_that_later_ones_read() {
        let folder = tempfile::tempdir().unwrap();
        let options = SecretOptions {
            master_key: String::new().into(),
            master_key_file: folder.path().join("master.key"),
        };

        let first = load(&options).unwrap();
        let second = load(&options).unwrap();

        assert!(first.is_new && !second.is_new);
        assert_eq!(first.key.expose(), second.key.expose());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        forget(&options).unwrap();
        fs::write(&options.master_key_file, "not a key").unwrap();
        assert!(load(&options).is_err());
    }
}
