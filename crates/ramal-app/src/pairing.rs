//! Pairing attempts as customers follow them: as they happen, and looking back.

use std::collections::VecDeque;

use ramal_domain::{
    Action, CloseReason, Link, NumberId, PairingToken, TenantId, Timestamp, WrongPhone,
    WrongPhoneOutcome,
};
use ramal_session::{CodeState, Outcome, Pairing, PairingFailure, QrCode};
use ramal_store::PairingAttempt;
use tokio::sync::watch;

use crate::{App, AppError, Caller, Refusal, auth::parse_number_id};

/// What to call an attempt that ended because another one, or the server's stopping, took over.
const SUPERSEDED: &str = "SUPERSEDED";
const SUPERSEDED_SENTENCE: &str =
    "another attempt took over, or the server is stopping; call connect";

/// Something that a person who pairs should see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PairingNews {
    /// A QR code to show, in place of the one before.
    Qr {
        /// The code.
        qr: QrCode,
        /// When the last code of the attempt dies.
        window_ends_at: Option<Timestamp>,
    },
    /// A pairing code to type instead.
    Code {
        /// As `ABCD-1234`.
        code: String,
        /// When it dies.
        expires_at: Timestamp,
    },
    /// A person must do something before it goes on.
    ActionRequired(Action),
    /// The phone answered; the login follows.
    Scanned,
    /// Another phone than the expected one answered, and its number is the number's own now.
    Adopted(WrongPhone),
    /// Connected. The end.
    Open,
    /// Nobody answered in time. The end.
    Expired,
    /// It was refused, or could not be finished. The end.
    Failed {
        /// The code of a close reason, or `SUPERSEDED`.
        code: &'static str,
        /// What happened and what to do.
        sentence: &'static str,
        /// The phone that was not expected, if it was that, as far as it is known.
        wrong_phone: Option<WrongPhone>,
    },
}

impl PairingNews {
    /// Whether nothing follows.
    pub const fn is_last(&self) -> bool {
        match self {
            Self::Open | Self::Expired | Self::Failed { .. } => true,
            Self::Qr { .. }
            | Self::Code { .. }
            | Self::ActionRequired(_)
            | Self::Scanned
            | Self::Adopted(_) => false,
        }
    }

    fn closed(reason: CloseReason) -> Self {
        match reason {
            CloseReason::CodesExpired => Self::Expired,
            CloseReason::NotPaired
            | CloseReason::PairingRefused
            | CloseReason::WrongPhone
            | CloseReason::PasskeyRequired
            | CloseReason::PasskeyRefused
            | CloseReason::LoggedOut
            | CloseReason::Restricted
            | CloseReason::Banned
            | CloseReason::ClientOutdated
            | CloseReason::Replaced
            | CloseReason::Network
            | CloseReason::MetaTokenInvalid
            | CloseReason::MetaPermissionMissing
            | CloseReason::MetaDisconnected
            | CloseReason::MetaNotRegistered
            | CloseReason::MetaAccountDisabled => {
                let (code, sentence) = (reason.code(), reason.explain());
                Self::Failed { code, sentence, wrong_phone: None }
            }
        }
    }

    fn failed(failure: PairingFailure, wrong_phone: Option<&WrongPhone>) -> Self {
        match failure {
            PairingFailure::Closed(reason @ CloseReason::WrongPhone) => {
                let told = wrong_phone.and_then(|wrong| wrong.outcome.explain());
                let sentence = told.unwrap_or_else(|| reason.explain());
                Self::Failed { code: reason.code(), sentence, wrong_phone: wrong_phone.cloned() }
            }
            PairingFailure::Closed(reason) => Self::closed(reason),
            PairingFailure::Unreachable | PairingFailure::TimedOut => {
                Self::closed(CloseReason::Network)
            }
            PairingFailure::Superseded => superseded(),
        }
    }
}

const fn superseded() -> PairingNews {
    let (code, sentence) = (SUPERSEDED, SUPERSEDED_SENTENCE);
    PairingNews::Failed { code, sentence, wrong_phone: None }
}

/// What has changed from `before` to `now`, in the order in which to tell it.
fn news(before: &Pairing, now: &Pairing) -> Vec<PairingNews> {
    let mut news = Vec::new();
    if let Some(qr) = now.qr.clone().filter(|_| now.qr != before.qr) {
        news.push(PairingNews::Qr { qr, window_ends_at: now.window_ends_at() });
    }
    if let CodeState::Given { code, expires_at } = now.code.clone()
        && now.code != before.code
    {
        news.push(PairingNews::Code { code, expires_at });
    }
    let moved = now.outcome != before.outcome;
    // A phone that is asked about has scanned.
    if moved && now.outcome == Outcome::Paired {
        news.push(PairingNews::Scanned);
    }
    if let Some(action) = now.action.clone().filter(|_| now.action != before.action) {
        news.push(PairingNews::ActionRequired(action));
    }
    if let Some(wrong) = now.wrong_phone.clone().filter(|_| now.wrong_phone != before.wrong_phone)
        && wrong.outcome == WrongPhoneOutcome::Adopted
    {
        news.push(PairingNews::Adopted(wrong));
    }
    if moved {
        news.extend(match now.outcome {
            Outcome::Waiting | Outcome::Paired => None,
            Outcome::Open => Some(PairingNews::Open),
            Outcome::Failed(failure) => {
                Some(PairingNews::failed(failure, now.wrong_phone.as_ref()))
            }
        });
    }
    news
}

/// Whether a piece of news is told.
enum Told {
    Yes,
    No,
    NeverAgain,
}

/// A pairing attempt that somebody follows.
#[derive(Debug)]
pub struct Followed {
    watcher: Option<watch::Receiver<Pairing>>,
    told: Pairing,
    queue: VecDeque<PairingNews>,
    ended: bool,
    /// Whether codes are told.
    codes: bool,
    /// The link by which it is followed: with it the stream ends.
    link: Option<(App, PairingToken)>,
}

impl Followed {
    fn running(watcher: watch::Receiver<Pairing>) -> Self {
        Self::new(Some(watcher), VecDeque::new())
    }

    fn over(last: PairingNews) -> Self {
        Self::new(None, [last].into())
    }

    fn new(watcher: Option<watch::Receiver<Pairing>>, queue: VecDeque<PairingNews>) -> Self {
        Self { watcher, told: Pairing::default(), queue, ended: false, codes: true, link: None }
    }

    /// The same without QR and pairing codes: for whoever must not link a phone.
    #[must_use]
    pub fn without_codes(self) -> Self {
        Self { codes: false, ..self }
    }

    /// The same, until the link of `token` is revoked.
    pub(crate) fn by_link(self, app: App, token: PairingToken) -> Self {
        Self { link: Some((app, token)), ..self }
    }

    /// Whether `news` may be told to whoever follows.
    async fn may_tell(&self, news: &PairingNews) -> Told {
        if !matches!(news, PairingNews::Qr { .. } | PairingNews::Code { .. }) {
            return Told::Yes;
        }
        match &self.link {
            Some((app, token)) if !app.link_lives(token.expose()).await => Told::NeverAgain,
            _ if self.codes => Told::Yes,
            _ => Told::No,
        }
    }

    /// The next piece of news, the present state first; `None` after the last one. Cancel-safe.
    pub async fn next(&mut self) -> Option<PairingNews> {
        loop {
            // Taken out once it is decided, so that nothing is lost when this is dropped meanwhile.
            if let Some(news) = self.queue.front() {
                match self.may_tell(news).await {
                    Told::Yes => {}
                    Told::No => {
                        self.queue.pop_front();
                        continue;
                    }
                    Told::NeverAgain => return None,
                }
                let news = self.queue.pop_front()?;
                self.ended |= news.is_last();
                return Some(news);
            }
            if self.ended {
                return None;
            }
            let Some(watcher) = &mut self.watcher else { return None };
            let now = watcher.borrow_and_update().clone();
            self.queue.extend(news(&self.told, &now));
            self.told = now;
            if self.queue.is_empty() && watcher.changed().await.is_err() {
                // The session ended; what it said last was told, or is now.
                let last = watcher.borrow().clone();
                self.queue.extend(news(&self.told, &last));
                self.told = last;
                self.watcher = None;
                if self.queue.is_empty() {
                    self.queue.push_back(superseded());
                }
            }
        }
    }
}

impl App {
    /// Follows the pairing attempt that is under way. Of a number without one there is one piece of
    /// news: that it is connected, or why it is not.
    ///
    /// # Errors
    ///
    /// [`crate::Refusal::NumberNotFound`].
    pub async fn follow_pairing(&self, caller: &Caller, id: &str) -> Result<Followed, AppError> {
        self.follow_number(caller.tenant(), parse_number_id(id)?).await
    }

    /// Follows the pairing attempt of a number of `tenant`; see [`App::follow_pairing`].
    pub(crate) async fn follow_number(
        &self,
        tenant: TenantId,
        id: NumberId,
    ) -> Result<Followed, AppError> {
        // The session first: whatever moves the link after this is seen by the watcher.
        let watcher = self.sessions.pairing(id);
        let found = self.store.read().await?.numbers().find(tenant, id).await?;
        let number = found.ok_or(Refusal::NumberNotFound)?;
        Ok(match (number.link, watcher) {
            (Link::Open, _) => Followed::over(PairingNews::Open),
            (Link::Pairing, Some(watcher)) => Followed::running(watcher),
            (Link::Pairing, None) => Followed::over(superseded()),
            (Link::Closed(reason), _) => Followed::over(PairingNews::closed(reason)),
            (Link::Resuming { .. }, _) => Followed::over(PairingNews::closed(CloseReason::Network)),
        })
    }

    /// The pairing attempts of a number, newest first.
    ///
    /// # Errors
    ///
    /// [`crate::Refusal::NumberNotFound`].
    pub async fn pairing_attempts(
        &self,
        caller: &Caller,
        id: &str,
    ) -> Result<Vec<PairingAttempt>, AppError> {
        let number = self.find_number(caller, parse_number_id(id)?).await?;
        let mut tx = self.store.read().await?;
        Ok(tx.pairing_attempts().list(caller.tenant(), number.id).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn qr(sequence: u32) -> QrCode {
        let at = Timestamp::from_secs(i64::from(sequence));
        QrCode { text: format!("2@{sequence}"), issued_at: at, expires_at: at, sequence }
    }

    fn names(news: &[PairingNews]) -> Vec<&'static str> {
        news.iter()
            .map(|news| match news {
                PairingNews::Qr { .. } => "qr",
                PairingNews::Code { .. } => "code",
                PairingNews::ActionRequired(_) => "action_required",
                PairingNews::Scanned => "scanned",
                PairingNews::Adopted(_) => "adopted",
                PairingNews::Open => "open",
                PairingNews::Expired => "expired",
                PairingNews::Failed { code, .. } => code,
            })
            .collect()
    }

    async fn collect(mut followed: Followed) -> Vec<PairingNews> {
        let mut all = Vec::new();
        while let Some(news) = followed.next().await {
            all.push(news);
        }
        all
    }

    #[tokio::test]
    async fn the_present_state_comes_first_and_the_end_last() {
        let (sender, watcher) = watch::channel(Pairing { qr: Some(qr(1)), ..Pairing::default() });
        let mut followed = Followed::running(watcher);
        assert_eq!(names(&[followed.next().await.unwrap()]), ["qr"]);

        sender.send_modify(|pairing| pairing.qr = Some(qr(2)));
        assert!(
            matches!(followed.next().await, Some(PairingNews::Qr { qr, .. }) if qr.sequence == 2)
        );
        let expires_at = Timestamp::from_secs(9);
        let given = CodeState::Given { code: "ABCD-1234".to_owned(), expires_at };
        sender.send_modify(|pairing| pairing.code = given);
        assert_eq!(names(&[followed.next().await.unwrap()]), ["code"]);
        let request = ramal_domain::PasskeyRequest::parse(r#"{"challenge":"Y2g"}"#).unwrap();
        let step = ramal_domain::ActionStep::Passkey(request);
        let action = Action { step, asked_at: Timestamp::from_secs(3), expires_at };
        sender.send_modify(|pairing| pairing.action = Some(action.clone()));
        assert_eq!(followed.next().await, Some(PairingNews::ActionRequired(action)));
        sender.send_modify(|pairing| {
            pairing.action = None;
            pairing.outcome = Outcome::Paired;
        });
        assert_eq!(followed.next().await, Some(PairingNews::Scanned));
        sender.send_modify(|pairing| pairing.outcome = Outcome::Open);

        assert_eq!(collect(followed).await, [PairingNews::Open]);
    }

    #[test]
    fn a_phone_that_is_asked_about_has_scanned_and_may_be_adopted() {
        let (expected, actual) =
            ("+5511999990001".parse().unwrap(), "+5521988880002".parse().unwrap());
        let wrong = |outcome| {
            let policy = ramal_domain::WrongPhonePolicy::Ask;
            let (expected, actual) = (Clone::clone(&expected), Clone::clone(&actual));
            Some(WrongPhone { expected, actual, policy, outcome })
        };
        let step = ramal_domain::ActionStep::WrongPhone {
            expected: Clone::clone(&expected),
            actual: Clone::clone(&actual),
        };
        let at = Timestamp::from_secs(3);
        let asked = Pairing {
            action: Some(Action { step, asked_at: at, expires_at: at }),
            wrong_phone: wrong(WrongPhoneOutcome::Asked),
            outcome: Outcome::Paired,
            ..Pairing::default()
        };
        let open = Pairing {
            wrong_phone: wrong(WrongPhoneOutcome::Adopted),
            outcome: Outcome::Open,
            ..Pairing::default()
        };
        let failure = PairingFailure::Closed(CloseReason::WrongPhone);
        let taken = Pairing {
            wrong_phone: wrong(WrongPhoneOutcome::Taken),
            outcome: Outcome::Failed(failure),
            ..Pairing::default()
        };

        assert_eq!(names(&news(&Pairing::default(), &asked)), ["scanned", "action_required"]);
        assert_eq!(names(&news(&asked, &open)), ["adopted", "open"]);
        let told = news(&asked, &taken);
        assert!(
            matches!(&told[..], [PairingNews::Failed { code: "WRONG_PHONE", sentence, wrong_phone }]
                if sentence.contains("another number of yours") && wrong_phone.is_some()),
            "{told:?}"
        );
    }

    #[tokio::test]
    async fn what_ended_before_it_was_seen_is_still_told() {
        let (sender, watcher) = watch::channel(Pairing::default());
        let outcome = Outcome::Failed(PairingFailure::Closed(CloseReason::WrongPhone));
        sender.send_modify(|pairing| pairing.outcome = outcome);
        drop(sender);

        assert_eq!(names(&collect(Followed::running(watcher)).await), ["WRONG_PHONE"]);
    }

    #[tokio::test]
    async fn a_session_that_vanishes_is_told_as_superseded() {
        let (sender, watcher) = watch::channel(Pairing { qr: Some(qr(1)), ..Pairing::default() });
        drop(sender);

        assert_eq!(names(&collect(Followed::running(watcher)).await), ["qr", "SUPERSEDED"]);
    }

    #[tokio::test]
    async fn of_a_number_without_an_attempt_there_is_one_piece_of_news() {
        let expired = PairingNews::closed(CloseReason::CodesExpired);
        assert_eq!(collect(Followed::over(expired)).await, [PairingNews::Expired]);
    }
}
