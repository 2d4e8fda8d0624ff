//! Media that came in: fetched at WhatsApp when somebody asks for it, and never kept here.

use std::error::Error;

use futures_util::{StreamExt as _, stream::BoxStream};
use ramal_domain::{MediaToken, NumberId};
use ramal_meta::GraphError;
use ramal_session::MediaError;
use ramal_store::{Message, RemoteMedia};
use tokio::sync::Semaphore;
use tokio_util::io::ReaderStream;

use crate::{
    App, AppError, Refusal, Scoped,
    official::{refusal_of, stored_ids},
};

/// Files that are fetched from WhatsApp at a time: each lies on the disk meanwhile.
static FETCHES: Semaphore = Semaphore::const_new(32);

/// Media on its way.
pub struct OpenMedia {
    /// Its media type.
    pub mime: Option<String>,
    /// What it is called.
    pub file_name: Option<String>,
    /// Its bytes.
    pub bytes: BoxStream<'static, std::io::Result<bytes::Bytes>>,
}

impl std::fmt::Debug for OpenMedia {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenMedia").field("mime", &self.mime).finish_non_exhaustive()
    }
}

impl App {
    /// Begins to fetch the media that a link leads to.
    ///
    /// # Errors
    ///
    /// [`Refusal::MediaNotFound`], [`Refusal::NoAnswer`], [`Refusal::MetaUnavailable`] and
    /// [`Refusal::MetaTimeout`].
    pub async fn open_media(&self, token: &str) -> Result<OpenMedia, AppError> {
        let now = self.clock.now();
        let hash = MediaToken::hash_of(token);
        let found = self.store.read().await?.messages().find_media(&hash, now).await?;
        self.fetch(found.ok_or(Refusal::MediaNotFound)?).await
    }

    /// Begins to fetch the media in a message of the scoped number, by any of its ids. Of a message whose
    /// contents are not kept, only the link leads to them.
    ///
    /// # Errors
    ///
    /// As [`App::open_media`], and [`Refusal::MessageNotFound`].
    pub async fn message_media(&self, scoped: &Scoped, id: &str) -> Result<OpenMedia, AppError> {
        let message = self.get_message(scoped, id).await?;
        if message.redacted {
            return Err(Refusal::MediaNotFound.into());
        }
        self.fetch(message).await
    }

    async fn fetch(&self, mut message: Message) -> Result<OpenMedia, AppError> {
        let media = message.media.take().ok_or(Refusal::MediaNotFound)?;
        let told = OpenMedia {
            mime: media.mime,
            file_name: media.file_name,
            bytes: futures_util::stream::empty().boxed(),
        };
        match (media.remote, media.meta_id) {
            (Some(remote), _) => self.fetch_whatsapp(&remote, told).await,
            (None, Some(id)) => self.fetch_meta(message.number, &id, told).await,
            (None, None) => Err(Refusal::MediaNotFound.into()),
        }
    }

    async fn fetch_whatsapp(
        &self,
        remote: &RemoteMedia,
        told: OpenMedia,
    ) -> Result<OpenMedia, AppError> {
        // It is never closed.
        let _turn = FETCHES.acquire().await.map_err(|_closed| Refusal::NoAnswer)?;
        let file = self.sessions.open_media(remote).await.map_err(|error| {
            let sentence = &error as &dyn Error;
            tracing::info!(error = sentence, "media were not fetched");
            match error {
                MediaError::Gone(_) | MediaError::TooLarge(_) => Refusal::MediaNotFound,
                MediaError::Unavailable(_) => Refusal::NoAnswer,
            }
        })?;
        let bytes = ReaderStream::new(tokio::fs::File::from_std(file)).boxed();
        Ok(OpenMedia { bytes, ..told })
    }

    async fn fetch_meta(
        &self,
        number: NumberId,
        id: &str,
        told: OpenMedia,
    ) -> Result<OpenMedia, AppError> {
        let meta = self.meta()?;
        let official = self.store.read().await?.official().get(number).await?;
        let official = official.ok_or(Refusal::MediaNotFound)?;
        let (phone, _waba) = stored_ids(&official)?;
        let access = meta.access(&official);
        let gone = |error: GraphError| {
            let refusal = refusal_of(&error);
            let passes = matches!(refusal, Refusal::MetaUnavailable | Refusal::MetaTimeout);
            // Else it was deleted or expired, or the token is no good any more: it cannot be had.
            if passes { refusal } else { Refusal::MediaNotFound }
        };
        let info = meta.graph.media(&access, id, Some(&phone)).await.map_err(gone)?;
        let download = meta.graph.download(&access, &info).await.map_err(gone)?;
        let mime = told.mime.or_else(|| download.content_type.clone());
        let bytes = download.into_stream().map(|chunk| chunk.map_err(std::io::Error::other));
        Ok(OpenMedia { mime, bytes: bytes.boxed(), ..told })
    }
}
