//! Media that came in: fetched at Meta when somebody asks for it.

use futures_util::{Stream, stream::BoxStream};
use ramal_meta::GraphError;

use super::{inbound::media_hash, refusal_of, stored_ids};
use crate::{App, AppError, Refusal};

/// Media on its way.
pub struct OpenMedia {
    /// Its media type.
    pub mime: Option<String>,
    /// Its bytes.
    pub bytes: BoxStream<'static, Result<bytes::Bytes, GraphError>>,
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
    /// [`Refusal::MediaNotFound`], [`Refusal::MetaUnavailable`] and [`Refusal::MetaTimeout`].
    pub async fn open_media(&self, token: &str) -> Result<OpenMedia, AppError> {
        let meta = self.meta()?;
        let now = self.clock.now();
        let mut tx = self.store.read().await?;
        let found = tx.messages().find_media(&media_hash(token), now).await?;
        let message = found.ok_or(Refusal::MediaNotFound)?;
        let official = tx.official().get(message.number).await?.ok_or(Refusal::MediaNotFound)?;
        drop(tx);
        let stored = message.media.ok_or(Refusal::MediaNotFound)?;
        let id = stored.meta_id.ok_or(Refusal::MediaNotFound)?;
        let (phone, _waba) = stored_ids(&official)?;
        let access = meta.access(&official);
        let gone = |error: GraphError| {
            let refusal = refusal_of(&error);
            let passes = matches!(refusal, Refusal::MetaUnavailable | Refusal::MetaTimeout);
            // Else it was deleted or expired, or the token is no good any more: it cannot be had.
            if passes { refusal } else { Refusal::MediaNotFound }
        };
        let info = meta.graph.media(&access, &id, Some(&phone)).await.map_err(gone)?;
        let download = meta.graph.download(&access, &info).await.map_err(gone)?;
        let mime = stored.mime.or_else(|| download.content_type.clone());
        Ok(OpenMedia { mime, bytes: boxed(download.into_stream()) })
    }
}

fn boxed<S>(stream: S) -> BoxStream<'static, S::Item>
where
    S: Stream + Send + 'static,
{
    Box::pin(stream)
}
