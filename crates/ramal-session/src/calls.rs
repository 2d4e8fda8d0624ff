//! Calls: rejected, and answered in writing, as the number's settings say.

use std::time::Duration;

use ramal_domain::{Content, Peer, PhoneNumber, WireId};
use serde::Deserialize;

use crate::{
    Call, RejectError,
    actor::{Actor, Flow},
    ledger::{Answer, Fact},
};

/// How long a rejection may take to leave.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a number's settings say of calls. The names are those of contract C.5.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Etiquette {
    reject_call: Option<bool>,
    msg_reject_call: Option<String>,
}

impl Etiquette {
    fn of(settings: &str) -> Self {
        serde_json::from_str(settings).unwrap_or_else(|error| {
            tracing::error!(%error, "stored settings cannot be read");
            Self::default()
        })
    }
}

impl Actor {
    /// Rejects a call if the settings say so, and then queues the text that they have for the caller.
    /// A group that calls gets no text. WhatsApp may offer a call more than once; the text's id is
    /// derived from the call's, so that there is one text.
    pub(crate) async fn on_call(&self, call: Call) -> Flow {
        let row = self.context.store.read().await;
        let row = match row {
            Ok(mut tx) => tx.numbers().get(self.number).await,
            Err(error) => Err(error),
        };
        let row = match row {
            Ok(Some(row)) => row,
            Ok(None) => return Flow::Continue,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(number.id = %self.number, error, "a call rings: unknown settings");
                return Flow::Continue;
            }
        };
        let etiquette = Etiquette::of(&row.settings);
        if etiquette.reject_call != Some(true) {
            return Flow::Continue;
        }
        let caller = match self.reject(&call).await {
            Ok(caller) => caller,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(number.id = %self.number, error, "a call rings on");
                return Flow::Continue;
            }
        };
        tracing::info!(number.id = %self.number, "a call was rejected");
        let text = etiquette.msg_reject_call.filter(|text| !text.is_empty() && !call.group);
        let (Some(text), Some(to)) = (text, caller) else { return Flow::Continue };
        let wire_id = WireId::derived(&format!("{}/{}/{}", self.number, call.creator, call.id));
        let (to, content) = (Peer::Phone(to), Content::Text { body: text });
        let answer = Answer { tenant: row.tenant, wire_id, to, content };
        self.note(Fact::Answer(answer), "the answer to a call was not queued").await
    }

    async fn reject(&self, call: &Call) -> Result<Option<PhoneNumber>, RejectError> {
        let rejecting = self.connection.reject_call(call);
        match tokio::time::timeout(PATIENCE, rejecting).await {
            Ok(done) => done,
            Err(elapsed) => Err(RejectError(elapsed.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_let_ring_unless_settings_say_otherwise() {
        let of = |settings| Etiquette::of(settings).reject_call;

        assert_eq!((of("{}"), of(r#"{"rejectCall":null}"#), of("nonsense")), (None, None, None));
        assert_eq!(of(r#"{"rejectCall":true,"msgRejectCall":null}"#), Some(true));
    }
}
