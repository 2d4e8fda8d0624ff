//! Removed numbers leave Meta: no more webhooks, no registration. What is gone there already is done. Of
//! numbers that never came to be, the callback is taken back.

use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use ramal_domain::{Backoff, NumberId};
use ramal_meta::{Access, ErrorClass, GraphError, Phone, PhoneId};
use ramal_store::LeavingNumber;

use super::{Meta, delivers_to, stored_ids};
use crate::{App, AppError};

/// How many numbers leave in one round.
const ROUND: u32 = 20;
/// How many of them at once.
const LEAVINGS_MAX: usize = 8;
/// The first pause after leaving failed, and the longest.
const RETRY: Backoff = Backoff { base: Duration::from_secs(5), cap: Duration::from_hours(1) };
/// How often leaving is tried: with the pauses above, about a week, as long as Meta itself repeats.
const TRIES_MAX: i64 = 180;

impl App {
    /// Unsubscribes and deregisters removed numbers, as long as it takes.
    pub(crate) async fn leave_due(&self) -> Result<(), AppError> {
        let now = self.clock.now();
        let leaving = self.store.read().await?.official().leaving(now, ROUND).await?;
        // Several at once: Meta may take its time about some.
        let leavings = stream::iter(leaving).for_each_concurrent(LEAVINGS_MAX, async |number| {
            let id = number.official.number;
            if let Err(error) = self.leave_in_turn(id, &number.official.phone_id).await {
                tracing::error!(number.id = %id, %error, "how leaving Meta went is not written down");
            }
        });
        leavings.await;
        Ok(())
    }

    async fn leave_in_turn(&self, id: NumberId, phone_id: &str) -> Result<(), AppError> {
        let meta = self.meta()?;
        let (turn, phone_turn) = (meta.turns.of(id), meta.phone_turns.of(phone_id.to_owned()));
        let (_turn, _phone_turn) = (turn.lock().await, phone_turn.lock().await);
        // It may have come back while its turn was awaited.
        let now = self.clock.now();
        let leaving = self.store.read().await?.official().leaving(now, ROUND).await?;
        let Some(number) = leaving.into_iter().find(|it| it.official.number == id) else {
            return Ok(());
        };
        let done = self.leave(&number).await;
        let mut tx = self.store.begin().await?;
        match done {
            Ok(()) => tx.official().left(id, self.clock.now()).await?,
            Err(error) if number.tries < TRIES_MAX => {
                tracing::warn!(number.id = %id, %error, "a removed number is still at Meta");
                let tries = u32::try_from(number.tries).unwrap_or(u32::MAX);
                let due = self.clock.now().after(RETRY.jittered(tries));
                tx.official().leave_again(id, due).await?;
            }
            Err(error) => {
                tracing::error!(number.id = %id, %error, "a removed number stays at Meta");
                tx.official().left(id, self.clock.now()).await?;
            }
        }
        Ok(tx.commit().await?)
    }

    async fn leave(&self, number: &LeavingNumber) -> Result<(), AppError> {
        let meta = self.meta()?;
        let official = &number.official;
        let sharing = self.store.read().await?.official().sharing(official).await?;
        if sharing.phone {
            // Whoever has the number here by now lives by what Meta knows of it.
            return Ok(());
        }
        let (phone_id, waba) = stored_ids(official)?;
        let access = meta.access(official);
        let phone = forget_callback(meta, &access, &phone_id, official.number).await?;
        if number.half_done {
            // Who else uses account and number is not known: they were not ours yet.
            return Ok(());
        }
        if !sharing.account {
            gone_is_done(meta.graph.unsubscribe(&access, &waba).await)?;
        }
        if phone.is_some_and(|phone| !phone.is_on_biz_app) {
            gone_is_done(meta.graph.deregister(&access, &phone_id).await)?;
        }
        Ok(())
    }
}

/// Has Meta deliver nothing to our number `id` any more; an address that is not ours stays. Returns the
/// phone number as it was, if Meta still has it.
pub(super) async fn forget_callback(
    meta: &Meta,
    access: &Access,
    phone_id: &PhoneId,
    id: NumberId,
) -> Result<Option<Phone>, AppError> {
    let phone = match meta.graph.phone(access, phone_id).await {
        Ok(phone) => phone,
        Err(error) => return gone_is_done(Err(error)).map(|()| None),
    };
    if delivers_to(&phone, id) {
        gone_is_done(meta.graph.set_callback(access, phone_id, None).await)?;
    }
    Ok(Some(phone))
}

/// What is not there, or not ours any more, needs no leaving. Everything else is tried again.
pub(super) fn gone_is_done(done: Result<(), GraphError>) -> Result<(), AppError> {
    match done {
        Ok(()) => Ok(()),
        Err(error) if lets_go(error.class) => {
            tracing::info!(%error, "Meta has let the number go already");
            Ok(())
        }
        Err(error) => Err(super::refusal_of(&error).into()),
    }
}

/// Whether a refusal says that nothing of ours is there.
const fn lets_go(class: ErrorClass) -> bool {
    match class {
        ErrorClass::NotFound
        | ErrorClass::Invalid
        | ErrorClass::NotRegistered
        | ErrorClass::Credentials
        | ErrorClass::Permission
        | ErrorClass::Blocked => true,
        ErrorClass::Pin
        | ErrorClass::Unverified
        | ErrorClass::RegisterLimit
        | ErrorClass::CallbackRefused
        | ErrorClass::WindowClosed
        | ErrorClass::Template
        | ErrorClass::Undeliverable
        | ErrorClass::Config
        | ErrorClass::Transient
        | ErrorClass::Throttled
        | ErrorClass::Unreachable
        | ErrorClass::TimedOut
        | ErrorClass::Unexpected => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_gone_or_not_ours_any_more_needs_no_leaving() {
        for class in [ErrorClass::NotFound, ErrorClass::NotRegistered, ErrorClass::Credentials] {
            assert!(lets_go(class), "{class:?}");
        }
        // Registered too often, not answered, not understood: it is there still.
        for class in [ErrorClass::RegisterLimit, ErrorClass::TimedOut, ErrorClass::Unexpected] {
            assert!(!lets_go(class), "{class:?}");
        }
    }
}
