//! What keys may do: models, direct targets, networks; and what web pages may.

use http::{HeaderMap, Request};
use http_body_util::Full;
use proto::config::{Config, KeyRecord, Project, SessionRecord};
use proto::id::Token;
use proto::stored::Status;

use crate::harness::{ASK_FAST, KEY, Stack, chat, chat_as, config, data, head, open, whole};
use crate::responses::{about, keep};

const LIMITED: &str = "a-key-with-limits-0001";

fn limited(change: impl FnOnce(&mut KeyRecord)) -> KeyRecord {
    let mut record =
        KeyRecord { id: "key_2".into(), project: "acme".into(), name: "two".into(), ..KeyRecord::default() };
    change(&mut record);
    record
}

fn asking(model: &str) -> String {
    ASK_FAST.replace("\"fast\"", &format!("\"{model}\""))
}

#[tokio::test]
async fn a_key_asks_for_its_models_alone() {
    let mut stack = Stack::start().await;
    stack.put_key(LIMITED, &limited(|key| key.models = Some(vec!["fast".into(), "primary/*".into()]))).await;
    stack.put_key("a-direct-key-00001", &limited(|key| key.direct = true)).await;
    let (status, _, body) = stack.send(chat_as(LIMITED, asking("org/slow"))).await;
    assert!(status == 403 && body.contains("model_not_allowed"), "{body}");
    let (_, _, listed) = stack.get("/v1/models", Some(LIMITED)).await;
    assert!(listed.contains("\"fast\"") && !listed.contains("org/slow"), "{listed}");
    assert_eq!(stack.get("/v1/models/org%2Fslow", Some(LIMITED)).await.0, 404);
    assert_eq!(stack.get("/v1/models/org%2Fslow", Some(KEY)).await.0, 200);
    // Its list names the provider, and still it may not address it.
    assert_eq!(stack.send(chat_as(LIMITED, asking("primary/gpt"))).await.0, 404);
    assert_eq!(stack.send(chat(asking("primary/gpt"))).await.0, 404);
    assert_eq!(stack.send(chat(asking("nobody/gpt"))).await.0, 404);
    let (address, request) = (stack.address, chat_as("a-direct-key-00001", asking("primary/gpt")));
    let sent = tokio::spawn(async move { whole(open(address, request).await).await });
    let job = stack.job().await;
    assert_eq!(job.envelope.model, "primary/gpt");
    assert!(job.envelope.route.as_deref().unwrap().direct);
    job.frame(Token(1), 0, vec![head(), data("{}"), job.end()]).await;
    assert_eq!(sent.await.unwrap().0, 200);
    let (address, request) = (stack.address, chat(asking("auto:cheap")));
    let sent = tokio::spawn(async move { whole(open(address, request).await).await });
    let job = stack.job().await;
    assert_eq!((job.envelope.model.as_str(), &job.envelope.route), ("auto:cheap", &None));
    job.frame(Token(1), 0, vec![head(), data("{}"), job.end()]).await;
    assert_eq!(sent.await.unwrap().0, 200);
}

#[tokio::test]
async fn a_key_is_used_from_its_networks_alone() {
    let networks = |text: &str| limited(|key| key.networks = Some(vec![text.parse().unwrap()]));
    let get = |secret: &str, forwarded: &str| {
        let get = Request::get("/v1/models").header("host", "f").header("x-api-key", secret);
        get.header("x-forwarded-for", forwarded).body(Full::default()).unwrap()
    };
    let stack = Stack::start().await;
    stack.put_key("from-this-machine-1", &networks("127.0.0.0/8")).await;
    stack.put_key("from-somewhere-else", &networks("203.0.113.0/24")).await;
    assert_eq!(stack.send(get("from-this-machine-1", "203.0.113.7")).await.0, 200);
    let (status, _, body) = stack.send(get("from-somewhere-else", "203.0.113.7")).await;
    assert!(
        status == 403 && body.contains("network address"),
        "a stranger's word counts for nothing: {body}"
    );
    drop(stack);
    let trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
    let settings = ingress::Config { trusted_proxies, ..ingress::Config::default() };
    let stack = Stack::start_with(config(), settings).await;
    stack.put_key("from-somewhere-else", &networks("203.0.113.0/24")).await;
    assert_eq!(stack.send(get("from-somewhere-else", "198.51.100.1, 203.0.113.7")).await.0, 200);
    assert_eq!(stack.send(get("from-somewhere-else", "203.0.113.7, 198.51.100.1")).await.0, 403);
}

fn from_page(method: &str, origin: &str, key: Option<&str>) -> Request<Full<bytes::Bytes>> {
    let request =
        Request::builder().method(method).uri("/v1/models").header("host", "f").header("origin", origin);
    let request = match key {
        Some(key) => request.header("x-api-key", key),
        None => request,
    };
    request.body(Full::default()).unwrap()
}

fn allowed(headers: &HeaderMap) -> Option<&str> {
    headers.get("access-control-allow-origin").map(|origin| origin.to_str().unwrap())
}

#[tokio::test]
async fn pages_call_from_the_origins_of_their_project_alone() {
    const MINE: &str = "https://acme.example";
    const OTHERS: &str = "https://other.example";
    const LISTENERS: &str = "http://localhost:5173";
    let of = |name: &str, origin: &str| Project { cors_origins: vec![origin.into()], ..Project::new(name) };
    let settings = ingress::Config { cors_origins: vec![LISTENERS.into()], ..ingress::Config::default() };
    let projects = vec![of("acme", MINE), of("other", OTHERS)];
    let stack = Stack::start_with(Config { projects, ..config() }, settings).await;
    for (origin, expected) in [
        (MINE, Some(MINE)),
        (LISTENERS, Some(LISTENERS)),
        (OTHERS, None),
        ("https://evil.example", None),
        ("null", None),
    ] {
        let (status, headers, _) = stack.send(from_page("GET", origin, Some(KEY))).await;
        assert_eq!((status, allowed(&headers)), (200, expected), "{origin}");
        assert_eq!(headers["vary"], "origin");
        let exposed = headers.get("access-control-expose-headers").map(|names| names.to_str().unwrap());
        assert_eq!(exposed.is_some_and(|names| names.contains("x-forebay-route-mode")), expected.is_some());
    }
    // A page of any project may see that it has no good key.
    let (status, headers, _) = stack.send(from_page("GET", OTHERS, None)).await;
    assert_eq!((status, allowed(&headers)), (401, Some(OTHERS)));
    for (origin, expected) in [(MINE, Some(MINE)), (OTHERS, Some(OTHERS)), ("https://evil.example", None)] {
        let mut request = from_page("OPTIONS", origin, None);
        request.headers_mut().insert("access-control-request-method", "POST".parse().unwrap());
        request
            .headers_mut()
            .insert("access-control-request-headers", "authorization,x-stainless-os".parse().unwrap());
        let (status, headers, _) = stack.send(request).await;
        assert_eq!((status, allowed(&headers)), (204, expected), "{origin}");
        if expected.is_some() {
            assert_eq!(headers["access-control-allow-headers"], "authorization,x-stainless-os");
            assert!(headers["access-control-allow-methods"].to_str().unwrap().contains("POST"));
        }
    }
    // What is no question of a browser needs a key, and other callers get none of these headers.
    assert_eq!(stack.send(from_page("OPTIONS", MINE, None)).await.0, 401);
    let (_, headers, _) = stack.get("/v1/models", Some(KEY)).await;
    assert!(headers.get("vary").is_none() && allowed(&headers).is_none());
}

#[tokio::test]
async fn a_session_sees_what_its_own_end_user_asked() {
    let mut stack = Stack::start().await;
    let session = |user: &str| {
        limited(|key| {
            key.session =
                Some(SessionRecord { end_user: user.into(), feature: None, scopes: vec!["chat".into()] });
            key.expires_ms = Some(u64::MAX);
        })
    };
    for user in ["eu_1", "eu_2"] {
        stack.put_key(&format!("mf_sess_of-{user}-00000"), &session(user)).await;
    }
    let (mine, others) = (Some("mf_sess_of-eu_1-00000"), Some("mf_sess_of-eu_2-00000"));
    keep(
        &stack,
        proto::stored::About { end_user: Some("eu_1".into()), ..about("acme", "resp_1", Status::Completed) },
    )
    .await;
    keep(&stack, about("acme", "resp_2", Status::Completed)).await;
    for (id, secret, status) in [
        ("resp_1", mine, 200),
        ("resp_1", others, 404),
        ("resp_1", Some(KEY), 200),
        ("resp_2", mine, 404),
        ("resp_2", Some(KEY), 200),
    ] {
        assert_eq!(stack.get(&format!("/v1/responses/{id}"), secret).await.0, status, "{id} {secret:?}");
        assert_eq!(stack.get(&format!("/v1/responses/{id}/input_items"), secret).await.0, status);
    }
    for (previous, status) in [("resp_1", 400), ("resp_none", 400)] {
        let body = format!(
            r#"{{"model":"fast","input":"x","background":true,"previous_response_id":"{previous}"}}"#
        );
        let post = Request::post("/v1/responses").header("host", "f").header("x-api-key", others.unwrap());
        let (found, _, answer) = stack.send(post.body(Full::from(body)).unwrap()).await;
        assert_eq!(found, status, "{answer}");
        assert!(answer.contains("previous_response_not_found"), "{answer}");
    }
    let (address, request) = (stack.address, chat_as(mine.unwrap(), ASK_FAST));
    let sent = tokio::spawn(async move { whole(open(address, request).await).await });
    let job = stack.job().await;
    let mut lookups =
        stack.link.client.queue_subscribe(proto::subject::CTL_LOOKUP, "ledger".into()).await.unwrap();
    stack.stored().await;
    let client = stack.link.client.clone();
    let ledger = tokio::spawn(async move {
        while let Some(message) = futures_util::StreamExt::next(&mut lookups).await {
            client.publish(message.reply.unwrap(), "null".into()).await.unwrap();
        }
    });
    let path = format!("/v1/requests/{}", job.envelope.request);
    let (status, _, body) = stack.get(&path, mine).await;
    assert!(status == 200 && body.contains("\"end_user\":\"eu_1\""), "{body}");
    assert_eq!((stack.get(&path, Some(KEY)).await.0, stack.get(&path, others).await.0), (200, 404));
    job.frame(Token(1), 0, vec![head(), data("{}"), job.end()]).await;
    assert_eq!(sent.await.unwrap().0, 200);
    ledger.abort();
}
