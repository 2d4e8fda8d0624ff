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
use wacore::types::{
    events::{InboundMessage as Received, MessageBatch},
    message::{EditAttribute, MessageInfo},
};
use whatsapp_rust::{
    Client, InboundDurabilityHook, Jid, anyhow, wacore_binary::JidExt as _, waproto::whatsapp as wa,
};

use crate::{
    admins::Admins, content, identity::Identity, manners::Manners, names::Names,
    receipts::Register, runtime::ClientRuntime,
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
        let read = |Received { info, message, .. }: &Received| {
            let scene = scene(info)?;
            Some((Arc::clone(info), scene, Said::read(info, scene, message)?))
        };
        self.keep_said(client, batch.iter().filter_map(read).collect()).await
    }

    async fn keep_unhooked(&self, client: &Client, news: &Unhooked) -> Result<(), KeepError> {
        match news {
            Unhooked::Recovered(batch) => self.keep(client, &batch.messages).await,
            Unhooked::Withheld(info) => {
                let unknown = Said::Content(content::Content::UNKNOWN);
                let said = scene(info).map(|scene| (Arc::clone(info), scene, unknown));
                self.keep_said(client, said.into_iter().collect()).await
            }
        }
    }

    /// [`Inbox::keep`] for what nobody delivers again: waits until the database has time.
    pub(crate) async fn keep_at_last(
        &self,
        client: &Client,
        news: &Unhooked,
    ) -> Result<(), KeepError> {
        for pause in LAST_PAUSES {
            match self.keep_unhooked(client, news).await {
                Err(KeepError::Store(StoreError::Busy(_))) => tokio::time::sleep(pause).await,
                done => return done,
            }
        }
        self.keep_unhooked(client, news).await
    }

    async fn keep_said(&self, client: &Client, mut said: Vec<Heeded>) -> Result<(), KeepError> {
        if !self.is_ours(client).await? {
            return Err(KeepError::NotOurs);
        }
        let behaviour = self.manners.now();
        said.retain(|(_, scene, _)| scene.is_wanted(behaviour));
        let facts = self.facts(client, said).await;
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

    /// Finds out what is to be stored, as far as WhatsApp must be asked for it.
    async fn facts(&self, client: &Client, said: Vec<Heeded>) -> Vec<Fact> {
        let crowds = said.iter().filter(|(_, scene, _)| scene.is_named());
        let places: HashSet<&Jid> = crowds.map(|(info, ..)| &info.source.chat).collect();
        self.names.ask(client, places).await;
        let ruled = said.iter().filter(|(info, _, said)| said.is_by_admin(info));
        let groups: HashSet<&Jid> = ruled.map(|(info, ..)| &info.source.chat).collect();
        let admins = Admins::of(client, groups).await;
        let mut facts = Vec::with_capacity(said.len());
        for (info, scene, said) in said {
            let other = Identity::named(names(&info, scene)).learned(client).await;
            facts.extend(match said {
                Said::Content(content) => Some(self.translate(&info, scene, other, &content)),
                Said::Amended(amended) => {
                    let author = author(client, &admins, &info, other, &amended).await;
                    author.map(|author| self.amendment((&info, scene), author, amended))
                }
            });
        }
        facts
    }

    fn amendment(
        &self,
        (info, scene): (&MessageInfo, Scene),
        author: Author,
        amended: content::Amendment,
    ) -> Fact {
        let text = |now: content::Content| written(now.text.as_deref());
        Fact::Amended(Amendment {
            number: self.number,
            place: scene.place(&info.source.chat, None),
            wire_id: WireId::from_text(storable(&amended.of)),
            author,
            change: amended.now.map_or(Change::Deleted, |now| Change::Edited(text(now))),
            at: Timestamp::from_millis(info.timestamp.timestamp_millis()),
            told: true,
        })
    }

    fn translate(
        &self,
        info: &MessageInfo,
        scene: Scene,
        other: Identity,
        content: &content::Content,
    ) -> Fact {
        let source = &info.source;
        let jid = if source.is_from_me { &source.chat } else { &source.sender };
        let name = scene.is_named().then(|| self.names.get(&source.chat)).flatten();
        let message = self.row(Heard {
            id: &info.id,
            place: scene.place(&source.chat, name.as_deref()),
            other,
            jid,
            content,
            sender_name: Some(info.push_name.as_str()).filter(|_| !source.is_from_me),
            at: Timestamp::from_millis(info.timestamp.timestamp_millis()),
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

/// Messages that come past the durability hook: WhatsApp does not deliver them again.
#[derive(Clone, Debug)]
pub(crate) enum Unhooked {
    /// Posts of channels, and what the phone recovered for us.
    Recovered(MessageBatch),
    /// One that the phone does not give us, such as a picture that may be viewed once.
    Withheld(Arc<MessageInfo>),
}

impl Unhooked {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Recovered(batch) => batch.len(),
            Self::Withheld(_) => 1,
        }
    }
}

/// A message that is kept: about it, where it was said, and what.
type Heeded = (Arc<MessageInfo>, Scene, Said);

/// What is in a message.
enum Said {
    Content(content::Content),
    Amended(content::Amendment),
}

impl Said {
    fn read(info: &MessageInfo, scene: Scene, message: &wa::Message) -> Option<Self> {
        let deletes = matches!(info.edit, EditAttribute::AdminRevoke | EditAttribute::SenderRevoke);
        if scene == Scene::Newsletter && (deletes || info.edit == EditAttribute::AdminEdit) {
            return post_amended(info, message, deletes).map(Self::Amended);
        }
        let amended = content::amendment(message).map(Self::Amended);
        amended.or_else(|| content::read(message).map(Self::Content))
    }

    fn is_by_admin(&self, info: &MessageInfo) -> bool {
        matches!(self, Self::Amended(amended) if is_by_admin(info, amended))
    }
}

/// Whether a message is deleted in a group by an admin, as whoever does it claims.
fn is_by_admin(info: &MessageInfo, amended: &content::Amendment) -> bool {
    let deletes = amended.now.is_none() && info.edit == EditAttribute::AdminRevoke;
    deletes && info.source.chat.is_group()
}

/// What became of a post: of a channel's, the stanza says so under the post's own id, and the message is no
/// more than what it says now.
fn post_amended(
    info: &MessageInfo,
    message: &wa::Message,
    deletes: bool,
) -> Option<content::Amendment> {
    let edited = || content::amendment(message).map_or_else(|| content::read(message), |it| it.now);
    let now = if deletes { None } else { Some(edited()?) };
    Some(content::Amendment { of: info.id.clone(), by: None, now })
}

/// Whose message is amended; `None` if whoever does it may not. Everybody amends what is their own, and in a
/// group its admins delete what others wrote.
async fn author(
    client: &Client,
    admins: &Admins,
    info: &MessageInfo,
    other: Identity,
    amended: &content::Amendment,
) -> Option<Author> {
    let source = &info.source;
    if !is_by_admin(info, amended) {
        return Some(if source.is_from_me { Author::Us } else { them(other, &source.sender) });
    }
    // What our own phone does is done.
    if !source.is_from_me && !admins.has(&source.chat, names(info, Scene::Group)) {
        return None;
    }
    let whose: Jid = amended.by.as_deref()?.parse().ok()?;
    let own = [client.pn(), client.lid()].into_iter().flatten();
    if own.into_iter().any(|own| own.is_same_chat_as(&whose)) {
        return Some(Author::Us);
    }
    Some(them(Identity::named([&whose]).learned(client).await, &whose))
}

fn them(who: Identity, jid: &Jid) -> Author {
    let peer = who.peer(jid);
    Author::Them(std::iter::once(peer).chain(who.lid.map(Peer::Jid)).collect())
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

    fn post(edit: EditAttribute, text: &str) -> Option<Said> {
        let mut info = info("120363@newsletter", "120363@newsletter");
        (info.id, info.edit) = ("POST".to_owned(), edit);
        let message = wa::Message {
            conversation: Some(text.to_owned()).filter(|text| !text.is_empty()),
            ..Default::default()
        };
        Said::read(&info, Scene::Newsletter, &message)
    }

    #[test]
    fn a_channel_amends_a_post_by_its_own_id() {
        let Some(Said::Amended(edited)) = post(EditAttribute::AdminEdit, "it rained") else {
            panic!("an edit is none");
        };
        assert_eq!(edited.of, "POST");
        assert_eq!(edited.now.and_then(|now| now.text).as_deref(), Some("it rained"));
        for edit in [EditAttribute::AdminRevoke, EditAttribute::SenderRevoke] {
            let gone = content::Amendment { of: "POST".to_owned(), by: None, now: None };
            assert!(matches!(post(edit, ""), Some(Said::Amended(it)) if it == gone));
        }
        assert!(matches!(post(EditAttribute::Empty, "new"), Some(Said::Content(_))));
        assert!(post(EditAttribute::AdminEdit, "").is_none());
    }

    #[test]
    fn only_deletions_in_groups_are_an_admins() {
        let mut info = info("1@g.us", "900@lid");
        info.edit = EditAttribute::AdminRevoke;
        let gone = || content::Amendment { of: "A".to_owned(), by: None, now: None };
        let now = Some(content::Content::UNKNOWN);
        assert!(Said::Amended(gone()).is_by_admin(&info));
        assert!(!Said::Amended(content::Amendment { now, ..gone() }).is_by_admin(&info));
        assert!(!Said::Content(content::Content::UNKNOWN).is_by_admin(&info));
        info.source.chat = "900@lid".parse().unwrap();
        assert!(!Said::Amended(gone()).is_by_admin(&info));
        info.source.chat = "1@g.us".parse().unwrap();
        info.edit = EditAttribute::SenderRevoke;
        assert!(!Said::Amended(gone()).is_by_admin(&info));
    }

    #[test]
    fn nul_never_reaches_the_database() {
        assert_eq!(storable("a\0b"), "ab");
    }
}
