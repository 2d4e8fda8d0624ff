//! What the hosted page says, in its three languages.

use ramal_app::Language;
use serde::Serialize;

/// Every sentence of the page. The script gets them as JSON.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Texts {
    pub(super) title: &'static str,
    pub(super) intro: &'static str,
    pub(super) start: &'static str,
    pub(super) starting: &'static str,
    pub(super) scan_title: &'static str,
    pub(super) scan_steps: [&'static str; 3],
    pub(super) qr_alt: &'static str,
    pub(super) renewed_in: &'static str,
    pub(super) code_title: &'static str,
    pub(super) code_steps: [&'static str; 4],
    pub(super) code_wait: &'static str,
    pub(super) copy: &'static str,
    pub(super) copied: &'static str,
    pub(super) connecting: &'static str,
    pub(super) connecting_hint: &'static str,
    pub(super) success: &'static str,
    pub(super) success_hint: &'static str,
    pub(super) go_on: &'static str,
    pub(super) codes_over: &'static str,
    pub(super) codes_over_hint: &'static str,
    pub(super) again: &'static str,
    pub(super) unreachable: &'static str,
    pub(super) unreachable_hint: &'static str,
    pub(super) wrong_phone: &'static str,
    pub(super) wrong_phone_hint: &'static str,
    pub(super) refused: &'static str,
    pub(super) refused_hint: &'static str,
    pub(super) passkey: &'static str,
    pub(super) passkey_hint: &'static str,
    pub(super) dead: &'static str,
    pub(super) dead_expired: &'static str,
    pub(super) dead_used: &'static str,
    pub(super) dead_unknown: &'static str,
    pub(super) help: &'static str,
    pub(super) no_script: &'static str,
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
    intro: "Conecte este número do WhatsApp. Leva menos de um minuto, e o seu WhatsApp continua \
            funcionando no celular.",
    start: "Mostrar o código",
    starting: "Pedindo um código ao WhatsApp…",
    scan_title: "Escaneie o código QR",
    scan_steps: [
        "Abra o WhatsApp no celular deste número.",
        "Toque em Mais opções (⋮) ou Ajustes e depois em Dispositivos conectados.",
        "Toque em Conectar dispositivo e aponte a câmera para este código.",
    ],
    qr_alt: "Código QR do WhatsApp. Se você não pode escanear, use o código de letras ao lado.",
    renewed_in: "O código muda em {s} s",
    code_title: "Ou digite o código",
    code_steps: [
        "Abra o WhatsApp no celular deste número.",
        "Android: Mais opções (⋮) > Dispositivos conectados > Conectar dispositivo.",
        "iPhone: Ajustes > Dispositivos conectados > Conectar dispositivo.",
        "Toque em Conectar com número de telefone e digite o código.",
    ],
    code_wait: "O WhatsApp não deu um código de letras desta vez. Use o código QR.",
    copy: "Copiar",
    copied: "Copiado",
    connecting: "Conectando…",
    connecting_hint: "O celular respondeu. Mantenha o WhatsApp aberto mais um instante.",
    success: "Conectado",
    success_hint: "Pronto. Você já pode fechar esta página.",
    go_on: "Continuar",
    codes_over: "O código expirou",
    codes_over_hint: "Ninguém o usou a tempo. Peça um código novo: é só um clique.",
    again: "Mostrar um código novo",
    unreachable: "O WhatsApp não respondeu",
    unreachable_hint: "Vamos tentar de novo sozinhos em {s} s.",
    wrong_phone: "Este é outro número",
    wrong_phone_hint: "O celular que leu o código não é o do número desta página. Ele foi \
                       desconectado. Tente de novo com o celular certo.",
    refused: "O WhatsApp recusou a conexão",
    refused_hint: "Confira se o WhatsApp do celular está atualizado e tente de novo.",
    passkey: "O WhatsApp pede a sua chave de acesso",
    passkey_hint: "Esta conta é protegida por uma chave de acesso (passkey), que só pode ser usada \
                   em um computador. Fale com quem lhe enviou este link: essa pessoa recebeu o \
                   pedido e pode concluir a conexão com você, ou oferecer a API oficial.",
    dead: "Este link não vale mais",
    dead_expired: "Ele valia por 24 horas. Peça um link novo a quem o enviou.",
    dead_used: "Ele já conectou o número.",
    dead_unknown: "Confira o endereço, ou peça um link novo a quem o enviou.",
    help: "Ajuda",
    no_script: "Esta página se atualiza sozinha a cada 15 segundos.",
};

const ENGLISH: Texts = Texts {
    title: "WhatsApp connection",
    intro: "Connect this WhatsApp number. It takes less than a minute, and WhatsApp keeps working on \
            the phone.",
    start: "Show the code",
    starting: "Asking WhatsApp for a code…",
    scan_title: "Scan the QR code",
    scan_steps: [
        "Open WhatsApp on the phone of this number.",
        "Tap More options (⋮) or Settings, then Linked devices.",
        "Tap Link a device and point the camera at this code.",
    ],
    qr_alt: "WhatsApp QR code. If you cannot scan it, use the code of letters beside it.",
    renewed_in: "The code changes in {s} s",
    code_title: "Or type the code",
    code_steps: [
        "Open WhatsApp on the phone of this number.",
        "Android: More options (⋮) > Linked devices > Link a device.",
        "iPhone: Settings > Linked devices > Link a device.",
        "Tap Link with phone number instead and type the code.",
    ],
    code_wait: "WhatsApp gave no code of letters this time. Use the QR code.",
    copy: "Copy",
    copied: "Copied",
    connecting: "Connecting…",
    connecting_hint: "The phone has answered. Keep WhatsApp open for a moment.",
    success: "Connected",
    success_hint: "Done. You may close this page.",
    go_on: "Continue",
    codes_over: "The code has expired",
    codes_over_hint: "Nobody used it in time. Ask for a new one: it is one click.",
    again: "Show a new code",
    unreachable: "WhatsApp did not answer",
    unreachable_hint: "We try again by ourselves in {s} s.",
    wrong_phone: "This is another number",
    wrong_phone_hint: "The phone that read the code is not the one of this page. It was disconnected. \
                       Try again with the right phone.",
    refused: "WhatsApp refused the connection",
    refused_hint: "See that WhatsApp on the phone is up to date, and try again.",
    passkey: "WhatsApp asks for your passkey",
    passkey_hint: "This account is protected by a passkey, which can only be used on a computer. Talk \
                   to who sent you this link: they have received the request and can finish the \
                   connection with you, or offer the official API.",
    dead: "This link is not valid any more",
    dead_expired: "It was good for 24 hours. Ask who sent it for a new one.",
    dead_used: "It has connected the number already.",
    dead_unknown: "Check the address, or ask who sent it for a new one.",
    help: "Help",
    no_script: "This page refreshes itself every 15 seconds.",
};

const SPANISH: Texts = Texts {
    title: "Conexión de WhatsApp",
    intro: "Conecte este número de WhatsApp. Lleva menos de un minuto, y su WhatsApp sigue \
            funcionando en el teléfono.",
    start: "Mostrar el código",
    starting: "Pidiendo un código a WhatsApp…",
    scan_title: "Escanee el código QR",
    scan_steps: [
        "Abra WhatsApp en el teléfono de este número.",
        "Toque Más opciones (⋮) o Configuración y luego Dispositivos vinculados.",
        "Toque Vincular un dispositivo y apunte la cámara a este código.",
    ],
    qr_alt: "Código QR de WhatsApp. Si no puede escanearlo, use el código de letras de al lado.",
    renewed_in: "El código cambia en {s} s",
    code_title: "O escriba el código",
    code_steps: [
        "Abra WhatsApp en el teléfono de este número.",
        "Android: Más opciones (⋮) > Dispositivos vinculados > Vincular un dispositivo.",
        "iPhone: Configuración > Dispositivos vinculados > Vincular un dispositivo.",
        "Toque Vincular con el número de teléfono y escriba el código.",
    ],
    code_wait: "WhatsApp no dio un código de letras esta vez. Use el código QR.",
    copy: "Copiar",
    copied: "Copiado",
    connecting: "Conectando…",
    connecting_hint: "El teléfono respondió. Mantenga WhatsApp abierto un momento más.",
    success: "Conectado",
    success_hint: "Listo. Ya puede cerrar esta página.",
    go_on: "Continuar",
    codes_over: "El código venció",
    codes_over_hint: "Nadie lo usó a tiempo. Pida uno nuevo: es un solo clic.",
    again: "Mostrar un código nuevo",
    unreachable: "WhatsApp no respondió",
    unreachable_hint: "Volvemos a intentarlo solos en {s} s.",
    wrong_phone: "Este es otro número",
    wrong_phone_hint: "El teléfono que leyó el código no es el de esta página. Fue desconectado. \
                       Inténtelo de nuevo con el teléfono correcto.",
    refused: "WhatsApp rechazó la conexión",
    refused_hint: "Compruebe que WhatsApp esté actualizado en el teléfono e inténtelo de nuevo.",
    passkey: "WhatsApp pide su llave de acceso",
    passkey_hint: "Esta cuenta está protegida con una llave de acceso (passkey), que solo se puede usar \
                   en una computadora. Hable con quien le envió este enlace: recibió el pedido y puede \
                   terminar la conexión con usted, u ofrecer la API oficial.",
    dead: "Este enlace ya no es válido",
    dead_expired: "Valía por 24 horas. Pida uno nuevo a quien lo envió.",
    dead_used: "Ya conectó el número.",
    dead_unknown: "Revise la dirección, o pida un enlace nuevo a quien lo envió.",
    help: "Ayuda",
    no_script: "Esta página se actualiza sola cada 15 segundos.",
};
