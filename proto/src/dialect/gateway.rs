//! What a caller says to the gateway itself in its request's `metadata`: how it would like to be routed, and for which
//! feature of its project it asks. None of that is the provider's business, so it is taken out of the body before the
//! body is stored.

use bytes::Bytes;

use super::json::{self, Edit, Member};
use super::openai_chat::request::{MEMBERS_MAX, expected, object};
use super::openai_chat::rewrite::splice;
use crate::event::RouteMode;
use crate::fault::Fault;

const METADATA: &str = "metadata";
const ROUTE_MODE: &str = "route_mode";
const ROUTE_PREFERENCE: &str = "route_preference";
const FEATURE: &str = "feature_key";
/// The longest name of a feature, in characters.
pub const FEATURE_CHARS_MAX: usize = 128;

/// What a request asks of the gateway.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wishes {
    /// `route_mode`: to be paid for in this way and no other.
    pub only: Option<RouteMode>,
    /// `route_preference`: this way first.
    pub first: Option<RouteMode>,
    /// `feature_key`: the feature that it is for.
    pub feature: Option<String>,
}

/// The way to pay that `route_mode` names: `platform`, `developer_key` or `byok`.
pub fn route_mode(text: &str) -> Option<RouteMode> {
    match text {
        "platform" => Some(RouteMode::Platform),
        "developer_key" => Some(RouteMode::DeveloperKey),
        "byok" => Some(RouteMode::Byok),
        _ => None,
    }
}

/// The way to pay that `route_preference` puts first: `byok_first` or `developer_key_first`.
pub fn route_preference(text: &str) -> Option<RouteMode> {
    match text {
        "byok_first" => Some(RouteMode::Byok),
        "developer_key_first" => Some(RouteMode::DeveloperKey),
        _ => None,
    }
}

/// Whether this may be the name of a feature.
pub fn valid_feature(text: &str) -> bool {
    !text.is_empty() && text.chars().nth(FEATURE_CHARS_MAX).is_none()
}

fn is_ours(name: &str) -> bool {
    matches!(name, ROUTE_MODE | ROUTE_PREFERENCE | FEATURE)
}

/// What `metadata`, as written, says to the gateway; `None` where it says nothing.
///
/// # Errors
/// [`FaultCode::InvalidRequest`](crate::fault::FaultCode::InvalidRequest) naming the member that is not as it should be.
pub(super) fn wishes(metadata: Option<&str>) -> Result<Option<Box<Wishes>>, Fault> {
    let Some(metadata) = metadata.filter(|raw| raw.starts_with('{')) else { return Ok(None) };
    let mut said: [Option<&str>; 3] = [None; 3];
    let mut twice = None;
    object(metadata, |member| {
        let place = match &*member.name() {
            ROUTE_MODE => 0,
            ROUTE_PREFERENCE => 1,
            FEATURE => 2,
            _ => return,
        };
        if said[place].replace(member.value).is_some() {
            twice = Some(place);
        }
    })?;
    let name =
        |place: usize| ["metadata.route_mode", "metadata.route_preference", "metadata.feature_key"][place];
    if let Some(place) = twice {
        return Err(expected(name(place), "it at most once"));
    }
    if said == [None; 3] {
        return Ok(None);
    }
    let text = |place: usize| match said[place].filter(|raw| *raw != "null") {
        None => Ok(None),
        Some(raw) => json::string(raw).map(Some).ok_or_else(|| expected(name(place), "a string")),
    };
    let wishes = Wishes {
        only: read(text(0)?.as_deref(), name(0), "`platform`, `developer_key` or `byok`", route_mode)?,
        first: read(text(1)?.as_deref(), name(1), "`byok_first` or `developer_key_first`", route_preference)?,
        feature: read(text(2)?.as_deref(), name(2), "a string of 1 to 128 characters", |text| {
            valid_feature(text).then(|| text.to_owned())
        })?,
    };
    Ok(Some(Box::new(wishes)))
}

fn read<T>(
    text: Option<&str>,
    param: &str,
    what: &str,
    read: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, Fault> {
    text.map(|text| read(text).ok_or_else(|| expected(param, what))).transpose()
}

/// The body without what its `metadata` says to the gateway, and without `metadata` itself where that was all; the rest
/// stays as it was written. A body that does not read is left alone.
pub fn stripped(body: &Bytes) -> Bytes {
    match std::str::from_utf8(body).ok().and_then(edit) {
        Some(edit) => splice(body, vec![edit]),
        None => body.clone(),
    }
}

fn edit(text: &str) -> Option<Edit> {
    let mut found: Option<Member<'_>> = None;
    json::members(text, |member| {
        if member.name() == METADATA {
            found = Some(member);
        }
    })
    .ok()?;
    let metadata = found.filter(|member| member.value.starts_with('{'))?;
    let (mut others, mut ours) = (Vec::new(), false);
    json::members(metadata.value, |member| {
        if is_ours(&member.name()) {
            ours = true;
        } else if others.len() < MEMBERS_MAX {
            others.push(format!("{}:{}", member.key, member.value));
        }
    })
    .ok()?;
    match (ours, others.is_empty()) {
        (false, _) => None,
        (true, true) => Some(Edit::remove(text, metadata)),
        (true, false) => Some(Edit::replace(text, metadata.value, format!("{{{}}}", others.join(",")))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wishes_are_read_and_mistakes_named() {
        let said = r#"{"a":1,"route_mode":"byok","rout\u0065_preference":"developer_key_first","feature_key":"write"}"#;
        let expected = Wishes {
            only: Some(RouteMode::Byok),
            first: Some(RouteMode::DeveloperKey),
            feature: Some("write".into()),
        };
        assert_eq!(wishes(Some(said)).unwrap().as_deref(), Some(&expected));
        for nothing in
            [None, Some("null"), Some("{}"), Some(r#"{"user_id":"u","a":{"route_mode":1}}"#), Some("[1]")]
        {
            assert_eq!(wishes(nothing).unwrap(), None, "{nothing:?}");
        }
        assert_eq!(wishes(Some(r#"{"route_mode":null}"#)).unwrap().as_deref(), Some(&Wishes::default()));
        for (bad, param) in [
            (r#"{"route_mode":"local"}"#, "metadata.route_mode"),
            (r#"{"route_mode":7}"#, "metadata.route_mode"),
            (r#"{"route_preference":"byok"}"#, "metadata.route_preference"),
            (r#"{"feature_key":""}"#, "metadata.feature_key"),
            (r#"{"feature_key":"a","feature_key":"b"}"#, "metadata.feature_key"),
        ] {
            assert_eq!(wishes(Some(bad)).unwrap_err().param.as_deref(), Some(param), "{bad}");
        }
    }

    #[test]
    fn only_what_is_ours_is_taken_out() {
        for (body, rest) in [
            (r#"{"model":"m", "metadata":{"route_mode":"byok"}, "x":1}"#, r#"{"model":"m", "x":1}"#),
            (r#"{"model":"m","metadata":{"feature_key":"f","route_mode":"byok"}}"#, r#"{"model":"m"}"#),
            (
                r#"{"metadata":{ "a": 1.50 ,"feature\u005fkey":"f","b":{"route_mode":2} },"m":1}"#,
                r#"{"metadata":{"a":1.50,"b":{"route_mode":2}},"m":1}"#,
            ),
            (
                r#"{"messages":[{"metadata":{"route_mode":1}}]}"#,
                r#"{"messages":[{"metadata":{"route_mode":1}}]}"#,
            ),
            (r#"{"metadata": { "a" : 1 } }"#, r#"{"metadata": { "a" : 1 } }"#),
            ("nonsense", "nonsense"),
        ] {
            assert_eq!(stripped(&Bytes::from_static(body.as_bytes())), rest.as_bytes(), "{body}");
        }
    }
}
