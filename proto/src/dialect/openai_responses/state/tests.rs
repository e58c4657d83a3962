//! Chains of requests, lists and background responses.

use serde_json::{Value, json};

use super::*;

fn chained(body: &str, items: &[Value]) -> String {
    String::from_utf8(with_previous(body.as_bytes(), items).unwrap().to_vec()).unwrap()
}

#[test]
fn stored_items_come_first_and_nothing_else_changes() {
    let items = [json!({"a":1}), json!({"b":2})];
    let message = r#"{"type":"message","role":"user","content":"h\u00e9"}"#;
    for (body, wanted) in [
        (
            r#"{"model":"m", "previous_response_id":"r", "input":[ {"c":3}], "x" : 1}"#.to_owned(),
            r#"{"model":"m", "input":[{"a":1},{"b":2}, {"c":3}], "x" : 1}"#.to_owned(),
        ),
        (
            r#"{"input":"h\u00e9","previous_response_id":"r"}"#.to_owned(),
            format!(r#"{{"input":[{{"a":1}},{{"b":2}},{message}]}}"#),
        ),
        (
            r#"{"model":"m","previous_response_id":"r"}"#.to_owned(),
            r#"{"model":"m","input":[{"a":1},{"b":2}]}"#.to_owned(),
        ),
        (
            r#"{"previous_response_id":"r","input":null,"m":1}"#.to_owned(),
            r#"{"input":[{"a":1},{"b":2}],"m":1}"#.to_owned(),
        ),
        (r#"{"model":"m"}"#.to_owned(), r#"{"input":[{"a":1},{"b":2}],"model":"m"}"#.to_owned()),
        (r#"{"input":[]}"#.to_owned(), r#"{"input":[{"a":1},{"b":2}]}"#.to_owned()),
    ] {
        assert_eq!(chained(&body, &items), wanted);
        assert!(serde_json::from_str::<Value>(&wanted).is_ok(), "{wanted}");
    }
    assert_eq!(chained(r#"{"input":[{"c":3}]}"#, &[]), r#"{"input":[{"c":3}]}"#);
    assert_eq!(chained("{}", &[]), r#"{"input":[]}"#);
    assert!(with_previous(br#"{"input":7}"#, &items).is_err());
}

#[test]
fn what_is_stored_lets_a_later_request_go_on() {
    let message = json!({"id":"msg_1","type":"message","role":"assistant","content":[]});
    let mute = json!({"id":"rs_1","type":"reasoning","summary":[]});
    let sealed = json!({"id":"rs_2","type":"reasoning","summary":[],"encrypted_content":"g"});
    let items = items_of(br#"{"input":"hi"}"#, &json!({"output":[sealed, message]}));
    assert_eq!(items, [json!({"type":"message","role":"user","content":"hi"}), sealed, message.clone()]);
    let items = items_of(br#"{"input":[{"x":1}]}"#, &json!({"output":[mute, message]}));
    assert_eq!(items, [json!({"x":1}), json!({"type":"message","role":"assistant","content":[]})]);
    assert_eq!(items_of(b"junk", &Value::Null), Vec::<Value>::new());
}

#[test]
fn listed_items_have_types_and_ids() {
    let body = br#"{"input":[{"role":"user","content":"hi"},{"id":"x","type":"function_call"},{"type":"function_call_output"}]}"#;
    let items = input_items(body);
    assert_eq!(items[0]["content"], json!([{"type":"input_text","text":"hi"}]));
    assert_eq!((&items[0]["type"], &items[1]["id"]), (&json!("message"), &json!("x")));
    assert!(items[0]["id"].as_str().unwrap().starts_with("msg_"));
    assert!(items[2]["id"].as_str().unwrap().starts_with("fco_"));
    assert_eq!(items, input_items(body));
    assert_eq!(input_items(br#"{"input":"hi"}"#).len(), 1);
}

#[test]
fn background_responses_have_every_state() {
    let body = br#"{"model":"m","input":"x","background":true,"metadata":{"a":"b"},"tools":[{"type":"function","name":"f"}]}"#;
    let waiting = queued("resp_1", body, 7);
    assert_eq!(
        (&waiting["status"], &waiting["id"], &waiting["created_at"]),
        (&json!("queued"), &json!("resp_1"), &json!(7))
    );
    assert_eq!(
        (&waiting["background"], &waiting["metadata"], &waiting["usage"]),
        (&json!(true), &json!({"a":"b"}), &Value::Null)
    );
    assert_eq!(waiting["tools"][0]["strict"], Value::Null);
    assert_eq!(in_progress(waiting.clone())["status"], "in_progress");
    assert_eq!(cancelled(waiting.clone())["status"], "cancelled");
    let failed = failed(waiting.clone(), &Fault::new(FaultCode::UpstreamRateLimited, "Slow down."));
    assert_eq!(
        (&failed["status"], &failed["error"]["code"]),
        (&json!("failed"), &json!("rate_limit_exceeded"))
    );
    assert_eq!(with_id(waiting, "resp_2")["id"], "resp_2");
}
