//! `[[projects]]`.

use std::collections::BTreeMap;
use std::ops::Range;

use proto::config::{Project, RoutePolicy};
use proto::envelope::OnDisconnect;
use serde_json::{Map, Value};
use toml::Spanned;
use toml::de::DeValue;

use super::Walk;
use super::fields::{Fields, Shape};
use super::{BUDGET, RATE_LIMIT};

const SHAPE: Shape = Shape {
    known: &["name", "streaming", "on_disconnect", "policy"],
    unserved: &[
        ("budget_usd", BUDGET),
        ("rpm", RATE_LIMIT),
        ("tpm", RATE_LIMIT),
        ("billing", ": every project is billed afterwards. Remove it."),
        ("audit", ": payloads are kept, sealed, for the audit window of the deployment. Remove it."),
    ],
};

/// Reads one project; `None` if too little of it is right to go on with.
pub(super) fn read(
    walk: &mut Walk<'_>,
    path: String,
    value: &Spanned<DeValue<'_>>,
    names: &mut BTreeMap<String, Range<usize>>,
) -> Option<Project> {
    let fields = Fields::of(value, path, &SHAPE, &mut walk.mistakes)?;
    let name = fields.required("name", "the project's name", &mut walk.mistakes);
    if let Some(name) = &name {
        walk.check_name(name);
        walk.check_unique(name, names);
    }
    let streaming = fields.switch("streaming", true, &mut walk.mistakes);
    let on_disconnect = match fields.text("on_disconnect", &mut walk.mistakes) {
        None => OnDisconnect::default(),
        Some(text) => match text.value {
            "cancel" => OnDisconnect::Cancel,
            "drain" => OnDisconnect::Drain,
            other => {
                text.wrong(&mut walk.mistakes, format!("expected cancel or drain, found \"{other}\""));
                OnDisconnect::default()
            }
        },
    };
    let policy = policy(walk, &fields);
    Some(Project { streaming, on_disconnect, policy, ..Project::new(name?.value) })
}

/// The route policy, as it is kept: JSON. Whatever of it cannot be honoured is a mistake.
fn policy(walk: &mut Walk<'_>, fields: &Fields<'_, '_>) -> Option<Value> {
    let value = fields.value("policy")?;
    let (policy, path) = (json(value.get_ref()), fields.path("policy"));
    match RoutePolicy::read(&policy) {
        Ok(_) => Some(policy),
        Err(error) => {
            let path = if error.field == "policy" { path } else { format!("{path}.{}", error.field) };
            walk.mistakes.add(&value.span(), path, error.message);
            None
        }
    }
}

/// A value of the file as JSON.
fn json(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::from(text.as_ref()),
        DeValue::Integer(number) => {
            i64::from_str_radix(number.as_str(), number.radix()).map_or(Value::Null, Value::from)
        }
        DeValue::Float(number) => number.as_str().parse::<f64>().map_or(Value::Null, Value::from),
        DeValue::Boolean(on) => Value::from(*on),
        DeValue::Datetime(date) => Value::from(date.to_string()),
        DeValue::Array(list) => list.iter().map(|item| json(item.get_ref())).collect(),
        DeValue::Table(table) => {
            let member =
                |(name, item): (&toml::Spanned<std::borrow::Cow<'_, str>>, &toml::Spanned<DeValue<'_>>)| {
                    (name.get_ref().to_string(), json(item.get_ref()))
                };
            Value::Object(table.iter().map(member).collect::<Map<String, Value>>())
        }
    }
}
