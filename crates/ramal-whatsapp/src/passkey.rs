//! The passkey gate of a pairing (whatsapp-rust 0.7.0, `passkey/flow.rs`; seen 2026-11).
//!
//! # Theory of operation
//!
//! WhatsApp asks for a `WebAuthn` assertion; the person's browser makes one; we hand it over. The phone
//! then shows a code, and we show the same: once the person has said so, pairing goes on as ever.
//! From the first question to the phone's answer the gate is closed. The library does not know of
//! this: it would go on through its QR codes and disconnect after the last one, and ask for new
//! pairing codes. So its QR codes' clock stands still meanwhile, see [`Gate::hold`].
//!
//! A device that we pair is always a new one, so the code is never skipped.

use std::{sync::Arc, time::Duration};

use ramal_domain::{Assertion, CloseReason, PasskeyRequest};
use ramal_session::{PasskeyError, Signal};
use tokio::{sync::watch, time::timeout};
use whatsapp_rust::{Client, passkey};

use crate::{connection::Line, reporter::Reporter};

/// How long the library shows the first QR code, and each of the others (`pair.rs`).
const QR_LIVES: [Duration; 2] = [Duration::from_mins(1), Duration::from_secs(20)];

/// How far the passkey step of a pairing has come. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Gate(Arc<watch::Sender<Stage>>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// No passkey is asked for.
    Open,
    /// A person must sign.
    Asked,
    /// An answer is on its way.
    Answering,
    /// WhatsApp has accepted it.
    Taken,
    /// A person must compare codes.
    Comparing,
    /// The person has.
    Confirmed,
}

impl Gate {
    pub(crate) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(Stage::Open)))
    }

    pub(crate) fn is_closed(&self) -> bool {
        *self.0.borrow() != Stage::Open
    }

    /// WhatsApp asks for a passkey, perhaps once more.
    pub(crate) fn ask(&self, request: PasskeyRequest, reporter: &Reporter) {
        self.0.send_replace(Stage::Asked);
        reporter.tell(Signal::PasskeyAsked(request));
    }

    /// The phone shows a code.
    pub(crate) fn compare(&self, code: String, reporter: &Reporter) {
        // Perhaps a moment before WhatsApp's word on the passkey itself.
        let from = [Stage::Answering, Stage::Taken];
        self.go(&from, Stage::Comparing, || reporter.tell(Signal::PasskeyCode(code)));
    }

    /// The phone has answered.
    pub(crate) fn open(&self) {
        self.0.send_replace(Stage::Open);
    }

    /// Lets a sleep that is a QR code's end only once the gate is open. The library's few other
    /// sleeps of these lengths watch a socket; they are held up as well, and the gate has its own
    /// time limit.
    pub(crate) async fn hold(&self, slept: Duration) {
        if QR_LIVES.contains(&slept) {
            let mut stage = self.0.subscribe();
            // The sender is `self`, so waiting cannot fail.
            let _open = stage.wait_for(|stage| *stage == Stage::Open).await;
        }
    }

    /// Moves from one of `from` to `to` and does `then` before anybody sees it; returns whether the
    /// stage was among them.
    fn go(&self, from: &[Stage], to: Stage, then: impl FnOnce()) -> bool {
        self.0.send_if_modified(|stage| {
            let moves = from.contains(stage);
            if moves {
                *stage = to;
                then();
            }
            moves
        })
    }
}

/// Hands an assertion to WhatsApp.
pub(crate) async fn answer(
    line: &Line,
    client: &Client,
    assertion: &Assertion,
) -> Result<(), PasskeyError> {
    let gate = &line.runtime.gate;
    if !gate.go(&[Stage::Asked], Stage::Answering, || {}) {
        return Err(PasskeyError::NotAsked);
    }
    let signed = passkey::Assertion {
        assertion_json: assertion.json.clone().into_bytes(),
        credential_id: assertion.credential.clone(),
    };
    let sent = timeout(line.answer_timeout, client.send_passkey_response(signed)).await;
    let done = outcome(line, client, sent);
    if done.is_ok() {
        let taken = || line.reporter.tell(Signal::PasskeyTaken);
        gate.go(&[Stage::Answering], Stage::Taken, taken);
    } else {
        // The same answer may be given again.
        gate.go(&[Stage::Answering], Stage::Asked, || {});
    }
    done
}

/// Tells WhatsApp that the codes are the same. This can be said once only: the library forgets its
/// side of the step.
pub(crate) async fn confirm(line: &Line, client: &Client) -> Result<(), PasskeyError> {
    if !line.runtime.gate.go(&[Stage::Comparing], Stage::Confirmed, || {}) {
        return Err(PasskeyError::NotAsked);
    }
    let sent = timeout(line.answer_timeout, client.send_passkey_confirmation()).await;
    outcome(line, client, sent)
}

/// The library does not tell a refusal from a lost socket or its own patience, which is longer than
/// ours. A refusal is the end.
fn outcome(
    line: &Line,
    client: &Client,
    sent: Result<Result<(), passkey::PasskeyError>, tokio::time::error::Elapsed>,
) -> Result<(), PasskeyError> {
    match sent {
        Ok(Ok(())) => Ok(()),
        Err(elapsed) => Err(PasskeyError::Silent(elapsed.into())),
        Ok(Err(error)) if !client.is_connected() => Err(PasskeyError::Silent(error.into())),
        Ok(Err(error)) => {
            tracing::warn!(number.id = %line.number, %error, "WhatsApp refused a passkey");
            line.reporter.end(CloseReason::PasskeyRefused);
            Err(PasskeyError::Refused(error.into()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> PasskeyRequest {
        PasskeyRequest::parse(r#"{"challenge":"Y2hhbGxlbmdl"}"#).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn qr_codes_do_not_run_out_while_a_passkey_is_asked_for() {
        let (gate, reporter) = (Gate::new(), Reporter::new());
        let held = |slept| {
            let gate = gate.clone();
            async move { timeout(Duration::from_secs(1), gate.hold(slept)).await.is_err() }
        };
        assert!(!held(QR_LIVES[0]).await);

        gate.ask(request(), &reporter);
        assert!(held(QR_LIVES[0]).await && held(QR_LIVES[1]).await);
        assert!(!held(Duration::from_secs(5)).await, "only theirs");
        gate.open();
        assert!(!held(QR_LIVES[1]).await);
    }

    #[test]
    fn each_step_is_taken_once_and_in_order() {
        let (gate, reporter) = (Gate::new(), Reporter::new());
        assert!(!gate.go(&[Stage::Asked], Stage::Answering, || {}), "nothing is asked for");
        gate.compare("ABCD-1234".to_owned(), &reporter);
        assert!(!gate.is_closed(), "a code comes after the passkey only");

        gate.ask(request(), &reporter);
        assert!(gate.go(&[Stage::Asked], Stage::Answering, || {}));
        assert!(!gate.go(&[Stage::Asked], Stage::Answering, || {}), "it is being answered");
        gate.compare("ABCD-1234".to_owned(), &reporter);
        assert!(!gate.go(&[Stage::Answering], Stage::Taken, || {}), "the code overtook it");
        assert!(gate.go(&[Stage::Comparing], Stage::Confirmed, || {}));
        assert!(!gate.go(&[Stage::Comparing], Stage::Confirmed, || {}));
        assert!(gate.is_closed());
    }
}
