//! Following a pairing at a terminal: its codes, drawn anew whenever they change, and how it ends.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    api::{Api, Ask, Stream},
    failure::Failure,
    screen::{Screen, clean, remark, text},
    sse::Message,
};

/// How often a stream that broke is taken up again before the server counts as gone.
const TRIES: u32 = 10;
/// How long to wait before each of them.
const PAUSE: Duration = Duration::from_secs(1);

/// The codes of a pairing, as they are shown.
#[derive(Debug, Default)]
struct Codes {
    qr: Option<String>,
    code: Option<String>,
}

impl Codes {
    /// Those of the answer to `create` or `connect`.
    fn of(answer: &Value) -> Self {
        let field = |path: &str| answer.pointer(path).and_then(Value::as_str).map(str::to_owned);
        Self { qr: field("/pairing/qrText"), code: field("/pairingCode") }
    }

    fn draw(&self, screen: &mut Screen) -> Result<(), Failure> {
        let Some(qr) = &self.qr else { return Ok(()) };
        let picture = ramal_web::terminal_qr(qr).map_err(|error| Failure::Failed(error.into()))?;
        screen.draw(&picture, &self.caption())
    }

    fn caption(&self) -> String {
        let place = "WhatsApp > Linked devices > Link a device";
        match &self.code {
            Some(code) => format!(
                "Scan it with the phone ({place}), or type there instead:\nPairing code: {}",
                clean(code)
            ),
            None => format!("Scan it with the phone ({place})."),
        }
    }
}

/// A pairing that is being followed.
#[derive(Debug)]
pub(super) struct Pairing<'a> {
    api: &'a Api,
    number: &'a str,
    /// Whether events are printed as JSON, in place of pictures.
    json: bool,
    codes: Codes,
}

/// Whether a pairing goes on.
enum Next {
    GoesOn,
    Open,
}

impl<'a> Pairing<'a> {
    /// The one that `answer` began, of `number`.
    pub(super) fn new(api: &'a Api, number: &'a str, answer: &Value, json: bool) -> Self {
        Self { api, number, json, codes: Codes::of(answer) }
    }

    /// Shows the codes.
    pub(super) fn show(&self, screen: &mut Screen) -> Result<(), Failure> {
        if self.json { Ok(()) } else { self.codes.draw(screen) }
    }

    /// Shows what changes until the number is connected.
    ///
    /// # Errors
    ///
    /// [`Failure::Unmet`] when it ends without that.
    pub(super) async fn follow(&mut self, screen: &mut Screen) -> Result<(), Failure> {
        let mut tries = 0;
        loop {
            let failure = match self.follow_once(screen).await {
                Ok(Next::Open) => return Ok(()),
                Ok(Next::GoesOn) => None,
                Err(failure) if failure.may_pass() => Some(failure),
                Err(failure) => return Err(failure),
            };
            tries += 1;
            if tries == TRIES {
                let lost = || Failure::Unmet("the server did not say how the pairing ended".into());
                return Err(failure.unwrap_or_else(lost));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Until the pairing or the stream ends.
    async fn follow_once(&mut self, screen: &mut Screen) -> Result<Next, Failure> {
        let path = ["numbers", self.number, "pairing", "events"];
        let mut stream: Stream<'_> = self.api.stream(&path, &Ask::default()).await?;
        while let Some(message) = stream.next().await? {
            if let Next::Open = self.take(screen, &message)? {
                return Ok(Next::Open);
            }
        }
        Ok(Next::GoesOn)
    }

    fn take(&mut self, screen: &mut Screen, message: &Message) -> Result<Next, Failure> {
        let data: Value = serde_json::from_str(&message.data).unwrap_or_default();
        if self.json {
            screen.json(&json!({"event": message.name, "data": data}))?;
        }
        match message.name.as_str() {
            "qr" => self.renew(screen, |codes| &mut codes.qr, text(&data, "/qrText"))?,
            "code" => self.renew(screen, |codes| &mut codes.code, text(&data, "/pairingCode"))?,
            "scanned" => self.say(screen, "The phone has answered; connecting.")?,
            "adopted" => {
                let actual = clean(text(&data, "/actual"));
                self.say(
                    screen,
                    &format!("Another phone was used, and is the number's: {actual}"),
                )?;
            }
            "action_required" => remark(&what_to_do(&data)),
            "open" => return Ok(Next::Open),
            "expired" => {
                return Err(Failure::Unmet(format!(
                    "the codes ran out, and no phone has used one: `ramal numbers connect {}` gives \
                     new ones",
                    self.number
                )));
            }
            "failed" => {
                let (reason, code) = (text(&data, "/reason"), text(&data, "/code"));
                return Err(Failure::Unmet(format!(
                    "not connected: {} ({})",
                    clean(reason),
                    clean(code)
                )));
            }
            _ => {}
        }
        Ok(Next::GoesOn)
    }

    /// Draws a code in place of the one before, unless it is the same.
    fn renew(
        &mut self,
        screen: &mut Screen,
        which: fn(&mut Codes) -> &mut Option<String>,
        now: &str,
    ) -> Result<(), Failure> {
        let shown = which(&mut self.codes);
        if now.is_empty() || shown.as_deref() == Some(now) {
            return Ok(());
        }
        *shown = Some(now.to_owned());
        self.show(screen)
    }

    fn say(&self, screen: &mut Screen, sentence: &str) -> Result<(), Failure> {
        if self.json { Ok(()) } else { screen.line(sentence) }
    }
}

/// What a pairing waits for, in words.
fn what_to_do(action: &Value) -> String {
    match text(action, "/type") {
        "PASSKEY" => {
            "WhatsApp asks for the account's passkey: answer it on the dashboard, or through \
             pairing/passkey (docs/api.md)"
                .to_owned()
        }
        "PASSKEY_CONFIRMATION" => format!(
            "compare this code with the phone's, and confirm it on the dashboard: {}",
            clean(text(action, "/code"))
        ),
        "WRONG_PHONE" => format!(
            "another phone than {} has scanned: {}. Say on the dashboard whether to use it",
            clean(text(action, "/expected")),
            clean(text(action, "/actual"))
        ),
        other => format!("the pairing waits for a person: {}", clean(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn api() -> Api {
        Api::new("http://127.0.0.1:1".parse().unwrap(), &"ps_x".into()).unwrap()
    }

    fn message(name: &str, data: &Value) -> Message {
        Message { id: None, name: name.to_owned(), data: data.to_string() }
    }

    #[test]
    fn a_pairing_ends_well_or_says_why_not() {
        let api = api();
        let answer = json!({"pairing": {"qrText": "2@a"}, "pairingCode": null});
        let mut pairing = Pairing::new(&api, "wa_1", &answer, true);
        let mut screen = Screen::new();
        let mut take = |name: &str, data: Value| pairing.take(&mut screen, &message(name, &data));

        assert!(matches!(take("qr", json!({"qrText": "2@b"})), Ok(Next::GoesOn)));
        assert!(matches!(take("scanned", json!({})), Ok(Next::GoesOn)));
        assert!(matches!(take("some_day", json!({})), Ok(Next::GoesOn)));
        assert!(matches!(take("open", json!({})), Ok(Next::Open)));
        for (name, data, said) in [
            ("expired", json!({"code": "CODES_EXPIRED"}), "ramal numbers connect wa_1"),
            ("failed", json!({"code": "WRONG_PHONE", "reason": "another phone"}), "WRONG_PHONE"),
        ] {
            let Err(failure) = take(name, data) else { panic!("{name} is no success") };
            assert_eq!(failure.code(), 5);
            assert!(failure.complaint().unwrap().to_string().contains(said));
        }
        assert_eq!(pairing.codes.qr.as_deref(), Some("2@b"));
    }

    #[test]
    fn the_pairing_code_is_named_when_there_is_one() {
        let codes = Codes::of(&json!({"pairing": {"qrText": "2@a"}, "pairingCode": "ABCD-1234"}));
        assert!(codes.caption().ends_with("Pairing code: ABCD-1234"));
        assert!(!Codes { code: None, ..codes }.caption().contains("Pairing code"));
    }
}
