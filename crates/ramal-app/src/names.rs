//! What may be a display name: of a number, a webhook, a project.

use crate::AppError;

/// Longest name, in characters.
pub(crate) const NAME_MAX: usize = 100;

/// A name without the white space around it.
pub(crate) fn check_name(name: &str) -> Result<String, AppError> {
    let name = name.trim();
    let length = name.chars().count();
    if length == 0 || length > NAME_MAX || has_control(name) {
        return Err(AppError::invalid(format!(
            "name has 1 to {NAME_MAX} characters and no control characters"
        )));
    }
    Ok(name.to_owned())
}

/// Whether a text has characters that no name has.
pub(crate) fn has_control(text: &str) -> bool {
    text.chars().any(char::is_control)
}
