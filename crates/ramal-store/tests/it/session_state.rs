//! Session state: sealed pairs, written in batches, fenced by epoch.

use ramal_domain::{NodeId, Timestamp};
use ramal_store::{SessionState, SessionStateError, StateWrite, Store};

use crate::{
    db::Db,
    scene::{NOW, at, committed, number, tenant},
};

on_both_databases! {
    values_are_read_back_replaced_and_deleted,
    a_batch_applies_in_order,
    a_pairing_s_812_prekeys_go_in_at_once,
    prefixes_are_taken_literally_and_keys_ordered_by_bytes,
    an_update_sees_what_it_replaces,
    concurrent_updates_follow_one_another,
    what_expired_is_removed,
    what_expired_goes_without_a_client,
    a_wipe_takes_one_number_only,
    the_old_owner_can_write_nothing,
    a_session_of_nobody_s_number_is_fenced,
}

async fn state(store: &Store, last: u32) -> SessionState {
    let owner = tenant(store).await;
    let (id, epoch) = number(store, owner, last).await;
    store.session_state(id, epoch)
}

fn put(key: &str, value: &str) -> StateWrite {
    StateWrite::put("prekey", key, value.as_bytes())
}

async fn get(state: &SessionState, key: &str) -> Option<String> {
    let value = state.get("prekey", key).await.unwrap();
    value.map(|value| String::from_utf8(value).unwrap())
}

async fn values_are_read_back_replaced_and_deleted(db: Db) {
    let state = state(&db.store, 1).await;
    assert_eq!(state.dialect(), db.dialect);
    state.apply(&[]).await.unwrap();
    state.apply(&[put("a", "1"), StateWrite::put("other", "a", vec![0, 255])]).await.unwrap();
    assert_eq!(get(&state, "a").await.as_deref(), Some("1"));
    assert_eq!(state.get("other", "a").await.unwrap(), Some(vec![0, 255]));
    assert_eq!(get(&state, "A").await, None);

    state.apply(&[put("a", "2")]).await.unwrap();
    assert_eq!(get(&state, "a").await.as_deref(), Some("2"));
    state.apply(&[StateWrite::delete("prekey", "a")]).await.unwrap();
    assert_eq!(get(&state, "a").await, None);
    assert_eq!(state.get("other", "a").await.unwrap(), Some(vec![0, 255]));
}

async fn a_batch_applies_in_order(Db { store, .. }: Db) {
    let state = state(&store, 1).await;
    state
        .apply(&[
            put("a", "1"),
            put("a", "2"),
            StateWrite::delete("prekey", "a"),
            put("b", "1"),
            StateWrite::Clear { space: "prekey" },
            put("c", "1"),
            put("d", "1"),
            put("c", "2"),
        ])
        .await
        .unwrap();

    assert_eq!(state.keys("prekey", "").await.unwrap(), ["c", "d"]);
    assert_eq!(get(&state, "c").await.as_deref(), Some("2"));
}

async fn a_pairing_s_812_prekeys_go_in_at_once(Db { store, .. }: Db) {
    let state = state(&store, 1).await;
    let batch: Vec<_> = (0..812).map(|i| put(&format!("{i:05}"), &i.to_string())).collect();

    state.apply(&batch).await.unwrap();
    // Again, as replacements.
    state.apply(&batch).await.unwrap();

    let pairs = state.scan("prekey", "").await.unwrap();
    assert_eq!(pairs.len(), 812);
    for (index, (key, value)) in pairs.iter().enumerate() {
        assert_eq!((key, value), (&format!("{index:05}"), &index.to_string().into_bytes()));
    }
    assert_eq!(state.keys("prekey", "0081").await.unwrap(), ["00810", "00811"]);
}

async fn prefixes_are_taken_literally_and_keys_ordered_by_bytes(Db { store, .. }: Db) {
    let state = state(&store, 1).await;
    let keys = ["a_1", "aX1", "A_1", "a%1", "b", "B", "é1", "e", "f"];
    let writes: Vec<_> = keys.iter().map(|key| put(key, key)).collect();
    state.apply(&writes).await.unwrap();

    assert_eq!(state.keys("prekey", "a_").await.unwrap(), ["a_1"]);
    assert_eq!(state.keys("prekey", "a%").await.unwrap(), ["a%1"]);
    assert_eq!(state.keys("prekey", "é").await.unwrap(), ["é1"]);
    assert_eq!(state.scan("prekey", "A").await.unwrap(), [("A_1".to_owned(), b"A_1".to_vec())]);
    let mut sorted = keys.to_vec();
    sorted.sort_unstable();
    assert_eq!(state.keys("prekey", "").await.unwrap(), sorted);
    let scanned = state.scan("prekey", "").await.unwrap();
    assert_eq!(scanned.iter().map(|(key, _)| key).collect::<Vec<_>>(), sorted);
}

async fn an_update_sees_what_it_replaces(Db { store, .. }: Db) {
    let state = state(&store, 1).await;
    let append = |old: Option<Vec<u8>>| Some([old.unwrap_or_default(), b"x".to_vec()].concat());

    assert_eq!(state.update("prekey", "a", append).await.unwrap(), Some(b"x".to_vec()));
    assert_eq!(state.update("prekey", "a", append).await.unwrap(), Some(b"xx".to_vec()));
    assert_eq!(state.update("prekey", "a", |_| None).await.unwrap(), None);
    assert_eq!(get(&state, "a").await, None);
}

async fn concurrent_updates_follow_one_another(Db { store, .. }: Db) {
    let state = state(&store, 1).await;
    let append = |old: Option<Vec<u8>>| Some([old.unwrap_or_default(), b"x".to_vec()].concat());
    let updates = (0..12).map(|_| state.update("prekey", "a", append));

    for updated in futures_util::future::join_all(updates).await {
        updated.unwrap();
    }

    assert_eq!(get(&state, "a").await.as_deref(), Some("xxxxxxxxxxxx"));
}

fn expiring(key: &str, expires_at: Option<Timestamp>) -> StateWrite {
    StateWrite::Put { space: "prekey", key: key.to_owned(), value: vec![1], expires_at }
}

async fn what_expired_is_removed(Db { store, .. }: Db) {
    let state = state(&store, 1).await;
    state
        .apply(&[
            expiring("gone", Some(NOW)),
            expiring("young", Some(at(9))),
            expiring("ever", None),
        ])
        .await
        .unwrap();

    assert_eq!(state.expire("other", at(5)).await.unwrap(), 0);
    assert_eq!(state.expire("prekey", at(5)).await.unwrap(), 1);
    assert_eq!(state.keys("prekey", "").await.unwrap(), ["ever", "young"]);
}

async fn what_expired_goes_without_a_client(Db { store, .. }: Db) {
    let (one, two) = (state(&store, 1).await, state(&store, 2).await);
    let kept = [expiring("young", Some(at(9))), expiring("ever", None)];
    for state in [&one, &two] {
        state.apply(&[expiring("gone", Some(NOW))]).await.unwrap();
        state.apply(&kept).await.unwrap();
    }
    let expire = async |limit| committed!(store, |tx| tx.numbers().expire_state(at(5), limit));

    assert_eq!(expire(1).await, 1, "so many at once");
    assert_eq!(expire(9).await, 1);
    for state in [&one, &two] {
        assert_eq!(state.keys("prekey", "").await.unwrap(), ["ever", "young"]);
    }
}

async fn a_wipe_takes_one_number_only(Db { store, .. }: Db) {
    let (one, two) = (state(&store, 1).await, state(&store, 2).await);
    one.apply(&[put("a", "1")]).await.unwrap();
    two.apply(&[put("a", "2")]).await.unwrap();
    assert_ne!(one.number(), two.number());

    one.wipe().await.unwrap();

    assert_eq!(get(&one, "a").await, None);
    assert_eq!(get(&two, "a").await.as_deref(), Some("2"));
}

async fn the_old_owner_can_write_nothing(Db { store, .. }: Db) {
    let old = state(&store, 1).await;
    old.apply(&[put("a", "old"), expiring("b", Some(NOW))]).await.unwrap();
    let claimed = committed!(store, |tx| tx.numbers().claim(old.number(), NodeId::mint())).unwrap();
    let new = store.session_state(old.number(), claimed.epoch);
    assert_eq!(claimed.epoch.value(), 2);

    let fenced = [
        old.apply(&[put("a", "stale")]).await.err(),
        old.update("prekey", "a", |_| None).await.err(),
        old.expire("prekey", at(5)).await.err(),
        old.wipe().await.err(),
    ];

    for error in fenced {
        assert!(matches!(error, Some(SessionStateError::Fenced)), "{error:?}");
    }
    assert_eq!(new.keys("prekey", "").await.unwrap(), ["a", "b"]);
    assert_eq!(get(&new, "a").await.as_deref(), Some("old"));
    new.apply(&[put("a", "new")]).await.unwrap();
    assert_eq!(get(&new, "a").await.as_deref(), Some("new"));
}

async fn a_session_of_nobody_s_number_is_fenced(Db { store, .. }: Db) {
    let state = state(&store, 1).await;
    let owner = tenant(&store).await;
    let (reserved, reservation) =
        crate::scene::reserve(&store, owner, &crate::scene::phone(2), NOW).await;
    let epoch = crate::scene::epoch_of(&reservation).unwrap();
    committed!(store, |tx| tx.numbers().abandon(reserved));

    let gone = store.session_state(reserved, epoch).apply(&[put("a", "1")]).await;
    assert!(matches!(gone, Err(SessionStateError::Fenced)), "{gone:?}");
    assert_eq!(get(&state, "a").await, None);
}
