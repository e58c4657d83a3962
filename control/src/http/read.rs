//! What a handler takes in: bodies, queries and paths, strictly. Unknown fields are refused and named.

use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;

use super::Problem;

/// The largest body, in bytes.
pub(crate) const BODY_BYTES_MAX: usize = 1 << 20;

/// A JSON body. The type says `deny_unknown_fields`, and so mistakes name their field.
#[derive(Debug)]
pub(crate) struct Body<T>(pub(crate) T);

/// The query. The type says `deny_unknown_fields`.
#[derive(Debug)]
pub(crate) struct Params<T>(pub(crate) T);

/// The variable parts of the path.
#[derive(Debug)]
pub(crate) struct Segments<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return Err(Problem::new(status, "invalid_request", "The body must be application/json."));
        }
        let bytes = Bytes::from_request(request, state).await.map_err(unread)?;
        let mut json = serde_json::Deserializer::from_slice(&bytes);
        let value = T::deserialize(&mut json).map_err(|error| malformed(&error))?;
        json.end().map_err(|error| malformed(&error))?;
        Ok(Self(value))
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let read = Query::<T>::from_request_parts(parts, state).await;
        let Query(value) = read.map_err(|error| {
            let text = error.body_text();
            let message = text.strip_prefix("Failed to deserialize query string: ").unwrap_or(&text);
            named(message, format!("The query cannot be used: {message}."))
        })?;
        Ok(Self(value))
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Segments<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        // What is not even text names nothing that there is.
        let read = Path::<T>::from_request_parts(parts, state).await;
        read.map(|Path(value)| Self(value)).map_err(|_| Problem::not_found("thing"))
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(given) = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) else { return false };
    let essence = given.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

fn unread(rejection: BytesRejection) -> Problem {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        let message = format!("The body is larger than {BODY_BYTES_MAX} bytes.");
        return Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "request_too_large", message);
    }
    Problem::invalid("The body did not arrive whole.")
}

pub(crate) fn malformed(error: &serde_json::Error) -> Problem {
    let text = error.to_string();
    named(&text, format!("The body cannot be used: {text}."))
}

/// The problem with the field that serde's message names, if it names one.
fn named(text: &str, message: String) -> Problem {
    let about_a_field = ["unknown field `", "missing field `", "duplicate field `"];
    let field = about_a_field.iter().find_map(|begin| text.split_once(begin)?.1.split_once('`'));
    Problem { param: field.map(|(name, _)| name.to_owned()), ..Problem::invalid(message) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_field_is_named() {
        let problem = named("unknown field `nmae`, expected `name` at line 1", String::new());
        assert_eq!(problem.param.as_deref(), Some("nmae"));
        assert_eq!(named("invalid type: integer", String::new()).param, None);
    }

    #[test]
    fn json_is_told_by_its_content_type() {
        for (text, is) in
            [("application/json", true), ("Application/JSON; charset=utf-8", true), ("text/json", false)]
        {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, text.parse().unwrap())]);
            assert_eq!(is_json(&headers), is, "{text}");
        }
        assert!(!is_json(&HeaderMap::new()));
    }
}
