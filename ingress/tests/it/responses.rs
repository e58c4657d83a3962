//! Responses that are kept: fetched, listed, removed.

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use proto::dialect::Dialect;
use proto::id::{RequestId, Token};
use proto::nats::{Replaces, Results};
use proto::stored::{About, Key, Status, Stored};
use serde_json::{Value, json};

use crate::harness::{KEY, PATIENCE, Stack, data, head};

pub fn about(project: &str, id: &str, status: Status) -> About {
    About {
        request: RequestId::new(),
        project: project.into(),
        id: id.into(),
        status,
        model: "fast".into(),
        created_ms: 1,
        background: false,
        stream: false,
        token: None,
    }
}

/// Keeps a response as a worker does.
pub async fn keep(stack: &Stack, about: About) {
    let key = Key::new(&about.project, &about.id);
    let stored = Stored {
        response: json!({ "id": about.id, "object": "response", "output": [] }).to_string().into(),
        input: Bytes::from_static(
            br#"{"input":[{"role":"user","content":"a"},{"role":"user","content":"b"}]}"#,
        ),
        end: Bytes::new(),
        about,
    };
    let results = Results::new(stack.link.clone());
    results.write(&key, &stack.ring(), stored, Replaces::Anything, "test", PATIENCE).await.unwrap();
}

/// A request with the key and no body.
pub fn bare(method: &str, path: &str) -> Request<Full<Bytes>> {
    let request = Request::builder().method(method).uri(path).header("host", "forebay");
    request.header("authorization", format!("Bearer {KEY}")).body(Full::default()).unwrap()
}

/// A request for a response.
pub fn create(body: &str) -> Request<Full<Bytes>> {
    let request = Request::post("/v1/responses").header("host", "forebay");
    let request = request.header("authorization", format!("Bearer {KEY}"));
    request.body(Full::new(body.to_owned().into())).unwrap()
}

pub async fn said(stack: &Stack, request: Request<Full<Bytes>>) -> (u16, Value) {
    let (status, _, body) = stack.send(request).await;
    (status, serde_json::from_str(&body).unwrap_or_else(|_| panic!("no JSON: {body}")))
}

#[tokio::test]
async fn a_kept_response_is_fetched_listed_and_removed_by_its_own_project_alone() {
    let stack = Stack::start().await;
    keep(&stack, about("acme", "resp_1", Status::Completed)).await;
    keep(&stack, about("other", "resp_2", Status::Completed)).await;
    let (status, body) = said(&stack, bare("GET", "/v1/responses/resp_1")).await;
    assert_eq!((status, &body["id"]), (200, &json!("resp_1")));
    let (status, list) = said(&stack, bare("GET", "/v1/responses/resp_1/input_items?limit=1")).await;
    assert_eq!((status, list["data"].as_array().unwrap().len()), (200, 1));
    assert_eq!((&list["has_more"], &list["data"][0]["content"][0]["text"]), (&json!(true), &json!("b")));
    let (status, wrong) = said(&stack, bare("GET", "/v1/responses/resp_1/input_items?limit=x")).await;
    assert_eq!((status, &wrong["error"]["param"]), (400, &json!("limit")));
    for (method, path) in [
        ("GET", "/v1/responses/resp_2"),
        ("GET", "/v1/responses/resp_2/input_items"),
        ("DELETE", "/v1/responses/resp_2"),
        ("GET", "/v1/responses/resp_none"),
        ("GET", "/v1/responses/a.b%20*"),
    ] {
        let (status, body) = said(&stack, bare(method, path)).await;
        assert_eq!((status, &body["error"]["code"]), (404, &json!("not_found")), "{method} {path}");
    }
    let (status, body) = said(&stack, bare("DELETE", "/v1/responses/resp_1")).await;
    assert_eq!((status, body), (200, json!({"id": "resp_1", "object": "response", "deleted": true})));
    assert_eq!(said(&stack, bare("GET", "/v1/responses/resp_1")).await.0, 404);
    assert_eq!(said(&stack, bare("DELETE", "/v1/responses/resp_1")).await.0, 404);
    let (status, _, _) = stack.get("/v1/responses/resp_1", None).await;
    assert_eq!(status, 401);
}

#[tokio::test]
async fn a_request_says_what_is_to_be_kept_of_it() {
    let mut stack = Stack::start().await;
    for (body, store, previous) in [
        (r#"{"model":"fast","input":"x"}"#, true, None),
        (
            r#"{"model":"fast","input":"x","store":true,"previous_response_id":"resp_1"}"#,
            true,
            Some("resp_1"),
        ),
        (r#"{"model":"fast","previous_response_id":"resp_1","store":false}"#, false, Some("resp_1")),
        (r#"{"model":"fast","input":"x","store":false}"#, false, None),
    ] {
        let (address, request) = (stack.address, create(body));
        let sent =
            tokio::spawn(
                async move { crate::harness::whole(crate::harness::open(address, request).await).await },
            );
        let job = stack.job().await;
        assert_eq!(job.envelope.dialect, Dialect::OpenaiResponses);
        let kept = job.envelope.kept.clone().unwrap_or_default();
        assert_eq!((kept.store, kept.previous.as_deref()), (store, previous), "{body}");
        job.frame(Token(1), 0, vec![head(), data("{}"), job.end()]).await;
        assert_eq!(sent.await.unwrap().0, 200);
    }
    for (body, param) in [
        (r#"{"model":"fast","input":"x","conversation":"conv_1"}"#, "conversation"),
        (r#"{"model":"fast","input":"x","background":true,"store":false}"#, "store"),
        (r#"{"model":"fast","input":"x","store":"yes"}"#, "store"),
    ] {
        let (status, said) = said(&stack, create(body)).await;
        assert_eq!((status, &said["error"]["param"]), (400, &json!(param)), "{body}");
    }
}
