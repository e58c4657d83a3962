//! The fake provider's HTTP: its own accept loop, because a script may drop a connection at any point.

#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, future, stream};
use http::{HeaderMap, Method, Request, Response, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};
use tokio::task::{JoinHandle, JoinSet};

use crate::answer::{Answer, INPUT_TOKENS, Item, refusal, sha256};
use crate::calls::{Call, Calls, Ended, Running};
use crate::script::{Ending, Refusal, Script};
use crate::strict::{Asked, Refused, bearer, check_body, check_key};

const BODY_MAX: usize = 128 << 20;
/// Long enough for what was written before to leave the machine's buffers ahead of a dropped connection.
const BEFORE_CUT: Duration = Duration::from_millis(2);

type Body = UnsyncBoxBody<Bytes, Cut>;

/// The script drops the connection here.
#[derive(Debug)]
struct Cut;

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the script drops the connection here")
    }
}

impl std::error::Error for Cut {}

/// An answer fixed in advance for one model.
#[derive(Debug, Clone)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// The body.
    pub body: Value,
}

/// How a fake provider is set up.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Stands in the ids of its answers, so that several can be told apart.
    pub name: String,
    /// The one credential it accepts; any, where absent.
    pub key: Option<String>,
    /// Whether bodies are kept (otherwise only their hash and length).
    pub keep_bodies: bool,
    /// Models whose answer is fixed instead of scripted by name.
    pub replies: HashMap<String, Reply>,
}

#[derive(Debug)]
struct State {
    options: Options,
    calls: Calls,
    /// What was asked for once, by model and user.
    seen: Mutex<HashSet<String>>,
}

/// A running fake provider; it ends, with all its connections, when dropped.
#[derive(Debug)]
pub struct Upstream {
    addr: SocketAddr,
    state: Arc<State>,
    task: JoinHandle<()>,
}

impl Upstream {
    /// Starts listening at `addr` (port 0: a free one). Fails if it cannot.
    pub async fn start(addr: impl ToSocketAddrs, options: Options) -> io::Result<Self> {
        let listener = TcpListener::bind(addr).await?;
        let addr = listener.local_addr()?;
        let state = Arc::new(State { options, calls: Calls::default(), seen: Mutex::default() });
        let task = tokio::spawn(accept(listener, Arc::clone(&state)));
        Ok(Self { addr, state, task })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What a provider's `base_url` has to be.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.addr)
    }

    /// Every call so far.
    pub fn calls(&self) -> &Calls {
        &self.state.calls
    }

    /// Serves until it fails, which it does not.
    pub async fn serve(mut self) {
        let _ended = (&mut self.task).await;
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    let mut connections = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                connections.spawn(connection(stream, Arc::clone(&state)));
            }
            // Out of file descriptors: what is open must close first.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn connection(stream: TcpStream, state: Arc<State>) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let service = service_fn(move |request| {
        let state = Arc::clone(&state);
        async move { state.handle(request).await }
    });
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new());
    // An error is a connection that a script or the caller dropped; both are noted in the call.
    drop(http.serve_connection(TokioIo::new(stream), service).await);
}

impl State {
    async fn handle(&self, request: Request<Incoming>) -> Result<Response<Body>, Cut> {
        let path = request.uri().path().to_owned();
        let answer = match (request.method(), path.as_str()) {
            (&Method::POST, "/v1/chat/completions") => return self.completion(request).await,
            (&Method::GET, "/v1/models") => match check_key(request.headers(), self.options.key.as_deref()) {
                Ok(()) => json(
                    200,
                    &json!({"object": "list", "data": [
                    {"id": "ok", "object": "model", "created": 1, "owned_by": "fake"}]}),
                ),
                Err(refused) => json(refused.status, &refused.body),
            },
            (&Method::GET, "/_calls") => self.list(request.uri().query()),
            (&Method::GET, "/_calls/count") => self.state_count(),
            (_, "/v1/chat/completions" | "/v1/models") => {
                refuse(&Refused::new(405, "invalid_request_error", None, "Not allowed to use this method."))
            }
            _ => refuse(&Refused::new(
                404,
                "invalid_request_error",
                Some("unknown_url"),
                "Unknown request URL.",
            )),
        };
        Ok(answer)
    }

    fn list(&self, query: Option<&str>) -> Response<Body> {
        let from = query.and_then(|q| q.strip_prefix("from=")).and_then(|n| n.parse().ok()).unwrap_or(0);
        let calls = self.calls.read(|calls| serde_json::to_value(calls.get(from..).unwrap_or_default()));
        json(200, &calls.unwrap_or_default())
    }

    fn state_count(&self) -> Response<Body> {
        let (started, open) =
            self.calls.read(|calls| (calls.len(), calls.iter().filter(|c| c.ended.is_none()).count()));
        json(200, &json!({"started": started, "open": open}))
    }

    async fn completion(&self, request: Request<Incoming>) -> Result<Response<Body>, Cut> {
        let (parts, body) = request.into_parts();
        if let Err(refused) = check_key(&parts.headers, self.options.key.as_deref()) {
            return Ok(refuse(&refused));
        }
        let body = Limited::new(body, BODY_MAX).collect().await.map_err(|_| Cut)?.to_bytes();
        let asked = match check_body(&parts.headers, &body) {
            Ok(asked) => asked,
            Err(refused) => return Ok(refuse(&refused)),
        };
        let mut id = String::new();
        let running = self.calls.start(|n| {
            id = format!("chatcmpl-{}-{n}", self.options.name);
            self.call(n, &id, &asked, &parts.headers, &body)
        });
        let answer = self.answer(&id, &asked, &body, running).await;
        answer.map(|mut answer| {
            if let Ok(value) = id.parse() {
                answer.headers_mut().insert("x-request-id", value);
            }
            answer
        })
    }

    fn call(&self, n: usize, id: &str, asked: &Asked, headers: &HeaderMap, body: &Bytes) -> Call {
        let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        Call {
            n,
            id: id.to_owned(),
            model: asked.model.clone(),
            user: asked.user.clone(),
            stream: asked.wants_stream(),
            headers: headers
                .iter()
                .filter(|(name, _)| *name != header::AUTHORIZATION)
                .map(|(name, value)| (name.as_str().to_owned(), text(value)))
                .collect(),
            key: bearer(headers).unwrap_or_default().to_owned(),
            body_sha256: sha256(body),
            body_bytes: body.len(),
            body: if self.options.keep_bodies { body.clone() } else { Bytes::new() },
            started_ms: proto::clock::now_ms(),
            ended_ms: None,
            ended: None,
            status: None,
            input_tokens: INPUT_TOKENS,
            output_tokens: 0,
        }
    }

    async fn answer(
        &self,
        id: &str,
        asked: &Asked,
        body: &[u8],
        mut running: Running,
    ) -> Result<Response<Body>, Cut> {
        if let Some(reply) = self.options.replies.get(&asked.model) {
            running.answered(reply.status);
            running.end(Ended::Finished);
            return Ok(json(reply.status, &reply.body));
        }
        let Some(script) = Script::of(&asked.model) else {
            running.answered(404);
            running.end(Ended::Finished);
            return Ok(refuse(&refusal(404, false)));
        };
        if !script.delay_once || self.is_first(asked) {
            tokio::time::sleep(script.delay).await;
        }
        if let Some(refused) = script.refusal.as_ref().filter(|r| self.refuses(r, asked)) {
            running.answered(refused.status);
            running.end(Ended::Finished);
            return Ok(with_wait(refuse(&refusal(refused.status, refused.quota)), refused));
        }
        match script.ending {
            Ending::Hang => future::pending::<()>().await,
            Ending::CutAtOnce => {
                running.end(Ended::Cut);
                return Err(Cut);
            }
            Ending::Done
            | Ending::NoDone
            | Ending::CutAfter(_)
            | Ending::ErrorAfter(_)
            | Ending::HangAfter(_) => {}
        }
        let answer = Answer { id, asked, script: &script, body };
        if asked.wants_stream() {
            running.answered(200);
            let content = body_of(answer.stream(), script.ending, running);
            return Ok(response(200, "text/event-stream; charset=utf-8", content));
        }
        tokio::time::sleep(script.every * script.chunks).await;
        Ok(unary(&answer, running))
    }

    fn refuses(&self, refusal: &Refusal, asked: &Asked) -> bool {
        !refusal.once || self.is_first(asked)
    }

    /// Whether nobody has asked this of this model for that `user` before.
    fn is_first(&self, asked: &Asked) -> bool {
        let marker = format!("{}/{}", asked.model, asked.user.as_deref().unwrap_or_default());
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(marker)
    }
}

fn unary(answer: &Answer<'_>, mut running: Running) -> Response<Body> {
    let ending = answer.script.ending;
    if matches!(ending, Ending::ErrorAfter(_)) {
        running.answered(500);
        running.end(Ended::Finished);
        return refuse(&refusal(500, false));
    }
    let (body, tokens) = answer.unary();
    running.answered(200);
    let broken = matches!(ending, Ending::CutAfter(_) | Ending::HangAfter(_));
    let sent = if broken { body.slice(..body.len() / 2) } else { body.clone() };
    let item = Item { bytes: sent, tokens, wait: Duration::ZERO };
    let mut response = response(200, "application/json", body_of(vec![item], ending, running));
    response.headers_mut().insert(header::CONTENT_LENGTH, body.len().into());
    response
}

/// Writes the items as their waits say, and then does what the ending says.
fn body_of(items: Vec<Item>, ending: Ending, running: Running) -> Body {
    let state = (items.into_iter(), running, false);
    let frames = stream::unfold(state, move |(mut items, mut running, over)| async move {
        if over {
            return None;
        }
        if let Some(item) = items.next() {
            if !item.wait.is_zero() {
                tokio::time::sleep(item.wait).await;
            }
            if item.tokens > 0 {
                running.produced(item.tokens);
            }
            return Some((Ok(Frame::data(item.bytes)), (items, running, false)));
        }
        match ending {
            Ending::Done | Ending::NoDone | Ending::ErrorAfter(_) => {
                running.end(Ended::Finished);
                None
            }
            Ending::CutAfter(_) | Ending::CutAtOnce => {
                tokio::time::sleep(BEFORE_CUT).await;
                running.end(Ended::Cut);
                Some((Err(Cut), (items, running, true)))
            }
            Ending::HangAfter(_) | Ending::Hang => future::pending().await,
        }
    });
    StreamBody::new(frames.boxed()).boxed_unsync()
}

fn with_wait(mut response: Response<Body>, refusal: &Refusal) -> Response<Body> {
    if let Some((name, value)) = &refusal.wait
        && let Ok(value) = value.parse()
    {
        response.headers_mut().insert(*name, value);
    }
    response
}

fn refuse(refused: &Refused) -> Response<Body> {
    json(refused.status, &refused.body)
}

fn json(status: u16, body: &Value) -> Response<Body> {
    let whole = Full::new(Bytes::from(body.to_string()));
    response(status, "application/json", whole.map_err(|never: Infallible| match never {}).boxed_unsync())
}

fn response(status: u16, content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
    response.headers_mut().insert(header::CONTENT_TYPE, http::HeaderValue::from_static(content_type));
    response
}
