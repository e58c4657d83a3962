//! x
pub(crate) async fn run(_: crate::cli::ReplayArgs) -> anyhow::Result<bool> { Ok(true) }
