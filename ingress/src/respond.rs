//! Answers: whole ones, streams and errors, with the headers that every answer under `/v1` carries.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use hyper::body::Frame;
use proto::dialect::Dialect;
use proto::dialect::caller::{fault_body, fault_event, ping, status};
use proto::fault::{Fault, FaultCode};
use proto::reply::Head;

use crate::body::NoError;
use crate::call::{Call, value};
use crate::dispatch::Seat;
use crate::slots::{Failure, Piece, Whole};

const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const ROUTE_MODE: HeaderName = HeaderName::from_static("x-forebay-route-mode");
const PROVIDER: HeaderName = HeaderName::from_static("x-forebay-provider");
const MODEL: HeaderName = HeaderName::from_static("x-forebay-model");
const ATTEMPTS: HeaderName = HeaderName::from_static("x-forebay-attempts");
const CONFIG: HeaderName = HeaderName::from_static("x-forebay-config");
const QUEUE_MS: HeaderName = HeaderName::from_static("x-forebay-queue-ms");
const OVERHEAD_MS: HeaderName = HeaderName::from_static("x-forebay-overhead-ms");
const COST_USD: HeaderName = HeaderName::from_static("x-forebay-cost-usd");
const WARNINGS: HeaderName = HeaderName::from_static("x-forebay-warnings");
const UPSTREAM_STATUS: HeaderName = HeaderName::from_static("x-forebay-upstream-status");
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream; charset=utf-8");
const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache");
const NO: HeaderValue = HeaderValue::from_static("no");
const TRUE: HeaderValue = HeaderValue::from_static("true");
const FALSE: HeaderValue = HeaderValue::from_static("false");

/// Ends an event that broke off in the middle, so that the next one is read as one of its own.
const EVENT_END: &[u8] = b"\n\n";
const HEADERS_HINT: usize = 16;

/// A successful JSON answer that no worker was asked for, with what is to be said about it.
pub(crate) fn json(mut call: Call, body: Bytes, warning: Option<HeaderValue>) -> Response {
    let mut headers = common(&call, None);
    headers.insert(CONTENT_TYPE, JSON);
    if let Some(warning) = warning {
        headers.insert(WARNINGS, warning);
    }
    call.answer(StatusCode::OK.as_u16(), None);
    response(StatusCode::OK, headers, Body::from(body))
}

/// A complete answer of a worker.
pub(crate) fn whole(mut call: Call, whole: Whole) -> Response {
    let Whole { head, mut pieces } = whole;
    let status = StatusCode::from_u16(head.status).unwrap_or(StatusCode::OK);
    let mut headers = common(&call, Some(&head));
    headers.insert(CONTENT_TYPE, HeaderValue::from_str(&head.content_type).unwrap_or(JSON));
    if let Some(cost) = head.cost {
        headers.insert(COST_USD, value(cost.to_string()));
    }
    let body = if pieces.len() > 1 {
        let length = pieces.iter().map(Bytes::len).sum();
        Body::new(Pieces { pieces, length })
    } else {
        Body::from(pieces.pop_front().unwrap_or_default())
    };
    call.answer(status.as_u16(), None);
    response(status, headers, body)
}

/// A stream whose head has arrived.
pub(crate) fn stream(mut call: Call, head: &Head, seat: Seat) -> Response {
    let status = StatusCode::from_u16(head.status).unwrap_or(StatusCode::OK);
    let mut headers = common(&call, Some(head));
    headers.insert(CONTENT_TYPE, EVENT_STREAM);
    headers.insert(CACHE_CONTROL, NO_CACHE);
    headers.insert(ACCEL_BUFFERING, NO);
    call.answer(status.as_u16(), None);
    call.streaming();
    response(status, headers, Body::new(EventStream { seat, call, last: Bytes::new(), over: false }))
}

/// The head of a stream of events that no worker sends, without its body.
pub(crate) fn events(call: &mut Call) -> Response {
    let mut headers = common(call, None);
    headers.insert(CONTENT_TYPE, EVENT_STREAM);
    headers.insert(CACHE_CONTROL, NO_CACHE);
    headers.insert(ACCEL_BUFFERING, NO);
    call.answer(StatusCode::OK.as_u16(), None);
    call.streaming();
    response(StatusCode::OK, headers, Body::empty())
}

/// A request that failed before anything was released.
pub(crate) fn failure(call: Call, failure: &Failure) -> Response {
    refuse(call, &failure.fault, failure.head.as_deref())
}

/// An error answer.
pub(crate) fn refuse(mut call: Call, fault: &Fault, head: Option<&Head>) -> Response {
    let mut headers = common(&call, head);
    headers.insert(CONTENT_TYPE, JSON);
    if let Some(ms) = fault.retry_after_ms {
        let seconds = ms.div_ceil(1000).clamp(1, 60);
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        headers.insert(RETRY_AFTER_MS, HeaderValue::from(ms));
    }
    if let Some(retry) = fault.should_retry() {
        headers.insert(SHOULD_RETRY, if retry { TRUE } else { FALSE });
    }
    if let Some(status) = fault.upstream_status {
        headers.insert(UPSTREAM_STATUS, HeaderValue::from(status));
    }
    let status =
        StatusCode::from_u16(status(call.dialect, fault)).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = fault_body(call.dialect, fault, call.id_text());
    call.answer(status.as_u16(), Some(fault.code));
    response(status, headers, Body::from(body))
}

fn response(status: StatusCode, headers: HeaderMap, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// The headers of every answer under `/v1`: ids, and as much of the route as is known.
fn common(call: &Call, head: Option<&Head>) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(HEADERS_HINT);
    headers.insert(REQUEST_ID, call.id_value.clone());
    headers.insert(X_REQUEST_ID, call.client_id.as_ref().unwrap_or(&call.id_value).clone());
    let config = head.map_or(call.config, |head| head.config);
    if config > 0 {
        headers.insert(CONFIG, HeaderValue::from(config));
    }
    let upstream = head.map_or(Duration::ZERO, |head| Duration::from_millis(head.upstream_ms));
    let overhead = call.elapsed().saturating_sub(upstream);
    headers.insert(OVERHEAD_MS, HeaderValue::from(u64::try_from(overhead.as_millis()).unwrap_or(u64::MAX)));
    let Some(head) = head else { return headers };
    let text = |text: &str| HeaderValue::from_str(text).ok().filter(|text| !text.is_empty());
    for (name, text) in
        [(ROUTE_MODE, text(&head.route_mode)), (PROVIDER, text(&head.provider)), (MODEL, text(&head.model))]
    {
        if let Some(text) = text {
            headers.insert(name, text);
        }
    }
    headers.insert(ATTEMPTS, HeaderValue::from(head.attempts));
    headers.insert(QUEUE_MS, HeaderValue::from(head.queue_ms));
    if let Some(warnings) = head.warnings.as_deref().and_then(text) {
        headers.insert(WARNINGS, warnings);
    }
    headers
}

/// A whole answer that came in several frames, sent without being copied together.
struct Pieces {
    pieces: std::collections::VecDeque<Bytes>,
    length: usize,
}

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = NoError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, NoError>>> {
        let piece = self.pieces.pop_front();
        self.length -= piece.as_ref().map_or(0, Bytes::len);
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        hyper::body::SizeHint::with_exact(u64::try_from(self.length).unwrap_or(u64::MAX))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty()
    }
}

/// A stream on its way to the caller. Dropped before its end, it means that the caller left.
struct EventStream {
    seat: Seat,
    call: Call,
    /// What was sent last, where the event that ends a broken stream depends on it.
    last: Bytes,
    over: bool,
}

impl hyper::body::Body for EventStream {
    type Data = Bytes;
    type Error = NoError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, NoError>>> {
        if self.over {
            return Poll::Ready(None);
        }
        let piece = match std::task::ready!(self.seat.poll_next(cx)) {
            Some(piece) => piece,
            None => {
                self.over = true;
                self.call.ended();
                return Poll::Ready(None);
            }
        };
        let data = match piece {
            Piece::Data(data) => {
                if self.call.dialect == Dialect::OpenaiResponses {
                    self.last = data.clone();
                }
                data
            }
            Piece::Ping => Bytes::from_static(ping(self.call.dialect)),
            Piece::Fault { fault, between_events } => {
                self.over = true;
                self.call.broke(fault.code);
                let event = fault_event(self.call.dialect, &fault, self.call.id_text(), &self.last);
                after_last(event, between_events)
            }
        };
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.over
    }
}

/// The event that ends a broken stream: never a bare end, which clients take for success.
fn after_last(event: Vec<u8>, between_events: bool) -> Bytes {
    if between_events {
        return event.into();
    }
    let mut ended = BytesMut::with_capacity(EVENT_END.len() + event.len());
    ended.extend_from_slice(EVENT_END);
    ended.extend_from_slice(&event);
    ended.freeze()
}

/// The fault of a path that does not exist.
pub(crate) fn not_found() -> Fault {
    Fault::new(FaultCode::NotFound, "There is nothing at this path.")
}

/// The fault of a method that a path does not take.
pub(crate) fn method_not_allowed() -> Fault {
    Fault::new(FaultCode::MethodNotAllowed, "This path does not take this method.")
}
