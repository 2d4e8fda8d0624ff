//! The record of what happened, read in its order by those who follow it live.
//!
//! # Theory of operation
//!
//! A follower must not pass over an event that is committed late. On SQLite there is one writer, so
//! `seq` is the order of commits. On PostgreSQL a sequence hands out `seq` before its transaction
//! commits: whoever has seen 8 cannot know whether 7 is still on its way, or was rolled back.
//!
//! So a follower goes only as far as everything is *settled*. [`Sighting`] says how far the record
//! reaches, and takes a transaction id of its own (the *mark*) after having looked. `Events::write`
//! makes sure that a transaction has its id before it is handed a `seq`; hence all that hold a `seq` up
//! to the newest seen one have an id below the mark. Once no transaction with such an id runs any more,
//! all of these events are visible or gone for good, and [`Settling`] moves on. Transaction ids are
//! compared while they are fresh and never stored, so a restored dump changes nothing.
//!
//! The price: a writing transaction that lasts holds followers back as long, and they lose nothing.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ramal_domain::{EventId, EventKind, NumberId, TenantId, Timestamp};
use sqlx::{Row as _, any::AnyRow};

use crate::{Dialect, Events, StoreError, row};

/// How many events, whoever owns them, one page looks through.
const PAGE: i64 = 500;
/// What a sealed position is bound to.
const SEALED_AS: [&str; 1] = ["events.position"];

/// A place in the record: after one event and before the next. Only to be compared and handed back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position(i64);

/// Whose events are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Audience {
    /// The owner.
    pub tenant: TenantId,
    /// One number of theirs, or all of them.
    pub number: Option<NumberId>,
}

impl Audience {
    /// As the queries have it: the empty text stands for all numbers.
    fn number(&self) -> String {
        self.number.map(|number| number.to_string()).unwrap_or_default()
    }
}

/// An event as it was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedEvent {
    /// Its id.
    pub id: EventId,
    /// Its name.
    pub kind: EventKind,
    /// What webhooks are posted.
    pub body: String,
}

/// A stretch of the record.
#[derive(Clone, Debug, Default)]
pub struct FeedPage {
    /// What an audience is told of it, in order.
    pub events: Vec<RecordedEvent>,
    /// Where the stretch ends.
    pub end: Position,
}

/// How far the record reached at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Sighting {
    newest: i64,
    /// No transaction below it ran any more. `None`: there is only ever one.
    oldest_running: Option<i64>,
    /// A transaction id that was handed out after `newest` was seen.
    mark: Option<i64>,
}

impl Sighting {
    /// Whether looking once more at once may settle what was seen.
    pub const fn is_open(&self) -> bool {
        self.mark.is_some()
    }

    /// How far the record reached.
    pub const fn newest(&self) -> Position {
        Position(self.newest)
    }
}

/// What is known to be settled. One for all followers of a database.
#[derive(Clone, Copy, Debug, Default)]
pub struct Settling {
    settled: i64,
    /// What is settled once no transaction below the mark runs any more: newest and mark.
    candidate: Option<(i64, i64)>,
}

impl Settling {
    /// Takes in what was seen, and says up to where the unit of work that saw it may read: nothing
    /// will come in before that, and it can see all of it.
    pub fn note(&mut self, sighting: &Sighting) -> Position {
        self.learn(sighting);
        // Others may have settled more since, which a unit of work that began before does not see.
        Position(self.settled.min(sighting.newest))
    }

    fn learn(&mut self, sighting: &Sighting) {
        let Some(oldest_running) = sighting.oldest_running else {
            self.settled = self.settled.max(sighting.newest);
            return;
        };
        if let Some((newest, mark)) = self.candidate
            && oldest_running >= mark
        {
            self.settled = self.settled.max(newest);
            self.candidate = None;
        }
        if let Some(mark) = sighting.mark
            && self.candidate.is_none()
            && sighting.newest > self.settled
        {
            self.candidate = Some((sighting.newest, mark));
        }
    }
}

impl Events<'_> {
    /// Looks how far the record reaches; [`Settling::note`] makes sense of it.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database does not answer.
    pub async fn sight(&mut self, settling: Settling) -> Result<Sighting, StoreError> {
        if self.0.dialect == Dialect::Sqlite {
            let newest = sqlx::query_scalar("select coalesce(max(seq), 0) from events")
                .fetch_one(&mut *self.0.inner)
                .await?;
            return Ok(Sighting { newest, oldest_running: None, mark: None });
        }
        let row = sqlx::query(
            "select coalesce(max(seq), 0), pg_snapshot_xmin(pg_current_snapshot())::text::bigint,
                    (case when pg_current_xact_id_if_assigned() is null then 1 else 0 end)::bigint
             from events",
        )
        .fetch_one(&mut *self.0.inner)
        .await?;
        let (newest, oldest_running): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
        // A unit of work has one id. Taken at an earlier look, it is older than what is seen now, and
        // would say that others have finished who have not.
        let fresh = row.try_get::<i64, _>(2)? == 1;
        // Ids are not for free, and there is nothing to settle most of the time.
        let mark = if fresh && newest > settling.settled && settling.candidate.is_none() {
            let mark = sqlx::query_scalar("select pg_current_xact_id()::text::bigint")
                .fetch_one(&mut *self.0.inner)
                .await?;
            Some(mark)
        } else {
            None
        };
        Ok(Sighting { newest, oldest_running: Some(oldest_running), mark })
    }

    /// The next stretch of the record after `from`, and not beyond `until`, which is settled: what
    /// `audience` is told of it. Tests of webhooks are for the webhook only.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database does not answer.
    pub async fn told_after(
        &mut self,
        audience: Audience,
        from: Position,
        until: Position,
    ) -> Result<FeedPage, StoreError> {
        let end: Option<i64> = sqlx::query_scalar(
            "select max(p.seq) from (select seq from events where seq > $1 and seq <= $2
                                     order by seq limit $3) as p",
        )
        .bind(from.0)
        .bind(until.0)
        .bind(PAGE)
        .fetch_one(&mut *self.0.inner)
        .await?;
        let Some(end) = end else {
            return Ok(FeedPage { events: Vec::new(), end: until.max(from) });
        };
        let rows = sqlx::query(
            // The limit, which cannot be reached, keeps the planner to the stretch.
            "select p.id, p.kind, p.body
             from (select seq, id, tenant_id, number_id, kind, body from events
                   where seq > $1 and seq <= $2 order by seq limit $3) as p
             where p.tenant_id = $4 and ($5 = '' or p.number_id = $5) and p.kind <> 'webhook.test'
             order by p.seq",
        )
        .bind(from.0)
        .bind(end)
        .bind(PAGE)
        .bind(audience.tenant.to_string())
        .bind(audience.number())
        .fetch_all(&mut *self.0.inner)
        .await?;
        let events = rows.iter().map(recorded).collect::<Result<_, StoreError>>()?;
        Ok(FeedPage { events, end: Position(end) })
    }

    /// The place right after an event that `audience` is told of.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database does not answer.
    pub async fn position_of(
        &mut self,
        audience: Audience,
        id: EventId,
    ) -> Result<Option<Position>, StoreError> {
        let seq: Option<i64> = sqlx::query_scalar(
            "select seq from events
             where id = $1 and tenant_id = $2 and ($3 = '' or number_id = $3)",
        )
        .bind(id.to_string())
        .bind(audience.tenant.to_string())
        .bind(audience.number())
        .fetch_optional(&mut *self.0.inner)
        .await?;
        Ok(seq.map(Position))
    }

    /// The place before the first event of `audience` that happened at or after `since`; `settled`, if
    /// there is none. Never beyond `settled`.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database does not answer.
    pub async fn position_since(
        &mut self,
        audience: Audience,
        since: Timestamp,
        settled: Position,
    ) -> Result<Position, StoreError> {
        // Number by number, as the index has them.
        let first: Option<i64> = sqlx::query_scalar(
            "select min(e.seq) from numbers n join events e on e.number_id = n.id
             where n.tenant_id = $1 and ($2 = '' or n.id = $2) and e.created_at_ms >= $3",
        )
        .bind(audience.tenant.to_string())
        .bind(audience.number())
        .bind(since.as_millis())
        .fetch_one(&mut *self.0.inner)
        .await?;
        Ok(first.map_or(settled, |first| Position(first.saturating_sub(1)).min(settled)))
    }

    /// A place as a text for strangers, which tells them nothing.
    ///
    /// # Errors
    ///
    /// [`StoreError::Sealed`], which cannot happen for anything as short.
    pub fn seal_position(&self, position: Position) -> Result<String, StoreError> {
        let sealed = self.0.vault.seal(&SEALED_AS, &position.0.to_be_bytes())?;
        Ok(URL_SAFE_NO_PAD.encode(sealed))
    }

    /// Reads what [`Events::seal_position`] gave; `None`: it was not us.
    pub fn open_position(&self, text: &str) -> Option<Position> {
        let sealed = URL_SAFE_NO_PAD.decode(text).ok()?;
        let bytes = self.0.vault.open(&SEALED_AS, &sealed).ok()?;
        Some(Position(i64::from_be_bytes(bytes.try_into().ok()?)))
    }
}

fn recorded(found: &AnyRow) -> Result<RecordedEvent, StoreError> {
    Ok(RecordedEvent {
        id: row::parsed(found, "events.id")?,
        kind: row::parsed(found, "events.kind")?,
        body: found.try_get("body")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(newest: i64, oldest_running: i64, mark: Option<i64>) -> Sighting {
        Sighting { newest, oldest_running: Some(oldest_running), mark }
    }

    #[test]
    fn nothing_is_settled_while_somebody_may_still_come_in_before_it() {
        let mut settling = Settling::default();

        // 100 may hold any place up to 8.
        assert_eq!(settling.note(&seen(8, 100, Some(103))), Position(0));
        assert_eq!(settling.note(&seen(9, 102, None)), Position(0));
        assert_eq!(settling.note(&seen(9, 103, None)), Position(8), "of 9 nothing is known yet");
        assert_eq!(settling.note(&seen(9, 103, Some(105))), Position(8));
        assert_eq!(settling.note(&seen(9, 105, None)), Position(9));
    }

    #[test]
    fn with_one_writer_what_is_seen_is_settled_and_what_is_not_seen_is_not() {
        let seen = |newest| Sighting { newest, oldest_running: None, mark: None };
        let mut settling = Settling::default();
        assert_eq!(settling.note(&seen(7)), Position(7));

        // Another unit of work began before 7 was committed.
        assert_eq!(settling.note(&seen(6)), Position(6));
        assert_eq!(settling.settled, 7);
    }
}
