//! Messages: accept for sending, look up.

use bytes::Bytes;
use ramal_domain::{
    Content, CorrelationId, FilledTemplate, MessageId, Peer, PhoneNumber, Provider, WireId,
};
use ramal_store::{Accepted, Draft, Message};

use crate::{
    App, AppError, Memo, NumberSettings, OutgoingMessage, Refusal, Scoped,
    outgoing::{Ready, check_meta, check_web},
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

impl App {
    /// Accepts a message for sending: it is stored, and goes out in order as soon as the number is
    /// connected.
    ///
    /// # Errors
    ///
    /// [`Refusal::Validation`], [`Refusal::NotSupported`], and for templates
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
        let (content, bytes) = self.content(scoped, &wish).await?;
        let wire_id = WireId::mint();
        let mark_read = match wish.mark_read {
            Some(chosen) => chosen,
            None => NumberSettings::read(&scoped.number.settings)?.mark_read_on_send,
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
            mark_read: mark_read && provider == Provider::Meta,
            origin: "API",
        };
        let mut tx = self.store.begin().await?;
        // Again, inside: a number that was removed meanwhile accepts nothing.
        let number = tx.numbers().find(draft.tenant, draft.number).await?;
        let number = number.ok_or(Refusal::NumberNotFound)?;
        let accepted = tx.messages().accept(&draft, self.clock.now()).await?;
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

    async fn content(
        &self,
        scoped: &Scoped,
        wish: &OutgoingMessage,
    ) -> Result<(Content, Option<Bytes>), AppError> {
        match wish.ready(scoped.number.provider)? {
            Ready::Content(content, bytes) => Ok((content, bytes)),
            Ready::Template { name, header } => {
                let (header, bytes) = header.unzip();
                if scoped.number.provider == Provider::Web {
                    let tenant = scoped.caller.tenant();
                    let own =
                        self.fill_own_template(tenant, &name, &wish.variables, header).await?;
                    check_web(&own.content)?;
                    return Ok((own.content, bytes.flatten()));
                }
                let filled: FilledTemplate =
                    self.fill_template(scoped.number.id, &name, &wish.variables, header).await?;
                let content = Content::Template(filled);
                check_meta(&content)?;
                Ok((content, bytes.flatten()))
            }
        }
    }

    /// Shows the other side that something is being written, for half a minute or until it comes, and
    /// that what it wrote was read: Meta has one only with the other.
    ///
    /// # Errors
    ///
    /// [`Refusal::Validation`], [`Refusal::NotSupported`] on a QR-paired number,
    /// [`Refusal::MessageNotFound`] when the other side has written nothing, and those of Meta.
    pub async fn show_typing(&self, scoped: &Scoped, to: String) -> Result<(), AppError> {
        let number = &scoped.number;
        if number.provider == Provider::Web {
            let sentence = "typing is not supported yet on QR-paired numbers";
            return Err(Refusal::NotSupported(sentence.to_owned()).into());
        }
        let wish = OutgoingMessage { to, ..OutgoingMessage::default() };
        let to = wish.recipient(number.provider)?;
        self.type_official(number, &to).await
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
