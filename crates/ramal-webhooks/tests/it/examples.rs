//! The receivers that `docs/webhooks.md` shows, run as they stand: each takes what the worker has
//! signed, and refuses what someone else has.

use std::{
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Child, ChildStdout, Command, Stdio},
};

use ramal_domain::{Clock as _, EventKind, SystemClock};

use crate::rig::{Rig, SECRET, options};

/// Another secret than the worker signs with.
const FOREIGN: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

/// A running example; ends with the test.
struct Example {
    process: Child,
    /// Kept open: the example prints what it receives.
    _output: BufReader<ChildStdout>,
    url: String,
}

impl Example {
    fn start(mut command: Command, secret: &str) -> Self {
        let command = command.arg("0").env("WEBHOOK_SECRET", secret).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let (mut line, mut output) =
            (String::new(), BufReader::new(process.stdout.take().unwrap()));
        output.read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("listening on ").unwrap().to_owned();
        Self { process, _output: output, url: format!("{url}/") }
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        let _ended_already = self.process.kill();
        let _reaped = self.process.wait();
    }
}

fn script(interpreter: &str, name: &str) -> Command {
    let mut command = Command::new(interpreter);
    command.arg(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/examples").join(name));
    command
}

/// The status that the example answers to a request of the worker.
async fn status(command: Command, secret: &str) -> Option<u16> {
    let example = Example::start(command, secret);
    let mut rig = Rig::new(options()).await;
    rig.advance(SystemClock.now().since(rig.clock.now()));
    let webhook = rig.webhook(&example.url).await;
    rig.run();
    rig.event("first").await;
    rig.settled(webhook, 1).await.first().unwrap().status
}

#[tokio::test]
async fn the_python_receiver_verifies() {
    assert_eq!(status(script("python3", "receiver.py"), SECRET).await, Some(204));
    assert_eq!(status(script("python3", "receiver.py"), FOREIGN).await, Some(401));
}

#[tokio::test]
async fn the_node_receiver_verifies() {
    assert_eq!(status(script("node", "receiver.mjs"), SECRET).await, Some(204));
    assert_eq!(status(script("node", "receiver.mjs"), FOREIGN).await, Some(401));
}

#[tokio::test]
async fn the_rust_receiver_verifies() {
    // target/debug/deps/it-… → target/debug/examples/receiver, which `cargo test` has built.
    let tests = std::env::current_exe().unwrap();
    let binary = tests.ancestors().nth(2).unwrap().join("examples/receiver");

    assert_eq!(status(Command::new(&binary), SECRET).await, Some(204));
    assert_eq!(status(Command::new(&binary), FOREIGN).await, Some(401));
}

#[test]
fn every_event_is_in_the_table_and_nothing_else() {
    let document = include_str!("../../../../docs/webhooks.md");
    let rows = document.lines().skip_while(|line| *line != "## Events").skip(1);
    let rows = rows.take_while(|line| !line.starts_with("## ")).filter(|line| line.contains("| `"));
    let firsts = rows.filter_map(|row| row.split('|').nth(1));
    let mut told: Vec<_> = firsts.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
    let mut known: Vec<_> = EventKind::ALL.iter().map(|kind| kind.name()).collect();
    told.sort_unstable();
    known.sort_unstable();

    assert_eq!(told, known);
}
