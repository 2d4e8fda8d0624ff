//! Messages that WhatsApp gives us: fresh ones, and those of the past that a phone shares.
//!
//! # Theory of operation
//!
//! A contact has two names, a phone number and a LID, and WhatsApp may use one today and the other
//! after a crash. Messages are kept under the phone number as soon as it is known: `contacts` says
//! which LID it belongs to, and the moment this is learned, what was kept under the LID moves over.
//! So both names lead to one row, whose unique key recognises what is delivered again. One number's
//! messages are stored one after the other, so that no two of them learn past each other.

use ramal_domain::{
    CorrelationId, EventKind, MessageId, MessageStatus, NumberId, Peer, PhoneNumber, Place,
    TenantId, Timestamp, WireId,
};

use crate::{
    Change, Message, Messages, StoreError, StoredMedia, messages::peer_text, retention::relays,
};

/// A message that WhatsApp delivered to us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboundMessage {
    /// The owner.
    pub tenant: TenantId,
    /// The number that got it.
    pub number: NumberId,
    /// WhatsApp's id.
    pub wire_id: WireId,
    /// The sender, by phone number if it is known.
    pub from: Peer,
    /// The sender's LID, such as `900100200300@lid`, if it is known.
    pub lid: Option<String>,
    /// Where it was said.
    pub place: Place,
    /// What it is, in contract E.3's words; anything else is stored but not told as `type`.
    pub kind: &'static str,
    /// The text.
    pub content: Option<String>,
    /// The sender's WhatsApp name.
    pub sender_name: Option<String>,
    /// When WhatsApp says that it was sent.
    pub at: Timestamp,
    /// WhatsApp's id of the message that it answers.
    pub quoted: Option<WireId>,
    /// The media in it.
    pub media: Option<InboundMedia>,
}

/// Media that came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboundMedia {
    /// What is told of it, and where its bytes are.
    pub media: StoredMedia,
    /// The SHA-256 of the secret in its link, hexadecimal.
    pub link_hash: String,
    /// How long the link is good.
    pub link_until: Timestamp,
}

/// A message of the past, that a phone shares when it is linked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastMessage {
    /// The message. If the number sent it, `from` and `lid` are the other side's.
    pub message: InboundMessage,
    /// How far it has come, if the number sent it; `None` if it came in.
    pub sent: Option<MessageStatus>,
    /// Whether customers are told.
    pub told: bool,
}

/// A message that may be new here.
pub(crate) struct Fresh<'a> {
    pub(crate) message: &'a InboundMessage,
    /// The one name of the other side.
    pub(crate) peer: &'a Peer,
    /// How far it has come, if the number sent it.
    pub(crate) sent: Option<MessageStatus>,
    /// Whether there will be an event of it.
    told: bool,
}

impl Fresh<'_> {
    const fn direction(&self) -> &'static str {
        if self.sent.is_some() { "out" } else { "in" }
    }
}

/// What a message says by now.
#[derive(Default)]
struct Said<'a> {
    content: Option<String>,
    media: Option<&'a InboundMedia>,
    edited_at: Option<Timestamp>,
    revoked_at: Option<Timestamp>,
}

impl Messages<'_> {
    /// Stores a message that WhatsApp delivered, with its event. Returns `false` when it was stored
    /// before, under whichever name of its sender: WhatsApp delivers again what was not acknowledged.
    /// A removed number receives nothing.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn receive(
        &mut self,
        inbound: &InboundMessage,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        if !self.take_turn(inbound.number).await? {
            return Ok(false);
        }
        let peer = self.canonical(inbound).await?;
        let event = told_as(inbound);
        let fresh = Fresh { message: inbound, peer: &peer, sent: None, told: event.is_some() };
        let Some(id) = self.keep(&fresh, now).await? else { return Ok(false) };
        self.tell_of(id, event, inbound.at).await?;
        self.forget_if_relayed(inbound.number, id).await?;
        Ok(true)
    }

    /// Stores a message of the past, with its event if customers are told. Returns `false` when it is
    /// here already: a phone shares what it has, whether we got it before or not. What stood for one
    /// whose media come only now gets them, and is told now.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn import(&mut self, past: &PastMessage, now: Timestamp) -> Result<bool, StoreError> {
        let PastMessage { message, sent, told } = past;
        if !self.take_turn(message.number).await? {
            return Ok(false);
        }
        let ours = sent.is_some() && self.is_ours(message.number, &message.wire_id).await?;
        let peer = if ours { message.from.clone() } else { self.canonical(message).await? };
        let event = if sent.is_some() { Some(EventKind::MessageSent) } else { told_as(message) };
        let event = event.filter(|_| *told);
        let fresh = Fresh { message, peer: &peer, sent: *sent, told: event.is_some() };
        let kept = if ours { None } else { self.keep(&fresh, now).await? };
        let id = match kept {
            Some(id) => Some(id),
            None => self.fill_in(&fresh).await?,
        };
        let Some(id) = id else { return Ok(false) };
        self.tell_of(id, event, message.at).await?;
        self.forget_if_relayed(message.number, id).await?;
        Ok(kept.is_some() || event.is_some())
    }

    /// Whether we sent this message ourselves: its recipient may be written differently then.
    async fn is_ours(&mut self, number: NumberId, wire_id: &WireId) -> Result<bool, StoreError> {
        let ours: i64 = sqlx::query_scalar(
            "select count(*) from messages
             where number_id = $1 and wire_id = $2 and direction = 'out'",
        )
        .bind(number.to_string())
        .bind(wire_id.as_str())
        .fetch_one(&mut *self.0.inner)
        .await?;
        Ok(ours > 0)
    }

    /// Stores a message as its author has left it. Returns `None` when it is here already.
    async fn keep(
        &mut self,
        fresh: &Fresh<'_>,
        now: Timestamp,
    ) -> Result<Option<MessageId>, StoreError> {
        let message = fresh.message;
        // Without its link, nobody could ask for them.
        let unreachable = !fresh.told && relays(self.0, message.number).await?;
        let mut said = Said {
            content: message.content.clone(),
            media: message.media.as_ref().filter(|_| !unreachable),
            ..Said::default()
        };
        match self.take_early(fresh).await? {
            Some((Change::Edited(text), at)) => {
                said.content = text;
                said.edited_at = Some(at);
            }
            Some((Change::Deleted, at)) => {
                said = Said { revoked_at: Some(at), ..Said::default() };
            }
            None => {}
        }
        self.insert(fresh, said, now).await
    }

    async fn insert(
        &mut self,
        fresh: &Fresh<'_>,
        said: Said<'_>,
        now: Timestamp,
    ) -> Result<Option<MessageId>, StoreError> {
        let (id, message) = (MessageId::mint(), fresh.message);
        let at = message.at.as_millis();
        let (status, sent_at, got_at) = match fresh.sent {
            Some(status) => (status, Some(at), None),
            None => (MessageStatus::Delivered, None, Some(now.as_millis())),
        };
        let place_name = message.place.named().and_then(|(_, name)| name).map(str::to_owned);
        let done = sqlx::query(
            "insert into messages (id, tenant_id, number_id, direction, status, peer, wire_id,
               correlation_id, kind, content, peer_name, created_at_ms, sent_at_ms,
               delivered_at_ms, place, place_name, quoted_id, media, media_hash, media_until_ms,
               edited_at_ms, revoked_at_ms)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17,
               $18, $19, $20, $21, $22)
             on conflict do nothing",
        )
        .bind(id.to_string())
        .bind(message.tenant.to_string())
        .bind(message.number.to_string())
        .bind(fresh.direction())
        .bind(status.name())
        .bind(peer_text(fresh.peer))
        .bind(message.wire_id.as_str())
        .bind(CorrelationId::mint().to_string())
        .bind(message.kind)
        .bind(said.content)
        .bind(message.sender_name.clone())
        .bind(at)
        .bind(sent_at)
        .bind(got_at)
        .bind(message.place.id())
        .bind(place_name)
        .bind(message.quoted.as_ref().map(|quoted| quoted.as_str().to_owned()))
        .bind(said.media.map(|media| media.media.written()))
        .bind(said.media.map(|media| media.link_hash.clone()))
        .bind(said.media.map(|media| media.link_until.as_millis()))
        .bind(said.edited_at.map(Timestamp::as_millis))
        .bind(said.revoked_at.map(Timestamp::as_millis))
        .execute(&mut *self.0.inner)
        .await?;
        Ok((done.rows_affected() > 0).then_some(id))
    }

    /// What stood for a message whose content was still to come gets it, unless that is forgotten or
    /// deleted: returns which. Meta shares media of the past so. Of a number that only relays, what
    /// stands is forgotten as a matter of course, and gets what is told.
    async fn fill_in(&mut self, fresh: &Fresh<'_>) -> Result<Option<MessageId>, StoreError> {
        let message = fresh.message;
        let Some(media) = &message.media else { return Ok(None) };
        let relays = relays(self.0, message.number).await?;
        if relays && !fresh.told {
            return Ok(None);
        }
        let id: Option<String> = sqlx::query_scalar(
            "update messages set kind = $6, content = $7, media = $8, media_hash = $9,
               media_until_ms = $10
             where number_id = $1 and wire_id = $3 and direction = $4 and place = $5
               and (peer = $2 or direction = 'out') and kind = 'unsupported' and media is null
               and revoked_at_ms is null and (redacted = 0 or $11 = 1)
             returning id",
        )
        .bind(message.number.to_string())
        .bind(peer_text(fresh.peer))
        .bind(message.wire_id.as_str())
        .bind(fresh.direction())
        .bind(message.place.id())
        .bind(message.kind)
        .bind(message.content.clone())
        .bind(media.media.written())
        .bind(media.link_hash.clone())
        .bind(media.link_until.as_millis())
        .bind(i64::from(relays))
        .fetch_optional(&mut *self.0.inner)
        .await?;
        id.map(|id| crate::row::parse(&id, "messages.id")).transpose()
    }

    /// The message whose media a link leads to, while it is good and its number is listed.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn find_media(
        &mut self,
        link_hash: &str,
        now: Timestamp,
    ) -> Result<Option<Message>, StoreError> {
        let id: Option<String> = sqlx::query_scalar(
            "select m.id from messages m join numbers n on n.id = m.number_id
             where m.media_hash = $1 and m.media_until_ms > $2 and n.stage = 'live'",
        )
        .bind(link_hash)
        .bind(now.as_millis())
        .fetch_optional(&mut *self.0.inner)
        .await?;
        let Some(id) = id else { return Ok(None) };
        self.get(crate::row::parse(&id, "messages.id")?).await
    }

    /// Tells of a stored message, if there is an event for it. Of one that was deleted before it came,
    /// nobody hears.
    async fn tell_of(
        &mut self,
        id: MessageId,
        kind: Option<EventKind>,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let Some(kind) = kind else { return Ok(()) };
        match self.lock(id).await? {
            Some(message) if message.revoked_at.is_none() => self.tell(&message, kind, at).await,
            Some(_) | None => Ok(()),
        }
    }

    /// Waits until no other unit of work stores messages of this number. Returns whether it still
    /// receives any: what comes in for a removed one, until its device is unlinked, is nobody's.
    pub(crate) async fn take_turn(&mut self, number: NumberId) -> Result<bool, StoreError> {
        let sql = format!("select stage from numbers where id = $1{}", self.0.for_update());
        let stage: Option<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
            .bind(number.to_string())
            .fetch_optional(&mut *self.0.inner)
            .await?;
        Ok(stage.is_some_and(|stage| stage != "removed"))
    }

    /// The one name under which the messages of a contact are kept.
    async fn canonical(&mut self, message: &InboundMessage) -> Result<Peer, StoreError> {
        let Some(lid) = &message.lid else { return Ok(message.from.clone()) };
        let known = self.phone_of(message.number, lid).await?;
        match &message.from {
            Peer::Phone(phone) => {
                if known.as_ref() != Some(phone) {
                    self.learn(message.number, lid, phone).await?;
                }
                Ok(Peer::Phone(phone.clone()))
            }
            Peer::Jid(_) => Ok(known.map_or_else(|| message.from.clone(), Peer::Phone)),
        }
    }

    pub(crate) async fn phone_of(
        &mut self,
        number: NumberId,
        lid: &str,
    ) -> Result<Option<PhoneNumber>, StoreError> {
        let digits: Option<String> =
            sqlx::query_scalar("select phone from contacts where number_id = $1 and lid = $2")
                .bind(number.to_string())
                .bind(lid)
                .fetch_optional(&mut *self.0.inner)
                .await?;
        digits
            .map(|digits| {
                PhoneNumber::from_whatsapp(&digits)
                    .map_err(|_bad_shape| StoreError::Inconsistent { column: "contacts.phone" })
            })
            .transpose()
    }

    /// Notes whose LID this is, and moves over what was kept under it.
    async fn learn(
        &mut self,
        number: NumberId,
        lid: &str,
        phone: &PhoneNumber,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "insert into contacts (number_id, lid, phone) values ($1, $2, $3)
             on conflict (number_id, lid) do update set phone = excluded.phone",
        )
        .bind(number.to_string())
        .bind(lid)
        .bind(phone.digits())
        .execute(&mut *self.0.inner)
        .await?;
        sqlx::query(
            "update messages set peer = $3 where number_id = $1 and peer = $2
               and not exists (select 1 from messages o where o.number_id = $1 and o.peer = $3
                 and o.wire_id = messages.wire_id and o.direction = messages.direction
                 and o.place = messages.place)",
        )
        .bind(number.to_string())
        .bind(lid)
        .bind(phone.digits())
        .execute(&mut *self.0.inner)
        .await?;
        Ok(())
    }
}

/// What customers are told of a message that came in. An answer has an event of its own where two talk.
fn told_as(message: &InboundMessage) -> Option<EventKind> {
    let kind = message.place.received()?;
    // A reaction quotes nothing: it is put on something.
    let answers = message.quoted.is_some() && message.kind != "reaction";
    let reply = kind == EventKind::MessageReceived && answers;
    Some(if reply { EventKind::MessageReply } else { kind })
}
