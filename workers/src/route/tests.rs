use proto::config::{Provider, RoutePolicy, SecretRef};
use proto::credential::{CredentialRecord, Owner};
use proto::envelope::RouteWish;
use proto::hpke::OpeningKeys;
use proto::switch::{SwitchKind, entry};
use serde_json::{Value, json};

use super::*;

/// A deployment, a request, and what is out of order.
struct Case {
    config: Config,
    policy: RoutePolicy,
    wish: RouteWish,
    vault: Vault,
    switches: Switches,
    wheels: Wheels,
    paces: Paces,
    ill: Vec<&'static str>,
    mute: Vec<ProviderKind>,
}

fn case(strategy: Strategy, targets: &[(&str, &str)]) -> Case {
    let row = |name: &str| {
        let kind = if name.starts_with('x') { ProviderKind::Anthropic } else { ProviderKind::Openai };
        Provider { api_key: Some(SecretRef::Env("KEY".into())), ..Provider::new(name, kind) }
    };
    let targets = targets.iter().map(|(p, m)| Target::new(*p, *m)).collect();
    Case {
        config: Config {
            version: 1,
            published_ms: 0,
            streaming: true,
            providers: ["a", "b", "x"].map(row).into(),
            models: vec![Model::new("fast", strategy, targets)],
            projects: Vec::new(),
            prices: Vec::new(),
        },
        policy: RoutePolicy::default(),
        wish: RouteWish::default(),
        vault: Vault::new(OpeningKeys::default(), crate::Config::default()),
        switches: Switches::default(),
        wheels: Wheels::default(),
        paces: Paces::default(),
        ill: Vec::new(),
        mute: Vec::new(),
    }
}

impl Case {
    fn policy(mut self, policy: &Value) -> Self {
        self.policy = RoutePolicy::read(policy).unwrap();
        self
    }

    fn credential(self, id: &str, owner: Owner, change: impl FnOnce(&mut CredentialRecord)) -> Self {
        let mut record = CredentialRecord {
            id: id.into(),
            owner,
            provider: "a".into(),
            kind: ProviderKind::Openai,
            base_url: None,
            sealed: String::new(),
            models_allowed: Vec::new(),
            priority: 100,
            weight: 1,
            fallback_to_platform: false,
            created_ms: 0,
        };
        change(&mut record);
        self.vault.insert(record);
        self
    }

    fn byok(self, id: &str, change: impl FnOnce(&mut CredentialRecord)) -> Self {
        let theirs = |record: &mut CredentialRecord| {
            record.provider = "openai".into();
            change(record);
        };
        self.credential(id, Owner::EndUser("eu".into()), theirs)
    }

    fn chain(&self, asked: &str) -> Result<Vec<Hop>, Nowhere> {
        let healthy = |hop: &Hop| {
            let id = hop.credential.as_deref().unwrap_or_default();
            !self.ill.iter().any(|ill| *ill == hop.spot() || *ill == hop.place.provider || *ill == id)
        };
        chain(&Scene {
            config: &self.config,
            asked,
            direct: self.wish.direct,
            ways: &self.policy.ways(Some(&self.wish)).unwrap(),
            auto: &self.policy.models,
            project: "acme",
            end_user: Some("eu"),
            vault: &self.vault,
            switches: &self.switches,
            wheels: &self.wheels,
            paces: &self.paces,
            random: 0,
            own_key: &|name| {
                let row = self.config.provider(name).unwrap();
                !matches!(row.api_key, Some(SecretRef::Credential(_)))
            },
            speaks: &|kind, _| !self.mute.contains(&kind),
            healthy: &healthy,
        })
    }

    /// `<provider>/<model>[@<credential>] <mode>` of each place.
    fn told(&self, asked: &str) -> Vec<String> {
        let tell = |hop: Hop| {
            let at = hop.credential.as_ref().map(|id| format!("@{id}")).unwrap_or_default();
            format!("{}{at} {}", hop.spot(), hop.route_mode.as_str())
        };
        self.chain(asked).unwrap().into_iter().map(tell).collect()
    }
}

#[test]
fn simple_uses_the_first_target_alone() {
    let mut case = case(Strategy::Simple, &[("a", "m"), ("b", "m")]);
    assert_eq!(case.told("fast"), ["a/m platform"]);
    case.config.models[0].targets[0].disabled = true;
    assert_eq!(case.chain("fast"), Err(Nowhere::Ill(Vec::new())), "never another one silently");
}

#[test]
fn fallback_says_what_changed_and_tries_no_place_twice() {
    let targets = [("a", "m"), ("b", "m"), ("b", "n"), ("a", "m"), ("a", "n")];
    let told = ["a/m platform", "b/m provider_fallback", "b/n model_fallback", "a/n model_fallback"];
    assert_eq!(case(Strategy::Fallback, &targets).told("fast"), told);
    let many: Vec<(String, String)> = (0..30).map(|n| ("a".to_owned(), format!("m{n}"))).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(p, m)| (p.as_str(), m.as_str())).collect();
    assert_eq!(case(Strategy::Fallback, &many).told("fast").len(), HOPS_MAX);
}

#[test]
fn what_is_out_of_order_or_switched_off_is_left_out_and_shows() {
    let targets = [("a", "m"), ("b", "m")];
    let mut ill = case(Strategy::Fallback, &targets);
    ill.ill = vec!["a"];
    assert_eq!(ill.told("fast"), ["b/m provider_fallback"]);
    ill.ill = vec!["a", "b"];
    let Err(Nowhere::Ill(places)) = ill.chain("fast") else { panic!("out of order") };
    assert_eq!(places.len(), 2);
    let mut off = case(Strategy::Fallback, &targets);
    off.config.models[0].targets[0].disabled = true;
    assert_eq!(off.told("fast"), ["b/m provider_fallback"]);
    off.config.providers[1].disabled = true;
    assert_eq!(off.chain("fast"), Err(Nowhere::Ill(Vec::new())));
    off.config.models[0].disabled = true;
    off.config.models.push(Model::new("*", Strategy::Simple, vec![Target::new("a", "*")]));
    assert_eq!(off.chain("fast"), Err(Nowhere::NoModel), "the wildcard does not stand in for it");
    assert_eq!(off.told("gpt-4o"), ["a/gpt-4o platform"]);
    let mut mute = case(Strategy::Fallback, &targets);
    mute.mute = vec![ProviderKind::Openai];
    assert_eq!(mute.chain("fast"), Err(Nowhere::NotServed));
}

#[test]
fn five_to_one_is_exactly_that_and_an_ill_one_leaves_all_to_the_other() {
    let mut case = case(Strategy::Weighted, &[("a", "m"), ("b", "m")]);
    case.config.models[0].targets[0].weight = 5;
    let mut firsts = [0, 0];
    for _ in 0..600 {
        let told = case.told("fast");
        let first = usize::from(told[0].starts_with('b'));
        firsts[first] += 1;
        let others = [["a/m platform", "b/m provider_fallback"], ["b/m platform", "a/m provider_fallback"]];
        assert_eq!(told, others[first], "the other follows");
    }
    assert_eq!(firsts, [500, 100]);
    case.ill = vec!["a"];
    assert!((0..10).all(|_| case.told("fast") == ["b/m platform"]));
    case.ill = vec!["a", "b"];
    assert!(matches!(case.chain("fast"), Err(Nowhere::Ill(_))));
}

#[test]
fn latency_takes_the_quicker_one_and_the_others_follow() {
    let case = case(Strategy::Latency, &[("a", "m"), ("b", "m")]);
    case.paces.begin("a/m").took(std::time::Duration::from_millis(300));
    case.paces.begin("b/m").took(std::time::Duration::from_millis(20));
    assert_eq!(case.told("fast"), ["b/m platform", "a/m provider_fallback"]);
}

#[test]
fn a_target_is_addressed_directly_where_the_key_may() {
    let mut case = case(Strategy::Simple, &[("a", "m")]);
    assert_eq!(case.chain("b/m/n"), Err(Nowhere::NoModel));
    case.wish.direct = true;
    assert_eq!(case.told("b/m/n"), ["b/m/n platform"]);
    assert_eq!(case.chain("c/m"), Err(Nowhere::NoModel));
    case.ill = vec!["b"];
    assert!(matches!(case.chain("b/m"), Err(Nowhere::Ill(_))), "health binds it like any other");
    let case = case.policy(&json!({"route_preference": ["developer_key"]}));
    assert_eq!(case.chain("b/m"), Err(Nowhere::NoCredential), "and so does the policy");
}

#[test]
fn a_pool_takes_turns_by_weight_within_the_first_priority() {
    let platform = || Owner::Platform;
    let case = case(Strategy::Simple, &[("a", "m")])
        .credential("two", platform(), |c| c.weight = 2)
        .credential("one", platform(), |_| {})
        .credential("spare", platform(), |c| c.priority = 200)
        .credential("narrow", platform(), |c| c.models_allowed = vec!["other".into()]);
    let mut firsts = std::collections::BTreeMap::new();
    for _ in 0..300 {
        let first = case.chain("fast").unwrap()[0].credential.clone().unwrap();
        *firsts.entry(first).or_insert(0) += 1;
    }
    assert_eq!(firsts.into_iter().collect::<Vec<_>>(), [("one".to_owned(), 100), ("two".to_owned(), 200)]);
    let told = case.told("fast");
    assert_eq!(told.len(), 4, "{told:?}");
    assert_eq!(told[2..], ["a/m@spare platform_pool", "a/m platform_pool"], "what the row names comes last");
    case.switches.set(&entry(SwitchKind::Credential, "two"), true);
    assert_eq!(case.told("fast").len(), 3);
}

#[test]
fn a_row_without_a_key_of_its_own_has_its_pool_alone() {
    let mut case = case(Strategy::Simple, &[("a", "m")]);
    case.config.providers[0].api_key = Some(SecretRef::Credential("c".into()));
    assert_eq!(case.chain("fast"), Err(Nowhere::Ill(Vec::new())));
    let case = case.credential("c", Owner::Platform, |c| c.provider = "elsewhere".into());
    assert_eq!(case.told("fast"), ["a/m@c platform"]);
}

#[test]
fn the_policys_order_of_accounts_is_followed() {
    let policy = json!({"route_preference": ["end_user_byok", "developer_key", "platform_pool"]});
    let case = case(Strategy::Fallback, &[("x", "claude"), ("a", "m"), ("b", "n")])
        .policy(&policy)
        .credential("dev", Owner::Project("acme".into()), |c| c.provider = "openai".into())
        .credential("other", Owner::Project("other".into()), |_| {})
        .byok("eu1", |c| c.models_allowed = vec!["n".into()]);
    assert_eq!(
        case.told("fast"),
        [
            "openai/n@eu1 byok",
            "openai/m@dev developer_key",
            "openai/n@dev developer_key",
            "x/claude platform",
            "a/m model_fallback",
            "b/n model_fallback",
        ]
    );
    case.switches.set(&entry(SwitchKind::Credential, "eu1"), true);
    assert!(case.told("fast")[0].starts_with("openai/m@dev"));
    let plain = Case { policy: RoutePolicy::default(), ..case };
    assert_eq!(plain.told("fast")[0], "x/claude platform", "without a policy the platform alone");
}

#[test]
fn without_a_credential_only_a_listed_platform_serves() {
    let only = json!({"route_preference": ["end_user_byok"]});
    let listed = case(Strategy::Simple, &[("a", "m")]).policy(&json!({"byok": "byok_first"}));
    assert_eq!(listed.told("fast"), ["a/m platform"]);
    let unlisted = case(Strategy::Simple, &[("a", "m")]).policy(&only);
    assert_eq!(unlisted.chain("fast"), Err(Nowhere::NoCredential));
    let falls = json!({"route_preference": ["end_user_byok"], "fallback_to_platform": true});
    let falls = case(Strategy::Simple, &[("a", "m")]).policy(&falls);
    assert_eq!(falls.chain("fast"), Err(Nowhere::NoCredential), "nothing failed that it could step in for");
}

#[test]
fn models_that_no_alias_names_and_those_that_the_policy_chooses() {
    let byok = json!({"byok": "byok_first", "models": ["gone", "fast"]});
    let mut wild = case(Strategy::Simple, &[("a", "m")]).policy(&byok).byok("eu1", |_| {}).byok("eu2", |c| {
        c.kind = ProviderKind::Anthropic;
        c.priority = 200;
    });
    wild.config.models.push(Model::new("*", Strategy::Simple, vec![Target::new("b", "*")]));
    assert_eq!(wild.told("gpt-4o"), ["openai/gpt-4o@eu1 byok", "b/gpt-4o platform"]);
    assert_eq!(wild.told("auto:text"), ["openai/m@eu1 byok", "a/m platform"]);
    let own = wild.byok("eu1", |c| c.models_allowed = vec!["gpt-mini".into(), "m".into()]);
    assert_eq!(own.told("auto:text")[0], "openai/gpt-mini@eu1 byok");
    let mut text = case(Strategy::Simple, &[("a", "m")]);
    assert_eq!(text.chain("auto:text"), Err(Nowhere::NoModel));
    text.config.models.push(Model::new("auto-text", Strategy::Simple, vec![Target::new("b", "n")]));
    assert_eq!(text.told("auto:text"), ["b/n platform"]);
}

#[test]
fn an_ill_credential_leads_to_the_platform_only_by_an_opt_in() {
    let byok = json!({"byok": "byok_first"});
    let mut case = case(Strategy::Simple, &[("a", "m")]).policy(&byok).byok("eu1", |_| {});
    case.ill = vec!["eu1"];
    assert!(matches!(case.chain("fast"), Err(Nowhere::Ill(_))));
    let case = case.byok("eu1", |c| c.fallback_to_platform = true);
    let chain = case.chain("fast").unwrap();
    let fallback = chain[0].fallback.as_ref().unwrap();
    assert_eq!((chain.len(), chain[0].route_mode), (1, RouteMode::Platform));
    assert_eq!(fallback.provider_credential_id, "eu1");
    assert_eq!((fallback.from_route_mode, fallback.reason), (RouteMode::Byok, FaultCode::NoHealthyRoute));
}

#[test]
fn the_platform_steps_in_for_providers_failures_and_opt_ins_alone() {
    let lead = |policy: &Value, own: bool, class: Class| {
        let case = case(Strategy::Fallback, &[("a", "m"), ("b", "m")])
            .policy(policy)
            .byok("eu1", |c| c.fallback_to_platform = own);
        let chain = case.chain("fast").unwrap();
        onwards(&chain, 0, Left::Failed(class)).map(|at| chain[at].spot())
    };
    let (listed, only) = (json!({"byok": "byok_first"}), json!({"route_preference": ["end_user_byok"]}));
    let said = json!({"route_preference": ["end_user_byok"], "fallback_to_platform": true});
    let named = json!({"byok": "byok_first", "provider_fallback": "platform_pool"});
    let stepped_in = Some("a/m".to_owned());
    assert_eq!(lead(&listed, false, Class::Transient), None);
    assert_eq!(lead(&listed, true, Class::Transient), stepped_in);
    assert_eq!(lead(&said, false, Class::Transient), stepped_in);
    assert_eq!(lead(&named, false, Class::Transient), stepped_in);
    assert_eq!(lead(&only, true, Class::Transient), None, "a credential does not widen the policy");
    for class in [Class::Connect, Class::Timeout, Class::RateLimited] {
        assert_eq!(lead(&named, true, class), stepped_in, "{class:?}");
    }
    for class in [Class::Account, Class::Quota, Class::Model, Class::Caller, Class::Stale, Class::Misplaced] {
        assert_eq!(lead(&named, true, class), None, "{class:?}");
    }
}

#[test]
fn another_credential_is_tried_where_it_may_help() {
    let case = case(Strategy::Fallback, &[("a", "m"), ("b", "m")])
        .credential("one", Owner::Platform, |_| {})
        .credential("two", Owner::Platform, |_| {});
    let chain = case.chain("fast").unwrap();
    assert_eq!(onwards(&chain, 0, Left::Failed(Class::Account)), Some(1));
    assert_eq!(onwards(&chain, 0, Left::Failed(Class::RateLimited)), Some(1));
    assert_eq!(onwards(&chain, 0, Left::Ill), Some(1));
    assert_eq!(onwards(&chain, 0, Left::Failed(Class::Transient)), Some(3), "the other provider");
    assert_eq!(onwards(&chain, 3, Left::Failed(Class::Transient)), None);
}
