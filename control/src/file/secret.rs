//! References to secrets. Nothing here repeats a secret in a message.

use std::io::Read;

use proto::config::SecretRef;
use proto::secret::Secret;

use super::Walk;
use super::fields::Text;

/// The shortest secret of a virtual key, in characters.
const SECRET_MIN: usize = 16;
/// The longest, so that it fits a header.
const SECRET_MAX: usize = 512;
/// How much of a file is read for a secret, in bytes.
const FILE_BYTES_MAX: u64 = 64 * 1024;
/// What stands in documentation and templates instead of a secret.
const PLACEHOLDERS: [&str; 9] = [
    "changeme",
    "change-me",
    "change_me",
    "placeholder",
    "your-key",
    "your_key",
    "example",
    "password",
    "dummy",
];
/// Fewer different characters than this are no secret.
const DIFFERENT_MIN: usize = 6;

/// A provider's `api_key`: a reference only, because the file is copied, reviewed and committed.
pub(super) fn provider_key(walk: &mut Walk<'_>, text: &Text<'_>) -> Option<SecretRef> {
    if refused_credential(walk, text) {
        return None;
    }
    let Ok(reference) = text.value.parse::<SecretRef>() else {
        let message = "expected env:NAME or file:PATH: the secret itself may not stand in this file";
        text.wrong(&mut walk.mistakes, message);
        return None;
    };
    // The workers read it. Only where they run in this process can its absence be known here.
    if walk.options.local_providers
        && let Err(problem) = fetch(walk, &reference)
    {
        text.wrong(&mut walk.mistakes, problem);
    }
    Some(reference)
}

/// The `secret` of a virtual key: a reference, or the secret itself.
pub(super) fn virtual_key(walk: &mut Walk<'_>, text: &Text<'_>) -> Option<Secret<String>> {
    if refused_credential(walk, text) {
        return None;
    }
    let is_reference = ["env:", "file:"].iter().any(|prefix| text.value.starts_with(prefix));
    let fetched = match text.value.parse::<SecretRef>() {
        Ok(reference) => fetch(walk, &reference),
        Err(error) if is_reference => Err(error.to_string()),
        Err(_) => Ok(Secret::new(text.value.to_owned())),
    };
    let checked = fetched.and_then(|secret| match weakness(secret.expose(), walk.options.production) {
        Some(problem) => Err(problem),
        None => Ok(secret),
    });
    match checked {
        Ok(secret) => Some(secret),
        Err(problem) => {
            text.wrong(&mut walk.mistakes, problem);
            None
        }
    }
}

fn refused_credential(walk: &mut Walk<'_>, text: &Text<'_>) -> bool {
    let refused = text.value.starts_with("credential:");
    if refused {
        let message = "`credential:ID` is not served by this release; expected env:NAME or file:PATH";
        text.wrong(&mut walk.mistakes, message);
    }
    refused
}

fn fetch(walk: &Walk<'_>, reference: &SecretRef) -> Result<Secret<String>, String> {
    let secret = match reference {
        SecretRef::Env(name) => {
            (walk.env)(name).ok_or_else(|| format!("the environment variable {name} is not set"))?
        }
        SecretRef::File(path) => {
            let mut text = String::new();
            let read = std::fs::File::open(path)
                .and_then(|file| file.take(FILE_BYTES_MAX).read_to_string(&mut text));
            read.map_err(|error| format!("cannot read {path}: {error}"))?;
            text.truncate(text.trim_end_matches(['\r', '\n']).len());
            text
        }
    };
    if secret.is_empty() {
        return Err(format!("{reference} is empty"));
    }
    Ok(Secret::new(secret))
}

/// What is wrong with the secret of a virtual key, without repeating any of it.
fn weakness(secret: &str, production: bool) -> Option<String> {
    let length = secret.chars().count();
    if length < SECRET_MIN {
        return Some(format!("expected a secret of {SECRET_MIN} characters or more, found {length}"));
    }
    if length > SECRET_MAX {
        return Some(format!("expected a secret of at most {SECRET_MAX} characters, found {length}"));
    }
    if !secret.bytes().all(|b| b.is_ascii_graphic()) {
        return Some(
            "expected a secret of visible ASCII characters, because it travels in a header".to_owned(),
        );
    }
    let different = secret.bytes().collect::<std::collections::BTreeSet<_>>().len();
    let lower = secret.to_lowercase();
    let weak = different < DIFFERENT_MIN || PLACEHOLDERS.iter().any(|p| lower.contains(p));
    (production && weak)
        .then(|| "the secret is a placeholder or too simple for production: use random characters".to_owned())
}
