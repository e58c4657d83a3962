//! Names of tools. Gemini's begin with a letter or `_`, go on with `[A-Za-z0-9_.:-]` and have at most 128 characters;
//! any other is made legal in a way that depends on the name alone, so that a prompt's prefix stays the same.

use sha2::{Digest, Sha256};

const CHARS_MAX: usize = 128;
const HASH_BYTES: usize = 4;

/// The names that had to be changed so far.
#[derive(Debug, Default)]
pub(super) struct Names {
    renamed: Vec<(String, String)>,
}

impl Names {
    /// The tool's name at Gemini.
    pub(super) fn there(&mut self, name: &str) -> String {
        if is_legal(name) {
            return name.to_owned();
        }
        let there = legal(name);
        if !self.renamed.iter().any(|(known, _)| *known == there) {
            self.renamed.push((there.clone(), name.to_owned()));
        }
        there
    }

    /// The way back: each name at Gemini with the caller's.
    pub(super) fn into_renamed(self) -> Vec<(String, String)> {
        self.renamed
    }
}

fn is_legal(name: &str) -> bool {
    name.len() <= CHARS_MAX && name.bytes().all(is_legal_byte) && name.bytes().next().is_some_and(begins)
}

fn begins(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_'
}

fn is_legal_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte)
}

/// As much of the name as is legal, for the model's sake, then a hash of all of it.
fn legal(name: &str) -> String {
    let mut there = String::with_capacity(CHARS_MAX);
    if !name.bytes().next().is_some_and(begins) {
        there.push('_');
    }
    let room = CHARS_MAX - 2 * HASH_BYTES - 2;
    let kept = name.chars().take(room);
    there.extend(kept.map(|c| if u8::try_from(c).is_ok_and(is_legal_byte) { c } else { '_' }));
    there.push('_');
    for byte in &Sha256::digest(name)[..HASH_BYTES] {
        for half in [byte >> 4, byte & 15] {
            there.push(char::from_digit(u32::from(half), 16).unwrap_or('0'));
        }
    }
    there
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn legal_names_stay_and_others_become_legal_and_stay_apart() {
        let mut names = Names::default();
        for name in ["get_weather", "_x", "a.b:c-d", &"a".repeat(128)] {
            assert_eq!(names.there(name), name);
        }
        assert!(names.into_renamed().is_empty());
        let mut names = Names::default();
        let odd = ["", "my tool", "my_tool!", "1st", "météo", &"b".repeat(129), &"é".repeat(300)];
        let mut there: Vec<String> = odd.iter().map(|name| names.there(name)).collect();
        assert!(there.iter().all(|name| is_legal(name)), "{there:?}");
        assert_eq!(there[1], names.there("my tool"));
        assert!(there[1].starts_with("my_tool_") && there[3].starts_with("_1st_"));
        there.sort_unstable();
        there.dedup();
        assert_eq!((there.len(), names.into_renamed().len()), (odd.len(), odd.len()));
    }
}
