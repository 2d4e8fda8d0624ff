//! What a pairing attempt shows: published on a watch channel, which the API and the pages read.

use std::time::Duration;

use ramal_domain::{Action, CloseReason, Timestamp, WrongPhone};

/// How many QR codes WhatsApp gives for one attempt (wacore 0.7, `pair-device`; seen 2026-11).
const QR_CODES: u32 = 6;
/// How long each but the first of them is shown.
const LATER_QR: Duration = Duration::from_secs(20);

/// A pairing attempt as it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pairing {
    /// The QR code to show now.
    pub qr: Option<QrCode>,
    /// The pairing code to type instead. It has its own clock: a new QR code does not replace it.
    pub code: CodeState,
    /// What a person must do before it goes on.
    pub action: Option<Action>,
    /// What became of the phone that scanned, if another one was expected.
    pub wrong_phone: Option<WrongPhone>,
    /// How the attempt stands.
    pub outcome: Outcome,
}

/// A QR code that WhatsApp accepts for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QrCode {
    /// The text inside the picture.
    pub text: String,
    /// When it came.
    pub issued_at: Timestamp,
    /// When WhatsApp stops accepting it.
    pub expires_at: Timestamp,
    /// Counts the codes of this attempt, from 1.
    pub sequence: u32,
}

/// Whether there is a pairing code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum CodeState {
    /// WhatsApp has been asked.
    #[default]
    Asked,
    /// Here it is.
    Given {
        /// As `ABCD-1234`.
        code: String,
        /// When WhatsApp stops accepting it.
        expires_at: Timestamp,
    },
    /// WhatsApp gives none; the QR code works all the same.
    Unavailable,
}

impl CodeState {
    /// The code, if there is one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Given { code, .. } => Some(code),
            Self::Asked | Self::Unavailable => None,
        }
    }
}

/// How a pairing attempt stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Outcome {
    /// Codes are shown, or about to be.
    #[default]
    Waiting,
    /// The phone has answered; the login follows.
    Paired,
    /// Connected.
    Open,
    /// Ended without a connection.
    Failed(PairingFailure),
}

/// Why a pairing attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PairingFailure {
    /// WhatsApp refuses connections.
    Unreachable,
    /// WhatsApp does not answer.
    TimedOut,
    /// It was refused, or nobody scanned in time.
    Closed(CloseReason),
    /// The server is stopping, or another attempt took over.
    Superseded,
}

impl Pairing {
    /// When the last code of this attempt dies, if nobody answers: the QR codes still to come, or a
    /// pairing code that outlives them. `None` before the first code.
    pub fn window_ends_at(&self) -> Option<Timestamp> {
        let qr = self
            .qr
            .as_ref()
            .map(|qr| qr.expires_at.after(LATER_QR * QR_CODES.saturating_sub(qr.sequence)));
        let code = match self.code {
            CodeState::Given { expires_at, .. } => Some(expires_at),
            CodeState::Asked | CodeState::Unavailable => None,
        };
        qr.max(code)
    }

    /// Whether there is nothing more to wait for before the codes can be shown.
    pub const fn is_complete(&self) -> bool {
        self.qr.is_some() && !matches!(self.code, CodeState::Asked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn qr(sequence: u32, expires: i64) -> QrCode {
        QrCode {
            text: "2@x".to_owned(),
            issued_at: Timestamp::from_secs(0),
            expires_at: Timestamp::from_secs(expires),
            sequence,
        }
    }

    #[test]
    fn the_window_ends_with_the_last_code() {
        let mut pairing = Pairing::default();
        assert_eq!(pairing.window_ends_at(), None);
        pairing.qr = Some(qr(1, 60));
        assert_eq!(pairing.window_ends_at(), Some(Timestamp::from_secs(160)));
        pairing.qr = Some(qr(6, 160));
        assert_eq!(pairing.window_ends_at(), Some(Timestamp::from_secs(160)));
        let expires_at = Timestamp::from_secs(180);
        pairing.code = CodeState::Given { code: "ABCD-1234".to_owned(), expires_at };
        assert_eq!(pairing.window_ends_at(), Some(expires_at));
        pairing.qr = None;
        assert_eq!(pairing.window_ends_at(), Some(expires_at));
    }
}
