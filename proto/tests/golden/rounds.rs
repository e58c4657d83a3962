//! There and back: a request written for the dialect it came in is the same request when it is read again, and a stream
//! says the same however it is cut.

use proptest::prelude::*;
use proto::canonical::{
    At, CacheMark, CacheTtl, CallKind, Content, Effort, Opaque, OpaqueKind, Origin, Output, Part, Request,
    Role, Show, Source, SystemText, Tool, ToolChoice, ToolKind, Turn, Warnings,
};
use proto::catalogue::{Profile, ReasoningControl};
use proto::config::ProviderKind;
use proto::dialect::codec::Target;
use proto::dialect::{Dialect, anthropic_messages, openai_chat, openai_responses};
use serde_json::{Number, json};

use super::answers::{exchange, relayed};
use super::cast::{CALLERS, PROVIDERS, carrier};
use super::shelf;

fn words() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9é漢🦀\"\\\\\n][a-zA-Z0-9é漢🦀 \"\\\\\n\t]{0,12}[a-z]"
}

fn name() -> impl Strategy<Value = String> {
    "[a-zA-Z_][a-zA-Z0-9_-]{0,20}"
}

fn part(content: Content) -> Part {
    Part::new(At::default(), content)
}

fn text(text: String) -> Content {
    Content::Text { text, citations: Vec::new() }
}

fn base64(media_type: &str) -> Source {
    Source::Base64 { media_type: media_type.into(), data: "iVBORw0KGgo=".into() }
}

/// What every caller's dialect lets a user say.
fn said(dialect: Dialect) -> impl Strategy<Value = Vec<Part>> {
    let detail = (dialect != Dialect::AnthropicMessages).then(|| "auto".to_owned());
    let detailed = detail.clone();
    let content = prop_oneof![
        words().prop_map(text),
        "[a-z]{1,9}".prop_map(move |host| {
            let source = Source::Url(format!("https://{host}.example/a.png"));
            Content::Image { source, detail: detail.clone() }
        }),
        Just(Content::Image { source: base64("image/png"), detail: detailed }),
        "[a-z]{1,9}".prop_map(|name| {
            Content::Document { source: base64("application/pdf"), name: Some(format!("{name}.pdf")) }
        }),
    ];
    prop::collection::vec(content.prop_map(part), 1..4)
}

/// Thoughts as their own dialect gives them back.
fn thought(dialect: Dialect) -> impl Strategy<Value = Content> {
    (words(), "[A-Za-z0-9+/]{8,24}", any::<bool>()).prop_map(move |(thought, data, hidden)| {
        let opaque = |kind| vec![Opaque { origin: None, kind, data: data.clone() }];
        let nothing = Content::Reasoning { text: String::new(), summary: Vec::new(), opaque: Vec::new() };
        match (dialect, hidden) {
            (Dialect::AnthropicMessages, true) => Content::Reasoning {
                text: String::new(),
                summary: Vec::new(),
                opaque: opaque(OpaqueKind::Redacted),
            },
            (Dialect::AnthropicMessages, false) => Content::Reasoning {
                text: thought,
                summary: Vec::new(),
                opaque: opaque(OpaqueKind::Signature),
            },
            (Dialect::OpenaiResponses, _) => {
                let summary = if hidden { Vec::new() } else { vec![thought] };
                Content::Reasoning { text: String::new(), summary, opaque: opaque(OpaqueKind::Encrypted) }
            }
            _ => nothing,
        }
    })
}

/// A question, and an answer with or without thoughts, text and calls, whose results follow.
type Round = (Vec<Part>, Option<Content>, Option<String>, Vec<(String, String, String, bool)>);

fn rounds(dialect: Dialect) -> impl Strategy<Value = Vec<Turn>> {
    let calls = prop::collection::vec((name(), words(), words(), any::<bool>()), 0..3);
    let round = (said(dialect), prop::option::of(thought(dialect)), prop::option::of(words()), calls);
    prop::collection::vec(round, 1..4).prop_map(move |rounds: Vec<Round>| {
        let mut turns: Vec<Turn> = Vec::new();
        let push = |turns: &mut Vec<Turn>, role, parts: Vec<Part>| match turns.last_mut() {
            // Results and what the user says next are one message there.
            Some(last) if last.role == role && dialect == Dialect::AnthropicMessages => {
                last.parts.extend(parts)
            }
            _ => turns.push(Turn { role, parts, phase: None }),
        };
        for (n, (question, thought, answer, calls)) in rounds.into_iter().enumerate() {
            push(&mut turns, Role::User, question);
            let speaks = answer.is_some() || !calls.is_empty();
            let thought = thought.filter(|_| speaks && dialect != Dialect::OpenaiChat);
            let mut parts: Vec<Part> = thought.into_iter().chain(answer.map(text)).map(part).collect();
            let mut results = Vec::new();
            for (i, (name, argument, given, failed)) in calls.into_iter().enumerate() {
                let id = format!("toolu_{n}_{i}");
                let arguments = json!({"a": argument, "b": [1, null]}).to_string();
                let opaque = Vec::new();
                let call =
                    Content::ToolCall { id: id.clone(), name, kind: CallKind::Function, arguments, opaque };
                parts.push(part(call));
                // Only Messages has a word for a tool that failed.
                let is_error = failed && dialect == Dialect::AnthropicMessages;
                results.push(part(Content::ToolResult { id, parts: vec![part(text(given))], is_error }));
            }
            if !parts.is_empty() {
                push(&mut turns, Role::Assistant, parts);
            }
            if !results.is_empty() {
                if dialect == Dialect::OpenaiChat {
                    results.into_iter().for_each(|result| push(&mut turns, Role::User, vec![result]));
                } else {
                    push(&mut turns, Role::User, results);
                }
            }
        }
        // What ends in an answer is a matter of its own.
        push(&mut turns, Role::User, vec![part(text("And?".into()))]);
        turns
    })
}

fn tools() -> impl Strategy<Value = Vec<(String, Option<String>, Option<bool>)>> {
    let strict = prop::option::of(any::<bool>());
    prop::collection::vec((name(), prop::option::of(words()), strict), 0..4).prop_map(|mut tools| {
        for (n, tool) in tools.iter_mut().enumerate() {
            tool.0.push_str(&format!("_{n}"));
        }
        tools
    })
}

fn requests(dialect: Dialect) -> impl Strategy<Value = Request> {
    let system = prop::collection::vec(words(), 0..3);
    let numbers = (16_u64..9999, prop::option::of(0..10_u32), any::<bool>(), 0..6_u8);
    (rounds(dialect), system, tools(), numbers, words()).prop_map(move |(turns, system, tools, numbers, word)| {
        let (limit, tenths, stream, choice) = numbers;
        let mut request = Request::new(dialect, "m");
        request.turns = turns;
        request.system = system.into_iter().map(|text| SystemText { text, cache: None }).collect();
        let first = tools.first().map(|tool| tool.0.clone());
        for (at, (name, description, strict)) in tools.into_iter().enumerate() {
            let schema = json!({"type": "object", "properties": {"z": {"type": "string"}, "a": {}}, "required": ["z"]});
            let kind = ToolKind::Function { name, description, schema: Some(schema), strict };
            request.tools.push(Tool { at: u32::try_from(at).unwrap(), cache: None, kind });
        }
        request.tool_choice = first.and_then(|first| match choice {
            0 => Some(ToolChoice::Auto),
            1 => Some(ToolChoice::None),
            2 => Some(ToolChoice::Required),
            3 => Some(ToolChoice::Named(first)),
            _ => None,
        });
        let several = choice % 2 == 0;
        request.parallel_tools = request
            .tool_choice
            .as_ref()
            .filter(|choice| **choice != ToolChoice::None)
            .map(|_| several);
        request.max_tokens = Some(limit);
        request.stream = stream;
        request.sampling.temperature = tenths.and_then(|n| Number::from_f64(f64::from(n) / 10.0));
        let schema = json!({"type": "object", "properties": {"b": {}, "a": {}}, "additionalProperties": false});
        if choice == 4 {
            let (name, strict) = match dialect {
                Dialect::AnthropicMessages => (None, Some(true)),
                _ => (Some("person".to_owned()), Some(false)),
            };
            request.output = Output::JsonSchema { name, description: None, schema, strict };
        }
        match dialect {
            Dialect::AnthropicMessages => messages_alone(&mut request, choice, word),
            Dialect::OpenaiResponses => {
                request.end_user = Some(word);
                request.reasoning.effort = (choice == 5).then_some(Effort::High);
                request.state.store = Some(false);
            }
            _ => {
                request.stop = vec![word];
                request.sampling.seed = Some(-7);
            }
        }
        request
    })
}

/// What only Messages can say.
fn messages_alone(request: &mut Request, choice: u8, word: String) {
    request.stop = vec![word];
    // Several calls at once are not asked for: there is only a word against them.
    request.parallel_tools = request.parallel_tools.filter(|several| !several);
    request.sampling.top_k = (choice == 3).then_some(40);
    // In the middle of a tool loop thinking depends on what was thought before.
    let results = |part: &Part| matches!(part.content, Content::ToolResult { .. });
    let in_loop = request.turns.last().is_some_and(|turn| turn.parts.iter().any(results));
    if choice == 5 && !in_loop {
        request.reasoning.enabled = Some(true);
        request.reasoning.budget = Some(1024);
        request.reasoning.show = Some(Show::Summary);
        request.max_tokens = Some(4000);
        request.sampling.temperature = None;
    }
    let ttl = if choice == 2 { CacheTtl::Long } else { CacheTtl::Short };
    if let Some(last) = request.turns.last_mut().and_then(|turn| turn.parts.last_mut()) {
        last.cache = Some(CacheMark { ttl });
    }
}

fn everything() -> Profile {
    use Effort::{High, Low, Max, Medium, Minimal, None, Xhigh};
    Profile {
        output_tokens: 100_000,
        context_tokens: 1_000_000,
        developer_role: true,
        max_completion_tokens: true,
        mid_system: true,
        reasoning: ReasoningControl::Effort { levels: vec![None, Minimal, Low, Medium, High, Xhigh, Max] },
        ..Profile::default()
    }
}

/// Written for its own dialect and read again; with what the two bodies cannot have in common made equal.
fn there_and_back(request: &Request) -> (Request, Warnings) {
    let mut warnings = Warnings::default();
    let (kind, mut profile) = match request.dialect {
        Dialect::AnthropicMessages => (ProviderKind::Anthropic, everything()),
        _ => (ProviderKind::Openai, everything()),
    };
    if request.dialect == Dialect::AnthropicMessages {
        profile.reasoning = ReasoningControl::Budget { min: 1024, max: 64_000, can_disable: true };
    }
    let origin = Origin { provider: "there".into(), model: "m".into() };
    let target = Target { kind, origin: &origin, profile: &profile };
    let (encoded, back) = match request.dialect {
        Dialect::AnthropicMessages => {
            let encoded = anthropic_messages::encode_request(request, &target, &mut warnings).unwrap();
            let back = anthropic_messages::decode_request(&encoded.body, &carrier());
            (encoded, back)
        }
        Dialect::OpenaiResponses => {
            let encoded = openai_responses::encode_request(request, &target, &mut warnings).unwrap();
            let back = openai_responses::decode_request(&encoded.body, &carrier());
            (encoded, back)
        }
        _ => {
            let encoded = openai_chat::encode_request(request, &target, &mut warnings).unwrap();
            let back = openai_chat::decode_request(&encoded.body, &carrier());
            (encoded, back)
        }
    };
    let body = String::from_utf8_lossy(&encoded.body).into_owned();
    (back.unwrap_or_else(|fault| panic!("{fault:?}: {body}")), warnings)
}

/// Without places, and without what an answer repeats of the request.
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
    request.echo.clear();
    // Asked for of every model that reasons.
    request.rest.retain(|key, _| key != "include");
    request
}

fn same(request: &Request) -> Result<(), TestCaseError> {
    let (back, warnings) = there_and_back(request);
    prop_assert_eq!(warnings.all(), &[]);
    prop_assert_eq!(placeless(back), placeless(request.clone()));
    Ok(())
}

proptest! {
    #[test]
    fn chat_says_what_it_said(request in requests(Dialect::OpenaiChat)) {
        same(&request)?;
    }

    #[test]
    fn responses_says_what_it_said(request in requests(Dialect::OpenaiResponses)) {
        same(&request)?;
    }

    #[test]
    fn messages_says_what_it_said(request in requests(Dialect::AnthropicMessages)) {
        same(&request)?;
    }

    #[test]
    fn packets_make_no_difference(pick in any::<prop::sample::Index>(), sizes in prop::collection::vec(1_usize..90, 1..9)) {
        let streams: Vec<(Dialect, String)> = PROVIDERS
            .into_iter()
            .flat_map(|dialect| shelf::cases(dialect, shelf::STREAM).into_iter().map(move |case| (dialect, case)))
            .collect();
        let (dialect, case) = &streams[pick.index(streams.len())];
        let stream = shelf::read(*dialect, case, shelf::STREAM).unwrap();
        for caller in CALLERS {
            let exchange = exchange(caller, *dialect, case);
            let (cut, whole) = (relayed(&exchange, &stream, &sizes), relayed(&exchange, &stream, &[stream.len().max(1)]));
            prop_assert_eq!((cut.bytes, cut.ended, cut.reported), (whole.bytes, whole.ended, whole.reported));
        }
    }
}
