//! What a business may send, checked by hand.

mod check;
mod part;
mod template;

pub(crate) use check::{check, kind_of, media_ids};
pub(crate) use template::check as check_template;
