//! Throw-away `nats-server`s: real ones, each with a store of its own.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use async_nats::jetstream;
use proto::nats::{Link, LinkOptions};
use proto::subject;
use serde_json::Value;
use tempfile::TempDir;

use crate::process::{Process, Spec};
use crate::{binary, client, port, wait};

const READY: Duration = Duration::from_secs(20);

/// One server.
#[derive(Debug)]
pub struct Server {
    /// The process.
    pub process: Process,
    /// Where clients connect.
    pub port: u16,
    /// Where it says how it is.
    pub monitor: u16,
}

/// One server or three.
#[derive(Debug)]
pub struct Nats {
    /// The servers.
    pub servers: Vec<Server>,
    dir: TempDir,
}

struct Ports {
    client: u16,
    monitor: u16,
    route: u16,
}

impl Nats {
    /// One server; returns when it takes connections.
    pub async fn single() -> Result<Self> {
        Self::start(1).await
    }

    /// A cluster of three; returns when its JetStream has a leader.
    pub async fn cluster() -> Result<Self> {
        Self::start(3).await
    }

    async fn start(count: usize) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("forebay-nats-").tempdir()?;
        let program = binary::nats_server()?;
        let ports = (0..count)
            .map(|_| Ok(Ports { client: port::free()?, monitor: port::free()?, route: port::free()? }))
            .collect::<Result<Vec<_>>>()?;
        let mut servers = Vec::new();
        for (n, own) in ports.iter().enumerate() {
            let file = dir.path().join(format!("n{n}.conf"));
            fs::write(&file, config(n, dir.path(), &ports))?;
            let spec = Spec::new(format!("nats-{n}"), program.clone(), dir.path().join(format!("n{n}.log")))
                .args(["-c".into(), file.into_os_string()])
                .env("GOMAXPROCS", "1");
            servers.push(Server { process: spec.start()?, port: own.client, monitor: own.monitor });
        }
        let nats = Self { servers, dir };
        wait::until("nats is ready", READY, || async { Ok(nats.healthy().await?.then_some(())) }).await?;
        Ok(nats)
    }

    /// What `NATS_URL` has to be.
    pub fn url(&self) -> String {
        let urls: Vec<String> = self.servers.iter().map(|s| format!("nats://127.0.0.1:{}", s.port)).collect();
        urls.join(",")
    }

    /// Leaves logs and stores where they are.
    pub fn keep_files(&mut self) {
        self.dir.disable_cleanup(true);
    }

    /// Where servers keep their logs and stores.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Whether every server says that it, its streams and its consumers are whole and caught up.
    pub async fn healthy(&self) -> Result<bool> {
        for server in &self.servers {
            let answer = client::get(&format!("http://127.0.0.1:{}/healthz", server.monitor)).await;
            match answer {
                Ok(answer) if answer.status == 200 => {}
                _ => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Whether every server is healthy and every replica of every stream is current and not behind.
    pub async fn caught_up(&self) -> Result<bool> {
        if !self.healthy().await? {
            return Ok(false);
        }
        for (n, server) in self.servers.iter().enumerate() {
            let url = format!("http://127.0.0.1:{}/jsz?streams=true&consumers=true", server.monitor);
            let said = client::get(&url).await?.json()?;
            let accounts = said["account_details"].as_array().into_iter().flatten();
            let mut streams = accounts.flat_map(|a| a["stream_detail"].as_array().into_iter().flatten());
            let current = |asset: &Value| replicas_current(asset, &format!("n{n}"));
            if !streams.all(|stream| {
                let mut consumers = stream["consumer_detail"].as_array().into_iter().flatten();
                current(stream) && consumers.all(current)
            }) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// A connection of the harness itself.
    pub async fn connect(&self) -> Result<jetstream::Context> {
        connect(&self.url()).await
    }
}

/// Connects to comma-separated addresses, in which user and password may stand.
pub async fn connect(urls: &str) -> Result<jetstream::Context> {
    Ok(Link::connect(&LinkOptions { urls: urls.to_owned(), role: "harness" }).await?.js)
}

/// Every message that a stream holds, oldest first: subject, headers as text, payload.
pub async fn read_stream(js: &jetstream::Context, name: &str) -> Result<Vec<(String, String, Vec<u8>)>> {
    let mut stream = js.get_stream(name).await?;
    let info = stream.info().await?.state.clone();
    let mut messages = Vec::new();
    for seq in info.first_sequence.max(1)..=info.last_sequence {
        if let Ok(message) = stream.get_raw_message(seq).await {
            let headers = format!("{:?}", message.headers);
            messages.push((message.subject.to_string(), headers, message.payload.to_vec()));
        }
    }
    ensure!(messages.len() as u64 <= info.messages, "the stream {name} shrank while it was read");
    Ok(messages)
}

/// What is under way.
#[derive(Debug, Clone, Copy)]
pub struct Unfinished {
    /// Requests stored and not acknowledged by a worker.
    pub requests: u64,
    /// The last event that is stored.
    pub events: u64,
}

/// Asks the streams what is under way.
pub async fn unfinished(urls: &str) -> Result<Unfinished> {
    let js = connect(urls).await?;
    let durable = subject::worker_durable(subject::Lane::Interactive, subject::DEFAULT_POOL);
    let requests = js.get_stream(subject::REQUESTS_STREAM).await?;
    let backlog = match requests.consumer_info(&durable).await {
        Ok(info) => info.num_pending + info.num_ack_pending as u64,
        // No worker has ever come up.
        Err(_) => requests.cached_info().state.messages,
    };
    let events = js.get_stream(subject::EVENTS_STREAM).await?.cached_info().state.last_sequence;
    Ok(Unfinished { requests: backlog, events })
}

/// Whether a stream or consumer that this server leads has no replica that is offline or behind. Of others it
/// knows nothing certain; their leader is asked as well.
fn replicas_current(asset: &Value, server: &str) -> bool {
    if asset["cluster"]["leader"] != server {
        return true;
    }
    let replicas = asset["cluster"]["replicas"].as_array().into_iter().flatten();
    replicas.into_iter().all(|r| {
        r["current"] == Value::Bool(true)
            && r["offline"] != Value::Bool(true)
            && r["lag"].as_u64().unwrap_or(0) == 0
    })
}

fn config(n: usize, dir: &Path, ports: &[Ports]) -> String {
    let own = &ports[n];
    let store = dir.join(format!("n{n}"));
    let mut text = format!(
        "server_name: \"n{n}\"\nlisten: \"127.0.0.1:{}\"\nhttp: \"127.0.0.1:{}\"\nmax_payload: 8MB\n\
         ping_interval: \"10s\"\nping_max: 2\nwrite_deadline: \"5s\"\n\
         jetstream {{\n  store_dir: \"{}\"\n  sync_interval: \"100ms\"\n  max_file_store: 1TB\n}}\n",
        own.client,
        own.monitor,
        store.display(),
    );
    if ports.len() > 1 {
        let routes: Vec<String> = ports.iter().map(|p| format!("\"nats://127.0.0.1:{}\"", p.route)).collect();
        text.push_str(&format!(
            "cluster {{\n  name: \"forebay\"\n  listen: \"127.0.0.1:{}\"\n  routes: [{}]\n}}\n",
            own.route,
            routes.join(", "),
        ));
    }
    text
}
