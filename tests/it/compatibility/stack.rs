//! Forebay before strict fakes of five vendors, with an alias `PROVIDER/SCRIPT` for each provider and script.

use std::fmt::Write as _;

use anyhow::Result;
use tests::setup::Setup;
use tests::stack::Stack;
use upstream::fake::{ACCESS_KEY, Options, REGION, SECRET_KEY};
use upstream::{Fake, Kind};

/// What the scripts of the clients ask for; see [`upstream::fake::script`].
const SCRIPTS: [&str; 26] = [
    "text",
    "split_utf8",
    "length",
    "stop_sequence",
    "refusal",
    "tools",
    "empty_args",
    "parallel",
    "json",
    "thinking",
    "thinking+tools",
    "redacted",
    "cached",
    "e400",
    "context",
    "e401",
    "e404",
    "e429",
    "e500",
    "e529",
    "flaky-2",
    "mid_error+slow",
    "cut+slow",
    "long+slow",
    "hang",
    "odd_usage",
];

/// A provider of the configuration.
#[derive(Debug)]
pub(super) struct Provider {
    /// Its name there, in aliases and in what the scripts say.
    pub(super) name: &'static str,
    /// How the table calls it.
    pub(super) title: &'static str,
    kind: &'static str,
    fake: Kind,
    /// The model that converses.
    pub(super) model: &'static str,
    /// The model that embeds.
    pub(super) embedder: &'static str,
    more: &'static str,
}

/// All of them, in the order of the table's columns.
pub(super) const PROVIDERS: [Provider; 6] = [
    Provider {
        name: "openai",
        title: "OpenAI",
        kind: "openai",
        fake: Kind::Openai,
        model: "gpt-5.4-mini",
        embedder: "text-embedding-3-small",
        more: "",
    },
    Provider {
        name: "anthropic",
        title: "Anthropic",
        kind: "anthropic",
        fake: Kind::Anthropic,
        model: "claude-sonnet-5",
        embedder: "claude-sonnet-5",
        more: "",
    },
    Provider {
        name: "azure_v1",
        title: "Azure, v1",
        kind: "azure_openai",
        fake: Kind::Azure,
        model: "gpt-5.4-mini",
        embedder: "text-embedding-3-small",
        more: "",
    },
    Provider {
        name: "azure_dated",
        title: "Azure, dated",
        kind: "azure_openai",
        fake: Kind::Azure,
        model: "gpt-5.4-mini",
        embedder: "text-embedding-3-small",
        more: "api_version = \"2025-04-01-preview\"\n",
    },
    Provider {
        name: "gemini",
        title: "Gemini",
        kind: "gemini",
        fake: Kind::Gemini,
        model: "gemini-3.8-flash",
        embedder: "gemini-embedding-001",
        more: "",
    },
    Provider {
        name: "bedrock",
        title: "Bedrock",
        kind: "bedrock",
        fake: Kind::Bedrock,
        model: "us.anthropic.claude-sonnet-5",
        embedder: "amazon.titan-embed-text-v2:0",
        more: "",
    },
];

/// A running Forebay and whom it calls. The first field is dropped first: its books are checked then.
#[derive(Debug)]
pub(super) struct Bench {
    /// Forebay.
    pub(super) stack: Stack,
    /// A fake for each provider.
    pub(super) fakes: Vec<(&'static Provider, Fake)>,
}

impl Bench {
    /// Starts all of it.
    pub(super) async fn start() -> Result<Self> {
        let mut fakes = Vec::with_capacity(PROVIDERS.len());
        let mut tables = String::new();
        let mut setup = Setup { wildcard: false, ..Setup::default() };
        for provider in &PROVIDERS {
            // Two of a kind would give the same ids without names of their own.
            let options = Options { name: provider.name.to_owned(), ..Options::new(provider.fake) };
            let fake = Fake::start_with(provider.fake, "127.0.0.1:0", options).await?;
            tables.push_str(&table(provider, &fake)?);
            setup = setup.env(&variable(provider), fake.key());
            fakes.push((provider, fake));
        }
        // Bedrock has no key: its requests are signed.
        for (name, value) in [("AWS_ACCESS_KEY_ID", ACCESS_KEY), ("AWS_SECRET_ACCESS_KEY", SECRET_KEY)] {
            setup = setup.env(name, value);
        }
        let stack = Stack::up(setup.tail(&tables)).await?;
        Ok(Self { stack, fakes })
    }
}

fn variable(provider: &Provider) -> String {
    format!("FAKE_{}_KEY", provider.name.to_uppercase())
}

/// A provider's part of the configuration file.
fn table(provider: &Provider, fake: &Fake) -> Result<String> {
    let Provider { name, kind, model, embedder, more, .. } = provider;
    let secret = match provider.fake {
        Kind::Bedrock => format!("region = \"{REGION}\""),
        _ => format!("api_key = \"env:{}\"", variable(provider)),
    };
    let mut text = format!(
        "[[providers]]\nname = \"{name}\"\nkind = \"{kind}\"\nbase_url = \"{}\"\n\
         allow_private_network = true\n{secret}\n{more}\n",
        fake.base_url()
    );
    for script in SCRIPTS {
        writeln!(
            text,
            "[[models]]\nalias = \"{name}/{script}\"\ntargets = [ {{ provider = \"{name}\", \
             model = \"{model}--{script}\", underlying_model = \"{model}\" }} ]\n"
        )?;
    }
    writeln!(
        text,
        "[[models]]\nalias = \"{name}/embed\"\n\
         targets = [ {{ provider = \"{name}\", model = \"{embedder}\" }} ]\n"
    )?;
    Ok(text)
}
