//! A binary as a process: found beside the tests, its output kept, always ended.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use serde_json::Value;

use crate::within;

/// How long a start may take; on a busy machine with two cores.
const START_LIMIT: Duration = Duration::from_secs(30);
/// How much of a log a failing test prints.
const SHOWN: usize = 12_000;

/// The root of the repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("e2e/ has a parent").to_owned()
}

/// The path of one of our binaries, which lie beside the tests: `target/debug/deps/<test>`.
pub fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the path of this test");
    let deps = test.parent().expect("a test lies in a folder");
    let folder = if deps.ends_with("deps") { deps.parent().expect("target/…") } else { deps };
    let path = folder.join(name);
    assert!(
        path.is_file(),
        "{} is missing. Build it first: (cd sandbox && cargo build -p ramal-sandbox -p wa-server -p graph-server)",
        path.display()
    );
    path
}

/// A running process. Dropping it kills it; when the test is failing, its log is printed.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `program` with nothing in its environment but `env`, in `dir`, which also gets its
    /// log. Several starts under one name share one log.
    pub fn spawn(program: &Path, args: &[&str], env: &[(String, String)], dir: &Path) -> Self {
        let name =
            program.file_name().expect("a program has a name").to_string_lossy().into_owned();
        let log = dir.join(format!("{name}.log"));
        let output = File::options().create(true).append(true).open(&log).expect("a log file");
        let child = Command::new(program)
            .args(args)
            .env_clear()
            .env("RUST_BACKTRACE", "1")
            .envs(env.iter().map(|(key, value)| (key, value)))
            .current_dir(dir)
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("a second handle"))
            .stderr(output)
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        Self { name, child, log }
    }

    /// Waits for the ready file, which is written whole.
    pub async fn ready(&mut self, file: &Path) -> Value {
        within(START_LIMIT, &format!("{} is ready", self.name), async || {
            if let Some(status) = self.exited() {
                panic!("{} ended at its start: {status}", self.name);
            }
            serde_json::from_slice(&fs::read(file).ok()?).ok()
        })
        .await
    }

    /// How it ended, if it has.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("the process is ours")
    }

    /// Waits for its end.
    pub async fn wait(&mut self, limit: Duration) -> ExitStatus {
        let what = format!("{} ends", self.name);
        within(limit, &what, async || self.exited()).await
    }

    /// `kill -9`: it gets no chance to tidy up.
    pub fn kill_9(&mut self) {
        self.child.kill().expect("the process is ours");
        let _status = self.child.wait().expect("the process is ours");
    }

    /// `kill -TERM`: please stop.
    pub fn ask_to_stop(&self) {
        let pid = self.child.id().to_string();
        let sent = Command::new("/bin/sh").args(["-c", "kill -TERM \"$0\"", &pid]).status();
        assert!(sent.expect("a shell").success(), "the signal was not sent");
    }

    /// The most memory that it has had at once since its start, in bytes.
    pub fn peak_memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.expect("the process is ours");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = peak.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
        kilobytes.expect("the kernel tells the peak") * 1024
    }

    /// What it has printed so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }
}

impl Drop for Process {
    #[expect(clippy::print_stderr, reason = "the only way to show a failing test's logs")]
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _status = self.child.wait();
        if std::thread::panicking() {
            let log = self.log();
            let start = log.char_indices().rev().nth(SHOWN).map_or(0, |(at, _)| at);
            let tail = log.get(start..).unwrap_or_default();
            eprintln!("---- log of {} ----\n{tail}\n---- end ----", self.name);
        }
    }
}
