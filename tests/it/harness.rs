//! The ground that the other tests stand on: that the throw-away servers are real and come up.

use anyhow::Result;
use tests::nats::Nats;
use tests::postgres::Postgres;

#[tokio::test]
async fn a_cluster_of_three_comes_up_and_is_caught_up() -> Result<()> {
    let nats = Nats::cluster().await?;
    assert!(nats.caught_up().await?);
    let js = nats.connect().await?;
    assert_eq!(js.query_account().await?.streams, 0);
    Ok(())
}

#[tokio::test]
async fn a_postgres_cluster_comes_up() -> Result<()> {
    let postgres = Postgres::start().await?;
    let url = postgres.database("fresh").await?;
    assert!(url.ends_with("/fresh"));
    Ok(())
}
