//! One HTTP request as a whole: its ids, its time limit, its line in the log, its count in the metrics, and the body of
//! whatever went wrong within.

use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::{FromRequestParts, MatchedPath, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, RETRY_AFTER};
use http::request::Parts;
use http::{HeaderName, HeaderValue};
use proto::id::RequestId;
use proto::subject::TRACEPARENT_HEADER;

use super::Problem;
use crate::metrics;

/// How long a request may take from its head to the head of its answer.
const PATIENCE: Duration = Duration::from_secs(30);
const CLIENT_ID_BYTES_MAX: usize = 128;
const TRACE_BYTES_MAX: usize = 64;
const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The route of what no route takes, in metrics.
const NO_ROUTE: &str = "other";

/// The request's ids, for handlers: an audit record names the request.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    /// Forebay's own id.
    pub(crate) id: String,
    /// The caller's trace context, else one that begins here.
    pub(crate) traceparent: String,
}

impl<S: Send + Sync> FromRequestParts<S> for Context {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let found = parts.extensions.get::<Self>().cloned();
        found.ok_or_else(|| Problem::internal("a request has no context"))
    }
}

/// The outermost layer.
pub(super) async fn layer(mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = RequestId::new();
    let client =
        request.headers().get(X_REQUEST_ID).filter(|id| well_formed(id, CLIENT_ID_BYTES_MAX)).cloned();
    let given = request.headers().get(TRACEPARENT_HEADER).filter(|trace| well_formed(trace, TRACE_BYTES_MAX));
    let traceparent = match given.and_then(|trace| trace.to_str().ok()) {
        Some(given) => given.to_owned(),
        None => format!("00-{:032x}-{:016x}-01", id.as_u128(), id.as_u128() & u128::from(u64::MAX)),
    };
    let context = Context { id: id.to_string(), traceparent };
    request.extensions_mut().insert(context.clone());
    let method = request.method().clone();
    let answered = tokio::time::timeout(PATIENCE, next.run(request)).await;
    let mut response = answered.unwrap_or_else(|_| {
        Problem::unavailable("The request took too long. What it asked for may have been done.")
            .into_response()
    });
    let route = response.extensions_mut().remove::<Route>().map_or(NO_ROUTE.to_owned(), |route| route.0);
    let status = response.status().as_u16();
    metrics::http_request(&route, method.as_str(), status, started.elapsed());
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        let cause = problem.cause.as_deref();
        if status >= 500 || cause.is_some() {
            tracing::warn!(
                request_id = context.id,
                traceparent = context.traceparent,
                route,
                status,
                code = problem.code,
                cause,
                "a request to the control plane failed"
            );
        }
        response = rendered(&problem, &context.id, response);
    }
    let own = HeaderValue::from_str(&context.id).unwrap_or(HeaderValue::from_static(""));
    let headers = response.headers_mut();
    headers.insert(X_REQUEST_ID, client.unwrap_or_else(|| own.clone()));
    headers.insert(REQUEST_ID, own);
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// The problem as a body, behind the headers that stood on the answer already.
fn rendered(problem: &Problem, request_id: &str, before: Response) -> Response {
    let mut response = (problem.status, Json(problem.body(request_id))).into_response();
    for (name, value) in before.headers() {
        if !response.headers().contains_key(name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    response.headers_mut().remove(http::header::CONTENT_LENGTH);
    if let Some(seconds) = problem.retry_after {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// The route that took the request, told to the outermost layer, which runs before routes are known.
#[derive(Debug, Clone)]
struct Route(String);

/// The innermost layer: notes the route.
pub(super) async fn note_route(matched: Option<MatchedPath>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if let Some(matched) = matched {
        response.extensions_mut().insert(Route(matched.as_str().to_owned()));
    }
    response
}

fn well_formed(value: &HeaderValue, bytes_max: usize) -> bool {
    let bytes = value.as_bytes();
    !bytes.is_empty() && bytes.len() <= bytes_max && bytes.iter().all(u8::is_ascii_graphic)
}
