//! The SSRF guard's network half: names are resolved once, every address is checked, and the connection is made to
//! one of those and no other.
//!
//! What needs no network is [`proto::guard`]. The check is the resolver that the HTTP client connects through, so the
//! address that was checked is the one that is used, however often the name changes. Addresses that stand in the URL
//! itself never reach a resolver and are checked with the URL.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use proto::guard::check_addresses;
pub(crate) use proto::guard::{GuardError, check_url};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5);

/// Resolves names with the system's resolver and lets nothing through that is not allowed: one bad address among
/// several refuses the name.
#[derive(Debug, Clone)]
pub(crate) struct GuardedResolver {
    allow_private: bool,
    source: Source,
}

/// Who knows the names.
#[derive(Debug, Clone)]
enum Source {
    /// The system.
    System,
    /// A script of a test.
    #[cfg(test)]
    Script(tests::Script),
}

impl GuardedResolver {
    /// The system's resolver behind the guard.
    pub(crate) fn system(allow_private: bool) -> Self {
        Self { allow_private, source: Source::System }
    }
}

impl Source {
    async fn lookup(&self, name: &str) -> io::Result<Vec<SocketAddr>> {
        match self {
            Self::System => Ok(tokio::net::lookup_host((name, 0)).await?.collect()),
            #[cfg(test)]
            Self::Script(script) => script.next(name),
        }
    }
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let Self { allow_private, source } = self.clone();
        Box::pin(async move {
            let lookup = source.lookup(name.as_str());
            let addresses = tokio::time::timeout(RESOLVE_TIMEOUT, lookup).await.map_err(|_| {
                io::Error::new(io::ErrorKind::TimedOut, "the name was not resolved in time")
            })??;
            check_addresses(addresses.iter().map(SocketAddr::ip), allow_private)?;
            let addresses: Addrs = Box::new(addresses.into_iter());
            Ok(addresses)
        })
    }
}

/// Whether the guard is what an exchange failed on.
pub(crate) fn refused(error: &(dyn std::error::Error + 'static)) -> bool {
    let inner = |error: &'_ (dyn std::error::Error + 'static)| {
        error.is::<GuardError>()
            || error
                .downcast_ref::<io::Error>()
                .and_then(io::Error::get_ref)
                .is_some_and(|e| e.is::<GuardError>())
    };
    std::iter::successors(Some(error), |error| error.source()).any(inner)
}

#[cfg(test)]
mod tests;
