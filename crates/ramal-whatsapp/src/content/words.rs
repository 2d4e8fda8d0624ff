//! What messages say that are neither plain texts nor media.

use ramal_domain::{person_words, place_words};
use whatsapp_rust::waproto::{
    buffa::MessageField,
    whatsapp::{
        self as wa,
        message::{
            ButtonsMessage, ContactMessage, EventMessage, HighlyStructuredMessage,
            InteractiveMessage, LocationMessage, PollCreationMessage, ProductMessage,
            TemplateMessage, buttons_message, buttons_response_message, interactive_message,
            template_message,
        },
    },
};

use super::{Content, Found, vcard};

/// What is found: its kind, and what it says.
type Said = Option<(&'static str, Option<String>)>;

const TEXT: &str = "text";
const UNKNOWN: &str = Content::UNKNOWN.kind;

/// What somebody sent, in words: `None` if it is none of what is known here.
pub(super) fn find(message: &wa::Message) -> Found {
    // What WhatsApp shows as a text is one, whatever it is made of.
    let found = place(message)
        .or_else(|| people(message))
        .or_else(|| choice(message))
        .or_else(|| from_business(message))
        .or_else(|| answer(message))
        .or_else(|| reaction(message))
        .or_else(|| invitation(message))
        .or_else(|| trade(message))
        .or_else(|| gathering(message));
    found.map(|(kind, text)| (kind, text, None))
}

/// What is there of some lines.
fn lines(parts: &[Option<&str>]) -> Option<String> {
    let there: Vec<&str> =
        parts.iter().copied().flatten().filter(|part| !part.trim().is_empty()).collect();
    (!there.is_empty()).then(|| there.join("\n"))
}

fn place(message: &wa::Message) -> Said {
    if let Some(location) = message.location_message.as_option() {
        return Some(("location", place_of(location)));
    }
    let live = message.live_location_message.as_option()?;
    let caption = live.caption.as_deref();
    Some(("location", located(caption, live.degrees_latitude, live.degrees_longitude)))
}

fn place_of(location: &LocationMessage) -> Option<String> {
    let is_there = |name: &&str| !name.is_empty();
    let name = location.name.as_deref().filter(is_there);
    let name = name.or_else(|| location.address.as_deref().filter(is_there));
    located(name, location.degrees_latitude, location.degrees_longitude)
}

fn located(name: Option<&str>, latitude: Option<f64>, longitude: Option<f64>) -> Option<String> {
    let finite = |degrees: Option<f64>| degrees.filter(|degrees| degrees.is_finite());
    match (finite(latitude), finite(longitude)) {
        (Some(latitude), Some(longitude)) => Some(place_words(name, latitude, longitude)),
        _ => name.map(str::to_owned),
    }
}

fn people(message: &wa::Message) -> Said {
    if let Some(contact) = message.contact_message.as_option() {
        return Some(("contacts", Some(card(contact))));
    }
    let several = message.contacts_array_message.as_option()?;
    let cards: Vec<String> =
        several.contacts.iter().map(card).filter(|card| !card.is_empty()).collect();
    let named = || several.display_name.clone();
    Some(("contacts", if cards.is_empty() { named() } else { Some(cards.join(", ")) }))
}

fn card(contact: &ContactMessage) -> String {
    let phones = contact.vcard.as_deref().map(vcard::phones).unwrap_or_default();
    person_words(contact.display_name.as_deref(), &phones)
}

/// An empty emoji takes a reaction back: the customer is told, without content.
fn reaction(message: &wa::Message) -> Said {
    Some(("reaction", message.reaction_message.as_option()?.text.clone()))
}

/// What somebody chose of what was offered: a button, a row, as it is written there.
fn choice(message: &wa::Message) -> Said {
    if let Some(chosen) = message.buttons_response_message.as_option() {
        use buttons_response_message::Response;
        let written = |Response::SelectedDisplayText(text): &Response| text.clone();
        return Some((TEXT, chosen.response.as_ref().map(written)));
    }
    if let Some(chosen) = message.list_response_message.as_option() {
        return Some((TEXT, chosen.title.clone().or_else(|| chosen.description.clone())));
    }
    if let Some(chosen) = message.template_button_reply_message.as_option() {
        return Some((TEXT, chosen.selected_display_text.clone()));
    }
    let chosen = message.interactive_response_message.as_option()?;
    Some((TEXT, chosen.body.as_option().and_then(|body| body.text.clone())))
}

/// Texts with headers, footers, buttons and menus, which businesses send.
fn from_business(message: &wa::Message) -> Said {
    if let Some(it) = message.template_message.as_option() {
        return Some((TEXT, template(it)));
    }
    if let Some(it) = message.interactive_message.as_option() {
        return Some((TEXT, interactive(it)));
    }
    if let Some(it) = message.buttons_message.as_option() {
        return Some((TEXT, with_buttons(it)));
    }
    if let Some(it) = message.list_message.as_option() {
        let (title, footer) = (it.title.as_deref(), it.footer_text.as_deref());
        return Some((TEXT, lines(&[title, it.description.as_deref(), footer])));
    }
    if let Some(it) = message.highly_structured_message.as_option() {
        return Some((TEXT, structured(it)));
    }
    let rich = message.rich_response_message.as_option()?;
    let parts: Vec<_> = rich.submessages.iter().map(|part| part.message_text.as_deref()).collect();
    Some((TEXT, lines(&parts)))
}

fn with_buttons(message: &ButtonsMessage) -> Option<String> {
    let header = match &message.header {
        Some(buttons_message::Header::Text(text)) => Some(text.as_str()),
        Some(_) | None => None,
    };
    lines(&[header, message.content_text.as_deref(), message.footer_text.as_deref()])
}

/// Templates hold structured texts and these templates again: no deeper than the decoder goes.
fn template(message: &TemplateMessage) -> Option<String> {
    use template_message::Format;
    if let Some(rows) = message.hydrated_template.as_option() {
        return hydrated(rows);
    }
    match message.format.as_ref()? {
        Format::HydratedFourRowTemplate(rows) => hydrated(rows),
        Format::InteractiveMessageTemplate(it) => interactive(it),
        Format::FourRowTemplate(rows) => {
            let content = rows.content.as_option().and_then(structured);
            let footer = rows.footer.as_option().and_then(structured);
            lines(&[content.as_deref(), footer.as_deref()])
        }
    }
}

fn hydrated(rows: &template_message::HydratedFourRowTemplate) -> Option<String> {
    use template_message::hydrated_four_row_template::Title;
    let title = match &rows.title {
        Some(Title::HydratedTitleText(text)) => Some(text.as_str()),
        Some(_) | None => None,
    };
    let footer = rows.hydrated_footer_text.as_deref();
    lines(&[title, rows.hydrated_content_text.as_deref(), footer])
}

fn structured(message: &HighlyStructuredMessage) -> Option<String> {
    if let Some(it) = message.hydrated_hsm.as_option() {
        return template(it);
    }
    let params: Vec<_> = message.params.iter().map(|param| Some(param.as_str())).collect();
    lines(&params)
}

fn interactive(message: &InteractiveMessage) -> Option<String> {
    let header = message.header.as_option();
    let body = message.body.as_option().and_then(|body| body.text.as_deref());
    let footer = message.footer.as_option().and_then(|footer| footer.text.as_deref());
    let cards: Vec<_> = match &message.interactive_message {
        Some(interactive_message::InteractiveMessage::CarouselMessage(carousel)) => {
            carousel.cards.iter().filter_map(interactive).collect()
        }
        Some(_) | None => Vec::new(),
    };
    let mut parts = vec![
        header.and_then(|header| header.title.as_deref()),
        header.and_then(|header| header.subtitle.as_deref()),
        body,
        footer,
    ];
    parts.extend(cards.iter().map(|card| Some(card.as_str())));
    lines(&parts)
}

/// What somebody wrote under a question, or to a status post.
fn answer(message: &wa::Message) -> Said {
    if let Some(it) = message.question_response_message.as_option() {
        return Some((TEXT, it.text.clone()));
    }
    if let Some(it) = message.status_question_answer_message.as_option() {
        return Some((TEXT, it.text.clone()));
    }
    Some((TEXT, message.status_quoted_message.as_option()?.text.clone()))
}

fn invitation(message: &wa::Message) -> Said {
    if let Some(it) = message.group_invite_message.as_option() {
        return Some((UNKNOWN, lines(&[it.group_name.as_deref(), it.caption.as_deref()])));
    }
    if let Some(it) = message.newsletter_admin_invite_message.as_option() {
        return Some((UNKNOWN, lines(&[it.newsletter_name.as_deref(), it.caption.as_deref()])));
    }
    if let Some(it) = message.newsletter_follower_invite_message_v2.as_option() {
        return Some((UNKNOWN, lines(&[it.newsletter_name.as_deref(), it.caption.as_deref()])));
    }
    let event = message.event_invite_message.as_option()?;
    Some((UNKNOWN, lines(&[event.event_title.as_deref(), event.caption.as_deref()])))
}

/// Goods and money.
fn trade(message: &wa::Message) -> Said {
    if let Some(it) = message.product_message.as_option() {
        return Some((UNKNOWN, product(it)));
    }
    if let Some(it) = message.order_message.as_option() {
        return Some((UNKNOWN, lines(&[it.order_title.as_deref(), it.message.as_deref()])));
    }
    if let Some(it) = message.send_payment_message.as_option() {
        return Some((UNKNOWN, note(&it.note_message)));
    }
    if let Some(it) = message.request_payment_message.as_option() {
        return Some((UNKNOWN, note(&it.note_message)));
    }
    if let Some(it) = message.invoice_message.as_option() {
        return Some((UNKNOWN, it.note.clone()));
    }
    if let Some(it) = message.payment_reminder_message.as_option() {
        return Some((UNKNOWN, it.description.clone()));
    }
    Some((UNKNOWN, message.split_payment_message.as_option()?.description.clone()))
}

fn product(message: &ProductMessage) -> Option<String> {
    let product = message.product.as_option();
    lines(&[
        product.and_then(|product| product.title.as_deref()),
        product.and_then(|product| product.description.as_deref()),
        message.body.as_deref(),
        message.footer.as_deref(),
    ])
}

fn note(message: &MessageField<wa::Message>) -> Option<String> {
    super::text(super::unwrap(message.as_option()?))?.1
}

/// Polls, events, calls to come, packs of stickers: what a group is asked or offered.
fn gathering(message: &wa::Message) -> Said {
    let polls = [
        &message.poll_creation_message,
        &message.poll_creation_message_v2,
        &message.poll_creation_message_v3,
        &message.poll_creation_message_v5,
        &message.poll_creation_message_v6,
    ];
    if let Some(it) = polls.into_iter().find_map(MessageField::as_option) {
        return Some((UNKNOWN, poll(it)));
    }
    if let Some(it) = message.poll_add_option_message.as_option() {
        return Some((
            UNKNOWN,
            it.add_option.as_option().and_then(|option| option.option_name.clone()),
        ));
    }
    if let Some(it) = message.event_message.as_option() {
        return Some((UNKNOWN, event(it)));
    }
    if let Some(it) = message.scheduled_call_creation_message.as_option() {
        return Some((UNKNOWN, it.title.clone()));
    }
    let pack = message.sticker_pack_message.as_option()?;
    Some((UNKNOWN, lines(&[pack.name.as_deref(), pack.caption.as_deref()])))
}

fn poll(message: &PollCreationMessage) -> Option<String> {
    let mut parts = vec![message.name.as_deref()];
    parts.extend(message.options.iter().map(|option| option.option_name.as_deref()));
    lines(&parts)
}

fn event(message: &EventMessage) -> Option<String> {
    let place = message.location.as_option().and_then(place_of);
    lines(&[
        message.name.as_deref(),
        message.description.as_deref(),
        place.as_deref(),
        message.join_link.as_deref(),
    ])
}
