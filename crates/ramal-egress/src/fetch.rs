//! Fetches files from customers' addresses: to a file without a name, bounded in size and time.

use std::{
    fs::File,
    io::{Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    time::Duration,
};

use reqwest::{
    Client, Response, StatusCode,
    header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderMap, LOCATION},
};
use tokio::time::timeout;
use url::Url;

use crate::{Policy, TargetError};

/// How many redirects are followed; each target is checked like the first.
const REDIRECTS_MAX: usize = 5;
/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How much of a file says what it is.
const MAGIC: usize = 4_096;

/// Why a file was not fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The address is refused.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// Its host says that it does not exist, or not for us.
    #[error("its address answered {0}")]
    Refused(StatusCode),
    /// It has more bytes than are allowed.
    #[error("it has more than {0} bytes")]
    TooLarge(u64),
    /// It has none.
    #[error("it is empty")]
    Empty,
    /// Redirects without an end, or to nowhere.
    #[error("its address leads on and on")]
    Astray,
    /// No answer in time, or a host that is unwell: later it may be had.
    #[error("its address did not answer")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// This machine has no room for it.
    #[error("it could not be put on the disk")]
    Disk(#[source] std::io::Error),
}

impl FetchError {
    /// Whether the same address may give the file later.
    pub const fn passes(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Disk(_) => true,
            Self::Target(_) | Self::Refused(_) | Self::TooLarge(_) | Self::Empty | Self::Astray => {
                false
            }
        }
    }
}

/// A file that was fetched.
#[derive(Debug)]
pub struct Fetched {
    /// Its bytes, from the first on; gone when it is dropped, also if the process dies.
    pub file: File,
    /// How many there are.
    pub length: u64,
    /// Its media type: what its first bytes say, else what its host says.
    pub mime: Option<String>,
    /// Its name, if its host or its address has one.
    pub name: Option<String>,
}

impl Fetched {
    /// Puts bytes that are already here beside those that are fetched.
    ///
    /// # Errors
    ///
    /// [`FetchError::Disk`], [`FetchError::Empty`].
    pub fn from_bytes(scratch: &Path, bytes: &[u8]) -> Result<Self, FetchError> {
        let mut file = tempfile::tempfile_in(scratch).map_err(FetchError::Disk)?;
        file.write_all(bytes).map_err(FetchError::Disk)?;
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let mime = sniff(bytes);
        Self { file, length, mime, name: None }.rewound()
    }

    fn rewound(mut self) -> Result<Self, FetchError> {
        if self.length == 0 {
            return Err(FetchError::Empty);
        }
        self.file.seek(SeekFrom::Start(0)).map_err(FetchError::Disk)?;
        Ok(self)
    }
}

/// Fetches files from customers' addresses.
#[derive(Clone, Debug)]
pub struct Fetcher {
    client: Client,
    policy: Policy,
    scratch: PathBuf,
    patience: Duration,
    length_max: u64,
}

impl Fetcher {
    /// One that goes where `policy` allows, keeps files in the directory `scratch`, and gives up after
    /// `patience` or `length_max` bytes.
    ///
    /// # Errors
    ///
    /// When the client cannot be built: no TLS, or no trusted certificates.
    pub fn new(
        policy: Policy,
        scratch: PathBuf,
        patience: Duration,
        length_max: u64,
    ) -> Result<Self, reqwest::Error> {
        let client = policy.client().connect_timeout(CONNECT_TIMEOUT.min(patience)).build()?;
        Ok(Self { client, policy, scratch, patience, length_max })
    }

    /// Fetches what is at `url`.
    ///
    /// # Errors
    ///
    /// [`FetchError`].
    pub async fn fetch(&self, url: &str) -> Result<Fetched, FetchError> {
        timeout(self.patience, self.follow(url))
            .await
            .map_err(|elapsed| FetchError::Unreachable(elapsed.into()))?
    }

    async fn follow(&self, url: &str) -> Result<Fetched, FetchError> {
        let mut url = self.policy.check(url)?;
        for _ in 0..=REDIRECTS_MAX {
            let response = self.client.get(url.clone()).send().await.map_err(lost)?;
            let status = response.status();
            if status.is_redirection() {
                let next = location(&url, response.headers()).ok_or(FetchError::Astray)?;
                url = self.policy.check(next.as_str())?;
                continue;
            }
            if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
                return Err(FetchError::Unreachable(format!("status {status}").into()));
            }
            if !status.is_success() {
                return Err(FetchError::Refused(status));
            }
            return self.save(response, &url).await;
        }
        Err(FetchError::Astray)
    }

    async fn save(&self, mut response: Response, url: &Url) -> Result<Fetched, FetchError> {
        let too_large = || FetchError::TooLarge(self.length_max);
        if response.content_length().is_some_and(|length| length > self.length_max) {
            return Err(too_large());
        }
        let told = header(response.headers(), CONTENT_TYPE.as_str());
        let name = header(response.headers(), CONTENT_DISPOSITION.as_str())
            .and_then(|value| file_name(&value))
            .or_else(|| last_segment(url));
        let mut file = tempfile::tempfile_in(&self.scratch).map_err(FetchError::Disk)?;
        let (mut length, mut start) = (0_u64, Vec::new());
        while let Some(chunk) = response.chunk().await.map_err(lost)? {
            length = length.saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
            if length > self.length_max {
                return Err(too_large());
            }
            let room = MAGIC.saturating_sub(start.len());
            start.extend(chunk.iter().take(room));
            // A page cache takes it: not worth a thread for each piece.
            file.write_all(&chunk).map_err(FetchError::Disk)?;
        }
        let told = told.filter(|mime| !mime.starts_with("application/octet-stream"));
        Fetched { file, length, mime: sniff(&start).or(told), name }.rewound()
    }
}

fn lost(error: reqwest::Error) -> FetchError {
    match TargetError::within(&error) {
        Some(refused) => refused.into(),
        None => FetchError::Unreachable(error.without_url().into()),
    }
}

fn location(from: &Url, headers: &HeaderMap) -> Option<Url> {
    from.join(&header(headers, LOCATION.as_str())?).ok()
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.trim().to_owned())
}

fn sniff(start: &[u8]) -> Option<String> {
    infer::get(start).map(|kind| kind.mime_type().to_owned())
}

/// `attachment; filename="a.pdf"` names a file.
fn file_name(disposition: &str) -> Option<String> {
    let (_, name) = disposition.split_once("filename=")?;
    let name = name.split(';').next()?.trim().trim_matches('"');
    Some(name.to_owned()).filter(|name| !name.is_empty() && !name.contains(['/', '\\']))
}

fn last_segment(url: &Url) -> Option<String> {
    let segment = url.path_segments()?.next_back()?;
    let name = url::form_urlencoded::parse(segment.as_bytes()).next()?.0.into_owned();
    Some(name).filter(|name| name.contains('.') && !name.contains(['/', '\\', '\0']))
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use axum::{Router, response::Redirect, routing::get};

    use super::*;

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n0000";
    const OPEN: Policy = Policy { plain: true, private: true };

    fn fetcher(policy: Policy) -> Fetcher {
        Fetcher::new(policy, std::env::temp_dir(), Duration::from_secs(10), 1_000).unwrap()
    }

    async fn host() -> String {
        let disposition = [("content-disposition", "attachment; filename=\"b.bin\"")];
        let app = Router::new()
            .route("/a%20b.png", get(|| async { PNG }))
            .route("/named", get(move || async move { (disposition, "words") }))
            .route("/empty.txt", get(|| async { "" }))
            .route("/large", get(|| async { vec![0_u8; 1_001] }))
            .route("/ill", get(|| async { StatusCode::SERVICE_UNAVAILABLE }))
            .route("/once", get(|| async { Redirect::temporary("/named") }))
            .route("/round", get(|| async { Redirect::temporary("/round") }));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        #[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
        drop(tokio::spawn(async move { axum::serve(listener, app).await.unwrap() }));
        format!("http://{address}")
    }

    #[tokio::test]
    async fn files_come_with_their_type_and_name() {
        let host = host().await;
        let fetcher = fetcher(OPEN);

        let mut image = fetcher.fetch(&format!("{host}/a%20b.png")).await.unwrap();
        let mut bytes = Vec::new();
        image.file.read_to_end(&mut bytes).unwrap();
        assert_eq!((bytes.as_slice(), image.length), (PNG, 12));
        assert_eq!(image.mime.as_deref(), Some("image/png"));
        assert_eq!(image.name.as_deref(), Some("a b.png"));
        for path in ["named", "once"] {
            let named = fetcher.fetch(&format!("{host}/{path}")).await.unwrap();
            assert_eq!(named.name.as_deref(), Some("b.bin"), "{path}");
            assert_eq!(named.mime.as_deref(), Some("text/plain; charset=utf-8"));
        }
    }

    #[tokio::test]
    async fn what_cannot_be_had_is_told_by_type() {
        let host = host().await;
        let fetcher = fetcher(OPEN);
        let fetch = async |path: &str| fetcher.fetch(&format!("{host}/{path}")).await.unwrap_err();

        assert!(matches!(fetch("nothing").await, FetchError::Refused(StatusCode::NOT_FOUND)));
        assert!(matches!(fetch("large").await, FetchError::TooLarge(1_000)));
        assert!(matches!(fetch("empty.txt").await, FetchError::Empty));
        assert!(matches!(fetch("round").await, FetchError::Astray));
        let ill = fetch("ill").await;
        assert!(matches!(ill, FetchError::Unreachable(_)) && ill.passes());
    }

    #[tokio::test]
    async fn a_redirect_does_not_lead_around_the_guard() {
        let host = host().await;
        let strict = fetcher(Policy { plain: true, private: false });

        let refused = strict.fetch(&format!("{host}/once")).await.unwrap_err();
        assert!(matches!(refused, FetchError::Target(TargetError::NotPublic)), "{refused:?}");
        assert!(!refused.passes());
    }

    #[test]
    fn names_lead_nowhere() {
        assert_eq!(file_name("attachment; filename=\"../x\""), None);
        assert_eq!(file_name("inline; filename=a.pdf; x=1").as_deref(), Some("a.pdf"));
        assert_eq!(last_segment(&Url::parse("https://x/a/%2e%2e%2fb.c").unwrap()), None);
        assert_eq!(last_segment(&Url::parse("https://x/nothing").unwrap()), None);
    }
}
