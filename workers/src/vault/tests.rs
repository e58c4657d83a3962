use proto::config::ProviderKind;
use proto::hpke::{SealingKey, pair};

use super::*;

fn record(id: &str, owner: Owner, priority: u32, created_ms: u64) -> CredentialRecord {
    CredentialRecord {
        id: id.into(),
        owner,
        provider: "p".into(),
        kind: ProviderKind::Openai,
        base_url: None,
        sealed: String::new(),
        models_allowed: Vec::new(),
        priority,
        weight: 1,
        fallback_to_platform: false,
        created_ms,
    }
}

fn vault() -> (Vault, SealingKey) {
    let (sealing, opening) = pair(&Secret::new([5; 32]));
    (Vault::new(opening, Config::default()), sealing)
}

fn sealed(sealing: &SealingKey, secret: &str, record: CredentialRecord) -> CredentialRecord {
    let sealed = sealing.seal(&Secret::new(secret.to_owned()), &record.about()).unwrap().to_string();
    CredentialRecord { sealed, ..record }
}

fn ids(credentials: &[Arc<Credential>]) -> Vec<&str> {
    credentials.iter().map(|c| c.record.id.as_str()).collect()
}

#[test]
fn they_stand_by_priority_and_the_newest_first() {
    let (vault, _) = vault();
    assert!(vault.of(&Owner::Platform).is_empty() && vault.get("a").is_none());
    for (id, priority, created) in [("old", 100, 1), ("new", 100, 2), ("first", 1, 0)] {
        vault.insert(record(id, Owner::Platform, priority, created));
    }
    vault.insert(record("theirs", Owner::Project("acme".into()), 1, 1));
    assert_eq!(ids(&vault.of(&Owner::Platform)), ["first", "new", "old"]);
    assert_eq!(ids(&vault.of(&Owner::Project("acme".into()))), ["theirs"]);
    assert!(vault.of(&Owner::Project("other".into())).is_empty());
    vault.insert(record("first", Owner::Platform, 200, 0));
    assert_eq!(ids(&vault.of(&Owner::Platform)), ["new", "old", "first"]);
    vault.remove("new");
    assert_eq!(ids(&vault.of(&Owner::Platform)), ["old", "first"]);
}

#[test]
fn a_pool_is_what_was_made_for_the_provider_and_what_its_row_names() {
    let (vault, _) = vault();
    vault.insert(record("own", Owner::Platform, 2, 0));
    vault.insert(CredentialRecord { provider: "q".into(), ..record("named", Owner::Platform, 1, 0) });
    vault.insert(record("theirs", Owner::EndUser("u".into()), 1, 0));
    let mut row = Provider::new("p", ProviderKind::Openai);
    assert_eq!(ids(&vault.pool(&row)), ["own"]);
    row.api_key = Some(SecretRef::Credential("named".into()));
    assert_eq!(ids(&vault.pool(&row)), ["named", "own"]);
    row.api_key = Some(SecretRef::Credential("theirs".into()));
    assert_eq!(ids(&vault.pool(&row)), ["own"], "a tenant's secret is never the platform's");
}

#[test]
fn one_that_is_refused_three_times_is_left_out_unless_it_is_the_last() {
    let (vault, _) = vault();
    vault.insert(record("a", Owner::Platform, 1, 0));
    vault.insert(record("b", Owner::Platform, 2, 0));
    let row = Provider::new("p", ProviderKind::Openai);
    let refuse = |id: &str| (0..3).for_each(|_| vault.get(id).unwrap().answered(401));
    refuse("a");
    assert_eq!(ids(&vault.pool(&row)), ["b"]);
    refuse("b");
    assert_eq!(ids(&vault.pool(&row)), ["a", "b"]);
    vault.insert(record("a", Owner::Platform, 3, 0));
    assert_eq!(ids(&vault.pool(&row)), ["a"], "a changed one begins anew");
}

#[tokio::test]
async fn it_is_opened_once_and_closed_when_it_changes() {
    crate::testing::tls();
    let (vault, sealing) = vault();
    let own = sealed(&sealing, "sk-one", record("a", Owner::EndUser("u".into()), 1, 0));
    vault.insert(own.clone());
    let credential = vault.get("a").unwrap();
    let first = vault.open(&credential, None).await.unwrap();
    assert!(Arc::ptr_eq(&first, &vault.open(&credential, None).await.unwrap()));
    assert_eq!(first.provider.name, "tenant/openai");
    assert!(!format!("{vault:?}").contains("sk-one"));
    let gone = Arc::downgrade(&first);
    drop((first, credential));
    vault.insert(CredentialRecord { priority: 2, ..own });
    assert!(gone.upgrade().is_none(), "closed with the credential");
    let again = vault.get("a").unwrap();
    let row = Provider {
        base_url: Some("https://one.example/v1".into()),
        ..Provider::new("p", ProviderKind::Openai)
    };
    let one = vault.open(&again, Some(&row)).await.unwrap();
    let other = Provider { base_url: Some("https://two.example/v1".into()), ..row };
    let two = vault.open(&again, Some(&other)).await.unwrap();
    assert!(!Arc::ptr_eq(&one, &two));
    assert_eq!(again.opened.lock().await.len(), 1, "the row as it was is not kept");
}

#[tokio::test]
async fn nothing_opens_as_somebody_elses_nor_at_an_address_that_is_not_public() {
    let (vault, sealing) = vault();
    let own = sealed(&sealing, "sk-one", record("a", Owner::EndUser("u".into()), 1, 0));
    let open = async |record: CredentialRecord| {
        let id = record.id.clone();
        vault.insert(record);
        vault.open(&vault.get(&id).unwrap(), None).await.map(drop)
    };
    let stolen = CredentialRecord { owner: Owner::EndUser("v".into()), ..own.clone() };
    assert!(matches!(open(stolen).await, Err(OpenError::Sealed(HpkeError::Damaged))));
    for base_url in ["https://127.0.0.1/v1", "http://example.com/v1", "https://169.254.169.254/"] {
        let private = CredentialRecord { base_url: Some(base_url.into()), ..own.clone() };
        let refused = open(private).await;
        assert!(matches!(refused, Err(OpenError::Unusable(UnusableError::Guard(_)))), "{base_url}");
    }
    let compatible = CredentialRecord { kind: ProviderKind::OpenaiCompatible, ..own };
    let refused = open(compatible).await;
    assert!(
        matches!(refused, Err(OpenError::Unusable(UnusableError::NoAddress))),
        "no vendor's host by default"
    );
}
