//! Virtual keys one at a time: made, rotated, revoked. The admin API and the command line do the same here.

use ipnet::IpNet;
use proto::clock::now_ms;
use proto::event::RouteMode;
use proto::secret::{Secret, random_secret};
use proto::subject::KEYS_BUCKET;
use proto::switch::SwitchKind;
use sqlx::{Any, Transaction};
use uuid::Uuid;

use crate::Secrets;
use crate::error::Error;
use crate::store::{KeyLimits, KeyRow, NewRow, insert_key, key_rows, switches};

/// What secrets made here begin with, and how much of one is shown ever after.
const PREFIX: &str = "fb_sk_";
const PREFIX_SHOWN: usize = 10;
/// Where keys of the API come from.
pub(crate) const ORIGIN: &str = "api";
/// How much of a name stays in that of a key that was replaced.
const OLD_NAME_CHARS: usize = 40;

/// A key to be made.
#[derive(Debug, Clone, Default)]
pub(crate) struct NewKey {
    pub(crate) project: String,
    pub(crate) name: String,
    pub(crate) limits: Limits,
}

/// What a key may do beyond its project.
#[derive(Debug, Clone, Default)]
pub(crate) struct Limits {
    pub(crate) models: Option<Vec<String>>,
    pub(crate) route_modes: Option<Vec<RouteMode>>,
    pub(crate) networks: Option<Vec<IpNet>>,
    pub(crate) direct: bool,
    pub(crate) expires_ms: Option<u64>,
}

/// A key that was made: what is to be committed, and its secret, which is stored nowhere.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) row: KeyRow,
    pub(crate) secret: Secret<String>,
    pub(crate) rows: Vec<NewRow>,
}

/// Makes a key within a transaction.
pub(crate) async fn create(
    tx: &mut Transaction<'static, Any>,
    secrets: &Secrets,
    new: NewKey,
) -> Result<Made, Error> {
    let secret = Secret::new(random_secret(PREFIX).map_err(|_| Error::Random)?);
    let limits = KeyLimits {
        prefix: secret.expose().chars().take(PREFIX_SHOWN).collect(),
        models: new.limits.models,
        route_modes: new.limits.route_modes,
        networks: new.limits.networks,
        direct: new.limits.direct,
        expires_ms: new.limits.expires_ms,
        rotated_from: None,
    };
    let row = KeyRow {
        id: format!("key_{}", Uuid::now_v7().simple()),
        project: new.project,
        name: new.name,
        hash: secrets.pepper.hash(secret.expose()),
        revoked: false,
        origin: ORIGIN.to_owned(),
        created_ms: now_ms(),
        limits,
        bcrypt: None,
    };
    insert_key(tx, &row).await?;
    let rows = vec![entry(&row)?];
    Ok(Made { row, secret, rows })
}

/// Puts a new key in the place of one, which goes on for `overlap_ms` under another name.
pub(crate) async fn rotate(
    tx: &mut Transaction<'static, Any>,
    secrets: &Secrets,
    old: &KeyRow,
    overlap_ms: u64,
) -> Result<(Made, KeyRow), Error> {
    let now = now_ms();
    let secret = Secret::new(random_secret(PREFIX).map_err(|_| Error::Random)?);
    let row = KeyRow {
        id: format!("key_{}", Uuid::now_v7().simple()),
        hash: secrets.pepper.hash(secret.expose()),
        origin: ORIGIN.to_owned(),
        created_ms: now,
        limits: KeyLimits {
            prefix: secret.expose().chars().take(PREFIX_SHOWN).collect(),
            rotated_from: Some(old.id.clone()),
            ..old.limits.clone()
        },
        bcrypt: None,
        ..old.clone()
    };
    let end = now.saturating_add(overlap_ms);
    let kept: String = old.name.chars().take(OLD_NAME_CHARS).collect();
    // The end of an id is random: two keys of one name that are replaced stay apart.
    let tail: String = row.id.chars().rev().take(12).collect();
    let mut former = KeyRow { name: format!("{kept}-before-{tail}"), ..old.clone() };
    former.limits.expires_ms = Some(old.limits.expires_ms.map_or(end, |earlier| earlier.min(end)));
    former.revoked = overlap_ms == 0;
    key_rows::update(tx, &former).await?;
    insert_key(tx, &row).await?;
    let rows = vec![entry(&row)?, entry(&former)?];
    Ok((Made { row, secret, rows }, former))
}

/// Ends a key for good, with whatever it has waiting.
pub(crate) async fn revoke(
    tx: &mut Transaction<'static, Any>,
    row: &KeyRow,
    by_name: &str,
) -> Result<(KeyRow, Vec<NewRow>), Error> {
    let revoked = KeyRow { revoked: true, ..row.clone() };
    key_rows::update(tx, &revoked).await?;
    // The switch is what stops work that waits already; the record stops what comes.
    let switch = switches::off_for_good(tx, SwitchKind::Key, &row.id, by_name, now_ms()).await?;
    let rows = vec![entry(&revoked)?, switch];
    Ok((revoked, rows))
}

/// What the bucket must learn of a key.
pub(crate) fn entry(row: &KeyRow) -> Result<NewRow, Error> {
    NewRow::put(KEYS_BUCKET, &row.hash, &row.record())
}
