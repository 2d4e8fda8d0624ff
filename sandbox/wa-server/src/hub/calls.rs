//! Calls of phones: ringing at companions, being rejected, hanging up. No media ever flows (shapes:
//! wacore 0.7.0, `stanza/call.rs`).

use std::collections::VecDeque;

use serde::Serialize;
use wacore_binary::{Node, builder::NodeBuilder};

use super::{
    Account, State,
    account::DeviceId,
    phones::PhoneError,
    state::{ConnId, StanzaError, stanza_id},
};
use crate::{clock, crypto::Key, node::NodeExt as _, number::PhoneNumber, phone};

/// Older calls are forgotten beyond this number.
const MAX_CALLS: usize = 1_000;
const AUDIO_RATES: [&str; 2] = ["8000", "16000"];

/// How a call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CallState {
    /// Nobody has answered.
    Ringing,
    /// A companion of the called number accepted it.
    Accepted,
    /// A companion of the called number rejected it.
    Rejected,
    /// The caller hung up.
    Ended,
}

/// A call of one phone to a number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Call {
    /// The call's id on the wire.
    pub id: String,
    /// Who calls.
    pub from: PhoneNumber,
    /// Who is called.
    pub to: PhoneNumber,
    /// Whether it is a video call.
    pub video: bool,
    /// How it stands.
    pub state: CallState,
    /// The companion that accepted or rejected it.
    pub answered_by: Option<u16>,
    /// When it began: ISO 8601, UTC, milliseconds.
    pub at: String,
}

impl State {
    /// The calls from and to a number, newest last.
    pub(crate) fn calls_of(&self, number: &PhoneNumber) -> Vec<Call> {
        let own = |call: &&Call| call.from == *number || call.to == *number;
        self.calls.iter().filter(own).cloned().collect()
    }

    /// A phone calls a number: its companions ring.
    pub(crate) fn call(
        &mut self,
        from: &PhoneNumber,
        to: &PhoneNumber,
        video: bool,
    ) -> Result<Call, PhoneError> {
        let call = Call {
            id: hex::encode_upper(rand::random::<[u8; 16]>()),
            from: from.clone(),
            to: to.clone(),
            video,
            state: CallState::Ringing,
            answered_by: None,
            at: clock::iso_now(),
        };
        self.account(from)?;
        self.account(to)?;
        let devices = self.accounts.get(to).map(Account::device_numbers).unwrap_or_default();
        for device in devices {
            let companion = DeviceId { number: to.clone(), device };
            if let Err(error) = self.ring(&call, &companion) {
                tracing::warn!(%error, "a call did not reach one companion");
            }
        }
        remember(&mut self.calls, call.clone());
        Ok(call)
    }

    fn ring(&mut self, call: &Call, to: &DeviceId) -> Result<(), StanzaError> {
        let enc = self.seal(&call.from, to, &phone::call_key(&rand::random::<Key>()))?;
        let audio = AUDIO_RATES
            .map(|rate| NodeBuilder::new("audio").attr("enc", "opus").attr("rate", rate).build());
        let mut parts = audio.to_vec();
        if call.video {
            parts.push(NodeBuilder::new("video").attr("enc", "vp8").attr("dec", "vp8").build());
        }
        parts.push(NodeBuilder::new("net").attr("medium", "3").build());
        parts.push(enc);
        parts.push(NodeBuilder::new("encopt").attr("keygen", "2").build());
        let offer =
            action("offer", call).attr("caller_pn", call.from.pn_jid(0)).children(parts).build();
        let stanza = self.wrapped(call, offer);
        self.deliver(to, stanza);
        Ok(())
    }

    /// The caller hangs up; whatever still rings stops.
    pub(crate) fn hang_up(&mut self, from: &PhoneNumber, id: &str) -> Result<Call, PhoneError> {
        let own = |call: &&mut Call| call.id == id && call.from == *from;
        let call = self.calls.iter_mut().find(own).ok_or(PhoneError::UnknownCall)?;
        let over = matches!(call.state, CallState::Rejected | CallState::Ended);
        if !over {
            call.state = CallState::Ended;
        }
        let call = call.clone();
        if !over {
            let end = self.wrapped(&call, action("terminate", &call).build());
            self.deliver_to_all(&call.to, &end);
        }
        Ok(call)
    }

    fn wrapped(&self, call: &Call, action: Node) -> Node {
        let name = self.accounts.get(&call.from).map(|account| account.name.clone());
        NodeBuilder::new("call")
            .attr("from", call.from.lid_jid(0))
            .attr("id", stanza_id())
            .attr("t", clock::unix_seconds())
            .attr("notify", name.unwrap_or_default())
            .attr("platform", "android")
            .attr("version", "2.25.1.1")
            .children([action])
            .build()
    }

    /// A companion does something about a call. It is acknowledged whatever it is.
    pub(super) fn call_signal(&mut self, conn: ConnId, stanza: &Node) -> Result<(), StanzaError> {
        let who = self.logged_in(conn)?;
        let to = stanza.jid("to").ok_or(StanzaError::Lacks("recipient"))?;
        let id = stanza.text("id").ok_or(StanzaError::Lacks("id"))?;
        let signal = stanza.kids().first().ok_or(StanzaError::Lacks("call action"))?;
        let ack = NodeBuilder::new("ack")
            .attr("class", "call")
            .attr("id", id)
            .attr("from", &to)
            .attr("type", signal.tag.to_string())
            .build();
        self.send(conn, ack);
        let state = match signal.tag.as_ref() {
            "accept" => CallState::Accepted,
            "reject" => CallState::Rejected,
            _ => return Ok(()),
        };
        let id = signal.text("call-id").ok_or(StanzaError::Lacks("call-id"))?;
        let ringing = |call: &&mut Call| {
            call.id == id && call.to == who.number && call.state == CallState::Ringing
        };
        let Some(call) = self.calls.iter_mut().find(ringing) else { return Ok(()) };
        call.state = state;
        call.answered_by = Some(who.device);
        let call = call.clone();
        self.stop_others(&call, &who);
        Ok(())
    }

    /// The other companions of who answered stop ringing.
    fn stop_others(&mut self, call: &Call, answered: &DeviceId) {
        let reason = match call.state {
            CallState::Accepted => "accepted_elsewhere",
            CallState::Ringing | CallState::Rejected | CallState::Ended => "rejected_elsewhere",
        };
        let end = self.wrapped(call, action("terminate", call).attr("reason", reason).build());
        let devices = self.accounts.get(&call.to).map(Account::device_numbers);
        for device in devices.unwrap_or_default() {
            if device != answered.device {
                self.deliver(&DeviceId { number: call.to.clone(), device }, end.clone());
            }
        }
    }
}

fn action(tag: &'static str, call: &Call) -> NodeBuilder {
    NodeBuilder::new(tag)
        .attr("call-id", call.id.as_str())
        .attr("call-creator", call.from.lid_jid(0))
}

fn remember(calls: &mut VecDeque<Call>, call: Call) {
    calls.push_back(call);
    if calls.len() > MAX_CALLS {
        calls.pop_front();
    }
}
