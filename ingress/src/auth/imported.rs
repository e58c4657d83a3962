//! Keys that came from another gateway with the bcrypt hash of their secret. Checking such a hash takes a large part of
//! a second of CPU, so it is done once for each secret and process, apart from what serves requests, and for a few
//! secrets at one time only: whoever guesses waits for other guesses and takes nothing from anybody else.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use moka::future::Cache;
use proto::secret::Secret;
use tokio::sync::Semaphore;

use super::Outage;

/// Verdicts that are remembered.
const VERDICTS: u64 = 50_000;
/// Checks that run or wait at one time: of one hash, and of all.
const WAITING_OF_ONE_MAX: usize = 4;
const WAITING_MAX: usize = 64;
/// The longest wait for a check to begin.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is known of secrets that belong to bcrypt hashes.
#[derive(Debug)]
pub(crate) struct Imported {
    /// By the keyed hash of a secret and a bcrypt hash: whether they belong together, which never changes.
    verdicts: Cache<String, bool>,
    running: Arc<Semaphore>,
    waiting: Arc<Mutex<HashMap<String, usize>>>,
}

impl Imported {
    /// Nothing known yet. At most half of the processors check.
    pub(crate) fn new() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            verdicts: Cache::new(VERDICTS),
            running: Arc::new(Semaphore::new((processors / 2).max(1))),
            waiting: Arc::default(),
        }
    }

    /// Whether `secret`, whose keyed hash is `hash`, is that of a bcrypt hash. Errs where too many wait to know.
    pub(super) async fn fits(&self, secret: &str, hash: &str, bcrypt: &str) -> Result<bool, Outage> {
        let name = format!("{hash}{bcrypt}");
        if let Some(fits) = self.verdicts.get(&name).await {
            return Ok(fits);
        }
        let check = self.check(secret, bcrypt);
        self.verdicts.try_get_with(name, check).await.map_err(|_: Arc<Outage>| Outage)
    }

    async fn check(&self, secret: &str, bcrypt: &str) -> Result<bool, Outage> {
        let place = Place::take(&self.waiting, bcrypt).ok_or(Outage)?;
        let running = Arc::clone(&self.running).acquire_owned();
        let permit =
            tokio::time::timeout(PATIENCE, running).await.map_err(|_| Outage)?.map_err(|_| Outage)?;
        let (secret, bcrypt) = (Secret::new(secret.to_owned()), bcrypt.to_owned());
        // Whoever asked may leave meanwhile: the check keeps its place until it is done.
        let checked = tokio::task::spawn_blocking(move || {
            let fits = bcrypt::verify(secret.expose(), &bcrypt).unwrap_or(false);
            drop((permit, place));
            fits
        });
        checked.await.map_err(|_| Outage)
    }
}

/// A place among the checks that run or wait.
struct Place {
    waiting: Arc<Mutex<HashMap<String, usize>>>,
    bcrypt: String,
}

impl Place {
    fn take(waiting: &Arc<Mutex<HashMap<String, usize>>>, bcrypt: &str) -> Option<Self> {
        let mut all = waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if all.values().sum::<usize>() >= WAITING_MAX {
            return None;
        }
        let of_one = all.entry(bcrypt.to_owned()).or_default();
        if *of_one >= WAITING_OF_ONE_MAX {
            return None;
        }
        *of_one += 1;
        Some(Self { waiting: Arc::clone(waiting), bcrypt: bcrypt.to_owned() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut all = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let left = all.get(&self.bcrypt).map_or(0, |n| n.saturating_sub(1));
        if left == 0 {
            all.remove(&self.bcrypt);
        } else {
            all.insert(self.bcrypt.clone(), left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_hash_keeps_few_waiting_and_all_hashes_not_many() {
        let imported = Imported::new();
        let take = |name: &str| Place::take(&imported.waiting, name);
        let of_one: Vec<_> = (0..WAITING_OF_ONE_MAX).map(|_| take("a").unwrap()).collect();
        assert!(take("a").is_none() && take("b").is_some());
        let others: Vec<_> =
            (WAITING_OF_ONE_MAX..WAITING_MAX).map(|n| take(&n.to_string()).unwrap()).collect();
        assert!(take("c").is_none());
        drop((of_one, others));
        assert!(imported.waiting.lock().unwrap().is_empty() && take("a").is_some());
    }

    #[tokio::test]
    async fn a_secret_is_checked_once() {
        let imported = Imported::new();
        let hash = bcrypt::hash("a-secret-of-old", 4).unwrap();
        assert!(imported.fits("a-secret-of-old", "1", &hash).await.unwrap());
        assert!(!imported.fits("another", "2", &hash).await.unwrap());
        // Known by now, whoever else is being checked.
        imported.running.close();
        assert!(imported.fits("a-secret-of-old", "1", &hash).await.unwrap());
        assert!(!imported.fits("another", "2", &hash).await.unwrap());
        assert!(imported.fits("a third", "3", &hash).await.is_err());
        assert!(!imported.fits("x", "2", "not a hash").await.is_ok_and(|fits| fits));
    }
}
