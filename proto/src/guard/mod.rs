//! The SSRF guard, as far as it needs no network: which URLs and which addresses a provider may have.
//!
//! `https` is required and every address must be a public one, unless an administrator allows the private network for
//! that provider; instance metadata is out of reach in every case. A URL is checked when it is given and again before
//! it is called; then every address its name resolves to is checked too, and the connection is made to no other.

mod address;
mod name;

use std::net::IpAddr;

use url::{Host, Url};

use address::Verdict;

/// Why a URL is not called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GuardError {
    /// Not a URL with a host.
    #[error("the base URL is not an absolute http or https URL")]
    Malformed,
    /// User and password in a URL end up in logs.
    #[error("the base URL must not carry a user or password")]
    Credentials,
    /// A path is put behind it.
    #[error("the base URL must not carry a query or a fragment")]
    Trailing,
    /// A port that belongs to another protocol.
    #[error("the base URL names a port that is not for http")]
    Port,
    /// Plain http without an administrator's leave.
    #[error("plain http needs allow_private_network = true")]
    PlainHttp,
    /// A private address without an administrator's leave.
    #[error("the address is not a public one and allow_private_network is not set")]
    Private,
    /// Never.
    #[error("the address is one that no provider may have")]
    Forbidden,
    /// A name without an address.
    #[error("the name has no address")]
    Nowhere,
}

/// The longest URL, in bytes.
const URL_BYTES_MAX: usize = 2048;

/// Ports of other protocols, to which no browser speaks http either (fetch.spec.whatwg.org/#port-blocking, read
/// 2026-11), and those of databases and queues.
const OTHER_PORTS: [u16; 66] = [
    0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103,
    104, 109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514,
    515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 993, 995, 3306, 5432, 6379, 11211,
];

/// Parses a provider's URL and checks all that can be known before its name is resolved.
///
/// # Errors
/// Whatever of [`GuardError`] is wrong with it; the text itself is never in the error.
pub fn check_url(text: &str, allow_private: bool) -> Result<Url, GuardError> {
    // What a parser would take out or turn round is refused, so that nobody reads the URL differently.
    let odd = |c: char| c.is_whitespace() || c.is_control() || c == '\\';
    if text.len() > URL_BYTES_MAX || text.contains(odd) || has_dots(text) {
        return Err(GuardError::Malformed);
    }
    let url = Url::parse(text).map_err(|_| GuardError::Malformed)?;
    match url.scheme() {
        "https" => {}
        "http" if allow_private => {}
        "http" => return Err(GuardError::PlainHttp),
        _ => return Err(GuardError::Malformed),
    }
    if !url.username().is_empty() || url.password().is_some() || text.contains('@') {
        return Err(GuardError::Credentials);
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(GuardError::Trailing);
    }
    if url.port().is_some_and(|port| OTHER_PORTS.contains(&port)) {
        return Err(GuardError::Port);
    }
    let verdict = match url.host().ok_or(GuardError::Malformed)? {
        Host::Domain(host) if host.starts_with('.') || host.contains("..") => {
            return Err(GuardError::Malformed);
        }
        Host::Domain(host) => name::verdict(host),
        Host::Ipv4(v4) => address::verdict(v4.into()),
        Host::Ipv6(v6) => address::verdict(v6.into()),
    };
    allowed(verdict, allow_private)?;
    Ok(url)
}

/// Checks what a name was resolved to: one bad address among several refuses the name.
///
/// # Errors
/// [`GuardError::Private`], [`GuardError::Forbidden`] or [`GuardError::Nowhere`].
pub fn check_addresses(
    addresses: impl IntoIterator<Item = IpAddr>,
    allow_private: bool,
) -> Result<(), GuardError> {
    let worst = addresses.into_iter().map(address::verdict).reduce(address::worse);
    allowed(worst.ok_or(GuardError::Nowhere)?, allow_private)
}

/// Whether a path goes upwards, in any spelling.
fn has_dots(text: &str) -> bool {
    let lower = text.to_ascii_lowercase().replace("%2e", ".");
    lower.split(['/', '?', '#']).skip(3).any(|part| part == ".." || part == ".")
}

fn allowed(verdict: Verdict, allow_private: bool) -> Result<(), GuardError> {
    match verdict {
        Verdict::Public => Ok(()),
        Verdict::Private if allow_private => Ok(()),
        Verdict::Private => Err(GuardError::Private),
        Verdict::Never => Err(GuardError::Forbidden),
    }
}

#[cfg(test)]
mod tests;
