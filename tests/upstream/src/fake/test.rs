//! Means of the tests: bodies with a change, rules in tables, and a client that sends what it is told.

use bytes::Bytes;
use http::HeaderMap;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use super::asked::{Asked, Incoming, Refusal, Routed};
use super::{Ctx, Fake, Kind};
use crate::fake::seal::Seal;

/// Scripts whose answers stream as they stand whole.
pub(crate) const SCRIPTS: [&str; 17] = [
    "text",
    "tools",
    "parallel",
    "empty_args",
    "thinking",
    "thinking+tools",
    "redacted",
    "refusal",
    "safety",
    "prompt_block",
    "length",
    "stop_sequence",
    "json",
    "cached",
    "no_usage",
    "odd_usage",
    "text+tools",
];

/// A context of a fake of that kind.
pub(crate) fn ctx(kind: Kind) -> Ctx {
    Ctx {
        key: kind.key().to_owned(),
        seal: Seal { name: kind.name().to_owned() },
        stored: crate::openai::responses::Stored::default(),
    }
}

/// Headers with the right credential of the kind.
pub(crate) fn headers(kind: Kind) -> Vec<(&'static str, String)> {
    let key = kind.key();
    let mut headers = vec![("content-type", "application/json".to_owned()), ("host", "fake".to_owned())];
    match kind {
        Kind::Openai | Kind::Bedrock => headers.push(("authorization", format!("Bearer {key}"))),
        Kind::Anthropic => {
            headers.push(("x-api-key", key.to_owned()));
            headers.push(("anthropic-version", "2023-06-01".to_owned()));
        }
        Kind::Gemini => headers.push(("x-goog-api-key", key.to_owned())),
        Kind::Azure => headers.push(("api-key", key.to_owned())),
    }
    headers
}

/// A POST with these headers.
pub(crate) fn incoming(path: &str, headers: &[(&'static str, String)], body: &Value) -> Incoming {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(*name, value.parse().unwrap());
    }
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    Incoming {
        method: "POST".to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        headers: map,
        body: body.to_string().into(),
        json: Some(body.clone()),
    }
}

/// What becomes of a body.
pub(crate) fn route(kind: Kind, path: &str, body: &Value) -> Result<Asked, Refusal> {
    match kind.route(&ctx(kind), &incoming(path, &headers(kind), body))? {
        Routed::Ask(asked) => Ok(*asked),
        Routed::Fixed(fixed) => Ok(Asked::new(fixed.form, &fixed.model, &fixed.body)),
    }
}

/// `base` with the fields of `change` put in; null takes a field away.
pub(crate) fn patched(base: &Value, change: &Value) -> Value {
    let Value::Object(change) = change else { return change.clone() };
    let mut made = base.as_object().cloned().unwrap_or_default();
    for (key, value) in change {
        if value.is_null() {
            made.remove(key);
        } else {
            let below = patched(made.get(key).unwrap_or(&Value::Null), value);
            made.insert(key.clone(), below);
        }
    }
    Value::Object(made)
}

/// Every change makes a body that is refused with 400 and these words; `base` itself is accepted.
pub(crate) fn refuses(kind: Kind, path: &str, base: &Value, rules: &[(Value, &str)]) {
    accepts(kind, path, base, &[Value::Object(serde_json::Map::new())]);
    for (change, words) in rules {
        let body = patched(base, change);
        match route(kind, path, &body) {
            Ok(_) => panic!("accepted: {change}"),
            Err(refusal) => {
                let said = refusal.body.to_string();
                assert_eq!(refusal.status, 400, "{change}: {said}");
                assert!(said.contains(words), "{change}: {said}");
            }
        }
    }
}

/// Every change makes a body that is accepted.
pub(crate) fn accepts(kind: Kind, path: &str, base: &Value, changes: &[Value]) {
    for change in changes {
        let body = patched(base, change);
        if let Err(refusal) = route(kind, path, &body) {
            panic!("refused: {change}: {}", refusal.body);
        }
    }
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// The connection ended too early.
    pub cut: bool,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

/// Posts a body with these headers, to exactly that path.
pub(crate) async fn send(fake: &Fake, path: &str, headers: &[(&'static str, String)], body: &Value) -> Reply {
    let stream = TcpStream::connect(fake.addr()).await.unwrap();
    let (mut client, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    let driven = tokio::spawn(connection);
    let mut request = http::Request::post(path);
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    let request = request.body(Full::new(Bytes::from(body.to_string()))).unwrap();
    let (parts, mut incoming) = client.send_request(request).await.unwrap().into_parts();
    let (mut bytes, mut cut) = (Vec::new(), false);
    while let Some(frame) = incoming.frame().await {
        match frame {
            Ok(frame) => bytes.extend_from_slice(frame.data_ref().unwrap()),
            Err(_) => {
                cut = true;
                break;
            }
        }
    }
    drop(client);
    drop(driven.await);
    Reply { status: parts.status.as_u16(), headers: parts.headers, body: bytes.into(), cut }
}
