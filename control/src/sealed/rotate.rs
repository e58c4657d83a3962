//! Sealing every stored credential anew with the newest key: one transaction each, so that it may be stopped at any
//! time and goes on where it was. Workers open old and new meanwhile.

use ledger::Db;
use proto::audit::Actor;
use proto::credential::CredentialRecord;
use proto::hpke::{HpkeError, OpeningKeys, Sealed, SealingKey};
use proto::subject::CREDENTIALS_BUCKET;
use serde::Serialize;
use serde_json::json;
use sqlx::Row as _;

use crate::audit::{self, Act};
use crate::error::Error;
use crate::store::{self, NewRow, records};

/// How often one credential is tried again when others write in between.
const TRIES: u32 = 10;

/// What became of the credentials.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Rotation {
    /// Sealed anew.
    pub resealed: u64,
    /// Replaced or removed by somebody else meanwhile.
    pub changed: u64,
    /// Left as they were.
    pub failed: Vec<Failure>,
}

/// A credential that could not be sealed anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// Its id.
    pub id: String,
    /// Why, without anything of the secret.
    pub error: String,
}

enum Outcome {
    Resealed,
    Changed,
    Failed(HpkeError),
}

/// Seals with `sealing` whatever is sealed with another key that `opening` opens. Errs only where the database does;
/// what does not open is left as it was and named.
pub async fn rotate(
    db: &Db,
    opening: &OpeningKeys,
    sealing: &SealingKey,
    actor: &Actor,
) -> Result<Rotation, Error> {
    let (mut rotation, mut after) = (Rotation::default(), String::new());
    loop {
        let page = sealed_otherwise(db, sealing, &after).await?;
        let Some(last) = page.last().cloned() else { return Ok(rotation) };
        for id in page {
            match patiently(db, opening, sealing, actor, &id).await? {
                Outcome::Resealed => rotation.resealed += 1,
                Outcome::Changed => rotation.changed += 1,
                Outcome::Failed(error) => {
                    rotation.failed.push(Failure { id, error: error.to_string() });
                }
            }
        }
        after = last;
    }
}

async fn sealed_otherwise(db: &Db, sealing: &SealingKey, after: &str) -> Result<Vec<String>, Error> {
    let failed = "read the credentials";
    let query = sqlx::query(include_str!("../store/sql/credentials_sealed_otherwise.sql"));
    let rows = query.bind(sealing.id()).bind(after).fetch_all(db.pool()).await.map_err(Error::sql(failed))?;
    rows.iter().map(|row| row.try_get("id")).collect::<Result<_, _>>().map_err(Error::sql(failed))
}

async fn patiently(
    db: &Db,
    opening: &OpeningKeys,
    sealing: &SealingKey,
    actor: &Actor,
    id: &str,
) -> Result<Outcome, Error> {
    for _ in 1..TRIES {
        match one(db, opening, sealing, actor, id).await {
            Err(error) if error.is_conflict() => {}
            done => return done,
        }
    }
    one(db, opening, sealing, actor, id).await
}

async fn one(
    db: &Db,
    opening: &OpeningKeys,
    sealing: &SealingKey,
    actor: &Actor,
    id: &str,
) -> Result<Outcome, Error> {
    let Some(record) = records::credential(db, id).await? else { return Ok(Outcome::Changed) };
    let anew = match seal(&record, opening, sealing) {
        Ok(anew) => anew,
        Err(error) => return Ok(Outcome::Failed(error)),
    };
    let mut tx = store::begin(db).await?;
    let written = sqlx::query(include_str!("../store/sql/reseal_credential.sql"))
        .bind(&anew)
        .bind(sealing.id())
        .bind(id)
        .bind(&record.sealed)
        .execute(&mut *tx)
        .await
        .map_err(Error::sql("seal a credential anew"))?;
    if written.rows_affected() == 0 {
        return Ok(Outcome::Changed);
    }
    let before = record.sealed.split('.').nth(1).unwrap_or_default().to_owned();
    let record = CredentialRecord { sealed: anew, ..record };
    store::append(&mut tx, &[NewRow::put(CREDENTIALS_BUCKET, id, &record)?]).await?;
    let keys = (json!({ "sealing_key_id": before }), json!({ "sealing_key_id": sealing.id() }));
    let act = Act::new(actor.clone(), "credential.reseal").on(id).changed(Some(keys.0), Some(keys.1));
    audit::append(&mut tx, act).await?;
    tx.commit().await.map_err(Error::sql("seal a credential anew"))?;
    Ok(Outcome::Resealed)
}

fn seal(record: &CredentialRecord, opening: &OpeningKeys, sealing: &SealingKey) -> Result<String, HpkeError> {
    let (sealed, about) = (record.sealed.parse::<Sealed>()?, record.about());
    Ok(sealing.seal(&opening.open(&sealed, &about)?, &about)?.to_string())
}
