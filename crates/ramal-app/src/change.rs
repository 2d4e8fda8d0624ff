//! Changing a number, and giving a removed one back.

use ramal_domain::{KeyScope, Link, Provider};
use ramal_store::{Choice, Number, Restored};

use crate::{
    App, AppError, Caller, NumberPatch, NumberSettings, NumberView, Refusal, auth::parse_number_id,
    keys::mint, numbers::note,
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
    /// They are stored, and no client runs here at this moment: the next one takes them.
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
        note(&mut tx, caller, "number.update", &number, now).await?;
        tx.commit().await?;
        let sync = if patch.settings().is_empty() {
            None
        } else {
            let sync = self.sync_settings(&number).await;
            let pushed = number.link == Link::Open && number.provider == Provider::Web;
            let told = patch.settings().is_advanced() && pushed;
            told.then_some(sync)
        };
        let official = match number.provider {
            Provider::Meta => self.official_view(number.id).await?,
            Provider::Web => None,
        };
        let number =
            Number { settings: written, pii_mode, pii_retention_days, updated_at: now, ..number };
        Ok(Changed {
            view: NumberView {
                action: self.required_action(&number),
                number,
                settings,
                keys: Vec::new(),
                official,
            },
            sync,
        })
    }

    /// Has the running client behave as the new settings say. Of settings of the other provider it
    /// has nothing to do.
    async fn sync_settings(&self, number: &Number) -> SettingsSync {
        let none = SettingsSync::default();
        match self.sessions.behave(number.id).await {
            Ok(Some(())) => SettingsSync { applied: 1, ..none },
            Ok(None) => SettingsSync { skipped: 1, ..none },
            Err(error) => {
                // Who is not connected cannot show itself: it does so with the login.
                if number.link == Link::Open {
                    let (number, error) = (number.id, &error as &dyn std::error::Error);
                    tracing::warn!(number.id = %number, error, "new settings are not in effect yet");
                }
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
        let found = self.store.read().await?.numbers().find_removed_too(tenant, id).await?;
        found.ok_or(Refusal::NumberNotFound)?;
        // What it had to send is over, also if its removal has not come so far.
        while !self.give_up_queue(id).await? {}
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        let number = match tx.numbers().restore(tenant, id, now).await? {
            Restored::Done(number) => number,
            Restored::Gone => return Err(Refusal::NumberNotFound.into()),
            Restored::AlreadyActive => return Err(Refusal::NumberAlreadyActive.into()),
        };
        note(&mut tx, caller, "number.restore", &number, now).await?;
        mint(&mut tx, tenant, KeyScope::Number(id), now).await?;
        tx.commit().await?;
        self.wake.notify_one();
        Ok(())
    }
}
