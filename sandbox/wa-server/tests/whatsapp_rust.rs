//! The server against unmodified whatsapp-rust clients.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    unreachable_pub,
    reason = "helpers of tests may panic, and foreign events are many"
)]

mod features;
mod support;

use std::sync::Arc;

use axum::http::StatusCode;
use base64::Engine as _;
use serde_json::json;
use support::{Phone, control, jid, logged, number, server, text, until};
use wa_server::{Direction, LinkError, NetworkChange, Options, QrSource, Status, WaServer};
use whatsapp_rust::{
    prelude::{Event, SendOptions},
    wacore::store::InMemoryBackend,
};

const ALICE: &str = "5511900000001";
const BOB: &str = "5511900000002";

fn qr_png(text: &str) -> String {
    const SCALE: usize = 4;
    const BORDER: usize = 4;
    let code = qrcode::QrCode::new(text).unwrap();
    let (width, colors) = (code.width(), code.to_colors());
    let side = u32::try_from((width + 2 * BORDER) * SCALE).unwrap();
    let picture = image::GrayImage::from_fn(side, side, |x, y| {
        let module = |at: u32| (at as usize / SCALE).checked_sub(BORDER).filter(|at| *at < width);
        let dark = module(x)
            .zip(module(y))
            .is_some_and(|(x, y)| colors.get(y * width + x) == Some(&qrcode::Color::Dark));
        image::Luma([if dark { 0 } else { 255 }])
    });
    let mut png = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut png, image::ImageFormat::Png).unwrap();
    let encoded = base64::engine::general_purpose::STANDARD.encode(png.into_inner());
    format!("data:image/png;base64,{encoded}")
}

#[tokio::test(flavor = "multi_thread")]
async fn pairs_by_qr_text_and_by_picture() {
    let server = server().await;
    let alice = number(ALICE);

    let first = Phone::linked(&server, &alice).await;

    let mut second = Phone::start(&server).await;
    let picture = qr_png(&second.qr().await);
    let path = format!("/phones/+{ALICE}/scan");
    let (status, body) =
        control(&server, "POST", &path, Some(json!({ "qrcodeBase64": picture }))).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    assert_eq!(
        body,
        json!({ "linked": true, "device": 2, "jid": format!("{ALICE}:2@s.whatsapp.net") })
    );
    second.connected().await;

    let (_, companions) =
        control(&server, "GET", &format!("/phones/{ALICE}/companions"), None).await;
    assert_eq!(companions.as_array().unwrap().len(), 2);
    assert!(companions.as_array().unwrap().iter().all(|companion| companion["connected"] == true));

    first.client.send_message(jid(&number(BOB)), text("both see this")).await.unwrap();
    second.text("both see this").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pairs_by_code_after_a_wrong_one() {
    let server = server().await;
    let alice = number(ALICE);
    let none = server.enter_code(&alice, "ABCD-1234").await;
    assert!(matches!(none, Err(LinkError::NoPendingCode)), "{none:?}");

    let store = Arc::new(InMemoryBackend::new());
    let mut phone = Phone::with(&server, store, Some(&alice)).await;
    let code = phone.code().await;
    let wrong = if code.starts_with('1') { "2222-2222" } else { "1111-1111" };
    let refused = server.enter_code(&alice, wrong).await;
    assert!(matches!(refused, Err(LinkError::CodeRefused)), "{refused:?}");

    let linked = server.enter_code(&alice, &code.to_lowercase()).await.unwrap();
    assert_eq!(linked.device, 1);
    phone.connected().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn used_foreign_and_dead_qr_codes_are_refused_with_a_reason() {
    let server = server().await;
    let path = format!("/phones/{ALICE}/scan");
    let scan = async |qr: &str| {
        let (status, body) = control(&server, "POST", &path, Some(json!({ "qr": qr }))).await;
        (status.as_u16(), body["code"].as_str().unwrap_or_default().to_owned())
    };

    let mut phone = Phone::start(&server).await;
    let used = phone.qr().await;
    assert_eq!(scan(&used).await.0, 200);
    phone.connected().await;
    assert_eq!(scan(&used).await, (409, "QR_USED".to_owned()));

    let mut gone = Phone::start(&server).await;
    let dead = gone.qr().await;
    gone.handle.shutdown().await;
    until("the socket to go", || async { (server.network().connections == 1).then_some(()) }).await;
    assert_eq!(scan(&dead).await, (409, "CLIENT_GONE".to_owned()));

    let unknown = dead.replacen("2@", "2@x", 1);
    assert_eq!(scan(&unknown).await, (409, "QR_UNKNOWN".to_owned()));
    assert_eq!(scan("hello").await, (400, "INVALID_QR".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_go_both_ways_with_receipts() {
    let server = server().await;
    let (alice, bob) = (number(ALICE), number(BOB));
    let mut phone = Phone::linked(&server, &alice).await;

    let sent = phone.client.send_message(jid(&bob), text("hello")).await.unwrap();
    let arrived = logged(&server, &bob, "hello").await;
    assert_eq!((arrived.direction, &arrived.from), (Direction::In, &alice));
    phone.receipt(&sent.message_id, "Delivered").await;
    assert_eq!(logged(&server, &alice, "hello").await.direction, Direction::Out);
    server.mark_read(&bob, &arrived.id).unwrap();
    phone.receipt(&sent.message_id, "Read").await;

    let reply = server.send_text(&bob, &alice, "hi").unwrap();
    let info = phone.text("hi").await;
    phone
        .client
        .mark_as_read(&info.source.chat, Some(&info.source.sender), &[&info.id])
        .await
        .unwrap();
    until("the read status", || async {
        let all = server.messages(&bob);
        all.into_iter().find(|message| message.id == reply.id && message.status == Status::Read)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn companions_of_two_accounts_talk() {
    let server = server().await;
    let mut alice = Phone::linked(&server, &number(ALICE)).await;
    let mut bob = Phone::linked(&server, &number(BOB)).await;

    for round in 0..3 {
        let (there, back) = (format!("there {round}"), format!("back {round}"));
        alice.client.send_message(jid(&number(BOB)), text(&there)).await.unwrap();
        bob.text(&there).await;
        bob.client.send_message(jid(&number(ALICE)), text(&back)).await.unwrap();
        alice.text(&back).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_client_comes_back_and_misses_nothing() {
    let server = server().await;
    let (alice, bob) = (number(ALICE), number(BOB));
    let mut phone = Phone::linked(&server, &alice).await;
    // The first login after pairing is XX, every later one IK: see both.
    for round in ["first", "second"] {
        let cut = NetworkChange { drop_connections: true, ..NetworkChange::default() };
        assert_eq!(server.change_network(cut).connections, 0);
        assert!(!server.companions(&alice)[0].connected);
        phone.disconnected().await;
        server.send_text(&bob, &alice, round).unwrap();
        phone.text(round).await;
    }
    assert_eq!(server.companions(&alice).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusing_network_lets_nobody_in() {
    let server = server().await;
    let alice = number(ALICE);
    let mut phone = Phone::linked(&server, &alice).await;

    let (_, state) = control(
        &server,
        "POST",
        "/network",
        Some(json!({ "refuse": true, "dropConnections": true, "delayMs": 5 })),
    )
    .await;
    assert_eq!(state, json!({ "refuse": true, "delayMs": 5, "silent": false, "connections": 0 }));
    phone.disconnected().await;
    assert!(tokio::net::TcpStream::connect(address(&server)).await.is_ok());
    assert_eq!(server.network().connections, 0);

    control(&server, "POST", "/network", Some(json!({ "refuse": false }))).await;
    until("the client to come back", || async {
        server.companions(&alice)[0].connected.then_some(())
    })
    .await;
}

fn address(server: &WaServer) -> String {
    server.ws_url().replace("ws://", "").replace("/ws/chat", "")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_logs_itself_out() {
    let server = server().await;
    let alice = number(ALICE);
    let mut phone = Phone::linked(&server, &alice).await;

    phone.client.logout().await;

    phone.logged_out().await;
    until("the device to go", || async { server.companions(&alice).is_empty().then_some(()) })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_unlinks_its_companion() {
    let server = server().await;
    let alice = number(ALICE);
    let mut phone = Phone::linked(&server, &alice).await;

    let path = format!("/phones/%2B{ALICE}/companions/1");
    let (status, body) = control(&server, "DELETE", &path, None).await;
    assert_eq!((status, body), (StatusCode::OK, json!({ "ok": true })));

    phone.logged_out().await;
    let (status, body) = control(&server, "DELETE", &path, None).await;
    assert_eq!((status, &body["code"]), (StatusCode::NOT_FOUND, &json!("UNKNOWN_COMPANION")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_id_is_delivered_once() {
    let server = server().await;
    let (alice, bob) = (number(ALICE), number(BOB));
    let sender = Phone::linked(&server, &alice).await;
    let mut receiver = Phone::linked(&server, &bob).await;
    let send = async |id: &str, body: &str| {
        let options = SendOptions::default().with_message_id(id);
        sender.client.send_message_with_options(jid(&bob), text(body), options).await.unwrap();
    };

    send("3EB0AAAAAAAAAAAAAAAAAA", "once").await;
    receiver.text("once").await;
    send("3EB0AAAAAAAAAAAAAAAAAA", "twice").await;
    send("3EB0BBBBBBBBBBBBBBBBBB", "after").await;

    receiver.text_without("after", "twice").await;
    logged(&server, &bob, "after").await;
    let texts: Vec<_> = server.messages(&bob).into_iter().map(|message| message.text).collect();
    assert_eq!(texts, ["once", "after"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_with_data_keeps_links_and_waiting_messages() {
    let dir = tempfile::tempdir().unwrap();
    let (alice, bob) = (number(ALICE), number(BOB));
    let store = Arc::new(InMemoryBackend::new());
    let options = Options { data_dir: Some(dir.path().to_owned()), ..Options::default() };
    let first = WaServer::start(options.clone()).await.unwrap();
    let mut phone = Phone::with(&first, Arc::clone(&store) as _, None).await;
    let qr = phone.qr().await;
    first.scan(&alice, QrSource::Text(qr)).await.unwrap();
    phone.connected().await;
    phone.client.send_message(jid(&bob), text("before")).await.unwrap();
    logged(&first, &bob, "before").await;
    phone.handle.shutdown().await;
    until("the client to go", || async { (first.network().connections == 0).then_some(()) }).await;
    first.send_text(&bob, &alice, "waiting").unwrap();
    let addressing = wa_server::Addressing::Lid;
    let members = [alice.clone()];
    let group = first.create_group(&bob, "Friends", &members, addressing).unwrap();
    first.write_to_group(&group.id, &bob, "in the group").unwrap();
    first.shutdown().await;

    let second = WaServer::start(options).await.unwrap();
    assert_eq!(second.root_public_key_hex(), first.root_public_key_hex());
    let mut phone = Phone::with(&second, store, None).await;
    phone.text("waiting").await;
    phone.client.send_message(jid(&bob), text("after")).await.unwrap();
    logged(&second, &bob, "after").await;
    assert_eq!(second.groups(), std::slice::from_ref(&group));
    second.write_to_group(&group.id, &bob, "in the group again").unwrap();
    phone.text("in the group again").await;
    logged(&second, &bob, "before").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_login_replaces_the_first() {
    let server = server().await;
    let alice = number(ALICE);
    let store = Arc::new(InMemoryBackend::new());
    let mut first = Phone::with(&server, Arc::clone(&store) as _, None).await;
    let qr = first.qr().await;
    server.scan(&alice, QrSource::Text(qr)).await.unwrap();
    first.connected().await;

    let mut second = Phone::with(&server, store, None).await;

    let replaced = |event: &Event| matches!(event, Event::StreamReplaced(_)).then_some(());
    first.event("replaced", replaced).await;
    second.connected().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_was_unlinked_meanwhile_is_turned_away() {
    let server = server().await;
    let alice = number(ALICE);
    let mut phone = Phone::linked(&server, &alice).await;
    let cut =
        NetworkChange { drop_connections: true, refuse: Some(true), ..NetworkChange::default() };
    server.change_network(cut);
    phone.disconnected().await;

    server.unlink(&alice, 1).unwrap();
    server.change_network(NetworkChange { refuse: Some(false), ..NetworkChange::default() });

    phone.logged_out().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_that_lost_its_session_asks_again() {
    let dir = tempfile::tempdir().unwrap();
    let accounts = dir.path().join("accounts.json");
    let (alice, bob) = (number(ALICE), number(BOB));
    let store = Arc::new(InMemoryBackend::new());
    let options = Options { data_dir: Some(dir.path().to_owned()), ..Options::default() };
    let server = WaServer::start(options.clone()).await.unwrap();
    let mut phone = Phone::with(&server, Arc::clone(&store) as _, None).await;
    let qr = phone.qr().await;
    server.scan(&alice, QrSource::Text(qr)).await.unwrap();
    phone.connected().await;
    phone.handle.shutdown().await;
    server.shutdown().await;
    let old = std::fs::read(&accounts).unwrap();

    // From here on the phone forgets: the ratchet turns, and the old state comes back.
    let server = WaServer::start(options.clone()).await.unwrap();
    let mut phone = Phone::with(&server, Arc::clone(&store) as _, None).await;
    phone.connected().await;
    phone.client.send_message(jid(&bob), text("there")).await.unwrap();
    logged(&server, &bob, "there").await;
    server.send_text(&bob, &alice, "back").unwrap();
    phone.text("back").await;
    phone.handle.shutdown().await;
    server.shutdown().await;
    std::fs::write(&accounts, old).unwrap();

    let server = WaServer::start(options).await.unwrap();
    let mut phone = Phone::with(&server, store, None).await;
    phone.connected().await;
    phone.client.send_message(jid(&bob), text("again")).await.unwrap();
    logged(&server, &bob, "again").await;
}
