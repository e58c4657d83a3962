//! `forebay replay`: what happened to requests. One request's whole life comes from the streams, in their order,
//! beside what the books made of it; lists come from the books.

mod streams;
mod text;

use anyhow::{Context as _, bail};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use ledger::Db;
use ledger::replay::{self as books, Life, Query};
use proto::id::RequestId;
use proto::nats::{Link, LinkOptions};
use serde_json::json;

use self::streams::From;
use crate::cli::ReplayArgs;
use crate::endpoint::Endpoint;
use crate::output;

/// Runs the command; false if a request was asked for and nothing is known of it.
pub(crate) async fn run(args: ReplayArgs) -> anyhow::Result<bool> {
    match &args.request {
        Some(id) => {
            let id =
                id.parse().with_context(|| format!("{id} is no id of a request (req_ and 32 hex digits)"))?;
            one(&args, id).await
        }
        None => list(&args).await,
    }
}

async fn one(args: &ReplayArgs, id: RequestId) -> anyhow::Result<bool> {
    let endpoint = Endpoint::locate(&args.place)?;
    let db = Db::connect(endpoint.database_url.expose()).await?;
    let options = LinkOptions { urls: endpoint.nats_url.expose().clone(), role: "replay" };
    let link = Link::connect(&options).await?;
    let life = books::request(&db, id).await?;
    let seq = life.as_ref().and_then(|life| life.request.subject()).map(|subject| subject.origin.seq);
    let accepted = streams::accepted(&link, id, seq).await?;
    let project = match (&life, &accepted) {
        (Some(life), _) => life.view.project.clone(),
        (None, Some(accepted)) => accepted.envelope.project.clone(),
        (None, None) => bail!("nothing is known of {id}: it was never accepted, or the audit window is over"),
    };
    let (from, until) = match &life {
        Some(life) => range(life),
        None => (From::Ms(accepted.as_ref().map_or(0, |accepted| accepted.at_ms)), None),
    };
    let events = streams::events(&link, id, &project, from, until).await?;
    if args.output.json {
        output::json(&json!({
            "ok": true,
            "id": id,
            "accepted": accepted,
            "events": events,
            "request": life.as_ref().map(|life| &life.view),
            "transfers": life.as_ref().map(|life| &life.transfers[..]).unwrap_or_default(),
        }))?;
    } else {
        output::line(&text::life(id, accepted.as_ref(), &events, life.as_ref()))?;
    }
    Ok(true)
}

/// Where the request's events begin, and where they end if it is over.
fn range(life: &Life) -> (From, Option<u64>) {
    let request = &life.request;
    let attempts = request.attempts.iter().flat_map(|attempt| {
        let announced = attempt.announced.as_ref().map(|announced| announced.seq);
        announced.into_iter().chain(attempt.settled.as_ref().map(|settled| settled.seq))
    });
    let others = request.takeovers.iter().map(|taken| taken.seq);
    let seqs: Vec<u64> =
        attempts.chain(others).chain(request.closings.iter().map(|closing| closing.seq)).collect();
    let over = request.ended() && !request.open();
    (From::Seq(seqs.iter().min().copied().unwrap_or(1)), seqs.into_iter().max().filter(|_| over))
}

async fn list(args: &ReplayArgs) -> anyhow::Result<bool> {
    let endpoint = Endpoint::locate(&args.place)?;
    let db = Db::connect(endpoint.database_url.expose()).await?;
    let query = Query {
        from_ms: args.from.as_deref().map(time_ms).transpose()?.unwrap_or(0),
        to_ms: args.to.as_deref().map(time_ms).transpose()?,
        project: args.project.clone(),
        status: args.status.clone(),
        after: None,
        limit: u64::from(args.limit),
    };
    let page = books::list(&db, &query).await?;
    if args.output.json {
        output::json(&json!({ "ok": true, "requests": page.requests, "next": page.next }))?;
    } else {
        output::line(&text::list(&page, args.limit))?;
    }
    Ok(true)
}

/// Reads a time: `2026-11-20T12:00:00Z` (any offset), or a day, which begins at midnight UTC.
fn time_ms(text: &str) -> anyhow::Result<u64> {
    let timestamp = match text.parse::<Date>() {
        Ok(day) if !text.contains(['T', ' ']) => day.to_zoned(TimeZone::UTC)?.timestamp(),
        Ok(_) | Err(_) => text
            .parse::<Timestamp>()
            .with_context(|| format!("{text} is no time such as 2026-11-20T12:00:00Z and no day"))?,
    };
    Ok(u64::try_from(timestamp.as_millisecond()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_days_are_read() {
        assert_eq!(time_ms("1970-01-02").unwrap(), 86_400_000);
        assert_eq!(time_ms("1970-01-01T00:00:01.5Z").unwrap(), 1500);
        assert_eq!(time_ms("1970-01-01T02:00:00+01:00").unwrap(), 3_600_000);
        for bad in ["yesterday", "", "2026-13-01", "2026-11-20T12:00:00"] {
            assert!(time_ms(bad).is_err(), "{bad}");
        }
    }
}
