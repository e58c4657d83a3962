//! Sockets: accepting, HTTP/1.1 and HTTP/2 on one port, limits on what a connection may cost, graceful shutdown.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::response::Response;
use http::header::ALLOW;
use http::{HeaderMap, StatusCode};
use hyper::Request;
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use proto::fault::{Fault, FaultCode};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service;

use crate::call::Call;
use crate::error::Error;
use crate::heads::{Arrivals, HeadTimer};
use crate::metrics::{EndedBy, Route};
use crate::patient::Patient;
use crate::state::App;
use crate::{respond, router};

/// Headers of one request, names and values, in bytes.
const HEADER_BYTES_MAX: usize = 32 << 10;
/// What the HTTP library takes of them, above which it answers by itself and without a body. Its limit on their
/// number, 100, is left alone: another one would cost every request two allocations.
const HEAD_BYTES_MAX: usize = 48 << 10;
const HEADER_LIST_BYTES_MAX: u32 = 48 << 10;
/// What an HTTP/2 stream may have waiting, in bytes.
const SEND_BYTES_MAX: usize = 32 << 10;
const STREAMS_MAX: u32 = 256;
/// After a failed accept (out of file descriptors) the next try waits so long.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);
/// How an HTTP/2 connection begins (RFC 9113, 3.4).
const HTTP2_PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const PREFACE_POLL: Duration = Duration::from_millis(20);
/// What is left for error events to reach their callers once the drain is over.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Serves until `shutdown`; then accepts nothing, lets what is in flight finish for `config.drain`, and ends the
/// rest with an error.
pub(crate) async fn serve(
    app: Arc<App>,
    listener: TcpListener,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    let router = router::router(Arc::clone(&app));
    let connections = TaskTracker::new();
    let cut = CancellationToken::new();
    // If this future is dropped, so are the connections.
    let _cut_on_drop = cut.clone().drop_guard();
    let builder = Arc::new(builder(&app, connections.clone()));
    let permits = Arc::new(Semaphore::new(app.config.connections_max.clamp(1, Semaphore::MAX_PERMITS)));
    let address = listener.local_addr().map_err(Error::Listener)?;
    tracing::info!(%address, ingress = %app.ingress, "serving");
    loop {
        let next = async {
            // Further connections wait in the kernel's queue.
            let permit = Arc::clone(&permits).acquire_owned().await.ok();
            (permit, listener.accept().await)
        };
        let (permit, accepted) = tokio::select! {
            next = next => next,
            () = shutdown.cancelled() => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                let connection = Connection {
                    app: Arc::clone(&app),
                    router: router.clone(),
                    builder: Arc::clone(&builder),
                    shutdown: shutdown.clone(),
                    cut: cut.clone(),
                };
                connections.spawn(async move {
                    connection.run(stream, peer).await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(error = %error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_RETRY).await;
            }
        }
    }
    drop(listener);
    connections.close();
    drain(&app, &connections).await;
    cut.cancel();
    connections.wait().await;
    Ok(())
}

async fn drain(app: &App, connections: &TaskTracker) {
    tracing::info!(connections = connections.len(), in_flight = app.slots.len().0, "draining");
    if tokio::time::timeout(app.config.drain, connections.wait()).await.is_ok() {
        return;
    }
    let fault = Fault::new(FaultCode::Unavailable, "The gateway is shutting down.");
    let cancels = app.slots.fail_all(&fault, Instant::now());
    tracing::warn!(requests = cancels.len(), "requests were ended by the shutdown");
    app.metrics.ended(EndedBy::Shutdown, cancels.len());
    for cancel in cancels {
        app.outbox.cancel(cancel);
    }
    if tokio::time::timeout(LAST_WORDS, connections.wait()).await.is_err() {
        tracing::warn!(connections = connections.len(), "connections were cut by the shutdown");
    }
}

fn builder(app: &App, tasks: TaskTracker) -> Builder<Tracked> {
    let mut builder = Builder::new(Tracked(tasks));
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(app.config.idle)
        .max_buf_size(HEAD_BYTES_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(HEADER_LIST_BYTES_MAX)
        .max_concurrent_streams(STREAMS_MAX)
        .max_send_buf_size(SEND_BYTES_MAX)
        .keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(20));
    builder
}

/// Runs the streams of an HTTP/2 connection as tasks that end with the server.
#[derive(Clone)]
struct Tracked(TaskTracker);

impl<F> Executor<F> for Tracked
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, future: F) {
        self.0.spawn(future);
    }
}

struct Connection {
    app: Arc<App>,
    router: Router,
    builder: Arc<Builder<Tracked>>,
    shutdown: CancellationToken,
    cut: CancellationToken,
}

impl Connection {
    async fn run(self, stream: TcpStream, peer: SocketAddr) {
        self.app.metrics.connections.increment(1.0);
        tokio::select! {
            () = self.serve(stream, peer) => {}
            () = self.cut.cancelled() => {}
        }
        self.app.metrics.connections.decrement(1.0);
    }

    async fn serve(&self, stream: TcpStream, peer: SocketAddr) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(error = %error, "a connection is gone already");
            return;
        }
        // The builder waits without a timeout for the bytes that tell which version they are.
        tokio::select! {
            spoken = tokio::time::timeout(self.app.config.header_read, spoken_to(&stream)) => {
                if !matches!(spoken, Ok(true)) {
                    return;
                }
            }
            () = self.shutdown.cancelled() => return,
        }
        let service = service_fn(|request| {
            let (app, mut router) = (Arc::clone(&self.app), self.router.clone());
            async move {
                match refused(&app, &request, peer) {
                    Some(response) => Ok::<_, Infallible>(response),
                    None => router.call(request).await.map(concealing),
                }
            }
        });
        let arrivals = Arrivals::default();
        let mut builder = Builder::clone(&self.builder);
        builder.http1().timer(HeadTimer::new(arrivals.clone(), self.app.config.header_read));
        let io = TokioIo::new(Patient::new(stream, self.app.config.write_stall, arrivals));
        let mut connection = std::pin::pin!(builder.serve_connection(io, service));
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = self.shutdown.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(error = %error, %peer, "a connection broke");
        }
    }
}

/// Waits until a connection has sent enough to tell HTTP/2 from HTTP/1. `false` if it was closed before.
async fn spoken_to(stream: &TcpStream) -> bool {
    let mut first = [0; HTTP2_PREFACE.len()];
    loop {
        match stream.peek(&mut first).await {
            Ok(0) | Err(_) => return false,
            Ok(n) if n == first.len() || !HTTP2_PREFACE.starts_with(&first[..n]) => return true,
            // A part of the preface stays readable, so there is nothing to wait for but time.
            Ok(_) => tokio::time::sleep(PREFACE_POLL).await,
        }
    }
}

/// The answer to a request that does not get as far as a route: too many of them, too long a path or headers.
fn refused(app: &App, request: &Request<Incoming>, peer: SocketAddr) -> Option<Response> {
    let uri = request.uri();
    let length = uri.path_and_query().map_or(0, |path| path.as_str().len());
    let fault = if length > app.config.url_bytes_max {
        Fault::new(FaultCode::InvalidRequest, "The path and query are too long.")
    } else if header_bytes(request.headers()) > HEADER_BYTES_MAX {
        Fault::new(FaultCode::InvalidRequest, "The headers are larger than 32 KiB.")
    } else if router::is_public(uri.path()) {
        app.limits.admit(peer.ip()).err()?
    } else {
        return None;
    };
    let call = Call::begin(&app.metrics, Route::Other, request.headers());
    Some(respond::refuse(call, &fault, None))
}

/// Takes off what the router says about every answer to a method that a path does not take: to a caller without a
/// key it would tell which paths there are.
fn concealing(mut response: Response) -> Response {
    let status = response.status();
    if status.as_u16() >= 400 && status != StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().remove(ALLOW);
    }
    response
}

fn header_bytes(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum()
}
