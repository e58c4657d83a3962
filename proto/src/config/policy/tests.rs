//! Route policies: every documented form is read, what is not served is refused, requests only narrow.

use serde_json::json;

use super::*;
use Purse::{Developer, EndUser, Local, Platform};

fn order(policy: &Value) -> Vec<Purse> {
    RoutePolicy::read(policy).unwrap().order
}

#[test]
fn every_documented_form_of_a_preference_is_read() {
    assert_eq!(order(&json!({})), [Platform]);
    assert_eq!(order(&json!({"route_preference": null})), [Platform]);
    assert_eq!(order(&json!({"route_preference": "byok_first"})), [EndUser, Platform]);
    assert_eq!(order(&json!({"route_preference": "developer_key_first"})), [Developer, Platform]);
    assert_eq!(order(&json!({"byok": "byok_first"})), [EndUser, Platform]);
    assert_eq!(order(&json!({"developer_key": "developer_key_first"})), [Developer, Platform]);
    let both = json!({"byok": "byok_first", "developer_key": "developer_key_first"});
    assert_eq!(order(&both), [EndUser, Developer, Platform]);
    let list = json!({"route_preference": ["local", "developer_key", "end_user_byok", "platform_pool"]});
    assert_eq!(order(&list), [Local, Developer, EndUser, Platform]);
    let moved =
        json!({"route_preference": ["local", "developer_key", "end_user_byok"], "byok": "byok_first"});
    assert_eq!(order(&moved), [Local, EndUser, Developer]);
}

#[test]
fn both_opt_ins_of_a_policy_are_read() {
    let falls_back = |policy: Value| RoutePolicy::read(&policy).unwrap().fallback_to_platform;
    assert!(falls_back(json!({"fallback_to_platform": true})));
    assert!(falls_back(json!({"provider_fallback": "platform"})));
    assert!(falls_back(json!({"provider_fallback": "platform_pool"})));
    assert!(!falls_back(json!({"fallback_to_platform": false})));
    assert!(!falls_back(json!({})));
}

#[test]
fn what_is_not_served_is_refused_by_name() {
    for (policy, field) in [
        (json!([]), "policy"),
        (json!({"route_preference": "cheapest_sufficient"}), "route_preference"),
        (json!({"route_preference": 5}), "route_preference"),
        (json!({"route_preference": []}), "route_preference"),
        (json!({"route_preference": ["platform_pool", "platform_pool"]}), "route_preference[1]"),
        (json!({"route_preference": ["quality_first"]}), "route_preference[0]"),
        (json!({"byok": true}), "byok"),
        (json!({"developer_key": "byok_first"}), "developer_key"),
        (json!({"fallback_to_platform": "yes"}), "fallback_to_platform"),
        (json!({"provider_fallback": "developer_key"}), "provider_fallback"),
        (json!({"privacy": "local_only"}), "privacy"),
        (json!({"privacy_policy": {"pii": "redact_before_cloud"}}), "privacy_policy"),
        (json!({"fall_back": true}), "fall_back"),
        (json!({"models": []}), "models"),
        (json!({"models": ["fast", ""]}), "models[1]"),
        (json!({"models": ["auto:text"]}), "models[0]"),
    ] {
        assert_eq!(RoutePolicy::read(&policy).unwrap_err().field, field, "{policy}");
    }
}

#[test]
fn the_features_policy_stands_before_the_projects() {
    let mut project = Project::new("acme");
    let of = |project: &Project, feature| RoutePolicy::of(Some(project), feature).unwrap().order;
    assert_eq!(of(&project, None), [Platform]);
    project.policy = Some(json!({"byok": "byok_first"}));
    project.features = [("plain", None), ("own", Some(json!({"route_preference": ["developer_key"]})))]
        .map(|(key, policy)| super::super::Feature {
            key: key.into(),
            display_name: None,
            policy,
            pricing: None,
        })
        .into();
    assert_eq!(of(&project, None), [EndUser, Platform]);
    assert_eq!(of(&project, Some("plain")), [EndUser, Platform]);
    assert_eq!(of(&project, Some("own")), [Developer]);
    assert_eq!(RoutePolicy::of(None, None).unwrap().order, [Platform]);
}

fn ways(policy: Value, wish: RouteWish) -> Result<Ways, FaultCode> {
    RoutePolicy::read(&policy).unwrap().ways(Some(&wish)).map_err(|fault| fault.code)
}

#[test]
fn a_request_narrows_a_policy_and_never_widens_it() {
    let all = || json!({"route_preference": ["end_user_byok", "developer_key", "platform_pool"]});
    let none = RouteWish::default;
    assert_eq!(ways(all(), none()).unwrap().order, [EndUser, Developer, Platform]);
    let only = |mode| RouteWish { only: Some(mode), ..RouteWish::default() };
    let first = |mode| RouteWish { first: Some(mode), ..RouteWish::default() };
    assert_eq!(ways(all(), only(RouteMode::DeveloperKey)).unwrap().order, [Developer]);
    let moved = ways(all(), first(RouteMode::DeveloperKey)).unwrap();
    assert_eq!(moved.order, [Developer, EndUser, Platform]);
    for wish in [only(RouteMode::DeveloperKey), first(RouteMode::DeveloperKey), only(RouteMode::Byok)] {
        assert_eq!(ways(json!({}), wish), Err(FaultCode::NoAvailableRoute));
    }
    let key = |modes: &[RouteMode]| RouteWish { modes: Some(modes.to_vec()), ..RouteWish::default() };
    assert_eq!(ways(all(), key(&[RouteMode::PlatformPool])).unwrap().order, [Platform]);
    assert_eq!(ways(json!({}), key(&[RouteMode::Byok])), Err(FaultCode::NoAvailableRoute));
    assert_eq!(ways(json!({"route_preference": ["local"]}), none()), Err(FaultCode::NoAvailableRoute));
}

#[test]
fn the_platform_steps_in_only_where_policy_and_key_let_it() {
    let may = |policy, wish| {
        let ways = ways(policy, wish).unwrap();
        (ways.platform_may_step_in, ways.platform_steps_in)
    };
    let byok = RouteWish { only: Some(RouteMode::Byok), ..RouteWish::default() };
    assert_eq!(may(json!({"byok": "byok_first"}), byok.clone()), (true, false));
    assert_eq!(may(json!({"route_preference": ["end_user_byok"]}), byok.clone()), (false, false));
    let said = json!({"route_preference": ["end_user_byok"], "provider_fallback": "platform"});
    assert_eq!(may(said.clone(), byok), (true, true));
    let key = RouteWish { modes: Some(vec![RouteMode::Byok]), ..RouteWish::default() };
    assert_eq!(may(said, key), (false, true));
}
