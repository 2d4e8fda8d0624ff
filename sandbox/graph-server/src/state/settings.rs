//! How the world behaves until somebody says otherwise.

use serde::{Deserialize, Serialize};

/// The switches.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own on the wire")]
pub(crate) struct Settings {
    /// Every webhook is posted twice.
    pub(crate) duplicate: bool,
    /// Webhooks are posted in pairs, the second first.
    pub(crate) reorder: bool,
    /// As many changes are collected for one webhook.
    pub(crate) batch: usize,
    /// How webhooks are signed.
    pub(crate) signature: SignatureMode,
    /// People's numbers are left out of webhooks.
    pub(crate) bsuid_only: bool,
    /// How a closed window is told.
    pub(crate) window_errors: WindowErrors,
    /// How far an accepted message gets by itself.
    pub(crate) auto_statuses: AutoStatuses,
    /// How long after the answer the first status is posted.
    pub(crate) status_delay_ms: u64,
    /// The pauses between the tries of a webhook; the last one repeats.
    pub(crate) retry_delays_ms: Vec<u64>,
    /// A token may inspect itself.
    pub(crate) self_inspection: bool,
    /// The login dialog hands over the code before it tells what was chosen.
    pub(crate) code_first: bool,
    /// The login dialog never tells what was chosen.
    pub(crate) omit_session_info: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            duplicate: false,
            reorder: false,
            batch: 1,
            signature: SignatureMode::Good,
            bsuid_only: false,
            window_errors: WindowErrors::Async,
            auto_statuses: AutoStatuses::Delivered,
            status_delay_ms: 50,
            retry_delays_ms: vec![0, 10_000, 60_000, 600_000, 3_600_000, 21_600_000],
            self_inspection: true,
            code_first: false,
            omit_session_info: false,
        }
    }
}

/// How webhooks are signed.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SignatureMode {
    /// By the app's secret.
    Good,
    /// By another secret.
    Bad,
    /// Not at all.
    Missing,
}

/// How a closed window is told.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum WindowErrors {
    /// The call is refused.
    Sync,
    /// The call succeeds, and a status `failed` follows.
    Async,
}

/// How far an accepted message gets by itself.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum AutoStatuses {
    /// Not even sent.
    Off,
    /// To WhatsApp.
    Sent,
    /// To the person's phone.
    Delivered,
    /// Before the person's eyes.
    Read,
}

impl AutoStatuses {
    pub(crate) fn steps(self) -> &'static [&'static str] {
        match self {
            Self::Off => &[],
            Self::Sent => &["sent"],
            Self::Delivered => &["sent", "delivered"],
            Self::Read => &["sent", "delivered", "read"],
        }
    }
}
