//! The API document and the page that shows it.

use serde_json::Value;

use crate::scene::{Ask, Scene};

#[tokio::test]
async fn the_document_and_its_page_are_served_without_a_key() {
    let scene = Scene::start().await;

    let document = scene.ask(&Ask::new("GET", "/openapi.json")).await;
    let page = scene.ask(&Ask::new("GET", "/docs/")).await;
    let script = scene.ask(&Ask::new("GET", "/docs/swagger-initializer.js")).await;

    assert_eq!(document.status, 200);
    let parsed: Value = document.json();
    assert_eq!(parsed["openapi"], "3.1.0");
    assert_eq!(document.text, ramal_web::openapi_document());
    assert_eq!((page.status, script.status), (200, 200));
    assert!(page.text.contains("swagger-ui") && script.text.contains("/openapi.json"));
    for text in [&page.text, &script.text] {
        assert!(!text.contains("http://") && !text.contains("https://"), "{text}");
    }
}
