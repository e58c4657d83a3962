//! What can be done with versions: looked at, compared, published, returned to. The HTTP routes and the command line
//! call the same functions.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use ledger::Db;
use proto::clock::now_ms;
use proto::config::Config;
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::error::Error;
use crate::file::Draft;
use crate::store::publications::{self, Publication};
use crate::store::{self, By, Change, Kind, Published, Source, publish_by};
use crate::{Nudge, Secrets, audit, check, merge};

/// How long a publication is waited for: longer than every process is given.
const PATIENCE: Duration = Duration::from_secs(9);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What a document would do if it were published.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Preview {
    /// Whether it can be published.
    pub valid: bool,
    /// Why not.
    pub errors: Vec<String>,
    /// What may not be meant.
    pub warnings: Vec<String>,
    /// The version in force, which it is compared with; 0 = none.
    pub in_force: u64,
    /// How many providers there would be.
    pub providers: usize,
    /// How many of them in use.
    pub enabled_providers: usize,
    /// The aliases that callers could ask for.
    pub models: Vec<String>,
    /// How many projects there would be.
    pub projects: usize,
    /// What would change.
    pub changes: Vec<Difference>,
}

/// One difference between two documents.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Difference {
    /// Where, as in `providers[openai].base_url`.
    pub path: String,
    /// What it was, redacted; null if it was not there.
    #[schema(value_type = Value)]
    pub before: Value,
    /// What it is, redacted; null if it is not there.
    #[schema(value_type = Value)]
    pub after: Value,
    /// `added`, `removed` or `changed`.
    pub kind: &'static str,
}

/// What publishing the document would do. Nothing is changed, and nobody is asked.
pub async fn preview(db: &Db, next: &Config) -> Result<Preview, Error> {
    let now = publications::in_force(db).await?;
    let errors = check::errors(next);
    let changes = match &now {
        Some(now) => diff(&now.config, next)?,
        None => diff(&empty(), next)?,
    };
    let enabled = next.models.iter().filter(|model| !model.disabled);
    Ok(Preview {
        valid: errors.is_empty(),
        errors,
        warnings: check::warnings(next),
        in_force: now.map_or(0, |now| now.version),
        providers: next.providers.len(),
        enabled_providers: next.providers.iter().filter(|provider| !provider.disabled).count(),
        models: enabled.map(|model| model.alias.clone()).collect(),
        projects: next.projects.len(),
        changes,
    })
}

/// What a file would make of the newest version.
pub async fn of_file(db: &Db, draft: &Draft) -> Result<Config, Error> {
    let (newest, base) = (store::newest(db).await?, store::newest_base(db).await?);
    match (newest, base) {
        (Some(newest), Some(base)) => {
            let last = base.authored.as_ref().unwrap_or(&base.config);
            merge::documents(&newest.config, last, &draft.config)
        }
        _ => Ok(draft.config.clone()),
    }
}

/// The document of a version; `None` if it is not known any more.
pub async fn document(db: &Db, version: u64) -> Result<Option<Config>, Error> {
    Ok(publications::by_number(db, version).await?.map(|version| version.config))
}

/// The version in force and its document.
pub async fn in_force(db: &Db) -> Result<Option<Config>, Error> {
    Ok(publications::in_force(db).await?.map(|version| version.config))
}

/// What differs, members in alphabetical order; secrets are redacted.
pub fn diff(before: &Config, after: &Config) -> Result<Vec<Difference>, Error> {
    let mut found = Vec::new();
    compare("", Some(&plain(before)?), Some(&plain(after)?), &mut found);
    Ok(found)
}

fn compare(path: &str, before: Option<&Value>, after: Option<&Value>, found: &mut Vec<Difference>) {
    if before == after {
        return;
    }
    match (before, after) {
        (Some(Value::Object(before)), Some(Value::Object(after))) => {
            for name in before.keys().chain(after.keys()).collect::<BTreeSet<_>>() {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                compare(&path, before.get(name), after.get(name), found);
            }
        }
        (Some(Value::Array(before)), Some(Value::Array(after)))
            if before.iter().chain(after).all(|item| merge::name_of(item).is_some()) =>
        {
            let find = |all: &[Value], name: &str| {
                all.iter().find(|item| merge::name_of(item) == Some(name)).cloned()
            };
            let mut names: Vec<&str> = before.iter().filter_map(merge::name_of).collect();
            names.extend(after.iter().filter_map(merge::name_of).filter(|name| find(before, name).is_none()));
            for name in names {
                let (before, after) = (find(before, name), find(after, name));
                compare(&format!("{path}[{name}]"), before.as_ref(), after.as_ref(), found);
            }
        }
        (before, after) => found.push(Difference {
            path: path.to_owned(),
            before: shown(path, before),
            after: shown(path, after),
            kind: match (before, after) {
                (None, _) => "added",
                (_, None) => "removed",
                _ => "changed",
            },
        }),
    }
}

/// The value without secrets, judged by the name of its field as well.
fn shown(path: &str, value: Option<&Value>) -> Value {
    let Some(value) = value else { return Value::Null };
    let name = path.rsplit('.').next().unwrap_or(path).to_owned();
    let mut around = Map::new();
    around.insert(name.clone(), value.clone());
    audit::redacted(Value::Object(around)).get(&name).cloned().unwrap_or_default()
}

/// The document without what publishing sets.
fn plain(config: &Config) -> Result<Value, Error> {
    let config = Config { version: 0, published_ms: 0, prices: Vec::new(), ..config.clone() };
    let mut value = serde_json::to_value(config)?;
    if let Some(members) = value.as_object_mut() {
        members.remove("version");
        members.remove("published_ms");
    }
    Ok(value)
}

fn empty() -> Config {
    Config {
        version: 0,
        published_ms: 0,
        streaming: true,
        providers: Vec::new(),
        models: Vec::new(),
        projects: Vec::new(),
        prices: Vec::new(),
    }
}

/// Publishes a file as somebody. Equal to what was last published from a file: nothing happens.
pub async fn publish_file(
    db: &Db,
    draft: &Draft,
    secrets: &Secrets,
    actor: &str,
    note: Option<&str>,
) -> Result<Published, Error> {
    let by = By { kind: Kind::Publish, actor, note, of_version: None };
    publish_by(db, &Change::Base(draft), Source::File, by, secrets, 0, now_ms()).await
}

/// Publishes what a draft changes of `base`, merged with whatever was changed since. `None` if nothing differs.
pub(crate) async fn publish_draft(
    db: &Db,
    base: &Config,
    draft: &Config,
    secrets: &Secrets,
    actor: &str,
    note: Option<&str>,
) -> Result<Published, Error> {
    let newest = store::newest(db).await?;
    // What cannot be merged is told before anything is begun.
    merge::documents(newest.as_ref().map_or(base, |newest| &newest.config), base, draft)?;
    let edit = |newest: Config| {
        let merged = merge::documents(&newest, base, draft).ok()?;
        (merged != newest).then_some(merged)
    };
    let by = By { kind: Kind::Publish, actor, note, of_version: None };
    publish_by(db, &Change::Edit(&edit, &[]), Source::Api, by, secrets, 0, now_ms()).await
}

/// Publishes the document of an older version again. `None` if that version is not known (any more).
pub async fn rollback(
    db: &Db,
    version: u64,
    secrets: &Secrets,
    actor: &str,
    note: Option<&str>,
) -> Result<Option<Published>, Error> {
    let Some(old) = publications::by_number(db, version).await? else { return Ok(None) };
    let edit = |newest: Config| {
        let Config { version, published_ms, ref prices, .. } = newest;
        let back = Config { version, published_ms, prices: prices.clone(), ..old.config.clone() };
        (back != newest).then_some(back)
    };
    let by = By { kind: Kind::Rollback, actor, note, of_version: Some(version) };
    publish_by(db, &Change::Edit(&edit, &[]), Source::Api, by, secrets, 0, now_ms()).await.map(Some)
}

/// Waits until it is decided what becomes of a version, nine seconds at most: longer than every process is given. An
/// error if it does not come into force; where nobody projects it is still staged in the end.
pub async fn settled(db: &Db, nudge: Option<&Nudge>, version: u64) -> Result<Option<Publication>, Error> {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(nudge) = nudge {
            nudge.wake();
        }
        let publication = publications::publication(db, version).await?;
        match publication {
            Some(failed) if failed.status == "failed" => {
                let error = failed.error.unwrap_or_default();
                return Err(Error::NotInForce { version, error });
            }
            Some(found) if !found.is_over() && Instant::now() < until => {
                tokio::time::sleep(LOOK_EVERY).await;
            }
            found => return Ok(found),
        }
    }
}

/// What a publication is told as in the audit log.
pub(crate) fn told(publication: Option<&Publication>) -> Option<Value> {
    publication.map(|made| json!({ "version": made.version, "kind": made.kind, "status": made.status }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::draft;

    #[test]
    fn differences_have_paths_and_no_secrets() {
        let (one, mut two) = (draft("m", &[]).config, draft("m", &[]).config);
        assert_eq!(diff(&one, &two).unwrap(), []);
        two.providers[0].api_key = Some("env:NAME".parse().unwrap());
        two.models[0].disabled = true;
        two.projects.clear();
        let found = diff(&one, &two).unwrap();
        let told: Vec<(&str, &str)> = found.iter().map(|d| (d.path.as_str(), d.kind)).collect();
        assert_eq!(
            told,
            [("models[m].disabled", "added"), ("projects[a]", "removed"), ("providers[p].api_key", "added")]
        );
        assert!(!serde_json::to_string(&found).unwrap().contains("NAME"));
    }
}
