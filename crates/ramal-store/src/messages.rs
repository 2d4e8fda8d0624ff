//! Messages, in and out: the record of what was said. `queue.rs` has what waits to be sent,
//! `message_log.rs` what people look back at, `retention.rs` what is forgotten.

use std::cmp::Ordering;

use ramal_domain::{
    Content, CorrelationId, Direction, EventKind, MediaSource, MessageEvent, MessageId,
    MessageStatus, NumberId, Peer, PhoneNumber, Place, TenantId, Timestamp, ToldMedia, WireId,
};
use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, Row as _, any::AnyRow};

use crate::{StoreError, Tx, row};

pub(crate) const COLUMNS: &str = "id, tenant_id, number_id, direction, status, peer, wire_id, \
     correlation_id, kind, content, peer_name, origin, error_code, error_message, tries, \
     created_at_ms, sent_at_ms, delivered_at_ms, read_at_ms, place, place_name, pricing, \
     quoted_id, media, not_before_ms, until_ms, template, labels, edited_at_ms, revoked_at_ms, \
     redacted";

/// The kinds that contract E.3 allows as `type`; others are left out of events.
const KINDS: [&str; 9] =
    ["text", "image", "audio", "video", "document", "location", "contacts", "sticker", "reaction"];

/// A stored message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Our id.
    pub id: MessageId,
    /// The owner.
    pub tenant: TenantId,
    /// The number that sent or received it.
    pub number: NumberId,
    /// Which way it went.
    pub direction: Direction,
    /// How far it has come.
    pub status: MessageStatus,
    /// The other side; where many are, the sender.
    pub peer: Peer,
    /// Where it was said.
    pub place: Place,
    /// WhatsApp's id.
    pub wire_id: WireId,
    /// What ties it to its request.
    pub correlation: CorrelationId,
    /// `text`, …
    pub kind: String,
    /// The text.
    pub content: Option<String>,
    /// The other side's WhatsApp name.
    pub peer_name: Option<String>,
    /// Where it came from: `API`, …
    pub origin: Option<String>,
    /// Why it failed.
    pub failure: Option<Failure>,
    /// When it was accepted, or when WhatsApp says it was sent to us.
    pub created_at: Timestamp,
    /// When WhatsApp's server had it.
    pub sent_at: Option<Timestamp>,
    /// When the recipient's device had it.
    pub delivered_at: Option<Timestamp>,
    /// When it was read.
    pub read_at: Option<Timestamp>,
    /// What Meta says that it costs, as JSON.
    pub pricing: Option<String>,
    /// WhatsApp's id of the message that it answers.
    pub quoted: Option<WireId>,
    /// The media in it.
    pub media: Option<StoredMedia>,
    /// When it may be sent, at the earliest.
    pub not_before: Option<Timestamp>,
    /// When it is no use any more.
    pub until: Option<Timestamp>,
    /// The name of the template that it was made from.
    pub template: Option<String>,
    /// What its sender calls it.
    pub labels: Vec<String>,
    /// When its author changed it.
    pub edited_at: Option<Timestamp>,
    /// When its author deleted it for everybody.
    pub revoked_at: Option<Timestamp>,
    /// Whether its contents are not kept, as the number's owner wishes.
    pub redacted: bool,
}

/// What is kept of the media in a message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StoredMedia {
    /// Where customers get its bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// Its media type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mime: Option<String>,
    /// The words below it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caption: Option<String>,
    /// What a document is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_name: Option<String>,
    /// Meta's id of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub meta_id: Option<String>,
    /// Where WhatsApp has it, and how it is read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote: Option<RemoteMedia>,
}

/// Encrypted media on WhatsApp's servers. The bytes are hexadecimal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RemoteMedia {
    /// What WhatsApp calls its kind: the keys are derived for it.
    pub kind: String,
    /// Its path on any of WhatsApp's media hosts.
    pub path: String,
    /// What its keys are derived from.
    pub key: String,
    /// SHA-256 of the plain bytes.
    pub sha256: String,
    /// SHA-256 of the encrypted bytes.
    pub enc_sha256: String,
    /// How many plain bytes there are.
    pub length: u64,
}

impl StoredMedia {
    fn of(content: &Content) -> Option<Self> {
        let media = content.media()?;
        let (link, mime) = match &media.source {
            MediaSource::Link(link) => (Some(link.clone()), None),
            MediaSource::Stored { mime } => (None, Some(mime.clone())),
        };
        let (caption, file_name) = (media.caption.clone(), media.file_name.clone());
        Some(Self { link, mime, caption, file_name, ..Self::default() })
    }

    fn told(self) -> ToldMedia {
        let Self { link, mime, caption, file_name, meta_id: _, remote: _ } = self;
        ToldMedia { link, mime, caption, file_name }
    }

    pub(crate) fn written(&self) -> String {
        // Nothing but strings: this cannot fail.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Why a message was given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// A stable code of the contract's `errorCode` set.
    pub code: String,
    /// A sentence.
    pub message: String,
}

/// An outbound message to be accepted.
#[derive(Debug)]
pub struct Draft<'a> {
    /// Our id.
    pub id: MessageId,
    /// The owner.
    pub tenant: TenantId,
    /// The number that sends.
    pub number: NumberId,
    /// WhatsApp's id, fixed before the first try.
    pub wire_id: &'a WireId,
    /// What ties it to its request.
    pub correlation: CorrelationId,
    /// The recipient.
    pub to: &'a Peer,
    /// What it says.
    pub content: &'a Content,
    /// The bytes of its media, if the caller handed them in.
    pub bytes: Option<&'a [u8]>,
    /// Whether what it answers is to be marked as read. Official numbers only.
    pub mark_read: bool,
    /// Where it came from: `API`, …
    pub origin: &'static str,
    /// When it may leave.
    pub schedule: Schedule,
    /// The name of the template that it was made from.
    pub template: Option<&'a str>,
    /// What its sender calls it.
    pub labels: &'a [String],
}

/// When a message may leave: at once and at any time, if nothing is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Schedule {
    /// Not before.
    pub not_before: Option<Timestamp>,
    /// Not after.
    pub until: Option<Timestamp>,
}

/// An accepted message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Our id.
    pub id: MessageId,
    /// What ties it to its request.
    pub correlation: CorrelationId,
    /// When.
    pub created_at: Timestamp,
}

/// What a receipt says of a message of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// The recipient's device has it.
    Delivered,
    /// The recipient read it.
    Read,
}

/// Messages, in and out.
#[derive(Debug)]
pub struct Messages<'a>(pub(crate) &'a mut Tx);

impl Messages<'_> {
    /// Accepts an outbound message: it is queued, and will be sent or reported as failed.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn accept(
        &mut self,
        draft: &Draft<'_>,
        now: Timestamp,
    ) -> Result<Accepted, StoreError> {
        self.enqueue(draft, "", now).await?;
        Ok(Accepted { id: draft.id, correlation: draft.correlation, created_at: now })
    }

    /// Accepts a message that answers something, unless it was accepted before: its wire id is
    /// derived from what it answers. Returns whether it is news.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn accept_once(
        &mut self,
        draft: &Draft<'_>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        Ok(self.enqueue(draft, " on conflict do nothing", now).await? > 0)
    }

    async fn enqueue(
        &mut self,
        draft: &Draft<'_>,
        conflict: &'static str,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let sql = format!(
            "insert into messages (id, tenant_id, number_id, direction, status, peer, wire_id,
               correlation_id, kind, content, origin, created_at_ms, payload, media, mark_read,
               place, not_before_ms, until_ms, template, labels)
             values ($1, $2, $3, 'out', 'QUEUED', $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14,
               $15, $16, $17, $18){conflict}"
        );
        let Schedule { not_before, until } = draft.schedule;
        let done = sqlx::query(AssertSqlSafe(sql))
            .bind(draft.id.to_string())
            .bind(draft.tenant.to_string())
            .bind(draft.number.to_string())
            .bind(peer_text(draft.to))
            .bind(draft.wire_id.as_str())
            .bind(draft.correlation.to_string())
            .bind(draft.content.kind())
            .bind(draft.content.words())
            .bind(draft.origin)
            .bind(now.as_millis())
            .bind(payload(draft.content))
            .bind(StoredMedia::of(draft.content).map(|media| media.written()))
            .bind(i64::from(draft.mark_read))
            .bind(draft.to.place().id())
            .bind(not_before.map_or(0, Timestamp::as_millis))
            .bind(until.map(Timestamp::as_millis))
            .bind(draft.template)
            .bind(serde_json::to_string(draft.labels).unwrap_or_else(|_never| "[]".to_owned()))
            .execute(&mut *self.0.inner)
            .await?;
        if let Some(bytes) = draft.bytes
            && done.rows_affected() == 1
        {
            sqlx::query("insert into outbound_media (message_id, bytes) values ($1, $2)")
                .bind(draft.id.to_string())
                .bind(bytes)
                .execute(&mut *self.0.inner)
                .await?;
        }
        Ok(done.rows_affected())
    }

    /// A message of one of `tenant`'s numbers, by our id, its correlation id or WhatsApp's id
    /// (contract: `GET /v1/messages/{id}`).
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn find(
        &mut self,
        tenant: TenantId,
        number: NumberId,
        any_id: &str,
    ) -> Result<Option<Message>, StoreError> {
        let row = sqlx::query(AssertSqlSafe(find_by_any_id()))
            .bind(tenant.to_string())
            .bind(number.to_string())
            .bind(any_id)
            .fetch_optional(&mut *self.0.inner)
            .await?;
        row.as_ref().map(message).transpose()
    }

    /// Deletes every message of a number, what was done to those that have not come, and who its
    /// contacts are: what a purge promises.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn delete_all(&mut self, number: NumberId) -> Result<u64, StoreError> {
        for sql in [
            "delete from contacts where number_id = $1",
            "delete from early_amendments where number_id = $1",
        ] {
            sqlx::query(sql).bind(number.to_string()).execute(&mut *self.0.inner).await?;
        }
        let done = sqlx::query("delete from messages where number_id = $1")
            .bind(number.to_string())
            .execute(&mut *self.0.inner)
            .await?;
        Ok(done.rows_affected())
    }

    /// WhatsApp's server has the message: `SENT` and `message.sent`, unless a receipt was faster.
    /// Returns whether this was news.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn sent(&mut self, id: MessageId, now: Timestamp) -> Result<bool, StoreError> {
        let Some(message) = self.lock(id).await? else { return Ok(false) };
        self.advance(message, MessageStatus::Sent, now).await
    }

    /// The message is given up: `FAILED` and `message.failed`. Returns whether this was news.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn failed(
        &mut self,
        id: MessageId,
        failure: &Failure,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let found = self.lock(id).await?;
        // What WhatsApp has is not given up here any more.
        let Some(mut message) = found.filter(|m| m.status == MessageStatus::Queued) else {
            return Ok(false);
        };
        message.failure = Some(failure.clone());
        self.advance(message, MessageStatus::Failed, now).await
    }

    /// Applies a receipt to outbound messages of `number`; returns how many it moved. A receipt
    /// that overtook its predecessors tells those events as well, in order.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn receipt(
        &mut self,
        number: NumberId,
        wire_ids: &[WireId],
        receipt: Receipt,
        at: Timestamp,
    ) -> Result<u64, StoreError> {
        let target = match receipt {
            Receipt::Delivered => MessageStatus::Delivered,
            Receipt::Read => MessageStatus::Read,
        };
        let mut moved = 0;
        for wire_id in wire_ids {
            let id: Option<String> = sqlx::query_scalar(
                "select id from messages
                 where number_id = $1 and wire_id = $2 and direction = 'out' limit 1",
            )
            .bind(number.to_string())
            .bind(wire_id.as_str())
            .fetch_optional(&mut *self.0.inner)
            .await?;
            let Some(id) = id else { continue };
            let id = id
                .parse()
                .map_err(|_unparsable| StoreError::Inconsistent { column: "messages.id" })?;
            let Some(mut message) = self.lock(id).await? else { continue };
            if message.status == MessageStatus::Failed {
                self.find_again(id).await?;
                let Some(found) = self.get(id).await? else { continue };
                message = found;
            }
            moved += u64::from(self.advance(message, target, at).await?);
        }
        Ok(moved)
    }

    pub(crate) async fn get(&mut self, id: MessageId) -> Result<Option<Message>, StoreError> {
        self.select(id, "").await
    }

    pub(crate) async fn lock(&mut self, id: MessageId) -> Result<Option<Message>, StoreError> {
        self.select(id, self.0.for_update()).await
    }

    async fn select(&mut self, id: MessageId, lock: &str) -> Result<Option<Message>, StoreError> {
        let sql = format!("select {COLUMNS} from messages where id = $1{lock}");
        let row = sqlx::query(AssertSqlSafe(sql))
            .bind(id.to_string())
            .fetch_optional(&mut *self.0.inner)
            .await?;
        row.as_ref().map(message).transpose()
    }

    /// Moves a message forward, step by step, so that every event on the way is told.
    pub(crate) async fn advance(
        &mut self,
        mut message: Message,
        target: MessageStatus,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        if message.direction == Direction::Inbound || !message.status.may_become(target) {
            return Ok(false);
        }
        // WhatsApp's clock knows no milliseconds, and is not ours: no step lies before the one that it
        // follows.
        let before = [message.sent_at, message.delivered_at].into_iter().flatten();
        let at = before.fold(at.max(message.created_at), Timestamp::max);
        let leaves_queue = message.status == MessageStatus::Queued;
        if leaves_queue && (message.media.is_some() || message.revoked_at.is_some()) {
            self.drop_bytes(message.id).await?;
        }
        for (status, kind) in way(message.status, target) {
            message.status = status;
            let mark = match status {
                MessageStatus::Sent => Some(&mut message.sent_at),
                MessageStatus::Delivered => Some(&mut message.delivered_at),
                MessageStatus::Read => Some(&mut message.read_at),
                MessageStatus::Queued | MessageStatus::Failed | MessageStatus::Canceled => None,
            };
            if let Some(mark) = mark {
                *mark = Some(at);
            }
            self.tell(&message, kind, at).await?;
        }
        self.write_status(&message).await?;
        if leaves_queue {
            self.left_queue(message.number, message.id).await?;
        }
        Ok(true)
    }

    /// What was kept of a message for the sake of sending it is not kept any longer.
    pub(crate) async fn left_queue(
        &mut self,
        number: NumberId,
        id: MessageId,
    ) -> Result<(), StoreError> {
        self.erase_deleted(id).await?;
        self.forget_if_relayed(number, id).await
    }

    /// The bytes of a message's media are kept until it has left the queue, however it left.
    pub(crate) async fn drop_bytes(&mut self, id: MessageId) -> Result<(), StoreError> {
        sqlx::query("delete from outbound_media where message_id = $1")
            .bind(id.to_string())
            .execute(&mut *self.0.inner)
            .await?;
        Ok(())
    }

    async fn write_status(&mut self, message: &Message) -> Result<(), StoreError> {
        let failure = message.failure.as_ref();
        sqlx::query(
            "update messages set status = $2, sent_at_ms = $3, delivered_at_ms = $4,
               read_at_ms = $5, error_code = $6, error_message = $7
             where id = $1",
        )
        .bind(message.id.to_string())
        .bind(message.status.name())
        .bind(message.sent_at.map(Timestamp::as_millis))
        .bind(message.delivered_at.map(Timestamp::as_millis))
        .bind(message.read_at.map(Timestamp::as_millis))
        .bind(failure.map(|failure| failure.code.clone()))
        .bind(failure.map(|failure| failure.message.clone()))
        .execute(&mut *self.0.inner)
        .await?;
        Ok(())
    }

    pub(crate) async fn tell(
        &mut self,
        message: &Message,
        kind: EventKind,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let own: Option<String> = sqlx::query_scalar("select phone from numbers where id = $1")
            .bind(message.number.to_string())
            .fetch_optional(&mut *self.0.inner)
            .await?;
        let own = own
            .and_then(|digits| PhoneNumber::from_whatsapp(&digits).ok())
            .ok_or(StoreError::Inconsistent { column: "numbers.phone" })?;
        let from_me = message.direction == Direction::Outbound;
        let (from, to) = if from_me {
            (Peer::Phone(own), message.peer.clone())
        } else {
            (message.peer.clone(), Peer::Phone(own))
        };
        let event = MessageEvent {
            tenant: message.tenant,
            number: message.number,
            message: message.id,
            // The contract's `messageId` is WhatsApp's id; a message that failed never got one.
            wire_id: (kind != EventKind::MessageFailed).then(|| message.wire_id.clone()),
            from_me,
            from,
            to,
            place: message.place.clone(),
            content: message.content.clone(),
            // What was written on the phone was not asked for, so there is nothing to correlate.
            correlation: message.origin.is_some().then_some(message.correlation),
            participant_name: message.peer_name.clone(),
            failure: message.failure.clone().map(|failure| (failure.message, failure.code)),
            message_type: KINDS.into_iter().find(|known| *known == message.kind),
            quoted: self.quoted(message).await?,
            media: message.media.clone().map(StoredMedia::told),
        };
        self.0.events().record(&event.build(kind, at)).await
    }
}

/// A message of tenant `$1` and number `$2` by any of its ids, `$3`. One branch for each: SQLite would
/// follow none of three indexes for an `or`, but walk through the table.
pub(crate) fn find_by_any_id() -> String {
    let by = |column| {
        format!(
            "select {COLUMNS} from messages
             where tenant_id = $1 and number_id = $2 and {column} = $3"
        )
    };
    let branches = ["id", "correlation_id", "wire_id"].map(by).join(" union all ");
    format!("{branches} order by id limit 1")
}

/// What is sent, where that is more than a text.
fn payload(content: &Content) -> Option<String> {
    match content {
        Content::Text { .. } => None,
        // Maps with text keys, and strings: this cannot fail.
        Content::Media(_) | Content::Template(_) | Content::Buttons(_) | Content::List(_) => {
            serde_json::to_string(content).ok()
        }
    }
}

/// The statuses between `from` and `target`, with the event that each one tells.
fn way(
    from: MessageStatus,
    target: MessageStatus,
) -> impl Iterator<Item = (MessageStatus, EventKind)> {
    const FORWARD: [(MessageStatus, EventKind); 3] = [
        (MessageStatus::Sent, EventKind::MessageSent),
        (MessageStatus::Delivered, EventKind::MessageDelivered),
        (MessageStatus::Read, EventKind::MessageRead),
    ];
    let failed = (target == MessageStatus::Failed)
        .then_some((MessageStatus::Failed, EventKind::MessageFailed));
    let forward = FORWARD.into_iter().filter(move |(status, _)| {
        status.cmp(&from) == Ordering::Greater
            && target != MessageStatus::Failed
            && *status <= target
    });
    forward.chain(failed)
}

pub(crate) fn peer_text(peer: &Peer) -> String {
    match peer {
        Peer::Phone(phone) => phone.digits().to_owned(),
        Peer::Jid(jid) => jid.clone(),
    }
}

pub(crate) fn peer_of(text: String) -> Peer {
    PhoneNumber::from_whatsapp(&text).map_or(Peer::Jid(text), Peer::Phone)
}

/// What an outbound message says.
pub(crate) fn content_of(row: &AnyRow) -> Result<Content, StoreError> {
    if let Some(payload) = row.try_get::<Option<String>, _>("payload")? {
        return serde_json::from_str(&payload)
            .map_err(|_unreadable| StoreError::Inconsistent { column: "messages.payload" });
    }
    let body: Option<String> = row.try_get("content")?;
    Ok(Content::Text { body: body.unwrap_or_default() })
}

fn media(row: &AnyRow) -> Result<Option<StoredMedia>, StoreError> {
    let Some(text) = row.try_get::<Option<String>, _>("media")? else { return Ok(None) };
    let media = serde_json::from_str(&text)
        .map_err(|_unreadable| StoreError::Inconsistent { column: "messages.media" })?;
    Ok(Some(media))
}

pub(crate) fn message(row: &AnyRow) -> Result<Message, StoreError> {
    let peer: String = row.try_get("peer")?;
    let direction = match row.try_get::<String, _>("direction")?.as_str() {
        "in" => Direction::Inbound,
        "out" => Direction::Outbound,
        _ => return Err(StoreError::Inconsistent { column: "messages.direction" }),
    };
    let code: Option<String> = row.try_get("error_code")?;
    let sentence: Option<String> = row.try_get("error_message")?;
    let place: String = row.try_get("place")?;
    let revoked_at = row::time_opt(row, "messages.revoked_at_ms")?;
    // A deleted message that has yet to leave the queue keeps what it says for the queue only.
    let said = revoked_at.is_none();
    Ok(Message {
        id: row::parsed(row, "messages.id")?,
        tenant: row::parsed(row, "messages.tenant_id")?,
        number: row::parsed(row, "messages.number_id")?,
        direction,
        status: row::parsed(row, "messages.status")?,
        peer: peer_of(peer),
        place: Place::read(&place, row.try_get("place_name")?)
            .ok_or(StoreError::Inconsistent { column: "messages.place" })?,
        wire_id: WireId::from_text(row.try_get::<String, _>("wire_id")?),
        correlation: row::parsed(row, "messages.correlation_id")?,
        kind: row.try_get("kind")?,
        content: row.try_get::<Option<String>, _>("content")?.filter(|_| said),
        peer_name: row.try_get("peer_name")?,
        origin: row.try_get("origin")?,
        failure: code.map(|code| Failure { code, message: sentence.unwrap_or_default() }),
        created_at: row::time(row, "messages.created_at_ms")?,
        sent_at: row::time_opt(row, "messages.sent_at_ms")?,
        delivered_at: row::time_opt(row, "messages.delivered_at_ms")?,
        read_at: row::time_opt(row, "messages.read_at_ms")?,
        pricing: row.try_get("pricing")?,
        quoted: row.try_get::<Option<String>, _>("quoted_id")?.map(WireId::from_text),
        media: media(row)?.filter(|_| said),
        not_before: row::time_opt(row, "messages.not_before_ms")?.filter(|at| at.as_millis() > 0),
        until: row::time_opt(row, "messages.until_ms")?,
        template: row.try_get("template")?,
        labels: serde_json::from_str(row.try_get("labels")?)
            .map_err(|_unreadable| StoreError::Inconsistent { column: "messages.labels" })?,
        edited_at: row::time_opt(row, "messages.edited_at_ms")?,
        revoked_at,
        redacted: row::flag(row, "messages.redacted")?,
    })
}
