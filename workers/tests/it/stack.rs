//! A real nats-server, a worker on it, and the test in the place of the ingress.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_nats::jetstream::consumer::PullConsumer;
use bytes::Bytes;
use futures_util::StreamExt;
use proto::config::{Config, Model, Project, Provider, ProviderKind, Strategy, Target};
use proto::ctl::{Answer, Ask, Question};
use proto::dialect::Dialect;
use proto::envelope::{Body, Envelope, OnDisconnect};
use proto::event::Event;
use proto::id::{IngressId, RequestId};
use proto::nats::{Found, Link, LinkOptions, Results, StreamOptions, declare};
use proto::reply::{Frame, Section};
use proto::seal::{KeyRing, Wrapper};
use proto::secret::Secret;
use proto::stored::Key;
use proto::subject::{self, Lane};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// How long a test waits for what must come.
pub const PATIENCE: Duration = Duration::from_secs(15);
const KEY_ID: &str = "day.2026-11-20";

pub struct Stack {
    pub link: Link,
    pub ingress: IngressId,
    /// What the ingress answers to questions.
    pub answer: Arc<Mutex<Answer>>,
    /// The questions it was asked.
    pub asked: Arc<Mutex<Vec<Ask>>>,
    pub shutdown: CancellationToken,
    pub health: workers::Health,
    frames: mpsc::UnboundedReceiver<Frame>,
    ring: KeyRing,
    wrapper: Wrapper,
    server: Child,
    port: u16,
    dir: tempfile::TempDir,
}

/// The server to test with: named by the environment, else found on the search path.
fn server() -> PathBuf {
    std::env::var_os("FOREBAY_NATS_SERVER").map_or_else(|| "nats-server".into(), PathBuf::from)
}

fn provider(name: &str, url: &str) -> Provider {
    Provider {
        name: name.to_owned(),
        kind: ProviderKind::OpenaiCompatible,
        base_url: Some(url.to_owned()),
        api_key: None,
        api_version: None,
        region: None,
        allow_private_network: true,
    }
}

fn serve(port: u16, dir: &std::path::Path) -> Child {
    Command::new(server())
        .args(["-a", "127.0.0.1", "-p", &port.to_string(), "-js", "-sd"])
        .arg(dir)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("nats-server on the search path, or FOREBAY_NATS_SERVER")
}

/// A configuration whose model `fast` falls back along the given providers.
pub fn config(urls: &[&str]) -> Config {
    let name = |n: usize| format!("p{n}");
    let targets = (0..urls.len())
        .map(|n| Target { provider: name(n), model: format!("up-{n}"), underlying_model: None })
        .collect();
    Config {
        version: 1,
        published_ms: 1,
        streaming: true,
        providers: urls.iter().enumerate().map(|(n, url)| provider(&name(n), url)).collect(),
        models: vec![Model { alias: "fast".into(), strategy: Strategy::Fallback, targets, price: None }],
        projects: vec![Project { name: "acme".into(), streaming: true, on_disconnect: OnDisconnect::Cancel }],
        prices: Vec::new(),
    }
}

/// Settings that make a test quick.
pub fn settings() -> workers::Config {
    workers::Config {
        tick: Duration::from_millis(300),
        ack_wait: Some(Duration::from_secs(1)),
        first_byte_timeout: Duration::from_secs(5),
        retry_delay: Duration::from_millis(1),
        ..workers::Config::default()
    }
}

impl Stack {
    pub async fn start(config: &Config) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server = serve(port, dir.path());
        let urls = format!("nats://127.0.0.1:{port}");
        let link = connect(&urls).await;
        let streams = StreamOptions { requests_max_bytes: 64 << 20, ..StreamOptions::default() };
        declare(&link, &streams).await.unwrap();
        let wrapper = Wrapper::new(&Secret::new([7; 32]));
        let wrapped = wrapper.make(KEY_ID).unwrap();
        let mut ring = KeyRing::default();
        ring.insert(KEY_ID.to_owned(), wrapper.open(KEY_ID, &wrapped).unwrap());
        let keys = link.js.get_key_value(subject::PAYLOAD_KEYS_BUCKET).await.unwrap();
        keys.put(KEY_ID, wrapped).await.unwrap();
        let bucket = link.js.get_key_value(subject::CONFIG_BUCKET).await.unwrap();
        bucket.put(subject::CONFIG_KEY, serde_json::to_vec(config).unwrap().into()).await.unwrap();
        let ingress = IngressId::random();
        let (answer, asked) = (Arc::new(Mutex::new(Answer::Granted)), Arc::default());
        Self {
            frames: frames(&link, ingress).await,
            shutdown: CancellationToken::new(),
            health: workers::Health::default(),
            server,
            port,
            dir,
            asked: answers(&link, ingress, Arc::clone(&answer), asked).await,
            answer,
            ingress,
            ring,
            wrapper,
            link,
        }
    }

    /// Kills the server and starts it again on what it had stored.
    pub async fn restart_server(&mut self) {
        self.server.kill().await.unwrap();
        until("the break is noticed", || !self.link.state().connected).await;
        self.server = serve(self.port, self.dir.path());
        until("the connection is back", || self.link.state().connected).await;
    }

    /// Starts a worker of this stack and waits until it pulls.
    pub async fn worker(&self, settings: workers::Config) -> tokio::task::JoinHandle<()> {
        let link = self.link.clone();
        let carrier = proto::canonical::Carrier::new(&Secret::new([9; 32]));
        let secrets = workers::Secrets { wrapper: self.wrapper.clone(), carrier };
        let (health, shutdown) = (self.health.clone(), self.shutdown.clone());
        let task = tokio::spawn(async move {
            workers::run(settings, link, secrets, health, shutdown).await.unwrap();
        });
        until("the worker pulls", || self.health.check().is_ok()).await;
        task
    }

    /// Stores a request as an ingress would.
    pub async fn request(&self, body: &str) -> RequestId {
        self.request_with(body, |_| {}).await
    }

    pub async fn request_with(&self, body: &str, change: impl FnOnce(&mut Envelope)) -> RequestId {
        let request = RequestId::new();
        let value: serde_json::Value = serde_json::from_str(body).unwrap();
        let mut envelope = Envelope {
            v: Envelope::VERSION,
            request,
            ingress: self.ingress,
            project: "acme".into(),
            key: "key_1".into(),
            dialect: Dialect::OpenaiChat,
            model: "fast".into(),
            stream: value["stream"] == true,
            include_usage: false,
            budget_ms: 30_000,
            config: 1,
            on_disconnect: OnDisconnect::Cancel,
            body: Body::Inline,
            body_bytes: body.len() as u64,
            estimate: None,
            strict: false,
            anthropic_version: None,
            anthropic_beta: None,
            kept: None,
            client_request_id: None,
            traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into()),
            path: Vec::new(),
            hold: None,
        };
        change(&mut envelope);
        let request = envelope.request;
        let sealed = self.ring.seal(request, body.as_bytes(), KEY_ID).unwrap();
        let payload = match &envelope.body {
            Body::Inline => sealed,
            Body::Object(name) => {
                let bodies = self.link.js.get_object_store(subject::BODIES_BUCKET).await.unwrap();
                bodies.put(name.as_str(), &mut sealed.as_ref()).await.unwrap();
                Bytes::new()
            }
        };
        let target = subject::request(Lane::Interactive, subject::DEFAULT_POOL, 0);
        let sent = self.link.js.publish_with_headers(target, envelope.to_headers().unwrap(), payload).await;
        sent.unwrap().await.unwrap();
        request
    }

    /// The bucket of kept responses.
    pub fn results(&self) -> Results {
        Results::new(self.link.clone())
    }

    /// The payload keys.
    pub fn ring(&self) -> &KeyRing {
        &self.ring
    }

    /// Whether nothing was sent to the ingress.
    pub fn no_frame(&mut self) -> bool {
        self.frames.try_recv().is_err()
    }

    /// The response that is kept under this id.
    pub async fn kept(&self, id: &str) -> Option<Found> {
        self.results().read(&Key::new("acme", id), &self.ring, PATIENCE).await.unwrap()
    }

    /// The next frame.
    pub async fn frame(&mut self) -> Frame {
        tokio::time::timeout(PATIENCE, self.frames.recv()).await.expect("a frame in time").unwrap()
    }

    /// All frames up to the last, which must be numbered without a gap.
    pub async fn frames(&mut self) -> Vec<Frame> {
        let mut frames = Vec::new();
        loop {
            let frame = self.frame().await;
            assert_eq!(frame.seq as usize, frames.len(), "frames are numbered from 0 without a gap");
            let last = frame.is_last();
            frames.push(frame);
            if last {
                return frames;
            }
        }
    }

    /// Everything on the event stream so far, with the raw bytes.
    pub async fn events(&self) -> Vec<(Event, Bytes)> {
        let mut stream = self.link.js.get_stream(subject::EVENTS_STREAM).await.unwrap();
        let last = stream.info().await.unwrap().state.last_sequence;
        let mut events = Vec::new();
        for seq in 1..=last {
            let message = stream.get_raw_message(seq).await.unwrap();
            events.push((serde_json::from_slice(&message.payload).unwrap(), message.payload));
        }
        events
    }

    /// Waits until there are `count` events and every request is acknowledged.
    pub async fn settled(&self, count: usize) -> Vec<Event> {
        for _ in 0..300 {
            let consumer: PullConsumer = self
                .link
                .js
                .get_consumer_from_stream("workers-interactive-main", subject::REQUESTS_STREAM)
                .await
                .unwrap();
            let info = consumer.cached_info();
            let events = self.events().await;
            if info.num_pending == 0 && info.num_ack_pending == 0 && events.len() >= count {
                assert_eq!(events.len(), count, "{events:?}");
                return events.into_iter().map(|(event, _)| event).collect();
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("not settled: {:?}", self.events().await);
    }

    /// How often the ingress was asked to grant a claim.
    pub fn claims(&self) -> usize {
        self.asked.lock().unwrap().iter().filter(|ask| ask.question == Question::Claim).count()
    }
}

/// Waits until something holds.
pub async fn until(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..1500 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("in vain: {what}");
}

/// The data of frames, put together.
pub fn data(frames: &[Frame]) -> String {
    let sections = frames.iter().flat_map(|frame| &frame.sections);
    let data = sections.filter_map(|section| match section {
        Section::Data(bytes) => Some(std::str::from_utf8(bytes).unwrap()),
        Section::Head(_) | Section::Fault(_) | Section::End(_) => None,
    });
    data.collect()
}

async fn connect(urls: &str) -> Link {
    let options = LinkOptions { urls: urls.to_owned(), role: "test" };
    for _ in 0..200 {
        if let Ok(link) = Link::connect(&options).await {
            return link;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("nats-server does not come up");
}

async fn frames(link: &Link, ingress: IngressId) -> mpsc::UnboundedReceiver<Frame> {
    let (sender, receiver) = mpsc::unbounded_channel();
    let mut replies = link.client.subscribe(subject::reply_wildcard(ingress)).await.unwrap();
    tokio::spawn(async move {
        while let Some(message) = replies.next().await {
            if sender.send(Frame::decode(&message.payload).unwrap()).is_err() {
                return;
            }
        }
    });
    receiver
}

async fn answers(
    link: &Link,
    ingress: IngressId,
    answer: Arc<Mutex<Answer>>,
    asked: Arc<Mutex<Vec<Ask>>>,
) -> Arc<Mutex<Vec<Ask>>> {
    let mut questions = link.client.subscribe(subject::ask(ingress)).await.unwrap();
    let (client, log) = (link.client.clone(), Arc::clone(&asked));
    tokio::spawn(async move {
        while let Some(message) = questions.next().await {
            log.lock().unwrap().push(serde_json::from_slice(&message.payload).unwrap());
            let answer = serde_json::to_vec(&*answer.lock().unwrap()).unwrap();
            client.publish(message.reply.unwrap(), answer.into()).await.unwrap();
        }
    });
    asked
}
