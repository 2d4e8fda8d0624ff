//! What an inbound message says, in our vocabulary.

mod media;
mod vcard;
mod words;

use ramal_store::RemoteMedia;
use whatsapp_rust::waproto::{
    buffa::MessageField,
    whatsapp::{self as wa, message::protocol_message::Type as ProtocolType},
};

/// A message, as far as customers are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Content {
    /// A name of contract E.3, or `unknown`.
    pub(crate) kind: &'static str,
    /// Text, caption, emoji, a place or people in words. Never empty.
    pub(crate) text: Option<String>,
    /// The media in it, with what WhatsApp needs to give them.
    pub(crate) media: Option<Part>,
    /// WhatsApp's id of the message that it answers or that it is a reaction to.
    pub(crate) quoted: Option<String>,
}

impl Content {
    /// What a person has sent, of which nothing is known but that.
    pub(crate) const UNKNOWN: Self =
        Self { kind: "unknown", text: None, media: None, quoted: None };
}

/// Media in a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) remote: RemoteMedia,
    pub(crate) mime: Option<String>,
    pub(crate) caption: Option<String>,
    pub(crate) file_name: Option<String>,
}

/// What an author does to an earlier message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Amendment {
    /// WhatsApp's id of that message.
    pub(crate) of: String,
    /// Who wrote that message, where many write: a JID.
    pub(crate) by: Option<String>,
    /// What it says now; `None` when it is deleted for everybody.
    pub(crate) now: Option<Content>,
}

/// Wrappers inside wrappers that are still looked into; real ones have two or three.
const MAX_DEPTH: usize = 16;

/// Reads a decrypted message. `None`: nothing that a person wrote, such as key shares, revocations,
/// edits and receipts of votes.
pub(crate) fn read(message: &wa::Message) -> Option<Content> {
    let message = unwrap(message);
    if message.protocol_message.is_set() {
        return None;
    }
    let quoted = quoted(message);
    let found = text(message).or_else(|| media::find(message)).or_else(|| words::find(message));
    let (kind, text, media) = match found {
        Some(found) => found,
        None if is_bare(message) => return None,
        None => (Content::UNKNOWN.kind, None, None),
    };
    let text = text.filter(|text| !text.is_empty());
    Some(Content { kind, text, media, quoted })
}

/// Reads what an author does to an earlier message, if that is what a message is.
pub(crate) fn amendment(message: &wa::Message) -> Option<Amendment> {
    let protocol = unwrap(message).protocol_message.as_option()?;
    let key = protocol.key.as_option()?;
    let (of, by) = (key.id.clone().filter(|id| !id.is_empty())?, key.participant.clone());
    let kind = protocol.r#type?;
    if kind == ProtocolType::REVOKE {
        return Some(Amendment { of, by, now: None });
    }
    let now = protocol.edited_message.as_option().filter(|_| kind == ProtocolType::MESSAGE_EDIT)?;
    Some(Amendment { of, by, now: Some(read(now)?) })
}

type Found = Option<(&'static str, Option<String>, Option<Part>)>;

/// Takes off what is wrapped around a message: disappearing, view once, sent by another device.
fn unwrap(message: &wa::Message) -> &wa::Message {
    let mut message = message;
    for _ in 0..MAX_DEPTH {
        let Some(inner) = inside(message) else { break };
        message = inner;
    }
    message
}

/// Declares [`inside`] by the fields that do nothing but say how the message in them is to be shown.
macro_rules! wrappers {
    ($($field:ident),* $(,)?) => {
        /// What is in the outermost wrapper, in whatever order peers put them on.
        fn inside(message: &wa::Message) -> Option<&wa::Message> {
            None$(.or_else(|| message.$field.as_option()?.message.as_option()))*
        }

        #[cfg(test)]
        const WRAPPERS: &[&str] = &[$(stringify!($field)),*];
    };
}

wrappers![
    device_sent_message,
    ephemeral_message,
    view_once_message,
    view_once_message_v2,
    view_once_message_v2_extension,
    document_with_caption_message,
    edited_message,
    // HD pictures, the films of motion photos, and what else comes beside a message of its own.
    associated_child_message,
    group_mentioned_message,
    lottie_sticker_message,
    spoiler_message,
    question_message,
    question_reply_message,
    bot_invoke_message,
    bot_forwarded_message,
    bot_task_message,
    comment_message,
    event_cover_image,
    group_status_message,
    group_status_message_v2,
    group_status_mention_message,
    status_mention_message,
    status_add_yours,
    limit_sharing_message,
    newsletter_admin_profile_message,
    newsletter_admin_profile_message_v2,
    newsletter_admin_profile_status_message,
    poll_creation_message_v4,
    poll_creation_option_image_message,
];

/// Declares [`without_envelopes`] by the fields that say nothing by themselves.
macro_rules! envelopes {
    ($($field:ident),* $(,)?) => {
        fn without_envelopes(message: &wa::Message) -> wa::Message {
            let mut rest = message.clone();
            $(rest.$field = MessageField::none();)*
            rest
        }

        #[cfg(test)]
        const ENVELOPES: &[&str] = &[$(stringify!($field)),*];
    };
}

envelopes![
    // Keys and context.
    message_context_info,
    sender_key_distribution_message,
    fast_ratchet_key_sender_key_distribution_message,
    group_root_key_share,
    root_secret_distribute_message,
    sticker_sync_rmr_message,
    // About an earlier message.
    keep_in_chat_message,
    pin_in_chat_message,
    poll_update_message,
    poll_result_snapshot_message,
    poll_result_snapshot_message_v3,
    secret_encrypted_message,
    enc_reaction_message,
    enc_event_response_message,
    // The number of pictures that follow, each a message of its own.
    album_message,
    // What the phone notes in a chat, or hides from other devices.
    call_log_messsage,
    message_history_bundle,
    message_history_notice,
    placeholder_message,
];

/// Whether a message is only an envelope: keys and context, or votes on an earlier message.
fn is_bare(message: &wa::Message) -> bool {
    let mut rest = without_envelopes(message);
    rest.conversation = None;
    rest == wa::Message::default()
}

fn text(message: &wa::Message) -> Found {
    if let Some(text) = message.conversation.as_deref()
        && !text.is_empty()
    {
        return Some(("text", Some(text.to_owned()), None));
    }
    let extended = message.extended_text_message.as_option()?;
    Some(("text", extended.text.clone(), None))
}

/// WhatsApp's id of the message that this one answers, or reacts to.
fn quoted(message: &wa::Message) -> Option<String> {
    let stanza = |context: &MessageField<wa::ContextInfo>| context.as_option()?.stanza_id.clone();
    macro_rules! of {
        ($($field:ident),* $(,)?) => {
            None$(.or_else(|| stanza(&message.$field.as_option()?.context_info)))*
        };
    }
    let answered: Option<String> = of!(
        extended_text_message,
        image_message,
        video_message,
        ptv_message,
        audio_message,
        document_message,
        sticker_message,
        location_message,
        live_location_message,
        contact_message,
        contacts_array_message,
        buttons_response_message,
        list_response_message,
        template_button_reply_message,
        interactive_response_message,
        template_message,
        interactive_message,
        buttons_message,
        list_message,
        rich_response_message,
        group_invite_message,
        newsletter_admin_invite_message,
        newsletter_follower_invite_message_v2,
        product_message,
        order_message,
        poll_creation_message,
        poll_creation_message_v2,
        poll_creation_message_v3,
        poll_creation_message_v5,
        poll_creation_message_v6,
        event_message,
        event_invite_message,
        split_payment_message,
        sticker_pack_message,
        request_phone_number_message,
    );
    let reacted = || message.reaction_message.as_option()?.key.as_option()?.id.clone();
    answered.or_else(reacted).filter(|id| !id.is_empty())
}

#[cfg(test)]
mod tests;
