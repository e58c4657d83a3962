//! What the users of `deploy/nats` may not do: an ingress that asks for credentials, however it asks, or writes what
//! it must not write; a worker that moves money. The whole stack runs on the same file in every test of roles apart.

use std::time::Duration;

use anyhow::{Context as _, Result};
use async_nats::{Client, ConnectOptions, Event};
use bytes::Bytes;
use futures_util::StreamExt;
use serde_json::{Value, json};
use tests::nats::Nats;
use tests::setup::Setup;
use tests::stack::{Counts, Stack};
use tokio::sync::mpsc;

const SEALED: &str = "SEALED-CREDENTIAL-of-a-provider";
const PATIENCE: Duration = Duration::from_millis(400);
const REFUSED: Duration = Duration::from_millis(25);

/// A stranger who has a role's password.
struct Thief {
    client: Client,
    errors: mpsc::UnboundedReceiver<String>,
}

impl Thief {
    async fn with(url: &str, role: &str) -> Result<Self> {
        let (sender, errors) = mpsc::unbounded_channel();
        let options = ConnectOptions::new().custom_inbox_prefix(format!("_INBOX_{role}"));
        let rest = url.strip_prefix("nats://").context("an address")?;
        let (user, host) = rest.split_once('@').context("a user")?;
        let (user, password) = user.split_once(':').context("a password")?;
        let options = options.user_and_password(user.to_owned(), password.to_owned());
        let options = options.event_callback(move |event| {
            let sender = sender.clone();
            async move {
                if let Event::ServerError(error) = event {
                    sender.send(error.to_string()).unwrap_or_default();
                }
            }
        });
        Ok(Self { client: options.connect(format!("nats://{host}")).await?, errors })
    }

    /// Everything that comes back to whoever asks this, and whether the server said that it is forbidden.
    async fn ask(&mut self, subject: &str, body: &Value) -> Result<(Vec<String>, bool)> {
        while self.errors.try_recv().is_ok() {}
        let inbox = self.client.new_inbox();
        let mut answers = self.client.subscribe(inbox.clone()).await?;
        let payload = Bytes::from(body.to_string());
        self.client.publish_with_reply(subject.to_owned(), inbox, payload).await?;
        self.client.flush().await?;
        // A refusal comes before the server's answer to the flush; what is refused is not waited for as long.
        tokio::time::sleep(REFUSED).await;
        let forbidden = self.errors.try_recv().is_ok_and(|error| error.to_lowercase().contains("permission"));
        let patience = if forbidden { REFUSED } else { PATIENCE };
        let mut said = Vec::new();
        while let Ok(Some(answer)) = tokio::time::timeout(patience, answers.next()).await {
            said.push(format!("{:?} {:?} {}", answer.status, answer.headers, text(&answer.payload)));
        }
        Ok((said, forbidden))
    }

    /// Whatever is heard on a subject while `during` happens.
    async fn overhear<F: Future<Output = Result<()>>>(
        &mut self,
        subject: &str,
        during: F,
    ) -> Result<Vec<String>> {
        let mut heard = self.client.subscribe(subject.to_owned()).await?;
        self.client.flush().await?;
        during.await?;
        let mut said = Vec::new();
        while let Ok(Some(message)) = tokio::time::timeout(PATIENCE, heard.next()).await {
            said.push(format!("{} {}", message.subject, text(&message.payload)));
        }
        Ok(said)
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Every way to ask JetStream for what a stream holds, by either name of its API.
fn ways(stream: &str, filter: &str) -> Vec<(String, Value)> {
    let consumer = |deliver: Option<&str>| {
        json!({ "stream_name": stream, "config": {
            "name": "thief", "durable_name": "thief", "filter_subject": filter, "deliver_policy": "all",
            "ack_policy": "none", "deliver_subject": deliver,
        }})
    };
    let mut ways = Vec::new();
    for api in ["$JS.API", "fb.js", "$JS.core.API"] {
        let mut way = |name: &str, body: Value| ways.push((format!("{api}.{name}"), body));
        way(&format!("DIRECT.GET.{stream}.{}", filter.replace('>', "cred_1")), json!({}));
        way(&format!("DIRECT.GET.{stream}"), json!({ "last_by_subj": filter }));
        way(&format!("DIRECT.GET.{stream}"), json!({ "seq": 1, "next_by_subj": filter, "batch": 9 }));
        way(&format!("DIRECT.GET.{stream}"), json!({ "multi_last": [filter], "batch": 9 }));
        way(&format!("STREAM.MSG.GET.{stream}"), json!({ "seq": 1 }));
        way(&format!("STREAM.MSG.GET.{stream}"), json!({ "last_by_subj": filter }));
        way(&format!("STREAM.INFO.{stream}"), json!({ "subjects_filter": ">" }));
        way(&format!("STREAM.SNAPSHOT.{stream}"), json!({ "deliver_subject": "_INBOX_ingress.x" }));
        way(&format!("STREAM.PURGE.{stream}"), json!({}));
        way(&format!("STREAM.DELETE.{stream}"), json!({}));
        way("STREAM.NAMES", json!({}));
        way("STREAM.LIST", json!({}));
        way(
            "STREAM.CREATE.THEFT",
            json!({ "name": "THEFT", "sources": [{ "name": stream }], "storage": "memory" }),
        );
        way(
            "STREAM.CREATE.MIRROR",
            json!({ "name": "MIRROR", "mirror": { "name": stream }, "storage": "memory" }),
        );
        for create in [
            format!("CONSUMER.CREATE.{stream}"),
            format!("CONSUMER.CREATE.{stream}.thief"),
            format!("CONSUMER.CREATE.{stream}.thief.{filter}"),
            format!("CONSUMER.DURABLE.CREATE.{stream}.thief"),
            // A right to another stream's consumers, with this stream named inside.
            "CONSUMER.CREATE.KV_config".to_owned(),
            "CONSUMER.CREATE.KV_config.thief".to_owned(),
            "CONSUMER.CREATE.REPLAYS.thief".to_owned(),
        ] {
            way(&create, consumer(None));
            way(&create, consumer(Some("_INBOX_ingress.theft")));
        }
        way(&format!("CONSUMER.MSG.NEXT.{stream}.thief"), json!({ "batch": 9, "no_wait": true }));
        way(&format!("CONSUMER.NAMES.{stream}"), json!({}));
        // Other streams' rights, with this one's subjects.
        for other in ["KV_config", "KV_keys", "KV_RESULTS", "REPLAYS"] {
            way(&format!("DIRECT.GET.{other}"), json!({ "last_by_subj": filter }));
            way(&format!("STREAM.MSG.GET.{other}"), json!({ "last_by_subj": filter }));
        }
    }
    ways
}

async fn stack() -> Result<Stack> {
    let stack = Stack::apart(Setup::default(), Counts::default(), Nats::single().await?, None).await?;
    let js = tests::nats::connect(&stack.nats_url()?).await?;
    js.get_key_value("credentials").await?.put("cred_1", SEALED.into()).await?;
    Ok(stack)
}

async fn stored(stack: &Stack, stream: &str) -> Result<u64> {
    let js = tests::nats::connect(&stack.nats_url()?).await?;
    Ok(js.get_stream(stream).await?.cached_info().state.last_sequence)
}

#[tokio::test]
async fn an_ingress_that_asks_for_credentials_gets_a_permission_error_or_nothing() -> Result<()> {
    let stack = stack().await?;
    let url = stack.nats.as_ref().context("servers")?.url_of("ingress");
    let mut thief = Thief::with(&url, "ingress").await?;
    let mut forbidden = 0;
    for (subject, body) in ways("KV_credentials", "$KV.credentials.>") {
        let (said, refused) = thief.ask(&subject, &body).await?;
        let all = said.join("\n");
        assert!(!all.contains(SEALED), "{subject}: {all}");
        // Nothing of the kind exists for it, not even a name; 404 is about streams that it may read.
        assert!(!all.contains("KV_credentials"), "{subject}: {all}");
        // What is not refused is another stream's, which it may read, and which holds nothing of the kind.
        let may = ["KV_config", "KV_keys", "KV_RESULTS", "REPLAYS"].iter().any(|name| subject.contains(name));
        assert!(refused || may && subject.starts_with("fb.js."), "{subject}: {all}");
        forbidden += usize::from(refused);
    }
    assert!(forbidden >= 60, "{forbidden}");

    // Not when one is written either.
    let js = tests::nats::connect(&stack.nats_url()?).await?;
    let bucket = js.get_key_value("credentials").await?;
    for subject in
        ["$KV.credentials.>", "fb.change.credentials.>", "$KV.>", ">", "$JS.>", "_INBOX_workers.>", "_R_.>"]
    {
        let heard = thief.overhear(subject, async {
            bucket.put("cred_1", SEALED.into()).await?;
            stack.client.ask("ok").await?;
            Ok(())
        });
        assert_eq!(heard.await?, Vec::<String>::new(), "{subject}");
    }
    let heard = thief.overhear("fb.change.>", async {
        bucket.put("cred_1", SEALED.into()).await?;
        Ok(())
    });
    assert!(heard.await?.iter().all(|said| !said.contains(SEALED)));
    Ok(())
}

#[tokio::test]
async fn an_ingress_writes_nothing_that_is_not_its_own() -> Result<()> {
    let stack = stack().await?;
    let url = stack.nats.as_ref().context("servers")?.url_of("ingress");
    let mut thief = Thief::with(&url, "ingress").await?;
    let streams = ["EVENTS", "KV_credentials", "KV_config", "KV_keys", "KV_switches", "KV_payload_keys"];
    stack.settle(Duration::from_secs(20))?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut before = Vec::new();
    for stream in streams {
        before.push(stored(&stack, stream).await?);
    }
    for subject in [
        "fb.evt.money.topup",
        "fb.evt.usage.acme",
        "fb.evt.config",
        "fb.evt.audit.key.create",
        "$KV.credentials.cred_2",
        "$KV.config.current",
        "$KV.keys.abc",
        "$KV.switches.key.k",
        "$KV.payload_keys.day.x",
        "$KV.health.x",
        "$KV.presence.workers.x",
        "fb.js.$KV.credentials.cred_2",
        "$JS.ACK.REQUESTS.workers-interactive-main.1.1.1.1.0",
        "fb.reply.another.request",
        "fb.ctl.load",
        "fb.ctl.ledger",
    ] {
        let (_, refused) = thief.ask(subject, &json!({})).await?;
        assert!(refused, "{subject}");
    }
    // The server's own answers, sent where the thief could not publish.
    let reflections = [
        ("fb.req.interactive.thief.0", "{}"),
        ("fb.js.DIRECT.GET.KV_config.$KV.config.current", ""),
        ("fb.js.DIRECT.GET.KV_config", r#"{"seq":1,"next_by_subj":"$KV.config.>","batch":9}"#),
        ("fb.js.STREAM.MSG.GET.KV_RESULTS", r#"{"seq":1}"#),
        ("fb.ctl.lookup", "{}"),
        ("$KV.RESULTS.acme.x", "{}"),
    ];
    for target in [
        "fb.evt.money.topup",
        "fb.evt.config",
        "$KV.credentials.cred_2",
        "$KV.config.current",
        "$KV.keys.abc",
    ] {
        for (subject, body) in reflections {
            thief.client.publish_with_reply(subject, target, Bytes::from(body)).await?;
        }
    }
    thief.client.flush().await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    for (stream, before) in streams.into_iter().zip(before) {
        assert_eq!(stored(&stack, stream).await?, before, "{stream}");
    }
    Ok(())
}

#[tokio::test]
async fn every_other_role_is_kept_to_its_own_as_well() -> Result<()> {
    let stack = stack().await?;
    let nats = stack.nats.as_ref().context("servers")?;
    for (role, subjects) in [
        (
            "workers",
            vec![
                "fb.evt.money.topup",
                "fb.evt.config",
                "fb.evt.audit.key.create",
                "fb.req.interactive.main.0",
                "$KV.credentials.cred_1",
                "$KV.config.current",
                "$KV.keys.abc",
                "$KV.switches.key.k",
                "$JS.API.DIRECT.GET.KV_keys.$KV.keys.abc",
                "$JS.API.STREAM.MSG.GET.EVENTS",
                "$JS.API.STREAM.DELETE.EVENTS",
                "$JS.API.CONSUMER.CREATE.EVENTS",
                "fb.ctl.lookup",
                "fb.ctl.ledger",
            ],
        ),
        (
            "ledger",
            vec![
                "fb.evt.usage.acme",
                "fb.evt.money.topup",
                "fb.req.interactive.main.0",
                "$KV.config.current",
                "$KV.credentials.cred_1",
                "$JS.API.DIRECT.GET.KV_credentials.$KV.credentials.cred_1",
                "$JS.API.DIRECT.GET.KV_keys.$KV.keys.abc",
                "$JS.API.CONSUMER.CREATE.REQUESTS",
                "$JS.API.STREAM.PURGE.EVENTS",
                "fb.ctl.load",
                "fb.ctl.cancel",
            ],
        ),
        (
            "control",
            vec![
                "fb.evt.usage.acme",
                "fb.evt.attempt.acme",
                "fb.req.interactive.main.0",
                "fb.reply.a.b",
                "fb.ctl.cancel",
                "$JS.API.STREAM.DELETE.EVENTS",
                "$JS.API.STREAM.PURGE.EVENTS",
                "$JS.API.STREAM.MSG.DELETE.EVENTS",
            ],
        ),
    ] {
        let mut thief = Thief::with(&nats.url_of(role), role).await?;
        for subject in subjects {
            let (_, refused) = thief.ask(subject, &json!({})).await?;
            assert!(refused, "{role}: {subject}");
        }
        for other in
            ["_INBOX_control.>", "_INBOX_workers.>", "_INBOX_ledger.>", "_INBOX_ingress.>", "_R_.>", ">"]
        {
            if !other.contains(role) {
                let asked = async {
                    stack.client.ask("ok").await?;
                    Ok(())
                };
                assert_eq!(thief.overhear(other, asked).await?, Vec::<String>::new(), "{role}: {other}");
            }
        }
    }
    Ok(())
}
