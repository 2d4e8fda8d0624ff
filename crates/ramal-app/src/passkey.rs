//! What a pairing waits for, and a person's answer to it: the passkey gate, and the question whether
//! another phone than the expected one is to be used.

use ramal_domain::{Action, ActionStep, AssertionJson, Link, NumberId};
use ramal_session::{Outcome, PasskeyError, WrongPhoneError};
use ramal_store::Number;

use crate::{App, AppError, Caller, Refusal, auth::parse_number_id, numbers::note};

impl App {
    /// Hands the assertion that a pairing waits for to WhatsApp. What comes of it, the pairing's
    /// events tell; a refusal ends the attempt.
    ///
    /// # Errors
    ///
    /// [`Refusal::Validation`], [`Refusal::NumberNotFound`], [`Refusal::PasskeyNotRequested`],
    /// [`Refusal::PasskeyRefused`] and [`Refusal::NoAnswer`].
    pub async fn answer_passkey(
        &self,
        caller: &Caller,
        id: &str,
        assertion: AssertionJson,
    ) -> Result<(), AppError> {
        let number = self.find_number(caller, parse_number_id(id)?).await?;
        self.answer_passkey_of(number, assertion).await
    }

    /// As [`App::answer_passkey`], for whoever has a link or its helper's.
    ///
    /// # Errors
    ///
    /// As [`App::pairing_link`] and [`App::answer_passkey`].
    pub async fn answer_passkey_by_link(
        &self,
        token: &str,
        assertion: AssertionJson,
    ) -> Result<(), AppError> {
        let live = self.pairing_link(token).await?;
        self.answer_passkey_of(live.number, assertion).await
    }

    async fn answer_passkey_of(
        &self,
        number: Number,
        assertion: AssertionJson,
    ) -> Result<(), AppError> {
        let invalid = |error: ramal_domain::AssertionError| AppError::invalid(error.to_string());
        assertion.check_shape().map_err(invalid)?;
        let Some(Action { step: ActionStep::Passkey(request), .. }) = self.required_action(&number)
        else {
            return Err(Refusal::PasskeyNotRequested.into());
        };
        let assertion = assertion.check(&request).map_err(invalid)?;
        let sessions = self.sessions.clone();
        self.detached(async move {
            let answered = sessions.answer_passkey(number.id, &assertion).await;
            answered.map_err(|error| refusal_of(&error).into())
        })
        .await
    }

    /// Tells WhatsApp that the phone shows the code that the pairing shows; the phone is next.
    ///
    /// # Errors
    ///
    /// [`Refusal::NumberNotFound`], [`Refusal::PasskeyNotRequested`], [`Refusal::PasskeyRefused`]
    /// and [`Refusal::NoAnswer`].
    pub async fn confirm_passkey(&self, caller: &Caller, id: &str) -> Result<(), AppError> {
        let number = self.find_number(caller, parse_number_id(id)?).await?;
        self.confirm_passkey_of(number).await
    }

    /// As [`App::confirm_passkey`], for whoever has a link or its helper's.
    ///
    /// # Errors
    ///
    /// As [`App::pairing_link`] and [`App::confirm_passkey`].
    pub async fn confirm_passkey_by_link(&self, token: &str) -> Result<(), AppError> {
        let live = self.pairing_link(token).await?;
        self.confirm_passkey_of(live.number).await
    }

    async fn confirm_passkey_of(&self, number: Number) -> Result<(), AppError> {
        let sessions = self.sessions.clone();
        self.detached(async move {
            let confirmed = sessions.confirm_passkey(number.id).await;
            confirmed.map_err(|error| refusal_of(&error).into())
        })
        .await
    }

    /// Says whether a phone that was not expected is to be used. It is stored by the time that this
    /// returns; a phone that is not to be used is unlinked afterwards.
    ///
    /// # Errors
    ///
    /// [`Refusal::NumberNotFound`], [`Refusal::WrongPhoneNotAsked`] and, when another number of the
    /// tenant has the phone number, so that the phone is unlinked, [`Refusal::NumberAlreadyActive`].
    pub async fn answer_wrong_phone(
        &self,
        caller: &Caller,
        id: &str,
        adopt: bool,
    ) -> Result<(), AppError> {
        let number = self.find_number(caller, parse_number_id(id)?).await?;
        self.answer_wrong_phone_of(number.id, adopt).await?;
        // After the session's own transaction, like the start of a pairing.
        let action = if adopt { "number.adopt_phone" } else { "number.refuse_phone" };
        let mut tx = self.store.begin().await?;
        note(&mut tx, caller, action, &number, self.clock.now()).await?;
        Ok(tx.commit().await?)
    }

    /// As [`App::answer_wrong_phone`], for whoever has the link.
    ///
    /// # Errors
    ///
    /// As [`App::pairing_link`] and [`App::answer_wrong_phone`], and [`Refusal::HelperNotAllowed`].
    pub async fn answer_wrong_phone_by_link(
        &self,
        token: &str,
        adopt: bool,
    ) -> Result<(), AppError> {
        let live = self.pairing_link(token).await?.for_person()?;
        self.answer_wrong_phone_of(live.number.id, adopt).await
    }

    async fn answer_wrong_phone_of(&self, number: NumberId, adopt: bool) -> Result<(), AppError> {
        let sessions = self.sessions.clone();
        self.detached(async move {
            let answered = sessions.answer_wrong_phone(number, adopt).await;
            answered.map_err(|error| match error {
                WrongPhoneError::NotAsked => Refusal::WrongPhoneNotAsked.into(),
                WrongPhoneError::Taken => Refusal::NumberAlreadyActive.into(),
                WrongPhoneError::Interrupted => AppError::Busy(error.into()),
            })
        })
        .await
    }

    /// What a person must do before the number's pairing goes on.
    pub(crate) fn required_action(&self, number: &Number) -> Option<Action> {
        let pairing = self.sessions.pairing(number.id).filter(|_| number.link == Link::Pairing)?;
        let pairing = pairing.borrow();
        let waits = matches!(pairing.outcome, Outcome::Waiting | Outcome::Paired);
        pairing.action.clone().filter(|_| waits)
    }
}

const fn refusal_of(error: &PasskeyError) -> Refusal {
    match error {
        PasskeyError::NotAsked => Refusal::PasskeyNotRequested,
        PasskeyError::Refused(_) => Refusal::PasskeyRefused,
        PasskeyError::Silent(_) => Refusal::NoAnswer,
    }
}
