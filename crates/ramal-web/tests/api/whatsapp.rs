//! A scripted WhatsApp.

use std::time::Duration;

use async_trait::async_trait;
use ramal_domain::{PhoneNumber, WireId};
use ramal_session::{
    Connection, LogoutError, OpenError, OpenSpec, ProbeError, Provider, SendError, Signal,
};
use tokio::sync::mpsc;

/// A phone number that WhatsApp cannot be reached for.
pub(crate) const UNREACHABLE: &str = "+5511999990888";
/// A phone number that WhatsApp never answers for.
pub(crate) const SILENT: &str = "+5511999990555";

const MINUTE: Duration = Duration::from_mins(1);

/// Gives codes at once, except for the two phone numbers above.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scripted;

#[async_trait]
impl Provider for Scripted {
    async fn open(&self, spec: OpenSpec) -> Result<Box<dyn Connection>, OpenError> {
        let phone = spec.phone.e164();
        let script = if phone == UNREACHABLE {
            let refused = Signal::DialFailed { timed_out: false };
            vec![refused.clone(), refused]
        } else if phone == SILENT {
            Vec::new()
        } else {
            let code = "ABCD-1234".to_owned();
            vec![
                Signal::Qr { text: "2@a,b,c,d,e".to_owned(), valid_for: MINUTE },
                Signal::PairingCode { code, valid_for: MINUTE },
            ]
        };
        for signal in script {
            spec.signals.send(signal).await.unwrap();
        }
        Ok(Box::new(Client { _signals: spec.signals }))
    }
}

/// A client that runs, and so may still signal, until its session drops it.
#[derive(Debug)]
struct Client {
    _signals: mpsc::Sender<Signal>,
}

#[async_trait]
impl Connection for Client {
    async fn send_text(
        &self,
        _wire_id: &WireId,
        _to: &PhoneNumber,
        _text: &str,
    ) -> Result<(), SendError> {
        Ok(())
    }

    async fn probe(&self) -> Result<(), ProbeError> {
        Ok(())
    }

    async fn logout(&self) -> Result<(), LogoutError> {
        Ok(())
    }

    async fn close(&self) {}
}
