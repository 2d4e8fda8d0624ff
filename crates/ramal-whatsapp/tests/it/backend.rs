//! The backend does what whatsapp-rust asks of its storage, for every method.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use ramal_domain::{Clock as _, NodeId};
use wacore::{
    appstate::{hash::HashState, processor::AppStateMutationMAC},
    store::{
        Device,
        traits::{
            AppStateSyncKey, AppSyncStore as _, Backend, DeviceInfo, DeviceListRecord,
            DeviceStore as _, LidPnMappingEntry, MsgSecretEntry, MsgSecretStore as _,
            PendingInboundKey, PendingInboundRow, ProtocolStore as _, SignalStore as _,
            TcTokenEntry,
        },
    },
};
use whatsapp_rust::bytes::Bytes;

use crate::home::Home;

fn record(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

fn address(text: &str) -> Arc<str> {
    Arc::from(text)
}

#[tokio::test]
async fn it_is_a_backend() {
    fn is_backend(_: &impl Backend) {}
    is_backend(&Home::new().await.backend());
}

#[tokio::test]
async fn a_device_comes_back_whole() {
    let home = Home::new().await;
    let backend = home.backend();
    assert!(!backend.exists().await.unwrap());
    assert!(backend.load().await.unwrap().is_none());
    let mut device = Device::new();
    device.pn = Some("5511999999999:3@s.whatsapp.net".parse().unwrap());
    device.lid = Some("900:3@lid".parse().unwrap());
    device.push_name = "Ana".to_owned();
    device.account = Some(Arc::new(whatsapp_rust::waproto::whatsapp::ADVSignedDeviceIdentity {
        details: Some(vec![1, 2, 3]),
        ..Default::default()
    }));
    device.edge_routing_info = Some(vec![7; 9]);
    device.next_pre_key_id = 813;
    device.server_has_prekeys = true;
    device.lid_migrated = true;
    device.login_counter = 5;

    backend.save(&device).await.unwrap();

    let loaded = home.backend().load().await.unwrap().unwrap();
    assert!(backend.exists().await.unwrap());
    assert_eq!(serde_json::to_value(&loaded).unwrap(), serde_json::to_value(&device).unwrap());
    assert_eq!(
        loaded.identity_key.private_key.serialize(),
        device.identity_key.private_key.serialize()
    );
    assert_eq!(loaded.noise_key.public_key, device.noise_key.public_key);
    assert_eq!(loaded.signed_pre_key_signature, device.signed_pre_key_signature);
    assert_eq!(loaded.account, device.account);
}

#[tokio::test]
async fn creating_keeps_the_device_that_is_there() {
    let home = Home::new().await;
    let backend = home.backend();

    backend.create().await.unwrap();
    let first = backend.load().await.unwrap().unwrap();
    backend.create().await.unwrap();

    let second = backend.load().await.unwrap().unwrap();
    assert_eq!(first.registration_id, second.registration_id);
}

#[tokio::test]
async fn identities_and_sessions_are_kept_by_address() {
    let home = Home::new().await;
    let backend = home.backend();
    let (a, b) = ("5511:1@s.whatsapp.net.0", "900@lid.0");

    backend.put_identity(a, [1; 32]).await.unwrap();
    backend.put_identities_batch(&[(address(a), [2; 32]), (address(b), [3; 32])]).await.unwrap();
    backend.put_session(a, b"one").await.unwrap();
    backend
        .put_sessions_batch(&[(address(a), record("two")), (address(b), record("three"))])
        .await
        .unwrap();

    assert_eq!(backend.load_identity(a).await.unwrap(), Some([2; 32]));
    assert_eq!(backend.load_identity(b).await.unwrap(), Some([3; 32]));
    assert_eq!(backend.get_session(a).await.unwrap().unwrap(), record("two"));
    assert!(backend.has_session(b).await.unwrap());
    backend.delete_identity(a).await.unwrap();
    backend.delete_session(a).await.unwrap();
    assert_eq!(backend.load_identity(a).await.unwrap(), None);
    assert_eq!(backend.get_session(a).await.unwrap(), None);
    assert!(!backend.has_session(a).await.unwrap());
}

#[tokio::test]
async fn a_users_state_is_not_that_of_a_user_with_a_longer_name() {
    let home = Home::new().await;
    let backend = home.backend();
    backend.put_session("5511:1@s.whatsapp.net.0", b"x").await.unwrap();
    backend.put_identity("900@lid.0", [1; 32]).await.unwrap();

    for (user, known) in [("5511", true), ("900", true), ("551", false), ("55112", false)] {
        assert_eq!(backend.has_signal_state_for_user(user).await.unwrap(), known, "{user}");
    }
}

#[tokio::test]
async fn prekeys_of_a_pairing_are_one_batch() {
    let home = Home::new().await;
    let backend = home.backend();
    let keys: Vec<(u32, Bytes)> =
        (1..=812).map(|id| (id, Bytes::from(format!("prekey {id}")))).collect();
    let ids: Vec<u32> = keys.iter().map(|(id, _)| *id).collect();

    let started = std::time::Instant::now();
    backend.store_prekeys_batch(&keys, false).await.unwrap();
    let stored = started.elapsed();

    assert_eq!(backend.load_prekeys_batch(&ids).await.unwrap(), keys);
    assert_eq!(backend.load_prekeys_batch(&[5, 9_999, 7]).await.unwrap().len(), 2);
    assert_eq!(backend.load_prekey(812).await.unwrap().unwrap(), keys[811].1);
    assert_eq!(backend.get_max_prekey_id().await.unwrap(), 812);
    assert!(stored < Duration::from_secs(5), "{stored:?}");
}

#[tokio::test]
async fn a_consumed_prekey_stays_dead_when_its_batch_is_marked() {
    let home = Home::new().await;
    let backend = home.backend();
    backend.store_prekey(1, b"one", false).await.unwrap();
    backend.store_prekey(2, b"two", false).await.unwrap();

    backend.remove_prekey(1).await.unwrap();
    backend.mark_prekeys_uploaded(&[1, 2]).await.unwrap();

    assert_eq!(backend.load_prekey(1).await.unwrap(), None);
    assert_eq!(backend.load_prekey(2).await.unwrap().unwrap(), record("two"));
    assert_eq!(Home::new().await.backend().get_max_prekey_id().await.unwrap(), 0);
}

#[tokio::test]
async fn signed_prekeys_and_sender_keys_are_kept() {
    let home = Home::new().await;
    let backend = home.backend();

    backend.store_signed_prekey(1, b"one").await.unwrap();
    backend.store_signed_prekey(2, b"two").await.unwrap();
    backend.put_sender_key("g::a", b"x").await.unwrap();
    backend
        .put_sender_keys_batch(&[(address("g::a"), record("y")), (address("g::b"), record("z"))])
        .await
        .unwrap();

    let all = backend.load_all_signed_prekeys().await.unwrap();
    assert_eq!(all, [(1, b"one".to_vec()), (2, b"two".to_vec())]);
    backend.remove_signed_prekey(1).await.unwrap();
    assert_eq!(backend.load_signed_prekey(1).await.unwrap(), None);
    assert_eq!(backend.load_signed_prekey(2).await.unwrap().unwrap(), b"two");
    assert_eq!(backend.get_sender_key("g::a").await.unwrap().unwrap(), b"y");
    backend.delete_sender_key("g::a").await.unwrap();
    assert_eq!(backend.get_sender_key("g::a").await.unwrap(), None);
}

#[tokio::test]
async fn app_state_is_kept_by_collection() {
    let home = Home::new().await;
    let backend = home.backend();
    let key = AppStateSyncKey { key_data: vec![1], fingerprint: vec![2], timestamp: 3 };
    let mut state = HashState { version: 7, ..HashState::default() };
    state.hash[127] = 9;

    assert_eq!(backend.get_latest_sync_key_id().await.unwrap(), None);
    backend.set_sync_key(&[0, 1], key.clone()).await.unwrap();
    backend.set_sync_key(&[0, 2], key).await.unwrap();
    backend.set_version("regular", state.clone()).await.unwrap();

    assert_eq!(backend.get_sync_key(&[0, 1]).await.unwrap().unwrap().key_data, [1]);
    assert!(backend.get_sync_key(&[9]).await.unwrap().is_none());
    assert_eq!(backend.get_latest_sync_key_id().await.unwrap().unwrap(), [0, 2]);
    let loaded = backend.get_version("regular").await.unwrap();
    assert_eq!((loaded.version, loaded.hash), (7, state.hash));
    assert_eq!(backend.get_version("regular_low").await.unwrap().version, 0);
}

#[tokio::test]
async fn mutation_macs_are_found_alone_and_in_bulk() {
    let home = Home::new().await;
    let backend = home.backend();
    let mac =
        |index: u8| AppStateMutationMAC { index_mac: vec![index; 32], value_mac: vec![index] };
    let macs: Vec<_> = (0..40).map(mac).collect();
    backend.put_mutation_macs("regular", 1, &macs).await.unwrap();
    backend.put_mutation_macs("regular_low", 1, &macs[..1]).await.unwrap();

    for count in [3_u8, 40] {
        let asked: Vec<[u8; 32]> = (0..count).map(|index| [index; 32]).chain([[99; 32]]).collect();
        let found = backend.get_mutation_macs("regular", &asked).await.unwrap();
        assert_eq!(found.len(), usize::from(count));
        assert_eq!(found[&[2; 32]], [2]);
    }
    backend.delete_mutation_macs("regular", &[vec![1; 32]]).await.unwrap();
    assert_eq!(backend.get_mutation_mac("regular", &[1; 32]).await.unwrap(), None);
    assert_eq!(backend.get_mutation_mac("regular", &[0; 32]).await.unwrap().unwrap(), [0]);
    backend.clear_mutation_macs("regular").await.unwrap();
    assert_eq!(backend.get_mutation_mac("regular", &[0; 32]).await.unwrap(), None);
    assert!(backend.get_mutation_mac("regular_low", &[0; 32]).await.unwrap().is_some());
}

#[tokio::test]
async fn who_has_our_sender_key_is_kept_by_group() {
    let home = Home::new().await;
    let backend = home.backend();
    backend.set_sender_key_status("g1@g.us", &[("a:1@lid", true), ("b@lid", true)]).await.unwrap();
    backend.set_sender_key_status("g1@g.us", &[("b@lid", false)]).await.unwrap();
    backend.set_sender_key_status("g2@g.us", &[("b@lid", true)]).await.unwrap();

    let devices = backend.get_sender_key_devices("g1@g.us").await.unwrap();
    assert_eq!(devices, [("a:1@lid".to_owned(), true), ("b@lid".to_owned(), false)]);
    backend.delete_sender_key_device_rows(&["b@lid"]).await.unwrap();
    assert_eq!(backend.get_sender_key_devices("g1@g.us").await.unwrap().len(), 1);
    assert!(backend.get_sender_key_devices("g2@g.us").await.unwrap().is_empty());
    backend.clear_sender_key_devices("g1@g.us").await.unwrap();
    assert!(backend.get_sender_key_devices("g1@g.us").await.unwrap().is_empty());
    backend.set_sender_key_status("g2@g.us", &[("c@lid", true)]).await.unwrap();
    backend.clear_all_sender_key_devices().await.unwrap();
    assert!(backend.get_sender_key_devices("g2@g.us").await.unwrap().is_empty());
}

fn mapping(lid: &str, phone: &str) -> LidPnMappingEntry {
    LidPnMappingEntry {
        lid: lid.to_owned(),
        phone_number: phone.to_owned(),
        created_at: 1,
        updated_at: 2,
        learning_source: "usync".to_owned(),
    }
}

#[tokio::test]
async fn lids_and_phone_numbers_lead_to_each_other() {
    let home = Home::new().await;
    let backend = home.backend();
    backend.put_lid_mapping(&mapping("900", "5511")).await.unwrap();
    backend.put_lid_mappings(&[mapping("901", "5512"), mapping("902", "5513")]).await.unwrap();

    assert_eq!(backend.get_lid_mapping("900").await.unwrap().unwrap().phone_number, "5511");
    assert_eq!(backend.get_pn_mapping("5512").await.unwrap().unwrap().lid, "901");
    assert_eq!(backend.get_all_lid_mappings().await.unwrap().len(), 3);
    // The LID moves to another phone number, and a phone number gets another LID.
    backend.put_lid_mapping(&mapping("900", "5599")).await.unwrap();
    backend.put_lid_mapping(&mapping("903", "5512")).await.unwrap();
    assert!(backend.get_pn_mapping("5511").await.unwrap().is_none());
    assert_eq!(backend.get_pn_mapping("5512").await.unwrap().unwrap().lid, "903");
}

#[tokio::test]
async fn base_keys_device_lists_and_groups_are_kept() {
    let home = Home::new().await;
    let backend = home.backend();
    backend.save_base_key("900@lid.0", "M1", &[1, 2]).await.unwrap();
    assert!(backend.has_same_base_key("900@lid.0", "M1", &[1, 2]).await.unwrap());
    assert!(!backend.has_same_base_key("900@lid.0", "M1", &[9]).await.unwrap());
    assert!(!backend.has_same_base_key("900@lid.0", "M2", &[1, 2]).await.unwrap());
    backend.delete_base_key("900@lid.0", "M1").await.unwrap();
    assert!(!backend.has_same_base_key("900@lid.0", "M1", &[1, 2]).await.unwrap());

    let list = |user: &str| DeviceListRecord {
        user: user.to_owned(),
        devices: vec![DeviceInfo::new(0, None), DeviceInfo::new(3, Some(1)).with_hosting(true)],
        timestamp: 4,
        phash: Some("2:x".to_owned()),
        raw_id: Some(5),
    };
    backend.update_device_list(list("900")).await.unwrap();
    backend.update_device_lists(vec![list("901"), list("902")]).await.unwrap();
    let loaded = backend.get_devices("900").await.unwrap().unwrap();
    assert_eq!((loaded.devices.len(), loaded.raw_id), (2, Some(5)));
    assert!(loaded.devices[1].is_hosted);
    backend.delete_devices("901").await.unwrap();
    assert!(backend.get_devices("901").await.unwrap().is_none());
    assert!(backend.get_devices("902").await.unwrap().is_some());

    backend.put_group_metadata("g@g.us", b"blob").await.unwrap();
    assert_eq!(backend.get_group_metadata("g@g.us").await.unwrap().unwrap(), b"blob");
    backend.delete_group_metadata("g@g.us").await.unwrap();
    assert_eq!(backend.get_group_metadata("g@g.us").await.unwrap(), None);
}

#[tokio::test]
async fn tc_tokens_merge_and_never_go_back() {
    let home = Home::new().await;
    let backend = home.backend();
    // A placeholder of the sender's side, then a real token, older by its time.
    backend.touch_tc_token_sender_timestamp("a@lid", 5_000).await.unwrap();
    backend.store_received_tc_token("a@lid", &[1, 2], 4_000).await.unwrap();
    backend.touch_tc_token_sender_timestamp("a@lid", 3_000).await.unwrap();
    backend.store_received_tc_token("a@lid", &[9], 100).await.unwrap();

    let token = backend.get_tc_token("a@lid").await.unwrap().unwrap();
    assert_eq!(token.token, [1, 2]);
    assert_eq!((token.token_timestamp, token.sender_timestamp), (4_000, Some(5_000)));
    backend.store_received_tc_token("a@lid", &[3], 6_000).await.unwrap();
    let token = backend.get_tc_token("a@lid").await.unwrap().unwrap();
    assert_eq!((token.token, token.sender_timestamp), (vec![3], Some(5_000)));
    backend.delete_tc_token("a@lid").await.unwrap();
    assert!(backend.get_tc_token("a@lid").await.unwrap().is_none());
}

#[tokio::test]
async fn only_wholly_stale_tc_tokens_are_swept() {
    let home = Home::new().await;
    let backend = home.backend();
    let entry = |token: &[u8], received, sent| TcTokenEntry {
        token: token.to_vec(),
        token_timestamp: received,
        sender_timestamp: sent,
    };
    for (jid, token) in [
        ("fresh", entry(&[1], 5_000, None)),
        ("sent", entry(&[1], 1, Some(2_500))),
        ("stale", entry(&[1], 1, None)),
        ("placeholder", entry(&[], 9_000, Some(100))),
    ] {
        backend.put_tc_token(jid, &token).await.unwrap();
    }

    assert_eq!(backend.delete_expired_tc_tokens(1_000, 2_000).await.unwrap(), 2);

    assert_eq!(backend.get_all_tc_token_jids().await.unwrap(), ["fresh", "sent"]);
}

#[tokio::test]
async fn a_sent_message_is_taken_once_and_expires() {
    let home = Home::new().await;
    let backend = home.backend();
    backend.store_sent_message("900@lid", "A", b"body").await.unwrap();
    backend.store_sent_message("900@lid", "old", b"body").await.unwrap();

    assert_eq!(backend.take_sent_message("900@lid", "A").await.unwrap().unwrap(), b"body");
    assert_eq!(backend.take_sent_message("900@lid", "A").await.unwrap(), None);
    let now = home.clock.now().as_millis() / 1_000;
    assert_eq!(backend.delete_expired_sent_messages(now).await.unwrap(), 0);
    home.clock.advance(Duration::from_secs(10));
    backend.store_sent_message("900@lid", "new", b"body").await.unwrap();
    assert_eq!(backend.delete_expired_sent_messages(now + 5).await.unwrap(), 1);
    assert!(backend.take_sent_message("900@lid", "new").await.unwrap().is_some());
}

#[tokio::test]
async fn pending_messages_wait_for_their_commit() {
    let home = Home::new().await;
    let backend = home.backend();
    let row = |id| PendingInboundRow { chat: "c", sender: "s", id, message: b"body" };
    backend.store_pending_inbound("c", "s", "1", b"body").await.unwrap();
    backend.store_pending_inbound_batch(&[row("2"), row("3"), row("nul\0/%")]).await.unwrap();

    for id in ["1", "2", "3", "nul\0/%"] {
        let found = backend.get_pending_inbound("c", "s", id).await.unwrap();
        assert_eq!(found.unwrap(), b"body", "{id:?}");
    }
    assert_eq!(backend.get_pending_inbound("c/s", "", "1").await.unwrap(), None);
    backend.delete_pending_inbound("c", "s", "1").await.unwrap();
    let key = |id| PendingInboundKey { chat: "c", sender: "s", id };
    backend.delete_pending_inbound_batch(&[key("2")]).await.unwrap();
    assert_eq!(backend.get_pending_inbound("c", "s", "1").await.unwrap(), None);
    assert_eq!(backend.get_pending_inbound("c", "s", "2").await.unwrap(), None);
    let now = home.clock.now().as_millis() / 1_000;
    assert_eq!(backend.delete_expired_pending_inbound(now).await.unwrap(), 0);
    assert_eq!(backend.delete_expired_pending_inbound(now + 1).await.unwrap(), 2);
}

fn secret(id: &str, secret: u8, expires_at: i64, message_ts: i64) -> MsgSecretEntry {
    MsgSecretEntry {
        chat: address("c"),
        sender: address("s"),
        msg_id: address(id),
        secret: [secret; 32],
        expires_at,
        message_ts,
    }
}

#[tokio::test]
async fn message_secrets_merge_by_the_librarys_rules() {
    let home = Home::new().await;
    let backend = home.backend();
    let batch = vec![secret("A", 1, 100, 50), secret("B", 2, 100, 0), secret("A", 3, 90, 0)];

    assert_eq!(backend.put_msg_secrets(batch).await.unwrap(), 3);
    backend.put_msg_secrets(vec![secret("B", 4, 0, 7)]).await.unwrap();
    backend.put_msg_secret("c", "s", "C", &[5; 32]).await.unwrap();

    let found = backend.get_msg_secret_with_ts("c", "s", "A").await.unwrap();
    assert_eq!(found, Some((vec![3; 32], 50)));
    let found = backend.get_msg_secret_with_ts("c", "s", "B").await.unwrap();
    assert_eq!(found, Some((vec![4; 32], 7)));
    assert_eq!(backend.get_msg_secret("c", "x", "A").await.unwrap(), None);
    // A lives until 100, B and C for ever.
    assert_eq!(backend.delete_expired_msg_secrets(99).await.unwrap(), 0);
    assert_eq!(backend.delete_expired_msg_secrets(100).await.unwrap(), 1);
    assert_eq!(backend.get_msg_secret("c", "s", "A").await.unwrap(), None);
    assert!(backend.get_msg_secret("c", "s", "B").await.unwrap().is_some());
    assert!(backend.get_msg_secret("c", "s", "C").await.unwrap().is_some());
    assert_eq!(backend.put_msg_secrets(Vec::new()).await.unwrap(), 0);
}

#[tokio::test]
async fn a_session_that_was_taken_over_writes_nothing_and_says_so_once() {
    let home = Home::new().await;
    let backend = home.backend();
    backend.put_session("a", b"ours").await.unwrap();
    let mut tx = home.store.begin().await.unwrap();
    let epoch = tx.numbers().claim(home.number, NodeId::mint()).await.unwrap().unwrap().epoch;
    tx.commit().await.unwrap();

    let error = backend.put_session("a", b"stale").await.unwrap_err();
    backend.touch_tc_token_sender_timestamp("a", 1).await.unwrap_err();

    assert!(!error.is_database_busy_or_locked());
    assert_eq!(home.fenced.load(Ordering::SeqCst), 1);
    let next = home.backend_under(epoch);
    assert_eq!(next.get_session("a").await.unwrap().unwrap(), record("ours"));
    next.put_session("a", b"theirs").await.unwrap();
}

#[tokio::test]
async fn concurrent_merges_lose_nothing() {
    let home = Home::new().await;
    let backend = home.backend();

    let merges = (0..20).map(|index| {
        let backend = backend.clone();
        async move {
            let device = format!("{index}@lid");
            backend.set_sender_key_status("g@g.us", &[(&device, true)]).await.unwrap();
        }
    });
    futures_util::future::join_all(merges).await;

    assert_eq!(backend.get_sender_key_devices("g@g.us").await.unwrap().len(), 20);
}
