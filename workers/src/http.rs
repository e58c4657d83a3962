//! One HTTP client per provider: timeouts, guard, pool, and the headers that every call to it carries.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use proto::catalogue::{self, Profile};
use proto::config::{Provider, ProviderKind};
use proto::dialect::Dialect;
use proto::id::AttemptId;
use proto::secret::Secret;
use reqwest::{Client, Method, Request, Url};
use tokio::sync::Semaphore;

use crate::config::Config;
use crate::credentials::{self, CredentialError, Credentials};
use crate::guard::{self, GuardError, GuardedResolver};
use crate::metrics::ProviderMetrics;
use crate::providers::{self, Adapter, Place};
use crate::route::Hop;

/// Shorter than the keep-alive of common servers would be safest; hyper sees most closed connections in time.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(20);
const TCP_KEEPALIVE: Duration = Duration::from_secs(30);
const HTTP2_PING_TIMEOUT: Duration = Duration::from_secs(10);
/// Names of models that are remembered; a wildcard alias takes any.
const PROFILES_MAX: usize = 1024;
const AGENT: &str = concat!("forebay/", env!("CARGO_PKG_VERSION"));
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");
const AWS_EVENT_STREAM: HeaderValue = HeaderValue::from_static("application/vnd.amazon.eventstream");
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
    /// Its credentials cannot be had.
    #[error("its credentials cannot be had")]
    Credentials(#[source] CredentialError),
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

/// One call, as far as the provider is concerned.
#[derive(Debug)]
pub(crate) struct Outgoing<'a> {
    /// What it speaks.
    pub(crate) dialect: Dialect,
    /// The model there.
    pub(crate) model: &'a str,
    /// Whether the answer is to be streamed.
    pub(crate) stream: bool,
    /// The body.
    pub(crate) body: Bytes,
    /// Headers of the dialect.
    pub(crate) headers: &'a [(&'static str, String)],
    /// The attempt it is.
    pub(crate) attempt: AttemptId,
    /// The caller's trace.
    pub(crate) traceparent: Option<&'a str>,
}

/// Why a call could not be made ready.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PrepareError {
    /// The model's name makes no address.
    #[error("the model's name makes no address")]
    Address,
    /// The credentials could not be put on it.
    #[error("the credentials cannot be put on the call")]
    Credentials(#[from] CredentialError),
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
    credentials: Credentials,
    /// Changes when the credentials do.
    fingerprint: Secret<String>,
    base: String,
    /// The address of the commonest call, made once.
    chat_url: Option<Url>,
    headers: HeaderMap,
    client: Client,
    seen: Mutex<Option<Seen>>,
    /// Profiles of models, as far as they were asked for.
    profiles: Mutex<HashMap<String, Arc<Profile>>>,
}

impl Upstream {
    /// Checks the address, reads the secret and makes the client. `built_in` is the scripted provider's address.
    pub(crate) async fn build(
        provider: &Provider,
        settings: &Config,
        built_in: Option<&str>,
    ) -> Result<Self, UnusableError> {
        let adapter = providers::adapter(provider.kind);
        let mut provider = provider.clone();
        if provider.kind == ProviderKind::Bedrock {
            provider.region = credentials::region(&provider);
        }
        let base = match (built_in, &provider.base_url) {
            (Some(own), _) => Some(own.to_owned()),
            (None, Some(configured)) => Some(trimmed(configured, adapter)),
            (None, None) => (adapter.base_url)(&provider),
        };
        let base = base.ok_or(UnusableError::NoAddress)?;
        let allow_private = adapter.built_in || provider.allow_private_network;
        let url = guard::check_url(&base, allow_private).map_err(UnusableError::Guard)?;
        let (credentials, fingerprint) =
            Credentials::read(&provider, adapter, settings).await.map_err(UnusableError::Credentials)?;
        let mut headers = HeaderMap::with_capacity(6);
        headers.insert(CONTENT_TYPE, JSON);
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        let place = Place { provider: &provider, dialect: Dialect::OpenaiChat, model: "", stream: false };
        // Azure's dated addresses name the deployment.
        let fixed = provider.api_version.is_none();
        let chat_url = Url::parse(&format!("{base}{}", (adapter.path)(&place))).ok().filter(|_| fixed);
        Ok(Self {
            client: client(&url, settings, allow_private).map_err(UnusableError::Client)?,
            metrics: ProviderMetrics::new(&provider.name),
            permits: settings.in_flight_max.map(|max| Arc::new(Semaphore::new(max))),
            seen: Mutex::new(None),
            profiles: Mutex::default(),
            headers,
            adapter,
            credentials,
            fingerprint,
            base,
            chat_url,
            provider,
        })
    }

    /// Whether it was built from the same row and the same secret as `other`.
    pub(crate) fn same_as(&self, other: &Self) -> bool {
        self.provider == other.provider
            && self.base == other.base
            && self.fingerprint.expose() == other.fingerprint.expose()
    }

    /// The dialect it is asked in when the caller speaks `caller`; `None` = it serves no such thing.
    pub(crate) fn asked_in(&self, caller: Dialect, hop: &Hop) -> Option<Dialect> {
        (self.adapter.dialect)(caller, &self.profile(hop))
    }

    /// What the model of a hop can do.
    pub(crate) fn profile(&self, hop: &Hop) -> Arc<Profile> {
        let model = hop.underlying.as_ref().unwrap_or(&hop.place.model);
        let Ok(mut profiles) = self.profiles.lock() else {
            return Arc::new(catalogue::profile(self.provider.kind, model));
        };
        if let Some(profile) = profiles.get(model) {
            return Arc::clone(profile);
        }
        if profiles.len() >= PROFILES_MAX {
            profiles.clear();
        }
        let profile = Arc::new(catalogue::profile(self.provider.kind, model));
        profiles.insert(model.clone(), Arc::clone(&profile));
        profile
    }

    /// Makes the request of a call. Nothing of the caller's headers goes along but the trace context; the attempt's
    /// id does.
    pub(crate) async fn prepare(&self, outgoing: &Outgoing<'_>) -> Result<Request, PrepareError> {
        let url = match &self.chat_url {
            Some(url) if outgoing.dialect == Dialect::OpenaiChat => url.clone(),
            _ => {
                let Outgoing { dialect, model, stream, .. } = *outgoing;
                let path = (self.adapter.path)(&Place { provider: &self.provider, dialect, model, stream });
                Url::parse(&format!("{}{path}", self.base)).map_err(|_| PrepareError::Address)?
            }
        };
        let mut headers = self.headers.clone();
        let accept = match (outgoing.stream, outgoing.dialect) {
            (false, _) => JSON,
            (true, Dialect::BedrockConverse) => AWS_EVENT_STREAM,
            (true, _) => EVENT_STREAM,
        };
        headers.insert(ACCEPT, accept);
        for (name, value) in outgoing.headers {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        if let Ok(value) = HeaderValue::from_str(&outgoing.attempt.to_string()) {
            headers.insert(ATTEMPT, value);
        }
        if let Some(value) = outgoing.traceparent.and_then(|text| HeaderValue::from_str(text).ok()) {
            headers.insert(TRACEPARENT, value);
        }
        self.credentials.put(&mut headers, url.as_str(), &JSON, &outgoing.body).await?;
        let mut request = Request::new(Method::POST, url);
        *request.headers_mut() = headers;
        *request.body_mut() = Some(outgoing.body.clone().into());
        Ok(request)
    }

    /// Sends a prepared request.
    pub(crate) fn send(
        &self,
        request: Request,
    ) -> impl Future<Output = reqwest::Result<reqwest::Response>> + use<> {
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

pub(crate) fn client(url: &Url, settings: &Config, allow_private: bool) -> reqwest::Result<Client> {
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

/// A configured address without what may stand at its end.
fn trimmed(configured: &str, adapter: &Adapter) -> String {
    let mut base = configured.trim_end_matches('/');
    for version in adapter.versions {
        base = base.strip_suffix(version).unwrap_or(base);
    }
    base.to_owned()
}

/// A URL that leads nowhere, for its query.
pub(crate) fn placeholder() -> Url {
    #[expect(clippy::expect_used, reason = "a constant")]
    Url::parse("http://localhost").expect("a URL")
}
