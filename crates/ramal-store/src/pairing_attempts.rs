//! What became of each pairing attempt.
//!
//! Beginnings and ends are written by [`crate::Numbers::step`], in the transaction that moves the link.

use std::{fmt, str::FromStr};

use ramal_domain::{CloseReason, NumberId, TenantId, Timestamp};
use sqlx::{Row as _, any::AnyRow};

use crate::{Epoch, StoreError, Tx, row};

/// How many attempts of one number are remembered.
const KEPT: i64 = 50;
/// What is stored as the reason when another attempt, or the number's removal, took over.
const SUPERSEDED: &str = "SUPERSEDED";

/// How a pairing attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptOutcome {
    /// Connected.
    Open,
    /// Nobody scanned or typed in time.
    Expired,
    /// WhatsApp, the phone or we refused it.
    Refused,
    /// It could not be finished.
    Failed,
}

impl AttemptOutcome {
    const ALL: [Self; 4] = [Self::Open, Self::Expired, Self::Refused, Self::Failed];

    /// As the API and the database write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Expired => "expired",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }

    /// What a close reason means for a pairing attempt.
    pub const fn of(reason: CloseReason) -> Self {
        use CloseReason as R;
        match reason {
            R::CodesExpired => Self::Expired,
            R::PairingRefused
            | R::WrongPhone
            | R::PasskeyRequired
            | R::PasskeyRefused
            | R::LoggedOut
            | R::Restricted
            | R::Banned
            | R::ClientOutdated => Self::Refused,
            R::NotPaired
            | R::Replaced
            | R::Network
            | R::MetaTokenInvalid
            | R::MetaPermissionMissing
            | R::MetaDisconnected
            | R::MetaNotRegistered
            | R::MetaAccountDisabled => Self::Failed,
        }
    }
}

impl fmt::Display for AttemptOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for AttemptOutcome {
    type Err = UnknownOutcome;

    fn from_str(name: &str) -> Result<Self, UnknownOutcome> {
        Self::ALL.into_iter().find(|outcome| outcome.name() == name).ok_or(UnknownOutcome)
    }
}

/// A stored outcome that this version does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown outcome of a pairing attempt")]
pub struct UnknownOutcome;

/// A pairing attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairingAttempt {
    /// When it began.
    pub started_at: Timestamp,
    /// When its first QR code was shown.
    pub qr_at: Option<Timestamp>,
    /// How many QR codes were shown.
    pub qr_codes: i64,
    /// When its (last) pairing code was given.
    pub code_at: Option<Timestamp>,
    /// When a person was (last) asked to do something, such as a passkey.
    pub action_at: Option<Timestamp>,
    /// When the phone answered.
    pub scanned_at: Option<Timestamp>,
    /// When it ended; `None` while it is under way.
    pub ended_at: Option<Timestamp>,
    /// How it ended.
    pub outcome: Option<AttemptOutcome>,
    /// Why, unless it is open: the code of a [`CloseReason`], or `SUPERSEDED`.
    pub reason: Option<String>,
}

/// Something that happened within an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptNote {
    /// A QR code was shown.
    Qr,
    /// A pairing code was given.
    Code,
    /// A person was asked to do something.
    Action,
    /// The phone answered.
    Scanned,
}

/// Pairing attempts.
#[derive(Debug)]
pub struct PairingAttempts<'a>(pub(crate) &'a mut Tx);

impl PairingAttempts<'_> {
    /// Begins an attempt, in place of one that is under way; the oldest ones are forgotten.
    pub(crate) async fn begin(
        &mut self,
        number: NumberId,
        epoch: Epoch,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.supersede(number, now).await?;
        sqlx::query(
            "insert into pairing_attempts (number_id, epoch, started_at_ms) values ($1, $2, $3)
             on conflict do nothing",
        )
        .bind(number.to_string())
        .bind(epoch.0)
        .bind(now.as_millis())
        .execute(&mut *self.0.inner)
        .await?;
        sqlx::query(
            "delete from pairing_attempts where number_id = $1 and epoch not in (
               select epoch from pairing_attempts where number_id = $1
               order by epoch desc limit $2)",
        )
        .bind(number.to_string())
        .bind(KEPT)
        .execute(&mut *self.0.inner)
        .await?;
        Ok(())
    }

    /// Ends the attempt that is under way, if any; without a reason it is connected.
    pub(crate) async fn end(
        &mut self,
        number: NumberId,
        reason: Option<CloseReason>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let outcome = reason.map_or(AttemptOutcome::Open, AttemptOutcome::of);
        self.close(number, outcome, reason.map(CloseReason::code), now).await
    }

    /// Ends the attempt that is under way, if any, because something else took over.
    pub(crate) async fn supersede(
        &mut self,
        number: NumberId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.close(number, AttemptOutcome::Failed, Some(SUPERSEDED), now).await
    }

    async fn close(
        &mut self,
        number: NumberId,
        outcome: AttemptOutcome,
        reason: Option<&'static str>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "update pairing_attempts set ended_at_ms = $2, outcome = $3, reason = $4
             where number_id = $1 and ended_at_ms is null",
        )
        .bind(number.to_string())
        .bind(now.as_millis())
        .bind(outcome.name())
        .bind(reason)
        .execute(&mut *self.0.inner)
        .await?;
        Ok(())
    }

    /// Notes what happened within the attempt that `epoch` began; one that has ended stays as it is.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn note(
        &mut self,
        number: NumberId,
        epoch: Epoch,
        note: AttemptNote,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let sql = match note {
            AttemptNote::Qr => {
                "update pairing_attempts
                 set qr_at_ms = coalesce(qr_at_ms, $3), qr_codes = qr_codes + 1
                 where number_id = $1 and epoch = $2 and ended_at_ms is null"
            }
            AttemptNote::Code => {
                "update pairing_attempts set code_at_ms = $3
                 where number_id = $1 and epoch = $2 and ended_at_ms is null"
            }
            AttemptNote::Action => {
                "update pairing_attempts set action_at_ms = $3
                 where number_id = $1 and epoch = $2 and ended_at_ms is null"
            }
            AttemptNote::Scanned => {
                "update pairing_attempts set scanned_at_ms = $3
                 where number_id = $1 and epoch = $2 and ended_at_ms is null"
            }
        };
        sqlx::query(sql)
            .bind(number.to_string())
            .bind(epoch.0)
            .bind(now.as_millis())
            .execute(&mut *self.0.inner)
            .await?;
        Ok(())
    }

    /// The attempts of a listed number of `tenant`, newest first.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn list(
        &mut self,
        tenant: TenantId,
        number: NumberId,
    ) -> Result<Vec<PairingAttempt>, StoreError> {
        let rows = sqlx::query(
            "select a.started_at_ms, a.qr_at_ms, a.qr_codes, a.code_at_ms, a.action_at_ms,
               a.scanned_at_ms, a.ended_at_ms, a.outcome, a.reason
             from pairing_attempts a join numbers n on n.id = a.number_id
             where a.number_id = $1 and n.tenant_id = $2 and n.stage = 'live'
             order by a.epoch desc",
        )
        .bind(number.to_string())
        .bind(tenant.to_string())
        .fetch_all(&mut *self.0.inner)
        .await?;
        rows.iter().map(attempt).collect()
    }
}

fn attempt(row: &AnyRow) -> Result<PairingAttempt, StoreError> {
    Ok(PairingAttempt {
        started_at: row::time(row, "pairing_attempts.started_at_ms")?,
        qr_at: row::time_opt(row, "pairing_attempts.qr_at_ms")?,
        qr_codes: row.try_get("qr_codes")?,
        code_at: row::time_opt(row, "pairing_attempts.code_at_ms")?,
        action_at: row::time_opt(row, "pairing_attempts.action_at_ms")?,
        scanned_at: row::time_opt(row, "pairing_attempts.scanned_at_ms")?,
        ended_at: row::time_opt(row, "pairing_attempts.ended_at_ms")?,
        outcome: row::parsed_opt(row, "pairing_attempts.outcome")?,
        reason: row.try_get("reason")?,
    })
}
