//! `forebay reconcile`: derives the books again from the events and tells every difference.

use ledger::Db;
use ledger::reconcile::{Item, Report, Start, reconcile_from};
use proto::nats::{Link, LinkOptions};
use serde::Serialize;

use crate::cli::ReconcileArgs;
use crate::endpoint::Endpoint;
use crate::output;

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Verdict<'a> {
    ok: bool,
    #[serde(flatten)]
    report: &'a Report,
}

/// Runs the command; whether nothing differs.
pub(crate) async fn run(args: ReconcileArgs) -> anyhow::Result<bool> {
    let start = if args.quick { Start::Newest } else { Start::Oldest };
    let report = of(&Endpoint::locate(&args.place)?, start).await?;
    let ok = report.mismatches == 0;
    if args.output.json {
        output::json(&Verdict { ok, report: &report })?
    } else {
        output::line(&text(&report))?
    }
    Ok(ok)
}

/// Compares the books of a deployment with its events.
pub(crate) async fn of(endpoint: &Endpoint, start: Start) -> anyhow::Result<Report> {
    let options = LinkOptions { urls: endpoint.nats_url.expose().clone(), role: "reconcile" };
    let link = Link::connect(&options).await?;
    let db = Db::connect(endpoint.database_url.expose()).await?;
    Ok(reconcile_from(&link, &db, start).await?)
}

fn text(report: &Report) -> String {
    let from = match report.from_checkpoint {
        0 => "from the beginning".to_owned(),
        seq => format!("from the checkpoint at event {seq}"),
    };
    let mut lines = vec![
        format!("Derived again {from} to event {}.", report.checked_through),
        format!(
            "{} accounts, {} transfers, {} attempts, {} of them open and {} unknown; {} open holds.",
            report.accounts,
            report.transfers,
            report.attempts,
            report.open,
            report.unknown,
            report.open_holds
        ),
    ];
    lines.extend(report.items.iter().map(item));
    lines.push(match report.mismatches {
        0 => "Nothing differs: 0 mismatches.".to_owned(),
        n => format!("The books and the events differ: {n} mismatches."),
    });
    lines.join("\n")
}

fn item(item: &Item) -> String {
    let mut text = format!("  {} {}: {}", item.kind, item.id, item.note);
    if !(item.expected.is_empty() && item.found.is_empty()) {
        text.push_str(&format!(" (expected {}, found {})", item.expected, item.found));
    }
    text
}
