//! Roles apart: two of each on PostgreSQL, and a configuration that changes under way.

use std::fs;
use std::time::Duration;

use anyhow::Result;
use futures_util::future::join_all;
use tests::client::chat_stream;
use tests::nats::Nats;
use tests::postgres::Postgres;
use tests::setup::{OTHER_KEY, Setup};
use tests::stack::{Counts, Stack};
use tests::wait;

#[tokio::test]
async fn two_of_each_on_postgres() -> Result<()> {
    let postgres = Postgres::start().await?;
    let database = postgres.database("forebay").await?;
    let counts = Counts { ingress: 2, workers: 2, ledger: 2, ..Counts::default() };
    let nats = Nats::single().await?;
    let mut stack = Stack::apart(Setup::default(), counts, nats, Some((postgres, database))).await?;
    for n in 0..2 {
        let client = stack.client_of(n)?;
        let answers = join_all((0..40).map(|_| client.ask("ok"))).await;
        for answer in answers {
            assert_eq!(answer?.status, 200);
        }
        assert!(client.stream(&chat_stream("s20x2")).await?.read().await?.done);
    }
    // What one ingress accepted, the other can tell about.
    let id = stack.client_of(0)?.ask("ok").await?.request_id()?;
    assert_eq!(stack.ended_for(&stack.client_of(1)?, &id).await?["status"], "success");
    stack.settle(Duration::from_secs(20))?;

    // One of each goes; the others go on.
    for name in ["ledger-0", "workers-0"] {
        stack.process(name)?.kill()?;
    }
    let id = stack.client_of(1)?.ask("ok").await?.request_id()?;
    assert_eq!(stack.ended_for(&stack.client_of(1)?, &id).await?["status"], "success");
    stack.restart("ledger-0")?;
    stack.restart("workers-0")?;
    changes_reach_everybody(&mut stack).await
}

async fn changes_reach_everybody(stack: &mut Stack) -> Result<()> {
    let other = stack.client.with_key(OTHER_KEY);
    assert_eq!(other.ask("ok").await?.status, 200);
    let file = fs::read_to_string(stack.config_file())?;
    let key = "[[keys]]\nproject = \"other\"\nname = \"ci\"\nsecret = \"env:OTHER_KEY\"\n";
    anyhow::ensure!(file.contains(key), "the file has no such key");
    fs::write(stack.config_file(), file.replace(key, "").replace("model = \"echo\"", "model = \"s7x0\""))?;
    stack.process("control-0")?.terminate(Duration::from_secs(20))?;
    stack.restart("control-0")?;
    wait::until("the key is revoked", Duration::from_secs(20), || async {
        let one = other.ask("ok").await?.status;
        let two = stack.client_of(1)?.with_key(OTHER_KEY).ask("ok").await?.status;
        Ok((one == 401 && two == 401).then_some(()))
    })
    .await?;
    wait::until("the alias leads elsewhere", Duration::from_secs(10), || async {
        let answer = stack.client.ask("renamed").await?;
        Ok((answer.header("x-forebay-model") == Some("s7x0")).then_some(()))
    })
    .await?;
    let answer = stack.client.ask("ok").await?;
    assert_eq!(answer.header("x-forebay-config"), Some("2"));
    Ok(())
}

#[tokio::test]
async fn an_older_schema_is_refused() -> Result<()> {
    let nats = Nats::single().await?;
    let dir = tempfile::tempdir()?;
    let mut spec = tests::process::Spec::new("ledger", tests::binary::forebay()?, dir.path().join("log"));
    spec.env = Setup::default().environment();
    let database = format!("sqlite://{}?mode=rwc", dir.path().join("empty.db").display());
    let spec = spec.env("NATS_URL", nats.url()).env("DATABASE_URL", database).args([
        "ledger",
        "--admin-listen",
        "127.0.0.1:0",
    ]);
    let mut process = spec.start()?;
    let status = process.wait(Duration::from_secs(20))?;
    assert!(!status.success() && process.log().contains("migrate"), "{}", process.log());
    Ok(())
}
