//! What waits to be sent from QR-paired numbers, and what ends the waiting of any message.
//!
//! # Theory of operation
//!
//! A queue is rows. The session of a number takes its head, [`Messages::begin`]s it, hands it to
//! WhatsApp and settles it. The wire id is fixed when a message is accepted, so a try that a crash cut
//! short is made again under the same id, and WhatsApp drops the repeat. `began_at_ms` says that a try
//! is under way: what has begun is not canceled any more.

use std::time::Duration;

use ramal_domain::{
    Content, MessageId, MessageStatus, NumberId, Peer, TenantId, Timestamp, WireId,
};
use sqlx::{AssertSqlSafe, Row as _};

use crate::{
    Failure, Messages, StoreError,
    leases::placeholders,
    messages::{content_of, peer_of, peer_text},
    row,
};

/// How long a message waits for a connection before it is given up (contract C.21).
const QUEUE_MAX_AGE: Duration = Duration::from_hours(7 * 24);

/// How often a message is tried while its number is connected. With the session's backoff that is
/// some minutes.
const TRIES_MAX: i64 = 20;

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
    /// When it was accepted.
    pub created_at: Timestamp,
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
    /// The head of a number's queue: its oldest message that is due. A chat keeps its order: behind
    /// a message that waits for its next try, those to the same recipient wait as well, and only
    /// those. `busy` are chats in which something older is being got ready. What a try of was under way
    /// when this server was killed is tried again, even after its `deliverUntil`: it may have been sent
    /// in time, and has the same id.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn next_queued(
        &mut self,
        number: NumberId,
        busy: &[Peer],
        now: Timestamp,
    ) -> Result<Option<QueuedMessage>, StoreError> {
        let others = if busy.is_empty() {
            String::new()
        } else {
            format!("and peer not in ({})", placeholders(3, busy.len()))
        };
        let sql = format!(
            "select id, wire_id, peer, content, payload, tries, created_at_ms from messages m
             where number_id = $1 and status = 'QUEUED' and due_at_ms <= $2
               and not_before_ms <= $2
               and (until_ms is null or until_ms > $2 or began_at_ms is not null)
               and exists (select 1 from numbers n
                 where n.id = m.number_id and n.provider = 'PILOT_STATUS')
               and not exists (select 1 from messages e where e.number_id = $1
                 and e.status = 'QUEUED' and e.peer = m.peer and e.due_at_ms > $2
                 and e.not_before_ms <= $2
                 and (e.created_at_ms, e.id) < (m.created_at_ms, m.id))
               {others}
             order by created_at_ms, id limit 1"
        );
        let query = sqlx::query(AssertSqlSafe(sql)).bind(number.to_string()).bind(now.as_millis());
        let query = busy.iter().fold(query, |query, peer| query.bind(peer_text(peer)));
        let row = query.fetch_optional(&mut *self.0.inner).await?;
        let Some(row) = row else { return Ok(None) };
        let tries: i64 = row.try_get("tries")?;
        Ok(Some(QueuedMessage {
            id: row::parsed(&row, "messages.id")?,
            wire_id: WireId::from_text(row.try_get::<String, _>("wire_id")?),
            to: peer_of(row.try_get("peer")?),
            content: content_of(&row)?,
            tries: u32::try_from(tries).unwrap_or(u32::MAX),
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

    /// Notes a try that did not succeed, and when the next one is due. A message that was tried
    /// too often is given up: `FAILED` and `message.failed`.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn tried(
        &mut self,
        id: MessageId,
        due: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "update messages set tries = tries + 1, due_at_ms = $2, began_at_ms = null
             where id = $1 and status = 'QUEUED'",
        )
        .bind(id.to_string())
        .bind(due.as_millis())
        .execute(&mut *self.0.inner)
        .await?;
        let tries: Option<i64> =
            sqlx::query_scalar("select tries from messages where id = $1 and status = 'QUEUED'")
                .bind(id.to_string())
                .fetch_optional(&mut *self.0.inner)
                .await?;
        if tries.is_some_and(|tries| tries >= TRIES_MAX) {
            let failure = Failure {
                code: "EXPIRED_AFTER_ATTEMPTS".to_owned(),
                message: "WhatsApp did not take the message, however often it was tried".to_owned(),
            };
            self.failed(id, &failure, now).await?;
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

    /// Gives up what a removed number has not sent yet. Returns how many.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn fail_queued(
        &mut self,
        number: NumberId,
        failure: &Failure,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let ids: Vec<String> = sqlx::query_scalar(
            "select id from messages where number_id = $1 and status = 'QUEUED' order by id",
        )
        .bind(number.to_string())
        .fetch_all(&mut *self.0.inner)
        .await?;
        self.give_up(ids, failure, now).await
    }

    /// Gives up messages that waited too long without one try being possible, or past the time that
    /// their sender has set. Returns how many.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn expire_queued(&mut self, now: Timestamp) -> Result<u64, StoreError> {
        let late = Failure {
            code: "MESSAGE_EXPIRED".to_owned(),
            message: "the message could not be sent before its deliverUntil".to_owned(),
        };
        // One that a try is under way of may have been sent: how it ended is told soon.
        let ids: Vec<String> = sqlx::query_scalar(
            "select id from messages
             where status = 'QUEUED' and until_ms <= $1 and began_at_ms is null
             order by id limit 500",
        )
        .bind(now.as_millis())
        .fetch_all(&mut *self.0.inner)
        .await?;
        let expired = self.give_up(ids, &late, now).await?;
        let ids: Vec<String> = sqlx::query_scalar(
            "select id from messages where status = 'QUEUED' and created_at_ms < $1
               and not_before_ms < $1
             order by id limit 500",
        )
        .bind(now.before(QUEUE_MAX_AGE).as_millis())
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
