//! The example project with one key, for people who try things out.

use ledger::Db;
use proto::clock::now_ms;
use proto::config::Config as Document;
use proto::secret::Secret;

use crate::defaults::project;
use crate::error::Error;
use crate::file::DraftKey;
use crate::store::{self, Change, Published, Source, publish, publish_change};
use crate::{Config, Secrets};

/// The project, and the name of its key.
pub const DEMO: &str = "demo";

/// Adds the project and its key to the newest version, or to the environment's configuration if nothing was ever
/// published. Where they are already, nothing changes. `secret`: the key's own, generated where absent.
pub async fn ensure(db: &Db, secrets: &Secrets, secret: Option<Secret<String>>) -> Result<Published, Error> {
    if store::newest(db).await?.is_none() {
        let base = Config { publish_default: true, ..Config::from_env() };
        if let Some((mut draft, source)) = base.draft()? {
            // Its own key would be made here and shown to nobody.
            draft.keys.clear();
            publish(db, &draft, source, secrets, 0, now_ms()).await?;
        }
    }
    let present = store::has_live_key(db, DEMO, DEMO).await?;
    let edit = move |mut document: Document| {
        let known = document.project(DEMO).is_some();
        if known && present {
            return None;
        }
        if !known {
            document.projects.push(project(DEMO));
        }
        Some(document)
    };
    let key = DraftKey { project: DEMO.to_owned(), name: DEMO.to_owned(), secret };
    publish_change(db, &Change::Edit(&edit, &[key]), Source::Demo, secrets, 0, now_ms()).await
}
