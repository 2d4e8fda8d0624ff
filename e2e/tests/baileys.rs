//! `wa-server` against an unmodified client of somebody else.

use std::{path::Path, time::Duration};

use ramal_tests::{Process, WhatsApp, repository};

/// Above the script's own limit of a minute.
const LIMIT: Duration = Duration::from_secs(70);

/// Where Node may be; tests do not read the environment.
const NODES: [&str; 3] = ["/usr/local/bin/node", "/usr/bin/node", "/opt/homebrew/bin/node"];

#[tokio::test(flavor = "multi_thread")]
async fn baileys_pairs_sends_and_receives() {
    let folder = repository().join("e2e/baileys");
    assert!(
        folder.join("node_modules/@whiskeysockets/baileys").is_dir(),
        "Baileys is missing. Install it first: (cd e2e/baileys && npm ci); ./test does so"
    );
    let node = NODES.into_iter().map(Path::new).find(|path| path.is_file());
    let node = node.expect("Node is installed; ./test does so");
    let whatsapp = WhatsApp::start().await;
    let script = folder.join("interop.mjs").display().to_string();
    let args = [script.as_str(), "--ready-file", &whatsapp.ready_file];
    let dir = tempfile::tempdir().unwrap();

    let mut interop = Process::spawn(node, &args, &[], dir.path());
    let status = interop.wait(LIMIT).await;

    let log = interop.log();
    assert!(status.success() && log.contains("BAILEYS INTEROP PASSED"), "{status}\n{log}");
}
