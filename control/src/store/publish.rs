//! Publishing: a draft becomes the next version, its keys and its outbox rows, in one transaction or not at all.

use std::time::Duration;

use ledger::Db;
use proto::catalogue;
use proto::config::{Config, ProviderKind};
use proto::event::Event;
use proto::secret::Secret;
use proto::subject;
use sha2::{Digest, Sha256};
use sqlx::{Any, Row, Transaction};

use super::keys::{self, Plan};
use super::outbox::{self, Work};
use super::{Version, begin, stored, version};
use crate::Secrets;
use crate::error::Error;
use crate::file::{Draft, DraftKey};

/// The largest compiled document, in bytes: with its envelope as an event it must fit a message of 1 MiB.
const DOCUMENT_BYTES_MAX: usize = 900_000;
/// How often a publication is tried again when others come in between.
const TRIES: u32 = 20;
const RETRY_DELAY: Duration = Duration::from_millis(20);

/// The setting that tells whether the pepper is the one that the stored keys were hashed with.
const PEPPER_SETTING: &str = "pepper_check";
const PEPPER_TEXT: &str = "forebay: which pepper is this";

/// Where a version came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The operator's file: a whole configuration.
    File,
    /// The environment, without a file: a whole configuration.
    Default,
    /// The example project, added to the version before.
    Demo,
}

impl Source {
    /// The source as a column.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Default => "default",
            Self::Demo => "demo",
        }
    }

    /// Whether versions of this source are whole configurations rather than edits.
    pub(crate) fn is_base(self) -> bool {
        matches!(self, Self::File | Self::Default)
    }

    pub(super) fn is_base_name(name: &str) -> bool {
        [Self::File, Self::Default].iter().any(|source| source.as_str() == name)
    }
}

/// What became of a draft.
#[derive(Debug)]
pub struct Published {
    /// The version in force.
    pub version: u64,
    /// Whether it was in force before.
    pub unchanged: bool,
    /// Keys that had no secret, each with the one made for it. It is stored nowhere: show it once.
    pub generated: Vec<GeneratedKey>,
}

/// A key whose secret was made here.
#[derive(Debug, Clone)]
pub struct GeneratedKey {
    /// Its project.
    pub project: String,
    /// Its name.
    pub name: String,
    /// Its secret.
    pub secret: Secret<String>,
}

/// What is to become of the newest version.
pub(crate) enum Change<'a> {
    /// A whole configuration takes its place.
    Base(&'a Draft),
    /// The editor changes the document; `None` = nothing to do. The keys are added to those that stand.
    Edit(&'a (dyn Fn(Config) -> Option<Config> + Sync), &'a [DraftKey]),
    /// The same document again, under a number above the floor.
    Again,
}

impl<'a> Change<'a> {
    fn keys(&self) -> Option<&'a [DraftKey]> {
        match self {
            Self::Base(draft) => Some(&draft.keys),
            Self::Edit(_, keys) => Some(keys),
            Self::Again => None,
        }
    }

    /// The source to store: what is published again stays what it was.
    fn source_name<'s>(&self, source: Source, newest: Option<&'s Version>) -> &'s str {
        match (self, newest) {
            (Self::Again, Some(newest)) => &newest.source,
            _ => source.as_str(),
        }
    }
}

/// Publishes a whole configuration. Equal to the last one published as a whole: nothing happens, and edits made
/// since then stay. `floor`: a number that the new version must be above, 0 if there is none.
///
/// Fails if the database does, if the master secret is not the one the stored keys were hashed with, or if the
/// document is too large.
pub async fn publish(
    db: &Db,
    draft: &Draft,
    source: Source,
    secrets: &Secrets,
    floor: u64,
    now_ms: u64,
) -> Result<Published, Error> {
    publish_change(db, &Change::Base(draft), source, secrets, floor, now_ms).await
}

/// Publishes a change, again and again while others come in between.
pub(crate) async fn publish_change(
    db: &Db,
    change: &Change<'_>,
    source: Source,
    secrets: &Secrets,
    floor: u64,
    now_ms: u64,
) -> Result<Published, Error> {
    for again in 1..=TRIES {
        match once(db, change, source, secrets, floor, now_ms).await {
            Err(error) if error.is_conflict() => {
                tracing::debug!(again, "another publication came in between");
                tokio::time::sleep(RETRY_DELAY * again).await;
            }
            done => return done,
        }
    }
    Err(Error::Contended)
}

async fn once(
    db: &Db,
    change: &Change<'_>,
    source: Source,
    secrets: &Secrets,
    floor: u64,
    now_ms: u64,
) -> Result<Published, Error> {
    let mut tx = begin(db).await?;
    check_pepper(&mut tx, secrets).await?;
    let newest = read_version(&mut tx, include_str!("sql/newest_version.sql")).await?;
    let current = newest.as_ref().map_or(0, |newest| newest.version);
    let Some((config, digest)) = changed(&mut tx, change, source, secrets, floor, newest.as_ref()).await?
    else {
        tx.rollback().await.map_err(Error::sql("end a transaction"))?;
        return Ok(Published { version: current, unchanged: true, generated: Vec::new() });
    };
    let config = Config { version: current.max(floor) + 1, published_ms: now_ms, ..priced(config) };
    let document = serde_json::to_string(&config)?;
    if document.len() > DOCUMENT_BYTES_MAX {
        return Err(Error::TooLarge { bytes: document.len(), max: DOCUMENT_BYTES_MAX });
    }
    // First of all writes: of several publishers the primary key lets one through, and the others start again.
    sqlx::query(include_str!("sql/insert_version.sql"))
        .bind(stored(config.version))
        .bind(stored(now_ms))
        .bind(change.source_name(source, newest.as_ref()))
        .bind(&document)
        .bind(digest)
        .execute(&mut *tx)
        .await
        .map_err(Error::sql("store a version"))?;
    let (mut rows, generated) = match change.keys() {
        Some(wanted) => {
            let existing = keys::existing(&mut tx, wanted, secrets).await?;
            let plan = Plan::new(existing, wanted, source, secrets, now_ms)?;
            plan.apply(&mut tx).await?;
            (plan.outbox()?, plan.generated)
        }
        None => (Vec::new(), Vec::new()),
    };
    let version = config.version;
    rows.push((
        Work::MarkKeys,
        format!("{}/{}", subject::KEYS_BUCKET, subject::KEYS_PROJECTED),
        version.to_string(),
    ));
    let event = Event::Config(config);
    rows.push((Work::Event, event.subject(), serde_json::to_string(&event)?));
    rows.push((Work::PutConfig, format!("{}/{}", subject::CONFIG_BUCKET, subject::CONFIG_KEY), document));
    outbox::add(&mut tx, version, &rows).await?;
    tx.commit().await.map_err(Error::sql("commit a version"))?;
    Ok(Published { version, unchanged: false, generated })
}

/// The configuration with what its vendors ask at present: books priced with this version find it there for good.
fn priced(config: Config) -> Config {
    let mut kinds: Vec<ProviderKind> = Vec::new();
    for provider in &config.providers {
        if !kinds.contains(&provider.kind) {
            kinds.push(provider.kind);
        }
    }
    let prices = kinds.into_iter().flat_map(catalogue::prices).collect();
    Config { prices, ..config }
}

/// The document that the change makes, with its digest; `None` if nothing changes.
async fn changed(
    tx: &mut Transaction<'static, Any>,
    change: &Change<'_>,
    source: Source,
    secrets: &Secrets,
    floor: u64,
    newest: Option<&Version>,
) -> Result<Option<(Config, String)>, Error> {
    match (change, newest) {
        (Change::Base(draft), newest) => {
            let digest = digest(draft, secrets)?;
            let base = read_version(tx, include_str!("sql/newest_base.sql")).await?;
            let same = base.is_some_and(|base| base.source == source.as_str() && base.digest == digest);
            // A number that NATS has seen already would never come into force there.
            let reachable = newest.is_some_and(|newest| newest.version >= floor);
            if same && reachable {
                return Ok(None);
            }
            Ok(Some((carry(tx, draft.config.clone(), newest).await?, digest)))
        }
        (Change::Edit(edit, _), Some(newest)) => {
            let same = newest.digest.clone();
            Ok(edit(newest.config.clone()).map(|config| (config, same)))
        }
        (Change::Again, Some(newest)) if newest.version < floor => {
            Ok(Some((newest.config.clone(), newest.digest.clone())))
        }
        (Change::Edit(..) | Change::Again, _) => Ok(None),
    }
}

/// Keeps the projects that a whole configuration does not know and that live keys of another origin belong to.
async fn carry(
    tx: &mut Transaction<'static, Any>,
    mut config: Config,
    newest: Option<&Version>,
) -> Result<Config, Error> {
    let Some(newest) = newest else { return Ok(config) };
    let rows = sqlx::query(include_str!("sql/edited_projects.sql")).fetch_all(&mut **tx).await;
    for row in rows.map_err(Error::sql("read the projects of keys"))? {
        let name: String = row.try_get("project").map_err(Error::sql("read the projects of keys"))?;
        if let (None, Some(project)) = (config.project(&name), newest.config.project(&name)) {
            config.projects.push(project.clone());
        }
    }
    Ok(config)
}

async fn read_version(
    tx: &mut Transaction<'static, Any>,
    statement: &'static str,
) -> Result<Option<Version>, Error> {
    let row = sqlx::query(statement).fetch_optional(&mut **tx).await;
    row.map_err(Error::sql("read a version"))?.map(|row| version(&row)).transpose()
}

/// The first publisher stores which pepper it hashes with; everybody after it must have the same.
async fn check_pepper(tx: &mut Transaction<'static, Any>, secrets: &Secrets) -> Result<(), Error> {
    let ours = secrets.pepper.hash(PEPPER_TEXT);
    let found =
        sqlx::query(include_str!("sql/setting.sql")).bind(PEPPER_SETTING).fetch_optional(&mut **tx).await;
    if let Some(row) = found.map_err(Error::sql("read a setting"))? {
        let theirs: String = row.try_get("value").map_err(Error::sql("read a setting"))?;
        return if theirs == ours { Ok(()) } else { Err(Error::OtherSecret) };
    }
    let insert = sqlx::query(include_str!("sql/insert_setting.sql")).bind(PEPPER_SETTING).bind(&ours);
    insert.execute(&mut **tx).await.map(drop).map_err(Error::sql("store a setting"))
}

/// What makes two drafts equal: the document and the keys with the hashes of their secrets.
fn digest(draft: &Draft, secrets: &Secrets) -> Result<String, Error> {
    let mut keys: Vec<_> = draft
        .keys
        .iter()
        .map(|key| (&key.project, &key.name, key.secret.as_ref().map(|s| secrets.pepper.hash(s.expose()))))
        .collect();
    keys.sort();
    // A release that ships other prices makes another version of the same file.
    let text = serde_json::to_vec(&(priced(draft.config.clone()), keys))?;
    Ok(Sha256::digest(&text).iter().map(|byte| format!("{byte:02x}")).collect())
}
