//! The history that a phone shares when it is linked.
//!
//! It comes in chunks of many megabytes, so a chunk is unpacked on a thread of its own, one
//! conversation after the other, and stored in small transactions between those of live messages. The
//! library tells the phone that a chunk has arrived before we see it: what the process does not store
//! before it dies is not shared again.

use std::{error::Error, sync::Arc, time::Duration};

use ramal_domain::{MessageStatus, Timestamp};
use ramal_store::{PastMessage, StoreError};
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;
use wacore::types::events::{Event, LazyHistorySync};
use whatsapp_rust::{Client, Jid, waproto::whatsapp as wa};

use crate::{
    content,
    identity::Identity,
    inbound::{Heard, Inbox, Scene},
};

/// Chunks that may wait. A phone shares some dozens.
pub(crate) const CHUNKS_MAX: usize = 256;
/// Messages in one transaction.
const BATCH: usize = 100;
/// Conversations that may be unpacked ahead.
const AHEAD: usize = 4;
/// Pauses between the tries to store a batch that found the database busy.
const PAUSES: [Duration; 4] = [
    Duration::from_millis(100),
    Duration::from_millis(500),
    Duration::from_secs(2),
    Duration::from_secs(5),
];

/// A message as the phone has it.
#[derive(Clone, Debug, PartialEq)]
struct Past {
    scene: Scene,
    chat: Jid,
    /// What the phone calls the chat.
    chat_name: Option<String>,
    /// Who wrote it, or whom the number wrote to, by every name that is given.
    names: Vec<Jid>,
    id: String,
    sent: Option<MessageStatus>,
    content: content::Content,
    sender_name: Option<String>,
    at: Timestamp,
}

/// How often a chunk of a phone that is not the number's looks whether that has been decided.
const UNDECIDED: Duration = Duration::from_secs(1);

/// Stores chunks as they come, until nobody sends any more. Those of a phone that is not the number's wait
/// until it is decided whether that is to be used; the task is cut off with its client.
pub(crate) async fn import(
    inbox: Inbox,
    client: Arc<Client>,
    tasks: TaskTracker,
    mut chunks: mpsc::Receiver<Arc<Event>>,
) {
    while let Some(chunk) = chunks.recv().await {
        if !inbox.manners.now().history_import_enabled {
            continue;
        }
        // A database that does not answer decides nothing.
        while !inbox.is_ours(&client).await.unwrap_or(false) {
            tokio::time::sleep(UNDECIDED).await;
        }
        let (sender, mut conversations) = mpsc::channel(AHEAD);
        tasks.spawn_blocking(move || {
            if let Event::HistorySync(history) = chunk.as_ref() {
                unpack(history, &sender);
            }
        });
        while let Some(conversation) = conversations.recv().await {
            if let Err(error) = store(&inbox, &client, conversation).await {
                let error = &error as &dyn Error;
                tracing::error!(number.id = %inbox.number, error, "history was not stored");
            }
        }
    }
}

fn unpack(history: &LazyHistorySync, conversations: &mpsc::Sender<Vec<Past>>) {
    let mut stream = history.stream();
    loop {
        match stream.next_conversation() {
            Ok(Some(conversation)) => {
                let messages = read(&conversation);
                if !messages.is_empty() && conversations.blocking_send(messages).is_err() {
                    return;
                }
            }
            Ok(None) => return,
            Err(error) => {
                tracing::warn!(%error, "a chunk of history ends in the middle");
                return;
            }
        }
    }
}

async fn store(inbox: &Inbox, client: &Client, messages: Vec<Past>) -> Result<(), StoreError> {
    let behaviour = inbox.manners.now();
    let told = behaviour.webhook_historical_messages;
    let mut rows = Vec::with_capacity(messages.len());
    for past in messages.iter().filter(|past| past.scene.is_wanted(behaviour)) {
        let other = Identity::named(&past.names).learned(client).await;
        let name = inbox.names.get(&past.chat).or_else(|| past.chat_name.clone());
        let jid = past.names.first().unwrap_or(&past.chat);
        let message = inbox.row(Heard {
            id: &past.id,
            place: past.scene.place(&past.chat, name.as_deref()),
            other,
            jid,
            content: &past.content,
            sender_name: past.sender_name.as_deref(),
            at: past.at,
        });
        rows.push(PastMessage { message, sent: past.sent, told });
    }
    for batch in rows.chunks(BATCH) {
        let mut pauses = PAUSES.into_iter();
        loop {
            match store_batch(inbox, batch).await {
                Err(StoreError::Busy(error)) => match pauses.next() {
                    Some(pause) => tokio::time::sleep(pause).await,
                    None => return Err(StoreError::Busy(error)),
                },
                done => break done?,
            }
        }
        if told {
            inbox.wake.notify_one();
        }
    }
    Ok(())
}

async fn store_batch(inbox: &Inbox, batch: &[PastMessage]) -> Result<(), StoreError> {
    let now = inbox.clock.now();
    let mut tx = inbox.store.begin().await?;
    for message in batch {
        tx.messages().import(message, now).await?;
    }
    tx.commit().await
}

/// The messages of a conversation, oldest first; the phone has the newest first.
fn read(conversation: &wa::Conversation) -> Vec<Past> {
    let Ok(chat) = conversation.id.parse::<Jid>() else { return Vec::new() };
    let Some(scene) = Scene::of(&chat) else { return Vec::new() };
    let aliases: Vec<Jid> = [&conversation.pn_jid, &conversation.lid_jid]
        .into_iter()
        .filter_map(|jid| jid.as_deref()?.parse().ok())
        .collect();
    let infos = conversation.messages.iter().rev().filter_map(|entry| entry.message.as_option());
    let messages = infos.filter_map(|info| read_one(&chat, scene, &aliases, info));
    messages.map(|past| Past { chat_name: conversation.name.clone(), ..past }).collect()
}

fn read_one(chat: &Jid, scene: Scene, aliases: &[Jid], info: &wa::WebMessageInfo) -> Option<Past> {
    let key = info.key.as_option()?;
    let ours = key.from_me.unwrap_or(false);
    let sent = if ours { Some(sent_status(info)?) } else { None };
    let mut names = Vec::with_capacity(3);
    match scene {
        Scene::Direct => {
            names.push(chat.clone());
            names.extend_from_slice(aliases);
        }
        Scene::Group | Scene::Status if !ours => {
            let author = key.participant.as_deref().or(info.participant.as_deref())?;
            names.push(author.parse().ok()?);
        }
        // A whole group or channel is written to, and a channel itself writes.
        Scene::Group | Scene::Newsletter | Scene::Status => names.push(chat.clone()),
    }
    let seconds = i64::try_from(info.message_timestamp?).ok()?;
    let (id, content) = said(key, info.message.as_option()?)?;
    Some(Past {
        scene,
        chat: chat.clone(),
        chat_name: None,
        names,
        id,
        sent,
        content,
        sender_name: info.push_name.clone().filter(|name| !name.is_empty() && !ours),
        at: Timestamp::from_secs(seconds),
    })
}

/// What a message says, and its id. One that was edited is kept by the phone as its last edit, in which it is
/// named.
fn said(key: &wa::MessageKey, message: &wa::Message) -> Option<(String, content::Content)> {
    let (id, content) = match content::amendment(message) {
        Some(edit) => (Some(edit.of), edit.now?),
        None => (key.id.clone(), content::read(message)?),
    };
    Some((id.filter(|id| !id.is_empty())?, content))
}

/// How far a message of ours has come; `None` if it never left.
fn sent_status(info: &wa::WebMessageInfo) -> Option<MessageStatus> {
    use wa::web_message_info::Status as S;
    match info.status? {
        S::ERROR | S::PENDING => None,
        S::SERVER_ACK => Some(MessageStatus::Sent),
        S::DELIVERY_ACK => Some(MessageStatus::Delivered),
        S::READ | S::PLAYED => Some(MessageStatus::Read),
    }
}

#[cfg(test)]
mod tests {
    use whatsapp_rust::waproto::buffa::MessageField;

    use super::*;

    fn info(id: &str, ours: bool, participant: Option<&str>) -> wa::HistorySyncMsg {
        let key = wa::MessageKey {
            from_me: Some(ours),
            id: Some(id.to_owned()),
            participant: participant.map(str::to_owned),
            ..Default::default()
        };
        let message = wa::Message { conversation: Some("Oi".to_owned()), ..Default::default() };
        let info = wa::WebMessageInfo {
            key: MessageField::some(key),
            message: MessageField::some(message),
            message_timestamp: Some(1_700_000_000),
            status: Some(wa::web_message_info::Status::READ),
            push_name: Some("Ana".to_owned()),
            ..Default::default()
        };
        wa::HistorySyncMsg { message: MessageField::some(info), ..Default::default() }
    }

    fn conversation(id: &str, messages: Vec<wa::HistorySyncMsg>) -> wa::Conversation {
        wa::Conversation { id: id.to_owned(), messages, ..Default::default() }
    }

    fn jid(text: &str) -> Jid {
        text.parse().unwrap()
    }

    #[test]
    fn a_chat_of_two_is_read_oldest_first_under_every_name_of_the_other_side() {
        let mut chat = conversation("900@lid", vec![info("2", true, None), info("1", false, None)]);
        chat.pn_jid = Some("5511999999999@s.whatsapp.net".to_owned());

        let read = read(&chat);

        let names = [jid("900@lid"), jid("5511999999999@s.whatsapp.net")];
        assert!(read.iter().all(|past| past.scene == Scene::Direct && past.names == names));
        let told: Vec<_> = read
            .iter()
            .map(|past| (past.id.as_str(), past.sent, past.sender_name.as_deref()))
            .collect();
        assert_eq!(told, [("1", None, Some("Ana")), ("2", Some(MessageStatus::Read), None)]);
    }

    #[test]
    fn in_a_group_others_are_senders_and_our_own_go_to_the_group() {
        let messages = vec![info("2", true, None), info("1", false, Some("900@lid"))];
        let group = wa::Conversation {
            name: Some("Family".to_owned()),
            ..conversation("1@g.us", messages)
        };
        let read = read(&group);

        assert!(read.iter().all(|past| past.chat_name.as_deref() == Some("Family")));
        let names: Vec<_> = read.iter().map(|past| past.names.clone()).collect();
        assert_eq!(names, [[jid("900@lid")], [jid("1@g.us")]]);
    }

    #[test]
    fn an_edited_message_says_what_it_says_now_under_its_own_id() {
        use wa::message::protocol_message::Type;

        let edit = |kind, now: Option<&str>| {
            let now = now.map(|text| wa::Message {
                conversation: Some(text.to_owned()),
                ..Default::default()
            });
            let protocol = wa::message::ProtocolMessage {
                key: MessageField::some(wa::MessageKey {
                    id: Some("first".to_owned()),
                    ..Default::default()
                }),
                r#type: Some(kind),
                edited_message: now.map_or_else(MessageField::none, MessageField::some),
                ..Default::default()
            };
            let inner = wa::Message {
                protocol_message: MessageField::some(protocol),
                ..Default::default()
            };
            let wrapper = wa::message::FutureProofMessage { message: MessageField::some(inner) };
            let mut entry = info("edit", false, None);
            if let Some(info) = entry.message.as_option_mut() {
                info.message = MessageField::some(wa::Message {
                    edited_message: MessageField::some(wrapper),
                    ..Default::default()
                });
            }
            entry
        };
        let edited = edit(Type::MESSAGE_EDIT, Some("see you at 6"));
        let deleted = edit(Type::REVOKE, None);

        let read = read(&conversation("900@lid", vec![deleted, edited]));

        let told: Vec<_> =
            read.iter().map(|past| (past.id.as_str(), past.content.text.as_deref())).collect();
        assert_eq!(told, [("first", Some("see you at 6"))]);
    }

    #[test]
    fn what_says_nothing_or_never_left_is_left_out() {
        let mut unsent = info("1", true, None);
        if let Some(info) = unsent.message.as_option_mut() {
            info.status = Some(wa::web_message_info::Status::PENDING);
        }
        let mut empty = info("2", false, None);
        if let Some(info) = empty.message.as_option_mut() {
            info.message = MessageField::none();
        }
        let nameless = info("", false, None);
        let chat = conversation("900@lid", vec![unsent, empty, nameless]);

        assert_eq!(read(&chat), []);
        assert_eq!(read(&conversation("1@broadcast", vec![info("1", false, None)])), []);
        let anonymous = conversation("1@g.us", vec![info("1", false, None)]);
        assert_eq!(read(&anonymous), []);
    }
}
