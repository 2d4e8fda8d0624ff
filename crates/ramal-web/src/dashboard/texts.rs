//! What the dashboard says, in its three languages, side by side.

use ramal_app::Language;
use ramal_domain::Timestamp;

/// A struct of texts: one row each, in Portuguese, English and Spanish.
macro_rules! texts {
    ($(#[$doc:meta])* $name:ident { $($key:ident: $pt:literal, $en:literal, $es:literal;)* }) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub(in crate::dashboard) struct $name {
            $(pub(in crate::dashboard) $key: &'static str,)*
        }

        impl $name {
            /// The texts of a language.
            pub(in crate::dashboard) const fn of(language: ramal_app::Language) -> &'static Self {
                match language {
                    ramal_app::Language::Portuguese => &Self { $($key: $pt,)* },
                    ramal_app::Language::English => &Self { $($key: $en,)* },
                    ramal_app::Language::Spanish => &Self { $($key: $es,)* },
                }
            }
        }
    };
}
pub(super) use texts;

texts! {
    /// What several pages say.
    Common {
        skip: "Ir para o conteúdo", "Skip to content", "Ir al contenido";
        menu: "Menu", "Menu", "Menú";
        numbers: "Números", "Numbers", "Números";
        keys: "Chaves de API", "API keys", "Claves de API";
        webhooks: "Webhooks", "Webhooks", "Webhooks";
        templates: "Modelos", "Templates", "Plantillas";
        links: "Links de conexão", "Pairing links", "Enlaces de conexión";
        profile: "Perfil", "Profile", "Perfil";
        audit: "Auditoria", "Audit log", "Auditoría";
        phones: "Celulares", "Phones", "Teléfonos";
        viewer: "só leitura", "view only", "solo lectura";
        sign_out: "Sair", "Sign out", "Salir";
        language: "Idioma", "Language", "Idioma";
        close: "Fechar", "Close", "Cerrar";
        cancel: "Cancelar", "Cancel", "Cancelar";
        save: "Salvar", "Save", "Guardar";
        copy: "Copiar", "Copy", "Copiar";
        copied: "Copiado", "Copied", "Copiado";
        delete: "Excluir", "Delete", "Eliminar";
        never: "nunca", "never", "nunca";
        older: "Mais antigos", "Older", "Más antiguos";
        connected: "Conectado", "Connected", "Conectado";
        connecting: "Conectando", "Connecting", "Conectando";
        disconnected: "Desconectado", "Disconnected", "Desconectado";
        shown_once: "Mostrado só desta vez. Guarde agora.",
            "Shown this once. Keep it now.",
            "Se muestra solo esta vez. Guárdelo ahora.";
        back_home: "Voltar ao painel", "Back to the dashboard", "Volver al panel";
        offline: "Sem conexão com o servidor. Tentando de novo…",
            "No connection to the server. Trying again…",
            "Sin conexión con el servidor. Reintentando…";
        sign_in_first: "Entre primeiro.", "Sign in first.", "Entre primero.";
        owners_only: "Sua conta é só de leitura: peça a um proprietário.",
            "Your account may only look: ask an owner.",
            "Su cuenta es de solo lectura: pida a un propietario.";
        foreign_form: "Este formulário não veio desta página, ou a página ficou aberta tempo demais. Volte, recarregue e tente de novo.",
            "This form did not come from this page, or the page was open for too long. Go back, reload and try again.",
            "Este formulario no vino de esta página, o la página estuvo abierta demasiado tiempo. Vuelva, recargue e inténtelo de nuevo.";
        bad_form: "O formulário está incompleto.", "The form is incomplete.", "El formulario está incompleto.";
        not_found: "Não há nada neste endereço.", "There is nothing at this address.", "No hay nada en esta dirección.";
        number_not_found: "Esse número não existe (mais).", "There is no such number (any more).", "Ese número no existe (ya).";
        webhook_not_found: "Esse webhook não existe (mais).", "There is no such webhook (any more).", "Ese webhook no existe (ya).";
        number_already_active: "Este número de telefone já está ativo aqui.",
            "This phone number is active here already.",
            "Este número de teléfono ya está activo aquí.";
        number_soft_deleted: "Este número foi excluído há pouco: restaure-o, ou exclua-o de vez antes.",
            "This number was deleted a short while ago: restore it, or delete it for good first.",
            "Este número fue eliminado hace poco: restáurelo, o elimínelo definitivamente primero.";
        number_already_connected: "O número já está conectado.", "The number is connected already.", "El número ya está conectado.";
        webhook_inactive: "O webhook está pausado: reative-o antes.", "The webhook is paused: resume it first.", "El webhook está en pausa: reactívelo primero.";
        delivery_pending: "A entrega ainda está a caminho.", "The delivery is still on its way.", "La entrega aún está en camino.";
        whatsapp_silent: "O WhatsApp não respondeu. Nada mudou; tente de novo em instantes.",
            "WhatsApp did not answer. Nothing was changed; try again shortly.",
            "WhatsApp no respondió. Nada cambió; inténtelo de nuevo en un momento.";
        not_connected: "O número não está conectado ao WhatsApp.", "The number is not connected to WhatsApp.", "El número no está conectado a WhatsApp.";
        queue_full: "Este número já tem mensagens demais na fila: envie mais quando algumas tiverem saído.", "This number has too many messages waiting: send more when some have left.", "Este número ya tiene demasiados mensajes en espera: envíe más cuando hayan salido algunos.";
        rate_limited: "Muitas tentativas: tente de novo em {s} s.", "Too many tries: try again in {s} s.", "Demasiados intentos: inténtelo de nuevo en {s} s.";
        reconnecting: "O número está pareado e espera o WhatsApp responder; ele conecta sozinho.",
            "The number is paired and waits for WhatsApp to answer; it connects by itself.",
            "El número está vinculado y espera la respuesta de WhatsApp; se conecta solo.";
        wrong_phone_not_asked: "Nada está sendo perguntado sobre um celular (mais).",
            "Nothing is being asked about a phone (any more).",
            "No se está preguntando nada sobre un teléfono (ya).";
        link_not_found: "Esse link não existe (mais).", "There is no such link (any more).", "Ese enlace no existe (ya).";
        template_not_found: "Esse modelo não existe (mais).", "There is no such template (any more).", "Esa plantilla no existe (ya).";
        template_name_taken: "Já existe um modelo com este nome.", "There is a template with this name already.", "Ya existe una plantilla con este nombre.";
        message_not_found: "Essa mensagem não existe (mais).", "There is no such message (any more).", "Ese mensaje no existe (ya).";
        media_not_found: "Esse arquivo não existe (mais), ou o WhatsApp já o apagou.",
            "There is no such file (any more), or WhatsApp has deleted it.",
            "Ese archivo no existe (ya), o WhatsApp lo eliminó.";
        missing_variables: "O modelo precisa de valores para: {names}.", "The template needs values for: {names}.", "La plantilla necesita valores para: {names}.";
        busy: "O servidor está ocupado; tente de novo.", "The server is busy; try again.", "El servidor está ocupado; inténtelo de nuevo.";
        internal: "O servidor falhou. O registro dele diz por quê.", "The server failed. Its log says why.", "El servidor falló. Su registro dice por qué.";
        done_saved: "Salvo.", "Saved.", "Guardado.";
        done_deleted: "Excluído.", "Deleted.", "Eliminado.";
        done_restored: "Restaurado.", "Restored.", "Restaurado.";
        done_sent: "Enviado.", "Sent.", "Enviado.";
        done_revoked: "Revogado.", "Revoked.", "Revocado.";
        done_connected: "Conectado.", "Connected.", "Conectado.";
        done_moved: "O número agora é oficial.", "The number is an official one now.", "El número ahora es oficial.";
        done_asked: "Perguntamos à Meta: aqui está o que vale agora.", "We asked Meta: this is what holds now.",
            "Preguntamos a Meta: esto es lo que vale ahora.";
        done_password: "Senha trocada. Os outros navegadores saíram.",
            "Password changed. Other browsers are signed out.",
            "Contraseña cambiada. Los otros navegadores salieron.";
    }
}

texts! {
    /// What can be wrong with a form.
    FormTexts {
        password: "A senha tem 10 caracteres ou mais.", "A password has 10 characters or more.", "La contraseña tiene 10 caracteres o más.";
        email_taken: "Alguém já entra com este e-mail.", "Somebody signs in with this e-mail address already.", "Alguien ya entra con este correo.";
        only_owner: "É o único proprietário: torne outra pessoa proprietária antes.", "This is the only owner: make somebody else an owner first.", "Es el único propietario: haga propietario a otra persona primero.";
        nobody: "Essa pessoa não existe (mais).", "There is no such person (any more).", "Esa persona no existe (ya).";
        email: "Um e-mail é como ana@acme.com.", "An e-mail address looks like ana@acme.com.", "Un correo es como ana@acme.com.";
        name: "O nome tem de 1 a 100 caracteres.", "A name has 1 to 100 characters.", "El nombre tiene de 1 a 100 caracteres.";
        number: "O número é como +5511999999999, com o código do país.", "A number looks like +5511999999999, with its country code.", "El número es como +5511999999999, con el código del país.";
        url: "Este endereço não serve: use https, e um servidor acessível pela internet.", "This address cannot be used: take https, and a server that is reachable from the Internet.", "Esta dirección no sirve: use https, y un servidor accesible desde internet.";
        secret: "O segredo tem de 16 a 256 caracteres visíveis, sem espaços.", "A secret has 16 to 256 visible characters, without spaces.", "El secreto tiene de 16 a 256 caracteres visibles, sin espacios.";
        https: "O endereço começa com https:// e não tem espaços.", "The address begins with https:// and has no spaces.", "La dirección empieza con https:// y no tiene espacios.";
        colour: "A cor é como #1fd286.", "A colour looks like #1fd286.", "El color es como #1fd286.";
        reference: "A referência tem no máximo 255 caracteres.", "A reference has at most 255 characters.", "La referencia tiene como máximo 255 caracteres.";
        logo_size: "O logo tem no máximo 2 MB.", "A logo has at most 2 MB.", "El logo tiene como máximo 2 MB.";
        logo_type: "O logo é uma imagem PNG, JPEG ou WebP.", "A logo is a PNG, JPEG or WebP picture.", "El logo es una imagen PNG, JPEG o WebP.";
        origin: "Um site é como https://app.acme.com (http só para localhost).", "A site looks like https://app.acme.com (http for localhost only).", "Un sitio es como https://app.acme.com (http solo para localhost).";
        template_name: "O nome tem de 1 a 100 letras sem acento, números, pontos, hífens e sublinhados, e não começa com tpl_.", "A name has 1 to 100 plain letters, digits, dots, hyphens and underscores, and does not begin with tpl_.", "El nombre tiene de 1 a 100 letras sin acento, números, puntos, guiones y guiones bajos, y no empieza con tpl_.";
        template_variable: "Uma variável é como {{nome}}: letras, números e sublinhados entre duas chaves de cada lado.", "A variable is written {{name}}: letters, digits and underscores between two braces on each side.", "Una variable es como {{nombre}}: letras, números y guiones bajos entre dos llaves de cada lado.";
        text_needed: "Falta o texto.", "The text is missing.", "Falta el texto.";
        too_long: "O texto, o rodapé ou o nome do arquivo é longo demais.", "The text, the footer or the file name is too long.", "El texto, el pie o el nombre del archivo es demasiado largo.";
        media_address: "A mídia é um endereço http ou https, sem espaços.", "Media are an http or https address, without spaces.", "El archivo es una dirección http o https, sin espacios.";
        media_mute: "Áudios e figurinhas vão sem texto.", "Sounds and stickers go without a text.", "Los audios y stickers van sin texto.";
        media_file_name: "Só documentos têm nome de arquivo.", "Only documents have a file name.", "Solo los documentos tienen nombre de archivo.";
        language: "O idioma é como pt_BR.", "A language looks like pt_BR.", "El idioma es como es_MX.";
        to_itself: "Esse é o próprio número que envia.", "That is the number that sends.", "Ese es el mismo número que envía.";
        too_far: "O envio pode ser agendado para até um ano.", "A message can be scheduled for up to a year ahead.", "El envío se puede programar hasta con un año de anticipación.";
        file_size: "O arquivo está vazio, ou é grande demais para o tipo.", "The file is empty, or too large for its type.", "El archivo está vacío, o es demasiado grande para su tipo.";
        template_media: "O modelo pede um arquivo de outro tipo.", "The template takes a file of another type.", "La plantilla pide un archivo de otro tipo.";
        template_no_media: "O modelo não tem lugar para um arquivo.", "The template has no place for a file.", "La plantilla no tiene lugar para un archivo.";
        channel_texts: "Para canais, só textos são enviados.", "Only texts are sent to channels.", "A los canales solo se envían textos.";
        official_buttons: "O WhatsApp entrega botões e listas só de números oficiais.", "WhatsApp delivers buttons and lists from official numbers only.", "WhatsApp entrega botones y listas solo de números oficiales.";
        times: "Confira as datas: o começo vem antes do fim.", "Check the times: the beginning comes before the end.", "Revise las fechas: el comienzo va antes del fin.";
    }
}

/// What an action came to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Done {
    Saved,
    Deleted,
    Restored,
    Sent,
    Revoked,
    Connected,
    Moved,
    Asked,
    Password,
}

impl Done {
    pub(super) const fn text(self, language: Language) -> &'static str {
        let texts = Common::of(language);
        match self {
            Self::Saved => texts.done_saved,
            Self::Deleted => texts.done_deleted,
            Self::Restored => texts.done_restored,
            Self::Sent => texts.done_sent,
            Self::Revoked => texts.done_revoked,
            Self::Connected => texts.done_connected,
            Self::Moved => texts.done_moved,
            Self::Asked => texts.done_asked,
            Self::Password => texts.done_password,
        }
    }
}

texts! {
    /// The pages before one is signed in.
    SignInTexts {
        sign_in: "Entrar", "Sign in", "Entrar";
        intro: "Seus números de WhatsApp, em um só lugar.",
            "Your WhatsApp numbers, in one place.",
            "Sus números de WhatsApp, en un solo lugar.";
        email: "E-mail", "E-mail", "Correo electrónico";
        password: "Senha", "Password", "Contraseña";
        wrong: "O e-mail ou a senha não confere.",
            "The e-mail address or the password is wrong.",
            "El correo o la contraseña no coincide.";
        setup: "Criar sua conta", "Create your account", "Crear su cuenta";
        setup_owner: "Este link cria a conta de um proprietário, que pode tudo.",
            "This link creates the account of an owner, who may do everything.",
            "Este enlace crea la cuenta de un propietario, que puede todo.";
        setup_viewer: "Este link cria uma conta de leitura, que vê tudo e não muda nada.",
            "This link creates a view-only account, which sees everything and changes nothing.",
            "Este enlace crea una cuenta de lectura, que ve todo y no cambia nada.";
        new_password: "Senha (10 caracteres ou mais)",
            "Password (10 characters or more)",
            "Contraseña (10 caracteres o más)";
        create: "Criar e entrar", "Create and sign in", "Crear y entrar";
        dead: "Este convite não vale mais", "This invitation is not valid any more", "Esta invitación ya no es válida";
        dead_hint: "Ele já foi usado, ou venceu. Entre com sua conta, ou peça outro a um proprietário. Na máquina do servidor, `ramal user add` cria contas.",
            "It was used already, or has expired. Sign in with your account, or ask an owner for another. On the server's machine, `ramal user add` creates accounts.",
            "Ya fue usada, o venció. Entre con su cuenta, o pida otra a un propietario. En la máquina del servidor, `ramal user add` crea cuentas.";
    }
}

/// A moment as people write it, in UTC.
pub(super) fn when(at: Timestamp, language: Language) -> String {
    // ISO 8601: `2026-11-26T23:45:16.000Z`.
    let iso = at.to_string();
    let part = |range| iso.get(range).unwrap_or_default();
    let (year, month, day, time) = (part(0..4), part(5..7), part(8..10), part(11..16));
    match language {
        Language::English => format!("{year}-{month}-{day} {time} UTC"),
        Language::Portuguese | Language::Spanish => format!("{day}/{month}/{year} {time} UTC"),
    }
}
