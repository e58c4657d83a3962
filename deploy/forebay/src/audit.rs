//! `forebay audit`: reads the audit log, hands it out as lines of JSON, and verifies that it is what was written.

use control::audit::{self, Entry, Filter, Report, Tampering};
use ledger::Db;
use proto::nats::{Link, LinkOptions};
use serde::Serialize;

use crate::cli::{AuditCommand, AuditFilter, AuditListArgs};
use crate::endpoint::Endpoint;
use crate::output;

/// What `verify --json` prints.
#[derive(Debug, Serialize)]
struct Verdict<'a> {
    ok: bool,
    #[serde(flatten)]
    report: &'a Report,
}

/// What `list --json` prints.
#[derive(Debug, Serialize)]
struct Listed<'a> {
    ok: bool,
    records: &'a [Entry],
}

/// Runs the command; whether the log is what was written, where that was asked.
pub(crate) async fn run(command: AuditCommand) -> anyhow::Result<bool> {
    match command {
        AuditCommand::Verify(args) => {
            let endpoint = Endpoint::locate(&args.place)?;
            let options = LinkOptions { urls: endpoint.nats_url.expose().clone(), role: "audit" };
            let link = Link::connect(&options).await?;
            let db = Db::connect(endpoint.database_url.expose()).await?;
            let report = audit::verify(&db, Some(&link)).await?;
            let ok = report.finding.is_none();
            if args.output.json {
                output::json(&Verdict { ok, report: &report })?;
            } else {
                output::line(&verdict(&report))?;
            }
            Ok(ok)
        }
        AuditCommand::Export(args) => {
            let db = database(&args.filter).await?;
            let (mut failed, filter) = (None, filter(&args.filter)?);
            let exported = audit::export(&db, &filter, |line| {
                // The first failure ends it; which one is told below.
                output::line(line).map_err(|error| {
                    failed = Some(error);
                    control::Error::Contended
                })
            });
            let exported = exported.await;
            if let Some(error) = failed {
                return Err(error);
            }
            exported?;
            Ok(true)
        }
        AuditCommand::List(args) => list(&args).await.map(|()| true),
    }
}

async fn list(args: &AuditListArgs) -> anyhow::Result<()> {
    let db = database(&args.filter).await?;
    let records = audit::list(&db, &filter(&args.filter)?, None, u64::from(args.limit)).await?;
    if args.output.json {
        return output::json(&Listed { ok: true, records: &records });
    }
    for entry in &records {
        output::line(&line(entry))?;
    }
    Ok(())
}

async fn database(filter: &AuditFilter) -> anyhow::Result<Db> {
    Ok(Db::connect(Endpoint::locate(&filter.place)?.database_url.expose()).await?)
}

fn filter(args: &AuditFilter) -> anyhow::Result<Filter> {
    let time = |text: &Option<String>| text.as_deref().map(crate::replay::time_ms).transpose();
    Ok(Filter {
        actor: args.actor.clone(),
        action: args.action.clone(),
        resource: args.resource.clone(),
        resource_id: args.resource_id.clone(),
        developer: args.developer.clone(),
        outcome: args.outcome.clone(),
        request_id: None,
        since_ms: time(&args.from)?,
        until_ms: time(&args.to)?,
    })
}

fn line(entry: &Entry) -> String {
    let record = &entry.record;
    let at = crate::replay::time_text(record.at_ms);
    let on = record.resource_id.as_deref().unwrap_or("-");
    format!("{} {at} {} {} {on} {}", record.seq, record.actor, record.action, record.outcome.as_str())
}

fn verdict(report: &Report) -> String {
    let compared = format!("{} of them were compared with their copies on EVENTS.", report.compared);
    let Some(finding) = &report.finding else {
        return format!("The audit log is as it was written: {} records. {compared}", report.verified);
    };
    let what = match finding.kind {
        Tampering::Changed => "was changed",
        Tampering::Removed => "was removed",
        Tampering::Inserted => "was put in",
    };
    let (seq, note, before) = (finding.seq, &finding.note, report.verified);
    format!("Record {seq} {what}: {note}. The {before} before it are as they were written.")
}
