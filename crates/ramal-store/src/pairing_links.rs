//! Hosted pairing links.

use ramal_domain::{
    NumberId, PairingLinkId, PairingTokenHash, PhoneNumber, TenantId, Timestamp, WrongPhonePolicy,
};
use sqlx::{Row as _, any::AnyRow};

use crate::{StoreError, Tx, row};

/// A pairing link, without its token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairingLink {
    /// Its id.
    pub id: PairingLinkId,
    /// Whose number it pairs.
    pub tenant: TenantId,
    /// The number that it pairs.
    pub number: NumberId,
    /// The language of its page; `None`: as the browser asks.
    pub language: Option<String>,
    /// How its page looks, in JSON; what is absent is as the tenant's.
    pub branding: String,
    /// Where its page goes after success.
    pub redirect_url: Option<String>,
    /// The caller's own reference, given back as it is.
    pub external_ref: Option<String>,
    /// What to do when another phone scans than the expected one; `None`: as the tenant says.
    pub wrong_phone: Option<WrongPhonePolicy>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it dies unused.
    pub expires_at: Timestamp,
    /// When it was first seen that it has paired its number.
    pub used_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// A link that a token opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundLink {
    /// The link.
    pub link: PairingLink,
    /// Whether the token is that of its helper, and not its own.
    pub helper: bool,
}

/// A link as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedLink {
    /// The link.
    pub link: PairingLink,
    /// Its number's display name.
    pub name: String,
    /// Its number's phone number.
    pub phone: PhoneNumber,
    /// When its number was connected last.
    pub connected_at: Option<Timestamp>,
}

/// Pairing links.
#[derive(Debug)]
pub struct PairingLinks<'a>(pub(crate) &'a mut Tx);

const COLUMNS: &str = "l.id, n.tenant_id, l.number_id, l.language, l.branding, l.redirect_url, \
                       l.external_ref, l.created_at_ms, l.expires_at_ms, l.used_at_ms, l.revoked_at_ms, \
                       l.wrong_phone";
/// How many links of a tenant are listed.
const LISTED: i64 = 200;

impl PairingLinks<'_> {
    /// Stores a new link. Those that the number had are revoked: one link at a time is in force.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn create(
        &mut self,
        link: &PairingLink,
        token: &PairingTokenHash,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "update pairing_links set revoked_at_ms = $2
             where number_id = $1 and revoked_at_ms is null",
        )
        .bind(link.number.to_string())
        .bind(link.created_at.as_millis())
        .execute(&mut *self.0.inner)
        .await?;
        sqlx::query(
            "insert into pairing_links (id, number_id, token_hash, language, branding,
               redirect_url, created_at_ms, expires_at_ms, external_ref, wrong_phone)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        )
        .bind(link.id.to_string())
        .bind(link.number.to_string())
        .bind(token.to_string())
        .bind(link.language.clone())
        .bind(&link.branding)
        .bind(link.redirect_url.clone())
        .bind(link.created_at.as_millis())
        .bind(link.expires_at.as_millis())
        .bind(link.external_ref.clone())
        .bind(link.wrong_phone.map(WrongPhonePolicy::name))
        .execute(&mut *self.0.inner)
        .await?;
        Ok(())
    }

    /// The link of a token, its own or its helper's, whatever its state; `None` also once its number
    /// is removed.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn find(
        &mut self,
        token: &PairingTokenHash,
    ) -> Result<Option<FoundLink>, StoreError> {
        let sql = format!(
            "select {COLUMNS}, case when l.token_hash = $1 then 0 else 1 end as helper
             from pairing_links l join numbers n on n.id = l.number_id
             where (l.token_hash = $1 or l.helper_hash = $1) and n.stage = 'live'"
        );
        let row = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(token.to_string())
            .fetch_optional(&mut *self.0.inner)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let helper = row.try_get::<i64, _>("helper")? == 1;
        Ok(Some(FoundLink { link: link(&row)?, helper }))
    }

    /// Gives a link a helper, in place of the one that it has.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn set_helper(
        &mut self,
        id: PairingLinkId,
        token: &PairingTokenHash,
    ) -> Result<(), StoreError> {
        sqlx::query("update pairing_links set helper_hash = $2 where id = $1")
            .bind(id.to_string())
            .bind(token.to_string())
            .execute(&mut *self.0.inner)
            .await?;
        Ok(())
    }

    /// The newest links of `tenant`'s listed numbers, newest first.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn list(&mut self, tenant: TenantId) -> Result<Vec<ListedLink>, StoreError> {
        let sql = format!(
            "select {COLUMNS}, n.name, n.phone, n.connected_at_ms
             from pairing_links l join numbers n on n.id = l.number_id
             where n.tenant_id = $1 and n.stage = 'live'
             order by l.created_at_ms desc, l.id desc limit $2"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(tenant.to_string())
            .bind(LISTED)
            .fetch_all(&mut *self.0.inner)
            .await?;
        rows.iter()
            .map(|row| {
                let digits: String = row.try_get("phone")?;
                let phone = PhoneNumber::from_whatsapp(&digits)
                    .map_err(|_bad_shape| StoreError::Inconsistent { column: "numbers.phone" })?;
                Ok(ListedLink {
                    link: link(row)?,
                    name: row.try_get("name")?,
                    phone,
                    connected_at: row::time_opt(row, "numbers.connected_at_ms")?,
                })
            })
            .collect()
    }

    /// Revokes a link of `tenant`, unless it has ended already. Returns its number and whether it has
    /// paired it; `None` when there is no such link.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn revoke(
        &mut self,
        tenant: TenantId,
        id: PairingLinkId,
        now: Timestamp,
    ) -> Result<Option<(NumberId, bool)>, StoreError> {
        let row = sqlx::query(
            "update pairing_links set revoked_at_ms = case when used_at_ms is null
               then coalesce(revoked_at_ms, $3) else revoked_at_ms end
             where id = $1 and exists (select 1 from numbers n where n.id = pairing_links.number_id
               and n.tenant_id = $2 and n.stage = 'live')
             returning number_id, used_at_ms",
        )
        .bind(id.to_string())
        .bind(tenant.to_string())
        .bind(now.as_millis())
        .fetch_optional(&mut *self.0.inner)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let used_at = row::time_opt(&row, "pairing_links.used_at_ms")?;
        Ok(Some((row::parsed(&row, "pairing_links.number_id")?, used_at.is_some())))
    }

    /// Notes that a link has paired its number; the first time counts.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn used(&mut self, id: PairingLinkId, now: Timestamp) -> Result<(), StoreError> {
        sqlx::query(
            "update pairing_links set used_at_ms = $2 where id = $1 and used_at_ms is null",
        )
        .bind(id.to_string())
        .bind(now.as_millis())
        .execute(&mut *self.0.inner)
        .await?;
        Ok(())
    }

    /// Forgets links that expired before `before`. Returns how many.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn purge(&mut self, before: Timestamp) -> Result<u64, StoreError> {
        let done = sqlx::query("delete from pairing_links where expires_at_ms < $1")
            .bind(before.as_millis())
            .execute(&mut *self.0.inner)
            .await?;
        Ok(done.rows_affected())
    }
}

fn link(row: &AnyRow) -> Result<PairingLink, StoreError> {
    Ok(PairingLink {
        id: row::parsed(row, "pairing_links.id")?,
        tenant: row::parsed(row, "numbers.tenant_id")?,
        number: row::parsed(row, "pairing_links.number_id")?,
        language: row.try_get("language")?,
        branding: row.try_get("branding")?,
        redirect_url: row.try_get("redirect_url")?,
        external_ref: row.try_get("external_ref")?,
        created_at: row::time(row, "pairing_links.created_at_ms")?,
        expires_at: row::time(row, "pairing_links.expires_at_ms")?,
        used_at: row::time_opt(row, "pairing_links.used_at_ms")?,
        revoked_at: row::time_opt(row, "pairing_links.revoked_at_ms")?,
        wrong_phone: row::parsed_opt(row, "pairing_links.wrong_phone")?,
    })
}
