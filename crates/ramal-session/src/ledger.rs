//! What a session writes: each fact in one transaction, tried again while the database is busy.

use ramal_domain::{Backoff, Input, MessageId, NumberId, Timestamp, WireId};
use ramal_store::{Epoch, Failure, Identity, Receipt, Stepped, StoreError};

use crate::{Options, actor::Context};

/// How often a write that found the database busy is tried again before it is given up.
const WRITE_TRIES: u32 = 5;

/// A fact about a number's session.
#[derive(Debug)]
pub(crate) enum Fact {
    /// The link moved; the event is written along.
    Link(Input),
    /// Who the number is on WhatsApp.
    Account(Identity),
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
            Fact::Link(input) => {
                stepped = Some(tx.numbers().step(number, epoch, *input, now).await?);
                if *input == Input::Opened {
                    // What failed for want of a connection need not wait any longer.
                    tx.messages().hurry(number).await?;
                }
            }
            Fact::Account(identity) => tx.numbers().identify(number, epoch, identity).await?,
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
        }
        tx.commit().await?;
        Ok(stepped)
    }
}
