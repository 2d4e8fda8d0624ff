//! Questions of clients: who answers which (wa-server.md §6.2).

use std::time::Duration;

use wacore_binary::{Node, builder::NodeBuilder};

use super::{
    State,
    account::DeviceId,
    arrivals::Reads,
    devices::DeviceChange,
    pairing::Waiter,
    state::{ConnId, StanzaError},
};
use crate::{
    crypto::Key,
    node::{self, NodeExt as _},
    number::PhoneNumber,
};

/// The children of a result, and what happens once it is on the wire.
#[derive(Debug)]
pub(super) struct Answer {
    children: Vec<Node>,
    after: After,
}

#[derive(Debug)]
enum After {
    Nothing,
    /// The client is ready for what waited.
    HandOver,
    /// The client's prekeys are usable: the phone may write to it.
    Greet,
    /// The device unlinked itself.
    Unlink,
    /// Nothing, and no result either.
    Silence,
    /// A typed code was right.
    Pair {
        number: PhoneNumber,
        adv_secret: Key,
        waiter: Waiter,
    },
}

impl Answer {
    pub(super) fn empty() -> Self {
        Self { children: Vec::new(), after: After::Nothing }
    }

    pub(super) fn with(child: Node) -> Self {
        Self { children: vec![child], after: After::Nothing }
    }

    /// No answer at all, so that the client waits in vain.
    pub(super) fn never() -> Self {
        Self::then(After::Silence)
    }

    pub(super) fn then_greet() -> Self {
        Self { children: Vec::new(), after: After::Greet }
    }

    pub(super) fn then_pair(number: PhoneNumber, adv_secret: Key, waiter: Waiter) -> Self {
        Self { children: Vec::new(), after: After::Pair { number, adv_secret, waiter } }
    }

    fn then(after: After) -> Self {
        Self { children: Vec::new(), after }
    }
}

/// An IQ error.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refusal {
    code: &'static str,
    text: &'static str,
}

impl Refusal {
    pub(super) const BAD_REQUEST: Self = Self { code: "400", text: "bad-request" };
    pub(super) const NOT_AUTHORIZED: Self = Self { code: "401", text: "not-authorized" };
    pub(super) const FORBIDDEN: Self = Self { code: "403", text: "forbidden" };
    pub(super) const NOT_FOUND: Self = Self { code: "404", text: "item-not-found" };
    const INTERNAL: Self = Self { code: "500", text: "internal-server-error" };
}

impl From<StanzaError> for Refusal {
    fn from(error: StanzaError) -> Self {
        tracing::debug!(%error, "an IQ was refused");
        match error {
            StanzaError::Lacks(_) | StanzaError::Protobuf(_) => Self::BAD_REQUEST,
            StanzaError::NotLoggedIn | StanzaError::UnknownDevice => Self::FORBIDDEN,
            StanzaError::Signal(_) => Self::INTERNAL,
        }
    }
}

impl State {
    /// Answers one IQ; every IQ is answered, or clients wait for their timeout.
    pub(super) fn iq(&mut self, conn: ConnId, iq: &Node) {
        match self.answer(conn, iq) {
            Ok(Answer { after: After::Silence, .. }) => {}
            Ok(Answer { children, after }) => {
                self.send(conn, node::iq_result(iq, children));
                if let Err(error) = self.after(conn, after) {
                    tracing::debug!(%error, "the sequel of an IQ failed");
                }
            }
            Err(Refusal { code, text }) => self.send(conn, node::iq_error(iq, code, text)),
        }
    }

    fn answer(&mut self, conn: ConnId, iq: &Node) -> Result<Answer, Refusal> {
        let namespace = iq.text("xmlns").unwrap_or_default();
        let kind = iq.text("type").unwrap_or_default();
        let first = iq.kids().first().map(|kid| kid.tag.as_ref()).unwrap_or_default();
        match (namespace.as_str(), kind.as_str(), first) {
            ("passive", "set", "active") => Ok(Answer::then(After::HandOver)),
            ("encrypt", _, _) => {
                let who = self.logged_in(conn)?;
                self.encrypt_iq(&who, iq, first)
            }
            ("usync", ..) => {
                let who = self.logged_in(conn)?;
                Ok(Answer::with(self.usync(&who, iq)?))
            }
            ("w:sync:app:state", ..) => {
                let who = self.logged_in(conn)?;
                Ok(Answer::with(self.app_state_iq(&who, iq)?))
            }
            ("md", "set", "link_code_companion_reg") => self.link_code(conn, iq),
            ("md", "set", "remove-companion-device") => Ok(Answer::then(After::Unlink)),
            (
                "md",
                _,
                "ref"
                | "passkey_request_options"
                | "passkey_prologue"
                | "companion_nonce"
                | "encrypted_pairing_request",
            ) => self.passkey_iq(conn, iq, first),
            ("abt", ..) | ("w", _, "props") => Ok(Answer::with(props())),
            ("privacy", "get", _) => Ok(Answer::with(self.privacy(conn))),
            ("blocklist", "get", _) => Ok(Answer::with(empty_list())),
            ("w:mex", ..) => {
                let who = self.logged_in(conn)?;
                Ok(Answer::with(self.mex(&who, iq)))
            }
            ("w:profile:picture", "get", _) => Err(Refusal::NOT_FOUND),
            ("w:g2", ..) => {
                let who = self.logged_in(conn)?;
                self.group_iq(&who, iq, first)
            }
            ("w:m", ..) => {
                self.logged_in(conn)?;
                Ok(Answer::with(self.media_conn()))
            }
            // Keep-alives, `passive`, privacy tokens and all that this server does not know:
            // clients only look whether a result comes.
            _ => Ok(Answer::empty()),
        }
    }

    fn after(&mut self, conn: ConnId, after: After) -> Result<(), StanzaError> {
        match after {
            After::Nothing | After::Silence => Ok(()),
            After::HandOver => {
                let who = self.logged_in(conn)?;
                self.hand_over(conn, &who)?;
                self.greet(&who)
            }
            After::Greet => {
                let who = self.logged_in(conn)?;
                self.greet(&who)
            }
            After::Unlink => {
                let who = self.logged_in(conn)?;
                self.unlink_device(&who);
                Ok(())
            }
            After::Pair { number, adv_secret, waiter } => {
                // On failure the waiter is dropped, which the phone reads as a lost socket.
                if let Err(error) = self.pair(conn, &number, &adv_secret, waiter) {
                    tracing::debug!(%error, "pairing after a code failed");
                }
                Ok(())
            }
        }
    }

    /// Ends a link: the device is told, cut off and forgotten. False when it was not linked.
    pub(super) fn unlink_device(&mut self, who: &DeviceId) -> bool {
        let Ok(device) = self.device(who) else { return false };
        if let Some(online) = device.online {
            self.dismiss(online.conn, node::device_removed(), Duration::ZERO);
        }
        if let Some(account) = self.accounts.get_mut(&who.number) {
            account.devices.remove(&who.device);
        }
        self.announce(who, DeviceChange::Removed);
        true
    }
}

fn props() -> Node {
    NodeBuilder::new("props")
        .attr("protocol", "1")
        .attr("ab_key", "sandbox")
        .attr("hash", "sandbox")
        .attr("refresh", "86400")
        .attr("refresh_id", "0")
        .attr("delta_update", "false")
        .build()
}

impl State {
    /// Whoever reads in silence on the phone does so on its companions.
    fn privacy(&self, conn: ConnId) -> Node {
        let silent =
            self.who(conn).is_some_and(|who| self.conduct(&who.number).read == Reads::Silent);
        privacy(if silent { "none" } else { "all" })
    }
}

fn privacy(receipts: &'static str) -> Node {
    const FOR_ALL: [&str; 7] =
        ["last", "online", "profile", "status", "groupadd", "calladd", "messages"];
    let category = |name: &'static str, value: &'static str| {
        NodeBuilder::new("category").attr("name", name).attr("value", value).build()
    };
    let categories = FOR_ALL.into_iter().map(|name| category(name, "all"));
    let others = [category("readreceipts", receipts), category("defense", "off")];
    NodeBuilder::new("privacy").children(categories.chain(others)).build()
}

fn empty_list() -> Node {
    NodeBuilder::new("list").attr("matched", "false").attr("dhash", "0").build()
}
