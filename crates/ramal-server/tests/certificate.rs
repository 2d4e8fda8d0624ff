//! The production binary trusts WhatsApp's certificate only: our own offline server is refused.
//!
//! `wa-server` is built in the other workspace (`./test` does it); the path may be given, else it is
//! looked for beside this test's own binary.
#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, and helpers are not seen as tests"
)]

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

const DEADLINE: Duration = Duration::from_secs(30);

/// A child process that ends with its test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _already_gone = self.0.kill();
        let _status = self.0.wait();
    }
}

fn wa_server() -> PathBuf {
    let ramal = Path::new(env!("CARGO_BIN_EXE_ramal"));
    let path = ramal.with_file_name("wa-server");
    assert!(
        path.exists(),
        "{} is missing: cargo build --manifest-path sandbox/Cargo.toml -p wa-server",
        path.display()
    );
    path
}

fn ready(file: &Path) -> Value {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Ok(text) = std::fs::read_to_string(file) {
            return serde_json::from_str(&text).unwrap();
        }
        assert!(Instant::now() < deadline, "{} did not appear", file.display());
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// One HTTP exchange; returns the status line and the rest.
fn post(address: &str, key: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    write!(
        stream,
        "POST /v1/numbers HTTP/1.1\r\nhost: {address}\r\nx-api-key: {key}\r\n\
         connection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn the_production_binary_refuses_the_offline_servers_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let (whatsapp_ready, ramal_ready) =
        (folder.path().join("whatsapp.json"), folder.path().join("ramal.json"));
    let _whatsapp = Process(
        Command::new(wa_server())
            .arg("--ready-file")
            .arg(&whatsapp_ready)
            .stdout(Stdio::null())
            .spawn()
            .unwrap(),
    );
    let whatsapp = ready(&whatsapp_ready);
    let _ramal = Process(
        Command::new(env!("CARGO_BIN_EXE_ramal"))
            .args(["serve", "--ready-file"])
            .arg(&ramal_ready)
            .env("RAMAL__DATA_DIR", folder.path().join("data"))
            .env("RAMAL__SERVER__LISTEN", "127.0.0.1:0")
            .env("RAMAL__WHATSAPP__URL", whatsapp["whatsappUrl"].as_str().unwrap())
            .env("RAMAL__WHATSAPP__APP_VERSION", "[2, 3000, 1035194821]")
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(folder.path().join("log")).unwrap())
            .spawn()
            .unwrap(),
    );
    let ready = ready(&ramal_ready);

    let address = ready["apiUrl"].as_str().unwrap().strip_prefix("http://").unwrap();
    let key = ready["tenantKey"].as_str().unwrap();
    let answer = post(address, key, r#"{"name":"Refused","number":"+5511999990001"}"#);

    // That the offline server is otherwise good is what every end-to-end test shows: there the same
    // creation succeeds, with the one feature that this binary must never have.
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(answer.contains("UPSTREAM_ERROR"), "{answer}");
    let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(log.to_lowercase().contains("certificate"), "{log}");
}
