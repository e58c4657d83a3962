//! Which web pages may call from a browser: those at the origins of a key's project and of this listener, exactly as
//! browsers write them. Keys are never read from cookies, so this is about who may read answers.

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use proto::config::KeyRecord;

use crate::known::Known;
use crate::state::App;

/// In the list of the listener: every origin, which production does not take.
pub(crate) const ANY: &str = "*";
const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, DELETE");
/// What pages may read beside the few headers that they always may.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "request-id, x-request-id, x-forebay-route-mode, x-forebay-provider, x-forebay-model, x-forebay-attempts, \
     x-forebay-config, x-forebay-queue-ms, x-forebay-overhead-ms, x-forebay-cost-usd, x-forebay-warnings, \
     x-forebay-upstream-status, x-should-retry, retry-after, retry-after-ms",
);
const DEFAULT_HEADERS: HeaderValue = HeaderValue::from_static("authorization, content-type");
/// Seconds for which a browser may remember what it was told.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");
/// The most that is repeated of what a browser wants to send.
const REQUESTED_BYTES_MAX: usize = 2048;

/// Whose key an answer was made for, noted in the extensions of answers to browsers.
#[derive(Debug, Clone)]
pub(crate) struct MadeFor(pub(crate) Arc<KeyRecord>);

/// The answer to a browser that asks whether it may call at all: it sends no key, so every project's pages may.
pub(crate) fn preflight<B>(app: &App, request: &Request<B>) -> Option<Response> {
    let headers = request.headers();
    let origin = headers.get(ORIGIN)?;
    if *request.method() != Method::OPTIONS || !headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
        return None;
    }
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let answer = response.headers_mut();
    answer.append(VARY, HeaderValue::from_static("origin, access-control-request-headers"));
    if is_allowed(&app.config.cors_origins, app.known().as_deref(), origin, None) {
        answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        answer.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, requested(headers));
        answer.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    }
    Some(response)
}

/// Lets the page at `origin` read an answer, if it may: the pages of the project that it was made for, or of any project
/// where no key was good enough to make it for somebody.
pub(crate) fn admit(app: &App, origin: &HeaderValue, response: &mut Response) {
    let key = response.extensions().get::<MadeFor>().map(|made| Arc::clone(&made.0));
    let known = app.known();
    let allowed = is_allowed(&app.config.cors_origins, known.as_deref(), origin, key.as_deref());
    let headers = response.headers_mut();
    headers.append(VARY, HeaderValue::from_static("origin"));
    if allowed {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }
}

fn is_allowed(
    listener: &[String],
    known: Option<&Known>,
    origin: &HeaderValue,
    key: Option<&KeyRecord>,
) -> bool {
    let Ok(origin) = origin.to_str() else { return false };
    if listener.iter().any(|allowed| allowed == origin || allowed == ANY) {
        return true;
    }
    let Some(known) = known else { return false };
    match key {
        Some(key) => {
            let project = known.project(&key.project);
            project.is_some_and(|project| project.cors_origins.iter().any(|allowed| allowed == origin))
        }
        None => known.is_some_origin(origin),
    }
}

/// What a browser wants to send, allowed by name.
fn requested(headers: &HeaderMap) -> HeaderValue {
    let asked = headers.get(ACCESS_CONTROL_REQUEST_HEADERS);
    let fits = |value: &&HeaderValue| {
        let fit = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b',' | b' ');
        value.len() <= REQUESTED_BYTES_MAX && value.as_bytes().iter().all(fit)
    };
    asked.filter(fits).cloned().unwrap_or(DEFAULT_HEADERS)
}
