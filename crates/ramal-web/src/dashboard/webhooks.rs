//! Webhooks: the list, and making one.

use std::collections::HashMap;

use askama::Template;
use axum::{
    Router,
    extract::State,
    response::{IntoResponse as _, Response},
    routing::get,
};
use http::{HeaderMap, StatusCode};
use ramal_app::{AppError, WebhookDraft};
use ramal_domain::{NumberId, Timestamp};
use ramal_store::{Number, Outcomes, Webhook};
use serde::Deserialize;

use super::{
    answer::{PageError, sentence},
    frame::{Frame, Section},
    session::{Posted, SignedIn},
    texts::texts,
    webhook::{self, WebhookTexts},
};
use crate::{Web, extract::Query};

/// What subscribes to everything.
pub(super) const EVERYTHING: &str = "*";

pub(super) fn router() -> Router<Web> {
    Router::new().route("/webhooks", get(list).post(create)).route("/webhooks/new", get(new))
}

texts! {
    /// The list of webhooks.
    WebhooksTexts {
        title: "Webhooks", "Webhooks", "Webhooks";
        intro: "Um webhook avisa o seu sistema do que acontece com um número: conectou, caiu, chegou mensagem.",
            "A webhook tells your system what happens to a number: it connected, it dropped, a message came.",
            "Un webhook avisa a su sistema de lo que pasa con un número: se conectó, se cayó, llegó un mensaje.";
        add: "Novo webhook", "New webhook", "Nuevo webhook";
        name: "Nome", "Name", "Nombre";
        name_hint: "Vazio: o nome do servidor do endereço.", "Empty: the address's host.", "Vacío: el servidor de la dirección.";
        number: "Número", "Number", "Número";
        url: "Endereço", "Address", "Dirección";
        url_hint: "Recebe um POST por evento. https, e acessível deste servidor.",
            "Gets one POST per event. https, and reachable from this server.",
            "Recibe un POST por evento. https, y accesible desde este servidor.";
        events: "Eventos", "Events", "Eventos";
        everything: "Tudo, também o que vier a existir", "Everything, also what comes to exist", "Todo, también lo que llegue a existir";
        secret: "Segredo próprio (opcional)", "Your own secret (optional)", "Secreto propio (opcional)";
        secret_hint: "16 caracteres ou mais. Vazio: criamos um.", "16 characters or more. Empty: we make one.", "16 caracteres o más. Vacío: creamos uno.";
        state: "Estado", "State", "Estado";
        active: "ativo", "active", "activo";
        paused: "pausado", "paused", "en pausa";
        gone: "desligado: o destino respondeu 410", "switched off: the receiver answered 410", "apagado: el destino respondió 410";
        failing: "desligado: só falhou por dias", "switched off: it only failed for days", "apagado: solo falló durante días";
        rate: "Sucesso (24 h)", "Success (24 h)", "Éxito (24 h)";
        last: "Última entrega", "Last delivery", "Última entrega";
        empty_title: "Ainda não há webhooks", "No webhooks yet", "Aún no hay webhooks";
        empty_hint: "Diga um endereço do seu sistema, e cada evento chega lá assinado, uma ou mais vezes até dar certo, e fica no registro daqui.",
            "Name an address of your system: every event arrives there, signed, tried again until it works, and stays in the log here.",
            "Indique una dirección de su sistema: cada evento llega allí firmado, se reintenta hasta que funcione, y queda en el registro de aquí.";
        no_numbers: "Um webhook pertence a um número. Crie primeiro um número.",
            "A webhook belongs to a number. Create a number first.",
            "Un webhook pertenece a un número. Cree primero un número.";
        go_numbers: "Ir para Números", "Go to Numbers", "Ir a Números";
        create: "Criar webhook", "Create webhook", "Crear webhook";
    }
}

/// One line of the list.
#[derive(Debug)]
struct Row {
    id: String,
    name: String,
    url: String,
    number_id: String,
    number: String,
    events: String,
    badge: &'static str,
    state: &'static str,
    rate: Option<(u64, u64)>,
    last: Option<Timestamp>,
}

/// A number to choose.
#[derive(Debug)]
pub(super) struct Choice {
    pub(super) id: String,
    pub(super) words: String,
}

/// An event to choose.
#[derive(Debug)]
pub(super) struct EventChoice {
    pub(super) name: &'static str,
    pub(super) words: &'static str,
    pub(super) chosen: bool,
}

#[derive(Template)]
#[template(path = "dashboard/webhooks.html")]
struct WebhooksPage {
    frame: Frame,
    texts: &'static WebhooksTexts,
    rows: Vec<Row>,
    form: Form,
}

#[derive(Template)]
#[template(path = "dashboard/webhook_new.html")]
struct NewPage {
    frame: Frame,
    texts: &'static WebhooksTexts,
    form: Form,
}

/// What the form shows.
#[derive(Debug)]
struct Form {
    numbers: Vec<Choice>,
    events: Vec<EventChoice>,
    everything: bool,
    /// What was typed, when the form comes back.
    name: String,
    url: String,
    number: String,
    problem: Option<String>,
}

/// The badge of a webhook: its colour and its words.
pub(super) const fn state(
    webhook: &Webhook,
    texts: &'static WebhooksTexts,
) -> (&'static str, &'static str) {
    use ramal_store::DisabledReason as R;
    match (webhook.active, webhook.disabled) {
        (true, _) => ("good", texts.active),
        (false, None) => ("warn", texts.paused),
        (false, Some(R::Gone)) => ("bad", texts.gone),
        (false, Some(R::Failing)) => ("bad", texts.failing),
    }
}

/// Every event that can be chosen, in words.
pub(super) fn choices(texts: &WebhookTexts, chosen: &[String]) -> Vec<EventChoice> {
    let everything = chosen.iter().any(|name| name == EVERYTHING);
    let known = texts.events().into_iter();
    known
        .map(|(name, words)| EventChoice {
            name,
            words,
            chosen: !everything && chosen.iter().any(|other| other == name),
        })
        .collect()
}

/// The names of a tenant's numbers.
pub(super) async fn numbers(
    web: &Web,
    by: &SignedIn,
) -> Result<HashMap<NumberId, String>, PageError> {
    let numbers = web.app.listed_numbers(&by.caller).await?.into_iter();
    let words = |number: &Number| format!("{} · {}", number.name, number.phone.e164());
    Ok(numbers.map(|number| (number.id, words(&number))).collect())
}

/// The empty form. `names` are those of the tenant's numbers.
fn form(names: HashMap<NumberId, String>, by: &SignedIn) -> Form {
    let choice = |(id, words): (NumberId, String)| Choice { id: id.to_string(), words };
    let mut numbers: Vec<Choice> = names.into_iter().map(choice).collect();
    numbers.sort_by(|one, other| one.words.cmp(&other.words));
    Form {
        numbers,
        events: choices(WebhookTexts::of(by.language), &[]),
        everything: true,
        name: String::new(),
        url: String::new(),
        number: String::new(),
        problem: None,
    }
}

async fn list(
    State(web): State<Web>,
    by: SignedIn,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    let texts = WebhooksTexts::of(by.language);
    let names = numbers(&web, &by).await?;
    let outcomes = web.app.webhook_outcomes(&by.caller).await?;
    let rows = web.app.list_webhooks(&by.caller, None).await?.into_iter().map(|webhook| {
        let (badge, state) = state(&webhook, texts);
        let outcomes: Option<&Outcomes> = outcomes.get(&webhook.id);
        Row {
            events: listed(&webhook.events, texts),
            number: names.get(&webhook.number).cloned().unwrap_or_default(),
            number_id: webhook.number.to_string(),
            rate: outcomes.map(|outcomes| (outcomes.succeeded, outcomes.total())),
            id: webhook.id.to_string(),
            name: webhook.name,
            url: webhook.url,
            badge,
            state,
            last: webhook.last_triggered_at,
        }
    });
    let rows = rows.collect();
    let page = WebhooksPage {
        rows,
        frame: Frame::new(&web, &by, Section::Webhooks, "/webhooks", &headers),
        texts,
        form: form(names, &by),
    };
    page.frame.answer(&web, &page)
}

fn listed(events: &[String], texts: &'static WebhooksTexts) -> String {
    if events.iter().any(|name| name == EVERYTHING) {
        return texts.everything.to_owned();
    }
    events.join(", ")
}

#[derive(Debug, Default, Deserialize)]
struct Wanted {
    #[serde(default)]
    number: String,
}

async fn new(
    State(web): State<Web>,
    by: SignedIn,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    if !by.is_owner() {
        return Err(PageError::OwnersOnly);
    }
    let form = Form { number: wanted.number, ..form(numbers(&web, &by).await?, &by) };
    new_page(&web, &by, &headers, form)
}

fn new_page(
    web: &Web,
    by: &SignedIn,
    headers: &HeaderMap,
    form: Form,
) -> Result<Response, PageError> {
    let frame = Frame::new(web, by, Section::Webhooks, "/webhooks/new", headers);
    let page = NewPage { frame, texts: WebhooksTexts::of(by.language), form };
    page.frame.answer(web, &page)
}

#[derive(Debug, Deserialize)]
struct Draft {
    #[serde(default)]
    number: String,
    #[serde(default)]
    url: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    events: Vec<String>,
    #[serde(default)]
    secret: String,
}

async fn create(
    State(web): State<Web>,
    headers: HeaderMap,
    Posted { by, form: given }: Posted<Draft>,
) -> Result<Response, PageError> {
    let some = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    let draft = WebhookDraft {
        url: given.url.trim().to_owned(),
        name: some(&given.name),
        events: webhook::chosen(given.events.clone()),
        number_id: some(&given.number),
        active: true,
        secret: some(&given.secret),
    };
    match web.app.create_webhook(&by.caller, None, draft).await {
        Ok(created) => {
            let secret = created.secret.expose().to_owned();
            let shown = webhook::Shown { secret, old_until: None };
            webhook::show(&web, &by, &headers, &created.webhook.id.to_string(), Some(shown)).await
        }
        Err(error @ AppError::Refused(_)) => {
            let chosen = webhook::chosen(given.events);
            let again = Form {
                events: choices(WebhookTexts::of(by.language), &chosen),
                everything: chosen.iter().any(|name| name == EVERYTHING),
                name: given.name,
                url: given.url,
                number: given.number,
                problem: Some(sentence(&error, by.language)),
                ..form(numbers(&web, &by).await?, &by)
            };
            let page = new_page(&web, &by, &headers, again)?;
            Ok((StatusCode::BAD_REQUEST, page).into_response())
        }
        Err(error) => Err(error.into()),
    }
}
