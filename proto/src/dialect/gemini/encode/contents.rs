//! The conversation as `contents`: roles alternate, and the results of a turn's calls stand together in the next one.
//!
//! | canonical | part |
//! |---|---|
//! | text, refusal | `text`; empty ones are left out |
//! | instructions between turns | the user's `text` in `<system>` marks, with a warning |
//! | a call | `functionCall` with its id; arguments that are no object stand under `_raw`, with a warning |
//! | a result | `functionResponse`; its call must be in the turn before, and every call there needs one |
//! | thoughts with a signature of this very model | `thought` text; the signature goes where Gemini had it |
//! | any other thoughts | left out, with a warning |
//!
//! Signatures: Gemini 3 and later want one on the first `functionCall` of a model's turn. It is the call's own, or that
//! of thoughts in the turn; where neither is of this model, a sentinel that tells Gemini not to look. Nothing is added
//! to a turn that has a real one.

use serde_json::{Map, Value, json};

use super::super::NO_SIGNATURE;
use super::names::Names;
use super::{invalid, is_budget_family, media, result};
use crate::canonical::{At, CallKind, Content, Opaque, OpaqueKind, Part, Request, Role, Warnings};
use crate::dialect::codec::Target;
use crate::fault::Fault;

/// Writes the turns.
pub(super) fn encode(
    request: &Request,
    target: &Target<'_>,
    names: &mut Names,
    warnings: &mut Warnings,
) -> Result<Vec<Value>, Fault> {
    let mut writer =
        Writer { request, target, names, warnings, done: Vec::new(), open: None, calls: Vec::new() };
    for turn in &request.turns {
        for part in &turn.parts {
            writer.part(turn.role, part)?;
        }
    }
    writer.finish()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    User,
    Model,
}

/// A call that waits for its result.
#[derive(Debug)]
struct Call {
    id: String,
    name: String,
    at: At,
}

#[derive(Debug)]
struct Open {
    side: Side,
    parts: Vec<Value>,
    /// Tool results: they come first.
    results: Vec<Value>,
    /// Calls of this content.
    calls: Vec<Call>,
    /// A signature that came with thoughts.
    carried: Option<String>,
    at: At,
}

struct Writer<'a> {
    request: &'a Request,
    target: &'a Target<'a>,
    names: &'a mut Names,
    warnings: &'a mut Warnings,
    done: Vec<Value>,
    open: Option<Open>,
    /// Calls of the last model content that have no result yet.
    calls: Vec<Call>,
}

impl Writer<'_> {
    fn part(&mut self, role: Role, part: &Part) -> Result<(), Fault> {
        let side = if role == Role::Assistant { Side::Model } else { Side::User };
        let path = self.request.path(part.at);
        match &part.content {
            Content::Text { text, citations } => {
                if !citations.is_empty() {
                    self.warnings.add("citations_dropped", &path);
                }
                if text.is_empty() {
                    return Ok(());
                }
                if role == Role::System {
                    self.warnings.add("system_merged", &path);
                    let text = format!("<system>\n{text}\n</system>");
                    return self.push(side, part.at, json!({ "text": text }));
                }
                self.push(side, part.at, json!({ "text": text }))
            }
            Content::Refusal { text } if text.is_empty() => Ok(()),
            Content::Refusal { text } => self.push(side, part.at, json!({ "text": text })),
            Content::Reasoning { text, summary, opaque } => self.reasoning(part.at, text, summary, opaque),
            Content::ToolCall { id, name, kind, arguments, opaque } => {
                let arguments = self.arguments(*kind, arguments, &path);
                self.call(part.at, (id, name), arguments, opaque)
            }
            Content::ToolResult { id, parts, is_error } => {
                self.on(Side::User, part.at)?;
                self.result(part.at, id, parts, *is_error)
            }
            Content::Hosted { .. } => {
                self.warnings.add("hosted_item_dropped", path);
                Ok(())
            }
            media => match media::part(media, &path, self.target.profile, self.warnings)? {
                Some(value) => self.push(side, part.at, value),
                None => Ok(()),
            },
        }
    }

    fn reasoning(&mut self, at: At, text: &str, summary: &[String], opaque: &[Opaque]) -> Result<(), Fault> {
        let Some(signature) = self.own(opaque) else {
            self.warnings.add("reasoning_state_dropped", self.request.path(at));
            return Ok(());
        };
        let thoughts = if text.is_empty() { summary.join("\n\n") } else { text.to_owned() };
        if !thoughts.is_empty() {
            self.push(Side::Model, at, json!({ "text": thoughts, "thought": true }))?;
        }
        self.on(Side::Model, at)?.carried.get_or_insert(signature);
        Ok(())
    }

    /// A signature that this very provider and model made.
    fn own(&self, opaque: &[Opaque]) -> Option<String> {
        let own = |opaque: &&Opaque| {
            opaque.kind == OpaqueKind::ThoughtSignature && self.target.takes(opaque.origin.as_ref())
        };
        opaque.iter().find(own).map(|opaque| opaque.data.clone())
    }

    /// Arguments as the object that they have to be.
    fn arguments(&mut self, kind: CallKind, arguments: &str, path: &str) -> Value {
        if kind == CallKind::Custom {
            return json!({ "input": arguments });
        }
        if arguments.trim().is_empty() {
            return json!({});
        }
        match serde_json::from_str::<Map<String, Value>>(arguments) {
            Ok(object) => object.into(),
            Err(_) => {
                self.warnings.add("arguments_not_json", path);
                json!({ "_raw": arguments })
            }
        }
    }

    fn call(
        &mut self,
        at: At,
        (id, name): (&str, &str),
        args: Value,
        opaque: &[Opaque],
    ) -> Result<(), Fault> {
        let there = self.names.there(name);
        let mut call = json!({ "name": there, "args": args });
        if !id.is_empty() {
            call["id"] = id.into();
        }
        let mut part = json!({ "functionCall": call });
        match self.own(opaque) {
            Some(signature) => part["thoughtSignature"] = signature.into(),
            None if opaque.iter().any(|opaque| opaque.data != NO_SIGNATURE) => {
                self.warnings.add("reasoning_state_dropped", self.request.path(at));
            }
            None => {}
        }
        let open = self.on(Side::Model, at)?;
        open.parts.push(part);
        open.calls.push(Call { id: id.to_owned(), name: there, at });
        Ok(())
    }

    fn result(&mut self, at: At, id: &str, parts: &[Part], is_error: bool) -> Result<(), Fault> {
        let path = self.request.path(at);
        let Some(place) = self.calls.iter().position(|call| call.id == id) else {
            let message = format!(
                "`{path}` answers the tool call `{}`, which the assistant's turn before it did not make, or which \
                 is answered already.",
                id.chars().take(64).collect::<String>()
            );
            return Err(invalid(path, message));
        };
        let call = self.calls.remove(place);
        let profile = self.target.profile;
        let written = result::write((id, &call.name), (parts, is_error), &path, profile, self.warnings)?;
        let open = self.on(Side::User, at)?;
        open.results.push(written.response);
        open.parts.extend(written.beside);
        Ok(())
    }

    fn push(&mut self, side: Side, at: At, part: Value) -> Result<(), Fault> {
        self.on(side, at)?.parts.push(part);
        Ok(())
    }

    /// The content to write to, after the other side's is closed.
    fn on(&mut self, side: Side, at: At) -> Result<&mut Open, Fault> {
        if self.open.as_ref().is_some_and(|open| open.side != side) {
            self.close()?;
        }
        Ok(self.open.get_or_insert_with(|| Open {
            side,
            parts: Vec::new(),
            results: Vec::new(),
            calls: Vec::new(),
            carried: None,
            at,
        }))
    }

    fn close(&mut self) -> Result<(), Fault> {
        let Some(mut open) = self.open.take() else { return Ok(()) };
        if open.parts.is_empty() && open.results.is_empty() {
            return Ok(());
        }
        let role = match open.side {
            Side::Model => {
                sign(&mut open, !is_budget_family(self.target.profile));
                self.calls = open.calls;
                "model"
            }
            Side::User => {
                self.refuse_unanswered()?;
                "user"
            }
        };
        let mut parts = open.results;
        parts.append(&mut open.parts);
        self.done.push(json!({ "role": role, "parts": parts }));
        Ok(())
    }

    fn refuse_unanswered(&mut self) -> Result<(), Fault> {
        match self.calls.first() {
            None => Ok(()),
            Some(call) => {
                let path = self.request.path(call.at);
                let id: String = call.id.chars().take(64).collect();
                let message =
                    format!("`{path}` calls a tool (`{id}`) whose result is not in the turn after it.");
                Err(invalid(path, message))
            }
        }
    }

    fn finish(mut self) -> Result<Vec<Value>, Fault> {
        if let Some(open) = self.open.as_ref().filter(|open| open.side == Side::Model) {
            self.warnings.add("prefill_not_continued", self.request.path(open.at));
        }
        self.close()?;
        let first = self.request.turns.first().and_then(|turn| turn.parts.first());
        let path = || self.request.path(first.map(|part| part.at).unwrap_or_default());
        match self.done.first().map(|content| &content["role"]) {
            Some(role) if role == "user" => Ok(self.done),
            Some(_) => {
                let message = "The model's provider wants the conversation to begin with the user.";
                Err(invalid(path(), message))
            }
            None => {
                Err(invalid(path(), "The model's provider wants at least one message that is not empty."))
            }
        }
    }
}

/// Puts the signature of a model's turn where it belongs.
fn sign(open: &mut Open, checked: bool) {
    const SIGNATURE: &str = "thoughtSignature";
    let is_call = |part: &&mut Value| part.get("functionCall").is_some();
    if open.parts.iter().any(|part| part.get("functionCall").is_some() && part.get(SIGNATURE).is_some()) {
        return;
    }
    let carried = open.carried.take();
    match open.parts.iter_mut().find(is_call) {
        Some(call) => {
            if let Some(signature) = carried.or_else(|| checked.then(|| NO_SIGNATURE.to_owned())) {
                call[SIGNATURE] = signature.into();
            }
        }
        None => {
            if let (Some(last), Some(signature)) = (open.parts.last_mut(), carried) {
                last[SIGNATURE] = signature.into();
            }
        }
    }
}
