//! What people look back at: the messages of a number, page by page.

use ramal_domain::{MessageStatus, NumberId, Peer, TenantId, Timestamp};
use sqlx::AssertSqlSafe;

use crate::{
    Message, Messages, StoreError,
    messages::{COLUMNS, message, peer_text},
};

/// Which messages are wanted; everything, if nothing is said.
#[derive(Clone, Debug, Default)]
pub struct MessageFilter {
    /// Said at this moment or later.
    pub from: Option<Timestamp>,
    /// Said at this moment or earlier.
    pub to: Option<Timestamp>,
    /// Only those that were sent through us: not what came in, was typed on the phone, or is of the past.
    pub requested: bool,
    /// Only those that were said: neither those that wait nor those that were taken back.
    pub said: bool,
    /// Only those that have come so far.
    pub status: Option<MessageStatus>,
    /// Only those with this person, group or channel.
    pub peer: Option<Peer>,
    /// Only those that their sender calls so.
    pub label: Option<String>,
    /// Only those that wait for a time that is still to come at this moment.
    pub scheduled_at: Option<Timestamp>,
}

/// A page of messages, newest first.
#[derive(Clone, Debug, Default)]
pub struct MessagePage {
    /// Its messages.
    pub messages: Vec<Message>,
    /// How many there are on all pages.
    pub total: u64,
}

impl MessageFilter {
    /// The condition on `messages`, after the two parameters that name the tenant and the number. Every
    /// parameter is always bound: one statement for all wishes.
    const CONDITION: &str = "tenant_id = $1 and number_id = $2
        and {time} >= $3 and {time} <= $4
        and ($5 = 0 or origin is not null) {said}
        and ($6 = '' or status = $6) and ($7 = '' or peer = $7 or place = $7)
        and ($8 = '' or replace(labels, $8, '') <> labels)
        and ($9 < 0 or (status = 'QUEUED' and not_before_ms > $9))";

    /// What messages are chosen by, and in which order: those that were asked for by when they were
    /// accepted, what was said by when it was said. WhatsApp tells that in whole seconds; within one,
    /// things were said in the order in which they came to be known.
    const fn time_and_order(&self) -> (&str, &str) {
        if self.requested {
            ("created_at_ms", "created_at_ms desc, id desc")
        } else {
            (
                "coalesce(sent_at_ms, created_at_ms)",
                "(coalesce(sent_at_ms, created_at_ms) / 1000) desc, id desc",
            )
        }
    }

    /// As JSON has it in the list, in quotes.
    fn quoted_label(&self) -> String {
        let quoted = self.label.as_ref().map(serde_json::to_string);
        quoted.and_then(Result::ok).unwrap_or_default()
    }
}

macro_rules! bound {
    ($query:expr, $tenant:expr, $number:expr, $filter:expr) => {
        $query
            .bind($tenant.to_string())
            .bind($number.to_string())
            .bind($filter.from.map_or(i64::MIN, Timestamp::as_millis))
            .bind($filter.to.map_or(i64::MAX, Timestamp::as_millis))
            .bind(i64::from($filter.requested))
            .bind($filter.status.map_or("", MessageStatus::name))
            .bind($filter.peer.as_ref().map(peer_text).unwrap_or_default())
            .bind($filter.quoted_label())
            .bind($filter.scheduled_at.map_or(-1, Timestamp::as_millis))
    };
}

/// What number `$2` of tenant `$1` has yet to send. The status is as the partial index has it, word for
/// word; the time is always true, and shows SQLite that this index is the one to follow.
pub(crate) const WAITING: &str =
    "tenant_id = $1 and number_id = $2 and status = 'QUEUED' and created_at_ms > -1";

/// A page of it, the next to leave first.
pub(crate) fn waiting_page() -> String {
    format!(
        "select {COLUMNS} from messages where {WAITING}
         order by case when not_before_ms > created_at_ms then not_before_ms
           else created_at_ms end, id limit $3 offset $4"
    )
}

impl Messages<'_> {
    /// A page of a number's messages, newest first; `page` counts from 0.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn page(
        &mut self,
        tenant: TenantId,
        number: NumberId,
        filter: &MessageFilter,
        (page, size): (u32, u32),
    ) -> Result<MessagePage, StoreError> {
        let (time, order) = filter.time_and_order();
        let said = if filter.said { "and status not in ('QUEUED', 'CANCELED')" } else { "" };
        let condition = MessageFilter::CONDITION.replace("{time}", time).replace("{said}", said);
        let count = format!("select count(*) from messages where {condition}");
        let total: i64 = bound!(sqlx::query_scalar(AssertSqlSafe(count)), tenant, number, filter)
            .fetch_one(&mut *self.0.inner)
            .await?;
        let sql = format!(
            "select {COLUMNS} from messages where {condition}
             order by {order} limit $10 offset $11"
        );
        let rows = bound!(sqlx::query(AssertSqlSafe(sql)), tenant, number, filter)
            .bind(i64::from(size))
            .bind(i64::from(page) * i64::from(size))
            .fetch_all(&mut *self.0.inner)
            .await?;
        let messages = rows.iter().map(message).collect::<Result<_, _>>()?;
        Ok(MessagePage { messages, total: u64::try_from(total).unwrap_or_default() })
    }

    /// A page of what a number has yet to send, the next to leave first; `page` counts from 0.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn waiting(
        &mut self,
        tenant: TenantId,
        number: NumberId,
        (page, size): (u32, u32),
    ) -> Result<MessagePage, StoreError> {
        let count = format!("select count(*) from messages where {WAITING}");
        let total: i64 = sqlx::query_scalar(AssertSqlSafe(count))
            .bind(tenant.to_string())
            .bind(number.to_string())
            .fetch_one(&mut *self.0.inner)
            .await?;
        let sql = waiting_page();
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(tenant.to_string())
            .bind(number.to_string())
            .bind(i64::from(size))
            .bind(i64::from(page) * i64::from(size))
            .fetch_all(&mut *self.0.inner)
            .await?;
        let messages = rows.iter().map(message).collect::<Result<_, _>>()?;
        Ok(MessagePage { messages, total: u64::try_from(total).unwrap_or_default() })
    }
}
