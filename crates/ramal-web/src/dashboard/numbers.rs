//! The list of numbers: create one, find one, bring a deleted one back.

use askama::Template;
use axum::{
    Json, Router,
    extract::State,
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use http::{HeaderMap, StatusCode};
use ramal_app::{
    AppError, CreateNumber, Language, NumberSettings, NumberView, OfficialView, Refusal,
};
use ramal_domain::{PhoneNumber, Provider, Timestamp};
use ramal_store::Number;
use serde::Deserialize;
use serde_json::json;

use super::{
    answer::{Flash, PageError, after, sentence, wants_json},
    frame::{Frame, Section},
    live::state_name,
    number::{
        PairBlock,
        settings::{Fields, SettingTexts, SettingsForm},
        words::{self, PairTexts},
    },
    official::OfficialTexts,
    session::{Posted, SignedIn},
    sign_in::Nothing,
    texts::{Common, Done, texts},
};
use crate::{
    Web,
    extract::{Path, Query},
};

pub(super) fn router() -> Router<Web> {
    Router::new()
        .route("/numbers", get(list).post(create))
        .route("/numbers/new", get(new))
        .route("/numbers/{id}/restore", post(restore))
        .route("/numbers/{id}/purge", post(purge))
}

texts! {
    /// The list of numbers.
    NumbersTexts {
        title: "Números", "Numbers", "Números";
        intro: "Cada número é um WhatsApp conectado a este servidor.",
            "Each number is a WhatsApp account connected to this server.",
            "Cada número es una cuenta de WhatsApp conectada a este servidor.";
        add: "Novo número", "New number", "Nuevo número";
        name: "Nome", "Name", "Nombre";
        name_hint: "Como você o reconhece aqui, por exemplo: Suporte",
            "How you recognise it here, such as: Support",
            "Cómo lo reconoce aquí, por ejemplo: Soporte";
        phone: "Número de telefone", "Phone number", "Número de teléfono";
        phone_hint: "Com o código do país, por exemplo: +55 11 99999-9999",
            "With the country code, such as: +55 11 99999-9999",
            "Con el código del país, por ejemplo: +55 11 99999-9999";
        options: "Opções", "Options", "Opciones";
        options_hint: "Tudo pode ser mudado depois.", "All of it can be changed later.", "Todo se puede cambiar después.";
        show_qr: "Mostrar código QR", "Show the QR code", "Mostrar código QR";
        send_link: "Enviar um link", "Send a link", "Enviar un enlace";
        example: "Suporte", "Support", "Soporte";
        two_ways: "Escaneie o código aqui, se o celular está com você. Ou envie um link: quem tem o celular conecta sozinho.",
            "Scan the code here if you have the phone at hand. Or send a link: whoever has the phone connects it alone.",
            "Escanee el código aquí si tiene el teléfono a mano. O envíe un enlace: quien tiene el teléfono lo conecta solo.";
        state: "Estado", "State", "Estado";
        every_state: "Todos os estados", "Every state", "Todos los estados";
        last_connected: "Última conexão", "Last connected", "Última conexión";
        health: "Saúde", "Health", "Salud";
        search: "Buscar por nome ou número", "Search by name or number", "Buscar por nombre o número";
        apply: "Filtrar", "Filter", "Filtrar";
        none_found: "Nenhum número corresponde à busca.", "No number matches the search.", "Ningún número coincide con la búsqueda.";
        needs_person: "pede atenção", "needs somebody", "requiere atención";
        empty: "Conecte o primeiro número", "Connect the first number", "Conecte el primer número";
        empty_hint: "Um número é uma conta do WhatsApp que este servidor usa para enviar e receber mensagens, como um aparelho conectado a mais.",
            "A number is a WhatsApp account through which this server sends and receives messages, as one more linked device.",
            "Un número es una cuenta de WhatsApp con la que este servidor envía y recibe mensajes, como un dispositivo vinculado más.";
        empty_here: "O celular está com você", "You have the phone", "Tiene el teléfono";
        empty_here_hint: "Crie o número e escaneie o código QR nesta tela.",
            "Create the number and scan the QR code on this screen.",
            "Cree el número y escanee el código QR en esta pantalla.";
        empty_link: "O celular está com outra pessoa", "Somebody else has the phone", "Otra persona tiene el teléfono";
        empty_link_hint: "Envie um link: ela conecta o celular sem ter conta aqui.",
            "Send a link: they connect the phone without an account here.",
            "Envíe un enlace: conecta el teléfono sin tener cuenta aquí.";
        empty_api: "Ou pela API", "Or by the API", "O por la API";
        removed: "Excluídos", "Deleted", "Eliminados";
        removed_hint: "Podem ser restaurados até a data indicada. Depois somem de vez, com suas mensagens.",
            "They can be restored until the date shown. Then they are gone for good, with their messages.",
            "Se pueden restaurar hasta la fecha indicada. Después desaparecen con sus mensajes.";
        until: "Até", "Until", "Hasta";
        restore: "Restaurar", "Restore", "Restaurar";
        purge: "Excluir de vez", "Delete for good", "Eliminar definitivamente";
        purge_hint: "Apaga o número e todas as suas mensagens. Não há volta.",
            "Deletes the number and all of its messages. There is no way back.",
            "Borra el número y todos sus mensajes. No hay vuelta atrás.";
        type_name: "Digite {name} para confirmar", "Type {name} to confirm", "Escriba {name} para confirmar";
        not_confirmed: "O nome digitado não confere. Nada foi excluído.",
            "The name that was typed is not the number's. Nothing was deleted.",
            "El nombre escrito no coincide. No se eliminó nada.";
        bad_name: "O nome tem de 1 a 100 caracteres.", "A name has 1 to 100 characters.", "El nombre tiene de 1 a 100 caracteres.";
        bad_phone: "Este número de telefone não existe. Escreva-o com o código do país, por exemplo: +55 11 99999-9999",
            "There is no such phone number. Write it with the country code, such as: +55 11 99999-9999",
            "Ese número de teléfono no existe. Escríbalo con el código del país, por ejemplo: +55 11 99999-9999";
        cannot_start: "O WhatsApp não deu um código. Nada foi criado; tente de novo em instantes.",
            "WhatsApp gave no code. Nothing was created; try again shortly.",
            "WhatsApp no dio un código. No se creó nada; inténtelo de nuevo en un momento.";
        actions: "Ações", "Actions", "Acciones";
    }
}

/// A line of the list.
#[derive(Debug)]
struct Row {
    id: String,
    name: String,
    profile: Option<String>,
    phone: String,
    state: &'static str,
    last_connected: Option<Timestamp>,
    why: Option<&'static str>,
    health: &'static str,
    well: bool,
    waits: bool,
    hidden: bool,
    /// Whether it is official, in a word.
    provider: &'static str,
    /// How Meta rates it, with the class that shows it.
    quality: Option<(&'static str, &'static str)>,
}

impl Row {
    fn new(view: &NumberView, filter: &Filter, language: Language) -> Self {
        let number = &view.number;
        let ailment = number.illness.as_ref().map(|illness| illness.ailment);
        let o = OfficialTexts::of(language);
        let rating = view.official.as_ref().and_then(OfficialView::quality_rating);
        Self {
            provider: match number.provider {
                Provider::Meta => o.badge,
                Provider::Web => o.qr_badge,
            },
            quality: o.quality(rating.as_deref()),
            id: number.id.to_string(),
            name: number.name.clone(),
            profile: number.identity.profile_name.clone(),
            phone: number.phone.international(),
            state: state_name(number.link),
            last_connected: number.connected_at,
            why: number.link.reason().map(|reason| words::reason(reason, language)),
            health: words::health(ailment, language),
            well: ailment.is_none(),
            waits: view.action.is_some(),
            hidden: !filter.shows(number),
        }
    }
}

/// A line of the list of deleted numbers.
#[derive(Debug)]
struct RemovedRow {
    id: String,
    name: String,
    phone: String,
    until: Option<Timestamp>,
    type_name: String,
}

impl RemovedRow {
    fn new(number: &Number, texts: &NumbersTexts) -> Self {
        Self {
            id: number.id.to_string(),
            name: number.name.clone(),
            phone: number.phone.international(),
            until: number.restorable_until,
            type_name: texts.type_name.replace("{name}", &number.name),
        }
    }
}

/// What to look for; the script filters by itself what is on the page.
#[derive(Debug, Default, Deserialize)]
struct Filter {
    #[serde(default)]
    q: String,
    #[serde(default)]
    state: String,
}

impl Filter {
    fn shows(&self, number: &Number) -> bool {
        let wanted = self.q.trim().to_lowercase();
        let digits: String = wanted.chars().filter(char::is_ascii_digit).collect();
        let profile = number.identity.profile_name.as_deref().unwrap_or_default();
        let named = [number.name.as_str(), profile]
            .iter()
            .any(|name| name.to_lowercase().contains(&wanted));
        // Only what can be a phone number is looked for in one; dashboard.js does the same.
        let phone_like = wanted
            .chars()
            .all(|sign| sign.is_ascii_digit() || sign.is_whitespace() || "+()-".contains(sign));
        let phoned = phone_like && !digits.is_empty() && number.phone.digits().contains(&digits);
        let in_state =
            self.state.is_empty() || self.state.eq_ignore_ascii_case(state_name(number.link));
        (named || phoned) && in_state
    }
}

/// A number to be created, as it was typed.
#[derive(Debug)]
struct Draft {
    name: String,
    phone: String,
    settings: SettingsForm,
    problem: Option<String>,
}

impl Default for Draft {
    fn default() -> Self {
        let settings = SettingsForm::of(&NumberSettings::default());
        Self { name: String::new(), phone: String::new(), settings, problem: None }
    }
}

#[derive(Template)]
#[template(path = "dashboard/numbers.html")]
struct NumbersPage {
    frame: Frame,
    o: &'static OfficialTexts,
    t: &'static NumbersTexts,
    s: &'static SettingTexts,
    pair: &'static PairTexts,
    reasons: Vec<(&'static str, &'static str)>,
    rows: Vec<Row>,
    removed: Vec<RemovedRow>,
    filter: Filter,
    states: [(&'static str, &'static str); 3],
    none_found: bool,
    draft: Draft,
    block: PairBlock,
    api: String,
}

#[derive(Template)]
#[template(path = "dashboard/number_new.html")]
struct NewPage {
    frame: Frame,
    o: &'static OfficialTexts,
    t: &'static NumbersTexts,
    s: &'static SettingTexts,
    draft: Draft,
}

async fn list(
    State(web): State<Web>,
    by: SignedIn,
    Query(filter): Query<Filter>,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    let (language, t) = (by.language, NumbersTexts::of(by.language));
    let common = Common::of(language);
    let views = web.app.list_numbers(&by.caller).await?;
    let rows: Vec<Row> = views.iter().map(|view| Row::new(view, &filter, language)).collect();
    let removed = web.app.removed_numbers(&by.caller).await?;
    let page = NumbersPage {
        frame: Frame::new(&web, &by, Section::Numbers, "/numbers", &headers),
        o: OfficialTexts::of(language),
        t,
        s: SettingTexts::of(language),
        pair: PairTexts::of(language),
        reasons: words::reasons(language),
        none_found: rows.iter().all(|row| row.hidden),
        rows,
        removed: removed.iter().map(|number| RemovedRow::new(number, t)).collect(),
        filter,
        states: [
            ("OPEN", common.connected),
            ("CONNECTING", common.connecting),
            ("CLOSE", common.disconnected),
        ],
        draft: Draft::default(),
        block: PairBlock::of_nothing(),
        api: web.app.public_url().to_owned(),
    };
    page.frame.answer(&web, &page)
}

async fn new(
    State(web): State<Web>,
    by: SignedIn,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    if by.is_owner() {
        new_page(&web, &by, &headers, Draft::default())
    } else {
        Err(PageError::OwnersOnly)
    }
}

fn new_page(
    web: &Web,
    by: &SignedIn,
    headers: &HeaderMap,
    draft: Draft,
) -> Result<Response, PageError> {
    let page = NewPage {
        frame: Frame::new(web, by, Section::Numbers, "/numbers/new", headers),
        o: OfficialTexts::of(by.language),
        t: NumbersTexts::of(by.language),
        s: SettingTexts::of(by.language),
        draft,
    };
    page.frame.answer(web, &page)
}

/// What was typed of a number, checked as far as a person can mend it.
pub(super) fn wish(fields: &Fields, language: Language) -> Result<CreateNumber, String> {
    let t = NumbersTexts::of(language);
    let name = fields.text("name").trim();
    if !(1..=100).contains(&name.chars().count()) || name.chars().any(char::is_control) {
        return Err(t.bad_name.to_owned());
    }
    let phone = PhoneNumber::from_any_format(fields.text("number"));
    let phone = phone.map_err(|_no_phone| t.bad_phone.to_owned())?;
    let form = SettingsForm::read(fields);
    let settings = form.patch(&NumberSettings::default(), language)?;
    Ok(CreateNumber {
        name: name.to_owned(),
        number: phone.e164(),
        link_to_api_key: false,
        settings,
    })
}

async fn create(
    State(web): State<Web>,
    headers: HeaderMap,
    Posted { by, form: fields }: Posted<Fields>,
) -> Result<Response, PageError> {
    let (status, problem) = match wish(&fields, by.language) {
        Err(problem) => (StatusCode::BAD_REQUEST, problem),
        Ok(wish) => match web.app.create_number(&by.caller, wish, None).await {
            Ok(created) => return Ok(created_answer(&headers, &created.number)),
            Err(error @ AppError::Refused(_)) => {
                (crate::error::status_of(error.kind()), refused(&error, by.language))
            }
            Err(error) => return Err(error.into()),
        },
    };
    if wants_json(&headers) {
        return Ok((status, Json(json!({"error": problem}))).into_response());
    }
    let draft = Draft {
        name: fields.text("name").to_owned(),
        phone: fields.text("number").to_owned(),
        settings: SettingsForm::read(&fields),
        problem: Some(problem),
    };
    Ok((status, new_page(&web, &by, &headers, draft)?).into_response())
}

fn created_answer(headers: &HeaderMap, number: &Number) -> Response {
    let path = format!("/numbers/{}", number.id);
    if wants_json(headers) {
        let answer = json!({"id": number.id.to_string(), "path": path});
        return (StatusCode::CREATED, Json(answer)).into_response();
    }
    Redirect::to(&path).into_response()
}

fn refused(error: &AppError, language: Language) -> String {
    if let AppError::Refused(Refusal::UpstreamError | Refusal::UpstreamTimeout) = error {
        return NumbersTexts::of(language).cannot_start.to_owned();
    }
    sentence(error, language)
}

async fn restore(
    State(web): State<Web>,
    Path(id): Path<String>,
    Posted { by, form: Nothing {} }: Posted<Nothing>,
) -> Result<Response, PageError> {
    let restored = web.app.restore_number(&by.caller, &id).await;
    let path = if restored.is_ok() { format!("/numbers/{id}") } else { "/numbers".to_owned() };
    after(&web, by.language, &path, restored, Done::Restored)
}

/// The name of a number, typed so that nothing is deleted by mistake.
#[derive(Debug, Deserialize)]
pub(super) struct Confirmed {
    #[serde(default)]
    confirm: String,
}

impl Confirmed {
    /// What to tell whoever typed something else.
    pub(super) fn problem(&self, name: &str, language: Language) -> Option<Flash> {
        let text = NumbersTexts::of(language).not_confirmed.to_owned();
        (self.confirm.trim() != name.trim()).then_some(Flash { problem: true, text })
    }
}

async fn purge(
    State(web): State<Web>,
    Path(id): Path<String>,
    Posted { by, form }: Posted<Confirmed>,
) -> Result<Response, PageError> {
    let removed = web.app.removed_numbers(&by.caller).await?;
    let number = removed.into_iter().find(|number| number.id.to_string() == id);
    let number = number.ok_or(PageError::NotFound)?;
    if let Some(flash) = form.problem(&number.name, by.language) {
        return Ok(flash.to(&web, "/numbers"));
    }
    let purged = web.app.purge_number(&by.caller, &id).await;
    after(&web, by.language, "/numbers", purged, Done::Deleted)
}
