//! Answers that are kept: `store` is on unless it is switched off.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use super::answer;
use crate::fake::asked::{Fixed, Form, Refusal, Routed, Said};
use crate::openai::error::refusal;

/// Answers by their ids, with the input that led to them.
#[derive(Debug, Default)]
pub(crate) struct Stored(Mutex<HashMap<String, (Value, Value)>>);

impl Stored {
    fn read<T>(&self, look: impl FnOnce(&mut HashMap<String, (Value, Value)>) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Keeps an answer, if it is one that is kept.
    pub(crate) fn keep(&self, said: Said<'_>) {
        let body = &said.asked.body;
        if said.asked.form != Form::Responses || body.get("store") == Some(&Value::Bool(false)) {
            return;
        }
        let input = body.get("input").cloned().unwrap_or_default();
        self.read(|all| all.insert(answer::id(said), (answer::whole(said), input)));
    }

    /// The items of a kept answer.
    pub(super) fn output(&self, id: &str) -> Option<Vec<Value>> {
        self.read(|all| all.get(id).and_then(|(answer, _)| answer["output"].as_array().cloned()))
    }

    /// Whether an item of that id is in any kept answer.
    pub(super) fn has_item(&self, id: &str) -> bool {
        let is = |item: &Value| item["id"] == id;
        self.read(|all| {
            all.values()
                .any(|(answer, _)| answer["output"].as_array().is_some_and(|items| items.iter().any(is)))
        })
    }

    /// `GET` and `DELETE` of what stands behind `responses/`.
    pub(crate) fn serve(&self, method: &str, rest: &str) -> Result<Routed, Refusal> {
        let id = rest.split('/').next().unwrap_or_default();
        let found = self.read(|all| if method == "DELETE" { all.remove(id) } else { all.get(id).cloned() });
        let Some((answer, input)) = found else {
            let message = format!("Response with id '{id}' not found.");
            return Err(refusal(404, "invalid_request_error", None, None, &message));
        };
        let body = match (method, rest.strip_prefix(id)) {
            ("DELETE", Some("")) => json!({"id": id, "object": "response", "deleted": true}),
            ("GET", Some("")) => answer,
            ("GET", Some("/input_items")) => {
                let items = match input {
                    Value::Array(items) => items,
                    text => vec![json!({"id": "msg_1", "type": "message", "role": "user",
                        "content": [{"type": "input_text", "text": text}]})],
                };
                json!({"object": "list", "data": items, "has_more": false})
            }
            _ => return Err(refusal(404, "invalid_request_error", None, None, "Invalid URL")),
        };
        Ok(Fixed::free(Form::Responses, body))
    }
}
