//! The audit log: who did what, to what, and when.

use std::collections::HashSet;

use askama::Template;
use axum::{Router, extract::State, response::Response, routing::get};
use http::HeaderMap;
use ramal_domain::Timestamp;
use ramal_store::{AuditEntry, AuditFilter};
use serde::Deserialize;

use super::{
    answer::PageError,
    frame::{Frame, Section},
    session::SignedIn,
    texts::texts,
};
use crate::{Web, extract::Query};

pub(super) fn router() -> Router<Web> {
    Router::new().route("/audit", get(list))
}

texts! {
    /// The audit log.
    AuditTexts {
        title: "Auditoria", "Audit log", "Auditoría";
        intro: "Quem fez o quê: as pessoas do painel e os programas, pela chave que usam. Guardado por um ano.",
            "Who did what: the people of the dashboard, and programs, by the key that they use. Kept for a year.",
            "Quién hizo qué: las personas del panel y los programas, por la clave que usan. Se guarda un año.";
        when: "Quando", "When", "Cuándo";
        who: "Quem", "Who", "Quién";
        what: "O quê", "What", "Qué";
        target: "Em quê", "On what", "En qué";
        everybody: "Todos", "Everybody", "Todos";
        everything: "Tudo", "Everything", "Todo";
        show: "Mostrar", "Show", "Mostrar";
        by_key: "chave", "key", "clave";
        by_system: "servidor", "server", "servidor";
        command_line: "linha de comando", "command line", "línea de comandos";
        newest: "Mais recentes", "Newest", "Más recientes";
        empty_title: "Nada por aqui ainda", "Nothing here yet", "Aún no hay nada";
        empty_hint: "Cada mudança feita por uma pessoa ou por uma chave aparece aqui, com quem a fez e quando.",
            "Each change by a person or a key appears here, with who made it and when.",
            "Cada cambio hecho por una persona o una clave aparece aquí, con quién lo hizo y cuándo.";
        nothing_found: "Nada corresponde a este filtro.", "Nothing matches this filter.", "Nada corresponde a este filtro.";
        owner: "proprietário", "owner", "propietario";
        viewer: "só leitura", "view only", "solo lectura";
        things_number: "Números", "Numbers", "Números";
        things_key: "Chaves", "Keys", "Claves";
        things_webhook: "Webhooks", "Webhooks", "Webhooks";
        things_template: "Modelos", "Templates", "Plantillas";
        things_link: "Links de conexão", "Pairing links", "Enlaces de conexión";
        things_user: "Pessoas", "People", "Personas";
        things_settings: "Aparência e opções", "Look and settings", "Apariencia y opciones";
        number_create: "Criou o número", "Created the number", "Creó el número";
        number_rename: "Renomeou o número", "Renamed the number", "Renombró el número";
        number_change: "Mudou as opções do número", "Changed the number's settings", "Cambió las opciones del número";
        number_connect: "Pediu códigos para conectar o número", "Asked for codes to connect the number", "Pidió códigos para conectar el número";
        number_remove: "Excluiu o número", "Deleted the number", "Eliminó el número";
        number_adopt_phone: "Aceitou outro celular", "Took another phone", "Aceptó otro teléfono";
        number_refuse_phone: "Recusou outro celular", "Refused another phone", "Rechazó otro teléfono";
        number_restore: "Restaurou o número", "Restored the number", "Restauró el número";
        number_purge: "Excluiu o número de vez", "Deleted the number for good", "Eliminó el número definitivamente";
        key_reveal: "Viu a chave", "Saw the key", "Vio la clave";
        key_regenerate: "Trocou a chave", "Replaced the key", "Reemplazó la clave";
        webhook_create: "Criou o webhook", "Created the webhook", "Creó el webhook";
        webhook_update: "Mudou o webhook", "Changed the webhook", "Cambió el webhook";
        webhook_pause: "Pausou o webhook", "Paused the webhook", "Pausó el webhook";
        webhook_resume: "Reativou o webhook", "Resumed the webhook", "Reactivó el webhook";
        webhook_delete: "Excluiu o webhook", "Deleted the webhook", "Eliminó el webhook";
        webhook_test: "Testou o webhook", "Tested the webhook", "Probó el webhook";
        webhook_rotate: "Trocou o segredo do webhook", "Replaced the webhook's secret", "Reemplazó el secreto del webhook";
        webhook_redeliver: "Reenviou uma entrega do webhook", "Sent a delivery of the webhook again", "Reenvió una entrega del webhook";
        webhook_replay: "Reenviou o que o webhook perdeu", "Replayed what the webhook had missed", "Reenvió lo que el webhook perdió";
        template_create: "Criou o modelo", "Created the template", "Creó la plantilla";
        template_update: "Mudou o modelo", "Changed the template", "Cambió la plantilla";
        template_delete: "Excluiu o modelo", "Deleted the template", "Eliminó la plantilla";
        number_migrate: "Moveu o número para a API oficial", "Moved the number to the official API", "Movió el número a la API oficial";
        number_verify_token: "Viu o token de verificação do número", "Saw the number's verify token", "Vio el token de verificación del número";
        link_create: "Criou um link de conexão", "Created a pairing link", "Creó un enlace de conexión";
        link_send: "Enviou um link de conexão", "Sent a pairing link", "Envió un enlace de conexión";
        link_revoke: "Revogou um link de conexão", "Revoked a pairing link", "Revocó un enlace de conexión";
        project_create: "Criou o projeto", "Created the project", "Creó el proyecto";
        user_create: "Ganhou acesso", "Was given access", "Recibió acceso";
        user_invite: "Convidou uma pessoa", "Invited a person", "Invitó a una persona";
        user_change_role: "Mudou o papel de uma pessoa", "Changed what a person may do", "Cambió el papel de una persona";
        user_remove: "Removeu uma pessoa", "Removed a person", "Eliminó a una persona";
        user_sign_in: "Entrou", "Signed in", "Entró";
        user_sign_in_refused: "Tentou entrar com a senha errada", "Tried to sign in with a wrong password", "Intentó entrar con una contraseña incorrecta";
        user_sign_out_everywhere: "Saiu de todos os navegadores", "Signed out everywhere", "Salió de todos los navegadores";
        user_change_password: "Trocou a senha", "Changed the password", "Cambió la contraseña";
        settings_change: "Mudou a aparência ou as opções", "Changed the look or the settings", "Cambió la apariencia o las opciones";
        logo_upload: "Enviou um logotipo", "Uploaded a logo", "Subió un logotipo";
    }
}

impl AuditTexts {
    /// An action in words; `None` for one that this page does not know.
    fn action(&self, action: &str) -> Option<&'static str> {
        Some(match action {
            "number.create" => self.number_create,
            "number.rename" => self.number_rename,
            "number.update" | "number.change" | "number.settings" => self.number_change,
            "number.connect" | "number.pair" => self.number_connect,
            "number.delete" | "number.remove" => self.number_remove,
            "number.adopt_phone" => self.number_adopt_phone,
            "number.refuse_phone" => self.number_refuse_phone,
            "number.restore" => self.number_restore,
            "number.purge" => self.number_purge,
            "key.reveal" => self.key_reveal,
            "key.regenerate" => self.key_regenerate,
            "webhook.create" => self.webhook_create,
            "webhook.update" => self.webhook_update,
            "webhook.pause" => self.webhook_pause,
            "webhook.resume" => self.webhook_resume,
            "webhook.delete" => self.webhook_delete,
            "webhook.test" => self.webhook_test,
            "webhook.rotate_secret" => self.webhook_rotate,
            "webhook.redeliver" => self.webhook_redeliver,
            "webhook.replay" => self.webhook_replay,
            "template.create" => self.template_create,
            "template.update" => self.template_update,
            "template.delete" => self.template_delete,
            "number.migrate" => self.number_migrate,
            "number.reveal_verify_token" => self.number_verify_token,
            "link.create" => self.link_create,
            "link.send" => self.link_send,
            "link.revoke" => self.link_revoke,
            "project.create" => self.project_create,
            "user.create" => self.user_create,
            "user.invite" => self.user_invite,
            "user.change_role" => self.user_change_role,
            "user.remove" => self.user_remove,
            "user.sign_in" => self.user_sign_in,
            "user.sign_in_refused" => self.user_sign_in_refused,
            "user.sign_out_everywhere" => self.user_sign_out_everywhere,
            "user.change_password" => self.user_change_password,
            "settings.change" => self.settings_change,
            "logo.upload" => self.logo_upload,
            _ => return None,
        })
    }

    /// The detail of a line: roles in the reader's language, all else as it was written.
    fn detail(&self, entry: &AuditEntry) -> String {
        let role = |name: &str| match name {
            "owner" => self.owner.to_owned(),
            "viewer" => self.viewer.to_owned(),
            other => other.to_owned(),
        };
        match (entry.action.as_str(), entry.detail.rsplit_once(": ")) {
            ("user.invite", _) => role(&entry.detail),
            ("user.change_role", Some((email, name))) => format!("{email}: {}", role(name)),
            _ => entry.detail.clone(),
        }
    }

    /// The kinds of things that one may look for.
    const fn things(&self) -> [(&'static str, &'static str); 7] {
        [
            ("number", self.things_number),
            ("key", self.things_key),
            ("webhook", self.things_webhook),
            ("template", self.things_template),
            ("link", self.things_link),
            ("user", self.things_user),
            ("settings", self.things_settings),
        ]
    }
}

#[derive(Debug, Default, Deserialize)]
struct Wanted {
    #[serde(default)]
    before: String,
    #[serde(default)]
    actor: String,
    #[serde(default)]
    thing: String,
}

/// One choice of a filter.
#[derive(Debug)]
struct Choice {
    value: String,
    words: String,
    chosen: bool,
}

#[derive(Debug)]
struct Line {
    at: Timestamp,
    who: String,
    /// What kind of actor, unless it is a person.
    kind: Option<&'static str>,
    action: String,
    /// In words; `None`: the action is shown as it is.
    words: Option<&'static str>,
    detail: String,
    /// The page of what it was done to, while there is one.
    link: Option<String>,
}

#[derive(Template)]
#[template(path = "dashboard/audit.html")]
struct AuditPage {
    frame: Frame,
    texts: &'static AuditTexts,
    lines: Vec<Line>,
    people: Vec<Choice>,
    things: Vec<Choice>,
    filtered: bool,
    /// The query of the next, older page.
    older: Option<String>,
    /// Whether this is an older page.
    paged: bool,
}

async fn list(
    State(web): State<Web>,
    by: SignedIn,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    let texts = AuditTexts::of(by.language);
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let filter = AuditFilter { actor: some(&wanted.actor), thing: some(&wanted.thing) };
    let before = wanted.before.parse().ok();
    let found = web.app.audit_log(&by.caller, &filter, before).await?;
    let there = things_with_pages(&web, &by).await?;
    let people = web.app.users(&by.caller).await?.into_iter().map(|user| {
        let value = user.id.to_string();
        Choice { chosen: value == wanted.actor, value, words: user.email.to_string() }
    });
    let things = texts.things().into_iter().map(|(value, words)| Choice {
        value: value.to_owned(),
        words: words.to_owned(),
        chosen: value == wanted.thing,
    });
    let (actor, thing) = (|| wanted.actor.clone(), || wanted.thing.clone());
    let older = found.next.map(|id| {
        let query = [("before", id.to_string()), ("actor", actor()), ("thing", thing())];
        serde_html_form::to_string(query).unwrap_or_default()
    });
    let page = AuditPage {
        frame: Frame::new(&web, &by, Section::Audit, "/audit", &headers),
        texts,
        lines: found.entries.iter().map(|entry| line(entry, texts, &there)).collect(),
        people: people.collect(),
        things: things.collect(),
        filtered: filter != AuditFilter::default(),
        older,
        paged: before.is_some(),
    };
    page.frame.answer(&web, &page)
}

/// The ids of what has a page of its own.
async fn things_with_pages(web: &Web, by: &SignedIn) -> Result<HashSet<String>, PageError> {
    let numbers = web.app.listed_numbers(&by.caller).await?;
    let webhooks = web.app.list_webhooks(&by.caller, None).await?;
    let templates = web.app.own_templates(&by.caller).await?;
    let numbers = numbers.iter().map(|number| number.id.to_string());
    let webhooks = webhooks.iter().map(|webhook| webhook.id.to_string());
    let templates = templates.iter().map(|template| template.id.to_string());
    Ok(numbers.chain(webhooks).chain(templates).collect())
}

fn line(entry: &AuditEntry, texts: &AuditTexts, there: &HashSet<String>) -> Line {
    let section = match entry.target.split_once('_') {
        Some(("wh", _)) => "webhooks",
        Some(("tpl", _)) => "templates",
        _ => "numbers",
    };
    Line {
        at: entry.at,
        who: if entry.actor.kind == "system" {
            texts.command_line.to_owned()
        } else {
            entry.actor.name.clone()
        },
        kind: match entry.actor.kind.as_str() {
            "key" => Some(texts.by_key),
            "system" => Some(texts.by_system),
            _ => None,
        },
        action: entry.action.clone(),
        words: texts.action(&entry.action),
        detail: texts.detail(entry),
        link: there.contains(&entry.target).then(|| format!("/{section}/{}", entry.target)),
    }
}
