//! What `forebay replay` asks the books: lists of requests, and one request's whole life.

use proto::ctl::RequestView;
use proto::id::RequestId;
use proto::money::NanoUsd;
use serde::Serialize;

use crate::book::request::Request;
use crate::error::Error;
use crate::store::{self, Db, ListFilter};
use crate::transfer::Transfer;
use crate::view::{status, view};

/// Requests are loaded in pages of this many.
const PAGE: u64 = 200;

/// Which requests to list.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// Accepted at or after this time, in milliseconds since the Unix epoch.
    pub from_ms: u64,
    /// Accepted before this time; `None` = no end.
    pub to_ms: Option<u64>,
    /// Of this project only.
    pub project: Option<String>,
    /// With this status only; see [`RequestView::status`].
    pub status: Option<String>,
    /// Behind this request: the `next` of the page before.
    pub after: Option<RequestId>,
    /// At most so many.
    pub limit: u64,
}

/// One page of requests, oldest first.
#[derive(Debug, Clone, Serialize)]
pub struct Page {
    /// The requests.
    pub requests: Vec<RequestView>,
    /// Where the next page goes on; `None` on the last one.
    pub next: Option<RequestId>,
}

/// Everything that is on the books about one request.
#[derive(Debug, Clone, Serialize)]
pub struct Life {
    /// As its owner sees it.
    pub view: RequestView,
    /// Its attempts, takeovers and closings with their places on the stream.
    pub request: Request,
    /// What moved because of it, in the order of the stream.
    pub transfers: Vec<TransferView>,
}

/// One transfer of a [`Life`].
#[derive(Debug, Clone, Serialize)]
pub struct TransferView {
    /// Its id.
    pub id: String,
    /// The account that gives.
    pub debit: String,
    /// The account that takes.
    pub credit: String,
    /// How much, in nano-USD.
    pub amount: NanoUsd,
    /// Why.
    pub code: &'static str,
    /// The event that caused it.
    pub seq: u64,
    /// That event's stream time, in milliseconds since the Unix epoch.
    pub at_ms: u64,
}

impl From<Transfer> for TransferView {
    fn from(transfer: Transfer) -> Self {
        Self {
            id: transfer.id,
            debit: transfer.debit.to_string(),
            credit: transfer.credit.to_string(),
            amount: transfer.amount,
            code: transfer.code.as_str(),
            seq: transfer.seq,
            at_ms: transfer.at_ms,
        }
    }
}

/// Lists requests. Fails if the database cannot be read.
pub async fn list(db: &Db, query: &Query) -> Result<Page, Error> {
    let limit = usize::try_from(query.limit).unwrap_or(usize::MAX);
    let mut page = Page { requests: Vec::new(), next: query.after };
    loop {
        let filter = ListFilter {
            from_ms: query.from_ms,
            to_ms: query.to_ms.unwrap_or(u64::MAX),
            project: query.project.as_deref(),
            after: page.next,
            limit: PAGE,
        };
        let ids = store::list_requests(db, &filter).await?;
        let end = ids.len() < usize::try_from(PAGE).unwrap_or(usize::MAX);
        let mut connection = db.pool().acquire().await.map_err(Error::Connect)?;
        for (id, request) in store::requests(&mut connection, db.engine(), &ids).await? {
            if page.requests.len() == limit {
                return Ok(page);
            }
            page.next = Some(id);
            if query.status.as_deref().is_none_or(|wanted| wanted == status(&request)) {
                page.requests.extend(view(id, &request));
            }
        }
        if end {
            page.next = None;
            return Ok(page);
        }
    }
}

/// One request's whole life; `None` if nothing is on the books about it. Fails if the database cannot be read.
pub async fn request(db: &Db, id: RequestId) -> Result<Option<Life>, Error> {
    let mut connection = db.pool().acquire().await.map_err(Error::Connect)?;
    let request = store::requests(&mut connection, db.engine(), &[id]).await?.remove(&id).unwrap_or_default();
    let Some(view) = view(id, &request) else { return Ok(None) };
    let transfers = store::transfers_of_request(&mut connection, db.engine(), id).await?;
    Ok(Some(Life { view, request, transfers: transfers.into_iter().map(TransferView::from).collect() }))
}

/// Requests that a client gave this id, oldest first, at most a hundred. Fails if the database cannot be read.
pub async fn by_client_request_id(
    db: &Db,
    name: &str,
    project: Option<&str>,
) -> Result<Vec<RequestId>, Error> {
    const LIMIT: u64 = 100;
    store::by_client_request_id(db, name, project, LIMIT).await
}
