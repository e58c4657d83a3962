//! What the fuzz targets do with their bytes: everything the product does with bytes of callers and providers. Besides
//! panics and memory they watch that packets make no difference, that answers stay in proportion, and that what is
//! written can be read.

use bytes::{Bytes, BytesMut};
use proto::canonical::{Carrier, Origin};
use proto::catalogue;
use proto::config::ProviderKind;
use proto::dialect::caller::scan;
use proto::dialect::codec::Target;
use proto::dialect::exchange::{Ask, Exchange};
use proto::dialect::{BrokenStream, Dialect, embeddings as embed};
use proto::secret::Secret;
use proto::usage::Reported;

const CALLERS: [Dialect; 3] = [Dialect::OpenaiChat, Dialect::OpenaiResponses, Dialect::AnthropicMessages];

/// Models of every kind of provider whose profiles exercise the rules.
const MODELS: [(ProviderKind, Dialect, &str); 8] = [
    (ProviderKind::OpenaiCompatible, Dialect::OpenaiChat, "local"),
    (ProviderKind::Openai, Dialect::OpenaiResponses, "gpt-5.6-sol"),
    (ProviderKind::Anthropic, Dialect::AnthropicMessages, "claude-3-5-haiku-20241022"),
    (ProviderKind::Anthropic, Dialect::AnthropicMessages, "claude-opus-5-5"),
    (ProviderKind::Gemini, Dialect::Gemini, "gemini-2.5-flash"),
    (ProviderKind::Gemini, Dialect::Gemini, "gemini-3.8-flash"),
    (ProviderKind::Bedrock, Dialect::BedrockConverse, "amazon.nova-pro-v1:0"),
    (ProviderKind::Bedrock, Dialect::BedrockConverse, "us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
];

/// How much longer an answer may become in another dialect: every byte may need six to be escaped, twice over where
/// JSON stands in JSON, and Responses says everything four times and repeats ids with every piece.
const GROWTH_MAX: usize = 400;

fn prepared(
    caller: Dialect,
    body: &Bytes,
    (kind, dialect, model): (ProviderKind, Dialect, &str),
) -> Option<Exchange> {
    let scan = scan(caller, body).ok()?;
    let origin = Origin { provider: kind.as_str().to_owned(), model: model.to_owned() };
    let profile = catalogue::profile(kind, model);
    let carrier = Carrier::new(&Secret::new([7; 32]));
    let ask = Ask {
        dialect: caller,
        body,
        model: &scan.model,
        stream: scan.stream,
        include_usage: scan.include_usage,
        strict: false,
        forget: false,
        anthropic: (None, None),
        request: "req_01890a5d1f2c7000800000000000beef".parse().ok()?,
        price: None,
        input_estimate: 21,
        carrier: &carrier,
    };
    let target = Target { kind, origin: &origin, profile: &profile };
    Exchange::prepare(&ask, &target, dialect, &mut None).ok()
}

/// A question that every kind of answer may be given to.
fn question(caller: Dialect, hidden: bool) -> Bytes {
    let body: &[u8] = match caller {
        Dialect::OpenaiChat if hidden => br#"{"model":"a","stream":true,"messages":[{"role":"user","content":"?"}]}"#,
        Dialect::OpenaiChat => br#"{"model":"a","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"?"}],"tools":[{"type":"custom","custom":{"name":"shell"}}]}"#,
        Dialect::OpenaiResponses => br#"{"model":"a","stream":true,"input":"?","tools":[{"type":"custom","name":"shell"}]}"#,
        _ => br#"{"model":"a","stream":true,"max_tokens":9,"messages":[{"role":"user","content":"?"}]}"#,
    };
    Bytes::from_static(body)
}

type Relayed = (BytesMut, Result<(), BrokenStream>, Option<Reported>, u64);

fn relayed(exchange: &Exchange, stream: &[u8], size: usize) -> Relayed {
    let mut relay = exchange.relay();
    let mut out = BytesMut::new();
    for packet in stream.chunks(size.max(1)) {
        if let Err(broken) = relay.push(packet, &mut out) {
            return (out, Err(broken), relay.reported(), relay.output_chars());
        }
    }
    let ended = relay.finish(&mut out);
    (out, ended, relay.reported(), relay.output_chars())
}

/// Ids that were drawn for calls of an answer without any are not compared.
fn masked(mut relayed: Relayed) -> Relayed {
    const DIGITS: usize = 24;
    let out = &mut relayed.0;
    for at in 0..out.len() {
        if out[at..].starts_with(b"\"call_") {
            let digits = &mut out[at + 6..];
            let drawn = digits.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
            if drawn == DIGITS {
                digits[..DIGITS].fill(b'0');
            }
        }
    }
    relayed
}

fn answered(caller: Dialect, dialect: Dialect, hidden: bool, data: &[u8]) {
    let Some(model) = MODELS.into_iter().find(|model| model.1 == dialect) else { return };
    let Some(exchange) = prepared(caller, &question(caller, hidden), model) else {
        panic!("the question is not carried from {caller:?} to {dialect:?}");
    };
    let at_once = masked(relayed(&exchange, data, data.len()));
    let sum: usize = data.iter().map(|byte| usize::from(*byte)).sum();
    let in_packets = masked(relayed(&exchange, data, 1 + sum % 97));
    assert_eq!(at_once, in_packets, "packets make a difference");
    assert!(at_once.0.len() <= 65_536 + data.len().saturating_mul(GROWTH_MAX), "it grows without measure");
    let translated = caller != dialect;
    if translated {
        for line in
            at_once.0[..].split(|byte: &u8| *byte == b'\n').filter_map(|line| line.strip_prefix(b"data: "))
        {
            let read = serde_json::from_slice::<serde_json::Value>(line);
            assert!(read.is_ok() || line == b"[DONE]", "it wrote what cannot be read");
        }
    }
    if let Ok((body, _)) = exchange.answer(vec![Bytes::copy_from_slice(data)]) {
        let read = serde_json::from_slice::<serde_json::Value>(&body);
        assert!(!translated || read.is_ok(), "it wrote what cannot be read");
    }
}

/// A provider's bytes, as an answer and as a stream, translated for every caller.
pub fn decode(dialect: Dialect, data: &[u8]) {
    for caller in CALLERS {
        if caller != dialect {
            answered(caller, dialect, false, data);
        }
    }
}

/// A provider's bytes, as an answer and as a stream, passed through.
pub fn relay(dialect: Dialect, data: &[u8]) {
    answered(dialect, dialect, false, data);
    if dialect == Dialect::OpenaiChat {
        answered(dialect, dialect, true, data);
    }
}

/// A caller's bytes as a request to every provider.
pub fn request(caller: Dialect, data: &[u8]) {
    let body = Bytes::copy_from_slice(data);
    for model in MODELS {
        let Some(exchange) = prepared(caller, &body, model) else { continue };
        for body in &exchange.bodies {
            let read = serde_json::from_slice::<serde_json::Value>(body);
            assert!(read.is_ok() || caller == model.1, "it wrote what cannot be read");
        }
        // What it repeats of the request must not upset an answer.
        drop(exchange.answer(vec![Bytes::from_static(b"{}")]));
        drop(relayed(&exchange, b"data: {}\n\n", 10));
    }
}

/// Bytes as a request for embeddings, and as answers to one.
pub fn embeddings(data: &[u8]) {
    let body = Bytes::copy_from_slice(data);
    for (kind, model) in [
        (ProviderKind::Openai, "text-embedding-3-small"),
        (ProviderKind::Gemini, "gemini-embedding-001"),
        (ProviderKind::Bedrock, "amazon.titan-embed-text-v2:0"),
    ] {
        let model = (kind, Dialect::OpenaiEmbeddings, model);
        if let Some(exchange) = prepared(Dialect::OpenaiEmbeddings, &body, model) {
            drop(exchange.answer(vec![Bytes::from_static(b"{}"); exchange.bodies.len()]));
        }
        let asked = Bytes::from_static(br#"{"model":"m","input":["a","b"],"encoding_format":"base64"}"#);
        if let Some(exchange) = prepared(Dialect::OpenaiEmbeddings, &asked, model) {
            drop(exchange.answer(vec![body.clone(); exchange.bodies.len()]));
        }
    }
    drop(embed::scan(data));
}
