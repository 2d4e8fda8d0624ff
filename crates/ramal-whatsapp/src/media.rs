//! Media that came in: fetched from WhatsApp and decrypted when somebody asks for them.

use std::{fs::File, path::PathBuf, sync::Arc, time::Duration};

use ramal_session::MediaError;
use ramal_store::RemoteMedia;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;
use wacore::download::{Downloadable, MediaRoute, MediaType};
use whatsapp_rust::download::{DownloadParams, MediaDownloadError, MediaDownloader};

use crate::{Options, http::Http, runtime};

/// Fetches media that came in. Cheap to clone.
#[derive(Clone)]
pub(crate) struct MediaDoor {
    downloader: Arc<MediaDownloader>,
    scratch: PathBuf,
    patience: Duration,
    length_max: u64,
}

impl std::fmt::Debug for MediaDoor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MediaDoor").field("scratch", &self.scratch).finish_non_exhaustive()
    }
}

impl MediaDoor {
    /// A door that works as `[whatsapp]` says; its tasks run on `tasks`.
    pub(crate) fn new(options: &Options, tasks: TaskTracker) -> Self {
        let http = Http::new(&options.media_url, options.media_max, options.media_timeout);
        let runtime = Arc::new(runtime::bare(tasks));
        let route = MediaRoute::default_hosts();
        Self {
            downloader: Arc::new(MediaDownloader::new(Arc::new(http), runtime, route)),
            scratch: options.scratch_dir.clone(),
            patience: options.media_timeout,
            length_max: options.media_max,
        }
    }

    /// The plain bytes, in a file that is gone when it is dropped. They are those that were sent: what
    /// their key authenticates was compared, or of channels, which have none, their hash.
    ///
    /// # Errors
    ///
    /// [`MediaError`].
    pub(crate) async fn open(&self, remote: &RemoteMedia) -> Result<File, MediaError> {
        if remote.length > self.length_max {
            return Err(MediaError::TooLarge(self.length_max));
        }
        let params = params(remote).ok_or_else(|| MediaError::Gone("no key".into()))?;
        let file = tempfile::tempfile_in(&self.scratch)
            .map_err(|error| MediaError::Unavailable(error.into()))?;
        timeout(
            self.patience,
            self.downloader.download_to_writer(&params as &dyn Downloadable, file),
        )
        .await
        .map_err(|elapsed| MediaError::Unavailable(elapsed.into()))?
        .map_err(|error| match error {
            MediaDownloadError::ReferenceRejected(_) | MediaDownloadError::Other(_) => {
                MediaError::Gone(error.into())
            }
            MediaDownloadError::HostsUnreachable(_) | MediaDownloadError::NoHosts => {
                MediaError::Unavailable(error.into())
            }
            // The library may name more one day.
            _ => MediaError::Unavailable(error.into()),
        })
    }
}

/// What the database keeps, for the library. Media of channels are not encrypted: they have no key.
fn params(remote: &RemoteMedia) -> Option<DownloadParams> {
    let bytes = |text: &str| hex::decode(text).ok();
    let some = |text: &str| bytes(text).filter(|bytes| !bytes.is_empty());
    Some(DownloadParams {
        direct_path: Some(remote.path.clone()).filter(|path| path.starts_with('/'))?,
        media_key: some(&remote.key),
        file_sha256: bytes(&remote.sha256)?,
        file_enc_sha256: some(&remote.enc_sha256),
        file_length: remote.length,
        media_type: media_type(&remote.kind)?,
    })
}

/// The kinds of [`RemoteMedia::kind`].
fn media_type(kind: &str) -> Option<MediaType> {
    Some(match kind {
        "image" => MediaType::Image,
        "video" => MediaType::Video,
        "audio" => MediaType::Audio,
        "document" => MediaType::Document,
        "sticker" => MediaType::Sticker,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_again() {
        let remote = RemoteMedia {
            kind: "image".to_owned(),
            path: "/v/t62/a?x=1".to_owned(),
            key: "ab".repeat(32),
            sha256: "cd".repeat(32),
            enc_sha256: "ef".repeat(32),
            length: 9,
        };
        let read = params(&remote).unwrap();
        assert_eq!((read.media_key, read.file_length), (Some(vec![0xab; 32]), 9));

        let plain = RemoteMedia { key: String::new(), ..remote.clone() };
        assert_eq!(params(&plain).unwrap().media_key, None);
        for wrong in [
            RemoteMedia { kind: "poll".to_owned(), ..remote.clone() },
            RemoteMedia { path: "https://elsewhere/".to_owned(), ..remote.clone() },
            RemoteMedia { sha256: "x".to_owned(), ..remote },
        ] {
            assert!(params(&wrong).is_none(), "{wrong:?}");
        }
    }
}
