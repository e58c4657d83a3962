//! Whole answers, their streams, and what both mean, as files. With `FOREBAY_WRITE_FIXTURES=1` the streams and
//! meanings are written anew; what changed is then reviewed.

pub(super) mod frames;

use std::fs;
use std::path::PathBuf;

use proptest::prelude::*;
use serde_json::Value;

use super::{decode_response, decoder};
use crate::canonical::{Event, fold};
use crate::dialect::BrokenStream;
use crate::dialect::bedrock_converse::decoder_of;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/bedrock_converse")
}

/// The names of the files that end so.
fn cases(ending: &str) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder())
        .unwrap()
        .filter_map(|entry| Some(entry.unwrap().file_name().to_str()?.strip_suffix(ending)?.to_owned()))
        .collect();
    names.sort();
    assert!(names.len() >= 15, "{ending}: {}", names.len());
    names
}

fn whole(case: &str) -> Vec<u8> {
    fs::read(folder().join(format!("{case}.answer.json"))).unwrap()
}

fn stored(case: &str, ending: &str, made: &[u8]) -> Vec<u8> {
    let path = folder().join(format!("{case}{ending}"));
    if std::env::var_os("FOREBAY_WRITE_FIXTURES").is_some() {
        fs::write(&path, made).unwrap();
    }
    fs::read(&path).unwrap_or_default()
}

/// Everything a stream says, fed in pieces that end at `cuts`, and how it ended.
fn decoded(stream: &[u8], cuts: &[usize]) -> (Vec<Event>, Result<(), BrokenStream>) {
    let mut decoder = decoder();
    let mut out = Vec::new();
    let mut from = 0;
    for cut in cuts.iter().copied().chain([stream.len()]) {
        let cut = cut.clamp(from, stream.len());
        if let Err(broken) = decoder.push(&stream[from..cut], &mut out) {
            return (out, Err(broken));
        }
        from = cut;
    }
    let finished = decoder.finish(&mut out);
    assert_eq!(decoder.is_done(), finished.is_ok());
    (out, finished)
}

#[test]
fn answers_and_streams_mean_what_is_written() {
    for case in cases(".answer.json") {
        let mut events = Vec::new();
        let read = decode_response(&whole(&case), &mut events);
        let made = frames::stream(&serde_json::from_slice::<Value>(&whole(&case)).unwrap());
        let stream = stored(&case, ".stream", &made);
        assert_eq!(stream, made, "{case}");
        let (streamed, ended) = decoded(&stream, &[]);
        assert_eq!(read.is_ok(), ended.is_ok(), "{case}");
        let (from_whole, from_stream) = (fold(events), fold(streamed));
        assert_eq!(from_whole, from_stream, "{case}");
        let meaning = format!("{from_stream:#?}\n{ended:?}\n");
        let kept = stored(&case, ".meaning.txt", meaning.as_bytes());
        assert_eq!(String::from_utf8(kept).unwrap(), meaning, "{case}");
    }
}

#[test]
fn every_byte_may_arrive_alone() {
    for case in cases(".answer.json") {
        let stream = fs::read(folder().join(format!("{case}.stream"))).unwrap();
        let every: Vec<usize> = (1..stream.len()).collect();
        assert_eq!(decoded(&stream, &every), decoded(&stream, &[]), "{case}");
    }
}

#[test]
fn every_event_keeps_its_order() {
    for case in cases(".answer.json") {
        let stream = fs::read(folder().join(format!("{case}.stream"))).unwrap();
        let (events, _) = decoded(&stream, &[]);
        assert!(matches!(events.first(), Some(Event::Start { .. })), "{case}");
        let mut open = Vec::new();
        let mut next = 0;
        for event in &events[1..] {
            match event {
                Event::ItemStart { i, .. } => {
                    assert_eq!(*i, next, "{case}");
                    next += 1;
                    open.push(*i);
                }
                Event::Delta { i, .. } | Event::Meta { i, .. } => assert!(open.contains(i), "{case}"),
                Event::ItemEnd { i } => {
                    let at = open.iter().position(|o| o == i);
                    open.remove(at.unwrap());
                }
                Event::Start { .. } => panic!("{case}: a second start"),
                Event::Usage(_) | Event::Finish(_) => assert!(open.is_empty(), "{case}"),
            }
        }
    }
}

#[test]
fn a_stream_cut_anywhere_before_its_end_is_cut_short() {
    let stream = fs::read(folder().join("parallel_tools.stream")).unwrap();
    let metadata = frames::event(
        "metadata",
        serde_json::json!({ "metrics": { "latencyMs": 900 },
            "usage": { "inputTokens": 12, "outputTokens": 7, "totalTokens": 19 } }),
    );
    let stopped = stream.len() - metadata.len();
    for cut in 0..stream.len() {
        let (_, ended) = decoded(&stream[..cut], &[]);
        let expected = if cut < stopped { Err(BrokenStream::CutShort) } else { Ok(()) };
        assert_eq!(ended, expected, "{cut} of {}", stream.len());
    }
}

proptest! {
    #[test]
    fn pieces_of_any_size_give_the_same_events(cuts in proptest::collection::vec(0usize..4000, 0..20), n in 0usize..15) {
        let case = &cases(".answer.json")[n];
        let stream = fs::read(folder().join(format!("{case}.stream"))).unwrap();
        let mut cuts = cuts;
        cuts.sort_unstable();
        prop_assert_eq!(decoded(&stream, &cuts), decoded(&stream, &[]));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        drop(decoded(&bytes, &[]));
        let mut out = Vec::new();
        drop(decode_response(&bytes, &mut out));
    }

    #[test]
    fn arbitrary_payloads_in_sound_frames_never_panic(
        events in proptest::collection::vec((0usize..8, "\\PC{0,40}"), 0..12),
    ) {
        const KINDS: [&str; 8] = ["messageStart", "contentBlockStart", "contentBlockDelta",
            "contentBlockStop", "messageStop", "metadata", "other", ""];
        let mut stream = Vec::new();
        for (kind, payload) in &events {
            let headers = [(":event-type", KINDS[*kind]), (":message-type", "event")];
            stream.extend(frames::frame(&headers, payload));
        }
        drop(decoded(&stream, &[]));
    }

    #[test]
    fn bent_streams_never_panic(at in 0usize..2000, with in any::<u8>(), n in 0usize..15) {
        let case = &cases(".answer.json")[n];
        let mut stream = fs::read(folder().join(format!("{case}.stream"))).unwrap();
        let at = at % stream.len();
        stream[at] ^= with;
        let mut decoder = decoder_of("openai.gpt-oss-120b-1:0");
        let mut out = Vec::new();
        drop(decoder.push(&stream, &mut out));
        drop(decoder.finish(&mut out));
        drop(decode_response(&stream, &mut out));
    }

    #[test]
    fn bent_answers_never_panic(at in 0usize..2000, with in any::<u8>(), n in 0usize..15) {
        let case = &cases(".answer.json")[n];
        let mut body = whole(case);
        let at = at % body.len();
        body[at] = with;
        let mut out = Vec::new();
        drop(decode_response(&body, &mut out));
    }
}
