//! The `input` of a request: one text or list of token ids, or a list of either, looked at without keeping it.

use std::fmt;

use serde::Deserializer as _;
use serde::de::{SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::dialect::json;
use crate::dialect::openai_chat::request::{expected, invalid, missing};
use crate::fault::Fault;

/// The most inputs of a request.
const INPUTS_MAX: usize = 2048;

const WHAT: &str = "a text, a list of texts, a list of token ids or a list of such lists, none of them empty";

/// What a list of inputs holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Texts,
    /// One input's token ids.
    Tokens,
    TokenLists,
}

/// How much there is to embed: characters of text, and tokens given as ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Measure {
    pub(super) chars: u64,
    pub(super) tokens: u64,
}

/// Checks the member `input` and measures it.
pub(super) fn measure(raw: Option<&str>) -> Result<Measure, Fault> {
    let raw = raw.ok_or_else(|| missing("input", WHAT))?;
    match raw.as_bytes().first() {
        Some(b'"') => text(raw, || "input".to_owned()),
        Some(b'[') => list(raw),
        _ => Err(expected("input", WHAT)),
    }
}

/// The kind of a list by its first element.
pub(super) fn kind(first: &str) -> Option<Kind> {
    match first.as_bytes().first()? {
        b'"' => Some(Kind::Texts),
        b'[' => Some(Kind::TokenLists),
        b'0'..=b'9' => Some(Kind::Tokens),
        _ => None,
    }
}

fn text(raw: &str, path: impl Fn() -> String) -> Result<Measure, Fault> {
    let inside = raw.get(1..raw.len().saturating_sub(1)).unwrap_or_default();
    if inside.is_empty() {
        return Err(expected(&path(), "a text that is not empty"));
    }
    Ok(Measure { chars: json::chars(inside.as_bytes()), tokens: 0 })
}

fn list(raw: &str) -> Result<Measure, Fault> {
    let (mut n, mut found) = (0_usize, None);
    let mut total = Measure::default();
    let mut fault = None;
    let walked = elements(raw, |element| {
        let at = n;
        n += 1;
        let kind_here = kind(element);
        let wanted = *found.get_or_insert(kind_here);
        if wanted != Some(Kind::Tokens) && n > INPUTS_MAX {
            fault = Some(expected("input", &format!("at most {INPUTS_MAX} inputs")));
            return false;
        }
        let one = if kind_here.is_none() || kind_here != wanted {
            Err(expected(
                &format!("input[{at}]"),
                "the same kind of input as in the whole list: texts or token ids",
            ))
        } else {
            one(element, wanted, at)
        };
        match one {
            Ok(one) => {
                total.chars += one.chars;
                total.tokens += one.tokens;
                true
            }
            Err(wrong) => {
                fault = Some(wrong);
                false
            }
        }
    });
    match (fault, walked) {
        (Some(fault), _) => Err(fault),
        (None, Err(error)) => {
            Err(invalid(format!("`input` is not valid JSON: {error}.")).with_param("input"))
        }
        (None, Ok(())) if n == 0 => Err(expected("input", WHAT)),
        (None, Ok(())) => Ok(total),
    }
}

fn one(element: &str, kind: Option<Kind>, at: usize) -> Result<Measure, Fault> {
    let path = || format!("input[{at}]");
    match kind {
        Some(Kind::Texts) => text(element, path),
        Some(Kind::Tokens) => token(element, path).map(|()| Measure { chars: 0, tokens: 1 }),
        Some(Kind::TokenLists) => {
            let (mut n, mut fault) = (0_u64, None);
            let walked = elements(element, |raw| {
                n += 1;
                fault = token(raw, path).err();
                fault.is_none()
            });
            match fault {
                Some(fault) => Err(fault),
                None if n == 0 || walked.is_err() => {
                    Err(expected(&path(), "a list of at least one token id"))
                }
                None => Ok(Measure { chars: 0, tokens: n }),
            }
        }
        None => Err(expected(&path(), WHAT)),
    }
}

fn token(raw: &str, path: impl Fn() -> String) -> Result<(), Fault> {
    match raw.parse::<u32>() {
        Ok(_) if !raw.starts_with('+') => Ok(()),
        _ => Err(expected(&path(), "token ids: whole numbers that are not negative")),
    }
}

/// Calls `each` with the elements of the array `raw` until it says `false`; errs unless it is one.
pub(super) fn elements<'a>(raw: &'a str, each: impl FnMut(&'a str) -> bool) -> Result<(), serde_json::Error> {
    struct Elements<F>(F);

    impl<'a, F: FnMut(&'a str) -> bool> Visitor<'a> for Elements<F> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a JSON array")
        }

        fn visit_seq<A: SeqAccess<'a>>(mut self, mut list: A) -> Result<(), A::Error> {
            let mut wanted = true;
            while let Some(element) = list.next_element::<&'a RawValue>()? {
                wanted = wanted && (self.0)(element.get());
            }
            Ok(())
        }
    }

    serde_json::Deserializer::from_str(raw).deserialize_seq(Elements(each))
}
