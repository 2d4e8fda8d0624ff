//! What is told of official numbers: texts, what Meta's facts mean, and what is wrong with a form.

use ramal_app::{AppError, Language, Refusal, Step, StepName, StepStatus};

use crate::{
    connect::said::said,
    dashboard::{answer::sentence, texts::texts},
};

texts! {
    /// Official numbers.
    OfficialTexts {
        badge: "Oficial", "Official", "Oficial";
        qr_badge: "QR", "QR", "QR";
        add: "Novo número oficial", "New official number", "Nuevo número oficial";
        intro: "Um número da API de Nuvem da Meta, com as credenciais do seu próprio aplicativo da Meta.",
            "A number of Meta's Cloud API, with the credentials of your own app at Meta.",
            "Un número de la API de la nube de Meta, con las credenciales de su propia aplicación de Meta.";
        also: "Ou use a API oficial:", "Or take the official API:", "O use la API oficial:";
        empty: "O número está na API oficial", "The number is on the official API", "El número está en la API oficial";
        empty_hint: "Conecte um número da API de Nuvem da Meta, sem celular.",
            "Connect a number of Meta's Cloud API, without a phone.",
            "Conecte un número de la API de la nube de Meta, sin teléfono.";
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
        pin_hint: "Seis dígitos. Vazio: o que já está guardado, ou um novo.", "Six digits. Empty: the one that is kept here, or a new one.", "Seis dígitos. Vacío: el que ya está guardado, o uno nuevo.";
        marked: "Confira o que está marcado abaixo.", "See what is marked below.", "Revise lo que está marcado abajo.";
        again: "Por segurança, digite os segredos de novo.", "For safety, type the secrets again.", "Por seguridad, escriba los secretos de nuevo.";
        connect: "Conectar", "Connect", "Conectar";
        by_link: "Ou envie um link", "Or send a link", "O envíe un enlace";
        onboarding: "Conexão com a Meta", "Connection to Meta", "Conexión con Meta";
        in_review: "A Meta ainda está analisando o número. Olhamos de novo sem que você faça nada.",
            "Meta is still reviewing the number. We look again by ourselves.",
            "Meta aún está revisando el número. Volvemos a mirar automáticamente.";
        validate: "Credenciais válidas", "Credentials are good", "Credenciales válidas";
        waba: "O número é desta conta", "The number is of this account", "El número es de esta cuenta";
        register: "Registrado na API de Nuvem", "Registered with the Cloud API", "Registrado en la API de la nube";
        subscribe: "A Meta entrega aqui", "Meta delivers here", "Meta entrega aquí";
        verify: "Confirmado pela Meta", "Confirmed by Meta", "Confirmado por Meta";
        done: "feito", "done", "hecho";
        skipped: "não foi preciso", "not needed", "no hizo falta";
        failed: "falhou", "failed", "falló";
        pending: "pendente", "pending", "pendiente";
        why_here: "A Meta já entregava aqui.", "Meta delivered here already.", "Meta ya entregaba aquí.";
        why_registered: "Já estava registrado.", "It was registered already.", "Ya estaba registrado.";
        why_coexistence: "O aplicativo WhatsApp Business mantém o registro (coexistência).",
            "The WhatsApp Business app keeps the registration (coexistence).",
            "La aplicación WhatsApp Business conserva el registro (coexistencia).";
        why_elsewhere: "A Meta entrega as mensagens deste número em outro lugar.",
            "Meta delivers this number's messages elsewhere.",
            "Meta entrega los mensajes de este número en otro lugar.";
        facts: "O que a Meta diz", "What Meta says", "Lo que dice Meta";
        verified_name: "Nome verificado", "Verified name", "Nombre verificado";
        status: "Estado na Meta", "Status at Meta", "Estado en Meta";
        quality: "Qualidade", "Quality", "Calidad";
        quality_high: "alta", "high", "alta";
        quality_medium: "média", "medium", "media";
        quality_low: "baixa", "low", "baja";
        limit: "Pessoas por dia, por iniciativa própria", "People a day, on your own initiative", "Personas por día, por iniciativa propia";
        unlimited: "sem limite", "no limit", "sin límite";
        coexistence: "Também no aplicativo WhatsApp Business", "Also in the WhatsApp Business app", "También en la aplicación WhatsApp Business";
        yes: "sim", "yes", "sí";
        no: "não", "no", "no";
        likely: "provavelmente", "probably", "probablemente";
        account: "Conta", "Account", "Cuenta";
        token_ends: "O token de acesso vence", "The access token ends", "El token de acceso vence";
        token_soon: "vence em breve: conecte de novo com um novo", "it ends soon: connect again with a new one", "vence pronto: conecte de nuevo con uno nuevo";
        never: "nunca, ou não se sabe", "never, or not known", "nunca, o no se sabe";
        looked: "Perguntado à Meta", "Meta was asked", "Se preguntó a Meta";
        callback: "Endereço de retorno (callback)", "Callback address", "Dirección de retorno (callback)";
        verify_token: "Token de verificação", "Verify token", "Token de verificación";
        callback_hint: "Já está configurado na Meta para este número. Use os dois também no seu aplicativo da Meta, para saber de avisos sobre a conta.",
            "Meta has it for this number already. Use both in your app at Meta as well, to hear what concerns the account.",
            "Meta ya la tiene para este número. Use ambos también en su aplicación de Meta, para recibir avisos sobre la cuenta.";
        reveal: "Mostrar token de verificação", "Show the verify token", "Mostrar token de verificación";
        revealed_hint: "Que você o viu está na auditoria.", "The audit log says that you saw it.", "La auditoría dice que usted lo vio.";
        refresh: "Perguntar à Meta agora", "Ask Meta now", "Preguntar a Meta ahora";
        reconnect: "Conectar de novo", "Connect again", "Conectar de nuevo";
        reconnect_hint: "Com um token novo, se o antigo venceu. O que ficar vazio continua como está. Se algo falhar, nada muda.",
            "With a new token, if the old one ended. What is left empty stays as it is. If anything fails, nothing changes.",
            "Con un token nuevo, si el anterior venció. Lo que quede vacío sigue igual. Si algo falla, nada cambia.";
        delete_hint: "A Meta deixa de entregar aqui, o registro na API de Nuvem é desfeito e a chave deixa de valer na hora. O número pode ser restaurado por um tempo, na lista de excluídos.",
            "Meta delivers here no more, the number is deregistered from the Cloud API, and the key dies at once. The number can be restored for a while, from the list of deleted ones.",
            "Meta deja de entregar aquí, el registro en la API de la nube se anula y la clave deja de valer al instante. El número se puede restaurar por un tiempo, en la lista de eliminados.";
        migrate: "Mover para a API oficial", "Move to the official API", "Mover a la API oficial";
        migrate_short: "Da conexão por QR para a API de Nuvem da Meta, com o mesmo número.",
            "From the QR connection to Meta's Cloud API, with the same number.",
            "De la conexión por QR a la API de la nube de Meta, con el mismo número.";
        migrate_kept: "Identificação, chave de API, webhooks, links e mensagens continuam os mesmos: seu sistema não nota a mudança.",
            "Id, API key, webhooks, links and messages stay the same: your system does not notice.",
            "Identificador, clave de API, webhooks, enlaces y mensajes siguen iguales: su sistema no nota el cambio.";
        migrate_before: "Antes, adicione e verifique o número em uma conta do WhatsApp Business na Meta. Fora da coexistência, ele deixa de funcionar no aplicativo do celular.",
            "Before, add the number to a WhatsApp Business account at Meta and verify it there. Unless it coexists, it stops working in the phone's app.",
            "Antes, añada y verifique el número en una cuenta de WhatsApp Business en Meta. Salvo en coexistencia, deja de funcionar en la aplicación del teléfono.";
        migrate_after: "O aparelho é desconectado só depois que a Meta aceitar tudo. Se algo falhar, o número continua conectado como está.",
            "The device is unlinked only once Meta has accepted everything. If anything fails, the number stays connected as it is.",
            "El dispositivo se desvincula solo cuando Meta haya aceptado todo. Si algo falla, el número sigue conectado como está.";
        migrate_lost: "Grupos, canais e chamadas não existem na API oficial, e 24 horas depois da última mensagem de uma pessoa só modelos podem ser enviados a ela.",
            "The official API has no groups, channels or calls, and 24 hours after a person's last message only templates can be sent to them.",
            "La API oficial no tiene grupos, canales ni llamadas, y 24 horas después del último mensaje de una persona solo se le pueden enviar plantillas.";
    }
}

texts! {
    /// What can be wrong with official numbers.
    ProblemTexts {
        credentials: "A Meta recusa o token de acesso ou a chave secreta do aplicativo.",
            "Meta refuses the access token or the app secret.",
            "Meta rechaza el token de acceso o la clave secreta de la aplicación.";
        permission: "O token de acesso não tem as permissões necessárias para esta conta.",
            "The access token lacks permissions that are needed for this account.",
            "El token de acceso no tiene los permisos necesarios para esta cuenta.";
        mismatch: "O número e as identificações da Meta não são um do outro.",
            "The number and Meta's ids do not belong together.",
            "El número y los identificadores de Meta no se corresponden.";
        pin: "O PIN da verificação em duas etapas é outro.", "The two-step verification PIN is another one.", "El PIN de la verificación en dos pasos es otro.";
        not_verified: "O número ainda não foi verificado na Meta: verifique-o antes no Gerenciador do WhatsApp.",
            "The number is not verified at Meta yet: verify it in WhatsApp Manager first.",
            "El número aún no está verificado en Meta: verifíquelo antes en el Administrador de WhatsApp.";
        callback: "A Meta não alcança este servidor: o endereço público precisa ser https e acessível pela internet.",
            "Meta cannot reach this server: its public address must be https and reachable from the Internet.",
            "Meta no alcanza este servidor: su dirección pública debe ser https y accesible desde internet.";
        refused: "A Meta recusou.", "Meta refused.", "Meta rechazó.";
        silent: "A Meta não respondeu. Nada mudou; tente de novo em instantes.",
            "Meta did not answer. Nothing was changed; try again shortly.",
            "Meta no respondió. Nada cambió; inténtelo de nuevo en un momento.";
        unconfigured: "O operador deste servidor não configurou o cadastro incorporado da Meta. Peça as credenciais no lugar dele.",
            "The operator of this server has not set up Meta's Embedded Signup. Let the person type credentials instead.",
            "El operador de este servidor no ha configurado el registro insertado de Meta. Pida las credenciales en su lugar.";
        already: "O número já é oficial.", "The number is an official one already.", "El número ya es oficial.";
        id: "De 5 a 20 dígitos.", "5 to 20 digits.", "De 5 a 20 dígitos.";
        secret: "Copie-o inteiro, sem espaços.", "Copy all of it, without spaces.", "Cópielo entero, sin espacios.";
        six_digits: "Seis dígitos.", "Six digits.", "Seis dígitos.";
        which_app: "A Meta não diz de qual aplicativo é o token. Pela API, com metaAppId, o número conecta.",
            "Meta does not say which app the token is of. By the API, with metaAppId, the number connects.",
            "Meta no dice de qué aplicación es el token. Por la API, con metaAppId, el número se conecta.";
    }
}

/// Something wrong with a form, and beside which field it is told.
#[derive(Debug)]
pub(in crate::dashboard) struct Problem {
    field: &'static str,
    pub(in crate::dashboard) text: String,
    pub(in crate::dashboard) detail: Option<Detail>,
}

/// More of a problem.
#[derive(Debug)]
pub(in crate::dashboard) struct Detail {
    pub(in crate::dashboard) text: String,
    /// English where it is as Meta says it, or as nobody has translated it yet.
    pub(in crate::dashboard) language: &'static str,
}

impl Detail {
    /// What the API says beyond our sentence before it, in the reader's language, or else Meta's own words.
    fn of(sentence: &str, language: Language) -> Self {
        let theirs = sentence.split_once(" (Meta's error ");
        let theirs = theirs.and_then(|(_, tail)| tail.strip_suffix(')'));
        let told = match theirs {
            None => said(sentence, language),
            Some(_) => None,
        };
        match (told, theirs) {
            (Some(text), _) => Self { text, language: language.tag() },
            (None, Some(tail)) => Self::english(format!("Meta's error {tail}")),
            (None, None) => Self::english(sentence.to_owned()),
        }
    }

    /// The whole of what the API says Meta refused.
    fn whole(sentence: &str, language: Language) -> Self {
        match said(sentence, language) {
            Some(text) => Self { text, language: language.tag() },
            None => Self::english(sentence.to_owned()),
        }
    }

    const fn english(text: String) -> Self {
        Self { text, language: Language::English.tag() }
    }
}

impl Problem {
    /// What a refusal says of a form with credentials.
    pub(super) fn of(error: &AppError, language: Language) -> Self {
        let told = match error {
            AppError::Refused(refusal) => of_meta(refusal, language),
            AppError::Busy(_) | AppError::Internal(_) => None,
        };
        told.unwrap_or_else(|| {
            let words = error.to_string();
            let field = if words.starts_with("name has") {
                "name"
            } else if matches!(error.code(), "NUMBER_ALREADY_ACTIVE" | "NUMBER_SOFT_DELETED")
                || words.starts_with("number:")
            {
                "number"
            } else {
                ""
            };
            Self { field, text: sentence(error, language), detail: None }
        })
    }
}

impl Problem {
    /// The same above all fields, if its own is none of `fields`.
    pub(super) fn among(self, fields: &[&str]) -> Self {
        Self { field: if fields.contains(&self.field) { self.field } else { "" }, ..self }
    }
}

/// What is wrong with a form; nothing, mostly.
#[derive(Debug, Default)]
pub(in crate::dashboard) struct Problems(pub(super) Option<Problem>);

impl Problems {
    /// What is told beside a field; `""`: above them all.
    pub(in crate::dashboard) fn at(&self, field: &str) -> Option<&Problem> {
        self.0.as_ref().filter(|problem| problem.field == field)
    }

    /// Whether something is wrong.
    pub(in crate::dashboard) const fn any(&self) -> bool {
        self.0.is_some()
    }
}

/// What Meta, or what is asked of it, is refused for, in the reader's language.
#[expect(clippy::wildcard_enum_match_arm, reason = "the others have nothing to do with Meta")]
fn of_meta(refusal: &Refusal, language: Language) -> Option<Problem> {
    let t = ProblemTexts::of(language);
    let more = |sentence: &String| Detail::of(sentence, language);
    let (field, text, detail) = match refusal {
        Refusal::MetaCredentialsInvalid(detail) => {
            let of_secret = detail.contains("appsecret_proof");
            (if of_secret { "secret" } else { "token" }, t.credentials, Some(more(detail)))
        }
        Refusal::MetaPermissionMissing(detail) => {
            let of_account = detail.contains("metaWabaId");
            (if of_account { "waba-id" } else { "token" }, t.permission, Some(more(detail)))
        }
        Refusal::MetaNumberMismatch(detail) => {
            let of_account = detail.contains("metaWabaId");
            (if of_account { "waba-id" } else { "phone-id" }, t.mismatch, Some(more(detail)))
        }
        Refusal::MetaPinMismatch => ("pin", t.pin, None),
        Refusal::MetaNumberNotVerified => ("number", t.not_verified, None),
        Refusal::MetaCallbackUnreachable => ("", t.callback, None),
        Refusal::MetaRefused(detail) => ("", t.refused, Some(Detail::whole(detail, language))),
        Refusal::MetaUnavailable | Refusal::MetaTimeout => ("", t.silent, None),
        Refusal::ProviderNotConfigured(_) => ("", t.unconfigured, None),
        Refusal::NumberAlreadyOfficial => ("", t.already, None),
        Refusal::Validation(words) => of_words(words, t)?,
        _ => return None,
    };
    Some(Problem { field, text: text.to_owned(), detail })
}

/// What is wrong with what was typed, known by how the API's sentence begins.
fn of_words(words: &str, t: &ProblemTexts) -> Option<(&'static str, &'static str, Option<Detail>)> {
    let known = [
        ("metaPhoneId", "phone-id", t.id),
        ("metaWabaId", "waba-id", t.id),
        ("metaAccessToken", "token", t.secret),
        ("metaAppSecret", "secret", t.secret),
        ("metaPin", "pin", t.six_digits),
        // These forms do not ask for it.
        ("metaAppId is required", "", t.which_app),
    ];
    let found = known.into_iter().find(|(begins, ..)| words.starts_with(begins));
    found.map(|(_, field, text)| (field, text, None))
}

/// A refusal that has to do with Meta, as one sentence; `None`: it has not.
pub(in crate::dashboard) fn meta_sentence(refusal: &Refusal, language: Language) -> Option<String> {
    if let Refusal::Validation(_) = refusal {
        return None;
    }
    let problem = of_meta(refusal, language)?;
    Some(match problem.detail {
        Some(detail) => format!("{} ({})", problem.text, detail.text),
        None => problem.text,
    })
}

impl OfficialTexts {
    pub(super) const fn step(&self, step: StepName) -> &'static str {
        match step {
            StepName::Validate => self.validate,
            StepName::Waba => self.waba,
            StepName::Register => self.register,
            StepName::Subscribe => self.subscribe,
            StepName::Verify => self.verify,
        }
    }

    /// How far a step has come, with the class and the icon that show it.
    pub(super) const fn progress(
        &self,
        status: StepStatus,
    ) -> (&'static str, &'static str, &'static str) {
        match status {
            StepStatus::Done => (self.done, "good", "tick"),
            StepStatus::Skipped => (self.skipped, "", "tick"),
            StepStatus::Failed => (self.failed, "bad", "warn"),
            StepStatus::Pending => (self.pending, "warn", "clock"),
        }
    }

    /// Why a step stands where it does: what we say of it in the reader's language, all else as it was
    /// said.
    pub(super) fn detail(&self, step: &Step, language: Language) -> Option<String> {
        let detail = step.detail.as_deref()?;
        let known = [
            ("Meta delivers here already", self.why_here),
            ("it was registered already", self.why_registered),
            ("the WhatsApp Business app keeps", self.why_coexistence),
            ("Meta is reviewing", self.in_review),
            ("Meta delivers the number's webhooks elsewhere", self.why_elsewhere),
            ("Meta cannot reach this server", ProblemTexts::of(language).callback),
        ];
        let found = known.into_iter().find(|(begins, _)| detail.starts_with(begins));
        let told = found.map(|(_, text)| text.to_owned()).or_else(|| said(detail, language));
        Some(told.unwrap_or_else(|| detail.to_owned()))
    }

    /// Meta's rating, in a word, with the class that shows it; `None`: Meta has none yet.
    pub(in crate::dashboard) fn quality(
        &self,
        rating: Option<&str>,
    ) -> Option<(&'static str, &'static str)> {
        match rating? {
            "GREEN" => Some((self.quality_high, "good")),
            "YELLOW" => Some((self.quality_medium, "warn")),
            "RED" => Some((self.quality_low, "bad")),
            _ => None,
        }
    }

    /// How many people may be written to: `TIER_2K` is 2000.
    pub(super) fn limit(&self, tier: &str) -> String {
        match tier.strip_prefix("TIER_").unwrap_or(tier) {
            "UNLIMITED" => self.unlimited.to_owned(),
            count => match count.strip_suffix('K') {
                Some(thousands) => format!("{thousands}000"),
                None => count.to_owned(),
            },
        }
    }

    /// Whether the WhatsApp Business app has the number too; `None`: it is not known.
    pub(super) fn coexists(&self, state: &str) -> Option<&'static str> {
        match state {
            "CONFIRMED" => Some(self.yes),
            "LIKELY" => Some(self.likely),
            "NO" => Some(self.no),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(refusal: Refusal) -> Problem {
        Problem::of(&refusal.into(), Language::English)
    }

    #[test]
    fn a_refusal_is_told_beside_the_field_that_mends_it() {
        let words = |text: &str| text.to_owned();
        for (refusal, field) in [
            (Refusal::MetaCredentialsInvalid(words("metaAccessToken: it expired")), "token"),
            (Refusal::MetaCredentialsInvalid(words("Invalid appsecret_proof")), "secret"),
            (Refusal::MetaPermissionMissing(words("metaAccessToken lacks …")), "token"),
            (Refusal::MetaPermissionMissing(words("but not for metaWabaId 1")), "waba-id"),
            (Refusal::MetaNumberMismatch(words("metaPhoneId 1 is +2, not number")), "phone-id"),
            (Refusal::MetaNumberMismatch(words("Meta knows no metaWabaId 1")), "waba-id"),
            (Refusal::MetaPinMismatch, "pin"),
            (Refusal::MetaNumberNotVerified, "number"),
            (Refusal::MetaTimeout, ""),
            (Refusal::Validation(words("metaPin has six digits")), "pin"),
            (Refusal::Validation(words("metaAppId is required: Meta …")), ""),
            (Refusal::Validation(words("name has 1 to 100 characters")), "name"),
            (Refusal::NumberAlreadyActive, "number"),
        ] {
            let problem = told(refusal.clone());
            assert_eq!(problem.field, field, "{refusal:?}");
            assert!(!problem.text.is_empty(), "{refusal:?}");
        }
    }

    #[test]
    fn every_refusal_of_meta_has_a_sentence_in_the_reader_s_language() {
        for refusal in Refusal::all() {
            let english = meta_sentence(&refusal, Language::English);
            if refusal.code().starts_with("META_") && english.is_none() {
                // What Meta's own requests are refused for is never shown on a page.
                let wire = ["META_SIGNATURE_INVALID", "META_VERIFY_TOKEN_INVALID"];
                let page = "META_SIGNUP_STATE_INVALID";
                assert!(wire.contains(&refusal.code()) || refusal.code() == page, "{refusal:?}");
            }
            assert_eq!(english.is_some(), meta_sentence(&refusal, Language::Spanish).is_some());
        }
    }

    #[test]
    fn nothing_is_said_twice() {
        let words = "Meta refuses the access token or the app secret (Meta's error 190: expired)";
        let problem = told(Refusal::MetaCredentialsInvalid(words.to_owned()));
        assert_eq!(problem.detail.unwrap().text, "Meta's error 190: expired");
    }

    #[test]
    fn details_of_ours_are_in_the_reader_s_language_and_those_of_meta_in_english() {
        let told = |refusal: Refusal| {
            let problem = Problem::of(&refusal.into(), Language::Spanish);
            let Detail { text, language } = problem.detail.unwrap();
            (text, language)
        };
        let words = |text: &str| text.to_owned();
        assert_eq!(
            told(Refusal::MetaPermissionMissing(words("metaAccessToken lacks the permission a_b"))),
            (words("Al token le falta el permiso a_b."), "es")
        );
        assert_eq!(
            told(Refusal::MetaCredentialsInvalid(words("metaAccessToken: Session has expired"))),
            (words("metaAccessToken: Session has expired"), "en")
        );
        assert_eq!(
            told(Refusal::MetaRefused(words(
                "Meta has restricted the account (Meta's error 368: x)"
            ))),
            (words("Meta restringió la cuenta (Meta's error 368: x)"), "es")
        );
    }

    #[test]
    fn a_step_that_failed_says_why_in_the_reader_s_language() {
        let step = Step {
            step: StepName::Validate,
            status: StepStatus::Failed,
            detail: Some(
                "Meta refuses the access token or the app secret (Meta's error 190: x)".to_owned(),
            ),
        };
        let told = OfficialTexts::of(Language::Portuguese).detail(&step, Language::Portuguese);
        let ours = "A Meta recusa o token de acesso ou a chave secreta do aplicativo (Meta's error 190: x)";
        assert_eq!(told.as_deref(), Some(ours));
    }

    #[test]
    fn limits_are_numbers() {
        let t = OfficialTexts::of(Language::English);
        for (tier, shown) in
            [("TIER_250", "250"), ("TIER_2K", "2000"), ("TIER_UNLIMITED", "no limit"), ("X", "X")]
        {
            assert_eq!(t.limit(tier), shown);
        }
    }
}
