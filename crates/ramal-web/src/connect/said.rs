//! The API's sentences about Meta, in the reader's language: they are English, and known by their form.

use ramal_app::Language;

/// How the API says something, and what that is in another language. `{}` stands for an id or a name, in the
/// same order in both.
pub(crate) type Forms = &'static [(&'static str, &'static str)];

/// What Meta itself says follows in parentheses.
const OF_META: &str = " (Meta's error ";

/// What is known in a language; nothing of English.
pub(crate) const fn forms(language: Language) -> Forms {
    match language {
        Language::Portuguese => PORTUGUESE,
        Language::English => &[],
        Language::Spanish => SPANISH,
    }
}

/// A sentence of the API in the reader's language, with Meta's own words as they are; `None`: it stays as it
/// was said.
pub(crate) fn said(sentence: &str, language: Language) -> Option<String> {
    let sentence = sentence.strip_prefix("Meta refused: ").unwrap_or(sentence);
    let end = sentence.find(OF_META).unwrap_or(sentence.len());
    let (ours, theirs) = sentence.split_at_checked(end)?;
    let told = forms(language).iter().find_map(|(form, told)| {
        let parts = parts(form, ours)?;
        Some(parts.into_iter().fold((*told).to_owned(), |told, part| told.replacen("{}", part, 1)))
    });
    told.map(|told| told + theirs)
}

/// What stands in a sentence where its form has `{}`; `None`: it has another form.
fn parts<'a>(form: &str, sentence: &'a str) -> Option<Vec<&'a str>> {
    let mut fixed = form.split("{}");
    let mut rest = sentence.strip_prefix(fixed.next()?)?;
    let mut parts = Vec::new();
    for between in fixed {
        let end = if between.is_empty() { rest.len() } else { rest.find(between)? };
        parts.push(rest.get(..end)?);
        rest = rest.get(end + between.len()..)?;
    }
    rest.is_empty().then_some(parts)
}

const PORTUGUESE: Forms = &[
    ("metaAccessToken lacks the permission {}", "Falta ao token a permissão {}."),
    (
        "metaAccessToken has {}, but not for metaWabaId {}",
        "O token tem a permissão {}, mas não para a conta {}.",
    ),
    (
        "metaAccessToken is of app {}, not of metaAppId {}",
        "O token é do aplicativo {}, e não do {}.",
    ),
    (
        "metaPhoneId {} is another number, not number",
        "A identificação {} é de outro número de telefone.",
    ),
    ("metaPhoneId {} is {}, not number", "A identificação {} é do número de telefone {}."),
    (
        "Meta knows no metaPhoneId {} that this token may see",
        "A Meta não conhece o número {}, ou o token não o alcança.",
    ),
    (
        "Meta knows no metaWabaId {} that this token may see",
        "A Meta não conhece a conta {}, ou o token não a alcança.",
    ),
    (
        "metaPhoneId {} is no number of metaWabaId {}",
        "O número com a identificação {} não é da conta {}.",
    ),
    ("the WhatsApp Business account has no phone number", "A conta não tem nenhum número."),
    (
        "metaAppId is required: Meta does not say which app the token is of",
        "Falta a identificação do aplicativo: a Meta não diz de qual é o token.",
    ),
    (
        "Meta does not know the number any more, or the token may not see it",
        "A Meta não conhece mais o número, ou o token não o alcança.",
    ),
    (
        "the number is registered; Meta has not described it since",
        "O número está registrado; a Meta ainda não o descreveu desde então.",
    ),
    (
        "Meta refuses the access token or the app secret",
        "A Meta recusa o token de acesso ou a chave secreta do aplicativo",
    ),
    ("the access token does not have the permission", "O token de acesso não tem a permissão"),
    (
        "Meta does not know this, or the access token may not see it",
        "A Meta não conhece isto, ou o token de acesso não o alcança",
    ),
    ("Meta refuses the request", "A Meta recusa o pedido"),
    (
        "the phone number was registered too often; Meta wants a pause",
        "O número foi registrado vezes demais; a Meta quer uma pausa",
    ),
    (
        "the phone number is not registered with the Cloud API",
        "O número não está registrado na API de Nuvem",
    ),
    ("Meta has restricted the account", "A Meta restringiu a conta"),
    (
        "the account at Meta is not set up for this",
        "A conta na Meta não está configurada para isto",
    ),
    (
        "the number has another two-step verification PIN: send it as metaPin, or change it in WhatsApp Manager",
        "O número tem outro PIN de verificação em duas etapas.",
    ),
    (
        "the number is not verified at Meta yet: verify it in WhatsApp Manager first",
        "O número ainda não foi verificado na Meta.",
    ),
    ("Meta does not answer as it should; try again shortly", "A Meta não responde como devia."),
    ("Meta did not answer in time; try again shortly", "A Meta não respondeu a tempo."),
];

const SPANISH: Forms = &[
    ("metaAccessToken lacks the permission {}", "Al token le falta el permiso {}."),
    (
        "metaAccessToken has {}, but not for metaWabaId {}",
        "El token tiene el permiso {}, pero no para la cuenta {}.",
    ),
    (
        "metaAccessToken is of app {}, not of metaAppId {}",
        "El token es de la aplicación {}, y no de la {}.",
    ),
    (
        "metaPhoneId {} is another number, not number",
        "El identificador {} es de otro número de teléfono.",
    ),
    ("metaPhoneId {} is {}, not number", "El identificador {} es del número de teléfono {}."),
    (
        "Meta knows no metaPhoneId {} that this token may see",
        "Meta no conoce el número {}, o el token no lo alcanza.",
    ),
    (
        "Meta knows no metaWabaId {} that this token may see",
        "Meta no conoce la cuenta {}, o el token no la alcanza.",
    ),
    (
        "metaPhoneId {} is no number of metaWabaId {}",
        "El número con el identificador {} no es de la cuenta {}.",
    ),
    ("the WhatsApp Business account has no phone number", "La cuenta no tiene ningún número."),
    (
        "metaAppId is required: Meta does not say which app the token is of",
        "Falta el identificador de la aplicación: Meta no dice de cuál es el token.",
    ),
    (
        "Meta does not know the number any more, or the token may not see it",
        "Meta ya no conoce el número, o el token no lo alcanza.",
    ),
    (
        "the number is registered; Meta has not described it since",
        "El número está registrado; Meta aún no lo ha descrito desde entonces.",
    ),
    (
        "Meta refuses the access token or the app secret",
        "Meta rechaza el token de acceso o la clave secreta de la aplicación",
    ),
    ("the access token does not have the permission", "El token de acceso no tiene el permiso"),
    (
        "Meta does not know this, or the access token may not see it",
        "Meta no conoce esto, o el token de acceso no lo alcanza",
    ),
    ("Meta refuses the request", "Meta rechaza la solicitud"),
    (
        "the phone number was registered too often; Meta wants a pause",
        "El número se registró demasiadas veces; Meta quiere una pausa",
    ),
    (
        "the phone number is not registered with the Cloud API",
        "El número no está registrado en la API de la nube",
    ),
    ("Meta has restricted the account", "Meta restringió la cuenta"),
    (
        "the account at Meta is not set up for this",
        "La cuenta en Meta no está configurada para esto",
    ),
    (
        "the number has another two-step verification PIN: send it as metaPin, or change it in WhatsApp Manager",
        "El número tiene otro PIN de verificación en dos pasos.",
    ),
    (
        "the number is not verified at Meta yet: verify it in WhatsApp Manager first",
        "El número aún no está verificado en Meta.",
    ),
    ("Meta does not answer as it should; try again shortly", "Meta no responde como debería."),
    ("Meta did not answer in time; try again shortly", "Meta no respondió a tiempo."),
];

#[cfg(test)]
mod tests {
    use ramal_app::Refusal;

    use super::*;

    #[test]
    fn what_the_api_says_is_told_in_the_reader_s_language() {
        let pt = |sentence: &str| said(sentence, Language::Portuguese);
        assert_eq!(
            pt("metaAccessToken has a_scope, but not for metaWabaId 12345").as_deref(),
            Some("O token tem a permissão a_scope, mas não para a conta 12345.")
        );
        assert_eq!(
            pt("metaPhoneId 12345 is 5511, not number").as_deref(),
            Some("A identificação 12345 é do número de telefone 5511.")
        );
        assert_eq!(
            pt("Meta refused: Meta has restricted the account (Meta's error 368: Blocked)")
                .as_deref(),
            Some("A Meta restringiu a conta (Meta's error 368: Blocked)")
        );
        assert_eq!(pt("metaAccessToken: Session has expired"), None);
        assert_eq!(said("Meta has restricted the account", Language::English), None);
    }

    #[test]
    fn refusals_that_say_the_same_each_time_are_known() {
        for refusal in [
            Refusal::MetaPinMismatch,
            Refusal::MetaNumberNotVerified,
            Refusal::MetaUnavailable,
            Refusal::MetaTimeout,
        ] {
            assert!(said(&refusal.to_string(), Language::Spanish).is_some(), "{refusal}");
        }
    }

    #[test]
    fn every_language_knows_the_same_and_keeps_every_part() {
        let holes = |text: &str| text.matches("{}").count();
        assert_eq!(PORTUGUESE.len(), SPANISH.len());
        for ((english, portuguese), (again, spanish)) in PORTUGUESE.iter().zip(SPANISH) {
            assert_eq!(english, again);
            assert_eq!((holes(english), holes(english)), (holes(portuguese), holes(spanish)));
        }
    }
}
