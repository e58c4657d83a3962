//! JSON text looked at in place: the members of an object with their spans, edits of single spans, and counts of
//! text, all without a tree. What is not looked at stays exactly as it was written.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::Deserializer as _;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;

/// One member of an object, both parts as written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Member<'a> {
    /// The key with its quotes and escapes.
    pub(super) key: &'a str,
    /// The value without surrounding white space.
    pub(super) value: &'a str,
}

impl<'a> Member<'a> {
    /// The key as it is meant; a key that does not decode (a lone surrogate) stands for itself.
    pub(super) fn name(&self) -> Cow<'a, str> {
        let inner = self.key.get(1..self.key.len().saturating_sub(1)).unwrap_or_default();
        if memchr::memchr(b'\\', inner.as_bytes()).is_none() {
            return Cow::Borrowed(inner);
        }
        string(self.key).unwrap_or(Cow::Borrowed(inner))
    }
}

/// Calls `each` for every member of the object that `json` is, in the order they are written, duplicates
/// included. Errs unless `json` is one JSON object and nothing else.
pub(super) fn members<'a>(json: &'a str, each: impl FnMut(Member<'a>)) -> Result<(), serde_json::Error> {
    struct Members<F>(F);

    impl<'a, F: FnMut(Member<'a>)> Visitor<'a> for Members<F> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a JSON object")
        }

        fn visit_map<A: MapAccess<'a>>(mut self, mut map: A) -> Result<(), A::Error> {
            while let Some((key, value)) = map.next_entry::<&'a RawValue, &'a RawValue>()? {
                (self.0)(Member { key: key.get(), value: value.get() });
            }
            Ok(())
        }
    }

    let mut reader = serde_json::Deserializer::from_str(json);
    reader.deserialize_map(Members(each))?;
    reader.end()
}

/// The string that the JSON text `raw` is, if it is one.
pub(super) fn string(raw: &str) -> Option<Cow<'_, str>> {
    #[derive(serde::Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

    serde_json::from_str::<Text<'_>>(raw).ok().map(|text| text.0)
}

/// The count that the JSON text `raw` is: a whole number from 0 up to 2^53, perhaps written as a float.
pub(super) fn count(raw: &str) -> Option<u64> {
    const MAX: u64 = 1 << 53;
    if let Ok(whole) = raw.parse::<u64>() {
        return (whole <= MAX && !raw.starts_with('+')).then_some(whole);
    }
    let float = raw.parse::<f64>().ok().filter(|f| f.fract() == 0.0 && (0.0..=MAX as f64).contains(f))?;
    Some(float as u64)
}

/// Whether a JSON text is an empty string, array or object, or null.
pub(super) fn is_empty(raw: &str) -> bool {
    let inner = raw.get(1..raw.len().saturating_sub(1)).unwrap_or_default();
    match raw.as_bytes().first() {
        Some(b'"') => inner.is_empty(),
        Some(b'[' | b'{') => inner.bytes().all(|b| b.is_ascii_whitespace()),
        _ => raw == "null" || raw.is_empty(),
    }
}

/// Where `part`, a slice of `whole`, stands in it.
pub(super) fn span(whole: &[u8], part: &[u8]) -> Range<usize> {
    let start = part.as_ptr().addr().wrapping_sub(whole.as_ptr().addr());
    debug_assert!(start.checked_add(part.len()).is_some_and(|end| end <= whole.len()), "not a part of it");
    start..start.wrapping_add(part.len())
}

/// A span of a text and what is to stand there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Edit {
    /// The bytes to replace; empty to insert.
    pub(super) span: Range<usize>,
    /// What replaces them.
    pub(super) with: Cow<'static, str>,
}

impl Edit {
    /// Replaces `part`, a slice of `whole`.
    pub(super) fn replace(whole: &str, part: &str, with: impl Into<Cow<'static, str>>) -> Self {
        Self { span: span(whole.as_bytes(), part.as_bytes()), with: with.into() }
    }

    /// Inserts at `at`.
    pub(super) fn insert(at: usize, with: impl Into<Cow<'static, str>>) -> Self {
        Self { span: at..at, with: with.into() }
    }

    /// Removes a member of the object `whole` together with the comma that separates it.
    pub(super) fn remove(whole: &str, member: Member<'_>) -> Self {
        let bytes = whole.as_bytes();
        let mut start = span(bytes, member.key.as_bytes()).start;
        let mut end = span(bytes, member.value.as_bytes()).end;
        let skip = |at: usize| {
            let rest = bytes.get(at..).unwrap_or_default();
            at + rest.iter().take_while(|b| b.is_ascii_whitespace()).count()
        };
        let comma = skip(end);
        if bytes.get(comma) == Some(&b',') {
            end = skip(comma + 1);
        } else {
            let before = bytes.get(..start).unwrap_or_default().trim_ascii_end();
            start = before.len() - usize::from(before.last() == Some(&b','));
        }
        Self { span: start..end, with: Cow::Borrowed("") }
    }

    /// An edit that gives the object `whole` another first member, `"key":value` as text.
    pub(super) fn first_member(whole: &str, member: &str) -> Self {
        let comma = if is_empty(whole) { "" } else { "," };
        Self::insert(1, format!("{member}{comma}"))
    }
}

/// Characters of UTF-8 text.
pub(super) fn chars(utf8: &[u8]) -> u64 {
    utf8.iter().filter(|b| **b & 0b1100_0000 != 0b1000_0000).count() as u64
}

/// How many bytes of `rest`, which starts inside a string, stand before the string's closing quote.
pub(super) fn string_len(rest: &[u8]) -> usize {
    let mut at = 0;
    while let Some(found) = memchr::memchr2(b'"', b'\\', rest.get(at..).unwrap_or_default()) {
        if rest[at + found] == b'"' {
            return at + found;
        }
        at += found + 2;
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(text: &str, edit: &Edit) -> String {
        format!("{}{}{}", &text[..edit.span.start], edit.with, &text[edit.span.end..])
    }

    fn without(text: &str, name: &str) -> String {
        let mut found = None;
        members(text, |m| {
            if m.name() == name {
                found = Some(m);
            }
        })
        .unwrap();
        applied(text, &Edit::remove(text, found.unwrap()))
    }

    #[test]
    fn members_keep_their_spelling() {
        let text = r#" { "a" : 1.50 ,"b\u0062":{"x":[1, 2]} , "a":"é"} "#;
        let mut seen = Vec::new();
        members(text, |m| seen.push((m.name().into_owned(), m.value))).unwrap();
        let expected = [("a", "1.50"), ("bb", r#"{"x":[1, 2]}"#), ("a", "\"é\"")];
        assert_eq!(seen, expected.map(|(k, v)| (k.to_owned(), v)));
        for bad in ["[]", "{} {}", "{", "", "null", r#"{"a":}"#, r#"{"a":01}"#, "{a:1}"] {
            assert!(members(bad, |_| ()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_member_goes_with_one_comma() {
        assert_eq!(without(r#"{"a":1, "u":null, "b":2}"#, "u"), r#"{"a":1, "b":2}"#);
        assert_eq!(without(r#"{"a":1 , "u":null }"#, "u"), r#"{"a":1  }"#);
        assert_eq!(without(r#"{"u":null,"b":2}"#, "u"), r#"{"b":2}"#);
        assert_eq!(without(r#"{ "u" : null }"#, "u"), "{ }");
        assert_eq!(without(r#"{"u":{"x":","}}"#, "u"), "{}");
    }

    #[test]
    fn counts_are_whole_and_not_negative() {
        for (raw, expected) in [
            ("12", Some(12)),
            ("12.0", Some(12)),
            ("1e3", Some(1000)),
            ("0", Some(0)),
            ("9007199254740993", None),
        ] {
            assert_eq!(count(raw), expected, "{raw}");
        }
        for bad in ["-1", "1.5", "null", "\"3\"", "1e999", "true", "[]", "inf", "NaN"] {
            assert_eq!(count(bad), None, "{bad}");
        }
    }

    #[test]
    fn strings_end_at_their_own_quote() {
        assert_eq!(string_len(br#"ab\"c\\" , "x""#), 7);
        assert_eq!(string_len(br#"open\"#), 5);
        assert_eq!(chars("aé漢😀".as_bytes()), 4);
    }
}
