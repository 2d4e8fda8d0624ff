//! Uploaded objects on disk: whole ones, and beginnings that wait to be resumed.
//!
//! # Theory of operation
//! Bytes are received into a file of their own in `incoming/`, so that two clients which upload the
//! same object do not meet. A whole file whose hash is its token moves to `objects/`; what broke off
//! moves to `partial/`, from where the next upload takes it away again. The folders are the truth;
//! nothing else is kept, so a restart with the same folder knows all objects. Everything here
//! blocks, and is called off the async threads.

use std::{
    collections::{BTreeMap, HashSet},
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use super::token::Token;

const OBJECTS: &str = "objects";
const PARTIAL: &str = "partial";
const INCOMING: &str = "incoming";
const PLAIN: &str = "plain";
const CHUNK: usize = 64 * 1024;

/// How much of an object is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    Nothing,
    Begun(u64),
    Whole,
}

/// What a download path leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Object(Token),
    /// It was there once.
    Gone,
    Unknown,
}

/// One object as the control API shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) token: Token,
    pub(crate) size: u64,
    pub(crate) whole: bool,
}

/// The files of the media host and of the phones' galleries.
#[derive(Debug)]
pub(crate) struct Store {
    dir: PathBuf,
    /// Removes the folder in the end, unless it was given.
    _temporary: Option<TempDir>,
    index: Mutex<Index>,
    incoming: AtomicU64,
}

#[derive(Debug, Default)]
struct Index {
    by_path: BTreeMap<String, Token>,
    gone: HashSet<Token>,
}

impl Store {
    /// Opens the store in a folder, or in a temporary one.
    pub(crate) fn open(dir: Option<PathBuf>) -> io::Result<Self> {
        let (dir, temporary) = if let Some(dir) = dir {
            (dir, None)
        } else {
            let temporary = tempfile::Builder::new().prefix("wa-server-media").tempdir()?;
            (temporary.path().to_owned(), Some(temporary))
        };
        for part in [OBJECTS, PARTIAL, PLAIN] {
            fs::create_dir_all(dir.join(part))?;
        }
        // What was being received when an earlier run ended is of no use.
        if dir.join(INCOMING).exists() {
            fs::remove_dir_all(dir.join(INCOMING))?;
        }
        fs::create_dir_all(dir.join(INCOMING))?;
        let tokens = tokens_in(&dir.join(OBJECTS))?;
        let by_path = tokens.into_iter().map(|token| (token.direct_path(), token)).collect();
        let index = Mutex::new(Index { by_path, gone: HashSet::new() });
        Ok(Self { dir, _temporary: temporary, index, incoming: AtomicU64::new(0) })
    }

    fn with<R>(&self, work: impl FnOnce(&mut Index) -> R) -> R {
        work(&mut self.index.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn object(&self, token: &Token) -> PathBuf {
        self.dir.join(OBJECTS).join(token.as_str())
    }

    fn partial(&self, token: &Token) -> PathBuf {
        self.dir.join(PARTIAL).join(token.as_str())
    }

    /// A path for bytes that arrive; nobody else gets the same.
    pub(crate) fn incoming(&self) -> PathBuf {
        let number = self.incoming.fetch_add(1, Ordering::Relaxed);
        self.dir.join(INCOMING).join(number.to_string())
    }

    /// Where a phone keeps the plaintext with this hash.
    pub(crate) fn plain(&self, sha256: &[u8]) -> PathBuf {
        self.dir.join(PLAIN).join(hex::encode(sha256))
    }

    pub(crate) fn progress(&self, token: &Token) -> Progress {
        if self.object(token).exists() {
            return Progress::Whole;
        }
        match fs::metadata(self.partial(token)) {
            Ok(begun) if begun.len() > 0 => Progress::Begun(begun.len()),
            Ok(_) | Err(_) => Progress::Nothing,
        }
    }

    /// A file for an upload that begins at `offset`: fresh, or with what an earlier one left. `None`
    /// when there is less than that.
    pub(crate) fn begin(&self, token: &Token, offset: u64) -> io::Result<Option<PathBuf>> {
        let path = self.incoming();
        if offset == 0 {
            File::create(&path)?;
            return Ok(Some(path));
        }
        match fs::rename(self.partial(token), &path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        }
        let file = OpenOptions::new().write(true).open(&path)?;
        if file.metadata()?.len() < offset {
            fs::rename(&path, self.partial(token))?;
            return Ok(None);
        }
        file.set_len(offset)?;
        Ok(Some(path))
    }

    /// Keeps what came of an upload that broke off.
    pub(crate) fn keep(&self, token: &Token, received: &Path) -> io::Result<()> {
        fs::rename(received, self.partial(token))
    }

    /// Takes a whole upload; false, and the bytes are dropped, when they are not what their name
    /// says.
    pub(crate) fn finish(&self, token: &Token, received: &Path) -> io::Result<bool> {
        if Token::of(&hash_file(received)?) != *token {
            fs::remove_file(received)?;
            return Ok(false);
        }
        fs::rename(received, self.object(token))?;
        self.with(|index| {
            index.gone.remove(token);
            index.by_path.insert(token.direct_path(), token.clone());
        });
        Ok(true)
    }

    pub(crate) fn find(&self, direct_path: &str) -> Found {
        self.with(|index| match index.by_path.get(direct_path) {
            Some(token) if index.gone.contains(token) => Found::Gone,
            Some(token) => Found::Object(token.clone()),
            None => Found::Unknown,
        })
    }

    /// What is or was at a path.
    pub(crate) fn token_of(&self, direct_path: &str) -> Option<Token> {
        self.with(|index| index.by_path.get(direct_path).cloned())
    }

    /// Opens an object; its size goes along.
    pub(crate) fn read(&self, token: &Token) -> io::Result<(File, u64)> {
        let file = File::open(self.object(token))?;
        let size = file.metadata()?.len();
        Ok((file, size))
    }

    /// Deletes an object: from now on its path is gone. False when there was none.
    pub(crate) fn remove(&self, token: &Token) -> io::Result<bool> {
        match fs::remove_file(self.object(token)) {
            Ok(()) => {
                self.with(|index| index.gone.insert(token.clone()));
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Flips one bit in the middle of an object. False when there is none.
    pub(crate) fn tamper(&self, token: &Token) -> io::Result<bool> {
        let path = self.object(token);
        let mut file = match OpenOptions::new().read(true).write(true).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        let middle = SeekFrom::Start(file.metadata()?.len() / 2);
        let mut byte = [0];
        file.seek(middle)?;
        file.read_exact(&mut byte)?;
        file.seek(middle)?;
        file.write_all(&byte.map(|byte| byte ^ 1))?;
        Ok(true)
    }

    /// Everything there is, whole or begun.
    pub(crate) fn list(&self) -> io::Result<Vec<Stored>> {
        let mut all = Vec::new();
        for (part, whole) in [(OBJECTS, true), (PARTIAL, false)] {
            for token in tokens_in(&self.dir.join(part))? {
                let path = self.dir.join(part).join(token.as_str());
                // Gone since the folder was read.
                let Ok(file) = fs::metadata(path) else { continue };
                all.push(Stored { token, size: file.len(), whole });
            }
        }
        Ok(all)
    }
}

/// The SHA-256 of a file.
pub(crate) fn hash_file(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut chunk = vec![0; CHUNK];
    loop {
        let read = file.read(&mut chunk)?;
        if read == 0 {
            return Ok(hash.finalize().to_vec());
        }
        hash.update(chunk.get(..read).unwrap_or_default());
    }
}

fn tokens_in(dir: &Path) -> io::Result<Vec<Token>> {
    let mut tokens = Vec::new();
    for entry in fs::read_dir(dir)? {
        tokens.extend(entry?.file_name().to_str().and_then(Token::parse));
    }
    tokens.sort();
    Ok(tokens)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(bytes: &[u8]) -> Token {
        Token::of(&Sha256::digest(bytes))
    }

    fn append(path: &Path, bytes: &[u8]) {
        OpenOptions::new().append(true).open(path).unwrap().write_all(bytes).unwrap();
    }

    #[test]
    fn an_upload_goes_on_where_it_broke_off() {
        let store = Store::open(None).unwrap();
        let token = token(b"hello world");
        let first = store.begin(&token, 0).unwrap().unwrap();
        append(&first, b"hello wo");
        store.keep(&token, &first).unwrap();
        assert_eq!(store.progress(&token), Progress::Begun(8));

        assert_eq!(store.begin(&token, 9).unwrap(), None);
        let second = store.begin(&token, 5).unwrap().unwrap();
        append(&second, b" world");
        assert!(store.finish(&token, &second).unwrap());
        assert_eq!(store.progress(&token), Progress::Whole);
        assert_eq!(store.find(&token.direct_path()), Found::Object(token));
    }

    #[test]
    fn bytes_that_are_not_what_their_name_says_are_refused() {
        let store = Store::open(None).unwrap();
        let token = token(b"expected");
        let path = store.begin(&token, 0).unwrap().unwrap();
        append(&path, b"another");
        assert!(!store.finish(&token, &path).unwrap());
        assert_eq!(store.progress(&token), Progress::Nothing);
        assert_eq!(store.find(&token.direct_path()), Found::Unknown);
    }

    #[test]
    fn a_deleted_object_is_gone_and_known_to_have_been_there() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(Some(dir.path().to_owned())).unwrap();
        let token = token(b"x");
        let path = store.begin(&token, 0).unwrap().unwrap();
        append(&path, b"x");
        assert!(store.finish(&token, &path).unwrap());
        drop(store);

        let store = Store::open(Some(dir.path().to_owned())).unwrap();
        assert_eq!(store.find(&token.direct_path()), Found::Object(token.clone()));
        assert!(store.remove(&token).unwrap());
        assert!(!store.remove(&token).unwrap());
        assert_eq!(store.find(&token.direct_path()), Found::Gone);
    }
}
