//! A fake provider's HTTP: axum on an accept loop of its own, so that all connections end with the fake.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use futures_util::future;
use http::header;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};
use tokio::task::{JoinHandle, JoinSet};

use super::asked::{Asked, Event, Incoming, Refusal, Routed, Said};
use super::record::{Billed, Log, Open, Seen};
use super::script::{End, Failure, Script, Trouble};
use super::seal::Seal;
use super::tale::Tale;
use super::write::{streamed, written};
use super::{Ctx, Kind, Options, stream_type, whole};
use crate::calls::Ended;

const BODY_MAX: usize = 64 << 20;
const CREDENTIALS: [&str; 5] =
    ["authorization", "x-api-key", "api-key", "x-goog-api-key", "x-amz-security-token"];

/// A running fake provider; it ends, with all its connections, when dropped.
#[derive(Debug)]
pub struct Fake {
    addr: SocketAddr,
    state: Arc<Running>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Running {
    kind: Kind,
    name: String,
    ctx: Ctx,
    log: Log,
    /// How often what is flaky has failed, by model and text.
    failed: Mutex<HashMap<String, u32>>,
}

impl Fake {
    /// Starts one on a free port. Fails if it cannot listen.
    pub async fn start(kind: Kind) -> io::Result<Self> {
        Self::start_with(kind, "127.0.0.1:0", Options::new(kind)).await
    }

    /// Starts one there.
    pub async fn start_with(kind: Kind, addr: impl ToSocketAddrs, options: Options) -> io::Result<Self> {
        let listener = TcpListener::bind(addr).await?;
        let addr = listener.local_addr()?;
        let seal = Seal { name: options.name.clone() };
        let ctx = Ctx { key: options.key, seal, stored: crate::openai::responses::Stored::default() };
        let state = Arc::new(Running {
            kind,
            name: options.name,
            ctx,
            log: Log::default(),
            failed: Mutex::default(),
        });
        let router = Router::new().fallback(answer).with_state(Arc::clone(&state));
        let task = tokio::spawn(accept(listener, router));
        Ok(Self { addr, state, task })
    }

    /// Whose API it speaks.
    pub fn kind(&self) -> Kind {
        self.state.kind
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Scheme, host and port.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// What the `base_url` of a provider of this kind has to be.
    pub fn base_url(&self) -> String {
        let path = if self.state.kind == Kind::Openai { "/v1" } else { "" };
        format!("http://{}{path}", self.addr)
    }

    /// The API key it takes.
    pub fn key(&self) -> &str {
        &self.state.ctx.key
    }

    /// A copy of every call so far.
    pub fn calls(&self) -> Vec<Seen> {
        self.state.log.all()
    }

    /// All calls, to read in place or to wait for.
    pub fn log(&self) -> &Log {
        &self.state.log
    }

    /// Why calls were refused as wrong: empty for a gateway that does as the provider's API asks.
    pub fn refusals(&self) -> Vec<String> {
        self.state.log.read(|calls| calls.iter().filter_map(|call| call.refused.clone()).collect())
    }

    /// Serves until it fails, which it does not.
    pub async fn serve(mut self) {
        let _ended = (&mut self.task).await;
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, router: Router) {
    let mut connections = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                connections.spawn(connection(stream, router.clone()));
            }
            // Out of file descriptors: what is open must close first.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn connection(stream: TcpStream, router: Router) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new());
    // An error is a connection that a script or the caller dropped; both are noted in the call.
    drop(http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router)).await);
}

async fn answer(State(state): State<Arc<Running>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, BODY_MAX).await.unwrap_or_default();
    let call = Incoming {
        method: parts.method.as_str().to_owned(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts.headers,
        json: serde_json::from_slice(&body).ok(),
        body,
    };
    let open = state.log.start(seen(&call));
    let headers = state.kind.headers(open.n);
    let mut response = state.answer(&call, open).await;
    for (name, value) in headers {
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

fn seen(call: &Incoming) -> Seen {
    let header = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        let hidden = CREDENTIALS.contains(&name.as_str());
        let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
        (name.as_str().to_owned(), if hidden { "[present]".to_owned() } else { text })
    };
    let query: Vec<&str> = call.query.split('&').filter(|pair| !pair.starts_with("key=")).collect();
    Seen {
        n: 0,
        dialect: None,
        method: call.method.clone(),
        path: call.path.clone(),
        query: query.join("&"),
        headers: call.headers.iter().map(header).collect::<BTreeMap<_, _>>(),
        body: call.json.clone().unwrap_or_default(),
        model: String::new(),
        stream: false,
        status: None,
        refused: None,
        billed: Billed::default(),
        ended: None,
    }
}

impl Running {
    async fn answer(&self, call: &Incoming, mut open: Open) -> Response {
        match self.kind.route(&self.ctx, call) {
            Err(refusal) => {
                open.note(|seen| seen.refused = Some(refusal.body.to_string()));
                refuse(&refusal, open)
            }
            Ok(Routed::Fixed(fixed)) => {
                open.note(|seen| {
                    seen.dialect = Some(fixed.form);
                    seen.model.clone_from(&fixed.model);
                    seen.billed = fixed.billed;
                    seen.status = Some(200);
                });
                open.end(Ended::Finished);
                respond(200, "application/json", Body::from(fixed.body.to_string()))
            }
            Ok(Routed::Ask(asked)) => self.play(&asked, open).await,
        }
    }

    async fn play(&self, asked: &Asked, open: Open) -> Response {
        open.note(|seen| {
            seen.dialect = Some(asked.form);
            seen.model.clone_from(&asked.model);
            seen.stream = asked.stream;
        });
        let script = match Script::of(&asked.model, &asked.last_text) {
            Ok(script) => script,
            Err(word) => {
                open.note(|seen| seen.refused = Some(format!("no script is called {word}")));
                return refuse(&self.kind.failure(Failure::Status(404)), open);
            }
        };
        if let Some(failure) = self.failure(asked, &script) {
            return refuse(&self.kind.failure(failure), open);
        }
        match script.trouble {
            Trouble::Hang => future::pending::<()>().await,
            Trouble::MidError if !asked.stream => {
                return refuse(&self.kind.failure(Failure::Status(500)), open);
            }
            Trouble::None | Trouble::Cut | Trouble::MidError => {}
        }
        let tale = Tale::of(asked, &script, &self.name, open.n);
        let said = Said { asked, tale: &tale, seal: &self.ctx.seal };
        let billed = tale.billed(asked.form);
        open.note(|seen| {
            seen.status = Some(200);
            seen.billed = Billed { output_tokens: 0, reasoning: 0, ..billed };
        });
        self.ctx.stored.keep(said);
        if asked.stream {
            let events = streamed(said, &script);
            return respond(200, stream_type(asked), written(events, &script, billed, open));
        }
        let body = whole(said).to_string();
        let length = body.len();
        let sent = if script.trouble == Trouble::Cut { body.len() / 2 } else { body.len() };
        let event = Event { bytes: Bytes::from(body).slice(..sent), tokens: billed.output_tokens };
        open.note(|seen| seen.billed = billed);
        let mut response = respond(200, "application/json", written(vec![event], &script, billed, open));
        response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
        response
    }

    fn failure(&self, asked: &Asked, script: &Script) -> Option<Failure> {
        if script.error.is_some() {
            return script.error;
        }
        if script.end == End::PromptBlock && matches!(self.kind, Kind::Openai | Kind::Azure) {
            return Some(Failure::PromptBlock);
        }
        let times = script.flaky?.get();
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        let count = failed.entry(format!("{}\n{}", asked.model, asked.last_text)).or_default();
        *count += 1;
        (*count <= times).then_some(Failure::Status(500))
    }
}

fn refuse(refusal: &Refusal, mut open: Open) -> Response {
    open.note(|seen| seen.status = Some(refusal.status));
    open.end(Ended::Finished);
    let body = if refusal.body == Value::Null { Body::empty() } else { Body::from(refusal.body.to_string()) };
    let mut response = respond(refusal.status, "application/json", body);
    for (name, value) in &refusal.headers {
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(*name, value);
        }
    }
    response
}

fn respond(status: u16, content_type: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
    response.headers_mut().insert(header::CONTENT_TYPE, http::HeaderValue::from_static(content_type));
    response
}
