//! What is sent, in WhatsApp's words: texts as they are, media after they are fetched, encrypted and
//! uploaded. Files go over the disk, never whole through memory.

use std::{
    fs::File,
    io::{self, BufWriter, Read, Seek as _, SeekFrom},
    os::unix::fs::FileExt as _,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use ramal_domain::{Content, Media, MediaKind, MediaSource, MessageId};
use ramal_egress::{FetchError, Fetched, Fetcher};
use ramal_session::SendError;
use ramal_store::{Store, StoreError};
use tokio::{task::spawn_blocking, time::timeout};
use wacore::{
    download::MediaType,
    proto_helpers::MessageBuilderExt as _,
    upload::{EncryptedMediaInfo, UploadSource, encrypt_media_streaming},
};
use whatsapp_rust::{
    Client,
    media::{
        AudioOptions, DocumentOptions, ImageOptions, VideoOptions, audio_message, document_message,
        image_message, video_message,
    },
    upload::UploadResponse,
    waproto::{buffa::MessageField, whatsapp as wa},
};

use crate::connection::offline;

/// What voice messages are made of.
const VOICE: &str = "audio/ogg; codecs=opus";

/// Gets media ready. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Desk {
    pub(crate) store: Store,
    pub(crate) fetcher: Fetcher,
    /// Where files are put on their way.
    pub(crate) scratch: PathBuf,
    /// How long an upload may take.
    pub(crate) patience: Duration,
}

impl Desk {
    /// A message in WhatsApp's words. Media are on WhatsApp's servers when this returns.
    pub(crate) async fn ready(
        &self,
        client: &Client,
        id: MessageId,
        content: &Content,
    ) -> Result<wa::Message, SendError> {
        match content {
            Content::Text { body } => Ok(wa::Message::text(body)),
            Content::Media(media) => {
                let file = self.file(id, media).await?;
                refuse_another_type(media.kind, file.mime.as_deref())?;
                let described = Described::new(media, &file);
                let uploaded = self.upload(client, file, described.media_type).await?;
                Ok(described.message(uploaded))
            }
            // The use case refuses them: WhatsApp delivers them from official numbers only.
            Content::Template(_) | Content::Buttons(_) | Content::List(_) => {
                Err(SendError::Media("a QR-paired number sends texts and media".to_owned()))
            }
        }
    }

    async fn file(&self, id: MessageId, media: &Media) -> Result<Fetched, SendError> {
        let fetched = match &media.source {
            MediaSource::Link(url) => self.fetcher.fetch(url).await,
            MediaSource::Stored { .. } => {
                let bytes = self.stored(id).await.map_err(offline)?;
                let bytes = bytes.ok_or_else(|| SendError::Media("they are gone".to_owned()))?;
                let scratch = self.scratch.clone();
                spawn_blocking(move || Fetched::from_bytes(&scratch, &bytes))
                    .await
                    .map_err(offline)?
            }
        };
        fetched.map_err(fetch_error)
    }

    async fn stored(&self, id: MessageId) -> Result<Option<Vec<u8>>, StoreError> {
        self.store.read().await?.messages().outbound_media(id).await
    }

    async fn upload(
        &self,
        client: &Client,
        file: Fetched,
        kind: MediaType,
    ) -> Result<UploadResponse, SendError> {
        let scratch = self.scratch.clone();
        let sealed = spawn_blocking(move || seal(file, &scratch, kind)).await.map_err(offline)?;
        let (source, info) = sealed.map_err(offline)?;
        timeout(self.patience, client.upload_stream(source, info, kind))
            .await
            .map_err(offline)?
            .map_err(|error| offline(error.into_boxed_dyn_error()))
    }
}

/// Links to files often answer with a page about the file, which no phone can show as one.
fn refuse_another_type(kind: MediaKind, mime: Option<&str>) -> Result<(), SendError> {
    match mime.filter(|mime| !kind.may_be(mime)) {
        Some(mime) => {
            Err(SendError::Media(format!("they are {mime}, which is no {}", kind.name())))
        }
        None => Ok(()),
    }
}

fn fetch_error(error: FetchError) -> SendError {
    if matches!(error, FetchError::Unreachable(_)) {
        SendError::NoMedia(error.into())
    } else if error.passes() {
        offline(error)
    } else {
        SendError::Media(error.to_string())
    }
}

/// Encrypts a file into another one.
fn seal(
    Fetched { mut file, .. }: Fetched,
    scratch: &std::path::Path,
    kind: MediaType,
) -> io::Result<(Sealed, EncryptedMediaInfo)> {
    let mut sealed = tempfile::tempfile_in(scratch)?;
    file.seek(SeekFrom::Start(0))?;
    let info = encrypt_media_streaming(&file, BufWriter::new(&mut sealed), kind)
        .map_err(|error| io::Error::other(error.into_boxed_dyn_error()))?;
    let length = sealed.metadata()?.len();
    Ok((Sealed { file: Arc::new(sealed), length }, info))
}

/// An encrypted file; each try to upload it reads it anew.
struct Sealed {
    file: Arc<File>,
    length: u64,
}

impl UploadSource for Sealed {
    fn len(&self) -> u64 {
        self.length
    }

    fn reader_from(&self, offset: u64) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(From { file: Arc::clone(&self.file), at: offset }))
    }
}

/// Reads a file from a place on, whoever else reads it.
struct From {
    file: Arc<File>,
    at: u64,
}

impl Read for From {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.at)?;
        self.at = self.at.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
        Ok(read)
    }
}

/// What WhatsApp is told of a file.
struct Described {
    kind: MediaKind,
    media_type: MediaType,
    mime: String,
    caption: Option<String>,
    file_name: Option<String>,
}

impl Described {
    fn new(media: &Media, file: &Fetched) -> Self {
        let told = match &media.source {
            MediaSource::Link(_) => None,
            MediaSource::Stored { mime } => Some(mime.clone()),
        };
        let mime = told.or_else(|| file.mime.clone());
        let (media_type, usual) = match media.kind {
            MediaKind::Image => (MediaType::Image, "image/jpeg"),
            MediaKind::Video => (MediaType::Video, "video/mp4"),
            MediaKind::Audio => (MediaType::Audio, "audio/mpeg"),
            MediaKind::Voice => (MediaType::Audio, VOICE),
            MediaKind::Document => (MediaType::Document, "application/octet-stream"),
            MediaKind::Sticker => (MediaType::Sticker, "image/webp"),
        };
        let mime = match mime {
            // Phones play a voice message only if it says how it is made.
            Some(mime) if mime.starts_with("audio/ogg") || mime == "audio/opus" => VOICE.to_owned(),
            Some(mime) => mime,
            None => usual.to_owned(),
        };
        let file_name = media.file_name.clone().or_else(|| file.name.clone());
        Self { kind: media.kind, media_type, mime, caption: media.caption.clone(), file_name }
    }

    fn message(self, upload: UploadResponse) -> wa::Message {
        let Self { kind, mime, caption, file_name, media_type: _ } = self;
        // What is recorded as Ogg Opus is a voice message, whatever it is called (contract C.21).
        let voice = kind == MediaKind::Voice || mime == VOICE;
        let mimetype = Some(mime);
        match kind {
            MediaKind::Image => {
                image_message(upload, ImageOptions { caption, mimetype, ..Default::default() })
            }
            MediaKind::Video => {
                video_message(upload, VideoOptions { caption, mimetype, ..Default::default() })
            }
            MediaKind::Document => {
                let file_name = Some(file_name.unwrap_or_else(|| "document".to_owned()));
                let title = file_name.clone();
                let options =
                    DocumentOptions { mimetype, file_name, title, caption, ..Default::default() };
                document_message(upload, options)
            }
            MediaKind::Audio | MediaKind::Voice => {
                let ptt = Some(voice);
                audio_message(upload, AudioOptions { mimetype, ptt, ..Default::default() })
            }
            MediaKind::Sticker => sticker(upload, mimetype),
        }
    }
}

fn sticker(upload: UploadResponse, mimetype: Option<String>) -> wa::Message {
    let sticker = wa::message::StickerMessage {
        url: Some(upload.url),
        direct_path: Some(upload.direct_path),
        media_key: Some(upload.media_key.to_vec()),
        file_sha256: Some(upload.file_sha256.to_vec()),
        file_enc_sha256: Some(upload.file_enc_sha256.to_vec()),
        file_length: Some(upload.file_length),
        media_key_timestamp: Some(upload.media_key_timestamp),
        mimetype,
        ..Default::default()
    };
    wa::Message { sticker_message: MessageField::some(sticker), ..Default::default() }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn file(mime: Option<&str>, name: Option<&str>) -> Fetched {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"bytes").unwrap();
        let (mime, name) = (mime.map(str::to_owned), name.map(str::to_owned));
        Fetched { file, length: 5, mime, name }
    }

    fn described(kind: MediaKind, mime: Option<&str>) -> Described {
        let source = MediaSource::Link("https://example.com/x".to_owned());
        let media = Media { kind, source, caption: Some("a cat".to_owned()), file_name: None };
        Described::new(&media, &file(mime, Some("x.bin")))
    }

    #[test]
    fn a_file_says_what_it_is_and_else_is_what_its_kind_usually_is() {
        assert_eq!(described(MediaKind::Image, Some("image/png")).mime, "image/png");
        assert_eq!(described(MediaKind::Image, None).mime, "image/jpeg");
        assert_eq!(described(MediaKind::Voice, Some("audio/ogg")).mime, VOICE);
        assert_eq!(described(MediaKind::Document, None).file_name.as_deref(), Some("x.bin"));
    }

    #[test]
    fn a_sealed_file_is_read_from_any_place() {
        let (sealed, info) =
            seal(file(None, None), &std::env::temp_dir(), MediaType::Document).unwrap();
        assert_eq!((info.file_length, sealed.is_empty()), (5, false));
        let mut whole = Vec::new();
        sealed.reader_from(0).unwrap().read_to_end(&mut whole).unwrap();
        let mut rest = Vec::new();
        sealed.reader_from(7).unwrap().read_to_end(&mut rest).unwrap();

        assert_eq!(u64::try_from(whole.len()).unwrap(), sealed.len());
        assert_eq!(whole.get(7..), Some(rest.as_slice()));
    }
}
