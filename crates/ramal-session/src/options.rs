//! `[sessions]`: how sessions behave.

use std::time::Duration;

use serde::Deserialize;

/// No more are remembered (`ramal_domain::Losses`).
const LOSSES_MAX: usize = 16;

/// `[sessions]`: how sessions behave.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// How long a socket may be gone before `number.disconnected` is told.
    #[serde(with = "humantime_serde")]
    pub confirm_outage: Duration,
    /// After how much silence an open connection is asked whether it is there. Together with
    /// `whatsapp.answer_timeout` this bounds how long a dead one is shown as open.
    #[serde(with = "humantime_serde")]
    pub probe_after: Duration,
    /// Pause between two resumed sessions at start, so that WhatsApp sees no storm.
    #[serde(with = "humantime_serde")]
    pub resume_pace: Duration,
    /// How often the rows are compared with what runs.
    #[serde(with = "humantime_serde")]
    pub reconcile: Duration,
    /// Shortest wait before a failed session is started again, or a failed message sent again.
    #[serde(with = "humantime_serde")]
    pub retry_base: Duration,
    /// Longest wait before that.
    #[serde(with = "humantime_serde")]
    pub retry_cap: Duration,
    /// How many dials in a row may fail before a pairing attempt is given up.
    pub dial_failures_max: u32,
    /// How long a person may take over each step of the passkey gate, if WhatsApp does not say less;
    /// then the pairing attempt ends.
    #[serde(with = "humantime_serde")]
    pub passkey_timeout: Duration,
    /// How long a person may take to say whether a phone that was not expected is to be used; then it
    /// is unlinked.
    #[serde(with = "humantime_serde")]
    pub wrong_phone_timeout: Duration,
    /// So many lost connections within `unstable_window` make a number unhealthy.
    pub unstable_losses: usize,
    /// See `unstable_losses`.
    #[serde(with = "humantime_serde")]
    pub unstable_window: Duration,
    /// How long an unhealthy number must have been open before it counts as recovered.
    #[serde(with = "humantime_serde")]
    pub recover_after: Duration,
    /// How many messages a minute a number sends at most, in uneven steps, unless its own settings say
    /// otherwise; 0: as many as there are. Numbers that write like a machine get banned.
    pub messages_per_minute: u32,
    /// How long a stopping session may take to flush and disconnect.
    #[serde(with = "humantime_serde")]
    pub stop_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            confirm_outage: Duration::from_mins(1),
            probe_after: Duration::from_secs(25),
            resume_pace: Duration::from_millis(20),
            reconcile: Duration::from_secs(5),
            retry_base: Duration::from_secs(1),
            retry_cap: Duration::from_secs(30),
            dial_failures_max: 2,
            passkey_timeout: Duration::from_mins(5),
            wrong_phone_timeout: Duration::from_mins(10),
            unstable_losses: 3,
            unstable_window: Duration::from_mins(10),
            recover_after: Duration::from_mins(5),
            messages_per_minute: 20,
            stop_timeout: Duration::from_secs(10),
        }
    }
}

impl Options {
    /// Adds what is wrong with this section to `problems`.
    pub fn check(&self, problems: &mut Vec<String>) {
        if self.retry_base.is_zero() || self.retry_base > self.retry_cap {
            problems.push("sessions.retry_base must be above 0 and at most retry_cap".to_owned());
        }
        if self.dial_failures_max == 0 {
            problems.push("sessions.dial_failures_max must be at least 1".to_owned());
        }
        if self.passkey_timeout.is_zero() {
            problems.push("sessions.passkey_timeout must be above 0".to_owned());
        }
        if self.wrong_phone_timeout.is_zero() {
            problems.push("sessions.wrong_phone_timeout must be above 0".to_owned());
        }
        if !(1..=LOSSES_MAX).contains(&self.unstable_losses) {
            problems.push(format!("sessions.unstable_losses must be 1 to {LOSSES_MAX}"));
        }
        if self.probe_after.is_zero() {
            problems.push("sessions.probe_after must be above 0".to_owned());
        }
        if self.reconcile.is_zero() {
            problems.push("sessions.reconcile must be above 0".to_owned());
        }
    }
}
