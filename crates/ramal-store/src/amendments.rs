//! What authors do to their messages afterwards: change their text, or delete them for everybody.

use ramal_domain::{Direction, EventKind, NumberId, Peer, Place, Timestamp, WireId};
use sqlx::AssertSqlSafe;

use crate::{
    Message, Messages, StoreError,
    messages::{COLUMNS, message, peer_text},
};

/// What an author did to a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Amendment {
    /// The number that sent or got it.
    pub number: NumberId,
    /// Where it was said.
    pub place: Place,
    /// WhatsApp's id of the message.
    pub wire_id: WireId,
    /// Whose message it is; of somebody else's nothing is amended.
    pub author: Author,
    /// What was done.
    pub change: Change,
    /// When.
    pub at: Timestamp,
}

/// Whose message it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Author {
    /// The number's own.
    Us,
    /// Another one's, by the names that are known: a phone number, a LID.
    Them(Vec<Peer>),
}

/// What was done to a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It says something else now.
    Edited(Option<String>),
    /// It is gone.
    Deleted,
}

impl Messages<'_> {
    /// Does to a stored message what its author did, with `message.edited` or `message.deleted`.
    /// Returns whether this was news.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn amend(&mut self, amendment: &Amendment) -> Result<bool, StoreError> {
        let Some(mut message) = self.original(amendment).await? else { return Ok(false) };
        let at = amendment.at;
        let stale = message.edited_at.is_some_and(|before| before >= at);
        if message.revoked_at.is_some() || (stale && amendment.change != Change::Deleted) {
            return Ok(false);
        }
        let kind = match &amendment.change {
            Change::Edited(text) => {
                message.content.clone_from(text);
                // Of media, the caption is what can be changed.
                if let Some(media) = &mut message.media {
                    media.caption.clone_from(text);
                }
                message.edited_at = Some(at);
                EventKind::MessageEdited
            }
            Change::Deleted => {
                (message.content, message.media) = (None, None);
                message.revoked_at = Some(at);
                EventKind::MessageDeleted
            }
        };
        self.tell(&message, kind, at).await?;
        self.write_amended(&message).await?;
        Ok(true)
    }

    async fn write_amended(&mut self, message: &Message) -> Result<(), StoreError> {
        // What is not kept is not kept again.
        let content = message.content.clone().filter(|_| !message.redacted);
        let mut media = message.media.clone();
        if let Some(media) = media.as_mut().filter(|_| message.redacted) {
            media.caption = None;
        }
        // A link to media that are gone leads nowhere.
        let hash = if message.revoked_at.is_some() { ", media_hash = null" } else { "" };
        let sql = format!(
            "update messages set content = $2, edited_at_ms = $3, revoked_at_ms = $4, media = $5{hash}
             where id = $1"
        );
        sqlx::query(AssertSqlSafe(sql))
            .bind(message.id.to_string())
            .bind(content)
            .bind(message.edited_at.map(Timestamp::as_millis))
            .bind(message.revoked_at.map(Timestamp::as_millis))
            .bind(media.map(|media| media.written()))
            .execute(&mut *self.0.inner)
            .await?;
        Ok(())
    }

    async fn original(&mut self, amendment: &Amendment) -> Result<Option<Message>, StoreError> {
        let sql = format!(
            "select {COLUMNS} from messages where number_id = $1 and wire_id = $2
             and place = $3{}",
            self.0.for_update()
        );
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(amendment.number.to_string())
            .bind(amendment.wire_id.as_str())
            .bind(amendment.place.id())
            .fetch_all(&mut *self.0.inner)
            .await?;
        for row in &rows {
            let message = message(row)?;
            let theirs = match &amendment.author {
                Author::Us => message.direction == Direction::Outbound,
                Author::Them(names) => {
                    let peer = peer_text(&message.peer);
                    message.direction == Direction::Inbound
                        && names.iter().any(|name| peer_text(name) == peer)
                }
            };
            if theirs {
                return Ok(Some(message));
            }
        }
        Ok(None)
    }
}
