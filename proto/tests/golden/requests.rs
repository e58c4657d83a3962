//! Requests on their way there: what each provider is asked, or why it is not. The first target of a dialect is shown
//! in full, the others with what is different there.

use std::collections::HashMap;

use bytes::Bytes;
use proto::dialect::Dialect;
use proto::dialect::exchange::Exchange;
use proto::fault::Fault;
use serde_json::{Map, Value};

use super::cast::{CALLERS, Place, TARGETS, prepare, with_tokens};
use super::{shelf, show};

/// What became of a request: what is said about it, and the body where it is not the caller's.
struct Made {
    said: String,
    dialect: Option<Dialect>,
    body: Option<Map<String, Value>>,
}

fn made(body: &Bytes, place: &Place, exchange: Result<Exchange, Fault>) -> Made {
    let exchange = match exchange {
        Ok(exchange) => exchange,
        Err(fault) => {
            let param = fault.param.as_deref().unwrap_or("-");
            let (status, label, message) = (fault.status(), fault.code.label(), &fault.message);
            let said = format!("refused {status} {label} at {param}\n{message}\n");
            return Made { said, dialect: None, body: None };
        }
    };
    let mut said = format!("as {}\n", exchange.dialect.as_str());
    for (name, value) in &exchange.headers {
        said.push_str(&format!("header {name}: {value}\n"));
    }
    for warning in exchange.warnings.all() {
        said.push_str(&format!("warning {} at {}\n", warning.code, warning.field));
    }
    assert_eq!(exchange.bodies.len(), 1);
    let mut sent: Map<String, Value> = serde_json::from_slice(&exchange.bodies[0]).unwrap();
    let mut same: Map<String, Value> = serde_json::from_slice(body).unwrap();
    // The model is checked here, so that models that are asked the same can share a section.
    if let Some(model) = sent.shift_remove("model") {
        assert_eq!(model, place.origin.model.as_str());
    }
    same.shift_remove("model");
    if same == sent {
        said.push_str("unchanged but for the model\n");
        return Made { said, dialect: Some(exchange.dialect), body: None };
    }
    Made { said, dialect: Some(exchange.dialect), body: Some(sent) }
}

/// A body in full, or what is different from an earlier one of the same dialect.
fn written(made: &Made, base: Option<&Map<String, Value>>) -> String {
    let mut out = made.said.clone();
    match (&made.body, base) {
        (None, _) => {}
        (Some(body), None) => out.push_str(&format!("{}\n", show::json(&Value::Object(body.clone())))),
        (Some(body), Some(base)) => {
            out.push_str("otherwise\n");
            let other = body.iter().filter(|(key, value)| base.get(*key) != Some(*value));
            let other: Map<_, _> = other.map(|(key, value)| (key.clone(), value.clone())).collect();
            out.push_str(&format!("{}\n", show::json(&Value::Object(other))));
            let gone: Vec<_> = base.keys().filter(|key| !body.contains_key(*key)).cloned().collect();
            if !gone.is_empty() {
                out.push_str(&format!("without {}\n", gone.join(", ")));
            }
        }
    }
    out
}

/// All sections of a case; targets that are asked the same share one.
fn sections(caller: Dialect, body: &[u8]) -> String {
    let body = with_tokens(body);
    let mut sections: Vec<(String, Vec<String>)> = Vec::new();
    let mut bases: HashMap<&str, Map<String, Value>> = HashMap::new();
    for (kind, model) in TARGETS {
        let place = Place::new(kind, model);
        let made = made(&body, &place, prepare(caller, &body, &place, place.dialect(caller, &body)));
        let name = format!("{} {}", kind.as_str(), model.split('=').next_back().unwrap());
        let full = written(&made, None);
        let dialect = made.dialect.map_or("", Dialect::as_str);
        let short = written(&made, bases.get(dialect));
        match sections.iter_mut().find(|(section, _)| *section == full || *section == short) {
            Some((_, names)) => names.push(name),
            None => sections.push((short, vec![name])),
        }
        if let Some(body) = made.body {
            bases.entry(dialect).or_insert(body);
        }
    }
    let written = sections.iter().map(|(section, names)| format!("== {}\n{section}", names.join(" · ")));
    written.collect::<Vec<_>>().join("\n")
}

#[test]
fn requests_reach_every_provider_as_reviewed() {
    let mut parted = Vec::new();
    for caller in CALLERS {
        for (case, body) in shelf::requests(caller) {
            parted.extend(shelf::compare(caller, &case, shelf::TARGETS, &sections(caller, &body)));
        }
    }
    assert!(parted.is_empty(), "{}", parted.join("\n"));
}
