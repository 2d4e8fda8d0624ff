//! One number: its state, its pairing, its settings, what happened to it and what it said.

pub(super) mod settings;
mod timeline;
pub(super) mod words;

use askama::Template;
use axum::{
    Json, Router,
    extract::State,
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use http::HeaderMap;
use ramal_app::{AppError, Codes, Language, LinkOptions, NumberView};
use ramal_domain::{Action, ActionStep, Direction, Link, Peer, Provider, Timestamp};
use ramal_store::{Message, Number, Webhook};
use serde::Deserialize;
use serde_json::json;

use self::{
    settings::{Fields, SettingTexts, SettingsForm},
    timeline::{Happened, timeline},
    words::PairTexts,
};
use super::{
    answer::{Flash, PageError, after, wants_json},
    frame::{Frame, Section},
    links,
    live::state_name,
    messages::MessagesTexts,
    numbers::{Confirmed, NumbersTexts},
    official::{OfficialBlock, OfficialTexts},
    session::{Posted, SignedIn},
    sign_in::Nothing,
    texts::{Done, texts},
};
use crate::{QrPicture, Web, api::pairing_stream, extract::Path};

/// How much of a message is shown, in characters.
const EXCERPT: usize = 140;

pub(super) fn router() -> Router<Web> {
    Router::new()
        .route("/numbers/{id}", get(show))
        .route("/numbers/{id}/pairing/events", get(events))
        .route("/numbers/{id}/connect", post(connect))
        .route("/numbers/{id}/wrong-phone", post(answer_wrong_phone))
        .route("/numbers/{id}/link", post(link))
        .route("/numbers/{id}/rename", post(rename))
        .route("/numbers/{id}/settings", post(change))
        .route("/numbers/{id}/delete", post(remove))
}

texts! {
    /// One number.
    NumberTexts {
        connection: "Conexão", "Connection", "Conexión";
        since: "Desde", "Since", "Desde";
        last_connected: "Última conexão", "Last connected", "Última conexión";
        last_proof: "Último sinal de vida", "Last sign of life", "Última señal de vida";
        profile: "Nome no WhatsApp", "Name on WhatsApp", "Nombre en WhatsApp";
        id: "Identificador", "Id", "Identificador";
        created: "Criado", "Created", "Creado";
        health: "Saúde", "Health", "Salud";
        unknown: "ainda não se sabe", "not known yet", "aún no se sabe";
        resuming: "A conexão caiu. Estamos reconectando, sem que você faça nada.",
            "The connection was lost. We are connecting again by ourselves.",
            "La conexión se perdió. Estamos reconectando automáticamente.";
        copy_link: "Criar link de conexão", "Create a pairing link", "Crear enlace de conexión";
        copy_link_hint: "Para quem está com o celular: abre uma página só para conectar este número. Vale por 24 horas; um link anterior deixa de valer.",
            "For whoever has the phone: a page that connects this number and nothing else. It is good for 24 hours; a link from before stops working.",
            "Para quien tiene el teléfono: una página solo para conectar este número. Vale 24 horas; un enlace anterior deja de valer.";
        settings: "Configurações", "Settings", "Ajustes";
        name: "Nome", "Name", "Nombre";
        rename: "Renomear", "Rename", "Renombrar";
        key: "Chave de API", "API key", "Clave de API";
        key_hint: "Programas usam esta chave para agir por este número.",
            "Programs use this key to act for this number.",
            "Los programas usan esta clave para actuar por este número.";
        key_none: "Este número não tem chave.", "This number has no key.", "Este número no tiene clave.";
        key_used: "Usada pela última vez", "Last used", "Último uso";
        keys: "Ver chaves de API", "See the API keys", "Ver claves de API";
        webhooks: "Webhooks", "Webhooks", "Webhooks";
        webhooks_none: "Nenhum: seu sistema não é avisado do que acontece com este número.",
            "None: your system is not told what happens to this number.",
            "Ninguno: su sistema no recibe avisos de lo que pasa con este número.";
        webhooks_link: "Ver webhooks", "See the webhooks", "Ver webhooks";
        active: "ativo", "active", "activo";
        paused: "pausado", "paused", "en pausa";
        disabled: "desligado por falhas", "switched off after failures", "desactivado por fallas";
        timeline: "Linha do tempo", "Timeline", "Cronología";
        timeline_none: "Nada aconteceu ainda.", "Nothing has happened yet.", "Aún no ha pasado nada.";
        messages: "Mensagens recentes", "Recent messages", "Mensajes recientes";
        messages_none: "Nenhuma mensagem ainda. Envie uma pela API, ou escreva para este número.",
            "No messages yet. Send one by the API, or write to this number.",
            "Aún no hay mensajes. Envíe uno por la API, o escriba a este número.";
        not_kept: "Este número não guarda mensagens: o texto e a outra pessoa ficam ocultos.",
            "This number keeps no messages: the text and the other person are hidden.",
            "Este número no guarda mensajes: el texto y la otra persona quedan ocultos.";
        direction: "Direção", "Direction", "Dirección";
        received: "Recebida", "Received", "Recibido";
        sent: "Enviada", "Sent", "Enviado";
        peer: "Com quem", "With whom", "Con quién";
        kind: "Tipo", "Kind", "Tipo";
        text: "Texto", "Text", "Texto";
        status: "Estado", "Status", "Estado";
        time: "Hora", "Time", "Hora";
        kind_text: "texto", "text", "texto";
        kind_image: "imagem", "picture", "imagen";
        kind_audio: "áudio", "audio", "audio";
        kind_video: "vídeo", "video", "vídeo";
        kind_document: "documento", "document", "documento";
        kind_location: "localização", "location", "ubicación";
        kind_contacts: "contato", "contact", "contacto";
        kind_sticker: "figurinha", "sticker", "sticker";
        kind_reaction: "reação", "reaction", "reacción";
        kind_other: "outro", "other", "otro";
        delete: "Excluir número", "Delete this number", "Eliminar número";
        delete_hint: "O aparelho é desconectado do WhatsApp e a chave deixa de valer na hora. O número pode ser restaurado por um tempo, na lista de excluídos.",
            "The device is unlinked from WhatsApp and the key dies at once. The number can be restored for a while, from the list of deleted ones.",
            "El dispositivo se desvincula de WhatsApp y la clave deja de valer al instante. El número se puede restaurar por un tiempo, en la lista de eliminados.";
    }
}

/// The codes of an attempt, drawn.
#[derive(Debug)]
pub(super) struct PairCodes {
    pub(super) qr: String,
    pub(super) code: Option<String>,
}

impl PairCodes {
    fn draw(codes: Codes) -> Result<Self, AppError> {
        let picture = QrPicture::draw(&codes.qr.text);
        let picture = picture.map_err(|error| AppError::Internal(Box::new(error)))?;
        Ok(Self { qr: picture.data_uri(), code: codes.pairing_code.map(|(code, _)| code) })
    }
}

/// What a person must do before a pairing goes on.
#[derive(Debug)]
pub(super) struct PairAction {
    pub(super) kind: &'static str,
    pub(super) expected: String,
    pub(super) actual: String,
}

impl PairAction {
    fn of(action: &Action) -> Self {
        match &action.step {
            ActionStep::Passkey(_) | ActionStep::Confirm { .. } => {
                Self { kind: "passkey", expected: String::new(), actual: String::new() }
            }
            ActionStep::WrongPhone { expected, actual } => {
                Self { kind: "wrong_phone", expected: expected.masked(), actual: actual.masked() }
            }
        }
    }
}

/// The block that shows a pairing, live; see `pairing` in `number_parts.html`.
#[derive(Debug)]
pub(super) struct PairBlock {
    pub(super) id: String,
    pub(super) step: &'static str,
    pub(super) codes: Option<PairCodes>,
    pub(super) action: Option<PairAction>,
}

impl PairBlock {
    /// Of a number that is not there yet.
    pub(super) const fn of_nothing() -> Self {
        Self { id: String::new(), step: "starting", codes: None, action: None }
    }

    /// Of a number as it is; `None` when there is nothing to pair.
    fn of(web: &Web, view: &NumberView) -> Result<Option<Self>, AppError> {
        let number = &view.number;
        if number.provider == Provider::Meta {
            return Ok(None);
        }
        let codes = web.app.present_codes(number).map(PairCodes::draw).transpose()?;
        let action = view.action.as_ref().map(PairAction::of);
        let step = match number.link {
            Link::Open | Link::Resuming { .. } => return Ok(None),
            Link::Closed(_) => "idle",
            Link::Pairing if action.is_some() => "action",
            Link::Pairing if number.identity.jid.is_some() => "scanned",
            Link::Pairing if codes.is_some() => "codes",
            Link::Pairing => "starting",
        };
        Ok(Some(Self { id: number.id.to_string(), step, codes, action }))
    }

    fn without_codes(self) -> Self {
        Self { codes: None, ..self }
    }

    /// Whether something is about to happen.
    fn moves(&self) -> bool {
        matches!(self.step, "starting" | "codes" | "scanned" | "action")
    }
}

/// A message, for the list.
#[derive(Debug)]
struct MessageRow {
    received: bool,
    peer: String,
    kind: &'static str,
    text: String,
    status: &'static str,
    /// Why it failed: the code, and a sentence in English.
    failure: Option<(String, String)>,
    at: Timestamp,
}

impl MessageRow {
    fn new(message: &Message, hidden: bool, language: Language) -> Self {
        let t = NumberTexts::of(language);
        let peer = match &message.peer {
            Peer::Phone(phone) if hidden => phone.masked(),
            Peer::Phone(phone) => phone.international(),
            Peer::Jid(_) if hidden => "…".to_owned(),
            Peer::Jid(jid) => jid.clone(),
        };
        let peer = match &message.peer_name {
            Some(name) if !hidden => format!("{name} · {peer}"),
            _ => peer,
        };
        Self {
            received: message.direction == Direction::Inbound,
            peer,
            kind: kind(&message.kind, t),
            text: message.content.as_deref().filter(|_| !hidden).map_or_else(String::new, excerpt),
            status: words::status(message.status, language),
            failure: message.failure.as_ref().map(|it| (it.code.clone(), it.message.clone())),
            at: message.created_at,
        }
    }
}

fn excerpt(text: &str) -> String {
    let mut excerpt: String = text.chars().take(EXCERPT).collect();
    if text.chars().nth(EXCERPT).is_some() {
        excerpt.push('…');
    }
    excerpt
}

pub(super) fn kind(name: &str, t: &NumberTexts) -> &'static str {
    match name {
        "text" => t.kind_text,
        "image" => t.kind_image,
        "audio" => t.kind_audio,
        "video" => t.kind_video,
        "document" => t.kind_document,
        "location" => t.kind_location,
        "contacts" => t.kind_contacts,
        "sticker" => t.kind_sticker,
        "reaction" => t.kind_reaction,
        _ => t.kind_other,
    }
}

#[derive(Template)]
#[template(path = "dashboard/number.html")]
struct NumberPage {
    frame: Frame,
    t: &'static NumberTexts,
    n: &'static NumbersTexts,
    o: &'static OfficialTexts,
    official: Option<OfficialBlock>,
    s: &'static SettingTexts,
    pair: &'static PairTexts,
    reasons: Vec<(&'static str, &'static str)>,
    number: Number,
    id: String,
    state: &'static str,
    phone: String,
    block: Option<PairBlock>,
    refresh: bool,
    why: Option<&'static str>,
    resuming: bool,
    m: &'static MessagesTexts,
    health: &'static str,
    health_why: Option<&'static str>,
    health_until: Option<Timestamp>,
    key: Option<ramal_store::Key>,
    webhooks: Vec<Webhook>,
    settings: SettingsForm,
    keeps: [(&'static str, &'static str); 3],
    timeline: Vec<Happened>,
    messages: Vec<MessageRow>,
    hidden: bool,
    type_name: String,
}

/// A listed number, with its keys.
async fn find(web: &Web, by: &SignedIn, id: &str) -> Result<NumberView, PageError> {
    let views = web.app.list_numbers(&by.caller).await?;
    let found = views.into_iter().find(|view| view.number.id.to_string() == id);
    found.ok_or(PageError::NotFound)
}

async fn show(
    State(web): State<Web>,
    by: SignedIn,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    let page = number_page(&web, &by, &id, &headers).await?;
    page.frame.answer(&web, &page)
}

/// The page of an official number, with what Meta says when it tries its callback: this once.
pub(super) async fn page_with_verify_token(
    web: &Web,
    by: &SignedIn,
    id: &str,
    headers: &HeaderMap,
    token: &str,
) -> Result<Response, PageError> {
    let mut page = number_page(web, by, id, headers).await?;
    if let Some(official) = &mut page.official {
        official.verify_token = Some(token.to_owned());
    }
    page.frame.answer(web, &page)
}

async fn number_page(
    web: &Web,
    by: &SignedIn,
    id: &str,
    headers: &HeaderMap,
) -> Result<NumberPage, PageError> {
    let (language, caller) = (by.language, &by.caller);
    let NumberView { number, settings, mut keys, action, official } = find(web, by, id).await?;
    let attempts = web.app.pairing_attempts(caller, id).await?;
    let events = web.app.timeline(caller, id).await?;
    let hidden = number.pii_mode == ramal_app::PiiMode::RelayOnly.name();
    let messages = web.app.recent_messages(caller, id).await?;
    let s = SettingTexts::of(language);
    let key = keys.pop();
    let view = NumberView { number, settings, keys, action, official };
    let block = PairBlock::of(web, &view)?;
    // Who may only look links no phone.
    let block = block.map(|block| if by.is_owner() { block } else { block.without_codes() });
    let NumberView { number, settings, official, .. } = view;
    let callback = web.app.meta_callback(number.id);
    let now = web.app.now();
    let official =
        official.map(|view| OfficialBlock::of(&view, number.link, callback, now, language));
    let illness = number.illness;
    Ok(NumberPage {
        frame: Frame::new(web, by, Section::Numbers, &format!("/numbers/{id}"), headers),
        t: NumberTexts::of(language),
        n: NumbersTexts::of(language),
        o: OfficialTexts::of(language),
        s,
        pair: PairTexts::of(language),
        m: MessagesTexts::of(language),
        reasons: words::reasons(language),
        id: id.to_owned(),
        state: state_name(number.link),
        phone: number.phone.international(),
        refresh: block.as_ref().is_some_and(PairBlock::moves),
        block,
        why: number.link.reason().map(|reason| words::reason(reason, language)),
        resuming: matches!(number.link, Link::Resuming { .. }),
        official,
        health: words::health(illness.map(|illness| illness.ailment), language),
        health_why: illness
            .and_then(|illness| words::reason_of_code(illness.ailment.code(), language)),
        health_until: illness.and_then(|illness| illness.until),
        key,
        webhooks: web.app.list_webhooks(caller, Some(id)).await?,
        settings: SettingsForm::of(&settings),
        keeps: [
            ("STORE_INDEFINITE", s.keep_all),
            ("STORE_X_DAYS", s.keep_days),
            ("RELAY_ONLY", s.keep_none),
        ],
        timeline: timeline(&events, &attempts, language),
        messages: messages.iter().map(|one| MessageRow::new(one, hidden, language)).collect(),
        hidden,
        type_name: NumbersTexts::of(language).type_name.replace("{name}", &number.name),
        number,
    })
}

/// The pairing attempt under way, as the API streams it.
async fn events(
    State(web): State<Web>,
    by: SignedIn,
    Path(id): Path<String>,
) -> Result<Response, PageError> {
    let followed = web.app.follow_pairing(&by.caller, &id).await?;
    // Who may only look links no phone.
    let followed = if by.is_owner() { followed } else { followed.without_codes() };
    Ok(pairing_stream(followed, &web))
}

async fn connect(
    State(web): State<Web>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Posted { by, form: Nothing {} }: Posted<Nothing>,
) -> Result<Response, PageError> {
    let connected = web.app.connect(&by.caller, &id).await;
    if wants_json(&headers) {
        connected?;
        return Ok(Json(json!({"ok": true})).into_response());
    }
    let path = format!("/numbers/{id}");
    match connected {
        Ok(_codes) => Ok(Redirect::to(&path).into_response()),
        Err(error) => after(&web, by.language, &path, Err::<(), _>(error), Done::Saved),
    }
}

/// Whether to use a phone that was not expected.
#[derive(Debug, Deserialize)]
struct WrongPhoneForm {
    #[serde(rename = "use")]
    adopt: bool,
}

async fn answer_wrong_phone(
    State(web): State<Web>,
    Path(id): Path<String>,
    Posted { by, form }: Posted<WrongPhoneForm>,
) -> Result<Response, PageError> {
    let answered = web.app.answer_wrong_phone(&by.caller, &id, form.adopt).await;
    after(&web, by.language, &format!("/numbers/{id}"), answered, Done::Saved)
}

async fn link(
    State(web): State<Web>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Posted { by, form: Nothing {} }: Posted<Nothing>,
) -> Result<Response, PageError> {
    match web.app.renew_pairing_link(&by.caller, &id, LinkOptions::default()).await {
        Ok(created) => links::created_page(&web, &by, &headers, &created),
        Err(error) => {
            let path = format!("/numbers/{id}");
            after(&web, by.language, &path, Err::<(), _>(error), Done::Saved)
        }
    }
}

/// Another name.
#[derive(Debug, Deserialize)]
struct NameForm {
    #[serde(default)]
    name: String,
}

async fn rename(
    State(web): State<Web>,
    Path(id): Path<String>,
    Posted { by, form }: Posted<NameForm>,
) -> Result<Response, PageError> {
    let path = format!("/numbers/{id}");
    let name = form.name.trim();
    if name.is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
        let text = NumbersTexts::of(by.language).bad_name.to_owned();
        return Ok(Flash { problem: true, text }.to(&web, &path));
    }
    let renamed = web.app.rename_number(&by.caller, &id, name).await;
    after(&web, by.language, &path, renamed, Done::Saved)
}

async fn change(
    State(web): State<Web>,
    Path(id): Path<String>,
    Posted { by, form: fields }: Posted<Fields>,
) -> Result<Response, PageError> {
    let here = format!("/numbers/{id}");
    let view = find(&web, &by, &id).await?;
    let form = SettingsForm::read(&fields);
    let patch = form.number_patch(&fields, &view.number, &view.settings, by.language);
    let saved = match patch {
        Err(text) => return Ok(Flash { problem: true, text }.to(&web, &here)),
        Ok(None) => Ok(()),
        Ok(Some(patch)) => web.app.change_number(&by.caller, &id, patch).await.map(|_| ()),
    };
    after(&web, by.language, &here, saved, Done::Saved)
}

async fn remove(
    State(web): State<Web>,
    Path(id): Path<String>,
    Posted { by, form }: Posted<Confirmed>,
) -> Result<Response, PageError> {
    let view = find(&web, &by, &id).await?;
    if let Some(flash) = form.problem(&view.number.name, by.language) {
        return Ok(flash.to(&web, &format!("/numbers/{id}")));
    }
    let removed = web.app.remove_number(&by.caller, &id).await;
    let path = if removed.is_ok() { "/numbers".to_owned() } else { format!("/numbers/{id}") };
    after(&web, by.language, &path, removed, Done::Deleted)
}
