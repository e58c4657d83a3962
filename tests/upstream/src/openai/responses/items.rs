//! The input of a Responses request: items, their ids, and what must stand next to what.

use serde_json::Value;

use crate::fake::Ctx;
use crate::fake::asked::Asked;
use crate::fake::look::{Bad, Found, Obj, What, name};
use crate::openai::chat::{check_file, check_image};

/// Longest `call_id`.
const ID_MAX: usize = 64;
/// What is only ever passed through.
const HOSTED: [&str; 24] = [
    "compaction",
    "compaction_trigger",
    "configuration_update",
    "additional_tools",
    "tool_search_call",
    "tool_search_output",
    "program",
    "program_output",
    "web_search_call",
    "file_search_call",
    "computer_call",
    "computer_call_output",
    "code_interpreter_call",
    "image_generation_call",
    "local_shell_call",
    "local_shell_call_output",
    "shell_call",
    "shell_call_output",
    "apply_patch_call",
    "apply_patch_call_output",
    "mcp_list_tools",
    "mcp_call",
    "mcp_approval_request",
    "mcp_approval_response",
];

/// Calls that wait for their output.
struct Walk<'a> {
    ctx: &'a Ctx,
    open: Vec<String>,
    /// A reasoning item that waits for what belongs behind it.
    thought: Option<String>,
    /// A reasoning item stands in this turn of the model.
    reasoned: bool,
}

/// Checks it.
pub(super) fn check(ctx: &Ctx, top: &Obj<'_>, previous: &[Value], asked: &mut Asked) -> Found<()> {
    let items = match top.get("input") {
        None if ["previous_response_id", "prompt", "conversation"].iter().any(|key| top.has(key)) => {
            return Ok(());
        }
        None => return Err(Bad::new(What::Missing, "input", "required")),
        Some(Value::String(text)) => {
            asked.last_text.clone_from(text);
            return Ok(());
        }
        Some(_) => top.objects("input")?,
    };
    let calls = previous.iter().filter_map(|item| item["call_id"].as_str()).map(str::to_owned);
    let mut walk = Walk { ctx, open: calls.collect(), thought: None, reasoned: false };
    for item in &items {
        walk.step(item, asked)?;
    }
    if let Some(id) = walk.thought {
        return Err(lonely(&id));
    }
    match walk.open.first() {
        Some(call) => Err(Bad::value("input", format!("No tool output found for function call {call}."))),
        None => Ok(()),
    }
}

fn lonely(id: &str) -> Bad {
    let text = format!("Item '{id}' of type 'reasoning' was provided without its required following item.");
    Bad::value("input", text)
}

/// An id must begin as ids of its kind do.
fn id<'a>(item: &Obj<'a>, prefix: &str) -> Found<Option<&'a str>> {
    let id = item.text("id")?;
    match id {
        Some(id) if !id.starts_with(prefix) => {
            let text = format!("'{id}'. Expected an ID that begins with '{prefix}'.");
            Err(Bad::value(item.at("id"), text))
        }
        other => Ok(other),
    }
}

fn call_id<'a>(item: &Obj<'a>) -> Found<&'a str> {
    let id = item.need_text("call_id")?;
    if id.is_empty() || id.len() > ID_MAX {
        let text = format!(
            "Invalid '{}': string too long. Expected a string with maximum length {ID_MAX}.",
            item.at("call_id")
        );
        return Err(Bad::new(What::Coded("string_above_max_length"), item.at("call_id"), text));
    }
    Ok(id)
}

impl Walk<'_> {
    fn step(&mut self, item: &Obj<'_>, asked: &mut Asked) -> Found<()> {
        let kind = item.text("type")?.unwrap_or("message");
        let by_model = match kind {
            "message" => item.text("role")? == Some("assistant"),
            "function_call" | "custom_tool_call" | "reasoning" => true,
            _ => HOSTED.contains(&kind),
        };
        match self.thought.take() {
            Some(id) if !by_model => return Err(lonely(&id)),
            _ => {}
        }
        self.reasoned &= by_model;
        if !kind.ends_with("_output") {
            asked.results.clear();
        }
        match kind {
            "message" => message(item, asked)?,
            "function_call" => self.call(item, "fc", "arguments")?,
            "custom_tool_call" => self.call(item, "ctc", "input")?,
            "function_call_output" => {
                item.only(&["type", "id", "call_id", "output", "status", "name", "namespace"])?;
                id(item, "fc")?;
                self.output(item, asked)?;
            }
            "custom_tool_call_output" => {
                item.only(&["type", "id", "call_id", "output", "status"])?;
                self.output(item, asked)?;
            }
            "reasoning" => self.reasoning(item, asked)?,
            "item_reference" => self.stored(item.need_text("id")?)?,
            hosted if HOSTED.contains(&hosted) => {}
            other => return Err(Bad::value(item.at("type"), format!("'{other}' is not an item type."))),
        }
        Ok(())
    }

    fn call(&mut self, item: &Obj<'_>, prefix: &str, input: &str) -> Found<()> {
        item.only(&["type", "id", "call_id", "name", input, "status", "namespace", "caller", "async"])?;
        let own = id(item, prefix)?;
        name(item.at("name"), item.need_text("name")?, 64, "_-")?;
        item.need_text(input)?;
        item.word("status", &["in_progress", "completed", "incomplete"])?;
        self.open.push(call_id(item)?.to_owned());
        // Our ids of calls that were thought about begin so.
        match own.filter(|own| own.starts_with("fc_r") && !self.reasoned) {
            Some(own) => {
                let text = format!(
                    "Item '{own}' of type 'function_call' was provided without its required 'reasoning' item."
                );
                Err(Bad::value("input", text))
            }
            None => Ok(()),
        }
    }

    fn output(&mut self, item: &Obj<'_>, asked: &mut Asked) -> Found<()> {
        let id = call_id(item)?;
        let Some(at) = self.open.iter().position(|call| call == id) else {
            let text = format!("No tool call found for function call output with call_id {id}.");
            return Err(Bad::value("input", text));
        };
        self.open.remove(at);
        let texts = match item.get("output") {
            None => return Err(Bad::new(What::Missing, item.at("output"), "required")),
            Some(Value::String(text)) => text.clone(),
            Some(_) => parts(item, "output", &["input_text", "input_image", "input_file"])?,
        };
        asked.results.push(texts);
        Ok(())
    }

    fn reasoning(&mut self, item: &Obj<'_>, asked: &Asked) -> Found<()> {
        item.only(&["type", "id", "summary", "content", "encrypted_content", "status"])?;
        let own = id(item, "rs")?.unwrap_or("rs_").to_owned();
        if !item.has("summary") {
            return Err(Bad::new(What::Missing, item.at("summary"), "required"));
        }
        for part in item.objects("summary")? {
            part.need_word("type", &["summary_text"])?;
            part.need_text("text")?;
        }
        match item.text("encrypted_content")? {
            Some(token) => {
                let checked = self.ctx.seal.check(token, "encrypted", asked.base(), "");
                checked.map_err(|_| {
                    let text = format!("The encrypted content for item {own} could not be verified. Reason: Encrypted content could not be decrypted or parsed.");
                    Bad::new(What::Coded("invalid_encrypted_content"), item.at("encrypted_content"), text)
                })?;
            }
            None => self.stored(&own)?,
        }
        self.thought = Some(own);
        self.reasoned = true;
        Ok(())
    }

    fn stored(&self, id: &str) -> Found<()> {
        if self.ctx.stored.has_item(id) {
            return Ok(());
        }
        let text = format!(
            "Item with id '{id}' not found. Items are not persisted when `store` is set to false. Try again with `store` set to true, or remove this item from your input."
        );
        Err(Bad::new(What::Coded("not_found"), "input", text))
    }
}

fn message(item: &Obj<'_>, asked: &mut Asked) -> Found<()> {
    item.only(&["type", "id", "role", "content", "status", "phase"])?;
    let role = item.need_word("role", &["user", "assistant", "system", "developer"])?;
    id(item, "msg")?;
    item.word("status", &["in_progress", "completed", "incomplete"])?;
    item.word("phase", &["commentary", "final_answer"])?;
    let types: &[&str] = match role {
        "assistant" => &["output_text", "refusal"],
        "user" => &["input_text", "input_image", "input_file", "input_audio"],
        _ => &["input_text"],
    };
    let text = match item.get("content") {
        None => return Err(Bad::new(What::Missing, item.at("content"), "required")),
        Some(Value::String(text)) => text.clone(),
        Some(_) => parts(item, "content", types)?,
    };
    if role == "user" {
        asked.last_text = text;
    }
    Ok(())
}

/// The text of parts of these types.
fn parts(item: &Obj<'_>, key: &str, types: &[&str]) -> Found<String> {
    let mut texts = Vec::new();
    for part in item.objects(key)? {
        let kind = part.need_word("type", types)?;
        match kind {
            "input_image" => {
                part.only(&["type", "image_url", "file_id", "detail", "prompt_cache_breakpoint"])?;
                part.word("detail", &["auto", "low", "high", "original"])?;
                match part.text("image_url")? {
                    Some(url) => check_image(&part.at("image_url"), url)?,
                    None => part.need_text("file_id").map(|_| ())?,
                }
            }
            "input_file" => {
                let known = [
                    "type",
                    "file_id",
                    "file_data",
                    "filename",
                    "file_url",
                    "detail",
                    "prompt_cache_breakpoint",
                ];
                part.only(&known)?;
                if !part.has("file_url") {
                    check_file(&part)?;
                }
            }
            "refusal" => texts.push(part.need_text("refusal")?),
            "input_text" => {
                part.only(&["type", "text", "prompt_cache_breakpoint"])?;
                texts.push(part.need_text("text")?);
            }
            "output_text" => {
                part.only(&["type", "text", "annotations", "logprobs"])?;
                texts.push(part.need_text("text")?);
            }
            _ => {}
        }
    }
    Ok(texts.concat())
}
