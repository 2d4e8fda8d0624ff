//! From the library's events to signals: pure, but for the handler at the end.

use std::sync::{
    Arc, OnceLock, Weak,
    atomic::{AtomicBool, Ordering},
};

use ramal_domain::{CloseReason, Timestamp, WireId};
use ramal_session::{Account, ReceiptKind, Signal};
use tokio::sync::Notify;
use wacore::types::{
    events::{
        ConnectFailureReason, Event, EventHandler, EventInterest, EventKind, MessageBatch, Receipt,
        ServerAck,
    },
    presence::ReceiptType,
};
use whatsapp_rust::{Client, Jid};

use crate::{
    acks::{Acks, Nack},
    reporter::Reporter,
};

/// What an event means to us.
#[derive(Debug, PartialEq)]
pub(crate) enum Meaning {
    /// The session is told.
    Tell(Signal),
    /// Logged in; who we are is read from the client.
    Opened,
    /// Our profile name is another one now.
    Renamed,
    /// The socket is gone.
    Lost,
    /// The pairing code is void: ask for another one.
    RenewCode,
    /// The last QR code ran out, and with it the attempt if `over`.
    CodesExhausted {
        /// Whether no pairing code is outstanding either: the library has stopped.
        over: bool,
    },
    /// The client must stop.
    End(CloseReason),
    /// The server's word on a message of ours.
    Ack {
        /// The message.
        wire_id: String,
        /// Taken, or the refusal.
        outcome: Result<(), Nack>,
    },
    /// Of no interest.
    Nothing,
}

/// Reads an event. `own` are our JIDs: receipts of our own devices say nothing about a recipient.
#[expect(clippy::wildcard_enum_match_arm, reason = "some fifty kinds of events do not concern us")]
pub(crate) fn read(event: &Event, own: &[Jid]) -> Meaning {
    match event {
        Event::PairingQrCode(code) => {
            Meaning::Tell(Signal::Qr { text: code.code.clone(), valid_for: code.timeout })
        }
        Event::PairingCode(code) => Meaning::Tell(Signal::PairingCode {
            code: with_dash(&code.code),
            valid_for: code.timeout,
        }),
        Event::PairingCodeError(error) => {
            Meaning::Tell(Signal::NoPairingCode { reason: error.error.clone() })
        }
        Event::PairingCodeRefresh(_) => Meaning::RenewCode,
        Event::PairingQrCodesExhausted(exhausted) => {
            Meaning::CodesExhausted { over: exhausted.disconnected }
        }
        Event::PairSuccess(pair) => Meaning::Tell(Signal::Paired(Account {
            jid: named(&pair.id),
            lid: named(&pair.lid),
            profile_name: Some(pair.business_name.clone()).filter(|name| !name.is_empty()),
        })),
        Event::PairError(_) => Meaning::End(CloseReason::PairingRefused),
        Event::PairPasskeyRequest(_) | Event::PairPasskeyError(_) => {
            Meaning::End(CloseReason::PasskeyRequired)
        }
        Event::Connected(_) => Meaning::Opened,
        Event::SelfPushNameUpdated(_) => Meaning::Renamed,
        Event::Disconnected(_) => Meaning::Lost,
        Event::LoggedOut(logged_out) => Meaning::End(refusal(logged_out.reason)),
        Event::StreamReplaced(_) => Meaning::End(CloseReason::Replaced),
        Event::TemporaryBan(_) => Meaning::End(CloseReason::Restricted),
        Event::ClientOutdated(_) => Meaning::End(CloseReason::ClientOutdated),
        // The library connects again after these two.
        Event::ConnectFailure(failure) if failure.reason.should_reconnect() => Meaning::Lost,
        Event::ConnectFailure(failure) => Meaning::End(refusal(failure.reason)),
        Event::Receipt(receipt) => read_receipt(receipt, own),
        Event::ServerAck(ack) => read_ack(ack),
        _ => Meaning::Nothing,
    }
}

/// What a `<failure>` at login means. Names as WhatsApp Web has them (2026): 403 is "locked", 406 is
/// "banned" though the library calls it `UnknownLogout`; both need the owner's appeal in the app, and
/// neither proves that the credentials are worthless.
fn refusal(reason: ConnectFailureReason) -> CloseReason {
    use ConnectFailureReason as R;
    match reason {
        R::LoggedOut => CloseReason::LoggedOut,
        R::TempBanned => CloseReason::Restricted,
        R::AccountLocked | R::UnknownLogout => CloseReason::Banned,
        R::ClientOutdated | R::BadUserAgent | R::ClientUnknown => CloseReason::ClientOutdated,
        R::Generic
        | R::CatExpired
        | R::CatInvalid
        | R::NotFound
        | R::InternalServerError
        | R::Experimental
        | R::ServiceUnavailable
        | R::Unknown(_) => CloseReason::Network,
    }
}

fn read_receipt(receipt: &Receipt, own: &[Jid]) -> Meaning {
    // Not told: `sent` (the recipient's device cannot have it), `inactive` (it came to a device
    // that is asleep), receipts among our own devices, and requests to repeat.
    let kind = if receipt.r#type == ReceiptType::Delivered {
        ReceiptKind::Delivered
    } else if matches!(receipt.r#type, ReceiptType::Read | ReceiptType::Played) {
        ReceiptKind::Read
    } else {
        return Meaning::Nothing;
    };
    let ours = |jid: &Jid| own.iter().any(|own| own.is_same_chat_as(jid));
    if ours(&receipt.source.sender) || receipt.source.is_from_me {
        return Meaning::Nothing;
    }
    Meaning::Tell(Signal::Receipt {
        wire_ids: receipt.message_ids.iter().map(|id| WireId::from_text(id.clone())).collect(),
        kind,
        at: Timestamp::from_millis(receipt.timestamp.timestamp_millis()),
    })
}

fn read_ack(ack: &ServerAck) -> Meaning {
    if ack.class.as_deref() != Some("message") {
        return Meaning::Nothing;
    }
    let outcome = ack.error.clone().map_or(Ok(()), |code| Err(Nack(code)));
    Meaning::Ack { wire_id: ack.id.clone(), outcome }
}

/// `ABCD1234` as WhatsApp shows it on the phone: `ABCD-1234`.
fn with_dash(code: &str) -> String {
    match code.split_at_checked(4) {
        Some((head, tail)) if !tail.is_empty() && !code.contains('-') => format!("{head}-{tail}"),
        Some(_) | None => code.to_owned(),
    }
}

fn named(jid: &Jid) -> Option<String> {
    (!jid.user.is_empty()).then(|| jid.to_string())
}

/// Who the client is logged in as.
pub(crate) fn account(client: &Client) -> Account {
    Account {
        jid: client.pn().as_ref().and_then(named),
        lid: client.lid().as_ref().and_then(named),
        profile_name: Some(client.push_name()).filter(|name| !name.is_empty()),
    }
}

/// The library's event handler. Runs inside its read loop: it must not wait.
pub(crate) struct Ears {
    pub(crate) reporter: Arc<Reporter>,
    pub(crate) acks: Acks,
    /// Set once, right after the client is built and before it runs.
    pub(crate) client: Arc<OnceLock<Weak<Client>>>,
    /// Rung when the pairing code is void.
    pub(crate) renew_code: Arc<Notify>,
    /// Whether codes are still of use. Cleared by the first pairing or login.
    pub(crate) pairing: AtomicBool,
}

const INTERESTS: [EventKind; 20] = [
    EventKind::PairingQrCode,
    EventKind::PairingCode,
    EventKind::PairingCodeError,
    EventKind::PairingCodeRefresh,
    EventKind::PairingQrCodesExhausted,
    EventKind::PairSuccess,
    EventKind::PairError,
    EventKind::PairPasskeyRequest,
    EventKind::PairPasskeyError,
    EventKind::Connected,
    EventKind::SelfPushNameUpdated,
    EventKind::Disconnected,
    EventKind::LoggedOut,
    EventKind::StreamReplaced,
    EventKind::TemporaryBan,
    EventKind::ClientOutdated,
    EventKind::ConnectFailure,
    EventKind::Receipt,
    EventKind::ServerAck,
    EventKind::Messages,
];

impl EventHandler for Ears {
    fn handle_event(&self, event: Arc<Event>) {
        // A missing code may mean that there was no socket to ask through.
        if !matches!(*event, Event::PairingCodeError(_) | Event::Disconnected(_)) {
            self.reporter.answered();
        }
        if let Event::Messages(batch) = event.as_ref() {
            self.hear_messages(batch);
            return;
        }
        let client = self.client.get().and_then(Weak::upgrade);
        let own: Vec<Jid> = match (event.as_ref(), &client) {
            (Event::Receipt(_), Some(client)) => {
                [client.pn(), client.lid()].into_iter().flatten().collect()
            }
            _ => Vec::new(),
        };
        match read(&event, &own) {
            Meaning::Tell(signal) => {
                if matches!(signal, Signal::Paired(_)) {
                    self.pairing.store(false, Ordering::SeqCst);
                }
                self.reporter.tell(signal);
            }
            Meaning::Opened => {
                if let Some(client) = client {
                    self.pairing.store(false, Ordering::SeqCst);
                    self.reporter.opened(account(&client));
                }
            }
            Meaning::Renamed => {
                if let Some(client) = client {
                    self.reporter.renamed(account(&client));
                }
            }
            Meaning::Lost => {
                self.acks.give_up();
                self.reporter.lost();
                if self.pairing.load(Ordering::SeqCst) {
                    // The server forgets the code together with the socket.
                    self.renew_code.notify_one();
                }
            }
            Meaning::RenewCode => self.renew_code.notify_one(),
            Meaning::CodesExhausted { over } => {
                self.reporter.tell(Signal::CodesExhausted);
                if over {
                    self.reporter.end(CloseReason::CodesExpired);
                }
            }
            Meaning::End(reason) => {
                self.acks.give_up();
                self.reporter.end(reason);
            }
            Meaning::Ack { wire_id, outcome } => self.acks.settle(&wire_id, outcome),
            Meaning::Nothing => {}
        }
    }

    fn interest(&self) -> EventInterest {
        EventInterest::of(&INTERESTS)
    }
}

impl Ears {
    /// Messages pass the durability hook before they come here, but for those that the phone
    /// recovered for us (placeholders) and newsletters.
    fn hear_messages(&self, batch: &MessageBatch) {
        if !batch.hook_committed {
            self.reporter.recovered(batch.clone());
        }
    }
}

#[cfg(test)]
mod tests;
