//! Where a running `forebay up` is reached: written by it into its data directory, read by every other command.

use std::path::Path;

use anyhow::{Context as _, bail};
use proto::secret::Secret;
use serde::{Deserialize, Serialize};

use crate::cli::{DEFAULT_DATA_DIR, Place};
use crate::nats_server::Identity;
use crate::private_file;

const FILE: &str = "endpoint.json";

/// The addresses of a running `up`; the file is mode 0600, because a password stands in it.
#[derive(Debug, Serialize, Deserialize)]
struct OnDisk {
    process: Identity,
    nats_url: String,
    database_url: String,
    http: String,
    admin: String,
}

/// Where NATS and the database of a deployment are.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    /// Comma-separated addresses of the servers, with user and password where needed.
    pub(crate) nats_url: Secret<String>,
    /// SQLite or PostgreSQL, with password where needed.
    pub(crate) database_url: Secret<String>,
}

/// Writes down where this process is reached.
pub(crate) fn announce(dir: &Path, endpoint: &Endpoint, http: &str, admin: &str) -> anyhow::Result<()> {
    let on_disk = OnDisk {
        process: Identity::own().context("/proc does not know this process")?,
        nats_url: endpoint.nats_url.expose().clone(),
        database_url: endpoint.database_url.expose().clone(),
        http: http.to_owned(),
        admin: admin.to_owned(),
    };
    private_file::write(&dir.join(FILE), &serde_json::to_vec_pretty(&on_disk)?)
}

/// Takes it back, at the end of an orderly run.
pub(crate) fn withdraw(dir: &Path) {
    if let Err(error) = std::fs::remove_file(dir.join(FILE)) {
        tracing::debug!(error = %error, "no endpoint to remove");
    }
}

impl Endpoint {
    /// The deployment a command is about: the running `up` of a directory that was named, else the one that
    /// `NATS_URL` and `DATABASE_URL` name together, else the running `up` of the default directory.
    pub(crate) fn locate(place: &Place) -> anyhow::Result<Self> {
        match (&place.data_dir, &place.nats_url, &place.database_url) {
            (None, Some(nats), Some(database)) => {
                Ok(Self { nats_url: Secret::new(nats.clone()), database_url: Secret::new(database.clone()) })
            }
            (dir, _, _) => Self::of_running(dir.as_deref().unwrap_or(Path::new(DEFAULT_DATA_DIR))),
        }
    }

    fn of_running(dir: &Path) -> anyhow::Result<Self> {
        let found = private_file::read(&dir.join(FILE))?.map(|text| serde_json::from_str::<OnDisk>(&text));
        match found.transpose().with_context(|| format!("{FILE} in {} does not decode", dir.display()))? {
            Some(found) if found.process.alive() => Ok(Self {
                nats_url: Secret::new(found.nats_url),
                database_url: Secret::new(found.database_url),
            }),
            _ => bail!(
                "no `forebay up` runs on the data directory {}: start one, name its directory with --data-dir, \
                 or set both NATS_URL and DATABASE_URL",
                dir.display()
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint() -> Endpoint {
        Endpoint {
            nats_url: Secret::new("nats://u:p@h:1".to_owned()),
            database_url: Secret::new("sqlite://x".to_owned()),
        }
    }

    fn at(dir: &Path) -> Place {
        Place { data_dir: Some(dir.to_owned()), ..Place::default() }
    }

    #[test]
    fn a_running_process_is_found_and_an_ended_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Endpoint::locate(&at(dir.path())).unwrap_err().to_string().contains("start one"));
        announce(dir.path(), &endpoint(), "http://h:2", "http://h:3").unwrap();
        let found = Endpoint::locate(&at(dir.path())).unwrap();
        assert_eq!(found.nats_url.expose(), "nats://u:p@h:1");
        withdraw(dir.path());
        assert!(Endpoint::locate(&at(dir.path())).is_err());
    }

    #[test]
    fn a_directory_that_is_named_goes_before_the_environment() {
        let dir = tempfile::tempdir().unwrap();
        let env = Place {
            data_dir: None,
            nats_url: Some("nats://h:1".to_owned()),
            database_url: Some("sqlite://x".to_owned()),
        };
        assert_eq!(Endpoint::locate(&env).unwrap().nats_url.expose(), "nats://h:1");
        assert!(Endpoint::locate(&Place { data_dir: Some(dir.path().to_owned()), ..env }).is_err());
    }
}
