//! The checks that one statement answers, or one look at the projects of the newest version.

use std::collections::BTreeSet;

use sqlx::{Any, Transaction};

use super::Apps;
use crate::error::Error;
use crate::store::isolation as store;

/// What is wrong by the check of that name, if anything is.
pub(super) async fn mismatch(
    tx: &mut Transaction<'static, Any>,
    name: &str,
    apps: &Apps,
) -> Result<Option<String>, Error> {
    match name {
        "session_end_user_belongs_to_app" => {
            one(tx, include_str!("../store/sql/stray_session_end_user.sql"), "session").await
        }
        "developer_token_has_developer" => {
            one(tx, include_str!("../store/sql/stray_developer_token.sql"), "developer token").await
        }
        "end_user_credential_has_end_user" => {
            one(tx, include_str!("../store/sql/stray_end_user_credential.sql"), "credential").await
        }
        "developer_wallet_has_developer" => {
            one(tx, include_str!("../store/sql/stray_developer_account.sql"), "account").await
        }
        "end_user_wallet_has_end_user" => {
            one(tx, include_str!("../store/sql/stray_end_user_account.sql"), "account").await
        }
        "transfer_belongs_to_usage_of_its_app" => {
            one(tx, include_str!("../store/sql/stray_transfer.sql"), "transfer").await
        }
        "developer_credential_has_developer" => {
            owned(tx, include_str!("../store/sql/owners_of_credentials.sql"), apps, "credential").await
        }
        "app_has_developer" => unowned(tx, apps).await,
        "key_has_app" => owned(tx, include_str!("../store/sql/owners_of_keys.sql"), apps, "key").await,
        "session_has_app" => {
            owned(tx, include_str!("../store/sql/owners_of_sessions.sql"), apps, "session").await
        }
        "end_user_has_app" => {
            owned(tx, include_str!("../store/sql/owners_of_end_users.sql"), apps, "end user").await
        }
        "app_secret_has_app" => {
            owned(tx, include_str!("../store/sql/owners_of_project_secrets.sql"), apps, "app secret").await
        }
        "account_has_owner" => accounts(tx, apps).await,
        // Found by the pass over the attempts.
        _ => Ok(None),
    }
}

async fn one(
    tx: &mut Transaction<'static, Any>,
    statement: &'static str,
    what: &str,
) -> Result<Option<String>, Error> {
    Ok(store::first(tx, statement).await?.map(|(id, owner)| format!("{what} {id}: {owner}")))
}

/// Things of which each names its project: the first whose project there is not, now or ever.
async fn owned(
    tx: &mut Transaction<'static, Any>,
    statement: &'static str,
    apps: &Apps,
    what: &str,
) -> Result<Option<String>, Error> {
    for (id, project) in store::all(tx, statement).await? {
        if !known(tx, apps, &project).await? {
            return Ok(Some(format!("{what} {id}: there is no app {project}")));
        }
    }
    Ok(None)
}

/// Whether the project is, or was, part of the configuration: what a file takes out keeps its books.
async fn known(tx: &mut Transaction<'static, Any>, apps: &Apps, project: &str) -> Result<bool, Error> {
    Ok(apps.0.contains_key(project) || store::was_published(tx, project).await?)
}

async fn unowned(tx: &mut Transaction<'static, Any>, apps: &Apps) -> Result<Option<String>, Error> {
    let developers: BTreeSet<String> = store::all(tx, include_str!("../store/sql/all_developers.sql"))
        .await?
        .into_iter()
        .map(|(id, _)| id)
        .collect();
    let mut apps: Vec<_> = apps.0.iter().collect();
    apps.sort();
    let stray = apps.into_iter().find_map(|(app, developer)| {
        Some((app, developer.as_ref()?)).filter(|(_, d)| !developers.contains(*d))
    });
    Ok(stray.map(|(app, developer)| format!("app {app}: there is no developer {developer}")))
}

async fn accounts(tx: &mut Transaction<'static, Any>, apps: &Apps) -> Result<Option<String>, Error> {
    for (id, _) in store::all(tx, include_str!("../store/sql/all_accounts.sql")).await? {
        let fine = match id.split_once(':') {
            Some(("project", project)) => known(tx, apps, project).await?,
            // Looked at by checks of their own.
            Some(("developer" | "end_user" | "provider" | "platform", owner)) => !owner.is_empty(),
            _ => false,
        };
        if !fine {
            return Ok(Some(format!("account {id} is nobody's")));
        }
    }
    Ok(None)
}
