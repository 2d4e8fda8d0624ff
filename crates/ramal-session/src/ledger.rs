//! What a session writes: each fact in one transaction, tried again while the database is busy.

use ramal_domain::{
    Action, Ailment, Backoff, Content, CorrelationId, Illness, Input, Link, MessageId, NumberId,
    Peer, TenantId, Timestamp, WireId, WrongPhone,
};
use ramal_store::{
    Adopted, AttemptNote, Draft, Epoch, Failure, Identity, Number, Schedule, Stepped, StoreError,
    Tried, Tx,
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
    /// The phone that scanned is the number's own from now on, and logged in if `opened`.
    Adopted { wrong: WrongPhone, identity: Identity, opened: bool },
    /// The phone that scanned is not the expected one and is to be unlinked.
    Rejected(WrongPhone),
    /// Who the number is on WhatsApp.
    Account(Identity),
    /// Something happened within the pairing attempt.
    Attempt(AttemptNote),
    /// WhatsApp answered.
    Alive,
    /// A try to send did not succeed; when the next one is due.
    Tried(MessageId, Tried, Timestamp),
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
    pub(crate) to: Peer,
    pub(crate) content: Content,
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
            content: &self.content,
            bytes: None,
            mark_read: false,
            origin: "SYSTEM",
            schedule: Schedule::default(),
            template: None,
            labels: &[],
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
    /// Writes `fact`; what came of the link is returned, if the fact concerns it. Of [`Fact::Adopted`]
    /// nothing is: another number of the tenant has the phone number, and nothing was written.
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
            Fact::Adopted { wrong, identity, opened } => {
                stepped = self.adopt(&mut tx, wrong, identity, *opened).await?;
                if stepped.is_none() {
                    return Ok(None);
                }
            }
            Fact::Rejected(wrong) => {
                stepped = Some(tx.numbers().reject_phone(number, epoch, wrong, now).await?);
            }
            Fact::Account(identity) => tx.numbers().identify(number, epoch, identity).await?,
            Fact::Attempt(note) => tx.pairing_attempts().note(number, epoch, *note, now).await?,
            Fact::Alive => tx.numbers().checked(number, epoch, now).await?,
            Fact::Tried(message, outcome, due) => {
                tx.messages().tried(*message, *outcome, *due, now).await?;
            }
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

    async fn adopt(
        &self,
        tx: &mut Tx,
        wrong: &WrongPhone,
        identity: &Identity,
        opened: bool,
    ) -> Result<Option<Stepped>, StoreError> {
        let now = self.context.clock.now();
        match tx.numbers().adopt(self.number, self.epoch, wrong, now).await? {
            Adopted::Taken => return Ok(None),
            Adopted::Fenced => return Ok(Some(Stepped::Fenced)),
            Adopted::Done => {}
        }
        tx.numbers().identify(self.number, self.epoch, identity).await?;
        // Without a socket the link opens with the next login.
        let input = if opened { Input::Opened } else { Input::Lost };
        let stepped = tx.numbers().step(self.number, self.epoch, input, now).await?;
        if opened {
            tx.messages().hurry(self.number).await?;
        }
        Ok(Some(stepped))
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
