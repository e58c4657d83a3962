//! Ids of calls that came without one: `call_` and 24 characters, the same whenever the same answer is read. They are
//! made of the answer's own id and the call's place in it; where it has none, of the call and its place.

use sha2::{Digest, Sha256};

const CHARS: usize = 24;

/// The id of the call at place `n` of the answer `response`.
pub(super) fn call_id(response: &str, n: u32, name: &str, arguments: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(n.to_le_bytes());
    hash.update(response);
    if response.is_empty() {
        hash.update(name);
        hash.update([0]);
        hash.update(arguments);
    }
    let mut id = String::with_capacity(5 + CHARS);
    id.push_str("call_");
    id.extend(hash.finalize()[..CHARS].iter().map(|byte| base62(byte % 62)));
    id
}

fn base62(digit: u8) -> char {
    match digit {
        0..10 => char::from(b'0' + digit),
        10..36 => char::from(b'a' + digit - 10),
        _ => char::from(b'A' + digit - 36),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ_by_answer_and_place_and_are_stable() {
        let id = call_id("r1", 0, "f", "{}");
        assert_eq!(id, call_id("r1", 0, "g", "[]"));
        assert!(id.len() == 29 && id[5..].bytes().all(|b| b.is_ascii_alphanumeric()), "{id}");
        let others = [
            call_id("r1", 1, "f", "{}"),
            call_id("r2", 0, "f", "{}"),
            call_id("", 0, "f", "{}"),
            call_id("", 1, "f", "{}"),
            call_id("", 0, "g", "{}"),
            call_id("", 0, "f", "{\"a\":1}"),
        ];
        for (at, other) in others.iter().enumerate() {
            assert!(*other != id && !others[..at].contains(other), "{at}");
        }
    }
}
