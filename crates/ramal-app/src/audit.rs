//! Who did what, for the tenant's audit log: written in the transaction that does it.

use std::time::Duration;

use ramal_domain::{AuditId, TenantId, Timestamp};
use ramal_store::{Actor, AuditEntry, AuditFilter, StoreError, Tx};

use crate::{App, AppError, Caller};

/// How long lines are kept.
pub(crate) const KEPT: Duration = Duration::from_hours(365 * 24);
/// How many lines a page has.
const PAGE: i64 = 50;

/// A page of the audit log.
#[derive(Clone, Debug)]
pub struct AuditPage {
    /// Its lines, newest first.
    pub entries: Vec<AuditEntry>,
    /// Where the next, older page begins.
    pub next: Option<AuditId>,
}

impl App {
    /// The lines of the audit log of the caller's tenant that pass `filter`, newest first, from before
    /// the line `before`.
    ///
    /// # Errors
    ///
    /// [`crate::Refusal::NumberScopeNotAllowed`].
    pub async fn audit_log(
        &self,
        caller: &Caller,
        filter: &AuditFilter,
        before: Option<AuditId>,
    ) -> Result<AuditPage, AppError> {
        let tenant = caller.require_tenant()?;
        let mut tx = self.store.read().await?;
        let mut entries = tx.audit().page(tenant, filter, before, PAGE + 1).await?;
        let page = usize::try_from(PAGE).unwrap_or(usize::MAX);
        let more = entries.len() > page;
        entries.truncate(page);
        let next = entries.last().map(|entry| entry.id).filter(|_| more);
        Ok(AuditPage { entries, next })
    }
}

/// Writes down what `caller` does. `action` is the kind of thing and what is done to it, such as
/// `number.create`; `target` its id; `detail` what people know it by. Never a secret.
pub(crate) async fn record(
    tx: &mut Tx,
    caller: &Caller,
    action: &str,
    target: &str,
    detail: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let line = Line { tenant: caller.tenant(), actor: caller.actor(), action, target, detail };
    line.record(tx, now).await
}

/// A line by somebody who is no caller yet.
pub(crate) struct Line<'a> {
    pub(crate) tenant: TenantId,
    pub(crate) actor: Actor,
    pub(crate) action: &'a str,
    pub(crate) target: &'a str,
    pub(crate) detail: &'a str,
}

impl Line<'_> {
    pub(crate) async fn record(self, tx: &mut Tx, now: Timestamp) -> Result<(), StoreError> {
        let entry = AuditEntry {
            id: AuditId::mint(),
            tenant: self.tenant,
            actor: self.actor,
            action: self.action.to_owned(),
            target: self.target.to_owned(),
            detail: self.detail.to_owned(),
            at: now,
        };
        tx.audit().record(&entry).await
    }
}
