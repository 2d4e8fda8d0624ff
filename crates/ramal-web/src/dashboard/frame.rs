//! What stands around every page: who is signed in, where they are, and what to tell them.

use axum::response::{AppendHeaders, IntoResponse as _, Response};
use http::{HeaderMap, HeaderName, HeaderValue};
use ramal_app::Language;

use super::{
    answer::{Flash, PageError, page},
    session::SignedIn,
    texts::{Common, when},
};
use crate::Web;

/// The pages of the menu.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    Numbers,
    Keys,
    Webhooks,
    Templates,
    Links,
    Profile,
    Audit,
    Phones,
}

/// One line of the menu.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) path: &'static str,
    pub(super) title: &'static str,
    pub(super) icon: &'static str,
    pub(super) here: bool,
}

/// What `layout.html` needs. Every template of a page has it as `frame`.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) language: &'static str,
    pub(super) texts: &'static Common,
    pub(super) email: String,
    pub(super) owner: bool,
    /// Of every form, as `form_token`.
    pub(super) token: String,
    pub(super) menu: Vec<Entry>,
    pub(super) flash: Option<Flash>,
    /// For switching the language and coming back.
    pub(super) path: String,
    tongue: Language,
}

impl Frame {
    /// The frame of a page. `path` is where it is.
    pub(super) fn new(
        web: &Web,
        by: &SignedIn,
        here: Section,
        path: &str,
        headers: &HeaderMap,
    ) -> Self {
        let texts = Common::of(by.language);
        let mut sections = vec![
            (Section::Numbers, "/numbers", texts.numbers, "phone"),
            (Section::Keys, "/api-keys", texts.keys, "key"),
            (Section::Webhooks, "/webhooks", texts.webhooks, "bolt"),
            (Section::Templates, "/templates", texts.templates, "page"),
            (Section::Links, "/links", texts.links, "link"),
            (Section::Audit, "/audit", texts.audit, "list"),
            (Section::Profile, "/profile", texts.profile, "person"),
        ];
        if web.sandbox {
            sections.push((Section::Phones, "/phones", texts.phones, "flask"));
        }
        let menu = sections.into_iter().map(|(section, path, title, icon)| Entry {
            path,
            title,
            icon,
            here: section == here,
        });
        Self {
            language: by.language.tag(),
            texts,
            email: by.user.email.to_string(),
            owner: by.is_owner(),
            token: by.secret.form_token(),
            menu: menu.collect(),
            flash: Flash::of(headers),
            path: path.to_owned(),
            tongue: by.language,
        }
    }

    /// The answer with a page that shows this frame.
    pub(super) fn answer(
        &self,
        web: &Web,
        template: &impl askama::Template,
    ) -> Result<Response, PageError> {
        Ok((self.shown(web).map(AppendHeaders), page(template)?).into_response())
    }

    /// The header that takes the message back which this page shows.
    pub(super) fn shown(&self, web: &Web) -> Option<[(HeaderName, HeaderValue); 1]> {
        self.flash.is_some().then(|| [Flash::shown(web)])
    }

    /// A moment, for `<time datetime>`, and readable without JavaScript: the script writes it in the
    /// reader's own time zone.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "templates pass references")]
    pub(super) fn when(&self, at: &ramal_domain::Timestamp) -> String {
        when(*at, self.tongue)
    }
}
