//! Who calls: the virtual key in a request's headers, and the record behind it.

mod cache;

pub(crate) use cache::KeyCache;

use std::sync::Arc;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use proto::config::KeyRecord;
use proto::fault::{Fault, FaultCode};

use crate::state::App;

/// No key is longer.
const SECRET_BYTES_MAX: usize = 1024;
const RETRY_AFTER_MS: u64 = 1000;

/// The record of the caller's key. Errs with 401 if there is none, and with 503, never 401, if nobody can say.
pub(crate) async fn authenticate(app: &App, headers: &HeaderMap) -> Result<Arc<KeyRecord>, Fault> {
    let secret = secret(headers).ok_or_else(|| {
        refused(
            "No API key was given. Send it as \"Authorization: Bearer <key>\", \"x-api-key\" or \"api-key\".",
        )
    })?;
    // Hashed under a server-side pepper before it is compared with anything: time tells nothing.
    let hash = app.pepper.hash(secret);
    match app.keys.lookup(hash, app.health.down_for().is_some()).await {
        Ok(Some(record)) if !record.revoked => Ok(record),
        Ok(_) => Err(refused("The API key is not valid.")),
        Err(cache::Outage) => {
            Err(Fault::new(FaultCode::Unavailable, "API keys cannot be checked at the moment.")
                .retry_after(RETRY_AFTER_MS))
        }
    }
}

fn refused(message: &str) -> Fault {
    Fault::new(FaultCode::InvalidApiKey, message)
}

/// The secret as the caller sent it, in the first header that holds one.
fn secret(headers: &HeaderMap) -> Option<&str> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let bearer = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(|value| {
        let (scheme, secret) = value.trim().split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| secret.trim())
    });
    let secret = bearer.or_else(|| text("x-api-key")).or_else(|| text("api-key"))?.trim();
    (!secret.is_empty() && secret.len() <= SECRET_BYTES_MAX).then_some(secret)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_key_is_found_in_each_of_its_headers() {
        let with = |name: &'static str, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_str(value).unwrap());
            secret(&headers).map(str::to_owned)
        };
        for (name, value) in [
            ("authorization", "Bearer k1"),
            ("authorization", "bearer  k1 "),
            ("x-api-key", "k1"),
            ("api-key", "k1"),
        ] {
            assert_eq!(with(name, value).as_deref(), Some("k1"), "{name}: {value}");
        }
        for (name, value) in [
            ("authorization", "Basic k1"),
            ("authorization", "Bearer "),
            ("authorization", "k1"),
            ("x-api-key", ""),
        ] {
            assert_eq!(with(name, value), None, "{name}: {value}");
        }
        assert_eq!(with("x-api-key", &"k".repeat(SECRET_BYTES_MAX + 1)), None);
    }
}
