//! From the library's events to signals: pure, but for the handler at the end.

use std::{
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use ramal_domain::{CloseReason, PasskeyRequest, Timestamp, WireId};
use ramal_session::{Account, Call, Signal};
use tokio::sync::{Notify, mpsc};
use wacore::{
    stanza::groups::GroupNotificationAction,
    types::{
        call::{CallAction, IncomingCall},
        events::{
            ConnectFailureReason, Event, EventHandler, EventInterest, EventKind, LoggedOut,
            MessageBatch, Receipt, ServerAck, UndecryptableMessage,
        },
        presence::ReceiptType,
    },
};
use whatsapp_rust::{Client, Jid, wacore_binary::Node};

use crate::{
    acks::{Acks, Nack},
    identity::phone_of,
    inbound::Unhooked,
    names::Names,
    passkey::Gate,
    receipts::{Heard, Receipts},
    reporter::Reporter,
};

/// What an event means to us.
#[derive(Debug, PartialEq)]
pub(crate) enum Meaning {
    /// The session is told.
    Tell(Signal),
    /// A person must sign with the account's passkey.
    AskForPasskey(PasskeyRequest),
    /// A person must compare this code with the phone's.
    Compare(String),
    /// The client must stop, for the account is restricted for so long.
    Restrict(Duration),
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
    /// The other side got or read messages of ours.
    Receipt(Heard),
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
        Event::PairPasskeyRequest(request) => {
            let request = PasskeyRequest::parse(&request.request_options_json);
            // What cannot be read cannot be answered.
            let unanswerable = Meaning::End(CloseReason::PasskeyRequired);
            request.map_or(unanswerable, Meaning::AskForPasskey)
        }
        Event::PairPasskeyConfirmation(confirmation) => Meaning::Compare(confirmation.code.clone()),
        // After the assertion it is a refusal; before, WhatsApp did not say what it wants.
        Event::PairPasskeyError(error) if error.continuation => {
            Meaning::End(CloseReason::PasskeyRefused)
        }
        Event::PairPasskeyError(_) => Meaning::End(CloseReason::PasskeyRequired),
        Event::Connected(_) => Meaning::Opened,
        Event::SelfPushNameUpdated(_) => Meaning::Renamed,
        Event::Disconnected(_) => Meaning::Lost,
        Event::LoggedOut(logged_out) if !is_confirmed(logged_out) => {
            Meaning::End(CloseReason::Network)
        }
        Event::LoggedOut(logged_out) => Meaning::End(refusal(logged_out.reason)),
        Event::StreamReplaced(_) => Meaning::End(CloseReason::Replaced),
        Event::TemporaryBan(ban) => Meaning::Restrict(ban.expire.to_std().unwrap_or_default()),
        Event::ClientOutdated(_) => Meaning::End(CloseReason::ClientOutdated),
        // The library connects again after these two.
        Event::ConnectFailure(failure) if failure.reason.should_reconnect() => Meaning::Lost,
        Event::ConnectFailure(failure) => Meaning::End(refusal(failure.reason)),
        Event::Receipt(receipt) => read_receipt(receipt, own),
        Event::ServerAck(ack) => read_ack(ack),
        Event::IncomingCall(call) => read_call(call),
        _ => Meaning::Nothing,
    }
}

/// Whether a logout is one for certain: the login was refused, or the end of the stream says that the
/// device was removed. A bare 401 in the middle of a stream may be anything, so the login after it
/// has the last word; until then the credentials are believed good.
fn is_confirmed(logged_out: &LoggedOut) -> bool {
    let removed = |stanza: &Node| {
        let code = stanza.attrs().optional_string("code").is_some_and(|code| *code == *"516");
        code || stanza.get_optional_child("conflict").is_some()
    };
    logged_out.on_connect || logged_out.raw.as_ref().is_some_and(removed)
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
    let said = if receipt.r#type == ReceiptType::Delivered {
        ramal_store::Receipt::Delivered
    } else if matches!(receipt.r#type, ReceiptType::Read | ReceiptType::Played) {
        ramal_store::Receipt::Read
    } else {
        return Meaning::Nothing;
    };
    let ours = |jid: &Jid| own.iter().any(|own| own.is_same_chat_as(jid));
    if ours(&receipt.source.sender) || receipt.source.is_from_me {
        return Meaning::Nothing;
    }
    Meaning::Receipt(Heard {
        wire_ids: receipt.message_ids.iter().map(|id| WireId::from_text(id.clone())).collect(),
        receipt: said,
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

/// Only a fresh offer rings. One from the time when we were away comes as another event: that caller
/// has long given up.
fn read_call(call: &IncomingCall) -> Meaning {
    let CallAction::Offer { call_id, call_creator, caller_pn, group_jid, .. } = &call.action else {
        return Meaning::Nothing;
    };
    let names = caller_pn.iter().chain([call_creator, &call.from]);
    Meaning::Tell(Signal::Called(Call {
        id: call_id.clone(),
        peer: call.from.to_string(),
        creator: call_creator.to_string(),
        phone: names.into_iter().find_map(phone_of),
        group: group_jid.is_some() || call.group.is_some(),
    }))
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

/// What WhatsApp calls us, for events in which that matters.
fn own_names(event: &Event, client: Option<&Client>) -> Vec<Jid> {
    let client = client.filter(|_| matches!(event, Event::Receipt(_)));
    client.map(|client| [client.pn(), client.lid()]).into_iter().flatten().flatten().collect()
}

/// The library's event handler. Runs inside its read loop: it must not wait.
pub(crate) struct Ears {
    pub(crate) reporter: Arc<Reporter>,
    pub(crate) acks: Acks,
    pub(crate) receipts: Arc<Receipts>,
    /// Set once, right after the client is built and before it runs.
    pub(crate) client: Arc<OnceLock<Weak<Client>>>,
    /// Rung when the pairing code is void.
    pub(crate) renew_code: Arc<Notify>,
    /// Closed while a passkey is asked for.
    pub(crate) gate: Gate,
    /// Learns the new names of groups.
    pub(crate) names: Names,
    /// Takes the chunks of history that the phone shares.
    pub(crate) history: mpsc::Sender<Arc<Event>>,
    /// Whether codes are still of use. Cleared by the first pairing or login.
    pub(crate) pairing: AtomicBool,
}

const INTERESTS: [EventKind; 25] = [
    EventKind::PairingQrCode,
    EventKind::PairingCode,
    EventKind::PairingCodeError,
    EventKind::PairingCodeRefresh,
    EventKind::PairingQrCodesExhausted,
    EventKind::PairSuccess,
    EventKind::PairError,
    EventKind::PairPasskeyRequest,
    EventKind::PairPasskeyConfirmation,
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
    EventKind::UndecryptableMessage,
    EventKind::IncomingCall,
    EventKind::GroupUpdate,
    EventKind::HistorySync,
];

impl EventHandler for Ears {
    fn handle_event(&self, event: Arc<Event>) {
        // A missing code may mean that there was no socket to ask through.
        if !matches!(*event, Event::PairingCodeError(_) | Event::Disconnected(_)) {
            self.reporter.answered();
        }
        if self.hear(&event) {
            return;
        }
        let client = self.client.get().and_then(Weak::upgrade);
        match read(&event, &own_names(&event, client.as_deref())) {
            Meaning::Tell(signal) => {
                if matches!(signal, Signal::Paired(_)) {
                    self.pairing.store(false, Ordering::SeqCst);
                    self.gate.open();
                }
                self.reporter.tell(signal);
            }
            Meaning::AskForPasskey(request) => {
                if self.pairing.load(Ordering::SeqCst) {
                    self.gate.ask(request, &self.reporter);
                }
            }
            Meaning::Compare(code) => self.gate.compare(code, &self.reporter),
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
                if self.gate.is_closed() {
                    // The server forgets the question, too.
                    self.reporter.end(CloseReason::PasskeyRequired);
                } else if self.pairing.load(Ordering::SeqCst) {
                    // The server forgets the code together with the socket.
                    self.renew_code.notify_one();
                }
            }
            Meaning::RenewCode => {
                if !self.gate.is_closed() {
                    self.renew_code.notify_one();
                }
            }
            Meaning::CodesExhausted { over } => {
                self.reporter.tell(Signal::CodesExhausted);
                if over {
                    self.reporter.end(CloseReason::CodesExpired);
                }
            }
            Meaning::Restrict(lasts) => {
                self.acks.give_up();
                self.reporter.tell(Signal::Restricted { lasts });
                self.reporter.end(CloseReason::Restricted);
            }
            Meaning::End(reason) => {
                self.acks.give_up();
                self.reporter.end(reason);
            }
            Meaning::Ack { wire_id, outcome } => self.acks.settle(&wire_id, outcome),
            Meaning::Receipt(heard) => self.keep(heard),
            Meaning::Nothing => {}
        }
    }

    fn interest(&self) -> EventInterest {
        EventInterest::of(&INTERESTS)
    }
}

impl Ears {
    /// Takes what does not concern the session; returns whether this was such.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the rest is read elsewhere")]
    fn hear(&self, event: &Arc<Event>) -> bool {
        match event.as_ref() {
            Event::Messages(batch) => self.hear_messages(batch),
            Event::UndecryptableMessage(message) => self.hear_unreadable(message),
            Event::GroupUpdate(update) => {
                if let GroupNotificationAction::Subject { subject, .. } = &update.action {
                    self.names.learn(&update.group_jid, subject);
                }
            }
            Event::HistorySync(_) => {
                if self.history.try_send(Arc::clone(event)).is_err() {
                    tracing::warn!("the phone shares more history than can wait; a chunk is lost");
                }
            }
            _ => return false,
        }
        true
    }

    /// Nothing is lost when there is no room: WhatsApp tells it to the next client.
    fn keep(&self, heard: Heard) {
        if !self.receipts.hear(heard) {
            self.reporter.end(CloseReason::Network);
        }
    }

    /// Messages pass the durability hook before they come here, but for those that the phone
    /// recovered for us (placeholders) and newsletters.
    fn hear_messages(&self, batch: &MessageBatch) {
        if !batch.hook_committed {
            self.reporter.unhooked(Unhooked::Recovered(batch.clone()));
        }
    }

    /// What the phone never gives its companions, such as media that may be viewed once, is stored as
    /// something unknown. Of anything else no row is made: its sender or the phone may send it again, and it
    /// must find its place free then.
    fn hear_unreadable(&self, message: &UndecryptableMessage) {
        if message.unavailable_type.is_unrecoverable_fanout() {
            self.reporter.unhooked(Unhooked::Withheld(Arc::clone(&message.info)));
            return;
        }
        metrics::counter!("whatsapp_unreadable_total").increment(1);
        tracing::warn!(
            message.unavailable = message.is_unavailable,
            "a message could not be read; it is asked for again"
        );
    }
}

#[cfg(test)]
mod tests;
