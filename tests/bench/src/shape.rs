//! What is sent and what is answered, the same on every path: about 900 bytes of request, 400 of answer.
//!
//! A stream's shape travels in the body's `user` field, which every gateway passes on untouched. Each chunk
//! carries the time the mock wrote it (nanoseconds of the machine's monotonic clock), so that whoever receives
//! it knows how long it was on its way.

use memchr::memmem;
use rustix::time::{ClockId, clock_gettime};

/// The alias that all requests ask for.
pub(crate) const MODEL: &str = "bench";
/// Where a chunk's timestamp starts: after these bytes come [`STAMP_DIGITS`] digits.
pub(crate) const STAMP: &[u8] = b"\"t=";
/// The length of a timestamp.
pub(crate) const STAMP_DIGITS: usize = 20;
/// What every good answer contains, streamed or not.
pub(crate) const GOOD: &[u8] = b"\"total_tokens\":";
/// The end of every good stream.
pub(crate) const DONE: &[u8] = b"data: [DONE]";

const STREAM_MARK: &[u8] = b"\"user\":\"stream-";
const PROMPT_BYTES: usize = 670;

/// How a streamed answer comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stream {
    /// How many content chunks.
    pub(crate) chunks: u32,
    /// Milliseconds from one to the next; the first comes at once.
    pub(crate) interval_ms: u64,
}

/// A request body.
pub(crate) fn request_body(stream: Option<Stream>) -> String {
    let user =
        stream.map_or_else(|| "unary".to_owned(), |s| format!("stream-{}-{}", s.chunks, s.interval_ms));
    let words = "The forebay holds the water that the turbines will take. ";
    let prompt: String = words.chars().cycle().take(PROMPT_BYTES).collect();
    let wanted =
        if stream.is_some() { r#""stream":true,"stream_options":{"include_usage":true},"# } else { "" };
    format!(
        concat!(
            r#"{{"model":"{}",{}"messages":[{{"role":"system","content":"You answer in one sentence."}},"#,
            r#"{{"role":"user","content":"{}"}}],"temperature":0.7,"max_tokens":128,"top_p":1,"#,
            r#""frequency_penalty":0,"presence_penalty":0,"user":"{}"}}"#
        ),
        MODEL, wanted, prompt, user
    )
}

/// The stream that a request body asks for; `None` = one answer.
pub(crate) fn wanted_stream(body: &[u8]) -> Option<Stream> {
    let start = memmem::find(body, STREAM_MARK)? + STREAM_MARK.len();
    let end = start + memchr::memchr(b'"', &body[start..])?;
    let (chunks, interval) = std::str::from_utf8(&body[start..end]).ok()?.split_once('-')?;
    Some(Stream { chunks: chunks.parse().ok()?, interval_ms: interval.parse().ok()? })
}

/// The whole unary answer, head included.
pub(crate) fn answer() -> Vec<u8> {
    let body = concat!(
        r#"{"id":"chatcmpl-bench0000000000000000000000","object":"chat.completion","created":1767225600,"#,
        r#""model":"mock-model","choices":[{"index":0,"message":{"role":"assistant","content":"#,
        r#""Water waits in the forebay until a turbine is free to take it."},"finish_reason":"stop"}],"#,
        r#""usage":{"prompt_tokens":142,"completion_tokens":16,"total_tokens":158,"#,
        r#""prompt_tokens_details":{"cached_tokens":0}},"system_fingerprint":"fp_bench"}"#
    );
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ";
    format!("{head}{}\r\n\r\n{body}", body.len()).into_bytes()
}

/// The head of a streamed answer.
pub(crate) const STREAM_HEAD: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

/// One content chunk in its HTTP framing, its timestamp still zero, and where the timestamp stands.
pub(crate) fn chunk(first: bool) -> (Vec<u8>, usize) {
    let role = if first { r#""role":"assistant","# } else { "" };
    let event = format!(
        concat!(
            r#"data: {{"id":"chatcmpl-bench0000000000000000000000","object":"chat.completion.chunk","#,
            r#""created":1767225600,"model":"mock-model","choices":[{{"index":0,"delta":{{{}"#,
            r#""content":"t={:020} water"}},"finish_reason":null}}]}}"#,
            "\n\n"
        ),
        role, 0
    );
    let framed = format!("{:x}\r\n{event}\r\n", event.len()).into_bytes();
    let at = memmem::find(&framed, STAMP).map_or(0, |at| at + STAMP.len());
    (framed, at)
}

/// What follows the last content chunk: the finish, the usage, the end mark, and the last HTTP chunk.
pub(crate) fn stream_tail(chunks: u32) -> Vec<u8> {
    let base = concat!(
        r#"data: {"id":"chatcmpl-bench0000000000000000000000","object":"chat.completion.chunk","#,
        r#""created":1767225600,"model":"mock-model","choices":["#
    );
    let events = format!(
        concat!(
            "{}{{\"index\":0,\"delta\":{{}},\"finish_reason\":\"stop\"}}]}}\n\n",
            "{}],\"usage\":{{\"prompt_tokens\":142,\"completion_tokens\":{},\"total_tokens\":{}}}}}\n\n",
            "data: [DONE]\n\n"
        ),
        base,
        base,
        chunks,
        142 + u64::from(chunks)
    );
    format!("{:x}\r\n{events}\r\n0\r\n\r\n", events.len()).into_bytes()
}

/// Writes the time over a chunk's timestamp.
pub(crate) fn stamp(chunk: &mut [u8], at: usize) {
    let mut left = now_ns();
    for digit in chunk[at..at + STAMP_DIGITS].iter_mut().rev() {
        *digit = b'0' + u8::try_from(left % 10).unwrap_or(0);
        left /= 10;
    }
}

/// Nanoseconds of the machine's monotonic clock: the same in every process.
pub(crate) fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    seconds * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_json_of_the_stated_size() {
        for stream in [None, Some(Stream { chunks: 64, interval_ms: 5 })] {
            let body = request_body(stream);
            assert!((850..=1000).contains(&body.len()), "{}", body.len());
            let json: serde_json::Value = serde_json::from_str(&body).unwrap();
            assert_eq!(json["model"], MODEL);
            assert_eq!(wanted_stream(body.as_bytes()), stream);
        }
    }

    #[test]
    fn answers_are_well_formed() {
        let answer = answer();
        assert!(crate::wire::complete(&answer).unwrap());
        let start = memmem::find(&answer, b"\r\n\r\n").unwrap() + 4;
        let json: serde_json::Value = serde_json::from_slice(&answer[start..]).unwrap();
        assert_eq!(json["usage"]["total_tokens"], 158);
        assert!((350..=500).contains(&(answer.len() - start)), "{}", answer.len() - start);
    }

    #[test]
    fn chunks_carry_the_time_and_parse() {
        let before = now_ns();
        let (mut chunk, at) = chunk(true);
        stamp(&mut chunk, at);
        let text = String::from_utf8(chunk).unwrap();
        let stamped: u64 = text[at..at + STAMP_DIGITS].parse().unwrap();
        assert!(stamped >= before && stamped <= now_ns());
        let tail = String::from_utf8(stream_tail(64)).unwrap();
        for line in text.lines().chain(tail.lines()).filter_map(|l| l.strip_prefix("data: {")) {
            serde_json::from_str::<serde_json::Value>(&format!("{{{line}")).unwrap();
        }
    }
}
