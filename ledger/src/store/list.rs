//! Which requests there are: by time, project, or the caller's own request id.

use proto::id::RequestId;

use super::{Db, int};
use crate::error::Error;

const LIST: &str = include_str!("sql/list_requests.sql");
const OF_CLIENT: &str = include_str!("sql/requests_of_client.sql");

/// How far the time in a request's id may be from its acceptance, in milliseconds: the id is made when the
/// request's first byte arrives.
const ID_MARGIN_MS: u64 = 3_600_000;
/// An id begins with 48 bits of milliseconds.
const ID_MS_MAX: u64 = (1 << 48) - 1;

/// Which requests.
#[derive(Debug, Clone)]
pub(crate) struct ListFilter<'a> {
    /// Accepted at or after this time, in milliseconds.
    pub(crate) from_ms: u64,
    /// And before this one.
    pub(crate) to_ms: u64,
    /// Of this project only.
    pub(crate) project: Option<&'a str>,
    /// After this one.
    pub(crate) after: Option<RequestId>,
    /// At most so many.
    pub(crate) limit: u64,
}

/// Ids of the requests, in the order of time.
pub(crate) async fn list_requests(db: &Db, filter: &ListFilter<'_>) -> Result<Vec<RequestId>, Error> {
    let earliest = filter.from_ms.saturating_sub(ID_MARGIN_MS).min(ID_MS_MAX);
    let latest = filter.to_ms.saturating_add(ID_MARGIN_MS).min(ID_MS_MAX);
    // '/' is the character after '.', which ends the request's part of an attempt's id.
    let after = filter.after.map_or_else(|| format!("req_{earliest:012x}"), |id| format!("{id}/"));
    let ids: Vec<String> = sqlx::query_scalar(LIST)
        .bind(after)
        .bind(format!("req_{latest:012x}g"))
        .bind(int(filter.from_ms))
        .bind(int(filter.to_ms))
        .bind(filter.project.unwrap_or_default().to_owned())
        .bind(int(filter.limit))
        .fetch_all(db.pool())
        .await
        .map_err(Error::Read)?;
    parse(&ids)
}

/// Ids of the requests that a client named so, oldest first.
pub(crate) async fn by_client_request_id(
    db: &Db,
    name: &str,
    project: Option<&str>,
    limit: u64,
) -> Result<Vec<RequestId>, Error> {
    let ids: Vec<String> = sqlx::query_scalar(OF_CLIENT)
        .bind(name.to_owned())
        .bind(project.unwrap_or_default().to_owned())
        .bind(int(limit))
        .fetch_all(db.pool())
        .await
        .map_err(Error::Read)?;
    parse(&ids)
}

fn parse(ids: &[String]) -> Result<Vec<RequestId>, Error> {
    ids.iter().map(|id| id.parse().map_err(|_| Error::CorruptRow("attempts.id"))).collect()
}
