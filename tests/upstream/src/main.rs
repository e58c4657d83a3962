//! The fake provider as a process: prints its `base_url` and serves until it is ended.

use std::io::Write;

use clap::Parser;
use upstream::{Options, Upstream};

/// A scripted fake provider that speaks OpenAI's Chat Completions.
#[derive(Debug, Parser)]
struct Args {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: String,
    /// Stands in the ids of its answers.
    #[arg(long, default_value = "fake")]
    name: String,
    /// The one credential it accepts; any, where absent.
    #[arg(long, env = "FAKE_UPSTREAM_KEY")]
    key: Option<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let options = Options { name: args.name, key: args.key, ..Options::default() };
    let upstream = Upstream::start(args.listen.as_str(), options).await?;
    writeln!(std::io::stdout(), "{}", upstream.base_url())?;
    upstream.serve().await;
    Ok(())
}
