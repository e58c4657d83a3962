//! The numbers a provider would bill for each answer, written by hand beside it: every caller's exchange reports just
//! these, whole and streamed.
//!
//! `{"input": 12, "output": 5, …}` holds for the answer and its stream; `null` where the provider says nothing. Where
//! they differ, there is one under `answer` and one under `stream`.

use bytes::Bytes;
use proto::dialect::Dialect;
use proto::usage::Reported;
use serde_json::{Map, Value, json};

use super::answers::{exchange, relayed};
use super::cast::{CALLERS, PROVIDERS};
use super::shelf;

/// Token classes, without those that are nought.
fn classes(reported: Option<Reported>) -> Value {
    let Some(r) = reported else { return Value::Null };
    let mut map = Map::new();
    let numbers = [
        ("input", r.input_tokens),
        ("output", r.output_tokens),
        ("cached", r.cached_input_tokens),
        ("cache_write", r.cache_write_tokens),
        ("cache_write_long", r.cache_write_long_tokens),
        ("reasoning", r.reasoning_tokens),
        ("web_searches", r.web_searches),
    ];
    for (name, number) in numbers {
        let said = matches!(name, "input" | "output");
        match number {
            Some(0) if !said => {}
            Some(number) => drop(map.insert(name.to_owned(), number.into())),
            None => {}
        }
    }
    if let Some(tier) = r.tier {
        map.insert("tier".to_owned(), json!(tier));
    }
    if map.is_empty() { Value::Null } else { Value::Object(map) }
}

fn truth(dialect: Dialect, case: &str, way: &str) -> Option<Value> {
    let truth: Value = serde_json::from_slice(&shelf::read(dialect, case, shelf::USAGE)?).unwrap();
    Some(truth.get(way).cloned().unwrap_or(truth))
}

#[test]
fn every_token_is_counted_as_its_provider_bills_it() {
    let mut wrong = Vec::new();
    for dialect in PROVIDERS {
        for case in shelf::answered(dialect) {
            for caller in CALLERS {
                let exchange = exchange(caller, dialect, &case);
                let name = format!("{}/{case} to {}", dialect.as_str(), caller.as_str());
                let mut check = |way: &str, made: Value| {
                    let truth = truth(dialect, &case, way);
                    if truth.as_ref() != Some(&made) {
                        wrong.push(format!("{name} {way}: billed {truth:?}, reported {made}"));
                    }
                };
                if let Some(answer) = shelf::read(dialect, &case, shelf::ANSWER) {
                    let reported = match exchange.answer(vec![Bytes::from(answer)]) {
                        Ok((_, answer)) => answer.reported,
                        Err(unread) => unread.reported,
                    };
                    check("answer", classes(reported));
                }
                if let Some(stream) = shelf::read(dialect, &case, shelf::STREAM) {
                    check("stream", classes(relayed(&exchange, &stream, &[17]).reported));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
