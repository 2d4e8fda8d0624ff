//! What goes wrong: sorted, tried again where that is safe, and never with a secret in it.

use std::{fmt::Debug, time::Duration};

use ramal_meta::{Access, ErrorClass, Graph, GraphError, Options};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::scripted::{APP, PHONE, PROOF, SECRET, Scripted, TOKEN, access, error, phone, waba};

const PIN: &str = "123456";
const VERIFY: &str = "hush-verify-token";
const CODE: &str = "hush-code";
const SECRETS: [&str; 6] = [TOKEN, SECRET, PROOF, PIN, VERIFY, CODE];

fn text() -> Value {
    json!({"messaging_product": "whatsapp", "to": "+16505551234", "type": "text", "text": {"body": "hi"}})
}

#[tokio::test]
async fn an_error_says_what_meta_said() {
    let meta = Scripted::start().await;
    meta.answers(400, error(131_047, "(#131047) Re-engagement message"));

    let error = meta.graph.send(&access(), &phone(), &text()).await.unwrap_err();

    assert_eq!((error.class, error.code), (ErrorClass::WindowClosed, Some(131_047)));
    assert_eq!(error.details(), Some("It is so."));
    assert_eq!(error.trace(), Some("Az8or2yhqkZfEZ-_4Qn_Bam"));
    assert!(error.to_string().contains("(#131047) Re-engagement message"), "{error}");
    // The HTTP status says nothing: an error is an error.
    meta.answers(200, crate::scripted::error(190, "Error validating access token"));
    let error = meta.graph.phone(&access(), &phone()).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Credentials);
}

#[tokio::test]
async fn only_reads_are_tried_again() {
    let meta = Scripted::start().await;
    let (graph, access, phone) = (&meta.graph, access(), phone());
    let busy = || meta.answers(500, error(131_016, "(#131016) Service unavailable"));

    busy();
    busy();
    meta.answers(200, json!({"id": PHONE}));
    graph.phone(&access, &phone).await.unwrap();
    assert_eq!(meta.requests().len(), 3);

    for _try in 0..3 {
        busy();
    }
    let error = graph.phone(&access, &phone).await.unwrap_err();
    assert!(error.class == ErrorClass::Transient && error.is_safe_to_repeat(), "{error:?}");
    assert_eq!(meta.requests().len(), 3);

    busy();
    let error = graph.send(&access, &phone, &text()).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Transient);
    busy();
    graph.register(&access, &phone, &PIN.into()).await.unwrap_err();
    busy();
    graph.subscribe(&access, &waba(), None).await.unwrap_err();
    // A code works once.
    busy();
    graph.exchange_code(&APP.parse().unwrap(), &SECRET.into(), CODE).await.unwrap_err();
    assert_eq!(meta.requests().len(), 4);

    // Throttling is not helped by asking again at once.
    meta.answers(400, crate::scripted::error(80_007, "(#80007) Rate limit"));
    let error = graph.phone(&access, &phone).await.unwrap_err();
    assert!(error.class == ErrorClass::Throttled && error.is_safe_to_repeat());
    assert_eq!(meta.requests().len(), 1);
}

#[tokio::test]
async fn an_answer_without_sense_to_a_send_may_mean_that_it_was_sent() {
    let meta = Scripted::start().await;
    let (graph, access, phone) = (&meta.graph, access(), phone());
    let cases = [
        (502, "<html>Bad gateway</html>", ErrorClass::TimedOut),
        (500, "", ErrorClass::TimedOut),
        (200, "gibberish", ErrorClass::TimedOut),
        (200, r#"{"messaging_product":"whatsapp"}"#, ErrorClass::TimedOut),
        (429, "", ErrorClass::Throttled),
        (401, "", ErrorClass::Credentials),
        (404, "<html>", ErrorClass::Unexpected),
        (302, "", ErrorClass::Unexpected),
    ];
    for (status, body, class) in cases {
        meta.answers_raw(status, body);
        let error = graph.send(&access, &phone, &text()).await.unwrap_err();
        assert_eq!(error.class, class, "{status} {body}: {error:?}");
        assert_eq!(meta.requests().len(), 1, "{status} {body}");
    }
    for body in ["gibberish", "[]", r#"{"error":"odd"}"#] {
        meta.answers_raw(200, body);
        let result = graph.phones_of(&access, &waba()).await;
        assert_eq!(result.unwrap_err().class, ErrorClass::Unexpected, "{body}");
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let meta = Scripted::start().await;
    meta.answers(302, json!({}));

    let error = meta.graph.phone(&access(), &phone()).await.unwrap_err();

    assert_eq!(error.class, ErrorClass::Unexpected);
    assert_eq!(meta.request().line(), format!("GET /v25.0/{PHONE}"));
}

#[tokio::test]
async fn an_endless_answer_is_cut() {
    let meta = Scripted::start().await;
    meta.answers_raw(200, vec![b' '; 5 * 1024 * 1024]);

    let error = meta.graph.phone(&access(), &phone()).await.unwrap_err();

    assert_eq!(error.class, ErrorClass::Unexpected);
}

#[tokio::test]
async fn whether_a_lost_request_left_decides_what_it_is() {
    // A port that nobody listens on.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let options = Options {
        graph_url: format!("http://{address}"),
        timeout: Duration::from_millis(300),
        ..Options::default()
    };
    let graph = Graph::new(&options).unwrap();
    let error = graph.send(&access(), &phone(), &text()).await.unwrap_err();
    assert!(error.class == ErrorClass::Unreachable && error.is_safe_to_repeat(), "{error:?}");
    assert_silent(&error);

    // One that listens and never answers.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let graph_url = format!("http://{}", listener.local_addr().unwrap());
    let graph = Graph::new(&Options { graph_url, ..options }).unwrap();
    let error = graph.send(&access(), &phone(), &text()).await.unwrap_err();
    assert!(error.class == ErrorClass::TimedOut && !error.is_safe_to_repeat(), "{error:?}");
    assert_silent(&error);
}

#[tokio::test]
async fn what_cannot_be_right_is_not_asked() {
    let meta = Scripted::start().await;
    let (graph, access, phone) = (&meta.graph, access(), phone());
    let verify = VERIFY.into();
    let long = format!("https://example.com/{}", "x".repeat(200));

    for pin in ["", "12345", "1234567", "12345x", "１２３４５６"] {
        let error = graph.register(&access, &phone, &pin.into()).await.unwrap_err();
        assert_eq!(error.class, ErrorClass::Pin, "{pin}");
    }
    let error = graph.subscribe(&access, &waba(), Some((&long, &verify))).await.unwrap_err();
    assert!(error.class == ErrorClass::Invalid && error.to_string().contains("200"), "{error}");
    graph.set_callback(&access, &phone, Some((&long, &verify))).await.unwrap_err();
    for token in ["", "EAA bc", "EAAbc\n", "EAAé"] {
        let bad = Access { token: token.into(), app_secret: None };
        let error = graph.phone(&bad, &phone).await.unwrap_err();
        assert_eq!(error.class, ErrorClass::Credentials, "{token:?}");
    }
    for id in ["", ".", "..", "1/2", "1?x=1", "é"] {
        let error = graph.media(&access, id, None).await.unwrap_err();
        assert!(matches!(error.class, ErrorClass::NotFound | ErrorClass::Invalid), "{id}");
    }
    assert!(meta.requests().is_empty());
}

/// Neither text nor debugging output shows a secret or an address.
#[track_caller]
fn assert_silent(error: &GraphError) {
    let shown = format!("{error} {error:?} {error:#?} {:?} {:?}", error.details(), error.trace());
    for secret in SECRETS {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
    assert!(!shown.contains("://") && !shown.contains("appsecret_proof="), "{shown}");
}

#[tokio::test]
async fn nothing_shows_a_secret() {
    let meta = Scripted::start().await;
    let (graph, access, phone, verify) = (&meta.graph, access(), phone(), VERIFY.into());
    let app = APP.parse().unwrap();
    let echo = SECRETS.join(" ")
        + &format!(
            " https://graph.facebook.com/x?access_token={TOKEN}&appsecret_proof={PROOF} {APP}|{SECRET}"
        );
    // A Graph that says everything it was told.
    let said = || {
        let body = json!({"error": {"message": echo, "type": "OAuthException", "code": 190,
            "error_user_msg": echo, "fbtrace_id": TOKEN, "error_data": {"details": echo}}});
        meta.answers(400, body);
    };
    let callback = Some(("https://example.com/", &verify));

    said();
    let error = graph.register(&access, &phone, &PIN.into()).await.unwrap_err();
    for secret in [TOKEN, SECRET, PROOF, PIN] {
        assert!(!format!("{error} {error:?}").contains(secret), "{error:?}");
    }
    said();
    let error = graph.subscribe(&access, &waba(), callback).await.unwrap_err();
    for secret in [TOKEN, SECRET, PROOF, VERIFY] {
        assert!(!format!("{error} {error:?}").contains(secret), "{error:?}");
    }
    said();
    let error = graph.set_callback(&access, &phone, callback).await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains(VERIFY), "{error:?}");
    said();
    let error = graph.exchange_code(&app, &SECRET.into(), CODE).await.unwrap_err();
    for secret in [SECRET, CODE] {
        assert!(!format!("{error} {error:?}").contains(secret), "{error:?}");
    }
    said();
    let error = graph.inspect_token(&access, Some(&app)).await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains(TOKEN), "{error:?}");
    meta.answers(
        200,
        json!({"data": {"is_valid": false, "error": {"code": 190, "message": echo}}}),
    );
    let info = graph.inspect_token(&access, None).await.unwrap();
    assert!(!format!("{info:?}").contains(TOKEN), "{info:?}");
    meta.answers(200, json!({"access_token": TOKEN, "token_type": "bearer"}));
    let token = graph.exchange_code(&app, &SECRET.into(), CODE).await.unwrap();

    let things: [&dyn Debug; 3] = [&access, graph, &token];
    for thing in things {
        let shown = format!("{thing:?} {thing:#?}");
        for secret in SECRETS {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}
