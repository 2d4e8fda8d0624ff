//! The passkey gate: WhatsApp wants a person's passkey before it goes on with a pairing.
//!
//! While it waits, codes neither rotate nor run out: the attempt ends when the person is out of time,
//! when WhatsApp refuses the passkey, or when the phone has answered.

use std::time::Duration;

use ramal_domain::{Action, ActionStep, Link, PasskeyRequest};
use tokio::time::Instant;

use super::{Actor, Flow};
use crate::{CodeState, ledger::Fact};

impl Actor {
    pub(super) async fn on_passkey_asked(&mut self, request: PasskeyRequest) -> Flow {
        let longest = self.context.options.passkey_timeout;
        let patience = request.patience().map_or(longest, |patience| patience.min(longest));
        self.require(ActionStep::Passkey(request), patience).await
    }

    /// The phone thinks about it; nobody else has anything to do.
    pub(super) fn on_passkey_taken(&mut self) {
        if self.state.action_due.is_some() {
            self.state.action_due = Some(Instant::now() + self.context.options.passkey_timeout);
            self.pairing.send_modify(|pairing| pairing.action = None);
        }
    }

    pub(super) async fn on_passkey_code(&mut self, code: String) -> Flow {
        let patience = self.context.options.passkey_timeout;
        self.require(ActionStep::Confirm { code }, patience).await
    }

    async fn require(&mut self, step: ActionStep, patience: Duration) -> Flow {
        if self.state.link != Some(Link::Pairing) || self.state.paired {
            return Flow::Continue;
        }
        let asked_at = self.context.clock.now();
        let action = Action { step, asked_at, expires_at: asked_at.after(patience) };
        self.state.pairing_due = None;
        self.state.action_due = Some(Instant::now() + patience);
        let step = action.step.name();
        tracing::info!(number.id = %self.number, step, "the pairing waits for a person");
        let flow = self.note(Fact::Action(action.clone()), "an action was not told").await;
        self.context.wake.notify_one();
        self.pairing.send_modify(|pairing| {
            pairing.qr = None;
            pairing.code = CodeState::Unavailable;
            pairing.action = Some(action);
        });
        flow
    }
}
