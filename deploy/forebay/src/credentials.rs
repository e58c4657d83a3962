//! `forebay credentials`: the keys that provider credentials are sealed with, what is stored, and sealing it anew.

use clap::{Args, Subcommand};
use control::sealed::{self, Masked, Rotation};
use ledger::Db;
use proto::audit::{Actor, ActorScope};
use serde::Serialize;
use serde_json::json;

use crate::cli::{JsonArgs, Place};
use crate::endpoint::Endpoint;
use crate::keys::Keys;
use crate::output;

/// `forebay credentials`.
#[derive(Debug, Subcommand)]
pub(crate) enum CredentialsCommand {
    /// Print the public half of the key that credentials are sealed with: FOREBAY_SEALING_KEY of control
    ///
    /// Where roles run apart, control needs no more to seal credentials, and cannot open one. Run it where the workers'
    /// SECRET_ENCRYPTION_KEY is.
    PublicKey(CredentialsArgs),
    /// Print what ingress and control need of the master secret: FOREBAY_SHARED_SECRET
    ///
    /// It is a secret: it opens request bodies and hashes keys. It opens no provider credential. Run it where the
    /// workers' SECRET_ENCRYPTION_KEY is.
    SharedSecret(CredentialsArgs),
    /// List what is stored, masked
    List(CredentialsArgs),
    /// Seal every stored credential with the newest key, while everything runs
    ///
    /// Give the workers the new SECRET_ENCRYPTION_KEY and the former one as SECRET_ENCRYPTION_KEY_PREVIOUS first, then
    /// control the new FOREBAY_SEALING_KEY, then run this with the workers' environment. It may be stopped and started
    /// again. Afterwards nothing is sealed with the former key any more.
    Rotate(CredentialsArgs),
}

/// Every subcommand's options.
#[derive(Debug, Args)]
pub(crate) struct CredentialsArgs {
    #[command(flatten)]
    pub(crate) place: Place,
    #[command(flatten)]
    pub(crate) output: JsonArgs,
}

impl CredentialsCommand {
    /// The subcommand's options.
    pub(crate) fn args(&self) -> &CredentialsArgs {
        match self {
            Self::PublicKey(args) | Self::SharedSecret(args) | Self::List(args) | Self::Rotate(args) => args,
        }
    }
}

#[derive(Debug, Serialize)]
struct Rotated<'a> {
    ok: bool,
    key: &'a str,
    #[serde(flatten)]
    rotation: &'a Rotation,
}

/// Runs the command; whether everything is sealed with the newest key, where that was asked.
pub(crate) async fn run(command: CredentialsCommand) -> anyhow::Result<bool> {
    let json = command.args().output.json;
    match &command {
        CredentialsCommand::PublicKey(args) => {
            let keys = Keys::of_place(&args.place)?;
            // A key that nobody could open for is of no use to anybody.
            keys.opening()?;
            told(json, "public_key", &keys.sealing.to_string())?;
        }
        CredentialsCommand::SharedSecret(args) => {
            let shared = Keys::of_place(&args.place)?.shared()?.reveal();
            told(json, "shared_secret", shared.expose())?;
        }
        CredentialsCommand::List(args) => list(&args.place, json).await?,
        CredentialsCommand::Rotate(args) => return rotate(&args.place, json).await,
    }
    Ok(true)
}

fn told(json: bool, name: &str, value: &str) -> anyhow::Result<()> {
    if json { output::json(&json!({ "ok": true, name: value })) } else { output::line(value) }
}

async fn database(place: &Place) -> anyhow::Result<Db> {
    let db = Db::connect(Endpoint::locate(place)?.database_url.expose()).await?;
    db.check_schema().await?;
    Ok(db)
}

async fn list(place: &Place, json: bool) -> anyhow::Result<()> {
    let db = database(place).await?;
    let mut all: Vec<Masked> = Vec::new();
    loop {
        let page = sealed::list(&db, all.last().map_or("", |last| &last.id)).await?;
        if page.is_empty() {
            break;
        }
        all.extend(page);
    }
    if json {
        return output::json(&json!({ "ok": true, "credentials": all }));
    }
    for one in &all {
        let (owner, status) =
            (format!("{} {}", one.owner_scope, one.owner), if one.active { "" } else { " off" });
        let owner = owner.trim_end();
        output::line(&format!(
            "{} {owner} {} {} key {}{status}",
            one.id, one.provider, one.masked, one.sealed_with
        ))?;
    }
    Ok(())
}

async fn rotate(place: &Place, json: bool) -> anyhow::Result<bool> {
    let keys = Keys::of_place(place)?;
    let opening = keys.opening()?;
    let db = database(place).await?;
    let actor = Actor { scope: ActorScope::Operator, name: "credentials rotate".to_owned() };
    let rotation = sealed::rotate(&db, opening, &keys.sealing, &actor).await?;
    let ok = rotation.failed.is_empty();
    if json {
        output::json(&Rotated { ok, key: keys.sealing.id(), rotation: &rotation })?;
        return Ok(ok);
    }
    output::line(&format!(
        "{} credentials are sealed anew, with the key {}.",
        rotation.resealed,
        keys.sealing.id()
    ))?;
    if rotation.changed > 0 {
        output::line(&format!("{} were changed by somebody else meanwhile.", rotation.changed))?;
    }
    for failure in &rotation.failed {
        output::line(&format!("{} is left as it was: {}", failure.id, failure.error))?;
    }
    Ok(ok)
}
