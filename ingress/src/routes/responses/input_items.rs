//! `GET /v1/responses/{id}/input_items`: what a response was made from, page by page.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::response::Response;
use bytes::Bytes;
use http::HeaderMap;
use proto::dialect::openai_responses;
use proto::fault::{Fault, FaultCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::kept::{Id, own};
use crate::call::Call;
use crate::metrics::Route;
use crate::respond;
use crate::state::App;

const LIMIT_DEFAULT: usize = 20;
const LIMIT_MAX: usize = 100;

/// Which page (developers.openai.com, API reference "List input items", read 2026-11).
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Page {
    /// From 1 to 100, default 20.
    limit: Option<usize>,
    /// `asc` or `desc`, the default.
    order: Option<String>,
    /// The item before the page, in that order.
    after: Option<String>,
    /// The item behind the page.
    before: Option<String>,
}

/// Answers with a page of items.
pub(crate) async fn input_items(
    State(app): State<Arc<App>>,
    id: Id,
    page: Result<Query<Page>, QueryRejection>,
    request: Request,
) -> Response {
    let mut call = Call::begin(&app.metrics, Route::Responses, request.headers());
    match list(&app, &mut call, request.headers(), id, page).await {
        Ok(body) => respond::json(call, body, None),
        Err(fault) => respond::refuse(call, &fault, None),
    }
}

async fn list(
    app: &App,
    call: &mut Call,
    headers: &HeaderMap,
    id: Id,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Bytes, Fault> {
    let (_, found) = own(app, call, headers, id).await?;
    let Query(page) = page.map_err(|_| wrong("limit", "a number from 1 to 100"))?;
    let items = openai_responses::input_items(&found.stored.input);
    page.of(items).map(|list| list.to_string().into())
}

impl Page {
    fn of(&self, mut items: Vec<Value>) -> Result<Value, Fault> {
        let limit = self.limit.unwrap_or(LIMIT_DEFAULT);
        if !(1..=LIMIT_MAX).contains(&limit) {
            return Err(wrong("limit", "a number from 1 to 100"));
        }
        match self.order.as_deref() {
            None | Some("desc") => items.reverse(),
            Some("asc") => {}
            Some(_) => return Err(wrong("order", "`asc` or `desc`")),
        }
        if let Some(after) = &self.after {
            let at = place(&items, after).ok_or_else(|| wrong("after", "the id of an item in the list"))?;
            items.drain(..=at);
        }
        if let Some(before) = &self.before {
            let at = place(&items, before).ok_or_else(|| wrong("before", "the id of an item in the list"))?;
            items.truncate(at);
        }
        let more = items.len() > limit;
        items.truncate(limit);
        let id = |item: Option<&Value>| item.map_or(Value::Null, |item| item["id"].clone());
        let (first, last) = (id(items.first()), id(items.last()));
        Ok(json!({ "object": "list", "data": items, "first_id": first, "last_id": last, "has_more": more }))
    }
}

fn place(items: &[Value], id: &str) -> Option<usize> {
    items.iter().position(|item| item["id"] == id)
}

fn wrong(param: &str, expected: &str) -> Fault {
    Fault::new(FaultCode::InvalidRequest, format!("`{param}`: expected {expected}.")).with_param(param)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(page: &Page) -> (Vec<String>, bool) {
        let items = (0..5).map(|n| json!({ "id": format!("i{n}") })).collect();
        let list = page.of(items).unwrap();
        let ids = list["data"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned());
        (ids.collect(), list["has_more"] == true)
    }

    #[test]
    fn pages_go_on_from_the_item_named() {
        let two = Page { limit: Some(2), ..Page::default() };
        assert_eq!(page(&two), (vec!["i4".into(), "i3".into()], true));
        let next = Page { limit: Some(2), after: Some("i3".into()), ..Page::default() };
        assert_eq!(page(&next), (vec!["i2".into(), "i1".into()], true));
        let last = Page { limit: Some(2), after: Some("i1".into()), ..Page::default() };
        assert_eq!(page(&last), (vec!["i0".into()], false));
        let up = Page { order: Some("asc".into()), before: Some("i2".into()), ..Page::default() };
        assert_eq!(page(&up), (vec!["i0".into(), "i1".into()], false));
    }

    #[test]
    fn nonsense_is_named() {
        let param = |page: Page| page.of(Vec::new()).unwrap_err().param.unwrap();
        assert_eq!(param(Page { limit: Some(0), ..Page::default() }), "limit");
        assert_eq!(param(Page { limit: Some(101), ..Page::default() }), "limit");
        assert_eq!(param(Page { order: Some("up".into()), ..Page::default() }), "order");
        assert_eq!(param(Page { after: Some("x".into()), ..Page::default() }), "after");
        let none = Page::default().of(Vec::new()).unwrap();
        assert_eq!((&none["first_id"], &none["has_more"]), (&Value::Null, &json!(false)));
    }
}
