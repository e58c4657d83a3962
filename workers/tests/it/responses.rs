//! Responses that are kept, and requests that go on from them.

use std::time::Duration;

use proto::config::{Config, ProviderKind};
use proto::dialect::Dialect;
use proto::dialect::openai_responses::response_id;
use proto::envelope::{Envelope, Kept};
use proto::event::CloseReason;
use proto::event::Event;
use proto::fault::FaultCode;
use proto::reply::Section;
use proto::stored::Status;

use crate::stack::{Stack, config, data, settings};
use crate::upstream::{self, ANSWER, Act};

/// A whole answer of a provider that speaks Responses.
pub const RESPONSE: &str = r#"{"id":"resp_up","object":"response","status":"completed","background":false,"previous_response_id":null,"output":[{"id":"msg_1","type":"message","role":"assistant","status":"completed","content":[{"type":"output_text","text":"Hi","annotations":[]}]}],"usage":{"input_tokens":2,"output_tokens":3,"total_tokens":5}}"#;

/// The events of such an answer.
pub fn events() -> Vec<(Duration, String)> {
    let event = |kind: &str, rest: String| {
        (Duration::from_millis(5), format!("event: {kind}\ndata: {{\"type\":\"{kind}\",{rest}}}\n\n"))
    };
    let created = r#""sequence_number":0,"response":{"id":"resp_up","status":"in_progress","previous_response_id":null}"#;
    vec![
        event("response.created", created.to_owned()),
        event("response.output_text.delta", r#""sequence_number":1,"delta":"Hi"#.to_owned() + "\""),
        event("response.output_text.delta", r#""sequence_number":2,"delta":" you"#.to_owned() + "\""),
        event("response.completed", format!(r#""sequence_number":3,"response":{RESPONSE}"#)),
    ]
}

/// A provider that is asked in Responses itself.
pub fn native(url: &str) -> Config {
    let mut config = config(&[url]);
    config.providers[0].kind = ProviderKind::Openai;
    config
}

pub fn keeps(kept: Kept) -> impl FnOnce(&mut Envelope) {
    move |envelope| {
        envelope.dialect = Dialect::OpenaiResponses;
        envelope.kept = Some(kept);
    }
}

fn store() -> Kept {
    Kept { store: true, ..Kept::default() }
}

const ASK: &str = r#"{"model":"fast","input":"hello"}"#;
const ASK_STREAM: &str = r#"{"model":"fast","input":"hello","stream":true}"#;

#[tokio::test]
async fn an_answer_is_stored_before_it_is_given_and_the_next_goes_on_from_it() {
    let (url, seen) = upstream::start(vec![Act::Whole(200, "", ANSWER)]).await;
    let mut stack = Stack::start(&config(&[&url])).await;
    stack.worker(settings()).await;
    let request = stack.request_with(ASK, keeps(store())).await;
    let answer = data(&stack.frames().await);
    let id = response_id(request);
    let kept = stack.kept(&id).await.expect("stored by the time it is answered").stored;
    assert_eq!(kept.response, answer.as_bytes());
    assert_eq!((kept.about.status, kept.about.request), (Status::Completed, request));
    assert_eq!(kept.input, r#"{"input":"hello"}"#);
    let body = format!(r#"{{"model":"fast","input":"and?","previous_response_id":"{id}"}}"#);
    let previous = Kept { previous: Some(id.clone()), ..store() };
    let second = stack.request_with(&body, keeps(previous)).await;
    let answer: serde_json::Value = serde_json::from_str(&data(&stack.frames().await)).unwrap();
    assert_eq!(answer["previous_response_id"], id.as_str());
    let asked = seen.bodies.lock().unwrap()[1]["messages"].clone();
    let texts: Vec<String> = asked.as_array().unwrap().iter().map(|m| m["role"].to_string()).collect();
    assert_eq!(texts, ["\"user\"", "\"assistant\"", "\"user\""], "{asked}");
    // A chain of three: the stored input of the second holds what was before.
    assert_eq!(stack.kept(&response_id(second)).await.unwrap().stored.items().len(), 4);
    stack.settled(4).await;
}

#[tokio::test]
async fn a_forwarded_answer_keeps_its_bytes_and_its_id() {
    let (url, seen) = upstream::start(vec![Act::Whole(200, "", RESPONSE)]).await;
    let mut stack = Stack::start(&native(&url)).await;
    stack.worker(settings()).await;
    stack.request_with(ASK, keeps(store())).await;
    assert_eq!(data(&stack.frames().await), RESPONSE);
    assert_eq!(stack.kept("resp_up").await.unwrap().stored.response, RESPONSE);
    let body = r#"{"model":"fast","input":"and?","previous_response_id":"resp_up"}"#;
    let previous = Kept { previous: Some("resp_up".into()), ..Kept::default() };
    stack.request_with(body, keeps(previous)).await;
    let marked = RESPONSE.replace(r#""previous_response_id":null"#, r#""previous_response_id":"resp_up""#);
    assert_eq!(data(&stack.frames().await), marked);
    let asked = seen.bodies.lock().unwrap()[1].clone();
    assert_eq!((asked["input"].as_array().unwrap().len(), asked.get("previous_response_id")), (3, None));
    assert_eq!(stack.kept("resp_up").await.unwrap().stored.response, RESPONSE, "store was switched off");
}

#[tokio::test]
async fn a_stream_is_stored_from_its_last_event() {
    let (url, _) = upstream::start(vec![Act::Stream(events())]).await;
    let mut stack = Stack::start(&native(&url)).await;
    stack.worker(settings()).await;
    stack.request_with(ASK_STREAM, keeps(store())).await;
    let sent: String = events().into_iter().map(|(_, event)| event).collect();
    assert_eq!(data(&stack.frames().await), sent);
    assert_eq!(stack.kept("resp_up").await.unwrap().stored.response, RESPONSE);
    // Going on from it marks every response object of the stream.
    let previous = Kept { previous: Some("resp_up".into()), ..Kept::default() };
    stack.request_with(ASK_STREAM, keeps(previous)).await;
    let marked = sent.replace(r#""previous_response_id":null"#, r#""previous_response_id":"resp_up""#);
    assert_eq!(data(&stack.frames().await), marked);
}

#[tokio::test]
async fn what_is_not_there_is_said_without_a_call() {
    let (url, seen) = upstream::start(vec![Act::Whole(200, "", RESPONSE)]).await;
    let mut stack = Stack::start(&native(&url)).await;
    stack.worker(settings()).await;
    stack.request_with(ASK, keeps(store())).await;
    stack.frames().await;
    let previous = |id: &str| Kept { previous: Some(id.to_owned()), ..store() };
    let body = r#"{"model":"fast","input":"and?","previous_response_id":"x"}"#;
    let other = |envelope: &mut Envelope| envelope.project = "other".into();
    for (id, foreign) in [("resp_none", false), ("resp_up", true)] {
        let change = |envelope: &mut Envelope| {
            keeps(previous(id))(envelope);
            if foreign {
                other(envelope);
            }
        };
        stack.request_with(body, change).await;
        let frames = stack.frames().await;
        let [Section::Fault(fault), Section::End(_)] = &frames[0].sections[..] else { panic!("{frames:?}") };
        assert_eq!((fault.code, fault.status()), (FaultCode::PreviousResponseNotFound, 400));
        assert_eq!(fault.param.as_deref(), Some("previous_response_id"));
    }
    let closed = stack.settled(4).await;
    assert!(matches!(&closed[3], Event::Closed(closed) if closed.reason == CloseReason::Refused));
    assert_eq!(seen.hits(), 1);
}

#[tokio::test]
async fn a_large_answer_is_kept_in_the_object_store() {
    let text = "x".repeat(2 << 20);
    let large: &'static str = Box::leak(RESPONSE.replace("Hi", &text).into_boxed_str());
    let (url, _) = upstream::start(vec![Act::Whole(200, "", large)]).await;
    let mut stack = Stack::start(&native(&url)).await;
    stack.worker(settings()).await;
    stack.request_with(ASK, keeps(store())).await;
    stack.frames().await;
    let found = stack.kept("resp_up").await.unwrap();
    assert!(found.stored.response == large);
}
