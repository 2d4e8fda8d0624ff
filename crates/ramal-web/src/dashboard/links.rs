//! Links by which somebody without an account here connects a number: by scanning a code, or at Meta.

use askama::Template;
use axum::{
    Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::{HeaderMap, StatusCode};
use ramal_app::{
    AppError, CreatedPairingLink, DeadLink, Language, LinkOptions, LinkView, NewPairingLink,
    NewSignupLink, Sending, SettingsPatch, SignupFlow, SignupLink,
};
use ramal_domain::{Link, Provider, Timestamp};
use ramal_store::Number;

use super::{
    answer::{PageError, after, sentence},
    frame::{Frame, Section},
    number::settings::Fields,
    numbers::{NumbersTexts, wish},
    session::{Posted, SignedIn},
    sign_in::Nothing,
    texts::{Done, texts},
};
use crate::{QrPicture, Web, extract::Path};

/// Longest reference, in characters.
const REFERENCE_MAX: usize = 255;

pub(super) fn router() -> Router<Web> {
    Router::new()
        .route("/links", get(list).post(create))
        .route("/links/new", get(new))
        .route("/links/official", post(create_official))
        .route("/links/{id}/revoke", post(revoke))
}

texts! {
    /// Pairing links.
    LinkTexts {
        title: "Links de conexão", "Pairing links", "Enlaces de conexión";
        intro: "Um link abre uma página em que o dono do celular conecta um número, sem conta aqui. Vale por 24 horas e uma só vez.",
            "A link opens a page on which the owner of a phone connects a number, without an account here. It is good for 24 hours, and once.",
            "Un enlace abre una página donde el dueño del teléfono conecta un número, sin cuenta aquí. Vale 24 horas y una sola vez.";
        add: "Novo link", "New link", "Nuevo enlace";
        which: "Qual número?", "Which number?", "¿Qué número?";
        a_new_one: "Um número novo", "A new number", "Un número nuevo";
        new_hint: "Para um número novo, diga também o nome e o telefone.",
            "For a new number, also give the name and the phone number.",
            "Para un número nuevo, indique también el nombre y el teléfono.";
        language: "Idioma da página", "Language of the page", "Idioma de la página";
        of_browser: "O do navegador", "The browser's", "El del navegador";
        policy: "Se outro celular escanear", "If another phone scans", "Si otro teléfono escanea";
        policy_tenant: "Como nas opções da conta", "As the account's settings say", "Según las opciones de la cuenta";
        policy_reject: "Recusar e desconectar", "Refuse and unlink it", "Rechazar y desvincular";
        policy_adopt: "Aceitar o número dele", "Take its number", "Aceptar su número";
        policy_ask: "Perguntar à pessoa", "Ask the person", "Preguntar a la persona";
        redirect: "Depois de conectar, ir para", "After connecting, go to", "Después de conectar, ir a";
        redirect_hint: "Um endereço https. Vazio: fica na página.", "An https address. Empty: stay on the page.", "Una dirección https. Vacío: queda en la página.";
        reference: "Sua referência", "Your reference", "Su referencia";
        reference_hint: "Um texto seu, como o código do cliente.", "A text of yours, such as the customer's code.", "Un texto suyo, como el código del cliente.";
        send: "Enviar o link por WhatsApp", "Send the link by WhatsApp", "Enviar el enlace por WhatsApp";
        send_hint: "A partir do seu primeiro número conectado.", "From your first connected number.", "Desde su primer número conectado.";
        options: "Opções", "Options", "Opciones";
        create: "Criar link", "Create the link", "Crear enlace";
        created: "O link está pronto", "The link is ready", "El enlace está listo";
        created_hint: "Envie-o a quem está com o celular de {name}. Por segurança ele só é mostrado agora; se perder, crie outro.",
            "Send it to whoever has the phone of {name}. For safety it is shown only now; if it is lost, create another.",
            "Envíelo a quien tiene el teléfono de {name}. Por seguridad se muestra solo ahora; si se pierde, cree otro.";
        official: "Para um número oficial (Meta)", "For an official number (Meta)", "Para un número oficial (Meta)";
        official_hint: "A pessoa conecta um número da API de Nuvem da Meta, sem celular e sem conta aqui.",
            "The person connects a number of Meta's Cloud API, without a phone and without an account here.",
            "La persona conecta un número de la API de la nube de Meta, sin teléfono y sin cuenta aquí.";
        official_name_hint: "Opcional: sem ele vale o nome na Meta.", "Optional: without it, its name at Meta counts.", "Opcional: sin él vale el nombre en Meta.";
        official_number: "Número oficial", "Official number", "Número oficial";
        flow: "Como a pessoa conecta?", "How does the person connect?", "¿Cómo conecta la persona?";
        flow_embedded: "Pelo cadastro incorporado da Meta", "Through Meta's Embedded Signup", "Con el registro insertado de Meta";
        flow_embedded_hint: "Ela entra na Meta e escolhe o número.", "They sign in at Meta and choose the number.", "Entra en Meta y elige el número.";
        flow_embedded_off: "O operador deste servidor não o configurou.", "The operator of this server has not set it up.", "El operador de este servidor no lo ha configurado.";
        flow_credentials: "Digitando as credenciais do próprio aplicativo", "By typing the credentials of their own app", "Escribiendo las credenciales de su propia aplicación";
        flow_credentials_hint: "Para quem já tem um aplicativo na Meta.", "For whoever has an app at Meta already.", "Para quien ya tiene una aplicación en Meta.";
        kind_embedded: "Oficial · cadastro incorporado", "Official · Embedded Signup", "Oficial · registro insertado";
        kind_credentials: "Oficial · credenciais", "Official · credentials", "Oficial · credenciales";
        created_official: "Envie-o a quem administra o número na Meta. Por segurança ele só é mostrado agora; se perder, crie outro.",
            "Send it to whoever manages the number at Meta. For safety it is shown only now; if it is lost, create another.",
            "Envíelo a quien administra el número en Meta. Por seguridad se muestra solo ahora; si se pierde, cree otro.";
        created_official_qr: "Ou mostre este código, que abre o link em um celular.",
            "Or show this code, which opens the link on a phone.",
            "O muestre este código, que abre el enlace en un teléfono.";
        created_qr: "Ou mostre este código, que abre o link no celular. Ele não conecta o WhatsApp por si só.",
            "Or show this code, which opens the link on a phone. It does not connect WhatsApp by itself.",
            "O muestre este código, que abre el enlace en un teléfono. No conecta WhatsApp por sí solo.";
        qr: "Código QR que abre o link", "QR code that opens the link", "Código QR que abre el enlace";
        queued: "O link está a caminho por WhatsApp.", "The link is on its way by WhatsApp.", "El enlace está en camino por WhatsApp.";
        nobody: "Nenhum número conectado pôde enviar o link. Copie-o e envie você mesmo.",
            "No connected number could send the link. Copy it and send it yourself.",
            "Ningún número conectado pudo enviar el enlace. Cópielo y envíelo usted.";
        open: "Abrir a página", "Open the page", "Abrir la página";
        see_number: "Ver o número", "See the number", "Ver el número";
        all: "Todos os links", "All links", "Todos los enlaces";
        number: "Número", "Number", "Número";
        state: "Estado", "State", "Estado";
        made: "Criado", "Created", "Creado";
        expires: "Vence", "Expires", "Vence";
        actions: "Ações", "Actions", "Acciones";
        waiting: "Esperando", "Waiting", "Esperando";
        used: "Usado", "Used", "Usado";
        expired: "Vencido", "Expired", "Vencido";
        revoked: "Revogado", "Revoked", "Revocado";
        revoke: "Revogar", "Revoke", "Revocar";
        empty: "Conecte o celular de outra pessoa", "Connect somebody else's phone", "Conecte el teléfono de otra persona";
        empty_hint: "Crie um link e envie-o ao seu cliente. Ele abre a página, escaneia o código com o WhatsApp e pronto: o número aparece conectado aqui.",
            "Create a link and send it to your customer. They open the page, scan the code with WhatsApp, and that is all: the number is connected here.",
            "Cree un enlace y envíelo a su cliente. Abre la página, escanea el código con WhatsApp y listo: el número aparece conectado aquí.";
        bad_redirect: "O endereço de destino começa com https:// e tem no máximo 2048 caracteres.",
            "The address to go to begins with https:// and has at most 2048 characters.",
            "La dirección de destino empieza con https:// y tiene como máximo 2048 caracteres.";
        bad_reference: "A referência tem no máximo 255 caracteres.", "The reference has at most 255 characters.", "La referencia tiene como máximo 255 caracteres.";
    }
}

/// A line of the list.
#[derive(Debug)]
struct Row {
    id: String,
    /// The page of its number; `None`: there is none yet, or none any more.
    number: Option<String>,
    name: String,
    phone: Option<String>,
    /// How an official number is connected by it.
    kind: Option<&'static str>,
    reference: Option<String>,
    state: &'static str,
    class: &'static str,
    waiting: bool,
    created_at: Timestamp,
    expires_at: Timestamp,
    used_at: Option<Timestamp>,
}

/// What became of a link, in a word, with the class that shows it.
const fn state(dead: Option<DeadLink>, t: &LinkTexts) -> (&'static str, &'static str) {
    match dead {
        None => (t.waiting, "warn"),
        Some(DeadLink::Used) => (t.used, "good"),
        Some(DeadLink::Expired) => (t.expired, ""),
        Some(DeadLink::Revoked | DeadLink::Unknown) => (t.revoked, ""),
    }
}

impl Row {
    fn new(view: &LinkView, t: &LinkTexts) -> Self {
        let (state, class) = state(view.dead, t);
        let link = &view.listed.link;
        Self {
            id: link.id.to_string(),
            number: Some(link.number.to_string()),
            name: view.listed.name.clone(),
            phone: Some(view.listed.phone.international()),
            kind: None,
            reference: link.external_ref.clone(),
            state,
            class,
            waiting: view.dead.is_none(),
            created_at: link.created_at,
            expires_at: link.expires_at,
            used_at: view.used_at,
        }
    }

    fn official(
        link: &SignupLink,
        dead: Option<DeadLink>,
        numbers: &[Number],
        t: &LinkTexts,
    ) -> Self {
        // For some minutes after its use a link is not dead yet: its page says so.
        let dead = dead.or_else(|| link.used_at.map(|_| DeadLink::Used));
        let (state, class) = state(dead, t);
        let number = numbers.iter().find(|number| Some(number.id) == link.number);
        let named = number.map(|number| number.name.clone()).or_else(|| link.name.clone());
        Self {
            id: link.id.to_string(),
            number: number.map(|number| number.id.to_string()),
            name: named.unwrap_or_else(|| t.official_number.to_owned()),
            phone: number.map(|number| number.phone.international()),
            kind: Some(match link.flow {
                SignupFlow::Embedded => t.kind_embedded,
                SignupFlow::Credentials => t.kind_credentials,
            }),
            reference: link.external_ref.clone(),
            state,
            class,
            waiting: dead.is_none(),
            created_at: link.created_at,
            expires_at: link.expires_at,
            used_at: link.used_at,
        }
    }
}

/// A link for an official number to be created, as it was typed.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) flow: SignupFlow,
    pub(super) draft: Draft,
    /// Whether the operator has set up Embedded Signup.
    pub(super) embedded: bool,
    pub(super) languages: [(&'static str, &'static str); 4],
}

impl Wanted {
    /// Nothing was typed yet.
    pub(super) fn new(web: &Web, by: &SignedIn) -> Self {
        let embedded = web.app.signup_configured();
        let flow = if embedded { SignupFlow::Embedded } else { SignupFlow::Credentials };
        let languages = languages(LinkTexts::of(by.language));
        Self { flow, draft: Draft::default(), embedded, languages }
    }

    fn read(web: &Web, by: &SignedIn, fields: &Fields) -> Self {
        let flow = match fields.text("flow").parse() {
            Ok(flow) => flow,
            Err(_unknown) => SignupFlow::Credentials,
        };
        Self { flow, draft: Draft::read(fields), ..Self::new(web, by) }
    }

    /// Whether this flow is the chosen one.
    pub(super) fn is(&self, flow: &str) -> bool {
        self.flow.name() == flow
    }
}

const fn languages(t: &LinkTexts) -> [(&'static str, &'static str); 4] {
    [("", t.of_browser), ("pt-BR", "Português"), ("en", "English"), ("es", "Español")]
}

/// A link to be created, as it was typed.
#[derive(Debug, Default)]
pub(super) struct Draft {
    /// The existing number; empty: a new one.
    existing: String,
    pub(super) name: String,
    phone: String,
    pub(super) language: String,
    policy: String,
    pub(super) redirect: String,
    pub(super) reference: String,
    send: bool,
    pub(super) problem: Option<String>,
}

impl Draft {
    fn read(fields: &Fields) -> Self {
        let text = |name| fields.text(name).trim().to_owned();
        Self {
            existing: text("existing"),
            name: text("name"),
            phone: text("number"),
            language: text("language"),
            policy: text("policy"),
            redirect: text("redirect"),
            reference: text("reference"),
            send: fields.has("send"),
            problem: None,
        }
    }

    /// The options, checked as far as a person can mend them.
    fn options(&self, language: Language) -> Result<LinkOptions, String> {
        let t = LinkTexts::of(language);
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        if !self.redirect.is_empty() && !self.redirect.starts_with("https://") {
            return Err(t.bad_redirect.to_owned());
        }
        if self.reference.chars().count() > REFERENCE_MAX {
            return Err(t.bad_reference.to_owned());
        }
        Ok(LinkOptions {
            send_via_whatsapp: self.send,
            language: given(&self.language),
            redirect_url: given(&self.redirect),
            external_ref: given(&self.reference),
            wrong_phone_policy: given(&self.policy),
            ..LinkOptions::default()
        })
    }
}

/// What the form of a new link shows.
#[derive(Debug)]
struct Choices {
    /// Numbers that are not connected: id and name.
    numbers: Vec<(String, String)>,
    languages: [(&'static str, &'static str); 4],
    policies: [(&'static str, &'static str); 4],
}

impl Choices {
    async fn of(web: &Web, by: &SignedIn) -> Result<Self, AppError> {
        let t = LinkTexts::of(by.language);
        let numbers = web.app.listed_numbers(&by.caller).await?;
        // There is nothing to scan for an official one.
        let free = numbers
            .into_iter()
            .filter(|number| number.link != Link::Open && number.provider == Provider::Web);
        let named = |number: &Number| format!("{} · {}", number.name, number.phone.international());
        Ok(Self {
            numbers: free.map(|number| (number.id.to_string(), named(&number))).collect(),
            languages: languages(t),
            policies: [
                ("", t.policy_tenant),
                ("reject", t.policy_reject),
                ("adopt", t.policy_adopt),
                ("ask", t.policy_ask),
            ],
        })
    }
}

#[derive(Template)]
#[template(path = "dashboard/links.html")]
struct LinksPage {
    frame: Frame,
    t: &'static LinkTexts,
    n: &'static NumbersTexts,
    rows: Vec<Row>,
    draft: Draft,
    choices: Choices,
    wanted: Wanted,
}

#[derive(Template)]
#[template(path = "dashboard/link_new.html")]
struct NewPage {
    frame: Frame,
    t: &'static LinkTexts,
    n: &'static NumbersTexts,
    draft: Draft,
    choices: Choices,
    wanted: Wanted,
}

#[derive(Template)]
#[template(path = "dashboard/link_created.html")]
struct CreatedPage {
    frame: Frame,
    t: &'static LinkTexts,
    hint: String,
    url: String,
    qr: String,
    qr_hint: &'static str,
    /// The number's page; `None`: it is not there yet.
    number: Option<String>,
    sending: Option<&'static str>,
    unsent: bool,
}

async fn list(
    State(web): State<Web>,
    by: SignedIn,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    let t = LinkTexts::of(by.language);
    let links = web.app.list_pairing_links(&by.caller).await?;
    let mut rows: Vec<Row> = links.iter().map(|view| Row::new(view, t)).collect();
    let numbers = web.app.listed_numbers(&by.caller).await?;
    let official = web.app.list_signup_links(&by.caller).await?;
    rows.extend(official.iter().map(|(link, dead)| Row::official(link, *dead, &numbers, t)));
    rows.sort_by_key(|row| std::cmp::Reverse(row.created_at));
    let page = LinksPage {
        frame: Frame::new(&web, &by, Section::Links, "/links", &headers),
        t,
        n: NumbersTexts::of(by.language),
        rows,
        draft: Draft::default(),
        choices: Choices::of(&web, &by).await?,
        wanted: Wanted::new(&web, &by),
    };
    page.frame.answer(&web, &page)
}

async fn new(
    State(web): State<Web>,
    by: SignedIn,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    if by.is_owner() {
        new_page(&web, &by, &headers, Draft::default(), Wanted::new(&web, &by)).await
    } else {
        Err(PageError::OwnersOnly)
    }
}

async fn new_page(
    web: &Web,
    by: &SignedIn,
    headers: &HeaderMap,
    draft: Draft,
    wanted: Wanted,
) -> Result<Response, PageError> {
    let page = NewPage {
        frame: Frame::new(web, by, Section::Links, "/links/new", headers),
        t: LinkTexts::of(by.language),
        n: NumbersTexts::of(by.language),
        draft,
        choices: Choices::of(web, by).await?,
        wanted,
    };
    page.frame.answer(web, &page)
}

async fn create(
    State(web): State<Web>,
    headers: HeaderMap,
    Posted { by, form: fields }: Posted<Fields>,
) -> Result<Response, PageError> {
    let draft = Draft::read(&fields);
    let (status, problem) = match make(&web, &by, &draft, &fields).await {
        Ok(Ok(created)) => return created_page(&web, &by, &headers, &created),
        Ok(Err(problem)) => (StatusCode::BAD_REQUEST, problem),
        Err(error @ AppError::Refused(_)) => {
            (crate::error::status_of(error.kind()), sentence(&error, by.language))
        }
        Err(error) => return Err(error.into()),
    };
    let draft = Draft { problem: Some(problem), ..draft };
    let page = new_page(&web, &by, &headers, draft, Wanted::new(&web, &by)).await?;
    Ok((status, page).into_response())
}

async fn create_official(
    State(web): State<Web>,
    headers: HeaderMap,
    Posted { by, form: fields }: Posted<Fields>,
) -> Result<Response, PageError> {
    let wanted = Wanted::read(&web, &by, &fields);
    let (status, problem) = match wanted.draft.options(by.language) {
        Err(problem) => (StatusCode::BAD_REQUEST, problem),
        Ok(link) => {
            let name = Some(wanted.draft.name.clone()).filter(|name| !name.is_empty());
            let settings = SettingsPatch::default();
            let wish =
                NewSignupLink { flow: wanted.flow, name, link_to_api_key: false, settings, link };
            match web.app.create_signup_link(&by.caller, wish, None).await {
                Ok(created) => {
                    let t = LinkTexts::of(by.language);
                    let hint = t.created_official.to_owned();
                    return Shown::new(hint, t.created_official_qr, created.url)
                        .page(&web, &by, &headers);
                }
                Err(error @ AppError::Refused(_)) => {
                    (crate::error::status_of(error.kind()), sentence(&error, by.language))
                }
                Err(error) => return Err(error.into()),
            }
        }
    };
    let draft = Draft { problem: Some(problem), ..wanted.draft };
    let wanted = Wanted { draft, ..wanted };
    let page = new_page(&web, &by, &headers, Draft::default(), wanted).await?;
    Ok((status, page).into_response())
}

/// Creates the link, unless there is something to mend first.
async fn make(
    web: &Web,
    by: &SignedIn,
    draft: &Draft,
    fields: &Fields,
) -> Result<Result<CreatedPairingLink, String>, AppError> {
    let link = match draft.options(by.language) {
        Ok(link) => link,
        Err(problem) => return Ok(Err(problem)),
    };
    if !draft.existing.is_empty() {
        return web.app.renew_pairing_link(&by.caller, &draft.existing, link).await.map(Ok);
    }
    let number = match wish(fields, by.language) {
        Ok(number) => number,
        Err(problem) => return Ok(Err(problem)),
    };
    web.app.create_pairing_link(&by.caller, NewPairingLink { number, link }, None).await.map(Ok)
}

/// A link that is shown: this once.
struct Shown {
    hint: String,
    qr_hint: &'static str,
    url: String,
    number: Option<String>,
    sending: Option<Sending>,
}

impl Shown {
    const fn new(hint: String, qr_hint: &'static str, url: String) -> Self {
        Self { hint, qr_hint, url, number: None, sending: None }
    }

    fn page(self, web: &Web, by: &SignedIn, headers: &HeaderMap) -> Result<Response, PageError> {
        let t = LinkTexts::of(by.language);
        let qr = QrPicture::draw(&self.url).map_err(|error| AppError::Internal(Box::new(error)))?;
        let page = CreatedPage {
            // Switching the language there would lose the link.
            frame: Frame::new(web, by, Section::Links, "/links", headers),
            t,
            hint: self.hint,
            url: self.url,
            qr: qr.data_uri(),
            qr_hint: self.qr_hint,
            number: self.number,
            sending: self.sending.map(|sending| match sending {
                Sending::Queued => t.queued,
                Sending::NobodyToSend => t.nobody,
            }),
            unsent: self.sending == Some(Sending::NobodyToSend),
        };
        page.frame.answer(web, &page)
    }
}

/// Shows a link: this once.
pub(super) fn created_page(
    web: &Web,
    by: &SignedIn,
    headers: &HeaderMap,
    created: &CreatedPairingLink,
) -> Result<Response, PageError> {
    let t = LinkTexts::of(by.language);
    let hint = t.created_hint.replace("{name}", &created.number.name);
    let shown = Shown {
        number: Some(created.number.id.to_string()),
        sending: created.sending,
        ..Shown::new(hint, t.created_qr, created.url.clone())
    };
    shown.page(web, by, headers)
}

async fn revoke(
    State(web): State<Web>,
    Path(id): Path<String>,
    Posted { by, form: Nothing {} }: Posted<Nothing>,
) -> Result<Response, PageError> {
    let revoked = web.app.revoke_pairing_link(&by.caller, &id).await;
    after(&web, by.language, "/links", revoked, Done::Revoked)
}
