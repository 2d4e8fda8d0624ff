//! The passkey step of a pairing: what WhatsApp asks a person for, and what the person's browser or
//! phone answers.
//!
//! The shapes are those of `WebAuthn` Level 3: `PublicKeyCredentialRequestOptionsJSON` and
//! `AuthenticationResponseJSON`.

use std::time::Duration;

use base64::{
    Engine as _,
    alphabet::URL_SAFE,
    engine::{GeneralPurpose, GeneralPurposeConfig, general_purpose::NO_PAD},
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{PhoneNumber, Timestamp};

/// Bits beyond the last byte are nobody's business.
const BASE64URL: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, LENIENT);
const LENIENT: GeneralPurposeConfig = NO_PAD.with_decode_allow_trailing_bits(true);
/// Longest field of an assertion, in characters: far above what authenticators make.
const FIELD_MAX: usize = 16_384;

/// What WhatsApp wants an authenticator to sign: the `publicKey` of `navigator.credentials.get`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasskeyRequest(Value);

impl PasskeyRequest {
    /// Reads the options as WhatsApp sends them; `None` when nobody could answer them.
    pub fn parse(text: &str) -> Option<Self> {
        let options: Value = serde_json::from_str(text).ok()?;
        let challenge = options.get("challenge")?.as_str()?;
        (!decode(unpadded(challenge))?.is_empty()).then_some(Self(options))
    }

    /// The options, to be handed on as they are.
    pub const fn options(&self) -> &Value {
        &self.0
    }

    /// The site that the passkey belongs to.
    pub fn rp_id(&self) -> Option<&str> {
        self.0.get("rpId")?.as_str()
    }

    /// What is to be signed, in base64url.
    pub fn challenge(&self) -> &str {
        self.0.get("challenge").and_then(Value::as_str).unwrap_or_default()
    }

    /// How long WhatsApp waits, if it says so.
    pub fn patience(&self) -> Option<Duration> {
        self.0.get("timeout")?.as_u64().map(Duration::from_millis)
    }
}

/// Something that a person must do before a pairing can go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    /// What.
    pub step: ActionStep,
    /// Since when.
    pub asked_at: Timestamp,
    /// When the attempt ends if it is not done.
    pub expires_at: Timestamp,
}

/// What a person must do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ActionStep {
    /// Sign with the account's passkey.
    Passkey(PasskeyRequest),
    /// Say that the phone shows this code, as `ABCD-1234`.
    Confirm {
        /// The code.
        code: String,
    },
    /// Say whether the phone that scanned, which is not the expected one, is to be used.
    WrongPhone {
        /// The phone number that the number was created for.
        expected: PhoneNumber,
        /// That of the phone that scanned.
        actual: PhoneNumber,
    },
}

impl ActionStep {
    /// The name on the wire.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Passkey(_) => "PASSKEY",
            Self::Confirm { .. } => "PASSKEY_CONFIRMATION",
            Self::WrongPhone { .. } => "WRONG_PHONE",
        }
    }
}

/// An assertion as a browser's `PublicKeyCredential.toJSON()` gives it: binary fields in base64url.
#[derive(Clone, Debug)]
pub struct AssertionJson {
    /// The credential's id.
    pub id: String,
    /// The same.
    pub raw_id: String,
    /// `public-key`.
    pub kind: String,
    /// What was signed, beside the authenticator's data.
    pub client_data_json: String,
    /// The authenticator's data.
    pub authenticator_data: String,
    /// The signature.
    pub signature: String,
    /// Whose passkey it is.
    pub user_handle: Option<String>,
}

/// An assertion that has the right shape and answers the right challenge.
#[derive(Clone, PartialEq, Eq)]
pub struct Assertion {
    /// The credential's id.
    pub credential: Vec<u8>,
    /// The JSON that WhatsApp is given.
    pub json: String,
}

impl std::fmt::Debug for Assertion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // It is as good as a login until its challenge has died.
        f.write_str("Assertion")
    }
}

/// What is wrong with an assertion: the field, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct AssertionError {
    field: &'static str,
    problem: &'static str,
}

#[derive(Deserialize)]
struct ClientData {
    #[serde(rename = "type")]
    kind: String,
    challenge: String,
}

impl AssertionJson {
    /// Checks what can be checked without knowing what was asked for.
    ///
    /// # Errors
    ///
    /// [`AssertionError`], which names the field.
    pub fn check_shape(&self) -> Result<(), AssertionError> {
        if self.kind != "public-key" {
            return Err(AssertionError { field: "type", problem: "must be public-key" });
        }
        for (field, text) in [
            ("id", &self.id),
            ("rawId", &self.raw_id),
            ("response.clientDataJSON", &self.client_data_json),
            ("response.authenticatorData", &self.authenticator_data),
            ("response.signature", &self.signature),
        ] {
            bytes(field, text)?;
        }
        if let Some(handle) = &self.user_handle {
            bytes("response.userHandle", handle)?;
        }
        Ok(())
    }

    /// Checks everything that can be checked without the public key, which WhatsApp has.
    ///
    /// # Errors
    ///
    /// [`AssertionError`], which names the field.
    pub fn check(&self, request: &PasskeyRequest) -> Result<Assertion, AssertionError> {
        self.check_shape()?;
        let wrong = |field, problem| AssertionError { field, problem };
        let credential = bytes("rawId", &self.raw_id)?;
        if bytes("id", &self.id)? != credential {
            return Err(wrong("id", "is not that of rawId"));
        }
        let field = "response.clientDataJSON";
        let signed: ClientData = serde_json::from_slice(&bytes(field, &self.client_data_json)?)
            .map_err(|_malformed| wrong(field, "holds no client data"))?;
        if signed.kind != "webauthn.get" {
            return Err(wrong(field, "is not of an authentication"));
        }
        if unpadded(&signed.challenge) != unpadded(request.challenge()) {
            return Err(wrong(field, "answers another challenge than the one that was asked for"));
        }
        // As WhatsApp Web sends it; whatever else a browser adds stays here.
        let json = json!({
            "id": self.id,
            "rawId": self.raw_id,
            "type": self.kind,
            "response": {
                "clientDataJSON": self.client_data_json,
                "authenticatorData": self.authenticator_data,
                "signature": self.signature,
                "userHandle": self.user_handle,
            },
        });
        Ok(Assertion { credential, json: json.to_string() })
    }
}

fn bytes(field: &'static str, text: &str) -> Result<Vec<u8>, AssertionError> {
    let read = Some(text).filter(|text| (1..=FIELD_MAX).contains(&text.len())).and_then(decode);
    read.ok_or(AssertionError { field, problem: "must be base64url without padding" })
}

fn decode(text: &str) -> Option<Vec<u8>> {
    BASE64URL.decode(text).ok()
}

fn unpadded(text: &str) -> &str {
    text.trim_end_matches('=')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> PasskeyRequest {
        PasskeyRequest::parse(
            r#"{"challenge":"Y2hhbGxlbmdl","rpId":"web.whatsapp.com","timeout":60000}"#,
        )
        .unwrap()
    }

    fn assertion(client_data: &str) -> AssertionJson {
        AssertionJson {
            id: "Y3JlZA".to_owned(),
            raw_id: "Y3JlZA".to_owned(),
            kind: "public-key".to_owned(),
            client_data_json: BASE64URL.encode(client_data),
            authenticator_data: "ZGF0YQ".to_owned(),
            signature: "c2ln".to_owned(),
            user_handle: None,
        }
    }

    const SIGNED: &str = r#"{"type":"webauthn.get","challenge":"Y2hhbGxlbmdl","origin":"x"}"#;

    #[test]
    fn a_request_is_read_or_refused() {
        let request = request();
        assert_eq!(request.rp_id(), Some("web.whatsapp.com"));
        assert_eq!(request.challenge(), "Y2hhbGxlbmdl");
        assert_eq!(request.patience(), Some(Duration::from_mins(1)));
        for text in ["", "[]", "{}", r#"{"challenge":5}"#, r#"{"challenge":""}"#] {
            assert_eq!(PasskeyRequest::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_good_assertion_is_handed_on() {
        let checked = assertion(SIGNED).check(&request()).unwrap();

        assert_eq!(checked.credential, b"cred");
        let json: Value = serde_json::from_str(&checked.json).unwrap();
        assert_eq!(json["response"]["signature"], "c2ln");
        assert_eq!(json["response"]["userHandle"], Value::Null);
        assert_eq!(json.as_object().unwrap().len(), 4);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let refused = |change: fn(&mut AssertionJson)| {
            let mut assertion = assertion(SIGNED);
            change(&mut assertion);
            assertion.check(&request()).unwrap_err().to_string()
        };
        assert!(refused(|a| a.kind = "password".to_owned()).starts_with("type: "));
        assert!(refused(|a| a.raw_id = "!".to_owned()).starts_with("rawId: "));
        assert!(refused(|a| a.id = "b3RoZXI".to_owned()).starts_with("id: "));
        assert!(refused(|a| a.signature.clear()).starts_with("response.signature: "));
        assert!(refused(|a| a.signature = "c2ln=".to_owned()).contains("padding"));
        assert!(refused(|a| a.signature = "A".repeat(20_000)).contains("signature"));
        assert!(refused(|a| a.user_handle = Some(String::new())).contains("userHandle"));
        for signed in [
            "{}",
            r#"{"type":"webauthn.create","challenge":"Y2hhbGxlbmdl"}"#,
            r#"{"type":"webauthn.get","challenge":"b3RoZXI"}"#,
        ] {
            assert!(assertion(signed).check(&request()).is_err(), "{signed}");
        }
    }
}
