//! Preparing a database: its schema, and a project to try things out with.

use std::process::ExitCode;

use anyhow::Context as _;
use ledger::Db;
use serde_json::json;

use crate::cli::SeedArgs;
use crate::endpoint::Endpoint;
use crate::output;
use crate::secrets::Keys;

/// `forebay migrate`: safe to run from many places at once.
pub(crate) async fn migrate(url: &str) -> anyhow::Result<ExitCode> {
    let db = Db::connect(url).await?;
    db.migrate().await.context("the database cannot be brought up to date")?;
    output::line("The database is up to date.")?;
    Ok(ExitCode::SUCCESS)
}

/// `forebay seed`: adds the example project and its key to what is published. Twice is the same as once.
pub(crate) async fn seed(args: SeedArgs) -> anyhow::Result<ExitCode> {
    let endpoint = Endpoint::locate(&args.place)?;
    let keys = Keys::of_place(&args.place)?;
    let db = Db::connect(endpoint.database_url.expose()).await?;
    db.check_schema().await?;
    let published = control::demo::ensure(&db, &keys.for_control(), None).await?;
    let made = published.generated.first();
    if args.output.json {
        output::json(&json!({
            "ok": true,
            "project": control::demo::DEMO,
            "config": published.version,
            "created": !published.unchanged,
            "key": made.map(|key| key.secret.expose()),
        }))?;
    } else if let Some(key) = made {
        output::line(&format!(
            "Project {} and its key are published. The key, shown this once: {}",
            key.project,
            key.secret.expose()
        ))?;
    } else {
        output::line(&format!("Project {} and its key are published already.", control::demo::DEMO))?;
    }
    Ok(ExitCode::SUCCESS)
}
