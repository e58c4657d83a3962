//! Who serves a request, end to end: exact shares by weight, never a silent default, and whose account is used when a
//! tenant's own credential fails.

use anyhow::{Context as _, Result};
use proto::config::ProviderKind;
use proto::credential::{CredentialRecord, Owner, about};
use proto::hpke;
use proto::secret::{MasterKey, Secret};
use proto::subject::CREDENTIALS_BUCKET;
use serde_json::Value;
use tests::client::chat;
use tests::nats::{Nats, connect};
use tests::setup::{MASTER, Setup};
use tests::stack::{Counts, Stack};

const MODELS: &str = r#"
[[models]]
alias = "shares"
strategy = "load_balance"
targets = [ { provider = "primary", model = "ok", weight = 5 }, { provider = "spare", model = "ok" } ]
price = { input = "1", output = "10" }

[[models]]
alias = "half"
strategy = "weighted"
targets = [ { provider = "primary", model = "status-429-retry-30", weight = 5 }, { provider = "spare", model = "echo" } ]
price = { input = "1", output = "10" }

[[models]]
alias = "neither"
strategy = "weighted"
targets = [ { provider = "primary", model = "status-429-retry-31" }, { provider = "spare", model = "status-429-retry-31" } ]
price = { input = "1", output = "10" }

[[models]]
alias = "off"
targets = [ { provider = "primary", model = "ok", disabled = true } ]

[[models]]
alias = "gone"
disabled = true
targets = [ { provider = "primary", model = "ok" } ]
"#;

#[tokio::test]
async fn shares_are_exact_and_what_is_out_of_order_gets_nothing() -> Result<()> {
    let stack = Stack::up(Setup::default().tail(MODELS)).await?;
    for _ in 0..600 {
        let answer = stack.client.chat(&chat("shares")).await?;
        assert_eq!((answer.status, answer.header("x-forebay-route-mode")), (200, Some("platform")));
    }
    assert_eq!((stack.primary.calls().of("ok").len(), stack.spare.calls().of("ok").len()), (500, 100));
    for _ in 0..12 {
        assert_eq!(stack.client.chat(&chat("half")).await?.status, 200);
    }
    let tried = stack.primary.calls().of("status-429-retry-30").len();
    assert_eq!((tried, stack.spare.calls().of("echo").len()), (1, 12));
    let called = || {
        let of = |provider: &tests::provider::Provider| provider.calls().of("status-429-retry-31").len();
        of(&stack.primary) + of(&stack.spare)
    };
    assert_eq!(stack.client.chat(&chat("neither")).await?.status, 429);
    for model in ["neither", "off"] {
        let before = called();
        let answer = stack.client.chat(&chat(model)).await?;
        assert_eq!((answer.status, answer.code()?.as_str()), (503, "no_available_route"), "{model}");
        assert!(answer.header("retry-after").is_some(), "{model}");
        assert_eq!(called(), before, "{model}");
    }
    let answer = stack.client.chat(&chat("gone")).await?;
    assert_eq!((answer.status, answer.code()?.as_str()), (404, "model_not_found"));
    Ok(())
}

/// A project, its policy, where its developer's credential leads, and whether that is made with the opt-in.
const TENANTS: [(&str, &str, &str, bool); 6] = [
    ("none", "route_preference = [\"developer_key\", \"platform_pool\"]", NOWHERE, false),
    ("own", "route_preference = [\"developer_key\", \"platform_pool\"]", NOWHERE, true),
    ("said", "route_preference = [\"developer_key\"], fallback_to_platform = true", NOWHERE, false),
    ("named", "developer_key = \"developer_key_first\", provider_fallback = \"platform\"", NOWHERE, false),
    ("private", "developer_key = \"developer_key_first\", fallback_to_platform = true", PRIVATE, true),
    ("narrow", "route_preference = [\"developer_key\"]", NOWHERE, true),
];
/// A name that has no address anywhere (RFC 2606).
const NOWHERE: &str = "https://provider.invalid/v1";
const PRIVATE: &str = "https://10.0.0.1/v1";

fn secret(project: &str) -> String {
    format!("sk-{project}-CANARY-virtual-key-4Rt6")
}

fn tenants() -> String {
    let table = |(project, policy, ..): &(&str, &str, &str, bool)| {
        let secret = secret(project);
        format!(
            "\n[[projects]]\nname = \"{project}\"\npolicy = {{ {policy} }}\n\n[[keys]]\nproject = \"{project}\"\n\
             name = \"ci\"\nsecret = \"{secret}\"\n"
        )
    };
    TENANTS.iter().map(table).collect()
}

fn credential(project: &str, base_url: &str, fallback_to_platform: bool) -> Result<CredentialRecord> {
    let (id, owner) = (format!("cred_{project}"), Owner::Project(project.to_owned()));
    let (sealing, _) = hpke::pair(&MasterKey::new(MASTER.to_owned())?.credential_key_material());
    let sealed = sealing.seal(&Secret::new("sk-CANARY-tenants-own".to_owned()), &about(&id, &owner))?;
    Ok(CredentialRecord {
        id,
        owner,
        provider: "openai_compatible".to_owned(),
        kind: ProviderKind::OpenaiCompatible,
        base_url: Some(base_url.to_owned()),
        sealed: sealed.to_string(),
        models_allowed: Vec::new(),
        priority: 100,
        weight: 1,
        fallback_to_platform,
        created_ms: 1,
    })
}

fn attempts(view: &Value) -> Result<Vec<(String, String, Value)>> {
    let attempts = view["attempts"].as_array().context("no attempts")?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let told = |a: &Value| (text(&a["route_mode"]), text(&a["provider"]), a["provider_fallback"].clone());
    Ok(attempts.iter().map(told).collect())
}

#[tokio::test]
async fn the_platform_pays_for_a_tenants_failed_call_only_by_an_opt_in() -> Result<()> {
    let setup = Setup::default().tail(&tenants()).env("PROVIDER_MAX_RETRIES", "0");
    let stack = Stack::apart(setup, Counts::default(), Nats::single().await?, None).await?;
    let bucket = connect(&stack.nats_url()?).await?.get_key_value(CREDENTIALS_BUCKET).await?;
    for (project, _, base_url, own) in TENANTS {
        let record = credential(project, base_url, own)?;
        bucket.put(&record.id, serde_json::to_vec(&record)?.into()).await?;
    }
    // The last one is known to the worker once it is used.
    let narrow = stack.client.with_key(&secret("narrow"));
    let patience = std::time::Duration::from_secs(5);
    tests::wait::until("the credentials are known", patience, || async {
        Ok((narrow.chat(&chat("renamed")).await?.status == 502).then_some(()))
    })
    .await?;
    for (project, ..) in TENANTS {
        let client = stack.client.with_key(&secret(project));
        let before = stack.primary.calls().of("echo").len();
        let answer = client.chat(&chat("renamed")).await?;
        let view = stack.ended_for(&client, &answer.request_id()?).await?;
        let calls = stack.primary.calls().of("echo").len() - before;
        let told = (answer.status, calls, attempts(&view)?);
        let own = ("developer_key".to_owned(), "openai_compatible".to_owned(), Value::Null);
        match project {
            "none" | "narrow" => {
                assert_eq!(told, (502, 0, vec![own]), "{project}: {view}");
                assert_eq!(answer.code()?, "upstream_error");
            }
            "private" => {
                assert_eq!(told, (400, 0, Vec::new()), "{view}");
                assert_eq!(answer.code()?, "no_available_route");
            }
            _ => {
                assert_eq!((told.0, told.1), (200, 1), "{project}: {view}");
                let [first, (mode, provider, fallback)] = &told.2[..] else { panic!("{view}") };
                assert_eq!(*first, own);
                assert_eq!((mode.as_str(), provider.as_str()), ("platform", "primary"));
                assert_eq!(fallback["from_route_mode"], "developer_key", "{view}");
                assert_eq!(fallback["provider_credential_id"], format!("cred_{project}"));
                assert_eq!(answer.header("x-forebay-route-mode"), Some("platform"));
                assert_eq!(answer.header("x-forebay-provider-fallback"), Some("developer_key"));
                assert!(answer.header("x-forebay-cost-usd").is_some());
            }
        }
    }
    assert!(!stack.logs().contains("CANARY"));
    Ok(())
}
