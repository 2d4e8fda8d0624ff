//! The passkey gate: what a pairing waits for, and a person's answer to it.

use ramal_domain::{Action, ActionStep, AssertionJson, Link};
use ramal_session::{Outcome, PasskeyError};
use ramal_store::Number;

use crate::{App, AppError, Caller, Refusal, auth::parse_number_id};

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
        let sessions = self.sessions.clone();
        self.detached(async move {
            let confirmed = sessions.confirm_passkey(number.id).await;
            confirmed.map_err(|error| refusal_of(&error).into())
        })
        .await
    }

    /// What a person must do before the number's pairing goes on.
    pub(crate) fn required_action(&self, number: &Number) -> Option<Action> {
        let pairing = self.sessions.pairing(number.id).filter(|_| number.link == Link::Pairing)?;
        let pairing = pairing.borrow();
        pairing.action.clone().filter(|_| pairing.outcome == Outcome::Waiting)
    }
}

const fn refusal_of(error: &PasskeyError) -> Refusal {
    match error {
        PasskeyError::NotAsked => Refusal::PasskeyNotRequested,
        PasskeyError::Refused(_) => Refusal::PasskeyRefused,
        PasskeyError::Silent(_) => Refusal::NoAnswer,
    }
}
