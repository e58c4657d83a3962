//! Golden streams, each in two ways: usage asked for, and not.

use proptest::prelude::*;

use super::*;

/// A recorded stream, what the caller sees of it, and how it ends.
struct Case {
    name: &'static str,
    input: &'static [u8],
    asked: &'static [u8],
    hidden: &'static [u8],
    ending: Result<(), BrokenStream>,
}

macro_rules! case {
    ($name:literal, $ending:expr) => {
        Case {
            name: $name,
            input: include_bytes!(concat!("../../../../fixtures/openai_chat/streams/", $name, ".in.sse")),
            asked: include_bytes!(concat!("../../../../fixtures/openai_chat/streams/", $name, ".asked.sse")),
            hidden: include_bytes!(concat!(
                "../../../../fixtures/openai_chat/streams/",
                $name,
                ".hidden.sse"
            )),
            ending: $ending,
        }
    };
}

fn cases() -> Vec<Case> {
    let overloaded = UpstreamError {
        message: "The server had an error at [redacted]".into(),
        kind: Some("server_error".into()),
        code: Some("overloaded".into()),
        param: None,
    };
    vec![
        case!("usage_chunk", Ok(())),
        case!("crlf", Ok(())),
        case!("cr_and_mark", Ok(())),
        case!("tool_calls", Ok(())),
        case!("multibyte", Ok(())),
        case!("usage_on_finish", Ok(())),
        case!("error_mid_stream", Err(BrokenStream::Upstream(overloaded))),
        case!("cut_short", Err(BrokenStream::CutShort)),
        case!("no_done", Ok(())),
        case!("multi_line", Ok(())),
        case!("azure", Ok(())),
    ]
}

fn stream(include_usage: bool) -> ChatStream {
    let rate = |text: &str| text.parse().unwrap();
    let price = Price {
        input: rate("0.15"),
        output: rate("0.60"),
        cached_input: Some(rate("0.075")),
        ..Price::default()
    };
    ChatStream::new(StreamOptions { include_usage, price: Some(price), input_estimate: 10 })
}

/// Feeds the pieces, then the end.
fn run<'a>(
    include_usage: bool,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<u8>, Result<(), BrokenStream>, ChatStream) {
    let mut stream = stream(include_usage);
    let mut out = BytesMut::new();
    let pushed = pieces.into_iter().try_for_each(|piece| stream.push(piece, &mut out));
    let ending = pushed.and_then(|()| stream.finish(&mut out));
    (out.to_vec(), ending, stream)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn golden_streams_come_out_as_recorded() {
    for case in cases() {
        for (include_usage, expected) in [(true, case.asked), (false, case.hidden)] {
            let (out, ending, _) = run(include_usage, [case.input]);
            assert_eq!(text(&out), text(expected), "{} asked: {include_usage}", case.name);
            assert_eq!(ending, case.ending, "{}", case.name);
        }
    }
}

#[test]
fn golden_streams_come_out_the_same_byte_by_byte() {
    for case in cases() {
        let (whole, ending, one) = run(true, [case.input]);
        let (bytes, ending_of_bytes, other) = run(true, case.input.chunks(1));
        assert_eq!((text(&whole), ending), (text(&bytes), ending_of_bytes), "{}", case.name);
        assert_eq!(
            (one.reported(), one.output_chars(), one.has_content(), one.is_done()),
            (other.reported(), other.output_chars(), other.has_content(), other.is_done())
        );
    }
}

#[test]
fn numbers_are_read_whether_or_not_they_are_shown() {
    for include_usage in [true, false] {
        for case in cases().iter().filter(|case| case.ending.is_ok() && case.name != "no_done") {
            let (_, _, stream) = run(include_usage, [case.input]);
            let reported = stream.reported().unwrap();
            let numbers = (reported.input_tokens, reported.output_tokens, reported.cached_input_tokens);
            assert_eq!(numbers, (Some(10), Some(5), Some(4)), "{}", case.name);
            assert!(stream.is_done() && stream.has_content());
        }
    }
    let (_, _, stream) = run(false, [cases()[3].input]);
    // get_t twice, {"c":1} and the custom tool's f and x.
    assert_eq!(stream.output_chars(), 5 + 5 + 7 + 1 + 1);
}

#[test]
fn an_answer_begins_with_its_first_content() {
    let mut stream = stream(false);
    let mut out = BytesMut::new();
    let mut push = |text: &str| {
        stream.push(text.as_bytes(), &mut out).unwrap();
        stream.has_content()
    };
    assert!(!push(": hello\n\n"));
    assert!(!push("data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n"));
    assert!(!push("data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n"));
    assert!(push("\n"));
}

#[test]
fn what_is_no_chunk_breaks_the_stream() {
    for bad in [
        "data: hello\n\n",
        "data: [1]\n\n",
        "data: {\"choices\":{}}\n\n",
        "data: {\"choices\":[]\n\n",
        "data: {\"usage\":null,\"usage\":{}}\n\n",
    ] {
        assert_eq!(run(true, [bad.as_bytes()]).1, Err(BrokenStream::NotAChunk), "{bad}");
    }
    assert_eq!(run(true, [&b"data: {\"x\":\"\xff\"}\n\n"[..]]).1, Err(BrokenStream::NotAChunk));
    let named = run(true, [&b"event: error\ndata: {\"message\":\"busy\",\"code\":529}\n\n"[..]]).1;
    let Err(BrokenStream::Upstream(error)) = named else { panic!("{named:?}") };
    assert_eq!((error.message.as_str(), error.code.as_deref()), ("busy", Some("529")));
}

#[test]
fn a_broken_stream_stays_broken() {
    let mut stream = stream(false);
    let mut out = BytesMut::new();
    let end = b"data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
    stream.push(end, &mut out).unwrap();
    stream.push(b"data: junk\n\n", &mut out).unwrap_err();
    assert_eq!(stream.push(end, &mut out), Err(BrokenStream::CutShort));
    assert_eq!(stream.finish(&mut out), Err(BrokenStream::CutShort));
    assert_eq!(text(&out), text(end));
}

#[test]
fn choices_of_an_unknown_shape_pass() {
    let input = b"data: {\"choices\":[{\"index\":0,\"delta\":\"hey\"}]}\n\ndata: [DONE]\n\n";
    let (out, ending, stream) = run(false, [&input[..]]);
    assert_eq!((text(&out), ending), (text(input), Ok(())));
    assert!(stream.has_content());
    assert_eq!(stream.output_chars(), 3);
}

#[test]
fn a_stream_without_done_needs_the_end_of_every_choice() {
    let one = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
    let two = "data: {\"choices\":[{\"index\":1,\"delta\":{\"content\":\"x\"}}]}\n\n";
    let after = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":null}]}\n\n";
    assert_eq!(run(true, [one.as_bytes(), two.as_bytes()]).1, Err(BrokenStream::CutShort));
    assert_eq!(run(true, []).1, Err(BrokenStream::CutShort));
    let (out, ending, _) = run(true, [one.as_bytes(), after.as_bytes()]);
    assert_eq!((text(&out), ending), (format!("{one}{after}data: [DONE]\n\n"), Ok(())));
}

#[test]
fn an_event_above_the_limit_breaks_the_stream() {
    let mut stream = stream(true);
    let mut out = BytesMut::new();
    let piece = vec![b'x'; 1024 * 1024];
    let mut result = stream.push(b"data: ", &mut out);
    for _ in 0..17 {
        result = result.and_then(|()| stream.push(&piece, &mut out));
    }
    assert_eq!((result, out.len()), (Err(BrokenStream::TooLarge), 0));
}

#[test]
fn a_cost_that_is_already_there_is_replaced_and_an_unknown_one_left_out() {
    let chunk = |usage: &str| format!("data: {{\"choices\":[],\"usage\":{usage}}}\n\n");
    let priced = |usage: &str| text(&run(true, [chunk(usage).as_bytes()]).0);
    assert_eq!(
        priced(r#"{"cost_usd":"9","prompt_tokens":10,"completion_tokens":0}"#),
        chunk(r#"{"cost_usd":"0.0000015","prompt_tokens":10,"completion_tokens":0}"#)
    );
    // Nothing reported: the estimate of 10 input tokens and 1 output token is priced.
    assert_eq!(priced("{ }"), chunk(r#"{ "cost_usd":"0.0000021"}"#));
    let mut unpriced = ChatStream::new(StreamOptions { include_usage: true, price: None, input_estimate: 1 });
    let mut out = BytesMut::new();
    unpriced.push(chunk("{}").as_bytes(), &mut out).unwrap();
    assert_eq!(text(&out), chunk("{}"));
}

/// Pieces that streams are made of, sound and broken.
fn any_stream() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        6 => prop::sample::select(vec![
            "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"é漢😀\"}}],\"usage\":null}",
            "data:{\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":1},\"choices\":[]}",
            "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}",
            "data: {\"choices\":[],", "data: \"usage\":null}", ": comment", "event: x", "id", "data", "data:",
            "data: [DONE]", "data: {\"error\":{\"message\":\"m\"}}", "\u{feff}", "junk",
        ]).prop_map(str::to_owned),
        1 => "[ -~é]{0,12}",
    ];
    let end = prop::sample::select(vec!["\n", "\n\n", "\n\n", "\r\n", "\r\n\r\n", "\r", "\r\r", ""]);
    prop::collection::vec((piece, end), 0..12)
        .prop_map(|parts| parts.into_iter().map(|(piece, end)| piece + end).collect::<String>().into_bytes())
}

proptest! {
    #[test]
    fn how_a_stream_is_split_changes_nothing(
        input in any_stream(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8), asked in any::<bool>(),
    ) {
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(input.len() + 1)).collect();
        at.extend([0, input.len()]);
        at.sort_unstable();
        let pieces = at.windows(2).map(|pair| &input[pair[0]..pair[1]]);
        let (whole, ending, one) = run(asked, [input.as_slice()]);
        let (split, ending_of_split, other) = run(asked, pieces);
        prop_assert_eq!(text(&whole), text(&split));
        prop_assert_eq!(ending, ending_of_split);
        prop_assert_eq!((one.reported(), one.output_chars(), one.has_content()),
            (other.reported(), other.output_chars(), other.has_content()));
    }

    #[test]
    fn a_caller_who_did_not_ask_never_sees_usage(input in any_stream()) {
        let (out, ending, _) = run(false, [input.as_slice()]);
        if ending.is_ok() {
            let data = |line: &&str| line.starts_with("data:");
            let shown = text(&out).split(['\r', '\n']).filter(data).any(|line| line.contains("\"usage\""));
            prop_assert!(!shown, "{}", text(&out));
        }
    }
}

#[test]
fn the_tier_that_served_is_read_from_whichever_chunk_names_it() {
    let mut stream = stream(true);
    let mut out = BytesMut::new();
    for chunk in [
        r#"{"service_tier":"priority","choices":[{"index":0,"delta":{"content":"a"}}]}"#,
        r#"{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}"#,
    ] {
        stream.push(format!("data: {chunk}\n\n").as_bytes(), &mut out).unwrap();
    }
    assert_eq!(stream.reported().unwrap().tier, Some(crate::usage::Tier::Priority));
}
