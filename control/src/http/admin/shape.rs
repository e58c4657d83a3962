//! What the admin routes have in common: ids, times and texts, and objects of the document as bodies.

use std::ops::RangeInclusive;

use jiff::Timestamp;
use proto::clock::now_ms;
use proto::subject::{PROJECT_NAME_MAX, valid_project};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::audit::Act;
use crate::http::Problem;
use crate::http::auth::Admin;
use crate::http::context::Context;

/// A new id, ordered by time.
pub(crate) fn new_id(prefix: &str) -> String {
    format!("{prefix}_{}", Uuid::now_v7().simple())
}

/// A time as the API writes it.
pub(crate) fn time(ms: u64) -> String {
    let stamp = i64::try_from(ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    stamp.unwrap_or(Timestamp::MAX).to_string()
}

/// Reads a time.
pub(crate) fn time_ms(field: &'static str, text: &str) -> Result<u64, Problem> {
    let stamp = text.parse::<Timestamp>().ok().and_then(|stamp| u64::try_from(stamp.as_millisecond()).ok());
    stamp.ok_or_else(|| Problem::field(field, format!("`{field}` must be a time, as 2027-01-31T12:00:00Z.")))
}

/// Reads a time that must lie ahead.
pub(crate) fn future_ms(field: &'static str, text: &str) -> Result<u64, Problem> {
    let ms = time_ms(field, text)?;
    let ahead = || Problem::field(field, format!("`{field}` must lie ahead."));
    Some(ms).filter(|ms| *ms > now_ms()).ok_or_else(ahead)
}

/// Checks a text: its length in characters, and that every database takes it.
pub(crate) fn checked(field: &'static str, text: &str, length: RangeInclusive<usize>) -> Result<(), Problem> {
    if length.contains(&text.chars().count()) && !text.contains(char::is_control) {
        return Ok(());
    }
    let (least, most) = (length.start(), length.end());
    let message =
        format!("`{field}` must have {least} to {most} characters, none of them a control character.");
    Err(Problem::field(field, message))
}

/// Checks a filter: anything that can be bound.
pub(crate) fn filter(field: &'static str, text: Option<String>) -> Result<String, Problem> {
    let text = text.unwrap_or_default();
    if text.is_empty() { Ok(text) } else { checked(field, &text, 1..=320).map(|()| text) }
}

/// Checks a name that becomes a subject token, a header value and a part of accounts.
pub(crate) fn checked_name(field: &'static str, name: &str) -> Result<(), Problem> {
    if valid_project(name) {
        return Ok(());
    }
    let message = format!("`{field}` must have 1 to {PROJECT_NAME_MAX} letters, digits, `_` or `-`.");
    Err(Problem::field(field, message))
}

/// Checks an id of a path: what cannot be one names nothing.
pub(crate) fn id_of(id: String, what: &str) -> Result<String, Problem> {
    let fits = (1..=300).contains(&id.len()) && !id.contains(char::is_control);
    Some(id).filter(|_| fits).ok_or_else(|| Problem::not_found(what))
}

/// The act of an administrator.
pub(crate) fn act(admin: &Admin, context: &Context, action: &str, id: &str) -> Act {
    Act::new(admin.actor(), action).on(id).asked_by(Some(context.id.clone()))
}

/// One shape of an object as another with the same fields.
pub(crate) fn converted<T: DeserializeOwned>(object: &impl Serialize) -> Result<T, Problem> {
    let value = serde_json::to_value(object).map_err(|error| Problem::internal(error.to_string()))?;
    serde_json::from_value(value).map_err(|error| wrong(&error))
}

/// The object with these fields changed (RFC 7396): null takes a field away.
pub(crate) fn merged<T: Serialize + DeserializeOwned>(
    current: &T,
    patch: &Map<String, Value>,
) -> Result<T, Problem> {
    let mut value = serde_json::to_value(current).map_err(|error| Problem::internal(error.to_string()))?;
    if let Value::Object(object) = &mut value {
        for (name, change) in patch {
            if change.is_null() {
                object.remove(name);
            } else {
                object.insert(name.clone(), change.clone());
            }
        }
    }
    serde_json::from_value(value).map_err(|error| wrong(&error))
}

/// A value that is not of the shape it should have.
fn wrong(error: &serde_json::Error) -> Problem {
    crate::http::read::malformed(error)
}

/// For the audit log.
pub(crate) fn value(object: &impl Serialize) -> Option<Value> {
    serde_json::to_value(object).ok()
}
