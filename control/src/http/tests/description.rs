//! `/openapi.json` against the routes themselves: schemathesis makes up requests from it, in every way that is
//! described and in many that are not, and finds no 5xx and no status that the document does not tell of.

use std::path::PathBuf;

use serde_json::json;
use tokio::process::Command;

use super::tenants::Tenant;
use crate::http::testing::Served;
use crate::testing::{ADMIN_TOKEN, DEVELOPER_ADMIN_TOKEN};

const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance";
/// The same, and bodies as well. Objects of the document are described with fewer fields than an operator is shown.
const CHECKS_WITH_BODIES: &str =
    "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance";

/// The program, where the clients that the tests need are installed.
fn schemathesis() -> Option<PathBuf> {
    let clients = PathBuf::from(std::env::var_os("FOREBAY_TEST_CLIENTS")?);
    let program = clients.join("openapi/bin/schemathesis");
    assert!(program.is_file(), "schemathesis is not installed: run tests/clients/install");
    Some(program)
}

async fn run(program: &PathBuf, served: &Served, paths: &str, token: &str, checks: &str) {
    let examples = std::env::var("FOREBAY_SCHEMATHESIS_EXAMPLES").unwrap_or_else(|_| "5".to_owned());
    // It leaves notes where it runs.
    let place = tempfile::tempdir().unwrap();
    let ran = Command::new(program)
        .current_dir(place.path())
        .args([
            "run",
            &format!("{}/openapi.json", served.url),
            "--checks",
            checks,
            "--phases",
            "coverage,fuzzing",
        ])
        .args(["--include-path-regex", paths, "--header", &format!("Authorization: Bearer {token}")])
        .args(["--max-examples", &examples, "--seed", "1", "--suppress-health-check", "all", "--no-color"])
        .args(["--continue-on-failure", "--generation-database", "none", "--warnings", "off"])
        .env("NO_PROXY", "127.0.0.1")
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success(), "{paths}: {said}\n{}", String::from_utf8_lossy(&ran.stderr));
}

#[tokio::test]
async fn every_route_is_as_it_is_described() {
    let Some(program) = schemathesis() else { return };
    let served = Served::postgres().await;
    let tenant = Tenant::new(&served, "ann").await;
    let body = json!({ "public_app_id": tenant.app, "external_user_id": "u1" });
    let opened = served.call("POST", "/v1/sessions", &tenant.secret, Some(body)).await.expect(201).json;
    let session = opened["session_token"].as_str().unwrap();
    run(&program, &served, "^/v1/user", session, CHECKS_WITH_BODIES).await;
    run(&program, &served, "^/v1/sessions", &tenant.secret, CHECKS_WITH_BODIES).await;
    run(&program, &served, "^/v1/(developer/|apps)", DEVELOPER_ADMIN_TOKEN, CHECKS_WITH_BODIES).await;
    run(&program, &served, "^/(admin/v1/|v1/developers)", ADMIN_TOKEN, CHECKS).await;
}
