//! Every check finds what is planted for it, on both engines, and nothing where nothing is wrong.

use ledger::Db;

use super::*;
use crate::store::{Source, publish};
use crate::testing::{Postgres, draft, secrets, sqlite};

const ATTEMPT: &str = "INSERT INTO attempts (id, project, key_id, requested_model, provider, model, state, payer, \
     pricing, accepted_ms, first_seq, seq, detail) VALUES ";

/// The tree of two developers, each with an app, an end user and a session; one attempt of each kind of caller.
async fn plant_tree(db: &Db) {
    let mut draft_ = draft("m", &[("k", Some("secret-a-0123456789"))]);
    let mut second = draft_.config.projects[0].clone();
    (draft_.config.projects[0].developer, second.developer) = (Some("dev_1".into()), Some("dev_2".into()));
    second.name = "b".into();
    draft_.config.projects.push(second);
    publish(db, &draft_, Source::File, &secrets('m'), 0, 1).await.unwrap();
    for (n, app) in [(1, "a"), (2, "b")] {
        plant(db, &format!("INSERT INTO developers VALUES ('dev_{n}', 'D{n}', 'd{n}@x.y', NULL, 1, 1)"))
            .await;
        plant(db, &format!("INSERT INTO end_users VALUES ('usr_{n}', '{app}', 'h{n}', '{{}}', 1)")).await;
        let session = format!("('ses_{n}', '{app}', 'usr_{n}', 'h{n}', NULL, '[]', 1, 2, NULL)");
        plant(db, &format!("INSERT INTO sessions VALUES {session}")).await;
        plant(db, &format!("INSERT INTO accounts VALUES ('project:{app}', 5, 0)")).await;
        attempt(db, &format!("s{n}"), app, &format!("ses_{n}"), &who(n, n, n)).await;
    }
    plant(db, "INSERT INTO accounts VALUES ('provider:p', 0, 10), ('platform:loss', 0, 0)").await;
    plant(db, "INSERT INTO transfers VALUES ('t1', 'project:a', 'provider:p', 5, 1, 's1', 1, 1)").await;
    plant(db, "UPDATE virtual_keys SET id = 'key_a' WHERE project = 'a'").await;
    attempt(db, "k1", "a", "key_a", r#"{"developer":"dev_1"}"#).await;
    attempt(db, "old", "a", "key_gone", "null").await;
}

fn who(developer: u8, session: u8, end_user: u8) -> String {
    format!(r#"{{"developer":"dev_{developer}","session":"ses_{session}","end_user":"usr_{end_user}"}}"#)
}

async fn attempt(db: &Db, id: &str, project: &str, key: &str, who: &str) {
    let detail = format!(r#"{{"config":1,"who":{who},"more":[1]}}"#);
    let values = format!(
        "('{id}', '{project}', '{key}', 'm', 'p', 'm', 'success', 'customer', 'priced', 1, 1, 1, '{detail}')"
    );
    plant(db, &format!("{ATTEMPT}{values}")).await;
}

async fn plant(db: &Db, statement: &str) {
    sqlx::query(sqlx::AssertSqlSafe(statement.to_owned())).execute(db.pool()).await.unwrap();
}

fn credential(scope: &str, owner: &str) -> String {
    format!(
        "INSERT INTO credentials VALUES ('cred_x', '{scope}', '{owner}', 'openai', 'openai', NULL, 's', 'k', 'm', \
         '[]', 1, 1, NULL, 0, 'me', NULL, 1, NULL, NULL)"
    )
}

/// What is planted for each check. References that the tables themselves hold are planted past them.
async fn violate(db: &Db, check: &str) {
    let text = match check {
        "usage_developer_matches_app" => return attempt(db, "x", "a", "ses_1", &who(2, 1, 1)).await,
        "usage_end_user_belongs_to_app" => return attempt(db, "x", "a", "ses_1", &who(1, 1, 2)).await,
        "usage_session_matches_app_and_end_user" => {
            return attempt(db, "x", "a", "ses_2", &who(1, 2, 1)).await;
        }
        "usage_key_belongs_to_app" => return attempt(db, "x", "b", "key_a", "null").await,
        "session_end_user_belongs_to_app" => {
            "INSERT INTO sessions VALUES ('ses_x', 'a', 'usr_2', 'hx', NULL, '[]', 1, 2, NULL)".to_owned()
        }
        "developer_credential_has_developer" => credential("developer", "nowhere"),
        "end_user_credential_has_end_user" => credential("end_user", "usr_9"),
        "developer_token_has_developer" => {
            let token = "('t', 'dev_9', 'n', 'h', 'p', '[]', 1, NULL, NULL, NULL)";
            return force(db, &format!("INSERT INTO developer_tokens VALUES {token}")).await;
        }
        "developer_wallet_has_developer" => {
            "INSERT INTO accounts VALUES ('developer:dev_9', 0, 0)".to_owned()
        }
        "end_user_wallet_has_end_user" => "INSERT INTO accounts VALUES ('end_user:usr_9', 0, 0)".to_owned(),
        "account_has_owner" => "INSERT INTO accounts VALUES ('project:nowhere', 0, 0)".to_owned(),
        "app_has_developer" => "DELETE FROM developers WHERE id = 'dev_2'".to_owned(),
        "key_has_app" => "INSERT INTO virtual_keys (id, project, name, hash, origin, created_ms) \
             VALUES ('key_x', 'nowhere', 'k', 'hx', 'file', 1)"
            .to_owned(),
        "session_has_app" => {
            plant(db, "INSERT INTO end_users VALUES ('usr_x', 'nowhere', 'h', '{}', 1)").await;
            "INSERT INTO sessions VALUES ('ses_x', 'nowhere', 'usr_x', 'hx', NULL, '[]', 1, 2, NULL)"
                .to_owned()
        }
        "end_user_has_app" => "INSERT INTO end_users VALUES ('usr_x', 'nowhere', 'h', '{}', 1)".to_owned(),
        "app_secret_has_app" => {
            "INSERT INTO project_secrets VALUES ('sec_x', 'nowhere', 'h', 'p', 1, NULL, NULL)".to_owned()
        }
        "transfer_belongs_to_usage_of_its_app" => {
            "INSERT INTO transfers VALUES ('t2', 'project:b', 'provider:p', 5, 1, 's1', 1, 1)".to_owned()
        }
        other => panic!("nothing is planted for {other}"),
    };
    plant(db, &text).await;
}

/// Plants what the tables' own references would refuse: the check must not lean on them.
async fn force(db: &Db, statement: &str) {
    let (before, after) = match db.engine() {
        ledger::Engine::Sqlite => ("PRAGMA foreign_keys = OFF", "PRAGMA foreign_keys = ON"),
        ledger::Engine::Postgres => {
            ("ALTER TABLE developer_tokens DROP CONSTRAINT developer_tokens_developer_fkey", "SELECT 1")
        }
    };
    let mut connection = db.pool().acquire().await.unwrap();
    for statement in [before, statement, after] {
        let statement = sqlx::AssertSqlSafe(statement.to_owned());
        sqlx::query(statement).execute(&mut *connection).await.unwrap();
    }
}

async fn finds_what_is_planted(db: Db, check_: &'static str) {
    plant_tree(&db).await;
    let clean = check(&db).await.unwrap();
    assert_eq!(clean.failed, None);
    assert_eq!((clean.passed.as_slice(), clean.skipped.len()), (CHECKS.as_slice(), 1));
    violate(&db, check_).await;
    let report = check(&db).await.unwrap();
    let failed = report.failed.unwrap();
    assert_eq!(failed.name, check_, "{}", failed.detail);
    assert!(report.skipped.is_empty() && !report.passed.contains(&check_));
}

async fn writes_nothing(db: Db) {
    let mut tx = store::begin_read_only(&db).await.unwrap();
    let write = sqlx::query("DELETE FROM developers").execute(&mut *tx).await;
    assert!(write.is_err(), "a read-only transaction wrote");
    store::end(&db, tx).await.unwrap();
    // The connection can write again.
    plant(&db, "DELETE FROM developers").await;
}

#[tokio::test]
async fn on_sqlite() {
    for check in CHECKS {
        let (db, _dir) = sqlite().await;
        finds_what_is_planted(db, check).await;
    }
    let (db, _dir) = sqlite().await;
    writes_nothing(db).await;
}

#[tokio::test]
async fn on_postgres() {
    let postgres = Postgres::start();
    for check in CHECKS {
        finds_what_is_planted(postgres.database(check).await.0, check).await;
    }
    writes_nothing(postgres.database("read_only").await.0).await;
}
