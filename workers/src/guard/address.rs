//! What kind of address it is. IPv6 forms that carry an IPv4 address are judged by what they carry.
//!
//! The lists follow the IANA special-purpose registries for IPv4 and IPv6
//! (iana.org/assignments/iana-ipv4-special-registry and -ipv6-special-registry, read 2026-11).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Who may be at an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Anybody on the internet.
    Public,
    /// Somebody in this machine or network; only with the operator's leave.
    Private,
    /// Instance metadata, or no host at all.
    Never,
}

/// Instance metadata services: whoever reaches one gets the machine's own credentials.
const METADATA_V4: [Ipv4Addr; 6] = [
    Ipv4Addr::new(169, 254, 169, 254), // AWS, Google, Azure, Oracle, DigitalOcean and others
    Ipv4Addr::new(169, 254, 170, 2),   // AWS ECS task credentials
    Ipv4Addr::new(169, 254, 170, 23),  // AWS EKS pod identity
    Ipv4Addr::new(100, 100, 100, 200), // Alibaba
    Ipv4Addr::new(168, 63, 129, 16),   // Azure wire server
    Ipv4Addr::new(192, 0, 0, 192),     // Oracle, older
];
const METADATA_V6: [Ipv6Addr; 3] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), // AWS
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23),  // AWS EKS pod identity
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),  // Google
];

/// Networks of IPv4 that are not public: address, prefix length, and whether nobody may be there at all.
const SPECIAL_V4: [([u8; 4], u32, Verdict); 15] = [
    ([0, 0, 0, 0], 8, Verdict::Never),         // this network
    ([10, 0, 0, 0], 8, Verdict::Private),      // private
    ([100, 64, 0, 0], 10, Verdict::Private),   // carrier-grade NAT
    ([127, 0, 0, 0], 8, Verdict::Private),     // loopback
    ([169, 254, 0, 0], 16, Verdict::Private),  // link-local
    ([172, 16, 0, 0], 12, Verdict::Private),   // private
    ([192, 0, 0, 0], 24, Verdict::Private),    // protocol assignments
    ([192, 0, 2, 0], 24, Verdict::Private),    // documentation
    ([192, 88, 99, 0], 24, Verdict::Private),  // 6to4 relays
    ([192, 168, 0, 0], 16, Verdict::Private),  // private
    ([198, 18, 0, 0], 15, Verdict::Private),   // benchmarks
    ([198, 51, 100, 0], 24, Verdict::Private), // documentation
    ([203, 0, 113, 0], 24, Verdict::Private),  // documentation
    ([224, 0, 0, 0], 4, Verdict::Never),       // multicast
    ([240, 0, 0, 0], 4, Verdict::Never),       // reserved, broadcast
];

/// Judges an address.
pub(crate) fn verdict(address: IpAddr) -> Verdict {
    match address {
        IpAddr::V4(v4) => verdict_v4(v4),
        IpAddr::V6(v6) => verdict_v6(v6),
    }
}

fn verdict_v4(address: Ipv4Addr) -> Verdict {
    if METADATA_V4.contains(&address) {
        return Verdict::Never;
    }
    SPECIAL_V4
        .iter()
        .find(|(network, length, _)| {
            let mask = u32::MAX << (32 - length);
            address.to_bits() & mask == u32::from_be_bytes(*network)
        })
        .map_or(Verdict::Public, |(_, _, verdict)| *verdict)
}

fn verdict_v6(address: Ipv6Addr) -> Verdict {
    if METADATA_V6.contains(&address) || address.is_unspecified() || address.is_multicast() {
        return Verdict::Never;
    }
    let s = address.segments();
    let v4 = |high: u16, low: u16| verdict_v4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)));
    match s {
        [0, 0, 0, 0, 0, 0, 0, 1] => Verdict::Private,
        // IPv4 in IPv6: mapped, translated, compatible.
        [0, 0, 0, 0, 0, 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0, 0, 0, 0, 0, 0, high, low] => v4(high, low),
        // NAT64: the well-known prefix carries an IPv4 address; the local-use prefix is somebody's own.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => v4(high, low),
        // 6to4.
        [0x2002, high, low, ..] => worse(v4(high, low), Verdict::Public),
        // Teredo: the server, and the client with its bits turned round.
        [0x2001, 0, high, low, _, _, client_high, client_low] => {
            worse(v4(high, low), v4(!client_high, !client_low))
        }
        // Protocol assignments (2001::/23), documentation (2001:db8::/32, 3fff::/20).
        [0x2001, 0..0x200, ..] | [0x2001, 0xdb8, ..] | [0x3fff, 0..0x1000, ..] => Verdict::Private,
        // ISATAP: an interface id that carries an IPv4 address.
        [.., 0 | 0x200, 0x5efe, high, low] => worse(v4(high, low), global(s[0])),
        [first, ..] => global(first),
    }
}

/// Global unicast is 2000::/3; all else is local, reserved or nobody's.
fn global(first: u16) -> Verdict {
    if first & 0xe000 == 0x2000 { Verdict::Public } else { Verdict::Private }
}

fn worse(a: Verdict, b: Verdict) -> Verdict {
    match (a, b) {
        (Verdict::Never, _) | (_, Verdict::Never) => Verdict::Never,
        (Verdict::Private, _) | (_, Verdict::Private) => Verdict::Private,
        (Verdict::Public, Verdict::Public) => Verdict::Public,
    }
}
