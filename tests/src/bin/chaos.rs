//! Load while processes of every role and NATS servers die and freeze, and the account afterwards: exit code 0
//! only if every promise held.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser;
use tests::chaos::{self, Options};

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse().settled();
    let json = options.json;
    let account = chaos::run(options).await?;
    let text = if json { serde_json::to_string(&account)? } else { account.text() };
    writeln!(std::io::stdout(), "{text}")?;
    Ok(if account.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
