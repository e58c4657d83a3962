//! A throw-away PostgreSQL cluster: real, on a free port, gone afterwards. Nothing in a test outlives a power
//! cut, so it does not wait for the disk.

use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use std::{env, fs};

use anyhow::{Context as _, Result, ensure};
use sqlx::{Connection as _, PgConnection};
use tempfile::TempDir;

use crate::process::{Process, Spec};
use crate::{port, wait};

const READY: Duration = Duration::from_secs(30);
const USER: &str = "forebay";

/// A running cluster.
#[derive(Debug)]
pub struct Postgres {
    /// The server's first process.
    pub process: Process,
    port: u16,
    /// Removed after the process has ended.
    _dir: TempDir,
}

impl Postgres {
    /// Makes a cluster and starts it; returns when it takes connections.
    pub async fn start() -> Result<Self> {
        let bin = bin_dir().context("PostgreSQL is not installed: no initdb was found")?;
        let dir = tempfile::Builder::new().prefix("forebay-pg-").tempdir()?;
        let user = unprivileged()?;
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700))?;
        if let Some((uid, gid)) = user {
            chown(dir.path(), Some(uid), Some(gid))?;
        }
        let (data, port) = (dir.path().join("data"), port::free()?);
        let mut initdb = Spec::new("initdb", bin.join("initdb"), dir.path().join("initdb.log"))
            .args(["-D".into(), data.clone().into_os_string()])
            .args(["-U", USER, "-A", "trust", "--no-sync", "-E", "UTF8", "--locale", "C"])
            .env("LC_ALL", "C");
        initdb.user = user;
        let output = initdb.command().stdin(Stdio::null()).current_dir(dir.path()).output()?;
        ensure!(output.status.success(), "initdb failed: {}", String::from_utf8_lossy(&output.stderr));
        let mut server = Spec::new("postgres", bin.join("postgres"), dir.path().join("server.log"))
            .args(["-D".into(), data.into_os_string(), "-k".into(), dir.path().into()])
            .args(["-p".to_owned(), port.to_string()])
            .args(["-h", "127.0.0.1", "-c", "fsync=off", "-c", "max_connections=200"])
            .env("LC_ALL", "C");
        server.user = user;
        let process = server.start()?;
        let postgres = Self { process, port, _dir: dir };
        wait::until("postgres is ready", READY, || async {
            PgConnection::connect(&postgres.url("postgres")).await?.close().await?;
            Ok(Some(()))
        })
        .await
        .with_context(|| postgres.process.log())?;
        Ok(postgres)
    }

    /// Makes an empty database and returns what `DATABASE_URL` has to be for it.
    pub async fn database(&self, name: &str) -> Result<String> {
        let mut connection = PgConnection::connect(&self.url("postgres")).await?;
        sqlx::query(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut connection).await?;
        connection.close().await?;
        Ok(self.url(name))
    }

    fn url(&self, database: &str) -> String {
        format!("postgres://{USER}@127.0.0.1:{}/{database}", self.port)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Its own children end with it only if it is asked rather than killed.
        drop(self.process.terminate(Duration::from_secs(5)));
    }
}

/// PostgreSQL refuses to run as root: then it runs as its own user, or as nobody.
fn unprivileged() -> Result<Option<(u32, u32)>> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let passwd = fs::read_to_string("/etc/passwd")?;
    let ids = |name: &str| {
        let line = passwd.lines().find(|l| l.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    Ok(Some(ids("postgres").or_else(|| ids("nobody")).context("no unprivileged user")?))
}

/// Debian keeps the server's programs off `PATH`.
fn bin_dir() -> Option<PathBuf> {
    let on_path = env::var_os("PATH").map(|p| env::split_paths(&p).collect::<Vec<_>>()).unwrap_or_default();
    let mut debian: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .map(|entries| entries.flatten().map(|e| e.path().join("bin")).collect())
        .unwrap_or_default();
    debian.sort();
    let asked = Command::new("pg_config").arg("--bindir").output().ok();
    let asked = asked.map(|o| PathBuf::from(String::from_utf8_lossy(&o.stdout).trim()));
    let whole = |dir: &Path| dir.join("initdb").is_file() && dir.join("postgres").is_file();
    debian.into_iter().rev().chain(asked).chain(on_path).find(|dir| whole(dir))
}
