//! What every part of the encoding needs to know, and what it leaves behind.

use std::collections::HashMap;
use std::fmt::Write;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::canonical::{At, Request, Warnings};
use crate::catalogue::Profile;
use crate::config::ProviderKind;
use crate::dialect::Dialect;
use crate::dialect::codec::{Encoded, Target, Wrapped};
use crate::fault::{Fault, FaultCode};

/// The longest name of a tool at OpenAI, in characters.
const TOOL_NAME_MAX: usize = 64;

/// The longest id of a tool call on Chat Completions, in characters.
const CALL_ID_MAX: usize = 40;

/// One encoding.
pub(super) struct Context<'a, 'w> {
    pub(super) request: &'a Request,
    pub(super) target: &'a Target<'a>,
    warnings: &'w mut Warnings,
    /// Sentences for the model in place of what it cannot be told otherwise.
    pub(super) hints: Vec<String>,
    wrapped: Vec<(String, Wrapped)>,
    /// By the caller's name.
    names: HashMap<String, String>,
}

impl<'a, 'w> Context<'a, 'w> {
    pub(super) fn new(request: &'a Request, target: &'a Target<'a>, warnings: &'w mut Warnings) -> Self {
        Self { request, target, warnings, hints: Vec::new(), wrapped: Vec::new(), names: HashMap::new() }
    }

    /// Whether OpenAI itself answers, here or at Azure: all of the dialect, and nothing beside it.
    pub(super) fn is_openai(&self) -> bool {
        matches!(self.target.kind, ProviderKind::Openai | ProviderKind::AzureOpenai)
    }

    pub(super) fn profile(&self) -> &'a Profile {
        self.target.profile
    }

    pub(super) fn warn(&mut self, code: &'static str, field: impl Into<String>) {
        self.warnings.add(code, field);
    }

    /// A warning about a field that is called differently by the callers of Chat, Responses and Messages.
    pub(super) fn warn_of(&mut self, code: &'static str, names: [&'static str; 3]) {
        let name = self.named(names);
        self.warnings.add(code, name);
    }

    /// The caller's name of a field: of Chat, Responses and Messages in turn.
    pub(super) fn named(&self, [chat, responses, messages]: [&'static str; 3]) -> &'static str {
        match self.request.dialect {
            Dialect::OpenaiResponses => responses,
            Dialect::AnthropicMessages => messages,
            _ => chat,
        }
    }

    pub(super) fn path(&self, at: At) -> String {
        self.request.path(at)
    }

    pub(super) fn wrap(&mut self, name: &str, wrapped: Wrapped) {
        self.wrapped.push((name.to_owned(), wrapped));
    }

    pub(super) fn is_wrapped(&self, name: &str) -> bool {
        self.wrapped.iter().any(|(wrapped, _)| wrapped == name)
    }

    /// A tool's name as the target allows it.
    pub(super) fn tool_name(&mut self, name: &str) -> String {
        let legal = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if !name.is_empty() && name.len() <= TOOL_NAME_MAX && name.chars().all(legal) {
            return name.to_owned();
        }
        if let Some(there) = self.names.get(name) {
            return there.clone();
        }
        let mut there: String =
            name.chars().map(|c| if legal(c) { c } else { '_' }).take(TOOL_NAME_MAX - 9).collect();
        let _written = write!(there, "_{}", digest(name, 8));
        self.names.insert(name.to_owned(), there.clone());
        there
    }

    /// The request of this body, with what the answer's tools have to be given back.
    pub(super) fn finish(self, body: Bytes) -> Encoded {
        let mut renamed: Vec<_> = self.names.into_iter().map(|(here, there)| (there, here)).collect();
        renamed.sort_unstable();
        Encoded { body, headers: Vec::new(), wrapped: self.wrapped, renamed }
    }
}

/// The id of a call as Chat Completions allows it: the same for the call and its result.
pub(super) fn call_id(id: &str) -> String {
    if id.chars().nth(CALL_ID_MAX).is_none() { id.to_owned() } else { format!("t_{}", digest(id, 24)) }
}

/// An identifier as it is, or its digest where it is longer than `max` characters.
pub(super) fn short(id: &str, max: usize) -> String {
    if id.chars().nth(max).is_none() { id.to_owned() } else { digest(id, max) }
}

/// The first `digits` (at most 64) of a text's SHA-256 in hexadecimal.
fn digest(text: &str, digits: usize) -> String {
    let mut hex = String::with_capacity(64);
    for byte in Sha256::digest(text) {
        let _written = write!(hex, "{byte:02x}");
    }
    hex.truncate(digits);
    hex
}

/// A refusal that names the caller's field.
pub(super) fn refuse(param: impl Into<String>, why: impl Into<String>) -> Fault {
    let param = param.into();
    let message = format!("`{param}` cannot be carried to the model's provider: {}.", why.into());
    Fault::new(FaultCode::InvalidRequest, message).with_param(param)
}
