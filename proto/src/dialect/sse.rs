//! Server-sent events: a byte stream split into raw blocks, and the fields they carry.
//!
//! A *block* is everything up to and including the blank line that ends an event, as it arrived, whichever of
//! LF, CRLF and CR ends its lines. A byte order mark before the first block is dropped, since what is forwarded
//! may not stand at the start of the caller's stream. A CR that is the last byte so far waits for the next byte,
//! which may be its LF. Rules: <https://html.spec.whatwg.org/multipage/server-sent-events.html>.

use std::borrow::Cow;

/// A block is larger than the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a server-sent event is larger than the limit")]
pub struct TooLarge;

/// Splits a byte stream that arrives in pieces of any size. Each byte is looked at once and copied at most
/// twice; nothing is copied while blocks arrive whole.
#[derive(Debug)]
pub struct Splitter {
    held: Vec<u8>,
    cursor: Cursor,
    limit: usize,
    begun: bool,
}

/// What is left when the stream ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tail {
    /// The bytes of the last block.
    pub raw: Vec<u8>,
    /// Whether its blank line was there.
    pub complete: bool,
}

#[derive(Debug, Clone, Copy)]
struct Cursor {
    /// How far the block has been searched.
    at: usize,
    /// Whether the line that `at` stands in is empty so far.
    line_empty: bool,
}

impl Cursor {
    const START: Self = Self { at: 0, line_empty: true };

    /// The length of the block that `bytes` starts with, if its end is there. Goes on where it stopped.
    fn block_len(&mut self, bytes: &[u8], at_end: bool) -> Option<usize> {
        loop {
            let rest = bytes.get(self.at..).unwrap_or_default();
            let Some(found) = memchr::memchr2(b'\n', b'\r', rest) else {
                self.line_empty &= rest.is_empty();
                self.at = bytes.len();
                return None;
            };
            let blank = self.line_empty && found == 0;
            let mut next = self.at + found + 1;
            if rest[found] == b'\r' {
                match bytes.get(next) {
                    Some(b'\n') => next += 1,
                    None if !at_end => {
                        *self = Self { at: next - 1, line_empty: blank };
                        return None;
                    }
                    _ => {}
                }
            }
            *self = Self { at: next, line_empty: true };
            if blank {
                return Some(next);
            }
        }
    }
}

impl Splitter {
    /// A splitter whose blocks have at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { held: Vec::new(), cursor: Cursor::START, limit, begun: false }
    }

    /// Takes in the next bytes and calls `each` with every block they complete. After an error, its own or
    /// one of `each`, the splitter is of no further use.
    pub fn split<E: From<TooLarge>>(
        &mut self,
        bytes: &[u8],
        mut each: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut held = std::mem::take(&mut self.held);
        let in_place = held.is_empty();
        if !in_place {
            held.extend_from_slice(bytes);
        }
        let all = if in_place { bytes } else { held.as_slice() };
        let mut start = 0;
        while let Some(len) = self.cursor.block_len(&all[start..], false) {
            if len > self.limit {
                return Err(TooLarge.into());
            }
            each(self.without_mark(&all[start..start + len]))?;
            start += len;
            self.cursor = Cursor::START;
        }
        if all.len() - start > self.limit {
            return Err(TooLarge.into());
        }
        if in_place {
            held.extend_from_slice(&bytes[start..]);
        } else {
            held.drain(..start);
        }
        self.held = held;
        Ok(())
    }

    /// The stream has ended: what is left of it.
    pub fn finish(&mut self) -> Option<Tail> {
        let held = std::mem::take(&mut self.held);
        let complete = self.cursor.block_len(&held, true).is_some();
        self.cursor = Cursor::START;
        let raw = self.without_mark(&held);
        (!raw.is_empty()).then(|| Tail { raw: raw.to_vec(), complete })
    }

    fn without_mark<'a>(&mut self, raw: &'a [u8]) -> &'a [u8] {
        let first = !std::mem::replace(&mut self.begun, true);
        if first { raw.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(raw) } else { raw }
    }
}

/// What a block says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields<'a> {
    /// The event's name.
    pub event: Option<&'a [u8]>,
    /// The event's data: a slice of the block where it is one line, else its lines joined by LF.
    pub data: Option<Cow<'a, [u8]>>,
    /// Whether the block has any field at all; without one it is comments and blank lines.
    pub any: bool,
}

/// Reads a block.
pub fn fields(raw: &[u8]) -> Fields<'_> {
    let mut fields = Fields::default();
    for line in Lines(raw) {
        match field(line) {
            ("", _) => continue,
            ("data", value) => match &mut fields.data {
                None => fields.data = Some(Cow::Borrowed(value)),
                Some(data) => {
                    let data = data.to_mut();
                    data.push(b'\n');
                    data.extend_from_slice(value);
                }
            },
            ("event", value) => fields.event = Some(value),
            _ => {}
        }
        fields.any = true;
    }
    fields
}

/// Appends the block `raw` to `out` with `data` in place of its data lines, wherever they stood.
pub fn with_data(raw: &[u8], data: &[u8], out: &mut impl Extend<u8>) {
    let mut written = false;
    for line in Lines(raw) {
        if field(line).0 != "data" {
            out.extend(line.iter().chain(b"\n").copied());
        } else if !std::mem::replace(&mut written, true) {
            for part in data.split(|b| *b == b'\n') {
                out.extend(b"data: ".iter().chain(part).chain(b"\n").copied());
            }
        }
    }
}

/// A line's field name and value; the name is empty for comments and blank lines, and `?` for fields of no
/// interest here.
fn field(line: &[u8]) -> (&'static str, &[u8]) {
    let colon = memchr::memchr(b':', line).unwrap_or(line.len());
    let value = line.get(colon + 1..).unwrap_or_default();
    let value = value.strip_prefix(b" ").unwrap_or(value);
    match &line[..colon] {
        b"" => ("", value),
        b"data" => ("data", value),
        b"event" => ("event", value),
        _ => ("?", value),
    }
}

/// The lines of a block without their ends.
struct Lines<'a>(&'a [u8]);

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.0.is_empty() {
            return None;
        }
        let end = memchr::memchr2(b'\n', b'\r', self.0).unwrap_or(self.0.len());
        let line = &self.0[..end];
        let crlf = self.0[end..].starts_with(b"\r\n");
        self.0 = self.0.get(end + 1 + usize::from(crlf)..).unwrap_or_default();
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(pieces: &[&str], limit: usize) -> Result<(Vec<String>, Option<Tail>), TooLarge> {
        let mut splitter = Splitter::new(limit);
        let mut blocks = Vec::new();
        for piece in pieces {
            splitter.split(piece.as_bytes(), |raw| {
                blocks.push(String::from_utf8_lossy(raw).into_owned());
                Ok::<_, TooLarge>(())
            })?;
        }
        Ok((blocks, splitter.finish()))
    }

    fn tail(raw: &str, complete: bool) -> Option<Tail> {
        Some(Tail { raw: raw.as_bytes().to_vec(), complete })
    }

    #[test]
    fn blocks_end_at_blank_lines_of_any_kind() {
        let (found, rest) =
            blocks(&["\u{feff}data: 1\n\ndata: 2\r\n\r\ndata: 3\r\rdata: 4\n\r\n\n: x"], 100).unwrap();
        let expected = ["data: 1\n\n", "data: 2\r\n\r\n", "data: 3\r\r", "data: 4\n\r\n", "\n"];
        assert_eq!(
            (found.iter().map(String::as_str).collect::<Vec<_>>(), rest),
            (expected.to_vec(), tail(": x", false))
        );
    }

    #[test]
    fn a_last_cr_waits_for_its_lf() {
        assert_eq!(blocks(&["a\r\n\r"], 100).unwrap(), (vec![], tail("a\r\n\r", true)));
        assert_eq!(blocks(&["a\r\n\r", "\nb\n", "\n"], 100).unwrap().0, ["a\r\n\r\n", "b\n\n"]);
        assert_eq!(blocks(&["a\r", "\r", "b"], 100).unwrap(), (vec!["a\r\r".to_owned()], tail("b", false)));
    }

    #[test]
    fn the_limit_is_on_single_blocks() {
        assert!(blocks(&["1234\n\n", "5678\n\n", "9"], 6).is_ok());
        assert_eq!(blocks(&["12345\n\n"], 6), Err(TooLarge));
        assert_eq!(blocks(&["123", "4567"], 6), Err(TooLarge));
    }

    #[test]
    fn fields_are_read_as_the_standard_says() {
        let raw = b"event: a\ndata:one\nid: 7\n: data: no\ndata\ndata:  two\n\n";
        let read = fields(raw);
        assert_eq!(
            (read.event, read.data.as_deref(), read.any),
            (Some(&b"a"[..]), Some(&b"one\n\n two"[..]), true)
        );
        assert!(matches!(fields(b"data: x\r\n\r\n").data, Some(Cow::Borrowed(b"x"))));
        assert_eq!(fields(b": only a comment\n\n"), Fields::default());
        assert!(fields(b"retry: 1\n\n").any);
    }

    #[test]
    fn data_is_replaced_where_it_first_stood() {
        let mut out = Vec::new();
        with_data(b"id: 1\r\ndata: a\r\n: c\r\ndata: b\r\n\r\n", b"x\ny", &mut out);
        assert_eq!(out, b"id: 1\ndata: x\ndata: y\n: c\n\n");
    }
}
