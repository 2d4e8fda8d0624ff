//! A virtual passkey: what the phone's authenticator signs, and what WhatsApp checks.
//!
//! The shapes are those of `WebAuthn` (`PublicKeyCredentialRequestOptions`, `AuthenticatorAssertionResponse`).
//! Only the signature is not: it is `XEdDSA` instead of ES256, since it is opaque to every client and
//! checked by this server alone.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use wacore_libsignal::protocol::{KeyPair, PrivateKey};

use super::{SignalError, verify};
use crate::crypto::{self, Key, base64_serde};

/// Whom the passkey belongs to.
const RELYING_PARTY: &str = "web.whatsapp.com";
const ORIGIN: &str = "https://web.whatsapp.com";
const CREDENTIAL_ID_LEN: usize = 16;
/// Authenticator data: hash of the relying party, flags, counter of signatures.
const HASH_LEN: usize = 32;
const USER_PRESENT_AND_VERIFIED: u8 = 0b101;
const COUNTER: [u8; 4] = [0; 4];

/// Why an assertion is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AssertionError {
    #[error("it is not the JSON of a WebAuthn assertion")]
    Malformed,
    #[error("it comes from another credential")]
    ForeignCredential,
    #[error("it answers another challenge, operation or origin")]
    ForeignClientData,
    #[error("its authenticator data name another site, or nobody was verified")]
    ForeignAuthenticator,
    #[error("its signature is wrong")]
    Signature,
}

/// The passkey of one account.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Passkey {
    #[serde(with = "base64_serde")]
    private: Key,
    #[serde(with = "base64_serde")]
    credential_id: Vec<u8>,
}

/// `navigator.credentials.get()` as JSON, as `<webauthn_assertion>` carries it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Assertion {
    id: String,
    raw_id: String,
    #[serde(rename = "type")]
    kind: String,
    response: AssertionResponse,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AssertionResponse {
    #[serde(rename = "clientDataJSON")]
    client_data_json: String,
    authenticator_data: String,
    signature: String,
    #[serde(default)]
    user_handle: Option<String>,
}

#[derive(Debug, Deserialize)]
struct ClientData {
    #[serde(rename = "type")]
    kind: String,
    challenge: String,
    origin: String,
}

impl Passkey {
    pub(crate) fn generate() -> Self {
        let pair = KeyPair::generate(&mut rand::rng());
        let credential_id = rand::random::<[u8; CREDENTIAL_ID_LEN]>().to_vec();
        Self { private: *pair.private_key.serialize(), credential_id }
    }

    /// What WhatsApp asks the authenticator to sign.
    pub(crate) fn request_options(&self, challenge: &Key, timeout_ms: u64) -> Value {
        json!({
            "challenge": URL_SAFE_NO_PAD.encode(challenge),
            "timeout": timeout_ms,
            "rpId": RELYING_PARTY,
            "allowCredentials": [
                { "id": URL_SAFE_NO_PAD.encode(&self.credential_id), "type": "public-key" }
            ],
            "userVerification": "required",
        })
    }

    /// The authenticator's answer to `options`, on behalf of `user`; `None` when they hold no
    /// challenge, or ask for the credential of another site.
    pub(crate) fn assert(&self, options: &Value, user: &str) -> Result<Option<Value>, SignalError> {
        let Some(challenge) = options.get("challenge").and_then(Value::as_str) else {
            return Ok(None);
        };
        let site = options.get("rpId").and_then(Value::as_str).unwrap_or(RELYING_PARTY);
        if site != RELYING_PARTY {
            return Ok(None);
        }
        let client_data = json!({
            "type": "webauthn.get",
            "challenge": challenge.trim_end_matches('='),
            "origin": ORIGIN,
            "crossOrigin": false,
        });
        let client_data = client_data.to_string();
        let data = authenticator_data();
        let private = PrivateKey::deserialize(&self.private)?;
        let hash = Sha256::digest(client_data.as_bytes());
        let signature =
            private.calculate_signature_for_multipart_message(&[&data, &hash], &mut rand::rng())?;
        let id = URL_SAFE_NO_PAD.encode(&self.credential_id);
        let assertion = Assertion {
            id: id.clone(),
            raw_id: id,
            kind: "public-key".to_owned(),
            response: AssertionResponse {
                client_data_json: URL_SAFE_NO_PAD.encode(client_data),
                authenticator_data: URL_SAFE_NO_PAD.encode(data),
                signature: URL_SAFE_NO_PAD.encode(signature),
                user_handle: Some(URL_SAFE_NO_PAD.encode(user)),
            },
        };
        // A struct of strings always becomes JSON.
        Ok(serde_json::to_value(assertion).ok())
    }

    /// Checks an assertion as a relying party does.
    pub(crate) fn check(
        &self,
        challenge: &Key,
        credential_id: &[u8],
        assertion: &[u8],
    ) -> Result<(), AssertionError> {
        let assertion: Assertion =
            serde_json::from_slice(assertion).ok().ok_or(AssertionError::Malformed)?;
        if credential_id != self.credential_id || decode(&assertion.raw_id)? != self.credential_id {
            return Err(AssertionError::ForeignCredential);
        }
        let client_data_json = decode(&assertion.response.client_data_json)?;
        let client_data: ClientData =
            serde_json::from_slice(&client_data_json).ok().ok_or(AssertionError::Malformed)?;
        let expected = client_data.kind == "webauthn.get"
            && client_data.origin == ORIGIN
            && decode(&client_data.challenge)? == challenge;
        if !expected {
            return Err(AssertionError::ForeignClientData);
        }
        let data = decode(&assertion.response.authenticator_data)?;
        if data.get(..=HASH_LEN) != authenticator_data().get(..=HASH_LEN) {
            return Err(AssertionError::ForeignAuthenticator);
        }
        let signer = crypto::key_pair(&self.private).ok().ok_or(AssertionError::Signature)?;
        let hash = Sha256::digest(&client_data_json);
        let signature = decode(&assertion.response.signature)?;
        if verify(&crypto::public_bytes(&signer), &[&data, &hash], &signature) {
            Ok(())
        } else {
            Err(AssertionError::Signature)
        }
    }
}

fn authenticator_data() -> Vec<u8> {
    let mut data = Sha256::digest(RELYING_PARTY.as_bytes()).to_vec();
    data.push(USER_PRESENT_AND_VERIFIED);
    data.extend(COUNTER);
    data
}

fn decode(text: &str) -> Result<Vec<u8>, AssertionError> {
    URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok().ok_or(AssertionError::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(passkey: &Passkey, challenge: &Key) -> Vec<u8> {
        let options = passkey.request_options(challenge, 60_000);
        passkey.assert(&options, "user").unwrap().unwrap().to_string().into_bytes()
    }

    #[test]
    fn its_own_assertion_is_accepted() {
        let (passkey, challenge) = (Passkey::generate(), rand::random());
        let assertion = answered(&passkey, &challenge);
        assert_eq!(passkey.check(&challenge, &passkey.credential_id, &assertion), Ok(()));
    }

    #[test]
    fn every_other_assertion_is_refused() {
        let (passkey, other) = (Passkey::generate(), Passkey::generate());
        let (challenge, stale) = (rand::random(), rand::random());
        let check = |id: &[u8], assertion: &[u8]| passkey.check(&challenge, id, assertion);
        let own = answered(&passkey, &challenge);
        let forged = String::from_utf8(own.clone()).unwrap();
        let forged = forged.replace("\"signature\":\"", "\"signature\":\"AAAA");
        let id = &passkey.credential_id;

        assert_eq!(check(id, b"{}"), Err(AssertionError::Malformed));
        assert_eq!(check(&other.credential_id, &own), Err(AssertionError::ForeignCredential));
        let foreign = answered(&other, &challenge);
        assert_eq!(check(id, &foreign), Err(AssertionError::ForeignCredential));
        let old = answered(&passkey, &stale);
        assert_eq!(check(id, &old), Err(AssertionError::ForeignClientData));
        assert_eq!(check(id, forged.as_bytes()), Err(AssertionError::Signature));
    }

    #[test]
    fn another_site_gets_no_assertion() {
        let passkey = Passkey::generate();
        let mut options = passkey.request_options(&rand::random(), 60_000);
        options["rpId"] = json!("example.com");
        assert!(passkey.assert(&options, "user").unwrap().is_none());
    }
}
