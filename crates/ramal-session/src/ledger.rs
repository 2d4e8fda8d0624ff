//! What a session writes: each fact in one transaction, tried again while the database is busy.

use ramal_domain::{
    Action, Ailment, Backoff, CorrelationId, Illness, Input, Link, MessageId, NumberId,
    PhoneNumber, TenantId, Timestamp, WireId,
};
use ramal_store::{
    AttemptNote, Draft, Epoch, Failure, Identity, Number, Receipt, Stepped, StoreError,
};

use crate::{Options, actor::Context};

/// How often a write that found the database busy is tried again before it is given up.
const WRITE_TRIES: u32 = 5;

/// A fact about a number's session.
#[derive(Debug)]
pub(crate) enum Fact {
    /// The link moved; the event is written along, and what it says of the number's health.
    Link {
        input: Input,
        /// Until when a restriction that it tells of lasts.
        restricted_until: Option<Timestamp>,
    },
    /// The number has been open for so long that it is well again.
    Recovered,
    /// The pairing waits for a person.
    Action(Action),
    /// Who the number is on WhatsApp.
    Account(Identity),
    /// Something happened within the pairing attempt.
    Attempt(AttemptNote),
    /// WhatsApp answered.
    Alive,
    /// The other side got or read messages.
    Receipt(Vec<WireId>, Receipt, Timestamp),
    /// A try to send did not succeed; when the next one is due.
    Tried(MessageId, Timestamp),
    /// WhatsApp has the message, or refused it for good.
    Settled(MessageId, Option<Failure>),
    /// The device is gone: its credentials are worthless.
    Unlinked,
    /// Somebody is to be answered, once.
    Answer(Answer),
}

/// A text that answers something. Its id is derived from what it answers.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) tenant: TenantId,
    pub(crate) wire_id: WireId,
    pub(crate) to: PhoneNumber,
    pub(crate) text: String,
}

impl Answer {
    fn draft(&self, number: NumberId) -> Draft<'_> {
        Draft {
            id: MessageId::mint(),
            tenant: self.tenant,
            number,
            wire_id: &self.wire_id,
            correlation: CorrelationId::mint(),
            to: &self.to,
            text: &self.text,
            origin: "SYSTEM",
        }
    }
}

/// Writes the facts of one number's session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ledger<'a> {
    pub(crate) context: &'a Context,
    pub(crate) number: NumberId,
    pub(crate) epoch: Epoch,
}

impl Ledger<'_> {
    /// Writes `fact`; the outcome of [`Fact::Link`] is returned.
    pub(crate) async fn write(&self, fact: &Fact) -> Result<Option<Stepped>, StoreError> {
        let Options { retry_base: base, retry_cap: cap, .. } = self.context.options;
        let mut tries = 0;
        loop {
            match self.try_write(fact).await {
                Err(StoreError::Busy(_)) if tries < WRITE_TRIES => {
                    tokio::time::sleep(Backoff { base, cap }.jittered(tries)).await;
                    tries += 1;
                }
                done => return done,
            }
        }
    }

    async fn try_write(&self, fact: &Fact) -> Result<Option<Stepped>, StoreError> {
        let now = self.context.clock.now();
        let (number, epoch) = (self.number, self.epoch);
        let mut stepped = None;
        let mut tx = self.context.store.begin().await?;
        match fact {
            Fact::Link { input, restricted_until } => {
                let done = tx.numbers().step(number, epoch, *input, now).await?;
                if let Stepped::Done { number, .. } = &done
                    && let Some(ailment) = self.diagnose(number, *input, now)
                {
                    let until = restricted_until.filter(|_| ailment == Ailment::Restricted);
                    let illness = Illness { ailment, since: now, until };
                    tx.numbers().fall_ill(number, illness).await?;
                }
                stepped = Some(done);
                if *input == Input::Opened {
                    // What failed for want of a connection need not wait any longer.
                    tx.messages().hurry(number).await?;
                }
            }
            Fact::Recovered => {
                tx.numbers().recovered(number, epoch, now).await?;
            }
            Fact::Action(action) => {
                tx.numbers().require_action(number, epoch, action, now).await?;
            }
            Fact::Account(identity) => tx.numbers().identify(number, epoch, identity).await?,
            Fact::Attempt(note) => tx.pairing_attempts().note(number, epoch, *note, now).await?,
            Fact::Alive => tx.numbers().checked(number, epoch, now).await?,
            Fact::Receipt(wire_ids, receipt, at) => {
                tx.messages().receipt(number, wire_ids, *receipt, *at).await?;
            }
            Fact::Tried(message, due) => tx.messages().tried(*message, *due, now).await?,
            Fact::Settled(message, None) => {
                tx.messages().sent(*message, now).await?;
            }
            Fact::Settled(message, Some(failure)) => {
                tx.messages().failed(*message, failure, now).await?;
            }
            Fact::Unlinked => tx.numbers().unlinked(number).await?,
            Fact::Answer(answer) => {
                tx.messages().accept_once(&answer.draft(number), now).await?;
            }
        }
        tx.commit().await?;
        Ok(stepped)
    }

    /// What a move of the link to where `number` is now says of its health.
    fn diagnose(&self, number: &Number, input: Input, now: Timestamp) -> Option<Ailment> {
        let Options { unstable_losses, unstable_window, .. } = self.context.options;
        match (number.link, input) {
            (Link::Closed(reason), Input::Revoked(_) | Input::PairingEnded(_)) => {
                Ailment::of(reason)
            }
            (Link::Resuming { .. }, Input::Lost) => {
                let unstable = number.losses.within(unstable_window, now) >= unstable_losses;
                unstable.then_some(Ailment::Unstable)
            }
            _ => None,
        }
    }
}
