//! Messages: accept for sending, look up one. `message_log.rs` lists them.

use bytes::Bytes;
use ramal_domain::{Content, CorrelationId, Link, MessageId, Peer, PhoneNumber, Provider, WireId};
use ramal_session::SendError;
use ramal_store::{Accepted, Draft, Message};

use crate::{
    App, AppError, Destination, Memo, NumberSettings, OutgoingMessage, Refusal, Scoped,
    outgoing::{Ready, check},
};

/// A message that was accepted.
#[derive(Clone, Debug)]
pub struct Sent {
    /// Its ids and time.
    pub accepted: Accepted,
    /// The display name of the number that sends.
    pub origin: String,
    /// Its phone number.
    pub source: PhoneNumber,
}

/// What a caller's wish came to.
struct Composed {
    content: Content,
    /// Those of the media in it that the caller handed in.
    bytes: Option<Bytes>,
    /// The name of the template that it was made from.
    template: Option<String>,
}

impl App {
    /// Accepts a message for sending: it is stored, and goes out in order as soon as the number is
    /// connected.
    ///
    /// # Errors
    ///
    /// [`Refusal::Validation`], [`Refusal::NotSupported`], [`Refusal::QueueFull`], and for templates
    /// [`Refusal::TemplateNotFound`], [`Refusal::MissingTemplateVariables`] and those of Meta.
    pub async fn send_message(
        &self,
        scoped: &Scoped,
        wish: OutgoingMessage,
        memo: Option<Memo<Sent>>,
    ) -> Result<Sent, AppError> {
        let provider = scoped.number.provider;
        let to = wish.recipient(provider)?;
        if matches!(&to, Peer::Phone(phone) if provider == Provider::Meta && *phone == scoped.number.phone)
        {
            return Err(AppError::invalid("destinationNumber is the number that sends"));
        }
        let now = self.clock.now();
        let (schedule, labels) = (wish.schedule(now)?, wish.checked_labels()?);
        let Composed { content, bytes, template } = self.compose(scoped, &wish).await?;
        self.take_room(scoped.number.id, bytes.as_ref().map_or(0, Bytes::len)).await?;
        let wire_id = WireId::mint();
        let mark_read = match (provider, wish.mark_read) {
            (Provider::Web, _) => false,
            (Provider::Meta, Some(chosen)) => chosen,
            (Provider::Meta, None) => {
                NumberSettings::read(&scoped.number.settings)?.mark_read_on_send
            }
        };
        let draft = Draft {
            id: MessageId::mint(),
            tenant: scoped.caller.tenant(),
            number: scoped.number.id,
            wire_id: &wire_id,
            correlation: CorrelationId::mint(),
            to: &to,
            content: &content,
            bytes: bytes.as_deref(),
            mark_read,
            origin: scoped.caller.origin(),
            schedule,
            template: template.as_deref(),
            labels,
        };
        let mut tx = self.store.begin().await?;
        // Again, inside: a number that was removed meanwhile accepts nothing.
        let number = tx.numbers().find_to_use(draft.tenant, draft.number).await?;
        let number = number.ok_or(Refusal::NumberNotFound)?;
        let accepted = tx.messages().accept(&draft, now).await?;
        let sent = Sent { accepted, origin: number.name, source: number.phone };
        if let Some(memo) = memo {
            memo.keep(&mut tx, &sent).await?;
        }
        tx.commit().await?;
        match number.provider {
            Provider::Web => self.sessions.nudge(scoped.number.id),
            Provider::Meta => self.wake_official(),
        }
        Ok(sent)
    }

    async fn compose(&self, scoped: &Scoped, wish: &OutgoingMessage) -> Result<Composed, AppError> {
        let (name, header) = match wish.ready(scoped.number.provider)? {
            Ready::Content(content, bytes) => {
                return Ok(Composed { content, bytes, template: None });
            }
            Ready::Template { name, header } => (name, header),
        };
        let (header, bytes) = header.unzip();
        let provider = scoped.number.provider;
        let (content, name) = match provider {
            Provider::Web => {
                let tenant = scoped.caller.tenant();
                let own = self.fill_own_template(tenant, &name, &wish.variables, header).await?;
                (own.content, own.name)
            }
            Provider::Meta => {
                let (number, variables) = (scoped.number.id, &wish.variables);
                let filled = self.fill_template(number, &name, variables, header).await?;
                let name = filled.name.clone();
                (Content::Template(filled), name)
            }
        };
        check(&content, provider, &wish.to)?;
        Ok(Composed { content, bytes: bytes.flatten(), template: Some(name) })
    }

    /// Shows the other side that something is being written, for half a minute or until it comes. From an
    /// official number it also tells that what the other side wrote was read: Meta has one only with the
    /// other.
    ///
    /// # Errors
    ///
    /// [`Refusal::Validation`]; on a QR-paired number [`Refusal::NotConnected`] and
    /// [`Refusal::NoAnswer`]; on an official one [`Refusal::MessageNotFound`] when the other side has
    /// written nothing, and those of Meta.
    pub async fn show_typing(&self, scoped: &Scoped, to: Destination) -> Result<(), AppError> {
        let number = &scoped.number;
        let wish = OutgoingMessage { to, ..OutgoingMessage::default() };
        let to = wish.recipient(number.provider)?;
        if number.provider == Provider::Meta {
            return self.type_official(number, &to).await;
        }
        if number.link != Link::Open {
            return Err(Refusal::NotConnected.into());
        }
        let shown = self.sessions.show_typing(number.id, &to).await.map_err(|error| {
            let unknown = matches!(error.0.downcast_ref(), Some(SendError::UnknownRecipient));
            let error = &error as &dyn std::error::Error;
            tracing::warn!(number.id = %number.id, error, "typing was not shown");
            if unknown {
                return AppError::invalid("destinationNumber is not on WhatsApp");
            }
            Refusal::NoAnswer.into()
        })?;
        Ok(shown.ok_or(Refusal::NotConnected)?)
    }

    /// A message of the scoped number, by our id, its correlation id or WhatsApp's id.
    ///
    /// # Errors
    ///
    /// [`Refusal::MessageNotFound`].
    pub async fn get_message(&self, scoped: &Scoped, any_id: &str) -> Result<Message, AppError> {
        if any_id.contains('\0') {
            // PostgreSQL takes no such text, not even to look for it.
            return Err(Refusal::MessageNotFound.into());
        }
        let (tenant, number) = (scoped.caller.tenant(), scoped.number.id);
        let mut tx = self.store.read().await?;
        Ok(tx.messages().find(tenant, number, any_id).await?.ok_or(Refusal::MessageNotFound)?)
    }
}
