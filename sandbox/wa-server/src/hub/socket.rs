//! A socket's life: registration or login, hand-over of what waited, the end.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use buffa::Message as _;
use wacore_binary::{Node, builder::NodeBuilder};
use waproto::whatsapp as wa;

use super::{
    Line, State,
    account::{DeviceId, Online},
    pairing::Registration,
    state::{Conn, ConnId, Role, StanzaError},
};
use crate::{clock, crypto::Key, node, number::PhoneNumber};

impl State {
    /// Takes over a socket whose handshake is done.
    ///
    /// # Errors
    /// [`StanzaError`] when the payload says neither who logs in nor what registers; the socket
    /// must be closed then.
    pub(crate) fn open(
        &mut self,
        noise_key: Key,
        payload: &[u8],
        line: Line,
    ) -> Result<ConnId, StanzaError> {
        let payload = wa::ClientPayload::decode_from_slice(payload)?;
        let conn = self.next_conn_id();
        if let Some(data) = payload.device_pairing_data.as_option() {
            let registration = Registration::read(data, self.offer)?;
            if let Some(ending) = self.meet_fault(None) {
                self.conns.insert(conn, Conn { line, noise_key, role: Role::Leaving });
                self.dismiss(conn, ending, Duration::ZERO);
                return Ok(conn);
            }
            let refs = registration.refs().to_vec();
            let role = Role::Registering(Box::new(registration));
            self.conns.insert(conn, Conn { line, noise_key, role });
            self.offer_qr(conn, &refs);
        } else {
            let device = login_of(&payload);
            self.conns.insert(conn, Conn { line, noise_key, role: Role::Leaving });
            self.login(conn, device, &noise_key);
        }
        Ok(conn)
    }

    fn login(&mut self, conn: ConnId, who: Option<DeviceId>, noise_key: &Key) {
        let known =
            who.filter(|who| self.device(who).is_ok_and(|device| device.noise_key == *noise_key));
        let Some(who) = known else {
            let refusal =
                NodeBuilder::new("failure").attr("reason", "401").attr("location", "atn").build();
            return self.dismiss(conn, refusal, Duration::ZERO);
        };
        if let Some(ending) = self.meet_fault(Some(&who)) {
            return self.dismiss(conn, ending, Duration::ZERO);
        }
        if let Some(old) = self.device(&who).ok().and_then(|device| device.online) {
            self.dismiss(old.conn, node::replaced(), Duration::ZERO);
        }
        if let Ok(device) = self.device(&who) {
            device.online = Some(Online { conn, active: false, available: None });
        }
        let success = self.success(&who);
        if let Some(entry) = self.conns.get_mut(&conn) {
            entry.role = Role::LoggedIn(who);
        }
        self.send(conn, success);
    }

    fn success(&self, who: &DeviceId) -> Node {
        let name = self.accounts.get(&who.number).map(|account| account.name.as_str());
        NodeBuilder::new("success")
            .attr("t", clock::unix_seconds())
            .attr("props", "27")
            .attr("companion_enc_static", STANDARD.encode(rand::random::<Key>()))
            .attr("lid", who.number.lid_jid(who.device))
            .attr("display_name", name.unwrap_or_default())
            .attr("creation", "1600000000")
            .attr("abprops", "10")
            .attr("group_abprops", "10")
            .build()
    }

    /// Sends everything that waited, between the two markers that clients wait for
    /// (wa-server.md §6.3).
    pub(crate) fn hand_over(&mut self, conn: ConnId, who: &DeviceId) -> Result<(), StanzaError> {
        let device = self.device(who)?;
        let waiting: Vec<Node> = device.queue.iter().cloned().collect();
        if let Some(online) = device.online.as_mut() {
            online.active = true;
        }
        let count = waiting.len();
        let of_tag = |tag: &str| waiting.iter().filter(|node| node.tag == tag).count();
        let preview = NodeBuilder::new("offline_preview")
            .attr("count", count)
            .attr("message", of_tag("message"))
            .attr("notification", of_tag("notification"))
            .attr("receipt", of_tag("receipt"))
            .attr("appdata", 0_u32)
            .build();
        self.send(conn, info(preview));
        for (index, mut stanza) in waiting.into_iter().enumerate() {
            stanza.attrs.insert("offline", index.to_string());
            self.send(conn, stanza);
        }
        self.send(conn, info(NodeBuilder::new("offline").attr("count", count).build()));
        Ok(())
    }

    /// Says goodbye to a socket: a last stanza, then the close frame. Its device is offline at
    /// once, or stanzas would be handed to a socket that nobody reads.
    pub(crate) fn dismiss(&mut self, conn: ConnId, last: Node, after: Duration) {
        self.send(conn, last);
        self.set_offline(conn);
        if let Some(entry) = self.conns.get_mut(&conn) {
            entry.line.close(after);
            entry.role = Role::Leaving;
        }
    }

    /// Forgets a socket that is gone.
    pub(crate) fn closed(&mut self, conn: ConnId) {
        self.set_offline(conn);
        self.left_the_gate(conn);
        // Dropping a registration tells its waiting phone that the socket is gone.
        self.conns.remove(&conn);
    }

    /// Forgets every socket: the network is cut.
    pub(crate) fn closed_all(&mut self) {
        let all: Vec<ConnId> = self.conns.keys().copied().collect();
        for conn in all {
            self.closed(conn);
        }
    }

    fn set_offline(&mut self, conn: ConnId) {
        let Some(who) = self.who(conn) else { return };
        if let Ok(device) = self.device(&who)
            && device.online.is_some_and(|online| online.conn == conn)
        {
            device.online = None;
        }
    }
}

fn login_of(payload: &wa::ClientPayload) -> Option<DeviceId> {
    let number = PhoneNumber::parse(&payload.username?.to_string()).ok()?;
    Some(DeviceId { number, device: u16::try_from(payload.device?).ok()? })
}

fn info(child: Node) -> Node {
    NodeBuilder::new("ib").attr("from", node::server_jid()).children([child]).build()
}
