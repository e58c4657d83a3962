//! The clients: a closed loop of requests, half of them streaming, each on a connection of its own, and what each
//! of them saw in the end.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use futures_util::StreamExt as _;
use futures_util::stream;
use serde_json::{Value, json};
use upstream::answer::words;

use super::Options;
use super::chance::Chance;
use crate::client::{Client, Events, Read};
use crate::setup::ACME_KEY;

/// What the callers say they wait for.
const DEADLINE: Duration = Duration::from_secs(60);
/// After this they were never going to be answered.
const HUNG: Duration = Duration::from_secs(75);
/// Between two tries to reach any ingress at all.
const RECONNECT: Duration = Duration::from_millis(100);

/// The ingresses, and how often each has been killed.
#[derive(Debug)]
pub(super) struct Ingresses {
    ports: Vec<u16>,
    killed: Vec<AtomicU64>,
}

impl Ingresses {
    pub(super) fn new(ports: &[u16]) -> Self {
        Self { ports: ports.to_vec(), killed: ports.iter().map(|_| AtomicU64::new(0)).collect() }
    }

    /// Notes, before it happens, that one is killed.
    pub(super) fn is_killed(&self, n: usize) {
        if let Some(count) = self.killed.get(n) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn times_killed(&self, n: usize) -> u64 {
        self.killed[n].load(Ordering::Relaxed)
    }
}

/// What a client saw in the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    /// The whole answer, as it should be.
    Answered,
    /// An error with a code, as an answer or as the last event of a stream.
    Error(String),
    /// The connection broke, and its ingress had been killed.
    IngressKilled,
    /// The connection broke, and its ingress had not been killed.
    Broken(String),
    /// A stream that ended without a word, or an answer that is not the right one.
    Wrong(String),
    /// Nothing, for longer than the deadline.
    Hung,
}

/// One request.
#[derive(Debug, Clone)]
pub(super) struct Outcome {
    /// Its own id, `chaos-N`.
    pub(super) own: String,
    /// Whether it was a stream.
    pub(super) stream: bool,
    /// What became of it.
    pub(super) fate: Fate,
    /// How long it took.
    pub(super) took: Duration,
}

struct Ask {
    own: String,
    model: &'static str,
    chunks: u32,
    stream: bool,
    first: usize,
}

/// Models with the number of chunks that each answers with.
const WHOLE: [(&str, u32); 4] = [("ok", 5), ("slow-250", 5), ("slow-1200", 5), ("status-500-then-ok", 5)];
const STREAMS: [(&str, u32); 4] = [("s10x20", 10), ("s30x30", 30), ("s60x40", 60), ("ok", 5)];

/// Sends all requests and returns what became of each.
pub(super) async fn run(
    options: &Options,
    ingresses: &Ingresses,
    mut chance: Chance,
) -> Result<Vec<Outcome>> {
    let asks: Vec<Ask> = (0..options.requests.unwrap_or_default())
        .map(|n| {
            let stream = n % 2 == 1;
            let (model, chunks) = if stream { STREAMS[chance.below(4)] } else { WHOLE[chance.below(4)] };
            Ask {
                own: format!("chaos-{n}"),
                model,
                chunks,
                stream,
                first: chance.below(ingresses.ports.len()),
            }
        })
        .collect();
    let clients = ingresses.ports.iter().map(client_of).collect::<Result<Vec<_>>>()?;
    let sent = asks.iter().map(|ask| one(ask, &clients, ingresses));
    let concurrency = options.concurrency.and_then(|c| usize::try_from(c).ok()).unwrap_or(1);
    Ok(stream::iter(sent).buffer_unordered(concurrency).collect().await)
}

/// A client that keeps no connection, so that each request knows which process it went to.
fn client_of(port: &u16) -> Result<Client> {
    let base = format!("http://127.0.0.1:{port}");
    let mut client = Client::new(base, ACME_KEY)?;
    client.http = crate::client::builder().pool_max_idle_per_host(0).timeout(HUNG * 2).build()?;
    Ok(client)
}

async fn one(ask: &Ask, clients: &[Client], ingresses: &Ingresses) -> Outcome {
    let started = Instant::now();
    let fate = tokio::time::timeout(HUNG, send(ask, clients, ingresses)).await.unwrap_or(Fate::Hung);
    Outcome { own: ask.own.clone(), stream: ask.stream, fate, took: started.elapsed() }
}

async fn send(ask: &Ask, clients: &[Client], ingresses: &Ingresses) -> Fate {
    let mut body =
        json!({"model": ask.model, "messages": [{"role": "user", "content": "rise"}], "user": ask.own});
    if ask.stream {
        body["stream"] = json!(true);
    }
    let mut n = ask.first;
    loop {
        let killed = ingresses.times_killed(n);
        let request = clients[n].post(body.to_string());
        let request = request.header("x-request-id", &ask.own);
        let request = request.header("x-stainless-read-timeout", DEADLINE.as_secs().to_string());
        let error = match Events::open(request).await {
            Ok(events) => match finish(ask, events).await {
                Ok(fate) => return fate,
                Err(error) => error,
            },
            // Nobody listens there, so that nothing was sent: the next one may be up.
            Err(error) if never_connected(&error) => {
                n = (n + 1) % clients.len();
                tokio::time::sleep(RECONNECT).await;
                continue;
            }
            Err(error) => error,
        };
        let killed_since = ingresses.times_killed(n) != killed;
        return if killed_since { Fate::IngressKilled } else { Fate::Broken(format!("{error:#}")) };
    }
}

fn never_connected(error: &anyhow::Error) -> bool {
    error.downcast_ref::<reqwest::Error>().is_some_and(reqwest::Error::is_connect)
}

/// Reads the answer; an error is a connection that broke.
async fn finish(ask: &Ask, events: Events) -> Result<Fate> {
    let status = events.status;
    if status != 200 || !ask.stream {
        let body = events.read_whole().await?;
        return Ok(whole(ask, status, &body));
    }
    let read = events.read().await?;
    match &read.broken {
        Some(error) => Err(anyhow::anyhow!(error.clone())),
        None => Ok(streamed(ask, &read)),
    }
}

fn whole(ask: &Ask, status: u16, body: &[u8]) -> Fate {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    if status != 200 {
        let code = body.pointer("/error/code").and_then(Value::as_str);
        return match code {
            Some(code) => Fate::Error(format!("{status} {code}")),
            None => Fate::Wrong(format!("{status} without a code")),
        };
    }
    let said = body.pointer("/choices/0/message/content").and_then(Value::as_str);
    if said == Some(&words(ask.chunks)) { Fate::Answered } else { Fate::Wrong(format!("said {body}")) }
}

fn streamed(ask: &Ask, read: &Read) -> Fate {
    match (read.error(), read.done) {
        (Some(error), false) => {
            let code = error["code"].as_str().unwrap_or("without a code");
            Fate::Error(format!("event {code}"))
        }
        (None, true) if read.content() == words(ask.chunks) => Fate::Answered,
        (None, false) => Fate::Wrong("ended without a word".to_owned()),
        _ => Fate::Wrong(format!("said {:?}", read.content())),
    }
}
