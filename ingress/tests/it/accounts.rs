//! What callers can ask about their requests.

use futures_util::StreamExt;
use proto::ctl::{Lookup, RequestView};
use proto::id::Token;
use proto::subject;

use crate::harness::{ASK_FAST, KEY, Stack, chat, data, head, no_request, open, whole};

#[tokio::test]
async fn a_request_is_shown_to_its_own_project_and_to_nobody_else() {
    let mut stack = Stack::start().await;
    let path = format!("/v1/requests/{}", no_request());
    // Without a ledger nobody can say that there is no such request.
    assert_eq!(stack.get(&path, Some(KEY)).await.0, 503);
    let mut lookups = stack.link.client.queue_subscribe(subject::CTL_LOOKUP, "ledger".into()).await.unwrap();
    // Answered after the subscription was taken in: both travel in order on one connection.
    stack.stored().await;
    let client = stack.link.client.clone();
    let ledger = tokio::spawn(async move {
        while let Some(message) = lookups.next().await {
            let lookup: Lookup = serde_json::from_slice(&message.payload).unwrap();
            assert_eq!(lookup.project, "acme");
            client.publish(message.reply.unwrap(), "null".into()).await.unwrap();
        }
    });
    let (status, _, body) = stack.get(&path, Some(KEY)).await;
    assert_eq!(status, 404, "{body}");
    assert_eq!(stack.get("/v1/requests/nonsense", Some(KEY)).await.0, 404);
    let address = stack.address;
    let sent = tokio::spawn(async move { whole(open(address, chat(ASK_FAST)).await).await });
    let job = stack.job().await;
    let path = format!("/v1/requests/{}", job.envelope.request);
    let (status, _, body) = stack.get(&path, Some(KEY)).await;
    let view: RequestView = serde_json::from_str(&body).unwrap();
    assert_eq!((status, view.status.as_str(), view.id), (200, "in_progress", job.envelope.request));
    assert_eq!((view.project.as_str(), view.requested_model.as_str()), ("acme", "fast"));
    job.frame(Token(1), 0, vec![head(), data("{}"), job.end()]).await;
    assert_eq!(sent.await.unwrap().0, 200);
    ledger.abort();
}
