//! The guard against addresses that no provider may have: hostile spellings of them, and honest ones.

use std::net::IpAddr;
use std::str::FromStr;

use super::*;

/// Spellings of addresses that are not public, as they may stand in a URL.
const PRIVATE: &[&str] = &[
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "0x7f.0.0.1",
    "0x7f000001",
    "2130706433",
    "0177.0.0.1",
    "017700000001",
    "127.255.255.254",
    "10.0.0.1",
    "10.255.255.255",
    "0xa.0.0.1",
    "167772161",
    "172.16.0.1",
    "172.31.255.254",
    "192.168.0.1",
    "192.168.255.255",
    "3232235521",
    "0xC0A80001",
    "100.64.0.1",
    "100.127.255.254",
    "169.254.0.1",
    "169.254.1.1",
    "169.254.255.255",
    "192.0.0.1",
    "192.0.2.1",
    "192.88.99.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.7",
    "203.0.113.9",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::ffff:10.0.0.1]",
    "[::ffff:192.168.1.1]",
    "[::ffff:172.16.5.5]",
    "[::ffff:100.64.0.1]",
    "[::ffff:169.254.1.1]",
    "[::127.0.0.1]",
    "[::10.0.0.1]",
    "[::ffff:0:127.0.0.1]",
    "[::ffff:0:10.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b::10.0.0.1]",
    "[64:ff9b::192.168.0.1]",
    "[64:ff9b::a9fe:101]",
    "[64:ff9b:1::1]",
    "[64:ff9b:1::8.8.8.8]",
    "[2002:7f00:1::]",
    "[2002:a00:1::1]",
    "[2002:c0a8:1::1]",
    "[2002:ac10:1::1]",
    "[2002:6440:1::1]",
    "[2001:0:7f00:1:0:0:f7f7:f7f7]",
    "[2001:0:808:808:0:0:80ff:fffe]",
    "[2001:0:a00:1:0:0:f7f7:f7f7]",
    "[2001:2::1]",
    "[2001:10::1]",
    "[2001:20::1]",
    "[2001:db8::1]",
    "[2001:db8:ffff::1]",
    "[3fff::1]",
    "[3fff:fff::1]",
    "[100::1]",
    "[5f00::1]",
    "[fc00::1]",
    "[fc12:3456::1]",
    "[fd00::1]",
    "[fdff:ffff::1]",
    "[fe80::1]",
    "[febf::1]",
    "[fec0::1]",
    "[4000::1]",
    "[8000::1]",
    "[200::1]",
    "[2600::5efe:10.0.0.1]",
    "[2600::200:5efe:7f00:1]",
    "[fe80::5efe:8.8.8.8]",
];

/// Addresses that no provider may have, whatever the operator allows.
const NEVER: &[&str] = &[
    "169.254.169.254",
    "0xa9fea9fe",
    "2852039166",
    "169.254.43518",
    "0251.0376.0251.0376",
    "169.254.170.2",
    "169.254.170.23",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "0.0.0.0",
    "0",
    "0.1.2.3",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "[::]",
    "[ff02::1]",
    "[ff0e::1]",
    "[fd00:ec2::254]",
    "[fd00:0ec2:0:0:0:0:0:254]",
    "[fd00:ec2::23]",
    "[fd20:ce::254]",
    "[::ffff:169.254.169.254]",
    "[::ffff:a9fe:a9fe]",
    "[::169.254.169.254]",
    "[::ffff:0:169.254.169.254]",
    "[64:ff9b::169.254.169.254]",
    "[64:ff9b::a9fe:a9fe]",
    "[2002:a9fe:a9fe::]",
    "[2002:a9fe:a9fe::1]",
    "[::ffff:100.100.100.200]",
    "[64:ff9b::100.100.100.200]",
    "[2001:0:a9fe:a9fe::]",
    "[2001:0:808:808:0:0:5601:5601]",
    "[2600::5efe:169.254.169.254]",
    "[::ffff:0.0.0.0]",
    "[::ffff:224.0.0.1]",
    "[2002:e000:1::]",
];

const PUBLIC: &[&str] = &[
    "8.8.8.8",
    "1.1.1.1",
    "104.18.7.192",
    "134744072",
    "100.63.255.255",
    "100.128.0.1",
    "172.15.0.1",
    "172.32.0.1",
    "192.169.0.1",
    "198.17.0.1",
    "198.20.0.1",
    "9.255.255.255",
    "11.0.0.1",
    "223.255.255.255",
    "[2606:4700::6810:7c0]",
    "[2a00:1450:4001::200e]",
    "[::ffff:8.8.8.8]",
    "[64:ff9b::8.8.8.8]",
    "[2002:808:808::1]",
    "[2001:4860:4860::8888]",
    "[2001:0:808:808:0:0:f7f7:f7f7]",
];

fn url(host: &str) -> String {
    format!("https://{host}/v1")
}

#[test]
fn at_least_a_hundred_hostile_spellings_are_known() {
    assert!(PRIVATE.len() + NEVER.len() >= 100, "{}", PRIVATE.len() + NEVER.len());
}

#[test]
fn private_addresses_need_leave() {
    for host in PRIVATE {
        assert_eq!(check_url(&url(host), false), Err(GuardError::Private), "{host}");
        assert!(check_url(&url(host), true).is_ok(), "{host}");
    }
}

#[test]
fn metadata_and_nobody_are_never_reached() {
    for host in NEVER {
        for leave in [false, true] {
            assert_eq!(check_url(&url(host), leave), Err(GuardError::Forbidden), "{host}");
        }
    }
}

#[test]
fn public_addresses_are_reached() {
    for host in PUBLIC {
        assert!(check_url(&url(host), false).is_ok(), "{host}");
    }
}

#[test]
fn the_url_itself_is_checked() {
    for (text, expected) in [
        ("http://api.example.com/v1", GuardError::PlainHttp),
        ("http://127.0.0.1:9001/v1", GuardError::PlainHttp),
        ("https://user:secret@api.example.com/v1", GuardError::Credentials),
        ("https://user@127.0.0.1/v1", GuardError::Credentials),
        ("file:///etc/passwd", GuardError::Malformed),
        ("gopher://api.example.com/", GuardError::Malformed),
        ("api.example.com/v1", GuardError::Malformed),
        ("https://", GuardError::Malformed),
        ("", GuardError::Malformed),
    ] {
        assert_eq!(check_url(text, false), Err(expected), "{text}");
    }
    assert!(check_url("http://127.0.0.1:9001/v1", true).is_ok());
    assert!(check_url("https://api.openai.com/v1", false).is_ok());
}

async fn resolve(name: &str, allow_private: bool) -> Result<Vec<SocketAddr>, String> {
    let resolver = GuardedResolver { allow_private };
    let found = resolver.resolve(Name::from_str(name).unwrap()).await;
    found.map(Iterator::collect).map_err(|error| error.to_string())
}

#[tokio::test]
async fn names_that_lead_to_private_addresses_need_leave() {
    let refused = resolve("localhost", false).await.unwrap_err();
    assert_eq!(refused, GuardError::Private.to_string());
    let found = resolve("localhost", true).await.unwrap();
    assert!(found.iter().all(|a| a.ip().is_loopback()));
}

#[test]
fn every_ipv4_address_in_disguise_is_judged_as_itself() {
    for bits in (0..=u32::MAX).step_by(65_537) {
        let plain = std::net::Ipv4Addr::from_bits(bits);
        let expected = verdict(IpAddr::V4(plain));
        let mapped = verdict(IpAddr::V6(plain.to_ipv6_mapped()));
        assert_eq!(mapped, expected, "{plain}");
    }
}
