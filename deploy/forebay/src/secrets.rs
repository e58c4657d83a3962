//! The process's own secrets: from the environment, or made once and kept in the data directory. In production
//! weak ones stop every role from starting.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::bail;
use proto::secret::{Secret, random_secret};

use crate::data_dir::DataDir;
use crate::private_file;

/// The master secret.
pub(crate) const MASTER_ENV: &str = "SECRET_ENCRYPTION_KEY";
/// Those before it, newest first, comma-separated.
pub(crate) const PREVIOUS_ENV: &str = "SECRET_ENCRYPTION_KEY_PREVIOUS";
/// What ingress and control need of it, where they do not have it.
pub(crate) const SHARED_ENV: &str = "FOREBAY_SHARED_SECRET";
/// The public half of what provider credentials are sealed with. No secret.
pub(crate) const SEALING_ENV: &str = "FOREBAY_SEALING_KEY";
pub(crate) const MASTER_FILE: &str = "secret-encryption-key";
pub(crate) const ADMIN_ENV: &str = "ADMIN_TOKEN";
pub(crate) const DEVELOPER_ENV: &str = "DEVELOPER_ADMIN_TOKEN";
const LITELLM_ENV: &str = "LITELLM_MASTER_KEY";
pub(crate) const ADMIN_FILE: &str = "admin-token";

/// The shortest secret that production takes, in characters.
const STRONG_MIN: usize = 24;
const DISTINCT_MIN: usize = 8;
/// Parts of secrets that were never meant to be used.
const PLACEHOLDERS: [&str; 23] = [
    "changeme",
    "change-me",
    "change_me",
    "default",
    "dummy",
    "example",
    "fake",
    "password",
    "placeholder",
    "replace",
    "sample",
    "0123456789",
    "abcdefgh",
    "dev-only",
    "dev_only",
    "development",
    "insecure",
    "local-dev",
    "not-a-secret",
    "sk-1234",
    "test-only",
    "your-",
    "your_",
];

/// Whether this is production: `NODE_ENV=production`, the documented switch.
pub(crate) fn production() -> bool {
    env::var("NODE_ENV").is_ok_and(|value| value == "production")
}

/// Refuses weak secrets in production, whether this process uses them or not.
pub(crate) fn check_environment() -> anyhow::Result<()> {
    for name in [MASTER_ENV, PREVIOUS_ENV, SHARED_ENV, ADMIN_ENV, DEVELOPER_ENV, LITELLM_ENV] {
        given(name)?;
    }
    Ok(())
}

/// Where the operator's token is kept, if this directory keeps it rather than the environment.
pub(crate) fn admin_token_file(dir: &DataDir) -> Option<PathBuf> {
    let given = env::var(ADMIN_ENV).is_ok_and(|token| !token.is_empty());
    (!given).then(|| dir.file(ADMIN_FILE))
}

pub(crate) fn given_or_kept(name: &str, file: &Path) -> anyhow::Result<String> {
    if let Some(value) = given(name)? {
        return Ok(value);
    }
    if let Some(kept) = private_file::read(file)? {
        return Ok(kept);
    }
    let made = random_secret("")?;
    private_file::write(file, made.as_bytes())?;
    tracing::info!(file = %file.display(), "{name} was not set: made one, kept in this file");
    Ok(made)
}

/// The variable's value; an empty one counts as absent. Weak ones are refused in production.
pub(crate) fn given(name: &str) -> anyhow::Result<Option<String>> {
    let value = env::var(name).ok().filter(|value| !value.is_empty());
    if let Some(value) = value.as_deref().filter(|_| production() && name != SEALING_ENV) {
        check(name, value)?;
    }
    Ok(value)
}

/// Refuses a weak secret; one that is several, comma-separated, if any of them is weak.
fn check(name: &str, value: &str) -> anyhow::Result<()> {
    let parts = if name == PREVIOUS_ENV { value.split(',').collect() } else { vec![value] };
    match parts.into_iter().find_map(|part| weakness(part.trim())) {
        Some(why) => {
            bail!("{name} {why}, which production (NODE_ENV=production) does not take: make a random one")
        }
        None => Ok(()),
    }
}

/// What is wrong with a secret that somebody chose.
pub(crate) fn weakness(secret: &str) -> Option<String> {
    if secret.chars().count() < STRONG_MIN {
        return Some(format!("is shorter than {STRONG_MIN} characters"));
    }
    let lower = secret.to_lowercase();
    if let Some(word) = PLACEHOLDERS.into_iter().find(|word| lower.contains(word)) {
        return Some(format!("contains \"{word}\" as placeholders do"));
    }
    let distinct = lower.chars().collect::<std::collections::BTreeSet<_>>().len();
    (distinct < DISTINCT_MIN).then(|| format!("has fewer than {DISTINCT_MIN} different characters"))
}

/// The secret kept in `file`, made behind `prefix` if there is none yet.
pub(crate) fn kept_or_made(file: &Path, prefix: &str) -> anyhow::Result<Secret<String>> {
    if let Some(kept) = private_file::read(file)? {
        return Ok(Secret::new(kept));
    }
    let made = Secret::new(random_secret(prefix)?);
    private_file::write(file, made.expose().as_bytes())?;
    Ok(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_and_poor_secrets_are_weak() {
        for weak in [
            "short",
            "please-change-me-please-change-me",
            "Example-Example-Example-Example-42",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "0123456789abcdef0123456789abcdef",
        ] {
            assert!(weakness(weak).is_some(), "{weak}");
        }
        assert_eq!(weakness("b7Qm2-vX9_kLs8RtYw3ZpJc5NfHd6GgA"), None);
    }

    #[test]
    fn each_of_several_secrets_is_looked_at() {
        let strong = "b7Qm2-vX9_kLs8RtYw3ZpJc5NfHd6GgA";
        assert!(check(PREVIOUS_ENV, &format!("{strong}, {strong}")).is_ok());
        let refused = check(PREVIOUS_ENV, &format!("{strong},change-me")).unwrap_err().to_string();
        assert!(refused.contains(PREVIOUS_ENV) && !refused.contains(strong), "{refused}");
    }

    #[test]
    fn a_made_secret_stays_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("default-key");
        let made = kept_or_made(&file, "fb_").unwrap();
        assert!(made.expose().starts_with("fb_") && made.expose().len() > 40);
        assert_eq!(kept_or_made(&file, "fb_").unwrap().expose(), made.expose());
    }
}
