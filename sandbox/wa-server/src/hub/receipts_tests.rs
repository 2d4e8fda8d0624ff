//! Retry receipts, without sockets.

use std::collections::{HashSet, VecDeque};

use tokio_util::sync::CancellationToken;
use wacore_libsignal::protocol::KeyPair;

use super::*;
use crate::{
    crypto,
    hub::{
        Line,
        account::{Device, Online},
        state::{Conn, Role},
    },
    prekeys::SignedPreKey,
};

/// A companion that is connected, and a friend who writes to it.
struct Scene {
    state: State,
    conn: ConnId,
    companion: DeviceId,
    friend: PhoneNumber,
}

impl Scene {
    fn set() -> Self {
        let number = PhoneNumber::parse("5511000000001").unwrap();
        let friend = PhoneNumber::parse("5511000000002").unwrap();
        let companion = DeviceId { number, device: 1 };
        let mut state = State::default();
        let conn = state.next_conn_id();
        let (line, _orders) = Line::new(CancellationToken::new());
        let role = Role::LoggedIn(companion.clone());
        state.conns.insert(conn, Conn { line, noise_key: [0; 32], role });
        let device = device(conn);
        state.account(&companion.number).unwrap().devices.insert(companion.device, device);
        Self { state, conn, companion, friend }
    }

    fn queue(&mut self) -> &VecDeque<Node> {
        &self.state.device(&self.companion).unwrap().queue
    }

    /// A message of the friend: its id, and how it is addressed.
    fn message(&mut self) -> (String, Jid) {
        let number = self.companion.number.clone();
        self.state.send_text(&self.friend, &number, "hello").unwrap();
        let message = self.queue().back().unwrap();
        (message.text("id").unwrap(), message.jid("from").unwrap())
    }

    fn receipt(&mut self, id: &str, to: &Jid, kind: Option<&str>) {
        let receipt = NodeBuilder::new("receipt").attr("id", id).attr("to", to);
        let receipt = match kind {
            Some(kind) => receipt.attr("type", kind),
            None => receipt,
        };
        self.state.stanza(self.conn, &receipt.build()).unwrap();
    }

    fn ack(&mut self, id: &str, to: &Jid) {
        let ack = NodeBuilder::new("ack").attr("class", "message").attr("id", id).attr("to", to);
        self.state.stanza(self.conn, &ack.build()).unwrap();
    }
}

fn device(conn: ConnId) -> Device {
    let mut rng = rand::rng();
    let (identity, signed) = (KeyPair::generate(&mut rng), KeyPair::generate(&mut rng));
    let signature = identity.calculate_signature(&signed.public_key.serialize(), &mut rng);
    Device {
        identity: crypto::public_bytes(&identity),
        noise_key: [0; 32],
        registration_id: 1,
        signed: SignedPreKey {
            id: 1,
            public: crypto::public_bytes(&signed),
            signature: signature.unwrap().to_vec(),
        },
        one_time: VecDeque::new(),
        signed_identity: Vec::new(),
        key_index: 1,
        platform: String::new(),
        queue: VecDeque::new(),
        sent_ids: VecDeque::new(),
        wants_again: HashSet::new(),
        key_shared: true,
        history_sent: true,
        online: Some(Online { conn, active: true, available: None }),
    }
}

/// As whatsapp-rust does it, which may die at any moment between these steps.
#[test]
fn a_new_copy_waits_for_its_own_receipt() {
    let mut scene = Scene::set();
    let (id, from) = scene.message();
    let old = scene.queue().front().cloned();

    scene.receipt(&id, &from, Some("retry"));
    assert_eq!(scene.queue().len(), 2, "the old copy is not acknowledged yet");

    scene.ack(&id, &from);
    assert_eq!(scene.queue().len(), 1, "the new copy has not arrived yet");
    assert_ne!(scene.queue().front().cloned(), old);

    scene.receipt(&id, &from, None);
    assert_eq!(scene.queue().len(), 0);
}

#[test]
fn several_in_question_are_all_sent_again() {
    let mut scene = Scene::set();
    let messages: Vec<_> = (0..4).map(|_| scene.message()).collect();

    for (id, from) in &messages {
        // It died before the first `<ack>`, and asks again after its next login.
        scene.receipt(id, from, Some("retry"));
        scene.receipt(id, from, Some("retry"));
        scene.ack(id, from);
    }

    for (id, from) in &messages {
        let waiting = scene.queue().iter().filter(|node| node.text("id").as_ref() == Some(id));
        assert_eq!(waiting.count(), 2, "both new copies");
        scene.receipt(id, from, None);
    }
    assert_eq!(scene.queue().len(), 0);
}
