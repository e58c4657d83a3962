//! The guard against hostile URLs and addresses, and for honest ones.

use std::net::{IpAddr, Ipv4Addr};

use super::*;

const URLS: &str = include_str!("../../fixtures/guard/urls.txt");

/// What the table says of each URL.
fn table() -> Vec<(&'static str, String)> {
    let lines = URLS.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.split_once(' ').unwrap()).map(|(word, text)| (word, plain(text))).collect()
}

fn plain(text: &str) -> String {
    let bytes = [("\\t", "\t"), ("\\n", "\n"), ("\\r", "\r"), ("\\0", "\0"), ("\\s", " ")];
    bytes.iter().fold(text.to_owned(), |text, (shown, byte)| text.replace(shown, byte))
}

#[test]
fn every_url_of_the_table_is_judged_as_it_says() {
    let (mut hostile, mut wrong) = (0, Vec::new());
    for (word, text) in table() {
        let without = match word {
            "public" => Ok(()),
            "private" => Err(GuardError::Private),
            "plain" => Err(GuardError::PlainHttp),
            "never" => Err(GuardError::Forbidden),
            "credentials" => Err(GuardError::Credentials),
            "trailing" => Err(GuardError::Trailing),
            "port" => Err(GuardError::Port),
            _ => Err(GuardError::Malformed),
        };
        hostile += usize::from(without.is_err());
        let with = if matches!(word, "private" | "plain") { Ok(()) } else { without };
        for (leave, expected) in [(false, without), (true, with)] {
            let found = check_url(&text, leave).map(drop);
            if found != expected {
                wrong.push(format!("{text:?}, leave {leave}: {found:?} instead of {expected:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(hostile >= 200, "{hostile}");
}

#[test]
fn one_bad_address_among_several_refuses_the_name() {
    let all = |addresses: &[&str]| -> Vec<IpAddr> { addresses.iter().map(|a| a.parse().unwrap()).collect() };
    for (addresses, leave, expected) in [
        (all(&["8.8.8.8", "2606:4700::1"]), false, Ok(())),
        (all(&["8.8.8.8", "127.0.0.1"]), false, Err(GuardError::Private)),
        (all(&["8.8.8.8", "127.0.0.1"]), true, Ok(())),
        (all(&["127.0.0.1", "169.254.169.254"]), true, Err(GuardError::Forbidden)),
        (all(&["8.8.8.8", "::ffff:169.254.169.254"]), true, Err(GuardError::Forbidden)),
        (Vec::new(), true, Err(GuardError::Nowhere)),
    ] {
        assert_eq!(check_addresses(addresses.clone(), leave), expected, "{addresses:?}");
    }
}

#[test]
fn every_ipv4_address_in_disguise_is_judged_as_itself() {
    for bits in (0..=u32::MAX).step_by(65_537) {
        let plain = Ipv4Addr::from_bits(bits);
        let expected = check_addresses([IpAddr::V4(plain)], false);
        let mapped = check_addresses([IpAddr::V6(plain.to_ipv6_mapped())], false);
        assert_eq!(mapped, expected, "{plain}");
    }
}
