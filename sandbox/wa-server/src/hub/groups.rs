//! Groups: who is in them, and what clients ask about them (shapes: wacore 0.7.0, `iq/groups.rs`).

use serde::{Deserialize, Serialize};
use wacore_binary::{Jid, Node, builder::NodeBuilder};

use super::{
    State,
    account::DeviceId,
    crowds::Crowd,
    iq::{Answer, Refusal},
    phones::PhoneError,
    state::{StanzaError, stanza_id},
    writing::{Draft, Place},
};
use crate::{
    clock,
    node::{self, NodeExt as _},
    number::PhoneNumber,
    phone::Message,
};

/// As WhatsApp numbers its groups: a prefix and twelve digits.
const ID_PREFIX: &str = "120363";
const ID_SPAN: u64 = 1_000_000_000_000;

/// How the members of a group see each other, or a phone's chats name it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Addressing {
    /// By phone number.
    Pn,
    /// By LID.
    #[default]
    Lid,
}

/// A group as the control API shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GroupView {
    /// Its JID.
    pub id: String,
    /// Its name.
    pub subject: String,
    /// Who made it, and is its only admin.
    pub creator: PhoneNumber,
    /// Everybody in it, its creator too.
    pub members: Vec<PhoneNumber>,
    /// How its members see each other.
    pub addressing: Addressing,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Group {
    id: String,
    subject: String,
    creator: PhoneNumber,
    members: Vec<PhoneNumber>,
    addressing: Addressing,
    created: u64,
}

impl Group {
    fn jid(&self) -> Jid {
        Jid::group(self.id.as_str())
    }

    pub(super) fn crowd(&self) -> Crowd {
        let by_lid = self.addressing == Addressing::Lid;
        Crowd { chat: self.jid(), by_lid, members: self.members.clone() }
    }

    fn view(&self) -> GroupView {
        GroupView {
            id: self.jid().to_string(),
            subject: self.subject.clone(),
            creator: self.creator.clone(),
            members: self.members.clone(),
            addressing: self.addressing,
        }
    }

    fn name_of(&self, number: &PhoneNumber) -> Jid {
        match self.addressing {
            Addressing::Pn => number.pn_jid(0),
            Addressing::Lid => number.lid_jid(0),
        }
    }

    /// `<group>` with its members, as metadata and as a new group's announcement.
    fn to_node(&self) -> Node {
        let members = self.members.iter().map(|member| {
            let node = NodeBuilder::new("participant").attr("jid", self.name_of(member));
            let node = match self.addressing {
                Addressing::Pn => node.attr("lid", member.lid_jid(0)),
                Addressing::Lid => node.attr("phone_number", member.pn_jid(0)),
            };
            if *member == self.creator { node.attr("type", "superadmin") } else { node }.build()
        });
        let by = self.name_of(&self.creator);
        NodeBuilder::new("group")
            .attr("id", self.id.as_str())
            .attr("subject", self.subject.as_str())
            .attr("creation", self.created)
            .attr("creator", &by)
            .attr("s_t", self.created)
            .attr("s_o", &by)
            .attr("size", self.members.len())
            .attr("addressing_mode", if self.crowd().by_lid { "lid" } else { "pn" })
            .children(members)
            .build()
    }
}

impl State {
    /// A phone makes a group; everybody's companions are told.
    pub(crate) fn create_group(
        &mut self,
        creator: &PhoneNumber,
        subject: &str,
        others: &[PhoneNumber],
        addressing: Addressing,
    ) -> Result<GroupView, PhoneError> {
        let mut members = vec![creator.clone()];
        for other in others {
            if !members.contains(other) {
                members.push(other.clone());
            }
        }
        for member in &members {
            self.account(member)?;
        }
        let group = Group {
            id: format!("{ID_PREFIX}{:012}", rand::random::<u64>() % ID_SPAN),
            subject: subject.to_owned(),
            creator: creator.clone(),
            members,
            addressing,
            created: clock::unix_seconds(),
        };
        let create =
            NodeBuilder::new("create").attr("type", "new").children([group.to_node()]).build();
        let mut news = node::notification(group.jid(), "w:gp2", stanza_id(), vec![create]);
        news.attrs.insert("participant", group.name_of(creator));
        let name = self.account(creator)?.name.clone();
        news.attrs.insert("notify", name);
        for member in &group.members {
            self.deliver_to_all(member, &news);
        }
        let view = group.view();
        self.crowds.groups.insert(group.id.clone(), group);
        Ok(view)
    }

    pub(crate) fn group_views(&self) -> Vec<GroupView> {
        self.crowds.groups.values().map(Group::view).collect()
    }

    /// Whether a phone is the admin of a group.
    pub(super) fn rules(&self, number: &PhoneNumber, place: &Place) -> bool {
        let group = self.crowds.groups.get(place.jid.user.as_str());
        group.is_some_and(|group| group.creator == *number && place.of_many)
    }

    /// A member's phone writes to a group.
    pub(crate) fn write_to_group(
        &mut self,
        id: &str,
        from: &PhoneNumber,
        draft: &Draft,
    ) -> Result<Message, PhoneError> {
        let crowd = self.crowd(id).filter(|crowd| super::crowds::is_crowd(&crowd.chat));
        let crowd = crowd.ok_or(PhoneError::UnknownGroup)?;
        if !crowd.members.contains(from) {
            return Err(PhoneError::UnknownGroup);
        }
        self.write_to_crowd(&crowd, from, draft)
    }

    /// Answers what a companion asks about groups, or does with them.
    pub(super) fn group_iq(
        &mut self,
        who: &DeviceId,
        iq: &Node,
        first: &str,
    ) -> Result<Answer, Refusal> {
        match first {
            "participating" => {
                let own =
                    self.crowds.groups.values().filter(|group| group.members.contains(&who.number));
                let groups = NodeBuilder::new("groups").children(own.map(Group::to_node));
                Ok(Answer::with(groups.build()))
            }
            "query" => {
                let id = iq.jid("to").ok_or(Refusal::BAD_REQUEST)?.user.to_string();
                let group = self.crowds.groups.get(&id).ok_or(Refusal::NOT_FOUND)?;
                if !group.members.contains(&who.number) {
                    return Err(Refusal::FORBIDDEN);
                }
                Ok(Answer::with(group.to_node()))
            }
            "create" => {
                let create = iq.kid("create").ok_or(Refusal::BAD_REQUEST)?;
                let others: Vec<PhoneNumber> = create
                    .kids()
                    .iter()
                    .filter_map(|member| PhoneNumber::of_jid(&member.jid("jid")?))
                    .collect();
                let subject = create.text("subject").unwrap_or_default();
                let made = self.create_group(&who.number, &subject, &others, Addressing::Lid);
                let view = made.map_err(|error| {
                    tracing::debug!(%error, "a group was not made");
                    Refusal::from(StanzaError::UnknownDevice)
                })?;
                let id = view.id.split('@').next().unwrap_or_default();
                let group = self.crowds.groups.get(id).ok_or(Refusal::NOT_FOUND)?;
                Ok(Answer::with(group.to_node()))
            }
            _ => Ok(Answer::empty()),
        }
    }
}
