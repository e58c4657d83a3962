//! The keys that a process derives from what it is given: all of them from the master secret, or, in a deployment
//! where workers alone have that, what ingress and control need and no more.
//!
//! A master secret is followed by a newer one without anything being lost: `SECRET_ENCRYPTION_KEY` is then the newer
//! one, with which credentials are sealed from now on, and `SECRET_ENCRYPTION_KEY_PREVIOUS` names those before it,
//! newest first, which open what was sealed before. What cannot change (how keys are hashed and payload keys are
//! wrapped) goes on being derived from the oldest of them, or from `FOREBAY_SHARED_SECRET` where that is set.

use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use proto::canonical::Carrier;
use proto::hpke::{self, OpeningKeys, SealingKey};
use proto::seal::Wrapper;
use proto::secret::{MasterKey, Pepper, SharedSecret, random_secret};

use crate::cli::{DEFAULT_DATA_DIR, Place};
use crate::data_dir::DataDir;
use crate::private_file;
use crate::secrets::{
    ADMIN_ENV, ADMIN_FILE, DEVELOPER_ENV, MASTER_ENV, MASTER_FILE, PREVIOUS_ENV, SEALING_ENV, SHARED_ENV,
    given, given_or_kept,
};

/// Tells whether a later master secret is the same one, and nothing else about it.
const FINGERPRINT_FILE: &str = "secret-fingerprint";
const FINGERPRINT_TEXT: &str = "fingerprint of a data directory's master secret";

/// The keys of a process.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    /// Opens and makes payload keys.
    pub(crate) wrapper: Wrapper,
    /// Hashes virtual keys.
    pub(crate) pepper: Pepper,
    /// Seals provider credentials.
    pub(crate) sealing: SealingKey,
    /// What only the master secret gives.
    private: Option<Private>,
    /// Hash of the operator's token.
    admin_token: Option<String>,
    /// Hash of the token that acts for every developer.
    developer_admin_token: Option<String>,
}

/// What workers need, and whoever seals credentials anew.
#[derive(Debug, Clone)]
struct Private {
    /// Carries providers' opaque data.
    carrier: Carrier,
    /// Opens provider credentials, old and new.
    opening: OpeningKeys,
    /// What the others are given of the master secret.
    shared: SharedSecret,
}

impl Keys {
    /// From the master secret, those before it (newest first), and what is given beside them.
    fn derive(
        master: String,
        previous: Vec<String>,
        shared: Option<SharedSecret>,
        sealing: Option<SealingKey>,
    ) -> anyhow::Result<Self> {
        let newest = MasterKey::new(master)?;
        let older = previous.into_iter().map(MasterKey::new).collect::<Result<Vec<_>, _>>();
        let older = older.with_context(|| format!("in {PREVIOUS_ENV}"))?;
        let oldest = older.last().unwrap_or(&newest);
        let shared = shared.unwrap_or_else(|| oldest.shared());
        let (own, opening) = hpke::pair(&newest.credential_key_material());
        let opening = older
            .iter()
            .fold(opening, |ring, older| ring.and(hpke::pair(&older.credential_key_material()).1));
        let sealing = sealing.unwrap_or(own);
        ensure!(
            opening.ids().any(|id| id == sealing.id()),
            "{SEALING_ENV} is not the public half of {MASTER_ENV}: nobody could open what is sealed with it"
        );
        let private =
            Private { carrier: Carrier::new(&oldest.carrier_key()), opening, shared: shared.clone() };
        Ok(Self::new(&shared, sealing, Some(private)))
    }

    fn new(shared: &SharedSecret, sealing: SealingKey, private: Option<Private>) -> Self {
        Self {
            wrapper: Wrapper::new(&shared.wrapping),
            pepper: shared.pepper.clone(),
            sealing,
            private,
            admin_token: None,
            developer_admin_token: None,
        }
    }

    /// From the master secret that was found, with what the environment says beside it.
    fn with_master(master: String) -> anyhow::Result<Self> {
        Self::derive(master, previous()?, shared()?, sealing()?)
    }

    /// For separate roles, which share one secret and so cannot make one.
    pub(crate) fn from_env() -> anyhow::Result<Self> {
        let keys = match (given(MASTER_ENV)?, shared()?, sealing()?) {
            (Some(master), shared, sealing) => Self::derive(master, previous()?, shared, sealing)?,
            (None, Some(shared), Some(sealing)) => Self::new(&shared, sealing, None),
            (None, Some(_), None) => bail!(
                "{SEALING_ENV} is not set: set it to what `forebay credentials public-key` prints where the workers \
                 run"
            ),
            (None, None, _) => bail!(
                "{MASTER_ENV} is not set: give every role the same string of 32 characters or more, or (not the \
                 workers) {SHARED_ENV}"
            ),
        };
        keys.with_tokens(given(ADMIN_ENV)?)
    }

    /// With the tokens that open the control plane, as their hashes.
    fn with_tokens(self, admin: Option<String>) -> anyhow::Result<Self> {
        let admin_token = admin.map(|token| self.pepper.hash(&token));
        let developer_admin_token = given(DEVELOPER_ENV)?.map(|token| self.pepper.hash(&token));
        Ok(Self { admin_token, developer_admin_token, ..self })
    }

    /// For `forebay up`: what the environment does not give is made and kept.
    pub(crate) fn of_data_dir(dir: &DataDir) -> anyhow::Result<Self> {
        let admin = given_or_kept(ADMIN_ENV, &dir.file(ADMIN_FILE))?;
        let master = given_or_kept(MASTER_ENV, &dir.file(MASTER_FILE))?;
        let keys = Self::with_master(master)?.with_tokens(Some(admin))?;
        keys.check_fingerprint(&dir.file(FINGERPRINT_FILE))?;
        Ok(keys)
    }

    /// For a command about a deployment: from the environment, else what a running `up` keeps.
    pub(crate) fn of_place(place: &Place) -> anyhow::Result<Self> {
        if given(MASTER_ENV)?.is_some() || shared()?.is_some() {
            return Self::from_env();
        }
        let dir = place.data_dir.as_deref().unwrap_or(Path::new(DEFAULT_DATA_DIR));
        let kept = private_file::read(&dir.join(MASTER_FILE))?;
        Self::with_master(kept.with_context(|| format!("{MASTER_ENV} is not set"))?)
    }

    /// Random keys that nobody else knows, for what is thrown away afterwards.
    pub(crate) fn throw_away() -> anyhow::Result<Self> {
        Self::derive(random_secret("")?, Vec::new(), None, None)
    }

    /// What control is given.
    pub(crate) fn for_control(&self) -> control::Secrets {
        control::Secrets {
            wrapper: self.wrapper.clone(),
            pepper: self.pepper.clone(),
            sealing: self.sealing.clone(),
            admin_token: self.admin_token.clone(),
            developer_admin_token: self.developer_admin_token.clone(),
        }
    }

    /// What the workers need. Errs where the master secret is not known.
    pub(crate) fn for_workers(&self) -> anyhow::Result<workers::Secrets> {
        let private = self.private()?;
        let (wrapper, carrier) = (self.wrapper.clone(), private.carrier.clone());
        Ok(workers::Secrets { wrapper, carrier, opening: private.opening.clone() })
    }

    /// What an ingress is given.
    pub(crate) fn for_ingress(&self) -> ingress::Secrets {
        ingress::Secrets { wrapper: self.wrapper.clone(), pepper: self.pepper.clone() }
    }

    /// What opens provider credentials. Errs where the master secret is not known.
    pub(crate) fn opening(&self) -> anyhow::Result<&OpeningKeys> {
        Ok(&self.private()?.opening)
    }

    /// What the roles without the master secret are given of it. Errs where it is not known.
    pub(crate) fn shared(&self) -> anyhow::Result<&SharedSecret> {
        Ok(&self.private()?.shared)
    }

    fn private(&self) -> anyhow::Result<&Private> {
        self.private.as_ref().with_context(|| {
            format!(
                "{MASTER_ENV} is not set: what only workers may do needs it, and {SHARED_ENV} is not enough"
            )
        })
    }

    /// Another master secret than before could open nothing of what the directory holds.
    fn check_fingerprint(&self, file: &Path) -> anyhow::Result<()> {
        let now = self.pepper.hash(FINGERPRINT_TEXT);
        match private_file::read(file)? {
            Some(then) if then == now => Ok(()),
            Some(_) => bail!(
                "{MASTER_ENV} is not the one that the data directory was made with: set it to that one (or unset \
                 it, if it was made by Forebay), name that one in {PREVIOUS_ENV}, or start on another directory with \
                 --data-dir"
            ),
            None => private_file::write(file, now.as_bytes()),
        }
    }
}

/// For `forebay ingress`, which needs no public half either.
pub(crate) fn ingress_from_env() -> anyhow::Result<ingress::Secrets> {
    match (given(MASTER_ENV)?, shared()?) {
        (None, Some(shared)) => {
            Ok(ingress::Secrets { wrapper: Wrapper::new(&shared.wrapping), pepper: shared.pepper })
        }
        _ => Ok(Keys::from_env()?.for_ingress()),
    }
}

/// Master secrets before the present one, newest first.
fn previous() -> anyhow::Result<Vec<String>> {
    let all = given(PREVIOUS_ENV)?.unwrap_or_default();
    Ok(all.split(',').map(str::trim).filter(|one| !one.is_empty()).map(str::to_owned).collect())
}

fn shared() -> anyhow::Result<Option<SharedSecret>> {
    Ok(given(SHARED_ENV)?.map(|text| text.trim().parse()).transpose()?)
}

fn sealing() -> anyhow::Result<Option<SealingKey>> {
    let given = given(SEALING_ENV)?;
    let parsed = given.map(|text| text.trim().parse()).transpose();
    parsed.with_context(|| format!("{SEALING_ENV} is not what `forebay credentials public-key` prints"))
}

#[cfg(test)]
mod tests {
    use proto::secret::Secret;

    use super::*;

    fn master() -> String {
        random_secret("").unwrap()
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

    #[test]
    fn a_newer_master_seals_the_older_opens_and_what_is_hashed_stays() {
        let (old, new) = (master(), master());
        let before = Keys::derive(old.clone(), Vec::new(), None, None).unwrap();
        let after = Keys::derive(new.clone(), vec![old], None, None).unwrap();
        assert_ne!(after.sealing, before.sealing);
        for keys in [&before, &after] {
            let sealed = keys.sealing.seal(&Secret::new("sk".to_owned()), "x").unwrap();
            assert_eq!(after.opening().unwrap().open(&sealed, "x").unwrap().expose(), "sk");
        }
        assert_eq!(after.pepper.hash("k"), before.pepper.hash("k"));
        // The older one can be let go of, if what it gave is given instead.
        let shared = Some(before.shared().unwrap().clone());
        let alone = Keys::derive(new, Vec::new(), shared, None).unwrap();
        assert_eq!(alone.pepper.hash("k"), before.pepper.hash("k"));
        assert_eq!(alone.sealing, after.sealing);
    }

    #[test]
    fn the_public_half_and_what_is_shared_do_for_control_and_for_no_worker() {
        let whole = Keys::throw_away().unwrap();
        let told: SharedSecret = whole.shared().unwrap().reveal().expose().parse().unwrap();
        let public: SealingKey = whole.sealing.to_string().parse().unwrap();
        let control = Keys::new(&told, public.clone(), None);
        assert_eq!(control.pepper.hash("k"), whole.pepper.hash("k"));
        assert_eq!(control.for_control().sealing, whole.sealing);
        assert!(control.for_workers().is_err() && control.opening().is_err() && control.shared().is_err());
        // A public half that no worker could open for is a mistake.
        let other = Keys::throw_away().unwrap().sealing;
        assert!(Keys::derive(master(), Vec::new(), None, Some(other)).is_err());
    }
}
