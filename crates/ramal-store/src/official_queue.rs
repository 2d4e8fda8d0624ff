//! The queue of official numbers.
//!
//! Meta recognises no repeat: a message that is sent twice arrives twice. So a try is written down
//! before it begins. One whose end was not written down, because the process died, is not tried again
//! but waits for a status of Meta's, and is given up when none comes.

use ramal_domain::{
    Content, MessageId, MessageStatus, NumberId, Peer, TenantId, Timestamp, WireId,
};
use sqlx::{AssertSqlSafe, Row as _, any::AnyRow};

use crate::{
    Failure, Messages, StoreError, Tried,
    leases::placeholders,
    messages::{content_of, peer_of},
    row,
};

/// A message whose try has begun.
#[derive(Clone, Debug)]
pub struct OfficialMessage {
    /// Our id.
    pub id: MessageId,
    /// The number that sends.
    pub number: NumberId,
    /// The recipient: a phone number, or Meta's business-scoped id of a user.
    pub to: Peer,
    /// What it says.
    pub content: Content,
    /// Whether what it answers is to be marked as read.
    pub mark_read: bool,
    /// How many tries have failed.
    pub tries: u32,
}

/// How far a message has come, as Meta reports it.
#[derive(Clone, Debug)]
pub struct OfficialStatus {
    /// Meta's id of the message.
    pub wire_id: WireId,
    /// Our id, given along when it was sent: by it the message is found even when Meta's answer was
    /// lost.
    pub tag: Option<MessageId>,
    /// How far it has come.
    pub status: MessageStatus,
    /// Why it failed.
    pub failure: Option<Failure>,
    /// Since when.
    pub at: Timestamp,
}

/// A message of which nobody knows whether Meta has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BegunMessage {
    /// Our id.
    pub id: MessageId,
    /// The number that sends.
    pub number: NumberId,
}

/// The next message of each official number that is connected, at `$1`, `$2` of them at most, but for
/// those of so many numbers that send already: the oldest that is due, of which no older one to the
/// same recipient waits, and none is under way.
pub(crate) fn heads(busy: usize) -> String {
    let others = if busy == 0 {
        String::new()
    } else {
        format!("and n.id not in ({})", placeholders(3, busy))
    };
    format!(
        "select m.id, m.number_id, m.peer, m.content, m.payload, m.mark_read, m.tries
         from numbers n join official_numbers o on o.number_id = n.id
           join messages m on m.id = (select h.id from messages h
             where h.number_id = n.id and h.status = 'QUEUED' and h.began_at_ms is null
               and h.due_at_ms <= $1 and h.not_before_ms <= $1
               and (h.until_ms is null or h.until_ms > $1)
               and not exists (select 1 from messages f where f.number_id = n.id
                 and f.status = 'QUEUED' and f.began_at_ms is not null and f.peer = h.peer)
               and not exists (select 1 from messages e where e.number_id = n.id
                 and e.status = 'QUEUED' and e.peer = h.peer and e.not_before_ms <= $1
                 and (e.until_ms is null or e.until_ms > $1)
                 and (e.created_at_ms, e.id) < (h.created_at_ms, h.id))
             order by h.created_at_ms, h.id limit 1)
         where n.provider = 'META' and n.stage = 'live' and n.link = 'open'
           and o.paused_until_ms <= $1 {others}
         order by m.created_at_ms, m.id limit $2"
    )
}

/// Tries of official numbers that began before `$1`, `$2` of them at most. Number by number, as the
/// index has them.
pub(crate) const BEGUN_BEFORE: &str =
    "select m.id, m.number_id from numbers n cross join messages m
    where n.provider = 'META' and m.number_id = n.id and m.status = 'QUEUED'
      and m.began_at_ms is not null and m.began_at_ms < $1 limit $2";

/// A message from number `$1` by Meta's id, which has the first word, or by ours. A branch for each, so
/// that each follows its index.
pub(crate) const MESSAGE_OF: &str = "select id, 0 as word from messages
      where number_id = $1 and wire_id = $2 and direction = 'out'
    union all select id, 1 as word from messages
      where number_id = $1 and id = $3 and direction = 'out'
    order by word limit 1";

/// The last message to number `$1` of tenant `$2` from a peer, `$3` or `$4`. Zero is added so that the
/// index by peer is followed, not the one by time through all that others wrote.
pub(crate) const LAST_INBOUND: &str = "select id, wire_id, read_at_ms from messages
    where number_id = $1 and peer in ($3, $4) and tenant_id = $2 and direction = 'in' and place = ''
    order by created_at_ms + 0 desc, id desc limit 1";

impl Messages<'_> {
    /// Begins a try of the next message of each official number that is connected and not among `busy`,
    /// which send something at this moment. One at a time, so order is kept; behind a try whose end is
    /// not known, those to the same recipient wait, and only those.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn begin_official(
        &mut self,
        busy: &[NumberId],
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<OfficialMessage>, StoreError> {
        let rows = self.heads(busy, now, limit).await?;
        let mut begun = Vec::with_capacity(rows.len());
        for row in &rows {
            let message = match official_message(row) {
                // It holds up nothing but itself.
                Err(StoreError::Inconsistent { column: "messages.payload" }) => {
                    self.failed(row::parsed(row, "messages.id")?, &unreadable(), now).await?;
                    continue;
                }
                read => read?,
            };
            let done = sqlx::query(
                "update messages set began_at_ms = $2
                 where id = $1 and status = 'QUEUED' and began_at_ms is null",
            )
            .bind(message.id.to_string())
            .bind(now.as_millis())
            .execute(&mut *self.0.inner)
            .await?;
            if done.rows_affected() == 1 {
                begun.push(message);
            }
        }
        Ok(begun)
    }

    /// Whether [`Messages::begin_official`] has something to begin.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn has_official_due(
        &mut self,
        busy: &[NumberId],
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        Ok(!self.heads(busy, now, 1).await?.is_empty())
    }

    async fn heads(
        &mut self,
        busy: &[NumberId],
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<AnyRow>, StoreError> {
        let query = sqlx::query(AssertSqlSafe(heads(busy.len())))
            .bind(now.as_millis())
            .bind(i64::from(limit));
        let query = busy.iter().fold(query, |query, number| query.bind(number.to_string()));
        Ok(query.fetch_all(&mut *self.0.inner).await?)
    }

    /// A try of which the message itself has not left goes on: from now on it may have. Returns `false` if
    /// the message was given up meanwhile.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn official_goes_on(
        &mut self,
        id: MessageId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "update messages set began_at_ms = $2
             where id = $1 and status = 'QUEUED' and began_at_ms is not null",
        )
        .bind(id.to_string())
        .bind(now.as_millis())
        .execute(&mut *self.0.inner)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// The bytes of media that a caller handed in with a message.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn outbound_media(&mut self, id: MessageId) -> Result<Option<Vec<u8>>, StoreError> {
        let row = sqlx::query("select bytes from outbound_media where message_id = $1")
            .bind(id.to_string())
            .fetch_optional(&mut *self.0.inner)
            .await?;
        Ok(row.map(|row| row.try_get("bytes")).transpose()?)
    }

    /// Meta took the message under `wire_id`: `SENT` and `message.sent`. Returns whether this was news.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn official_sent(
        &mut self,
        id: MessageId,
        wire_id: &WireId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.name_official(id, wire_id).await?;
        self.find_again(id).await?;
        self.sent(id, now).await
    }

    /// Writes down under which id Meta has a message, and that its try is over.
    async fn name_official(&mut self, id: MessageId, wire_id: &WireId) -> Result<(), StoreError> {
        sqlx::query("update messages set wire_id = $2, began_at_ms = null where id = $1")
            .bind(id.to_string())
            .bind(wire_id.as_str())
            .execute(&mut *self.0.inner)
            .await?;
        Ok(())
    }

    /// The message did not reach Meta, for certain: it is tried again at `due`.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn official_put_off(
        &mut self,
        id: MessageId,
        due: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.official_hold(id).await?;
        self.tried(id, Tried::InVain, due, now).await
    }

    /// The message waits again as if nothing had been tried: its number is not connected any more.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn official_hold(&mut self, id: MessageId) -> Result<(), StoreError> {
        sqlx::query("update messages set began_at_ms = null where id = $1 and status = 'QUEUED'")
            .bind(id.to_string())
            .execute(&mut *self.0.inner)
            .await?;
        Ok(())
    }

    /// Messages whose try began before `before` and has no known end.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn begun_before(
        &mut self,
        before: Timestamp,
        limit: u32,
    ) -> Result<Vec<BegunMessage>, StoreError> {
        let rows = sqlx::query(BEGUN_BEFORE)
            .bind(before.as_millis())
            .bind(i64::from(limit))
            .fetch_all(&mut *self.0.inner)
            .await?;
        rows.iter()
            .map(|row| {
                Ok(BegunMessage {
                    id: row::parsed(row, "messages.id")?,
                    number: row::parsed(row, "messages.number_id")?,
                })
            })
            .collect()
    }

    /// Takes in a status of Meta's. Returns whether this was news.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn official_status(
        &mut self,
        number: NumberId,
        news: &OfficialStatus,
    ) -> Result<bool, StoreError> {
        let OfficialStatus { wire_id, tag, status, failure, at } = news;
        let Some(id) = self.official_message_of(number, wire_id, *tag).await? else {
            return Ok(false);
        };
        self.name_official(id, wire_id).await?;
        if *status != MessageStatus::Failed {
            self.find_again(id).await?;
        }
        let Some(mut message) = self.lock(id).await? else { return Ok(false) };
        if *status == MessageStatus::Failed {
            message.failure.clone_from(failure);
        }
        self.advance(message, *status, *at).await
    }

    /// A message that was given up because nobody said whether it was sent was: it goes on from there.
    pub(crate) async fn find_again(&mut self, id: MessageId) -> Result<(), StoreError> {
        sqlx::query(
            "update messages set status = 'QUEUED', error_code = null, error_message = null
             where id = $1 and status = 'FAILED' and error_code = $2",
        )
        .bind(id.to_string())
        .bind(NOT_CONFIRMED)
        .execute(&mut *self.0.inner)
        .await?;
        Ok(())
    }

    async fn official_message_of(
        &mut self,
        number: NumberId,
        wire_id: &WireId,
        tag: Option<MessageId>,
    ) -> Result<Option<MessageId>, StoreError> {
        let row = sqlx::query(MESSAGE_OF)
            .bind(number.to_string())
            .bind(wire_id.as_str())
            .bind(tag.map(|tag| tag.to_string()))
            .fetch_optional(&mut *self.0.inner)
            .await?;
        row.as_ref().map(|row| row::parsed(row, "messages.id")).transpose()
    }

    /// Notes what Meta says that a message costs.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn set_pricing(
        &mut self,
        number: NumberId,
        wire_id: &WireId,
        pricing: &str,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "update messages set pricing = $3
             where number_id = $1 and wire_id = $2 and direction = 'out'",
        )
        .bind(number.to_string())
        .bind(wire_id.as_str())
        .bind(pricing)
        .execute(&mut *self.0.inner)
        .await?;
        Ok(())
    }

    /// WhatsApp's id of the last message that came in from `peer`, and whether it was marked as read.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn last_inbound(
        &mut self,
        tenant: TenantId,
        number: NumberId,
        peer: &Peer,
    ) -> Result<Option<(MessageId, WireId, bool)>, StoreError> {
        // Meta may write a phone number in another way than whoever answers does.
        let spellings = match peer {
            Peer::Phone(phone) => phone.spellings().into_iter().map(Peer::Phone).collect(),
            Peer::Jid(_) => vec![peer.clone()],
        };
        let first = crate::messages::peer_text(spellings.first().unwrap_or(peer));
        let last = crate::messages::peer_text(spellings.last().unwrap_or(peer));
        let row = sqlx::query(LAST_INBOUND)
            .bind(number.to_string())
            .bind(tenant.to_string())
            .bind(first)
            .bind(last)
            .fetch_optional(&mut *self.0.inner)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let wire_id = WireId::from_text(row.try_get::<String, _>("wire_id")?);
        let read = row::time_opt(&row, "messages.read_at_ms")?.is_some();
        Ok(Some((row::parsed(&row, "messages.id")?, wire_id, read)))
    }

    /// Notes that what came in was marked as read.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn inbound_read(&mut self, id: MessageId, now: Timestamp) -> Result<(), StoreError> {
        sqlx::query("update messages set read_at_ms = $2 where id = $1 and direction = 'in'")
            .bind(id.to_string())
            .bind(now.as_millis())
            .execute(&mut *self.0.inner)
            .await?;
        Ok(())
    }
}

/// What another version of this server wrote and this one cannot read.
/// The code of a message of which nobody knows whether it was sent.
pub const NOT_CONFIRMED: &str = "DELIVERED_NOT_CONFIRMED";

/// Why a message is given up whose payload this version cannot read.
pub(crate) fn unreadable() -> Failure {
    Failure {
        code: "CONTENT_UNREADABLE".to_owned(),
        message: "what is to be sent cannot be read any more; send it again".to_owned(),
    }
}

fn official_message(row: &AnyRow) -> Result<OfficialMessage, StoreError> {
    Ok(OfficialMessage {
        id: row::parsed(row, "messages.id")?,
        number: row::parsed(row, "messages.number_id")?,
        to: peer_of(row.try_get("peer")?),
        content: content_of(row)?,
        mark_read: row::flag(row, "messages.mark_read")?,
        tries: u32::try_from(row.try_get::<i64, _>("tries")?).unwrap_or(u32::MAX),
    })
}
