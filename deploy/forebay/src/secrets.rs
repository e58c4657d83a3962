//! The process's own secrets: from the environment, or made once and kept in the data directory. In production
//! weak ones stop every role from starting.

use std::env;
use std::path::Path;

use anyhow::{Context as _, bail};
use proto::canonical::Carrier;
use proto::seal::Wrapper;
use proto::secret::{MasterKey, Pepper, Secret, random_secret};

use crate::cli::{DEFAULT_DATA_DIR, Place};
use crate::data_dir::DataDir;
use crate::private_file;

const MASTER_ENV: &str = "SECRET_ENCRYPTION_KEY";
const MASTER_FILE: &str = "secret-encryption-key";
const ADMIN_ENV: &str = "ADMIN_TOKEN";
const ADMIN_FILE: &str = "admin-token";
/// Tells whether a later master secret is the same one, and nothing else about it.
const FINGERPRINT_FILE: &str = "secret-fingerprint";
const FINGERPRINT_TEXT: &str = "fingerprint of a data directory's master secret";

/// The shortest secret that production takes, in characters.
const STRONG_MIN: usize = 24;
const DISTINCT_MIN: usize = 8;
/// Parts of secrets that were never meant to be used.
const PLACEHOLDERS: [&str; 13] = [
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
    "dev-only",
];

/// Whether this is production: `NODE_ENV=production`, the documented switch.
pub(crate) fn production() -> bool {
    env::var("NODE_ENV").is_ok_and(|value| value == "production")
}

/// Refuses weak secrets in production, whether this process uses them or not.
pub(crate) fn check_environment() -> anyhow::Result<()> {
    given(MASTER_ENV)?;
    given(ADMIN_ENV)?;
    Ok(())
}

/// The keys derived from the master secret.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    /// Opens and makes payload keys.
    pub(crate) wrapper: Wrapper,
    /// Carries providers' opaque data.
    pub(crate) carrier: Carrier,
    /// Hashes virtual keys.
    pub(crate) pepper: Pepper,
}

impl Keys {
    fn derive(master: String) -> anyhow::Result<Self> {
        let master = MasterKey::new(master)?;
        Ok(Self {
            wrapper: Wrapper::new(&master.payload_wrapping_key()),
            carrier: Carrier::new(&master.carrier_key()),
            pepper: master.key_pepper(),
        })
    }

    /// For separate roles, which share one secret and so cannot make one.
    pub(crate) fn from_env() -> anyhow::Result<Self> {
        let master = given(MASTER_ENV)?.with_context(|| {
            format!("{MASTER_ENV} is not set: give every role the same string of 32 characters or more")
        })?;
        Self::derive(master)
    }

    /// For `forebay up`: what the environment does not give is made and kept.
    pub(crate) fn of_data_dir(dir: &DataDir) -> anyhow::Result<Self> {
        given_or_kept(ADMIN_ENV, &dir.file(ADMIN_FILE))?;
        let keys = Self::derive(given_or_kept(MASTER_ENV, &dir.file(MASTER_FILE))?)?;
        keys.check_fingerprint(&dir.file(FINGERPRINT_FILE))?;
        Ok(keys)
    }

    /// For a command about a deployment: from the environment, else what a running `up` keeps.
    pub(crate) fn of_place(place: &Place) -> anyhow::Result<Self> {
        if let Some(master) = given(MASTER_ENV)? {
            return Self::derive(master);
        }
        let dir = place.data_dir.as_deref().unwrap_or(Path::new(DEFAULT_DATA_DIR));
        let kept = private_file::read(&dir.join(MASTER_FILE))?;
        Self::derive(kept.with_context(|| format!("{MASTER_ENV} is not set"))?)
    }

    /// Random keys that nobody else knows, for what is thrown away afterwards.
    pub(crate) fn throw_away() -> anyhow::Result<Self> {
        Self::derive(random_secret("")?)
    }

    /// What control is given.
    pub(crate) fn for_control(&self) -> control::Secrets {
        control::Secrets { wrapper: self.wrapper.clone(), pepper: self.pepper.clone() }
    }

    /// What the workers need.
    pub(crate) fn for_workers(&self) -> workers::Secrets {
        workers::Secrets { wrapper: self.wrapper.clone(), carrier: self.carrier.clone() }
    }

    /// What an ingress is given.
    pub(crate) fn for_ingress(&self) -> ingress::Secrets {
        ingress::Secrets { wrapper: self.wrapper.clone(), pepper: self.pepper.clone() }
    }

    /// Another master secret than before could open nothing of what the directory holds.
    fn check_fingerprint(&self, file: &Path) -> anyhow::Result<()> {
        let now = self.pepper.hash(FINGERPRINT_TEXT);
        match private_file::read(file)? {
            Some(then) if then == now => Ok(()),
            Some(_) => bail!(
                "{MASTER_ENV} is not the one that the data directory was made with: set it to that one (or unset \
                 it, if it was made by Forebay), or start on another directory with --data-dir"
            ),
            None => private_file::write(file, now.as_bytes()),
        }
    }
}

fn given_or_kept(name: &str, file: &Path) -> anyhow::Result<String> {
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
fn given(name: &str) -> anyhow::Result<Option<String>> {
    let value = env::var(name).ok().filter(|value| !value.is_empty());
    if let Some(value) = &value
        && production()
        && let Some(why) = weakness(value)
    {
        bail!("{name} {why}, which production (NODE_ENV=production) does not take: make a random one");
    }
    Ok(value)
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
    fn a_made_secret_stays_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("default-key");
        let made = kept_or_made(&file, "fb_").unwrap();
        assert!(made.expose().starts_with("fb_") && made.expose().len() > 40);
        assert_eq!(kept_or_made(&file, "fb_").unwrap().expose(), made.expose());
    }

    #[test]
    fn another_master_secret_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("f");
        let first = Keys::throw_away().unwrap();
        first.check_fingerprint(&file).unwrap();
        first.check_fingerprint(&file).unwrap();
        assert!(Keys::throw_away().unwrap().check_fingerprint(&file).is_err());
    }
}
