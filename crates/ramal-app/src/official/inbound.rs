//! What Meta reports, taken in: one transaction for everything that came at once, and the answer after it.
//!
//! Meta repeats for a week what was not answered with 200, and sends twice what was. So everything here
//! is recognised when it comes again: messages by their id, statuses because they only go forward, the
//! rest by a key of its own.

use std::{collections::HashMap, time::Duration};

use ramal_domain::{
    Ailment, CloseReason, Input, Link, MediaToken, MessageStatus, NumberId, Peer, PhoneNumber,
    Place, Provider, TenantId, Timestamp, WireId,
};
use ramal_meta::{
    message_error_code,
    webhook::{self, AccountNews, Change, DeliveryStatus, Incoming, IncomingKind, News, PastItem},
};
use ramal_store::{
    Amendment, Author, Change as AuthorsChange, Failure, InboundMedia, InboundMessage, Number,
    OfficialStatus, PastMessage, StoredMedia, Tx,
};
use secrecy::{ExposeSecret as _, SecretString};
use subtle::ConstantTimeEq as _;

use super::look::{close, fall_ill, recover};
use crate::{App, AppError, NumberSettings, Refusal, auth::parse_number_id};

/// How long a restriction is believed of which Meta does not say how long it lasts: as long as the
/// longest that it imposes.
const RESTRICTION_MAX: Duration = Duration::from_hours(30 * 24);

/// The type of what stands in the history for media that follow under the same id.
const MEDIA_PLACE: &str = "media_placeholder";

/// Whose news a webhook may bring.
#[derive(Clone, Copy, Debug)]
enum Whose {
    /// That of one tenant's numbers: it was signed with the secret of an app of theirs.
    Tenant(TenantId),
    /// That of every number that uses the operator's app.
    Operator,
}

/// How a message comes.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// Somebody has just written it.
    Fresh,
    /// It was written before, or somewhere else.
    Shared {
        /// How far it has come, if the owner wrote it.
        sent: Option<MessageStatus>,
        /// Whether customers are told.
        told: bool,
    },
}

/// A number, with what its settings say of what comes in.
struct Recipient {
    number: Number,
    settings: NumberSettings,
}

impl App {
    /// Answers Meta's question whether a callback is ours: the challenge, if the token is right.
    /// `number`: whose callback; `None`: that of the operator's app.
    ///
    /// # Errors
    ///
    /// [`Refusal::MetaVerifyTokenInvalid`] and [`Refusal::NumberNotFound`].
    pub async fn meta_challenge(&self, number: Option<&str>, token: &str) -> Result<(), AppError> {
        let expected = match number {
            Some(id) => {
                let id = parse_number_id(id)?;
                // Also of a number that is not listed yet: Meta asks while it is being created.
                let official = self.store.read().await?.official().get(id).await?;
                official.ok_or(Refusal::NumberNotFound)?.verify_token
            }
            None => self.operators()?.verify_token.clone(),
        };
        let same = expected.expose_secret().as_bytes().ct_eq(token.as_bytes());
        if bool::from(same) { Ok(()) } else { Err(Refusal::MetaVerifyTokenInvalid.into()) }
    }

    /// Takes in what Meta reports. When this returns, it is stored.
    ///
    /// # Errors
    ///
    /// [`Refusal::NumberNotFound`], [`Refusal::MetaSignatureInvalid`] and [`Refusal::Validation`]; then
    /// nothing is stored.
    pub async fn meta_webhook(
        &self,
        number: Option<&str>,
        raw: &[u8],
        signature: Option<&str>,
    ) -> Result<(), AppError> {
        let (whose, secret) = match number {
            Some(id) => self.signer(parse_number_id(id)?).await?,
            None => (Whose::Operator, self.operators()?.app_secret.clone()),
        };
        if !webhook::is_signed(raw, signature, &secret) {
            return Err(Refusal::MetaSignatureInvalid.into());
        }
        let changes =
            webhook::parse(raw).map_err(|error| AppError::invalid(format!("the body: {error}")))?;
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        let mut look = Vec::new();
        let mut signed = HashMap::new();
        for change in &changes {
            for id in targets(&mut tx, whose, change).await? {
                let may = match signed.get(&id) {
                    Some(may) => *may,
                    None => self.is_of_signer(&mut tx, id, &secret).await?,
                };
                signed.insert(id, may);
                if may && self.take_in(&mut tx, id, change, now).await? {
                    look.push(id);
                }
            }
        }
        for id in &look {
            tx.official().look_again(*id, now).await?;
        }
        tx.commit().await?;
        self.wake.notify_one();
        // A status may have told how a send ended, which the next message waits for.
        self.wake_official();
        if !look.is_empty() {
            self.wake_upkeep();
        }
        Ok(())
    }

    fn operators(&self) -> Result<&super::MetaOptions, Refusal> {
        let options = &self.meta()?.options;
        if options.signup_configured() { Ok(options) } else { Err(Refusal::NumberNotFound) }
    }

    async fn signer(&self, id: NumberId) -> Result<(Whose, SecretString), AppError> {
        let mut tx = self.store.read().await?;
        let number = tx.numbers().get(id).await?;
        // One that is still moving here is not ours yet: Meta repeats what it has for it.
        let ours = number.filter(|number| {
            number.stage == ramal_store::NumberStage::Live && number.provider == Provider::Meta
        });
        let number = ours.ok_or(Refusal::NumberNotFound)?;
        let official = tx.official().get(id).await?.ok_or(Refusal::NumberNotFound)?;
        let secret = self.meta()?.access(&official).app_secret;
        Ok((Whose::Tenant(number.tenant), secret.ok_or(Refusal::NumberNotFound)?))
    }

    /// Whether a number is of the app whose secret signed what came: a tenant may have apps of several
    /// owners, who must not speak for each other.
    async fn is_of_signer(
        &self,
        tx: &mut Tx,
        id: NumberId,
        signer: &SecretString,
    ) -> Result<bool, AppError> {
        let Some(official) = tx.official().get(id).await? else { return Ok(false) };
        let secret = self.meta()?.access(&official).app_secret;
        Ok(secret.is_some_and(|secret| {
            let signer = signer.expose_secret().as_bytes();
            bool::from(secret.expose_secret().as_bytes().ct_eq(signer))
        }))
    }

    /// Takes in one piece of news of a number. Returns whether Meta is to be asked about it.
    async fn take_in(
        &self,
        tx: &mut Tx,
        id: NumberId,
        change: &Change,
        now: Timestamp,
    ) -> Result<bool, AppError> {
        let found = tx.numbers().get(id).await?;
        let Some(number) = found.filter(|number| number.provider == Provider::Meta) else {
            return Ok(false);
        };
        let settings = NumberSettings::read(&number.settings)?;
        let to = Recipient { number, settings };
        match &change.news {
            News::Message(incoming) => {
                self.take_message(tx, &to, incoming, Way::Fresh, now).await?;
            }
            News::Echo(incoming) => {
                let way = Way::Shared { sent: Some(MessageStatus::Sent), told: true };
                self.take_message(tx, &to, incoming, way, now).await?;
            }
            News::Past(item) => self.take_history(tx, &to, item, now).await?,
            News::Status(status) => take_status(tx, id, status).await?,
            News::Account(_)
            | News::Quality { .. }
            | News::Name { .. }
            | News::Alert { .. }
            | News::Review { .. } => {
                if !tx.official().see(id, &change.key, now).await? {
                    return Ok(false);
                }
                take_account(tx, &to.number, &change.news, now).await?;
                return Ok(true);
            }
            News::HistoryDeclined | News::Contact(_) | News::Other { .. } => {}
        }
        Ok(false)
    }

    async fn take_message(
        &self,
        tx: &mut Tx,
        to: &Recipient,
        incoming: &Incoming,
        way: Way,
        now: Timestamp,
    ) -> Result<(), AppError> {
        let amended = match &incoming.kind {
            IncomingKind::Edited { original, text } => {
                Some((original, AuthorsChange::Edited(text.as_deref().map(clean))))
            }
            IncomingKind::Revoked { original } => Some((original, AuthorsChange::Deleted)),
            // WhatsApp's own words about somebody: nobody wrote.
            IncomingKind::System { .. } => return Ok(()),
            IncomingKind::Text { .. }
            | IncomingKind::Media { .. }
            | IncomingKind::Location { .. }
            | IncomingKind::Contacts(_)
            | IncomingKind::Reaction { .. }
            | IncomingKind::Button { .. }
            | IncomingKind::Reply { .. }
            | IncomingKind::Order
            | IncomingKind::Unsupported { .. } => None,
        };
        let Some(message) = self.inbound(to, incoming, now) else { return Ok(()) };
        match (amended, way) {
            (Some((original, change)), _) => {
                let amendment = amendment(&message, original, change, way);
                tx.messages().amend(&amendment).await?;
            }
            (None, Way::Fresh) => {
                tx.messages().receive(&message, now).await?;
            }
            (None, Way::Shared { sent, told }) => {
                tx.messages().import(&PastMessage { message, sent, told }, now).await?;
            }
        }
        Ok(())
    }

    async fn take_history(
        &self,
        tx: &mut Tx,
        to: &Recipient,
        item: &PastItem,
        now: Timestamp,
    ) -> Result<(), AppError> {
        if !to.settings.history_import_enabled {
            return Ok(());
        }
        let status = match item.status.as_deref() {
            Some("READ" | "PLAYED") => MessageStatus::Read,
            Some("DELIVERED") => MessageStatus::Delivered,
            Some("ERROR") => MessageStatus::Failed,
            _ => MessageStatus::Sent,
        };
        // What only stands for media says nothing: it is told when they come.
        let is_place = matches!(
            &item.incoming.kind,
            IncomingKind::Unsupported { reason } if reason == MEDIA_PLACE
        );
        let way = Way::Shared {
            sent: item.from_me.then_some(status),
            told: to.settings.webhook_historical_messages && !is_place,
        };
        self.take_message(tx, to, &item.incoming, way, now).await
    }

    /// A message of Meta's in our words; `None` when nobody is named as its sender.
    fn inbound(
        &self,
        to: &Recipient,
        incoming: &Incoming,
        now: Timestamp,
    ) -> Option<InboundMessage> {
        let phone = incoming.from.as_deref().and_then(|it| PhoneNumber::from_whatsapp(it).ok());
        let user = incoming.user_id.as_deref().map(clean);
        let from = match (phone, &user) {
            (Some(phone), _) => Peer::Phone(phone),
            (None, Some(user)) => Peer::Jid(user.clone()),
            (None, None) => return None,
        };
        let place = match &incoming.group_id {
            Some(group) if group.ends_with("@g.us") => {
                Place::Group { id: clean(group), name: None }
            }
            Some(group) => Place::Group { id: format!("{}@g.us", clean(group)), name: None },
            None => Place::Direct,
        };
        let quoted = if let IncomingKind::Reaction { message_id, .. } = &incoming.kind {
            Some(message_id.clone())
        } else {
            incoming.quoted.clone()
        };
        let words = incoming.kind.words();
        Some(InboundMessage {
            tenant: to.number.tenant,
            number: to.number.id,
            wire_id: WireId::from_text(clean(&incoming.wamid)),
            from,
            lid: user,
            place,
            kind: incoming.kind.event_type().unwrap_or("unsupported"),
            content: words.as_deref().map(clean).filter(|words| !words.is_empty()),
            sender_name: incoming.name.as_deref().map(clean),
            at: incoming.at,
            quoted: quoted.as_deref().map(clean).map(WireId::from_text),
            media: self.media(&incoming.kind, now),
        })
    }

    fn media(&self, kind: &IncomingKind, now: Timestamp) -> Option<InboundMedia> {
        let IncomingKind::Media { id, mime, caption, file_name, .. } = kind else { return None };
        let token = MediaToken::mint();
        Some(InboundMedia {
            link_hash: token.hash(),
            link_until: now.after(MediaToken::LIFE),
            media: StoredMedia {
                link: Some(token.link(&self.public_url)),
                mime: mime.as_deref().map(clean),
                caption: caption.as_deref().map(clean),
                file_name: file_name.as_deref().map(clean),
                meta_id: Some(clean(id)),
                ..StoredMedia::default()
            },
        })
    }
}

/// What `message`, which is about an earlier one, does to that one.
fn amendment(
    message: &InboundMessage,
    original: &str,
    change: AuthorsChange,
    way: Way,
) -> Amendment {
    let (author, told) = match way {
        Way::Shared { sent: Some(_), told } => (Author::Us, told),
        Way::Shared { sent: None, told } => (author_of(message), told),
        Way::Fresh => (author_of(message), true),
    };
    Amendment {
        place: message.place.clone(),
        number: message.number,
        wire_id: WireId::from_text(clean(original)),
        author,
        change,
        at: message.at,
        told,
    }
}

fn author_of(message: &InboundMessage) -> Author {
    let lid = message.lid.clone().map(Peer::Jid);
    Author::Them(std::iter::once(message.from.clone()).chain(lid).collect())
}

/// PostgreSQL takes no NUL in texts.
fn clean(text: impl AsRef<str>) -> String {
    text.as_ref().replace('\0', "")
}

/// The numbers that a piece of news is about.
async fn targets(tx: &mut Tx, whose: Whose, change: &Change) -> Result<Vec<NumberId>, AppError> {
    let tenant = match whose {
        Whose::Tenant(tenant) => Some(tenant),
        Whose::Operator => None,
    };
    let mut official = tx.official();
    if let Some(phone) = &change.phone {
        return Ok(official.numbers_of_phone(tenant, phone).await?);
    }
    let Some(waba) = &change.waba else { return Ok(Vec::new()) };
    let of_account = official.numbers_of_account(tenant, waba).await?;
    let Some(digits) = &change.display_phone else { return Ok(of_account) };
    let Ok(named) = PhoneNumber::from_whatsapp(digits) else { return Ok(of_account) };
    let mut meant = Vec::new();
    for id in of_account {
        let number = tx.numbers().get(id).await?;
        if number.is_some_and(|number| number.phone.same_line(&named)) {
            meant.push(id);
        }
    }
    Ok(meant)
}

async fn take_status(
    tx: &mut Tx,
    number: NumberId,
    status: &DeliveryStatus,
) -> Result<(), AppError> {
    let wire_id = WireId::from_text(clean(&status.wamid));
    let failure = status.error.as_ref().map(|error| {
        let sentence = error.details.as_deref().or(error.title.as_deref());
        Failure {
            code: message_error_code(error.code).to_owned(),
            message: format!("{} (Meta's code {})", sentence.unwrap_or("refused"), error.code),
        }
    });
    let failure = failure.or_else(|| {
        (status.status == MessageStatus::Failed).then(|| Failure {
            code: "META_ERROR".to_owned(),
            message: "Meta did not deliver the message and does not say why".to_owned(),
        })
    });
    let tag = status.tag.as_deref().and_then(|tag| tag.parse().ok());
    let news = OfficialStatus {
        wire_id: wire_id.clone(),
        tag,
        status: status.status,
        failure,
        at: status.at,
    };
    tx.messages().official_status(number, &news).await?;
    if let Some(pricing) = &status.pricing {
        tx.messages().set_pricing(number, &wire_id, &clean(pricing.to_string())).await?;
    }
    Ok(())
}

/// What happened to the account or the number itself.
async fn take_account(
    tx: &mut Tx,
    number: &Number,
    news: &News,
    now: Timestamp,
) -> Result<(), AppError> {
    let id = number.id;
    match news {
        News::Account(AccountNews::Removed { .. }) => {
            close(tx, id, CloseReason::MetaDisconnected, now).await
        }
        News::Account(AccountNews::Banned { state, .. }) if state == "DISABLE" => {
            close(tx, id, CloseReason::MetaAccountDisabled, now).await
        }
        News::Account(AccountNews::Banned { .. } | AccountNews::Violation { .. }) => {
            // Whose end is known keeps it.
            let known = number.illness.filter(|ill| ill.ailment == Ailment::MetaRestricted);
            let until = known.and_then(|ill| ill.until).filter(|until| *until > now);
            let until = Some(until.unwrap_or_else(|| now.after(RESTRICTION_MAX)));
            fall_ill(tx, id, Ailment::MetaRestricted, until, now).await
        }
        News::Account(AccountNews::Restricted { restrictions }) => {
            let until = restrictions.iter().filter_map(|it| it.until).max();
            let until = until.unwrap_or_else(|| now.after(RESTRICTION_MAX));
            fall_ill(tx, id, Ailment::MetaRestricted, Some(until), now).await
        }
        News::Account(AccountNews::Reinstated | AccountNews::Reconnected | AccountNews::Added) => {
            let comes_back = matches!(
                number.link,
                Link::Closed(CloseReason::MetaDisconnected | CloseReason::MetaAccountDisabled)
            );
            if comes_back {
                // The look that follows opens it, if Meta says so.
                tx.numbers().step_official(id, Input::PairingStarted, now).await?;
            }
            if matches!(news, News::Account(AccountNews::Reinstated)) {
                recover(tx, id, |known| known == Ailment::MetaRestricted, now).await?;
            }
            Ok(())
        }
        News::Quality { event, .. } if matches!(event.as_str(), "FLAGGED" | "DOWNGRADE") => {
            fall_ill(tx, id, Ailment::MetaQualityLow, None, now).await
        }
        News::Quality { event, .. } if matches!(event.as_str(), "UNFLAGGED" | "UPGRADE") => {
            recover(tx, id, |known| known == Ailment::MetaQualityLow, now).await
        }
        News::Account(AccountNews::Other { .. })
        | News::Quality { .. }
        | News::Name { .. }
        | News::Alert { .. }
        | News::Review { .. }
        | News::Message(_)
        | News::Echo(_)
        | News::Past(_)
        | News::HistoryDeclined
        | News::Status(_)
        | News::Contact(_)
        | News::Other { .. } => Ok(()),
    }
}
