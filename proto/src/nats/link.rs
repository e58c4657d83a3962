//! One role's connection and what is known of its health.
//!
//! Measured: one connection per role is enough (it moves more than 90,000 publishes a second), and a
//! subscription whose channel is full drops its newest messages silently, so the capacities below are large and
//! every frame carries a sequence number.

use std::sync::Arc;
use std::time::Duration;

use ::metrics::Counter;
use async_nats::jetstream;
use async_nats::{Client, ConnectOptions, Event, ServerAddr};
use tokio::sync::watch;

use super::acks::Acks;
use super::metrics;

/// How long one API or publish call may take before it is tried again.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Commands that may wait for the connection task before `publish` itself waits.
const CLIENT_CAPACITY: usize = 4096;
const SUBSCRIPTION_CAPACITY: usize = 65_536;
/// A paused server is noticed after two of these.
const PING_INTERVAL: Duration = Duration::from_secs(2);
const RECONNECT_DELAY_MAX: Duration = Duration::from_millis(500);

/// Why a connection could not be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot connect to NATS at {urls}")]
pub struct ConnectError {
    /// The addresses tried, without credentials.
    urls: String,
    #[source]
    source: async_nats::Error,
}

/// How to connect.
#[derive(Debug, Clone)]
pub struct LinkOptions {
    /// Comma-separated addresses: `nats://host:4222,...`. User and password may stand in them.
    pub urls: String,
    /// Shown by the server's monitoring, and the prefix of this role's inboxes.
    pub role: &'static str,
}

/// The connection's health, for readiness and for whoever must react to a break.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LinkState {
    /// Whether it stands now.
    pub connected: bool,
    /// Counted up with every break: what was in flight before may be lost.
    pub epoch: u64,
}

/// A connection with its JetStream context. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Link {
    /// Core NATS.
    pub client: Client,
    /// JetStream.
    pub js: jetstream::Context,
    /// Answers to what is published.
    pub(super) acks: Acks,
    state: watch::Receiver<LinkState>,
}

impl Link {
    /// Connects, and keeps reconnecting for ever afterwards. Fails if no server answers the first time.
    pub async fn connect(options: &LinkOptions) -> Result<Self, ConnectError> {
        let (sender, state) = watch::channel(LinkState::default());
        let noted = Arc::new((sender, metrics::slow_consumer(options.role)));
        let connect = with_credentials(&options.urls)
            .name(format!("forebay-{}", options.role))
            .custom_inbox_prefix(format!("_INBOX_{}", options.role))
            .connection_timeout(CONNECT_TIMEOUT)
            .request_timeout(Some(REQUEST_TIMEOUT))
            .client_capacity(CLIENT_CAPACITY)
            .subscription_capacity(SUBSCRIPTION_CAPACITY)
            .ping_interval(PING_INTERVAL)
            .max_reconnects(None)
            .reconnect_delay_callback(|attempt| {
                RECONNECT_DELAY_MAX.min(Duration::from_millis(u64::try_from(attempt).unwrap_or(50) * 10))
            })
            .event_callback(move |event| {
                let noted = Arc::clone(&noted);
                async move { note(&noted.0, &noted.1, &event) }
            });
        let servers: Vec<String> = options.urls.split(',').map(|u| u.trim().to_owned()).collect();
        let failed = |source| ConnectError {
            urls: options.urls.split(',').map(without_credentials).collect::<Vec<_>>().join(","),
            source,
        };
        let client = connect.connect(servers).await.map_err(|error| failed(error.into()))?;
        let acks = Acks::listen(&client).await.map_err(|error| failed(error.into()))?;
        let js = jetstream::ContextBuilder::new().timeout(REQUEST_TIMEOUT).build(client.clone());
        Ok(Self { client, js, acks, state })
    }

    /// How the connection is now.
    pub fn state(&self) -> LinkState {
        let connected = self.client.connection_state() == async_nats::connection::State::Connected;
        LinkState { connected, ..*self.state.borrow() }
    }

    /// Changes of the connection's health, as they come.
    pub fn watch(&self) -> watch::Receiver<LinkState> {
        self.state.clone()
    }

    /// The largest message the server takes, headers included, in bytes.
    pub fn max_payload(&self) -> usize {
        self.client.server_info().max_payload
    }
}

fn note(sender: &watch::Sender<LinkState>, dropped: &Counter, event: &Event) {
    match event {
        Event::Connected => sender.send_modify(|s| s.connected = true),
        Event::Disconnected => sender.send_modify(|s| {
            s.connected = false;
            s.epoch += 1;
        }),
        Event::SlowConsumer(_) => dropped.increment(1),
        Event::LameDuckMode
        | Event::Draining
        | Event::Closed
        | Event::ServerError(_)
        | Event::ClientError(_) => {}
    }
    tracing::debug!(%event, "nats connection event");
}

/// Options with the user and password of the first address that holds any: the client itself ignores them there.
/// A user alone is a token.
fn with_credentials(urls: &str) -> ConnectOptions {
    let addresses = urls.split(',').filter_map(|url| url.trim().parse::<ServerAddr>().ok());
    let options = ConnectOptions::new();
    match addresses.into_iter().find(ServerAddr::has_user_pass) {
        Some(address) => match (address.username().map(decoded), address.password().map(decoded)) {
            (Some(user), Some(password)) => options.user_and_password(user, password),
            (Some(token), None) => options.token(token),
            (None, _) => options,
        },
        None => options,
    }
}

/// Undoes the percent-encoding of user and password in an address.
fn decoded(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let digits = after.get(..2).filter(|_| *byte == b'%').and_then(|two| std::str::from_utf8(two).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(value) => {
                out.push(value);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                out.push(*byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn without_credentials(url: &str) -> String {
    match url.trim().rsplit_once('@') {
        Some((before, host)) => {
            let scheme = before.split_once("://").map_or("nats", |(scheme, _)| scheme);
            format!("{scheme}://{host}")
        }
        None => url.trim().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use ::metrics::Counter;
    use async_nats::{Event, ServerAddr};
    use tokio::sync::watch;

    use super::{LinkState, decoded, note, without_credentials};

    #[test]
    fn a_slow_subscription_is_counted_and_a_break_is_noted() {
        let count = Arc::new(AtomicU64::new(0));
        let counter = Counter::from_arc(Arc::clone(&count));
        let (sender, state) = watch::channel(LinkState::default());
        for event in [Event::Connected, Event::SlowConsumer(1), Event::SlowConsumer(1), Event::Disconnected] {
            note(&sender, &counter, &event);
        }
        assert_eq!(count.load(Ordering::Relaxed), 2);
        assert_eq!(*state.borrow(), LinkState { connected: false, epoch: 1 });
    }

    #[test]
    fn errors_show_no_password() {
        assert_eq!(without_credentials("nats://user:pa@ss@host:4222"), "nats://host:4222");
        assert_eq!(without_credentials(" tls://host:4222"), "tls://host:4222");
    }

    #[test]
    fn credentials_in_an_address_come_back_as_they_were_meant() {
        let address: ServerAddr = "nats://us%40er:p^%25-_@host:4222".parse().unwrap();
        assert_eq!(address.username().map(decoded).as_deref(), Some("us@er"));
        assert_eq!(address.password().map(decoded).as_deref(), Some("p^%-_"));
        assert_eq!((decoded("%4"), decoded("%zz"), decoded("%")), ("%4".into(), "%zz".into(), "%".into()));
    }
}
