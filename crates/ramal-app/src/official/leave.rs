//! Removed numbers leave Meta: no more webhooks, no registration. What is gone there already is done.

use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use ramal_domain::{Backoff, NumberId};
use ramal_meta::{ErrorClass, GraphError};
use ramal_store::LeavingNumber;

use super::stored_ids;
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
            if let Err(error) = self.leave_in_turn(id).await {
                tracing::error!(number.id = %id, %error, "how leaving Meta went is not written down");
            }
        });
        leavings.await;
        Ok(())
    }

    async fn leave_in_turn(&self, id: NumberId) -> Result<(), AppError> {
        let turn = self.meta()?.turns.of(id);
        let _turn = turn.lock().await;
        // It may have come back while its turn was awaited.
        let now = self.clock.now();
        let leaving = self.store.read().await?.official().leaving(now, ROUND).await?;
        let Some(number) = leaving.into_iter().find(|it| it.official.number == id) else {
            return Ok(());
        };
        let done = self.leave(&number).await;
        let mut tx = self.store.begin().await?;
        match done {
            Ok(()) => tx.official().left(id).await?,
            Err(error) if number.tries < TRIES_MAX => {
                tracing::warn!(number.id = %id, %error, "a removed number is still at Meta");
                let tries = u32::try_from(number.tries).unwrap_or(u32::MAX);
                let due = self.clock.now().after(RETRY.jittered(tries));
                tx.official().leave_again(id, due).await?;
            }
            Err(error) => {
                tracing::error!(number.id = %id, %error, "a removed number stays at Meta");
                tx.official().left(id).await?;
            }
        }
        Ok(tx.commit().await?)
    }

    async fn leave(&self, number: &LeavingNumber) -> Result<(), AppError> {
        let meta = self.meta()?;
        let official = &number.official;
        let (phone, waba) = stored_ids(official)?;
        let access = meta.access(official);
        gone_is_done(meta.graph.set_callback(&access, &phone, None).await)?;
        if !number.account_shared {
            gone_is_done(meta.graph.unsubscribe(&access, &waba).await)?;
        }
        let phone_node = match meta.graph.phone(&access, &phone).await {
            Ok(found) => found,
            Err(error) => return gone_is_done(Err(error)),
        };
        if !phone_node.is_on_biz_app {
            gone_is_done(meta.graph.deregister(&access, &phone).await)?;
        }
        Ok(())
    }
}

/// What is not there, or not ours any more, needs no leaving.
fn gone_is_done(done: Result<(), GraphError>) -> Result<(), AppError> {
    match done {
        Ok(()) => Ok(()),
        Err(error) if error.is_safe_to_repeat() || error.class == ErrorClass::TimedOut => {
            Err(super::refusal_of(&error).into())
        }
        Err(error) => {
            tracing::info!(%error, "Meta has let the number go already");
            Ok(())
        }
    }
}
