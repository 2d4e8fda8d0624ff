//! The dashboard's page of a number's messages: who sees it, what it shows, and what it sends.

use std::fmt::Write as _;

use ramal_domain::{Clock as _, MediaToken, NumberId, Peer, Place, Role, SystemClock, WireId};
use ramal_store::{Choice, InboundMedia, InboundMessage, RemoteMedia, StoredMedia};
use serde_json::{Value, json};

use crate::{
    scene::{Account, Answer, Ask, Person, Scene},
    whatsapp::MEDIA,
};

const FORM: &str = "application/x-www-form-urlencoded";

/// A page as a browser asks for it.
async fn page(scene: &Scene, person: &Person, path: &str) -> Answer {
    let ask = Ask::new("GET", path).header("cookie", &person.cookie);
    scene.ask(&ask.header("accept", "text/html").header("accept-language", "en")).await
}

/// A form as a browser sends it; `token` may be another one than the person's.
async fn post(
    scene: &Scene,
    person: &Person,
    path: &str,
    fields: &[(&str, &str)],
    token: &str,
) -> Answer {
    let mut body = format!("form_token={token}");
    for (name, value) in fields {
        write!(body, "&{name}={}", encoded(value)).unwrap();
    }
    let ask = Ask::new("POST", path).header("cookie", &person.cookie).header("content-type", FORM);
    let ask = ask.header("accept", "text/html").header("accept-language", "en");
    scene.ask_raw(&ask, body.as_bytes()).await
}

fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut all, byte| {
        write!(all, "%{byte:02X}").unwrap();
        all
    })
}

async fn sent(scene: &Scene, account: &Account) -> Vec<Value> {
    let ask = Ask::new("GET", "/v1/messages").key(&account.number_key);
    scene.ask(&ask).await.json()["messages"].as_array().unwrap().clone()
}

fn address(account: &Account) -> String {
    format!("/numbers/{}/messages", account.number)
}

/// Somebody writes to the number.
async fn heard(
    scene: &Scene,
    account: &Account,
    from: &str,
    (wire, text): (&str, &str),
    quoted: Option<&str>,
) {
    let quoted = quoted.map(WireId::from_text);
    let message = inbound(account, from, (wire, text));
    receive(scene, &InboundMessage { quoted, ..message }).await;
}

fn inbound(account: &Account, from: &str, (wire, text): (&str, &str)) -> InboundMessage {
    InboundMessage {
        tenant: account.tenant,
        number: account.number.parse().unwrap(),
        wire_id: WireId::from_text(wire),
        from: Peer::Phone(from.parse().unwrap()),
        lid: None,
        place: Place::Direct,
        kind: "text",
        content: Some(text.to_owned()),
        sender_name: Some("Ana".to_owned()),
        at: SystemClock.now(),
        quoted: None,
        media: None,
    }
}

async fn receive(scene: &Scene, message: &InboundMessage) {
    let mut tx = scene.store().begin().await.unwrap();
    assert!(tx.messages().receive(message, SystemClock.now()).await.unwrap());
    tx.commit().await.unwrap();
}

/// Somebody sends a picture to the number: returns the path of its link.
async fn pictured(scene: &Scene, account: &Account, wire: &str) -> String {
    let token = MediaToken::mint();
    let remote = RemoteMedia { path: "/v/picture".to_owned(), ..RemoteMedia::default() };
    let media = StoredMedia {
        mime: Some("image/png".to_owned()),
        remote: Some(remote),
        ..StoredMedia::default()
    };
    let link_until = SystemClock.now().after(MediaToken::LIFE);
    let media = Some(InboundMedia { media, link_hash: token.hash(), link_until });
    let message = inbound(account, "+5511988887777", (wire, "look"));
    receive(scene, &InboundMessage { kind: "image", media, ..message }).await;
    token.link("")
}

async fn keep(scene: &Scene, account: &Account, pii_mode: &str, days: Option<i64>) {
    let number: NumberId = account.number.parse().unwrap();
    let choice = Choice { settings: "{}", pii_mode, pii_retention_days: days };
    let mut tx = scene.store().begin().await.unwrap();
    tx.numbers().change(number, &choice, SystemClock.now()).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn one_signs_in_first() {
    let scene = Scene::start().await;
    let ours = scene.account(1).await;
    let message = scene.message(&ours).await;
    let nobody = Person { cookie: "ramal_session=none".to_owned(), token: String::new() };

    let answer = page(&scene, &nobody, &address(&ours)).await;
    assert_eq!(answer.status, 303);
    assert!(answer.head.contains("location: /sign-in"), "{}", answer.head);
    for path in [address(&ours), format!("{}/{message}/cancel", address(&ours))] {
        let answer = post(&scene, &nobody, &path, &[("to", "+5511988887777")], "").await;
        assert_eq!((answer.status, answer.text.as_str()), (303, ""), "{path}");
    }
    assert_eq!(sent(&scene, &ours).await.len(), 1);
}

#[tokio::test]
async fn a_stranger_finds_no_number_and_no_message() {
    let scene = Scene::start().await;
    let (ours, theirs) = (scene.account(1).await, scene.account(2).await);
    let message = scene.message(&ours).await;
    let stranger = scene.person(&theirs, Role::Owner).await;

    // Our number; our message under their own number; and what nobody has.
    for path in [
        address(&ours),
        format!("{}?part=log", address(&ours)),
        format!("{}/{message}/media", address(&ours)),
        format!("{}/{message}/media", address(&theirs)),
        format!("/live?messages={}", ours.number),
        "/numbers/wa_none/messages".to_owned(),
    ] {
        let answer = page(&scene, &stranger, &path).await;
        assert_eq!(answer.status, 404, "{path}");
        assert!(!answer.text.contains(&ours.phone), "{path}");
    }
    for path in [
        address(&ours),
        format!("{}/{message}/cancel", address(&ours)),
        format!("{}/{message}/cancel", address(&theirs)),
    ] {
        let fields = [("to", "+5511988887777"), ("text", "x")];
        let answer = post(&scene, &stranger, &path, &fields, &stranger.token).await;
        assert_eq!(answer.status, 404, "{path}");
    }
    let left = sent(&scene, &ours).await;
    assert_eq!((left.len(), &left[0]["status"]), (1, &json!("QUEUED")));
}

#[tokio::test]
async fn only_an_owner_sends_and_only_from_a_page_of_ours() {
    let scene = Scene::start().await;
    let ours = scene.account(1).await;
    let message = scene.message(&ours).await;
    let owner = scene.person(&ours, Role::Owner).await;
    let viewer = scene.person(&ours, Role::Viewer).await;
    let cancel = format!("{}/{message}/cancel", address(&ours));

    for path in [&address(&ours), &cancel] {
        let fields = [("to", "+5511988887777"), ("text", "x")];
        for (person, token) in [(&owner, ""), (&owner, &*viewer.token), (&viewer, &*viewer.token)] {
            let answer = post(&scene, person, path, &fields, token).await;
            assert_eq!(answer.status, 403, "{path}");
        }
    }
    // A form with a file proves itself by its first field.
    let parts =
        "--b\r\ncontent-disposition: form-data; name=\"to\"\r\n\r\n+5511988887777\r\n--b--\r\n";
    let ask = Ask::new("POST", address(&ours)).header("cookie", &owner.cookie);
    let ask = ask.header("content-type", "multipart/form-data; boundary=b");
    assert_eq!(scene.ask_raw(&ask, parts.as_bytes()).await.status, 403);

    let seen = page(&scene, &viewer, &address(&ours)).await;
    assert_eq!(seen.status, 200);
    let main = seen.text.split_once("<main").unwrap().1;
    assert!(main.contains("Hello") && !main.contains("method=\"post\""), "{main}");
    assert_eq!(sent(&scene, &ours).await.len(), 1);
}

#[tokio::test]
async fn a_form_is_one_message_however_often_it_is_sent() {
    let scene = Scene::start().await;
    let ours = scene.account(1).await;
    let owner = scene.person(&ours, Role::Owner).await;
    let form = [("once", "form-1"), ("to", "+55 (11) 98888-7777"), ("text", "Hi\r\nthere")];

    for _ in 0..2 {
        let answer = post(&scene, &owner, &address(&ours), &form, &owner.token).await;
        assert_eq!(answer.status, 303, "{}", answer.text);
    }
    let all = sent(&scene, &ours).await;
    assert_eq!(all.len(), 1);
    assert_eq!(
        (&all[0]["text"], &all[0]["origin"], &all[0]["destinationNumber"]),
        (&json!("Hi\nthere"), &json!("DASHBOARD"), &json!("+5511988887777"))
    );
    // Back in the browser, and something else is written: that is another message.
    let other = [("once", "form-1"), ("to", "+5511988887777"), ("text", "Bye")];
    post(&scene, &owner, &address(&ours), &other, &owner.token).await;
    assert_eq!(sent(&scene, &ours).await.len(), 2);
}

#[tokio::test]
async fn what_is_wrong_is_said_and_what_was_typed_stays() {
    let scene = Scene::start().await;
    let ours = scene.account(1).await;
    let owner = scene.person(&ours, Role::Owner).await;
    scene.template(&ours, "greeting").await;

    for (fields, said) in [
        (vec![("to", "12"), ("text", "Kept & shown")], "A number looks like"),
        (vec![("to", "+5511988887777"), ("text", " ")], "The text is missing."),
        (
            vec![
                ("to", "+5511988887777"),
                ("text", "Kept & shown"),
                ("deliverAt", "2020-01-01T00:00"),
            ],
            "That moment has passed.",
        ),
        (
            vec![("to", "+5511988887777"), ("text", "Kept & shown"), ("media", "ftp://x")],
            "Media are an http or https address",
        ),
        (
            vec![("to", "+5511988887777"), ("template", "greeting")],
            "The template needs values for: name.",
        ),
        (vec![("to", "+5511988887777"), ("template", "none")], "There is no such template"),
        (
            vec![("crowd", "1@g.us"), ("text", "Kept & shown"), ("deliverAt", "soon")],
            "That is no moment in time.",
        ),
    ] {
        let answer = post(&scene, &owner, &address(&ours), &fields, &owner.token).await;
        assert_eq!(answer.status, 400, "{fields:?}: {}", answer.text);
        assert!(answer.text.contains(said), "{fields:?}: {}", answer.text);
        assert!(answer.text.contains("role=\"alert\""));
        if fields.contains(&("text", "Kept & shown")) {
            assert!(answer.text.contains("Kept &#38; shown"), "{fields:?}: {}", answer.text);
        }
    }
    assert!(sent(&scene, &ours).await.is_empty());
}

#[tokio::test]
async fn a_template_shows_its_variables_and_is_sent_filled_in() {
    let scene = Scene::start().await;
    let ours = scene.account(1).await;
    let owner = scene.person(&ours, Role::Owner).await;
    scene.template(&ours, "greeting").await;

    let asked = page(&scene, &owner, &format!("{}?template=", address(&ours))).await;
    assert!(asked.text.contains("<option value=\"greeting\">"), "{}", asked.text);
    let fields = [("to", "+5511988887777"), ("template", "greeting"), ("choose", "1")];
    let chosen = post(&scene, &owner, &address(&ours), &fields, &owner.token).await;
    assert_eq!(chosen.status, 200, "{}", chosen.text);
    assert!(chosen.text.contains("name=\"var.name\""), "{}", chosen.text);
    assert!(chosen.text.contains("value=\"+5511988887777\""), "what was typed stays");
    assert!(sent(&scene, &ours).await.is_empty());

    let fields = [("to", "+5511988887777"), ("template", "greeting"), ("var.name", "Ana")];
    let answer = post(&scene, &owner, &address(&ours), &fields, &owner.token).await;
    assert_eq!(answer.status, 303, "{}", answer.text);
    let all = sent(&scene, &ours).await;
    assert_eq!((&all[0]["text"], &all[0]["template"]), (&json!("Hello Ana"), &json!("greeting")));
}

#[tokio::test]
async fn what_is_scheduled_is_listed_and_taken_back_once() {
    let scene = Scene::start().await;
    let ours = scene.account(1).await;
    let owner = scene.person(&ours, Role::Owner).await;
    let at = SystemClock.now().after(std::time::Duration::from_hours(24)).to_string();
    let fields = [("to", "+5511988887777"), ("text", "Tomorrow"), ("deliverAt", &at)];
    let answer = post(&scene, &owner, &address(&ours), &fields, &owner.token).await;
    assert_eq!(answer.status, 303, "{}", answer.text);

    let seen = page(&scene, &owner, &address(&ours)).await.text;
    let id = sent(&scene, &ours).await[0]["id"].as_str().unwrap().to_owned();
    let cancel = format!("{}/{id}/cancel", address(&ours));
    assert!(seen.contains(&format!("datetime=\"{at}\"")) && seen.contains(&cancel), "{seen}");

    for _ in 0..2 {
        let answer = post(&scene, &owner, &cancel, &[], &owner.token).await;
        assert_eq!(answer.status, 303, "the second time it says that it was canceled before");
    }
    let all = sent(&scene, &ours).await;
    assert_eq!((all.len(), &all[0]["status"]), (1, &json!("CANCELED")));
    let seen = page(&scene, &owner, &address(&ours)).await.text;
    assert!(!seen.contains(&cancel) && seen.contains("Canceled"), "{seen}");
    let canceled = page(&scene, &owner, &format!("{}?status=CANCELED", address(&ours))).await.text;
    assert!(canceled.split_once("id=\"log\"").unwrap().1.contains("Tomorrow"), "{canceled}");
    let failed = page(&scene, &owner, &format!("{}?status=FAILED", address(&ours))).await.text;
    assert!(failed.contains("No message matches this filter."), "{failed}");
}

#[tokio::test]
async fn the_log_shows_both_ways_what_is_answered_and_one_person_alone() {
    let scene = Scene::start().await;
    let ours = scene.account(1).await;
    let owner = scene.person(&ours, Role::Owner).await;
    let ana = "+5511988887777";
    heard(&scene, &ours, ana, ("W1", "<b>Where</b> is it?"), None).await;
    heard(&scene, &ours, ana, ("W2", "I mean this"), Some("W1")).await;
    heard(&scene, &ours, "+5511966665555", ("W3", "Somebody else"), None).await;
    let body =
        json!({"destinationNumber": "+5511977776666", "text": "On its way", "labels": ["vip"]});
    let send = Ask::new("POST", "/v1/messages/send").key(&ours.number_key).body(body);
    assert_eq!(scene.ask(&send).await.status, 202);

    let all = page(&scene, &owner, &address(&ours)).await.text;
    for shown in [
        "Ana · +55 11 98888-7777",
        "&#60;b&#62;Where&#60;/b&#62; is it?",
        "In reply to: “&#60;b&#62;Where",
        "On its way",
        "vip",
        "as soon as possible",
        "Queued",
        "Somebody else",
    ] {
        assert!(all.contains(shown), "{shown}: {all}");
    }
    let one = page(&scene, &owner, &format!("{}?peer=%2B5511988887777", address(&ours))).await.text;
    let log = one.split_once("id=\"log\"").unwrap().1;
    assert!(log.contains("I mean this") && !log.contains("Somebody else"), "{log}");
    assert!(!log.contains("On its way"), "{log}");
    let none = page(&scene, &owner, &format!("{}?peer=nobody", address(&ours))).await;
    assert!(none.status == 200 && none.text.contains("That is no phone number"), "{}", none.text);
    let far = page(&scene, &owner, &format!("{}?page=9", address(&ours))).await.text;
    assert!(far.contains("There are no messages on this page."), "{far}");
}

#[tokio::test]
async fn a_number_that_relays_shows_neither_words_nor_people() {
    let scene = Scene::start().await;
    let ours = scene.account(1).await;
    let owner = scene.person(&ours, Role::Owner).await;
    heard(&scene, &ours, "+5511988887777", ("W1", "a secret"), None).await;
    keep(&scene, &ours, "STORE_X_DAYS", Some(30)).await;
    let seen = page(&scene, &owner, &address(&ours)).await.text;
    assert!(seen.contains("a secret") && seen.contains("for 30 days"), "{seen}");

    keep(&scene, &ours, "RELAY_ONLY", None).await;
    let seen = page(&scene, &owner, &address(&ours)).await.text;
    assert!(
        seen.contains("This number only relays") && seen.contains("Contents not kept"),
        "{seen}"
    );
    for hidden in ["a secret", "Ana", "98888-7777", "5511988887777"] {
        assert!(!seen.contains(hidden), "{hidden}: {seen}");
    }
}

#[tokio::test]
async fn media_are_reached_without_a_key_and_not_where_they_are_hidden() {
    let scene = Scene::start().await;
    let ours = scene.account(1).await;
    let owner = scene.person(&ours, Role::Owner).await;
    let on_page = |wire| format!("{}/{wire}/media", address(&ours));
    let by_key = |wire| Ask::new("GET", format!("/v1/media/{wire}")).key(&ours.number_key);
    let kept = pictured(&scene, &ours, "KEPT").await;
    keep(&scene, &ours, "RELAY_ONLY", None).await;
    let relayed = pictured(&scene, &ours, "RELAYED").await;

    for wire in ["KEPT", "RELAYED"] {
        let hidden = page(&scene, &owner, &on_page(wire)).await;
        assert_eq!(hidden.status, 404, "{wire}: {}", hidden.text);
    }
    let refused = scene.ask(&by_key("RELAYED")).await;
    assert_eq!((refused.status, refused.code().as_str()), (404, "MEDIA_NOT_FOUND"));
    for link in [&kept, &relayed] {
        let answer = scene.ask(&Ask::new("GET", link.as_str())).await;
        assert!(answer.status == 200 && answer.text.contains(MEDIA), "its link: {answer:?}");
    }

    // What was relayed stays hidden, and what was kept does not.
    keep(&scene, &ours, "STORE_INDEFINITE", None).await;
    let shown = page(&scene, &owner, &on_page("KEPT")).await;
    assert!(shown.status == 200 && shown.text.contains(MEDIA), "{shown:?}");
    assert_eq!(scene.ask(&by_key("KEPT")).await.status, 200);
    assert_eq!(page(&scene, &owner, &on_page("RELAYED")).await.status, 404);
    assert_eq!(scene.ask(&by_key("RELAYED")).await.status, 404);
}

#[tokio::test]
async fn media_that_its_sender_has_at_an_address_are_not_ours_to_give() {
    let scene = Scene::start().await;
    let ours = scene.account(1).await;
    let owner = scene.person(&ours, Role::Owner).await;
    let body = json!({
        "destinationNumber": "+5511988887777", "mediaType": "document", "fileName": "bill.pdf",
        "media": "https://acme.example/bill.pdf",
    });
    let send = Ask::new("POST", "/v1/messages/send").key(&ours.number_key).body(body);
    let id = scene.ask(&send).await.json()["id"].as_str().unwrap().to_owned();

    let seen = page(&scene, &owner, &address(&ours)).await.text;
    assert!(seen.contains("href=\"https://acme.example/bill.pdf\""), "{seen}");
    assert!(seen.contains("bill.pdf") && !seen.contains(&ours.number_key), "{seen}");
    let media = page(&scene, &owner, &format!("{}/{id}/media", address(&ours))).await;
    assert_eq!(media.status, 404, "{}", media.text);
}

#[tokio::test]
async fn whom_a_number_wrote_to_is_masked_once_it_is_forgotten() {
    let scene = Scene::start().await;
    let ours = scene.account(1).await;
    scene.open(&ours.number).await;
    keep(&scene, &ours, "RELAY_ONLY", None).await;
    for (to, whom, shown) in [
        ("destinationNumber", "+5511988887777", "+551198****7777"),
        ("groupId", "120363000000000001@g.us", "****"),
    ] {
        let body = json!({to: whom, "text": "a secret"});
        let send = Ask::new("POST", "/v1/messages/send").key(&ours.number_key).body(body);
        let answer = scene.ask(&send).await;
        assert_eq!(answer.status, 202, "{}", answer.text);
        let id = answer.json()["id"].as_str().unwrap().to_owned();
        let detail = Ask::new("GET", format!("/v1/messages/{id}")).key(&ours.number_key);
        assert_eq!(scene.ask(&detail).await.json()["destinationNumber"], whom, "it has to go");

        let mut tx = scene.store().begin().await.unwrap();
        tx.messages().sent(id.parse().unwrap(), SystemClock.now()).await.unwrap();
        tx.commit().await.unwrap();

        assert_eq!(scene.ask(&detail).await.json()["destinationNumber"], shown);
    }
}

#[tokio::test]
async fn the_stream_tells_of_messages() {
    let scene = Scene::start().await;
    let ours = scene.account(1).await;
    let owner = scene.person(&ours, Role::Owner).await;
    let path = format!("/live?messages={}", ours.number);
    let ask = Ask::new("GET", path).header("cookie", &owner.cookie);
    let mut stream = scene.listen(&ask).await;
    let mut mark = async || loop {
        let heard = stream.next().await.expect("more is told");
        if heard.name == "messages" {
            let told: Value = serde_json::from_str(&heard.data).unwrap();
            break told["mark"].as_str().unwrap().to_owned();
        }
    };
    let first = mark().await;
    let seen = page(&scene, &owner, &address(&ours)).await.text;
    assert!(seen.contains(&format!("data-mark=\"{first}\"")), "{seen}");
    scene.message(&ours).await;
    assert_ne!(mark().await, first);
}
