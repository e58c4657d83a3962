//! Sealed credentials: what the bucket holds, opened when one is first called with, and forgotten when it changes or
//! goes.
//!
//! Every worker follows the whole bucket; no other role may read it. A secret is in the clear in memory alone, in the
//! headers of the connections that were opened with it, and those are closed with the credential.

mod strikes;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use async_nats::jetstream::kv::{self, Operation};
use futures_util::StreamExt;
use proto::config::{Provider, SecretRef};
use proto::credential::{CredentialRecord, Owner};
use proto::hpke::{HpkeError, OpeningKeys, Sealed};
use proto::nats::Link;
use proto::secret::Secret;
use proto::subject;
use tokio::sync::{Mutex as AsyncMutex, watch};

use crate::config::Config;
use crate::error::chain;
use crate::http::{UnusableError, Upstream};
use strikes::{Change, Strikes};

const RETRY_DELAY: Duration = Duration::from_millis(250);
/// Rows that one credential is kept ready for.
const ROWS_MAX: usize = 4;
/// Connections of a credential that nobody has called with for this long are closed.
const IDLE: Duration = Duration::from_secs(300);

/// Why a credential cannot be called with.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    /// It does not open.
    #[error("the sealed secret does not open")]
    Sealed(#[from] HpkeError),
    /// What it is for cannot be called.
    #[error("what the credential is for cannot be called")]
    Unusable(#[from] UnusableError),
}

/// All credentials that there are.
#[derive(Debug)]
pub(crate) struct Vault {
    keys: OpeningKeys,
    settings: Config,
    index: RwLock<Index>,
    /// How many there are: with none, nothing is looked up.
    count: AtomicUsize,
    loaded: watch::Sender<bool>,
    started: Instant,
}

#[derive(Debug, Default)]
struct Index {
    by_id: HashMap<String, Arc<Credential>>,
    /// In order of preference: by priority, the newest first among equals.
    by_owner: HashMap<Owner, Vec<Arc<Credential>>>,
}

/// One credential, and what was opened with it.
#[derive(Debug)]
pub(crate) struct Credential {
    /// As the bucket has it.
    pub(crate) record: CredentialRecord,
    /// With the row that each was built from.
    opened: AsyncMutex<Vec<(Provider, Arc<Upstream>)>>,
    strikes: Mutex<Strikes>,
    /// When it was last called with, in milliseconds of uptime.
    used_ms: AtomicU64,
}

impl Vault {
    /// An empty one; [`Vault::follow`] fills it.
    pub(crate) fn new(keys: OpeningKeys, settings: Config) -> Self {
        Self {
            keys,
            settings,
            index: RwLock::default(),
            count: AtomicUsize::new(0),
            loaded: watch::Sender::new(false),
            started: Instant::now(),
        }
    }

    /// Follows the bucket for ever; a failed watch is started again.
    pub(crate) async fn follow(&self, link: &Link) {
        loop {
            if let Err(error) = self.watch(link).await {
                tracing::debug!(error, "watch of the credentials ended, starting again");
            }
            tokio::time::sleep(RETRY_DELAY).await;
        }
    }

    async fn watch(&self, link: &Link) -> Result<(), String> {
        let store = link.js.get_key_value(subject::CREDENTIALS_BUCKET).await.map_err(|e| e.to_string())?;
        let mut entries = store.watch_with_history(">").await.map_err(|e| e.to_string())?;
        if store.status().await.is_ok_and(|status| status.values() == 0) {
            self.loaded.send_replace(true);
        }
        while let Some(entry) = entries.next().await {
            let entry = entry.map_err(|e| e.to_string())?;
            self.take(&entry);
            if entry.delta == 0 {
                self.loaded.send_replace(true);
            }
        }
        Ok(())
    }

    /// Waits until what the bucket holds is known, but not for long.
    pub(crate) async fn loaded(&self, patience: Duration) {
        let mut loaded = self.loaded.subscribe();
        if tokio::time::timeout(patience, loaded.wait_for(|loaded| *loaded)).await.is_err() {
            tracing::warn!("the credentials are not all known yet");
        }
    }

    fn take(&self, entry: &kv::Entry) {
        if entry.operation != Operation::Put {
            return self.remove(&entry.key);
        }
        match serde_json::from_slice::<CredentialRecord>(&entry.value) {
            Ok(record) if record.id == entry.key => self.insert(record),
            Ok(_) => tracing::error!(credential = entry.key, "a credential stands under another one's name"),
            Err(error) => {
                tracing::error!(credential = entry.key, %error, "a projected credential does not decode");
            }
        }
    }

    /// Takes in what became of a credential. What was opened with it before is closed once its calls have ended.
    pub(crate) fn insert(&self, record: CredentialRecord) {
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        if index.by_id.get(&record.id).is_some_and(|there| there.record == record) {
            return;
        }
        index.remove(&record.id);
        let (id, owner) = (record.id.clone(), record.owner.clone());
        let credential = Arc::new(Credential {
            record,
            opened: AsyncMutex::default(),
            strikes: Mutex::default(),
            used_ms: AtomicU64::new(0),
        });
        index.by_id.insert(id, Arc::clone(&credential));
        let owned = index.by_owner.entry(owner).or_default();
        owned.push(credential);
        owned.sort_by_key(|c| (c.record.priority, std::cmp::Reverse(c.record.created_ms)));
        self.count.store(index.by_id.len(), Ordering::Release);
    }

    /// A credential is gone.
    fn remove(&self, id: &str) {
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        index.remove(id);
        self.count.store(index.by_id.len(), Ordering::Release);
    }

    /// The credential of that id.
    pub(crate) fn get(&self, id: &str) -> Option<Arc<Credential>> {
        self.read(|index| index.by_id.get(id).cloned()).flatten()
    }

    /// The credentials of one owner, in order of preference.
    pub(crate) fn of(&self, owner: &Owner) -> Vec<Arc<Credential>> {
        self.read(|index| index.by_owner.get(owner).cloned()).flatten().unwrap_or_default()
    }

    /// The platform's credentials for a provider, in order of preference: those made for it, and the one that its
    /// row names. None of them is refused by the provider at present, unless all of them are.
    pub(crate) fn pool(&self, row: &Provider) -> Vec<Arc<Credential>> {
        let named = match &row.api_key {
            Some(SecretRef::Credential(id)) => Some(id),
            Some(SecretRef::Env(_) | SecretRef::File(_)) | None => None,
        };
        let ours = |c: &Arc<Credential>| c.record.provider == row.name || Some(&c.record.id) == named;
        let pool: Vec<_> = self.of(&Owner::Platform).into_iter().filter(ours).collect();
        let now = Instant::now();
        let taken: Vec<_> = pool.iter().filter(|c| !c.out(now)).cloned().collect();
        if taken.is_empty() { pool } else { taken }
    }

    fn read<T>(&self, look: impl FnOnce(&Index) -> T) -> Option<T> {
        if self.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        Some(look(&self.index.read().unwrap_or_else(PoisonError::into_inner)))
    }

    /// What is called with the credential: `row`, or the endpoint of its own that a tenant's credential is for.
    pub(crate) async fn open(
        &self,
        credential: &Credential,
        row: Option<&Provider>,
    ) -> Result<Arc<Upstream>, OpenError> {
        let uptime = self.started.elapsed().as_millis();
        credential.used_ms.store(u64::try_from(uptime).unwrap_or(u64::MAX), Ordering::Relaxed);
        let row =
            row.cloned().unwrap_or_else(|| credential.own_row(self.settings.tenants_on_private_network));
        let mut opened = credential.opened.lock().await;
        if let Some((_, upstream)) = opened.iter().find(|(built, _)| *built == row) {
            return Ok(Arc::clone(upstream));
        }
        let secret = self.unseal(&credential.record)?;
        let upstream = Arc::new(Upstream::build(&row, &self.settings, None, Some(secret)).await?);
        // Of a row that has changed only the newest is called from now on.
        opened.retain(|(built, _)| built.name != row.name);
        opened.truncate(ROWS_MAX - 1);
        opened.push((row, Arc::clone(&upstream)));
        Ok(upstream)
    }

    fn unseal(&self, record: &CredentialRecord) -> Result<Secret<String>, HpkeError> {
        let sealed: Sealed = record.sealed.parse()?;
        self.keys.open(&sealed, &record.about())
    }

    /// Closes what nobody has called with for a while.
    pub(crate) fn close_idle(&self) {
        let uptime = self.started.elapsed().as_millis();
        let idle = u128::from(u64::try_from(IDLE.as_millis()).unwrap_or(u64::MAX));
        self.read(|index| {
            for credential in index.by_id.values() {
                let used = u128::from(credential.used_ms.load(Ordering::Relaxed));
                if uptime.saturating_sub(used) > idle
                    && let Ok(mut opened) = credential.opened.try_lock()
                {
                    opened.clear();
                }
            }
        });
    }
}

impl Index {
    fn remove(&mut self, id: &str) {
        let Some(gone) = self.by_id.remove(id) else { return };
        let owner = &gone.record.owner;
        let empty = self.by_owner.get_mut(owner).is_some_and(|owned| {
            owned.retain(|there| there.record.id != id);
            owned.is_empty()
        });
        if empty {
            self.by_owner.remove(owner);
        }
    }
}

impl Credential {
    /// The endpoint of a tenant's credential: its own address, else that of its own vendor, and a public one always.
    fn own_row(&self, allow_private_network: bool) -> Provider {
        let kind = self.record.kind;
        let name = format!("tenant/{}", kind.as_str());
        let base_url = self.record.base_url.clone();
        Provider { base_url, allow_private_network, ..Provider::new(name, kind) }
    }

    fn out(&self, now: Instant) -> bool {
        self.strikes.lock().unwrap_or_else(PoisonError::into_inner).out(now)
    }

    /// The provider has answered a call with it, with this status. Whether a platform's credential was refused is
    /// counted; a tenant mends its own.
    pub(crate) fn answered(&self, status: u16) {
        if self.record.owner != Owner::Platform {
            return;
        }
        let mut strikes = self.strikes.lock().unwrap_or_else(PoisonError::into_inner);
        let change = match status {
            401 | 403 => strikes.refused(Instant::now()),
            // Neither says that the key is good.
            429 | 500.. => Change::None,
            _ => strikes.taken(),
        };
        let (credential, provider) = (&self.record.id, &self.record.provider);
        match change {
            Change::None => {}
            Change::Out => tracing::warn!(credential, provider, status, "credential left out for a while"),
            Change::Back => tracing::info!(credential, provider, "credential taken again"),
        }
    }
}

/// A credential that cannot be called with, in the log: why, and never what is in it.
pub(crate) fn not_opened(credential: &Credential, error: &OpenError) {
    let record = &credential.record;
    tracing::warn!(
        credential = record.id,
        owner = record.owner.scope(),
        kind = record.kind.as_str(),
        error = chain(error),
        "credential cannot be used"
    );
}

#[cfg(test)]
mod tests;
