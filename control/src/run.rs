//! The role: declares, publishes, projects, and keeps the payload keys.

use std::time::{Duration, Instant};

use ledger::Db;
use proto::clock::now_ms;
use proto::nats::Link;
use tokio_util::sync::CancellationToken;

use crate::error::Error;
use crate::file::Draft;
use crate::project::Projector;
use crate::retention::Retention;
use crate::store::{self, Change, Published, Source, publish, publish_change};
use crate::{Config, Secrets, metrics, payload_keys};

const START_RETRY: Duration = Duration::from_millis(500);
/// How often payload keys and the age of events are looked after.
const UPKEEP_EVERY: Duration = Duration::from_secs(3600);
/// How long the last pass over the outbox may take when the role is told to end.
const LAST_PASS: Duration = Duration::from_secs(5);

/// Runs control until `shutdown`. Ends with an error if the configuration to be published cannot be used, or if
/// NATS or the database cannot be reached in time at the start; later failures are tried again for ever and shown
/// by [`crate::Health`].
pub async fn run(
    mut config: Config,
    link: Link,
    db: Db,
    secrets: Secrets,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    metrics::describe();
    let draft = config.draft()?;
    let begun = Instant::now();
    let (projector, published) = loop {
        let started = tokio::select! {
            started = start(&config, &link, &db, &secrets, draft.as_ref()) => started,
            () = shutdown.cancelled() => return Ok(()),
        };
        match started {
            Err(error) if error.is_passing() && begun.elapsed() < config.start_patience => {
                tracing::debug!(error = %chain(&error), "not started yet, trying again");
                tokio::time::sleep(START_RETRY).await;
            }
            started => break started?,
        }
    };
    if let (Some(published), Some(announce)) = (published, config.on_published.take()) {
        // Nobody listening is fine: the secrets are then shown nowhere.
        announce.send(published).ok();
    }
    // Boxed: it holds the whole declaration of streams, and this task lives as long as the process.
    Box::pin(follow(&config, &link, &db, &secrets, projector, &shutdown)).await;
    Ok(())
}

/// Prepares NATS and publishes the draft. May be done again from the beginning, wherever it failed.
async fn start(
    config: &Config,
    link: &Link,
    db: &Db,
    secrets: &Secrets,
    draft: Option<&(Draft, Source)>,
) -> Result<(Projector, Option<Published>), Error> {
    let projector = prepare(config, link, db, secrets).await?;
    // NATS first and the database second: the database only grows, so it is behind only if it was replaced.
    let floor = projector.floor().await?;
    let known = store::newest(db).await?.map_or(0, |newest| newest.version);
    if floor > known {
        let forgotten = projector.forget_unknown_keys().await?;
        tracing::warn!(floor, known, forgotten, "nats has seen newer versions than the database");
    }
    let Some((draft, source)) = draft else {
        if floor > known {
            publish_change(db, &Change::Again, Source::File, secrets, floor, now_ms()).await?;
        }
        return Ok((projector, None));
    };
    let published = publish(db, draft, *source, secrets, floor, now_ms()).await?;
    tracing::info!(
        config_version = published.version,
        unchanged = published.unchanged,
        source = source.as_str(),
        "configuration published"
    );
    Ok((projector, Some(published)))
}

/// Declares streams and buckets, makes payload keys, opens the projector.
async fn prepare(config: &Config, link: &Link, db: &Db, secrets: &Secrets) -> Result<Projector, Error> {
    Retention::default().declare(link, db, &config.streams, now_ms()).await?;
    payload_keys::ensure(link, &secrets.wrapper, config.streams.requests_max_age, now_ms()).await?;
    Projector::open(db.clone(), link.clone()).await
}

/// Projects until `shutdown`.
async fn follow(
    config: &Config,
    link: &Link,
    db: &Db,
    secrets: &Secrets,
    mut projector: Projector,
    shutdown: &CancellationToken,
) {
    // What a former connection saw of NATS may be gone: it is compared again after each break.
    let mut compared_at: Option<u64> = None;
    let mut upkeep_at = Instant::now();
    let mut retention = Retention::default();
    let mut failing = false;
    while !shutdown.is_cancelled() {
        let epoch = link.state().epoch;
        let pass = async {
            if compared_at.is_some_and(|at| at != epoch) {
                projector = prepare(config, link, db, secrets).await?;
            }
            if upkeep_at.elapsed() >= UPKEEP_EVERY {
                let window = config.streams.requests_max_age;
                payload_keys::ensure(link, &secrets.wrapper, window, now_ms()).await?;
                retention.keep_up(link, db, &config.streams, now_ms()).await?;
                upkeep_at = Instant::now();
            }
            let done = projector.drain().await?;
            if compared_at != Some(epoch) {
                projector.restore().await?;
                compared_at = Some(epoch);
            }
            Ok::<_, Error>(done)
        };
        let passed = tokio::select! {
            passed = pass => passed,
            () = shutdown.cancelled() => break,
        };
        note(config, db, passed, &mut failing).await;
        tokio::select! {
            () = tokio::time::sleep(config.poll) => {}
            () = shutdown.cancelled() => {}
        }
    }
    if !matches!(tokio::time::timeout(LAST_PASS, projector.drain()).await, Ok(Ok(_))) {
        tracing::warn!("the outbox was not empty at the end; the next control goes on with it");
    }
}

/// Tells health, metrics and, once, the log how a pass went.
async fn note(config: &Config, db: &Db, passed: Result<usize, Error>, failing: &mut bool) {
    let health = &config.health;
    match passed {
        Ok(0) if !*failing && health.check().is_ok() => {}
        Ok(_) => {
            *failing = false;
            let newest = store::newest(db).await;
            let version = newest.ok().flatten().map_or(0, |newest| newest.version);
            let nothing = (version == 0).then(|| "no configuration has been published yet".to_owned());
            metrics::config_version(version);
            health.set(version, nothing);
        }
        Err(error) => {
            metrics::projection_failed();
            if !*failing {
                tracing::error!(error = %chain(&error), "projecting failed, trying again");
            }
            *failing = true;
            health.set(health.config(), Some(format!("published changes are not projected: {error}")));
        }
    }
}

/// An error with everything below it, for a log line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut below = error.source();
    while let Some(source) = below {
        text.push_str(": ");
        text.push_str(&source.to_string());
        below = source.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use proto::nats::Projection;
    use tokio::sync::oneshot;
    use tokio::task::JoinHandle;

    use super::*;
    use crate::Health;
    use crate::testing::{Nats, secrets, sqlite, streams, text};

    const PATIENCE: Duration = Duration::from_secs(20);

    struct Role {
        task: JoinHandle<Result<(), Error>>,
        published: oneshot::Receiver<Published>,
        health: Health,
        shutdown: CancellationToken,
    }

    async fn role(nats: &Nats, db: &Db, file: Option<PathBuf>) -> Role {
        let (sender, published) = oneshot::channel();
        let config = Config {
            publish_default: file.is_none(),
            file,
            streams: streams(),
            on_published: Some(sender),
            ..Config::default()
        };
        let health = config.health.clone();
        let shutdown = CancellationToken::new();
        let task = run(config, nats.bare().await, db.clone(), secrets('m'), shutdown.clone());
        Role { task: tokio::spawn(task), published, health, shutdown }
    }

    async fn until(what: &str, mut holds: impl FnMut() -> bool) {
        let started = Instant::now();
        while !holds() {
            assert!(started.elapsed() < PATIENCE, "{what}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    #[tokio::test]
    async fn a_first_start_publishes_projects_and_makes_keys() {
        let nats = Nats::start();
        let (db, _dir) = sqlite().await;
        let first = role(&nats, &db, None).await;
        let published = first.published.await.unwrap();
        assert_eq!((published.version, published.generated.len()), (1, 1));
        let projection = Projection::new();
        let link = nats.bare().await;
        let watch = {
            let projection = projection.clone();
            tokio::spawn(async move { projection.run(link, secrets('m').wrapper).await })
        };
        until("the configuration is seen", || projection.config().is_some_and(|c| c.version == 1)).await;
        until("a payload key is seen", || !projection.ring().is_empty()).await;
        until("control is ready", || first.health.check().is_ok()).await;
        assert_eq!(first.health.config(), 1);
        first.shutdown.cancel();
        first.task.await.unwrap().unwrap();
        watch.abort();

        let again = role(&nats, &db, None).await;
        let published = again.published.await.unwrap();
        assert_eq!((published.version, published.unchanged, published.generated.len()), (1, true, 0));
        again.shutdown.cancel();
        again.task.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn two_at_once_agree() {
        let nats = Nats::start();
        let (db, dir) = sqlite().await;
        let file = dir.path().join("forebay.toml");
        std::fs::write(&file, text("m", &[("k", Some("secret-a-0123456789"))])).unwrap();
        let roles = [role(&nats, &db, Some(file.clone())).await, role(&nats, &db, Some(file)).await];
        for role in roles {
            assert_eq!(role.published.await.unwrap().version, 1);
            until("control is ready", || role.health.check().is_ok()).await;
            role.shutdown.cancel();
            role.task.await.unwrap().unwrap();
        }
    }

    #[tokio::test]
    async fn a_file_with_mistakes_stops_it_before_anything_is_touched() {
        let nats = Nats::start();
        let (db, dir) = sqlite().await;
        let file = dir.path().join("my.toml");
        std::fs::write(&file, "streaming = 1\nfoo = 2").unwrap();
        let role = role(&nats, &db, Some(file)).await;
        let error = role.task.await.unwrap().unwrap_err();
        assert!(chain(&error).contains("my.toml:2: foo: unknown field"), "{}", chain(&error));
        assert!(store::newest(&db).await.unwrap().is_none());
        assert!(role.health.check().is_err());
    }

    #[tokio::test]
    async fn a_nats_that_comes_back_empty_is_filled_while_running() {
        let nats = Nats::start();
        let (db, _dir) = sqlite().await;
        let running = role(&nats, &db, None).await;
        assert_eq!(running.published.await.unwrap().version, 1);
        until("control is ready", || running.health.check().is_ok()).await;
        let nats = nats.replace();
        let projection = Projection::new();
        let link = nats.bare().await;
        let watch = {
            let projection = projection.clone();
            tokio::spawn(async move { projection.run(link, secrets('m').wrapper).await })
        };
        until("the configuration is there again", || projection.config().is_some()).await;
        until("a payload key is there again", || !projection.ring().is_empty()).await;
        watch.abort();
        running.shutdown.cancel();
        running.task.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn an_older_database_gets_ahead_of_nats_again() {
        let nats = Nats::start();
        let ahead = nats.link().await;
        let store = ahead.js.get_key_value("config").await.unwrap();
        store.put("current", r#"{"version":41}"#.into()).await.unwrap();
        let (db, _dir) = sqlite().await;
        let draft = crate::testing::draft("m", &[]);
        publish(&db, &draft, Source::File, &secrets('m'), 0, 1).await.unwrap();
        let shutdown = CancellationToken::new();
        let config = Config { streams: streams(), ..Config::default() };
        let health = config.health.clone();
        let task = tokio::spawn(run(config, ahead, db.clone(), secrets('m'), shutdown.clone()));
        until("control is ready", || health.check().is_ok()).await;
        assert_eq!(health.config(), 42);
        let current = store.get("current").await.unwrap().unwrap();
        let current: proto::config::Config = serde_json::from_slice(&current).unwrap();
        assert_eq!((current.version, current.models[0].alias.as_str()), (42, "m"));
        shutdown.cancel();
        task.await.unwrap().unwrap();
    }
}
