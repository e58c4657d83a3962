//! Which web origins may read the control plane's answers: those that `API_CORS_ORIGINS` names, exactly.

use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Method};
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::error::Error;

const METHODS: [Method; 5] = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
const EXPOSED: [HeaderName; 3] = [
    HeaderName::from_static("request-id"),
    HeaderName::from_static("x-request-id"),
    HeaderName::from_static("retry-after"),
];

/// The rule; `*` is any origin, which production refuses.
pub(super) fn layer(origins: &[String], production: bool) -> Result<CorsLayer, Error> {
    let rule = CorsLayer::new().allow_methods(METHODS).expose_headers(EXPOSED);
    let rule = rule.allow_headers([
        AUTHORIZATION,
        CONTENT_TYPE,
        HeaderName::from_static("x-request-id"),
        HeaderName::from_static("traceparent"),
    ]);
    if origins.iter().any(|origin| origin == "*") {
        if production {
            return Err(Error::Cors("* is not taken in production: name every origin".to_owned()));
        }
        return Ok(rule.allow_origin(AllowOrigin::any()));
    }
    let values = origins.iter().map(|origin| value(origin)).collect::<Result<Vec<_>, _>>()?;
    Ok(rule.allow_origin(AllowOrigin::list(values)))
}

/// Whether a text is an origin as browsers send it.
pub(super) fn check(origin: &str) -> Result<(), Error> {
    value(origin).map(drop)
}

/// An origin as browsers send it: scheme, host and port, and nothing after that.
fn value(origin: &str) -> Result<HeaderValue, Error> {
    let wrong = || Error::Cors(format!("{origin:?} is not an origin such as https://console.example.com"));
    let uri: http::Uri = origin.parse().map_err(|_| wrong())?;
    let (Some(scheme @ ("http" | "https")), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err(wrong());
    };
    // Browsers leave out what is usual and write lower case: anything else would never match.
    if format!("{scheme}://{authority}") != origin
        || origin != origin.to_lowercase()
        || authority.as_str().contains('@')
    {
        return Err(wrong());
    }
    HeaderValue::from_str(origin).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_exact() {
        for good in ["https://a.example", "http://127.0.0.1:5173"] {
            assert!(layer(&[good.to_owned()], true).is_ok(), "{good}");
        }
        for bad in [
            "",
            "https://a.example/",
            "a.example",
            "ftp://a",
            "https://A.example",
            "https://u@a.example",
            "null",
        ] {
            assert!(layer(&[bad.to_owned()], false).is_err(), "{bad}");
        }
        assert!(layer(&["*".to_owned()], false).is_ok());
        assert!(layer(&["*".to_owned()], true).is_err());
    }
}
