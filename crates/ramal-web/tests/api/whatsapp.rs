//! A scripted WhatsApp.

use std::{
    fs::File,
    io::{Seek as _, Write as _},
    time::Duration,
};

use async_trait::async_trait;
use ramal_domain::{Assertion, CloseReason, PasskeyRequest, PhoneNumber};
use ramal_session::{
    Account, Connection, LogoutError, MediaError, OpenError, OpenSpec, PasskeyError, ProbeError,
    Provider, SendError, Signal,
};
use ramal_store::{QueuedMessage, RemoteMedia};
use tokio::sync::mpsc;

/// A phone number that WhatsApp cannot be reached for.
pub(crate) const UNREACHABLE: &str = "+5511999990888";
/// A phone number that WhatsApp never answers for.
pub(crate) const SILENT: &str = "+5511999990555";

/// A phone number whose account asks for a passkey right after the codes.
pub(crate) const GATED: &str = "+5511999990444";
/// What it asks to sign.
pub(crate) const CHALLENGE: &str = "Y2hhbGxlbmdl";
/// What every medium is that it is asked for.
pub(crate) const MEDIA: &str = "a picture of somebody";
/// The credentials that it refuses, and does not answer to.
pub(crate) const BAD: &[u8] = b"bad";
pub(crate) const IGNORED: &[u8] = b"ignored";

const MINUTE: Duration = Duration::from_mins(1);

/// Gives codes at once, except for the first two phone numbers above.
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
            let qr = Signal::Qr { text: "2@a,b,c,d,e".to_owned(), valid_for: MINUTE };
            let options = format!(r#"{{"challenge":"{CHALLENGE}","rpId":"web.whatsapp.com"}}"#);
            let gate = PasskeyRequest::parse(&options).filter(|_| phone == GATED);
            let codes = [qr, Signal::PairingCode { code, valid_for: MINUTE }];
            codes.into_iter().chain(gate.map(Signal::PasskeyAsked)).collect()
        };
        for signal in script {
            spec.signals.send(signal).await.unwrap();
        }
        Ok(Box::new(Client { signals: spec.signals, phone: spec.phone }))
    }

    async fn open_media(&self, _remote: &RemoteMedia) -> Result<File, MediaError> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(MEDIA.as_bytes()).unwrap();
        file.rewind().unwrap();
        Ok(file)
    }
}

/// A client that runs, and so may still signal, until its session drops it.
#[derive(Debug)]
struct Client {
    signals: mpsc::Sender<Signal>,
    phone: PhoneNumber,
}

#[async_trait]
impl Connection for Client {
    async fn send(&self, _message: &QueuedMessage) -> Result<(), SendError> {
        Ok(())
    }

    async fn answer_passkey(&self, assertion: &Assertion) -> Result<(), PasskeyError> {
        if assertion.credential == BAD {
            self.signals.send(Signal::Ended(CloseReason::PasskeyRefused)).await.unwrap();
            return Err(PasskeyError::Refused("bad".into()));
        }
        if assertion.credential == IGNORED {
            return Err(PasskeyError::Silent("nobody is there".into()));
        }
        self.signals.send(Signal::PasskeyTaken).await.unwrap();
        self.signals.send(Signal::PasskeyCode("WXYZ-5678".to_owned())).await.unwrap();
        Ok(())
    }

    async fn confirm_passkey(&self) -> Result<(), PasskeyError> {
        let jid = Some(format!("{}:3@s.whatsapp.net", self.phone.digits()));
        let account = Account { jid, ..Account::default() };
        self.signals.send(Signal::Paired(account.clone())).await.unwrap();
        self.signals.send(Signal::Opened(account)).await.unwrap();
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
