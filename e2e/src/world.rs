//! The binaries: the product, the offline WhatsApp, and both in one process.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{Api, Created, Database, Phones, Process, binary};

/// The version of WhatsApp Web that clients name to the offline server; any will do.
const APP_VERSION: &str = "[2,3000,1035194821]";
/// How long a stop on SIGTERM may take.
pub(crate) const STOP_LIMIT: Duration = Duration::from_secs(15);

fn text(ready: &Value, field: &str) -> String {
    ready[field].as_str().unwrap_or_else(|| panic!("no {field} in {ready}")).to_owned()
}

/// A ready file of an earlier start would be taken for this one's.
fn fresh(dir: &Path, name: &str) -> String {
    let path = dir.join(name);
    let _absent = fs::remove_file(&path);
    path.display().to_string()
}

/// `wa-server`.
#[derive(Debug)]
pub struct WhatsApp {
    /// The process.
    pub process: Process,
    /// Its virtual phones.
    pub phones: Phones,
    /// Where clients connect.
    pub url: String,
    /// Where they send attachments to, and fetch them from.
    pub media_url: String,
    /// The file that announced it.
    pub ready_file: String,
    _dir: TempDir,
}

impl WhatsApp {
    /// Starts one with no phones.
    pub async fn start() -> Self {
        let dir = TempDir::new().expect("a temporary folder");
        let file = fresh(dir.path(), "whatsapp.json");
        let args = ["--ready-file", file.as_str()];
        let mut process = Process::spawn(&binary("wa-server"), &args, &[], dir.path());
        let ready = process.ready(file.as_ref()).await;
        let phones = Phones::new(&text(&ready, "sandboxUrl"));
        let (url, media_url) = (text(&ready, "whatsappUrl"), text(&ready, "mediaUrl"));
        Self { process, phones, url, media_url, ready_file: file, _dir: dir }
    }
}

/// `ramal-e2e serve`: the product alone, which can be killed and started again.
#[derive(Debug)]
pub struct Product {
    process: Process,
    /// The API with the default tenant's key.
    pub api: Api,
    key: String,
    address: String,
    env: Vec<(String, String)>,
    dir: TempDir,
}

impl Product {
    /// Starts one with an empty database. `settings` are environment variables without `RAMAL__`.
    pub async fn start(whatsapp_url: &str, settings: &[(&str, &str)]) -> Self {
        let dir = TempDir::new().expect("a temporary folder");
        let data = dir.path().join("data").display().to_string();
        let fixed = [
            ("SERVER__LISTEN", "127.0.0.1:0"),
            ("DATA_DIR", &data),
            ("WHATSAPP__URL", whatsapp_url),
            ("WHATSAPP__APP_VERSION", APP_VERSION),
            ("WEBHOOKS__ALLOW_PRIVATE", "true"),
            ("WHATSAPP__MEDIA_ALLOW_PRIVATE", "true"),
            // Tests do not wait as people do; the one of the pace sets it.
            ("SESSIONS__MESSAGES_PER_MINUTE", "0"),
            ("WEBHOOKS__RETRY_BASE", "300ms"),
            // What a crash leaves leased is delivered when the lease has run out.
            ("WEBHOOKS__ATTEMPT_TIMEOUT", "1s"),
            ("WEBHOOKS__LEASE", "2s"),
        ];
        let env: Vec<(String, String)> = fixed
            .iter()
            .chain(settings)
            .map(|&(key, value)| (format!("RAMAL__{key}"), value.to_owned()))
            .collect();
        let (process, ready) = serve(&env, dir.path()).await;
        let (key, address) = (text(&ready, "tenantKey"), text(&ready, "apiUrl"));
        Self { process, api: Api::new(&address, &key), key, address, env, dir }
    }

    /// `kill -9`.
    pub fn kill_9(&mut self) {
        self.process.kill_9();
    }

    /// Starts it again on the same data; it gets another port.
    pub async fn start_again(&mut self) {
        assert!(self.process.exited().is_some(), "it still runs");
        let (process, ready) = serve(&self.env, self.dir.path()).await;
        assert_eq!(ready["tenantKey"], Value::Null, "the key is shown at the first start only");
        self.process = process;
        self.address = text(&ready, "apiUrl");
        self.api = Api::new(&self.address, &self.key);
    }

    /// The default tenant's key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Where it listens now.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Stops it as a service manager would; returns how it ended.
    pub async fn stop(&mut self) -> ExitStatus {
        self.process.ask_to_stop();
        self.process.wait(STOP_LIMIT).await
    }

    /// Runs another subcommand on the same data; returns what it printed.
    pub fn run(&self, args: &[&str]) -> String {
        let (status, printed, complaint) = self.run_with(args, "");
        assert!(status.success(), "{args:?}: {status}: {complaint}");
        printed
    }

    /// The same with something on its standard input; returns how it ended, what it printed and what
    /// it complained of.
    pub fn run_with(&self, args: &[&str], input: &str) -> (ExitStatus, String, String) {
        let mut child = Command::new(binary("ramal-e2e"))
            .args(args)
            .env_clear()
            .envs(self.env.iter().map(|(key, value)| (key, value)))
            .current_dir(self.dir.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("ramal-e2e runs");
        // It may end without reading it.
        let _unread = child.stdin.take().expect("a pipe").write_all(input.as_bytes());
        let output = child.wait_with_output().expect("ramal-e2e ends");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status, text(&output.stdout), text(&output.stderr))
    }

    /// Another tenant on the same server.
    pub fn second_tenant(&self) -> Api {
        let printed = self.run(&["keys", "create-tenant", "second"]);
        let key = printed.split_whitespace().find(|word| word.starts_with("ps_"));
        self.api.with_key(key.unwrap_or_else(|| panic!("no key in {printed:?}")))
    }

    /// Its data folder.
    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// Its database, which can be read whether it runs or not.
    pub fn database(&self) -> Database {
        Database::of(&self.data())
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// The most memory that it has had at once, in bytes.
    pub fn peak_memory(&self) -> u64 {
        self.process.peak_memory()
    }
}

async fn serve(env: &[(String, String)], dir: &Path) -> (Process, Value) {
    let file = fresh(dir, "ready.json");
    let args = ["serve", "--ready-file", &file];
    let mut process = Process::spawn(&binary("ramal-e2e"), &args, env, dir);
    let ready = process.ready(file.as_ref()).await;
    (process, ready)
}

/// The product and WhatsApp as two processes.
#[derive(Debug)]
pub struct World {
    /// Stopped first.
    pub product: Product,
    /// Outlives the product's crashes.
    pub whatsapp: WhatsApp,
}

impl World {
    /// Starts both.
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    /// Starts both, the product with these settings.
    pub async fn with(settings: &[(&str, &str)]) -> Self {
        let whatsapp = WhatsApp::start().await;
        let mut all = vec![("WHATSAPP__MEDIA_URL", whatsapp.media_url.as_str())];
        all.extend(settings);
        let product = Product::start(&whatsapp.url, &all).await;
        Self { product, whatsapp }
    }

    /// The virtual phones.
    pub const fn phones(&self) -> &Phones {
        &self.whatsapp.phones
    }

    /// The API with the default tenant's key.
    pub const fn api(&self) -> &Api {
        &self.product.api
    }

    /// Creates a number and pairs it by QR code.
    pub async fn open_number(&self, number: &str) -> Created {
        open_number(self.api(), self.phones(), number).await
    }
}

/// `ramal-sandbox`: what `cargo sandbox` runs.
#[derive(Debug)]
pub struct Sandbox {
    process: Process,
    /// The API with the tenant's key.
    pub api: Api,
    /// The virtual phones.
    pub phones: Phones,
    /// What the ready file said.
    pub ready: Value,
    /// Holds logs and the ready file.
    pub dir: TempDir,
}

impl Sandbox {
    /// Starts one that forgets everything at its end.
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    /// Starts one with further arguments.
    pub async fn with(args: &[&str]) -> Self {
        let dir = TempDir::new().expect("a temporary folder");
        let file = fresh(dir.path(), "ready.json");
        let mut all = vec!["--port", "0", "--ready-file", file.as_str()];
        all.extend(args);
        let mut process = Process::spawn(&binary("ramal-sandbox"), &all, &[], dir.path());
        let ready = process.ready(file.as_ref()).await;
        let api = Api::new(&text(&ready, "apiUrl"), &text(&ready, "tenantKey"));
        Self { process, api, phones: Phones::new(&text(&ready, "sandboxUrl")), ready, dir }
    }

    /// Creates a number and pairs it by QR code.
    pub async fn open_number(&self, number: &str) -> Created {
        open_number(&self.api, &self.phones, number).await
    }

    /// What it has printed.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Stops it as Ctrl-C would; returns how it ended.
    pub async fn stop(mut self) -> ExitStatus {
        self.process.ask_to_stop();
        self.process.wait(STOP_LIMIT).await
    }
}

async fn open_number(api: &Api, phones: &Phones, number: &str) -> Created {
    let created = api.create(number).await;
    phones.scan(number, &created.qrcode).await.expect(200);
    api.wait_until_open(&created.id).await;
    created
}
