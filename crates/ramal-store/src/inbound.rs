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
    CorrelationId, Direction, EventKind, MessageId, MessageStatus, NumberId, Peer, PhoneNumber,
    Place, TenantId, Timestamp, WireId,
};

use crate::{Message, Messages, StoreError, StoredMedia, messages::peer_text};

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
        let Some(id) = self.keep(inbound, None, now).await? else { return Ok(false) };
        if let Some(kind) = told_as(inbound) {
            self.tell_of(id, kind, inbound.at).await?;
        }
        self.forget_if_relayed(inbound.number, id).await?;
        Ok(true)
    }

    /// Stores a message of the past, with its event if customers are told. Returns `false` when it is
    /// here already: a phone shares what it has, whether we got it before or not.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn import(&mut self, past: &PastMessage, now: Timestamp) -> Result<bool, StoreError> {
        let message = &past.message;
        if past.sent.is_some() && self.is_ours(message.number, &message.wire_id).await? {
            self.fill_in(message, Direction::Outbound, &message.from).await?;
            return Ok(false);
        }
        let Some(id) = self.keep(message, past.sent, now).await? else { return Ok(false) };
        let kind = match past.sent {
            Some(_) => Some(EventKind::MessageSent),
            None => told_as(message),
        };
        if let Some(kind) = kind.filter(|_| past.told) {
            self.tell_of(id, kind, message.at).await?;
        }
        self.forget_if_relayed(message.number, id).await?;
        Ok(true)
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

    async fn keep(
        &mut self,
        message: &InboundMessage,
        sent: Option<MessageStatus>,
        now: Timestamp,
    ) -> Result<Option<MessageId>, StoreError> {
        if !self.take_turn(message.number).await? {
            return Ok(None);
        }
        let peer = self.canonical(message).await?;
        let id = MessageId::mint();
        let (direction, status) = match sent {
            Some(status) => (Direction::Outbound, status),
            None => (Direction::Inbound, MessageStatus::Delivered),
        };
        let (sent_at, got_at) = match direction {
            Direction::Outbound => (Some(message.at.as_millis()), None),
            Direction::Inbound => (None, Some(now.as_millis())),
        };
        let place_name = message.place.named().and_then(|(_, name)| name).map(str::to_owned);
        let done = sqlx::query(
            "insert into messages (id, tenant_id, number_id, direction, status, peer, wire_id,
               correlation_id, kind, content, peer_name, created_at_ms, sent_at_ms,
               delivered_at_ms, place, place_name, quoted_id, media, media_hash, media_until_ms)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17,
               $18, $19, $20)
             on conflict do nothing",
        )
        .bind(id.to_string())
        .bind(message.tenant.to_string())
        .bind(message.number.to_string())
        .bind(if direction == Direction::Outbound { "out" } else { "in" })
        .bind(status.name())
        .bind(peer_text(&peer))
        .bind(message.wire_id.as_str())
        .bind(CorrelationId::mint().to_string())
        .bind(message.kind)
        .bind(message.content.clone())
        .bind(message.sender_name.clone())
        .bind(message.at.as_millis())
        .bind(sent_at)
        .bind(got_at)
        .bind(message.place.id())
        .bind(place_name)
        .bind(message.quoted.as_ref().map(|quoted| quoted.as_str().to_owned()))
        .bind(message.media.as_ref().map(|media| media.media.written()))
        .bind(message.media.as_ref().map(|media| media.link_hash.clone()))
        .bind(message.media.as_ref().map(|media| media.link_until.as_millis()))
        .execute(&mut *self.0.inner)
        .await?;
        if done.rows_affected() == 0 {
            self.fill_in(message, direction, &peer).await?;
            return Ok(None);
        }
        Ok(Some(id))
    }

    /// What stood for a message whose content was still to come gets it. Meta shares media of the past so.
    async fn fill_in(
        &mut self,
        message: &InboundMessage,
        direction: Direction,
        peer: &Peer,
    ) -> Result<(), StoreError> {
        let Some(media) = &message.media else { return Ok(()) };
        sqlx::query(
            "update messages set kind = $6, content = $7, media = $8, media_hash = $9,
               media_until_ms = $10
             where number_id = $1 and wire_id = $3 and direction = $4 and place = $5
               and (peer = $2 or direction = 'out') and kind = 'unsupported' and media is null",
        )
        .bind(message.number.to_string())
        .bind(peer_text(peer))
        .bind(message.wire_id.as_str())
        .bind(if direction == Direction::Outbound { "out" } else { "in" })
        .bind(message.place.id())
        .bind(message.kind)
        .bind(message.content.clone())
        .bind(media.media.written())
        .bind(media.link_hash.clone())
        .bind(media.link_until.as_millis())
        .execute(&mut *self.0.inner)
        .await?;
        Ok(())
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

    async fn tell_of(
        &mut self,
        id: MessageId,
        kind: EventKind,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        match self.lock(id).await? {
            Some(message) => self.tell(&message, kind, at).await,
            None => Ok(()),
        }
    }

    /// Waits until no other unit of work stores messages of this number. Returns whether it still
    /// receives any: what comes in for a removed one, until its device is unlinked, is nobody's.
    async fn take_turn(&mut self, number: NumberId) -> Result<bool, StoreError> {
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
