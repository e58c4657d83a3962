//! Background responses while every process dies, and the account afterwards: exit code 0 only if every promise held.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser;
use tests::background::{self, Options};

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse();
    let json = options.json;
    let account = background::run(options).await?;
    let text = if json { serde_json::to_string(&account)? } else { account.text() };
    writeln!(std::io::stdout(), "{text}")?;
    Ok(if account.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
