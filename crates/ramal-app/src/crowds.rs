//! Groups and channels that a number is in.

use ramal_domain::{Link, Provider};
use ramal_session::{Crowd, LookupError};

use crate::{App, AppError, Refusal, Scoped};

impl App {
    /// The groups that the scoped number is in, by name.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotSupportedForMeta`], [`Refusal::NotConnected`], [`Refusal::NoAnswer`].
    pub async fn list_groups(&self, scoped: &Scoped) -> Result<Vec<Crowd>, AppError> {
        check(scoped)?;
        answered(scoped, self.sessions.groups(scoped.number.id).await)
    }

    /// The channels that the scoped number follows or owns, by name.
    ///
    /// # Errors
    ///
    /// As [`App::list_groups`].
    pub async fn list_newsletters(&self, scoped: &Scoped) -> Result<Vec<Crowd>, AppError> {
        check(scoped)?;
        answered(scoped, self.sessions.newsletters(scoped.number.id).await)
    }
}

fn check(scoped: &Scoped) -> Result<(), AppError> {
    if scoped.number.provider == Provider::Meta {
        let sentence = "an official number is in no groups and follows no channels";
        return Err(Refusal::NotSupportedForMeta(sentence).into());
    }
    if scoped.number.link != Link::Open {
        return Err(Refusal::NotConnected.into());
    }
    Ok(())
}

fn answered(
    scoped: &Scoped,
    answer: Result<Option<Vec<Crowd>>, LookupError>,
) -> Result<Vec<Crowd>, AppError> {
    let answer = answer.map_err(|error| {
        let (number, error) = (scoped.number.id, &error as &dyn std::error::Error);
        tracing::warn!(number.id = %number, error, "a look-up failed");
        Refusal::NoAnswer
    })?;
    let mut crowds = answer.ok_or(Refusal::NotConnected)?;
    crowds.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
    Ok(crowds)
}
