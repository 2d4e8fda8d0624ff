//! What to do when another phone scans than the one that a number was created for.

use std::{fmt, str::FromStr};

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
