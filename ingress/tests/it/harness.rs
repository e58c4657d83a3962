//! A nats-server of its own, an ingress on a free port, and the parts of the other roles that a test plays.

use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, PullConsumer, pull};
use async_nats::jetstream::{AckKind, Message};
use bytes::Bytes;
use futures_util::StreamExt;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use proto::config::{Config, KeyRecord, Model, Project, Provider, ProviderKind, Strategy, Target};
use proto::ctl::{Answer, Ask, LedgerBeat, ProviderBeat, Question, WorkerBeat};
use proto::envelope::{Body, Envelope, OnDisconnect};
use proto::event::{CloseReason, Closed, Event, Origin, Subject};
use proto::id::{RequestId, Token, WorkerId};
use proto::nats::{Link, LinkOptions, Projection, StreamOptions, declare};
use proto::reply::{Frame, Head, Section};
use proto::seal::{Wrapper, day_key_id};
use proto::secret::{MasterKey, Pepper};
use proto::subject;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The secret of the only key.
pub const KEY: &str = "a-key-of-a-test-0001";
/// No step of a test takes longer.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// A running nats-server.
pub struct Nats {
    dir: TempDir,
    port: u16,
    child: Child,
}

impl Nats {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Self::spawn(&dir, port);
        Self { dir, port, child }
    }

    fn spawn(dir: &TempDir, port: u16) -> Child {
        let binary = std::env::var("FOREBAY_NATS_SERVER").unwrap_or_else(|_| "nats-server".to_owned());
        Command::new(&binary)
            .args(["-a", "127.0.0.1", "-p", &port.to_string(), "-js", "-sd"])
            .arg(dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {binary}: {error}; set FOREBAY_NATS_SERVER"))
    }

    /// Kills the server.
    pub async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// Starts it again on the same port and data.
    pub fn restart(&mut self) {
        self.child = Self::spawn(&self.dir, self.port);
    }

    async fn connect(&self, role: &'static str) -> Link {
        let options = LinkOptions { urls: format!("nats://127.0.0.1:{}", self.port), role };
        for _ in 0..200 {
            if let Ok(link) = Link::connect(&options).await {
                return link;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("nats-server does not answer");
    }
}

/// An ingress and its surroundings.
pub struct Stack {
    pub nats: Nats,
    /// The connection of everything the test plays.
    pub link: Link,
    pub address: SocketAddr,
    pub shutdown: CancellationToken,
    pub ingress: JoinHandle<Result<(), ingress::Error>>,
    pepper: Pepper,
    projection: Projection,
    background: Vec<JoinHandle<()>>,
    deliveries: Option<async_nats::jetstream::consumer::pull::Stream>,
}

impl Drop for Stack {
    fn drop(&mut self) {
        self.ingress.abort();
        self.background.iter().for_each(JoinHandle::abort);
    }
}

/// The configuration of every test; a test may change it.
pub fn config() -> Config {
    let model = |alias: &str| Model {
        alias: alias.to_owned(),
        strategy: Strategy::Simple,
        targets: vec![Target { provider: "primary".into(), model: "up".into(), underlying_model: None }],
        price: None,
    };
    Config {
        version: 1,
        published_ms: 1_795_000_000_000,
        streaming: true,
        providers: vec![Provider {
            name: "primary".into(),
            kind: ProviderKind::Openai,
            base_url: None,
            api_key: None,
            api_version: None,
            region: None,
            allow_private_network: false,
        }],
        models: vec![model("fast"), model("org/slow")],
        projects: vec![Project { name: "acme".into(), streaming: true, on_disconnect: OnDisconnect::Cancel }],
        prices: Vec::new(),
    }
}

impl Stack {
    /// Everything up and ready.
    pub async fn start() -> Self {
        Self::start_with(config(), ingress::Config::default()).await
    }

    /// The same with other settings.
    pub async fn start_with(config: Config, settings: ingress::Config) -> Self {
        let nats = Nats::start();
        let link = nats.connect("test").await;
        declare(&link, &StreamOptions { requests_max_bytes: 1 << 30, ..StreamOptions::default() })
            .await
            .unwrap();
        let master = MasterKey::new("0123456789abcdef0123456789abcdef".to_owned()).unwrap();
        let wrapper = Wrapper::new(&master.payload_wrapping_key());
        let pepper = master.key_pepper();
        let id = day_key_id(proto::clock::now_ms());
        put(&link, subject::PAYLOAD_KEYS_BUCKET, &id, wrapper.make(&id).unwrap()).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let text = Arc::new(|| "forebay_up 1\n".to_owned());
        let secrets = ingress::Secrets { wrapper: wrapper.clone(), pepper: pepper.clone() };
        let run =
            ingress::run(settings, nats.connect("ingress").await, secrets, listener, text, shutdown.clone());
        let projection = Projection::new();
        let follow = {
            let (projection, link) = (projection.clone(), link.clone());
            async move { projection.run(link, wrapper).await }
        };
        let mut stack = Self {
            ingress: tokio::spawn(run),
            background: vec![tokio::spawn(follow), tokio::spawn(beat(link.clone()))],
            deliveries: None,
            nats,
            link,
            address,
            shutdown,
            pepper,
            projection,
        };
        stack.set_key(false).await;
        stack.publish(&config).await;
        stack.deliveries = Some(stack.consume().await);
        stack.ready().await;
        stack
    }

    /// Publishes a configuration as `control` does.
    pub async fn publish(&self, config: &Config) {
        let version = config.version.to_string();
        put(&self.link, subject::KEYS_BUCKET, subject::KEYS_PROJECTED, version.into()).await;
        let json = serde_json::to_vec(config).unwrap();
        put(&self.link, subject::CONFIG_BUCKET, subject::CONFIG_KEY, json.into()).await;
    }

    /// Writes the only key's record.
    pub async fn set_key(&self, revoked: bool) {
        let record = KeyRecord { id: "key_1".into(), project: "acme".into(), name: "ci".into(), revoked };
        let json = serde_json::to_vec(&record).unwrap();
        put(&self.link, subject::KEYS_BUCKET, &self.pepper.hash(KEY), json.into()).await;
    }

    /// Waits until `/ready` says so.
    pub async fn ready(&self) {
        let mut last = String::new();
        for _ in 0..400 {
            let (status, _, body) = self.get("/ready", None).await;
            if status == 200 {
                return;
            }
            last = body;
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("never ready: {last}");
    }

    async fn consume(&self) -> async_nats::jetstream::consumer::pull::Stream {
        let stream = self.link.js.get_stream(subject::REQUESTS_STREAM).await.unwrap();
        let consumer: PullConsumer = stream
            .create_consumer(pull::Config {
                durable_name: Some("workers".into()),
                ack_policy: AckPolicy::Explicit,
                ack_wait: Duration::from_secs(60),
                ..pull::Config::default()
            })
            .await
            .unwrap();
        consumer.messages().await.unwrap()
    }

    /// The next request, as a worker gets it.
    pub async fn job(&mut self) -> Job {
        let deliveries = self.deliveries.as_mut().unwrap();
        let message = tokio::time::timeout(PATIENCE, deliveries.next()).await.unwrap().unwrap().unwrap();
        let envelope = Envelope::from_headers(message.headers.as_ref()).unwrap();
        let sealed = match &envelope.body {
            Body::Inline => message.payload.clone(),
            Body::Object(name) => {
                use tokio::io::AsyncReadExt;
                let store = self.link.js.get_object_store(subject::BODIES_BUCKET).await.unwrap();
                let mut bytes = Vec::new();
                store.get(name).await.unwrap().read_to_end(&mut bytes).await.unwrap();
                bytes.into()
            }
        };
        let body = self.projection.ring().open(envelope.request, &sealed).unwrap();
        message.ack_with(AckKind::Ack).await.unwrap();
        Job { link: self.link.clone(), message, envelope, body }
    }

    /// The payload keys.
    pub fn ring(&self) -> Arc<proto::seal::KeyRing> {
        self.projection.ring()
    }

    /// How many requests were stored.
    pub async fn stored(&self) -> u64 {
        self.link.js.get_stream(subject::REQUESTS_STREAM).await.unwrap().cached_info().state.messages
    }

    /// Sends a request and reads the whole answer.
    pub async fn send(&self, request: Request<Full<Bytes>>) -> (u16, http::HeaderMap, String) {
        whole(self.open(request).await).await
    }

    /// Sends a request and returns once its head has arrived.
    pub async fn open(&self, request: Request<Full<Bytes>>) -> Response<Incoming> {
        open(self.address, request).await
    }

    /// `GET path` with or without a key.
    pub async fn get(&self, path: &str, key: Option<&str>) -> (u16, http::HeaderMap, String) {
        let mut request = Request::get(path).header("host", "forebay");
        if let Some(key) = key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        self.send(request.body(Full::default()).unwrap()).await
    }
}

/// Sends a request on a connection of its own.
pub async fn open(address: SocketAddr, request: Request<Full<Bytes>>) -> Response<Incoming> {
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    tokio::time::timeout(PATIENCE, sender.send_request(request)).await.unwrap().unwrap()
}

/// Status, headers and body of an answer.
pub async fn whole(response: Response<Incoming>) -> (u16, http::HeaderMap, String) {
    let (parts, body) = response.into_parts();
    let body = tokio::time::timeout(PATIENCE, body.collect()).await.unwrap().unwrap().to_bytes();
    (parts.status.as_u16(), parts.headers, String::from_utf8(body.to_vec()).unwrap())
}

/// The next piece of a stream.
pub async fn piece(response: &mut Response<Incoming>) -> Option<String> {
    let frame = tokio::time::timeout(PATIENCE, response.frame()).await.unwrap()?;
    Some(String::from_utf8(frame.unwrap().into_data().unwrap().to_vec()).unwrap())
}

/// A chat request with the key.
pub fn chat(body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    Request::post("/v1/chat/completions")
        .header("host", "forebay")
        .header("authorization", format!("Bearer {KEY}"))
        .header("content-type", "application/json")
        .body(Full::new(body.into()))
        .unwrap()
}

pub const ASK_FAST: &str = r#"{"model":"fast","messages":[{"role":"user","content":"hi"}]}"#;
pub const STREAM_FAST: &str = r#"{"model":"fast","stream":true,"messages":[{"role":"user","content":"hi"}]}"#;

/// A request at a worker.
pub struct Job {
    link: Link,
    pub message: Message,
    pub envelope: Envelope,
    pub body: Bytes,
}

impl Job {
    /// Sends a frame.
    pub async fn frame(&self, token: Token, seq: u32, sections: Vec<Section>) {
        let frame = Frame { token, seq, sections }.encode().unwrap();
        let subject = subject::reply(self.envelope.ingress, self.envelope.request);
        self.link.client.publish(subject, frame).await.unwrap();
    }

    /// Asks the ingress.
    pub async fn ask(&self, question: Question, token: Token, sent: u32) -> Answer {
        let ask = Ask { question, request: self.envelope.request, token, sent };
        let json = serde_json::to_vec(&ask).unwrap();
        let subject = subject::ask(self.envelope.ingress);
        let answer = self.link.client.request(subject, json.into()).await.unwrap();
        serde_json::from_slice(&answer.payload).unwrap()
    }

    /// Some event that books the request.
    pub fn event(&self) -> Event {
        let origin = Origin { stream: "REQUESTS".into(), seq: 1, accepted_ms: 1 };
        Event::Closed(Closed {
            request: self.envelope.request,
            token: Token(1),
            subject: Subject::of(&self.envelope, origin),
            reason: CloseReason::Refused,
            fault: None,
            bound: None,
        })
    }

    /// The end section that carries it.
    pub fn end(&self) -> Section {
        Section::End(serde_json::to_vec(&self.event()).unwrap().into())
    }
}

/// A head as a worker sends it.
pub fn head() -> Section {
    Section::Head(Head {
        status: 200,
        content_type: "application/json".into(),
        provider: "primary".into(),
        model: "up".into(),
        route_mode: "platform".into(),
        attempts: 1,
        config: 1,
        queue_ms: 3,
        upstream_ms: 0,
        warnings: None,
        cost: Some(proto::money::NanoUsd(12_500)),
    })
}

pub fn data(text: &'static str) -> Section {
    Section::Data(Bytes::from_static(text.as_bytes()))
}

async fn put(link: &Link, bucket: &str, key: &str, value: Bytes) {
    link.js.get_key_value(bucket).await.unwrap().put(key, value).await.unwrap();
}

/// A worker and a ledger that are well.
async fn beat(link: Link) {
    let worker = WorkerBeat {
        worker: WorkerId::random(),
        pool: "main".into(),
        config: 1,
        pulling: true,
        backlog: Some(0),
        finished: 1,
        running: 0,
        capacity: 10,
        providers: vec![ProviderBeat {
            provider: "primary".into(),
            ok: false,
            status: Some(503),
            latency_ms: 12,
            error: Some("upstream_overloaded".into()),
            at_ms: 7,
        }],
    };
    let ledger = LedgerBeat { consuming: true, active: true, cursor: 1, lag: 0 };
    loop {
        for (subject, json) in [
            (subject::CTL_LOAD, serde_json::to_vec(&worker).unwrap()),
            (subject::CTL_LEDGER, serde_json::to_vec(&ledger).unwrap()),
        ] {
            link.client.publish(subject, json.into()).await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// An id that no request has.
pub fn no_request() -> RequestId {
    "req_00000000000000000000000000000001".parse().unwrap()
}
