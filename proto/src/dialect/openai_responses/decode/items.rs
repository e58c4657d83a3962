//! Input items, folded into turns.
//!
//! | item | canonical |
//! |---|---|
//! | `message` of user | a user turn of its own |
//! | `message` of system or developer | leading: instructions; else a system turn |
//! | `message` of assistant, `reasoning`, `function_call`, `custom_tool_call` | neighbours fold into one assistant turn; another `phase` begins another |
//! | `function_call_output`, `custom_tool_call_output` | neighbours fold into one user turn |
//! | `reasoning.encrypted_content` | opaque: a token of ours unwrapped, else the provider's own with its item's id |
//! | `item_reference` | refused: what it names lies elsewhere |
//! | anything else | hosted, whole |
//!
//! A token of ours that holds a foreign signature gives the summary back as the thoughts it signs; one that holds
//! the signature of a call (Gemini's) goes back to the call it follows.

use serde_json::Value;

use super::fields::Fields;
use super::parts::content;
use crate::canonical::{At, CallKind, Carrier, Content, Opaque, OpaqueKind, Part, Role, SystemText, Turn};
use crate::dialect::Dialect;
use crate::dialect::openai_chat::request::{expected, invalid, missing};
use crate::dialect::openai_responses::bound;
use crate::dialect::openai_responses::names::Namespaces;
use crate::fault::Fault;

/// The conversation so far.
pub(super) struct Fold<'a> {
    carrier: &'a Carrier,
    names: &'a Namespaces,
    pub(super) system: Vec<SystemText>,
    pub(super) turns: Vec<Turn>,
}

impl<'a> Fold<'a> {
    pub(super) fn new(carrier: &'a Carrier, names: &'a Namespaces) -> Self {
        Self { carrier, names, system: Vec::new(), turns: Vec::new() }
    }

    /// Takes in `input`.
    pub(super) fn input(&mut self, input: Value) -> Result<(), Fault> {
        match input {
            Value::String(text) => {
                let text = Content::Text { text, citations: Vec::new() };
                self.turn(Role::User, vec![Part::new(At::default(), text)]);
                Ok(())
            }
            Value::Array(items) => items
                .into_iter()
                .enumerate()
                .try_for_each(|(n, item)| self.item(u32::try_from(n).unwrap_or(u32::MAX), item)),
            _ => Err(expected("input", "a string or an array of items")),
        }
    }

    fn item(&mut self, n: u32, raw: Value) -> Result<(), Fault> {
        let mut fields = Fields::of(raw, format!("input[{n}]"))?;
        let at = At { turn: n, part: None };
        let kind = fields.peek("type").map(str::to_owned);
        match kind.as_deref() {
            None if fields.peek("role").is_none() => {
                Err(missing(&fields.path("type"), "the type of an item, or a `role`"))
            }
            None | Some("message") => self.message(n, fields),
            Some("reasoning") => self.reasoning(at, fields),
            Some(kind @ ("function_call" | "custom_tool_call")) => {
                let kind = if kind == "function_call" { CallKind::Function } else { CallKind::Custom };
                let call = self.call(kind, &mut fields)?;
                self.assistant(Part::new(at, call));
                Ok(())
            }
            Some("function_call_output" | "custom_tool_call_output") => {
                let id = fields.required("call_id")?;
                let path = fields.path("output");
                let output =
                    fields.take("output").ok_or_else(|| missing(&path, "a string or content parts"))?;
                let parts = content(Some(output), n, &path)?;
                self.result(Part::new(at, Content::ToolResult { id, parts, is_error: false }));
                Ok(())
            }
            Some("item_reference") => {
                let message =
                    "An item reference names an item that lies at the provider; send the item itself.";
                Err(invalid(message).with_param(fields.path("id")))
            }
            Some(kind) => {
                let users = kind.ends_with("_output") || kind == "mcp_approval_response";
                let raw = fields.into_value();
                let part = Part::new(at, Content::Hosted { raw, origin: Dialect::OpenaiResponses });
                if users {
                    self.result(part)
                } else {
                    self.assistant(part)
                }
                Ok(())
            }
        }
    }

    fn message(&mut self, n: u32, mut fields: Fields) -> Result<(), Fault> {
        let role = fields.required("role")?;
        let phase = fields.text("phase")?;
        let path = fields.path("content");
        let raw = fields.take("content");
        if raw.is_none() && role != "assistant" {
            return Err(missing(&path, "a string or an array of content parts"));
        }
        let parts = content(raw, n, &path)?;
        match role.as_str() {
            "user" => self.turn(Role::User, parts),
            "assistant" => self.spoken(parts, phase),
            "system" | "developer" => self.instructed(parts),
            _ => return Err(expected(&fields.path("role"), "`user`, `assistant`, `system` or `developer`")),
        }
        Ok(())
    }

    /// Instructions: before all turns if they are text alone and nothing was said yet.
    fn instructed(&mut self, parts: Vec<Part>) {
        let text_only = parts.iter().all(|part| matches!(part.content, Content::Text { .. }));
        if !self.turns.is_empty() || !text_only {
            return self.turn(Role::System, parts);
        }
        self.system.extend(parts.into_iter().filter_map(|part| match part.content {
            Content::Text { text, .. } => Some(SystemText { text, cache: part.cache }),
            _ => None,
        }));
    }

    fn call(&self, kind: CallKind, fields: &mut Fields) -> Result<Content, Fault> {
        let name = fields.required("name")?;
        let name = match fields.text("namespace")? {
            Some(space) => self.names.flat(&space, &name),
            None => name,
        };
        let written = if kind == CallKind::Function { "arguments" } else { "input" };
        Ok(Content::ToolCall {
            id: fields.required("call_id")?,
            name,
            kind,
            arguments: fields.text(written)?.unwrap_or_default(),
            opaque: Vec::new(),
        })
    }

    fn reasoning(&mut self, at: At, mut fields: Fields) -> Result<(), Fault> {
        let id = fields.text("id")?;
        let mut summary = texts(&mut fields, "summary")?;
        let mut text = texts(&mut fields, "content")?.join("\n\n");
        let opaque = fields.text("encrypted_content")?.map(|data| self.opaque(id.as_deref(), data));
        let kind = opaque.as_ref().map(|opaque| opaque.kind);
        if kind.is_some_and(|kind| kind != OpaqueKind::Encrypted) && text.is_empty() {
            text = std::mem::take(&mut summary).concat();
        }
        if kind == Some(OpaqueKind::ThoughtSignature)
            && let Some(Turn { role: Role::Assistant, parts, .. }) = self.turns.last_mut()
            && let Some(Part { content: Content::ToolCall { opaque: place, .. }, .. }) = parts.last_mut()
        {
            place.extend(opaque);
            return Ok(());
        }
        let opaque = opaque.into_iter().collect();
        self.assistant(Part::new(at, Content::Reasoning { text, summary, opaque }));
        Ok(())
    }

    fn opaque(&self, id: Option<&str>, data: String) -> Opaque {
        match self.carrier.unwrap(&data) {
            Some(opaque) => opaque,
            // A token that cannot be read any more is nobody's: it is dropped with a warning when encoded.
            None if Carrier::is_token(&data) => Opaque { origin: None, kind: OpaqueKind::Encrypted, data },
            None => Opaque { origin: None, kind: OpaqueKind::Encrypted, data: bound::join(id, &data) },
        }
    }

    fn turn(&mut self, role: Role, parts: Vec<Part>) {
        self.turns.push(Turn { role, parts, phase: None });
    }

    fn assistant(&mut self, part: Part) {
        match self.turns.last_mut() {
            Some(turn) if turn.role == Role::Assistant => turn.parts.push(part),
            _ => self.turn(Role::Assistant, vec![part]),
        }
    }

    fn result(&mut self, part: Part) {
        let of_results =
            |part: &Part| matches!(part.content, Content::ToolResult { .. } | Content::Hosted { .. });
        match self.turns.last_mut() {
            Some(turn) if turn.role == Role::User && turn.parts.last().is_some_and(of_results) => {
                turn.parts.push(part);
            }
            _ => self.turn(Role::User, vec![part]),
        }
    }

    /// A message of the assistant's. A turn has one phase: thoughts before a message of another phase go with it.
    fn spoken(&mut self, parts: Vec<Part>, phase: Option<String>) {
        let said = |part: &Part| matches!(part.content, Content::Text { .. } | Content::Refusal { .. });
        match self.turns.last_mut() {
            Some(turn) if turn.role == Role::Assistant => {
                if turn.phase == phase || !turn.parts.iter().any(said) {
                    turn.phase = phase;
                    turn.parts.extend(parts);
                    return;
                }
                let thought = |part: &Part| matches!(part.content, Content::Reasoning { .. });
                let keep = turn.parts.iter().rposition(|part| !thought(part)).map_or(0, |at| at + 1);
                let mut moved = turn.parts.split_off(keep);
                moved.extend(parts);
                self.turns.push(Turn { role: Role::Assistant, parts: moved, phase });
            }
            _ => self.turns.push(Turn { role: Role::Assistant, parts, phase }),
        }
    }
}

/// The texts of `summary` or `content` of a reasoning item.
fn texts(fields: &mut Fields, name: &str) -> Result<Vec<String>, Fault> {
    let list = fields.list(name)?.unwrap_or_default();
    let path = fields.path(name);
    list.into_iter()
        .enumerate()
        .map(|(n, raw)| Fields::of(raw, format!("{path}[{n}]"))?.required("text"))
        .collect()
}
