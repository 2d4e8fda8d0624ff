//! Channels (newsletters): posts reach followers' companions in plain text (whatsapp-rust 0.7.0,
//! `message/special.rs`).

use buffa::Message as _;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use wacore::{
    iq::mex_operations::{fetch_all_newsletters_metadata, fetch_newsletter},
    send::stanza_type_from_message,
};
use wacore_binary::{Jid, Node, builder::NodeBuilder};
use waproto::whatsapp as wa;

use super::{
    Account, State,
    account::DeviceId,
    arrivals::{Arrival, sent},
    phones::PhoneError,
    state::{ConnId, StanzaError, stanza_id},
    writing::{Draft, Place, with_edit, with_media_type},
};
use crate::{
    clock,
    node::{NodeExt as _, leaf},
    number::PhoneNumber,
    phone::{self, Content, Direction, Message},
};

const ID_PREFIX: &str = "120363";
const ID_SPAN: u64 = 1_000_000_000_000;
/// Clients take lower numbers for errors (wacore 0.7.0, `messages.rs`).
const FIRST_SERVER_ID: u64 = 100;

/// A channel as the control API shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelView {
    /// Its JID.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Whose phone posts.
    pub owner: PhoneNumber,
    /// Who reads.
    pub followers: Vec<PhoneNumber>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Channel {
    view: ChannelView,
    next_post: u64,
    #[serde(default)]
    created: u64,
}

impl State {
    /// A phone opens a channel.
    pub(crate) fn create_channel(
        &mut self,
        owner: &PhoneNumber,
        name: &str,
    ) -> Result<ChannelView, PhoneError> {
        self.account(owner)?;
        let id = format!("{ID_PREFIX}{:012}", rand::random::<u64>() % ID_SPAN);
        let view = ChannelView {
            id: Jid::newsletter(id.as_str()).to_string(),
            name: name.to_owned(),
            owner: owner.clone(),
            followers: Vec::new(),
        };
        let (next_post, created) = (FIRST_SERVER_ID, clock::unix_seconds());
        self.crowds.channels.insert(id, Channel { view: view.clone(), next_post, created });
        Ok(view)
    }

    pub(crate) fn channel_views(&self) -> Vec<ChannelView> {
        self.crowds.channels.values().map(|channel| channel.view.clone()).collect()
    }

    /// A number follows a channel, or no longer does.
    pub(crate) fn follow(
        &mut self,
        id: &str,
        number: &PhoneNumber,
        follows: bool,
    ) -> Result<ChannelView, PhoneError> {
        self.account(number)?;
        let channel = self.crowds.channels.get_mut(bare(id)).ok_or(PhoneError::UnknownChannel)?;
        channel.view.followers.retain(|follower| follower != number);
        if follows {
            channel.view.followers.push(number.clone());
        }
        Ok(channel.view.clone())
    }

    /// The owner's phone posts; `from`, if given, must be it.
    pub(crate) fn post(
        &mut self,
        id: &str,
        from: Option<&PhoneNumber>,
        draft: &Draft,
    ) -> Result<Message, PhoneError> {
        let channel = self.crowds.channels.get(bare(id)).ok_or(PhoneError::UnknownChannel)?;
        let owner = channel.view.owner.clone();
        if from.is_some_and(|from| *from != owner) {
            return Err(PhoneError::UnknownChannel);
        }
        self.reachable(&owner)?;
        let jid = Jid::newsletter(bare(id));
        let name = jid.to_string();
        let place = Place { name: name.clone(), jid, of_many: false, by_lid: false };
        let content = self.composed(&owner, &place, draft)?;
        let message = sent(&owner, &owner, Some(name), &content);
        self.publish(bare(id), &message, &content, None)?;
        Ok(message)
    }

    /// Lets everybody see a post: the owner's and the followers' phones and companions, but not the
    /// device that posted. Answers the number that the post got.
    fn publish(
        &mut self,
        id: &str,
        message: &Message,
        content: &Content,
        author: Option<&DeviceId>,
    ) -> Result<u64, PhoneError> {
        let channel = self.crowds.channels.get_mut(id).ok_or(PhoneError::UnknownChannel)?;
        let number = channel.next_post;
        channel.next_post += 1;
        let ChannelView { owner, followers, .. } = channel.view.clone();
        let body = wa::Message::decode_from_slice(&content.body).map_err(StanzaError::from)?;
        let (post, edit) = post_id(message);
        let kind = if edit.is_some() { "text" } else { stanza_type_from_message(&body) };
        let stanza = NodeBuilder::new("message")
            .attr("from", Jid::newsletter(id))
            .attr("id", post)
            .attr("server_id", number)
            .attr("t", clock::unix_seconds())
            .attr("type", kind);
        // Posts about others say no more than the new text.
        let plain = match message.kind.as_str() {
            "edit" if author.is_none() => phone::text(&content.text).encode_to_vec(),
            "revoke" => Vec::new(),
            _ => content.body.clone(),
        };
        let plaintext = with_media_type(leaf("plaintext", plain), &body);
        let stanza = with_edit(stanza, edit).children([plaintext]).build();
        let followers = followers.into_iter().filter(|follower| *follower != owner);
        for reader in std::iter::once(owner.clone()).chain(followers) {
            let own = reader == owner;
            let direction = if own { Direction::Out } else { Direction::In };
            let message = Message { direction, to: reader.clone(), ..message.clone() };
            self.arrive(&reader, Arrival { message, by_lid: false, content: content.clone() })?;
            for device in
                self.accounts.get(&reader).map(Account::device_numbers).unwrap_or_default()
            {
                let device = DeviceId { number: reader.clone(), device };
                if author != Some(&device) {
                    self.deliver(&device, stanza.clone());
                }
            }
        }
        Ok(number)
    }

    /// A companion posts: only the owner's may.
    pub(super) fn channel_message(
        &mut self,
        conn: ConnId,
        from: &DeviceId,
        stanza: &Node,
    ) -> Result<(), StanzaError> {
        let to = stanza.jid("to").ok_or(StanzaError::Lacks("recipient"))?;
        let id = stanza.text("id").ok_or(StanzaError::Lacks("id"))?;
        let ack = NodeBuilder::new("ack")
            .attr("class", "message")
            .attr("id", id.as_str())
            .attr("from", &to)
            .attr("t", clock::unix_seconds());
        let channel = self.crowds.channels.get(to.user.as_str());
        if channel.is_none_or(|channel| channel.view.owner != from.number) {
            self.send(conn, ack.attr("error", "403").build());
            return Ok(());
        }
        let edit = stanza.text("edit");
        if edit.is_none() && !self.device(from)?.first_time(&id) {
            self.send(conn, ack.build());
            return Ok(());
        }
        let plain = stanza.kid_payload("plaintext");
        let mut content = Content::decode(&plain).ok_or(StanzaError::Lacks("plaintext"))?;
        let (number, name) = (&from.number, to.to_string());
        let own_id = match edit.as_deref() {
            // Both name the post in the stanza's id, and say no more than the new text.
            Some("3") => Some(about(&mut content, "edit", &id)),
            Some("8") => Some(about(&mut content, "revoke", &id)),
            _ => None,
        };
        let id = own_id.unwrap_or(id);
        let message = Message { id, ..sent(number, number, Some(name), &content) };
        let published = self.publish(to.user.as_str(), &message, &content, Some(from));
        let ack = match published {
            Ok(number) => ack.attr("server_id", number),
            Err(error) => {
                tracing::warn!(%error, "a post was not published");
                ack.attr("error", "500")
            }
        };
        self.send(conn, ack.build());
        Ok(())
    }

    /// Answers a question about channels (whatsapp-rust 0.7.0, `features/newsletter.rs`; the
    /// numbers of the questions are those of wacore 0.7.0, `iq/mex_operations.rs`).
    pub(super) fn mex(&self, who: &DeviceId, iq: &Node) -> Node {
        let query = iq.kid("query");
        let asked = query.and_then(|query| query.text("query_id")).unwrap_or_default();
        let variables: Value = serde_json::from_slice(&iq.kid_payload("query")).unwrap_or_default();
        let data = match asked.as_str() {
            fetch_all_newsletters_metadata::DOC_ID => {
                let known = self.crowds.channels.values().filter(|channel| channel.knows(who));
                let known: Vec<Value> = known.map(|channel| channel.metadata(who)).collect();
                json!({ "xwa2_newsletter_subscribed": known })
            }
            fetch_newsletter::DOC_ID => {
                let key = variables.pointer("/variables/input/key").and_then(Value::as_str);
                let found = key.and_then(|key| self.crowds.channels.get(bare(key)));
                json!({ "xwa2_newsletter": found.map(|channel| channel.metadata(who)) })
            }
            _ => json!({}),
        };
        leaf("result", json!({ "data": data }).to_string())
    }
}

impl Channel {
    fn knows(&self, who: &DeviceId) -> bool {
        self.view.owner == who.number || self.view.followers.contains(&who.number)
    }

    fn metadata(&self, who: &DeviceId) -> Value {
        let role = if self.view.owner == who.number {
            "owner"
        } else if self.knows(who) {
            "subscriber"
        } else {
            "guest"
        };
        json!({
            "id": self.view.id,
            "state": { "type": "active" },
            "thread_metadata": {
                "name": { "text": self.view.name },
                "description": { "text": "" },
                "subscribers_count": self.view.followers.len().to_string(),
                "verification": "UNVERIFIED",
                "creation_time": self.created.to_string(),
            },
            "viewer_metadata": { "role": role, "mute": "OFF" },
        })
    }
}

/// Turns a post that replaces or deletes another into a message about it; answers its own id.
fn about(content: &mut Content, kind: &'static str, target: &str) -> String {
    content.kind = kind;
    content.details.target = Some(target.to_owned());
    stanza_id()
}

/// The id that a post's stanza bears, and what it does: one about another post bears that one's.
fn post_id(message: &Message) -> (&str, Option<&'static str>) {
    let target = message.details.target.as_deref();
    match (message.kind.as_str(), target) {
        ("edit", Some(target)) => (target, Some("3")),
        ("revoke", Some(target)) => (target, Some("8")),
        _ => (&message.id, None),
    }
}

/// The identifier with or without its server.
fn bare(id: &str) -> &str {
    id.split('@').next().unwrap_or(id)
}
