//! JSON as Meta writes it: ASCII only, `/` escaped.

use std::fmt::Write as _;

use serde_json::Value;

/// The bytes that are signed and sent.
pub(super) fn encode(value: &Value) -> String {
    let mut out = String::new();
    // Outside of texts, JSON has neither slashes nor letters beyond ASCII.
    for character in value.to_string().chars() {
        if character == '/' {
            out.push_str("\\/");
        } else if character.is_ascii() {
            out.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing to a text cannot fail.
                let _written = write!(out, "\\u{unit:04x}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::encode;
    use crate::graph::hmac_hex;

    #[test]
    fn what_is_not_ascii_is_escaped_in_lower_case() {
        assert_eq!(encode(&json!("café / 😀")), r#""caf\u00e9 \/ \ud83d\ude00""#);
    }

    #[test]
    fn an_encoded_body_reads_back_as_it_was() {
        let value = json!({ "text": "Zoë \\ \" \n / 日本", "n": 1.5 });

        assert_eq!(serde_json::from_str::<serde_json::Value>(&encode(&value)).unwrap(), value);
    }

    #[test]
    fn the_signature_is_over_the_raw_bytes() {
        let body = br#"{"object":"whatsapp_business_account","entry":[{"id":"102290129340398","changes":[{"value":{"messaging_product":"whatsapp","metadata":{"display_phone_number":"15550783881","phone_number_id":"106540352242922"},"contacts":[{"profile":{"name":"Zo\u00eb"},"wa_id":"16505551234"}],"messages":[{"from":"16505551234","id":"wamid.TEST","timestamp":"1749416383","type":"text","text":{"body":"caf\u00e9 \/ ok"}}]},"field":"messages"}]}]}"#;

        assert_eq!(
            hmac_hex("614fc2afde15eee07a26b2fe3eaee9b9", body),
            "e56a58beaef11f034c733ef34e2492f60fc8f7d75aae11a789c7d295acad2379"
        );
    }
}
