//! Every kind over HTTP: scripts of trouble, and what is remembered of a call.

use std::time::Duration;

use serde_json::{Value, json};

use super::record::Billed;
use super::test::{headers, send};
use super::{Fake, Form, Kind};
use crate::calls::Ended;

/// Path and body of a call that asks for a script by its last text.
fn ask(kind: Kind, words: &str, stream: bool) -> (&'static str, Value) {
    let text = format!("Say it [[{words}]]");
    let messages = json!([{"role": "user", "content": text}]);
    match (kind, stream) {
        (Kind::Openai, _) => {
            ("/v1/chat/completions", json!({"model": "gpt-4.1-mini", "messages": messages, "stream": stream}))
        }
        (Kind::Azure, _) => {
            ("/openai/v1/chat/completions", json!({"model": "d", "messages": messages, "stream": stream}))
        }
        (Kind::Anthropic, _) => (
            "/v1/messages",
            json!({"model": "claude-sonnet-4-5", "max_tokens": 99, "messages": messages, "stream": stream}),
        ),
        (Kind::Gemini, true) => (
            "/v1beta/models/gemini-3.8-flash:streamGenerateContent?alt=sse",
            json!({"contents": [{"parts": [{"text": text}]}]}),
        ),
        (Kind::Gemini, false) => (
            "/v1beta/models/gemini-3.8-flash:generateContent",
            json!({"contents": [{"parts": [{"text": text}]}]}),
        ),
        (Kind::Bedrock, true) => (
            "/model/amazon.nova-2-lite-v1%3A0/converse-stream",
            json!({"messages": [{"role": "user", "content": [{"text": text}]}]}),
        ),
        (Kind::Bedrock, false) => (
            "/model/amazon.nova-2-lite-v1%3A0/converse",
            json!({"messages": [{"role": "user", "content": [{"text": text}]}]}),
        ),
    }
}

async fn say(fake: &Fake, words: &str, stream: bool) -> super::test::Reply {
    let (path, body) = ask(fake.kind(), words, stream);
    send(fake, path, &headers(fake.kind()), &body).await
}

#[tokio::test]
async fn errors_have_the_statuses_of_their_services() {
    for (word, wanted) in [
        ("e400", [400, 400, 400, 400, 400]),
        ("e401", [401, 401, 400, 401, 403]),
        ("e403", [403, 403, 403, 403, 403]),
        ("e404", [404, 404, 404, 404, 404]),
        ("e429", [429, 429, 429, 429, 429]),
        ("e500", [500, 500, 500, 500, 500]),
        ("e529", [503, 529, 503, 503, 503]),
        ("quota", [429, 400, 429, 429, 400]),
        ("nonsense", [404, 404, 404, 404, 404]),
    ] {
        for (kind, wanted) in Kind::ALL.into_iter().zip(wanted) {
            let fake = Fake::start(kind).await.unwrap();
            for stream in [false, true] {
                let reply = say(&fake, word, stream).await;
                assert_eq!(reply.status, wanted, "{kind:?} {word}");
                assert_eq!(reply.headers["content-type"], "application/json");
            }
            assert_eq!(fake.refusals().is_empty(), word != "nonsense");
        }
    }
}

#[tokio::test]
async fn a_rate_limit_says_how_long() {
    for kind in Kind::ALL {
        let fake = Fake::start(kind).await.unwrap();
        let reply = say(&fake, "e429", true).await;
        let hint = reply.headers.keys().any(|name| name.as_str().contains("retry-after"));
        assert!(hint || reply.text().contains("\"retryDelay\":\"1s\""), "{kind:?}");
    }
}

#[tokio::test]
async fn fails_so_often_and_no_more() {
    for kind in Kind::ALL {
        let fake = Fake::start(kind).await.unwrap();
        let mut statuses = Vec::new();
        for _ in 0..4 {
            statuses.push(say(&fake, "flaky:2", false).await.status);
        }
        assert_eq!(statuses, [500, 500, 200, 200], "{kind:?}");
        let ended: Vec<_> = fake.calls().iter().map(|call| call.ended).collect();
        assert_eq!(ended, [Some(Ended::Finished); 4]);
    }
}

#[tokio::test]
async fn cut_ends_the_connection_and_mid_error_does_not() {
    for kind in Kind::ALL {
        let fake = Fake::start(kind).await.unwrap();
        for stream in [true, false] {
            let reply = say(&fake, "cut", stream).await;
            assert!(reply.status == 200 && reply.cut && !reply.body.is_empty(), "{kind:?}");
        }
        assert_eq!(fake.calls()[0].ended, Some(Ended::Cut));
        let whole = say(&fake, "mid_error", false).await;
        assert_eq!(whole.status, 500, "{kind:?}");
        let streamed = say(&fake, "mid_error", true).await;
        assert!(streamed.status == 200 && !streamed.cut, "{kind:?}");
        let text = String::from_utf8_lossy(&streamed.body).into_owned();
        assert!(text.contains("error") || text.contains("Exception"), "{kind:?}: {text}");
        let billed = fake.calls().last().unwrap().billed;
        assert!(billed.output_tokens < 6 && billed.input_tokens > 0, "{kind:?}: {billed:?}");
    }
}

#[tokio::test]
async fn split_and_pinged_streams_hold_the_same() {
    for kind in Kind::ALL {
        let fake = Fake::start(kind).await.unwrap();
        let split = say(&fake, "split_utf8", true).await;
        assert!(split.body.windows("höher".len()).any(|part| part == "höher".as_bytes()), "{kind:?}");
        let pinged = say(&fake, "pings", true).await;
        let pings = pinged
            .body
            .windows(5)
            .filter(|part| *part == b"ping\n" || *part == b"alive" || *part == b": pin")
            .count();
        assert_eq!(pings > 3, kind != Kind::Bedrock, "{kind:?}");
    }
}

#[tokio::test]
async fn hang_never_answers_and_notes_who_left() {
    for kind in Kind::ALL {
        let fake = Fake::start(kind).await.unwrap();
        let call = tokio::time::timeout(Duration::from_millis(50), say(&fake, "hang", true)).await;
        assert!(call.is_err(), "{kind:?}");
        let ended = fake.log().wait(Duration::from_secs(5), |calls| calls.first()?.ended).await;
        assert_eq!(ended, Some(Ended::Dropped), "{kind:?}");
    }
}

#[tokio::test]
async fn remembers_calls_and_what_they_cost() {
    for kind in Kind::ALL {
        let fake = Fake::start(kind).await.unwrap();
        for stream in [false, true] {
            say(&fake, "cached", stream).await;
        }
        let calls = fake.calls();
        assert_eq!(calls[0].billed, calls[1].billed, "{kind:?}");
        let base = 11 + ("Say it [[cached]]".len() / 4) as u64;
        let (form, wanted) = match kind {
            Kind::Openai | Kind::Azure => (Form::Chat, [base + 1600, 70, 1200, 400, 0, 64]),
            Kind::Anthropic => (Form::Messages, [base + 1600, 70, 1200, 400, 100, 64]),
            Kind::Gemini => (Form::Gemini, [base + 1500, 70, 1200, 0, 0, 64]),
            Kind::Bedrock => (Form::Converse, [base + 1600, 70, 1200, 400, 100, 0]),
        };
        let [input_tokens, output_tokens, cached, cache_write, cache_write_long, reasoning] = wanted;
        let wanted = Billed { input_tokens, output_tokens, cached, cache_write, cache_write_long, reasoning };
        assert_eq!((calls[0].dialect, calls[0].billed), (Some(form), wanted), "{kind:?}");
        assert_eq!((calls[0].stream, calls[1].stream), (false, true));
        assert!(calls[0].body.is_object() && calls[0].status == Some(200));
        let shown = serde_json::to_string(&calls).unwrap();
        assert!(!shown.contains(kind.key()), "{kind:?}");
    }
}

#[tokio::test]
async fn tools_are_called_and_their_results_quoted() {
    let fake = Fake::start(Kind::Anthropic).await.unwrap();
    let tool =
        json!({"name": "f", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}});
    let mut body = json!({"model": "claude-sonnet-4-5--tools", "max_tokens": 99, "tools": [tool],
        "messages": [{"role": "user", "content": "Hi"}]});
    let first = send(&fake, "/v1/messages", &headers(Kind::Anthropic), &body).await.json();
    assert_eq!(first["stop_reason"], "tool_use");
    let id = first["content"][0]["id"].clone();
    let more = [
        json!({"role": "assistant", "content": first["content"]}),
        json!({"role": "user", "content": [
        {"type": "tool_result", "tool_use_id": id, "content": [{"type": "text", "text": "21 °C"}]}]}),
    ];
    body["messages"].as_array_mut().unwrap().extend(more);
    let second = send(&fake, "/v1/messages", &headers(Kind::Anthropic), &body).await.json();
    assert_eq!(second["content"][0]["text"], "The tool said: 21 °C");
    assert!(fake.refusals().is_empty());
}

#[tokio::test]
async fn answers_of_responses_are_kept() {
    let fake = Fake::start(Kind::Openai).await.unwrap();
    let body = json!({"model": "gpt-6-luna", "input": "Hi"});
    let first = send(&fake, "/v1/responses", &headers(Kind::Openai), &body).await.json();
    let next =
        json!({"model": "gpt-6-luna", "input": "More", "previous_response_id": first["id"], "store": false});
    let second = send(&fake, "/v1/responses", &headers(Kind::Openai), &next).await;
    assert_eq!(second.status, 200);
    let next = json!({"model": "gpt-6-luna", "input": "More", "previous_response_id": second.json()["id"]});
    assert_eq!(send(&fake, "/v1/responses", &headers(Kind::Openai), &next).await.status, 400);
}

#[tokio::test]
async fn embeds_whole_and_as_base64() {
    let fake = Fake::start(Kind::Openai).await.unwrap();
    let body = json!({"model": "text-embedding-3-small", "input": ["one", "two"], "dimensions": 4});
    let floats = send(&fake, "/v1/embeddings", &headers(Kind::Openai), &body).await.json();
    assert_eq!(floats["data"][1]["embedding"].as_array().unwrap().len(), 4);
    let mut coded = body.clone();
    coded["encoding_format"] = json!("base64");
    let coded = send(&fake, "/v1/embeddings", &headers(Kind::Openai), &coded).await.json();
    assert_eq!(coded["data"][0]["embedding"].as_str().unwrap().len(), 24);
    assert_eq!(fake.calls()[0].billed.input_tokens, floats["usage"]["prompt_tokens"].as_u64().unwrap());
    let wrong = json!({"model": "text-embedding-3-small", "input": ""});
    assert_eq!(send(&fake, "/v1/embeddings", &headers(Kind::Openai), &wrong).await.status, 400);
}
