//! How much text a request holds, without reading it as JSON.

use crate::dialect::json;

/// What an image, a recording or a file within the body counts as, in characters: about 1,000 tokens.
const BLOB_CHARS: u64 = 4_096;

/// A string of base64 this long is no text a person wrote.
const BLOB_MIN: usize = 4_096;

/// How much of a long string is looked at to tell base64 from text, in bytes.
const SAMPLE: usize = 128;

/// Characters of the JSON text `raw`, its syntax included, with every data URL and every long base64 string
/// counted as [`BLOB_CHARS`].
pub(in crate::dialect) fn text_chars(raw: &str) -> u64 {
    let mut rest = raw.as_bytes();
    let mut total = 0;
    while let Some(quote) = memchr::memchr(b'"', rest) {
        total += quote as u64 + 2;
        rest = &rest[quote + 1..];
        let (inside, after) = rest.split_at(json::string_len(rest));
        total += if is_blob(inside) { BLOB_CHARS } else { json::chars(inside) };
        rest = after.get(1..).unwrap_or_default();
    }
    total + rest.len() as u64
}

fn is_blob(inside: &[u8]) -> bool {
    let data_url = inside.len() > SAMPLE && inside.starts_with(b"data:");
    let base64 = |b: &u8| b.is_ascii_alphanumeric() || b"+/=-_\\".contains(b);
    data_url || (inside.len() >= BLOB_MIN && inside[..SAMPLE].iter().all(base64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_counts_by_its_characters() {
        assert_eq!(text_chars(r#"[{"role":"user","content":"漢字"}]"#), 32);
        assert_eq!(text_chars("[]"), 2);
        let essay = "many words ".repeat(1_000);
        assert_eq!(text_chars(&format!("\"{essay}\"")), 11_002);
    }

    #[test]
    fn encoded_bytes_are_not_text() {
        let blob = "iVBORw0KGgo".repeat(100_000);
        for value in
            [format!("data:image/png;base64,{blob}"), format!("data:image\\/png;base64,{blob}"), blob]
        {
            assert_eq!(text_chars(&format!(r#"{{"url":"{value}"}}"#)), 10 + BLOB_CHARS);
        }
    }
}
