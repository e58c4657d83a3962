//! Tools of a generateContent request, and which of them must be called.

use serde_json::Value;

use crate::fake::asked::{Asked, Choice, Offer};
use crate::fake::look::{Bad, Found, Obj, What};

const KINDS: [&str; 10] = [
    "functionDeclarations",
    "googleSearch",
    "urlContext",
    "codeExecution",
    "fileSearch",
    "googleMaps",
    "computerUse",
    "mcpServers",
    "googleSearchRetrieval",
    "retrieval",
];
/// What Google's own form of a schema has: no `$ref`, no `const`, no lists of types.
const SCHEMA: [&str; 25] = [
    "type",
    "format",
    "title",
    "description",
    "nullable",
    "enum",
    "maxItems",
    "minItems",
    "properties",
    "required",
    "minProperties",
    "maxProperties",
    "minLength",
    "maxLength",
    "pattern",
    "example",
    "anyOf",
    "propertyOrdering",
    "default",
    "items",
    "minimum",
    "maximum",
    "additionalProperties",
    "defs",
    "ref",
];

/// Checks them.
pub(super) fn check(top: &Obj<'_>, asked: &mut Asked) -> Found<()> {
    for tool in top.objects("tools")? {
        tool.only(&KINDS)?;
        for declared in tool.objects("functionDeclarations")? {
            let offer = declaration(&declared)?;
            if asked.tools.iter().any(|other| other.name == offer.name) {
                let text = format!("Duplicate function declaration found: {}", offer.name);
                return Err(Bad::new(What::Unsupported, declared.path, text));
            }
            asked.tools.push(offer);
        }
    }
    choice(top, asked)
}

fn declaration(declared: &Obj<'_>) -> Found<Offer> {
    let known = [
        "name",
        "description",
        "behavior",
        "parameters",
        "parametersJsonSchema",
        "response",
        "responseJsonSchema",
    ];
    declared.only(&known)?;
    let named = declared.need_text("name")?;
    let fits = named.len() <= 128
        && named.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && named.chars().all(|c| c.is_ascii_alphanumeric() || "_.:-".contains(c));
    if !fits {
        let text = "Invalid function name. Must start with a letter or an underscore. Must be alphameric (a-z, A-Z, 0-9), underscores (_), dots (.), colons (:), or dashes (-), with a maximum length of 128.";
        return Err(Bad::value(declared.at("name"), text));
    }
    declared.text("description")?;
    let (own, json) = (declared.obj("parameters")?, declared.obj("parametersJsonSchema")?);
    if own.is_some() && json.is_some() {
        let text = "only one of parameters and parameters_json_schema may be set";
        return Err(Bad::value(declared.at("parameters"), text));
    }
    if let Some(own) = &own {
        schema(own)?;
    }
    let map = own.or(json).map(|schema| schema.map.clone()).unwrap_or_default();
    Ok(Offer { name: named.to_owned(), custom: false, schema: Value::Object(map) })
}

/// Checks a schema in Google's own form.
pub(super) fn schema(given: &Obj<'_>) -> Found<()> {
    given.only(&SCHEMA)?;
    given.text("type")?;
    given.texts("required")?;
    given.texts("enum")?;
    if let Some(properties) = given.obj("properties")? {
        for key in properties.map.keys() {
            schema(&properties.need_obj(key)?)?;
        }
    }
    if let Some(items) = given.obj("items")? {
        schema(&items)?;
    }
    given.objects("anyOf")?.iter().try_for_each(schema)
}

fn choice(top: &Obj<'_>, asked: &mut Asked) -> Found<()> {
    let Some(config) = top.obj("toolConfig")? else { return Ok(()) };
    config.only(&["functionCallingConfig", "retrievalConfig", "includeServerSideToolInvocations"])?;
    let Some(calling) = config.obj("functionCallingConfig")? else { return Ok(()) };
    if calling.has("streamFunctionCallArguments") {
        return Err(Bad::new(What::Unknown, calling.at("streamFunctionCallArguments"), "unknown"));
    }
    calling.only(&["mode", "allowedFunctionNames"])?;
    let mode = calling.word("mode", &["MODE_UNSPECIFIED", "AUTO", "ANY", "NONE", "VALIDATED"])?;
    let allowed = calling.texts("allowedFunctionNames")?;
    if !allowed.is_empty() && !matches!(mode, Some("ANY" | "VALIDATED")) {
        let text =
            "allowed_function_names should only be set when the function calling mode is ANY or VALIDATED.";
        return Err(Bad::new(What::Unsupported, calling.at("allowedFunctionNames"), text));
    }
    if mode == Some("ANY") && asked.tools.is_empty() {
        let text = "Function calling config is set without function_declarations.";
        return Err(Bad::new(What::Unsupported, calling.path, text));
    }
    for named in &allowed {
        if !asked.tools.iter().any(|tool| tool.name == *named) {
            let text = format!("allowed_function_names contains '{named}' which is not declared.");
            return Err(Bad::new(What::Unsupported, calling.at("allowedFunctionNames"), text));
        }
    }
    if !allowed.is_empty() {
        asked.tools.retain(|tool| allowed.contains(&tool.name.as_str()));
    }
    asked.choice = match mode {
        Some("ANY") => Choice::Any,
        Some("NONE") => Choice::None,
        _ => Choice::Auto,
    };
    Ok(())
}
