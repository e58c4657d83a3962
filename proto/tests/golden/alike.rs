//! An answer and its stream say the same to every caller: both are read again as the caller's own dialect is read.

use bytes::Bytes;
use proto::canonical::{Event, Folded, Item, Meta, Response, fold};
use proto::dialect::codec::Decoder;
use proto::dialect::{Dialect, anthropic_messages, openai_chat, openai_responses};

use super::answers::{exchange, relayed};
use super::cast::{CALLERS, PROVIDERS};
use super::shelf;

/// Signatures of calls that are made at once: in a stream they follow all calls that began before they came.
const LATE: [(Dialect, &str); 1] = [(Dialect::OpenaiChat, "thought_signature")];

fn whole(caller: Dialect, body: &[u8]) -> Response {
    let mut events = Vec::new();
    match caller {
        Dialect::OpenaiChat => openai_chat::decode_response(body, &mut events),
        Dialect::OpenaiResponses => openai_responses::decode_response(body, &mut events),
        _ => anthropic_messages::decode_response(body, &mut events),
    }
    .unwrap();
    fold(events)
}

fn streamed(caller: Dialect, stream: &[u8]) -> Response {
    let mut decoder: Box<dyn Decoder> = match caller {
        Dialect::OpenaiChat => openai_chat::decoder(),
        Dialect::OpenaiResponses => openai_responses::decoder(),
        _ => anthropic_messages::decoder(),
    };
    let mut events: Vec<Event> = Vec::new();
    decoder.push(stream, &mut events).unwrap();
    decoder.finish(&mut events).unwrap();
    fold(events)
}

/// What is said, without what is drawn or stamped anew.
fn said(mut response: Response) -> Response {
    (response.id, response.created) = (String::new(), None);
    for Folded { item, metas, .. } in &mut response.items {
        if let Item::Hosted { raw } = item {
            raw["id"].take();
        }
        metas.retain(|meta| !matches!(meta, Meta::Citation(_)));
    }
    response
}

#[test]
fn what_is_streamed_is_what_is_answered() {
    let mut compared = 0;
    for dialect in PROVIDERS {
        for case in shelf::cases(dialect, shelf::ANSWER) {
            let answer = shelf::read(dialect, &case, shelf::ANSWER).unwrap();
            let Some(stream) = shelf::read(dialect, &case, shelf::STREAM) else { continue };
            for caller in CALLERS {
                let exchange = exchange(caller, dialect, &case);
                let Ok((body, _)) = exchange.answer(vec![Bytes::from(answer.clone())]) else { continue };
                let relayed = relayed(&exchange, &stream, &[stream.len()]);
                if relayed.ended.is_err() || LATE.contains(&(dialect, case.as_str())) {
                    continue;
                }
                let (whole, streamed) = (said(whole(caller, &body)), said(streamed(caller, &relayed.bytes)));
                assert_eq!(whole, streamed, "{}/{case} to {}", dialect.as_str(), caller.as_str());
                compared += 1;
            }
        }
    }
    assert!(compared > 300, "{compared}");
}
