//! What waits to be sent from QR-paired numbers, and what ends the waiting of any message.
//!
//! # Theory of operation
//!
//! A queue is rows. The session of a number takes its head, [`Messages::begin`]s it, hands it to
//! WhatsApp and settles it. The wire id is fixed when a message is accepted, so a try that a crash cut
//! short is made again under the same id, and WhatsApp drops the repeat. `began_at_ms` says that a try
//! is under way, or was and may have reached WhatsApp: what has begun is not canceled any more.

use std::time::Duration;

use ramal_domain::{
    Content, MessageId, MessageStatus, NumberId, Peer, TenantId, Timestamp, WireId,
};
use sqlx::{AssertSqlSafe, Row as _, any::AnyRow};

use crate::{
    Failure, Messages, NumberStage, StoreError,
    leases::placeholders,
    messages::{content_of, peer_of, peer_text},
    official_queue::{NOT_CONFIRMED, unreadable},
    row,
};

/// How long a message waits for a connection before it is given up (contract C.21).
const QUEUE_MAX_AGE: Duration = Duration::from_hours(7 * 24);

/// How often a message is tried while its number is connected. With the session's backoff that is
/// some minutes.
const TRIES_MAX: i64 = 20;

/// What should have been sent by `$1`, `$2` messages at most. One that a try is under way of may have
/// been sent: how it ended is told soon.
pub(crate) const PAST_UNTIL: &str = "select id from messages
    where status = 'QUEUED' and until_ms is not null and until_ms <= $1 and began_at_ms is null
    order by until_ms limit $2";

/// What has waited since `$1`, `$2` messages at most. Number by number, as the index has them; the same
/// holds of a try that is under way, unless it is as old.
pub(crate) const PAST_AGE: &str = "select m.id from numbers n cross join messages m
    where m.number_id = n.id and m.status = 'QUEUED' and m.created_at_ms < $1
      and m.not_before_ms < $1 and (m.began_at_ms is null or m.began_at_ms < $1) limit $2";

/// What number `$1` has not sent yet, `$2` messages at most.
const QUEUE: &str = "select id, began_at_ms from messages
    where number_id = $1 and status = 'QUEUED' order by created_at_ms, id limit $2";

/// How much number `$1` has not sent yet, counted up to `$2`.
pub(crate) const COUNT: &str = "select count(*) from (select 1 from messages
    where number_id = $1 and status = 'QUEUED' and created_at_ms > -1 limit $2) q";

/// How many bytes of media are kept for it. Their lengths are known without reading them.
pub(crate) const BYTES: &str = "select coalesce(sum(length(o.bytes)), 0)
    from messages m cross join outbound_media o
    where o.message_id = m.id and m.number_id = $1 and m.status = 'QUEUED' and m.created_at_ms > -1";

/// A removed number that has something left to send.
pub(crate) const REMOVED: &str = "select n.id from numbers n where n.stage = 'removed' and exists
    (select 1 from messages m
     where m.number_id = n.id and m.status = 'QUEUED' and m.created_at_ms > -1) limit 1";

/// A message at the head of its number's queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueuedMessage {
    /// Our id.
    pub id: MessageId,
    /// WhatsApp's id.
    pub wire_id: WireId,
    /// The recipient: a person, a group or a channel.
    pub to: Peer,
    /// What it says.
    pub content: Content,
    /// How many tries have failed.
    pub tries: u32,
    /// Whether an earlier try may have reached WhatsApp.
    pub doubtful: bool,
    /// When it was accepted.
    pub created_at: Timestamp,
}

/// How far a try came that did not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tried {
    /// There was no connection to try with. It does not count.
    NotAtAll,
    /// WhatsApp does not have the message.
    InVain,
    /// Nor does it, since the address of the message's media does not answer.
    NoMedia,
    /// WhatsApp may have the message, now or since an earlier try: nobody says any more that it was not
    /// sent.
    InDoubt,
}

/// What came of canceling a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Canceled {
    /// It will not be sent.
    Done,
    /// The number has no such message.
    Unknown,
    /// It is being sent at this moment, or nobody knows whether it was.
    Sending,
    /// It has left the queue before.
    Late(MessageStatus),
}

impl Messages<'_> {
    async fn head(
        &mut self,
        number: NumberId,
        busy: &[Peer],
        now: Timestamp,
    ) -> Result<Option<AnyRow>, StoreError> {
        let others = if busy.is_empty() {
            String::new()
        } else {
            format!("and peer not in ({})", placeholders(3, busy.len()))
        };
        let sql = format!(
            "select id, wire_id, peer, content, payload, tries, created_at_ms, began_at_ms
             from messages m
             where number_id = $1 and status = 'QUEUED' and due_at_ms <= $2
               and not_before_ms <= $2
               and (until_ms is null or until_ms > $2 or began_at_ms is not null)
               and exists (select 1 from numbers n
                 where n.id = m.number_id and n.provider = 'PILOT_STATUS' and n.stage = 'live')
               and not exists (select 1 from messages e where e.number_id = $1
                 and e.status = 'QUEUED' and e.peer = m.peer and e.due_at_ms > $2
                 and e.not_before_ms <= $2
                 and (e.created_at_ms, e.id) < (m.created_at_ms, m.id))
               {others}
             order by created_at_ms, id limit 1"
        );
        let query = sqlx::query(AssertSqlSafe(sql)).bind(number.to_string()).bind(now.as_millis());
        let query = busy.iter().fold(query, |query, peer| query.bind(peer_text(peer)));
        Ok(query.fetch_optional(&mut *self.0.inner).await?)
    }

    /// Gives up the head of a queue if nobody can read what it says; returns whether it was so. Else the
    /// number would wait for it for ever.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn give_up_unreadable(
        &mut self,
        number: NumberId,
        busy: &[Peer],
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let Some(head) = self.head(number, busy, now).await? else { return Ok(false) };
        match content_of(&head) {
            Err(StoreError::Inconsistent { .. }) => {
                self.failed(row::parsed(&head, "messages.id")?, &unreadable(), now).await
            }
            _ => Ok(false),
        }
    }

    /// The head of a number's queue: its oldest message that is due. A chat keeps its order: behind
    /// a message that waits for its next try, those to the same recipient wait as well, and only
    /// those. `busy` are chats in which something older is being got ready. What a try of was under way
    /// when this server was killed is tried again, even after its `deliverUntil`: it may have been sent
    /// in time, and has the same id.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; see [`Messages::give_up_unreadable`].
    pub async fn next_queued(
        &mut self,
        number: NumberId,
        busy: &[Peer],
        now: Timestamp,
    ) -> Result<Option<QueuedMessage>, StoreError> {
        let Some(row) = self.head(number, busy, now).await? else { return Ok(None) };
        let tries: i64 = row.try_get("tries")?;
        Ok(Some(QueuedMessage {
            id: row::parsed(&row, "messages.id")?,
            wire_id: WireId::from_text(row.try_get::<String, _>("wire_id")?),
            to: peer_of(row.try_get("peer")?),
            content: content_of(&row)?,
            tries: u32::try_from(tries).unwrap_or(u32::MAX),
            doubtful: row.try_get::<Option<i64>, _>("began_at_ms")?.is_some(),
            created_at: row::time(&row, "messages.created_at_ms")?,
        }))
    }

    /// When the first message that waits for its time, or for its next try, is due; `None` when none waits.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn next_due(
        &mut self,
        number: NumberId,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        let due: Option<i64> = sqlx::query_scalar(
            "select min(case when due_at_ms > not_before_ms then due_at_ms else not_before_ms end)
             from messages
             where number_id = $1 and status = 'QUEUED' and (due_at_ms > $2 or not_before_ms > $2)",
        )
        .bind(number.to_string())
        .bind(now.as_millis())
        .fetch_one(&mut *self.0.inner)
        .await?;
        Ok(due.map(Timestamp::from_millis))
    }

    /// How many messages of a number wait to be sent, counted up to `most`.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn count_queued(&mut self, number: NumberId, most: u32) -> Result<u64, StoreError> {
        let count: i64 = sqlx::query_scalar(COUNT)
            .bind(number.to_string())
            .bind(i64::from(most))
            .fetch_one(&mut *self.0.inner)
            .await?;
        Ok(u64::try_from(count).unwrap_or_default())
    }

    /// How many bytes of media wait with them.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn queued_bytes(&mut self, number: NumberId) -> Result<u64, StoreError> {
        let bytes: i64 = sqlx::query_scalar(BYTES)
            .bind(number.to_string())
            .fetch_one(&mut *self.0.inner)
            .await?;
        Ok(u64::try_from(bytes).unwrap_or_default())
    }

    /// Notes a try that did not succeed, and when the next one is due. A message that was tried
    /// too often is given up: `FAILED` and `message.failed`.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn tried(
        &mut self,
        id: MessageId,
        outcome: Tried,
        due: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let row = sqlx::query(
            "update messages set tries = tries + $3, due_at_ms = $2,
               began_at_ms = case when $4 then began_at_ms end
             where id = $1 and status = 'QUEUED' returning tries",
        )
        .bind(id.to_string())
        .bind(due.as_millis())
        .bind(i64::from(outcome != Tried::NotAtAll))
        .bind(outcome == Tried::InDoubt)
        .fetch_optional(&mut *self.0.inner)
        .await?;
        let Some(row) = row else { return Ok(()) };
        if row.try_get::<i64, _>("tries")? >= TRIES_MAX {
            self.failed(id, &worn_out(outcome), now).await?;
        }
        Ok(())
    }

    /// Makes every queued message of a number due at once.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn hurry(&mut self, number: NumberId) -> Result<(), StoreError> {
        sqlx::query(
            "update messages set due_at_ms = 0
             where number_id = $1 and status = 'QUEUED' and due_at_ms > 0",
        )
        .bind(number.to_string())
        .execute(&mut *self.0.inner)
        .await?;
        Ok(())
    }

    /// Notes that a try begins; returns `false` if the message has left the queue meanwhile, or is to
    /// because its time is over.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn begin(&mut self, id: MessageId, now: Timestamp) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "update messages set began_at_ms = $2 where id = $1 and status = 'QUEUED'
                   and (until_ms is null or until_ms > $2 or began_at_ms is not null)",
        )
        .bind(id.to_string())
        .bind(now.as_millis())
        .execute(&mut *self.0.inner)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Takes a message of one of `tenant`'s numbers out of the queue: `CANCELED`. There is no event
    /// of it.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn cancel(
        &mut self,
        tenant: TenantId,
        number: NumberId,
        any_id: &str,
    ) -> Result<Canceled, StoreError> {
        let Some(found) = self.find(tenant, number, any_id).await? else {
            return Ok(Canceled::Unknown);
        };
        let done = sqlx::query(
            "update messages set status = 'CANCELED'
             where id = $1 and status = 'QUEUED' and began_at_ms is null",
        )
        .bind(found.id.to_string())
        .execute(&mut *self.0.inner)
        .await?;
        if done.rows_affected() == 1 {
            self.drop_bytes(found.id).await?;
            self.left_queue(number, found.id).await?;
            return Ok(Canceled::Done);
        }
        Ok(match self.get(found.id).await?.map(|message| message.status) {
            None => Canceled::Unknown,
            Some(MessageStatus::Queued) => Canceled::Sending,
            Some(status) => Canceled::Late(status),
        })
    }

    /// Gives up what a removed number has not sent yet, `limit` messages at most; of a number that is
    /// not removed, nothing. Returns how many: fewer than `limit` are the last.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn fail_queued(
        &mut self,
        number: NumberId,
        limit: u32,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        // Whoever restores the number, or accepts a message, waits.
        let suffix = self.0.for_update();
        let found = self.0.numbers().select(number, suffix).await?;
        if found.is_none_or(|found| found.stage != NumberStage::Removed) {
            return Ok(0);
        }
        let rows = sqlx::query(QUEUE)
            .bind(number.to_string())
            .bind(i64::from(limit))
            .fetch_all(&mut *self.0.inner)
            .await?;
        for row in &rows {
            let begun = row::time_opt(row, "messages.began_at_ms")?.is_some();
            let failure = if begun { removed_while_sending() } else { removed() };
            self.failed(row::parsed(row, "messages.id")?, &failure, now).await?;
        }
        Ok(u64::try_from(rows.len()).unwrap_or(u64::MAX))
    }

    /// The same for a removed number that has something left to send: whoever removed it did not get to
    /// the end.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn fail_removed(&mut self, limit: u32, now: Timestamp) -> Result<u64, StoreError> {
        let row = sqlx::query(REMOVED).fetch_optional(&mut *self.0.inner).await?;
        let Some(row) = row else { return Ok(0) };
        self.fail_queued(row::parsed(&row, "numbers.id")?, limit, now).await
    }

    /// Gives up messages that waited too long without one try being possible, or past the time that
    /// their sender has set, `limit` of each kind at most. Returns how many.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn expire_queued(&mut self, now: Timestamp, limit: u32) -> Result<u64, StoreError> {
        let late = Failure {
            code: "MESSAGE_EXPIRED".to_owned(),
            message: "the message could not be sent before its deliverUntil".to_owned(),
        };
        let ids: Vec<String> = sqlx::query_scalar(PAST_UNTIL)
            .bind(now.as_millis())
            .bind(i64::from(limit))
            .fetch_all(&mut *self.0.inner)
            .await?;
        let expired = self.give_up(ids, &late, now).await?;
        let ids: Vec<String> = sqlx::query_scalar(PAST_AGE)
            .bind(now.before(QUEUE_MAX_AGE).as_millis())
            .bind(i64::from(limit))
            .fetch_all(&mut *self.0.inner)
            .await?;
        let failure = Failure {
            code: "NEVER_ATTEMPTED_MAX_AGE_EXCEEDED".to_owned(),
            message: "the number was not connected for seven days".to_owned(),
        };
        Ok(expired + self.give_up(ids, &failure, now).await?)
    }

    async fn give_up(
        &mut self,
        ids: Vec<String>,
        failure: &Failure,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let mut given_up = 0;
        for id in ids {
            let id = id
                .parse()
                .map_err(|_unparsable| StoreError::Inconsistent { column: "messages.id" })?;
            given_up += u64::from(self.failed(id, failure, now).await?);
        }
        Ok(given_up)
    }
}

/// Why a message is given up that was tried too often.
fn worn_out(outcome: Tried) -> Failure {
    let (code, message) = match outcome {
        Tried::InDoubt => (
            NOT_CONFIRMED,
            "WhatsApp did not say whether it has the message, however often it was tried",
        ),
        Tried::NoMedia => (
            "MEDIA_UNAVAILABLE",
            "the address of its media did not answer, however often it was asked",
        ),
        Tried::InVain | Tried::NotAtAll => (
            "EXPIRED_AFTER_ATTEMPTS",
            "WhatsApp did not take the message, however often it was tried",
        ),
    };
    Failure { code: code.to_owned(), message: message.to_owned() }
}

fn removed() -> Failure {
    Failure {
        code: "NUMBER_NOT_FOUND_REMOVED".to_owned(),
        message: "the number was removed before the message was sent".to_owned(),
    }
}

/// It may have left: nobody waits for the answer any more.
fn removed_while_sending() -> Failure {
    Failure {
        code: NOT_CONFIRMED.to_owned(),
        message:
            "the number was removed while the message was being sent: whether it was is not known"
                .to_owned(),
    }
}
