//! What the page of a sign-up link says, in its three languages.

use ramal_app::Language;
use serde::Serialize;

use super::{
    said::{Forms, forms},
    signup::{APP_ID, APP_SECRET, NUMBER, PHONE_ID, PIN, TOKEN, WABA_ID},
};

/// Sentences by the code of an error.
type ByCode = &'static [(&'static str, &'static str)];

/// Every sentence of the page. The script gets those that it puts in place itself, as JSON.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SignupTexts {
    pub(super) connect: &'static str,
    #[serde(skip)]
    pub(super) connect_hint: &'static str,
    #[serde(skip)]
    pub(super) go: &'static str,
    #[serde(skip)]
    pub(super) keep_app: &'static str,
    #[serde(skip)]
    pub(super) keep_app_hint: &'static str,
    #[serde(skip)]
    pub(super) keep_app_go: &'static str,
    #[serde(skip)]
    pub(super) no_script: &'static str,
    pub(super) dialog: &'static str,
    #[serde(skip)]
    pub(super) dialog_hint: &'static str,
    #[serde(skip)]
    pub(super) start_again: &'static str,
    pub(super) connecting: &'static str,
    #[serde(skip)]
    pub(super) connecting_hint: &'static str,
    pub(super) pick: &'static str,
    #[serde(skip)]
    pub(super) pick_hint: &'static str,
    #[serde(skip)]
    pub(super) pick_go: &'static str,
    pub(super) pick_first: &'static str,
    pub(super) cancelled: &'static str,
    #[serde(skip)]
    pub(super) cancelled_hint: &'static str,
    /// How far the person had come, by Meta's name of the step.
    pub(super) steps: ByCode,
    pub(super) meta_said: &'static str,
    /// What the API says of Meta, in this language.
    pub(super) said: Forms,
    pub(super) failed: &'static str,
    pub(super) blocked: &'static str,
    #[serde(skip)]
    pub(super) blocked_hint: &'static str,
    #[serde(skip)]
    pub(super) unconfigured: &'static str,
    #[serde(skip)]
    pub(super) unconfigured_hint: &'static str,
    #[serde(skip)]
    pub(super) again: &'static str,
    pub(super) success: &'static str,
    /// What the API refused, by its code.
    pub(super) problems: ByCode,
    pub(super) not_now: &'static str,
    pub(super) undelivered: &'static str,
    pub(super) in_review: &'static str,
    #[serde(skip)]
    pub(super) form: FormTexts,
    pub(super) checking: &'static str,
    pub(super) show: &'static str,
    pub(super) hide: &'static str,
    pub(super) required: &'static str,
}

/// A field of the form.
#[derive(Debug)]
pub(super) struct FieldTexts {
    pub(super) label: &'static str,
    /// Where it is found.
    pub(super) hint: &'static str,
    /// What is said when it does not look as it should.
    pub(super) malformed: &'static str,
}

/// The form for the credentials of an own app.
#[derive(Debug)]
pub(super) struct FormTexts {
    pub(super) title: &'static str,
    pub(super) intro: &'static str,
    pub(super) begin: &'static str,
    pub(super) send: &'static str,
    pub(super) optional: &'static str,
    pub(super) number: FieldTexts,
    pub(super) name: FieldTexts,
    pub(super) phone_id: FieldTexts,
    pub(super) waba_id: FieldTexts,
    pub(super) token: FieldTexts,
    pub(super) app_secret: FieldTexts,
    pub(super) app_id: FieldTexts,
    pub(super) pin: FieldTexts,
    /// What is wrong with a field, by the code of the error and the field's name.
    pub(super) problems: &'static [(&'static str, &'static str, &'static str)],
    /// What is wrong, where no field is to blame.
    pub(super) general: ByCode,
    pub(super) check_fields: &'static str,
    pub(super) secrets_again: &'static str,
}

impl SignupTexts {
    pub(super) const fn of(language: Language) -> &'static Self {
        match language {
            Language::Portuguese => &PORTUGUESE,
            Language::English => &ENGLISH,
            Language::Spanish => &SPANISH,
        }
    }
}

impl FormTexts {
    /// What to say of an error beside a field.
    pub(super) fn problem(&self, code: &str, field: &str) -> Option<&'static str> {
        let mut problems = self.problems.iter();
        problems.find(|(c, f, _)| *c == code && *f == field).map(|(.., sentence)| *sentence)
    }

    /// What to say of an error that no field is to blame for.
    pub(super) fn general(&self, code: &str) -> Option<&'static str> {
        self.general.iter().find(|(known, _)| *known == code).map(|(_, sentence)| *sentence)
    }
}

const PORTUGUESE: SignupTexts = SignupTexts {
    connect: "Conecte o seu número pela Meta",
    connect_hint: "A Meta abre uma janela própria. Nela você entra com o Facebook e escolhe a empresa e \
                   o número. Nós nunca vemos a sua senha.",
    go: "Continuar com o Facebook",
    keep_app: "Você usa este número no app WhatsApp Business?",
    keep_app_hint: "Você pode continuar com o app no celular e conectar o mesmo número aqui.",
    keep_app_go: "Conectar e manter o app",
    no_script: "O cadastro da Meta só funciona com JavaScript. Ative-o no navegador e recarregue esta \
                página.",
    dialog: "Continue na janela da Meta",
    dialog_hint: "Ela pode estar atrás desta. Se nenhuma abriu, permita pop-ups para esta página e \
                  comece de novo.",
    start_again: "Começar de novo",
    connecting: "Conectando…",
    connecting_hint: "A Meta respondeu. Estamos preparando o número, o que pode levar meio minuto.",
    pick: "Qual número?",
    pick_hint: "A conta tem mais de um número. Escolha o que será conectado.",
    pick_go: "Conectar este número",
    pick_first: "Escolha um número.",
    cancelled: "O cadastro não foi concluído",
    cancelled_hint: "Nada foi conectado. Você pode começar de novo quando quiser.",
    steps: &[
        ("BUSINESS_ACCOUNT_SELECTION", "Você parou na escolha da empresa."),
        ("WABA_PHONE_PROFILE_PICKER", "Você parou na escolha da conta e do número."),
        ("WHATSAPP_BUSINESS_PROFILE_SETUP", "Você parou no perfil da empresa."),
        ("PHONE_NUMBER_SETUP", "Você parou na escolha do número de telefone."),
        (
            "PHONE_NUMBER_VERIFICATION",
            "Você parou na verificação do número: tenha o telefone à mão para receber o código da Meta.",
        ),
        ("PERMISSIONS", "Você parou nas permissões: a Meta precisa que você as aceite."),
    ],
    meta_said: "A Meta diz: {message}",
    said: forms(Language::Portuguese),
    failed: "Não deu certo",
    blocked: "O cadastro da Meta não carregou",
    blocked_hint: "Um bloqueador de conteúdo ou a rede o impediu. Libere esta página no bloqueador e \
                   tente de novo.",
    unconfigured: "O cadastro pela Meta não está disponível aqui",
    unconfigured_hint: "Quem opera este servidor ainda não configurou o Embedded Signup da Meta. Avise \
                        quem enviou este link.",
    again: "Tentar de novo",
    success: "Conectado",
    problems: &[
        (
            "META_CREDENTIALS_INVALID",
            "A Meta não aceitou a autorização: ela vale só por meio minuto. Comece de novo.",
        ),
        (
            "META_PERMISSION_MISSING",
            "Faltou uma permissão. Comece de novo e, na janela da Meta, escolha a empresa e aceite tudo \
             o que é pedido.",
        ),
        (
            "META_NUMBER_MISMATCH",
            "A Meta não reconhece este número nesta conta. Comece de novo e escolha o número certo.",
        ),
        (
            "META_PIN_MISMATCH",
            "O número já tem um PIN de confirmação em duas etapas. Desative-o no Gerenciador do \
             WhatsApp e comece de novo.",
        ),
        (
            "META_NUMBER_NOT_VERIFIED",
            "O número ainda não foi verificado na Meta. Comece de novo e conclua a verificação.",
        ),
        ("META_REFUSED", "A Meta recusou o pedido. Confira a conta no Gerenciador do WhatsApp."),
        (
            "META_SIGNUP_STATE_INVALID",
            "Este link foi aberto em outra página depois desta. Comece de novo aqui.",
        ),
        ("NUMBER_ALREADY_ACTIVE", "Este número já está conectado a este serviço."),
        (
            "NUMBER_SOFT_DELETED",
            "Este número foi removido há pouco. Quem enviou este link pode liberá-lo.",
        ),
        (
            "PROVIDER_NOT_CONFIGURED",
            "Este servidor não está configurado para isto. Avise quem enviou o link.",
        ),
        (
            "UPSTREAM_ERROR",
            "A Meta não está respondendo como devia. Tente de novo em alguns minutos.",
        ),
        ("UPSTREAM_TIMEOUT", "A Meta demorou demais a responder. Tente de novo em alguns minutos."),
        ("RATE_LIMITED", "Foram tentativas demais. Espere um minuto e tente de novo."),
    ],
    not_now: "Isso não foi possível agora. Tente de novo.",
    undelivered: "O número já envia, mas a Meta ainda não entrega aqui o que ele recebe. Avise quem \
                  enviou este link.",
    in_review: "A Meta ainda está analisando o número. Ele começa a funcionar sozinho depois disso.",
    form: FormTexts {
        title: "Informe os dados do seu número na Meta",
        intro: "Você precisa de um app na Meta com o WhatsApp e de um token de acesso permanente. Os \
                dados são conferidos com a Meta e guardados cifrados; não são mostrados de novo.",
        begin: "Continuar",
        send: "Conferir e conectar",
        optional: "opcional",
        number: FieldTexts {
            label: "Número de telefone",
            hint: "Com código do país e DDD, por exemplo +55 11 99999-9999.",
            malformed: "Escreva o número inteiro, com código do país e DDD.",
        },
        name: FieldTexts {
            label: "Nome",
            hint: "Como este número será chamado aqui.",
            malformed: "O nome tem no máximo 100 caracteres.",
        },
        phone_id: FieldTexts {
            label: "Identificação do número de telefone",
            hint: "No painel do app: WhatsApp, Configuração da API, “Identificação do número de telefone”.",
            malformed: "São de 5 a 20 algarismos, e não é o próprio número de telefone.",
        },
        waba_id: FieldTexts {
            label: "Identificação da conta do WhatsApp Business",
            hint: "Na mesma página do painel, logo abaixo.",
            malformed: "São de 5 a 20 algarismos.",
        },
        token: FieldTexts {
            label: "Token de acesso",
            hint: "De um usuário do sistema (Configurações do negócio), com as permissões \
                   whatsapp_business_management e whatsapp_business_messaging.",
            malformed: "Cole o token inteiro, sem espaços nem quebras de linha.",
        },
        app_secret: FieldTexts {
            label: "Chave secreta do app",
            hint: "No painel do app: Configurações do app, Básico, “Chave secreta do app”.",
            malformed: "Cole a chave inteira, sem espaços.",
        },
        app_id: FieldTexts {
            label: "Identificação do app",
            hint: "No alto do painel do app. Sem ela, descobrimos sozinhos.",
            malformed: "São de 5 a 20 algarismos.",
        },
        pin: FieldTexts {
            label: "PIN da confirmação em duas etapas",
            hint: "Só se o número já tem um. Se não tem, criamos um.",
            malformed: "São seis algarismos.",
        },
        problems: &[
            (
                "META_CREDENTIALS_INVALID",
                TOKEN,
                "A Meta não aceita este token: ele expirou, foi revogado ou está incompleto.",
            ),
            (
                "META_CREDENTIALS_INVALID",
                APP_SECRET,
                "Esta não é a chave secreta do app ao qual o token pertence.",
            ),
            ("META_CREDENTIALS_INVALID", APP_ID, "O token é de outro app."),
            (
                "META_PERMISSION_MISSING",
                TOKEN,
                "O token não tem as duas permissões para esta conta. Crie um token que as tenha.",
            ),
            (
                "META_NUMBER_MISMATCH",
                PHONE_ID,
                "Esta identificação é de outro número, ou o token não a alcança. Confira também o número de telefone.",
            ),
            (
                "META_NUMBER_MISMATCH",
                WABA_ID,
                "O número não pertence a esta conta, ou o token não a alcança.",
            ),
            (
                "META_PIN_MISMATCH",
                PIN,
                "O número tem outro PIN. Digite o certo, ou troque-o no Gerenciador do WhatsApp.",
            ),
            (
                "META_NUMBER_NOT_VERIFIED",
                NUMBER,
                "O número ainda não foi verificado. Verifique-o no Gerenciador do WhatsApp e tente de novo.",
            ),
            ("NUMBER_ALREADY_ACTIVE", NUMBER, "Este número já está conectado a este serviço."),
            (
                "NUMBER_SOFT_DELETED",
                NUMBER,
                "Este número foi removido há pouco. Quem enviou este link pode liberá-lo.",
            ),
        ],
        general: &[
            ("VALIDATION_ERROR", "Há um campo que não pode ser lido. Confira todos."),
            (
                "META_REFUSED",
                "A Meta recusou o pedido. Confira a conta no Gerenciador do WhatsApp.",
            ),
            (
                "META_SIGNUP_STATE_INVALID",
                "Este formulário não era mais o mais novo. Confira os dados e envie de novo.",
            ),
            (
                "PROVIDER_NOT_CONFIGURED",
                "Este servidor não está configurado para isto. Avise quem enviou o link.",
            ),
            (
                "UPSTREAM_ERROR",
                "A Meta não está respondendo como devia. Nada mudou; tente de novo em alguns minutos.",
            ),
            (
                "UPSTREAM_TIMEOUT",
                "A Meta demorou demais a responder. Nada mudou; tente de novo em alguns minutos.",
            ),
            ("RATE_LIMITED", "Foram tentativas demais. Espere um minuto e tente de novo."),
        ],
        check_fields: "Confira os campos marcados.",
        secrets_again: "Por segurança, o token, a chave secreta e o PIN não ficam no formulário: \
                        preencha-os de novo.",
    },
    checking: "Conferindo com a Meta…",
    show: "Mostrar",
    hide: "Ocultar",
    required: "Este campo é necessário.",
};

const ENGLISH: SignupTexts = SignupTexts {
    connect: "Connect your number through Meta",
    connect_hint: "Meta opens a window of its own, where you sign in with Facebook and choose the business \
                   and its number. We never see your password.",
    go: "Continue with Facebook",
    keep_app: "Do you use this number in the WhatsApp Business app?",
    keep_app_hint: "You can keep using the app on the phone, and connect the same number here.",
    keep_app_go: "Connect and keep the app",
    no_script: "Meta's sign-up works with JavaScript only. Turn it on in your browser and reload this page.",
    dialog: "Go on in Meta's window",
    dialog_hint: "It may be behind this one. If none has opened, allow pop-ups for this page and start again.",
    start_again: "Start again",
    connecting: "Connecting…",
    connecting_hint: "Meta has answered. We are setting the number up, which may take half a minute.",
    pick: "Which number?",
    pick_hint: "The account has more than one number. Choose the one to connect.",
    pick_go: "Connect this number",
    pick_first: "Choose a number.",
    cancelled: "The sign-up was not finished",
    cancelled_hint: "Nothing was connected. You can start again whenever you like.",
    steps: &[
        ("BUSINESS_ACCOUNT_SELECTION", "You stopped at choosing the business."),
        ("WABA_PHONE_PROFILE_PICKER", "You stopped at choosing the account and its number."),
        ("WHATSAPP_BUSINESS_PROFILE_SETUP", "You stopped at the profile of the business."),
        ("PHONE_NUMBER_SETUP", "You stopped at choosing the phone number."),
        (
            "PHONE_NUMBER_VERIFICATION",
            "You stopped at verifying the number: keep the phone at hand, to get Meta's code.",
        ),
        ("PERMISSIONS", "You stopped at the permissions: Meta needs you to accept them."),
    ],
    meta_said: "Meta says: {message}",
    said: forms(Language::English),
    failed: "That did not work",
    blocked: "Meta's sign-up did not load",
    blocked_hint: "A content blocker or the network keeps it out. Allow this page in the blocker, and try \
                   again.",
    unconfigured: "Signing up through Meta is not available here",
    unconfigured_hint: "Whoever operates this server has not set up Meta's Embedded Signup yet. Tell who \
                        sent you this link.",
    again: "Try again",
    success: "Connected",
    problems: &[
        (
            "META_CREDENTIALS_INVALID",
            "Meta did not accept the approval: it is good for half a minute only. Start again.",
        ),
        (
            "META_PERMISSION_MISSING",
            "A permission is missing. Start again and, in Meta's window, choose the business and accept \
             everything that is asked for.",
        ),
        (
            "META_NUMBER_MISMATCH",
            "Meta does not know this number in this account. Start again and choose the right number.",
        ),
        (
            "META_PIN_MISMATCH",
            "The number has a two-step verification PIN already. Turn it off in WhatsApp Manager, and \
             start again.",
        ),
        (
            "META_NUMBER_NOT_VERIFIED",
            "The number is not verified at Meta yet. Start again and finish the verification.",
        ),
        ("META_REFUSED", "Meta refused the request. Look at the account in WhatsApp Manager."),
        (
            "META_SIGNUP_STATE_INVALID",
            "This link was opened in another page after this one. Start again here.",
        ),
        ("NUMBER_ALREADY_ACTIVE", "This number is connected to this service already."),
        (
            "NUMBER_SOFT_DELETED",
            "This number was removed a short while ago. Who sent you this link can release it.",
        ),
        (
            "PROVIDER_NOT_CONFIGURED",
            "This server is not set up for this. Tell who sent you the link.",
        ),
        ("UPSTREAM_ERROR", "Meta does not answer as it should. Try again in a few minutes."),
        ("UPSTREAM_TIMEOUT", "Meta took too long to answer. Try again in a few minutes."),
        ("RATE_LIMITED", "These were too many tries. Wait for a minute, and try again."),
    ],
    not_now: "That was not possible now. Try again.",
    undelivered: "The number can send, but Meta does not deliver here yet what it receives. Tell who sent \
                  you this link.",
    in_review: "Meta is still reviewing the number. It starts working by itself after that.",
    form: FormTexts {
        title: "Enter what Meta knows of your number",
        intro: "You need an app at Meta with WhatsApp, and a permanent access token. What you enter is \
                checked with Meta and kept encrypted; it is not shown again.",
        begin: "Continue",
        send: "Check and connect",
        optional: "optional",
        number: FieldTexts {
            label: "Phone number",
            hint: "With the country code, for example +55 11 99999-9999.",
            malformed: "Write the whole number, with its country code.",
        },
        name: FieldTexts {
            label: "Name",
            hint: "What this number will be called here.",
            malformed: "A name has 100 characters at most.",
        },
        phone_id: FieldTexts {
            label: "Phone number ID",
            hint: "In the app's dashboard: WhatsApp, API Setup, “Phone number ID”.",
            malformed: "It has 5 to 20 digits, and is not the phone number itself.",
        },
        waba_id: FieldTexts {
            label: "WhatsApp Business Account ID",
            hint: "On the same page of the dashboard, right below.",
            malformed: "It has 5 to 20 digits.",
        },
        token: FieldTexts {
            label: "Access token",
            hint: "Of a system user (Business Settings), with the permissions \
                   whatsapp_business_management and whatsapp_business_messaging.",
            malformed: "Paste the whole token, without spaces or line breaks.",
        },
        app_secret: FieldTexts {
            label: "App secret",
            hint: "In the app's dashboard: App Settings, Basic, “App secret”.",
            malformed: "Paste the whole secret, without spaces.",
        },
        app_id: FieldTexts {
            label: "App ID",
            hint: "At the top of the app's dashboard. Without it, we find out by ourselves.",
            malformed: "It has 5 to 20 digits.",
        },
        pin: FieldTexts {
            label: "Two-step verification PIN",
            hint: "Only if the number has one already. If it has none, we make one.",
            malformed: "It has six digits.",
        },
        problems: &[
            (
                "META_CREDENTIALS_INVALID",
                TOKEN,
                "Meta does not accept this token: it has expired, was revoked, or is not whole.",
            ),
            (
                "META_CREDENTIALS_INVALID",
                APP_SECRET,
                "This is not the secret of the app that the token belongs to.",
            ),
            ("META_CREDENTIALS_INVALID", APP_ID, "The token is another app's."),
            (
                "META_PERMISSION_MISSING",
                TOKEN,
                "The token lacks one of the two permissions for this account. Make a token that has both.",
            ),
            (
                "META_NUMBER_MISMATCH",
                PHONE_ID,
                "This ID is another number's, or the token does not reach it. Check the phone number, too.",
            ),
            (
                "META_NUMBER_MISMATCH",
                WABA_ID,
                "The number does not belong to this account, or the token does not reach it.",
            ),
            (
                "META_PIN_MISMATCH",
                PIN,
                "The number has another PIN. Enter the right one, or change it in WhatsApp Manager.",
            ),
            (
                "META_NUMBER_NOT_VERIFIED",
                NUMBER,
                "The number is not verified yet. Verify it in WhatsApp Manager, and try again.",
            ),
            ("NUMBER_ALREADY_ACTIVE", NUMBER, "This number is connected to this service already."),
            (
                "NUMBER_SOFT_DELETED",
                NUMBER,
                "This number was removed a short while ago. Who sent you this link can release it.",
            ),
        ],
        general: &[
            ("VALIDATION_ERROR", "A field cannot be read. Check them all."),
            ("META_REFUSED", "Meta refused the request. Look at the account in WhatsApp Manager."),
            (
                "META_SIGNUP_STATE_INVALID",
                "This form was not the newest one any more. Check it, and send it again.",
            ),
            (
                "PROVIDER_NOT_CONFIGURED",
                "This server is not set up for this. Tell who sent you the link.",
            ),
            (
                "UPSTREAM_ERROR",
                "Meta does not answer as it should. Nothing was changed; try again in a few minutes.",
            ),
            (
                "UPSTREAM_TIMEOUT",
                "Meta took too long to answer. Nothing was changed; try again in a few minutes.",
            ),
            ("RATE_LIMITED", "These were too many tries. Wait for a minute, and try again."),
        ],
        check_fields: "Check the fields that are marked.",
        secrets_again: "For safety, token, app secret and PIN do not stay in the form: enter them again.",
    },
    checking: "Asking Meta…",
    show: "Show",
    hide: "Hide",
    required: "This field is needed.",
};

const SPANISH: SignupTexts = SignupTexts {
    connect: "Conecte su número a través de Meta",
    connect_hint: "Meta abre una ventana propia. En ella usted entra con Facebook y elige la empresa y el \
                   número. Nosotros nunca vemos su contraseña.",
    go: "Continuar con Facebook",
    keep_app: "¿Usa este número en la app WhatsApp Business?",
    keep_app_hint: "Puede seguir con la app en el teléfono y conectar aquí el mismo número.",
    keep_app_go: "Conectar y conservar la app",
    no_script: "El registro de Meta solo funciona con JavaScript. Actívelo en el navegador y vuelva a \
                cargar esta página.",
    dialog: "Continúe en la ventana de Meta",
    dialog_hint: "Puede estar detrás de esta. Si no se abrió ninguna, permita las ventanas emergentes para \
                  esta página y empiece de nuevo.",
    start_again: "Empezar de nuevo",
    connecting: "Conectando…",
    connecting_hint: "Meta respondió. Estamos preparando el número, lo que puede tardar medio minuto.",
    pick: "¿Qué número?",
    pick_hint: "La cuenta tiene más de un número. Elija el que se conectará.",
    pick_go: "Conectar este número",
    pick_first: "Elija un número.",
    cancelled: "El registro no se completó",
    cancelled_hint: "No se conectó nada. Puede empezar de nuevo cuando quiera.",
    steps: &[
        ("BUSINESS_ACCOUNT_SELECTION", "Se detuvo al elegir la empresa."),
        ("WABA_PHONE_PROFILE_PICKER", "Se detuvo al elegir la cuenta y el número."),
        ("WHATSAPP_BUSINESS_PROFILE_SETUP", "Se detuvo en el perfil de la empresa."),
        ("PHONE_NUMBER_SETUP", "Se detuvo al elegir el número de teléfono."),
        (
            "PHONE_NUMBER_VERIFICATION",
            "Se detuvo al verificar el número: tenga el teléfono a mano para recibir el código de Meta.",
        ),
        ("PERMISSIONS", "Se detuvo en los permisos: Meta necesita que los acepte."),
    ],
    meta_said: "Meta dice: {message}",
    said: forms(Language::Spanish),
    failed: "No funcionó",
    blocked: "El registro de Meta no se cargó",
    blocked_hint: "Un bloqueador de contenido o la red lo impide. Permita esta página en el bloqueador e \
                   inténtelo de nuevo.",
    unconfigured: "El registro a través de Meta no está disponible aquí",
    unconfigured_hint: "Quien opera este servidor aún no configuró el Embedded Signup de Meta. Avise a \
                        quien le envió este enlace.",
    again: "Intentar de nuevo",
    success: "Conectado",
    problems: &[
        (
            "META_CREDENTIALS_INVALID",
            "Meta no aceptó la autorización: solo vale durante medio minuto. Empiece de nuevo.",
        ),
        (
            "META_PERMISSION_MISSING",
            "Falta un permiso. Empiece de nuevo y, en la ventana de Meta, elija la empresa y acepte todo lo \
             que se pide.",
        ),
        (
            "META_NUMBER_MISMATCH",
            "Meta no reconoce este número en esta cuenta. Empiece de nuevo y elija el número correcto.",
        ),
        (
            "META_PIN_MISMATCH",
            "El número ya tiene un PIN de verificación en dos pasos. Desactívelo en el Administrador de \
             WhatsApp y empiece de nuevo.",
        ),
        (
            "META_NUMBER_NOT_VERIFIED",
            "El número aún no está verificado en Meta. Empiece de nuevo y complete la verificación.",
        ),
        (
            "META_REFUSED",
            "Meta rechazó la solicitud. Revise la cuenta en el Administrador de WhatsApp.",
        ),
        (
            "META_SIGNUP_STATE_INVALID",
            "Este enlace se abrió en otra página después de esta. Empiece de nuevo aquí.",
        ),
        ("NUMBER_ALREADY_ACTIVE", "Este número ya está conectado a este servicio."),
        (
            "NUMBER_SOFT_DELETED",
            "Este número se eliminó hace poco. Quien le envió este enlace puede liberarlo.",
        ),
        (
            "PROVIDER_NOT_CONFIGURED",
            "Este servidor no está configurado para esto. Avise a quien le envió el enlace.",
        ),
        ("UPSTREAM_ERROR", "Meta no responde como debería. Inténtelo de nuevo en unos minutos."),
        (
            "UPSTREAM_TIMEOUT",
            "Meta tardó demasiado en responder. Inténtelo de nuevo en unos minutos.",
        ),
        ("RATE_LIMITED", "Fueron demasiados intentos. Espere un minuto e inténtelo de nuevo."),
    ],
    not_now: "Eso no fue posible ahora. Inténtelo de nuevo.",
    undelivered: "El número ya envía, pero Meta todavía no entrega aquí lo que recibe. Avise a quien le \
                  envió este enlace.",
    in_review: "Meta todavía está revisando el número. Después empezará a funcionar por sí solo.",
    form: FormTexts {
        title: "Indique los datos de su número en Meta",
        intro: "Necesita una app en Meta con WhatsApp y un token de acceso permanente. Los datos se \
                comprueban con Meta y se guardan cifrados; no se vuelven a mostrar.",
        begin: "Continuar",
        send: "Comprobar y conectar",
        optional: "opcional",
        number: FieldTexts {
            label: "Número de teléfono",
            hint: "Con el código del país, por ejemplo +55 11 99999-9999.",
            malformed: "Escriba el número completo, con el código del país.",
        },
        name: FieldTexts {
            label: "Nombre",
            hint: "Cómo se llamará aquí este número.",
            malformed: "El nombre tiene como máximo 100 caracteres.",
        },
        phone_id: FieldTexts {
            label: "Identificador del número de teléfono",
            hint: "En el panel de la app: WhatsApp, Configuración de la API, “Identificador de número de \
                   teléfono”.",
            malformed: "Tiene de 5 a 20 cifras, y no es el propio número de teléfono.",
        },
        waba_id: FieldTexts {
            label: "Identificador de la cuenta de WhatsApp Business",
            hint: "En la misma página del panel, justo debajo.",
            malformed: "Tiene de 5 a 20 cifras.",
        },
        token: FieldTexts {
            label: "Token de acceso",
            hint: "De un usuario del sistema (Configuración del negocio), con los permisos \
                   whatsapp_business_management y whatsapp_business_messaging.",
            malformed: "Pegue el token completo, sin espacios ni saltos de línea.",
        },
        app_secret: FieldTexts {
            label: "Clave secreta de la app",
            hint: "En el panel de la app: Configuración de la app, Básica, “Clave secreta de la app”.",
            malformed: "Pegue la clave completa, sin espacios.",
        },
        app_id: FieldTexts {
            label: "Identificador de la app",
            hint: "En la parte superior del panel de la app. Sin él, lo averiguamos nosotros.",
            malformed: "Tiene de 5 a 20 cifras.",
        },
        pin: FieldTexts {
            label: "PIN de la verificación en dos pasos",
            hint: "Solo si el número ya tiene uno. Si no lo tiene, creamos uno.",
            malformed: "Tiene seis cifras.",
        },
        problems: &[
            (
                "META_CREDENTIALS_INVALID",
                TOKEN,
                "Meta no acepta este token: caducó, fue revocado o está incompleto.",
            ),
            (
                "META_CREDENTIALS_INVALID",
                APP_SECRET,
                "Esta no es la clave secreta de la app a la que pertenece el token.",
            ),
            ("META_CREDENTIALS_INVALID", APP_ID, "El token es de otra app."),
            (
                "META_PERMISSION_MISSING",
                TOKEN,
                "Al token le falta uno de los dos permisos para esta cuenta. Cree un token que tenga ambos.",
            ),
            (
                "META_NUMBER_MISMATCH",
                PHONE_ID,
                "Este identificador es de otro número, o el token no lo alcanza. Revise también el número de teléfono.",
            ),
            (
                "META_NUMBER_MISMATCH",
                WABA_ID,
                "El número no pertenece a esta cuenta, o el token no la alcanza.",
            ),
            (
                "META_PIN_MISMATCH",
                PIN,
                "El número tiene otro PIN. Escriba el correcto o cámbielo en el Administrador de WhatsApp.",
            ),
            (
                "META_NUMBER_NOT_VERIFIED",
                NUMBER,
                "El número aún no está verificado. Verifíquelo en el Administrador de WhatsApp e inténtelo de nuevo.",
            ),
            ("NUMBER_ALREADY_ACTIVE", NUMBER, "Este número ya está conectado a este servicio."),
            (
                "NUMBER_SOFT_DELETED",
                NUMBER,
                "Este número se eliminó hace poco. Quien le envió este enlace puede liberarlo.",
            ),
        ],
        general: &[
            ("VALIDATION_ERROR", "Hay un campo que no se puede leer. Revíselos todos."),
            (
                "META_REFUSED",
                "Meta rechazó la solicitud. Revise la cuenta en el Administrador de WhatsApp.",
            ),
            (
                "META_SIGNUP_STATE_INVALID",
                "Este formulario ya no era el más nuevo. Revíselo y envíelo de nuevo.",
            ),
            (
                "PROVIDER_NOT_CONFIGURED",
                "Este servidor no está configurado para esto. Avise a quien le envió el enlace.",
            ),
            (
                "UPSTREAM_ERROR",
                "Meta no responde como debería. No cambió nada; inténtelo de nuevo en unos minutos.",
            ),
            (
                "UPSTREAM_TIMEOUT",
                "Meta tardó demasiado en responder. No cambió nada; inténtelo de nuevo en unos minutos.",
            ),
            ("RATE_LIMITED", "Fueron demasiados intentos. Espere un minuto e inténtelo de nuevo."),
        ],
        check_fields: "Revise los campos marcados.",
        secrets_again: "Por seguridad, el token, la clave secreta y el PIN no quedan en el formulario: \
                        escríbalos de nuevo.",
    },
    checking: "Preguntando a Meta…",
    show: "Mostrar",
    hide: "Ocultar",
    required: "Este campo es necesario.",
};
