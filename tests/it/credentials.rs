//! The keys that provider credentials are sealed with: control without the private half, and a rotation while
//! everything runs.

use std::time::Duration;

use anyhow::{Context as _, Result};
use proto::config::ProviderKind;
use proto::credential::{CredentialRecord, Owner};
use proto::hpke::{OpeningKeys, Sealed, SealingKey, pair};
use proto::secret::{MasterKey, Secret};
use serde_json::Value;
use sqlx::Connection as _;
use tests::nats::{self, Nats};
use tests::setup::{MASTER, Setup};
use tests::stack::{Counts, Stack};
use tests::wait;

const NEWER: &str = "CANARY-newer-master-q3Zt7-hB5_wMn1XrPv8YcKd2FjGs";
const GIVEN: &str = "sk-CANARY-given-to-be-sealed-6Rk9";

fn keys(master: &str) -> Result<(SealingKey, OpeningKeys)> {
    Ok(pair(&MasterKey::new(master.to_owned())?.credential_key_material()))
}

fn record(id: &str, sealing: &SealingKey) -> Result<CredentialRecord> {
    let mut record = CredentialRecord {
        id: id.to_owned(),
        owner: Owner::Platform,
        provider: "primary".to_owned(),
        kind: ProviderKind::OpenaiCompatible,
        base_url: None,
        sealed: String::new(),
        models_allowed: Vec::new(),
        priority: 100,
        weight: 1,
        fallback_to_platform: false,
        created_ms: 5,
    };
    record.sealed = sealing.seal(&Secret::new(GIVEN.to_owned()), &record.about())?.to_string();
    Ok(record)
}

/// Puts credentials where control keeps them.
async fn plant(database: &str, records: &[CredentialRecord], sealing: &SealingKey) -> Result<()> {
    let mut connection = sqlx::SqliteConnection::connect(database).await?;
    for record in records {
        sqlx::query(
            "INSERT INTO credentials (id, owner_scope, owner, provider, kind, sealed, sealed_with, masked, \
             models_allowed, priority, weight, fallback_to_platform, created_by, created_ms) VALUES (?, 'platform', \
             '', 'primary', 'openai_compatible', ?, ?, 'sk-…6Rk9', '[]', 100, 1, 0, 'admin:ops', 5)",
        )
        .bind(&record.id)
        .bind(&record.sealed)
        .bind(sealing.id())
        .execute(&mut connection)
        .await?;
    }
    Ok(())
}

#[tokio::test]
async fn every_credential_is_sealed_anew_while_everything_runs() -> Result<()> {
    let (old, old_opening) = keys(MASTER)?;
    let (new, new_opening) = keys(NEWER)?;
    // As after the first two steps: everybody has the newer secret, and the older one beside it.
    let setup =
        Setup::default().env("SECRET_ENCRYPTION_KEY", NEWER).env("SECRET_ENCRYPTION_KEY_PREVIOUS", MASTER);
    let stack = Stack::apart(setup, Counts::default(), Nats::single().await?, None).await?;
    assert_eq!(stack.client.ask("ok").await?.status, 200);
    let records = (0..30).map(|n| record(&format!("cred_{n:02}"), &old)).collect::<Result<Vec<_>>>()?;
    plant(&stack.database_url()?, &records, &old).await?;

    let (ok, said) = stack.report(&["credentials", "public-key"])?;
    assert!(ok && said["public_key"] == new.to_string(), "{said}");
    let (_, listed) = stack.report(&["credentials", "list"])?;
    let listed = listed["credentials"].as_array().context("a list")?.clone();
    assert!(listed.len() == 30 && listed.iter().all(|one| one["sealed_with"] == old.id()), "{listed:?}");
    assert!(!serde_json::to_string(&listed)?.contains("CANARY"));

    let (ok, said) = stack.report(&["credentials", "rotate"])?;
    assert!(ok && said["resealed"] == 30 && said["failed"] == Value::Array(Vec::new()), "{said}");
    let (ok, again) = stack.report(&["credentials", "rotate"])?;
    assert!(ok && again["resealed"] == 0, "{again}");
    // What the workers are told opens with the newer key alone, and is still bound to what it was.
    let js = nats::connect(&stack.nats_url()?).await?;
    let bucket = js.get_key_value("credentials").await?;
    for before in &records {
        let told = wait::until("the worker is told", Duration::from_secs(10), || async {
            Ok(bucket.get(before.id.as_str()).await?)
        });
        let told: CredentialRecord = serde_json::from_slice(&told.await?)?;
        let sealed: Sealed = told.sealed.parse()?;
        assert_eq!(new_opening.open(&sealed, &told.about())?.expose(), GIVEN);
        assert!(old_opening.open(&sealed, &told.about()).is_err());
    }
    let (ok, _) = stack.report(&["audit", "verify"])?;
    assert!(ok);
    Ok(())
}

#[tokio::test]
async fn control_and_ingress_do_without_the_master_secret() -> Result<()> {
    let master = MasterKey::new(MASTER.to_owned())?;
    let (public, shared) = (keys(MASTER)?.0.to_string(), master.shared().reveal().expose().clone());
    let split = |setup: Setup| {
        setup
            .env("SECRET_ENCRYPTION_KEY", "")
            .env("FOREBAY_SHARED_SECRET", &shared)
            .env("FOREBAY_SEALING_KEY", &public)
    };
    let counts = Counts { workers: 0, ..Counts::default() };
    let mut stack = Stack::started(split(Setup::default()), counts, Nats::single().await?, None)?;
    // Without it no worker starts, and neither does control without the public half.
    let said = stack.command(&["workers", "--admin-listen", "127.0.0.1:0"])?;
    let why = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(!said.status.success() && why.contains("SECRET_ENCRYPTION_KEY"), "{why}");
    for refused in
        [["credentials", "shared-secret"], ["credentials", "public-key"], ["credentials", "rotate"]]
    {
        assert!(!stack.command(&refused)?.status.success(), "{refused:?}");
    }
    stack.add_with(
        "workers",
        &[("SECRET_ENCRYPTION_KEY", MASTER), ("FOREBAY_SHARED_SECRET", ""), ("FOREBAY_SEALING_KEY", "")],
    )?;
    stack.wait_ready(Duration::from_secs(30)).await?;
    assert_eq!(stack.client.ask("ok").await?.status, 200);
    assert_eq!(stack.client.with_key("sk-nobody").ask("ok").await?.status, 401);
    Ok(())
}
