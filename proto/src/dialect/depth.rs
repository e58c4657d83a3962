//! How deeply a JSON text nests, found in one pass without recursion or allocation.

/// The deepest nesting a caller's body may have.
pub const JSON_DEPTH_MAX: usize = 128;

/// Whether `json` opens more than `max` objects and arrays within each other. Text that is not JSON gets some
/// answer; whether it is JSON is the parser's question.
pub fn nested_too_deep(json: &[u8], max: usize) -> bool {
    let mut depth = 0_usize;
    let mut bytes = json.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'{' | b'[' => {
                depth += 1;
                if depth > max {
                    return true;
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => skip_string(&mut bytes),
            _ => {}
        }
    }
    false
}

fn skip_string(bytes: &mut std::slice::Iter<'_, u8>) {
    loop {
        let rest = bytes.as_slice();
        let Some(at) = memchr::memchr2(b'"', b'\\', rest) else {
            *bytes = [].iter();
            return;
        };
        let escaped = rest[at] == b'\\';
        *bytes = rest.get(at + 1 + usize::from(escaped)..).unwrap_or_default().iter();
        if !escaped {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_only_what_opens_outside_of_strings() {
        assert!(!nested_too_deep(br#"{"a":[[]],"b":"[[[[\"[[[["}"#, 3));
        assert!(nested_too_deep(br#"{"a":[[[]]]}"#, 3));
        assert!(nested_too_deep("[".repeat(10_000).as_bytes(), JSON_DEPTH_MAX));
        assert!(!nested_too_deep(br#""\"#, 1));
    }
}
