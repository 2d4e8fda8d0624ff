//! A product that may die at any moment, while its customers go on.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::Value;
use tokio::sync::{Mutex, watch};

use crate::{Answer, Api, Database, Phones, Product, WhatsApp, World, within};

/// How long a customer insists: through many deaths, on a busy machine.
const INSISTENCE: Duration = Duration::from_secs(90);
/// How long a login may take before the number is looked at again.
const LOGIN: Duration = Duration::from_secs(10);
/// How often a login that is under way is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// The product, the offline WhatsApp that outlives it, and the address of its latest start.
#[derive(Debug)]
pub struct Mortal {
    product: Mutex<Product>,
    /// `None` while it is dead. Nobody knocks at a closed port then: a socket that dials a free port
    /// of its own machine may happen to dial itself.
    api: watch::Sender<Option<Api>>,
    database: Database,
    whatsapp: WhatsApp,
}

/// An answer that was insisted on.
#[derive(Debug)]
pub struct Insisted {
    /// The answer.
    pub answer: Answer,
    /// Whether an earlier request was not answered: it may have been done all the same.
    pub asked_before: bool,
}

impl Mortal {
    /// Starts both, the product with these settings.
    pub async fn start(settings: &[(&str, &str)]) -> Self {
        let World { product, whatsapp } = World::with(settings).await;
        let api = watch::Sender::new(Some(product.api.clone()));
        let database = product.database();
        Self { product: Mutex::new(product), api, database, whatsapp }
    }

    /// The API, once it lives; it may be dead again when it is asked.
    pub async fn api(&self) -> Api {
        let mut api = self.api.subscribe();
        let living = api.wait_for(Option::is_some).await.expect("the sender is ours");
        living.clone().expect("it lives")
    }

    /// The virtual phones.
    pub const fn phones(&self) -> &Phones {
        &self.whatsapp.phones
    }

    /// The product's database.
    pub const fn database(&self) -> &Database {
        &self.database
    }

    /// `kill -9`, and a new start on the same data.
    pub async fn die_and_come_back(&self) {
        let mut product = self.product.lock().await;
        product.kill_9();
        self.api.send_replace(None);
        product.start_again().await;
        self.api.send_replace(Some(product.api.clone()));
    }

    /// What the product has logged, over all its lives.
    pub async fn log(&self) -> String {
        self.product.lock().await.log()
    }

    /// Asks until there is an answer that is no "try again".
    pub async fn insist(&self, method: Method, path: &str, body: Option<&Value>) -> Insisted {
        self.insist_with(method, path, &[], body).await
    }

    /// The same, with further headers.
    pub async fn insist_with(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Insisted {
        let (what, mut asked_before) = (format!("an answer to {method} {path}"), false);
        within(INSISTENCE, &what, async || {
            match self.api().await.ask(method.clone(), path, headers, body).await {
                Ok(answer) if tries_again(&answer) => None,
                Ok(answer) => Some(Insisted { answer, asked_before }),
                Err(_died) => {
                    asked_before = true;
                    None
                }
            }
        })
        .await
    }

    /// Waits until a number is connected, pairing it as often as it takes; first with `qr`.
    pub async fn pair(&self, id: &str, phone: &str, mut qr: Option<String>) {
        let status = format!("/v1/numbers/{id}/status");
        within(INSISTENCE, &format!("{phone} is OPEN"), async || {
            if self.is_open(&status).await? {
                return Some(());
            }
            let code = match qr.take() {
                Some(code) => code,
                None => self.fresh_qr(id).await?,
            };
            if self.phones().scan(phone, &code).await.status == 200 {
                let deadline = Instant::now() + LOGIN;
                while !self.is_open(&status).await? && Instant::now() < deadline {
                    tokio::time::sleep(LOOK).await;
                }
            }
            None
        })
        .await;
    }

    /// `None` when it died over the question.
    async fn is_open(&self, status: &str) -> Option<bool> {
        let answer = self.api().await.ask(Method::GET, status, &[], None).await.ok()?.expect(200);
        Some(answer["state"] == "OPEN" && answer["stale"] == false)
    }

    /// `None` when it is connected by now, is on its way to be, or died over the question.
    async fn fresh_qr(&self, id: &str) -> Option<String> {
        let path = format!("/v1/numbers/{id}/connect");
        let codes = self.api().await.ask(Method::GET, &path, &[], None).await.ok()?;
        let code = (codes.status == 200).then(|| codes.json()["qrcodeBase64"].clone())?;
        code.as_str().map(str::to_owned)
    }
}

/// A number that whoever runs a test may set in the environment.
#[expect(clippy::disallowed_methods, reason = "seeds and rounds are no configuration")]
pub fn asked_for(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

/// Answers that say so themselves: `docs/errors.md`.
fn tries_again(answer: &Answer) -> bool {
    match answer.status {
        429 | 503 => true,
        409 => answer.code().as_deref() == Some("IDEMPOTENCY_KEY_IN_USE"),
        _ => false,
    }
}
