//! What the scripts found, as a table: `docs/compatibility.md`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use super::stack::{PROVIDERS, Provider};

/// The clients that must agree on a cell.
pub(super) const CLIENTS: [&str; 2] = ["python", "node"];
/// The APIs, each a script for each client, and their titles.
pub(super) const APIS: [(&str, &str); 4] = [
    ("chat", "OpenAI Chat Completions"),
    ("responses", "OpenAI Responses"),
    ("messages", "Anthropic Messages"),
    ("embeddings", "OpenAI Embeddings"),
];

/// A line of a script.
#[derive(Debug, Deserialize)]
pub(super) struct Said {
    pub(super) client: String,
    pub(super) api: String,
    pub(super) provider: String,
    pub(super) feature: String,
    pub(super) ok: bool,
    pub(super) detail: String,
}

/// What a provider does not do, whoever asks: a cell that must not work.
#[derive(Debug, Deserialize)]
pub(super) struct Limit {
    apis: Vec<String>,
    providers: Vec<String>,
    features: Vec<String>,
    why: String,
    source: String,
}

impl Limit {
    /// The documented ones.
    pub(super) fn read(path: &Path) -> Result<Vec<Self>> {
        Ok(serde_json::from_slice(&fs::read(path).with_context(|| path.display().to_string())?)?)
    }

    fn holds(&self, api: &str, provider: &str, feature: &str) -> bool {
        let has = |list: &[String], name: &str| list.iter().any(|item| item == name);
        has(&self.apis, api) && has(&self.providers, provider) && has(&self.features, feature)
    }
}

/// The table, and everything that should be otherwise.
pub(super) struct Found {
    pub(super) text: String,
    pub(super) problems: Vec<String>,
}

/// Makes the table out of what was said.
pub(super) fn table(said: &[Said], limits: &[Limit], versions: &str) -> Result<Found> {
    let mut problems = Vec::new();
    let mut text = format!(
        "# What works with what\n\n\
         Made by `./tests/run`: every cell is a test with each of the official clients, as they are published,\n\
         against a running Forebay, whose providers are strict fakes that refuse what the vendors refuse. After the\n\
         run the tokens that each fake would bill are compared with those on the books. `yes`: it works with all\n\
         clients. `no`: the provider's own limit, whose source stands below. The scripts are in\n\
         [`tests/clients/compat`](../tests/clients/compat), a function for each row.\n\nClients: {versions}.\n"
    );
    for (api, title) in APIS {
        write!(text, "\n## {title}\n\n| |")?;
        PROVIDERS.iter().try_for_each(|provider| write!(text, " {} |", provider.title))?;
        writeln!(text, "\n|---|{}", "---|".repeat(PROVIDERS.len()))?;
        for feature in features(said, api) {
            write!(text, "| {} |", feature.replace('_', " "))?;
            for provider in &PROVIDERS {
                let cell = cell(said, limits, (api, provider, feature), &mut problems);
                write!(text, " {cell} |")?;
            }
            text.push('\n');
        }
    }
    text.push_str("\n## Limits\n\n");
    for (n, limit) in limits.iter().enumerate() {
        writeln!(text, "{}. *{}*: {}", n + 1, limit.why, limit.source)?;
    }
    text.push_str("\n## Models\n\n| | conversation | embeddings |\n|---|---|---|\n");
    for Provider { title, model, embedder, .. } in &PROVIDERS {
        writeln!(text, "| {title} | `{model}` | `{embedder}` |")?;
    }
    Ok(Found { text, problems })
}

/// The features of an API in the order in which they were tried.
fn features<'a>(said: &'a [Said], api: &str) -> Vec<&'a str> {
    let mut names: Vec<&str> = Vec::new();
    for line in said.iter().filter(|line| line.api == api) {
        if !names.contains(&line.feature.as_str()) {
            names.push(&line.feature);
        }
    }
    names
}

/// One cell; what is wrong with it goes to `problems`.
fn cell(
    said: &[Said],
    limits: &[Limit],
    (api, provider, feature): (&str, &Provider, &str),
    problems: &mut Vec<String>,
) -> String {
    let here = |line: &&Said| line.api == api && line.provider == provider.name && line.feature == feature;
    let lines: BTreeMap<&str, &Said> =
        said.iter().filter(here).map(|line| (line.client.as_str(), line)).collect();
    let place = |client: &str| format!("{client}, {api}, {}, {feature}", provider.name);
    let limit = limits.iter().enumerate().find(|(_, limit)| limit.holds(api, provider.name, feature));
    let mut whole = true;
    for client in CLIENTS {
        let problem = match (lines.get(client), limit) {
            (None, _) => "was not tried".to_owned(),
            (Some(line), None) if !line.ok => line.detail.clone(),
            (Some(line), Some((_, limit))) if line.ok => {
                format!("works, and the limit says that the provider {}", limit.why)
            }
            (Some(_), _) => continue,
        };
        whole = false;
        problems.push(format!("{}: {problem}", place(client)));
    }
    match limit {
        _ if !whole => "FAILS".to_owned(),
        Some((n, limit)) => format!("no: {} [{}]", limit.why, n + 1),
        None => "yes".to_owned(),
    }
}

#[cfg(test)]
mod checked {
    use super::*;

    fn line(client: &str, ok: bool) -> Said {
        let detail = if ok { "" } else { "Error: no" };
        Said {
            client: client.into(),
            api: "chat".into(),
            provider: "openai".into(),
            feature: "thoughts".into(),
            ok,
            detail: detail.into(),
        }
    }

    fn judged(said: &[Said], limits: &[Limit]) -> (String, Vec<String>) {
        let mut problems = Vec::new();
        let cell = cell(said, limits, ("chat", &PROVIDERS[0], "thoughts"), &mut problems);
        (cell, problems)
    }

    #[test]
    fn a_cell_is_what_both_clients_found() {
        let limit = Limit {
            apis: vec!["chat".into()],
            providers: vec!["openai".into()],
            features: vec!["thoughts".into()],
            why: "shows none".into(),
            source: "s".into(),
        };
        let both = [line("python", true), line("node", true)];
        assert_eq!(judged(&both, &[]), ("yes".to_owned(), Vec::new()));
        let none = [line("python", false), line("node", false)];
        assert_eq!(judged(&none, std::slice::from_ref(&limit)).0, "no: shows none [1]");
        let (cell, problems) = judged(&[line("python", true), line("node", false)], &[]);
        assert_eq!(
            (cell.as_str(), problems),
            ("FAILS", vec!["node, chat, openai, thoughts: Error: no".into()])
        );
        let (_, problems) = judged(&[line("python", true)], &[]);
        assert_eq!(problems, ["node, chat, openai, thoughts: was not tried"]);
        let (cell, problems) = judged(&both, &[limit]);
        assert_eq!((cell.as_str(), problems.len()), ("FAILS", 2));
    }
}
