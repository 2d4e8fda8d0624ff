//! Official numbers: create one or send a link for it, see how its onboarding is, connect it anew, and
//! move a QR-paired number over.

use askama::Template;
use axum::{
    Router,
    extract::State,
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use http::{HeaderMap, StatusCode};
use ramal_app::{
    AppError, CreateNumber, CreateOfficial, CredentialsPatch, Language, LinkOptions,
    MetaCredentials, Migration, NewSignupLink, OfficialView, SettingsPatch, SignupFlow, Step,
    StepStatus,
};
use ramal_domain::{PhoneNumber, Timestamp};
use secrecy::SecretString;
use serde::Deserialize;

use super::{
    answer::{PageError, after, sentence},
    frame::{Frame, Section},
    numbers::NumbersTexts,
    session::{Posted, SignedIn},
    sign_in::Nothing,
    texts::{Done, texts},
};
use crate::{QrPicture, Web, extract::Path};

pub(super) fn router() -> Router<Web> {
    Router::new()
        .route("/numbers/official", get(new).post(create))
        .route("/numbers/official/link", post(link))
        .route("/numbers/{id}/refresh", post(refresh))
        .route("/numbers/{id}/reconnect", post(reconnect))
        .route("/numbers/{id}/migrate", post(migrate))
}

texts! {
    /// Official numbers.
    OfficialTexts {
        badge: "Oficial", "Official", "Oficial";
        add: "Novo número oficial", "New official number", "Nuevo número oficial";
        intro: "Um número da API de Nuvem da Meta, com as credenciais do seu próprio aplicativo da Meta.",
            "A number of Meta's Cloud API, with the credentials of your own app at Meta.",
            "Un número de la API de la nube de Meta, con las credenciales de su propia aplicación de Meta.";
        phone_id: "Identificação do número na Meta (phone number ID)", "Phone number ID at Meta", "Identificador del número en Meta (phone number ID)";
        waba_id: "Conta do WhatsApp Business (WABA ID)", "WhatsApp Business account (WABA ID)", "Cuenta de WhatsApp Business (WABA ID)";
        ids_hint: "No painel da Meta: WhatsApp › Configuração da API.", "In Meta's dashboard: WhatsApp › API Setup.", "En el panel de Meta: WhatsApp › Configuración de la API.";
        token: "Token de acesso", "Access token", "Token de acceso";
        token_hint: "De um usuário do sistema, com whatsapp_business_management e whatsapp_business_messaging.",
            "Of a system user, with whatsapp_business_management and whatsapp_business_messaging.",
            "De un usuario del sistema, con whatsapp_business_management y whatsapp_business_messaging.";
        secret: "Chave secreta do aplicativo", "App secret", "Clave secreta de la aplicación";
        secret_hint: "No painel da Meta: Configurações › Básico.", "In Meta's dashboard: App settings › Basic.", "En el panel de Meta: Configuración › Básica.";
        pin: "PIN da verificação em duas etapas, se houver", "PIN of the two-step verification, if there is one", "PIN de la verificación en dos pasos, si existe";
        connect: "Conectar", "Connect", "Conectar";
        by_link: "Ou envie um link", "Or send a link", "O envíe un enlace";
        by_link_hint: "A pessoa escolhe o número dela na Meta, ou digita as credenciais dela. Vale por 24 horas.",
            "The person chooses their number at Meta, or types their own credentials. It is good for 24 hours.",
            "La persona elige su número en Meta, o escribe sus credenciales. Vale 24 horas.";
        flow_embedded: "Cadastro incorporado da Meta", "Meta's Embedded Signup", "Registro insertado de Meta";
        flow_credentials: "A pessoa digita as credenciais", "The person types their credentials", "La persona escribe las credenciales";
        create_link: "Criar link", "Create a link", "Crear enlace";
        link_ready: "O link está pronto", "The link is ready", "El enlace está listo";
        link_hint: "Envie-o a quem administra o número na Meta.", "Send it to whoever manages the number at Meta.", "Envíelo a quien administra el número en Meta.";
        open_link: "Abrir", "Open", "Abrir";
        onboarding: "Conexão com a Meta", "Connection to Meta", "Conexión con Meta";
        validate: "Credenciais válidas", "Credentials are good", "Credenciales válidas";
        waba: "O número é desta conta", "The number is of this account", "El número es de esta cuenta";
        register: "Registrado na API de Nuvem", "Registered with the Cloud API", "Registrado en la API de la nube";
        subscribe: "A Meta entrega aqui", "Meta delivers here", "Meta entrega aquí";
        verify: "Confirmado pela Meta", "Confirmed by Meta", "Confirmado por Meta";
        done: "feito", "done", "hecho";
        skipped: "não foi preciso", "not needed", "no hizo falta";
        failed: "falhou", "failed", "falló";
        pending: "pendente", "pending", "pendiente";
        status: "Estado na Meta", "Status at Meta", "Estado en Meta";
        quality: "Qualidade", "Quality", "Calidad";
        limit: "Limite por dia", "Limit per day", "Límite por día";
        coexistence: "Também no aplicativo WhatsApp Business", "Also in the WhatsApp Business app", "También en la aplicación WhatsApp Business";
        token_ends: "O token de acesso vence", "The access token ends", "El token de acceso vence";
        never: "nunca, ou não se sabe", "never, or not known", "nunca, o no se sabe";
        looked: "Perguntado à Meta", "Meta was asked", "Se preguntó a Meta";
        callback: "Endereço de retorno (callback)", "Callback address", "Dirección de retorno (callback)";
        refresh: "Perguntar à Meta agora", "Ask Meta now", "Preguntar a Meta ahora";
        reconnect: "Conectar de novo", "Connect again", "Conectar de nuevo";
        reconnect_hint: "Com um token novo, se o antigo venceu. O que ficar vazio continua como está.",
            "With a new token, if the old one ended. What is left empty stays as it is.",
            "Con un token nuevo, si el anterior venció. Lo que quede vacío sigue igual.";
        migrate: "Mover para a API oficial", "Move to the official API", "Mover a la API oficial";
        migrate_hint: "O número passa para a API de Nuvem da Meta e continua com a mesma identificação, chave, webhooks e mensagens. Só depois que a Meta aceitar tudo o aparelho é desconectado; se algo falhar, nada muda.",
            "The number moves to Meta's Cloud API and keeps its id, key, webhooks and messages. Its device is unlinked only once Meta has accepted everything; if anything fails, nothing changes.",
            "El número pasa a la API de la nube de Meta y conserva su identificador, clave, webhooks y mensajes. El dispositivo se desvincula solo cuando Meta haya aceptado todo; si algo falla, nada cambia.";
    }
}

/// A step, for the list.
#[derive(Debug)]
pub(super) struct StepRow {
    pub(super) name: &'static str,
    pub(super) status: &'static str,
    pub(super) tone: &'static str,
    pub(super) detail: Option<String>,
}

impl StepRow {
    fn of(step: &Step, t: &OfficialTexts) -> Self {
        use ramal_app::StepName as N;
        let name = match step.step {
            N::Validate => t.validate,
            N::Waba => t.waba,
            N::Register => t.register,
            N::Subscribe => t.subscribe,
            N::Verify => t.verify,
        };
        let (status, tone) = match step.status {
            StepStatus::Done => (t.done, "good"),
            StepStatus::Skipped => (t.skipped, ""),
            StepStatus::Failed => (t.failed, "bad"),
            StepStatus::Pending => (t.pending, "warn"),
        };
        Self { name, status, tone, detail: step.detail.clone() }
    }
}

/// What a number's page shows of Meta.
#[derive(Debug)]
pub(super) struct OfficialBlock {
    pub(super) steps: Vec<StepRow>,
    pub(super) facts: Vec<(&'static str, String)>,
    pub(super) token_ends: Option<Timestamp>,
    pub(super) looked: Option<Timestamp>,
    pub(super) callback: String,
}

impl OfficialBlock {
    pub(super) fn of(view: &OfficialView, callback: String, language: Language) -> Self {
        let t = OfficialTexts::of(language);
        let (coexistence, _evidence) = view.coexistence();
        let known = [
            (t.status, view.meta_status()),
            (t.quality, view.quality_rating()),
            (t.limit, view.messaging_limit_tier()),
            (t.coexistence, Some(coexistence.to_owned())),
            (t.phone_id, Some(view.phone_id.clone())),
            (t.waba_id, Some(view.waba_id.clone())),
        ];
        Self {
            steps: view.onboarding.iter().map(|step| StepRow::of(step, t)).collect(),
            facts: known.into_iter().filter_map(|(name, value)| Some((name, value?))).collect(),
            token_ends: view.token_expires_at,
            looked: view.looked_at,
            callback,
        }
    }
}

/// A form with credentials. `Debug` shows no secret.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct CredentialsForm {
    name: String,
    number: String,
    #[serde(rename = "phoneId")]
    phone_id: String,
    #[serde(rename = "wabaId")]
    waba_id: String,
    #[serde(rename = "accessToken")]
    access_token: SecretString,
    #[serde(rename = "appSecret")]
    app_secret: SecretString,
    pin: SecretString,
}

impl CredentialsForm {
    fn credentials(&self) -> MetaCredentials {
        MetaCredentials {
            phone_id: self.phone_id.trim().to_owned(),
            waba_id: self.waba_id.trim().to_owned(),
            access_token: filled(&self.access_token).unwrap_or_default(),
            app_secret: filled(&self.app_secret).unwrap_or_default(),
            app_id: None,
            pin: filled(&self.pin),
        }
    }
}

/// What was typed, without the spaces that copying brings along; `None` when nothing was.
fn filled(secret: &SecretString) -> Option<SecretString> {
    use secrecy::ExposeSecret as _;
    let text = secret.expose_secret().trim();
    (!text.is_empty()).then(|| text.into())
}

#[derive(Template)]
#[template(path = "dashboard/official_new.html")]
struct NewPage {
    frame: Frame,
    t: &'static OfficialTexts,
    n: &'static NumbersTexts,
    form: CredentialsForm,
    problem: Option<String>,
}

#[derive(Template)]
#[template(path = "dashboard/official_link.html")]
struct LinkPage {
    frame: Frame,
    t: &'static OfficialTexts,
    url: String,
    qr: String,
}

async fn new(
    State(web): State<Web>,
    by: SignedIn,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    if by.is_owner() {
        new_page(&web, &by, &headers, CredentialsForm::default(), None)
    } else {
        Err(PageError::OwnersOnly)
    }
}

fn new_page(
    web: &Web,
    by: &SignedIn,
    headers: &HeaderMap,
    form: CredentialsForm,
    problem: Option<String>,
) -> Result<Response, PageError> {
    let page = NewPage {
        frame: Frame::new(web, by, Section::Numbers, "/numbers/official", headers),
        t: OfficialTexts::of(by.language),
        n: NumbersTexts::of(by.language),
        form,
        problem,
    };
    page.frame.answer(web, &page)
}

async fn create(
    State(web): State<Web>,
    headers: HeaderMap,
    Posted { by, form }: Posted<CredentialsForm>,
) -> Result<Response, PageError> {
    let number = PhoneNumber::from_any_format(&form.number);
    let number = number.map_or_else(|_no_phone| form.number.clone(), |phone| phone.e164());
    let wish = CreateOfficial {
        number: CreateNumber {
            name: form.name.trim().to_owned(),
            number,
            link_to_api_key: false,
            settings: SettingsPatch::default(),
        },
        meta: form.credentials(),
    };
    match web.app.create_official_number(&by.caller, wish).await {
        Ok(created) => Ok(Redirect::to(&format!("/numbers/{}", created.number.id)).into_response()),
        Err(error @ AppError::Refused(_)) => {
            let problem = Some(sentence(&error, by.language));
            // Secrets are typed again: they are never sent back.
            let form = CredentialsForm {
                access_token: SecretString::default(),
                app_secret: SecretString::default(),
                pin: SecretString::default(),
                ..form
            };
            Ok((StatusCode::BAD_REQUEST, new_page(&web, &by, &headers, form, problem)?)
                .into_response())
        }
        Err(error) => Err(error.into()),
    }
}

/// How the person connects the number.
#[derive(Debug, Deserialize)]
struct FlowForm {
    flow: String,
    #[serde(default)]
    name: String,
}

async fn link(
    State(web): State<Web>,
    headers: HeaderMap,
    Posted { by, form }: Posted<FlowForm>,
) -> Result<Response, PageError> {
    let credentials = form.flow == SignupFlow::Credentials.name();
    let wish = NewSignupLink {
        flow: if credentials { SignupFlow::Credentials } else { SignupFlow::Embedded },
        name: Some(form.name.trim().to_owned()).filter(|name| !name.is_empty()),
        link_to_api_key: false,
        settings: SettingsPatch::default(),
        link: LinkOptions::default(),
    };
    match web.app.create_signup_link(&by.caller, wish).await {
        Ok(created) => {
            let qr = QrPicture::draw(&created.url);
            let qr = qr.map_err(|error| AppError::Internal(Box::new(error)))?;
            let page = LinkPage {
                // Switching the language there would lose the link.
                frame: Frame::new(&web, &by, Section::Links, "/links", &headers),
                t: OfficialTexts::of(by.language),
                url: created.url,
                qr: qr.data_uri(),
            };
            page.frame.answer(&web, &page)
        }
        Err(error) => {
            let failed = Err::<(), _>(error);
            after(&web, by.language, "/numbers/official", failed, Done::Saved)
        }
    }
}

async fn refresh(
    State(web): State<Web>,
    Path(id): Path<String>,
    Posted { by, form: Nothing {} }: Posted<Nothing>,
) -> Result<Response, PageError> {
    let looked = web.app.refresh_number(&by.caller, &id).await;
    after(&web, by.language, &format!("/numbers/{id}"), looked, Done::Saved)
}

async fn reconnect(
    State(web): State<Web>,
    Path(id): Path<String>,
    Posted { by, form }: Posted<CredentialsForm>,
) -> Result<Response, PageError> {
    let patch = CredentialsPatch {
        access_token: filled(&form.access_token),
        app_secret: filled(&form.app_secret),
        app_id: None,
        pin: filled(&form.pin),
    };
    let connected = web.app.reconnect_official(&by.caller, &id, patch).await;
    after(&web, by.language, &format!("/numbers/{id}"), connected, Done::Saved)
}

async fn migrate(
    State(web): State<Web>,
    Path(id): Path<String>,
    Posted { by, form }: Posted<CredentialsForm>,
) -> Result<Response, PageError> {
    let migration = Migration { meta: form.credentials() };
    let moved = web.app.migrate_number(&by.caller, &id, migration).await;
    after(&web, by.language, &format!("/numbers/{id}"), moved, Done::Saved)
}
