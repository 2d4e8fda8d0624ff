//! How a number is connected to WhatsApp.

use std::str::FromStr;

/// How a number is connected to WhatsApp. The names are the contract's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Provider {
    /// As a companion device of a phone: QR-paired.
    #[default]
    Web,
    /// Through Meta's Cloud API: official.
    Meta,
}

impl Provider {
    /// The name on the wire and in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Web => "PILOT_STATUS",
            Self::Meta => "META",
        }
    }
}

/// A name that is none of a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("provider is PILOT_STATUS or META")]
pub struct UnknownProvider;

impl FromStr for Provider {
    type Err = UnknownProvider;

    fn from_str(name: &str) -> Result<Self, UnknownProvider> {
        [Self::Web, Self::Meta].into_iter().find(|it| it.name() == name).ok_or(UnknownProvider)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for provider in [Provider::Web, Provider::Meta] {
            assert_eq!(provider.name().parse(), Ok(provider));
        }
        assert_eq!("meta".parse::<Provider>(), Err(UnknownProvider));
    }
}
