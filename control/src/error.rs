//! What can go wrong in control.

use proto::nats::{DeclareError, PublishError};

use crate::defaults::DefaultsError;
use crate::file::FileError;

/// Why control stopped, or did not publish.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration file cannot be used.
    #[error("the configuration file cannot be used")]
    File(#[source] FileError),
    /// There is no file and the environment makes no configuration.
    #[error("there is no configuration")]
    Defaults(#[source] DefaultsError),
    /// The database refused.
    #[error("cannot {action} in the database")]
    Sql {
        /// What was to be done.
        action: &'static str,
        /// Why not.
        #[source]
        source: sqlx::Error,
    },
    /// Other controls published again and again in between.
    #[error("other publications kept coming in between")]
    Contended,
    /// The master secret is not the one that the stored keys were hashed with.
    #[error(
        "SECRET_ENCRYPTION_KEY is not the one that the stored virtual keys were hashed with: none of them would \
         be recognised; start with the former one, or with an empty database"
    )]
    OtherSecret,
    /// Two keys would have one secret.
    #[error("the secret of key {project}/{name} belongs to another key already")]
    SecretTaken {
        /// Project of the key that was to be made.
        project: String,
        /// Its name.
        name: String,
    },
    /// The compiled document does not fit one message.
    #[error("the configuration is too large: {bytes} bytes when compiled, at most {max} are served")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// A stored document, record or event does not encode or decode.
    #[error("a stored document does not encode or decode")]
    Json(#[from] serde_json::Error),
    /// The machine gave no randomness.
    #[error("no randomness is available")]
    Random,
    /// The books did not say how long events must be kept.
    #[error("cannot tell how long events must be kept")]
    Books(#[source] ledger::Error),
    /// Streams or buckets could not be declared in time.
    #[error("cannot declare streams and buckets")]
    Declare(#[source] DeclareError),
    /// A bucket or stream did not answer, or refused.
    #[error("cannot {action}: {message}")]
    Nats {
        /// What was to be done.
        action: &'static str,
        /// Why not.
        message: String,
    },
    /// The configuration event was not stored.
    #[error("cannot store the configuration event")]
    Event(#[source] PublishError),
    /// A payload key was wrapped under another master secret.
    #[error("payload key {0} was wrapped under another SECRET_ENCRYPTION_KEY: start with the former one")]
    OtherWrapper(String),
    /// A payload key could not be made.
    #[error("cannot make a payload key")]
    Seal(#[from] proto::seal::SealError),
}

impl Error {
    /// Wraps a failure of the database.
    pub(crate) fn sql(action: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| Self::Sql { action, source }
    }

    /// Wraps a failure of a bucket or stream; async-nats has a type for each call.
    pub(crate) fn nats<E: std::fmt::Display>(action: &'static str) -> impl FnOnce(E) -> Self {
        move |error| Self::Nats { action, message: error.to_string() }
    }

    /// Whether trying again may help: something was not reached, or an election was going on.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Declare(_) | Self::Nats { .. } | Self::Event(_) | Self::Contended | Self::Books(_) => true,
            Self::Sql { source, .. } => {
                let unreached = matches!(source, sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut);
                unreached || self.is_conflict()
            }
            Self::File(_)
            | Self::Defaults(_)
            | Self::OtherSecret
            | Self::SecretTaken { .. }
            | Self::TooLarge { .. }
            | Self::Json(_)
            | Self::Random
            | Self::OtherWrapper(_)
            | Self::Seal(_) => false,
        }
    }

    /// Whether another publication came in between, so that trying again helps.
    pub(crate) fn is_conflict(&self) -> bool {
        let Self::Sql { source: sqlx::Error::Database(error), .. } = self else { return false };
        // PostgreSQL: serialization failure, deadlock, lock timeout. SQLite: busy, in its variants.
        let busy = ["40001", "40P01", "55P03", "5", "261", "517"];
        error.is_unique_violation() || error.code().is_some_and(|code| busy.contains(&code.as_ref()))
    }
}
