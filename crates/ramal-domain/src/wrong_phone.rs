//! What to do when another phone scans than the one that a number was created for.

use std::{fmt, str::FromStr};

use crate::PhoneNumber;

/// What to do when another phone scans than the one that a number was created for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum WrongPhonePolicy {
    /// Unlink it, and say so.
    #[default]
    Reject,
    /// Take the phone's number as the number's own.
    Adopt,
    /// Ask a person; whoever does not answer in time has said no.
    Ask,
}

impl WrongPhonePolicy {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Reject, Self::Adopt, Self::Ask];

    /// As the API and the database write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reject => "reject",
            Self::Adopt => "adopt",
            Self::Ask => "ask",
        }
    }
}

impl fmt::Display for WrongPhonePolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for WrongPhonePolicy {
    type Err = UnknownWrongPhonePolicy;

    fn from_str(name: &str) -> Result<Self, UnknownWrongPhonePolicy> {
        Self::ALL.into_iter().find(|policy| policy.name() == name).ok_or(UnknownWrongPhonePolicy)
    }
}

/// What became of a phone that was not expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WrongPhoneOutcome {
    /// A person is asked.
    Asked,
    /// Its number is the number's own from now on.
    Adopted,
    /// It was unlinked, or will be as soon as WhatsApp answers.
    Rejected,
    /// It was to be adopted, but another number of the tenant has its phone number, so it was rejected.
    Taken,
}

impl WrongPhoneOutcome {
    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Adopted => "adopted",
            Self::Rejected | Self::Taken => "rejected",
        }
    }

    /// Why it was rejected and what to do, if it was.
    pub const fn explain(self) -> Option<&'static str> {
        match self {
            Self::Asked | Self::Adopted => None,
            Self::Rejected => Some(crate::CloseReason::WrongPhone.explain()),
            Self::Taken => Some(
                "another phone than the expected one was linked; it could not be adopted, because \
                 another number of yours has its phone number already, and was unlinked again; call \
                 connect and use the right phone",
            ),
        }
    }
}

/// Another phone than the expected one scanned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrongPhone {
    /// The phone number that the number was created for.
    pub expected: PhoneNumber,
    /// That of the phone that scanned.
    pub actual: PhoneNumber,
    /// What was to be done.
    pub policy: WrongPhonePolicy,
    /// What was done.
    pub outcome: WrongPhoneOutcome,
}

/// A policy that does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be reject, adopt or ask")]
pub struct UnknownWrongPhonePolicy;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_read_as_it_is_written() {
        for policy in WrongPhonePolicy::ALL {
            assert_eq!(policy.to_string().parse(), Ok(policy));
        }
        assert_eq!("Reject".parse::<WrongPhonePolicy>(), Err(UnknownWrongPhonePolicy));
    }
}
