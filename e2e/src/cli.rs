//! The command line, as a person uses it: `ramal` with an address and a key in its environment.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use tempfile::TempDir;

use crate::{Process, binary};

/// How a command ended, and what it said.
#[derive(Clone, Debug)]
pub struct Said {
    /// Its exit code.
    pub code: Option<i32>,
    /// What it printed.
    pub out: String,
    /// What it remarked, or complained of.
    pub err: String,
}

impl Said {
    /// What it printed, when it has done what it was asked for.
    #[track_caller]
    pub fn done(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.out
    }

    /// What it complained of, when it ended with this code.
    #[track_caller]
    pub fn failed(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{self:?}");
        self.err
    }
}

/// A command that runs in the background; both of its outputs go to its log.
#[derive(Debug)]
pub struct Running {
    /// The process.
    pub process: Process,
    _dir: TempDir,
}

/// A terminal with `RAMAL_URL` and `RAMAL_KEY` set.
#[derive(Clone, Debug)]
pub struct Cli {
    env: Vec<(String, String)>,
}

impl Cli {
    /// One for the server at `url`, with this key.
    pub fn new(url: &str, key: &str) -> Self {
        let env = [("RAMAL_URL", url), ("RAMAL_KEY", key)];
        Self { env: env.map(|(name, value)| (name.to_owned(), value.to_owned())).into() }
    }

    /// One with nothing set.
    pub const fn bare() -> Self {
        Self { env: Vec::new() }
    }

    /// Runs a command to its end.
    pub fn run(&self, args: &[&str]) -> Said {
        self.run_with(args, "")
    }

    /// Runs a command to its end, with something on its standard input.
    pub fn run_with(&self, args: &[&str], input: &str) -> Said {
        let dir = TempDir::new().expect("a temporary folder");
        let mut child = Command::new(binary("ramal-e2e"))
            .args(args)
            .env_clear()
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .current_dir(dir.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("ramal-e2e runs");
        // It may end without reading it.
        let _unread = child.stdin.take().expect("a pipe").write_all(input.as_bytes());
        let output = child.wait_with_output().expect("ramal-e2e ends");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Said { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    /// Starts a command.
    pub fn start(&self, args: &[&str]) -> Running {
        let dir = TempDir::new().expect("a temporary folder");
        let process = Process::spawn(&binary("ramal-e2e"), args, &self.env, dir.path());
        Running { process, _dir: dir }
    }
}
