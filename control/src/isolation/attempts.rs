//! One pass over the attempts: whether project, developer, key, session and end user of each belong together.

use std::collections::{BTreeMap, HashMap};

use proto::envelope::Who;
use serde::Deserialize;
use sqlx::{Any, Transaction};

use super::{Apps, USAGE_DEVELOPER, USAGE_END_USER, USAGE_KEY, USAGE_SESSION};
use crate::error::Error;
use crate::store::isolation::{self as store, Attempt};

/// Answers that are kept at a time; beyond that all are asked again.
const KNOWN_MAX: usize = 50_000;
/// Versions whose projects are kept at a time.
const VERSIONS_MAX: usize = 16;

#[derive(Deserialize)]
struct Detail {
    config: u64,
    #[serde(default)]
    who: Option<Who>,
}

/// What was asked of the database already.
#[derive(Default)]
struct Known {
    versions: BTreeMap<u64, Apps>,
    end_users: HashMap<String, Option<String>>,
    sessions: HashMap<String, Option<(String, String)>>,
    keys: HashMap<String, Option<String>>,
}

/// The first mismatch of each of the four checks.
pub(super) async fn mismatches(
    tx: &mut Transaction<'static, Any>,
) -> Result<HashMap<&'static str, String>, Error> {
    let (mut found, mut known, mut after) = (HashMap::new(), Known::default(), String::new());
    loop {
        let page = store::attempts_after(tx, &after).await?;
        let Some(last) = page.last() else { return Ok(found) };
        after.clone_from(&last.id);
        for attempt in &page {
            for (check, detail) in known.judge(tx, attempt).await? {
                found.entry(check).or_insert_with(|| format!("attempt {}: {detail}", attempt.id));
            }
        }
    }
}

impl Known {
    async fn judge(
        &mut self,
        tx: &mut Transaction<'static, Any>,
        attempt: &Attempt,
    ) -> Result<Vec<(&'static str, String)>, Error> {
        let detail: Detail = serde_json::from_str(&attempt.detail)?;
        let who = detail.who.unwrap_or_default();
        let project = &attempt.project;
        let mut wrong = Vec::new();
        if let Some(developer) = &who.developer {
            let owner = self.developer(tx, detail.config, project).await?;
            if owner.as_ref() != Some(developer) {
                let owner = owner.as_deref().unwrap_or("nobody");
                wrong.push((USAGE_DEVELOPER, format!("of {developer}, but app {project} is {owner}'s")));
            }
        }
        if let Some(end_user) = &who.end_user {
            let home = self.end_user(tx, end_user).await?;
            if home.as_ref() != Some(project) {
                wrong.push((USAGE_END_USER, format!("end user {end_user} is not one of app {project}")));
            }
        }
        if let Some(session) = &who.session {
            let of = self.session(tx, session).await?;
            let fits = |(app, user): (String, String)| app == *project && Some(user) == who.end_user;
            if !of.is_some_and(fits) {
                wrong.push((USAGE_SESSION, format!("session {session} is not of this app and end user")));
            }
        } else if self.key(tx, &attempt.key).await?.is_some_and(|home| home != *project) {
            wrong.push((USAGE_KEY, format!("key {} is not one of app {project}", attempt.key)));
        }
        Ok(wrong)
    }

    /// The developer of a project in the version that admitted a request.
    async fn developer(
        &mut self,
        tx: &mut Transaction<'static, Any>,
        version: u64,
        project: &str,
    ) -> Result<Option<String>, Error> {
        if !self.versions.contains_key(&version) {
            if self.versions.len() >= VERSIONS_MAX {
                self.versions.pop_first();
            }
            let document = store::document(tx, version).await?;
            let apps = document.map(|document| Apps::of(&document)).transpose()?.unwrap_or_default();
            self.versions.insert(version, apps);
        }
        Ok(self.versions.get(&version).and_then(|apps| apps.0.get(project).cloned().flatten()))
    }

    async fn end_user(
        &mut self,
        tx: &mut Transaction<'static, Any>,
        id: &str,
    ) -> Result<Option<String>, Error> {
        if let Some(known) = self.end_users.get(id) {
            return Ok(known.clone());
        }
        let home = store::home(tx, include_str!("../store/sql/end_user_home.sql"), id).await?;
        let home = home.map(|(project, _)| project);
        remember(&mut self.end_users, id, home.clone());
        Ok(home)
    }

    async fn session(
        &mut self,
        tx: &mut Transaction<'static, Any>,
        id: &str,
    ) -> Result<Option<(String, String)>, Error> {
        if let Some(known) = self.sessions.get(id) {
            return Ok(known.clone());
        }
        let home = store::home(tx, include_str!("../store/sql/session_home.sql"), id).await?;
        remember(&mut self.sessions, id, home.clone());
        Ok(home)
    }

    /// The project of a key; `None` if its row is gone, as a key's is whose secret another one took over.
    async fn key(&mut self, tx: &mut Transaction<'static, Any>, id: &str) -> Result<Option<String>, Error> {
        if let Some(known) = self.keys.get(id) {
            return Ok(known.clone());
        }
        let home = store::home(tx, include_str!("../store/sql/key_home.sql"), id).await?;
        let home = home.map(|(project, _)| project);
        remember(&mut self.keys, id, home.clone());
        Ok(home)
    }
}

fn remember<T>(all: &mut HashMap<String, T>, id: &str, answer: T) {
    if all.len() >= KNOWN_MAX {
        all.clear();
    }
    all.insert(id.to_owned(), answer);
}
