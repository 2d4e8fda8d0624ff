//! Inbound messages: committed to the database before WhatsApp's server is told that we have them.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use ramal_domain::{Clock, NumberId, Peer, PhoneNumber, TenantId, Timestamp, WireId};
use ramal_store::{InboundMessage, Store, StoreError};
use tokio::sync::Notify;
use wacore::types::{events::InboundMessage as Received, message::MessageInfo};
use whatsapp_rust::{Client, InboundDurabilityHook, Jid, anyhow, wacore_binary::JidExt as _};

use crate::{content, manners::Manners, runtime::ClientRuntime};

/// How long a database gets to recover before a failed batch is asked for again.
const REDELIVERY_PAUSE: Duration = Duration::from_secs(15);

/// Where the messages of one number go.
#[derive(Clone)]
pub(crate) struct Inbox {
    pub(crate) store: Store,
    pub(crate) clock: Arc<dyn Clock>,
    /// Rung after each commit, for whoever delivers events.
    pub(crate) wake: Arc<Notify>,
    pub(crate) tenant: TenantId,
    pub(crate) number: NumberId,
    pub(crate) manners: Manners,
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox").field("number", &self.number).finish_non_exhaustive()
    }
}

/// The library's hook: the way by which messages come in.
pub(crate) struct Intake {
    inbox: Inbox,
    runtime: ClientRuntime,
    /// Whether a reconnect is under way that makes WhatsApp deliver again.
    asked_again: Arc<AtomicBool>,
}

impl Intake {
    pub(crate) fn new(inbox: Inbox, runtime: ClientRuntime) -> Self {
        Self { inbox, runtime, asked_again: Arc::default() }
    }

    /// Marks stored messages as read, if the number's settings say so. Later, in a task of its own:
    /// the hook must not call the client. Should the process die before, the sender sees them unread.
    fn read(&self, client: Arc<Client>, batch: &[Received]) {
        if !self.inbox.manners.reads() {
            return;
        }
        let mut chats: HashMap<Jid, Vec<String>> = HashMap::new();
        for received in batch.iter().filter(|received| is_told(&received.info)) {
            let ids = chats.entry(received.info.source.chat.clone()).or_default();
            ids.push(received.info.id.clone());
        }
        drop(self.runtime.start(async move {
            for (chat, ids) in chats {
                let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
                if let Err(error) = client.mark_as_read(&chat, None, &ids).await {
                    tracing::debug!(%error, "messages were not marked as read");
                }
            }
        }));
    }

    /// Connects anew after a while: WhatsApp delivers what was not acknowledged at the next login
    /// only, which on a healthy line may be weeks away.
    fn ask_again(&self, client: Arc<Client>) {
        if self.asked_again.swap(true, Ordering::SeqCst) {
            return;
        }
        let asked_again = Arc::clone(&self.asked_again);
        drop(self.runtime.start(async move {
            tokio::time::sleep(REDELIVERY_PAUSE).await;
            asked_again.store(false, Ordering::SeqCst);
            client.reconnect_immediately().await;
        }));
    }
}

#[async_trait::async_trait]
impl InboundDurabilityHook for Intake {
    async fn on_messages(&self, client: Arc<Client>, batch: &[Received]) -> anyhow::Result<()> {
        let Err(error) = self.inbox.keep(&client, batch).await else {
            self.read(client, batch);
            return Ok(());
        };
        tracing::warn!(
            number.id = %self.inbox.number,
            batch.size = batch.len(),
            error = &error as &dyn std::error::Error,
            "inbound messages could not be stored; WhatsApp will deliver them again"
        );
        self.ask_again(client);
        Err(anyhow::Error::new(error))
    }
}

impl Inbox {
    /// Stores a batch in one transaction. Storing a message again does nothing.
    pub(crate) async fn keep(&self, client: &Client, batch: &[Received]) -> Result<(), StoreError> {
        let mut messages = Vec::with_capacity(batch.len());
        for received in batch {
            if !is_told(&received.info) {
                continue;
            }
            if let Some(content) = content::read(&received.message) {
                let from = sender(client, &received.info).await;
                messages.push(self.translate(&received.info, from, &content));
            }
        }
        if messages.is_empty() {
            return Ok(());
        }
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        let mut news = 0_u32;
        for message in &messages {
            news += u32::from(tx.messages().receive(message, now).await?);
        }
        tx.commit().await?;
        if news > 0 {
            self.wake.notify_one();
        }
        tracing::debug!(number.id = %self.number, messages.new = news, "inbound messages stored");
        Ok(())
    }

    fn translate(
        &self,
        info: &MessageInfo,
        from: Peer,
        content: &content::Content,
    ) -> InboundMessage {
        InboundMessage {
            tenant: self.tenant,
            number: self.number,
            wire_id: WireId::from_text(storable(&info.id)),
            from,
            kind: content.kind,
            content: content.text.as_deref().map(storable).filter(|text| !text.is_empty()),
            sender_name: Some(storable(&info.push_name)).filter(|name| !name.is_empty()),
            at: Timestamp::from_millis(info.timestamp.timestamp_millis()),
        }
    }
}

/// Whether customers are told of such messages: those of people, in a chat of two.
fn is_told(info: &MessageInfo) -> bool {
    let source = &info.source;
    !source.is_from_me
        && !source.is_group
        && (source.chat.is_pn() || source.chat.is_lid())
        && (source.sender.is_pn() || source.sender.is_lid())
        && !source.chat.is_status_broadcast()
}

/// The sender, by phone number if it is known.
async fn sender(client: &Client, info: &MessageInfo) -> Peer {
    let source = &info.source;
    let named = [Some(&source.sender), source.sender_alt.as_ref()];
    if let Some(phone) = named.into_iter().flatten().find_map(phone_of) {
        return Peer::Phone(phone);
    }
    let learned = client.get_lid_pn_entry(&source.sender).await;
    match learned {
        Ok(Some(entry)) => {
            if let Ok(phone) = PhoneNumber::from_whatsapp(&entry.phone_number) {
                return Peer::Phone(phone);
            }
        }
        Ok(None) => {}
        Err(error) => tracing::debug!(%error, "a sender's phone number could not be looked up"),
    }
    Peer::Jid(storable(&source.sender.to_non_ad().to_string()))
}

fn phone_of(jid: &Jid) -> Option<PhoneNumber> {
    jid.is_pn().then(|| PhoneNumber::from_whatsapp(&jid.user).ok()).flatten()
}

/// Text that every database takes: PostgreSQL refuses NUL, and one such message must not block the
/// others of its batch.
fn storable(text: &str) -> String {
    text.replace('\0', "")
}

#[cfg(test)]
mod tests {
    use wacore::types::message::MessageSource;

    use super::*;

    fn info(chat: &str, sender: &str) -> MessageInfo {
        let source = MessageSource {
            chat: chat.parse().unwrap(),
            sender: sender.parse().unwrap(),
            ..Default::default()
        };
        MessageInfo { source, ..Default::default() }
    }

    #[test]
    fn people_in_a_chat_of_two_are_told() {
        assert!(is_told(&info("900@lid", "900:2@lid")));
        assert!(is_told(&info("5511999999999@s.whatsapp.net", "5511999999999@s.whatsapp.net")));
    }

    #[test]
    fn groups_broadcasts_newsletters_and_ourselves_are_not() {
        for (chat, sender) in [
            ("120363@g.us", "900@lid"),
            ("status@broadcast", "900@lid"),
            ("120363@newsletter", "120363@newsletter"),
            ("123@broadcast", "5511999999999@s.whatsapp.net"),
        ] {
            assert!(!is_told(&info(chat, sender)), "{chat}");
        }
        let mut ours = info("900@lid", "901@lid");
        ours.source.is_from_me = true;
        assert!(!is_told(&ours));
        let mut group = info("900@lid", "901@lid");
        group.source.is_group = true;
        assert!(!is_told(&group));
    }

    #[test]
    fn only_phone_number_jids_name_a_phone() {
        let phone = phone_of(&"5511999999999:3@s.whatsapp.net".parse().unwrap());
        assert_eq!(phone, Some("5511999999999".parse().unwrap()));
        assert_eq!(phone_of(&"900100200300@lid".parse().unwrap()), None);
    }

    #[test]
    fn nul_never_reaches_the_database() {
        assert_eq!(storable("a\0b"), "ab");
    }
}
