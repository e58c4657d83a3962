//! The check of a key: what it finds, and what it costs. The CPU time is measured by hand, in release (Linux tells it):
//! `cargo test -p ingress --release --lib -- --ignored --nocapture key_check`.

use std::io::Write;

use http::HeaderValue;
use proto::config::{Config, Model, Project, Provider, ProviderKind, Strategy, Target};
use proto::secret::MasterKey;
use proto::switch::entry;

use super::*;
use crate::metrics::Metrics;

/// The most CPU time that the check of a key may take that is in the cache.
const CHECK_NS_MAX: f64 = 5_000.0;
const CHECKS: u32 = 20_000;
const ROUNDS: usize = 20;

#[test]
fn a_key_is_found_in_each_of_its_headers() {
    let with = |name: &'static str, value: &str| {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_str(value).unwrap());
        secret(&headers).map(str::to_owned)
    };
    for (name, value) in [
        ("authorization", "Bearer k1"),
        ("authorization", "bearer  k1 "),
        ("x-api-key", "k1"),
        ("api-key", "k1"),
    ] {
        assert_eq!(with(name, value).as_deref(), Some("k1"), "{name}: {value}");
    }
    for (name, value) in [
        ("authorization", "Basic k1"),
        ("authorization", "Bearer "),
        ("authorization", "k1"),
        ("x-api-key", ""),
    ] {
        assert_eq!(with(name, value), None, "{name}: {value}");
    }
    assert_eq!(with("x-api-key", &"k".repeat(SECRET_BYTES_MAX + 1)), None);
}

/// A thousand projects, a key with every limit, and something that is switched off.
struct Scene {
    pepper: Pepper,
    keys: KeyCache,
    imported: Imported,
    switches: Switches,
    known: Known,
    headers: HeaderMap,
}

const SECRET: &str = "fb_sk_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG";

impl Scene {
    async fn new(limited: bool) -> Self {
        let pepper = MasterKey::new("0123456789abcdef0123456789abcdef".to_owned()).unwrap().key_pepper();
        let keys = KeyCache::new(Arc::new(Metrics::new()));
        let mut record = KeyRecord {
            id: "key_1".into(),
            project: "p500".into(),
            name: "k".into(),
            ..KeyRecord::default()
        };
        let switches = Switches::default();
        if limited {
            record.expires_ms = Some(u64::MAX);
            record.networks = Some(vec!["10.0.0.0/8".parse().unwrap(), "127.0.0.0/8".parse().unwrap()]);
            record.models = Some(vec!["fast".into()]);
            switches.set(&entry(SwitchKind::Project, "p7"), true);
        }
        keys.put(&pepper.hash(SECRET), record).await;
        let project =
            |n: u32| Project { developer: Some(format!("dev_{n}")), ..Project::new(format!("p{n}")) };
        let config = Config {
            version: 1,
            published_ms: 0,
            streaming: true,
            providers: vec![Provider::new("p", ProviderKind::Openai)],
            models: vec![Model::new("fast", Strategy::Simple, vec![Target::new("p", "m")])],
            projects: (0..1000).map(project).collect(),
            prices: Vec::new(),
        };
        let mut headers = HeaderMap::new();
        headers.insert("authorization", format!("Bearer {SECRET}").parse().unwrap());
        headers.insert("content-type", HeaderValue::from_static("application/json"));
        let known = Known::new(Arc::new(config));
        Self { pepper, keys, imported: Imported::new(), switches, known, headers }
    }

    async fn check(&self) -> Result<(String, Arc<KeyRecord>), Fault> {
        let door = Door {
            pepper: &self.pepper,
            keys: &self.keys,
            imported: &self.imported,
            switches: &self.switches,
            known: Some(&self.known),
            link_down: true,
        };
        door.admit(&self.headers, Some(IpAddr::from([127, 0, 0, 1])), now_ms()).await
    }
}

#[tokio::test]
async fn the_key_itself_is_told_before_its_project() {
    let scene = Scene::new(true).await;
    assert!(scene.check().await.is_ok());
    for (kind, id, code) in [
        (SwitchKind::Project, "p500", FaultCode::Forbidden),
        (SwitchKind::Developer, "dev_500", FaultCode::Forbidden),
        (SwitchKind::Key, "key_1", FaultCode::InvalidApiKey),
    ] {
        scene.switches.set(&entry(kind, id), true);
        assert_eq!(scene.check().await.unwrap_err().code, code);
    }
}

/// What this thread has run, whatever else the machine was doing.
fn cpu_ns() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

#[tokio::test]
#[ignore = "measures time: run by hand, in release"]
async fn key_check_on_a_warm_key() {
    for (name, limited) in [("a plain key", false), ("a key with limits, something switched off", true)] {
        let scene = Scene::new(limited).await;
        let mut least = f64::MAX;
        for _ in 0..ROUNDS {
            let began = cpu_ns();
            for _ in 0..CHECKS {
                std::hint::black_box(scene.check().await.is_ok());
            }
            least = least.min((cpu_ns() - began) as f64 / f64::from(CHECKS));
        }
        writeln!(std::io::stderr(), "{name}: {least:.0} ns").unwrap();
        assert!(least <= CHECK_NS_MAX, "{name}: {least} ns");
    }
}
