//! What kind of name it is, before anybody resolves it.

use super::address::Verdict;

/// Names of instance metadata services.
const METADATA: [&str; 12] = [
    "metadata",
    "metadata.google.internal",
    "metadata.goog",
    "metadata.internal",
    "metadata.azure.internal",
    "metadata.oraclecloud.com",
    "metadata.tencentyun.com",
    "metadata.platformequinix.com",
    "metadata.packet.net",
    "instance-data",
    "instance-data.ec2.internal",
    "rancher-metadata",
];
/// Endings that are resolved within a machine or network alone (RFC 6761, 6762, 8375; ICANN's `internal`), and those
/// that networks have got used to.
const PRIVATE: [&str; 10] = [
    "localhost",
    "localdomain",
    "local",
    "internal",
    "home.arpa",
    "lan",
    "svc",
    "intranet",
    "corp",
    "ip6-loopback",
];

/// Judges a name in lower case.
pub(super) fn verdict(host: &str) -> Verdict {
    let name = host.trim_end_matches('.');
    let is =
        |ending: &str| name.strip_suffix(ending).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    if METADATA.into_iter().any(is) {
        return Verdict::Never;
    }
    // A name of one label means whatever this machine's search list makes of it.
    if PRIVATE.into_iter().any(is) || !name.contains('.') {
        return Verdict::Private;
    }
    Verdict::Public
}
