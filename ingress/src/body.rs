//! Reading a request's body: bounded in bytes, in time, and in what all bodies together may hold.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, EXPECT};
use hyper::body::Body;
use proto::fault::{Fault, FaultCode};
use tokio::time::{Instant, Sleep};

use crate::call::Call;
use crate::config::Config;
use crate::pieces::Pieces;

/// How long a refused caller may go on sending before the connection is cut: clients that write all before they
/// read would otherwise see a reset instead of the refusal.
const LINGER_TOTAL: Duration = Duration::from_secs(5);
const LINGER_IDLE: Duration = Duration::from_millis(250);
const LINGER_BYTES: usize = 256 << 20;

/// The bytes of all bodies held at one time.
#[derive(Debug)]
pub(crate) struct BodyBudget {
    held: AtomicUsize,
    max: usize,
}

impl BodyBudget {
    /// A budget of `max` bytes.
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { held: AtomicUsize::new(0), max })
    }

    /// Bytes held now.
    pub(crate) fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    fn take(&self, bytes: usize) -> bool {
        let before = self.held.fetch_add(bytes, Ordering::Relaxed);
        let fits = before.saturating_add(bytes) <= self.max;
        if !fits {
            self.held.fetch_sub(bytes, Ordering::Relaxed);
        }
        fits
    }
}

/// A body, and its share of the budget until it is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    /// The body.
    pub(crate) bytes: Bytes,
    /// Keep it for as long as the body, or a copy of it, is in memory.
    pub(crate) share: Share,
}

/// Bytes taken out of a budget, given back when dropped.
#[derive(Debug)]
pub(crate) struct Share {
    budget: Arc<BodyBudget>,
    bytes: usize,
}

impl Share {
    fn grow(&mut self, bytes: usize) -> Result<(), Fault> {
        if !self.budget.take(bytes) {
            let message = "Too many large requests are being read at once.";
            return Err(Fault::new(FaultCode::Overloaded, message).retry_after(1000));
        }
        self.bytes += bytes;
        Ok(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Reads a whole body. Errs with 400, 408, 413 or 503.
pub(crate) async fn read<B>(
    call: &Call,
    body: B,
    headers: &HeaderMap,
    config: &Config,
    budget: &Arc<BodyBudget>,
) -> Result<Held, Fault>
where
    B: Body<Data = Bytes, Error: std::fmt::Display>,
{
    let mut body = pin!(body);
    let read = collect(call, body.as_mut(), headers, config, budget).await;
    // Who is too slow to be waited for is not waited for.
    if read.as_ref().is_err_and(|fault| fault.code != FaultCode::RequestTimeout) {
        linger(body, headers).await;
    }
    read
}

/// Lets a refused caller finish writing, within bounds, and throws away what it writes. A caller that asked before
/// it sends its body has not begun, and is not told to.
pub(crate) async fn linger<B: Body<Data = Bytes>>(mut body: Pin<&mut B>, headers: &HeaderMap) {
    if headers.contains_key(EXPECT) {
        return;
    }
    let until = Instant::now() + LINGER_TOTAL;
    let mut seen = 0;
    while !body.is_end_stream() && seen <= LINGER_BYTES {
        let patience = Instant::now() + LINGER_IDLE;
        match next(body.as_mut(), || patience.min(until)).await {
            Ok(Some(Ok(frame))) => seen += frame.data_ref().map_or(0, Bytes::len),
            Ok(None | Some(Err(_))) | Err(TimedOut) => return,
        }
    }
}

async fn collect<B>(
    call: &Call,
    mut body: Pin<&mut B>,
    headers: &HeaderMap,
    config: &Config,
    budget: &Arc<BodyBudget>,
) -> Result<Held, Fault>
where
    B: Body<Data = Bytes, Error: std::fmt::Display>,
{
    let encoding = headers.get(CONTENT_ENCODING).map(http::HeaderValue::as_bytes);
    if encoding.is_some_and(|e| !e.is_empty() && !e.eq_ignore_ascii_case(b"identity")) {
        let message = "Compressed request bodies are not supported: send it without content-encoding.";
        return Err(Fault::new(FaultCode::InvalidRequest, message));
    }
    let length = headers.get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<usize>().ok());
    if length.is_some_and(|length| length > config.body_bytes_max) {
        return Err(too_large(config));
    }
    let mut share = Share { budget: Arc::clone(budget), bytes: 0 };
    let until = Instant::now() + config.body_total;
    let mut pieces = Pieces::default();
    loop {
        let frame = match next(body.as_mut(), || until.min(Instant::now() + config.body_idle)).await {
            Ok(None) => break,
            Ok(Some(Ok(frame))) => frame,
            Ok(Some(Err(error))) => {
                let (request_id, traceparent) = (call.id_text(), &call.traceparent);
                tracing::debug!(request_id, traceparent, error = %error, "a request body broke off");
                return Err(Fault::new(FaultCode::InvalidRequest, "The body ended before it was complete."));
            }
            Err(TimedOut) => {
                return Err(Fault::new(FaultCode::RequestTimeout, "The body did not arrive in time."));
            }
        };
        let Ok(data) = frame.into_data() else { continue };
        if share.bytes + data.len() > config.body_bytes_max {
            return Err(too_large(config));
        }
        share.grow(data.len())?;
        pieces.push(data, length.unwrap_or(0));
    }
    Ok(Held { bytes: pieces.whole(), share })
}

fn too_large(config: &Config) -> Fault {
    let message = format!("The body is larger than {} bytes.", config.body_bytes_max);
    Fault::new(FaultCode::RequestTooLarge, message)
}

struct TimedOut;

/// The next frame of a body. A timer is made only where there is something to wait for.
async fn next<B: Body>(
    mut body: Pin<&mut B>,
    until: impl Fn() -> Instant,
) -> Result<Option<Result<hyper::body::Frame<B::Data>, B::Error>>, TimedOut> {
    let mut timer: Option<Pin<Box<Sleep>>> = None;
    std::future::poll_fn(|cx| match body.as_mut().poll_frame(cx) {
        Poll::Ready(frame) => Poll::Ready(Ok(frame)),
        Poll::Pending => {
            let timer = timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until())));
            timer.as_mut().poll(cx).map(|()| Err(TimedOut))
        }
    })
    .await
}

/// The error of a body that cannot fail.
pub(crate) type NoError = Infallible;

#[cfg(test)]
mod tests {
    use futures_util::{StreamExt, stream};
    use http_body_util::{Full, StreamBody};
    use hyper::body::Frame;

    use super::*;
    use crate::metrics::{Metrics, Route};

    fn call() -> Call {
        Call::begin(&Arc::new(Metrics::new()), Route::Other, &HeaderMap::new())
    }

    fn small() -> Config {
        Config {
            body_bytes_max: 10,
            body_idle: Duration::from_millis(30),
            body_total: Duration::from_millis(200),
            ..Config::default()
        }
    }

    fn chunks(parts: &'static [&'static str]) -> impl Body<Data = Bytes, Error = Infallible> {
        StreamBody::new(stream::iter(parts).map(|part| Ok(Frame::data(Bytes::from_static(part.as_bytes())))))
    }

    async fn status<B: Body<Data = Bytes, Error: std::fmt::Display>>(body: B, headers: &HeaderMap) -> u16 {
        let budget = BodyBudget::new(1000);
        let read = read(&call(), body, headers, &small(), &budget).await;
        let status = read.as_ref().map_or_else(Fault::status, |_| 200);
        drop(read);
        assert_eq!(budget.held(), 0);
        status
    }

    #[tokio::test]
    async fn a_body_in_pieces_is_put_together() {
        let budget = BodyBudget::new(10);
        let held = read(&call(), chunks(&["ab", "cd", "", "ef"]), &HeaderMap::new(), &small(), &budget)
            .await
            .unwrap();
        assert_eq!((&held.bytes[..], budget.held()), (&b"abcdef"[..], 6));
        // What is held counts against the next one.
        let refused =
            read(&call(), chunks(&["12345"]), &HeaderMap::new(), &small(), &budget).await.unwrap_err();
        assert_eq!(refused.code, FaultCode::Overloaded);
    }

    #[tokio::test]
    async fn too_much_is_refused_with_or_without_a_length() {
        assert_eq!(status(chunks(&["123456", "789012"]), &HeaderMap::new()).await, 413);
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_LENGTH, "11".parse().unwrap());
        assert_eq!(status(Full::new(Bytes::from_static(b"12345678901")), &headers).await, 413);
    }

    #[tokio::test]
    async fn slow_bodies_time_out() {
        let pause = stream::once(async { Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"a"))) })
            .chain(stream::pending());
        assert_eq!(status(StreamBody::new(pause), &HeaderMap::new()).await, 408);
        let drip = stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            Some((Ok::<_, Infallible>(Frame::data(Bytes::new())), ()))
        });
        assert_eq!(status(StreamBody::new(Box::pin(drip)), &HeaderMap::new()).await, 408);
    }

    #[tokio::test]
    async fn compressed_bodies_are_refused_in_words() {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_ENCODING, "gzip".parse().unwrap());
        assert_eq!(status(chunks(&["x"]), &headers).await, 400);
        headers.insert(CONTENT_ENCODING, "identity".parse().unwrap());
        assert_eq!(status(chunks(&["x"]), &headers).await, 200);
    }
}
