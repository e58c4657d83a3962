//! What can go wrong in the ledger, one variant for each operation.

/// A failed operation of the ledger.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Neither SQLite nor PostgreSQL.
    #[error("DATABASE_URL must begin with sqlite: or postgres:")]
    DatabaseUrl,
    /// No connection, or none within its time.
    #[error("cannot reach the database")]
    Connect(#[source] sqlx::Error),
    /// A migration failed.
    #[error("cannot bring the database to this build's schema")]
    Migrate(#[source] sqlx::migrate::MigrateError),
    /// The schema lacks this migration.
    #[error(
        "the database is older than this build: migration {0} is missing; run `forebay migrate` and start again"
    )]
    SchemaTooOld(i64),
    /// A query failed.
    #[error("cannot read from the database")]
    Read(#[source] sqlx::Error),
    /// A statement failed; nothing of its transaction is in the database.
    #[error("cannot write to the database")]
    Write(#[source] sqlx::Error),
    /// A stored value that this ledger did not write.
    #[error("the database holds something unreadable in {0}")]
    CorruptRow(&'static str),
    /// A row that does not encode.
    #[error("cannot encode a row")]
    Encode(#[source] serde_json::Error),
    /// Rows contradict the books even after everything was read again.
    #[error("the database contradicts the books: {0}")]
    Contradicted(&'static str),
    /// The stream cannot be read.
    #[error("cannot read EVENTS: {0}")]
    Stream(String),
    /// An event is missing between two others.
    #[error("EVENTS gave sequence {got} where {expected} was due")]
    Gap {
        /// The one that was due.
        expected: u64,
        /// The one that came.
        got: u64,
    },
    /// The stream ends before the cursor.
    #[error(
        "EVENTS ends at {last}, but the books have read {cursor}: the database belongs to another stream"
    )]
    AnotherStream {
        /// The stream's last sequence.
        last: u64,
        /// The cursor.
        cursor: u64,
    },
    /// Neither this checkpoint nor the beginning can be gone on from.
    #[error("EVENTS begins at {first}, and no checkpoint that is whole stands at or after it")]
    NoCheckpoint {
        /// The stream's first sequence.
        first: u64,
    },
    /// A subscription could not be made.
    #[error("cannot listen on {subject}: {message}")]
    Subscribe {
        /// The subject.
        subject: &'static str,
        /// What the client says.
        message: String,
    },
    /// Something that cannot be, and was.
    #[error("internal error: {0}")]
    Bug(&'static str),
}

/// The whole chain of an error on one line, for logs.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
