//! What OpenAI allows of names and ids: longer ones become digests of themselves, the same wherever they stand.

use std::borrow::Cow;
use std::fmt::Write;

use sha2::{Digest, Sha256};

use crate::canonical::{Request, ToolKind};

/// The longest name of a tool, in characters.
const TOOL_NAME_MAX: usize = 64;
/// The longest id of a call, of a person or of a prompt's cache, in characters.
const ID_MAX: usize = 64;

/// A tool's name as OpenAI allows it.
pub(super) fn tool_name(name: &str) -> Cow<'_, str> {
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !name.is_empty() && name.len() <= TOOL_NAME_MAX && name.chars().all(legal) {
        return Cow::Borrowed(name);
    }
    let mut there: String =
        name.chars().map(|c| if legal(c) { c } else { '_' }).take(TOOL_NAME_MAX - 9).collect();
    let _written = write!(there, "_{}", digest(name, 8));
    Cow::Owned(there)
}

/// The tools that have another name there: it, and the caller's.
pub(super) fn renamed(request: &Request) -> Vec<(String, String)> {
    let names = request.tools.iter().filter_map(|tool| match &tool.kind {
        ToolKind::Function { name, .. } | ToolKind::Custom { name, .. } => Some(name),
        ToolKind::Hosted { .. } => None,
    });
    let pairs = names.map(|name| (tool_name(name).into_owned(), name.clone()));
    pairs.filter(|(there, here)| there != here).collect()
}

/// The id of a call as OpenAI allows it: alike in call and result.
pub(super) fn call_id(id: &str) -> Cow<'_, str> {
    if id.chars().nth(ID_MAX).is_none() {
        return Cow::Borrowed(id);
    }
    Cow::Owned(format!("call_{}", digest(id, 24)))
}

/// An identifier as it is, or its digest where it is too long.
pub(super) fn short(id: &str) -> Cow<'_, str> {
    if id.chars().nth(ID_MAX).is_none() { Cow::Borrowed(id) } else { Cow::Owned(digest(id, ID_MAX)) }
}

/// The first `digits` of a text's SHA-256 in hexadecimal.
fn digest(text: &str, digits: usize) -> String {
    let mut hex = String::with_capacity(64);
    for byte in Sha256::digest(text) {
        let _written = write!(hex, "{byte:02x}");
    }
    hex.truncate(digits);
    hex
}
