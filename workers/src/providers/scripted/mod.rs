//! The built-in provider for a machine without keys: a small HTTP server of our own on the loopback address, started
//! when a configuration names it. It answers deterministically, so that everything else is the same code path as
//! with a real provider.

mod answer;

use axum::Router;
use axum::body::Bytes;
use axum::extract::DefaultBodyLimit;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use http::{StatusCode, header};
use proto::config::ProviderKind;
use proto::dialect::Dialect;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Adapter, Auth, compatible};

pub(crate) const ADAPTER: Adapter = Adapter {
    kind: ProviderKind::Scripted,
    base_url: |_| None,
    versions: &[],
    built_in: true,
    auth: Auth::Bearer,
    dialect: |caller, profile| {
        compatible::dialect(caller, profile).filter(|dialect| *dialect == Dialect::OpenaiChat)
    },
    path: compatible::path,
    classify: compatible::classify,
};

/// As much as any request may carry.
const BODY_BYTES_MAX: usize = 64 << 20;

/// Starts the server; it ends with `shutdown`. Gives its base URL.
pub(crate) async fn start(tracker: &TaskTracker, shutdown: CancellationToken) -> std::io::Result<String> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    let router = Router::new()
        .route("/v1/chat/completions", post(chat_completions))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX));
    tracker.spawn(async move {
        tokio::select! {
            served = axum::serve(listener, router) => {
                if let Err(error) = served {
                    tracing::error!(%error, "the scripted provider has ended");
                }
            }
            () = shutdown.cancelled() => {}
        }
    });
    tracing::info!(%address, "the scripted provider is up");
    Ok(format!("http://{address}/v1"))
}

async fn chat_completions(body: Bytes) -> Response {
    match answer::answer(&body) {
        Ok(answer) => ([(header::CONTENT_TYPE, answer.content_type)], answer.body).into_response(),
        Err(message) => {
            let error = serde_json::json!({ "error": {
                "message": message, "type": "invalid_request_error", "param": null, "code": null,
            }});
            let content_type = [(header::CONTENT_TYPE, "application/json")];
            (StatusCode::BAD_REQUEST, content_type, error.to_string()).into_response()
        }
    }
}
