//! The SSRF guard: which addresses a provider's URL may lead to.
//!
//! `https` is required and every resolved address must be a public one, unless the operator allows the private
//! network for that provider; instance metadata is out of reach in every case. The check is the resolver that the
//! HTTP client connects through, so the address that was checked is the one that is used. Addresses that stand in
//! the URL itself never reach a resolver and are checked with the URL.

mod address;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use address::{Verdict, verdict};

/// Why a URL is not called.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum GuardError {
    /// Not a URL with a host.
    #[error("the base URL is not an absolute http or https URL")]
    Malformed,
    /// User and password in a URL end up in logs.
    #[error("the base URL must not carry a user or password")]
    Credentials,
    /// Plain http without the operator's leave.
    #[error("plain http needs allow_private_network = true")]
    PlainHttp,
    /// A private address without the operator's leave.
    #[error("the address is not a public one and allow_private_network is not set")]
    Private,
    /// Never.
    #[error("the address is one that no provider may have")]
    Forbidden,
}

/// Parses a provider's URL and checks all that can be known before its name is resolved.
pub(crate) fn check_url(text: &str, allow_private: bool) -> Result<Url, GuardError> {
    let url = Url::parse(text).map_err(|_| GuardError::Malformed)?;
    match url.scheme() {
        "https" => {}
        "http" if allow_private => {}
        "http" => return Err(GuardError::PlainHttp),
        _ => return Err(GuardError::Malformed),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(GuardError::Credentials);
    }
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or(GuardError::Malformed)?;
    let literal = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = literal.parse() {
        allowed(verdict(address), allow_private)?;
    }
    Ok(url)
}

fn allowed(verdict: Verdict, allow_private: bool) -> Result<(), GuardError> {
    match verdict {
        Verdict::Public => Ok(()),
        Verdict::Private if allow_private => Ok(()),
        Verdict::Private => Err(GuardError::Private),
        Verdict::Never => Err(GuardError::Forbidden),
    }
}

const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5);

/// Resolves names with the system's resolver and lets nothing through that is not allowed: one bad address among
/// several refuses the name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GuardedResolver {
    /// Whether the private network is allowed.
    pub(crate) allow_private: bool,
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let allow_private = self.allow_private;
        Box::pin(async move {
            let lookup = tokio::net::lookup_host((name.as_str(), 0));
            let found = tokio::time::timeout(RESOLVE_TIMEOUT, lookup).await.map_err(|_| {
                io::Error::new(io::ErrorKind::TimedOut, "the name was not resolved in time")
            })??;
            let addresses: Vec<SocketAddr> = found.collect();
            for address in &addresses {
                allowed(verdict(address.ip()), allow_private)?;
            }
            let addresses: Addrs = Box::new(addresses.into_iter());
            Ok(addresses)
        })
    }
}

#[cfg(test)]
mod tests;
