//! Nothing connects: a listener on loopback stands behind every hostile URL and every hostile answer of a resolver,
//! and sees nobody.

use std::collections::VecDeque;
use std::str::FromStr;
use std::sync::{Arc, Mutex};

use reqwest::{Client, Url};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::config::Config;

const URLS: &str = include_str!("../../../proto/fixtures/guard/urls.txt");

/// Answers of a resolver, one for each time that it is asked; the last one again and again.
#[derive(Debug, Clone, Default)]
pub(super) struct Script(Arc<Mutex<VecDeque<Vec<&'static str>>>>);

impl Script {
    fn of(answers: &[&[&'static str]]) -> Self {
        Self(Arc::new(Mutex::new(answers.iter().map(|one| one.to_vec()).collect())))
    }

    pub(super) fn next(&self, _: &str) -> io::Result<Vec<SocketAddr>> {
        let mut answers = self.0.lock().unwrap();
        let now = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
        let addresses = now.unwrap_or_default();
        Ok(addresses.iter().map(|ip| SocketAddr::new(ip.parse().unwrap(), 0)).collect())
    }
}

/// A listener on every loopback address of both families, on one port, that counts whoever comes.
struct Trap {
    port: u16,
    seen: Arc<Mutex<usize>>,
}

impl Trap {
    /// It answers every request with `answer`.
    async fn set(answer: &'static str) -> Self {
        let v4 = TcpListener::bind(("0.0.0.0", 0)).await.unwrap();
        let port = v4.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(0));
        let mut listeners = vec![v4];
        listeners.extend(TcpListener::bind(("::1", port)).await.ok());
        for listener in listeners {
            let seen = Arc::clone(&seen);
            tokio::spawn(async move {
                while let Ok((mut socket, _)) = listener.accept().await {
                    *seen.lock().unwrap() += 1;
                    let mut request = [0; 4096];
                    socket.read(&mut request).await.unwrap_or_default();
                    socket.write_all(answer.as_bytes()).await.unwrap_or_default();
                }
            });
        }
        Self { port, seen }
    }

    fn seen(&self) -> usize {
        *self.seen.lock().unwrap()
    }
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";

fn client(url: &Url, allow_private: bool, source: Source) -> Client {
    let resolver = GuardedResolver { allow_private, source };
    let settings = Config { connect_timeout: Duration::from_millis(200), ..Config::default() };
    crate::testing::tls();
    crate::http::client_through(url, &settings, resolver).unwrap()
}

/// Does what a worker does with a provider's URL: checks it, then calls it. `Err` says who refused.
async fn call(text: &str, allow_private: bool, source: Source) -> Result<u16, String> {
    let url = check_url(text, allow_private).map_err(|error| error.to_string())?;
    let called = client(&url, allow_private, source).get(url).send().await;
    called.map(|answer| answer.status().as_u16()).map_err(|error| crate::error::chain(&error))
}

/// The URL with the trap's port instead of its own, where that leaves it what it is.
fn at_port(text: &str, port: u16) -> String {
    match (text.strip_suffix("/v1"), text.matches(':').count()) {
        (Some(front), 1) => format!("{front}:{port}/v1"),
        (Some(front), _) if front.ends_with(']') => format!("{front}:{port}/v1"),
        _ => text.to_owned(),
    }
}

#[tokio::test]
async fn no_hostile_url_connects() {
    let trap = Trap::set(OK).await;
    let mut tried = 0;
    for line in URLS.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (word, text) = line.split_once(' ').unwrap();
        if word == "public" {
            continue;
        }
        for text in [text.to_owned(), at_port(text, trap.port)] {
            tried += 1;
            // Whatever a name in it would be resolved to: the trap.
            let source = || Source::Script(Script::of(&[&["127.0.0.1", "::1"]]));
            assert!(call(&text, false, source()).await.is_err(), "{text}");
            if word == "never" {
                assert!(call(&text, true, source()).await.is_err(), "{text} with leave");
            }
        }
    }
    assert!(tried >= 400, "{tried}");
    assert_eq!(trap.seen(), 0);
}

/// Every address in the table, as a resolver would answer it.
#[tokio::test]
async fn no_hostile_answer_of_a_resolver_connects() {
    let trap = Trap::set(OK).await;
    let url = format!("https://provider.example:{}/v1", trap.port);
    let mut tried = 0;
    for line in URLS.lines() {
        let Some((word @ ("private" | "never"), text)) = line.split_once(' ') else { continue };
        let host =
            Url::parse(text).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
        let address: &'static str = String::leak(host.trim_matches(['[', ']']).to_owned());
        if address.parse::<std::net::IpAddr>().is_err() {
            continue;
        }
        for answer in [vec![address], vec!["8.8.8.8", address], vec![address, "2606:4700::1"]] {
            tried += 1;
            let script = || Source::Script(Script::of(&[&answer]));
            let refused = call(&url, false, script()).await.unwrap_err();
            assert!(refused.contains("address"), "{answer:?}: {refused}");
            if word == "never" {
                let refused = call(&url, true, script()).await.unwrap_err();
                assert!(refused.contains("no provider may have"), "{answer:?}: {refused}");
            }
        }
    }
    assert!(tried >= 200, "{tried}");
    assert_eq!(trap.seen(), 0);
}

#[tokio::test]
async fn a_name_that_changes_is_checked_each_time_it_is_connected_to() {
    let trap = Trap::set(OK).await;
    let url = check_url(&format!("https://rebinding.example:{}/v1", trap.port), false).unwrap();
    // Documentation addresses answer nobody, and count as private; this one is public and answers nobody here.
    let script = Script::of(&[&["192.0.64.1"], &["127.0.0.1"], &["::ffff:127.0.0.1"], &["169.254.169.254"]]);
    let client = client(&url, false, Source::Script(script));
    for n in 0..4 {
        let error = client.get(url.clone()).send().await.unwrap_err();
        let refused = crate::error::chain(&error).contains("address is");
        assert_eq!(refused, n > 0, "{n}: {}", crate::error::chain(&error));
    }
    assert_eq!(trap.seen(), 0);
}

#[tokio::test]
async fn redirects_lead_nowhere() {
    let trap = Trap::set(OK).await;
    for status in [301, 302, 303, 307, 308] {
        let target = format!("http://127.0.0.1:{}/secret", trap.port);
        let answer = format!(
            "HTTP/1.1 {status} Moved\r\nlocation: {target}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        );
        let provider = Trap::set(String::leak(answer)).await;
        let url = format!("http://127.0.0.1:{}/v1", provider.port);
        assert_eq!(call(&url, true, Source::System).await, Ok(status));
        assert_eq!(provider.seen(), 1);
    }
    assert_eq!(trap.seen(), 0);
}

#[tokio::test]
async fn with_leave_the_private_network_is_reached() {
    let trap = Trap::set(OK).await;
    for host in ["127.0.0.1", "localhost", "0x7f.1"] {
        assert_eq!(call(&format!("http://{host}:{}/v1", trap.port), true, Source::System).await, Ok(200));
    }
    assert_eq!(trap.seen(), 3);
}

#[tokio::test]
async fn names_of_this_machine_need_leave() {
    let resolve = async |allow_private| -> Result<Vec<SocketAddr>, String> {
        let found =
            GuardedResolver::system(allow_private).resolve(Name::from_str("localhost").unwrap()).await;
        found.map(Iterator::collect).map_err(|error| error.to_string())
    };
    assert_eq!(resolve(false).await.unwrap_err(), GuardError::Private.to_string());
    assert!(resolve(true).await.unwrap().iter().all(|a| a.ip().is_loopback()));
}

#[tokio::test]
async fn a_refusal_is_known_from_what_the_client_says() {
    let url = check_url("https://provider.example/v1", false).unwrap();
    let fails = async |answer: &[&'static str]| {
        let source = Source::Script(Script::of(&[answer]));
        client(&url, false, source).get(url.clone()).send().await.unwrap_err()
    };
    assert!(refused(&fails(&["10.0.0.1"]).await));
    assert!(refused(&fails(&["169.254.169.254"]).await));
    assert!(!refused(&io::Error::from(io::ErrorKind::ConnectionRefused)));
}
