//! Hosted pairing links: create one, and what its token may do (contract C.13, F).

use std::time::Duration;

use ramal_domain::{
    CorrelationId, EventKind, KeyId, Link, MessageId, NumberId, PairingLinkId, PairingToken,
    Timestamp, WireId,
};
use ramal_session::Outcome;
use ramal_store::{Draft, Number, PairingLink, Tx};
use serde_json::{Map, Value};
use tokio::time::Instant;

use crate::{
    App, AppError, Caller, Codes, CreateNumber, Followed, Memo, Refusal,
    keys::link_new_number,
    links::{Language, check_branding, check_https},
    names::has_control,
    numbers::codes,
};

/// How long a link lives unused (contract F.1).
const LIFE: Duration = Duration::from_hours(24);
/// How long it still answers after it has paired its number, so that its page can say so.
const GRACE: Duration = Duration::from_mins(10);
/// Longest reference of a caller, in characters.
const REFERENCE_MAX: usize = 255;
/// How long it is remembered after its end, so that its page can say what became of it.
const MEMORY: Duration = Duration::from_hours(7 * 24);

/// A link to be created, with the number that it pairs.
#[derive(Clone, Debug)]
pub struct NewPairingLink {
    /// The number.
    pub number: CreateNumber,
    /// Whether to send the link to the number by WhatsApp, from the tenant's first connected number.
    pub send_via_whatsapp: bool,
    /// The language of the page; the browser's when absent.
    pub language: Option<String>,
    /// How the page looks; what is absent is as the tenant's.
    pub branding: Map<String, Value>,
    /// Where the page goes after success.
    pub redirect_url: Option<String>,
    /// The caller's own reference, given back as it is.
    pub external_ref: Option<String>,
}

/// A link that was just created.
#[derive(Clone, Debug)]
pub struct CreatedPairingLink {
    /// The number, not connected.
    pub number: Number,
    /// The link's secret: shown here and nowhere else.
    pub token: PairingToken,
    /// The whole link.
    pub url: String,
    /// The caller's own reference.
    pub external_ref: Option<String>,
    /// The calling key, when it moved to the new number.
    pub linked_key: Option<KeyId>,
    /// Whether the link is on its way by WhatsApp; `None` when that was not asked for.
    pub sending: Option<Sending>,
}

/// What became of sending a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sending {
    /// It is in the queue of one of the tenant's numbers.
    Queued,
    /// No number of the tenant is connected.
    NobodyToSend,
}

/// A link that is in force, and its number as it is now.
#[derive(Clone, Debug)]
pub struct LiveLink {
    /// The link.
    pub link: PairingLink,
    /// The number.
    pub number: Number,
}

/// Why a token opens nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeadLink {
    /// There is no such link, or its number was removed.
    Unknown,
    /// Its time is over.
    Expired,
    /// It has paired its number.
    Used,
    /// A newer link took its place.
    Revoked,
}

impl DeadLink {
    /// As the API writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Expired => "expired",
            Self::Used => "used",
            Self::Revoked => "revoked",
        }
    }
}

impl App {
    /// Creates a number, not connected, and the link by which the person who owns the phone connects
    /// it.
    ///
    /// # Errors
    ///
    /// As [`App::create_number`], without those of WhatsApp, which is not asked.
    pub async fn create_pairing_link(
        &self,
        caller: &Caller,
        wish: NewPairingLink,
        memo: Option<Memo<CreatedPairingLink>>,
    ) -> Result<CreatedPairingLink, AppError> {
        let wanted = wish.number.check()?;
        let language = wish.language.as_deref().map(Language::parse).transpose()?;
        let branding = Value::Object(check_branding(wish.branding)?).to_string();
        if let Some(url) = &wish.redirect_url {
            check_https("redirectUrl", url)?;
        }
        let too_long = |text: &String| text.chars().count() > REFERENCE_MAX || has_control(text);
        if wish.external_ref.as_ref().is_some_and(too_long) {
            let sentence = "externalRef has at most 255 characters and no control characters";
            return Err(AppError::invalid(sentence));
        }
        let now = self.clock.now();
        let token = PairingToken::mint();
        let url = format!("{}/connect/{}", self.public_url, token.expose());
        let mut tx = self.store.begin().await?;
        self.reserve_in(&mut tx, caller, &wanted).await?;
        let number = tx.numbers().publish_unpaired(wanted.id, now).await?;
        let number = number.ok_or(Refusal::NumberNotFound)?;
        let linked_key =
            link_new_number(&mut tx, caller, number.id, wanted.link_to_api_key, now).await?;
        tx.events().record(&number.event(EventKind::NumberCreated, now)).await?;
        let link = PairingLink {
            id: PairingLinkId::mint(),
            tenant: number.tenant,
            number: number.id,
            language: language.map(|language| language.tag().to_owned()),
            branding,
            redirect_url: wish.redirect_url,
            external_ref: wish.external_ref.clone(),
            created_at: now,
            expires_at: now.after(LIFE),
            used_at: None,
            revoked_at: None,
        };
        tx.pairing_links().create(&link, &token.hash()).await?;
        let sender = if wish.send_via_whatsapp {
            send_link(&mut tx, &number, language.unwrap_or_default(), &url, now).await?
        } else {
            None
        };
        let sending = wish
            .send_via_whatsapp
            .then(|| sender.map_or(Sending::NobodyToSend, |_sender| Sending::Queued));
        let created = CreatedPairingLink {
            number,
            token,
            url,
            external_ref: wish.external_ref,
            linked_key,
            sending,
        };
        if let Some(memo) = memo {
            memo.keep(&mut tx, &created).await?;
        }
        tx.commit().await?;
        self.wake.notify_one();
        if let Some(sender) = sender {
            self.sessions.nudge(sender);
        }
        Ok(created)
    }

    /// The link of a token, if it is in force.
    ///
    /// # Errors
    ///
    /// [`Refusal::PairingLinkInvalid`] and [`Refusal::RateLimited`].
    pub async fn pairing_link(&self, token: &str) -> Result<LiveLink, AppError> {
        let unknown = || Refusal::PairingLinkInvalid(DeadLink::Unknown);
        let token: PairingToken = token.parse().map_err(|_no_token| unknown())?;
        let hash = token.hash();
        let mut tx = self.store.read().await?;
        let link = tx.pairing_links().find(&hash).await?.ok_or_else(unknown)?;
        // Only for tokens that exist: what is counted per guess would be memory for guessers.
        self.limits.link(link.id)?;
        let number = tx.numbers().find(link.tenant, link.number).await?.ok_or_else(unknown)?;
        drop(tx);
        let now = self.clock.now();
        let link = self.note_use(link, &number, now).await?;
        match state(&link, now) {
            None => Ok(LiveLink { link, number }),
            Some(dead) => Err(Refusal::PairingLinkInvalid(dead).into()),
        }
    }

    /// Writes down that a link has paired its number: then its grace begins.
    async fn note_use(
        &self,
        link: PairingLink,
        number: &Number,
        now: Timestamp,
    ) -> Result<PairingLink, AppError> {
        let paired = number.connected_at.is_some_and(|at| at >= link.created_at);
        if link.used_at.is_some() || !(paired || number.link == Link::Open) {
            return Ok(link);
        }
        let mut tx = self.store.begin().await?;
        tx.pairing_links().used(link.id, now).await?;
        tx.commit().await?;
        Ok(PairingLink { used_at: Some(now), ..link })
    }

    /// Starts a fresh pairing attempt of a link's number and returns its codes.
    ///
    /// # Errors
    ///
    /// As [`App::pairing_link`] and [`App::connect`].
    pub async fn connect_by_link(&self, token: &str) -> Result<Codes, AppError> {
        let deadline = Instant::now() + self.options.qr_deadline;
        let live = self.pairing_link(token).await?;
        self.connect_number(live.number, deadline).await
    }

    /// The codes of the attempt that is under way for a link's number, while they can be scanned.
    pub fn codes_under_way(&self, live: &LiveLink) -> Option<Codes> {
        let pairing = self.sessions.pairing(live.number.id)?.borrow().clone();
        let waiting = live.number.link == Link::Pairing && pairing.outcome == Outcome::Waiting;
        let codes = codes(pairing).filter(|_| waiting)?;
        (codes.qr.expires_at > self.clock.now()).then_some(codes)
    }

    /// Follows the pairing attempt of a link's number; see [`App::follow_pairing`].
    ///
    /// # Errors
    ///
    /// As [`App::pairing_link`].
    pub async fn follow_link(&self, token: &str) -> Result<Followed, AppError> {
        let live = self.pairing_link(token).await?;
        self.follow_number(live.number.tenant, live.number.id).await
    }

    /// Forgets links that ended a while ago.
    pub(crate) async fn sweep_links(&self, tx: &mut Tx, now: Timestamp) -> Result<u64, AppError> {
        Ok(tx.pairing_links().purge(now.before(MEMORY)).await?)
    }
}

/// Why a link is not in force at `now`.
fn state(link: &PairingLink, now: Timestamp) -> Option<DeadLink> {
    if let Some(used_at) = link.used_at {
        // The page of the person who has just paired still asks.
        return (now >= used_at.after(GRACE)).then_some(DeadLink::Used);
    }
    if link.revoked_at.is_some() {
        return Some(DeadLink::Revoked);
    }
    (now >= link.expires_at).then_some(DeadLink::Expired)
}

/// Puts the link into the queue of the tenant's first connected number, and says which.
async fn send_link(
    tx: &mut Tx,
    number: &Number,
    language: Language,
    url: &str,
    now: Timestamp,
) -> Result<Option<NumberId>, AppError> {
    let numbers = tx.numbers().list(number.tenant).await?;
    let Some(sender) = numbers.into_iter().find(|sender| sender.link == Link::Open) else {
        return Ok(None);
    };
    let (text, wire_id) = (language.invitation(&number.name, url), WireId::mint());
    let draft = Draft {
        id: MessageId::mint(),
        tenant: sender.tenant,
        number: sender.id,
        wire_id: &wire_id,
        correlation: CorrelationId::mint(),
        to: &number.phone,
        text: &text,
        origin: "API",
    };
    tx.messages().accept(&draft, now).await?;
    Ok(Some(sender.id))
}

#[cfg(test)]
mod tests {
    use ramal_domain::TenantId;

    use super::*;

    fn link() -> PairingLink {
        PairingLink {
            id: PairingLinkId::mint(),
            tenant: TenantId::mint(),
            number: NumberId::mint(),
            language: None,
            branding: "{}".to_owned(),
            redirect_url: None,
            external_ref: None,
            created_at: Timestamp::from_secs(0),
            expires_at: Timestamp::from_secs(100),
            used_at: None,
            revoked_at: None,
        }
    }

    #[test]
    fn a_link_ends_by_time_by_use_or_by_another() {
        let at = Timestamp::from_secs;
        let (used, revoked) = (Some(at(50)), Some(at(10)));
        let after_grace = at(50).after(GRACE);

        assert_eq!(state(&link(), at(99)), None);
        assert_eq!(state(&link(), at(100)), Some(DeadLink::Expired));
        let link_used = PairingLink { used_at: used, ..link() };
        assert_eq!(state(&link_used, at(101)), None, "its page still says that it has paired");
        assert_eq!(state(&link_used, after_grace), Some(DeadLink::Used));
        let link_revoked = PairingLink { revoked_at: revoked, ..link() };
        assert_eq!(state(&link_revoked, at(11)), Some(DeadLink::Revoked));
    }
}
