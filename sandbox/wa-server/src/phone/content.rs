//! The plaintexts that devices exchange about themselves, and what all plaintexts share.

use buffa::{Message as _, MessageField};
use wacore_binary::Jid;
use waproto::whatsapp::{self as wa, message};

use crate::{clock, crypto::Key};

/// Paddings of 1 to 16 bytes, the value of each being their number (`enc` version 2).
const MAX_PADDING: u8 = 16;

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
