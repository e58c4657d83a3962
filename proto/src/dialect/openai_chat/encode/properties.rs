//! Whatever Chat can express is the same when it was sent and read again.

use proptest::prelude::*;
use serde_json::{Map, json};

use super::tests::{call, part, result, text, turn};
use crate::canonical::{
    At, CallKind, Content, Effort, Output, Part, Request, Role, Show, Source, SystemText, Tool, ToolChoice,
    ToolKind, Turn,
};
use crate::catalogue::Profile;
use crate::config::ProviderKind::{AzureOpenai, Openai, OpenaiCompatible};
use crate::dialect::Dialect;
use crate::dialect::openai_chat::decode_request;
use crate::dialect::openai_chat::fixtures::{capable, carrier, encoded};

fn words() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9é漢 \"\\\\\n]{1,12}"
}

fn user_parts() -> impl Strategy<Value = Vec<Part>> {
    let content = prop_oneof![
        words().prop_map(|text| Content::Text { text, citations: vec![] }),
        words()
            .prop_map(|url| Content::Image { source: Source::Url(format!("https://{url}")), detail: None }),
        prop::option::of(words()).prop_map(|detail| Content::Image {
            source: Source::Base64 { media_type: "image/png".into(), data: "AA==".into() },
            detail,
        }),
        words().prop_map(|name| Content::Document {
            source: Source::Base64 { media_type: "application/pdf".into(), data: "AA==".into() },
            name: Some(name),
        }),
    ];
    prop::collection::vec(content.prop_map(part), 1..4)
}

/// A user's message, then calls and their results.
fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let arguments = words().prop_map(|text| json!({"a": text}).to_string());
    let calls = prop::collection::vec((words(), arguments, words(), any::<bool>()), 0..4);
    let round = (user_parts(), prop::option::of(words()), calls);
    prop::collection::vec(round, 1..4).prop_map(|rounds| {
        let mut turns = Vec::new();
        for (n, (said, answer, calls)) in rounds.into_iter().enumerate() {
            turns.push(turn(Role::User, said));
            let mut parts: Vec<Part> = answer.iter().map(|answer| text(answer)).collect();
            let mut results = Vec::new();
            for (i, (name, arguments, given, custom)) in calls.into_iter().enumerate() {
                let name = name.chars().filter(char::is_ascii_alphanumeric).collect::<String>() + "_";
                let mut made = call(&format!("call_{n}_{i}"), &name, &arguments);
                if let (Content::ToolCall { kind, .. }, true) = (&mut made.content, custom) {
                    *kind = CallKind::Custom;
                }
                parts.push(made);
                results.push(turn(
                    Role::User,
                    vec![result(&format!("call_{n}_{i}"), vec![text(&given)], false)],
                ));
            }
            if !parts.is_empty() {
                turns.push(turn(Role::Assistant, parts));
            }
            turns.append(&mut results);
        }
        turns
    })
}

fn requests() -> impl Strategy<Value = Request> {
    let tools =
        prop::collection::vec((words(), prop::option::of(words()), prop::option::of(any::<bool>())), 0..4);
    let output = prop_oneof![
        Just(Output::Text),
        Just(Output::JsonObject),
        words().prop_map(|name| Output::JsonSchema {
            name: Some(name),
            description: None,
            schema: json!({"type": "object", "b": 1, "a": 2}),
            strict: Some(true),
        }),
    ];
    let numbers = (
        prop::option::of(1_u64..9_999),
        prop::option::of((0..200_u32).prop_map(|n| f64::from(n) / 100.0)),
        prop::option::of(any::<i64>()),
    );
    let system = prop::collection::vec(words(), 0..3);
    let stop = prop::collection::vec(words(), 0..4);
    let effort = prop::option::of(prop::sample::select(vec![Effort::None, Effort::Low, Effort::Max]));
    (turns(), system, tools, output, numbers, stop, effort, any::<bool>()).prop_map(
        |(turns, system, tools, output, (max, temperature, seed), stop, effort, stream)| {
            let mut request = Request::new(Dialect::OpenaiChat, "m");
            request.turns = turns;
            request.system = system.into_iter().map(|text| SystemText { text, cache: None }).collect();
            for (at, (name, description, strict)) in tools.into_iter().enumerate() {
                let name = name.chars().filter(char::is_ascii_alphanumeric).collect::<String>() + "_t";
                let schema = Some(json!({"type": "object", "properties": Map::new()}));
                let kind = ToolKind::Function { name: name.clone(), description, schema, strict };
                request.tools.push(Tool { at: at as u32, cache: None, kind });
                request.tool_choice = Some(ToolChoice::Named(name));
                request.parallel_tools = Some(at % 2 == 0);
            }
            request.output = output;
            request.max_tokens = max;
            request.sampling.temperature = temperature.and_then(serde_json::Number::from_f64);
            request.sampling.seed = seed;
            request.stop = stop;
            request.reasoning.effort = effort;
            request.reasoning.show = effort.filter(|effort| *effort != Effort::None).map(|_| Show::Summary);
            request.stream = stream;
            request
        },
    )
}

/// The same without the places, which a new body gives anew.
fn placeless(mut request: Request) -> Request {
    fn clear(parts: &mut [Part]) {
        for part in parts {
            part.at = At::default();
            if let Content::ToolResult { parts, .. } = &mut part.content {
                clear(parts);
            }
        }
    }
    request.turns.iter_mut().for_each(|turn| clear(&mut turn.parts));
    request
}

proptest! {
    #[test]
    fn encoding_and_decoding_keep_a_request(request in requests()) {
        let (encoded, warnings) = encoded(&request, Openai, &capable()).unwrap();
        prop_assert_eq!(warnings.all(), &[]);
        let back = decode_request(&encoded.body, &carrier()).unwrap();
        prop_assert_eq!(placeless(back), placeless(request));
    }

    #[test]
    fn whatever_is_read_can_be_sent_or_is_refused(request in requests(), openai in any::<bool>()) {
        let kind = if openai { AzureOpenai } else { OpenaiCompatible };
        let profile = Profile { json_schema: false, sampling: false, forced_tools: false, ..Profile::default() };
        let (encoded, _) = encoded(&request, kind, &profile).unwrap();
        prop_assert!(decode_request(&encoded.body, &carrier()).is_ok());
    }
}
