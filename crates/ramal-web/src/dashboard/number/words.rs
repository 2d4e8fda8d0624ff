//! What numbers, pairings and messages go through, in words.

use ramal_app::Language;
use ramal_domain::{Ailment, CloseReason, MessageStatus};

use crate::dashboard::texts::texts;

texts! {
    /// Why a number is not connected, and what to do.
    ReasonTexts {
        not_paired: "Ainda não foi conectado: escaneie o código QR.",
            "It has not been connected yet: scan the QR code.",
            "Aún no se ha conectado: escanee el código QR.";
        codes_expired: "Ninguém escaneou o código a tempo. Peça outro.",
            "Nobody scanned the code in time. Ask for another.",
            "Nadie escaneó el código a tiempo. Pida otro.";
        pairing_refused: "O WhatsApp recusou a conexão. Tente de novo.",
            "WhatsApp refused the pairing. Try again.",
            "WhatsApp rechazó la conexión. Inténtelo de nuevo.";
        wrong_phone: "Outro celular escaneou o código, e foi desconectado. Use o celular deste número.",
            "Another phone scanned the code, and was unlinked again. Use the phone of this number.",
            "Otro teléfono escaneó el código y fue desvinculado. Use el teléfono de este número.";
        passkey_required: "A conta pede uma chave de acesso (passkey), e isso não foi concluído a tempo. Tente de novo.",
            "The account asks for a passkey, and that step was not finished in time. Try again.",
            "La cuenta pide una llave de acceso (passkey), y eso no se completó a tiempo. Inténtelo de nuevo.";
        passkey_refused: "O WhatsApp não aceitou a chave de acesso. Use a desta conta.",
            "WhatsApp did not accept the passkey. Use the one of this account.",
            "WhatsApp no aceptó la llave de acceso. Use la de esta cuenta.";
        logged_out: "O aparelho foi desconectado no celular. Escaneie um novo código.",
            "The device was unlinked on the phone. Scan a new code.",
            "El dispositivo fue desvinculado en el teléfono. Escanee un nuevo código.";
        restricted: "O WhatsApp restringiu a conta por um tempo. Espere e conecte de novo.",
            "WhatsApp restricted the account for some time. Wait, then connect again.",
            "WhatsApp restringió la cuenta por un tiempo. Espere y conecte de nuevo.";
        banned: "O WhatsApp baniu a conta. O dono precisa recorrer pelo aplicativo do WhatsApp.",
            "WhatsApp banned the account. Its owner must appeal in the WhatsApp app.",
            "WhatsApp bloqueó la cuenta. Su dueño debe apelar en la aplicación de WhatsApp.";
        client_outdated: "O WhatsApp não aceita mais esta versão. Atualize o servidor, e o número conecta sozinho.",
            "WhatsApp no longer accepts this version. Update the server, and the number connects by itself.",
            "WhatsApp ya no acepta esta versión. Actualice el servidor y el número se conecta solo.";
        replaced: "Outro programa usa as credenciais deste número. Pare-o e conecte de novo.",
            "Another program uses the credentials of this number. Stop it, then connect again.",
            "Otro programa usa las credenciales de este número. Deténgalo y conecte de nuevo.";
        network: "O WhatsApp não responde. Estamos tentando de novo, sem que você faça nada.",
            "WhatsApp cannot be reached. We are trying again by ourselves.",
            "WhatsApp no responde. Lo estamos intentando de nuevo automáticamente.";
        meta_token: "A Meta não aceita mais o token de acesso: expirou ou foi revogado. Reconecte com um novo.",
            "Meta no longer accepts the access token: it expired or was revoked. Reconnect with a new one.",
            "Meta ya no acepta el token de acceso: caducó o fue revocado. Reconecte con uno nuevo.";
        meta_permission: "O token de acesso não tem permissão para este número. Dê a ele as duas permissões do WhatsApp e a conta, e reconecte.",
            "The access token may not manage this number. Give it both WhatsApp permissions and the account, then reconnect.",
            "El token de acceso no tiene permiso para este número. Dele los dos permisos de WhatsApp y la cuenta, y reconecte.";
        meta_disconnected: "O número foi desconectado do aplicativo na Meta, pelo dono ou ao ser excluído aqui, ou não existe mais lá. Conecte de novo com as credenciais.",
            "The number was disconnected from the app at Meta, by its owner or when it was deleted here, or it is gone there. Connect it again with its credentials.",
            "El número fue desconectado de la aplicación en Meta, por su dueño o al eliminarlo aquí, o ya no existe allí. Conéctelo de nuevo con sus credenciales.";
        meta_not_registered: "O número não está registrado na API de Nuvem. Reconecte, com o PIN se ele tiver um.",
            "The number is not registered with the Cloud API. Reconnect it, with its PIN if it has one.",
            "El número no está registrado en la API de la nube. Reconéctelo, con su PIN si tiene uno.";
        meta_disabled: "A Meta desativou ou bloqueou a conta. O dono precisa recorrer no suporte da Meta; depois, conecte de novo.",
            "Meta disabled or locked the account. Its owner must appeal in Meta's Business Support; connect again afterwards.",
            "Meta desactivó o bloqueó la cuenta. Su dueño debe apelar en el soporte de Meta.";
        meta_restricted: "A Meta restringe o que o número pode enviar por um tempo. Veja a conta no Gerenciador do WhatsApp.",
            "Meta restricts what the number may send for some time. See the account in WhatsApp Manager.",
            "Meta restringe lo que el número puede enviar por un tiempo. Vea la cuenta en el Administrador de WhatsApp.";
        meta_quality: "A Meta considera baixa a qualidade do número: pessoas o bloqueiam ou denunciam. Envie menos, e só o que pediram.",
            "Meta rates the number's quality as low: people block or report it. Send less, and only what they asked for.",
            "Meta considera baja la calidad del número: la gente lo bloquea o denuncia. Envíe menos, y solo lo que pidieron.";
        meta_callback: "A Meta não alcança este servidor, então as mensagens para o número não chegam. O endereço público precisa ser https e acessível pela internet.",
            "Meta cannot reach this server, so messages to the number do not arrive. Its public address must be https and reachable from the Internet.",
            "Meta no alcanza este servidor, así que los mensajes al número no llegan. Su dirección pública debe ser https y accesible desde internet.";
        is_closed_meta: "Sem acesso", "No access", "Sin acceso";
        is_low_quality: "Qualidade baixa", "Low quality", "Calidad baja";
        is_deaf: "Não recebe", "Receives nothing", "No recibe";
        superseded: "Outra tentativa tomou o lugar desta.",
            "Another attempt took the place of this one.",
            "Otro intento tomó el lugar de este.";
        unstable: "A conexão caiu várias vezes em pouco tempo. Verifique a rede entre este servidor e o WhatsApp.",
            "The connection was lost several times in a short while. Check the network between this server and WhatsApp.",
            "La conexión se cayó varias veces en poco tiempo. Revise la red entre este servidor y WhatsApp.";
        healthy: "Saudável", "Healthy", "Saludable";
        is_restricted: "Restrito", "Restricted", "Restringido";
        is_banned: "Banido", "Banned", "Bloqueado";
        is_outdated: "Versão antiga", "Outdated", "Versión antigua";
        is_unstable: "Instável", "Unstable", "Inestable";
        queued: "Na fila", "Queued", "En cola";
        sent: "Enviada", "Sent", "Enviado";
        delivered: "Entregue", "Delivered", "Entregado";
        read: "Lida", "Read", "Leído";
        failed: "Falhou", "Failed", "Falló";
        canceled: "Cancelada", "Canceled", "Cancelado";
    }
}

/// Why a number is not connected, and what to do.
pub(in crate::dashboard) const fn reason(reason: CloseReason, language: Language) -> &'static str {
    use CloseReason as R;
    let texts = ReasonTexts::of(language);
    match reason {
        R::NotPaired => texts.not_paired,
        R::CodesExpired => texts.codes_expired,
        R::PairingRefused => texts.pairing_refused,
        R::WrongPhone => texts.wrong_phone,
        R::PasskeyRequired => texts.passkey_required,
        R::PasskeyRefused => texts.passkey_refused,
        R::LoggedOut => texts.logged_out,
        R::Restricted => texts.restricted,
        R::Banned => texts.banned,
        R::ClientOutdated => texts.client_outdated,
        R::Replaced => texts.replaced,
        R::Network => texts.network,
        R::MetaTokenInvalid => texts.meta_token,
        R::MetaPermissionMissing => texts.meta_permission,
        R::MetaDisconnected => texts.meta_disconnected,
        R::MetaNotRegistered => texts.meta_not_registered,
        R::MetaAccountDisabled => texts.meta_disabled,
    }
}

/// As [`reason`], by the code that is stored or sent.
pub(in crate::dashboard) fn reason_of_code(code: &str, language: Language) -> Option<&'static str> {
    let texts = ReasonTexts::of(language);
    match code {
        "SUPERSEDED" => Some(texts.superseded),
        "UNSTABLE" => Some(texts.unstable),
        "META_RESTRICTED" => Some(texts.meta_restricted),
        "META_QUALITY_LOW" => Some(texts.meta_quality),
        "META_CALLBACK_UNREACHABLE" => Some(texts.meta_callback),
        code => code.parse().ok().map(|known| reason(known, language)),
    }
}

/// Every reason for which a pairing can end, by its code: the script shows them.
pub(in crate::dashboard) fn reasons(language: Language) -> Vec<(&'static str, &'static str)> {
    let known = CloseReason::ALL.iter().map(|cause| (cause.code(), reason(*cause, language)));
    known.chain([("SUPERSEDED", ReasonTexts::of(language).superseded)]).collect()
}

/// What is wrong with a number, in a word; `None`: nothing.
pub(in crate::dashboard) const fn health(
    ailment: Option<Ailment>,
    language: Language,
) -> &'static str {
    let texts = ReasonTexts::of(language);
    match ailment {
        None => texts.healthy,
        Some(Ailment::Restricted | Ailment::MetaRestricted) => texts.is_restricted,
        Some(Ailment::Banned | Ailment::MetaAccountDisabled) => texts.is_banned,
        Some(Ailment::ClientOutdated) => texts.is_outdated,
        Some(Ailment::Unstable) => texts.is_unstable,
        Some(
            Ailment::MetaTokenInvalid
            | Ailment::MetaPermissionMissing
            | Ailment::MetaDisconnected
            | Ailment::MetaNotRegistered,
        ) => texts.is_closed_meta,
        Some(Ailment::MetaQualityLow) => texts.is_low_quality,
        Some(Ailment::MetaCallbackUnreachable) => texts.is_deaf,
    }
}

/// How far a message has come, in a word.
pub(in crate::dashboard) const fn status(
    status: MessageStatus,
    language: Language,
) -> &'static str {
    let texts = ReasonTexts::of(language);
    match status {
        MessageStatus::Queued => texts.queued,
        MessageStatus::Sent => texts.sent,
        MessageStatus::Delivered => texts.delivered,
        MessageStatus::Read => texts.read,
        MessageStatus::Failed => texts.failed,
        MessageStatus::Canceled => texts.canceled,
    }
}

texts! {
    /// A pairing, live.
    PairTexts {
        connect: "Mostrar código QR", "Show the QR code", "Mostrar código QR";
        starting: "Pedindo um código ao WhatsApp…", "Asking WhatsApp for a code…", "Pidiendo un código a WhatsApp…";
        scan: "Escaneie com o celular", "Scan it with the phone", "Escanéelo con el teléfono";
        scan_1: "Abra o WhatsApp no celular deste número.", "Open WhatsApp on the phone of this number.", "Abra WhatsApp en el teléfono de este número.";
        scan_2: "Toque em Configurações (ou nos três pontos) e em Dispositivos conectados.",
            "Tap Settings (or the three dots), then Linked devices.",
            "Toque en Ajustes (o en los tres puntos) y en Dispositivos vinculados.";
        scan_3: "Toque em Conectar dispositivo e aponte para o código.",
            "Tap Link a device and point at the code.",
            "Toque en Vincular dispositivo y apunte al código.";
        qr: "Código QR para conectar o WhatsApp", "QR code that connects WhatsApp", "Código QR para conectar WhatsApp";
        countdown: "Muda em {s} s", "Changes in {s} s", "Cambia en {s} s";
        code: "Ou digite este código", "Or type this code", "O escriba este código";
        code_hint: "Em Conectar dispositivo, toque em “Conectar com número de telefone”.",
            "Under Link a device, tap “Link with phone number instead”.",
            "En Vincular dispositivo, toque en “Vincular con el número de teléfono”.";
        scanned: "Lido. Conectando…", "Scanned. Connecting…", "Leído. Conectando…";
        scanned_hint: "Mantenha o WhatsApp aberto no celular.", "Keep WhatsApp open on the phone.", "Mantenga WhatsApp abierto en el teléfono.";
        open: "Conectado", "Connected", "Conectado";
        open_hint: "O número está pronto para enviar e receber.", "The number is ready to send and receive.", "El número está listo para enviar y recibir.";
        open_link: "Abrir o número", "Open the number", "Abrir el número";
        expired: "Os códigos venceram", "The codes have expired", "Los códigos vencieron";
        expired_hint: "Ninguém escaneou a tempo. Um clique traz um novo.", "Nobody scanned in time. One click brings a new one.", "Nadie escaneó a tiempo. Un clic trae uno nuevo.";
        again: "Gerar novo código", "Show a new code", "Generar nuevo código";
        failed: "Não conectou", "Not connected", "No se conectó";
        passkey: "O WhatsApp pede a chave de acesso (passkey) desta conta",
            "WhatsApp asks for the passkey of this account",
            "WhatsApp pide la llave de acceso (passkey) de esta cuenta";
        passkey_hint: "Só quem tem a chave de acesso pode continuar. Crie um link de conexão: a página dele explica cada passo e pode ser aberta por essa pessoa.",
            "Only whoever has the passkey can go on. Create a pairing link: its page explains each step, and that person can open it.",
            "Solo quien tiene la llave de acceso puede continuar. Cree un enlace de conexión: su página explica cada paso y esa persona puede abrirla.";
        wrong: "Outro celular escaneou", "Another phone scanned", "Otro teléfono escaneó";
        wrong_expected: "Esperado", "Expected", "Esperado";
        wrong_actual: "Escaneou", "Scanned", "Escaneó";
        wrong_use: "Usar este celular", "Use this phone", "Usar este teléfono";
        wrong_reject: "Não usar, desconectar", "Do not use it, unlink", "No usar, desvincular";
        wrong_later: "Responda na página do número.", "Answer on the number's page.", "Responda en la página del número.";
        make_link: "Criar link de conexão", "Create a pairing link", "Crear enlace de conexión";
    }
}
