//! Messages as the page shows them. What is not kept, or is not to be, is left out here.

use std::collections::HashMap;

use ramal_app::{Language, PiiMode};
use ramal_domain::{Direction, MessageStatus, Peer, Place, Timestamp};
use ramal_store::{Message, Number, StoredMedia};

use super::{MessagesTexts, media::is_shown};
use crate::dashboard::number::{NumberTexts, kind, words};

/// How much of a quoted message is shown, in characters.
const EXCERPT: usize = 140;

/// One message.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) id: String,
    pub(super) received: bool,
    /// With whom: a person, a group or a channel.
    pub(super) peer: String,
    /// What kind of place it is, unless it is a chat of two.
    pub(super) place: Option<&'static str>,
    /// What finds everything that is said there.
    pub(super) with: Option<With>,
    /// Who wrote it, where many do.
    pub(super) author: Option<String>,
    pub(super) kind: &'static str,
    pub(super) text: Option<String>,
    /// What there is to say in place of a text.
    pub(super) instead: Option<&'static str>,
    pub(super) edited: bool,
    pub(super) quoted: Option<QuotedRow>,
    pub(super) media: Option<MediaRow>,
    pub(super) status: &'static str,
    pub(super) tone: &'static str,
    /// Why it failed: the code, and a sentence in English.
    pub(super) failure: Option<(String, String)>,
    pub(super) template: Option<String>,
    pub(super) labels: Vec<String>,
    pub(super) at: Timestamp,
    /// When it is to leave, while that is still to come.
    pub(super) deliver_at: Option<Timestamp>,
    pub(super) until: Option<Timestamp>,
    /// What happened to it.
    pub(super) times: Vec<(&'static str, Timestamp)>,
    pub(super) origin: Option<&'static str>,
    pub(super) wire_id: Option<String>,
}

/// Everything that is said with a person, or in a group or channel.
#[derive(Debug)]
pub(super) struct With {
    pub(super) peer: String,
    /// In a query.
    pub(super) query: String,
}

/// What a message answers, or reacts to.
#[derive(Debug)]
pub(super) struct QuotedRow {
    pub(super) lead: &'static str,
    pub(super) text: String,
}

/// The media in a message.
#[derive(Debug)]
pub(super) struct MediaRow {
    pub(super) name: Option<String>,
    /// Where they are: a page of ours, or where their sender said.
    pub(super) href: Option<String>,
    pub(super) ours: bool,
    /// Whether a browser shows them.
    pub(super) shown: bool,
}

/// Whether what a message says, and who the people are, is hidden.
pub(super) fn is_hidden(message: &Message, number: &Number) -> bool {
    message.redacted || number.pii_mode == PiiMode::RelayOnly.name()
}

/// What people, groups and channels are called, as these messages say. Of what is hidden nobody is named.
pub(super) fn names(lists: [&[Message]; 2]) -> HashMap<String, String> {
    let mut names = HashMap::new();
    for message in lists.into_iter().flatten().filter(|message| !message.redacted) {
        if let Some((id, Some(name))) = message.place.named() {
            names.insert(id.to_owned(), name.to_owned());
        }
        if let Some(name) = &message.peer_name {
            names.insert(message.peer.to_string(), name.clone());
        }
    }
    names.retain(|_, name| !name.is_empty());
    names
}

/// How rows are made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rows<'a> {
    pub(super) number: &'a Number,
    /// The messages that others answer, by WhatsApp's id.
    pub(super) quoted: &'a HashMap<String, Message>,
    /// What people, groups and channels are called, as other messages say.
    pub(super) names: &'a HashMap<String, String>,
    pub(super) now: Timestamp,
    pub(super) language: Language,
}

impl Rows<'_> {
    pub(super) fn all(&self, messages: &[Message]) -> Vec<Row> {
        messages.iter().map(|message| self.row(message)).collect()
    }

    fn row(&self, message: &Message) -> Row {
        let texts = MessagesTexts::of(self.language);
        let hidden = is_hidden(message, self.number);
        let received = message.direction == Direction::Inbound;
        let text = message.content.clone().filter(|text| !hidden && !text.is_empty());
        let media = message.media.as_ref().filter(|_| !hidden);
        let media = media.map(|media| media_row(message, media));
        let direct = message.place == Place::Direct;
        let place = match &message.place {
            Place::Direct => None,
            Place::Group { .. } => Some(texts.group),
            Place::Newsletter { .. } => Some(texts.channel),
            Place::Status => Some(texts.status_post),
        };
        let with = if direct { message.peer.to_string() } else { message.place.id().to_owned() };
        let empty = if message.kind == "reaction" { texts.reaction_gone } else { texts.no_text };
        let bare = (text.is_none() && media.is_none()).then_some(empty);
        let waits = matches!(message.status, MessageStatus::Queued | MessageStatus::Canceled);
        Row {
            id: message.id.to_string(),
            received,
            peer: self.peer(message, hidden),
            place,
            with: (!hidden).then(|| With {
                query: serde_html_form::to_string([("peer", &with)]).unwrap_or_default(),
                peer: with,
            }),
            author: (received && !direct).then(|| self.person(message, hidden)),
            kind: kind(&message.kind, NumberTexts::of(self.language)),
            instead: instead(message, hidden, texts).or(bare),
            text,
            edited: message.edited_at.is_some() && message.revoked_at.is_none(),
            quoted: self.quoted(message, hidden),
            media,
            status: words::status(message.status, self.language),
            tone: tone(message.status),
            failure: message.failure.as_ref().map(|it| (it.code.clone(), it.message.clone())),
            template: message.template.clone(),
            labels: message.labels.clone(),
            at: message.sent_at.unwrap_or(message.created_at),
            deliver_at: message.not_before.filter(|at| *at > self.now),
            until: message.until,
            times: times(message, texts),
            origin: (!received).then_some(match message.origin.as_deref() {
                Some("API") => texts.origin_api,
                Some("DASHBOARD") => texts.origin_dashboard,
                Some(_) => texts.origin_system,
                None => texts.origin_phone,
            }),
            wire_id: (!waits).then(|| message.wire_id.to_string()),
        }
    }

    fn peer(&self, message: &Message, hidden: bool) -> String {
        let texts = MessagesTexts::of(self.language);
        match &message.place {
            Place::Direct | Place::Status => self.person(message, hidden),
            Place::Group { .. } | Place::Newsletter { .. } if hidden => texts.hidden.to_owned(),
            Place::Group { id, name } | Place::Newsletter { id, name } => {
                let name = name.as_ref().filter(|name| !name.is_empty());
                name.or_else(|| self.names.get(id)).unwrap_or(id).clone()
            }
        }
    }

    /// Who a person is: name and phone number.
    fn person(&self, message: &Message, hidden: bool) -> String {
        let who = match &message.peer {
            Peer::Phone(phone) if hidden => phone.masked(),
            Peer::Phone(phone) => phone.international(),
            Peer::Jid(_) if hidden => MessagesTexts::of(self.language).hidden.to_owned(),
            Peer::Jid(jid) => jid.clone(),
        };
        let own = message.peer_name.as_ref().filter(|name| !name.is_empty());
        match own.or_else(|| self.names.get(&message.peer.to_string())).filter(|_| !hidden) {
            Some(name) => format!("{name} · {who}"),
            None => who,
        }
    }

    fn quoted(&self, message: &Message, hidden: bool) -> Option<QuotedRow> {
        let texts = MessagesTexts::of(self.language);
        let wire_id = message.quoted.as_ref()?;
        let lead = if message.kind == "reaction" { texts.reacted } else { texts.quoted };
        let original = self.quoted.get(wire_id.as_str());
        let text = match original {
            None => texts.quoted_unknown.to_owned(),
            Some(original) if hidden || is_hidden(original, self.number) => {
                texts.not_kept.to_lowercase()
            }
            Some(original) if original.revoked_at.is_some() => texts.deleted.to_lowercase(),
            Some(original) => match original.content.as_deref().filter(|text| !text.is_empty()) {
                Some(text) => format!("“{}”", excerpt(text)),
                None => kind(&original.kind, NumberTexts::of(self.language)).to_owned(),
            },
        };
        Some(QuotedRow { lead, text })
    }
}

/// What there is to say in place of contents that are gone.
const fn instead(
    message: &Message,
    hidden: bool,
    texts: &'static MessagesTexts,
) -> Option<&'static str> {
    if message.revoked_at.is_some() {
        Some(texts.deleted)
    } else if hidden {
        Some(texts.not_kept)
    } else {
        None
    }
}

fn media_row(message: &Message, media: &StoredMedia) -> MediaRow {
    let ours = media.remote.is_some() || media.meta_id.is_some();
    let address = media.link.clone().filter(|link| {
        // Written by whoever sent it: nothing else than a page of the web is linked to.
        link.starts_with("https://") || link.starts_with("http://")
    });
    let own = format!("/numbers/{}/messages/{}/media", message.number, message.id);
    MediaRow {
        name: media.file_name.clone().filter(|name| !name.is_empty()),
        href: if ours { Some(own) } else { address },
        ours,
        shown: media.mime.as_deref().is_some_and(|mime| is_shown(mime).is_some()),
    }
}

const fn tone(status: MessageStatus) -> &'static str {
    match status {
        MessageStatus::Delivered | MessageStatus::Read => "good",
        MessageStatus::Failed => "bad",
        MessageStatus::Queued => "warn",
        MessageStatus::Sent | MessageStatus::Canceled => "",
    }
}

/// What happened to a message, in order.
fn times(message: &Message, texts: &MessagesTexts) -> Vec<(&'static str, Timestamp)> {
    let received = message.direction == Direction::Inbound;
    let begun = if received { texts.heard_at } else { texts.created_at };
    let past = [
        (begun, Some(message.created_at)),
        (texts.deliver_at, message.not_before),
        (texts.sent_at, message.sent_at.filter(|_| !received)),
        (texts.delivered_at, message.delivered_at.filter(|_| !received)),
        (texts.read_at, message.read_at),
        (texts.edited_at, message.edited_at),
        (texts.deleted_at, message.revoked_at),
    ];
    past.into_iter().filter_map(|(name, at)| Some((name, at?))).collect()
}

fn excerpt(text: &str) -> String {
    let mut excerpt: String = text.chars().take(EXCERPT).collect();
    if text.chars().nth(EXCERPT).is_some() {
        excerpt.push('…');
    }
    excerpt
}
