//! The provider's body, made from the caller's by changing single spans of it.

use bytes::Bytes;

use super::request::{expected, object, utf8};
use crate::dialect::json::{self, Edit};
use crate::fault::{Fault, FaultCode};

/// The caller's body, byte for byte, but for the value of its top-level `model`; of a streaming request also
/// with `stream_options.include_usage` = `true`, so that the provider tells what it used.
///
/// # Errors
/// [`FaultCode::InvalidRequest`] for a body that [`scan`](super::scan) would have refused as well.
pub fn rewrite(body: &Bytes, model: &str) -> Result<Bytes, Fault> {
    let text = utf8(body)?;
    let (mut named, mut stream, mut options) = (None, None, None);
    let mut twice = false;
    object(text, |member| {
        let place = match &*member.name() {
            "model" => &mut named,
            "stream" => &mut stream,
            "stream_options" => &mut options,
            _ => return,
        };
        twice |= place.replace(member.value).is_some();
    })?;
    if twice {
        return Err(Fault::new(FaultCode::InvalidRequest, "The body names a key twice."));
    }
    let named = named.ok_or_else(|| expected("model", "a string"))?;
    let mut edits = Vec::with_capacity(2);
    if json::string(named).ok_or_else(|| expected("model", "a string"))? != model {
        edits.push(Edit::replace(text, named, quoted(model)));
    }
    if let Some(flag @ "true") = stream {
        edits.extend(ask_for_usage(text, flag, options)?);
    }
    Ok(splice(body, edits))
}

fn ask_for_usage(text: &str, flag: &str, options: Option<&str>) -> Result<Option<Edit>, Fault> {
    const ASK: &str = r#""include_usage":true"#;
    let options = match options {
        None => {
            let after = json::span(text.as_bytes(), flag.as_bytes()).end;
            return Ok(Some(Edit::insert(after, format!(r#","stream_options":{{{ASK}}}"#))));
        }
        Some(null @ "null") => return Ok(Some(Edit::replace(text, null, format!("{{{ASK}}}")))),
        Some(options) if options.starts_with('{') => options,
        Some(_) => return Err(expected("stream_options", "an object")),
    };
    let mut asked = None;
    object(options, |member| {
        if member.name() == "include_usage" {
            asked = Some(member.value);
        }
    })?;
    Ok(match asked {
        Some("true") => None,
        Some(other) => Some(Edit::replace(text, other, "true")),
        None => {
            let start = json::span(text.as_bytes(), options.as_bytes()).start;
            let edit = Edit::first_member(options, ASK);
            Some(Edit::insert(start + edit.span.start, edit.with))
        }
    })
}

pub(in crate::dialect) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

pub(in crate::dialect) fn splice(body: &Bytes, mut edits: Vec<Edit>) -> Bytes {
    if edits.is_empty() {
        return body.clone();
    }
    edits.sort_unstable_by_key(|edit| edit.span.start);
    let more: usize = edits.iter().map(|edit| edit.with.len()).sum();
    let mut out = Vec::with_capacity(body.len() + more);
    let mut at = 0;
    for edit in &edits {
        out.extend_from_slice(&body[at..edit.span.start]);
        out.extend_from_slice(edit.with.as_bytes());
        at = edit.span.end;
    }
    out.extend_from_slice(&body[at..]);
    Bytes::from(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn rewritten(body: &str, model: &str) -> String {
        let out = rewrite(&Bytes::copy_from_slice(body.as_bytes()), model).unwrap();
        String::from_utf8(out.to_vec()).unwrap()
    }

    #[test]
    fn only_the_model_changes() {
        let body = "{\n  \"temperature\": 1.0e0, \"model\" : \"fast\" ,\"messages\":[{\"model\":\"fast\"}],\t\"seed\":12345678901234567890123 }";
        assert_eq!(rewritten(body, "gpt-\"4\""), body.replacen("\"fast\"", "\"gpt-\\\"4\\\"\"", 1));
    }

    #[test]
    fn a_stream_is_asked_for_its_usage() {
        let cases = [
            (
                r#"{"model":"a","stream":true}"#,
                r#"{"model":"b","stream":true,"stream_options":{"include_usage":true}}"#,
            ),
            (
                r#"{"stream_options":null,"model":"a","stream":true }"#,
                r#"{"stream_options":{"include_usage":true},"model":"b","stream":true }"#,
            ),
            (
                r#"{"stream":true,"stream_options":{ },"model":"a"}"#,
                r#"{"stream":true,"stream_options":{"include_usage":true },"model":"b"}"#,
            ),
            (
                r#"{"stream":true,"stream_options":{ "x":1},"model":"a"}"#,
                r#"{"stream":true,"stream_options":{"include_usage":true, "x":1},"model":"b"}"#,
            ),
            (
                r#"{"stream":true,"stream_options":{"include_usage": false },"model":"a"}"#,
                r#"{"stream":true,"stream_options":{"include_usage": true },"model":"b"}"#,
            ),
            (
                r#"{"stream":false,"stream_options":null,"model":"a"}"#,
                r#"{"stream":false,"stream_options":null,"model":"b"}"#,
            ),
        ];
        for (body, expected) in cases {
            assert_eq!(rewritten(body, "b"), expected);
        }
    }

    #[test]
    fn nothing_to_change_costs_no_copy() {
        let body = Bytes::from_static(
            br#"{"model":"\u0061","stream":true,"stream_options":{"include_usage":true}}"#,
        );
        let out = rewrite(&body, "a").unwrap();
        assert_eq!(out.as_ptr(), body.as_ptr());
    }

    #[test]
    fn what_scan_refuses_is_refused_here_too() {
        for bad in [
            r#"{}"#,
            r#"{"model":1}"#,
            "[]",
            "{",
            r#"{"model":"a","model":"b"}"#,
            r#"{"model":"a","stream":true,"stream_options":3}"#,
        ] {
            assert!(rewrite(&Bytes::copy_from_slice(bad.as_bytes()), "m").is_err(), "{bad}");
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-z\"\\\\é]{0,6}|model|include_usage", inner, 0..4)
                    .prop_map(|m| Value::Object(m.into_iter().collect())),
            ]
        })
    }

    prop_compose! {
        fn any_body()(
            mut rest in prop::collection::btree_map("[a-z\"\\\\é]{1,8}", any_json(), 0..6),
            model in ".{1,12}",
            stream in prop::option::of(any::<bool>()),
            options in prop::option::of(prop_oneof![
                Just(Value::Null), Just(json!({})), Just(json!({"include_usage": false})),
                Just(json!({"a": [1], "include_usage": true})), Just(json!({"b": {"include_usage": 1}})),
            ]),
            pretty in any::<bool>(),
        ) -> String {
            rest.insert("model".into(), model.into());
            if let Some(stream) = stream { rest.insert("stream".into(), stream.into()); }
            if let Some(options) = options { rest.insert("stream_options".into(), options); }
            if pretty { serde_json::to_string_pretty(&rest) } else { serde_json::to_string(&rest) }.unwrap()
        }
    }

    proptest! {
        #[test]
        fn the_meaning_differs_in_two_members_only(body in any_body(), model in ".{1,12}") {
            let out = rewritten(&body, &model);
            let mut expected: Value = serde_json::from_str(&body).unwrap();
            expected["model"] = model.clone().into();
            if expected["stream"] == true {
                if expected["stream_options"].is_null() { expected["stream_options"] = json!({}); }
                expected["stream_options"]["include_usage"] = true.into();
            }
            prop_assert_eq!(serde_json::from_str::<Value>(&out).unwrap(), expected);
            // A second pass finds nothing left to change.
            prop_assert_eq!(rewritten(&out, &model), out);
        }

        #[test]
        fn every_other_byte_stays(before in "[ \n\t]{0,4}", number in "-?[1-9][0-9]{0,30}(\\.[0-9]{1,9})?([eE][+-]?[0-9]{1,3})?",
            text in "[^\"\\\\\u{0}-\u{1f}]{0,20}", model in "[a-z0-9./-]{1,20}")
        {
            let head = format!("{before}{{\"x\" : {number},\"y\":\"{text}\\u00e9\\/\",\"model\":{before}");
            let tail = format!("{before},\"messages\":[{{\"content\":\"{text}\"}}]{before}}}");
            let out = rewritten(&format!("{head}\"the-alias\"{tail}"), &model);
            prop_assert_eq!(out, format!("{head}\"{model}\"{tail}"));
        }
    }
}
