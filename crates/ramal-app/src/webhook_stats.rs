//! How a webhook is doing: what people look at before they ask anybody.

use std::{collections::HashMap, time::Duration};

use ramal_domain::{EventKind, Timestamp, WebhookId};
use ramal_store::{Outcomes, PendingDelivery, Webhook};

use crate::{App, AppError, Caller};

/// What the success rate in a list looks back at.
const RECENT: Duration = Duration::from_hours(24);
/// Most pending deliveries that are shown.
const PENDING_MAX: u32 = 20;

/// How far a chart looks back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Span {
    /// The last 24 hours, hour by hour.
    #[default]
    Day,
    /// The last 14 days, day by day.
    Fortnight,
}

impl Span {
    /// The width of one bar.
    pub const fn width(self) -> Duration {
        match self {
            Self::Day => Duration::from_hours(1),
            Self::Fortnight => Duration::from_hours(24),
        }
    }

    const fn bars(self) -> u16 {
        match self {
            Self::Day => 24,
            Self::Fortnight => 14,
        }
    }

    /// When the first bar begins: the last one holds `now`.
    fn since(self, now: Timestamp) -> Timestamp {
        let width = i64::try_from(self.width().as_millis()).unwrap_or(1);
        let current = now.as_millis() - now.as_millis().rem_euclid(width);
        let before = u32::from(self.bars().saturating_sub(1));
        Timestamp::from_millis(current).before(self.width().saturating_mul(before))
    }
}

/// What a webhook's deliveries came to.
#[derive(Clone, Debug)]
pub struct WebhookStats {
    /// The beginning of each span, with the attempts in it; oldest first.
    pub bars: Vec<(Timestamp, Outcomes)>,
    /// What is still to be delivered, what is due first in front; not more than a few.
    pub pending: Vec<PendingDelivery>,
    /// How much there is of that in all.
    pub pending_total: u64,
}

impl App {
    /// The attempts of the last day to each webhook of the caller's tenant that had any.
    ///
    /// # Errors
    ///
    /// [`crate::Refusal::NumberScopeNotAllowed`].
    pub async fn webhook_outcomes(
        &self,
        caller: &Caller,
    ) -> Result<HashMap<WebhookId, Outcomes>, AppError> {
        let tenant = caller.require_tenant()?;
        let since = self.clock.now().before(RECENT);
        Ok(self.store.read().await?.deliveries().outcomes_of_tenant(tenant, since).await?)
    }

    /// How the deliveries to a webhook went, and which are to come, of events of `kind` only if one is
    /// named.
    ///
    /// # Errors
    ///
    /// [`AppError`] when the database fails.
    pub async fn webhook_stats(
        &self,
        webhook: &Webhook,
        span: Span,
        kind: Option<EventKind>,
    ) -> Result<WebhookStats, AppError> {
        let (id, tenant) = (webhook.id, webhook.tenant);
        let since = span.since(self.clock.now());
        let mut tx = self.store.read().await?;
        let mut deliveries = tx.deliveries();
        let outcomes = deliveries.outcomes(tenant, id, since, span.width(), span.bars()).await?;
        let starts = (0_u32..).map(|bar| since.after(span.width().saturating_mul(bar)));
        Ok(WebhookStats {
            bars: starts.zip(outcomes).collect(),
            pending: deliveries.pending_of(tenant, id, kind, PENDING_MAX).await?,
            pending_total: deliveries.pending(id).await?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_bar_holds_this_moment() {
        let now: Timestamp = "2026-06-01T12:34:56.000Z".parse().unwrap();

        assert_eq!(Span::Day.since(now).to_string(), "2026-05-31T13:00:00.000Z");
        assert_eq!(Span::Fortnight.since(now).to_string(), "2026-05-19T00:00:00.000Z");
    }
}
