//! Is a phone number on WhatsApp? (contract C.14)

use ramal_domain::{Link, PhoneNumber, Provider};
use ramal_session::Registered;

use crate::{App, AppError, Refusal, Scoped};

/// Most numbers in one request.
const CHECKED_MAX: usize = 20;

/// What WhatsApp says of a phone number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// As it was asked for.
    pub input: String,
    /// As WhatsApp has it; `None` when it does not.
    pub registered: Option<Registered>,
}

impl App {
    /// Asks WhatsApp, through the scoped number, which phone numbers it knows. Brazilian mobile
    /// numbers are asked for with and without their ninth digit.
    ///
    /// # Errors
    ///
    /// [`Refusal::Validation`], [`Refusal::NotConnected`] and [`Refusal::NoAnswer`].
    pub async fn check_numbers(
        &self,
        scoped: &Scoped,
        inputs: Vec<String>,
    ) -> Result<Vec<Checked>, AppError> {
        if scoped.number.provider == Provider::Meta {
            let sentence = "Meta does not say which phone numbers are on WhatsApp";
            return Err(Refusal::NotSupportedForMeta(sentence).into());
        }
        let phones = read(&inputs)?;
        if scoped.number.link != Link::Open {
            return Err(Refusal::NotConnected.into());
        }
        let answers = self.sessions.lookup(scoped.number.id, &phones).await.map_err(|error| {
            let number = scoped.number.id;
            let error = &error as &dyn std::error::Error;
            tracing::warn!(number.id = %number, error, "a look-up failed");
            Refusal::NoAnswer
        })?;
        let answers = answers.ok_or(Refusal::NotConnected)?;
        let checked = inputs.into_iter().zip(answers);
        Ok(checked.map(|(input, registered)| Checked { input, registered }).collect())
    }
}

fn read(inputs: &[String]) -> Result<Vec<PhoneNumber>, AppError> {
    if inputs.is_empty() || inputs.len() > CHECKED_MAX {
        return Err(AppError::invalid(format!("numbers has 1 to {CHECKED_MAX} items")));
    }
    let parse = |(index, input): (usize, &String)| {
        PhoneNumber::from_any_format(input)
            .map_err(|error| AppError::invalid(format!("numbers[{index}]: {error}")))
    };
    inputs.iter().enumerate().map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_to_twenty_numbers_are_read_and_the_wrong_one_is_named() {
        let many = |count: usize| vec!["+5511999990001".to_owned(); count];
        assert!(read(&many(0)).is_err());
        assert_eq!(read(&many(20)).unwrap().len(), 20);
        assert!(read(&many(21)).is_err());
        let mut wrong = many(2);
        wrong.push("x".to_owned());
        assert!(read(&wrong).unwrap_err().to_string().starts_with("numbers[2]: "));
    }
}
