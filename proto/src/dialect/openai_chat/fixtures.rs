//! What the tests of translation share: the golden files, and somebody to translate for.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::BytesMut;

use crate::canonical::{Carrier, Effort, Event, Origin, Request, Warnings};
use crate::catalogue::{Profile, ReasoningControl};
use crate::config::ProviderKind;
use crate::dialect::Dialect;
use crate::dialect::codec::{Encoded, Reply, Target};
use crate::fault::Fault;
use crate::id::RequestId;
use crate::secret::Secret;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/openai_chat")
}

/// A golden file.
pub(super) fn read(name: &str) -> Vec<u8> {
    std::fs::read(folder().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The cases that have a file of this kind, in order.
pub(super) fn cases(kind: &str) -> Vec<String> {
    let mut cases: Vec<String> = std::fs::read_dir(folder())
        .unwrap()
        .filter_map(|entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            name.strip_suffix(kind).map(str::to_owned)
        })
        .collect();
    cases.sort_unstable();
    cases
}

pub(super) fn carrier() -> Carrier {
    Carrier::new(&Secret::new([7; 32]))
}

pub(super) fn origin() -> Origin {
    Origin { provider: "there".into(), model: "m".into() }
}

/// A model that takes everything.
pub(super) fn capable() -> Profile {
    use Effort::{High, Low, Max, Medium, Minimal, None, Xhigh};
    Profile {
        output_tokens: 100_000,
        developer_role: true,
        max_completion_tokens: true,
        cache_marks: true,
        cache_marks_long: true,
        reasoning: ReasoningControl::Effort { levels: vec![None, Minimal, Low, Medium, High, Xhigh, Max] },
        ..Profile::default()
    }
}

pub(super) fn encoded(
    request: &Request,
    kind: ProviderKind,
    profile: &Profile,
) -> Result<(Encoded, Warnings), Fault> {
    let mut warnings = Warnings::default();
    let target = Target { kind, origin: &origin(), profile };
    let encoded = super::encode_request(request, &target, &mut warnings)?;
    Ok((encoded, warnings))
}

pub(super) fn reply(asked: Request, include_usage: bool) -> Reply {
    let price = serde_json::json!({"input": "1", "output": "2"});
    Reply {
        request: RequestId::new(),
        asked: Arc::new(asked),
        include_usage,
        created: 7,
        carrier: carrier(),
        origin: origin(),
        price: Some(serde_json::from_value(price).unwrap()),
        input_estimate: 5,
    }
}

pub(super) fn asked() -> Request {
    Request::new(Dialect::OpenaiChat, "alias")
}

/// The events as a caller of Chat gets them.
pub(super) fn streamed(events: &[Event], reply: Reply) -> String {
    let mut encoder = super::encoder(reply);
    let mut out = BytesMut::new();
    for event in events {
        encoder.event(event.clone(), &mut out);
    }
    encoder.end(&mut out);
    String::from_utf8(out.to_vec()).unwrap()
}
