//! `forebay config`: what is in force, what a file would do, what was published, and going back.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use control::audit::{self, Act};
use control::publishing::{self, Difference, Preview};
use control::store::{Publication, publications};
use ledger::Db;
use proto::audit::{Actor, ActorScope, AuditOutcome};
use proto::config::Config;
use proto::nats::presence::{Heard, Roster};
use proto::nats::{Link, LinkOptions};
use serde::Serialize;
use serde_json::json;
use tokio_util::task::AbortOnDropHandle;

use crate::cli::{ConfigArgs, ConfigCommand, JsonArgs, Place};
use crate::endpoint::Endpoint;
use crate::keys::Keys;
use crate::output;
use crate::up::configure;

/// How long the processes may take to be heard.
const PATIENCE: Duration = Duration::from_secs(5);

/// Runs the command; whether all is well.
pub(crate) async fn run(args: ConfigArgs) -> anyhow::Result<bool> {
    match args.command {
        ConfigCommand::Preview { file, place, output } => preview(&file, &place, &output).await,
        ConfigCommand::Diff { file, from, to, place, output } => {
            diff(file.as_deref(), from, to, &place, &output).await
        }
        ConfigCommand::Publish { file, note, place, output } => {
            publish(&file, note.as_deref(), &place, &output).await
        }
        ConfigCommand::History { limit, place, output } => history(limit, &place, &output).await,
        ConfigCommand::Rollback { version, note, place, output } => {
            rollback(version, note.as_deref(), &place, &output).await
        }
        ConfigCommand::Status { place, output } => status(&place, &output).await,
    }
}

async fn database(place: &Place) -> anyhow::Result<Db> {
    let endpoint = Endpoint::locate(place)?;
    let db = Db::connect(endpoint.database_url.expose()).await?;
    db.check_schema().await?;
    Ok(db)
}

async fn preview(file: &Path, place: &Place, output: &JsonArgs) -> anyhow::Result<bool> {
    let draft = configure::compile_file(file)?;
    let db = database(place).await?;
    let preview = publishing::preview(&db, &publishing::of_file(&db, &draft).await?).await?;
    if output.json {
        output::json(&preview)?;
    } else {
        output::line(&preview_text(&preview))?;
    }
    Ok(preview.valid)
}

fn preview_text(preview: &Preview) -> String {
    let mut lines = vec![format!(
        "{} providers ({} enabled), {} models, {} projects; {} changes against version {}.",
        preview.providers,
        preview.enabled_providers,
        preview.models.len(),
        preview.projects,
        preview.changes.len(),
        preview.in_force
    )];
    lines.extend(preview.changes.iter().map(change));
    lines.extend(preview.warnings.iter().map(|warning| format!("  warning: {warning}")));
    lines.extend(preview.errors.iter().map(|error| format!("  error: {error}")));
    lines.push(if preview.valid { "It can be published." } else { "It cannot be published." }.to_owned());
    lines.join("\n")
}

fn change(change: &Difference) -> String {
    match change.kind {
        "added" => format!("  + {} = {}", change.path, change.after),
        "removed" => format!("  - {} = {}", change.path, change.before),
        _ => format!("  ~ {} = {} (was {})", change.path, change.after, change.before),
    }
}

async fn diff(
    file: Option<&Path>,
    from: Option<u64>,
    to: Option<u64>,
    place: &Place,
    output: &JsonArgs,
) -> anyhow::Result<bool> {
    let draft = file.map(configure::compile_file).transpose()?;
    let db = database(place).await?;
    let before = match from {
        Some(version) => known(&db, version).await?,
        None => publishing::in_force(&db).await?.context("no configuration is in force")?,
    };
    let after = match (&draft, to) {
        (Some(draft), _) => publishing::of_file(&db, draft).await?,
        (None, Some(version)) => known(&db, version).await?,
        (None, None) => publishing::in_force(&db).await?.context("no configuration is in force")?,
    };
    let changes = publishing::diff(&before, &after)?;
    if output.json {
        output::json(&json!({ "changes": changes }))?;
    } else if changes.is_empty() {
        output::line("Nothing differs.")?;
    } else {
        output::line(&changes.iter().map(change).collect::<Vec<_>>().join("\n"))?;
    }
    Ok(true)
}

async fn known(db: &Db, version: u64) -> anyhow::Result<Config> {
    let found = publishing::document(db, version).await?;
    found.with_context(|| format!("version {version} is not known"))
}

async fn publish(file: &Path, note: Option<&str>, place: &Place, output: &JsonArgs) -> anyhow::Result<bool> {
    let draft = configure::compile_file(file)?;
    let db = database(place).await?;
    let secrets = Keys::of_place(place)?.for_control();
    let actor = actor();
    let made = publishing::publish_file(&db, &draft, &secrets, &actor.to_string(), note).await?;
    if made.unchanged {
        let version = made.version;
        return tell(output, &json!({ "ok": true, "version": version, "unchanged": true }), || {
            format!("The file says what was last published from a file: version {version} stays.")
        });
    }
    // Stored nowhere and shown this once, whatever becomes of the version.
    let keys: Vec<_> =
        made.generated.iter().map(|key| (&key.project, &key.name, key.secret.expose())).collect();
    let publication = settle(&db, actor, "config.publish", made.version).await?;
    let keys_json: Vec<_> = keys
        .iter()
        .map(|(project, name, secret)| json!({ "project": project, "name": name, "secret": secret }))
        .collect();
    let mut told = told(&publication);
    told["keys"] = json!(keys_json);
    tell(output, &told, || {
        let mut lines = vec![outcome(&publication)];
        lines.extend(keys.iter().map(|(project, name, secret)| {
            format!("new key {name} of project {project}, shown this once: {secret}")
        }));
        lines.join("\n")
    })
}

async fn rollback(
    version: u64,
    note: Option<&str>,
    place: &Place,
    output: &JsonArgs,
) -> anyhow::Result<bool> {
    let db = database(place).await?;
    let secrets = Keys::of_place(place)?.for_control();
    let actor = actor();
    let made = publishing::rollback(&db, version, &secrets, &actor.to_string(), note).await?;
    let made = made.with_context(|| format!("version {version} is not known"))?;
    if made.unchanged {
        bail!("the newest version says the same as version {version}: there is nothing to go back to");
    }
    let publication = settle(&db, actor, "config.rollback", made.version).await?;
    tell(output, &told(&publication), || outcome(&publication))
}

/// Waits for what becomes of a version, and writes it down.
async fn settle(db: &Db, actor: Actor, action: &str, version: u64) -> anyhow::Result<Publication> {
    let settled = publishing::settled(db, None, version).await;
    let failed = matches!(settled, Err(control::Error::NotInForce { .. }));
    let act = Act::new(actor, action).on(version.to_string());
    let act = if failed { act.with_outcome(AuditOutcome::Failed) } else { act };
    audit::record(db, act).await?;
    match settled {
        Err(control::Error::NotInForce { .. }) | Ok(None) => {}
        Ok(Some(publication)) => return Ok(publication),
        Err(error) => return Err(error.into()),
    }
    let found = publications(db, version.saturating_add(1), 1).await?;
    found.into_iter().next().with_context(|| format!("version {version} is not known"))
}

fn told(publication: &Publication) -> serde_json::Value {
    json!({ "ok": publication.status != "failed", "version": publication.version, "publication": publication })
}

fn outcome(publication: &Publication) -> String {
    let version = publication.version;
    match (publication.status.as_str(), &publication.error) {
        ("failed", Some(error)) => {
            format!("Version {version} does not come into force, and the one before stays: {error}.")
        }
        ("staged" | "observed", _) => {
            format!("Version {version} is published and comes into force when a control runs.")
        }
        _ => format!("Version {version} is in force."),
    }
}

fn tell(output: &JsonArgs, value: &serde_json::Value, text: impl Fn() -> String) -> anyhow::Result<bool> {
    if output.json {
        output::json(value)?
    } else {
        output::line(&text())?
    }
    Ok(value["ok"] != json!(false))
}

/// Whoever sits at the machine.
fn actor() -> Actor {
    let name = std::env::var("USER").ok().filter(|name| !name.is_empty());
    Actor { scope: ActorScope::Operator, name: name.unwrap_or_else(|| "cli".to_owned()) }
}

async fn history(limit: u32, place: &Place, output: &JsonArgs) -> anyhow::Result<bool> {
    let db = database(place).await?;
    let found = publications(&db, u64::MAX, i64::from(limit)).await?;
    if output.json {
        output::json(&json!({ "data": found }))?;
        return Ok(true);
    }
    let lines = found.iter().map(|made| {
        let of = made.of_version.map(|version| format!(" to {version}")).unwrap_or_default();
        let why = made.error.as_ref().or(made.note.as_ref()).map(|text| format!("  {text}"));
        let (version, status, actor) = (made.version, &made.status, &made.actor);
        format!("{version:>6}  {status:<10}  {}{of} by {actor}{}", made.kind, why.unwrap_or_default())
    });
    output::line(&lines.collect::<Vec<_>>().join("\n"))?;
    Ok(true)
}

/// What `status --json` tells of a process.
#[derive(Serialize)]
struct Process<'a> {
    role: &'a str,
    id: &'a str,
    config: u64,
    current: bool,
    live: bool,
    heard_ms_ago: u128,
    staged: &'a Option<proto::nats::presence::Observed>,
}

async fn status(place: &Place, output: &JsonArgs) -> anyhow::Result<bool> {
    let endpoint = Endpoint::locate(place)?;
    let db = Db::connect(endpoint.database_url.expose()).await?;
    db.check_schema().await?;
    let link =
        Link::connect(&LinkOptions { urls: endpoint.nats_url.expose().clone(), role: "status" }).await?;
    let version = publishing::in_force(&db).await?.map_or(0, |config| config.version);
    let heard = everybody(link).await?;
    let all_current = heard.iter().filter(|one| one.is_live()).all(|one| one.presence.config == version);
    let processes: Vec<Process<'_>> = heard
        .iter()
        .map(|one| Process {
            role: &one.presence.role,
            id: &one.presence.id,
            config: one.presence.config,
            current: one.presence.config == version,
            live: one.is_live(),
            heard_ms_ago: one.ago.as_millis(),
            staged: &one.presence.staged,
        })
        .collect();
    if output.json {
        output::json(&json!({ "ok": all_current, "version": version, "processes": processes }))?;
        return Ok(all_current);
    }
    let mut lines = vec![format!("Version {version} is in force.")];
    lines.extend(processes.iter().map(|one| {
        let state = match (one.live, one.current) {
            (false, _) => "silent",
            (true, true) => "runs with it",
            (true, false) => "does not run with it yet",
        };
        format!("  {:<8} {}  version {}  {state}", one.role, one.id, one.config)
    }));
    output::line(&lines.join("\n"))?;
    Ok(all_current)
}

/// Everybody who has spoken lately.
async fn everybody(link: Link) -> anyhow::Result<Vec<Heard>> {
    let roster = Roster::default();
    let mut changes = roster.changes();
    let listening = roster.clone();
    let _listening = AbortOnDropHandle::new(tokio::spawn(async move { listening.run(link).await }));
    let begun = Instant::now();
    loop {
        if let Some(heard) = roster.all() {
            return Ok(heard);
        }
        if begun.elapsed() >= PATIENCE {
            bail!("the processes were not heard within {} s", PATIENCE.as_secs());
        }
        // Looked at again either way.
        tokio::time::timeout(Duration::from_millis(100), changes.changed()).await.ok();
    }
}
