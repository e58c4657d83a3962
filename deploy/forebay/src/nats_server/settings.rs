//! The child's configuration file and environment: one server on one machine, for this user's processes alone.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use proto::nats::Durability;
use proto::secret::Secret;

use crate::private_file;

const USER: &str = "forebay";
const MIB: u64 = 1 << 20;

/// What the child is started with.
pub(super) struct Settings {
    /// Shown by the server in its greeting, so that another server on the port is noticed.
    pub(super) server_name: String,
    /// The port on 127.0.0.1.
    pub(super) port: u16,
    /// Where streams are stored, absolute.
    pub(super) store: PathBuf,
    /// Where the server writes its log, absolute.
    pub(super) log: PathBuf,
    /// How safe an acknowledged message is.
    pub(super) durability: Durability,
    /// Keeps the machine's other users out.
    pub(super) password: Secret<String>,
}

impl Settings {
    /// What clients connect to, user and password included.
    pub(super) fn url(&self) -> Secret<String> {
        Secret::new(format!("nats://{USER}:{}@127.0.0.1:{}", self.password.expose(), self.port))
    }

    /// Writes the configuration file, mode 0600 because the password stands in it.
    pub(super) fn write(&self, path: &Path) -> anyhow::Result<()> {
        private_file::write(path, self.render()?.as_bytes())
    }

    /// The limits are far above what one machine needs. `max_file_store` is what streams may *reserve*: REQUESTS
    /// alone reserves more than many disks hold, and never gets near it.
    fn render(&self) -> anyhow::Result<String> {
        let sync = match self.durability {
            Durability::Fsync => "always",
            Durability::Fast | Durability::Replicated => "\"100ms\"",
        };
        let Self { server_name, port, .. } = self;
        let (store, log, password) = (quoted(&self.store)?, quoted(&self.log)?, self.password.expose());
        Ok(format!(
            "# Written by `forebay up` at each start.\n\
             server_name: \"{server_name}\"\n\
             listen: \"127.0.0.1:{port}\"\n\
             authorization {{ user: \"{USER}\", password: \"{password}\", timeout: 5 }}\n\
             max_payload: 8MB\n\
             max_pending: 64MB\n\
             ping_interval: \"10s\"\n\
             ping_max: 2\n\
             write_deadline: \"5s\"\n\
             log_file: {log}\n\
             logfile_size_limit: 10MB\n\
             logfile_max_num: 2\n\
             jetstream {{\n  store_dir: {store}\n  sync_interval: {sync}\n  \
             max_file_store: 1TB\n  max_memory_store: 64MB\n}}\n"
        ))
    }
}

/// Go's runtime by default wakes a thread per core, which costs more than it brings on a small machine, and
/// knows no memory limit.
pub(super) fn go_runtime() -> Vec<(&'static str, String)> {
    let mut variables = Vec::new();
    if let Some(total) = memory_bytes() {
        let limit = (total / 4).clamp(256 * MIB, 2048 * MIB) / MIB;
        variables.push(("GOMEMLIMIT", format!("{limit}MiB")));
    }
    if std::thread::available_parallelism().is_ok_and(|cores| cores.get() <= 2) {
        variables.push(("GOMAXPROCS", "1".to_owned()));
    }
    variables
}

/// What this process may use: the machine's memory, or less in a container. `None` where Linux's files are absent.
fn memory_bytes() -> Option<u64> {
    let machine = fs::read_to_string("/proc/meminfo").ok()?;
    let total = machine.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let total = total.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.saturating_mul(1024);
    let limit = fs::read_to_string("/sys/fs/cgroup/memory.max").ok();
    let limit = limit.and_then(|text| text.trim().parse::<u64>().ok());
    Some(limit.map_or(total, |limit| limit.min(total)))
}

fn quoted(path: &Path) -> anyhow::Result<String> {
    let text = path.to_str().context("the data directory's path is not UTF-8")?;
    Ok(serde_json::to_string(text)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(durability: Durability) -> Settings {
        Settings {
            server_name: "forebay-x".to_owned(),
            port: 4999,
            store: PathBuf::from("/data \"dir\"/nats/store"),
            log: PathBuf::from("/data/nats/server.log"),
            durability,
            password: Secret::new("p4ss".to_owned()),
        }
    }

    #[test]
    fn the_profile_decides_when_the_disk_is_synced() {
        let fast = settings(Durability::Fast).render().unwrap();
        assert!(fast.contains("sync_interval: \"100ms\"\n") && fast.contains("listen: \"127.0.0.1:4999\"\n"));
        assert!(settings(Durability::Fsync).render().unwrap().contains("sync_interval: always\n"));
    }

    #[test]
    fn paths_are_quoted_and_the_password_is_in_the_address() {
        let settings = settings(Durability::Fast);
        assert!(settings.render().unwrap().contains(r#"store_dir: "/data \"dir\"/nats/store""#));
        assert_eq!(settings.url().expose(), "nats://forebay:p4ss@127.0.0.1:4999");
    }
}
