//! Meta's own examples of webhooks, at the address that Meta delivers to.

use ramal_tests::{Line, Official, examples_of_meta};
use serde_json::{Value, json};

use crate::{NUMBER, friend_writes};

/// What the customer hears of an example: event, type and content. `None`: nobody wrote anything.
fn expected(name: &str) -> Option<(&'static str, &'static str, &'static str)> {
    Some(match name {
        "Text Message" => ("message.received", "text", "Does it come in another color?"),
        "Text Message with Context (Product Inquiry)" => {
            ("message.reply", "text", "Is this still available?")
        }
        "Text Message from Click to WhatsApp Ad" => {
            ("message.received", "text", "Hello! Can I get more info on this?")
        }
        "Reaction Message" => ("message.received", "reaction", "👍"),
        "Image Message" => ("message.received", "image", "Taj Mahal"),
        "Location Message" => ("message.received", "location", "Philz Coffee ("),
        "Contact Sharing Message" => ("message.received", "contacts", "Lucía Gómez (+"),
        "Button Message" => ("message.reply", "text", "Unsubscribe"),
        "Interactive List Reply Message" => ("message.reply", "text", "Priority Mail Express"),
        "Interactive Button Reply Message" => ("message.reply", "text", "Cancel"),
        // It is told that there is one: the contract has no word for it.
        "Order Message" | "Unsupported Message" => ("message.received", "", ""),
        other => {
            let untold = other == "System Message" || other.starts_with("Group");
            assert!(untold, "an example that this test does not know: {other}");
            return None;
        }
    })
}

/// An example as it would be if the number were the example's, and its message one of its own: Meta's examples
/// share ids.
fn about(line: &Line, example: &Value, message_id: &str) -> Value {
    let mut example = example.clone();
    let entry = &mut example["entry"][0];
    entry["id"] = json!(line.waba);
    let value = &mut entry["changes"][0]["value"];
    value["metadata"] = json!({
        "display_phone_number": NUMBER.trim_start_matches('+'),
        "phone_number_id": line.phone,
    });
    if value["messages"].is_array() {
        value["messages"][0]["id"] = json!(message_id);
    }
    example
}

/// As Meta writes it.
fn written(body: &Value) -> String {
    body.to_string().replace('/', "\\/")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_example_of_meta_is_accepted_and_what_was_written_is_told() {
    let Some(examples) = examples_of_meta() else { return };
    assert!(examples.len() >= 16, "{}", examples.len());
    let world = Official::start().await;
    let line = world.line(NUMBER).await;

    for (index, (name, example)) in examples.iter().enumerate() {
        // As it is: about a number that is not ours.
        assert_eq!(world.deliver(&line, &written(example)).await, 200, "{name}");
        let id = format!("wamid.example{index}");
        let own = written(&about(&line, example, &id));
        assert_eq!(world.deliver(&line, &own).await, 200, "{name}");

        let Some((event, kind, content)) = expected(name) else { continue };
        let is_it = |data: &Value| data["messageId"] == id.as_str();
        let data = world.receiver.wait_for("line", event, is_it).await.data();
        let said = |key: &str| data[key].as_str().unwrap_or_default().to_owned();
        // Where a place is and a person's numbers follow the name.
        let (is_more, said_content) = (content.ends_with(['(', '+']), said("content"));
        let fits =
            if is_more { said_content.starts_with(content) } else { said_content == content };
        assert!(said("type") == kind && fits, "{name}: {data}");
        assert_eq!(
            (&data["from"], &data["to"]),
            (&json!("+16505551234"), &json!(NUMBER)),
            "{name}"
        );
    }

    friend_writes(&world, &line, "last").await;
    let told = examples.iter().filter(|(name, _)| expected(name).is_some()).count();
    let events = world.receiver.everything();
    let messages = events.iter().filter(|event| event.event().starts_with("message."));
    assert_eq!(
        messages.count(),
        told + 1,
        "each once, and nothing of what is about another number"
    );
    world.end().await;
}
