//! What must not reach a caller is cut out of texts that others wrote: keys, tokens, hosts, addresses and account
//! ids, each replaced by `[redacted]`.
//!
//! A provider's message is written for the holder of the provider's account, which the caller is not. Words are
//! judged one by one by what they look like, so ordinary text, parameter paths, model names and the ids of
//! requests and tool calls stay. What a secret looks like is a guess; exact secrets are cut out by
//! [`redact_exact`] where they are known.

mod looks;

use std::borrow::Cow;
use std::ops::Range;

use self::looks::{follows_secret_name, is_account, is_host, is_open, is_secret, is_secret_name};

const REDACTED: &str = "[redacted]";

/// The shortest secret that [`redact_exact`] looks for, in bytes.
const EXACT_MIN: usize = 4;

/// `text` without anything that looks like a key, a bearer token, a URL, a host, an address or an account id.
pub fn redact(text: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let mut kept = 0;
    let mut at = 0;
    let mut before = ["", ""];
    while let Some(span) = next_word(text, at) {
        at = span.end;
        let Some(cut) = (Word { text, span: span.clone(), before }).cut(kept) else {
            before = [before[1], trimmed(&text[span])];
            continue;
        };
        at = at.max(cut.end);
        before = ["", ""];
        out.push_str(&text[kept..cut.start]);
        out.push_str(REDACTED);
        kept = cut.end;
    }
    if kept == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(&text[kept..]);
    Cow::Owned(out)
}

/// `text` without any occurrence of the given secrets; those shorter than 4 bytes are passed over.
pub fn redact_exact<'a>(text: &'a str, secrets: &[&str]) -> Cow<'a, str> {
    let mut text = Cow::Borrowed(text);
    for secret in secrets.iter().filter(|secret| secret.len() >= EXACT_MIN) {
        if text.contains(secret) {
            text = Cow::Owned(text.replace(secret, REDACTED));
        }
    }
    text
}

fn in_word(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"_-*.@+~".contains(&b) || b >= 0x80
}

/// Characters that a secret may go on with behind a word's end.
fn in_secret(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"_-*.+~/=%".contains(&b)
}

fn in_base64(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"+/=".contains(&b)
}

fn in_url(b: u8) -> bool {
    b.is_ascii_graphic() && !b"\"'`<>()[]{}|\\,;".contains(&b)
}

fn in_ipv6(b: u8) -> bool {
    b.is_ascii_hexdigit() || b == b':'
}

fn next_word(text: &str, from: usize) -> Option<Range<usize>> {
    let start = from + text.as_bytes().get(from..)?.iter().position(|b| in_word(*b))?;
    Some(start..run(text, start, in_word))
}

/// Where the run of bytes that satisfy `is` and starts at `start` ends.
fn run(text: &str, start: usize, is: fn(u8) -> bool) -> usize {
    start + text.as_bytes()[start..].iter().take_while(|b| is(**b)).count()
}

/// A word without the full stops and dashes that belong to the sentence.
fn trimmed(word: &str) -> &str {
    word.trim_matches(|c| matches!(c, '.' | '-' | '+' | '~'))
}

/// A word in its text.
struct Word<'a> {
    text: &'a str,
    span: Range<usize>,
    /// The two words before it.
    before: [&'a str; 2],
}

impl Word<'_> {
    /// The span to cut out, if the word or what it begins is to be cut out; it starts at `floor` or later.
    fn cut(&self, floor: usize) -> Option<Range<usize>> {
        let (text, span) = (self.text, &self.span);
        let raw = &text[span.clone()];
        let after = &text[span.end..];
        if after.starts_with("://") {
            return Some(span.start..self.sentence_end(span.start, run(text, span.end + 1, in_url)));
        }
        let word = trimmed(raw);
        let start = span.start + raw.find(word).unwrap_or(0);
        let to_end = |is: fn(u8) -> bool| {
            Some(start..self.sentence_end(start, run(text, span.end, is).max(start + word.len())))
        };
        if word.eq_ignore_ascii_case("arn") && after.starts_with(":aws") {
            return to_end(in_url);
        }
        if let Some(ipv6) = self.ipv6(floor) {
            return Some(ipv6);
        }
        if is_host(word) || self.is_named_port(word, after) {
            return Some(start..with_port(text, start + word.len()));
        }
        if after.starts_with('=') && is_secret_name(word) {
            let value = span.end + 1;
            let end = self.sentence_end(value, run(text, value, in_secret));
            return (end >= value + EXACT_MIN).then_some(value..end);
        }
        let base64 = run(text, start, in_base64);
        if looks::is_base64_secret(&text[start..base64]) {
            return Some(start..base64);
        }
        let announced = follows_secret_name(self.before, word) && !is_open(word);
        if is_secret(word) || announced {
            to_end(in_secret)
        } else {
            is_account(word).then(|| start..start + word.len())
        }
    }

    /// `end` without the sentence's own punctuation.
    fn sentence_end(&self, start: usize, end: usize) -> usize {
        start + self.text[start..end].trim_end_matches(['.', ':', '!', '?']).len()
    }

    /// The IPv6 address that the word is the first group of.
    fn ipv6(&self, floor: usize) -> Option<Range<usize>> {
        let before = self.text.as_bytes().get(floor..self.span.start)?;
        let colons = before.iter().rev().take_while(|b| **b == b':').count();
        let start = self.span.start - colons;
        let end = run(self.text, start, in_ipv6);
        let apart = |b: Option<&u8>| b.is_none_or(|b| !in_word(*b));
        let alone = apart(before.iter().rev().nth(colons)) && apart(self.text.as_bytes().get(end));
        let address = alone && self.text[start..end].parse::<std::net::Ipv6Addr>().is_ok();
        address.then_some(start..end)
    }

    /// Whether a bare name is a host by what surrounds it: `localhost`, or a port behind and "host" before it.
    fn is_named_port(&self, word: &str, after: &str) -> bool {
        let port = after.strip_prefix(':').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        let announced = |name: &&str| self.before[1].eq_ignore_ascii_case(name);
        word.eq_ignore_ascii_case("localhost")
            || (port && ["host", "hostname", "server", "upstream"].iter().any(announced))
    }
}

/// The end of a port behind `end`.
fn with_port(text: &str, end: usize) -> usize {
    let digits = |rest: &str| rest.bytes().take_while(u8::is_ascii_digit).count();
    match text[end..].strip_prefix(':').map(digits) {
        None | Some(0) => end,
        Some(digits) => end + 1 + digits,
    }
}

#[cfg(test)]
mod tests;
