//! What a reader may rely on in every file, and which crate may reach which.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context as _, Result};
use serde_json::Value;

const LINES_MAX: usize = 500;

/// What a crate must not reach, by whatever way.
const WALLS: [(&str, &[&str]); 5] = [
    ("proto", &["ingress", "workers", "ledger", "control", "sqlx", "reqwest", "axum"]),
    ("ingress", &["workers", "ledger", "control", "sqlx", "reqwest"]),
    ("workers", &["ingress", "ledger", "control", "sqlx"]),
    ("ledger", &["ingress", "workers", "control", "reqwest", "axum"]),
    ("control", &["ingress", "workers", "reqwest"]),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every file under version control, with its text.
fn tree() -> Result<Vec<(String, String)>> {
    let output = Command::new("git").args(["ls-files", "-z"]).current_dir(root()).output()?;
    anyhow::ensure!(output.status.success(), "git ls-files failed");
    let names = String::from_utf8(output.stdout)?;
    let files = names.split('\0').filter(|name| !name.is_empty());
    Ok(files
        .filter_map(|name| Some((name.to_owned(), fs::read_to_string(root().join(name)).ok()?)))
        .collect())
}

/// What each package of the build depends on, development apart.
fn dependencies() -> Result<BTreeMap<String, BTreeSet<String>>> {
    let cargo = env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let arguments = ["metadata", "--format-version", "1", "--locked", "--offline"];
    let output = Command::new(cargo).args(arguments).current_dir(root()).output()?;
    anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let names: BTreeMap<String, String> =
        list(&metadata["packages"]).iter().map(|p| (text(&p["id"]), text(&p["name"]))).collect();
    let name = |id: &Value| names.get(&text(id)).cloned().unwrap_or_default();
    let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for node in list(&metadata["resolve"]["nodes"]) {
        let normal = |dep: &&Value| list(&dep["dep_kinds"]).iter().any(|kind| kind["kind"].is_null());
        let deps = list(&node["deps"]);
        all.entry(name(&node["id"]))
            .or_default()
            .extend(deps.iter().filter(normal).map(|dep| name(&dep["pkg"])));
    }
    Ok(all)
}

fn reachable(from: &str, all: &BTreeMap<String, BTreeSet<String>>) -> BTreeSet<String> {
    let (mut seen, mut next) = (BTreeSet::new(), VecDeque::from([from.to_owned()]));
    while let Some(name) = next.pop_front() {
        for dep in all.get(&name).into_iter().flatten() {
            if seen.insert(dep.clone()) {
                next.push_back(dep.clone());
            }
        }
    }
    seen
}

#[test]
fn crates_depend_in_one_direction() -> Result<()> {
    let all = dependencies()?;
    for (package, walls) in WALLS {
        anyhow::ensure!(all.contains_key(package), "no package {package}");
        let reached = reachable(package, &all);
        for wall in walls {
            assert!(!reached.contains(*wall), "{package} reaches {wall}");
        }
    }
    Ok(())
}

#[test]
fn files_are_short_and_say_what_they_own() -> Result<()> {
    for (name, text) in tree()? {
        if name.ends_with(".rs") {
            let lines = text.lines().count();
            assert!(lines <= LINES_MAX, "{name} has {lines} lines");
            assert!(text.starts_with("//!"), "{name} does not say what it owns");
        }
        assert!(
            !text.contains('\t') || name.contains("fixtures") || !name.ends_with(".rs"),
            "{name} has tabs"
        );
    }
    Ok(())
}

#[test]
fn the_tree_speaks_of_the_product_alone() -> Result<()> {
    // In pieces, so that this file holds none of them.
    let forbidden =
        [["/wo", "rk/"], ["/ro", "ot/"], ["/tmp/pl", "an"], ["TO", "DO"], ["FIX", "ME"], ["XX", "X:"]];
    for (name, text) in tree()? {
        for pieces in &forbidden {
            let word = pieces.concat();
            assert!(!text.contains(&word), "{name} holds {word:?}");
        }
    }
    Ok(())
}

/// The text from an opening bracket's content to its end.
fn enclosed(text: &str) -> &str {
    let mut depth = 1;
    let end = text.find(|c| {
        depth += match c {
            '(' => 1,
            ')' => -1,
            _ => 0,
        };
        depth == 0
    });
    &text[..end.unwrap_or(text.len())]
}

#[test]
fn log_lines_about_a_request_name_its_trace() -> Result<()> {
    for (name, text) in tree()? {
        let calls = text.match_indices("tracing::").filter_map(|(at, _)| {
            let (_, arguments) =
                text[at..].split_once("!(").filter(|(call, _)| !call.contains(['\n', ';']))?;
            Some(enclosed(arguments))
        });
        for call in calls.filter(|_| name.contains("/src/") && name.ends_with(".rs")) {
            let about_a_request = call.contains("request_id");
            assert!(!about_a_request || call.contains("traceparent"), "{name}: {call}");
        }
    }
    Ok(())
}

#[test]
fn every_provider_folder_is_in_the_table() -> Result<()> {
    let dir = root().join("workers/src/providers");
    let table = fs::read_to_string(dir.join("mod.rs")).context("workers/src/providers/mod.rs")?;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.path().is_dir() {
            let name = entry.file_name().to_string_lossy().into_owned();
            assert!(table.contains(&format!("mod {name}")), "{name} is not in the table of providers");
        }
    }
    Ok(())
}
