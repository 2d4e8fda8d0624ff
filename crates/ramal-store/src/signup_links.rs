//! Hosted links by which a person connects an official number (contract C.13 with `provider: "META"`).
//! Which number it is, the person chooses: there is none before that.

use std::str::FromStr;

use ramal_domain::{KeyId, NumberId, PairingLinkId, PairingTokenHash, TenantId, Timestamp};
use secrecy::{ExposeSecret as _, SecretString};
use sqlx::{AssertSqlSafe, Row as _, any::AnyRow};

use crate::{StoreError, Tx, row};

const COLUMNS: &str = "id, tenant_id, flow, name, key_id, language, branding, redirect_url, \
     external_ref, settings, state_hash, created_at_ms, expires_at_ms, used_at_ms, revoked_at_ms, \
     number_id";
/// How many links are listed.
const LISTED: i64 = 200;

/// How the person connects the number: contract C.13's `metaFlow`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignupFlow {
    /// Through Meta's Embedded Signup.
    Embedded,
    /// By typing the credentials of their own app.
    Credentials,
}

impl SignupFlow {
    /// The name on the wire and in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Credentials => "credentials",
        }
    }
}

/// A name that is none of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is embedded or credentials")]
pub struct UnknownFlow;

impl FromStr for SignupFlow {
    type Err = UnknownFlow;

    fn from_str(name: &str) -> Result<Self, UnknownFlow> {
        [Self::Embedded, Self::Credentials]
            .into_iter()
            .find(|flow| flow.name() == name)
            .ok_or(UnknownFlow)
    }
}

/// A link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignupLink {
    /// Its id.
    pub id: PairingLinkId,
    /// The owner.
    pub tenant: TenantId,
    /// How the person connects the number.
    pub flow: SignupFlow,
    /// What the number will be called, if that was chosen.
    pub name: Option<String>,
    /// The key that moves to the new number.
    pub key: Option<KeyId>,
    /// The page's language; the browser's when absent.
    pub language: Option<String>,
    /// How the page looks, as JSON.
    pub branding: String,
    /// Where the page goes after success.
    pub redirect_url: Option<String>,
    /// The caller's own reference.
    pub external_ref: Option<String>,
    /// The settings that the number is born with, as JSON.
    pub settings: String,
    /// The hash of the secret of the one page that may go on.
    pub state_hash: Option<String>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it dies unused.
    pub expires_at: Timestamp,
    /// When a number was connected by it.
    pub used_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// The number that was connected by it.
    pub number: Option<NumberId>,
}

/// Links by which official numbers are connected.
#[derive(Debug)]
pub struct SignupLinks<'a>(pub(crate) &'a mut Tx);

impl SignupLinks<'_> {
    /// Stores a new link.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn create(
        &mut self,
        link: &SignupLink,
        token: &PairingTokenHash,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "insert into signup_links (id, tenant_id, token_hash, flow, name, key_id, language,
               branding, redirect_url, external_ref, settings, created_at_ms, expires_at_ms)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        )
        .bind(link.id.to_string())
        .bind(link.tenant.to_string())
        .bind(token.to_string())
        .bind(link.flow.name())
        .bind(link.name.clone())
        .bind(link.key.map(|key| key.to_string()))
        .bind(link.language.clone())
        .bind(&link.branding)
        .bind(link.redirect_url.clone())
        .bind(link.external_ref.clone())
        .bind(&link.settings)
        .bind(link.created_at.as_millis())
        .bind(link.expires_at.as_millis())
        .execute(&mut *self.0.inner)
        .await?;
        Ok(())
    }

    /// The link of a token, whatever its state.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn find(
        &mut self,
        token: &PairingTokenHash,
    ) -> Result<Option<SignupLink>, StoreError> {
        let sql = format!("select {COLUMNS} from signup_links where token_hash = $1");
        let row = sqlx::query(AssertSqlSafe(sql))
            .bind(token.to_string())
            .fetch_optional(&mut *self.0.inner)
            .await?;
        row.as_ref().map(link).transpose()
    }

    /// A link, held against concurrent changes until the unit of work ends.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn find_to_change(
        &mut self,
        id: PairingLinkId,
    ) -> Result<Option<SignupLink>, StoreError> {
        let suffix = self.0.for_update();
        let sql = format!("select {COLUMNS} from signup_links where id = $1{suffix}");
        let row = sqlx::query(AssertSqlSafe(sql))
            .bind(id.to_string())
            .fetch_optional(&mut *self.0.inner)
            .await?;
        row.as_ref().map(link).transpose()
    }

    /// The newest links of `tenant`, newest first.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn list(&mut self, tenant: TenantId) -> Result<Vec<SignupLink>, StoreError> {
        let sql = format!(
            "select {COLUMNS} from signup_links where tenant_id = $1
             order by created_at_ms desc, id desc limit $2"
        );
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(tenant.to_string())
            .bind(LISTED)
            .fetch_all(&mut *self.0.inner)
            .await?;
        rows.iter().map(link).collect()
    }

    /// Binds a link to one page: from now on only whoever knows the secret of `state_hash` goes on.
    /// What waited for a choice is forgotten.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn bind_page(
        &mut self,
        id: PairingLinkId,
        state_hash: &str,
    ) -> Result<(), StoreError> {
        sqlx::query("update signup_links set state_hash = $2, pending = null where id = $1")
            .bind(id.to_string())
            .bind(state_hash)
            .execute(&mut *self.0.inner)
            .await?;
        Ok(())
    }

    /// Keeps, sealed, what waits for the person's choice.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn set_pending(
        &mut self,
        id: PairingLinkId,
        pending: &SecretString,
    ) -> Result<(), StoreError> {
        let id = id.to_string();
        let bytes = pending.expose_secret().as_bytes();
        let sealed = self.0.vault.seal(&["signup_links", &id, "pending"], bytes)?;
        sqlx::query("update signup_links set pending = $2 where id = $1")
            .bind(&id)
            .bind(sealed)
            .execute(&mut *self.0.inner)
            .await?;
        Ok(())
    }

    /// What waits for the person's choice.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn pending(&mut self, id: PairingLinkId) -> Result<Option<SecretString>, StoreError> {
        let id = id.to_string();
        let row = sqlx::query("select pending from signup_links where id = $1")
            .bind(&id)
            .fetch_optional(&mut *self.0.inner)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let Some(sealed) = row.try_get::<Option<Vec<u8>>, _>("pending")? else { return Ok(None) };
        let raw = self.0.vault.open(&["signup_links", &id, "pending"], &sealed)?;
        let text = String::from_utf8(raw)
            .map_err(|_not_text| StoreError::Inconsistent { column: "signup_links.pending" })?;
        Ok(Some(text.into()))
    }

    /// A number was connected by a link: it is used up, and what waited is forgotten.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn used(
        &mut self,
        id: PairingLinkId,
        number: NumberId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "update signup_links set used_at_ms = $3, number_id = $2, pending = null
             where id = $1 and used_at_ms is null",
        )
        .bind(id.to_string())
        .bind(number.to_string())
        .bind(now.as_millis())
        .execute(&mut *self.0.inner)
        .await?;
        Ok(())
    }

    /// Revokes a link of `tenant`, unless it was used. Returns whether there is such a link.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn revoke(
        &mut self,
        tenant: TenantId,
        id: PairingLinkId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "update signup_links set pending = null, revoked_at_ms = case when used_at_ms is null
               then coalesce(revoked_at_ms, $3) else revoked_at_ms end
             where id = $1 and tenant_id = $2",
        )
        .bind(id.to_string())
        .bind(tenant.to_string())
        .bind(now.as_millis())
        .execute(&mut *self.0.inner)
        .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Forgets links that expired before `before`. Returns how many.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn purge(&mut self, before: Timestamp) -> Result<u64, StoreError> {
        let done = sqlx::query("delete from signup_links where expires_at_ms < $1")
            .bind(before.as_millis())
            .execute(&mut *self.0.inner)
            .await?;
        Ok(done.rows_affected())
    }
}

fn link(row: &AnyRow) -> Result<SignupLink, StoreError> {
    Ok(SignupLink {
        id: row::parsed(row, "signup_links.id")?,
        tenant: row::parsed(row, "signup_links.tenant_id")?,
        flow: row::parsed(row, "signup_links.flow")?,
        name: row.try_get("name")?,
        key: row::parsed_opt(row, "signup_links.key_id")?,
        language: row.try_get("language")?,
        branding: row.try_get("branding")?,
        redirect_url: row.try_get("redirect_url")?,
        external_ref: row.try_get("external_ref")?,
        settings: row.try_get("settings")?,
        state_hash: row.try_get("state_hash")?,
        created_at: row::time(row, "signup_links.created_at_ms")?,
        expires_at: row::time(row, "signup_links.expires_at_ms")?,
        used_at: row::time_opt(row, "signup_links.used_at_ms")?,
        revoked_at: row::time_opt(row, "signup_links.revoked_at_ms")?,
        number: row::parsed_opt(row, "signup_links.number_id")?,
    })
}
