//! A case for every rule of generateContent, and answers whole and streamed.

mod streams;

use serde_json::{Value, json};

use super::SENTINEL;
use crate::fake::Kind;
use crate::fake::seal::Seal;
use crate::fake::test::{accepts, ctx, headers, incoming, patched, refuses};

const PATH: &str = "/v1beta/models/gemini-3.8-flash:generateContent";
const OLD: &str = "/v1beta/models/gemini-2.5-flash:generateContent";

fn base() -> Value {
    json!({"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]})
}

fn tool() -> Value {
    json!([{"functionDeclarations": [{"name": "get_weather", "parametersJsonSchema": {"type": "object",
        "properties": {"city": {"type": "string"}}}}]}])
}

fn user(part: Value) -> Value {
    json!({"role": "user", "parts": [part]})
}

fn call(signature: Option<&str>) -> Value {
    let mut part = json!({"functionCall": {"name": "get_weather", "args": {}}});
    if let Some(signature) = signature {
        part["thoughtSignature"] = json!(signature);
    }
    json!({"role": "model", "parts": [part]})
}

fn result(name: &str) -> Value {
    user(json!({"functionResponse": {"name": name, "response": {"output": "21"}}}))
}

fn contents(list: &[Value]) -> Value {
    json!({"contents": list})
}

fn signed(name: &str, model: &str) -> String {
    Seal { name: name.to_owned() }.make("thought", model, "")
}

#[test]
fn refuses_wrong_fields() {
    let config = |config: Value| json!({"generationConfig": config});
    let rules = [
        (json!({"messages": []}), "Unknown name \\\"messages\\\": Cannot find field"),
        (json!({"contents": []}), "contents is not specified"),
        (json!({"contents": "Hi"}), "expected an array"),
        (json!({"systemInstruction": "s"}), "expected an object"),
        (config(json!({"max_tokens": 5})), "Unknown name \\\"maxTokens\\\" at 'generationConfig'"),
        (config(json!({"temperature": 2.5})), "between 0 and 2"),
        (config(json!({"stopSequences": ["1", "2", "3", "4", "5", "6"]})), "at most 5"),
        (config(json!({"responseJsonSchema": {}})), "requires response_mime_type"),
        (
            config(json!({"responseMimeType": "application/json", "responseSchema": {"$ref": "#"}})),
            "Unknown name \\\"$ref\\\"",
        ),
        (
            config(
                json!({"responseMimeType": "application/json", "responseSchema": {"type": ["string", "null"]}}),
            ),
            "expected a string",
        ),
        (
            config(
                json!({"responseMimeType": "application/json", "responseSchema": {}, "responseJsonSchema": {}}),
            ),
            "only one of",
        ),
        (
            config(json!({"thinkingConfig": {"thinkingBudget": 512, "thinkingLevel": "LOW"}})),
            "only set only one",
        ),
        (config(json!({"thinkingConfig": {"thinkingLevel": "low"}})), "Supported values"),
        (config(json!({"logprobs": 3})), "requires response_logprobs"),
        (json!({"serviceTier": "default"}), "Supported values"),
        (json!({"safetySettings": [{"category": "HATE", "threshold": "OFF"}]}), "Supported values"),
        (json!({"cachedContent": "x"}), "cachedContents/"),
    ];
    refuses(Kind::Gemini, PATH, &base(), &rules);
    accepts(
        Kind::Gemini,
        PATH,
        &base(),
        &[
            config(json!({"thinkingConfig": {"thinkingLevel": "LOW", "includeThoughts": true}, "seed": 1})),
            json!({"generation_config": {"max_output_tokens": 5}, "tools": [{"function_declarations": [{"name": "a_b",
                "parameters": {"type": "object", "properties": {"c_d": {"type": "string"}}, "required": ["c_d"]}}]}]}),
            patched(&json!({"tools": tool()}), &config(json!({"responseMimeType": "application/json"}))),
        ],
    );
    let old = [
        (config(json!({"thinkingConfig": {"thinkingLevel": "LOW"}})), "not supported for this model"),
        (
            patched(&json!({"tools": tool()}), &config(json!({"responseMimeType": "application/json"}))),
            "is unsupported",
        ),
    ];
    refuses(Kind::Gemini, OLD, &base(), &old);
    let never = [(config(json!({"thinkingConfig": {"thinkingBudget": 0}})), "only works in thinking mode")];
    refuses(Kind::Gemini, "/v1beta/models/gemini-2.5-pro:generateContent", &base(), &never);
    let four =
        [(config(json!({"thinkingConfig": {"thinkingLevel": "MINIMAL"}})), "not supported for this model")];
    refuses(Kind::Gemini, "/v1beta/models/gemini-4-argon:generateContent", &base(), &four);
}

#[test]
fn refuses_wrong_tools() {
    let declared = |declared: Value| json!({"tools": [{"functionDeclarations": [declared]}]});
    let calling = |calling: Value| json!({"tools": tool(), "toolConfig": {"functionCallingConfig": calling}});
    let rules = [
        (json!({"tools": [{"type": "function"}]}), "Unknown name \\\"type\\\" at 'tools[0]'"),
        (declared(json!({"name": "1a"})), "Invalid function name"),
        (declared(json!({"name": "a", "input_schema": {}})), "Unknown name"),
        (declared(json!({"name": "a", "parameters": {"$defs": {}}})), "Unknown name \\\"$defs\\\""),
        (
            declared(
                json!({"name": "a", "parameters": {"type": "object", "properties": {"b": {"const": 1}}}}),
            ),
            "Unknown name \\\"const\\\"",
        ),
        (declared(json!({"name": "a", "parameters": {}, "parametersJsonSchema": {}})), "only one of"),
        (json!({"tools": [tool()[0], tool()[0]]}), "Duplicate function declaration"),
        (calling(json!({"mode": "any"})), "Supported values"),
        (calling(json!({"mode": "AUTO", "allowedFunctionNames": ["get_weather"]})), "only be set when"),
        (calling(json!({"mode": "ANY", "allowedFunctionNames": ["x"]})), "not declared"),
        (json!({"toolConfig": {"functionCallingConfig": {"mode": "ANY"}}}), "without function_declarations"),
    ];
    refuses(Kind::Gemini, PATH, &base(), &rules);
    accepts(
        Kind::Gemini,
        PATH,
        &base(),
        &[
            calling(json!({"mode": "ANY", "allowedFunctionNames": ["get_weather"]})),
            json!({"tools": [{"googleSearch": {}}]}),
        ],
    );
}

#[test]
fn refuses_wrong_parts() {
    let rules = [
        (contents(&[json!({"role": "assistant", "parts": [{"text": "x"}]})]), "valid role: user, model"),
        (contents(&[json!({"role": "user", "parts": []})]), "must not be empty"),
        (contents(&[user(json!({}))]), "must have one initialized field"),
        (
            contents(&[user(json!({"text": "x", "inlineData": {"mimeType": "image/png", "data": "AAAA"}}))]),
            "already set",
        ),
        (
            contents(&[user(json!({"type": "text", "text": "x"}))]),
            "Unknown name \\\"type\\\" at 'contents[0].parts[0]'",
        ),
        (contents(&[user(json!({"text": ""}))]), "must not be empty"),
        (
            contents(&[user(json!({"inlineData": {"mimeType": "image/gif", "data": "R0lGODlh"}}))]),
            "Unsupported MIME type",
        ),
        (
            contents(&[user(json!({"inlineData": {"mimeType": "image/png", "data": "%"}}))]),
            "Base64 decoding failed",
        ),
        (
            contents(&[user(json!({"fileData": {"fileUri": "https://example.org/a.png"}}))]),
            "unsupported file uri",
        ),
        (
            contents(&[user(json!({"functionCall": {"name": "f", "args": {}}}))]),
            "only allowed in a turn of role model",
        ),
    ];
    refuses(Kind::Gemini, PATH, &base(), &rules);
    let picture = json!({"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}});
    accepts(Kind::Gemini, PATH, &base(), &[contents(&[user(picture)])]);
}

#[test]
fn refuses_wrong_order_and_signatures() {
    let hi = user(json!({"text": "Hi"}));
    let ours = signed("gemini", "gemini-3.8-flash");
    let call = |signature: &str| call(Some(signature));
    let rules = [
        (contents(&[hi.clone(), call(&ours)]), "equal to the number of function call parts"),
        (contents(&[hi.clone(), call(&ours), hi.clone()]), "equal to the number of function call parts"),
        (contents(&[result("get_weather")]), "immediately after a function call turn"),
        (
            contents(&[
                hi.clone(),
                json!({"role": "model", "parts": [{"text": "a"}]}),
                call(&ours),
                result("get_weather"),
            ]),
            "immediately after a user turn",
        ),
        (contents(&[hi.clone(), call(&ours), result("other")]), "does not match any function call"),
        (
            contents(&[
                hi.clone(),
                call(&ours),
                user(json!({"functionResponse": {"name": "get_weather", "response": "21"}})),
            ]),
            "expected an object",
        ),
        (
            contents(&[hi.clone(), call(&ours), user(json!({"functionResponse": {"response": {}}}))]),
            "name is not specified",
        ),
        (
            contents(&[
                hi.clone(),
                json!({"role": "model", "parts": [{"functionCall": {"name": "f", "args": "{}"}}]}),
            ]),
            "expected an object",
        ),
        (contents(&[hi.clone(), self::call(None), result("get_weather")]), "missing a thought_signature"),
        (
            contents(&[hi.clone(), call(&signed("anthropic", "gemini-3.8-flash")), result("get_weather")]),
            "Corrupted thought signature",
        ),
        (
            contents(&[hi.clone(), call(&signed("gemini", "gemini-4-argon")), result("get_weather")]),
            "Corrupted thought signature",
        ),
    ];
    refuses(Kind::Gemini, PATH, &base(), &rules);
    accepts(
        Kind::Gemini,
        PATH,
        &base(),
        &[
            contents(&[hi.clone(), call(&ours), result("get_weather")]),
            contents(&[hi.clone(), call(SENTINEL), result("get_weather")]),
            contents(&[hi.clone(), self::call(None), result("get_weather"), hi.clone()]),
        ],
    );
    accepts(Kind::Gemini, OLD, &base(), &[contents(&[hi, self::call(None), result("get_weather")])]);
}

#[test]
fn keys_and_paths() {
    let ctx = ctx(Kind::Gemini);
    let answer = |path: &str, header: Option<(&'static str, &str)>| {
        let headers: Vec<_> = header.map(|(name, value)| (name, value.to_owned())).into_iter().collect();
        crate::gemini::route(&ctx, &incoming(path, &headers, &base()))
            .err()
            .map(|r| (r.status, r.body.to_string()))
    };
    let key = Kind::Gemini.key();
    assert_eq!(answer(PATH, Some(("x-goog-api-key", key))), None);
    assert_eq!(answer(&format!("{PATH}?key={key}"), None), None);
    let wrong = answer(PATH, Some(("x-goog-api-key", "no"))).unwrap();
    assert!(wrong.0 == 400 && wrong.1.contains("API_KEY_INVALID"));
    assert_eq!(answer(PATH, None).unwrap().0, 403);
    assert_eq!(answer(PATH, Some(("authorization", "Bearer x"))).unwrap().0, 401);
    for path in [
        "/v2/models/gemini-3.8-flash:generateContent",
        "/v1beta/models/gemini-3.8-flash:chat",
        "/v1beta/models/gpt-6-luna:generateContent",
        "/v1beta/gemini-3.8-flash:generateContent",
    ] {
        let call = incoming(path, &headers(Kind::Gemini), &base());
        assert_eq!(crate::gemini::route(&ctx, &call).unwrap_err().status, 404, "{path}");
    }
}

#[test]
fn embeds() {
    let path = "/v1beta/models/gemini-embedding-001:batchEmbedContents";
    let one = json!({"model": "models/gemini-embedding-001", "content": {"parts": [{"text": "Hi"}]}});
    let rules = [
        (json!({"requests": []}), "not specified"),
        (
            json!({"requests": [{"model": "gemini-embedding-001", "content": {"parts": [{"text": "Hi"}]}}]}),
            "must match",
        ),
        (
            json!({"requests": [{"model": "models/gemini-embedding-001", "content": {"parts": []}}]}),
            "empty Part",
        ),
    ];
    refuses(Kind::Gemini, path, &json!({"requests": [one]}), &rules);
}
