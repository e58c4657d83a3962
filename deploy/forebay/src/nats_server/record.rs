//! What is written down about the child, so that one left behind by a killed `forebay up` is recognised by the
//! next: the configuration file it was started with, which has a random name, and the process it became.
//!
//! The file is written before the child is started and again once its process is known. A `forebay` killed in
//! between leaves a record without a process; the child is then found by the name of that file.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};

use super::process::Identity;
use crate::private_file;

const FILE: &str = "instance.json";
/// How long a server left behind may take to end by itself.
const PATIENCE: Duration = Duration::from_secs(5);

/// The child on record.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Record {
    /// Random, new for each start of `forebay up`.
    pub(super) instance: String,
    /// The configuration file that the child was started with.
    pub(super) config: PathBuf,
    /// The process, once it is known.
    pub(super) process: Option<Identity>,
}

impl Record {
    /// Writes the record of the directory `dir`.
    pub(super) fn write(&self, dir: &Path) -> anyhow::Result<()> {
        private_file::write(&dir.join(FILE), &serde_json::to_vec_pretty(self)?)
    }

    /// The processes of this record that still run.
    fn running(&self) -> Vec<Identity> {
        match &self.process {
            Some(process) if process.alive() && process.has_argument(&self.config) => vec![process.clone()],
            Some(_) => Vec::new(),
            None => Identity::with_argument(&self.config),
        }
    }
}

/// Ends the server that an earlier `forebay up` of this directory left behind, if there is one.
pub(super) async fn end_orphan(dir: &Path) -> anyhow::Result<()> {
    let file = dir.join(FILE);
    let text = match fs::read(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).with_context(|| format!("{} cannot be read", file.display())),
    };
    let record: Record =
        serde_json::from_slice(&text).with_context(|| format!("{} does not decode", file.display()))?;
    for process in record.running() {
        tracing::warn!(pid = process.pid, "ending the nats-server that an earlier run left behind");
        if !process.end(PATIENCE).await {
            bail!("the nats-server of an earlier run (process {}) does not end; end it by hand", process.pid);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A process that has `config` among its arguments and does nothing.
    fn bystander(config: &Path) -> tokio::process::Child {
        fs::write(config, "").unwrap();
        let mut command = tokio::process::Command::new("tail");
        command.arg("-f").arg(config).kill_on_drop(true).spawn().unwrap()
    }

    fn record(config: &Path, process: Option<Identity>) -> Record {
        Record { instance: "i".to_owned(), config: config.to_owned(), process }
    }

    #[tokio::test]
    async fn an_orphan_is_ended_with_and_without_its_process_on_record() {
        for known in [true, false] {
            let dir = tempfile::tempdir().unwrap();
            let config = dir.path().join("server-1.conf");
            let mut child = bystander(&config);
            let process = Identity::of(child.id().unwrap()).unwrap();
            while !process.has_argument(&config) {
                tokio::task::yield_now().await; // between fork and exec
            }
            record(&config, known.then(|| process.clone())).write(dir.path()).unwrap();
            let (ended, status) = tokio::join!(end_orphan(dir.path()), child.wait());
            ended.unwrap();
            assert!(!status.unwrap().success() && !process.alive());
        }
    }

    #[tokio::test]
    async fn a_stranger_with_the_recorded_id_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let child = bystander(&dir.path().join("its-own.conf"));
        let process = Identity::of(child.id().unwrap()).unwrap();
        record(&dir.path().join("server-1.conf"), Some(process.clone())).write(dir.path()).unwrap();
        end_orphan(dir.path()).await.unwrap();
        assert!(process.alive());
    }

    #[tokio::test]
    async fn no_record_means_no_orphan() {
        end_orphan(tempfile::tempdir().unwrap().path()).await.unwrap();
    }
}
