//! `/phones`, in the sandbox only: virtual phones to play with. The page talks to the control API that
//! the sandbox serves under `/sandbox`; from here it gets the numbers of the product and their codes.

use askama::Template;
use axum::{Json, Router, extract::State, response::Response, routing::get};
use http::HeaderMap;
use serde_json::{Value, json};

use super::{
    answer::PageError,
    frame::{Frame, Section},
    live::state_name,
    session::SignedIn,
    texts::texts,
};
use crate::{
    QrPicture, Web,
    assets::{CSS, JAVASCRIPT, asset},
};

const SCRIPT: &str = include_str!("phones/phones.js");
const STYLE: &str = include_str!("phones/phones.css");

pub(super) fn router() -> Router<Web> {
    Router::new()
        .route("/phones", get(show))
        .route("/phones/numbers", get(numbers))
        .route("/assets/phones.js", get(script))
        .route("/assets/phones.css", get(style))
}

#[derive(Template)]
#[template(path = "dashboard/phones.html")]
struct PhonesPage {
    frame: Frame,
    t: &'static PhonesTexts,
}

fn only_in_sandbox(web: &Web) -> Result<(), PageError> {
    if web.sandbox { Ok(()) } else { Err(PageError::NotFound) }
}

async fn show(
    State(web): State<Web>,
    by: SignedIn,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    only_in_sandbox(&web)?;
    let frame = Frame::new(&web, &by, Section::Phones, "/phones", &headers);
    let page = PhonesPage { frame, t: PhonesTexts::of(by.language) };
    page.frame.answer(&web, &page)
}

async fn script(State(web): State<Web>) -> Result<Response, PageError> {
    only_in_sandbox(&web)?;
    Ok(asset(JAVASCRIPT, SCRIPT))
}

async fn style(State(web): State<Web>) -> Result<Response, PageError> {
    only_in_sandbox(&web)?;
    Ok(asset(CSS, STYLE))
}

/// The product's numbers; those that wait for a phone with what it can scan or type.
async fn numbers(State(web): State<Web>, by: SignedIn) -> Result<Json<Value>, PageError> {
    only_in_sandbox(&web)?;
    let views = web.app.list_numbers(&by.caller).await?;
    let numbers = views.iter().map(|view| {
        let number = &view.number;
        // Who links a phone changes something.
        let codes = web.app.present_codes(number).filter(|_| by.is_owner());
        let qr = codes.as_ref().map(|codes| codes.qr.text.as_str());
        let picture = qr.and_then(|text| QrPicture::draw(text).ok());
        let code = codes.as_ref().and_then(|codes| codes.pairing_code.as_ref());
        json!({
            "id": number.id.to_string(),
            "name": number.name,
            "number": format!("+{}", number.phone.digits()),
            "state": state_name(number.link),
            "qr": qr,
            "picture": picture.map(|picture| picture.data_uri()),
            "code": code.map(|(code, _)| code),
        })
    });
    Ok(Json(numbers.collect()))
}

texts! {
    /// The virtual phones.
    PhonesTexts {
        intro: "Celulares de faz de conta: escaneie, converse e quebre coisas, sem WhatsApp de verdade.",
            "Make-believe phones: scan, chat and break things, without a real WhatsApp.",
            "Teléfonos de mentira: escanee, converse y rompa cosas, sin un WhatsApp de verdad.";
        no_script: "Esta página precisa de JavaScript. Sem ele, use os comandos de docs/sandbox.md.",
            "This page needs JavaScript. Without it, use the commands of docs/sandbox.md.",
            "Esta página necesita JavaScript. Sin él, use los comandos de docs/sandbox.md.";
        add: "Novo celular", "New phone", "Nuevo teléfono";
        add_label: "Número do celular", "Phone number", "Número del teléfono";
        start: "Pegue um celular", "Pick up a phone", "Tome un teléfono";
        start_1: "Crie um número na página Números.", "Create a number on the page Numbers.", "Cree un número en la página Números.";
        start_2: "Pegue aqui o celular dele e escaneie o código.", "Pick up its phone here and scan the code.", "Tome aquí su teléfono y escanee el código.";
        start_3: "Pegue um segundo celular e mande uma mensagem ao primeiro.",
            "Pick up a second phone and write to the first.",
            "Tome un segundo teléfono y escriba al primero.";
        to_numbers: "Ir para Números", "Go to Numbers", "Ir a Números";
        waiting: "Esperando por um celular", "Waiting for a phone", "Esperando un teléfono";
        pick_up: "Pegar o celular dele", "Pick up its phone", "Tomar su teléfono";
        linked_none: "Nenhum aparelho conectado", "No linked device", "Ningún dispositivo vinculado";
        linked_one: "1 aparelho conectado", "1 linked device", "1 dispositivo vinculado";
        linked_many: "{n} aparelhos conectados", "{n} linked devices", "{n} dispositivos vinculados";
        chat: "Conversa", "Chat", "Chat";
        link: "Conectar", "Link", "Vincular";
        faults: "Falhas", "Faults", "Fallas";
        views: "Telas do celular", "Screens of the phone", "Pantallas del teléfono";
        peer: "Conversar com", "Chat with", "Chatear con";
        other_phone: "celular", "phone", "teléfono";
        message: "Mensagem", "Message", "Mensaje";
        send: "Enviar", "Send", "Enviar";
        no_peer: "Ainda não há com quem conversar: crie um número ou outro celular.",
            "Nobody to chat with yet: create a number or another phone.",
            "Aún no hay con quién conversar: cree un número u otro teléfono.";
        no_messages: "Nenhuma mensagem ainda. Diga olá!", "No messages yet. Say hello!", "Aún no hay mensajes. ¡Diga hola!";
        mark_read: "Marcar como lida", "Mark as read", "Marcar como leído";
        sent: "enviada", "sent", "enviado";
        delivered: "entregue", "delivered", "entregado";
        read: "lida", "read", "leído";
        scan: "Escanear", "Scan", "Escanear";
        scan_title: "Códigos que esperam", "Codes that wait", "Códigos que esperan";
        scan_none: "Nenhum número espera um celular agora. Crie um, ou reconecte um, e o código dele aparece aqui.",
            "No number waits for a phone now. Create or reconnect one, and its code shows up here.",
            "Ningún número espera un teléfono ahora. Cree o reconecte uno y su código aparece aquí.";
        scan_other: "outro número", "another number", "otro número";
        picture: "ou uma imagem do código (PNG)", "or a picture of the code (PNG)", "o una imagen del código (PNG)";
        code: "Código de conexão", "Pairing code", "Código de vinculación";
        type_code: "Digitar", "Type it", "Ingresar";
        devices: "Aparelhos conectados", "Linked devices", "Dispositivos vinculados";
        online: "ligado", "online", "en línea";
        away: "desligado", "offline", "desconectado";
        unlink: "Desconectar", "Unlink", "Desvincular";
        done_linked: "Conectado!", "Linked!", "¡Vinculado!";
        done_passkey: "O WhatsApp pede uma chave de acesso: continue na página de conexão.",
            "WhatsApp asks for a passkey: go on on the connect page.",
            "WhatsApp pide una llave de acceso: continúe en la página de conexión.";
        done: "Feito.", "Done.", "Hecho.";
        failed: "Não deu certo: {s}", "That did not work: {s}", "No funcionó: {s}";
        drop: "Cair a conexão", "Drop the connection", "Cortar la conexión";
        drop_hint: "volta sozinha", "comes back by itself", "vuelve sola";
        ban: "Banir por uma hora", "Ban for an hour", "Bloquear por una hora";
        ban_hint: "ninguém entra até limpar", "nobody gets in until cleared", "nadie entra hasta limpiar";
        log_out: "Encerrar a sessão", "Log the device out", "Cerrar la sesión";
        log_out_hint: "como se removido no celular", "as if removed on the phone", "como si se quitara en el teléfono";
        outdated: "Cliente desatualizado", "Client outdated", "Cliente desactualizado";
        outdated_hint: "o WhatsApp recusa a versão", "WhatsApp refuses the version", "WhatsApp rechaza la versión";
        passkey: "Pedir chave de acesso", "Demand a passkey", "Exigir llave de acceso";
        passkey_hint: "ao conectar", "when linking", "al vincular";
        clear: "Limpar as falhas", "Clear the faults", "Limpiar las fallas";
        network: "A rede toda", "The whole network", "Toda la red";
        network_hint: "Vale para todos os números de uma vez.", "For all numbers at once.", "Para todos los números a la vez.";
        drop_all: "Derrubar todas as conexões", "Drop all connections", "Cortar todas las conexiones";
        refuse: "Recusar novas conexões", "Refuse new connections", "Rechazar nuevas conexiones";
        silent: "Silêncio: engolir tudo", "Silence: swallow everything", "Silencio: tragarlo todo";
    }
}
