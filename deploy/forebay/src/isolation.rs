//! `forebay check-isolation`: whether what belongs to a tenant belongs to the right one. Writes nothing.

use control::isolation::{Report, check};
use ledger::Db;
use serde::Serialize;

use crate::cli::{CheckIsolationArgs, Place};
use crate::endpoint::Endpoint;
use crate::output;

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Verdict<'a> {
    ok: bool,
    #[serde(flatten)]
    report: &'a Report,
}

/// Runs the command; whether every check holds.
pub(crate) async fn run(args: CheckIsolationArgs) -> anyhow::Result<bool> {
    let db = match (&args.data_dir, &args.database_url) {
        (None, Some(url)) => Db::connect(url).await?,
        (dir, _) => {
            let place = Place { data_dir: dir.clone(), ..Place::default() };
            Db::connect(Endpoint::locate(&place)?.database_url.expose()).await?
        }
    };
    let report = check(&db).await?;
    let ok = report.failed.is_none();
    if args.output.json {
        output::json(&Verdict { ok, report: &report })?;
    } else {
        output::line(&text(&report))?;
    }
    Ok(ok)
}

fn text(report: &Report) -> String {
    let passed = report.passed.iter().map(|name| format!("PASS {name}"));
    let skipped = report.skipped.iter().map(|skipped| format!("SKIP {}: {}", skipped.name, skipped.reason));
    let failed = report.failed.iter().map(|failed| format!("FAIL {}: {}", failed.name, failed.detail));
    passed.chain(skipped).chain(failed).collect::<Vec<_>>().join("\n")
}
