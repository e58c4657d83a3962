//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::credentials::CredentialsCommand;

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
    /// Look at, publish and go back to versions of the configuration
    Config(ConfigArgs),
    /// Derive every balance again from the events and compare
    Reconcile(ReconcileArgs),
    /// Check that the environment of a hosted deployment is complete and safe
    ///
    /// Every variable that such a deployment needs must be set and sound: secrets strong, addresses public, origins exact.
    /// REQUIRE_HOSTED_PROVIDER=1 and REQUIRE_HOSTED_STRIPE=1 ask for the keys of those as well. No value is printed.
    VerifyEnv(JsonArgs),
    /// Provider credentials: keys, a masked list, rotation
    #[command(subcommand)]
    Credentials(CredentialsCommand),
    /// Read, export and verify the audit log
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Check that whatever belongs to a tenant belongs to the right one; the first mismatch ends it with status 1
    CheckIsolation(CheckIsolationArgs),
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

/// `forebay config`.
#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    pub(crate) command: ConfigCommand,
}

/// What can be done with the configuration.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Say what a file would do; nothing is changed
    Preview {
        /// The configuration file
        file: PathBuf,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        output: JsonArgs,
    },
    /// Compare two versions, or the one in force with a file
    Diff {
        /// The configuration file to compare with
        #[arg(conflicts_with = "to")]
        file: Option<PathBuf>,
        /// The version before [default: the one in force]
        #[arg(long, value_name = "VERSION")]
        from: Option<u64>,
        /// The version after [default: the one in force]
        #[arg(long, value_name = "VERSION")]
        to: Option<u64>,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        output: JsonArgs,
    },
    /// Publish a file, if it says something else than what was last published from a file
    ///
    /// Objects are matched by name; what was made over the API stays. Needs SECRET_ENCRYPTION_KEY, as `seed` does.
    Publish {
        /// The configuration file
        file: PathBuf,
        /// A note for the history
        #[arg(long)]
        note: Option<String>,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        output: JsonArgs,
    },
    /// List what was published, the newest first
    History {
        /// The most publications to list
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=256))]
        limit: u32,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        output: JsonArgs,
    },
    /// Publish an older version again
    Rollback {
        /// The version
        version: u64,
        /// A note for the history
        #[arg(long)]
        note: Option<String>,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        output: JsonArgs,
    },
    /// Show every process with the version it runs with; fails if one that runs has another
    Status {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        output: JsonArgs,
    },
}

impl ConfigCommand {
    fn json(&self) -> bool {
        match self {
            Self::Preview { output, .. }
            | Self::Diff { output, .. }
            | Self::Publish { output, .. }
            | Self::History { output, .. }
            | Self::Rollback { output, .. }
            | Self::Status { output, .. } => output.json,
        }
    }
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

/// `forebay audit`.
#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Verify that no record was changed, removed or put in
    ///
    /// Walks the chain of hashes in the database and compares every record with its copy on EVENTS, as far back as that
    /// is kept. Ends with status 1 and names the first record that is not as it was written.
    Verify(AuditVerifyArgs),
    /// Write every record, oldest first, as lines of JSON
    Export(AuditExportArgs),
    /// Show records, newest first
    List(AuditListArgs),
}

/// `forebay audit verify`.
#[derive(Debug, Args)]
pub(crate) struct AuditVerifyArgs {
    #[command(flatten)]
    pub(crate) place: Place,
    #[command(flatten)]
    pub(crate) output: JsonArgs,
}

/// `forebay audit export`.
#[derive(Debug, Args)]
pub(crate) struct AuditExportArgs {
    #[command(flatten)]
    pub(crate) filter: AuditFilter,
    /// Lines of JSON, which it writes anyhow
    #[arg(long)]
    pub(crate) json: bool,
}

/// `forebay audit list`.
#[derive(Debug, Args)]
pub(crate) struct AuditListArgs {
    #[command(flatten)]
    pub(crate) filter: AuditFilter,
    /// The most records to show
    #[arg(long, default_value_t = 100)]
    pub(crate) limit: u32,
    #[command(flatten)]
    pub(crate) output: JsonArgs,
}

/// Which records of the audit log.
#[derive(Debug, Args)]
pub(crate) struct AuditFilter {
    #[command(flatten)]
    pub(crate) place: Place,
    /// Only what this one did: admin:NAME, developer:NAME, end_user:ID, operator:NAME or system:ROLE
    #[arg(long)]
    pub(crate) actor: Option<String>,
    /// Only this: key.revoke, app.create, ...
    #[arg(long)]
    pub(crate) action: Option<String>,
    /// Only what was done to this kind of thing
    #[arg(long)]
    pub(crate) resource: Option<String>,
    /// Only what was done to this one
    #[arg(long, value_name = "ID")]
    pub(crate) resource_id: Option<String>,
    /// Only what concerns this developer
    #[arg(long, value_name = "ID")]
    pub(crate) developer: Option<String>,
    /// Only what ended so
    #[arg(long, value_parser = ["success", "denied", "failed"])]
    pub(crate) outcome: Option<String>,
    /// At or after this time (2026-11-20T12:00:00Z, or a day)
    #[arg(long, value_name = "TIME")]
    pub(crate) from: Option<String>,
    /// Before this time
    #[arg(long, value_name = "TIME")]
    pub(crate) to: Option<String>,
}

/// `forebay check-isolation`.
#[derive(Debug, Args)]
pub(crate) struct CheckIsolationArgs {
    /// The data directory of a running `forebay up` [default: .forebay]
    #[arg(long, env = "FOREBAY_DATA_DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// The database: sqlite://PATH or postgres://... (instead of a data directory)
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub(crate) database_url: Option<String>,
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
            Self::Config(args) => args.command.json(),
            Self::Reconcile(args) => args.output.json,
            Self::VerifyEnv(args) => args.json,
            Self::Credentials(command) => command.args().output.json,
            Self::Audit(AuditCommand::Verify(args)) => args.output.json,
            Self::Audit(AuditCommand::Export(args)) => args.json,
            Self::Audit(AuditCommand::List(args)) => args.output.json,
            Self::CheckIsolation(args) => args.output.json,
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
