//! What a phone tells a fresh companion about the time before (wa-server.md §6.6 b).

use buffa::{Message as _, MessageField};
use serde::{Deserialize, Serialize};
use waproto::whatsapp::{self as wa, message};

use super::content::{protocol, text};
use crate::number::PhoneNumber;

/// A stored block of a zlib stream holds at most this many bytes.
const BLOCK: usize = u16::MAX as usize;

/// A conversation of the time before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OldChat {
    /// A phone number, or the JID of a group.
    pub with: String,
    /// The name that the phone shows.
    #[serde(default)]
    pub name: Option<String>,
    /// How many messages are unread.
    #[serde(default)]
    pub unread: u32,
    /// Oldest first.
    #[serde(default)]
    pub messages: Vec<OldMessage>,
}

/// A text of the time before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OldMessage {
    /// Whether the phone sent it.
    #[serde(default)]
    pub from_me: bool,
    /// The text.
    pub text: String,
    /// When: unix seconds.
    pub at: u64,
    /// Its id; one is made unless given.
    #[serde(default)]
    pub id: Option<String>,
    /// Whether it was edited: phones keep the edit, with an id of its own.
    #[serde(default)]
    pub edited: bool,
    /// Who wrote it in a group.
    #[serde(default)]
    pub from: Option<PhoneNumber>,
}

/// The history as a peer message, inline. Baileys holds back all events for 20 s on a first login
/// unless it arrives, however empty. `by_lid` says how the phone addresses a chat.
pub(crate) fn history_notification(
    number: &PhoneNumber,
    name: &str,
    chats: &[OldChat],
    by_lid: impl Fn(&PhoneNumber) -> bool,
) -> wa::Message {
    let others: Vec<PhoneNumber> =
        chats.iter().filter_map(|chat| PhoneNumber::parse(&chat.with).ok()).collect();
    let named = chats.iter().zip(chats.iter().map(|chat| PhoneNumber::parse(&chat.with)));
    let named =
        named.filter_map(|(chat, with)| Some(push_name(&with.ok()?, chat.name.as_deref()?)));
    let history = wa::HistorySync {
        sync_type: wa::history_sync::HistorySyncType::INITIAL_BOOTSTRAP,
        progress: Some(100),
        chunk_order: Some(1),
        pushnames: std::iter::once(push_name(number, name)).chain(named).collect(),
        conversations: chats.iter().map(|chat| conversation(chat, number, &by_lid)).collect(),
        phone_number_to_lid_mappings: others
            .iter()
            .map(|other| wa::PhoneNumberToLIDMapping {
                pn_jid: Some(other.pn_jid(0).to_string()),
                lid_jid: Some(other.lid_jid(0).to_string()),
            })
            .collect(),
        ..Default::default()
    };
    let notification = message::HistorySyncNotification {
        sync_type: Some(message::HistorySyncType::INITIAL_BOOTSTRAP),
        chunk_order: Some(1),
        progress: Some(100),
        initial_hist_bootstrap_inline_payload: Some(zlib_stored(&history.encode_to_vec())),
        ..Default::default()
    };
    protocol(message::ProtocolMessage {
        r#type: Some(message::protocol_message::Type::HISTORY_SYNC_NOTIFICATION),
        history_sync_notification: MessageField::some(notification),
        ..Default::default()
    })
}

fn push_name(number: &PhoneNumber, name: &str) -> wa::Pushname {
    wa::Pushname { id: Some(number.pn_jid(0).to_string()), pushname: Some(name.to_owned()) }
}

fn conversation(
    chat: &OldChat,
    own: &PhoneNumber,
    by_lid: &impl Fn(&PhoneNumber) -> bool,
) -> wa::Conversation {
    let with = PhoneNumber::parse(&chat.with).ok();
    let id = match &with {
        Some(number) if by_lid(number) => number.lid_jid(0).to_string(),
        Some(number) => number.pn_jid(0).to_string(),
        None => chat.with.clone(),
    };
    let newest = chat.messages.iter().map(|message| message.at).max();
    // Newest first, as WhatsApp sends them.
    let messages = chat.messages.iter().rev();
    wa::Conversation {
        messages: messages.map(|message| old_message(message, &id, with.is_none(), own)).collect(),
        last_msg_timestamp: newest,
        conversation_timestamp: newest,
        unread_count: Some(chat.unread),
        name: chat.name.clone(),
        pn_jid: with.as_ref().map(|number| number.pn_jid(0).to_string()),
        lid_jid: with.as_ref().map(|number| number.lid_jid(0).to_string()),
        id,
        ..Default::default()
    }
}

fn old_message(
    old: &OldMessage,
    chat: &str,
    in_group: bool,
    own: &PhoneNumber,
) -> wa::HistorySyncMsg {
    let id = old.id.clone().unwrap_or_else(fresh_id);
    let content = if old.edited { edited(&id, &old.text) } else { text(&old.text) };
    let writer = if old.from_me { Some(own) } else { old.from.as_ref() };
    let participant = writer.filter(|_| in_group).map(|number| number.lid_jid(0).to_string());
    let key = wa::MessageKey {
        remote_jid: Some(chat.to_owned()),
        from_me: Some(old.from_me),
        id: Some(if old.edited { fresh_id() } else { id }),
        participant: participant.clone(),
    };
    let message = wa::WebMessageInfo {
        key: MessageField::some(key),
        message: MessageField::some(content),
        message_timestamp: Some(old.at),
        status: Some(wa::web_message_info::Status::DELIVERY_ACK),
        participant,
        ..Default::default()
    };
    wa::HistorySyncMsg { message: MessageField::some(message), ..Default::default() }
}

fn fresh_id() -> String {
    format!("3A{}", hex::encode_upper(rand::random::<[u8; 9]>()))
}

fn edited(id: &str, now: &str) -> wa::Message {
    let key = wa::MessageKey { id: Some(id.to_owned()), ..Default::default() };
    let edit = protocol(message::ProtocolMessage {
        key: MessageField::some(key),
        r#type: Some(message::protocol_message::Type::MESSAGE_EDIT),
        edited_message: MessageField::some(text(now)),
        ..Default::default()
    });
    let wrapper = message::FutureProofMessage { message: MessageField::some(edit) };
    wa::Message { edited_message: MessageField::some(wrapper), ..Default::default() }
}

/// A zlib stream of stored blocks: a virtual phone's history is not worth a compressor.
fn zlib_stored(data: &[u8]) -> Vec<u8> {
    const HEADER: [u8; 2] = [0x78, 0x01];
    let mut out = HEADER.to_vec();
    let blocks = data.chunks(BLOCK);
    let last = blocks.len().saturating_sub(1);
    for (index, block) in blocks.enumerate() {
        out.push(u8::from(index == last));
        // A chunk never exceeds the block's limit.
        let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
        out.extend(length.to_le_bytes());
        out.extend((!length).to_le_bytes());
        out.extend_from_slice(block);
    }
    out.extend(adler32(data).to_be_bytes());
    out
}

fn adler32(data: &[u8]) -> u32 {
    const MODULUS: u32 = 65_521;
    let (low, high) = data.iter().fold((1_u32, 0_u32), |(low, high), byte| {
        let low = (low + u32::from(*byte)) % MODULUS;
        (low, (high + low) % MODULUS)
    });
    (high << 16) | low
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adler_of_the_textbook_example() {
        assert_eq!(adler32(b"Wikipedia"), 0x11E6_0398);
    }

    #[test]
    fn long_streams_have_several_blocks_of_which_the_last_is_final() {
        const BLOCK_HEADER: usize = 5;
        let stream = zlib_stored(&vec![7; BLOCK + 1]);
        assert_eq!(stream[2], 0);
        assert_eq!(stream[2 + BLOCK_HEADER + BLOCK], 1);
        assert_eq!(stream.len(), 2 + 2 * BLOCK_HEADER + BLOCK + 1 + 4);
    }
}
