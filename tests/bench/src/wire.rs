//! Just enough HTTP/1.1 to measure with: message heads, lengths, and chunked bodies taken apart.
//!
//! A full HTTP library would cost the mock provider and the load generator more than a plain proxy takes per
//! request, on the very cores whose use is measured.

use bytes::{Buf, BytesMut};
use memchr::memmem;

/// The longest head, and the longest line of a chunked body's framing, in bytes.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// Bytes that are not the HTTP spoken here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

/// How a message's body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Length {
    /// After this many bytes.
    Known(usize),
    /// With its last chunk.
    Chunked,
}

/// A message head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    /// Where the body starts.
    pub(crate) bytes: usize,
    /// How the body ends.
    pub(crate) length: Length,
}

/// Reads the head at the start of `bytes`; `None` while it is not complete.
pub(crate) fn head(bytes: &[u8]) -> Result<Option<Head>, Malformed> {
    let Some(end) = memmem::find(bytes, b"\r\n\r\n") else {
        return if bytes.len() > HEAD_BYTES_MAX { Err(Malformed) } else { Ok(None) };
    };
    let mut length = Length::Known(0);
    for line in fields(&bytes[..end]) {
        if let Some(value) = value_of(line, b"content-length") {
            length = Length::Known(number(value).ok_or(Malformed)?);
        } else if let Some(value) = value_of(line, b"transfer-encoding") {
            length =
                if value.eq_ignore_ascii_case(b"chunked") { Length::Chunked } else { return Err(Malformed) };
        }
    }
    Ok(Some(Head { bytes: end + 4, length }))
}

/// The value of the header `name` (lower case) in a message that starts with a complete head.
pub(crate) fn header<'a>(bytes: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let end = memmem::find(bytes, b"\r\n\r\n")?;
    fields(&bytes[..end]).find_map(|line| value_of(line, name))
}

/// The status of an answer that starts with a complete head; 0 where there is none.
pub(crate) fn status(bytes: &[u8]) -> u16 {
    let digits = bytes.get(9..12).and_then(number);
    digits.and_then(|n| u16::try_from(n).ok()).unwrap_or(0)
}

/// Whether `bytes` hold a complete answer. A chunked one is taken to be complete where it ends with its last
/// chunk, which is right for the one answer that can be in flight on a connection.
pub(crate) fn complete(bytes: &[u8]) -> Result<bool, Malformed> {
    Ok(match head(bytes)? {
        None => false,
        Some(Head { bytes: start, length: Length::Known(length) }) => bytes.len() >= start + length,
        Some(Head { length: Length::Chunked, .. }) => bytes.ends_with(b"\r\n0\r\n\r\n"),
    })
}

/// Takes a chunked body apart as it arrives.
#[derive(Debug, Default)]
pub(crate) struct Dechunk {
    /// Bytes of the current chunk still to come, its line end included.
    left: usize,
}

impl Dechunk {
    /// Moves what is complete from `raw` to `body`. True once the last chunk has been seen.
    pub(crate) fn take(&mut self, raw: &mut BytesMut, body: &mut BytesMut) -> Result<bool, Malformed> {
        loop {
            if self.left > 0 {
                let now = self.left.min(raw.len());
                // The last two bytes of what is left are the line end, which is not part of the body.
                body.extend_from_slice(&raw[..now.min(self.left.saturating_sub(2))]);
                raw.advance(now);
                self.left -= now;
                if self.left > 0 {
                    return Ok(false);
                }
            }
            let Some(end) = memmem::find(raw, b"\r\n") else { return Ok(false) };
            let text = std::str::from_utf8(&raw[..end]).map_err(|_| Malformed)?;
            let size = usize::from_str_radix(text.trim(), 16).map_err(|_| Malformed)?;
            if size == 0 {
                // No trailers are ever sent: only the empty line remains.
                return Ok(raw.len() >= end + 4);
            }
            raw.advance(end + 2);
            self.left = size.checked_add(2).ok_or(Malformed)?;
        }
    }
}

fn fields(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    head.split(|b| *b == b'\n').skip(1)
}

fn value_of<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (key, value) = line.split_at_checked(name.len())?;
    let value = value.strip_prefix(b":")?;
    key.eq_ignore_ascii_case(name).then(|| value.trim_ascii())
}

fn number(digits: &[u8]) -> Option<usize> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nRequest-Id: req_1\r\n\r\nok";
    const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";

    #[test]
    fn heads_are_read_at_every_cut() {
        for cut in 0..PLAIN.len() {
            assert!(!complete(&PLAIN[..cut]).unwrap(), "cut at {cut}");
        }
        assert!(complete(PLAIN).unwrap());
        assert!(complete(CHUNKED).unwrap());
        assert_eq!(status(PLAIN), 200);
        assert_eq!(header(PLAIN, b"request-id"), Some(&b"req_1"[..]));
        assert_eq!(head(b"GET / HTTP/1.1\r\ncontent-length: x\r\n\r\n"), Err(Malformed));
    }

    #[test]
    fn chunks_come_apart_however_they_arrive() {
        let wire = b"5\r\nhello\r\n1\r\n \r\n5\r\nworld\r\n0\r\n\r\n";
        for step in 1..wire.len() {
            let (mut raw, mut body) = (BytesMut::new(), BytesMut::new());
            let mut dechunk = Dechunk::default();
            let mut done = false;
            for part in wire.chunks(step) {
                assert!(!done);
                raw.extend_from_slice(part);
                done = dechunk.take(&mut raw, &mut body).unwrap();
            }
            assert!(done, "step {step}");
            assert_eq!(&body[..], b"hello world", "step {step}");
        }
    }
}
