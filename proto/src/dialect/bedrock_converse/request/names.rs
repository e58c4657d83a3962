//! Names and ids that Converse restricts: what does not fit is made to, the same way each time.

use std::collections::HashSet;
use std::fmt::Write;

use sha2::{Digest, Sha256};

/// The longest id of a call and the longest name of a tool.
const NAME_BYTES_MAX: usize = 64;

/// The longest name of a document (AWS API reference, read 2026-11).
const DOCUMENT_CHARS_MAX: usize = 200;

/// The id under which a call is known to Converse: itself where it fits `[A-Za-z0-9_.:-]{1,64}`, else `t_` and
/// the first 24 hex digits of its SHA-256. Calls in answers have the provider's own ids, so there is no way back.
pub(super) fn call_id(id: &str) -> String {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b':' | b'-');
    if !id.is_empty() && id.len() <= NAME_BYTES_MAX && id.bytes().all(fits) {
        return id.to_owned();
    }
    let mut mapped = String::from("t_");
    hex(id, 12, &mut mapped);
    mapped
}

/// The tools that have another name at Bedrock than the caller's.
#[derive(Debug, Default)]
pub(super) struct ToolNames(Vec<(String, String)>);

impl ToolNames {
    /// The tool's name at Bedrock: itself where it fits `[A-Za-z0-9_-]{1,64}`, else as much of it as fits and the
    /// beginning of its SHA-256, so that it depends on nothing but the name.
    pub(super) fn there(&mut self, name: &str) -> String {
        let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
        if !name.is_empty() && name.len() <= NAME_BYTES_MAX && name.bytes().all(fits) {
            return name.to_owned();
        }
        let fitting = |c: char| if u8::try_from(c).is_ok_and(fits) { c } else { '_' };
        let mut there: String = name.chars().map(fitting).take(NAME_BYTES_MAX - 9).collect();
        there.push('_');
        hex(name, 4, &mut there);
        if !self.0.iter().any(|(known, _)| *known == there) {
            self.0.push((there.clone(), name.to_owned()));
        }
        there
    }

    /// Each name at Bedrock with the caller's.
    pub(super) fn into_renamed(self) -> Vec<(String, String)> {
        self.0
    }
}

/// Appends the first bytes of a text's SHA-256.
fn hex(text: &str, bytes: usize, out: &mut String) {
    for byte in Sha256::digest(text.as_bytes()).iter().take(bytes) {
        let _written = write!(out, "{byte:02x}");
    }
}

/// The names of a request's documents: letters, digits, single spaces, hyphens, parentheses and brackets, and
/// each but once.
#[derive(Debug, Default)]
pub(super) struct Documents(HashSet<String>);

impl Documents {
    /// A name for a document that the caller calls `name`.
    pub(super) fn name(&mut self, name: Option<&str>) -> String {
        let mut clean = String::new();
        for c in stem(name.unwrap_or_default()).chars() {
            let c = if c.is_ascii_alphanumeric() || "-()[]".contains(c) { c } else { ' ' };
            if c != ' ' || !(clean.is_empty() || clean.ends_with(' ')) {
                clean.push(c);
            }
            if clean.len() >= DOCUMENT_CHARS_MAX - 8 {
                break;
            }
        }
        let base = match clean.trim_end() {
            "" => "document",
            base => base,
        };
        let mut name = base.to_owned();
        let mut n = 1u32;
        while !self.0.insert(name.clone()) {
            n = n.saturating_add(1);
            name = format!("{base} ({n})");
        }
        name
    }
}

/// A file name without its ending.
fn stem(name: &str) -> &str {
    match name.rsplit_once('.') {
        Some((stem, ending)) if !stem.is_empty() && ending.len() <= 5 && !ending.contains(' ') => stem,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_fit_stay_and_others_are_mapped_alike() {
        assert_eq!(call_id("toolu_01.a:B-c"), "toolu_01.a:B-c");
        let mapped = call_id("call|1");
        assert_eq!((mapped.len(), call_id("call|1") == mapped), (26, true));
        assert!(mapped.starts_with("t_") && mapped[2..].bytes().all(|b| b.is_ascii_hexdigit()));
        for odd in ["", "é", &"x".repeat(65)] {
            assert_eq!(call_id(odd).len(), 26, "{odd}");
        }
        // The SHA-256 of nothing is known to everyone.
        assert_eq!(call_id(""), "t_e3b0c44298fc1c149afbf4c8");
    }

    #[test]
    fn tools_get_names_that_fit_and_their_own_back() {
        let mut names = ToolNames::default();
        assert_eq!(names.there("get-weather_2"), "get-weather_2");
        let dotted = names.there("fs.read");
        assert!(dotted.starts_with("fs_read_") && dotted.len() == 16, "{dotted}");
        assert_ne!(names.there("fs:read"), dotted);
        assert_eq!(names.there("fs.read"), dotted);
        assert_eq!(names.there(&"n".repeat(128)).len(), 64);
        assert_eq!(names.there("").len(), 9);
        let renamed = names.into_renamed();
        assert_eq!((renamed.len(), renamed[0].1.as_str()), (4, "fs.read"));
    }

    #[test]
    fn documents_have_names_of_their_own() {
        let mut documents = Documents::default();
        assert_eq!(documents.name(Some("Q3 report_v2.final.pdf")), "Q3 report v2 final");
        assert_eq!(documents.name(Some("Q3  report v2 final")), "Q3 report v2 final (2)");
        assert_eq!(documents.name(None), "document");
        assert_eq!(documents.name(Some("…/é.txt")), "document (2)");
        assert_eq!(documents.name(Some(&"a".repeat(500))).len(), DOCUMENT_CHARS_MAX - 8);
    }
}
