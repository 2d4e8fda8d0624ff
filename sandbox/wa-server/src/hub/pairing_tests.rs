//! Time and QR references, without sockets.

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use wacore_libsignal::protocol::KeyPair;

use super::*;
use crate::{
    crypto,
    hub::{Line, Queued},
};

struct Client {
    noise_key: Key,
    identity: KeyPair,
    signed: KeyPair,
}

impl Client {
    fn new() -> Self {
        let mut rng = rand::rng();
        Self {
            noise_key: rand::random(),
            identity: KeyPair::generate(&mut rng),
            signed: KeyPair::generate(&mut rng),
        }
    }

    fn registration(&self) -> DevicePairingRegistrationData {
        let mut rng = rand::rng();
        let signature =
            self.identity.calculate_signature(&self.signed.public_key.serialize(), &mut rng);
        DevicePairingRegistrationData {
            e_ident: Some(crypto::public_bytes(&self.identity).to_vec()),
            e_skey_val: Some(crypto::public_bytes(&self.signed).to_vec()),
            e_skey_sig: Some(signature.unwrap().to_vec()),
            ..Default::default()
        }
    }

    fn qr(&self, reference: &str) -> QrText {
        QrText {
            reference: reference.to_owned(),
            noise_key: self.noise_key,
            identity: crypto::public_bytes(&self.identity),
            adv_secret: rand::random(),
        }
    }
}

fn payload(data: DevicePairingRegistrationData) -> Vec<u8> {
    let device_pairing_data = buffa::MessageField::some(data);
    wa::ClientPayload { device_pairing_data, ..Default::default() }.encode_to_vec()
}

/// A server with one registering client, whose first reference was shown some time ago.
struct Scene {
    state: State,
    conn: ConnId,
    refs: Vec<String>,
    _orders: mpsc::Receiver<Queued>,
}

impl Scene {
    fn shown_for(client: &Client, time: Duration) -> Self {
        let mut state = State::default();
        let (line, orders) = Line::new(CancellationToken::new());
        let conn = state.open(client.noise_key, &payload(client.registration()), line).unwrap();
        let registration = state.registration(conn).unwrap();
        registration.shown_at = Instant::now().checked_sub(time).unwrap();
        let refs = registration.refs.clone();
        Self { state, conn, refs, _orders: orders }
    }

    fn scan(&mut self, qr: &QrText) -> Result<(), LinkError> {
        let number = PhoneNumber::parse("5511900000001").unwrap();
        self.state.scan(&number, qr, oneshot::channel().0)
    }
}

#[test]
fn references_are_shown_for_60_and_then_20_seconds_each() {
    let ends: Vec<u64> = (0..REFS).map(|index| shown_until(index).as_secs()).collect();
    assert_eq!(ends, [60, 80, 100, 120, 140, 160]);
}

#[test]
fn a_reference_that_is_shown_no_longer_is_stale() {
    let client = Client::new();
    let mut scene = Scene::shown_for(&client, Duration::from_secs(61));
    let [first, second, third] = [0, 1, 2].map(|index| client.qr(&scene.refs[index]));
    assert!(matches!(scene.scan(&first), Err(LinkError::ExpiredQr)));
    assert!(scene.scan(&second).is_ok());
    assert!(matches!(scene.scan(&second), Err(LinkError::UsedQr)));
    assert!(matches!(scene.scan(&third), Err(LinkError::UsedQr)));
}

#[test]
fn keys_of_another_client_are_refused() {
    let (client, other) = (Client::new(), Client::new());
    let mut scene = Scene::shown_for(&client, Duration::ZERO);
    let reference = scene.refs[0].clone();
    assert!(matches!(scene.scan(&other.qr(&reference)), Err(LinkError::ForeignQr)));
    assert!(matches!(scene.scan(&client.qr("2@nobody")), Err(LinkError::UnknownQr)));
    scene.state.closed(scene.conn);
    assert!(matches!(scene.scan(&client.qr(&reference)), Err(LinkError::SocketGone)));
}

#[test]
fn a_payload_with_a_forged_prekey_is_refused() {
    let client = Client::new();
    let mut forged = client.registration();
    forged.e_skey_val = Some(crypto::public_bytes(&KeyPair::generate(&mut rand::rng())).to_vec());
    let (line, _orders) = Line::new(CancellationToken::new());
    assert!(State::default().open(client.noise_key, &payload(forged), line).is_err());
}
