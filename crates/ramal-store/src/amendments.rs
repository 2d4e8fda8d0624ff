//! What authors do to their messages afterwards: change their text, or delete them for everybody.
//!
//! WhatsApp repeats what we did not take, and so may bring the deletion before the message. What was done
//! to a message that is not here is therefore kept for a while, and done to it as it comes.

use ramal_domain::{Direction, EventKind, NumberId, Peer, Place, Timestamp, WireId};
use sqlx::{AssertSqlSafe, Row as _};

use crate::{
    Message, Messages, StoreError,
    inbound::Fresh,
    messages::{COLUMNS, message, peer_text},
    retention::{DAY_MS, relays},
    row,
};

/// How long a message is waited for of which we know only what was done to it.
const EARLY_DAYS: i64 = 30;

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
    /// Whether customers are told.
    pub told: bool,
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

impl Author {
    /// As the database knows them.
    fn texts(&self) -> Vec<String> {
        match self {
            Self::Us => vec![String::new()],
            Self::Them(names) => names.iter().map(peer_text).collect(),
        }
    }
}

impl Messages<'_> {
    /// Does to a stored message what its author did, with `message.edited` or `message.deleted`.
    /// Returns whether this was news. What is done to a message that is still to come waits for it.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn amend(&mut self, amendment: &Amendment) -> Result<bool, StoreError> {
        // Messages are stored one after the other: none slips past what is done to it.
        if !self.take_turn(amendment.number).await? {
            return Ok(false);
        }
        let Some(mut message) = self.original(amendment).await? else {
            self.keep_early(amendment).await?;
            return Ok(false);
        };
        let at = amendment.at;
        let stale = message.edited_at.is_some_and(|before| before >= at);
        if message.revoked_at.is_some() || (stale && amendment.change != Change::Deleted) {
            return Ok(false);
        }
        let id = message.id.to_string();
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
                // Before the deletion itself is told, which says nothing of it.
                self.forget_events_of(&id).await?;
                EventKind::MessageDeleted
            }
        };
        if amendment.told {
            self.tell(&message, kind, at).await?;
        }
        if message.redacted {
            // It had been forgotten before this was told.
            self.forget_events_of(&id).await?;
        }
        self.write_amendment(&message).await?;
        Ok(true)
    }

    async fn write_amendment(&mut self, message: &Message) -> Result<(), StoreError> {
        let kept = !message.redacted && message.revoked_at.is_none();
        sqlx::query(
            "update messages set edited_at_ms = $2, revoked_at_ms = $3,
               content = case when $4 = 1 then $5 else content end,
               media = case when $4 = 1 then $6 else media end
             where id = $1",
        )
        .bind(message.id.to_string())
        .bind(message.edited_at.map(Timestamp::as_millis))
        .bind(message.revoked_at.map(Timestamp::as_millis))
        .bind(i64::from(kept))
        .bind(message.content.clone())
        .bind(message.media.clone().map(|media| media.written()))
        .execute(&mut *self.0.inner)
        .await?;
        self.erase_deleted(message.id).await
    }

    /// Keeps what was done to a message that is not here.
    async fn keep_early(&mut self, amendment: &Amendment) -> Result<(), StoreError> {
        let (deleted, content) = match &amendment.change {
            // What only passes through does not wait here.
            Change::Edited(_) if relays(self.0, amendment.number).await? => return Ok(()),
            Change::Edited(text) => (false, text.clone()),
            Change::Deleted => (true, None),
        };
        for author in amendment.author.texts() {
            sqlx::query(
                "insert into early_amendments
                   (number_id, wire_id, author, deleted, content, at_ms)
                 values ($1, $2, $3, $4, $5, $6)
                 on conflict (number_id, wire_id, author) do update
                 set deleted = excluded.deleted, content = excluded.content,
                   at_ms = excluded.at_ms
                 where early_amendments.deleted = 0
                   and (excluded.deleted = 1 or excluded.at_ms > early_amendments.at_ms)",
            )
            .bind(amendment.number.to_string())
            .bind(amendment.wire_id.as_str())
            .bind(author)
            .bind(i64::from(deleted))
            .bind(content.clone())
            .bind(amendment.at.as_millis())
            .execute(&mut *self.0.inner)
            .await?;
        }
        Ok(())
    }

    /// What its author did to a message before it came, and when: it is not kept any longer.
    pub(crate) async fn take_early(
        &mut self,
        fresh: &Fresh<'_>,
    ) -> Result<Option<(Change, Timestamp)>, StoreError> {
        let message = fresh.message;
        let [peer, from, lid] = if fresh.sent.is_some() {
            [String::new(), String::new(), String::new()]
        } else {
            let (peer, from) = (peer_text(fresh.peer), peer_text(&message.from));
            let lid = message.lid.clone().unwrap_or_else(|| peer.clone());
            [peer, from, lid]
        };
        let rows = sqlx::query(
            "delete from early_amendments
             where number_id = $1 and wire_id = $2 and author in ($3, $4, $5)
             returning deleted, content, at_ms",
        )
        .bind(message.number.to_string())
        .bind(message.wire_id.as_str())
        .bind(peer)
        .bind(from)
        .bind(lid)
        .fetch_all(&mut *self.0.inner)
        .await?;
        let mut last: Option<(Change, Timestamp)> = None;
        for row in &rows {
            let at = row::time(row, "early_amendments.at_ms")?;
            if row::flag(row, "early_amendments.deleted")? {
                return Ok(Some((Change::Deleted, at)));
            }
            if last.as_ref().is_none_or(|(_, before)| *before < at) {
                last = Some((Change::Edited(row.try_get("content")?), at));
            }
        }
        Ok(last)
    }

    /// Gives up waiting for messages of which we know only what was done to them; what such a message
    /// says since is kept no longer than its number's owner wishes. Returns how many.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn purge_early(&mut self, now: Timestamp) -> Result<u64, StoreError> {
        let done = sqlx::query(
            "delete from early_amendments where at_ms < $1 - $2 * $3
               or (deleted = 0 and exists (select 1 from numbers n
                 where n.id = early_amendments.number_id and n.pii_mode <> 'STORE_INDEFINITE'
                   and early_amendments.at_ms < $1 - coalesce(n.pii_retention_days, 0) * $3))",
        )
        .bind(now.as_millis())
        .bind(EARLY_DAYS)
        .bind(DAY_MS)
        .execute(&mut *self.0.inner)
        .await?;
        Ok(done.rows_affected())
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
