//! Answers and streams on their way back: what each caller reads.

use bytes::{Bytes, BytesMut};
use proto::dialect::caller::fault_event;
use proto::dialect::exchange::Exchange;
use proto::dialect::{BadAnswer, BrokenStream, Dialect};
use proto::fault::{Fault, FaultCode};
use proto::usage::Reported;

use super::cast::{CALLERS, PROVIDERS, answering, prepare, question, request_id};
use super::{shelf, show};

/// Sizes of the packets that streams arrive in, over and over.
const PACKETS: [usize; 7] = [1, 7, 61, 3, 13, 2, 251];

pub(crate) fn exchange(caller: Dialect, dialect: Dialect, case: &str) -> Exchange {
    prepare(caller, &question(caller, case), &answering(dialect, case), dialect).unwrap()
}

/// A relayed stream: the caller's bytes, how it ended, and the numbers.
pub(crate) struct Relayed {
    pub(crate) bytes: BytesMut,
    pub(crate) ended: Result<(), BrokenStream>,
    pub(crate) reported: Option<Reported>,
}

pub(crate) fn relayed(exchange: &Exchange, stream: &[u8], packets: &[usize]) -> Relayed {
    let mut relay = exchange.relay();
    let mut bytes = BytesMut::new();
    let mut ended = Ok(());
    let mut rest = stream;
    for size in packets.iter().cycle() {
        let (packet, left) = rest.split_at((*size).min(rest.len()));
        rest = left;
        ended = relay.push(packet, &mut bytes);
        if ended.is_err() || rest.is_empty() {
            break;
        }
    }
    if ended.is_ok() {
        ended = relay.finish(&mut bytes);
    }
    assert!(ended.is_err() || relay.is_done() || exchange.dialect == Dialect::Gemini);
    Relayed { bytes, ended, reported: relay.reported() }
}

fn fault(broken: &BrokenStream) -> Fault {
    match broken {
        BrokenStream::Upstream(error) => error.fault(FaultCode::UpstreamError),
        other => Fault::new(FaultCode::UpstreamError, other.to_string()),
    }
}

/// Times are those of the run; everything else is the same in every run.
fn timeless(text: String, from: u64) -> String {
    let until = proto::clock::now_ms() / 1000;
    (from..=until).fold(text, |text, now| text.replace(&now.to_string(), "\"now\""))
}

fn whole_section(caller: Dialect, dialect: Dialect, case: &str, answer: &[u8]) -> String {
    let body = Bytes::copy_from_slice(answer);
    match exchange(caller, dialect, case).answer(vec![body.clone()]) {
        Ok((made, _)) if made == body => "unchanged\n".to_owned(),
        Ok((made, _)) => {
            let full = matches!(case, "text" | "plain_text") || caller == dialect;
            format!("{}\n", show::answer(caller, &made, full))
        }
        Err(unread) => match *unread.bad {
            BadAnswer::NotACompletion => "not an answer\n".to_owned(),
            BadAnswer::Upstream(error) => format!("an error: {error:?}\n"),
        },
    }
}

fn stream_section(caller: Dialect, dialect: Dialect, case: &str, stream: &[u8]) -> String {
    let exchange = exchange(caller, dialect, case);
    let Relayed { mut bytes, ended, reported } = relayed(&exchange, stream, &PACKETS);
    let at_once = relayed(&exchange, stream, &[stream.len().max(1)]);
    assert_eq!((&bytes, &ended, reported), (&at_once.bytes, &at_once.ended, at_once.reported), "{case}");
    if ended.is_ok() && bytes == stream {
        return "unchanged\n".to_owned();
    }
    let passed = caller == dialect && stream.starts_with(&bytes);
    let mut out = String::new();
    if let Err(broken) = &ended {
        let last = bytes.split_off(bytes.len() - bytes.len().min(4096));
        bytes.extend_from_slice(&last);
        let event = fault_event(caller, &fault(broken), &request_id().to_string(), &last);
        if passed {
            out.push_str("unchanged, then\n");
            bytes.clear();
        }
        bytes.extend_from_slice(&event);
    }
    out.push_str(&show::stream(caller, &bytes, caller != dialect));
    if let Err(broken) = ended {
        out.push_str(&format!("broken: {broken}\n"));
    }
    out
}

fn sections(dialect: Dialect, case: &str) -> String {
    let from = proto::clock::now_ms() / 1000;
    let mut out: Vec<(String, Vec<String>)> = Vec::new();
    let mut add = |name: String, section: String| match out.iter_mut().find(|(made, _)| *made == section) {
        Some((_, names)) => names.push(name),
        None => out.push((section, vec![name])),
    };
    for caller in CALLERS {
        if let Some(answer) = shelf::read(dialect, case, shelf::ANSWER) {
            add(format!("{} whole", caller.as_str()), whole_section(caller, dialect, case, &answer));
        }
        if let Some(stream) = shelf::read(dialect, case, shelf::STREAM) {
            add(format!("{} stream", caller.as_str()), stream_section(caller, dialect, case, &stream));
        }
    }
    let written = out.iter().map(|(section, names)| format!("== {}\n{section}", names.join(" · ")));
    timeless(written.collect::<Vec<_>>().join("\n"), from)
}

#[test]
fn answers_reach_every_caller_as_reviewed() {
    let mut parted = Vec::new();
    for dialect in PROVIDERS {
        for case in shelf::answered(dialect) {
            parted.extend(shelf::compare(dialect, &case, shelf::CALLERS, &sections(dialect, &case)));
        }
    }
    assert!(parted.is_empty(), "{}", parted.join("\n"));
}

#[test]
fn usage_is_not_shown_to_who_did_not_ask() {
    for dialect in PROVIDERS {
        let place = answering(dialect, "text");
        let question = question(Dialect::OpenaiChat, "hidden_usage");
        let exchange = prepare(Dialect::OpenaiChat, &question, &place, dialect).unwrap();
        let stream = shelf::read(dialect, "text", shelf::STREAM).unwrap();
        let Relayed { bytes, ended, reported } = relayed(&exchange, &stream, &PACKETS);
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        assert!(ended.is_ok() && !text.contains("\"usage\""), "{}: {text}", dialect.as_str());
        assert!(reported.is_some(), "it is counted all the same");
    }
}
