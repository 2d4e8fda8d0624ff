use std::time::Duration;

use wacore::types::{
    events::{
        ClientOutdated, ConnectFailure, Connected, Disconnected, LoggedOut, PairError,
        PairPasskeyConfirmation, PairPasskeyError, PairPasskeyRequest, PairSuccess, PairingCode,
        PairingCodeError, PairingQrCode, PairingQrCodesExhausted, StreamError, StreamReplaced,
        TempBanReason, TemporaryBan,
    },
    message::MessageSource,
};

use whatsapp_rust::NodeBuilder;

use super::*;

fn jid(text: &str) -> Jid {
    text.parse().unwrap()
}

fn receipt(kind: ReceiptType, sender: &str) -> Event {
    let source = MessageSource { chat: jid(sender), sender: jid(sender), ..Default::default() };
    Event::Receipt(
        Receipt::builder()
            .source(source)
            .message_ids(vec!["3EB0A".to_owned(), "3EB0B".to_owned()])
            .timestamp(whatsapp_rust::chrono::DateTime::from_timestamp(1_780_000_000, 0).unwrap())
            .r#type(kind)
            .offline(false)
            .build(),
    )
}

fn logged_out(reason: ConnectFailureReason) -> Event {
    Event::LoggedOut(LoggedOut::builder().on_connect(true).reason(reason).build())
}

fn failed(reason: ConnectFailureReason) -> Event {
    Event::ConnectFailure(ConnectFailure::builder().reason(reason).build())
}

#[test]
fn codes_are_told_with_their_life() {
    let minute = Duration::from_mins(1);
    let qr = PairingQrCode::builder().code("2@x".to_owned()).timeout(minute).build();
    let code = PairingCode::builder().code("ABCD1234".to_owned()).timeout(minute).build();

    assert_eq!(
        read(&Event::PairingQrCode(qr), &[]),
        Meaning::Tell(Signal::Qr { text: "2@x".to_owned(), valid_for: minute })
    );
    assert_eq!(
        read(&Event::PairingCode(code), &[]),
        Meaning::Tell(Signal::PairingCode { code: "ABCD-1234".to_owned(), valid_for: minute })
    );
}

#[test]
fn a_code_is_cut_in_the_middle_once() {
    assert_eq!(with_dash("ABCD1234"), "ABCD-1234");
    assert_eq!(with_dash("ABCD-1234"), "ABCD-1234");
    assert_eq!(with_dash("ABC"), "ABC");
    assert_eq!(with_dash("ÄÖÜßabcd"), "ÄÖ-Üßabcd");
}

#[test]
fn a_missing_code_and_exhausted_codes_are_told_apart() {
    let error = PairingCodeError::builder().error("throttled".to_owned()).build();
    assert_eq!(
        read(&Event::PairingCodeError(error), &[]),
        Meaning::Tell(Signal::NoPairingCode { reason: "throttled".to_owned() })
    );
    for over in [true, false] {
        let exhausted = PairingQrCodesExhausted::builder().disconnected(over).build();
        assert_eq!(
            read(&Event::PairingQrCodesExhausted(exhausted), &[]),
            Meaning::CodesExhausted { over }
        );
    }
}

#[test]
fn pairing_names_the_account() {
    let pair = PairSuccess::builder()
        .id(jid("5511999999999:3@s.whatsapp.net"))
        .lid(jid("900:3@lid"))
        .business_name(String::new())
        .platform("android".to_owned())
        .build();

    assert_eq!(
        read(&Event::PairSuccess(pair), &[]),
        Meaning::Tell(Signal::Paired(Account {
            jid: Some("5511999999999:3@s.whatsapp.net".to_owned()),
            lid: Some("900:3@lid".to_owned()),
            profile_name: None,
        }))
    );
}

#[test]
fn a_refused_pairing_ends_the_attempt() {
    let error = PairError::builder()
        .id(Jid::default())
        .lid(Jid::default())
        .business_name(String::new())
        .platform(String::new())
        .error("bad signature".to_owned())
        .build();

    assert_eq!(read(&Event::PairError(error), &[]), Meaning::End(CloseReason::PairingRefused));
}

#[test]
fn a_passkey_is_asked_for_compared_or_refused() {
    let ask = |options: &str| {
        let request =
            PairPasskeyRequest::builder().request_options_json(options.to_owned()).build();
        read(&Event::PairPasskeyRequest(request), &[])
    };
    let options = r#"{"challenge":"Y2hhbGxlbmdl","rpId":"web.whatsapp.com"}"#;
    let request = PasskeyRequest::parse(options).unwrap();
    assert_eq!(ask(options), Meaning::AskForPasskey(request));
    assert_eq!(ask("{}"), Meaning::End(CloseReason::PasskeyRequired));

    let code = "ABCD-1234".to_owned();
    let confirmation =
        PairPasskeyConfirmation::builder().code(code.clone()).skip_handoff_ux(false).build();
    assert_eq!(read(&Event::PairPasskeyConfirmation(confirmation), &[]), Meaning::Compare(code));
    for (continuation, reason) in
        [(false, CloseReason::PasskeyRequired), (true, CloseReason::PasskeyRefused)]
    {
        let error =
            PairPasskeyError::builder().error(String::new()).continuation(continuation).build();
        assert_eq!(read(&Event::PairPasskeyError(error), &[]), Meaning::End(reason));
    }
}

#[test]
fn a_restriction_says_for_how_long() {
    let ban = TemporaryBan::builder()
        .code(TempBanReason::SentToTooManyPeople)
        .expire(whatsapp_rust::chrono::Duration::seconds(3_600))
        .build();

    assert_eq!(read(&Event::TemporaryBan(ban), &[]), Meaning::Restrict(Duration::from_hours(1)));
}

/// The end of a stream, as the library reports it: a logout that nobody has confirmed yet.
fn stream_401(node: NodeBuilder) -> Event {
    let reason = ConnectFailureReason::LoggedOut;
    Event::LoggedOut(
        LoggedOut::builder().on_connect(false).reason(reason).raw(node.build()).build(),
    )
}

#[test]
fn only_a_confirmed_logout_is_one() {
    let error = || NodeBuilder::new("stream:error");
    let removed = NodeBuilder::new("conflict").attr("type", "device_removed").build();
    for (event, reason) in [
        (stream_401(error().attr("code", "401")), CloseReason::Network),
        (stream_401(error().attr("code", "401").children([removed])), CloseReason::LoggedOut),
        (stream_401(error().attr("code", "516")), CloseReason::LoggedOut),
        (logged_out(ConnectFailureReason::LoggedOut), CloseReason::LoggedOut),
        (logged_out(ConnectFailureReason::AccountLocked), CloseReason::Banned),
        (failed(ConnectFailureReason::Generic), CloseReason::Network),
        (failed(ConnectFailureReason::CatExpired), CloseReason::Network),
    ] {
        let meaning = read(&event, &[]);
        assert_eq!(meaning, Meaning::End(reason));
        assert_eq!(reason.forgets_credentials(), reason == CloseReason::LoggedOut);
    }
}

#[test]
fn a_stream_error_is_no_end_by_itself() {
    let error = StreamError::builder().code("503".to_owned()).build();
    assert_eq!(read(&Event::StreamError(error), &[]), Meaning::Nothing);
}

#[test]
fn every_end_has_its_reason() {
    use ConnectFailureReason as R;
    let replaced = Event::StreamReplaced(StreamReplaced::builder().build());
    let outdated = Event::ClientOutdated(ClientOutdated::builder().build());
    for (event, reason) in [
        (logged_out(R::LoggedOut), CloseReason::LoggedOut),
        (logged_out(R::AccountLocked), CloseReason::Banned),
        (logged_out(R::UnknownLogout), CloseReason::Banned),
        (replaced, CloseReason::Replaced),
        (outdated, CloseReason::ClientOutdated),
        (failed(R::TempBanned), CloseReason::Restricted),
        (failed(R::BadUserAgent), CloseReason::ClientOutdated),
        (failed(R::Generic), CloseReason::Network),
        (failed(R::Unknown(0)), CloseReason::Network),
    ] {
        assert_eq!(read(&event, &[]), Meaning::End(reason));
    }
}

#[test]
fn a_busy_server_is_an_outage_and_no_end() {
    use ConnectFailureReason as R;
    for reason in [R::InternalServerError, R::ServiceUnavailable] {
        assert_eq!(read(&failed(reason), &[]), Meaning::Lost);
    }
    let reason = wacore::net::DisconnectReason::StreamEnded;
    let lost = Event::Disconnected(Disconnected::builder().reason(reason).build());
    assert_eq!(read(&lost, &[]), Meaning::Lost);
    assert_eq!(read(&Event::Connected(Connected::builder().build()), &[]), Meaning::Opened);
}

#[test]
fn the_recipients_receipts_are_told() {
    for (kind, told) in [
        (ReceiptType::Delivered, ramal_store::Receipt::Delivered),
        (ReceiptType::Read, ramal_store::Receipt::Read),
        (ReceiptType::Played, ramal_store::Receipt::Read),
    ] {
        assert_eq!(
            read(&receipt(kind, "900@lid"), &[jid("5511999999999:3@s.whatsapp.net")]),
            Meaning::Receipt(Heard {
                wire_ids: vec![WireId::from_text("3EB0A"), WireId::from_text("3EB0B")],
                receipt: told,
                at: Timestamp::from_secs(1_780_000_000),
            })
        );
    }
}

#[test]
fn receipts_among_our_own_devices_are_not() {
    let own = [jid("5511999999999:3@s.whatsapp.net"), jid("900:3@lid")];
    for event in [
        receipt(ReceiptType::Read, "5511999999999@s.whatsapp.net"),
        receipt(ReceiptType::Delivered, "900:7@lid"),
        receipt(ReceiptType::ReadSelf, "901@lid"),
        receipt(ReceiptType::Sender, "901@lid"),
        receipt(ReceiptType::Retry, "901@lid"),
        receipt(ReceiptType::Inactive, "901@lid"),
        receipt(ReceiptType::Other("view".to_owned()), "901@lid"),
    ] {
        assert_eq!(read(&event, &own), Meaning::Nothing);
    }
}

#[test]
fn acks_of_messages_are_the_servers_word() {
    let ack = |class: &str, error: Option<&str>| {
        Event::ServerAck(
            ServerAck::builder()
                .id("3EB0A".to_owned())
                .class(class.to_owned())
                .maybe_error(error.map(str::to_owned))
                .build(),
        )
    };
    let wire_id = "3EB0A".to_owned();
    assert_eq!(
        read(&ack("message", None), &[]),
        Meaning::Ack { wire_id: wire_id.clone(), outcome: Ok(()) }
    );
    assert_eq!(
        read(&ack("message", Some("463")), &[]),
        Meaning::Ack { wire_id, outcome: Err(Nack("463".to_owned())) }
    );
    assert_eq!(read(&ack("receipt", None), &[]), Meaning::Nothing);
}

fn ringing(action: CallAction) -> Event {
    let at = whatsapp_rust::chrono::DateTime::from_timestamp(1_780_000_000, 0).unwrap();
    Event::IncomingCall(
        IncomingCall::builder()
            .from(jid("900:1@lid"))
            .stanza_id("1".to_owned())
            .timestamp(at)
            .offline(false)
            .action(action)
            .build(),
    )
}

fn offer(caller_pn: Option<&str>, group: Option<&str>) -> CallAction {
    CallAction::Offer {
        call_id: "AB".to_owned(),
        call_creator: jid("900@lid"),
        caller_pn: caller_pn.map(jid),
        caller_country_code: None,
        device_class: None,
        joinable: false,
        is_video: false,
        audio: Vec::new(),
        group_jid: group.map(jid),
    }
}

#[test]
fn a_call_rings_once_it_is_offered_and_names_its_caller() {
    let called = |phone: Option<&str>, group| {
        Meaning::Tell(Signal::Called(Call {
            id: "AB".to_owned(),
            peer: "900:1@lid".to_owned(),
            creator: "900@lid".to_owned(),
            phone: phone.map(|phone| phone.parse().unwrap()),
            group,
        }))
    };

    let known = offer(Some("5511999999999@s.whatsapp.net"), None);
    assert_eq!(read(&ringing(known), &[]), called(Some("+5511999999999"), false));
    assert_eq!(read(&ringing(offer(None, None)), &[]), called(None, false));
    assert_eq!(read(&ringing(offer(None, Some("1@g.us"))), &[]), called(None, true));
    let accepted = CallAction::Accept {
        call_id: "AB".to_owned(),
        call_creator: jid("900@lid"),
        audio: Vec::new(),
    };
    assert_eq!(read(&ringing(accepted), &[]), Meaning::Nothing);
}
