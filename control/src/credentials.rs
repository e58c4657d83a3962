//! Sealing provider credentials: what is looked at before a secret is sealed to the workers' key, after which nobody
//! here can read it again.

use proto::config::ProviderKind;
use proto::credential::{CredentialRecord, Owner, about};
use proto::secret::Secret;

use crate::Secrets;
use crate::error::Error;
use crate::store::credentials::CredentialRow;

/// The shortest and the longest secret, in characters.
const SECRET_CHARS: std::ops::RangeInclusive<usize> = 8..=4096;
/// The most that is shown of a secret's end.
const SHOWN_AT_END: usize = 4;

/// A credential to be made.
#[derive(Debug)]
pub(crate) struct NewCredential {
    pub(crate) id: String,
    pub(crate) owner: Owner,
    pub(crate) provider: String,
    pub(crate) kind: ProviderKind,
    pub(crate) base_url: Option<String>,
    pub(crate) secret: Secret<String>,
    pub(crate) models_allowed: Vec<String>,
    pub(crate) priority: u32,
    pub(crate) weight: u32,
    /// In nano-USD.
    pub(crate) budget_limit: Option<i64>,
    pub(crate) fallback_to_platform: bool,
    /// Name of who made it.
    pub(crate) created_by: String,
    /// The credential that it replaces.
    pub(crate) rotated_from: Option<String>,
    pub(crate) created_ms: u64,
}

/// Whether a secret can be one of that kind of provider; else what is wrong, without any of it.
pub(crate) fn check_shape(kind: ProviderKind, secret: &str) -> Result<(), String> {
    if !SECRET_CHARS.contains(&secret.chars().count()) {
        return Err(format!("it must have {} to {} characters", SECRET_CHARS.start(), SECRET_CHARS.end()));
    }
    if secret.trim() != secret {
        return Err("it must not begin or end with a space".to_owned());
    }
    if secret.contains(|c: char| c.is_control() || !c.is_ascii()) {
        return Err("it must have visible ASCII characters alone".to_owned());
    }
    let prefixes: &[&str] = match kind {
        ProviderKind::Openai => &["sk-"],
        ProviderKind::Anthropic => &["sk-ant-"],
        ProviderKind::Gemini => &["AI"],
        ProviderKind::OpenaiCompatible
        | ProviderKind::AzureOpenai
        | ProviderKind::Bedrock
        | ProviderKind::Scripted => return Ok(()),
    };
    if prefixes.iter().any(|prefix| secret.starts_with(prefix)) {
        return Ok(());
    }
    Err(format!("secrets of {} begin with {}", kind.as_str(), prefixes.join(" or ")))
}

/// What is shown of a secret ever after: how it begins, and its last four characters.
pub(crate) fn mask(secret: &str) -> String {
    let begin = if secret.starts_with("sk-") { "sk-".to_owned() } else { secret.chars().take(3).collect() };
    let count = secret.chars().count();
    let end: String = secret.chars().skip(count.saturating_sub(SHOWN_AT_END)).collect();
    format!("{begin}…{end}")
}

/// Seals a new credential. The row is not stored yet.
pub(crate) fn seal(secrets: &Secrets, new: NewCredential) -> Result<CredentialRow, Error> {
    let sealed = secrets.sealing.seal(&new.secret, &about(&new.id, &new.owner)).map_err(Error::Sealing)?;
    let record = CredentialRecord {
        id: new.id,
        owner: new.owner,
        provider: new.provider,
        kind: new.kind,
        base_url: new.base_url,
        sealed: sealed.to_string(),
        models_allowed: new.models_allowed,
        priority: new.priority,
        weight: new.weight,
        fallback_to_platform: new.fallback_to_platform,
        created_ms: new.created_ms,
    };
    Ok(CredentialRow {
        record,
        sealed_with: sealed.key_id,
        masked: mask(new.secret.expose()),
        budget_limit: new.budget_limit,
        created_by: new.created_by,
        rotated_from: new.rotated_from,
        last_validated_ms: None,
        last_used_ms: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_told_apart_by_kind() {
        for (kind, secret, fits) in [
            (ProviderKind::Openai, "sk-0123456789", true),
            (ProviderKind::Openai, "ak-0123456789", false),
            (ProviderKind::Anthropic, "sk-ant-0123456789", true),
            (ProviderKind::Anthropic, "sk-0123456789", false),
            (ProviderKind::Gemini, "AIza0123456789", true),
            (ProviderKind::Gemini, "sk-0123456789", false),
            (ProviderKind::OpenaiCompatible, "anything-goes", true),
            (ProviderKind::AzureOpenai, "short", false),
            (ProviderKind::AzureOpenai, " 0123456789", false),
        ] {
            assert_eq!(check_shape(kind, secret).is_ok(), fits, "{kind:?} {secret}");
        }
    }

    #[test]
    fn a_mask_shows_the_ends_alone() {
        assert_eq!(mask("sk-canary-0123456789"), "sk-…6789");
        assert_eq!(mask("AIza0123456789"), "AIz…6789");
    }
}
