//! What a pairing attempt shows: published on a watch channel, which the API and the pages read.

use ramal_domain::{CloseReason, Timestamp};

/// A pairing attempt as it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pairing {
    /// The QR code to show now.
    pub qr: Option<QrCode>,
    /// The pairing code to type instead. It has its own clock: a new QR code does not replace it.
    pub code: CodeState,
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
    /// Whether there is nothing more to wait for before the codes can be shown.
    pub const fn is_complete(&self) -> bool {
        self.qr.is_some() && !matches!(self.code, CodeState::Asked)
    }
}
