//! Guessed tokens of pairing links: throttled by the address that they come from.

use ramal_tests::{Answer, World};
use reqwest::Method;

async fn ask(world: &World, token: &str, forwarded: &str) -> Answer {
    let path = format!("/v1/remote-pairing/{token}");
    let headers = [("x-forwarded-for", forwarded)];
    world.api().anonymous().raw(Method::GET, &path, &headers, "").await
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_guesses_tokens_is_throttled_and_others_are_not() {
    let world = World::with(&[("SERVER__TRUSTED_PROXIES", "[\"127.0.0.1\"]")]).await;
    let body = serde_json::json!({"name": "Maria", "number": "+5511999990123"});
    let link = world.api().post("/v1/numbers/remote-pairing", body).await.expect(201);
    let token = link["remotePairingToken"].as_str().expect("a token");
    let (mut unknown, mut throttled) = (0_u32, 0_u32);

    for guess in 0..2_000 {
        let guessed = format!("0b7f6c3e-0d0e-4e58-9b0a-{guess:012x}");
        // What stands before the proxy's own entry is the guesser's invention.
        let invented = format!("198.51.100.{}, 203.0.113.9", guess % 250);
        match ask(&world, &guessed, &invented).await.status {
            404 => unknown += 1,
            429 => throttled += 1,
            other => panic!("{other}"),
        }
    }

    // The burst, and what a second gives while this takes its time.
    assert!(unknown >= 240 && throttled > 0, "{unknown} {throttled}");
    ask(&world, token, "203.0.113.9").await.refused(429, "RATE_LIMITED");
    let other = ask(&world, token, "203.0.113.10").await;
    assert_eq!(other.status, 200, "{}", other.text);
}
