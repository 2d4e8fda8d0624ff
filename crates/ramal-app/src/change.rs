//! Changing a number, and giving a removed one back.

use ramal_domain::{KeyScope, Link};
use ramal_session::Behaviour;
use ramal_store::{Choice, Number, Restored};

use crate::{
    App, AppError, Caller, NumberPatch, NumberSettings, NumberView, Refusal, SettingsPatch,
    auth::parse_number_id, keys::mint,
};

/// A number that was just changed.
#[derive(Clone, Debug)]
pub struct Changed {
    /// The number as it now is.
    pub view: NumberView,
    /// What became of the settings that concern the connection; `None` when none was named, or the
    /// number is not connected.
    pub sync: Option<SettingsSync>,
}

/// How many connections took new settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SettingsSync {
    /// They are in effect there.
    pub applied: u32,
    /// They could not be put into effect.
    pub failed: u32,
    /// They are stored, and nothing of this version acts on them yet.
    pub skipped: u32,
}

impl App {
    /// Changes what is named of a number's retention and settings; the rest stays.
    ///
    /// # Errors
    ///
    /// [`Refusal::EmptyPatch`], [`Refusal::Validation`] and [`Refusal::NumberNotFound`].
    pub async fn change_number(
        &self,
        caller: &Caller,
        id: &str,
        patch: NumberPatch,
    ) -> Result<Changed, AppError> {
        if patch.is_empty() {
            self.find_number(caller, parse_number_id(id)?).await?;
            return Err(Refusal::EmptyPatch.into());
        }
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        let found = tx.numbers().find_to_change(caller.tenant(), parse_number_id(id)?).await?;
        let number = found.ok_or(Refusal::NumberNotFound)?;
        let settings = patch.settings().apply(&NumberSettings::read(&number.settings)?)?;
        let Number { pii_mode, pii_retention_days, .. } = number.clone();
        let (pii_mode, pii_retention_days) = patch.retention(&(pii_mode, pii_retention_days))?;
        let written = settings.write()?;
        let choice = Choice { settings: &written, pii_mode: &pii_mode, pii_retention_days };
        tx.numbers().change(number.id, &choice, now).await?;
        tx.commit().await?;
        let sync = if patch.settings().is_advanced() && number.link == Link::Open {
            Some(self.sync_settings(&number, patch.settings(), &written).await)
        } else {
            None
        };
        let number =
            Number { settings: written, pii_mode, pii_retention_days, updated_at: now, ..number };
        Ok(Changed { view: NumberView { number, settings, keys: Vec::new() }, sync })
    }

    /// Has the running client behave as the new settings say.
    async fn sync_settings(
        &self,
        number: &Number,
        patch: &SettingsPatch,
        written: &str,
    ) -> SettingsSync {
        let none = SettingsSync::default();
        if !patch.concerns_behaviour() {
            return SettingsSync { skipped: 1, ..none };
        }
        match self.sessions.behave(number.id, Behaviour::of(written)).await {
            Ok(Some(())) => SettingsSync { applied: 1, ..none },
            Ok(None) => SettingsSync { skipped: 1, ..none },
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(number.id = %number.id, error, "new settings are not in effect yet");
                SettingsSync { failed: 1, ..none }
            }
        }
    }

    /// Gives a removed number back: listed, not connected, with a fresh key, since the old one died
    /// with the removal.
    ///
    /// # Errors
    ///
    /// [`Refusal::NumberNotFound`] also when its window is over, and
    /// [`Refusal::NumberAlreadyActive`].
    pub async fn restore_number(&self, caller: &Caller, id: &str) -> Result<(), AppError> {
        let (tenant, id) = (caller.tenant(), parse_number_id(id)?);
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        match tx.numbers().restore(tenant, id, now).await? {
            Restored::Done(_) => {}
            Restored::Gone => return Err(Refusal::NumberNotFound.into()),
            Restored::AlreadyActive => return Err(Refusal::NumberAlreadyActive.into()),
        }
        mint(&mut tx, tenant, KeyScope::Number(id), now).await?;
        tx.commit().await?;
        self.wake.notify_one();
        Ok(())
    }
}
