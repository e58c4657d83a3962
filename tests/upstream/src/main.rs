//! A fake provider as a process: prints its `base_url` and serves until it is ended.

use std::io::Write;

use clap::{Parser, ValueEnum};
use upstream::{Fake, Kind, Options, Upstream};

/// A scripted fake provider.
#[derive(Debug, Parser)]
struct Args {
    /// Whose API it speaks; Chat Completions alone, where absent.
    #[arg(long)]
    kind: Option<Api>,
    /// Where to listen; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: String,
    /// Stands in the ids or signatures of its answers.
    #[arg(long, default_value = "fake")]
    name: String,
    /// The one credential it accepts. Where absent: any, or with a kind the one that tests of that kind use.
    #[arg(long, env = "FAKE_UPSTREAM_KEY")]
    key: Option<String>,
}

/// Kinds of providers.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Api {
    Openai,
    Anthropic,
    Gemini,
    Azure,
    Bedrock,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let kind = match args.kind {
        None => {
            let options = Options { name: args.name, key: args.key, ..Options::default() };
            let upstream = Upstream::start(args.listen.as_str(), options).await?;
            writeln!(std::io::stdout(), "{}", upstream.base_url())?;
            upstream.serve().await;
            return Ok(());
        }
        Some(Api::Openai) => Kind::Openai,
        Some(Api::Anthropic) => Kind::Anthropic,
        Some(Api::Gemini) => Kind::Gemini,
        Some(Api::Azure) => Kind::Azure,
        Some(Api::Bedrock) => Kind::Bedrock,
    };
    let key = args.key.unwrap_or_else(|| kind.key().to_owned());
    let options = upstream::fake::Options { name: args.name, key };
    let fake = Fake::start_with(kind, args.listen.as_str(), options).await?;
    writeln!(std::io::stdout(), "{}", fake.base_url())?;
    fake.serve().await;
    Ok(())
}
