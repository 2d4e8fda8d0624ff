//! The plaintexts that phones send and receive.

use buffa::{Message as _, MessageField};
use wacore_binary::Jid;
use waproto::whatsapp::{self as wa, message};

use crate::{clock, crypto::Key, number::PhoneNumber};

/// Paddings of 1 to 16 bytes, the value of each being their number (`enc` version 2).
const MAX_PADDING: u8 = 16;

/// What a phone's user sees of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) kind: &'static str,
    pub(crate) text: String,
    /// Set on copies of what another device of the own account sent.
    pub(crate) sent_to: Option<PhoneNumber>,
    pub(crate) asks_for_app_state_key: bool,
}

impl Content {
    /// Reads a decrypted message; `None` when the bytes are no message.
    pub(crate) fn decode(plain: &[u8]) -> Option<Self> {
        let outer = wa::Message::decode_from_slice(plain).ok()?;
        let copy = outer.device_sent_message.as_option();
        let sent_to = copy
            .and_then(|copy| copy.destination_jid.as_deref())
            .and_then(|jid| jid.parse().ok())
            .and_then(|jid| PhoneNumber::of_jid(&jid));
        let inner = copy.and_then(|copy| copy.message.as_option()).unwrap_or(&outer);
        let asks_for_app_state_key = inner
            .protocol_message
            .as_option()
            .is_some_and(|protocol| protocol.app_state_sync_key_request.as_option().is_some());
        let (kind, text) = kind_and_text(inner);
        Some(Self { kind, text, sent_to, asks_for_app_state_key })
    }
}

fn kind_and_text(message: &wa::Message) -> (&'static str, String) {
    if let Some(text) = &message.conversation {
        return ("text", text.clone());
    }
    if let Some(extended) = message.extended_text_message.as_option() {
        return ("text", extended.text.clone().unwrap_or_default());
    }
    if let Some(reaction) = message.reaction_message.as_option() {
        return ("reaction", reaction.text.clone().unwrap_or_default());
    }
    if let Some(image) = message.image_message.as_option() {
        return ("image", image.caption.clone().unwrap_or_default());
    }
    if let Some(video) = message.video_message.as_option() {
        return ("video", video.caption.clone().unwrap_or_default());
    }
    if message.audio_message.as_option().is_some() {
        return ("audio", String::new());
    }
    if message.document_message.as_option().is_some() {
        return ("document", String::new());
    }
    if message.protocol_message.as_option().is_some() {
        return ("protocol", String::new());
    }
    ("other", String::new())
}

/// A plain text message.
pub(crate) fn text(text: &str) -> wa::Message {
    wa::Message { conversation: Some(text.to_owned()), ..Default::default() }
}

/// A sender key on its way to one device.
pub(crate) fn distribution(chat: &str, key: &[u8]) -> wa::Message {
    let key = message::SenderKeyDistributionMessage {
        group_id: Some(chat.to_owned()),
        axolotl_sender_key_distribution_message: Some(key.to_vec()),
    };
    wa::Message { sender_key_distribution_message: MessageField::some(key), ..Default::default() }
}

/// The sender key inside a decrypted message, if any.
pub(crate) fn distributed_key(plain: &[u8]) -> Option<Vec<u8>> {
    let message = wa::Message::decode_from_slice(plain).ok()?;
    let key = message.sender_key_distribution_message.as_option()?;
    key.axolotl_sender_key_distribution_message.clone()
}

/// The key of a call, as `<enc>` of an offer carries it.
pub(crate) fn call_key(key: &Key) -> wa::Message {
    wa::Message {
        call: MessageField::some(message::Call {
            call_key: Some(key.to_vec()),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// The copy of a sent message for the sender's own companions.
pub(crate) fn device_sent(to: &Jid, message: wa::Message) -> wa::Message {
    wa::Message {
        device_sent_message: MessageField::some(message::DeviceSentMessage {
            destination_jid: Some(to.to_string()),
            message: MessageField::some(message),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// The app-state key for a fresh companion. Without `fingerprint` whatsapp-rust ignores the key and
/// waits out a grace period (wa-server.md §6.6 a).
pub(crate) fn key_share(
    id: &[u8],
    key: &Key,
    raw_id: u32,
    device_indexes: Vec<u32>,
) -> wa::Message {
    let fingerprint = message::AppStateSyncKeyFingerprint {
        raw_id: Some(raw_id),
        current_index: device_indexes.iter().max().copied(),
        device_indexes,
    };
    let key = message::AppStateSyncKey {
        key_id: MessageField::some(message::AppStateSyncKeyId { key_id: Some(id.to_vec()) }),
        key_data: MessageField::some(message::AppStateSyncKeyData {
            key_data: Some(key.to_vec()),
            fingerprint: MessageField::some(fingerprint),
            timestamp: Some(clock::unix_millis()),
        }),
    };
    protocol(message::ProtocolMessage {
        r#type: Some(message::protocol_message::Type::APP_STATE_SYNC_KEY_SHARE),
        app_state_sync_key_share: MessageField::some(message::AppStateSyncKeyShare {
            keys: vec![key],
        }),
        ..Default::default()
    })
}

pub(super) fn protocol(message: message::ProtocolMessage) -> wa::Message {
    wa::Message { protocol_message: MessageField::some(message), ..Default::default() }
}

/// Appends the random padding that every encrypted payload carries.
pub(crate) fn pad(mut plain: Vec<u8>) -> Vec<u8> {
    let padding = rand::random::<u8>() % MAX_PADDING + 1;
    plain.resize(plain.len() + usize::from(padding), padding);
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_names_its_chat() {
        let to = PhoneNumber::parse("5511999990000").unwrap();
        let plain = device_sent(&to.pn_jid(0), text("hello")).encode_to_vec();
        let content = Content::decode(&plain).unwrap();
        assert_eq!((content.kind, content.text.as_str()), ("text", "hello"));
        assert_eq!(content.sent_to, Some(to));
    }
}
