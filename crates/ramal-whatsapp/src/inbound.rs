//! Inbound messages: committed to the database before WhatsApp's server is told that we have them.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use ramal_domain::{
    Clock, Link, MediaToken, MessageStatus, NumberId, Peer, PhoneNumber, Place, TenantId,
    Timestamp, WireId,
};
use ramal_session::Behaviour;
use ramal_store::{
    Amendment, Author, Change, InboundMedia, InboundMessage, PastMessage, Store, StoreError,
    StoredMedia,
};
use tokio::sync::Notify;
use wacore::types::{events::InboundMessage as Received, message::MessageInfo};
use whatsapp_rust::{
    Client, InboundDurabilityHook, Jid, anyhow, wacore_binary::JidExt as _, waproto::whatsapp as wa,
};

use crate::{
    content, identity::Identity, manners::Manners, names::Names, receipts::Register,
    runtime::ClientRuntime,
};

/// How long a database gets to recover before a failed batch is asked for again.
const REDELIVERY_PAUSE: Duration = Duration::from_secs(15);
/// How long a busy database is waited for with what nobody delivers again.
const LAST_PAUSES: [Duration; 3] =
    [Duration::from_millis(200), Duration::from_secs(1), Duration::from_secs(3)];

/// Why messages were not stored. WhatsApp delivers them again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeepError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// They are of another phone than the number's, and it is not decided whether that is to be used.
    #[error("the phone is not the number's")]
    NotOurs,
}

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
    pub(crate) names: Names,
    /// Whether the client is known to be that of the number's phone.
    pub(crate) ours: Arc<AtomicBool>,
    /// What links to media begin with.
    pub(crate) public_url: Arc<str>,
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
    fn read(&self, client: Arc<Client>, batch: &[Received], behaviour: Behaviour) {
        if !behaviour.read_messages {
            return;
        }
        let mut chats: HashMap<(Jid, Option<Jid>), Vec<String>> = HashMap::new();
        for Received { info, .. } in batch {
            let source = &info.source;
            let theirs = scene(info).filter(|_| !source.is_from_me);
            let Some(scene) = theirs.filter(|scene| scene.is_read(behaviour)) else {
                continue;
            };
            let author = (scene == Scene::Group).then(|| source.sender.clone());
            chats.entry((source.chat.clone(), author)).or_default().push(info.id.clone());
        }
        drop(self.runtime.start(async move {
            for ((chat, author), ids) in chats {
                let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
                if let Err(error) = client.mark_as_read(&chat, author.as_ref(), &ids).await {
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
        // What the settings said before anybody could see the messages.
        let behaviour = self.inbox.manners.now();
        let Err(error) = self.inbox.keep(&client, batch).await else {
            self.read(client, batch, behaviour);
            return Ok(());
        };
        if matches!(error, KeepError::NotOurs) {
            tracing::debug!(number.id = %self.inbox.number, "a stranger's messages are held back");
            self.ask_again(client);
            return Err(anyhow::Error::new(error));
        }
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
    /// Where the number's receipts go.
    pub(crate) fn register(&self) -> Register {
        Register { store: self.store.clone(), wake: Arc::clone(&self.wake), number: self.number }
    }

    /// Whether the client is that of the number's phone: not while another one has scanned, and it is
    /// not decided whether that is to be used, or that it is not.
    pub(crate) async fn is_ours(&self, client: &Client) -> Result<bool, StoreError> {
        let own = client.pn().and_then(|jid| PhoneNumber::from_whatsapp(&jid.user).ok());
        let Some(own) = own.filter(|_| !self.ours.load(Ordering::Relaxed)) else { return Ok(true) };
        let number = self.store.read().await?.numbers().get(self.number).await?;
        let ours = number.is_some_and(|number| {
            let undecided = matches!(number.link, Link::Pairing | Link::Closed(_));
            !undecided || number.phone.same_line(&own)
        });
        self.ours.store(ours, Ordering::Relaxed);
        Ok(ours)
    }

    /// Stores a batch in one transaction. Storing a message again does nothing.
    pub(crate) async fn keep(&self, client: &Client, batch: &[Received]) -> Result<(), KeepError> {
        if !self.is_ours(client).await? {
            return Err(KeepError::NotOurs);
        }
        let behaviour = self.manners.now();
        let wanted: Vec<_> = batch
            .iter()
            .filter_map(|Received { info, message, .. }| {
                let scene = scene(info).filter(|scene| scene.is_wanted(behaviour))?;
                Some((info, scene, Said::read(message)?))
            })
            .collect();
        let crowds = wanted.iter().filter(|(_, scene, _)| scene.is_named());
        let places: HashSet<&Jid> = crowds.map(|(info, _, _)| &info.source.chat).collect();
        self.names.ask(client, places).await;
        let mut facts = Vec::with_capacity(wanted.len());
        for (info, scene, said) in wanted {
            let other = Identity::named(names(info, scene)).learned(client).await;
            facts.push(self.translate(info, scene, other, said));
        }
        if facts.is_empty() {
            return Ok(());
        }
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        let mut news = 0_u32;
        for fact in &facts {
            let mut messages = tx.messages();
            news += u32::from(match fact {
                Fact::Received(message) => messages.receive(message, now).await?,
                Fact::Sent(message) => messages.import(message, now).await?,
                Fact::Amended(amendment) => messages.amend(amendment).await?,
            });
        }
        tx.commit().await?;
        if news > 0 {
            self.wake.notify_one();
        }
        tracing::debug!(number.id = %self.number, messages.new = news, "inbound messages stored");
        Ok(())
    }

    /// [`Inbox::keep`] for what nobody delivers again: waits until the database has time.
    pub(crate) async fn keep_at_last(
        &self,
        client: &Client,
        batch: &[Received],
    ) -> Result<(), KeepError> {
        for pause in LAST_PAUSES {
            match self.keep(client, batch).await {
                Err(KeepError::Store(StoreError::Busy(_))) => tokio::time::sleep(pause).await,
                done => return done,
            }
        }
        self.keep(client, batch).await
    }

    fn translate(&self, info: &MessageInfo, scene: Scene, other: Identity, said: Said) -> Fact {
        let (source, at) =
            (&info.source, Timestamp::from_millis(info.timestamp.timestamp_millis()));
        let jid = if source.is_from_me { &source.chat } else { &source.sender };
        let content = match said {
            Said::Content(content) => content,
            Said::Amended(content::Amendment { of, now }) => {
                let author = if source.is_from_me {
                    Author::Us
                } else {
                    let lid = other.lid.clone().map(Peer::Jid);
                    Author::Them(std::iter::once(other.peer(jid)).chain(lid).collect())
                };
                let text = |now: content::Content| written(now.text.as_deref());
                let change = now.map_or(Change::Deleted, |now| Change::Edited(text(now)));
                let wire_id = WireId::from_text(storable(&of));
                return Fact::Amended(Amendment {
                    number: self.number,
                    wire_id,
                    author,
                    change,
                    at,
                    told: true,
                });
            }
        };
        let name = scene.is_named().then(|| self.names.get(&source.chat)).flatten();
        let message = self.row(Heard {
            id: &info.id,
            place: scene.place(&source.chat, name.as_deref()),
            other,
            jid,
            content: &content,
            sender_name: Some(info.push_name.as_str()).filter(|_| !source.is_from_me),
            at,
        });
        if source.is_from_me {
            let sent = Some(MessageStatus::Sent);
            return Fact::Sent(PastMessage { message, sent, told: true });
        }
        Fact::Received(message)
    }

    /// What is stored of a message, fresh or past.
    pub(crate) fn row(&self, heard: Heard<'_>) -> InboundMessage {
        let Heard { id, place, other, jid, content, sender_name, at } = heard;
        InboundMessage {
            tenant: self.tenant,
            number: self.number,
            wire_id: WireId::from_text(storable(id)),
            from: other.peer(jid),
            lid: other.lid,
            place,
            kind: content.kind,
            content: written(content.text.as_deref()),
            sender_name: written(sender_name),
            at,
            quoted: content.quoted.as_deref().map(storable).map(WireId::from_text),
            media: content.media.as_ref().map(|part| self.media(part)),
        }
    }

    /// A link to media, which WhatsApp keeps until somebody follows it.
    fn media(&self, part: &content::Part) -> InboundMedia {
        let token = MediaToken::mint();
        InboundMedia {
            link_hash: token.hash(),
            link_until: self.clock.now().after(MediaToken::LIFE),
            media: StoredMedia {
                link: Some(token.link(&self.public_url)),
                mime: written(part.mime.as_deref()),
                caption: written(part.caption.as_deref()),
                file_name: written(part.file_name.as_deref()),
                remote: Some(part.remote.clone()),
                ..StoredMedia::default()
            },
        }
    }
}

/// What is known of a message that is to be stored.
pub(crate) struct Heard<'a> {
    pub(crate) id: &'a str,
    pub(crate) place: Place,
    /// The other side; of what we said in a crowd, the crowd.
    pub(crate) other: Identity,
    /// What the other side is called if nothing else is known of it.
    pub(crate) jid: &'a Jid,
    pub(crate) content: &'a content::Content,
    pub(crate) sender_name: Option<&'a str>,
    pub(crate) at: Timestamp,
}

/// What is in a message.
enum Said {
    Content(content::Content),
    Amended(content::Amendment),
}

impl Said {
    fn read(message: &wa::Message) -> Option<Self> {
        let amended = content::amendment(message).map(Self::Amended);
        amended.or_else(|| content::read(message).map(Self::Content))
    }
}

/// What is to be stored.
enum Fact {
    Received(InboundMessage),
    /// Said by the number itself, on its phone or another device.
    Sent(PastMessage),
    Amended(Amendment),
}

/// The names of the other side.
fn names(info: &MessageInfo, scene: Scene) -> Vec<&Jid> {
    let source = &info.source;
    match (source.is_from_me, scene) {
        (false, _) => std::iter::once(&source.sender).chain(&source.sender_alt).collect(),
        (true, Scene::Direct) => std::iter::once(&source.chat)
            .chain(&source.recipient)
            .chain(&source.recipient_alt)
            .collect(),
        (true, Scene::Group | Scene::Newsletter | Scene::Status) => vec![&source.chat],
    }
}

fn written(text: Option<&str>) -> Option<String> {
    text.map(storable).filter(|text| !text.is_empty())
}

/// Where something is said, as far as we keep it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scene {
    Direct,
    Group,
    Newsletter,
    Status,
}

impl Scene {
    /// What kind of chat a JID is; `None` for lists, bots and the like.
    pub(crate) fn of(chat: &Jid) -> Option<Self> {
        if chat.is_status_broadcast() {
            Some(Self::Status)
        } else if chat.is_newsletter() {
            Some(Self::Newsletter)
        } else if chat.is_group() {
            Some(Self::Group)
        } else if chat.is_pn() || chat.is_lid() {
            Some(Self::Direct)
        } else {
            None
        }
    }

    /// Whether the settings let it in.
    pub(crate) const fn is_wanted(self, behaviour: Behaviour) -> bool {
        match self {
            Self::Direct => true,
            Self::Group => !behaviour.ignore_groups,
            Self::Newsletter => !behaviour.ignore_newsletters,
            Self::Status => !behaviour.ignore_status,
        }
    }

    /// Whether it is marked as read. A status post that is read says that its author was looked up;
    /// a channel does not ask.
    const fn is_read(self, behaviour: Behaviour) -> bool {
        match self {
            Self::Direct | Self::Group => self.is_wanted(behaviour),
            Self::Newsletter | Self::Status => false,
        }
    }

    const fn is_named(self) -> bool {
        matches!(self, Self::Group | Self::Newsletter)
    }

    pub(crate) fn place(self, chat: &Jid, name: Option<&str>) -> Place {
        let id = storable(&chat.to_non_ad().to_string());
        let name = name.map(storable).filter(|name| !name.is_empty());
        match self {
            Self::Direct => Place::Direct,
            Self::Group => Place::Group { id, name },
            Self::Newsletter => Place::Newsletter { id, name },
            Self::Status => Place::Status,
        }
    }
}

/// Where a live message was said; `None` if it is not kept: those of no person, and what we show or
/// post to everybody.
fn scene(info: &MessageInfo) -> Option<Scene> {
    let source = &info.source;
    let scene = Scene::of(&source.chat)?;
    let by_person = source.sender.is_pn() || source.sender.is_lid();
    let crowd = matches!(scene, Scene::Group | Scene::Status);
    let fits = match scene {
        Scene::Newsletter => !source.is_from_me,
        Scene::Status => !source.is_from_me && by_person && source.is_group,
        Scene::Direct | Scene::Group => by_person && source.is_group == crowd,
    };
    fits.then_some(scene)
}

/// Text that every database takes: PostgreSQL refuses NUL, and one such message must not block the
/// others of its batch.
pub(crate) fn storable(text: &str) -> String {
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
    fn every_message_of_a_person_has_its_scene() {
        assert_eq!(scene(&info("900@lid", "900:2@lid")), Some(Scene::Direct));
        let phone = "5511999999999@s.whatsapp.net";
        assert_eq!(scene(&info(phone, phone)), Some(Scene::Direct));
        let channel = info("120363@newsletter", "120363@newsletter");
        assert_eq!(scene(&channel), Some(Scene::Newsletter));
        for (chat, expected) in [("120363@g.us", Scene::Group), ("status@broadcast", Scene::Status)]
        {
            let mut crowd = info(chat, "900@lid");
            crowd.source.is_group = true;
            assert_eq!(scene(&crowd), Some(expected));
        }
    }

    #[test]
    fn lists_and_our_own_posts_have_none() {
        assert_eq!(scene(&info("123@broadcast", "5511999999999@s.whatsapp.net")), None);
        let mut ours = info("status@broadcast", "901@lid");
        (ours.source.is_from_me, ours.source.is_group) = (true, true);
        assert_eq!(scene(&ours), None);
        let mut odd = info("900@lid", "901@lid");
        odd.source.is_group = true;
        assert_eq!(scene(&odd), None);
    }

    #[test]
    fn settings_keep_each_scene_out_by_itself() {
        let all = [Scene::Direct, Scene::Group, Scene::Newsletter, Scene::Status];
        let kept = |behaviour: Behaviour| {
            all.into_iter().filter(|scene| scene.is_wanted(behaviour)).collect::<Vec<_>>()
        };
        let plain = Behaviour::default();

        assert_eq!(kept(plain), all);
        let without = |out: Scene| all.into_iter().filter(move |scene| *scene != out);
        for (behaviour, out) in [
            (Behaviour { ignore_groups: true, ..plain }, Scene::Group),
            (Behaviour { ignore_newsletters: true, ..plain }, Scene::Newsletter),
            (Behaviour { ignore_status: true, ..plain }, Scene::Status),
        ] {
            assert_eq!(kept(behaviour), without(out).collect::<Vec<_>>());
        }
        assert!(Scene::Group.is_read(plain) && !Scene::Status.is_read(plain));
        assert!(!Scene::Group.is_read(Behaviour { ignore_groups: true, ..plain }));
    }

    #[test]
    fn nul_never_reaches_the_database() {
        assert_eq!(storable("a\0b"), "ab");
    }
}
