//! What a newcomer reads first.

use serde_json::Value;

use crate::Shown;

/// Where to look, and the three lines that show everything: create, scan, send.
/// And the one that creates an official number, at the offline Meta: `official` is its body.
pub(crate) fn text(url: &str, shown: &Shown<'_>, official: &Value) -> String {
    let Shown { key, dashboard } = shown;
    format!(
        r#"
Ramal sandbox: {url}
Tenant key:    {key}
Dashboard:     {dashboard}
               (the link signs you in; on its page "Phones" are the virtual phones)

Or by the API:

1. Create a number (its QR code is drawn here as well):
   curl -s {url}/v1/numbers -H 'x-api-key: {key}' -d '{{"name":"My WhatsApp","number":"+5511999990001"}}' | tee /tmp/ramal-number.json

2. Let its virtual phone scan the QR code:
   curl -s {url}/sandbox/phones/+5511999990001/scan -d @/tmp/ramal-number.json

3. Send a text from it:
   curl -s {url}/v1/messages/send -H 'x-api-key: {key}' -H "x-whatsapp-number-id: $(grep -o 'wa_[a-z0-9]*' /tmp/ramal-number.json | head -1)" -d '{{"destinationNumber":"+5511999990002","text":"Hello!"}}'

   The virtual phone that got it:
   curl -s {url}/sandbox/phones/+5511999990002/messages

An official number (Meta's Cloud API; Meta is offline as well, its control API is at {url}/sandbox/graph):
   curl -s {url}/v1/numbers/meta -H 'x-api-key: {key}' -d '{official}'

On the command line (`cargo build -p ramal-server` makes target/debug/ramal; docs/cli.md has its commands):
   export RAMAL_URL={url} RAMAL_KEY={key}

Stop with Ctrl-C.
"#
    )
}
