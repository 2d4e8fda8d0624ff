//! Messages: accept for sending, look up.

use ramal_domain::{CorrelationId, MessageId, PhoneNumber, WireId};
use ramal_store::{Accepted, Draft, Message};

use crate::{App, AppError, Memo, Refusal, Scoped};

/// Longest text, in characters: what WhatsApp's own apps allow.
const TEXT_MAX: usize = 65_536;

/// A text to be sent.
#[derive(Clone, Debug)]
pub struct TextMessage {
    /// The recipient, in E.164 with or without `+`.
    pub to: String,
    /// The text.
    pub text: String,
}

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
    /// Accepts a text for sending: it is stored, and goes out in order as soon as the number is
    /// connected.
    ///
    /// # Errors
    ///
    /// [`Refusal::Validation`].
    pub async fn send_text(
        &self,
        scoped: &Scoped,
        wish: TextMessage,
        memo: Option<Memo<Sent>>,
    ) -> Result<Sent, AppError> {
        let to: PhoneNumber = wish
            .to
            .parse()
            .map_err(|error| AppError::invalid(format!("destinationNumber: {error}")))?;
        let length = wish.text.chars().count();
        if length == 0 || length > TEXT_MAX {
            return Err(AppError::invalid(format!("text has 1 to {TEXT_MAX} characters")));
        }
        if wish.text.contains('\0') {
            return Err(AppError::invalid("text has no NUL characters"));
        }
        let wire_id = WireId::mint();
        let draft = Draft {
            id: MessageId::mint(),
            tenant: scoped.caller.tenant(),
            number: scoped.number.id,
            wire_id: &wire_id,
            correlation: CorrelationId::mint(),
            to: &to,
            text: &wish.text,
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
        self.sessions.nudge(scoped.number.id);
        Ok(sent)
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
