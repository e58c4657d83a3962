//! Streams against whole answers.

use serde_json::{Value, json};

use super::{base, tool};
use crate::fake::Kind;
use crate::fake::asked::Said;
use crate::fake::script::Script;
use crate::fake::tale::Tale;
use crate::fake::test::{SCRIPTS, ctx, route};
use crate::gemini::{answer, stream};

/// The parts of responses, texts of a kind joined.
fn parts(responses: &[Value]) -> Vec<Value> {
    let mut all: Vec<Value> = Vec::new();
    for part in
        responses.iter().flat_map(|r| r["candidates"][0]["content"]["parts"].as_array().into_iter().flatten())
    {
        match all.last_mut().filter(|last| {
            last["text"].is_string() && part["text"].is_string() && last["thought"] == part["thought"]
        }) {
            Some(last) => {
                last["text"] =
                    json!(format!("{}{}", last["text"].as_str().unwrap(), part["text"].as_str().unwrap()));
                if part.get("thoughtSignature").is_some() {
                    last["thoughtSignature"] = part["thoughtSignature"].clone();
                }
            }
            None => all.push(part.clone()),
        }
    }
    all
}

#[test]
fn streams_say_what_whole_answers_say() {
    for words in SCRIPTS {
        for alt in ["?alt=sse", ""] {
            let path = format!("/v1beta/models/gemini-3.8-flash--{words}:streamGenerateContent{alt}");
            let mut body = base();
            body["tools"] = tool();
            body["generationConfig"] = json!({"thinkingConfig": {"includeThoughts": true}});
            let asked = route(Kind::Gemini, &path, &body).unwrap();
            let ctx = ctx(Kind::Gemini);
            let tale = Tale::of(&asked, &Script::of(&asked.model, "").unwrap(), "gemini", 0);
            let said = Said { asked: &asked, tale: &tale, seal: &ctx.seal };
            let whole = answer::whole(said);
            let bytes: Vec<u8> = stream::events(said).iter().flat_map(|e| e.bytes.to_vec()).collect();
            let text = String::from_utf8(bytes).unwrap();
            let responses: Vec<Value> = if alt.is_empty() {
                serde_json::from_str(&text).unwrap()
            } else {
                text.split_terminator("\r\n\r\n")
                    .map(|e| serde_json::from_str(e.strip_prefix("data: ").unwrap()).unwrap())
                    .collect()
            };
            let last = responses.last().unwrap();
            assert_eq!(parts(&responses), parts(std::slice::from_ref(&whole)), "{words}");
            for at in ["/usageMetadata", "/candidates/0/finishReason", "/promptFeedback"] {
                assert_eq!(last.pointer(at), whole.pointer(at), "{words} {at}");
            }
        }
    }
}
