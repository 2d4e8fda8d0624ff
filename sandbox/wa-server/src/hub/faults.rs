//! Logins and sessions that end badly: bans, refusals, stream errors (wa-server.md §8; the
//! attributes of `<failure>` are those of wacore 0.7.0, `stanza/connect_failure.rs`).

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};
use wacore_binary::{Node, builder::NodeBuilder};

use super::{
    State,
    account::DeviceId,
    state::{ConnId, Role},
};
use crate::number::PhoneNumber;

/// WhatsApp Web accepts no other reasons.
const REASONS: std::ops::RangeInclusive<u16> = 400..=599;

/// How sessions or logins end, whose, and how often. Exactly one of `failure`, `stream_error` and
/// `conflict` is given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Fault {
    /// `<failure reason="…"/>` instead of `<success>`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<u16>,
    /// Why an account is banned for a time; goes with `failure` 402.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// How long a ban lasts; goes with `failure` 402.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expire_seconds: Option<u64>,
    /// Free text; goes with `failure`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Where to read more; goes with `failure`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Further attributes of `failure`, such as `logout_message_header`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
    /// `<stream:error code="…"/>`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream_error: Option<u16>,
    /// `<stream:error><conflict type="…"/></stream:error>`: `replaced` or `device_removed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conflict: Option<String>,
    /// Only this companion; all of them unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<u16>,
    /// End the sessions that live now.
    pub now: bool,
    /// How many of the next logins end so. Unless given: none with `now`, else all until cleared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
}

/// A fault that makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "give exactly one of failure (400 to 599), streamError and conflict (replaced or device_removed)"
)]
pub struct InvalidFault;

/// The faults that wait, and how many sessions one has ended at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Faults {
    /// Sessions that this request ended.
    pub ended: usize,
    /// What will meet the next logins.
    pub pending: Vec<Fault>,
}

/// A fault that waits for logins.
#[derive(Debug)]
pub(crate) struct Pending {
    /// Whose; everybody's unless given, also that of clients that are yet to be linked.
    number: Option<PhoneNumber>,
    fault: Fault,
}

impl Fault {
    fn check(&self) -> Result<(), InvalidFault> {
        let kinds = [self.failure.is_some(), self.stream_error.is_some(), self.conflict.is_some()];
        let one = kinds.into_iter().filter(|given| *given).count() == 1;
        let reason = self.failure.is_none_or(|reason| REASONS.contains(&reason));
        let conflict = self.conflict.as_deref();
        let conflict = conflict.is_none_or(|kind| matches!(kind, "replaced" | "device_removed"));
        if one && reason && conflict { Ok(()) } else { Err(InvalidFault) }
    }

    fn waits(&self) -> bool {
        self.times.map_or(!self.now, |times| times > 0)
    }

    fn concerns(&self, device: u16) -> bool {
        self.device.is_none_or(|only| only == device)
    }

    fn to_node(&self) -> Node {
        if let Some(reason) = self.failure {
            return self.failure_node(reason);
        }
        let error = NodeBuilder::new("stream:error");
        if let Some(code) = self.stream_error {
            return error.attr("code", code.to_string()).build();
        }
        let kind = self.conflict.as_deref().unwrap_or_default();
        // A client that another one replaces gets no code (wa-server.md §6).
        let error = if kind == "device_removed" { error.attr("code", "401") } else { error };
        error.children([NodeBuilder::new("conflict").attr("type", kind).build()]).build()
    }

    fn failure_node(&self, reason: u16) -> Node {
        let attributes = [
            ("code", self.code.map(|code| code.to_string())),
            ("expire", self.expire_seconds.map(|seconds| seconds.to_string())),
            ("message", self.message.clone()),
            ("url", self.url.clone()),
        ];
        let given = attributes.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let mut node = NodeBuilder::new("failure")
            .attr("reason", reason.to_string())
            .attr("location", "atn")
            .attrs(given)
            .build();
        for (name, value) in &self.attributes {
            node.attrs.insert(name.clone(), value.clone());
        }
        node
    }
}

impl State {
    /// Lets logins, and sessions too if asked, of one phone or of everybody end badly.
    pub(crate) fn add_fault(
        &mut self,
        number: Option<&PhoneNumber>,
        fault: Fault,
    ) -> Result<Faults, InvalidFault> {
        fault.check()?;
        let ended = if fault.now { self.end_sessions(number, &fault) } else { 0 };
        if fault.waits() {
            self.faults.push(Pending { number: number.cloned(), fault });
        }
        Ok(Faults { ended, ..self.faults_of(number) })
    }

    /// The faults that wait for a phone, or for everybody.
    pub(crate) fn faults_of(&self, number: Option<&PhoneNumber>) -> Faults {
        let own = self.faults.iter().filter(|pending| pending.number.as_ref() == number);
        Faults { ended: 0, pending: own.map(|pending| pending.fault.clone()).collect() }
    }

    pub(crate) fn clear_faults(&mut self, number: Option<&PhoneNumber>) {
        self.faults.retain(|pending| pending.number.as_ref() != number);
    }

    fn end_sessions(&mut self, number: Option<&PhoneNumber>, fault: &Fault) -> usize {
        let concerned = |role: &Role| match role {
            Role::LoggedIn(who) => {
                number.is_none_or(|number| *number == who.number) && fault.concerns(who.device)
            }
            Role::Registering(_) => number.is_none() && fault.device.is_none(),
            Role::Leaving => false,
        };
        let ending: Vec<ConnId> = self
            .conns
            .iter()
            .filter(|(_, conn)| concerned(&conn.role))
            .map(|(id, _)| *id)
            .collect();
        for conn in &ending {
            self.dismiss(*conn, fault.to_node(), Duration::ZERO);
        }
        ending.len()
    }

    /// Takes the fault that a login runs into, if any; `None` is a client that is yet to be linked.
    pub(super) fn meet_fault(&mut self, who: Option<&DeviceId>) -> Option<Node> {
        let index = self.faults.iter().position(|Pending { number, fault }| match who {
            Some(who) => {
                number.as_ref().is_none_or(|number| *number == who.number)
                    && fault.concerns(who.device)
            }
            None => number.is_none() && fault.device.is_none(),
        })?;
        let pending = self.faults.get_mut(index)?;
        let node = pending.fault.to_node();
        if let Some(times) = &mut pending.fault.times {
            *times = times.saturating_sub(1);
            if *times == 0 {
                self.faults.remove(index);
            }
        }
        Some(node)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::NodeExt as _;

    fn who(device: u16) -> DeviceId {
        DeviceId { number: PhoneNumber::parse("5511900000001").unwrap(), device }
    }

    #[test]
    fn a_fault_meets_only_its_device_and_wears_out() {
        let mut state = State::default();
        let fault =
            Fault { failure: Some(402), device: Some(2), times: Some(2), ..Fault::default() };
        state.add_fault(Some(&who(2).number), fault).unwrap();

        assert!(state.meet_fault(Some(&who(1))).is_none());
        assert!(state.meet_fault(None).is_none());
        for _ in 0..2 {
            let node = state.meet_fault(Some(&who(2))).unwrap();
            assert_eq!(node.text("reason").as_deref(), Some("402"));
        }
        assert!(state.meet_fault(Some(&who(2))).is_none());
    }

    #[test]
    fn a_fault_without_a_number_of_times_stays_until_cleared() {
        let mut state = State::default();
        let fault = Fault { stream_error: Some(503), ..Fault::default() };
        state.add_fault(None, fault).unwrap();
        assert!(state.meet_fault(None).is_some());
        assert!(state.meet_fault(Some(&who(1))).is_some());
        state.clear_faults(None);
        assert!(state.meet_fault(None).is_none());
    }

    #[test]
    fn contradictions_are_refused() {
        let two = Fault { failure: Some(403), stream_error: Some(500), ..Fault::default() };
        let odd = Fault { conflict: Some("other".to_owned()), ..Fault::default() };
        let low = Fault { failure: Some(200), ..Fault::default() };
        for fault in [two, odd, low, Fault::default()] {
            assert_eq!(State::default().add_fault(None, fault), Err(InvalidFault));
        }
    }
}
