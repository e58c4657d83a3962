//! A control plane for tests: the real router on a real socket, over real databases and a real NATS.

use std::net::TcpListener;
use std::time::Duration;

use axum::Router;
use ledger::Db;
use reqwest::{Method, StatusCode};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::Serve;
use crate::testing::{ADMIN_TOKEN, Nats, Postgres, secrets, sqlite, streams, text};
use crate::{Config, Error, run};

/// A running control, reached over HTTP.
pub(crate) struct Served {
    pub(crate) url: String,
    pub(crate) db: Db,
    pub(crate) nats: Nats,
    client: reqwest::Client,
    _shutdown: tokio_util::sync::DropGuard,
    task: JoinHandle<Result<(), Error>>,
    _file: TempDir,
    _kept: Kept,
}

/// What a database needs to live.
enum Kept {
    Sqlite { _dir: TempDir },
    Postgres { _server: Postgres },
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
    pub(crate) json: Value,
}

impl Answer {
    /// The error's code; empty if it is none.
    pub(crate) fn code(&self) -> &str {
        self.json["error"]["code"].as_str().unwrap_or_default()
    }

    /// The answer, which must have this status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        self
    }
}

impl Served {
    /// Control over an empty SQLite database, with the file of [`text`] published.
    pub(crate) async fn sqlite() -> Self {
        let (db, dir) = sqlite().await;
        Self::over(db, Kept::Sqlite { _dir: dir }).await
    }

    /// The same over PostgreSQL.
    pub(crate) async fn postgres() -> Self {
        let server = Postgres::start();
        let (db, _) = server.database("served").await;
        Self::over(db, Kept::Postgres { _server: server }).await
    }

    async fn over(db: Db, kept: Kept) -> Self {
        // Fails where another test of this process was first.
        rustls::crypto::ring::default_provider().install_default().ok();
        let nats = Nats::start();
        let file = tempfile::tempdir().unwrap();
        let path = file.path().join("forebay.toml");
        std::fs::write(&path, text("m", &[("k", Some("secret-a-0123456789"))])).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (on_published, published) = oneshot::channel();
        let operators = Router::new().route("/health", axum::routing::get(|| async { "ok" }));
        let config = Config {
            file: Some(path),
            streams: streams(),
            on_published: Some(on_published),
            serve: Some(Serve {
                listener,
                operators,
                cors_origins: vec!["https://console.example".to_owned()],
            }),
            ..Config::default()
        };
        let shutdown = CancellationToken::new();
        let link = nats.bare().await;
        let task = tokio::spawn(run(config, link, db.clone(), secrets('m'), shutdown.clone()));
        published.await.unwrap();
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30)).build().unwrap();
        let _shutdown = shutdown.drop_guard();
        Self { url, db, nats, client, _shutdown, task, _file: file, _kept: kept }
    }

    /// A request as anybody.
    pub(crate) async fn call(&self, method: &str, path: &str, token: &str, body: Option<Value>) -> Answer {
        assert!(!self.task.is_finished(), "control has ended");
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = self.client.request(method, format!("{}{path}", self.url));
        if !token.is_empty() {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        self.send(request).await
    }

    /// A request that is made up elsewhere.
    pub(crate) async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.text().await.unwrap();
        let json = serde_json::from_str(&text).unwrap_or_default();
        Answer { status, headers, text, json }
    }

    /// A request to be made up.
    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url))
    }

    /// A request as the operator.
    pub(crate) async fn admin(&self, method: &str, path: &str, body: Value) -> Answer {
        let body = (!body.is_null()).then_some(body);
        self.call(method, path, ADMIN_TOKEN, body).await
    }
}
