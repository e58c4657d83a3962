//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Where an embedded run stores everything if it is told nothing else.
pub(crate) const DEFAULT_DATA_DIR: &str = ".forebay";

/// A gateway to language models in which every request is durable before it is spent.
#[derive(Debug, Parser)]
#[command(name = "forebay", version, arg_required_else_help = true)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Every command.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run every role in one process, with a nats-server child and SQLite
    Up(UpArgs),
    /// Run the ingress alone: the data plane that clients talk to
    Ingress(IngressArgs),
    /// Run workers alone: they call the providers
    Workers(WorkersArgs),
    /// Run a ledger alone: it keeps the books
    Ledger(LedgerArgs),
    /// Run control alone: it publishes the configuration
    Control(ControlArgs),
    /// Show a fallback at work, without any network
    Demo(JsonArgs),
    /// Bring the database to this version's schema
    Migrate(DatabaseArgs),
    /// Make a demo project with a key, once
    ///
    /// Needs the deployment and its SECRET_ENCRYPTION_KEY. A running `forebay up` is found by its data directory,
    /// which holds the key as well unless it came from the environment. Where roles run apart, set NATS_URL,
    /// DATABASE_URL and SECRET_ENCRYPTION_KEY in the environment, as they are for control.
    Seed(SeedArgs),
    /// Show what happened to requests, from the streams and the books
    Replay(ReplayArgs),
    /// Derive every balance again from the events and compare
    Reconcile(ReconcileArgs),
    /// Measure this machine: direct, plain proxy and Forebay in one run
    Bench(bench::Args),
    /// The mock provider of `bench`
    #[command(hide = true)]
    BenchMock(bench::mock::Args),
    /// The plain proxy of `bench`
    #[command(hide = true)]
    BenchProxy(bench::proxy::Args),
    /// The load generator of `bench`
    #[command(hide = true)]
    BenchLoad(bench::load::Args),
    /// Print the path of the nats-server that `up` would start, fetched if need be
    #[command(hide = true)]
    NatsServer,
}

/// Where a deployment is found.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Place {
    /// The data directory of a running `forebay up` [default: .forebay]
    #[arg(long, env = "FOREBAY_DATA_DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// NATS servers, comma-separated (with DATABASE_URL, instead of a data directory)
    ///
    /// User and password stand in the address, percent-encoded: nats://USER:PASSWORD@HOST:4222. Set them in the
    /// environment, not here: every user of the machine can read a command line.
    #[arg(long, env = "NATS_URL", hide_env_values = true)]
    pub(crate) nats_url: Option<String>,
    /// The database: sqlite://PATH or postgres://... (with NATS_URL, instead of a data directory)
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub(crate) database_url: Option<String>,
}

/// `forebay up`.
#[derive(Debug, Args)]
pub(crate) struct UpArgs {
    /// Configuration file; without it, providers come from the environment
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Where everything is stored
    #[arg(long, value_name = "DIR", env = "FOREBAY_DATA_DIR", default_value = DEFAULT_DATA_DIR)]
    pub(crate) data_dir: PathBuf,
    /// The database, instead of SQLite in the data directory: postgres://...
    #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
    pub(crate) database_url: Option<String>,
    /// Where clients connect
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub(crate) listen: String,
    /// Where operators connect
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8081")]
    pub(crate) admin_listen: String,
    /// How safe an acknowledged message is: fast (a power cut loses up to 100 ms) or fsync (about 20 times slower)
    #[arg(long, value_name = "PROFILE", default_value = "fast", value_parser = ["fast", "fsync"])]
    pub(crate) durability: String,
}

/// The servers that separate roles share.
#[derive(Debug, Args)]
pub(crate) struct NatsArgs {
    /// NATS servers, comma-separated, with user and password: best set in the environment
    ///
    /// nats://USER:PASSWORD@HOST:4222,nats://HOST:4222: user and password are percent-encoded, a user alone is a token,
    /// and those of the first address that has any are used for all. Set them in the environment, not here: every
    /// user of the machine can read a command line.
    #[arg(long, env = "NATS_URL", hide_env_values = true)]
    pub(crate) nats_url: String,
}

/// The database of the roles that have one.
#[derive(Debug, Args)]
pub(crate) struct DatabaseArgs {
    /// The database, with user and password: best set in the environment
    ///
    /// sqlite://PATH or postgres://USER:PASSWORD@HOST/NAME. Set it in the environment, not here, if a password stands in
    /// it: every user of the machine can read a command line.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub(crate) database_url: String,
}

/// `forebay ingress`.
#[derive(Debug, Args)]
pub(crate) struct IngressArgs {
    #[command(flatten)]
    pub(crate) nats: NatsArgs,
    /// Where clients connect, and where /health, /ready and /metrics are served
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub(crate) listen: String,
    /// How safe an acknowledged message is: fast, fsync, or replicated [default: replicated in a cluster, else fast]
    #[arg(long, value_name = "PROFILE", env = "FOREBAY_DURABILITY", value_parser = ["fast", "fsync", "replicated"])]
    pub(crate) durability: Option<String>,
}

/// `forebay workers`.
#[derive(Debug, Args)]
pub(crate) struct WorkersArgs {
    #[command(flatten)]
    pub(crate) nats: NatsArgs,
    /// Where /health, /ready and /metrics are served
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8082")]
    pub(crate) admin_listen: String,
}

/// `forebay ledger`.
#[derive(Debug, Args)]
pub(crate) struct LedgerArgs {
    #[command(flatten)]
    pub(crate) nats: NatsArgs,
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    /// Where /health, /ready and /metrics are served
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8083")]
    pub(crate) admin_listen: String,
}

/// `forebay control`.
#[derive(Debug, Args)]
pub(crate) struct ControlArgs {
    #[command(flatten)]
    pub(crate) nats: NatsArgs,
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    /// Configuration file, published as a new version if it differs from the one in force
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Where /health, /ready and /metrics are served
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8081")]
    pub(crate) admin_listen: String,
    /// How safe an acknowledged message is: fast, fsync, or replicated [default: replicated in a cluster, else fast]
    #[arg(long, value_name = "PROFILE", env = "FOREBAY_DURABILITY", value_parser = ["fast", "fsync", "replicated"])]
    pub(crate) durability: Option<String>,
}

/// A command that only reports.
#[derive(Debug, Args)]
pub(crate) struct JsonArgs {
    /// Report as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// `forebay seed`.
#[derive(Debug, Args)]
pub(crate) struct SeedArgs {
    #[command(flatten)]
    pub(crate) place: Place,
    #[command(flatten)]
    pub(crate) output: JsonArgs,
}

/// `forebay replay`.
#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    #[command(flatten)]
    pub(crate) place: Place,
    /// One request's whole life
    #[arg(long, value_name = "ID", conflicts_with_all = ["from", "to", "project", "status"])]
    pub(crate) request: Option<String>,
    /// Requests accepted at or after this time (2026-11-20T12:00:00Z, or a day)
    #[arg(long, value_name = "TIME")]
    pub(crate) from: Option<String>,
    /// Requests accepted before this time
    #[arg(long, value_name = "TIME")]
    pub(crate) to: Option<String>,
    /// Only this project's requests
    #[arg(long)]
    pub(crate) project: Option<String>,
    /// Only requests of this status: in_progress, success, failed, cancelled, unknown, ...
    #[arg(long)]
    pub(crate) status: Option<String>,
    /// The most requests to list
    #[arg(long, default_value_t = 100)]
    pub(crate) limit: u32,
    #[command(flatten)]
    pub(crate) output: JsonArgs,
}

/// `forebay reconcile`.
#[derive(Debug, Args)]
pub(crate) struct ReconcileArgs {
    #[command(flatten)]
    pub(crate) place: Place,
    /// Begin at the newest checkpoint instead of the oldest that the stream still covers
    #[arg(long)]
    pub(crate) quick: bool,
    #[command(flatten)]
    pub(crate) output: JsonArgs,
}

impl Command {
    /// Whether the command was asked for one JSON object.
    pub(crate) fn json(&self) -> bool {
        match self {
            Self::Demo(args) => args.json,
            Self::Seed(args) => args.output.json,
            Self::Replay(args) => args.output.json,
            Self::Reconcile(args) => args.output.json,
            Self::Bench(args) => args.wants_json(),
            Self::Up(_)
            | Self::Ingress(_)
            | Self::Workers(_)
            | Self::Ledger(_)
            | Self::Control(_)
            | Self::Migrate(_)
            | Self::BenchMock(_)
            | Self::BenchProxy(_)
            | Self::BenchLoad(_)
            | Self::NatsServer => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    /// What `forebay NAME --help` says.
    fn help(name: &str) -> String {
        let mut command = Cli::command();
        let help = command.find_subcommand_mut(name).unwrap().render_long_help().to_string();
        help.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn help_says_what_a_command_needs_and_where_credentials_go() {
        let seed = help("seed");
        for needed in ["NATS_URL", "DATABASE_URL", "SECRET_ENCRYPTION_KEY", "--data-dir"] {
            assert!(seed.contains(needed), "{needed} is not in {seed}");
        }
        for role in ["ingress", "workers", "ledger", "control", "seed"] {
            let help = help(role);
            for part in ["nats://USER:PASSWORD@HOST:4222", "percent-encoded", "environment"] {
                assert!(help.contains(part), "{part} is not in {help}");
            }
        }
    }
}
