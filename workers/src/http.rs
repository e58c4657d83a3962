//! One HTTP client per provider: timeouts, guard, pool, and the headers that every call to it carries.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use proto::config::Provider;
use proto::id::AttemptId;
use proto::secret::Secret;
use reqwest::{Client, Method, Request, Url};
use tokio::sync::Semaphore;

use crate::config::Config;
use crate::guard::{self, GuardError, GuardedResolver};
use crate::metrics::ProviderMetrics;
use crate::providers::{self, Adapter};
use crate::secrets::{self, SecretError};

/// Shorter than the keep-alive of common servers would be safest; hyper sees most closed connections in time.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(20);
const TCP_KEEPALIVE: Duration = Duration::from_secs(30);
const HTTP2_PING_TIMEOUT: Duration = Duration::from_secs(10);
const AGENT: &str = concat!("forebay/", env!("CARGO_PKG_VERSION"));
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");
const TRACEPARENT: HeaderName = HeaderName::from_static(proto::subject::TRACEPARENT_HEADER);
/// Names the attempt, so that a provider's own records can be laid beside the books.
const ATTEMPT: HeaderName = HeaderName::from_static("x-forebay-attempt");

/// Why a configured provider cannot be called.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UnusableError {
    /// Its kind has no address of its own and none is configured.
    #[error("base_url is missing")]
    NoAddress,
    /// Its address is not allowed.
    #[error("the guard refuses its address")]
    Guard(#[source] GuardError),
    /// Its secret cannot be read.
    #[error("its api_key cannot be read")]
    Secret(#[source] SecretError),
    /// No client could be made.
    #[error("no HTTP client could be made")]
    Client(#[source] reqwest::Error),
    /// The built-in provider does not start.
    #[error("the scripted provider does not start")]
    Scripted(#[source] std::io::Error),
}

/// What was last seen of a provider, for health reports.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    /// Its HTTP status, where it answered.
    pub(crate) status: Option<u16>,
    /// To its first content or its failure, in milliseconds.
    pub(crate) latency_ms: u64,
    /// Why it failed; a refusal of the caller's own mistake is no failure.
    pub(crate) error: Option<&'static str>,
    /// When, in milliseconds since the Unix epoch.
    pub(crate) at_ms: u64,
}

/// A provider that can be called.
#[derive(Debug)]
pub(crate) struct Upstream {
    /// What it was built from.
    pub(crate) provider: Provider,
    /// Its vendor's row.
    pub(crate) adapter: &'static Adapter,
    /// Its metrics.
    pub(crate) metrics: ProviderMetrics,
    /// Calls that may still start, where the number is limited.
    pub(crate) permits: Option<Arc<Semaphore>>,
    key: Option<Secret<String>>,
    url: Url,
    headers: HeaderMap,
    client: Client,
    seen: Mutex<Option<Seen>>,
}

impl Upstream {
    /// Checks the address, reads the secret and makes the client. `built_in` is the scripted provider's address.
    pub(crate) async fn build(
        provider: &Provider,
        settings: &Config,
        built_in: Option<&str>,
    ) -> Result<Self, UnusableError> {
        let adapter = providers::adapter(provider.kind);
        let base = match (adapter.built_in, provider.base_url.as_deref(), adapter.base_url) {
            (true, _, _) => built_in,
            (false, Some(configured), _) => Some(configured),
            (false, None, usual) => usual,
        };
        let base = base.ok_or(UnusableError::NoAddress)?.trim_end_matches('/');
        let allow_private = adapter.built_in || provider.allow_private_network;
        let url = guard::check_url(&format!("{base}{}", adapter.path), allow_private)
            .map_err(UnusableError::Guard)?;
        let key = match &provider.api_key {
            Some(place) => Some(secrets::read(place).await.map_err(UnusableError::Secret)?),
            None => None,
        };
        Ok(Self {
            client: client(&url, settings, allow_private).map_err(UnusableError::Client)?,
            headers: headers(key.as_ref())?,
            metrics: ProviderMetrics::new(&provider.name),
            permits: settings.in_flight_max.map(|max| Arc::new(Semaphore::new(max))),
            provider: provider.clone(),
            seen: Mutex::new(None),
            adapter,
            key,
            url,
        })
    }

    /// Whether it was built from the same row and the same secret as `other`.
    pub(crate) fn same_as(&self, other: &Self) -> bool {
        let key = |upstream: &Self| upstream.key.as_ref().map(|key| key.expose().clone());
        self.provider == other.provider && self.url == other.url && key(self) == key(other)
    }

    /// Sends `body`. Nothing of the caller's headers goes along but the trace context; the attempt's
    /// id does.
    pub(crate) fn send(
        &self,
        body: Bytes,
        stream: bool,
        attempt: AttemptId,
        traceparent: Option<&str>,
    ) -> impl Future<Output = reqwest::Result<reqwest::Response>> {
        let mut request = Request::new(Method::POST, self.url.clone());
        let mut headers = self.headers.clone();
        headers.insert(ACCEPT, if stream { EVENT_STREAM } else { JSON });
        if let Ok(value) = HeaderValue::from_str(&attempt.to_string()) {
            headers.insert(ATTEMPT, value);
        }
        if let Some(value) = traceparent.and_then(|text| HeaderValue::from_str(text).ok()) {
            headers.insert(TRACEPARENT, value);
        }
        *request.headers_mut() = headers;
        *request.body_mut() = Some(body.into());
        self.client.execute(request)
    }

    /// Notes what was seen of it.
    pub(crate) fn note(&self, seen: Seen) {
        if let Ok(mut last) = self.seen.lock() {
            *last = Some(seen);
        }
    }

    /// What was last seen of it.
    pub(crate) fn seen(&self) -> Option<Seen> {
        self.seen.lock().ok().and_then(|seen| *seen)
    }
}

fn client(url: &Url, settings: &Config, allow_private: bool) -> reqwest::Result<Client> {
    let builder = Client::builder()
        .connect_timeout(settings.connect_timeout)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .no_proxy()
        .dns_resolver(Arc::new(GuardedResolver { allow_private }))
        .pool_idle_timeout(POOL_IDLE_TIMEOUT)
        .tcp_keepalive(TCP_KEEPALIVE)
        .http2_keep_alive_interval(TCP_KEEPALIVE)
        .http2_keep_alive_timeout(HTTP2_PING_TIMEOUT)
        .tcp_nodelay(true);
    // Plain http needs no certificates, and reading the system's takes time and memory.
    let builder = if url.scheme() == "http" { builder.tls_certs_only([]) } else { builder.https_only(true) };
    builder.build()
}

fn headers(key: Option<&Secret<String>>) -> Result<HeaderMap, UnusableError> {
    let mut headers = HeaderMap::with_capacity(6);
    headers.insert(CONTENT_TYPE, JSON);
    headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    if let Some(key) = key {
        let unusable = |_| UnusableError::Secret(SecretError::Unusable("api_key".to_owned()));
        let mut value = HeaderValue::from_str(&format!("Bearer {}", key.expose())).map_err(unusable)?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    Ok(headers)
}
