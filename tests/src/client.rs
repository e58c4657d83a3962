//! A client: whole answers and server-sent events, byte by byte as they come.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use serde_json::{Value, json};

/// The longest that anything here may take.
const TIMEOUT: Duration = Duration::from_secs(90);

/// A client of one address with one key. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Client {
    /// The client beneath, for what is not wrapped.
    pub http: reqwest::Client,
    /// `http://host:port`.
    pub base: String,
    /// The virtual key.
    pub key: String,
}

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
}

impl Answer {
    async fn of(response: reqwest::Response) -> Result<Self> {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Self { status, headers, body: response.bytes().await? })
    }

    /// The body as JSON.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_slice(&self.body).with_context(|| format!("{} is not JSON", self.text()))
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|v| v.to_str().ok())
    }

    /// The text that the model said.
    pub fn content(&self) -> Result<String> {
        let body = self.json()?;
        let content = body.pointer("/choices/0/message/content").and_then(Value::as_str);
        Ok(content.with_context(|| self.text())?.to_owned())
    }

    /// The error's code.
    pub fn code(&self) -> Result<String> {
        let body = self.json()?;
        Ok(body.pointer("/error/code").and_then(Value::as_str).with_context(|| self.text())?.to_owned())
    }

    /// Forebay's id of the request.
    pub fn request_id(&self) -> Result<String> {
        Ok(self.header("request-id").with_context(|| format!("no request-id: {}", self.text()))?.to_owned())
    }
}

/// A body that asks `model` for a whole answer.
pub fn chat(model: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": "How high does the water rise?"}]})
}

/// A body that asks `model` for a stream.
pub fn chat_stream(model: &str) -> Value {
    let mut body = chat(model);
    body["stream"] = json!(true);
    body
}

/// The client beneath, with bounds. Idle connections are kept, as the real clients keep them.
pub fn http() -> Result<reqwest::Client> {
    Ok(builder().timeout(TIMEOUT).build()?)
}

/// The start of a client: no proxy, TLS without the system's certificates.
pub fn builder() -> reqwest::ClientBuilder {
    static PROVIDER: OnceLock<()> = OnceLock::new();
    PROVIDER.get_or_init(|| {
        // An error says that one is installed already, which is all that is wanted.
        drop(rustls::crypto::ring::default_provider().install_default());
    });
    reqwest::Client::builder().no_proxy().tls_certs_only([]).connect_timeout(Duration::from_secs(5))
}

/// One request without a key, over a connection of its own.
pub async fn get(url: &str) -> Result<Answer> {
    Answer::of(http()?.get(url).timeout(Duration::from_secs(5)).send().await?).await
}

impl Client {
    /// A client with connections of its own.
    pub fn new(base: impl Into<String>, key: impl Into<String>) -> Result<Self> {
        Ok(Self { http: http()?, base: base.into(), key: key.into() })
    }

    /// The same client with another key.
    #[must_use]
    pub fn with_key(&self, key: &str) -> Self {
        Self { key: key.to_owned(), ..self.clone() }
    }

    /// `GET` with the key.
    pub async fn get(&self, path: &str) -> Result<Answer> {
        let request = self.http.get(format!("{}{path}", self.base)).bearer_auth(&self.key);
        Answer::of(request.send().await?).await
    }

    /// The start of a chat request with this body, exactly.
    pub fn post(&self, body: impl Into<reqwest::Body>) -> reqwest::RequestBuilder {
        let request = self.http.post(format!("{}/v1/chat/completions", self.base)).bearer_auth(&self.key);
        request.header(CONTENT_TYPE, "application/json").body(body)
    }

    /// Sends a chat request and reads the whole answer.
    pub async fn chat(&self, body: &Value) -> Result<Answer> {
        self.send(self.post(body.to_string())).await
    }

    /// Asks `model` for a whole answer; the future borrows nothing.
    pub fn ask(&self, model: &str) -> impl Future<Output = Result<Answer>> + Send + use<> {
        let request = self.post(chat(model).to_string());
        async move { Answer::of(request.send().await?).await }
    }

    /// Sends a prepared request and reads the whole answer.
    pub async fn send(&self, request: reqwest::RequestBuilder) -> Result<Answer> {
        Answer::of(request.send().await?).await
    }

    /// Sends a chat request and reads its answer event by event.
    pub async fn stream(&self, body: &Value) -> Result<Events> {
        Events::open(self.post(body.to_string())).await
    }
}

/// A stream of server-sent events.
pub struct Events {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// Every byte so far.
    pub raw: Vec<u8>,
    body: BoxStream<'static, reqwest::Result<Bytes>>,
    buffer: BytesMut,
    /// Up to here no event ends in the buffer.
    seen: usize,
}

/// A stream read to its end.
#[derive(Debug, Default)]
pub struct Read {
    /// The data of every event but `[DONE]`, as JSON.
    pub events: Vec<Value>,
    /// When each came, counted from the first read.
    pub at: Vec<Duration>,
    /// Whether `[DONE]` came.
    pub done: bool,
    /// Why the connection broke, if it did.
    pub broken: Option<String>,
    /// Every byte.
    pub raw: Vec<u8>,
}

impl Read {
    /// The text that the model said.
    pub fn content(&self) -> String {
        let pieces = self.events.iter().filter_map(|e| e.pointer("/choices/0/delta/content"));
        pieces.filter_map(Value::as_str).collect()
    }

    /// The error event, if there is one.
    pub fn error(&self) -> Option<&Value> {
        self.events.iter().map(|e| &e["error"]).find(|e| !e.is_null())
    }

    /// The usage that was told, if it was.
    pub fn usage(&self) -> Option<&Value> {
        self.events.iter().map(|e| &e["usage"]).find(|u| !u.is_null())
    }
}

impl Events {
    /// Sends a prepared request and waits for the head of its answer.
    pub async fn open(request: reqwest::RequestBuilder) -> Result<Self> {
        let response = request.send().await?;
        Ok(Self {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            raw: Vec::new(),
            body: response.bytes_stream().boxed(),
            buffer: BytesMut::new(),
            seen: 0,
        })
    }

    /// A header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|v| v.to_str().ok())
    }

    /// Forebay's id of the request.
    pub fn request_id(&self) -> Result<String> {
        Ok(self.header("request-id").context("no request-id")?.to_owned())
    }

    /// The data of the next event; `None` at a clean end. A connection that breaks is an error.
    pub async fn next(&mut self) -> Result<Option<String>> {
        loop {
            if let Some(end) = self.buffer[self.seen..].windows(2).position(|w| w == b"\n\n") {
                let event = self.buffer.split_to(self.seen + end + 2);
                self.seen = 0;
                let text = std::str::from_utf8(&event)?;
                let data: Vec<&str> =
                    text.lines().filter_map(|l| l.strip_prefix("data:")).map(str::trim).collect();
                if !data.is_empty() {
                    return Ok(Some(data.join("\n")));
                }
                continue;
            }
            self.seen = self.buffer.len().saturating_sub(1);
            match self.body.next().await {
                Some(chunk) => {
                    let chunk = chunk?;
                    self.raw.extend_from_slice(&chunk);
                    self.buffer.extend_from_slice(&chunk);
                }
                None => return Ok(None),
            }
        }
    }

    /// Reads an answer that is no stream.
    pub async fn read_whole(mut self) -> Result<Vec<u8>> {
        let mut whole = self.raw;
        while let Some(chunk) = self.body.next().await {
            whole.extend_from_slice(&chunk?);
        }
        Ok(whole)
    }

    /// Reads to the end, whatever it is.
    pub async fn read(mut self) -> Result<Read> {
        let started = Instant::now();
        let mut read = Read::default();
        loop {
            match self.next().await {
                Ok(Some(data)) if data == "[DONE]" => read.done = true,
                Ok(Some(data)) => {
                    read.events.push(serde_json::from_str(&data).with_context(|| data.clone())?);
                    read.at.push(started.elapsed());
                }
                Ok(None) => break,
                Err(error) => {
                    read.broken = Some(format!("{error:#}"));
                    break;
                }
            }
        }
        read.raw = self.raw;
        Ok(read)
    }

    /// Reads until an event brings content.
    pub async fn first_content(&mut self) -> Result<String> {
        loop {
            let data = self.next().await?.context("the stream ended before any content")?;
            let event: Value = serde_json::from_str(&data).with_context(|| data.clone())?;
            let content = event.pointer("/choices/0/delta/content").and_then(Value::as_str);
            if let Some(content) = content.filter(|c| !c.is_empty()) {
                return Ok(content.to_owned());
            }
        }
    }
}
