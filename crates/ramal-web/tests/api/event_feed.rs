//! `/v1/events/stream`: who hears what, and where a stream goes on that was cut.

use ramal_domain::{Clock as _, Event, EventKind, NumberEvent, SystemClock, Timestamp};

use crate::scene::{Account, Ask, Heard, Listening, Scene};

fn stream(key: &str) -> Ask {
    Ask::new("GET", "/v1/events/stream").key(key)
}

/// Lets something happen to a number; returns the event.
async fn happen(scene: &Scene, account: &Account, number: &str, kind: EventKind) -> Event {
    happen_at(scene, account, number, kind, SystemClock.now()).await
}

async fn happen_at(
    scene: &Scene,
    account: &Account,
    number: &str,
    kind: EventKind,
    at: Timestamp,
) -> Event {
    let told = NumberEvent {
        tenant: account.tenant,
        number: number.parse().unwrap(),
        phone: account.phone.parse().unwrap(),
        display_name: "Two\nlines".to_owned(),
        profile_name: None,
        reason: None,
    };
    let event = told.build(kind, at);
    let mut tx = scene.store().begin().await.unwrap();
    tx.events().record(&event).await.unwrap();
    tx.commit().await.unwrap();
    event
}

fn told(event: &Event) -> Heard {
    let (id, name) = (event.id.to_string(), event.kind.name().to_owned());
    Heard { id, name, data: event.body.clone() }
}

/// The place from which a stream that begins goes on.
async fn ready(listening: &mut Listening) -> String {
    let first = listening.next().await.unwrap();
    assert_eq!((first.name.as_str(), first.data.as_str()), ("ready", "{}"));
    assert!(first.id.starts_with("pos_"), "{}", first.id);
    first.id
}

#[tokio::test]
async fn each_key_hears_of_its_own_numbers_only() {
    let scene = Scene::start().await;
    let (ours, theirs) = (scene.account(1).await, scene.account(2).await);
    let second = scene.number(ours.tenant, "+5511999990101", "{}").await.to_string();
    let mut tenant = scene.listen(&stream(&ours.tenant_key)).await;
    let mut number = scene.listen(&stream(&ours.number_key)).await;
    let one = stream(&ours.tenant_key).header("x-whatsapp-number-id", &second);
    let mut one = scene.listen(&one).await;
    // A number's key hears of its number, whatever it names.
    let named = stream(&theirs.number_key).header("x-whatsapp-number-id", &ours.number);
    let mut stranger = scene.listen(&named).await;
    for listening in [&mut tenant, &mut number, &mut one, &mut stranger] {
        ready(listening).await;
    }

    let kind = EventKind::NumberConnected;
    let first = happen(&scene, &ours, &ours.number, kind).await;
    let foreign = happen(&scene, &theirs, &theirs.number, kind).await;
    let last = happen(&scene, &ours, &second, kind).await;
    let first_again = happen(&scene, &ours, &ours.number, EventKind::NumberDisconnected).await;

    for event in [&first, &last, &first_again] {
        assert_eq!(tenant.next().await, Some(told(event)));
    }
    for event in [&first, &first_again] {
        assert_eq!(number.next().await, Some(told(event)));
    }
    assert_eq!(one.next().await, Some(told(&last)));
    assert_eq!(stranger.next().await, Some(told(&foreign)));
    for id in [ours.number.clone(), "wa_none".to_owned()] {
        let ask = stream(&theirs.tenant_key).header("x-whatsapp-number-id", &id);
        let answer = scene.ask(&ask).await;
        assert_eq!((answer.status, answer.code().as_str()), (404, "NUMBER_NOT_FOUND"));
    }
}

#[tokio::test]
async fn a_stream_goes_on_where_it_was_cut_and_repeats_nothing() {
    let scene = Scene::start().await;
    let (ours, theirs) = (scene.account(1).await, scene.account(2).await);
    let mut listening = scene.listen(&stream(&ours.tenant_key)).await;
    let place = ready(&mut listening).await;
    drop(listening);
    let kind = EventKind::NumberConnected;
    let a = happen(&scene, &ours, &ours.number, kind).await;
    let b = happen(&scene, &ours, &ours.number, EventKind::NumberDisconnected).await;
    let c = happen(&scene, &ours, &ours.number, kind).await;

    for (last_id, missed) in [(&place, vec![&a, &b, &c]), (&a.id.to_string(), vec![&b, &c])] {
        let ask = stream(&ours.tenant_key).header("last-event-id", last_id);
        let mut listening = scene.listen(&ask).await;
        ready(&mut listening).await;
        for event in missed {
            assert_eq!(listening.next().await, Some(told(event)));
        }
    }
    let foreign = happen(&scene, &theirs, &theirs.number, kind).await;
    for id in [&foreign.id.to_string(), "evt_01kdhz4q6yf5svj7g2m9n3t8xw", "pos_1", "7"] {
        let answer = scene.ask(&stream(&ours.tenant_key).header("last-event-id", id)).await;
        assert_eq!((answer.status, answer.code().as_str()), (404, "EVENT_NOT_FOUND"), "{id}");
    }
}

#[tokio::test]
async fn a_stream_tells_what_is_asked_for() {
    let scene = Scene::start().await;
    let ours = scene.account(1).await;
    let now = SystemClock.now();
    let long_ago = Timestamp::from_millis(now.as_millis() - 3_600_000);
    let a_while_ago = Timestamp::from_millis(now.as_millis() - 60_000);
    let kind = EventKind::NumberConnected;
    happen_at(&scene, &ours, &ours.number, kind, long_ago).await;
    let b = happen_at(&scene, &ours, &ours.number, kind, a_while_ago).await;
    let c = happen(&scene, &ours, &ours.number, EventKind::NumberDisconnected).await;

    let since = Timestamp::from_millis(now.as_millis() - 600_000);
    let path = format!("/v1/events/stream?since={since}");
    let mut recent = scene.listen(&Ask::new("GET", &path).key(&ours.tenant_key)).await;
    let path = format!("{path}&events=message.received,%20number.disconnected");
    let mut picky = scene.listen(&Ask::new("GET", path).key(&ours.tenant_key)).await;
    ready(&mut recent).await;
    ready(&mut picky).await;

    assert_eq!(recent.next().await, Some(told(&b)));
    assert_eq!(recent.next().await, Some(told(&c)));
    assert_eq!(picky.next().await, Some(told(&c)));
    for query in ["since=yesterday", "events=number.exploded", "events=webhook.test"] {
        let ask = Ask::new("GET", format!("/v1/events/stream?{query}")).key(&ours.tenant_key);
        let answer = scene.ask(&ask).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, "VALIDATION_ERROR"), "{query}");
    }
}

#[tokio::test]
async fn a_stream_ends_with_its_key() {
    let scene = Scene::start().await;
    let ours = scene.account(1).await;
    let mut listening = scene.listen(&stream(&ours.tenant_key)).await;
    ready(&mut listening).await;

    let regenerate = Ask::new("POST", "/v1/api-keys/regenerate").key(&ours.tenant_key);
    assert_eq!(scene.ask(&regenerate).await.status, 201);

    // What ends a chunked body may still come.
    while let Some(heard) = listening.next().await {
        assert_eq!(heard.name, "", "{heard:?}");
    }
}
