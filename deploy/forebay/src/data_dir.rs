//! The one directory that an embedded run stores everything in, and the lock that keeps a second run out of it.
//!
//! | path | what |
//! |---|---|
//! | `lock` | locked while a `forebay up` uses the directory |
//! | `forebay.db` | SQLite: configuration, books |
//! | `nats/` | configuration, record, log and streams of the nats-server child |
//! | `endpoint.json` | where the running `up` is reached; gone when none runs |
//! | `secret-encryption-key`, `admin-token` | made if the environment does not give them |
//! | `default-key` | secret of the key that was made because no file gave one |

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use proto::secret::Secret;

/// A data directory that this process alone uses. The lock ends with the value, or with the process.
#[derive(Debug)]
pub(crate) struct DataDir {
    path: PathBuf,
    /// Held for its lock.
    _lock: File,
}

impl DataDir {
    /// Makes the directory if need be and locks it; refuses one that another process uses.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .with_context(|| format!("the data directory {} cannot be made", path.display()))?;
        let path = fs::canonicalize(path)?;
        let mut lock = File::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(path.join("lock"))
            .with_context(|| format!("the data directory {} cannot be written", path.display()))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                lock.read_to_string(&mut holder)?;
                bail!(
                    "the data directory {} is in use by another forebay (process {}): stop that one, or choose \
                     another directory with --data-dir",
                    path.display(),
                    holder.trim()
                );
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("{} cannot be locked", path.display()));
            }
        }
        lock.set_len(0)?;
        lock.rewind()?;
        writeln!(lock, "{}", std::process::id())?;
        Ok(Self { path, _lock: lock })
    }

    /// The directory, absolute.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A file in it.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// What `DATABASE_URL` is for the database in it.
    pub(crate) fn database_url(&self) -> Secret<String> {
        Secret::new(format!("sqlite://{}?mode=rwc", self.file("forebay.db").display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_in_use_refuses_a_second_run() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("made/on/the/way");
        let first = DataDir::open(&path).unwrap();
        let refusal = DataDir::open(&path).unwrap_err().to_string();
        let process = format!("process {}", std::process::id());
        assert!(refusal.contains("in use") && refusal.contains(&process), "{refusal}");
        drop(first);
        DataDir::open(&path).unwrap();
    }

    #[test]
    fn a_path_that_is_no_directory_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let refusal = DataDir::open(file.path()).unwrap_err().to_string();
        assert!(refusal.contains(&file.path().display().to_string()), "{refusal}");
    }
}
