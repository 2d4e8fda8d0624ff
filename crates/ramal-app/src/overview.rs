//! What a person sees of a number beyond what the API says of it, and its name.

use ramal_domain::Timestamp;
use ramal_store::{Message, Number, PastEvent};

use crate::{App, AppError, Caller, Refusal, audit, auth::parse_number_id, names::check_name};

/// How much of what happened to a number is shown.
const TIMELINE: u32 = 50;
/// How many of its messages are shown.
const MESSAGES: u32 = 20;

impl App {
    /// The present moment, as everything else here has it.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The listed numbers of the caller's tenant, without what only their own pages show.
    ///
    /// # Errors
    ///
    /// [`AppError`] when the database fails.
    pub async fn listed_numbers(&self, caller: &Caller) -> Result<Vec<Number>, AppError> {
        Ok(self.store.read().await?.numbers().list(caller.tenant()).await?)
    }

    /// The removed numbers of the caller's tenant that can be restored, the last removed first.
    ///
    /// # Errors
    ///
    /// [`Refusal::NumberScopeNotAllowed`].
    pub async fn removed_numbers(&self, caller: &Caller) -> Result<Vec<Number>, AppError> {
        let tenant = caller.require_tenant()?;
        let mut tx = self.store.read().await?;
        Ok(tx.numbers().list_removed(tenant, self.clock.now()).await?)
    }

    /// Gives a number another display name.
    ///
    /// # Errors
    ///
    /// [`Refusal::Validation`] and [`Refusal::NumberNotFound`].
    pub async fn rename_number(
        &self,
        caller: &Caller,
        id: &str,
        name: &str,
    ) -> Result<(), AppError> {
        let (id, name, now) = (parse_number_id(id)?, check_name(name)?, self.clock.now());
        let mut tx = self.store.begin().await?;
        if !tx.numbers().rename(caller.tenant(), id, &name, now).await? {
            return Err(Refusal::NumberNotFound.into());
        }
        audit::record(&mut tx, caller, "number.rename", &id.to_string(), &name, now).await?;
        Ok(tx.commit().await?)
    }

    /// What happened to a number itself, newest first.
    ///
    /// # Errors
    ///
    /// [`Refusal::NumberNotFound`].
    pub async fn timeline(&self, caller: &Caller, id: &str) -> Result<Vec<PastEvent>, AppError> {
        let number = self.find_number(caller, parse_number_id(id)?).await?;
        let mut tx = self.store.read().await?;
        Ok(tx.events().timeline(caller.tenant(), number.id, TIMELINE).await?)
    }

    /// The last messages of a number, newest first.
    ///
    /// # Errors
    ///
    /// [`Refusal::NumberNotFound`].
    pub async fn recent_messages(
        &self,
        caller: &Caller,
        id: &str,
    ) -> Result<Vec<Message>, AppError> {
        let number = self.find_number(caller, parse_number_id(id)?).await?;
        let mut tx = self.store.read().await?;
        Ok(tx.messages().recent(caller.tenant(), number.id, MESSAGES).await?)
    }
}
