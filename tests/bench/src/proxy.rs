//! The plain reverse proxy that Forebay is compared with: axum in front, reqwest behind, nothing between.
//!
//! It checks no key, stores nothing and counts nothing; it is what the two libraries cost by themselves.

use std::net::SocketAddr;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode};
use axum::routing::post;

use crate::mock;

/// Arguments of the hidden command that runs the proxy.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Address to listen on; port 0 takes a free one. The address is printed on stdout.
    #[arg(long, default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// Where the mock provider listens.
    #[arg(long)]
    pub upstream: SocketAddr,
}

#[derive(Clone)]
struct Upstream {
    client: reqwest::Client,
    url: String,
}

/// Serves until the process is ended. Must not be called from within a tokio runtime.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(args.listen).await?;
        mock::announce(listener.local_addr()?)?;
        serve(listener, args.upstream).await
    })
}

/// Serves for ever.
pub(crate) async fn serve(listener: tokio::net::TcpListener, upstream: SocketAddr) -> anyhow::Result<()> {
    // Unused, as the mock speaks plain HTTP, but reqwest does not start without; a second installing is refused.
    rustls::crypto::ring::default_provider().install_default().ok();
    let client = reqwest::Client::builder().no_proxy().tcp_nodelay(true).build()?;
    let upstream = Upstream { client, url: format!("http://{upstream}/plain/v1/chat/completions") };
    let app = Router::new().route("/v1/chat/completions", post(forward)).with_state(upstream);
    let listener = axum::serve::ListenerExt::tap_io(listener, |socket| drop(socket.set_nodelay(true)));
    axum::serve(listener, app).await?;
    Ok(())
}

async fn forward(State(upstream): State<Upstream>, headers: HeaderMap, body: Bytes) -> Response<Body> {
    let mut request = upstream.client.post(&upstream.url).body(body);
    for name in [AUTHORIZATION, CONTENT_TYPE] {
        if let Some(value) = headers.get(&name) {
            request = request.header(name, value);
        }
    }
    match request.send().await {
        Ok(answer) => {
            let status = answer.status();
            let kept =
                [CONTENT_TYPE, CONTENT_LENGTH].map(|name| (answer.headers().get(&name).cloned(), name));
            let mut response = Response::new(Body::from_stream(answer.bytes_stream()));
            *response.status_mut() = status;
            for (value, name) in kept {
                if let Some(value) = value {
                    response.headers_mut().insert(name, value);
                }
            }
            response
        }
        Err(_) => {
            let mut response = Response::new(Body::from("upstream failed"));
            *response.status_mut() = StatusCode::BAD_GATEWAY;
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
            response
        }
    }
}
