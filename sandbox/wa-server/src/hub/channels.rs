//! Channels (newsletters): posts reach followers' companions in plain text (whatsapp-rust 0.7.0,
//! `message/special.rs`).

use buffa::Message as _;
use serde::{Deserialize, Serialize};
use wacore_binary::{Jid, builder::NodeBuilder};

use super::{State, phones::PhoneError, state::stanza_id};
use crate::{
    clock,
    node::leaf,
    number::PhoneNumber,
    phone::{self, Direction, Message, Status},
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
        self.crowds.channels.insert(id, Channel { view: view.clone(), next_post: FIRST_SERVER_ID });
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

    /// The owner posts a text.
    pub(crate) fn post(&mut self, id: &str, text: &str) -> Result<Message, PhoneError> {
        let channel = self.crowds.channels.get_mut(bare(id)).ok_or(PhoneError::UnknownChannel)?;
        let number = channel.next_post;
        channel.next_post += 1;
        let ChannelView { owner, followers, .. } = channel.view.clone();
        let chat = Jid::newsletter(bare(id));
        let message = Message {
            id: stanza_id(),
            direction: Direction::Out,
            from: owner.clone(),
            to: owner.clone(),
            chat: Some(chat.to_string()),
            text: text.to_owned(),
            kind: "text".to_owned(),
            at: clock::iso_now(),
            status: Status::Sent,
        };
        let stanza = NodeBuilder::new("message")
            .attr("from", &chat)
            .attr("id", message.id.as_str())
            .attr("server_id", number)
            .attr("t", clock::unix_seconds())
            .attr("type", "text")
            .children([leaf("plaintext", phone::text(text).encode_to_vec())])
            .build();
        self.account(&owner)?.log.add(message.clone(), false);
        self.deliver_to_all(&owner, &stanza);
        for follower in followers.iter().filter(|follower| **follower != owner) {
            let direction = Direction::In;
            let received = Message { direction, to: follower.clone(), ..message.clone() };
            self.account(follower)?.log.add(received, false);
            self.deliver_to_all(follower, &stanza);
        }
        Ok(message)
    }
}

/// The identifier with or without its server.
fn bare(id: &str) -> &str {
    id.split('@').next().unwrap_or(id)
}
