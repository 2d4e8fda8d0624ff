//! Why a command did not do what it was asked for, and what its exit code says of it.

use std::io;

/// Why a command failed. The key is in none of the sentences.
#[derive(Debug)]
pub(super) enum Failure {
    /// The arguments, or the configuration, make no sense.
    Usage(anyhow::Error),
    /// Nobody answers there, or no longer.
    Unreachable {
        /// Where.
        url: String,
        /// How that shows.
        why: &'static str,
    },
    /// There is no key, or the server does not take it.
    Key(&'static str),
    /// The server says no.
    Refused {
        /// The HTTP status.
        status: u16,
        /// The stable code, if it gave one.
        code: String,
        /// Why.
        sentence: String,
    },
    /// What was waited for did not happen.
    Unmet(String),
    /// Nobody reads what is printed.
    Unread,
    /// Anything else.
    Failed(anyhow::Error),
}

impl Failure {
    pub(super) fn usage(sentence: impl Into<String>) -> Self {
        Self::Usage(anyhow::anyhow!(sentence.into()))
    }

    /// What the process ends with.
    pub(super) const fn code(&self) -> u8 {
        match self {
            // As for `ramal listen | head`: whoever had enough did not ask for an error.
            Self::Unread => 0,
            Self::Refused { .. } | Self::Failed(_) => 1,
            Self::Usage(_) => 2,
            Self::Unreachable { .. } => 3,
            Self::Key(_) => 4,
            Self::Unmet(_) => 5,
        }
    }

    /// Whether it may be gone after a while without anybody's doing.
    pub(super) const fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused { status, .. } => *status == 429 || *status >= 500,
            Self::Usage(_) | Self::Key(_) | Self::Unmet(_) | Self::Unread | Self::Failed(_) => {
                false
            }
        }
    }

    /// Whether the server says that what was named is not there.
    pub(super) fn is(&self, wanted: &str) -> bool {
        matches!(self, Self::Refused { code, .. } if code == wanted)
    }

    /// What to tell the person.
    pub(super) fn complaint(self) -> Option<anyhow::Error> {
        match self {
            Self::Unread => None,
            Self::Usage(error) | Self::Failed(error) => Some(error),
            Self::Key(sentence) => Some(anyhow::anyhow!(sentence)),
            Self::Unmet(sentence) => Some(anyhow::anyhow!(sentence)),
            Self::Unreachable { url, why } => {
                Some(anyhow::anyhow!("the server at {url} cannot be reached: {why}"))
            }
            Self::Refused { status, code, sentence } if code.is_empty() => {
                Some(anyhow::anyhow!("{sentence} (HTTP {status})"))
            }
            Self::Refused { code, sentence, .. } => Some(anyhow::anyhow!("{sentence} ({code})")),
        }
    }
}

impl From<io::Error> for Failure {
    /// Of standard output, that is.
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::Unread;
        }
        Self::Failed(anyhow::Error::from(error).context("standard output"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_failure_has_its_exit_code() {
        let refused = |status| Failure::Refused {
            status,
            code: "NUMBER_NOT_FOUND".to_owned(),
            sentence: "there is no such number".to_owned(),
        };
        assert_eq!(refused(404).code(), 1);
        assert_eq!(Failure::usage("no").code(), 2);
        assert_eq!(Failure::Key("no key").code(), 4);
        assert_eq!(Failure::Unmet("the codes ran out".to_owned()).code(), 5);
        assert_eq!(Failure::from(io::Error::from(io::ErrorKind::BrokenPipe)).code(), 0);
        assert!(refused(503).may_pass() && refused(429).may_pass() && !refused(404).may_pass());
        assert!(refused(404).is("NUMBER_NOT_FOUND"));
        let shown = refused(404).complaint().unwrap().to_string();
        assert_eq!(shown, "there is no such number (NUMBER_NOT_FOUND)");
    }
}
