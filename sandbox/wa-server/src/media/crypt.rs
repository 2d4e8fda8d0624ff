//! Attachments as phones handle them: sealed and stored before sending, fetched, checked and opened
//! after receiving.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write as _},
};

use sha2::{Digest as _, Sha256};
use wacore::{
    download::{DownloadUtils, Downloadable, MediaDecryptionError, MediaType},
    upload::MediaEncryptor,
};

use super::{
    Store,
    store::{Found, hash_file},
    token::Token,
};
use crate::crypto::{KEY_LEN, Key};

const CHUNK: usize = 64 * 1024;
/// Phones open an attachment in memory, and fetch none that is larger.
const MAX_SIZE: u64 = 128 * 1024 * 1024;

/// Where the bytes of an attachment come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Bytes(Vec<u8>),
    /// So many bytes of `SplitMix64` from a seed, each number little-endian.
    Generated {
        size: u64,
        seed: u64,
    },
}

impl Source {
    fn each_chunk(&self, mut take: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        match self {
            Self::Bytes(bytes) => bytes.chunks(CHUNK).try_for_each(take),
            Self::Generated { size, seed } => {
                let (mut state, mut left) = (*seed, *size);
                while left > 0 {
                    let length = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
                    take(&generate(&mut state, length))?;
                    left -= u64::try_from(length).unwrap_or(left);
                }
                Ok(())
            }
        }
    }
}

fn generate(state: &mut u64, length: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(length + size_of::<u64>());
    while bytes.len() < length {
        *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bytes.extend((mixed ^ (mixed >> 31)).to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// An attachment that lies on the media host, with what a message says about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sealed {
    pub(crate) direct_path: String,
    /// Absent in channels, whose attachments are not encrypted.
    pub(crate) key: Option<Key>,
    pub(crate) sha256: Key,
    pub(crate) enc_sha256: Option<Key>,
    pub(crate) size: u64,
}

/// An attachment could not be put on the media host.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SealError {
    #[error("file access failed")]
    Io(#[from] io::Error),
    #[error("the attachment could not be encrypted")]
    Crypto(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Store {
    /// Encrypts an attachment, puts it on the media host, and keeps its plaintext for the phone.
    pub(crate) fn seal(&self, source: &Source, kind: MediaType) -> Result<Sealed, SealError> {
        let mut encryptor =
            MediaEncryptor::new(kind).map_err(|error| SealError::Crypto(error.into()))?;
        let (plain_path, sealed_path) = (self.incoming(), self.incoming());
        let mut plain = BufWriter::new(File::create(&plain_path)?);
        let mut sealed = BufWriter::new(File::create(&sealed_path)?);
        let mut out = Vec::with_capacity(CHUNK + KEY_LEN);
        source.each_chunk(|chunk| {
            out.clear();
            encryptor.update(chunk, &mut out);
            plain.write_all(chunk)?;
            sealed.write_all(&out)
        })?;
        out.clear();
        let info = encryptor.finalize(&mut out).map_err(|error| SealError::Crypto(error.into()))?;
        sealed.write_all(&out)?;
        plain.flush()?;
        sealed.flush()?;
        let token = Token::of(&info.file_enc_sha256);
        self.finish(&token, &sealed_path)?;
        fs::rename(&plain_path, self.plain(&info.file_sha256))?;
        Ok(Sealed {
            direct_path: token.direct_path(),
            key: Some(info.media_key),
            sha256: info.file_sha256,
            enc_sha256: Some(info.file_enc_sha256),
            size: info.file_length,
        })
    }

    /// Puts an attachment on the media host as it is.
    pub(crate) fn publish(&self, source: &Source) -> Result<Sealed, SealError> {
        let path = self.incoming();
        let mut file = BufWriter::new(File::create(&path)?);
        let mut size = 0;
        source.each_chunk(|chunk| {
            size += u64::try_from(chunk.len()).unwrap_or_default();
            file.write_all(chunk)
        })?;
        file.flush()?;
        let hash = hash_file(&path)?;
        let sha256 = hash.as_slice().try_into().map_err(io::Error::other)?;
        fs::copy(&path, self.plain(&hash))?;
        let token = Token::of(&hash);
        self.finish(&token, &path)?;
        Ok(Sealed { direct_path: token.direct_path(), key: None, sha256, enc_sha256: None, size })
    }
}

/// What a message says about its attachment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attachment {
    direct_path: String,
    key: Option<Vec<u8>>,
    sha256: Vec<u8>,
    enc_sha256: Option<Vec<u8>>,
    size: Option<u64>,
    kind: MediaType,
}

impl Attachment {
    /// What the phone needs of a message's attachment; absent fields stay empty and fail later.
    pub(crate) fn of(media: &dyn Downloadable) -> Self {
        Self {
            direct_path: media.direct_path().unwrap_or_default().to_owned(),
            key: media.media_key().map(<[u8]>::to_vec),
            sha256: media.file_sha256().unwrap_or_default().to_vec(),
            enc_sha256: media.file_enc_sha256().map(<[u8]>::to_vec),
            size: media.file_length(),
            kind: media.app_info(),
        }
    }
}

/// Why a phone does not show an attachment.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    #[error("the message lacks its {0}")]
    Lacks(&'static str),
    #[error("nothing is at this path")]
    NotFound,
    #[error("what was at this path has been deleted")]
    Gone,
    #[error("the attachment is too large for this phone")]
    TooLarge,
    #[error("the ciphertext is not what the message says")]
    Ciphertext,
    #[error("the authentication code is wrong")]
    Mac,
    #[error("the ciphertext does not decrypt")]
    Padding,
    #[error("the plaintext is not what the message says")]
    Plaintext,
    #[error("the length is not what the message says")]
    Length,
    #[error("file access failed")]
    Io(#[from] io::Error),
}

impl FetchError {
    /// The stable code that the control API shows.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Lacks(_) => "INCOMPLETE",
            Self::NotFound => "NOT_FOUND",
            Self::Gone => "GONE",
            Self::TooLarge => "TOO_LARGE",
            Self::Ciphertext => "CIPHERTEXT_HASH",
            Self::Mac => "MAC",
            Self::Padding => "PADDING",
            Self::Plaintext => "PLAINTEXT_HASH",
            Self::Length => "LENGTH",
            Self::Io(_) => "IO",
        }
    }
}

impl Store {
    /// Fetches an attachment as a phone does, checks all that its message says about it, and keeps
    /// the plaintext. Answers its length.
    pub(crate) fn fetch(&self, attachment: &Attachment) -> Result<u64, FetchError> {
        if attachment.direct_path.is_empty() {
            return Err(FetchError::Lacks("direct path"));
        }
        if attachment.sha256.len() != KEY_LEN {
            return Err(FetchError::Lacks("plaintext hash"));
        }
        let token = match self.find(&attachment.direct_path) {
            Found::Object(token) => token,
            Found::Gone => return Err(FetchError::Gone),
            Found::Unknown => return Err(FetchError::NotFound),
        };
        let mut bytes = self.bytes_of(&token)?;
        if let Some(key) = &attachment.key {
            let expected = attachment.enc_sha256.as_deref();
            let expected = expected.ok_or(FetchError::Lacks("ciphertext hash"))?;
            if Sha256::digest(&bytes).as_slice() != expected {
                return Err(FetchError::Ciphertext);
            }
            DownloadUtils::verify_and_decrypt_in_place(&mut bytes, key, attachment.kind)
                .map_err(|error| refused(&error))?;
        }
        if Sha256::digest(&bytes).as_slice() != attachment.sha256 {
            return Err(FetchError::Plaintext);
        }
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if attachment.size.is_some_and(|claimed| claimed != size) {
            return Err(FetchError::Length);
        }
        self.keep_plain(&attachment.sha256, &bytes)?;
        Ok(size)
    }

    fn bytes_of(&self, token: &Token) -> Result<Vec<u8>, FetchError> {
        let (file, size) = self.read(token)?;
        if size > MAX_SIZE {
            return Err(FetchError::TooLarge);
        }
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
        io::copy(&mut io::Read::take(file, MAX_SIZE), &mut bytes)?;
        Ok(bytes)
    }

    fn keep_plain(&self, sha256: &[u8], bytes: &[u8]) -> io::Result<()> {
        let kept = self.plain(sha256);
        if kept.exists() {
            return Ok(());
        }
        let path = self.incoming();
        fs::write(&path, bytes)?;
        fs::rename(path, kept)
    }
}

fn refused(error: &MediaDecryptionError) -> FetchError {
    if matches!(error, MediaDecryptionError::InvalidMac) {
        FetchError::Mac
    } else {
        FetchError::Padding
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attachment(sealed: &Sealed, kind: MediaType) -> Attachment {
        Attachment {
            direct_path: sealed.direct_path.clone(),
            key: sealed.key.map(|key| key.to_vec()),
            sha256: sealed.sha256.to_vec(),
            enc_sha256: sealed.enc_sha256.map(|hash| hash.to_vec()),
            size: Some(sealed.size),
            kind,
        }
    }

    #[test]
    fn what_is_sealed_is_fetched() {
        let store = Store::open(None).unwrap();
        for size in [0, 1, 15, 16, 100_000] {
            let source = Source::Generated { size, seed: size };
            let sealed = store.seal(&source, MediaType::Document).unwrap();
            let fetched = store.fetch(&attachment(&sealed, MediaType::Document)).unwrap();
            assert_eq!(fetched, size);
            let published = store.publish(&source).unwrap();
            assert_eq!(published.sha256, sealed.sha256);
            assert_eq!(store.fetch(&attachment(&published, MediaType::Image)).unwrap(), size);
        }
    }

    #[test]
    fn every_lie_is_found_out() {
        let store = Store::open(None).unwrap();
        let source = Source::Bytes(b"hello".to_vec());
        let sealed = store.seal(&source, MediaType::Image).unwrap();
        let honest = attachment(&sealed, MediaType::Image);
        let code = |lie: Attachment| store.fetch(&lie).unwrap_err().code();
        let other = || Some(vec![1; KEY_LEN]);
        assert_eq!(code(Attachment { enc_sha256: other(), ..honest.clone() }), "CIPHERTEXT_HASH");
        assert_eq!(code(Attachment { key: other(), ..honest.clone() }), "MAC");
        assert_eq!(code(Attachment { kind: MediaType::Video, ..honest.clone() }), "MAC");
        assert_eq!(code(Attachment { sha256: vec![1; 32], ..honest.clone() }), "PLAINTEXT_HASH");
        assert_eq!(code(Attachment { size: Some(6), ..honest.clone() }), "LENGTH");
        assert_eq!(
            code(Attachment { direct_path: "/v/x".to_owned(), ..honest.clone() }),
            "NOT_FOUND"
        );
        assert_eq!(code(Attachment { direct_path: String::new(), ..honest.clone() }), "INCOMPLETE");
        let Found::Object(token) = store.find(&sealed.direct_path) else { panic!("not found") };
        assert!(store.tamper(&token).unwrap());
        assert_eq!(code(honest.clone()), "CIPHERTEXT_HASH");
        assert!(store.remove(&token).unwrap());
        assert_eq!(code(honest), "GONE");
    }

    #[test]
    fn generated_bytes_do_not_depend_on_chunks() {
        let mut all = Vec::new();
        let source = Source::Generated { size: 200_001, seed: 7 };
        let take = |chunk: &[u8]| {
            all.extend_from_slice(chunk);
            Ok(())
        };
        source.each_chunk(take).unwrap();
        let mut state = 7;
        assert_eq!(all, generate(&mut state, 200_001));
    }
}
