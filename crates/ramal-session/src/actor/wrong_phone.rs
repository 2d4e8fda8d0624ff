//! Another phone than the expected one: unlinked, adopted, or asked about, as the policy says.
//!
//! The row decides whose number it is, so nothing is lost with the process: as long as it says another
//! number than the phone's, the link does not open, the client's messages are held back, and the next
//! login comes here again. A rejection is written first and the device unlinked afterwards, by whoever
//! lives then.

use ramal_domain::{
    Action, ActionStep, CloseReason, Link, PhoneNumber, WrongPhone, WrongPhoneOutcome,
    WrongPhonePolicy,
};
use ramal_store::{Identity, Stepped, StoreError};
use tokio::{sync::oneshot, time::Instant};

use super::{Actor, Flow};
use crate::{Account, Outcome, PairingFailure, WrongPhoneError, ledger::Fact};

/// A phone that a person is asked about.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) wrong: WrongPhone,
    account: Account,
}

/// What a person says of a phone that was not expected.
#[derive(Debug)]
pub(crate) struct Reply {
    /// Whether it is to be used.
    pub(crate) adopt: bool,
    /// Told once it is done, and stored.
    pub(crate) done: oneshot::Sender<Result<(), WrongPhoneError>>,
}

impl Actor {
    /// The phone number of an account, if it is not that of this number. Brazil's ninth digit makes
    /// none. A number that is connected is whatever it was when it was paired.
    pub(super) fn actual_phone(&self, account: &Account) -> Option<PhoneNumber> {
        let undecided = matches!(self.state.link, Some(Link::Pairing | Link::Closed(_)));
        account.phone().filter(|phone| undecided && !phone.same_line(&self.phone))
    }

    /// The client of another phone than the expected one has logged in.
    pub(super) async fn on_wrong_phone(&mut self, account: Account, actual: PhoneNumber) -> Flow {
        if self.state.link != Some(Link::Pairing) || self.state.asked.is_some() {
            // Rejected before and about to be unlinked, or logged in anew while a person is asked.
            return Flow::Continue;
        }
        self.state.pairing_due = None;
        let policy = match self.wrong_phone_policy().await {
            Ok(policy) => policy,
            Err(error) => {
                // The next session asks again.
                let error = &error as &dyn std::error::Error;
                tracing::error!(number.id = %self.number, error, "the policy cannot be read");
                return Flow::End;
            }
        };
        tracing::info!(number.id = %self.number, %policy, "another phone than the expected one");
        let (expected, outcome) = (self.phone.clone(), WrongPhoneOutcome::Rejected);
        let wrong = WrongPhone { expected, actual, policy, outcome };
        match policy {
            WrongPhonePolicy::Reject => self.reject_phone(wrong).await,
            WrongPhonePolicy::Adopt => self.adopt_phone(wrong, account, None).await,
            WrongPhonePolicy::Ask => self.ask_about(wrong, account).await,
        }
    }

    async fn wrong_phone_policy(&self) -> Result<WrongPhonePolicy, StoreError> {
        let now = self.context.clock.now();
        self.context.store.read().await?.numbers().wrong_phone_policy(self.number, now).await
    }

    async fn ask_about(&mut self, wrong: WrongPhone, account: Account) -> Flow {
        let patience = self.context.options.wrong_phone_timeout;
        let asked_at = self.context.clock.now();
        let (expected, actual) = (wrong.expected.clone(), wrong.actual.clone());
        let step = ActionStep::WrongPhone { expected, actual };
        let action = Action { step, asked_at, expires_at: asked_at.after(patience) };
        let flow = self.note(Fact::Action(action.clone()), "an action was not told").await;
        if flow == Flow::End {
            return Flow::End;
        }
        self.context.wake.notify_one();
        self.state.action_due = Some(Instant::now() + patience);
        let wrong = WrongPhone { outcome: WrongPhoneOutcome::Asked, ..wrong };
        self.state.asked = Some(Asked { wrong: wrong.clone(), account });
        self.pairing.send_modify(|pairing| {
            pairing.outcome = Outcome::Paired;
            pairing.action = Some(action);
            pairing.wrong_phone = Some(wrong);
        });
        Flow::Continue
    }

    pub(super) async fn on_reply(&mut self, reply: Reply) -> Flow {
        let Some(asked) = self.state.asked.take() else {
            // Whoever asked may be gone.
            let _unheard = reply.done.send(Err(WrongPhoneError::NotAsked));
            return Flow::Continue;
        };
        if reply.adopt {
            self.adopt_phone(asked.wrong, asked.account, Some(reply.done)).await
        } else {
            let wrong = WrongPhone { outcome: WrongPhoneOutcome::Rejected, ..asked.wrong };
            self.reject_and_tell(wrong, Some((reply.done, Ok(())))).await
        }
    }

    async fn adopt_phone(
        &mut self,
        wrong: WrongPhone,
        account: Account,
        done: Option<Done>,
    ) -> Flow {
        let wrong = WrongPhone { outcome: WrongPhoneOutcome::Adopted, ..wrong };
        let identity = Identity::from(account);
        let opened = self.state.online;
        let fact = Fact::Adopted { wrong: wrong.clone(), identity, opened };
        let written = self.ledger().write(&fact).await;
        if matches!(written, Ok(None)) {
            let wrong = WrongPhone { outcome: WrongPhoneOutcome::Taken, ..wrong };
            return self
                .reject_and_tell(wrong, done.map(|d| (d, Err(WrongPhoneError::Taken))))
                .await;
        }
        let adopted = matches!(written, Ok(Some(Stepped::Done { .. })));
        let flow = self.moved(written);
        if flow == Flow::End || !adopted {
            // Not written: whoever asked hears so, for `done` is dropped. The next session asks again.
            return Flow::End;
        }
        tell(done.map(|done| (done, Ok(()))));
        self.state.action_due = None;
        self.phone = wrong.actual.clone();
        self.pairing.send_modify(|pairing| {
            pairing.action = None;
            pairing.wrong_phone = Some(wrong);
        });
        self.opened(flow).await
    }

    /// Leaves alone a phone that this number was not created for.
    pub(super) async fn reject_phone(&mut self, wrong: WrongPhone) -> Flow {
        let outcome = WrongPhoneOutcome::Rejected;
        self.reject_and_tell(WrongPhone { outcome, ..wrong }, None).await
    }

    /// It is decided; unlinking the phone may take a while, and nobody should wait for it.
    fn refuse_replies(&mut self) {
        self.replies.close();
        while let Ok(late) = self.replies.try_recv() {
            tell(Some((late.done, Err(WrongPhoneError::NotAsked))));
        }
    }

    async fn reject_and_tell(
        &mut self,
        wrong: WrongPhone,
        answer: Option<(Done, Result<(), WrongPhoneError>)>,
    ) -> Flow {
        let written = self.ledger().write(&Fact::Rejected(wrong.clone())).await;
        if self.moved(written) == Flow::End {
            return Flow::End;
        }
        tell(answer);
        self.refuse_replies();
        self.state.action_due = None;
        self.pairing.send_modify(|pairing| pairing.wrong_phone = Some(wrong));
        self.fail_pairing(PairingFailure::Closed(CloseReason::WrongPhone));
        match self.connection.logout().await {
            Ok(()) => {
                let _ended = self.note(Fact::Unlinked, "credentials were not forgotten").await;
            }
            Err(error) => {
                // The row says that it is to be done: the supervisor does it as soon as it can.
                let error = &error as &dyn std::error::Error;
                tracing::warn!(number.id = %self.number, error, "the wrong phone was not unlinked");
            }
        }
        Flow::End
    }
}

/// Where whoever decided waits.
type Done = oneshot::Sender<Result<(), WrongPhoneError>>;

fn tell(answer: Option<(Done, Result<(), WrongPhoneError>)>) {
    if let Some((done, result)) = answer {
        // Whoever asked may be gone.
        let _unheard = done.send(result);
    }
}
