//! What admission needs to know of a caller's request, found in one pass without a tree, and the provider's body
//! made from the caller's by changing single spans of it.

use bytes::Bytes;

use crate::canonical::State;
use crate::dialect::json::{self, Edit};
use crate::dialect::openai_chat::Scan;
use crate::dialect::openai_chat::estimate;
use crate::dialect::openai_chat::request::{
    expected, flag, invalid, members_of, missing, model, object, utf8,
};
use crate::dialect::openai_chat::rewrite::{quoted, splice};
use crate::fault::Fault;
use crate::usage::{Estimate, estimate_tokens};

/// What an answer may use where the caller sets no limit, in tokens.
const OUTPUT_TOKENS_DEFAULT: u64 = 1_024;

/// The most output tokens an estimate claims, whatever limit the caller sets.
const OUTPUT_TOKENS_MAX: u64 = 1 << 24;

/// The longest id of a response or a conversation, in characters.
const ID_CHARS_MAX: usize = 256;

/// The members that matter, as written.
#[derive(Default)]
struct Wanted<'a> {
    model: Option<&'a str>,
    input: Option<&'a str>,
    prompt: Option<&'a str>,
    previous_response_id: Option<&'a str>,
    conversation: Option<&'a str>,
    store: Option<&'a str>,
    background: Option<&'a str>,
    stream: Option<&'a str>,
    instructions: Option<&'a str>,
    tools: Option<&'a str>,
    max_output_tokens: Option<&'a str>,
}

impl<'a> Wanted<'a> {
    fn note(&mut self, name: &str, value: &'a str) {
        let place = match name {
            "model" => &mut self.model,
            "input" => &mut self.input,
            "prompt" => &mut self.prompt,
            "previous_response_id" => &mut self.previous_response_id,
            "conversation" => &mut self.conversation,
            "store" => &mut self.store,
            "background" => &mut self.background,
            "stream" => &mut self.stream,
            "instructions" => &mut self.instructions,
            "tools" => &mut self.tools,
            "max_output_tokens" => &mut self.max_output_tokens,
            _ => return,
        };
        *place = Some(value).filter(|value| *value != "null");
    }

    /// Reads a body's members; a fault where it is no JSON object or names a key twice.
    fn read(body: &'a [u8]) -> Result<Self, Fault> {
        let mut wanted = Self::default();
        members_of(body, |name, value| wanted.note(name, value))?;
        Ok(wanted)
    }

    fn scan(&self) -> Result<Scan, Fault> {
        let model = model(self.model)?;
        self.input()?;
        let stream = flag(self.stream, "stream")?;
        let texts = [self.input, self.instructions, self.tools];
        let chars = texts.into_iter().flatten().map(estimate::text_chars).sum();
        let limit = self.max_output_tokens.and_then(json::count).filter(|n| *n > 0);
        let estimate = Estimate {
            input_tokens: estimate_tokens(chars),
            output_tokens: limit.unwrap_or(OUTPUT_TOKENS_DEFAULT).min(OUTPUT_TOKENS_MAX),
        };
        Ok(Scan { model, stream, include_usage: false, estimate })
    }

    fn input(&self) -> Result<(), Fault> {
        const WHAT: &str = "a string or an array of at least one item";
        let instead =
            self.prompt.is_some() || self.previous_response_id.is_some() || self.conversation.is_some();
        match self.input {
            None if instead => Ok(()),
            None => Err(missing("input", WHAT)),
            Some(raw) if raw.starts_with('"') => Ok(()),
            Some(raw) if raw.starts_with('[') && (instead || !json::is_empty(raw)) => Ok(()),
            Some(_) => Err(expected("input", WHAT)),
        }
    }

    fn state(&self) -> Result<State, Fault> {
        let previous_id = self.previous_response_id.map(|raw| id(raw, "previous_response_id")).transpose()?;
        let conversation = self.conversation.map(conversation).transpose()?;
        if previous_id.is_some() && conversation.is_some() {
            let message =
                "`conversation` and `previous_response_id` exclude each other: expected at most one.";
            return Err(invalid(message).with_param("conversation"));
        }
        let store = self.store.map(|raw| flag(Some(raw), "store")).transpose()?;
        let background = flag(self.background, "background")?;
        if background && store == Some(false) {
            let message = "A background response is stored until it is fetched: expected `store` to be true.";
            return Err(invalid(message).with_param("store"));
        }
        Ok(State { previous_id, conversation, store, background })
    }
}

/// Reads a caller's body.
///
/// # Errors
/// [`crate::fault::FaultCode::InvalidRequest`] naming what was expected and where, unless the body is UTF-8, one
/// JSON object without duplicate keys, nested at most [`JSON_DEPTH_MAX`](crate::dialect::JSON_DEPTH_MAX) deep, with
/// a `model`, one of `input`, `prompt`, `conversation` and `previous_response_id`, and `stream` of its type.
pub fn scan(body: &[u8]) -> Result<Scan, Fault> {
    Wanted::read(body)?.scan()
}

/// Both [`scan`] and [`scan_state`] in one pass.
///
/// # Errors
/// Those of both.
pub fn scan_all(body: &[u8]) -> Result<(Scan, State), Fault> {
    let wanted = Wanted::read(body)?;
    Ok((wanted.scan()?, wanted.state()?))
}

/// Reads what a caller's body says about state kept between requests.
///
/// # Errors
/// [`crate::fault::FaultCode::InvalidRequest`] naming the field of a wrong type, `conversation` beside
/// `previous_response_id`, or `background` with `store` switched off.
pub fn scan_state(body: &[u8]) -> Result<State, Fault> {
    Wanted::read(body)?.state()
}

fn id(raw: &str, param: &str) -> Result<String, Fault> {
    const WHAT: &str = "a string of 1 to 256 characters";
    let id = json::string(raw).ok_or_else(|| expected(param, WHAT))?;
    if id.is_empty() || id.chars().nth(ID_CHARS_MAX).is_some() {
        return Err(expected(param, WHAT));
    }
    Ok(id.into_owned())
}

/// `"conv_…"` or `{"id":"conv_…"}`.
fn conversation(raw: &str) -> Result<String, Fault> {
    if !raw.starts_with('{') {
        return id(raw, "conversation");
    }
    let mut named = None;
    object(raw, |member| {
        if member.name() == "id" {
            named = Some(member.value);
        }
    })?;
    id(named.unwrap_or_default(), "conversation.id")
}

/// The caller's body, byte for byte, but for the value of its top-level `model`, and `background`, which is
/// Forebay's own affair, switched off.
///
/// # Errors
/// [`crate::fault::FaultCode::InvalidRequest`] for a body that [`scan`] would have refused as well.
pub fn rewrite(body: &Bytes, model: &str) -> Result<Bytes, Fault> {
    let text = utf8(body)?;
    let (mut named, mut background) = (None, None);
    let mut twice = false;
    object(text, |member| {
        let place = match &*member.name() {
            "model" => &mut named,
            "background" => &mut background,
            _ => return,
        };
        twice |= place.replace(member.value).is_some();
    })?;
    if twice {
        return Err(invalid("The body names a key twice."));
    }
    let named = named.ok_or_else(|| expected("model", "a string"))?;
    let mut edits = Vec::with_capacity(2);
    if json::string(named).ok_or_else(|| expected("model", "a string"))? != model {
        edits.push(Edit::replace(text, named, quoted(model)));
    }
    if let Some(flag @ "true") = background {
        edits.push(Edit::replace(text, flag, "false"));
    }
    Ok(splice(body, edits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_says_what_admission_needs() {
        let body =
            br#"{"model":"m","input":"12345678","instructions":"1234","stream":true,"max_output_tokens":9}"#;
        let scan = scan(body).unwrap();
        assert_eq!((scan.model.as_str(), scan.stream, scan.include_usage), ("m", true, false));
        assert_eq!(scan.estimate, Estimate { input_tokens: 4, output_tokens: 9 });
        assert!(super::scan(br#"{"model":"m","previous_response_id":"resp_1"}"#).is_ok());
        assert!(super::scan(br#"{"model":"m","prompt":{"id":"p"},"input":null}"#).is_ok());
    }

    #[test]
    fn a_member_that_does_not_fit_is_named() {
        for (body, param) in [
            (r#"{"input":"x"}"#, "model"),
            (r#"{"model":"m"}"#, "input"),
            (r#"{"model":"m","input":[]}"#, "input"),
            (r#"{"model":"m","input":{"a":1}}"#, "input"),
            (r#"{"model":"m","input":"x","stream":"yes"}"#, "stream"),
            (r#"{"model":"m","input":"x","input":"y"}"#, "input"),
        ] {
            assert_eq!(scan(body.as_bytes()).unwrap_err().param.as_deref(), Some(param), "{body}");
        }
        for (body, param) in [
            (r#"{"store":1}"#, "store"),
            (r#"{"background":"yes"}"#, "background"),
            (r#"{"background":true,"store":false}"#, "store"),
            (r#"{"previous_response_id":""}"#, "previous_response_id"),
            (r#"{"conversation":{"id":7}}"#, "conversation.id"),
            (r#"{"conversation":"c","previous_response_id":"r"}"#, "conversation"),
        ] {
            assert_eq!(scan_state(body.as_bytes()).unwrap_err().param.as_deref(), Some(param), "{body}");
        }
    }

    #[test]
    fn state_is_read() {
        let state = scan_state(br#"{"store":true,"background":true,"conversation":{"id":"c"}}"#).unwrap();
        let wanted =
            State { previous_id: None, conversation: Some("c".into()), store: Some(true), background: true };
        assert_eq!(state, wanted);
        assert_eq!(scan_state(b"{}").unwrap(), State::default());
    }

    #[test]
    fn only_the_model_and_background_change() {
        let body = Bytes::from_static(br#"{ "model" : "a", "x":[1 ,2], "background":true,"input":"\u00e9"}"#);
        let out = rewrite(&body, "b").unwrap();
        assert_eq!(&*out, br#"{ "model" : "b", "x":[1 ,2], "background":false,"input":"\u00e9"}"#);
        let same = Bytes::from_static(br#"{"model":"a","input":"x"}"#);
        assert_eq!(rewrite(&same, "a").unwrap(), same);
        assert!(rewrite(&Bytes::from_static(br#"{"model":"a","model":"b"}"#), "c").is_err());
    }
}
