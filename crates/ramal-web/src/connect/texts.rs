//! What the hosted page says, in its three languages.

use ramal_app::Language;
use serde::Serialize;

/// Every sentence of the page. The script gets those that it puts in place itself, as JSON.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Texts {
    pub(super) title: &'static str,
    pub(super) languages: &'static str,
    pub(super) help: &'static str,
    #[serde(skip)]
    pub(super) no_script: &'static str,
    #[serde(skip)]
    pub(super) choose: &'static str,
    #[serde(skip)]
    pub(super) intro: &'static str,
    #[serde(skip)]
    pub(super) way_qr: &'static str,
    #[serde(skip)]
    pub(super) way_qr_hint: &'static str,
    #[serde(skip)]
    pub(super) way_code: &'static str,
    #[serde(skip)]
    pub(super) way_code_hint: &'static str,
    pub(super) starting: &'static str,
    pub(super) scan_title: &'static str,
    #[serde(skip)]
    pub(super) scan_android: [&'static str; 3],
    #[serde(skip)]
    pub(super) scan_iphone: [&'static str; 3],
    #[serde(skip)]
    pub(super) qr_alt: &'static str,
    pub(super) renewed_in: &'static str,
    pub(super) renewing: &'static str,
    pub(super) code_title: &'static str,
    #[serde(skip)]
    pub(super) code_android: [&'static str; 4],
    #[serde(skip)]
    pub(super) code_iphone: [&'static str; 4],
    #[serde(skip)]
    pub(super) code_wait: &'static str,
    pub(super) code_left: &'static str,
    #[serde(skip)]
    pub(super) use_code: &'static str,
    #[serde(skip)]
    pub(super) use_qr: &'static str,
    pub(super) copy: &'static str,
    pub(super) copied: &'static str,
    pub(super) connecting: &'static str,
    #[serde(skip)]
    pub(super) connecting_hint: &'static str,
    pub(super) success: &'static str,
    #[serde(skip)]
    pub(super) success_hint: &'static str,
    #[serde(skip)]
    pub(super) success_redirect: &'static str,
    pub(super) adopted: &'static str,
    #[serde(skip)]
    pub(super) go_on: &'static str,
    #[serde(skip)]
    pub(super) already: &'static str,
    #[serde(skip)]
    pub(super) already_hint: &'static str,
    pub(super) codes_over: &'static str,
    #[serde(skip)]
    pub(super) codes_over_hint: &'static str,
    #[serde(skip)]
    pub(super) again: &'static str,
    pub(super) unreachable: &'static str,
    pub(super) unreachable_hint: &'static str,
    #[serde(skip)]
    pub(super) retry_now: &'static str,
    pub(super) wrong_phone: &'static str,
    #[serde(skip)]
    pub(super) wrong_phone_hint: &'static str,
    #[serde(skip)]
    pub(super) expected: &'static str,
    #[serde(skip)]
    pub(super) actual: &'static str,
    pub(super) ask: &'static str,
    #[serde(skip)]
    pub(super) ask_hint: &'static str,
    #[serde(skip)]
    pub(super) ask_use: &'static str,
    #[serde(skip)]
    pub(super) ask_reject: &'static str,
    pub(super) time_left: &'static str,
    pub(super) refused: &'static str,
    #[serde(skip)]
    pub(super) refused_hint: &'static str,
    pub(super) passkey: &'static str,
    #[serde(skip)]
    pub(super) passkey_hint: &'static str,
    #[serde(skip)]
    pub(super) desktop: &'static str,
    #[serde(skip)]
    pub(super) desktop_steps: [&'static str; 4],
    #[serde(skip)]
    pub(super) snippet_label: &'static str,
    #[serde(skip)]
    pub(super) snippet_promise: &'static str,
    #[serde(skip)]
    pub(super) assertion_label: &'static str,
    #[serde(skip)]
    pub(super) assertion_send: &'static str,
    pub(super) assertion_bad: &'static str,
    #[serde(skip)]
    pub(super) helper: &'static str,
    #[serde(skip)]
    pub(super) helper_hint: &'static str,
    #[serde(skip)]
    pub(super) helper_make: &'static str,
    #[serde(skip)]
    pub(super) helper_label: &'static str,
    #[serde(skip)]
    pub(super) official: &'static str,
    #[serde(skip)]
    pub(super) official_hint: &'static str,
    #[serde(skip)]
    pub(super) official_go: &'static str,
    pub(super) confirm: &'static str,
    #[serde(skip)]
    pub(super) confirm_hint: &'static str,
    #[serde(skip)]
    pub(super) confirm_yes: &'static str,
    pub(super) passkey_over: &'static str,
    #[serde(skip)]
    pub(super) passkey_over_hint: &'static str,
    pub(super) waiting: &'static str,
    #[serde(skip)]
    pub(super) waiting_hint: &'static str,
    pub(super) not_now: &'static str,
    pub(super) dead: &'static str,
    #[serde(skip)]
    pub(super) dead_expired: &'static str,
    #[serde(skip)]
    pub(super) dead_used: &'static str,
    #[serde(skip)]
    pub(super) dead_unknown: &'static str,
}

/// The sentences of a language.
pub(super) const fn texts(language: Language) -> &'static Texts {
    match language {
        Language::Portuguese => &PORTUGUESE,
        Language::English => &ENGLISH,
        Language::Spanish => &SPANISH,
    }
}

const PORTUGUESE: Texts = Texts {
    title: "Conexão WhatsApp",
    languages: "Idioma",
    help: "Ajuda",
    no_script: "Esta página se atualiza sozinha a cada 15 segundos.",
    choose: "Como você quer conectar?",
    intro: "Leva menos de um minuto, e o seu WhatsApp continua funcionando no celular como sempre.",
    way_qr: "Escanear um código QR",
    way_qr_hint: "Se esta página está aberta em um computador ou em outro aparelho.",
    way_code: "Digitar um código",
    way_code_hint: "Se esta página está aberta no próprio celular do WhatsApp.",
    starting: "Pedindo um código ao WhatsApp…",
    scan_title: "Escaneie com o WhatsApp",
    scan_android: [
        "Abra o WhatsApp no celular deste número.",
        "Toque em Mais opções (⋮) e em Dispositivos conectados.",
        "Toque em Conectar dispositivo e aponte a câmera para o código.",
    ],
    scan_iphone: [
        "Abra o WhatsApp no celular deste número.",
        "Toque em Configurações e em Dispositivos conectados.",
        "Toque em Conectar dispositivo e aponte a câmera para o código.",
    ],
    qr_alt: "Código QR do WhatsApp. Se você não pode escanear, escolha digitar um código.",
    renewed_in: "Muda em {s} s",
    renewing: "Trocando o código…",
    code_title: "Digite este código no WhatsApp",
    code_android: [
        "Abra o WhatsApp no celular deste número.",
        "Toque em Mais opções (⋮), Dispositivos conectados e Conectar dispositivo.",
        "Toque em Conectar com número de telefone.",
        "Digite o código.",
    ],
    code_iphone: [
        "Abra o WhatsApp no celular deste número.",
        "Toque em Configurações, Dispositivos conectados e Conectar dispositivo.",
        "Toque em Conectar com número de telefone.",
        "Digite o código.",
    ],
    code_wait: "O WhatsApp não deu um código para digitar desta vez. Use o código QR.",
    code_left: "Vale por mais {t}",
    use_code: "Prefiro digitar um código",
    use_qr: "Prefiro escanear um código QR",
    copy: "Copiar",
    copied: "Copiado",
    connecting: "Conectando…",
    connecting_hint: "O celular respondeu. Mantenha o WhatsApp aberto mais um instante.",
    success: "Conectado",
    success_hint: "Tudo pronto. Você já pode fechar esta página.",
    success_redirect: "Tudo pronto. Você será levado adiante em instantes.",
    adopted: "Foi conectado o número {actual}, que é o do celular.",
    go_on: "Continuar",
    already: "Este número já está conectado",
    already_hint: "Não há mais nada a fazer. Você já pode fechar esta página.",
    codes_over: "O código expirou",
    codes_over_hint: "Ninguém o usou a tempo. Peça um novo: é só um clique.",
    again: "Mostrar um código novo",
    unreachable: "O WhatsApp não respondeu",
    unreachable_hint: "Tentaremos de novo sozinhos em {s} s.",
    retry_now: "Tentar agora",
    wrong_phone: "Este é outro número",
    wrong_phone_hint: "O celular que leu o código não é o deste link, e já foi desconectado. Tente de \
                       novo com o celular certo.",
    expected: "Número deste link",
    actual: "Celular que respondeu",
    ask: "Conectar este outro número?",
    ask_hint: "O celular que leu o código não é o do número deste link. Confira e escolha.",
    ask_use: "Sim, usar este número",
    ask_reject: "Não, desconectar",
    time_left: "Você tem {t}",
    refused: "O WhatsApp recusou a conexão",
    refused_hint: "Confira se o WhatsApp do celular está atualizado e tente de novo.",
    passkey: "O WhatsApp pede a sua chave de acesso",
    passkey_hint: "Esta conta é protegida por uma chave de acesso (passkey). É uma proteção do próprio \
                   WhatsApp: para conectar, a chave precisa assinar este pedido. Há estas saídas:",
    desktop: "Continuar em um computador",
    desktop_steps: [
        "Em um computador com a sua chave, abra web.whatsapp.com (não precisa entrar).",
        "Abra o console do navegador (F12) e cole o texto abaixo.",
        "Confirme com a sua chave de acesso quando o navegador pedir.",
        "Copie o resultado, que começa com { e termina com }, e cole-o aqui.",
    ],
    snippet_label: "Texto para o console",
    snippet_promise: "Ele faz uma coisa só: pede à sua chave a assinatura deste pedido e a mostra. Nunca \
                      cole ali um texto que não venha desta página.",
    assertion_label: "Resultado",
    assertion_send: "Enviar",
    assertion_bad: "Isto não é o resultado inteiro deste pedido. Copie tudo, de { até }.",
    helper: "Pedir a outra pessoa",
    helper_hint: "Quem tem a chave ou um computador pode concluir este passo por um link só para isso. \
                  Envie-o somente a quem você confia.",
    helper_make: "Criar um link de ajuda",
    helper_label: "Link de ajuda",
    official: "Usar a API oficial",
    official_hint: "Com a API oficial do WhatsApp não é preciso celular nem chave de acesso.",
    official_go: "Conhecer a API oficial",
    confirm: "Compare os códigos",
    confirm_hint: "O celular mostra um código. Confirme somente se for igual a este:",
    confirm_yes: "É o mesmo código",
    passkey_over: "A chave de acesso não foi aceita a tempo",
    passkey_over_hint: "O WhatsApp não recebeu uma assinatura válida. Você pode começar de novo.",
    waiting: "Esperando o pedido",
    waiting_hint: "Assim que o WhatsApp pedir a chave de acesso, ela aparece aqui. Deixe esta página \
                   aberta.",
    not_now: "Isso não foi possível agora. Tente de novo.",
    dead: "Este link não vale mais",
    dead_expired: "Ele valia por 24 horas. Peça um link novo a quem o enviou.",
    dead_used: "Ele já conectou o número.",
    dead_unknown: "Confira o endereço, ou peça um link novo a quem o enviou.",
};

const ENGLISH: Texts = Texts {
    title: "WhatsApp connection",
    languages: "Language",
    help: "Help",
    no_script: "This page refreshes itself every 15 seconds.",
    choose: "How do you want to connect?",
    intro: "It takes less than a minute, and WhatsApp keeps working on the phone as always.",
    way_qr: "Scan a QR code",
    way_qr_hint: "If this page is open on a computer or on another device.",
    way_code: "Type a code",
    way_code_hint: "If this page is open on the very phone that has WhatsApp.",
    starting: "Asking WhatsApp for a code…",
    scan_title: "Scan with WhatsApp",
    scan_android: [
        "Open WhatsApp on the phone of this number.",
        "Tap More options (⋮), then Linked devices.",
        "Tap Link a device and point the camera at the code.",
    ],
    scan_iphone: [
        "Open WhatsApp on the phone of this number.",
        "Tap Settings, then Linked devices.",
        "Tap Link a device and point the camera at the code.",
    ],
    qr_alt: "WhatsApp QR code. If you cannot scan it, choose to type a code.",
    renewed_in: "Changes in {s} s",
    renewing: "Changing the code…",
    code_title: "Type this code into WhatsApp",
    code_android: [
        "Open WhatsApp on the phone of this number.",
        "Tap More options (⋮), Linked devices, then Link a device.",
        "Tap Link with phone number instead.",
        "Type the code.",
    ],
    code_iphone: [
        "Open WhatsApp on the phone of this number.",
        "Tap Settings, Linked devices, then Link a device.",
        "Tap Link with phone number instead.",
        "Type the code.",
    ],
    code_wait: "WhatsApp gave no code to type this time. Use the QR code.",
    code_left: "Good for another {t}",
    use_code: "I would rather type a code",
    use_qr: "I would rather scan a QR code",
    copy: "Copy",
    copied: "Copied",
    connecting: "Connecting…",
    connecting_hint: "The phone has answered. Keep WhatsApp open for a moment.",
    success: "Connected",
    success_hint: "All done. You may close this page.",
    success_redirect: "All done. You will be taken on in a moment.",
    adopted: "The number {actual}, which is the phone's, was connected.",
    go_on: "Continue",
    already: "This number is connected already",
    already_hint: "There is nothing left to do. You may close this page.",
    codes_over: "The code has expired",
    codes_over_hint: "Nobody used it in time. Ask for a new one: it is one click.",
    again: "Show a new code",
    unreachable: "WhatsApp did not answer",
    unreachable_hint: "We try again by ourselves in {s} s.",
    retry_now: "Try now",
    wrong_phone: "This is another number",
    wrong_phone_hint: "The phone that read the code is not the one of this link, and was disconnected. Try \
                       again with the right phone.",
    expected: "Number of this link",
    actual: "Phone that answered",
    ask: "Connect this other number?",
    ask_hint: "The phone that read the code is not the one of this link. Compare, and choose.",
    ask_use: "Yes, use this number",
    ask_reject: "No, disconnect it",
    time_left: "You have {t}",
    refused: "WhatsApp refused the connection",
    refused_hint: "See that WhatsApp on the phone is up to date, and try again.",
    passkey: "WhatsApp asks for your passkey",
    passkey_hint: "This account is protected by a passkey. The protection is WhatsApp's own: to connect, \
                   the passkey has to sign this request. These are the ways on:",
    desktop: "Continue on a computer",
    desktop_steps: [
        "On a computer that has your passkey, open web.whatsapp.com (no need to sign in).",
        "Open the browser's console (F12) and paste the text below.",
        "Confirm with your passkey when the browser asks for it.",
        "Copy the result, which begins with { and ends with }, and paste it here.",
    ],
    snippet_label: "Text for the console",
    snippet_promise: "It does one thing: it asks your passkey to sign this request, and shows the result. \
                      Never paste a text there that is not from this page.",
    assertion_label: "Result",
    assertion_send: "Send",
    assertion_bad: "This is not the whole result of this request. Copy all of it, from { to }.",
    helper: "Ask another person",
    helper_hint: "Who has the passkey or a computer can finish this step by a link that does only that. \
                  Send it only to somebody you trust.",
    helper_make: "Create a helper link",
    helper_label: "Helper link",
    official: "Use the official API",
    official_hint: "WhatsApp's official API needs neither a phone nor a passkey.",
    official_go: "See the official API",
    confirm: "Compare the codes",
    confirm_hint: "The phone shows a code. Confirm only if it is the same as this one:",
    confirm_yes: "It is the same code",
    passkey_over: "The passkey was not accepted in time",
    passkey_over_hint: "WhatsApp received no valid signature. You can begin again.",
    waiting: "Waiting for the request",
    waiting_hint: "As soon as WhatsApp asks for the passkey, it is shown here. Leave this page open.",
    not_now: "That was not possible now. Try again.",
    dead: "This link is not valid any more",
    dead_expired: "It was good for 24 hours. Ask who sent it for a new one.",
    dead_used: "It has connected the number already.",
    dead_unknown: "Check the address, or ask who sent it for a new one.",
};

const SPANISH: Texts = Texts {
    title: "Conexión de WhatsApp",
    languages: "Idioma",
    help: "Ayuda",
    no_script: "Esta página se actualiza sola cada 15 segundos.",
    choose: "¿Cómo quiere conectar?",
    intro: "Lleva menos de un minuto, y su WhatsApp sigue funcionando en el teléfono como siempre.",
    way_qr: "Escanear un código QR",
    way_qr_hint: "Si esta página está abierta en una computadora o en otro dispositivo.",
    way_code: "Escribir un código",
    way_code_hint: "Si esta página está abierta en el mismo teléfono de WhatsApp.",
    starting: "Pidiendo un código a WhatsApp…",
    scan_title: "Escanee con WhatsApp",
    scan_android: [
        "Abra WhatsApp en el teléfono de este número.",
        "Toque Más opciones (⋮) y Dispositivos vinculados.",
        "Toque Vincular un dispositivo y apunte la cámara al código.",
    ],
    scan_iphone: [
        "Abra WhatsApp en el teléfono de este número.",
        "Toque Configuración y Dispositivos vinculados.",
        "Toque Vincular un dispositivo y apunte la cámara al código.",
    ],
    qr_alt: "Código QR de WhatsApp. Si no puede escanearlo, elija escribir un código.",
    renewed_in: "Cambia en {s} s",
    renewing: "Cambiando el código…",
    code_title: "Escriba este código en WhatsApp",
    code_android: [
        "Abra WhatsApp en el teléfono de este número.",
        "Toque Más opciones (⋮), Dispositivos vinculados y Vincular un dispositivo.",
        "Toque Vincular con el número de teléfono.",
        "Escriba el código.",
    ],
    code_iphone: [
        "Abra WhatsApp en el teléfono de este número.",
        "Toque Configuración, Dispositivos vinculados y Vincular un dispositivo.",
        "Toque Vincular con el número de teléfono.",
        "Escriba el código.",
    ],
    code_wait: "WhatsApp no dio un código para escribir esta vez. Use el código QR.",
    code_left: "Vale por {t} más",
    use_code: "Prefiero escribir un código",
    use_qr: "Prefiero escanear un código QR",
    copy: "Copiar",
    copied: "Copiado",
    connecting: "Conectando…",
    connecting_hint: "El teléfono respondió. Mantenga WhatsApp abierto un momento más.",
    success: "Conectado",
    success_hint: "Todo listo. Ya puede cerrar esta página.",
    success_redirect: "Todo listo. En un momento seguirá adelante.",
    adopted: "Se conectó el número {actual}, que es el del teléfono.",
    go_on: "Continuar",
    already: "Este número ya está conectado",
    already_hint: "No queda nada por hacer. Ya puede cerrar esta página.",
    codes_over: "El código venció",
    codes_over_hint: "Nadie lo usó a tiempo. Pida uno nuevo: es un solo clic.",
    again: "Mostrar un código nuevo",
    unreachable: "WhatsApp no respondió",
    unreachable_hint: "Volvemos a intentarlo solos en {s} s.",
    retry_now: "Intentar ahora",
    wrong_phone: "Este es otro número",
    wrong_phone_hint: "El teléfono que leyó el código no es el de este enlace, y ya fue desconectado. \
                       Inténtelo de nuevo con el teléfono correcto.",
    expected: "Número de este enlace",
    actual: "Teléfono que respondió",
    ask: "¿Conectar este otro número?",
    ask_hint: "El teléfono que leyó el código no es el del número de este enlace. Compare y elija.",
    ask_use: "Sí, usar este número",
    ask_reject: "No, desconectarlo",
    time_left: "Tiene {t}",
    refused: "WhatsApp rechazó la conexión",
    refused_hint: "Compruebe que WhatsApp esté actualizado en el teléfono e inténtelo de nuevo.",
    passkey: "WhatsApp pide su llave de acceso",
    passkey_hint: "Esta cuenta está protegida con una llave de acceso (passkey). Es una protección del \
                   propio WhatsApp: para conectar, la llave tiene que firmar este pedido. Estas son las \
                   salidas:",
    desktop: "Seguir en una computadora",
    desktop_steps: [
        "En una computadora con su llave, abra web.whatsapp.com (no hace falta entrar).",
        "Abra la consola del navegador (F12) y pegue el texto de abajo.",
        "Confirme con su llave de acceso cuando el navegador la pida.",
        "Copie el resultado, que empieza con { y termina con }, y péguelo aquí.",
    ],
    snippet_label: "Texto para la consola",
    snippet_promise: "Hace una sola cosa: pide a su llave la firma de este pedido y la muestra. Nunca pegue \
                      allí un texto que no venga de esta página.",
    assertion_label: "Resultado",
    assertion_send: "Enviar",
    assertion_bad: "Esto no es el resultado completo de este pedido. Cópielo todo, de { a }.",
    helper: "Pedírselo a otra persona",
    helper_hint: "Quien tiene la llave o una computadora puede terminar este paso con un enlace que solo \
                  sirve para eso. Envíelo solo a alguien de confianza.",
    helper_make: "Crear un enlace de ayuda",
    helper_label: "Enlace de ayuda",
    official: "Usar la API oficial",
    official_hint: "La API oficial de WhatsApp no necesita teléfono ni llave de acceso.",
    official_go: "Conocer la API oficial",
    confirm: "Compare los códigos",
    confirm_hint: "El teléfono muestra un código. Confirme solo si es igual a este:",
    confirm_yes: "Es el mismo código",
    passkey_over: "La llave de acceso no fue aceptada a tiempo",
    passkey_over_hint: "WhatsApp no recibió una firma válida. Puede empezar de nuevo.",
    waiting: "Esperando el pedido",
    waiting_hint: "En cuanto WhatsApp pida la llave de acceso, aparecerá aquí. Deje abierta esta página.",
    not_now: "No fue posible ahora. Inténtelo de nuevo.",
    dead: "Este enlace ya no es válido",
    dead_expired: "Valía por 24 horas. Pida uno nuevo a quien lo envió.",
    dead_used: "Ya conectó el número.",
    dead_unknown: "Revise la dirección, o pida un enlace nuevo a quien lo envió.",
};
