//! The scripted provider in a thread of its own, so that a test that blocks does not silence it.

use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread::JoinHandle;

use anyhow::{Context as _, Result};
use tokio_util::sync::CancellationToken;
use upstream::{Calls, Options, Upstream};

/// A running provider; it ends, with its connections, when dropped.
#[derive(Debug)]
pub struct Provider {
    addr: SocketAddr,
    calls: Calls,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Provider {
    /// Starts one on a free port that keeps bodies and takes any credential.
    pub fn start(name: &str) -> Result<Self> {
        let options = Options { name: name.to_owned(), keep_bodies: true, ..Options::default() };
        Self::start_with(SocketAddr::from(([127, 0, 0, 1], crate::port::free()?)), options)
    }

    /// Starts one there.
    pub fn start_with(addr: SocketAddr, options: Options) -> Result<Self> {
        let (tell, told) = mpsc::channel();
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::Builder::new().name("provider".to_owned()).spawn(move || {
            runtime.block_on(async move {
                let started = Upstream::start(addr, options).await;
                let upstream = match started {
                    Ok(upstream) => upstream,
                    Err(error) => return drop(tell.send(Err(error))),
                };
                if tell.send(Ok((upstream.addr(), upstream.calls().clone()))).is_ok() {
                    stopped.cancelled().await;
                }
            });
        })?;
        let (addr, calls) = told.recv().context("the provider's thread ended")??;
        Ok(Self { addr, calls, stop, thread: Some(thread) })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What a provider's `base_url` has to be.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.addr)
    }

    /// Every call so far.
    pub fn calls(&self) -> &Calls {
        &self.calls
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}
