//! Reads the JSON of a policy: every member is honoured or refused by name.

use serde_json::{Map, Value};

use super::{PolicyError, Purse, RoutePolicy};

const KNOWN: &str = "route_preference, byok, developer_key, fallback_to_platform, provider_fallback, models";
/// Members that hosted manifests have and that nothing here acts on.
const UNSERVED: [&str; 8] = [
    "privacy",
    "privacy_policy",
    "default_model_policy",
    "revenue_share",
    "pricing",
    "input_schema",
    "output_schema",
    "local",
];
const STRINGS: &str = "byok_first, developer_key_first, local_first or platform_pool";
const PURSES: &str = "local, end_user_byok, developer_key and platform_pool";
/// How many aliases a policy may name.
const MODELS_MAX: usize = 32;
/// The longest name of one, in bytes.
const MODEL_NAME_MAX: usize = 200;

/// Reads a whole policy.
pub(super) fn policy(policy: &Value) -> Result<RoutePolicy, PolicyError> {
    let members = policy.as_object().ok_or_else(|| wrong("policy", "expected an object"))?;
    for (name, value) in members {
        let known = KNOWN.split(", ").any(|known| known == name);
        if !known && UNSERVED.contains(&name.as_str()) && !value.is_null() {
            return Err(wrong(name, "this is not served by this release. Remove it"));
        }
        if !known && !value.is_null() {
            return Err(wrong(name, format!("a route policy has no such field; it has {KNOWN}")));
        }
    }
    Ok(RoutePolicy {
        order: order(members)?,
        fallback_to_platform: fallback(members)?,
        models: models(members)?,
    })
}

fn order(members: &Map<String, Value>) -> Result<Vec<Purse>, PolicyError> {
    let mut order = match given(members, "route_preference") {
        None => vec![Purse::Platform],
        Some(Value::String(text)) => match text.as_str() {
            "byok_first" => vec![Purse::EndUser, Purse::Platform],
            "developer_key_first" => vec![Purse::Developer, Purse::Platform],
            "local_first" => vec![Purse::Local, Purse::Platform],
            "platform_pool" => vec![Purse::Platform],
            other => return Err(wrong("route_preference", format!("expected {STRINGS}, found \"{other}\""))),
        },
        Some(Value::Array(list)) => listed(list)?,
        Some(_) => {
            return Err(wrong("route_preference", format!("expected {STRINGS}, or a list of {PURSES}")));
        }
    };
    // The later of the two goes further to the front.
    for (name, purse, word) in
        [("developer_key", Purse::Developer, "developer_key_first"), ("byok", Purse::EndUser, "byok_first")]
    {
        match given(members, name) {
            None => {}
            Some(Value::String(text)) if text == word => {
                order.retain(|there| *there != purse);
                let behind = order.iter().take_while(|there| **there == Purse::Local).count();
                order.insert(behind, purse);
            }
            Some(_) => return Err(wrong(name, format!("expected \"{word}\""))),
        }
    }
    Ok(order)
}

fn listed(list: &[Value]) -> Result<Vec<Purse>, PolicyError> {
    let mut order = Vec::with_capacity(list.len());
    for (at, value) in list.iter().enumerate() {
        let field = format!("route_preference[{at}]");
        let purse = match value.as_str() {
            Some("local") => Purse::Local,
            Some("end_user_byok") => Purse::EndUser,
            Some("developer_key") => Purse::Developer,
            Some("platform_pool") => Purse::Platform,
            _ => return Err(wrong(field, format!("expected one of {PURSES}"))),
        };
        if order.contains(&purse) {
            return Err(wrong(field, "it stands in the list already"));
        }
        order.push(purse);
    }
    if order.is_empty() {
        return Err(wrong("route_preference", format!("expected at least one of {PURSES}")));
    }
    Ok(order)
}

fn fallback(members: &Map<String, Value>) -> Result<bool, PolicyError> {
    let said = match given(members, "fallback_to_platform") {
        None => false,
        Some(Value::Bool(said)) => *said,
        Some(_) => return Err(wrong("fallback_to_platform", "expected true or false")),
    };
    let named = match given(members, "provider_fallback") {
        None => false,
        Some(Value::String(text)) if text == "platform" || text == "platform_pool" => true,
        Some(_) => return Err(wrong("provider_fallback", "expected \"platform\" or \"platform_pool\"")),
    };
    Ok(said || named)
}

fn models(members: &Map<String, Value>) -> Result<Vec<String>, PolicyError> {
    const WHAT: &str = "expected the name of an alias";
    let list = match given(members, "models") {
        None => return Ok(Vec::new()),
        Some(Value::Array(list)) => list,
        Some(_) => return Err(wrong("models", "expected a list of names of aliases")),
    };
    if list.is_empty() || list.len() > MODELS_MAX {
        return Err(wrong("models", format!("expected 1 to {MODELS_MAX} names of aliases")));
    }
    let name = |(at, value): (usize, &Value)| {
        let name = value.as_str().filter(|name| {
            !name.is_empty() && name.len() <= MODEL_NAME_MAX && name.bytes().all(|b| b.is_ascii_graphic())
        });
        name.filter(|name| !name.starts_with(super::AUTO))
            .map(str::to_owned)
            .ok_or_else(|| wrong(format!("models[{at}]"), WHAT))
    };
    list.iter().enumerate().map(name).collect()
}

/// The member of that name, unless it is null.
fn given<'a>(members: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    members.get(name).filter(|value| !value.is_null())
}

fn wrong(field: impl Into<String>, message: impl Into<String>) -> PolicyError {
    PolicyError { field: field.into(), message: message.into() }
}
