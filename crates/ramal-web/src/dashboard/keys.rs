//! API keys: one per number, masked; revealed and replaced by an owner.

use askama::Template;
use axum::{
    Router,
    extract::State,
    response::Response,
    routing::{get, post},
};
use http::HeaderMap;
use ramal_app::MaskedKey;
use ramal_domain::Timestamp;

use super::{
    answer::PageError,
    frame::{Frame, Section},
    session::{Posted, SignedIn},
    sign_in::Nothing,
    texts::texts,
};
use crate::{Web, extract::Path};

pub(super) fn router() -> Router<Web> {
    Router::new()
        .route("/api-keys", get(list))
        .route("/api-keys/{number}/reveal", post(reveal))
        .route("/api-keys/{number}/regenerate", get(ask).post(regenerate))
}

texts! {
    /// The page of API keys.
    KeyTexts {
        title: "Chaves de API", "API keys", "Claves de API";
        intro: "Cada número tem uma chave, que age só nele: envia e lê mensagens dele, cuida dos webhooks dele. Dê ao seu programa só a chave de que ele precisa.",
            "Each number has one key, which acts on that number only: sends and reads its messages, looks after its webhooks. Give your program just the key that it needs.",
            "Cada número tiene una clave, que actúa solo en él: envía y lee sus mensajes, cuida de sus webhooks. Dé a su programa solo la clave que necesita.";
        tenant_title: "A chave da conta", "The account's key", "La clave de la cuenta";
        tenant_hint: "Há também uma chave da conta inteira: ela cria e remove números e age em qualquer um deles. Ela está no Perfil.",
            "There is also a key for the whole account: it creates and removes numbers and acts on any of them. It is on your profile.",
            "También hay una clave de toda la cuenta: crea y elimina números y actúa en cualquiera de ellos. Está en el perfil.";
        tenant_link: "Abrir o perfil", "Open the profile", "Abrir el perfil";
        number: "Número", "Number", "Número";
        key: "Chave", "Key", "Clave";
        used: "Último uso", "Last used", "Último uso";
        created: "Criada", "Created", "Creada";
        actions: "Ações", "Actions", "Acciones";
        reveal: "Mostrar", "Reveal", "Mostrar";
        regenerate: "Trocar", "Replace", "Reemplazar";
        regenerate_title: "Trocar a chave de {name}?", "Replace the key of {name}?", "¿Reemplazar la clave de {name}?";
        regenerate_hint: "A chave atual para de funcionar na hora. Programas que a usam recebem 401 até terem a nova.",
            "The present key stops working at once. Programs that use it are answered 401 until they have the new one.",
            "La clave actual deja de funcionar al instante. Los programas que la usan reciben 401 hasta tener la nueva.";
        regenerate_sure: "Trocar a chave", "Replace the key", "Reemplazar la clave";
        revealed: "A chave de {name}", "The key of {name}", "La clave de {name}";
        replaced: "A nova chave de {name}", "The new key of {name}", "La nueva clave de {name}";
        revealed_hint: "Quem tem esta chave fala por este número. Que você a viu está na auditoria.",
            "Whoever has this key speaks for this number. The audit log says that you saw it.",
            "Quien tiene esta clave habla por este número. La auditoría dice que usted la vio.";
        replaced_hint: "A chave anterior já não funciona.",
            "The key before this one does not work any more.",
            "La clave anterior ya no funciona.";
        sealed: "Esta chave foi guardada com outra chave mestra, e não pode mais ser lida. Troque-a.",
            "This key was sealed with another master key and cannot be read any more. Replace it.",
            "Esta clave fue sellada con otra clave maestra y ya no se puede leer. Reemplácela.";
        try_it: "Experimente", "Try it", "Pruébela";
        try_hint: "A chave vai no cabeçalho x-api-key. Este comando envia uma mensagem:",
            "The key goes into the header x-api-key. This command sends a message:",
            "La clave va en el encabezado x-api-key. Este comando envía un mensaje:";
        example_text: "Olá!", "Hello!", "¡Hola!";
        empty_title: "Ainda não há chaves", "No keys yet", "Aún no hay claves";
        empty_hint: "Cada número ganha a sua chave quando é criado. Crie o primeiro número e volte aqui.",
            "Each number gets its key when it is created. Create the first number and come back.",
            "Cada número recibe su clave cuando se crea. Cree el primer número y vuelva.";
        empty_link: "Criar um número", "Create a number", "Crear un número";
    }
}

/// One line of the list.
#[derive(Debug)]
struct Row {
    number: String,
    name: String,
    phone: String,
    prefix: String,
    last4: String,
    used: Option<Timestamp>,
    created: Timestamp,
}

impl From<MaskedKey> for Row {
    fn from(MaskedKey { key, number }: MaskedKey) -> Self {
        Self {
            number: number.id.to_string(),
            name: number.name,
            phone: number.phone.e164(),
            prefix: key.prefix,
            last4: key.last4,
            used: key.last_used_at,
            created: key.created_at,
        }
    }
}

/// A raw key, in the answer to who asked for it.
#[derive(Debug)]
struct Shown {
    title: String,
    hint: &'static str,
    /// `None`: it cannot be read any more.
    raw: Option<String>,
    fresh: bool,
}

#[derive(Template)]
#[template(path = "dashboard/keys.html")]
struct KeysPage {
    frame: Frame,
    texts: &'static KeyTexts,
    rows: Vec<Row>,
    shown: Option<Shown>,
    /// What the API's addresses begin with.
    api: String,
}

async fn show(
    web: &Web,
    by: &SignedIn,
    headers: &HeaderMap,
    shown: Option<Shown>,
) -> Result<Response, PageError> {
    let rows = web.app.masked_keys(&by.caller).await?;
    let page = KeysPage {
        frame: Frame::new(web, by, Section::Keys, "/api-keys", headers),
        texts: KeyTexts::of(by.language),
        rows: rows.into_iter().map(Row::from).collect(),
        shown,
        api: web.app.public_url().to_owned(),
    };
    page.frame.answer(web, &page)
}

async fn list(
    State(web): State<Web>,
    by: SignedIn,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    show(&web, &by, &headers, None).await
}

async fn reveal(
    State(web): State<Web>,
    Path(number): Path<String>,
    headers: HeaderMap,
    Posted { by, form: Nothing {} }: Posted<Nothing>,
) -> Result<Response, PageError> {
    let texts = KeyTexts::of(by.language);
    let revealed = web.app.reveal_key_of(&by.caller, &number).await?;
    let raw = revealed.token.map(|token| token.expose().to_owned());
    let hint = if raw.is_some() { texts.revealed_hint } else { texts.sealed };
    let title = texts.revealed.replace("{name}", &revealed.number.name);
    show(&web, &by, &headers, Some(Shown { title, hint, raw, fresh: false })).await
}

#[derive(Template)]
#[template(path = "dashboard/key_regenerate.html")]
struct AskPage {
    frame: Frame,
    texts: &'static KeyTexts,
    row: Row,
}

/// The question before a key is replaced, for browsers without JavaScript.
async fn ask(
    State(web): State<Web>,
    by: SignedIn,
    Path(number): Path<String>,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    if !by.is_owner() {
        return Err(PageError::OwnersOnly);
    }
    let keys = web.app.masked_keys(&by.caller).await?;
    let found = keys.into_iter().find(|key| key.number.id.to_string() == number);
    let page = AskPage {
        frame: Frame::new(&web, &by, Section::Keys, "/api-keys", &headers),
        texts: KeyTexts::of(by.language),
        row: found.ok_or(PageError::NotFound)?.into(),
    };
    page.frame.answer(&web, &page)
}

async fn regenerate(
    State(web): State<Web>,
    Path(number): Path<String>,
    headers: HeaderMap,
    Posted { by, form: Nothing {} }: Posted<Nothing>,
) -> Result<Response, PageError> {
    let texts = KeyTexts::of(by.language);
    let new = web.app.regenerate_key_of(&by.caller, &number).await?;
    let keys = web.app.masked_keys(&by.caller).await?;
    let name = keys.into_iter().find(|key| key.key.id == new.id).map(|key| key.number.name);
    let shown = Shown {
        title: texts.replaced.replace("{name}", &name.unwrap_or(number)),
        hint: texts.replaced_hint,
        raw: Some(new.token.expose().to_owned()),
        fresh: true,
    };
    show(&web, &by, &headers, Some(shown)).await
}
