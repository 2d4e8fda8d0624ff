//! What official numbers are at Meta: ids, credentials, how far their onboarding has come, and what Meta
//! says of them.

use std::time::Duration;

use ramal_domain::{CloseReason, NodeId, NumberId, TenantId, Timestamp};
use secrecy::{ExposeSecret as _, SecretString};
use sqlx::{AssertSqlSafe, Row as _, any::AnyRow};

use crate::{StoreError, Tx, row};

const COLUMNS: &str = "o.number_id, o.phone_id, o.waba_id, o.app_id, o.operators_app, o.token, \
     o.app_secret, o.pin, o.verify_token, o.token_expires_at_ms, o.onboarding, o.snapshot, \
     o.looked_at_ms";

/// The column `leaving`: whether a number is to go from Meta. It stays.
const STAYS: i64 = 0;
/// It was removed: to be unsubscribed and deregistered.
const LEAVES: i64 = 1;
/// It never came to be: what was set on the way is to be taken back.
const HALF_DONE: i64 = 2;
/// That is done, but it may have been registered: its PIN is kept until `look_due_ms`.
const PIN_KEPT: i64 = 3;
/// How long the PIN of a number that never came to be is kept, for whoever tries again.
const PIN_LIFE: Duration = Duration::from_hours(30 * 24);

/// What is needed to act for an official number at Meta. `Debug` shows no secret.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The app that the token is of, if it is known.
    pub app_id: Option<String>,
    /// Whether that is the app of this server's operator.
    pub operators_app: bool,
    /// The access token.
    pub token: SecretString,
    /// The app's secret; `None`: the operator's, from the configuration.
    pub app_secret: Option<SecretString>,
    /// The PIN of the two-step verification, if it is known.
    pub pin: Option<SecretString>,
    /// When the token ends, if it is known to.
    pub token_expires_at: Option<Timestamp>,
}

/// What an official number is at Meta.
#[derive(Clone, Debug)]
pub struct OfficialNumber {
    /// The number.
    pub number: NumberId,
    /// Meta's phone number id.
    pub phone_id: String,
    /// Its WhatsApp Business account.
    pub waba_id: String,
    /// How to act for it.
    pub credentials: Credentials,
    /// What Meta says when it tries our callback.
    pub verify_token: SecretString,
    /// How far each step of the onboarding has come, as JSON.
    pub onboarding: String,
    /// What Meta says of the number, as JSON.
    pub snapshot: Option<String>,
    /// When that was read.
    pub looked_at: Option<Timestamp>,
}

/// A number that is at Meta still, and should not be.
#[derive(Clone, Debug)]
pub struct LeavingNumber {
    /// What it is at Meta.
    pub official: OfficialNumber,
    /// Whether it never came to be: its creation, or its move from QR, ended half way.
    pub half_done: bool,
    /// How often leaving was tried in vain.
    pub tries: i64,
}

/// What a number has in common with others, whoever's, that are listed or on their way to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sharing {
    /// Another one is the same number at Meta: what is set there is theirs, too.
    pub phone: bool,
    /// Another one uses the same WhatsApp Business account with the same app, as far as it is known.
    pub account: bool,
}

/// Official numbers.
#[derive(Debug)]
pub struct OfficialNumbers<'a>(pub(crate) &'a mut Tx);

impl OfficialNumbers<'_> {
    /// Stores what a number is at Meta, in place of what was known.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn put(&mut self, official: &OfficialNumber) -> Result<(), StoreError> {
        let id = official.number.to_string();
        let credentials = &official.credentials;
        let token = self.seal(&id, "token", &credentials.token)?;
        let app_secret = self.seal_opt(&id, "app_secret", credentials.app_secret.as_ref())?;
        let pin = self.seal_opt(&id, "pin", credentials.pin.as_ref())?;
        let verify_token = self.seal(&id, "verify_token", &official.verify_token)?;
        sqlx::query(
            "insert into official_numbers (number_id, phone_id, waba_id, app_id, operators_app,
               token, app_secret, pin, verify_token, token_expires_at_ms, onboarding, snapshot,
               looked_at_ms)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
             on conflict (number_id) do update set phone_id = excluded.phone_id,
               waba_id = excluded.waba_id, app_id = excluded.app_id,
               operators_app = excluded.operators_app, token = excluded.token,
               app_secret = excluded.app_secret, pin = excluded.pin,
               verify_token = excluded.verify_token,
               token_expires_at_ms = excluded.token_expires_at_ms,
               onboarding = excluded.onboarding, snapshot = excluded.snapshot,
               looked_at_ms = excluded.looked_at_ms, leaving = 0, leave_tries = 0",
        )
        .bind(&id)
        .bind(&official.phone_id)
        .bind(&official.waba_id)
        .bind(credentials.app_id.clone())
        .bind(i64::from(credentials.operators_app))
        .bind(token)
        .bind(app_secret)
        .bind(pin)
        .bind(verify_token)
        .bind(credentials.token_expires_at.map(Timestamp::as_millis))
        .bind(&official.onboarding)
        .bind(official.snapshot.clone())
        .bind(official.looked_at.map(Timestamp::as_millis))
        .execute(&mut *self.0.inner)
        .await?;
        Ok(())
    }

    fn seal(&self, id: &str, column: &str, secret: &SecretString) -> Result<Vec<u8>, StoreError> {
        let place = ["official_numbers", id, column];
        Ok(self.0.vault.seal(&place, secret.expose_secret().as_bytes())?)
    }

    fn seal_opt(
        &self,
        id: &str,
        column: &str,
        secret: Option<&SecretString>,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        secret.map(|secret| self.seal(id, column, secret)).transpose()
    }

    /// What a number is at Meta, whoever owns it: for those who have found the number.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn get(&mut self, id: NumberId) -> Result<Option<OfficialNumber>, StoreError> {
        let sql = format!("select {COLUMNS} from official_numbers o where o.number_id = $1");
        let row = sqlx::query(AssertSqlSafe(sql))
            .bind(id.to_string())
            .fetch_optional(&mut *self.0.inner)
            .await?;
        row.as_ref().map(|row| self.official(row)).transpose()
    }

    /// What `tenant`'s listed official numbers are at Meta.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn list(&mut self, tenant: TenantId) -> Result<Vec<OfficialNumber>, StoreError> {
        let sql = format!(
            "select {COLUMNS} from official_numbers o join numbers n on n.id = o.number_id
             where n.tenant_id = $1 and n.stage = 'live' and n.provider = 'META'"
        );
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(tenant.to_string())
            .fetch_all(&mut *self.0.inner)
            .await?;
        rows.iter().map(|row| self.official(row)).collect()
    }

    /// The listed numbers that Meta's phone number id belongs to: of `tenant`, or of everybody who
    /// uses the operator's app.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn numbers_of_phone(
        &mut self,
        tenant: Option<TenantId>,
        phone_id: &str,
    ) -> Result<Vec<NumberId>, StoreError> {
        self.numbers_by("o.phone_id", tenant, phone_id).await
    }

    /// The listed numbers of a WhatsApp Business account, likewise.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn numbers_of_account(
        &mut self,
        tenant: Option<TenantId>,
        waba_id: &str,
    ) -> Result<Vec<NumberId>, StoreError> {
        self.numbers_by("o.waba_id", tenant, waba_id).await
    }

    async fn numbers_by(
        &mut self,
        column: &'static str,
        tenant: Option<TenantId>,
        value: &str,
    ) -> Result<Vec<NumberId>, StoreError> {
        let whose = if tenant.is_some() { "n.tenant_id = $2" } else { "o.operators_app = 1" };
        let sql = format!(
            "select n.id from official_numbers o join numbers n on n.id = o.number_id
             where {column} = $1 and n.stage = 'live' and n.provider = 'META' and {whose}
             order by n.id"
        );
        let mut query = sqlx::query(AssertSqlSafe(sql)).bind(value);
        if let Some(tenant) = tenant {
            query = query.bind(tenant.to_string());
        }
        let rows = query.fetch_all(&mut *self.0.inner).await?;
        rows.iter().map(|row| row::parsed(row, "numbers.id")).collect()
    }

    /// Notes how far the onboarding has come.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn set_onboarding(&mut self, id: NumberId, steps: &str) -> Result<(), StoreError> {
        sqlx::query("update official_numbers set onboarding = $2 where number_id = $1")
            .bind(id.to_string())
            .bind(steps)
            .execute(&mut *self.0.inner)
            .await?;
        Ok(())
    }

    /// Notes what Meta says of a number, and when to ask again.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn set_snapshot(
        &mut self,
        id: NumberId,
        snapshot: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "update official_numbers set snapshot = $2, looked_at_ms = $3 where number_id = $1",
        )
        .bind(id.to_string())
        .bind(snapshot)
        .bind(now.as_millis())
        .execute(&mut *self.0.inner)
        .await?;
        Ok(())
    }

    /// Says when Meta is to be asked about a number again.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn look_again(&mut self, id: NumberId, due: Timestamp) -> Result<(), StoreError> {
        sqlx::query("update official_numbers set look_due_ms = $2 where number_id = $1")
            .bind(id.to_string())
            .bind(due.as_millis())
            .execute(&mut *self.0.inner)
            .await?;
        Ok(())
    }

    /// Listed numbers that Meta is to be asked about: those that are open or on their way, and those
    /// whose account was banned or blocked, which may pass.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn looks_due(
        &mut self,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<NumberId>, StoreError> {
        let rows = sqlx::query(
            "select n.id from official_numbers o join numbers n on n.id = o.number_id
             where n.stage = 'live' and n.provider = 'META' and (n.link in ('open', 'pairing') or n.close_reason = $3)
               and o.look_due_ms <= $1
             order by o.look_due_ms, n.id limit $2",
        )
        .bind(now.as_millis())
        .bind(i64::from(limit))
        .bind(CloseReason::MetaAccountDisabled.code())
        .fetch_all(&mut *self.0.inner)
        .await?;
        rows.iter().map(|row| row::parsed(row, "numbers.id")).collect()
    }

    /// Forgets what a number was going to be at Meta: it stays QR-paired.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn forget(&mut self, id: NumberId) -> Result<(), StoreError> {
        sqlx::query(
            "delete from official_numbers where number_id = $1 and exists
               (select 1 from numbers n where n.id = $1 and n.provider = 'PILOT_STATUS')",
        )
        .bind(id.to_string())
        .execute(&mut *self.0.inner)
        .await?;
        Ok(())
    }

    /// Whether another number of `tenant`, listed or on its way to be, is the same one at Meta.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn is_taken(
        &mut self,
        tenant: TenantId,
        phone_id: &str,
        except: NumberId,
    ) -> Result<bool, StoreError> {
        let others: i64 = sqlx::query_scalar(
            "select count(*) from official_numbers o join numbers n on n.id = o.number_id
             where o.phone_id = $1 and n.tenant_id = $2 and n.id <> $3 and n.stage <> 'removed'
               and o.leaving = 0",
        )
        .bind(phone_id)
        .bind(tenant.to_string())
        .bind(except.to_string())
        .fetch_one(&mut *self.0.inner)
        .await?;
        Ok(others > 0)
    }

    /// The PIN that a number was given here before, be it by a row of its owner's that is no more.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn known_pin(
        &mut self,
        tenant: TenantId,
        phone_id: &str,
    ) -> Result<Option<SecretString>, StoreError> {
        let sql = format!(
            "select {COLUMNS} from official_numbers o join numbers n on n.id = o.number_id
             where o.phone_id = $1 and n.tenant_id = $2 and o.pin is not null
             order by n.created_at_ms desc, n.id desc limit 1"
        );
        let row = sqlx::query(AssertSqlSafe(sql))
            .bind(phone_id)
            .bind(tenant.to_string())
            .fetch_optional(&mut *self.0.inner)
            .await?;
        let known = row.as_ref().map(|row| self.official(row)).transpose()?;
        Ok(known.and_then(|known| known.credentials.pin))
    }

    /// Notes a number's PIN, before Meta is asked to take it.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn set_pin(&mut self, id: NumberId, pin: &SecretString) -> Result<(), StoreError> {
        let number = id.to_string();
        let sealed = self.seal(&number, "pin", pin)?;
        sqlx::query("update official_numbers set pin = $2 where number_id = $1")
            .bind(number)
            .bind(sealed)
            .execute(&mut *self.0.inner)
            .await?;
        Ok(())
    }

    /// Meta said that a number sends too much: nothing of it is tried before `until`.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn pause(&mut self, id: NumberId, until: Timestamp) -> Result<(), StoreError> {
        sqlx::query(
            "update official_numbers set paused_until_ms = $2
             where number_id = $1 and paused_until_ms < $2",
        )
        .bind(id.to_string())
        .bind(until.as_millis())
        .execute(&mut *self.0.inner)
        .await?;
        Ok(())
    }

    /// A removed number is to be unsubscribed and deregistered, at once.
    pub(crate) async fn leave(&mut self, id: NumberId) -> Result<(), StoreError> {
        sqlx::query(
            "update official_numbers set leaving = $2, leave_tries = 0, look_due_ms = 0
             where number_id = $1 and exists
               (select 1 from numbers n where n.id = $1 and n.provider = 'META')",
        )
        .bind(id.to_string())
        .bind(LEAVES)
        .execute(&mut *self.0.inner)
        .await?;
        Ok(())
    }

    /// What was done at Meta for a number that did not come to be is to be taken back, at once.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn set_aside(&mut self, id: NumberId) -> Result<(), StoreError> {
        sqlx::query(
            "update official_numbers set leaving = $2, leave_tries = 0, look_due_ms = 0
             where number_id = $1",
        )
        .bind(id.to_string())
        .bind(HALF_DONE)
        .execute(&mut *self.0.inner)
        .await?;
        Ok(())
    }

    /// The same for whatever moves from QR dead processes left half way.
    pub(crate) async fn set_dead_moves_aside(&mut self, living: NodeId) -> Result<(), StoreError> {
        sqlx::query(
            "update official_numbers set leaving = $2, leave_tries = 0, look_due_ms = 0
             where leaving = $3 and number_id in
               (select id from numbers where provider = 'PILOT_STATUS' and owner <> $1)",
        )
        .bind(living.to_string())
        .bind(HALF_DONE)
        .bind(STAYS)
        .execute(&mut *self.0.inner)
        .await?;
        Ok(())
    }

    /// Numbers that are to leave Meta now.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn leaving(
        &mut self,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<LeavingNumber>, StoreError> {
        let sql = format!(
            "select {COLUMNS}, o.leaving, o.leave_tries from official_numbers o
             where o.leaving in ($2, $3) and o.look_due_ms <= $1
             order by o.look_due_ms, o.number_id limit $4"
        );
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(now.as_millis())
            .bind(LEAVES)
            .bind(HALF_DONE)
            .bind(i64::from(limit))
            .fetch_all(&mut *self.0.inner)
            .await?;
        rows.iter()
            .map(|row| {
                Ok(LeavingNumber {
                    official: self.official(row)?,
                    half_done: row.try_get::<i64, _>("leaving")? == HALF_DONE,
                    tries: row.try_get("leave_tries")?,
                })
            })
            .collect()
    }

    /// What a number has in common with others.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn sharing(&mut self, official: &OfficialNumber) -> Result<Sharing, StoreError> {
        let row = sqlx::query(
            "select coalesce(sum(case when s.phone_id = $2 then 1 else 0 end), 0) as phones,
               coalesce(sum(case when s.waba_id = $3 and coalesce(s.app_id, $4, '') =
                 coalesce($4, s.app_id, '') then 1 else 0 end), 0) as accounts
             from official_numbers s join numbers m on m.id = s.number_id
             where s.number_id <> $1 and m.stage <> 'removed' and s.leaving = 0
               and (s.phone_id = $2 or s.waba_id = $3)",
        )
        .bind(official.number.to_string())
        .bind(&official.phone_id)
        .bind(&official.waba_id)
        .bind(official.credentials.app_id.clone())
        .fetch_one(&mut *self.0.inner)
        .await?;
        let some = |column| Ok::<_, StoreError>(row.try_get::<i64, _>(column)? > 0);
        Ok(Sharing { phone: some("phones")?, account: some("accounts")? })
    }

    /// Leaving did not succeed; when to try again.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn leave_again(&mut self, id: NumberId, due: Timestamp) -> Result<(), StoreError> {
        sqlx::query(
            "update official_numbers set leave_tries = leave_tries + 1, look_due_ms = $2
             where number_id = $1 and leaving in ($3, $4)",
        )
        .bind(id.to_string())
        .bind(due.as_millis())
        .bind(LEAVES)
        .bind(HALF_DONE)
        .execute(&mut *self.0.inner)
        .await?;
        Ok(())
    }

    /// A number has left Meta. One that never came to be, and has no PIN that may be needed again, is
    /// forgotten.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn left(&mut self, id: NumberId, now: Timestamp) -> Result<(), StoreError> {
        sqlx::query(
            "update official_numbers set look_due_ms = $2,
               leaving = case when leaving = $3 and pin is not null then $4 else $5 end
             where number_id = $1",
        )
        .bind(id.to_string())
        .bind(now.after(PIN_LIFE).as_millis())
        .bind(HALF_DONE)
        .bind(PIN_KEPT)
        .bind(STAYS)
        .execute(&mut *self.0.inner)
        .await?;
        sqlx::query(
            "delete from official_numbers where number_id = $1 and leaving = $2 and exists
               (select 1 from numbers n where n.id = $1 and n.provider = 'PILOT_STATUS')",
        )
        .bind(id.to_string())
        .bind(STAYS)
        .execute(&mut *self.0.inner)
        .await?;
        Ok(())
    }

    /// Notes that a piece of news was taken in; returns whether it is the first time.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn see(
        &mut self,
        id: NumberId,
        key: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "insert into official_seen (number_id, key, seen_at_ms) values ($1, $2, $3)
             on conflict do nothing",
        )
        .bind(id.to_string())
        .bind(key)
        .bind(now.as_millis())
        .execute(&mut *self.0.inner)
        .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Forgets news that Meta no longer repeats.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn purge_seen(&mut self, before: Timestamp) -> Result<u64, StoreError> {
        let done = sqlx::query("delete from official_seen where seen_at_ms < $1")
            .bind(before.as_millis())
            .execute(&mut *self.0.inner)
            .await?;
        Ok(done.rows_affected())
    }

    fn official(&self, row: &AnyRow) -> Result<OfficialNumber, StoreError> {
        let number: NumberId = row::parsed(row, "official_numbers.number_id")?;
        let id = number.to_string();
        let open = |column: &'static str| -> Result<Option<SecretString>, StoreError> {
            let sealed: Option<Vec<u8>> = row.try_get(column)?;
            let Some(sealed) = sealed else { return Ok(None) };
            let raw = self.0.vault.open(&["official_numbers", &id, column], &sealed)?;
            let text = String::from_utf8(raw).map_err(|_not_text| StoreError::Inconsistent {
                column: "official_numbers secrets",
            })?;
            Ok(Some(text.into()))
        };
        let needed = |column| -> Result<SecretString, StoreError> {
            open(column)?.ok_or(StoreError::Inconsistent { column: "official_numbers secrets" })
        };
        Ok(OfficialNumber {
            number,
            phone_id: row.try_get("phone_id")?,
            waba_id: row.try_get("waba_id")?,
            credentials: Credentials {
                app_id: row.try_get("app_id")?,
                operators_app: row::flag(row, "official_numbers.operators_app")?,
                token: needed("token")?,
                app_secret: open("app_secret")?,
                pin: open("pin")?,
                token_expires_at: row::time_opt(row, "official_numbers.token_expires_at_ms")?,
            },
            verify_token: needed("verify_token")?,
            onboarding: row.try_get("onboarding")?,
            snapshot: row.try_get("snapshot")?,
            looked_at: row::time_opt(row, "official_numbers.looked_at_ms")?,
        })
    }
}
