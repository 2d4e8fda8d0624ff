//! Handshakes against a client side built from `wacore_noise` alone.

use wacore_noise::HandshakeUtils;

use super::*;

const PAYLOAD: &[u8] = b"client payload";

struct Client {
    noise: NoiseHandshake,
    ephemeral: KeyPair,
    own: KeyPair,
}

impl Client {
    fn new(pattern: &str) -> Self {
        let mut rng = rand::rng();
        Self {
            noise: NoiseHandshake::new(pattern, &WA_CONN_HEADER).unwrap(),
            ephemeral: KeyPair::generate(&mut rng),
            own: KeyPair::generate(&mut rng),
        }
    }

    fn xx_hello(&mut self) -> Vec<u8> {
        let ephemeral = crypto::public_bytes(&self.ephemeral);
        self.noise.authenticate(&ephemeral);
        waproto::codec::handshake_message_to_vec(&HandshakeUtils::build_client_hello(&ephemeral))
    }

    fn ik_hello(&mut self, server_static: &Key) -> Vec<u8> {
        let ephemeral = crypto::public_bytes(&self.ephemeral);
        self.noise.authenticate(server_static);
        self.noise.authenticate(&ephemeral);
        self.noise
            .mix_shared_secret(self.ephemeral.private_key.serialize(), server_static)
            .unwrap();
        let sealed = self.noise.encrypt(&crypto::public_bytes(&self.own)).unwrap();
        self.noise.mix_shared_secret(self.own.private_key.serialize(), server_static).unwrap();
        let payload = self.noise.encrypt(PAYLOAD).unwrap();
        waproto::codec::handshake_message_to_vec(&HandshakeUtils::build_ik_client_hello(
            &ephemeral, sealed, payload,
        ))
    }

    fn xx_finish(&mut self, answer: &[u8]) -> Vec<u8> {
        let (theirs, sealed_static, sealed_chain) =
            HandshakeUtils::parse_server_hello(answer).unwrap();
        let theirs: Key = theirs.try_into().unwrap();
        self.noise.authenticate(&theirs);
        self.noise.mix_shared_secret(self.ephemeral.private_key.serialize(), &theirs).unwrap();
        let server_static: Key = self.noise.decrypt(&sealed_static).unwrap().try_into().unwrap();
        self.noise
            .mix_shared_secret(self.ephemeral.private_key.serialize(), &server_static)
            .unwrap();
        let chain = self.noise.decrypt(&sealed_chain).unwrap();
        HandshakeUtils::verify_server_cert(&chain, &server_static).unwrap();
        let sealed = self.noise.encrypt(&crypto::public_bytes(&self.own)).unwrap();
        self.noise.mix_shared_secret(self.own.private_key.serialize(), &theirs).unwrap();
        let payload = self.noise.encrypt(PAYLOAD).unwrap();
        waproto::codec::handshake_message_to_vec(&HandshakeUtils::build_client_finish(
            sealed, payload,
        ))
    }

    fn agrees_with(self, server: &Established) {
        assert_eq!(server.client_static, crypto::public_bytes(&self.own));
        assert_eq!(server.payload, PAYLOAD);
        let (write, read) = self.noise.finish().unwrap();
        let mut up = write.encrypt_with_counter(0, b"up").unwrap();
        server.receive.decrypt_in_place_with_counter(0, &mut up).unwrap();
        assert_eq!(up, b"up");
        let mut down = server.send.encrypt_with_counter(0, b"down").unwrap();
        read.decrypt_in_place_with_counter(0, &mut down).unwrap();
        assert_eq!(down, b"down");
    }
}

#[test]
fn xx_establishes_both_directions() {
    let keys = ServerKeys::load_or_generate(None).unwrap();
    let mut client = Client::new(NOISE_PATTERN_XX);

    let (answer, step) = answer_client_hello(&keys, &client.xx_hello()).unwrap();
    let Step::AwaitFinish(pending) = step else { panic!("XX needs a finish") };
    let server = pending.finish(&client.xx_finish(&answer)).unwrap();

    client.agrees_with(&server);
}

#[test]
fn ik_is_done_after_one_answer() {
    let keys = ServerKeys::load_or_generate(None).unwrap();
    let mut client = Client::new(NOISE_PATTERN_IK);
    let hello = client.ik_hello(&crypto::public_bytes(&keys.static_pair));

    let (answer, step) = answer_client_hello(&keys, &hello).unwrap();
    let Step::Done(server) = step else { panic!("IK needs no finish") };

    let answer = HandshakeUtils::parse_server_hello_body(&answer).unwrap();
    assert!(answer.r#static.is_none(), "a static key would mean fallback");
    let theirs: Key = answer.ephemeral.unwrap().try_into().unwrap();
    client.noise.authenticate(&theirs);
    client.noise.mix_shared_secret(client.ephemeral.private_key.serialize(), &theirs).unwrap();
    client.noise.mix_shared_secret(client.own.private_key.serialize(), &theirs).unwrap();
    client.noise.decrypt(&answer.payload.unwrap()).unwrap();
    client.agrees_with(&server);
}

#[test]
fn ik_for_another_server_key_falls_back() {
    let keys = ServerKeys::load_or_generate(None).unwrap();
    let old = KeyPair::generate(&mut rand::rng());
    let mut client = Client::new(NOISE_PATTERN_IK);
    let hello = client.ik_hello(&crypto::public_bytes(&old));

    let (answer, step) = answer_client_hello(&keys, &hello).unwrap();
    let Step::AwaitFinish(pending) = step else { panic!("a fallback needs a finish") };
    client.noise = NoiseHandshake::new(NOISE_PATTERN_XXFALLBACK, &WA_CONN_HEADER).unwrap();
    client.noise.authenticate(&crypto::public_bytes(&client.ephemeral));
    let server = pending.finish(&client.xx_finish(&answer)).unwrap();

    client.agrees_with(&server);
}

#[test]
fn garbage_is_an_error() {
    let keys = ServerKeys::load_or_generate(None).unwrap();
    assert!(answer_client_hello(&keys, b"\xff\xff\xff").is_err());
    assert!(answer_client_hello(&keys, b"").is_err());
}
