//! The command line: what a person types, and what comes of it.
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "tests fail by panicking")]

use std::time::Duration;

use ramal_tests::{Cli, Front, Running, World, decode_terminal_qr, eventually};
use serde_json::{Value, json};

const NUMBER: &str = "+5511999990001";
const FRIEND: &str = "+5511999990002";
const STRANGER: &str = "+5511999990003";
/// How long a command may take to see that it is done.
const LIMIT: Duration = Duration::from_secs(20);

fn key(world: &World) -> &str {
    world.product.key()
}

fn terminal(world: &World) -> Cli {
    Cli::new(world.product.address(), key(world))
}

/// What a command in the background has printed, once it is what is wanted.
async fn printed<T>(running: &Running, what: &str, mut find: impl FnMut(&str) -> Option<T>) -> T {
    eventually(what, async || find(&running.process.log())).await
}

/// What `listen --json` has printed so far.
fn heard(running: &Running) -> Vec<Value> {
    let log = running.process.log();
    let lines = log.lines().filter(|line| line.starts_with('{') && line.ends_with('}'));
    lines.map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

fn texts(running: &Running) -> Vec<String> {
    let heard = heard(running);
    let messages = heard.iter().filter(|event| event["event"] == "message.received");
    messages.map(|event| event["data"]["content"].as_str().expect("a text").to_owned()).collect()
}

async fn listening(cli: &Cli, args: &[&str]) -> Running {
    let running = cli.start(args);
    printed(&running, "it listens", |log| log.contains("listening at").then_some(())).await;
    running
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_is_created_by_scanning_the_terminal_then_used_and_deleted() {
    let world = World::start().await;
    let cli = terminal(&world);

    let mut creating = cli.start(&["numbers", "create", "--name", "Shop", "--number", NUMBER]);
    let qr = printed(&creating, "the QR code is drawn", |log| {
        log.contains("Pairing code").then(|| decode_terminal_qr(log)).flatten()
    })
    .await;
    world.phones().post(&format!("/phones/{NUMBER}/scan"), json!({"qr": qr})).await.expect(200);
    assert_eq!(creating.process.wait(LIMIT).await.code(), Some(0), "{}", creating.process.log());
    assert!(creating.process.log().contains("is connected"), "{}", creating.process.log());

    let numbers = world.api().numbers().await;
    let id = numbers[0]["id"].as_str().unwrap();
    let list = cli.run(&["numbers", "list"]).done();
    let row = list.lines().nth(1).unwrap();
    for cell in [id, NUMBER, "OPEN", "Shop"] {
        assert!(row.contains(cell), "{list}");
    }
    let listed: Value =
        serde_json::from_str(&cli.run(&["numbers", "list", "--json"]).done()).unwrap();
    assert_eq!(listed[0]["id"], id);
    let shown = cli.run(&["numbers", "show", NUMBER]).done();
    assert!(shown.contains(id) && shown.contains("OPEN"), "{shown}");

    let refused = cli.run(&["numbers", "delete", id]).failed(2);
    assert!(refused.contains("--yes"), "{refused}");
    let deleted = cli.run(&["numbers", "delete", id, "--yes"]).done();
    assert!(deleted.contains("can be restored until"), "{deleted}");
    assert_eq!(cli.run(&["numbers", "list"]).done().lines().count(), 1);
    cli.run(&["numbers", "delete", id, "--purge", "--yes"]).done();
    let gone = cli.run(&["numbers", "show", id]).failed(1);
    assert!(gone.contains("NUMBER_NOT_FOUND"), "{gone}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_is_connected_by_typing_the_pairing_code_and_another_phone_is_no_success() {
    let world = World::start().await;
    let cli = terminal(&world);
    let create = ["numbers", "create", "--name", "Shop", "--number", NUMBER, "--no-wait", "--json"];
    let created: Value = serde_json::from_str(&cli.run(&create).done()).unwrap();
    let id = created["instance"]["id"].as_str().unwrap();

    let mut wrong = cli.start(&["numbers", "connect", id]);
    let qr = printed(&wrong, "the QR code is drawn", |log| {
        log.contains("Pairing code").then(|| decode_terminal_qr(log)).flatten()
    })
    .await;
    world.phones().post(&format!("/phones/{STRANGER}/scan"), json!({"qr": qr})).await.expect(200);
    assert_eq!(wrong.process.wait(LIMIT).await.code(), Some(5), "{}", wrong.process.log());
    assert!(wrong.process.log().contains("WRONG_PHONE"), "{}", wrong.process.log());

    let mut connecting = cli.start(&["numbers", "connect", NUMBER]);
    let code = printed(&connecting, "the pairing code", |log| {
        log.lines().find_map(|line| line.strip_prefix("Pairing code: ")).map(str::to_owned)
    })
    .await;
    world.phones().enter_code(NUMBER, &code).await.expect(200);
    assert_eq!(connecting.process.wait(LIMIT).await.code(), Some(0));
    let again = cli.run(&["numbers", "connect", id]).failed(1);
    assert!(again.contains("NUMBER_ALREADY_CONNECTED"), "{again}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_is_sent_and_its_delivery_waited_for() {
    let world = World::start().await;
    let number = world.open_number(NUMBER).await;
    let cli = terminal(&world);

    let sent =
        cli.run(&["send", "--number", &number.id, "--to", FRIEND, "Hello!", "--wait"]).done();
    assert!(sent.starts_with("QUEUED") && sent.contains("DELIVERED"), "{sent}");
    let own = Cli::new(world.product.address(), &world.api().key_of(&number.id).await);
    let args = ["send", "--to", FRIEND, "-", "--wait", "--json"];
    let sent: Value = serde_json::from_str(&own.run_with(&args, "Two\nlines\n").done()).unwrap();
    assert_eq!(sent["status"], "DELIVERED");
    assert_eq!(world.phones().received(FRIEND).await, ["Hello!", "Two\nlines"]);

    let path = format!("/phones/{STRANGER}/absent");
    world.phones().post(&path, json!({"absent": true})).await.expect(200);
    let failed = cli.run(&["send", "--number", NUMBER, "--to", STRANGER, "x", "--wait"]).failed(5);
    assert!(failed.contains("WHATSAPP_NOT_EXIST"), "{failed}");
    let unnamed = cli.run(&["send", "--to", FRIEND, "x"]).failed(1);
    assert!(unnamed.contains("TENANT_SCOPE_NOT_ALLOWED"), "{unnamed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_numbers_own_key_sends_from_no_other_number() {
    let world = World::start().await;
    let (own, other) = (world.open_number(NUMBER).await, world.open_number(STRANGER).await);
    let cli = Cli::new(world.product.address(), &world.api().key_of(&own.id).await);

    for named in [STRANGER, other.id.as_str()] {
        let said = cli.run(&["send", "--number", named, "--to", FRIEND, "x"]).failed(1);
        assert!(said.contains("NUMBER_MISMATCH"), "{said}");
        let said = cli.run(&["listen", "--number", named]).failed(1);
        assert!(said.contains("NUMBER_MISMATCH"), "{said}");
    }
    cli.run(&["send", "--number", NUMBER, "--to", FRIEND, "mine", "--wait"]).done();
    assert_eq!(world.phones().received(FRIEND).await, ["mine"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_is_printed_live_to_whom_it_concerns() {
    let world = World::start().await;
    let cli = terminal(&world);
    let second = world.product.second_tenant();
    let theirs = second.create(STRANGER).await;
    let strangers = Cli::new(world.product.address(), &second.key_of(&theirs.id).await);
    let all = listening(&cli, &["listen", "--json"]).await;
    let people = listening(&cli, &["listen"]).await;
    let stranger = listening(&strangers, &["listen", "--json"]).await;

    let number = world.open_number(NUMBER).await;
    let picky =
        listening(&cli, &["listen", "--number", NUMBER, "--event", "message.received", "--json"])
            .await;
    world.phones().send(FRIEND, NUMBER, "Hi").await;

    eventually("the message is printed", async || (texts(&all) == ["Hi"]).then_some(())).await;
    let names: Vec<Value> = heard(&all).iter().map(|event| event["event"].clone()).collect();
    assert_eq!(names, ["number.created", "number.connected", "message.received"]);
    let event = heard(&all)[2].clone();
    assert_eq!(event["data"]["numberId"], number.id.as_str());
    assert!(event["id"].as_str().is_some_and(|id| id.starts_with("evt_")));
    let line = printed(&people, "a line for people", |log| {
        log.lines().find(|line| line.contains("message.received")).map(str::to_owned)
    })
    .await;
    assert!(line.ends_with(&format!("{FRIEND} -> {NUMBER}: Hi")), "{line}");
    eventually("the picky one prints it", async || (texts(&picky) == ["Hi"]).then_some(())).await;
    assert_eq!(heard(&picky).len(), 1);

    // What came before is there as well, for who asks for it.
    let late = listening(&cli, &["listen", "--json", "--since", "10m"]).await;
    eventually("it is told of the past", async || (texts(&late) == ["Hi"]).then_some(())).await;
    assert_eq!(heard(&late), heard(&all));
    assert_eq!(heard(&stranger), Vec::<Value>::new(), "another tenant's key");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_misses_and_repeats_nothing_over_kill_9() {
    let mut world = World::start().await;
    world.open_number(NUMBER).await;
    let front = Front::open().await;
    front.lead_to(Some(world.product.address()));
    let cli = Cli::new(&front.url(), key(&world));
    // This one hears of nothing before the crash: it has to know from where on it missed something.
    let fresh = listening(&cli, &["listen", "--json"]).await;
    let mut expected = Vec::new();

    for round in 0..3 {
        let before = format!("before {round}");
        world.phones().send(FRIEND, NUMBER, &before).await;
        if round > 0 {
            let wanted = [&expected[..], std::slice::from_ref(&before)].concat();
            eventually("it is printed", async || (texts(&fresh) == wanted).then_some(())).await;
        }
        world.product.kill_9();
        let meanwhile = format!("meanwhile {round}");
        world.phones().send(FRIEND, NUMBER, &meanwhile).await;
        world.product.start_again().await;
        front.lead_to(Some(world.product.address()));
        expected.extend([before, meanwhile]);
        eventually("what was missed is printed", async || {
            (texts(&fresh).len() >= expected.len()).then_some(())
        })
        .await;
        assert_eq!(texts(&fresh), expected);
    }

    let heard = heard(&fresh);
    let ids: std::collections::BTreeSet<String> =
        heard.iter().map(|event| event["id"].to_string()).collect();
    assert_eq!(ids.len(), heard.len(), "each once: {heard:?}");
    let (log, key) = (fresh.process.log(), key(&world));
    assert!(log.contains("trying again") && log.contains("listening again"), "{log}");
    assert!(!log.contains(key), "the key is not shown");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_said_in_a_sentence_and_by_the_exit_code() {
    let world = World::start().await;
    let url = world.product.address();
    let cli = terminal(&world);

    let nobody = Front::open().await;
    let lost = Cli::new(&nobody.url(), key(&world)).run(&["numbers", "list"]).failed(3);
    assert!(lost.contains("cannot be reached"), "{lost}");
    let keyless = Cli::bare().run(&["numbers", "list", "--url", url]).failed(4);
    assert!(keyless.contains("RAMAL_KEY"), "{keyless}");
    for wrong in ["ps_wrong", "no key at all"] {
        let refused = Cli::new(url, wrong).run(&["listen"]).failed(4);
        assert!(
            refused.contains("does not accept this key") && !refused.contains(wrong),
            "{refused}"
        );
    }
    let odd = cli.run(&["listen", "--event", "number.exploded"]).failed(1);
    assert!(odd.contains("number.exploded") && odd.contains("VALIDATION_ERROR"), "{odd}");
    cli.run(&["numbers", "list", "--url", "no address"]).failed(2);
    cli.run(&["send", "--to", FRIEND]).failed(2);

    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("key");
    std::fs::write(&file, key(&world)).unwrap();
    let file = file.to_str().unwrap();
    let numbers = Cli::bare().run(&["numbers", "list", "--url", url, "--key-file", file]).done();
    assert!(numbers.starts_with("ID"), "{numbers}");
    for args in [&["--help"][..], &["numbers", "--help"], &["listen", "--help"]] {
        let help = cli.run(args).done();
        assert!(!help.contains(key(&world)), "{help}");
    }
}
