//! On whose behalf a request is made and how it would like to be routed: what the session says, what headers say, and
//! what `metadata` in the body says. What a session or a key says is a bound that a request cannot get past.

use http::HeaderMap;
use proto::config::{KeyRecord, Project};
use proto::dialect::gateway::{Wishes, route_mode, route_preference, valid_feature};
use proto::envelope::{RouteWish, Who};
use proto::event::RouteMode;
use proto::fault::{Fault, FaultCode};

const ROUTE_MODE: &str = "x-forebay-route-mode";
const ROUTE_PREFERENCE: &str = "x-forebay-route-preference";
const FEATURE: &str = "x-forebay-feature";

/// What headers and body wish for together. Errs with 400 where one of them is no wish, or they contradict each other.
pub(crate) fn wished(headers: &HeaderMap, body: Option<&Wishes>) -> Result<Wishes, Fault> {
    let body = body.cloned().unwrap_or_default();
    let modes = "platform, developer_key or byok";
    let only = header(headers, ROUTE_MODE, modes, route_mode)?;
    let first = header(headers, ROUTE_PREFERENCE, "byok_first or developer_key_first", route_preference)?;
    let feature =
        header(headers, FEATURE, "1 to 128 characters", |text| valid_feature(text).then(|| text.to_owned()))?;
    Ok(Wishes {
        only: one(only, body.only, ROUTE_MODE)?,
        first: one(first, body.first, ROUTE_PREFERENCE)?,
        feature: one(feature, body.feature, FEATURE)?,
    })
}

fn header<T>(
    headers: &HeaderMap,
    name: &str,
    expected: &str,
    read: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, Fault> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let read = value.to_str().ok().and_then(|text| read(text.trim()));
    let message = || format!("Invalid value of the header `{name}`: expected {expected}.");
    read.map(Some).ok_or_else(|| Fault::new(FaultCode::InvalidRequest, message()).with_param(name))
}

fn one<T: PartialEq>(header: Option<T>, body: Option<T>, name: &str) -> Result<Option<T>, Fault> {
    match (header, body) {
        (Some(header), Some(body)) if header != body => {
            let message =
                format!("The header `{name}` and the `metadata` of the body contradict each other.");
            Err(Fault::new(FaultCode::InvalidRequest, message).with_param(name))
        }
        (header, body) => Ok(header.or(body)),
    }
}

/// On whose behalf; `None` where project and key say all. Errs with 403 for another feature than the session's, and
/// with 404 for one that the project has not.
pub(crate) fn who(
    key: &KeyRecord,
    project: &Project,
    wished: Option<String>,
) -> Result<Option<Box<Who>>, Fault> {
    let bound = key.session.as_ref().and_then(|session| session.feature.as_ref());
    let feature = match (bound, wished) {
        (Some(bound), Some(wished)) if *bound != wished => {
            let message = "This session is for another feature.";
            return Err(Fault::new(FaultCode::Forbidden, message).with_param("feature_key"));
        }
        (Some(bound), _) => Some(bound.clone()),
        (None, wished) => wished,
    };
    if feature.as_ref().is_some_and(|feature| project.feature(feature).is_none()) {
        let message = "The project has no such feature.";
        return Err(Fault::new(FaultCode::FeatureNotFound, message).with_param("feature_key"));
    }
    let who = Who {
        developer: project.developer.clone(),
        feature,
        session: key.session.as_ref().map(|_| key.id.clone()),
        end_user: key.session.as_ref().map(|session| session.end_user.clone()),
    };
    Ok((who != Who::default()).then(|| Box::new(who)))
}

/// How it may and would like to be routed; `None` where nothing binds and nothing is wished for. Errs with 403 for a
/// mode that the key may not have.
pub(crate) fn route(
    key: &KeyRecord,
    only: Option<RouteMode>,
    first: Option<RouteMode>,
    direct: bool,
) -> Result<Option<Box<RouteWish>>, Fault> {
    if let (Some(only), Some(modes)) = (only, &key.route_modes)
        && !modes.contains(&only)
    {
        let message = format!("This API key may not be served in the mode `{}`.", only.as_str());
        return Err(Fault::new(FaultCode::Forbidden, message).with_param("route_mode"));
    }
    let wish = RouteWish { modes: key.route_modes.clone(), only, first, direct };
    Ok((wish != RouteWish::default()).then(|| Box::new(wish)))
}

#[cfg(test)]
mod tests {
    use proto::config::{Feature, SessionRecord};

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn headers_and_body_wish_alike() {
        let all = headers(&[
            ("x-forebay-route-mode", "byok"),
            ("x-forebay-route-preference", "developer_key_first"),
            ("x-forebay-feature", "write"),
        ]);
        let wishes = wished(&all, None).unwrap();
        assert_eq!((wishes.only, wishes.first), (Some(RouteMode::Byok), Some(RouteMode::DeveloperKey)));
        assert_eq!(wished(&HeaderMap::new(), Some(&wishes)).unwrap(), wishes);
        assert_eq!(wished(&all, Some(&wishes)).unwrap(), wishes);
        let other = Wishes { feature: Some("read".into()), ..Wishes::default() };
        assert_eq!(wished(&all, Some(&other)).unwrap_err().param.as_deref(), Some("x-forebay-feature"));
        let bad = headers(&[("x-forebay-route-mode", "local")]);
        assert_eq!(wished(&bad, None).unwrap_err().status(), 400);
    }

    #[test]
    fn a_session_is_an_upper_bound() {
        let feature =
            |key: &str| Feature { key: key.into(), display_name: None, policy: None, pricing: None };
        let project = Project {
            developer: Some("dev_1".into()),
            features: vec![feature("write"), feature("read")],
            ..Project::new("acme")
        };
        let session = |bound: Option<&str>| KeyRecord {
            id: "sess_1".into(),
            session: Some(SessionRecord {
                end_user: "eu_1".into(),
                feature: bound.map(str::to_owned),
                scopes: vec!["chat".into()],
            }),
            ..KeyRecord::default()
        };
        let ask = |key: &KeyRecord, wished: Option<&str>| {
            who(key, &project, wished.map(str::to_owned)).map_err(|fault| fault.status())
        };
        let bound = session(Some("write"));
        let expected = Who {
            developer: Some("dev_1".into()),
            feature: Some("write".into()),
            session: Some("sess_1".into()),
            end_user: Some("eu_1".into()),
        };
        assert_eq!(ask(&bound, None).unwrap().as_deref(), Some(&expected));
        assert_eq!(ask(&bound, Some("write")).unwrap().as_deref(), Some(&expected));
        assert_eq!(ask(&bound, Some("read")), Err(403));
        assert_eq!(ask(&bound, Some("none")), Err(403));
        assert_eq!(ask(&session(None), Some("read")).unwrap().unwrap().feature.as_deref(), Some("read"));
        assert_eq!(ask(&session(None), Some("none")), Err(404));
        assert_eq!(ask(&session(Some("gone")), None), Err(404));
        assert_eq!(who(&KeyRecord::default(), &Project::new("a"), None).unwrap(), None);
    }

    #[test]
    fn a_key_is_served_in_its_modes_alone() {
        let free = KeyRecord::default();
        assert_eq!(route(&free, None, None, false).unwrap(), None);
        let bound = KeyRecord { route_modes: Some(vec![RouteMode::Byok]), ..KeyRecord::default() };
        let wish = route(&bound, Some(RouteMode::Byok), None, true).unwrap().unwrap();
        assert_eq!(
            (wish.modes, wish.only, wish.direct),
            (bound.route_modes.clone(), Some(RouteMode::Byok), true)
        );
        assert_eq!(route(&bound, Some(RouteMode::Platform), None, false).unwrap_err().status(), 403);
        assert!(route(&bound, None, Some(RouteMode::DeveloperKey), false).unwrap().unwrap().only.is_none());
    }
}
