//! Hosted pairing links: create one, and what its token may do (contract C.13, F).

use std::time::Duration;

use ramal_domain::{
    Content, CorrelationId, EventKind, KeyId, Link, MessageId, NumberId, PairingLinkId,
    PairingToken, Peer, Provider, TenantId, Timestamp, WireId, WrongPhonePolicy,
};
use ramal_session::Outcome;
use ramal_store::{Draft, FoundLink, ListedLink, Number, PairingLink, Schedule, Tx};
use serde_json::{Map, Value};
use tokio::time::Instant;

use crate::{
    App, AppError, Caller, Codes, CreateNumber, Followed, Memo, Refusal, audit,
    auth::parse_number_id,
    branding,
    keys::link_new_number,
    links::{Language, check_https},
    names::has_control,
    numbers::{codes, note},
};

/// How long a link lives unused (contract F.1).
pub(crate) const LIFE: Duration = Duration::from_hours(24);
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
    /// The link.
    pub link: LinkOptions,
}

/// What a caller says of a link to be created.
#[derive(Clone, Debug, Default)]
pub struct LinkOptions {
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
    /// `reject`, `adopt` or `ask`; as the tenant says when absent.
    pub wrong_phone_policy: Option<String>,
}

/// Checked [`LinkOptions`].
pub(crate) struct CheckedLink {
    send_via_whatsapp: bool,
    language: Option<Language>,
    pub(crate) branding: String,
    pub(crate) redirect_url: Option<String>,
    pub(crate) external_ref: Option<String>,
    wrong_phone: Option<WrongPhonePolicy>,
}

impl CheckedLink {
    pub(crate) fn language(&self) -> Option<String> {
        self.language.map(|language| language.tag().to_owned())
    }
}

impl LinkOptions {
    pub(crate) fn check(self) -> Result<CheckedLink, AppError> {
        let language = self.language.as_deref().map(Language::parse).transpose()?;
        let branding = Value::Object(branding::check_of_link(self.branding)?).to_string();
        if let Some(url) = &self.redirect_url {
            check_https("redirectUrl", url)?;
        }
        let too_long = |text: &String| text.chars().count() > REFERENCE_MAX || has_control(text);
        if self.external_ref.as_ref().is_some_and(too_long) {
            let sentence = "externalRef has at most 255 characters and no control characters";
            return Err(AppError::invalid(sentence));
        }
        let policy = self.wrong_phone_policy.as_deref().map(str::parse).transpose();
        let wrong_phone =
            policy.map_err(|error| AppError::invalid(format!("wrongPhonePolicy {error}")))?;
        Ok(CheckedLink {
            send_via_whatsapp: self.send_via_whatsapp,
            language,
            branding,
            redirect_url: self.redirect_url,
            external_ref: self.external_ref,
            wrong_phone,
        })
    }
}

/// Who a token of a link is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkRole {
    /// The person with the phone.
    Person,
    /// Whoever has the passkey, when that is somebody else.
    Helper,
}

impl LinkRole {
    /// As the API writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Helper => "helper",
        }
    }
}

/// A helper's link that was just created.
#[derive(Clone, Debug)]
pub struct HelperLink {
    /// Its secret: shown here and nowhere else.
    pub token: PairingToken,
    /// The whole link.
    pub url: String,
}

/// A link as it is listed.
#[derive(Clone, Debug)]
pub struct LinkView {
    /// The link, and what is shown of its number.
    pub listed: ListedLink,
    /// Why it is not in force, if it is not.
    pub dead: Option<DeadLink>,
    /// When it has paired its number.
    pub used_at: Option<Timestamp>,
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
    /// Who the token is for.
    pub role: LinkRole,
    /// What is done when another phone scans than the expected one.
    pub wrong_phone: WrongPhonePolicy,
}

impl LiveLink {
    /// What a helper may not do.
    pub(crate) fn for_person(self) -> Result<Self, Refusal> {
        match self.role {
            LinkRole::Person => Ok(self),
            LinkRole::Helper => Err(Refusal::HelperNotAllowed),
        }
    }
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
        let wanted = wish.number.check(Provider::Web)?;
        let link = wish.link.check()?;
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        self.reserve_in(&mut tx, caller, &wanted).await?;
        let number = tx.numbers().publish_unpaired(wanted.id, now).await?;
        let number = number.ok_or(Refusal::NumberNotFound)?;
        let linked_key =
            link_new_number(&mut tx, caller, number.id, wanted.link_to_api_key, now).await?;
        tx.events().record(&number.event(EventKind::NumberCreated, now)).await?;
        note(&mut tx, caller, "number.create", &number, now).await?;
        let (created, sender) = self.link_in(&mut tx, caller, number, link, linked_key).await?;
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

    /// Creates a link for a number that is there and not connected. The one that it had is revoked.
    ///
    /// # Errors
    ///
    /// [`Refusal::Validation`], [`Refusal::NumberNotFound`], [`Refusal::NumberAlreadyConnected`] and
    /// [`Refusal::NotSupportedForMeta`].
    pub async fn renew_pairing_link(
        &self,
        caller: &Caller,
        id: &str,
        wish: LinkOptions,
    ) -> Result<CreatedPairingLink, AppError> {
        let (id, link) = (parse_number_id(id)?, wish.check()?);
        let mut tx = self.store.begin().await?;
        let number = tx.numbers().find_to_change(caller.tenant(), id).await?;
        let number = number.ok_or(Refusal::NumberNotFound)?;
        if number.provider == Provider::Meta {
            let sentence = "no phone pairs an official number: reconnect it with its credentials";
            return Err(Refusal::NotSupportedForMeta(sentence).into());
        }
        if number.link == Link::Open {
            return Err(Refusal::NumberAlreadyConnected.into());
        }
        let (created, sender) = self.link_in(&mut tx, caller, number, link, None).await?;
        tx.commit().await?;
        if let Some(sender) = sender {
            self.sessions.nudge(sender);
        }
        Ok(created)
    }

    /// Creates a link within a unit of work. Returns it, and which number sends it.
    async fn link_in(
        &self,
        tx: &mut Tx,
        caller: &Caller,
        number: Number,
        wish: CheckedLink,
        linked_key: Option<KeyId>,
    ) -> Result<(CreatedPairingLink, Option<NumberId>), AppError> {
        let now = self.clock.now();
        let (token, url) = self.mint_token();
        let link = PairingLink {
            id: PairingLinkId::mint(),
            tenant: number.tenant,
            number: number.id,
            language: wish.language(),
            branding: wish.branding,
            redirect_url: wish.redirect_url,
            external_ref: wish.external_ref.clone(),
            wrong_phone: wish.wrong_phone,
            created_at: now,
            expires_at: now.after(LIFE),
            used_at: None,
            revoked_at: None,
        };
        tx.pairing_links().create(&link, &token.hash()).await?;
        let (id, name) = (link.id.to_string(), number.name.as_str());
        audit::record(tx, caller, "link.create", &id, name, now).await?;
        let sender = if wish.send_via_whatsapp {
            send_link(tx, &number, wish.language.unwrap_or_default(), &url, now).await?
        } else {
            None
        };
        let sending = wish
            .send_via_whatsapp
            .then(|| sender.map_or(Sending::NobodyToSend, |_sender| Sending::Queued));
        let external_ref = wish.external_ref;
        let created = CreatedPairingLink { number, token, url, external_ref, linked_key, sending };
        Ok((created, sender))
    }

    pub(crate) fn mint_token(&self) -> (PairingToken, String) {
        let token = PairingToken::mint();
        let url = format!("{}/connect/{}", self.public_url, token.expose());
        (token, url)
    }

    /// The newest links of the caller's tenant, newest first.
    ///
    /// # Errors
    ///
    /// [`AppError`] when the database fails.
    pub async fn list_pairing_links(&self, caller: &Caller) -> Result<Vec<LinkView>, AppError> {
        let now = self.clock.now();
        let links = self.store.read().await?.pairing_links().list(caller.tenant()).await?;
        Ok(links.into_iter().map(|listed| view(listed, now)).collect())
    }

    /// Revokes a link of the caller's tenant. One that has ended already stays as it is.
    ///
    /// # Errors
    ///
    /// [`Refusal::PairingLinkNotFound`].
    pub async fn revoke_pairing_link(&self, caller: &Caller, id: &str) -> Result<(), AppError> {
        let id: PairingLinkId = id.parse().map_err(|_malformed| Refusal::PairingLinkNotFound)?;
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        let found = tx.pairing_links().revoke(caller.tenant(), id, now).await?;
        if found.is_none() && !tx.signup_links().revoke(caller.tenant(), id, now).await? {
            return Err(Refusal::PairingLinkNotFound.into());
        }
        audit::record(&mut tx, caller, "link.revoke", &id.to_string(), "", now).await?;
        tx.commit().await?;
        let Some((number, used)) = found else { return Ok(()) };
        // Whoever has the link may be looking at codes at this moment.
        if used { Ok(()) } else { self.end_attempt(caller.tenant(), number).await }
    }

    /// Ends a pairing attempt that waits for a phone.
    async fn end_attempt(&self, tenant: TenantId, number: NumberId) -> Result<(), AppError> {
        let found = self.store.read().await?.numbers().find(tenant, number).await?;
        if found.is_some_and(|number| number.link == Link::Pairing && !number.awaits_login()) {
            self.sessions.stop(number).await;
        }
        Ok(())
    }

    /// Gives a link a helper's, in place of the one that it has.
    ///
    /// # Errors
    ///
    /// As [`App::pairing_link`], and [`Refusal::HelperNotAllowed`].
    pub async fn create_helper_link(&self, token: &str) -> Result<HelperLink, AppError> {
        let live = self.pairing_link(token).await?.for_person()?;
        let (token, url) = self.mint_token();
        let mut tx = self.store.begin().await?;
        tx.pairing_links().set_helper(live.link.id, &token.hash()).await?;
        tx.commit().await?;
        Ok(HelperLink { token, url })
    }

    /// Counts a request to a pairing link against the address that it comes from: also those that
    /// guess tokens.
    ///
    /// # Errors
    ///
    /// [`Refusal::RateLimited`].
    pub fn admit_address(&self, address: std::net::IpAddr) -> Result<(), Refusal> {
        self.limits.address(address)
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
        let found = tx.pairing_links().find(&hash).await?.ok_or_else(unknown)?;
        let FoundLink { link, helper } = found;
        // Only for tokens that exist: guesses are counted by the address that they come from.
        self.limits.link(link.id)?;
        let number = tx.numbers().find(link.tenant, link.number).await?.ok_or_else(unknown)?;
        let tenants = tx.tenant_settings().get(link.tenant).await?.wrong_phone;
        drop(tx);
        let now = self.clock.now();
        let link = self.note_use(link, &number, now).await?;
        let wrong_phone = link.wrong_phone.unwrap_or(tenants);
        let role = if helper { LinkRole::Helper } else { LinkRole::Person };
        match state(&link, now) {
            None => Ok(LiveLink { link, number, role, wrong_phone }),
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
        // What pairs after a link has ended is not its doing.
        if link.used_at.is_some() || link.revoked_at.is_some() {
            return Ok(link);
        }
        let paired = number.connected_at.filter(|at| *at >= link.created_at);
        let open = (number.link == Link::Open && now < link.expires_at).then_some(now);
        let Some(used_at) = paired.filter(|at| *at < link.expires_at).or(open) else {
            return Ok(link);
        };
        let mut tx = self.store.begin().await?;
        tx.pairing_links().used(link.id, used_at).await?;
        tx.commit().await?;
        Ok(PairingLink { used_at: Some(used_at), ..link })
    }

    /// Starts a fresh pairing attempt of a link's number and returns its codes.
    ///
    /// # Errors
    ///
    /// As [`App::pairing_link`] and [`App::connect`], and [`Refusal::HelperNotAllowed`].
    pub async fn connect_by_link(&self, token: &str) -> Result<Codes, AppError> {
        let deadline = Instant::now() + self.options.qr_deadline;
        let live = self.pairing_link(token).await?.for_person()?;
        // Its grace is for looking: it pairs once.
        if live.link.used_at.is_some() && live.number.link != Link::Open {
            return Err(Refusal::PairingLinkInvalid(DeadLink::Used).into());
        }
        self.connect_number(live.number, deadline).await
    }

    /// The codes of the attempt that is under way for a link's number, while they can be scanned.
    pub fn codes_under_way(&self, live: &LiveLink) -> Option<Codes> {
        self.present_codes(&live.number)
    }

    /// The codes of the attempt that is under way for a number, while they can be scanned.
    pub fn present_codes(&self, number: &Number) -> Option<Codes> {
        let pairing = self.sessions.pairing(number.id)?.borrow().clone();
        let waiting = number.link == Link::Pairing && pairing.outcome == Outcome::Waiting;
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
        let followed = self.follow_number(live.number.tenant, live.number.id).await?;
        // Whoever helps with a passkey has no business with what links a phone.
        let helper = live.role == LinkRole::Helper;
        let followed = if helper { followed.without_codes() } else { followed };
        let token: PairingToken =
            token.parse().map_err(|_no_token| Refusal::PairingLinkInvalid(DeadLink::Unknown))?;
        Ok(followed.by_link(self.clone(), token))
    }

    /// Whether a link is still in force: for whoever has followed it for a while.
    pub async fn link_lives(&self, token: &str) -> bool {
        !matches!(
            self.pairing_link(token).await,
            Err(AppError::Refused(Refusal::PairingLinkInvalid(_)))
        )
    }

    /// Forgets links that ended a while ago.
    pub(crate) async fn sweep_links(&self, tx: &mut Tx, now: Timestamp) -> Result<u64, AppError> {
        Ok(tx.pairing_links().purge(now.before(MEMORY)).await?)
    }
}

/// What is shown of a link in a list: without grace.
fn view(listed: ListedLink, now: Timestamp) -> LinkView {
    let created_at = listed.link.created_at;
    let connected_at = listed.connected_at.filter(|at| *at >= created_at);
    let revoked = listed.link.revoked_at.is_some();
    // Nobody may have looked since it has paired its number. A later link's success is not its own.
    let used_at = listed.link.used_at.or(connected_at.filter(|_| !revoked));
    let dead = used_at.map(|_at| DeadLink::Used).or_else(|| state(&listed.link, now));
    LinkView { listed, dead, used_at }
}

/// Why a link is not in force at `now`.
fn state(link: &PairingLink, now: Timestamp) -> Option<DeadLink> {
    match (link.used_at, link.revoked_at) {
        // The page of the person who has just paired still asks.
        (Some(used_at), None) => (now >= used_at.after(GRACE)).then_some(DeadLink::Used),
        (Some(_), Some(_)) => Some(DeadLink::Used),
        (None, Some(_)) => Some(DeadLink::Revoked),
        (None, None) => (now >= link.expires_at).then_some(DeadLink::Expired),
    }
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
    let Some(sender) = numbers.into_iter().find(|sender| {
        // An official number may not open a conversation with a text.
        sender.link == Link::Open && sender.provider == Provider::Web
    }) else {
        return Ok(None);
    };
    let content = Content::Text { body: language.invitation(&number.name, url) };
    let (to, wire_id) = (Peer::Phone(number.phone.clone()), WireId::mint());
    let draft = Draft {
        id: MessageId::mint(),
        tenant: sender.tenant,
        number: sender.id,
        wire_id: &wire_id,
        correlation: CorrelationId::mint(),
        to: &to,
        content: &content,
        bytes: None,
        mark_read: false,
        origin: "API",
        schedule: Schedule::default(),
        template: None,
        labels: &[],
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
            wrong_phone: None,
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
